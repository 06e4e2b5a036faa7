"""Upper bounds on iterations as functions of the relaxation, and the constants of a matrix that they need.

Source: M. Khodak et al., arXiv:2310.02246, Lemma 2.1 (SOR), Lemma E.2 (SSOR-preconditioned conjugate gradients, after
O. Axelsson), Theorem D.1 (energy norms), in the corrected form: Theorem D.1 fails where omega is so large that
Om^2 + G < 1/4 (erratum E3), and Lemma E.2 lacks a logarithm and takes nu <= 0 for granted (erratum E7).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from algos.guarantees import guarantee
from algos.linear_solvers.system import as_rows, check_grid, check_omega
from algos.linear_solvers.theory import optimal_omega, ssor_condition_bound

__all__ = [
    "SplittingConstants",
    "best_ssor_omega",
    "near_asymptotic_constant",
    "sor_energy_iteration_bound",
    "sor_energy_norm_bound",
    "sor_lipschitz_bound",
    "splitting_constants",
    "ssor_energy_iteration_bound",
    "ssor_pcg_iteration_bound",
    "ssor_pcg_lipschitz_bound",
]

_DENSE_UP_TO = 1000


class SplittingConstants(NamedTuple):
    """Constants of a symmetric positive definite matrix A = D + L + L^T."""

    radius: float
    """beta, spectral radius of Jacobi's method."""
    condition: float
    """kappa_2(A)."""
    mu: float
    """Largest eigenvalue of D A^-1."""
    nu: float
    """Largest eigenvalue of (L D^-1 L^T - D / 4) A^-1."""
    product: float
    """G, spectral radius of D^-1 L D^-1 L^T."""
    largest: float
    """Largest eigenvalue of D^-1 A."""


def splitting_constants(A: Any) -> SplittingConstants:
    """The constants of a matrix by dense eigenvalues, O(n^3).

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Symmetric positive definite, 1 <= n <= 1000.

    Raises
    ------
    ValueError
        When it is too large, or not symmetric positive definite.
    """
    from scipy.linalg import eigh

    matrix = _dense(A)
    d = matrix.diagonal()
    eigenvalues = np.linalg.eigvalsh(matrix)
    if not np.array_equal(matrix, matrix.T) or not eigenvalues[0] > 0:
        raise ValueError("A: must be symmetric positive definite")
    lower = np.tril(matrix, -1)
    product = lower @ (lower.T / d[:, None])
    scaled = matrix / np.sqrt(np.outer(d, d))
    jacobi = np.abs(np.linalg.eigvalsh(np.eye(len(d)) - scaled)).max()
    return SplittingConstants(
        float(jacobi),
        float(eigenvalues[-1] / eigenvalues[0]),
        float(eigh(np.diag(d), matrix, eigvals_only=True)[-1]),
        float(eigh(product - np.diag(d) / 4, matrix, eigvals_only=True)[-1]),
        float(eigh(product, np.diag(d), eigvals_only=True)[-1]),
        float(np.linalg.eigvalsh(scaled)[-1]),
    )


def near_asymptotic_constant(A: Any, b: ArrayLike, grid: ArrayLike, tolerance: float) -> float:
    """The least tau with ||C^(k-1)||_2 <= (rho + tau (1 - rho))^(k-1) for SOR with each relaxation of a grid.

    C is the residual map, rho its spectral radius, k the iterations to the tolerance from x = 0. Dense, O(n^3 ln k).

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Symmetric positive definite, 1 <= n <= 1000.
    b : float array, shape (n,)
        Right-hand side.
    grid : array of float in (0, 2), increasing
        The relaxations.
    tolerance : float in (0, 1)
        Relative.

    Examples
    --------
    >>> from algos.linear_solvers import Stencil
    >>> round(near_asymptotic_constant(Stencil((10, 10)), np.ones(100), np.linspace(1, 1.9, 10), 1e-8), 3)
    0.155
    """
    from algos.linear_solvers.relaxation import sor

    matrix = _dense(A)
    tau = 0.0
    for omega in check_grid(grid):
        steps = sor(A, b, None, float(omega), tolerance).iterations
        if steps <= 1:
            continue
        lower = np.tril(matrix, -1) + np.diag(matrix.diagonal()) / omega
        residual_map = np.eye(len(matrix)) - np.linalg.solve(lower.T, matrix.T).T
        rho = float(np.abs(np.linalg.eigvals(residual_map)).max())
        norm = float(np.linalg.norm(np.linalg.matrix_power(residual_map, steps - 1), 2))
        tau = max(tau, (norm ** (1 / (steps - 1)) - rho) / (1 - rho))
    return tau


