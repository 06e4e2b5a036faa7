"""Risks of the user's own models: a function that gives every record's gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algos.contracts import Count, description

__all__ = ["PerRecordRisk"]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
_SLACK = 1.0 + 1e-12


@description
class PerRecordRisk:
    """The mean loss of any model whose per-record gradients the user computes: matrix factors, a small network.

    Its constants are what gradients are clipped to, and not known to hold: methods clip every record whatever they are
    told, so that the budget is kept, and certify nothing.

    Parameters
    ----------
    n_records, dimension : int >= 1
    losses : callable
        ``losses(w, records)``: losses at w, shape (d,), of the records with these numbers, shape (b,); returns (b,).
    gradients : callable
        ``gradients(w, records)``: their gradients, shape (b, d).
    lipschitz : float > 0
        L0, to which a gradient is clipped.
    smoothness : float > 0
        L1: a variation is clipped to L1 times the distance.
    block : int >= 1
        At most so many records are asked for at once.

    Examples
    --------
    >>> points = np.array([[1.0, 0.0], [0.0, 3.0]])
    >>> risk = PerRecordRisk(2, 2, lambda w, i: 0.5 * ((w - points[i]) ** 2).sum(axis=1), lambda w, i: w - points[i])
    >>> risk.gradient_sum(np.zeros(2), clip=1.0).tolist()
    [-1.0, -1.0]
    """

    n_records: Count
    dimension: Count
    losses: Callable[..., Any]
    gradients: Callable[..., Any]
    lipschitz: Annotated[Positive, Field(kw_only=True)] = 1.0
    smoothness: Annotated[Positive, Field(kw_only=True)] = 1.0
    block: Annotated[Count, Field(kw_only=True)] = 4096

    @property
    def constants_assumed(self) -> bool:
        """They are."""
        return True

    @property
    def gap(self) -> float:
        """Not known.

        Raises
        ------
        ValueError
        """
        raise ValueError("gap: is not known of a model whose constants are only assumed")

    def value(self, w: ArrayLike) -> float:
        """The mean loss."""
        at, total = self._point(w), 0.0
        for part in self._parts(None):
            found = np.asarray(self.losses(at, part), dtype=np.float64)
            if found.shape != part.shape:
                raise ValueError(f"losses: returned shape {found.shape} for {part.size} records")
            total += float(found.sum())
        return total / self.n_records

    def gradient(self, w: ArrayLike) -> NDArray[np.float64]:
        """The mean gradient, nothing clipped, shape (d,)."""
        return self.gradient_sum(w) / self.n_records

    def gradient_sum(
        self, w: ArrayLike, *, clip: float = math.inf, batch: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Sum of the gradients, each scaled down to a norm of at most `clip`. O(b d), and the callback."""
        at, total = self._point(w), np.zeros(self.dimension)
        for part in self._parts(batch):
            total += _clipped_sum(self._gradients(at, part), clip)
        return total

    def variation_sum(
        self, w: ArrayLike, before: ArrayLike, *, clip: float = math.inf, batch: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Sum of the differences of the gradients at two points, each scaled down to a norm of at most `clip`."""
        at, then, total = self._point(w), self._point(before), np.zeros(self.dimension)
        for part in self._parts(batch):
            total += _clipped_sum(self._gradients(at, part) - self._gradients(then, part), clip)
        return total

    def _gradients(self, w: NDArray[np.float64], part: NDArray[np.int64]) -> NDArray[np.float64]:
        found = np.asarray(self.gradients(w, part), dtype=np.float64)
        if found.shape != (part.size, self.dimension):
            raise ValueError(
                f"gradients: returned shape {found.shape} for {part.size} records of dimension {self.dimension}"
            )
        return found

    def _parts(self, batch: NDArray[np.int64] | None) -> list[NDArray[np.int64]]:
        chosen = np.arange(self.n_records) if batch is None else np.asarray(batch)
        return [chosen[i : i + self.block] for i in range(0, chosen.size, self.block)]

    def _point(self, w: ArrayLike) -> NDArray[np.float64]:
        point = np.array(w, dtype=np.float64)
        if point.shape != (self.dimension,):
            raise ValueError(f"w: shape {point.shape} is not ({self.dimension},)")
        return point


def _clipped_sum(rows: NDArray[np.float64], clip: float) -> NDArray[np.float64]:
    norms = np.linalg.norm(rows, axis=1)
    scale = np.where(norms > clip * _SLACK, clip / np.maximum(norms, 1e-300), 1.0)
    return np.asarray(scale @ rows)
