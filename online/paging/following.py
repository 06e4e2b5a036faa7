"""Following another policy's cache lazily: `FollowThePrediction`, and what all followers share.

A follower simulates another policy on all requests and keeps a cache of its own. Only when it has to make place does it
evict a page, one that the followed policy does not hold; of several the one requested least recently. Once the two
caches agree, it faults only where the followed policy does.

The pages that the follower holds and the followed policy does not are a set of integers, the times of their last
requests, so that the page to evict is its lowest one. Each request changes the set in O(1) places.

Source: A. Antoniadis, C. Coester, M. Elias, A. Polak, B. Simon, "Online metric algorithms with untrusted predictions",
ICML 2020 (FtP; predictions of cache contents). The data structures are derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, ValidationInfo

from algos.contracts import description, read_only
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_paging import clear_key, has_keys, key_set, lowest_key, prefetch, set_key
from online.paging.arrivals import BlindOracle
from online.paging.policy import EVERYTHING, NOTHING, EvictionKernels, EvictionPolicy, Prediction

__all__ = ["FollowThePrediction", "FollowedPolicy", "follow_the_prediction_bound"]


def _to_follow(value: Any, info: ValidationInfo) -> EvictionPolicy:
    """A policy of our cache size that tells what it holds and evicts; a class becomes the policy of our size."""
    cache_size = info.data.get("cache_size")
    if cache_size is None:
        return value  # the cache size is what is wrong
    if isinstance(value, type) and issubclass(value, EvictionPolicy):
        value = value(cache_size)
    if not isinstance(value, EvictionPolicy):
        raise ValueError("must be an eviction policy")
    if value.cache_size != cache_size:
        raise ValueError(f"must have our cache_size, {cache_size}")
    if value.kernels().holds is None or value.kernels().evicted is None:
        raise ValueError("must be a policy that tells what it holds and what it evicts")
    return value


FollowedPolicy = Annotated[Any, AfterValidator(_to_follow), Field(validate_default=True)]
"""An eviction policy of the same cache size, or its class."""


def functions_to_follow(kernels: EvictionKernels) -> tuple[Callable[..., Any], ...]:
    """What a follower calls of a policy: init, access, holds, evicted, and a fetch that does nothing if it has none."""
    if kernels.holds is None or kernels.evicted is None:
        raise ValueError("kernels: a policy without holds and evicted cannot be followed")
    return kernels.init, kernels.access, kernels.holds, kernels.evicted, kernels.fetch or _no_fetch


def parameters_of(policy: EvictionPolicy, trace: Any) -> tuple[Any, Any, int]:
    """What a follower's `init` needs of a policy that it simulates: parameters, predictions, and their stride."""
    predictions = read_only(policy.predictions(trace))
    return policy.parameters_for(trace), predictions, 0 if predictions.size == 1 else 1


@description
class CacheFollower(EvictionPolicy):
    """What policies share whose prediction is the cache of another policy.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    followed : EvictionPolicy, or its class
        Whose cache is the prediction.
    """

    followed: FollowedPolicy = BlindOracle

    def following(self, followed: EvictionKernels) -> EvictionKernels:
        """The functions of the policy, from those of the one it follows."""
        raise NotImplementedError(f"{type(self).__name__} must define following()")

    def reads(self) -> frozenset[Prediction]:
        """The predictions that the followed policy reads."""
        return frozenset(self.followed.reads())

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return self.following(self.followed.kernels())

    def kernels_in(self, form: Callable[..., Any]) -> EvictionKernels:
        """The functions of the policy, and of the one it follows, in one form."""
        return self.following(self.followed.kernels_in(form)).in_form(form)

    def parameters_for(self, trace: Any) -> Any:
        """What the followed policy needs."""
        return parameters_of(self.followed, trace)


@description
class FollowThePrediction(CacheFollower):
    """Follow the contents of a predicted cache: those of another policy, simulated on the same requests.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    followed : EvictionPolicy, or its class
        Whose cache is the prediction, `BlindOracle` unless another is given: as good as the predicted arrival times
        that it reads. It must have the same cache size.

    Notes
    -----
    Never more faults than the followed policy (`follow_the_prediction_bound`), which matters only where that one
    evicts before it must: following a lazy policy is that policy, and is run as such. Not robust: see `RobustFtP`. O(1)
    a request beside the followed policy.
    """

    def draws(self) -> bool:
        """Whether the followed policy draws random numbers."""
        return bool(self.followed.draws())

    def following(self, followed: EvictionKernels) -> EvictionKernels:
        """Those of a lazy policy themselves."""
        return followed if self.followed.lazy() else _follower_of(followed)

    def parameters_for(self, trace: Any) -> Any:
        """What the followed policy needs."""
        return self.followed.parameters_for(trace) if self.followed.lazy() else super().parameters_for(trace)

    def predictions(self, trace: Any) -> NDArray[Any]:
        """Those of the followed policy where the two are one."""
        return self.followed.predictions(trace) if self.followed.lazy() else super().predictions(trace)


@guarantee("derived here", kind="upper", algorithm="FollowThePrediction", evidence="derived")
def follow_the_prediction_bound(followed: float) -> float:
    """FollowThePrediction faults <= faults of the followed policy.

    Parameters
    ----------
    followed : float >= 0
        Faults of the followed policy on the same requests, with the same draws.

    Notes
    -----
    By induction the followed cache has no page, but those loaded early, that the lazy one lacks: a page is evicted only
    while the followed policy does not hold it, and whenever that one loads it, so does the follower.
    """
    return followed


