"""Runs of budget learners in a market, and sessions in which a user's own system is the market."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import Trajectory, check_generator, checkpoint_rounds, whole_number
from online.autobidding import learning
from online.autobidding.benchmarks import ch_opt_period
from online.autobidding.goals import known_distribution
from online.autobidding.learning import LearnerState, Problem

__all__ = ["Journal", "Session", "open_run", "periods_before_stop", "play_market", "trajectory"]

_AT_ONCE = 2**14  # periods
_NO_PLAN = np.empty((0, 0))


class Journal:
    """What happened in each period: budgets, conversions and spends, (T, M); lambda, mu and S1 after it, (T, 3)."""

    def __init__(self, periods: int, channels: int) -> None:
        self.budgets = np.empty((periods, channels))
        self.conversions = np.empty((periods, channels))
        self.spends = np.empty((periods, channels))
        self.path = np.empty((periods, 3))

    def rows(self, first: int, end: int) -> tuple[NDArray[np.float64], ...]:
        """The parts of the arrays for the periods first..end - 1."""
        return tuple(table[first:end] for table in (self.budgets, self.conversions, self.spends, self.path))


class Session:
    """A learner that is asked for budgets and told what they brought, period by period.

    Made by a learner's ``start``. Its `state` is a dictionary that can be written as JSON; ``resume`` of the learner
    goes on from it with the same bits.
    """

    def __init__(self, problem: Problem, state: LearnerState, rng: np.random.Generator) -> None:
        self._problem, self._state, self._rng = problem, state, rng
        self._asked: NDArray[np.float64] | None = None

    @property
    def period(self) -> int:
        """Periods told so far."""
        return int(self._state.numbers[learning.PERIOD])

    @property
    def stopped(self) -> bool:
        """Whether the guard has fired: only the fallback is played from then on."""
        return bool(self._state.numbers[learning.STOPPED])

    @property
    def roi_slack(self) -> float:
        """S1, conversions less target times what was charged."""
        return float(self._state.numbers[learning.S1] * self._problem.worth)

    @property
    def multipliers(self) -> tuple[float, float]:
        """Lambda, and mu in conversions per unit of money."""
        lam, mu = self._state.numbers[[learning.LAM, learning.MU]].tolist()
        return lam, mu * self._problem.worth / self._problem.money

    def ask(self, planned: ArrayLike | None = None) -> NDArray[np.float64]:
        """Budgets of the next period, shape (M,); asking again before telling changes nothing.

        Parameters
        ----------
        planned : float >= 0, shape (M,), optional
            What a schedule plays unless the guard has fired; of no use to learners that choose themselves.
        """
        if self.period >= self._problem.horizon:
            raise ValueError(f"ask: the horizon of {self._problem.horizon} periods is over")
        if self._asked is None:
            budgets = np.empty((1, self._state.chosen.size))
            plan = _NO_PLAN if planned is None else np.array([planned], dtype=np.float64)
            learning.decide(self._problem, self._state, self._rng, plan, 0, budgets)
            self._asked = budgets[0]
        return self._asked.copy()

    def tell(self, conversions: ArrayLike, spends: ArrayLike | None = None, *, curves: ArrayLike | None = None) -> None:
        """What the budgets brought.

        Parameters
        ----------
        conversions : float >= 0, shape (M,)
            Of each channel.
        spends : float >= 0, shape (M,), optional
            What was spent; the budgets when omitted.
        curves : float >= 0, shape (M, K), optional
            Conversions that every arm would have brought; needed by learners with full information alone.
        """
        if self._asked is None:
            raise ValueError("tell: ask for the budgets first")
        values = _numbers("conversions", conversions, self._asked.shape)
        spent = self._asked if spends is None else _numbers("spends", spends, self._asked.shape)
        full = self._problem.rule == learning.FULL_INFORMATION
        if full != (curves is not None):
            raise ValueError(f"curves: {'are needed by' if full else 'are of no use to'} this learner")
        if curves is not None and self._state.numbers[learning.LEARNS] != 0.0:
            table = _numbers("curves", curves, self._state.means.shape) / self._problem.worth
            self._state.counts[:] += 1.0
            self._state.means[:] += (table - self._state.means) / self._state.counts
            self._state.optimistic[:] = self._state.means
        rows = (np.array([row]) for row in (self._asked, values, spent))
        learning.digest(self._problem, self._state, 0, *rows)
        self._asked = None

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, as numbers and lists; exact when written as JSON."""
        found: dict[str, Any] = {
            name: table.tolist() for name, table in zip(LearnerState._fields, self._state, strict=True)
        }
        problem = self._problem._asdict()
        found["problem"] = problem | {
            "arms": self._problem.arms.tolist(),
            "buffer": None if self._problem.buffer == math.inf else self._problem.buffer,
            "cap": None if self._problem.cap == math.inf else self._problem.cap,
        }
        found["asked"] = None if self._asked is None else self._asked.tolist()
        found["rng"] = self._rng.bit_generator.state
        return found

    @staticmethod
    def of(state: Mapping[str, Any]) -> Session:
        """A session from what `state` returned."""
        try:
            given = dict(state["problem"])
            given["arms"] = np.array(given["arms"], dtype=np.float64)
            for name in ("buffer", "cap"):
                given[name] = math.inf if given[name] is None else given[name]
            problem = Problem(**given)
            integers = ("chosen", "hull", "ends")
            arrays = [
                np.array(state[name], dtype=np.int64 if name in integers else np.float64)
                for name in LearnerState._fields
            ]
            generator = getattr(np.random, state["rng"]["bit_generator"])()
            generator.state = state["rng"]
            session = Session(problem, LearnerState(*arrays), np.random.Generator(generator))
            session._asked = None if state["asked"] is None else np.array(state["asked"], dtype=np.float64)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"state: not one of a session: {error}") from None
        return session


