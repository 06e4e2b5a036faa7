"""What a run promises whatever the policy: prefixes, streams, and refusals (see also test_policy.py)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits import UCB1, ThompsonSampling
from simulators import BernoulliArms

ARMS = BernoulliArms([0.3, 0.5, 0.45])
POLICIES = [UCB1(), UCB1(log_time="t"), ThompsonSampling()]
means = st.lists(st.floats(0, 1), min_size=1, max_size=6)
seeds = st.integers(0, 2**64)


def generator(seed=0):
    return np.random.default_rng(seed)


@given(means, st.integers(1, 300), seeds, st.sampled_from(POLICIES))
def test_a_shorter_run_is_a_prefix_of_a_longer_one(means, horizon, seed, policy):
    arms = BernoulliArms(means)
    whole = policy.run(arms, horizon, generator(seed), checkpoints=range(1, horizon + 1))
    short = policy.run(arms, (horizon + 1) // 2, generator(seed))
    assert short.metrics["regret"].tolist() == whole.metrics["regret"][short.rounds - 1].tolist()


@given(means, st.sets(st.integers(1, 300), min_size=1), seeds, st.sampled_from(POLICIES))
def test_checkpoints_only_watch(means, chosen, seed, policy):
    arms, horizon = BernoulliArms(means), 300
    watched, unwatched = generator(seed), generator(seed)
    some = policy.run(arms, horizon, watched, checkpoints=sorted(chosen))
    none = policy.run(arms, horizon, unwatched, checkpoints=[horizon])
    assert some.outcome["pulls"].tolist() == none.outcome["pulls"].tolist()
    assert some.outcome["reward"] == none.outcome["reward"]
    assert watched.bit_generator.state == unwatched.bit_generator.state


@given(means, st.integers(1, 300), seeds, st.sampled_from(POLICIES))
def test_regret_lies_between_0_and_the_worst_arm_always(means, horizon, seed, policy):
    arms = BernoulliArms(means)
    run = policy.run(arms, horizon, generator(seed))
    assert (run.metrics["regret"] >= 0).all()
    assert (run.metrics["regret"] <= run.rounds * arms.gaps.max() * (1 + 1e-12)).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_without_a_world_rewards_come_from_the_policys_own_stream(policy):
    shared = generator(3)
    assert policy.run(ARMS, 300, generator(3)).equals(policy.run(ARMS, 300, shared, world=shared))


@pytest.mark.parametrize("policy", [UCB1(), UCB1(log_time="t")])
@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_fewer_rounds_than_arms_pull_the_first_arms_once(policy, horizon):
    pulls = policy.run(BernoulliArms([0.5] * 4), horizon, generator()).outcome["pulls"]
    assert pulls.tolist() == [1] * horizon + [0] * (4 - horizon)


class Supported:
    """Arms that pay 1/2 and declare where their rewards lie."""

    means = np.array([0.5, 0.5])

    def __init__(self, low, high):
        self.support = (low, high)

    def parameters(self):
        return ()

    def kernel(self):
        return pay_half


def pay_half(params, arm, rng):
    return 0.5


@pytest.mark.parametrize("policy", [UCB1(), ThompsonSampling()])
@pytest.mark.parametrize("support", [(-0.1, 1), (0, 1.1), (math.nan, 1), (0, math.nan), (-math.inf, math.inf)])
def test_a_support_that_leaves_the_unit_interval_is_refused(policy, support):
    with pytest.raises(ValueError, match=rf"^arms: rewards in .*{type(policy).__name__} needs rewards in \[0, 1\]"):
        policy.run(Supported(*support), 10, generator())


@pytest.mark.parametrize("policy", [UCB1(), ThompsonSampling()])
def test_a_support_within_the_unit_interval_is_played(policy):
    assert policy.run(Supported(0.2, 0.8), 10, generator()).outcome["reward"] == 5.0


@pytest.mark.parametrize("checkpoints", [[], [0], [-1], [11], [3, 3], [4, 2], [1.0], [math.nan], [True], [[1]], 5, "5"])
def test_checkpoints_outside_the_run_are_named(checkpoints):
    with pytest.raises(ValueError, match=r"^checkpoints: "):
        UCB1().run(ARMS, 10, generator(), checkpoints=checkpoints)


@pytest.mark.parametrize("horizon", [2**63, 10**30, 10**400])
def test_a_horizon_beyond_what_rounds_can_count_is_named(horizon):
    with pytest.raises(ValueError, match=r"^horizon: "):
        UCB1().run(ARMS, horizon, generator(), checkpoints=[1])
