"""Penalty methods for bilevel problems: how close, how fast, with which noise, and beside which rivals.

Source: Kwon, Kwon, Wright and Nowak, ICLR 2024 (arXiv:2309.01753), which has no experiments: these are ours, and the
numbers beside them are those of an independent prototype, from the project's specification.

* E1: psi_s and its gradient against psi's, by s; and near the points where counter-examples break an assumption.
* E2: outer steps to a gradient of eps without noise, with steps that shrink like sigma and with constant ones.
* E3: gradients against accesses with noise, Algorithms 1 and 2. E4: what the momentum of Algorithm 2 is for.
* E5: cleaning of labels. E6: tolls of Pigou's and Braess's networks. E7: a lower level that is not convex.
* E8: gradients against accesses for all methods of the library.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from experiments.claims import Claim, Interval, exact, mean_interval
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from experiments.papers.bilevel_penalty_methods import CONTENDERS
from experiments.papers.bilevel_penalty_runs import CLOSENESS, CONSTANT, KNOWN, MOMENTUM, PLAIN, SAFE, run_part

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXPERIMENT", "BilevelPenalty"]

_SLOPES = {SAFE: -2.8, CONSTANT: -1.8}
_SECOND_DERIVATIVES = ("AID", "ITD", "stocBiO", "AmIGO", "TTSA", "SOBA", "SABA")
_REGULAR = ("quadratic", "ridge", "simplex", "many solutions")


class BilevelPenalty(Experiment):
    """Bilevel optimization by penalties."""

    name = "bilevel_penalty"
    question = "What do gradients alone cost on a bilevel problem, and when can the penalised one be trusted?"
    source = "arXiv:2309.01753 (Kwon, Kwon, Wright and Nowak, ICLR 2024)"

    def cells(self, scale: Scale) -> list[Cell]:
        """A part, an instance and a method; methods of an instance meet the same problem."""
        whole = scale == "paper"

        def cell(part: str, instance: str, algorithm: str, runs: int = 1) -> Cell:
            return {"part": part, "instance": instance, "algorithm": algorithm, "runs": runs}

        eps, budgets = ["0.1", "0.05", "0.025"], ["10000", "100000", "1000000"]
        if whole:
            eps += ["0.0125", "0.00625"]
            budgets += ["10000000"]
        long = "1000000" if whole else "100000"
        accesses = {"quadratic": 20_000, "ridge": 20_000}
        if whole:
            accesses |= {"logistic": 20_000, "cleaning": 3000}
        return [
            *(cell("closeness", name, "penalty") for name in CLOSENESS),
            *(cell("complexity", one, steps) for steps in (SAFE, CONSTANT) for one in eps),
            *(cell("noise", budget, "Algorithm 1", 40 if whole else 20) for budget in budgets),
            cell("single", long, "Algorithm 2", 10),
            *(cell("momentum", long, kind, 10) for kind in (MOMENTUM, PLAIN)),
            cell("cleaning", "digits", "penalty"),
            *(cell("tolls", network, "Algorithm 1") for network in ("Pigou", "Braess")),
            *(cell("toy", sigma, "Algorithm 1", 20) for sigma in ("0.1", "0.01", "0.001")),
            *(
                cell("methods", name, method, budget)
                for name, budget in accesses.items()
                for method in CONTENDERS
                if method != "SABA" or name == "quadratic"  # the only one whose records can be asked for one by one
            ),
        ]

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """Rows of a cell; columns differ from part to part. ``runs``: starts in x of the toy, accesses of E8."""
        import pandas as pd

        rows, measured = run_part(cell, seed)
        frame = pd.DataFrame(rows)
        frame.attrs.update(measured)
        return frame

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """Slopes, the specification's numbers, and the order of methods."""
        return [*_close(results), *_complex(results), *_noisy(results), *_applied(results), *_ordered(results)]

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """E2, E3, E5, E7 and E8, beside the specification's numbers where it has some."""
        return [
            _steps_table(results), _noise_table(results), _cleaning_table(results), _toy_table(results),
            _methods_table(results),
        ]  # fmt: skip

    def summary(self, results: pd.DataFrame) -> list[str]:
        """What it all says."""
        safe, constant = (_complexity_slope(results, kind) for kind in (SAFE, CONSTANT))
        kept = {kind: _blocks(results, kind) for kind in (MOMENTUM, PLAIN)}
        ends = _ends(results)
        best = [
            f"{name}: {ends[name].idxmin()} ({ends[name].min():.2g})" for name in dict.fromkeys(ends.index.levels[0])
        ]
        return [
            f"Without noise, outer steps to a gradient of eps grow like eps^{safe:.2f} with steps that shrink like "
            f"sigma, and like eps^{constant:.2f} with constant ones; in theory -2.8 and -1.8 on this instance.",
            f"Directions of Algorithm 2 err by {kept[MOMENTUM].iloc[0]:.2g} at first and {kept[MOMENTUM].iloc[-1]:.2g} "
            f"at last, root mean square; without momentum by {kept[PLAIN].iloc[0]:.2g} and {kept[PLAIN].iloc[-1]:.2g}, "
            "as noise is divided by sigma.",
            "Where an assumption fails the penalty stays close at a lower order, or not at all: psi - psi_s is of "
            "order s^(1/3) for the quartic at 0, and of order 1 near the jump of the bilinear problem.",
            f"Smallest last gradient in E8: {', '.join(best)}. These lower levels are strongly convex, "
            "where second derivatives pay; penalties need none, and allow constraints and many solutions (E6).",
            "V-PBGD and BOME move x by the step that keeps y stable, and are slow where x needs a longer one (ridge).",
        ]

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """E1 to E4, E7 and E8."""
        from experiments.papers import bilevel_penalty_figures

        return bilevel_penalty_figures.figures(results)

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """Which cell is done."""
        return f"{self.name}: {cell['part']}, {cell['instance']}, {cell['algorithm']}"


