"""Predictors of discard bits: constant, from noisy or learned times, from history, and malicious ones.

A discard bit is 1 when the offline optimum evicts the page before its next request (`algos.discard_bits`). Predictors
that need a truth, or training data, take the cache size that defines it, and have `truth` and `errors`.

Sources: arXiv:2210.02775 (discard bits); A. Anderson et al., "The dynamics of repeat consumption", WWW 2014 (PLECO).
The conventions of training, and which bits an adversary flips first, are ours.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, get_args

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, BeforeValidator, Field

from algos.contracts import Count, Natural, NonNegative, Probability, description, whole_number
from algos.optimal_paging import (
    clear_key,
    dense_requests,
    discard_bits,
    highest_key,
    key_set,
    next_use,
    optimal_fault_flags,
    set_key,
)
from algos.phases import k_phases
from algos.predictions import arrival_ranks, checked_arrivals, prediction_errors
from simulators.arrival_predictors import LognormalArrivals, NormalArrivals, PLECOArrivals

__all__ = [
    "AdversarialBits",
    "ConstantBits",
    "HistoryBits",
    "NoisyBeladyBits",
    "PLECOBits",
    "ThresholdBits",
    "worst_bits",
]

_KindOfError = Literal["keep", "discard", "both"]
_MOST_REQUESTS = 12  # of a trace whose bits are all tried: 4096 of them


def _bit(value: Any) -> int:
    # Pydantic alone would take 1.0 and "1" as well.
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value not in (0, 1):
        raise ValueError("must be 0 or 1")
    return int(value)


def _arrival_predictor(value: Any) -> Any:
    predicts_times = getattr(value, "kind", None) == "arrivals" and callable(getattr(value, "predict", None))
    if isinstance(value, type) or not predicts_times:
        raise ValueError("must be a predictor of arrival times, for example LognormalArrivals(sigma=5)")
    return value


_Bit = Annotated[int, BeforeValidator(_bit)]
_Share = Annotated[float, Field(gt=0.0, le=1.0)]


class _OfDiscardBits:
    """What predictors share whose truth is the discard bits of a cache."""

    cache_size: int

    kind: ClassVar[Literal["bits", "arrivals"]] = "bits"

    def truth(self, trace: Any) -> NDArray[np.uint8]:
        """The true bits of a trace, shape (n,)."""
        return discard_bits(trace.requests, trace.n_pages, self.cache_size)

    def errors(self, trace: Any, bits: ArrayLike) -> tuple[int, int]:
        """Numbers of wrong 0s and of wrong 1s among any bits for the trace: (eta0, eta1)."""
        return prediction_errors(bits, self.truth(trace))


@description
class ConstantBits:
    """The same bit for every request.

    Parameters
    ----------
    bit : int, 0 or 1
        0 never expects an eviction, 1 always.

    Examples
    --------
    >>> from simulators import Trace
    >>> ConstantBits(bit=1).predict(Trace("abca"))
    array([1, 1, 1, 1], dtype=uint8)
    """

    bit: _Bit

    kind: ClassVar[Literal["bits", "arrivals"]] = "bits"

    def predict(self, trace: Any, rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """Bits, shape (n,); `rng` is not used."""
        return np.full(len(trace.requests), self.bit, dtype=np.uint8)


@description
class NoisyBeladyBits(_OfDiscardBits):
    """What Belady's rule would say if it knew the next requests only roughly.

    The rule evicts the page with the largest noisy time, the least recently requested among equal ones. The bit of a
    request is 1 when that run faults on the page's next request, or there is none. Without noise it is the truth.

    Parameters
    ----------
    cache_size : int >= 1
        The cache of the run, and of the optimum that defines the truth: the one the policy will have.
    sigma : float >= 0
        Size of the noise, see `noise`.
    noise : {"lognormal", "normal"}
        Whose times the rule believes: those of `LognormalArrivals` or of `NormalArrivals`.

    Examples
    --------
    >>> import numpy as np
    >>> from simulators import Trace
    >>> NoisyBeladyBits(cache_size=2, sigma=0.0).predict(Trace("abcabc"), np.random.default_rng(0))
    array([0, 1, 0, 1, 1, 1], dtype=uint8)
    """

    cache_size: Count
    sigma: NonNegative
    noise: Literal["lognormal", "normal"] = "lognormal"

    def predict(self, trace: Any, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Bits, shape (n,), from one normal a request. O(n + m) after one sort of the times."""
        noisy = LognormalArrivals(self.sigma) if self.noise == "lognormal" else NormalArrivals(self.sigma)
        ranks = arrival_ranks(noisy.predict(trace, rng))
        flags = np.ones(ranks.size + 1, dtype=np.bool_)  # one more, for pages that are not requested again
        _follow(dense_requests(trace.requests, trace.n_pages), ranks, trace.n_pages, self.cache_size, flags)
        bits: NDArray[np.uint8] = flags[next_use(trace.requests, trace.n_pages)].view(np.uint8)
        return bits


