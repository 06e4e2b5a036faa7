"""UCB1 and Thompson sampling: their rules, their laws, their bounds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandits import UCB1, CustomPolicy, ThompsonSampling, thompson_bayesian_bound, ucb1_bound
from bandits.thompson import _gamma, _init, _select, _update
from simulators import BernoulliArms
from tests.reference.bandits import TableArms, ucb1

TABLE = [
    [1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1],
    [0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1],
    [0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0],
]


def generator(seed=0):
    return np.random.default_rng(seed)


def arms_played(policy, table, horizon):
    """The arm of each round, from the pulls after each number of rounds."""
    counts = [np.zeros(len(table), dtype=int)]
    counts += [policy.run(TableArms(table), t, generator()).outcome["pulls"] for t in range(1, horizon + 1)]
    return [int(arm) for arm in np.argmax(np.diff(counts, axis=0), axis=1)]


@pytest.mark.parametrize(
    ("log_time", "trace"), [("t-1", [0, 1, 2, 0, 0, 1, 2, 1, 1, 1, 0, 0]), ("t", [0, 1, 2, 0, 1, 2, 0, 1, 1, 1, 0, 0])]
)
def test_the_traces_of_the_specification(log_time, trace):
    assert arms_played(UCB1(log_time=log_time), TABLE, 12) == trace
    assert ucb1(TABLE, 12, lag=1 if log_time == "t-1" else 0) == trace


@settings(max_examples=25)
@given(st.integers(1, 5), st.integers(0, 10**6), st.floats(0.1, 4))
def test_ucb1_by_its_formula(n_arms, seed, exploration):
    # Continuous rewards: no ties that rounding could decide differently.
    table = generator(seed).random((n_arms, 60))
    policy = UCB1(exploration=exploration)
    assert arms_played(policy, table, 40) == ucb1(table, 40, exploration)


@given(st.permutations(range(4)), st.integers(0, 1000))
def test_renaming_arms_renames_the_choices_of_ucb1(names, seed):
    table = generator(seed).random((4, 300))
    pulls = UCB1().run(TableArms(table), 250, generator()).outcome["pulls"]
    renamed = UCB1().run(TableArms(table[list(names)]), 250, generator()).outcome["pulls"]
    assert renamed.tolist() == pulls[list(names)].tolist()


# The law of Thompson sampling. Dvoretzky-Kiefer-Wolfowitz: an empirical distribution function of n draws is within
# sqrt(ln(2 / 1e-9) / 2n) of the true one everywhere, but for chance 1e-9.


@pytest.mark.parametrize("a", [1, 2, 5, 60, 3000])
def test_gamma_variates_have_the_gamma_law(a):
    from scipy.special import gammainc

    count, d = 60_000, a - 1 / 3
    rng = generator(a)
    draws = np.sort([_gamma(d, 1 / math.sqrt(9 * d), rng) for _ in range(count)])
    distance = np.abs(gammainc(a, draws) - np.arange(1, count + 1) / count).max()
    assert distance <= math.sqrt(math.log(2 / 1e-9) / (2 * count)) + 1 / count


@pytest.mark.parametrize(("first", "second"), [((0, 0), (0, 0)), ((3, 1), (2, 4)), ((30, 20), (9, 4))])
def test_an_arm_is_chosen_with_the_probability_that_it_is_best(first, second):
    from scipy.special import betainc, betaln

    state = _init(2, ())
    for arm, (successes, failures) in enumerate((first, second)):
        for reward in [1.0] * successes + [0.0] * failures:
            _update(state, (), 1, arm, reward)
    rng, count = generator(3), 40_000
    chosen = np.mean([_select(state, (), 1, rng) for _ in range(count)])
    x = (np.arange(200_000) + 0.5) / 200_000
    a, b = second[0] + 1, second[1] + 1
    density = np.exp((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - betaln(a, b))
    expected = np.mean(density * betainc(first[0] + 1, first[1] + 1, x))
    assert abs(chosen - expected) <= math.sqrt(math.log(2 / 1e-9) / (2 * count)) + 1e-6


def test_rewards_between_0_and_1_are_rounded_without_bias():
    state, rng, count = _init(1, ()), generator(6), 20_000
    for _ in range(count):
        _select(state, (), 1, rng)
        _update(state, (), 1, 0, 0.3)
    successes, failures = state.gammas[0, 0] - 2 / 3, state.gammas[0, 2] - 2 / 3
    assert successes + failures == pytest.approx(count, abs=1e-6)
    assert abs(successes / count - 0.3) <= math.sqrt(math.log(2 / 1e-9) / (2 * count))


# Bounds. A run's regret lies in [0, T max gap], so the mean of N runs exceeds its expectation by more than
# T max gap sqrt(ln(1 / 1e-9) / 2N) with chance 1e-9 at most (Hoeffding).


def slack(span, runs):
    return span * math.sqrt(math.log(1e9) / (2 * runs))


def mean_regret(policy, arms, horizon, runs, seed):
    streams = (generator([seed, run]) for run in range(runs))
    return np.mean([policy.run(arms, horizon, rng).metrics["regret"][-1] for rng in streams])


UNIFORM = CustomPolicy(
    lambda n_arms, params: np.zeros(n_arms),
    lambda state, params, t, rng: int(rng.random() * state.size),
    lambda state, params, t, arm, reward: None,
)


def least_regret(policy, means, horizon, seed, runs=200):
    """What the expected regret exceeds, but for chance 1e-9."""
    arms = BernoulliArms(means)
    return mean_regret(policy, arms, horizon, runs, seed) - slack(horizon * arms.gaps.max(), runs)


@pytest.mark.guarantee("ucb1_bound")
@settings(max_examples=15)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=5), st.integers(2, 3000), st.integers(0, 10**6))
def test_ucb1_stays_within_its_bound(means, horizon, seed):
    assert least_regret(UCB1(), means, horizon, seed) <= ucb1_bound(BernoulliArms(means).gaps, horizon)


def test_the_bound_of_ucb1_by_hand():
    assert ucb1_bound([0.0, 0.5, 0.25], 100) == pytest.approx(8 * math.log(100) * 6 + (1 + math.pi**2 / 3) * 0.75)
    assert ucb1_bound([0.0, 0.0], 100) == 0.0
    assert ucb1_bound([0.0, 5e-324], 100) == math.inf
    assert ucb1_bound([0.0, 5e-324], 1) < 1e-300


def test_the_check_of_ucb1_would_catch_a_policy_that_does_not_learn():
    bound = ucb1_bound([0.8, 0.0], 3000)
    assert least_regret(UCB1(), [0.1, 0.9], 3000, 0) <= bound < least_regret(UNIFORM, [0.1, 0.9], 3000, 0)


class UniformPrior:
    def __init__(self, n_arms):
        self.n_arms = n_arms

    def sample(self, rng):
        return BernoulliArms(rng.random(self.n_arms))


def least_bayesian_regret(policy, n_arms, horizon, seed, runs=1500):
    return mean_regret(policy, UniformPrior(n_arms), horizon, runs, seed) - slack(horizon, runs)


@pytest.mark.guarantee("thompson_bayesian_bound")
@settings(max_examples=6)
@given(st.integers(2, 6), st.integers(100, 600), st.integers(0, 10**6))
def test_thompson_sampling_stays_within_its_bayesian_bound(n_arms, horizon, seed):
    regret = least_bayesian_regret(ThompsonSampling(), n_arms, horizon, seed)
    assert regret <= thompson_bayesian_bound(n_arms, horizon)


def test_the_check_of_thompson_sampling_would_catch_a_policy_that_does_not_learn():
    assert least_bayesian_regret(UNIFORM, 5, 600, 0) > thompson_bayesian_bound(5, 600)


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "value", "error"), [(UCB1(), 484.5, 1.2), (ThompsonSampling(), 115.0, 1.3)])
def test_reference_regret_of_the_standard_instance(policy, value, error):
    arms = BernoulliArms(np.linspace(0.05, 0.5, 10))
    regret = [policy.run(arms, 10_000, generator([9, run])).metrics["regret"][-1] for run in range(1000)]
    combined = math.hypot(error, np.std(regret, ddof=1) / math.sqrt(1000))
    assert abs(np.mean(regret) - value) <= 5 * combined
