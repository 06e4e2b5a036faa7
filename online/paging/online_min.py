"""OnlineMin: the randomized policy with the best possible competitive ratio, H_k.

It keeps track of every cache that the optimum might have, as k layers of pages (`algos.optimal_paging`), and its own
cache is one of these, chosen by random priorities.

Source: G. S. Brodal, G. Moruz, A. Negoescu, "OnlineMin: a fast strongly competitive randomized paging algorithm", 2015.
The rule by which the layers change, and the data structure, are derived here.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_paging import clear_key, has_key, highest_key, highest_key_up_to, key_set, set_key
from online.paging.policy import NOTHING, EvictionKernels, EvictionPolicy
from online.paging.randomized import harmonic_number

__all__ = ["OnlineMin", "online_min_bound"]


@description
class OnlineMin(EvictionPolicy):
    """Keep a random one of the caches that the optimum of the requests so far might have.

    Pages get a random priority when their request makes the optimum fault. A fault evicts the page of least priority
    whose place the requested one can take, so that the cache stays one that the optimum might have.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.

    Notes
    -----
    Expected faults at most H_k OPT (`online_min_bound`), which no randomized policy can better. O(log k) amortized a
    request: of all policies here without predictions it is the slowest. Best in the worst case is not good on ordinary
    traces: of those shipped it makes far more faults than `Marker`, for a page of low priority is evicted again and
    again.
    """

    randomized: ClassVar[bool] = True

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(_init, _access, _holds, _evicted)


@guarantee(
    "Brodal, Moruz & Negoescu 2015; without additive constant checked here",
    kind="upper",
    algorithm="OnlineMin",
    evidence="textbook",
)
def online_min_bound(opt: float, cache_size: int) -> float:
    """E[faults of OnlineMin] <= H_k OPT from an empty cache.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with the same cache.
    cache_size : int >= 1
        k, pages in the cache.
    """
    return harmonic_number(cache_size) * opt


# Requested pages, by the time of their last request, are cut into layers 1..k by k boundaries, which are times as well;
# those before the first boundary are in layer 0. Time 0..k-1 belongs to dummy pages, request t is time k + t. A cache
# that the optimum might have holds k pages, at most j of them in the first j layers. We count from the left +1 for a
# page that we hold and -1 for a boundary: the sum is never positive, and 0 where exactly j are held in j layers. The
# sums lie in a tree over slots, one for each time that still matters.


class _Layers(NamedTuple):
    last: np.ndarray  # (m,) uint32, time of the page's last request, 0 before its first
    words: np.ndarray  # uint64, the set of boundaries
    starts: np.ndarray  # (5,) int64
    slot_at: np.ndarray  # (k + n,) uint32, the slot of a time that is a boundary
    slot_of: np.ndarray  # (m,) int64, the slot of a cached page, -1 for others
    priority: np.ndarray  # (m,) float64, of pages in a layer
    time_at: np.ndarray  # (S,) int64, the time of a slot; S is a power of 2
    page_at: np.ndarray  # (S,) int64, the cached page of a slot, -1 for a cached dummy, -2 for none
    total: np.ndarray  # (2 S,) int64, the tree: the sum below a node, 1 being the root and S + i the i-th slot
    highest: np.ndarray  # (2 S,) int64, the highest partial sum below a node, from its left
    least: np.ndarray  # (2 S,) float64, the least priority of cached pages below a node
    counts: np.ndarray  # (2,) int64: slots in use; page evicted last
    dummies: int  # k


_USED, _EVICTED = 0, 1
_DUMMY, _NO_PAGE = -1, -2


@njit(nogil=True)
def _init(requests, n_pages, cache_size, params):
    k = min(cache_size, n_pages)
    words, starts = key_set(requests.size + k)
    n_slots = 4
    while n_slots < 4 * k:
        n_slots *= 2
    layers = _Layers(
        np.zeros(n_pages, np.uint32),
        words,
        starts,
        np.zeros(requests.size + k, np.uint32),
        np.full(n_pages, np.int64(-1)),
        np.zeros(n_pages, np.float64),
        np.zeros(n_slots, np.int64),
        np.full(n_slots, np.int64(_NO_PAGE)),
        np.zeros(2 * n_slots, np.int64),
        np.zeros(2 * n_slots, np.int64),
        np.full(2 * n_slots, math.inf),
        np.array([k, NOTHING]),
        k,
    )
    for dummy in range(k):
        set_key(words, starts, dummy)
        layers.slot_at[dummy] = dummy
        layers.time_at[dummy] = dummy
        layers.page_at[dummy] = _DUMMY
    _add_up(layers)
    return layers


@njit(forceinline=True)
def _access(state, page, bit, t, rng):
    last, words, starts, slot_of, priority = state.last, state.words, state.starts, state.slot_of, state.priority
    counts = state.counts
    slot = slot_of[page]
    fault = slot < 0
    if slot != counts[_USED] - 1:  # else it is the page requested just before, and nothing changes
        boundary = np.int64(-1)
        if last[page] > 0:
            boundary = highest_key_up_to(words, starts, np.int64(last[page]))
        if boundary < 0:
            priority[page] = rng.random()
        _move(state, page, state.dummies + t, boundary)
    hold(state, last, words, starts, slot_of, priority, counts, rng)
    return fault


@njit(forceinline=True)
def _holds(state, page):
    return state.slot_of[page] >= 0


@njit(forceinline=True)
def _evicted(state):
    return state.counts[1]


@njit(nogil=True)
def _move(layers, page, now, boundary):
    """Take the page from the layer that begins at the boundary, layer 0 for -1, to a last layer of its own."""
    words, starts, counts = layers.words, layers.starts, layers.counts
    slot = layers.slot_of[page]
    if slot < 0:
        reach = layers.time_at.size - 1
        if boundary >= 0:
            reach = _first_tight(layers, np.int64(layers.slot_at[boundary]))
        slot = _least_up_to(layers, reach)
        victim = layers.page_at[slot]
        counts[_EVICTED] = NOTHING
        if victim != _DUMMY:
            layers.slot_of[victim] = -1
            counts[_EVICTED] = victim
    layers.page_at[slot] = _NO_PAGE
    if boundary < 0:
        boundary = highest_key(words, starts)  # the last two layers become one
    clear_key(words, starts, boundary)
    _refresh(layers, slot)
    if layers.slot_at[boundary] != slot:
        _refresh(layers, np.int64(layers.slot_at[boundary]))
    if counts[_USED] == layers.time_at.size:
        _compact(layers)
    slot = counts[_USED]
    counts[_USED] += 1
    set_key(words, starts, now)
    layers.last[page] = now
    layers.slot_at[now] = slot
    layers.slot_of[page] = slot
    layers.time_at[slot] = now
    layers.page_at[slot] = page
    _refresh(layers, slot)


@njit(forceinline=True)
def _set_leaf(layers, slot):
    """Write down what a slot counts for."""
    leaf, held = layers.time_at.size + slot, layers.page_at[slot]
    value = np.int64(0)
    if held != _NO_PAGE:
        value += 1
    if has_key(layers.words, layers.time_at[slot]):
        value -= 1
    layers.total[leaf] = value
    layers.highest[leaf] = value
    if held >= 0:
        layers.least[leaf] = layers.priority[held]
    elif held == _DUMMY:
        layers.least[leaf] = -1.0 - layers.time_at[slot]  # dummies leave before pages
    else:
        layers.least[leaf] = math.inf


@njit(forceinline=True)
def _join(total, highest, least, node):
    """Make a node out of its two children."""
    left, right = 2 * node, 2 * node + 1
    total[node] = total[left] + total[right]
    highest[node] = max(highest[left], total[left] + highest[right])
    least[node] = min(least[left], least[right])


@njit(nogil=True)
def _refresh(layers, slot):
    """Bring the tree up to date with a used slot. O(log k)."""
    total, highest, least = layers.total, layers.highest, layers.least
    _set_leaf(layers, slot)
    node = (layers.time_at.size + slot) >> 1
    while node > 0:
        _join(total, highest, least, node)
        node >>= 1


@njit(nogil=True)
def _add_up(layers):
    """Make the whole tree. O(k)."""
    n_slots = layers.time_at.size
    for slot in range(n_slots):
        if slot < layers.counts[_USED]:
            _set_leaf(layers, slot)
        else:
            layers.total[n_slots + slot] = 0
            layers.highest[n_slots + slot] = 0
            layers.least[n_slots + slot] = math.inf
    for node in range(n_slots - 1, 0, -1):
        _join(layers.total, layers.highest, layers.least, node)


@njit(nogil=True)
def _compact(layers):
    """Keep the slots of boundaries and of cached pages only. O(k), once in 2k requests at most."""
    used = 0
    for slot in range(layers.counts[_USED]):
        time, held = layers.time_at[slot], layers.page_at[slot]
        is_boundary = has_key(layers.words, time)
        if is_boundary or held != _NO_PAGE:
            if is_boundary:
                layers.slot_at[time] = used
            if held >= 0:
                layers.slot_of[held] = used
            layers.time_at[used] = time
            layers.page_at[used] = held
            used += 1
    for slot in range(used, layers.counts[_USED]):
        layers.page_at[slot] = _NO_PAGE
    layers.counts[_USED] = used
    _add_up(layers)


@njit(nogil=True)
def _first_tight(layers, slot):
    """The first slot from this one on up to which as many pages are held as there are boundaries. O(log k)."""
    total, highest, n_slots = layers.total, layers.highest, layers.time_at.size
    node = n_slots + slot
    before = np.int64(0)
    while node > 1:
        if node & 1 == 1:
            before += total[node - 1]
        node >>= 1
    node = n_slots + slot
    while before + highest[node] < 0:
        before += total[node]
        while node & 1 == 1:
            node >>= 1
        node += 1
    while node < n_slots:
        node *= 2
        if before + highest[node] < 0:
            before += total[node]
            node += 1
    return node - n_slots


@njit(nogil=True)
def _least_up_to(layers, slot):
    """The slot of the cached page with the least priority among slots 0..slot. O(log k)."""
    least, n_slots = layers.least, layers.time_at.size
    node = n_slots + slot
    best = node
    while node > 1:
        if node & 1 == 1 and least[node - 1] < least[best]:
            best = node - 1
        node >>= 1
    while best < n_slots:
        best *= 2
        if least[best + 1] < least[best]:
            best += 1
    return best - n_slots
