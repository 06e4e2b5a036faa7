"""Bounds on iterations against solves, and solvers with preconditioners from elsewhere."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from algos.linear_solvers import (
    NotSPDError,
    Stencil,
    amg_pcg,
    best_ssor_omega,
    cg,
    ic_pcg,
    ilu_pcg,
    incomplete_cholesky,
    is_consistently_ordered,
    near_asymptotic_constant,
    optimal_omega,
    sor,
    sor_energy_iteration_bound,
    sor_energy_norm_bound,
    sor_iteration_bound,
    sor_lipschitz_bound,
    splitting_constants,
    ssor,
    ssor_condition_bound,
    ssor_energy_iteration_bound,
    ssor_pcg,
    ssor_pcg_iteration_bound,
    ssor_pcg_lipschitz_bound,
)
from tests.algos.test_linear_solvers import generator, spd, tridiagonal
from tests.reference import linear_solvers as reference

SEEDS = st.integers(0, 10**6)
OMEGAS = st.floats(0.3, 1.95)
TOLERANCES = st.sampled_from([1e-2, 1e-5, 1e-8])


def matrix(kind, n, seed):
    if kind == "grid":
        return Stencil((2 + n % 4, 2 + n % 3), 4.0 + generator(seed).random()).tocsr().toarray()
    return tridiagonal(n, seed) if kind == "tridiagonal" else spd(n, seed)


KINDS = st.sampled_from(["grid", "tridiagonal", "any"])


def test_the_constants_of_the_specification():
    for shift, tau in ((-0.15, 0.12), (-0.1, 0.15), (0.0, 0.17), (0.2, 0.18), (0.45, 0.24)):
        A, b = Stencil((10, 10), 4 + shift), generator(1).normal(size=100)
        found = near_asymptotic_constant(A, b, np.linspace(1, 1.95, 10), 1e-8)
        assert found == pytest.approx(tau, abs=0.06)
    assert splitting_constants(Stencil((10, 10), 3.85)).nu == pytest.approx(2.41, abs=0.005)


def test_the_case_that_theorem_d1_lacks():
    # Erratum E3: 10 x 10, c = 0.45, omega = 1.6: the norm is 0.7656, the paper's formula 0.5413.
    A = Stencil((10, 10), 4.45).tocsr().toarray()
    found = splitting_constants(A)
    om = 0.4 / 3.2
    paper = math.sqrt(1 - 2 * om / (1 / 1.6 + (om**2 + found.product - 0.25) / (1 - found.radius)))
    assert paper == pytest.approx(0.5413, abs=5e-5)
    assert energy_norm(A, 1.6) == pytest.approx(0.7656, abs=5e-5)
    assert math.sqrt(sor_energy_norm_bound(1.6, found.radius, found.product, found.largest)) >= 0.7656


def energy_norm(A, omega):
    M = np.eye(len(A)) - np.linalg.solve(reference.splitting(A, "sor", omega), A)
    root = np.linalg.cholesky(A).T
    return np.linalg.norm(root @ M @ np.linalg.inv(root), 2)


@pytest.mark.guarantee("sor_energy_norm_bound")
@given(KINDS, st.integers(2, 9), SEEDS, OMEGAS)
def test_energy_norms_stay_below_their_bound(kind, n, seed, omega):
    A = matrix(kind, n, seed)
    found = splitting_constants(A)
    least = float(np.linalg.eigvalsh(A / np.sqrt(np.outer(A.diagonal(), A.diagonal())))[0])
    bound = sor_energy_norm_bound(omega, 1 - least, found.product, found.largest)
    assert energy_norm(A, omega) ** 2 <= bound + 1e-9


@pytest.mark.guarantee("sor_energy_iteration_bound")
@pytest.mark.guarantee("ssor_energy_iteration_bound")
@given(KINDS, st.integers(2, 9), SEEDS, OMEGAS, TOLERANCES)
def test_iterations_stay_below_the_energy_bounds(kind, n, seed, omega, tolerance):
    A, b = matrix(kind, n, seed), generator(seed).normal(size=2000)
    b = b[: len(A)]
    norm, kappa = energy_norm(A, omega), splitting_constants(A).condition
    assume(0 < norm < 1)
    found = sor(A, b, None, omega, tolerance, 100_000)
    assert found.iterations <= sor_energy_iteration_bound(tolerance, norm, kappa)
    absolute = tolerance * np.linalg.norm(b)
    both = ssor(A, b, None, omega, absolute, 100_000, criterion="absolute")
    assert both.iterations <= ssor_energy_iteration_bound(absolute, norm, kappa, float(np.linalg.norm(b)))
    assert np.linalg.norm(b - A @ both.x) <= absolute * (1 + 1e-9)


@given(st.sampled_from(["grid", "tridiagonal"]), st.integers(2, 9), SEEDS, TOLERANCES)
@settings(max_examples=30)
def test_the_surrogate_is_above_with_the_constant_of_the_system(kind, n, seed, tolerance):
    A, b = matrix(kind, n, seed), generator(seed).normal(size=2000)
    b, radius = b[: len(A)], splitting_constants(A).radius
    assert is_consistently_ordered(A)
    assume(radius < 0.999)
    grid = np.linspace(1.0, 1.9, 7)
    tau = max(near_asymptotic_constant(A, b, grid, tolerance), math.exp(-2))
    for omega in grid:
        bound = sor_iteration_bound(tolerance, omega, radius, tau)
        assert sor(A, b, None, float(omega), tolerance).iterations <= bound + 1e-9
        alpha = tau + (1 - tau) * max(radius**2, 0.9)
        assert bound <= 1 + math.log(tolerance) / math.log(alpha) + 1e-9


@pytest.mark.guarantee("sor_lipschitz_bound")
@given(st.floats(0, 0.99), st.floats(0, 0.9), st.floats(1, 1.99), st.floats(0, 1), st.floats(0, 1), TOLERANCES)
def test_the_surrogate_is_semi_lipschitz(radius, tau, omega_max, first, second, tolerance):
    tau = max(tau, math.exp(-2)) if radius**2 < 0.468080 else tau
    best = optimal_omega(radius)
    assume(best < omega_max - 1e-3)
    x, y = sorted(best + place * (omega_max - best) for place in (first, second))
    values = [sor_iteration_bound(tolerance, omega, radius, tau) for omega in (x, y)]
    slope = sor_lipschitz_bound(tolerance, omega_max, radius, tau)
    assert abs(values[1] - values[0]) <= slope * (y - x) * (1 + 1e-9) + 1e-9
    below = [sor_iteration_bound(tolerance, omega, radius, tau) for omega in np.linspace(0.05, best - 1e-6, 20)]
    assert (np.diff(below) <= 1e-9).all()


@pytest.mark.guarantee("ssor_pcg_iteration_bound")
@given(KINDS, st.integers(2, 9), SEEDS, OMEGAS, TOLERANCES)
def test_steps_of_gradients_stay_below_their_bound(kind, n, seed, omega, tolerance):
    A, b = matrix(kind, n, seed), generator(seed).normal(size=2000)
    b, found = b[: len(A)], splitting_constants(A)
    steps = ssor_pcg(A, b, None, omega, tolerance).iterations
    assert steps <= ssor_pcg_iteration_bound(tolerance, omega, found.mu, found.nu, found.condition) + 1e-9


@pytest.mark.guarantee("ssor_pcg_lipschitz_bound")
@given(st.floats(1.01, 1e4), st.floats(-0.25, 0), st.floats(0, 1), st.floats(0, 1), st.floats(1, 1e6), TOLERANCES)
def test_the_bound_of_gradients_is_semi_lipschitz(mu, nu, first, second, condition, tolerance):
    low, high = 2 * math.sqrt(2) - 2, 2 / (1 + 1 / math.sqrt(mu))
    best = best_ssor_omega(mu, nu)
    x, y = sorted(low + place * (high - low) for place in (first, second))
    values = [ssor_pcg_iteration_bound(tolerance, omega, mu, nu, condition) for omega in (x, y)]
    # Towards the left end: what lies nearer to it is not worse by more than the slope allows.
    assert values[0] - values[1] <= ssor_pcg_lipschitz_bound(tolerance, mu, nu, condition) * (y - x) + 1e-9
    assert low - 1e-9 <= best
    assert ssor_condition_bound(best, mu, nu) <= ssor_condition_bound(x, mu, nu) * (1 + 1e-12)


# Preconditioners from elsewhere


@given(st.integers(1, 12), SEEDS)
def test_incomplete_cholesky_keeps_the_pattern(n, seed):
    A = tridiagonal(n, seed) if n > 1 else np.array([[2.0]])
    # Without fill a tridiagonal matrix is factorized exactly.
    vector = generator(seed).normal(size=n)
    assert incomplete_cholesky(A) @ vector == pytest.approx(np.linalg.solve(A, vector), rel=1e-8, abs=1e-8)


@given(st.integers(2, 9), SEEDS)
def test_incomplete_cholesky_by_the_definition(n, seed):
    # Triangles in its graph, unlike grids: rows have entries in common, and dropping fill matters.
    A = spd(n, seed)
    A += np.diag(np.abs(A).sum(axis=1))
    L = np.zeros_like(A)
    for i in range(n):
        for j in range(i + 1):
            if A[i, j] != 0:
                total = A[i, j] - L[i, :j] @ L[j, :j]
                L[i, j] = math.sqrt(total) if i == j else total / L[j, j]
    vector = generator(1).normal(size=n)
    assert incomplete_cholesky(A) @ vector == pytest.approx(np.linalg.solve(L @ L.T, vector))


def test_pivots_that_are_not_positive_raise_the_diagonal_or_are_refused():
    kershaw = np.array([[3.0, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3]])  # definite, but IC(0) breaks
    found = ic_pcg(kershaw, np.arange(4.0))
    assert found.converged
    assert found.x == pytest.approx(np.linalg.solve(kershaw, np.arange(4.0)))
    with pytest.raises(NotSPDError, match="pivot"):
        incomplete_cholesky([[1.0, 9.0], [9.0, 1.0]])


@settings(max_examples=20)
@given(st.integers(1, 10), SEEDS, st.sampled_from([ic_pcg, ilu_pcg]))
def test_they_solve(n, seed, solve):
    A, b = spd(n, seed), generator(seed).normal(size=n)
    found = solve(A, b, None, 1e-8)
    assert found.converged
    assert np.linalg.norm(b - A @ found.x) <= 1.1e-8 * np.linalg.norm(b)
    assert solve(A, np.zeros(n), np.ones(n)).x.tolist() == [0.0] * n
    assert solve(A, b, found.x, 1e-6).iterations == 0


def test_better_preconditioners_need_fewer_steps():
    A, b = Stencil((30, 30)), np.ones(900)
    steps = [solve(A, b).iterations for solve in (cg, ic_pcg, ilu_pcg)]
    assert steps == sorted(steps, reverse=True)
    assert ic_pcg(A, b, max_iterations=3).status == "max_iterations"


def test_multigrid_says_when_it_cannot_or_solves():
    try:
        import pyamg  # noqa: F401
    except ImportError:
        with pytest.raises(ValueError, match="pyamg"):
            amg_pcg(Stencil((5, 5)), np.ones(25))
    else:
        assert amg_pcg(Stencil((20, 20)), np.ones(400)).converged


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: splitting_constants(Stencil((40, 30))), "1 to 1000 rows"),
        (lambda: splitting_constants([[1.0, 2.0], [2.0, 1.0]]), "positive definite"),
        (lambda: near_asymptotic_constant(Stencil((2, 2)), np.ones(4), [2.0], 1e-8), "grid"),
        (lambda: sor_lipschitz_bound(1e-8, 2.0, 0.9, 0.2), "omega"),
        (lambda: sor_lipschitz_bound(1e-8, 1.9, 0.5, 0.0), "at least exp"),
        (lambda: ssor_pcg_iteration_bound(0.0, 1.0, 2.0, 0.0, 2.0), "tolerance"),
        (lambda: ssor_pcg_iteration_bound(0.1, 1.0, 2.0, 0.0, 0.5), "condition"),
        (lambda: ssor_pcg_iteration_bound(0.1, 1.0, 2.0, 0.0, 2.0, 0.0), "tau"),
        (lambda: ssor_pcg_lipschitz_bound(0.1, 1.0, 0.0, 2.0), "mu"),
        (lambda: ssor_pcg_lipschitz_bound(0.1, 2.0, 0.1, 2.0), "nu"),
        (lambda: best_ssor_omega(0.5, 0.0), "mu"),
        (lambda: best_ssor_omega(2.0, -0.5), "nu"),
        (lambda: sor_energy_norm_bound(1.0, 1.0, 0.1, 1.0), "radius"),
        (lambda: sor_energy_iteration_bound(0.1, 1.0, 2.0), "norm"),
        (lambda: ssor_energy_iteration_bound(0.0, 0.5, 2.0, 1.0), "tolerance"),
        (lambda: ssor(np.eye(2), [1, 1], criterion="exact"), "criterion"),
        (lambda: ssor(np.eye(2), [1, 1], tolerance=-1.0, criterion="absolute"), "tolerance"),
        (lambda: ssor(Stencil((2, 2)), np.ones(4), tolerance=0.0, criterion="absolute"), "tolerance"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
