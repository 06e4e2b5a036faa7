"""Checks of privacy accounting: composition and subsampling by exact laws of the worst mechanisms, noise by its law.

Randomized response loses as much privacy as an epsilon-private mechanism can, so that its exact law strains pure
statements most; Gaussian noise does the same for those with a delta.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numba import njit
from scipy.stats import norm

from algos.privacy import (
    advanced_composition,
    basic_composition,
    discrete_laplace,
    discrete_laplace_variance,
    gaussian_delta,
    gaussian_epsilon,
    group_privacy,
    optimal_pure_composition,
    parallel_composition,
    sampled_gaussian_rdp,
    subsampled,
    zcdp_epsilon,
)
from experiments.ledger_checks import Comparison, agreement, agreement_of_means, checks, tightest

__all__: list[str] = []

ROUNDING = 1.0 + 1e-9
EPSILONS = (0.05, 0.3, 1.0)


@checks("basic_composition")
def basic(rng: np.random.Generator) -> Comparison:
    """Exact delta at the sum of the epsilons, of randomized responses that now and then tell all, and of Gaussians."""
    return tightest("<=", itertools.chain(_leaking_answers(rng), _gaussian_releases()))


@checks("parallel_composition")
def parallel(rng: np.random.Generator) -> Comparison:
    """Exact delta at the largest epsilon, whichever of the parts with their own Gaussian noise the record is in."""
    return tightest("<=", _parts(rng))


@checks("advanced_composition")
def advanced(rng: np.random.Generator) -> Comparison:
    """Exact delta of many randomized responses at the epsilon of the theorem."""
    return tightest(
        "<=",
        (
            (_delta_left(_answers(epsilon, count), total), most)
            for epsilon in (0.01, *EPSILONS)
            for count in (1, 10, 100)
            for slack in (0.2, 1e-3, 1e-6)
            for total, most in [advanced_composition(epsilon, 0.0, count, slack)]
        ),
    )


@checks("optimal_pure_composition")
def optimal(rng: np.random.Generator) -> Comparison:
    """The least multiple of epsilon that leaves delta, by the exact law of randomized responses."""
    return agreement(_least_multiples(rng), 1e-12)


@checks("group_privacy")
def group(rng: np.random.Generator) -> Comparison:
    """Exact delta of Gaussian noise when a group moves the sum by its size."""
    return tightest(
        "<=",
        (
            (gaussian_delta(sigma / size, whole), most * ROUNDING)
            for sigma in (0.5, 1.0, 3.0)
            for epsilon in EPSILONS
            for size in (2, 5)
            for whole, most in [group_privacy(epsilon, gaussian_delta(sigma, epsilon), size)]
        ),
    )


@checks("subsampled")
def subsampling(rng: np.random.Generator) -> Comparison:
    """Exact delta of Gaussian noise on a Poisson sample, a record removed, by integration; the statement is tight."""
    return tightest(
        "<=",
        (
            (_sampled_delta(rate, sigma, total), most * (1.0 + 1e-6))
            for rate in (0.01, 0.3, 1.0)
            for sigma in (0.7, 2.0)
            for epsilon in EPSILONS
            for total, most in [subsampled(epsilon, gaussian_delta(sigma, epsilon), rate)]
        ),
    )


@checks("zcdp_epsilon")
def zcdp(rng: np.random.Generator) -> Comparison:
    """Exact epsilon of Gaussian noise, from weak to strong and for deltas down to 1e-12."""
    return tightest(
        "<=",
        (
            (gaussian_epsilon(mu, delta), zcdp_epsilon(mu**2 / 2.0, delta))
            for mu in (0.1, 1.0, 3.0, *rng.uniform(0.1, 3.0, 10).tolist())
            for delta in (1e-3, 1e-6, 1e-12)
        ),
    )


@checks("sampled_gaussian_rdp")
def renyi(rng: np.random.Generator) -> Comparison:
    """Renyi divergences of Gaussian noise on a Poisson sample, by a fine sum over the line."""
    return agreement(
        (
            (_divergence(rate, sigma, order), sampled_gaussian_rdp(rate, sigma, order))
            for rate in (0.01, 0.3, 1.0, float(rng.random()))
            for sigma in (0.7, 1.0, 4.0)
            for order in (2, 3, 8)
        ),
        1e-6,
    )


@checks("gaussian_delta")
def gaussian(rng: np.random.Generator) -> Comparison:
    """By how much one Gaussian density exceeds e^epsilon times the other in all, integrated by a fine sum."""
    return agreement(
        (
            (_sampled_delta(1.0, sigma, epsilon), gaussian_delta(sigma, epsilon))
            for sigma in (0.3, 1.0, 5.0, float(rng.uniform(0.3, 5.0)))
            for epsilon in (0.0, *EPSILONS, 4.0)
        ),
        1e-7,
    )


@checks("discrete_laplace_variance")
def discrete_laplace_spread(rng: np.random.Generator) -> Comparison:
    """How far the mean square of a million draws is from the variance."""
    return agreement_of_means(
        (_draws(epsilon, 10**6, rng) ** 2, discrete_laplace_variance(epsilon)) for epsilon in (0.05, 0.5, 2.0)
    )


@njit
def _draws(epsilon, count, rng):
    drawn = np.empty(count)
    for i in range(count):
        drawn[i] = discrete_laplace(epsilon, rng)
    return drawn


def _answers(epsilon: float, count: int) -> list[tuple[float, float]]:
    """Chances and privacy losses of `count` randomized responses, by the number of true answers."""
    true = 1.0 / (1.0 + math.exp(-epsilon))
    return [
        (math.comb(count, j) * true**j * (1.0 - true) ** (count - j), (2 * j - count) * epsilon)
        for j in range(count + 1)
    ]


def _delta_left(losses: list[tuple[float, float]], epsilon: float) -> float:
    """The delta of an exact law of privacy losses: sum of p max(0, 1 - e^(epsilon - loss))."""
    return math.fsum(chance * -math.expm1(epsilon - loss) for chance, loss in losses if loss > epsilon)


def _leaking_answers(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for count in (2, 3, 10):
        budgets = [(float(rng.uniform(0.05, 2.0)), float(rng.uniform(0.0, 0.02))) for _ in range(count)]
        total, most = basic_composition(budgets)
        true = math.prod(1.0 / (1.0 + math.exp(-epsilon)) for epsilon, _ in budgets)
        silent = math.prod(1.0 - delta for _, delta in budgets)
        # Who tells all has an infinite loss; else the largest loss is the sum, when all answers are true.
        largest = math.fsum(epsilon for epsilon, _ in budgets)
        yield (1.0 - silent) + _delta_left([(silent * true, largest)], total * ROUNDING), most * ROUNDING


def _gaussian_releases() -> Iterator[tuple[float, float]]:
    for sigma, epsilon, count in itertools.product((0.7, 2.0, 10.0), EPSILONS, (2, 20)):
        total, most = basic_composition([(epsilon, gaussian_delta(sigma, epsilon))] * count)
        yield gaussian_delta(sigma / math.sqrt(count), total), most * ROUNDING


def _parts(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for count in (1, 2, 10):
        scales = rng.uniform(0.5, 3.0, count).tolist()
        budgets = [(float(epsilon), 0.0) for epsilon in rng.uniform(0.05, 2.0, count)]
        budgets = [(e, gaussian_delta(sigma, e)) for (e, _), sigma in zip(budgets, scales, strict=True)]
        total, most = parallel_composition(budgets)
        # The record is in one part; the other releases have the same law without it.
        yield max(gaussian_delta(sigma, total) for sigma in scales), most * ROUNDING


def _least_multiples(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for epsilon in (0.01, *EPSILONS, float(rng.uniform(0.01, 1.0))):
        for count in (1, 7, 60):
            for delta in (0.2, 1e-3, 1e-8):
                losses = _answers(epsilon, count)
                multiples = [loss for _, loss in losses if loss > -epsilon / 2.0]
                least = min(loss for loss in multiples if _delta_left(losses, loss) <= delta)
                yield least, optimal_pure_composition(epsilon, count, delta)


def _mixture(rate: float, sigma: float, far: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Density of noise with the record in the sample by this chance, and without it, on a fine line, and its step."""
    line = np.linspace(-14.0 * sigma, 14.0 * sigma + far, 400_001)
    without = norm.pdf(line, 0.0, sigma)
    return (1.0 - rate) * without + rate * norm.pdf(line, 1.0, sigma), without, float(line[1] - line[0])


def _sampled_delta(rate: float, sigma: float, epsilon: float) -> float:
    present, without, step = _mixture(rate, sigma, 1.0)
    return float(np.sum(np.maximum(0.0, present - math.exp(epsilon) * without)) * step)


def _divergence(rate: float, sigma: float, order: int) -> float:
    present, without, step = _mixture(rate, sigma, float(order))
    seen = without > 0.0
    integral = np.sum(without[seen] * (present[seen] / without[seen]) ** order) * step
    return math.log(integral) / (order - 1)
