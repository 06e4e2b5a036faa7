"""Checks of private and stochastic optimizers: true gradients within their certificates, errors of estimates, orders.

The coin of `simulators.CoinPopulation` has one dimension and gradients that cost nothing however many records it has:
there the tuned methods come within a factor of two of their bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from algos.privacy import gaussian_mu
from experiments.checks.slopes import slope_between
from experiments.claims import exact
from experiments.ledger_checks import (
    Comparison,
    agreement,
    agreement_of_means,
    checks,
    tightest,
    tightest_mean,
)
from optimization.differentially_private import (
    DPGD,
    SGD,
    SVRG,
    PrivateSpiderBoost,
    Spider,
    TreeSpider,
    descent_bound,
    descent_schedule,
    empirical_lower_bound,
    sgd_bound,
    spider_accuracy_bound,
    spider_bound,
    spider_error_bound,
    spider_leading_bound,
    spider_rate,
    spider_schedule,
    svrg_bound,
    tree_accuracy,
    tree_bound,
    tree_schedule,
    tuned_descent_bound,
)
from simulators.erm import CoinPopulation, MeanRisk, robust_regression

__all__: list[str] = []

EPSILON, DELTA = 1.0, 1e-6
RUNS = 30


@checks("descent_bound")
def descent(rng: np.random.Generator) -> Comparison:
    """Mean square of true gradients of noisy gradient descent, on robust regression and on the coin."""
    return tightest_mean("<=", _descended(rng))


@checks("tuned_descent_bound")
def tuned_descent(rng: np.random.Generator) -> Comparison:
    """Mean square of true gradients on the coin, with the best number of steps."""
    n = 10_000
    problem = CoinPopulation(n).sample(rng)
    method, horizon = DPGD(EPSILON, DELTA), descent_schedule(problem, EPSILON, DELTA)
    squares = _mean_squares(method, problem, horizon, 20, rng)
    mu = gaussian_mu(EPSILON, DELTA)
    bound = tuned_descent_bound(n, 1, mu, problem.lipschitz, problem.smoothness, problem.gap)
    return tightest_mean("<=", [(squares, bound**2)])


@checks("spider_bound")
def spider_boost(rng: np.random.Generator) -> Comparison:
    """Mean square of true gradients of SpiderBoost with its own schedule, on robust regression and on the coin."""
    return tightest_mean("<=", _boosted(rng))


@checks("spider_leading_bound")
def tuned_spider_boost(rng: np.random.Generator) -> Comparison:
    """Mean square of true gradients of SpiderBoost on the coin, with its own schedule."""
    n = 2000
    problem = CoinPopulation(n).sample(rng)
    horizon, phase = spider_schedule(problem, EPSILON, DELTA)
    squares = _mean_squares(PrivateSpiderBoost(EPSILON, DELTA, phase), problem, horizon, 20, rng)
    mu = gaussian_mu(EPSILON, DELTA)
    bound = spider_leading_bound(n, 1, mu, problem.lipschitz, problem.smoothness, problem.gap)
    return tightest_mean("<=", [(squares, bound**2)])


@checks("spider_rate")
def spider_order(rng: np.random.Generator) -> Comparison:
    """Slope of the certificate in the number of records, from 1e5 to 1e6, up to 0.05; a run says the same certificate.

    The order is that of a bound. Gradients themselves fall more slowly until there are far more steps than a check has.
    """
    small, large = 10**5, 10**6
    measured = math.log(_certificate(large, rng) / _certificate(small, rng)) / math.log(large / small)
    rates = [spider_rate(n, 1, EPSILON, DELTA, 1.0, 1.0, 0.125) for n in (small, large)]
    slope = Comparison("<=", exact(measured), math.log(rates[1] / rates[0]) / math.log(large / small) + 0.05, 1)
    n = 2000
    problem = CoinPopulation(n).sample(rng)
    horizon, phase = spider_schedule(problem, EPSILON, DELTA)
    run = PrivateSpiderBoost(EPSILON, DELTA, phase).run(problem, horizon, rng, checkpoints=[horizon])
    same = agreement([(run.outcome["certificate"], _certificate(n, rng))], 1e-6)
    return slope if same.room >= 0.0 else same


@checks("spider_error_bound")
def spider_error(rng: np.random.Generator) -> Comparison:
    """Squared error of estimates less the bound, run by run: with full batches their means are equal."""
    return agreement_of_means([(_excess_errors(rng), 0.0)])


@checks("sgd_bound")
def sgd(rng: np.random.Generator) -> Comparison:
    """Mean square of gradients of SGD, few steps and many, with the variance that L0 allows."""
    return tightest_mean("<=", _stochastic(rng))


@checks("svrg_bound")
def svrg(rng: np.random.Generator) -> Comparison:
    """Mean square of gradients of SVRG where the bound says something; a phase of one step is gradient descent."""
    return tightest_mean("<=", _variance_reduced(rng))


@checks("spider_accuracy_bound")
def spider(rng: np.random.Generator) -> Comparison:
    """Mean of the gradient's norm over the steps of SPIDER, for coarse and fine accuracies."""
    return tightest_mean("<=", _normalized(rng))


