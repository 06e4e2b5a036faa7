"""What the cells of `sor_tuning` measure, one function a part."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from algos.linear_solvers import (
    SplittingConstants,
    Stencil,
    jacobi_radius,
    near_asymptotic_constant,
    optimal_omega,
    sor,
    sor_energy_iteration_bound,
    sor_energy_norm_bound,
    sor_iteration_bound,
    spectral_radius_sor,
    splitting_constants,
    ssor_pcg,
    ssor_pcg_iteration_bound,
)
from algos.streams import algorithm_stream, world_stream
from bandits import ChebCB, Policy, TsallisINF, TsallisINFContextual, UniformRandom
from experiments.experiment import Cell
from online.sor_tuning import SolverTuning, semi_lipschitz_bound
from simulators import (
    AdversarialRewards,
    HeatCN,
    RecordedCosts,
    ShiftedLaplacian2D,
    degenerate_target,
    l_shape,
    record_costs,
    truncated_normal,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FIXED", "GRID", "LEARNERS", "RUNS", "TOLERANCE", "VARIANCES"]

TOLERANCE = 1e-8
GRID = np.linspace(1, 1.95, 20)
FIXED = (1.0, 1.2, 1.4, 1.6, 1.8, 1.85)
VARIANCES = {"low": (2.0, 6.0), "high": (0.5, 1.5)}
_REDUCED: Literal["reduced variance"] = "reduced variance"
_MEAN: Literal["running mean"] = "running mean"
LEARNERS: dict[str, Policy] = {
    "uniform": UniformRandom(),
    "T-INF (IW)": TsallisINF(scale=_MEAN),
    "T-INF (RV)": TsallisINF(_REDUCED, scale=_MEAN),
    "T-INF-CB (IW)": TsallisINFContextual(-0.15, 0.65, 5, scale=_MEAN),
    "T-INF-CB (RV)": TsallisINFContextual(-0.15, 0.65, 5, _REDUCED, _MEAN),
    "ChebCB": ChebCB(-0.15, 0.65, offset=1.0),
}
"""The learners with the settings of the paper's code; their contexts end at 0.65 although no shift is above 0.45."""


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows)


def bounds_of_iterations(cell: Cell, seed: int) -> pd.DataFrame:
    """Iterations of SOR against omega, and what bounds them, on one system."""
    A, rng = Stencil((10, 10)), world_stream(seed, cell, 0)
    b, constants = truncated_normal(100, rng), splitting_constants(A)
    best = optimal_omega(constants.radius)
    omegas = np.sort(np.append(np.arange(1.0, 1.995, 0.01), best))
    tau, coarse = (near_asymptotic_constant(A, b, grid, TOLERANCE) for grid in (omegas, GRID))
    dense, rows = A.tocsr().toarray(), []
    for omega in omegas:
        steps, rho = sor(A, b, omega=float(omega)).iterations, spectral_radius_sor(float(omega), constants.radius)
        lower = np.tril(dense, -1) + np.diag(dense.diagonal()) / omega
        residual_map = np.eye(100) - np.linalg.solve(lower.T, dense.T).T
        norm = float(np.linalg.norm(np.linalg.matrix_power(residual_map, steps - 1), 2))
        rows.append(
            {
                "omega": float(omega),
                "iterations": steps,
                "asymptotic": math.log(TOLERANCE) / math.log(rho),
                "surrogate": sor_iteration_bound(TOLERANCE, float(omega), constants.radius, tau),
                "energy": _energy_bound(float(omega), constants),
                "excess": norm ** (1 / (steps - 1)) - rho,
                "allowed": tau * (1 - rho),
                "tau": tau,
                "best_omega": best,
                # With the constant of the grid of the learners, which does not have the worst omega, the best one.
                "of_grid": bool(np.abs(GRID - omega).min() < 1e-9),
                "coarse": sor_iteration_bound(TOLERANCE, float(omega), constants.radius, coarse),
            }
        )
    return _frame(rows)


def _energy_bound(omega: float, found: SplittingConstants) -> float:
    norm = sor_energy_norm_bound(omega, found.radius, found.product, found.largest)
    return sor_energy_iteration_bound(TOLERANCE, math.sqrt(norm), found.condition)


def constants_of_shifts(cell: Cell, seed: int) -> pd.DataFrame:
    """Beta and tau against the shift."""
    rng, rows = world_stream(seed, cell, 0), []
    for shift in np.linspace(-0.15, 0.45, cell["count"]):
        A = Stencil((10, 10), 4 + float(shift))
        tau = near_asymptotic_constant(A, truncated_normal(100, rng), np.linspace(1, 1.9, 7), TOLERANCE)
        rows.append({"shift": float(shift), "beta": jacobi_radius((10, 10), 4 + float(shift)), "tau": tau})
    return _frame(rows)


