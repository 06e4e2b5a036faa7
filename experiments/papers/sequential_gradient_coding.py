"""Sequential gradient coding: which scheme computes a sequence of gradients soonest when workers straggle.

Source: arXiv:2211.13802, whose measured traces are not public: absolute seconds cannot be reproduced, the order of the
schemes and the selection of parameters can. All times here are synthetic: the shipped trace and its model `LambdaLike`.

* The reference table: twelve policies on the shipped trace, with and without client time-outs.
* Ten runs of the model: jobs done against time; what waiting for everybody costs when there are time-outs.
* Selection on a probe: runtime against load for every parameter.
* Runtime against the cost of load; groups in which slow workers never meet; four models trained in turn.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from algos.streams import algorithm_stream, world_stream
from experiments.claims import Claim, Interval, exact, mean_interval
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from online.gradient_coding import (
    EventDriven,
    GradientCoding,
    Multiplexed,
    SelectiveRepeat,
    SequentialScheme,
    StreamingMultiplexed,
    Uncoded,
    balanced_groups,
    select_parameters,
)
from simulators import DelayTrace, LambdaLike, estimate_alpha, lambda_like_trace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXPERIMENT", "POLICIES", "REFERENCE", "SequentialGradientCoding"]

JOBS, N, ALPHA = 480, 256, 2.2013

POLICIES: dict[str, SequentialScheme] = {
    "uncoded": Uncoded(N),
    "GC s=15": GradientCoding(N, 15),
    "SR-SGC (2,3,23)": SelectiveRepeat(N, 2, 3, 23),
    "M-SGC (1,2,27)": Multiplexed(N, 1, 2, 27),
    "M-SGC (1,2,27), minimal": Multiplexed(N, 1, 2, 27, wait="minimal"),
    "M-SGC (2,3,60)": Multiplexed(N, 2, 3, 60),
    "M-SGC (2,3,60), minimal": Multiplexed(N, 2, 3, 60, wait="minimal"),
    "M-SGC (2,3,60), exact": Multiplexed(N, 2, 3, 60, wait="minimal", rule="exact"),
    "M-SGC (3,4,256), mu=0.3, exact": Multiplexed(N, 3, 4, N, wait="minimal", rule="exact", deadline_slack=0.3),
    "GC event-driven s=25": EventDriven(N, 25),
    "repetition event-driven, 64 groups": EventDriven.repeating(N, 4),
    "the same, strided groups": EventDriven.repeating(N, 4, strided=True),
}
"""Policies of the reference table; parameters are (B, W, lambda), mu = 1 and waiting for everybody unless named."""

REFERENCE: dict[str, tuple[float, float, int | None]] = {
    "uncoded": (728.284640, 1039.423738, None),
    "GC s=15": (641.320403, 641.320403, 0),
    "SR-SGC (2,3,23)": (618.645820, 618.645820, 5),
    "M-SGC (1,2,27)": (607.225464, 735.577843, 177),
    "M-SGC (1,2,27), minimal": (575.371635, 575.371635, 217),
    "M-SGC (2,3,60)": (610.346882, 783.020046, None),
    "M-SGC (2,3,60), minimal": (574.396717, 574.396717, None),
    "M-SGC (2,3,60), exact": (549.440492, 549.440492, None),
    "M-SGC (3,4,256), mu=0.3, exact": (490.262600, 490.262600, 341),
    "GC event-driven s=25": (499.920578, 499.974925, None),
    "repetition event-driven, 64 groups": (331.210607, 331.210607, None),
    "the same, strided groups": (332.530661, 332.530661, None),
}
"""Seconds for 480 jobs on the shipped trace, base and heavy, and rounds waited beyond the deadline, of an independent
implementation; None where it does not say."""

PAPER_ORDER = ("uncoded", "GC s=15", "SR-SGC (2,3,23)", "M-SGC (1,2,27)")
OURS = (
    *("M-SGC (1,2,27), minimal", "M-SGC (2,3,60), minimal", "M-SGC (2,3,60), exact"),
    *("GC event-driven s=25", "repetition event-driven, 64 groups"),
)
_SELECTED = ("uncoded", "GC", "SR-SGC", "M-SGC", "event-driven GC", "event-driven repetition")
_ALPHAS = (0.0, 1.0, 2.2013, 5.0, 10.0, 20.0)
AT_ALPHA = (
    "uncoded",
    "M-SGC (2,3,256), mu=0.2, exact",
    "GC event-driven, best s",
    "repetition event-driven, 64 groups",
)
_GROUP_SIZES = (2, 4, 8)
TRAINED = (*PAPER_ORDER, "M-SGC (1,2,27), minimal", "repetition event-driven, 64 groups")
MODELS, TRAINING_JOBS = 4, 160


class SequentialGradientCoding(Experiment):
    """Schemes and masters on a synthetic cluster."""

    name = "sequential_gradient_coding"
    question = "Which gradient coding scheme computes a sequence of gradients soonest when workers straggle?"
    source = "arXiv:2211.13802 (Krishnan, Ebrahimi, Khisti, Sequential Gradient Coding, ICLR 2023)"

    def cells(self, scale: Scale) -> list[Cell]:
        """Parts, and within a part policies; policies of a part meet the same answers."""
        runs = 50 if scale == "paper" else 10
        probe = 60 if scale == "paper" else 20
        cells: list[Cell] = [{"part": "table", "policy": policy} for policy in POLICIES]
        cells += [
            {"part": "runs", "policy": policy, "heavy": heavy, "runs": runs}
            for heavy in (False, True)
            for policy in (*PAPER_ORDER, *OURS)
        ]
        cells += [{"part": "select", "policy": family, "probe": probe} for family in _SELECTED]
        cells += [{"part": "alpha", "alpha": alpha, "runs": runs} for alpha in _ALPHAS]
        cells += [{"part": "groups", "size": size, "runs": runs} for size in _GROUP_SIZES]
        cells += [{"part": "streaming", "alpha": alpha, "runs": runs} for alpha in (ALPHA, 50.0)]
        cells += [{"part": "training", "policy": policy} for policy in TRAINED]
        return [*cells, {"part": "profile"}]

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """Rows of a cell; columns differ from part to part."""
        import pandas as pd

        part: Any = {
            "table": _table,
            "runs": _runs,
            "select": _select,
            "alpha": _alpha,
            "groups": _groups,
            "streaming": _streaming,
            "training": _training,
            "profile": _profile,
        }[cell["part"]]
        return pd.DataFrame(part(cell, seed))

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """The reference table, the order of the schemes, and where it ends."""
        return [*_reference_claims(results), *_order_claims(results), *_beyond_claims(results)]

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """The reference table, and what was selected."""
        rows = []
        here = results[results["part"] == "table"]
        for policy, (base, heavy, waits) in REFERENCE.items():
            mine = here[here["policy"] == policy].set_index("trace")
            rows.append(
                [
                    policy,
                    f"{mine.loc['base', 'runtime']:.6f}",
                    f"{base:.6f}",
                    f"{mine.loc['heavy', 'runtime']:.6f}",
                    f"{heavy:.6f}",
                    f"{mine.loc['base', 'waits']:.0f}",
                    "" if waits is None else f"{waits}",
                    f"{mine.loc['base', 'load']:.6f}",
                ]
            )
        columns = ["policy", "base (s)", "reference", "heavy (s)", "reference", "waits", "reference", "load"]
        first = NamedTable(f"Shipped trace, {JOBS} jobs, alpha = {ALPHA} s", columns, rows)
        selected = results[results["part"] == "select"]
        probe = int(selected["probe"].iloc[0])
        best = [
            [
                str(family),
                str(points["label"].iloc[0]),
                f"{len(points):,}",
                f"{points['runtime'].min():.2f}",
                f"{points.loc[points['runtime'].idxmin(), 'load']:.6f}",
            ]
            for family, points in selected.groupby("policy", sort=False)
        ]
        caption = f"Selected on the first {probe} jobs of the shipped trace, waiting for everybody"
        return [first, NamedTable(caption, ["scheme", "parameters", "tried", "seconds", "load"], best)]

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """Eight figures in the order of the paper's questions."""
        from experiments.papers import sequential_gradient_coding_figures

        return sequential_gradient_coding_figures.figures(results)

    def summary(self, results: pd.DataFrame) -> list[str]:
        """The answer, with what the paper does not say."""
        light, heavy = (_means(results, heavy=heavy) for heavy in (False, True))
        shown = " > ".join(f"{policy} {light[policy]:,.0f} s" for policy in PAPER_ORDER)
        return [
            f"Under the paper's policy, without client time-outs: {shown} for {JOBS} jobs.",
            f"With time-outs in 1.6e-4 of the answers M-SGC, which waits for everybody in every third round, needs "
            f"{heavy['M-SGC (1,2,27)']:,.0f} s and GC {heavy['GC s=15']:,.0f} s; waiting no longer than needed brings "
            f"M-SGC to {heavy['M-SGC (1,2,27), minimal']:,.0f} s.",
            "A master without a deadline beats them all: repetition in 64 groups takes "
            f"{light['repetition event-driven, 64 groups']:,.0f} s. It pays with its guarantee: four stragglers, where "
            "they are a group, stop it, and M-SGC bears any 27 of 256 at a load below 2/n.",
        ]

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """Which cell is done."""
        words = [str(cell[key]) for key in ("part", "policy", "alpha", "size") if key in cell]
        return f"{self.name}: {', '.join(words)}"


