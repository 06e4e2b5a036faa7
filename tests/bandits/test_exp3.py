"""Exp3, Exp3-IX, Exp3 with gains: by their formulas, unbiased, within their bounds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandits import (
    Exp3,
    Exp3Gain,
    Exp3IX,
    exp3_anytime_bound,
    exp3_bound,
    exp3_gain_bound,
    exp3_ix_anytime_bound,
    exp3_ix_bound,
)
from bandits.exp3 import _init, _select, _State, _update_loss
from simulators import AdversarialRewards, BernoulliArms
from tests.bandits.worlds import (
    UNIFORM,
    arms_played,
    generator,
    least_mean,
    one_good_arm,
    regrets,
    too_often,
)
from tests.reference import adversarial_bandits as reference

POLICIES = [Exp3(), Exp3(anytime=True), Exp3IX(), Exp3IX(tuning="textbook"), Exp3IX(anytime=True), Exp3Gain()]


def constant_rate(n_arms, horizon, more=0, scale=2.0):
    return math.sqrt(scale * math.log(n_arms + more) / (n_arms * horizon))


def by_the_formula(policy, rewards, rng):
    horizon, k = rewards.shape
    if isinstance(policy, Exp3Gain):
        mixed = min(1, math.sqrt(k * math.log(k) / ((math.e - 1) * horizon)))
        return reference.exp3_gain(rewards, rng, policy.exploration or mixed)
    bias = 0.5 if isinstance(policy, Exp3IX) else 0.0
    if policy.anytime:
        return reference.exp3(rewards, rng, lambda t: math.sqrt(math.log(k) / (k * t)), bias)
    more = 1 if isinstance(policy, Exp3IX) and policy.tuning == "textbook" else 0
    rate = policy.learning_rate or constant_rate(k, horizon, more)
    return reference.exp3(rewards, rng, lambda t: rate, bias)


@settings(max_examples=40)
@given(
    st.integers(1, 6),
    st.integers(1, 80),
    st.integers(0, 10**6),
    st.sampled_from([*POLICIES, Exp3(learning_rate=3.0), Exp3IX(learning_rate=0.7), Exp3Gain(exploration=0.3)]),
)
def test_every_choice_is_that_of_the_formula(n_arms, horizon, seed, policy):
    rewards = generator(seed).random((horizon, n_arms))
    assert arms_played(policy, rewards, generator(seed)) == by_the_formula(policy, rewards, generator(seed))


@pytest.mark.parametrize("policy", [Exp3(learning_rate=5.0), Exp3Gain(exploration=0.9)])
def test_weights_are_measured_afresh_before_they_vanish_or_overflow(policy):
    # Choices at such rates are chaotic: what is compared is each round's distribution, given the scores.
    kernels, rng = policy.kernels(), generator(4)
    params = policy.parameters(3000)
    state = kernels.init(4, params)
    for t, rewards in enumerate(generator(3).random((3000, 4)), start=1):
        arm = kernels.select(state, params, t, rng)
        expected = reference.softmax(-state.numbers[0] * state.scores)
        assert state.weights / state.numbers[4] == pytest.approx(expected, rel=1e-9, abs=1e-280)
        kernels.update(state, params, t, arm, rewards[arm])
    assert abs(state.numbers[0] * state.numbers[1]) > 200  # they were


@pytest.mark.parametrize("policy", [Exp3(learning_rate=1e300), Exp3(learning_rate=1e-300), Exp3Gain(exploration=1.0)])
def test_extreme_parameters_end_well(policy):
    run = policy.run(BernoulliArms([0.2, 0.8, 0.5]), 2000, generator(1))
    assert run.outcome["pulls"].sum() == 2000


# What the estimates are.


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.lists(st.floats(0, 40), min_size=6, max_size=6))
def test_the_estimated_losses_are_unbiased(rewards, scores):
    n_arms = len(rewards)
    scores = np.array(scores[:n_arms])
    weights = np.exp(-0.5 * (scores - scores.min()))
    chances = weights / weights.sum()
    grown = np.zeros(n_arms)
    for arm in range(n_arms):
        numbers = np.array([0.5, scores.min(), 0.0, 0.0, weights.sum()])
        state = _State(scores.copy(), weights.copy(), np.array([chances[arm]]), numbers)
        _update_loss(state, (), 1, arm, rewards[arm])
        grown += chances[arm] * (state.scores - scores)
        others = np.arange(n_arms) != arm
        assert (state.scores[others] == scores[others]).all()
    assert grown == pytest.approx(1 - np.array(rewards), abs=1e-9)


class _Last:
    """A generator whose next uniform is the largest that there is."""

    @staticmethod
    def random():
        return 1 - 2**-53


@given(st.lists(st.sampled_from([0.0, 0.1, 1 / 3, 0.7]), min_size=1, max_size=8).filter(any))
def test_the_largest_uniform_draws_the_last_arm_that_can_be_drawn(weights):
    weights = np.array(weights)
    total = 0.0
    for weight in weights:
        total += weight
    # As if the weights had been added in another order.
    numbers = np.array([0.5, 0.0, 0.0, 0.0, np.nextafter(total, 2.0 * total)])
    state = _State(np.zeros(weights.size), weights, np.ones(1), numbers)
    assert _select.py_func(state, (), 1, _Last()) == np.flatnonzero(weights)[-1]
    assert state.drawn[0] > 0


@given(st.integers(1, 6), st.integers(0, 100))
def test_when_all_arms_always_pay_1_they_stay_equally_likely(n_arms, seed):
    policy = Exp3().parameters(1000)
    state, rng = _init(n_arms, policy), generator(seed)
    for t in range(1, 200):
        arm = _select(state, policy, t, rng)
        assert state.drawn[0] == 1 / n_arms
        _update_loss(state, policy, t, arm, 1.0)
    assert (state.weights == 1).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_one_arm_and_equal_arms_have_no_regret_and_a_seed_repeats_its_run(policy):
    for means in ([0.3], [0.4, 0.4, 0.4]):
        assert (policy.run(BernoulliArms(means), 300, generator()).metrics["regret"] == 0).all()
    arms = BernoulliArms([0.3, 0.5])
    assert policy.run(arms, 400, generator(1)).equals(policy.run(arms, 400, generator(1)))
    assert not policy.run(arms, 400, generator(1)).equals(policy.run(arms, 400, generator(2)))


@pytest.mark.parametrize("policy", POLICIES)
def test_renaming_arms_renames_their_law(policy):
    """Pulls of the best of three arms, named first or last: two samples of one law (Hoeffding for their means)."""
    runs, horizon = 300, 600
    pulls = []
    for means, best in (([0.8, 0.4, 0.3], 0), ([0.3, 0.4, 0.8], 2)):
        arms = BernoulliArms(means)
        played = [policy.run(arms, horizon, generator([best, seed])).outcome["pulls"][best] for seed in range(runs)]
        pulls.append(np.array(played) / horizon)
    assert abs(np.mean(pulls[0]) - np.mean(pulls[1])) <= 2 * math.sqrt(math.log(2e9) / (2 * runs))
    assert min(np.mean(pulls[0]), np.mean(pulls[1])) > 0.45  # the best arm is found


# Bounds, against adversaries under whom one arm is better in every round: a run's regret lies in [0, T gap].

adversaries = (st.integers(2, 5), st.integers(200, 2500), st.floats(0.1, 1), st.integers(0, 10**6))
RUNS = 100


def least_regret(policy, n_arms, horizon, gap, seed):
    world = AdversarialRewards(one_good_arm(n_arms, horizon, seed % n_arms, gap, seed))
    return least_mean(regrets(policy, world, horizon, RUNS, seed), horizon * gap)


@pytest.mark.slow
@pytest.mark.guarantee("exp3_bound", "exp3_anytime_bound")
@settings(max_examples=8)
@given(*adversaries, st.floats(0.5, 2))
def test_exp3_stays_within_its_bounds(n_arms, horizon, gap, seed, factor):
    rate = factor * constant_rate(n_arms, horizon)
    assert least_regret(Exp3(), n_arms, horizon, gap, seed) <= exp3_bound(n_arms, horizon)
    tuned = least_regret(Exp3(learning_rate=rate), n_arms, horizon, gap, seed)
    assert exp3_bound(n_arms, horizon) <= exp3_bound(n_arms, horizon, rate) * (1 + 1e-12)
    assert tuned <= exp3_bound(n_arms, horizon, rate)
    assert least_regret(Exp3(anytime=True), n_arms, horizon, gap, seed) <= exp3_anytime_bound(n_arms, horizon)


@pytest.mark.slow
@pytest.mark.guarantee("exp3_gain_bound")
@settings(max_examples=8)
@given(*adversaries, st.floats(0.01, 1))
def test_exp3_with_gains_stays_within_its_bound(n_arms, horizon, gap, seed, share):
    assert least_regret(Exp3Gain(), n_arms, horizon, gap, seed) <= exp3_gain_bound(n_arms, horizon)
    mixed = least_regret(Exp3Gain(exploration=share), n_arms, horizon, gap, seed)
    assert mixed <= exp3_gain_bound(n_arms, horizon, share)


@pytest.mark.slow
@pytest.mark.guarantee("exp3_ix_bound", "exp3_ix_anytime_bound")
@settings(max_examples=8)
@given(*adversaries, st.sampled_from([0.9, 0.5, 0.1]))
def test_exp3_ix_exceeds_its_bounds_no_more_often_than_it_may(n_arms, horizon, gap, seed, delta):
    world = AdversarialRewards(one_good_arm(n_arms, horizon, seed % n_arms, gap, seed))
    for policy, bound in (
        (Exp3IX(), exp3_ix_bound(n_arms, horizon, delta)),
        (Exp3IX(tuning="textbook"), exp3_ix_bound(n_arms, horizon, delta, "textbook")),
        (Exp3IX(anytime=True), exp3_ix_anytime_bound(n_arms, horizon, delta)),
    ):
        above = (regrets(policy, world, horizon, RUNS, seed) > bound).sum()
        assert not too_often(above, RUNS, delta)


def test_the_checks_would_catch_a_policy_that_does_not_learn():
    world = AdversarialRewards(one_good_arm(2, 2500, 1, 1.0, 0))
    sample = regrets(UNIFORM, world, 2500, RUNS, 0)
    bounds = exp3_bound(2, 2500), exp3_anytime_bound(2, 2500), exp3_gain_bound(2, 2500)
    assert least_mean(sample, 2500) > max(bounds)
    kinds = (exp3_ix_bound(2, 2500, 0.1), exp3_ix_bound(2, 2500, 0.1, "textbook"), exp3_ix_anytime_bound(2, 2500, 0.1))
    for bound in kinds:
        assert too_often((sample > bound).sum(), RUNS, 0.1)


def test_the_bounds_by_hand():
    log = math.log(10)
    assert exp3_bound(10, 10_000) == pytest.approx(math.sqrt(2 * 10**5 * log), rel=1e-14)
    assert exp3_bound(10, 10_000, 0.01) == pytest.approx(100 * log + 500, rel=1e-14)
    assert exp3_anytime_bound(10, 10_000) == pytest.approx(2 * math.sqrt(10**5 * log), rel=1e-14)
    # The two terms of the anytime bound: ln K / eta_T + sum_t eta_t K / 2, where eta_t = sqrt(ln K / (K t)).
    rates = np.sqrt(log / (10 * np.arange(1, 10_001)))
    assert log / rates[-1] + 5 * rates.sum() <= exp3_anytime_bound(10, 10_000)
    assert exp3_gain_bound(10, 10_000) == pytest.approx(2.6216651 * math.sqrt(10**5 * log), rel=1e-6)
    assert exp3_gain_bound(10, 10_000, 0.5) == pytest.approx((math.e - 1) * 5000 + 20 * log, rel=1e-14)
    neu = 2 * math.sqrt(2e5 * log) + (math.sqrt(2e5 / log) + 1) * math.log(200)
    assert exp3_ix_bound(10, 10_000, 0.01) == pytest.approx(neu, rel=1e-14)
    book = math.sqrt(8.5e5 * math.log(11)) + (math.sqrt(1e5 / (2 * math.log(11))) + 1) * math.log(100)
    assert exp3_ix_bound(10, 10_000, 0.01, "textbook") == pytest.approx(book, rel=1e-14)
    anytime = 4 * math.sqrt(1e5 * log) + (2 * math.sqrt(1e5 / log) + 1) * math.log(200)
    assert exp3_ix_anytime_bound(10, 10_000, 0.01) == pytest.approx(anytime, rel=1e-14)
    assert exp3_bound(1, 5) == exp3_anytime_bound(1, 5) == exp3_gain_bound(1, 5) == exp3_ix_bound(1, 5, 0.1) == 0


@pytest.mark.parametrize(("policy", "value", "error"), [(Exp3(), 449.6, 2.2), (Exp3IX("textbook"), 579.0, 2.1)])
def test_reference_regret_of_the_standard_instance(policy, value, error):
    sample = regrets(policy, BernoulliArms(np.linspace(0.05, 0.5, 10)), 10_000, 1000, 9)
    assert abs(sample.mean() - value) <= 5 * math.hypot(error, sample.std(ddof=1) / math.sqrt(1000))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Exp3(learning_rate=0.0), "Exp3: learning_rate = 0.0: should be greater than 0"),
        (lambda: Exp3(learning_rate=math.nan), "Exp3: learning_rate = nan"),
        (lambda: Exp3(learning_rate=0.1, anytime=True), "Exp3: anytime = True: has rates of its own"),
        (lambda: Exp3(anytime=1), "Exp3: anytime = 1"),
        (lambda: Exp3IX(tuning="best"), "Exp3IX: tuning = 'best'"),
        (lambda: Exp3Gain(exploration=1.5), "Exp3Gain: exploration = 1.5"),
        (lambda: Exp3Gain(best_total=-1), "Exp3Gain: best_total = -1"),
        (lambda: exp3_bound(0, 5), "n_arms"),
        (lambda: exp3_bound(2, 5, -1.0), "learning_rate"),
        (lambda: exp3_gain_bound(2, math.inf), "best_total"),
        (lambda: exp3_gain_bound(2, 5, 2.0), "exploration"),
        (lambda: exp3_ix_bound(2, 5, 1.0), "delta"),
        (lambda: exp3_ix_bound(2, 5, 0.1, "best"), "tuning"),
        (lambda: exp3_ix_anytime_bound(2, 5, math.nan), "delta"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("policy", POLICIES)
def test_rewards_outside_the_unit_interval_are_refused(policy):
    with pytest.raises(ValueError, match=r"rewards in \[0, 2\], but .* needs rewards in \[0, 1\]"):
        policy.run(AdversarialRewards([[0.0, 2.0]]), 1, generator())