def comparators(cell: Cell, seed: int) -> pd.DataFrame:
    """Mean iterations and mean bound against a fixed omega, and of the best omega of each system."""
    rng, omegas = world_stream(seed, cell, 0), np.linspace(1, 1.95, 39)
    systems = ShiftedLaplacian2D(10, *VARIANCES[cell["variance"]])
    run, costs, bounds, taus = systems.start(rng), [], [], []
    for _ in range(cell["count"]):
        system = run.next()
        taus.append(near_asymptotic_constant(system.A, system.b, np.linspace(1, 1.9, 5), TOLERANCE))
        costs.append([sor(system.A, system.b, omega=float(omega)).iterations for omega in omegas])
        radius = jacobi_radius((10, 10), 4 + system.context)
        bounds.append([sor_iteration_bound(TOLERANCE, float(omega), radius, taus[-1]) for omega in omegas])
        run.advance(system.b)
    actual, above = np.array(costs, dtype=float), np.array(bounds)
    return _frame(
        [
            {
                "omega": float(omega),
                "iterations": actual[:, i].mean(),
                "surrogate": above[:, i].mean(),
                "least_iterations": actual.min(axis=1).mean(),
                "least_surrogate": above.min(axis=1).mean(),
            }
            for i, omega in enumerate(omegas)
        ]
    )


def learning(cell: Cell, seed: int) -> pd.DataFrame:
    """Cumulative iterations of all learners on the same systems."""
    systems = ShiftedLaplacian2D(10, *VARIANCES[cell["variance"]])
    horizon = cell["systems"]
    table = record_costs(systems, GRID, horizon, world_stream(seed, cell, 0))
    fixed = record_costs(systems, FIXED, horizon, world_stream(seed, cell, 0))
    checkpoints = np.unique(np.ceil(np.linspace(horizon / 100, horizon, 100)).astype(int))
    rows: list[dict[str, Any]] = []

    def add(learner: str, cumulative: Any) -> None:
        rows.extend(
            {"learner": learner, "round": int(t), "iterations": float(value)}
            for t, value in zip(checkpoints, cumulative, strict=True)
        )

    for i, omega in enumerate(FIXED):
        add(f"omega = {omega:g}", np.cumsum(fixed.costs[:, i])[checkpoints - 1])
    add("instance-optimal", np.cumsum(table.least)[checkpoints - 1])
    for learner, policy in LEARNERS.items():
        own = algorithm_stream(seed, {**cell, "learner": learner}, 0)
        run = SolverTuning(policy, GRID).run(table, horizon, own, checkpoints=checkpoints)
        add(learner, run.metrics["iterations"])
    arms = SolverTuning(LEARNERS["T-INF (RV)"], GRID, shifted_diagonal=4.0)
    own = algorithm_stream(seed, {**cell, "learner": "radii"}, 0)
    run = arms.run(systems, horizon, own, world=world_stream(seed, cell, 0), checkpoints=checkpoints)
    add("radii (RV)", run.metrics["iterations"])
    return _frame(rows)


def degenerate(cell: Cell, seed: int) -> pd.DataFrame:
    """Iterations against omega for a target made for omega = 1.4, and for random ones."""
    A, omegas, rng = Stencil((10, 10)), np.linspace(1, 1.9, 91), world_stream(seed, cell, 0)
    special = degenerate_target(A, 1.4)
    targets = [truncated_normal(100, rng) for _ in range(cell["count"])]
    rows = []
    for omega in omegas:
        random = [sor(A, b, omega=float(omega)).iterations for b in targets]
        rows.append(
            {
                "omega": float(omega),
                "degenerate": sor(A, special, omega=float(omega)).iterations,
                "mean": float(np.mean(random)),
                "least": min(random),
                "most": max(random),
            }
        )
    return _frame(rows)


def bounds_of_gradients(cell: Cell, seed: int) -> pd.DataFrame:
    """Steps of SSOR-preconditioned CG against omega on a domain, and their bound with tau = 1 and the least tau."""
    size, offset = cell["size"], cell["offset"]
    matrix = l_shape(size) if cell["domain"] == "L" else Stencil((size - 2, size - 2)).tocsr()
    matrix.setdiag(matrix.diagonal() + offset)
    rng = world_stream(seed, cell, 0)
    b, found = truncated_normal(matrix.shape[0], rng), splitting_constants(matrix)
    omegas = np.linspace(2 * math.sqrt(2) - 2, 1.9, 36)
    steps = np.array([ssor_pcg(matrix, b, omega=float(omega)).iterations for omega in omegas])
    bounds = np.array(
        [ssor_pcg_iteration_bound(TOLERANCE, float(omega), found.mu, found.nu, found.condition) for omega in omegas]
    )
    tau = float(((steps - 1) / (bounds - 1)).max())
    return _frame(
        [
            {"omega": float(omega), "iterations": int(k), "bound": float(u), "tau": tau}
            for omega, k, u in zip(omegas, steps, bounds, strict=True)
        ]
    )


