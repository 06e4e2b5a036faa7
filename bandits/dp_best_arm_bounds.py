"""What private best-arm identification guarantees: bounds on the error at every budget, and rates for large ones.

Sources: arXiv:2401.09073 (hardness, the rate of Theorem 2 and the lower bound, as reported by readers of the paper);
V. Karwa, S. Vadhan, "Finite sample differentially private confidence intervals", 2018 (the privacy part of the two-arm
floor). The finite-time bounds are derived here: Hoeffding's lemma for rewards in [0, 1], the Laplace moment generating
function, and Markov's inequality for the number of arms that overtake the best one.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import whole_number
from algos.guarantees import guarantee
from algos.privacy import Calibration, check_epsilon, gaussian_sigma
from bandits.best_arm import sorted_gaps, unique_best
from bandits.dp_best_arm import Rounding, check_schedule, least_budget, phase_pulls, survivor_schedule
from bandits.linear_best_arm import od_schedule

__all__ = [
    "Hardness",
    "budget_for_error",
    "dp_bai_bound",
    "dp_bai_gauss_bound",
    "dp_bai_rate",
    "dp_od_bound",
    "hardness",
    "noisy_difference_bound",
    "two_arm_floor",
]

BoundKind = Literal["split", "chernoff"]

_DESIGN_SLACK = 1.0 + 1e-5  # a computed G-optimal design has variances up to r (1 + 1e-6), and drops tiny weights
_GRID = 64


class Hardness(NamedTuple):
    """How hard it is to find the best arm, and how much harder in private."""

    bandit: float  # H_BAI = max over 2 <= i <= min(d^2, K) of i / gap_(i)^2
    privacy: float  # H_pri = the same maximum of i / (epsilon gap_(i))

    @property
    def total(self) -> float:
        """H."""
        return self.bandit + self.privacy


def hardness(gaps: ArrayLike, dimension: int, epsilon: float) -> Hardness:
    """The two terms of the complexity H = H_BAI + H_pri of arXiv:2401.09073.

    Parameters
    ----------
    gaps : float array, shape (K,), K >= 2
        Best mean minus the arm's mean, in [0, 1]; exactly one of them is 0.
    dimension : int >= 1
        d, the rank of the features; for arms without structure, K.
    epsilon : float in [1e-300, inf]
        Privacy budget.

    Notes
    -----
    In general neither term, nor the factor log d in the rate, can be improved: no policy has an error of at most
    exp(-T / (c (log d)^a (H_BAI^b + H_pri^c))) on all instances for exponents in [0, 1] that are not all 1. This is a
    statement on the worst instances, not on each.

    Examples
    --------
    >>> hardness([0.0, 0.1, 0.4], dimension=3, epsilon=0.1)
    Hardness(bandit=199.99999999999997, privacy=200.0)
    """
    ordered, d = unique_best(gaps), whole_number(dimension, "dimension", 1)
    last = min(d * d, ordered.size)
    if last < 2:  # one dimension: two arms are compared whatever their number
        last = 2
    rank = np.arange(2, last + 1)
    with np.errstate(over="ignore", divide="ignore"):
        return Hardness(
            float(np.max(rank / ordered[1:last] ** 2)), float(np.max(rank / ordered[1:last]) / check_epsilon(epsilon))
        )


@guarantee("arXiv:2401.09073, Theorem 2", kind="upper", algorithm="DPBAI", evidence="secondary")
def dp_bai_rate(gaps: ArrayLike, dimension: int, budget: int, epsilon: float) -> float:
    """For all large enough T, P(error of DP-BAI) <= exp(-T' / (65 M H)); not a bound at moderate T.

    Parameters
    ----------
    gaps : float array, shape (K,), K >= 2
        Best mean minus the arm's mean, in [0, 1]; exactly one of them is 0.
    dimension : int >= 1
        d, the rank of the features.
    budget : int >= 1
        T. T' is T less what rounding up could add.
    epsilon : float in [1e-300, inf]
        Privacy budget.

    Notes
    -----
    With 10 or 100 arms "large enough" can mean a million pulls. `dp_bai_bound` holds at every budget.
    """
    ordered = unique_best(gaps)
    sizes = survivor_schedule(ordered.size, dimension)
    used = sum(dimension if s > dimension**2 else s for s in sizes[:-1])
    rest = max(whole_number(budget, "budget", 1) - used, 0)
    return math.exp(-rest / (65 * (len(sizes) - 1) * hardness(ordered, dimension, epsilon).total))


@guarantee("Hoeffding's lemma and the Laplace transform", kind="upper", algorithm="noisy sums", evidence="derived")
def noisy_difference_bound(gap: float, weights: ArrayLike, pulls: ArrayLike, epsilon: float) -> float:
    """P(sum w (centred sum + noise) >= gap) <= inf_t exp(-t gap + t^2 sum n w^2 / 8) / prod (1 - t^2 w^2 / eps^2).

    Parameters
    ----------
    gap : float > 0
        How far the estimate must be off.
    weights : float array, shape (m,)
        w: the estimate is the sum over b of w_b times the noisy sum of rewards of arm b.
    pulls : int array, shape (m,)
        n: rewards in each sum, which lie in [0, 1].
    epsilon : float in [1e-300, inf]
        The sums have independent Laplace noise of scale 1 / epsilon; inf for none.

    Notes
    -----
    For any estimate that is linear in noisy sums: DP-BAI, DP-OD with noise on the sums, halving, uniform allocation.
    """
    w, n = np.asarray(weights, dtype=np.float64), np.asarray(pulls, dtype=np.float64)
    if not gap > 0:
        raise ValueError(f"gap: {gap} is not positive")
    if w.ndim != 1 or w.shape != n.shape or not np.isfinite(w).all() or not (n >= 0).all():
        raise ValueError("weights, pulls: must be finite vectors of the same length, pulls >= 0")
    return float(_chernoff(np.array([gap]), float(np.sum(n * w * w)), np.abs(w), check_epsilon(epsilon))[0])


@guarantee("derived from arXiv:2401.09073, Algorithm 1", kind="upper", algorithm="DPBAI", evidence="derived")
def dp_bai_bound(
    gaps: ArrayLike,
    dimension: int,
    budget: int,
    epsilon: float,
    *,
    kind: BoundKind = "split",
    schedule: Sequence[int] | None = None,
    rounding: Rounding = "floor",
) -> float:
    """P(error of DP-BAI) <= sum over phases of the chance that too many arms overtake the best, at every budget.

    Parameters
    ----------
    gaps : float array, shape (K,), K >= 1
        Best mean minus the arm's mean, in [0, 1]; one of them is 0.
    dimension : int >= 1
        d, the rank of the features; for arms without structure, K.
    budget : int >= 1
        T. Below the least budget of the policy the bound is 1.
    epsilon : float in [1e-300, inf]
        Privacy budget.
    kind : {"split", "chernoff"}
        Bound on a pair of arms: rewards and noise each off by half the gap, in closed form; or Chernoff's bound on both
        together, which is far smaller as a rule.
    schedule : sequence of int, optional
        Numbers of active arms; `survivor_schedule` when omitted.
    rounding : {"floor", "ceil"}
        As in `DPBAI`.

    Notes
    -----
    In a phase with s arms of which s' stay, the best arm leaves only if s' others reach its estimate. Leave out the q
    best of the others: at least s' - q of the rest do, and Markov's inequality bounds the chance by the sum of their
    pairwise chances over s' - q, for the best q. The i-th best active arm has at least the i-th smallest gap. The
    largest value over all ranks that the active features may have is taken. O(sum over phases of d s).

    Examples
    --------
    >>> gaps = [0.0, 0.1, 0.2, 0.3, 0.3, 0.4, 0.5, 0.6]
    >>> round(dp_bai_bound(gaps, 8, 20_000, epsilon=1.0), 8)
    0.00024064
    """
    epsilon = check_epsilon(epsilon)
    pairwise = functools.partial(_pair_bound(kind), epsilon=epsilon)
    return _phases_bound(gaps, dimension, budget, schedule, rounding, pairwise)


@guarantee("derived from arXiv:2401.09073, DP-BAI-Gauss", kind="upper", algorithm="DPBAIGauss", evidence="derived")
def dp_bai_gauss_bound(
    gaps: ArrayLike,
    dimension: int,
    budget: int,
    epsilon: float,
    delta: float,
    *,
    calibration: Calibration = "analytic",
    schedule: Sequence[int] | None = None,
    rounding: Rounding = "floor",
) -> float:
    """P(error of DP-BAI-Gauss) <= the bound of `dp_bai_bound` with pairs exp(-gap^2 / (2 k (1 / 4n + sigma^2 / n^2))).

    Parameters
    ----------
    gaps, dimension, budget, epsilon, schedule, rounding
        As in `dp_bai_bound`.
    delta : float in (0, 1)
        Privacy slack.
    calibration : {"analytic", "classical"}
        Of sigma.

    Notes
    -----
    k = 2 where all arms are pulled, and 4 r with a Max-Det collection of r arms: rewards in [0, 1] are
    1/2-sub-Gaussian, and variances add.
    """
    sigma = gaussian_sigma(epsilon, delta, calibration=calibration)

    def pairwise(gap: NDArray[np.float64], n: int, rank: int, all_pulled: bool) -> NDArray[np.float64]:
        spread = (2.0 if all_pulled else 4.0 * rank) * (0.25 / n + (sigma / n) ** 2)
        return np.minimum(1.0, np.exp(-(gap**2) / (2.0 * spread)))

    return _phases_bound(gaps, dimension, budget, schedule, rounding, pairwise)


@guarantee("derived from Yang & Tan 2022, OD-LinBAI", kind="upper", algorithm="DPOD", evidence="derived")
def dp_od_bound(gaps: ArrayLike, dimension: int, budget: int, epsilon: float, *, kind: BoundKind = "split") -> float:
    """P(error of DP-OD, noise on sums) <= sum over rounds, pairs exp(-gap^2 m / 8r) + (4/3)^S exp(-eps gap m / 8r).

    Parameters
    ----------
    gaps, dimension, budget, epsilon
        As in `dp_bai_bound`.
    kind : {"split", "chernoff"}
        Bound on a pair of arms.

    Notes
    -----
    In a round with rank r and a design of support S, sum_i n_i w_i^2 <= 4 r / m and |w_i| <= 2 r / m for the weights of
    the difference of two estimates. The exponent needs ranks up to d only, where that of DP-BAI needs d^2: for large T
    it is never worse. A design that is optimal up to a relative 1e-5 is allowed for.
    """
    epsilon = check_epsilon(epsilon)
    _pair_bound(kind)
    ordered, d = sorted_gaps(gaps), whole_number(dimension, "dimension", 1)
    if ordered.size == 1:
        return 0.0
    sizes, pulls = od_schedule(ordered.size, d, budget)
    if pulls <= 0:
        return 1.0

    def pairwise(gap: NDArray[np.float64], size: int, rank: int) -> NDArray[np.float64]:
        support, width = min(size, rank * (rank + 1) // 2), 2.0 * rank * _DESIGN_SLACK / pulls
        if kind == "chernoff":
            return _chernoff(gap, 2.0 * width, np.full(support, width), epsilon)
        if epsilon == math.inf:
            return np.minimum(1.0, np.exp(-(gap**2) / width))
        noise = np.exp(np.minimum(support * math.log(4 / 3) - epsilon * gap / (4.0 * width), 0.0))
        return np.minimum(1.0, np.exp(-(gap**2) / (4.0 * width)) + noise)

    total = 0.0
    for size, kept in itertools.pairwise(sizes):
        if kept < size:
            total += max(_too_many(pairwise(ordered[1:size], size, r), kept) for r in range(1, min(d, size) + 1))
    return min(1.0, total)


@guarantee("Bretagnolle-Huber; Karwa & Vadhan 2018", kind="lower", algorithm="any private policy", evidence="textbook")
def two_arm_floor(best: float, other: float, budget: int, epsilon: float) -> float:
    """The larger error on (best, other) and (other, best) is >= exp(-T min(kl, 6 epsilon gap)) / 4, two Bernoulli arms.

    Parameters
    ----------
    best, other : float in (0, 1)
        The means; kl is the larger of the two divergences between them.
    budget : int >= 0
        T.
    epsilon : float in [1e-300, inf]
        Privacy budget of the policy.
    """
    if not (0.0 < best < 1.0 and 0.0 < other < 1.0):
        raise ValueError(f"best, other: {best}, {other} are not both in (0, 1)")
    divergence = max(_bernoulli_kl(best, other), _bernoulli_kl(other, best))
    private = 6.0 * check_epsilon(epsilon) * abs(best - other) if best != other else 0.0
    return 0.25 * math.exp(-whole_number(budget, "budget", 0) * min(divergence, private))


def budget_for_error(
    gaps: ArrayLike, dimension: int, epsilon: float, error: float, *, kind: BoundKind = "chernoff"
) -> int:
    """A budget at which DP-BAI names a wrong arm with at most this probability, by `dp_bai_bound`.

    Parameters
    ----------
    gaps : float array, shape (K,), K >= 2
        Best mean minus the arm's mean, in [0, 1]; exactly one of them is 0.
    dimension : int >= 1
        d, the rank of the features.
    epsilon : float in [1e-300, inf]
        Privacy budget.
    error : float in (0, 1)
        What the bound shall not exceed.
    kind : {"split", "chernoff"}
        Which bound.

    Notes
    -----
    By bisection between a budget that is too small and one that is not. Floors make the bound nearly monotone only: a
    slightly smaller budget may do as well.

    Examples
    --------
    >>> budget = budget_for_error([0.0, 0.1, 0.2, 0.4], 4, epsilon=0.5, error=0.05)
    >>> budget, dp_bai_bound([0.0, 0.1, 0.2, 0.4], 4, budget, 0.5, kind="chernoff") <= 0.05
    (1360, True)
    """
    ordered = unique_best(gaps)
    if not 0.0 < error < 1.0:
        raise ValueError(f"error: {error} is outside (0, 1)")

    def enough(budget: int) -> bool:
        return dp_bai_bound(ordered, dimension, budget, epsilon, kind=kind) <= error

    high = max(1, least_budget(survivor_schedule(ordered.size, dimension), dimension))
    low = high - 1
    while not enough(high):
        low, high = high, 2 * high
        if high > 2**53:
            raise ValueError(f"error: {error} needs a budget above 2**53 with these gaps and epsilon")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _phases_bound(
    gaps: ArrayLike,
    dimension: int,
    budget: int,
    schedule: Sequence[int] | None,
    rounding: Rounding,
    pairwise: Callable[[NDArray[np.float64], int, int, bool], NDArray[np.float64]],
) -> float:
    """Sum over phases of the largest chance, over ranks, that too many arms overtake the best."""
    ordered, d = sorted_gaps(gaps), whole_number(dimension, "dimension", 1)
    pulls = whole_number(budget, "budget", 1)
    sizes = survivor_schedule(ordered.size, d) if schedule is None else check_schedule(schedule)
    if rounding not in ("floor", "ceil"):
        raise ValueError(f"rounding: {rounding!r} is neither 'floor' nor 'ceil'")
    if sizes[0] != ordered.size:
        raise ValueError(f"schedule: starts with {sizes[0]}, but there are {ordered.size} gaps")
    if pulls < least_budget(sizes, d):
        return 1.0
    total = 0.0
    for size, kept in itertools.pairwise(sizes):
        worst, seen_all = 0.0, False
        for rank in range(1, min(d, size) + 1):
            all_pulled = rank * rank >= size
            if all_pulled and seen_all:
                continue  # the branch that pulls every arm does not depend on the rank
            seen_all = all_pulled
            n = phase_pulls(sizes, d, pulls, size if all_pulled else rank, rounding)
            worst = max(worst, _too_many(pairwise(ordered[1:size], n, rank, all_pulled), kept))
        total += worst
    return min(1.0, total)


def _too_many(chances: NDArray[np.float64], kept: int) -> float:
    """Least over q of the sum of the chances but the q first, over kept - q: at most 1."""
    left_out = np.arange(kept)
    tails = np.append(np.cumsum(chances[::-1])[::-1], 0.0)
    return min(1.0, float(np.min(tails[np.minimum(left_out, chances.size)] / (kept - left_out))))


def _pair_bound(kind: str) -> Callable[..., NDArray[np.float64]]:
    if kind not in ("split", "chernoff"):
        raise ValueError(f"kind: {kind!r} is neither 'split' nor 'chernoff'")
    return _pairwise_split if kind == "split" else _pairwise_chernoff


def _pairwise_split(
    gap: NDArray[np.float64], n: int, rank: int, all_pulled: bool, epsilon: float
) -> NDArray[np.float64]:
    """Rewards and noise each off by half the gap."""
    if epsilon == math.inf:
        return np.exp(-(gap**2) * n) if all_pulled else np.exp(-(gap**2) * n / (2.0 * rank))
    x = np.minimum(epsilon * n * gap, 1e300)
    if all_pulled:
        return np.minimum(1.0, np.exp(-(gap**2) * n / 4.0) + 0.5 * (1.0 + x / 4.0) * np.exp(-x / 2.0))
    noise = np.exp(np.minimum(rank * math.log(4.0 / 3.0) - x / 8.0, 0.0))
    return np.minimum(1.0, np.exp(-(gap**2) * n / (8.0 * rank)) + noise)


def _pairwise_chernoff(
    gap: NDArray[np.float64], n: int, rank: int, all_pulled: bool, epsilon: float
) -> NDArray[np.float64]:
    """Two weights 1 / n where all arms are pulled, r weights 2 / n with a Max-Det collection."""
    terms, weight = (2, 1.0 / n) if all_pulled else (rank, 2.0 / n)
    return _chernoff(gap, terms * n * weight * weight, np.full(terms, weight), epsilon)


def _chernoff(
    gap: NDArray[np.float64], spread: float, weights: NDArray[np.float64], epsilon: float
) -> NDArray[np.float64]:
    """Inf over t of exp(-t gap + t^2 spread / 8) prod_b (1 - (t w_b / epsilon)^2)^-1 for each gap; spread = sum n w^2.

    The logarithm is convex in t; its derivative is brought to zero by bisection. Every t gives a bound.
    """
    unique, places = np.unique(gap, return_inverse=True)
    values, counts = np.unique(weights[weights > 0], return_counts=True)
    if epsilon == math.inf or values.size == 0:
        with np.errstate(divide="ignore", over="ignore"):
            return np.exp(-2.0 * unique**2 / spread)[places] if spread > 0 else np.where(gap > 0, 0.0, 1.0)
    ratio = (values / values[-1])[:, None]  # in units of t_max = epsilon / max |w| numbers stay tame
    scale = epsilon / values[-1]
    # d/du of the logarithm at t = u t_max, u in (0, 1).
    low, high = np.zeros(unique.size), np.full(unique.size, 1.0 - 1e-12)
    for _ in range(_GRID):
        u = 0.5 * (low + high)
        slope = -scale * unique + scale * scale * u * spread / 4.0
        slope = slope + (2.0 * counts[:, None] * u * ratio**2 / (1.0 - (u * ratio) ** 2)).sum(axis=0)
        low, high = np.where(slope < 0, u, low), np.where(slope < 0, high, u)
    u = low
    with np.errstate(over="ignore"):
        exponent = -scale * u * unique + (scale * u) ** 2 * spread / 8.0
        exponent = exponent - (counts[:, None] * np.log1p(-((u * ratio) ** 2))).sum(axis=0)
    return np.exp(np.minimum(exponent, 0.0))[places]


def _bernoulli_kl(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
