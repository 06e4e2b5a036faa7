"""Which scheme would have served recorded answer times best? The experiment behind ``regretlab gradient-coding``.

Every scheme and parameter of the grids of `select_parameters` is played on the record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from algos.contracts import whole_number
from experiments.claims import Claim
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from experiments.plots import in_house_style, line_style, new_figure
from online.gradient_coding import FAMILIES, Candidate, select_parameters
from simulators import DelayTrace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SchemeChoice", "draw_runtime_against_load"]

_SHOWN_ROUNDS, _SHOWN_WORKERS = 20, 8


class SchemeChoice(Experiment):
    """Play every scheme and parameter on a file of answer times.

    Parameters
    ----------
    path : str or Path
        For `read_delays`: CSV, NPY or NPZ.
    jobs : int >= 1, optional
        J; the recorded rounds less `max_delay` when omitted.
    alpha, reference_load, max_delay, max_window, deadline_slack, wait, rule
        As for `select_parameters`.
    best : int >= 1
        Rows of the table of the fastest.
    array : str, optional
        Name of the array in an NPZ file.

    Raises
    ------
    ValueError
        When the file cannot be read, or an argument is out of its range.
    """

    name = "gradient_coding"
    question = "Which scheme, with which parameters, would have been fastest on these answer times?"
    source = "arXiv:2211.13802"

    def __init__(
        self,
        path: str | Path,
        *,
        jobs: int | None = None,
        alpha: float = 0.0,
        reference_load: float = 0.0,
        max_delay: int = 4,
        max_window: int | None = None,
        deadline_slack: float = 1.0,
        wait: str = "all",
        rule: str = "paper",
        best: int = 10,
        array: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.trace = DelayTrace.from_file(self.path, array=array, alpha=alpha, reference_load=reference_load)
        self.best = whole_number(best, "best", 1)
        self._options: dict[str, Any] = {
            "jobs": jobs, "alpha": alpha, "reference_load": reference_load, "max_delay": max_delay,
            "max_window": max_window, "deadline_slack": deadline_slack, "wait": wait, "rule": rule,
        }  # fmt: skip
        self._array = array
        self.jobs = select_parameters(self.trace.times, families=["uncoded"], **self._options).jobs  # checks them all
        longest = min(max_delay, max(self.jobs, 2) - 1 if max_window is None else max_window - 1)
        if self.jobs + longest > self.trace.n_rounds:
            raise ValueError(
                f"jobs: {self.jobs} take up to {self.jobs + longest} rounds, more than the {self.trace.n_rounds} "
                f"recorded in {self.path}"
            )

    def parameters(self) -> dict[str, Any]:
        """What rebuilds the experiment."""
        return {
            "path": str(self.path.resolve()),
            "fingerprint": hashlib.sha256(self.path.read_bytes()).hexdigest()[:16],
            "best": self.best,
            "array": self._array,
            **self._options,
        }

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> SchemeChoice:
        """Rebuild an experiment; the file must hold the same."""
        made = cls(**{key: value for key, value in parameters.items() if key != "fingerprint"})
        if made.parameters()["fingerprint"] != parameters["fingerprint"]:
            raise ValueError(f"{parameters['path']}: no longer holds the answer times that were played")
        return made

    def command(self) -> list[str]:
        """The words of the command that asks the same, where the file is."""
        words = ["regretlab", "gradient-coding", self.path.name, "--jobs", str(self.jobs)]
        for name, value in self._options.items():
            if name != "jobs" and value is not None:
                words += [f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
        return [*words, "--best", str(self.best), *(["--array", self._array] if self._array else [])]

    def cells(self, scale: Scale) -> list[Cell]:
        """One for each family."""
        return [{"scheme": family} for family in FAMILIES]

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """All parameters of a family, and the rounds of the fastest."""
        import pandas as pd

        selection = select_parameters(self.trace.times, families=[cell["scheme"]], **self._options)
        frame = selection.frame().drop(columns="family").assign(kind="parameters", parameters="")
        best = selection.best(k=self.best)
        if not best:
            return frame
        named = [_row(candidate) | {"kind": "best", "place": place} for place, candidate in enumerate(best)]
        outcome = best[0].scheme.run(self.trace, selection.jobs, np.random.default_rng(seed), trace=True).outcome
        rounds = [
            {
                "kind": "round",
                "place": r,
                "runtime": float(outcome["durations"][r]),
                "waits": int(outcome["waited"][r]),
                "parameters": " ".join(map(str, np.flatnonzero(outcome["stragglers"][r]))),
            }
            for r in range(len(outcome["durations"]))
        ]
        return pd.concat([frame, pd.DataFrame(named), pd.DataFrame(rounds)], ignore_index=True)

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """None: the times are the user's own."""
        return []

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """The fastest of all, the fastest of each family, and the rounds of the fastest."""
        best = self._best(results)
        size = f"{self.jobs:,} jobs on {self.trace.n_workers} workers, alpha = {self.trace.alpha:g} s"
        columns = ["scheme", "parameters", "seconds", "of uncoded", "load", "delay", "waited rounds"]
        uncoded = best[best["scheme"] == "uncoded"]["runtime"]
        of = float(uncoded.iloc[0]) if len(uncoded) else float("nan")

        def rows(found: pd.DataFrame) -> list[list[str]]:
            return [
                [
                    row["scheme"],
                    row["parameters"],
                    f"{row['runtime']:,.2f}",
                    "" if np.isnan(of) else f"{row['runtime'] / of:.1%}",
                    f"{row['load']:.6f}",
                    f"{row['delay']:.0f}",
                    f"{row['waits']:.0f}",
                ]
                for row in found.to_dict("records")
            ]

        deadline = best[~best["scheme"].str.startswith("event-driven")]
        first = (deadline if len(deadline) else best).iloc[0]
        played = self.rounds(results)
        played = played[played["scheme"] == first["scheme"]]
        shown = played.sort_values("seconds", ascending=False, kind="stable").head(_SHOWN_ROUNDS)
        slow = [
            [
                f"{row['round']}",
                f"{row['seconds']:.3f}",
                "yes" if row["waited"] else "",
                f"{row['lost']}",
                _few(row["workers"]),
            ]
            for row in shown.sort_values("round").to_dict("records")
        ]
        name = f"{first['scheme']}, {first['parameters']}" if first["parameters"] else first["scheme"]
        return [
            NamedTable(f"The fastest {min(self.best, len(best))}: {size}", columns, rows(best.head(self.best))),
            NamedTable(f"The fastest of each: {size}", columns, rows(best[best["place"] == 0])),
            NamedTable(
                f"The {len(slow)} slowest rounds of {name}",
                ["round", "seconds", "waited beyond the deadline", "results lost", "of workers"],
                slow,
            ),
        ]

    def rounds(self, results: pd.DataFrame) -> pd.DataFrame:
        """Every round of the fastest of each family: scheme, round, seconds, waited, lost, and the workers' numbers."""
        played = results[results["kind"] == "round"]
        return played.assign(
            round=played["place"].astype(int),
            seconds=played["runtime"],
            waited=played["waits"] > 0,
            lost=played["parameters"].str.split().str.len(),
            workers=played["parameters"],
        )[["scheme", "round", "seconds", "waited", "lost", "workers"]]

    def summary(self, results: pd.DataFrame) -> list[str]:
        """The answer."""
        best = self._best(results)
        first = best.iloc[0]
        deadline = best[~best["scheme"].str.startswith("event-driven")].iloc[0]
        sentences = [
            f"The fastest is {first['scheme']} ({first['parameters'] or 'no parameters'}): {first['runtime']:,.2f} s "
            f"for {self.jobs:,} jobs, at a load of {first['load']:.4g} of a job's data a worker and round."
        ]
        if deadline["scheme"] != first["scheme"]:
            sentences.append(
                f"Of the masters with a deadline it is {deadline['scheme']} ({deadline['parameters']}): "
                f"{deadline['runtime']:,.2f} s."
            )
        return sentences

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """Runtime against load, and the rounds."""
        parameters = results[results["kind"] == "parameters"]
        return [draw_runtime_against_load(parameters, "runtime_against_load"), self._rounds(results)]

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """Which family is done."""
        played = frame[frame["kind"] == "parameters"]["runtime"]
        return f"{cell['scheme']}: {len(played):,} parameters, fastest {played.min():,.2f} s"

    def _best(self, results: pd.DataFrame) -> pd.DataFrame:
        found = results[results["kind"] == "best"]
        if found.empty:
            raise ValueError(f"{self.path}: every scheme would have waited for a worker that never answers")
        return found.sort_values("runtime", kind="stable")

    @in_house_style
    def _rounds(self, results: pd.DataFrame) -> NamedFigure:
        figure, (left, right) = new_figure(columns=2, width=5.4, height=3.9)
        played = results[results["kind"] == "round"]
        for place, (family, rounds) in enumerate(played.groupby("scheme", sort=False)):
            clock = rounds["runtime"].cumsum().to_numpy()
            style = line_style(place) | {"markevery": 0.2, "markersize": 4}
            left.plot(clock, np.arange(1, len(clock) + 1), label=str(family), **style)
            right.plot(np.sort(rounds["runtime"]), np.linspace(0, 1, len(rounds)), **style)
        left.set(xlabel="time (s)", ylabel="rounds completed", title="fastest of each family")
        right.set(xlabel="time of a round (s)", ylabel="share of rounds", title="the same, by round")
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        return NamedFigure("rounds", "How the rounds of the fastest scheme of each family went.", figure)


