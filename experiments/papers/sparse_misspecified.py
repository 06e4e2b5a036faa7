"""Sparse misspecified linear bandits: what sparsity buys, in error and in queries.

Source: arXiv:2303.16998, a theoretical paper; the experiments show what it claims, and stand beside an independent
prototype where that has numbers.

* The sqrt(d) barrier: least squares against an adversary that is aligned with it, and methods that know of sparsity.
* Queries really used, against the size of the cover.
* Needles: no method finds them all with fewer queries than the lemma allows; a larger tolerance gives up on them.
* Error and queries of all methods on random instances, with and without noise.
* Cumulative regret of phased elimination, which is linear in time once eps is above 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from algos.streams import algorithm_stream, world_stream
from bandits import (
    CoverElimination,
    GOptimalLeastSquares,
    IsolateAndThreshold,
    OptimisticSparseElimination,
    PhasedElimination,
    QueryPolicy,
    SparseFit,
    SupportEnumeration,
    VersionSpace,
    cover_size,
    needle_query_bound,
)
from experiments.claims import Claim, Interval, exact, mean_interval
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from simulators import MisspecifiedLinearArms, gaussian_features, polynomial_packing, set_packing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXPERIMENT", "REFERENCE", "SparseMisspecified"]

REFERENCE = {8: 1.2, 16: 1.4, 32: 3.8, 64: 5.9, 128: 8.3}
"""Mean gap / eps of least squares against the aligned adversary, by dimension: an independent prototype, 5 seeds."""

_FAMILIES = {"Fano plane": (7, 3, 1), "9 points": (9, 3, 1), "polynomials": (3, 3, 1)}
_ALL = ("cover", "elimination", "version space", "supports", "least squares", "isolation", "sparse fit")
_HORIZONS = 200_000


class SparseMisspecified(Experiment):
    """Error and queries on sparse misspecified arms."""

    name = "sparse_misspecified"
    question = "If means are linear in few of many features, but only nearly, how few queries find how good an arm?"
    source = "arXiv:2303.16998 (Dong & Yang, Does Sparsity Help in Learning Misspecified Linear Bandits?, ICML 2023)"

    def cells(self, scale: Scale) -> list[Cell]:
        """A part, a method, a dimension or a number, and how many runs."""
        many = 4 if scale == "paper" else 1
        cells: list[Cell] = []

        def add(part: str, method: str, value: float, runs: int, eps: float = 0.1, sparsity: int = 2) -> None:
            cells.append(
                {"part": part, "method": method, "value": value, "runs": runs, "eps": eps, "sparsity": sparsity}
            )

        for d in (8, 16, 32, 64, 128):
            eps = 0.25 / math.sqrt(d)
            add("barrier", "least squares", d, 5 * many, eps)
            add("barrier", "sparse fit", d, 5 * many, eps)
            if d <= 32:
                add("barrier", "elimination", d, 5 * many, eps)
                add("barrier", "isolation", d, 5 * many, eps)
        for sparsity in (1, 2):
            for eps in (0.4, 0.2, 0.1, 0.05):
                for method in ("cover", "elimination"):
                    add("queries", method, 10, 10 * many, eps, sparsity)
        for family in _FAMILIES:
            for tolerance in (1.0, 2.0, 3.0):
                add("needles", family, tolerance, 1)
        for d in (4, 6, 8):
            for method in _ALL:
                add("methods", method, d, 20 * many, 0.1)
        for sigma in (0.1, 0.3, 1.0):
            add("noise", "elimination", sigma, 20 * many, 0.2)
        for eps in (0.0, 0.05, 0.1, 0.2):
            add("regret", "phased elimination", 5, 5 * many, eps)
        return cells

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """The gaps and queries of a cell's runs, or the regret over time."""
        import pandas as pd

        if cell["part"] == "needles":
            return pd.DataFrame(_needles(cell))
        rows: list[dict[str, Any]] = []
        for run in range(cell["runs"]):
            nature = world_stream(seed, cell, run, shared=("method", "runs"))
            arms, own = _instance(cell, nature), algorithm_stream(seed, cell, run)
            if cell["part"] == "regret":
                played = PhasedElimination(noise=0.5, delta=1 / _HORIZONS).run(arms, _HORIZONS, own, world=nature)
                regret = zip(played.rounds.tolist(), played.metrics["regret"].tolist(), strict=True)
                rows += [{"run": run, "round": t, "regret": value} for t, value in regret]
                continue
            outcome = _policy(cell, arms.n_arms).run(arms, 10**9, own, world=nature).outcome
            rows.append(
                {
                    "run": run,
                    "gap": outcome["gap"],
                    "queries": outcome["queries"],
                    "pulls": int(outcome["pulls"].sum()),
                    "bound": outcome["bound"],
                    "n_arms": arms.n_arms,
                }
            )
        return pd.DataFrame(rows)

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """Bounds, the barrier, needles, and regret."""
        return [*_bounds(results), *_barrier(results), *_needle_claims(results), *_regret(results)]

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """The barrier beside the prototype, and all methods on random instances."""
        barrier = results[results["part"] == "barrier"]
        rows = []
        for d, here in barrier.groupby("value", sort=True):
            means = {name: mine["gap"].mean() / mine["eps"].iloc[0] for name, mine in here.groupby("method")}
            shown = [f"{means[name]:.2f}" if name in means else "" for name in _BARRIER]
            rows.append([f"{d:g}", *shown, f"{REFERENCE[int(d)]:.1f}"])
        columns = ["d", *_BARRIER, "prototype, least squares"]
        tables = [NamedTable("Mean gap / eps against the aligned adversary, s = 2, K = 40 d", columns, rows)]
        rows = []
        for (method, d), here in results[results["part"] == "methods"].groupby(["method", "value"], sort=False):
            ratio = here["gap"] / here["eps"]
            rows.append(
                [
                    str(method),
                    f"{d:g}",
                    f"{ratio.mean():.2f}",
                    f"{ratio.max():.2f}",
                    f"{(here['bound'] / here['eps']).max():.2f}",
                    f"{here['queries'].mean():.1f}",
                ]
            )
        columns = ["method", "d", "mean gap / eps", "largest", "largest bound / eps", "mean queries"]
        return [*tables, NamedTable("Random instances, errors of +-eps = 0.1, s = 2, 60 arms", columns, rows)]

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """The barrier, queries against the cover, needles, regret."""
        from experiments.papers import sparse_misspecified_figures

        return sparse_misspecified_figures.figures(results)

    def summary(self, results: pd.DataFrame) -> list[str]:
        """What sparsity buys."""
        barrier = results[(results["part"] == "barrier") & (results["value"] == 32)]
        means = {name: float(mine["gap"].mean() / mine["eps"].iloc[0]) for name, mine in barrier.groupby("method")}
        queries = barrier[barrier["method"] == "elimination"]["queries"].mean()
        return [
            f"In 32 dimensions the aligned adversary costs least squares {means['least squares']:.1f} eps, optimistic "
            f"elimination {means['elimination']:.1f} eps with {queries:.1f} queries of 1,280 arms."
        ]

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """Which cell is done."""
        return f"{self.name}: {cell['part']}, {cell['method']}, {cell['value']:g}, eps {cell['eps']:.3g}"


