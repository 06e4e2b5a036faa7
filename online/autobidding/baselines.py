"""What advertisers do without a learner that knows its constraints: fixed splits, rules of thumb, and joint bandits.

All run in the loop of `SGDUCB`, with its guard, so that they differ in how they choose budgets alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from algos.arrays import FiniteVector
from algos.contracts import Count, description
from algos.knapsack import ResponseCurve, split_budget
from online.autobidding import learning
from online.autobidding.benchmarks import ch_opt_period
from online.autobidding.learning import LearnerState, Problem
from online.autobidding.runs import Journal
from online.autobidding.sgd_ucb import SGDUCB, BudgetLearner, budget_grid

__all__ = [
    "ExploreThenCommitSplit",
    "FixedSplit",
    "GreedyMarginal",
    "JointBandit",
    "ProportionalSplit",
    "concave_majorant",
]

Plan = Callable[[int, Journal], NDArray[np.float64]]
_MOST_JOINT_ARMS = 100_000


@description
class FixedSplit(BudgetLearner):
    """The same budgets in every period: equal ones, the optimum of a known market, or one's own.

    Parameters
    ----------
    budget, roi_target, preset, ...
        As for `SGDUCB`.
    split : {"equal", "optimal"} or float vector >= 0, shape (M,)
        rho / M each; `ch_opt_period`, which needs the market's distribution; or budgets that sum to at most rho.
    """

    split: Annotated[Literal["equal", "optimal"] | FiniteVector, Field(kw_only=True)] = "equal"

    _rule = learning.SCHEDULE

    @model_validator(mode="after")
    def _own_split(self) -> FixedSplit:
        if not isinstance(self.split, str) and (np.any(self.split < 0) or self.split.sum() > self.budget * (1 + 1e-12)):
            raise ValueError(f"split: must be numbers >= 0 that sum to at most the budget, {self.budget:g}")
        return self

    def _plan(self, market: Any, problem: Problem, state: LearnerState, rng: np.random.Generator) -> Plan:
        channels = market.n_channels
        if isinstance(self.split, str):
            row = np.full(channels, self.budget / channels)
            if self.split == "optimal":
                row = np.asarray(ch_opt_period(market, self.roi_target, self.budget).spends)
        else:
            row = self.split
        if row.shape != (channels,):
            raise ValueError(f"split: has {row.size} budgets for {channels} channels")
        if np.isnan(row).any():
            raise ValueError("split: no split of the market keeps the target")
        return lambda first, journal: np.tile(row, (problem.horizon - first, 1))


@description
class ProportionalSplit(BudgetLearner):
    """The whole budget, split in proportion to each channel's return so far.

    Parameters
    ----------
    budget, roi_target, preset, ...
        As for `SGDUCB`.
    by : {"average", "marginal"}
        Conversions per spend; or what more spend brought, measured by budgets a tenth above and below in turn.
    epoch : int >= 2
        Periods between two splits; the first one is equal.
    """

    by: Literal["average", "marginal"] = Field(default="average", kw_only=True)
    epoch: Annotated[int, Field(ge=2, kw_only=True)] = 100

    _rule = learning.SCHEDULE

    def _plan(self, market: Any, problem: Problem, state: LearnerState, rng: np.random.Generator) -> Plan:
        channels, swing = market.n_channels, np.where(np.arange(self.epoch) % 2 == 0, 0.9, 1.1)

        def plan(first: int, journal: Journal) -> NDArray[np.float64]:
            row = np.full(channels, self.budget / channels)
            if first > 0:
                last = slice(max(0, first - self.epoch), first)
                budgets, brought = journal.budgets[last], journal.conversions[last]
                if self.by == "average":
                    returns = brought.sum(axis=0) / np.maximum(journal.spends[last].sum(axis=0), 1e-300)
                else:
                    returns = np.maximum(_slopes(budgets, brought), 0.0)
                if returns.sum() > 0:
                    row = self.budget * returns / returns.sum()
            if self.by == "average":
                return np.tile(row, (self.epoch, 1))
            return np.asarray(row * swing[:, None])

        return plan


@description
class GreedyMarginal(BudgetLearner):
    """Move a little budget from the channel with the least marginal return to the one with the most, epoch by epoch.

    Parameters
    ----------
    budget, roi_target, preset, ...
        As for `SGDUCB`.
    epoch : int >= 2
        Periods between two moves, in which budgets alternate by a tenth of the step around their place.
    """

    epoch: Annotated[int, Field(ge=2, kw_only=True)] = 100

    _rule = learning.SCHEDULE

    def _plan(self, market: Any, problem: Problem, state: LearnerState, rng: np.random.Generator) -> Plan:
        channels = market.n_channels
        step = self.budget * problem.horizon ** (-1.0 / 3.0) if self.arm_spacing is None else self.arm_spacing
        swing = np.where(np.arange(self.epoch) % 2 == 0, -0.1, 0.1)

        def plan(first: int, journal: Journal) -> NDArray[np.float64]:
            if first == 0:
                row = np.full(channels, self.budget / channels)
            else:
                last = slice(max(0, first - self.epoch), first)
                row = journal.budgets[last].mean(axis=0)
                slopes = _slopes(journal.budgets[last], journal.conversions[last])
                giver, taker = int(np.argmin(np.where(row > 0, slopes, np.inf))), int(np.argmax(slopes))
                moved = min(step, row[giver])
                row[giver] -= moved
                row[taker] += moved
            return np.asarray(np.maximum(row + step * swing[:, None], 0.0))

        return plan


@description
class ExploreThenCommitSplit(BudgetLearner):
    """Play every arm a number of times, then the best split for the concave majorants of the mean conversions.

    Parameters
    ----------
    budget, roi_target, preset, ...
        As for `SGDUCB`.
    plays : int >= 1, optional
        Times that each arm is played; T^(2/3) / K periods in all when omitted.
    """

    plays: Annotated[Count | None, Field(kw_only=True)] = None

    _rule = learning.SCHEDULE

    def _plan(self, market: Any, problem: Problem, state: LearnerState, rng: np.random.Generator) -> Plan:
        arms, periods = problem.arms * problem.money, problem.horizon
        plays = max(1, round(periods ** (2 / 3) / arms.size)) if self.plays is None else self.plays
        exploring = np.repeat(np.tile(arms, plays)[:, None], market.n_channels, axis=1)

        def plan(first: int, journal: Journal) -> NDArray[np.float64]:
            if first < len(exploring):
                return exploring[first:]
            found = journal.conversions[: len(exploring)].reshape(plays, arms.size, -1).mean(axis=0)
            curves = [concave_majorant(arms, column) for column in found.T]
            split = split_budget(curves, self.roi_target, self.budget)
            row = split.spends if split.status == "optimal" else np.zeros(len(curves))
            return np.tile(np.asarray(row, dtype=np.float64), (periods - first, 1))

        return plan


@description
class JointBandit(SGDUCB):
    """A bandit whose arms are whole splits: all budgets that are multiples of a grid step and sum to at most rho.

    Parameters
    ----------
    budget, roi_target, preset, ...
        As for `SGDUCB`; the multipliers price an arm's conversions and cost.
    steps : int >= 1
        Grid steps of rho; C(steps + M, M) arms, at most 100,000.
    method : {"ucb1", "exp3", "primal-dual"}
        UCB1 on an arm's conversions, priced; EXP3 on its priced conversions; or PrimalDualBwK (Badanidiyuru, Kleinberg,
        Slivkins), which knows a budget only.
    """

    steps: Annotated[Count, Field(kw_only=True)] = 10
    method: Literal["ucb1", "exp3", "primal-dual"] = Field(default="ucb1", kw_only=True)

    _rule = learning.SCHEDULE

    @model_validator(mode="after")
    def _knows_targets(self) -> JointBandit:
        if self.method == "primal-dual" and self.roi_target > 0:
            raise ValueError("method = 'primal-dual': a target for the return is not a packing constraint")
        return self

    def _plan(self, market: Any, problem: Problem, state: LearnerState, rng: np.random.Generator) -> Plan:
        channels = market.n_channels
        count = math.comb(self.steps + channels, channels)
        if count > _MOST_JOINT_ARMS:
            raise ValueError(f"steps = {self.steps}: {count} joint arms are above {_MOST_JOINT_ARMS}")
        grid = budget_grid(self.budget, self.budget / self.steps)
        places = [row for row in itertools.product(range(self.steps + 1), repeat=channels) if sum(row) <= self.steps]
        arms = grid[np.array(places)]
        return _JointArms(self.method, arms, problem, state, rng)


class _JointArms:
    """The state of a joint bandit; called for the budgets of one period."""

    def __init__(
        self,
        method: str,
        arms: NDArray[np.float64],
        problem: Problem,
        state: LearnerState,
        rng: np.random.Generator,
    ) -> None:
        self._method, self._arms, self._problem, self._state, self._rng = method, arms, problem, state, rng
        self._cost = arms.sum(axis=1) / problem.money
        self._counts, self._means = np.zeros(len(arms)), np.zeros(len(arms))
        self._weights, self._chance = np.zeros(len(arms)), np.full(len(arms), 1.0 / len(arms))
        self._resources = np.zeros(2)  # logarithms of the weights of budget and time
        self._last = -1
        self._range = float(arms.shape[1])  # most conversions, in units of a channel's value bound

    def __call__(self, first: int, journal: Journal) -> NDArray[np.float64]:
        if self._last >= 0:
            self._learn(float(journal.conversions[first - 1].sum()) / self._problem.worth)
        self._last = self._choose(first)
        return self._arms[[self._last]]

    def _price(self) -> float:
        lam, mu = self._state.numbers[[learning.LAM, learning.MU]]
        return float((lam * self._problem.target + mu) / (1.0 + lam))

    def _choose(self, t: int) -> int:
        if self._method != "exp3" and t < len(self._arms):
            return t
        log = math.log(max(self._problem.horizon, 2))
        with np.errstate(divide="ignore"):
            radius = self._problem.radius * self._range * np.sqrt(2.0 * log / self._counts)
        if self._method == "ucb1":
            return int(np.argmax(self._means + radius - self._price() * self._cost))
        if self._method == "primal-dual":
            upper = np.minimum(self._means + radius, self._range)
            budget, time = np.exp(self._resources - self._resources.max())
            costs = (budget * self._cost + time * self._problem.budget) / (budget + time)
            return int(np.argmax(upper / costs))
        share = np.exp(self._weights - self._weights.max())
        mix = self._mix()
        self._chance = (1.0 - mix) * share / share.sum() + mix / share.size
        return int(np.searchsorted(np.cumsum(self._chance)[:-1], self._rng.random(), side="right"))

    def _mix(self) -> float:
        n = len(self._arms)
        return min(1.0, math.sqrt(n * math.log(n) / ((math.e - 1.0) * self._problem.horizon)) if n > 1 else 1.0)

    def _learn(self, value: float) -> None:
        arm = self._last
        self._counts[arm] += 1.0
        self._means[arm] += (value - self._means[arm]) / self._counts[arm]
        if self._method == "primal-dual":
            rate = math.sqrt(math.log(2.0) / (self._problem.budget * self._problem.horizon))
            used = np.array([self._cost[arm], self._problem.budget]) / self._cost.max()
            self._resources += used * math.log1p(min(rate, 1.0))
        elif self._method == "exp3":
            price = self._price()
            low, high = -price * self._cost.max(), self._range
            reward = (value - price * self._cost[arm] - low) / (high - low)
            self._weights[arm] += self._mix() * reward / self._chance[arm] / self._weights.size


def concave_majorant(spends: ArrayLike, values: ArrayLike) -> ResponseCurve:
    """The least concave non-decreasing curve above some points, the first at a spend of 0.

    Parameters
    ----------
    spends, values : float >= 0, shape (K,)
        The points; spends increase strictly from 0.

    Examples
    --------
    >>> concave_majorant([0.0, 1.0, 2.0], [0.0, 1.0, 4.0]).spends.tolist()
    [0.0, 2.0]
    """
    s, v = np.asarray(spends, dtype=np.float64), np.asarray(values, dtype=np.float64)
    hull: list[int] = []
    for k in range(int(np.argmax(v)) + 1):
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (v[b] - v[a]) * (s[k] - s[b]) > (v[k] - v[b]) * (s[b] - s[a]):
                break
            hull.pop()
        hull.append(k)
    return ResponseCurve(s[hull], v[hull])


def _slopes(budgets: NDArray[np.float64], brought: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slope of a line through the last periods' conversions, for each channel; 0 where the budget did not move."""
    moved = budgets - budgets.mean(axis=0)
    squares = (moved**2).sum(axis=0)
    return np.asarray(np.where(squares > 0, (moved * brought).sum(axis=0) / np.where(squares > 0, squares, 1.0), 0.0))
