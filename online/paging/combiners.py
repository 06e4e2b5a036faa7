"""Combining two eviction policies: never much worse than the better one, whichever that turns out to be.

Both policies are simulated on all requests, and one of them is followed lazily (`online.paging.following`).
`CombineDeterministic` turns to the other one when the followed one has become too costly, `CombineRandomized` keeps a
probability for each by multiplicative weights.

Sources: A. Fiat, R. M. Karp, M. Luby, L. A. McGeoch, D. D. Sleator, N. E. Young, "Competitive paging algorithms", 1991
(deterministic); A. Blum & C. Burch, "On-line learning and the metrical task system problem", 2000 (randomized); A.
Antoniadis et al., "Online metric algorithms with untrusted predictions", ICML 2020 (both, for paging with predictions).
The bounds with their constants are derived here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numba import njit
from pydantic import Field

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_paging import clear_key, key_set, prefetch, set_key
from online.paging.following import (
    FollowedPolicy,
    Follower,
    follower_holds,
    follower_init,
    functions_to_follow,
    last_request,
    load,
    note_change,
    oldest_outside,
    parameters_of,
    stamp_request,
)
from online.paging.policy import NOTHING, EvictionKernels, EvictionPolicy, Prediction

__all__ = [
    "Combination",
    "CombineDeterministic",
    "CombineRandomized",
    "combine_deterministic_bound",
    "combine_randomized_bound",
]

Growth = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
LossRate = Annotated[float, Field(gt=0.0, lt=1.0)]


@description
class Combination(EvictionPolicy):
    """What combinations share: two policies of one cache size.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    """

    def experts(self) -> tuple[EvictionPolicy, EvictionPolicy]:
        """The two policies."""
        raise NotImplementedError(f"{type(self).__name__} must define experts()")

    def reads(self) -> frozenset[Prediction]:
        """The predictions that the two policies read."""
        first, second = self.experts()
        return frozenset(first.reads() | second.reads())

    def rule(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """How to make the numbers that decide whom to follow from `parameters`, and how to decide."""
        raise NotImplementedError(f"{type(self).__name__} must define rule()")

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        first, second = self.experts()
        lazy = first.lazy(), second.lazy()
        return _combination(first.kernels(), second.kernels(), *lazy, *self.rule())

    def kernels_in(self, form: Callable[..., Any]) -> EvictionKernels:
        """The functions of the policy, and of the two that it combines, in one form."""
        first, second = self.experts()
        lazy = first.lazy(), second.lazy()
        kernels = first.kernels_in(form), second.kernels_in(form)
        return _combination(*kernels, *lazy, *map(form, self.rule())).in_form(form)

    def parameters_for(self, trace: Any) -> Any:
        """What the two policies need, and the combination itself."""
        if self.reads() >= {"discard bits", "phase bits"} and getattr(trace, "bits", None) is not None:
            raise ValueError("bits: a trace carries one bit a request, and the combined policies read it differently")
        first, second = self.experts()
        return parameters_of(first, trace), parameters_of(second, trace), self.parameters()


@description
class CombineDeterministic(Combination):
    """Follow one of two policies until its faults exceed a limit; then the other, with a higher limit, and so on.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    first, second : EvictionPolicy, or its class
        The policies to combine; both must have the same cache size. `first` is followed at the beginning.
    gamma : float > 0
        The limit begins at 1 and grows by the factor 1 + gamma at every change. Small values follow the better policy
        more closely, but change more often.

    Notes
    -----
    At most (2 + gamma) L + 2 + k (3 + log_{1+gamma} L) faults, L those of the better policy
    (`combine_deterministic_bound`). O(1) amortized a request beside the two policies. It is a policy itself, so that
    more than two can be combined.

    Examples
    --------
    >>> from online.paging import LRU, CombineDeterministic, FlushWhenAllZeros
    >>> from simulators import Trace
    >>> CombineDeterministic(2, FlushWhenAllZeros, LRU).run(Trace("abcabcabc")).outcome["faults"]
    7
    """

    first: FollowedPolicy
    second: FollowedPolicy
    gamma: Growth = 1.0

    def experts(self) -> tuple[EvictionPolicy, EvictionPolicy]:
        """The two policies."""
        return self.first, self.second

    def draws(self) -> bool:
        """Whether one of the policies draws random numbers."""
        return any(expert.draws() for expert in self.experts())

    def rule(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """A limit on the faults of the followed policy."""
        return LIMITS

    def parameters(self) -> Any:
        """The growth of the limit."""
        return 1.0 + self.gamma


@description
class CombineRandomized(Combination):
    """Follow one of two policies at random, the likelier the fewer faults it had so far (multiplicative weights).

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    first, second : EvictionPolicy, or its class
        The policies to combine; both must have the same cache size.
    delta : float in (0, 1)
        A fault multiplies the weight of a policy by 1 - delta. Theory takes epsilon / 2k for a cost of 1 + epsilon
        times the better policy's, practice 0.25.

    Notes
    -----
    Expected faults at most (1 + k delta) (ln 2 + L ln(1 / (1 - delta))) / delta, L those of the better policy
    (`combine_randomized_bound`). The followed policy changes only when its probability has shrunk, with the least
    probability that keeps the law right. O(1) a request beside the two policies.

    Examples
    --------
    >>> import numpy as np
    >>> from online.paging import CombineRandomized, Mark0, Marker
    >>> from simulators import Trace
    >>> robust = CombineRandomized(2, Mark0, Marker)
    >>> robust.run(Trace("abcabcabc"), rng=np.random.default_rng(0)).outcome["requests"]
    9
    """

    first: FollowedPolicy
    second: FollowedPolicy
    delta: LossRate = 0.25

    randomized: ClassVar[bool] = True

    def experts(self) -> tuple[EvictionPolicy, EvictionPolicy]:
        """The two policies."""
        return self.first, self.second

    def rule(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Multiplicative weights."""
        return WEIGHTS

    def parameters(self) -> Any:
        """The logarithm of the factor of a fault."""
        return math.log1p(-self.delta)


