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
from algos.optimal_paging import clear_key, has_keys, highest_key, key_set, lowest_key, set_key
from online.paging.arrivals import ArrivalPolicy
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
        return EvictionKernels(_guard_init, _guard_access, _guard_holds, _guard_evicted)


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
        return EvictionKernels(_bit_guard_init, _bit_guard_access, _guard_holds, _guard_evicted)


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
    slot_of: np.ndarray  # (m,) int32, slot of a page, -1 when it is not cached
    counts: (
        np.ndarray
    )  # (5,) int64: pages cached; page evicted last; first slot of the requested; of the guarded; phase
    key_of: np.ndarray  # (m,) uint32, key of a page's last request
    words: np.ndarray  # uint64, the set of the keys of pages that are not guarded; with bits, of those with bit 1
    starts: np.ndarray  # (5,) int64
    page_at: np.ndarray  # (keys,) uint32, the page that a key of the set belongs to
    evicted_in: np.ndarray  # (m,) uint32, last phase that evicted the page, counted from 1


@njit(forceinline=True)
def _empty_guard(n_keys, n_pages, cache_size):
    """The state before the first request."""
    words, starts = key_set(n_keys)
    return _Guard(
        np.zeros(min(cache_size, n_pages), np.uint32),
        np.full(n_pages, -1, np.int32),
        np.array([0, NOTHING, 0, 0, 0]),
        np.zeros(n_pages, np.uint32),
        words,
        starts,
        np.empty(n_keys, np.uint32),
        np.zeros(n_pages, np.uint32),
    )


@njit(nogil=True)
def _guard_init(requests, n_pages, cache_size, params):
    return _empty_guard(params[0], n_pages, cache_size)


@njit(nogil=True)
def _bit_guard_init(requests, n_pages, cache_size, params):
    return _empty_guard(requests.size, n_pages, cache_size)


@njit(forceinline=True)
def _guard_access(state, page, key, t, rng):
    cached, evicted, requested, guarded, phase = 0, 1, 2, 3, 4
    slots, slot_of, counts, key_of, words, starts, page_at, evicted_in = state
    slot = np.int64(slot_of[page])
    fault = slot < 0
    free = True  # whether the page may be evicted by the predictor
    if not fault:
        slot = _mark(slots, slot_of, counts, slot)
        free = slot < counts[guarded]
        if free:
            clear_key(words, starts, np.int64(key_of[page]))
    elif counts[cached] < slots.size:
        slot = counts[cached]
        counts[cached] += 1
        counts[guarded] += 1
    else:
        if counts[requested] == 0:
            for place in range(counts[guarded], slots.size):  # a new phase lets the guarded go
                other = slots[place]
                set_key(words, starts, np.int64(key_of[other]))
                page_at[key_of[other]] = other
            counts[requested] = slots.size
            counts[guarded] = slots.size
            counts[phase] += 1
        free = evicted_in[page] != counts[phase]
        victim = page_at[highest_key(words, starts)] if free else slots[int(rng.random() * counts[requested])]
        clear_key(words, starts, np.int64(key_of[victim]))
        evicted_in[victim] = counts[phase]
        counts[evicted] = victim
        slot = _mark(slots, slot_of, counts, np.int64(slot_of[victim]))
        if not free:
            slot = _set_apart(slots, slot_of, counts, slot)
        slot_of[victim] = -1
    slots[slot] = page
    slot_of[page] = slot
    key_of[page] = key
    if free:
        set_key(words, starts, np.int64(key))
        page_at[key] = page
    hold(slots, slot_of, counts, key_of, words, starts, page_at, evicted_in, rng)
    return fault


@njit(forceinline=True)
def _bit_guard_access(state, page, bit, t, rng):
    cached, evicted, requested, guarded, phase = 0, 1, 2, 3, 4
    slots, slot_of, counts, key_of, words, starts, page_at, evicted_in = state
    # The key of a request is its time; key_of holds 2 time + bit. The set has the pages with bit 1 outside the guard.
    slot = np.int64(slot_of[page])
    fault = slot < 0
    free = True
    if not fault:
        slot = _mark(slots, slot_of, counts, slot)
        free = slot < counts[guarded]
        if free and key_of[page] & 1 == 1:
            clear_key(words, starts, np.int64(key_of[page] >> 1))
    elif counts[cached] < slots.size:
        slot = counts[cached]
        counts[cached] += 1
        counts[guarded] += 1
    else:
        if counts[requested] == 0:
            for place in range(counts[guarded], slots.size):
                other = slots[place]
                if key_of[other] & 1 == 1:
                    set_key(words, starts, np.int64(key_of[other] >> 1))
                    page_at[key_of[other] >> 1] = other
            counts[requested] = slots.size
            counts[guarded] = slots.size
            counts[phase] += 1
        free = evicted_in[page] != counts[phase]
        if not free:
            victim = slots[int(rng.random() * counts[requested])]
        elif has_keys(words, starts):
            victim = page_at[lowest_key(words, starts)]
        else:
            victim = slots[int(rng.random() * counts[guarded])]
        if key_of[victim] & 1 == 1:
            clear_key(words, starts, np.int64(key_of[victim] >> 1))
        evicted_in[victim] = counts[phase]
        counts[evicted] = victim
        slot = _mark(slots, slot_of, counts, np.int64(slot_of[victim]))
        if not free:
            slot = _set_apart(slots, slot_of, counts, slot)
        slot_of[victim] = -1
    slots[slot] = page
    slot_of[page] = slot
    key_of[page] = 2 * t + np.int64(bit)
    if free and bit == 1:
        set_key(words, starts, t)
        page_at[t] = page
    hold(slots, slot_of, counts, key_of, words, starts, page_at, evicted_in, rng)
    return fault


@njit(forceinline=True)
def _guard_holds(state, page):
    return state.slot_of[page] >= 0


@njit(forceinline=True)
def _guard_evicted(state):
    return state.counts[1]


@njit(forceinline=True)
def _mark(slots, slot_of, counts, slot):
    """Trade a slot not requested in the phase for the last of them, which becomes the first of the requested."""
    requested = 2
    if slot < counts[requested]:
        counts[requested] -= 1
        slot = _trade(slots, slot_of, slot, counts[requested])
    hold(slots, slot_of, counts)
    return slot


@njit(forceinline=True)
def _set_apart(slots, slot_of, counts, slot):
    """Trade a slot of the requested for the last of them, which becomes the first of the guarded."""
    guarded = 3
    counts[guarded] -= 1
    return _trade(slots, slot_of, slot, counts[guarded])


@njit(forceinline=True)
def _trade(slots, slot_of, slot, border):
    """Let the pages of two slots trade places; the second slot."""
    page, other = slots[slot], slots[border]
    slots[slot] = other
    slot_of[other] = slot
    slots[border] = page
    slot_of[page] = border
    hold(slots, slot_of)
    return border