class Follower(NamedTuple):
    """The follower's own cache."""

    requests: np.ndarray  # (n,) uint32, the trace; only its past is read
    # (m, 2) uint32, for each page 2 (1 + time of its last request) + whether it is cached, 0 before the first; its slot
    pages: np.ndarray
    slots: np.ndarray  # (k,) uint32, the cached pages
    counts: np.ndarray  # (2,) int64: pages cached; page evicted last


_STAMP, _SLOT = 0, 1


@njit(nogil=True)
def follower_init(requests, n_pages, cache_size):
    """An empty cache."""
    slots = np.zeros(min(cache_size, n_pages), np.uint32)
    return Follower(requests, np.zeros((n_pages, 2), np.uint32), slots, np.array([0, NOTHING]))


@njit(forceinline=True)
def follower_holds(own, page):
    """Whether the page is in the follower's cache."""
    return own.pages[page, _STAMP] & 1 == 1


@njit(forceinline=True)
def last_request(own, page):
    """The time of the page's last request, -1 before the first."""
    return np.int64(own.pages[page, _STAMP] >> 1) - 1


# The pages that only the follower holds are a set of times, `words` from `base` on, and one more page that is kept
# apart as long as it can: the one that the followed policy has just evicted, which is mostly the next to leave.


@njit(forceinline=True)
def note_change(own, words, starts, base, page, fault, left):
    """Bring that set up to date with what the followed policy did for a request; the page to keep apart, or NOTHING.

    left : page that the followed policy evicted, NOTHING or EVERYTHING, as its `evicted` tells; NOTHING without fault.
    """
    slots, counts = own.slots, own.counts
    apart = np.int64(NOTHING)
    if fault:
        if follower_holds(own, page):  # only we held it until now
            clear_key(words, starts, last_request(own, page), base)
        if left >= 0:
            if follower_holds(own, left):
                apart = np.int64(left)
        elif left == EVERYTHING:
            for slot in range(min(counts[0], slots.size)):
                if slots[slot] != page:
                    set_key(words, starts, last_request(own, slots[slot]), base)
    hold(own, words, starts, slots, counts)
    return apart


@njit(forceinline=True)
def oldest_outside(own, words, starts, base, apart):
    """The page to evict: of the pages that only the follower holds the one requested least recently.

    NOTHING when there is none, which cannot be while the followed policy keeps to its contract: then the follower holds
    too many pages from now on, and the run is refused at its end. (Raising here would cost three times the speed.)
    """
    requests = own.requests
    victim = apart
    if has_keys(words, starts, base):
        key = lowest_key(words, starts, base)
        if apart == NOTHING or key < last_request(own, apart):
            victim = np.int64(requests[key])
    hold(own, requests, words, starts)
    return victim


@njit(forceinline=True)
def load(own, page, victim):
    """Take in the page, in place of the victim unless that is NOTHING."""
    pages, slots, counts = own.pages, own.slots, own.counts
    counts[1] = victim
    if victim == NOTHING:
        slot = np.uint32(min(counts[0], slots.size - 1))
        counts[0] += 1
    else:
        slot = pages[victim, _SLOT]
        pages[victim, _STAMP] -= np.uint32(1)
    slots[slot] = page
    pages[page, _SLOT] = slot
    hold(pages, slots, counts)


@njit(forceinline=True)
def _no_fetch(state, page, bit):
    """The `fetch` of policies that have none."""


@njit(forceinline=True)
def stamp_request(own, page, t):
    """Note that the page, which is cached, is requested at time t."""
    own.pages[page, _STAMP] = 2 * (t + 1) + 1


class _Following(NamedTuple):
    own: Follower
    followed: Any  # the state of the followed policy
    predictions: np.ndarray  # (n,) or (1,), what the followed policy reads
    stride: int
    words: np.ndarray  # uint64, the set of the last requests of pages that only we hold
    starts: np.ndarray  # (5,) int64


@njit(forceinline=True)
def _holds(state, page):
    return follower_holds(state.own, page)


@njit(forceinline=True)
def _evicted(state):
    return state.own.counts[1]


@lru_cache(maxsize=256)
def _follower_of(followed: EvictionKernels) -> EvictionKernels:
    """The follower of a policy with these functions."""
    followed_init, followed_access, followed_holds, followed_evicted, followed_fetch = functions_to_follow(followed)

    def init(requests, n_pages, cache_size, params):
        parameters, predictions, stride = params
        words, starts = key_set(requests.size)
        own = follower_init(requests, n_pages, cache_size)
        inner = followed_init(requests, n_pages, cache_size, parameters)
        return _Following(own, inner, predictions, stride, words, starts)

    def access(state, page, bit, t, rng):
        own, inner, predictions, stride, words, starts = state
        fault = followed_access(inner, page, predictions[t * stride], t, rng)
        apart = note_change(own, words, starts, 0, page, fault, followed_evicted(inner) if fault else NOTHING)
        own_fault = not follower_holds(own, page)
        if own_fault:
            victim = np.int64(NOTHING)
            if own.counts[0] == own.slots.size:
                victim = oldest_outside(own, words, starts, 0, apart)
                if victim == apart:
                    apart = np.int64(NOTHING)
                else:
                    clear_key(words, starts, last_request(own, victim))
            load(own, page, victim)
        if apart != NOTHING:
            set_key(words, starts, last_request(own, apart))
        stamp_request(own, page, t)
        if not followed_holds(inner, page):  # it has let go of it already
            set_key(words, starts, t)
        hold(own, inner, predictions, words, starts, rng)
        return own_fault

    def fetch(state, page, bit):
        prefetch(state.own.pages, page)
        followed_fetch(state.followed, page, bit)

    return EvictionKernels(init, access, _holds, _evicted, fetch=fetch)
