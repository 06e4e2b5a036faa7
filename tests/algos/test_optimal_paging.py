import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos import optimal_paging
from algos.optimal_paging import (
    discard_bit_sum,
    discard_bits,
    live_optimal_fault_flags,
    next_use,
    optimal_fault_flags,
    optimal_faults,
)
from algos.predictions import prediction_errors
from simulators import ZipfTrace
from tests.online.strategies import cache_sizes, requests
from tests.reference import paging as reference
from tests.reference import paging_predictions as slow_predictions

WIDE = st.lists(st.integers(0, 30), max_size=400)


@given(requests, cache_sizes)
def test_optimum_by_dynamic_programming(sequence, k):
    assert optimal_faults(sequence, 6, k) == reference.optimal_faults(sequence, k)


def test_optimum_of_all_traces_of_length_8_on_3_pages():
    for k in (1, 2, 3):
        for sequence in itertools.product(range(3), repeat=8):
            assert optimal_faults(sequence, 3, k) == reference.optimal_faults(sequence, k)


@given(WIDE, st.integers(1, 12))
def test_flags_and_bits_are_those_of_looking_ahead(sequence, k):
    flags, bits = reference.lfd(sequence, k)
    assert optimal_fault_flags(sequence, 31, k).tolist() == flags
    assert discard_bits(sequence, 31, k).tolist() == bits


@given(requests, cache_sizes)
def test_one_run_is_optimal_for_every_prefix(sequence, k):
    costs = np.cumsum(optimal_fault_flags(sequence, 6, k))
    assert costs.tolist() == [reference.optimal_faults(sequence[: t + 1], k) for t in range(len(sequence))]


@pytest.mark.guarantee("discard_bit_sum")
@given(WIDE, st.integers(1, 12))
def test_true_bits_sum_to_the_optimum(sequence, k):
    assert int(discard_bits(sequence, 31, k).sum()) == discard_bit_sum(optimal_faults(sequence, 31, k))


@given(WIDE, st.integers(1, 12), st.permutations(range(31)))
def test_renaming_pages_changes_nothing(sequence, k, names):
    renamed = [names[page] for page in sequence]
    assert discard_bits(renamed, 31, k).tolist() == discard_bits(sequence, 31, k).tolist()


@given(WIDE, st.integers(1, 12))
def test_a_larger_cache_never_costs_more_and_a_full_one_only_the_first_requests(sequence, k):
    assert optimal_faults(sequence, 31, k + 1) <= optimal_faults(sequence, 31, k)
    assert optimal_faults(sequence, 31, 31) == len(set(sequence))
    assert optimal_faults(sequence, 31, k) >= len(set(sequence))


@given(WIDE, st.integers(1, 12))
def test_keeping_the_cache_at_the_end_frees_as_many_last_requests_as_it_holds(sequence, k):
    evicted, kept = (discard_bits(sequence, 31, k, end=end) for end in ("evict", "keep"))
    freed = np.flatnonzero(evicted != kept)
    last_requests = [t for t, page in enumerate(sequence) if page not in sequence[t + 1 :]]
    assert freed.tolist() == last_requests[-k:]


def test_more_than_one_level_of_the_bitmap():
    rng = np.random.default_rng(3)
    sequence = rng.zipf(1.1, 70_000) % 3000
    flags, bits = reference_lfd_with_heap(sequence.tolist(), 400)
    assert np.array_equal(optimal_fault_flags(sequence, 3000, 400), flags)
    assert np.array_equal(discard_bits(sequence, 3000, 400), bits)


def reference_lfd_with_heap(sequence, k):
    import heapq

    n, following, last = len(sequence), [0] * len(sequence), {}
    for t in reversed(range(n)):
        following[t] = last.get(sequence[t], n)
        last[sequence[t]] = t
    due, heap, flags = {}, [], []
    for t, page in enumerate(sequence):
        flags.append(page not in due)
        if page not in due and len(due) == k:
            while True:
                use, victim = heapq.heappop(heap)
                if due.get(victim) == -use:
                    del due[victim]
                    break
        due[page] = following[t]
        heapq.heappush(heap, (-following[t], page))
    bits = [1 if use == n or flags[use] else 0 for use in following]
    return flags, bits


@pytest.mark.parametrize(
    ("sequence", "k", "opt", "bits"),
    [("abcabc", 2, 4, "010111"), ("abcdabcdabcd", 3, 6, "001001001111"), ("abcbacbca", 2, 6, "100110111")],
)
def test_the_cases_of_the_specification(sequence, k, opt, bits):
    dense = ["abcd".index(page) for page in sequence]
    assert optimal_faults(dense, 4, k) == opt
    assert "".join(map(str, discard_bits(dense, 4, k))) == bits


