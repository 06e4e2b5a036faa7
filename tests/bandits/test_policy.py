"""The contract of policies: compiled and pluggable at once, and nothing bad goes in."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.contracts import Algorithm
from bandits import UCB1, CustomPolicy, Policy, ThompsonSampling
from simulators import BernoulliArms, DelayedFeedback

ARMS = BernoulliArms([0.3, 0.5, 0.45])
POLICIES = [UCB1(), UCB1(exploration=0.5, log_time="t"), ThompsonSampling()]
means = st.lists(st.floats(0, 1), min_size=1, max_size=6)
seeds = st.integers(0, 2**64)


def generator(seed=0):
    return np.random.default_rng(seed)


# A policy of the user's own: epsilon-greedy, in plain Python.


class Learnt(NamedTuple):
    pulls: np.ndarray
    rewards: np.ndarray


def init(n_arms, params):
    return Learnt(np.zeros(n_arms, np.int64), np.zeros(n_arms))


def select(state, params, t, rng):
    if t <= state.pulls.size:
        return t - 1
    if rng.random() < params:
        return int(rng.random() * state.pulls.size)
    return np.argmax(state.rewards / state.pulls)


def update(state, params, t, arm, reward):
    state.pulls[arm] += 1
    state.rewards[arm] += reward


GREEDY = CustomPolicy(init, select, update, params=0.1)


@given(means, st.integers(1, 300), seeds)
def test_a_users_own_policy_runs_compiled_and_interpreted_with_the_same_bits(means, horizon, seed):
    arms = BernoulliArms(means)
    fast, slow = (GREEDY.run(arms, horizon, generator(seed), compiled=compiled) for compiled in (True, False))
    assert fast.equals(slow)


def test_a_users_own_policy_learns():
    run = GREEDY.run(ARMS, 20_000, generator())
    assert run.outcome["pulls"].argmax() == 1
    assert run.metrics["regret"][-1] < 0.2 * 20_000 * 0.2


class MyArms:
    """Arms of the user's own: exponential rewards, cut off at 1."""

    means = 1.0 - np.exp([-2.0, -0.5])

    def parameters(self):
        return self.means

    def kernel(self):
        return lambda params, arm, rng: min(1.0, rng.exponential() * params[arm])


def test_a_users_own_arms_can_be_played():
    for policy in (*POLICIES, GREEDY):
        fast, slow = (policy.run(MyArms(), 400, generator(2), compiled=compiled) for compiled in (True, False))
        assert fast.equals(slow)
        assert fast.outcome["pulls"].sum() == 400


@given(means, st.integers(1, 400), seeds, st.sampled_from(POLICIES))
def test_compiled_and_interpreted_runs_have_the_same_bits(means, horizon, seed, policy):
    arms = BernoulliArms(means)
    fast, slow = (policy.run(arms, horizon, generator(seed), compiled=compiled) for compiled in (True, False))
    assert fast.equals(slow)


