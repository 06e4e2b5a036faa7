"""Adversaries of eviction policies: worlds that make their next request in view of the cache, or against all marking.

`MissingPage` and `AugmentedMissingPage` play against one policy, and return the requests that they made as a `Trace`.
A deterministic policy that meets the trace again faults on every request of it, and so does a randomized one that is
given the same stream again. `MarkingTrap` needs not look: no marking algorithm escapes it.

The worst cases that need not look either and are known by other names are elsewhere: `LoopTrace` over k + 1 pages,
which costs LRU and FIFO a fault a request, and with a constant bit (`ConstantBits`) is met by the bounds of
`FlushWhenAllZeros` with equality but for a constant; and `UniformTrace` over k + 1 pages, on which no policy, however
randomized, does better than H_k times the optimum.

Sources: D. D. Sleator and R. E. Tarjan, "Amortized efficiency of list update and paging rules", 1985, Theorem 5 (both
adversaries that look). That a queue of evicted pages finds the missing one in constant time, and the trap, are derived
here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field

from algos.contracts import Count, check_generator, description, read_only, whole_number
from algos.kernels import compiled as as_compiled
from algos.kernels import interpreted as as_interpreted
from algos.optimal_paging import MAX_REQUESTS
from simulators.traces import Trace

__all__ = ["AugmentedMissingPage", "MarkingTrap", "MissingPage"]


class _Policy(Protocol):
    """What an adversary plays against: any object of the shape of `online.paging.EvictionPolicy`."""

    cache_size: int

    def kernels_in(self, form: Callable[..., Any]) -> Any:
        """Its functions ``init``, ``access``, ``holds`` and ``evicted``, compiled or interpreted."""
        ...

    def parameters_for(self, trace: Any) -> Any:
        """What ``init`` gets as ``params``."""
        ...


def _bit(value: Any) -> int | None:
    # Pydantic alone would take True for 1, and refuse NumPy's integers.
    if value is None:
        return None
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value not in (0, 1):
        raise ValueError("must be 0, 1 or None")
    return int(value)


def _time(value: float | None) -> float | None:
    if value is not None and np.isnan(value):
        raise ValueError("must be a number, inf for never, or None")
    return value


_Bit = Annotated[int | None, BeforeValidator(_bit)]
_Time = Annotated[float | None, AfterValidator(_time)]


class _Adversary:
    """What adversaries that look share: constant predictions, and the game."""

    name: ClassVar[str]
    bit: int | None
    arrival: float | None

    def against(
        self, policy: _Policy, length: int, rng: np.random.Generator | None = None, *, compiled: bool = True
    ) -> Trace:
        """Play against a policy, from an empty cache.

        Parameters
        ----------
        policy : EvictionPolicy, or anything of its shape
            It must be online, with the kernels ``holds`` and ``evicted``.
        length : int in 0..2**31-1
            Number of requests.
        rng : numpy.random.Generator, optional
            The stream of a randomized policy; the adversary draws nothing.
        compiled : bool
            False interprets the game and the policy: slow, same requests.

        Returns
        -------
        Trace
            The requests, whose pages are numbered in order of first occurrence; with the constant bit and time of
            the adversary, if it has them.

        Raises
        ------
        ValueError
            When the policy does not tell what it holds and evicts (offline ones do not), when it reads predictions
            that the adversary does not make, when it needs a generator, when there are too few pages, or when its
            kernels contradict each other.
        """
        length = whole_number(length, "length", 0)
        if length > MAX_REQUESTS:
            raise ValueError(f"length: {length} is more than {MAX_REQUESTS}")
        who = type(policy).__name__
        cache_size = whole_number(policy.cache_size, f"{who}: cache_size", 1)
        schedule = self._schedule(cache_size, length)
        form = as_compiled if compiled else as_interpreted
        kernels = policy.kernels_in(form)
        if kernels.holds is None or kernels.evicted is None:
            raise ValueError(
                f"{who}: has no kernels `holds` and `evicted`, and no adversary can play against a policy that does "
                "not tell what it holds and what it evicts"
            )
        self._check_predictions(policy, who)
        draws = getattr(policy, "draws", None)
        stream = check_generator(rng, who) if draws is not None and draws() else np.random.default_rng(0)
        requests = np.zeros(length, dtype=np.uint32)
        if length > 0:
            world = _Unplayed(
                read_only(requests),
                schedule.n_pages,
                None if self.bit is None else np.full(length, self.bit, dtype=np.uint8),
                None if self.arrival is None else np.full(length, self.arrival),
            )
            predict = getattr(policy, "predictions", None)
            predictions = read_only(np.zeros(1, dtype=np.uint8) if predict is None else predict(world))
            served = form(_play)(
                kernels.init,
                kernels.access,
                kernels.holds,
                kernels.evicted,
                policy.parameters_for(world),
                requests,
                world.requests,
                predictions,
                0 if predictions.size == 1 else 1,
                schedule.n_pages,
                cache_size,
                schedule.first,
                schedule.period,
                schedule.fresh,
                schedule.kept,
                stream,
            )
            if served < length:
                raise ValueError(
                    f"{who}: its kernels contradict each other at request {served}: either `holds` was True for more "
                    "than cache_size pages, or False for a page on which `access` did not fault"
                )
        trace = Trace(requests, name=f"{self.name}({who})")
        if self.bit is not None:
            trace = trace.with_bits(np.full(length, self.bit, dtype=np.uint8))
        return trace if self.arrival is None else trace.with_arrivals(np.full(length, self.arrival))

    def _check_predictions(self, policy: Any, who: str) -> None:
        """Without a constant, a policy would take the truth of requests that are not made yet for its predictions."""
        reads = policy.reads() if hasattr(policy, "reads") else {getattr(policy, "predicted", None)}
        if self.bit is None and {"discard bits", "phase bits"} & reads:
            raise ValueError(f"bit: {who} reads predicted bits; give the adversary a constant one, 0 or 1")
        if self.arrival is None and "next arrivals" in reads:
            raise ValueError(f"arrival: {who} reads predicted times; give the adversary a constant one, or inf")

    def _schedule(self, cache_size: int, length: int) -> _Schedule:
        raise NotImplementedError


@dataclass(frozen=True)
class _Schedule:
    n_pages: int  # that the game will have requested at its end
    first: int  # fresh pages at the beginning of the first phase
    period: int  # requests of a phase
    fresh: int  # fresh pages at the beginning of every other phase
    kept: int  # pages of a phase that the optimum keeps for the next one


@dataclass(frozen=True)
class _Unplayed:
    """The trace as the policy sees it before the game: only its length and its predictions are known."""

    requests: NDArray[np.uint32]
    n_pages: int
    bits: NDArray[np.uint8] | None
    arrivals: NDArray[np.float64] | None

    def __len__(self) -> int:
        return int(self.requests.size)


@description
class MissingPage(_Adversary):
    """Always request a page that is not in the cache.

    With k + 1 pages and a cache of k, a deterministic policy faults on each of n requests, while the optimum has at
    most n/k + k faults: no deterministic policy has a ratio below k (`missing_page_bound`). Constant predictions tell
    the policy nothing that it could use, and have so many errors that their prices cannot be low either
    (`discard_price_bound`, `phase_price_bound`).

    Parameters
    ----------
    n_pages : int >= 1, optional
        Number of pages, more than the policy's cache holds; one more when omitted. Pages that were never requested
        come first, in order, and then the page that has been missing longest.
    bit : int, 0 or 1, optional
        The predicted bit of every request. Needed against policies that read bits.
    arrival : float, optional
        The predicted time of the next request, the same with every request; inf for never. Needed against policies
        that read times.

    Notes
    -----
    O(1) amortized a request beside the policy's own work.

    Examples
    --------
    >>> from online.paging import LRU, FlushWhenAllZeros
    >>> MissingPage().against(LRU(cache_size=2), length=7).requests
    array([0, 1, 2, 0, 1, 2, 0], dtype=uint32)
    >>> trace = MissingPage(bit=0).against(FlushWhenAllZeros(cache_size=3), length=1000)
    >>> FlushWhenAllZeros(cache_size=3).run(trace).outcome["faults"]
    1000
    """

    n_pages: Count | None = None
    bit: _Bit = None
    arrival: _Time = None

    name: ClassVar[str] = "missing_page"

    def _schedule(self, cache_size: int, length: int) -> _Schedule:
        pages = cache_size + 1 if self.n_pages is None else self.n_pages
        if pages <= cache_size:
            raise ValueError(f"n_pages: {pages} is not more than the {cache_size} pages of the cache")
        pages = min(pages, length)  # more would never be requested
        return _Schedule(pages, first=pages, period=length, fresh=0, kept=1)


@description
class AugmentedMissingPage(_Adversary):
    """Make a policy fault on every request where an optimum with a smaller cache has few faults.

    Phases of k requests against a policy with k pages: k - h + 1 pages that are new to the trace; then h - 1 times a
    page missing in the cache, out of k + 1 pages: those new ones and the h that the optimum held. An optimum with h
    pages faults on the new pages only, after at most h - 1 faults to begin with: no deterministic policy with k pages
    has a ratio below k / (k - h + 1) to it (`missing_page_bound`).

    Parameters
    ----------
    optimum_cache_size : int >= 1
        h, at most the policy's cache size.
    bit : int, 0 or 1, optional
        The predicted bit of every request. Needed against policies that read bits.
    arrival : float, optional
        The predicted time of the next request, the same with every request; inf for never. Needed against policies
        that read times.

    Notes
    -----
    O(1) amortized a request beside the policy's own work.

    Examples
    --------
    >>> from algos import optimal_faults
    >>> from online.paging import LRU
    >>> trace = AugmentedMissingPage(optimum_cache_size=3).against(LRU(cache_size=5), length=1000)
    >>> LRU(cache_size=5).run(trace).outcome["faults"], optimal_faults(trace.requests, trace.n_pages, 3)
    (1000, 602)
    """

    optimum_cache_size: Count
    bit: _Bit = None
    arrival: _Time = None

    name: ClassVar[str] = "augmented_missing_page"

    def _schedule(self, cache_size: int, length: int) -> _Schedule:
        kept = self.optimum_cache_size
        if kept > cache_size:
            raise ValueError(f"optimum_cache_size: {kept} is more than the {cache_size} pages of the cache")
        fresh = cache_size - kept + 1
        phases, rest = divmod(length, cache_size)
        pages = length if phases == 0 else cache_size + fresh * (phases - 1) + min(fresh, rest)
        return _Schedule(pages, first=min(cache_size, length), period=cache_size, fresh=fresh, kept=min(kept, length))


@description
class MarkingTrap:
    """Phases that cost every marking algorithm twice as many faults as the optimum, whatever it knows of the future.

    Each k-phase requests two blocks of k/2 pages that the phase before did without, and one page more when k is odd,
    which stays the same: A B, C D, B A, D C, A B, and so on. Marking algorithms, and all that evict no page requested
    in the phase, load both blocks (`clean_pages`). The optimum keeps the second block of a phase and the first of the
    next one at the border, and loads one block a phase.

    Parameters
    ----------
    cache_size : int >= 2
        k, pages in the cache that the trap is made for.
    n_phases : int >= 1
        Number of phases; there are cache_size * n_phases requests, at most 2**31-1.

    Examples
    --------
    >>> from algos import clean_pages, optimal_faults
    >>> trace = MarkingTrap(cache_size=4, n_phases=100).sample()
    >>> int(clean_pages(trace.requests, 8, cache_size=4).sum()), optimal_faults(trace.requests, 8, 4)
    (400, 204)
    """

    cache_size: Annotated[Count, Field(ge=2, le=MAX_REQUESTS)]
    n_phases: Annotated[Count, Field(le=MAX_REQUESTS)]

    def sample(self, rng: np.random.Generator | None = None) -> Trace:
        """Return the trace, always the same: `rng` is not used. O(number of requests)."""
        if self.cache_size * self.n_phases > MAX_REQUESTS:
            raise ValueError(f"n_phases: {self.n_phases} phases have more than {MAX_REQUESTS} requests")
        half, odd = divmod(self.cache_size, 2)
        a, b, c, d = np.arange(4 * half, dtype=np.uint32).reshape(4, half)
        always = np.full(odd, 4 * half, dtype=np.uint32)
        cycle = np.concatenate([a, b, always, c, d, always, b, a, always, d, c, always])
        return Trace(np.resize(cycle, self.cache_size * self.n_phases), name=f"marking_trap({self.cache_size})")


_EVERYTHING: Literal[-2] = -2  # what ``evicted`` answers when all pages but the requested one have left


@njit(nogil=True)
def _play(
    init,
    access,
    holds,
    evicted,
    params,
    requests,
    seen,
    predictions,
    stride,
    n_pages,
    cache_size,
    first,
    period,
    fresh,
    kept,
    rng,
):
    """Make requests, shape (n,), which the policy sees as `seen`; the first one that was no fault, n if all were."""
    state = init(seen, n_pages, cache_size, params)
    # Pages that were seen leaving stand in a queue. One that came back unseen is found out when its turn comes.
    queue = np.zeros(n_pages, np.uint32)
    waiting = np.zeros(n_pages, np.bool_)
    ends = np.zeros(2, np.int64)  # place of the first in the queue, a ring; how many there are
    member = np.full(n_pages, np.int64(-1))  # the last phase that may request the page
    optimum = np.full(kept, np.int64(-1))  # pages that it held when the phase began
    requested, phase, start, again, flushed = 0, 0, 0, first, 0
    for t in range(requests.size):
        if t - start == period:
            phase += 1
            _begin_phase(requests[start:t], again - start, phase, optimum, member, queue, waiting, ends)
            start, again = t, t + fresh
        page = np.int64(-1)
        if t < again:
            page = np.int64(requested)
            member[page] = phase
            requested += 1
        while page < 0 and ends[1] > 0:
            candidate = _take(queue, waiting, ends)
            if not holds(state, np.uint32(candidate)):
                page = candidate
        if page < 0:  # some page has left unseen
            for candidate in range(requested):
                if member[candidate] == phase and not holds(state, np.uint32(candidate)):
                    page = np.int64(candidate)
                    break
        if page < 0:
            return t
        requests[t] = page
        if not access(state, seen[t], predictions[t * stride], t, rng):
            return t
        victim = np.int64(evicted(state))
        if victim == _EVERYTHING:
            # The cache held only pages that were loaded since everything left the last time.
            for u in range(flushed, t):
                _add(queue, waiting, ends, member, phase, np.int64(requests[u]))
            flushed = t
        elif victim >= 0:
            _add(queue, waiting, ends, member, phase, victim)
        if not holds(state, seen[t]):  # evicted as soon as it was served
            _add(queue, waiting, ends, member, phase, page)
    return requests.size


@njit(cache=True)
def _begin_phase(requests, again, phase, optimum, member, queue, waiting, ends):
    """Let the pages that an optimum can hold after a phase be those that the next may request, shape (h,).

    The requests are those of the phase that ends: fresh pages below `again`, and others. The optimum had to load the
    fresh ones, and can have kept any h pages of the phase for it, if they include the last fresh page and all pages
    requested since.
    """
    while ends[1] > 0:
        _take(queue, waiting, ends)
    before = optimum.copy()
    count = 0
    for u in range(again - 1, requests.size):
        count = _keep(optimum, count, member, phase, np.int64(requests[u]))
    for page in before:
        count = _keep(optimum, count, member, phase, page)
    for u in range(again - 1):
        count = _keep(optimum, count, member, phase, np.int64(requests[u]))
    for page in optimum:
        _add(queue, waiting, ends, member, phase, page)


@njit(cache=True, forceinline=True)
def _keep(optimum, count, member, phase, page):
    """Add a page to those of the optimum, if there is place and it is not there; how many there are."""
    if page >= 0 and count < optimum.size and member[page] != phase:
        optimum[count] = page
        member[page] = phase
        return count + 1
    return count


@njit(cache=True, forceinline=True)
def _add(queue, waiting, ends, member, phase, page):
    """Append a page to the queue, if the phase may request it and it is not there yet."""
    if page < waiting.size and member[page] == phase and not waiting[page]:
        waiting[page] = True
        place = ends[0] + ends[1]
        queue[place if place < queue.size else place - queue.size] = page
        ends[1] += 1


@njit(cache=True, forceinline=True)
def _take(queue, waiting, ends):
    """The first page of the queue, which leaves it."""
    page = np.int64(queue[ends[0]])
    ends[0] = ends[0] + 1 if ends[0] + 1 < queue.size else 0
    ends[1] -= 1
    waiting[page] = False
    return page
