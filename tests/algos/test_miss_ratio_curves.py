"""Curves of faults against one slow run for every cache size."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos import miss_ratio_curves
from algos.miss_ratio_curves import lru_fault_curve, optimal_fault_curve
from algos.optimal_paging import dense_requests, next_use, optimal_faults
from online.paging import LRU
from simulators import Trace, ZipfTrace
from tests.reference import paging as reference

FEW = st.lists(st.integers(0, 6), max_size=60)
WIDE = st.lists(st.integers(0, 30), max_size=300)
CURVES = (lru_fault_curve, optimal_fault_curve)


def slow_curve(flags, sequence, n_pages):
    return [len(sequence)] + [sum(flags(sequence, k)) for k in range(1, n_pages + 1)]


def slow_lru(sequence, n_pages):
    return slow_curve(reference.lru, sequence, n_pages)


def slow_optimum(sequence, n_pages):
    return slow_curve(lambda requests, k: reference.lfd(requests, k)[0], sequence, n_pages)


def python_twins(patch):
    """Every kernel of the module as its Python source, population count included."""
    for name in ("_lru_curve", "_count_before", "_remove", "_add", "_compact"):
        patch.setattr(miss_ratio_curves, name, getattr(miss_ratio_curves, name).py_func)
    for name in ("_optimal_curve", "_replace_largest", "_replace_smallest", "_insert", "_settle", "_carry_to"):
        patch.setattr(miss_ratio_curves, name, getattr(miss_ratio_curves, name).py_func)
    patch.setattr(miss_ratio_curves, "_ones_in", lambda word: int(word).bit_count())


@given(WIDE)
def test_lru_at_every_size(sequence):
    assert lru_fault_curve(sequence, 31).tolist() == slow_lru(sequence, 31)


@given(FEW, st.integers(8, 200))
def test_lru_with_any_number_of_slots(sequence, capacity):
    dense = dense_requests(sequence, 7)
    assert miss_ratio_curves._lru_curve(dense, 7, capacity).tolist() == slow_lru(sequence, 7)


def test_lru_with_pages_in_several_words_and_many_compactions():
    sequence = ZipfTrace(300, 0.5, 5000).sample(np.random.default_rng(1)).requests
    expected = slow_lru(sequence.tolist(), 300)[::50]
    for capacity in (301, 384, 641, 1200, 5000):
        assert miss_ratio_curves._lru_curve(sequence, 300, capacity)[::50].tolist() == expected


@given(WIDE)
def test_the_optimum_at_every_size(sequence):
    assert optimal_fault_curve(sequence, 31).tolist() == slow_optimum(sequence, 31)


@given(WIDE, st.integers(1, 9), st.integers(1, 5))
def test_the_optimum_with_blocks_of_any_size(sequence, block, most_pending):
    curve = miss_ratio_curves._optimal_curve(next_use(sequence, 31), 31, block, most_pending)
    assert curve.tolist() == slow_optimum(sequence, 31)


@given(FEW, st.integers(1, 4), st.integers(1, 3))
def test_kernels_and_their_sources_agree(sequence, block, most_pending):
    def values():
        dense = dense_requests(sequence, 7)
        return (
            miss_ratio_curves._lru_curve(dense, 7, 64).tolist(),
            miss_ratio_curves._optimal_curve(next_use(dense, 7), 7, block, most_pending).tolist(),
        )

    fast = values()
    with pytest.MonkeyPatch.context() as patch:
        python_twins(patch)
        assert values() == fast


@given(st.integers(0, 2**64 - 1))
def test_ones_in_every_word(word):
    assert miss_ratio_curves._ones_in(np.uint64(word)) == word.bit_count()


@pytest.mark.parametrize("exponent", [0.0, 0.8, 1.2])
def test_against_the_policies_on_a_zipf_trace(exponent):
    trace = ZipfTrace(3000, exponent, 60_000).sample(np.random.default_rng(4))
    lru, optimum = (curve(trace.requests, trace.n_pages) for curve in CURVES)
    sizes = [1, 2, 17, 256, 257, 258, 1000, trace.n_pages - 1, trace.n_pages]
    for k in sizes:
        assert lru[k] == LRU(k).run(trace).metrics["faults"][-1]
        assert optimum[k] == optimal_faults(trace.requests, trace.n_pages, k)
    assert optimal_fault_curve(trace.requests, trace.n_pages, sizes).tolist() == optimum[sizes].tolist()


@pytest.mark.parametrize("turn", [False, True])
def test_sweeps_over_more_pages_than_a_block(turn):
    once = np.arange(700)
    trace = Trace(np.concatenate([once, once[::-1] if turn else once] * 4))
    lru, optimum = (curve(trace.requests, 700) for curve in CURVES)
    for k in (1, 5, 255, 256, 257, 600, 699, 700):
        assert lru[k] == LRU(k).run(trace).metrics["faults"][-1]
        assert optimum[k] == optimal_faults(trace.requests, 700, k)


@given(WIDE)
def test_curves_fall_from_all_requests_to_the_first_ones_and_the_optimum_is_below(sequence):
    lru, optimum = (curve(sequence, 31) for curve in CURVES)
    for curve in (lru, optimum):
        assert curve.dtype == np.int64
        assert curve[0] == len(sequence)
        assert curve[-1] == len(set(sequence))
        assert np.all(np.diff(curve) <= 0)
    assert np.all(optimum <= lru)


@pytest.mark.parametrize("curve", CURVES)
def test_no_requests_one_page_and_pages_never_requested(curve):
    assert curve([], 3).tolist() == [0, 0, 0, 0]
    assert curve([0] * 500, 1).tolist() == [500, 1]
    assert curve([4] * 500, 6).tolist() == [500, 1, 1, 1, 1, 1, 1]


def test_chosen_sizes():
    assert optimal_fault_curve([0, 1, 2, 0], 3, cache_sizes=range(3, 0, -1)).tolist() == [3, 3, 4]
    assert optimal_fault_curve([0, 1, 2, 0], 3, cache_sizes=[50]).tolist() == [3]
    empty = optimal_fault_curve([0, 1], 3, cache_sizes=[])
    assert (empty.shape, empty.dtype) == ((0,), np.int64)


@pytest.mark.parametrize("curve", CURVES)
def test_bad_arguments_are_named(curve):
    with pytest.raises(ValueError, match=r"id 3 at index 1 is outside 0\.\.2"):
        curve([0, 3], 3)
    with pytest.raises(ValueError, match="not one-dimensional"):
        curve([[0]], 3)
    for bad in (0, 2.5, True):
        with pytest.raises(ValueError, match="n_pages"):
            curve([0], bad)
    for bad in (0, -1, 2.5, math.nan, True):
        with pytest.raises(ValueError, match="cache_sizes"):
            optimal_fault_curve([0], 1, cache_sizes=[1, bad])
