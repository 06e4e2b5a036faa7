"""Tsallis-INF: its weights by their definition, its choices, its bound."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from bandits import TsallisINF, tsallis_inf_bound
from bandits.tsallis_inf import Parameters, _weigh, init, update_reduced, update_weighted
from simulators import AdversarialRewards, BernoulliArms, StochasticallyConstrainedArms
from tests.bandits.worlds import UNIFORM, arms_played, generator, least_mean, one_good_arm, regrets
from tests.reference import adversarial_bandits as reference

POLICIES = [TsallisINF(), TsallisINF("reduced variance")]
losses_of_arms = st.lists(st.floats(0, 1e4), min_size=1, max_size=8)
rates = st.floats(1e-3, 10)


def weights_at(losses, eta, start=0.0):
    weights = np.empty(len(losses))
    distance = _weigh(np.array(losses, dtype=float), eta, start, weights)
    return weights, distance


def test_the_values_of_the_specification():
    weights, distance = weights_at([0, 1, 2.5], 1.0)
    assert weights == pytest.approx([0.55602570081, 0.295024284932, 0.148950014258], abs=1e-11)
    assert distance == pytest.approx(2.682146914224, abs=1e-11)


@given(losses_of_arms, rates, st.floats(0, 1e6))
def test_the_weights_are_those_of_the_definition_wherever_the_search_starts(losses, eta, start):
    expected, x = reference.tsallis_weights(losses, eta)
    weights, distance = weights_at(losses, eta, start)
    assert weights == pytest.approx(expected, rel=1e-9, abs=1e-13)
    assert distance == pytest.approx(-x, rel=1e-9)
    assert weights.sum() == pytest.approx(1, abs=1e-12)


@given(losses_of_arms, rates, st.floats(-1e4, 1e4), st.randoms())
def test_weights_reverse_the_order_of_losses_and_follow_shifts_and_names(losses, eta, shift, random):
    weights, _ = weights_at(losses, eta)
    by_loss = weights[np.argsort(losses, kind="stable")]
    assert (np.diff(by_loss) <= 0).all()
    shifted, _ = weights_at(np.array(losses) + shift, eta)
    assert shifted == pytest.approx(weights, rel=1e-6, abs=1e-9)
    order = random.sample(range(len(losses)), len(losses))
    renamed, _ = weights_at(np.array(losses)[order], eta)
    assert renamed == pytest.approx(weights[order], rel=1e-10)


@given(st.integers(1, 20), rates, st.floats(0, 1e4))
def test_equal_losses_have_equal_weights_in_closed_form(n_arms, eta, loss):
    weights, distance = weights_at([loss] * n_arms, eta)
    assert weights == pytest.approx(np.full(n_arms, 1 / n_arms), rel=1e-12)
    assert distance == pytest.approx(2 * math.sqrt(n_arms) / eta, rel=1e-11)


def test_a_rate_of_almost_zero_makes_weights_equal():
    assert weights_at([0, 3, 50], 1e-9)[0] == pytest.approx(np.full(3, 1 / 3), abs=1e-7)


@given(st.floats(0, 1e3), rates)
def test_two_arms_by_a_root_of_one_unknown(gap, eta):
    # sqrt(w_1) - sqrt(w_2) inverse distances: 2 / (eta sqrt(w_2)) - 2 / (eta sqrt(w_1)) = gap.
    first = brentq(
        lambda w: 1 / math.sqrt(1 - w) - 1 / math.sqrt(w) - eta * gap / 2, 0.5 - 1e-12, 1 - 1e-16, xtol=1e-15
    )
    assert weights_at([0, gap], eta)[0][0] == pytest.approx(first, abs=1e-9)


def test_many_arms_and_losses_far_apart():
    rng = generator(5)
    for losses in (rng.random(20_000) * 1e3, np.concatenate([[0.0], np.full(50, 1e15)]), 1e12 + rng.random(30)):
        weights, _ = weights_at(losses, 0.01)
        assert np.isfinite(weights).all()
        assert weights.sum() == pytest.approx(1, abs=1e-12)


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 60), st.integers(0, 10**6), st.sampled_from(POLICIES))
def test_every_choice_is_that_of_the_formula(n_arms, horizon, seed, policy):
    rewards, reduced = generator(seed).random((horizon, n_arms)), policy.estimator == "reduced variance"
    played = arms_played(policy, rewards, generator(seed))
    assert played == reference.tsallis_inf(rewards, generator(seed), reduced)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), losses_of_arms, st.integers(1, 10_000))
def test_both_estimates_of_the_losses_are_unbiased(rewards, losses, t):
    n_arms = min(len(rewards), len(losses))
    losses = np.array(losses[:n_arms]) / 1e3
    for update, scale in ((update_weighted, 2.0), (update_reduced, 4.0)):
        weights, _ = weights_at(losses, scale / math.sqrt(t))
        grown = np.zeros(n_arms)
        for arm in range(n_arms):
            params = Parameters(scale, True, 1.0)
            state = init(n_arms, params)
            state.losses[:], state.noted[:], state.drawn[0] = losses, weights, weights[arm]
            update(state, params, t, arm, rewards[arm])
            grown += weights[arm] * (state.losses + state.shifts - losses)
        assert grown == pytest.approx(1 - np.array(rewards[:n_arms]), abs=1e-7)


def test_before_the_first_round_arms_are_equally_likely():
    assert (init(4, TsallisINF().parameters(10)).weights == 0.25).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_one_arm_and_equal_arms_have_no_regret_and_a_seed_repeats_its_run(policy):
    for means in ([0.3], [0.4, 0.4, 0.4]):
        assert (policy.run(BernoulliArms(means), 300, generator()).metrics["regret"] == 0).all()
    run, again = (policy.run(BernoulliArms([0.3, 0.5]), 400, generator(1)) for _ in range(2))
    assert run.equals(again)
    assert run.outcome["weights"].sum() == pytest.approx(1, abs=1e-12)


# A run's regret lies in [0, T gap] where one arm is better by the same gap in every round.


def least_regret(policy, n_arms, horizon, gap, seed, runs=100):
    world = AdversarialRewards(one_good_arm(n_arms, horizon, seed % n_arms, gap, seed))
    return least_mean(regrets(policy, world, horizon, runs, seed), horizon * gap)


@pytest.mark.guarantee("tsallis_inf_bound")
@settings(max_examples=12)
@given(st.integers(2, 5), st.integers(200, 2500), st.floats(0.1, 1), st.integers(0, 10**6))
def test_tsallis_inf_stays_within_its_bound(n_arms, horizon, gap, seed):
    assert least_regret(TsallisINF(), n_arms, horizon, gap, seed) <= tsallis_inf_bound(n_arms, horizon)


def test_the_check_would_catch_a_policy_that_does_not_learn():
    assert least_regret(UNIFORM, 2, 2500, 1.0, 0) > tsallis_inf_bound(2, 2500)


def test_it_also_stays_within_its_bound_against_a_constrained_adversary():
    sample = regrets(TsallisINF(), StochasticallyConstrainedArms(4, 0.25), 4000, 150, 2)
    assert least_mean(sample, 1000) <= tsallis_inf_bound(4, 4000)
    assert sample.mean() < 0.25 * 0.75 * 4000 / 2  # well below that of playing at random


def test_the_bound_by_hand():
    assert tsallis_inf_bound(10, 1000) == 401.0
    # Stability eta_t sqrt(K) / 2 a round with eta_t = 2 / sqrt(t), penalty 4 (sqrt(K) - 1) / eta_T, and 1.
    stability = (math.sqrt(10) / np.sqrt(np.arange(1, 1001))).sum()
    assert stability + 2 * (math.sqrt(10) - 1) * math.sqrt(1000) + 1 <= tsallis_inf_bound(10, 1000)


def test_reference_regret_of_the_standard_instance():
    sample = regrets(TsallisINF(), BernoulliArms(np.linspace(0.05, 0.5, 10)), 10_000, 1000, 9)
    assert abs(sample.mean() - 303.3) <= 5 * math.hypot(3.7, sample.std(ddof=1) / math.sqrt(1000))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TsallisINF(estimator="none"), "TsallisINF: estimator = 'none'"),
        (lambda: tsallis_inf_bound(0, 10), "n_arms"),
        (lambda: tsallis_inf_bound(2, 2.5), "horizon"),
        (lambda: TsallisINF().run(AdversarialRewards([[-1.0, 0.0]]), 1, generator()), "needs rewards in"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
