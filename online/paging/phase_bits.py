"""Mark&Predict: one predicted phase bit a request, "will the page be absent from the next k-phase?".

Source: A. Antoniadis et al., "Paging with Succinct Predictions", ICML 2023, arXiv:2210.02775. The triple (2, H_k, 1)
and the robustness O(log k) are the paper's, known to us through texts that had read it; the text of the algorithm is
read in public code; the bounds as they stand here, sharper and with constants, are derived.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_paging import prefetch
from algos.phases import phase_bits
from algos.predictions import checked_bits
from online.paging.policy import NOTHING, EvictionKernels, EvictionPolicy, Prediction
from online.paging.randomized import harmonic_number

__all__ = [
    "MarkAndPredict",
    "mark_and_predict_bound",
    "mark_and_predict_clean_bound",
    "mark_and_predict_consistency",
    "mark_and_predict_deterministic_bound",
    "mark_and_predict_robustness",
]


@description
class MarkAndPredict(EvictionPolicy):
    """Marking that evicts unmarked pages with bit 1 before those with bit 0, each at random.

    The bits come from ``trace.bits``. A trace without bits is served with the true phase bits for this cache size.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    deterministic : bool
        Evict the least recently requested page among those of one bit, instead of a random one.

    Notes
    -----
    Expected faults at most 2 OPT + (H_k - 1) eta0 + eta1 (`mark_and_predict_bound`), where eta0 and eta1 count the
    wrong bits among those of a page's last request in a phase; and at most 4 H_ceil(k/2) OPT whatever the bits
    (`mark_and_predict_robustness`). Its phases are the k-phases of the requests. O(1) amortized a request.
    """

    deterministic: bool = False

    randomized: ClassVar[bool] = True
    predicted: ClassVar[Prediction | None] = "phase bits"

    def draws(self) -> bool:
        """Whether the policy draws random numbers."""
        return not self.deterministic

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        if self.deterministic:
            return EvictionKernels(_oldest_init, _oldest_access, _oldest_holds, _oldest_evicted, fetch=_oldest_fetch)
        return EvictionKernels(_random_init, _random_access, _random_holds, _random_evicted, fetch=_random_fetch)

    def predictions(self, trace: Any) -> NDArray[np.uint8]:
        """The trace's bits, or the true phase bits for this cache size (1 in the last phase) when it has none."""
        bits = getattr(trace, "bits", None)
        if bits is None:
            return phase_bits(trace.requests, trace.n_pages, self.cache_size)[0]
        return checked_bits(bits, len(trace.requests))


@guarantee(
    "arXiv:2210.02775, (2, H_k, 1)-competitiveness of Mark&Predict; H_k - 1 derived here",
    kind="upper",
    algorithm="MarkAndPredict",
    evidence="derived",
)
def mark_and_predict_bound(opt: float, eta0: float, eta1: float, cache_size: int) -> float:
    """E[faults of MarkAndPredict] <= 2 OPT + (H_k - 1) eta0 + eta1 from an empty cache.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    eta0, eta1 : float >= 0
        Numbers of bits predicted 0 where 1 is true, and 1 where 0 is true, among the last requests of each page in
        each k-phase but the last (`effective_requests`).
    cache_size : int >= 1
        k, pages in the cache.

    Notes
    -----
    `mark_and_predict_clean_bound` and at most 2 OPT clean pages. The paper states H_k eta0, as reported by others.
    """
    return 2.0 * opt + (harmonic_number(cache_size) - 1.0) * eta0 + eta1


