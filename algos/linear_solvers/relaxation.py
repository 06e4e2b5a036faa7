"""Stationary methods: Jacobi, Gauss-Seidel, successive over-relaxation (SOR), symmetric SOR, red-black SOR.

SOR solves W delta = r with W = D / omega + L and adds delta to x; the new residual is (W - A) delta, which needs the
upper part of the matrix only. So a sweep and the exact norm of its residual cost one pass over the matrix.

Sources: D. M. Young, "Iterative solution of large linear systems", 1971; M. Khodak et al., arXiv:2310.02246,
Algorithm 1 and Algorithm 8 (there the stopping test has its sign turned round); the residual form is derived here.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from algos.contracts import whole_number
from algos.linear_solvers.grid_solvers import solve_on_grid
from algos.linear_solvers.lattice import (
    grid_coloured_step,
    grid_jacobi_step,
    grid_sor_step,
    grid_ssor_step,
    grid_sweeps,
    grid_true_residual,
    lattice_of,
    lattice_system,
    points_of,
    with_frame,
)
from algos.linear_solvers.stencil import Stencil, check_arrays, relax_stencil
from algos.linear_solvers.system import (
    CONVERGED,
    DIVERGED,
    MAX_ITERATIONS,
    STAGNATED,
    Check,
    Criterion,
    LinearSolution,
    as_rows,
    check_omega,
    finished,
    prepare,
)

__all__ = ["colours", "gauss_seidel", "jacobi", "red_black_sor", "relax", "sor", "ssor"]

Direction = Literal["forward", "backward"]

_BLOCK = 2048  # rows of a sweep before the residuals of those rows follow


def jacobi(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None = None,
    omega: float = 1.0,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
    *,
    history: bool = False,
    check: Check = "none",
) -> LinearSolution:
    """Jacobi's method: x += omega D^-1 r. With omega < 1 it is damped.

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Every diagonal entry other than 0.
    b, x0 : float array, shape (n,)
        Right-hand side and start.
    omega : float in (0, 2)
        Damping.
    tolerance : float in (0, 1)
        Of the residual's norm, relative to that at the start.
    max_iterations : int >= 1
        Most sweeps.
    history : bool
        Whether to keep the norms of all residuals.
    check : {"none", "symmetric", "spd"}
        What to make sure of.

    Examples
    --------
    >>> found = jacobi([[4.0, -1.0], [-1.0, 4.0]], [3.0, 3.0])
    >>> found.status, found.x.round(6).tolist()
    ('converged', [1.0, 1.0])
    """
    return _stationary("jacobi", A, b, x0, omega, tolerance, max_iterations, history, check)


def gauss_seidel(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
    *,
    direction: Direction = "forward",
    history: bool = False,
    check: Check = "none",
) -> LinearSolution:
    """Gauss-Seidel: SOR with omega = 1; parameters as for `sor`."""
    return sor(A, b, x0, 1.0, tolerance, max_iterations, direction=direction, history=history, check=check)


def sor(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None = None,
    omega: float = 1.5,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
    *,
    direction: Direction = "forward",
    history: bool = False,
    check: Check = "none",
    criterion: Criterion = "relative",
) -> LinearSolution:
    """Successive over-relaxation; each unknown in turn moves omega times as far as its equation asks.

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Every diagonal entry other than 0. Convergence is certain for symmetric positive definite matrices.
    b, x0 : float array, shape (n,)
        Right-hand side and start.
    omega : float in (0, 2)
        The relaxation; `optimal_omega` where the matrix is consistently ordered.
    tolerance : float in (0, 1), or > 0
        Of the residual's norm, relative to that at the start, or absolute. It is tested before every sweep.
    max_iterations : int >= 1
        Most sweeps.
    direction : {"forward", "backward"}
        Order of the unknowns.
    history : bool
        Whether to keep the norms of all residuals.
    check : {"none", "symmetric", "spd"}
        What to make sure of.
    criterion : {"relative", "absolute"}
        What the tolerance is.

    Notes
    -----
    Near omega = 2 the residual grows before it falls: only one that is no longer finite ends the solve early.

    Examples
    --------
    >>> from algos.linear_solvers import Stencil, jacobi_radius, optimal_omega
    >>> A, b = Stencil((30, 30)), np.ones(900)
    >>> best = optimal_omega(jacobi_radius((30, 30)))
    >>> sor(A, b, omega=1.0).iterations, sor(A, b, omega=best).iterations
    (1775, 117)
    """
    if isinstance(A, Stencil) and len(A.shape) == 2 and direction == "forward" and check != "spd":
        return solve_on_grid(
            "sor", A, b, x0, check_omega(omega), tolerance, max_iterations, history=history, criterion=criterion
        )
    return _stationary(
        "sor", A, b, x0, omega, tolerance, max_iterations, history, check, _backward(direction), criterion
    )


def ssor(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None = None,
    omega: float = 1.5,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
    *,
    history: bool = False,
    check: Check = "symmetric",
    criterion: Criterion = "relative",
) -> LinearSolution:
    """Symmetric SOR: a forward sweep, then a backward one. Parameters as for `sor`; an iteration is both sweeps."""
    if isinstance(A, Stencil) and len(A.shape) == 2 and check != "spd":
        return solve_on_grid(
            "ssor", A, b, x0, check_omega(omega), tolerance, max_iterations, history=history, criterion=criterion
        )
    return _stationary("ssor", A, b, x0, omega, tolerance, max_iterations, history, check, criterion=criterion)


def red_black_sor(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None = None,
    omega: float = 1.5,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
    *,
    history: bool = False,
    check: Check = "none",
) -> LinearSolution:
    """SOR over the unknowns of one colour after the other; unknowns of a colour do not touch each other.

    Two colours where the matrix allows them (grids, trees: property A), as many as greedy colouring needs otherwise.
    Parameters as for `sor`.
    """
    if isinstance(A, Stencil):
        return _stationary("red-black", A, b, x0, omega, tolerance, max_iterations, history, check)
    matrix = as_rows(A)
    order = np.argsort(colours(matrix), kind="stable")
    right = np.asarray(b, dtype=np.float64)
    start = None if x0 is None else np.asarray(x0, dtype=np.float64)
    if right.shape == (order.size,) and (start is None or start.shape == (order.size,)):
        right, start = right[order], None if start is None else start[order]
    found = _stationary("sor", matrix[order][:, order], right, start, omega, tolerance, max_iterations, history, check)
    x = np.empty_like(found.x)
    x[order] = found.x
    return LinearSolution(x, found.iterations, found.converged, found.status, found.relative_residual, found.history)


def relax(A: Any, x: NDArray[np.float64], b: NDArray[np.float64], omega: float, sweeps: int = 1) -> None:
    """Sweeps of SOR in place and without residuals: a smoother.

    Parameters
    ----------
    A : sparse or dense matrix, shape (n, n), or `Stencil`
        A matrix is checked and copied, which takes as long as some ten sweeps.
    x, b : float64, shape (n,), or the shape of the grid, C-contiguous
        Iterate, which is changed, and right-hand side.
    omega : float in (0, 2)
        The relaxation.
    sweeps : int >= 0
        How many.

    Examples
    --------
    >>> x = np.zeros(2)
    >>> relax([[4.0, -1.0], [-1.0, 4.0]], x, np.array([3.0, 3.0]), 1.0, sweeps=20)
    >>> x.round(9).tolist()
    [1.0, 1.0]
    """
    relaxation, count = check_omega(omega), whole_number(sweeps, "sweeps", 0)
    if isinstance(A, Stencil):
        if len(A.shape) == 2:
            relax_stencil(A, x, b, relaxation, count)
            return
        check_arrays(A, x, b)
        lattice = lattice_of(A)
        framed, right = with_frame(lattice, x.ravel()), with_frame(lattice, b.ravel())
        grid_sweeps(lattice, right, framed, relaxation, count)
        x[...] = points_of(lattice, framed).reshape(x.shape)
        return
    rows = prepare(A, b, None, 0.5, 1, "none", positive_diagonal=False).rows
    given: Any = x
    if not isinstance(given, np.ndarray) or x.dtype != np.float64 or x.shape != np.shape(b) or not x.flags.c_contiguous:
        raise ValueError(f"x: must be a C-contiguous float64 array of shape {np.shape(b)}")
    _sweeps(rows, x, np.array(b, dtype=np.float64), relaxation, count)


def colours(A: Any) -> NDArray[np.int64]:
    """A colour for each unknown, from 0, such that no two of one colour have an entry in common; two if possible.

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Only the places of its entries matter.
    """
    matrix = as_rows(A)
    pattern = (abs(matrix) + abs(matrix.T)).tocsr()
    return np.asarray(_colours(pattern.indptr.astype(np.int64), pattern.indices.astype(np.int64)))


def _backward(direction: str) -> bool:
    if direction not in ("forward", "backward"):
        raise ValueError(f"direction: {direction!r} is neither 'forward' nor 'backward'")
    return direction == "backward"


def _stationary(
    method: str,
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None,
    omega: float,
    tolerance: float,
    max_iterations: int,
    history: bool,
    check: Check,
    reverse: bool = False,
    criterion: Criterion = "relative",
) -> LinearSolution:
    relaxation = check_omega(omega)
    on_lattice = isinstance(A, Stencil)
    if on_lattice:
        system = lattice_system(A, b, x0, tolerance, max_iterations, check, reverse=reverse, criterion=criterion)
        steps = {
            "jacobi": grid_jacobi_step,
            "red-black": grid_coloured_step,
            "sor": grid_sor_step,
            "ssor": grid_ssor_step,
        }
        step, true = steps[method], grid_true_residual
    else:
        system = prepare(
            A, b, x0, tolerance, max_iterations, check,
            positive_diagonal=check != "none", reverse=reverse, criterion=criterion,
        )  # fmt: skip
        step, true = {"jacobi": _jacobi_step, "sor": sor_step, "ssor": _ssor_step}[method], true_residual
    x, residual = system.x, system.residual
    reference = float(np.linalg.norm(residual)) if criterion == "relative" else 1.0
    norms = np.zeros(system.max_iterations + 1 if history else 1)
    iterations, status = iterate(
        step, true, system.rows, system.b, x, residual, relaxation, system.tolerance * reference,
        system.max_iterations, norms,
    )  # fmt: skip
    x = points_of(system.rows, x) if on_lattice else x
    return finished(system, x, residual, reference, iterations, status, norms, history=history, reverse=reverse)


@njit(nogil=True)
def iterate(step, true_residual, rows, b, x, r, omega, threshold, most, norms):
    """Run a method's step until the residual's norm is at most a threshold: iterations, and the status.

    ``step(rows, x, r, delta, omega)`` moves x by delta, updates the residual r, and returns its norm; omega may be
    whatever the step needs. ``true_residual(rows, b, x, r)`` stores b - A x in r and returns its norm.
    """
    n = x.size
    delta = np.zeros(n)
    norm = 0.0
    for i in range(n):
        norm += r[i] * r[i]
    norm = math.sqrt(norm)
    norms[0] = norm
    last_true = math.inf
    k = 0
    while True:
        if norm <= threshold:
            # The recursive residual may have drifted from the true one.
            norm = true_residual(rows, b, x, r)
            if norm <= threshold:
                return k, CONVERGED
            if norm > 0.99 * last_true:
                return k, STAGNATED
            last_true = norm
        if not math.isfinite(norm):
            return k, DIVERGED
        if k == most:
            true_residual(rows, b, x, r)
            return k, MAX_ITERATIONS
        norm = step(rows, x, r, delta, omega)
        k += 1
        if norms.size > 1:
            norms[k] = norm


@njit(cache=True, nogil=True)
def true_residual(rows, b, x, r):
    """Store b - A x in r; its norm."""
    starts, columns, values = rows.starts, rows.columns, rows.values
    total = 0.0
    for i in range(x.size):
        left = b[i]
        for k in range(starts[i], starts[i + 1]):
            left -= values[k] * x[columns[k]]
        r[i] = left
        total += left * left
    return math.sqrt(total)


@njit(cache=True, nogil=True)
def _jacobi_step(rows, x, r, delta, omega):
    starts, middle, columns, values = rows.starts, rows.middle, rows.columns, rows.values
    n = x.size
    for i in range(n):
        delta[i] = r[i] * (omega / values[middle[i]])
        x[i] += delta[i]
    total = 0.0
    for i in range(n):
        left = r[i]
        for k in range(starts[i], starts[i + 1]):
            left -= values[k] * delta[columns[k]]
        r[i] = left
        total += left * left
    return math.sqrt(total)


@njit(cache=True, nogil=True)
def sor_step(rows, x, r, delta, omega):
    """One forward sweep; the lower part for the step, the upper part for the residual.

    The second half follows the first as closely as it may, so that it finds the matrix in the cache.
    """
    starts, middle, columns, values = rows.starts, rows.middle, rows.columns, rows.values
    n, before, total = x.size, 0.0, 0.0
    rest = 1.0 / omega - 1.0
    begun, done = 0, 0
    while done < n:
        end = min(begun + _BLOCK, n)
        # Indices into slices count from 0, so that none needs to be looked at for its sign.
        r_here, middle_here, starts_here, delta_here = (
            r[begun:end],
            middle[begun:end],
            starts[begun:end],
            delta[begun:end],
        )
        for i in range(delta_here.size):
            left, place, first = r_here[i], middle_here[i], starts_here[i]
            scale = omega / values[place]
            if place > first:
                for k in range(first, place - 1):
                    left -= values[k] * delta[columns[k]]
                # Only this product waits for the unknown before, which need not come from memory.
                last = columns[place - 1]
                if last == begun + i - 1:
                    left -= values[place - 1] * before
                else:
                    left -= values[place - 1] * delta[last]
            before = left * scale
            delta_here[i] = before
        begun = end
        stop = n if end == n else max(end - rows.reach, done)
        r_here, middle_here, ends_here = r[done:stop], middle[done:stop], starts[done + 1 : stop + 1]
        delta_here, x_here = delta[done:stop], x[done:stop]
        for i in range(delta_here.size):
            place = middle_here[i]
            left = rest * values[place] * delta_here[i]
            for k in range(place + 1, ends_here[i]):
                left -= values[k] * delta[columns[k]]
            r_here[i] = left
            x_here[i] += delta_here[i]
            total += left * left
        done = stop
    return math.sqrt(total)


@njit(cache=True, nogil=True)
def _sweeps(rows, x, b, omega, count):
    """Forward sweeps without residuals."""
    starts, middle, columns, values = rows.starts, rows.middle, rows.columns, rows.values
    keep = 1.0 - omega
    for _ in range(count):
        before = 0.0
        for i in range(x.size):
            left, place, first = b[i], middle[i], starts[i]
            scale = omega / values[place]
            for k in range(place + 1, starts[i + 1]):
                left -= values[k] * x[columns[k]]
            known = keep * x[i]
            if place > first:
                for k in range(first, place - 1):
                    left -= values[k] * x[columns[k]]
                known += scale * left
                last = columns[place - 1]
                if last == i - 1:
                    before = known - scale * values[place - 1] * before
                else:
                    before = known - scale * values[place - 1] * x[last]
            else:
                before = known + scale * left
            x[i] = before


@njit(cache=True, nogil=True)
def _ssor_step(rows, x, r, delta, omega):
    """A forward sweep, and a backward one."""
    starts, middle, columns, values = rows.starts, rows.middle, rows.columns, rows.values
    n = x.size
    sor_step(rows, x, r, delta, omega)
    for i in range(n - 1, -1, -1):
        left, place = r[i], middle[i]
        for k in range(place + 1, starts[i + 1]):
            left -= values[k] * delta[columns[k]]
        delta[i] = left * (omega / values[place])
    rest, total = 1.0 / omega - 1.0, 0.0
    for i in range(n):
        place = middle[i]
        left = rest * values[place] * delta[i]
        for k in range(starts[i], place):
            left -= values[k] * delta[columns[k]]
        r[i] = left
        x[i] += delta[i]
        total += left * left
    return math.sqrt(total)


@njit(cache=True)
def _colours(starts, columns):
    """Two colours by breadth-first search; greedy where that fails."""
    n = starts.size - 1
    colour, queue = np.full(n, -1), np.empty(n, np.int64)
    fits = True
    for root in range(n):
        if colour[root] >= 0:
            continue
        colour[root], queue[0] = 0, root
        done, found = 0, 1
        while done < found:
            i = queue[done]
            done += 1
            for k in range(starts[i], starts[i + 1]):
                j = columns[k]
                if j != i and colour[j] < 0:
                    colour[j] = 1 - colour[i]
                    queue[found] = j
                    found += 1
                elif j != i and colour[j] == colour[i]:
                    fits = False
    if fits:
        return colour
    colour[:] = -1
    taken = np.full(n + 1, -1)
    for i in range(n):
        for k in range(starts[i], starts[i + 1]):
            if columns[k] != i and colour[columns[k]] >= 0:
                taken[colour[columns[k]]] = i
        free = 0
        while taken[free] == i:
            free += 1
        colour[i] = free
    return colour
