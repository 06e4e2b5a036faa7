"""Checks of bilevel certificates on quadratics, whose constants and solutions are exact: penalties, steps, descent.

Lower levels with one curvature in all directions meet the bounds of closeness most nearly; others have a spread of ten.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.ledger_checks import Comparison, checks, tightest
from optimization.bilevel import (
    PARL,
    Counts,
    PenaltyDoubleLoop,
    PowerLaw,
    inexact_descent_bound,
    lower_solution_lipschitz,
    penalty_distance_bound,
    penalty_gap_bound,
    penalty_gradient_bound,
    penalty_smoothness,
    penalty_value_bound,
    prox_error_constant,
    tracking_bound,
)
from simulators import QuadraticBilevel, random_quadratic
from simulators.mdp import TaxBandit

__all__: list[str] = []

SLACK = 1.0 + 1e-9
PENALTIES = (1e-4, 1e-2, 0.3)


class _Close(NamedTuple):
    """A problem and a point, the penalised and the true lower solution, and the upper level's slope between them."""

    problem: QuadraticBilevel
    s: float
    x: NDArray[np.float64]
    penalised: NDArray[np.float64]
    solution: NDArray[np.float64]
    slope: float

    @property
    def convexity(self) -> float:
        return self.problem.constants.strong_convexity


@checks("penalty_value_bound")
def values(rng: np.random.Generator) -> Comparison:
    """Psi less psi_s at random points; none below 0."""
    return _closeness(
        rng,
        lambda at: _not_below_0(at.problem.value(at.x) - at.problem.penalty_value(at.x, at.s)),
        lambda at: penalty_value_bound(at.s, at.slope, at.convexity),
    )


@checks("penalty_distance_bound")
def distances(rng: np.random.Generator) -> Comparison:
    """Distance of the penalised solution from the lower one."""
    return _closeness(
        rng,
        lambda at: float(np.linalg.norm(at.penalised - at.solution)),
        lambda at: penalty_distance_bound(at.s, at.slope, at.convexity),
    )


@checks("penalty_gap_bound")
def gaps(rng: np.random.Generator) -> Comparison:
    """How much the lower level loses at the penalised solution; none below 0."""
    return _closeness(
        rng,
        lambda at: _not_below_0(at.problem.lower(at.x, at.penalised) - at.problem.lower(at.x, at.solution)),
        lambda at: penalty_gap_bound(at.s, at.slope, at.convexity),
    )


@checks("penalty_gradient_bound")
def gradients(rng: np.random.Generator) -> Comparison:
    """Distance of the gradients of psi_s and psi; a quadratic has a constant Hessian."""
    return _closeness(
        rng,
        lambda at: float(np.linalg.norm(at.problem.penalty_gradient(at.x, at.s) - at.problem.value_gradient(at.x))),
        lambda at: penalty_gradient_bound(
            at.s,
            at.slope,
            at.problem.constants.upper_smoothness,
            at.problem.constants.lower_smoothness,
            0.0,
            at.convexity,
        ),
    )


@checks("lower_solution_lipschitz")
def solution_map(rng: np.random.Generator) -> Comparison:
    """How far solutions move when the point and the penalty move, both or one of them."""
    return tightest("<=", _moved(rng))


@checks("penalty_smoothness")
def smoothness(rng: np.random.Generator) -> Comparison:
    """How much the gradient of psi_s changes between points: along its steepest direction, and at random."""
    return tightest("<=", _bent(rng))


@checks("prox_error_constant")
def proximal_steps(rng: np.random.Generator) -> Comparison:
    """Length of a proximal step over its size, against the distance from the minimiser; in the worst direction too."""
    return tightest(">=", _proximal(rng))


@checks("tracking_bound")
def tracking(rng: np.random.Generator) -> Comparison:
    """Mean squared gradient of psi_s over the steps of the double loop, every condition of the theorem kept."""
    return tightest("<=", _tracked(rng))


@checks("inexact_descent_bound")
def inexact_descent(rng: np.random.Generator) -> Comparison:
    """Mean squared gradient of PARL on taxes, and of steps with errors of any kind on a sum of cosines."""
    return tightest("<=", (*_taxed(rng), *_erring(rng)))


def _problems(rng: np.random.Generator) -> Iterator[QuadraticBilevel]:
    for dimensions in ((1, 1), (2, 3), (10, 30)):
        for _ in range(4):
            yield random_quadratic(*dimensions, rng, strong_convexity=0.1)
            yield random_quadratic(*dimensions, rng, strong_convexity=0.5, smoothness=0.5)


def _closeness(
    rng: np.random.Generator, measured: Callable[[_Close], float], bound: Callable[[_Close], float]
) -> Comparison:
    return tightest("<=", ((measured(at), bound(at) * SLACK + 1e-12) for at in _close(rng)))


def _close(rng: np.random.Generator) -> Iterator[_Close]:
    for problem in _problems(rng):
        x = rng.standard_normal(problem.start[0].size)
        for s in PENALTIES:
            y, z = problem.lower_solution(x, s), problem.lower_solution(x)
            # The upper level's gradient is linear: its norm is largest at an end.
            yield _Close(problem, s, x, y, z, max(_slope(problem, x, y), _slope(problem, x, z)))


def _slope(problem: QuadraticBilevel, x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(problem.upper_gradient(x, y)[1]))


def _not_below_0(value: float) -> float:
    return float(value) if value >= -1e-9 else math.inf


