"""The k-phases of a sequence of requests, and what they say about the optimum.

A phase ends where the next request would be its (k+1)-th different page. Marking algorithms work phase by phase,
and the clean pages of a phase, those that the phase before did not request, bound the optimum from below.

Sources: A. Fiat et al., "Competitive paging algorithms", 1991 (phases and clean pages); arXiv:2210.02775 (phase
bits). That only the last bit of a page in a phase can matter is derived here.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from algos.guarantees import guarantee
from algos.optimal_paging import dense_requests, pages_that_fit

__all__ = [
    "clean_page_bound",
    "clean_pages",
    "effective_requests",
    "k_phases",
    "phase_bits",
]


def k_phases(requests: ArrayLike, n_pages: int, cache_size: int) -> NDArray[np.uint32]:
    """Number of the k-phase of each request, shape (n,), counted from 0.

    A new phase starts with the request that would be the (k+1)-th different page of the running one: repeated
    requests after the k-th page still belong to it. O(n + n_pages).

    Parameters
    ----------
    requests : int array, shape (n,)
        Page ids in 0..n_pages-1.
    n_pages, cache_size : int >= 1
        Number of pages, and k.

    Examples
    --------
    >>> k_phases([0, 1, 1, 2, 0, 1], n_pages=3, cache_size=2)
    array([0, 0, 0, 1, 1, 2], dtype=uint32)
    """
    return _k_phases(dense_requests(requests, n_pages), n_pages, pages_that_fit(cache_size))


def phase_bits(requests: ArrayLike, n_pages: int, cache_size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """True phase bits, 0 when the page is requested in the next k-phase, and which of them are defined.

    Parameters
    ----------
    requests : int array, shape (n,)
        Page ids in 0..n_pages-1.
    n_pages, cache_size : int >= 1
        Number of pages, and k.

    Returns
    -------
    bits : uint8 array, shape (n,)
        1 where the next phase, complete or not, does without the page; 1 as well in the last phase.
    defined : bool array, shape (n,)
        False in the last phase, where there is no truth: predictions there are never wrong.

    Examples
    --------
    >>> bits, defined = phase_bits([0, 1, 2, 0, 1, 2], n_pages=3, cache_size=2)
    >>> bits, defined
    (array([0, 1, 0, 1, 1, 1], dtype=uint8), array([ True,  True,  True,  True, False, False]))
    """
    dense = dense_requests(requests, n_pages)
    phases = _k_phases(dense, n_pages, pages_that_fit(cache_size))
    bits, _ = _phase_bits(dense, phases, n_pages)
    return bits, phases < (phases[-1] if phases.size else 0)


def effective_requests(requests: ArrayLike, n_pages: int, cache_size: int) -> NDArray[np.bool_]:
    """Which requests are the last of their page within their k-phase, shape (n,): only their phase bits can matter."""
    dense = dense_requests(requests, n_pages)
    phases = _k_phases(dense, n_pages, pages_that_fit(cache_size))
    _, effective = _phase_bits(dense, phases, n_pages)
    return effective


def clean_pages(requests: ArrayLike, n_pages: int, cache_size: int) -> NDArray[np.int64]:
    """Number of clean pages of each k-phase: those that the phase before did not request; all of the first phase's.

    Examples
    --------
    >>> clean_pages([0, 1, 2, 0, 1, 2], n_pages=3, cache_size=2)
    array([2, 1, 1])
    """
    dense = dense_requests(requests, n_pages)
    phases = _k_phases(dense, n_pages, pages_that_fit(cache_size))
    return _clean_pages(dense, phases, n_pages)


@guarantee("Fiat et al. 1991; without additive constant derived here", kind="upper", evidence="derived")
def clean_page_bound(opt: float) -> float:
    """Number of clean pages of all k-phases <= 2 * OPT.

    Parameters
    ----------
    opt : float >= 0
        Faults of the offline optimum with k pages.

    Notes
    -----
    Two neighbouring phases with c clean pages in the second request k + c different pages, of which the optimum
    holds at most k when they begin: it has at least c faults in the two, and counts each phase twice.
    """
    return 2.0 * opt


@njit(cache=True, nogil=True)
def _k_phases(requests, n_pages, cache_size):
    """Phase of each request, shape (n,) uint32."""
    phases = np.empty(requests.size, np.uint32)
    met = np.zeros(n_pages, np.uint32)  # 1 + last phase that requested the page
    phase, distinct = 0, 0
    for t in range(requests.size):
        page = requests[t]
        if met[page] != phase + 1:
            if distinct == cache_size:
                phase += 1
                distinct = 0
            distinct += 1
            met[page] = phase + 1
        phases[t] = phase
    return phases


@njit(cache=True, nogil=True)
def _phase_bits(requests, phases, n_pages):
    """Phase bits, shape (n,), and whether each request is its page's last one in the phase, shape (n,)."""
    n = requests.size
    bits = np.empty(n, np.uint8)
    effective = np.empty(n, np.bool_)
    met = np.full(n_pages, np.int64(-2))  # earliest phase after the present place that requests the page
    answer = np.zeros(n_pages, np.uint8)
    for t in range(n - 1, -1, -1):
        page, phase = requests[t], np.int64(phases[t])
        effective[t] = met[page] != phase
        if effective[t]:
            answer[page] = 0 if met[page] == phase + 1 else 1
            met[page] = phase
        bits[t] = answer[page]
    return bits, effective


@njit(cache=True, nogil=True)
def _clean_pages(requests, phases, n_pages):
    """Clean pages of each phase, shape (number of phases,)."""
    n = requests.size
    clean = np.zeros(np.int64(phases[n - 1]) + 1 if n else 0, np.int64)
    met = np.full(n_pages, np.int64(-2))  # last phase that requested the page
    for t in range(n):
        page, phase = requests[t], np.int64(phases[t])
        if met[page] < phase:
            if met[page] != phase - 1:
                clean[phase] += 1
            met[page] = phase
    return clean
