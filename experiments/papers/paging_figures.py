"""The figures of `paging_succinct`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from experiments.experiment import NamedFigure
from experiments.papers.paging_bounds import main_size, mean_of, of, succinct_traces
from experiments.papers.paging_claims import slope
from experiments.papers.paging_worlds import FLIPS, GROUPS
from experiments.plots import MARKERS, draw_band, draw_bound, in_house_style, line_style, new_figure
from online.paging import flush_when_all_zeros_bound, harmonic_number, mark0_bound

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figures"]

_REFERENCES = {
    "LRU": ("black", (0, (6, 2))),
    "Marker": ("black", (0, (1, 1.5))),
    "RandomEviction": ("0.55", (0, (4, 1, 1, 1))),
}


def figures(results: pd.DataFrame) -> list[NamedFigure]:
    """Smoothness, prices, growth, predicted times, miss ratios."""
    runs = results[results["group"] != "curves"]
    return [_smoothness(runs), _prices(runs), _growth(runs), _arrivals(runs), _miss_ratios(results)]


@in_house_style
def _smoothness(runs: pd.DataFrame) -> NamedFigure:
    """Ratios against the probability that a bit is wrong: deterministic policies above, randomized ones below."""
    traces = succinct_traces(runs)
    figure, panels = new_figure(columns=len(traces), rows=2, width=3.7, height=3.3)
    rows: tuple[tuple[str, Sequence[str], tuple[str, ...], str, Callable[..., float]], ...] = (
        (
            "deterministic",
            ("FlushWhenAllZeros", "RobustFlushWhenAllZeros"),
            ("LRU",),
            "FlushWhenAllZeros",
            flush_when_all_zeros_bound,
        ),
        (
            "randomized",
            ("Mark0", "Mark0 eager", "RobustMark0", "DiscardBitGuard", "MarkAndPredict"),
            ("Marker",),
            "Mark0",
            mark0_bound,
        ),
    )
    for row, (kind, names, references, bounded, bound) in enumerate(rows):
        for column, trace in enumerate(traces):
            axes = panels[row * len(traces) + column]
            here = of(runs, trace=trace, pages=main_size(runs, trace))
            flips = of(here, predictor="flips", level=FLIPS)
            for name in names:
                style = _STYLES[name]
                _sweep(axes, of(flips, algorithm=name), list(FLIPS), "level", label=name, **style)
            most = of(flips, algorithm=bounded)
            shares = [bound(r.optimum, r.eta0, r.eta1, r.pages) / r.optimum for r in most.itertuples()]
            means = most.assign(share=shares).groupby("level")["share"].mean()
            label = f"bound of {bounded}"
            draw_bound(axes, range(len(means)), means, label=label, color=_STYLES[bounded]["color"])
            _levels(axes, here, references)
            axes.set_xticks(range(len(FLIPS)), [f"{flip:g}".removeprefix("0") or "0" for flip in FLIPS])
            _ratio_axis(axes, here, of(flips, algorithm=tuple(names)))
            if row == 0:
                axes.set_title(_title(here))
            else:
                axes.set_xlabel("probability that a bit is wrong")
            if column == 0:
                axes.set_ylabel(f"faults / OPT, {kind}")
    _legend_below(figure, panels, 5)
    caption = (
        "Faults as a multiple of the optimum against the share of wrong bits (discard bits, and phase bits for "
        f"MarkAndPredict): means of {_runs(of(runs, predictor='flips'))} runs with 95% normal bands, mostly narrower "
        "than the markers. Dashed in colour: OPT + (k-1) eta0 + eta1 and OPT + 2 H_k eta0 + eta1, over OPT, where the "
        "axes reach; black: without predictions."
    )
    return NamedFigure("smoothness", caption, figure)


@in_house_style
def _prices(runs: pd.DataFrame) -> NamedFigure:
    """Extra faults against the number of wrong bits, when only one kind is wrong."""
    traces = succinct_traces(runs)
    figure, panels = new_figure(columns=len(traces), rows=2, width=3.7, height=3.2)
    sides = (("wrong 0s", "eta0", "wrong 0s (keep)"), ("wrong 1s", "eta1", "wrong 1s (discard)"))
    for row, (side, eta, words) in enumerate(sides):
        for column, trace in enumerate(traces):
            axes = panels[row * len(traces) + column]
            here = of(runs, trace=trace, predictor=side)
            k = int(here["pages"].iloc[0])
            for name, price, text in (
                ("FlushWhenAllZeros", k - 1.0, "k - 1 a wrong 0"),
                ("Mark0", 2.0 * harmonic_number(k), "2 $H_k$ a wrong 0"),
                ("MarkAndPredict", harmonic_number(k) - 1.0, "$H_k - 1$ a wrong 0"),
            ):
                mine = of(here, algorithm=name)
                start = "clean" if name == "MarkAndPredict" else "optimum"
                means = mine.groupby("level")[[eta, "faults", start]].mean()
                extra = means["faults"] - means[start]
                color = _STYLES[name]["color"]
                against = "clean pages" if name == "MarkAndPredict" else "OPT"
                style = _STYLES[name] | (
                    {"markersize": 9} if name == "FlushWhenAllZeros" else {}
                )  # Mark0 may lie on it
                axes.plot(means[eta], extra, label=f"{name}, over {against}", **style)
                if side == "wrong 0s":
                    draw_bound(axes, means[eta], price * means[eta], label=f"bound: {text}", color=color)
            if side == "wrong 1s":
                span = np.array([here[eta][here[eta] > 0].min(), here[eta].max()])
                draw_bound(axes, span, span, label="bound: 1 a wrong 1", color="black")
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
            if side == "wrong 0s":  # little more than a decade
                axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axes.set_xlabel(f"number of {words}")
            if row == 0:
                axes.set_title(_title(here))
            if column == 0:
                axes.set_ylabel("extra faults")
    _legend_below(figure, panels, 4)
    caption = (
        "Extra faults when only true 1s are flipped (above) or only true 0s (below), means over the runs; for "
        "MarkAndPredict effective errors, and faults beyond the clean pages. Dashed: what the guarantees allow. Where "
        "no 0 is wrong, FlushWhenAllZeros and Mark0 evict the same pages."
    )
    return NamedFigure("prices", caption, figure)


@in_house_style
def _growth(runs: pd.DataFrame) -> NamedFigure:
    """Ratios against the cache size, on instances where theory expects them to grow."""
    figure, (power, uniform, pairs) = new_figure(columns=3, width=4.0, height=3.9)
    sizes = np.array(sorted(of(runs, trace="uniform")["pages"].unique()))
    harmonic = np.array([harmonic_number(int(k)) for k in sizes])
    flushing = (("FlushWhenAllZeros", "FlushWhenAllZeros, all bits 0"), ("FlushWhenFull", "FlushWhenFull"))
    lazy = (
        ("LRU", "LRU"),
        ("Marker", "Marker"),
        ("Mark0", "Mark0, all bits 0"),
        ("MarkAndPredict", "MarkAndPredict, all bits 0"),
        ("OnlineMin", "OnlineMin"),
    )
    here = of(runs, trace="uniform")
    for axes, trace, names in (
        (power, "uniform", (*flushing, lazy[1])),
        (uniform, "uniform", lazy),
        (pairs, "alternating pairs", lazy),
    ):
        for name, label in names:
            mine = of(runs, trace=trace, algorithm=name)
            past = mine.assign(past=(mine["faults"] - mine["pages"]) / (mine["optimum"] - mine["pages"]).mean())
            _ratio_curve(axes, past, sizes, label, _STYLES[name])
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(k) for k in sizes])
        axes.minorticks_off()
        axes.set_xlabel("cache size k (pages)")
    power.set_yscale("log", base=2)
    power.set_yticks(sizes, [str(k) for k in sizes])
    power.minorticks_off()
    fitted = slope(of(here, algorithm="FlushWhenAllZeros"))
    power.text(0.06, 0.94, f"fitted slope of flushing: {fitted:.2f}", transform=power.transAxes, va="top")
    power.set(title="uniform requests, k + 1 pages", ylabel="(faults - k) / (OPT - k)")
    for axes, curve, text, dashes in (
        (power, sizes.astype(np.float64), "k", "--"),
        (uniform, harmonic, "$H_k$", "--"),
        (pairs, harmonic, "$H_k$", "--"),
        (pairs, 2.0 * harmonic - 1.0, "2 $H_k$ - 1", "-."),
    ):
        draw_bound(axes, sizes, curve, label="_", color="0.3", linestyle=dashes)
        axes.annotate(text, (sizes[-1], curve[-1]), xytext=(4, 2), textcoords="offset points", annotation_clip=False)
    uniform.set_title("the same requests, lazy policies")
    pairs.set_title("alternating pairs, lazy policies")
    for axes in (uniform, pairs):
        axes.set_ylim(0.0, 2.15 * harmonic[-1])
    _legend_below(figure, (power, pairs), 7)
    caption = (
        "How ratios grow with the cache size, both sides past their first k loads, means with 95% normal bands. Left: "
        "flushing costs k a phase, log-log. Middle: on uniform requests all lazy policies cost H_k, and none can do "
        "better (the lines lie upon one another). Right: on alternating pairs marking costs 2 H_k - 1, the most that "
        "it can, and OnlineMin no more than H_k."
    )
    return NamedFigure("growth", caption, figure)


def _ratio_curve(axes: Axes, runs: pd.DataFrame, sizes: Any, label: str, style: dict[str, Any]) -> None:
    bands = [mean_of(sample["past"], sample, level=0.95) for _, sample in runs.groupby("pages")]
    columns = [[getattr(band, end) for band in bands] for end in ("estimate", "low", "high")]
    draw_band(axes, sizes, *columns, label=label, **style)


@in_house_style
def _arrivals(runs: pd.DataFrame) -> NamedFigure:
    """Ratios against the noise of predicted times; at the right end predictors that look at the past only."""
    traces = list(dict.fromkeys(of(runs, algorithm="RobustFtP", predictor="lognormal")["trace"]))
    figure, panels = new_figure(columns=len(traces), rows=2, width=3.9, height=3.4)
    families = (
        ("following", ("FollowThePrediction", "Guard", "RobustFtP", "FollowAndRobust", "TrustAndDoubt")),
        ("marking", ("PredictiveMarker", "LMarker", "LNonMarker", "RobustLNonMarker")),
    )
    others = ("POPU", "PLECO", "random")
    for row, (family, names) in enumerate(families):
        for column, trace in enumerate(traces):
            axes = panels[row * len(traces) + column]
            here = of(runs, trace=trace, pages=main_size(runs, trace))
            noisy = of(here, predictor="lognormal")
            sigmas = sorted(noisy["level"].unique())
            places = np.arange(len(others)) + len(sigmas) + 0.5
            for name in names:
                style = _STYLES[name]
                _sweep(axes, of(noisy, algorithm=name), sigmas, "level", label=name, **style)
                _sweep(
                    axes, of(here, algorithm=name), list(others), "predictor", places, **style | {"linestyle": "none"}
                )
            _levels(axes, here, ("LRU", "Marker", "RandomEviction"))
            best = float((here["clean"] / here["optimum"]).mean())
            axes.axhline(best, color="0.55", linestyle="-", linewidth=1.0, label="clean pages (best marking)", zorder=1)
            axes.axvline(len(sigmas) - 0.25, color="0.8", linewidth=1.0)
            ticks = [*range(len(sigmas)), *places]
            axes.set_xticks(ticks, [*(f"{sigma:g}" for sigma in sigmas), *others])
            for tick in axes.get_xticklabels()[len(sigmas) :]:
                tick.set(rotation=35, ha="right", rotation_mode="anchor")
            _ratio_axis(axes, here, of(here, algorithm=tuple(names), predictor=("lognormal", *others)))
            if row == 0:
                axes.set_title(_title(here))
            else:
                axes.set_xlabel("noise of the times, $\\sigma$; other predictors")
            if column == 0:
                axes.set_ylabel(f"faults / OPT, {family}")
    _legend_below(figure, panels, 5)
    caption = (
        "Faults as a multiple of the optimum with predicted times of the next request: true ones with lognormal noise, "
        "times that follow from the past only (POPU, PLECO), and random ones. Above the policies that follow the "
        "predictions, below those that mark; means with 95% normal bands. The requests called stack are drawn from an "
        "LRU stack model, in sequences as short as those of the literature."
    )
    return NamedFigure("predicted_times", caption, figure)


@in_house_style
def _miss_ratios(results: pd.DataFrame) -> NamedFigure:
    """Miss ratio against cache size: curves for all sizes of LRU and the optimum, and single sizes of the others."""
    curves = of(results, group="curves")
    traces = list(dict.fromkeys(curves["trace"]))
    figure, panels = new_figure(columns=len(traces), width=5.2, height=5.0)
    for axes, trace in zip(panels, traces, strict=True):
        here = of(results, trace=trace)
        requests = int(here["requests"].iloc[0])
        for name, color in (("optimum", "black"), ("LRU", "C0")):
            curve = of(curves, trace=trace, algorithm=name)
            label = "optimum, all sizes" if name == "optimum" else "LRU, all sizes"
            style: dict[str, Any] = {"linestyle": "--", "zorder": 3} if name == "optimum" else {}
            axes.plot(curve["pages"], curve["faults"] / requests, color=color, label=label, **style)
        others = [name for name in GROUPS["no predictions"] if name != "LRU"]
        for i, name in enumerate(others):
            means = of(here, algorithm=name, group="no predictions").groupby("pages")["faults"].mean() / requests
            axes.plot(means.index, means, label=name, linewidth=1.1, **line_style(i + 1))
        axes.set_xscale("log")
        largest = max(of(here, group="no predictions")["pages"])
        axes.set_xlim(largest / 400, largest * 1.5)
        axes.set_ylim(0, 1)
        axes.set(xlabel="cache size (pages)", title=trace)
    panels[0].set_ylabel("miss ratio (faults / requests)")
    _legend_below(figure, panels[:1], 6)
    caption = (
        "Miss ratios without predictions. LRU and the optimum at all sizes, each from one pass over the trace; the "
        "others at eight sizes, means over the runs for randomized ones."
    )
    return NamedFigure("miss_ratios", caption, figure)


def _legend_below(figure: Figure, panels: Sequence[Axes], columns: int) -> None:
    """One legend for several axes, each label once."""
    entries: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=columns)


def _sweep(axes: Axes, runs: pd.DataFrame, values: list[Any], column: str, places: Any = None, **style: Any) -> None:
    """Mean ratios with bands, one point a value."""
    bands = []
    for value in values:
        sample = runs[runs[column] == value]
        bands.append(mean_of(sample["faults"] / sample["optimum"], sample, level=0.95))
    columns = [[getattr(band, end) for band in bands] for end in ("estimate", "low", "high")]
    style.setdefault("label", "_")
    if style.get("linestyle") == "none":
        axes.plot(places, columns[0], **style)
    else:
        draw_band(axes, range(len(values)), *columns, **style)


def _levels(axes: Axes, here: pd.DataFrame, names: Sequence[str]) -> None:
    """Policies without predictions, as horizontal lines."""
    for name in names:
        mine = of(here, algorithm=name, group="no predictions")
        color, dashes = _REFERENCES[name]
        level = float((mine["faults"] / mine["optimum"]).mean())
        axes.axhline(level, color=color, linestyle=dashes, linewidth=1.2, label=name, zorder=1)


def _ratio_axis(axes: Axes, here: pd.DataFrame, shown: pd.DataFrame) -> None:
    """From the optimum to a little above what is shown; bounds may run out."""
    lines = of(here, algorithm=tuple(_REFERENCES), group="no predictions")
    top = max(float((rows["faults"] / rows["optimum"]).max()) for rows in (shown, lines))
    axes.set_ylim(1.0 - 0.04 * (top - 1.0), 1.0 + 1.08 * (top - 1.0))


def _title(runs: pd.DataFrame) -> str:
    return f"{runs['trace'].iloc[0]}, k = {int(runs['pages'].iloc[0]):,}"


def _runs(runs: pd.DataFrame) -> str:
    counts = sorted(set(runs["replications"]))
    return " or ".join(f"{count:,}" for count in counts)


def _style(index: int, **changes: Any) -> dict[str, Any]:
    return {"color": f"C{index}", "marker": MARKERS[index], **changes}


_STYLES: dict[str, dict[str, Any]] = {
    "FlushWhenAllZeros": _style(1),
    "RobustFlushWhenAllZeros": _style(4, linestyle="-."),
    "Mark0": _style(0),
    "Mark0 eager": _style(7, linestyle=":"),
    "RobustMark0": _style(5, linestyle="-.", markerfacecolor="white"),
    "DiscardBitGuard": _style(3),
    "MarkAndPredict": _style(2),
    "FollowThePrediction": _style(0),
    "Guard": _style(3),
    "RobustFtP": _style(5, linestyle="-.", markerfacecolor="white"),
    "FollowAndRobust": _style(2),
    "TrustAndDoubt": _style(1),
    "PredictiveMarker": _style(4),
    "LMarker": _style(7, linestyle=":"),
    "LNonMarker": _style(6),
    "RobustLNonMarker": _style(5, linestyle="-.", color="#882255", markerfacecolor="white"),
    "LRU": _style(6, linestyle=":"),
    "Marker": _style(3, linestyle="-."),
    "OnlineMin": _style(5),
    "FlushWhenFull": _style(0, linestyle=":"),
}
