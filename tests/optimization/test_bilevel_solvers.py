"""Bilevel methods: step by step against slow versions, compiled against callbacks, resumed, stopped, and converging."""

import math

import numpy as np
import pytest

from optimization.bilevel import (
    AID,
    BOME,
    F2BA,
    F2SA,
    F3SA,
    ITD,
    SABA,
    SOBA,
    TTSA,
    VPBGD,
    AmIGO,
    Counts,
    PenaltyDoubleLoop,
    PenaltySingleLoop,
    PowerLaw,
    StocBiO,
    inner_steps_for,
)
from simulators import CounterExample, PLToy, QuadraticBilevel, random_box_qp, random_quadratic_sum
from tests.reference import bilevel_solvers as slow
from tests.reference.bilevel_solvers import Callbacks

PROBLEM = random_quadratic_sum(12, 2, 3, np.random.default_rng(0))
"""One problem, so that each loop is compiled once."""
METHODS = [
    PenaltyDoubleLoop(
        PowerLaw(0.1, -0.3), 0.02, 5, gamma=0.3, rho=2.0, beta=PowerLaw(0.9, -0.1), sampled=True, batch=3
    ),
    PenaltyDoubleLoop(0.01, 0.02, Counts(3.0, 0.5), gamma=0.3, inner_tolerance=1e-3),
    PenaltySingleLoop(alpha=PowerLaw(0.02, -0.6), sampled=True),
    F2SA(alpha=PowerLaw(0.02, -0.3), inner_steps=4, sampled=True),
    F3SA(alpha=PowerLaw(0.02, -0.6), sampled=True),
    F2BA(0.01, 0.02, 8, gamma=0.3, accelerated=True),
    VPBGD(0.1, 0.01, 4),
    BOME(PowerLaw(0.02, -0.5), 4),
    AID(0.02, inner_steps=5, turns=4),
    AID(0.02, inner_steps=5, turns=6, solver="neumann"),
    AID(0.02, inner_steps=5, turns=3, solver="fixed_point"),
    StocBiO(0.02, turns=5),
    AmIGO(0.02, turns=5),
    TTSA(PowerLaw(0.01, -0.6), turns=5),
    SOBA(PowerLaw(0.02, -0.5)),
    SABA(0.01, 0.1),
    ITD(0.02, 0.4, 6, sampled=True),
]
NAMES = [f"{type(method).__name__}-{i}" for i, method in enumerate(METHODS)]


def rng(seed=0):
    return np.random.default_rng(seed)


def run(method, problem=PROBLEM, horizon=6, seed=3, **options):
    return method.run(problem, horizon, rng(seed), **options)


