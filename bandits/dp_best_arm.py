"""DP-BAI: private best-arm identification with a fixed budget, for arms with linear means.

Source: arXiv:2401.09073, Z. Chen, P. N. Karthik, Y. M. Chee, V. Y. F. Tan, "Fixed-budget differentially private best
arm identification", ICLR 2024. Its full text was not at hand: that there are a Max-Det branch and one that pulls every
arm, Laplace noise on the means of fresh rewards, and a schedule from two integer sequences is known from the abstract
and the public reviews; the schedule's exact rule, the rounding and all finite-time constants are derived here.

Neighbouring tables of rewards differ in one reward of one arm. Given the active arms, a phase publishes noisy means of
rewards that no other phase reads; one reward moves one of these means by at most 1 / n, and Laplace noise of scale
1 / (epsilon n) hides that. All else follows from what is published. So the whole transcript, which arms are pulled when
and which is named, is epsilon-private, and spending less than epsilon in early phases would gain nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from algos.contracts import description, whole_number
from algos.optimal_design import max_det_collection, rank_of_rows
from algos.privacy import Calibration, Delta, Epsilon, gaussian_sigma
from bandits.best_arm import Mechanism, laplace_noise
from bandits.fixed_budget import (
    GAUSSIAN,
    MAX_DET,
    NO_NOISE,
    ON_SUMS,
    BestArmPolicy,
    BudgetError,
    Noise,
    OutOfRange,
    PhaseDesign,
    Plan,
    pull_all,
)

__all__ = ["DPBAI", "DPBAIGauss", "check_schedule", "least_budget", "phase_pulls", "survivor_schedule"]

Rounding = Literal["floor", "ceil"]


def check_schedule(sizes: Any) -> list[int]:
    """Return the sizes of the active sets, whole numbers that decrease strictly to 1.

    Raises
    ------
    ValueError
        For anything else.
    """
    try:
        found = _schedule(sizes)
    except ValueError as error:
        raise ValueError(f"schedule: {sizes!r}: {error}") from None
    if found is None:
        raise ValueError("schedule: None is no list of whole numbers that decrease strictly to 1")
    return list(found)


def _schedule(value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise ValueError("must be a list of whole numbers that decrease strictly to 1")
    sizes = [whole_number(size, "an entry", 1) for size in value]
    if not sizes or sizes[-1] != 1 or any(after >= before for before, after in itertools.pairwise(sizes)):
        raise ValueError("must decrease strictly to 1")
    return tuple(sizes)


Schedule = Annotated[tuple[int, ...] | None, BeforeValidator(_schedule)]
"""Sizes of the active sets, strictly decreasing to 1; None for the rule of `survivor_schedule`."""


@description
class DPBAI(BestArmPolicy):
    """DP-BAI: phases on fresh rewards with Laplace noise; epsilon-private with respect to one reward.

    A phase with s active arms of rank r pulls a Max-Det collection of r arms if r^2 < s, and infers the means of all
    others from theirs; otherwise it pulls every active arm. The arms with the largest estimates stay.

    Parameters
    ----------
    epsilon : float in [1e-300, inf]
        Privacy budget of the whole run with respect to one reward of one arm; inf adds no noise. For people with up to
        k rewards each, use epsilon / k.
    mechanism : {"laplace", "discrete_laplace"}
        Noise on the sums of rewards; the discrete one needs epsilon >= 1e-15, and refuses rewards that are not 0 or 1.
    rounding : {"floor", "ceil"}
        n = floor(T / (M m)) pulls of each of m arms in one of M phases; or the paper's ceil(T' / (M m)), with T' less
        than T by what the ceilings could add.
    max_det : {"local", "exact"}
        How Max-Det collections are found (`algos.optimal_design.max_det_collection`).
    schedule : sequence of int, optional
        Numbers of active arms, strictly decreasing from K to 1; the rule of `survivor_schedule` when omitted.
    out_of_range : {"raise", "clip"}
        What to do with a reward outside [0, 1]. Raising depends on the data: on real data only "clip" is private.

    Notes
    -----
    P(error) <= `dp_bai_bound`, at every budget; for large budgets the paper's exp(-T' / (65 M H)), `dp_bai_rate`. On
    unit vectors it is `DPSequentialHalving`, draw by draw. It uses the features only while r^2 < s: with K <= d^2
    arms, `DPOD` is the better choice.

    Examples
    --------
    >>> from simulators import NormTenArms
    >>> arms = NormTenArms().sample(np.random.default_rng(1))
    >>> run = DPBAI(epsilon=0.1).run(arms, 10_000, np.random.default_rng(0))
    >>> run.outcome["arm"], np.flatnonzero(run.outcome["pulls"]).tolist(), run.outcome["epsilon"]
    (0, [0, 2], 0.1)
    """

    epsilon: Epsilon
    mechanism: Mechanism = "laplace"
    rounding: Rounding = "floor"
    max_det: Literal["local", "exact"] = "local"
    schedule: Schedule = None
    out_of_range: OutOfRange = "raise"

    def __post_init__(self) -> None:
        laplace_noise(self.epsilon, self.mechanism)  # refuses what cannot be drawn

    def plan(self, features: NDArray[np.float64] | None, n_arms: int, budget: int) -> Plan:
        """Phases from the schedule, designs by the rank of the active features, Laplace noise on each sum."""
        return _DPBAIPlan(self, laplace_noise(self.epsilon, self.mechanism), features, n_arms, budget)

    def spent(self) -> dict[str, float]:
        """Epsilon, once: each reward enters one phase only."""
        return {"epsilon": self.epsilon}

    def rewards_out_of_range(self) -> OutOfRange | None:
        """Rewards must lie in [0, 1]: the noise is made for that."""
        return self.out_of_range


@description
class DPBAIGauss(BestArmPolicy):
    """DP-BAI with Gaussian noise: (epsilon, delta)-private with respect to one reward.

    Parameters
    ----------
    epsilon : float in [1e-300, inf]
        Privacy budget of the whole run.
    delta : float in (0, 1)
        Privacy slack of the whole run.
    calibration : {"analytic", "classical"}
        Standard deviation of the noise on a sum (`algos.privacy.gaussian_sigma`); the classical one needs epsilon <= 1.
    rounding, max_det, schedule, out_of_range
        As in `DPBAI`.

    Notes
    -----
    P(error) <= `dp_bai_gauss_bound`.
    """

    epsilon: Epsilon
    delta: Delta
    calibration: Calibration = "analytic"
    rounding: Rounding = "floor"
    max_det: Literal["local", "exact"] = "local"
    schedule: Schedule = None
    out_of_range: OutOfRange = "raise"

    def __post_init__(self) -> None:
        gaussian_sigma(self.epsilon, self.delta, calibration=self.calibration)  # refuses what has no calibration

    def plan(self, features: NDArray[np.float64] | None, n_arms: int, budget: int) -> Plan:
        """Phases from the schedule, designs by the rank of the active features, Gaussian noise on each sum."""
        sigma = gaussian_sigma(self.epsilon, self.delta, calibration=self.calibration)
        return _DPBAIPlan(self, Noise(GAUSSIAN, sigma) if sigma > 0 else NO_NOISE, features, n_arms, budget)

    def spent(self) -> dict[str, float]:
        """Epsilon and delta, once: each reward enters one phase only."""
        return {"epsilon": self.epsilon, "delta": self.delta}

    def rewards_out_of_range(self) -> OutOfRange | None:
        """Rewards must lie in [0, 1]: the noise is made for that."""
        return self.out_of_range


def survivor_schedule(n_arms: int, dimension: int) -> list[int]:
    """Active arms s_1 = K, ..., s_{M+1} = 1 of DP-BAI: down to ceil(d^2 / 4) at one ratio, then by halves.

    Parameters
    ----------
    n_arms : int >= 1
        K.
    dimension : int >= 1
        d, the rank of the features.

    Notes
    -----
    The first part takes at most max(1, ceil(log2 d)) phases: its ratio is the smallest whole number >= 2 that gets
    there. Whole, because nested ceilings of whole ratios combine exactly.

    Examples
    --------
    >>> survivor_schedule(64, 8)
    [64, 28, 19, 16, 8, 4, 2, 1]
    """
    arms, d = whole_number(n_arms, "n_arms", 1), whole_number(dimension, "dimension", 1)
    halved = min(arms, -(-d * d // 4))
    crowd = arms - halved
    steps = max(1, (d - 1).bit_length())  # ceil(log2 d)
    ratio = 2
    while ratio**steps < crowd + 1:
        ratio += 1
    sizes = []
    while crowd > 0:
        sizes.append(halved + crowd)
        crowd = -(-(crowd + 1) // ratio) - 1
    while halved > 1:
        sizes.append(halved)
        halved = -(-halved // 2)
    return [*sizes, 1]


def least_budget(sizes: Sequence[int], dimension: int) -> int:
    """The budget that every phase of DP-BAI can be played with, whatever arms stay: M max_p u_p.

    Parameters
    ----------
    sizes : sequence of int
        The schedule s_1, ..., s_{M+1}.
    dimension : int >= 0
        d, the rank of the features.

    Examples
    --------
    >>> least_budget(survivor_schedule(64, 8), 8)
    448
    """
    return (len(sizes) - 1) * max((_most_pulled(s, dimension) for s in sizes[:-1]), default=0)


def phase_pulls(sizes: Sequence[int], dimension: int, budget: int, n_pulled: int, rounding: Rounding = "floor") -> int:
    """Pulls of each of m arms in a phase: floor(T / (M m)), or ceil(T' / (M m))."""
    phases = len(sizes) - 1
    if rounding == "floor":
        return budget // (phases * n_pulled)
    # A ceiling adds less than one pull of each arm, so that the phases stay below T' / M + u_p each.
    rest = budget - sum(_most_pulled(s, dimension) for s in sizes[:-1])
    return max(-(-rest // (phases * n_pulled)), 1)


def _most_pulled(size: int, dimension: int) -> int:
    """u_p: most arms that a phase with so many active ones may pull."""
    return dimension if size > dimension * dimension else size


class _DPBAIPlan(Plan):
    """Designs of DP-BAI: by rank for all replications at once, Max-Det collections once for each active set."""

    def __init__(
        self,
        policy: DPBAI | DPBAIGauss,
        noise: Noise,
        features: NDArray[np.float64] | None,
        n_arms: int,
        budget: int,
    ) -> None:
        rank = n_arms
        if features is not None:
            # One scale for all active sets: ranks must not depend on it.
            largest = np.abs(features).max()
            features = features / largest if largest > 0 else features
            rank = int(rank_of_rows(features, np.arange(n_arms)[None], n_arms)[0])
        sizes = policy.schedule or survivor_schedule(n_arms, max(rank, 1))
        if sizes[0] != n_arms:
            raise ValueError(f"schedule: starts with {sizes[0]}, but there are {n_arms} arms")
        minimum = least_budget(sizes, rank)
        if budget < minimum:
            raise BudgetError(type(policy).__name__, budget, minimum)
        super().__init__(sizes, noise)
        self.features, self.rank, self.budget = features, rank, budget
        self.method, self.rounding = policy.max_det, policy.rounding

    def designs(self, phase: int, active: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[PhaseDesign]]:
        """One design for all sets whose rank is at least sqrt(s), and one for each other set."""
        size = active.shape[1]
        enough = math.isqrt(size - 1) + 1  # the least r with r^2 >= s
        # A set that lacks K - s of the arms has lost at most so much rank.
        if self.features is None or self.rank - (self.sizes[0] - size) >= enough:
            of_all = np.ones(len(active), dtype=bool)
        elif self.rank < enough:
            of_all = np.zeros(len(active), dtype=bool)
        else:
            of_all = rank_of_rows(self.features, active, enough) >= enough
        index = np.zeros(len(active), dtype=np.int64)
        everyone = [pull_all(size, enough, self.pulls_of_each(size), self.noise.scale)] if of_all.any() else []
        if everyone and len(active) == 1:  # a single run has a log, which tells the rank itself
            everyone = [everyone[0]._replace(rank=self._rank_of(active[0]))]
        if not of_all.all():
            index[~of_all], inferred = super().designs(phase, active[~of_all])
            index[~of_all] += len(everyone)
            everyone += inferred
        return index, everyone

    def design(self, phase: int, active: NDArray[np.int64]) -> PhaseDesign:
        """The Max-Det branch: pull a basis, infer the rest."""
        assert self.features is not None
        basis, coefficients = max_det_collection(self.features[active], method=self.method)
        rank = basis.size
        pulls = self.pulls_of_each(rank) if rank else 0  # rank 0: all means are 0
        return PhaseDesign(
            *(MAX_DET, rank, basis, np.full(rank, pulls, dtype=np.int64)),
            *(np.eye(rank) / max(pulls, 1), np.ascontiguousarray(coefficients), ON_SUMS, self.noise.scale),
        )

    def pulls_of_each(self, n_pulled: int) -> int:
        """Pulls of each of so many arms."""
        return phase_pulls(self.sizes, self.rank, self.budget, n_pulled, self.rounding)

    def _rank_of(self, active: NDArray[np.int64]) -> int:
        if self.features is None:
            return int(active.size)
        return int(rank_of_rows(self.features, active[None], active.size)[0])
