"""Checks of what holds for linear arms with high probability: the confidence set and regret of LinUCB, elimination."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bandits import (
    LinUCB,
    PhasedElimination,
    oful_bound,
    oful_radius,
    oful_uniform_bound,
    phased_elimination_bound,
)
from experiments.checks.sampled_regret import sampled_regret
from experiments.ledger_checks import Comparison, checks, tightest_share
from simulators import MisspecifiedLinearArms

__all__: list[str] = []

RUNS = 100
HORIZON = 2000
NORM = 0.5
SIGMA = 0.5
DELTAS = (0.5, 0.2)


@checks("oful_radius")
def confidence_set(rng: np.random.Generator) -> Comparison:
    """How often the set of LinUCB misses the coefficients in the end, with a light and a heavy ridge, against delta."""
    return tightest_share("<=", _missed(rng))


@checks("oful_bound")
def linucb(rng: np.random.Generator) -> Comparison:
    """How often the regret exceeds the bound of the run's own matrix, switching at once and rarely, against delta."""
    return tightest_share("<=", _exceeded(rng))


@checks("oful_uniform_bound")
def linucb_before_the_run(rng: np.random.Generator) -> Comparison:
    """How often the regret, or the bound of the run's own matrix, exceeds the one that needs no run; against delta."""
    return tightest_share("<=", _exceeded_uniformly(rng))


@checks("phased_elimination_bound")
def phased_elimination(rng: np.random.Generator) -> Comparison:
    """How often the regret exceeds the bound, among few arms and many, over few rounds and many; against delta."""
    return tightest_share("<=", _eliminated(rng))


def _arms(n_arms: int, dimension: int, rng: np.random.Generator, sigma: float = SIGMA) -> MisspecifiedLinearArms:
    """Unit features, two of them opposite, coefficients of norm `NORM`, no error of the linear model."""
    features, theta = rng.standard_normal((n_arms, dimension)), rng.standard_normal(dimension)
    features[1] = -features[0]
    features /= np.linalg.norm(features, axis=1)[:, None]
    return MisspecifiedLinearArms(features, NORM * theta / np.linalg.norm(theta), sigma=sigma)


def _missed(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    for n_arms, dimension in ((2, 1), (6, 3), (30, 8)):
        for delta in DELTAS:
            for ridge in (0.01, 1.0):
                policy, missed = LinUCB(SIGMA, NORM, delta, ridge), 0
                arms = _arms(n_arms, dimension, rng)
                for _ in range(RUNS):
                    outcome = policy.run(arms, HORIZON, rng, checkpoints=[HORIZON]).outcome
                    gram = ridge * np.eye(dimension) + (arms.features.T * outcome["pulls"]) @ arms.features
                    off = outcome["estimate"] - arms.theta
                    radius = oful_radius(outcome["log_det"], delta, SIGMA, NORM, ridge)
                    missed += math.sqrt(off @ gram @ off) > radius
                yield missed, RUNS, delta


def _runs(rng: np.random.Generator) -> Iterator[tuple[list[float], list[float], float, float]]:
    """Regret and its bound of each run, the bound known before, and delta."""
    for n_arms, dimension in ((2, 1), (30, 5)):
        for delta in DELTAS:
            for switching in (0.0, 1.0):
                policy = LinUCB(SIGMA, NORM, delta, switching=switching)
                arms, regrets, bounds = _arms(n_arms, dimension, rng), [], []
                for _ in range(RUNS):
                    run = policy.run(arms, HORIZON, rng, checkpoints=[HORIZON])
                    log_det = run.outcome["log_det"]
                    regrets.append(float(run.metrics["regret"][-1]))
                    bounds.append(oful_bound(HORIZON, log_det, oful_radius(log_det, delta, SIGMA, NORM), switching))
                uniform = oful_uniform_bound(HORIZON, dimension, 1.0, delta, SIGMA, NORM, switching=switching)
                yield regrets, bounds, uniform, delta


def _exceeded(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    for regrets, bounds, _, delta in _runs(rng):
        yield int(np.count_nonzero(np.array(regrets) > bounds)), RUNS, delta


def _exceeded_uniformly(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    for regrets, bounds, uniform, delta in _runs(rng):
        # The uniform bound is at least that of any run, without exception.
        yield int(np.count_nonzero(np.maximum(regrets, bounds) > uniform * (1.0 + 1e-12))), RUNS, delta


def _eliminated(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    for n_arms, dimension, sigma in ((2, 1, 0.1), (8, 3, 0.1), (40, 6, 0.5)):
        for horizon, delta in ((1000, 0.5), (10_000, 0.2)):
            arms, runs = _arms(n_arms, dimension, rng, sigma), RUNS
            bound = phased_elimination_bound(horizon, n_arms, dimension, delta, sigma, float(arms.gaps.max()))
            regrets = sampled_regret(PhasedElimination(sigma, delta), arms, horizon, runs, rng)
            yield int(np.count_nonzero(regrets > bound)), runs, delta
