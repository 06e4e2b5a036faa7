"""What no eviction policy can do better, with or without predictions: lower bounds as functions.

Two games decide everything here, both over k + 1 pages.

* Against a deterministic policy: request the page that it does not hold (`simulators.MissingPage`). It faults on all
  of n requests, the optimum on n/k + k at most.
* Against a randomized one, by Yao's principle: request uniformly random pages (`simulators.UniformTrace`). Whatever
  it did before, a policy faults with probability at least 1/(k+1). A k-phase has (k+1) H_k requests on average, in
  which the optimum faults once.

Predicted bits that are all equal tell a policy nothing in either game. The numbers of wrong ones among them say what
the policy must be allowed for each kind of error.

Sources: D. D. Sleator and R. E. Tarjan, "Amortized efficiency of list update and paging rules", 1985, Theorem 5
(deterministic, also with a larger cache than the optimum's); A. Fiat et al., "Competitive paging algorithms", 1991
(randomized); arXiv:2210.02775 (prices of discard bits, known to us through texts that had read it). All are derived
again here, with their additive constants.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algos.contracts import whole_number
from algos.guarantees import guarantee
from online.paging.randomized import harmonic_number

__all__ = [
    "LeastPrices",
    "deterministic_ratio_bound",
    "discard_price_bound",
    "marking_bound",
    "missing_page_bound",
    "missing_page_optimum_bound",
    "phase_price_bound",
    "randomized_discard_price_bound",
    "randomized_phase_price_bound",
    "randomized_ratio_bound",
    "uniform_faults_bound",
    "uniform_optimum",
]


class LeastPrices(NamedTuple):
    """The least that a wrong bit can cost, for policies with faults <= alpha OPT + beta eta0 + gamma eta1 + constant.

    Each is a bound of its own: a policy may need more of both at once.
    """

    beta: float
    """Of a bit predicted 0 where 1 is true."""
    gamma: float
    """Of a bit predicted 1 where 0 is true."""


# ---------------------------------------------------------------------------------------------------------------------
# Deterministic policies: the missing page


@guarantee("Sleator & Tarjan 1985, Theorem 5; with its constant derived here", kind="upper", evidence="derived")
def missing_page_optimum_bound(length: int, cache_size: int, optimum_cache_size: int | None = None) -> int:
    """OPT_h <= h - 1 + (k-h+1) floor(n/k) + min(n mod k, k-h+1) on n requests for missing pages; n/k + k for h = k.

    Parameters
    ----------
    length : int >= 0
        n, requests; all are faults of the policy that they were made against.
    cache_size : int >= 1
        k, pages in the cache of the policy.
    optimum_cache_size : int in 1..k, optional
        h, pages in the cache of the optimum; k when omitted. The requests are those of `simulators.MissingPage` with
        k + 1 pages for h = k, and of `simulators.AugmentedMissingPage` for any h.

    Raises
    ------
    ValueError
        When h is outside 1..k.

    Notes
    -----
    With h = k it is k - 1 + ceil(n/k): an eviction of the page whose next use is latest is followed by k requests
    without a fault, at least, since all k - 1 others in the cache come first; and the first k pages must be loaded. It
    is met by LRU, whose missing pages go round in a circle. For other h, the optimum loads k pages in the first phase
    of k requests and k - h + 1 in each of the others, at most.
    """
    n, k, h, fresh = _sizes(length, "length", cache_size, optimum_cache_size)
    phases, rest = divmod(n, k)
    return min(n, h - 1 + fresh * phases + min(rest, fresh))


@guarantee("Sleator & Tarjan 1985, Theorem 5; with its constant derived here", kind="lower", evidence="derived")
def missing_page_bound(opt: int, cache_size: int, optimum_cache_size: int | None = None) -> int:
    """Faults of a deterministic policy on requests for missing pages >= k (OPT - k) + 1, about k/(k-h+1) OPT_h.

    Parameters
    ----------
    opt : int >= 0
        OPT_h, faults of the optimum on these requests.
    cache_size : int >= 1
        k, pages in the cache of the policy.
    optimum_cache_size : int in 1..k, optional
        h, pages in the cache of the optimum; k when omitted.

    Raises
    ------
    ValueError
        When h is outside 1..k.

    Notes
    -----
    The least n for which `missing_page_optimum_bound` allows so many faults of the optimum.
    """
    opt, k, h, fresh = _sizes(opt, "opt", cache_size, optimum_cache_size)
    # The smallest n with fresh * (n // k) + min(n % k, fresh) >= beyond.
    beyond = opt - (h - 1)
    return max(opt, k * ((beyond - 1) // fresh) + (beyond - 1) % fresh + 1) if beyond > 0 else opt


@guarantee("Sleator & Tarjan 1985, Theorem 5", kind="lower", evidence="textbook")
def deterministic_ratio_bound(cache_size: int, optimum_cache_size: int | None = None) -> float:
    """Competitive ratio of any deterministic policy >= k; >= k/(k-h+1) to an optimum with h pages.

    Parameters
    ----------
    cache_size : int >= 1
        k, pages in the cache of the policy.
    optimum_cache_size : int in 1..k, optional
        h, pages in the cache of the optimum; k when omitted.

    Raises
    ------
    ValueError
        When h is outside 1..k.

    Notes
    -----
    No additive constant helps. On requests for missing pages, faults >= k/(k-h+1) (OPT_h - h + 1) - h + 1.
    """
    _, k, _, fresh = _sizes(0, "opt", cache_size, optimum_cache_size)
    return k / fresh


@guarantee("arXiv:2210.02775, lower bounds for discard bits", kind="lower", evidence="secondary")
def discard_price_bound(alpha: float, cache_size: int) -> LeastPrices:
    """Prices of wrong discard bits of any deterministic policy: alpha + beta >= k and alpha + (k-1) gamma >= k.

    Parameters
    ----------
    alpha : float >= 1
        The policy's price of a fault of the optimum.
    cache_size : int >= 1
        k, pages in the cache.

    Returns
    -------
    LeastPrices
        The least beta and the least gamma. With alpha = 1, those of `FlushWhenAllZeros`.

    Notes
    -----
    On n requests for missing pages, n >= k (OPT - k) + 1. All bits 0 have eta0 = OPT: faults n <= (alpha + beta) OPT
    + constant. All bits 1 have eta1 = n - OPT, near (k-1) OPT at least. Nothing is said of gamma for k = 1.
    """
    k = whole_number(cache_size, "cache_size", 1)
    lacking = max(0.0, k - _price(alpha))
    return LeastPrices(lacking, lacking / (k - 1) if k > 1 else 0.0)


@guarantee("derived here, after arXiv:2210.02775 for discard bits", kind="lower", evidence="derived")
def phase_price_bound(alpha: float, cache_size: int) -> LeastPrices:
    """Prices of wrong phase bits of any deterministic policy: alpha + beta >= k and alpha + (k-1) gamma >= k.

    Parameters
    ----------
    alpha : float >= 1
        The policy's price of a fault of the optimum.
    cache_size : int >= 1
        k, pages in the cache.

    Returns
    -------
    LeastPrices
        The least beta and the least gamma, for errors counted at the last request of each page in each k-phase but
        the last (`effective_requests`).

    Notes
    -----
    Over k + 1 pages, the optimum has k - 1 faults more than there are k-phases. Of the k bits of a phase that another
    complete one follows, one is truly 1. So OPT - k <= eta0 <= OPT - 1 when all bits are 0 and there is more than one
    phase, and eta1 <= (k-1) (OPT - k) when all are 1.
    """
    return discard_price_bound(alpha, cache_size)


# ---------------------------------------------------------------------------------------------------------------------
# Randomized policies: uniform requests


@guarantee("Yao's principle; Fiat et al. 1991; at finite n derived here", kind="lower", evidence="derived")
def uniform_faults_bound(length: int, cache_size: int) -> float:
    """E[faults] of any online policy on n uniform requests over k+1 pages >= sum_t 1 - E[min(k, D_t)]/(k+1) >= n/(k+1).

    Parameters
    ----------
    length : int >= 0
        n, requests.
    cache_size : int >= 1
        k, pages in the cache.

    Notes
    -----
    D_t is the number of different pages among the first t requests: a policy cannot hold others, nor more than k.
    Equality for all lazy policies. On top of it, the faults after the first k different pages are at least as many
    as heads of a coin with probability 1/(k+1), in distribution.
    """
    n, k, _, _ = _sizes(length, "length", cache_size, None)
    return n - math.fsum(_different_pages(n, k)[:n]) / (k + 1)


@guarantee("derived here", kind="identity", algorithm="Belady", evidence="derived")
def uniform_optimum(length: int, cache_size: int) -> float:
    """E[OPT] on n uniform requests over k+1 pages = E[different pages, k at most] + E[k-phases after the first].

    Parameters
    ----------
    length : int >= 0
        n, requests.
    cache_size : int >= 1
        k, pages in the cache.

    Notes
    -----
    Between 1 + (n-1)/mu and k + (n-1)/mu for n >= 1, mu = (k+1) H_k the mean number of requests of a phase. Over
    k + 1 pages, the optimum faults k times in the first k-phase and once in each that follows, exactly.
    """
    n, k, _, _ = _sizes(length, "length", cache_size, None)
    return float(_different_pages(n, k)[n]) + math.fsum(_new_phases(n, k))


@guarantee("Fiat et al. 1991, by Yao's principle", kind="lower", evidence="textbook")
def randomized_ratio_bound(cache_size: int) -> float:
    """Competitive ratio of any randomized policy >= H_k, against requests that do not depend on its draws.

    Parameters
    ----------
    cache_size : int >= 1
        k, pages in the cache.

    Notes
    -----
    No additive constant helps. On uniform requests over k + 1 pages, E[faults] >= H_k (E[OPT] - k): the faults are at
    least n/(k+1) = H_k n / mu, and E[OPT] <= k + (n-1)/mu (`uniform_optimum`).
    """
    return harmonic_number(whole_number(cache_size, "cache_size", 1))


@guarantee("derived here, by Yao's principle", kind="lower", evidence="derived")
def randomized_discard_price_bound(alpha: float, cache_size: int) -> LeastPrices:
    """Prices of wrong discard bits of any randomized policy: alpha+beta >= H_k and alpha + ((k+1)H_k - 1)gamma >= H_k.

    Parameters
    ----------
    alpha : float >= 1
        The policy's price of a fault of the optimum.
    cache_size : int >= 1
        k, pages in the cache.

    Returns
    -------
    LeastPrices
        The least beta and the least gamma. `Mark0` has beta = 2 H_k and gamma = 1 with alpha = 1.

    Notes
    -----
    Uniform requests over k + 1 pages: all bits 0 have eta0 = OPT, all bits 1 have eta1 = n - OPT, which is near
    ((k+1) H_k - 1) OPT. The second bound is weak, since most of the 0s that it takes for wrong come with requests for
    pages that any policy holds.
    """
    k = whole_number(cache_size, "cache_size", 1)
    lacking = max(0.0, harmonic_number(k) - _price(alpha))
    return LeastPrices(lacking, lacking / ((k + 1) * harmonic_number(k) - 1.0))


@guarantee("derived here, by Yao's principle", kind="lower", evidence="derived")
def randomized_phase_price_bound(alpha: float, cache_size: int) -> LeastPrices:
    """Prices of wrong phase bits of any randomized policy: alpha + beta >= H_k and alpha + (k-1) gamma >= H_k.

    Parameters
    ----------
    alpha : float >= 1
        The policy's price of a fault of the optimum.
    cache_size : int >= 1
        k, pages in the cache.

    Returns
    -------
    LeastPrices
        The least beta and the least gamma, for errors counted as in `phase_price_bound`. `MarkAndPredict` has
        beta = H_k - 1 and gamma = 1 with alpha = 2.

    Notes
    -----
    Uniform requests over k + 1 pages, and the numbers of errors of `phase_price_bound`, which hold for every sequence
    over so many pages. Nothing is said of gamma for k = 1.
    """
    k = whole_number(cache_size, "cache_size", 1)
    lacking = max(0.0, harmonic_number(k) - _price(alpha))
    return LeastPrices(lacking, lacking / (k - 1) if k > 1 else 0.0)


# ---------------------------------------------------------------------------------------------------------------------
# Marking


@guarantee("derived here", kind="lower", algorithm="any marking algorithm", evidence="derived")
def marking_bound(opt: float, cache_size: int) -> float:
    """Faults of any marking algorithm on `simulators.MarkingTrap` >= 2 (OPT - k), whatever it knows; k >= 2.

    Parameters
    ----------
    opt : float >= 0
        Faults of the optimum on these requests.
    cache_size : int >= 2
        k, pages in the cache.

    Notes
    -----
    A marking algorithm never evicts a page requested in the current k-phase. So it holds the pages of a phase when
    the next one begins, and faults on all clean pages of that, on any requests. In the trap these are 2 floor(k/2) in
    each phase but the first; the optimum has half of them from the third phase on. So 2 is the best ratio of marking
    even with perfect predictions, that of `MarkAndPredict` cannot be improved, and `clean_page_bound` is tight. With
    k = 1 the clean pages are the optimum's faults.
    """
    return max(0.0, 2.0 * (opt - whole_number(cache_size, "cache_size", 2)))


def _sizes(count: int, name: str, cache_size: int, optimum_cache_size: int | None) -> tuple[int, int, int, int]:
    """A number of requests or faults, k, h and k - h + 1."""
    k = whole_number(cache_size, "cache_size", 1)
    h = k if optimum_cache_size is None else whole_number(optimum_cache_size, "optimum_cache_size", 1)
    if h > k:
        raise ValueError(f"optimum_cache_size: {h} is outside 1..{k}")
    return whole_number(count, name, 0), k, h, k - h + 1


def _price(alpha: float) -> float:
    if not 1.0 <= alpha < math.inf:
        raise ValueError(f"alpha: {alpha} is not a number >= 1; with true bits no policy has fewer faults than OPT")
    return alpha


def _different_pages(n: int, k: int) -> NDArray[np.float64]:
    """E[min(k, D_t)] for t = 0..n, shape (n + 1,), D_t the different pages among t uniform requests over k + 1."""
    pages = np.arange(k + 1.0)
    stays = pages / (k + 1)
    stays[k] = 1.0
    probability = np.zeros(k + 1)  # of every value of min(k, D_t)
    probability[0] = 1.0
    expected = np.zeros(n + 1)
    for t in range(n):
        moved = probability[:k] * (1.0 - stays[:k])
        probability *= stays
        probability[1:] += moved
        expected[t + 1] = probability @ pages
    return expected


def _new_phases(n: int, k: int) -> NDArray[np.float64]:
    """Probability that each of n uniform requests over k + 1 pages begins a k-phase after the first, shape (n,)."""
    stays = np.arange(k + 1) / (k + 1)
    probability = np.zeros(k + 1)  # of every number of different pages in the running phase
    probability[0] = 1.0
    begins = np.zeros(n)
    for t in range(n):
        moved = probability * (1.0 - stays)
        probability *= stays
        probability[1:] += moved[:k]
        probability[1] += moved[k]
        begins[t] = moved[k]
    return begins
