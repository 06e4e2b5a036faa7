"""Trust&Doubt: trust a predicted cache, and doubt it twice as long whenever it turns out wrong.

Source: A. Antoniadis, C. Coester, M. Elias, A. Polak, B. Simon, "Online metric algorithms with untrusted predictions",
ICML 2020. The algorithm is known to us through its public code, step by step; the data structures, which take O(1)
amortized instead of O(k) a request, are derived here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.kernels import hold
from algos.optimal_paging import clear_key, has_keys, highest_key, key_set, lowest_key, prefetch, set_key
from online.paging.following import CacheFollower, functions_to_follow
from online.paging.policy import EVERYTHING, NOTHING, EvictionKernels

__all__ = ["TrustAndDoubt"]


@description
class TrustAndDoubt(CacheFollower):
    """Marking that trades pages with a predicted cache, as long as the pages it gave away do not come back too soon.

    For every clean page of a phase, one not requested in the phase before, a page that the predicted cache does without
    is given away. When that page is requested all the same, another one takes its place and is kept for a while that
    doubles each time: the prediction is doubted. The cache so described may trade pages without a fault; it is
    simulated, and followed lazily.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    followed : EvictionPolicy, or its class
        Whose cache is the prediction, `BlindOracle` unless another is given: as good as the predicted arrival times
        that it reads. It must have the same cache size.

    Notes
    -----
    Competitive ratio O(min(1 + log(1 + eta / OPT), log k)) in expectation, eta the number of predicted pages that
    differ from the optimum's, added up over the requests (without constants, so not in the ledger). Ties are broken by
    the last request, where the public code takes the time of loading. O(1) amortized a request beside the
    followed policy.
    """

    randomized: ClassVar[bool] = True

    def following(self, followed: EvictionKernels) -> EvictionKernels:
        """The functions of the policy, from those of the one it follows."""
        return _trusting(followed, self.followed.lazy())


# Names as in the source: a phase begins with ancient pages, cached but not requested in the phase before, and stale
# ones, the other cached ones. U is the set of stale pages not requested in this phase. q is a clean page, p(q) the page
# given away for it.
#
# Every function is compiled into `access`, without a call that could raise: see docs/design.md. What the state consists
# of are therefore few arrays with many rows.


class _Doubt(NamedTuple):
    requests: np.ndarray  # (n,) uint32, the trace; only its past is read
    pages: np.ndarray  # (m, 6) uint32, a row a page
    lists: np.ndarray  # (11, k + 1) int64
    words: np.ndarray  # uint64, four sets of times of last requests, one after the other, then three of priorities
    starts: np.ndarray  # (5,) int64, of the sets of times
    ranks: np.ndarray  # (5,) int64, of the sets of priorities
    counts: np.ndarray  # (10,) int64
    cache_size: int


# Columns of `pages`: 2 (1 + time of the last request) + whether we hold the page; last phase that requested it; last
# phase it was stale in; its priority there; 1 + number of the clean page it was given away for, 0 for none; 1 + its
# slot in the simulated cache, 0 when it is not there.
_STAMP, _SEEN, _STALE, _PRIORITY, _AGAINST, _SLOT = 0, 1, 2, 3, 4, 5
# Rows of `lists`: the simulated cache; the stale pages by priority; the pages requested in the phase; scratch. Then,
# for the clean pages of the phase in order: the page given away, or -1; whether trusted; patience; number of seen pages
# at which patience ends, -1 for never; next and previous clean page with the same number, -1 for none. Last, for a
# number of seen pages, a clean page whose patience ends there, -1 for none.
_CACHE, _BY_PRIORITY, _REQUESTED, _NOTED, _AWAY, _TRUSTED, _PATIENCE, _DUE, _NEXT, _BEFORE, _FIRST = range(11)
# Sets of times: of pages that we hold and the simulated cache does not; of ancient pages; of those that the predicted
# cache does without; of pages to give away: stale or seen, not predicted, not given away.
_ONLY_OURS, _ANCIENT, _UNPREDICTED, _CANDIDATES = 0, 1, 2, 3
# Sets of priorities: of the pages of U in the simulated cache; of the others, without those that a trusting clean page
# gave away; and, a set of the same kind, of the clean pages whose patience ends now.
_CACHED_STALE, _ABSENT_STALE, _FIRING = 0, 1, 2
# Entries of `counts`: pages in the simulated cache; phase, from 1; seen pages; stale; ancient; clean; the page that the
# followed policy let go of right after serving it, -1 for none; pages that we hold; page that we evicted last; a page
# that only we hold and that is kept apart from their set, the last one traded away, -1 for none.
_N_CACHED, _PHASE, _N_SEEN, _N_STALE, _N_ANCIENT, _N_CLEAN, _LET_GO, _HELD, _EVICTED, _APART = range(10)


class _State(NamedTuple):
    doubt: _Doubt
    followed: Any  # the state of the followed policy
    predictions: np.ndarray  # (n,) or (1,), what the followed policy reads
    stride: int


@njit(nogil=True)
def _doubt_init(requests, n_pages, cache_size):
    """An empty cache."""
    k = min(cache_size, n_pages)
    times, starts = key_set(requests.size)
    priorities, ranks = key_set(k)
    return _Doubt(
        requests,
        np.zeros((n_pages, 6), np.uint32),
        np.full((11, k + 1), np.int64(-1)),
        np.zeros(4 * times.size + 3 * priorities.size, np.uint64),
        starts,
        ranks,
        np.array([0, 1, 0, 0, 0, 0, -1, 0, NOTHING, -1]),
        k,
    )


@njit(forceinline=True)
def _time(pages, page):
    """The time of the page's last request, -1 before the first."""
    return np.int64(pages[page, _STAMP] >> 1) - 1


