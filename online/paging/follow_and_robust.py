"""Follower & Robust: follow a predicted cache while it is as good as the optimum so far, mark for a phase otherwise.

Source: K. Sadek & M. Elias, "Algorithms for caching and MTS with reduced number of predictions", ICLR 2024. Ours is a
form of it, derived here, that sees the predicted cache at every request: the published algorithm asks for O(log k)
predictions a robust phase, at times that are not known to us. Its 1-consistency is checked, its smoothness not claimed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_paging import (
    clear_key,
    has_key,
    has_keys,
    key_set,
    layers_access,
    layers_init,
    lowest_key,
    prefetch,
    set_key,
)
from online.paging.following import CacheFollower, functions_to_follow
from online.paging.policy import EVERYTHING, NOTHING, EvictionKernels

__all__ = ["FollowAndRobust", "follow_and_robust_consistency"]


@description
class FollowAndRobust(CacheFollower):
    """Follow a predicted cache as long as that costs no more than the optimum of the requests so far.

    As a follower it keeps to one predicted cache, and takes the present one at a fault outside it, unless it has had
    more faults than the optimum since it began to follow. Then it marks, like `Marker`, until k different pages were
    requested, and follows again.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    followed : EvictionPolicy, or its class
        Whose cache is the prediction, `BlindOracle` unless another is given: as good as the predicted arrival times
        that it reads. It must have the same cache size.

    Notes
    -----
    OPT faults when the prediction is the optimum's cache (`follow_and_robust_consistency`). The optimum of the requests
    so far is known without looking ahead (`algos.optimal_paging.live_optimal_fault_flags`). O(1) amortized a request
    beside the followed policy.
    """

    randomized: ClassVar[bool] = True

    def following(self, followed: EvictionKernels) -> EvictionKernels:
        """The functions of the policy, from those of the one it follows."""
        return _follower_or_marker(followed, self.followed.lazy())


@guarantee("derived here, after Sadek & Elias 2024", kind="identity", algorithm="FollowAndRobust", evidence="derived")
def follow_and_robust_consistency(opt: float) -> float:
    """Faults of FollowAndRobust with true arrivals = OPT, on every run and without a random draw."""
    return opt


# Every function is compiled into `access`, without a call that could raise: see docs/design.md. What the state consists
# of are therefore few arrays.


class _Cache(NamedTuple):
    requests: np.ndarray  # (n,) uint32, the trace; only its past is read
    pages: np.ndarray  # (m, 5) uint32, a row a page
    # (2 k + m,) uint32: the cached pages, while marking the unmarked ones first; the predicted cache at present; pages
    # in which it differs, or did, from the one believed in
    lists: np.ndarray
    words: np.ndarray  # uint64, the set of the last requests of cached pages that are not in the cache believed in
    starts: np.ndarray  # (5,) int64
    counts: np.ndarray  # (12,) int64
    cache_size: int


# Columns of `pages`: 1 + time of the last request; 1 + slot, 0 when not cached; last time of marking that met the page;
# 1 + place in the predicted cache, 0 when not there; 2 number of the predicted cache believed in + whether that has the
# page, written when the present one first comes to differ from it in this page.
_LAST, _SLOT, _MET, _PLACE, _CHANGED = 0, 1, 2, 3, 4
# Entries of `counts`: pages cached; page evicted last; pages predicted; number of the predicted cache believed in, from
# 1; pages that changed since; whether marking; times of marking so far; its different pages; unmarked pages; own faults
# less the optimum's since following began; page that the followed policy let go of right after serving it, -1 for none;
# whether no predicted cache was believed in since following began.
_HELD, _EVICTED, _PREDICTED, _BELIEF, _CHANGES, _MARKING = 0, 1, 2, 3, 4, 5
_TIMES, _DISTINCT, _UNMARKED, _EXCESS, _LET_GO, _FRESH = 6, 7, 8, 9, 10, 11


class _State(NamedTuple):
    cache: _Cache
    layers: Any  # the optimum of the requests so far
    followed: Any  # the state of the followed policy
    predictions: np.ndarray  # (n,) or (1,), what the followed policy reads
    stride: int


@njit(nogil=True)
def _cache_init(requests, n_pages, cache_size):
    """An empty cache."""
    k = min(cache_size, n_pages)
    words, starts = key_set(requests.size)
    pages, lists = np.zeros((n_pages, 5), np.uint32), np.zeros(2 * k + n_pages, np.uint32)
    return _Cache(requests, pages, lists, words, starts, np.array([0, NOTHING, 0, 1, 0, 0, 0, 0, 0, 0, -1, 1]), k)


@njit(forceinline=True)
def _time(pages, page):
    """The time of the page's last request, -1 before the first."""
    return np.int64(pages[page, _LAST]) - 1


