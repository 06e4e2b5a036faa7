"""Step sizes, penalties and numbers of steps that change from one outer step to the next."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from algos.contracts import description, whole_number

__all__ = ["CountSchedule", "Counts", "PowerLaw", "Schedule", "inner_steps_for"]


@description
class PowerLaw:
    """c (k + k0)^p at outer step k = 0, 1, ...

    Parameters
    ----------
    scale : float > 0
        c.
    exponent : float
        p; 0 is a constant.
    offset : float > 0
        k0.

    Examples
    --------
    >>> PowerLaw(2.0, -0.5, 1.0).values(0, 4).round(3).tolist()
    [2.0, 1.414, 1.155, 1.0]
    """

    scale: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    exponent: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    offset: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0

    def values(self, first: int, last: int) -> NDArray[np.float64]:
        """At k = first..last - 1, shape (last - first,)."""
        if self.exponent == 0.0:
            return np.full(last - first, self.scale)
        return np.asarray(self.scale * (np.arange(first, last) + self.offset) ** self.exponent)


@description
class Counts:
    """ceil(c (k + k0)^p) at outer step k, and never below 1.

    Parameters
    ----------
    scale : float > 0
    exponent : float
    offset : float > 0

    Examples
    --------
    >>> Counts(1.0, 4 / 3, 2.0).values(0, 3).tolist()
    [3, 5, 7]
    """

    scale: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    exponent: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    offset: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0

    def values(self, first: int, last: int) -> NDArray[np.int64]:
        """At k = first..last - 1, shape (last - first,)."""
        found = PowerLaw(self.scale, self.exponent, self.offset).values(first, last)
        return np.maximum(1, np.ceil(found * (1.0 - 1e-12)).astype(np.int64))


def _schedule(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        raise ValueError("must be a number > 0 or a PowerLaw")
    return PowerLaw(float(value)) if isinstance(value, int | float | np.number) else value


def _counts(value: Any) -> Any:
    return value if isinstance(value, Counts) else Counts(float(whole_number(value, "number of steps", 1)))


Schedule = Annotated[PowerLaw, BeforeValidator(_schedule)]
"""A `PowerLaw`, or a number > 0 for a constant."""

CountSchedule = Annotated[Counts, BeforeValidator(_counts)]
"""A `Counts`, or a whole number >= 1 for a constant."""


def inner_steps_for(sigma: float, scale: float = 3.0, start: float = 10.0) -> int:
    """ceil(c log(start / sigma)): inner steps that keep the tracking error below a penalty of sigma.

    Parameters
    ----------
    sigma : float > 0
    scale : float > 0
        About the condition number of the inner problem.
    start : float > 0
        How far the inner iterate may be.
    """
    if not 0.0 < sigma < math.inf:
        raise ValueError(f"sigma: {sigma!r} is not a finite number > 0")
    return max(1, math.ceil(scale * math.log(max(start / sigma, 1.0))))
