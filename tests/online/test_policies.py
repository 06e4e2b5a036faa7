"""Every policy against its slow version, and against itself interpreted."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.optimal_paging import discard_bits, optimal_faults
from algos.predictions import prediction_errors
from online.paging import (
    ARC,
    FIFO,
    LFU,
    LRU,
    S3FIFO,
    Belady,
    Clock,
    FlushWhenFull,
    Mark0,
    Marker,
    RandomEviction,
    Sieve,
    clock_bound,
    fifo_bound,
    flush_when_full_bound,
    harmonic_number,
    lru_augmentation_bound,
    lru_bound,
    mark0_bound,
    mark0_consistency,
    marker_bound,
    random_eviction_bound,
)
from simulators import Trace, shipped_trace
from tests.online.runs import exact_mean, flags, generator
from tests.online.strategies import cache_sizes, predicted_requests, requests, seeds, short_requests
from tests.reference import paging as reference

DETERMINISTIC = {
    LRU: reference.lru,
    FIFO: reference.fifo,
    FlushWhenFull: reference.flush_when_full,
    Clock: reference.clock,
    LFU: reference.lfu,
    Sieve: reference.sieve,
    S3FIFO: reference.s3_fifo,
    ARC: reference.arc,
    Belady: lambda r, k: reference.lfd(r, k)[0],
}
ONLINE = [policy for policy in DETERMINISTIC if policy is not Belady]
RANDOMIZED = {RandomEviction: reference.expected_random_eviction, Marker: reference.expected_marker}
SIX = "abcdef"


@pytest.mark.parametrize("policy", DETERMINISTIC)
@given(sequence=requests, k=cache_sizes)
def test_deterministic_policies_fault_where_their_slow_versions_do(policy, sequence, k):
    assert flags(policy(k), sequence) == DETERMINISTIC[policy](sequence, k)


@pytest.mark.parametrize("policy", DETERMINISTIC)
@given(st.lists(st.integers(0, 60), max_size=400), st.integers(1, 40))
def test_deterministic_policies_on_longer_traces_and_larger_caches(policy, sequence, k):
    assert flags(policy(k), sequence) == DETERMINISTIC[policy](sequence, k)


@pytest.mark.parametrize("policy", ONLINE)
def test_deterministic_policies_on_a_skewed_trace(policy):
    sequence = (generator(1).zipf(1.2, 6000) % 500).tolist()
    for k in (10, 25, 120):
        assert flags(policy(k), sequence) == DETERMINISTIC[policy](sequence, k)


@pytest.mark.parametrize("policy", ONLINE)
def test_all_traces_of_length_7_on_3_pages(policy):
    for sequence in itertools.product(range(3), repeat=7):
        assert flags(policy(2), sequence) == DETERMINISTIC[policy](list(sequence), 2)


@given(requests, cache_sizes, seeds, st.data())
def test_interpreted_runs_have_the_same_bits(sequence, k, seed, data):
    bits = data.draw(st.lists(st.integers(0, 1), min_size=len(sequence), max_size=len(sequence)))
    trace = Trace(sequence, bits=bits)
    for policy in (*(p(k) for p in DETERMINISTIC), RandomEviction(k), Marker(k), Mark0(k), Mark0(k, eager=True)):
        fast = policy.run(trace, rng=generator(seed))
        slow = policy.run(trace, rng=generator(seed), compiled=False)
        assert fast.equals(slow), policy


def test_interpreted_and_compiled_draw_the_same_numbers_over_a_long_run():
    trace = shipped_trace("web07")
    bits = generator(5).integers(0, 2, len(trace))
    for policy in (RandomEviction(50), Marker(50), Mark0(50), Mark0(50, eager=True)):
        fast, slow = (
            policy.run(trace.with_bits(bits), 5000, generator(9), compiled=compiled) for compiled in (True, False)
        )
        assert fast.equals(slow), policy


@pytest.mark.parametrize("policy", RANDOMIZED)
@given(sequence=short_requests, k=st.integers(1, 3))
def test_the_kernels_of_randomized_policies_have_exactly_the_expected_faults(policy, sequence, k):
    assert exact_mean(policy(k), sequence) == RANDOMIZED[policy](tuple(sequence), k)


@pytest.mark.parametrize("eager", [False, True])
@given(predicted=predicted_requests(), k=st.integers(1, 3))
def test_the_kernel_of_mark0_has_exactly_the_expected_faults(eager, predicted, k):
    sequence, bits = predicted
    expected = reference.expected_mark0(tuple(sequence), tuple(bits), k, eager=eager)
    assert exact_mean(Mark0(k, eager=eager), sequence, bits) == expected


# The mean of N compiled runs is within n sqrt(ln(2 / 1e-9) / 2N) of the true mean, but for chance 1e-9 (Hoeffding).


def assert_mean(policy, trace, expected, runs=1500):
    total = sum(policy.run(trace, rng=generator(seed)).outcome["faults"] for seed in range(runs))
    slack = len(trace) * math.sqrt(math.log(2 / 1e-9) / (2 * runs))
    assert abs(total / runs - float(expected)) <= slack


@pytest.mark.parametrize("policy", RANDOMIZED)
@pytest.mark.parametrize("sequence", ["abcabcabcabc", "abcdabecdabce", "aabbccddabcd"])
def test_randomized_policies_have_the_exact_mean(policy, sequence):
    assert_mean(policy(3), Trace(list(sequence)), RANDOMIZED[policy](sequence, 3))


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize(("sequence", "bits"), [("abcdabcdabcd", "000000000000"), ("abcdabecdabce", "0010010001000")])
def test_mark0_has_the_exact_mean(eager, sequence, bits):
    bits = [int(bit) for bit in bits]
    expected = reference.expected_mark0(sequence, bits, 3, eager=eager)
    assert_mean(Mark0(3, eager=eager), Trace(list(sequence), bits=bits), expected)


def test_victims_are_uniform():
    # Full cache {a, b, c}, then d: whether a is still there tells how often a was the victim.
    for policy in (RandomEviction(3), Marker(3), Mark0(3)):
        trace = Trace(list("abcda"), bits=[0] * 5)
        runs = 3000
        returned = sum(policy.run(trace, rng=generator(seed)).outcome["faults"] == 5 for seed in range(runs))
        assert abs(returned / runs - 1 / 3) <= math.sqrt(math.log(2 / 1e-9) / (2 * runs))


@pytest.mark.guarantee("lru_bound", "fifo_bound", "clock_bound", "flush_when_full_bound")
@given(requests, cache_sizes)
def test_conservative_policies_within_k_of_the_optimum(sequence, k):
    opt = reference.optimal_faults(sequence, k)
    assert sum(flags(Clock(k), sequence)) <= clock_bound(opt, k)
    assert sum(flags(FlushWhenFull(k), sequence)) <= flush_when_full_bound(opt, k)
    assert sum(flags(LRU(k), sequence)) <= lru_bound(opt, k)
    assert sum(flags(FIFO(k), sequence)) <= fifo_bound(opt, k)


@pytest.mark.guarantee("lru_augmentation_bound")
@given(st.lists(st.integers(0, 9), max_size=80), st.integers(1, 8), st.integers(1, 8))
def test_lru_against_an_optimum_with_a_smaller_cache(sequence, h, extra):
    k = h + extra - 1
    opt = optimal_faults(sequence, 10, h)
    assert sum(flags(LRU(k), sequence)) <= lru_augmentation_bound(opt, k, h)


@pytest.mark.parametrize(
    ("policy", "bound"),
    [(LRU, lru_bound), (FIFO, fifo_bound), (Clock, clock_bound), (FlushWhenFull, flush_when_full_bound)],
)
@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_bound_of_k_is_met_by_a_loop(policy, bound, k):
    loop = list(range(k + 1)) * 40
    assert sum(flags(policy(k), loop)) > 0.9 * bound(optimal_faults(loop, k + 1, k), k) - k * k


@pytest.mark.guarantee("random_eviction_bound")
@given(short_requests, st.integers(1, 3))
def test_random_eviction_in_exact_expectation(sequence, k):
    opt = reference.optimal_faults(sequence, k)
    assert reference.expected_random_eviction(tuple(sequence), k) <= random_eviction_bound(opt, k)


def test_random_eviction_bound_on_all_short_traces():
    for sequence in itertools.product(range(4), repeat=6):
        for k in (2, 3):
            opt = reference.optimal_faults(sequence, k)
            assert reference.expected_random_eviction(sequence, k) <= random_eviction_bound(opt, k)


@pytest.mark.guarantee("marker_bound")
@given(short_requests, st.integers(1, 3))
def test_marker_in_exact_expectation(sequence, k):
    opt = reference.optimal_faults(sequence, k)
    assert reference.expected_marker(tuple(sequence), k) <= Fraction(marker_bound(opt, k)) + Fraction(1, 10**9)


@pytest.mark.guarantee("mark0_bound")
@given(predicted_requests(), st.integers(1, 3))
def test_mark0_in_exact_expectation(predicted, k):
    sequence, bits = predicted
    opt = reference.optimal_faults(sequence, k)
    eta0, eta1 = prediction_errors(bits, discard_bits(sequence, 5, k))
    bound = Fraction(mark0_bound(opt, eta0, eta1, k)) + Fraction(1, 10**9)
    for eager in (False, True):
        assert reference.expected_mark0(tuple(sequence), tuple(bits), k, eager=eager) <= bound


@pytest.mark.parametrize("k", [2, 10, 100])
def test_a_wrong_keep_costs_mark0_about_h_k_on_the_hardest_instance(k):
    # Uniform requests over k+1 pages, all bits 0 (Yao): any online policy pays H_k a phase, the optimum about 1.
    sequence = generator(k).integers(0, k + 1, 600_000)
    truth = discard_bits(sequence, k + 1, k)
    opt, zeros = int(truth.sum()), np.zeros(sequence.size)
    eta0, eta1 = prediction_errors(zeros, truth)
    faults = Mark0(k).run(Trace(sequence, bits=zeros), rng=generator(1)).outcome["faults"]
    assert (eta0, eta1) == (opt, 0)
    # The first k faults of both are the empty cache's.
    assert 0.9 * (harmonic_number(k) - 1) * (eta0 - k) <= faults - opt <= harmonic_number(k) * eta0
    assert faults <= mark0_bound(opt, eta0, eta1, k)


@pytest.mark.guarantee("mark0_consistency")
@given(requests, cache_sizes, seeds)
def test_mark0_with_true_bits_is_the_optimum_without_a_draw(sequence, k, seed):
    trace = Trace(sequence)
    for eager in (False, True):
        rng = generator(seed)
        faults = Mark0(k, eager=eager).run(trace, rng=rng).outcome["faults"]
        assert faults == mark0_consistency(optimal_faults(sequence, 6, k))
        assert rng.bit_generator.state == generator(seed).bit_generator.state


@given(requests, cache_sizes)
def test_mark0_told_to_discard_everything_is_lru_or_caches_nothing(sequence, k):
    ones = [1] * len(sequence)
    assert flags(Mark0(k), sequence, generator(), ones) == flags(LRU(k), sequence)
    assert all(flags(Mark0(k, eager=True), sequence, generator(), ones))


@given(short_requests, st.integers(1, 3))
def test_mark0_told_to_keep_everything_is_marker(sequence, k):
    zeros = (0,) * len(sequence)
    assert reference.expected_mark0(tuple(sequence), zeros, k) == reference.expected_marker(tuple(sequence), k)


@pytest.mark.parametrize(
    ("sequence", "k", "truth", "zeros", "ones", "eager_ones"),
    [
        ("abcabc", 2, 4, 5, 6, 6),
        ("abcdabcdabcd", 3, 6, Fraction(17, 2), 12, 12),
        ("abcbacbca", 2, 6, Fraction(15, 2), 7, 9),
    ],
)
def test_the_exact_means_of_the_specification(sequence, k, truth, zeros, ones, eager_ones):
    dense = ["abcd".index(page) for page in sequence]
    n = len(sequence)
    true_bits = tuple(discard_bits(dense, 4, k).tolist())
    assert reference.expected_mark0(sequence, true_bits, k) == truth
    assert reference.expected_mark0(sequence, (0,) * n, k) == zeros
    assert reference.expected_mark0(sequence, (1,) * n, k) == ones
    assert reference.expected_mark0(sequence, (1,) * n, k, eager=True) == eager_ones
    assert sum(flags(Mark0(k), sequence, generator())) == truth
    assert sum(flags(Mark0(k), sequence, generator(), [1] * n)) == ones
    assert sum(flags(Mark0(k, eager=True), sequence, generator(), [1] * n)) == eager_ones


@pytest.mark.parametrize(
    ("name", "k", "lru", "fifo", "opt"),
    [
        ("web07", 1024, 37631, 39675, 27617),
        ("web12", 687, 38245, 41826, 24221),
        ("orm_busy", 3817, 793473, 841758, 490801),
    ],
)  # the specification, section 8
def test_counts_of_two_other_simulators_on_real_traces(name, k, lru, fifo, opt):
    trace = shipped_trace(name)
    assert [policy(k).run(trace).outcome["faults"] for policy in (LRU, FIFO, Belady)] == [lru, fifo, opt]
    assert Mark0(k).run(trace, rng=generator()).outcome["faults"] == opt


@pytest.mark.parametrize(
    ("name", "k", "counts"),
    [
        ("web07", 1024, {Clock: 37175, Sieve: 35439, S3FIFO: 34826, LFU: 41715, ARC: 35612}),
        ("orm_busy", 3817, {Clock: 797834, Sieve: 805421, S3FIFO: 737918, LFU: 2608028, ARC: 783909}),
        ("web12", 687, {S3FIFO: 33660, ARC: 35705}),
        ("web12", 50, {S3FIFO: 69819, ARC: 67433}),
    ],
)  # the specification, section 8; ARC on orm_busy and all of web12: libcachesim 0.3.5 on the same requests
def test_counts_of_libcachesim_on_real_traces(name, k, counts):
    trace = shipped_trace(name)
    assert {policy: policy(k).run(trace).outcome["faults"] for policy in counts} == counts


def test_mark0_with_random_bits_costs_what_the_specification_saw():
    # Section 8: web12, k = 687, half of the bits flipped by default_rng(2023): mean 58747.
    trace = shipped_trace("web12")
    truth = discard_bits(trace.requests, trace.n_pages, 687)
    flipped = truth ^ (generator(2023).random(len(trace)) < 0.5)
    runs = [Mark0(687).run(trace.with_bits(flipped), rng=generator(seed)).outcome["faults"] for seed in range(30)]
    assert np.mean(runs) == pytest.approx(58747, abs=5 * np.std(runs, ddof=1) / math.sqrt(15))


# Metamorphic.


@given(requests, cache_sizes, st.permutations(range(6)))
def test_renaming_pages_changes_no_fault(sequence, k, names):
    for policy in DETERMINISTIC:
        assert flags(policy(k), [names[page] for page in sequence]) == flags(policy(k), sequence)


@given(requests, cache_sizes)
def test_a_larger_lru_cache_never_faults_more(sequence, k):
    large, small = flags(LRU(k + 1), sequence), flags(LRU(k), sequence)
    assert not any(big and not little for big, little in zip(large, small, strict=True))


def test_a_larger_fifo_cache_may_fault_more():
    anomaly = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]
    assert [sum(flags(FIFO(k), anomaly)) for k in (3, 4)] == [9, 10]


@given(requests, cache_sizes, seeds)
def test_a_doubled_request_is_a_hit(sequence, k, seed):
    doubled = [page for page in sequence for _ in range(2)]
    for policy in (LRU(k), FIFO(k), FlushWhenFull(k), Belady(k), Marker(k), RandomEviction(k)):
        once, twice = (flags(policy, trace, generator(seed)) for trace in (sequence, doubled))
        assert twice[::2] == once
        assert not any(twice[1::2])


@given(requests, requests, cache_sizes, seeds)
def test_what_comes_later_changes_no_earlier_decision(sequence, suffix, k, seed):
    for policy in (*(p(k) for p in ONLINE), Marker(k), RandomEviction(k)):
        alone = flags(policy, sequence, generator(seed))
        assert flags(policy, sequence + suffix, generator(seed))[: len(sequence)] == alone
    bits = [page % 2 for page in sequence + suffix]
    alone = flags(Mark0(k), sequence, generator(seed), bits[: len(sequence)])
    assert flags(Mark0(k), sequence + suffix, generator(seed), bits)[: len(sequence)] == alone


@given(requests, st.integers(6, 2**40), seeds)
def test_a_cache_for_all_pages_faults_once_a_page(sequence, k, seed):
    for policy in (*(p(k) for p in DETERMINISTIC), Marker(k), RandomEviction(k), Mark0(k)):
        assert policy.run(Trace(sequence), rng=generator(seed)).outcome["faults"] == len(set(sequence))


@given(requests, seeds)
def test_a_cache_of_one_page_faults_at_every_change(sequence, seed):
    changes = sum(t == 0 or sequence[t] != sequence[t - 1] for t in range(len(sequence)))
    for policy in (*(p(1) for p in DETERMINISTIC), Marker(1), RandomEviction(1), Mark0(1)):
        assert policy.run(Trace(sequence), rng=generator(seed)).outcome["faults"] == changes


@given(st.integers(0, 3000))
def test_harmonic_number_is_the_sum(k):
    assert harmonic_number(k) == pytest.approx(float(sum(Fraction(1, i) for i in range(1, k + 1))), abs=1e-12)


def test_harmonic_number_continues_past_the_sum():
    assert harmonic_number(1_000_001) == pytest.approx(harmonic_number(1_000_000) + 1 / 1_000_001, rel=1e-15)


def test_bounds_refuse_an_optimum_with_a_larger_cache():
    with pytest.raises(ValueError, match=r"optimum_cache_size: 5 is outside 1\.\.4"):
        lru_augmentation_bound(10, 4, 5)
