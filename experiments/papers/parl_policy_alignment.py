"""Policy alignment by bilevel gradients: which gradients are right, what they buy, and how fast.

Source: Chakraborty et al., ICLR 2024 (arXiv:2308.02585). Its benchmarks are control tasks with learned policies, which
are not repeated here: these experiments are ours, on tabular processes where everything can be computed exactly.

* X1: errors of gradients in theta space, by penalties, by sampling and by the direct term alone.
* X2: the designer's utility along the descent, and what alternation leaves on the table with preferences.
* X3: the mean squared gradient against the number of steps.
* X4: the error of the gradient against the number of steps that the agent takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from algos.soft_control import SoftControl
from algos.streams import algorithm_stream, world_stream
from experiments.claims import Claim, exact, mean_interval
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from optimization.bilevel import (
    PARL,
    DesignEvolutionStrategies,
    FixedReward,
    RewardAlternation,
    design_gradient,
    inexact_descent_bound,
    sampled_design_gradient,
)
from simulators.mdp import GridWorld, RandomMDP, TwoStateMDP

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXPERIMENT", "INNER", "INSTANCES", "PolicyAlignment"]

INSTANCES = ("two states", "random")
INNER: dict[str, dict[str, Any]] = {
    "policy gradient, step 0.1": {"inner": "policy_gradient", "inner_step": 0.1},
    "policy gradient, step 0.3": {"inner": "policy_gradient", "inner_step": 0.3},
    "natural, share 0.5": {"inner_step": 0.5},
    "soft policy iteration": {"inner_step": 1.0},
}
"""How the agent moves in X4."""
_SCALES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)
_WEIGHTS = {"penalty": "penalty", "central penalty": "penalty_central"}
_STEP = 0.02  # of X3


class PolicyAlignment(Experiment):
    """Bilevel policy alignment on tabular processes."""

    name = "parl_policy_alignment"
    question = "What does the gradient through the agent's answer buy a designer of rewards?"
    source = "arXiv:2308.02585 (Chakraborty et al., ICLR 2024)"

    def cells(self, scale: Scale) -> list[Cell]:
        """A part, an instance and a method."""
        paper = scale == "paper"
        cells: list[Cell] = []

        def add(part: str, instance: str, algorithm: str, runs: int, size: int) -> None:
            cells.append({"part": part, "instance": instance, "algorithm": algorithm, "runs": runs, "size": size})

        for instance in INSTANCES:
            for method in ("theta space", *_WEIGHTS, "direct term"):
                add("gradients", instance, method, 10 if paper else 3, 0)
            runs = 60 if paper else 30 if instance == "two states" else 10
            add("gradients", instance, "sampled", runs, 102_400 if paper else 6400)
        for method in ("PARL", "PARL, 2 natural steps", "direct term alone", "fixed reward r = u"):
            add("utility", "grid", method, 1, 300)
        add("utility", "grid", "PARL, sampled", 3 if paper else 1, 300 if paper else 60)
        for method in ("PARL", "PARL, sampled", "evolution strategies", "direct term alone"):
            add("utility", "two states", method, 10 if paper else 3, 60)
        for method in ("PARL", "direct term alone", "direct term, then PARL"):
            add("preferences", "two states, 6 steps", method, 30 if paper else 5, 4000 if paper else 800)
        add("rate", "random", "PARL", 10 if paper else 3, 3000 if paper else 500)
        for instance in INSTANCES:
            for method in INNER:
                add("inner", instance, method, 1, 150 if "gradient" in method else 24)
        return cells

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """Rows of a cell; columns differ from part to part."""
        import pandas as pd

        parts = {
            "gradients": _gradients, "utility": _utility, "preferences": _preferences, "rate": _rate, "inner": _inner,
        }  # fmt: skip
        return pd.DataFrame(parts[cell["part"]](cell, seed))

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """Orders of the errors, utilities, the guarantee, geometric decay."""
        found = results[results["part"] == "gradients"]
        theta = found[found["algorithm"] == "theta space"]["error"].max()
        claims = [Claim("X1: theta space: largest relative error of the gradient", exact(float(theta)), "<=", 1e-8)]
        for method, order in zip(_WEIGHTS, (1, 2), strict=True):
            slopes = _slopes(found[(found["algorithm"] == method) & (found["value"] < 0.1)])
            statement = f"X1: {method}: largest difference of the error's order in s from {order}"
            claims.append(Claim(statement, exact(float(np.abs(slopes - order).max())), "<=", 0.1))
        slopes = _slopes(found[(found["algorithm"] == "sampled") & (found["instance"] == "two states")])
        statement = "X1: sampled, two states: slope of the error in the number of trajectories, -1/2 expected"
        claims.append(Claim(statement, mean_interval(slopes), "<=", -1 / 3))
        direct = float(found[found["algorithm"] == "direct term"]["error"].min())
        claims.append(Claim("X1: direct term of a utility: least relative error", exact(direct), "=", 1.0))
        last = results[results["part"] == "utility"].groupby(["instance", "algorithm"])["utility"].last()
        for mine, rival in (
            ("PARL", "direct term alone"),
            ("PARL", "fixed reward r = u"),
            ("PARL, sampled", "fixed reward r = u"),
        ):
            gain = float(last["grid", mine] - last["grid", rival])
            claims.append(Claim(f"X2: grid: utility of {mine}, less that of {rival}", exact(gain), ">=", 0.0))
        ends = results[results["part"] == "preferences"].pivot(index="run", columns="algorithm")
        rest = float(ends["gradient_norm"]["direct term alone"].min())
        statement = "X2: preferences: least gradient of the cost where the direct term alone is at rest"
        claims.append(Claim(statement, exact(rest), ">=", 0.01))
        more = ends["upper"]["direct term, then PARL"] - ends["upper"]["direct term alone"]
        statement = "X2: preferences: cost after PARL goes on from there, less before"
        claims.append(Claim(statement, mean_interval(more), "<=", 0.0))
        rate = results[results["part"] == "rate"]
        curvature, share = float(rate["curvature"].max() * _STEP), float((rate["mean"] / rate["bound"]).max())
        claims.append(Claim("X3: step times the largest curvature met on the way", exact(curvature), "<=", 1.0))
        statement = "X3: mean squared gradient over its bound, largest"
        claims.append(Claim(statement, exact(share), "<=", 1.0, "inexact_descent_bound"))
        for method in INNER:
            factor = max(_factor(one) for _, one in _inner_curves(results, method))
            bound = 1.0 if "gradient" in method else 1.0 - 0.1 * float(INNER[method]["inner_step"])
            claims.append(Claim(f"X4: {method}: factor of the error a step", exact(factor), "<=", bound))
        return claims

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """Errors of the gradients, and where descents with preferences end."""
        found = results[results["part"] == "gradients"]
        rows = []
        for (method, value), one in found.groupby(["algorithm", "value"], sort=False):
            means = one.groupby("instance")["error"].median()
            scale = "" if value == 0 else f", B = {value:,.0f}" if value > 1 else f", s = {value:g}"
            rows.append([f"{method}{scale}", *(f"{means[name]:.2e}" for name in INSTANCES)])
        ends = results[results["part"] == "preferences"].groupby("algorithm", sort=False)[["upper", "gradient_norm"]]
        ends_rows = [
            [
                str(method),
                f"{one['upper'].mean():.4f}",
                f"{one['upper'].min():.4f}",
                f"{one['gradient_norm'].mean():.4f}",
            ]
            for method, one in ends
        ]
        return [
            NamedTable("X1: relative error of the gradient, median over runs", ["gradient", *INSTANCES], rows),
            NamedTable("X2: preferences on two states, 6 steps: ends from random starts",
                       ["method", "mean cost", "least cost", "mean gradient norm"], ends_rows),
        ]  # fmt: skip

    def summary(self, results: pd.DataFrame) -> list[str]:
        """What the gradient buys."""
        last = results[results["part"] == "utility"].groupby(["instance", "algorithm"])["utility"].last()
        grid = last["grid"]
        return [
            f"On the grid PARL ends at a utility of {grid['PARL']:.3f}. An agent whose reward is the designer's "
            f"utility reaches {grid['fixed reward r = u']:.3f}, as its entropy bonus makes it wander; the direct term "
            f"alone never moves from {grid['direct term alone']:.3f}.",
            "Costs have several local optima: from a given start PARL may end above another method. What is guaranteed "
            "is that the gradient vanishes.",
            "Sampled Hessians of more logits have heavier tails: the random process needs several times as many "
            "trajectories as the two states for the same error.",
        ]

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """X1 to X4."""
        from experiments.papers import parl_policy_alignment_figures

        return parl_policy_alignment_figures.figures(results)

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """Which cell is done."""
        return f"{self.name}: {cell['part']}, {cell['instance']}, {cell['algorithm']}"


def _slopes(rows: pd.DataFrame) -> np.ndarray:
    """Log-log slopes of the error in the value, an instance and a run each."""
    return np.array(
        [
            np.polyfit(np.log(one["value"].to_numpy(float)), np.log(one["error"].to_numpy(float)), 1)[0]
            for _, one in rows.groupby(["instance", "run"])
        ]
    )


def _inner_curves(results: pd.DataFrame, method: str) -> Any:
    rows = results[(results["part"] == "inner") & (results["algorithm"] == method)]
    return rows[rows["error"] > 1e-10].groupby("instance")


def _factor(rows: pd.DataFrame) -> float:
    """Fitted over the second half of the steps, where the first transient is over."""
    late = rows[rows["steps"] >= rows["steps"].max() / 2]
    steps, errors = late["steps"].to_numpy(float), late["error"].to_numpy(float)
    if steps.size < 2:  # quadratic convergence: too fast for a rate
        steps, errors = rows["steps"].to_numpy(float), rows["error"].to_numpy(float)
    return float(np.exp(np.polyfit(steps, np.log(errors), 1)[0]))


def _world(cell: Cell, seed: int, r: int) -> tuple[Any, np.ndarray]:
    """A problem and parameters, the same for all methods."""
    rng = world_stream(seed, cell, r, shared=("algorithm", "runs", "size", "part"))
    if cell["instance"] == "two states":
        return TwoStateMDP(), np.array([0.3, -0.2])
    drawn = RandomMDP(6, 3, 4).sample(rng)
    return drawn, rng.standard_normal(4)


def _gradients(cell: Cell, seed: int) -> list[dict[str, float]]:
    rows = []
    for r in range(cell["runs"]):
        world, nu = _world(cell, seed, r)
        known = design_gradient(world, nu)
        size = float(np.linalg.norm(known.gradient))  # type: ignore[arg-type]

        def add(value: float, gradient: Any, r: int = r, known: Any = known, size: float = size) -> None:
            rows.append({"run": r, "value": value, "error": float(np.linalg.norm(gradient - known.gradient)) / size})

        if cell["algorithm"] in _WEIGHTS:
            for s in _SCALES:
                add(s, design_gradient(world, nu, _WEIGHTS[cell["algorithm"]], scale=s).gradient)  # type: ignore[arg-type]
        elif cell["algorithm"] == "sampled":
            rng = algorithm_stream(seed, {**cell, "runs": 0, "size": 0}, r)
            for count in (100, 400, 1600, 6400, 25_600, 102_400):
                if count <= cell["size"]:
                    add(count, sampled_design_gradient(world, nu, known.log_policy, count, rng, tikhonov=1e-6).gradient)
        else:
            method = "direct" if cell["algorithm"] == "direct term" else "theta_space"
            add(0.0, design_gradient(world, nu, method).gradient)  # type: ignore[arg-type]
    return rows


def _utility(cell: Cell, seed: int) -> list[dict[str, float]]:
    rows = []
    grid = cell["instance"] == "grid"
    world: Any = GridWorld(5, 4) if grid else TwoStateMDP()
    step = 0.01 if grid else 0.1
    methods = {
        "PARL": PARL(step),
        "PARL, 2 natural steps": PARL(step, "exact_K", inner_steps=2),
        "PARL, sampled": PARL(step, "sampled", inner_steps=5, inner_step=0.1 if grid else 0.5, batch=200),
        "evolution strategies": DesignEvolutionStrategies(step, directions=2),
        "direct term alone": RewardAlternation(step, tolerance=0.0),
        "fixed reward r = u": FixedReward(np.array([0.0, -0.2, 0.05])),
    }
    for r in range(cell["runs"]):
        rng = algorithm_stream(seed, {**cell, "runs": 0}, r)
        run = methods[cell["algorithm"]].run(world, cell["size"], rng, checkpoints=_marks(cell["size"]))  # type: ignore[attr-defined]
        rounds, utilities = run.rounds, run.metrics["utility"]
        if rounds[-1] < cell["size"]:  # it stopped, and stays
            rounds, utilities = np.append(rounds, cell["size"]), np.append(utilities, run.outcome["utility"])
        rows += [{"run": r, "round": int(t), "utility": float(u)} for t, u in zip(rounds, utilities, strict=True)]
    return rows


def _marks(size: int) -> np.ndarray:
    return np.unique(np.rint(np.geomspace(1, size, 40)).astype(np.int64))


def _preferences(cell: Cell, seed: int) -> list[dict[str, float]]:
    world, rows = TwoStateMDP(6, prefers=True), []
    for r in range(cell["runs"]):
        start = world_stream(seed, cell, r, shared=("algorithm", "runs", "size")).standard_normal(2)
        if cell["algorithm"] != "PARL":
            end = RewardAlternation(2.0, tolerance=1e-4).run(world, cell["size"], start=start, checkpoints=[1]).outcome
            start = end["nu"]
        if cell["algorithm"] != "direct term alone":
            end = PARL(0.2).run(world, cell["size"] // 2, start=start, checkpoints=[1]).outcome
        rows.append({"run": r, "upper": end["upper"], "gradient_norm": end["gradient_norm"]})
    return rows


def _rate(cell: Cell, seed: int) -> list[dict[str, float]]:
    rows = []
    for r in range(cell["runs"]):
        world, start = _world(cell, seed, r)
        horizon, control = cell["size"], world.control
        run = PARL(_STEP, tolerance=0.0).run(world, horizon, start=start, checkpoints=np.arange(1, horizon + 1))
        squares = run.metrics["gradient_norm"] ** 2
        # No policy has a utility above that of the optimal one, so that -G is bounded by it.
        hard = SoftControl(control.transitions, control.start, control.discount, 0.0)
        gap = run.metrics["upper"][0] + float(control.start @ hard.solve(world.utility).values[0])
        curvature = _largest_curvature(world, start, horizon)
        for t in _marks(horizon):
            rows.append(  # noqa: PERF401
                {"run": r, "round": int(t), "square": squares[t - 1], "mean": squares[:t].mean(),
                 "bound": inexact_descent_bound(int(t), _STEP, gap, 0.0), "curvature": curvature}
            )  # fmt: skip
    return rows


def _largest_curvature(world: Any, nu: np.ndarray, horizon: int) -> float:
    """Largest eigenvalue of the cost's Hessian, by differences of exact gradients, at points of the descent."""
    largest = 0.0
    for t in np.diff(_marks(horizon), prepend=0):
        slopes = np.array(
            [
                design_gradient(world, nu + 1e-5 * e).gradient - design_gradient(world, nu - 1e-5 * e).gradient  # type: ignore[operator]
                for e in np.eye(nu.size)
            ]
        )
        largest = max(largest, float(np.abs(np.linalg.eigvalsh((slopes + slopes.T) / 4e-5)).max()))
        nu = PARL(_STEP, tolerance=0.0).run(world, int(t), start=nu, checkpoints=[int(t)]).outcome["nu"]
    return largest


def _inner(cell: Cell, seed: int) -> list[dict[str, float]]:
    world, nu = _world(cell, seed, 0)
    known = np.asarray(design_gradient(world, nu).gradient)
    rows = []
    for k in range(1, cell["size"] + 1, 1 if cell["size"] < 50 else 5):
        method = PARL(1.0, "exact_K", inner_steps=k, **INNER[cell["algorithm"]])
        moved = nu - method.run(world, 1, start=nu).outcome["nu"]
        rows.append({"steps": k, "error": float(np.linalg.norm(moved - known) / np.linalg.norm(known))})
    return rows


EXPERIMENT = PolicyAlignment()