@in_house_style
def draw_runtime_against_load(parameters: pd.DataFrame, name: str) -> NamedFigure:
    """Every parameter as a point: columns scheme, load, runtime."""
    figure, (axes,) = new_figure(width=7.0, height=4.6)
    for place, (family, points) in enumerate(parameters.groupby("scheme", sort=False)):
        known = points.dropna(subset=["runtime"])
        if known.empty:
            continue
        style = line_style(place)
        axes.scatter(
            known["load"], known["runtime"], s=9, alpha=0.35, linewidths=0, color=style["color"], rasterized=True
        )
        best = known.loc[known["runtime"].idxmin()]
        axes.plot(
            [best["load"]], [best["runtime"]], marker=style["marker"], color=style["color"], linestyle="none",
            markersize=9, markeredgecolor="k", label=f"{family}: {best['runtime']:,.1f} s",
        )  # fmt: skip
    top = float(np.nanquantile(parameters["runtime"], 0.98))
    axes.set(xscale="log", xlabel="load (share of a job's data a worker and round)", ylabel="time for all jobs (s)")
    axes.set_ylim(0, 1.15 * top)
    axes.legend(title="fastest of each family", loc="center left", bbox_to_anchor=(1.0, 0.5))
    caption = "Every scheme and parameter of the grids; the fastest of each family is marked."
    return NamedFigure(name, caption, figure)


def _few(workers: str) -> str:
    """The first workers of a list."""
    numbers = workers.split()
    return ", ".join(numbers[:_SHOWN_WORKERS]) + (", ..." if len(numbers) > _SHOWN_WORKERS else "")


def _row(candidate: Candidate) -> dict[str, Any]:
    return {
        "parameters": candidate.parameters,
        "runtime": candidate.runtime,
        "waits": candidate.waits,
        "load": candidate.scheme.load,
        "delay": candidate.scheme.delay,
    }
