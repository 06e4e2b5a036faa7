"""Stochastic arms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from algos.arrays import Probabilities
from algos.contracts import description

__all__ = ["BernoulliArms"]


class _Bernoulli(NamedTuple):
    means: np.ndarray  # (K,) float64


@description
class BernoulliArms:
    """Arms that pay 1 with their own probability and 0 otherwise, independently of everything.

    Parameters
    ----------
    means : array of float in [0, 1], shape (K,)
        Success probability of each arm; any sequence of numbers.

    Examples
    --------
    >>> BernoulliArms([0.4, 0.6]).means
    array([0.4, 0.6])
    """

    means: Probabilities

    support: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Smallest and largest reward."""

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Best mean minus each arm's mean, shape (K,)."""
        return self.means.max() - self.means

    def parameters(self) -> _Bernoulli:
        """The means, as the kernel reads them."""
        return _Bernoulli(self.means)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: ``pull(params, arm, rng)``, one uniform a pull."""
        return _pull_bernoulli


@njit(cache=True, forceinline=True)
def _pull_bernoulli(params, arm, rng):
    return 1.0 if rng.random() < params.means[arm] else 0.0
