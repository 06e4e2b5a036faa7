"""Regret of the baseline policies on the standard instance, beside their bounds and published reference values.

The instance is K = 10 Bernoulli arms with means linspace(0.05, 0.5, 10). The reference values at T = 10,000 are
means over 1,000 runs of an independent prototype, with their standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from algos.contracts import checkpoint_rounds
from algos.streams import algorithm_stream, world_stream
from bandits import (
    IMED,
    KLUCB,
    MOSS,
    UCB,
    UCB1,
    UCBV,
    AsymptoticUCB,
    BayesUCB,
    DecayingEpsilonGreedy,
    DiscountedUCB,
    EpsilonGreedy,
    Exp3,
    Exp3Gain,
    Exp3IX,
    ExploreThenCommit,
    GaussianThompson,
    KLUCBPlusPlus,
    Policy,
    SlidingWindowUCB,
    Softmax,
    SuccessiveElimination,
    ThompsonSampling,
    TsallisINF,
    UCBTuned,
    UniformRandom,
    asymptotic_ucb_bound,
    epsilon_greedy_lower_bound,
    exp3_anytime_bound,
    exp3_bound,
    exp3_gain_bound,
    explore_then_commit_bound,
    klucb_bound,
    lai_robbins_constant,
    moss_bound,
    successive_elimination_bound,
    thompson_bayesian_bound,
    tsallis_inf_bound,
    ucb1_bound,
    ucb_bound,
    ucbv_bound,
    uniform_regret,
)
from experiments.claims import Claim, exact, mean_interval
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from simulators import BernoulliArms

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BASELINES", "EXPERIMENT", "LAI_ROBBINS", "BanditBaselines", "Baseline"]

STANDARD_MEANS = np.linspace(0.05, 0.5, 10)
LAI_ROBBINS = lai_robbins_constant(STANDARD_MEANS)
_GAPS = STANDARD_MEANS.max() - STANDARD_MEANS
_VARIANCES = STANDARD_MEANS * (1 - STANDARD_MEANS)
_REFERENCE_HORIZON = 10_000
_AGREEMENT = 5.0  # standard errors


@dataclass(frozen=True)
class Baseline:
    """A policy of the comparison."""

    policy: Policy
    panel: str
    """The panel of the figure that it is drawn in."""
    reference: tuple[float, float] | None = None
    """Mean regret and its standard error at T = 10,000, by the independent prototype."""
    bound: Callable[[int], float] | None = None
    """Bound of the expected regret on the standard instance as a function of the horizon."""
    guarantee: str = ""
    """The bound's name in the ledger."""
    relation: Literal["<=", ">="] = "<="
    """How the regret stands to the bound."""


_SIMPLE = "simple exploration"
_CONFIDENCE = "upper confidence bounds"
_LIKELIHOOD = "divergences and posteriors"
_ADVERSARIAL = "made for adversaries"
_OTHER = "elimination, and forgetting"

