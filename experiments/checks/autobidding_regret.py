"""Checks of what learners of budgets and pacers lose, and of the examples that separate the advertiser's levers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algos.contracts import Trajectory
from algos.knapsack import response_curve
from experiments.ledger_checks import Comparison, agreement, checks, tightest, tightest_mean, tightest_share
from online.autobidding import (
    SGDUCB,
    AdaptivePacing,
    DualMirrorDescent,
    cap_gap_example,
    ch_opt_period,
    ch_opt_targets,
    clean_event_probability,
    dual_mirror_descent_bound,
    gl_opt,
    lever_gap_example,
    regret_bound,
    round_certificate,
)
from simulators import FiniteChannel, Market

__all__: list[str] = []


@checks("regret_bound")
def regret(rng: np.random.Generator) -> Comparison:
    """Mean regret of SGD-UCB with ten steps of budget in markets of one channel, after 200,000 periods."""
    return tightest_mean("<=", _regrets(rng))


@checks("round_certificate")
def certificates(rng: np.random.Generator) -> Comparison:
    """The least room of all clean rounds, in drawn markets, with wide and narrow radii."""
    return tightest(">=", ((room, 0.0) for room in _rooms(rng)))


@checks("clean_event_probability")
def clean_runs(rng: np.random.Generator) -> Comparison:
    """The share of short runs whose means all stay within their radius, where a channel brings all or nothing."""
    return tightest_share(
        ">=",
        (
            (_clean_runs(m, arms, horizon, 600, rng), 600, clean_event_probability(m, arms, horizon))
            for m, arms, horizon in ((1, 2, 5), (3, 3, 8))
        ),
    )


@checks("dual_mirror_descent_bound")
def pacing(rng: np.random.Generator) -> Comparison:
    """Mean regret of pacers that maximise value, with independent auctions, against the best purchase in hindsight."""
    return tightest_mean("<=", _pacing_regrets(rng))


@checks("lever_gap_example")
def targets_alone(rng: np.random.Generator) -> Comparison:
    """The global optimum and the best that targets alone allow, on the example."""
    found = []
    for eps in rng.uniform(0.001, 1.0, 100):
        distribution = [
            (np.ones(1), [response_curve([1.0], [0.5])]),
            (np.ones(1), [response_curve([eps**-2], [(1.0 + eps) * eps**-2])]),
        ]
        best, targets = gl_opt(distribution, 1.0).value, ch_opt_targets(distribution, 1.0).value
        found.append(([best, targets], lever_gap_example(float(eps))))
    return agreement(found, 1e-9)


@checks("cap_gap_example")
def budgets_of_each_period(rng: np.random.Generator) -> Comparison:
    """The global optimum and the best that budgets of each period allow, on the example."""
    found = []
    for q, high, eps in rng.uniform((0.01, 1.0, 0.0), (0.99, 100.0, 1.0), (100, 3)):
        market = Market(_channel([q, 1 - q], [[high], [eps]], [[1.0], [1.0]]))
        best, capped = gl_opt(market, 0.0, q).value, ch_opt_period(market, 0.0, q).value
        found.append(([best, capped], cap_gap_example(float(q), float(high), float(eps))))
    return agreement(found, 1e-9)


def _regrets(rng: np.random.Generator) -> Iterator[tuple[NDArray[np.float64], float]]:
    # In these markets the bound is below the optimum itself, which takes a small cap and few arms.
    horizon, spacing, step = 200_000, 0.1, 200_000**-0.5
    for spread in (0.0, 0.1):
        slopes = 1.0 + spread * np.array([-1.0, 1.0])
        market = Market(_channel([0.5, 0.5], slopes[:, None], np.ones((2, 1))))
        bound = 1.0 + spread
        learner = SGDUCB(1.0, fallback=0.5, radius_scale=bound, arm_spacing=spacing, step=step, normalize=False)
        runs = [learner.run(market, horizon, rng, checkpoints=[horizon]) for _ in range(8)]
        known = runs[0].outcome
        yield (
            np.array([run.metrics["regret"][-1] for run in runs]),
            regret_bound(
                horizon,
                1,
                1.0,
                0.0,
                0.5,
                known["slack"],
                bound,
                1.0,
                arms=known["arms"].size,
                spacing=spacing,
                step=step,
            ),
        )


def _rooms(rng: np.random.Generator) -> Iterator[float]:
    for target in (0.0, 0.9, 1.0):
        for scale in (0.1, 1.0):
            market = _drawn_market(rng)
            learner = SGDUCB(1.0, target, radius_scale=scale, step=0.05, value_bound=1.0)
            run = learner.run(market, 1500, rng, trace=True)
            found = round_certificate(run, market.distribution() or [], target, 1.0, scale)
            yield float(found.room[found.clean].min())


def _channel(probabilities: Any, values: Any, costs: Any) -> FiniteChannel:
    return FiniteChannel(np.array(probabilities), tuple(map(np.array, values)), tuple(map(np.array, costs)))


def _drawn_market(rng: np.random.Generator) -> Market:
    """Two channels with two realisations, whose first auctions are well above a target of 1."""
    channels = []
    for _ in range(2):
        values = [np.append(rng.uniform(0.13, 0.3), rng.uniform(0.0, 0.1, 4)) for _ in range(2)]
        costs = [np.append(0.1, rng.uniform(0.05, 0.3, 4)) for _ in range(2)]
        channels.append(_channel(rng.dirichlet(np.ones(2)), values, costs))
    return Market(channels)


@dataclass(frozen=True)
class _AllOrNothing:
    """Channels that return their budget, or nothing, with a chance of a half each."""

    n_channels: int

    def open(self, rng: np.random.Generator) -> _OpenAllOrNothing:
        return _OpenAllOrNothing(rng)


class _OpenAllOrNothing:
    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def respond(self, budgets: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Conversions and spends."""
        return budgets * (self._rng.random(budgets.size) < 0.5), budgets