@given(means, st.integers(1, 400), seeds, st.sampled_from(POLICIES))
def test_what_a_run_returns(means, horizon, seed, policy):
    arms = BernoulliArms(means)
    run = policy.run(arms, horizon, generator(seed))
    pulls = run.outcome["pulls"]
    assert pulls.sum() == horizon
    assert run.rounds[-1] == horizon
    assert run.metrics["regret"][-1] == pytest.approx(arms.gaps @ pulls, abs=1e-9)
    assert (np.diff(run.metrics["regret"]) >= -1e-9).all()
    assert 0 <= run.outcome["reward"] <= horizon
    if horizon >= len(means) and isinstance(policy, UCB1):
        assert (pulls >= 1).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_is_an_algorithm_and_repeats_with_its_seed(policy):
    assert isinstance(policy, Algorithm)
    first, again, other = (policy.run(ARMS, 500, generator(seed)) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize("policy", POLICIES)
def test_one_arm_and_equal_arms_have_no_regret(policy):
    for arms in (BernoulliArms([0.3]), BernoulliArms([0.4, 0.4, 0.4])):
        assert (policy.run(arms, 200, generator()).metrics["regret"] == 0).all()


def test_rewards_come_from_the_world_and_choices_from_the_own_stream():
    ucb1 = [UCB1().run(ARMS, 300, generator(seed), world=generator(5)) for seed in (0, 1)]
    assert ucb1[0].equals(ucb1[1])
    thompson = [ThompsonSampling().run(ARMS, 300, generator(seed), world=generator(5)) for seed in (0, 1)]
    assert not thompson[0].equals(thompson[1])


def test_policies_meet_the_same_uniforms_round_by_round():
    always = [
        CustomPolicy(lambda n, p: p, lambda s, p, t, rng: p, lambda s, p, t, arm, reward: None, params=arm)
        for arm in (0, 1)
    ]
    arms = BernoulliArms([0.3, 0.6])
    rewards = [policy.run(arms, 5000, generator(), world=generator(8)).outcome["reward"] for policy in always]
    uniforms = generator(8).random(5000)
    assert rewards == [(uniforms < 0.3).sum(), (uniforms < 0.6).sum()]


def test_a_distribution_over_arms_is_sampled_from_the_world():
    class Prior:
        def sample(self, rng):
            return BernoulliArms(rng.random(3))

    run = UCB1().run(Prior(), 100, generator(0), world=generator(4))
    world = generator(4)
    assert run.equals(UCB1().run(BernoulliArms(world.random(3)), 100, generator(0), world=world))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("arm", [-1, 3, 10**12])
def test_an_arm_that_is_none_ends_the_run_and_not_the_process(compiled, arm):
    def choose(state, params, t, rng):
        return params

    policy = CustomPolicy(init, choose, update, params=arm)
    with pytest.raises(ValueError, match="select: returned an arm outside"):
        policy.run(ARMS, 10, generator(), compiled=compiled)


@pytest.mark.parametrize("horizon", [0, -1, 2.5, True, math.nan, "10", None])
def test_bad_horizons_are_named(horizon):
    with pytest.raises(ValueError, match=r"^horizon: "):
        UCB1().run(ARMS, horizon, generator())


@pytest.mark.parametrize("rng", [None, 0, np.random.RandomState(1)])
def test_a_generator_is_needed(rng):
    with pytest.raises(ValueError, match=r"^rng: .* is not a numpy.random.Generator"):
        UCB1().run(ARMS, 10, rng)
    with pytest.raises(ValueError, match=r"is not a numpy\.random\.Generator"):
        UCB1().run(ARMS, 10, generator(), world=3)


@pytest.mark.parametrize("bad", [[], [math.nan, 0.5], [[0.5]], [math.inf]])
def test_arms_without_proper_means_are_refused(bad):
    arms = MyArms()
    arms.means = np.array(bad)
    with pytest.raises(ValueError, match=r"^means: "):
        GREEDY.run(arms, 10, generator())


@pytest.mark.parametrize("policy", [UCB1(), ThompsonSampling()])
def test_rewards_outside_the_unit_interval_are_refused_where_the_guarantee_needs_them(policy):
    arms = MyArms()
    arms.support = (0.0, 2.0)
    with pytest.raises(
        ValueError, match=rf"rewards in \[0, 2\], but {type(policy).__name__} needs rewards in \[0, 1\]"
    ):
        policy.run(arms, 10, generator())


def paid(params, arm, rng):
    return params


@pytest.mark.parametrize("reward", [-0.5, 1.5, math.nan, math.inf])
@pytest.mark.parametrize("late", [False, True])
def test_rewards_that_nobody_declared_are_refused_where_they_fall(reward, late):
    class Undeclared:
        means = np.array([0.5, 0.5])

        def parameters(self):
            return reward

        def kernel(self):
            return paid

    world = DelayedFeedback(Undeclared(), 2) if late else Undeclared()
    with pytest.raises(ValueError, match=r"^pull: paid "):
        UCB1().run(world, 10, generator(), compiled=False)
    if math.isnan(reward):
        with pytest.raises(ValueError, match=r"^pull: paid NaN"):
            GREEDY.run(world, 10, generator(), compiled=False)
    elif not late:
        assert GREEDY.run(world, 10, generator(), compiled=False).outcome["reward"] == 10 * reward


def test_a_policy_must_say_its_kernels():
    class Lazy(Policy):
        pass

    with pytest.raises(NotImplementedError, match=r"Lazy must define kernels\(\)"):
        Lazy().run(ARMS, 5, generator())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"exploration": 0.0}, "UCB1: exploration = 0.0: should be greater than 0"),
        ({"exploration": -1}, "UCB1: exploration = -1"),
        ({"exploration": math.nan}, "UCB1: exploration = nan"),
        ({"exploration": math.inf}, "UCB1: exploration = inf"),
        ({"log_time": "T"}, "UCB1: log_time = 'T'"),
        ({"alpha": 2}, "UCB1: alpha = 2"),
    ],
)
def test_bad_parameters_are_named(bad, message):
    with pytest.raises(ValueError, match=message):
        UCB1(**bad)


@pytest.mark.parametrize("means", [[], [1.2], [-0.1], [math.nan], [[0.5]], "ab", None, [True]])
def test_bad_bernoulli_means_are_named(means):
    with pytest.raises(ValueError, match="BernoulliArms: means = "):
        BernoulliArms(means)


def test_bernoulli_arms_pay_with_their_probability():
    count = 200_000
    pull, params, rng = (
        BernoulliArms([0.0, 0.37, 1.0]).kernel(),
        BernoulliArms([0.0, 0.37, 1.0]).parameters(),
        generator(4),
    )
    paid = [sum(pull(params, arm, rng) for _ in range(n)) for arm, n in ((0, 500), (1, count), (2, 500))]
    assert (paid[0], paid[2]) == (0, 500)
    assert abs(paid[1] / count - 0.37) <= math.sqrt(math.log(2 / 1e-9) / (2 * count))
