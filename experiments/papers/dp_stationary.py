"""Private optimization to stationary points: which method gets how far with a budget, and what the budget is.

Source: Arora et al., ICML 2023 (arXiv:2206.00846), which has no experiments: these are ours, and the numbers beside
them are those of an independent prototype, from the project's specification.

* E1: root mean square of the true gradients against n mu, noisy gradient descent and Private SpiderBoost, for robust
  regression and for labels.
* E2: the same on two real tables.
* E3: Poisson batches. E4: one pass of the tree-based method. E5: recursive regularisation, convex losses.
* E6: records of low rank in many dimensions. Last iterates. Warm starts.
* E7: an audit of the releases, and of ones with half of the noise.
* E8: epsilon against the number of releases, by accountant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.claims import Claim, exact, mean_interval
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from experiments.papers.dp_stationary_runs import ACCOUNTANTS, DESCENT, KNOWN, SPIDER, run_part

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXPERIMENT", "DPStationary"]

_WARM = "warm start"
_TITLES = {
    "rates": "E1: Lorentz losses, n = 600, d = 20, by n mu: root mean square of the true gradients",
    "labels": "E1: sigmoid losses, n = 600, d = 20, by n mu: root mean square of the true gradients",
    "tables": "E2: sigmoid losses of real tables, by epsilon: root mean square of the true gradients",
    "batches": "E3: Poisson batches, 2,000 of 20,000 records, d = 10, by epsilon: root mean square of the last quarter",
    "tree": "E4: one pass over 100,000 records, d = 10, epsilon = 1, by the reach over the paper's: final gradient",
    "convex": "E5: logistic losses, d = 10, epsilon = 1, by n: final gradient (the prototype's instance is not known)",
    "rank": "E6: records of rank 5, n = 400, n mu = 3,000, by d: root mean square of the gradients (of the projected "
    "problem where projected)",
    "last": "Last iterates, n = 20,000, d = 50, epsilon = 2: final gradient",
}


class DPStationary(Experiment):
    """Stationarity for a privacy budget."""

    name = "dp_stationary"
    question = "How small a gradient can a privacy budget buy, with which method?"
    source = "arXiv:2206.00846 (Arora et al., ICML 2023)"

    def cells(self, scale: Scale) -> list[Cell]:
        """A part, an instance and a method; methods of an instance meet the same records."""
        runs = 30 if scale == "paper" else 10
        counts = {"batches": runs // 3, "tree": runs // 3, "convex": runs // 2, "rank": runs // 2, "last": runs // 5}
        cells: list[Cell] = [
            {"part": part, "instance": instance, "algorithm": method, "runs": counts.get(part, runs)}
            for part, known in KNOWN.items()
            for instance, method in known
        ]
        trials = 20_000 if scale == "paper" else 4000
        return [
            *cells,
            *(
                {"part": "warm", "instance": size, "algorithm": method, "runs": runs}
                for size in ("1000", "10000")
                for method in (SPIDER, _WARM)
            ),
            *({"part": "audit", "instance": one, "algorithm": SPIDER, "runs": trials} for one in ("1", "0.5")),
            *(
                {"part": "accountants", "instance": "rate 0.01, z = 1", "algorithm": name, "runs": 1}
                for name in ACCOUNTANTS
            ),
        ]

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """Rows of a cell; columns differ from part to part."""
        import pandas as pd

        return pd.DataFrame(run_part(cell, seed))

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """Certificates, the prototype's numbers, who wins where, the audit, the accountants."""
        return [*_bounds(results), *_beside_the_prototype(results), *_orders(results), *_budgets(results)]

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """Every part beside the prototype's numbers."""
        return [_beside(results, part) for part in KNOWN]

    def summary(self, results: pd.DataFrame) -> list[str]:
        """Who wins where."""
        means = _means(results, "rates")
        sizes = [instance for instance, method in KNOWN["rates"] if method == SPIDER]
        ratios = ", ".join(f"{means[one, SPIDER] / means[one, DESCENT]:.2f} at n mu = {int(one):,}" for one in sizes)
        slopes = {part: [_slope(results, part, method) for method in (DESCENT, SPIDER)] for part in ("rates", "labels")}
        last, warm, rank = (_means(results, part) for part in ("last", "warm", "rank"))
        cold = {size: warm[size, SPIDER] / warm[size, _WARM] for size in ("1000", "10000")}
        true = results[(results["part"] == "rank") & (results["algorithm"] == "projected SpiderBoost")]
        return [
            f"SpiderBoost's root mean square gradient over that of noisy gradient descent: {ratios}.",
            "Fitted slopes in log(n mu), noisy gradient descent and SpiderBoost: "
            f"{slopes['rates'][0]:.2f} and {slopes['rates'][1]:.2f} (robust regression), {slopes['labels'][0]:.2f} and "
            f"{slopes['labels'][1]:.2f} (labels); in theory -1/2 and -2/3, of which transients hide some.",
            "These are means over all iterates, of which the theorems speak. The last one of noisy gradient descent is "
            f"better here: {last['20000', DESCENT]:.4f} against {last['20000', SPIDER]:.4f}, as contraction averages "
            "independent noise, and SpiderBoost's errors within a phase are alike.",
            f"A start that costs a fifth of the budget makes SpiderBoost's error {cold['1000']:.1f} times smaller at "
            f"n mu = 1,000 and {cold['10000']:.1f} times at 10,000.",
            "Records of rank 5: noisy gradient descent tuned for the rank needs no projection, and stays at "
            f"{rank['2000', f'{DESCENT}, by rank']:.3f} for any d, where SpiderBoost grows to "
            f"{rank['2000', SPIDER]:.3f}. Projected, SpiderBoost stays at {rank['2000', 'projected SpiderBoost']:.3f} "
            f"in the projected problem, which is {true['true_error'].mean():.3f} in the original one.",
            "Tuned one-pass DP-SGD is better than the tree at the size of E4 (specification; not run here).",
        ]

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """E1, E6 and E8."""
        from experiments.papers import dp_stationary_figures

        return dp_stationary_figures.figures(results)

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """Which cell is done."""
        return f"{self.name}: {cell['part']}, {cell['instance']}, {cell['algorithm']}"


