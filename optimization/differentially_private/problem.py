"""What optimizers need of a finite sum, and how batches of its records are drawn.

Source: R. Arora, R. Bassily, T. Gonzalez, C. Guzman, M. Menart, E. Ullah, "Faster rates of convergence to stationary
points in differentially private optimization", ICML 2023 (arXiv:2206.00846).
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from algos.privacy import Sampling

__all__ = ["FiniteSum", "check_problem", "draw_batch"]


class FiniteSum(Protocol):
    """The mean of n records' losses; any object of this shape can be optimized.

    ``clip`` scales every record's part down to that norm before they are added; whoever leaves it out, or gives inf,
    trusts the constants.
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
