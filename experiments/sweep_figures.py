"""The figures of a sweep: each metric against the rounds, a panel a simulator, and against the horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from experiments.claims import Interval
from experiments.experiment import NamedFigure
from experiments.plots import draw_band, in_house_style, line_style, new_figure, plain_numbers
from experiments.sweep_parts import Part
from experiments.sweep_results import FigureSettings, ends, interval_of, is_proportion, metrics_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figures"]

_LEVEL = 0.95
_COLUMNS = 2
_TICKS = 6  # of the horizons that are written at an axis
_BESIDE = 1.012


@in_house_style
def figures(
    results: pd.DataFrame, algorithms: Sequence[Part], simulators: Sequence[Part], settings: FigureSettings, unit: str
) -> list[NamedFigure]:
    """Each metric against the rounds of the longest runs, and against the horizons where there are several.

    A metric that is known at the end alone is drawn there, a row an algorithm.
    """
    found = []
    horizons = sorted(results["horizon"].unique().tolist())
    longest = results[results["horizon"] == horizons[-1]]
    recorded = metrics_of(results)
    for metric in recorded if settings.metrics is None else settings.metrics:
        if metric not in recorded:
            raise ValueError(f"figures: no run recorded {metric!r}; there are {', '.join(recorded)}")
        tables = {
            (simulator.label, part.label): _shared_rounds(longest, simulator.label, part.label, metric)
            for simulator in simulators
            for part in algorithms
        }
        if any(len(table) > 1 for table in tables.values()):
            found.append(_against_rounds(tables, results, metric, horizons[-1], algorithms, simulators, settings, unit))
        elif len(horizons) == 1:
            found.append(_at_the_end(results, metric, algorithms, simulators, settings, unit))
        if len(horizons) > 1:
            found.append(_against_horizon(results, metric, algorithms, simulators, unit))
    return found


def _shared_rounds(longest: pd.DataFrame, simulator: str, algorithm: str, metric: str) -> pd.DataFrame:
    """A metric in finite numbers, a row a round that all replications recorded, a column a replication."""
    runs = longest[(longest["simulator"] == simulator) & (longest["algorithm"] == algorithm)]
    table = runs.pivot(index="round", columns="replication", values=metric)
    return table[np.isfinite(table).all(axis=1)]


def _against_rounds(
    tables: Mapping[tuple[str, str], pd.DataFrame],
    results: pd.DataFrame,
    metric: str,
    horizon: int,
    algorithms: Sequence[Part],
    simulators: Sequence[Part],
    settings: FigureSettings,
    unit: str,
) -> NamedFigure:
    figure, grid = _panels(len(simulators), len(algorithms) // 3)
    share = is_proportion(results, metric)
    band = f"{_LEVEL:.0%} {'Clopper-Pearson' if share else 'normal'} bands"
    for axes, simulator in zip(grid, simulators, strict=True):
        for index, part in enumerate(algorithms):
            table = tables[simulator.label, part.label]
            bands = [interval_of(row, _LEVEL, proportion=share) for row in table.to_numpy()]
            means, low, high = (np.array([getattr(b, end) for b in bands]) for end in ("estimate", "low", "high"))
            every = max(1, len(table) // 8)
            style = line_style(index) | {"markevery": (index % every, every)}
            draw_band(axes, table.index.to_numpy(), means, low, high, label=part.label, **style)
        axes.set(xscale=settings.x, yscale=settings.y, xlabel=unit, ylabel=_words(metric), title=simulator.label)
    _shared_legend(figure, grid, f"means with {band}")
    caption = (
        f"{_capital(metric)} against {unit}, up to {horizon:,}: means of {_count(results)}, with pointwise {band}. "
        "In each run all algorithms meet the same world."
    )
    return NamedFigure(_file_name(metric), caption, figure)


def _at_the_end(
    results: pd.DataFrame,
    metric: str,
    algorithms: Sequence[Part],
    simulators: Sequence[Part],
    settings: FigureSettings,
    unit: str,
) -> NamedFigure:
    height = 1.4 + 0.35 * len(algorithms)
    columns = min(_COLUMNS, len(simulators))
    figure, grid = new_figure(
        columns, -(-len(simulators) // columns), width=6.4 if columns == 1 else 5.4, height=height
    )
    share = is_proportion(results, metric)
    found = {simulator: last for simulator, _, last in ends(results)}
    for axes, simulator in zip(grid, simulators, strict=False):
        last = found[simulator.label]
        for index, part in enumerate(algorithms):
            one = _at_end(last, part.label, metric, share)
            if np.isfinite(one.estimate):
                bars = np.array([[one.estimate - one.low], [one.high - one.estimate]])
                axes.errorbar(
                    [one.estimate],
                    [index],
                    xerr=bars if np.isfinite(bars).all() else None,
                    capsize=3,
                    **line_style(index),
                )
        axes.set(xscale=settings.y, xlabel=_words(metric), title=simulator.label, ylim=(len(algorithms) - 0.5, -0.5))
        axes.set_yticks(range(len(algorithms)), [part.label for part in algorithms])
    for axes in grid[len(simulators) :]:
        axes.set_axis_off()
    kind = "Clopper-Pearson" if share else "normal"
    caption = (
        f"{_capital(metric)} at the end of runs of at most {int(results['horizon'].iloc[0]):,} {unit}: means of "
        f"{_count(results)}, with {_LEVEL:.0%} {kind} intervals."
    )
    return NamedFigure(_file_name(metric), caption, figure)


def _against_horizon(
    results: pd.DataFrame, metric: str, algorithms: Sequence[Part], simulators: Sequence[Part], unit: str
) -> NamedFigure:
    figure, grid = _panels(len(simulators), len(algorithms))
    share = is_proportion(results, metric)
    found = {(simulator, horizon): last for simulator, horizon, last in ends(results)}
    horizons = sorted({horizon for _, horizon in found})
    kind = f"{_LEVEL:.0%} {'Clopper-Pearson' if share else 'normal'} intervals"
    for axes, simulator in zip(grid, simulators, strict=True):
        lasts = [found[simulator.label, horizon] for horizon in horizons]
        intervals = [[_at_end(last, part.label, metric, share) for last in lasts] for part in algorithms]
        means = np.array([[each.estimate for each in row] for row in intervals])
        positive = bool((means > 0.0).all() and np.isfinite(means).all())
        for index, (part, row, mean) in enumerate(zip(algorithms, intervals, means, strict=True)):
            if not np.isfinite(mean).all():
                continue
            bars = np.array([mean - [each.low for each in row], [each.high for each in row] - mean])
            beside = _BESIDE ** (index - (len(algorithms) - 1) / 2)  # so that bars do not hide one another
            axes.errorbar(
                np.array(horizons) * beside,
                mean,
                yerr=bars if np.isfinite(bars).all() else None,
                label=f"{part.label}, slope {_slope(horizons, mean):.2f}" if positive else part.label,
                capsize=3,
                **line_style(index),
            )
        axes.set(xscale="log", yscale="log" if positive else "linear", title=simulator.label)
        axes.set(xlabel=f"horizon ({unit})", ylabel=_words(metric))
        axes.set_xticks(horizons[:: -(-len(horizons) // _TICKS)])
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        if positive:
            plain_numbers(axes)
        if np.isfinite(means).all(axis=1).any():
            below = (0.5, -0.18)
            axes.legend(title=f"means with {kind}", loc="upper center", bbox_to_anchor=below, title_fontsize="small")
    caption = (
        f"{_capital(metric)} at the end of runs of different horizons: means of {_count(results)} with {kind}, "
        "set beside one another. Where all are positive: the slope of the line of least squares through the logarithms."
    )
    return NamedFigure(f"{_file_name(metric)}_by_horizon", caption, figure)


def _at_end(last: pd.DataFrame, algorithm: str, metric: str, share: bool) -> Interval:
    samples = np.asarray(last.loc[last["algorithm"] == algorithm, metric], dtype=np.float64)
    return interval_of(samples, _LEVEL, proportion=share)


def _slope(horizons: Sequence[int], means: NDArray[np.float64]) -> float:
    return float(np.polyfit(np.log(horizons), np.log(means), 1)[0])


def _panels(count: int, legend_rows: int) -> tuple[Figure, list[Axes]]:
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    # Room for what stands below the axes, so that these keep their size.
    figure, grid = new_figure(columns, rows, width=6.4 if columns == 1 else 5.4, height=3.8 + 0.2 * legend_rows)
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, grid[:count]


def _shared_legend(figure: Figure, grid: Sequence[Axes], title: str) -> None:
    """One legend for all panels, below them: every algorithm has the same line in each."""
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(3, len(labels)), title=title, title_fontsize="small"
    )


def _count(results: pd.DataFrame) -> str:
    count = results["replication"].nunique()
    return "1 run" if count == 1 else f"{count:,} runs"


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _capital(metric: str) -> str:
    words = _words(metric)
    return words[:1].upper() + words[1:]


def _file_name(metric: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in metric)
