"""One predicted discard bit a request: "would the optimum evict this page before its next request?".

`FlushWhenAllZeros` is the deterministic algorithm, `Mark0` the randomized one. Both evict a page with bit 1 as long
as there is one, and differ in what they do when all bits are 0.

Source: A. Antoniadis, J. Boyar, M. Elias, L. M. Favrholdt, R. Hoeksma, K. S. Larsen, A. Polak, B. Simon, "Paging
with Succinct Predictions", ICML 2023, arXiv:2210.02775. The competitive triples are the paper's, known to us through
texts that had read it; the text of the algorithms, their lazy forms and the missing additive constants are derived
here from the abstract and public code.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_paging import dense_requests, discard_bits, prefetch
from algos.predictions import checked_bits
from online.paging.policy import EVERYTHING, NOTHING, EvictionKernels, EvictionPolicy, Prediction
from online.paging.randomized import harmonic_number

__all__ = [
    "FlushWhenAllZeros",
    "Mark0",
    "flush_when_all_zeros_bound",
    "flush_when_all_zeros_consistency",
    "mark0_bound",
    "mark0_consistency",
    "mark0_instance_bound",
]


@description
class DiscardBitPolicy(EvictionPolicy):
    """What the policies with predicted discard bits share: where the bits come from.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    """

    predicted: ClassVar[Prediction | None] = "discard bits"

    def predictions(self, trace: Any) -> NDArray[np.uint8]:
        """The trace's bits, or the true discard bits for this cache size when it has none."""
        bits = getattr(trace, "bits", None)
        if bits is None:
            return discard_bits(trace.requests, trace.n_pages, self.cache_size)
        return checked_bits(bits, len(trace.requests))


@description
class FlushWhenAllZeros(DiscardBitPolicy):
    """Evict the least recently requested page with bit 1; when all bits are 0, evict everything.

    The bits come from ``trace.bits``. A trace without bits is served with the true discard bits for this cache
    size: the perfect prediction, under which the policy is the offline optimum and never flushes.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    flush : {"empty", "relabel"}
        What to do on a fault when all bits are 0: evict all pages; or set all bits to 1, and evict the least recently
        requested page. The second has the same bound, and never was seen to cost more.

    Notes
    -----
    Faults at most OPT + (k-1) eta0 + eta1 (`flush_when_all_zeros_bound`), where eta0 and eta1 count the wrong bits:
    no deterministic algorithm has better prices (`discard_price_bound`). Not robust: combine it with LRU by
    `CombineDeterministic`. O(1) amortized a request.
    """

    flush: Literal["empty", "relabel"] = "empty"

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_zeros_init, _zeros_access, _zeros_holds, _zeros_evicted, fetch=_zeros_fetch)

    def lazy(self) -> bool:
        """Not when it flushes."""
        return self.flush == "relabel"

    def parameters(self) -> Any:
        """Whether to set bits instead of emptying the cache."""
        return self.flush == "relabel"


@description
class Mark0(DiscardBitPolicy):
    """Evict pages with bit 1 first, the least recently requested of them; mark at random among the bits 0.

    The bits come from ``trace.bits``. A trace without bits is served with the true discard bits for this cache
    size: the perfect prediction, under which Mark0 is the offline optimum.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    eager : bool
        Evict a page with bit 1 right after serving it, as public code does, instead of when its place is needed.
        Costs at least as much with the same random choices, and has the same bound.

    Notes
    -----
    Expected faults at most OPT + 2 H_k eta0 + eta1 (`mark0_bound`), where eta0 and eta1 count the wrong bits. It is
    not robust: with many wrong bits it can be far worse than LRU; combine it with `Marker` by `CombineRandomized`.
    O(1) amortized a request.
    """

    eager: bool = False

    randomized: ClassVar[bool] = True

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_mark0_init, _mark0_access, _mark0_holds, _mark0_evicted, fetch=_mark0_fetch)

    def lazy(self) -> bool:
        """Not when it evicts eagerly."""
        return not self.eager

    def parameters(self) -> Any:
        """Whether to evict eagerly."""
        return self.eager


