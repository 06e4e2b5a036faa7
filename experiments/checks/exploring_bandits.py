"""Checks of learners that explore on purpose, or do nothing else: by rounds, by chance, by elimination, by sampling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bandits import (
    EpsilonGreedy,
    ExploreThenCommit,
    RoundRobin,
    SuccessiveElimination,
    ThompsonSampling,
    UniformRandom,
    epsilon_greedy_lower_bound,
    explore_then_commit_bound,
    round_robin_regret,
    successive_elimination_bound,
    thompson_bayesian_bound,
    uniform_regret,
)
from experiments.checks.sampled_regret import sampled_regret
from experiments.ledger_checks import Comparison, agreement, agreement_of_means, checks, tightest_mean
from simulators import BernoulliArms

__all__: list[str] = []

RUNS = 60


class _UniformPrior(NamedTuple):
    """Bernoulli arms whose means are drawn uniformly, the prior of Thompson sampling."""

    n_arms: int

    def sample(self, rng: np.random.Generator) -> BernoulliArms:
        return BernoulliArms(rng.random(self.n_arms))


@checks("explore_then_commit_bound")
def explore_then_commit(rng: np.random.Generator) -> Comparison:
    """Mean regret with too few pulls of each arm before the commitment, and with as many as make the bound least."""
    return tightest_mean("<=", _committed(rng))


@checks("successive_elimination_bound")
def successive_elimination(rng: np.random.Generator) -> Comparison:
    """Mean regret with gaps wide enough that playing uniformly would break the bound, and with random arms."""
    horizon = 50_000
    return tightest_mean(
        "<=",
        (
            (
                sampled_regret(SuccessiveElimination(), arms, horizon, RUNS, rng),
                successive_elimination_bound(arms.gaps, horizon),
            )
            for arms in map(BernoulliArms, (np.array([0.1, 0.9]), np.array([0.3, 0.5, 0.7]), rng.random(6)))
        ),
    )


@checks("epsilon_greedy_lower_bound")
def epsilon_greedy(rng: np.random.Generator) -> Comparison:
    """Mean regret of close arms, where the forced exploration makes up a good part of it but not all."""
    return tightest_mean(">=", _forced(rng))


@checks("thompson_bayesian_bound")
def thompson(rng: np.random.Generator) -> Comparison:
    """Mean regret over means drawn from the prior."""
    policy = ThompsonSampling()
    return tightest_mean(
        "<=",
        (
            (
                sampled_regret(policy, _UniformPrior(n_arms), horizon, 400, rng),
                thompson_bayesian_bound(n_arms, horizon),
            )
            for n_arms, horizon in ((2, 50), (2, 1000), (10, 300), (10, 2000))
        ),
    )


@checks("uniform_regret")
def uniform(rng: np.random.Generator) -> Comparison:
    """How far the mean regret of uniform play is from T times the mean gap."""
    return agreement_of_means(
        (sampled_regret(UniformRandom(), arms, 50_000, 200, rng), uniform_regret(arms.gaps, 50_000))
        for arms in (BernoulliArms(rng.random(n_arms)) for n_arms in (2, 5, 20))
    )


@checks("round_robin_regret")
def round_robin(rng: np.random.Generator) -> Comparison:
    """Regret of round robin after numbers of rounds that the number of arms divides, and others: up to rounding."""
    return agreement(_in_turn(rng), 1e-9)


def _committed(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    horizon = 5000
    for gap in (0.1, 0.3, 0.5):
        arms = BernoulliArms(np.array([0.5 - gap / 2, 0.5 + gap / 2]))
        candidates = range(1, horizon // 2)
        best = min(candidates, key=lambda pulls: explore_then_commit_bound(arms.gaps, horizon, pulls))
        for pulls in (best // 4 + 1, best):
            regret = sampled_regret(ExploreThenCommit(pulls), arms, horizon, 1000, rng)
            yield regret, explore_then_commit_bound(arms.gaps, horizon, pulls)


def _forced(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    horizon = 2000
    for epsilon in (0.05, 0.2, 0.5):
        for means in (np.array([0.45, 0.55]), np.array([0.3, 0.4, 0.45, 0.5]), rng.uniform(0.4, 0.6, 10)):
            arms = BernoulliArms(means)
            regret = sampled_regret(EpsilonGreedy(epsilon), arms, horizon, 400, rng)
            yield regret, epsilon_greedy_lower_bound(arms.gaps, horizon, epsilon)


def _in_turn(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for n_arms in (1, 2, 7, 30):
        arms = BernoulliArms(rng.random(n_arms))
        for horizon in (1, n_arms, 10 * n_arms, *rng.integers(1, 5000, 5).tolist()):
            yield sampled_regret(RoundRobin(), arms, horizon, 1, rng)[0], round_robin_regret(arms.gaps, horizon)