_BARRIER = ("least squares", "sparse fit", "elimination", "isolation")


def _instance(cell: Cell, rng: np.random.Generator) -> MisspecifiedLinearArms:
    part, eps, s = cell["part"], cell["eps"], cell["sparsity"]
    sigma = cell["value"] if part == "noise" else 0.5 if part == "regret" else 0.0
    d = 5 if part in ("noise", "regret") else int(cell["value"])
    n_arms = 40 * d if part == "barrier" else 200 if part == "queries" else 60
    features = gaussian_features(n_arms, d, rng)
    theta = np.zeros(d)
    theta[rng.permutation(d)[:s]] = np.where(rng.random(s) < 0.5, -1.0, 1.0) / math.sqrt(s)
    arms = MisspecifiedLinearArms(features, theta, eps, "aligned" if part == "barrier" else "signs", sigma)
    return arms.sample(rng)


def _policy(cell: Cell, n_arms: int) -> QueryPolicy:
    s, eps, d = cell["sparsity"], cell["eps"], int(cell["value"])
    sigma = cell["value"] if cell["part"] == "noise" else 0.0
    if cell["method"] == "sparse fit" and cell["part"] == "barrier":  # the l1 fit, on about 8 s ln d arms
        return SparseFit(s, eps, min(n_arms, math.ceil(8 * s * math.log(d)) + 10), max_supports=1)
    policies: dict[str, QueryPolicy] = {
        "least squares": GOptimalLeastSquares(eps),
        "cover": CoverElimination(s, eps),
        "elimination": OptimisticSparseElimination(s, eps, sigma=sigma),
        "version space": VersionSpace(s, eps, gamma=eps / 10),
        "supports": SupportEnumeration(s, eps),
        "isolation": IsolateAndThreshold(s, eps),
        "sparse fit": SparseFit(s, eps),
    }
    return policies[cell["method"]]


