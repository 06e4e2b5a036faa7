"""The runs of `dp_stationary`, and the numbers of the prototype beside which they stand.

Those numbers are of an independent prototype, from the project's specification; the paper has none.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from algos.privacy import (
    GaussianReleases,
    advanced_composition,
    audit,
    calibrate_noise,
    compose,
    gaussian_epsilon,
    gaussian_mu,
)
from algos.streams import algorithm_stream, world_stream
from experiments.experiment import Cell
from optimization.differentially_private import (
    DPGD,
    DPSGD,
    JLProjected,
    PrivateSpiderBoost,
    RecursiveRegularization,
    TreeSpider,
    WarmStart,
    descent_schedule,
    spider_schedule,
    split_budget,
    tree_schedule,
    tuned_descent_bound,
)
from simulators.erm import (
    LinearModelRisk,
    Loss,
    breast_cancer,
    digits,
    labelled_sphere,
    low_rank_regression,
    robust_regression,
)

__all__ = ["ACCOUNTANTS", "DELTA", "DESCENT", "KNOWN", "PARTS", "SPIDER", "run_part"]

DELTA = 1e-5
DESCENT, SPIDER = "noisy gradient descent", "Private SpiderBoost"
ACCOUNTANTS = ("basic", "advanced", "rdp", "pld")
_STEPS = (1, 3, 10, 30, 100, 300, 1000)
_RANK, _LOW = 5, 15  # of E6's records, and the dimension that they are projected to

KNOWN: dict[str, dict[tuple[str, str], float]] = {
    "rates": {
        **{(size, DESCENT): value for size, value in zip(
            ("100", "300", "1000", "3000", "10000"), (0.0882, 0.0680, 0.0391, 0.0225, 0.0123), strict=True)},
        **{(size, SPIDER): value for size, value in zip(
            ("100", "300", "1000", "3000", "10000"), (0.0909, 0.0679, 0.0348, 0.0196, 0.0097), strict=True)},
    },
    "labels": {
        **{(size, DESCENT): value for size, value in zip(
            ("100", "300", "1000", "3000", "10000"), (0.0392, 0.0279, 0.0168, 0.0101, 0.0057), strict=True)},
        **{(size, SPIDER): value for size, value in zip(
            ("100", "300", "1000", "3000", "10000"), (0.0406, 0.0271, 0.0141, 0.0072, 0.0035), strict=True)},
    },
    "tables": {
        ("breast_cancer, 1", DESCENT): 0.0281, ("breast_cancer, 1", SPIDER): 0.0286,
        ("breast_cancer, 8", DESCENT): 0.0174, ("breast_cancer, 8", SPIDER): 0.0139,
        ("digits, 1", DESCENT): 0.0195, ("digits, 1", SPIDER): 0.0192,
        ("digits, 8", DESCENT): 0.0112, ("digits, 8", SPIDER): 0.0082,
    },
    "batches": {
        ("4", "DP-SGD, step 0.3"): 5.3e-4, ("4", "DP-SGD, step 1"): 1.2e-3,
        ("4", "SpiderBoost, step 0.5"): 4.7e-4, ("4", "SpiderBoost, step 0.25"): 3.7e-4,
        ("1", "DP-SGD, step 0.3"): 1.4e-3, ("1", "SpiderBoost, step 0.25"): 1.3e-3,
    },
    "tree": {("1", "tree-based Spider"): 0.0497, ("3", "tree-based Spider"): 0.0117, ("10", "tree-based Spider"): 0.03},
    "convex": {
        ("2000", "recursive regularisation"): 0.079, ("2000", DESCENT): 0.019,
        ("20000", "recursive regularisation"): 0.018, ("20000", DESCENT): 0.0039,
    },
    "rank": {
        ("20", SPIDER): 0.0223, ("200", SPIDER): 0.0419, ("2000", SPIDER): 0.0871,
        ("20", "projected SpiderBoost"): 0.0288, ("200", "projected SpiderBoost"): 0.0287,
        ("2000", "projected SpiderBoost"): 0.0274,
        ("20", DESCENT): 0.0314, ("200", DESCENT): 0.0524, ("2000", DESCENT): 0.0908,
        ("20", f"{DESCENT}, by rank"): 0.0240, ("200", f"{DESCENT}, by rank"): 0.0235,
        ("2000", f"{DESCENT}, by rank"): 0.0231,
    },
    "last": {("20000", DESCENT): 0.0034, ("20000", SPIDER): 0.0064},
}  # fmt: skip
"""By part, then instance and method: root mean squares of true gradients, or final ones (tree, convex, last)."""

Row = dict[str, Any]


def run_part(cell: Cell, seed: int) -> list[Row]:
    """Rows of a cell.

    Parameters
    ----------
    cell : dict
        ``part``, ``instance``, ``algorithm`` and ``runs``.
    seed : int
    """
    return PARTS[cell["part"]](cell, seed)


def _world(cell: Cell, seed: int, r: int) -> np.random.Generator:
    return world_stream(seed, cell, r, shared=("algorithm", "runs", "instance"))


def _known_gap(problem: LinearModelRisk) -> LinearModelRisk:
    """The same with F0 = F(0): a simulation may look."""
    gap = problem.value(np.zeros(problem.dimension))
    return LinearModelRisk(problem.features, problem.targets, problem.loss, initial_gap=gap)


def _descended(problem: LinearModelRisk, epsilon: float, cell: Cell, seed: int, r: int) -> Row:
    """One run of noisy gradient descent or SpiderBoost with tuned schedules."""
    if cell["algorithm"] == DESCENT:
        method, horizon = DPGD(epsilon, DELTA), descent_schedule(problem, epsilon, DELTA)
    else:
        horizon, phase = spider_schedule(problem, epsilon, DELTA)
        method = PrivateSpiderBoost(epsilon, DELTA, phase)  # type: ignore[assignment]
    run = method.run(problem, horizon, algorithm_stream(seed, cell, r), checkpoints=[horizon]).outcome
    return {
        "error": run["root_mean_square"],
        "certificate": run["certificate"],
        "epsilon": run["epsilon"],
        "asked": epsilon,
    }


def _rates(cell: Cell, seed: int) -> list[Row]:
    epsilon = gaussian_epsilon(int(cell["instance"]) / 600, DELTA)
    problems = (_known_gap(robust_regression(600, 20, _world(cell, seed, r))) for r in range(cell["runs"]))
    return [_descended(problem, epsilon, cell, seed, r) for r, problem in enumerate(problems)]


def _labels(cell: Cell, seed: int) -> list[Row]:
    epsilon = gaussian_epsilon(int(cell["instance"]) / 600, DELTA)
    problems = (labelled_sphere(600, 20, _world(cell, seed, r)) for r in range(cell["runs"]))
    return [_descended(problem, epsilon, cell, seed, r) for r, problem in enumerate(problems)]


def _tables(cell: Cell, seed: int) -> list[Row]:
    name, epsilon = cell["instance"].split(", ")
    problem = {"breast_cancer": breast_cancer, "digits": digits}[name]()
    return [_descended(problem, float(epsilon), cell, seed, r) for r in range(cell["runs"])]


def _batches(cell: Cell, seed: int) -> list[Row]:
    """Poisson batches of a tenth of 20,000 records; the last quarter of 800 releases."""
    name, step = cell["algorithm"].split(", step ")
    epsilon, rows = float(cell["instance"]), []
    if name == "DP-SGD":
        method: PrivateSpiderBoost = DPSGD(epsilon, DELTA, step=float(step), anchor_batch=2000, accountant="rdp")
    else:
        method = PrivateSpiderBoost(
            epsilon, DELTA, 50, step=float(step), anchor_batch=20_000, variation_batch=2000, sampling="poisson",
            adjacency="add_remove", accountant="rdp",
        )  # fmt: skip
    for r in range(cell["runs"]):
        problem = robust_regression(20_000, 10, _world(cell, seed, r))
        found = method.run(
            problem, 800, algorithm_stream(seed, cell, r), checkpoints=range(601, 801), measure_all=False
        )
        rows.append({"error": math.sqrt(float(np.mean(found.metrics["gradient_norm"] ** 2)))})
    return rows


def _tree(cell: Cell, seed: int) -> list[Row]:
    rows = []
    for r in range(cell["runs"]):
        problem = robust_regression(100_000, 10, _world(cell, seed, r))
        schedule = tree_schedule(100_000, 10, 1.0, problem.lipschitz)
        method = TreeSpider(1.0, 1e-6, beta_scale=float(cell["instance"]))
        run = method.run(problem, schedule.rounds, algorithm_stream(seed, cell, r), trace=True).outcome
        rows.append({"error": float(np.linalg.norm(problem.gradient(run["leaves_at"][-1])))})
    return rows


def _convex(cell: Cell, seed: int) -> list[Row]:
    """Logistic losses, epsilon = 1: the last true gradient."""
    rows, n = [], int(cell["instance"])
    for r in range(cell["runs"]):
        problem = labelled_sphere(n, 10, _world(cell, seed, r), loss="logistic", norm=3.0, noisy=True)
        own = algorithm_stream(seed, cell, r)
        if cell["algorithm"] == DESCENT:
            end = _last(DPGD(1.0, DELTA, output="last"), problem, descent_schedule(problem, 1.0, DELTA), own)
        else:
            method = RecursiveRegularization(1.0, DELTA, radius=3.0)
            end = method.run(problem, 100, own).outcome["iterate"]
        rows.append({"error": float(np.linalg.norm(problem.gradient(end)))})
    return rows


def _last(method: PrivateSpiderBoost, problem: Any, horizon: int, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(method.run(problem, horizon, rng, checkpoints=[horizon], measure_all=False).outcome["iterate"])


class _OfRank:
    """A problem's constants with the rank of its records in place of the dimension."""

    def __init__(self, problem: LinearModelRisk, rank: int) -> None:
        self.n_records, self.dimension = problem.n_records, rank
        self.lipschitz, self.smoothness, self.gap = problem.lipschitz, problem.smoothness, problem.gap