BASELINES: dict[str, Baseline] = {
    "UniformRandom": Baseline(UniformRandom(), _SIMPLE),
    "ExploreThenCommit(100)": Baseline(
        ExploreThenCommit(100),
        _SIMPLE,
        bound=partial(explore_then_commit_bound, _GAPS, pulls=100),
        guarantee="explore_then_commit_bound",
    ),
    "EpsilonGreedy(0.1)": Baseline(
        EpsilonGreedy(0.1),
        _SIMPLE,
        bound=partial(epsilon_greedy_lower_bound, _GAPS, epsilon=0.1),
        guarantee="epsilon_greedy_lower_bound",
        relation=">=",
    ),
    "DecayingEpsilonGreedy(0.05, 0.1)": Baseline(DecayingEpsilonGreedy(0.05, 0.1), _SIMPLE),
    "Softmax(0.1)": Baseline(Softmax(0.1), _SIMPLE),
    "UCB1": Baseline(UCB1(), _CONFIDENCE, (484.5, 1.2), partial(ucb1_bound, _GAPS), "ucb1_bound"),
    "UCB": Baseline(UCB(), _CONFIDENCE, None, partial(ucb_bound, _GAPS), "ucb_bound"),
    "AsymptoticUCB": Baseline(
        AsymptoticUCB(), _CONFIDENCE, (238.6, 1.1), partial(asymptotic_ucb_bound, _GAPS), "asymptotic_ucb_bound"
    ),
    "UCBV": Baseline(UCBV(), _CONFIDENCE, None, partial(ucbv_bound, _GAPS, _VARIANCES), "ucbv_bound"),
    "UCBTuned": Baseline(UCBTuned(), _CONFIDENCE),
    "MOSS": Baseline(MOSS(), _CONFIDENCE, (129.9, 0.9), partial(moss_bound, _GAPS), "moss_bound"),
    "MOSS(anytime)": Baseline(MOSS(anytime=True), _CONFIDENCE),
    "KLUCB": Baseline(KLUCB(), _LIKELIHOOD, (164.9, 1.0)),
    "KLUCB(f)": Baseline(
        KLUCB(level="f"), _LIKELIHOOD, (227.9, 1.1), partial(klucb_bound, STANDARD_MEANS), "klucb_bound"
    ),
    "KLUCBPlusPlus": Baseline(KLUCBPlusPlus(), _LIKELIHOOD),
    "IMED": Baseline(IMED(), _LIKELIHOOD, (114.2, 1.2)),
    "BayesUCB": Baseline(BayesUCB(), _LIKELIHOOD),
    "ThompsonSampling": Baseline(ThompsonSampling(), _LIKELIHOOD, (115.0, 1.3)),
    "GaussianThompson(0.5)": Baseline(GaussianThompson(0.5), _LIKELIHOOD),
    "Exp3": Baseline(Exp3(), _ADVERSARIAL, (449.6, 2.2), partial(exp3_bound, STANDARD_MEANS.size), "exp3_bound"),
    "Exp3(anytime)": Baseline(
        Exp3(anytime=True),
        _ADVERSARIAL,
        bound=partial(exp3_anytime_bound, STANDARD_MEANS.size),
        guarantee="exp3_anytime_bound",
    ),
    "Exp3Gain": Baseline(
        Exp3Gain(), _ADVERSARIAL, None, partial(exp3_gain_bound, STANDARD_MEANS.size), "exp3_gain_bound"
    ),
    "Exp3IX(textbook)": Baseline(Exp3IX(tuning="textbook"), _ADVERSARIAL, (579.0, 2.1)),
    "TsallisINF": Baseline(
        TsallisINF(), _ADVERSARIAL, (303.3, 3.7), partial(tsallis_inf_bound, STANDARD_MEANS.size), "tsallis_inf_bound"
    ),
    "TsallisINF(reduced variance)": Baseline(TsallisINF(estimator="reduced variance"), _ADVERSARIAL),
    "SuccessiveElimination": Baseline(
        SuccessiveElimination(),
        _OTHER,
        bound=partial(successive_elimination_bound, _GAPS),
        guarantee="successive_elimination_bound",
    ),
    "DiscountedUCB": Baseline(DiscountedUCB(), _OTHER),
    "SlidingWindowUCB": Baseline(SlidingWindowUCB(), _OTHER),
}
"""The comparison: a line here adds a policy to cells, claims, figures and table."""


