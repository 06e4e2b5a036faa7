"""Policies with predicted bits, beyond what `test_policies` says of all: their slow versions and their bounds."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos import clean_pages, discard_bits, optimal_faults, phase_bits
from algos.kernels import interpreted
from online.paging import (
    LRU,
    FlushWhenAllZeros,
    FlushWhenFull,
    Mark0,
    MarkAndPredict,
    flush_when_all_zeros_bound,
    flush_when_all_zeros_consistency,
    harmonic_number,
    mark0_bound,
    mark0_instance_bound,
    mark_and_predict_bound,
    mark_and_predict_clean_bound,
    mark_and_predict_consistency,
    mark_and_predict_deterministic_bound,
    mark_and_predict_robustness,
)
from simulators import DiscardBits, PhaseBits, Trace, shipped_trace
from tests.online.runs import exact_mean, faults, flags, generator
from tests.online.strategies import cache_sizes, predicted_requests, requests, seeds, short_requests
from tests.reference import paging as slow
from tests.reference import paging_predictions as reference

TINY = Fraction(1, 10**9)


def flushes(policy, sequence, bits):
    """How often the cache was emptied or relabeled: the kernel's own count."""
    trace = Trace(sequence, bits=bits)
    kernels = policy.kernels_in(interpreted)
    state = kernels.init(trace.requests, trace.n_pages, policy.cache_size, policy.parameters())
    for t, page in enumerate(trace.requests):
        kernels.access(state, page, trace.bits[t], t, None)
    return int(state.counts[6])


@pytest.mark.parametrize("flush", ["empty", "relabel"])
@given(predicted_requests(pages=7, longest=60), cache_sizes)
def test_flush_when_all_zeros_is_its_slow_version(flush, predicted, k):
    sequence, bits = predicted
    expected, count = reference.flush_when_all_zeros(sequence, bits, k, flush == "relabel")
    policy = FlushWhenAllZeros(k, flush=flush)
    assert flags(policy, sequence, bits=bits) == expected
    assert flushes(policy, sequence, bits) == count


@given(predicted_requests(pages=7, longest=60), cache_sizes)
def test_deterministic_mark_and_predict_is_its_slow_version(predicted, k):
    sequence, bits = predicted
    expected = reference.mark_and_predict_deterministic(sequence, bits, k)
    assert flags(MarkAndPredict(k, deterministic=True), sequence, bits=bits) == expected


@given(predicted_requests(), st.integers(1, 3))
def test_mark_and_predict_has_exactly_the_expected_faults(predicted, k):
    sequence, bits = predicted
    expected = slow.Choices.mean(lambda choices: sum(reference.mark_and_predict(sequence, bits, k, choices)))
    assert exact_mean(MarkAndPredict(k), sequence, bits) == expected


@pytest.mark.guarantee("flush_when_all_zeros_bound")
@given(predicted_requests(pages=6, longest=40), cache_sizes)
def test_flush_when_all_zeros_within_its_bound(predicted, k):
    sequence, bits = predicted
    eta0, eta1 = DiscardBits(k).errors(Trace(sequence), bits)
    bound = flush_when_all_zeros_bound(optimal_faults(sequence, 6, k), eta0, eta1, k)
    for flush in ("empty", "relabel"):
        policy = FlushWhenAllZeros(k, flush=flush)
        assert faults(policy, sequence, bits=bits) <= bound
        assert flushes(policy, sequence, bits) <= eta0


@pytest.mark.guarantee("flush_when_all_zeros_consistency")
@given(requests, cache_sizes)
def test_flush_when_all_zeros_with_true_bits_is_the_optimum_and_never_flushes(sequence, k):
    truth = discard_bits(sequence, 6, k)
    for flush in ("empty", "relabel"):
        policy = FlushWhenAllZeros(k, flush=flush)
        assert faults(policy, sequence) == flush_when_all_zeros_consistency(optimal_faults(sequence, 6, k))
        assert flushes(policy, sequence, truth) == 0


