"""Learners that choose the relaxation of a solver, one linear system after the other.

The cost of a choice is the number of iterations k of the solver; the learner gets the reward 1 - max(k - 1, 0) / scale.
On grids, and on recorded costs, the whole run is one compiled loop.

Source: M. Khodak, E. Chow, M.-F. Balcan, A. Talwalkar, "Learning to Relax: Setting Solver Parameters Across a Sequence
of Linear System Instances", arXiv:2310.02246, Algorithms 2, 3, 5 and 7. That arms may stand for spectral radii instead
of relaxations is ours.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PlainSerializer, PlainValidator, field_validator

from algos.contracts import (
    Count,
    Trajectory,
    check_generator,
    checkpoint_rounds,
    description,
    read_only,
    whole_number,
)
from algos.kernels import compiled as as_compiled
from algos.kernels import interpreted as as_interpreted
from algos.linear_solvers import GRID_SOLVERS, SOLVERS, check_grid
from bandits import Policy

__all__ = ["SolverTuning"]

Grid = Annotated[
    NDArray[np.float64],
    PlainValidator(lambda value: read_only(check_grid(value))),
    PlainSerializer(lambda grid: grid.tolist()),
]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]

_LARGEST_RADIUS = 1 - 1e-4  # no relaxation is optimal for a radius of 1


class _Choices(NamedTuple):
    grid: np.ndarray  # (d,) float64
    sigmas: np.ndarray  # (d,) float64, the radii of L + L^T that arms stand for; empty where they stand for omega
    diagonal: float  # of the matrix without its shift
    tolerance: float
    most: int


@description
class SolverTuning:
    """A bandit policy that tunes a solver to the systems that come.

    Parameters
    ----------
    learner : Policy
        Any policy of `bandits`. Those that follow the size of losses by themselves (`TsallisINF(scale="running mean")`,
        `ChebCB`) need no `cost_scale`.
    grid : array of float in (0, 2), increasing, shape (d,)
        The relaxations to choose from.
    solver : str or callable
        "sor", "ssor", "ssor_pcg", or another solver of `algos.linear_solvers`; or a function
        ``(A, b, x0, omega, tolerance, max_iterations) -> LinearSolution``.
    tolerance : float in (0, 1)
        Relative, as the solver takes it.
    max_iterations : int >= 1
        Cap, which is also the cost of a solve that fails.
    cost_scale : float > 0
        Losses are divided by it. Where the learner needs rewards in [0, 1] they are cut there.
    shifted_diagonal : float > 0, optional
        The diagonal d0 of matrices A + c I that differ by the shift c, their context, alone. Arm i then stands for the
        spectral radius sigma_i of L + L^T for which grid[i] is optimal at c = 0, and plays what is optimal at c:
        Young's relaxation for sigma_i / (d0 + c). One number is right for all shifts.

    Notes
    -----
    Metric ``iterations`` is the sum of the costs. On recorded costs there are also ``regret``, against the best fixed
    choice up to the checkpoint, ``optimal_regret``, against the instance-optimal choice, and, where upper bounds are
    recorded, ``surrogate_regret``, against the best fixed choice by these bounds. Outcome ``pulls`` (int64, shape
    (d,)), ``iterations``, ``failed`` (solves that did not converge), and what the learner says of itself.

    Examples
    --------
    >>> from bandits import TsallisINF
    >>> from simulators import ShiftedLaplacian2D
    >>> tuning = SolverTuning(TsallisINF(scale="running mean"), np.linspace(1, 1.95, 20))
    >>> run = tuning.run(ShiftedLaplacian2D(), horizon=2000, rng=np.random.default_rng(0))
    >>> bool(run.outcome["iterations"] < 2000 * 110)  # omega = 1.4 needs 110 each
    True
    """

    learner: Policy
    grid: Grid
    solver: str | Callable[..., Any] = "sor"
    tolerance: Annotated[float, Field(gt=0.0, lt=1.0)] = 1e-8
    max_iterations: Count = 10_000
    cost_scale: Positive = 1.0
    shifted_diagonal: Positive | None = Field(default=None, kw_only=True)

    @field_validator("solver")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in SOLVERS:
            raise ValueError(f"must be a function or one of {', '.join(sorted(SOLVERS))}")
        return value

    def run(
        self,
        systems: Any,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
        trace: bool = False,
        compiled: bool = True,
    ) -> Trajectory:
        """Solve the first `horizon` systems of a sequence.

        Parameters
        ----------
        systems : LinearSystems or RecordedCosts
            The sequence, or its costs; those must have a column for each relaxation of the grid.
        horizon : int >= 1
            Systems to solve.
        rng : numpy.random.Generator
            The learner's random stream.
        world : numpy.random.Generator, optional
            The stream of the sequence; `rng` when omitted.
        checkpoints : array of int, optional
            Rounds at which metrics are recorded; at most 200 logarithmically spaced ones when omitted.
        trace : bool
            True adds ``choices`` (int64) and ``costs`` (float64), shape (horizon,), to the outcome.
        compiled : bool
            False interprets all functions: slow, same bits.
        """
        rounds = checkpoint_rounds(whole_number(horizon, "horizon", 1), checkpoints)
        own = check_generator(rng, "SolverTuning")
        nature = own if world is None else check_generator(world, "world")
        limited = getattr(systems, "n_systems", None)
        if limited is not None and horizon > limited:
            raise ValueError(f"horizon: {horizon} is more than the {limited} systems of the sequence")
        form = as_compiled if compiled else as_interpreted
        kernels = self.learner.kernels().in_form(form)
        arms = _Arms(self.grid.size)
        try:
            params = self.learner.parameters_for(arms, int(horizon))
        except AttributeError as missing:
            name = type(self.learner).__name__
            raise ValueError(f"learner: {name} needs to know more of the choices ({missing})") from None
        functions, world_params, loop = self._world(systems, form)
        scale, most = self.cost_scale, 1.0 if self.learner.unit_rewards() else math.inf
        choices, costs = np.empty(int(horizon), dtype=np.int64), np.empty(int(horizon))
        failed, summary = loop(
            kernels.init, kernels.select, kernels.update, kernels.observe, kernels.summary, params, *functions,
            world_params, self.grid.size, scale, most, choices, costs, own, nature,
        )  # fmt: skip
        metrics = {"iterations": np.cumsum(costs)[rounds - 1]}
        if hasattr(systems, "costs"):
            metrics |= _regrets(systems, metrics["iterations"], rounds)
        outcome: dict[str, Any] = {
            "pulls": np.bincount(choices, minlength=self.grid.size),
            "iterations": float(costs.sum()),
            "failed": int(failed),
        }
        if trace:
            outcome |= {"choices": choices, "costs": costs}
        if summary is not None:
            outcome |= summary._asdict()
        if outcome.get("clipped_contexts", 0):
            warnings.warn(
                f"{outcome['clipped_contexts']} of {horizon} contexts were outside the learner's range",
                RuntimeWarning,
                stacklevel=2,
            )
        return Trajectory(rounds, metrics, outcome)

    def relaxation(self, choice: int, context: float) -> float:
        """The relaxation that an arm plays on a system with this context."""
        return float(_relaxation(self._choices(), whole_number(choice, "choice", 0), float(context)))

    def _choices(self) -> _Choices:
        base = self.shifted_diagonal
        sigmas = np.empty(0) if base is None else base * _radius_of(np.maximum(self.grid, 1.0))
        return _Choices(self.grid, sigmas, base or 1.0, self.tolerance, self.max_iterations)

    def _world(self, systems: Any, form: Callable[..., Any]) -> tuple[tuple[Any, ...], Any, Callable[..., Any]]:
        """The functions start, advance, context and cost; what they get; and the loop that plays against them."""
        if hasattr(systems, "costs"):
            costs = np.asarray(systems.costs)
            if costs.shape[1] != self.grid.size:
                raise ValueError(f"systems: costs of {costs.shape[1]} choices, but the grid has {self.grid.size}")
            contexts = getattr(systems, "contexts", None)
            params = (
                costs,
                np.zeros(len(costs)) if contexts is None else np.asarray(contexts),
                float(self.max_iterations),
            )
            kernels = tuple(form(kernel) for kernel in (_open_table, _next_row, _row_context, _row_cost))
            return kernels, params, form(_tune)
        if hasattr(systems, "grid_kernels") and isinstance(self.solver, str) and self.solver in GRID_SOLVERS:
            functions = systems.grid_kernels().in_form(form)
            world = _grid_world(*functions, form(GRID_SOLVERS[self.solver]), form(_relaxation), form)
            return world, (systems.grid_parameters(), self._choices()), form(_tune)
        solve = SOLVERS[self.solver] if isinstance(self.solver, str) else self.solver
        return _LiveSystems(systems, solve, self._choices()).functions(), None, _tune.py_func


class _Arms:
    """What learners are told of the choices: how many there are, and that contexts are shown."""

    def __init__(self, n_arms: int) -> None:
        self.n_arms = n_arms


def _radius_of(omega: NDArray[np.float64]) -> NDArray[np.float64]:
    """The radius of Jacobi's method for which a relaxation is optimal."""
    return np.asarray(2 * np.sqrt(omega - 1) / omega)


