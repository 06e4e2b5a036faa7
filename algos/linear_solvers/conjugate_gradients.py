"""Conjugate gradients, plain and preconditioned by Jacobi or symmetric SOR.

With Eisenstat's trick the preconditioned matrix is never formed: with Lt = D / omega + L,
A = Lt + Lt^T + (1 - 2 / omega) D, so that Lt^-1 A Lt^-T p needs two triangular solves and nothing else, one pass over
the matrix.

Sources: S. C. Eisenstat, "Efficient implementation of a class of preconditioned conjugate gradient methods", 1981;
arXiv:2310.02246, Definition E.1 (the preconditioner, forward sweep first).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from algos.linear_solvers.grid_solvers import solve_on_grid
from algos.linear_solvers.lattice import (
    grid_by_diagonal,
    grid_multiply,
    grid_precondition,
    grid_true_residual,
    lattice_system,
    points_of,
)
from algos.linear_solvers.relaxation import true_residual
from algos.linear_solvers.stencil import Stencil
from algos.linear_solvers.system import (
    CONVERGED,
    DIVERGED,
    MAX_ITERATIONS,
    STAGNATED,
    Check,
    LinearSolution,
    check_omega,
    finished,
    prepare,
)

__all__ = ["cg", "jacobi_pcg", "ssor_pcg"]


def cg(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
    *,
    history: bool = False,
    check: Check = "symmetric",
) -> LinearSolution:
    """Conjugate gradients without a preconditioner; parameters as for `ssor_pcg`.

    Examples
    --------
    >>> from algos.linear_solvers import Stencil
    >>> cg(Stencil((30, 30)), np.ones(900)).iterations
    55
    """
    if isinstance(A, Stencil) and len(A.shape) == 2 and check != "spd":
        return solve_on_grid("cg", A, b, x0, 1.0, tolerance, max_iterations, history=history)
    return _gradients(A, b, x0, tolerance, max_iterations, history, check, jacobi=False)


def jacobi_pcg(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
    *,
    history: bool = False,
    check: Check = "symmetric",
) -> LinearSolution:
    """Conjugate gradients preconditioned by the diagonal; parameters as for `ssor_pcg`."""
    return _gradients(A, b, x0, tolerance, max_iterations, history, check, jacobi=True)


def ssor_pcg(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None = None,
    omega: float = 1.0,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
    *,
    order: Literal["forward", "backward"] = "forward",
    history: bool = False,
    check: Check = "symmetric",
) -> LinearSolution:
    """Conjugate gradients preconditioned by symmetric SOR, with Eisenstat's trick.

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Symmetric positive definite.
    b, x0 : float array, shape (n,)
        Right-hand side and start.
    omega : float in (0, 2)
        The relaxation; 1 is symmetric Gauss-Seidel.
    tolerance : float in (0, 1)
        Of the residual's norm, relative to that of b and not to that at the start.
    max_iterations : int >= 1
        Most steps.
    order : {"forward", "backward"}
        Which sweep of the preconditioner comes first.
    history : bool
        Whether to keep the norms of all residuals.
    check : {"none", "symmetric", "spd"}
        What to make sure of.

    Notes
    -----
    One pass over the matrix a step, and half a pass for the norm of the residual.

    Examples
    --------
    >>> from algos.linear_solvers import Stencil
    >>> A, b = Stencil((30, 30)), np.ones(900)
    >>> ssor_pcg(A, b, omega=1.0).iterations, ssor_pcg(A, b, omega=1.8).iterations
    (32, 22)
    """
    relaxation = check_omega(omega)
    if order not in ("forward", "backward"):
        raise ValueError(f"order: {order!r} is neither 'forward' nor 'backward'")
    reverse = order == "backward"
    if isinstance(A, Stencil) and len(A.shape) == 2 and not reverse and check != "spd":
        return solve_on_grid("ssor_pcg", A, b, x0, relaxation, tolerance, max_iterations, history=history)
    if isinstance(A, Stencil):
        return _on_lattice(
            grid_precondition, A, b, x0, relaxation, tolerance, max_iterations, history, check, reverse=reverse
        )
    system = prepare(A, b, x0, tolerance, max_iterations, check, reverse=reverse)
    reference = float(np.linalg.norm(system.b))
    norms = np.zeros(system.max_iterations + 1 if history else 1)
    threshold = system.tolerance * reference
    if reference == 0:  # the solution is 0
        system.x[:], system.residual[:] = 0.0, 0.0
    iterations, status = _eisenstat(
        system.rows, system.b, system.x, system.residual, relaxation, threshold, system.max_iterations, norms
    )
    return finished(
        system, system.x, system.residual, reference, iterations, status, norms, history=history, reverse=reverse
    )


def _gradients(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None,
    tolerance: float,
    max_iterations: int,
    history: bool,
    check: Check,
    *,
    jacobi: bool,
) -> LinearSolution:
    if isinstance(A, Stencil):  # its diagonal is constant: with Jacobi or without is the same
        return _on_lattice(grid_by_diagonal, A, b, x0, 1.0, tolerance, max_iterations, history, check)
    system = prepare(A, b, x0, tolerance, max_iterations, check)
    reference = float(np.linalg.norm(system.b))
    norms = np.zeros(system.max_iterations + 1 if history else 1)
    threshold = system.tolerance * reference
    if reference == 0:
        system.x[:], system.residual[:] = 0.0, 0.0
    iterations, status = _conjugate(
        system.rows, system.b, system.x, system.residual, jacobi, threshold, system.max_iterations, norms
    )
    return finished(system, system.x, system.residual, reference, iterations, status, norms, history=history)


def _on_lattice(
    precondition: Any,
    A: Stencil,
    b: ArrayLike,
    x0: ArrayLike | None,
    omega: float,
    tolerance: float,
    max_iterations: int,
    history: bool,
    check: Check,
    *,
    reverse: bool = False,
) -> LinearSolution:
    system = lattice_system(A, b, x0, tolerance, max_iterations, check, reverse=reverse)
    reference = float(np.linalg.norm(system.b))
    norms = np.zeros(system.max_iterations + 1 if history else 1)
    if reference == 0:
        system.x[:], system.residual[:] = 0.0, 0.0
    iterations, status = _preconditioned(
        precondition, grid_multiply, grid_true_residual, system.rows, system.b, system.x, system.residual, omega,
        system.tolerance * reference, system.max_iterations, norms,
    )  # fmt: skip
    x = points_of(system.rows, system.x)
    return finished(system, x, system.residual, reference, iterations, status, norms, history=history, reverse=reverse)


@njit(nogil=True)
def _preconditioned(precondition, multiply, true_residual, rows, b, x, r, omega, threshold, most, norms):
    """Preconditioned conjugate gradients: iterations, and the status."""
    n = x.size
    p, q, z = np.zeros(n), np.zeros(n), np.zeros(n)
    norm = true_residual(rows, b, x, r)
    norms[0] = norm
    last_true, before = math.inf, 0.0
    k = 0
    while True:
        if norm <= threshold:
            norm = true_residual(rows, b, x, r)
            if norm <= threshold:
                return k, CONVERGED
            if norm > 0.99 * last_true:
                return k, STAGNATED
            last_true, before = norm, 0.0  # begin anew from the true residual
        if not math.isfinite(norm):
            return k, DIVERGED
        if k == most:
            true_residual(rows, b, x, r)
            return k, MAX_ITERATIONS
        precondition(rows, omega, r, z)
        rho = 0.0
        for i in range(n):
            rho += r[i] * z[i]
        share = rho / before if before > 0.0 else 0.0
        for i in range(n):
            p[i] = z[i] + share * p[i]
        curvature = multiply(rows, p, q)
        if not curvature > 0.0:  # not positive definite, or nothing is left
            true_residual(rows, b, x, r)
            return k, DIVERGED
        step, total = rho / curvature, 0.0
        for i in range(n):
            x[i] += step * p[i]
            r[i] -= step * q[i]
            total += r[i] * r[i]
        norm, before = math.sqrt(total), rho
        k += 1
        if norms.size > 1:
            norms[k] = norm


@njit(nogil=True)
def _conjugate(rows, b, x, r, jacobi, threshold, most, norms):
    """Conjugate gradients: iterations, and the status."""
    starts, middle, columns, values = rows.starts, rows.middle, rows.columns, rows.values
    n = x.size
    p, q = np.zeros(n), np.empty(n)
    norm = true_residual(rows, b, x, r)
    norms[0] = norm
    last_true, before = math.inf, 0.0
    k = 0
    while True:
        if norm <= threshold:
            norm = true_residual(rows, b, x, r)
            if norm <= threshold:
                return k, CONVERGED
            if norm > 0.99 * last_true:
                return k, STAGNATED
            last_true, before = norm, 0.0  # begin anew from the true residual
        if not math.isfinite(norm):
            return k, DIVERGED
        if k == most:
            true_residual(rows, b, x, r)
            return k, MAX_ITERATIONS
        rho = 0.0
        for i in range(n):
            rho += r[i] * r[i] / (values[middle[i]] if jacobi else 1.0)
        share = rho / before if before > 0.0 else 0.0
        for i in range(n):
            p[i] = r[i] / (values[middle[i]] if jacobi else 1.0) + share * p[i]
        curvature = 0.0
        for i in range(n):
            total = 0.0
            for m in range(starts[i], starts[i + 1]):
                total += values[m] * p[columns[m]]
            q[i] = total
            curvature += p[i] * total
        if not curvature > 0.0:  # not positive definite, or nothing is left
            true_residual(rows, b, x, r)
            return k, DIVERGED
        step, total = rho / curvature, 0.0
        for i in range(n):
            x[i] += step * p[i]
            r[i] -= step * q[i]
            total += r[i] * r[i]
        norm, before = math.sqrt(total), rho
        k += 1
        if norms.size > 1:
            norms[k] = norm


@njit(nogil=True)
def _eisenstat(rows, b, x, r, omega, threshold, most, norms):
    """SSOR-preconditioned conjugate gradients by Eisenstat's trick: iterations, and the status."""
    starts, middle, columns, values = rows.starts, rows.middle, rows.columns, rows.values
    n = x.size
    g, p, t, q = np.empty(n), np.zeros(n), np.empty(n), np.empty(n)
    share_of_d = 1.0 - 2.0 / omega
    norm = true_residual(rows, b, x, r)
    norms[0] = norm
    last_true, rho, fresh = math.inf, 0.0, True
    k = 0
    while True:
        if norm <= threshold:
            norm = true_residual(rows, b, x, r)
            if norm <= threshold:
                return k, CONVERGED
            if norm > 0.99 * last_true:
                return k, STAGNATED
            last_true, fresh = norm, True
        if not math.isfinite(norm):
            return k, DIVERGED
        if k == most:
            true_residual(rows, b, x, r)
            return k, MAX_ITERATIONS
        if fresh:
            _solve_lower(rows, omega, r, g)
            rho = 0.0
            for i in range(n):
                d = values[middle[i]]
                rho += g[i] * g[i] * d
                p[i] = d * g[i]
            fresh = False
        # t = Lt^-T p, from the last unknown to the first.
        for i in range(n - 1, -1, -1):
            place, left = middle[i], p[i]
            for m in range(place + 1, starts[i + 1]):
                left -= values[m] * t[columns[m]]
            t[i] = left * (omega / values[place])
        for i in range(n):
            r[i] = p[i] + share_of_d * values[middle[i]] * t[i]
        _solve_lower(rows, omega, r, q)
        curvature = 0.0
        for i in range(n):
            q[i] += t[i]
            curvature += p[i] * q[i]
        if not curvature > 0.0:
            true_residual(rows, b, x, r)
            return k, DIVERGED
        step = rho / curvature
        for i in range(n):
            x[i] += step * t[i]
            g[i] -= step * q[i]
        # r = Lt g
        total, following = 0.0, 0.0
        for i in range(n):
            place = middle[i]
            d = values[place]
            left = d / omega * g[i]
            for m in range(starts[i], place):
                left += values[m] * g[columns[m]]
            r[i] = left
            total += left * left
            following += g[i] * g[i] * d
        share = following / rho
        for i in range(n):
            p[i] = values[middle[i]] * g[i] + share * p[i]
        rho, norm = following, math.sqrt(total)
        k += 1
        if norms.size > 1:
            norms[k] = norm


@njit(cache=True, nogil=True)
def _solve_lower(rows, omega, right, found):
    """Solve (D / omega + L) found = right."""
    starts, middle, columns, values = rows.starts, rows.middle, rows.columns, rows.values
    for i in range(right.size):
        place, left = middle[i], right[i]
        for m in range(starts[i], place):
            left -= values[m] * found[columns[m]]
        found[i] = left * (omega / values[place])
