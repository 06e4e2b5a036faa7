"""Request traces: the user's own, from files, and synthetic ones."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algos.contracts import Count, description
from algos.optimal_paging import MAX_REQUESTS
from algos.predictions import checked_arrivals, checked_bits
from simulators.page_ids import dense_page_ids
from simulators.trace_files import TraceFormat, read_page_ids

__all__ = ["Trace", "ZipfTrace"]


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
    exponent: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    length: Count

    def sample(self, rng: np.random.Generator) -> Trace:
        """Draw a trace, one uniform a request; its `pages` are the popularity ranks, 0 the most popular.

        O(n_pages + length): an inverse distribution function with a table of starting points.
        """
        weights = np.exp(-self.exponent * np.log(np.arange(1, self.n_pages + 1)))
        cumulative = np.cumsum(weights / math.fsum(weights))
        cumulative[-1] = 1.0
        ranks = _invert(cumulative, self.length, rng)
        return Trace(ranks, name=f"zipf({self.exponent:g})")


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