@guarantee("derived here, after Fiat et al. 1991", kind="upper", algorithm="CombineDeterministic", evidence="derived")
def combine_deterministic_bound(best: float, cache_size: int, gamma: float = 1.0) -> float:
    """CombineDeterministic faults <= (2 + gamma) L + 2 + k (3 + log_{1+gamma} L), L = faults of the better policy.

    Parameters
    ----------
    best : float >= 0
        L; with randomized policies in expectation, or run by run.
    cache_size : int >= 1
        k, pages in the cache.
    gamma : float > 0
        Growth of the limit.

    Notes
    -----
    While a policy is followed, a fault is one of its own or fills a place in which the two caches differed when it was
    turned to, at most k. The followed policies' own faults add up to at most (2 + gamma) L + 2, since the better one is
    never left once the limit is L, and there are at most 3 + log_{1+gamma} L turns. L below 1 counts as 1 in the
    logarithm.
    """
    turns = 3.0 + math.log(max(best, 1.0)) / math.log1p(gamma)
    return (2.0 + gamma) * best + 2.0 + cache_size * turns


@guarantee("derived here, after Blum & Burch 2000", kind="upper", algorithm="CombineRandomized", evidence="derived")
def combine_randomized_bound(best: float, cache_size: int, delta: float = 0.25) -> float:
    """E[faults of CombineRandomized] <= (1 + k delta) (ln 2 + L ln(1/(1-delta))) / delta, L = the better policy's.

    Parameters
    ----------
    best : float >= 0
        L, faults of the better policy; with randomized policies the smaller one of their expectations.
    cache_size : int >= 1
        k, pages in the cache.
    delta : float in (0, 1)
        Loss of weight by a fault.

    Notes
    -----
    The expected faults of the policy followed are at most (ln 2 + L ln(1/(1-delta))) / delta, the textbook bound of
    multiplicative weights. A turn costs at most k faults more, and the probability of one at a request is at most delta
    times that of a fault of the policy followed.
    """
    return (1.0 + cache_size * delta) * (math.log(2.0) - best * math.log1p(-delta)) / delta


class _Combined(NamedTuple):
    own: Follower
    first: Any  # the state of the first policy
    first_predictions: np.ndarray  # (n,) or (1,)
    first_stride: int
    second: Any  # the state of the second policy
    second_predictions: np.ndarray
    second_stride: int
    words: np.ndarray  # uint64, two sets of last requests: of pages that we hold and the first, or the second, does not
    starts: np.ndarray  # (5,) int64, for both sets
    counts: np.ndarray  # (4,) int64: which policy is followed; faults of the first, of the second; turns
    limits: np.ndarray  # (2,) float64: the limit and its growth; or the factor of a fault and its logarithm


@njit(forceinline=True)
def _holds(state, page):
    return follower_holds(state.own, page)


@njit(forceinline=True)
def _evicted(state):
    return state.own.counts[1]


@njit(forceinline=True)
def _limits(growth):
    """The first limit, and how it grows, shape (2,)."""
    return np.array([1.0, growth])


@njit(forceinline=True)
def _weights(log_factor):
    """The factor of a fault and its logarithm, shape (2,)."""
    return np.array([math.exp(log_factor), log_factor])


@njit(forceinline=True)
def _turn_at_the_limit(counts, limits, before, first_fault, second_fault, t, rng):
    """Which policy to follow for this request, and from then on. Its own fault counts before it is served."""
    if before:
        counts[1] += first_fault
        counts[2] += second_fault
        while counts[1 + counts[0]] > limits[0]:
            counts[0] = 1 - counts[0]
            counts[3] += 1
            limits[0] *= limits[1]
    hold(counts, limits, rng)


