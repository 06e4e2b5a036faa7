"""What all bilevel methods share: the run from checkpoint to checkpoint, its metrics, its status, and how it goes on.

A method gives a loop over outer steps, written once for compiled kernels and for callbacks, and the arrays of its
state; this module drives it.
"""

from __future__ import annotations

import math
import time
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algos.bilevel_oracles import WHOLE, BilevelProblem
from algos.contracts import Trajectory, check_generator, checkpoint_rounds, realize, whole_number
from optimization.bilevel.oracles import ANY_SAMPLE, Oracles, check_point, oracles_of

__all__ = [
    "CONVERGED",
    "DIVERGED",
    "GOES_ON",
    "INDEFINITE",
    "ORACLE_ERROR",
    "Positive",
    "State",
    "copy_into",
    "draw",
    "drive",
    "finite",
    "new_state",
    "norm",
]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
GOES_ON, CONVERGED, DIVERGED, ORACLE_ERROR, INDEFINITE = range(5)
_STATUS = {
    CONVERGED: "converged",
    DIVERGED: "diverged",
    ORACLE_ERROR: "oracle_error",
    INDEFINITE: "indefinite_lower_hessian",
}
_CHUNK = 8192  # outer steps between two looks, so that schedules need no more memory
_TOO_FAR = 1e100  # beyond it squares leave the numbers


class State(NamedTuple):
    """Where a run stands. A loop writes it in place at the end of a whole outer step, and not otherwise."""

    x: np.ndarray  # (dx,)
    lower: np.ndarray  # (m, dy): lower iterates of the method, the first of which is its answer y
    memory: np.ndarray  # any float64 shape (r, c): estimators, averages
    direction: np.ndarray  # (dx,): of the last outer step
    best: np.ndarray  # (dx,): x of the smallest measured direction
    random: np.ndarray  # (dx,): an x drawn with probability proportional to the upper step
    numbers: (
        np.ndarray
    )  # (6,): smallest direction, sum of upper steps, last direction's size, capped inner loops, 2 free
    calls: np.ndarray  # (5,) int64: gradients of f, gradients of g, products, projections on X, on Y


def new_state(x: NDArray[np.float64], lower: list[NDArray[np.float64]], memory: NDArray[np.float64]) -> State:
    """A state whose lower iterates are these.

    Parameters
    ----------
    x : float, shape (dx,)
    lower : list of float, shape (dy,)
    memory : float, shape (r, c)
    """
    numbers = np.zeros(6)
    numbers[0] = math.inf
    return State(
        x.copy(), np.array(lower), memory, np.zeros_like(x), x.copy(), x.copy(), numbers, np.zeros(5, dtype=np.int64)
    )


def drive(
    method: Any,
    problem: BilevelProblem,
    horizon: int,
    rng: np.random.Generator,
    *,
    start: tuple[ArrayLike, ArrayLike] | None,
    state: NDArray[np.float64] | None,
    checkpoints: ArrayLike | None,
    tolerance: float | None,
    trace: bool,
    world: np.random.Generator | None,
) -> Trajectory:
    """Run a method; see `PenaltyDoubleLoop.run`.

    Parameters
    ----------
    method : bilevel method
    problem : BilevelProblem
    horizon : int >= 0
    rng : numpy.random.Generator
    start, state, checkpoints, tolerance, trace, world
    """
    own = check_generator(rng, type(method).__name__)
    given = realize(problem, own if world is None else world)
    steps = whole_number(horizon, "horizon", 0)
    limit = _tolerance(tolerance)
    oracles = oracles_of(given)
    constants = method.prepare(oracles, given)
    x, y, moved = _start(given, oracles, start)
    now = method.state(oracles, x, y)
    done = 0
    if state is not None:
        if start is not None:
            raise ValueError("start, state: a run begins at one or goes on from the other")
        done = _restore(now, state)
        moved = False
    loop = oracles.loop(method.loop())
    samples = np.int64(ANY_SAMPLE if method.stochastic else WHOLE)
    marks = checkpoint_rounds(steps, checkpoints)
    measure = _Measures(given, oracles)
    spent, code, c, at = 0.0, GOES_ON, 0, 0
    kept: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    while c < marks.size and code == GOES_ON:
        wanted = min(int(marks[c]) - at, _CHUNK)
        arrays = method.schedules(constants, done, done + wanted)
        began = time.perf_counter()
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a status says it
            made, code = loop(oracles.kernels, arrays, wanted, now, samples, limit, own)
        spent += time.perf_counter() - began
        at, done = at + int(made), done + int(made)
        if at == marks[c] or (code != GOES_ON and made):
            measure(at, now, method.penalty(constants, done - 1), spent)
            if trace:
                kept.append((now.x.copy(), now.direction.copy()))
            if at == marks[c]:
                c += 1
    return _trajectory(method, measure, now, done, code, moved, kept if trace else None)


