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


# Clock and Sieve keep a place for each cached page, from 1 on, and a byte for each place, so that a hit is one store,
# and the hand passes eight places at a time in words of 64 bits.
_HIT, _IDLE, _GAP = 0, 1, 2  # hit since it was loaded or the hand came by; not hit; no page
_ONE, _ALL, _EACH = np.uint64(1), ~np.uint64(0), np.uint64(0x0101010101010101)
_FAR = 256  # words that a forecast looks through at most


class _Clock(NamedTuple):
    page_at: np.ndarray  # (1 + k,) uint32, the cached pages around the dial
    place_of: np.ndarray  # (m,) uint32, place of a page, 0 when it is not cached
    marks: np.ndarray  # uint8, what holds of each place; the entry of place 0 is for anyone to write to
    words: np.ndarray  # uint64, the same memory
    counts: np.ndarray  # (3,) int64: page evicted last; pages cached; the place under the hand


@njit(cache=True)
def _clock_init(requests, n_pages, cache_size, params):
    size = min(cache_size, n_pages) + 1
    marks = np.full((size + 7) // 8 * 8, _GAP, np.uint8)
    return _Clock(
        np.zeros(size, np.uint32),
        np.zeros(n_pages, np.uint32),
        marks,
        marks.view(np.uint64),
        np.array([NOTHING, 0, 1]),
    )


@njit(forceinline=True)
def _clock_access(state, page, bit, t, rng):
    evicted, cached, hand = 0, 1, 2
    page_at, place_of, marks, words, counts = state
    place = np.int64(place_of[page])
    fault = place == 0
    if fault:
        if counts[cached] + 1 < page_at.size:
            counts[cached] += 1
            place = counts[cached]
            marks[place] = _IDLE
        else:
            marks[0] = _GAP
            place = _sweep(words, counts[hand], words.size)
            victim = page_at[place]
            place_of[victim] = 0
            counts[evicted] = victim
            counts[hand] = place + 1 if place + 1 < page_at.size else 1
        page_at[place] = page
        place_of[page] = place
    else:
        marks[place] = _HIT
    hold(page_at, place_of, marks, words, counts)
    return fault


@njit(forceinline=True)
def _sweep(words, hand, n_words):
    """The first idle place from the hand on, around the first n_words words; those passed become idle."""
    word = np.uint64(hand) >> np.uint64(3)
    ahead = _ALL << (np.uint64(hand) % np.uint64(8) * np.uint64(8))
    while words[word] & ahead & _EACH == 0:
        words[word] |= ~(words[word] >> _ONE) & ahead & _EACH
        word, ahead = word + _ONE, _ALL
        if word == np.uint64(n_words):
            word = np.uint64(0)
    found = np.uint64(lowest_bit(words[word] & ahead & _EACH))
    words[word] |= ~(words[word] >> _ONE) & ahead & _EACH & ((_ONE << found) - _ONE)
    hold(words)
    return np.int64(word * np.uint64(8) + found // np.uint64(8))


@njit(forceinline=True)
def _clock_forecast(state, most):
    cached, hand = 1, 2
    page_at, _, _, words, counts = state
    return _forecast(words, counts[hand], words.size, page_at.size - 1 - counts[cached], most)


@njit(forceinline=True)
def _forecast(words, hand, n_words, free, most):
    # Each request takes at most one idle place away, so that the hand moves over as many of them at most.
    certain, end = min(most, free), hand
    if certain == 0:
        word = (hand + 7) >> 3  # the places before this word may be idle as well: all the better
        last = min(word + _FAR, n_words)
        while word < last and certain < most:
            certain += ones_in(words[word] & _EACH)
            word += 1
        certain, end = min(certain, most), word << 3
    hold(words)
    return certain, (hand, end)


@njit(cache=True, forceinline=True)
def _place_glance(state, page, t, limits):
    place_of, marks = state.place_of, state.marks
    place = np.uint64(place_of[page])
    # A hit where the hand does not get to; without branches.
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
    words: np.ndarray  # uint64, the same memory
    counts: np.ndarray  # (4,) int64: page evicted last; pages cached; the place under the hand; the next free place
    cache_size: int


@njit(cache=True)
def _sieve_init(requests, n_pages, cache_size, params):
    size = 4 * min(cache_size, n_pages) // 8 * 8 + 1024
    marks = np.full(size, _GAP, np.uint8)
    return _Sieve(
        np.zeros(size, np.uint32),
        np.zeros(n_pages, np.uint32),
        marks,
        marks.view(np.uint64),
        np.array([NOTHING, 0, 1, 1]),
        cache_size,
    )


@njit(forceinline=True)
def _sieve_access(state, page, bit, t, rng):
    evicted, cached, hand, free = 0, 1, 2, 3
    page_at, place_of, marks, words, counts, cache_size = state
    place = np.int64(place_of[page])
    fault = place == 0
    if fault:
        if counts[cached] == cache_size:
            marks[0] = _GAP
            place = _sweep(words, counts[hand], (counts[free] + 7) >> 3)
            # Not by the byte: the next sweep reads the whole word, and would wait for a part of it just written.
            words[place >> 3] ^= np.uint64(_IDLE ^ _GAP) << np.uint64(place % 8 * 8)
            victim = page_at[place]
            place_of[victim] = 0
            counts[evicted] = victim
            counts[hand] = place + 1 if place + 1 < counts[free] else 1  # the newest page is in the last place used
        else:
            counts[cached] += 1
        if counts[free] == page_at.size:
            _close_gaps(page_at, place_of, marks, counts)
        place = counts[free]
        counts[free] = place + 1
        page_at[place] = page
        place_of[page] = place
        marks[place] = _IDLE
    else:
        marks[place] = _HIT
    hold(page_at, place_of, marks, words, counts)
    return fault


@njit(cache=True, forceinline=True)  # a call, which may fail, would make Numba count references in every step
def _close_gaps(page_at, place_of, marks, counts):
    """Move the pages to the first places in their order. O(k), paid by the more than 2 k loads since the last time."""
    hand, free = 2, 3
    target, under_hand = 1, counts[hand]
    for place in range(1, counts[free]):
        if place == counts[hand]:
            under_hand = target
        mark = marks[place]
        if mark != _GAP:
            marks[place] = _GAP
            marks[target] = mark
            page_at[target] = page_at[place]
            place_of[page_at[target]] = target
            target += 1
    counts[hand] = under_hand
    counts[free] = target


@njit(forceinline=True)
def _sieve_forecast(state, most):
    cached, hand, free = 1, 2, 3
    page_at, place_of, marks, words, counts, cache_size = state
    if counts[free] + most > page_at.size:
        _close_gaps(page_at, place_of, marks, counts)  # now, so that places stay as they are while the limits hold
    most = min(most, page_at.size - counts[free])
    found = _forecast(words, counts[hand], (counts[free] + 7) >> 3, cache_size - counts[cached], most)
    hold(page_at, place_of, marks, words, counts)
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