def _moved(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for problem in _problems(rng):
        known = problem.constants
        x, w = rng.standard_normal((2, problem.start[0].size))
        for s, other in ((0.0, 0.0), (0.02, 0.02), (0.0, 0.02), (0.01, 0.03)):
            for point in (x, w):
                one, two = problem.lower_solution(x, s), problem.lower_solution(point, other)
                moved = float(np.linalg.norm(x - point)) + abs(s - other)
                largest = max(s, other)
                least = known.strong_convexity - largest * known.upper_smoothness
                slope = max(_slope(problem, x, one), _slope(problem, point, two), _slope(problem, x, two))
                if moved > 0.0 and least > 0.0:
                    lipschitz = lower_solution_lipschitz(
                        largest, slope, known.upper_smoothness, known.lower_smoothness, least
                    )
                    yield float(np.linalg.norm(one - two)), lipschitz * moved * SLACK + 1e-12


def _bent(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for problem in _problems(rng):
        known, d = problem.constants, problem.start[0].size
        for s in (1e-3, 0.02):
            if s * known.upper_smoothness >= known.strong_convexity:
                continue
            bound = penalty_smoothness(s, known.upper_smoothness, known.lower_smoothness, known.strong_convexity)
            origin = problem.penalty_gradient(np.zeros(d), s)
            # The gradient is affine; the columns of its matrix are its changes along the axes.
            matrix = np.stack([problem.penalty_gradient(axis, s) - origin for axis in np.eye(d)], axis=1)
            yield float(np.linalg.norm(matrix, 2)), bound


def _proximal(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for d in (1, 3, 20):
        for rho in (0.01, 1.0, 100.0):
            half, solution = rng.standard_normal((d, d)), rng.standard_normal(d)
            shape = half @ half.T + 0.05 * np.eye(d)
            eigenvalues, directions = np.linalg.eigh(shape)
            for y in (rng.standard_normal(d), solution + directions[:, 0]):
                prox = np.linalg.solve(shape + np.eye(d) / rho, shape @ solution + y / rho)
                distance = float(np.linalg.norm(y - solution))
                bound = prox_error_constant(float(eigenvalues[0]), rho) * distance
                yield float(np.linalg.norm(y - prox)) / rho, bound * (1.0 - 1e-9)


def _tracked(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for horizon in (5, 50):
        for share in (0.1, 1.0):
            problem = random_quadratic(2, 3, rng, strong_convexity=0.4)
            known = problem.constants
            s = share * 0.5 * known.strong_convexity / known.upper_smoothness
            together = known.lower_smoothness + s * known.upper_smoothness
            least = known.strong_convexity - s * known.upper_smoothness
            smooth = penalty_smoothness(s, known.upper_smoothness, known.lower_smoothness, known.strong_convexity)
            alpha = 0.5 / smooth
            wanted = min(0.5, s / (4.0 * together), s / (12.0 * alpha * together**2 / least))
            steps = math.ceil(2.0 * math.log(wanted) / math.log1p(-least / together))
            method = PenaltyDoubleLoop(PowerLaw(s), PowerLaw(alpha), Counts(float(steps)), gamma=1.0 / together)
            run = method.run(problem, horizon, rng, checkpoints=range(1, horizon + 1), trace=True)
            path = [problem.start[0], *run.outcome["iterates"][:-1]]
            squares = [float(np.sum(problem.penalty_gradient(x, s) ** 2)) for x in path]
            x, y = problem.start
            error = float(
                np.linalg.norm(y - problem.lower_solution(x, s)) + np.linalg.norm(y - problem.lower_solution(x))
            )
            # The least value on the path is above the infimum: the bound only gets smaller.
            heights = [problem.penalty_value(at, s) for at in path]
            yield float(np.mean(squares)), tracking_bound(horizon, heights[0] - min(heights), alpha, error)


def _taxed(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for goods in (2, 6):
        for temperature in (0.3, 1.0):
            for horizon in (5, 60):
                worth = rng.uniform(-2.0, 2.0, goods)
                # The second derivative of a softmax mean is at most range / (2 temperature^2).
                step = 2.0 * temperature**2 / float(np.ptp(worth))
                run = PARL(step, tolerance=0.0).run(
                    TaxBandit(worth, temperature=temperature),
                    horizon,
                    start=rng.standard_normal(goods),
                    checkpoints=np.arange(1, horizon + 1),
                )
                gap = max(0.0, float(run.metrics["upper"][0] + worth.max()))
                mean = float(np.mean(run.metrics["gradient_norm"] ** 2))
                yield mean, inexact_descent_bound(horizon, step, gap, 0.0) + 1e-12


def _erring(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for horizon in (1, 10, 100):
        for backwards in (0.0, 0.9, 2.0):  # how much of the gradient the errors take back
            for noise in (0.0, 1.0):
                w, x = rng.uniform(0.1, 3.0, 4), rng.uniform(-4.0, 4.0, 4)
                step, gap = 1.0 / w.max(), float(w @ np.cos(x) + w.sum())
                squares, errors = [], []
                for _ in range(horizon):
                    gradient = -w * np.sin(x)
                    error = noise * rng.standard_normal(4) - backwards * gradient
                    squares.append(float(gradient @ gradient))
                    errors.append(float(error @ error))
                    x = x - step * (gradient + error)
                bound = inexact_descent_bound(horizon, step, gap, float(np.mean(errors)))
                yield float(np.mean(squares)), bound * SLACK
