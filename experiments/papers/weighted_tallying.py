"""Weighted tallying bandits: elimination with burn-in against policies that forget what they played.

Source: arXiv:2305.02955, whose figures were not at hand. They are said to compare successive elimination with baselines
on tallying problems, and to look at the price of a loose bound M on the memory; the instances here are ours.

* Four instances with K = 5 arms and memory 10: regret over time, and beside it that of an independent prototype.
* The regret against M, against the memory m itself, and where M is below m.
* Weights that forget, 0.95^i, beside the prototype's values.
* What reusing rewards and a long first phase save.
* Without repeated exposure optimality: how long until the one good pattern is found.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from algos.streams import algorithm_stream, world_stream
from bandits import (
    UCB1,
    BatchedExp3,
    BurnInExploreThenCommit,
    Exp3,
    Policy,
    TallyingElimination,
    ThompsonSampling,
    UniformRandom,
    tallying_elimination_bound,
)
from experiments.claims import Claim, Interval, exact
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from simulators import StepCurve, TallyingArms

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXPERIMENT", "REFERENCE", "WeightedTallying"]

HORIZON = 100_000
_ELIMINATION = ("SE-WTB, n1 = 2", "SE-WTB, n1 = M", "SE-WTB, default")
REFERENCE: dict[tuple[str, str], float] = {
    **dict(zip([("stationary", name) for name in (*_ELIMINATION[:2], "UCB1", "Exp3", "batched Exp3")],
               (3850, 3751, 673, 814, 4739), strict=True)),
    **dict(zip([("practice", name) for name in (*_ELIMINATION[:2], "UCB1", "Exp3", "batched Exp3")],
               (937, 891, 139, 969, 5194), strict=True)),
    **dict(zip([("decoy", name) for name in (*_ELIMINATION[:2], "UCB1", "Exp3", "batched Exp3")],
               (740, 580, 44428, 24445, 6386), strict=True)),
    **dict(zip([("all or nothing", name) for name in (*_ELIMINATION[:2], "UCB1", "Exp3", "batched Exp3")],
               (738, 406, 100_000, 99419, 5966), strict=True)),
    **dict(zip([("forgetting decoy", name) for name in (*_ELIMINATION[:2], "UCB1", "Exp3", "batched Exp3")],
               (5095, 1291, 57839, 30229, 39889), strict=True)),
    **{("gap 0.3", name): value for name, value in zip(_ELIMINATION, (7459, 4591, 3194), strict=True)},
    **{("gap 0.1", name): value for name, value in zip(_ELIMINATION, (13229, 11412, 6636), strict=True)},
    **{("gap 0.03", name): value for name, value in zip(_ELIMINATION, (8163, 6914, 6914), strict=True)},
}  # fmt: skip
"""Mean regret of an independent prototype, by instance and policy; its UCB1 has ln T where ours has ln t."""

_LOOSE = (10, 20, 40, 80, 160, 320, 640)
_MEMORIES = (5, 10, 20, 40, 80, 160)
_NEEDLES = (4, 6, 8, 10)


class WeightedTallying(Experiment):
    """Policy regret in tallying worlds."""

    name = "weighted_tallying"
    question = "What does it cost to heed, or to ignore, that losses depend on how much an arm was used of late?"
    source = "arXiv:2305.02955 (Malik et al., Weighted Tallying Bandits, ICML 2023)"

    def cells(self, scale: Scale) -> list[Cell]:
        """An instance and a policy; policies of an instance meet the same world."""
        many = 5 if scale == "paper" else 1
        cells: list[Cell] = []

        def add(part: str, instance: str, algorithm: str, runs: int, parameter: int = 0) -> None:
            cells.append(
                {"part": part, "instance": instance, "algorithm": algorithm, "parameter": parameter, "runs": runs}
            )

        steps = ("UCB1", "Exp3", "batched Exp3", "ETC with burn-in", "Thompson sampling")
        for instance in ("stationary", "practice", "decoy", "all or nothing"):
            for algorithm in _ELIMINATION:
                add("instances", instance, algorithm, 50 * many)
            for algorithm in (*steps, "elimination without burn-in"):
                add("instances", instance, algorithm, 8 * many)
        for algorithm in (*_ELIMINATION, "UCB1", "Exp3", "batched Exp3"):
            add("weights", "forgetting decoy", algorithm, (50 if algorithm in _ELIMINATION else 3) * many)
        for gap in ("gap 0.3", "gap 0.1", "gap 0.03"):
            for algorithm in _ELIMINATION:
                add("reuse", gap, algorithm, 300 * many)
        for bound in _LOOSE:
            for algorithm in _ELIMINATION:
                add("loose bound", "all or nothing", algorithm, 1, bound)
        for memory in _MEMORIES:
            for algorithm in _ELIMINATION:
                add("memory", "decoy", algorithm, 100 * many, memory)
        for bound in (1, 10, 100, 1000):
            add("short bound", "long memory", "SE-WTB, default", 20 * many, bound)
        for lags in _NEEDLES:
            for algorithm in ("uniformly random", "UCB1", "Exp3"):
                add("needle", "needle", algorithm, 30 * many, lags)
        return cells

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """Mean regret of a cell's runs at checkpoints, with its standard error."""
        import pandas as pd

        if cell["part"] == "needle":
            return pd.DataFrame([{"found": float(time)} for time in _times_of_needles(cell, seed)])
        horizon, bound = _horizon(cell), _memory_bound(cell)
        curves, memory = [], 0
        for run in range(cell["runs"]):
            nature = world_stream(seed, cell, run, shared=("algorithm", "runs"))
            arms, policy = _instance(cell, nature), _policy(cell["algorithm"], bound)
            memory = arms.memory
            with warnings.catch_warnings():  # of bounds that are below the memory on purpose
                warnings.simplefilter("ignore", RuntimeWarning)
                played = policy.run(arms, horizon, algorithm_stream(seed, cell, run), world=nature)
            curves.append(played.metrics["policy_regret"])
        found = np.array(curves)
        ceiling = np.nan
        if cell["algorithm"] in _ELIMINATION and bound >= memory:
            first, reuse = _options(cell["algorithm"], bound)
            ceiling = tallying_elimination_bound(horizon, arms.n_arms, memory, bound, 1 / horizon, first, reuse=reuse)
        return pd.DataFrame(
            {
                "round": played.rounds,
                "regret": found.mean(axis=0),
                "error": found.std(axis=0, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else 0.0,
                "largest": found.max(axis=0),
                "bound": ceiling,
            }
        )

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """The anchors, the bound, who is linear, and what hides in a loose bound."""
        return [*_anchors(results), *_bounds(results), *_pictures(results), *_needles(results)]

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """Regret at the horizon beside the prototype's."""
        ends = _at_the_end(results)
        tables = []
        for part, caption in (
            ("instances", f"Policy regret, K = 5, m = M = 10, T = {HORIZON:,}"),
            ("weights", "Decoy with weights 0.95^i, m = 50, K = 10, M = 100, T = 200,000"),
            (
                "reuse",
                "Losses of 1 until the tally is full, then 0.5 and one smaller, m = 50, K = 10, M = 100, T = 200,000",
            ),
        ):
            rows = []
            for row in ends[ends["part"] == part].to_dict("records"):
                known = REFERENCE.get((row["instance"], row["algorithm"]))
                rows.append(
                    [
                        row["instance"],
                        row["algorithm"],
                        f"{row['regret']:,.0f} ± {row['error']:,.0f}",
                        "" if known is None else f"{known:,.0f}",
                        "" if np.isnan(row["bound"]) else f"{row['bound']:,.0f}",
                    ]
                )
            tables.append(NamedTable(caption, ["instance", "policy", "regret ± s.e.", "prototype", "bound"], rows))
        return tables

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """Regret over time, against the bound on the memory and the memory itself, and the needle."""
        from experiments.papers import weighted_tallying_figures

        return weighted_tallying_figures.figures(results)

    def summary(self, results: pd.DataFrame) -> list[str]:
        """What memory costs whom."""
        ends = _at_the_end(results)

        def regret(instance: str, algorithm: str) -> float:
            rows = ends[(ends["instance"] == instance) & (ends["algorithm"] == algorithm) & (ends["parameter"] == 0)]
            return float(rows["regret"].iloc[0])

        return [
            f"On decoys, T = {HORIZON:,}: UCB1 has a regret of {regret('decoy', 'UCB1'):,.0f}, Exp3 "
            f"{regret('decoy', 'Exp3'):,.0f}, elimination with burn-in {regret('decoy', 'SE-WTB, default'):,.0f}.",
            f"Where losses do not depend on tallies, burn-in has its price: UCB1 "
            f"{regret('stationary', 'UCB1'):,.0f}, elimination {regret('stationary', 'SE-WTB, default'):,.0f}.",
        ]

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """Which cell is done."""
        return f"{self.name}: {cell['part']}, {cell['instance']}, {cell['algorithm']}, {cell['parameter'] or ''}"


def _horizon(cell: Cell) -> int:
    return 200_000 if cell["part"] in ("weights", "reuse") else HORIZON


def _memory_bound(cell: Cell) -> int:
    if cell["part"] in ("weights", "reuse"):
        return 100
    return int(cell["parameter"]) or 10


def _options(algorithm: str, bound: int) -> tuple[int, bool]:
    """The length of the first phase, and whether rewards of earlier phases count."""
    return (2 if algorithm.endswith("2") else max(2, bound)), algorithm.endswith("default")


def _policy(algorithm: str, bound: int) -> Policy:
    if algorithm in _ELIMINATION:
        first, reuse = _options(algorithm, bound)
        return TallyingElimination(bound, first_epoch=first, reuse=reuse)
    policies: dict[str, Policy] = {
        "UCB1": UCB1(),
        "Exp3": Exp3(),
        "batched Exp3": BatchedExp3(bound),
        "ETC with burn-in": BurnInExploreThenCommit(bound),
        "Thompson sampling": ThompsonSampling(),
        "elimination without burn-in": TallyingElimination(1, first_epoch=2, reuse=False),
        "uniformly random": UniformRandom(),
    }
    return policies[algorithm]


def _instance(cell: Cell, rng: np.random.Generator) -> TallyingArms:
    instance, memory = cell["instance"], 10
    if cell["part"] == "memory":
        memory = cell["parameter"]
    if instance == "stationary":
        return TallyingArms.stationary(5, memory)
    if instance == "practice":
        return TallyingArms.practice(5, np.ones(memory), rng)
    if instance == "decoy":
        return TallyingArms.decoy(5, np.ones(memory))
    if instance == "all or nothing":
        return TallyingArms.all_or_nothing(5, memory)
    if instance == "forgetting decoy":
        return TallyingArms.decoy(10, 0.95 ** np.arange(50))
    if instance == "long memory":
        return TallyingArms([StepCurve(1.0, 0.1, 1000 - 1e-6), StepCurve(0.5, 0.5)], np.ones(1000))
    gap = float(instance.removeprefix("gap "))
    # The prototype's values belong to arms that all have loss 1 until their tally is full, not the best one alone.
    return TallyingArms([StepCurve(1.0, loss, 50 - 1e-9) for loss in (0.5 - gap, *[0.5] * 9)], np.ones(50))


def _times_of_needles(cell: Cell, seed: int) -> list[int]:
    """The round of the first loss of 0 in each run, or 30 times the number of patterns if there was none."""
    lags, times = int(cell["parameter"]), []
    for run in range(cell["runs"]):
        nature = world_stream(seed, cell, run, shared=("algorithm", "runs"))
        pattern = (nature.random(lags) < 0.5).astype(int).tolist()
        arms, horizon = TallyingArms.needle(pattern), 30 * 2**lags
        played = _policy(cell["algorithm"], 1).run(
            arms, horizon, algorithm_stream(seed, cell, run), world=nature, checkpoints=np.arange(1, horizon + 1)
        )
        # Constant actions lose in every round but, at most, those in which all of the last m plays were of one arm.
        constant = played.rounds - arms.constant_losses(played.rounds).min(axis=0)
        collected = constant - played.metrics["constant_action_regret"]
        times.append(int(np.argmax(collected > 0.5)) + 1 if collected[-1] > 0.5 else horizon)
    return times


def _at_the_end(results: pd.DataFrame) -> pd.DataFrame:
    """The last row of every cell with regrets."""
    with_regret = results[results["part"] != "needle"]
    return with_regret.groupby(["part", "instance", "algorithm", "parameter"], sort=False).tail(1)


def _anchors(results: pd.DataFrame) -> list[Claim]:
    """All-or-nothing is deterministic: regrets are equal to a closed form."""
    ends = _at_the_end(results)
    claims = []
    for bound, value in ((10, 738), (40, 1308), (160, 3588)):
        rows = ends[
            (ends["part"] == "loose bound") & (ends["algorithm"] == _ELIMINATION[0]) & (ends["parameter"] == bound)
        ]
        statement = f"all or nothing, K = 5, m = 10, M = {bound}, T = {HORIZON:,}, n1 = 2: regret by the closed form"
        claims.append(Claim(statement, exact(float(rows["regret"].iloc[0])), "=", value))
    return claims


def _bounds(results: pd.DataFrame) -> list[Claim]:
    ends = _at_the_end(results)
    bounded = ends[ends["bound"].notna()]
    ratio = float((bounded["largest"] / bounded["bound"]).max())
    statement = f"largest regret of any run of SE-WTB divided by its bound, worst of {len(bounded)} cells"
    return [Claim(statement, exact(ratio), "<=", 1.0, "tallying_elimination_bound")]


def _mean(results: pd.DataFrame, part: str, instance: str, algorithm: str, parameter: int = 0) -> Interval:
    ends = _at_the_end(results)
    row = ends[
        (ends["part"] == part)
        & (ends["instance"] == instance)
        & (ends["algorithm"] == algorithm)
        & (ends["parameter"] == parameter)
    ].iloc[0]
    half = 2.6 * float(row["error"])
    return Interval(row["regret"], row["regret"] - half, row["regret"] + half, "99% normal")


def _pictures(results: pd.DataFrame) -> list[Claim]:
    """Who is linear and who is not."""
    claims = []
    for algorithm in ("UCB1", "Exp3"):
        statement = f"decoys: the regret of {algorithm} is linear; regret / T"
        claims.append(Claim(statement, _mean(results, "instances", "decoy", algorithm) / HORIZON, ">=", 0.2))
    statement = "decoys: that of elimination with burn-in is not; regret / T"
    claims.append(Claim(statement, _mean(results, "instances", "decoy", _ELIMINATION[2]) / HORIZON, "<=", 0.01))
    gain = _mean(results, "reuse", "gap 0.3", _ELIMINATION[0]).low
    claims.append(
        Claim(
            "gap 0.3: reuse and a long first phase save half of the regret; ratio of means",
            _mean(results, "reuse", "gap 0.3", _ELIMINATION[2]) / gain,
            "<=",
            0.5,
        )
    )
    short, long = (_mean(results, "short bound", "long memory", _ELIMINATION[2], bound) for bound in (1, 1000))
    claims.append(Claim("memory 1000, M = 1: the best arm is lost; regret / T", short / HORIZON, ">=", 0.35))
    claims.append(Claim("memory 1000, M = 1000: it is not; regret / T", long / HORIZON, "<=", 0.1))
    return claims


def _needles(results: pd.DataFrame) -> list[Claim]:
    """Doubling the number of patterns doubles the time."""
    here = results[(results["part"] == "needle") & (results["algorithm"] == "uniformly random")]
    means = here.groupby("parameter")["found"].mean()
    slope = float(np.polyfit(means.index.to_numpy(float), np.log2(means.to_numpy(float)), 1)[0])
    statement = "without repeated exposure optimality: log2 of the mean time to the first loss of 0, per further lag"
    return [Claim(statement, exact(slope), ">=", 0.7)]


EXPERIMENT = WeightedTallying()
