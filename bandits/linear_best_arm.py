"""OD-LinBAI and its private variants: phases with a G-optimal design and least squares.

Sources: J. Yang, V. Y. F. Tan, "Minimax optimal fixed-budget best arm identification in linear bandits", NeurIPS 2022
(OD-LinBAI; the pulls of a phase as in public code, the bound quoted from memory); arXiv:2401.09073 compares DP-BAI with
a private variant of it, whose place of the noise could not be verified: there are three here, all epsilon-private.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import description, whole_number
from algos.guarantees import guarantee
from algos.optimal_design import g_optimal_design, rank_of_rows
from algos.privacy import Epsilon
from bandits.best_arm import laplace_noise, unique_best
from bandits.fixed_budget import (
    G_OPTIMAL,
    NO_NOISE,
    ON_COORDINATES,
    ON_MEANS,
    ON_SUMS,
    BestArmPolicy,
    BudgetError,
    Noise,
    OutOfRange,
    PhaseDesign,
    Plan,
)

__all__ = ["DPOD", "ODLinBAI", "od_lin_bai_bound", "od_schedule"]

_PLACES = {"sums": ON_SUMS, "theta": ON_COORDINATES, "means": ON_MEANS}


@description
class ODLinBAI(BestArmPolicy):
    """OD-LinBAI: ceil(log2 d) rounds, each with a G-optimal design over the remaining arms; not private.

    Notes
    -----
    P(error) <= (4 K / d + 3 log2 d) exp(-m / (8 H)) (`od_lin_bai_bound`). Arms without features are taken for unit
    vectors.

    Examples
    --------
    >>> from simulators import NormTenArms
    >>> arms = NormTenArms().sample(np.random.default_rng(1))
    >>> int(ODLinBAI().run(arms, 3000, np.random.default_rng(0)).outcome["arm"])
    0
    """

    def plan(self, features: NDArray[np.float64] | None, n_arms: int, budget: int) -> Plan:
        """max(1, ceil(log2 d)) rounds."""
        return _plan(type(self).__name__, features, n_arms, budget, NO_NOISE, ON_SUMS)


@description
class DPOD(BestArmPolicy):
    """OD-LinBAI on fresh rewards with Laplace noise in each round; epsilon-private with respect to one reward.

    Parameters
    ----------
    epsilon : float in [1e-300, inf]
        Privacy budget of the whole run with respect to one reward; inf adds no noise.
    noise : {"sums", "theta", "means"}
        Where the noise goes: on each pulled arm's sum of rewards, before least squares (the strongest); on each
        coordinate of the estimate of theta, which depends on the scale of the features; or on the estimated mean of
        every active arm (the naive way).
    out_of_range : {"raise", "clip"}
        What to do with a reward outside [0, 1]. Raising depends on the data: on real data only "clip" is private.

    Notes
    -----
    For noise on the sums, P(error) <= `dp_od_bound`. The other two have noise of the scale that one reward can move
    all coordinates, or all means, together.
    """

    epsilon: Epsilon
    noise: Literal["sums", "theta", "means"] = "sums"
    out_of_range: OutOfRange = "raise"

    def plan(self, features: NDArray[np.float64] | None, n_arms: int, budget: int) -> Plan:
        """max(1, ceil(log2 d)) rounds."""
        noise = laplace_noise(self.epsilon)
        return _plan(type(self).__name__, features, n_arms, budget, noise, _PLACES[self.noise])

    def spent(self) -> dict[str, float]:
        """Epsilon, once: each reward enters one round only."""
        return {"epsilon": self.epsilon}

    def rewards_out_of_range(self) -> OutOfRange | None:
        """Rewards must lie in [0, 1]: the noise is made for that."""
        return self.out_of_range


def od_schedule(n_arms: int, dimension: int, budget: int) -> tuple[list[int], float]:
    """Active arms s_1 = K, s_2, ..., 1 of OD-LinBAI, and the pulls m of a round before rounding up.

    m = (T - min(K, d (d + 1) / 2) - sum_{r=1}^{R-1} ceil(d / 2^r)) / R with R = max(1, ceil(log2 d)); a budget with
    m <= 0 is too small.

    Examples
    --------
    >>> od_schedule(64, 9, 5000)
    ([64, 5, 3, 2, 1], 1236.25)
    """
    arms, d = whole_number(n_arms, "n_arms", 1), whole_number(dimension, "dimension", 1)
    rounds = max(1, (d - 1).bit_length())
    kept = [-(-d // 2**r) for r in range(1, rounds + 1)]
    sizes = [arms]
    sizes += [min(sizes[-1], size) for size in kept]
    rest = whole_number(budget, "budget", 1) - _overhead(arms, d, kept)
    return sizes, rest / rounds


def _overhead(n_arms: int, dimension: int, kept: list[int]) -> int:
    """Pulls that rounding up may add."""
    return min(n_arms, dimension * (dimension + 1) // 2) + sum(kept[:-1])


@guarantee("Yang & Tan 2022", kind="upper", algorithm="ODLinBAI", evidence="textbook")
def od_lin_bai_bound(gaps: ArrayLike, dimension: int, budget: int) -> float:
    """P(error of OD-LinBAI) <= (4 K / d + 3 log2 d) exp(-m / (8 H)), H = max over 2 <= i <= d of i / gap_(i)^2.

    Parameters
    ----------
    gaps : float array, shape (K,), K >= 2
        Best mean minus the arm's mean, in [0, 1], for rewards in [0, 1]; exactly one of them is 0.
    dimension : int in 2..K
        d, the rank of the features.
    budget : int >= 1
        T, large enough for m > 0 (`od_schedule`).

    Notes
    -----
    The paper has exp(-m / (32 H)) for 1-sub-Gaussian rewards; those in [0, 1] are 1/2-sub-Gaussian.
    """
    ordered = unique_best(gaps)
    d = whole_number(dimension, "dimension", 2)
    if d > ordered.size:
        raise ValueError(f"dimension: {d} is above the number of arms, {ordered.size}")
    _, pulls = od_schedule(ordered.size, d, budget)
    if pulls <= 0:
        return 1.0
    with np.errstate(over="ignore", divide="ignore"):
        hardness = float(np.max(np.arange(2, d + 1) / ordered[1:d] ** 2))
    return min(1.0, (4 * ordered.size / d + 3 * math.log2(d)) * math.exp(-pulls / (8 * hardness)))


def _plan(
    policy: str, features: NDArray[np.float64] | None, n_arms: int, budget: int, noise: Noise, place: int
) -> Plan:
    rows = np.eye(n_arms) if features is None else features
    rank = int(rank_of_rows(rows / max(np.abs(rows).max(), 1e-300), np.arange(n_arms)[None], n_arms)[0])
    if rank == 0:
        return _ODPlan([n_arms, 1], noise, rows, 0.0, place)  # all means are 0
    sizes, pulls = od_schedule(n_arms, rank, budget)
    if pulls <= 0:
        raise BudgetError(policy, budget, budget + 1 - round(pulls * max(1, len(sizes) - 1)))
    return _ODPlan(sizes, noise, rows, pulls, place)


class _ODPlan(Plan):
    """A G-optimal design and least squares for each active set."""

    def __init__(self, sizes: list[int], noise: Noise, features: NDArray[np.float64], pulls: float, place: int) -> None:
        super().__init__(sizes, noise)
        self.features, self.pulls, self.place = features, pulls, place

    def design(self, phase: int, active: NDArray[np.int64]) -> PhaseDesign:
        """Pull the support of the design, ceil(weight m) times each."""
        rows = self.features[active]
        rank = int(rank_of_rows(rows / max(np.abs(rows).max(), 1e-300), np.arange(active.size)[None], active.size)[0])
        nothing = np.empty(0, dtype=np.int64)
        if rank == 0:
            return PhaseDesign(
                G_OPTIMAL, 0, nothing, nothing, np.empty((0, 0)), np.empty((active.size, 0)), self.place, 0.0
            )
        if rank < rows.shape[1]:
            rows = rows @ np.linalg.svd(rows, full_matrices=False)[2][:rank].T  # coordinates in the row space
        weights = g_optimal_design(rows)
        pulled = np.flatnonzero(weights)
        counts = np.ceil(weights[pulled] * self.pulls).astype(np.int64)
        information = (rows[pulled].T * counts) @ rows[pulled]
        solve = np.linalg.solve(information, rows[pulled].T)
        scale = self.noise.scale
        if self.place == ON_COORDINATES:
            scale *= float(np.abs(solve).sum(axis=0).max())
        elif self.place == ON_MEANS:
            scale *= float(np.abs(rows @ solve).sum(axis=0).max())
        return PhaseDesign(
            *(G_OPTIMAL, rank, pulled, counts),
            *(np.ascontiguousarray(solve), np.ascontiguousarray(rows), self.place, scale),
        )
