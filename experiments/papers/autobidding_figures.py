"""The figures of `autobidding`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.experiment import NamedFigure
from experiments.papers.autobidding import LOSSES, SCALING, scaling_name
from experiments.plots import draw_band, in_house_style, line_style, new_figure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["figures"]

_SHOWN = (
    *("SGD-UCB, paper", "SGD-UCB, tuned", "Bernstein radius, tuned", "Thompson, tuned", "full information, tuned"),
    *("re-solving hull", "buffer of 5", "equal budgets", "explore, then commit", "joint UCB1", "joint EXP3"),
)


def figures(results: pd.DataFrame) -> list[NamedFigure]:
    """One for each of E1 to E7, E2's as a table."""
    return [_scaling(results), _learners(results), _paths(results), _losses(results), _positions(results),
            _week(results), _caps(results)]  # fmt: skip


@in_house_style
def _scaling(results: pd.DataFrame) -> NamedFigure:
    """E1: regret against the horizon."""
    figure, panels = new_figure(columns=2, width=5.0, height=4.0)
    here = results[results["part"] == "scaling"]
    for axes, radius in zip(panels, (1.0, 0.05), strict=True):
        for place, setting in enumerate(one for one in SCALING if one[2] == radius):
            mine = here[here["instance"] == scaling_name(setting)].groupby("horizon")["regret"]
            horizons = mine.mean().index.to_numpy(float)
            mean, error = (part.to_numpy(float) * horizons for part in (mine.mean(), mine.sem()))
            label = f"market {setting[0]}, target {setting[1]:g}, eta {setting[3]:g}/√T, u = {setting[4]:g}"
            draw_band(axes, horizons, mean, mean - 2 * error, mean + 2 * error, label=label, **line_style(place))
        ends = np.array([1e3, 3e5])
        axes.plot(ends, 60 * (ends / 1e3) ** (2 / 3), color="0.4", linestyle="--", label="slope 2/3")
        axes.set(xscale="log", yscale="log", xlabel="periods T", title=f"radius factor {radius:g}", ylim=(15, 3e6))
        axes.legend(loc="upper left", fontsize=8)
    panels[0].set_ylabel("regret / optimum of a period")
    caption = (
        "E1: mean regret of SGD-UCB against the best budgets, in units of a period's optimum with two standard errors. "
        "The rate of 2/3 shows where the radius is matched to the noise; with the paper's, exploration dominates."
    )
    return NamedFigure("scaling", caption, figure)


@in_house_style
def _learners(results: pd.DataFrame) -> NamedFigure:
    """E3: relative regret over time."""
    figure, panels = new_figure(columns=2, rows=2, width=4.8, height=3.3)
    here = results[results["part"] == "learners"]
    for axes, instance in zip(panels, list(dict.fromkeys(here["instance"])), strict=True):
        mine = here[here["instance"] == instance]
        for place, algorithm in enumerate(_SHOWN):
            curve = mine[mine["algorithm"] == algorithm].groupby("period")["regret"].mean()
            style = line_style(place) | {"markevery": 0.2, "markersize": 4}
            axes.plot(curve.index, curve.to_numpy(float), label=algorithm, **style)
        axes.axhline(0, color="0.4", linewidth=1)
        axes.set(xscale="log", title=f"market {instance}", xlim=(10, here["period"].max()))
        axes.set_ylim(-0.25, 0.7)
    for axes in panels[2:]:
        axes.set_xlabel("period t")
    for axes in panels[::2]:
        axes.set_ylabel("share of the optimum lost")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    caption = (
        "E3: mean regret up to period t over t optima (the best budgets of every period). It can be negative before "
        "the constraints are paid for: early periods can overspend."
    )
    return NamedFigure("learners", caption, figure)


@in_house_style
def _paths(results: pd.DataFrame) -> NamedFigure:
    """E3: slack of the target and budget used, over time."""
    figure, (left, right) = new_figure(columns=2, width=5.2, height=3.8)
    here = results[(results["part"] == "learners") & (results["instance"] == "0, target 1") & (results["run"] == 0)]
    shown = ("SGD-UCB, paper", "SGD-UCB, tuned", "re-solving hull", "buffer of 5", "no cap, guards the budget")
    for place, algorithm in enumerate(shown):
        mine = here[here["algorithm"] == algorithm]
        style = line_style(place) | {"markevery": 0.2, "markersize": 4}
        left.plot(mine["period"], mine["slack"], label=algorithm, **style)
        right.plot(mine["period"], mine["charged"] / mine["period"], **style)
    left.axhline(0, color="0.4", linewidth=1)
    right.axhline(1, color="0.4", linewidth=1)
    left.set(xlabel="period t", ylabel="conversions less target times budgets", title="slack of the target so far")
    right.set(xlabel="period t", ylabel="budgets / (ρ t)", title="budget used so far", xscale="log")
    left.set_xscale("log")
    left.set_yscale("symlog", linthresh=10)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    caption = (
        "E3, market 0, target 1, one run: while the multiplier climbs the target is violated; the guard leaves time to "
        "repay. A buffer limits the debt of every prefix; without a guard a small debt stays."
    )
    return NamedFigure("paths", caption, figure)