def _table(cell: Cell, seed: int) -> list[dict[str, Any]]:
    rows = []
    for trace in ("base", "heavy"):
        world = lambda_like_trace(heavy=trace == "heavy")
        outcome = POLICIES[cell["policy"]].run(world, JOBS, algorithm_stream(seed, cell, 0)).outcome
        rows.append({"trace": trace} | {name: float(outcome[name]) for name in ("runtime", "waits", "load")})
    return rows


def _runs(cell: Cell, seed: int) -> list[dict[str, Any]]:
    """Total times, and when every eighth of the jobs was done."""
    scheme, rows = POLICIES[cell["policy"]], []
    world = LambdaLike(N, 1.6e-4 if cell["heavy"] else 0.0)
    marks = np.arange(1, 9) * JOBS // 8
    for run in range(cell["runs"]):
        played = scheme.run(
            world,
            JOBS,
            algorithm_stream(seed, cell, run),
            world=world_stream(seed, cell, run, shared=("policy", "runs")),
            checkpoints=marks + scheme.delay,
        )
        at = dict(zip(played.rounds.tolist(), played.metrics["runtime"], strict=True))
        rows += [
            {
                "run": run,
                "job": int(job),
                "runtime": float(at[int(job) + scheme.delay]),
                "waits": float(played.outcome["waits"]),
                "straggles": float(played.outcome["straggles"]),
            }
            for job in marks
        ]
    return rows


