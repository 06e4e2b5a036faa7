"""LRU, FIFO and flush-when-full: the classical deterministic policies without predictions.

Source: D. D. Sleator and R. E. Tarjan, "Amortized efficiency of list update and paging rules", 1985, Theorem 6
(LRU and FIFO against an optimum with a smaller cache). The forms without lists are derived here: a time stamp or
a load number a page says whether it is cached, and a bitmap over the times which requests are their pages' last.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_paging import lowest_bit, ones_in, prefetch
from online.paging.policy import EVERYTHING, NOTHING, EvictionKernels, EvictionPolicy

__all__ = ["FIFO", "LRU", "FlushWhenFull", "fifo_bound", "flush_when_full_bound", "lru_augmentation_bound", "lru_bound"]


@description
class LRU(EvictionPolicy):
    """Evict the least recently requested page.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    At most `cache_size` times the faults of the optimum (`lru_bound`), and far less against an optimum with a
    smaller cache (`lru_augmentation_bound`). O(1) amortized a request.
    """

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_lru_init, _lru_access, _lru_holds, _lru_evicted, _lru_forecast, _lru_glance, _lru_fetch)


@description
class FIFO(EvictionPolicy):
    """Evict the page that was loaded first.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    At most `cache_size` times the faults of the optimum (`fifo_bound`). A larger cache may fault more (Belady's
    anomaly). O(1) a request.
    """

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_fifo_init, _fifo_access, _fifo_holds, _fifo_evicted, _fifo_forecast, _fifo_glance)


@description
class FlushWhenFull(EvictionPolicy):
    """On a fault with a full cache evict everything.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    At most `cache_size` times the faults of the optimum (`flush_when_full_bound`). Its flushes mark the borders of
    the k-phases. O(1) a request.
    """

    def lazy(self) -> bool:
        """Not when it flushes."""
        return False

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_flush_init, _flush_access, _flush_holds, _flush_evicted)


@guarantee("Sleator & Tarjan 1985, Theorem 6 with h = k", kind="upper", algorithm="LRU", evidence="textbook")
def lru_bound(opt: float, cache_size: int) -> float:
    """LRU faults <= k * OPT from an empty cache.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    cache_size : int >= 1
        k, pages in the cache.
    """
    return cache_size * opt


@guarantee("Sleator & Tarjan 1985, Theorem 6 with h = k", kind="upper", algorithm="FIFO", evidence="textbook")
def fifo_bound(opt: float, cache_size: int) -> float:
    """FIFO faults <= k * OPT from an empty cache.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    cache_size : int >= 1
        k, pages in the cache.
    """
    return cache_size * opt


@guarantee("Karlin et al. 1988, marking argument", kind="upper", algorithm="FlushWhenFull", evidence="textbook")
def flush_when_full_bound(opt: float, cache_size: int) -> float:
    """FlushWhenFull faults <= k * OPT from an empty cache.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    cache_size : int >= 1
        k, pages in the cache.
    """
    return cache_size * opt


@guarantee("Sleator & Tarjan 1985, Theorem 6", kind="upper", algorithm="LRU", evidence="textbook")
def lru_augmentation_bound(opt: float, cache_size: int, optimum_cache_size: int) -> float:
    """LRU with k pages faults <= k/(k-h+1) * OPT_h + h, where OPT_h has h <= k pages.

    Parameters
    ----------
    opt : float >= 0
        OPT_h, faults of the offline optimum with `optimum_cache_size` pages.
    cache_size : int >= 1
        k, pages in LRU's cache.
    optimum_cache_size : int in 1..k
        h, pages in the optimum's cache.

    Raises
    ------
    ValueError
        When h is outside 1..k.
    """
    if not 1 <= optimum_cache_size <= cache_size:
        raise ValueError(f"optimum_cache_size: {optimum_cache_size} is outside 1..{cache_size}")
    return cache_size / (cache_size - optimum_cache_size + 1) * opt + optimum_cache_size


_ONE, _SIX, _LOW_SIX = np.uint64(1), np.uint64(6), np.uint64(63)  # for bits in words of 64
_FAR = 64  # words that a forecast looks through at most


class _LRU(NamedTuple):
    requests: np.ndarray  # (n,) uint32, the trace; only its past is read
    last: np.ndarray  # (m,) uint32, 1 + time of the page's last request, 0 before its first
    newest: np.ndarray  # uint64, bit 1 + t is clear when a later request of the same page was served, or it has left
    counts: (
        np.ndarray
    )  # (2,) int64: pages cached; head: a page is cached exactly when last > head, evicted last if equal
    cache_size: int


@njit(cache=True)
def _lru_init(requests, n_pages, cache_size, params):
    newest = np.full((requests.size >> 6) + 1, ~np.uint64(0), np.uint64)
    return _LRU(requests, np.zeros(n_pages, np.uint32), newest, np.zeros(2, np.int64), cache_size)


@njit(forceinline=True)
def _lru_access(state, page, bit, t, rng):
    cached, head = 0, 1
    _, last, newest, counts, cache_size = state
    before = np.uint64(last[page])
    last[page] = t + 1
    newest[before >> _SIX] &= ~(_ONE << (before & _LOW_SIX))
    fault = before <= np.uint64(counts[head])
    if fault:
        if counts[cached] < cache_size:
            counts[cached] += 1
        else:
            # The page whose last request is oldest leaves; the requested one has its new stamp already.
            word = np.uint64(counts[head]) >> _SIX
            while newest[word] == 0:
                word += _ONE
            oldest = (word << _SIX) + np.uint64(lowest_bit(newest[word]))
            newest[word] &= newest[word] - _ONE
            counts[head] = oldest
    hold(last, newest, counts)
    return fault


@njit(forceinline=True)
def _lru_forecast(state, most):
    # Each request takes at most one bit of `newest` out, so that the head moves over as many bits at most.
    cached, head = 0, 1
    _, _, newest, counts, cache_size = state
    limit, certain = 0, min(most, cache_size - counts[cached])  # up to so many faults nothing is evicted
    if certain == 0:
        word = counts[head] >> 6
        end = min(word + _FAR, newest.size)
        while word < end and certain < most:
            certain += ones_in(newest[word])  # those of times to come do no harm: then all k cached pages are counted
            word += 1
        limit = word << 6
    hold(newest, counts)
    return min(certain, most, cache_size), (limit,)


@njit(cache=True, forceinline=True)
def _lru_glance(state, page, t, limits):
    _, last, newest, _, _ = state
    before = np.uint64(last[page])
    hit = before > np.uint64(limits[0])
    last[page] = before + np.uint64(hit) * (np.uint64(t) + _ONE - before)  # without a branch
    newest[before >> _SIX] &= ~(np.uint64(hit) << (before & _LOW_SIX))
    hold(last, newest)
    return hit


@njit(cache=True, forceinline=True)
def _lru_holds(state, page):
    return state.last[page] > state.counts[1]


@njit(forceinline=True)
def _lru_fetch(state, page, bit):  # for those who follow LRU
    prefetch(state.last, page)


@njit(cache=True, forceinline=True)
def _lru_evicted(state):
    head = state.counts[1]
    return np.int64(state.requests[head - 1]) if head > 0 else NOTHING


class _FIFO(NamedTuple):
    load: np.ndarray  # (m,) uint32, number of the load that brought the page in last, 0 before its first
    loaded: np.ndarray  # (k,) uint32, the page of each of the last k loads, a ring
    # (4,) int64: loads so far; place of the next one in the ring; page evicted last; load that was evicted last, 0
    # before the first
    counts: np.ndarray
    cache_size: int


@njit(cache=True)
def _fifo_init(requests, n_pages, cache_size, params):
    loaded = np.zeros(min(cache_size, n_pages), np.uint32)
    return _FIFO(np.zeros(n_pages, np.uint32), loaded, np.array([0, 0, NOTHING, 0]), cache_size)


@njit(cache=True, forceinline=True)
def _fifo_access(state, page, bit, t, rng):
    # The cache holds the pages of the last cache_size loads.
    loads, place, victim, gone = 0, 1, 2, 3
    load, loaded, counts, cache_size = state
    fault = load[page] <= counts[gone]
    if fault:
        if counts[loads] >= cache_size:
            counts[victim] = loaded[counts[place]]
            counts[gone] += 1
        loaded[counts[place]] = page
        counts[place] = counts[place] + 1 if counts[place] + 1 < loaded.size else 0
        counts[loads] += 1
        load[page] = counts[loads]
    hold(load, loaded, counts)
    return fault


@njit(cache=True, forceinline=True)
def _fifo_forecast(state, most):
    loads = 0
    _, _, counts, cache_size = state
    certain = min(most, cache_size // 4)
    limit = max(0, counts[loads] + certain - cache_size)
    hold(counts)
    return certain, (limit,)


@njit(cache=True, forceinline=True)
def _fifo_glance(state, page, t, limits):
    return state.load[page] > limits[0]  # a hit changes nothing


@njit(cache=True, forceinline=True)
def _fifo_holds(state, page):
    return state.load[page] > state.counts[3]


@njit(cache=True, forceinline=True)
def _fifo_evicted(state):
    return state.counts[2]


class _Flush(NamedTuple):
    epoch: np.ndarray  # (m,) uint32, 1 + number of flushes before the page was loaded, 0 before its first load
    counts: np.ndarray  # (2,) int64: pages cached, and flushes so far
    cache_size: int


@njit(cache=True)
def _flush_init(requests, n_pages, cache_size, params):
    return _Flush(np.zeros(n_pages, np.uint32), np.zeros(2, np.int64), cache_size)


@njit(cache=True, forceinline=True)
def _flush_access(state, page, bit, t, rng):
    cached, flushes = 0, 1
    epoch, counts, cache_size = state
    fault = epoch[page] != counts[flushes] + 1
    if fault:
        if counts[cached] == cache_size:
            counts[cached] = 0
            counts[flushes] += 1
        counts[cached] += 1
        epoch[page] = counts[flushes] + 1
    hold(epoch, counts)
    return fault


@njit(cache=True, forceinline=True)
def _flush_holds(state, page):
    return state.epoch[page] == state.counts[1] + 1


@njit(cache=True, forceinline=True)
def _flush_evicted(state):
    # The only page in the cache right after a fault is the one that a flush made place for.
    return EVERYTHING if state.counts[0] == 1 and state.counts[1] > 0 else NOTHING