def _means(results: pd.DataFrame, part: str, column: str = "error") -> pd.Series:
    return results[results["part"] == part].groupby(["instance", "algorithm"])[column].mean()


def _slope(results: pd.DataFrame, part: str, method: str) -> float:
    """Of log error in log(n mu)."""
    means = _means(results, part)
    sizes = [instance for instance, name in KNOWN[part] if name == method]
    errors = [means[size, method] for size in sizes]
    return float(np.polyfit(np.log([float(size) for size in sizes]), np.log(errors), 1)[0])


def _bounds(results: pd.DataFrame) -> list[Claim]:
    """What is proved: means of squares against certificates, and budgets."""
    played = results[results["part"].isin(["rates", "labels", "tables"])]
    claims = []
    for method, bound in ((SPIDER, "spider_bound"), (DESCENT, "descent_bound")):
        rows = played[played["algorithm"] == method]
        squares = rows.assign(square=rows["error"] ** 2).groupby(["part", "instance"])["square"].mean() ** 0.5
        ratio = float((squares / rows.groupby(["part", "instance"])["certificate"].mean()).max())
        statement = f"{method}: root mean square of the gradients over its certificate, worst instance"
        claims.append(Claim(statement, exact(ratio), "<=", 1.0, bound))
    asked = results[results["asked"].notna()]
    off = float((asked["epsilon"] / asked["asked"] - 1).abs().max())
    claims.append(
        Claim("the budget asked for and the one accounted, largest relative difference", exact(off), "<=", 1e-6)
    )
    ranked = results[(results["part"] == "rank") & (results["algorithm"] == f"{DESCENT}, by rank")]
    ratio = float((ranked["error"] / ranked["certificate"]).max())
    statement = "E6: noisy gradient descent over its bound with the rank in place of d"
    claims.append(Claim(statement, exact(ratio), "<=", 1.0, "tuned_descent_bound"))
    return claims


def _beside_the_prototype(results: pd.DataFrame) -> list[Claim]:
    claims = []
    for part in ("rates", "labels", "tables", "rank"):
        means = _means(results, part)
        off = max(abs(float(means[key]) / value - 1) for key, value in KNOWN[part].items())
        claims.append(Claim(f"{part}: largest relative difference from the prototype", exact(off), "<=", 0.15))
    return claims


