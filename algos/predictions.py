"""Predictions that arrive with the requests of a trace: one bit, or the time of the page's next request.

Policies that read predicted times use only their order. `arrival_ranks` turns n floats into ranks once, so that a
kernel may keep its pages in a bitmap over ranks instead of a heap over times.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

__all__ = ["arrival_error", "arrival_ranks", "checked_arrivals", "checked_bits", "prediction_errors"]

_BUCKET_BITS, _FEW = 13, 256  # 2**13 buckets; up to so many words are sorted by comparisons


def checked_bits(bits: ArrayLike, length: int) -> NDArray[np.uint8]:
    """Predicted bits as the kernels read them: a read-only uint8 array, shape (length,).

    Raises
    ------
    ValueError
        When the shape is another, or an entry is neither 0 nor 1.
    """
    given = np.asarray(bits)
    if given.shape != (length,):
        raise ValueError(f"bits: shape {given.shape} does not match the {length} requests")
    if given.size and given.dtype.kind not in "biuf":
        raise ValueError(f"bits: {given.dtype} are neither 0 nor 1")
    wrong = (given != 0) & (given != 1)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise ValueError(f"bits: {given[index]} at index {index} is neither 0 nor 1")
    checked = given.astype(np.uint8)
    checked.flags.writeable = False
    return checked


def checked_arrivals(arrivals: ArrayLike, length: int) -> NDArray[np.float64]:
    """Predicted times of the next request: a read-only float64 array, shape (length,); inf says never again.

    Raises
    ------
    ValueError
        When the shape is another, or an entry is NaN or no real number.
    """
    given = np.asarray(arrivals)
    if given.shape != (length,):
        raise ValueError(f"arrivals: shape {given.shape} does not match the {length} requests")
    if given.size and given.dtype.kind not in "iuf":
        raise ValueError(f"arrivals: {given.dtype} are no times")
    checked = given.astype(np.float64)
    if np.isnan(checked).any():
        raise ValueError(f"arrivals: nan at index {int(np.argmax(np.isnan(checked)))} is no time")
    checked.flags.writeable = False
    return checked


def prediction_errors(bits: ArrayLike, truth: ArrayLike) -> tuple[int, int]:
    """Numbers of wrong bits: (eta0, eta1) = (predicted 0 where 1 is true, predicted 1 where 0 is true).

    Parameters
    ----------
    bits, truth : array of 0 and 1, shape (n,)
        Predicted and true bits.

    Raises
    ------
    ValueError
        When the shapes differ.

    Examples
    --------
    >>> prediction_errors([0, 1, 1, 0], truth=[1, 1, 0, 0])
    (1, 1)
    """
    predicted, true = np.asarray(bits, dtype=bool), np.asarray(truth, dtype=bool)
    if predicted.shape != true.shape:
        raise ValueError(f"bits: shape {predicted.shape} does not match the truth's {true.shape}")
    return int(np.count_nonzero(~predicted & true)), int(np.count_nonzero(predicted & ~true))


def arrival_error(arrivals: ArrayLike, truth: ArrayLike) -> float:
    """The error of predicted times, eta = sum of |predicted - true|; "never" counts as time n.

    Parameters
    ----------
    arrivals : array of float, shape (n,)
        Predicted times; those above n, inf included, count as n, those below 0 as 0.
    truth : array of float, shape (n,)
        True times, n for never: `algos.next_use`.

    Raises
    ------
    ValueError
        When the shapes differ or a time is NaN.

    Examples
    --------
    >>> arrival_error([2, 4, float("inf")], truth=[2, 3, 3])
    0.0
    """
    true = np.asarray(truth, dtype=np.float64)
    predicted = checked_arrivals(arrivals, true.size)
    return float(np.abs(np.clip(predicted, 0.0, true.size) - np.minimum(true, true.size)).sum())


def arrival_ranks(arrivals: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Rank of each predicted time, shape (n,): a permutation of 0..n-1, the latest arrival highest.

    Of equal times the earlier request gets the higher rank: policies that evict the highest then evict the least
    recently requested page first. O(n) for times spread over their range like most, O(n log n) at worst.

    Examples
    --------
    >>> arrival_ranks(np.array([7.0, 3.0, 7.0, np.inf]))
    array([2, 0, 1, 3], dtype=uint32)
    """
    times = np.ascontiguousarray(arrivals, dtype=np.float64)
    n = times.size
    if n == 0:
        return np.empty(0, dtype=np.uint32)
    low_bits = np.uint64(max(1, (n - 1).bit_length()))
    words = np.empty(n, dtype=np.uint64)
    _sort(times, low_bits, words, _BUCKET_BITS, _FEW)
    ranks = np.empty(n, dtype=np.uint32)
    order = words.view(np.uint32)[:n]  # in place: entry i is read before it is overwritten
    _unpack(times, low_bits, words, order)
    _invert(order, ranks)
    return ranks


