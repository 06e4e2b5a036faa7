"""Synthetic request traces: loops, phases, scans, uniform requests, and popularities that drift.

Every simulator draws one page at a time from an explicit model, in compiled code. `Trace` renumbers the pages in
order of first occurrence; its `pages` are the model's own numbers, which each docstring explains.

Phases that keep some pages are derived here. Models of locality are in `simulators.locality_traces`.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numba import njit
from pydantic import Field, ValidationInfo, field_validator

from algos.contracts import Count, Natural, NonNegative, check_generator, description
from algos.optimal_paging import MAX_REQUESTS
from simulators.traces import Trace, zipf_ranks

__all__ = [
    "DriftingZipfTrace",
    "LoopTrace",
    "PhasesTrace",
    "ScanTrace",
    "TraceSize",
    "UniformTrace",
    "at_most",
]

TraceSize = Annotated[Count, Field(le=MAX_REQUESTS)]


def at_most(value: int, name: str, info: ValidationInfo) -> int:
    """The value, when it is not above the field `name`, which stands before it."""
    if name in info.data and value > info.data[name]:
        raise ValueError(f"must be at most {name} = {info.data[name]}")
    return value


@description
class UniformTrace:
    """Independent requests, each uniform over all pages.

    With k + 1 pages it is the distribution that no online algorithm with k pages copes with: each faults with
    probability 1 / (k + 1) on every request, once its cache is full.

    Parameters
    ----------
    n_pages : int in 1..2**31-1
        Number of pages.
    length : int in 1..2**31-1
        Number of requests.

    Examples
    --------
    >>> import numpy as np
    >>> UniformTrace(n_pages=11, length=1000).sample(np.random.default_rng(0))
    Trace('uniform(11)', 1000 requests of 11 pages)
    """

    n_pages: TraceSize
    length: TraceSize

    def sample(self, rng: np.random.Generator) -> Trace:
        """Draw a trace whose `pages` are numbers in 0..n_pages-1. O(length)."""
        drawn = check_generator(rng, "UniformTrace").integers(0, self.n_pages, self.length, dtype=np.uint32)
        return Trace(drawn, name=f"uniform({self.n_pages})")


@description
class LoopTrace:
    """Pages 0, 1, ..., n_pages - 1 in turn, again and again.

    With one page more than the cache holds, LRU and FIFO fault on every request and the optimum on about one in k.

    Parameters
    ----------
    n_pages : int in 1..2**31-1
        Length of the cycle.
    length : int in 1..2**31-1
        Number of requests.

    Examples
    --------
    >>> LoopTrace(n_pages=3, length=7).sample().requests
    array([0, 1, 2, 0, 1, 2, 0], dtype=uint32)
    """

    n_pages: TraceSize
    length: TraceSize

    def sample(self, rng: np.random.Generator | None = None) -> Trace:
        """Return the trace, always the same: `rng` is not used. O(length)."""
        cycle = np.arange(min(self.n_pages, self.length), dtype=np.uint32)
        return Trace(np.resize(cycle, self.length), name=f"loop({self.n_pages})")


@description
class PhasesTrace:
    """Phases that each request a set of pages of one size, some or all of them new to the trace.

    A phase requests each of its pages once in random order, and that `repetitions` times, every time in a new order.
    The next phase keeps all but `fresh` pages, chosen uniformly. It begins with a fresh page, so that for
    k = pages_per_phase these phases are the k-phases of the trace, and every one after the first has exactly `fresh`
    clean pages.

    Parameters
    ----------
    pages_per_phase : int >= 1
        Pages that a phase requests.
    n_phases : int >= 1
        Number of phases; there are pages_per_phase * n_phases * repetitions requests, at most 2**31-1.
    repetitions : int >= 1
        How many times a phase requests each of its pages.
    fresh : int in 0..pages_per_phase, optional
        Pages of a phase that were never requested before; all of them when omitted. With 0 all phases have the same
        pages.

    Examples
    --------
    >>> import numpy as np
    >>> from algos import clean_pages
    >>> trace = PhasesTrace(pages_per_phase=4, n_phases=3, fresh=1).sample(np.random.default_rng(0))
    >>> clean_pages(trace.requests, trace.n_pages, cache_size=4)
    array([4, 1, 1])
    """

    pages_per_phase: Count
    n_phases: Count
    repetitions: Count = 1
    fresh: Natural | None = None

    @field_validator("pages_per_phase", "n_phases", "repetitions")
    @classmethod
    def _in_32_bits(cls, value: int, info: ValidationInfo) -> int:
        before = math.prod(info.data.values())
        if value * before > MAX_REQUESTS:
            raise ValueError(
                f"must be at most {MAX_REQUESTS // before}, so that there are at most {MAX_REQUESTS} requests"
            )
        return value

    @field_validator("fresh")
    @classmethod
    def _of_one_phase(cls, value: int | None, info: ValidationInfo) -> int | None:
        return None if value is None else at_most(value, "pages_per_phase", info)

    def sample(self, rng: np.random.Generator) -> Trace:
        """Draw a trace; its `pages` are numbered phase by phase. O(length)."""
        size, fresh = self.pages_per_phase, self.pages_per_phase if self.fresh is None else self.fresh
        drawn = _phases(size, self.n_phases, self.repetitions, fresh, check_generator(rng, "PhasesTrace"))
        return Trace(drawn, name=f"phases({self.pages_per_phase})")


@njit(cache=True, nogil=True)
def _phases(size, n_phases, repetitions, fresh, rng):
    """Requests, shape (size * n_phases * repetitions,) uint32."""
    requests = np.empty(size * n_phases * repetitions, np.uint32)
    members = np.arange(size, dtype=np.uint32)
    n_pages = size
    t = 0
    for phase in range(n_phases):
        if phase > 0:
            for i in range(fresh):  # the first steps of a shuffle choose who leaves
                j = i + np.int64(rng.random() * (size - i))
                members[j] = members[i]
                members[i] = n_pages
                n_pages += 1
        for repetition in range(repetitions):
            done = 0
            if phase > 0 and repetition == 0 and fresh > 0:
                j = np.int64(rng.random() * fresh)
                members[0], members[j] = members[j], members[0]
                done = 1
            for i in range(done, size):
                j = i + np.int64(rng.random() * (size - i))
                members[i], members[j] = members[j], members[i]
            for i in range(size):
                requests[t] = members[i]
                t += 1
    return requests


@description
class DriftingZipfTrace:
    """Zipf requests whose ranking changes: now and then two ranks trade their pages.

    Parameters
    ----------
    n_pages : int in 1..2**31-1
        Number of pages.
    exponent : float >= 0
        The page of rank r has probability proportional to r ** -exponent.
    length : int in 1..2**31-1
        Number of requests.
    swap_every : int in 1..2**31-1
        After so many requests two different ranks, chosen uniformly, trade pages.

    Examples
    --------
    >>> import numpy as np
    >>> DriftingZipfTrace(n_pages=100, exponent=1.0, length=1000, swap_every=10).sample(np.random.default_rng(0))
    Trace('drifting_zipf(1)', 1000 requests of 99 pages)
    """

    n_pages: TraceSize
    exponent: NonNegative
    length: TraceSize
    swap_every: TraceSize

    def sample(self, rng: np.random.Generator) -> Trace:
        """Draw a trace; its `pages` are the ranks at the start, 0 the most popular. O(n_pages + length).

        All ranks are drawn first: before the first swap the trace is that of `ZipfTrace` with the same generator.
        """
        rng = check_generator(rng, "DriftingZipfTrace")
        ranks = zipf_ranks(self.n_pages, self.exponent, self.length, rng)
        _trade(ranks, self.n_pages, self.swap_every, rng)
        return Trace(ranks, name=f"drifting_zipf({self.exponent:g})")


@njit(cache=True, nogil=True)
def _trade(requests, n_pages, swap_every, rng):
    """Replace the ranks in requests, shape (length,), by the pages that hold them."""
    page_of = np.arange(n_pages, dtype=np.uint32)
    for start in range(0, requests.size, swap_every):
        if start > 0 and n_pages > 1:
            i = np.int64(rng.random() * n_pages)
            j = (i + 1 + np.int64(rng.random() * (n_pages - 1))) % n_pages
            page_of[i], page_of[j] = page_of[j], page_of[i]
        for t in range(start, min(start + swap_every, requests.size)):
            requests[t] = page_of[requests[t]]


@description
class ScanTrace:
    """Zipf requests to a hot set, interrupted by sequential scans over the other pages.

    Parameters
    ----------
    n_pages : int in 2..2**31-1
        Number of pages, hot and cold.
    hot_pages : int in 1..n_pages-1
        Pages of the hot set.
    exponent : float >= 0
        The r-th hot page has probability proportional to r ** -exponent.
    scan_length : int in 1..2**31-1
        Requests of a scan. A scan goes on where the last one stopped, and after the last cold page with the first.
    scan_every : int in 1..2**31-1
        Hot requests before each scan.
    length : int in 1..2**31-1
        Number of requests, hot and cold; the trace begins with hot ones and may end within a scan.

    Examples
    --------
    >>> import numpy as np
    >>> world = ScanTrace(n_pages=6, hot_pages=2, exponent=1.0, scan_length=3, scan_every=2, length=15)
    >>> trace = world.sample(np.random.default_rng(0))
    >>> trace.pages[trace.requests]
    array([0, 0, 2, 3, 4, 0, 0, 5, 2, 3, 1, 1, 4, 5, 2], dtype=uint32)
    """

    n_pages: TraceSize
    hot_pages: Count
    exponent: NonNegative
    scan_length: TraceSize
    scan_every: TraceSize
    length: TraceSize

    @field_validator("hot_pages")
    @classmethod
    def _leaves_cold_ones(cls, value: int, info: ValidationInfo) -> int:
        if "n_pages" in info.data and value >= info.data["n_pages"]:
            raise ValueError(f"must be below n_pages = {info.data['n_pages']}")
        return value

    def sample(self, rng: np.random.Generator) -> Trace:
        """Draw a trace; its `pages` are hot below hot_pages, by popularity, and cold from there on.

        O(hot_pages + length), one uniform a hot request.
        """
        rng = check_generator(rng, "ScanTrace")
        rounds, rest = divmod(self.length, self.scan_every + self.scan_length)
        hot = rounds * self.scan_every + min(rest, self.scan_every)
        ranks = zipf_ranks(self.hot_pages, self.exponent, hot, rng)
        requests = _with_scans(ranks, self.hot_pages, self.n_pages, self.scan_length, self.scan_every, self.length)
        return Trace(requests, name=f"scan({self.scan_length})")


@njit(cache=True, nogil=True)
def _with_scans(hot_requests, hot_pages, n_pages, scan_length, scan_every, length):
    """Requests, shape (length,) uint32: the hot ones, and a scan after every `scan_every` of them."""
    requests = np.empty(length, np.uint32)
    hot, cold = 0, hot_pages
    t = 0
    while t < length:
        stop = min(t + scan_every, length)
        while t < stop:
            requests[t] = hot_requests[hot]
            hot += 1
            t += 1
        stop = min(t + scan_length, length)
        while t < stop:
            requests[t] = cold
            cold = cold + 1 if cold + 1 < n_pages else hot_pages
            t += 1
    return requests
