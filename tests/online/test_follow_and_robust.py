"""Follower & Robust: its slow version in exact expectation, and the optimum with true predictions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos import optimal_faults
from online.paging import (
    LRU,
    BlindOracle,
    FlushWhenFull,
    FollowAndRobust,
    Mark0,
    Marker,
    follow_and_robust_consistency,
)
from simulators import Trace, shipped_trace
from tests.online.runs import contents_of, faults, generator, interpreted_run
from tests.online.strategies import cache_sizes, requests, seeds, timed_traces
from tests.reference import paging_predictions as reference
from tests.reference.paging import Choices


@settings(max_examples=60)
@given(timed_traces(pages=5, longest=11), st.integers(1, 3), st.sampled_from([BlindOracle, LRU, FlushWhenFull]))
def test_exactly_the_expected_faults(trace, k, followed):
    contents = contents_of(followed(k), trace)
    sequence = trace.requests.tolist()
    expected = Choices.mean(lambda choices: sum(reference.follow_and_robust(sequence, k, contents, choices)))
    assert Choices.mean(lambda choices: sum(interpreted_run(FollowAndRobust(k, followed), trace, choices))) == expected


@pytest.mark.parametrize("noise", [0.5, 3.0, 30.0])
def test_expectations_on_longer_traces_agree_with_the_slow_version(noise):
    rng = generator(3)
    trace = Trace(rng.integers(0, 12, 400))
    times = np.array(reference.next_use(trace.requests.tolist())) + noise * rng.standard_normal(400)
    trace, k, runs = trace.with_arrivals(times), 6, 300
    contents, sequence = contents_of(BlindOracle(k), trace), trace.requests.tolist()
    own = [FollowAndRobust(k).run(trace, rng=generator(seed)).outcome["faults"] for seed in range(runs)]
    slow = [sum(reference.follow_and_robust(sequence, k, contents, generator(seed))) for seed in range(runs)]
    # Two means of runs in [m, n]: each is off by more than this with probability below 1e-9 (Hoeffding).
    slack = len(trace) * np.sqrt(np.log(2 / 1e-9) / (2 * runs))
    assert abs(np.mean(own) - np.mean(slow)) <= 2 * slack
    assert abs(np.mean(own) - np.mean(slow)) <= 8 * np.sqrt((np.var(own) + np.var(slow)) / runs) + 1e-9


@pytest.mark.guarantee("follow_and_robust_consistency")
@given(requests, cache_sizes, seeds)
def test_true_predictions_give_the_optimum_without_a_draw(sequence, k, seed):
    rng = generator(seed)
    cost = FollowAndRobust(k).run(Trace(sequence), rng=rng).outcome["faults"]
    assert cost == follow_and_robust_consistency(optimal_faults(sequence, 6, k))
    assert rng.bit_generator.state == generator(seed).bit_generator.state


@given(timed_traces(pages=8, longest=80), cache_sizes, seeds)
def test_compiled_and_interpreted_have_the_same_bits(trace, k, seed):
    for policy in (FollowAndRobust(k), FollowAndRobust(k, Mark0(k, eager=True))):
        fast, slow = (policy.run(trace, rng=generator(seed), compiled=form) for form in (True, False))
        assert fast.equals(slow)


def test_on_a_real_trace():
    trace, k = shipped_trace("web12"), 687
    opt = optimal_faults(trace.requests, trace.n_pages, k)
    assert faults(FollowAndRobust(k), trace, generator(1)) == opt
    wrong = trace.with_arrivals(np.arange(len(trace)))  # the most recently requested page leaves
    marker = Marker(k).run(trace, rng=generator(1)).outcome["faults"]
    assert faults(BlindOracle(k), wrong) > 1.3 * marker
    assert faults(FollowAndRobust(k), wrong, generator(1)) < 1.15 * marker
