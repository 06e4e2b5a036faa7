"""Chebyshev acceleration: of symmetric SOR, and of red-black SOR by changing the relaxation.

Sources: L. A. Hageman, D. M. Young, "Applied iterative methods", 1981 (the semi-iteration; cyclic Chebyshev, which
removes the slow start of SOR with the optimal relaxation).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from algos.linear_solvers.lattice import (
    grid_half_sweep,
    grid_precondition,
    grid_radius,
    grid_true_residual,
    lattice_system,
    points_of,
)
from algos.linear_solvers.relaxation import colours, ssor, true_residual
from algos.linear_solvers.stencil import Stencil
from algos.linear_solvers.system import (
    CONVERGED,
    DIVERGED,
    MAX_ITERATIONS,
    STAGNATED,
    Check,
    LinearSolution,
    as_rows,
    check_omega,
    finished,
    prepare,
)
from algos.linear_solvers.theory import estimate_jacobi_radius

__all__ = ["chebyshev_ssor", "cyclic_chebyshev"]


def chebyshev_ssor(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None = None,
    omega: float = 1.5,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
    *,
    smallest: float | None = None,
    history: bool = False,
    check: Check = "symmetric",
) -> LinearSolution:
    """Chebyshev's semi-iteration on symmetric SOR.

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Symmetric positive definite.
    b, x0 : float array, shape (n,)
        Right-hand side and start.
    omega : float in (0, 2)
        The relaxation.
    tolerance : float in (0, 1)
        Of the residual's norm, relative to that at the start.
    max_iterations : int >= 1
        Most iterations, each a forward and a backward sweep.
    smallest : float in (0, 1), optional
        A lower bound of the preconditioned matrix's eigenvalues, the largest of which is at most 1. When omitted it is
        estimated by 60 iterations on a system whose solution is 0.
    history : bool
        Whether to keep the norms of all residuals.
    check : {"none", "symmetric", "spd"}
        What to make sure of.
    """
    relaxation = check_omega(omega)
    on_lattice = isinstance(A, Stencil)
    system = (lattice_system if on_lattice else prepare)(A, b, x0, tolerance, max_iterations, check)
    n = A.size if on_lattice else system.b.size
    if smallest is None:
        # The error of SSOR shrinks by 1 - smallest in the end.
        start = np.random.default_rng(0).standard_normal(n)
        norms = ssor(A, np.zeros(n), start, relaxation, 1e-300, 60, history=True, check="none").history
        # So few that the error is gone: any bound will do.
        settled = norms is not None and norms.size > 11 and norms[-1] > 0
        shrink = float((norms[-1] / norms[-11]) ** 0.1) if norms is not None and settled else 0.0
        low = min(1.0 - 1e-12, max(1e-12, 0.9 * (1 - shrink)))
    else:
        low = float(smallest)
        if not 0 < low < 1:
            raise ValueError(f"smallest: {smallest!r} is outside (0, 1)")
    x, residual = system.x, system.residual
    reference = float(np.linalg.norm(residual))
    kept = np.zeros(system.max_iterations + 1 if history else 1)
    functions = (grid_precondition, grid_true_residual) if on_lattice else (_precondition, true_residual)
    iterations, status = _semi_iterate(
        *functions,
        system.rows,
        system.b,
        x,
        residual,
        relaxation,
        low,
        system.tolerance * reference,
        system.max_iterations,
        kept,
    )
    x = points_of(system.rows, x) if on_lattice else x
    return finished(system, x, residual, reference, iterations, status, kept, history=history)


def cyclic_chebyshev(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
    *,
    radius: float | None = None,
    history: bool = False,
    check: Check = "symmetric",
) -> LinearSolution:
    """Red-black SOR whose relaxation goes from 1 to the optimal one, half a sweep at a time.

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Symmetric positive definite, and of two colours.
    b, x0 : float array, shape (n,)
        Right-hand side and start.
    tolerance : float in (0, 1)
        Of the residual's norm, relative to that at the start.
    max_iterations : int >= 1
        Most sweeps over both colours.
    radius : float in [0, 1), optional
        Spectral radius of Jacobi's method; estimated when omitted (`estimate_jacobi_radius`).
    history : bool
        Whether to keep the norms of all residuals.
    check : {"none", "symmetric", "spd"}
        What to make sure of.

    Examples
    --------
    >>> from algos.linear_solvers import Stencil, jacobi_radius, optimal_omega, red_black_sor
    >>> A, b, beta = Stencil((10, 10)), np.ones(100), jacobi_radius((10, 10))
    >>> cyclic_chebyshev(A, b, radius=beta).iterations, red_black_sor(A, b, omega=optimal_omega(beta)).iterations
    (37, 41)
    """
    if isinstance(A, Stencil):
        beta = _checked_radius(grid_radius(A) if radius is None else radius)
        system = lattice_system(A, b, x0, tolerance, max_iterations, check)
        reference = float(np.linalg.norm(system.residual))
        norms = np.zeros(system.max_iterations + 1 if history else 1)
        iterations, status = _cycle(
            grid_half_sweep, grid_true_residual, system.rows, system.b, system.x, system.residual, 1, beta,
            system.tolerance * reference, system.max_iterations, norms,
        )  # fmt: skip
        found = points_of(system.rows, system.x)
        return finished(system, found, system.residual, reference, iterations, status, norms, history=history)
    matrix = as_rows(A)
    colour = colours(matrix)
    if colour.size and colour.max() > 1:
        raise ValueError("A: needs two colours, but its graph has an odd cycle")
    beta = _checked_radius(estimate_jacobi_radius(matrix) if radius is None else radius)
    order = np.argsort(colour, kind="stable")
    right = np.array(b, dtype=np.float64)
    start = None if x0 is None else np.array(x0, dtype=np.float64)
    if right.shape == (order.size,) and (start is None or start.shape == right.shape):
        right, start = right[order], None if start is None else start[order]
    system = prepare(matrix[order][:, order], right, start, tolerance, max_iterations, check)
    reference = float(np.linalg.norm(system.residual))
    norms = np.zeros(system.max_iterations + 1 if history else 1)
    iterations, status = _cycle(
        _half_sweep, true_residual, system.rows, system.b, system.x, system.residual, int((colour == 0).sum()), beta,
        system.tolerance * reference, system.max_iterations, norms,
    )  # fmt: skip
    x: NDArray[np.float64] = np.empty_like(system.x)
    x[order] = system.x
    return finished(system, x, system.residual, reference, iterations, status, norms, history=history)


def _checked_radius(radius: float) -> float:
    beta = float(radius)
    if not 0 <= beta < 1:
        raise ValueError(f"radius: {beta!r} is outside [0, 1)")
    return beta


@njit(nogil=True)
def _semi_iterate(precondition, true_residual, rows, b, x, r, omega, low, threshold, most, norms):
    """Chebyshev's semi-iteration for eigenvalues in [low, 1]: iterations, and the status."""
    n = x.size
    centre, radius = 0.5 * (1.0 + low), 0.5 * (1.0 - low)
    sigma = centre / radius
    z, move = np.zeros(n), np.zeros(n)
    norm = true_residual(rows, b, x, r)
    norms[0] = norm
    last_true, rho = math.inf, 0.0
    k = 0
    while True:
        if norm <= threshold:
            return k, CONVERGED
        if not math.isfinite(norm):
            return k, DIVERGED
        if k == most:
            return k, MAX_ITERATIONS
        precondition(rows, omega, r, z)
        if k == 0:
            rho = 1.0 / sigma
            for i in range(n):
                move[i] = z[i] / centre
        else:
            following = 1.0 / (2.0 * sigma - rho)
            for i in range(n):
                move[i] = following * rho * move[i] + 2.0 * following / radius * z[i]
            rho = following
        for i in range(n):
            x[i] += move[i]
        norm = true_residual(rows, b, x, r)
        k += 1
        if norms.size > 1:
            norms[k] = norm
        if k % 50 == 0:
            if norm > 0.99 * last_true and norm < 1e-10 * norms[0]:
                return k, STAGNATED
            last_true = norm


