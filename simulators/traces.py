"""Request traces: the user's own, from files, and synthetic ones."""

from __future__ import annotations

import hashlib
import math
import operator
from pathlib import Path
from typing import Any, overload

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from algos.contracts import Count, NonNegative, check_generator, description, whole_number
from algos.optimal_paging import MAX_REQUESTS
from algos.predictions import checked_arrivals, checked_bits
from simulators.page_ids import dense_page_ids
from simulators.trace_files import TraceFormat, read_page_ids

__all__ = ["Trace", "ZipfTrace", "zipf_ranks"]


class Trace:
    """A sequence of page requests, immutable.

    Parameters
    ----------
    requests : sequence, shape (n,)
        Page ids of any one type: whole numbers, finite floats, strings or bytes. They are renumbered 0..m-1 in
        order of first occurrence; `pages` keeps the originals.
    bits : array of 0 and 1, shape (n,), optional
        The predicted bit that arrives with each request.
    arrivals : array of float, shape (n,), optional
        The predicted time of the page's next request that arrives with each request: requests are numbered from 0,
        inf (or any time from n on) says never again.
    name : str
        What plots and tables call it.

    Raises
    ------
    ValueError
        When the ids are not one-dimensional, mix types or hold NaN, a bit is neither 0 nor 1, or a time is NaN.

    Examples
    --------
    >>> trace = Trace(["a", "b", "a", "c"])
    >>> trace.requests, trace.n_pages
    (array([0, 1, 0, 2], dtype=uint32), 3)
    """

    requests: NDArray[np.uint32]
    """Dense page ids, shape (n,), read-only."""
    pages: NDArray[Any]
    """Original id of each dense id, shape (m,)."""
    bits: NDArray[np.uint8] | None
    """Predicted bits, shape (n,), read-only, or None."""
    arrivals: NDArray[np.float64] | None
    """Predicted times of the next request, shape (n,), read-only, or None."""
    name: str

    def __init__(
        self,
        requests: Any,
        *,
        bits: ArrayLike | None = None,
        arrivals: ArrayLike | None = None,
        name: str = "trace",
    ) -> None:
        codes, pages = dense_page_ids(requests)
        self._fill(codes, pages, bits, arrivals, name)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        column: str | int | None = None,
        header: bool | None = None,
        delimiter: str | None = None,
        format: TraceFormat | None = None,
    ) -> Trace:
        """Read a trace from a file.

        Parameters
        ----------
        path : str or Path
            Text, one request a line (CSV, any extension); ``.npz`` or ``.npy``; ``.bin`` or ``*oracleGeneral*``
            for libCacheSim's oracleGeneral records (24 bytes: uint32 time, uint64 id, uint32 size, int64 next;
            every page counts as size 1). Text and records may be compressed by gzip or zstd.
        column : str or int, optional
            Name of the id's column in a header, or its position counted from 1; of a NPZ file the array. Needed
            when there are several, unless an NPZ file has one named ``requests``.
        header : bool, optional
            Whether the first line of a text file is a header. When omitted: it is one if the id below it is a
            whole number and its own is not, or if it is a usual name of an id column (``page``, ``id``, ...).
        delimiter : str, optional
            Between columns: a tab for ``.tsv``, a comma otherwise.
        format : {"text", "npz", "oracleGeneral"}, optional
            Overrides what the file's name says.

        Raises
        ------
        ValueError
            Names the file, and the line and column of the first bad value: a missing id (an empty field, a blank
            line that is not at the end, ``nan``, ``null``), a line with more or fewer columns, bytes that are no
            UTF-8, a cut archive, a file without requests.
        OSError
            When the file cannot be opened.

        Notes
        -----
        Ids in text are equal when their text is equal. Blank lines at the end are ignored.
        """
        codes, pages = read_page_ids(path, column=column, header=header, delimiter=delimiter, format=format)
        trace = cls.__new__(cls)
        trace._fill(codes, pages, None, None, Path(path).name.partition(".")[0])
        return trace

    @classmethod
    def from_blocks(cls, starts: ArrayLike, lengths: ArrayLike, *, page_size: int = 1, name: str = "trace") -> Trace:
        """Split requests of ranges of blocks, or of bytes, into requests of single pages.

        Request i asks for the blocks starts[i], ..., starts[i] + lengths[i] - 1. It becomes one request of each page
        that holds some of them, in increasing order; page p begins with block p * page_size.

        Parameters
        ----------
        starts : array of int >= 0, shape (r,)
            First block of each range.
        lengths : array of int >= 1, shape (r,)
            Blocks of each range; the last block must be below 2**63.
        page_size : int in 1..2**63-1
            Blocks, or bytes, of a page.
        name : str
            What plots and tables call the trace.

        Raises
        ------
        ValueError
            Names the index of the first range that is out of bounds; also when the shapes differ, or when there would
            be more than 2**31-1 requests.

        Examples
        --------
        >>> trace = Trace.from_blocks([0, 4096, 6000], [8192, 512, 4096], page_size=4096)
        >>> trace.pages[trace.requests]
        array([0, 1, 1, 1, 2])
        """
        size = whole_number(page_size, "page_size", 1)
        if size > _LAST_BLOCK:
            raise ValueError(f"page_size: {size} is above {_LAST_BLOCK}")
        first, count = _blocks(starts, "starts", 0), _blocks(lengths, "lengths", 1)
        if first.shape != count.shape:
            raise ValueError(f"lengths: shape {count.shape} does not match the starts' {first.shape}")
        beyond = count - 1 > _LAST_BLOCK - first
        if beyond.any():
            i = int(np.argmax(beyond))
            raise ValueError(f"lengths: {count[i]} at index {i} ends beyond block 2**63-1, from start {first[i]}")
        last = (first + (count - 1)) // size
        first //= size
        each = last - first + 1
        # As floats first: the exact sum might not fit.
        if each.sum(dtype=np.float64) > MAX_REQUESTS:
            raise ValueError(f"lengths: the ranges have more than {MAX_REQUESTS} pages")
        ends = np.cumsum(each)
        return cls(np.repeat(last + 1 - ends, each) + np.arange(each.sum()), name=name)

    def _fill(
        self,
        codes: NDArray[np.uint32],
        pages: NDArray[Any],
        bits: ArrayLike | None,
        arrivals: ArrayLike | None,
        name: str,
    ) -> None:
        if codes.size > MAX_REQUESTS:
            raise ValueError(f"requests: {codes.size} requests are more than {MAX_REQUESTS}")
        for array in (codes, pages):
            array.flags.writeable = False
        self.requests, self.pages, self.name = codes, pages, name
        self.bits = None if bits is None else checked_bits(bits, codes.size)
        self.arrivals = None if arrivals is None else checked_arrivals(arrivals, codes.size)

    @property
    def n_pages(self) -> int:
        """Number of distinct pages, m."""
        return int(self.pages.size)

    def __len__(self) -> int:
        return int(self.requests.size)

    @overload
    def __getitem__(self, index: slice) -> Trace: ...

    @overload
    def __getitem__(self, index: int) -> Any: ...

    def __getitem__(self, index: slice | int) -> Any:
        """``trace[a:b]``: these requests as a trace, with their predictions; ``trace[t]``: the page of request t.

        Pages are numbered anew, and predicted times count from the first of these requests.

        Raises
        ------
        ValueError
            For a step other than 1.

        Examples
        --------
        >>> trace = Trace("abcad", arrivals=[3, 9, 9, 9, 9])
        >>> trace[:3]
        Trace('trace', 3 requests of 3 pages, with predicted arrivals)
        >>> trace[2:].requests, trace[2:].pages, trace[2:].arrivals
        (array([0, 1, 2], dtype=uint32), array(['c', 'a', 'd'], dtype=object), array([7., 7., 7.]))
        >>> trace[3]
        'a'
        """
        if not isinstance(index, slice):
            return self.pages[self.requests[operator.index(index)]]
        start, _, step = index.indices(len(self))
        if step != 1:
            raise ValueError(f"step: {step} is not 1; requests follow each other")
        codes, pages = dense_page_ids(self.requests[index])
        trace = Trace.__new__(Trace)
        bits = None if self.bits is None else self.bits[index]
        arrivals = None if self.arrivals is None else self.arrivals[index] - start
        trace._fill(codes, self.pages[pages], bits, arrivals, self.name)
        return trace

    def __repr__(self) -> str:
        given = {"predicted bits": self.bits, "predicted arrivals": self.arrivals}
        predicted = " and ".join(name for name, values in given.items() if values is not None)
        suffix = f", with {predicted}" if predicted else ""
        return f"Trace({self.name!r}, {len(self)} requests of {self.n_pages} pages{suffix})"

    def with_bits(self, bits: ArrayLike | None) -> Trace:
        """Return the same requests with other predicted bits, shape (n,), each 0 or 1; or without."""
        trace = Trace.__new__(Trace)
        trace._fill(self.requests, self.pages, bits, self.arrivals, self.name)
        return trace

    def with_arrivals(self, arrivals: ArrayLike | None) -> Trace:
        """Return the same requests with other predicted times of the next one, shape (n,), inf for never; or without.

        Examples
        --------
        >>> Trace("abca").with_arrivals([3, float("inf"), 9, 4])
        Trace('trace', 4 requests of 3 pages, with predicted arrivals)
        """
        trace = Trace.__new__(Trace)
        trace._fill(self.requests, self.pages, self.bits, arrivals, self.name)
        return trace

    def fingerprint(self) -> str:
        """SHA-256 of the dense requests, in hexadecimal: equal for traces that no paging algorithm can tell apart."""
        return hashlib.sha256(self.requests.astype("<u4", copy=False).tobytes()).hexdigest()


