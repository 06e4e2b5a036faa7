"""The runs of `bilevel_penalty`, and the specification's numbers beside which they stand.

Those numbers are of an independent prototype; the paper has no experiments.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from algos.streams import algorithm_stream, world_stream
from experiments.experiment import Cell
from experiments.papers.bilevel_penalty_methods import CONTENDERS, SHARES, instance_of
from optimization.bilevel import (
    Counts,
    PenaltyDoubleLoop,
    PenaltySingleLoop,
    PowerLaw,
    hypergradient,
    inner_steps_for,
)
from simulators.bilevel_problems import (
    CounterExample,
    Moreau,
    NoisyOracle,
    PLToy,
    RidgeHPO,
    SimplexProjection,
    braess_network,
    digits_cleaning,
    pigou_network,
    random_quadratic,
    random_rank_deficient,
)

__all__ = ["CLOSENESS", "CONSTANT", "KNOWN", "MOMENTUM", "PARTS", "PLAIN", "SAFE", "run_part"]

SAFE, CONSTANT = "alpha = sigma", "alpha = 0.5"
MOMENTUM, PLAIN = "with momentum", "plain"

KNOWN: dict[str, dict[tuple[str, str], float]] = {
    "complexity": {
        **dict(zip([(eps, SAFE) for eps in ("0.1", "0.05", "0.025", "0.0125", "0.00625")],
                   (550, 3885, 27_163, 189_376, 1_319_273), strict=True)),
        **dict(zip([(eps, CONSTANT) for eps in ("0.1", "0.05", "0.025", "0.0125", "0.00625")],
                   (51, 188, 671, 2357, 8234), strict=True)),
    },
    "noise": {(budget, "Algorithm 1"): error for budget, error in zip(
        ("10000", "100000", "1000000", "10000000"), (0.806, 0.563, 0.402, 0.288), strict=True)},
    "budget": {(budget, "Algorithm 1"): steps for budget, steps in zip(
        ("10000", "100000", "1000000", "10000000"), (33, 92, 248, 666), strict=True)},
    "cleaning": {
        ("all records", "accuracy"): 0.816, ("clean records", "accuracy"): 0.893,
        ("1 outer step", "accuracy"): 0.889, ("10 outer steps", "accuracy"): 0.887,
        ("1 outer step", "F1"): 0.886, ("10 outer steps", "F1"): 0.900,
    },
    "toy": {("0.1", "Algorithm 1"): 0.027, ("0.01", "Algorithm 1"): 0.0026, ("0.001", "Algorithm 1"): 0.00026},
}  # fmt: skip
"""By part, then instance and method (or measure): steps, root mean squares, shares, distances."""


class Closeness(NamedTuple):
    """An instance of E1.

    Parameters
    ----------
    make : callable
        A problem, and where to look at it for a penalty s, from a stream.
    value_slope, gradient_slope : float
        Of log |psi - psi_s| and of log |grad psi - grad psi_s| in log s; NaN where there is no gradient.
    """

    make: Callable[[np.random.Generator], tuple[Any, Callable[[float], Any]]]
    value_slope: float
    gradient_slope: float


def _fixed(problem: Any, x: Any) -> tuple[Any, Callable[[float], Any]]:
    return problem, lambda s: x


def _ridge(rng: np.random.Generator) -> tuple[Any, Callable[[float], Any]]:
    features, truth = rng.standard_normal((80, 10)), rng.standard_normal(10)
    targets = features @ truth + rng.standard_normal(80)
    problem = RidgeHPO(features[:40], targets[:40], features[40:], targets[40:])
    return _fixed(problem, 0.3 * rng.standard_normal(10))


CLOSENESS: dict[str, Closeness] = {
    "quadratic": Closeness(lambda rng: _fixed(random_quadratic(10, 10, rng), 0.3 * rng.standard_normal(10)), 1, 1),
    "ridge": Closeness(_ridge, 1, 1),
    "simplex": Closeness(lambda rng: _fixed(SimplexProjection(rng.standard_normal(6)), rng.random(6)), 1, 1),
    "many solutions": Closeness(
        lambda rng: _fixed(random_rank_deficient(3, 8, 4, rng), 0.3 * rng.standard_normal(3)), 1, 1
    ),
    "quartic at 1": Closeness(lambda rng: _fixed(CounterExample("quartic"), [1.0]), 1, 1),
    "quartic at 0": Closeness(lambda rng: _fixed(CounterExample("quartic"), [0.0]), 1 / 3, math.nan),
    "bilinear at s / 10": Closeness(lambda rng: (CounterExample("bilinear"), lambda s: [s / 10]), 0, -1),
    "ramp at -s / 2": Closeness(lambda rng: (CounterExample("ramp"), lambda s: [-s / 2]), 0, -1),
    "kink at -s / 2": Closeness(lambda rng: (CounterExample("kink"), lambda s: [-s / 2]), 1, 0),
}
"""Problems that keep the assumptions, and points near which the counter-examples break one."""

Row = dict[str, Any]


def run_part(cell: Cell, seed: int) -> tuple[list[Row], dict[str, float]]:
    """Rows of a cell, and what depends on the machine.

    Parameters
    ----------
    cell : dict
        ``part``, ``instance``, ``algorithm`` and ``runs``.
    seed : int
    """
    began = time.thread_time()
    rows = PARTS[cell["part"]](cell, seed)
    return rows, {"seconds": time.thread_time() - began}


def _closeness(cell: Cell, seed: int) -> list[Row]:
    problem, place = CLOSENESS[cell["instance"]].make(world_stream(seed, cell, 0))
    rows = []
    for s in np.geomspace(1e-1, 1e-6, 11).tolist():
        x = place(s)
        apart = np.asarray(problem.value_gradient(x)) - np.asarray(problem.penalty_gradient(x, s))
        rows.append({
            "s": s, "value_gap": abs(problem.value(x) - problem.penalty_value(x, s)),
            "gradient_gap": float(np.linalg.norm(apart)),
        })  # fmt: skip
    return rows


def _complexity(cell: Cell, seed: int) -> list[Row]:
    """The first k with |phi'(x_k)| <= eps: blocks of k / 50 steps, the last of which is made again, step by step."""
    eps, problem = float(cell["instance"]), Moreau("power", exponent=1.25)
    sigma = eps / 2
    method = PenaltyDoubleLoop(
        PowerLaw(sigma),
        PowerLaw(sigma if cell["algorithm"] == SAFE else 0.5),
        Counts(inner_steps_for(sigma)),
        rho=1.0,
        gamma=0.5,
    )
    rng, state, k = algorithm_stream(seed, cell, 0), None, 0
    while True:
        block = max(1, k // 50)
        run = method.run(problem, block, rng, state=state, checkpoints=[block])
        if run.metrics["gradient_norm"][-1] <= eps:
            break
        state, k = run.outcome["state"], k + block
    run = method.run(problem, block, rng, state=state, checkpoints=range(1, block + 1))
    first = int(np.argmax(run.metrics["gradient_norm"] <= eps))
    return [{"steps": k + 1 + first, "oracle_calls": float(run.metrics["oracle_calls"][first])}]


def _noisy(problem: Moreau) -> NoisyOracle:
    return NoisyOracle(problem, 0.5, 0.5, 0.5)


def _noise(cell: Cell, seed: int) -> list[Row]:
    """Algorithm 1 with samples: as many outer steps as pass the budget, and the weighted mean of squared gradients."""
    growing, alpha = Counts(1.0, 4 / 3, 2.0), PowerLaw(0.5, -1 / 3, 2.0)
    method = PenaltyDoubleLoop(
        PowerLaw(1.0, -1 / 3, 2.0), alpha, growing, rho=1.0, batch=growing, sampled=True
    )  # fmt: skip
    steps = 1 + int(np.searchsorted(np.cumsum(6 * growing.values(0, 10_000)), float(cell["instance"])))
    weights = alpha.values(0, steps)
    rows = []
    for r in range(cell["runs"]):
        run = method.run(
            _noisy(Moreau()), steps, algorithm_stream(seed, cell, r), start=([3.0], [3.0]),
            checkpoints=range(1, steps + 1), trace=True,
        )  # fmt: skip
        at = np.concatenate([[3.0], run.outcome["iterates"][:-1, 0]])
        rows.append({
            "run": r, "steps": steps, "square": float(weights @ (at - 1.0) ** 2 / weights.sum()),
            "oracle_calls": float(run.metrics["oracle_calls"][-1]),
        })  # fmt: skip
    return rows


def _single(cell: Cell, seed: int) -> list[Row]:
    """Algorithm 2 with samples on E2's instance; the mean of squared gradients by steps, weighted as alpha is."""
    horizon, alpha = int(cell["instance"]), PowerLaw(1.0, -0.6, 10.0)
    method = PenaltySingleLoop(
        PowerLaw(1.0, -0.2, 10.0), alpha, PowerLaw(1.0, -0.4, 10.0), PowerLaw(1.0, -0.4, 10.0),
        eta=PowerLaw(1.0, -0.8, 10.0), rho=1.0, sampled=True,
    )  # fmt: skip
    marks = np.unique(np.geomspace(1, horizon, 2000).astype(np.int64))
    weights = np.diff(np.concatenate([[0.0], np.cumsum(alpha.values(0, horizon))[marks - 1]]))
    rows = []
    for r in range(cell["runs"]):
        run = method.run(
            _noisy(Moreau("power", exponent=1.25)), horizon, algorithm_stream(seed, cell, r), checkpoints=marks
        )
        squares = np.cumsum(weights * run.metrics["gradient_norm"] ** 2) / np.cumsum(weights)
        for steps in np.geomspace(100, horizon, 2 * round(math.log10(horizon / 100)) + 1):
            place = int(np.searchsorted(marks, round(steps)))
            rows.append({"run": r, "steps": int(marks[place]), "square": float(squares[place])})
    return rows


def _momentum(cell: Cell, seed: int) -> list[Row]:
    """Error of Algorithm 2's directions against the gradient of psi_s, in blocks of half a decade."""
    horizon, sigma = int(cell["instance"]), PowerLaw(1.0, -0.2, 10.0)
    eta = PowerLaw(1.0, -0.8, 10.0) if cell["algorithm"] == MOMENTUM else PowerLaw(1.0)
    method = PenaltySingleLoop(eta=eta, sampled=True)
    before = np.unique(np.geomspace(1, horizon - 1, 120 * round(math.log10(horizon))).astype(np.int64))
    marks = np.unique(np.concatenate([before, before + 1]))  # a direction is taken at the iterate of the step before
    edges = np.geomspace(1, horizon, 2 * round(math.log10(horizon)) + 1)
    rows = []
    for r in range(cell["runs"]):
        run = method.run(
            _noisy(Moreau()), horizon, algorithm_stream(seed, cell, r), start=([3.0], [3.0]), checkpoints=marks,
            trace=True,
        )  # fmt: skip
        at = run.outcome["iterates"][np.searchsorted(marks, before), 0]
        found = run.outcome["directions"][np.searchsorted(marks, before + 1), 0]
        s = sigma.values(0, horizon)[before]
        squares = (found - (at - 1.0) / (1.0 + s)) ** 2
        for low, high in itertools.pairwise(edges):
            within = (before >= low) & (before < high)
            rows.append({"run": r, "steps": math.sqrt(low * high), "square": float(squares[within].mean())})
    return rows


def _cleaning(cell: Cell, seed: int) -> list[Row]:
    """Gradient steps of 2,000 on psi_s, s = 1e-3, by the library's hyper-gradients."""
    task = digits_cleaning()
    problem, rows = task.problem, []

    def judged(name: str, y: Any, score: float) -> Row:
        return {"model": name, "accuracy": problem.accuracy(y, task.test_features, task.test_labels), "F1": score}

    rows.append(judged("all records", problem.fit(np.full(task.clean.size, 0.5)), math.nan))
    rows.append(judged("clean records", problem.fit(task.clean.astype(float)), math.nan))
    x, start = np.zeros(task.clean.size), None
    for step in range(1, 11):
        found = hypergradient(problem, x, s=1e-3, start=start, tolerance=1e-7)
        if found.status != "converged":
            raise RuntimeError(f"cleaning: lower solve of step {step} ended as {found.status}")
        x, start = x - 2000.0 * found.gradient, found.lower
        name = f"{step} outer step" + ("s" if step > 1 else "")
        rows.append(judged(name, problem.lower_solution(x), problem.cleaning_score(x, task.clean)))
    return rows


def _tolls(cell: Cell, seed: int) -> list[Row]:
    problem = {"Pigou": pigou_network, "Braess": braess_network}[cell["instance"]]()
    rows = []
    for sigma in (0.1, 0.01, 0.001):
        method = PenaltyDoubleLoop(PowerLaw(sigma), PowerLaw(0.2), Counts(200), rho=1.0, gamma=0.2)
        for toll in (0.0, 0.25, 0.9):
            run = method.run(
                problem, 400, algorithm_stream(seed, cell, 0), start=([toll], problem.start[1]), checkpoints=[400]
            )
            end = run.outcome["iterate"]
            rows.append({
                "sigma": sigma, "start": toll, "toll": float(end[0]), "value": problem.value(end),
                "without": problem.value([0.0]),
            })  # fmt: skip
    return rows


def _toy(cell: Cell, seed: int) -> list[Row]:
    """Algorithm 1 from a grid of starts; the weakest error bound, 0.18 at x = 3, asks for many steps."""
    problem, rows = PLToy(), []
    method = PenaltyDoubleLoop(PowerLaw(float(cell["instance"])), PowerLaw(0.01), Counts(50), rho=0.1, gamma=0.05)
    minima = np.array(problem.local_minima)
    for x in np.linspace(0.0, 3.0, cell["runs"]).tolist():
        for y in np.linspace(-5.0, 5.0, 10).tolist():
            run = method.run(problem, 1500, algorithm_stream(seed, cell, 0), start=([x], [y]), checkpoints=[1500])
            end = float(run.outcome["iterate"][0])
            away = np.abs(end - minima)
            rows.append({
                "start_x": x, "start_y": y, "end": end, "minimum": float(minima[away.argmin()]),
                "distance": float(away.min()),
            })  # fmt: skip
    return rows


def _methods(cell: Cell, seed: int) -> list[Row]:
    """The best of six upper steps, by the last gradient; a sampled access counts as its share of the records.

    A run that diverges is left out: a long step may push a weight exp(x) of the ridge beyond what the lower step bears.
    """
    world = world_stream(seed, cell, 0, shared=("algorithm", "runs"))
    instance, make = instance_of(cell["instance"], world), CONTENDERS[cell["algorithm"]]
    share = 1.0 / instance.n_records if cell["algorithm"] == "SABA" else 1.0
    best: list[Row] = []
    for upper, fraction in zip(instance.upper_steps, SHARES, strict=True):
        method = make(upper, instance.lower_step, fraction)
        pilot = method.run(instance.problem, 120, algorithm_stream(seed, cell, 0), checkpoints=[20, 120])
        if pilot.outcome["status"] in ("diverged", "oracle_error"):
            continue
        each = share * float(np.diff(pilot.metrics["oracle_calls"])[0]) / 100.0
        horizon = int(cell["runs"] / each)
        marks = np.unique(np.geomspace(1, horizon, 30 if cell["runs"] > 5000 else 8).astype(np.int64))
        run = method.run(instance.problem, horizon, algorithm_stream(seed, cell, 0), checkpoints=marks)
        if run.outcome["status"] in ("diverged", "oracle_error"):
            continue
        norms = run.metrics["gradient_norm"]
        if best and not norms[-1] < best[-1]["gradient_norm"]:
            continue
        chosen = upper if cell["algorithm"] not in ("V-PBGD", "BOME") else fraction
        best = [
            {"accesses": float(share * calls), "gradient_norm": float(norm), "step": chosen}
            for calls, norm in zip(run.metrics["oracle_calls"], norms, strict=True)
        ]
    if not best:
        raise RuntimeError(f"methods: {cell['algorithm']} diverged with every step on {cell['instance']}")
    return best


PARTS: dict[str, Callable[[Cell, int], list[Row]]] = {
    "closeness": _closeness,
    "complexity": _complexity,
    "noise": _noise,
    "single": _single,
    "momentum": _momentum,
    "cleaning": _cleaning,
    "tolls": _tolls,
    "toy": _toy,
    "methods": _methods,
}
"""What makes the rows of each part."""
