"""Checks of statements on populations, on convex risks and on linear models in many dimensions."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np

from experiments.checks.slopes import slope_between
from experiments.ledger_checks import Comparison, checks, tightest
from optimization.differentially_private import (
    DPGD,
    JLProjected,
    PrivateSpiderBoost,
    RecursiveRegularization,
    bound_glm_uniform_printed,
    convex_population_rate,
    glm_rate,
    outside_gradient_bound,
    population_lower_bound,
    regularized_minimizer_bound,
    spider_schedule,
)
from simulators.erm import CoinPopulation, CoinRisk, LinearModelRisk, Loss, low_rank_regression

__all__: list[str] = []

EPSILON, DELTA = 1.0, 1e-6
LARGE = 8.0
"""A budget at which the noise of variations is what dimensions add to."""
RECORDS, RANK, LOW = 400, 5, 15
"""Of linear models: their records, the rank of these, and the dimension that they are projected to."""


@checks("convex_population_rate")
def convex_order(rng: np.random.Generator) -> Comparison:
    """Slope in the number of records of the population's gradient where recursive regularisation ends; up to 0.1.

    On the coin of the lower bound.
    """
    sizes = (1000, 30_000)
    found = [_population_gradients(n, rng) for n in sizes]
    rates = [convex_population_rate(n, 1, EPSILON, DELTA, 1.0) for n in sizes]
    factor = sizes[1] / sizes[0]
    slope = math.log(rates[1] / rates[0]) / math.log(factor)
    return Comparison("<=", slope_between(found[0], found[1], factor), slope + 0.1, found[0].size + found[1].size)


@checks("glm_rate")
def projected_order(rng: np.random.Generator) -> Comparison:
    """Slope in the dimension, 20 to 320, of gradients of projected SpiderBoost, records of rank 5; up to 1/4."""
    dimensions = (20, 320)
    found = [_projected_gradients(d, rng) for d in dimensions]
    # The rate is of the rank: the same for all dimensions.
    rates = [glm_rate(RECORDS, RANK, LARGE, population=False) for _ in dimensions]
    factor = dimensions[1] / dimensions[0]
    slope = math.log(rates[1] / rates[0]) / math.log(factor)
    return Comparison("<=", slope_between(found[0], found[1], factor), slope + 0.25, found[0].size + found[1].size)


@checks("regularized_minimizer_bound")
def regularized(rng: np.random.Generator) -> Comparison:
    """Norm of the regularised minimiser of quadratics, flat ones with a start at a right angle among them."""
    return tightest("<=", _minimizers(rng))


@checks("population_lower_bound")
def no_rule(rng: np.random.Generator) -> Comparison:
    """The larger mean gradient on both coins, exactly over their laws: of the best rule for both, and of descent."""
    return tightest(">=", _rules(rng))


@checks("outside_gradient_bound")
def outside(rng: np.random.Generator) -> Comparison:
    """Gradients of convex quadratics outside a sphere, round ones just outside it among them."""
    return tightest(">=", _outside(rng))


@checks("bound_glm_uniform_printed")
def printed_lemma(rng: np.random.Generator) -> Comparison:
    """The deviation of the counter-example, records drawn: it exceeds what the lemma prints, which is false."""
    return tightest(">=", _deviations(rng))


def _population_gradients(n_records: int, rng: np.random.Generator) -> np.ndarray:
    population, method = CoinPopulation(n_records), RecursiveRegularization(EPSILON, DELTA, radius=1.0)
    ends = (method.run(population.sample(rng), 20, rng).outcome["iterate"] for _ in range(300))
    return np.array([abs(population.gradient(float(end[0]))) for end in ends])


def _projected_gradients(dimension: int, rng: np.random.Generator) -> np.ndarray:
    """Root mean squares over the iterates, each of them with records of its own."""
    norms = []
    for _ in range(40):
        problem = low_rank_regression(RECORDS, dimension, RANK, rng)
        low = problem.projected(np.zeros((LOW, dimension)))  # for its constants
        horizon, phase = spider_schedule(low, LARGE, DELTA)
        method = JLProjected(PrivateSpiderBoost(LARGE, DELTA, phase), LOW)
        path = method.run(problem, horizon, rng, checkpoints=[horizon], trace=True).outcome["iterates"]
        squares = [float(np.sum(problem.gradient(w) ** 2)) for w in path[:: 1 + horizon // 100]]
        norms.append(math.sqrt(float(np.mean(squares))))
    return np.array(norms)


def _minimizers(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for d in (2, 5, 20):
        for weight in (1e-3, 1.0, 1e3):
            root, best = rng.standard_normal((d, d)), rng.standard_normal(d)
            start = rng.standard_normal(d)
            start *= float(np.linalg.norm(best)) / float(np.linalg.norm(start))
            along = np.outer(best, best) / float(best @ best)
            for hessian in (root @ root.T, along):  # the second is flat at right angles to its minimiser
                for w0 in (start, start - along @ start, best):
                    found = np.linalg.solve(hessian + weight * np.eye(d), hessian @ best + weight * w0)
                    bound = regularized_minimizer_bound(float(np.linalg.norm(best)))
                    yield float(np.linalg.norm(found)), bound * (1.0 + 1e-9)
            w0 = (start - along @ start) * float(np.linalg.norm(best) / np.linalg.norm(start - along @ start))
            found = np.linalg.solve(along + 1e-5 * np.eye(d), along @ best + 1e-5 * w0)
            yield float(np.linalg.norm(found)), regularized_minimizer_bound(float(np.linalg.norm(best))) * (1.0 + 1e-9)


def _rules(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    grid = np.linspace(-0.6, 0.6, 2401)
    for n in (1, 10, 100, 1000):
        populations = [CoinPopulation(n, bias) for bias in (-1, 1)]
        laws = np.array([_binomial(n, population.heads) for population in populations])
        slopes = np.array([[abs(population.gradient(float(w))) for w in grid] for population in populations])
        # For each number of ones, the point with the least sum over both coins.
        best = grid[np.argmin(laws.T @ slopes, axis=1)]
        empirical = -(2.0 * np.arange(n + 1) / n - 1.0) / 2.0
        rules = [best, np.zeros(n + 1), empirical, _descended_from(populations[0], rng)]
        for rule in rules:
            means = [
                float(law @ [abs(population.gradient(float(w))) for w in rule])
                for population, law in zip(populations, laws, strict=True)
            ]
            yield max(means), population_lower_bound(n, 1.0)


def _binomial(n: int, chance: float) -> np.ndarray:
    from scipy.stats import binom

    return np.asarray(binom.pmf(np.arange(n + 1), n, chance))


def _descended_from(population: CoinPopulation, rng: np.random.Generator) -> np.ndarray:
    """Where noisy descent ends for each number of ones; records say nothing more of the bias than that number."""
    n, method = population.n_records, DPGD(EPSILON, DELTA, output="last")
    ones = np.unique(np.linspace(0, n, min(n + 1, 40)).astype(int))
    ends = [float(method.run(CoinRisk(population, int(k)), 5, rng).outcome["iterate"][0]) for k in ones]
    return np.interp(np.arange(n + 1), ones, ends)


def _outside(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for d in (1, 3, 10):
        for radius in (0.2, 3.0):
            for spread in (0.0, 1.0):
                half = rng.standard_normal((d, d))
                shape = spread * half @ half.T + 0.5 * np.eye(d)
                centre = spread * 0.1 * radius * rng.standard_normal(d) / math.sqrt(d)
                sphere = rng.standard_normal((2000, d))
                sphere *= radius / np.linalg.norm(sphere, axis=1, keepdims=True)
                inward = np.einsum("ij,ij->i", (sphere - centre) @ shape, sphere)
                far = sphere * (1.0 + rng.choice([1e-6, 0.1, 3.0], (2000, 1)))
                steep = np.linalg.norm((far - centre) @ shape, axis=1)
                if inward.min() > 0.0:
                    # Along a ray its own slope at the sphere is enough, and at least the least of the whole sphere.
                    place = int(np.argmin(steep - inward / radius))
                    bound = outside_gradient_bound(float(inward[place]), radius)
                    yield float(steep[place]), bound * (1.0 - 1e-9)


def _deviations(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for n in (40_000, 100_000):
        drawn = np.unique(rng.integers(0, 100 * n, n))
        # A record has 1 / sqrt(2) in a coordinate that all share and in one of its own. At the point that weighs the
        # drawn ones of these by sqrt(2), its margin is 1 if its own was drawn, as in the whole sample, and 0 if not.
        gradients = []
        for own in (math.sqrt(0.5), 0.0):
            record = LinearModelRisk(np.array([[math.sqrt(0.5), own]]), np.zeros(1), Loss("huber"))
            gradients.append(float(record.gradient(np.array([0.0, math.sqrt(2.0)]))[0]))
        seen, unseen = gradients
        share = drawn.size / (100.0 * n)
        deviation = abs(seen - (share * seen + (1.0 - share) * unseen))  # in the shared coordinate alone
        with warnings.catch_warnings():  # that the lemma is false: that is what is shown
            warnings.simplefilter("ignore", UserWarning)
            yield deviation, bound_glm_uniform_printed(n, math.sqrt(2.0 * n), 0.01)
