"""CLOCK, SIEVE and S3-FIFO: queues that give a second chance instead of reordering on every hit.

Sources: F. J. Corbato, "A paging experiment with the Multics system", 1969 (CLOCK); Y. Zhang et al., "SIEVE is
simpler than LRU: an efficient turn-key eviction algorithm for web caches", NSDI 2024; J. Yang et al., "FIFO queues
are all you need for cache eviction", SOSP 2023 (S3-FIFO). Where S3-FIFO's text leaves choices open we take those
of libCacheSim 0.3.5, whose fault counts ours equal. The bitmaps over places in the queues are derived here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_paging import lowest_bit, ones_in
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
        return EvictionKernels(_clock_init, _clock_access, _place_holds, _last_evicted, _clock_forecast, _place_glance)


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
        return EvictionKernels(_sieve_init, _sieve_access, _place_holds, _last_evicted, _sieve_forecast, _place_glance)


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


# Clock and Sieve keep a place for each cached page, from 1 on, and a byte for each place, so that a hit is one store.
# The hand works in blocks of 64 places. When it enters one, the bits of the idle places go to a word apart, and all
# places are marked idle, which they are after the hand has passed; what holds of those still before the hand, the word
# tells.
_HIT, _IDLE, _GAP = 0, 1, 2  # hit since it was loaded or the hand came by; not hit; no page
_ONE, _EACH, _LOW_BYTE = np.uint64(1), np.uint64(0x0101010101010101), np.uint64(0xFF)
_FAR = 32  # blocks that a forecast looks through at most


class _Clock(NamedTuple):
    page_at: np.ndarray  # (1 + k,) uint32, the cached pages around the dial
    place_of: np.ndarray  # (m,) uint32, place of a page, 0 when it is not cached
    marks: np.ndarray  # uint8, what holds of each place; the entry of place 0 is for anyone to write to
    words: np.ndarray  # uint64, the same memory, by eight places
    ready: np.ndarray  # (1,) uint64, the idle places of the hand's block that are before the hand
    counts: np.ndarray  # (4,) int64: page evicted last; pages cached; the place before the hand; its block, or -1
    # before the first block


@njit(cache=True)
def _clock_init(requests, n_pages, cache_size, params):
    size = min(cache_size, n_pages) + 1
    marks = np.full((size + 63) // 64 * 64, _GAP, np.uint8)
    return _Clock(
        np.zeros(size, np.uint32),
        np.zeros(n_pages, np.uint32),
        marks,
        marks.view(np.uint64),
        np.zeros(1, np.uint64),
        np.array([NOTHING, 0, 0, -1]),
    )


@njit(forceinline=True)
def _clock_access(state, page, bit, t, rng):
    evicted, cached, hand, block = 0, 1, 2, 3
    page_at, place_of, marks, words, ready, counts = state
    place = np.int64(place_of[page])
    fault = place == 0
    if fault:
        if counts[cached] + 1 < page_at.size:
            counts[cached] += 1
            place = counts[cached]
            marks[place] = _IDLE
        else:
            place = _next_idle(marks, words, ready, counts, words.size >> 3)
            victim = page_at[place]
            place_of[victim] = 0
            counts[evicted] = victim
        page_at[place] = page
        place_of[page] = place
    elif place > counts[hand] and place >> 6 == counts[block]:
        ready[0] &= ~(_ONE << np.uint64(place & 63))
    else:
        marks[place] = _HIT
    hold(page_at, place_of, marks, words, ready, counts)
    return fault


@njit(forceinline=True)
def _next_idle(marks, words, ready, counts, n_blocks):
    """Move the hand over the next idle place, around the first n_blocks blocks, and return the place."""
    hand, block = 2, 3
    while ready[0] == 0:
        counts[block] = counts[block] + 1 if counts[block] + 1 < n_blocks else 0
        marks[0] = _GAP
        idle = np.uint64(0)
        for i in range(8):
            word = words[(counts[block] << 3) + i]
            words[(counts[block] << 3) + i] = word | (~(word >> _ONE) & _EACH)  # a gap stays one
            bits = word & _EACH
            bits |= bits >> np.uint64(7)
            bits |= bits >> np.uint64(14)
            bits |= bits >> np.uint64(28)
            idle |= (bits & _LOW_BYTE) << np.uint64(8 * i)
        ready[0] = idle
    counts[hand] = (counts[block] << 6) + lowest_bit(ready[0])
    ready[0] &= ready[0] - _ONE
    hold(marks, words, ready, counts)
    return counts[hand]


@njit(forceinline=True)
def _clock_forecast(state, most):
    cached = 1
    page_at, _, _, words, ready, counts = state
    return _forecast(words, ready, counts, words.size >> 3, page_at.size - 1 - counts[cached], most)


@njit(forceinline=True)
def _forecast(words, ready, counts, n_blocks, free, most):
    # Each request takes at most one idle place away, so that the hand moves over as many of them at most.
    block = 3
    certain, first, end = min(most, free), 0, 0
    if certain == 0:
        first = max(0, counts[block])
        if counts[block] >= 0:
            certain = ones_in(ready[0])
        end = counts[block] + 1
        last = min(end + _FAR, n_blocks)
        while end < last and certain < most:
            for word in range(end << 3, (end + 1) << 3):
                certain += ones_in(words[word] & _EACH)
            end += 1
        certain = min(certain, most)
    hold(words, ready, counts)
    return certain, (first << 6, end << 6)


@njit(cache=True, forceinline=True)
def _place_glance(state, page, t, limits):
    place_of, marks = state.place_of, state.marks
    place = np.uint64(place_of[page])
    # A hit where the hand is not and does not get to; without branches.
    away = np.uint64(place < np.uint64(limits[0])) | np.uint64(place >= np.uint64(limits[1]))
    hit = np.uint64(place > 0) & away
    marks[place * hit] = _HIT
    hold(place_of, marks)
    return hit == 1


@njit(cache=True, forceinline=True)
def _place_holds(state, page):
    return state.place_of[page] > 0


@njit(cache=True, forceinline=True)
def _last_evicted(state):
    return state.counts[0]


class _Sieve(NamedTuple):
    page_at: np.ndarray  # (4 k + 1024,) uint32, the queue from the tail to the head, with gaps where pages have left
    place_of: np.ndarray  # (m,) uint32, place of a page, 0 when it is not cached
    marks: np.ndarray  # uint8, what holds of each place; the entry of place 0 is for anyone to write to
    words: np.ndarray  # uint64, the same memory, by eight places
    ready: np.ndarray  # (1,) uint64, the idle places of the hand's block that are before the hand
    counts: np.ndarray  # (5,) int64: page evicted last; pages cached; the place before the hand; its block, or -1
    # before the first block; the next free place
    cache_size: int


@njit(cache=True)
def _sieve_init(requests, n_pages, cache_size, params):
    size = min(cache_size, n_pages) // 16 * 64 + 1024
    marks = np.full(size, _GAP, np.uint8)
    return _Sieve(
        np.zeros(size, np.uint32),
        np.zeros(n_pages, np.uint32),
        marks,
        marks.view(np.uint64),
        np.zeros(1, np.uint64),
        np.array([NOTHING, 0, 0, -1, 1]),
        cache_size,
    )


@njit(forceinline=True)
def _sieve_access(state, page, bit, t, rng):
    evicted, cached, hand, block, free = 0, 1, 2, 3, 4
    page_at, place_of, marks, words, ready, counts, cache_size = state
    place = np.int64(place_of[page])
    fault = place == 0
    if fault:
        if counts[cached] == cache_size:
            place = _next_idle(marks, words, ready, counts, (counts[free] + 63) >> 6)
            marks[place] = _GAP
            victim = page_at[place]
            place_of[victim] = 0
            counts[evicted] = victim
            if place + 1 == counts[free]:  # the newest page has left: the hand goes back to the tail
                counts[block] = -1
        else:
            counts[cached] += 1
        if counts[free] == page_at.size:
            _close_gaps(page_at, place_of, marks, ready, counts)
        place = counts[free]
        counts[free] = place + 1
        page_at[place] = page
        place_of[page] = place
        marks[place] = _IDLE
        if place >> 6 == counts[block]:
            ready[0] |= _ONE << np.uint64(place & 63)
    elif place > counts[hand] and place >> 6 == counts[block]:
        ready[0] &= ~(_ONE << np.uint64(place & 63))
    else:
        marks[place] = _HIT
    hold(page_at, place_of, marks, words, ready, counts)
    return fault


@njit(cache=True, forceinline=True)  # a call, which may fail, would make Numba count references in every step
def _close_gaps(page_at, place_of, marks, ready, counts):
    """Move the pages to the first places in their order. O(k), paid by the more than 2 k loads since the last time."""
    hand, block, free = 2, 3, 4
    idle, old_block, passed = ready[0], counts[block], counts[hand]
    ready[0] = 0
    target = 1
    for place in range(1, counts[free]):
        if place == passed + 1 and old_block >= 0:
            counts[hand] = target - 1
            counts[block] = target >> 6
        mark = marks[place]
        if mark != _GAP:
            if place > passed and place >> 6 == old_block and (idle >> np.uint64(place & 63)) & _ONE == 0:
                mark = np.uint8(_HIT)
            marks[place] = _GAP
            marks[target] = mark
            if place > passed and target >> 6 == counts[block]:
                ready[0] |= np.uint64(mark == _IDLE) << np.uint64(target & 63)
                marks[target] = _IDLE
            page_at[target] = page_at[place]
            place_of[page_at[target]] = target
            target += 1
    counts[free] = target


@njit(forceinline=True)
def _sieve_forecast(state, most):
    cached, free = 1, 4
    page_at, place_of, marks, words, ready, counts, cache_size = state
    if counts[free] + most > page_at.size:
        _close_gaps(page_at, place_of, marks, ready, counts)  # now: places stay as they are while the limits hold
    most = min(most, page_at.size - counts[free])
    found = _forecast(words, ready, counts, (counts[free] + 63) >> 6, cache_size - counts[cached], most)
    hold(page_at, place_of, marks, words, ready, counts)
    return found


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
