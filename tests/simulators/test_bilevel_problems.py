"""All bilevel problems: gradients by differences of values, solutions by what defines them, kernels and projections."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numba.core.runtime import _nrt_python, rtsys

from algos.bilevel_oracles import WHOLE
from simulators.bilevel_problems import QuadraticBilevel, random_quadratic, random_quadratic_sum
from tests.reference.bilevel import difference_gradient, penalized_value
from tests.reference.bilevel_instances import PROBLEMS, SAMPLED, instance

each = pytest.mark.parametrize("name", PROBLEMS)


@each
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_the_differences_of_values(name, seed):
    problem, x, y, _ = instance(name, seed)
    for value, gradient in ((problem.upper, problem.upper_gradient), (problem.lower, problem.lower_gradient)):
        in_x, in_y = gradient(x, y)
        np.testing.assert_allclose(in_x, difference_gradient(lambda p, f=value: f(p, y), x), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(in_y, difference_gradient(lambda p, f=value: f(x, p), y), rtol=1e-5, atol=1e-6)


@each
@pytest.mark.parametrize("sample", [WHOLE, 5])
def test_products_are_the_differences_of_gradients(name, sample):
    problem, x, y, rng = instance(name)
    v = rng.standard_normal(problem.lower_dimension)
    ahead = problem.lower_gradient(x, y + 1e-6 * v, sample)
    behind = problem.lower_gradient(x, y - 1e-6 * v, sample)
    cross, hessian = ((a - b) / 2e-6 for a, b in zip(ahead, behind, strict=True))
    np.testing.assert_allclose(problem.lower_hessian_product(x, y, v, sample), hessian, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(problem.lower_cross_product(x, y, v, sample), cross, rtol=1e-5, atol=1e-5)


@each
@pytest.mark.parametrize("s", [0.0, 1e-3, 0.1])
def test_no_lower_point_is_better_than_the_solution(name, s):
    problem, x, _, rng = instance(name)
    solution = problem.lower_solution(x, s)
    np.testing.assert_allclose(problem.project_lower(solution), solution, atol=1e-12)
    least = penalized_value(problem, x, solution, s)
    slope = s * problem.upper_gradient(x, solution)[1] + problem.lower_gradient(x, solution)[1]
    # A projected step does not move a minimiser.
    np.testing.assert_allclose(problem.project_lower(solution - 1e-2 * slope), solution, atol=1e-9)
    for size in (1e-3, 0.1, 1.0, 10.0):
        for _ in range(20):
            other = problem.project_lower(solution + size * rng.standard_normal(solution.size))
            assert penalized_value(problem, x, other, s) >= least - 1e-9 * (1 + abs(least))


@each
@pytest.mark.parametrize("s", [1e-2, 0.1])
def test_values_are_those_of_the_solutions(name, s):
    problem, x, _, _ = instance(name)
    y, z = problem.lower_solution(x, s), problem.lower_solution(x)
    assert problem.value(x) == pytest.approx(problem.upper(x, z), rel=1e-9, abs=1e-9)
    from_definition = problem.upper(x, y) + (problem.lower(x, y) - problem.lower(x, z)) / s
    assert problem.penalty_value(x, s) == pytest.approx(from_definition, rel=1e-9, abs=1e-9)


@each
@pytest.mark.parametrize("seed", range(2))
def test_gradients_of_the_values_are_their_differences(name, seed):
    problem, x, _, _ = instance(name, seed)
    step = 1e-5
    psi = difference_gradient(problem.value, x, step)
    np.testing.assert_allclose(problem.value_gradient(x), psi, rtol=1e-5, atol=1e-5 * (1 + np.abs(psi).max()))
    for s in (1e-2, 0.1):
        slope = difference_gradient(lambda p, s=s: problem.penalty_value(p, s), x, step)
        np.testing.assert_allclose(
            problem.penalty_gradient(x, s), slope, rtol=1e-5, atol=1e-5 * (1 + np.abs(slope).max())
        )


@each
def test_penalty_values_rise_to_psi(name):
    """F1-F3: psi_s below psi, falling in s; f at y_s below psi_s."""
    problem, x, _, _ = instance(name)
    psi, before = problem.value(x), np.inf
    slack = 1e-9 * (1 + abs(psi))
    for s in (1e-3, 1e-2, 0.1, 0.2):
        value = problem.penalty_value(x, s)
        assert value <= min(psi, before) + slack
        assert problem.upper(x, problem.lower_solution(x, s)) <= value + slack
        before = value
    assert problem.penalty_value(x, 1e-5) == pytest.approx(psi, abs=1e-2 * (1 + abs(psi)))


@each
def test_projections_are_nearest(name):
    problem, x, y, rng = instance(name)
    for point, project in ((x, problem.project_upper), (y, problem.project_lower)):
        far = point + 3 * rng.standard_normal(point.size)
        near = project(far)
        assert project(near).tolist() == pytest.approx(near.tolist(), abs=1e-12)
        assert (far - near) @ (point - near) <= 1e-9


@njit
def in_a_loop(upper, lower, project, data, x, y, sample, out_x, out_y):
    upper(data, x, y, sample, out_x, out_y)
    first = out_y.sum()
    lower(data, x, y, sample, out_x, out_y)
    project(data, y)
    return first


@each
def test_kernels_compile_into_a_loop_and_scratch_memory_does_not_show(name):
    problem, x, y, rng = instance(name)
    kernels = problem.kernels()
    out_x, out_y = np.empty(x.size), np.empty(y.size)
    for sample in (WHOLE, 3, 3, WHOLE):
        # The last coordinate alone, then all: what is kept of x must not outlive any change.
        last = problem.project_upper(x - 0.05 * (np.arange(x.size) == x.size - 1))
        for point in (x, x, last, problem.project_upper(x + 0.1)):
            moved = y + 0.1 * rng.standard_normal(y.size)
            expected = problem.lower_gradient(point, moved, sample)
            slope = problem.upper_gradient(point, moved, sample)[1].sum()
            found = in_a_loop(
                kernels.upper_gradient, kernels.lower_gradient, kernels.project_lower, kernels.data,
                point, moved, sample, out_x, out_y,
            )  # fmt: skip
            assert found == pytest.approx(slope, rel=1e-12)
            assert [out_x.tobytes(), out_y.tobytes()] == [part.tobytes() for part in expected]


@njit
def many(upper, lower, hessian, cross, project_x, project_y, data, x, y, v, sample, out_x, out_y, count):
    for _ in range(count):
        upper(data, x, y, sample, out_x, out_y)
        lower(data, x, y, sample, out_x, out_y)
        hessian(data, x, y, v, sample, out_y)
        cross(data, x, y, v, sample, out_x)
        project_x(data, x)
        project_y(data, y)


@pytest.mark.parametrize("name", ["quadratic", "ridge", "logistic", "cleaning", "two stages", "noisy sum"])
def test_kernels_allocate_nothing(name):
    problem, x, y, rng = instance(name)
    data, upper, lower, project_x, project_y, hessian, cross, _ = problem.kernels()
    out_x, out_y, v = np.empty(x.size), np.empty(y.size), rng.standard_normal(y.size)
    _nrt_python.memsys_enable_stats()

    def taken(sample, count):
        before = rtsys.get_allocation_stats().alloc
        many(upper, lower, hessian, cross, project_x, project_y, data, x, y, v, sample, out_x, out_y, count)
        return rtsys.get_allocation_stats().alloc - before

    taken(WHOLE, 1)  # compiles
    for sample in (WHOLE, 4):
        assert taken(sample, 1) == taken(sample, 30)


@each
def test_halves_are_left_out_where_that_is_declared(name):
    problem, x, y, _ = instance(name)
    kernels, none = problem.kernels(), np.empty(0)
    if not kernels.skips_empty_outputs:
        return
    for sample in (WHOLE, 4):
        for half, whole in (
            (kernels.upper_gradient, problem.upper_gradient),
            (kernels.lower_gradient, problem.lower_gradient),
        ):
            out_x, out_y = np.empty(x.size), np.empty(y.size)
            half(kernels.data, x, y, sample, out_x, none)
            half(kernels.data, x, y, sample, none, out_y)
            assert [out_x.tobytes(), out_y.tobytes()] == [part.tobytes() for part in whole(x, y, sample)]


@pytest.mark.parametrize("name", SAMPLED)
def test_samples_are_unbiased_and_come_again(name):
    problem, x, y, _ = instance(name)
    for gradient in (problem.upper_gradient, problem.lower_gradient):
        draws = np.array([np.concatenate(gradient(x, y, sample)) for sample in range(4000)])
        assert draws[7].tobytes() == np.concatenate(gradient(x, y, 7)).tobytes()
        assert draws.std(axis=0).max() > 0
        error = np.abs(draws.mean(axis=0) - np.concatenate(gradient(x, y)))
        assert (error <= 6 * draws.std(axis=0) / np.sqrt(len(draws)) + 1e-12).all()  # two-sided tail 2e-9 a number


@each
def test_wrong_shapes_and_penalties_are_refused(name):
    problem, x, y, _ = instance(name)
    long_x, long_y = np.zeros(x.size + 1), np.zeros(y.size + 1)
    for call in (
        lambda: problem.upper_gradient(long_x, y),
        lambda: problem.project_upper(long_x),
        lambda: problem.upper(long_x, y),
        lambda: problem.lower_solution(long_x, 0.1),
    ):
        with pytest.raises(ValueError, match="x: shape"):
            call()
    for call in (lambda: problem.lower_gradient(x, long_y), lambda: problem.lower(x, long_y)):
        with pytest.raises(ValueError, match="y: shape"):
            call()
    with pytest.raises(ValueError, match="v: shape"):
        problem.lower_hessian_product(x, y, long_y)
    for s in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="s: "):
            problem.penalty_value(x, s)
        with pytest.raises(ValueError, match="s: "):
            problem.penalty_gradient(x, s)
    with pytest.raises(ValueError, match="s: "):
        problem.lower_solution(x, -1e-3)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 4), st.floats(1e-6, 0.3))
def test_the_quadratic_path_keeps_its_digits(seed, dx, dy, s):
    problem = random_quadratic(dx, dy, np.random.default_rng(seed))
    x = np.ones(dx)
    A, C, F, K = problem.A, problem.C, problem.F, problem.K
    y = -np.linalg.solve(A + s * F, (C + s * K).T @ x + problem.a + s * problem.f0)
    z = -np.linalg.solve(A, C.T @ x + problem.a)
    np.testing.assert_allclose(problem.lower_solution(x, s), y, atol=1e-10 * (1 + np.abs(y).max()))
    slope = problem.H @ x + K @ y + problem.h0 + C @ (y - z) / s
    np.testing.assert_allclose(problem.penalty_gradient(x, s), slope, atol=1e-13 / s * (1 + np.abs(y).max()) + 1e-9)
    # F8: to first order in s the gap is s/2 v' A^{-1} v.
    v = problem.upper_gradient(x, z)[1]
    small, half = 1e-6, 0.5 * v @ np.linalg.solve(A, v)
    assert (problem.value(x) - problem.penalty_value(x, small)) / small == pytest.approx(half, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: QuadraticBilevel([[1.0]], [[1.0, 2.0]], [0.0], [[1.0]], [[1.0]], [[1.0]], [0.0], [0.0]), "A: shape"),
        (
            lambda: QuadraticBilevel([[0.0]], [[1.0]], [0.0], [[1.0]], [[1.0]], [[1.0]], [0.0], [0.0]),
            "least eigenvalue",
        ),
        (
            lambda: QuadraticBilevel([[1.0]], [[1.0]], [0.0], [[-20.0]], [[1.0]], [[1.0]], [0.0], [0.0]).lower_solution(
                [0.0], 0.1
            ),
            "no minimum",
        ),
        (lambda: random_quadratic(0, 1, np.random.default_rng(0)), "upper_dimension: 0"),
        (lambda: random_quadratic(1, 1, 5), "rng: 5"),
        (lambda: random_quadratic(1, 1, np.random.default_rng(0), strong_convexity=2.0), "strong_convexity: 2.0"),
        (lambda: random_quadratic(1, 1, np.random.default_rng(0), cross=-1.0), "cross: -1.0"),
        (lambda: random_quadratic_sum(2, 1, 3, np.random.default_rng(0)), "n_records: 2"),
    ],
)
def test_bad_descriptions_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