_LAST_BLOCK = 2**63 - 1


def _blocks(values: ArrayLike, name: str, least: int) -> NDArray[np.int64]:
    """A copy as int64, shape (r,), of whole numbers >= least that fit."""
    given = np.asarray(values)
    if given.ndim != 1:
        raise ValueError(f"{name}: shape {given.shape} is not one-dimensional")
    if given.size and given.dtype.kind not in "iu":
        raise ValueError(f"{name}: must be whole numbers >= {least} of 64 bits, got {given.dtype}")
    wrong = (given < least) | (given > _LAST_BLOCK)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(f"{name}: {given[i]} at index {i} is outside {least}..{_LAST_BLOCK}")
    return given.astype(np.int64)


@description
class ZipfTrace:
    """Independent requests whose r-th most popular page has probability proportional to r ** -exponent.

    Parameters
    ----------
    n_pages : int >= 1
        Number of pages.
    exponent : float >= 0
        0 is uniform; traces of the web lie around 0.6 to 1.
    length : int >= 1
        Number of requests.

    Examples
    --------
    >>> import numpy as np
    >>> ZipfTrace(n_pages=100, exponent=1.0, length=1000).sample(np.random.default_rng(0))
    Trace('zipf(1)', 1000 requests of 99 pages)
    """

    n_pages: Count
    exponent: NonNegative
    length: Count

    def sample(self, rng: np.random.Generator) -> Trace:
        """Draw a trace, one uniform a request; its `pages` are the popularity ranks, 0 the most popular.

        O(n_pages + length): an inverse distribution function with a table of starting points.
        """
        ranks = zipf_ranks(self.n_pages, self.exponent, self.length, check_generator(rng, "ZipfTrace"))
        return Trace(ranks, name=f"zipf({self.exponent:g})")


def zipf_ranks(n_pages: int, exponent: float, length: int, rng: np.random.Generator) -> NDArray[np.uint32]:
    """Ranks in 0..n_pages-1, shape (length,), rank r with probability proportional to (r + 1) ** -exponent."""
    with np.errstate(over="ignore", under="ignore"):
        weights = np.exp(-exponent * np.log(np.arange(1, n_pages + 1)))
    cumulative = np.cumsum(weights / math.fsum(weights))
    cumulative[-1] = 1.0
    ranks: NDArray[np.uint32] = _invert(cumulative, length, rng)
    return ranks


@njit(cache=True, nogil=True)
def _invert(cumulative, length, rng):
    """Ranks, shape (length,) uint32: the first i with cumulative[i] > u, for one uniform u each."""
    m = cumulative.size
    start = np.empty(m, np.uint32)  # the first i with cumulative[i] > j/m
    i = 0
    for j in range(m):
        while cumulative[i] * m <= j:
            i += 1
        start[j] = i
    ranks = np.empty(length, np.uint32)
    for t in range(length):
        u = rng.random()
        i = start[int(u * m)]
        while cumulative[i] <= u:
            i += 1
        ranks[t] = i
    return ranks
