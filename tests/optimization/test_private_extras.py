"""Schedules of the paper, tuned noise, SVRG, public regularisers, warm starts, released norms, population bounds."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.privacy import gaussian_epsilon, gaussian_mu, zcdp_epsilon
from optimization.differentially_private import (
    DPFTRL,
    DPGD,
    DPSARAH,
    DPSGD,
    DPSVRG,
    DPFrankWolfe,
    OutputPerturbation,
    PrivateSpiderBoost,
    RecursiveRegularization,
    TreeSpider,
    WarmStart,
    bound_glm_uniform_printed,
    convex_population_rate,
    glm_rate,
    outside_gradient_bound,
    paper_schedule,
    population_lower_bound,
    private_gradient_norm,
    spider_error_bound,
    spider_schedule,
    split_budget,
    theory_noise_scales,
)
from optimization.differentially_private.release import rho_for
from simulators.erm import (
    CoinPopulation,
    LinearModelRisk,
    Loss,
    MeanRisk,
    PerRecordRisk,
    RegularizedRisk,
    breast_cancer,
    robust_regression,
)

SEEDS = st.integers(0, 2**32)


def rng(seed=0):
    return np.random.default_rng(seed)


def problem_of(seed, n=20, d=3):
    return robust_regression(n, d, rng(seed))


# Schedules


def test_the_paper_s_parameters():
    found = paper_schedule(10_000, 10, 1.0, 1e-5, lipschitz=1.0, smoothness=1.0, gap=1.0)
    assert found == (9103, 95, 104, 0.5)


@given(st.integers(1, 10**6), st.integers(1, 50), st.floats(0.05, 5), *[st.floats(0.1, 10)] * 3, st.floats(1e-9, 1e-3))
def test_the_paper_s_parameters_are_in_their_ranges(n, d, epsilon, lipschitz, smoothness, gap, delta):
    constants = {"lipschitz": lipschitz, "smoothness": smoothness, "gap": gap}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = paper_schedule(n, d, epsilon, delta, strict=False, **constants)
    assert 1 <= found.phase <= found.horizon
    assert 1 <= found.variation_batch <= n
    a = math.sqrt(d * math.log(1 / delta)) / (n * epsilon)
    assert found.horizon >= 1 / a - 1
    assert found.step == 0.5 / smoothness
    # Units: a loss times c with all constants times c asks for the same schedule; so do records in other units.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scaled = paper_schedule(n, d, epsilon, delta, strict=False, **{k: 4.0 * v for k, v in constants.items()})
    assert scaled[:3] == pytest.approx(found[:3], abs=1)


def test_too_few_records_for_the_theorem():
    with pytest.raises(ValueError, match=r"n_records: 3 is below 31\.6228, from which on Theorem B.3 holds"):
        paper_schedule(3, 10, 0.1, 1e-5, lipschitz=1.0, smoothness=1.0, gap=1.0)
    with pytest.warns(UserWarning, match="Theorem B.3"):
        paper_schedule(3, 10, 0.1, 1e-5, lipschitz=1.0, smoothness=1.0, gap=1.0, strict=False)


@given(st.integers(1, 10**5), st.integers(1, 10**4), st.floats(0.1, 10), st.floats(0.1, 10), st.data())
def test_theory_noise_scales(n, steps, lipschitz, smoothness, data):
    phase, b1, b2 = data.draw(st.integers(1, steps)), data.draw(st.integers(1, n)), data.draw(st.integers(1, n))
    found = theory_noise_scales(
        n, steps, phase, 0.5, 1e-5, lipschitz=lipschitz, smoothness=smoothness, anchor_batch=b1, variation_batch=b2, c=2
    )
    root = math.sqrt(math.log(1e5)) / 0.5
    assert found.anchor == pytest.approx(2 * lipschitz * root * max(1 / b1, math.sqrt(steps / phase) / n))
    assert found.variation == pytest.approx(2 * smoothness * root * max(1 / b2, math.sqrt(steps) / n))
    assert found.cap / found.variation == pytest.approx(2 * lipschitz / smoothness)


def test_theory_noise_scales_say_nothing_for_large_budgets():
    sizes = {"lipschitz": 1.0, "smoothness": 1.0, "anchor_batch": 5, "variation_batch": 5, "c": 1.0}
    with pytest.raises(ValueError, match=r"epsilon: 2\.0 is above 1"):
        theory_noise_scales(5, 4, 2, 2.0, 1e-5, **sizes)
    with pytest.raises(ValueError, match="8 is above the 5 records"):
        theory_noise_scales(5, 4, 2, 1.0, 1e-5, **(sizes | {"anchor_batch": 8}))


def test_the_paper_s_indexing_makes_one_release_more():
    problem = problem_of(1)
    run = PrivateSpiderBoost(2.0, 1e-5, 3, indexing="paper").run(problem, 6, rng(), trace=True)
    assert run.rounds[-1] == 7
    z = run.outcome["noise_multiplier"]
    anchors = 6 // 3 + 1
    assert anchors / z[0] ** 2 + (7 - anchors) / z[1] ** 2 == pytest.approx(gaussian_mu(2.0, 1e-5) ** 2)
    outputs = [
        PrivateSpiderBoost(2.0, 1e-5, 3, indexing="paper").run(problem, 2, rng(seed), trace=True).outcome
        for seed in range(40)
    ]
    places = {
        next(k for k, w in enumerate(one["iterates"]) if np.array_equal(w, one["iterate"])) for one in outputs
    }  # w_0 = 0 is never returned
    assert places == {1, 2}
    with pytest.raises(ValueError, match="is for simulations"):
        PrivateSpiderBoost(2.0, 1e-5, 3, indexing="paper", mode="release")


# Noise tuned for the certificate


@settings(max_examples=20)
@given(SEEDS, st.floats(0.5, 20), st.integers(2, 60), st.integers(2, 8))
def test_a_tuned_share_makes_the_certificate_least(seed, epsilon, horizon, phase):
    problem = problem_of(seed, 200, 3)
    tuned = PrivateSpiderBoost(epsilon, 1e-5, phase, anchor_share="tuned")
    best = tuned.certificate(problem, horizon)
    for share in np.linspace(0.02, 0.98, 25):
        other = PrivateSpiderBoost(epsilon, 1e-5, phase, anchor_share=share).certificate(problem, horizon)
        assert math.isnan(other) or best <= other * (1 + 1e-9)
    run = tuned.run(problem, horizon, rng(seed)).outcome
    assert run["epsilon"] == pytest.approx(epsilon, rel=1e-9)
    anchors = -(-horizon // phase)
    spent = anchors / run["noise_multiplier"][0] ** 2
    if horizon > anchors:
        spent += (horizon - anchors) / run["noise_multiplier"][1] ** 2
    assert spent == pytest.approx(gaussian_mu(epsilon, 1e-5) ** 2)


@pytest.mark.slow
@pytest.mark.extended
def test_a_tuned_ratio_for_batches():
    problem = robust_regression(2000, 3, rng(0))
    settings_ = {"anchor_batch": 2000, "variation_batch": 400, "sampling": "poisson", "adjacency": "add_remove"}
    kind = {"accountant": "rdp_whole_orders"}
    plain = PrivateSpiderBoost(4.0, 1e-5, 10, **kind, **settings_)
    tuned = PrivateSpiderBoost(4.0, 1e-5, 10, noise_ratio="tuned", **kind, **settings_)
    run = tuned.run(problem, 60, rng(0)).outcome
    assert run["certificate"] <= plain.certificate(problem, 60)
    assert run["epsilon"] <= 4.0
    assert run["epsilon"] == pytest.approx(4.0, rel=1e-3)
    assert run["noise_multiplier"][0] < run["noise_multiplier"][1]  # six whole gradients, and fifty-four variations


def test_a_release_takes_no_tuned_share_and_a_norm_no_gradient_without_numbers():
    with pytest.raises(ValueError, match="anchor_share = 'tuned': is for simulations"):
        PrivateSpiderBoost(2.0, 1e-5, 3, anchor_share="tuned", mode="release")
    broken = PerRecordRisk(4, 1, lambda w, i: np.zeros(len(i)), lambda w, i: np.full((len(i), 1), math.nan))
    with pytest.raises(ValueError, match="the gradient at w is not finite"):
        private_gradient_norm(broken, [0.0], 1.0, 1e-5, rng())


# SVRG


@settings(max_examples=25)
@given(SEEDS, st.integers(1, 14), st.integers(1, 5), st.floats(0.3, 20))
def test_svrg_line_by_line(seed, horizon, phase, epsilon):
    problem = problem_of(seed)
    run = DPSVRG(epsilon, 1e-5, phase).run(problem, horizon, rng(seed), trace=True).outcome
    z, own = run["noise_multiplier"], rng(seed)
    own.random()
    w = np.zeros(3)
    for t in range(horizon):
        np.testing.assert_allclose(run["iterates"][t], w, rtol=1e-9, atol=1e-12)
        gradient = problem.gradient_sum(w)
        if t % phase == 0:
            snapshot = w
            anchor = (gradient + 2 * problem.lipschitz * (1 + 1e-12) * z[0] * own.standard_normal(3)) / 20
            v = anchor
        else:
            reach = min(np.linalg.norm(w - snapshot), 2 * problem.lipschitz)
            change = gradient - problem.gradient_sum(snapshot)
            v = anchor + (change + 2 * reach * (1 + 1e-12) * z[1] * own.standard_normal(3)) / 20
        w = w - 0.5 * v
    assert run["epsilon"] == pytest.approx(epsilon, rel=1e-9)
    assert math.isnan(run["certificate"]) or phase <= 2


def test_sarah_is_spiderboost_that_returns_the_last():
    problem = problem_of(1)
    one = DPSARAH(2.0, 1e-5, 4).run(problem, 9, rng(1)).outcome
    two = PrivateSpiderBoost(2.0, 1e-5, 4, output="last").run(problem, 9, rng(1)).outcome
    np.testing.assert_array_equal(one["iterate"], two["iterate"])
    np.testing.assert_equal(one["certificate"], two["certificate"])


def test_svrg_released_stays_within_its_budget():
    found = DPSVRG(4.0, 1e-4, 3, mode="release", output="last").run(breast_cancer(), 7, None).outcome
    assert found["epsilon"] <= 4.0
    assert found["status"] == "finished"
    # With a huge budget the noise is nothing, and the release follows the method without noise.
    wide = DPSVRG(1e6, 1e-4, 3, mode="release", output="last").run(breast_cancer(), 7, None).outcome["iterate"]
    free = DPSVRG(math.inf, 1e-4, 3, output="last").run(breast_cancer(), 7, rng()).outcome["iterate"]
    np.testing.assert_allclose(wide, free, atol=2e-3 * np.abs(free).max())


# Regularisers that no record touches


def test_a_public_regulariser_costs_nothing_and_moves_the_iterates():
    risk, rho = breast_cancer("logistic"), 0.5
    method = PrivateSpiderBoost(2.0, 1e-5, 4, output="last")
    plain, bent = (method.run(one, 12, rng(3), trace=True).outcome for one in (risk, RegularizedRisk(risk, rho)))
    assert (plain["epsilon"], plain["noise_multiplier"].tolist()) == (
        bent["epsilon"],
        bent["noise_multiplier"].tolist(),
    )
    assert plain["noise"][0] == bent["noise"][0]  # the sensitivity is the records'
    assert bent["step"] == pytest.approx(0.5 / (0.25 + 2 * rho))
    # The first step again, by hand: what was released, and the regulariser added to it.
    w = bent["iterates"][1]
    np.testing.assert_allclose(w, -bent["step"] * bent["releases"][0] / 569, rtol=1e-12)
    again = w - bent["step"] * ((bent["releases"][0] + bent["releases"][1]) / 569 + 2 * rho * w / (1 + w**2) ** 2)
    np.testing.assert_allclose(bent["iterates"][2], again, rtol=1e-10, atol=1e-14)


def test_true_gradients_are_of_both_parts():
    risk = RegularizedRisk(problem_of(3), 0.3)
    run = DPGD(3.0, 1e-5).run(risk, 5, rng(0), trace=True, checkpoints=range(1, 6))
    truth = [np.linalg.norm(risk.gradient(w)) for w in run.outcome["iterates"]]
    np.testing.assert_allclose(run.metrics["gradient_norm"], truth, rtol=1e-12)
    np.testing.assert_allclose(run.metrics["value"], [risk.value(w) for w in run.outcome["iterates"]], rtol=1e-12)


def test_certificates_hold_with_a_regulariser():
    risk = RegularizedRisk(problem_of(3, 400), 0.2)
    method = PrivateSpiderBoost(20.0, 1e-5, 3)
    runs = [method.run(risk, 20, rng(seed)).outcome for seed in range(30)]
    assert math.sqrt(np.mean([one["root_mean_square"] ** 2 for one in runs])) <= runs[0]["certificate"]


def test_a_release_with_a_regulariser():
    risk = RegularizedRisk(breast_cancer("logistic"), 0.1, "ridge")
    wide = DPGD(1e6, 1e-4, mode="release", output="last").run(risk, 6, None).outcome
    free = DPGD(math.inf, 1e-4, output="last").run(risk, 6, rng()).outcome
    np.testing.assert_allclose(wide["iterate"], free["iterate"], atol=2e-3 * np.abs(free["iterate"]).max())


@pytest.mark.parametrize(
    "method",
    [
        TreeSpider(1.0, 1e-5),
        RecursiveRegularization(1.0, 1e-5, radius=1.0),
        OutputPerturbation(1.0, 1e-5, 0.1),
        DPFrankWolfe(1.0, 1e-5, 1.0),
        DPFTRL(1.0, 1e-5, 0.1),
    ],
)
def test_methods_that_take_no_regulariser_say_so(method):
    with pytest.raises(ValueError, match=f"public regulariser, which {type(method).__name__} does not take"):
        method.run(RegularizedRisk(breast_cancer("logistic"), 0.1), 2, rng())


# Models whose constants are only assumed


def steep_model(n=30):
    points = rng(7).standard_normal((n, 2)) * 5
    return PerRecordRisk(
        n, 2, lambda w, i: 0.5 * ((w - points[i]) ** 2).sum(axis=1), lambda w, i: w - points[i], smoothness=1.0
    )


def test_assumed_constants_are_clipped_and_never_certified():
    risk = steep_model()
    for adjacency, sides in (("replace_one", 2.0), ("add_remove", 1.0)):
        run = PrivateSpiderBoost(2.0, 1e-5, 3, adjacency=adjacency).run(risk, 8, rng(1), trace=True).outcome
        assert math.isnan(run["certificate"])
        assert run["noise"][0] == pytest.approx(sides * run["noise_multiplier"][0])
    for method in (PrivateSpiderBoost(2.0, 1e-5, 3, enforce="assume"), DPFTRL(1.0, 1e-5, 0.1, enforce="assume")):
        with pytest.raises(ValueError, match="the problem only assumes its constants"):
            method.run(risk, 4, rng())


@given(SEEDS, st.integers(1, 8))
def test_sensitivity_of_users_models(seed, n):
    """A record replaced moves no sum by more than the table of section 1 says, whatever the callback returns."""
    source = rng(seed)
    wild = source.standard_normal((2, n, 3)) * 10.0 ** source.uniform(-3, 3, (2, n, 1))
    wild[1, 1:] = wild[0, 1:]

    def risk(k):
        def gradients(w, records):
            return wild[k][records] * (1 + np.abs(w).sum()) + w

        return PerRecordRisk(n, 3, lambda w, i: np.zeros(len(i)), gradients, lipschitz=2.0, smoothness=0.5)

    w, before = source.standard_normal((2, 3))
    change = risk(0).gradient_sum(w, clip=2.0) - risk(1).gradient_sum(w, clip=2.0)
    assert np.linalg.norm(change) <= 4.0 * (1 + 1e-11)
    reach = min(0.5 * float(np.linalg.norm(w - before)), 4.0)
    moved = [risk(k).variation_sum(w, before, clip=reach) for k in (0, 1)]
    assert np.linalg.norm(moved[0] - moved[1]) <= 2 * reach * (1 + 1e-11)


@pytest.mark.parametrize(
    "method",
    [
        TreeSpider(1.0, 1e-5),
        RecursiveRegularization(1.0, 1e-5, radius=1.0),
        DPFrankWolfe(1.0, 1e-5, 1.0),
        DPFTRL(1.0, 1e-5, 0.1),
        PrivateSpiderBoost(1.0, 1e-5, 2),
        DPSVRG(1.0, 1e-5, 2),
    ],
)
@pytest.mark.parametrize("after", [0, 3])
def test_records_without_numbers_end_every_run_with_a_status(method, after):
    calls = 0

    def gradients(w, records):
        nonlocal calls
        calls += 1
        return np.full((len(records), 2), 1.0 if calls <= after else math.nan)

    problem = PerRecordRisk(2000, 2, lambda w, i: np.zeros(len(i)), gradients, block=10**6)
    horizon = 2 if isinstance(method, TreeSpider) else 6
    run = method.run(problem, horizon, rng())
    assert run.outcome["status"] == "oracle_error"
    assert np.isfinite(run.outcome["iterate"]).all()
    assert run.outcome["iterate"].shape == (2,)
    assert not run.rounds.size or run.rounds[-1] < horizon


# Lemma 4.1


@pytest.mark.guarantee("spider_error_bound")
def test_the_error_of_an_estimate_is_lemma_4_1():
    """Full batches and a cap out of reach: equality, 4000 runs, six standard errors."""
    problem = robust_regression(40, 3, rng(0))
    method, steps, errors, moves = PrivateSpiderBoost(60.0, 1e-5, 8, step=0.3), 8, [], []
    for seed in range(4000):
        run = method.run(problem, steps, rng(seed), trace=True, checkpoints=[steps]).outcome
        estimates = np.cumsum(run["releases"], axis=0) / 40
        truth = problem.gradient_sum(run["iterates"][-1]) / 40
        errors.append(float(np.sum((estimates[-1] - truth) ** 2)))
        moves.append(np.sum(np.diff(run["iterates"], axis=0) ** 2, axis=1))
        assert np.sqrt(moves[-1]).max() < 2 * problem.lipschitz / problem.smoothness
    z = run["noise_multiplier"]
    anchor = 3 * (2 * problem.lipschitz * z[0] / 40) ** 2
    variation = 3 * (2 * problem.smoothness * z[1] / 40) ** 2
    expected = spider_error_bound(anchor, variation, np.mean(moves, axis=0))
    # Both are means over the same runs; the difference has its own error.
    gaps = np.array(errors) - anchor - variation * np.sum(moves, axis=1)
    assert abs(np.mean(errors) - expected) <= 6 * gaps.std() / math.sqrt(4000)
    assert expected > 1.5 * anchor  # the second term is seen


@pytest.mark.guarantee("spider_error_bound")
@given(st.floats(0, 10), st.floats(0, 10), st.lists(st.floats(0, 10), max_size=5))
def test_the_error_bound_adds_up(anchor, variation, moves):
    assert spider_error_bound(anchor, variation, moves) == pytest.approx(anchor + variation * sum(moves))
    with pytest.raises(ValueError, match="must be numbers >= 0"):
        spider_error_bound(-1.0, variation, moves)


# Warm starts


@given(st.floats(0.1, 20), st.floats(1e-9, 1e-3), st.lists(st.floats(0.05, 1), min_size=1, max_size=4))
def test_parts_of_a_budget_compose_to_it(epsilon, delta, parts):
    shares = np.array(parts) / sum(parts)
    found = split_budget(epsilon, delta, shares)
    mu = math.sqrt(sum(gaussian_mu(one, delta) ** 2 for one in found if one > 0))
    assert gaussian_epsilon(mu, delta) == pytest.approx(epsilon, rel=1e-6)
    assert sum(found) >= epsilon * (1 - 1e-9) or len(found) > 1


def test_a_warm_start_is_two_runs():
    problem = problem_of(2)
    first, second = DPGD(1.0, 1e-5, output="last"), PrivateSpiderBoost(2.0, 1e-5, 3)
    both = WarmStart(first, second, 5).run(problem, 7, rng(4))
    own = rng(4)
    one = first.run(problem, 5, own)
    two = second.run(problem, 7, own, start=one.outcome["iterate"])
    np.testing.assert_array_equal(both.outcome["iterate"], two.outcome["iterate"])
    np.testing.assert_array_equal(both.outcome["start"], one.outcome["iterate"])
    assert both.rounds.tolist() == [1, 2, 3, 4, 5, *range(6, 13)]
    assert both.metrics["gradient_evaluations"][-1] == 20 * 5 + two.metrics["gradient_evaluations"][-1]
    mu = math.hypot(gaussian_mu(1.0, 1e-5), gaussian_mu(2.0, 1e-5))
    assert both.outcome["epsilon"] == pytest.approx(gaussian_epsilon(mu, 1e-5))
    assert math.isnan(both.outcome["certificate"])


def test_budgets_that_are_not_gaussian_add_up():
    problem = breast_cancer("logistic")
    method = WarmStart(OutputPerturbation(1.0, 1e-4, 0.1), PrivateSpiderBoost(2.0, 1e-5, 3), 1)
    found = method.run(problem, 4, rng()).outcome
    assert (found["epsilon"], found["accountant"]) == (pytest.approx(3.0), "basic composition")
    assert found["delta"] == pytest.approx(1.1e-4)
    with pytest.raises(ValueError, match="replace_one and add_remove do not compose"):
        WarmStart(DPGD(1.0, 1e-5), DPGD(1.0, 1e-5, adjacency="add_remove"), 3)


def test_a_released_warm_start():
    first = DPGD(1.0, 1e-4, output="last", mode="release")
    found = WarmStart(first, PrivateSpiderBoost(2.0, 1e-4, 3, mode="release"), 2).run(breast_cancer(), 4, None)
    assert found.rounds.tolist() == [6]
    rho = sum(rho_for(epsilon, 1e-4) for epsilon in (1.0, 2.0))
    assert found.outcome["epsilon"] == pytest.approx(zcdp_epsilon(rho, 1e-4), rel=1e-6)
    assert found.outcome["epsilon"] < 3.0
    assert "two runs together" in found.outcome["statement"]


# Released gradient norms


@pytest.mark.parametrize(("adjacency", "sides"), [("replace_one", 2.0), ("add_remove", 1.0)])
def test_a_released_norm_covers_the_true_one(adjacency, sides):
    problem, w = breast_cancer(), np.full(31, 0.3)
    truth = np.linalg.norm(problem.gradient(w))
    source, runs = rng(0), 2000
    found = [
        private_gradient_norm(problem, w, 1.0, 1e-5, source, adjacency=adjacency, confidence=0.9) for _ in range(runs)
    ]
    noise = sides * problem.lipschitz / 569 / gaussian_mu(1.0, 1e-5)
    assert found[0].noise == pytest.approx(noise, rel=1e-9)
    values = np.array([one.estimate for one in found])
    assert abs(values.mean() - truth) < 6 * noise / math.sqrt(runs)
    assert abs(values.std() / noise - 1) < 6 / math.sqrt(2 * runs)
    covered = sum(one.lower <= truth <= one.upper for one in found)
    assert abs(covered - 0.9 * runs) < 6 * math.sqrt(runs * 0.09)
    assert (found[0].epsilon, found[0].delta, found[0].adjacency) == (1.0, 1e-5, adjacency)


@given(SEEDS, st.integers(1, 8))
def test_a_norm_moves_no_more_than_its_noise_is_for(seed, n):
    source = rng(seed)
    rows = source.standard_normal((2, n, 3))
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    rows[1, 1:] = rows[0, 1:]
    labels = np.where(source.random(n) < 0.5, 1.0, -1.0)
    changed = labels * np.where(np.arange(n) == 0, source.choice([-1.0, 1.0]), 1.0)
    w = 3 * source.standard_normal(3)
    norms = [
        np.linalg.norm(LinearModelRisk(rows[k], (labels, changed)[k], Loss("logistic")).gradient(w)) for k in (0, 1)
    ]
    assert abs(norms[0] - norms[1]) <= 2.0 / n * (1 + 1e-12)


def test_a_norm_released_with_exact_noise():
    problem, w = breast_cancer(), np.full(31, 0.3)
    truth = float(np.linalg.norm(problem.gradient(w)))
    found = [private_gradient_norm(problem, w, 8.0, 1e-5, None, mode="release") for _ in range(60)]
    assert all(one.epsilon <= 8.0 for one in found)
    values, noise = np.array([one.estimate for one in found]), found[0].noise
    assert {one.noise for one in found} == {noise}
    assert noise >= 2 * problem.lipschitz / 569 / math.sqrt(2 * rho_for(8.0, 1e-5))
    assert abs(values.mean() - truth) < 6 * noise / math.sqrt(60)
    wide = private_gradient_norm(problem, w, 1e9, 1e-5, None, mode="release")
    assert wide.estimate == pytest.approx(truth, abs=1e-5)


def test_norms_refuse_what_is_no_release():
    problem, w = breast_cancer(), np.zeros(31)
    with pytest.raises(ValueError, match="noise that can be repeated protects nobody"):
        private_gradient_norm(problem, w, 1.0, 1e-5, rng(), mode="release")
    with pytest.raises(ValueError, match="rng: None is not"):
        private_gradient_norm(problem, w, 1.0, 1e-5, None)
    with pytest.raises(ValueError, match="lattice_gradient_sum, which a release needs"):
        private_gradient_norm(MeanRisk([[0.1]]), [0.0], 1.0, 1e-5, None, mode="release")
    with pytest.raises(ValueError, match="inf asks for no noise"):
        private_gradient_norm(problem, w, math.inf, 1e-5, rng())
    with pytest.raises(ValueError, match=r"confidence: 1 is not in \(0, 1\)"):
        private_gradient_norm(problem, w, 1.0, 1e-5, rng(), confidence=1)
    with pytest.raises(ValueError, match="mode: 'test' is neither"):
        private_gradient_norm(problem, w, 1.0, 1e-5, rng(), mode="test")
    with pytest.raises(ValueError, match=r"finite numbers of shape \(31,\)"):
        private_gradient_norm(problem, w[1:], 1.0, 1e-5, rng())
    with pytest.warns(UserWarning, match="is not below 1 / n"):
        private_gradient_norm(problem, w, 1.0, 0.1, rng())


# Populations


@pytest.mark.guarantee("population_lower_bound")
@given(st.integers(1, 40), SEEDS, st.floats(0.1, 5))
def test_no_rule_beats_the_coin(n, seed, lipschitz):
    """Any function of the number of ones, exactly over their law under both biases."""
    rule = rng(seed).standard_normal(n + 1) * rng(seed + 1).choice([0.02, 0.1, 1.0])
    rules = [rule, np.zeros(n + 1), -(2 * np.arange(n + 1) / n - 1) / 2]  # any, none, the empirical minimiser
    for w in rules:
        means = []
        for bias in (-1, 1):
            population = CoinPopulation(n, bias, lipschitz, lipschitz)
            law = [math.comb(n, k) * population.heads**k * (1 - population.heads) ** (n - k) for k in range(n + 1)]
            means.append(sum(p * abs(population.gradient(float(at))) for p, at in zip(law, w, strict=True)))
        assert max(means) >= population_lower_bound(n, lipschitz)


@pytest.mark.guarantee("outside_gradient_bound")
@given(SEEDS, st.integers(1, 4), st.floats(0.2, 3))
def test_gradients_outside_a_sphere(seed, d, radius):
    """Convex quadratics around a point inside: the smallest inward slope on the sphere, over the radius."""
    source = rng(seed)
    half = source.standard_normal((d, d))
    shape, centre = half @ half.T + 0.1 * np.eye(d), 0.2 * radius * source.standard_normal(d) / math.sqrt(d)
    sphere = source.standard_normal((400, d))
    sphere *= radius / np.linalg.norm(sphere, axis=1, keepdims=True)
    inward = np.einsum("ij,ij->i", (sphere - centre) @ shape, sphere).min()
    if inward > 0:
        rays = sphere[:50] * (1 + 3 * source.random((50, 1)))
        least = np.linalg.norm((rays - centre) @ shape, axis=1).min()
        # The lemma is of the least slope over the whole sphere; along a ray its own slope is enough.
        own = np.einsum("ij,ij->i", (sphere[:50] - centre) @ shape, sphere[:50])
        assert (np.linalg.norm((rays - centre) @ shape, axis=1) >= own / radius * (1 - 1e-9)).all()
        assert least >= outside_gradient_bound(inward, radius) * (1 - 1e-9)


@pytest.mark.guarantee("convex_population_rate")
@given(st.integers(10, 10**6), st.integers(1, 1000), st.floats(0.05, 10))
def test_the_convex_rate(n, d, epsilon):
    rate = convex_population_rate(n, d, epsilon, 1e-6, 2.0)
    private = 2.0 * math.sqrt(d * math.log(1e6)) / (n * epsilon)
    assert rate == pytest.approx(2.0 / math.sqrt(n) + private)
    assert convex_population_rate(n, d, math.inf, 1e-6, 2.0) == pytest.approx(2.0 / math.sqrt(n))
    assert rate >= population_lower_bound(n, 2.0)  # an upper rate is above the lower bound
    linear = convex_population_rate(n, d, epsilon, 1e-6, 2.0, smoothness=3.0, radius=2.0)
    assert linear - rate == pytest.approx(6.0 / math.sqrt(n))


@pytest.mark.guarantee("glm_rate")
@given(st.integers(2, 10**6), st.integers(1, 10**5), st.floats(0.05, 10))
def test_the_rate_of_linear_models(n, rank, epsilon):
    size = n * epsilon
    assert glm_rate(n, rank, epsilon, population=False) == pytest.approx(
        min((math.sqrt(rank) / size) ** (2 / 3), size**-0.4)
    )
    assert glm_rate(n, rank, epsilon, convex=True) == pytest.approx(
        1 / math.sqrt(n) + min(math.sqrt(rank) / size, 1 / math.sqrt(size))
    )
    # From the rank at which both terms are equal the rate no longer depends on it.
    enough = math.ceil(size**0.8)
    assert glm_rate(n, enough, epsilon) == pytest.approx(glm_rate(n, 100 * enough, epsilon))


@pytest.mark.guarantee("bound_glm_uniform_printed")
@given(st.integers(40_000, 10**7))
def test_the_printed_uniform_bound_is_broken(n):
    """The counter-example in closed form: n records on 100 n coordinates, w weighs those that were drawn.

    All drawn coordinates different, as a lower estimate of the deviation along e_0 needs no more.
    """
    with pytest.warns(UserWarning, match="Lemma E.2 is false"):
        bound = bound_glm_uniform_printed(n, math.sqrt(2 * n), 0.01)
    sample = 1 / math.sqrt(2)  # every margin is 1, every slope 1, and every row has 1 / sqrt(2) at e_0
    population = n / (100 * n) / math.sqrt(2)  # of the coordinates 1 in 100 was drawn, the other margins are 0
    deviation = sample - population
    assert deviation == pytest.approx(0.7, abs=0.001)
    assert deviation > bound


def test_the_printed_uniform_bound_is_broken_by_records():
    """The same, drawn; coordinates as sets, as no matrix of 100 n columns is needed."""
    n = 100_000
    drawn = rng(0).integers(0, 100 * n, n)
    seen, counts = np.unique(drawn, return_counts=True)
    norm = math.sqrt(2.0 * seen.size)
    assert norm <= math.sqrt(2 * n)
    # Huber's slope at a margin of 1 is 1: what records have along e_0 and drawn coordinates, less the population's.
    along_zero = 1.0 - seen.size / (100 * n)
    along_each = counts / n - 1 / (100 * n)
    deviation = math.sqrt((along_zero**2 + np.sum(along_each**2)) / 2)
    with pytest.warns(UserWarning, match="Lemma E.2"):
        assert deviation > 2 * bound_glm_uniform_printed(n, math.sqrt(2 * n), 0.01)
    assert deviation == pytest.approx(0.700, abs=2e-3)


def test_schedules_are_of_records_not_of_regularisers():
    risk = breast_cancer()
    assert spider_schedule(risk, 1.0, 1e-5) == spider_schedule(RegularizedRisk(risk, 1.0), 1.0, 1e-5)


def test_dpsgd_takes_a_regulariser():
    risk = RegularizedRisk(problem_of(1, 200), 0.2)
    run = DPSGD(4.0, 1e-5, anchor_batch=50, accountant="rdp").run(risk, 10, rng())
    assert run.outcome["step"] == pytest.approx(1 / 1.4)
    assert run.outcome["status"] == "finished"