def _part(results: pd.DataFrame, part: str) -> pd.DataFrame:
    return results[results["part"] == part]


def _off(found: Interval, target: float) -> Interval:
    """The distance of a quantity from a target."""
    low, high = sorted((abs(found.low - target), abs(found.high - target)))
    if found.low <= target <= found.high:
        low = 0.0
    return Interval(abs(found.estimate - target), low, high, found.method)


def _closeness_slope(results: pd.DataFrame, instance: str, column: str) -> float:
    """Of a log gap in log s, over s <= 0.01: the largest ones are not small enough for the rate."""
    rows = _part(results, "closeness")
    rows = rows[(rows["instance"] == instance) & (rows["s"] < 0.0101)]
    return float(np.polyfit(np.log(rows["s"].astype(float)), np.log(rows[column].astype(float)), 1)[0])


def _close(results: pd.DataFrame) -> list[Claim]:
    """E1."""
    claims = []
    for column, what in (("value_gap", "psi - psi_s"), ("gradient_gap", "the gradients' difference")):
        for names, kind in (
            (_REGULAR, "quadratic, ridge, simplex, many solutions"),
            (tuple(name for name in CLOSENESS if name not in _REGULAR), "counter-examples"),
        ):
            theory = {
                name: CLOSENESS[name].value_slope if column == "value_gap" else CLOSENESS[name].gradient_slope
                for name in names
            }
            off = max(
                abs(_closeness_slope(results, name, column) - slope)
                for name, slope in theory.items()
                if not math.isnan(slope)
            )
            statement = f"E1, {kind}: slope of {what} in s, largest distance from theory"
            claims.append(Claim(statement, exact(off), "<=", 0.05))
    return claims


def _complexity_slope(results: pd.DataFrame, kind: str) -> float:
    """Of log steps in log eps."""
    rows = _part(results, "complexity")
    rows = rows[rows["algorithm"] == kind]
    return float(np.polyfit(np.log(rows["instance"].astype(float)), np.log(rows["steps"].astype(float)), 1)[0])


def _complex(results: pd.DataFrame) -> list[Claim]:
    """E2."""
    claims = []
    for kind, theory in _SLOPES.items():
        off = abs(_complexity_slope(results, kind) - theory)
        statement = f"E2, {kind}: slope of outer steps in eps, distance from {theory}"
        claims.append(Claim(statement, exact(off), "<=", 0.15))
    rows = _part(results, "complexity").set_index(["instance", "algorithm"])["steps"]
    off = max(abs(float(steps) / KNOWN["complexity"][key] - 1.0) for key, steps in rows.items())
    claims.append(Claim("E2: outer steps, largest relative difference from the specification", exact(off), "<=", 1e-3))
    return claims


def _root(squares: pd.Series) -> Interval:
    """Root mean square over runs."""
    found = mean_interval(squares.to_numpy(float))
    return Interval(math.sqrt(found.estimate), math.sqrt(max(found.low, 0.0)), math.sqrt(found.high), found.method)


