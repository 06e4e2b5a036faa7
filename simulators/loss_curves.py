"""How the mean loss of an arm depends on how much the arm was used of late: its tally.

A curve is four numbers and perhaps a grid, so that one compiled function evaluates any of them (`mean_loss`).
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from algos.arrays import FiniteVector, Probabilities
from algos.contracts import NonNegative, Probability, description

__all__ = [
    "Curves",
    "ExponentialCurve",
    "LossCurve",
    "MeasuredCurve",
    "StepCurve",
    "WaveCurve",
    "curves_of",
    "mean_loss",
]

_Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]

STEP, EXPONENTIAL, WAVE, MEASURED, TABLE = range(5)
_NO_GRID = np.empty(0)


@description
class LossCurve:
    """What all curves share; the kinds are `StepCurve`, `ExponentialCurve`, `MeasuredCurve` and `WaveCurve`."""

    kind: ClassVar[int]
    monotone: ClassVar[bool] = True
    """Whether the smallest and the largest loss over an interval are those at its ends."""

    def numbers(self) -> tuple[float, ...]:
        """At most four numbers that describe the curve."""
        raise NotImplementedError(f"{type(self).__name__} must define numbers()")

    def grid(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Tallies and losses between which the curve is straight, where it is given that way."""
        return _NO_GRID, _NO_GRID

    def lowest(self, low: float, high: float) -> float:
        """A lower bound of the loss at tallies in [low, high]; the smallest loss itself for monotone curves."""
        return min(self.at(low), self.at(high))

    def at(self, tally: float) -> float:
        """The mean loss at one tally."""
        return float(mean_loss(curves_of([self]), 0, float(tally)))


@description
class StepCurve(LossCurve):
    """One loss below a threshold, another from there on: "hurts before it helps", or the opposite.

    Parameters
    ----------
    below, above : float in [0, 1]
        The two losses.
    threshold : float
        The smallest tally that has the loss `above`. To mean a full tally, stay 1e-9 below it.

    Examples
    --------
    >>> StepCurve(1.0, 0.2, threshold=3).at(2.5), StepCurve(1.0, 0.2, threshold=3).at(3)
    (1.0, 0.2)
    """

    below: Probability
    above: Probability
    threshold: _Finite = 0.0

    kind: ClassVar[int] = STEP

    def numbers(self) -> tuple[float, ...]:
        """The two losses and the threshold."""
        return self.below, self.above, self.threshold


@description
class ExponentialCurve(LossCurve):
    """Practice or fatigue: limit + (first - limit) exp(-(tally - start) / scale).

    Parameters
    ----------
    first, limit : float in [0, 1]
        The loss at `start`, and the one approached; first > limit is practice, first < limit is fatigue.
    scale : float > 0
        Tally after which 1/e of the difference is left.
    start : float >= 0
        Not above the smallest tally of the arms, or losses might leave [0, 1].

    Examples
    --------
    >>> round(ExponentialCurve(1.0, 0.2, scale=2).at(2), 3)
    0.494
    """

    first: Probability
    limit: Probability
    scale: _Positive
    start: NonNegative = 0.0

    kind: ClassVar[int] = EXPONENTIAL

    def numbers(self) -> tuple[float, ...]:
        """First, limit, scale and start."""
        return self.first, self.limit, self.scale, self.start


@description
class WaveCurve(LossCurve):
    """A loss that goes up and down: centre + amplitude sin(2 pi tally / period + phase), cut off at 0 and 1.

    Parameters
    ----------
    centre, amplitude, phase : float
        Of the sine.
    period : float > 0
        Tally from one crest to the next.
    """

    centre: _Finite
    amplitude: _Finite
    period: _Positive
    phase: _Finite = 0.0

    kind: ClassVar[int] = WAVE
    monotone: ClassVar[bool] = False

    def numbers(self) -> tuple[float, ...]:
        """Centre, amplitude, period and phase."""
        return self.centre, self.amplitude, self.period, self.phase

    def lowest(self, low: float, high: float) -> float:
        """The trough, whether or not it lies in the interval."""
        return min(1.0, max(0.0, self.centre - abs(self.amplitude)))


