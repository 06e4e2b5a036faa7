"""Checks of the theory of SOR, SSOR and preconditioned gradients, with the library's solvers and dense eigenvalues."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from algos.linear_solvers import (
    Stencil,
    best_ssor_omega,
    jacobi_radius,
    near_asymptotic_constant,
    optimal_omega,
    sor,
    sor_energy_iteration_bound,
    sor_energy_norm_bound,
    sor_iteration_bound,
    sor_lipschitz_bound,
    spectral_radius_sor,
    splitting_constants,
    ssor,
    ssor_condition_bound,
    ssor_energy_iteration_bound,
    ssor_pcg,
    ssor_pcg_iteration_bound,
    ssor_pcg_lipschitz_bound,
)
from experiments.ledger_checks import Comparison, agreement, checks, tightest

__all__: list[str] = []

OMEGAS = (0.5, 1.0, 1.3, 1.6, 1.9)
TOLERANCES = (1e-2, 1e-8)


@checks("spectral_radius_sor")
def spectral_radius(rng: np.random.Generator) -> Comparison:
    """Largest eigenvalue of SOR's map on grids and tridiagonal matrices, away from the best relaxation.

    There it is defective: eigenvalues are found to half the digits only.
    """
    return agreement(_radii(rng), 1e-5)


@checks("sor_iteration_bound")
def sor_iterations(rng: np.random.Generator) -> Comparison:
    """Iterations of SOR on grids, with the least tau that the assumption holds for, by dense powers."""
    return tightest("<=", _sor_iterations(rng))


@checks("sor_lipschitz_bound")
def sor_lipschitz(rng: np.random.Generator) -> Comparison:
    """Steepest secant of the bound on the iterations between 200 relaxations from the best one on."""
    return tightest("<=", _secants(rng))


@checks("sor_energy_norm_bound")
def energy_norm(rng: np.random.Generator) -> Comparison:
    """Square of the energy norm of SOR's map."""
    return tightest(
        "<=",
        (
            (
                _energy_norm(A, omega) ** 2,
                sor_energy_norm_bound(omega, 1.0 - _least(A), found.product, found.largest) + 1e-9,
            )
            for A in _matrices(rng)
            for found in [splitting_constants(A)]
            for omega in OMEGAS
        ),
    )


@checks("sor_energy_iteration_bound")
def sor_energy_iterations(rng: np.random.Generator) -> Comparison:
    """Iterations of SOR to two tolerances, with the energy norm itself."""
    return tightest("<=", _energy_iterations(rng))


@checks("ssor_energy_iteration_bound")
def ssor_energy_iterations(rng: np.random.Generator) -> Comparison:
    """Iterations of SSOR to two absolute tolerances, with the energy norm itself."""
    return tightest("<=", _symmetric_energy_iterations(rng))


@checks("ssor_condition_bound")
def ssor_condition(rng: np.random.Generator) -> Comparison:
    """Condition number after SSOR, by dense eigenvalues."""
    return tightest(
        "<=",
        (
            (_condition_after(A, omega), ssor_condition_bound(omega, found.mu, found.nu) * (1.0 + 1e-9))
            for A in _matrices(rng)
            for found in [splitting_constants(A)]
            for omega in OMEGAS
        ),
    )


@checks("ssor_pcg_iteration_bound")
def gradient_steps(rng: np.random.Generator) -> Comparison:
    """Steps of gradients after SSOR, at several relaxations and at the best one."""
    return tightest(
        "<=",
        (
            (
                ssor_pcg(A, rng.normal(size=len(A)), None, omega, tolerance).iterations,
                ssor_pcg_iteration_bound(tolerance, omega, found.mu, found.nu, found.condition),
            )
            for A in _matrices(rng)
            for found in [splitting_constants(A)]
            for omega in (*OMEGAS, best_ssor_omega(found.mu, found.nu))
            for tolerance in TOLERANCES
        ),
    )


@checks("ssor_pcg_lipschitz_bound")
def gradients_lipschitz(rng: np.random.Generator) -> Comparison:
    """Steepest fall of the bound on the steps between 200 relaxations up to the best one."""
    return tightest("<=", _falls(rng))


