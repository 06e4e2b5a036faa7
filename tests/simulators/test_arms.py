"""Bernoulli arms: a description that holds still, and one uniform a pull."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import BernoulliArms
from simulators.arms import _pull_bernoulli

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@given(probabilities)
def test_gaps_are_to_the_best_arm(means):
    arms = BernoulliArms(means)
    assert arms.gaps.tolist() == [max(means) - mean for mean in means]
    assert arms.means.tolist() == arms.parameters().means.tolist() == means


def test_the_callers_array_is_copied_and_the_means_cannot_be_written():
    given_means = np.array([0.2, 0.4])
    arms = BernoulliArms(given_means)
    given_means[0] = 0.9
    assert arms.means.tolist() == [0.2, 0.4]
    with pytest.raises(ValueError, match="read-only"):
        arms.means[0] = 0.9
    with pytest.raises(AttributeError):
        arms.means = np.array([0.9])


@given(probabilities, st.integers(0, 2**64), st.data())
def test_a_pull_spends_one_uniform_and_pays_when_it_is_below_the_mean(means, seed, data):
    arm = data.draw(st.integers(0, len(means) - 1))
    arms = BernoulliArms(means)
    fast, slow, uniforms = (np.random.default_rng(seed) for _ in range(3))
    expected = [float(u < means[arm]) for u in uniforms.random(20)]
    assert [_pull_bernoulli(arms.parameters(), arm, fast) for _ in range(20)] == expected
    assert [_pull_bernoulli.py_func(arms.parameters(), arm, slow) for _ in range(20)] == expected
    assert fast.bit_generator.state == slow.bit_generator.state == uniforms.bit_generator.state


def test_arms_with_equal_means_are_equal_descriptions():
    assert BernoulliArms([0.2, 0.4]) == BernoulliArms([0.2, 0.4])
    assert BernoulliArms([0.2, 0.4]) != BernoulliArms([0.2, 0.5])


def test_arms_sent_to_another_process_still_cannot_be_written():
    arms = pickle.loads(pickle.dumps(BernoulliArms([0.2, 0.4])))
    assert arms.means.tolist() == [0.2, 0.4]
    assert not arms.means.flags.writeable
