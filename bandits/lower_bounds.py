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
from bandits.divergences import CODES, Family, divergence
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
    distances = [(best - mean, divergence(CODES[family], scale, mean, best)) for mean in given.tolist() if mean < best]
    return math.fsum(gap / distance if distance > 0 else math.inf for gap, distance in distances)


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
