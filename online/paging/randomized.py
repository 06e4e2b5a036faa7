"""Randomized policies without predictions: random eviction and marking.

Sources: P. Raghavan and M. Snir, "Memory versus randomization in on-line algorithms", 1994 (random eviction);
A. Fiat, R. Karp, M. Luby, L. McGeoch, D. Sleator, N. Young, "Competitive paging algorithms", 1991 (marking).
Expectations are against an oblivious adversary: the requests do not depend on the policy's draws.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_paging import prefetch
from online.paging.policy import NOTHING, EvictionKernels, EvictionPolicy

__all__ = ["Marker", "RandomEviction", "harmonic_number", "marker_bound", "random_eviction_bound"]


@description
class RandomEviction(EvictionPolicy):
    """Evict a page chosen uniformly among those in the cache.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    Expected faults at most `cache_size` times the optimum (`random_eviction_bound`). O(1) a request, one draw an
    eviction.
    """

    randomized: ClassVar[bool] = True

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_random_init, _random_access, _slot_holds, _slot_evicted, fetch=_slot_fetch)


@description
class Marker(EvictionPolicy):
    """Mark requested pages and evict a uniformly random unmarked one; when all are marked, a new phase unmarks all.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    Expected faults at most 2 H_k times the optimum (`marker_bound`). O(1) amortized a request, one draw an
    eviction.
    """

    randomized: ClassVar[bool] = True

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_marker_init, _marker_access, _slot_holds, _slot_evicted, fetch=_slot_fetch)


def harmonic_number(k: int) -> float:
    """H_k = 1 + 1/2 + ... + 1/k; H_0 = 0.

    The sum itself up to k = 1e6, above it the asymptotic series, whose error is below 1e-15 there.
    """
    if k <= 1_000_000:
        return math.fsum(1.0 / i for i in range(1, k + 1))
    return math.log(k) + 0.57721566490153286 + 1 / (2 * k) - 1 / (12 * k * k)


@guarantee(
    "Raghavan & Snir 1994; without additive constant derived here",
    kind="upper",
    algorithm="RandomEviction",
    evidence="derived",
)
def random_eviction_bound(opt: float, cache_size: int) -> float:
    """E[faults of RandomEviction] <= k * OPT from an empty cache.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    cache_size : int >= 1
        k, pages in the cache.

    Notes
    -----
    Let Phi be k times the number of pages that the optimum holds and the policy does not. A fault of the optimum
    raises Phi by at most k. When the policy faults, the optimum already holds the page, so loading it takes k
    from Phi, and a uniform victim is one of the at most k - 1 pages that both hold with probability at most
    (k-1)/k, which gives back k - 1 in expectation: its cost 1 is paid. Phi starts at 0 and never falls below it.
    """
    return cache_size * opt


@guarantee(
    "Fiat et al. 1991; without additive constant derived here",
    kind="upper",
    algorithm="Marker",
    evidence="derived",
)
def marker_bound(opt: float, cache_size: int) -> float:
    """E[faults of Marker] <= 2 H_k * OPT from an empty cache.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    cache_size : int >= 1
        k, pages in the cache.

    Notes
    -----
    The best ratio of marking is 2 H_k - 1 (Achlioptas, Chrobak, Noga 2000), with an additive constant.
    """
    return 2.0 * harmonic_number(cache_size) * opt


class _Random(NamedTuple):
    slots: np.ndarray  # (k,) uint32, the cached pages
    slot_of: np.ndarray  # (m,) int32, slot of a page, -1 when it is not cached
    counts: np.ndarray  # (2,) int64: pages cached; page evicted last


@njit(cache=True)
def _random_init(requests, n_pages, cache_size, params):
    slots = np.zeros(min(cache_size, n_pages), np.uint32)
    return _Random(slots, np.full(n_pages, -1, np.int32), np.array([0, NOTHING]))


@njit(cache=True, forceinline=True)
def _random_access(state, page, bit, t, rng):
    cached, evicted = 0, 1
    slots, slot_of, counts = state
    fault = slot_of[page] < 0
    if fault:
        if counts[cached] < slots.size:
            slot = counts[cached]
            counts[cached] += 1
        else:
            slot = int(rng.random() * slots.size)
            victim = slots[slot]
            slot_of[victim] = -1
            counts[evicted] = victim
        slots[slot] = page
        slot_of[page] = slot
    hold(slots, slot_of, counts, rng)
    return fault


@njit(cache=True, forceinline=True)
def _slot_holds(state, page):
    return state.slot_of[page] >= 0


@njit(cache=True, forceinline=True)
def _slot_evicted(state):
    return state.counts[1]


@njit(forceinline=True)
def _slot_fetch(state, page, bit):
    prefetch(state.slot_of, page)


class _Marker(NamedTuple):
    slots: np.ndarray  # (k,) uint32, the cached pages, the unmarked ones first
    slot_of: np.ndarray  # (m,) int32, slot of a page, -1 when it is not cached
    counts: np.ndarray  # (3,) int64: pages cached; page evicted last; how many of those cached are unmarked


@njit(cache=True)
def _marker_init(requests, n_pages, cache_size, params):
    slots = np.zeros(min(cache_size, n_pages), np.uint32)
    return _Marker(slots, np.full(n_pages, -1, np.int32), np.array([0, NOTHING, 0]))


@njit(cache=True, forceinline=True)
def _marker_access(state, page, bit, t, rng):
    cached, evicted, unmarked = 0, 1, 2
    slots, slot_of, counts = state
    slot = slot_of[page]
    fault = slot < 0
    border = counts[unmarked] - 1  # slot of the last unmarked page, which trades places with the page to be marked
    if fault:
        if counts[cached] < slots.size:
            border = counts[cached]
            counts[cached] += 1
        else:
            if border < 0:
                border = slots.size - 1  # all are marked: a new phase unmarks all
            slot = int(rng.random() * (border + 1))
            victim, other = slots[slot], slots[border]
            slots[slot] = other
            slot_of[other] = slot
            slot_of[victim] = -1  # after the move: the victim may be the page at the border itself
            counts[evicted] = victim
            counts[unmarked] = border
        slots[border] = page
        slot_of[page] = border
    elif slot <= border:
        other = slots[border]
        slots[slot] = other
        slot_of[other] = slot
        slots[border] = page
        slot_of[page] = border
        counts[unmarked] = border
    hold(slots, slot_of, counts, rng)
    return fault