@njit(forceinline=True)
def _put(doubt, which, key):
    """Put a time into a set of times."""
    set_key(doubt.words, doubt.starts, key, which * doubt.starts[4])


@njit(forceinline=True)
def _take(doubt, which, key):
    """Take a time out of a set of times, if it is there."""
    clear_key(doubt.words, doubt.starts, key, which * doubt.starts[4])


@njit(forceinline=True)
def _put_rank(doubt, which, rank):
    """Put a priority into a set of priorities."""
    set_key(doubt.words, doubt.ranks, rank, 4 * doubt.starts[4] + which * doubt.ranks[4])


@njit(forceinline=True)
def _take_rank(doubt, which, rank):
    """Take a priority out of a set of priorities, if it is there."""
    clear_key(doubt.words, doubt.ranks, rank, 4 * doubt.starts[4] + which * doubt.ranks[4])


@njit(forceinline=True)
def _begin_phase(doubt, page):
    """Sort the simulated cache into ancient and stale pages. O(k), paid by the k pages of the phase before.

    In the scratch row stands, slot by slot, which of its pages are predicted.
    """
    _, pages, lists, words, starts, _, counts, _ = doubt
    if starts[4] <= 16 * lists.shape[1]:  # faster than page by page, and O(k) as well
        for place in range(_ANCIENT * starts[4], 4 * starts[4]):
            words[place] = 0
    else:
        for i in range(counts[_N_SEEN]):
            _take(doubt, _CANDIDATES, _time(pages, lists[_REQUESTED, i]))
        for i in range(counts[_N_STALE]):
            _take(doubt, _CANDIDATES, _time(pages, lists[_BY_PRIORITY, i]))
        for slot in range(counts[_N_CACHED] if counts[_N_ANCIENT] > 0 else 0):
            _take(doubt, _ANCIENT, _time(pages, lists[_CACHE, slot]))
            _take(doubt, _UNPREDICTED, _time(pages, lists[_CACHE, slot]))
    for q in range(counts[_N_CLEAN]):
        if lists[_AWAY, q] >= 0:
            pages[lists[_AWAY, q], _AGAINST] = 0
    for due in range(lists.shape[1]):
        lists[_FIRST, due] = -1
    for place in range(4 * starts[4], words.size):
        words[place] = 0
    counts[_PHASE] += 1
    counts[_N_SEEN] = 0
    counts[_N_CLEAN] = 0
    counts[_N_ANCIENT] = 0
    counts[_N_STALE] = 0
    for slot in range(counts[_N_CACHED]):
        other = lists[_CACHE, slot]
        key, unpredicted = _time(pages, other), lists[_NOTED, slot] == 0
        stale = other == page or pages[other, _SEEN] == counts[_PHASE] - 1
        if stale:
            pages[other, _STALE] = counts[_PHASE]
            lists[_BY_PRIORITY, counts[_N_STALE]] = other
            counts[_N_STALE] += 1
        else:
            counts[_N_ANCIENT] += 1
            _put(doubt, _ANCIENT, key)
        if unpredicted and other != page:
            _put(doubt, _CANDIDATES if stale else _UNPREDICTED, key)
    hold(doubt, pages, lists, words, starts, counts)