def play_market(
    market: Any, problem: Problem, state: LearnerState, own: np.random.Generator, nature: np.random.Generator, plan: Any
) -> Journal:
    """Play all periods.

    Parameters
    ----------
    plan : callable or None
        For SCHEDULE: ``plan(first, journal)`` gives the budgets of the periods from `first` on, shape (n, M), n >= 1.
    """
    horizon, channels = problem.horizon, state.chosen.size
    journal, running = Journal(horizon, channels), market.open(nature)
    if not hasattr(running, "next"):
        _play_step_by_step(running, problem, state, own, journal, plan)
        return journal
    first = 0
    while first < horizon:
        count = min(_AT_ONCE, horizon - first)
        block = running.next(count)
        done = 0
        while done < count:
            schedule, end = _NO_PLAN, count
            if plan is not None:
                schedule = np.ascontiguousarray(plan(first + done, journal), dtype=np.float64)[: count - done]
                end = done + len(schedule)
            rows = journal.rows(first + done, first + end)
            learning.play(problem, state, block, done, own, schedule, *rows)
            done = end
        first += count
    return journal


def _play_step_by_step(
    running: Any, problem: Problem, state: LearnerState, own: np.random.Generator, journal: Journal, plan: Any
) -> None:
    """A market that answers one period at a time."""
    if problem.rule == learning.FULL_INFORMATION:
        raise ValueError("market: a learner with full information needs one that gives its response blocks")
    session, schedule, begun = Session(problem, state, own), _NO_PLAN, 0
    for t in range(problem.horizon):
        if plan is not None and t - begun >= len(schedule):
            schedule, begun = np.asarray(plan(t, journal), dtype=np.float64), t
        budgets = session.ask(schedule[t - begun] if plan is not None else None)
        conversions, spends = running.respond(budgets)
        session.tell(conversions, spends)
        for table, row in zip(journal.rows(t, t + 1)[:3], (budgets, conversions, spends), strict=True):
            table[0] = row
        journal.path[t] = state.numbers[[learning.LAM, learning.MU, learning.S1]]


def trajectory(
    journal: Journal,
    problem: Problem,
    state: LearnerState,
    goals: tuple[float, float],
    market: Any,
    *,
    checkpoints: ArrayLike | None,
    trace: bool,
    extra: Mapping[str, Any],
) -> Trajectory:
    """The metrics and the outcome of a run."""
    periods, (budget, target) = problem.horizon, goals
    marks = checkpoint_rounds(periods, checkpoints)
    conversion, spend, charged = (
        np.cumsum(table.sum(axis=1)) for table in (journal.conversions, journal.spends, journal.budgets)
    )
    metrics = {
        "conversion": conversion[marks - 1],
        "spend": spend[marks - 1],
        "budget": charged[marks - 1],
        "roi_slack": conversion[marks - 1] - target * (charged if problem.charges_budget else spend)[marks - 1],
        "roi_multiplier": journal.path[marks - 1, 0],
        "budget_multiplier": journal.path[marks - 1, 1] * problem.worth / problem.money,
    }
    distribution = known_distribution(market)
    outcome: dict[str, Any] = {
        "conversion": float(conversion[-1]),
        "spend": float(spend[-1]),
        "roi": float(conversion[-1] / spend[-1]) if spend[-1] > 0 else math.inf,
        "budgets": journal.budgets.mean(axis=0),
        "conversions": journal.conversions.sum(axis=0),
        "spends": journal.spends.sum(axis=0),
        "stopped": periods_before_stop(problem, state),
        **extra,
    }
    if distribution is not None:
        best = ch_opt_period(distribution, target, budget)
        optimum = best.value if best.status == "optimal" else math.nan
        metrics["regret"] = marks * optimum - metrics["conversion"]
        outcome["optimum"] = optimum
    if trace:
        outcome |= {
            "period_budgets": journal.budgets,
            "period_conversions": journal.conversions,
            "period_spends": journal.spends,
            "period_multipliers": journal.path[:, :2] * [1.0, problem.worth / problem.money],
            "period_roi_slack": journal.path[:, 2] * problem.worth,
        }
    return Trajectory(marks, metrics, outcome)


def periods_before_stop(problem: Problem, state: LearnerState) -> int:
    """tau, the number of periods before the guard fired; the horizon where it did not."""
    fired = int(state.numbers[learning.STOPPED])
    return fired - 1 if fired else problem.horizon


def open_run(
    horizon: int, market: Any, rng: Any, world: Any, name: str
) -> tuple[int, np.random.Generator, np.random.Generator]:
    """Checked: the periods, the learner's stream and the market's."""
    periods = whole_number(horizon, "horizon", 1)
    lasts = getattr(market, "n_periods", None)
    if lasts is not None and periods > lasts:
        raise ValueError(f"horizon: {periods} is above the {lasts} periods that the market lasts")
    own = check_generator(rng, name)
    return periods, own, own if world is None else check_generator(world, "world")


def _numbers(name: str, given: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    found = np.asarray(given, dtype=np.float64)
    if found.shape != shape or not (np.isfinite(found) & (found >= 0)).all():
        raise ValueError(f"{name}: must be finite numbers >= 0 of shape {shape}, got {given!r}")
    return found
