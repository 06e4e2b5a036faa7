"""How should a budget be split over channels? The experiment behind ``regretlab autobidding``.

The log of what could have been bought gives each channel's response curve; the best split is exact, with a certificate.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from algos.knapsack import BudgetSplit, ResponseCurve, mean_curve, pareto_frontier, pooled_curve, split_budget
from experiments.claims import Claim, exact
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from experiments.plots import in_house_style, line_style, new_figure
from simulators.auctions import AuctionLog

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BudgetChoice", "reasons_in_words"]

_FRONTIER_POINTS = 400
_WHAT_BINDS = {
    "budget": "what binds is the budget",
    "roi": "what binds is the target for the return",
    "none": "nothing binds: everything that may be bought is bought",
}


class BudgetChoice(Experiment):
    """Split a budget over the channels of a log.

    Parameters
    ----------
    path : str or Path
        For `simulators.auctions.AuctionLog.from_file`.
    budget : float >= 0 or inf
        For the whole log, or for each of its periods with `every_period`.
    roi : float >= 0
        Target for value per spend.
    lower, upper : mapping from channel to number, optional
        Bounds of the channels' budgets.
    every_period : bool
        True gives each channel the same budget in every period of the log, which it cannot carry over.
    layout, channel
        As for `AuctionLog.from_file`.

    Raises
    ------
    ValueError
        When the file cannot be read, or an argument is out of its range.
    """

    name = "budget_split"
    question = "How should the budget be split over the channels of this log?"
    source = "Deng et al., ICML 2023 (arXiv:2302.01523)"

    def __init__(
        self,
        path: str | Path,
        *,
        budget: float = math.inf,
        roi: float = 0.0,
        lower: Mapping[str, float] | None = None,
        upper: Mapping[str, float] | None = None,
        every_period: bool = False,
        layout: str = "auto",
        channel: str | None = None,
    ) -> None:
        self.path = Path(path)
        if layout not in ("auto", "plain", "auctionnet", "bat"):
            raise ValueError(f"layout: {layout!r} is not one of auto, plain, auctionnet, bat")
        self.log = AuctionLog.from_file(self.path, layout=layout, channel=channel)  # type: ignore[arg-type]
        self._options: dict[str, Any] = {
            "budget": None if budget == math.inf else budget,
            "roi": roi,
            "lower": dict(lower or {}),
            "upper": dict(upper or {}),
            "every_period": every_period,
            "layout": layout,
            "channel": channel,
        }
        self.budget, self.roi = budget, roi
        self.curves: dict[str, ResponseCurve] = self.log.curves()
        if every_period:
            share = np.full(self.log.periods, 1.0 / self.log.periods)
            known = self.log.market().channels
            self.curves = {name: mean_curve(known[name].curves(), share) for name in self.log.names}
        self.split: BudgetSplit = split_budget(self.curves, roi, budget, lower=lower or None, upper=upper or None)

    def parameters(self) -> dict[str, Any]:
        """What rebuilds the experiment."""
        return {
            "path": str(self.path.resolve()),
            "fingerprint": hashlib.sha256(self.path.read_bytes()).hexdigest()[:16],
            **self._options,
        }

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> BudgetChoice:
        """Rebuild an experiment; the file must hold the same."""
        given = {key: value for key, value in parameters.items() if key != "fingerprint"}
        if given["budget"] is None:
            given["budget"] = math.inf
        made = cls(**given)
        if made.parameters()["fingerprint"] != parameters["fingerprint"]:
            raise ValueError(f"{parameters['path']}: no longer holds the log that was split")
        return made

    def command(self) -> list[str]:
        """The words of the command that asks the same, where the file is."""
        words = ["regretlab", "autobidding", self.path.name]
        if self.budget < math.inf:
            words += ["--budget", f"{self.budget:g}"]
        words += ["--roi", f"{self.roi:g}"]
        for side in ("lower", "upper"):
            for name, bound in self._options[side].items():
                words += [f"--{side}", f"{name}={bound:g}"]
        if self._options["every_period"]:
            words.append("--every-period")
        if self._options["layout"] != "auto":
            words += ["--layout", self._options["layout"]]
        return [*words, *(["--channel", self._options["channel"]] if self._options["channel"] else [])]

    def cells(self, scale: Scale) -> list[Cell]:
        """One: the split is exact."""
        return [{"log": self.path.name}]

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """A row for each channel, and one for each point of the frontier."""
        import pandas as pd

        split, infeasible = self.split, self.split.status == "infeasible"
        rows: list[dict[str, Any]] = [
            {
                "kind": "channel",
                "channel": name,
                "spend": split.spends[j],
                "value": split.values[j],
                "average": split.averages[j],
                "marginal": split.marginals[j],
                "reason": split.reasons[j],
                "most": self.curves[name].total_cost,
                "first": self.curves[name].marginal(0.0),
            }
            for j, name in enumerate(split.names)
        ]
        rows.append(
            {
                "kind": "whole", "channel": "", "spend": split.spend, "value": split.value,
                "average": math.nan if infeasible else _ratio(split.value, split.spend),
                "marginal": split.threshold, "reason": split.status if infeasible else split.binding,
                "most": self.budget, "first": _dual(self.curves, split, self.roi, self.budget),
            }
        )  # fmt: skip
        frontier = pareto_frontier(pooled_curve(self.curves))
        chosen = np.unique(np.linspace(0, frontier.spends.size - 1, _FRONTIER_POINTS).astype(int))
        rows += [
            {
                "kind": "frontier",
                "channel": "",
                "spend": frontier.spends[k],
                "value": frontier.values[k],
                "average": frontier.averages[k],
                "marginal": frontier.marginals[k],
                "reason": "",
                "most": math.nan,
                "first": math.nan,
            }
            for k in chosen
        ]
        return pd.DataFrame(rows)

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """That the split is the best: its value is that of the dual, which no split can exceed."""
        whole = results[results["kind"] == "whole"].iloc[0]
        if whole["reason"] == "infeasible" or self._options["lower"] or self._options["upper"]:
            return []
        gap = abs(whole["first"] - whole["value"]) / max(1.0, abs(whole["value"]))
        return [
            Claim(
                "No split is worth more: excess of the value that the prices of budget and target allow, relative",
                exact(gap),
                "<=",
                1e-9,
            )
        ]

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """The split."""
        rows = results[results["kind"] == "channel"]
        whole = results[results["kind"] == "whole"].iloc[0]
        if whole["reason"] == "infeasible":
            return []
        cells = [
            [
                row["channel"],
                f"{row['spend']:,.6g}",
                f"{row['value']:,.6g}",
                _return(row["average"]) if row["spend"] > 0 else "",
                _return(row["marginal"]),
                f"{row['most']:,.6g}",
            ]
            for row in rows.to_dict("records")
        ]
        cells.append(
            ["all", f"{whole['spend']:,.6g}", f"{whole['value']:,.6g}", _return(whole["average"]), "",
             f"{rows['most'].sum():,.6g}"]
        )  # fmt: skip
        per = ", in each period" if self._options["every_period"] else ""
        title = f"The best split{per}: {self._goals()}"
        return [
            NamedTable(
                title,
                ["channel", "spend", "value", "average return", "return of the next unit", "largest spend"],
                cells,
            )
        ]

    def summary(self, results: pd.DataFrame) -> list[str]:
        """What binds, and a reason for each channel."""
        whole = results[results["kind"] == "whole"].iloc[0]
        if whole["reason"] == "infeasible":
            return [f"No split keeps all bounds under {self._goals()}: infeasible."]
        found = [
            f"The best split buys {whole['value']:,.6g} for {whole['spend']:,.6g} ({self._goals()}); "
            f"{_WHAT_BINDS[whole['reason']]}."
        ]
        if self.split.budget_multiplier > 0:
            found.append(f"One more unit of budget would add {self.split.budget_multiplier:,.4g} of value.")
        if self.split.roi_multiplier > 0:
            cost = self.split.roi_multiplier * whole["spend"]
            found.append(f"A target higher by 0.01 would cost about {0.01 * cost:,.4g} of value.")
        return found + reasons_in_words(results[results["kind"] == "channel"], whole)

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """The frontier of all channels, and each channel's response with its place on it."""
        return [self._frontier(results), self._responses(results)]

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """That the log is read and split."""
        return f"{cell['log']}: {len(self.log.names)} channels, {self.log.periods:,} periods"

    def _goals(self) -> str:
        budget = "no budget" if self.budget == math.inf else f"budget {self.budget:,.6g}"
        return f"{budget}, " + (f"target {self.roi:g}" if self.roi > 0 else "no target")

    @in_house_style
    def _frontier(self, results: pd.DataFrame) -> NamedFigure:
        figure, (left, right) = new_figure(columns=2, width=5.2, height=3.9)
        frontier = results[results["kind"] == "frontier"]
        whole = results[results["kind"] == "whole"].iloc[0]
        left.plot(
            frontier["spend"], frontier["value"], **line_style(0) | {"marker": ""}, label="most value for a spend"
        )
        spends = frontier["spend"].to_numpy()
        if self.roi > 0:
            top = 1.08 * frontier["value"].max()
            line = spends[self.roi * spends <= top]
            left.plot(line, self.roi * line, color="0.4", linestyle="--", label=f"return of {self.roi:g}")
        if self.budget < spends.max():
            left.axvline(self.budget, color="0.4", linestyle=":", label="budget")
        fine = np.linspace(spends.max() / _FRONTIER_POINTS, spends.max(), _FRONTIER_POINTS)
        average = np.interp(fine, spends, frontier["value"]) / np.maximum(fine, 1e-300)
        right.plot(fine, average, **line_style(0) | {"marker": ""}, label="average")
        right.step(
            frontier["spend"], frontier["marginal"], where="post", **line_style(1) | {"marker": ""}, label="next unit"
        )
        if self.roi > 0:
            right.axhline(self.roi, color="0.4", linestyle="--", label="target")
        if whole["reason"] != "infeasible":
            for axes, height in ((left, whole["value"]), (right, whole["average"])):
                axes.plot(
                    [whole["spend"]], [height], marker="*", markersize=12, color="k", linestyle="none", label="best"
                )
        left.set(xlabel="spend", ylabel="value", title="all channels together")
        right.set(xlabel="spend", ylabel="return (value per spend)", title="the same, by return")
        right.set_ylim(bottom=0, top=1.1 * float(np.quantile(frontier["marginal"], 0.98)) + 1e-12)
        left.legend(loc="lower right")
        right.legend(loc="upper right")
        return NamedFigure("frontier", "Every budget and every target has its best split on this line.", figure)

    @in_house_style
    def _responses(self, results: pd.DataFrame) -> NamedFigure:
        figure, (axes,) = new_figure(width=7.0, height=4.4)
        rows = results[results["kind"] == "channel"].set_index("channel")
        for place, (name, curve) in enumerate(self.curves.items()):
            style = line_style(place)
            axes.plot(curve.spends, curve.values, **style | {"marker": ""}, label=name)
            if np.isfinite(rows.loc[name, "spend"]):
                axes.plot([rows.loc[name, "spend"]], [rows.loc[name, "value"]], **style | {"markersize": 9})
        axes.set(xlabel="spend of the channel", ylabel="value", title="each channel's response, and its share")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return NamedFigure("responses", "Response of each channel; the mark is its part of the best split.", figure)