@njit(forceinline=True)
def _note_priorities(doubt):
    """The place of a stale page is its priority. O(k), paid by the k pages of the phase before."""
    _, pages, lists, _, _, _, counts, _ = doubt
    for i in range(counts[_N_STALE]):
        pages[lists[_BY_PRIORITY, i], _PRIORITY] = i
        _put_rank(doubt, _CACHED_STALE, i)
    hold(doubt, pages, lists, counts)


@njit(forceinline=True)
def _left_prediction(doubt, page):
    """The predicted cache does without this page from now on."""
    pages, counts = doubt.pages, doubt.counts
    if pages[page, _SEEN] == counts[_PHASE] or pages[page, _STALE] == counts[_PHASE]:
        if pages[page, _AGAINST] == 0:
            _put(doubt, _CANDIDATES, _time(pages, page))
    elif pages[page, _SLOT] > 0:
        _put(doubt, _UNPREDICTED, _time(pages, page))
    hold(doubt, pages, counts)


@njit(forceinline=True)
def _all_left_prediction(doubt, page):
    """The predicted cache does without all pages but this one from now on."""
    lists, counts = doubt.lists, doubt.counts
    for row, size in ((_REQUESTED, counts[_N_SEEN]), (_BY_PRIORITY, counts[_N_STALE]), (_CACHE, counts[_N_CACHED])):
        for i in range(size):
            if lists[row, i] != page:
                _left_prediction(doubt, lists[row, i])
    hold(doubt, lists, counts)


@njit(forceinline=True)
def _trade(doubt, victim, page):
    """Let the page take the victim's slot in the simulated cache."""
    pages, lists, counts = doubt.pages, doubt.lists, doubt.counts
    slot = pages[victim, _SLOT]
    pages[victim, _SLOT] = 0
    if pages[victim, _STAMP] & 1 == 1:
        if counts[_APART] >= 0:
            _put(doubt, _ONLY_OURS, _time(pages, counts[_APART]))
        counts[_APART] = victim
    pages[page, _SLOT] = slot
    lists[_CACHE, np.int64(slot) - 1] = page
    if page == counts[_APART]:
        counts[_APART] = -1
    elif pages[page, _STAMP] & 1 == 1:
        _take(doubt, _ONLY_OURS, _time(pages, page))
    hold(doubt, pages, lists, counts)


@njit(forceinline=True)
def _make_place(doubt, page):
    """Load an absent page into the simulated cache, which is full."""
    requests, pages, lists, words, starts, ranks, counts, _ = doubt
    if counts[_N_ANCIENT] > 0:
        which = _UNPREDICTED if has_keys(words, starts, _UNPREDICTED * starts[4]) else _ANCIENT
        key = lowest_key(words, starts, which * starts[4])
        _take(doubt, _ANCIENT, key)
        _take(doubt, _UNPREDICTED, key)
        counts[_N_ANCIENT] -= 1
        victim = np.int64(requests[key])
    else:
        # Of the k pages at most k - 1 were requested in the phase, which requests the absent one as well.
        rank = lowest_key(words, ranks, 4 * starts[4] + _CACHED_STALE * ranks[4])
        victim = lists[_BY_PRIORITY, rank]
        _take_rank(doubt, _CACHED_STALE, rank)
        q = np.int64(pages[victim, _AGAINST]) - 1
        if q < 0 or lists[_TRUSTED, max(q, 0)] == 0:
            _put_rank(doubt, _ABSENT_STALE, rank)
    _trade(doubt, victim, page)
    hold(doubt, requests, pages, lists, words, starts, ranks, counts)


@njit(forceinline=True)
def _ban(doubt, away):
    """A page that a trusting clean page gave away is not to be loaded before it is requested."""
    pages, phase = doubt.pages, doubt.counts[_PHASE]
    if pages[away, _STALE] == phase and pages[away, _SEEN] != phase:
        _take_rank(doubt, _ABSENT_STALE, np.int64(pages[away, _PRIORITY]))
    hold(doubt, pages)


