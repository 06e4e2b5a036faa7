"""What optimizers need of a finite sum, and how batches of its records are drawn.

Source: R. Arora, R. Bassily, T. Gonzalez, C. Guzman, M. Menart, E. Ullah, "Faster rates of convergence to stationary
points in differentially private optimization", ICML 2023 (arXiv:2206.00846).
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.privacy import Sampling

__all__ = [
    "FiniteSum",
    "NoNumbersError",
    "check_clipping",
    "check_problem",
    "check_start",
    "draw_batch",
    "numbers",
    "public_gradient",
    "public_smoothness",
    "refuse_public_part",
    "sound",
    "true_gradient",
]


class FiniteSum(Protocol):
    """The mean of n records' losses; any object of this shape can be optimized.

    ``clip`` scales every record's part down to that norm before they are added; whoever leaves it out, or gives inf,
    trusts the constants. A problem may also have a part that no record touches, a regulariser: its
    ``public_gradient(w)``, of shape (d,), is added without noise, ``public_smoothness`` to L1 where steps are chosen,
    and `value` includes it. One whose constants are only assumed says so by ``constants_assumed = True``: then records
    are always clipped, and there is no certificate.
    """

    @property
    def n_records(self) -> int:
        """n."""  # noqa: D403
        ...

    @property
    def dimension(self) -> int:
        """d."""  # noqa: D403
        ...

    @property
    def lipschitz(self) -> float:
        """L0: no record's gradient is longer, anywhere."""
        ...

    @property
    def smoothness(self) -> float:
        """L1: no record's gradient changes faster, anywhere."""
        ...

    @property
    def gap(self) -> float:
        """F0: the risk at the start is at most that much above its least value."""
        ...

    def value(self, w: Any) -> float:
        """The risk; looked at in simulations alone."""
        ...

    def gradient_sum(self, w: Any, *, clip: float = ..., batch: Any = ...) -> NDArray[np.float64]:
        """Sum of the gradients of a batch's records; of all where the batch is None."""
        ...

    def variation_sum(self, w: Any, before: Any, *, clip: float = ..., batch: Any = ...) -> NDArray[np.float64]:
        """Sum of the differences of their gradients at two points."""
        ...


def check_problem(problem: Any) -> tuple[int, int, float, float]:
    """n, d, L0 and L1.

    Raises
    ------
    ValueError
        When a constant is out of its range.
    """
    n, d = int(problem.n_records), int(problem.dimension)
    lipschitz, smoothness = float(problem.lipschitz), float(problem.smoothness)
    if n < 1 or d < 1:
        raise ValueError(f"problem: has {n} records of dimension {d}; both must be at least 1")
    if not 0.0 < lipschitz < math.inf:
        raise ValueError(f"problem: lipschitz = {lipschitz!r} is not a finite number > 0")
    if not 0.0 <= smoothness < math.inf:
        raise ValueError(f"problem: smoothness = {smoothness!r} is not a finite number >= 0")
    return n, d, lipschitz, smoothness


def check_start(start: ArrayLike | None, dimension: int) -> NDArray[np.float64]:
    """A copy of the start, 0 when it is None.

    Raises
    ------
    ValueError
        When it is not `dimension` finite numbers.
    """
    w = np.zeros(dimension) if start is None else np.array(start, dtype=np.float64)
    if w.shape != (dimension,) or not np.isfinite(w).all():
        raise ValueError(f"start: must be finite numbers of shape ({dimension},)")
    return w


def check_clipping(problem: Any, clips: bool) -> None:
    """Refuse to trust constants that the problem itself only assumes.

    Raises
    ------
    ValueError
    """
    if not clips and getattr(problem, "constants_assumed", False):
        raise ValueError("enforce = 'assume': the problem only assumes its constants, so that records must be clipped")


def refuse_public_part(problem: Any, name: str) -> None:
    """Refuse a problem with a regulariser where a method cannot take it.

    Raises
    ------
    ValueError
    """
    if hasattr(problem, "public_gradient"):
        raise ValueError(f"problem: has a public regulariser, which {name} does not take")


def public_gradient(problem: Any, w: NDArray[np.float64]) -> NDArray[np.float64] | float:
    """The gradient of the part that no record touches; 0 where there is none."""
    return np.asarray(problem.public_gradient(w)) if hasattr(problem, "public_gradient") else 0.0


def public_smoothness(problem: Any) -> float:
    """The Lipschitz constant of that gradient.

    Raises
    ------
    ValueError
        When it is no finite number >= 0.
    """
    found = float(getattr(problem, "public_smoothness", 0.0))
    if not 0.0 <= found < math.inf:
        raise ValueError(f"problem: public_smoothness = {found!r} is not a finite number >= 0")
    return found


def true_gradient(problem: Any, w: NDArray[np.float64]) -> NDArray[np.float64]:
    """The gradient of the risk itself, regulariser included: not private."""
    return np.asarray(problem.gradient_sum(w) / problem.n_records + public_gradient(problem, w))


def sound(vector: Any, dimension: int) -> bool:
    """Whether it is `dimension` finite numbers."""
    return np.shape(vector) == (dimension,) and bool(np.isfinite(vector).all())


class NoNumbersError(ArithmeticError):
    """A problem returned something that is not d finite numbers; the run that catches it ends with a status."""


def numbers(vector: Any, dimension: int) -> NDArray[np.float64]:
    """The vector itself.

    Raises
    ------
    NoNumbersError
        When it is not `dimension` finite numbers.
    """
    if not sound(vector, dimension):
        raise NoNumbersError
    return np.asarray(vector)


def draw_batch(n: int, size: int, sampling: Sampling, rng: np.random.Generator) -> NDArray[np.int64] | None:
    """Numbers of a batch's records, increasing; None for all.

    Parameters
    ----------
    n : int >= 1
    size : int in 1..n
        Nominal: with Poisson sampling each record is in the batch with chance size / n, independently.
    sampling : {"full", "poisson", "wor"}
    rng : numpy.random.Generator
    """
    if sampling == "full" or size == n:
        return None
    if sampling == "poisson":
        return np.flatnonzero(rng.random(n) < size / n)
    return np.sort(rng.choice(n, size, replace=False))
