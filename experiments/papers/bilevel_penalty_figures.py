"""The figures of `bilevel_penalty`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.experiment import NamedFigure
from experiments.papers.bilevel_penalty_methods import CONTENDERS
from experiments.papers.bilevel_penalty_runs import CLOSENESS, CONSTANT, KNOWN, MOMENTUM, PLAIN, SAFE
from experiments.plots import draw_band, draw_bound, in_house_style, line_style, new_figure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["figures"]


def figures(results: pd.DataFrame) -> list[NamedFigure]:
    """E1 to E4, E7 and E8."""
    return [
        _closeness(results), _complexity(results), _noise(results), _momentum(results), _toy(results),
        _methods(results),
    ]  # fmt: skip


def _part(results: pd.DataFrame, part: str) -> pd.DataFrame:
    return results[results["part"] == part]


@in_house_style
def _closeness(results: pd.DataFrame) -> NamedFigure:
    figure, both = new_figure(2, width=5.4, height=4.4)
    for axes, column, label in zip(
        both, ("value_gap", "gradient_gap"), ("ψ − ψₛ", "|∇ψ − ∇ψₛ|"), strict=True
    ):  # fmt: skip
        for place, name in enumerate(CLOSENESS):
            rows = _part(results, "closeness")
            rows = rows[rows["instance"] == name]
            gaps = rows[column].to_numpy(float)
            if np.isfinite(gaps).all():
                axes.plot(rows["s"].to_numpy(float), gaps, label=name, **line_style(place))
        axes.set(xscale="log", yscale="log", xlabel="s", ylabel=label)
    both[0].legend(loc="lower right", fontsize="small")
    caption = (
        "E1: how far the penalised problem is from the true one, by s. Slope 1 where the assumptions hold; near the "
        "points where counter-examples break one, another slope or none."
    )
    return NamedFigure("closeness", caption, figure)


@in_house_style
def _complexity(results: pd.DataFrame) -> NamedFigure:
    figure, (axes,) = new_figure(width=6.4, height=4.2)
    for place, kind in enumerate((SAFE, CONSTANT)):
        rows = _part(results, "complexity")
        rows = rows[rows["algorithm"] == kind]
        eps, steps = rows["instance"].to_numpy(float), rows["steps"].to_numpy(float)
        slope = np.polyfit(np.log(eps), np.log(steps), 1)[0]
        axes.plot(eps, steps, label=f"{kind}: slope {slope:.2f}", **line_style(place))
        known = [(float(one), value) for (one, method), value in KNOWN["complexity"].items() if method == kind]
        draw_bound(
            axes, [one for one, _ in known], [value for _, value in known], label=f"specification, {kind}",
            color=line_style(place)["color"],
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="ε", ylabel="outer steps to a gradient of ε")
    axes.legend(loc="upper right")
    caption = "E2: outer steps without noise on the instance whose gradient fades like (1 + y)^(-1.25)."
    return NamedFigure("complexity", caption, figure)


@in_house_style
def _noise(results: pd.DataFrame) -> NamedFigure:
    figure, both = new_figure(2, width=5.4, height=4.2)
    for axes, part, size, label, rate in (
        (both[0], "noise", "oracle_calls", "accesses", -1 / 7),
        (both[1], "single", "steps", "steps", -1 / 5),
    ):
        grouped = _part(results, part).groupby(size)["square"]
        mean, error = grouped.mean().to_numpy(float), grouped.sem().to_numpy(float)
        sizes = np.array(sorted(grouped.groups), dtype=float)
        spread = np.exp(error / mean)  # two standard errors of the root's logarithm
        name = "Algorithm 1" if part == "noise" else "Algorithm 2"
        draw_band(
            axes, sizes, np.sqrt(mean), np.sqrt(mean) / spread, np.sqrt(mean) * spread,
            label=f"{name}, ± two standard errors", **line_style(0)
        )  # fmt: skip
        draw_bound(
            axes, sizes, np.sqrt(mean[0]) * (sizes / sizes[0]) ** rate, label=f"slope −1/{round(-1 / rate)}", color="C1"
        )
        axes.set(xscale="log", yscale="log", xlabel=label)
        axes.legend(loc="lower left")
    both[0].set_ylabel("root mean square of ψ'")
    caption = "E3: mean over iterates, weighted as upper steps are, and over runs: Algorithm 1 on the quadratic of E3, "
    return NamedFigure("noise", caption + "Algorithm 2 on the instance of E2.", figure)


@in_house_style
def _momentum(results: pd.DataFrame) -> NamedFigure:
    figure, (axes,) = new_figure(width=6.4, height=4.2)
    for place, kind in enumerate((MOMENTUM, PLAIN)):
        rows = _part(results, "momentum")
        grouped = rows[rows["algorithm"] == kind].groupby("steps")["square"]
        mean, error = grouped.mean(), grouped.sem().to_numpy(float)
        middle = mean.to_numpy(float)
        spread = np.exp(error / middle)
        steps = mean.index.to_numpy(float)
        draw_band(
            axes, steps, np.sqrt(middle), np.sqrt(middle) / spread, np.sqrt(middle) * spread,
            label=f"{kind}, ± two standard errors", **line_style(place)
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="step", ylabel="root mean square error of the direction")
    axes.legend(loc="upper left")
    caption = "E4: Algorithm 2's directions against the gradient of ψₛ, in blocks of half a decade; plain is η = 1."
    return NamedFigure("momentum", caption, figure)


@in_house_style
def _toy(results: pd.DataFrame) -> NamedFigure:
    figure, (axes,) = new_figure(width=6.4, height=4.2)
    rows = _part(results, "toy")
    smallest = rows[rows["instance"] == min(rows["instance"], key=float)]
    for place, (minimum, here) in enumerate(smallest.groupby("minimum")):
        style = line_style(place)
        axes.scatter(
            here["start_x"].astype(float), here["start_y"].astype(float), color=style["color"], marker=style["marker"],
            s=26, label=f"ends at x = {minimum:.3f}",
        )  # fmt: skip
        axes.axvline(float(minimum), color=style["color"], linestyle="--", linewidth=1.2)
    line = np.array([0.0, 3.0])
    axes.plot(line, -line, color="0.5", linewidth=1.2, label="lower solutions y = −x")
    axes.set(xlabel="x at the start", ylabel="y at the start")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    caption = (
        f"E7: where Algorithm 1 ends from each start, σ = {min(rows['instance'], key=float)}; dashed: minima of ψ."
    )
    return NamedFigure("toy", caption, figure)


@in_house_style
def _methods(results: pd.DataFrame) -> NamedFigure:
    rows = _part(results, "methods")
    names = list(dict.fromkeys(rows["instance"]))
    figure, grid = new_figure(2, (len(names) + 1) // 2, width=5.2, height=4.2)
    for axes, name in zip(grid, names, strict=False):
        for place, method in enumerate(CONTENDERS):
            here = rows[(rows["instance"] == name) & (rows["algorithm"] == method)]
            if here.empty:
                continue
            norms = np.maximum(here["gradient_norm"].to_numpy(float), 1e-12)
            axes.plot(here["accesses"].to_numpy(float), norms, label=method, markersize=3, **line_style(place))
        axes.set(xscale="log", yscale="log", xlabel="accesses", title=name)
    for spare in grid[len(names) :]:
        spare.set_axis_off()
    grid[0].set_ylabel("|∇ψ|")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right center", fontsize="small")
    caption = (
        "E8: gradient of ψ against accesses (gradients of f or g, and products), the best of six upper steps; SABA's "
        "sampled accesses count as their share of the records. Below 1e-12 nothing is told apart."
    )
    return NamedFigure("methods", caption, figure)
