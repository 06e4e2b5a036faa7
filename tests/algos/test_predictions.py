"""Predicted bits and times as the kernels read them, and their errors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos import predictions
from algos.predictions import arrival_error, arrival_ranks, checked_arrivals, checked_bits

TIMES = st.one_of(
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, 1.0, 1.0 + 2**-52, 1.0 + 2**-40, 2.0, math.inf, -math.inf, 5e-324]),
    st.integers(0, 20).map(float),
)


def slow_ranks(times):
    ranks = [0] * len(times)
    for rank, t in enumerate(sorted(range(len(times)), key=lambda t: (times[t], -t))):
        ranks[t] = rank
    return ranks


@given(st.lists(TIMES, max_size=60))
def test_ranks_go_by_time_and_then_backwards(times):
    assert arrival_ranks(np.array(times, dtype=float)).tolist() == slow_ranks(times)


@given(st.lists(TIMES, min_size=1, max_size=60), st.integers(1, 6), st.integers(1, 8))
def test_ranks_with_few_buckets(times, bucket_bits, few):
    array = np.array(times, dtype=float)
    low_bits = np.uint64(max(1, (array.size - 1).bit_length()))
    words = np.empty(array.size, np.uint64)
    predictions._sort(array, low_bits, words, bucket_bits, few)
    order = np.empty(array.size, np.uint32)
    predictions._unpack(array, low_bits, words, order)
    assert order.tolist() == sorted(range(len(times)), key=lambda t: (times[t], -t))


@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e9])
@pytest.mark.parametrize("offset", [0.0, 1e9, -1e300])
def test_ranks_of_many_times_however_close(spread, offset):
    rng = np.random.default_rng(3)
    times = offset + spread * rng.random(30_000)
    times[rng.integers(0, times.size, 300)] = math.inf
    assert arrival_ranks(times).tolist() == slow_ranks(times.tolist())


def test_ranks_of_times_that_differ_in_their_last_bits_only_are_sorted_anew():
    times = 1.0 + np.arange(20_000)[::-1] * 2.0**-52
    assert arrival_ranks(times).tolist() == list(range(20_000))[::-1]


@pytest.mark.parametrize("order", [1, -1])
def test_ranks_of_times_already_in_order(order):
    times = np.arange(5000.0)[::order]
    assert arrival_ranks(times).tolist() == list(range(5000))[::order]


def test_bits_and_arrivals_of_any_number_type_are_accepted():
    for bits in ([True, False], [1, 0], [1.0, 0.0], np.array([1, 0], np.int8)):
        assert checked_bits(bits, 2).tolist() == [1, 0]
    assert checked_arrivals([1, math.inf], 2).tolist() == [1.0, math.inf]
    assert checked_bits([], 0).size == checked_arrivals([], 0).size == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 1], r"shape \(2,\) does not match the 3 requests"),
        ([[0, 1, 1]], r"shape \(1, 3\)"),
        ([0, 1, 2], "2 at index 2 is neither 0 nor 1"),
        ([0, 0.5, 2], "0.5 at index 1"),
        ([0, math.nan, 1], "nan at index 1"),
        (["0", "1", "1"], "neither 0 nor 1"),
    ],
)
def test_bad_bits_are_named(values, message):
    with pytest.raises(ValueError, match=f"bits: .*{message}"):
        checked_bits(values, 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 1], r"shape \(2,\) does not match the 3 requests"),
        ([0, math.nan, 1], "nan at index 1"),
        (["a", "b", "c"], "are no times"),
        ([1j, 0, 0], "are no times"),
    ],
)
def test_bad_arrivals_are_named(values, message):
    with pytest.raises(ValueError, match=f"arrivals: .*{message}"):
        checked_arrivals(values, 3)


def test_the_error_of_arrivals_counts_never_as_the_end():
    assert arrival_error([5.0, 1.0, math.inf], [3, 3, 3]) == 2.0
    assert arrival_error([-4.0, 0.5], [2, 2]) == 3.5
    with pytest.raises(ValueError, match="nan at index 0"):
        arrival_error([math.nan], [1])
    with pytest.raises(ValueError, match="shape"):
        arrival_error([1.0], [1, 2])