def _matrices(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Grids, shifted ones, tridiagonal matrices and any others, all symmetric and positive definite."""
    for diagonal in (4.0, 4.3):
        yield Stencil((8, 8), diagonal).tocsr().toarray()
    for n in (5, 40):
        yield _tridiagonal(n, rng)
        rows = np.where(rng.random((n, n)) < 0.4, rng.normal(size=(n, n)), 0.0)
        yield rows @ rows.T + np.diag(0.2 + rng.random(n))


def _tridiagonal(n: int, rng: np.random.Generator) -> np.ndarray:
    off = rng.normal(size=n - 1)
    A = np.diag(off, 1) + np.diag(off, -1)
    return A + np.diag(np.abs(A).sum(axis=1) + 0.05 + rng.random(n))


def _scaled(A: np.ndarray) -> np.ndarray:
    return np.asarray(A / np.sqrt(np.outer(A.diagonal(), A.diagonal())))


def _least(A: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(_scaled(A))[0])


def _sor_map(A: np.ndarray, omega: float) -> np.ndarray:
    return np.asarray(np.eye(len(A)) - np.linalg.solve(np.diag(A.diagonal()) / omega + np.tril(A, -1), A))


def _energy_norm(A: np.ndarray, omega: float) -> float:
    root = np.linalg.cholesky(A).T
    return float(np.linalg.norm(root @ _sor_map(A, omega) @ np.linalg.inv(root), 2))


def _condition_after(A: np.ndarray, omega: float) -> float:
    lower, D = np.diag(A.diagonal()) / omega + np.tril(A, -1), A.diagonal()
    splitting = omega / (2.0 - omega) * lower @ (lower.T / D[:, None])
    values = np.linalg.eigvals(np.linalg.solve(splitting, A)).real
    return float(values.max() / values.min())


def _radii(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for A in (_tridiagonal(3, rng), _tridiagonal(20, rng), Stencil((6, 9)).tocsr().toarray()):
        beta = 1.0 - _least(A)  # eigenvalues of a consistently ordered matrix come in pairs around 1
        for omega in OMEGAS:
            if abs(omega - optimal_omega(beta)) > 0.02:
                found = np.abs(np.linalg.eigvals(_sor_map(A, omega))).max()
                yield float(found), spectral_radius_sor(omega, beta)


def _sor_iterations(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for shape, diagonal in (((4, 4), 4.0), ((8, 8), 4.0), ((8, 8), 4.5), ((5, 9), 4.0)):
        A, beta = Stencil(shape, diagonal), jacobi_radius(shape, diagonal)
        b = rng.normal(size=shape[0] * shape[1])
        for omega in (1.0, 1.3, 1.6, 1.9):
            for tolerance in TOLERANCES:
                tau = near_asymptotic_constant(A, b, [omega], tolerance)
                if tau < 1.0:
                    bound = sor_iteration_bound(tolerance, omega, beta, min(0.999999, tau + 1e-9))
                    yield sor(A, b, None, omega, tolerance).iterations, bound + 1e-9


def _steepest(bound: Callable[[float], float], low: float, high: float) -> tuple[float, float]:
    """The steepest rise and the steepest fall of a bound between neighbours of a grid."""
    grid = np.linspace(low, high, 200)
    slopes = np.diff([bound(float(omega)) for omega in grid]) / np.diff(grid)
    return float(slopes.max()), float(-slopes.min())


def _secants(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for radius in (0.0, 0.5, 0.9, 0.99, float(rng.uniform(0.0, 0.99))):
        for tau in (math.exp(-2), 0.3, 0.8):
            for omega_max in (1.8, 1.95):
                best = optimal_omega(radius)
                if best < omega_max:
                    surrogate = _sor_surrogate(TOLERANCES[1], radius, tau)
                    rise, fall = _steepest(surrogate, best, omega_max)
                    slope = sor_lipschitz_bound(TOLERANCES[1], omega_max, radius, tau)
                    yield max(rise, fall), slope * (1.0 + 1e-9) + 1e-9


def _sor_surrogate(tolerance: float, radius: float, tau: float) -> Callable[[float], float]:
    return lambda omega: sor_iteration_bound(tolerance, omega, radius, tau)


def _falls(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for mu in (1.5, 10.0, 1e4, float(np.exp(rng.uniform(0.1, 9.0)))):
        for nu in (-0.25, -0.1, 0.0):
            condition = 2.0 * mu
            low, high = 2.0 * math.sqrt(2.0) - 2.0, 2.0 / (1.0 + 1.0 / math.sqrt(mu))
            surrogate = _pcg_surrogate(TOLERANCES[1], mu, nu, condition)
            rise, _ = _steepest(surrogate, low, high)
            yield rise, ssor_pcg_lipschitz_bound(TOLERANCES[1], mu, nu, condition) + 1e-9


def _pcg_surrogate(tolerance: float, mu: float, nu: float, condition: float) -> Callable[[float], float]:
    return lambda omega: ssor_pcg_iteration_bound(tolerance, omega, mu, nu, condition)


def _energy_iterations(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for A in _matrices(rng):
        b, condition = rng.normal(size=len(A)), splitting_constants(A).condition
        for omega in OMEGAS:
            for tolerance in TOLERANCES:
                bound = sor_energy_iteration_bound(tolerance, _energy_norm(A, omega), condition)
                yield sor(A, b, None, omega, tolerance, 100_000).iterations, bound


def _symmetric_energy_iterations(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for A in _matrices(rng):
        b, condition = rng.normal(size=len(A)), splitting_constants(A).condition
        start = float(np.linalg.norm(b))
        for omega in OMEGAS:
            for tolerance in TOLERANCES:
                bound = ssor_energy_iteration_bound(tolerance * start, _energy_norm(A, omega), condition, start)
                steps = ssor(A, b, None, omega, tolerance * start, 100_000, criterion="absolute").iterations
                yield steps, bound
