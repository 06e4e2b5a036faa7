"""Sweeps and solves beside pyamg and SciPy, and the loop that tunes a solver."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from algos.linear_solvers import Stencil, cg, relax, relax_red_black, sor, ssor_pcg
from bandits import ChebCB, TsallisINF
from bandits.tsallis_inf import Parameters, init, select_noting
from benchmarks.measure import Row, cpu_seconds, in_turn, version
from online.sor_tuning import SolverTuning
from simulators import HeatCN, RecordedCosts, ShiftedLaplacian2D

__all__ = ["rows"]


def rows() -> list[Row]:
    """The 5-point matrix on 100 x 100 and 1000 x 1000 points; learning on 10 x 10; the heat equation."""
    return [*_sweeps(100, 100), *_sweeps(1000, 40), *_gradients(), *_learning(), _probabilities(), *_heat()]


def _sweeps(m: int, sweeps: int) -> list[Row]:
    """A sweep without residual, one with the exact test, and both on the grid itself."""
    from pyamg.relaxation.relaxation import sor as peer_sor

    grid, n = Stencil((m, m)), m * m
    matrix, b = grid.tocsr(), np.random.default_rng(0).normal(size=n)
    x, on_grid = np.zeros(n), b.reshape(m, m)

    def peer() -> None:
        peer_sor(matrix, np.zeros(n), b, 1.9, iterations=sweeps)

    def peer_with_test() -> None:
        found = np.zeros(n)
        for _ in range(sweeps):
            peer_sor(matrix, found, b, 1.9, iterations=1)
            np.linalg.norm(b - matrix @ found)

    def smooth() -> None:
        relax(matrix, np.zeros(n), b, 1.9, sweeps)

    def solve() -> None:
        sor(matrix, b, x, 1.9, 1e-15, sweeps)

    def natural() -> None:
        relax(grid, np.zeros((m, m)), on_grid, 1.9, sweeps)

    def solve_grid() -> None:
        sor(grid, b, x, 1.9, 1e-15, sweeps)

    def coloured() -> None:
        relax_red_black(grid, np.zeros((m, m)), on_grid, 1.9, sweeps)

    functions = (peer, peer_with_test, smooth, solve, natural, solve_grid, coloured)
    for function in functions:
        function()
    plain, tested, *ours = (1e9 * seconds / (n * sweeps) for seconds in in_turn(*functions))
    names = (
        ("SOR sweep, CSR, no residual", plain, 1.4),
        ("SOR solve, CSR, exact test each sweep", tested, 2.0),
        ("SOR sweep, grid in natural order", plain, 7.0),
        ("SOR solve, grid, exact test each sweep", tested, None),
        ("SOR sweep, grid, red-black", plain, 15.0),
    )
    return [
        Row(
            f"{name}, n = {n:,}, {sweeps} sweeps a call",
            f"{mine:.2f} ns an unknown",
            version("pyamg") + (" and its residual" if theirs is tested else ""),
            f"{theirs:.1f} ns an unknown",
            theirs / mine,
            "" if target is None else f"{target:g}x",
            None if target is None else theirs / mine >= target,
        )
        for (name, theirs, target), mine in zip(names, ours, strict=True)
    ]


def _gradients() -> list[Row]:
    """Conjugate gradients, with symmetric SOR and without."""
    from scipy.sparse.linalg import LinearOperator
    from scipy.sparse.linalg import cg as peer_cg

    grid = Stencil((300, 300))
    matrix, b, n = grid.tocsr(), np.random.default_rng(0).normal(size=90_000), 90_000

    def symmetric(residual: Any) -> Any:
        from pyamg.relaxation.relaxation import sor as peer_sor

        found = np.zeros(n)
        peer_sor(matrix, found, residual, 1.8, sweep="symmetric")
        return found

    operator = LinearOperator((n, n), matvec=symmetric, dtype=np.float64)

    def peer_ssor() -> None:
        peer_cg(matrix, b, rtol=1e-8, M=operator)

    def peer() -> None:
        peer_cg(matrix, b, rtol=1e-8)

    cases: list[tuple[str, Callable[[], object], Callable[[], None], str]] = [
        ("SSOR-CG, omega = 1.8, CSR", lambda: ssor_pcg(matrix, b, omega=1.8), peer_ssor, "cg, pyamg's symmetric SOR"),
        ("SSOR-CG, omega = 1.8, grid", lambda: ssor_pcg(grid, b, omega=1.8), peer_ssor, "cg, pyamg's symmetric SOR"),
        ("CG, CSR", lambda: cg(matrix, b), peer, "cg"),
        ("CG, grid", lambda: cg(grid, b), peer, "cg"),
    ]
    found = []
    for name, ours, theirs, peer_name in cases:
        ours()
        theirs()
        mine, other = in_turn(ours, theirs, rounds=3)
        what = f"{name}, n = 90,000 to 1e-8"
        found.append(
            Row(what, f"{1e3 * mine:.0f} ms", f"{version('scipy')} {peer_name}", f"{1e3 * other:.0f} ms", other / mine)
        )
    return found


def _learning() -> list[Row]:
    """5,000 systems of 100 unknowns, the loop compiled whole; and what the learner alone costs at any time."""
    grid, systems = np.linspace(1, 1.95, 20), ShiftedLaplacian2D()
    found = []
    for name, learner in (("Tsallis-INF", TsallisINF(scale="running mean")), ("ChebCB", ChebCB(-0.15, 0.65))):
        tuning = SolverTuning(learner, grid)
        tuning.run(systems, 10, np.random.default_rng(0))
        (seconds,) = in_turn(lambda tuning=tuning: tuning.run(systems, 5000, np.random.default_rng(0)))
        each = 1e6 * seconds / 5000
        what = f"{name} tunes SOR, n = 100, T = 5,000, drawing, learning and solving"
        found.append(Row(what, f"{each:.1f} us a system", target="15 us", met=each < 15))
    rng = np.random.default_rng(1)
    contexts = rng.uniform(-0.15, 0.45, 100_000)
    costs = np.floor(20 + 100 * np.abs(np.linspace(0, 1, 20) - contexts[:, None]) + 5 * rng.random((100_000, 20)))
    table, tuning = RecordedCosts(costs, contexts), SolverTuning(ChebCB(-0.15, 0.45), grid)
    tuning.run(table, 10, np.random.default_rng(0))
    short, long = in_turn(
        lambda: tuning.run(table, 10_000, np.random.default_rng(0)),
        lambda: tuning.run(table, 100_000, np.random.default_rng(0)),
    )
    per_round = 1e6 * short / 10_000, 1e6 * long / 100_000
    what = f"ChebCB, 20 arms, a round over T = 100,000 (over T = 10,000: {per_round[0]:.1f} us)"
    met = per_round[1] < 1.5 * per_round[0]
    found.append(Row(what, f"{per_round[1]:.1f} us", target="independent of T", met=met))
    return found


def _probabilities() -> Row:
    """The weights of Tsallis-INF and a draw from them."""
    from numba import njit

    @njit
    def repeat(state, params, count, rng):
        total = 0
        for t in range(1, count + 1):
            state.losses[t % 20] += 0.37
            total += select_noting(state, params, t, rng)
        return total

    params, count = Parameters(2.0, True, 1.0), 1_000_000
    repeat(init(20, params), params, 10, np.random.default_rng(0))
    seconds = min(
        cpu_seconds(lambda: repeat(init(20, params), params, count, np.random.default_rng(0))) for _ in range(3)
    )
    each = 1e6 * seconds / count
    return Row("Tsallis-INF's probabilities and a draw, d = 20", f"{each:.2f} us", target="1 us", met=each < 1)


def _heat() -> list[Row]:
    """Wall-clock of 5,000 time steps, learning included, relative to conjugate gradients."""
    found = []
    systems, grid = HeatCN(50), np.linspace(1, 1.95, 20)
    runs = {
        "CG": SolverTuning(TsallisINF(scale="running mean"), [1.0], "cg"),
        "SSOR-CG, omega = 1": SolverTuning(TsallisINF(scale="running mean"), [1.0], "ssor_pcg"),
        "SSOR-CG by Tsallis-INF": SolverTuning(TsallisINF(scale="running mean"), grid, "ssor_pcg"),
        "SSOR-CG by ChebCB": SolverTuning(ChebCB(0.0, 10.0), grid, "ssor_pcg"),
    }
    seconds = {}
    for name, tuning in runs.items():
        tuning.run(systems, 10, np.random.default_rng(0))
        started = time.thread_time()
        tuning.run(systems, 5000, np.random.default_rng(0))
        seconds[name] = time.thread_time() - started
    for name, taken in seconds.items():
        ratio = None if name == "CG" else seconds["CG"] / taken
        peer = "" if name == "CG" else "our CG"
        found.append(
            Row(
                f"Heat equation, nx = 50, 5,000 steps: {name}",
                f"{taken:.2f} s",
                peer,
                "" if name == "CG" else f"{seconds['CG']:.2f} s",
                ratio,
            )
        )
    return found
