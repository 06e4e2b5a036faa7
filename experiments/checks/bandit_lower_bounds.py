"""Checks of what no learner can beat, with the best learners of the library on the instances of the proofs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bandits import (
    KLUCB,
    MOSS,
    UCB1,
    RoundRobin,
    ThompsonSampling,
    lai_robbins_constant,
    minimax_bernoulli_bound,
    minimax_gaussian_bound,
)
from bandits.policy import Policy
from experiments.checks.sampled_regret import sampled_regret
from experiments.ledger_checks import Comparison, checks, tightest_mean
from simulators import BernoulliArms, GaussianArms

__all__: list[str] = []

HORIZON = 2000
RUNS = 400


@checks("minimax_bernoulli_bound")
def minimax_bernoulli(rng: np.random.Generator) -> Comparison:
    """Mean regret over a good arm drawn uniformly, better by a fourth of sqrt(K / T): the worst good arm costs more."""
    return tightest_mean(">=", _good_arms(rng))


@checks("minimax_gaussian_bound")
def minimax_gaussian(rng: np.random.Generator) -> Comparison:
    """Mean regret over the proof's two worlds, the second with a better arm anywhere: one of the two costs more."""
    return tightest_mean(">=", _two_worlds(rng))


@checks("lai_robbins_constant")
def lai_robbins(rng: np.random.Generator) -> Comparison:
    """Mean regret over ln(T) of learners that come down to the constant, or stay above it: KL-UCB and UCB1."""
    return tightest_mean(">=", _consistent(rng))


def _good_arms(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    learners: tuple[Policy, ...] = (MOSS(), KLUCB(level="f"), ThompsonSampling(), RoundRobin())
    for n_arms in (2, 10):
        gap = math.sqrt(n_arms / HORIZON) / 4.0
        for policy in learners:
            regrets = []
            for good in rng.integers(n_arms, size=RUNS):
                means = np.full(n_arms, 0.5)
                means[good] += gap
                regrets.append(sampled_regret(policy, BernoulliArms(means), HORIZON, 1, rng)[0])
            yield np.array(regrets), minimax_bernoulli_bound(n_arms, HORIZON)


def _two_worlds(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    for n_arms in (2, 10):
        gap = math.sqrt((n_arms - 1) / (4.0 * HORIZON))
        for policy in (MOSS(sigma=1.0), RoundRobin()):
            regrets = []
            for better in rng.choice([0, 1], RUNS) * rng.integers(1, n_arms, RUNS):
                means = np.zeros(n_arms)
                means[0] = gap
                if better:
                    means[better] = 2.0 * gap
                regrets.append(sampled_regret(policy, GaussianArms(means, 1.0), HORIZON, 1, rng)[0])
            yield np.array(regrets), minimax_gaussian_bound(n_arms, HORIZON)


def _consistent(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    horizon, best = 20_000, rng.uniform(0.5, 0.7)
    # The statement is of the limit: gaps must be wide for it.
    for means in ([0.4, 0.6], [0.1, 0.3, 0.3], [best, *(best - rng.uniform(0.2, 0.4, 3))]):
        arms = BernoulliArms(np.array(means))
        for policy, runs in ((KLUCB(level="f"), 300), (UCB1(), 60)):
            regrets = sampled_regret(policy, arms, horizon, runs, rng)
            yield regrets / math.log(horizon), lai_robbins_constant(arms.means)
