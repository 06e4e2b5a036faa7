"""The figures of `parl_policy_alignment`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.experiment import NamedFigure
from experiments.papers.parl_policy_alignment import INNER, INSTANCES
from experiments.plots import draw_band, draw_bound, in_house_style, line_style, new_figure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["figures"]


def figures(results: pd.DataFrame) -> list[NamedFigure]:
    """X1 to X4."""
    return [_gradients(results), _utility(results), _rate(results), _inner(results)]


@in_house_style
def _gradients(results: pd.DataFrame) -> NamedFigure:
    figure, (penalties, samples) = new_figure(2, width=5.2, height=4.0)
    found = results[results["part"] == "gradients"]
    place = 0
    for method in ("penalty", "central penalty"):
        for instance in INSTANCES:
            _errors(penalties, found, method, instance, place)
            place += 1
    for place, instance in enumerate(INSTANCES):
        _errors(samples, found, "sampled", instance, place)
    counts = np.array(sorted(found[found["algorithm"] == "sampled"]["value"].unique()))
    draw_bound(samples, counts, 12.0 / np.sqrt(counts), label="slope -1/2", color="0.4")
    penalties.set(xscale="log", yscale="log", xlabel="penalty weight s", ylabel="relative error of the gradient")
    samples.set(xscale="log", yscale="log", xlabel="trajectories B", ylabel="relative error of the gradient")
    penalties.legend(fontsize="small", loc="lower right")
    samples.legend(fontsize="small", loc="lower left")
    caption = (
        "X1: errors of gradients by penalties (left) and from sampled trajectories (right): geometric mean over runs "
        "with its middle half, fitted slopes. Theta space agrees to rounding; the direct term of a utility is 0, an "
        "error of 1."
    )
    return NamedFigure("gradients", caption, figure)


def _errors(axes: Any, found: pd.DataFrame, method: str, instance: str, place: int) -> None:
    rows = found[(found["algorithm"] == method) & (found["instance"] == instance)]
    grouped = rows.assign(log=np.log(rows["error"].astype(float))).groupby("value")["log"]
    values = grouped.mean().index.to_numpy(float)
    mean = np.exp(grouped.mean().to_numpy(float))
    slope = np.polyfit(np.log(values), np.log(mean), 1)[0]
    label = f"{method}, {instance}: slope {slope:.2f}"
    low, high = (np.exp(grouped.quantile(share).to_numpy(float)) for share in (0.25, 0.75))
    draw_band(axes, values, mean, low, high, label=label, **line_style(place))


@in_house_style
def _utility(results: pd.DataFrame) -> NamedFigure:
    figure, panels = new_figure(2, width=5.2, height=4.0)
    found = results[results["part"] == "utility"]
    for axes, instance in zip(panels, ("grid", "two states"), strict=True):
        here = found[found["instance"] == instance]
        for place, (method, rows) in enumerate(here.groupby("algorithm", sort=False)):
            # The first is drawn wide, so that it shows below one that covers it.
            style = line_style(place) | {"markevery": 4, "linewidth": 4.0 if place == 0 else 1.4, "markersize": 5}
            for run, one in rows.groupby("run"):
                axes.plot(one["round"], one["utility"].astype(float), label=str(method) if run == 0 else None, **style)
        axes.set(xscale="log", xlabel="steps of the designer", ylabel="designer's utility $J_u$", title=instance)
        axes.legend(fontsize="small", loc="center left" if instance == "two states" else "center right")
    caption = (
        "X2: the utility of the agent's optimal answer along the descent, a line a run. On the grid two natural steps "
        "do as well as the optimal answer, and cover it. The two states have two local optima; noise may lead to the "
        "better."
    )
    return NamedFigure("utility", caption, figure)


@in_house_style
def _rate(results: pd.DataFrame) -> NamedFigure:
    figure, (axes,) = new_figure(width=6.4, height=4.2)
    found = results[results["part"] == "rate"]
    for place, (column, label) in enumerate((("mean", "mean over the first T steps"), ("square", "at step T alone"))):
        rows = found.assign(log=np.log(np.maximum(found[column].astype(float), 1e-300)))
        grouped = rows.groupby("round")["log"]
        rounds, mean = grouped.mean().index.to_numpy(float), np.exp(grouped.mean().to_numpy(float))
        late = rounds >= rounds[-1] / 10
        slope = np.polyfit(np.log(rounds[late]), np.log(mean[late]), 1)[0]
        low, high = np.exp(grouped.min().to_numpy(float)), np.exp(grouped.max().to_numpy(float))
        style = line_style(place) | {"markevery": 4}
        draw_band(axes, rounds, mean, low, high, label=f"{label}: slope {slope:.2f} in the last decade", **style)
    bound = found.groupby("round")["bound"].max()
    draw_bound(
        axes, bound.index.to_numpy(float), bound.to_numpy(float), label="bound of the mean, worst run", color="0.4"
    )
    axes.set(xscale="log", yscale="log", xlabel="steps T", ylabel="squared norm of the gradient")
    axes.legend(loc="lower left")
    caption = "X3: random processes, 6 states, 3 actions, 4 parameters; geometric mean and range over processes."
    return NamedFigure("rate", caption, figure)


@in_house_style
def _inner(results: pd.DataFrame) -> NamedFigure:
    figure, panels = new_figure(2, width=5.2, height=4.0)
    found = results[results["part"] == "inner"]
    for axes, instance in zip(panels, INSTANCES, strict=True):
        for place, method in enumerate(INNER):
            rows = found[(found["algorithm"] == method) & (found["instance"] == instance)]
            style = line_style(place) | {"markevery": 1 if len(rows) < 26 else 4}
            axes.plot(rows["steps"], np.maximum(rows["error"].astype(float), 1e-16), label=method, **style)
        axes.set(yscale="log", xlabel="steps K of the agent", ylabel="relative error of the gradient",
                 title=instance)  # fmt: skip
        axes.set_ylim(bottom=1e-14)
    panels[1].legend(fontsize="small", loc="center right")
    caption = "X4: error of the theta-space gradient after K exact steps of the agent from the uniform policy."
    return NamedFigure("inner", caption, figure)
