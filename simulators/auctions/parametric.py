"""Channels given by a response curve with two parameters and noise, as media-mix models have them."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from algos.contracts import NonNegative, description
from algos.responses import HILL, LOGARITHM, POWER, SATURATION
from simulators.auctions.evaluation import parametric_value
from simulators.auctions.market import ChannelResponses

__all__ = ["CurveChannel"]

_SHAPES = {"saturation": SATURATION, "power": POWER, "logarithm": LOGARITHM, "hill": HILL}


@description
class CurveChannel:
    """A response curve times noise; the whole budget is spent.

    Parameters
    ----------
    shape : {"saturation", "power", "logarithm", "hill"}
        a (1 - exp(-b s)), a s^b with b <= 1, a log(1 + b s) or a s / (b + s).
    a, b : float > 0
        The parameters, in conversions and in the unit that the formula implies.
    noise : float >= 0
        Standard deviation of the logarithm of a factor with mean 1, drawn in each period.

    Examples
    --------
    >>> CurveChannel("hill", 10.0, 2.0)(2.0)
    5.0
    """

    shape: Literal["saturation", "power", "logarithm", "hill"]
    a: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    b: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    noise: NonNegative = Field(default=0.0, kw_only=True)

    @model_validator(mode="after")
    def _concave(self) -> CurveChannel:
        if self.shape == "power" and self.b > 1.0:
            raise ValueError(f"b = {self.b}: must be at most 1 for 'power', which is concave only there")
        return self

    def __call__(self, spend: float) -> float:
        """Mean conversions of a spend."""
        return parametric_value(_SHAPES[self.shape], self.a, self.b, spend)

    def value_bound(self, budget: float) -> float | None:
        """The conversions of the budget where there is no noise, otherwise None."""
        return self(budget) if self.noise == 0.0 else None

    def open(self, rng: np.random.Generator) -> _OpenCurve:
        """Begin with period 0."""
        return _OpenCurve(self, rng)


class _OpenCurve:
    def __init__(self, channel: CurveChannel, rng: np.random.Generator) -> None:
        self._channel, self._rng = channel, rng

    def next(self, periods: int) -> ChannelResponses:
        """Draw the noise of the next periods."""
        channel, factor = self._channel, np.ones(periods)
        if channel.noise > 0.0:
            factor = np.exp(channel.noise * self._rng.standard_normal(periods) - 0.5 * channel.noise**2)
        one = np.zeros(periods, dtype=np.int64)
        shape = np.array([_SHAPES[channel.shape]])
        return ChannelResponses(one, factor, shape, np.array([0, 1]), np.array([channel.b]), np.array([channel.a]))