@given(WIDE)
def test_next_use_by_searching(sequence):
    n = len(sequence)
    expected = [next((u for u in range(t + 1, n) if sequence[u] == sequence[t]), n) for t in range(n)]
    assert next_use(sequence, 31).tolist() == expected


@given(requests, cache_sizes)
def test_kernels_and_their_sources_agree(sequence, k):
    dense = optimal_paging.dense_requests(sequence, 6)
    flags, held = optimal_paging._lfd(dense, 6, k)
    source_flags, source_held = optimal_paging._lfd.py_func(dense, 6, k)
    assert flags.tolist() == source_flags.tolist()
    assert held == source_held
    assert optimal_paging._next_use.py_func(dense, 6).tolist() == optimal_paging._next_use(dense, 6).tolist()


@given(st.integers(1, 2**64 - 1))
def test_highest_bit_of_every_word(word):
    assert optimal_paging._highest_bit(np.uint64(word)) == word.bit_length() - 1


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_errors_are_counted_by_side(pairs):
    bits, truth = [b for b, _ in pairs], [t for _, t in pairs]
    assert prediction_errors(bits, truth) == (pairs.count((False, True)), pairs.count((True, False)))


def test_no_requests():
    assert optimal_faults([], 1, 3) == 0
    assert discard_bits([], 1, 3, end="keep").size == 0


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ([[0, 1]], "not one-dimensional"),
        ([0, 3], "id 3 at index 1 is outside 0..2"),
        ([0, -1], "id -1 at index 1 is outside 0..2"),
        ([0.5], "float64"),
        ([math.nan], "float64"),
        ([2**40], f"id {2**40} at index 0"),
        (["a"], "whole numbers"),
    ],
)
def test_bad_requests_are_named(sequence, message):
    for function in (next_use, lambda r, m: optimal_faults(r, m, 2), lambda r, m: discard_bits(r, m, 2)):
        with pytest.raises(ValueError, match=message.replace("[", r"\[")):
            function(sequence, 3)


@pytest.mark.parametrize("k", [0, -1, 2.5, True, math.nan, "3"])
def test_bad_cache_sizes_are_named(k):
    for function in (optimal_faults, optimal_fault_flags, discard_bits):
        with pytest.raises(ValueError, match="cache_size"):
            function([0, 1], 2, k)


def test_other_bad_arguments():
    with pytest.raises(ValueError, match="end: 'drop'"):
        discard_bits([0], 1, 1, end="drop")
    with pytest.raises(ValueError, match=r"shape \(2,\) does not match"):
        prediction_errors([0, 1], [1])


@given(WIDE, st.integers(1, 40))
def test_the_live_optimum_needs_no_look_ahead(sequence, k):
    assert live_optimal_fault_flags(sequence, 31, k).tolist() == optimal_fault_flags(sequence, 31, k).tolist()


@given(requests, cache_sizes)
def test_the_live_optimum_follows_the_layers(sequence, k):
    assert live_optimal_fault_flags(sequence, 6, k).tolist() == slow_predictions.layers(sequence, k)


def test_the_live_optimum_on_a_long_trace():
    trace = ZipfTrace(20_000, 0.7, 100_000).sample(np.random.default_rng(1))
    for k in (1, 1000, 30_000):
        expected = optimal_fault_flags(trace.requests, trace.n_pages, k)
        assert np.array_equal(live_optimal_fault_flags(trace.requests, trace.n_pages, k), expected)


@pytest.mark.parametrize("size", [1, 2, 64, 65, 5000, 300_000, 20_000_000])
def test_a_set_of_keys_is_a_set(size):
    rng = np.random.default_rng(size)
    words, starts = optimal_paging.key_set(size)
    keys = set()
    for key in rng.integers(0, size, 400).tolist():
        assert optimal_paging.has_key(words, key) == (key in keys)
        assert optimal_paging.has_keys(words, starts) == bool(keys)
        (optimal_paging.clear_key if key in keys else optimal_paging.set_key)(words, starts, key)
        keys ^= {key}
        if keys:
            assert optimal_paging.highest_key(words, starts) == max(keys)
            assert optimal_paging.lowest_key(words, starts) == min(keys)
        limit = int(rng.integers(0, size))
        found = optimal_paging.highest_key_up_to(words, starts, limit)
        assert found == max((key for key in keys if key <= limit), default=-1)
