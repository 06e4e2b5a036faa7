"""The figures of a comparison: miss ratio against cache size, bars at one size, miss-ratio curves.

Few policies share one panel. Many are set out in a panel for each kind of predictions, with LRU and the optimum in
every panel to compare with.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter

from experiments.comparison_results import OPTIMUM, curves_of, table
from experiments.experiment import NamedFigure
from experiments.plots import in_house_style, line_style, new_figure

if TYPE_CHECKING:
    import pandas as pd

    from experiments.trace_comparison import TraceComparison

__all__ = ["figures"]

_MOST_IN_ONE_PANEL = 10
_MOST_IN_SHARED_PANEL = 6  # of one kind of predictions, right and wrong ones together
_OPTIMUM_STYLE: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 1.4, "marker": None, "zorder": 3}
_LRU_STYLE: dict[str, Any] = {"color": "#9A9A9A", "linestyle": "-", "linewidth": 1.4, "marker": None, "zorder": 1}


@in_house_style
def figures(comparison: TraceComparison, results: pd.DataFrame) -> list[NamedFigure]:
    """For each trace: a figure over the cache sizes, with curves where there are any; bars when there is one size."""
    summed, curves = table(comparison, results), curves_of(results)
    drawn = []
    for trace, rows in summed.groupby("trace", sort=False):
        curve = curves[curves["trace"] == trace]
        if rows["cache_size"].nunique() == 1:
            drawn.append(_bars(comparison, str(trace), rows))
        if not curve.empty:
            drawn.append(_over_sizes(str(trace), rows, curve, comparison.replications))
        elif rows["cache_size"].nunique() > 1:
            drawn.append(_over_sizes(str(trace), rows, None, comparison.replications))
    return drawn


def _panels(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Title and rows of each panel; the optimum is in none of them."""
    rows = rows[rows["policy"] != OPTIMUM]
    if rows["policy"].nunique() <= _MOST_IN_ONE_PANEL:
        return [("", rows)]
    panels = []
    for kinds in sorted(rows["kinds"].unique(), key=lambda kinds: (len(kinds), kinds)):
        mine, title = rows[rows["kinds"] == kinds], " and ".join(kinds) or "without predictions"
        if not kinds or mine["policy"].nunique() <= _MOST_IN_SHARED_PANEL:
            panels.append((title, mine))
        else:
            panels += [(f"{title}: {told}", some) for told, some in mine.groupby("told", sort=False)]
    return panels


def _over_sizes(trace: str, rows: pd.DataFrame, curve: pd.DataFrame | None, replications: int) -> NamedFigure:
    """Miss ratio against cache size: lines through the sizes, or points beside the curves of LRU and the optimum."""
    panels = _panels(rows)
    across = 1 if len(panels) == 1 else 2
    down = math.ceil(len(panels) / across)
    figure, every = new_figure(across, down, width=7.6 if across == 1 else 6.6, height=4.0 if across == 1 else 3.6)
    for axes in every[len(panels) :]:
        axes.remove()
    if across > 1:
        figure.suptitle(trace)
        figure.set_layout_engine("constrained", h_pad=0.12, w_pad=0.08)
    optimum, lru = (rows[rows["algorithm"] == name].sort_values("cache_size") for name in ("Belady", "LRU"))
    sizes = sorted(rows["cache_size"].unique())
    highest = 1.0 if curve is not None else 1.05 * float(rows["miss_ratio"].max())
    for axes, (title, mine) in zip(every, panels, strict=False):
        # Colours go by the policy, so that they mean the same in every figure.
        names = "algorithm" if mine["told"].nunique() == 1 else "policy"
        listed = list(rows[rows["kinds"].isin(mine["kinds"])][names].unique())
        order = mine.groupby(names)["miss_ratio"].mean().sort_values(ascending=False).index
        for name in order:
            points = mine[mine[names] == name].sort_values("cache_size")
            style = line_style(listed.index(name))
            if curve is not None and name == "LRU":
                continue  # drawn as a curve
            if curve is not None:
                style |= {"linestyle": "none"}
            axes.plot(points["cache_size"], points["miss_ratio"], label=name, **style)
        if curve is None:
            if "LRU" not in order and not lru.empty:
                axes.plot(lru["cache_size"], lru["miss_ratio"], label="LRU", **_LRU_STYLE)
            axes.plot(optimum["cache_size"], optimum["miss_ratio"], label=OPTIMUM, **_OPTIMUM_STYLE)
        else:
            for algorithm, label, style in (("LRU", "LRU", _LRU_STYLE), ("Belady", OPTIMUM, _OPTIMUM_STYLE)):
                line = curve[curve["algorithm"] == algorithm]
                if not line.empty:
                    axes.plot(line["cache_size"], line["faults"] / line["requests"], label=label, **style)
        _dress(axes, sizes if curve is None else [], highest)
        axes.set_title(title or trace)
        ordered = "from high to low" if curve is None and not title else None
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title=ordered)
    lines = f"Miss ratio of each policy on {trace}"
    if curve is not None:
        curved = "LRU and the optimum" if (curve["algorithm"] == "LRU").any() else "the optimum"
        lines = f"Miss ratio of {curved} over all cache sizes on {trace}, and of the other policies at the sizes given"
    text = f"{lines}; for randomized policies and noisy predictions the mean of {replications} runs."
    return NamedFigure(f"{'curve' if curve is not None else 'miss_ratio'}_{_safe(trace)}", text, figure)


def _dress(axes: Axes, sizes: list[int], highest: float) -> None:
    """Axes of a panel: cache size in pages, on a logarithmic scale, and miss ratio from 0."""
    axes.set_xscale("log")
    if 0 < len(sizes) <= 10:
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30, ha="right")
        axes.minorticks_off()
    else:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylim(0, highest)
    axes.set(xlabel="cache size (pages)", ylabel="miss ratio (faults / requests)")


def _bars(comparison: TraceComparison, trace: str, rows: pd.DataFrame) -> NamedFigure:
    """Miss ratio of each policy at one cache size, coloured by the kind of predictions it reads."""
    rows = rows.sort_values("miss_ratio", ascending=False, kind="stable")
    kinds = sorted(rows["kinds"].unique(), key=lambda kind: (len(kind), kind))
    colours = {kind: f"C{index}" for index, kind in enumerate(kinds)}
    figure, (axes,) = new_figure(width=7.6, height=max(3.0, 1.1 + 0.23 * len(rows)))
    places = np.arange(len(rows))
    colour = ["black" if row.policy == OPTIMUM else colours[row.kinds] for row in rows.itertuples()]
    bars = axes.barh(places, rows["miss_ratio"], color=colour)
    axes.bar_label(bars, fmt="%.4f", padding=3, fontsize=8.5)
    axes.set_yticks(places, rows["policy"])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.2 * max(float(rows["miss_ratio"].max()), 1e-9))
    size = int(rows["cache_size"].iloc[0])
    axes.set(xlabel="miss ratio (faults / requests)", title=comparison.caption(trace, size))
    axes.grid(axis="y", visible=False)
    if len(kinds) > 1:
        names = [" and ".join(kind) or "no predictions" for kind in kinds]
        handles = [Patch(color=colours[kind], label=name) for kind, name in zip(kinds, names, strict=True)]
        figure.legend(handles=handles, title="reads", loc="outside lower center", ncols=len(handles))
    text = (
        f"Miss ratio of each policy on {trace} with {size:,} pages; for randomized policies and noisy predictions the "
        f"mean of {comparison.replications} runs."
    )
    return NamedFigure(f"miss_ratio_{_safe(trace)}", text, figure)


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
