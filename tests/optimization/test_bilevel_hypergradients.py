"""Hyper-gradients against exact ones, in every way; what cannot be trusted is said; the bounds of closeness."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimization.bilevel import (
    PenaltyDoubleLoop,
    check_hypergradient,
    hypergradient,
    iterations_for_accuracy,
    lower_solution_lipschitz,
    penalty_distance_bound,
    penalty_gap_bound,
    penalty_gradient_bound,
    penalty_smoothness,
    penalty_value_bound,
    prox_error_constant,
    stencil_weights,
    tracking_bound,
)
from simulators import (
    CounterExample,
    PLToy,
    SimplexProjection,
    random_box_qp,
    random_quadratic,
    random_rank_deficient,
)
from tests.reference.bilevel_solvers import Callbacks

SEEDS = st.integers(0, 2**32)


def rng(seed=0):
    return np.random.default_rng(seed)


QUADRATIC, DEFICIENT = random_quadratic(2, 4, rng(0)), random_rank_deficient(2, 4, 2, rng(1))


@pytest.mark.parametrize("problem", [QUADRATIC, Callbacks(QUADRATIC)], ids=["kernels", "callbacks"])
def test_every_way_gives_the_gradient(problem):
    x, start = np.array([1.0, -0.5]), np.full(4, 0.3)
    truth = QUADRATIC.value_gradient(x)
    scale = np.linalg.norm(truth)
    for method, options, accuracy in (
        ("penalty", {"s": 1e-6}, 1e-4),
        ("aid", {}, 1e-9),
        ("aid", {"solver": "neumann", "turns": 2000}, 1e-9),
        ("aid", {"solver": "dense"}, 1e-9),
        ("itd", {"steps": 1500}, 1e-9),
        ("finite_differences", {}, 1e-6),
        ("exact", {}, 1e-9),
    ):
        found = hypergradient(problem, x, method, start=start, **options)
        assert np.linalg.norm(found.gradient - truth) <= accuracy * scale, method
        assert (found.status, found.regular) == ("converged", True)
        assert found.inner_residual < 1e-6


@pytest.mark.parametrize(
    ("options", "slope"), [({}, 1), ({"richardson": True}, 2), ({"order": 2}, 2), ({"order": 4}, 4)]
)
def test_orders_of_the_penalty(options, slope):
    x = np.array([1.0, -0.5])
    truth = QUADRATIC.value_gradient(x)
    errors = [np.linalg.norm(hypergradient(QUADRATIC, x, s=s, **options).gradient - truth) for s in (4e-3, 2e-3)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(slope, abs=0.3)


def test_the_penalty_s_gradient_is_its_own():
    """To rounding that of psi_s, and the bias bound covers what inner residuals did."""
    x = np.array([0.4, 0.2])
    for s in (0.1, 1e-3):
        truth = QUADRATIC.penalty_gradient(x, s)
        exact = hypergradient(QUADRATIC, x, s=s)
        np.testing.assert_allclose(exact.gradient, truth, rtol=1e-7, atol=1e-8)
        assert exact.value == pytest.approx(QUADRATIC.penalty_value(x, s), rel=1e-6)
        for tolerance in (1e-3, 1e-5):
            rough = hypergradient(QUADRATIC, x, s=s, tolerance=tolerance)
            declared = QUADRATIC.constants
            if s * declared.upper_smoothness < declared.strong_convexity:
                assert np.linalg.norm(rough.gradient - truth) <= rough.bias_bound
            else:  # s f + g need not be convex, by what is declared
                assert math.isnan(rough.bias_bound)


def test_weights_of_the_stencils():
    assert stencil_weights(1).tolist() == [0.5]
    np.testing.assert_allclose(stencil_weights(2), [2 / 3, -1 / 12])
    for m in (1, 2, 3, 4):  # odd powers up to 2 m are differentiated exactly
        j, weights = np.arange(1, m + 1), stencil_weights(m)
        assert 2 * weights @ j == pytest.approx(1.0)
        for power in range(3, 2 * m, 2):
            assert weights @ j.astype(float) ** power == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=25)
@given(SEEDS)
def test_the_formula_holds_at_constraints(seed):
    """Boxes, whose exact gradients are by enumeration, wherever it calls itself regular."""
    problem = random_box_qp(2, 3, rng(seed))
    x = problem.project_upper(rng(seed).standard_normal(2))
    found = hypergradient(Callbacks(problem), x, "exact", y=problem.lower_solution(x))
    truth = problem.value_gradient(x)
    if found.regular and np.isfinite(truth).all():
        np.testing.assert_allclose(found.gradient, truth, rtol=1e-4, atol=1e-5)


def test_the_formula_on_the_simplex_and_a_nonconvex_level():
    simplex = SimplexProjection(np.array([0.3, -0.2, 0.5]))
    x = np.array([0.5, 0.4, -0.7])
    for method in ("exact", "itd"):
        found = hypergradient(simplex, x, method)
        np.testing.assert_allclose(found.gradient, simplex.value_gradient(x), atol=1e-6)
    toy = PLToy()
    for x in (0.5, 1.3, 2.2):
        found = hypergradient(toy, [x], "exact", start=[-x])
        np.testing.assert_allclose(found.gradient, toy.value_gradient([x]), rtol=1e-6)


def test_the_wrong_lower_solution_is_flagged():
    """Rank deficient: the one of least norm solves the lower level, and its hyper-gradient is wrong."""
    x = np.array([1.0, 0.5])
    truth = DEFICIENT.value_gradient(x)
    wrong = hypergradient(DEFICIENT, x, "exact", y=DEFICIENT.minimum_norm_solution(x))
    assert wrong.inner_residual < 1e-9  # a lower solution it is
    assert not wrong.regular
    assert wrong.range_residual > 1e-3
    assert np.linalg.norm(wrong.gradient - truth) > 0.01 * np.linalg.norm(truth)
    right = hypergradient(DEFICIENT, x, "exact", y=DEFICIENT.lower_solution(x))
    assert right.regular
    np.testing.assert_allclose(right.gradient, truth, rtol=1e-8)
    penalised = hypergradient(DEFICIENT, x, richardson=True, s=1e-3)
    np.testing.assert_allclose(penalised.gradient, truth, rtol=1e-4)
    checked = check_hypergradient(DEFICIENT, x)
    assert not checked.trusted
    assert not checked.found["aid"].regular
    assert any(flag.startswith("aid: not regular (range residual") for flag in checked.flags)
    assert checked.found["exact"].regular
    assert "aid" in str(checked)
    assert "! aid: not regular" in str(checked)


def test_a_sound_problem_is_not_flagged():
    checked = check_hypergradient(QUADRATIC, [1.0, -0.5])
    assert checked.trusted, checked.flags
    assert checked.spread < 1e-2  # the plain penalty's bias, of first order in s
    assert set(checked.found) == {"penalty", "penalty, Richardson", "finite_differences", "aid", "itd", "exact"}


def test_a_constraint_without_force_is_not_regular():
    """The kink at 0: the constraint is active, its multiplier 0, and psi has no slope."""
    found = hypergradient(CounterExample("kink"), [0.0], "exact", y=[0.0])
    assert not found.regular


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"method": "guess"}, "method: 'guess'"),
        ({"s": 0.0}, "s: 0.0"),
        ({"order": 3}, "order: 3"),
        ({"order": 2, "richardson": True}, "richardson: is of order 1"),
        ({"tolerance": math.nan}, "tolerance: nan"),
        ({"method": "aid", "solver": "lu"}, "solver: 'lu'"),
        ({"method": "aid", "y": [1.0]}, r"y: must be finite numbers of shape \(4,\)"),
        ({"method": "itd", "steps": 0}, "steps: 0"),
    ],
)
def test_bad_questions_are_named(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        hypergradient(QUADRATIC, [0.0, 0.0], **options)
    with pytest.raises(ValueError, match=r"x: must be finite numbers of shape \(2,\)"):
        hypergradient(QUADRATIC, [0.0])


# Bounds


def upper_slope(problem, x, y):
    return float(np.linalg.norm(problem.upper_gradient(x, y)[1]))


def closeness(seed, s):
    """A quadratic, a point, y_s, y*, and |grad_y f| between them at most."""
    problem = random_quadratic(2, 3, rng(seed))
    x = rng(seed + 1).standard_normal(2)
    y, z = problem.lower_solution(x, s), problem.lower_solution(x)
    slope = max(upper_slope(problem, x, z + share * (y - z)) for share in np.linspace(0, 1, 21))
    return problem, x, y, z, slope * (1 + 1e-9)


@pytest.mark.guarantee("penalty_value_bound")
@given(SEEDS, st.floats(1e-5, 0.5))
def test_values_are_close(seed, s):
    problem, x, _, _, slope = closeness(seed, s)
    gap = problem.value(x) - problem.penalty_value(x, s)
    assert -1e-9 <= gap <= penalty_value_bound(s, slope, problem.constants.strong_convexity) + 1e-9


@pytest.mark.guarantee("penalty_distance_bound")
@given(SEEDS, st.floats(1e-5, 0.5))
def test_solutions_are_close(seed, s):
    problem, _, y, z, slope = closeness(seed, s)
    mu = problem.constants.strong_convexity
    assert np.linalg.norm(y - z) <= penalty_distance_bound(s, slope, mu) * (1 + 1e-9)
    assert penalty_distance_bound(s, slope, mu, strongly_convex=False) == 2 * penalty_distance_bound(s, slope, mu)


@pytest.mark.guarantee("penalty_gap_bound")
@given(SEEDS, st.floats(1e-4, 0.5))
def test_penalised_solutions_are_nearly_optimal(seed, s):
    problem, x, y, z, slope = closeness(seed, s)
    gap = problem.lower(x, y) - problem.lower(x, z)
    assert -1e-9 <= gap <= penalty_gap_bound(s, slope, problem.constants.strong_convexity) + 1e-9


@pytest.mark.guarantee("penalty_gradient_bound")
@given(SEEDS, st.floats(1e-5, 0.02))
def test_gradients_are_close(seed, s):
    problem, x, _, _, slope = closeness(seed, s)
    known = problem.constants
    error = np.linalg.norm(problem.penalty_gradient(x, s) - problem.value_gradient(x))
    assert error <= penalty_gradient_bound(
        s, slope, known.upper_smoothness, known.lower_smoothness, 0.0, known.strong_convexity
    )


@pytest.mark.guarantee("lower_solution_lipschitz")
@given(SEEDS, st.floats(0, 0.02), st.floats(0, 0.02))
def test_solutions_move_smoothly(seed, s, other):
    problem = random_quadratic(2, 3, rng(seed))
    known = problem.constants
    x, w = rng(seed + 1).standard_normal((2, 2))
    one, two = problem.lower_solution(x, s), problem.lower_solution(w, other)
    slope = max(upper_slope(problem, x, one), upper_slope(problem, w, two), upper_slope(problem, x, two))
    least = known.strong_convexity - max(s, other) * known.upper_smoothness
    if least > 0:
        bound = lower_solution_lipschitz(max(s, other), slope, known.upper_smoothness, known.lower_smoothness, least)
        assert np.linalg.norm(one - two) <= bound * (np.linalg.norm(x - w) + abs(s - other)) * (1 + 1e-9) + 1e-12


@pytest.mark.guarantee("prox_error_constant")
@given(SEEDS, st.floats(0.01, 10), st.integers(1, 4))
def test_proximal_steps_measure_the_distance(seed, rho, d):
    source = rng(seed)
    half = source.standard_normal((d, d))
    shape, solution, y = half @ half.T + 0.05 * np.eye(d), *source.standard_normal((2, d))
    prox = np.linalg.solve(shape + np.eye(d) / rho, shape @ solution + y / rho)
    least = float(np.linalg.eigvalsh(shape)[0])
    assert np.linalg.norm(y - prox) / rho >= prox_error_constant(least, rho) * np.linalg.norm(y - solution) * (1 - 1e-9)


@pytest.mark.guarantee("penalty_smoothness")
@given(SEEDS, st.floats(1e-4, 0.02))
def test_the_penalty_is_smooth(seed, s):
    problem = random_quadratic(2, 3, rng(seed))
    known = problem.constants
    if s * known.upper_smoothness >= known.strong_convexity:
        with pytest.raises(ValueError, match="is not below mu / l_f1"):
            penalty_smoothness(s, known.upper_smoothness, known.lower_smoothness, known.strong_convexity)
        return
    bound = penalty_smoothness(s, known.upper_smoothness, known.lower_smoothness, known.strong_convexity)
    x, w = rng(seed + 1).standard_normal((2, 2))
    change = np.linalg.norm(problem.penalty_gradient(x, s) - problem.penalty_gradient(w, s))
    assert change <= bound * np.linalg.norm(x - w)


@pytest.mark.guarantee("tracking_bound")
@settings(max_examples=10)
@given(SEEDS, st.floats(0.1, 1.0))
def test_algorithm_1_within_its_bound(seed, share):
    """With every condition of the theorem, T among them, on random quadratics with exact constants."""
    problem = random_quadratic(2, 3, rng(seed), strong_convexity=0.4)
    known = problem.constants
    s = share * 0.5 * known.strong_convexity / known.upper_smoothness
    together, least = known.lower_smoothness + s * known.upper_smoothness, known.strong_convexity
    least -= s * known.upper_smoothness
    lipschitz = penalty_smoothness(s, known.upper_smoothness, known.lower_smoothness, known.strong_convexity)
    alpha = 0.5 / lipschitz
    small = min(0.5, s / (4 * together), s / (12 * alpha * together * together / least))
    steps = math.ceil(2 * math.log(small) / math.log1p(-least / together))
    method = PenaltyDoubleLoop(s, alpha, steps, gamma=1 / together)
    run = method.run(problem, 25, rng(seed), checkpoints=range(1, 26), trace=True).outcome
    path = [problem.start[0], *run["iterates"][:-1]]
    squares = [np.sum(problem.penalty_gradient(x, s) ** 2) for x in path]
    x, y = problem.start
    error = np.linalg.norm(y - problem.lower_solution(x, s)) + np.linalg.norm(y - problem.lower_solution(x))
    values = [problem.penalty_value(at, s) for at in path]
    # The least value over the whole plane is a linear solve away; the least on the path makes the bound only smaller.
    gap = values[0] - min(values)
    bound = tracking_bound(25, gap, alpha, error)
    assert np.mean(squares) <= bound
    assert tracking_bound(iterations_for_accuracy(0.3, gap, alpha, error), gap, alpha, error) <= 0.09 * (1 + 1e-9)
