"""What holds for every bilevel problem, on random quadratic programs over boxes that are solved exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.bilevel_problems import (
    BoxQP,
    Moreau,
    QuadraticBilevel,
    SimplexProjection,
    random_box_qp,
    random_minimax,
    random_rank_deficient,
)
from tests.reference.bilevel import difference_gradient, psi_grid, solve_quadratic_cvxpy

SCHEDULE = (1e-3, 1e-2, 0.1, 0.5)
boxes = st.builds(
    lambda seed, dx, dy: random_box_qp(dx, dy, np.random.default_rng(seed)),
    st.integers(0, 2**32), st.integers(1, 2), st.integers(1, 3),
)  # fmt: skip
seeds = st.integers(0, 2**32)


def point(problem, seed):
    return 1.5 * np.random.default_rng(seed).standard_normal(problem.upper_dimension)


def tolerance(*values):
    return 1e-9 * (1 + max(abs(value) for value in values))


@given(boxes, seeds)
def test_f1_to_f4(problem, seed):
    x = point(problem, seed)
    psi, best = problem.value(x), problem.lower(x, problem.lower_solution(x))
    before = (np.inf, np.inf, -np.inf)
    for s in SCHEDULE:
        y = problem.lower_solution(x, s)
        penalized, upper, gap = problem.penalty_value(x, s), problem.upper(x, y), problem.lower(x, y) - best
        slack = tolerance(psi, penalized, upper, gap)
        assert penalized <= min(psi, before[0]) + slack  # F1, F2
        assert upper <= penalized + slack  # F3
        assert upper <= before[1] + slack
        assert gap >= before[2] - slack
        assert -slack <= gap <= s * (psi - upper) + slack  # F4
        before = (penalized, upper, gap)


@given(boxes, seeds, st.floats(1e-3, 1), st.floats(1e-3, 1))
def test_f2_the_penalized_minimum_is_concave_in_s(problem, seed, low, width):
    x = point(problem, seed)

    def least(s):
        y = problem.lower_solution(x, s)
        return s * problem.upper(x, y) + problem.lower(x, y)

    assert least(low) + least(low + 2 * width) - 2 * least(low + width) <= 1e-10 * (1 + abs(least(low + width)))


@given(boxes, seeds)
def test_f5_distances_of_a_strongly_convex_lower_level(problem, seed):
    x, mu = point(problem, seed), problem.constants.strong_convexity
    steep, psi, z = problem.upper_lipschitz_at(x), problem.value(x), problem.lower_solution(x)
    for s in SCHEDULE:
        y = problem.lower_solution(x, s)
        slack = tolerance(psi, steep**2 / mu)
        assert psi - problem.penalty_value(x, s) <= s * steep**2 / (2 * mu) + slack
        assert np.linalg.norm(y - z) <= s * steep / mu + slack
        assert problem.lower(x, y) - problem.lower(x, z) <= 2 * s**2 * steep**2 / mu + slack


def test_f5_is_attained():
    line = QuadraticBilevel([[1.0]], [[-1.0]], [0.0], [[0.0]], [[0.0]], [[0.0]], [1.0], [0.0])
    problem, s = BoxQP(line, [-50.0], [50.0]), 0.1
    assert problem.value([0.0]) - problem.penalty_value([0.0], s) == pytest.approx(s * 1.0**2 / 2)
    assert abs(problem.lower_solution([0.0], s)[0]) == pytest.approx(s)


@settings(max_examples=30)
@given(boxes, seeds, st.sampled_from([0.05, 0.5]))
def test_f6_slopes_by_differences(problem, seed, s):
    x = point(problem, seed)
    ahead, behind = (
        np.array([problem.lower_solution(x + move, s) for move in step * np.eye(x.size)]) for step in (1e-4, -1e-4)
    )
    if (np.abs(ahead - behind) < 1e-12).any(axis=0).any():
        return  # an active set near its change: differences are of two pieces
    slope = difference_gradient(lambda p: problem.penalty_value(p, s), x)
    np.testing.assert_allclose(problem.penalty_gradient(x, s), slope, atol=1e-5 * (1 + np.abs(slope).max()))


@given(boxes, seeds, st.sampled_from(SCHEDULE), st.floats(0.3, 4))
def test_f9_scalings(problem, seed, s, c):
    x, one = point(problem, seed), problem.objectives
    psi = problem.penalty_value(x, s)
    steeper = BoxQP(with_parts(one, A=c * one.A, C=c * one.C, a=c * one.a), problem.low, problem.high)
    assert steeper.penalty_value(x, s) == pytest.approx(problem.penalty_value(x, s / c), abs=tolerance(psi, c))
    dearer = with_parts(one, F=c * one.F, H=c * one.H, K=c * one.K, f0=c * one.f0, h0=c * one.h0)
    found = BoxQP(dearer, problem.low, problem.high).penalty_value(x, s)
    assert found == pytest.approx(c * problem.penalty_value(x, c * s), abs=tolerance(c * psi, c))
    shifted = with_parts(one, H=one.H + np.eye(x.size), h0=one.h0 + 1.0)
    found = BoxQP(shifted, problem.low, problem.high).penalty_value(x, s)
    assert found == pytest.approx(psi + x @ x / 2 + x.sum(), abs=tolerance(psi, x @ x))


@given(boxes, seeds, st.sampled_from(SCHEDULE))
def test_f9_permuted_and_mirrored_coordinates(problem, seed, s):
    x, one = point(problem, seed), problem.objectives
    rng = np.random.default_rng(seed)
    order, sign = rng.permutation(one.lower_dimension), rng.choice([-1.0, 1.0], one.lower_dimension)
    U = np.eye(one.lower_dimension)[order] * sign  # y = U'w
    low, high = (np.sort([U @ problem.low, U @ problem.high], axis=0)[i] for i in (0, 1))
    turned = with_parts(
        one, A=U @ one.A @ U.T, C=one.C @ U.T, a=U @ one.a, F=U @ one.F @ U.T, K=one.K @ U.T, f0=U @ one.f0
    )
    other = BoxQP(turned, low, high)
    psi = problem.penalty_value(x, s)
    assert other.penalty_value(x, s) == pytest.approx(psi, abs=tolerance(psi))
    np.testing.assert_allclose(other.penalty_gradient(x, s), problem.penalty_gradient(x, s), atol=1e-9 / s)


@given(boxes, seeds, st.sampled_from(SCHEDULE))
def test_f9_equal_or_separate_levels(problem, seed, s):
    x, one, zeros = point(problem, seed), problem.objectives, np.zeros
    dx, dy = one.C.shape
    same = with_parts(one, F=one.A, H=zeros((dx, dx)), K=one.C, f0=one.a, h0=zeros(dx))
    twin = BoxQP(same, problem.low, problem.high)
    best = twin.lower(x, twin.lower_solution(x))
    assert twin.penalty_value(x, s) == pytest.approx(best, abs=tolerance(best))
    alone = BoxQP(with_parts(one, F=zeros((dy, dy)), K=zeros((dx, dy)), f0=zeros(dy)), problem.low, problem.high)
    assert alone.penalty_value(x, s) == pytest.approx(alone.value(x), abs=tolerance(alone.value(x)) + 1e-15 / s)


@given(seeds, st.floats(0.01, 0.99))
def test_f10_minimax(seed, s):
    problem = random_minimax(2, 3, np.random.default_rng(seed))
    x = point(problem, seed)
    y = np.linalg.solve(problem.B, problem.K.T @ x + problem.k)
    assert problem.penalty_value(x, s) == problem.value(x) == pytest.approx(problem.upper(x, y))
    from_definition = problem.upper(x, y) + (problem.lower(x, y) - problem.lower(x, problem.lower_solution(x))) / s
    assert problem.penalty_value(x, s) == pytest.approx(from_definition)
    others = y + np.random.default_rng(seed).standard_normal((20, 3))
    assert all(problem.upper(x, other) <= problem.value(x) + 1e-12 for other in others)
    with pytest.raises(ValueError, match="not below 1"):
        problem.lower_solution(x, 1.0)


@given(seeds, st.floats(0.01, 3))
def test_f11_a_quadratic_distance_makes_the_moreau_envelope(seed, s):
    x = np.random.default_rng(seed).standard_normal(2)
    problem = Moreau("huber", dimension=2)
    least = min(
        problem.upper(x, y) + np.sum((y - x) ** 2) / (2 * s)
        for y in problem.lower_solution(x, s) + 1e-3 * np.random.default_rng(seed).standard_normal((50, 2))
    )
    assert problem.penalty_value(x, s) <= least
    assert problem.penalty_value(x, s) == pytest.approx(least, abs=1e-4 * (1 + 1 / s))


def with_parts(one, **parts):
    names = ("A", "C", "a", "F", "H", "K", "f0", "h0")
    return QuadraticBilevel(**{name: parts.get(name, getattr(one, name)) for name in names})


@settings(max_examples=15)
@given(boxes, seeds, st.sampled_from([0.0, 0.1]))
def test_boxes_agree_with_a_conic_solver(problem, seed, s):
    x, one = point(problem, seed), problem.objectives
    hessian, linear = one.A + s * one.F, (one.C + s * one.K).T @ x + one.a + s * one.f0
    _, y = solve_quadratic_cvxpy(hessian, linear, problem.low, problem.high)
    np.testing.assert_allclose(problem.lower_solution(x, s), y, atol=1e-6)


@settings(max_examples=15)
@given(seeds, st.integers(1, 4), st.sampled_from([0.0, 0.1]))
def test_the_active_set_method_agrees_with_enumeration(seed, dy, s):
    problem = random_box_qp(2, dy, np.random.default_rng(seed))
    x, one = point(problem, seed), problem.objectives
    hessian, linear = one.A + s * one.F, (one.C + s * one.K).T @ x + one.a + s * one.f0
    np.testing.assert_allclose(problem._active_set(hessian, linear, s), problem.lower_solution(x, s), atol=1e-9)


@given(seeds, st.floats(0.01, 1))
def test_enumeration_finds_the_best_face_of_a_nonconvex_problem(seed, s):
    rng = np.random.default_rng(seed)
    convex = random_box_qp(1, 2, rng)
    hollow = with_parts(convex.objectives, F=-8 * np.eye(2) / s)
    problem = BoxQP(hollow, convex.low, convex.high)
    axes = [np.linspace(low, high, 101) for low, high in zip(problem.low, problem.high, strict=True)]
    grid = np.column_stack([part.ravel() for part in np.meshgrid(*axes)])
    x = point(problem, seed)
    hessian = problem.objectives.A + s * problem.objectives.F
    linear = (problem.objectives.C + s * problem.objectives.K).T @ x + problem.objectives.a + s * problem.objectives.f0
    values = np.einsum("ij,jk,ik->i", grid, hessian, grid) / 2 + grid @ linear
    y = problem.lower_solution(x, s)
    assert y @ hessian @ y / 2 + linear @ y <= values.min() + 1e-12


@settings(max_examples=15)
@given(seeds, st.integers(1, 5), st.sampled_from([0.0, 0.3]))
def test_the_simplex_agrees_with_a_conic_solver(seed, d, s):
    rng = np.random.default_rng(seed)
    problem, x = SimplexProjection(rng.standard_normal(d)), rng.standard_normal(d)
    _, y = solve_quadratic_cvxpy((1 + s) * np.eye(d), s * problem.c - x, totals=[(np.arange(d), 1.0)])
    np.testing.assert_allclose(problem.lower_solution(x, s), y, atol=1e-6)


@given(seeds, st.integers(1, 4))
def test_the_least_squares_path(seed, rank):
    """The limit of y_s is the solution of least f, and the shortest solution is another."""
    problem = random_rank_deficient(2, 5, rank, np.random.default_rng(seed))
    x = point(problem, seed)
    A, B, Q, c = problem.A, problem.B, problem.Q, problem.c
    s = 1e-2
    plain = np.linalg.solve(A.T @ A + s * Q, A.T @ (B @ x) + s * Q @ c)
    np.testing.assert_allclose(problem.lower_solution(x, s), plain, atol=1e-10 * (1 + np.abs(plain).max()))
    # Equality-constrained least squares by its KKT system: f least where A'Ay = A'Bx.
    kkt = np.block([[Q, A.T @ A], [A.T @ A, np.zeros((5, 5))]])
    best = np.linalg.lstsq(kkt, np.concatenate([Q @ c, A.T @ (B @ x)]), rcond=1e-10)[0][:5]
    np.testing.assert_allclose(problem.lower_solution(x), best, atol=1e-8 * (1 + np.abs(best).max()))
    near = problem.lower_solution(x, 1e-9)
    np.testing.assert_allclose(near, best, atol=1e-7 * (1 + np.abs(best).max()))
    gradient = x + B.T @ A @ np.linalg.pinv(A.T @ A, rcond=1e-10) @ Q @ (best - c)
    np.testing.assert_allclose(problem.value_gradient(x), gradient, atol=1e-7 * (1 + np.abs(gradient).max()))
    shortest = problem.minimum_norm_solution(x)
    np.testing.assert_allclose(shortest, np.linalg.pinv(A, rcond=1e-5) @ B @ x, atol=1e-8 * (1 + np.abs(best).max()))
    assert problem.lower(x, shortest) == pytest.approx(problem.lower(x, best))
    assert problem.upper(x, shortest) > problem.upper(x, best)


def test_random_boxes_have_coordinates_inside_and_at_their_sides():
    boxes = [random_box_qp(2, 3, np.random.default_rng(seed)) for seed in range(50)]
    solutions = [(box, box.lower_solution(np.ones(2))) for box in boxes]
    assert 0.2 < np.mean([(box.low < y) & (y < box.high) for box, y in solutions]) < 0.8


def test_psi_on_a_grid_is_below_no_penalty_value():
    problem = random_box_qp(2, 2, np.random.default_rng(5))
    axes = (np.linspace(-1, 1, 7), np.linspace(-2, 2, 5))
    psi, smooth = psi_grid(problem, axes), psi_grid(problem, axes, 0.05)
    assert psi.shape == (7, 5)
    assert (smooth <= psi + 1e-9).all()
    assert psi[3, 2] == problem.value(np.zeros(2))


def test_kinks_of_constrained_problems_have_no_gradient():
    line = QuadraticBilevel([[1.0]], [[-1.0]], [0.0], [[1.0]], [[0.0]], [[0.0]], [-2.0], [0.0])
    assert np.isnan(BoxQP(line, [0.0], [1.0]).value_gradient([0.0])).all()
    assert BoxQP(line, [0.0], [1.0]).value_gradient([2.0]).tolist() == [0.0]
    assert np.isnan(SimplexProjection([1.0, 0.0]).value_gradient([0.0, 1.0])).all()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: random_rank_deficient(1, 2, 3, np.random.default_rng(0)), "rank: 3 is above"),
        (lambda: random_box_qp(1, 2, 7), "rng: 7"),
        (lambda: random_minimax(1, 0, np.random.default_rng(0)), "lower_dimension: 0"),
        (lambda: SimplexProjection([np.inf]), "c = "),
    ],
)
def test_bad_descriptions_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_boxes_and_matrices_must_fit():
    box = random_box_qp(1, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="low: entry 1, 3"):
        BoxQP(box.objectives, [0.0, 3.0], [1.0, 3.0])
    with pytest.raises(ValueError, match="high: shape"):
        BoxQP(box.objectives, [0.0, 3.0], [1.0])
    hollow = with_parts(random_box_qp(1, 5, np.random.default_rng(0)).objectives, F=-50 * np.eye(5))
    with pytest.raises(ValueError, match="dy is above 4"):
        BoxQP(hollow, -np.ones(5), np.ones(5)).lower_solution([0.0], 0.1)
    one = random_rank_deficient(1, 2, 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="Q: is not symmetric"):
        type(one)(one.A, one.B, -one.Q, one.c)
    with pytest.raises(ValueError, match="B: 1 rows for 2"):
        type(one)(one.A, one.B[:1], one.Q, one.c)
    game = random_minimax(1, 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="least eigenvalue"):
        type(game)(game.H, game.K, -game.B, game.h, game.k)
    with pytest.raises(ValueError, match="k: shape"):
        type(game)(game.H, game.K, game.B, game.h, [0.0, 1.0])
