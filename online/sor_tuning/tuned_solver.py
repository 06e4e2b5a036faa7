"""A solver that learns its own configuration from the systems that it is given, one after the other."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from algos.contracts import check_generator, whole_number
from algos.linear_solvers import SOLVERS, LinearSolution, check_grid
from algos.linear_solvers.system import check_tolerance
from bandits import Policy, StepwisePolicy, TsallisINF

__all__ = ["SolveFailedError", "SolveRecord", "TunedSolver"]

_PATIENCE = 10  # times the cap that the fallback may take

Configuration = Callable[[Any, Any, Any, float, int], LinearSolution]


class SolveFailedError(ArithmeticError):
    """Neither the choice, nor the fallback, nor a direct solver met the tolerance."""


class SolveRecord(NamedTuple):
    """What happened to one system."""

    round: int
    """1, 2, ..."""
    context: float
    """NaN where none was given."""
    choice: str
    """Name of the configuration."""
    iterations: int
    """Those of the choice."""
    cost: float
    """What the learner was charged, the fallback included."""
    finished_by: str
    """Name of the configuration that met the tolerance: the choice, the fallback, or "direct"."""


class TunedSolver:
    """Solves the systems of your own code, and learns which configuration to use.

    Parameters
    ----------
    solver : str or callable
        A solver of `algos.linear_solvers` by its name, or a function
        ``(A, b, x0, omega, tolerance, max_iterations) -> LinearSolution``.
    grid : array of float in (0, 2), increasing
        The relaxations to choose from; 1.0, 1.1, ..., 1.9 when omitted.
    learner : Policy, optional
        Any policy of `bandits`; Tsallis-INF with reduced variance and a running scale when omitted. One that has a
        range of contexts makes every solve need a context.
    rng : numpy.random.Generator
        The learner's random stream.
    configurations : mapping of str to callable, optional
        In place of `solver` and `grid`: functions ``(A, b, x0, tolerance, max_iterations) -> LinearSolution`` by name;
        say `cg`, `jacobi_pcg`, `ic_pcg`, `amg_pcg`, or ``functools.partial`` of any solver.
    tolerance : float in (0, 1)
        Relative. Solutions that miss it are not returned.
    max_iterations : int >= 1
        Cap for the choice; the fallback may take ten times as many.
    cost : {"iterations", "seconds"} or callable
        What is to be small. Iterations of different configurations do not compare: count seconds then, or give a
        function ``(solution, seconds) -> float``, say of flops. Where time counts, each configuration solves its first
        system twice, and the first time, which may include compilation, does not count.
    fallback : str, optional
        The configuration that goes on where the choice misses the tolerance; the one with the least mean cost so far
        when omitted, and at the beginning the first.
    abandon : float > 1, optional
        Give up a choice that needs more than so many times the iterations of the best one on average, and let the
        fallback go on from where it is. The learner is charged for both.
    horizon : int >= 1
        Systems expected, for learners that are tuned to it.

    Examples
    --------
    >>> from algos.linear_solvers import Stencil
    >>> solver = TunedSolver("ssor_pcg", rng=np.random.default_rng(0))
    >>> for step in range(20):
    ...     found = solver.solve(Stencil((20, 20), 4.0 + 0.01 * step), np.ones(400))
    >>> found.converged, solver.log[-1].round, sum(solver.means["count"])
    (True, 20, 20)
    """

    def __init__(
        self,
        solver: str | Callable[..., LinearSolution] = "ssor_pcg",
        grid: ArrayLike | None = None,
        learner: Policy | None = None,
        *,
        rng: np.random.Generator,
        configurations: Mapping[str, Configuration] | None = None,
        tolerance: float = 1e-8,
        max_iterations: int = 10_000,
        cost: str | Callable[[LinearSolution, float], float] = "iterations",
        fallback: str | None = None,
        abandon: float | None = None,
        horizon: int = 1,
    ) -> None:
        if configurations is None:
            self._choices = _relaxations(solver, np.linspace(1.0, 1.9, 10) if grid is None else check_grid(grid))
        elif grid is not None or not configurations:
            raise ValueError("configurations: give at least one, and no grid beside them")
        else:
            self._choices = dict(configurations)
        self.names = tuple(self._choices)
        self.tolerance = check_tolerance(tolerance)
        self.max_iterations = whole_number(max_iterations, "max_iterations", 1)
        if not (callable(cost) or cost in ("iterations", "seconds")):
            raise ValueError(f"cost: {cost!r} is neither 'iterations', nor 'seconds', nor a function")
        if fallback is not None and fallback not in self._choices:
            raise ValueError(f"fallback: {fallback!r} is not one of {', '.join(self.names)}")
        if abandon is not None and not 1 < abandon < math.inf:
            raise ValueError(f"abandon: {abandon!r} is not a finite number > 1")
        self.cost, self.fallback, self.abandon = cost, fallback, abandon
        policy = TsallisINF("reduced variance", scale="running mean") if learner is None else learner
        if policy.unit_rewards():
            raise ValueError(f"learner: {type(policy).__name__} needs rewards in [0, 1]; costs have no known range")
        self._play = StepwisePolicy(policy, len(self.names), check_generator(rng, "TunedSolver"), horizon=horizon)
        self._counts, self._costs, self._iterations = (np.zeros(len(self.names)) for _ in range(3))
        self._warm: set[str] = set()
        self.log: list[SolveRecord] = []

    @property
    def means(self) -> dict[str, list[Any]]:
        """Name, number of solves, and mean cost of each configuration; NaN where it was never chosen."""
        with np.errstate(invalid="ignore"):
            mean = self._costs / self._counts
        return {"name": list(self.names), "count": self._counts.astype(int).tolist(), "cost": mean.tolist()}

    def solve(self, A: Any, b: ArrayLike, x0: ArrayLike | None = None, context: float | None = None) -> LinearSolution:
        """Solve A x = b by the configuration that the learner chooses.

        Parameters
        ----------
        A : sparse or dense matrix, or `Stencil`, shape (n, n)
            As the configurations want it.
        b, x0 : float array, shape (n,)
            Right-hand side and start.
        context : float, optional
            A number known beforehand that says how hard the system is: a shift, a time step.

        Returns
        -------
        LinearSolution
            Converged. ``iterations`` are those of all attempts together.

        Raises
        ------
        ValueError
            For a bad system or context; the learner learns nothing from it.
        SolveFailedError
            When nothing meets the tolerance, or the system has no finite solution.
        """
        arm = self._play.select(context)
        name = self.names[arm]
        try:
            found, cost, finished_by, first = self._attempt(arm, A, b, x0)
        except BaseException:
            self._play.discard()
            raise
        self._play.update(1.0 - max(cost - (1.0 if self.cost == "iterations" else 0.0), 0.0))
        self._counts[arm] += 1
        self._costs[arm] += cost
        self._iterations[arm] += first
        shown = math.nan if context is None else float(context)
        self.log.append(SolveRecord(self._play.rounds, shown, name, first, cost, finished_by))
        return found

    def to_json(self) -> str:
        """What has been learnt, the random stream included, to go on from in another process."""
        return json.dumps(
            {
                "names": self.names,
                "learner": json.loads(self._play.to_json()),
                "counts": self._counts.tolist(),
                "costs": self._costs.tolist(),
                "iterations": self._iterations.tolist(),
            }
        )

    def load_json(self, text: str) -> None:
        """Take over what `to_json` wrote for the same configurations and learner.

        Raises
        ------
        ValueError
            When it is something else; nothing is changed then.
        """
        try:
            saved = json.loads(text)
            if tuple(saved["names"]) != self.names:
                raise ValueError("the configurations have other names")
            parts = [np.array(saved[key], dtype=np.float64) for key in ("counts", "costs", "iterations")]
            if any(part.shape != (len(self.names),) for part in parts):
                raise ValueError("the configurations are of another number")
            self._play.load_json(json.dumps(saved["learner"]))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"load_json: no state of this solver: {error}") from None
        self._counts, self._costs, self._iterations = parts

    def _attempt(self, arm: int, A: Any, b: ArrayLike, x0: ArrayLike | None) -> tuple[LinearSolution, float, str, int]:
        """The solution, its cost, which configuration met the tolerance, and the iterations of the choice."""
        limit = self.max_iterations
        tried = self._counts > 0
        if self.abandon is not None and tried.any():
            best = (self._iterations[tried] / self._counts[tried]).min()
            limit = min(limit, math.ceil(self.abandon * max(best, 1.0)))
        found, cost = self._timed(self.names[arm], A, b, x0, limit)
        first = found.iterations
        if found.converged:
            return found, cost, self.names[arm], first
        second = self._fallback()
        start = found.x if np.isfinite(found.x).all() and found.relative_residual < 1 else x0
        again, more = self._timed(second, A, b, start, _PATIENCE * self.max_iterations)
        total, cost = first + again.iterations, cost + more
        if again.converged:  # relative to b, or to a residual that is not above that at the start
            return replace(again, iterations=total), cost, second, first
        x = _direct(A, b)
        left, reference = _residual(A, b, x), _residual(A, b, None)
        if not left <= self.tolerance * reference:
            raise SolveFailedError(
                f"tolerance {self.tolerance:g}: {self.names[arm]} ended {found.status}, {second} ended {again.status}, "
                f"and a direct solver leaves a relative residual of {left / reference if reference else left:g}"
            )
        share = left / reference if reference else 0.0
        return LinearSolution(x, total, True, "converged", share), cost, "direct", first

    def _fallback(self) -> str:
        if self.fallback is not None:
            return self.fallback
        tried = self._counts > 0
        if not tried.any():
            return self.names[0]
        mean = np.where(tried, self._costs / np.maximum(self._counts, 1), math.inf)
        return self.names[int(mean.argmin())]

    def _timed(self, name: str, A: Any, b: ArrayLike, x0: ArrayLike | None, limit: int) -> tuple[LinearSolution, float]:
        if self.cost != "iterations" and name not in self._warm:
            self._choices[name](A, b, x0, self.tolerance, limit)  # the first call of compiled code takes longer
            self._warm.add(name)
        begun = time.perf_counter()
        found = self._choices[name](A, b, x0, self.tolerance, limit)
        seconds = time.perf_counter() - begun
        if self.cost == "iterations":
            return found, float(found.iterations)
        cost = seconds if self.cost == "seconds" else self.cost(found, seconds)  # type: ignore[operator]
        if not (isinstance(cost, int | float | np.floating) and 0 <= cost < math.inf):
            raise ValueError(f"cost: returned {cost!r}, not a finite number >= 0")
        return found, float(cost)


def _relaxations(solver: str | Callable[..., LinearSolution], grid: Any) -> dict[str, Configuration]:
    if isinstance(solver, str) and solver not in SOLVERS:
        raise ValueError(f"solver: {solver!r} is not a function or one of {', '.join(sorted(SOLVERS))}")
    solve = SOLVERS[solver] if isinstance(solver, str) else solver
    label = solver if isinstance(solver, str) else getattr(solver, "__name__", "solver")

    def with_omega(omega: float) -> Configuration:
        return lambda A, b, x0, tolerance, limit: solve(A, b, x0, omega, tolerance, limit)

    return {f"{label} {omega:.6g}": with_omega(float(omega)) for omega in grid}


def _residual(A: Any, b: ArrayLike, x: ArrayLike | None) -> float:
    matrix = A.tocsr() if hasattr(A, "tocsr") else np.asarray(A, dtype=np.float64)
    right = np.asarray(b, dtype=np.float64)
    return float(np.linalg.norm(right if x is None else right - matrix @ np.asarray(x, dtype=np.float64)))


def _direct(A: Any, b: ArrayLike) -> Any:
    from scipy import sparse
    from scipy.sparse.linalg import splu

    matrix = A.tocsr() if hasattr(A, "tocsr") else sparse.csr_matrix(np.asarray(A, dtype=np.float64))
    try:
        return splu(matrix.tocsc()).solve(np.asarray(b, dtype=np.float64))
    except RuntimeError as singular:
        raise SolveFailedError(f"A: a direct solver fails as well: {singular}") from None
