"""Types of fields that several policies share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

__all__ = ["Finite", "LogTime", "Positive", "Scale", "Tie", "check_interval"]

Finite = Annotated[float, Field(allow_inf_nan=False)]
"""Any number but inf and NaN."""

LogTime = Literal["t-1", "t"]
"""What the logarithm of round t is taken of: the number of completed pulls, or t itself."""

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
"""A number > 0, but not inf."""

Scale = Annotated[float, Field(gt=0.0, le=1e100)]
"""A number > 0 whose square is within floating point: a standard deviation, or a range of rewards."""

Tie = Literal["lowest", "random"]
"""Which of several arms with the same index is played: the first, or any with equal chances."""


def check_interval(low: float, high: float) -> None:
    """Raise ``ValueError`` unless low < high."""
    if not low < high:
        raise ValueError(f"low = {low:g} is not below high = {high:g}")
