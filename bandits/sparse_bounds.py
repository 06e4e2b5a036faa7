"""How far from the best the arms are that sparse methods name, how many queries that takes, and what no method can do.

Source: arXiv:2303.16998 states O(eps)-optimal arms from O(eps^-s d^s) queries, and Omega(exp(s)) queries for an error
below s^delta eps, delta < 1. All constants are derived here, but for that of least squares: T. Lattimore,
C. Szepesvari, G. Weisz, "Learning with good feature representations in bandits and in RL with a generative model",
2020.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from algos.contracts import whole_number
from algos.guarantees import guarantee
from bandits.sparse_cover import cover_size

__all__ = [
    "cover_query_bound",
    "elimination_gap_bound",
    "isolation_gap_bound",
    "least_squares_gap_bound",
    "needle_query_bound",
    "needle_success_bound",
    "packing_size_bound",
    "support_enumeration_gap_bound",
    "version_space_gap_bound",
]


@guarantee("arXiv:2303.16998, upper bound", kind="upper", algorithm="OptimisticSparseElimination", evidence="derived")
def elimination_gap_bound(eps: float, radius: float, tau: float = 0.0, tolerance: float | None = None) -> float:
    """Gap of both cover methods <= 2 (eps + zeta + tau), or (R + 1) eps + zeta + tau if that is more.

    Parameters
    ----------
    eps : float >= 0
        Misspecification.
    radius : float > 0
        zeta, that of the cover.
    tau : float >= 0
        Accuracy of the observations.
    tolerance : float > 0, optional
        R, where the policy is content with a reward R eps below the hope.
    """
    level, zeta, accuracy = _at_least_0(eps=eps, radius=radius, tau=tau)
    content = 0.0 if tolerance is None else _at_least_0(tolerance=tolerance)[0]
    return max(2 * (level + zeta + accuracy), (content + 1) * level + zeta + accuracy)


@guarantee("arXiv:2303.16998, upper bound", kind="upper", algorithm="OptimisticSparseElimination", evidence="derived")
def cover_query_bound(n_arms: int, dimension: int, sparsity: int, radius: float) -> int:
    """Different arms queried <= min(K, candidates of the cover), which is O(zeta^-s d^s).

    Parameters
    ----------
    n_arms, dimension, sparsity : int >= 1
        K, d and s.
    radius : float > 0
        zeta.
    """
    return min(whole_number(n_arms, "n_arms", 1), cover_size(dimension, sparsity, radius))


@guarantee("derived for arXiv:2303.16998", kind="upper", algorithm="VersionSpace", evidence="derived")
def version_space_gap_bound(eps: float, tau: float = 0.0, gamma: float = 0.0) -> float:
    """Gap <= 2 eps + 2 tau + gamma: no cover, hence no radius.

    Parameters
    ----------
    eps, tau, gamma : float >= 0
        Misspecification, accuracy of the observations, tolerance of the search.
    """
    level, accuracy, tolerance = _at_least_0(eps=eps, tau=tau, gamma=gamma)
    return 2 * level + 2 * accuracy + tolerance


@guarantee("Lattimore, Szepesvari & Weisz 2020", kind="upper", algorithm="GOptimalLeastSquares", evidence="derived")
def least_squares_gap_bound(eps: float, largest_variance: float, tau: float = 0.0) -> float:
    """Gap <= 2 eps + 2 (eps + tau) sqrt(g), g <= 2 d the largest variance of the design: the sqrt(d) barrier.

    Parameters
    ----------
    eps, tau : float >= 0
        Misspecification, accuracy of the observations.
    largest_variance : float >= 0
        g.
    """
    level, accuracy, variance = _at_least_0(eps=eps, tau=tau, largest_variance=largest_variance)
    return 2 * level + 2 * (level + accuracy) * math.sqrt(variance)


@guarantee("derived for arXiv:2303.16998", kind="upper", algorithm="SupportEnumeration", evidence="derived")
def support_enumeration_gap_bound(eps: float, largest_variance: float, tau: float = 0.0) -> float:
    """Gap <= 2 eps + 2 (eps + tau) sqrt(g) + 2 tau with g <= 2 s, the largest variance of any support's design.

    Parameters
    ----------
    eps, tau : float >= 0
        Misspecification, accuracy of the observations.
    largest_variance : float >= 0
        g.
    """
    return least_squares_gap_bound(eps, largest_variance, tau) + 2 * tau


@guarantee("derived for arXiv:2303.16998", kind="upper", algorithm="IsolateAndThreshold", evidence="derived")
def isolation_gap_bound(eps: float, kappas: ArrayLike, sparsity: int, tau: float = 0.0) -> float:
    """Gap <= 2 eps + 4 (eps + tau) times the sum of the s largest kappa: O(s eps) for good features.

    Parameters
    ----------
    eps, tau : float >= 0
        Misspecification, accuracy of the observations.
    kappas : float array, shape (d,)
        Isolation constants of the coordinates; inf where there is none.
    sparsity : int in 1..d
        s.
    """
    level, accuracy = _at_least_0(eps=eps, tau=tau)
    given = np.sort(np.asarray(kappas, dtype=np.float64))[::-1]
    if given.ndim != 1 or given.size == 0 or np.isnan(given).any() or (given < 0).any():
        raise ValueError(f"kappas: {kappas!r} is not a non-empty vector of numbers >= 0")
    largest = float(given[: whole_number(sparsity, "sparsity", 1)].sum())
    if level + accuracy == 0:
        return 0.0 if largest < math.inf else math.inf
    return 2 * level + 4 * (level + accuracy) * largest


@guarantee("needle lemma", kind="lower", algorithm="any method that always names the needle", evidence="derived")
def needle_query_bound(n_needles: int) -> float:
    """Mean number of different queries over k needles >= (k + 2) (k - 1) / (2 k).

    Parameters
    ----------
    n_needles : int >= 1
        k instances; in the i-th only arm i pays.

    Examples
    --------
    >>> round(needle_query_bound(7), 3)
    3.857
    """
    k = whole_number(n_needles, "n_needles", 1)
    return (k + 2) * (k - 1) / (2 * k)


@guarantee("needle lemma", kind="upper", algorithm="any method", evidence="derived")
def needle_success_bound(n_needles: int, queries: int) -> float:
    """Mean chance to name the needle after at most q queries, over k needles <= (q + 1) / k.

    Parameters
    ----------
    n_needles : int >= 1
        k.
    queries : int >= 0
        q.
    """
    k, q = whole_number(n_needles, "n_needles", 1), whole_number(queries, "queries", 0)
    return min(1.0, (q + 1) / k)


@guarantee("counting", kind="lower", algorithm="set_packing", evidence="derived")
def packing_size_bound(dimension: int, size: int, overlap: int) -> float:
    """A largest packing of s-subsets of d coordinates that meet in <= t has >= C(d, s) / #(subsets too near to one).

    Greedy choice attains it. With an overlap of t, an error below eps s / t costs needle_query_bound of that many.

    Parameters
    ----------
    dimension, size, overlap : int
        d >= s > t >= 0.
    """
    d, s, t = (
        whole_number(value, name, least)
        for value, name, least in ((dimension, "dimension", 1), (size, "size", 1), (overlap, "overlap", 0))
    )
    if s > d or t >= s:
        raise ValueError(f"size: {s} and overlap: {t} must have {t} < {s} <= {d}")
    near = sum(math.comb(s, j) * math.comb(d - s, s - j) for j in range(t + 1, s + 1))
    return math.comb(d, s) / near


def _at_least_0(**values: Any) -> tuple[float, ...]:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number >= 0")
    return tuple(float(value) for value in values.values())
