"""The figures of `dp_best_arm`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import NullFormatter

from bandits import dp_bai_rate
from experiments.experiment import NamedFigure
from experiments.papers.dp_best_arm import EPSILONS, instance, interval_of
from experiments.plots import draw_bound, in_house_style, line_style, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figures"]

_ORDER = ("DP-BAI", "DP-OD sums", "DP-OD theta", "DP-OD means", "DP halving", "OD-LinBAI")
_ERROR = "share of wrong answers"


def figures(results: pd.DataFrame) -> list[NamedFigure]:
    """Norm 10, spheres, unstructured arms, budgets, kinds of noise."""
    results = results.assign(epsilon=results["epsilon"].astype(float))  # None, without privacy, becomes nan
    return [_norm_ten(results), _spheres(results), _unstructured(results), _budgets(results), _noise(results)]


@in_house_style
def _norm_ten(results: pd.DataFrame) -> NamedFigure:
    """Error against budget for three budgets of privacy."""
    here = _of(results, "linear", "norm 10")
    figure, panels = new_figure(columns=3, width=3.6, height=3.6)
    for axes, epsilon in zip(panels, EPSILONS, strict=True):
        _curves(axes, here[here["epsilon"] == epsilon], "budget", _ORDER)
        axes.set(xscale="log", xlabel="budget T (pulls)", title=f"$\\varepsilon$ = {epsilon:g}", ylim=(-0.03, 1.03))
    panels[0].set_ylabel(_ERROR)
    _legend_below(figure, panels[0], 6)
    caption = (
        f"30 arms in 2 dimensions, one feature vector of norm 10, uniform rewards; {_runs(here)} runs with 95% "
        "Clopper-Pearson intervals. The curves of DP-BAI and of DP-OD with noise on the sums cover each other: the two "
        "have the same law here. OD-LinBAI is not private and does not depend on epsilon."
    )
    return NamedFigure("norm_ten", caption, figure)


@in_house_style
def _spheres(results: pd.DataFrame) -> NamedFigure:
    """Error against budget where linear structure helps DP-OD, and DP-BAI less."""
    worlds = ("sphere 64, 9", "sphere 1000, 5")
    figure, panels = new_figure(columns=2, width=4.4, height=3.6)
    for axes, world in zip(panels, worlds, strict=True):
        _curves(axes, _of(results, "linear", world), "budget", _ORDER)
        n_arms, dimension = world.removeprefix("sphere ").split(", ")
        axes.set(xscale="log", xlabel="budget T (pulls)", title=f"{n_arms} arms, d = {dimension}", ylim=(-0.03, 1.03))
        axes.xaxis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel(_ERROR)
    _legend_below(figure, panels[0], 6)
    caption = (
        "Feature vectors on a sphere, Bernoulli rewards, epsilon = 0.1: 95% Clopper-Pearson intervals. Left, with "
        "fewer than d^2 = 81 arms, DP-BAI pulls every arm in every phase and does not use the features; on both sides "
        "DP-OD with noise on the sums needs fewer pulls."
    )
    return NamedFigure("spheres", caption, figure)


@in_house_style
def _unstructured(results: pd.DataFrame) -> NamedFigure:
    """Error against epsilon with bounds, and what the bounds say of the exponent."""
    here = _of(results, "unstructured", "staircase")
    finite = here[here["epsilon"].notna()]
    budget = int(here["budget"].iloc[0])
    arms = instance("staircase", 0)
    figure, (axes, exponents) = new_figure(columns=2, width=4.6, height=3.7)
    ours = finite[finite["algorithm"] == "DP-BAI"].sort_values("epsilon")
    epsilons = ours["epsilon"].to_numpy(dtype=float)
    rate = [dp_bai_rate(arms.gaps, 9, budget, epsilon) for epsilon in epsilons]
    seen = finite[finite["errors"] > 0]  # without an error there is no place on a logarithmic axis
    _curves(axes, seen, "epsilon", ("DP-BAI",))
    without = here[here["epsilon"].isna() & (here["algorithm"] == "halving")].to_dict("records")[0]
    drawn = (
        ("bound", "bound, Chernoff", "C0"),
        ("closed_bound", "bound, closed form", "C5"),
        (None, "asymptotic rate, no bound here", "0.5"),
    )
    for column, label, color in drawn:
        values = np.asarray(rate if column is None else ours[column], dtype=float)
        draw_bound(axes, epsilons, values, label=label, color=color)
        speaks = values < 1.0
        draw_bound(exponents, epsilons[speaks], -np.log(values[speaks]) / budget, label=label, color=color)
    some = ours[ours["errors"] > 0]
    measured = -np.log(some["errors"] / some["replications"]) / budget
    exponents.plot(some["epsilon"], measured, label="DP-BAI, measured", **line_style(0))
    axes.set(xscale="log", yscale="log", xlabel="privacy budget $\\varepsilon$", ylabel=_ERROR, ylim=(2e-5, 1.6))
    exponents.set(xscale="log", yscale="log", xlabel="privacy budget $\\varepsilon$", ylabel="-ln(error) / T")
    axes.set_title(f"9 Bernoulli arms, T = {budget:,}")
    exponents.set_title("exponents")
    axes.legend(fontsize=7.5)
    exponents.legend(fontsize=7.5)
    caption = (
        f"Means 0.9, 0.8, ..., 0.1: {_runs(here)} runs with 95% Clopper-Pearson intervals, where an error was seen. "
        f"Without privacy halving errs in {without['errors']} of them. Dashed: the bounds that hold at this budget, "
        "and the paper's rate exp(-T' / (65 M H)), which is for large budgets only. Right: the exponents; bounds of 1 "
        "are left out."
    )
    return NamedFigure("unstructured", caption, figure)


@in_house_style
def _budgets(results: pd.DataFrame) -> NamedFigure:
    """Budget for 5% errors against epsilon."""
    here = results[results["part"] == "budget"].sort_values("epsilon")
    figure, (axes,) = new_figure(width=6.0, height=4.2)
    epsilons = here["epsilon"].to_numpy(dtype=float)
    for place, (column, bound, label) in enumerate(
        (
            ("simulated", "by_bound", "9 arms, 0.9 to 0.1, simulated"),
            ("two_arms", "two_arms_by_bound", "2 arms, 0.6 and 0.5, exact law"),
        )
    ):
        slope = np.diff(np.log(here[column].iloc[:2].to_numpy(float)))[0] / np.diff(np.log(epsilons[:2]))[0]
        axes.plot(epsilons, here[column], label=f"{label}; slope {slope:.2f} at the left", **line_style(place))
        draw_bound(axes, epsilons, here[bound], label="its bound (Chernoff), inverted", color=f"C{place}")
    axes.axvline(0.1, color="0.6", linewidth=1.0, linestyle=":", label="$\\varepsilon$ = smallest gap")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="privacy budget $\\varepsilon$",
        ylabel="budget for 5% wrong answers (pulls)",
        title="Where privacy begins to cost",
    )
    axes.legend()
    caption = (
        "Budget at which DP-BAI errs in 5% of the runs. Below the smallest gap it grows as 1 / epsilon; from about ten "
        "times the smallest gap on, privacy costs next to nothing."
    )
    return NamedFigure("budget", caption, figure)


@in_house_style
def _noise(results: pd.DataFrame) -> NamedFigure:
    """Laplace and Gaussian noise at equal epsilon."""
    figure, panels = new_figure(columns=2, width=4.4, height=3.6)
    for axes, (world, title) in zip(
        panels, (("norm 10", "basis of 2 arms"), ("sphere 300, 12", "bases of up to 12 arms")), strict=True
    ):
        here = _of(results, "noise", world)
        _curves(axes, here, "budget", tuple(dict.fromkeys(here["algorithm"])))
        axes.set(xscale="log", xlabel="budget T (pulls)", title=title, ylim=(-0.03, 1.03))
    panels[0].set_ylabel(_ERROR)
    _legend_below(figure, panels[0], 3)
    caption = (
        "DP-BAI with Laplace noise, and DP-BAI-Gauss at the same epsilon = 0.1 with two deltas: 95% Clopper-Pearson "
        "intervals. Left the instance with a feature vector of norm 10, right 300 arms on a sphere in 12 dimensions."
    )
    return NamedFigure("noise", caption, figure)


def _of(results: pd.DataFrame, part: str, world: str) -> pd.DataFrame:
    return results[(results["part"] == part) & (results["instance"] == world)]


def _runs(rows: pd.DataFrame) -> str:
    return f"{int(rows['replications'].iloc[0]):,}"


def _curves(axes: Axes, rows: pd.DataFrame, x: str, names: tuple[str, ...]) -> None:
    """Shares of errors with their intervals, a line for each algorithm."""
    for place, name in enumerate(names):
        mine = rows[rows["algorithm"] == name].sort_values(x)
        intervals = [interval_of(row) for row in mine.to_dict("records")]
        style: dict[str, Any] = line_style(place)
        if name == "OD-LinBAI":
            style |= {"color": "black", "linestyle": ":"}
        if name == "DP-OD sums":
            style |= {"linestyle": "--", "markerfacecolor": "white"}  # it covers DP-BAI on some instances
        (line,) = axes.plot(mine[x], [interval.estimate for interval in intervals], label=name, **style)
        low, high = ([getattr(interval, end) for interval in intervals] for end in ("low", "high"))
        axes.fill_between(mine[x], low, high, color=line.get_color(), alpha=0.15, linewidth=0)


def _legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)