@checks("empirical_lower_bound")
def mean_estimation(rng: np.random.Generator) -> Comparison:
    """Slope in the number of records of noisy descent's last gradient, points whose mean is sought; up to 0.1."""
    sizes = (1000, 10_000)
    found = [_last_gradients(n, rng) for n in sizes]
    bounds = [empirical_lower_bound(n, 20, EPSILON, DELTA, 1.0) for n in sizes]
    slope = math.log(bounds[1] / bounds[0]) / math.log(sizes[1] / sizes[0])
    return Comparison(
        ">=", slope_between(found[0], found[1], sizes[1] / sizes[0]), slope - 0.1, found[0].size + found[1].size
    )


@checks("tree_bound")
def tree(rng: np.random.Generator) -> Comparison:
    """True gradient where the tree-based Spider ends, with its printed constants and practical ones."""
    return tightest("<=", _tree(rng))


def _mean_squares(method: Any, problem: Any, horizon: int, runs: int, rng: np.random.Generator) -> np.ndarray:
    """Mean over the iterates of the squared norm of the true gradient, one number a run."""
    played = (method.run(problem, horizon, rng, checkpoints=[horizon]).outcome for _ in range(runs))
    return np.array([run["root_mean_square"] ** 2 for run in played])


def _noise_error(problem: Any, multiplier: float) -> float:
    """Mean squared norm of Gaussian noise on a mean gradient, of which one record moves 2 L0 / n."""
    return float(problem.dimension * (2.0 * problem.lipschitz * multiplier / problem.n_records) ** 2)