@njit(forceinline=True)
def _note(cache, page, had):
    """Remember whether the predicted cache believed in has a page that the present one is about to gain or lose."""
    pages, lists, counts = cache.pages, cache.lists, cache.counts
    if pages[page, _CHANGED] >> 1 != counts[_BELIEF]:
        pages[page, _CHANGED] = 2 * counts[_BELIEF] + had
        lists[2 * cache.cache_size + counts[_CHANGES]] = page
        counts[_CHANGES] += 1
    hold(cache, pages, lists, counts)


@njit(forceinline=True)
def _lose(cache, page):
    """The predicted cache does without this page from now on."""
    pages, lists, counts, k = cache.pages, cache.lists, cache.counts, cache.cache_size
    if pages[page, _PLACE] > 0:
        _note(cache, page, 1)
        counts[_PREDICTED] -= 1
        place, other = pages[page, _PLACE], lists[k + counts[_PREDICTED]]
        lists[k + np.int64(place) - 1] = other
        pages[other, _PLACE] = place
        pages[page, _PLACE] = 0
    hold(cache, pages, lists, counts)


@njit(forceinline=True)
def _predict(cache, page, left):
    """The followed policy has loaded this page, and evicted what its `evicted` tells."""
    pages, lists, counts, k = cache.pages, cache.lists, cache.counts, cache.cache_size
    if left >= 0:
        _lose(cache, left)
    elif left == EVERYTHING:
        for place in range(counts[_PREDICTED] - 1, -1, -1):
            _lose(cache, np.int64(lists[k + place]))
    if pages[page, _PLACE] == 0 and counts[_PREDICTED] < k:
        _note(cache, page, 0)
        lists[k + counts[_PREDICTED]] = page
        counts[_PREDICTED] += 1
        pages[page, _PLACE] = counts[_PREDICTED]
    hold(cache, pages, lists, counts)


@njit(forceinline=True)
def _believes(cache, page):
    """Whether the predicted cache believed in has the page."""
    pages, counts = cache.pages, cache.counts
    changed = pages[page, _CHANGED] >> 1 == counts[_BELIEF]
    return pages[page, _CHANGED] & 1 == 1 if changed else pages[page, _PLACE] > 0


@njit(forceinline=True)
def _believe(cache):
    """Believe in the present predicted cache. O(1) for each change since the last time, O(k) for the first time."""
    _, pages, lists, words, starts, counts, k = cache
    # The first time all cached pages, later on those that changed.
    fresh = counts[_FRESH] == 1
    for i in range(counts[_HELD] if fresh else counts[_CHANGES]):
        page = lists[i if fresh else 2 * k + i]
        if pages[page, _SLOT] > 0:
            if pages[page, _PLACE] == 0:
                set_key(words, starts, _time(pages, page))
            elif not fresh:
                clear_key(words, starts, _time(pages, page))
    counts[_FRESH] = 0
    counts[_BELIEF] += 1
    counts[_CHANGES] = 0
    hold(pages, lists, words, starts, counts)


@njit(forceinline=True)
def _begin_marking(cache):
    """Unmark all pages. O(k), paid by the k different pages that marking lasts for."""
    _, pages, lists, words, starts, counts, k = cache
    counts[_MARKING] = 1
    counts[_TIMES] += 1
    counts[_DISTINCT] = 0
    counts[_UNMARKED] = k
    for slot in range(k):
        clear_key(words, starts, _time(pages, lists[slot]))
    hold(pages, lists, words, starts, counts)


