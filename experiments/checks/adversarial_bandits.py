"""Checks of learners for rewards that an adversary chose: the Exp3 family, Exp4 and Tsallis-INF.

The adversary fixes a table in advance, in which one arm is better by the same gap in every round while all else goes
up and down; the gap of the lower bounds, sqrt(K / T), is where such learners lose most.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from bandits import (
    Exp3,
    Exp3Gain,
    Exp3IX,
    Exp4,
    TsallisINF,
    exp3_anytime_bound,
    exp3_bound,
    exp3_gain_bound,
    exp3_ix_anytime_bound,
    exp3_ix_bound,
    exp4_bound,
    tsallis_inf_bound,
    tsallis_inf_scheduled_bound,
)
from experiments.checks.sampled_regret import sampled_regret
from experiments.ledger_checks import Comparison, checks, tightest_mean, tightest_share
from simulators import AdversarialRewards, AdvisedRewards

__all__: list[str] = []

HORIZON = 5000
RUNS = 100
SIZES = (2, 10)


@checks("exp3_bound")
def exp3(rng: np.random.Generator) -> Comparison:
    """Mean regret at the default rate, half of it and twice it."""
    return tightest_mean("<=", _exp3(rng))


@checks("exp3_anytime_bound")
def exp3_anytime(rng: np.random.Generator) -> Comparison:
    """Mean regret with rates that decrease, after a few rounds and after many."""
    policy = Exp3(anytime=True)
    return tightest_mean(
        "<=",
        (
            (sampled_regret(policy, world, horizon, RUNS, rng), exp3_anytime_bound(n_arms, horizon))
            for n_arms in SIZES
            for world in _adversaries(n_arms, rng)
            for horizon in (HORIZON // 10, HORIZON)
        ),
    )


@checks("exp3_gain_bound")
def exp3_gain(rng: np.random.Generator) -> Comparison:
    """Mean regret with the default share of uniform exploration, half of it and twice it; G = T."""
    return tightest_mean("<=", _exp3_gain(rng))


@checks("exp3_ix_bound")
def exp3_ix(rng: np.random.Generator) -> Comparison:
    """How often the regret exceeds the bound, with both tunings, against delta."""
    return tightest_share(
        "<=",
        (
            _exceeded(Exp3IX(tuning=tuning), world, exp3_ix_bound(n_arms, HORIZON, delta, tuning), delta, rng)
            for n_arms in SIZES
            for world in _adversaries(n_arms, rng)
            for tuning in ("neu", "textbook")
            for delta in (0.5, 0.2)
        ),
    )


@checks("exp3_ix_anytime_bound")
def exp3_ix_anytime(rng: np.random.Generator) -> Comparison:
    """How often the regret exceeds the bound, with rates that decrease, against delta."""
    return tightest_share(
        "<=",
        (
            _exceeded(Exp3IX(anytime=True), world, exp3_ix_anytime_bound(n_arms, HORIZON, delta), delta, rng)
            for n_arms in SIZES
            for world in _adversaries(n_arms, rng)
            for delta in (0.5, 0.2)
        ),
    )


@checks("exp4_bound")
def exp4(rng: np.random.Generator) -> Comparison:
    """Mean regret against the best of experts one of whom knows the good arm; the others advise any distribution."""
    return tightest_mean(
        "<=",
        (
            (
                sampled_regret(Exp4(), _advised(n_arms, n_experts, rng), HORIZON, RUNS, rng),
                exp4_bound(n_arms, n_experts, HORIZON),
            )
            for n_arms, n_experts in ((2, 2), (2, 30), (5, 10))
        ),
    )


@checks("tsallis_inf_bound")
def tsallis_inf(rng: np.random.Generator) -> Comparison:
    """Mean regret with importance weighting."""
    return tightest_mean(
        "<=",
        (
            (sampled_regret(TsallisINF(), world, HORIZON, RUNS, rng), tsallis_inf_bound(n_arms, HORIZON))
            for n_arms in SIZES
            for world in _adversaries(n_arms, rng)
        ),
    )


@checks("tsallis_inf_scheduled_bound")
def tsallis_inf_scheduled(rng: np.random.Generator) -> Comparison:
    """Mean regret with rates that decrease and with both constant ones; rewards in [0, 1], so that the scale is 1."""
    rates = {
        "anytime": 2.0 / np.sqrt(np.arange(1, HORIZON + 1)),
        "horizon": np.full(HORIZON, math.sqrt(8.0 / HORIZON)),
        "paper": np.full(HORIZON, 1.0 / math.sqrt(HORIZON)),
    }
    return tightest_mean(
        "<=",
        (
            (
                sampled_regret(TsallisINF(schedule=schedule, scale=1.0), world, HORIZON, RUNS, rng),
                tsallis_inf_scheduled_bound(n_arms, rates[schedule]),
            )
            for n_arms in SIZES
            for world in _adversaries(n_arms, rng)
            for schedule in ("anytime", "horizon", "paper")
        ),
    )


def _adversaries(n_arms: int, rng: np.random.Generator) -> Iterator[AdversarialRewards]:
    for gap in (1.0, 0.3, 2.0 * math.sqrt(n_arms / HORIZON)):
        yield AdversarialRewards(_one_good_arm(n_arms, gap, rng))
    yield AdversarialRewards((rng.random((HORIZON, n_arms)) < 0.5).astype(float))


def _one_good_arm(n_arms: int, gap: float, rng: np.random.Generator) -> np.ndarray:
    rewards = np.repeat((1.0 - gap) * rng.integers(0, 2, (HORIZON, 1)), n_arms, axis=1)
    rewards[:, rng.integers(n_arms)] += gap
    return rewards


def _advised(n_arms: int, n_experts: int, rng: np.random.Generator) -> AdvisedRewards:
    rewards = _one_good_arm(n_arms, 0.2, rng)
    advice = rng.dirichlet(np.ones(n_arms), size=(HORIZON, n_experts))
    advice[:, rng.integers(n_experts)] = np.eye(n_arms)[rewards[0].argmax()]
    return AdvisedRewards(advice, rewards)


def _exp3(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    for n_arms in SIZES:
        default = math.sqrt(2.0 * math.log(n_arms) / (n_arms * HORIZON))
        for world in _adversaries(n_arms, rng):
            yield sampled_regret(Exp3(), world, HORIZON, RUNS, rng), exp3_bound(n_arms, HORIZON)
            for rate in (default / 2.0, 2.0 * default):
                regret = sampled_regret(Exp3(learning_rate=rate), world, HORIZON, RUNS, rng)
                yield regret, exp3_bound(n_arms, HORIZON, rate)


def _exp3_gain(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    for n_arms in SIZES:
        default = math.sqrt(n_arms * math.log(n_arms) / ((math.e - 1.0) * HORIZON))
        for world in _adversaries(n_arms, rng):
            yield sampled_regret(Exp3Gain(), world, HORIZON, RUNS, rng), exp3_gain_bound(n_arms, HORIZON)
            for share in (default / 2.0, 2.0 * default):
                regret = sampled_regret(Exp3Gain(exploration=share), world, HORIZON, RUNS, rng)
                yield regret, exp3_gain_bound(n_arms, HORIZON, share)


def _exceeded(
    policy: Any, world: AdversarialRewards, bound: float, delta: float, rng: np.random.Generator
) -> tuple[int, int, float]:
    regret = sampled_regret(policy, world, HORIZON, RUNS, rng)
    return int(np.count_nonzero(regret > bound)), RUNS, delta