@guarantee("arXiv:2310.02246, Lemma 2.1 (iii)", kind="upper", algorithm="sor")
def sor_lipschitz_bound(tolerance: float, omega_max: float, radius: float, tau: float) -> float:
    """|U(x) - U(y)| / |x - y| <= (1 - tau) ln(1/eps) / (alpha ln^2 alpha) for SOR's bound U on [omega*, omega_max].

    alpha = tau + (1 - tau) max(beta^2, omega_max - 1). U is `sor_iteration_bound`, decreasing up to omega*. Where
    tau < e^-2 and beta^2 < (4 / e^2) (1 - 1 / e^2) the statement needs tau raised to e^-2, in U as well.

    Parameters
    ----------
    tolerance : float in (0, 1)
        eps.
    omega_max : float in (0, 2)
        End of the interval of relaxations.
    radius : float in [0, 1)
        beta of Jacobi's method.
    tau : float in [0, 1)
        As for `sor_iteration_bound`.
    """
    _check(tolerance=(tolerance, 0, 1, False), radius=(radius, 0, 1, True), tau=(tau, 0, 1, True))
    optimal_omega(radius)
    if tau < math.exp(-2) and radius**2 < 4 / math.e**2 * (1 - 1 / math.e**2):
        raise ValueError(f"tau: {tau:g} must be at least exp(-2) for a radius as small as {radius:g}")
    alpha = tau + (1 - tau) * max(radius**2, check_omega(omega_max) - 1)
    return (1 - tau) * math.log(1 / tolerance) / (alpha * math.log(alpha) ** 2) if alpha > 0 else 0.0


@guarantee("arXiv:2310.02246, Lemma E.2 (Axelsson)", kind="upper", algorithm="ssor_pcg")
def ssor_pcg_iteration_bound(
    tolerance: float, omega: float, mu: float, nu: float, condition: float, tau: float = 1.0
) -> float:
    """Steps of SSOR-preconditioned CG <= 1 + tau Lam / -ln(1 - 2 / (1 + sqrt(kap))), kap = `ssor_condition_bound`.

    Lam = ln(sqrt(kappa) / eps + sqrt(kappa / eps^2 - 1)), for the residual relative to b, from x = 0.

    Parameters
    ----------
    tolerance : float in (0, 1)
        eps.
    omega : float in (0, 2)
        The relaxation.
    mu, nu : float
        As in `splitting_constants`.
    condition : float >= 1
        kappa_2(A).
    tau : float in (0, 1]
        1 always holds; the smallest that does for a system depends on its right-hand side.
    """
    _check(tolerance=(tolerance, 0, 1, False), condition=(condition, 1, math.inf, True))
    if not 0 < tau <= 1:
        raise ValueError(f"tau: {tau!r} is outside (0, 1]")
    root = math.sqrt(max(ssor_condition_bound(omega, mu, nu), 1.0))
    rate = (root - 1) / (root + 1)
    return 1.0 if rate == 0 else 1 + tau * _chebyshev_logarithm(tolerance, condition) / -math.log(rate)


def best_ssor_omega(mu: float, nu: float) -> float:
    """2 / (1 + sqrt((2 / mu) (1 + 2 nu))), where `ssor_condition_bound` is least.

    Parameters
    ----------
    mu : float >= 1
        As in `splitting_constants`.
    nu : float > -1/2
        As in `splitting_constants`.
    """
    if not mu >= 1:
        raise ValueError(f"mu: {mu!r} is below 1")
    if not nu > -0.5:
        raise ValueError(f"nu: {nu!r} is not above -1/2")
    return 2 / (1 + math.sqrt(2 / mu * (1 + 2 * nu)))


@guarantee("arXiv:2310.02246, Lemma E.2 (3), with the logarithm it lacks", kind="upper", algorithm="ssor_pcg",
           evidence="derived")  # fmt: skip
def ssor_pcg_lipschitz_bound(tolerance: float, mu: float, nu: float, condition: float, tau: float = 1.0) -> float:
    """U(y) - U(x) <= L (y - x) for CG's bound U, 2 sqrt 2 - 2 <= x < y <= best, nu in [-1/4, 0].

    Towards the left end of the grid, that is; U is `ssor_pcg_iteration_bound`, which grows beyond its minimum and is
    L-Lipschitz there, L = tau Lam sqrt(mu sqrt 2) (mu + 4 nu + 4) / (4 mu nu + 2 mu - 1). The paper omits Lam.

    Parameters
    ----------
    tolerance : float in (0, 1)
        eps.
    mu : float > 1
        As in `splitting_constants`.
    nu : float in [-1/4, 0]
        As in `splitting_constants`.
    condition : float >= 1
        kappa_2(A).
    tau : float in (0, 1]
        As for `ssor_pcg_iteration_bound`.
    """
    _check(tolerance=(tolerance, 0, 1, False), condition=(condition, 1, math.inf, True))
    if not 1 < mu < math.inf:
        raise ValueError(f"mu: {mu!r} is not a finite number > 1")
    if not -0.25 <= nu <= 0:
        raise ValueError(f"nu: {nu!r} is outside [-1/4, 0]")
    steepness = math.sqrt(mu * math.sqrt(2)) * (mu + 4 * nu + 4) / (4 * mu * nu + 2 * mu - 1)
    return tau * _chebyshev_logarithm(tolerance, condition) * steepness


