"""Conjugate gradients with preconditioners from elsewhere: incomplete factorizations, algebraic multigrid.

The iteration is SciPy's; so is the incomplete LU factorization. Multigrid is pyamg's, where that is installed.

Source of incomplete Cholesky without fill: J. A. Meijerink, H. A. van der Vorst, "An iterative solution method for
linear systems of which the coefficient matrix is a symmetric M-matrix", 1977.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from algos.linear_solvers.system import LinearSolution, NotSPDError, as_rows, prepare, rows_of

__all__ = ["amg_pcg", "ic_pcg", "ilu_pcg", "incomplete_cholesky"]


def ic_pcg(
    A: Any, b: ArrayLike, x0: ArrayLike | None = None, tolerance: float = 1e-8, max_iterations: int = 10_000
) -> LinearSolution:
    """Conjugate gradients preconditioned by incomplete Cholesky without fill; parameters as for `ssor_pcg`.

    Examples
    --------
    >>> from algos.linear_solvers import Stencil
    >>> ic_pcg(Stencil((30, 30)), np.ones(900)).iterations
    28
    """
    return _preconditioned(A, b, x0, tolerance, max_iterations, incomplete_cholesky)


def ilu_pcg(
    A: Any, b: ArrayLike, x0: ArrayLike | None = None, tolerance: float = 1e-8, max_iterations: int = 10_000,
    *, drop_tolerance: float = 1e-3, fill_factor: float = 10.0,
) -> LinearSolution:  # fmt: skip
    """Conjugate gradients preconditioned by SciPy's incomplete LU; not symmetric for large drop tolerances.

    Parameters as for `ssor_pcg`; entries below `drop_tolerance` are dropped, and at most `fill_factor` times as many
    kept as the matrix has.
    """

    def make(matrix: Any) -> Any:
        from scipy.sparse.linalg import LinearOperator, spilu

        factors = spilu(
            matrix.tocsc(), drop_tol=drop_tolerance, fill_factor=fill_factor,
            permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True},
        )  # fmt: skip
        return LinearOperator(matrix.shape, matvec=factors.solve, dtype=np.float64)

    return _preconditioned(A, b, x0, tolerance, max_iterations, make)


def amg_pcg(
    A: Any, b: ArrayLike, x0: ArrayLike | None = None, tolerance: float = 1e-8, max_iterations: int = 10_000
) -> LinearSolution:
    """Conjugate gradients preconditioned by pyamg's smoothed aggregation; parameters as for `ssor_pcg`.

    Raises
    ------
    ValueError
        When pyamg is not installed.
    """

    def make(matrix: Any) -> Any:
        try:
            from pyamg import smoothed_aggregation_solver
        except ImportError:
            raise ValueError("amg_pcg: needs the package pyamg, which is not installed") from None
        return smoothed_aggregation_solver(matrix.tocsr()).aspreconditioner()

    return _preconditioned(A, b, x0, tolerance, max_iterations, make)


def incomplete_cholesky(A: Any) -> Any:
    """The inverse of L L^T as a SciPy ``LinearOperator``, L having entries where the lower part of A has.

    Where a pivot is not positive the diagonal is raised, by a thousandth at first, until all are.

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Symmetric, with positive diagonal.

    Raises
    ------
    NotSPDError
        When raising the diagonal to four times its size does not help.
    """
    from scipy.sparse.linalg import LinearOperator

    matrix = as_rows(A)
    rows = rows_of(matrix)
    raised = 0.0
    while True:
        factor = np.empty_like(rows.values)
        if _factorize(rows.starts, rows.middle, rows.columns, rows.values, 1.0 + raised, factor):
            break
        raised = 1e-3 if raised == 0.0 else 2 * raised
        if raised > 3:
            raise NotSPDError("A: incomplete Cholesky meets a pivot that is not positive, however large the diagonal")

    def apply(vector: ArrayLike) -> Any:
        found = np.array(vector, dtype=np.float64).ravel()
        _solve_factored(rows.starts, rows.middle, rows.columns, factor, found)
        return found

    return LinearOperator(matrix.shape, matvec=apply, rmatvec=apply, dtype=np.float64)


def _preconditioned(
    A: Any, b: ArrayLike, x0: ArrayLike | None, tolerance: float, max_iterations: int, make: Callable[[Any], Any]
) -> LinearSolution:
    from scipy.sparse.linalg import cg

    system = prepare(A, b, x0, tolerance, max_iterations, "symmetric")
    matrix = as_rows(A)
    reference = float(np.linalg.norm(system.b))
    if reference == 0 or np.linalg.norm(system.residual) <= system.tolerance * reference:
        x = np.zeros_like(system.x) if reference == 0 else system.x
        left = 0.0 if reference == 0 else float(np.linalg.norm(system.residual)) / reference
        return LinearSolution(x, 0, True, "converged", left)
    steps = 0

    def count(_: Any) -> None:
        nonlocal steps
        steps += 1

    with np.errstate(all="ignore"):
        x, _ = cg(
            matrix, system.b, system.x, rtol=system.tolerance, atol=0.0, maxiter=system.max_iterations,
            M=make(matrix), callback=count,
        )  # fmt: skip
        left = float(np.linalg.norm(system.b - matrix @ x)) / reference
    if not math.isfinite(left):
        return LinearSolution(x, steps, False, "diverged", math.inf)
    # SciPy tests the recursive residual, which rounding takes a little away from the true one.
    if left <= system.tolerance * (1 + 1e-6):
        return LinearSolution(x, steps, True, "converged", left)
    return LinearSolution(x, steps, False, "max_iterations" if steps >= max_iterations else "stagnated", left)


@njit(cache=True, nogil=True)
def _factorize(starts, middle, columns, values, diagonal, factor):
    """Write L row by row into `factor`, in the places of the lower part; False where a pivot is not positive."""
    for i in range(middle.size):
        for m in range(starts[i], middle[i]):
            j, total = columns[m], values[m]
            # Entries that rows i and j have in common, both in increasing order.
            p, q = starts[i], starts[j]
            while p < m and q < middle[j]:
                if columns[p] == columns[q]:
                    total -= factor[p] * factor[q]
                    p += 1
                    q += 1
                elif columns[p] < columns[q]:
                    p += 1
                else:
                    q += 1
            factor[m] = total / factor[middle[j]]
        pivot = values[middle[i]] * diagonal
        for m in range(starts[i], middle[i]):
            pivot -= factor[m] * factor[m]
        if not pivot > 0.0:
            return False
        factor[middle[i]] = math.sqrt(pivot)
    return True


@njit(cache=True, nogil=True)
def _solve_factored(starts, middle, columns, factor, x):
    """Solve L L^T x_new = x in place."""
    for i in range(middle.size):
        left = x[i]
        for m in range(starts[i], middle[i]):
            left -= factor[m] * x[columns[m]]
        x[i] = left / factor[middle[i]]
    for i in range(middle.size - 1, -1, -1):
        x[i] /= factor[middle[i]]
        for m in range(starts[i], middle[i]):
            x[columns[m]] -= factor[m] * x[i]
