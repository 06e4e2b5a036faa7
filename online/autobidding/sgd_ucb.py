"""Learning the channels' budgets: SGD-UCB, and learners of the same loop that see or assume more.

In each period a learner plays, in every channel, the budget with the best upper confidence bound of its conversions
less its price. The price follows from the multipliers of the two constraints, which are moved by gradient steps.

Source: Y. Deng, N. Golrezaei, P. Jaillet, J. C. N. Liang, V. Mirrokni, "Multi-channel Autobidding with Budget and ROI
Constraints", ICML 2023, Algorithm 1. The tuned preset, Bernstein radii, the re-solving hull and the buffer are ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from algos.contracts import NonNegative, Trajectory, check_generator, description, whole_number
from online.autobidding import learning
from online.autobidding.goals import Distribution, best_fallback, beta_max, check_slack, known_distribution
from online.autobidding.learning import LearnerState, Problem
from online.autobidding.runs import Session, open_run, play_market, trajectory

__all__ = [
    "SGDUCB",
    "BernsteinSGDUCB",
    "BudgetLearner",
    "FullInformationDual",
    "ResolvingHull",
    "ThompsonDual",
    "budget_grid",
]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Given = Annotated[Positive | None, Field(kw_only=True)]

_SHARE = 0.5  # of rho / M, the largest fallback that is chosen
_PAPER, _TUNED = {"step": 1.0, "radius": 1.0}, {"step": 5.0, "radius": 0.05}


def budget_grid(budget: float, spacing: float) -> NDArray[np.float64]:
    """The arms 0, delta, 2 delta, ..., rho: K = ceil(rho / delta) + 1 of them.

    Parameters
    ----------
    budget : float > 0
        rho.
    spacing : float in (0, rho]
        delta; the last step may be shorter.

    Examples
    --------
    >>> budget_grid(1.0, 0.4).tolist()
    [0.0, 0.4, 0.8, 1.0]
    """
    if not 0.0 < spacing <= budget:
        raise ValueError(f"arm_spacing: {spacing!r} is not in (0, {budget:g}]")
    steps = math.ceil(budget / spacing - 1e-9)
    grid = spacing * np.arange(steps + 1, dtype=np.float64)
    grid[-1] = budget
    return np.asarray(grid, dtype=np.float64)


@description
class BudgetLearner:
    """What learners of budgets have in common; see `SGDUCB` for the parameters."""

    budget: NonNegative
    roi_target: NonNegative = 0.0
    preset: Literal["paper", "tuned"] = "paper"
    fallback: Given = None
    slack: Given = None
    value_bound: Given = None
    arm_spacing: Given = None
    step: Given = None
    roi_start: Annotated[NonNegative, Field(kw_only=True)] = 0.0
    budget_start: Annotated[NonNegative, Field(kw_only=True)] = 0.0
    guard: Literal["both", "budget", "off"] = Field(default="both", kw_only=True)
    cap: Literal["slater", "none"] = Field(default="slater", kw_only=True)
    buffer: Annotated[NonNegative | None, Field(kw_only=True)] = None
    charge: Literal["budget", "spend"] = Field(default="budget", kw_only=True)
    normalize: bool = Field(default=True, kw_only=True)

    @model_validator(mode="after")
    def _fits(self) -> BudgetLearner:
        if self.arm_spacing is not None and self.budget > 0 and self.arm_spacing > self.budget:
            raise ValueError(f"arm_spacing = {self.arm_spacing}: must be at most the budget, {self.budget:g}")
        return self

    _rule = learning.UCB

    def run(
        self,
        market: Any,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
        trace: bool = False,
    ) -> Trajectory:
        """Set the budgets of a market's channels.

        Parameters
        ----------
        market : Market
            Any object as `online.autobidding.goals.Market` says.
        horizon : int >= 1
            T, periods.
        rng : numpy.random.Generator
            Draws the market unless `world` is given, and what the learner randomises.
        world : numpy.random.Generator, optional
            The market's stream.
        checkpoints : array of int in 1..horizon, optional
            Periods at which metrics are recorded; at most 200 logarithmically spaced ones when omitted.
        trace : bool
            True adds ``period_budgets``, ``period_conversions`` and ``period_spends``, shape (T, M),
            ``period_multipliers``, shape (T, 2), and ``period_roi_slack``, shape (T,).

        Returns
        -------
        Trajectory
            Metrics, sums over the periods so far: ``conversion``, ``spend``, ``budget`` (what channels were allowed),
            ``roi_slack`` (conversions less target times what is charged); ``roi_multiplier`` and ``budget_multiplier``
            at the moment; and, where the market tells its distribution, ``regret`` against `ch_opt_period`. Outcome:
            ``budgets``, the means over all periods (M,); ``conversions``, ``spends`` (M,), ``roi``, ``stopped`` (the
            periods before the guard fired), ``arms`` (K,), ``arm_counts`` (M, K), ``fallback``, ``slack`` and ``cap``.

        Raises
        ------
        SlaterError
            When no slack of the fallback is certain, with ``guard="both"``.
        ValueError
            When an argument is out of its range or something that must be known of the market is not.
        """
        periods, own, nature = open_run(horizon, market, rng, world, type(self).__name__)
        problem, state = self._open(market.n_channels, periods, known_distribution(market), market)
        journal = play_market(market, problem, state, own, nature, self._plan(market, problem, state, own))
        return trajectory(
            journal,
            problem,
            state,
            (self.budget, self.roi_target),
            market,
            checkpoints=checkpoints,
            trace=trace,
            extra={
                "arms": problem.arms * problem.money,
                "arm_counts": state.counts.copy(),
                "fallback": problem.fallback * problem.money,
                "slack": problem.slack * problem.worth / problem.money,
                "cap": problem.cap,
            },
        )

    def start(
        self, n_channels: int, horizon: int, rng: np.random.Generator | None = None, *, market: Any = None
    ) -> Session:
        """Begin a session: ``ask()`` for budgets, ``tell(conversions)`` what they brought.

        Parameters
        ----------
        n_channels : int >= 1
            M.
        horizon : int >= 1
            T, periods.
        rng : numpy.random.Generator, optional
            Needed by learners that randomise.
        market : Market, optional
            Where fallback, slack and value bound come from if they are not given.
        """
        channels, periods = whole_number(n_channels, "n_channels", 1), whole_number(horizon, "horizon", 1)
        randomises = self._rule in (learning.HULL, learning.THOMPSON)
        own = check_generator(rng, type(self).__name__) if randomises or rng is not None else np.random.default_rng(0)
        known = None if market is None else known_distribution(market)
        return Session(*self._open(channels, periods, known, market), own)

    @staticmethod
    def resume(state: Mapping[str, Any]) -> Session:
        """Go on with a session from its ``state()``."""
        return Session.of(state)

    def _plan(self, market: Any, problem: Problem, state: LearnerState, rng: np.random.Generator) -> Any:
        return None

    def _radius(self, preset: Mapping[str, float]) -> float:
        return 0.0

    def _open(
        self, channels: int, periods: int, distribution: Distribution | None, market: Any
    ) -> tuple[Problem, LearnerState]:
        """All numbers of the loop, in units in which budget and value bound are 1 unless ``normalize=False``."""
        if self.budget == 0.0:
            return self._open_without_money(channels, periods)
        preset, rho = _TUNED if self.preset == "tuned" else _PAPER, self.budget
        fallback = self.fallback
        if fallback is None:
            if distribution is None:
                raise ValueError(
                    "fallback: the market does not tell its distribution; give a budget u for each channel"
                )
            fallback = best_fallback(distribution, self.roi_target, rho, share=_SHARE).budget
        if not fallback < rho / channels:
            raise ValueError(f"fallback: {fallback:g} is not in (0, {rho / channels:g}), the budget for each channel")
        bound, slack = self._value_bound(distribution, market), self.slack
        if self.guard == "both":
            slack = check_slack(distribution, fallback, slack, self.roi_target)
        elif slack is None and distribution is not None:
            most = beta_max(distribution, fallback, self.roi_target)
            slack = most if most > 0 else None
        worth, money = (bound, rho) if self.normalize else (1.0, 1.0)
        cap = math.inf
        if self.cap == "slater":
            if slack is None:
                raise ValueError('cap: "slater" needs the slack beta > 0 of the fallback; give it, or cap="none"')
            cap = (
                channels
                * bound
                / worth
                * max(1.0 / (slack * fallback / worth), 1.0 / ((rho - channels * fallback) / money))
            )
        spacing = rho * periods ** (-1.0 / 3.0) if self.arm_spacing is None else self.arm_spacing
        arms = budget_grid(rho, spacing)
        problem = Problem(
            rule=self._rule,
            horizon=periods,
            budget=rho / money,
            target=self.roi_target * money / worth,
            fallback=fallback / money,
            slack=(slack or 0.0) * money / worth,
            cap=cap,
            step=preset["step"] / math.sqrt(periods) if self.step is None else self.step,
            radius=self._radius(preset),
            logarithm=math.log(3.0 * periods**2) if self._rule == learning.BERNSTEIN else math.log(periods),
            buffer=math.inf if self.buffer is None else self.buffer / worth,
            guards_target=self.guard == "both",
            guards_budget=self.guard != "off",
            charges_budget=self.charge == "budget",
            worth=worth,
            money=money,
            arms=arms / money,
        )
        start = min(self.roi_start, cap), min(self.budget_start * money / worth, cap)
        return problem, learning.open_learner(channels, arms.size, *start)

    def _open_without_money(self, channels: int, periods: int) -> tuple[Problem, LearnerState]:
        """A budget of 0: only what is free."""
        problem = Problem(
            learning.FULL_INFORMATION, periods, 0.0, self.roi_target, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, math.inf,
            guards_target=False, guards_budget=False, charges_budget=True, worth=1.0, money=1.0, arms=np.zeros(1),
        )  # fmt: skip
        return problem, learning.open_learner(channels, 1, 0.0, 0.0)

    def _value_bound(self, distribution: Distribution | None, market: Any) -> float:
        known: float | None = None
        if distribution is not None:
            known = float(max(curve(self.budget) for _, curves in distribution for curve in curves))
        elif market is not None:
            known = getattr(market, "value_bound", lambda _: None)(self.budget)
        if self.value_bound is not None:
            if known is not None and distribution is not None and self.value_bound < known:
                raise ValueError(
                    f"value_bound: {self.value_bound:g} is below {known:g}, the most conversions of a channel"
                )
            return self.value_bound
        if known is None:
            raise ValueError("value_bound: the market does not tell the most conversions of a channel in a period")
        return known if known > 0 else 1.0


@description
class SGDUCB(BudgetLearner):
    """SGD-UCB: upper confidence bounds for the budgets, gradient steps for the prices of the constraints.

    Parameters
    ----------
    budget : float >= 0
        rho, of all channels together in a period.
    roi_target : float >= 0
        gamma, conversions per unit of spend over the whole horizon.
    preset : {"paper", "tuned"}
        Values for what is not given: ``step = radius_scale = 1`` as in the paper, or ``5`` and ``0.05``, chosen by the
        experiments of this project; see `experiments.papers.autobidding`.
    fallback : float in (0, rho / M)
        u, the budget of every channel once the guard has fired; where the market is known `best_fallback`, at most half
        of rho / M, so that the budget leaves room to learn.
    slack : float > 0
        beta, how much the fallback is above the target in the worst period, per unit of u: sum_j min_z V_j(u; z) -
        gamma M u >= beta u. `beta_max` where the market is known.
    value_bound : float > 0
        Vbar, the most conversions of a channel in a period.
    arm_spacing : float in (0, rho]
        delta; rho T^(-1/3) when omitted.
    step : float > 0
        eta; 1 / sqrt(T), or 5 / sqrt(T) when tuned.
    radius_scale : float >= 0
        Factor of the confidence radius sqrt(2 ln T / N).
    roi_start, budget_start : float >= 0
        lambda and mu (conversions per unit of money) in the first period.
    guard : {"both", "budget", "off"}
        Which constraints the guard keeps for certain.
    cap : {"slater", "none"}
        The largest multiplier: C_F of the paper (`dual_cap`), or none, for which neither u nor beta need be known.
    buffer : float >= 0, optional
        Plays the fallback in every period that begins with a slack S1 below -buffer, and then goes on.
    charge : {"budget", "spend"}
        What the constraints count: budgets, as the paper does, or what was spent of them.
    normalize : bool
        True measures conversions in units of Vbar and money in units of rho, so that step and radius mean the same to
        every user. False takes the numbers as they are, as the paper's box does.

    Notes
    -----
    With ``guard="both"`` and a slack that is not overstated, both constraints hold in every run, with certainty. In the
    first K periods every channel plays the arms in order, all channels at once.

    Examples
    --------
    >>> from simulators.auctions import synthetic_market
    >>> learner = SGDUCB(budget=1.0, roi_target=0.9, preset="tuned")
    >>> run = learner.run(synthetic_market(0), horizon=1000, rng=np.random.default_rng(0))
    >>> bool(run.metrics["roi_slack"][-1] >= 0), bool(run.metrics["budget"][-1] <= 1000)
    (True, True)
    """

    radius_scale: Annotated[NonNegative | None, Field(kw_only=True)] = None

    def _radius(self, preset: Mapping[str, float]) -> float:
        return preset["radius"] if self.radius_scale is None else self.radius_scale


@description
class BernsteinSGDUCB(SGDUCB):
    """SGD-UCB with confidence radii that shrink with the variance: min(sqrt(z/2N), sqrt(2 var z/N) + 3 z/N).

    z = ln(3 T^2), for conversions in units of the value bound. Guarantees stay as they are, and arms are told apart
    sooner.

    Parameters
    ----------
    budget, roi_target, preset, ...
        As for `SGDUCB`; the tuned preset scales the radius by 1 as well.
    """

    _rule = learning.BERNSTEIN

    @model_validator(mode="after")
    def _normalized(self) -> BernsteinSGDUCB:
        if not self.normalize:
            raise ValueError("normalize = False: the radius needs conversions in units of the value bound")
        return self

    def _radius(self, preset: Mapping[str, float]) -> float:
        return 1.0 if self.radius_scale is None else self.radius_scale


@description
class FullInformationDual(BudgetLearner):
    """The same loop where each channel tells its whole response curve after a period: no bonus, no exploration.

    Regret of order sqrt(T) with a spacing of about rho / sqrt(T); the default is that of `SGDUCB`, which costs less
    time.

    Parameters
    ----------
    budget, roi_target, preset, ...
        As for `SGDUCB`, without ``radius_scale``.
    """

    _rule = learning.FULL_INFORMATION


@description
class ThompsonDual(SGDUCB):
    """The same loop with means drawn from normal laws, N(mean, s^2 / N), in place of upper confidence bounds.

    Parameters
    ----------
    budget, roi_target, preset, ...
        As for `SGDUCB`; ``radius_scale`` is s, in units of the value bound.
    """

    _rule = learning.THOMPSON


@description
class ResolvingHull(SGDUCB):
    """Solve the split anew in each period, for what is left of the budget and what is missing of the target.

    The upper hulls of the confidence bounds order the purchases; their gain counts towards the target without the
    bonus. One channel plays one of two arms at random. The best in our experiments and a heuristic: its constraints are
    kept by the guard alone, and no regret bound is known.

    Parameters
    ----------
    budget, roi_target, preset, ...
        As for `SGDUCB`; step and multipliers are of no use.
    """

    _rule = learning.HULL
