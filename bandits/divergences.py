"""Kullback-Leibler divergences of one-parameter families, as functions of the two means, and their inverses.

Source: A. Garivier and O. Cappe, "The KL-UCB algorithm for bounded stochastic bandits and beyond", 2011, Section 2 and
Lemma 1; the starting points of the solvers were derived here.
"""

from __future__ import annotations

import math
from typing import Literal

from numba import njit

__all__ = ["CODES", "Family", "divergence", "upper_mean"]

Family = Literal["bernoulli", "gaussian", "poisson", "exponential"]
"""A family of reward laws with one parameter, its mean; the standard deviation of Gaussian ones is known."""

CODES: dict[Family, int] = {"bernoulli": 0, "gaussian": 1, "poisson": 2, "exponential": 3}
"""What kernels call the families."""

_STEPS = 100  # never needed: Newton's method converges from above in about six
_CLOSE = 1e-14  # relative to the result


@njit(cache=True, forceinline=True, error_model="numpy")
def divergence(family: int, sigma: float, x: float, y: float) -> float:
    """d(x, y) of the laws with means x and y; `sigma` is the standard deviation of Gaussian ones."""
    if family == 0:
        value = _part(x, y) + _part(1.0 - x, 1.0 - y)
    elif family == 1:
        value = 0.5 * ((x - y) / sigma) ** 2
    elif family == 2:
        value = y - x + _part(x, y)
    elif x == y:
        value = 0.0
    elif x <= 0.0 or y <= 0.0:
        value = math.inf
    else:
        value = x / y - 1.0 - math.log(x / y)
    return value


@njit(cache=True, forceinline=True, error_model="numpy")
def upper_mean(family: int, sigma: float, x: float, level: float) -> float:
    """The largest y >= x with d(x, y) <= level, level >= 0."""
    if level <= 0.0:
        y = x
    elif family == 0:
        y = _upper_bernoulli(x, level)
    elif family == 1:
        y = x + sigma * math.sqrt(2.0 * level)
    elif family == 2:
        y = _upper_poisson(x, level)
    else:
        y = _upper_exponential(x, level)
    return y


@njit(cache=True, forceinline=True, error_model="numpy")
def _part(x, y):
    """X ln(x / y), with 0 ln 0 = 0."""
    if x <= 0.0:
        value = 0.0
    elif y <= 0.0:
        value = math.inf
    else:
        value = x * math.log(x / y)
    return value


# The divergence is convex in y: from a point above the root, Newton's steps fall towards it and never cross it, until
# rounding stops them.


@njit(cache=True, forceinline=True, error_model="numpy")
def bernoulli_start(x, level):
    """A point above the root and below 1, for 0 < x < 1: by Pinsker's inequality, and by d >= d without x ln(1/y)."""
    entropy = -x * math.log(x) - (1.0 - x) * math.log(1.0 - x)
    by_logarithm = 1.0 - math.exp(-(level + entropy) / (1.0 - x))
    return min(x + math.sqrt(0.5 * level), by_logarithm, 1.0 - 1e-12)


@njit(cache=True, forceinline=True, error_model="numpy")
def _upper_bernoulli(x, level):
    if x <= 0.0:
        y = 1.0 - math.exp(-level)
    elif x >= 1.0:
        y = 1.0
    else:
        y = max(bernoulli_start(x, level), x)
        last = math.inf
        for _ in range(_STEPS):
            if y <= x:
                break
            over = x * math.log(x / y) + (1.0 - x) * math.log((1.0 - x) / (1.0 - y)) - level
            step = over * y * (1.0 - y) / (y - x)
            if not 0.0 < step < last:
                break
            y -= step
            last = step
            if step < _CLOSE:
                break
    return y


@njit(cache=True, forceinline=True, error_model="numpy")
def _upper_poisson(x, level):
    if x <= 0.0:
        y = level
    else:
        y = x + level + math.sqrt(level * (level + 2.0 * x))  # d(x, y) >= (y - x)^2 / (2 y)
        last = math.inf
        for _ in range(_STEPS):
            step = (y - x - x * math.log(y / x) - level) * y / (y - x)
            if not 0.0 < step < last:
                break
            y -= step
            last = step
            if step < _CLOSE * y:
                break
    return y


@njit(cache=True, forceinline=True, error_model="numpy")
def _upper_exponential(x, level):
    """By z = ln(y / x), which solves z + exp(-z) - 1 = level."""
    z = min(level + 1.0, level + math.sqrt(level * (level + 2.0)))  # z + exp(-z) - 1 >= z^2 / (2 (1 + z))
    last = math.inf
    for _ in range(_STEPS):
        decay = math.exp(-z)
        step = (z + decay - 1.0 - level) / (1.0 - decay)
        if not 0.0 < step < last:
            break
        z -= step
        last = step
        if step < _CLOSE * z:
            break
    return x * math.exp(z)
