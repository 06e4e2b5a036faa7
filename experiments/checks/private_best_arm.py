"""Checks of private best-arm identification: exact laws of small instances, finite-time bounds, rate and floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from bandits import (
    DPBAI,
    DPOD,
    DPBAIGauss,
    dp_bai_bound,
    dp_bai_gauss_bound,
    dp_bai_rate,
    dp_od_bound,
    error_rate,
    max_det_error,
    noisy_difference_bound,
    three_arm_error,
    two_arm_error,
    two_arm_floor,
)
from bandits.dp_best_arm_bounds import BoundKind
from bandits.fixed_budget import BestArmPolicy
from experiments.checks.best_arm import informative_budget
from experiments.ledger_checks import Comparison, agreement_of_shares, checks, tightest, tightest_share
from simulators import BernoulliLinearArms

__all__: list[str] = []

RUNS = 20_000
BOUNDED_RUNS = 5000
KINDS: tuple[BoundKind, ...] = ("split", "chernoff")
DELTA = 0.01


@checks("two_arm_error")
def two_arms(rng: np.random.Generator) -> Comparison:
    """How far the share of errors is from the exact law, with Laplace noise, Gaussian noise, and none."""
    return agreement_of_shares(_two_arms(rng))


@checks("three_arm_error")
def three_arms(rng: np.random.Generator) -> Comparison:
    """How far the share of errors is from the exact law, with the best arm at any place."""
    return agreement_of_shares(
        (_errors(DPBAI(epsilon), BernoulliLinearArms(np.eye(3), np.array(means)), budget, rng), RUNS, law)
        for means in ([0.6, 0.5, 0.2], [0.2, 0.5, 0.6], rng.random(3).tolist())
        for budget in (12, 60)
        for epsilon in (0.3, 2.0, math.inf)
        for law in [three_arm_error(means, budget, epsilon)]
    )


@checks("max_det_error")
def max_det(rng: np.random.Generator) -> Comparison:
    """How far the share of errors is from the exact law, for more arms than dimensions, one and two of these."""
    return agreement_of_shares(_max_det(rng))


@checks("dp_bai_bound")
def dp_bai(rng: np.random.Generator) -> Comparison:
    """Errors with both kinds of the bound, with little and much noise, and without any."""
    return tightest_share(
        "<=",
        (
            _bounded(
                DPBAI(epsilon),
                arms,
                partial(dp_bai_bound, arms.gaps, d, epsilon=epsilon, kind=kind),
                rng,
            )
            for arms, d in _instances(rng)
            for epsilon in (0.5, 2.0, math.inf)
            for kind in KINDS
        ),
    )


@checks("dp_bai_gauss_bound")
def dp_bai_gauss(rng: np.random.Generator) -> Comparison:
    """Errors with Gaussian noise, little and much."""
    return tightest_share(
        "<=",
        (
            _bounded(
                DPBAIGauss(epsilon, DELTA),
                arms,
                partial(dp_bai_gauss_bound, arms.gaps, d, epsilon=epsilon, delta=DELTA),
                rng,
            )
            for arms, d in _instances(rng)
            for epsilon in (0.5, 2.0)
        ),
    )


@checks("dp_od_bound")
def dp_od(rng: np.random.Generator) -> Comparison:
    """Errors with both kinds of the bound."""
    return tightest_share(
        "<=",
        (
            _bounded(
                DPOD(epsilon),
                arms,
                partial(dp_od_bound, arms.gaps, d, epsilon=epsilon, kind=kind),
                rng,
            )
            for arms, d in _instances(rng)
            for epsilon in (0.5, 2.0)
            for kind in KINDS
        ),
    )


@checks("dp_bai_rate")
def dp_bai_exponent(rng: np.random.Generator) -> Comparison:
    """Slope of ln P(error) between two large budgets, by the exact law of two arms, against that of the rate."""
    return tightest("<=", _slopes(rng))


@checks("noisy_difference_bound")
def noisy_difference(rng: np.random.Generator) -> Comparison:
    """How often noisy sums of coin tosses are off by one to three standard deviations."""
    return tightest_share("<=", _off(rng))


@checks("two_arm_floor")
def floor_of_two_arms(rng: np.random.Generator) -> Comparison:
    """The larger error of DP-BAI on two arms and on the same two exchanged, by the exact law."""
    return tightest(">=", _larger_errors(rng))


def _errors(
    policy: BestArmPolicy, arms: BernoulliLinearArms, budget: int, rng: np.random.Generator, runs: int = RUNS
) -> int:
    return error_rate(policy, arms, budget, runs, int(rng.integers(2**32)), workers=1).errors


def _bounded(
    policy: BestArmPolicy, arms: BernoulliLinearArms, bound: Callable[[int], float], rng: np.random.Generator
) -> tuple[int, int, float]:
    budget = informative_budget(bound)
    return _errors(policy, arms, budget, rng, BOUNDED_RUNS), BOUNDED_RUNS, bound(budget)


def _instances(rng: np.random.Generator) -> Iterator[tuple[BernoulliLinearArms, int]]:
    """One good unit vector among others and their small combinations."""
    for n_arms, dimension in ((2, 2), (6, 6), (20, 2), (12, 3)):
        theta = np.r_[0.95, np.sort(rng.uniform(0.05, 0.3, dimension - 1))[::-1]]
        mixed = rng.dirichlet(np.ones(dimension), size=n_arms - dimension)
        mixed[:, 0] *= 0.3
        yield BernoulliLinearArms(np.concatenate([np.eye(dimension), mixed]), theta), dimension


def _two_arms(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    for means in ([0.6, 0.4], [0.1, 0.2], rng.random(2).tolist()):
        arms = BernoulliLinearArms(np.eye(2), np.array(means))
        for budget in (10, 100):
            for epsilon in (0.1, 1.0, math.inf):
                yield _errors(DPBAI(epsilon), arms, budget, rng), RUNS, two_arm_error(means, budget, epsilon)
                law = two_arm_error(means, budget, epsilon, delta=DELTA)
                yield _errors(DPBAIGauss(epsilon, DELTA), arms, budget, rng), RUNS, law


def _max_det(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    for n_arms, rank in ((5, 1), (9, 2), (9, 2)):
        features, theta = rng.random((n_arms, rank)), rng.dirichlet(np.ones(rank))
        arms = BernoulliLinearArms(features, theta)
        for budget in (4, 20, 100):
            for epsilon in (0.1, 1.0):
                law = max_det_error(features, theta, budget, epsilon)
                if law > 0.001:  # else no errors are seen
                    yield _errors(DPBAI(epsilon), arms, budget, rng), RUNS, law


def _slopes(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for gap in (0.1, 0.3, *rng.uniform(0.1, 0.5, 2).tolist()):
        means, gaps = [0.5 - gap / 2.0, 0.5 + gap / 2.0], [0.0, gap]
        for epsilon in (0.05, 0.3, 2.0):
            # Budgets at which the error is small but has not vanished.
            scale = max(1.0 / gap**2, 1.0 / (epsilon * gap))
            few, many = math.ceil(5.0 * scale), math.ceil(15.0 * scale)
            laws, rates = zip(
                *(
                    (two_arm_error(means, pulls, epsilon), dp_bai_rate(gaps, 2, pulls, epsilon))
                    for pulls in (few, many)
                ),
                strict=True,
            )
            yield math.log(laws[1] / laws[0]) / (many - few), math.log(rates[1] / rates[0]) / (many - few)


def _off(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    for size, most in ((1, 1), (2, 50), (5, 20)):
        for epsilon in (0.2, 1.0, math.inf):
            weights, pulls = rng.uniform(-1.0, 1.0, size), rng.integers(1, most + 1, size)
            noise = rng.laplace(size=(RUNS, size)) / epsilon if epsilon < math.inf else 0.0
            off = (rng.binomial(pulls, 0.5, (RUNS, size)) - pulls / 2.0 + noise) @ weights
            deviation = float(np.sqrt(np.sum(weights**2 * (pulls / 4.0 + 2.0 / epsilon**2))))
            for gap in (deviation, 2.0 * deviation, 3.0 * deviation):
                bound = noisy_difference_bound(gap, weights, pulls, epsilon)
                yield int(np.count_nonzero(off >= gap)), RUNS, bound


def _larger_errors(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for best, other in ((0.6, 0.4), (0.95, 0.9), (0.9, 0.1), (0.2, 0.1), *rng.uniform(0.05, 0.95, (4, 2)).tolist()):
        for epsilon in (0.02, 0.3, 3.0, math.inf):
            for budget in (2, 20, 200, 1000):
                errors = [two_arm_error(means, budget, epsilon) for means in ([best, other], [other, best])]
                yield max(errors), two_arm_floor(best, other, budget, epsilon)