class BanditBaselines(Experiment):
    """Regret curves on the standard instance, and Bayesian regret when the means are drawn from the prior."""

    name = "bandit_baselines"
    question = "How does the regret of the baseline policies grow, and how far is it below their bounds?"
    source = "Lattimore & Szepesvari 2020, and the papers of the policies; Lai & Robbins 1985"

    def cells(self, scale: Scale) -> list[Cell]:
        """Each policy on the standard instance, and Thompson sampling with means from its prior."""
        horizon = _REFERENCE_HORIZON if scale == "quick" else 100_000
        many, few = (1000, 200) if scale == "quick" else (5000, 1000)
        standard: list[Cell] = [
            {
                "instance": "standard",
                "n_arms": STANDARD_MEANS.size,
                "horizon": horizon,
                "replications": many if baseline.reference else few,
                "algorithm": name,
            }
            for name, baseline in BASELINES.items()
        ]
        if horizon != _REFERENCE_HORIZON:  # policies that know the horizon begin a longer run differently
            standard += [
                {**cell, "horizon": _REFERENCE_HORIZON}
                for cell in standard
                if BASELINES[cell["algorithm"]].reference is not None
            ]
        bayesian: list[Cell] = [
            {
                "instance": "uniform prior",
                "n_arms": n_arms,
                "horizon": 1000,
                "replications": many,
                "algorithm": "ThompsonSampling",
            }
            for n_arms in (2, 10, 50)
        ]
        return standard + bayesian

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """Play all replications of one policy on one instance."""
        import pandas as pd

        horizon, policy = cell["horizon"], BASELINES[cell["algorithm"]].policy
        rounds = checkpoint_rounds(horizon, count=60)
        curves = []
        for replication in range(cell["replications"]):
            world = world_stream(seed, cell, replication, shared=("algorithm", "replications"))
            means = STANDARD_MEANS if cell["instance"] == "standard" else world.random(size=(cell["n_arms"],))
            own = algorithm_stream(seed, cell, replication)
            run = policy.run(BernoulliArms(means), horizon, own, world=world, checkpoints=rounds)
            curves.append(run.metrics["regret"])
        return pd.DataFrame(
            {
                "replication": np.repeat(np.arange(len(curves)), rounds.size),
                "round": np.tile(rounds, len(curves)),
                "regret": np.concatenate(curves),
            }
        )

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """The bounds, the order of the policies, and agreement with the reference values."""
        bayesian = results[(results["instance"] == "uniform prior") & (results["round"] == results["horizon"])]
        reference = _at_the_reference(results)
        return [
            *_within_bounds(_longest(results)),
            *_within_bayesian_bounds(bayesian),
            *_in_order(reference),
            *_agreeing(reference),
        ]

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """Regret at T = 10,000 beside the reference values, and at the horizon beside the bounds."""
        return [_reference_table(_at_the_reference(results))]

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """Regret against rounds, a panel a family, and the regret at the horizon beside bounds."""
        from experiments import bandit_figures

        standard = _longest(results)
        return [bandit_figures.curves(standard), bandit_figures.at_the_horizon(standard)]

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """Which cell is done."""
        return f"{self.name}: {cell['algorithm']}, {cell['instance']}, {cell['n_arms']} arms"


def _longest(results: pd.DataFrame) -> pd.DataFrame:
    """The runs of all policies on the standard instance."""
    standard = results[results["instance"] == "standard"]
    return standard[standard["horizon"] == standard["horizon"].max()]


def _at_the_reference(results: pd.DataFrame) -> pd.DataFrame:
    """The last rounds of runs of T = 10,000 on the standard instance."""
    standard = results[results["instance"] == "standard"]
    return standard[(standard["horizon"] == _REFERENCE_HORIZON) & (standard["round"] == _REFERENCE_HORIZON)]


def _regret(runs: pd.DataFrame, name: str) -> np.ndarray:
    """Regret of each replication, in their order."""
    return runs[runs["algorithm"] == name].sort_values("replication")["regret"].to_numpy()


def _standard_error(sample: np.ndarray) -> float:
    return float(sample.std(ddof=1)) / math.sqrt(sample.size)


def _within_bounds(standard: pd.DataFrame) -> Iterator[Claim]:
    horizon = int(standard["horizon"].iloc[0])
    last = standard[standard["round"] == horizon]
    for name, baseline in BASELINES.items():
        if baseline.bound is not None:
            side = "below" if baseline.relation == "<=" else "above"
            yield Claim(
                f"mean regret of {name} after {horizon:,} rounds stays {side} its bound",
                mean_interval(_regret(last, name)),
                baseline.relation,
                baseline.bound(horizon),
                baseline.guarantee,
            )
    uniform = _regret(last, "UniformRandom")
    yield _agreement(
        f"UniformRandom after {horizon:,} rounds: |difference from T times the mean gap| in standard errors",
        abs(uniform.mean() - uniform_regret(_GAPS, horizon)) / _standard_error(uniform),
        "uniform_regret",
    )