@njit(forceinline=True)
def _decide(cache, page):
    """A fault of the follower with a full cache: the page to evict, or NOTHING, when it is to be marked from now on."""
    requests, _, _, words, starts, counts, _ = cache
    victim = np.int64(NOTHING)
    believed = counts[_FRESH] == 0 and _believes(cache, page)
    if not believed and counts[_EXCESS] <= 0:
        _believe(cache)
        believed = True
    if believed and has_keys(words, starts):
        key = lowest_key(words, starts)
        clear_key(words, starts, key)
        victim = np.int64(requests[key])
    else:
        _begin_marking(cache)
    hold(cache, requests, words, starts, counts)
    return victim


@njit(forceinline=True)
def _mark(cache, page):
    """The page, which is cached, is requested while marking."""
    pages, lists, counts = cache.pages, cache.lists, cache.counts
    if pages[page, _MET] != counts[_TIMES]:
        pages[page, _MET] = counts[_TIMES]
        counts[_DISTINCT] += 1
        counts[_UNMARKED] -= 1
        slot, other = pages[page, _SLOT], lists[counts[_UNMARKED]]
        lists[np.int64(slot) - 1] = other
        pages[other, _SLOT] = slot
        lists[counts[_UNMARKED]] = page
        pages[page, _SLOT] = counts[_UNMARKED] + 1
    hold(pages, lists, counts)


@njit(forceinline=True)
def _holds(state, page):
    return state.cache.pages[page, 1] > 0


@njit(forceinline=True)
def _evicted(state):
    return state.cache.counts[1]


@lru_cache(maxsize=256)
def _follower_or_marker(followed: EvictionKernels, lazy: bool) -> EvictionKernels:
    """Follower & Robust with the cache of a policy with these functions as the prediction."""
    followed_init, followed_access, followed_holds, followed_evicted, followed_fetch = functions_to_follow(followed)

    def init(requests, n_pages, cache_size, params):
        parameters, predictions, stride = params
        inner = followed_init(requests, n_pages, cache_size, parameters)
        layers = layers_init(requests.size, n_pages, cache_size)
        return _State(_cache_init(requests, n_pages, cache_size), layers, inner, predictions, stride)

    def access(state, page, bit, t, rng):
        cache, layers, inner, predictions, stride = state
        _, pages, lists, words, starts, counts, k = cache
        if not lazy and counts[_LET_GO] >= 0:
            _lose(cache, counts[_LET_GO])
            counts[_LET_GO] = -1
        if followed_access(inner, page, predictions[t * stride], t, rng):
            _predict(cache, page, np.int64(followed_evicted(inner)))
        if not (lazy or followed_holds(inner, page)):
            counts[_LET_GO] = page
        if counts[_MARKING] == 1 and counts[_DISTINCT] == k and pages[page, _MET] != counts[_TIMES]:
            counts[_MARKING] = 0
            counts[_FRESH] = 1
            counts[_EXCESS] = 0
        counts[_EXCESS] -= layers_access(layers, page, t)
        fault = pages[page, _SLOT] == 0
        if fault:
            counts[_EXCESS] += 1
            victim = np.int64(NOTHING)
            if counts[_HELD] < k:
                counts[_HELD] += 1
                slot = np.uint32(counts[_HELD])
            else:
                if counts[_MARKING] == 0:
                    victim = _decide(cache, page)
                if victim == NOTHING:
                    victim = np.int64(lists[int(rng.random() * counts[_UNMARKED])])
                slot = pages[victim, _SLOT]
                pages[victim, _SLOT] = 0
            lists[np.int64(slot) - 1] = page
            pages[page, _SLOT] = slot
            counts[_EVICTED] = victim
        elif counts[_MARKING] == 0 and counts[_FRESH] == 0 and has_key(words, _time(pages, page)):
            clear_key(words, starts, _time(pages, page))
            set_key(words, starts, t)
        if counts[_MARKING] == 1:
            _mark(cache, page)
        pages[page, _LAST] = t + 1
        hold(cache, layers, inner, predictions, pages, lists, words, starts, counts, rng)
        return fault

    def fetch(state, page, bit):
        prefetch(state.cache.pages, page)
        prefetch(state.layers.last, page)
        followed_fetch(state.followed, page, bit)

    return EvictionKernels(init, access, _holds, _evicted, fetch=fetch)