@guarantee("arXiv:2310.02246, Theorem D.1 with the case it lacks", kind="upper", algorithm="sor", evidence="derived")
def sor_energy_norm_bound(omega: float, radius: float, product: float, largest: float) -> float:
    """||M||_A^2 <= 1 - 2 Om / (1/omega + s / g), with Om = (2 - omega) / (2 omega), s = Om^2 + G - 1/4, M SOR's map.

    g = 1 - beta where s >= 0, and the largest eigenvalue of D^-1 A where s < 0: there the paper's 1 - beta is wrong.
    For every symmetric positive definite matrix.

    Parameters
    ----------
    omega : float in (0, 2)
        The relaxation.
    radius : float in [0, 1)
        beta, such that 1 - beta is at most the least eigenvalue of D^-1 A.
    product : float >= 0
        G, spectral radius of D^-1 L D^-1 L^T.
    largest : float > 0
        Largest eigenvalue of D^-1 A.
    """
    relaxation = check_omega(omega)
    _check(radius=(radius, 0, 1, True), product=(product, 0, math.inf, True), largest=(largest, 0, math.inf, False))
    om = (2 - relaxation) / (2 * relaxation)
    # Om^2 - 1/4 = (1 - omega) / omega^2, without cancellation.
    s = (1 - relaxation) / relaxation**2 + product
    return 1 - 2 * om / (1 / relaxation + s / (1 - radius if s >= 0 else largest))


@guarantee("arXiv:2310.02246, Theorem D.1", kind="upper", algorithm="sor")
def sor_energy_iteration_bound(tolerance: float, norm: float, condition: float) -> float:
    """Iterations of SOR <= 1 + ln(eps / (2 sqrt kappa)) / ln ||M||_A, for a tolerance relative to the first residual.

    Parameters
    ----------
    tolerance : float in (0, 1)
        eps.
    norm : float in (0, 1)
        A bound on ||M||_A, the root of `sor_energy_norm_bound`.
    condition : float >= 1
        kappa_2(A).
    """
    _check(tolerance=(tolerance, 0, 1, False), norm=(norm, 0, 1, False), condition=(condition, 1, math.inf, True))
    return 1 + math.log(tolerance / (2 * math.sqrt(condition))) / math.log(norm)


@guarantee("arXiv:2310.02246, Theorem D.1", kind="upper", algorithm="ssor")
def ssor_energy_iteration_bound(tolerance: float, norm: float, condition: float, start: float) -> float:
    """Iterations of SSOR <= 1 + ln(eps / (2 ||r_0|| sqrt kappa)) / (2 ln ||M||_A), for an absolute tolerance.

    Parameters
    ----------
    tolerance : float > 0
        eps, absolute.
    norm : float in (0, 1)
        A bound on ||M||_A for SOR's map M, the root of `sor_energy_norm_bound`.
    condition : float >= 1
        kappa_2(A).
    start : float > 0
        Norm of the residual at the start: of b, from x = 0.
    """
    _check(norm=(norm, 0, 1, False), condition=(condition, 1, math.inf, True))
    for name, value in (("tolerance", tolerance), ("start", start)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number > 0")
    return max(1.0, 1 + math.log(tolerance / (2 * start * math.sqrt(condition))) / (2 * math.log(norm)))


def _chebyshev_logarithm(tolerance: float, condition: float) -> float:
    return math.acosh(math.sqrt(condition) / tolerance)


def _dense(A: Any) -> Any:
    matrix = as_rows(A)
    if not 1 <= matrix.shape[0] <= _DENSE_UP_TO:
        raise ValueError(f"A: must have 1 to {_DENSE_UP_TO} rows for dense eigenvalues, got {matrix.shape[0]}")
    return matrix.toarray()


def _check(**ranges: tuple[float, float, float, bool]) -> None:
    for name, (value, low, high, closed) in ranges.items():
        if not (low <= value if closed else low < value) or not value < high:
            raise ValueError(f"{name}: {value!r} is outside {'[' if closed else '('}{low:g}, {high:g})")
