"""Predicted times of the next request: following them, and marking with them.

`BlindOracle` trusts the predicted times, `PredictiveMarker` and `LMarker` let them choose among unmarked pages only,
`LNonMarker` lets go of the marks to gain a better rate, at the price of robustness. Only the order of the times
matters. Among equal times the page requested least recently is evicted.

Sources: A. Wei, "Better and simpler learning-augmented online caching", APPROX 2020 (BlindOracle); T. Lykouris & S.
Vassilvitskii, "Competitive caching with machine learned advice", ICML 2018 (PredictiveMarker, eta); D. Rohatgi,
"Near-optimal bounds for online caching with machine learned advice", SODA 2020 (LMarker, LNonMarker). The three
marking algorithms are known to us through public code.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_paging import clear_key, highest_key, key_set, next_use, prefetch, set_key
from algos.predictions import arrival_ranks, checked_arrivals
from online.paging.policy import NOTHING, EvictionKernels, EvictionPolicy, Prediction
from online.paging.randomized import harmonic_number

__all__ = [
    "ArrivalPolicy",
    "BlindOracle",
    "LMarker",
    "LNonMarker",
    "PredictiveMarker",
    "blind_oracle_bound",
    "blind_oracle_consistency",
    "blind_oracle_sharper_bound",
    "predicted_marking_consistency",
    "predictive_marker_bound",
]


@description
class ArrivalPolicy(EvictionPolicy):
    """What the policies with predicted arrivals share: where the times come from.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    """

    predicted: ClassVar[Prediction | None] = "next arrivals"

    def predictions(self, trace: Any) -> NDArray[np.uint32]:
        """A key for each request, shape (n,), all different: the later the predicted arrival, the higher.

        The times are the trace's, or the true ones when it has none.
        """
        arrivals = getattr(trace, "arrivals", None)
        if arrivals is not None:
            return arrival_ranks(checked_arrivals(arrivals, len(trace.requests)))
        keys = next_use(trace.requests, trace.n_pages)  # different already, but for pages never requested again
        never = np.flatnonzero(keys == keys.size)
        keys[never] = keys.size + np.arange(never.size, dtype=np.uint32)[::-1]
        return keys

    def parameters_for(self, trace: Any) -> Any:
        """A number above all keys; what `parameters` says; whether the keys are the true times of the next requests.

        A page never requested again has a key above these times.
        """
        true_times = getattr(trace, "arrivals", None) is None
        return (len(trace.requests) + max(1, int(trace.n_pages)), self.parameters(), true_times)


@description
class BlindOracle(ArrivalPolicy):
    """Evict the page whose predicted next request is latest, in blind trust.

    The times come from ``trace.arrivals``; a trace without them is served with the true ones, which makes it Belady's
    rule. Also known as FollowThePrediction for predicted times.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    At most OPT + 2 eta faults (`blind_oracle_bound`), eta the sum of the errors of the times (`arrival_error`). Not
    robust: combine it with another policy. O(1) a request, after one sort of the times.
    """

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_blind_init, _blind_access, _blind_holds, _blind_evicted, fetch=_blind_fetch)


@description
class PredictiveMarker(ArrivalPolicy):
    """Marking that evicts the unmarked page with the latest predicted arrival, until a chain of faults grows long.

    A fault on a page that the phase did not start with opens a chain; a page evicted in the phase that comes back
    belongs to the chain that evicted it and makes it longer. From length gamma H_k on, victims are random.

    The times come from ``trace.arrivals``; a trace without them is served with the true ones.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    gamma : float >= 0
        Patience with the predictions, as a multiple of H_k.

    Notes
    -----
    With gamma = 1, expected faults at most min(2 + 2 sqrt(5 eta / OPT), 4 H_k) OPT (`predictive_marker_bound`). O(1)
    amortized a request, after one sort of the times.
    """

    gamma: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 1.0

    randomized: ClassVar[bool] = True

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_chains_init, _chains_access, _slot_holds, _slot_evicted, fetch=_pages_fetch)

    def parameters(self) -> Any:
        """The longest chain that trusts the predictions."""
        return self.gamma * harmonic_number(self.cache_size)


@description
class LMarker(ArrivalPolicy):
    """Marking that trusts the predictions once: for pages that the phase did not start with; else victims are random.

    The times come from ``trace.arrivals``; a trace without them is served with the true ones. It is
    `PredictiveMarker` whose chains stop trusting at length 1.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    Competitive ratio O(1 + min(log(eta / OPT), log k)) in expectation (Rohatgi 2020; without constants, so not in the
    ledger). O(1) amortized a request, after one sort of the times.
    """

    randomized: ClassVar[bool] = True

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_chains_init, _chains_access, _slot_holds, _slot_evicted, fetch=_pages_fetch)

    def parameters(self) -> Any:
        """The longest chain that trusts the predictions."""
        return 1.0


@description
class LNonMarker(ArrivalPolicy):
    """Like `LMarker`, but a page whose evictor was new to the phase may take the place of any page, marked or not.

    The times come from ``trace.arrivals``; a trace without them is served with the true ones.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    Competitive ratio O(1 + min(1, eta / (k OPT)) log k) in expectation (Rohatgi 2020; without constants, so not in
    the ledger). Its source combines it with marking for robustness: ``CombineRandomized(k, LNonMarker(k),
    Marker(k))``. O(1) amortized a request, after one sort of the times.
    """

    randomized: ClassVar[bool] = True

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_nonmarker_init, _nonmarker_access, _slot_holds, _slot_evicted, fetch=_pages_fetch)


@guarantee("Wei 2020, as others report it", kind="upper", algorithm="BlindOracle", evidence="secondary")
def blind_oracle_bound(opt: float, eta: float, cache_size: int) -> float:
    """BlindOracle faults <= min(OPT + 2 eta, 4 OPT + 4 eta / (k-1)) from an empty cache.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    eta : float >= 0
        Sum of |predicted - true| over all arrival times, "never" being time n (`arrival_error`).
    cache_size : int >= 1
        k, pages in the cache; with k = 1 the first term alone stands.

    Notes
    -----
    The source is reported to have 2 OPT + 4 eta / (k-1) in a first version; the weaker one is taken.
    """
    linear = opt + 2.0 * eta
    return linear if cache_size == 1 else min(linear, 4.0 * opt + 4.0 * eta / (cache_size - 1))


@guarantee("Skachkov et al. 2024, as others report it", kind="upper", algorithm="BlindOracle", evidence="secondary")
def blind_oracle_sharper_bound(opt: float, eta: float, cache_size: int) -> float:
    """BlindOracle faults <= min(OPT + eta, 3 OPT + 3 eta / k) from an empty cache.

    Parameters
    ----------
    opt, eta, cache_size
        As in `blind_oracle_bound`.
    """
    return min(opt + eta, 3.0 * opt + 3.0 * eta / cache_size)


@guarantee("Belady 1966", kind="identity", algorithm="BlindOracle", evidence="textbook")
def blind_oracle_consistency(opt: float) -> float:
    """Faults of BlindOracle with true arrivals = OPT."""
    return opt


@guarantee(
    "Lykouris & Vassilvitskii 2018, as others report it",
    kind="upper",
    algorithm="PredictiveMarker",
    evidence="secondary",
)
def predictive_marker_bound(opt: float, eta: float, cache_size: int) -> float:
    """E[faults of PredictiveMarker] <= min(2 + 2 sqrt(5 eta / OPT), 4 H_k) OPT from an empty cache, with gamma = 1.

    Parameters
    ----------
    opt, eta, cache_size
        As in `blind_oracle_bound`.
    """
    smooth = 2.0 * opt + 2.0 * float(np.sqrt(5.0 * eta * opt))
    return min(smooth, 4.0 * harmonic_number(cache_size) * opt)


@guarantee("derived here", kind="identity", algorithm="PredictiveMarker", evidence="derived")
def predicted_marking_consistency(clean: float) -> float:
    """Faults of PredictiveMarker, LMarker and LNonMarker with true arrivals = clean pages of all k-phases.

    Notes
    -----
    With true times a victim is never one of the pages that the phase still requests, unless all others have gone.
    """
    return clean


class _Blind(NamedTuple):
    # uint64, the set of the keys of cached pages, and of keys that are no longer valid: their pages were requested
    # again, or have left. Most keys are never looked at again.
    words: np.ndarray
    starts: np.ndarray  # (5,) int64
    page_at: np.ndarray  # (keys - n_known,) uint32, the page that a key of the set, less n_known, belongs to
    requests: np.ndarray  # (n,) uint32, the trace; the first n_known keys are the times when their pages are requested
    n_known: int  # n or 0
    key_of: np.ndarray  # (m,) uint32, 1 + key of a cached page, 0 when it is not cached
    counts: np.ndarray  # (2,) int64: pages cached; page evicted last
    cache_size: int


@njit(nogil=True)
def _blind_init(requests, n_pages, cache_size, params):
    keys, _, true_times = params
    words, starts = key_set(keys)
    n_known = requests.size if true_times else 0
    page_at, key_of = np.empty(keys - n_known, np.uint32), np.zeros(n_pages, np.uint32)
    return _Blind(words, starts, page_at, requests, n_known, key_of, np.array([0, NOTHING]), cache_size)


@njit(forceinline=True)
def _blind_access(state, page, key, t, rng):
    cached, evicted = 0, 1
    words, starts, page_at, requests, n_known, key_of, counts, cache_size = state
    key = np.int64(key)
    fault = key_of[page] == 0
    if fault and counts[cached] < cache_size:
        counts[cached] += 1
    elif fault:
        latest, victim = np.int64(-1), np.int64(-1)
        while victim < 0:
            latest = _take_highest(words, starts)
            candidate = page_at[latest - n_known] if latest >= n_known else requests[latest]
            if key_of[candidate] == latest + 1:
                victim = np.int64(candidate)
        key_of[victim] = 0
        counts[evicted] = victim
    set_key(words, starts, key)
    if key >= n_known:
        page_at[key - n_known] = page
    key_of[page] = key + 1
    hold(words, starts, page_at, requests, key_of, counts)
    return fault


@njit(forceinline=True)
def _take_highest(words, starts):
    """Take the largest key out of a set that is not empty."""
    key = highest_key(words, starts)
    clear_key(words, starts, key)
    return key


@njit(forceinline=True)
def _blind_holds(state, page):
    return state.key_of[page] > 0


@njit(forceinline=True)
def _blind_evicted(state):
    return state.counts[1]


@njit(forceinline=True)
def _blind_fetch(state, page, key):
    prefetch(state.key_of, page)
    prefetch(state.words, key >> 6)
    prefetch(state.page_at, max(np.int64(key) - state.n_known, 0))


# What the marking policies know of a page lies side by side, for it is read together: its slot, _NOWHERE when it is
# not cached; the key of its last request; and two more numbers, which differ. The pages that the predictions choose
# from are those that a phase began with, less those requested or evicted since: they are sorted by key once a phase.
_SLOT, _KEY, _EVICTED_IN, _LENGTH = 0, 1, 2, 3
_MET, _MEMBER = 2, 3
_NOWHERE = 2**32 - 1  # above all slots
_DIGIT_BITS = 11
_DIGITS = 1 << _DIGIT_BITS
_SOON = 8  # victims ahead whose data are asked for
_HALF, _LOW_HALF = np.uint64(32), np.uint64(2**32 - 1)


class _Chains(NamedTuple):
    slots: np.ndarray  # (k,) uint32, the cached pages, the unmarked ones first
    pages: np.ndarray  # (m, 4) uint32; the last two: last phase that evicted the page; length of its chain then
    counts: np.ndarray  # (5,) int64: pages cached; page evicted last; how many are unmarked; words left in queue; phase
    queue: np.ndarray  # (2, k) uint64, key above 32 bits for the page, the highest last; and place for sorting
    digits: np.ndarray  # (2049,) int64, for sorting
    trusted: float  # longest chain that evicts by prediction


@njit(nogil=True)
def _chains_init(requests, n_pages, cache_size, params):
    size = min(cache_size, n_pages)
    return _Chains(
        np.zeros(size, np.uint32),
        _no_pages(n_pages),
        np.array([0, NOTHING, 0, 0, 0]),
        np.empty((2, size), np.uint64),
        np.empty(_DIGITS + 1, np.int64),
        params[1],
    )


@njit(forceinline=True)
def _chains_access(state, page, key, t, rng):
    cached, evicted, unmarked, phase = 0, 1, 2, 4
    slots, pages, counts, queue, digits, trusted = state
    slot = np.int64(pages[page, _SLOT])
    fault = slot == _NOWHERE
    border = counts[unmarked] - 1  # slot of the last unmarked page
    if fault:
        if counts[cached] < slots.size:
            border = counts[cached]
            counts[cached] += 1
        else:
            if border < 0:
                border = slots.size - 1  # all are marked: a new phase unmarks all
                counts[phase] += 1
                _enqueue(slots, pages, counts, queue, digits)
            grown = np.int64(1)
            if pages[page, _EVICTED_IN] == counts[phase]:
                grown += np.int64(pages[page, _LENGTH])
            if grown == 1 or grown <= trusted:
                victim = _latest_unmarked(pages, counts, queue, border + 1)
                slot = np.int64(pages[victim, _SLOT])
            else:
                slot = np.int64(rng.random() * (border + 1))
                victim = slots[slot]
            pages[victim, _EVICTED_IN] = counts[phase]
            pages[victim, _LENGTH] = grown
            other = slots[border]
            slots[slot] = other
            pages[other, _SLOT] = slot
            pages[victim, _SLOT] = _NOWHERE  # after the move: the victim may be the page at the border itself
            counts[evicted] = victim
            counts[unmarked] = border
        slots[border] = page
        pages[page, _SLOT] = border
    elif slot <= border:
        other = slots[border]
        slots[slot] = other
        pages[other, _SLOT] = slot
        slots[border] = page
        pages[page, _SLOT] = border
        counts[unmarked] = border
    pages[page, _KEY] = key
    hold(slots, pages, counts, queue, digits, rng)
    return fault


@njit(nogil=True)
def _no_pages(n_pages):
    """What is known of the pages before the first request."""
    pages = np.zeros((n_pages, 4), np.uint32)
    pages[:, _SLOT] = _NOWHERE
    return pages


@njit(forceinline=True)
def _enqueue(slots, pages, counts, queue, digits):
    """Sort the cached pages by their keys, digit by digit. O(k), paid by the k pages of the phase.

    Nothing is allocated here, and it is compiled into its callers: a call that may fail, as any may to Numba, would
    make it count references in every step.
    """
    size = slots.size
    most = np.uint64(0)
    for slot in range(size):
        key = np.uint64(pages[slots[slot], _KEY])
        queue[0, slot] = key << _HALF | np.uint64(slots[slot])
        most = max(most, key)
    width = np.uint64(4)
    while width < _DIGIT_BITS and size >> np.int64(width) > 0:
        width += np.uint64(1)
    base = np.uint64(1) << width
    side, shift = 0, _HALF  # an index, for two names that trade arrays would be counted as well
    while most > 0:
        for digit in range(base + np.uint64(1)):
            digits[digit] = 0
        for i in range(size):
            digits[((queue[side, i] >> shift) & (base - np.uint64(1))) + np.uint64(1)] += 1
        for digit in range(1, base):
            digits[digit] += digits[digit - 1]
        for i in range(size):
            digit = (queue[side, i] >> shift) & (base - np.uint64(1))
            queue[1 - side, digits[digit]] = queue[side, i]
            digits[digit] += 1
        side = 1 - side
        shift += width
        most >>= width
    if side == 1:
        for i in range(size):
            queue[0, i] = queue[1, i]
    counts[3] = size
    hold(slots, pages, counts, queue, digits)


@njit(forceinline=True)
def _latest_unmarked(pages, counts, queue, n_unmarked):
    """The unmarked page with the highest key, which leaves the queue; unmarked pages are in the first slots."""
    left = counts[3] - 1
    while pages[queue[0, left] & _LOW_HALF, _SLOT] >= n_unmarked:
        left -= 1
    counts[3] = left
    if left >= _SOON:
        prefetch(pages, queue[0, left - _SOON] & _LOW_HALF)
    page = np.uint32(queue[0, left] & _LOW_HALF)
    hold(pages, counts, queue)
    return page


@njit(forceinline=True)
def _pages_fetch(state, page, key):
    prefetch(state.pages, page)


@njit(forceinline=True)
def _slot_holds(state, page):
    return state.pages[page, _SLOT] != _NOWHERE


@njit(forceinline=True)
def _slot_evicted(state):
    return state.counts[1]


class _NonMarker(NamedTuple):
    slots: np.ndarray  # (k,) uint32, the cached pages, the unmarked ones first
    # (m, 4) uint32; the last two: 1 + last phase that requested the page; 1 + last that began with it in the cache
    pages: np.ndarray
    # (6,) int64: pages cached; page evicted last; how many are unmarked; words left in queue; phase; its pages so far
    counts: np.ndarray
    queue: np.ndarray  # (2, k) uint64, key above 32 bits for the page, the highest last; and place for sorting
    digits: np.ndarray  # (2049,) int64, for sorting
    evictor: np.ndarray  # (m,) uint32, the page whose load evicted the page last


@njit(nogil=True)
def _nonmarker_init(requests, n_pages, cache_size, params):
    size = min(cache_size, n_pages)
    return _NonMarker(
        np.zeros(size, np.uint32),
        _no_pages(n_pages),
        np.array([0, NOTHING, 0, 0, 0, 0]),
        np.empty((2, size), np.uint64),
        np.empty(_DIGITS + 1, np.int64),
        np.zeros(n_pages, np.uint32),
    )


@njit(forceinline=True)
def _nonmarker_access(state, page, key, t, rng):
    cached, evicted, unmarked, phase, distinct = 0, 1, 2, 4, 5
    slots, pages, counts, queue, digits, evictor = state
    if pages[page, _MET] != counts[phase] + 1:
        if counts[distinct] == slots.size:
            counts[phase] += 1
            counts[distinct] = 0
            counts[unmarked] = slots.size
            _enqueue(slots, pages, counts, queue, digits)
            _enroll(slots, pages, counts[phase] + 1)
        counts[distinct] += 1
        pages[page, _MET] = counts[phase] + 1
    slot = np.int64(pages[page, _SLOT])
    fault = slot == _NOWHERE
    if fault:
        if counts[cached] < slots.size:
            slot = counts[cached]
            counts[cached] += 1
        else:
            # At most k - 1 marked pages are cached now, for the requested one is not: some page is unmarked.
            if pages[page, _MEMBER] != counts[phase] + 1:
                slot = np.int64(pages[_latest_unmarked(pages, counts, queue, counts[unmarked]), _SLOT])
            elif pages[evictor[page], _MEMBER] != counts[phase] + 1:
                slot = np.int64(rng.random() * slots.size)
            else:
                slot = np.int64(rng.random() * counts[unmarked])
            victim = slots[slot]
            pages[victim, _SLOT] = _NOWHERE
            evictor[victim] = page
            counts[evicted] = victim
    if slot < counts[unmarked]:  # the slot belongs to the page now, which takes it to the block of the marked
        counts[unmarked] -= 1
        border = counts[unmarked]
        if border != slot:
            other = slots[border]
            slots[slot] = other
            pages[other, _SLOT] = slot
            slot = border
    slots[slot] = page
    pages[page, _SLOT] = slot
    pages[page, _KEY] = key
    hold(slots, pages, counts, queue, digits, evictor, rng)
    return fault


@njit(nogil=True)
def _enroll(slots, pages, stamp):
    """Stamp the pages with which a phase begins. O(k), paid by the k pages of the phase."""
    for slot in range(slots.size):
        pages[slots[slot], _MEMBER] = stamp
