"""Policies with predicted arrival times, and Guard: their slow versions and their bounds."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos import arrival_error, clean_pages, next_use, optimal_faults
from online.paging import (
    BlindOracle,
    DiscardBitGuard,
    Guard,
    LMarker,
    LNonMarker,
    Marker,
    PredictiveMarker,
    blind_oracle_bound,
    blind_oracle_consistency,
    blind_oracle_sharper_bound,
    guard_bound,
    guard_consistency,
    predicted_marking_consistency,
    predictive_marker_bound,
)
from simulators import Trace, shipped_trace
from tests.online.runs import exact_mean, faults, flags, generator
from tests.online.strategies import cache_sizes, predicted_requests, requests, seeds
from tests.reference import paging as slow
from tests.reference import paging_predictions as reference

TINY = Fraction(1, 10**9)


@st.composite
def timed_requests(draw, pages=5, longest=9):
    """Requests and as many predicted times, ties and infinities among them."""
    sequence = draw(st.lists(st.integers(0, pages - 1), min_size=1, max_size=longest))
    n = len(sequence)
    times = st.one_of(st.integers(0, n).map(float), st.floats(0, 2 * n), st.just(math.inf))
    return sequence, draw(st.lists(times, min_size=n, max_size=n))


@given(timed_requests(pages=8, longest=60), cache_sizes)
def test_blind_oracle_is_its_slow_version(timed, k):
    sequence, h = timed
    assert flags(BlindOracle(k), sequence, arrivals=h) == reference.blind_oracle(sequence, h, k)


SLOW = {
    PredictiveMarker: reference.predictive_marker,
    LMarker: reference.lmarker,
    LNonMarker: reference.lnonmarker,
    Guard: reference.guard,
}


@pytest.mark.parametrize("policy", SLOW)
@given(timed_requests(longest=10), st.integers(1, 3))
def test_randomized_policies_have_exactly_the_expected_faults(policy, timed, k):
    sequence, h = timed
    expected = slow.Choices.mean(lambda choices: sum(SLOW[policy](sequence, h, k, choices)))
    assert exact_mean(policy(k), sequence, arrivals=h) == expected


@given(timed_requests(longest=10), st.integers(1, 3), st.sampled_from([0.0, 0.5, 2.0]))
def test_predictive_marker_with_other_patience(timed, k, gamma):
    sequence, h = timed
    expected = slow.Choices.mean(lambda choices: sum(reference.predictive_marker(sequence, h, k, choices, gamma)))
    assert exact_mean(PredictiveMarker(k, gamma=gamma), sequence, arrivals=h) == expected


@given(predicted_requests(longest=10), st.integers(1, 3))
def test_guard_with_bits_has_exactly_the_expected_faults(predicted, k):
    sequence, bits = predicted
    expected = slow.Choices.mean(lambda choices: sum(reference.guard_bits(sequence, bits, k, choices)))
    assert exact_mean(DiscardBitGuard(k), sequence, bits) == expected


@pytest.mark.guarantee("blind_oracle_bound", "blind_oracle_sharper_bound")
@given(timed_requests(pages=7, longest=40), cache_sizes)
def test_blind_oracle_within_its_bounds(timed, k):
    sequence, h = timed
    opt, eta = optimal_faults(sequence, 7, k), arrival_error(h, next_use(sequence, 7))
    cost = faults(BlindOracle(k), sequence, arrivals=h)
    assert cost <= blind_oracle_bound(opt, eta, k)
    assert cost <= blind_oracle_sharper_bound(opt, eta, k)


@pytest.mark.guarantee("blind_oracle_consistency", "guard_consistency")
@given(requests, cache_sizes, seeds)
def test_blind_oracle_and_guard_with_true_times_are_the_optimum(sequence, k, seed):
    opt = optimal_faults(sequence, 6, k)
    assert faults(BlindOracle(k), sequence) == blind_oracle_consistency(opt)
    assert faults(Guard(k), sequence, generator(seed)) == guard_consistency(opt)
    assert faults(DiscardBitGuard(k), sequence, generator(seed)) == opt


@pytest.mark.guarantee("predicted_marking_consistency")
@given(requests, cache_sizes, seeds)
def test_marking_with_true_times_pays_for_clean_pages_only(sequence, k, seed):
    clean = int(clean_pages(sequence, 6, k).sum())
    for policy in (PredictiveMarker(k), LMarker(k), LNonMarker(k)):
        assert faults(policy, sequence, generator(seed)) == predicted_marking_consistency(clean)


@pytest.mark.guarantee("predictive_marker_bound")
@given(timed_requests(), st.integers(1, 3))
def test_predictive_marker_in_exact_expectation(timed, k):
    sequence, h = timed
    opt, eta = optimal_faults(sequence, 5, k), arrival_error(h, next_use(sequence, 5))
    bound = Fraction(predictive_marker_bound(opt, eta, k)) + TINY
    assert exact_mean(PredictiveMarker(k), sequence, arrivals=h) <= bound


@pytest.mark.guarantee("guard_bound")
@given(timed_requests(), predicted_requests(), st.integers(1, 3))
def test_guard_in_exact_expectation(timed, predicted, k):
    sequence, h = timed
    bound = Fraction(guard_bound(optimal_faults(sequence, 5, k), k)) + TINY
    assert exact_mean(Guard(k), sequence, arrivals=h) <= bound
    sequence, bits = predicted
    bound = Fraction(guard_bound(optimal_faults(sequence, 5, k), k)) + TINY
    assert exact_mean(DiscardBitGuard(k), sequence, bits) <= bound


@pytest.mark.parametrize("policy", [BlindOracle, PredictiveMarker, LMarker, LNonMarker, Guard])
@given(timed=timed_requests(pages=8, longest=60), k=cache_sizes, seed=seeds)
def test_only_the_order_of_the_times_matters(policy, timed, k, seed):
    sequence, h = timed
    ranked = [3.0 * sorted(set(h)).index(time) - 40.0 for time in h]  # 3 * time - 40 would make tiny times equal
    runs = [flags(policy(k), sequence, generator(seed), arrivals=times) for times in (h, ranked)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("policy", [BlindOracle, PredictiveMarker, LMarker, LNonMarker, Guard])
def test_the_true_times_may_be_given_or_left_out(policy):
    trace = shipped_trace("web12")
    given_times = trace.with_arrivals(next_use(trace.requests, trace.n_pages))
    runs = [policy(687).run(t, rng=generator(4)) for t in (trace, given_times)]
    assert runs[0].equals(runs[1])


@pytest.mark.parametrize("policy", [BlindOracle, PredictiveMarker, LMarker, LNonMarker, Guard])
def test_a_prefix_of_a_trace_with_times_is_served_alike(policy):
    trace = shipped_trace("web12")
    timed = trace.with_arrivals(generator(2).permutation(len(trace)).astype(float))
    every = np.arange(1, 30_001)
    whole = policy(200).run(timed, 30_000, generator(4), checkpoints=every).metrics["faults"]
    part = policy(200).run(timed, 9_000, generator(4), checkpoints=every[:9000]).metrics["faults"]
    assert np.array_equal(whole[:9000], part)


def test_on_a_real_trace_predictions_help_and_bad_ones_do_not_ruin_marking():
    trace = shipped_trace("web07")
    opt = optimal_faults(trace.requests, trace.n_pages, 1024)
    marker = Marker(1024).run(trace, rng=generator(1)).outcome["faults"]
    worst = trace.with_arrivals(-next_use(trace.requests, trace.n_pages).astype(float))  # exactly the wrong order
    assert BlindOracle(1024).run(worst).outcome["faults"] > 1.5 * marker
    for policy in (PredictiveMarker, LMarker, Guard):
        good, bad = (policy(1024).run(t, rng=generator(1)).outcome["faults"] for t in (trace, worst))
        assert opt <= good < marker
        assert bad < 1.4 * marker


@pytest.mark.parametrize("policy", [BlindOracle, PredictiveMarker, LMarker, LNonMarker, Guard])
@pytest.mark.parametrize(
    ("arrivals", "message"), [([0.0, 1.0], r"shape \(2,\)"), ([0.0, math.nan, 1.0], "nan at index 1")]
)
def test_times_that_are_none_are_refused(policy, arrivals, message):
    class Predicted:
        requests = np.array([0, 1, 2])
        n_pages = 3

    Predicted.arrivals = np.array(arrivals)
    with pytest.raises(ValueError, match=f"arrivals: .*{message}"):
        policy(2).run(Predicted(), rng=generator())
    with pytest.raises(ValueError, match="arrivals"):
        Trace("abc", arrivals=arrivals)


def test_bad_options_are_named():
    for gamma in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="PredictiveMarker: gamma = "):
            PredictiveMarker(3, gamma=gamma)