# A float64 becomes an unsigned word of the same order: all bits of a negative number are flipped, the sign of others.


@njit(cache=True, nogil=True)
def _sort(times, low_bits, words, bucket_bits, few):
    """The high bits of each time, and below them its position from the end, shape (n,), in increasing order.

    One pass shares the words out to buckets by the highest bits in which they differ; a bucket fits a near cache and
    is sorted by comparisons when it has few words, else by digits.
    """
    n = times.size
    raw = times.view(np.int64)
    mask = (np.uint64(1) << low_bits) - np.uint64(1)
    base, top = _word(raw[0]) & ~mask, np.uint64(0)
    for t in range(n):
        word = _word(raw[t]) & ~mask
        base = min(base, word)
        top = max(top, word)
    shift = low_bits
    while (top - base) >> shift >> np.uint64(bucket_bits) != 0:
        shift += np.uint64(1)
    ends = np.zeros((1 << bucket_bits) + 1, np.int64)
    for t in range(n):
        ends[(((_word(raw[t]) & ~mask) - base) >> shift) + np.uint64(1)] += 1
    most = np.int64(0)
    for bucket in range(1, ends.size):
        most = max(most, ends[bucket])
        ends[bucket] += ends[bucket - 1]
    for t in range(n - 1, -1, -1):  # backwards: words that agree in their high bits come in increasing order
        word = _word(raw[t]) & ~mask
        bucket = (word - base) >> shift
        words[ends[bucket]] = word | np.uint64(n - 1 - t)
        ends[bucket] += 1
    spare = np.empty(most, np.uint64)
    start = np.int64(0)
    for bucket in range(ends.size - 1):
        size = ends[bucket] - start
        mine = words[start : start + size]
        if size > few:
            _sort_by_digits(mine, spare[:size], base, low_bits, shift)
        elif size > 1:
            mine.sort()
        start = ends[bucket]


@njit(cache=True)
def _sort_by_digits(words, spare, base, low, high):
    """Sort words in place by the bits low..high-1 of their difference to the base, keeping the order of equals."""
    n_digits = (np.int64(high - low) + 10) // 11
    width = np.int64(0)
    if n_digits > 0:
        width = (np.int64(high - low) + n_digits - 1) // n_digits
    mask = np.uint64((1 << width) - 1)
    place = np.zeros((1 << width) + 1, np.int64)
    source, target = words, spare
    for digit in range(n_digits):
        shift = low + np.uint64(digit * width)
        place[:] = 0
        for i in range(source.size):
            place[(((source[i] - base) >> shift) & mask) + np.uint64(1)] += 1
        for value in range(1, place.size):
            place[value] += place[value - 1]
        for i in range(source.size):
            value = ((source[i] - base) >> shift) & mask
            target[place[value]] = source[i]
            place[value] += 1
        source, target = target, source
    if n_digits & 1 == 1:
        words[:] = spare


@njit(cache=True, forceinline=True)
def _word(raw):
    """The bits of a float64, as an unsigned word of the same order."""
    if raw == np.int64(-9223372036854775808):  # -0.0 is 0.0
        raw = np.int64(0)
    flip = (raw >> np.int64(63)) | np.int64(-9223372036854775808)
    return np.uint64(raw ^ flip)


@njit(cache=True, nogil=True)
def _unpack(times, low_bits, words, order):
    """Requests by increasing time, shape (n,), from the sorted words, which are overwritten.

    Words order times by their high bits only; where these agree, they are sorted by the low ones.
    """
    n = times.size
    raw = times.view(np.int64)
    mask = (np.uint64(1) << low_bits) - np.uint64(1)
    start = 0
    while start < n:
        stop = start + 1
        while stop < n and words[stop] & ~mask == words[start] & ~mask:
            stop += 1
        if stop > start + 1:
            sorted_already, before = True, np.uint64(0)
            for i in range(start, stop):
                position = words[i] & mask
                words[i] = (_word(raw[n - 1 - np.int64(position)]) & mask) << low_bits | position
                sorted_already &= words[i] >= before
                before = words[i]
            if not sorted_already:
                words[start:stop].sort()
        for i in range(start, stop):
            order[i] = n - 1 - np.int64(words[i] & mask)
        start = stop


@njit(cache=True, nogil=True)
def _invert(order, ranks):
    """The inverse of a permutation, shape (n,)."""
    for i in range(order.size):
        ranks[order[i]] = i
