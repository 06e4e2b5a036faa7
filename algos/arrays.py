"""Annotated array types for descriptions: validated, float64, read-only.

Use them as field types of a class decorated with `algos.contracts.description`; every type copies what it is
given, so a caller who later changes their array does not change the description.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator

__all__ = ["FiniteMatrix", "FiniteTensor", "FiniteVector", "PositiveVector", "Probabilities", "ProbabilityMatrix"]


_SMALLEST = 5e-324  # the smallest float64 above 0


def _validated(dimensions: int, low: float, high: float) -> Callable[[Any], NDArray[np.float64]]:
    shape = {1: "a non-empty vector", 2: "a non-empty matrix", 3: "a non-empty array of three dimensions"}[dimensions]
    if low == _SMALLEST:
        valid_range = "finite and > 0"
    else:
        valid_range = f"in [{low:g}, {high:g}]" if np.isfinite([low, high]).all() else "finite"

    def validate(value: Any) -> NDArray[np.float64]:
        try:
            given = np.asarray(value)
        except (TypeError, ValueError):
            raise ValueError(f"must be {shape} of numbers {valid_range}") from None
        if given.dtype.kind not in "iuf":
            raise ValueError(f"must be {shape} of numbers {valid_range}, not of {given.dtype}")
        array = np.array(given, dtype=np.float64)
        if array.ndim != dimensions or array.size == 0:
            raise ValueError(f"must be {shape} of numbers {valid_range}, got shape {array.shape}")
        outside = ~(np.isfinite(array) & (array >= low) & (array <= high))
        if outside.any():
            where = tuple(int(i) for i in np.argwhere(outside)[0])
            position = where[0] if dimensions == 1 else where
            raise ValueError(f"entry {position} is {array[where]}; every entry must be {valid_range}")
        array.flags.writeable = False
        return array

    return validate


_as_list = PlainSerializer(lambda array: array.tolist())

FiniteVector = Annotated[NDArray[np.float64], PlainValidator(_validated(1, -np.inf, np.inf)), _as_list]
"""Finite numbers, shape (n,), n >= 1."""

FiniteMatrix = Annotated[NDArray[np.float64], PlainValidator(_validated(2, -np.inf, np.inf)), _as_list]
"""Finite numbers, shape (n, d), n, d >= 1."""

Probabilities = Annotated[NDArray[np.float64], PlainValidator(_validated(1, 0.0, 1.0)), _as_list]
"""Numbers in [0, 1], shape (n,), n >= 1; they need not sum to one."""

FiniteTensor = Annotated[NDArray[np.float64], PlainValidator(_validated(3, -np.inf, np.inf)), _as_list]
"""Finite numbers, shape (n, m, d), n, m, d >= 1."""

PositiveVector = Annotated[NDArray[np.float64], PlainValidator(_validated(1, _SMALLEST, np.inf)), _as_list]
"""Finite numbers > 0, shape (n,), n >= 1."""

ProbabilityMatrix = Annotated[NDArray[np.float64], PlainValidator(_validated(2, 0.0, 1.0)), _as_list]
"""Numbers in [0, 1], shape (n, d), n, d >= 1; rows need not sum to one."""