@given(requests, cache_sizes)
def test_flush_when_all_zeros_told_one_thing_is_lru_or_flush_when_full(sequence, k):
    ones, zeros = [1] * len(sequence), [0] * len(sequence)
    assert flags(FlushWhenAllZeros(k), sequence, bits=ones) == flags(LRU(k), sequence)
    assert flags(FlushWhenAllZeros(k), sequence, bits=zeros) == flags(FlushWhenFull(k), sequence)
    assert flushes(FlushWhenAllZeros(k), sequence, zeros) == max(0, clean_pages(sequence, 6, k).size - 1)
    # Relabeling after all zeros evicts the least recently requested page, as LRU does.
    assert flags(FlushWhenAllZeros(k, flush="relabel"), sequence, bits=ones) == flags(LRU(k), sequence)


@pytest.mark.parametrize("k", [1, 2, 7])
def test_a_wrong_bit_costs_flush_when_all_zeros_its_full_price_on_a_loop(k):
    loop = list(range(k + 1)) * 60
    opt, n = optimal_faults(loop, k + 1, k), len(loop)
    for bit in (0, 1):
        bits = [bit] * n
        eta0, eta1 = DiscardBits(k).errors(Trace(loop), bits)
        assert faults(FlushWhenAllZeros(k), loop, bits=bits) == n
        bound = flush_when_all_zeros_bound(opt, eta0, eta1, k)
        assert n <= bound <= n + k * k  # met, but for the last phase
        assert bit == 0 or bound == n


@pytest.mark.guarantee("mark0_instance_bound")
@given(predicted_requests(), st.integers(1, 3))
def test_mark0_within_its_bound_for_the_instance_which_is_never_above_the_other(predicted, k):
    sequence, bits = predicted
    bound = Fraction(mark0_instance_bound(sequence, bits, 5, k))
    eta0, eta1 = DiscardBits(k).errors(Trace(sequence), bits)
    assert bound <= Fraction(mark0_bound(optimal_faults(sequence, 5, k), eta0, eta1, k)) + TINY
    for eager in (False, True):
        assert slow.expected_mark0(tuple(sequence), tuple(bits), k, eager=eager) <= bound + TINY


def test_the_instance_bound_of_mark0_is_far_below_the_other_on_a_real_trace():
    trace = shipped_trace("web12")
    bits = DiscardBits(687, flip_probability=0.05).predict(trace, generator(1))
    bound = mark0_instance_bound(trace.requests, bits, trace.n_pages, 687)
    eta0, eta1 = DiscardBits(687).errors(trace, bits)
    opt = optimal_faults(trace.requests, trace.n_pages, 687)
    runs = [Mark0(687).run(trace.with_bits(bits), rng=generator(seed)).outcome["faults"] for seed in range(5)]
    assert max(runs) <= bound < 0.5 * (opt + mark0_bound(opt, eta0, eta1, 687))


@pytest.mark.guarantee("mark_and_predict_bound", "mark_and_predict_clean_bound", "mark_and_predict_robustness")
@given(predicted_requests(), st.integers(1, 3))
def test_mark_and_predict_in_exact_expectation(predicted, k):
    sequence, bits = predicted
    expected = exact_mean(MarkAndPredict(k), sequence, bits)
    opt, clean = optimal_faults(sequence, 5, k), int(clean_pages(sequence, 5, k).sum())
    errors = PhaseBits(k).errors(Trace(sequence), bits)
    assert expected <= Fraction(mark_and_predict_clean_bound(clean, *errors, k)) + TINY
    assert expected <= Fraction(mark_and_predict_bound(opt, *errors, k)) + TINY
    assert expected <= Fraction(mark_and_predict_robustness(opt, k)) + TINY


@pytest.mark.guarantee("mark_and_predict_deterministic_bound")
@given(predicted_requests(pages=7, longest=60), cache_sizes)
def test_deterministic_mark_and_predict_within_its_bound(predicted, k):
    sequence, bits = predicted
    errors = PhaseBits(k).errors(Trace(sequence), bits)
    bound = mark_and_predict_deterministic_bound(optimal_faults(sequence, 7, k), *errors, k)
    assert faults(MarkAndPredict(k, deterministic=True), sequence, bits=bits) <= bound


@pytest.mark.guarantee("mark_and_predict_consistency")
@given(requests, cache_sizes, seeds)
def test_mark_and_predict_with_true_bits_pays_for_clean_pages_only(sequence, k, seed):
    clean = int(clean_pages(sequence, 6, k).sum())
    for policy in (MarkAndPredict(k), MarkAndPredict(k, deterministic=True)):
        assert faults(policy, sequence, generator(seed)) == mark_and_predict_consistency(clean)