@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_callbacks_give_what_kernels_give(method):
    fast, interpreted = run(method), run(method, Callbacks(PROBLEM))
    np.testing.assert_allclose(fast.outcome["state"], interpreted.outcome["state"], rtol=1e-12, atol=1e-12)
    assert fast.outcome["status"] == interpreted.outcome["status"] != "oracle_error"
    for name in ("gradient_norm", "upper", "lower_gap", "oracle_calls"):
        np.testing.assert_allclose(fast.metrics[name], interpreted.metrics[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_a_run_goes_on_where_it_was_saved(method):
    whole = run(method, horizon=9)
    source = rng(3)
    half = method.run(PROBLEM, 4, source)
    rest = method.run(PROBLEM, 5, source, state=half.outcome["state"])
    np.testing.assert_array_equal(whole.outcome["state"], rest.outcome["state"])
    assert rest.outcome["steps"] == 9
    again = run(method, horizon=9)
    np.testing.assert_array_equal(whole.outcome["state"], again.outcome["state"])


def compare(method, path, horizon=5):
    """Every checkpoint against the slow path's x, and the last lower iterates."""
    found = run(method, horizon=horizon, checkpoints=range(1, horizon + 1), trace=True)
    np.testing.assert_allclose(found.outcome["iterates"], [one[0] for one in path], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.outcome["lower"], path[-1][1], rtol=1e-10, atol=1e-12)
    values = [PROBLEM.upper(one[0], one[1]) for one in path]
    np.testing.assert_allclose(found.metrics["upper"], values, rtol=1e-10)
    truth = [np.linalg.norm(PROBLEM.value_gradient(one[0])) for one in path]
    np.testing.assert_allclose(found.metrics["gradient_norm"], truth, rtol=1e-9)
    return found


def test_the_double_loop_step_by_step():
    found = compare(METHODS[0], slow.double_loop(
        PROBLEM, 5, rng(3), 2**53, alpha=lambda k: 0.02, beta=lambda k: 0.9 * (k + 1) ** -0.1,
        sigma=lambda k: 0.1 * (k + 1) ** -0.3, pull=0.5, inner=5, batch=3, gamma_u=lambda k: 0.3, gamma_v=lambda k: 0.3,
    ))  # fmt: skip
    assert found.metrics["oracle_calls"][-1] == 5 * (3 * 5 + 3 * 3)
    assert found.outcome["lower_projections"] == 5 * 2 * 5


def test_the_single_loop_step_by_step():
    found = compare(METHODS[2], slow.single_loop(
        PROBLEM, 5, rng(3), 2**53, alpha=lambda k: 0.02 * (k + 1) ** -0.6, beta=lambda k: (k + 10) ** -0.4,
        sigma=lambda k: (k + 10) ** -0.2, pull=1.0, gamma_u=lambda k: 0.5 * (k + 10) ** -0.4,
        gamma_v=lambda k: 0.5 * (k + 10) ** -0.4, eta=lambda k: (k + 10) ** -0.8,
    ))  # fmt: skip
    assert found.metrics["oracle_calls"][-1] == 3 + 4 * 6


def test_f2sa_and_f3sa_step_by_step():
    """In the letters of their paper: lambda_k = gamma_k / (2 alpha_k)."""
    compare(METHODS[3], slow.double_loop(
        PROBLEM, 5, rng(3), 2**53, alpha=lambda k: 0.02 * (k + 1) ** -0.3, beta=lambda k: 1.0,
        sigma=lambda k: 1 / (0.5 / (2 * 0.02 * (k + 1) ** -0.3)), pull=0.0, inner=4, batch=1,
        gamma_u=lambda k: 0.02 * (k + 1) ** -0.3 * 0.5 / (2 * 0.02 * (k + 1) ** -0.3), gamma_v=lambda k: 0.5,
    ))  # fmt: skip
    compare(METHODS[4], slow.single_loop(
        PROBLEM, 5, rng(3), 2**53, alpha=lambda k: 0.02 * (k + 1) ** -0.6, beta=lambda k: 1.0,
        sigma=lambda k: 2 * 0.02 * (k + 1) ** -0.6 / (0.5 * (k + 10) ** -0.4), pull=0.0,
        gamma_u=lambda k: 0.25 * (k + 10) ** -0.4, gamma_v=lambda k: 0.5 * (k + 10) ** -0.4,
        eta=lambda k: (k + 10) ** -0.8,
    ))  # fmt: skip


def test_joint_methods_step_by_step():
    compare(METHODS[6], slow.vpbgd(PROBLEM, 5, rng(3), sigma=0.1, alpha=0.01, inner=4, step=0.5))
    compare(METHODS[7], slow.bome(
        PROBLEM, 5, rng(3), alpha=lambda k: 0.02 * (k + 1) ** -0.5, inner=4, step=0.5, eta=0.5))  # fmt: skip


def test_implicit_methods_step_by_step():
    def dense(h, b, v, k):
        return np.linalg.solve(h, b)

    def series(h, b, v, k):
        return 0.5 * sum(np.linalg.matrix_power(np.eye(3) - 0.5 * h, q) @ b for q in range(7))

    def turns(h, b, v, k):
        for _ in range(3):
            v = v - 0.5 * (h @ v - b)
        return v

    given = {"alpha": lambda k: 0.02, "step": lambda k: 0.5, "inner": 5}
    compare(METHODS[8], slow.implicit(PROBLEM, 5, rng(3), solve=dense, **given))  # cg ends after dy turns
    compare(METHODS[9], slow.implicit(PROBLEM, 5, rng(3), solve=series, **given))
    compare(METHODS[10], slow.implicit(PROBLEM, 5, rng(3), solve=turns, **given))

    def soba(h, b, v, k):
        return v - 0.5 * (k + 1) ** -0.5 * (h @ v - b)

    compare(SOBA(PowerLaw(0.02, -0.5), sampled=False), slow.implicit(
        PROBLEM, 5, rng(3), solve=soba, alpha=lambda k: 0.02 * (k + 1) ** -0.5, step=lambda k: 0.5 * (k + 1) ** -0.5,
        inner=1, jointly=True,
    ))  # fmt: skip
    compare(METHODS[15], slow.saba(PROBLEM, 5, rng(3), alpha=0.01, step=0.1))


def test_ttsa_takes_one_term_at_random():
    found = run(TTSA(1e-9, 0.5, turns=4, scale=0.3, sampled=False), horizon=600, checkpoints=range(1, 601), trace=True)
    x = PROBLEM.start[0]
    late = found.outcome["directions"][400:]  # y has arrived, x has not moved
    y = found.outcome["lower"]
    fx, fy = PROBLEM.upper_gradient(x, y)
    h = slow.hessian(PROBLEM, x, y)
    terms = [
        fx - PROBLEM.lower_cross_product(x, y, 4 * 0.3 * np.linalg.matrix_power(np.eye(3) - 0.3 * h, p) @ fy)
        for p in range(4)
    ]
    distance = np.linalg.norm(late[:, None] - np.array(terms)[None], axis=2)
    assert distance.min(axis=1).max() < 1e-6
    counts = np.bincount(distance.argmin(axis=1), minlength=4)
    assert (np.abs(counts - 50) < 6 * math.sqrt(200 * 3 / 16)).all()


@pytest.mark.parametrize("problem", [PROBLEM, random_box_qp(2, 3, np.random.default_rng(4))])
def test_unrolled_steps_are_differentiated(problem):
    plain = Callbacks(problem)
    found = run(ITD(0.02, 0.3, 5), plain, horizon=3, checkpoints=[1, 2, 3], trace=True)
    x, y = problem.start
    for k in range(3):
        d, y = slow.unrolled(problem, x, y, 0.3, 5)
        np.testing.assert_allclose(found.outcome["directions"][k], d, rtol=1e-5, atol=1e-6)
        x = problem.project_upper(x - 0.02 * d)


def test_the_estimators_are_exact_without_noise_whatever_their_weight():
    runs = [run(PenaltySingleLoop(alpha=0.01, eta=eta), horizon=20).outcome["iterate"] for eta in (1.0, 0.3, 0.01)]
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-9)
    np.testing.assert_allclose(runs[2], runs[0], rtol=1e-9)


@pytest.mark.parametrize(
    ("method", "accuracy"),
    [
        (PenaltyDoubleLoop(1e-4, 0.05, 200, gamma=0.5), 2e-2),
        (PenaltySingleLoop(PowerLaw(0.3, -0.4, 10.0), 0.03, 0.5, 1.0, rho=math.inf), 5e-2),
        (F2SA(PowerLaw(0.05, -0.4, 1.0), 0.5, 30), 5e-2),
        (F2BA(1e-4, 0.05, 200, gamma=0.5), 2e-2),
        (F2BA(1e-4, 0.05, 80, gamma=0.5, accelerated=True), 2e-2),
        (AID(0.05, inner_steps=30), 1e-8),
        (AID(0.05, inner_steps=30, turns=20, solver="fixed_point"), 1e-8),
        (AmIGO(0.05, inner_steps=30, turns=20, sampled=False), 1e-8),
        (StocBiO(0.05, inner_steps=30, turns=300, sampled=False), 1e-6),
        (SOBA(0.01, 0.3, sampled=False), 1e-6),
        (SABA(0.01, 0.1), 1e-6),
        (ITD(0.05, 0.5, 200), 1e-5),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, float) else "",
)
def test_every_method_gets_there(method, accuracy):
    found = run(method, horizon=6000)
    assert found.metrics["gradient_norm"][-1] < accuracy
    assert found.outcome["gradient_norm_of"] == "psi"
    assert found.outcome["status"] == "max_iter"


def test_a_tolerance_ends_a_run():
    found = run(AID(0.05, inner_steps=30), horizon=6000, tolerance=1e-6)
    assert found.outcome["status"] == "converged"
    assert found.outcome["steps"] < 6000
    assert found.rounds[-1] == found.outcome["steps"]
    assert np.linalg.norm(PROBLEM.value_gradient(found.outcome["iterate"])) < 1.1e-6
    np.testing.assert_array_equal(found.outcome["iterate"], found.outcome["best"])


def test_the_random_iterate_follows_the_steps():
    """Probability proportional to alpha_k, of the points at which directions were measured."""
    method, counts = PenaltySingleLoop(alpha=PowerLaw(0.01, -1.0)), np.zeros(4)
    plain = Callbacks(random_box_qp(1, 1, np.random.default_rng(4)))
    path = [plain.start[0], *run(method, plain, horizon=3, checkpoints=[1, 2, 3], trace=True).outcome["iterates"]]
    for seed in range(1500):
        x = run(method, plain, horizon=4, seed=seed).outcome["random"]
        counts[next(k for k in range(4) if np.array_equal(x, path[k]))] += 1
    expected = 1500 * np.array([1, 1 / 2, 1 / 3, 1 / 4]) / (25 / 12)
    assert (np.abs(counts - expected) < 6 * np.sqrt(expected)).all()


class Broken:
    """A problem of one dimension each whose callbacks fail after some calls."""

    upper_dimension = lower_dimension = 1
    start = (np.array([3.0]), np.array([0.0]))

    def __init__(self, after, bad):
        self.left, self.bad = after, bad

    def upper(self, x, y):
        return float(0.5 * (y[0] - 1.0) ** 2)

    def lower(self, x, y):
        return float(0.5 * (y[0] - x[0]) ** 2)

    def upper_gradient(self, x, y):
        return np.zeros(1), y - 1.0

    def lower_gradient(self, x, y):
        self.left -= 1
        good = x - y, y - x
        return good if self.left >= 0 else self.bad(good)

    def lower_hessian_product(self, x, y, v):
        return v

    def lower_cross_product(self, x, y, v):
        return -v


@pytest.mark.parametrize(
    "bad",
    [
        lambda good: (good[0], np.array([math.nan])),
        lambda good: (np.array([math.inf]), np.array([math.inf])),
        lambda good: (np.zeros(2), np.zeros(2)),
        lambda good: (None, "text"),
    ],
)
@pytest.mark.parametrize(
    "method",
    [
        PenaltyDoubleLoop(0.1, 0.1, 3, gamma=0.5), PenaltySingleLoop(alpha=0.1), VPBGD(), BOME(),
        AID(0.1, inner_steps=3), ITD(0.1, inner_steps=3), SOBA(sampled=False),
    ],
    ids=lambda method: type(method).__name__,
)  # fmt: skip
def test_bad_callbacks_end_a_run_with_the_last_finite_iterate(method, bad):
    good = run(method, Broken(10**9, bad), horizon=16, checkpoints=range(1, 17), trace=True)
    for after in (0, 1, 7, 13):
        found = run(method, Broken(after, bad), horizon=16, checkpoints=range(1, 17), trace=True)
        assert found.outcome["status"] == "oracle_error"
        made = found.outcome["steps"]
        assert made < 16
        assert found.rounds.tolist() == list(range(1, made + 1))
        path = [np.array([3.0]), *good.outcome["iterates"]]
        np.testing.assert_array_equal(found.outcome["iterate"], path[made])
        assert np.isfinite(found.outcome["lower"]).all()


def test_what_has_no_minimum_diverges_and_never_gives_a_number():
    steep = QuadraticBilevel([[1.0]], [[0.0]], [0.0], [[-50.0]], [[0.0]], [[0.0]], [1.0], [0.0])
    found = run(PenaltyDoubleLoop(1.0, 0.1, 400, gamma=0.9), Callbacks(steep), horizon=5)
    assert found.outcome["status"] == "diverged"
    assert np.isfinite(found.outcome["iterate"]).all()


def test_an_indefinite_lower_level_is_named():
    class Saddle(Broken):
        def lower_hessian_product(self, x, y, v):
            return -v

    found = run(AID(0.1), Saddle(10**9, None), horizon=5)
    assert found.outcome["status"] == "indefinite_lower_hessian"


def test_capped_inner_loops_are_counted():
    stalled = run(PenaltyDoubleLoop(0.01, 0.02, 2, gamma=0.1, inner_tolerance=1e-12))
    assert stalled.outcome["status"] == "inner_stalled"
    fine = run(PenaltyDoubleLoop(0.01, 0.02, 4000, gamma=0.5, inner_tolerance=1e-9))
    assert fine.outcome["status"] == "max_iter"
    assert fine.outcome["lower_gradients"] < 6 * 8000


def test_no_steps_and_starts_outside():
    none = run(PenaltyDoubleLoop(0.1, 0.1, 3, gamma=0.5), horizon=0)
    assert none.metrics["oracle_calls"].size == 0
    assert none.outcome["upper_gradients"] == 0
    np.testing.assert_array_equal(none.outcome["iterate"], PROBLEM.start[0])
    toy = Callbacks(PLToy())
    outside = run(PenaltyDoubleLoop(0.1, 0.1, 3, gamma=0.05, rho=0.1), toy, horizon=0, start=([9.0], [0.0]))
    assert outside.outcome["start_projected"]
    assert outside.outcome["iterate"].tolist() == [3.0]


def test_iterates_stay_inside():
    box = random_box_qp(2, 3, np.random.default_rng(4))
    for method in (PenaltyDoubleLoop(0.1, 0.3, 3, gamma=0.3), PenaltySingleLoop(alpha=0.3)):
        found = run(method, Callbacks(box), horizon=8, checkpoints=range(1, 9), trace=True)
        for x in found.outcome["iterates"]:
            np.testing.assert_array_equal(box.project_upper(x), x)
        np.testing.assert_array_equal(box.project_lower(found.outcome["lower"]), found.outcome["lower"])


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: PenaltyDoubleLoop(sigma=0.0), "sigma"),
        (lambda: PenaltyDoubleLoop(sigma=math.nan), "sigma"),
        (lambda: PenaltyDoubleLoop(rho=0.0), "rho = 0.0"),
        (lambda: PenaltyDoubleLoop(beta=1.5), "must stay in"),
        (lambda: PenaltyDoubleLoop(alpha=-1.0), "alpha"),
        (lambda: PenaltyDoubleLoop(inner_steps=2.5), "inner_steps = 2.5"),
        (lambda: PenaltyDoubleLoop(inner_steps=0), "inner_steps = 0"),
        (lambda: PenaltyDoubleLoop(gamma=0.0), "gamma = 0.0"),
        (lambda: PenaltySingleLoop(eta=0.0), "eta"),
        (lambda: PenaltySingleLoop(eta=PowerLaw(0.1, 0.5)), "must not grow"),
        (lambda: run(PenaltyDoubleLoop(), Broken(9, None)), "gamma: must be given"),
        (lambda: run(PenaltyDoubleLoop(gamma=0.1), Broken(9, None)), "alpha: must be given"),
        (lambda: run(PenaltyDoubleLoop(rho=1.0, alpha=0.1, gamma=0.1), Callbacks(PLToy())), "rho: 1 is not below"),
        (lambda: run(METHODS[0], horizon=-1), "horizon: -1 is below 0"),
        (lambda: run(METHODS[0], horizon=2.5), "horizon: 2.5 is not a whole number"),
        (lambda: run(METHODS[0], start=([0.0], [0.0, 0.0, 0.0])), r"start: x0: .* got shape \(1,\)"),
        (lambda: run(METHODS[0], start=([0.0, math.nan], [0.0, 0.0, 0.0])), "start: x0"),
        (lambda: run(METHODS[0], tolerance=0.0), "tolerance: 0.0"),
        (lambda: run(METHODS[0], state=np.zeros(3)), "of another method or problem"),
        (lambda: run(SABA(), Broken(9, None)), "has no n_records"),
        (lambda: run(AID(), object()), "has no method upper"),
        (lambda: METHODS[0].run(PROBLEM, 3, 5), "rng: 5 is not"),
        (lambda: run(AID(), NoSecond()), "has no lower_hessian_product, which AID needs"),
    ],
)
def test_bad_input_is_named(call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call()


class NoSecond(Broken):
    lower_hessian_product = None

    def __init__(self):
        super().__init__(9, None)


def test_schedules():
    assert PowerLaw(2.0).values(3, 5).tolist() == [2.0, 2.0]
    assert Counts(2.0, 1.0, 1.0).values(0, 3).tolist() == [2, 4, 6]
    assert inner_steps_for(0.05) == math.ceil(3 * math.log(200))
    with pytest.raises(ValueError, match="sigma: 0"):
        inner_steps_for(0)
    # Long runs ask for schedules in pieces, which join.
    method = PenaltySingleLoop(PowerLaw(0.1, -0.2), alpha=1e-3)
    plain = run(method, CounterExample("kink"), horizon=9000, checkpoints=[9000])
    pieces = run(method, CounterExample("kink"), horizon=9000, checkpoints=[100, 8192, 8193])
    np.testing.assert_array_equal(plain.outcome["state"], pieces.outcome["state"])
