"""Linear solvers: against dense definitions, the theory of their rates, bad input, the input left alone."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

from algos.linear_solvers import (
    NotSPDError,
    Stencil,
    adaptive_sor,
    as_preconditioner,
    cg,
    chebyshev_ssor,
    colours,
    cyclic_chebyshev,
    estimate_jacobi_radius,
    gauss_seidel,
    is_consistently_ordered,
    jacobi,
    jacobi_pcg,
    jacobi_radius,
    optimal_omega,
    red_black_sor,
    relax,
    relax_red_black,
    sor,
    sor_iteration_bound,
    spectral_radius_sor,
    ssor,
    ssor_condition_bound,
    ssor_pcg,
)
from tests.reference import linear_solvers as reference
from tests.test_twins import interpreted_all_the_way

seeds = st.integers(0, 10**6)
omegas = st.floats(0.3, 1.9)


def generator(seed=0):
    return np.random.default_rng(seed)


def spd(n, seed, density=0.4):
    """A sparse symmetric positive definite matrix."""
    rng = generator(seed)
    rows = np.where(rng.random((n, n)) < density, rng.normal(size=(n, n)), 0.0)
    return rows @ rows.T + np.diag(0.2 + rng.random(n))


def tridiagonal(n, seed):
    """A symmetric positive definite tridiagonal matrix: consistently ordered."""
    rng = generator(seed)
    off = rng.normal(size=n - 1)
    A = np.diag(off, 1) + np.diag(off, -1)
    return A + np.diag(np.abs(A).sum(axis=1) + 0.05 + rng.random(n))


def same(found, norms, iterations_may_differ_at=1e-9):
    """Iterations are those of the reference, but for residuals within rounding of the threshold."""
    threshold = norms[0]
    if found.iterations == len(norms) - 1:
        return True
    near = norms[min(found.iterations, len(norms) - 1)] / threshold
    return abs(near / 1e-6 - 1) < 1e-3 or iterations_may_differ_at > 1


SOLVERS = {
    "jacobi": lambda A, b, x0, omega, **more: jacobi(A, b, x0, min(omega, 1.0), **more),
    "sor": lambda A, b, x0, omega, **more: sor(A, b, x0, omega, **more),
    "ssor": lambda A, b, x0, omega, **more: ssor(A, b, x0, omega, **more),
}


@settings(max_examples=40)
@given(st.sampled_from(sorted(SOLVERS)), st.integers(1, 12), seeds, omegas)
def test_iterates_are_those_of_the_splitting(method, n, seed, omega):
    A, rng = spd(n, seed), generator([seed, 1])
    b, x0 = rng.normal(size=n), rng.normal(size=n)
    used = min(omega, 1.0) if method == "jacobi" else omega
    x, norms = reference.stationary(A, b, x0, method, used, 1e-6, 30)
    assume(np.isfinite(norms).all() and max(norms) < 1e6 * norms[0])
    steps = len(norms) - 1
    assume(steps > 0)
    found = SOLVERS[method](sparse.csr_matrix(A), b, x0, omega, tolerance=1e-6, max_iterations=30, history=True)
    assert same(found, norms)
    if found.iterations == steps:
        assert found.x == pytest.approx(x, abs=1e-8 * max(1.0, np.abs(x).max()) * max(1, max(norms) / norms[0]))
        assert found.history * norms[0] == pytest.approx(norms, abs=1e-8 * max(norms))
        true = np.linalg.norm(b - A @ found.x) / norms[0]
        assert found.relative_residual == pytest.approx(true, rel=1e-6, abs=1e-12)
    assert found.converged == (found.status == "converged") == (found.relative_residual <= 1e-6)


@settings(max_examples=30)
@given(st.integers(1, 12), seeds, omegas, st.sampled_from(["forward", "backward"]))
def test_gradients_are_those_of_their_preconditioner(n, seed, omega, order):
    A, rng = spd(n, seed), generator([seed, 1])
    b, x0 = rng.normal(size=n), rng.normal(size=n)
    turned = A[::-1, ::-1]
    forward = reference.splitting(A, "ssor", omega)
    backward = reference.splitting(turned, "ssor", omega)[::-1, ::-1]
    for solve, M in (
        (lambda **more: cg(A, b, x0, **more), np.eye(n)),
        (lambda **more: jacobi_pcg(A, b, x0, **more), np.diag(np.diag(A))),
        (lambda **more: ssor_pcg(A, b, x0, omega, order=order, **more), forward if order == "forward" else backward),
    ):
        x, norms = reference.preconditioned_gradients(A, b, x0, M, 1e-6, 4 * n + 20)
        found = solve(tolerance=1e-6, max_iterations=4 * n + 20)
        assert abs(found.iterations - (len(norms) - 1)) <= 1
        assert found.converged
        assert found.x == pytest.approx(x, abs=1e-4 * max(1.0, np.abs(x).max()))
        assert np.linalg.norm(b - A @ found.x) <= 1e-6 * np.linalg.norm(b) * (1 + 1e-6)


@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(1, 6), seeds, omegas)
def test_a_stencil_and_its_matrix_are_solved_alike(rows, columns, seed, omega):
    A, rng = Stencil((rows, columns), 4.1, -1.0), generator(seed)
    b, x0 = rng.normal(size=rows * columns), rng.normal(size=rows * columns)
    by_stencil = sor(A, b, x0, omega, 1e-6, 60, history=True)
    by_matrix = sor(A.tocsr(), b, x0, omega, 1e-6, 60, history=True)
    assert by_stencil.iterations == by_matrix.iterations
    assert by_stencil.x == pytest.approx(by_matrix.x, abs=1e-9)
    assert by_stencil.history == pytest.approx(by_matrix.history, abs=1e-9)


@settings(max_examples=25)
@given(st.integers(1, 7), st.integers(1, 7), seeds, omegas, st.integers(0, 4))
def test_sweeps_in_place_are_those_of_the_definition(rows, columns, seed, omega, sweeps):
    A, rng = Stencil((rows, columns), 4.3, -0.9), generator(seed)
    dense = A.tocsr().toarray()
    b, x0 = rng.normal(size=(rows, columns)), rng.normal(size=(rows, columns))
    parity = np.add.outer(np.arange(rows), np.arange(columns)).ravel() % 2
    for smoother, order in ((relax, None), (relax_red_black, np.argsort(parity, kind="stable"))):
        x, expected = x0.copy(), x0.ravel()
        smoother(A, x, b, omega, sweeps)
        for _ in range(sweeps):
            expected = reference.sweep(dense, b.ravel(), expected, omega, order)
        assert x.ravel() == pytest.approx(expected, abs=1e-10)


@settings(max_examples=20)
@given(st.integers(1, 10), seeds, omegas)
def test_backward_is_forward_on_the_reversed_system(n, seed, omega):
    A, b = spd(n, seed), generator(seed).normal(size=n)
    backward = sor(A, b, omega=omega, direction="backward", tolerance=1e-6, max_iterations=40)
    forward = sor(A[::-1, ::-1], b[::-1], omega=omega, tolerance=1e-6, max_iterations=40)
    assert backward.iterations == forward.iterations
    assert backward.x == pytest.approx(forward.x[::-1], abs=1e-12)


@settings(max_examples=20)
@given(st.integers(1, 12), seeds, omegas)
def test_colour_by_colour_is_sor_in_another_order(n, seed, omega):
    A, b = spd(n, seed, 0.15), generator(seed).normal(size=n)
    colour = colours(A)
    for i in range(n):
        for j in range(n):
            assert i == j or A[i, j] == 0 or colour[i] != colour[j]
    order = np.argsort(colour, kind="stable")
    found = red_black_sor(A, b, omega=omega, tolerance=1e-6, max_iterations=50)
    permuted = sor(A[np.ix_(order, order)], b[order], omega=omega, tolerance=1e-6, max_iterations=50)
    assert found.iterations == permuted.iterations
    assert found.x[order] == pytest.approx(permuted.x, abs=1e-12)


def test_grids_and_trees_have_two_colours_and_a_triangle_three():
    assert set(colours(Stencil((4, 5))).tolist()) == {0, 1}
    assert sorted(colours([[2, 1, 1], [1, 2, 1], [1, 1, 2]]).tolist()) == [0, 1, 2]


@pytest.mark.parametrize("points", [10, 30])
def test_cyclic_chebyshev_needs_fewer_iterations_than_the_optimal_relaxation(points):
    A, beta = Stencil((points, points)), jacobi_radius((points, points))
    found = cyclic_chebyshev(A, np.ones(points**2), radius=beta)
    optimal = red_black_sor(A, np.ones(points**2), omega=optimal_omega(beta))
    assert found.iterations < optimal.iterations
    assert found.x == pytest.approx(optimal.x, abs=1e-5)
    estimated = cyclic_chebyshev(A, np.ones(points**2))
    assert abs(estimated.iterations - found.iterations) <= 2


def test_chebyshev_accelerates_symmetric_sor():
    A, b = Stencil((30, 30)), np.ones(900)
    plain, faster = (solve(A, b, omega=1.7) for solve in (ssor, chebyshev_ssor))
    assert faster.converged
    assert faster.iterations < plain.iterations / 2
    assert faster.x == pytest.approx(plain.x, abs=1e-5)


@pytest.mark.parametrize("far", [False, True])
def test_sweeps_of_several_blocks_are_those_of_one(far):
    # Residuals follow in blocks of 2048 rows, as far behind as the columns of the matrix reach.
    A, n = Stencil((70, 71), 4.5).tocsr().tolil(), 70 * 71
    if far:  # from the first unknown to the last
        A[0, n - 1] = A[n - 1, 0] = -0.4
    A, b = A.tocsr(), generator(2).normal(size=n)
    found, lower = sor(A, b, None, 1.4, 1e-10, 3), sparse.tril(A, -1) + sparse.diags(A.diagonal() / 1.4)
    x = np.zeros(n)
    for _ in range(3):
        x += sparse.linalg.spsolve_triangular(lower.tocsr(), b - A @ x)
    assert found.x == pytest.approx(x, rel=1e-10, abs=1e-12)
    assert found.relative_residual == pytest.approx(np.linalg.norm(b - A @ x) / np.linalg.norm(b), rel=1e-10)


@pytest.mark.parametrize("solve", [ssor, ssor_pcg, cg])
@settings(max_examples=20)
@given(st.integers(1, 7), st.integers(1, 7), seeds, omegas, st.booleans())
def test_on_a_grid_each_residual_is_that_of_the_matrix(solve, rows, columns, seed, omega, warm):
    rng = generator(seed)
    A, b = Stencil((rows, columns), 4.0 + rng.random(), -rng.random()), rng.normal(size=rows * columns)
    x0 = rng.normal(size=b.size) if warm else None
    options = {} if solve is cg else {"omega": omega}
    on_grid, by_rows = (solve(M, b, x0, tolerance=1e-6, history=True, **options) for M in (A, A.tocsr()))
    # At the last step a residual at the tolerance itself may be taken for either side of it.
    shared = min(len(on_grid.history), len(by_rows.history))
    assert abs(on_grid.iterations - by_rows.iterations) <= 1
    assert on_grid.history[:shared] == pytest.approx(by_rows.history[:shared], rel=1e-6, abs=1e-9)
    assert on_grid.x == pytest.approx(np.linalg.solve(A.tocsr().toarray(), b), rel=1e-3, abs=1e-3)
    zero = solve(A, np.zeros(b.size), x0, **options)
    assert zero.converged
    assert zero.x == pytest.approx(0.0, abs=1e-6)


LATTICE_SOLVERS = {
    "jacobi": lambda A, b, x0, omega, **more: jacobi(A, b, x0, 0.9 * omega / 2, max_iterations=300, **more),
    "gauss_seidel": lambda A, b, x0, omega, **more: gauss_seidel(A, b, x0, **more),
    "backward sor": lambda A, b, x0, omega, **more: sor(A, b, x0, omega, direction="backward", **more),
    "sor": sor,
    "ssor": ssor,
    "red_black_sor": red_black_sor,
    "cg": lambda A, b, x0, omega, **more: cg(A, b, x0, **more),
    "jacobi_pcg": lambda A, b, x0, omega, **more: jacobi_pcg(A, b, x0, **more),
    "ssor_pcg": ssor_pcg,
    "backward ssor_pcg": lambda A, b, x0, omega, **more: ssor_pcg(A, b, x0, omega, order="backward", **more),
    "chebyshev_ssor": lambda A, b, x0, omega, **more: chebyshev_ssor(A, b, x0, omega, smallest=0.05, **more),
    "cyclic_chebyshev": lambda A, b, x0, omega, **more: cyclic_chebyshev(
        A, b, x0, radius=estimate_jacobi_radius(A), **more
    ),
    "adaptive_sor": lambda A, b, x0, omega, **more: adaptive_sor(A, b, x0, **more),
}


@pytest.mark.parametrize("name", LATTICE_SOLVERS)
@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=3), seeds, st.floats(0.3, 1.7), st.booleans())
def test_without_a_matrix_every_solver_does_what_it_does_with_one(name, shape, seed, omega, warm):
    rng, solve = generator(seed), LATTICE_SOLVERS[name]
    A = Stencil(tuple(shape), 2.0 * len(shape) + rng.random(), -rng.random())
    b = rng.normal(size=A.size)
    x0 = rng.normal(size=A.size) if warm else None
    free, by_rows = (solve(M, b, x0, omega, tolerance=1e-6, history=True) for M in (A, A.tocsr()))
    shared = min(len(free.history), len(by_rows.history))
    assert abs(free.iterations - by_rows.iterations) <= 1
    assert free.history[:shared] == pytest.approx(by_rows.history[:shared], rel=1e-6, abs=1e-9)
    assert free.x == pytest.approx(by_rows.x, rel=1e-4, abs=1e-4)
    assert free.status == by_rows.status
    right = b.reshape(A.shape)
    assert solve(A, right, None, omega).x == pytest.approx(solve(A, b, None, omega).x)
    zero = solve(A, np.zeros(b.size), None, omega)
    assert (zero.iterations, zero.converged) == (0, True)


def test_lattice_kernels_and_their_sources_agree():
    for shape in ((3, 4), (2, 3, 3)):
        A = Stencil(shape, 2.0 * len(shape) + 0.3, -0.9)
        b = generator(2).normal(size=A.size)

        def runs(A=A, b=b):
            found = [solve(A, b, None, 1.3, tolerance=1e-6).x for solve in LATTICE_SOLVERS.values()]
            x = np.zeros(A.shape)
            relax(A, x, b.reshape(A.shape), 1.2, 2)
            return [*found, x, as_preconditioner(A, 1.2) @ b]

        for slow, fast in zip(interpreted_all_the_way(runs), runs(), strict=True):
            np.testing.assert_array_equal(slow, fast)


def test_no_solver_makes_a_matrix_of_a_grid(monkeypatch):
    def refuse(self):
        raise AssertionError("a matrix was made")

    A, b = Stencil((3, 4, 5), 6.0), np.ones(60)
    monkeypatch.setattr(Stencil, "tocsr", refuse)
    for solve in LATTICE_SOLVERS.values():
        for grid, right in ((A, b), (Stencil((3, 4)), np.ones(12))):
            assert solve(grid, right, None, 1.2).status in ("converged", "max_iterations")
    assert chebyshev_ssor(A, b, omega=1.2).converged
    assert cyclic_chebyshev(A, b).converged
    as_preconditioner(A) @ b
    relax(A, np.zeros(A.shape), np.ones(A.shape), 1.0)


def test_a_grid_that_is_not_definite_is_found_in_closed_form():
    for solve in (jacobi, sor, cg, ssor_pcg, chebyshev_ssor, red_black_sor):
        for shape in ((8, 8), (4, 4, 4)):
            with pytest.raises(NotSPDError, match="positive definite"):
                solve(Stencil(shape, 2.0), np.ones(64), check="spd")
            assert solve(Stencil(shape, 6.5), np.ones(64), check="spd").converged
    assert estimate_jacobi_radius(Stencil((3, 4, 5), 6.5)) == pytest.approx(
        estimate_jacobi_radius(Stencil((3, 4, 5), 6.5).tocsr())
    )


@given(st.lists(st.integers(1, 4), min_size=3, max_size=3), seeds, omegas, st.integers(0, 3))
def test_smoothing_and_preconditioning_in_three_dimensions(shape, seed, omega, sweeps):
    rng, A = generator(seed), Stencil(tuple(shape), 6.0 + generator(seed).random())
    b, x = rng.normal(size=A.shape), rng.normal(size=A.shape)
    flat = x.ravel().copy()
    relax(A.tocsr(), flat, b.ravel(), omega, sweeps)
    relax(A, x, b, omega, sweeps)
    assert x.ravel() == pytest.approx(flat, rel=1e-9, abs=1e-9)
    assert as_preconditioner(A, omega) @ b.ravel() == pytest.approx(as_preconditioner(A.tocsr(), omega) @ b.ravel())


@given(st.integers(1, 9), seeds, omegas, st.integers(0, 4))
def test_smoothing_a_matrix_is_sweeping_an_unknown_at_a_time(n, seed, omega, sweeps):
    A, rng = spd(n, seed), generator(seed)
    b, x = rng.normal(size=n), rng.normal(size=n)
    expected = x.copy()
    for _ in range(sweeps):
        expected = reference.sweep(A, b, expected, omega)
    before = A.copy()
    relax(A, x, b, omega, sweeps)
    assert x == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert (before == A).all()


@pytest.mark.parametrize(("points", "shift", "prototype"), [(10, 0.0, 49), (10, -0.15, 148), (30, 0.0, 179)])
def test_adaptive_sor_comes_near_the_optimal_relaxation(points, shift, prototype):
    A, b = Stencil((points, points), 4 + shift), generator(1).normal(size=points**2)
    found = adaptive_sor(A, b, history=True)
    assert found.converged
    assert found.iterations <= 1.5 * prototype  # of a heuristic: its counts depend on b
    assert found.iterations < sor(A, b, omega=1.0).iterations / 3
    assert found.x == pytest.approx(sor(A, b).x, abs=1e-5)
    assert len(found.history) == found.iterations + 1


def test_adaptive_sor_never_exceeds_its_cap():
    A, b = tridiagonal(12, 3), generator(1).normal(size=12)
    capped = adaptive_sor(A, b, omega_max=1.0)
    assert capped.iterations == sor(A, b, omega=1.0).iterations
    fast, slow = (adaptive_sor(A, b), interpreted_all_the_way(lambda: adaptive_sor(A, b)))
    assert fast.x.tobytes() == slow.x.tobytes()


def test_the_nonsymmetric_oracle():
    A = [[4, -1, -6, 0], [-5, -4, 10, 8], [0, 9, 4, -2], [1, 0, -7, 5]]
    found = sor(A, [2, 21, -12, -6], omega=0.5, max_iterations=1)
    assert found.x.tolist() == [0.25, -2.78125, 1.62890625, 0.515234375]
    assert found.status == "max_iterations"


def test_exact_small_cases():
    for omega in (0.5, 1.0, 1.5, 1.9):  # one unknown: the residual is (1 - omega)^k r_0
        needed = 1 if omega == 1 else math.ceil(math.log(1e-6) / math.log(abs(1 - omega)))
        assert sor([[3.0]], [2.0], omega=omega, tolerance=1e-6).iterations == needed
    two = sor([[2.0, -1.0], [-1.0, 2.0]], [1.0, 0.0], omega=1.0, tolerance=4.0**-6 * 2.5, history=True)
    assert two.history[2:] / two.history[1:-1] == pytest.approx(np.full(two.iterations - 1, 0.25), rel=1e-9)
    assert sor(np.diag([1.0, 2.0, 3.0]), [1.0, 1.0, 1.0], omega=1.0).iterations == 1
    for solve in (jacobi, gauss_seidel, sor, ssor, red_black_sor, cg, jacobi_pcg, ssor_pcg, chebyshev_ssor):
        empty = solve(np.zeros((0, 0)), [])
        assert (empty.iterations, empty.converged, empty.x.size) == (0, True, 0)
        zero = solve([[2.0, 1.0], [1.0, 2.0]], [0.0, 0.0])
        assert (zero.iterations, zero.x.tolist(), zero.relative_residual) == (0, [0.0, 0.0], 0.0)
        done = solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 4.0], [1.0, 1.0])
        assert (done.iterations, done.converged) == (0, True)


@settings(max_examples=20)
@given(st.integers(2, 10), seeds, omegas, st.integers(-8, 8))
def test_powers_of_two_change_nothing(n, seed, omega, power):
    A, b, scale = spd(n, seed), generator(seed).normal(size=n), 2.0**power
    plain = sor(A, b, omega=omega, tolerance=1e-6, max_iterations=60)
    for other in (
        sor(scale * A, b, omega=omega, tolerance=1e-6, max_iterations=60),
        sor(A, scale * b, omega=omega, tolerance=1e-6, max_iterations=60),
    ):
        assert other.iterations == plain.iterations
        assert other.relative_residual == plain.relative_residual


@pytest.mark.guarantee("spectral_radius_sor")
@settings(max_examples=30)
@given(st.integers(2, 8), seeds, st.floats(0.2, 1.95))
def test_the_spectral_radius_of_sor_is_that_of_its_matrix(n, seed, omega):
    A = tridiagonal(n, seed)
    assert is_consistently_ordered(A)
    beta = estimate_jacobi_radius(A)
    assert beta == pytest.approx(np.abs(np.linalg.eigvals(np.eye(n) - A / np.diag(A)[:, None])).max(), abs=1e-9)
    assume(abs(omega - optimal_omega(beta)) > 1e-3)  # there the largest eigenvalue is defective
    M = np.eye(n) - np.linalg.solve(reference.splitting(A, "sor", omega), A)
    radius = np.abs(np.linalg.eigvals(M)).max()
    assert spectral_radius_sor(omega, beta) == pytest.approx(radius, abs=2e-5)


@given(st.floats(0, 0.999), st.floats(0.01, 1.99))
def test_no_relaxation_is_better_than_the_optimal_one(beta, omega):
    best = optimal_omega(beta)
    assert 1 <= best < 2
    assert spectral_radius_sor(best, beta) <= spectral_radius_sor(omega, beta) + 1e-12
    assert 2 * math.sqrt(best - 1) / best == pytest.approx(beta, abs=1e-7)
    assert spectral_radius_sor(1.0, beta) == pytest.approx(beta**2, abs=1e-12)


def near_asymptotic(A, omega, tolerance, b):
    """Iterations of SOR, and the tau of its assumption at this relaxation (dense)."""
    k = sor(A, b, omega=omega, tolerance=tolerance).iterations
    C = np.eye(len(A)) - A @ np.linalg.inv(reference.splitting(A, "sor", omega))
    rho = np.abs(np.linalg.eigvals(C)).max()
    if k <= 1 or rho >= 1:
        return k, 0.0
    norm = np.linalg.norm(np.linalg.matrix_power(C, k - 1), 2) ** (1 / (k - 1))
    return k, max(0.0, (norm - rho) / (1 - rho))


@pytest.mark.guarantee("sor_iteration_bound")
@settings(max_examples=15)
@given(st.integers(2, 8), st.integers(2, 5), st.sampled_from([0.0, 0.3, 2.0]), st.floats(1.0, 1.9), seeds)
def test_sor_takes_no_more_iterations_than_its_surrogate(rows, columns, shift, omega, seed):
    A = Stencil((rows, columns), 4.0 + shift).tocsr().toarray()
    b, beta = generator(seed).normal(size=rows * columns), jacobi_radius((rows, columns), 4.0 + shift)
    k, tau = near_asymptotic(A, omega, 1e-8, b)
    if tau < 1:
        assert k <= sor_iteration_bound(1e-8, omega, beta, min(0.999, tau + 1e-9)) + 1e-9


@pytest.mark.guarantee("ssor_condition_bound")
@settings(max_examples=30)
@given(st.integers(1, 10), seeds, st.floats(0.1, 1.9))
def test_the_condition_after_ssor_is_bounded(n, seed, omega):
    A = spd(n, seed)
    D, L = reference.parts(A)
    inverse = np.linalg.inv(A)
    mu = np.linalg.eigvals(D @ inverse).real.max()
    nu = np.linalg.eigvals((L @ np.linalg.inv(D) @ L.T - D / 4) @ inverse).real.max()
    values = np.linalg.eigvals(np.linalg.solve(reference.splitting(A, "ssor", omega), A)).real
    assert values.max() <= 1 + 1e-8
    assert values.max() / values.min() <= ssor_condition_bound(omega, mu, nu) * (1 + 1e-6) + 1e-9


@settings(max_examples=20)
@given(st.integers(1, 7), seeds)
def test_consistent_ordering_is_what_makes_eigenvalues_independent_of_the_split(n, seed):
    A = spd(n, seed, 0.25)
    D, L = reference.parts(A)
    B = np.linalg.inv(D)
    spectra = [np.sort_complex(np.round(np.poly(z * B @ L + B @ L.T / z).astype(complex), 6)) for z in (0.5, 1.0, 2.0)]
    if is_consistently_ordered(A):
        assert np.abs(spectra[0] - spectra[1]).max() < 1e-5
        assert np.abs(spectra[2] - spectra[1]).max() < 1e-5


def test_radii_of_grids_are_known():
    for shape, diagonal in (((10, 10), None), ((3, 7), 4.45), ((3, 4, 5), None)):
        base = 2.0 * len(shape) if diagonal is None else diagonal
        matrix = Stencil(shape, base)
        assert is_consistently_ordered(matrix)
        assert estimate_jacobi_radius(matrix) == pytest.approx(jacobi_radius(shape, diagonal), abs=1e-6)
    big = Stencil((20, 20))
    assert estimate_jacobi_radius(big) == pytest.approx(jacobi_radius((20, 20)), abs=1e-5)
    assert not is_consistently_ordered(Stencil((3, 3)).tocsr() + 0.1 * np.fliplr(np.eye(9)))


def test_a_preconditioner_for_scipy_applies_the_inverse():
    A = spd(6, 3)
    operator = as_preconditioner(A, 1.3)
    expected = np.linalg.inv(reference.splitting(A, "ssor", 1.3))
    assert operator @ np.eye(6) == pytest.approx(expected, abs=1e-10)


def test_what_cannot_be_reached_ends_as_stagnation_and_what_explodes_as_divergence():
    rng = generator(2)
    rows = rng.normal(size=(12, 12))
    hard = rows @ np.diag(10.0 ** -np.arange(12.0)) @ rows.T + 1e-9 * np.eye(12)
    found = sor(hard, rng.normal(size=12), omega=1.2, tolerance=1e-15, max_iterations=200_000)
    assert found.status in ("stagnated", "max_iterations")
    assert not found.converged
    wild = sor([[1.0, 5.0], [5.0, 1.0]], [1.0, 1.0], omega=1.5, max_iterations=10_000)
    assert wild.status == "diverged"
    assert wild.iterations < 10_000
    assert math.isinf(wild.relative_residual)
    not_definite = cg([[1.0, 2.0], [2.0, 1.0]], [1.0, -1.0])
    assert not_definite.status == "diverged"
    assert sor(Stencil((4, 4)), np.ones(16), tolerance=1e-16 * 0.9, max_iterations=500).status in (
        "stagnated",
        "converged",
        "max_iterations",
    )


def test_the_input_is_left_alone_and_may_have_any_layout():
    A = sparse.coo_matrix(([1.5, 2.5, -1, -1, 4], ([0, 0, 0, 1, 1], [0, 0, 1, 0, 1])), shape=(2, 2))
    whole = sparse.csr_matrix(np.array([[4, -1], [-1, 4]]))
    whole.indices, whole.indptr = whole.indices.astype(np.int64), whole.indptr.astype(np.int64)
    b, x0 = np.array([1.0, 2.0]), np.array([0.5, 0.5])
    copies = A.copy(), whole.copy(), b.copy(), x0.copy()
    expected = np.linalg.solve([[4, -1], [-1, 4]], b)
    for matrix in (A, whole, [[4, -1], [-1, 4]], whole.tocsc()):
        for solve in (jacobi, gauss_seidel, sor, ssor, red_black_sor, cg, jacobi_pcg, ssor_pcg, chebyshev_ssor,
                      cyclic_chebyshev):  # fmt: skip
            assert solve(matrix, b, x0).x == pytest.approx(expected, abs=1e-6)
    assert (A.data == copies[0].data).all()
    assert (whole.data == copies[1].data).all()
    assert whole.indices.dtype == np.int64
    assert (b == copies[2]).all()
    assert (x0 == copies[3]).all()


def test_kernels_and_their_sources_agree():
    A, rng = spd(9, 4), generator(5)
    b = rng.normal(size=9)

    def solutions():
        grid = Stencil((4, 5), 4.2)
        right = np.arange(20.0)
        swept, coloured = np.ones((4, 5)), np.ones((4, 5))
        relax(grid, swept, right.reshape(4, 5), 1.3, 2)
        relax_red_black(grid, coloured, right.reshape(4, 5), 1.3, 2)
        found = (
            *(solve(A, b, tolerance=1e-6, max_iterations=40) for solve in (jacobi, sor, ssor, red_black_sor)),
            *(solve(A, b, tolerance=1e-6, max_iterations=40) for solve in (cg, jacobi_pcg, ssor_pcg)),
            *(sor(grid, right, max_iterations=40), cyclic_chebyshev(grid, right, radius=0.9, max_iterations=40)),
            chebyshev_ssor(A, b, smallest=0.1, max_iterations=40),
        )
        extra = (swept.tobytes(), coloured.tobytes(), colours(grid).tobytes(), is_consistently_ordered(grid))
        return [(one.x.tobytes(), one.iterations, one.status) for one in found], extra

    assert interpreted_all_the_way(solutions) == solutions()


GOOD = [[2.0, -1.0], [-1.0, 2.0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sor([[1.0, 2.0]], [1.0]), "A: must be square"),
        (lambda: sor([1.0, 2.0], [1.0]), "A: must be a matrix"),
        (lambda: sor("matrix", [1.0]), "A: must be a sparse matrix"),
        (lambda: sor([[1.0, math.nan], [0, 1.0]], [1.0, 1.0]), r"A: entry \(0, 1\) is nan"),
        (lambda: sor([[0.0, 1.0], [1.0, 1.0]], [1.0, 1.0]), "A: the diagonal entry of row 0 is 0"),
        (lambda: sor([[-1.0]], [1.0], check="spd"), "A: the diagonal entry of row 0 is -1, and must be positive"),
        (lambda: cg([[-1.0]], [1.0]), "must be positive"),
        (lambda: sor(GOOD, [1.0]), r"b: must have shape \(2,\)"),
        (lambda: sor(GOOD, [1.0, math.inf]), "b: entry 1 is inf"),
        (lambda: sor(GOOD, [1.0, 1.0], [1.0]), "x0: must have shape"),
        (lambda: sor(GOOD, [1.0, 1.0], omega=0.0), "omega: 0.0 is not a number in"),
        (lambda: sor(GOOD, [1.0, 1.0], omega=2.0), "omega: 2.0"),
        (lambda: sor(GOOD, [1.0, 1.0], omega=math.nan), "omega: nan"),
        (lambda: sor(GOOD, [1.0, 1.0], tolerance=0.0), "tolerance: 0.0"),
        (lambda: sor(GOOD, [1.0, 1.0], tolerance=1.0), "tolerance: 1.0"),
        (lambda: sor(GOOD, [1.0, 1.0], max_iterations=0), "max_iterations: 0 is below 1"),
        (lambda: sor(GOOD, [1.0, 1.0], direction="up"), "direction: 'up'"),
        (lambda: sor(GOOD, [1.0, 1.0], check="maybe"), "check: 'maybe'"),
        (lambda: sor(Stencil((2, 2)), [1.0, 1.0]), r"b: must have shape \(4,\)"),
        (lambda: sor(Stencil((2, 2)), [1.0, 1.0, 1.0, math.nan]), "b: entry 3 is nan"),
        (lambda: sor(Stencil((2, 2)), np.ones(4), tolerance=2.0), "tolerance: 2.0"),
        (lambda: sor(Stencil((2, 2, 2)), None), r"b: must have shape \(8,\)"),
        (lambda: cg(Stencil((2, 2, 2)), np.ones(7)), r"b: must have shape \(8,\)"),
        (lambda: ssor_pcg(GOOD, [1.0, 1.0], order="up"), "order: 'up'"),
        (lambda: chebyshev_ssor(GOOD, [1.0, 1.0], smallest=0.0), "smallest: 0.0"),
        (lambda: cyclic_chebyshev([[2, 1, 1], [1, 2, 1], [1, 1, 2]], np.ones(3)), "A: needs two colours"),
        (lambda: cyclic_chebyshev(GOOD, [1.0, 1.0], radius=1.0), "radius: 1.0"),
        (lambda: Stencil((2,)), "shape = .*two or three"),
        (lambda: Stencil((2, 0)), "entry 1: 0 is below 1"),
        (lambda: Stencil((2, 2), 0.0), "diagonal = 0.0"),
        (lambda: relax(Stencil((2, 2)), np.ones(4), np.ones((2, 2)), 1.0), "x: must be a C-contiguous float64 array"),
        (lambda: adaptive_sor(np.eye(2), [1, 1], omega_max=0.9), "omega_max: 0.9 is below 1"),
        (lambda: relax(np.eye(2), [0.0, 0.0], np.ones(2), 1.0), "x: must be a C-contiguous float64 array"),
        (lambda: relax(np.eye(2), np.zeros(2), np.ones(3), 1.0), "b: must have shape"),
        (lambda: relax(Stencil((2, 2, 2)), np.ones(8), np.ones(8), 1.0), "x: must be a C-contiguous float64 array"),
        (lambda: relax_red_black(Stencil((2, 2, 2)), np.ones(8), np.ones(8), 1.0), "A: needs a grid of two dimensions"),
        (lambda: optimal_omega(1.0), "radius: 1.0"),
        (lambda: spectral_radius_sor(2.0, 0.5), "omega: 2.0"),
        (lambda: sor_iteration_bound(1.0, 1.5, 0.5, 0.1), "tolerance: 1.0"),
        (lambda: sor_iteration_bound(0.1, 1.5, 0.5, 1.0), "tau: 1.0"),
        (lambda: estimate_jacobi_radius([[-1.0]]), "diagonal entry of row 0"),
        (lambda: jacobi_radius((2, 2), 0.0), "diagonal: 0.0"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_matrices_that_are_not_symmetric_positive_definite_are_told():
    with pytest.raises(NotSPDError, match="A: is not symmetric, entries differ by 1"):
        cg([[2.0, 1.0], [0.0, 2.0]], [1.0, 1.0])
    with pytest.raises(NotSPDError, match="A: is not positive definite"):
        sor([[1.0, 2.0], [2.0, 1.0]], [1.0, 1.0], check="spd")
    big = Stencil((20, 20), 3.0).tocsr()
    with pytest.raises(NotSPDError, match="A: is not positive definite"):
        cg(big, np.ones(400), check="spd")
    assert cg(Stencil((20, 20)), np.ones(400), check="spd").converged
