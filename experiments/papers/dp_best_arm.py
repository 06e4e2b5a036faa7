"""Private best-arm identification: error against budget and privacy, who wins where, and how loose the bounds are.

Source: arXiv:2401.09073, whose experiments are on synthetic arms. Its figures were not at hand: the instance with one
feature vector of norm 10 is the paper's up to the draw of its random features, the others are made here.

* Norm 10: DP-BAI, three private variants of OD-LinBAI, private halving, and OD-LinBAI without privacy.
* Spheres: what DP-BAI leaves on the table when there are fewer than d^2 arms.
* Unstructured: error against epsilon, beside the bounds that hold at this budget and the asymptotic rate.
* Budget for an error of 5% against epsilon: where privacy begins to cost.
* Gaussian against Laplace noise, for bases of few arms and of many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from algos import audit
from algos.streams import world_stream
from bandits import (
    DPBAI,
    DPOD,
    BestArmPolicy,
    DPBAIGauss,
    DPSequentialHalving,
    ODLinBAI,
    SequentialHalving,
    budget_for_error,
    clopper_pearson,
    dp_bai_bound,
    dp_bai_gauss_bound,
    dp_od_bound,
    elimination_law,
    error_rate,
    preference_law,
    two_arm_error,
)
from experiments.claims import Claim, Interval, exact
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from simulators import LinearArms, NormTenArms, SphereArms, unstructured_instance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXPERIMENT", "DPBestArm", "instance", "interval_of"]

TARGET = 0.05
BUDGETS = (200, 500, 1000, 3000, 10_000)
EPSILONS = (0.01, 0.1, 1.0)
_DELTAS = (1e-3, 1e-6)
_LEVEL = 0.995  # of each of two intervals whose difference is looked at
_TWO_ARMS = (0.6, 0.5)
_OWNERS = {"dp_bai_bound": "DP-BAI", "dp_od_bound": "DP-OD on sums", "dp_bai_gauss_bound": "DP-BAI-Gauss"}


class DPBestArm(Experiment):
    """Errors of private best-arm identification on synthetic arms, beside bounds and exact laws."""

    name = "dp_best_arm"
    question = "How many more pulls does a private choice of the best arm need, and which method needs the fewest?"
    source = "arXiv:2401.09073 (Chen et al., Fixed-Budget Differentially Private Best Arm Identification, ICLR 2024)"

    def cells(self, scale: Scale) -> list[Cell]:
        """An instance, a budget and an epsilon; all policies of a part meet the same rewards."""
        runs = 1000 if scale == "quick" else 20_000
        many = {"unstructured": 10 * runs, "budget": 4 * runs}  # arms without features are played faster
        cells: list[Cell] = []

        def add(part: str, world: str, budget: int, epsilon: float | None) -> None:
            cell: Cell = {"part": part, "instance": world, "budget": budget, "epsilon": epsilon}
            cells.append({**cell, "replications": many.get(part, runs)})

        for epsilon in EPSILONS:
            for budget in BUDGETS:
                add("linear", "norm 10", budget, epsilon)
        for budget in (2000, 5000, 10_000, 20_000, 50_000):
            add("linear", "sphere 64, 9", budget, 0.1)
        for budget in (10_000, 20_000, 50_000, 100_000, 200_000):
            add("linear", "sphere 1000, 5", budget, 0.1)
        for some in (0.003, 0.01, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, None):
            add("unstructured", "staircase", 3000, some)
        for epsilon in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0):
            add("budget", "staircase", 0, epsilon)
        for budget in (1000, 3000, 10_000, 30_000, 100_000):
            for world in ("norm 10", "sphere 300, 12"):
                add("noise", world, budget, 0.1)
        return cells

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """Count the errors of every policy of the part, or search for the budget that is enough."""
        import pandas as pd

        arms = instance(cell["instance"], seed)
        if cell["part"] == "budget":
            return pd.DataFrame([_budgets(arms, cell, seed)])
        rows = []
        for name, policy in _policies(cell).items():
            found = error_rate(
                policy,
                arms,
                cell["budget"],
                cell["replications"],
                seed,
                cell={**cell, "algorithm": name},
                workers=1,  # cells run side by side
            )
            rows.append(
                {
                    "algorithm": name,
                    "errors": found.errors,
                    "pulls": float(found.pulls.mean()),
                    "bound": _bound(name, arms, cell, "chernoff"),
                    "closed_bound": _bound(name, arms, cell, "split"),
                }
            )
        return pd.DataFrame(rows)

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """Bounds, who wins where, the price of privacy, and the audit."""
        return [*_bounds(results), *_winners(results), *_price(results), *_privacy()]

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """Errors on the instance of the paper and on the spheres."""
        linear = results[results["part"] == "linear"]
        tables = []
        for world, here in linear.groupby("instance", sort=False):
            wide = here.pivot_table(index=["epsilon", "budget"], columns="algorithm", values="errors", sort=False)
            runs = int(here["replications"].iloc[0])
            rows = [
                [f"{epsilon:g}", f"{budget:,}", *(f"{errors / runs:.3f}" for errors in row)]
                for (epsilon, budget), row in zip(wide.index, wide.to_numpy(), strict=True)
            ]
            tables.append(
                NamedTable(
                    f"Share of wrong answers, {world}, {runs:,} runs", ["epsilon", "budget", *wide.columns], rows
                )
            )
        return tables

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """Errors against the budget, against epsilon, the budget that is needed, and Gaussian against Laplace noise."""
        from experiments.papers import dp_best_arm_figures

        return dp_best_arm_figures.figures(results)

    def summary(self, results: pd.DataFrame) -> list[str]:
        """Who wins where."""
        norm, sphere = (
            _row(results, "linear", world, budget, 0.1) for world, budget in (("norm 10", 1000), ("sphere 64, 9", 5000))
        )
        return [
            f"Norm 10, 1,000 pulls, epsilon 0.1: DP-BAI errs in {_share(norm, 'DP-BAI')} of the runs, DP-OD in "
            f"{_share(norm, 'DP-OD sums')} (noise on sums), {_share(norm, 'DP-OD theta')} (theta) and "
            f"{_share(norm, 'DP-OD means')} (means), private halving in {_share(norm, 'DP halving')}.",
            f"Sphere, 64 arms in 9 dimensions, 5,000 pulls, epsilon 0.1: DP-BAI {_share(sphere, 'DP-BAI')}, DP-OD with "
            f"noise on sums {_share(sphere, 'DP-OD sums')}. With at most d^2 arms DP-BAI does not use the features at "
            "all: it is private halving with more phases, and DP-OD on sums is the better choice.",
        ]

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """Which cell is done."""
        return f"{self.name}: {cell['part']}, {cell['instance']}, T = {cell['budget']:,}, epsilon {cell['epsilon']}"


def instance(name: str, seed: int) -> LinearArms:
    """The arms of a name, the same in all cells of a run."""
    rng = world_stream(seed, {"instance": name}, 0)
    if name == "norm 10":
        return NormTenArms().sample(rng)
    if name == "staircase":
        return unstructured_instance("staircase", 9)
    n_arms, dimension = (int(word) for word in name.removeprefix("sphere ").split(", "))
    return SphereArms(n_arms, dimension).sample(rng)


def interval_of(row: Any, level: float = 0.95) -> Interval:
    """Clopper and Pearson's interval of a row's share of errors."""
    errors, runs = int(row["errors"]), int(row["replications"])
    return Interval(errors / runs, *clopper_pearson(errors, runs, level), f"{level:g} Clopper-Pearson")


def _epsilon(cell: Mapping[str, Any]) -> float:
    return math.inf if cell["epsilon"] is None or math.isnan(cell["epsilon"]) else cell["epsilon"]


def _policies(cell: Cell) -> dict[str, BestArmPolicy]:
    epsilon = _epsilon(cell)
    if cell["part"] == "unstructured":
        return {"DP-BAI": DPBAI(epsilon), "DP halving": DPSequentialHalving(epsilon), "halving": SequentialHalving()}
    if cell["part"] == "noise":
        gaussian = {f"Gaussian, delta {delta:g}": DPBAIGauss(epsilon, delta) for delta in _DELTAS}
        return {"Laplace": DPBAI(epsilon), **gaussian}
    return {
        "DP-BAI": DPBAI(epsilon),
        **{f"DP-OD {noise}": DPOD(epsilon, noise) for noise in ("sums", "theta", "means")},
        "DP halving": DPSequentialHalving(epsilon),
        "OD-LinBAI": ODLinBAI(),
    }


def _bound(algorithm: str, arms: LinearArms, cell: Cell, kind: Any) -> float:
    """The finite-time bound of an algorithm, 1 where there is none."""
    gaps, rank, budget, epsilon = arms.gaps, np.linalg.matrix_rank(arms.features), cell["budget"], _epsilon(cell)
    gaps = np.where(gaps < 1e-12, 0.0, gaps)
    if algorithm in ("DP-BAI", "Laplace"):
        return dp_bai_bound(gaps, rank, budget, epsilon, kind=kind)
    if algorithm == "DP-OD sums":
        return dp_od_bound(gaps, rank, budget, epsilon, kind=kind)
    if algorithm.startswith("Gaussian"):
        return dp_bai_gauss_bound(gaps, rank, budget, epsilon, float(algorithm.rpartition(" ")[2]))
    return 1.0


def _budgets(arms: LinearArms, cell: Cell, seed: int) -> dict[str, float]:
    """Budgets at which DP-BAI errs in 5% of the runs: simulated, by its bound, and exactly for two arms."""
    epsilon = _epsilon(cell)

    def simulated(budget: int) -> float:
        return error_rate(DPBAI(epsilon), arms, budget, cell["replications"], seed, cell=cell, workers=1).rate

    return {
        "simulated": _least(simulated, 40),
        "two_arms": _least(lambda budget: two_arm_error(_TWO_ARMS, budget, epsilon), 2),
        "by_bound": float(budget_for_error(arms.gaps, len(arms.gaps), epsilon, TARGET)),
        "two_arms_by_bound": float(budget_for_error([0.0, _TWO_ARMS[0] - _TWO_ARMS[1]], 2, epsilon, TARGET)),
    }


def _least(error: Any, start: int) -> float:
    """A budget at which the error is the target, to 2%, by doubling and bisection of its logarithm."""
    low, high = float(start), 2.0 * start
    while error(round(high)) > TARGET:
        low, high = high, 2.0 * high
    while high / low > 1.02:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if error(round(middle)) <= TARGET else (middle, high)
    return high


def _row(results: pd.DataFrame, part: str, world: str, budget: int, epsilon: float) -> dict[str, Any]:
    """The rows of one cell by algorithm."""
    chosen = results[
        (results["part"] == part)
        & (results["instance"] == world)
        & (results["budget"] == budget)
        & (results["epsilon"] == epsilon)
    ]
    return {row["algorithm"]: row for row in chosen.to_dict("records")}


def _share(rows: dict[str, Any], algorithm: str) -> str:
    return f"{rows[algorithm]['errors'] / rows[algorithm]['replications']:.1%}"


def _difference(first: Any, second: Any) -> Interval:
    """Share of errors of the first less that of the second; both intervals hold with 99%."""
    a, b = interval_of(first, _LEVEL), interval_of(second, _LEVEL)
    return Interval(a.estimate - b.estimate, a.low - b.high, a.high - b.low, "99% Clopper-Pearson, twice")


def _bounds(results: pd.DataFrame) -> list[Claim]:
    """The closest that the errors come to each bound."""
    claims = []
    played = results[results["part"].isin(["linear", "unstructured", "noise"])]
    for names, column, guarantee in (
        (("DP-BAI", "Laplace"), "bound", "dp_bai_bound"),
        (("DP-BAI", "Laplace"), "closed_bound", "dp_bai_bound"),
        (("DP-OD sums",), "bound", "dp_od_bound"),
        (tuple(f"Gaussian, delta {delta:g}" for delta in _DELTAS), "bound", "dp_bai_gauss_bound"),
    ):
        # A bound of 1 says nothing, and one far below 1 / runs cannot be put to the test.
        mine = played[played["algorithm"].isin(names) & played[column].between(0.02, 0.99)]
        if mine.empty:
            continue
        excess = []
        for row in mine.to_dict("records"):
            share = interval_of(row, 1 - 0.01 / len(mine))
            bound = float(row[column])
            excess.append(Interval(share.estimate - bound, share.low - bound, share.high - bound, share.method))
        worst = max(excess, key=lambda interval: interval.high)
        kind = "closed form" if column == "closed_bound" or "gauss" in guarantee else "Chernoff"
        claims.append(
            Claim(
                f"share of errors less the bound ({kind}) of {_OWNERS[guarantee]}, worst of {len(mine)} cells in which "
                "it lies between 0.02 and 0.99",
                worst,
                "<=",
                0.0,
                guarantee,
            )
        )
    return claims


def _winners(results: pd.DataFrame) -> list[Claim]:
    """Who errs less than whom."""
    claims = []
    norm = _row(results, "linear", "norm 10", 1000, 0.1)
    for other in ("DP-OD theta", "DP-OD means", "DP halving"):
        statement = f"norm 10, T = 1,000, epsilon 0.1: DP-BAI errs less than {other}; difference"
        claims.append(Claim(statement, _difference(norm["DP-BAI"], norm[other]), "<=", 0.0))
    same = _difference(norm["DP-BAI"], norm["DP-OD sums"])
    claims.append(
        Claim(
            "norm 10: DP-BAI and DP-OD on sums err equally often, as the G-optimal design is the basis; |difference|",
            Interval(abs(same.estimate), max(0.0, same.low, -same.high), max(-same.low, same.high), same.method),
            "<=",
            0.1,
        )
    )
    large = _row(results, "linear", "norm 10", 1000, 1.0)
    claims.append(
        Claim(
            "norm 10, T = 1,000, epsilon 1: DP-BAI comes within 2% of OD-LinBAI, which is not private; difference",
            _difference(large["DP-BAI"], large["OD-LinBAI"]),
            "<=",
            0.02,
        )
    )
    for world, budget in (("sphere 64, 9", 5000), ("sphere 1000, 5", 20_000)):
        rows = _row(results, "linear", world, budget, 0.1)
        statement = f"{world}, T = {budget:,}, epsilon 0.1: DP-OD on sums errs less than DP-BAI; difference"
        claims.append(Claim(statement, _difference(rows["DP-OD sums"], rows["DP-BAI"]), "<=", 0.0))
    small = _row(results, "noise", "norm 10", 1000, 0.1)
    statement = "norm 10, a basis of 2: Laplace noise errs less than Gaussian noise, delta 1e-6; difference"
    claims.append(Claim(statement, _difference(small["Laplace"], small["Gaussian, delta 1e-06"]), "<=", 0.0))
    return claims


def _price(results: pd.DataFrame) -> list[Claim]:
    """Slopes of the budget against epsilon, exactly for two arms."""
    needed = results[results["part"] == "budget"].sort_values("epsilon")
    claims = []
    for column, words in (("two_arms", "two arms, exact law"), ("simulated", "staircase, simulated")):
        logs = np.log(needed[[column, "epsilon"]].to_numpy(dtype=float))
        slopes = np.diff(logs[:, 0]) / np.diff(logs[:, 1])
        claims.append(
            Claim(
                f"{words}: at small epsilon the budget for 5% errors grows as 1 / epsilon; slope",
                exact(float(slopes[0])),
                "<=",
                -0.9,
            )
        )
        claims.append(
            Claim(f"{words}: at large epsilon it does not depend on it; slope", exact(float(slopes[-1])), ">=", -0.1)
        )
    return claims


def _privacy() -> list[Claim]:
    """The audit of three arms at epsilon = 1, and of the control that uses rewards twice."""
    epsilon = 1.0

    def reused(table: np.ndarray) -> list[float]:
        sums = table.sum(axis=1)
        law, chances = elimination_law(sums, epsilon), []
        for arm in range(3):
            left, right = (other for other in range(3) if other != arm)
            chosen = float(preference_law(sums[left] - sums[right], epsilon))
            chances += [law[arm] * chosen, law[arm] * (1 - chosen)]
        return chances

    honest = audit(lambda table: elimination_law(table.sum(axis=1), epsilon), (3, 2), epsilon)
    control = audit(reused, (3, 2), epsilon)
    return [
        Claim(
            "three arms, epsilon 1: largest likelihood ratio of the first elimination over all tables is at most e",
            exact(honest.largest_ratio),
            "<=",
            math.e,
        ),
        Claim(
            "control: using the rewards of phase 1 again in phase 2 exceeds e, and the audit sees it",
            exact(control.largest_ratio),
            ">=",
            math.e,
        ),
    ]


EXPERIMENT = DPBestArm()
