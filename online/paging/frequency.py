"""LFU and ARC: policies that weigh how often against how recently.

Sources: LFU is folklore, here in-cache and in constant time by buckets of equal frequency (after K. Shah, A. Mitra,
D. Matani, "An O(1) algorithm for implementing the LFU cache eviction scheme", 2010); N. Megiddo and D. S. Modha,
"ARC: a self-tuning, low overhead replacement cache", FAST 2003, Figure 4.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.kernels import hold
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
    Not competitive: no multiple of the optimum bounds its faults. O(1) a request.
    """

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_lfu_init, _lfu_access, _lfu_holds, _lfu_evicted)


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


class _LFU(NamedTuple):
    following: np.ndarray  # (m,) int32, the next page of the same bucket, -1 at the newest
    previous: np.ndarray  # (m,) int32, the page before it, -1 at the oldest
    bucket_of: np.ndarray  # (m,) int32, bucket of a page, -1 when it is not cached
    buckets: np.ndarray  # (k + 2, 5) int64: frequency, oldest page, newest page, next bucket, bucket before
    counts: (
        np.ndarray
    )  # (4,) int64: pages cached; bucket of the lowest frequency or -1; first free one; page evicted last
    cache_size: int


@njit(cache=True)
def _lfu_init(requests, n_pages, cache_size, params):
    size = min(cache_size, n_pages) + 2
    buckets = np.full((size, 5), -1, np.int64)
    for bucket in range(size - 1):
        buckets[bucket, 3] = bucket + 1  # the free buckets, chained
    counts = np.array([0, -1, 0, NOTHING])
    return _LFU(
        np.full(n_pages, -1, np.int32),
        np.full(n_pages, -1, np.int32),
        np.full(n_pages, -1, np.int32),
        buckets,
        counts,
        cache_size,
    )


@njit(cache=True, forceinline=True)
def _lfu_access(state, page, bit, t, rng):
    cached, lowest, evicted = 0, 1, 3
    following, previous, bucket_of, buckets, counts, cache_size = state
    bucket = np.int64(bucket_of[page])
    fault = bucket < 0
    if fault:
        if counts[cached] == cache_size:
            victim = buckets[counts[lowest], 1]
            _take_out(following, previous, bucket_of, buckets, counts, victim)
            bucket_of[victim] = -1
            counts[evicted] = victim
        else:
            counts[cached] += 1
        target = counts[lowest]
        if target < 0 or buckets[target, 0] != 1:
            target = _new_bucket(buckets, counts, 1, np.int64(-1), counts[lowest])
    else:
        frequency = buckets[bucket, 0] + 1
        target = buckets[bucket, 3]
        if target < 0 or buckets[target, 0] != frequency:
            target = _new_bucket(buckets, counts, frequency, bucket, target)
        _take_out(following, previous, bucket_of, buckets, counts, np.int64(page))
    newest = buckets[target, 2]
    previous[page] = newest
    following[page] = -1
    if newest < 0:
        buckets[target, 1] = page
    else:
        following[newest] = page
    buckets[target, 2] = page
    bucket_of[page] = target
    hold(following, previous, bucket_of, buckets, counts)
    return fault


@njit(cache=True, forceinline=True)
def _lfu_holds(state, page):
    return state.bucket_of[page] >= 0


@njit(cache=True, forceinline=True)
def _lfu_evicted(state):
    return state.counts[3]


@njit(cache=True, forceinline=True)
def _take_out(following, previous, bucket_of, buckets, counts, page):
    """Unlink a page from its bucket, and free the bucket when it is empty."""
    lowest, free = 1, 2
    bucket = np.int64(bucket_of[page])
    before, after = previous[page], following[page]
    if before < 0:
        buckets[bucket, 1] = after
    else:
        following[before] = after
    if after < 0:
        buckets[bucket, 2] = before
    else:
        previous[after] = before
    if buckets[bucket, 1] < 0:
        upper, lower = buckets[bucket, 3], buckets[bucket, 4]
        if lower < 0:
            counts[lowest] = upper
        else:
            buckets[lower, 3] = upper
        if upper >= 0:
            buckets[upper, 4] = lower
        buckets[bucket, 3] = counts[free]
        counts[free] = bucket
    hold(following, previous, bucket_of, buckets, counts)


@njit(cache=True, forceinline=True)
def _new_bucket(buckets, counts, frequency, lower, upper):
    """An empty bucket between two others, -1 for none."""
    lowest, free = 1, 2
    bucket = counts[free]
    counts[free] = buckets[bucket, 3]
    buckets[bucket, 0] = frequency
    buckets[bucket, 1] = -1
    buckets[bucket, 2] = -1
    buckets[bucket, 3] = upper
    buckets[bucket, 4] = lower
    if lower < 0:
        counts[lowest] = bucket
    else:
        buckets[lower, 3] = bucket
    if upper >= 0:
        buckets[upper, 4] = bucket
    hold(buckets, counts)
    return bucket


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
