"""Guard: robustness for any predictor at the price of a little memory, and without losing anything when it is right.

A page that comes back in the phase that evicted it was evicted wrongly. It is let in at the expense of a random
unmarked page, and guarded from the predictor until the phase ends.

Source: Chen et al. 2025, known to us through public code. The form with discard bits is derived here.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_paging import clear_key, has_keys, key_set, lowest_key, prefetch, set_key
from online.paging.arrivals import (
    _EVICTED_IN,
    _KEY,
    _NOWHERE,
    _SLOT,
    ArrivalPolicy,
    _no_pages,
    _pages_fetch,
    _take_highest,
)
from online.paging.policy import NOTHING, EvictionKernels
from online.paging.randomized import harmonic_number
from online.paging.succinct import DiscardBitPolicy

__all__ = ["DiscardBitGuard", "Guard", "guard_bound", "guard_consistency"]


@description
class Guard(ArrivalPolicy):
    """Follow the predicted arrivals, but guard pages that come back in the phase that evicted them.

    A phase begins on a fault when every cached page was requested since the last one began. A page that was not
    evicted in the phase takes the place of the page with the latest predicted arrival among those not guarded; one
    that was takes the place of a random page not requested in the phase, and is guarded until the phase ends.

    The times come from ``trace.arrivals``; a trace without them is served with the true ones.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    OPT faults with true times (`guard_consistency`), and expected faults at most (2 H_k + 2) OPT whatever the times
    (`guard_bound`). O(1) amortized a request, after one sort of the times.
    """

    randomized: ClassVar[bool] = True

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_guard_init, _guard_access, _guard_holds, _guard_evicted, fetch=_guard_fetch)


@description
class DiscardBitGuard(DiscardBitPolicy):
    """`Guard` with predicted discard bits: the predictor's choice is the least recently requested page with bit 1.

    Where no page outside the guarded ones has bit 1, the predictor chooses one of them at random. The bits come from
    ``trace.bits``; a trace without them is served with the true ones.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    Expected faults at most (2 H_k + 2) OPT whatever the bits (`guard_bound`): one simulation where the combination
    of `Mark0` with `Marker` needs three. With true bits it had exactly OPT faults wherever we looked, which is not
    proved. O(1) amortized a request.
    """

    randomized: ClassVar[bool] = True

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_bit_guard_init, _bit_guard_access, _guard_holds, _guard_evicted, fetch=_pages_fetch)


@guarantee("Chen et al. 2025, as others report it", kind="upper", algorithm="Guard", evidence="secondary")
def guard_bound(opt: float, cache_size: int) -> float:
    """E[faults of Guard and DiscardBitGuard] <= (2 H_k + 2) OPT from an empty cache, whatever the predictions.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    cache_size : int >= 1
        k, pages in the cache.
    """
    return (2.0 * harmonic_number(cache_size) + 2.0) * opt


@guarantee("Chen et al. 2025, as others report it", kind="identity", algorithm="Guard", evidence="secondary")
def guard_consistency(opt: float) -> float:
    """Faults of Guard with true arrivals = OPT, on every run."""
    return opt


class _Guard(NamedTuple):
    slots: np.ndarray  # (k,) uint32, the cached pages: not requested in the phase; requested; guarded
    pages: np.ndarray  # (m, 4) uint32, as in `online.paging.arrivals`; then the last phase that evicted it; nothing
    # (5,) int64: pages cached; page evicted last; first slot of the requested; of the guarded; phase
    counts: np.ndarray
    # uint64, the set of the keys of pages that are not guarded; with bits, of those with bit 1. Some are no longer
    # valid: the pages were requested again, or have left.
    words: np.ndarray
    starts: np.ndarray  # (5,) int64
    page_at: np.ndarray  # (keys,) uint32, the page that a key of the set belongs to


@njit(forceinline=True)
def _empty_guard(page_at, n_pages, cache_size):
    """The state before the first request."""
    words, starts = key_set(page_at.size)
    return _Guard(
        np.zeros(min(cache_size, n_pages), np.uint32),
        _no_pages(n_pages),
        np.array([0, NOTHING, 0, 0, 0]),
        words,
        starts,
        page_at,
    )


@njit(nogil=True)
def _guard_init(requests, n_pages, cache_size, params):
    return _empty_guard(np.empty(params[0], np.uint32), n_pages, cache_size)


@njit(nogil=True)
def _bit_guard_init(requests, n_pages, cache_size, params):
    return _empty_guard(requests, n_pages, cache_size)  # the key of a request is its time


@njit(forceinline=True)
def _guard_access(state, page, key, t, rng):
    cached, evicted, requested, guarded, phase = 0, 1, 2, 3, 4
    slots, pages, counts, words, starts, page_at = state
    slot = np.int64(pages[page, _SLOT])
    fault = slot == _NOWHERE
    free = True  # whether the page may be evicted by the predictor
    if not fault:
        slot = _mark(slots, pages, counts, slot)
        free = slot < counts[guarded]
    elif counts[cached] < slots.size:
        slot = counts[cached]
        counts[cached] += 1
        counts[guarded] += 1
    else:
        if counts[requested] == 0:
            for place in range(counts[guarded], slots.size):  # a new phase lets the guarded go
                other = slots[place]
                set_key(words, starts, np.int64(pages[other, _KEY]))
                page_at[pages[other, _KEY]] = other
            counts[requested] = slots.size
            counts[guarded] = slots.size
            counts[phase] += 1
        free = pages[page, _EVICTED_IN] != counts[phase]
        if free:
            latest = _take_highest(words, starts)
            while pages[page_at[latest], _SLOT] == _NOWHERE or pages[page_at[latest], _KEY] != latest:
                latest = _take_highest(words, starts)
            victim = page_at[latest]
        else:
            victim = slots[int(rng.random() * counts[requested])]
        pages[victim, _EVICTED_IN] = counts[phase]
        counts[evicted] = victim
        slot = _mark(slots, pages, counts, np.int64(pages[victim, _SLOT]))
        if not free:
            slot = _set_apart(slots, pages, counts, slot)
        pages[victim, _SLOT] = _NOWHERE
    slots[slot] = page
    pages[page, _SLOT] = slot
    pages[page, _KEY] = key
    if free:
        set_key(words, starts, np.int64(key))
        page_at[key] = page
    hold(slots, pages, counts, words, starts, page_at, rng)
    return fault


@njit(forceinline=True)
def _bit_guard_access(state, page, bit, t, rng):
    cached, evicted, requested, guarded, phase = 0, 1, 2, 3, 4
    slots, pages, counts, words, starts, page_at = state
    # key_of holds 2 key + bit. The set has the pages with bit 1 outside the guard.
    slot = np.int64(pages[page, _SLOT])
    fault = slot == _NOWHERE
    free = True
    if not fault:
        slot = _mark(slots, pages, counts, slot)
        free = slot < counts[guarded]
    elif counts[cached] < slots.size:
        slot = counts[cached]
        counts[cached] += 1
        counts[guarded] += 1
    else:
        if counts[requested] == 0:
            for place in range(counts[guarded], slots.size):
                other = slots[place]
                if pages[other, _KEY] & 1 == 1:
                    set_key(words, starts, np.int64(pages[other, _KEY] >> 1))
            counts[requested] = slots.size
            counts[guarded] = slots.size
            counts[phase] += 1
        free = pages[page, _EVICTED_IN] != counts[phase]
        if not free:
            victim = slots[int(rng.random() * counts[requested])]
        else:
            found = False
            while not found and has_keys(words, starts):
                earliest = lowest_key(words, starts)
                clear_key(words, starts, earliest)
                victim = page_at[earliest]
                found = pages[victim, _SLOT] != _NOWHERE and pages[victim, _KEY] == 2 * earliest + 1
            if not found:
                victim = slots[int(rng.random() * counts[guarded])]
        pages[victim, _EVICTED_IN] = counts[phase]
        counts[evicted] = victim
        slot = _mark(slots, pages, counts, np.int64(pages[victim, _SLOT]))
        if not free:
            slot = _set_apart(slots, pages, counts, slot)
        pages[victim, _SLOT] = _NOWHERE
    slots[slot] = page
    pages[page, _SLOT] = slot
    pages[page, _KEY] = 2 * t + np.int64(bit)
    if free and bit == 1:
        set_key(words, starts, t)
    hold(slots, pages, counts, words, starts, page_at, rng)
    return fault


@njit(forceinline=True)
def _guard_holds(state, page):
    return state.pages[page, _SLOT] != _NOWHERE


@njit(forceinline=True)
def _guard_evicted(state):
    return state.counts[1]


@njit(forceinline=True)
def _guard_fetch(state, page, key):
    prefetch(state.pages, page)
    prefetch(state.words, key >> 6)
    prefetch(state.page_at, key)


@njit(forceinline=True)
def _mark(slots, pages, counts, slot):
    """Trade a slot not requested in the phase for the last of them, which becomes the first of the requested."""
    requested = 2
    if slot < counts[requested]:
        counts[requested] -= 1
        slot = _trade(slots, pages, slot, counts[requested])
    hold(slots, pages, counts)
    return slot


@njit(forceinline=True)
def _set_apart(slots, pages, counts, slot):
    """Trade a slot of the requested for the last of them, which becomes the first of the guarded."""
    guarded = 3
    counts[guarded] -= 1
    return _trade(slots, pages, slot, counts[guarded])


@njit(forceinline=True)
def _trade(slots, pages, slot, border):
    """Let the pages of two slots trade places; the second slot."""
    page, other = slots[slot], slots[border]
    slots[slot] = other
    pages[other, _SLOT] = slot
    slots[border] = page
    pages[page, _SLOT] = border
    hold(slots, pages)
    return border
