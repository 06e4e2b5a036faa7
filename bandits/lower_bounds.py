"""What no policy can do better.

Sources: T. L. Lai and H. Robbins, "Asymptotically efficient adaptive allocation rules", 1985; T. Lattimore and
C. Szepesvari, "Bandit Algorithms", 2020, Theorem 15.2; P. Auer, N. Cesa-Bianchi, Y. Freund, R. E. Schapire, "The
nonstochastic multiarmed bandit problem", 2002, Theorem 5.1.
"""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from algos.contracts import whole_number
from algos.guarantees import guarantee
from bandits.divergences import CODES, Family
from bandits.instances import positive_number, vector

__all__ = ["lai_robbins_constant", "minimax_bernoulli_bound", "minimax_gaussian_bound"]


@guarantee("Lai & Robbins 1985", kind="lower", algorithm="any consistent policy", evidence="textbook")
def lai_robbins_constant(means: ArrayLike, family: Family = "bernoulli", sigma: float = 0.5) -> float:
    """Liminf of E[regret] / ln(T) >= sum_i gap_i / d(mean_i, best mean), over the suboptimal arms.

    A policy is consistent if its regret grows more slowly than any power of T whatever the means.

    Parameters
    ----------
    means : float array, shape (K,)
        Mean of each arm; in [0, 1] for Bernoulli arms, >= 0 for Poisson and exponential ones.
    family : {"bernoulli", "gaussian", "poisson", "exponential"}
        Law of the rewards, which the policy knows but for the means.
    sigma : float > 0
        Standard deviation of Gaussian rewards.

    Examples
    --------
    >>> round(lai_robbins_constant([0.4, 0.6]), 3)
    2.466
    """
    if family not in CODES:
        raise ValueError(f"family: {family!r} is not one of {', '.join(CODES)}")
    low, high = {"bernoulli": (0.0, 1.0), "gaussian": (-math.inf, math.inf)}.get(family, (0.0, math.inf))
    given, scale = vector(means, "means", low, high), positive_number(sigma, "sigma")
    best = float(given.max())
    information = [_information(mean, best, family, scale) for mean in given.tolist() if mean < best]
    return math.fsum(1 / each if each > 0 else math.inf for each in information)


def _information(mean: float, best: float, family: Family, sigma: float) -> float:
    """d(mean, best) / gap, without cancellation for small gaps: every part is >= 0."""
    gap = best - mean
    if family == "gaussian":
        return gap / (2 * sigma**2)
    if family == "exponential":
        return _excess(-gap / best) / best
    above = _excess(gap / mean if mean > 0 else math.inf)
    return above if family == "poisson" else above + _excess(-gap / (1 - mean))


def _excess(u: float) -> float:
    """(u - ln(1 + u)) / |u|, u >= -1."""
    if u == -1.0:
        return math.inf
    if u == math.inf:
        return 1.0
    if abs(u) < 1e-3:
        series = u * (1 / 2 - u * (1 / 3 - u * (1 / 4 - u * (1 / 5 - u / 6))))
        return abs(series)
    return (u - math.log1p(u)) / abs(u)


@guarantee("Lattimore & Szepesvari 2020, Theorem 15.2", kind="lower", evidence="textbook")
def minimax_gaussian_bound(n_arms: int, horizon: int, sigma: float = 1.0) -> float:
    """Some Gaussian arms with means in [0, 1] have E[regret] >= (1/27) sigma sqrt((K - 1) T), T >= K - 1, K > 1.

    Parameters
    ----------
    n_arms : int >= 2
        K, number of arms.
    horizon : int >= K - 1
        T, rounds played.
    sigma : float > 0
        Standard deviation of the rewards. The book has sigma = 1; means are then in [0, sigma].
    """
    arms = whole_number(n_arms, "n_arms", 2)
    rounds = whole_number(horizon, "horizon", arms - 1)
    return positive_number(sigma, "sigma") * math.sqrt((arms - 1) * rounds) / 27


@guarantee("Auer, Cesa-Bianchi, Freund & Schapire 2002, Theorem 5.1", kind="lower", evidence="textbook")
def minimax_bernoulli_bound(n_arms: int, horizon: int) -> float:
    """Some Bernoulli arms have E[regret] >= (1/20) min(sqrt(K T), T), K > 1.

    Parameters
    ----------
    n_arms : int >= 2
        K, number of arms.
    horizon : int >= 1
        T, rounds played.
    """
    arms, rounds = whole_number(n_arms, "n_arms", 2), whole_number(horizon, "horizon", 1)
    return min(math.sqrt(arms * rounds), rounds) / 20
