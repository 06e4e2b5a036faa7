"""Solvers on two-dimensional grids with constant coefficients, matrix-free, in a form that compiled loops can call.

Each takes ``(b, x, r, diagonal, neighbour, omega, tolerance, most, norms)``: b and r of shape (rows, columns), the
iterate x of shape (rows + 2, columns + 2) within a frame of zeros, which is changed; it leaves the true residual in r
and returns the number of iterations and the status. SOR and SSOR refer the tolerance to the residual at the start,
conjugate gradients to b.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from algos.contracts import whole_number
from algos.linear_solvers.stencil import Stencil, grid_residual, grid_sor, on_grid
from algos.linear_solvers.system import (
    CONVERGED,
    DIVERGED,
    MAX_ITERATIONS,
    STAGNATED,
    STATUSES,
    Criterion,
    LinearSolution,
    check_tolerance,
)

__all__ = ["GRID_SOLVERS", "solve_on_grid"]


def solve_on_grid(
    method: str,
    A: Stencil,
    b: ArrayLike,
    x0: ArrayLike | None,
    omega: float,
    tolerance: Any,
    max_iterations: int,
    *,
    history: bool = False,
    criterion: Criterion = "relative",
) -> LinearSolution:
    """One of `GRID_SOLVERS` on a two-dimensional grid; as the solver of the same name, which calls it."""
    limit = whole_number(max_iterations, "max_iterations", 1)
    accuracy = check_tolerance(tolerance, criterion)
    right = on_grid(b, "b", A)
    padded = np.zeros((A.shape[0] + 2, A.shape[1] + 2))
    padded[1:-1, 1:-1] = 0.0 if x0 is None else on_grid(x0, "x0", A)
    residual, norms = np.zeros(A.shape), np.zeros(limit + 1 if history else 1)
    of_b = method in ("ssor_pcg", "cg")
    reference = float(np.linalg.norm(right)) if of_b else float(grid_residual(
        right, padded, residual, A.diagonal, A.neighbour
    ))  # fmt: skip
    scale = reference if reference > 0 and criterion == "relative" else 1.0
    if criterion == "absolute":
        accuracy = accuracy / reference if reference > 0 else 0.0
    iterations, status = GRID_SOLVERS[method](
        right, padded, residual, A.diagonal, A.neighbour, omega, accuracy, limit, norms
    )
    with np.errstate(over="ignore", invalid="ignore"):
        left = float(np.linalg.norm(residual))
    return LinearSolution(
        padded[1:-1, 1:-1].ravel().copy(),
        int(iterations),
        status == CONVERGED,
        STATUSES[status],
        left / scale if math.isfinite(left) else math.inf,
        norms[: iterations + 1] / scale if history else None,
    )


@njit(nogil=True)
def _sor(b, x, r, diagonal, neighbour, omega, tolerance, most, norms):
    return grid_sor(
        b, x, r, diagonal, neighbour, omega, tolerance * grid_residual(b, x, r, diagonal, neighbour), most, norms
    )


@njit(nogil=True)
def _ssor(b, x, r, diagonal, neighbour, omega, tolerance, most, norms):
    """A forward sweep and a backward one in residual form."""
    rows, columns = b.shape
    delta = np.zeros((rows + 2, columns + 2))
    norm = grid_residual(b, x, r, diagonal, neighbour)
    threshold, norms[0] = tolerance * norm, norm
    last_true, k = math.inf, 0
    scale, side, rest = omega / diagonal, -omega * neighbour / diagonal, (1.0 / omega - 1.0) * diagonal
    while True:
        if norm <= threshold:
            norm = grid_residual(b, x, r, diagonal, neighbour)
            if norm <= threshold:
                return k, CONVERGED
            if norm > 0.99 * last_true:
                return k, STAGNATED
            last_true = norm
        if not math.isfinite(norm):
            return k, DIVERGED
        if k == most:
            grid_residual(b, x, r, diagonal, neighbour)
            return k, MAX_ITERATIONS
        for i in range(1, rows + 1):
            before = 0.0
            for j in range(1, columns + 1):
                before = (scale * r[i - 1, j - 1] + side * delta[i - 1, j]) + side * before
                delta[i, j] = before
        for i in range(1, rows + 1):
            for j in range(1, columns + 1):
                r[i - 1, j - 1] = rest * delta[i, j] - neighbour * (delta[i, j + 1] + delta[i + 1, j])
                x[i, j] += delta[i, j]
        for i in range(rows, 0, -1):
            after = 0.0
            for j in range(columns, 0, -1):
                after = (scale * r[i - 1, j - 1] + side * delta[i + 1, j]) + side * after
                delta[i, j] = after
        total = 0.0
        for i in range(1, rows + 1):
            for j in range(1, columns + 1):
                left = rest * delta[i, j] - neighbour * (delta[i, j - 1] + delta[i - 1, j])
                r[i - 1, j - 1] = left
                x[i, j] += delta[i, j]
                total += left * left
        norm = math.sqrt(total)
        k += 1
        if norms.size > 1:
            norms[k] = norm


@njit(nogil=True)
def _cg(b, x, r, diagonal, neighbour, omega, tolerance, most, norms):
    """Conjugate gradients; omega is not used."""
    rows, columns = b.shape
    p, q = np.zeros((rows + 2, columns + 2)), np.empty((rows, columns))
    norm, threshold = grid_residual(b, x, r, diagonal, neighbour), _threshold(b, x, tolerance)
    if threshold == 0.0:
        norm = grid_residual(b, x, r, diagonal, neighbour)
    norms[0] = norm
    last_true, before, k = math.inf, 0.0, 0
    while True:
        if norm <= threshold:
            norm = grid_residual(b, x, r, diagonal, neighbour)
            if norm <= threshold:
                return k, CONVERGED
            if norm > 0.99 * last_true:
                return k, STAGNATED
            last_true, before = norm, 0.0
        if not math.isfinite(norm):
            return k, DIVERGED
        if k == most:
            grid_residual(b, x, r, diagonal, neighbour)
            return k, MAX_ITERATIONS
        rho = norm * norm
        share = rho / before if before > 0.0 else 0.0
        for i in range(rows):
            for j in range(columns):
                p[i + 1, j + 1] = r[i, j] + share * p[i + 1, j + 1]
        curvature = 0.0
        for i in range(rows):
            for j in range(columns):
                around = p[i, j + 1] + p[i + 2, j + 1] + p[i + 1, j] + p[i + 1, j + 2]
                total = diagonal * p[i + 1, j + 1] + neighbour * around
                q[i, j] = total
                curvature += p[i + 1, j + 1] * total
        if not curvature > 0.0:
            grid_residual(b, x, r, diagonal, neighbour)
            return k, DIVERGED
        step, total = rho / curvature, 0.0
        for i in range(rows):
            for j in range(columns):
                x[i + 1, j + 1] += step * p[i + 1, j + 1]
                left = r[i, j] - step * q[i, j]
                r[i, j] = left
                total += left * left
        norm, before = math.sqrt(total), rho
        k += 1
        if norms.size > 1:
            norms[k] = norm


@njit(nogil=True)
def _ssor_pcg(b, x, r, diagonal, neighbour, omega, tolerance, most, norms):
    """Conjugate gradients preconditioned by symmetric SOR, forward sweep first, by Eisenstat's trick."""
    rows, columns = b.shape
    g, p, t = np.zeros((rows + 2, columns + 2)), np.zeros((rows, columns)), np.zeros((rows + 2, columns + 2))
    q = np.zeros((rows + 1, columns + 1))  # a frame above and to the left
    norm, threshold = grid_residual(b, x, r, diagonal, neighbour), _threshold(b, x, tolerance)
    if threshold == 0.0:
        norm = grid_residual(b, x, r, diagonal, neighbour)
    norms[0] = norm
    last_true, rho, fresh, k = math.inf, 0.0, True, 0
    scale, side, own = omega / diagonal, -omega * neighbour / diagonal, diagonal / omega
    rest = (1.0 - 2.0 / omega) * diagonal
    while True:
        if norm <= threshold:
            norm = grid_residual(b, x, r, diagonal, neighbour)
            if norm <= threshold:
                return k, CONVERGED
            if norm > 0.99 * last_true:
                return k, STAGNATED
            last_true, fresh = norm, True
        if not math.isfinite(norm):
            return k, DIVERGED
        if k == most:
            grid_residual(b, x, r, diagonal, neighbour)
            return k, MAX_ITERATIONS
        if fresh:
            rho = 0.0
            for i in range(rows):
                west = 0.0
                for j in range(columns):
                    west = (scale * r[i, j] + side * g[i, j + 1]) + side * west
                    g[i + 1, j + 1] = west
                    p[i, j] = diagonal * west
                    rho += west * west
            rho *= diagonal
            fresh = False
        # t = Lt^-T p, from the last point to the first.
        for i in range(rows - 1, -1, -1):
            east = 0.0
            for j in range(columns - 1, -1, -1):
                east = (scale * p[i, j] + side * t[i + 2, j + 1]) + side * east
                t[i + 1, j + 1] = east
        curvature = 0.0
        for i in range(rows):
            west = 0.0
            for j in range(columns):
                west = (scale * (p[i, j] + rest * t[i + 1, j + 1]) + side * q[i, j + 1]) + side * west
                q[i + 1, j + 1] = west
        for i in range(rows):
            for j in range(columns):
                curvature += p[i, j] * (q[i + 1, j + 1] + t[i + 1, j + 1])
        if not curvature > 0.0:
            grid_residual(b, x, r, diagonal, neighbour)
            return k, DIVERGED
        step, total, following = rho / curvature, 0.0, 0.0
        for i in range(rows):
            for j in range(columns):
                x[i + 1, j + 1] += step * t[i + 1, j + 1]
                g[i + 1, j + 1] -= step * (q[i + 1, j + 1] + t[i + 1, j + 1])
        for i in range(rows):
            for j in range(columns):
                here = g[i + 1, j + 1]
                left = own * here + neighbour * (g[i + 1, j] + g[i, j + 1])  # r = Lt g
                total += left * left
                following += here * here
        following *= diagonal
        share = following / rho
        for i in range(rows):
            for j in range(columns):
                p[i, j] = diagonal * g[i + 1, j + 1] + share * p[i, j]
        rho, norm = following, math.sqrt(total)
        k += 1
        if norms.size > 1:
            norms[k] = norm


@njit(cache=True, nogil=True)
def _threshold(b, x, tolerance):
    """Tolerance times the norm of b; where b is 0 so is the solution, which is then written into x."""
    total = 0.0
    for i in range(b.shape[0]):
        for j in range(b.shape[1]):
            total += b[i, j] * b[i, j]
    if total == 0.0:
        x[:, :] = 0.0
    return tolerance * math.sqrt(total)


GRID_SOLVERS: dict[str, Callable[..., Any]] = {"sor": _sor, "ssor": _ssor, "ssor_pcg": _ssor_pcg, "cg": _cg}
"""The kernels by the name of the solver."""
