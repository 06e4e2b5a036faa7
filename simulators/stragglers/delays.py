"""Answer times that are independent over rounds and workers: exponential, Pareto, Weibull and log-normal."""

from __future__ import annotations

import math
from typing import Annotated, Any

from numba import njit
from pydantic import Field

from algos.contracts import NonNegative, description
from simulators.stragglers.cluster import ClusterModel, Load, Workers

__all__ = ["LogNormalDelays", "ShiftedExponential", "ShiftedPareto", "ShiftedWeibull"]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class _Independent(ClusterModel):
    def _numbers(self) -> tuple[Any, float, float, float]:
        """The kernel, the shift and two parameters."""
        raise NotImplementedError

    def _filler(self, rng: Any) -> Any:
        kernel, shift, first, second = self._numbers()
        return lambda times, source: kernel(times, shift, first, second, source)


@description
class ShiftedExponential(_Independent):
    """``shift`` + Exp(rate) seconds; the event-driven mean round is `order_statistic_mean`.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    shift : float >= 0
        Seconds.
    rate : float > 0
        1 / seconds.
    alpha, reference_load : float >= 0
        Seconds per unit of load, and the load to which the times belong.
    """

    n_workers: Workers
    shift: NonNegative = 0.5
    rate: Positive = 5.0
    alpha: Load = 0.0
    reference_load: Load = 0.0

    def _numbers(self) -> tuple[Any, float, float, float]:
        return _exponential, self.shift, 1.0 / self.rate, 0.0


@description
class ShiftedPareto(_Independent):
    """``shift`` + Pareto seconds: P(X > x) = (scale / x)^tail for x >= scale.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    scale : float > 0
        Seconds.
    tail : float > 0
        nu; the mean is infinite up to 1.
    shift : float >= 0
        Seconds.
    alpha, reference_load : float >= 0
        Seconds per unit of load, and the load to which the times belong.
    """

    n_workers: Workers
    scale: Positive = 0.5
    tail: Positive = 2.0
    shift: NonNegative = 0.0
    alpha: Load = 0.0
    reference_load: Load = 0.0

    def _numbers(self) -> tuple[Any, float, float, float]:
        return _pareto, self.shift, self.scale, -1.0 / self.tail


@description
class ShiftedWeibull(_Independent):
    """``shift`` + scale Weibull(shape) seconds.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    shift : float >= 0
        Seconds.
    scale : float > 0
        Seconds.
    shape : float > 0
        1 is the exponential law; below it tails are heavier.
    alpha, reference_load : float >= 0
        Seconds per unit of load, and the load to which the times belong.
    """

    n_workers: Workers
    shift: NonNegative = 0.5
    scale: Positive = 0.2
    shape: Positive = 0.7
    alpha: Load = 0.0
    reference_load: Load = 0.0

    def _numbers(self) -> tuple[Any, float, float, float]:
        return _weibull, self.shift, self.scale, self.shape


@description
class LogNormalDelays(_Independent):
    """``shift`` + median exp(sigma Z) seconds.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    median : float > 0
        Seconds.
    sigma : float >= 0
        Of the logarithm.
    shift : float >= 0
        Seconds.
    alpha, reference_load : float >= 0
        Seconds per unit of load, and the load to which the times belong.
    """

    n_workers: Workers
    median: Positive = 0.6
    sigma: NonNegative = 0.5
    shift: NonNegative = 0.0
    alpha: Load = 0.0
    reference_load: Load = 0.0

    def _numbers(self) -> tuple[Any, float, float, float]:
        return _lognormal, self.shift, self.median, self.sigma


@njit(cache=True, nogil=True)
def _exponential(times, shift, mean, unused, rng):
    for r in range(times.shape[0]):
        for i in range(times.shape[1]):
            times[r, i] = shift + mean * rng.standard_exponential()


@njit(cache=True, nogil=True)
def _pareto(times, shift, scale, power, rng):
    for r in range(times.shape[0]):
        for i in range(times.shape[1]):
            times[r, i] = shift + scale * math.pow(1.0 - rng.random(), power)


@njit(cache=True, nogil=True)
def _weibull(times, shift, scale, shape, rng):
    for r in range(times.shape[0]):
        for i in range(times.shape[1]):
            times[r, i] = shift + scale * math.pow(rng.standard_exponential(), 1.0 / shape)


@njit(cache=True, nogil=True)
def _lognormal(times, shift, median, sigma, rng):
    for r in range(times.shape[0]):
        for i in range(times.shape[1]):
            times[r, i] = shift + median * math.exp(sigma * rng.standard_normal())