def _select(cell: Cell, seed: int) -> pd.DataFrame:
    trace = lambda_like_trace()
    probe = cell["probe"]
    selection = select_parameters(trace.times[: probe + 4], probe, alpha=ALPHA, families=[cell["policy"]])
    frame = selection.frame().drop(columns="family")
    return frame.assign(label=selection.best()[0].parameters)


def _alpha(cell: Cell, seed: int) -> list[dict[str, Any]]:
    rows = []
    for run in range(cell["runs"]):
        # The same answers at every alpha.
        drawn = LambdaLike(N, 1e-4).delays(JOBS + 3, world_stream(seed, cell, run, shared=("alpha", "runs")))
        world = DelayTrace(drawn, alpha=cell["alpha"])
        schemes: dict[str, SequentialScheme] = {
            "uncoded": Uncoded(N),
            "M-SGC (2,3,256), mu=0.2, exact": Multiplexed(N, 2, 3, N, wait="minimal", rule="exact", deadline_slack=0.2),
            "repetition event-driven, 64 groups": EventDriven.repeating(N, 4),
        }
        for name, scheme in schemes.items():
            outcome = scheme.run(world, JOBS, algorithm_stream(seed, cell, run)).outcome
            rows.append({"policy": name, "run": run, "runtime": float(outcome["runtime"])})
        best = select_parameters(drawn, JOBS, alpha=cell["alpha"], families=["event-driven GC"], workers=1).best()[0]
        rows.append({"policy": "GC event-driven, best s", "run": run, "runtime": best.runtime})
    return rows


