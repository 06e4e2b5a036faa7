"""What is known about the rates: spectral radii, the optimal relaxation, consistent ordering.

For a consistently ordered matrix the eigenvalues of SOR follow from those of Jacobi's method (Young 1950), and with
them the best relaxation.

Sources: D. M. Young, "Iterative solution of large linear systems", 1971, Chapters 5 and 6; arXiv:2310.02246,
Section 2 with Lemma 2.1 (the surrogate for SOR), and Appendix E.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from algos.contracts import whole_number
from algos.guarantees import guarantee
from algos.linear_solvers.lattice import grid_precondition, grid_radius, lattice_of, points_of, with_frame
from algos.linear_solvers.stencil import Stencil
from algos.linear_solvers.system import as_rows, check_omega

__all__ = [
    "as_preconditioner",
    "estimate_jacobi_radius",
    "is_consistently_ordered",
    "jacobi_radius",
    "optimal_omega",
    "sor_iteration_bound",
    "spectral_radius_sor",
    "ssor_condition_bound",
]


def optimal_omega(radius: float) -> float:
    """2 / (1 + sqrt(1 - beta^2)), the relaxation with the least spectral radius of SOR.

    Parameters
    ----------
    radius : float in [0, 1)
        beta, that of Jacobi's method, for a consistently ordered matrix.

    Examples
    --------
    >>> optimal_omega(0.0), round(optimal_omega(0.99), 4)
    (1.0, 1.7527)
    """
    beta = _radius(radius)
    return 2 / (1 + math.sqrt((1 - beta) * (1 + beta)))


@guarantee("Young 1971, Theorem 6-2.3", kind="identity", algorithm="sor", evidence="textbook")
def spectral_radius_sor(omega: float, radius: float) -> float:
    """Spectral radius of SOR = (omega beta + sqrt(omega^2 beta^2 - 4 (omega - 1)))^2 / 4; omega - 1 from optimal on.

    Parameters
    ----------
    omega : float in (0, 2)
        The relaxation.
    radius : float in [0, 1)
        beta, that of Jacobi's method, for a consistently ordered symmetric positive definite matrix.

    Examples
    --------
    >>> spectral_radius_sor(1.0, 0.5), round(spectral_radius_sor(1.5, 0.5), 12)
    (0.25, 0.5)
    """
    relaxation, beta = check_omega(omega), _radius(radius)
    if relaxation >= optimal_omega(beta):
        return relaxation - 1
    inner = max(0.0, (relaxation * beta) ** 2 - 4 * (relaxation - 1))
    return ((relaxation * beta + math.sqrt(inner)) / 2) ** 2


def jacobi_radius(shape: tuple[int, ...], diagonal: float | None = None) -> float:
    """Spectral radius of Jacobi's method on a grid with neighbours of -1: 2 sum_i cos(pi / (m_i + 1)) / diagonal.

    Parameters
    ----------
    shape : ints >= 1
        Points in each dimension.
    diagonal : float > 0, optional
        Twice the number of dimensions, the Laplacian, when omitted.

    Examples
    --------
    >>> round(jacobi_radius((10, 10)), 6)
    0.959493
    """
    points = [whole_number(size, "shape", 1) for size in shape]
    value = 2.0 * len(points) if diagonal is None else float(diagonal)
    if not 0 < value < math.inf:
        raise ValueError(f"diagonal: {diagonal!r} is not a finite number > 0")
    return 2 * sum(math.cos(math.pi / (size + 1)) for size in points) / value


def estimate_jacobi_radius(A: Any, tolerance: float = 1e-6) -> float:
    """Spectral radius of I - D^-1 A for a symmetric matrix with positive diagonal, by Lanczos; of a grid, exactly.

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Symmetric.
    tolerance : float > 0
        Of the eigenvalue.
    """
    from scipy import sparse
    from scipy.sparse.linalg import eigsh

    if isinstance(A, Stencil):
        return grid_radius(A)
    matrix = as_rows(A)
    diagonal = matrix.diagonal()
    if (diagonal <= 0).any():
        raise ValueError(f"A: the diagonal entry of row {int(np.argmax(diagonal <= 0))} is not positive")
    n = matrix.shape[0]
    scale = sparse.diags(1 / np.sqrt(diagonal))
    inner = sparse.identity(n) - scale @ matrix @ scale
    if n <= 200:
        return float(np.abs(np.linalg.eigvalsh(inner.toarray())).max()) if n else 0.0
    start = np.random.default_rng(0).standard_normal(n)
    return float(np.abs(eigsh(inner, k=1, which="LM", return_eigenvectors=False, tol=tolerance, v0=start)[0]))


def is_consistently_ordered(A: Any) -> bool:
    """Whether levels exist that rise by 1 along each entry above the diagonal and fall by 1 along each below. O(nnz).

    Examples
    --------
    >>> from algos.linear_solvers import Stencil
    >>> is_consistently_ordered(Stencil((3, 4))), is_consistently_ordered([[2, 1, 1], [1, 2, 1], [1, 1, 2]])
    (True, False)
    """
    matrix = as_rows(A)
    pattern = (abs(matrix) + abs(matrix.T)).tocsr()
    return bool(_levels_exist(pattern.indptr.astype(np.int64), pattern.indices.astype(np.int64), pattern.data))


@guarantee("arXiv:2310.02246, Lemma 2.1", kind="upper", algorithm="sor", evidence="paper")
def sor_iteration_bound(tolerance: float, omega: float, radius: float, tau: float) -> float:
    """Iterations of SOR <= U = 1 + ln(eps) / ln(rho + tau (1 - rho)), where tau makes the method near-asymptotic.

    Parameters
    ----------
    tolerance : float in (0, 1)
        eps, relative to the residual at the start.
    omega : float in (0, 2)
        The relaxation.
    radius : float in [0, 1)
        beta of Jacobi's method, which gives rho (`spectral_radius_sor`).
    tau : float in [0, 1)
        The assumption is ||C^(k-1)||_2 <= (rho + tau (1 - rho))^(k-1) for the residual map C and the last iteration k
        before the tolerance is met.
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance: {tolerance!r} is outside (0, 1)")
    if not 0 <= tau < 1:
        raise ValueError(f"tau: {tau!r} is outside [0, 1)")
    rho = spectral_radius_sor(omega, radius)
    rate = rho + tau * (1 - rho)
    return 1.0 if rate == 0 else 1 + math.log(tolerance) / math.log(rate)