@in_house_style
def _losses(results: pd.DataFrame) -> NamedFigure:
    """E4: loss against the share of conversions missed."""
    figure, (axes,) = new_figure(width=6.2, height=4.0)
    means = results[results["part"] == "losses"].groupby("instance")[["lost", "left"]].mean()
    for place, target in enumerate(LOSSES):
        losses = list(LOSSES[target])
        rows = means.loc[[f"target {target:g}, loss {loss:g}" for loss in losses]]
        style = line_style(place)
        axes.plot(losses, rows["lost"], label=f"target {target:g}: SGD-UCB", **style)
        axes.plot(losses, 1 - rows["left"], label=f"target {target:g}: unavoidable", **style | {"linestyle": "--"})
    axes.plot([0, 0.2], [0, 0.2], color="0.4", linestyle=":", label="as many as are missed")
    axes.set(xlabel="share of conversions that channels miss", ylabel="share of the undegraded optimum lost")
    axes.legend(loc="upper left")
    caption = "E4: where the target binds, a small loss of conversions costs many times as much; learning adds little."
    return NamedFigure("losses", caption, figure)


@in_house_style
def _positions(results: pd.DataFrame) -> NamedFigure:
    """E5: value against budget by pricing."""
    figure, (axes,) = new_figure(width=6.0, height=3.8)
    here = results[results["part"] == "positions"]
    for place, pricing in enumerate(("vcg", "gsp")):
        curve = here[here["instance"] == pricing].groupby("share")["value"].mean()
        style = line_style(place) | {"markevery": 3}
        axes.plot(60 * curve.index, curve.to_numpy(float), label=pricing.upper(), **style)
    axes.set(xlabel="budget", ylabel="expected value of clicks", title="400 auctions of three slots")
    axes.legend(loc="lower right")
    caption = "E5: the best purchase at Vickrey-Clarke-Groves and at generalised second prices, for the same bids."
    return NamedFigure("positions", caption, figure)


@in_house_style
def _week(results: pd.DataFrame) -> NamedFigure:
    """E6: spend over the week."""
    figure, panels = new_figure(columns=3, width=3.8, height=3.4)
    here = results[(results["part"] == "week") & (results["run"] == 0)]
    for axes, channel in zip(panels, range(3), strict=True):
        mine = here[here["channel"] == channel]
        for place, algorithm in enumerate(dict.fromkeys(mine["algorithm"])):
            path = mine[mine["algorithm"] == algorithm]
            style = line_style(place) | {"markevery": 24, "markersize": 4}
            axes.plot(path["hour"] / 24, path["spent"], label=algorithm, **style)
        traffic = mine[mine["algorithm"] == mine["algorithm"].iloc[0]]
        axes.plot(traffic["hour"] / 24, traffic["traffic"], "k--", linewidth=1, label="traffic so far")
        axes.set(xlabel="day", title=f"channel {channel + 1}", xlim=(0, 7), ylim=(0, 1.02))
    panels[0].set_ylabel("share of the week's budget spent")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    caption = "E6: spend of three channels' pacers over a week of real traffic, one run."
    return NamedFigure("week", caption, figure)


@in_house_style
def _caps(results: pd.DataFrame) -> NamedFigure:
    """E7: the price of budgets of every period."""
    figure, (axes,) = new_figure(width=6.0, height=3.8)
    here = results[results["part"] == "caps"]
    found = here.assign(spread=here["instance"].astype(float)).groupby("spread")["ratio"]
    low, middle, high = (found.quantile(q).to_numpy(float) for q in (0.05, 0.5, 0.95))
    spreads = found.mean().index.to_numpy(float)
    draw_band(axes, spreads, middle, low, high, label="median, 5% to 95%", **line_style(0))
    axes.set(xlabel="spread of the realisations' values (s.d. of logarithm)", ylabel="ch_opt_period / gl_opt")
    axes.set_ylim(0, 1.05)
    axes.legend(loc="lower left")
    caption = (
        "E7: the best budgets that hold in every period against the optimum that knows each realisation, for markets "
        "of three channels with four equally likely realisations drawn at random."
    )
    return NamedFigure("caps", caption, figure)
