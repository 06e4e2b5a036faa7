"""Exp4: by its formula, as Exp3 where experts are arms, unbiased, within its bound."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandits import Exp3, Exp4, exp4_bound
from bandits.exp4 import _State, _update
from simulators import AdvisedRewards, BernoulliArms
from tests.bandits.worlds import UNIFORM, arms_played, generator, least_mean, one_good_arm, regrets
from tests.reference import adversarial_bandits as reference


def advice(horizon, n_experts, n_arms, seed):
    return generator([seed, 1]).dirichlet(np.ones(n_arms), size=(horizon, n_experts))


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 60), st.integers(0, 10**6), st.sampled_from([None, 0.8]))
def test_every_choice_is_that_of_the_formula(n_arms, n_experts, horizon, seed, rate):
    rewards, shown = generator(seed).random((horizon, n_arms)), advice(horizon, n_experts, n_arms, seed)
    played = arms_played(Exp4(learning_rate=rate), rewards, generator(seed), shown)
    default = math.sqrt(2 * math.log(n_experts) / (n_arms * horizon))
    assert played == reference.exp4(rewards, shown, generator(seed), rate or default)


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(1, 100), st.integers(0, 10**6))
def test_with_an_expert_for_each_arm_it_is_exp3(n_arms, horizon, seed):
    rewards = generator(seed).random((horizon, n_arms))
    experts = np.broadcast_to(np.eye(n_arms), (horizon, n_arms, n_arms))
    assert arms_played(Exp4(), rewards, generator(seed), experts) == arms_played(Exp3(), rewards, generator(seed))


@pytest.mark.slow
@settings(max_examples=20)
@given(st.integers(2, 5), st.integers(1, 60), st.integers(0, 10**6))
def test_regret_is_against_the_best_expert(n_arms, horizon, seed):
    rewards, shown = generator(seed).random((horizon, n_arms)), advice(horizon, 3, n_arms, seed)
    run = Exp4().run(AdvisedRewards(shown, rewards), horizon, generator(seed), realised=True)
    best = np.einsum("tmk,tk->m", shown, rewards).max()
    assert run.metrics["regret"][-1] == pytest.approx(best - run.outcome["reward"], abs=1e-9)
    assert run.metrics["realised_regret"].tolist() == pytest.approx(run.metrics["regret"].tolist(), abs=1e-9)
    assert run.metrics["dynamic_regret"][-1] == pytest.approx(rewards.max(axis=1).sum() - run.outcome["reward"])
    assert run.outcome["trust"].sum() == pytest.approx(1)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6))
def test_the_estimated_losses_are_unbiased(n_arms, n_experts, seed):
    shown, rewards = advice(1, n_experts, n_arms, seed)[0], generator(seed).random(n_arms)
    chances = generator([seed, 2]).dirichlet(np.ones(n_experts)) @ shown
    grown = np.zeros(n_experts)
    for arm in range(n_arms):
        drawn = shown[:, arm] / chances[arm]
        state = _State(np.zeros(n_experts), np.ones(n_experts), np.zeros(n_arms), shown, drawn)
        _update(state, (), 1, arm, rewards[arm])
        grown += chances[arm] * state.losses
    assert grown == pytest.approx(shown @ (1 - rewards), abs=1e-9)


def test_an_arm_that_nobody_advises_is_never_played():
    shown = np.zeros((300, 2, 3))
    shown[:, 0, 1] = shown[:, 1, 2] = 1.0
    pulls = Exp4().run(AdvisedRewards(shown, generator().random((300, 3))), 300, generator()).outcome["pulls"]
    assert pulls[0] == 0
    assert pulls[1:].min() > 0


# Experts advise one arm each, arm 0 being better by the same gap in every round: regret lies in [0, T gap].


def least_regret(policy, n_experts, horizon, gap, seed, runs=100):
    experts = np.zeros((horizon, n_experts, 2))
    experts[:, :, 1] = 1.0
    experts[:, seed % n_experts] = [1.0, 0.0]
    world = AdvisedRewards(experts, one_good_arm(2, horizon, 0, gap, seed))
    return least_mean(regrets(policy, world, horizon, runs, seed), horizon * gap)


@pytest.mark.slow
@pytest.mark.guarantee("exp4_bound")
@settings(max_examples=10)
@given(st.integers(2, 8), st.integers(200, 2000), st.floats(0.1, 1), st.integers(0, 10**6))
def test_exp4_stays_within_its_bound(n_experts, horizon, gap, seed):
    assert least_regret(Exp4(), n_experts, horizon, gap, seed) <= exp4_bound(2, n_experts, horizon)


def test_the_check_would_catch_a_policy_that_does_not_learn():
    assert least_regret(UNIFORM, 2, 2500, 1.0, 0) > exp4_bound(2, 2, 2500)


def test_the_bound_by_hand():
    assert exp4_bound(3, 8, 100) == pytest.approx(math.sqrt(600 * math.log(8)), rel=1e-14)
    assert exp4_bound(3, 1, 100) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Exp4(learning_rate=-1), "Exp4: learning_rate = -1"),
        (lambda: Exp4().run(BernoulliArms([0.5]), 5, generator()), "arms: Exp4 needs a world with experts"),
        (lambda: exp4_bound(2, 0, 10), "n_experts"),
        (lambda: AdvisedRewards([[[0.5, 0.6]]], [[0, 1]]), "advice = .*: of expert 0 in round 1 is .* no probability"),
        (lambda: AdvisedRewards([[[0.5, 0.5]]], [[0, 1, 1]]), "rewards = .*: has shape .* does not fit advice"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
