"""Methods without privacy: line by line against slow versions, each other, and their bounds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimization.differentially_private import (
    DPGD,
    GD,
    PAGE,
    SARAH,
    SGD,
    SVRG,
    PrivateSpiderBoost,
    Spider,
    SpiderBoost,
    page_bound_holds,
    sgd_bound,
    spider_accuracy_bound,
    spider_bound,
    svrg_bound,
)
from simulators.erm import LinearModelRisk, LinearRisk, Loss, PerRecordRisk, RegularizedRisk, robust_regression

SEEDS = st.integers(0, 2**32)
METHODS = [GD(), SGD(batch=3), SVRG(), SARAH(), SpiderBoost(), Spider(accuracy=0.1), PAGE()]


def rng(seed=0):
    return np.random.default_rng(seed)


def problem_of(seed, n=12, d=3):
    return robust_regression(n, d, rng(seed))


def of_one(problem, w, i):
    return problem.gradient_sum(w, batch=np.array([i]))


def slow(problem, steps, seed, rule, *, step, batch, phase=None, restart=None, accuracy=None):
    """Every method record by record; the first number drawn is the output's."""
    own, n = rng(seed), problem.n_records
    own.random()
    w, path, snapshot, whole, before, v = np.zeros(problem.dimension), [], None, None, None, None
    for t in range(steps):
        path.append(w)
        at_anchor = rule == "gd" or (t == 0 and rule != "sgd")
        if t > 0 and rule == "page":
            at_anchor = own.random() < restart
        elif t > 0 and phase is not None:
            at_anchor = t % phase == 0
        if at_anchor:
            v = np.mean([of_one(problem, w, i) for i in range(n)], axis=0)
            snapshot, whole = w, v
        else:
            drawn = [int(u * n) for u in own.random(batch)]
            mean = np.mean([of_one(problem, w, i) for i in drawn], axis=0)
            if rule == "sgd":
                v = mean
            elif rule == "svrg":
                v = whole + mean - np.mean([of_one(problem, snapshot, i) for i in drawn], axis=0)
            else:
                v = v + mean - np.mean([of_one(problem, before, i) for i in drawn], axis=0)
        before = w
        length = step if accuracy is None else min(step, accuracy / problem.smoothness / np.linalg.norm(v))
        w = w - length * v
    return path, w


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 15), st.integers(1, 4), st.integers(1, 5))
def test_runs_are_their_algorithms_line_by_line(seed, steps, batch, phase):
    problem = problem_of(seed)
    cases = [
        (GD(0.7), "gd", {"step": 0.7, "batch": 12}),
        (SGD(0.3, batch=batch), "sgd", {"step": 0.3, "batch": batch}),
        (SVRG(0.2, phase=phase, batch=batch), "svrg", {"step": 0.2, "batch": batch, "phase": phase}),
        (SARAH(0.2, phase=phase, batch=batch), "sarah", {"step": 0.2, "batch": batch, "phase": phase}),
        (SpiderBoost(), "sarah", {"step": 0.5, "batch": 4, "phase": 4}),
        (
            Spider(accuracy=0.05, phase=phase, batch=batch),
            "sarah",
            {"step": 0.5, "batch": batch, "phase": phase, "accuracy": 0.05},
        ),
        (PAGE(0.3, batch=batch, restart=0.4), "page", {"step": 0.3, "batch": batch, "restart": 0.4}),
    ]
    for method, rule, numbers in cases:
        run = method.run(problem, steps, rng(seed), checkpoints=range(1, steps + 1))
        path, _ = slow(problem, steps, seed, rule, **numbers)
        truth = [np.linalg.norm(problem.gradient(w)) for w in path]
        np.testing.assert_allclose(run.metrics["gradient_norm"], truth, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(run.metrics["value"], [problem.value(w) for w in path], rtol=1e-9, atol=1e-12)
        assert run.outcome["root_mean_square"] == pytest.approx(math.sqrt(np.mean(np.square(truth))), rel=1e-7)
        chosen = path[int(rng(seed).random() * steps)]
        np.testing.assert_allclose(run.outcome["iterate"], chosen, rtol=1e-7, atol=1e-10)


@given(SEEDS, st.integers(1, 10))
def test_outputs_and_work(seed, steps):
    problem = problem_of(seed)
    path, end = slow(problem, steps, seed, "gd", step=0.7, batch=12)
    # Without a number to draw for the output, nothing random is left.
    last = GD(0.7, output="last").run(problem, steps, rng(seed)).outcome["iterate"]
    np.testing.assert_allclose(last, end, rtol=1e-9, atol=1e-12)
    average = GD(0.7, output="average").run(problem, steps, rng(seed)).outcome["iterate"]
    np.testing.assert_allclose(average, np.mean(path, axis=0), rtol=1e-9, atol=1e-12)
    run = SVRG(0.2, phase=3, batch=2).run(problem, steps, rng(seed))
    whole = -(-steps // 3)
    assert run.metrics["gradient_evaluations"][-1] == 12 * whole + 4 * (steps - whole)


@given(SEEDS, st.integers(1, 20))
def test_gradient_descent_is_private_descent_without_noise(seed, steps):
    problem = RegularizedRisk(problem_of(seed), 0.1)
    private = DPGD(math.inf, 0.01, output="last").run(problem, steps, rng(seed)).outcome
    free = GD(output="last").run(problem, steps, rng(seed)).outcome
    assert free["step"] == private["step"] == pytest.approx(1 / 1.2)
    np.testing.assert_allclose(free["iterate"], private["iterate"], rtol=1e-12, atol=1e-15)
    boosted = PrivateSpiderBoost(math.inf, 0.01, 4, output="last").run(problem, steps, rng(seed)).outcome["iterate"]
    np.testing.assert_allclose(boosted, GD(0.5 / 1.2, output="last").run(problem, steps, rng(seed)).outcome["iterate"],
                               rtol=1e-9, atol=1e-12)  # fmt: skip


def mean_square(method, problem, steps, runs=30):
    squares = [method.run(problem, steps, rng(seed)).outcome["root_mean_square"] ** 2 for seed in range(runs)]
    return math.sqrt(np.mean(squares))


@pytest.mark.parametrize("method", [GD(), SARAH(), SpiderBoost(), PAGE(), PAGE(batch=2, restart=0.3), SVRG(), SGD()])
def test_certificates_hold_with_the_default_steps(method):
    for seed in range(3):
        problem = problem_of(seed, 40, 4)
        for steps in (5, 80):
            certificate = method.certificate(problem, steps)
            assert 0 < mean_square(method, problem, steps) <= certificate
            assert method.run(problem, steps, rng()).outcome["certificate"] == certificate


@pytest.mark.guarantee("svrg_bound")
@settings(max_examples=25)
@given(SEEDS, st.integers(1, 40), st.integers(1, 12), st.integers(1, 4), st.floats(0.01, 0.5))
def test_svrg_within_its_bound(seed, steps, phase, batch, step):
    problem = problem_of(seed, 12, 2)
    bound = svrg_bound(steps, step, problem.gap, 1.0, min(phase, steps), batch)
    if bound < math.inf:
        assert mean_square(SVRG(step, phase=phase, batch=batch), problem, steps, 10) <= bound
    # A phase of one step is gradient descent, whose bound has no room for less.
    assert svrg_bound(steps, step, problem.gap, 1.0, 1) == pytest.approx(
        math.sqrt(problem.gap / (steps * (step - step**2 / 2)))
    )


def test_the_recursion_of_the_svrg_bound():
    """The largest c, by the recursion, for the b of the grid that is best."""

    def gamma(step, phase, batch, b):
        c, least = 0.0, math.inf
        for _ in range(phase):
            least = min(least, step - step**2 / 2 - c * (step / b + step**2))
            c = c * (1 + step * b + step**2 / batch) + step**2 / (2 * batch)
        return least

    for step, phase, batch in ((0.05, 20, 1), (0.1, 7, 3), (0.3, 2, 1)):
        best = max(gamma(step, phase, batch, b) for b in np.geomspace(1e-4, 10.0, 61))
        assert svrg_bound(10, step, 1.0, 1.0, phase, batch) == pytest.approx(math.sqrt(1.0 / (10 * best)))
    assert svrg_bound(10, 0.5, 1.0, 1.0, 1000) == math.inf


@pytest.mark.guarantee("sgd_bound")
@settings(max_examples=25)
@given(SEEDS, st.integers(1, 60), st.integers(1, 8), st.floats(0.01, 1.0))
def test_sgd_within_its_bound(seed, steps, batch, step):
    problem = problem_of(seed, 12, 2)
    bound = sgd_bound(steps, step, problem.gap, 1.0, problem.lipschitz**2 / batch)
    assert mean_square(SGD(step, batch=batch), problem, steps, 10) <= bound


@pytest.mark.guarantee("spider_accuracy_bound")
@settings(max_examples=25)
@given(SEEDS, st.floats(0.02, 0.5), st.integers(1, 60))
def test_spider_within_its_bound(seed, accuracy, steps):
    problem = problem_of(seed, 25, 2)
    means = []
    for r in range(10):
        run = Spider(accuracy=accuracy).run(problem, steps, rng(r), checkpoints=range(1, steps + 1))
        means.append(run.metrics["gradient_norm"].mean())
    assert np.mean(means) <= spider_accuracy_bound(steps, accuracy, problem.gap, 1.0)
    enough = math.ceil(4 * problem.gap / accuracy**2)
    assert spider_accuracy_bound(enough, accuracy, problem.gap, 1.0) <= 5 * accuracy * (1 + 1e-12)


def test_conditions_of_the_bounds():
    # (1 - p) / (p b) = 1: up to the root of x^2 + x = 1.
    assert page_bound_holds(0.618, 1.0, 0.2, 4)
    assert not page_bound_holds(0.6181, 1.0, 0.2, 4)
    assert math.isnan(PAGE(0.9).certificate(problem_of(0), 5))
    assert math.isnan(SARAH(0.9).certificate(problem_of(0), 5))
    assert math.isnan(SVRG(0.9).certificate(problem_of(0), 5))
    assert GD().certificate(problem_of(0), 8) == spider_bound(8, 1.0, 2.0, 0.0)
    with pytest.raises(ValueError, match=r"step: 1.5 is not in \(0, 1 / L1\]"):
        sgd_bound(3, 1.5, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_names_its_privacy_and_repeats_itself(method):
    problem = problem_of(1)
    runs = [method.run(problem, 9, rng(5)) for _ in range(2)]
    assert runs[0].equals(runs[1])
    outcome = runs[0].outcome
    assert (outcome["epsilon"], outcome["adjacency"], outcome["noise_multiplier"]) == (math.inf, "none", 0.0)
    fast = method.run(problem, 9, rng(5), measure_all=False)
    assert math.isnan(fast.outcome["root_mean_square"])
    np.testing.assert_array_equal(fast.outcome["iterate"], outcome["iterate"])


@pytest.mark.parametrize("method", METHODS)
def test_bad_oracles_end_a_run_with_the_last_finite_iterate(method):
    def gradients(w, records):
        return np.full((len(records), 2), math.nan if np.abs(w).max() > 0 else 1.0)

    problem = PerRecordRisk(4, 2, lambda w, i: np.zeros(len(i)), gradients)
    run = method.run(problem, 5, rng()) if method.step else type(method)(0.1).run(problem, 5, rng())
    assert run.outcome["status"] == "oracle_error"
    assert run.rounds.tolist() == [1]
    assert np.isfinite(run.outcome["iterate"]).all()
    assert np.abs(run.outcome["iterate"]).max() > 0
    assert math.isnan(run.outcome["certificate"])


def test_steps_must_be_known():
    with pytest.raises(ValueError, match="step: must be given for a problem without curvature"):
        GD().run(LinearRisk([[1.0]]), 3, rng())
    assert math.isnan(GD(0.1).run(LinearRisk([[1.0]]), 3, rng()).outcome["certificate"])
    with pytest.raises(ValueError, match="rng: 3 is not"):
        GD().run(problem_of(0), 3, 3)
    with pytest.raises(ValueError, match="horizon: 0 is below 1"):
        GD().run(problem_of(0), 0, rng())
    with pytest.raises(ValueError, match="restart = 0"):
        PAGE(restart=0.0)


def test_a_single_record_is_enough():
    problem = LinearModelRisk([[1.0]], [2.0], Loss("huber"), initial_gap=1.5)
    for method in METHODS:
        assert method.run(problem, 6, rng()).outcome["status"] == "finished"