@description
class MeasuredCurve(LossCurve):
    """Losses measured at some tallies, straight lines between them, and constant beyond the ends.

    Parameters
    ----------
    tallies : array of float, shape (n,)
        Where the losses were measured; strictly increasing.
    losses : array of float in [0, 1], shape (n,)
        The losses there.

    Examples
    --------
    >>> MeasuredCurve([1, 3, 5], [0.8, 0.2, 0.4]).at(2)
    0.5
    """

    tallies: FiniteVector
    losses: Probabilities

    kind: ClassVar[int] = MEASURED
    monotone: ClassVar[bool] = False

    @field_validator("tallies")
    @classmethod
    def _increase(cls, tallies: NDArray[np.float64]) -> NDArray[np.float64]:
        if not (np.diff(tallies) > 0).all():
            raise ValueError("must increase strictly")
        return tallies

    @field_validator("losses")
    @classmethod
    def _as_many(cls, losses: NDArray[np.float64], info: ValidationInfo) -> NDArray[np.float64]:
        if "tallies" in info.data and losses.size != info.data["tallies"].size:
            raise ValueError(f"must have {info.data['tallies'].size} entries, as many as tallies, not {losses.size}")
        return losses

    def numbers(self) -> tuple[float, ...]:
        """None."""
        return ()

    def grid(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The measurements."""
        return self.tallies, self.losses

    def lowest(self, low: float, high: float) -> float:
        """The smallest loss on the interval: at one of its ends or at a measurement inside."""
        inside = self.losses[(self.tallies > low) & (self.tallies < high)]
        return min(self.at(low), self.at(high), float(inside.min(initial=1.0)))


class Curves(NamedTuple):
    """The curves of all arms, as kernels read them."""

    kinds: np.ndarray  # (K,) int64
    numbers: np.ndarray  # (K, 4) float64
    starts: np.ndarray  # (K + 1,) int64, where the grid of each arm begins
    tallies: np.ndarray  # (G,) float64, all grids one after the other
    losses: np.ndarray  # (G,) float64


def curves_of(curves: list[LossCurve] | NDArray[np.float64]) -> Curves:
    """Curves, or a table whose row i has the losses of arm i at tallies 1, 2, ..., as kernels read them."""
    if isinstance(curves, np.ndarray):
        n_arms, width = curves.shape
        starts = np.arange(n_arms + 1) * width
        kinds, numbers = np.full(n_arms, TABLE), np.zeros((n_arms, 4))
        return Curves(kinds, numbers, starts, np.tile(np.arange(1.0, width + 1), n_arms), curves.ravel().copy())
    numbers = np.zeros((len(curves), 4))
    for row, curve in zip(numbers, curves, strict=True):
        found = curve.numbers()
        row[: len(found)] = found
    grids = [curve.grid() for curve in curves]
    return Curves(
        np.array([curve.kind for curve in curves]),
        numbers,
        np.cumsum([0, *(tallies.size for tallies, _ in grids)]),
        np.concatenate([tallies for tallies, _ in grids]),
        np.concatenate([losses for _, losses in grids]),
    )


@njit(cache=True, forceinline=True)
def mean_loss(curves, arm, tally):
    """Mean loss of an arm at a tally."""
    kind, numbers = curves.kinds[arm], curves.numbers
    if kind == TABLE:
        loss = curves.losses[curves.starts[arm] + int(tally + 0.5) - 1]
    elif kind == STEP:
        loss = numbers[arm, 0] if tally < numbers[arm, 2] else numbers[arm, 1]
    elif kind == EXPONENTIAL:
        left = math.exp(-(tally - numbers[arm, 3]) / numbers[arm, 2])
        loss = numbers[arm, 1] + (numbers[arm, 0] - numbers[arm, 1]) * left
    elif kind == WAVE:
        wave = numbers[arm, 0] + numbers[arm, 1] * math.sin(2.0 * math.pi * tally / numbers[arm, 2] + numbers[arm, 3])
        loss = min(1.0, max(0.0, wave))
    else:
        loss = _between(curves.tallies, curves.losses, curves.starts[arm], curves.starts[arm + 1], tally)
    return loss


@njit(cache=True)
def _between(tallies, losses, first, end, tally):
    """Linear interpolation among the measurements first, ..., end - 1."""
    if tally <= tallies[first]:
        return losses[first]
    if tally >= tallies[end - 1]:
        return losses[end - 1]
    low, high = first, end - 1  # tallies[low] <= tally < tallies[high]
    while high - low > 1:
        middle = (low + high) // 2
        if tallies[middle] <= tally:
            low = middle
        else:
            high = middle
    share = (tally - tallies[low]) / (tallies[high] - tallies[low])
    return losses[low] + share * (losses[high] - losses[low])