@guarantee(
    "arXiv:2210.02775, (1, k-1, 1)-competitiveness of Flush-When-All-0s",
    kind="upper",
    algorithm="FlushWhenAllZeros",
    evidence="secondary",
)
def flush_when_all_zeros_bound(opt: float, eta0: float, eta1: float, cache_size: int) -> float:
    """FlushWhenAllZeros faults <= OPT + (k-1) eta0 + eta1 from an empty cache.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    eta0, eta1 : float >= 0
        Numbers of bits predicted 0 where 1 is true, and 1 where 0 is true.
    cache_size : int >= 1
        k, pages in the cache.

    Notes
    -----
    The triple is the paper's as reported by others; that it needs no additive constant under the convention of
    `discard_bits`, and that it holds for both values of `flush`, is derived here: every load ends by an eviction
    under bit 1, of which there are at most as many as predicted 1s, OPT - eta0 + eta1; or by a flush, each of which
    has a wrong 0 of its own; or stays to the end under a 0 that is wrong.
    """
    return opt + (cache_size - 1) * eta0 + eta1


@guarantee(
    "arXiv:2210.02775, Flush-When-All-0s with true bits; equality derived here",
    kind="identity",
    algorithm="FlushWhenAllZeros",
    evidence="derived",
)
def flush_when_all_zeros_consistency(opt: float) -> float:
    """Faults of FlushWhenAllZeros with true discard bits = OPT, without a flush."""
    return opt


@guarantee(
    "arXiv:2210.02775, (1, 2 H_k, 1)-competitiveness of Mark0",
    kind="upper",
    algorithm="Mark0",
    evidence="secondary",
)
def mark0_bound(opt: float, eta0: float, eta1: float, cache_size: int) -> float:
    """E[faults of Mark0] <= OPT + 2 H_k eta0 + eta1 from an empty cache.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    eta0, eta1 : float >= 0
        Numbers of bits predicted 0 where 1 is true, and 1 where 0 is true.
    cache_size : int >= 1
        k, pages in the cache.

    Notes
    -----
    The triple is the paper's as reported by others; that it needs no additive constant under the convention of
    `discard_bits` is derived here.
    """
    return opt + 2.0 * harmonic_number(cache_size) * eta0 + eta1


@guarantee("derived here, by the phases of arXiv:2210.02775", kind="upper", algorithm="Mark0", evidence="derived")
def mark0_instance_bound(requests: Any, bits: Any, n_pages: int, cache_size: int) -> float:
    """E[faults of Mark0] <= predicted 1s + sum_i sum_{j<=k} min(1, m_i/j) + 0-pages left, phase by phase.

    Parameters
    ----------
    requests : int array, shape (n,)
        Page ids in 0..n_pages-1.
    bits : array of 0 and 1, shape (n,)
        Predicted bits, right or wrong: the bound needs no truth.
    n_pages, cache_size : int >= 1
        Number of pages, and k.

    Notes
    -----
    The phases of Mark0 do not depend on its draws: with M the pages of the phase whose current bit is 0, a new one
    starts at a request outside M when M has k pages. In phase i, let U be the k pages of the M before, less those
    requested since; m_i is the largest |U| + |M with the requested page| - k. At most k pages are left at the end
    under a 0. Never above `mark0_bound`, and often far below. O(n + n_pages + k log k).
    """
    dense = dense_requests(requests, n_pages)
    predicted = checked_bits(bits, dense.size)
    overfull = _mark0_overfull(dense, predicted, n_pages, cache_size)
    largest = int(overfull.max(initial=0))
    # sum_{j<=k} min(1, m/j) = m + m (H_k - H_m) for m <= k.
    harmonic = np.concatenate(([0.0], np.cumsum(1.0 / np.arange(1, max(largest, 1) + 1))))
    m = overfull.astype(np.float64)
    evictions = float(np.sum(m + m * (harmonic_number(cache_size) - harmonic[overfull])))
    last_bit = np.ones(n_pages, dtype=np.uint8)
    last_bit[dense] = predicted  # of several assignments the last one stands
    left = int(np.count_nonzero(last_bit == 0))
    return float(np.count_nonzero(predicted)) + evictions + min(cache_size, left)