def _descended(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    for problem in (robust_regression(300, 5, rng), CoinPopulation(1000).sample(rng)):
        for epsilon in (EPSILON, 4.0):
            for horizon in (5, descent_schedule(problem, epsilon, DELTA)):
                runs = [DPGD(epsilon, DELTA).run(problem, horizon, rng).outcome for _ in range(RUNS)]
                noise = _noise_error(problem, runs[0]["noise_multiplier"][0])
                bound = descent_bound(horizon, problem.gap, problem.smoothness, noise)
                yield np.array([run["root_mean_square"] ** 2 for run in runs]), bound**2


def _boosted(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    for problem in (robust_regression(300, 5, rng), CoinPopulation(1000).sample(rng)):
        horizon, phase = spider_schedule(problem, EPSILON, DELTA)
        method = PrivateSpiderBoost(EPSILON, DELTA, phase)
        runs = [method.run(problem, horizon, rng, checkpoints=[horizon]).outcome for _ in range(RUNS)]
        anchor = _noise_error(problem, runs[0]["noise_multiplier"][0])
        bound = spider_bound(horizon, 0.5 / problem.smoothness, problem.gap, anchor)
        yield np.array([run["root_mean_square"] ** 2 for run in runs]), bound**2


def _certificate(n_records: int, rng: np.random.Generator) -> float:
    """Of SpiderBoost on so many tosses of the coin, with its own schedule."""
    problem = CoinPopulation(n_records).sample(rng)
    horizon, phase = spider_schedule(problem, EPSILON, DELTA)
    # Half of the budget goes to the anchors, equal shares to each.
    multiplier = math.sqrt(2.0 * math.ceil(horizon / phase)) / gaussian_mu(EPSILON, DELTA)
    return spider_bound(horizon, 0.5 / problem.smoothness, problem.gap, _noise_error(problem, multiplier))


def _excess_errors(rng: np.random.Generator) -> np.ndarray:
    n, d, steps, runs = 40, 3, 8, 1500
    problem = robust_regression(n, d, rng)
    method, excess = PrivateSpiderBoost(60.0, 1e-5, steps, step=0.3), []
    for _ in range(runs):
        run = method.run(problem, steps, rng, trace=True, checkpoints=[steps]).outcome
        estimate = run["releases"].sum(axis=0) / n
        truth = problem.gradient_sum(run["iterates"][-1]) / n
        moves = np.sum(np.diff(run["iterates"], axis=0) ** 2, axis=1)
        anchor, variation = run["noise_multiplier"]
        bound = spider_error_bound(
            _noise_error(problem, anchor), d * (2.0 * problem.smoothness * variation / n) ** 2, moves
        )
        excess.append(float(np.sum((estimate - truth) ** 2)) - bound)
    return np.array(excess)


def _stochastic(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    problem = robust_regression(30, 3, rng)
    for steps in (5, 100):
        for step in (0.1, 1.0):
            for batch in (1, 10):
                squares = _mean_squares(SGD(step, batch=batch), problem, steps, RUNS, rng)
                bound = sgd_bound(steps, step, problem.gap, problem.smoothness, problem.lipschitz**2 / batch)
                yield squares, bound**2


def _variance_reduced(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    problem = robust_regression(30, 3, rng)
    for steps in (5, 60):
        for phase in (1, 5):
            for step, batch in ((0.05, 1), (0.2, 10), (1.0, 30)):
                bound = svrg_bound(steps, step, problem.gap, problem.smoothness, phase, batch)
                if bound < math.inf:
                    squares = _mean_squares(SVRG(step, phase=phase, batch=batch), problem, steps, RUNS, rng)
                    yield squares, bound**2


def _normalized(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    problem = robust_regression(100, 3, rng)
    for accuracy in (0.02, 0.2):
        for steps in (5, 100):
            method = Spider(accuracy=accuracy)
            runs = (method.run(problem, steps, rng, checkpoints=range(1, steps + 1)) for _ in range(RUNS))
            norms = np.array([run.metrics["gradient_norm"].mean() for run in runs])
            yield norms, spider_accuracy_bound(steps, accuracy, problem.gap, problem.smoothness)


def _last_gradients(n_records: int, rng: np.random.Generator) -> np.ndarray:
    points = rng.standard_normal((n_records, 20))
    points *= 0.2 / np.linalg.norm(points, axis=1, keepdims=True)
    problem, method = MeanRisk(points), DPGD(EPSILON, DELTA, output="last")
    ends = (method.run(problem, 3, rng).outcome["iterate"] for _ in range(150))
    return np.array([float(np.linalg.norm(problem.gradient_sum(end))) / n_records for end in ends])


def _tree(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for n_records in (300, 3000):
        problem = robust_regression(n_records, 3, rng)
        schedule = tree_schedule(n_records, 3, EPSILON, problem.lipschitz)
        accuracy = tree_accuracy(schedule, DELTA, problem.lipschitz, problem.smoothness, problem.gap)
        for method in (TreeSpider(EPSILON, DELTA, constants="paper"), TreeSpider(EPSILON, DELTA)):
            end = method.run(problem, 1, rng).outcome["iterate"]
            yield float(np.linalg.norm(problem.gradient(end))), tree_bound(accuracy)