def _groups(cell: Cell, seed: int) -> list[dict[str, Any]]:
    """A probe of 80 rounds, then 480 jobs on the same workers."""
    rows, size = [], cell["size"]
    for run in range(cell["runs"]):
        drawn = LambdaLike(N).delays(80 + JOBS, world_stream(seed, cell, run, shared=("size", "runs")))
        world = DelayTrace(drawn[80:], alpha=ALPHA)
        for dealt, scheme in (
            ("neighbours", EventDriven.repeating(N, size)),
            ("strided", EventDriven.repeating(N, size, strided=True)),
            ("balanced by the probe", EventDriven(N, groups=balanced_groups(drawn[:80], N // size))),
        ):
            outcome = scheme.run(world, JOBS, algorithm_stream(seed, cell, run)).outcome
            rows.append({"groups": dealt, "run": run, "runtime": float(outcome["runtime"])})
    return rows


def _streaming(cell: Cell, seed: int) -> list[dict[str, Any]]:
    """Results of a round at its end, or mini-task by mini-task, for M-SGC (3, 4, 256) with mu = 0.3."""
    rows = []
    whole = POLICIES["M-SGC (3,4,256), mu=0.3, exact"]
    streamed = StreamingMultiplexed(N, 3, 4, N, deadline_slack=0.3)
    for run in range(cell["runs"]):
        drawn = LambdaLike(N).delays(JOBS + 5, world_stream(seed, cell, run, shared=("alpha", "runs")))
        world = DelayTrace(drawn, alpha=cell["alpha"])
        for name, scheme in (("whole", whole), ("streamed", streamed)):
            outcome = scheme.run(world, JOBS, algorithm_stream(seed, cell, run)).outcome
            rows.append({"policy": name, "run": run, "runtime": float(outcome["runtime"])})
    return rows


def _training(cell: Cell, seed: int) -> list[dict[str, Any]]:
    """Four logistic regressions in turn: job t is a gradient of model t mod 4, and needs that of job t - 4."""
    scheme = POLICIES[cell["policy"]]
    nature = world_stream(seed, cell, 0, shared=("policy",))
    X, truth = nature.standard_normal((1024, 10)), nature.standard_normal(10)
    y = np.where(X @ truth + 0.5 * nature.standard_normal(1024) > 0, 1.0, -1.0)
    models, losses = [np.zeros(10) for _ in range(MODELS)], []

    def loss(model: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0.0, -y * (X @ model)).mean())

    def gradient(job: int, start: int, stop: int) -> NDArray[np.float64]:
        part, labels = X[start:stop], y[start:stop]
        return np.asarray(-(labels / (1.0 + np.exp(labels * (part @ models[job % MODELS])))) @ part)

    def decoded(job: int, whole: NDArray[np.float64]) -> None:
        models[job % MODELS] -= 2.0 / len(X) * whole
        losses.append(np.mean([loss(model) for model in models]))

    run = scheme.run(
        LambdaLike(N),
        TRAINING_JOBS,
        algorithm_stream(seed, cell, 0),
        world=nature,
        checkpoints=np.arange(1, TRAINING_JOBS + scheme.delay + 1),
        gradient=gradient,
        n_samples=len(X),
        decoded=decoded,
    )
    clock = run.metrics["runtime"][scheme.delay :]
    error = float(run.outcome["decoding_error"])
    return [
        {"job": job, "runtime": float(clock[job]), "loss": float(losses[job]), "decoding_error": error}
        for job in range(TRAINING_JOBS)
    ]


def _profile(cell: Cell, seed: int) -> list[dict[str, Any]]:
    """Mean answer times against the load, and the slope found from them."""
    profiles = {
        load: LambdaLike(N).delays(100, world_stream(seed, {**cell, "load": load}, 0)) + ALPHA * load
        for load in (0.0, 0.25, 0.5, 0.75, 1.0)
    }
    slope, intercept = estimate_alpha(profiles)
    return [
        {"load": load, "mean": float(times.mean()), "slope": slope, "intercept": intercept}
        for load, times in profiles.items()
    ]


def _means(results: pd.DataFrame, *, heavy: bool) -> dict[str, float]:
    here = results[(results["part"] == "runs") & (results["heavy"] == heavy) & (results["job"] == JOBS)]
    return {str(policy): float(runs["runtime"].mean()) for policy, runs in here.groupby("policy", sort=False)}


def _totals(results: pd.DataFrame, policy: str, *, heavy: bool = False) -> NDArray[np.float64]:
    here = results[(results["part"] == "runs") & (results["heavy"] == heavy) & (results["job"] == JOBS)]
    return np.asarray(here[here["policy"] == policy].sort_values("run")["runtime"].to_numpy(float))


def _reference_claims(results: pd.DataFrame) -> list[Claim]:
    here = results[results["part"] == "table"].set_index(["policy", "trace"])
    claims = []
    for policy, (base, heavy, waits) in REFERENCE.items():
        apart = max(
            abs(float(here.loc[(policy, trace), "runtime"]) - seconds)
            for trace, seconds in (("base", base), ("heavy", heavy))
        )
        statement = f"shipped trace, {policy}: seconds differ from the reference by, base and heavy"
        claims.append(Claim(statement, exact(apart), "<=", 1e-5))
        if waits is not None:
            found = float(here.loc[(policy, "base"), "waits"])
            claims.append(
                Claim(f"shipped trace, {policy}: rounds waited beyond the deadline", exact(found), "=", waits)
            )
    return claims


def _ratio(results: pd.DataFrame, left: str, right: str, *, heavy: bool = False) -> Interval:
    return mean_interval(_totals(results, left, heavy=heavy) / _totals(results, right, heavy=heavy))


def _order_claims(results: pd.DataFrame) -> list[Claim]:
    claims = []
    for slow, fast in itertools.pairwise(PAPER_ORDER):
        statement = f"model, no time-outs, the paper's policy: time of {fast} / {slow}"
        claims.append(Claim(statement, _ratio(results, fast, slow), "<=", 1.0))
    statement = "model with time-outs, waiting for everybody: time of M-SGC (1,2,27) / GC s=15"
    claims.append(Claim(statement, _ratio(results, "M-SGC (1,2,27)", "GC s=15", heavy=True), ">=", 1.0))
    statement = "the same, waiting no longer than needed"
    claims.append(Claim(statement, _ratio(results, "M-SGC (1,2,27), minimal", "GC s=15", heavy=True), "<=", 1.0))
    return claims


def _beyond_claims(results: pd.DataFrame) -> list[Claim]:
    statement = "M-SGC (2,3,60): time with the exact rule / with the bursty one, both waiting no longer than needed"
    claims = [
        Claim(statement, _ratio(results, "M-SGC (2,3,60), exact", "M-SGC (2,3,60), minimal"), "<=", 0.98),
        Claim(
            "event-driven repetition, 64 groups / the fastest M-SGC here",
            _ratio(results, "repetition event-driven, 64 groups", "M-SGC (2,3,60), exact"),
            "<=",
            0.75,
        ),
    ]
    here = results[results["part"] == "alpha"]
    wide = here.pivot_table(index=["alpha", "run"], columns="policy", values="runtime")
    coded, cyclic, repeated = (wide[name] for name in AT_ALPHA[1:])
    for alpha, relation in ((1.0, ">="), (5.0, "<="), (10.0, "<=")):
        ratio = mean_interval((coded / cyclic).loc[alpha].to_numpy())
        statement = f"alpha = {alpha:g}: M-SGC (2,3,256), mu = 0.2, exact / event-driven cyclic GC with the best s"
        claims.append(Claim(statement, ratio, relation, 1.0))  # type: ignore[arg-type]
    statement = "alpha = 10: event-driven repetition, 64 groups / that M-SGC"
    claims.append(Claim(statement, mean_interval((repeated / coded).loc[10.0].to_numpy()), "<=", 1.0))
    pairs = results[(results["part"] == "groups") & (results["size"] == 2)]
    by_run = pairs.pivot_table(index="run", columns="groups", values="runtime")
    statement = "groups of 2: time with groups balanced by a probe / with neighbours"
    ratio = mean_interval((by_run["balanced by the probe"] / by_run["neighbours"]).to_numpy())
    claims.append(Claim(statement, ratio, "<=", 0.95))
    sent = results[results["part"] == "streaming"].pivot_table(
        index=["alpha", "run"], columns="policy", values="runtime"
    )
    statement = "M-SGC (3,4,256), mu = 0.3, alpha = 50: time with mini-tasks sent when done / with rounds sent whole"
    gain = mean_interval((sent["streamed"] / sent["whole"]).loc[50.0].to_numpy())
    claims.append(Claim(statement, gain, "<=", 0.97))
    statement = f"the same at alpha = {ALPHA}, where the load costs little: it costs more than it gains"
    loss = mean_interval((sent["streamed"] / sent["whole"]).loc[ALPHA].to_numpy())
    claims.append(Claim(statement, loss, ">=", 1.0))
    errors = results[results["part"] == "training"]["decoding_error"]
    claims.append(Claim("training: largest error of a decoded gradient", exact(float(errors.max())), "<=", 1e-5))
    slope = float(results[results["part"] == "profile"]["slope"].iloc[0])
    statement = "slope of mean times on load, off the model's alpha by"
    claims.append(Claim(statement, exact(abs(slope / ALPHA - 1)), "<=", 0.02))
    return claims


EXPERIMENT = SequentialGradientCoding()