def _run_slopes(rows: pd.DataFrame, size: str) -> np.ndarray:
    """Of log root mean square in log size, for each run."""
    found = []
    for _, one in rows.groupby("run"):
        found.append(np.polyfit(np.log(one[size].astype(float)), np.log(one["square"].astype(float)) / 2, 1)[0])
    return np.array(found)


def _blocks(results: pd.DataFrame, kind: str) -> pd.Series:
    """Root mean square errors of E4 over runs, by the middle of the block."""
    rows = _part(results, "momentum")
    return rows[rows["algorithm"] == kind].groupby("steps")["square"].mean() ** 0.5


def _noisy(results: pd.DataFrame) -> list[Claim]:
    """E3 and E4."""
    noise, single = _part(results, "noise"), _part(results, "single")
    off = max(
        abs(float(rows["steps"].iloc[0]) - KNOWN["budget"][budget, "Algorithm 1"])
        for budget, rows in noise.groupby("instance")
    )
    claims = [Claim("E3, Algorithm 1: outer steps of a budget, largest difference", exact(off), "<=", 0.0)]
    for budget, rows in noise.groupby("instance", sort=False):
        ratio = _root(rows["square"]) / KNOWN["noise"][budget, "Algorithm 1"]
        statement = f"E3, Algorithm 1, {int(budget):,} accesses: relative difference from the specification"
        claims.append(Claim(statement, _off(ratio, 1.0), "<=", 0.15))
    for rows, size, name, rate in (
        (noise, "oracle_calls", "Algorithm 1: slope in accesses", -1 / 7),
        (single, "steps", "Algorithm 2: slope in steps", -1 / 5),
    ):
        slope = mean_interval(_run_slopes(rows, size))
        claims.append(Claim(f"E3, {name}, distance from {rate:.3f}", _off(slope, rate), "<=", 0.05))
    for kind, statement, relation, bound in (
        (MOMENTUM, "with momentum the last block's error over the first's", "<=", 0.3),
        (PLAIN, "without it", ">=", 2.0),
    ):
        rows = _part(results, "momentum")
        logs = []
        for _, one in rows[rows["algorithm"] == kind].groupby("run"):
            squares = one.sort_values("steps")["square"].to_numpy(float)
            logs.append(math.log(squares[-1] / squares[0]) / 2)
        found = mean_interval(logs)
        ratio = Interval(math.exp(found.estimate), math.exp(found.low), math.exp(found.high), found.method)
        claims.append(Claim(f"E4: {statement}, geometric mean", ratio, relation, bound))  # type: ignore[arg-type]
    return claims


def _applied(results: pd.DataFrame) -> list[Claim]:
    """E5, E6 and E7."""
    models = _part(results, "cleaning").set_index("model")
    off = max(abs(float(models.loc[key[0], key[1]]) - value) for key, value in KNOWN["cleaning"].items())
    gain = float(models.loc["10 outer steps", "accuracy"] - models.loc["all records", "accuracy"])
    claims = [
        Claim("E5: accuracies and F1, largest difference from the specification", exact(off), "<=", 1e-3),
        Claim("E5: accuracy gained over a fit to all records", exact(gain), ">=", 0.05),
    ]
    tolls = _part(results, "tolls")
    for network, value in (("Pigou", 0.75), ("Braess", 1.5)):
        rows = tolls[tolls["instance"] == network]
        worst = float((rows["value"].astype(float) - value).abs().max())
        statement = f"E6, {network}: congestion at the tolls found less the least, {value}, any start and sigma"
        claims.append(Claim(statement, exact(worst), "<=", 1e-9))
    rows = tolls[tolls["instance"] == "Pigou"]
    worst = float((rows["toll"].astype(float) - 0.5).abs().max())
    claims.append(Claim("E6, Pigou: distance of the tolls found from 1/2", exact(worst), "<=", 1e-6))
    toy = _part(results, "toy").groupby("instance")["distance"].max()
    off = max(abs(float(toy[key[0]]) / value - 1.0) for key, value in KNOWN["toy"].items())
    statement = "E7: largest distance from a local minimum of psi, relative difference from the specification"
    claims.append(Claim(statement, exact(off), "<=", 0.05))
    sizes = [float(sigma) for sigma in toy.index]
    slope = float(np.polyfit(np.log(sizes), np.log(toy.to_numpy(float)), 1)[0])
    claims.append(Claim("E7: slope of that distance in sigma, distance from 1", exact(abs(slope - 1.0)), "<=", 0.05))
    return claims


def _ends(results: pd.DataFrame) -> pd.Series:
    """The last gradient of every method of E8."""
    return _part(results, "methods").groupby(["instance", "algorithm"])["gradient_norm"].last().astype(float)