def _orders(results: pd.DataFrame) -> list[Claim]:
    """Which method is ahead of which."""
    claims = []
    for part in ("rates", "labels"):
        here = results[(results["part"] == part) & (results["instance"] == "10000")]
        two, one = (here[here["algorithm"] == method]["error"].to_numpy(float) for method in (SPIDER, DESCENT))
        statement = f"E1, {part}: n mu = 10,000: SpiderBoost's error less 0.9 times that of noisy gradient descent"
        claims.append(Claim(statement, mean_interval(two - 0.9 * one), "<=", 0.0))
        steeper = _slope(results, part, SPIDER) - _slope(results, part, DESCENT)
        claims.append(Claim(f"E1, {part}: SpiderBoost's slope less that of descent", exact(steeper), "<=", 0.0))
    batches, tree = _means(results, "batches"), _means(results, "tree")
    spider = min(batches["4", "SpiderBoost, step 0.5"], batches["4", "SpiderBoost, step 0.25"])
    sgd = min(batches["4", "DP-SGD, step 0.3"], batches["4", "DP-SGD, step 1"])
    ratio = float(spider / sgd)
    claims.append(Claim("E3: epsilon = 4: SpiderBoost's best over DP-SGD's best", exact(ratio), "<=", 1.0))
    ratio = float(tree["3", "tree-based Spider"] / tree["1", "tree-based Spider"])
    statement = "E4: a reach of three times the paper's ends lower than the paper's, ratio"
    claims.append(Claim(statement, exact(ratio), "<=", 1.0))
    convex = _means(results, "convex")
    falls = float(convex["2000", "recursive regularisation"] / convex["20000", "recursive regularisation"])
    statement = "E5: ten times the records make recursive regularisation's gradient smaller, at least by sqrt(10)"
    claims.append(Claim(statement, exact(falls), ">=", 10.0**0.5, "convex_population_rate"))
    worse = min(float(convex[n, "recursive regularisation"] / convex[n, DESCENT]) for n in ("2000", "20000"))
    statement = "E5: and it ends above the last iterate of noisy gradient descent, least ratio"
    claims.append(Claim(statement, exact(worse), ">=", 1.0))
    rank = _means(results, "rank")
    growth = {method: float(rank["2000", method] / rank["20", method]) for _, method in KNOWN["rank"]}
    flat = (f"{DESCENT}, by rank", "projected SpiderBoost")
    claims += [Claim(f"E6: {one}: d = 2,000 over d = 20", exact(growth[one]), "<=", 1.1) for one in flat]
    claims.append(Claim(f"E6: {SPIDER}: d = 2,000 over d = 20", exact(growth[SPIDER]), ">=", 2.0))
    last, warm = _means(results, "last"), _means(results, "warm")
    ratio = float(last["20000", SPIDER] / last["20000", DESCENT])
    claims.append(Claim("last iterates: SpiderBoost's over noisy gradient descent's", exact(ratio), ">=", 1.0))
    worst = max(float(warm[size, _WARM] / warm[size, SPIDER]) for size in ("1000", "10000"))
    claims.append(Claim("warm starts: with over without, same budget, larger ratio", exact(worst), "<=", 0.75))
    return claims


def _budgets(results: pd.DataFrame) -> list[Claim]:
    """E7 and E8."""
    found = results[results["part"] == "audit"].set_index("instance")["bound"]
    here = results[(results["part"] == "accountants") & (results["releases"] == 1000)]
    spent = here.set_index("algorithm")["epsilon"]
    return [
        Claim("E7: audited epsilon of the releases, 1 claimed", exact(float(found["1"])), "<=", 1.0),
        Claim("E7: audited epsilon with half of the noise", exact(float(found["0.5"])), ">=", 1.0),
        Claim("E8: RDP of 1,000 releases, to the digits given", exact(round(float(spent["rdp"]), 6)), "=", 2.101367),
        Claim("E8: PLD of 1,000 releases, to the digits given", exact(round(float(spent["pld"]), 6)), "=", 1.828244),
    ]


def _beside(results: pd.DataFrame, part: str) -> NamedTable:
    """Means with standard errors, ours / the prototype's."""
    found = results[results["part"] == part].groupby(["instance", "algorithm"])["error"].agg(["mean", "sem"])
    methods = list(dict.fromkeys(method for _, method in KNOWN[part]))
    rows = []
    for instance in dict.fromkeys(instance for instance, _ in KNOWN[part]):
        cells = []
        for method in methods:
            value = KNOWN[part].get((instance, method))
            if value is None:
                cells.append("")
            else:
                ours = found.loc[(instance, method)]
                cells.append(f"{ours['mean']:.3g} ± {ours['sem']:.1g} / {value:.3g}")
        rows.append([f"{int(instance):,}" if instance.isdigit() else instance, *cells])
    return NamedTable(f"{_TITLES[part]}, ours / the prototype's", ["instance", *methods], rows)


EXPERIMENT = DPStationary()
