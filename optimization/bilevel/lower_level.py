"""Solving the lower level, of s f + g over Y, to a residual: accelerated projected gradient steps with restarts."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from algos.bilevel_oracles import WHOLE
from optimization.bilevel.oracles import Oracles
from optimization.bilevel.runs import finite

__all__ = ["LowerSolution", "conjugate_gradients", "curvature_along", "solve_lower"]


class LowerSolution(NamedTuple):
    """Where a lower solve ended.

    Parameters
    ----------
    y : float64, shape (dy,)
    residual : float
        |y - Pi(y - gamma gradient)| / gamma.
    steps : int
    step : float
        gamma.
    status : str
        "converged", "max_iter", "diverged" or "oracle_error".
    """

    y: NDArray[np.float64]
    residual: float
    steps: int
    step: float
    status: str


def solve_lower(
    oracles: Oracles,
    x: NDArray[np.float64],
    s: float,
    start: NDArray[np.float64],
    *,
    step: float | None = None,
    tolerance: float = 1e-12,
    max_steps: int = 100_000,
) -> LowerSolution:
    """A minimiser of s f(x, .) + g(x, .) over Y near the start.

    Parameters
    ----------
    oracles : Oracles
    x : float, shape (dx,)
    s : float
        The penalty; 0 for g alone, negative for the other side of a central difference.
    start : float, shape (dy,)
    step : float > 0, optional
        At most one over the smoothness; found by halving when omitted.
    tolerance : float > 0
        Of the residual, relative to 1 + |gradient at the start|.
    max_steps : int >= 1
    """
    y, slope = start.copy(), np.empty(start.size)
    loop = oracles.loop(_accelerated)
    gradient = _gradient(oracles, x, y, s)
    if not np.isfinite(gradient).all():
        return LowerSolution(y, math.nan, 0, math.nan, "oracle_error")
    limit = tolerance * (1.0 + float(np.linalg.norm(gradient)))
    gamma = step if step is not None else 1.0 / curvature_along(oracles, x, y, s)
    total = 0
    for _ in range(60):
        made, residual, code = loop(oracles.kernels, x, y, slope, s, gamma, limit, max_steps - total)
        total += int(made)
        if code == 1 and total < max_steps:  # it grew: the step was too long
            gamma *= 0.5
            y[:] = start
            continue
        break
    status = {0: "converged", 1: "diverged", 2: "oracle_error", 3: "max_iter"}[int(code)]
    return LowerSolution(y, float(residual), total, gamma, status)


def curvature_along(oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64], s: float) -> float:
    """A lower estimate of the smoothness of s f + g in y: how its gradient changes, along directions that grow."""
    direction = np.linspace(1.0, 2.0, y.size)
    base, largest = _gradient(oracles, x, y, s), 1e-12
    for _ in range(12):
        length = 1e-4 * (1.0 + float(np.linalg.norm(y)))
        moved = y + length * direction / float(np.linalg.norm(direction))
        oracles.kernels.project_lower(oracles.kernels.data, moved)
        distance = float(np.linalg.norm(moved - y))
        if distance == 0.0:
            direction = -direction
            continue
        change = _gradient(oracles, x, moved, s) - base
        largest = max(largest, float(np.linalg.norm(change)) / distance)
        if not float(np.linalg.norm(change)) > 0.0 or not np.isfinite(change).all():
            break
        direction = change
    return 1.05 * largest


def _gradient(oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64], s: float) -> NDArray[np.float64]:
    kernels, no_x = oracles.kernels, np.empty(x.size)
    out, other = np.empty(y.size), np.zeros(y.size)
    kernels.lower_gradient(kernels.data, x, y, WHOLE, no_x, out)
    if s != 0.0:
        kernels.upper_gradient(kernels.data, x, y, WHOLE, no_x, other)
    return np.asarray(out + s * other)


@register_jitable
def _accelerated(o, x, y, slope, s, gamma, limit, max_steps):
    """Nesterov's steps, restarted when they go uphill; (steps, residual, 0 converged, 1 grew, 2 no numbers, 3 cap)."""
    dy = y.size
    p, before, other = y.copy(), y.copy(), np.zeros(dy)
    no_x = np.empty(0) if o.skips_empty_outputs else np.empty(x.size)
    theta, residual, first = 1.0, math.inf, -1.0
    for made in range(1, max_steps + 1):
        o.inner_lower_gradient(o.data, x, p, WHOLE, no_x, slope)
        if s != 0.0:
            o.inner_upper_gradient(o.data, x, p, WHOLE, no_x, other)
        for j in range(dy):
            slope[j] += s * other[j]
            y[j] = p[j] - gamma * slope[j]
        if not finite(slope):
            return made, residual, 2 if finite(p) else 1
        o.project_lower(o.data, y)
        square, uphill = 0.0, 0.0
        for j in range(dy):
            square += (y[j] - p[j]) ** 2
            uphill += (p[j] - y[j]) * (y[j] - before[j])
        residual = math.sqrt(square) / gamma
        if first < 0.0:
            first = residual
        if residual <= limit:
            return made, residual, 0
        if not residual <= 1e6 * (first + limit):
            return made, residual, 1
        if uphill > 0.0:
            theta = 1.0
        following = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * theta * theta))
        ease = (theta - 1.0) / following
        theta = following
        for j in range(dy):
            p[j] = y[j] + ease * (y[j] - before[j])
            before[j] = y[j]
    return max_steps, residual, 3


@register_jitable
def conjugate_gradients(o, x, y, b, v, most, tolerance):
    """Solve g_yy v = b from v on, to a residual of `tolerance` |b|; False at a direction without positive curvature."""
    dy = b.size
    r, p, product = np.empty(dy), np.empty(dy), np.empty(dy)
    o.lower_hessian_product(o.data, x, y, v, WHOLE, product)
    square, size = 0.0, 0.0
    for j in range(dy):
        r[j] = p[j] = b[j] - product[j]
        square += r[j] * r[j]
        size += b[j] * b[j]
    for _ in range(most):
        if square <= tolerance * tolerance * size:
            break
        o.lower_hessian_product(o.data, x, y, p, WHOLE, product)
        curvature, length = 0.0, 0.0
        for j in range(dy):
            curvature += p[j] * product[j]
            length += p[j] * p[j]
        if not curvature > 1e-14 * length:
            return False
        ratio, before = square / curvature, square
        square = 0.0
        for j in range(dy):
            v[j] += ratio * p[j]
            r[j] -= ratio * product[j]
            square += r[j] * r[j]
        for j in range(dy):
            p[j] = r[j] + square / before * p[j]
    return True
