"""LFU and ARC: policies that weigh how often against how recently.

Sources: LFU is folklore, here in-cache and in constant time by queues of equal frequency (after K. Shah, A. Mitra,
D. Matani, "An O(1) algorithm for implementing the LFU cache eviction scheme", 2010; that only seldom requested pages
need queues, and these no exact removal, is derived here); N. Megiddo and D. S. Modha, "ARC: a self-tuning, low
overhead replacement cache", FAST 2003, Figure 4.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.kernels import hold
from algos.optimal_paging import clear_key, has_key, has_keys, key_set, lowest_bit, lowest_key, set_key
from online.paging.policy import NOTHING, EvictionKernels, EvictionPolicy

__all__ = ["ARC", "LFU"]


@description
class LFU(EvictionPolicy):
    """Evict the page requested least often since it was loaded; of several, the first to have got so far.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    Not competitive: no multiple of the optimum bounds its faults. O(1) amortized a request, and O(m log n) in all for
    m pages and n requests.
    """

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_lfu_init, _lfu_access, _lfu_holds, _lfu_evicted, _lfu_forecast, _lfu_glance)


@description
class ARC(EvictionPolicy):
    """Share the cache between pages seen once and pages seen again, and shift the border towards what is missed.

    Two more lists of the same total size remember pages evicted from either side; a fault on one of them moves the
    border.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    No competitive ratio is proved here. O(1) a request.
    """

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_arc_init, _arc_access, _arc_holds, _arc_evicted)


_ONE, _STAMP_BITS, _STAMP = np.uint64(1), np.uint64(32), np.uint64(2**32 - 1)


class _LFU(NamedTuple):
    requests: np.ndarray  # (n,) uint32, the trace; only its past is read
    # (m,) uint64, frequency of a cached page above 32 bits for 1 + time of its last request; 0 when it is not cached
    pages: np.ndarray
    # A queue for each frequency up to the border: times of requests, of which those count that are still their pages'
    # last, in increasing order. Above the border pages are only counted, until all below have left.
    following: np.ndarray  # (n,) uint32, the next time in the queue
    ends: np.ndarray  # (n + 2, 2) uint32, oldest and newest time of each queue; valid where the queue is not empty
    words: np.ndarray  # uint64, the set of frequencies whose queue is not empty
    starts: np.ndarray  # (5,) int64
    times: np.ndarray  # uint64, all zeros but while the border is raised
    counts: np.ndarray  # (4,) int64: pages cached; those not above the border; border; page evicted last
    cache_size: int


@njit
def _lfu_init(requests, n_pages, cache_size, params):
    words, starts = key_set(requests.size + 2)
    return _LFU(
        requests,
        np.zeros(n_pages, np.uint64),
        np.empty(requests.size, np.uint32),
        np.empty((requests.size + 2, 2), np.uint32),
        words,
        starts,
        np.zeros((requests.size >> 6) + 1, np.uint64),
        np.array([0, 0, 1, NOTHING]),
        cache_size,
    )


@njit(forceinline=True)
def _lfu_access(state, page, bit, t, rng):
    cached, low, border, evicted = 0, 1, 2, 3
    requests, pages, following, ends, words, starts, times, counts, cache_size = state
    before = pages[page] >> _STAMP_BITS
    fault = before == 0
    if fault:
        if counts[cached] == cache_size:
            if counts[low] == 0:
                _raise_border(requests, pages, following, ends, words, starts, times, counts)
            victim = _least(requests, pages, following, ends, words, starts)
            pages[victim] = 0
            counts[evicted] = victim
        else:
            counts[cached] += 1
            counts[low] += 1
    elif before == np.uint64(counts[border]):
        counts[low] -= 1
    pages[page] = ((before + _ONE) << _STAMP_BITS) + np.uint64(t) + _ONE
    if before < np.uint64(counts[border]):
        _join(following, ends, words, starts, np.int64(before) + 1, t)
    hold(requests, pages, following, ends, words, starts, times, counts)
    return fault


@njit(forceinline=True)
def _lfu_forecast(state, most):
    # Each request takes at most one page away from those not above the border, so that the border stays.
    cached, low, border = 0, 1, 2
    counts = state.counts
    certain = min(most, counts[low] + state.cache_size - counts[cached])
    limits = (counts[border],)
    hold(counts)
    return certain, limits


@njit(cache=True, forceinline=True)
def _lfu_glance(state, page, t, limits):
    pages = state.pages
    before = pages[page]
    hit = before >> _STAMP_BITS > np.uint64(limits[0])
    after = (before & ~_STAMP) + _STAMP + np.uint64(t) + np.uint64(2)  # one more, and 1 + t below
    pages[page] = before + np.uint64(hit) * (after - before)  # without a branch
    hold(pages)
    return hit


@njit(cache=True, forceinline=True)
def _lfu_holds(state, page):
    return state.pages[page] > 0


@njit(cache=True, forceinline=True)
def _lfu_evicted(state):
    return state.counts[3]


@njit(forceinline=True)
def _join(following, ends, words, starts, frequency, time):
    """Put a request at the new end of a queue."""
    oldest, newest = 0, 1
    if has_key(words, frequency):
        following[ends[frequency, newest]] = time
    else:
        set_key(words, starts, frequency)
        ends[frequency, oldest] = time
    ends[frequency, newest] = time
    hold(following, ends, words, starts)


@njit(forceinline=True)
def _least(requests, pages, following, ends, words, starts):
    """Take the oldest request that counts out of the queue of the lowest frequency, and return its page."""
    oldest, newest = 0, 1
    frequency = lowest_key(words, starts)
    time = np.int64(ends[frequency, oldest])
    page = requests[time]
    # A stamp is not given twice, so that the frequency need not be compared.
    while pages[page] & _STAMP != np.uint64(time) + _ONE:
        if time == ends[frequency, newest]:
            clear_key(words, starts, frequency)
            frequency = lowest_key(words, starts)
            time = np.int64(ends[frequency, oldest])
        else:
            time = np.int64(following[time])
        page = requests[time]
    if time == ends[frequency, newest]:
        clear_key(words, starts, frequency)
    else:
        ends[frequency, oldest] = following[time]
    hold(requests, pages, following, ends, words, starts)
    return page


@njit(forceinline=True)  # a call, which may fail, would make Numba count references in every step
def _raise_border(requests, pages, following, ends, words, starts, times, counts):
    """Double the border until pages are not above it, and put these into queues by the times of their last requests."""
    low, border = 1, 2
    while has_keys(words, starts):
        clear_key(words, starts, lowest_key(words, starts))  # nothing in these queues counts any more
    least = _STAMP
    for page in range(pages.size):
        if pages[page] > 0:
            least = min(least, pages[page] >> _STAMP_BITS)
    while counts[border] < np.int64(least):
        counts[border] *= 2
    for page in range(pages.size):
        if pages[page] > 0 and pages[page] >> _STAMP_BITS <= np.uint64(counts[border]):
            time = (pages[page] & _STAMP) - _ONE
            times[time >> np.uint64(6)] |= _ONE << (time & np.uint64(63))
            counts[low] += 1
    for word in range(times.size):
        left = times[word]
        times[word] = 0
        while left != 0:
            time = (word << 6) + lowest_bit(left)
            left &= left - _ONE
            frequency = np.int64(pages[requests[time]] >> _STAMP_BITS)
            _join(following, ends, words, starts, frequency, time)


# The four lists of ARC: T1 and T2 hold the cache (seen once, seen again), B1 and B2 remember what left them.
_T1, _T2, _B1, _B2, _NOWHERE = 0, 1, 2, 3, 4
_EVICTED = 4  # where `sizes` keeps the page evicted last


class _ARC(NamedTuple):
    newer: np.ndarray  # (m + 4,) int32, neighbour towards the most recent; entry m + i belongs to list i itself
    older: np.ndarray  # (m + 4,) int32, neighbour towards the least recent
    where: np.ndarray  # (m,) int8, list of a page, or _NOWHERE
    sizes: np.ndarray  # (5,) int64: pages in each list; the page evicted last
    border: np.ndarray  # (1,) float64, p, the size that T1 should have
    cache_size: int


@njit(cache=True)
def _arc_init(requests, n_pages, cache_size, params):
    newer = np.arange(n_pages + 4).astype(np.int32)
    return _ARC(
        newer,
        newer.copy(),
        np.full(n_pages, _NOWHERE, np.int8),
        np.array([0, 0, 0, 0, NOTHING]),
        np.zeros(1, np.float64),
        cache_size,
    )


@njit(cache=True, forceinline=True, error_model="numpy")  # nothing is divided by zero: no exit for it
def _arc_access(state, page, bit, t, rng):
    newer, older, where, sizes, border, k = state
    found = np.int64(where[page])
    target = _T2
    if found == _B1:
        border[0] = min(float(k), border[0] + max(sizes[_B2] / sizes[_B1], 1.0))
        _replace(newer, older, where, sizes, border, False)
    elif found == _B2:
        border[0] = max(0.0, border[0] - max(sizes[_B1] / sizes[_B2], 1.0))
        _replace(newer, older, where, sizes, border, True)
    elif found == _NOWHERE:
        target = _T1
        if sizes[_T1] + sizes[_B1] == k:
            if sizes[_T1] < k:
                _move(newer, older, where, sizes, _least_recent(newer, where, _B1), _NOWHERE)
                _replace(newer, older, where, sizes, border, False)
            else:
                victim = _least_recent(newer, where, _T1)
                _move(newer, older, where, sizes, victim, _NOWHERE)
                sizes[_EVICTED] = victim
        else:
            total = sizes[_T1] + sizes[_T2] + sizes[_B1] + sizes[_B2]
            if total >= k:
                if total == 2 * k:
                    _move(newer, older, where, sizes, _least_recent(newer, where, _B2), _NOWHERE)
                _replace(newer, older, where, sizes, border, False)
    _move(newer, older, where, sizes, np.int64(page), target)
    hold(newer, older, where, sizes, border)
    return found >= _B1


@njit(cache=True, forceinline=True)
def _arc_holds(state, page):
    return state.where[page] < _B1


@njit(cache=True, forceinline=True)
def _arc_evicted(state):
    return state.sizes[_EVICTED]


@njit(cache=True, forceinline=True)
def _replace(newer, older, where, sizes, border, in_b2):
    """Move the least recent page of T1 or T2 to the list that remembers it."""
    ones = sizes[_T1]
    from_t1 = ones >= 1 and (ones > border[0] or (in_b2 and ones == border[0]))
    victim = _least_recent(newer, where, _T1 if from_t1 else _T2)
    _move(newer, older, where, sizes, victim, _B1 if from_t1 else _B2)
    sizes[_EVICTED] = victim
    hold(newer, older, where, sizes, border)


@njit(cache=True, forceinline=True)
def _least_recent(newer, where, which):
    """The least recent page of a list that is not empty."""
    return np.int64(newer[where.size + which])


@njit(cache=True, forceinline=True)
def _move(newer, older, where, sizes, page, target):
    """Unlink a page from its list and make it the most recent of another."""
    source = np.int64(where[page])
    if source != _NOWHERE:
        newer[older[page]] = newer[page]
        older[newer[page]] = older[page]
        sizes[source] -= 1
    if target != _NOWHERE:
        ring = where.size + target
        recent = older[ring]
        older[page] = recent
        newer[page] = ring
        newer[recent] = page
        older[ring] = page
        sizes[target] += 1
    where[page] = target
    hold(newer, older, where, sizes)
