"""Checks of what learners of budgets keep in every run, whatever the channels answer."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algos.contracts import Trajectory
from experiments.ledger_checks import Comparison, checks, tightest
from online.autobidding import (
    SGDUCB,
    BernsteinSGDUCB,
    ResolvingHull,
    ThompsonDual,
    budget_bound,
    dual_cap,
    dual_violation_bound,
    min_horizon,
    roi_slack_bound,
    safe_mode_bound,
)

__all__: list[str] = []

LEARNERS = (SGDUCB, BernsteinSGDUCB, ResolvingHull, ThompsonDual)
ANSWERS: tuple[Literal["nothing", "teasing", "random"], ...] = ("nothing", "teasing", "random")
ROUNDING = 9
"""Decimals of a sum over periods that rounding leaves alone."""


@checks("dual_cap")
def cap_of_multipliers(rng: np.random.Generator) -> Comparison:
    """The largest multiplier of SGD-UCB with large steps, against channels that answer as they like."""
    return tightest("<=", _largest_multipliers(rng))


@checks("budget_bound")
def sum_of_budgets(rng: np.random.Generator) -> Comparison:
    """What all learners are ready to spend of their budget."""
    return tightest(
        "<=",
        (
            (round(float(run.outcome["period_budgets"].sum()), ROUNDING), budget_bound(terms.horizon, 1.0))
            for terms, run in _guarded_runs(rng)
        ),
    )


@checks("roi_slack_bound")
def final_slack(rng: np.random.Generator) -> Comparison:
    """Conversions less target times budgets at the end of the same runs."""
    return tightest(
        ">=",
        (
            (round(float(run.metrics["roi_slack"][-1]), ROUNDING), roi_slack_bound(terms.slack))
            for terms, run in _guarded_runs(rng)
        ),
    )


@checks("min_horizon")
def shortest_run_that_learns(rng: np.random.Generator) -> Comparison:
    """The least horizon for which a run does not begin with the fallback, found by runs alone."""
    return tightest(
        ">=",
        (
            (_first_horizon(terms, rng), min_horizon(terms.n_channels, 1.0, terms.fallback, terms.slack, terms.target))
            for terms in (_drawn_terms(rng, 1) for _ in range(20))
        ),
    )


@checks("safe_mode_bound")
def slack_with_a_buffer(rng: np.random.Generator) -> Comparison:
    """The least slack of any prefix of SGD-UCB's runs with a buffer."""
    return tightest(">=", _least_prefixes(rng))


@checks("dual_violation_bound")
def violations_without_a_guard(rng: np.random.Generator) -> Comparison:
    """The final slacks of both constraints without cap and guard, and how far the multipliers have risen."""
    return tightest(">=", _unguarded_slacks(rng))


class _Terms(NamedTuple):
    """What channels promise to a learner, in units of a budget of 1, and for how long."""

    n_channels: int
    target: float
    fallback: float
    slack: float
    horizon: int

    @property
    def least(self) -> float:
        """Conversions of all channels together at the fallback, in any period."""
        return (self.target * self.n_channels + self.slack) * self.fallback

    @property
    def value_bound(self) -> float:
        """The most conversions of a channel."""
        return max(1.0, self.least)


def _drawn_terms(rng: np.random.Generator, horizon: int) -> _Terms:
    channels = int(rng.integers(1, 5))
    target, fallback = float(rng.choice([0.5, 1.0, 3.0])), float(rng.uniform(0.05, 0.95)) / channels
    return _Terms(channels, target, fallback, float(rng.uniform(0.05, 3.0)), horizon)


@dataclass(frozen=True)
class _Channels:
    """A market that answers as it likes, but at the fallback with the least that was promised."""

    terms: _Terms
    answer: Literal["nothing", "teasing", "random"]

    @property
    def n_channels(self) -> int:
        return self.terms.n_channels

    def open(self, rng: np.random.Generator) -> _OpenChannels:
        return _OpenChannels(self.terms, self.answer, rng)


class _OpenChannels:
    def __init__(self, terms: _Terms, answer: str, rng: np.random.Generator) -> None:
        self._terms, self._answer, self._rng = terms, answer, rng

    def respond(self, budgets: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Conversions and spends."""
        terms, count = self._terms, self._terms.n_channels
        if np.all(budgets == terms.fallback):
            return np.full(count, terms.least / count), budgets
        if self._answer == "nothing":
            return np.zeros(count), budgets
        if self._answer == "teasing":  # generous to what is cheap, nothing for what is dear
            return np.where(budgets < budgets.mean(), terms.value_bound, 0.0), budgets
        return terms.value_bound * self._rng.random(count) * (self._rng.random(count) < 0.5), budgets


def _run(learner: type[SGDUCB], terms: _Terms, answer: Any, rng: np.random.Generator, **options: Any) -> Trajectory:
    """A run whose learner is told the terms; that nobody can check them is known."""
    options = {"arm_spacing": 0.1} | options
    described = learner(
        1.0, terms.target, fallback=terms.fallback, slack=terms.slack, value_bound=terms.value_bound, **options
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return described.run(_Channels(terms, answer), terms.horizon, rng, trace=True)


def _guarded_runs(rng: np.random.Generator) -> Iterator[tuple[_Terms, Trajectory]]:
    for learner, answer in itertools.product(LEARNERS, ANSWERS):
        for horizon in (60, 500):
            terms = _drawn_terms(rng, horizon)
            yield terms, _run(learner, terms, answer, rng, step=float(rng.uniform(0.01, 1.0)))


def _largest_multipliers(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for answer in ANSWERS:
        for step in (0.05, 0.5, 5.0):
            terms = _drawn_terms(rng, 500)
            run = _run(SGDUCB, terms, answer, rng, step=step, normalize=False)
            cap = dual_cap(terms.n_channels, terms.value_bound, 1.0, terms.fallback, terms.slack)
            yield float(run.outcome["period_multipliers"].max()), cap


def _first_horizon(terms: _Terms, rng: np.random.Generator) -> int:
    def begins(horizon: int) -> bool:
        run = _run(SGDUCB, terms._replace(horizon=horizon), "nothing", rng, normalize=False, arm_spacing=1.0)
        return bool(run.outcome["stopped"] > 0)

    least, most = 0, 1
    while not begins(most):
        least, most = most, 2 * most
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if begins(middle) else (middle, most)
    return most


def _least_prefixes(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for answer in ANSWERS:
        for buffer in (0.0, 0.7, 3.0):
            terms = _drawn_terms(rng, 500)._replace(target=1.0, slack=1.0)
            run = _run(SGDUCB, terms, answer, rng, buffer=buffer)
            bound = safe_mode_bound(buffer, terms.target, terms.n_channels, 1.0)
            yield float(run.outcome["period_roi_slack"].min()), bound


def _unguarded_slacks(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for answer in ANSWERS:
        for step in (0.01, 0.1, 1.0):
            terms = _drawn_terms(rng, 500)
            run = _run(SGDUCB, terms, answer, rng, step=step, cap="none", guard="off", normalize=False)
            ends = run.outcome["period_multipliers"][-1]
            budget_slack = terms.horizon - run.metrics["budget"][-1]
            for slack, end in zip((run.metrics["roi_slack"][-1], budget_slack), ends, strict=True):
                yield round(float(slack), ROUNDING), round(dual_violation_bound(0.0, float(end), step), ROUNDING)
