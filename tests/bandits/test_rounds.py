"""Worlds with rounds, states, contexts, rivals and late rewards: what a policy sees, and what regret compares with."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.rounds import RoundKernels
from bandits import UCB1, CustomPolicy, Exp3, Exp4, LinTS, LinUCB, ThompsonSampling, TsallisINF
from simulators import (
    AdversarialRewards,
    AdvisedRewards,
    BernoulliArms,
    ContextualRewards,
    DelayedFeedback,
    LinearContexts,
    PiecewiseStationaryArms,
    TableArms,
)
from tests.bandits.worlds import arms_played, generator
from tests.reference.adversarial_bandits import tsallis_weights

# A policy that plays at random and writes down all that happens: a row for each round.

PLAYED, SEEN, LEARNT_ROUND, LEARNT_ARM, LEARNT_REWARD, RECALLED, SHOWN, SHOWN_IN = range(8)


def init(n_arms, log):
    return np.zeros(1), np.array([float(n_arms), 0.0, 0.0])  # a note to recall; arms, rewards learnt, what was shown


def observe(state, log, t, context):
    state[1][2] = context[0, 0]
    log[t - 1, SHOWN_IN] = t


def select(state, log, t, rng):
    arm = int(rng.random() * state[1][0])
    state[0][0] = 10.0 * t + arm
    log[t - 1, PLAYED], log[t - 1, SEEN], log[t - 1, SHOWN] = arm, state[1][1], state[1][2]
    return arm


def update(state, log, t, arm, reward):
    row = int(state[1][1])
    log[row, LEARNT_ROUND], log[row, LEARNT_ARM], log[row, LEARNT_REWARD] = t, arm, reward
    log[row, RECALLED] = state[0][0]
    state[1][1] += 1.0


def recall(state):
    return state[0]


def logged(world, horizon, seed, *, compiled=True, **options):
    log = np.zeros((horizon, 8))
    policy = CustomPolicy(init, select, update, log, observe, recall)
    return policy.run(world, horizon, generator(seed), compiled=compiled, **options), log


tables = (st.integers(1, 4), st.integers(1, 40), st.integers(0, 10**6))


def every(horizon):
    return {"checkpoints": range(1, horizon + 1)}


@settings(max_examples=40)
@given(*tables)
def test_regret_against_an_adversary_is_to_the_best_fixed_arm_so_far(n_arms, horizon, seed):
    rewards = generator(seed).normal(size=(horizon, n_arms))
    run, log = logged(AdversarialRewards(rewards), horizon, seed, realised=True, **every(horizon))
    got = rewards[np.arange(horizon), log[:, PLAYED].astype(int)]
    fixed = rewards.cumsum(axis=0).max(axis=1) - got.cumsum()
    assert log[:, LEARNT_REWARD].tolist() == got.tolist()
    assert run.metrics["regret"] == pytest.approx(fixed, abs=1e-9)
    assert run.metrics["realised_regret"] == pytest.approx(fixed, abs=1e-9)
    assert run.metrics["dynamic_regret"] == pytest.approx((rewards.max(axis=1) - got).cumsum(), abs=1e-9)
    assert (run.metrics["dynamic_regret"] >= run.metrics["regret"] - 1e-9).all()


@settings(max_examples=30)
@given(*tables, st.data())
def test_regret_where_means_jump_is_of_means_and_the_realised_one_of_rewards(n_arms, horizon, seed, data):
    breaks = sorted(data.draw(st.sets(st.integers(2, 40), max_size=3)))
    means = generator(seed).random((len(breaks) + 1, n_arms))
    world = PiecewiseStationaryArms(means, breaks)
    run, log = logged(world, horizon, seed, realised=True, **every(horizon))
    by_round = means[np.searchsorted(breaks, np.arange(1, horizon + 1), side="right")]
    got = by_round[np.arange(horizon), log[:, PLAYED].astype(int)].cumsum()
    best = by_round.cumsum(axis=0).max(axis=1)
    assert run.metrics["regret"] == pytest.approx(best - got, abs=1e-9)
    assert run.metrics["dynamic_regret"] == pytest.approx(by_round.max(axis=1).cumsum() - got, abs=1e-9)
    assert run.metrics["realised_regret"] == pytest.approx(best - log[:, LEARNT_REWARD].cumsum(), abs=1e-9)


@settings(max_examples=20)
@given(*tables)
def test_regret_with_features_is_to_each_rounds_best_arm_and_with_experts_to_the_best_expert(n_arms, horizon, seed):
    rewards, rng = generator(seed).random((horizon, n_arms)), generator([seed, 1])
    shown = rng.random((horizon, n_arms, 2))
    run, log = logged(ContextualRewards(shown, rewards), horizon, seed, realised=True, **every(horizon))
    got = rewards[np.arange(horizon), log[:, PLAYED].astype(int)]
    assert list(run.metrics) == ["regret", "realised_regret"]
    assert run.metrics["regret"] == pytest.approx((rewards.max(axis=1) - got).cumsum(), abs=1e-9)
    assert log[:, SHOWN].tolist() == shown[:, 0, 0].tolist()
    assert log[:, SHOWN_IN].tolist() == list(range(1, horizon + 1))
    advice = rng.dirichlet(np.ones(n_arms), size=(horizon, 3))
    run, log = logged(AdvisedRewards(advice, rewards), horizon, seed, **every(horizon))
    got = rewards[np.arange(horizon), log[:, PLAYED].astype(int)].cumsum()
    experts = np.einsum("tmk,tk->tm", advice, rewards).cumsum(axis=0)
    assert run.metrics["regret"] == pytest.approx(experts.max(axis=1) - got, abs=1e-9)


@settings(max_examples=40)
@given(*tables, st.integers(0, 50))
def test_a_late_reward_comes_with_its_round_its_arm_and_what_was_noted(n_arms, horizon, seed, delay):
    rewards = generator(seed).random((horizon, n_arms))
    run, log = logged(DelayedFeedback(AdversarialRewards(rewards), delay), horizon, seed)
    learnt = max(0, horizon - delay)
    played = log[:, PLAYED].astype(int)
    assert log[:, SEEN].tolist() == [max(0, t - delay) for t in range(horizon)]
    assert log[:learnt, LEARNT_ROUND].tolist() == list(range(1, learnt + 1))
    assert log[:learnt, LEARNT_ARM].tolist() == played[:learnt].tolist()
    assert log[:learnt, LEARNT_REWARD].tolist() == rewards[np.arange(learnt), played[:learnt]].tolist()
    assert log[:learnt, RECALLED].tolist() == [10.0 * (t + 1) + played[t] for t in range(learnt)]
    assert (log[learnt:, LEARNT_ROUND] == 0).all()
    assert run.outcome["reward"] == pytest.approx(rewards[np.arange(horizon), played].sum())


class WithState(BernoulliArms):
    """Bernoulli arms that go through the loop of worlds with rounds."""

    def round_kernels(self):
        return RoundKernels(start=start_as_they_are)


def start_as_they_are(params, rng):
    return params


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.integers(1, 60), st.integers(0, 10**6))
def test_both_loops_play_the_same_game(means, horizon, seed):
    for policy in (UCB1(), ThompsonSampling()):
        plain, stated = (
            policy.run(world(means), horizon, generator(seed), realised=True) for world in (BernoulliArms, WithState)
        )
        assert plain.equals(stated)


def test_the_realised_regret_of_stationary_arms_is_t_times_the_best_mean_less_the_rewards():
    arms, horizon = BernoulliArms([0.3, 0.5]), 400
    for world in (arms, DelayedFeedback(arms, 3)):
        run, log = logged(world, horizon, 1, realised=True, **every(horizon))
        seen = log[:, LEARNT_REWARD].cumsum()[: horizon - 3]
        assert run.metrics["realised_regret"][: horizon - 3] == pytest.approx(0.5 * run.rounds[: horizon - 3] - seen)
        assert run.metrics["regret"][-1] == pytest.approx(0.2 * run.outcome["pulls"][0])


@pytest.mark.parametrize("policy", [Exp3(), TsallisINF(), TsallisINF("reduced variance")])
def test_policies_divide_late_losses_by_the_probability_of_their_own_round(policy):
    """Under a delay D the estimates are those of a policy that is told everything D rounds later, by the formula."""
    rewards, delay, rng = generator(5).random((60, 3)), 4, generator(6)
    losses, waiting, played = np.zeros(3), [], []
    for t in range(1, 61):
        if isinstance(policy, Exp3):
            rate = math.sqrt(2 * math.log(3) / (3 * 60))
            chances = np.exp(-rate * (losses - losses.min()))
            chances /= chances.sum()
            guess = np.zeros(3)
        else:
            reduced = policy.estimator == "reduced variance"
            eta = (4 if reduced else 2) / math.sqrt(t)
            chances, _ = tsallis_weights(losses, eta)
            guess = np.where(chances >= eta**2, 0.5, 0.0) if reduced else np.zeros(3)
        arm = min(int(np.searchsorted(np.cumsum(chances), rng.random(), side="right")), 2)
        played.append(arm)
        grown = guess.copy()
        grown[arm] += (1 - rewards[t - 1, arm] - guess[arm]) / chances[arm]
        waiting.append(grown)
        if t > delay:
            losses = losses + waiting[t - 1 - delay]
    log = Late(rewards, delay)
    policy.run(log, 60, generator(6))
    assert log.played.tolist() == played


class Late:
    """A table that keeps who was played, with a delay."""

    def __init__(self, rewards, delay):
        self.rewards, self.delay, self.n_arms = rewards, delay, rewards.shape[1]
        self.played, self.row = np.zeros(len(rewards), dtype=np.int64), np.zeros(1, dtype=np.int64)

    def parameters(self):
        return self.rewards, self.played, self.row

    def kernel(self):
        return pull_late

    def round_kernels(self):
        return RoundKernels(advance=next_row, expected=mean_late)


def next_row(world, t, rng):
    world[2][0] = t - 1


def mean_late(world, arm):
    return world[0][world[2][0], arm]


def pull_late(world, arm, rng):
    world[1][world[2][0]] = arm
    return world[0][world[2][0], arm]


WORLDS = [
    AdversarialRewards(generator(0).random((60, 3))),
    DelayedFeedback(BernoulliArms([0.2, 0.5, 0.4]), 7),
    PiecewiseStationaryArms([[0.1, 0.9, 0.5], [0.9, 0.2, 0.5]], [30]),
    TableArms(generator(1).random((3, 60))),
]


@pytest.mark.parametrize("world", WORLDS)
def test_compiled_and_interpreted_runs_have_the_same_bits_and_worlds_keep_nothing_between_runs(world):
    for policy in (UCB1(), Exp3()):
        runs = [policy.run(world, 60, generator(3), compiled=compiled) for compiled in (True, True, False)]
        assert runs[0].equals(runs[1])
        assert runs[0].equals(runs[2])


@pytest.mark.parametrize("world", [LinearContexts([0.3, -0.2], 4), DelayedFeedback(LinearContexts([0.3, -0.2], 4), 5)])
def test_contextual_runs_have_the_same_bits(world):
    for policy in (LinUCB(), LinTS()):
        fast, slow = (policy.run(world, 60, generator(3), compiled=compiled) for compiled in (True, False))
        assert fast.equals(slow)


def test_a_delayed_distribution_over_arms_is_sampled_and_keeps_its_delay():
    class Prior:
        def sample(self, rng):
            return BernoulliArms(rng.random(3))

    run = UCB1().run(DelayedFeedback(Prior(), 5), 100, generator(0), world=generator(4))
    world = generator(4)
    again = UCB1().run(DelayedFeedback(BernoulliArms(world.random(3)), 5), 100, generator(0), world=world)
    assert run.equals(again)
    assert not run.equals(UCB1().run(Prior(), 100, generator(0), world=generator(4)))


def test_exp4_is_told_the_advice_of_the_round_that_a_late_reward_belongs_to():
    rewards, advice = generator(1).random((80, 3)), generator(2).dirichlet(np.ones(3), size=(80, 4))
    prompt = Exp4().run(AdvisedRewards(advice, rewards), 80, generator(3))
    late = Exp4().run(DelayedFeedback(AdvisedRewards(advice, rewards), 79), 80, generator(3))
    rate = math.sqrt(2 * math.log(4) / 240)
    # Trust in round 80 is uniform: only the reward of round 1 has been learnt, after the choice.
    assert late.outcome["trust"] == pytest.approx(np.full(4, 0.25))
    assert abs(prompt.outcome["trust"] - 0.25).max() > rate / 10


class Wrong:
    """A world of the user's own, with one thing wrong."""

    n_arms, means = 2, np.array([0.5, 0.5])

    def __init__(self, kernels=RoundKernels(), pay=0.5, **said):  # noqa: B008
        self.kernels, self.paid = kernels, pay
        vars(self).update(said)

    def parameters(self):
        return (self.paid,)

    def kernel(self):
        return pay_always

    def round_kernels(self):
        return self.kernels