@given(short_requests, st.integers(1, 3), st.integers(0, 1))
def test_mark_and_predict_told_one_thing_is_marker(sequence, k, bit):
    bits = [bit] * len(sequence)
    assert exact_mean(MarkAndPredict(k), sequence, bits) == slow.expected_marker(tuple(sequence), k)


def test_mark_and_predict_with_fair_random_bits_is_marker():
    sequence, k = tuple("abcadcbd"), 2
    total = Fraction(0)
    for word in range(2 ** len(sequence)):
        bits = [word >> t & 1 for t in range(len(sequence))]
        total += exact_mean(MarkAndPredict(k), sequence, bits)
    assert total / 2 ** len(sequence) == slow.expected_marker(sequence, k)


@pytest.mark.parametrize(
    ("sequence", "k", "flush_zeros", "flush_flipped", "truth", "zeros", "wrong"),
    [
        ("abcabc", 2, 6, 5, 4, 5, 6),
        ("abcdabcdabcd", 3, 12, None, 6, Fraction(17, 2), Fraction(21, 2)),
    ],
)  # the specification, section 8
def test_the_tiny_cases_of_the_specification(sequence, k, flush_zeros, flush_flipped, truth, zeros, wrong):
    dense = ["abcd".index(page) for page in sequence]
    n = len(sequence)
    true_discard = discard_bits(dense, 4, k)
    true_phase, _ = phase_bits(dense, 4, k)
    assert faults(FlushWhenAllZeros(k), sequence) == optimal_faults(dense, 4, k)
    assert faults(FlushWhenAllZeros(k), sequence, bits=[0] * n) == flush_zeros
    if flush_flipped is not None:
        assert faults(FlushWhenAllZeros(k), sequence, bits=1 - true_discard) == flush_flipped
    assert exact_mean(MarkAndPredict(k), sequence, true_phase) == truth
    assert exact_mean(MarkAndPredict(k), sequence, [0] * n) == zeros
    assert exact_mean(MarkAndPredict(k), sequence, 1 - true_phase) == wrong


@given(predicted_requests(pages=7, longest=60), cache_sizes, st.sampled_from(["empty", "relabel"]))
def test_with_the_other_end_of_the_sequence_the_bounds_hold_plus_k(predicted, k, flush):
    sequence, bits = predicted
    eta0, eta1 = DiscardBits(k, end="keep").errors(Trace(sequence), bits)
    bound = flush_when_all_zeros_bound(optimal_faults(sequence, 7, k), eta0, eta1, k) + k
    assert faults(FlushWhenAllZeros(k, flush=flush), sequence, bits=bits) <= bound


@pytest.mark.parametrize("k", [2, 10, 100])
def test_uniform_requests_make_mark_and_predict_pay_the_harmonic_number_a_phase(k):
    # All bits 0 on k + 1 pages: Marker, which pays H_k a phase, and a phase has (k+1) H_k requests on average.
    sequence = generator(k).integers(0, k + 1, 300_000)
    phases = clean_pages(sequence, k + 1, k).size
    cost = faults(MarkAndPredict(k), sequence, generator(1), np.zeros(sequence.size))
    assert cost / phases == pytest.approx(harmonic_number(k), rel=0.05)


def test_the_deterministic_form_needs_no_generator():
    MarkAndPredict(2, deterministic=True).run(Trace("abcab"))
    with pytest.raises(ValueError, match="rng: None"):
        MarkAndPredict(2).run(Trace("abcab"))


def test_bad_options_are_named():
    with pytest.raises(ValueError, match="FlushWhenAllZeros: flush = 'never'"):
        FlushWhenAllZeros(3, flush="never")
    with pytest.raises(ValueError, match="MarkAndPredict: deterministic = 7"):
        MarkAndPredict(3, deterministic=7)


@pytest.mark.parametrize("policy", [FlushWhenAllZeros, Mark0, MarkAndPredict])
@pytest.mark.parametrize(
    ("bits", "message"), [([0, 1], r"shape \(2,\)"), ([0, 2, 1], "2 at index 1"), ([0, math.nan, 1], "nan at index 1")]
)
def test_bits_that_are_none_are_refused(policy, bits, message):
    class Predicted:
        requests = np.array([0, 1, 2])
        n_pages = 3

    Predicted.bits = np.array(bits)
    with pytest.raises(ValueError, match=message):
        policy(2).run(Predicted(), rng=generator())
