"""Checks of learners whose context is a number: bins of Tsallis-INF, SquareCB, and how well polynomials fit."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.polynomial import chebyshev

from bandits import (
    BinMeans,
    SquareCB,
    TsallisINFContextual,
    chebyshev_error_bound,
    contextual_tsallis_bound,
    square_cb_bound,
)
from bandits.policy import Policy
from experiments.ledger_checks import Comparison, checks, tightest, tightest_mean
from simulators import ContextualRewards

__all__: list[str] = []

NODES = 20_000


@checks("chebyshev_error_bound")
def chebyshev_error(rng: np.random.Generator) -> Comparison:
    """Largest error of partial sums for the tip |x - a| and zigzags, coefficients by quadrature on 20,000 nodes."""
    return tightest("<=", _partial_sums(rng))


@checks("contextual_tsallis_bound")
def contextual_tsallis(rng: np.random.Generator) -> Comparison:
    """Mean loss |x - f(c)| of bins, f going up and down with slope 2; f itself loses nothing."""
    return tightest_mean("<=", _binned(rng))


@checks("square_cb_bound")
def square_cb(rng: np.random.Generator) -> Comparison:
    """Mean regret where losses are 0 or 1 with chances that depend on the bin, which means of bins can represent.

    The squared error of such means exceeds that of the best predictor by 1 + ln T an arm and bin at most.
    """
    return tightest_mean("<=", _inverse_gaps(rng))


def _partial_sums(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    angles = np.pi * (np.arange(NODES) + 0.5) / NODES
    nodes = np.cos(angles)
    for width in (0.5, 2.0):
        heights = [np.abs(nodes - tip) * width / 2.0 for tip in (-0.9, 0.0, 0.3)]
        corners = np.linspace(-1.0, 1.0, 9)
        steps = rng.choice([-1.0, 1.0], 8) * width / 8.0
        heights.append(np.interp(nodes, corners, np.concatenate([[0.0], np.cumsum(steps)])))
        for values in heights:  # of functions with slopes of 1 and -1 on an interval of this width
            for degree in (0, 1, 2, 5, 20, 60):
                coefficients = 2.0 / NODES * np.cos(np.outer(np.arange(degree + 1), angles)) @ values
                coefficients[0] /= 2.0
                error = np.abs(chebyshev.chebval(nodes, coefficients) - values).max()
                yield float(error), chebyshev_error_bound(degree, 1.0, width)


def _binned(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    horizon = 4000
    for n_arms, bins in ((2, 1), (5, 3), (10, 10)):
        contexts = rng.random(horizon)
        best = np.abs(np.mod(2.0 * contexts, 2.0) - 1.0)
        # Loss |x - f(c)| grows by the distance from f(c) only, so that it is semi-Lipschitz with slope 1.
        losses = np.abs(np.arange(1, n_arms + 1) / n_arms - best[:, None])
        world, policy = _shown(contexts, 1.0 - losses), TsallisINFContextual(0.0, 1.0, bins)
        lost = np.array([horizon - _earned(policy, world, rng) for _ in range(60)])
        yield lost, contextual_tsallis_bound(n_arms, bins, horizon, 1.0, 1.0, 2.0, 1.0, 1.0)


def _inverse_gaps(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    horizon = 3000
    for n_arms, bins in ((2, 1), (2, 4), (5, 2)):
        means, contexts = rng.random((bins, n_arms)), rng.random(horizon)
        expected = means[np.minimum((contexts * bins).astype(int), bins - 1)]
        regression_regret = n_arms * bins * (1.0 + math.log(horizon))
        policy = SquareCB(BinMeans(0.0, 1.0, bins).regressor(), regression_regret)
        regrets = []
        for _ in range(150):
            losses = (rng.random((horizon, n_arms)) < expected).astype(float)
            # What is drawn anew in each run has the expectation of the mean losses, whatever is played.
            lost = horizon - _earned(policy, _shown(contexts, 1.0 - losses), rng)
            regrets.append(lost - expected.min(axis=1).sum())
        yield np.array(regrets), square_cb_bound(n_arms, horizon, regression_regret)


def _shown(contexts: np.ndarray, rewards: np.ndarray) -> ContextualRewards:
    return ContextualRewards(np.repeat(contexts[:, None, None], rewards.shape[1], axis=1), rewards)


def _earned(policy: Policy, world: ContextualRewards, rng: np.random.Generator) -> float:
    return float(policy.run(world, world.n_rounds, rng, checkpoints=[world.n_rounds]).outcome["reward"])