@njit(forceinline=True)
def _give_away(doubt, q, trusted, patience):
    """Choose p(q): the least recently requested candidate, if there is one. Patience then lasts for so many pages."""
    requests, pages, lists, words, starts, _, counts, _ = doubt
    lists[_AWAY, q] = -1
    lists[_TRUSTED, q] = trusted
    lists[_PATIENCE, q] = patience
    if has_keys(words, starts, _CANDIDATES * starts[4]):
        key = lowest_key(words, starts, _CANDIDATES * starts[4])
        _take(doubt, _CANDIDATES, key)
        away = np.int64(requests[key])
        lists[_AWAY, q] = away
        pages[away, _AGAINST] = q + 1
        if trusted == 1:
            _ban(doubt, away)
    # A clean page trusts as soon as it came: its number is the present one.
    due = counts[_N_SEEN] if trusted == 1 else counts[_N_SEEN] + patience
    lists[_DUE, q] = -1
    if due < lists.shape[1]:
        following = lists[_FIRST, due]
        lists[_DUE, q] = due
        lists[_NEXT, q] = following
        lists[_BEFORE, q] = -1
        if following >= 0:
            lists[_BEFORE, following] = q
        lists[_FIRST, due] = q
    hold(doubt, requests, pages, lists, words, starts, counts)


@njit(forceinline=True)
def _wait_no_more(lists, q):
    """Take q out of the list that it waits in, if any."""
    if lists[_DUE, q] >= 0:
        following, before = lists[_NEXT, q], lists[_BEFORE, q]
        if following >= 0:
            lists[_BEFORE, following] = before
        if before >= 0:
            lists[_NEXT, before] = following
        else:
            lists[_FIRST, lists[_DUE, q]] = following
        lists[_DUE, q] = -1
    hold(lists)


@njit(forceinline=True)
def _fire(doubt):
    """Let all clean pages whose patience ends trust again, in their order: what they gave away must go.

    A clean page that trusts already has nothing to do: what it gave away is not loaded before it is requested.
    """
    _, pages, lists, words, starts, ranks, counts, _ = doubt
    absent, firing = 4 * starts[4] + _ABSENT_STALE * ranks[4], 4 * starts[4] + _FIRING * ranks[4]
    q = lists[_FIRST, counts[_N_SEEN]]
    lists[_FIRST, counts[_N_SEEN]] = -1
    while q >= 0:
        lists[_DUE, q] = -1
        _put_rank(doubt, _FIRING, q)
        q = lists[_NEXT, q]
    while has_keys(words, ranks, firing):
        q = lowest_key(words, ranks, firing)
        _take_rank(doubt, _FIRING, q)
        away = lists[_AWAY, q]
        if lists[_TRUSTED, q] == 0:
            lists[_PATIENCE, q] *= 2
            lists[_TRUSTED, q] = 1
            if away >= 0:
                _ban(doubt, away)
        if away >= 0 and pages[max(away, 0), _SLOT] > 0 and has_keys(words, ranks, absent):
            rank = highest_key(words, ranks, absent)
            _take_rank(doubt, _ABSENT_STALE, rank)
            if pages[away, _STALE] == counts[_PHASE] and pages[away, _SEEN] != counts[_PHASE]:
                _take_rank(doubt, _CACHED_STALE, np.int64(pages[away, _PRIORITY]))
            _put_rank(doubt, _CACHED_STALE, rank)
            _trade(doubt, away, lists[_BY_PRIORITY, rank])
    hold(doubt, pages, lists, words, starts, ranks, counts)


@njit(forceinline=True)
def _serve(doubt, page, new):
    """Serve a request after the first phase, in the simulated cache."""
    _, pages, lists, _, _, _, counts, _ = doubt
    phase = counts[_PHASE]
    stale, absent = pages[page, _STALE] == phase, pages[page, _SLOT] == 0
    # Clean pages are none while there are ancient ones, this one included.
    settled = counts[_N_ANCIENT] == 0
    if new:
        if stale:
            _take_rank(doubt, _ABSENT_STALE if absent else _CACHED_STALE, np.int64(pages[page, _PRIORITY]))
        elif not absent:
            counts[_N_ANCIENT] -= 1
            _take(doubt, _ANCIENT, _time(pages, page))
            _take(doubt, _UNPREDICTED, _time(pages, page))
        pages[page, _SEEN] = phase
        lists[_REQUESTED, counts[_N_SEEN]] = page
        counts[_N_SEEN] += 1
    if absent:
        _make_place(doubt, page)
    if settled:
        # Give away for a clean page that comes; else, for the one that this page was given away for, another one, in
        # which case the prediction is doubted. Both at once cannot be: a page that was given away is stale or seen.
        q = np.int64(pages[page, _AGAINST]) - 1
        doubted = q >= 0
        if doubted:
            pages[page, _AGAINST] = 0
            _wait_no_more(lists, q)
        elif new and not stale:
            q = counts[_N_CLEAN]
            counts[_N_CLEAN] += 1
        if q >= 0:
            _give_away(doubt, q, 0 if doubted else 1, lists[_PATIENCE, q] if doubted else 1)
        if new:
            _fire(doubt)
    hold(doubt, pages, lists, counts)


