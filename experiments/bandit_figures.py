"""The figures of `bandit_baselines`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.bandit_baselines import BASELINES, LAI_ROBBINS
from experiments.claims import Interval, mean_interval
from experiments.experiment import NamedFigure
from experiments.plots import draw_band, draw_bound, in_house_style, line_style, new_figure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["at_the_horizon", "curves"]


@in_house_style
def curves(standard: pd.DataFrame) -> NamedFigure:
    """Regret against rounds with bands and the Lai-Robbins line, a panel a family."""
    panels = list(dict.fromkeys(baseline.panel for baseline in BASELINES.values()))
    figure, grid = new_figure(columns=2, rows=(len(panels) + 1) // 2, width=5.4, height=4.0)
    rounds = np.asarray(sorted(standard["round"].unique()))
    late = rounds[rounds >= 30]
    for axes, panel in zip(grid, panels, strict=False):
        members = [name for name, baseline in BASELINES.items() if baseline.panel == panel]
        final = {name: _last(standard, name).estimate for name in members}
        for index, name in enumerate(sorted(members, key=lambda name: -final[name])):
            runs = standard[standard["algorithm"] == name]
            table = runs.pivot_table(index="round", columns="replication", values="regret").loc[late]
            bands = [mean_interval(row, level=0.95) for row in table.to_numpy()]
            draw_band(
                axes,
                late,
                [band.estimate for band in bands],
                [band.low for band in bands],
                [band.high for band in bands],
                label=name,
                markevery=(4 * index % 12, 12),
                **line_style(index),
            )
        draw_bound(axes, late, LAI_ROBBINS * np.log(late), label="Lai-Robbins (limit)", color="black")
        axes.set(xscale="log", title=panel)
        if panel == panels[0]:
            axes.set_yscale("log")
        else:
            axes.set_ylim(0.0, 1.4 * max(*final.values(), LAI_ROBBINS * np.log(late[-1])))  # room for the legend
        axes.legend(loc="upper left")
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes in grid[: len(panels)][-2:]:  # the lowest panel of each column
        axes.set_xlabel("rounds")
    for axes in grid[::2]:
        axes.set_ylabel("pseudo-regret (reward units)")
    caption = (
        f"Pseudo-regret on 10 Bernoulli arms with means 0.05, 0.1, ..., 0.5: means of {_counts(standard)} runs with "
        "pointwise 95% normal bands, in each legend from the largest to the smallest at the end. Dashed: the lower "
        "bound of Lai and Robbins, which speaks only of the limit of infinitely many rounds; the best policies are "
        "still below it. Policies that forget are made for arms that change, which these do not. Only the first panel "
        "has a logarithmic axis of the regret."
    )
    return NamedFigure("regret", caption, figure)


@in_house_style
def at_the_horizon(standard: pd.DataFrame) -> NamedFigure:
    """Regret at the horizon of all policies, beside their bounds."""
    horizon = int(standard["horizon"].iloc[0])
    last = {name: _last(standard, name) for name in BASELINES}
    names = sorted(BASELINES, key=lambda name: last[name].estimate, reverse=True)
    figure, (axes,) = new_figure(width=7.2, height=0.26 * len(names) + 1.2)
    places = np.arange(len(names))
    for place, name in zip(places, names, strict=True):
        baseline = BASELINES[name]
        if baseline.bound is not None:
            ends = sorted((last[name].estimate, baseline.bound(horizon)))
            axes.plot(ends, [place, place], color="0.75", linewidth=1.0, zorder=1)
    for relation, marker, label in (("<=", "<", "at most: upper bound"), (">=", ">", "at least: lower bound")):
        bounds = [
            (baseline.bound(horizon), place)
            for place, baseline in zip(places, (BASELINES[name] for name in names), strict=True)
            if baseline.bound is not None and baseline.relation == relation
        ]
        axes.plot(*zip(*bounds, strict=True), linestyle="", marker=marker, color="C1", label=label)
    means = [last[name].estimate for name in names]
    halves = [last[name].high - last[name].estimate for name in names]
    axes.errorbar(means, places, xerr=halves, linestyle="", marker="o", color="C0", label="mean regret, 95% interval")
    axes.axvline(
        LAI_ROBBINS * np.log(horizon), color="black", linestyle="--", linewidth=1.4, label="Lai-Robbins (limit)"
    )
    axes.set_yticks(places, names)
    axes.set(
        xscale="log", xlabel=f"pseudo-regret after {horizon:,} rounds (reward units)", ylim=(-0.7, len(names) - 0.3)
    )
    axes.grid(axis="y", visible=False)
    axes.legend(loc="upper right")
    caption = (
        f"Pseudo-regret after {horizon:,} rounds, means of {_counts(standard)} runs with 95% normal intervals, "
        "most of them narrower than the dots. A policy without a bound with known constants has none here."
    )
    return NamedFigure("regret_and_bounds", caption, figure)


def _last(standard: pd.DataFrame, name: str) -> Interval:
    runs = standard[(standard["algorithm"] == name) & (standard["round"] == standard["horizon"])]
    return mean_interval(runs["regret"], level=0.95)


def _counts(standard: pd.DataFrame) -> str:
    counts = sorted(standard["replications"].unique())
    return " or ".join(f"{count:,}" for count in counts)