class _Measures:
    """Metrics at checkpoints: computed in Python from the exact oracles, beside the run."""

    def __init__(self, problem: Any, oracles: Oracles) -> None:
        self._problem, self._oracles = problem, oracles
        self._knows = {name: _knows(problem, name) for name in ("value_gradient", "penalty_gradient", "lower_solution")}
        self.of = (
            "psi" if self._knows["value_gradient"] else "psi_s" if self._knows["penalty_gradient"] else "surrogate"
        )
        self.rounds: list[int] = []
        self.metrics: dict[str, list[float]] = {
            name: [] for name in ("gradient_norm", "upper", "lower_gap", "oracle_calls", "seconds")
        }

    def __call__(self, at: int, state: State, sigma: float, seconds: float) -> None:
        problem, x, y = self._problem, state.x, state.lower[0]
        gradient = state.numbers[2]
        if self.of != "surrogate":
            exact = problem.value_gradient(x) if self.of == "psi" else problem.penalty_gradient(x, sigma)
            moved = x - np.asarray(exact, dtype=np.float64)
            self._oracles.kernels.project_upper(self._oracles.kernels.data, moved)
            gradient = float(np.linalg.norm(x - moved))
        gap = math.nan
        if self._knows["lower_solution"]:
            gap = float(problem.lower(x, y)) - float(problem.lower(x, problem.lower_solution(x, 0.0)))
        if self.rounds and self.rounds[-1] == at:
            return
        self.rounds.append(at)
        values = (gradient, float(problem.upper(x, y)), gap, float(state.calls[:3].sum()), seconds)
        for name, value in zip(self.metrics, values, strict=True):
            self.metrics[name].append(value)


def _knows(problem: Any, name: str) -> bool:
    ask = getattr(problem, name, None)
    if ask is None:
        return False
    x = np.asarray(problem.start[0]) if hasattr(problem, "start") else np.zeros(problem.upper_dimension)
    try:
        ask(x, 1e-3) if name == "penalty_gradient" else ask(x)
    except (NotImplementedError, ValueError):
        return False
    return True


def _trajectory(
    method: Any,
    measure: _Measures,
    state: State,
    done: int,
    code: int,
    moved: bool,
    kept: list[tuple[NDArray[np.float64], NDArray[np.float64]]] | None,
) -> Trajectory:
    status = _STATUS.get(code, "max_iter")
    if status == "max_iter" and done and state.numbers[3] > 0.5 * done:
        status = "inner_stalled"
    calls = dict(zip(("upper_gradients", "lower_gradients", "products", "upper_projections", "lower_projections"),
                     state.calls.tolist(), strict=True))  # fmt: skip
    followed = {}
    if kept is not None:
        followed = {"iterates": np.array([x for x, _ in kept]), "directions": np.array([d for _, d in kept])}
    return Trajectory(
        np.array(measure.rounds, dtype=np.int64),
        {name: np.array(values) for name, values in measure.metrics.items()},
        {
            **followed,
            "iterate": state.x.copy(),
            "lower": state.lower[0].copy(),
            "best": state.best.copy(),
            "random": state.random.copy(),
            "gradient_norm_of": measure.of,
            "steps": done,
            "start_projected": moved,
            "status": status,
            "state": _packed(state, done),
            **calls,
        },
    )


def _start(
    problem: Any, oracles: Oracles, start: tuple[ArrayLike, ArrayLike] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """x0 and y0 in X and Y, and whether they had to be projected."""
    dx, dy = oracles.upper_dimension, oracles.lower_dimension
    if start is None:
        start = problem.start if hasattr(problem, "start") else (np.zeros(dx), np.zeros(dy))
    x, y = check_point(start[0], dx, "start: x0"), check_point(start[1], dy, "start: y0")
    given = x.copy(), y.copy()
    oracles.kernels.project_upper(oracles.kernels.data, x)
    oracles.kernels.project_lower(oracles.kernels.data, y)
    return x, y, not (np.array_equal(x, given[0]) and np.array_equal(y, given[1]))


def _tolerance(tolerance: float | None) -> float:
    if tolerance is None:
        return -1.0  # a mapping of 0 ends nothing: at the border of X it is seen while lower iterates still move
    if not 0.0 < tolerance < math.inf:
        raise ValueError(f"tolerance: {tolerance!r} is not a finite number > 0")
    return float(tolerance)


def _packed(state: State, done: int) -> NDArray[np.float64]:
    parts = [np.asarray(part, dtype=np.float64).ravel() for part in state]
    return np.concatenate([np.array([float(done)]), *parts])


def _restore(state: State, saved: NDArray[np.float64]) -> int:
    """Put a saved state in place; how many outer steps it had made."""
    values = np.asarray(saved, dtype=np.float64)
    size = 1 + sum(part.size for part in state)
    if values.shape != (size,):
        raise ValueError(f"state: shape {values.shape} is not ({size},); it is of another method or problem")
    place = 1
    for part in state:
        part[...] = values[place : place + part.size].reshape(part.shape)
        place += part.size
    return int(values[0])


@register_jitable
def draw(samples, rng):
    """The number of a sample; `WHOLE` where there are none."""
    return int(rng.random() * samples) if samples > 0 else WHOLE


@register_jitable
def finite(vector):
    """Whether all entries are numbers that can still be squared."""
    largest = 0.0
    for i in range(vector.size):
        largest += abs(vector[i])
    return largest < _TOO_FAR  # NaN is not below anything


@register_jitable
def copy_into(source, target):
    """Entry by entry."""
    for i in range(source.size):
        target[i] = source[i]


@register_jitable
def norm(vector):
    """Euclidean."""
    total = 0.0
    for i in range(vector.size):
        total += vector[i] * vector[i]
    return math.sqrt(total)