@njit(forceinline=True)
def _load_first(doubt, page):
    """In the first phase pages are just loaded."""
    _, pages, lists, _, _, _, counts, _ = doubt
    lists[_CACHE, counts[_N_CACHED]] = page
    counts[_N_CACHED] += 1
    pages[page, _SLOT] = counts[_N_CACHED]
    pages[page, _SEEN] = 1
    lists[_REQUESTED, counts[_N_SEEN]] = page
    counts[_N_SEEN] += 1


@njit(forceinline=True)
def _hold_page(doubt, page, t):
    """Serve the request in our own cache; whether that is a fault."""
    requests, pages, _, words, starts, _, counts, cache_size = doubt
    fault = pages[page, _STAMP] & 1 == 0
    if fault:
        counts[_EVICTED] = NOTHING
        if counts[_HELD] < cache_size:
            counts[_HELD] += 1
        else:
            # We hold k pages, the simulated cache the requested one and k - 1 others: one is only ours.
            victim = counts[_APART]
            if has_keys(words, starts, _ONLY_OURS * starts[4]):
                key = lowest_key(words, starts, _ONLY_OURS * starts[4])
                if victim < 0 or key < _time(pages, victim):
                    _take(doubt, _ONLY_OURS, key)
                    victim = np.int64(requests[key])
            if victim == counts[_APART]:
                counts[_APART] = -1
            pages[victim, _STAMP] -= np.uint32(1)
            counts[_EVICTED] = victim
    pages[page, _STAMP] = 2 * (t + 1) + 1
    hold(doubt, requests, pages, words, starts, counts)
    return fault


@njit(forceinline=True)
def _holds(state, page):
    return state.doubt.pages[page, 0] & 1 == 1


@njit(forceinline=True)
def _evicted(state):
    return state.doubt.counts[8]


@lru_cache(maxsize=256)
def _trusting(followed: EvictionKernels, lazy: bool) -> EvictionKernels:
    """Trust&Doubt with the cache of a policy with these functions as the prediction."""
    followed_init, followed_access, followed_holds, followed_evicted, followed_fetch = functions_to_follow(followed)

    def init(requests, n_pages, cache_size, params):
        parameters, predictions, stride = params
        inner = followed_init(requests, n_pages, cache_size, parameters)
        return _State(_doubt_init(requests, n_pages, cache_size), inner, predictions, stride)

    def access(state, page, bit, t, rng):
        doubt, inner, predictions, stride = state
        _, pages, lists, _, _, _, counts, cache_size = doubt
        if not lazy and counts[_LET_GO] >= 0:
            _left_prediction(doubt, counts[_LET_GO])
            counts[_LET_GO] = -1
        fault = followed_access(inner, page, predictions[t * stride], t, rng)
        new = pages[page, _SEEN] != counts[_PHASE]
        if new and counts[_N_SEEN] == cache_size:
            for slot in range(counts[_N_CACHED]):
                lists[_NOTED, slot] = followed_holds(inner, np.uint32(lists[_CACHE, slot]))
            _begin_phase(doubt, page)
            for i in range(counts[_N_STALE] - 1, 0, -1):
                j = int(rng.random() * (i + 1))
                other = lists[_BY_PRIORITY, i]
                lists[_BY_PRIORITY, i] = lists[_BY_PRIORITY, j]
                lists[_BY_PRIORITY, j] = other
            _note_priorities(doubt)
        elif fault:
            left = np.int64(followed_evicted(inner))
            if left >= 0:
                _left_prediction(doubt, left)
            elif left == EVERYTHING:
                _all_left_prediction(doubt, page)
            if pages[page, _STAMP] > 0:
                _take(doubt, _CANDIDATES, _time(pages, page))
        if counts[_PHASE] > 1:
            _serve(doubt, page, new)
        elif new:
            _load_first(doubt, page)
        own_fault = _hold_page(doubt, page, t)
        if not (lazy or followed_holds(inner, page)):
            counts[_LET_GO] = page
        hold(doubt, inner, predictions, pages, lists, counts, rng)
        return own_fault

    def fetch(state, page, bit):
        prefetch(state.doubt.pages, page)
        followed_fetch(state.followed, page, bit)

    return EvictionKernels(init, access, _holds, _evicted, fetch=fetch)
