"""The figures of a sweep: each metric against the rounds, a panel a simulator, and against the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from experiments.claims import mean_interval
from experiments.experiment import NamedFigure
from experiments.plots import draw_band, in_house_style, line_style, new_figure, plain_numbers
from experiments.sweep_parts import Part
from experiments.sweep_results import FigureSettings, ends, finite_interval, metrics_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figures"]

_LEVEL = 0.95
_COLUMNS = 2
_TICKS = 6  # of the horizons that are written at an axis


@in_house_style
def figures(
    results: pd.DataFrame, algorithms: Sequence[Part], simulators: Sequence[Part], settings: FigureSettings, unit: str
) -> list[NamedFigure]:
    """Each metric against the rounds of the longest runs; and where there are several horizons, against these."""
    found = []
    horizons = sorted(results["horizon"].unique().tolist())
    recorded = metrics_of(results)
    for metric in recorded if settings.metrics is None else settings.metrics:
        if metric not in recorded:
            raise ValueError(f"figures: no run recorded {metric!r}; there are {', '.join(recorded)}")
        found.append(_against_rounds(results, metric, horizons[-1], algorithms, simulators, settings, unit))
        if len(horizons) > 1:
            found.append(_against_horizon(results, metric, algorithms, simulators, unit))
    return found


def _against_rounds(
    results: pd.DataFrame,
    metric: str,
    horizon: int,
    algorithms: Sequence[Part],
    simulators: Sequence[Part],
    settings: FigureSettings,
    unit: str,
) -> NamedFigure:
    figure, grid = _panels(len(simulators))
    longest = results[results["horizon"] == horizon]
    count = longest["replication"].nunique()
    for axes, simulator in zip(grid, simulators, strict=True):
        here = longest[longest["simulator"] == simulator.label]
        for index, part in enumerate(algorithms):
            runs = here[here["algorithm"] == part.label].dropna(subset=[metric])
            if len(runs):
                _draw_runs(axes, runs, metric, part.label, index)
        axes.set(xscale=settings.x, yscale=settings.y, xlabel=unit, ylabel=metric, title=simulator.label)
        _legend(axes, f"means with {_LEVEL:.0%} normal bands")
    caption = (
        f"{_capital(metric)} against {unit}, up to {horizon:,}: means of {count:,} runs, with pointwise "
        f"{_LEVEL:.0%} normal bands. In each run all algorithms meet the same world."
    )
    return NamedFigure(_file_name(metric), caption, figure)


def _draw_runs(axes: Axes, runs: pd.DataFrame, metric: str, label: str, index: int) -> None:
    """The mean with its band; a point at the mean last round where runs share no rounds."""
    table = runs.pivot_table(index="round", columns="replication", values=metric).dropna()
    if len(table) > 1:
        bands = [mean_interval(row, level=_LEVEL) for row in table.to_numpy()]
        low, high = np.array([b.low for b in bands]), np.array([b.high for b in bands])
        every = max(1, len(table) // 8)
        style = line_style(index) | {"markevery": (index % every, every)}
        draw_band(axes, table.index.to_numpy(), [b.estimate for b in bands], low, high, label=label, **style)
        return
    last = runs.groupby("replication", sort=False).tail(1)
    found = finite_interval(np.asarray(last[metric], dtype=np.float64), _LEVEL)
    _point(axes, [float(last["round"].mean())], [found.estimate], [found.low], [found.high], label, index)


def _against_horizon(
    results: pd.DataFrame, metric: str, algorithms: Sequence[Part], simulators: Sequence[Part], unit: str
) -> NamedFigure:
    figure, grid = _panels(len(simulators))
    found = {(simulator, horizon): last for simulator, horizon, last in ends(results)}
    horizons = sorted({horizon for _, horizon in found})
    for axes, simulator in zip(grid, simulators, strict=True):
        positive = True
        for index, part in enumerate(algorithms):
            intervals = []
            for horizon in horizons:
                last = found[simulator.label, horizon]
                samples = np.asarray(last.loc[last["algorithm"] == part.label, metric], dtype=np.float64)
                intervals.append(finite_interval(samples, _LEVEL))
            means = np.array([interval.estimate for interval in intervals])
            if not np.isfinite(means).all():
                continue
            positive &= bool((means > 0.0).all())
            slope = f", slope {_slope(horizons, means):.2f}" if (means > 0.0).all() else ""
            low, high = [each.low for each in intervals], [each.high for each in intervals]
            _point(axes, horizons, means, low, high, f"{part.label}{slope}", index)
        axes.set(xscale="log", yscale="log" if positive else "linear", xlabel=f"horizon ({unit})", ylabel=metric)
        axes.set_title(simulator.label)
        axes.set_xticks(horizons[:: -(-len(horizons) // _TICKS)])
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        if positive:
            plain_numbers(axes)
        _legend(axes, f"means with {_LEVEL:.0%} normal intervals")
    caption = (
        f"{_capital(metric)} at the end of runs of different horizons: means with {_LEVEL:.0%} normal intervals, and "
        "the slope of the line of least squares through the logarithms."
    )
    return NamedFigure(f"{_file_name(metric)}_by_horizon", caption, figure)


def _slope(horizons: Sequence[int], means: NDArray[np.float64]) -> float:
    return float(np.polyfit(np.log(horizons), np.log(means), 1)[0])


def _point(
    axes: Axes,
    x: Sequence[float],
    means: Sequence[float] | NDArray[np.float64],
    low: Sequence[float],
    high: Sequence[float],
    label: str,
    index: int,
) -> None:
    """Means with error bars, joined; without bars where there is one run."""
    style, middle = line_style(index), np.asarray(means, dtype=np.float64)
    bars = np.array([middle - np.asarray(low), np.asarray(high) - middle])
    axes.errorbar(x, middle, yerr=bars if np.isfinite(bars).all() else None, label=label, capsize=3, **style)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure, grid = new_figure(columns, rows, width=6.4 if columns == 1 else 5.4)
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, grid[:count]


def _legend(axes: Axes, title: str) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", title=title, title_fontsize="small", alignment="left")


def _capital(metric: str) -> str:
    words = metric.replace("_", " ")
    return words[:1].upper() + words[1:]


def _file_name(metric: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in metric)
