"""Regularisers that no record touches, added to a risk.

They bend the risk and choose among its stationary points, and cost no privacy: what they add to a release is known to
everybody.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algos.contracts import description

__all__ = ["RegularizedRisk"]


@description
class RegularizedRisk:
    """A risk plus weight * sum_j w_j^2 / (1 + w_j^2), which is not convex, or plus (weight / 2) |w|^2.

    ``lipschitz`` and ``smoothness`` are the records' alone, to which they are clipped; ``public_smoothness`` and
    ``public_gradient`` are the regulariser's.

    Parameters
    ----------
    risk : FiniteSum
        Any risk without a regulariser of its own.
    weight : float > 0
        rho.
    kind : {"saturating", "ridge"}
        The first has slopes of at most 0.6495 rho a coordinate, 3 sqrt(3) rho / 8, and the smoothness 2 rho; the
        second's are rho |w_j| and rho.

    Examples
    --------
    >>> from simulators.erm import breast_cancer
    >>> risk = RegularizedRisk(breast_cancer(), 0.01)
    >>> risk.smoothness == breast_cancer().smoothness, risk.public_smoothness
    (True, 0.02)
    """

    risk: Any
    weight: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    kind: Literal["saturating", "ridge"] = "saturating"

    def __post_init__(self) -> None:
        if hasattr(self.risk, "public_gradient"):
            raise ValueError("risk: has a regulariser already")

    @property
    def n_records(self) -> int:
        """Of the risk."""
        return int(self.risk.n_records)

    @property
    def dimension(self) -> int:
        """Of the risk."""
        return int(self.risk.dimension)

    @property
    def lipschitz(self) -> float:
        """L0 of the records."""
        return float(self.risk.lipschitz)

    @property
    def smoothness(self) -> float:
        """L1 of the records."""
        return float(self.risk.smoothness)

    @property
    def gap(self) -> float:
        """F0 of the risk, which holds here too: the regulariser is 0 at 0 and nowhere less."""
        return float(self.risk.gap)

    @property
    def convex(self) -> bool:
        """Whether both parts are."""
        return self.kind == "ridge" and bool(getattr(self.risk, "convex", False))

    @property
    def constants_assumed(self) -> bool:
        """Whether the risk's constants are."""
        return bool(getattr(self.risk, "constants_assumed", False))

    @property
    def public_smoothness(self) -> float:
        """2 rho, or rho of the ridge."""
        return self.weight * (2.0 if self.kind == "saturating" else 1.0)

    def public_gradient(self, w: ArrayLike) -> NDArray[np.float64]:
        """The regulariser's gradient, shape (d,)."""
        at = np.asarray(w, dtype=np.float64)
        if self.kind == "ridge":
            return self.weight * at
        h = np.hypot(1.0, at)
        return np.asarray(2.0 * self.weight * (at / h) / h / h / h)

    def value(self, w: ArrayLike) -> float:
        """The risk and the regulariser."""
        at = np.asarray(w, dtype=np.float64)
        if self.kind == "ridge":
            return float(self.risk.value(at)) + 0.5 * self.weight * float(at @ at)
        return float(self.risk.value(at)) + self.weight * float(np.sum((at / np.hypot(1.0, at)) ** 2))

    def gradient(self, w: ArrayLike) -> NDArray[np.float64]:
        """Of both, shape (d,); not private."""
        return np.asarray(self.risk.gradient_sum(w) / self.n_records + self.public_gradient(w))

    def gradient_sum(
        self, w: ArrayLike, *, clip: float = math.inf, batch: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Of the records alone."""
        return np.asarray(self.risk.gradient_sum(w, clip=clip, batch=batch))

    def variation_sum(
        self, w: ArrayLike, before: ArrayLike, *, clip: float = math.inf, batch: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Of the records alone."""
        return np.asarray(self.risk.variation_sum(w, before, clip=clip, batch=batch))

    def lattice_gradient_sum(self, w: ArrayLike, *, clip: float, step: float) -> NDArray[np.int64]:
        """Of the records alone, in whole multiples of a step; see `LinearModelRisk`."""
        return np.asarray(self.risk.lattice_gradient_sum(w, clip=clip, step=step))

    def lattice_variation_sum(self, w: ArrayLike, before: ArrayLike, *, clip: float, step: float) -> NDArray[np.int64]:
        """Of the records alone, in whole multiples of a step."""
        return np.asarray(self.risk.lattice_variation_sum(w, before, clip=clip, step=step))