def _ordered(results: pd.DataFrame) -> list[Claim]:
    """E8."""
    ends, claims = _ends(results), []
    for one, other, names in (
        ("Algorithm 1", "Algorithm 1, safe", ("quadratic", "ridge")),
        ("Algorithm 1", "V-PBGD", ("quadratic", "ridge")),
        ("Algorithm 1", "BOME", ("quadratic", "ridge")),
    ):
        for name in names:
            ratio = float(ends[name, one] / ends[name, other])
            claims.append(Claim(f"E8, {name}: last gradient of {one} over that of {other}", exact(ratio), "<=", 1.0))
    for name in ("quadratic", "ridge"):
        seconds = ends[name].index.isin(_SECOND_DERIVATIVES)
        ratio = float(ends[name][seconds].min() / ends[name][~seconds].min())
        statement = f"E8, {name}: least last gradient of methods with second derivatives over that of the others"
        claims.append(Claim(statement, exact(ratio), "<=", 1.0))
    return claims


def _steps_table(results: pd.DataFrame) -> NamedTable:
    rows = _part(results, "complexity").set_index(["instance", "algorithm"])
    lines = []
    for eps in dict.fromkeys(rows.index.get_level_values(0)):
        line = [eps]
        for kind in (SAFE, CONSTANT):
            found = rows.loc[(eps, kind)]
            line += [
                f"{int(found['steps']):,} / {int(KNOWN['complexity'][eps, kind]):,}", f"{int(found['oracle_calls']):,}"
            ]  # fmt: skip
        lines.append(line)
    columns = ["eps", *(f"{kind}: {what}" for kind in (SAFE, CONSTANT) for what in ("steps", "accesses"))]
    return NamedTable("E2: first outer step with a gradient of eps, ours / the specification's", columns, lines)


def _noise_table(results: pd.DataFrame) -> NamedTable:
    lines = []
    for budget, rows in _part(results, "noise").groupby("instance", sort=False):
        found, known = _root(rows["square"]), KNOWN["noise"][budget, "Algorithm 1"]
        steps = f"{int(rows['steps'].iloc[0])} / {int(KNOWN['budget'][budget, 'Algorithm 1'])}"
        lines.append([
            f"{int(budget):,}", steps, f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}] / {known:.3f}",
        ])  # fmt: skip
    columns = ["accesses", "outer steps", "root mean square gradient"]
    return NamedTable("E3: Algorithm 1 with noise, ours [99% interval] / the specification's", columns, lines)


def _cleaning_table(results: pd.DataFrame) -> NamedTable:
    lines = []
    for _, row in _part(results, "cleaning").iterrows():
        line = [str(row["model"])]
        for measure in ("accuracy", "F1"):
            known = KNOWN["cleaning"].get((row["model"], measure))
            ours = "" if math.isnan(row[measure]) else f"{row[measure]:.3f}"
            line.append(ours if known is None else f"{ours} / {known:.3f}")
        lines.append(line)
    caption = "E5: digits, half of the training labels wrong: test accuracy, and F1 of the records kept, ours / the "
    return NamedTable(caption + "specification's", ["model", "accuracy", "F1"], lines)


def _toy_table(results: pd.DataFrame) -> NamedTable:
    lines = []
    for sigma, rows in _part(results, "toy").groupby("instance", sort=False):
        known = KNOWN["toy"][sigma, "Algorithm 1"]
        counts = rows.groupby("minimum").size()
        ends = ", ".join(f"{n} at {x:.3f}" for x, n in counts.items())
        lines.append([sigma, f"{rows['distance'].max():.3g} / {known:.2g}", ends])
    columns = ["sigma", "largest distance", "ends of starts"]
    return NamedTable("E7: distance from the nearest local minimum, ours / the specification's", columns, lines)


def _methods_table(results: pd.DataFrame) -> NamedTable:
    rows = _part(results, "methods").groupby(["instance", "algorithm"]).last()
    names = list(dict.fromkeys(_part(results, "methods")["instance"]))
    lines = []
    for method in CONTENDERS:
        found = [rows.loc[(name, method)] if (name, method) in rows.index else None for name in names]
        lines.append(
            [method, *("" if one is None else f"{one['gradient_norm']:.2g} ({one['step']:g})" for one in found)]
        )
    caption = "E8: gradient of psi when the accesses are spent, and the step chosen (V-PBGD, BOME: its share)"
    return NamedTable(caption, ["method", *names], lines)


EXPERIMENT = BilevelPenalty()
