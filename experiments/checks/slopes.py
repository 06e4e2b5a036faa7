"""Slopes on logarithmic axes: how checks measure a rate whose constants are hidden."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from experiments.claims import Interval, mean_interval
from experiments.ledger_checks import LEVEL

__all__ = ["slope_between"]


def slope_between(first: NDArray[np.float64], second: NDArray[np.float64], factor: float) -> Interval:
    """Of the mean of something positive, when what it depends on grows by `factor` between the two samples.

    Its ends are those of the two means' intervals: too wide rather than too narrow.

    Raises
    ------
    ValueError
        When there are so few samples that a mean's interval reaches down to 0.

    Examples
    --------
    >>> slope_between(np.full(9, 4.0), np.full(9, 1.0), 4.0).estimate
    -1.0
    """
    one, two = mean_interval(first, level=LEVEL), mean_interval(second, level=LEVEL)
    if one.low <= 0.0 or two.low <= 0.0:
        raise ValueError("samples: too few, the interval of a mean reaches down to 0")
    scale = math.log(factor)
    low, estimate, high = (
        math.log(after / before) / scale
        for before, after in ((one.high, two.low), (one.estimate, two.estimate), (one.low, two.high))
    )
    return Interval(estimate, low, high, one.method)