def pay_always(params, arm, rng):
    return params[0]


def half(world, arm):
    return 0.5


@pytest.mark.parametrize(
    ("world", "message"),
    [
        (Wrong(RoundKernels(rival=half)), "round_kernels: rival without expected"),
        (Wrong(RoundKernels(expected=half), n_arms=0), "n_arms: 0 is below 1"),
        (Wrong(RoundKernels(expected=half, rival=half), n_rivals=2.5), "n_rivals: 2.5"),
        (Wrong(delay=-1), "delay: -1 is below 0"),
        (Wrong(delay=1.5), "delay: 1.5"),
        (Wrong(n_rounds=5), "horizon: 10 is more than the 5 rounds"),
        (Wrong(RoundKernels(expected=half), pay=math.nan), "pull: paid NaN"),
        (Wrong(pay=math.nan, delay=1), "pull: paid NaN"),
    ],
)
def test_what_is_wrong_with_a_world_is_named(world, message):
    with pytest.raises(ValueError, match=message):
        logged(world, 10, 0)


def test_contexts_are_shown_only_to_policies_that_look():
    world = LinearContexts([0.5], 3, sigma=0.1)
    blind = CustomPolicy(init, select, update, np.zeros((50, 8)))
    run, again = blind.run(world, 50, generator(0)), logged(world, 50, 0)[0]
    assert run.equals(again)
    assert (blind.params[:, SHOWN_IN] == 0).all()


def test_recorded_arms_are_those_of_the_trajectory():
    rewards = generator(1).random((50, 3))
    played = arms_played(Exp3(), rewards, generator(2), compiled=True)
    run = Exp3().run(AdversarialRewards(rewards), 50, generator(2))
    assert np.bincount(played, minlength=3).tolist() == run.outcome["pulls"].tolist()
