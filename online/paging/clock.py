"""CLOCK, SIEVE and S3-FIFO: queues that give a second chance instead of reordering on every hit.

Sources: F. J. Corbato, "A paging experiment with the Multics system", 1969 (CLOCK); Y. Zhang et al., "SIEVE is
simpler than LRU: an efficient turn-key eviction algorithm for web caches", NSDI 2024; J. Yang et al., "FIFO queues
are all you need for cache eviction", SOSP 2023 (S3-FIFO). Where S3-FIFO's text leaves choices open we take those
of libCacheSim 0.3.5, whose fault counts ours equal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from online.paging.policy import NOTHING, EvictionKernels, EvictionPolicy

__all__ = ["S3FIFO", "Clock", "Sieve", "clock_bound"]


@description
class Clock(EvictionPolicy):
    """Circle over the pages, clearing reference bits, and evict the first whose bit is clear.

    A page is loaded with its bit clear, and a hit sets it. The new page takes the victim's place, and the hand
    moves on.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    At most `cache_size` times the faults of the optimum (`clock_bound`). O(1) amortized a request.
    """

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_clock_init, _clock_access, _clock_holds, _last_evicted)


@description
class Sieve(EvictionPolicy):
    """Keep pages in order of arrival; a hand walks from old to new and evicts the first page not visited since.

    Unlike CLOCK, survivors keep their place and new pages enter at the head of the queue.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    No competitive ratio is proved here. O(1) amortized a request.
    """

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_sieve_init, _sieve_access, _sieve_holds, _last_evicted)


@description
class S3FIFO(EvictionPolicy):
    """Three FIFO queues: a small one that new pages must survive, a main one, and a ghost of pages just evicted.

    The small queue holds a tenth of the cache, at least one page; a page requested twice there moves to the main
    queue, others leave and are remembered in a ghost queue of nine tenths of the cache. A page found in the ghost
    is loaded into the main queue, where pages requested since get further rounds.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    No competitive ratio is proved. O(1) amortized a request.
    """

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_s3fifo_init, _s3fifo_access, _s3fifo_holds, _last_evicted)


@guarantee("Sleator & Tarjan 1985, marking argument", kind="upper", algorithm="Clock", evidence="textbook")
def clock_bound(opt: float, cache_size: int) -> float:
    """Clock faults <= k * OPT from an empty cache.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    cache_size : int >= 1
        k, pages in the cache.
    """
    return cache_size * opt


class _Clock(NamedTuple):
    slots: np.ndarray  # (k,) uint32, the cached pages around the dial
    slot_of: np.ndarray  # (m,) int32, slot of a page, -1 when it is not cached
    referenced: np.ndarray  # (m,) bool
    counts: np.ndarray  # (3,) int64: page evicted last; pages cached; the slot under the hand


@njit(cache=True)
def _clock_init(requests, n_pages, cache_size, params):
    slots = np.zeros(min(cache_size, n_pages), np.uint32)
    return _Clock(slots, np.full(n_pages, -1, np.int32), np.zeros(n_pages, np.bool_), np.array([NOTHING, 0, 0]))


@njit(cache=True, forceinline=True)
def _clock_access(state, page, bit, t, rng):
    evicted, cached, hand = 0, 1, 2
    slots, slot_of, referenced, counts = state
    fault = slot_of[page] < 0
    if fault:
        if counts[cached] < slots.size:
            slot = counts[cached]
            counts[cached] = slot + 1
        else:
            slot = counts[hand]
            while referenced[slots[slot]]:
                referenced[slots[slot]] = False
                slot = slot + 1 if slot + 1 < slots.size else 0
            slot_of[slots[slot]] = -1
            counts[evicted] = slots[slot]
            counts[hand] = slot + 1 if slot + 1 < slots.size else 0
        slots[slot] = page
        slot_of[page] = slot
    referenced[page] = not fault
    hold(slots, slot_of, referenced, counts)
    return fault


@njit(cache=True, forceinline=True)
def _clock_holds(state, page):
    return state.slot_of[page] >= 0


@njit(cache=True, forceinline=True)
def _last_evicted(state):
    return state.counts[0]


class _Sieve(NamedTuple):
    older: np.ndarray  # (m + 1,) int32, neighbour towards the tail; entry m is the head's
    newer: np.ndarray  # (m + 1,) int32, neighbour towards the head; entry m is the tail's
    visited: np.ndarray  # (m,) int8: -1 not cached, 0 not visited, 1 visited
    counts: np.ndarray  # (3,) int64: page evicted last; pages cached; the page under the hand (m when unset)
    cache_size: int


@njit(cache=True)
def _sieve_init(requests, n_pages, cache_size, params):
    counts = np.array([NOTHING, 0, n_pages])
    return _Sieve(
        np.full(n_pages + 1, n_pages, np.int32),
        np.full(n_pages + 1, n_pages, np.int32),
        np.full(n_pages, -1, np.int8),
        counts,
        cache_size,
    )


@njit(cache=True, forceinline=True)
def _sieve_access(state, page, bit, t, rng):
    evicted, cached, hand = 0, 1, 2
    older, newer, visited, counts, cache_size = state
    end = visited.size
    fault = visited[page] < 0
    if fault:
        if counts[cached] == cache_size:
            victim = counts[hand]
            if victim == end:
                victim = np.int64(newer[end])  # the tail
            while visited[victim] == 1:
                visited[victim] = 0
                victim = np.int64(newer[victim])
                if victim == end:
                    victim = np.int64(newer[end])
            counts[hand] = newer[victim]
            newer[older[victim]] = newer[victim]
            older[newer[victim]] = older[victim]
            visited[victim] = -1
            counts[evicted] = victim
        else:
            counts[cached] += 1
        head = older[end]
        older[page] = head
        newer[page] = end
        newer[head] = page
        older[end] = page
        visited[page] = 0
    else:
        visited[page] = 1
    hold(older, newer, visited, counts)
    return fault


@njit(cache=True, forceinline=True)
def _sieve_holds(state, page):
    return state.visited[page] >= 0


class _S3FIFO(NamedTuple):
    queue: np.ndarray  # (2, k + 1) uint32, the small and the main queue, each a ring
    ends: np.ndarray  # (2, 2) int64, where the oldest page of each ring is, and how many pages it holds
    frequency: np.ndarray  # (m,) int32, requests since load (small) or since the last round (main), -1 when not cached
    ghost_next: np.ndarray  # (m + 1,) int32, the ghost queue from oldest to newest, a ring through entry m
    ghost_previous: np.ndarray  # (m + 1,) int32; -1 for pages that are not in the ghost
    counts: np.ndarray  # (2,) int64: page evicted last; ids in the ghost
    sizes: np.ndarray  # (4,) int64: cache, small, main, ghost


@njit(cache=True)
def _s3fifo_init(requests, n_pages, cache_size, params):
    size = min(cache_size, n_pages + 1)  # more places than pages and one are never used
    small = max(1, cache_size // 10)
    ghost = cache_size * 9 // 10
    sizes = np.array([cache_size, small, cache_size - small, ghost])
    following = np.full(n_pages + 1, -1, np.int32)
    previous = np.full(n_pages + 1, -1, np.int32)
    following[n_pages] = n_pages
    previous[n_pages] = n_pages
    return _S3FIFO(
        np.zeros((2, size + 1), np.uint32),
        np.zeros((2, 2), np.int64),
        np.full(n_pages, -1, np.int32),
        following,
        previous,
        np.array([NOTHING, 0]),
        sizes,
    )


@njit(cache=True, forceinline=True)
def _s3fifo_access(state, page, bit, t, rng):
    small, main, held = 0, 1, 1
    evicted, in_ghost = 0, 1
    queue, ends, frequency, ghost_next, ghost_previous, counts, sizes = state
    end = frequency.size
    fault = frequency[page] < 0
    if fault:
        remembered = ghost_previous[page] >= 0
        if remembered:
            ghost_next[ghost_previous[page]] = ghost_next[page]
            ghost_previous[ghost_next[page]] = ghost_previous[page]
            ghost_previous[page] = -1
            counts[in_ghost] -= 1
        while ends[small, held] + ends[main, held] >= sizes[0]:
            if ends[main, held] > sizes[2] or ends[small, held] == 0:
                candidate = _pop(queue, ends, main)
                while frequency[candidate] >= 1:
                    frequency[candidate] = min(frequency[candidate], 3) - 1
                    _push(queue, ends, main, candidate)
                    candidate = _pop(queue, ends, main)
                frequency[candidate] = -1
                counts[evicted] = candidate
            else:
                candidate = _pop(queue, ends, small)
                # Pages requested twice go on to the main queue, whatever its size, until one leaves the small queue.
                while frequency[candidate] >= 2 and ends[small, held] > 0:
                    frequency[candidate] = 0
                    _push(queue, ends, main, candidate)
                    candidate = _pop(queue, ends, small)
                if frequency[candidate] >= 2:
                    frequency[candidate] = 0
                    _push(queue, ends, main, candidate)
                else:
                    frequency[candidate] = -1
                    counts[evicted] = candidate
                    if sizes[3] > 0:
                        if counts[in_ghost] == sizes[3]:
                            forgotten = ghost_next[end]
                            ghost_next[end] = ghost_next[forgotten]
                            ghost_previous[ghost_next[forgotten]] = end
                            ghost_previous[forgotten] = -1
                        else:
                            counts[in_ghost] += 1
                        newest = ghost_previous[end]
                        ghost_next[newest] = candidate
                        ghost_previous[candidate] = newest
                        ghost_next[candidate] = end
                        ghost_previous[end] = candidate
        to_main = remembered or (counts[evicted] < 0 and ends[small, held] >= sizes[1])
        _push(queue, ends, main if to_main else small, page)
        frequency[page] = 0
    else:
        frequency[page] += 1
    hold(queue, ends, frequency, ghost_next, ghost_previous, counts, sizes)
    return fault


@njit(cache=True, forceinline=True)
def _s3fifo_holds(state, page):
    return state.frequency[page] >= 0


@njit(cache=True, forceinline=True)
def _pop(queue, ends, which):
    """Take the oldest page out of a ring."""
    place = ends[which, 0]
    page = queue[which, place]
    ends[which, 0] = place + 1 if place + 1 < queue.shape[1] else 0
    ends[which, 1] -= 1
    hold(queue, ends)
    return page


@njit(cache=True, forceinline=True)
def _push(queue, ends, which, page):
    """Put a page at the new end of a ring."""
    place = ends[which, 0] + ends[which, 1]
    if place >= queue.shape[1]:
        place -= queue.shape[1]
    queue[which, place] = page
    ends[which, 1] += 1
    hold(queue, ends)
