"""Regret of the baseline policies on the standard instance, beside their bounds and published reference values.

The instance is K = 10 Bernoulli arms with means linspace(0.05, 0.5, 10). The reference values at T = 10,000 are
means over 1,000 runs of an independent prototype, with their standard errors.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from algos.contracts import checkpoint_rounds
from algos.streams import algorithm_stream, world_stream
from bandits import UCB1, Policy, ThompsonSampling, thompson_bayesian_bound, ucb1_bound
from experiments.claims import Claim, exact, mean_interval
from experiments.experiment import Cell, Experiment, NamedFigure, Scale
from simulators import BernoulliArms

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXPERIMENT", "BanditBaselines"]

STANDARD_MEANS = np.linspace(0.05, 0.5, 10)
_LAI_ROBBINS = 27.4208524  # sum of gap / kl(mean, best mean) over the suboptimal arms of the standard instance
_REFERENCE = {"UCB1": (484.5, 1.2), "ThompsonSampling": (115.0, 1.3)}  # mean and standard error at T = 10,000
_POLICIES: dict[str, Policy] = {"UCB1": UCB1(), "ThompsonSampling": ThompsonSampling()}
_REFERENCE_HORIZON = 10_000


class BanditBaselines(Experiment):
    """Regret curves on the standard instance, and Bayesian regret when the means are drawn from the prior."""

    name = "bandit_baselines"
    question = "How does the regret of UCB1 and Thompson sampling grow, and how far is it below their bounds?"
    source = "Auer, Cesa-Bianchi & Fischer 2002; Russo & Van Roy 2016; Lai & Robbins 1985"

    def cells(self, scale: Scale) -> list[Cell]:
        """Each policy on the standard instance, and Thompson sampling with means from its prior."""
        horizon, replications = (_REFERENCE_HORIZON, 1000) if scale == "quick" else (100_000, 5000)
        standard: list[Cell] = [
            {"instance": "standard", "n_arms": 10, "horizon": horizon, "replications": replications, "algorithm": name}
            for name in _POLICIES
        ]
        bayesian: list[Cell] = [
            {
                "instance": "uniform prior",
                "n_arms": n_arms,
                "horizon": 1000,
                "replications": replications,
                "algorithm": "ThompsonSampling",
            }
            for n_arms in (2, 10, 50)
        ]
        return standard + bayesian

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """Play all replications of one policy on one instance."""
        import pandas as pd

        horizon, policy = cell["horizon"], _POLICIES[cell["algorithm"]]
        rounds = checkpoint_rounds(horizon, _with_reference(horizon))
        curves = []
        for replication in range(cell["replications"]):
            world = world_stream(seed, cell, replication)
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
        """The bounds, and agreement with the reference values."""
        claims = []
        standard = results[results["instance"] == "standard"]
        horizon = int(standard["horizon"].iloc[0])
        last = standard[standard["round"] == horizon]
        ucb1 = last[last["algorithm"] == "UCB1"]["regret"]
        thompson = last[last["algorithm"] == "ThompsonSampling"]["regret"]
        gaps = STANDARD_MEANS.max() - STANDARD_MEANS
        claims.append(
            Claim(
                f"mean regret of UCB1 after {horizon:,} rounds stays below its bound",
                mean_interval(ucb1),
                "<=",
                ucb1_bound(gaps, horizon),
                "ucb1_bound",
            )
        )
        bayesian = results[(results["instance"] == "uniform prior") & (results["round"] == results["horizon"])]
        for (n_arms, rounds), sample in bayesian.groupby(["n_arms", "horizon"]):
            claims.append(
                Claim(
                    f"Bayesian regret of Thompson sampling, {n_arms} arms, after {rounds:,} rounds",
                    mean_interval(sample["regret"]),
                    "<=",
                    thompson_bayesian_bound(int(n_arms), int(rounds)),
                    "thompson_bayesian_bound",
                )
            )
        difference = np.asarray(thompson) - np.asarray(ucb1)  # replication by replication: they met the same worlds
        claims.append(
            Claim(
                "Thompson sampling has less regret than UCB1 in the same worlds; mean difference",
                mean_interval(difference),
                "<=",
                0.0,
            )
        )
        at_reference = standard[standard["round"] == _REFERENCE_HORIZON]
        for name, (value, error) in _REFERENCE.items():
            sample = at_reference[at_reference["algorithm"] == name]["regret"]
            measured = mean_interval(sample)
            deviation = math.hypot(error, float(sample.std(ddof=1)) / math.sqrt(len(sample)))
            claims.append(
                Claim(
                    f"{name} at T = 10,000 agrees with the reference {value} ± {error}: "
                    "|difference| in combined standard errors",
                    exact(abs(measured.estimate - value) / deviation),
                    "<=",
                    5.0,
                )
            )
        return claims

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """Regret against rounds with bands, the bound of UCB1 and the Lai-Robbins line."""
        from experiments.plots import draw_band, draw_bound, in_house_style, new_figure

        @in_house_style
        def draw() -> NamedFigure:
            figure, (axes,) = new_figure()
            standard = results[results["instance"] == "standard"]
            for name, runs in standard.groupby("algorithm", sort=False):
                table = runs.pivot_table(index="round", columns="replication", values="regret")
                bands = [mean_interval(row, level=0.95) for row in table.to_numpy()]
                draw_band(
                    axes,
                    table.index,
                    [band.estimate for band in bands],
                    [band.low for band in bands],
                    [band.high for band in bands],
                    label=f"{name}, mean and 95% band",
                )
            rounds = np.asarray(sorted(standard["round"].unique()))
            gaps = STANDARD_MEANS.max() - STANDARD_MEANS
            draw_bound(axes, rounds, [ucb1_bound(gaps, int(t)) for t in rounds], label="bound of UCB1", color="C0")
            draw_bound(
                axes, rounds[1:], _LAI_ROBBINS * np.log(rounds[1:]), label="Lai-Robbins (asymptotic)", color="black"
            )
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set(xlabel="rounds", ylabel="pseudo-regret (reward units)", title="10 Bernoulli arms, 0.05 to 0.5")
            axes.legend()
            count = int(standard["replications"].iloc[0])
            caption = (
                f"Pseudo-regret on the standard instance, mean of {count:,} runs with pointwise 95% normal bands; "
                "dashed: the bound of UCB1, and the lower bound of Lai and Robbins, which speaks only of the limit of "
                "infinitely many rounds."
            )
            return NamedFigure("regret", caption, figure)

        return [draw()]


def _with_reference(horizon: int) -> np.ndarray:
    """About 60 logarithmic checkpoints, the reference horizon among them when it is reached."""
    rounds = checkpoint_rounds(horizon, count=60)
    return rounds if horizon < _REFERENCE_HORIZON else np.union1d(rounds, [_REFERENCE_HORIZON])


EXPERIMENT = BanditBaselines()
