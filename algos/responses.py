"""What a market and a learner of its budgets have in common: how channels respond in a few periods.

In period t channel j answers a budget b with ``factor[t, j] * V(b)`` conversions, where V is the curve number
``curve[t, j]``. Curves have one of the shapes below; those that are not given by points have two parameters a and b,
as their only point: ``values`` holds a and ``spends`` holds b.

==============  =====================================================  ======================================
shape           value of a budget s                                    spend
==============  =====================================================  ======================================
LINEAR          linear between the points, constant after the last     min(s, last point)
STEPS           value of the last point at or before s                 that point
SATURATION      a (1 - exp(-b s))                                      s
POWER           a s^b                                                  s
LOGARITHM       a log(1 + b s)                                         s
HILL            a s / (b + s)                                          s
==============  =====================================================  ======================================
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["HILL", "LINEAR", "LOGARITHM", "POWER", "SATURATION", "STEPS", "ResponseBlock"]

LINEAR, STEPS, SATURATION, POWER, LOGARITHM, HILL = range(6)


class ResponseBlock(NamedTuple):
    """How the channels respond in n periods; M channels, C curves, P points."""

    curve: NDArray[np.int64]  # (n, M)
    factor: NDArray[np.float64]  # (n, M), >= 0
    shapes: NDArray[np.int64]  # (C,)
    starts: NDArray[np.int64]  # (C + 1,), the points of curve c are those of starts[c]..starts[c + 1] - 1
    spends: NDArray[np.float64]  # (P,), of a curve of points: the first is 0, none is less than the one before
    values: NDArray[np.float64]  # (P,), of a curve of points: not decreasing
