"""The figures of `dp_stationary`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.experiment import NamedFigure
from experiments.papers.dp_stationary import ACCOUNTANTS
from experiments.plots import draw_band, draw_bound, in_house_style, line_style, new_figure, plain_numbers

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["figures"]


def figures(results: pd.DataFrame) -> list[NamedFigure]:
    """E1 and E8."""
    return [_rates(results), _accountants(results)]


@in_house_style
def _rates(results: pd.DataFrame) -> NamedFigure:
    figure, (axes,) = new_figure(width=6.4, height=4.2)
    here = results[results["part"] == "rates"]
    for place, (method, rows) in enumerate(here.groupby("algorithm", sort=False)):
        grouped = rows.assign(size=rows["instance"].astype(float)).groupby("size")["error"]
        sizes = grouped.mean().index.to_numpy(float)
        mean, error = grouped.mean().to_numpy(float), grouped.sem().to_numpy(float)
        draw_band(axes, sizes, mean, mean - 2 * error, mean + 2 * error, label=str(method), **line_style(place))
        bounds = rows.assign(size=rows["instance"].astype(float)).groupby("size")["certificate"].mean()
        style = {"color": line_style(place)["color"]}
        draw_bound(
            axes, bounds.index.to_numpy(float), bounds.to_numpy(float), label=f"certificate of {method}", **style
        )
    axes.set(xscale="log", yscale="log", xlabel="n μ", ylabel="root mean square of the true gradients")
    plain_numbers(axes)
    axes.legend(loc="lower left")
    caption = "E1: mean over all iterates and runs, with two standard errors, and the proved bounds; n = 600, d = 20."
    return NamedFigure("rates", caption, figure)


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
