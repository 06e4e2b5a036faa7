"""Policies that draw their choices: the law of one choice, given what was learnt.

An empirical frequency of n draws is within sqrt(ln(2 / 1e-9) / 2n) of its probability, but for chance 1e-9 (Hoeffding).
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandits import (
    DecayingEpsilonGreedy,
    EpsilonGreedy,
    GaussianThompson,
    Softmax,
    UniformRandom,
)

COUNT = 20_000
CLOSE = math.sqrt(math.log(2e9) / (2 * COUNT))


def frequencies(policy, rewards, t=None):
    """How often each arm is chosen after each arm's rewards, learnt in turn."""
    kernels, params = policy.kernels(), policy.parameters(10_000)
    state, rounds = kernels.init(len(rewards), params), 0
    while any(len(row) > rounds // len(rewards) for row in rewards):
        arm, j = rounds % len(rewards), rounds // len(rewards)
        rounds += 1
        if j < len(rewards[arm]):
            kernels.update(state, params, rounds, arm, rewards[arm][j])
    rng = np.random.default_rng(len(rewards))
    draws = [kernels.select(state, params, t or rounds + 1, rng) for _ in range(COUNT)]
    return np.bincount(draws, minlength=len(rewards)) / COUNT


REWARDS = [[0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.5]]
LARGEST = np.array([0, 1, 0, 0])  # of the means 1/3, 2/3, 0, 1/2


def test_uniform_play():
    assert np.abs(frequencies(UniformRandom(), REWARDS) - 0.25).max() <= CLOSE


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_epsilon_greedy(epsilon):
    law = np.full(4, epsilon / 4) + (1 - epsilon) * LARGEST
    assert np.abs(frequencies(EpsilonGreedy(epsilon), REWARDS) - law).max() <= CLOSE


def test_epsilon_greedy_takes_arms_without_a_pull_first():
    found = frequencies(EpsilonGreedy(0.2), [[1.0], [], [], [0.5]], t=3)
    assert np.abs(found - [0.05, 0.85, 0.05, 0.05]).max() <= CLOSE


@pytest.mark.parametrize("t", [1, 95, 96, 97, 400, 10**6])
def test_the_schedule_of_epsilon_greedy(t):
    epsilon = min(1.0, 6 * 4 / (0.5**2 * t))
    law = np.full(4, epsilon / 4) + (1 - epsilon) * LARGEST
    assert np.abs(frequencies(DecayingEpsilonGreedy(0.5), REWARDS, t) - law).max() <= CLOSE


@settings(max_examples=8)
@given(
    st.lists(st.lists(st.floats(-1, 1), min_size=1, max_size=3), min_size=1, max_size=4),
    st.sampled_from([1e-3, 0.1, 3.0]),
    st.sampled_from([1.0, 1e4, 1e200]),
    st.sampled_from([0.0, 1e3]),
)
def test_softmax(rewards, temperature, scale, offset):
    # Scaling and shifting everything leaves the law; the weights must be taken from another reference then.
    means = np.array([np.mean(row) for row in rewards])
    weights = np.exp((means - means.max()) / temperature)
    law = weights / weights.sum()
    shifted = [[scale * (x + offset) for x in row] for row in rewards]
    assert np.abs(frequencies(Softmax(temperature * scale), shifted) - law).max() <= CLOSE + 1e-6


@pytest.mark.parametrize("sigma", [1.0, 0.25])
@pytest.mark.parametrize("rewards", [[[], []], [[0.3] * 8, [0.5] * 3], [[1.0] * 40, []]])
def test_gaussian_thompson(sigma, rewards):
    # The first arm's value less the second's is normal; the standard deviation of one is sigma / sqrt(n + 1).
    centres = [sum(row) / (len(row) + 1) for row in rewards]
    deviation = sigma * math.sqrt(sum(1 / (len(row) + 1) for row in rewards))
    first = 0.5 * math.erfc(-(centres[0] - centres[1]) / deviation / math.sqrt(2))
    assert abs(frequencies(GaussianThompson(sigma), rewards)[0] - first) <= CLOSE
