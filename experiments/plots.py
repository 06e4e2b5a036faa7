"""Plots in one house style: colours that colour-blind readers can tell apart, bands named, bounds dashed.

Figures are made without pyplot, so that threads do not share a current figure.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import ArrayLike

__all__ = [
    "MARKERS",
    "draw_band",
    "draw_bound",
    "house_style",
    "in_house_style",
    "line_style",
    "new_axes",
    "new_figure",
    "plain_numbers",
    "render",
]

P = ParamSpec("P")
R = TypeVar("R")

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Markers in the order of the colours, for readers of a grey print."""


def line_style(index: int) -> dict[str, Any]:
    """Colour, line and marker of the index-th of many lines: 24 that differ, in grey print as well."""
    cycle, place = divmod(index, 8)
    return {
        "color": f"C{place}",
        "linestyle": ("-", ":", "-.")[cycle % 3],
        "marker": MARKERS[(place + 3 * cycle) % 8],
        "markerfacecolor": "white" if cycle % 2 else None,
    }


@contextmanager
def house_style() -> Iterator[None]:
    """Settings of every figure of the library."""
    with as_file(files("experiments") / "regretlab.mplstyle") as path, mpl.rc_context(fname=path):
        yield


def in_house_style(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function that draws with the house style on."""

    @functools.wraps(function)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        with house_style():
            return function(*args, **kwargs)

    return styled


def new_figure(
    columns: int = 1, rows: int = 1, *, width: float = 6.4, height: float = 4.0
) -> tuple[Figure, list[Axes]]:
    """A figure with a grid of axes, in inches for one axes; the axes row by row."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, list(grid.ravel())


@in_house_style
def new_axes(x_label: str, y_label: str, title: str = "") -> Axes:
    """Labelled axes on a figure of their own."""
    _, (axes,) = new_figure()
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    return axes


def draw_band(
    axes: Axes, x: ArrayLike, mean: ArrayLike, low: ArrayLike, high: ArrayLike, *, label: str, **style: Any
) -> None:
    """Draw a mean with its band in the same colour; the label should name the band."""
    (line,) = axes.plot(x, mean, label=label, **style)
    low, high = np.asarray(low), np.asarray(high)
    if np.isfinite(low).all() and np.isfinite(high).all():
        axes.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)


def draw_bound(axes: Axes, x: ArrayLike, bound: ArrayLike, *, label: str, **style: Any) -> None:
    """Draw a bound, dashed."""
    dashed: dict[str, Any] = {"linestyle": "--", "linewidth": 1.4}
    axes.plot(x, bound, label=label, **(dashed | style))


def plain_numbers(axes: Axes) -> None:
    """Ticks at 1, 2 and 5 times powers of ten on a logarithmic vertical axis, written out."""
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def render(figure: Figure, kind: str) -> bytes:
    """The figure as ``svg``, ``pdf`` or ``png``; equal figures give equal bytes."""
    buffer = io.BytesIO()
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
    with house_style():
        figure.savefig(buffer, format=kind, metadata=undated, dpi=150)
    return buffer.getvalue()