@guarantee("derived here", kind="upper", algorithm="MarkAndPredict", evidence="derived")
def mark_and_predict_clean_bound(clean: float, eta0: float, eta1: float, cache_size: int) -> float:
    """E[faults of MarkAndPredict] <= clean pages + (H_k - 1) eta0 + eta1 from an empty cache.

    Parameters
    ----------
    clean : float >= 0
        Clean pages of all k-phases (`clean_pages`), at most 2 OPT.
    eta0, eta1 : float >= 0
        As in `mark_and_predict_bound`.
    cache_size : int >= 1
        k, pages in the cache.

    Notes
    -----
    Let a phase have c clean pages and f0, f1 wrong bits. At any time at most c unmarked pages are missing. While
    unmarked pages with bit 1 are left, only these go, and at most f1 of them come back. Pages with bit 0 go when all
    unmarked ones with bit 1 are out, so that at most f0 of them are missing: the j-th last of them that comes back
    is missing with probability at most f0/j, which sums to f0 (H_k - 1) at most.
    """
    return clean + (harmonic_number(cache_size) - 1.0) * eta0 + eta1


@guarantee("derived here", kind="upper", algorithm="MarkAndPredict", evidence="derived")
def mark_and_predict_robustness(opt: float, cache_size: int) -> float:
    """E[faults of MarkAndPredict] <= 4 H_ceil(k/2) OPT from an empty cache, whatever the bits.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    cache_size : int >= 1
        k, pages in the cache.

    Notes
    -----
    In a phase with c clean pages, n1 unmarked pages with bit 1 and n0 with bit 0, returning pages cost at most
    c H_n1 + c H_n0; n0 + n1 = k, and the clean pages of all phases are at most 2 OPT. The paper has O(log k).
    """
    return 4.0 * harmonic_number((cache_size + 1) // 2) * opt


@guarantee("derived here", kind="upper", algorithm="MarkAndPredict", evidence="derived")
def mark_and_predict_deterministic_bound(opt: float, eta0: float, eta1: float, cache_size: int) -> float:
    """MarkAndPredict(deterministic=True) faults <= 2 OPT + (k-1) eta0 + eta1 from an empty cache.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    eta0, eta1 : float >= 0
        As in `mark_and_predict_bound`.
    cache_size : int >= 1
        k, pages in the cache.
    """
    return 2.0 * opt + (cache_size - 1) * eta0 + eta1


@guarantee("derived here", kind="identity", algorithm="MarkAndPredict", evidence="derived")
def mark_and_predict_consistency(clean: float) -> float:
    """Faults of MarkAndPredict with true phase bits = clean pages of all k-phases, on every run."""
    return clean


class _Random(NamedTuple):
    slots: np.ndarray  # (k,) uint32, the cached pages: unmarked with bit 1, unmarked with bit 0, marked
    slot_of: np.ndarray  # (m,) int32, slot of a page, -1 when it is not cached
    bit_of: np.ndarray  # (m,) uint8, bit of a page's last request
    counts: np.ndarray  # (4,) int64: pages cached; first slot of bit 0; first slot of the marked; page evicted last


@njit(cache=True)
def _random_init(requests, n_pages, cache_size, params):
    return _Random(
        np.zeros(min(cache_size, n_pages), np.uint32),
        np.full(n_pages, -1, np.int32),
        np.zeros(n_pages, np.uint8),
        np.array([0, 0, 0, NOTHING]),
    )


@njit(cache=True, forceinline=True)
def _random_access(state, page, bit, t, rng):
    cached, zeros, marked, evicted = 0, 1, 2, 3
    slots, slot_of, bit_of, counts = state
    slot = np.int64(slot_of[page])
    fault = slot < 0
    if fault and counts[cached] < slots.size:
        slot = counts[cached]
        counts[cached] += 1
    elif fault:
        if counts[marked] == 0:
            _unmark_all(slots, slot_of, bit_of, counts)
        slot = np.int64(rng.random() * (counts[zeros] if counts[zeros] > 0 else counts[marked]))
        victim = slots[slot]
        slot_of[victim] = -1
        counts[evicted] = victim
    # The slot belongs to the page now; unmarked ones take it to the block of the marked.
    if slot < counts[zeros]:
        counts[zeros] -= 1
        border = counts[zeros]
        if border != slot:
            _put(slots, slot_of, slots[border], slot)
            slot = border
    if slot < counts[marked]:
        counts[marked] -= 1
        border = counts[marked]
        if border != slot:
            _put(slots, slot_of, slots[border], slot)
            slot = border
    _put(slots, slot_of, page, slot)
    bit_of[page] = bit
    hold(slots, slot_of, bit_of, counts, rng)
    return fault


@njit(cache=True, forceinline=True)
def _random_holds(state, page):
    return state.slot_of[page] >= 0


@njit(cache=True, forceinline=True)
def _random_evicted(state):
    return state.counts[3]


@njit(forceinline=True)
def _random_fetch(state, page, bit):
    prefetch(state.slot_of, page)
    prefetch(state.bit_of, page)


@njit(cache=True)
def _unmark_all(slots, slot_of, bit_of, counts):
    """Start a phase: all pages are unmarked, those with bit 1 come first. O(k), paid by the k pages of the phase."""
    ones = 0
    for slot in range(slots.size):
        page = slots[slot]
        if bit_of[page] == 1:
            _put(slots, slot_of, slots[ones], slot)
            _put(slots, slot_of, page, ones)
            ones += 1
    counts[1] = ones
    counts[2] = slots.size


@njit(cache=True, forceinline=True)
def _put(slots, slot_of, page, slot):
    """Write a page into a slot."""
    slots[slot] = page
    slot_of[page] = slot


class _Oldest(NamedTuple):
    requests: np.ndarray  # (n,) uint32, the trace; only its past is read
    last: np.ndarray  # (m,) uint32, 2 (1 + time of a cached page's last request) + its bit; 0 when not cached
    # (8,) int64: pages cached; start of the phase; no unmarked page of bit 0 is older than head 0, of bit 1 than head
    # 1; unmarked pages of bit 0, of bit 1; marked pages of bit 1; page evicted last
    counts: np.ndarray
    cache_size: int


@njit(cache=True)
def _oldest_init(requests, n_pages, cache_size, params):
    counts = np.array([0, 0, 0, 0, 0, 0, 0, NOTHING])
    return _Oldest(requests, np.zeros(n_pages, np.uint32), counts, cache_size)


@njit(cache=True, forceinline=True)
def _oldest_access(state, page, bit, t, rng):
    cached, start, head, unmarked, marked_ones, evicted = 0, 1, 2, 4, 6, 7
    requests, last, counts, cache_size = state
    stamp = np.int64(last[page])
    fault = stamp == 0
    if fault and counts[cached] < cache_size:
        counts[cached] += 1
    elif fault:
        if counts[unmarked] + counts[unmarked + 1] == 0:
            # All pages were requested in the phase that ends, so that the heads need look no further back.
            counts[head] = counts[start]
            counts[head + 1] = counts[start]
            counts[start] = t
            counts[unmarked + 1] = counts[marked_ones]
            counts[unmarked] = cache_size - counts[marked_ones]
            counts[marked_ones] = 0
        which = 1 if counts[unmarked + 1] > 0 else 0
        h = counts[head + which]
        while last[requests[h]] != 2 * (h + 1) + which:
            h += 1
        counts[head + which] = h + 1
        counts[unmarked + which] -= 1
        last[requests[h]] = 0
        counts[evicted] = requests[h]
    elif stamp >> 1 <= counts[start]:
        counts[unmarked + (stamp & 1)] -= 1
    else:
        counts[marked_ones] -= stamp & 1
    counts[marked_ones] += bit
    last[page] = 2 * (t + 1) + np.int64(bit)
    hold(requests, last, counts)
    return fault


@njit(cache=True, forceinline=True)
def _oldest_holds(state, page):
    return state.last[page] > 0


@njit(cache=True, forceinline=True)
def _oldest_evicted(state):
    return state.counts[7]


@njit(forceinline=True)
def _oldest_fetch(state, page, bit):
    prefetch(state.last, page)
