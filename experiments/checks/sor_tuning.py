"""Checks of the guarantees of solver tuning: iterations of SOR, and what the bounds are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from algos.linear_solvers import jacobi_radius, optimal_omega, sor_iteration_bound
from bandits import TsallisINF, TsallisINFContextual
from experiments.ledger_checks import Comparison, agreement, checks, tightest, tightest_mean, tightest_share
from online.sor_tuning import (
    SolverTuning,
    omega_lipschitz_bound,
    semi_lipschitz_bound,
    sor_contextual_bound,
    sor_contextual_rate,
    sor_tuning_bound,
    sor_tuning_rate,
    truncated_normal_concentration,
)
from simulators import RecordedCosts, ShiftedLaplacian2D, record_costs, truncated_normal

__all__: list[str] = []

TOLERANCE, OMEGA_MAX, TAU = 1e-6, 1.2, 0.25
"""Of the tuned systems; TAU is at least e^-2, as the bounds of the iterations ask."""
SIZE, LOWEST = 6, 4.0
"""Points a side, and the least shift: so large a one makes the bounds of learning small."""


@checks("semi_lipschitz_bound")
def semi_lipschitz(rng: np.random.Generator) -> Comparison:
    """Mean losses of Tsallis-INF less those of the best point, for losses that jump down at a point and then rise."""
    return tightest_mean("<=", _semi_lipschitz(rng))


@checks("sor_tuning_bound")
def tuned_relaxation(rng: np.random.Generator) -> Comparison:
    """Mean iterations of tuned SOR on shifted systems, less the bounds of the best relaxation."""
    return tightest_mean("<=", _tuned(rng))


@checks("sor_contextual_bound")
def tuned_relaxation_by_shift(rng: np.random.Generator) -> Comparison:
    """The same with a learner a bin of shifts, less the bounds of the best relaxation of each system."""
    return tightest_mean("<=", _tuned_by_shift(rng))


@checks("sor_tuning_rate")
def best_grid(rng: np.random.Generator) -> Comparison:
    """The least of the bound over real sizes of the grid, found numerically, and that size."""
    return agreement(_least_bounds(rng), 1e-6)


@checks("sor_contextual_rate")
def stated_grid_and_bins(rng: np.random.Generator) -> Comparison:
    """The bound, continued to real sizes, at the sizes that come with its rate."""
    return agreement(_contextual_bounds(rng), 1e-9)


@checks("omega_lipschitz_bound")
def slope_of_the_best_relaxation(rng: np.random.Generator) -> Comparison:
    """Slopes of the best relaxation over shifts, of drawn matrices and of the Laplacian, which meets the bound."""
    return tightest("<=", _slopes(rng))


@checks("truncated_normal_concentration")
def truncated_targets(rng: np.random.Generator) -> Comparison:
    """How often the norm of a matrix times a truncated normal vector lies in an interval."""
    return tightest_share("<=", _norms_in_intervals(rng))


def _semi_lipschitz(rng: np.random.Generator) -> Iterator[tuple[NDArray[np.float64], float]]:
    horizon = 2000
    for arms, slope in ((3, 1.0), (8, 0.3), (8, 0.0)):
        kinks = rng.uniform(0.3, 0.8, horizon)[:, None]
        points = np.concatenate([np.arange(1, arms + 1) / arms, np.linspace(0, 1, 400)])
        losses = np.where(points < kinks, 0.9, np.minimum(1.0, slope * (points - kinks)))
        best = losses.sum(axis=0).min()
        world = RecordedCosts(1.0 + losses[:, :arms])
        tuning = SolverTuning(TsallisINF(schedule="horizon"), np.linspace(1, 1.9, arms))
        spent = _iterations(tuning, world, horizon, rng)
        yield spent - horizon - best, semi_lipschitz_bound(arms, horizon, 1.0, 1.0, slope)


def _iterations(
    tuning: SolverTuning, world: RecordedCosts, horizon: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Of 20 runs on the same systems."""
    runs = [tuning.run(world, horizon, rng, checkpoints=[horizon]) for _ in range(20)]
    return np.array([run.outcome["iterations"] for run in runs], dtype=np.float64)


class _Systems:
    """Shifted systems, their costs for a grid of relaxations, and what the bounds must know of them."""

    def __init__(self, arms: int, horizon: int, rng: np.random.Generator) -> None:
        self.grid = 1 + (OMEGA_MAX - 1) * np.arange(1, arms + 1) / arms
        systems = ShiftedLaplacian2D(SIZE, 0.5, 1.5, LOWEST, 1.0)
        self.costs = record_costs(systems, self.grid, horizon, rng, tolerance=TOLERANCE)
        self.radii = np.array([jacobi_radius((SIZE, SIZE), 4 + shift) for shift in np.asarray(self.costs.contexts)])
        self.alphas = TAU + (1 - TAU) * np.maximum(self.radii**2, OMEGA_MAX - 1)
        self.scale = math.log(1 / TOLERANCE) / math.log(1 / self.alphas.max())
        bounds = [[sor_iteration_bound(TOLERANCE, omega, radius, TAU) for omega in self.grid] for radius in self.radii]
        if np.any(self.costs.costs > bounds):
            raise AssertionError("TAU is too small for these systems: a solve takes more iterations than its bound")


