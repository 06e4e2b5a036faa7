"""Best-arm identification with a fixed budget, without and with differential privacy: schedules over K arms.

Sources: J.-Y. Audibert, S. Bubeck, R. Munos, "Best arm identification in multi-armed bandits", 2010 (Successive
Rejects); Z. Karnin, T. Koren, O. Somekh, "Almost optimal exploration in multi-armed bandits", 2013 (Sequential
Halving). The private variants add Laplace noise to the sum of each phase's fresh rewards.
"""

from __future__ import annotations

import functools
import itertools
import math
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import StrictBool

from algos.contracts import description, whole_number
from algos.guarantees import guarantee
from algos.privacy import Epsilon, check_discrete_epsilon
from bandits.fixed_budget import (
    DISCRETE_LAPLACE,
    LAPLACE,
    NO_NOISE,
    BestArmPolicy,
    BudgetError,
    EqualPulls,
    Noise,
    OutOfRange,
    Plan,
)

__all__ = [
    "DPSequentialHalving",
    "DPSuccessiveRejects",
    "DPUniformAllocation",
    "Mechanism",
    "PrivateBestArmPolicy",
    "SequentialHalving",
    "SuccessiveRejects",
    "UniformAllocation",
    "laplace_noise",
    "rejects_schedule",
    "sequential_halving_bound",
    "sorted_gaps",
    "successive_rejects_bound",
    "uniform_allocation_bound",
    "unique_best",
]

Mechanism = Literal["laplace", "discrete_laplace"]