def _clean_runs(channels: int, arms: int, horizon: int, runs: int, rng: np.random.Generator) -> int:
    learner = SGDUCB(
        1.0, fallback=0.1, guard="off", cap="none", arm_spacing=1.0 / (arms - 1), value_bound=1.0, normalize=False
    )
    market = _AllOrNothing(channels)
    return sum(_is_clean(learner.run(market, horizon, rng, trace=True)) for _ in range(runs))


def _is_clean(run: Trajectory) -> bool:
    """Whether all means that the run has ever had of an arm are within their radius of half the arm."""
    budgets, conversions = run.outcome["period_budgets"], run.outcome["period_conversions"]
    for channel, arm in itertools.product(range(budgets.shape[1]), run.outcome["arms"]):
        seen = conversions[budgets[:, channel] == arm, channel]
        count = np.arange(1, seen.size + 1)
        if np.any(np.abs(np.cumsum(seen) / count - arm / 2) > np.sqrt(2 * np.log(len(budgets)) / count)):
            return False
    return True


def _pacing_regrets(rng: np.random.Generator) -> Iterator[tuple[NDArray[np.float64], float]]:
    horizon = 2000
    step = horizon**-0.5
    for rate in (0.1, 0.5):
        for bidder, start in (
            (AdaptivePacing(rate, value_maximizer=True), 0.0),
            (DualMirrorDescent(rate), 1.0),
            (DualMirrorDescent(rate, start=0.0), 0.0),
        ):
            bound = dual_mirror_descent_bound(horizon, step, 1.0, 1.0, rate, start)
            for all_alike in (False, True):
                runs = [bidder.run(_auctions(horizon, all_alike, rng), horizon, rng) for _ in range(40)]
                yield np.array([run.metrics["regret"][-1] for run in runs]), bound


def _auctions(horizon: int, all_alike: bool, rng: np.random.Generator) -> tuple[NDArray[np.float64], ...]:
    """Values and prices: uniform, or prices of 1 and values that are high or low."""
    values, prices = rng.random((2, horizon))
    return (np.where(values < 0.4, 1.0, 0.5), np.ones(horizon)) if all_alike else (values, prices)
