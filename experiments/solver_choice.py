"""Which relaxation would have solved a sequence of systems fastest? The experiment behind ``regretlab tune-solver``.

Every system of a folder is solved with every relaxation of a grid; then learners play on the recorded iterations, as if
they had met the systems in the order of their names.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from algos.contracts import whole_number
from algos.linear_solvers import SOLVERS, check_grid
from algos.linear_solvers.system import check_tolerance
from algos.streams import algorithm_stream
from bandits import ChebCB, Policy, TsallisINF, TsallisINFContextual, UniformRandom
from experiments.claims import Claim
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from experiments.plots import draw_bound, in_house_style, line_style, new_figure, plain_numbers
from online.sor_tuning import SolverTuning
from simulators import MatrixMarketFolder, RecordedCosts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SolverChoice"]


class SolverChoice(Experiment):
    """Solve the systems of a folder with every relaxation, and play learners on the costs.

    Parameters
    ----------
    folder : str or Path
        For `MatrixMarketFolder`.
    solver : str
        A solver of `algos.linear_solvers`.
    grid : sequence of float in (0, 2), increasing
        The relaxations.
    tolerance : float in (0, 1)
        Relative.
    max_iterations : int >= 1
        Cap, which is also the cost of a solve that fails.
    repeats : int >= 1
        Runs of each learner.

    Raises
    ------
    ValueError
        When the folder cannot be read, or an argument is out of its range.
    """

    name = "tune_solver"
    question = "Which relaxation would have solved these systems fastest, and what would learning it have cost?"
    source = "arXiv:2310.02246"

    def __init__(
        self,
        folder: str | Path,
        *,
        solver: str = "ssor_pcg",
        grid: Sequence[float] = tuple(np.linspace(1.0, 1.95, 20).round(2).tolist()),
        tolerance: float = 1e-8,
        max_iterations: int = 10_000,
        repeats: int = 10,
    ) -> None:
        if solver not in SOLVERS:
            raise ValueError(f"solver: {solver!r} is not one of {', '.join(sorted(SOLVERS))}")
        self.folder = Path(folder)
        self.systems = MatrixMarketFolder(self.folder)
        self.solver, self.grid = solver, check_grid(grid)
        self.tolerance = check_tolerance(tolerance)
        self.max_iterations = whole_number(max_iterations, "max_iterations", 1)
        self.repeats = whole_number(repeats, "repeats", 1)
        self._costs: dict[int, NDArray[np.float64]] = {}
        self._lock = threading.Lock()

    def parameters(self) -> dict[str, Any]:
        """What rebuilds the experiment."""
        return {
            "folder": str(self.folder.resolve()),
            "fingerprint": self._fingerprint(),
            "solver": self.solver,
            "grid": self.grid.tolist(),
            "tolerance": self.tolerance,
            "max_iterations": self.max_iterations,
            "repeats": self.repeats,
        }

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> SolverChoice:
        """Rebuild an experiment; the folder must hold the same systems."""
        given = {key: value for key, value in parameters.items() if key != "fingerprint"}
        made = cls(**given)
        if made._fingerprint() != parameters["fingerprint"]:
            raise ValueError(f"{given['folder']}: its systems are no longer those that were solved")
        return made

    def command(self) -> list[str]:
        """The words of the command that asks the same, where the folder is."""
        grid = ",".join(f"{omega:g}" for omega in self.grid)
        words = ["regretlab", "tune-solver", self.folder.resolve().name, "--solver", self.solver, "--grid", grid]
        words += ["--tolerance", f"{self.tolerance:g}", "--max-iterations", str(self.max_iterations)]
        return [*words, "--repeats", str(self.repeats)]

    def cells(self, scale: Scale) -> list[Cell]:
        """One for each relaxation, then one for each learner."""
        costs: list[Cell] = [{"part": "costs", "place": place} for place in range(self.grid.size)]
        return costs + [{"part": "learner", "learner": learner} for learner in self._learners()]

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """Solve all systems with one relaxation, or play one learner."""
        import pandas as pd

        if cell["part"] == "costs":
            costs, seconds = self._solve(cell["place"])
            frame = pd.DataFrame({"system": self.systems.names, "omega": self.grid[cell["place"]], "iterations": costs})
            frame.attrs["seconds"] = seconds
            return frame
        for place in range(self.grid.size):
            self._cached(place)
        table = RecordedCosts(np.column_stack([self._costs[i] for i in range(self.grid.size)]), self._contexts())
        tuning = SolverTuning(self._learners()[cell["learner"]], self.grid, max_iterations=self.max_iterations)
        rows: list[dict[str, Any]] = []
        for run in range(self.repeats):
            played = tuning.run(table, table.n_systems, algorithm_stream(seed, cell, run), trace=True)
            rows.append({"kind": "total", "run": run, "iterations": played.outcome["iterations"]})
            if run == 0:
                rows.extend(
                    {"kind": "choice", "run": t, "omega": float(self.grid[choice])}
                    for t, choice in enumerate(played.outcome["choices"].tolist())
                )
        return pd.DataFrame(rows)

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """None: the systems are the user's own."""
        return []

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """Iterations by relaxation, and by learner."""
        table = self._table(results)
        by_omega = [
            [
                f"{omega:g}",
                f"{column.sum():,.0f}",
                f"{column.mean():.1f}",
                f"{int((column >= self.max_iterations).sum())}",
            ]
            for omega, column in zip(self.grid, table.T, strict=True)
        ]
        best, least = table.sum(axis=0).min(), table.min(axis=1).sum()
        by_learner = [
            [name, f"{mean:,.0f} ± {spread:,.0f}", f"{mean / best:.3f}", f"{mean / least:.3f}"]
            for name, mean, spread in self._totals(results)
        ]
        by_learner += [
            ["best fixed omega, in hindsight", f"{best:,.0f}", "1.000", f"{best / least:.3f}"],
            ["best omega of each system", f"{least:,.0f}", f"{least / best:.3f}", "1.000"],
        ]
        size = f"{len(table):,} systems, {self.solver}, tolerance {self.tolerance:g}"
        return [
            NamedTable(f"By relaxation: {size}", ["omega", "iterations", "a system", "failed"], by_omega),
            NamedTable(
                f"By learner, mean of {self.repeats} runs ± standard deviation",
                ["learner", "iterations", "/ best fixed", "/ best of each"],
                by_learner,
            ),
        ]

    def summary(self, results: pd.DataFrame) -> list[str]:
        """The answer."""
        table = self._table(results)
        totals = table.sum(axis=0)
        best = int(totals.argmin())
        learners = self._totals(results)[1:]  # not the one that learns nothing
        name, mean, _ = min(learners, key=lambda learner: learner[1])
        at_one = f", {totals[0] / totals[best]:.2f} times fewer than with {self.grid[0]:g}" if best else ""
        return [
            f"The best fixed relaxation is omega = {self.grid[best]:g}: {totals[best]:,.0f} iterations over "
            f"{len(table):,} systems{at_one}. Knowing the best of each would have taken "
            f"{table.min(axis=1).sum():,.0f}.",
            f"Of the learners {name} would have spent least: {mean:,.0f}, {mean / totals[best]:.2f} times the best "
            "fixed one, without knowing anything before.",
        ]

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """Iterations by relaxation, and what the learners chose."""
        return [self._figure(results)]

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """Which cell is done."""
        if cell["part"] == "costs":
            return f"omega = {self.grid[cell['place']]:g}: {frame['iterations'].sum():,.0f} iterations"
        return f"learner {cell['learner']}"

    @in_house_style
    def _figure(self, results: pd.DataFrame) -> NamedFigure:
        table = self._table(results)
        figure, (left, right) = new_figure(columns=2, width=5.0, height=4.0)
        left.plot(self.grid, table.mean(axis=0), label="one omega for all", color="k", linewidth=1.8)
        ends = [float(self.grid[0]), float(self.grid[-1])]
        draw_bound(left, ends, [table.min(axis=1).mean()] * 2, label="best omega of each", color="0.5")
        for place, (name, mean, _) in enumerate(self._totals(results)):
            left.axhline(mean / len(table), label=name, color=line_style(place)["color"], linewidth=1.2)
        left.set(xlabel=r"relaxation $\omega$", ylabel="iterations a system", yscale="log")
        plain_numbers(left)
        left.legend(fontsize="small")
        rounds = np.arange(1, len(table) + 1)
        for place, name in enumerate(self._learners()):
            mine = results[(results["learner"] == name) & (results["kind"] == "choice")]
            if name != "random":
                chosen = mine.sort_values("run")["omega"].rolling(max(1, len(table) // 20), min_periods=1).mean()
                right.plot(rounds, chosen, label=name, color=line_style(place)["color"])
        right.plot(rounds, self.grid[table.argmin(axis=1)], ".", markersize=2, color="0.5", label="best of each")
        right.set(xlabel="system", ylabel=r"relaxation $\omega$")
        right.legend(fontsize="small", title="chosen, means of 5% of the systems", markerscale=4)
        caption = "Iterations by relaxation and by learner (left); what the learners chose, in their first run (right)."
        return NamedFigure("tune_solver", caption, figure)

    def _learners(self) -> dict[str, Policy]:
        contexts = self._contexts()
        learners: dict[str, Policy] = {
            "random": UniformRandom(),
            "T-INF": TsallisINF("reduced variance", scale="running mean"),
        }
        if np.ptp(contexts) > 0:
            low, high = float(contexts.min()), float(contexts.max())
            learners["T-INF-CB"] = TsallisINFContextual(low, high, 5, "reduced variance", "running mean")
            learners["ChebCB"] = ChebCB(low, high, offset=1.0)
        return learners

    def _contexts(self) -> NDArray[np.float64]:
        return np.array([system.context for system in self.systems.systems])

    def _solve(self, place: int) -> tuple[NDArray[np.float64], float]:
        """Iterations on each system, and CPU seconds for all; the cap where a solve failed."""
        solve, omega = SOLVERS[self.solver], float(self.grid[place])
        first = self.systems.systems[0]
        solve(first.A, first.b, first.x0, omega, self.tolerance, 1)  # compile outside the clock
        costs, begun = np.empty(self.systems.n_systems), time.thread_time()
        for t, system in enumerate(self.systems.systems):
            found = solve(system.A, system.b, system.x0, omega, self.tolerance, self.max_iterations)
            costs[t] = found.iterations if found.converged else self.max_iterations
        seconds = time.thread_time() - begun
        with self._lock:
            self._costs[place] = costs
        return costs, seconds

    def _cached(self, place: int) -> None:
        if place not in self._costs:
            self._solve(place)

    def _table(self, results: pd.DataFrame) -> NDArray[np.float64]:
        """Iterations, shape (systems, relaxations)."""
        costs = results[results["part"] == "costs"]
        return costs["iterations"].to_numpy(np.float64).reshape(self.grid.size, self.systems.n_systems).T

    def _totals(self, results: pd.DataFrame) -> list[tuple[str, float, float]]:
        """Mean and standard deviation of the iterations of each learner."""
        found = []
        for name in self._learners():
            totals = results[(results["learner"] == name) & (results["kind"] == "total")]
            values = totals["iterations"].to_numpy(np.float64)
            found.append((name, float(values.mean()), float(values.std(ddof=1)) if values.size > 1 else 0.0))
        return found

    def _fingerprint(self) -> str:
        known = hashlib.sha256()
        for name, system in zip(self.systems.names, self.systems.systems, strict=True):
            known.update(f"{name} {system.context!r}".encode())
            for part in (system.A.indptr, system.A.indices, system.A.data, system.b, system.x0):
                known.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
        return known.hexdigest()
