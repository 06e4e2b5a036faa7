"""The figures of `dp_stationary`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from experiments.experiment import NamedFigure
from experiments.papers.dp_stationary_runs import ACCOUNTANTS, KNOWN
from experiments.plots import draw_band, draw_bound, in_house_style, line_style, new_figure, plain_numbers

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["figures"]


def figures(results: pd.DataFrame) -> list[NamedFigure]:
    """E1, E6 and E8."""
    return [_rates(results), _rank(results), _accountants(results)]


@in_house_style
def _rates(results: pd.DataFrame) -> NamedFigure:
    figure, both = new_figure(2, width=5.4, height=4.4)
    for axes, part, title in zip(both, ("rates", "labels"), ("robust regression", "labels"), strict=True):
        for place, (method, rows) in enumerate(results[results["part"] == part].groupby("algorithm", sort=False)):
            numbered = rows.assign(size=rows["instance"].astype(float)).groupby("size")
            _line(axes, numbered["error"], str(method), place)
            bounds = numbered["certificate"].mean()
            draw_bound(
                axes, bounds.index.to_numpy(float), bounds.to_numpy(float), label=f"certificate of {method}",
                color=line_style(place)["color"],
            )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="n μ", title=title)
        plain_numbers(axes)
    both[0].set_ylabel("root mean square of the true gradients")
    both[0].legend(loc="lower left")
    caption = "E1: mean over all iterates and runs, with two standard errors, and the proved bounds; n = 600, d = 20."
    return NamedFigure("rates", caption, figure)


@in_house_style
def _rank(results: pd.DataFrame) -> NamedFigure:
    figure, (axes,) = new_figure(width=6.4, height=4.4)
    here = results[results["part"] == "rank"].assign(size=lambda rows: rows["instance"].astype(float))
    for place, method in enumerate(dict.fromkeys(method for _, method in KNOWN["rank"])):
        rows = here[here["algorithm"] == method]
        _line(axes, rows.groupby("size")["true_error"], method, place)
    axes.set(xscale="log", yscale="log", xlabel="dimension d", ylabel="root mean square of the true gradients")
    axes.set_ylim(bottom=0.7 * float(here.groupby("algorithm")["true_error"].mean().min()))
    plain_numbers(axes)
    axes.legend(loc="upper left")
    caption = (
        "E6: records of rank 5 in more and more dimensions, n = 400, n μ = 3,000; mean over all iterates and runs, "
        "with two standard errors, in the original problem. Tuned for the rank, descent needs no projection."
    )
    return NamedFigure("rank", caption, figure)


@in_house_style
def _accountants(results: pd.DataFrame) -> NamedFigure:
    figure, (axes,) = new_figure(width=6.4, height=4.2)
    here = results[results["part"] == "accountants"]
    for place, name in enumerate(ACCOUNTANTS):
        rows = here[here["algorithm"] == name]
        axes.plot(rows["releases"], np.asarray(rows["epsilon"], dtype=float), label=name, **line_style(place))
    axes.set(xscale="log", yscale="log", xlabel="releases", ylabel="ε at δ = 1e-5")
    plain_numbers(axes)
    axes.legend(loc="upper left")
    caption = "E8: what releases of Poisson batches of one in a hundred cost, z = 1, records added or removed."
    return NamedFigure("accountants", caption, figure)


def _line(axes: Axes, grouped: pd.core.groupby.SeriesGroupBy, label: str, place: int) -> None:
    """Means with two standard errors; `grouped` by a number."""
    mean, error = grouped.mean(), grouped.sem().to_numpy(float)
    middle = mean.to_numpy(float)
    sizes = mean.index.to_numpy(float)
    draw_band(axes, sizes, middle, middle - 2 * error, middle + 2 * error, label=label, **line_style(place))
