"""Mark0: one predicted bit a request, "would the optimum evict this page before its next request?".

Source: A. Antoniadis, J. Boyar, M. Elias, L. M. Favrholdt, R. Hoeksma, K. S. Larsen, A. Polak, B. Simon, "Paging
with Succinct Predictions", ICML 2023, arXiv:2210.02775. The competitive triple (1, 2 H_k, 1) is the paper's, known
to us through texts that had read it; the text of the algorithm, its lazy form and the missing additive constant
are derived here from the abstract and public code.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_paging import discard_bits
from online.paging.policy import EvictionKernels, EvictionPolicy
from online.paging.randomized import harmonic_number

__all__ = ["Mark0", "mark0_bound", "mark0_consistency"]


@description
class Mark0(EvictionPolicy):
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
    not robust: with many wrong bits it can be far worse than LRU. O(1) amortized a request.
    """

    eager: bool = False

    randomized: ClassVar[bool] = True
    predicted: ClassVar[bool] = True

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_mark0_init, _mark0_access)

    def parameters(self) -> Any:
        """Whether to evict eagerly."""
        return self.eager

    def predictions(self, trace: Any) -> NDArray[np.uint8]:
        """The trace's bits, or the true ones for this cache size."""
        bits = getattr(trace, "bits", None)
        if bits is None:
            return discard_bits(trace.requests, trace.n_pages, self.cache_size)
        given = np.asarray(bits)
        if given.shape != (len(trace.requests),):
            raise ValueError(f"bits: shape {given.shape} does not match the {len(trace.requests)} requests")
        wrong = (given != 0) & (given != 1)
        if wrong.any():
            index = int(np.argmax(wrong))
            raise ValueError(f"bits: {given[index]} at index {index} is neither 0 nor 1")
        return given.astype(np.uint8)


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


@guarantee(
    "arXiv:2210.02775, Mark0 with true bits; equality derived here",
    kind="identity",
    algorithm="Mark0",
    evidence="derived",
)
def mark0_consistency(opt: float) -> float:
    """Faults of Mark0 with true discard bits = OPT, on every run and without a random draw."""
    return opt


class _Mark0(NamedTuple):
    requests: np.ndarray  # (n,) uint32, the trace; only its past is read
    slots: np.ndarray  # (k,) uint32, the cached pages, the unmarked ones first
    slot_of: np.ndarray  # (m,) int32, slot of a page, -1 when it is not cached
    discard: np.ndarray  # (m,) uint32, 1 + time of the last request of a cached page whose bit is 1, else 0
    counts: np.ndarray  # (4,) int64: pages cached; unmarked ones; pages with bit 1; no page of bit 1 is older than head
    eager: bool


@njit(cache=True)
def _mark0_init(requests, n_pages, cache_size, params):
    return _Mark0(
        requests,
        np.zeros(min(cache_size, n_pages), np.uint32),
        np.full(n_pages, -1, np.int32),
        np.zeros(n_pages, np.uint32),
        np.zeros(4, np.int64),
        params,
    )


@njit(cache=True, forceinline=True)
def _mark0_access(state, page, bit, t, rng):
    cached, unmarked, ones, head = 0, 1, 2, 3
    requests, slots, slot_of, discard, counts, eager = state
    fault = slot_of[page] < 0
    if fault:
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