@guarantee("arXiv:2310.02246, Lemma E.2 (Axelsson)", kind="upper", algorithm="ssor_pcg", evidence="paper")
def ssor_condition_bound(omega: float, mu: float, nu: float) -> float:
    """Condition number after SSOR <= (1 + mu (2 - omega)^2 / (4 omega) + omega nu) / (2 - omega).

    Parameters
    ----------
    omega : float in (0, 2)
        The relaxation.
    mu : float >= 1
        Largest eigenvalue of D A^-1.
    nu : float >= -1/4
        Largest eigenvalue of (L D^-1 L^T - D / 4) A^-1.
    """
    relaxation = check_omega(omega)
    return (1 + mu * (2 - relaxation) ** 2 / (4 * relaxation) + relaxation * nu) / (2 - relaxation)


def as_preconditioner(A: Any, omega: float = 1.0) -> Any:
    """Symmetric SOR as a SciPy ``LinearOperator``, for `scipy.sparse.linalg.cg` and the like.

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Symmetric positive definite.
    omega : float in (0, 2)
        The relaxation; 1 is symmetric Gauss-Seidel.

    Examples
    --------
    >>> from scipy.sparse.linalg import cg
    >>> from algos.linear_solvers import Stencil
    >>> A, steps = Stencil((30, 30)).tocsr(), []
    >>> _ = cg(A, np.ones(900), rtol=1e-8, M=as_preconditioner(A, 1.8), callback=steps.append)
    >>> len(steps)
    22
    """
    from scipy.sparse.linalg import LinearOperator

    from algos.linear_solvers.chebyshev import _precondition
    from algos.linear_solvers.system import prepare

    relaxation = check_omega(omega)
    if isinstance(A, Stencil):
        lattice = lattice_of(A)

        def apply_on_grid(vector: ArrayLike) -> Any:
            found = np.zeros(lattice.kinds.size)
            right = with_frame(lattice, np.asarray(vector, dtype=np.float64).ravel())
            grid_precondition(lattice, relaxation, right, found)
            return points_of(lattice, found)

        return LinearOperator((A.size, A.size), matvec=apply_on_grid, rmatvec=apply_on_grid, dtype=np.float64)
    n = as_rows(A).shape[0]
    rows = prepare(A, np.zeros(n), None, 0.5, 1, "symmetric").rows

    def apply(vector: ArrayLike) -> Any:
        found = np.empty(n)
        _precondition(rows, relaxation, np.asarray(vector, dtype=np.float64).ravel(), found)
        return found

    return LinearOperator((n, n), matvec=apply, rmatvec=apply, dtype=np.float64)


def _radius(radius: Any) -> float:
    if isinstance(radius, bool) or not isinstance(radius, int | float | np.floating) or not 0 <= radius < 1:
        raise ValueError(f"radius: {radius!r} is not a number in [0, 1)")
    return float(radius)


@njit(cache=True)
def _levels_exist(starts, columns, values):
    n = starts.size - 1
    level, queue = np.zeros(n, np.int64), np.empty(n, np.int64)
    seen = np.zeros(n, np.bool_)
    for root in range(n):
        if seen[root]:
            continue
        seen[root], queue[0] = True, root
        done, found = 0, 1
        while done < found:
            i = queue[done]
            done += 1
            for k in range(starts[i], starts[i + 1]):
                j = columns[k]
                if j == i or values[k] == 0.0:
                    continue
                wanted = level[i] + (1 if j > i else -1)
                if not seen[j]:
                    seen[j], level[j], queue[found] = True, wanted, j
                    found += 1
                elif level[j] != wanted:
                    return False
    return True