def _within_bayesian_bounds(bayesian: pd.DataFrame) -> Iterator[Claim]:
    for (n_arms, rounds), sample in bayesian.groupby(["n_arms", "horizon"]):
        yield Claim(
            f"Bayesian regret of Thompson sampling, {n_arms} arms, after {rounds:,} rounds",
            mean_interval(sample["regret"]),
            "<=",
            thompson_bayesian_bound(int(n_arms), int(rounds)),
            "thompson_bayesian_bound",
        )


def _in_order(runs: pd.DataFrame) -> Iterator[Claim]:
    """The order of the reference values, replication by replication: the policies met the same worlds."""
    known = {name: baseline.reference for name, baseline in BASELINES.items() if baseline.reference}
    for better, worse in pairwise(sorted(known, key=lambda name: known[name])):
        (low, low_error), (high, high_error) = known[better], known[worse]
        difference = mean_interval(_regret(runs, better) - _regret(runs, worse))
        if high - low <= _AGREEMENT * math.hypot(low_error, high_error):
            yield Claim(
                f"{better} and {worse} have about the same regret after {_REFERENCE_HORIZON:,} rounds: largest "
                "|mean difference| in the interval, as a share of the mean",
                exact(max(-difference.low, difference.high) / float(_regret(runs, better).mean())),
                "<=",
                0.1,
            )
        else:
            yield Claim(
                f"{better} has less regret than {worse} in the same worlds after {_REFERENCE_HORIZON:,} rounds; "
                "mean difference",
                difference,
                "<=",
                0.0,
            )


def _agreeing(runs: pd.DataFrame) -> Iterator[Claim]:
    for name, baseline in BASELINES.items():
        if baseline.reference is not None:
            value, error = baseline.reference
            yield _agreement(
                f"{name} at T = {_REFERENCE_HORIZON:,} agrees with the reference {value} ± {error}: "
                "|difference| in combined standard errors",
                _off(_regret(runs, name), value, error),
            )


def _agreement(statement: str, off: float, guarantee: str = "") -> Claim:
    return Claim(statement, exact(off), "<=", _AGREEMENT, guarantee)


def _off(sample: np.ndarray, value: float, error: float) -> float:
    """Distance from a reference value in combined standard errors."""
    return abs(float(sample.mean()) - value) / math.hypot(error, _standard_error(sample))


def _reference_table(runs: pd.DataFrame) -> NamedTable:
    rows = []
    for name in sorted(runs["algorithm"].unique(), key=lambda name: float(_regret(runs, name).mean())):
        sample, baseline = _regret(runs, name), BASELINES[name]
        bound, reference, off = "", "", ""
        if baseline.bound is not None:
            bound = f"{baseline.relation} {baseline.bound(_REFERENCE_HORIZON):,.0f}"
        if baseline.reference is not None:
            value, error = baseline.reference
            reference, off = f"{value:.1f} ± {error:.1f}", f"{_off(sample, value, error):.1f}"
        rows.append((name, f"{sample.mean():.1f} ± {_standard_error(sample):.1f}", reference, off, bound))
    return NamedTable(
        f"Mean pseudo-regret after {_REFERENCE_HORIZON:,} rounds, ± standard error, beside the values of an "
        f"independent prototype (1,000 runs) and the bounds. Lai and Robbins: {LAI_ROBBINS:.2f} ln(T) in the limit, "
        f"{LAI_ROBBINS * math.log(_REFERENCE_HORIZON):,.0f} here.",
        ("policy", "regret", "prototype", "combined standard errors apart", "bound"),
        rows,
    )


EXPERIMENT = BanditBaselines()
