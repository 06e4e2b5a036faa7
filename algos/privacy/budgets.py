"""Privacy budgets: their valid ranges, and what it means that two tables are neighbours."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator

__all__ = [
    "Adjacency",
    "Delta",
    "Epsilon",
    "check_adjacency",
    "check_delta",
    "check_discrete_epsilon",
    "check_epsilon",
    "check_noise_multiplier",
    "is_number",
]

Adjacency = Literal["replace_one", "add_remove"]
"""Neighbouring tables differ in the values of one record, or by one record more. Budgets of the two are not comparable:
(epsilon, delta) for adding and removing is (2 epsilon, (1 + e^epsilon) delta) for replacing."""

_SMALLEST_EPSILON = 1e-300  # below it 1 / epsilon times a draw could overflow
_SMALLEST_DISCRETE_EPSILON = 1e-15  # far below it geometric draws saturate, and their difference is 0: no noise


def check_epsilon(epsilon: float) -> float:
    """Return the privacy budget, a number in [1e-300, inf]; inf stands for no noise.

    Raises
    ------
    ValueError
        For anything else.
    """
    try:
        return _privacy_budget(epsilon)
    except ValueError as error:
        raise ValueError(f"epsilon: {epsilon!r} {error}") from None


def check_discrete_epsilon(epsilon: float) -> float:
    """Return the privacy budget of discrete Laplace noise, a number in [1e-15, inf].

    Raises
    ------
    ValueError
        For anything else.
    """
    if check_epsilon(epsilon) < _SMALLEST_DISCRETE_EPSILON:
        raise ValueError(f"epsilon: {epsilon!r} is outside [1e-15, inf], which discrete Laplace noise needs")
    return float(epsilon)


def check_delta(delta: float) -> float:
    """Return delta, a number in (0, 1).

    Raises
    ------
    ValueError
        For anything else.
    """
    try:
        return _chance(delta)
    except ValueError as error:
        raise ValueError(f"delta: {delta!r} {error}") from None


def _privacy_budget(value: Any) -> float:
    if not is_number(value) or not value >= _SMALLEST_EPSILON:
        raise ValueError(f"must be a number in [{_SMALLEST_EPSILON}, inf]")
    return float(value)


def _chance(value: Any) -> float:
    if not is_number(value) or not 0.0 < value < 1.0:
        raise ValueError("must be a number in (0, 1)")
    return float(value)


def is_number(value: Any) -> bool:
    """Whether a value is a real number; True and False are none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool | np.bool_)


Epsilon = Annotated[float, BeforeValidator(_privacy_budget)]
"""A privacy budget in [1e-300, inf]; inf stands for no noise. NaN is refused."""

Delta = Annotated[float, BeforeValidator(_chance)]
"""A number in (0, 1)."""


def check_adjacency(adjacency: str) -> Adjacency:
    """Return the adjacency.

    Raises
    ------
    ValueError
        When it is neither "replace_one" nor "add_remove".
    """
    if adjacency == "replace_one":
        return "replace_one"
    if adjacency == "add_remove":
        return "add_remove"
    raise ValueError(f"adjacency: {adjacency!r} is neither 'replace_one' nor 'add_remove'")


def check_noise_multiplier(multiplier: float, name: str = "noise_multiplier") -> float:
    """Return a noise multiplier, a finite number > 0; accountants take NaN for no loss of privacy at all.

    Raises
    ------
    ValueError
        For anything else.
    """
    if not is_number(multiplier) or not 0.0 < multiplier < math.inf:
        raise ValueError(f"{name}: {multiplier!r} is not a finite number > 0")
    return float(multiplier)
