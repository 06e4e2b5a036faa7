"""What a bound is told of the arms: their gaps or their means, checked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["positive_number", "suboptimal_gaps", "vector"]


def vector(values: ArrayLike, name: str, low: float = -np.inf, high: float = np.inf) -> NDArray[np.float64]:
    """Return a non-empty float64 vector of finite numbers in [low, high], or raise ``ValueError`` naming it."""
    try:
        given = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        given = np.empty(0)
    if given.ndim != 1 or given.size == 0 or not (np.isfinite(given) & (given >= low) & (given <= high)).all():
        wanted = f"in [{low:g}, {high:g}]" if np.isfinite(high) else f">= {low:g}" if np.isfinite(low) else ""
        raise ValueError(f"{name}: {values!r} is not a vector of finite numbers {wanted}".rstrip())
    return given


def suboptimal_gaps(gaps: ArrayLike) -> NDArray[np.float64]:
    """Return the gaps of the suboptimal arms, those > 0."""
    given = vector(gaps, "gaps", low=0.0)
    return given[given > 0]


def positive_number(value: float, name: str) -> float:
    """Return a finite number > 0, or raise ``ValueError`` naming it."""
    number: Any = value
    real = isinstance(number, float | int | np.floating | np.integer) and not isinstance(number, bool)
    if not real or not 0 < number < math.inf:
        raise ValueError(f"{name}: {value!r} is not a finite number > 0")
    return float(value)
