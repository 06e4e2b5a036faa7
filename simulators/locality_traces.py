"""Synthetic request traces from models of locality: working set, Markov chains, random walks, the LRU stack.

Every simulator draws one page at a time from an explicit model, in compiled code. `Trace` renumbers the pages in
order of first occurrence; its `pages` are the model's own numbers, which each docstring explains.

Sources: P. J. Denning, "The working set model for program behavior", 1968; J. R. Spirn, "Distance string models for
program behavior", 1976 (LRU stack model); M. D. Vose, "A linear algorithm for generating random numbers with a given
distribution", 1991 (alias tables). The block tree of the stack is derived here.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import ValidationInfo, field_validator

from algos.arrays import FiniteMatrix
from algos.contracts import Count, Natural, NonNegative, Probability, check_generator, description
from simulators.synthetic_traces import TraceSize, at_most
from simulators.traces import Trace, zipf_ranks

__all__ = ["MarkovTrace", "RandomWalkTrace", "StackDistanceTrace", "WorkingSetTrace"]


@description
class WorkingSetTrace:
    """Requests to a small set of pages that changes slowly.

    With probability 1 - `miss` a request is uniform over the working set, else uniform over all pages. After each
    request, with probability `drift`, a uniformly random page of the set gives its place to a uniformly random page
    outside.

    Parameters
    ----------
    n_pages : int in 1..2**31-1
        Number of pages.
    working_set : int in 1..n_pages
        Pages in the working set.
    length : int in 1..2**31-1
        Number of requests.
    miss : float in [0, 1]
        Probability that a request does not care about the working set.
    drift : float in [0, 1]
        Probability that the working set changes after a request; the set of all pages never does.

    Examples
    --------
    >>> import numpy as np
    >>> world = WorkingSetTrace(n_pages=1000, working_set=10, length=500, drift=0.01)
    >>> world.sample(np.random.default_rng(0))
    Trace('working_set(10)', 500 requests of 18 pages)
    """

    n_pages: TraceSize
    working_set: Count
    length: TraceSize
    miss: Probability = 0.0
    drift: Probability = 0.0

    @field_validator("working_set")
    @classmethod
    def _of_pages(cls, value: int, info: ValidationInfo) -> int:
        return at_most(value, "n_pages", info)

    def sample(self, rng: np.random.Generator) -> Trace:
        """Draw a trace; of its `pages`, 0..working_set-1 are the first working set. O(n_pages + length)."""
        rng = check_generator(rng, "WorkingSetTrace")
        drawn = _working_set(self.n_pages, self.working_set, self.length, self.miss, self.drift, rng)
        return Trace(drawn, name=f"working_set({self.working_set})")


@njit(cache=True, nogil=True)
def _working_set(n_pages, working_set, length, miss, drift, rng):
    """Requests, shape (length,) uint32."""
    pages = np.arange(n_pages, dtype=np.uint32)  # the working set first
    outside = n_pages - working_set
    requests = np.empty(length, np.uint32)
    for t in range(length):
        reach = n_pages if rng.random() < miss else working_set
        requests[t] = pages[np.uint64(rng.random() * reach)]
        if outside > 0 and rng.random() < drift:
            i = np.uint64(rng.random() * working_set)
            j = np.uint64(working_set + np.int64(rng.random() * outside))
            pages[i], pages[j] = pages[j], pages[i]
    return requests


@description
class MarkovTrace:
    """Requests that form a Markov chain over the pages.

    Parameters
    ----------
    transition : array of float, shape (m, m)
        Entry (i, j) is the probability that page j is requested right after page i. Entries are not negative and
        every row sums to 1 within 1e-9.
    length : int in 1..2**31-1
        Number of requests.
    start : int in 0..m-1, optional
        First page; drawn uniformly when omitted.

    Notes
    -----
    O(m**2) to set up, then O(1) a request: every row becomes an alias table, 12 bytes an entry. `RandomWalkTrace` is
    a chain with many pages and few successors each.

    Examples
    --------
    >>> import numpy as np
    >>> MarkovTrace([[0, 1, 0], [0, 0, 1], [1, 0, 0]], length=5, start=1).sample(np.random.default_rng(0)).pages
    array([1, 2, 0], dtype=uint32)
    """

    transition: FiniteMatrix
    length: TraceSize
    start: Natural | None = None

    @field_validator("transition")
    @classmethod
    def _stochastic(cls, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        if matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"must be a square matrix, got shape {matrix.shape}")
        if matrix.min() < 0.0:
            i, j = (int(index) for index in np.argwhere(matrix < 0.0)[0])
            raise ValueError(f"entry ({i}, {j}) in row {i} is {matrix[i, j]}; every entry must be >= 0")
        sums = matrix.sum(axis=1)
        wrong = np.abs(sums - 1.0) > 1e-9
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(f"row {row} sums to {sums[row]}; every row must sum to 1 within 1e-9")
        return matrix

    @field_validator("start")
    @classmethod
    def _of_pages(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and "transition" in info.data and value >= len(info.data["transition"]):
            raise ValueError(f"must be a page in 0..{len(info.data['transition']) - 1}")
        return value

    def sample(self, rng: np.random.Generator) -> Trace:
        """Draw a trace whose `pages` are the rows of the matrix; one uniform a request."""
        rng = check_generator(rng, "MarkovTrace")
        m = len(self.transition)
        first = int(rng.random() * m) if self.start is None else self.start
        stay, other = _alias_tables(self.transition)
        return Trace(_markov(stay, other, first, self.length, rng), name=f"markov({m})")


@njit(cache=True, nogil=True)
def _alias_tables(transition):
    """For row i and column j: the chance to stay at j, and where to go otherwise; shapes (m, m)."""
    m = transition.shape[0]
    stay = np.empty((m, m), np.float64)
    other = np.empty((m, m), np.uint32)
    waiting = np.empty(m, np.int64)  # columns below the average from the left, the others from the right
    for row in range(m):
        total = 0.0
        for j in range(m):
            total += transition[row, j]
        poor, rich = 0, m
        for j in range(m):
            stay[row, j] = transition[row, j] * m / total
            other[row, j] = j
            if stay[row, j] < 1.0:
                waiting[poor] = j
                poor += 1
            else:
                rich -= 1
                waiting[rich] = j
        while poor > 0 and rich < m:
            needy, donor = waiting[poor - 1], waiting[rich]
            other[row, needy] = donor
            stay[row, donor] -= 1.0 - stay[row, needy]
            if stay[row, donor] < 1.0:
                waiting[poor - 1] = donor
                rich += 1
            else:
                poor -= 1
        # What is left differs from the average by rounding only, unless it is 0: then nobody may stay there.
        for i in range(poor):
            j = waiting[i]
            if transition[row, j] > 0.0:
                stay[row, j] = 1.0
            else:
                other[row, j] = _likeliest(transition[row])
    return stay, other


@njit(cache=True)
def _likeliest(row):
    """The column with the largest entry."""
    best = 0
    for j in range(1, row.size):
        if row[j] > row[best]:
            best = j
    return best


@njit(cache=True, nogil=True)
def _markov(stay, other, first, length, rng):
    """Requests, shape (length,) uint32, from alias tables, shapes (m, m)."""
    m = stay.shape[0]
    requests = np.empty(length, np.uint32)
    page = np.uint64(first)
    requests[0] = page
    for t in range(1, length):
        u = rng.random() * m
        column = min(np.uint64(u), np.uint64(m - 1))
        if u - column >= stay[page, column]:
            column = np.uint64(other[page, column])
        page = column
        requests[t] = page
    return requests


@description
class RandomWalkTrace:
    """A walk on a random graph in which every page has a few successors: a sparse Markov chain.

    The successors of each page are drawn first, uniformly and with repetition; they belong to the trace and not to
    the description. The first request is uniform; every next one is a uniformly random successor of the page before,
    or, with probability `jump`, any page.

    Parameters
    ----------
    n_pages : int in 1..2**31-1
        Number of pages.
    neighbours : int in 1..2**31-1
        Successors of each page. With one successor and no jumps, the walk ends in a cycle of about
        sqrt(n_pages) pages.
    length : int in 1..2**31-1
        Number of requests.
    jump : float in [0, 1]
        Probability that a request does not care about the one before.

    Examples
    --------
    >>> import numpy as np
    >>> RandomWalkTrace(n_pages=50, neighbours=3, length=1000, jump=0.1).sample(np.random.default_rng(0))
    Trace('random_walk(3)', 1000 requests of 49 pages)
    """

    n_pages: TraceSize
    neighbours: TraceSize
    length: TraceSize
    jump: Probability = 0.0

    def sample(self, rng: np.random.Generator) -> Trace:
        """Draw a graph, then a trace; its `pages` are in 0..n_pages-1. O(n_pages * neighbours + length)."""
        rng = check_generator(rng, "RandomWalkTrace")
        successors = rng.integers(0, self.n_pages, (self.n_pages, self.neighbours), dtype=np.uint32)
        return Trace(_walk(successors, self.length, self.jump, rng), name=f"random_walk({self.neighbours})")


@njit(cache=True, nogil=True)
def _walk(successors, length, jump, rng):
    """Requests, shape (length,) uint32; successors have shape (m, d)."""
    n_pages, neighbours = successors.shape
    requests = np.empty(length, np.uint32)
    page = np.uint64(rng.random() * n_pages)
    requests[0] = page
    for t in range(1, length):
        if jump > 0.0 and rng.random() < jump:
            page = np.uint64(rng.random() * n_pages)
        else:
            page = np.uint64(successors[page, np.uint64(rng.random() * neighbours)])
        requests[t] = page
    return requests


@description
class StackDistanceTrace:
    """The LRU stack model: how long ago a page was last requested decides how likely it is.

    The pages lie in a stack. A request draws a position d in 1..n_pages with probability proportional to
    d ** -exponent, and the page there is requested and moves to the top. Once all pages were requested, LRU with k
    pages misses each request with the probability that d > k: its miss-ratio curve is the tail of that distribution.

    Parameters
    ----------
    n_pages : int in 1..2**31-1
        Number of pages.
    exponent : float >= 0
        0 is uniform; the larger, the stronger the locality.
    length : int in 1..2**31-1
        Number of requests.

    Examples
    --------
    >>> import numpy as np
    >>> StackDistanceTrace(n_pages=100, exponent=1.5, length=1000).sample(np.random.default_rng(0))
    Trace('stack_distance(1.5)', 1000 requests of 62 pages)
    """

    n_pages: TraceSize
    exponent: NonNegative
    length: TraceSize

    def sample(self, rng: np.random.Generator) -> Trace:
        """Draw a trace, one uniform a request; its `pages` are the positions at the start, 0 the top.

        O(n_pages + length * log(n_pages)).
        """
        rng = check_generator(rng, "StackDistanceTrace")
        requests = zipf_ranks(self.n_pages, self.exponent, self.length, rng)
        _unstack(requests, self.n_pages, max(2 * self.n_pages, 4096))
        return Trace(requests, name=f"stack_distance({self.exponent:g})")


@njit(cache=True, nogil=True)
def _unstack(requests, n_pages, least_slots):
    """Replace the positions in requests, shape (length,), 0 the top, by the pages that lie there.

    The stack is an array of slots with gaps, its top the highest slot in use. Above them stands a tree of counts with
    16 children a node, one cache line: level 0 counts the pages in each 16 slots. When the slots run out, the pages
    move together again.
    """
    empty = np.uint32(2**32 - 1)
    levels, roots = 1, (least_slots + 15) >> 4
    while roots > 16:
        roots = (roots + 15) >> 4
        levels += 1
    starts = np.zeros(levels + 1, np.int64)  # level i has the counts starts[i]..starts[i+1]-1; below the roots full
    for level in range(levels):
        starts[level + 1] = starts[level] + (roots << (4 * (levels - 1 - level)))
    counts = np.zeros(starts[levels], np.uint32)
    slots = np.full(roots << (4 * levels), empty, np.uint32)
    for i in range(n_pages):
        slots[i] = n_pages - 1 - i
    used = n_pages
    _recount(counts, starts, used)
    for t in range(requests.size):
        left = np.int64(requests[t])  # pages above the one we look for
        if left == 0:
            requests[t] = slots[used - 1]
            continue
        node = (used - 1) >> (4 * levels)
        for level in range(levels - 1, -1, -1):
            start = starts[level]
            while counts[start + node] <= left:
                left -= np.int64(counts[start + node])
                node -= 1
            counts[start + node] -= np.uint32(1)
            # The child with the highest slots in use.
            node = min(16 * node + 15, (used - 1) >> (4 * level))
        while slots[node] == empty or left > 0:
            left -= np.int64(slots[node] != empty)
            node -= 1
        page = slots[node]
        slots[node] = empty
        requests[t] = page
        if used == slots.size:
            used = _compact(slots, empty)
            _recount(counts, starts, used)
        slots[used] = page
        for level in range(levels):
            counts[starts[level] + (used >> (4 * (level + 1)))] += np.uint32(1)
        used += 1


@njit(cache=True)
def _compact(slots, empty):
    """Move the pages together to the lowest slots, in order; return their number."""
    used = 0
    for i in range(slots.size):
        if slots[i] != empty:
            slots[used] = slots[i]
            used += 1
    slots[used:] = empty
    return used


@njit(cache=True)
def _recount(counts, starts, used):
    """Set all counts for pages in the slots below `used`."""
    for level in range(starts.size - 1):
        width = 16 << (4 * level)
        for node in range(starts[level + 1] - starts[level]):
            counts[starts[level] + node] = min(max(used - node * width, 0), width)