def _regrets(recorded: Any, spent: NDArray[np.float64], rounds: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    fixed = np.cumsum(recorded.costs[: rounds[-1]], axis=0)[rounds - 1].min(axis=1)
    found = {"regret": spent - fixed, "optimal_regret": spent - np.cumsum(recorded.least[: rounds[-1]])[rounds - 1]}
    if recorded.surrogates is not None:
        bounds = np.cumsum(recorded.surrogates[: rounds[-1]], axis=0)[rounds - 1].min(axis=1)
        found["surrogate_regret"] = spent - bounds
    return found


class _LiveSystems:
    """Any sequence of systems, as the four functions that the interpreted loop calls."""

    def __init__(self, systems: Any, solve: Callable[..., Any], choices: _Choices) -> None:
        self._systems, self._solve, self._choices = systems, solve, choices

    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Start, advance, context and cost."""
        return self._start, self._advance, self._context, self._cost

    def _start(self, params: Any, rng: np.random.Generator) -> _LiveSystems:
        self._run = self._systems.start(rng)
        self._x: NDArray[np.float64] | None = None
        return self

    def _advance(self, world: Any, t: int, rng: np.random.Generator) -> None:
        if self._x is not None:
            self._run.advance(self._x)
        self._system = self._run.next()

    def _context(self, world: Any) -> NDArray[np.float64]:
        return np.array([float(self._system.context)])

    def _cost(self, world: Any, arm: int) -> tuple[float, bool]:
        system, choices = self._system, self._choices
        omega = float(_relaxation(choices, arm, float(system.context)))
        found = self._solve(system.A, system.b, system.x0, omega, choices.tolerance, choices.most)
        self._x = found.x
        return float(found.iterations if found.converged else choices.most), not found.converged


class _TableState(NamedTuple):
    costs: np.ndarray  # (T, d) float64
    contexts: np.ndarray  # (T,) float64
    context: np.ndarray  # (1,) float64
    row: np.ndarray  # (1,) int64
    most: float


class _GridState(NamedTuple):
    systems: Any  # state of the sequence
    choices: _Choices
    residual: np.ndarray  # (rows, columns) float64
    context: np.ndarray  # (1,) float64
    norms: np.ndarray  # (1,) float64


@lru_cache(maxsize=64)
def _grid_world(
    start: Any, advance: Any, solve: Any, relaxation: Any, form: Callable[..., Any]
) -> tuple[Callable[..., Any], ...]:
    """Start, advance, context and cost of a sequence on a grid with a solver; the same for the same."""

    def begin(params, rng):
        state = start(params[0], rng)
        return _GridState(state, params[1], np.zeros(state.b.shape), np.zeros(1), np.zeros(1))

    def following(world, t, rng):
        advance(world.systems, t, rng)
        world.context[0] = world.systems.numbers[2]

    def context(world):
        return world.context

    def cost(world, arm):
        systems, choices = world.systems, world.choices
        omega = relaxation(choices, arm, world.context[0])
        k, status = solve(
            systems.b, systems.x, world.residual, systems.numbers[0], systems.numbers[1], omega,
            choices.tolerance, choices.most, world.norms,
        )  # fmt: skip
        return float(k if status == 0 else choices.most), status != 0

    return tuple(form(function) for function in (begin, following, context, cost))


@njit(cache=True, error_model="numpy")
def _relaxation(choices, arm, context):
    if choices.sigmas.size == 0:
        return choices.grid[arm]
    radius = min(choices.sigmas[arm] / (choices.diagonal + context), _LARGEST_RADIUS)
    return 2.0 / (1.0 + math.sqrt((1.0 - radius) * (1.0 + radius)))


@njit(cache=True)
def _open_table(params, rng):
    return _TableState(params[0], params[1], np.zeros(1), np.zeros(1, np.int64), params[2])


@njit(cache=True)
def _next_row(world, t, rng):
    world.row[0] = t - 1
    world.context[0] = world.contexts[t - 1]


@njit(cache=True)
def _row_context(world):
    return world.context


@njit(cache=True)
def _row_cost(world, arm):
    cost = world.costs[world.row[0], arm]
    return cost, cost >= world.most


@njit(nogil=True)
def _tune(
    init, select, update, observe, summary, params, start, advance, context, cost, world_params,
    n_arms, scale, most, choices, costs, rng, world
):  # fmt: skip
    """Play all rounds, writing choices and costs: how many solves failed, and what the learner says of itself."""
    state = init(n_arms, params)
    nature = start(world_params, world)
    failed = 0
    for t in range(1, choices.size + 1):
        advance(nature, t, world)
        if observe is not None:
            observe(state, params, t, context(nature))
        arm = select(state, params, t, rng)
        if arm < 0 or arm >= n_arms:
            raise ValueError("select: returned a choice outside the grid")
        spent, bad = cost(nature, arm)
        failed += bad
        update(state, params, t, arm, 1.0 - min(max(spent - 1.0, 0.0) / scale, most))
        choices[t - 1], costs[t - 1] = arm, spent
    return failed, None if summary is None else summary(state)