def _rank(cell: Cell, seed: int) -> list[Row]:
    d, epsilon, rows = int(cell["instance"]), gaussian_epsilon(3000 / 400, DELTA), []
    for r in range(cell["runs"]):
        problem = _known_gap(low_rank_regression(400, d, _RANK, _world(cell, seed, r)))
        own = algorithm_stream(seed, cell, r)
        if cell["algorithm"] == "projected SpiderBoost":
            low = problem.projected(np.zeros((_LOW, d)))  # for its constants
            horizon, phase = spider_schedule(low, epsilon, DELTA)
            method = JLProjected(PrivateSpiderBoost(epsilon, DELTA, phase), _LOW)
            found = method.run(problem, horizon, own, checkpoints=[horizon], trace=True).outcome
            some = found["iterates"][:: max(1, horizon // 500)]
            truth = math.sqrt(np.mean([float(np.sum(problem.gradient(w) ** 2)) for w in some]))
            rows.append({"error": found["root_mean_square"], "true_error": truth})
        elif cell["algorithm"] == f"{DESCENT}, by rank":
            constants: Any = _OfRank(problem, _RANK)
            horizon = descent_schedule(constants, epsilon, DELTA)
            found = DPGD(epsilon, DELTA).run(problem, horizon, own, checkpoints=[horizon]).outcome
            bound = tuned_descent_bound(
                400, _RANK, gaussian_mu(epsilon, DELTA), problem.lipschitz, problem.smoothness, problem.gap
            )
            rows.append({
                "error": found["root_mean_square"], "true_error": found["root_mean_square"], "certificate": bound,
            })  # fmt: skip
        else:
            row = _descended(problem, epsilon, cell, seed, r)
            rows.append({"error": row["error"], "true_error": row["error"], "certificate": row["certificate"]})
    return rows


def _last_iterates(cell: Cell, seed: int) -> list[Row]:
    """N = 20,000, d = 50, epsilon = 2: where a locally convex basin averages independent noise."""
    rows = []
    for r in range(cell["runs"]):
        problem = _known_gap(robust_regression(int(cell["instance"]), 50, _world(cell, seed, r)))
        if cell["algorithm"] == DESCENT:
            method: PrivateSpiderBoost = DPGD(2.0, DELTA, output="last")
            horizon = descent_schedule(problem, 2.0, DELTA)
        else:
            horizon, phase = spider_schedule(problem, 2.0, DELTA)
            method = PrivateSpiderBoost(2.0, DELTA, phase, output="last")
        end = _last(method, problem, horizon, algorithm_stream(seed, cell, r))
        rows.append({"error": float(np.linalg.norm(problem.gradient(end)))})
    return rows


def _warm(cell: Cell, seed: int) -> list[Row]:
    """A fifth of the budget for a start that is taken to be ten times closer; the same instance as E1."""
    epsilon, rows = gaussian_epsilon(int(cell["instance"]) / 600, DELTA), []
    for r in range(cell["runs"]):
        problem, own = _known_gap(robust_regression(600, 20, _world(cell, seed, r))), algorithm_stream(seed, cell, r)
        if cell["algorithm"] == SPIDER:
            horizon, phase = spider_schedule(problem, epsilon, DELTA)
            found = PrivateSpiderBoost(epsilon, DELTA, phase).run(problem, horizon, own, checkpoints=[horizon])
        else:
            one, two = split_budget(epsilon, DELTA, (0.2, 0.8))
            closer = LinearModelRisk(
                problem.features, problem.targets, Loss("lorentz"), initial_gap=0.1 * problem.gap
            )  # for the schedule; nothing is certified with it
            horizon, phase = spider_schedule(closer, two, DELTA)
            method = WarmStart(
                DPGD(one, DELTA, output="last"),
                PrivateSpiderBoost(two, DELTA, phase),
                descent_schedule(problem, one, DELTA),
            )
            found = method.run(problem, horizon, own, checkpoints=[horizon])
        rows.append({
            "error": found.outcome["root_mean_square"], "epsilon": found.outcome["epsilon"], "asked": epsilon,
        })  # fmt: skip
    return rows


class _Canary:
    """Zero data, and one record that pushes every release as far as it may."""

    n_records, dimension, lipschitz, smoothness, gap = 10, 2, 1.0, 1.0, 1.0

    def __init__(self, present: bool) -> None:
        self._push = np.array([float(present), 0.0])

    def value(self, w: np.ndarray) -> float:
        return 0.0

    def gradient_sum(self, w: np.ndarray, *, clip: float = math.inf, batch: np.ndarray | None = None) -> np.ndarray:
        return self._push * min(clip, 1.0)

    def variation_sum(
        self, w: np.ndarray, before: np.ndarray, *, clip: float = math.inf, batch: np.ndarray | None = None
    ) -> np.ndarray:
        return self._push * min(clip, 2.0)


def _audit(cell: Cell, seed: int) -> list[Row]:
    """The likelihood ratio of all releases with and without the canary; records added or removed."""
    factor, method = float(cell["instance"]), PrivateSpiderBoost(1.0, DELTA, 2, adjacency="add_remove")
    mu = gaussian_mu(1.0, DELTA)

    def mechanism(present: bool, rng: np.random.Generator) -> float:
        run = method.run(_Canary(present), 4, rng, trace=True).outcome
        most = run["noise"] / run["noise_multiplier"][[0, 1, 0, 1]] / (1 + 1e-12)
        drawn = run["releases"][:, 0] - present * most
        return float((((present * most + factor * drawn) * most) / run["noise"] ** 2).sum())

    found = audit(
        mechanism, epsilon=1.0, delta=DELTA, trials=cell["runs"], rng=algorithm_stream(seed, cell, 0),
        threshold=mu**2 / 2, confidence=0.999,
    )  # fmt: skip
    return [{"bound": found.gaussian_lower_bound, "any_mechanism": found.lower_bound}]


def _accountants(cell: Cell, seed: int) -> list[Row]:
    """Of Poisson batches of one in a hundred with z = 1, records added or removed."""
    rows, name = [], cell["algorithm"]
    for steps in _STEPS:
        if name in ("rdp", "pld"):
            epsilon = compose(
                [GaussianReleases(1.0, steps, 0.01)], DELTA, adjacency="add_remove", sampling="poisson", accountant=name
            ).epsilon
        else:
            # Each release has its share of delta, amplified by sampling; the advanced theorem takes half of delta.
            each_delta = (DELTA if name == "basic" else DELTA / 2) / steps / 0.01
            one = math.log1p(0.01 * math.expm1(_epsilon_of(min(each_delta, 0.5))))
            epsilon = (
                steps * one if name == "basic" else advanced_composition(one, DELTA / 2 / steps, steps, DELTA / 2)[0]
            )
        rows.append({"releases": steps, "epsilon": epsilon})
    return rows


def _epsilon_of(delta: float) -> float:
    """Of one release of all records with z = 1."""
    found = gaussian_epsilon(1.0, delta)
    return found if calibrate_noise(found, delta) <= 1.0 + 1e-9 else math.nan


PARTS = {
    "rates": _rates,
    "labels": _labels,
    "tables": _tables,
    "batches": _batches,
    "tree": _tree,
    "convex": _convex,
    "rank": _rank,
    "last": _last_iterates,
    "warm": _warm,
    "audit": _audit,
    "accountants": _accountants,
}
"""What makes the rows of each part."""