@njit(nogil=True)
def _follow(requests, ranks, n_pages, cache_size, flags):
    """Whether each request is a fault, into flags, shape (n + 1,), when the page of the highest rank is evicted."""
    words, starts = key_set(requests.size)  # the ranks of the cached pages
    key_of = np.zeros(n_pages, np.uint32)  # 1 + rank of the last request of a cached page, 0 for others
    page_of = np.empty(requests.size, np.uint32)
    free = np.int64(cache_size)
    for t in range(requests.size):
        page, rank = requests[t], np.int64(ranks[t])
        flags[t] = key_of[page] == 0
        if key_of[page] != 0:
            clear_key(words, starts, np.int64(key_of[page]) - 1)
        elif free > 0:
            free -= 1
        else:
            latest = highest_key(words, starts)
            clear_key(words, starts, latest)
            key_of[page_of[latest]] = 0
        page_of[rank] = page
        key_of[page] = rank + 1
        set_key(words, starts, rank)


@description
class ThresholdBits(_OfDiscardBits):
    """Bits that a learner makes of predicted times: 1 when the next request is predicted to be far away.

    The bit of request t with predicted time h is 1 when h - t > T. The first requests are training data: T is what
    makes the most of their bits right, measured against the discard bits of the training data taken for a trace of
    its own; of several such T the smallest, since a wrong 0 costs more than a wrong 1.

    Parameters
    ----------
    cache_size : int >= 1
        The cache whose optimum defines the truth: the one the policy will have.
    arrivals : predictor of times
        For example `LognormalArrivals` or `PLECOArrivals`.
    training : float in (0, 1]
        Share of the requests that T is learned from, rounded up. They get bits as well.

    Examples
    --------
    >>> from simulators import NextArrivals, Trace
    >>> times = NextArrivals(never=float("inf"))
    >>> ThresholdBits(cache_size=2, arrivals=times, training=0.75).predict(Trace("abacabad"))
    array([0, 1, 0, 1, 0, 1, 1, 1], dtype=uint8)
    """

    cache_size: Count
    arrivals: Annotated[Any, AfterValidator(_arrival_predictor)]
    training: _Share = 0.5

    def predict(self, trace: Any, rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """Bits, shape (n,); `rng` is what the predictor of times needs. O(n log(n) + m)."""
        n = len(trace.requests)
        ahead = checked_arrivals(self.arrivals.predict(trace, rng), n) - np.arange(n)
        trained = math.ceil(self.training * n)
        truth = discard_bits(trace.requests[:trained], trace.n_pages, self.cache_size)
        zeros, ones = np.sort(ahead[:trained][truth == 0]), np.sort(ahead[:trained][truth == 1])
        bits: NDArray[np.uint8] = (ahead > _best_threshold(zeros, ones)).view(np.uint8)
        return bits


@njit(cache=True, nogil=True)
def _best_threshold(zeros, ones):
    """The smallest T with the most entries of zeros <= T plus entries of ones > T; both are in increasing order."""
    i = j = 0
    best, right = -math.inf, -1
    threshold = -math.inf
    while True:
        while i < zeros.size and zeros[i] <= threshold:
            i += 1
        while j < ones.size and ones[j] <= threshold:
            j += 1
        if i + ones.size - j > right:
            best, right = threshold, i + ones.size - j
        if i == zeros.size:
            return best
        # Between two zeros, a larger T makes no more bits right.
        threshold = zeros[i]


@description
class HistoryBits(_OfDiscardBits):
    """Each page has one bit for the whole trace: what most of its last three true bits in the training data said.

    Only the bits that the training data reveals count: whether the optimum evicts a page before its next request is
    known at that request. Of two bits the later one decides.

    Parameters
    ----------
    cache_size : int >= 1
        The cache whose optimum defines the truth: the one the policy will have.
    training : float in (0, 1]
        Share of the requests that are training data, rounded up. They get bits as well.
    default : int, 0 or 1
        The bit of pages of which no true bit is known.

    Examples
    --------
    >>> from simulators import Trace
    >>> HistoryBits(cache_size=2, training=0.75).predict(Trace("abacabad"))
    array([0, 1, 0, 1, 0, 1, 0, 1], dtype=uint8)
    """

    cache_size: Count
    training: _Share = 0.5
    default: _Bit = 1

    def predict(self, trace: Any, rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """Bits, shape (n,); `rng` is not used. O(n + m)."""
        requests = dense_requests(trace.requests, trace.n_pages)
        seen = requests[: math.ceil(self.training * requests.size)]
        flags = optimal_fault_flags(seen, trace.n_pages, self.cache_size)
        of_page: NDArray[np.uint8] = _majorities(seen, trace.n_pages, flags, self.default)
        bits: NDArray[np.uint8] = of_page[requests]
        return bits


@njit(cache=True, nogil=True)
def _majorities(requests, n_pages, flags, default):
    """The bit of each page, shape (m,), from the fault flags of the optimum, shape (n,)."""
    met = np.zeros(n_pages, np.uint8)  # requests so far, up to 4
    last = np.zeros(n_pages, np.uint8)  # the last three bits, the latest lowest
    for t in range(requests.size):
        page = requests[t]
        if met[page] > 0:
            last[page] = ((last[page] << 1) | flags[t]) & 7
        met[page] = min(met[page] + 1, 4)
    bits = np.empty(n_pages, np.uint8)
    for page in range(n_pages):
        if met[page] < 2:
            bits[page] = default
        elif met[page] < 4:
            bits[page] = last[page] & 1
        else:
            bits[page] = ((last[page] & 1) + (last[page] >> 1 & 1) + (last[page] >> 2)) >> 1
    return bits


@description
class PLECOBits:
    """Keep the pages that PLECO believes to be requested next, discard the others.

    The bit is 0 when the probability that the page is the next one requested (`PLECOArrivals`) is above a threshold.

    Parameters
    ----------
    threshold : float in [0, 1]
        The larger, the more 1s.

    Examples
    --------
    >>> from simulators import Trace
    >>> PLECOBits().predict(Trace("aaabbc"))
    array([0, 0, 0, 1, 1, 1], dtype=uint8)
    """

    threshold: Probability = 0.5

    kind: ClassVar[Literal["bits", "arrivals"]] = "bits"

    def predict(self, trace: Any, rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """Bits, shape (n,); `rng` is not used. O(n + m)."""
        bits: NDArray[np.uint8] = (PLECOArrivals().probabilities(trace) <= self.threshold).view(np.uint8)
        return bits


@description
class AdversarialBits(_OfDiscardBits):
    """True discard bits but for a number of wrong ones, placed where they should hurt most.

    Wrong 0s go to the last true 1 of every k-phase, then to the last but one of every phase, and so on: such pages
    stay in the cache, and the phase that follows pays. Within each turn the phases come in an order that spreads any
    number of them over the trace, so that the cache recovers in between; the last phase, which nothing follows, comes
    after all others. Wrong 1s go to the true 0s whose page is requested again latest, the earlier of equals first:
    such a page is the surest to be evicted before, and costs its fault, the most that a wrong 1 may cost. Both are
    heuristics; `worst_bits` finds the worst choice for a few requests.

    Parameters
    ----------
    cache_size : int >= 1
        The cache whose optimum defines the truth, and k: the one the policy will have.
    budget : int >= 0
        Number of wrong bits; fewer when there are no more bits to flip. More wrong bits include all of fewer.
    kind_of_error : {"keep", "discard", "both"}
        Wrong 0s, wrong 1s, or half and half: the odd one is a wrong 0, and what one half lacks goes to the other.
    reuse : {"longest", "shortest"}
        Which true 0s become wrong 1s first: those whose page is requested again latest, or soonest. "longest" hurts
        more, see below.

    Notes
    -----
    Faults that a wrong 1 costs `FlushWhenAllZeros` and lazy `Mark0`, which agree, with 1, 10 and 30 % of the true 0s
    flipped, on ten pairs of a trace and a cache (Zipf, web07, web12, uniform, scans, a working set, stack distances, a
    random walk): "longest" 0.07 to 1.00, median 1.00; "shortest" 0.00 to 0.72, median 0.00. With 70 % flipped
    "shortest" was ahead on one of them, by 0.08 to 0.03. On loops all reuses are equal, and eager `Mark0` pays 1 for
    each in any order.

    Of what the worst two wrong 1s (`worst_bits`) cost `FlushWhenAllZeros` on 200 random sequences of 12 requests to 5
    pages with k = 3, "longest" makes it pay 95 %, a random choice 40 %, "shortest" 2 %. The two wrong 0s chosen here
    make it pay 88 % of the worst two, random ones 49 %.

    Examples
    --------
    >>> from simulators import Trace
    >>> predictor = AdversarialBits(cache_size=2, budget=2)
    >>> predictor.predict(Trace("abcabc"))
    array([1, 0, 0, 1, 1, 1], dtype=uint8)
    >>> predictor.errors(Trace("abcabc"), predictor.predict(Trace("abcabc")))
    (1, 1)
    """

    cache_size: Count
    budget: Natural
    kind_of_error: _KindOfError = "both"
    reuse: Literal["longest", "shortest"] = "longest"

    def predict(self, trace: Any, rng: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """Bits, shape (n,); `rng` is not used. O(n + m)."""
        bits = self.truth(trace)
        ones, zeros = np.flatnonzero(bits == 1), np.flatnonzero(bits == 0)
        wrong_0s = {"keep": self.budget, "discard": 0, "both": (self.budget + 1) // 2}[self.kind_of_error]
        if self.kind_of_error == "both":
            wrong_0s = min(max(wrong_0s, self.budget - zeros.size), ones.size)
        wrong_1s = 0 if self.kind_of_error == "keep" else self.budget - wrong_0s
        if wrong_0s and ones.size:
            phases = k_phases(trace.requests, trace.n_pages, self.cache_size)
            after = np.cumsum(np.bincount(phases[ones]))[phases[ones]] - 1 - np.arange(ones.size)  # 1s in its phase
            after[phases[ones] == phases[-1]] += bits.size
            bits[ones[_smallest(after, _spread(int(phases[-1]) + 1)[phases[ones]], wrong_0s)]] = 0
        if wrong_1s:
            ahead = next_use(trace.requests, trace.n_pages)[zeros] - zeros
            late = bits.size - ahead if self.reuse == "longest" else ahead
            bits[zeros[_smallest(late, zeros, wrong_1s)]] = 1
        return bits


def _smallest(major: NDArray[np.int64], minor: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Where the `count` smallest pairs (major, minor) are, all different and below 2**32; or all of them. O(n)."""
    if count >= major.size:
        return np.arange(major.size)
    return np.argpartition((major << 32) | minor, count - 1)[:count]


def _spread(size: int) -> NDArray[np.int64]:
    """Ranks of 0..size-1, shape (size,), in an order whose every beginning is spread out: that of reversed bits."""
    order = np.zeros(1, dtype=np.int64)
    while order.size < size:
        order = np.concatenate((2 * order, 2 * order + 1))
    ranks = np.empty(size, dtype=np.int64)
    ranks[order[order < size]] = np.arange(size)
    return ranks


def worst_bits(
    trace: Any,
    cache_size: int,
    cost: Callable[[NDArray[np.uint8]], float],
    *,
    budget: int | None = None,
    kind_of_error: _KindOfError = "both",
) -> tuple[NDArray[np.uint8], float]:
    """The wrong bits that cost most, by trying them all.

    Parameters
    ----------
    trace : Trace
        At most 12 requests.
    cache_size : int >= 1
        The cache whose optimum defines the truth.
    cost : callable
        ``cost(bits)`` for bits of shape (n,): what a policy pays with them, the expectation if it is randomized.
    budget : int >= 0, optional
        At most so many wrong bits; as many as there are when omitted.
    kind_of_error : {"keep", "discard", "both"}
        Only wrong 0s, only wrong 1s, or any.

    Returns
    -------
    bits : uint8 array, shape (n,)
        Among equally bad ones, those with the fewest wrong bits, and of these the ones that are wrong earliest.
    worst : float
        Their cost.

    Raises
    ------
    ValueError
        When the trace is longer, the budget is no whole number >= 0, the kind is another, or a cost is NaN.

    Notes
    -----
    At most 2**n calls of `cost`.

    Examples
    --------
    >>> from online.paging import FlushWhenAllZeros
    >>> from simulators import Trace
    >>> trace = Trace("abcabc")
    >>> worst_bits(trace, 2, lambda bits: FlushWhenAllZeros(2).run(trace.with_bits(bits)).outcome["faults"], budget=1)
    (array([1, 1, 0, 1, 1, 1], dtype=uint8), 5.0)
    """
    truth = discard_bits(trace.requests, trace.n_pages, cache_size)
    if truth.size > _MOST_REQUESTS:
        raise ValueError(f"trace: {truth.size} requests are more than {_MOST_REQUESTS}, whose bits can all be tried")
    if kind_of_error not in get_args(_KindOfError):
        raise ValueError(f"kind_of_error: {kind_of_error!r} is not one of {', '.join(get_args(_KindOfError))}")
    places = np.flatnonzero({"keep": truth == 1, "discard": truth == 0, "both": truth >= 0}[kind_of_error])
    most = places.size if budget is None else min(whole_number(budget, "budget", 0), places.size)
    worst, worst_cost = truth, -math.inf
    for wrong in itertools.chain.from_iterable(itertools.combinations(places, size) for size in range(most + 1)):
        bits = truth.copy()
        bits[list(wrong)] ^= 1
        paid = float(cost(bits.copy()))
        if math.isnan(paid):
            raise ValueError(f"cost: nan for the bits {bits.tolist()} is no number")
        if paid > worst_cost:
            worst, worst_cost = bits, paid
    return worst, worst_cost
