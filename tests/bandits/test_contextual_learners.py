"""Learners with a number as context, and Tsallis-INF on losses of any size: against their definitions, and bounds."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev as polynomials
from scipy.optimize import lsq_linear

from bandits import (
    UCB1,
    BinMeans,
    ChebCB,
    ChebyshevRidge,
    Exp3,
    LinUCB,
    Regressor,
    SquareCB,
    StepwisePolicy,
    TsallisINF,
    TsallisINFContextual,
    cheb_cb_rates,
    chebyshev_error_bound,
    contextual_tsallis_bound,
    square_cb_bound,
    tsallis_inf_scheduled_bound,
)
from bandits.cheb_cb import _fit, _init
from bandits.square_cb import chebyshev_features, weigh_by_gaps
from bandits.tsallis_inf_contextual import nearest_centre
from simulators import BernoulliArms
from tests.bandits.worlds import Recording, arms_played, generator, least_mean
from tests.reference import solver_learners as reference
from tests.reference.adversarial_bandits import tsallis_weights
from tests.test_twins import agree

SEEDS = st.integers(0, 10**6)
SCALES = ("running mean", "running max", 3.0)
ESTIMATORS = ("importance weighting", "reduced variance")


def contexts_as_features(contexts):
    return np.asarray(contexts, dtype=float).reshape(-1, 1, 1)


def losses_and_contexts(n_arms, horizon, seed):
    rng = generator(seed)
    contexts = rng.uniform(-1, 2, horizon)
    losses = np.floor(20 * rng.random((horizon, n_arms)) * (1 + np.abs(contexts[:, None] - rng.random(n_arms))))
    return losses, contexts


# Tsallis-INF with other scales and schedules


@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(1, 40), SEEDS, st.sampled_from(SCALES), st.sampled_from(ESTIMATORS))
def test_scales_follow_the_losses(n_arms, horizon, seed, scale, estimator):
    losses, _ = losses_and_contexts(n_arms, horizon, seed)
    played = arms_played(TsallisINF(estimator, scale=scale), 1 - losses, generator(seed))
    assert played == reference.tsallis(losses, generator(seed), scale, estimator == "reduced variance")


@pytest.mark.parametrize(("schedule", "numerator"), [("horizon", 8), ("paper", 1)])
def test_schedules(schedule, numerator):
    losses, _ = losses_and_contexts(3, 50, 1)
    played = arms_played(TsallisINF(schedule=schedule, scale=60.0), 1 - losses, generator(2))
    eta = math.sqrt(numerator / 50)
    assert played == reference.tsallis(losses, generator(2), 60.0, eta_of=lambda t: eta)


@given(st.integers(2, 5), SEEDS, st.sampled_from([2.0**-7, 0.25, 8.0, 2.0**20]))
def test_running_scales_do_not_see_the_unit_of_the_losses(n_arms, seed, unit):
    losses, _ = losses_and_contexts(n_arms, 30, seed)
    losses[0] = np.maximum(losses[0], 1.0)
    assume((losses.sum(axis=1) > 0).all())
    for scale in ("running mean", "running max"):
        policy = TsallisINF(scale=scale)
        assert arms_played(policy, 1 - losses, generator(1)) == arms_played(policy, 1 - losses * unit, generator(1))


def test_losses_above_the_scale_are_cut_and_counted():
    world = Recording(1 - np.full((20, 2), 7.0))
    run = TsallisINF(scale=5.0).run(world, 20, generator(), compiled=False)
    assert run.outcome["clipped"] == 20
    assert run.outcome["largest_loss"] == 5.0


def exact_regret(losses, etas):
    """Expected regret against the best arm in hindsight, over all paths of arms."""
    horizon, d = losses.shape
    total = 0.0
    for path in itertools.product(range(d), repeat=horizon):
        chance, estimate, spent = 1.0, np.zeros(d), 0.0
        for t, arm in enumerate(path):
            weights, _ = tsallis_weights(estimate, etas[t])
            weights = weights / weights.sum()
            chance *= weights[arm]
            estimate[arm] += losses[t, arm] / weights[arm]
            spent += losses[t, arm]
        total += chance * spent
    return total - losses.sum(axis=0).min()


@pytest.mark.guarantee("tsallis_inf_scheduled_bound")
@settings(max_examples=25)
@given(st.sampled_from([(2, 6), (3, 4)]), SEEDS, st.sampled_from(["anytime", "horizon", "paper", "any"]))
def test_expected_regret_over_all_paths_is_within_the_bound(size, seed, schedule):
    d, horizon = size
    rng = generator(seed)
    losses = rng.integers(0, 2, (horizon, d)).astype(float) if seed % 2 else rng.random((horizon, d))
    etas = {
        "anytime": 2 / np.sqrt(np.arange(1, horizon + 1)),
        "horizon": np.full(horizon, math.sqrt(8 / horizon)),
        "paper": np.full(horizon, 1 / math.sqrt(horizon)),
        "any": np.sort(rng.uniform(0.05, 4, horizon))[::-1],
    }[schedule]
    assert exact_regret(losses, etas) <= tsallis_inf_scheduled_bound(d, etas) + 1e-9


def test_the_paper_rate_breaks_the_paper_bound_and_ours_does_not():
    # Erratum E2: one arm loses nothing, 19 lose 1 each round. The conditional regret is summed, which varies little.
    d, horizon = 20, 10_000

    def conditional(eta, seed):
        rng, total = generator(seed), 0.0
        play = StepwisePolicy(TsallisINF(schedule="paper" if eta < 0.02 else "horizon"), d, rng, horizon=horizon)
        for _ in range(horizon):
            arm = play.select()
            total += 1 - play.probabilities[0]
            play.update(1.0 if arm == 0 else 0.0)
        return total

    stated = 2 * math.sqrt(2 * d * horizon)
    assert conditional(1 / math.sqrt(horizon), 0) > stated
    assert conditional(math.sqrt(8 / horizon), 0) < tsallis_inf_scheduled_bound(d, np.full(horizon, math.sqrt(8e-4)))


def test_the_bound_in_closed_form():
    assert tsallis_inf_scheduled_bound(20, np.full(10_000, math.sqrt(8e-4)), 3.0) == pytest.approx(
        3 * (2 * math.sqrt(2 * 20 * 10_000) - math.sqrt(2 * 10_000))
    )


# Bins


@given(st.floats(-2, 3), st.integers(1, 12))
def test_the_nearest_centre_is_the_nearest(context, bins):
    centres = np.arange(bins) + 0.5
    near = np.abs(centres / bins - context)
    place = nearest_centre(context, 0.0, 1.0, bins)
    assert near[place] <= near.min() + 1e-12
    assert [nearest_centre(c, 0.0, 1.0, 4) for c in (0.25, 0.5, 0.75)] == [0, 1, 2]


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(1, 4), SEEDS, st.sampled_from(SCALES), st.sampled_from(ESTIMATORS))
def test_each_bin_has_a_learner_of_its_own(n_arms, bins, seed, scale, estimator):
    losses, contexts = losses_and_contexts(n_arms, 60, seed)
    policy = TsallisINFContextual(-0.5, 1.5, bins, estimator, scale)
    played = arms_played(policy, 1 - losses, generator(seed), contexts_as_features(contexts))
    reduced = estimator == "reduced variance"
    assert played == reference.binned_tsallis(
        losses, contexts, -0.5, 1.5, bins, generator(seed), scale=scale, reduced=reduced
    )


@given(SEEDS)
def test_one_bin_is_no_bin(seed):
    losses, contexts = losses_and_contexts(3, 50, seed)
    features = contexts_as_features(contexts)
    with_bin = arms_played(TsallisINFContextual(0, 1, 1, scale="running mean"), 1 - losses, generator(seed), features)
    assert with_bin == arms_played(TsallisINF(scale="running mean"), 1 - losses, generator(seed))


@pytest.mark.guarantee("contextual_tsallis_bound")
@settings(max_examples=8)
@given(st.integers(2, 4), st.integers(1, 3), SEEDS)
def test_bins_stay_within_their_bound(d, m, seed):
    # Losses u_t(x) = |x - f(c)| on [0, 1] with the grid i / d: 1-Lipschitz, so semi-Lipschitz towards either end.
    horizon, grid = 800, np.arange(1, d + 1) / d
    contexts = generator(seed).random(horizon)
    losses = np.abs(grid - contexts[:, None] ** 2)  # f is 2-Lipschitz, and its own losses are 0
    world, sample = Recording(1 - losses, contexts_as_features(contexts)), []
    for run in range(40):
        played = TsallisINFContextual(0, 1, m).run(world, horizon, generator([seed, run]), checkpoints=[horizon])
        sample.append(losses[np.arange(horizon), world.played].sum())
        assert played.outcome["rounds_per_bin"].sum() == horizon
    assert least_mean(np.array(sample), horizon) <= contextual_tsallis_bound(d, m, horizon, 1.0, 1.0, 2.0, 1.0, 1.0)


# ChebCB


@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(1, 7), st.integers(1, 45), SEEDS, st.sampled_from([0.0, 1.0]))
def test_chebcb_refits_as_if_it_kept_its_history(d, mu, horizon, seed, offset):
    losses, _ = losses_and_contexts(d, horizon, seed)
    contexts = generator(seed).uniform(-0.5, 1.5, horizon)
    play = StepwisePolicy(ChebCB(-0.5, 1.5, mu, offset=offset), d, generator(seed), compiled=False)
    features, predicted, costs, arms, eta = [], [], [], [], 0.0
    theta = np.zeros((d, mu))
    for t in range(horizon):
        features.append(reference.chebyshev(contexts[t] - 0.5, mu))
        arm = play.select(contexts[t])
        scores, expected = theta @ features[-1], np.empty(d)
        weigh_by_gaps(scores, eta, expected)
        assert play.probabilities == pytest.approx(expected, rel=1e-6, abs=1e-9)
        arms.append(arm)
        predicted.append(scores[arm])
        costs.append(losses[t, arm] + offset)
        play.update(1 - losses[t, arm])
        before = reference.cheb_cb_scales(costs[:-1], 2.0, mu)[0] if t else 1.0
        scale, _, box = reference.cheb_cb_scales(costs, 2.0, mu)
        theta = play.summary()["theta"].copy()
        residual = 0.0
        for i in range(d):
            mine = np.array(arms) == i
            if not mine.any():
                assert (theta[i] == 0).all()
                continue
            rows, targets = np.array(features)[mine], (np.array(costs)[mine] - offset) / scale
            best, left = reference.least_squares(rows, targets, box)
            assert (np.abs(theta[i]) <= box + 1e-12).all()
            achieved = ((rows @ theta[i] - targets) ** 2).sum()
            assert achieved == pytest.approx(((rows @ best - targets) ** 2).sum(), abs=1e-10)
            if left == 0:
                assert rows @ theta[i] == pytest.approx(rows @ best, abs=1e-8)
            if left > 0 and (i == arm or scale != before):
                residual = left
        eta = reference.cheb_cb_rate(costs, predicted, residual, 2.0, mu, d) or eta


@given(st.integers(1, 7), st.integers(1, 60), SEEDS, st.floats(0.01, 2))
def test_the_fit_in_the_box_is_the_least_squares_fit(mu, count, seed, size):
    rng = generator(seed)
    spread = 10 ** rng.uniform(-3, 0)
    rows = np.array([reference.chebyshev(u, mu) for u in np.clip(rng.normal(0.2, spread, count), -1, 1)])
    targets = rng.normal(size=count)
    state = _init(1, _parameters(mu))
    state.gram[0], state.moment[0] = rows.T @ rows, rows.T @ targets
    state.square[0], state.box[:], state.totals[8] = targets @ targets, size, 1.0
    _fit(state, 0)
    theta = state.theta[0]
    assert (np.abs(theta) <= size).all()
    best, cost = reference.least_squares(rows, targets, np.full(mu, size))
    mine = np.sum((rows @ theta - targets) ** 2)
    assert mine <= np.sum((rows @ best - targets) ** 2) + 1e-8 * (1 + targets @ targets)
    if cost > 0:
        oracle = lsq_linear(rows, targets, (-size, size), method="bvls", tol=1e-14, max_iter=1000)
        assert mine == pytest.approx(2 * oracle.cost, rel=1e-7, abs=1e-8)
        assert state.totals[5] == pytest.approx(mine, rel=1e-6, abs=1e-7) or (np.abs(theta) < size).all()


def _parameters(mu):
    class Arms:
        n_arms = 1

    return ChebCB(0, 1, mu).parameters_for(Arms(), 1)


@given(st.floats(-1, 1), st.integers(1, 12))
def test_features_are_chebyshev_polynomials(u, count):
    features = np.empty(count)
    chebyshev_features(3 + 2 * u, 1.0, 5.0, features)
    assert features == pytest.approx(np.cos(np.arange(count) * np.arccos(np.clip(u, -1, 1))), abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0, 1e4))
def test_gap_weights_are_probabilities_that_favour_the_best(scores, eta):
    weights = np.empty(len(scores))
    best = weigh_by_gaps(np.array(scores), eta, weights)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert (weights > 0).all()
    assert best == np.argmin(scores)
    assert weights[best] >= 1 / len(scores) - 1e-12
    weigh_by_gaps(np.array(scores), 0.0, weights)
    assert weights == pytest.approx(1 / len(scores))


@given(st.integers(2, 4), SEEDS)
def test_chebcb_does_not_see_the_unit_of_contexts_nor_the_names_of_arms(n_arms, seed):
    losses, contexts = losses_and_contexts(n_arms, 40, seed)
    played = arms_played(ChebCB(-0.5, 1.5), 1 - losses, generator(seed), contexts_as_features(contexts))
    moved = arms_played(ChebCB(1.0, 9.0), 1 - losses, generator(seed), contexts_as_features(3 + 4 * contexts))
    assert played == moved


def test_chebcb_with_known_constants_uses_them():
    class Arms:
        n_arms = 5

    params = ChebCB(0, 2, 4, lipschitz=3.0, largest_cost=10.0).parameters_for(Arms(), 1000)
    m, d, c, slope, k, rounds = 3, 5, 2.0, 3.0, 10.0, 1000
    norm = 2 + 4 * c * slope / k * (1 + math.log(m))
    error = chebyshev_error_bound(m, slope, c) / (k * norm)
    spread = k**2 + 2 * c**2 * slope**2 * math.pi**2 / 3
    regret = d * (m + 1) * (1 + math.log(rounds * math.sqrt(d * (m + 1) * spread) / (k * norm)))
    assert params.eta == pytest.approx(2 * math.sqrt(d * rounds / (regret + 2 * error**2 * rounds)))
    losses, contexts = losses_and_contexts(5, 200, 3)
    world = Recording(1 - losses / 10, contexts_as_features(contexts))
    run = ChebCB(-1, 2, 4, lipschitz=3.0, largest_cost=10.0).run(world, 200, generator(1), compiled=False)
    assert np.abs(run.outcome["theta"][:, 0]).max() <= 1 / (2 + 4 * 3 * 3 / 10 * (1 + math.log(3))) + 1e-12


@pytest.mark.guarantee("chebyshev_error_bound")
@given(st.integers(0, 12), st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.floats(0.2, 5))
def test_partial_sums_are_near_lipschitz_functions(degree, slopes, width):
    # A piecewise linear function on [0, width]; its coefficients by quadrature on many Chebyshev nodes.
    nodes = np.cos(np.pi * (np.arange(4000) + 0.5) / 4000)
    knots = np.linspace(0, width, len(slopes) + 1)
    heights = np.concatenate([[0], np.cumsum(np.array(slopes) * width / len(slopes))])
    values = np.interp((nodes + 1) * width / 2, knots, heights)
    angles = np.outer(np.arange(degree + 1), np.arccos(nodes))
    coefficients = 2 / 4000 * np.cos(angles) @ values
    coefficients[0] /= 2
    lipschitz = max(abs(s) for s in slopes)
    for j in range(1, degree + 1):
        assert abs(coefficients[j]) <= width * lipschitz / j + 1e-6
    error = np.abs(polynomials.chebval(nodes, coefficients) - values).max()
    assert error <= chebyshev_error_bound(degree, lipschitz, width) + 1e-5 * (1 + width)


def test_rates_grow_as_the_theorem_says():
    arms, features = cheb_cb_rates(2**11)
    assert arms == pytest.approx(4)
    assert features == pytest.approx(8)


# SquareCB


def constant(value):
    def start(n_arms, params):
        return np.zeros(n_arms)

    def predict(state, params, context, arm):
        return value * arm

    def learn(state, params, context, arm, loss):
        state[arm] += loss

    return Regressor(start, predict, learn)


def test_squarecb_plays_by_the_predictions_of_your_own_regressor():
    play = StepwisePolicy(SquareCB(constant(0.1), 4.0), 3, generator(), compiled=False)
    for t in range(1, 6):
        play.select(0.5)
        eta = 2 * math.sqrt(3 * t / 4)
        others = [1 / (3 + eta * 0.1), 1 / (3 + eta * 0.2)]
        assert play.probabilities == pytest.approx([1 - sum(others), *others])
        play.update(1.0)


@given(SEEDS, st.floats(0.1, 3))
def test_ridge_is_ridge(seed, ridge):
    rng = generator(seed)
    start, predict, learn, params = ChebyshevRidge(0, 2, 4, ridge).regressor()
    state, contexts, losses = start(2, params), rng.uniform(0, 2, 20), rng.random(20)
    for context, loss in zip(contexts, losses, strict=True):
        learn(state, params, context, 1, loss)
    rows = np.array([reference.chebyshev(c - 1, 4) for c in contexts])
    theta = np.linalg.solve(rows.T @ rows + ridge * np.eye(4), rows.T @ losses)
    assert predict(state, params, 0.7, 1) == pytest.approx(reference.chebyshev(-0.3, 4) @ theta, abs=1e-8)
    assert predict(state, params, 0.7, 0) == 0


def test_means_of_bins_are_means_of_bins():
    start, predict, learn, params = BinMeans(0, 1, 2).regressor()
    state = start(1, params)
    for context, loss in ((0.1, 0.2), (0.2, 0.4), (0.9, 1.0)):
        learn(state, params, context, 0, loss)
    assert [predict(state, params, c, 0) for c in (0.4, 0.6)] == pytest.approx([0.3, 1.0])


@pytest.mark.guarantee("square_cb_bound")
@settings(max_examples=6)
@given(st.integers(2, 4), SEEDS)
def test_squarecb_stays_within_its_bound(d, seed):
    # Losses depend on the bin alone, so that bins can represent them; their regression regret is below
    # d bins (1 + ln T) for noise within [0, 1].
    horizon, bins = 600, 2
    rng = generator(seed)
    means, contexts = rng.random((bins, d)), rng.random(horizon)
    place = np.array([nearest_centre(c, 0.0, 1.0, bins) for c in contexts])
    losses = (rng.random((horizon, d)) < means[place]).astype(float)
    allowed = d * bins * (1 + math.log(horizon))
    policy, sample = SquareCB(BinMeans(0, 1, bins).regressor(), allowed), []
    world = Recording(1 - losses, contexts_as_features(contexts))
    for run in range(40):
        policy.run(world, horizon, generator([seed, run]), checkpoints=[horizon])
        sample.append((means[place, world.played] - means[place].min(axis=1)).sum())
    assert least_mean(np.array(sample), horizon) <= square_cb_bound(d, horizon, allowed)


# All of them


LEARNERS = (
    *(TsallisINF(estimator, scale=scale) for estimator in ESTIMATORS for scale in SCALES),
    *(TsallisINFContextual(-0.5, 1.5, 3, estimator, "running mean") for estimator in ESTIMATORS),
    *(ChebCB(-0.5, 1.5), ChebCB(-0.5, 1.5, 3, "running", 1.0)),
    *(SquareCB(ChebyshevRidge(-0.5, 1.5).regressor()), SquareCB(BinMeans(-0.5, 1.5).regressor(), 5.0)),
)


def test_kernels_and_their_sources_agree():
    losses, contexts = losses_and_contexts(4, 200, 7)
    world = Recording(1 - losses, contexts_as_features(contexts))
    agree(LEARNERS, lambda policy, compiled: policy.run(world, 200, generator(3), compiled=compiled))


@pytest.mark.filterwarnings("ignore:context .* is outside:RuntimeWarning")
@pytest.mark.parametrize("policy", LEARNERS, ids=lambda policy: type(policy).__name__)
def test_step_by_step_is_the_run_and_a_state_goes_through_json(policy):
    losses, contexts = losses_and_contexts(3, 60, 4)
    played = arms_played(policy, 1 - losses, generator(5), contexts_as_features(contexts))
    play, again = (StepwisePolicy(policy, 3, generator(5), compiled=False) for _ in range(2))
    shown = getattr(play._kernels, "observe", None) is not None
    for t in range(60):
        if t == 30:  # another process goes on
            again.load_json(json.dumps(json.loads(play.to_json())))
            play = again
        arm = play.select(contexts[t]) if shown else play.select()
        assert arm == played[t]
        play.update(1 - losses[t, arm], arm=arm)
    assert play.rounds == 60
    assert play.pulls.sum() == 60


def test_a_context_outside_is_clipped_and_warned_about_once():
    play = StepwisePolicy(ChebCB(0, 1), 2, generator(), compiled=False)
    with pytest.warns(RuntimeWarning, match="outside"):
        play.select(1.5)
    play.update(0.5)
    play.select(2.0)
    play.update(0.5)
    assert play.summary()["clipped_contexts"] == 2


def opened(policy=None, n_arms=2):
    play = StepwisePolicy(TsallisINF() if policy is None else policy, n_arms, generator(), compiled=False)
    play.select()
    return play


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TsallisINF(scale=0.0), "scale"),
        (lambda: TsallisINF(scale="mean"), "scale"),
        (lambda: TsallisINF(schedule="none"), "schedule"),
        (lambda: TsallisINFContextual(1, 1), "low = 1 is not below high = 1"),
        (lambda: TsallisINFContextual(0, 1, 0), "bins"),
        (lambda: TsallisINFContextual(0, math.nan), "high"),
        (lambda: ChebCB(1, 0), "low = 1 is not below high = 0"),
        (lambda: ChebCB(0, 1, lipschitz=1.0), "give both or neither"),
        (lambda: ChebCB(0, 1, 0), "features"),
        (lambda: ChebCB(0, 1).run(BernoulliArms([0.5]), 1, generator()), "needs a world with a number as context"),
        (lambda: SquareCB(constant(1.0), 0.0), "regression_regret"),
        (lambda: BinMeans(0, 0), "low = 0 is not below high = 0"),
        (lambda: ChebyshevRidge(0, 1, ridge=0), "ridge"),
        (lambda: tsallis_inf_scheduled_bound(2, [1.0, 2.0]), "rates"),
        (lambda: tsallis_inf_scheduled_bound(2, [1.0], -1.0), "scale"),
        (lambda: contextual_tsallis_bound(2, 1, 1, 0.0, 1, 1, 1, 1), "scale"),
        (lambda: square_cb_bound(2, 1, -1.0), "regression_regret"),
        (lambda: chebyshev_error_bound(-1, 1.0), "degree"),
        (lambda: StepwisePolicy(LinUCB(), 2, generator()), "needs to know more of the arms"),
        (lambda: StepwisePolicy(UCB1(), 0, generator()), "n_arms"),
        (lambda: StepwisePolicy(UCB1(), 2, 3), "rng"),
        (lambda: opened().select(), "still waits for its reward"),
        (lambda: opened().to_json(), "still waits for its reward"),
        (lambda: opened().update(math.nan), "reward: nan is not finite"),
        (lambda: opened().update("1"), "reward: '1' is not a number"),
        (lambda: opened().update(2.0), "outside"),
        (lambda: opened().update(0.5, arm=5), "arm: 5 was not selected"),
        (lambda: StepwisePolicy(UCB1(), 2, generator(), compiled=False).update(1.0), "no arm was selected"),
        (lambda: StepwisePolicy(ChebCB(0, 1), 2, generator(), compiled=False).select(), "context"),
        (lambda: StepwisePolicy(ChebCB(0, 1), 2, generator(), compiled=False).select([1, 2]), "needs one number"),
        (lambda: StepwisePolicy(ChebCB(0, 1), 2, generator(), compiled=False).select(math.inf), "not finite"),
        (lambda: StepwisePolicy(Exp3(), 2, generator(), compiled=False).load_json("{}"), "load_json"),
        (
            lambda: StepwisePolicy(UCB1(), 2, generator(), compiled=False).load_json(
                StepwisePolicy(UCB1(), 3, generator(), compiled=False).to_json()
            ),
            "with 3 arms",
        ),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
