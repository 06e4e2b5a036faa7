"""Losses of a margin or a residual, with the exact suprema of their first two derivatives.

m = <w, x> is a record's margin. The suprema are calculus; with rows of norm at most R a loss of records has the
Lipschitz constant ``slope R`` and the smoothness ``curvature R^2``.

==============  ==========================================  =======================  ===================  ======
name            loss                                        sup of the slope         sup of the curvature convex
==============  ==========================================  =======================  ===================  ======
``sigmoid``     1 / (1 + e^{y m})                           1/4                      1 / (6 sqrt 3)       no
``logistic``    ln(1 + e^{-y m})                            1                        1/4                  yes
``lorentz``     c^2 ln(1 + r^2 / (2 c^2)), r = m - y        c / sqrt 2               1                    no
``welsch``      (c^2 / 2) (1 - e^{-r^2 / c^2})              c e^{-1/2} / sqrt 2      1                    no
``geman``       r^2 / (1 + r^2)                             3 sqrt 3 / 8             2                    no
``huber``       r^2 / 2, or c |r| - c^2 / 2 for |r| > c     c                        1                    yes
==============  ==========================================  =======================  ===================  ======
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from numba import njit
from pydantic import Field

from algos.contracts import description

__all__ = ["LOSSES", "Loss", "loss_slope", "loss_value"]

SIGMOID, LOGISTIC, LORENTZ, WELSCH, GEMAN, HUBER = range(6)
LOSSES = ("sigmoid", "logistic", "lorentz", "welsch", "geman", "huber")


@description
class Loss:
    """A loss by name.

    Parameters
    ----------
    name : {"sigmoid", "logistic", "lorentz", "welsch", "geman", "huber"}
    scale : float > 0
        c, of the losses that have one.

    Examples
    --------
    >>> Loss("huber", 2.0).slope, Loss("sigmoid").slope
    (2.0, 0.25)
    """

    name: Literal["sigmoid", "logistic", "lorentz", "welsch", "geman", "huber"]
    scale: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0

    @property
    def kind(self) -> int:
        """Its number in kernels."""
        return LOSSES.index(self.name)

    @property
    def labels(self) -> bool:
        """Whether targets are labels -1 and 1."""
        return self.name in ("sigmoid", "logistic")

    @property
    def convex(self) -> bool:
        """Whether it is convex."""
        return self.name in ("logistic", "huber")

    @property
    def slope(self) -> float:
        """The largest size of the first derivative."""
        c = self.scale
        return {
            "sigmoid": 0.25,
            "logistic": 1.0,
            "lorentz": c / math.sqrt(2.0),
            "welsch": c * math.exp(-0.5) / math.sqrt(2.0),
            "geman": 3.0 * math.sqrt(3.0) / 8.0,
            "huber": c,
        }[self.name]

    @property
    def curvature(self) -> float:
        """The largest size of the second derivative."""
        return {"sigmoid": 1.0 / (6.0 * math.sqrt(3.0)), "logistic": 0.25, "geman": 2.0}.get(self.name, 1.0)

    @property
    def at_zero(self) -> float | None:
        """Its value at the margin 0 where that does not depend on the record: the gap to the least value is no more."""
        return {"sigmoid": 0.5, "logistic": math.log(2.0)}.get(self.name)


@njit(cache=True, forceinline=True, error_model="numpy")
def loss_value(kind, c, m, y):
    """The loss at a margin."""
    r = m - y
    if kind == SIGMOID:
        value = 1.0 / (1.0 + math.exp(y * m)) if y * m < 0.0 else math.exp(-y * m) / (1.0 + math.exp(-y * m))
    elif kind == LOGISTIC:
        value = math.log1p(math.exp(-abs(m))) + max(0.0, -y * m)
    elif kind == LORENTZ:
        value = 2.0 * c * c * math.log(math.hypot(1.0, r / (c * math.sqrt(2.0))))
    elif kind == WELSCH:
        value = -0.5 * c * c * math.expm1(-((r / c) ** 2))
    elif kind == GEMAN:
        value = (r / math.hypot(1.0, r)) ** 2
    else:
        value = 0.5 * r * r if abs(r) <= c else c * abs(r) - 0.5 * c * c
    return value


@njit(cache=True, forceinline=True, error_model="numpy")
def loss_slope(kind, c, m, y):
    """Its derivative there."""
    r = m - y
    if kind in (SIGMOID, LOGISTIC):
        small = math.exp(-abs(m))
        p = small / (1.0 + small) if y * m > 0.0 else 1.0 / (1.0 + small)  # 1 / (1 + e^{y m})
        slope = -y * p * (1.0 - p) if kind == SIGMOID else -y * p
    elif kind == LORENTZ:
        z = r / (c * math.sqrt(2.0))
        slope = r / (1.0 + z * z) if abs(z) < 1e150 else 0.0
    elif kind == WELSCH:
        slope = r * math.exp(-((r / c) ** 2))
    elif kind == GEMAN:
        h = math.hypot(1.0, r)
        slope = 2.0 * r / h / h / h / h
    else:
        slope = r if abs(r) <= c else math.copysign(c, r)
    return slope