def heat(cell: Cell, seed: int) -> pd.DataFrame:
    """Total iterations over the steps of the heat equation, and which omega was chosen when."""
    systems, horizon = HeatCN(cell["nx"]), cell["systems"]
    nothing = world_stream(seed, cell, 0)  # the heat equation draws nothing
    table = record_costs(systems, GRID, horizon, nothing, solver="ssor_pcg")
    plain = record_costs(systems, [1.0], horizon, nothing, solver="cg")
    contexts = np.asarray(table.contexts)
    low, high = float(contexts.min()), float(contexts.max())
    learners: dict[str, Policy] = {
        "T-INF (IW)": LEARNERS["T-INF (IW)"],
        "T-INF (RV)": LEARNERS["T-INF (RV)"],
        "T-INF-CB (RV)": TsallisINFContextual(low, high, 6, _REDUCED, _MEAN),
        "ChebCB": ChebCB(low, high, offset=1.0),
    }
    totals = table.costs.sum(axis=0)
    rows: list[dict[str, Any]] = [
        {"learner": "CG", "total": float(plain.costs.sum())},
        {"learner": "omega = 1", "total": float(totals[0])},
        {"learner": "omega = 1.5", "total": float(totals[10])},
        {"learner": "best fixed", "total": float(totals.min()), "omega": float(GRID[totals.argmin()])},
        {"learner": "instance-optimal", "total": float(table.least.sum())},
    ]
    blocks = np.array_split(np.arange(horizon), 100)
    for block, steps in enumerate(blocks):
        for i, omega in enumerate(GRID):
            rows.append(
                {"learner": "cost", "block": block, "omega": float(omega), "total": table.costs[steps, i].mean()}
            )
    for learner, policy in learners.items():
        for trial in range(cell["trials"]):
            own = algorithm_stream(seed, {**cell, "learner": learner}, trial)
            run = SolverTuning(policy, GRID).run(table, horizon, own, trace=True)
            rows.append({"learner": learner, "trial": trial, "total": float(run.outcome["iterations"])})
            chosen = GRID[run.outcome["choices"]]
            if trial == 0:
                rows.extend(
                    {
                        "learner": f"chosen by {learner}",
                        "block": block,
                        "omega": float(chosen[steps].mean()),
                        "total": float(chosen[steps].std()),
                    }
                    for block, steps in enumerate(blocks)
                )
    return _frame(rows)


def regrets(cell: Cell, seed: int) -> pd.DataFrame:
    """Regret of Tsallis-INF on made-up losses."""
    horizon, environment = cell["systems"], cell["environment"]
    rows: list[dict[str, Any]] = []
    for run in range(cell["runs"]):
        rng, own = world_stream(seed, cell, run), algorithm_stream(seed, cell, run)
        if environment == "semi-Lipschitz":
            d = math.ceil((horizon / 2) ** (1 / 3))
            grid = np.arange(1, d + 1) / d
            kinks = 0.5 + 0.05 * rng.standard_normal((horizon,))
            # Falls by a jump at the kink, then rises: (1, right end)-semi-Lipschitz.
            losses = np.where(grid < kinks[:, None], 1.0, np.minimum(1.0, np.maximum(grid - kinks[:, None], 0.0)))
            fine = np.linspace(0, 1, 1001)
            below = np.searchsorted(np.sort(kinks), fine, side="right")
            order = np.concatenate([[0.0], np.cumsum(np.sort(kinks))])
            sums = horizon - below + below * fine - order[below]
            played = SolverTuning(TsallisINF(schedule="horizon"), 0.5 + grid).run(
                RecordedCosts(1 + losses), horizon, own, checkpoints=[horizon]
            )
            rows.append({"arms": d, "regret": float(played.outcome["iterations"] - horizon - sums.min())})
            continue
        world = AdversarialRewards(np.tile([1.0] + [0.0] * 9, (horizon, 1)))
        if environment != "one arm loses nothing":
            gap = 0.1 if environment == "gap 0.1" else math.sqrt(10 / horizon)
            means = np.array([0.5 + gap] + [0.5] * 9)
            world = AdversarialRewards((rng.random((horizon, 10)) < means).astype(float))
        played = TsallisINF().run(world, horizon, own, world=rng, checkpoints=[horizon])
        rows.append({"arms": 10, "regret": float(played.metrics["regret"][-1])})
    d = int(rows[0]["arms"])
    bound = (
        semi_lipschitz_bound(d, horizon, 1.0, 1.0, 1.0)
        if environment == "semi-Lipschitz"
        else 4 * math.sqrt(d * horizon) + 1
    )
    return _frame([row | {"bound": bound} for row in rows])


RUNS = {
    "bounds of SOR": bounds_of_iterations,
    "shifts": constants_of_shifts,
    "comparators": comparators,
    "learning": learning,
    "degenerate target": degenerate,
    "bounds of CG": bounds_of_gradients,
    "heat": heat,
    "regret": regrets,
}
"""The parts of the experiment."""
