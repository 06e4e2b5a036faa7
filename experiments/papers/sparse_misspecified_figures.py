"""The figures of `sparse_misspecified`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bandits import needle_query_bound
from experiments.experiment import NamedFigure
from experiments.papers.sparse_misspecified import cover_candidates
from experiments.plots import draw_bound, in_house_style, line_style, new_figure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["figures"]


def figures(results: pd.DataFrame) -> list[NamedFigure]:
    """The barrier, queries against the cover, needles, regret."""
    return [_barrier(results), _queries(results), _needles(results), _regret(results)]


@in_house_style
def _barrier(results: pd.DataFrame) -> NamedFigure:
    """Gap against dimension."""
    figure, (axes,) = new_figure(width=5.8, height=4.0)
    here = results[results["part"] == "barrier"].assign(ratio=lambda rows: rows["gap"] / rows["eps"])
    for place, (method, mine) in enumerate(here.groupby("method", sort=False)):
        stats = mine.groupby("value")["ratio"].agg(["mean", "std", "count"])
        error = 2 * stats["std"] / np.sqrt(stats["count"])
        label = f"{method}, mean ± 2 s.e."
        if method == "least squares":
            slope = np.polyfit(np.log(stats.index.to_numpy(float)), np.log(stats["mean"].to_numpy(float)), 1)[0]
            label += f"; slope {slope:.2f}"
        axes.errorbar(stats.index, stats["mean"], error, label=label, **line_style(place))
    d = np.array(sorted(here["value"].unique()), dtype=float)
    draw_bound(axes, d, 2 * (1 + np.sqrt(1.05 * d)), label="bound of least squares", color="C0")
    draw_bound(axes, d, np.full(d.size, 4.0), label="bound of elimination", color="C2")
    axes.set(xscale="log", xlabel="dimension d", ylabel="gap / eps", xticks=d)
    axes.set_xticklabels([f"{value:g}" for value in d])
    axes.minorticks_off()
    axes.legend(fontsize=8)
    caption = (
        "Gap of the arm named against the adversary that is aligned with least squares; s = 2, K = 40 d unit vectors, "
        "eps = 0.25 / sqrt(d). The error of least squares grows with the dimension, those of methods that know of "
        "sparsity do not. The sparse fit (least l1 norm) has no bound here."
    )
    return NamedFigure("barrier", caption, figure)


@in_house_style
def _queries(results: pd.DataFrame) -> NamedFigure:
    """Queries against the misspecification."""
    figure, panels = new_figure(columns=2, width=4.4, height=3.6)
    here = results[results["part"] == "queries"]
    for axes, sparsity in zip(panels, (1, 2), strict=True):
        some = here[here["sparsity"] == sparsity]
        for place, (method, mine) in enumerate(some.groupby("method", sort=False)):
            means = mine.groupby("eps")["queries"].mean()
            label = {"cover": "cover, all arms that are best somewhere", "elimination": "optimistic elimination"}
            axes.plot(means.index, means, label=label[str(method)], **line_style(place))
        levels = np.array(sorted(some["eps"].unique()), dtype=float)
        size = [cover_candidates(10, sparsity, float(eps)) for eps in levels]
        draw_bound(axes, levels, size, label="candidates of the cover", color="k")
        axes.axhline(200, color="0.6", linestyle=":", linewidth=1, label="all 200 arms")
        axes.set(
            xscale="log", yscale="log", xlabel="misspecification eps", title=f"s = {sparsity}, d = 10", xticks=levels
        )
        axes.set_xticklabels([f"{eps:g}" for eps in levels])
        axes.xaxis.minorticks_off()
    panels[0].set_ylabel("queries, mean")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    caption = "Different arms queried, of 200. The cover grows as eps^-s d^s, but a few of its candidates decide."
    return NamedFigure("queries", caption, figure)


@in_house_style
def _needles(results: pd.DataFrame) -> NamedFigure:
    """Queries and success against the tolerance."""
    figure, (queries, success) = new_figure(columns=2, width=4.4, height=3.6)
    here = results[results["part"] == "needles"]
    for place, (family, mine) in enumerate(here.groupby("method", sort=False)):
        k = int(mine["n_arms"].iloc[0])
        means = mine.groupby("value")["queries"].mean()
        found = mine.assign(hit=mine["gap"] == 0).groupby("value")["hit"].mean()
        queries.plot(means.index, means, label=f"{family}, k = {k}", **line_style(place))
        success.plot(found.index, found, label=f"{family}, k = {k}", **line_style(place))
        draw_bound(
            queries, [1, 3], [needle_query_bound(k)] * 2, label=f"least if all are found, k = {k}", color=f"C{place}"
        )
    queries.set(xlabel="tolerance R", ylabel="queries, mean over needles", ylim=(0, None), xticks=[1, 2, 3])
    success.set(xlabel="tolerance R", ylabel="share of needles found", ylim=(-0.03, 1.03), xticks=[1, 2, 3])
    queries.legend(fontsize=7.5)
    caption = (
        "One arm of k pays 1, all others 0, which is linear in 3 features up to eps = t / s. Elimination that is "
        "content with R eps less than it hopes for gives the needle up when R eps reaches its height."
    )
    return NamedFigure("needles", caption, figure)


@in_house_style
def _regret(results: pd.DataFrame) -> NamedFigure:
    """Cumulative regret for several misspecifications."""
    figure, (axes,) = new_figure(width=5.6, height=3.8)
    here = results[results["part"] == "regret"]
    for place, (eps, mine) in enumerate(here.groupby("eps", sort=True)):
        mean = mine.groupby("round")["regret"].mean()
        axes.plot(mean.index, mean, label=f"eps = {eps:g}", **(line_style(place) | {"markevery": 20}))
    axes.set(xscale="log", yscale="log", xlabel="round t", ylabel="regret, mean of runs", xlim=(10, None))
    axes.set_ylim(1, None)
    axes.legend()
    caption = (
        "Phased elimination, which does not know eps: 60 arms in 5 dimensions, normal noise of deviation 0.5. With "
        "errors in the means the regret ends up linear in time."
    )
    return NamedFigure("regret", caption, figure)
