"""Checks of the bounds on the expected regret of optimistic learners: UCB and its relatives, KL-UCB, MOSS.

Each learner meets wide gaps, where a bound's logarithm is met most closely, many close arms, and random ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bandits import (
    KLUCB,
    MOSS,
    UCB,
    UCB1,
    UCBV,
    AsymptoticUCB,
    asymptotic_ucb_bound,
    klucb_bound,
    moss_bound,
    moss_unit_bound,
    ucb1_bound,
    ucb_bound,
    ucb_minimax_bound,
    ucbv_bound,
)
from experiments.checks.sampled_regret import sampled_regret
from experiments.ledger_checks import Comparison, checks, tightest_mean
from simulators import BernoulliArms, GaussianArms

__all__: list[str] = []

HORIZON = 20_000
RUNS = 40
SIGMA = 1.0


@checks("ucb1_bound")
def ucb1(rng: np.random.Generator) -> Comparison:
    """Mean regret of UCB1 on Bernoulli arms."""
    return tightest_mean(
        "<=",
        (
            (sampled_regret(UCB1(), arms, HORIZON, RUNS, rng), ucb1_bound(arms.gaps, HORIZON))
            for arms in _bernoulli(rng)
        ),
    )


@checks("ucbv_bound")
def ucbv(rng: np.random.Generator) -> Comparison:
    """Mean regret of UCB-V on Bernoulli arms, whose variances follow from their means."""
    return tightest_mean(
        "<=",
        (
            (
                sampled_regret(UCBV(), arms, HORIZON, RUNS, rng),
                ucbv_bound(arms.gaps, arms.means * (1.0 - arms.means), HORIZON),
            )
            for arms in _bernoulli(rng)
        ),
    )


@checks("klucb_bound")
def klucb(rng: np.random.Generator) -> Comparison:
    """Mean regret of KL-UCB with the level that its theorem asks for, on Bernoulli arms."""
    policy = KLUCB(level="f")
    return tightest_mean(
        "<=",
        (
            (sampled_regret(policy, arms, HORIZON, RUNS, rng), klucb_bound(arms.means, HORIZON))
            for arms in _bernoulli(rng)
        ),
    )


@checks("ucb_bound")
def ucb(rng: np.random.Generator) -> Comparison:
    """Mean regret of UCB(1 / T^2) on normal arms."""
    return tightest_mean(
        "<=",
        (
            (sampled_regret(UCB(sigma=SIGMA), arms, HORIZON, RUNS, rng), ucb_bound(arms.gaps, HORIZON, SIGMA))
            for arms in _gaussian(rng)
        ),
    )


@checks("ucb_minimax_bound")
def ucb_minimax(rng: np.random.Generator) -> Comparison:
    """Mean regret of UCB(1 / T^2) on normal arms with the gap at which its two bounds cross, the worst for it."""
    return tightest_mean("<=", _at_the_crossing(rng))


@checks("asymptotic_ucb_bound")
def asymptotic_ucb(rng: np.random.Generator) -> Comparison:
    """Mean regret of asymptotically optimal UCB on normal arms."""
    policy = AsymptoticUCB(sigma=SIGMA)
    return tightest_mean(
        "<=",
        (
            (sampled_regret(policy, arms, HORIZON, RUNS, rng), asymptotic_ucb_bound(arms.gaps, HORIZON, SIGMA))
            for arms in _gaussian(rng)
        ),
    )


@checks("moss_bound")
def moss(rng: np.random.Generator) -> Comparison:
    """Mean regret of MOSS on normal arms one of which is better by sqrt(K / T) and by more, up to a wide gap."""
    return tightest_mean("<=", _one_better(rng))


@checks("moss_unit_bound")
def moss_unit(rng: np.random.Generator) -> Comparison:
    """Mean regret of MOSS on Bernoulli arms over so many rounds that no learning at all would break the bound."""
    horizon, arms = 200_000, BernoulliArms(np.array([0.02, 0.98]))
    return tightest_mean("<=", [(sampled_regret(MOSS(), arms, horizon, RUNS, rng), moss_unit_bound(2, horizon))])


def _means(rng: np.random.Generator) -> Iterator[np.ndarray]:
    yield np.array([0.0, 1.0])
    yield np.array([0.5, 0.7])
    yield np.linspace(0.05, 0.5, 10)
    yield rng.uniform(0.1, 0.9, 5)


def _bernoulli(rng: np.random.Generator) -> Iterator[BernoulliArms]:
    return (BernoulliArms(means) for means in _means(rng))


def _gaussian(rng: np.random.Generator) -> Iterator[GaussianArms]:
    return (GaussianArms(means, SIGMA) for means in (np.array([0.0, 5.0]), *_means(rng)))


def _at_the_crossing(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    for n_arms in (2, 10, 30):
        gap = 4.0 * SIGMA * np.sqrt(n_arms * np.log(HORIZON) / HORIZON)
        arms = GaussianArms(np.r_[gap, np.zeros(n_arms - 1)], SIGMA)
        regret = sampled_regret(UCB(sigma=SIGMA), arms, HORIZON, RUNS, rng)
        yield regret, ucb_minimax_bound(arms.gaps, HORIZON, SIGMA)


def _one_better(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    for n_arms in (2, 10, 30):
        for factor in (1.0, 4.0, 40.0):
            arms = GaussianArms(np.r_[factor * np.sqrt(n_arms / HORIZON), np.zeros(n_arms - 1)], SIGMA)
            regret = sampled_regret(MOSS(sigma=SIGMA), arms, HORIZON, RUNS, rng)
            yield regret, moss_bound(arms.gaps, HORIZON, SIGMA)