@guarantee(
    "arXiv:2210.02775, Mark0 with true bits; equality derived here",
    kind="identity",
    algorithm="Mark0",
    evidence="derived",
)
def mark0_consistency(opt: float) -> float:
    """Faults of Mark0 with true discard bits = OPT, on every run and without a random draw."""
    return opt


class _Zeros(NamedTuple):
    requests: np.ndarray  # (n,) uint32, the trace; only its past is read
    last: np.ndarray  # (m,) uint32, 2 (1 + time of the page's last request) + its bit; 0 when evicted alone
    # (7,) int64: pages cached; those with bit 1; no page of bit 1 was requested before the head; pages requested
    # before `flushed` are not cached; those requested before `relabeled` have bit 1; page evicted last; flushes
    counts: np.ndarray
    cache_size: int
    relabel: bool


@njit(cache=True)
def _zeros_init(requests, n_pages, cache_size, params):
    counts = np.array([0, 0, 0, 0, 0, NOTHING, 0])
    return _Zeros(requests, np.zeros(n_pages, np.uint32), counts, cache_size, params)


@njit(cache=True, forceinline=True)
def _zeros_access(state, page, bit, t, rng):
    cached, ones, head, flushed, relabeled, evicted, flushes = 0, 1, 2, 3, 4, 5, 6
    requests, last, counts, cache_size, relabel = state
    stamp = np.int64(last[page])
    fault = stamp >> 1 <= counts[flushed]
    if fault:
        counts[evicted] = NOTHING
        if counts[cached] == cache_size:
            if counts[ones] == 0:
                counts[flushes] += 1
                if relabel:
                    # No cached page was requested before the last relabeling: it would have gone by now.
                    counts[head] = counts[relabeled]
                    counts[relabeled] = t
                    counts[ones] = cache_size
                else:
                    counts[flushed] = t
                    counts[cached] = 0
                    counts[evicted] = EVERYTHING
            if counts[ones] > 0:
                h = counts[head]
                victim = requests[h]
                while last[victim] >> 1 != h + 1 or (last[victim] & 1 == 0 and h >= counts[relabeled]):
                    h += 1
                    victim = requests[h]
                counts[head] = h + 1
                last[victim] = 0
                counts[evicted] = victim
                counts[ones] -= 1
                counts[cached] -= 1
        counts[cached] += 1
    elif stamp & 1 == 1 or stamp >> 1 <= counts[relabeled]:
        counts[ones] -= 1
    counts[ones] += bit
    last[page] = 2 * (t + 1) + np.int64(bit)
    hold(requests, last, counts)
    return fault


@njit(cache=True, forceinline=True)
def _zeros_holds(state, page):
    return state.last[page] >> 1 > state.counts[3]


@njit(cache=True, forceinline=True)
def _zeros_evicted(state):
    return state.counts[5]


@njit(forceinline=True)
def _zeros_fetch(state, page, bit):
    prefetch(state.last, page)


class _Mark0(NamedTuple):
    requests: np.ndarray  # (n,) uint32, the trace; only its past is read
    slots: np.ndarray  # (k,) uint32, the cached pages, the unmarked ones first
    slot_of: np.ndarray  # (m,) int32, slot of a page, -1 when it is not cached
    discard: np.ndarray  # (m,) uint32, 1 + time of the last request of a cached page whose bit is 1, else 0
    # (5,) int64: pages cached; unmarked ones; pages with bit 1; no page of bit 1 is older than head; page evicted last
    counts: np.ndarray
    eager: bool


@njit(cache=True)
def _mark0_init(requests, n_pages, cache_size, params):
    return _Mark0(
        requests,
        np.zeros(min(cache_size, n_pages), np.uint32),
        np.full(n_pages, -1, np.int32),
        np.zeros(n_pages, np.uint32),
        np.array([0, 0, 0, 0, NOTHING]),
        params,
    )


