"""Stochastic arms: each pays rewards of its own law, independently of everything.

What they share is the protocol `bandits.Arms`: ``means``, ``parameters()``, ``kernel()``, and the ``support`` between
whose two numbers all rewards lie.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, ValidationInfo

from algos.arrays import FiniteVector, PositiveVector, Probabilities
from algos.contracts import description

__all__ = [
    "BernoulliArms",
    "BetaArms",
    "ExponentialArms",
    "GaussianArms",
    "PoissonArms",
    "TruncatedExponentialArms",
    "UniformArms",
]


class _Gaps:
    """What all stochastic arms have besides their own law."""

    means: Any

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Best mean minus each arm's mean, shape (K,)."""
        return np.asarray(self.means.max() - self.means)


def _as_many_as(name: str) -> AfterValidator:
    """The vector has an entry for each entry of the field `name`."""

    def validate(vector: NDArray[np.float64], info: ValidationInfo) -> NDArray[np.float64]:
        other = info.data.get(name)  # missing when it was refused itself
        if other is not None and vector.size != other.size:
            raise ValueError(f"must have {other.size} entries, as many as {name}, not {vector.size}")
        return vector

    return AfterValidator(validate)


def _from(name: str) -> AfterValidator:
    """With the entries of the field `name` as lower ends, the vector makes intervals of finite width >= 0."""

    def validate(high: NDArray[np.float64], info: ValidationInfo) -> NDArray[np.float64]:
        low = info.data.get(name)
        if low is None:
            return high
        with np.errstate(over="ignore"):
            bad = ~((high >= low) & (high - low < math.inf))
        if bad.any():
            i = int(np.argmax(bad))
            raise ValueError(f"entry {i} is {high[i]}, not from {name}[{i}] = {low[i]} up, or too far from it")
        return high

    return AfterValidator(validate)


def _drawable(shapes: NDArray[np.float64]) -> NDArray[np.float64]:
    # Below it, NumPy's Beta variates can be 0/0.
    if (shapes < 1e-300).any():
        i = int(np.argmax(shapes < 1e-300))
        raise ValueError(f"entry {i} is {shapes[i]}; every entry must be at least 1e-300")
    return shapes


def _countable(means: NDArray[np.float64]) -> NDArray[np.float64]:
    # NumPy draws Poisson counts as int64, and refuses means whose counts might not fit.
    if (means >= 1e18).any():
        i = int(np.argmax(means >= 1e18))
        raise ValueError(f"entry {i} is {means[i]}; every entry must be below 1e18")
    return means


class _Bernoulli(NamedTuple):
    means: np.ndarray  # (K,) float64


@description
class BernoulliArms(_Gaps):
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
    binary_rewards: ClassVar[bool] = True
    """Every reward is 0 or 1."""

    def parameters(self) -> _Bernoulli:
        """The means, as the kernel reads them."""
        return _Bernoulli(self.means)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: ``pull(params, arm, rng)``, one uniform a pull."""
        return _pull_bernoulli

    def sum_kernel(self) -> Callable[..., Any]:
        """Draw the sum of `count` rewards: ``draw_sum(params, arm, first, count, rng)``, one binomial."""
        return _sum_bernoulli


class _Gaussian(NamedTuple):
    means: np.ndarray  # (K,) float64
    sigma: float


@description
class GaussianArms(_Gaps):
    """Arms that pay normal rewards of one common standard deviation.

    Parameters
    ----------
    means : array of float, shape (K,)
        Mean of each arm.
    sigma : float > 0
        Standard deviation of all arms.
    """

    means: FiniteVector
    sigma: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0

    support: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """Smallest and largest reward."""

    def parameters(self) -> _Gaussian:
        """The means and the standard deviation."""
        return _Gaussian(self.means, self.sigma)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: ``pull(params, arm, rng)``, one normal variate a pull."""
        return _pull_gaussian


class _Beta(NamedTuple):
    a: np.ndarray  # (K,) float64
    b: np.ndarray  # (K,) float64


