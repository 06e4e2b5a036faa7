"""Costs of every choice on every system of a sequence, so that learners can be compared without solving again."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, Field, ValidationInfo

from algos.arrays import FiniteMatrix, FiniteVector
from algos.contracts import check_generator, description, whole_number
from algos.kernels import compiled
from algos.linear_solvers import GRID_SOLVERS, SOLVERS, check_grid, optimal_omega
from algos.linear_solvers.system import check_tolerance

__all__ = ["RecordedCosts", "record_costs"]


def _costs(value: NDArray[np.float64]) -> NDArray[np.float64]:
    if (value < 0).any():
        t, i = (int(place) for place in np.argwhere(value < 0)[0])
        raise ValueError(f"entry ({t}, {i}) is {value[t, i]}; every cost must be >= 0")
    return value


def _row_for_row(value: Any, info: ValidationInfo) -> Any:
    costs = info.data.get("costs")
    if value is not None and costs is not None and len(value) != len(costs):
        raise ValueError(f"has {len(value)} entries for {len(costs)} systems")
    return value


def _shape_of_costs(value: Any, info: ValidationInfo) -> Any:
    costs = info.data.get("costs")
    if value is not None and costs is not None and value.shape != costs.shape:
        raise ValueError(f"has shape {value.shape}, the costs {costs.shape}")
    return value


@description
class RecordedCosts:
    """The cost of each of d choices on each of T systems. `SolverTuning` and others play on it as on the systems.

    Parameters
    ----------
    costs : array of float >= 0, shape (T, d)
        Iterations, or seconds; those of a failed solve are the cap.
    contexts : array of float, shape (T,), optional
        The context of each system.
    optimal : array of float, shape (T,), optional
        The cost of the instance-optimal choice; the least of the d costs when omitted.
    surrogates : array of float, shape (T, d), optional
        Upper bounds of the costs, for the regret against the best fixed choice by the bounds.
    """

    costs: Annotated[FiniteMatrix, AfterValidator(_costs)]
    contexts: Annotated[FiniteVector | None, AfterValidator(_row_for_row)] = None
    optimal: Annotated[FiniteVector | None, AfterValidator(_row_for_row)] = None
    surrogates: Annotated[FiniteMatrix | None, AfterValidator(_shape_of_costs)] = Field(default=None, kw_only=True)

    @property
    def n_systems(self) -> int:
        """T."""
        return len(self.costs)

    @property
    def n_choices(self) -> int:
        """D."""
        return int(self.costs.shape[1])

    @property
    def least(self) -> NDArray[np.float64]:
        """The cost of the instance-optimal choice, shape (T,)."""
        return self.costs.min(axis=1) if self.optimal is None else self.optimal


def record_costs(
    systems: Any,
    grid: ArrayLike,
    horizon: int,
    rng: np.random.Generator,
    *,
    solver: str | Callable[..., Any] = "sor",
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
) -> RecordedCosts:
    """Solve each system of a sequence with each relaxation of a grid, always from the same start.

    A sequence goes on from the solution that took the fewest iterations.

    Parameters
    ----------
    systems : LinearSystems
        The sequence; on grids it is solved in a compiled loop.
    grid : array of float in (0, 2), increasing, shape (d,)
        The relaxations.
    horizon : int >= 1
        T, systems to solve.
    rng : numpy.random.Generator
        The stream of the sequence.
    solver : str or callable
        A solver of `algos.linear_solvers` by its name, or a function
        ``(A, b, x0, omega, tolerance, max_iterations) -> LinearSolution``.
    tolerance : float in (0, 1)
        Relative, as the solver takes it.
    max_iterations : int >= 1
        Cap, which is also the cost of a solve that fails.

    Returns
    -------
    RecordedCosts
        With ``optimal`` from Young's relaxation for SOR where the sequence tells the radius of Jacobi's method, and
        from the best of the grid otherwise.
    """
    relaxations, rounds = check_grid(grid), whole_number(horizon, "horizon", 1)
    check_generator(rng, "record_costs")
    check_tolerance(tolerance)
    most = whole_number(max_iterations, "max_iterations", 1)
    if isinstance(solver, str) and solver not in SOLVERS:
        raise ValueError(f"solver: {solver!r} is not a function or one of {', '.join(sorted(SOLVERS))}")
    limited = getattr(systems, "n_systems", None)
    if limited is not None and rounds > limited:
        raise ValueError(f"horizon: {rounds} is more than the {limited} systems of the sequence")
    costs, contexts = np.empty((rounds, relaxations.size)), np.empty(rounds)
    optimal = np.full(rounds, np.nan)
    if hasattr(systems, "grid_kernels") and isinstance(solver, str) and solver in GRID_SOLVERS:
        kernels = systems.grid_kernels().in_form(compiled)
        _grid_recorder(*kernels, GRID_SOLVERS[solver])(
            systems.grid_parameters(),
            relaxations,
            solver == "sor",
            tolerance,
            most,
            costs,
            contexts,
            optimal,
            rng,
        )
    else:
        _record(systems.start(rng), relaxations, solver, tolerance, most, costs, contexts, optimal)
    return RecordedCosts(costs, contexts, costs.min(axis=1) if np.isnan(optimal).any() else optimal)


def _record(
    run: Any, grid: NDArray[np.float64], solver: str | Callable[..., Any], tolerance: float, most: int,
    costs: NDArray[np.float64], contexts: NDArray[np.float64], optimal: NDArray[np.float64],
) -> None:  # fmt: skip
    solve = SOLVERS[solver] if isinstance(solver, str) else solver
    for t in range(len(costs)):
        system, best, x = run.next(), math.inf, None
        contexts[t] = system.context
        for i, omega in enumerate(grid):
            found = solve(system.A, system.b, system.x0, float(omega), tolerance, most)
            costs[t, i] = found.iterations if found.converged else most
            if costs[t, i] < best or x is None:
                best, x = costs[t, i], found.x
        if solver == "sor" and system.radius is not None:
            found = solve(system.A, system.b, system.x0, optimal_omega(system.radius), tolerance, most)
            optimal[t] = found.iterations if found.converged else most
        run.advance(x)


@lru_cache(maxsize=32)
def _grid_recorder(start: Any, advance: Any, solve: Any) -> Callable[..., Any]:
    """The loop for a sequence on a grid and a solver."""

    @njit(nogil=True)
    def record(params, grid, youngs, tolerance, most, costs, contexts, optimal, rng):
        state = start(params, rng)
        b, x, numbers = state.b, state.x, state.numbers
        r, first, best, norms = np.zeros(b.shape), np.zeros(x.shape), np.zeros(x.shape), np.zeros(1)
        for t in range(costs.shape[0]):
            advance(state, t + 1, rng)
            contexts[t] = numbers[2]
            first[:, :] = x
            least = math.inf
            for i in range(grid.size):
                x[:, :] = first
                k, status = solve(b, x, r, numbers[0], numbers[1], grid[i], tolerance, most, norms)
                costs[t, i] = k if status == 0 else most
                if costs[t, i] < least:
                    least = costs[t, i]
                    best[:, :] = x
            if youngs:
                x[:, :] = first
                radius = numbers[3]
                omega = 2.0 / (1.0 + math.sqrt((1.0 - radius) * (1.0 + radius)))
                k, status = solve(b, x, r, numbers[0], numbers[1], omega, tolerance, most, norms)
                optimal[t] = k if status == 0 else most
            x[:, :] = best

    return record