def _tuned(rng: np.random.Generator) -> Iterator[tuple[NDArray[np.float64], float]]:
    horizon = 3000
    for arms in (4, 10):
        world = _Systems(arms, horizon, rng)
        best = min(
            sum(sor_iteration_bound(TOLERANCE, omega, radius, TAU) for radius in world.radii)
            for omega in np.linspace(0.8, OMEGA_MAX, 60)
        )
        tuning = SolverTuning(TsallisINF(schedule="horizon", scale=world.scale), world.grid)
        spent = _iterations(tuning, world.costs, horizon, rng)
        yield spent - best, sor_tuning_bound(TOLERANCE, world.alphas, arms, world.scale)


def _tuned_by_shift(rng: np.random.Generator) -> Iterator[tuple[NDArray[np.float64], float]]:
    horizon, bins = 3000, 3
    steepest = omega_lipschitz_bound(jacobi_radius((SIZE, SIZE), 4 + LOWEST), 4 + LOWEST)
    for arms in (4, 10):
        world = _Systems(arms, horizon, rng)
        best = sum(sor_iteration_bound(TOLERANCE, optimal_omega(radius), radius, TAU) for radius in world.radii)
        tuning = SolverTuning(TsallisINFContextual(LOWEST, LOWEST + 1.0, bins, scale=world.scale), world.grid)
        spent = _iterations(tuning, world.costs, horizon, rng)
        yield (
            spent - best,
            sor_contextual_bound(TOLERANCE, world.alphas, arms, bins, world.scale, 1.0, steepest, OMEGA_MAX),
        )


def _drawn_alphas(rng: np.random.Generator) -> tuple[NDArray[np.float64], float]:
    """Alphas of many systems, and the least scale."""
    alphas = rng.uniform(0.3, 0.95, int(rng.integers(100, 100_000)))
    return alphas, math.log(1e8) / math.log(1 / alphas.max())


def _least_bounds(rng: np.random.Generator) -> Iterator[tuple[list[float], list[float]]]:
    for _ in range(20):
        alphas, scale = _drawn_alphas(rng)
        # The bound is a sqrt(d) + b / d: two whole sizes give a and b.
        one, four = (sor_tuning_bound(1e-8, alphas, d, scale) for d in (1, 4))
        a, b = np.linalg.solve([[1.0, 1.0], [2.0, 0.25]], [one, four])
        least = minimize_scalar(lambda x, a=a, b=b: a * math.exp(x / 2) + b * math.exp(-x), bracket=(0.0, 5.0))
        rate, d = sor_tuning_rate(1e-8, alphas)
        yield [rate / least.fun, math.log(d)], [1.0, float(least.x)]


def _contextual_bounds(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    sizes = np.array([(1, 1), (4, 1), (4, 9)])
    for _ in range(20):
        alphas, scale = _drawn_alphas(rng)
        width, slope = rng.uniform((0.1, 0.5), (2.0, 9.0)).tolist()
        # The bound is m + a sqrt(d m) + b / m + c / d: three whole sizes give a, b and c.
        values = [sor_contextual_bound(1e-8, alphas, int(d), int(m), scale, width, slope, 1.8) - m for d, m in sizes]
        a, b, c = np.linalg.solve([[math.sqrt(d * m), 1 / m, 1 / d] for d, m in sizes], values)
        rate, d, m = sor_contextual_rate(1e-8, alphas, width, slope, 1.8)
        yield rate / (m + a * math.sqrt(d * m) + b / m + c / d), 1.0


def _slopes(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for _ in range(40):
        n = int(rng.integers(2, 20))
        root = rng.normal(size=(n, n))
        matrix = root @ root.T + np.diag(0.1 + rng.random(n))
        shifts = np.linspace(0.0, 1.0, 21)
        radii = np.array([_radius(matrix + shift * np.eye(n)) for shift in shifts])
        if radii.max() < 1:  # else Jacobi's method does not converge, and there is no best relaxation
            yield _steepest(radii, shifts), omega_lipschitz_bound(radii.max(), float(matrix.diagonal().min()))
    for size in (5, 10, 30):
        shifts = np.linspace(0.0, 1e-3, 21)
        radii = np.array([jacobi_radius((size, size), 4 + shift) for shift in shifts])
        yield _steepest(radii, shifts), omega_lipschitz_bound(radii.max(), 4.0)


def _radius(matrix: NDArray[np.float64]) -> float:
    d = np.sqrt(matrix.diagonal())
    return float(np.abs(np.linalg.eigvalsh(np.eye(len(d)) - matrix / np.outer(d, d))).max())


def _steepest(radii: NDArray[np.float64], shifts: NDArray[np.float64]) -> float:
    best = np.array([optimal_omega(radius) for radius in radii])
    return float((np.abs(np.diff(best)) / np.diff(shifts)).max())


def _norms_in_intervals(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    draws, width = 10_000, 0.1
    for n in (1, 4):
        for matrix in (np.eye(n), rng.normal(size=(n, n)), np.diag([1.0] + [0.0] * (n - 1))):
            radius = float(np.abs(np.linalg.eigvals(matrix)).max())
            norms = np.array([np.linalg.norm(matrix @ truncated_normal(n, rng)) for _ in range(draws)])
            for low in (-1e-9, 0.3, 1.0):
                inside = int(((norms > low) & (norms <= low + width * radius)).sum())
                yield inside, draws, truncated_normal_concentration(radius, width * radius)