@njit(cache=True, nogil=True)
def _precondition(rows, omega, right, found):
    """Solve omega / (2 - omega) (D / omega + L) D^-1 (D / omega + L^T) found = right."""
    starts, middle, columns, values = rows.starts, rows.middle, rows.columns, rows.values
    n = right.size
    for i in range(n):
        place, left = middle[i], right[i]
        for m in range(starts[i], place):
            left -= values[m] * found[columns[m]]
        found[i] = left * (omega / values[place])
    scale = (2.0 - omega) / omega
    for i in range(n):
        found[i] *= scale * values[middle[i]]
    for i in range(n - 1, -1, -1):
        place, left = middle[i], found[i]
        for m in range(place + 1, starts[i + 1]):
            left -= values[m] * found[columns[m]]
        found[i] = left * (omega / values[place])


@njit(nogil=True)
def _cycle(half_sweep, true_residual, rows, b, x, r, n_red, beta, threshold, most, norms):
    """Cyclic Chebyshev: the first `n_red` unknowns are red. Iterations, and the status."""
    n = x.size
    norm = true_residual(rows, b, x, r)
    norms[0] = norm
    best, omega = math.inf, 1.0
    k = 0
    while True:
        if norm <= threshold:
            return k, CONVERGED
        if not math.isfinite(norm):
            return k, DIVERGED
        if k == most:
            return k, MAX_ITERATIONS
        half_sweep(rows, b, x, 0, n_red, omega)
        omega = 1.0 / (1.0 - 0.5 * beta * beta) if k == 0 else 1.0 / (1.0 - 0.25 * beta * beta * omega)
        half_sweep(rows, b, x, n_red, n, omega)
        omega = 1.0 / (1.0 - 0.25 * beta * beta * omega)
        norm = true_residual(rows, b, x, r)
        k += 1
        if norms.size > 1:
            norms[k] = norm
        if k % 50 == 0:
            if norm > 0.99 * best and norm < 1e-10 * norms[0]:
                return k, STAGNATED
            best = norm


@njit(cache=True, nogil=True)
def _half_sweep(rows, b, x, first, end, omega):
    starts, middle, columns, values = rows.starts, rows.middle, rows.columns, rows.values
    for i in range(first, end):
        left = b[i]
        for m in range(starts[i], starts[i + 1]):
            left -= values[m] * x[columns[m]]
        x[i] += left * (omega / values[middle[i]])