def reasons_in_words(channels: pd.DataFrame, whole: pd.Series) -> list[str]:
    """One sentence for each channel: why it gets what it gets.

    Parameters
    ----------
    channels : DataFrame
        A row for each channel with channel, spend, average, marginal, reason and first, the return of its first unit.
    whole : Series
        With marginal, the common threshold, and reason, what binds.
    """
    threshold, found = whole["marginal"], []
    best = channels["average"].replace(math.inf, math.nan).max()
    for row in channels.to_dict("records"):
        name, marginal = row["channel"], row["marginal"]
        if row["reason"] == "end":
            text = "has nothing more to buy"
        elif row["reason"] == "upper":
            text = f"is at its upper bound; its next unit would return {marginal:.4g}"
        elif row["reason"] == "lower":
            text = f"gets no more than its lower bound: its next unit would return {marginal:.4g}"
        elif row["reason"] == "unused":
            text = (
                f"gets nothing: its best unit returns {row['first']:.4g}, not more than the threshold {threshold:.4g}"
                if row["first"] > 0
                else "gets nothing: there is nothing to buy"
            )
        else:
            text = f"stops where its next unit returns {marginal:.4g}; the common threshold is {threshold:.4g}"
        if row["average"] == best and row["reason"] == "threshold" and len(channels) > 1:
            text += f" (its average of {best:.4g} is the highest, but averages do not count, next units do)"
        found.append(f"{name} {text}.")
    return found


def _dual(curves: Mapping[str, ResponseCurve], split: BudgetSplit, roi: float, budget: float) -> float:
    """The value that the split's prices prove no split to exceed."""
    if split.status == "infeasible":
        return math.nan
    lam, mu = split.roi_multiplier, split.budget_multiplier
    price = lam * roi + mu
    total = mu * budget if mu > 0 else 0.0
    for curve in curves.values():
        gains = (1 + lam) * np.diff(curve.values) - price * np.diff(curve.spends)
        total += (1 + lam) * curve.free_value + float(np.maximum(gains, 0.0).sum())
    return float(total)


def _ratio(value: float, spend: float) -> float:
    return value / spend if spend > 0 else math.inf


def _return(value: float) -> str:
    return "free" if value == math.inf else f"{value:,.4g}"