@description
class BetaArms(_Gaps):
    """Arms that pay rewards of a Beta(a, b) law each, in [0, 1].

    Parameters
    ----------
    a, b : array of float >= 1e-300, shape (K,)
        Parameters of each arm; its mean is a / (a + b).
    """

    a: Annotated[PositiveVector, AfterValidator(_drawable)]
    b: Annotated[PositiveVector, AfterValidator(_drawable), _as_many_as("a")]

    support: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Smallest and largest reward."""

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean of each arm, shape (K,)."""
        larger = np.maximum(self.a, self.b)  # a + b could overflow
        return np.asarray(self.a / larger / (self.a / larger + self.b / larger))

    def parameters(self) -> _Beta:
        """Both parameters of each arm."""
        return _Beta(self.a, self.b)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: ``pull(params, arm, rng)``."""
        return _pull_beta


class _Uniform(NamedTuple):
    low: np.ndarray  # (K,) float64
    high: np.ndarray  # (K,) float64


@description
class UniformArms(_Gaps):
    """Arms that pay rewards uniform on an interval of their own.

    Parameters
    ----------
    low, high : array of float, shape (K,)
        Ends of each arm's interval; equal ends make an arm that always pays the same.
    """

    low: FiniteVector
    high: Annotated[FiniteVector, _as_many_as("low"), _from("low")]

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean of each arm, shape (K,)."""
        return np.asarray(self.low + (self.high - self.low) / 2)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest reward."""
        return float(self.low.min()), float(self.high.max())

    def parameters(self) -> _Uniform:
        """Both ends of each interval."""
        return _Uniform(self.low, self.high)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: ``pull(params, arm, rng)``, one uniform a pull."""
        return _pull_uniform


class _Exponential(NamedTuple):
    scales: np.ndarray  # (K,) float64
    cap: float


@description
class ExponentialArms(_Gaps):
    """Arms that pay exponential rewards: waiting times of a given mean.

    Parameters
    ----------
    means : array of float > 0, shape (K,)
        Mean of each arm.
    """

    means: PositiveVector

    support: ClassVar[tuple[float, float]] = (0.0, math.inf)
    """Smallest and largest reward."""

    def parameters(self) -> _Exponential:
        """The means, and no cap."""
        return _Exponential(self.means, math.inf)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: ``pull(params, arm, rng)``, one exponential variate a pull."""
        return _pull_exponential


@description
class TruncatedExponentialArms(_Gaps):
    """Arms that pay exponential rewards cut off at a cap: min(X, cap), which has an atom at the cap.

    Parameters
    ----------
    scales : array of float > 0, shape (K,)
        Mean of X for each arm.
    cap : float > 0
        Largest reward of all arms. With 1, policies for rewards in [0, 1] play these arms.

    Notes
    -----
    The mean of an arm is scale * (1 - exp(-cap / scale)). Cutting off is the convention of Garivier and Cappe ("The
    KL-UCB algorithm for bounded stochastic bandits and beyond", 2011); it is not the law conditioned on X <= cap.
    """

    scales: PositiveVector
    cap: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean of each arm, shape (K,)."""
        return np.asarray(-self.scales * np.expm1(-self.cap / self.scales))

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest reward."""
        return 0.0, self.cap

    def parameters(self) -> _Exponential:
        """The scales and the cap."""
        return _Exponential(self.scales, self.cap)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: ``pull(params, arm, rng)``, one exponential variate a pull."""
        return _pull_exponential


class _Poisson(NamedTuple):
    means: np.ndarray  # (K,) float64


@description
class PoissonArms(_Gaps):
    """Arms that pay counts of a Poisson law.

    Parameters
    ----------
    means : array of float > 0, shape (K,), below 1e18
        Mean of each arm.
    """

    means: Annotated[PositiveVector, AfterValidator(_countable)]

    support: ClassVar[tuple[float, float]] = (0.0, math.inf)
    """Smallest and largest reward."""

    def parameters(self) -> _Poisson:
        """The means."""
        return _Poisson(self.means)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: ``pull(params, arm, rng)``."""
        return _pull_poisson


@njit(cache=True, forceinline=True)
def _pull_bernoulli(params, arm, rng):
    return 1.0 if rng.random() < params.means[arm] else 0.0


@njit(cache=True, forceinline=True)
def _sum_bernoulli(params, arm, first, count, rng):
    return float(rng.binomial(count, params.means[arm]))


@njit(cache=True, forceinline=True)
def _pull_gaussian(params, arm, rng):
    return params.means[arm] + params.sigma * rng.standard_normal()


@njit(cache=True, forceinline=True)
def _pull_beta(params, arm, rng):
    return rng.beta(params.a[arm], params.b[arm])


@njit(cache=True, forceinline=True)
def _pull_uniform(params, arm, rng):
    # Rounding must not carry a reward beyond the upper end.
    return min(params.high[arm], params.low[arm] + (params.high[arm] - params.low[arm]) * rng.random())


@njit(cache=True, forceinline=True)
def _pull_exponential(params, arm, rng):
    return min(params.cap, params.scales[arm] * rng.standard_exponential())


@njit(cache=True, forceinline=True)
def _pull_poisson(params, arm, rng):
    return float(rng.poisson(params.means[arm]))