@description
class UniformAllocation(BestArmPolicy):
    """Pull every arm floor(T / K) times, and name the one with the largest mean.

    Notes
    -----
    P(error) <= sum over the other arms of exp(-floor(T / K) gap^2) (`uniform_allocation_bound`).
    """

    def plan(self, features: NDArray[np.float64] | None, n_arms: int, budget: int) -> Plan:
        """One phase."""
        return _equal(self, [n_arms, 1], [budget // n_arms], budget, n_arms)


@description
class SuccessiveRejects(BestArmPolicy):
    """Drop the worst of the remaining arms K - 1 times, each time after some more pulls of them all.

    Means are over all rewards of an arm. Ties drop the arm with the highest index.

    Notes
    -----
    P(error) <= K (K - 1) / 2 exp(-(T - K) / (lb(K) H2)) (`successive_rejects_bound`).
    """

    def plan(self, features: NDArray[np.float64] | None, n_arms: int, budget: int) -> Plan:
        """K - 1 phases."""
        if budget <= n_arms:
            raise BudgetError("SuccessiveRejects", budget, n_arms + 1)
        return EqualPulls(range(n_arms, 0, -1), _fresh(n_arms, budget), accumulate=True)


@description
class SequentialHalving(BestArmPolicy):
    """Keep the better half of the arms ceil(log2 K) times, with an equal share of the budget for each round.

    Parameters
    ----------
    accumulate : bool
        Use the rewards of earlier rounds as well. Better in practice; the bound is for fresh rewards.

    Notes
    -----
    P(error) <= 3 log2(K) exp(-T / (8 H2 log2 K)) (`sequential_halving_bound`).
    """

    accumulate: StrictBool = False

    def plan(self, features: NDArray[np.float64] | None, n_arms: int, budget: int) -> Plan:
        """ceil(log2 K) rounds."""
        sizes, pulls = _halving(n_arms, budget)
        return _equal(self, sizes, pulls, budget, n_arms * len(pulls), accumulate=self.accumulate)


@description
class PrivateBestArmPolicy(BestArmPolicy):
    """What the epsilon-private policies over K arms share.

    Parameters
    ----------
    epsilon : float in [1e-300, inf]
        Privacy budget of the whole run with respect to one reward; inf adds no noise.
    mechanism : {"laplace", "discrete_laplace"}
        Noise on the sums of rewards. The discrete one needs epsilon >= 1e-15, and refuses rewards that are not 0 or 1.
    out_of_range : {"raise", "clip"}
        What to do with a reward outside [0, 1]. Raising depends on the data: on real data only "clip" is private.
    """

    epsilon: Epsilon
    mechanism: Mechanism = "laplace"
    out_of_range: OutOfRange = "raise"

    def __post_init__(self) -> None:
        self.noise()  # refuses what cannot be drawn

    def spent(self) -> dict[str, float]:
        """Epsilon, once: each reward enters one phase only."""
        return {"epsilon": self.epsilon}

    def rewards_out_of_range(self) -> OutOfRange | None:
        """Rewards must lie in [0, 1]: the noise is made for that."""
        return self.out_of_range

    def noise(self) -> Noise:
        """Noise for a sum of rewards."""
        return laplace_noise(self.epsilon, self.mechanism)


@description
class DPUniformAllocation(PrivateBestArmPolicy):
    """`UniformAllocation` with noise of scale 1 / epsilon on the sums of rewards: epsilon-private.

    Parameters
    ----------
    epsilon : float in [1e-300, inf]
        Privacy budget of the whole run with respect to one reward.
    mechanism : {"laplace", "discrete_laplace"}
        Noise on the sums; the discrete one needs epsilon >= 1e-15, and refuses rewards that are not 0 or 1.
    out_of_range : {"raise", "clip"}
        What to do with a reward outside [0, 1].
    """

    def plan(self, features: NDArray[np.float64] | None, n_arms: int, budget: int) -> Plan:
        """One phase."""
        return _equal(self, [n_arms, 1], [budget // n_arms], budget, n_arms, self.noise())


@description
class DPSuccessiveRejects(PrivateBestArmPolicy):
    """`SuccessiveRejects` that judges each phase by its fresh rewards, with noise on their sums: epsilon-private.

    Parameters
    ----------
    epsilon : float in [1e-300, inf]
        Privacy budget of the whole run with respect to one reward.
    mechanism : {"laplace", "discrete_laplace"}
        Noise on the sums; the discrete one needs epsilon >= 1e-15, and refuses rewards that are not 0 or 1.
    out_of_range : {"raise", "clip"}
        What to do with a reward outside [0, 1].

    Notes
    -----
    Every phase needs a fresh reward of each arm. From K + floor(lb(K) (K - 1)^2) + 1 on, all budgets give that; some
    smaller ones do as well, because the pulls of a phase are rounded up.
    """

    def plan(self, features: NDArray[np.float64] | None, n_arms: int, budget: int) -> Plan:
        """K - 1 phases."""
        fresh = _fresh(n_arms, budget) if budget > n_arms else [0]
        if min(fresh) < 1:
            raise BudgetError("DPSuccessiveRejects", budget, _enough_for_fresh(n_arms))
        return EqualPulls(range(n_arms, 0, -1), fresh, self.noise())


@description
class DPSequentialHalving(PrivateBestArmPolicy):
    """`SequentialHalving` on fresh rewards with noise of scale 1 / epsilon on their sums: epsilon-private.

    Parameters
    ----------
    epsilon : float in [1e-300, inf]
        Privacy budget of the whole run with respect to one reward.
    mechanism : {"laplace", "discrete_laplace"}
        Noise on the sums; the discrete one needs epsilon >= 1e-15, and refuses rewards that are not 0 or 1.
    out_of_range : {"raise", "clip"}
        What to do with a reward outside [0, 1].

    Notes
    -----
    The same as `DPBAI` on arms whose features are the unit vectors, draw by draw.
    """

    def plan(self, features: NDArray[np.float64] | None, n_arms: int, budget: int) -> Plan:
        """ceil(log2 K) rounds."""
        sizes, pulls = _halving(n_arms, budget)
        return _equal(self, sizes, pulls, budget, n_arms * len(pulls), self.noise())


def laplace_noise(epsilon: float, mechanism: Mechanism = "laplace") -> Noise:
    """Noise that makes a sum of rewards in [0, 1] epsilon-private; if discrete, of rewards 0 or 1.

    Raises
    ------
    ValueError
        For discrete noise with epsilon < 1e-15.
    """
    if epsilon == math.inf:
        return NO_NOISE
    if mechanism == "laplace":
        return Noise(LAPLACE, 1.0 / epsilon)
    return Noise(DISCRETE_LAPLACE, 1.0 / check_discrete_epsilon(epsilon))


def rejects_schedule(n_arms: int, budget: int) -> list[int]:
    """Pulls n_1, ..., n_{K-1} of each remaining arm after each phase: n_k = ceil((T - K) / (lb(K) (K + 1 - k))).

    Examples
    --------
    >>> rejects_schedule(4, 100)
    [16, 21, 31]
    """
    arms, pulls = whole_number(n_arms, "n_arms", 1), whole_number(budget, "budget", 1)
    return [math.ceil(Fraction(pulls - arms) / (_log_bar(arms) * (arms + 1 - k))) for k in range(1, arms)]


def _fresh(n_arms: int, budget: int) -> list[int]:
    """Pulls of each remaining arm in each phase of Successive Rejects."""
    total = [0, *rejects_schedule(n_arms, budget)]
    return [after - before for before, after in itertools.pairwise(total)]


def _enough_for_fresh(n_arms: int) -> int:
    """The least budget such that it and all larger ones give every phase of Successive Rejects a fresh pull.

    With x = (T - K) / lb(K), ceil(x / m) = ceil(x / (m - 1)) = q where (q - 1) m < x <= q (m - 1); the last of these
    intervals is that of m = K, q = K - 1. Two arms have one phase.
    """
    return n_arms + 1 + (math.floor(_log_bar(n_arms) * (n_arms - 1) ** 2) if n_arms > 2 else 0)


@functools.lru_cache(maxsize=64)
def _log_bar(n_arms: int) -> Fraction:
    """1/2 + 1/2 + 1/3 + ... + 1/K, exactly: a rounded one could move a ceiling."""
    return Fraction(1, 2) + sum((Fraction(1, i) for i in range(2, n_arms + 1)), Fraction(0))


def _halving(n_arms: int, budget: int) -> tuple[list[int], list[int]]:
    rounds = (n_arms - 1).bit_length()  # ceil(log2 K)
    sizes = [n_arms]
    for _ in range(rounds):
        sizes.append(-(-sizes[-1] // 2))
    return sizes, [budget // (size * rounds) for size in sizes[:-1]]


def _equal(
    policy: BestArmPolicy,
    sizes: list[int],
    pulls: list[int],
    budget: int,
    minimum: int,
    noise: Noise = NO_NOISE,
    *,
    accumulate: bool = False,
) -> Plan:
    if budget < minimum:
        raise BudgetError(type(policy).__name__, budget, minimum)
    return EqualPulls(sizes, pulls, noise, accumulate=accumulate)


@guarantee("Hoeffding's inequality", kind="upper", algorithm="UniformAllocation", evidence="derived")
def uniform_allocation_bound(gaps: ArrayLike, budget: int) -> float:
    """P(error of uniform allocation) <= sum over the suboptimal arms of exp(-floor(T / K) gap^2), at most 1.

    Parameters
    ----------
    gaps : float array, shape (K,)
        Best mean minus the arm's mean, in [0, 1], for rewards in [0, 1]; one of them is 0.
    budget : int >= K
        T.
    """
    ordered = sorted_gaps(gaps)
    pulls = whole_number(budget, "budget", 1) // ordered.size
    wrong = ordered[ordered > 0]
    return min(1.0, float(np.exp(-pulls * wrong**2).sum()))


@guarantee("Audibert, Bubeck & Munos 2010", kind="upper", algorithm="SuccessiveRejects", evidence="textbook")
def successive_rejects_bound(gaps: ArrayLike, budget: int) -> float:
    """P(error of Successive Rejects) <= K (K - 1) / 2 exp(-(T - K) / (lb(K) H2)), at most 1.

    Parameters
    ----------
    gaps : float array, shape (K,), K >= 2
        Best mean minus the arm's mean, in [0, 1], for rewards in [0, 1]; exactly one of them is 0.
    budget : int >= K
        T.
    """
    ordered = unique_best(gaps)
    arms = ordered.size
    exponent = (whole_number(budget, "budget", arms) - arms) / (float(_log_bar(arms)) * _h2(ordered))
    return min(1.0, arms * (arms - 1) / 2 * math.exp(-exponent))


@guarantee("Karnin, Koren & Somekh 2013", kind="upper", algorithm="SequentialHalving", evidence="textbook")
def sequential_halving_bound(gaps: ArrayLike, budget: int) -> float:
    """P(error of Sequential Halving) <= 3 log2(K) exp(-T / (8 H2 log2 K)), at most 1.

    Parameters
    ----------
    gaps : float array, shape (K,), K >= 2
        Best mean minus the arm's mean, in [0, 1], for rewards in [0, 1]; exactly one of them is 0.
    budget : int >= 1
        T.
    """
    ordered = unique_best(gaps)
    rounds = math.log2(ordered.size)
    return min(1.0, 3 * rounds * math.exp(-whole_number(budget, "budget", 1) / (8 * _h2(ordered) * rounds)))


def _h2(ordered: NDArray[np.float64]) -> float:
    """Max over i >= 2 of i / gap_(i)^2; a gap of 1e-200 makes it infinite, and the bounds true."""
    with np.errstate(over="ignore", divide="ignore"):
        return float(np.max(np.arange(2, ordered.size + 1) / ordered[1:] ** 2))


def sorted_gaps(gaps: ArrayLike) -> NDArray[np.float64]:
    """Gaps in increasing order, the first of them 0."""
    given = np.sort(np.asarray(gaps, dtype=np.float64), axis=None)
    if np.ndim(gaps) != 1 or given.size == 0 or not np.isfinite(given).all() or given[0] != 0.0 or given[-1] > 1.0:
        raise ValueError(f"gaps: {gaps!r} is not a vector of numbers in [0, 1] of which one is 0")
    return given


def unique_best(gaps: ArrayLike) -> NDArray[np.float64]:
    """Gaps in increasing order, the first of them 0 and the others positive."""
    ordered = sorted_gaps(gaps)
    if ordered.size < 2 or ordered[1] == 0.0:
        raise ValueError(f"gaps: {gaps!r} must have two entries or more, and exactly one 0")
    return ordered
