"""The figures of `weighted_tallying`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.experiment import NamedFigure
from experiments.plots import draw_band, draw_bound, in_house_style, line_style, new_figure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["figures"]

_INSTANCES = ("stationary", "practice", "decoy", "all or nothing")
_POLICIES = (
    *("SE-WTB, default", "SE-WTB, n1 = 2", "elimination without burn-in", "ETC with burn-in", "batched Exp3"),
    *("UCB1", "Thompson sampling", "Exp3"),
)
_REGRET = "policy regret (loss)"


def figures(results: pd.DataFrame) -> list[NamedFigure]:
    """Regret over time, against bounds on the memory, and times to find a needle."""
    return [_instances(results), _memories(results), _needles(results)]


@in_house_style
def _instances(results: pd.DataFrame) -> NamedFigure:
    """Regret over time on four instances."""
    figure, panels = new_figure(columns=2, rows=2, width=4.6, height=3.4)
    for axes, instance in zip(panels, _INSTANCES, strict=True):
        here = results[(results["part"] == "instances") & (results["instance"] == instance)]
        for place, policy in enumerate(_POLICIES):
            mine = here[(here["algorithm"] == policy) & (here["regret"] > 0)]
            x, mean = mine["round"].to_numpy(float), mine["regret"].to_numpy(float)
            low, high = mean - 2 * mine["error"].to_numpy(float), mean + 2 * mine["error"].to_numpy(float)
            style = line_style(place) | {"markevery": 0.15, "markersize": 4}
            draw_band(axes, x, mean, np.maximum(low, 0.05), high, label=policy, **style)
        end = float(here["round"].max())
        axes.plot([10, end], [10, end], color="0.6", linewidth=1, linestyle=":", label="T (all lost)")
        bound = here[here["algorithm"] == "SE-WTB, default"]["bound"].iloc[0]
        draw_bound(axes, [end / 30, end], [bound, bound], label="bound of SE-WTB at T", color="k")
        axes.set(xscale="log", yscale="log", title=instance, xlim=(10, end), ylim=(1, 2 * end))
    for axes in panels[2:]:
        axes.set_xlabel("round t")
    for axes in panels[::2]:
        axes.set_ylabel(_REGRET)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    caption = (
        "Mean regret against t times the best loss at a full tally, with two standard errors; 5 arms, memory m = M = "
        "10; the bound holds with probability 1 - 1/T. Where losses depend on tallies in a misleading way (below), "
        "policies that ignore them lose a constant share of all rounds."
    )
    return NamedFigure("instances", caption, figure)


@in_house_style
def _memories(results: pd.DataFrame) -> NamedFigure:
    """Regret against M and against m."""
    figure, (loose, memory, short) = new_figure(columns=3, width=3.7, height=3.4)
    for place, policy in enumerate(("SE-WTB, default", "SE-WTB, n1 = M", "SE-WTB, n1 = 2")):
        for axes, part in ((loose, "loose bound"), (memory, "memory")):
            mine = results[(results["part"] == part) & (results["algorithm"] == policy)]
            ends = mine.groupby("parameter").tail(1).sort_values("parameter")
            axes.plot(ends["parameter"], ends["regret"], label=policy, **line_style(place))
    ends = results[results["part"] == "short bound"].groupby("parameter").tail(1).sort_values("parameter")
    short.errorbar(
        ends["parameter"], ends["regret"], 2 * ends["error"], label="SE-WTB, default, ± 2 s.e.", **line_style(0)
    )
    loose.set(xlabel="bound M on the memory m = 10", ylabel=_REGRET, title="all or nothing")
    memory.set(xlabel="memory m = M (rounds)", title="decoy")
    short.set(xlabel="bound M on the memory m = 1000", title="underestimated memory")
    for axes in (loose, memory, short):
        axes.set(xscale="log", yscale="log")
        axes.legend()
    caption = (
        "Regret after 100,000 rounds, 5 arms (right 2): linear in the bound M, and in the memory (left, two lines "
        "coincide); where M is below m "
        "the best arm is never seen at its best, and the regret is 0.4 T."
    )
    return NamedFigure("memories", caption, figure)


@in_house_style
def _needles(results: pd.DataFrame) -> NamedFigure:
    """Time to the first loss of 0 without repeated exposure optimality."""
    figure, (axes,) = new_figure(width=5.6, height=3.8)
    here = results[results["part"] == "needle"]
    for place, (policy, mine) in enumerate(here.groupby("algorithm", sort=False)):
        medians = mine.groupby("parameter")["found"].median()
        axes.plot(medians.index, medians, label=f"{policy}, median", **line_style(place))
    lags = np.array(sorted(here["parameter"].unique()), dtype=float)
    draw_bound(axes, lags, 2**lags, label="number of patterns $2^{m-1}$", color="k")
    axes.set(yscale="log", xlabel="lags that matter, m - 1", ylabel="first round with a loss of 0", xticks=lags)
    axes.legend()
    caption = (
        "Two arms of which one pays only after one pattern of plays, drawn at random: without repeated exposure "
        "optimality the time to find it doubles with every lag (runs without success count as 30 times the patterns)."
    )
    return NamedFigure("needle", caption, figure)