@njit(cache=True, forceinline=True)
def _mark0_access(state, page, bit, t, rng):
    cached, unmarked, ones, head, evicted = 0, 1, 2, 3, 4
    requests, slots, slot_of, discard, counts, eager = state
    fault = slot_of[page] < 0
    if fault:
        counts[evicted] = NOTHING
        if counts[cached] == slots.size:
            if counts[ones] > 0:
                h = counts[head]
                while discard[requests[h]] != h + 1:
                    h += 1
                counts[head] = h + 1
                victim = requests[h]
            else:
                if counts[unmarked] == 0:
                    counts[unmarked] = slots.size  # all are marked: a new phase unmarks all
                victim = slots[int(rng.random() * counts[unmarked])]
            _evict(slots, slot_of, discard, counts, victim)
            counts[evicted] = victim
        slot = counts[cached]
        slots[slot] = page
        slot_of[page] = slot
        counts[cached] = slot + 1
    elif slot_of[page] < counts[unmarked]:  # mark it: trade places with the last unmarked page
        border = counts[unmarked] - 1
        _move(slots, slot_of, slots[border], slot_of[page])
        _move(slots, slot_of, page, border)
        counts[unmarked] = border
    if discard[page] > 0:
        counts[ones] -= 1
        discard[page] = 0
    if bit == 1:
        counts[ones] += 1
        discard[page] = t + 1
        if eager:
            _evict(slots, slot_of, discard, counts, page)
    hold(requests, slots, slot_of, discard, counts, rng)
    return fault


@njit(cache=True, forceinline=True)
def _mark0_holds(state, page):
    return state.slot_of[page] >= 0


@njit(cache=True, forceinline=True)
def _mark0_evicted(state):
    return state.counts[4]


@njit(forceinline=True)
def _mark0_fetch(state, page, bit):
    prefetch(state.slot_of, page)
    prefetch(state.discard, page)


@njit(cache=True, forceinline=True)
def _evict(slots, slot_of, discard, counts, page):
    """Take a cached page out, closing the gap from the block it stood in."""
    cached, unmarked, ones = 0, 1, 2
    gap = slot_of[page]
    if gap < counts[unmarked]:
        border = counts[unmarked] - 1
        _move(slots, slot_of, slots[border], gap)
        counts[unmarked] = border
        gap = border
    last = counts[cached] - 1
    if gap < last:  # otherwise the page in the last slot has just moved, and must stay where it is
        _move(slots, slot_of, slots[last], gap)
    counts[cached] = last
    slot_of[page] = -1  # after the moves: the page may be one of those moved
    if discard[page] > 0:
        discard[page] = 0
        counts[ones] -= 1
    hold(slots, slot_of, discard, counts)


@njit(cache=True, forceinline=True)
def _move(slots, slot_of, page, slot):
    """Write a page into a slot."""
    slots[slot] = page
    slot_of[page] = slot


@njit(cache=True, nogil=True)
def _mark0_overfull(requests, bits, n_pages, cache_size):
    """m_i of each phase of Mark0, shape (number of phases,)."""
    n = requests.size
    overfull = np.zeros(n // cache_size + 1, np.int64)  # every phase but the last has k zeros
    member = np.zeros(n_pages, np.uint32)  # 1 + phase whose M holds the page; so U is what the phase before has left
    phase, in_u, in_m = 0, 0, 0
    for t in range(n):
        page = requests[t]
        if member[page] != phase + 1 and in_m == cache_size:
            phase += 1
            in_u, in_m = cache_size, 0
        was_in_u = phase > 0 and member[page] == phase
        was_in_m = member[page] == phase + 1
        if was_in_u:
            in_u -= 1
        with_page = in_m + (0 if was_in_m else 1)
        if phase > 0:
            overfull[phase] = max(overfull[phase], in_u + with_page - cache_size)
        if bits[t] == 0:
            in_m = with_page
            member[page] = phase + 1
        else:
            in_m = with_page - 1
            member[page] = 0
    return overfull[: phase + 1]