@njit(forceinline=True, error_model="numpy")  # q + r > 0; a division that may raise would cost half the speed
def _turn_at_random(counts, limits, before, first_fault, second_fault, t, rng):
    """Which policy to follow from the next request on; before the first one, draw it."""
    if before:
        if t == 0:
            counts[0] = 0 if rng.random() < 0.5 else 1
    else:
        mine = second_fault if counts[0] == 1 else first_fault
        other = first_fault if counts[0] == 1 else second_fault
        if mine and not other:
            # The weight of the other policy over that of ours goes from r to r / q, our share shrinks by the factor
            # (1 + r) / (1 + r / q) = q (1 + r) / (q + r).
            q, draw = limits[0], rng.random()
            if draw < 1.0 - q:  # the probability of a turn is never larger
                lead = counts[1 + counts[0]] - counts[2 - counts[0]]
                r = math.exp(min(700.0, -limits[1] * lead))
                if draw < 1.0 - q * (1.0 + r) / (q + r):
                    counts[0] = 1 - counts[0]
                    counts[3] += 1
        counts[1] += first_fault
        counts[2] += second_fault
    hold(counts, limits, rng)


LIMITS, WEIGHTS = (_limits, _turn_at_the_limit), (_weights, _turn_at_random)
"""The rules of `CombineDeterministic` and of `CombineRandomized`, as `Combination.rule` wants them."""


@lru_cache(maxsize=256)
def _combination(
    first: EvictionKernels,
    second: EvictionKernels,
    first_lazy: bool,
    second_lazy: bool,
    options: Callable[..., Any],
    turn: Callable[..., Any],
) -> EvictionKernels:
    """The functions of the combination of policies with these functions."""
    first_init, first_access, first_holds, first_evicted, first_fetch = functions_to_follow(first)
    second_init, second_access, second_holds, second_evicted, second_fetch = functions_to_follow(second)

    def init(requests, n_pages, cache_size, params):
        (parameters, predictions, stride), (parameters_2, predictions_2, stride_2), own_parameters = params
        words, starts = key_set(requests.size)
        return _Combined(
            follower_init(requests, n_pages, cache_size),
            first_init(requests, n_pages, cache_size, parameters),
            predictions,
            stride,
            second_init(requests, n_pages, cache_size, parameters_2),
            predictions_2,
            stride_2,
            np.zeros(2 * words.size, np.uint64),
            starts,
            np.zeros(4, np.int64),
            options(own_parameters),
        )

    def access(state, page, bit, t, rng):
        own, words, starts, counts, limits = state.own, state.words, state.starts, state.counts, state.limits
        first, first_predictions = state.first, state.first_predictions
        second, second_predictions = state.second, state.second_predictions
        first_fault = first_access(first, page, first_predictions[t * state.first_stride], t, rng)
        second_fault = second_access(second, page, second_predictions[t * state.second_stride], t, rng)
        turn(counts, limits, True, first_fault, second_fault, t, rng)
        base = starts[4]  # of the second set
        left = first_evicted(first) if first_fault else NOTHING
        apart = note_change(own, words, starts, 0, page, first_fault, left)
        left = second_evicted(second) if second_fault else NOTHING
        apart_2 = note_change(own, words, starts, base, page, second_fault, left)
        fault = not follower_holds(own, page)
        if fault:
            victim = np.int64(NOTHING)
            if own.counts[0] == own.slots.size:
                if counts[0] == 0:
                    victim = oldest_outside(own, words, starts, 0, apart)
                else:
                    victim = oldest_outside(own, words, starts, base, apart_2)
                if victim != NOTHING:
                    if victim == apart:
                        apart = np.int64(NOTHING)
                    elif not first_holds(first, np.uint32(victim)):
                        clear_key(words, starts, last_request(own, victim), 0)
                    if victim == apart_2:
                        apart_2 = np.int64(NOTHING)
                    elif not second_holds(second, np.uint32(victim)):
                        clear_key(words, starts, last_request(own, victim), base)
            load(own, page, victim)
        if apart != NOTHING:
            set_key(words, starts, last_request(own, apart), 0)
        if apart_2 != NOTHING:
            set_key(words, starts, last_request(own, apart_2), base)
        stamp_request(own, page, t)
        if not (first_lazy or first_holds(first, page)):  # it has let go of it already
            set_key(words, starts, t, 0)
        if not (second_lazy or second_holds(second, page)):
            set_key(words, starts, t, base)
        turn(counts, limits, False, first_fault, second_fault, t, rng)
        hold(own, first, first_predictions, second, second_predictions, words, starts, counts, limits, rng)
        return fault

    def fetch(state, page, bit):
        prefetch(state.own.pages, page)
        first_fetch(state.first, page, bit)
        second_fetch(state.second, page, bit)

    return EvictionKernels(init, access, _holds, _evicted, fetch=fetch)