def _needles(cell: Cell) -> list[dict[str, Any]]:
    """Queries for each needle of a family, by elimination that is content with R eps less than it hopes for."""
    numbers = _FAMILIES[cell["method"]]
    features = (polynomial_packing if cell["method"] == "polynomials" else set_packing)(*numbers)
    rows = []
    for arm in range(len(features)):
        arms = MisspecifiedLinearArms.needle(features, arm, 1.0)
        policy = OptimisticSparseElimination(3, arms.misspecification, 0.2, tolerance=cell["value"])
        outcome = policy.run(arms, 10**6, np.random.default_rng(arm)).outcome
        rows.append(
            {"run": arm, "queries": outcome["queries"], "gap": outcome["gap"], "n_arms": len(features), "bound": 2.0}
        )
    return rows


def _bounds(results: pd.DataFrame) -> list[Claim]:
    """No gap without noise is above its bound."""
    quiet = results[results["part"].isin(["barrier", "queries", "methods"])]
    claims = []
    for method, guarantee in (
        ("cover", "elimination_gap_bound"),
        ("elimination", "elimination_gap_bound"),
        ("version space", "version_space_gap_bound"),
        ("supports", "support_enumeration_gap_bound"),
        ("least squares", "least_squares_gap_bound"),
        ("isolation", "isolation_gap_bound"),
    ):
        mine = quiet[quiet["method"] == method]
        ratio = float((mine["gap"] / mine["bound"]).max())
        statement = f"{method}: largest gap divided by its bound, {len(mine)} instances without noise"
        claims.append(Claim(statement, exact(ratio), "<=", 1.0, guarantee))
    noisy = results[results["part"] == "noise"]
    ratio = float((noisy["gap"] / noisy["bound"]).max())
    claims.append(Claim("elimination with noise: largest gap divided by its bound", exact(ratio), "<=", 1.0))
    return claims


def _barrier(results: pd.DataFrame) -> list[Claim]:
    """Least squares pays more and more, the others do not."""
    barrier = results[results["part"] == "barrier"]
    ratio = barrier["gap"] / barrier["eps"]
    mean = ratio[barrier["method"] == "least squares"].groupby(barrier["value"]).mean()
    slope = float(np.polyfit(np.log(mean.index.to_numpy(float)), np.log(mean.to_numpy(float)), 1)[0])
    claims = [
        Claim("aligned adversary: log-log slope of the gap of least squares against d", exact(slope), ">=", 0.3),
        Claim("aligned adversary, d = 128: gap / eps of least squares", _mean(ratio, barrier, 128), ">=", 4.0),
    ]
    for method in ("elimination", "sparse fit"):
        mine = ratio[barrier["method"] == method]
        if mine.empty:
            continue
        worst = float(mine.max())
        claims.append(Claim(f"aligned adversary: largest gap / eps, {method}", exact(worst), "<=", 4.0))
    return claims


def _mean(ratio: pd.Series, barrier: pd.DataFrame, d: int) -> Interval:
    chosen = ratio[(barrier["value"] == d) & (barrier["method"] == "least squares")]
    return mean_interval(chosen.to_numpy(), level=0.95)


def _needle_claims(results: pd.DataFrame) -> list[Claim]:
    """Where all needles are found, queries are as many as they must be."""
    claims = []
    needles = results[(results["part"] == "needles") & (results["value"] == 1.0)]
    for family, mine in needles.groupby("method", sort=False):
        if (mine["gap"] > 0).any():
            continue
        needed = needle_query_bound(int(mine["n_arms"].iloc[0]))
        statement = f"needles, {family}: mean queries of elimination, which finds all"
        claims.append(Claim(statement, exact(float(mine["queries"].mean())), ">=", needed, "needle_query_bound"))
    return claims


def _regret(results: pd.DataFrame) -> list[Claim]:
    """The second half of the rounds costs next to nothing without errors, and a constant share of eps with them."""
    claims = []
    # Phased elimination keeps arms within eps sqrt(d) or so of each other in the game for ever.
    regret = results[results["part"] == "regret"]
    for eps in (0.0, 0.2):
        mine = regret[regret["eps"] == eps]
        halves = mine[mine["round"] >= _HORIZONS // 2].groupby("run")["regret"].agg(["first", "last"])
        late = mean_interval(((halves["last"] - halves["first"]) / (_HORIZONS / 2)).to_numpy(), level=0.95)
        limit = 0.01 if eps == 0 else 2 * eps * (1 + math.sqrt(10))
        statement = f"phased elimination, eps = {eps:g}: regret a round in the second half"
        claims.append(Claim(statement, late, "<=", limit))
    return claims


def cover_candidates(d: int, s: int, eps: float) -> int:
    """Size of the cover in the part on queries."""
    return cover_size(d, s, eps)


EXPERIMENT = SparseMisspecified()
