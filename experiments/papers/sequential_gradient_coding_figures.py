"""The figures of `sequential_gradient_coding`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.experiment import NamedFigure
from experiments.papers.sequential_gradient_coding import ALPHA, AT_ALPHA, JOBS, OURS, PAPER_ORDER, TRAINED, N
from experiments.plots import draw_band, draw_bound, in_house_style, line_style, new_figure, plain_numbers
from experiments.scheme_choice import draw_runtime_against_load
from online.gradient_coding import bursty_load_bound, gradient_coding_load, m_sgc_load, sr_sgc_load
from simulators import lambda_like_trace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["figures"]


def figures(results: pd.DataFrame) -> list[NamedFigure]:
    """In the order of the questions."""
    selected = results[results["part"] == "select"].rename(columns={"policy": "scheme"})
    return [
        _profile(),
        _slope(results),
        draw_runtime_against_load(selected, "selection"),
        _progress(results),
        _training(results),
        _loads(),
        _alphas(results),
        _waits(results),
    ]


@in_house_style
def _profile() -> NamedFigure:
    """The shipped trace: who is late, for how long, and how much."""
    figure, (heat, bursts, law) = new_figure(columns=3, width=4.4, height=3.8)
    times = lambda_like_trace().times[:100]
    late = times > 2 * times.min(axis=1, keepdims=True)
    shown = np.where(late, np.nan, times)
    image = heat.imshow(shown, aspect="auto", interpolation="nearest", cmap="viridis", rasterized=True)
    figure.colorbar(image, ax=heat, label="answer time (s)", shrink=0.85)
    heat.grid(visible=False)
    heat.set(xlabel="worker", ylabel="round", title="stragglers left white")
    edges = np.diff(np.pad(late.astype(int), ((1, 1), (0, 0))), axis=0)
    lengths = np.concatenate([np.flatnonzero(column == -1) - np.flatnonzero(column == 1) for column in edges.T])
    counts = np.bincount(lengths, minlength=6)[1:6]
    bars = bursts.bar(np.arange(1, 6), np.maximum(counts, 0.5), color="C0")
    bursts.bar_label(bars, labels=[str(count) for count in counts])
    bursts.set(xlabel="length of a burst (rounds)", ylabel="bursts in 100 rounds", yscale="log", ylim=(0.5, 2000))
    quantiles = np.linspace(0, 1, times.size)
    law.plot(np.sort(times.ravel()), quantiles, color="C0", label="all answers")
    for place, row in enumerate((0, 50, 99)):
        law.plot(np.sort(times[row]), np.linspace(0, 1, N), label=f"round {row}", linewidth=1, color=f"C{place + 1}")
    law.set(xlabel="answer time (s)", ylabel="share of workers")
    law.legend()
    caption = "The shipped answer times at load 0, first 100 rounds; a straggler takes more than twice the fastest."
    return NamedFigure("profile", caption, figure)


@in_house_style
def _slope(results: pd.DataFrame) -> NamedFigure:
    """Mean time against load."""
    figure, (axes,) = new_figure(width=5.2, height=3.6)
    rows = results[results["part"] == "profile"]
    axes.plot(rows["load"], rows["mean"], linestyle="none", marker="o", color="C0", label="mean of 25,600 answers")
    slope, intercept = float(rows["slope"].iloc[0]), float(rows["intercept"].iloc[0])
    line = np.array([0.0, 1.0])
    axes.plot(line, intercept + slope * line, color="C1", label=f"{intercept:.2f} s + {slope:.2f} s x load")
    axes.set(xlabel="load (share of a job's data)", ylabel="mean answer time (s)", ylim=(0, None))
    axes.legend()
    return NamedFigure("slope", "The cost of load, found by least squares from profiles at five loads.", figure)


@in_house_style
def _progress(results: pd.DataFrame) -> NamedFigure:
    """Jobs done against time."""
    figure, panels = new_figure(columns=2, width=5.2, height=4.0)
    for axes, heavy in zip(panels, (False, True), strict=True):
        here = results[(results["part"] == "runs") & (results["heavy"] == heavy)]
        for place, policy in enumerate((*PAPER_ORDER, *OURS)):
            by_job = here[here["policy"] == policy].groupby("job")["runtime"]
            mean, spread = by_job.mean(), by_job.std()
            style = line_style(place) | {"markersize": 4}
            axes.plot(mean, mean.index, label=policy, **style)
            axes.fill_betweenx(mean.index, mean - spread, mean + spread, color=style["color"], alpha=0.15, linewidth=0)
        title = "with time-outs in 1.6e-4 of the answers" if heavy else "without time-outs"
        axes.set(xlabel="time (s)", ylabel="jobs decoded", title=title, xlim=(0, None), ylim=(0, JOBS * 1.02))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    runs = int(results[results["part"] == "runs"]["runs"].iloc[0])
    caption = f"Means of {runs} runs of the model with bands of one standard deviation; policies meet the same answers."
    return NamedFigure("progress", caption, figure)


@in_house_style
def _training(results: pd.DataFrame) -> NamedFigure:
    """Loss against time."""
    figure, (axes,) = new_figure(width=6.2, height=4.0)
    here = results[results["part"] == "training"]
    for place, policy in enumerate(TRAINED):
        mine = here[here["policy"] == policy]
        axes.plot(mine["runtime"], mine["loss"], label=policy, **(line_style(place) | {"markevery": 20}))
    axes.set(xlabel="time (s)", ylabel="mean training loss of 4 models", xlim=(0, None), yscale="log")
    plain_numbers(axes)
    axes.legend()
    caption = (
        "Four logistic regressions trained in turn on 256 workers, 40 full gradients each, computed, encoded and "
        "decoded for real. Every scheme takes the same steps; they differ in when."
    )
    return NamedFigure("training", caption, figure)


@in_house_style
def _loads() -> NamedFigure:
    """Load against the window."""
    figure, panels = new_figure(columns=2, width=5.0, height=3.8)
    n = 20
    for axes, (burst, spread) in zip(panels, ((1, 4), (3, 4)), strict=True):
        windows = np.arange(burst + 1, 26)
        repeats = windows[(windows - 1) % burst == 0]
        axes.axhline(float(gradient_coding_load(n, spread)), label="GC, s = λ", color="C1", linewidth=1.5)
        axes.plot(
            repeats, [float(sr_sgc_load(n, burst, int(w), spread)) for w in repeats], label="SR-SGC", **line_style(2)
        )
        axes.plot(
            windows, [float(m_sgc_load(n, burst, int(w), spread)) for w in windows], label="M-SGC", **line_style(0)
        )
        least = [float(bursty_load_bound(n, burst, int(w), spread)) for w in windows]
        draw_bound(axes, windows, least, label="no scheme below", color="k")
        axes.set(xlabel="window W (rounds)", ylabel="load", title=f"n = {n}, B = {burst}, λ = {spread}", ylim=(0, None))
        axes.legend(loc="upper right", bbox_to_anchor=(1.0, 0.94))
    caption = "Load under the bursty model: M-SGC comes near what no scheme of finite delay can beat, SR-SGC does not."
    return NamedFigure("loads", caption, figure)


@in_house_style
def _alphas(results: pd.DataFrame) -> NamedFigure:
    """Runtime against the cost of load."""
    figure, (axes,) = new_figure(width=6.2, height=4.0)
    here = results[results["part"] == "alpha"]
    for place, policy in enumerate(AT_ALPHA):
        by_alpha = here[here["policy"] == policy].groupby("alpha")["runtime"]
        mean, half = by_alpha.mean(), 2 * by_alpha.sem()
        draw_band(
            axes, mean.index.to_numpy(), mean.to_numpy(), (mean - half).to_numpy(), (mean + half).to_numpy(),
            label=policy, **line_style(place),
        )  # fmt: skip
    axes.axvline(ALPHA, color="0.6", linewidth=1, linestyle=":", label="AWS Lambda, batch 4096")
    axes.set(xlabel="alpha (s per unit of load)", ylabel=f"time for {JOBS} jobs (s)", ylim=(0, None))
    axes.legend()
    caption = (
        "Means with two standard errors. The dearer the load, the more a scheme with a load of at most 2/n gains on a "
        "cyclic code; repetition in groups of four stays below both."
    )
    return NamedFigure("alphas", caption, figure)


@in_house_style
def _waits(results: pd.DataFrame) -> NamedFigure:
    """Rounds waited beyond the deadline."""
    figure, (left, right) = new_figure(columns=2, width=5.2, height=3.6)
    here = results[
        (results["part"] == "runs") & ~results["heavy"].fillna(False).astype(bool) & (results["job"] == JOBS)
    ]
    policies = [policy for policy in (*PAPER_ORDER, *OURS) if "event" not in policy]
    means = here.groupby("policy")[["waits", "straggles"]].mean().loc[policies[::-1]]
    places = np.arange(len(means))
    for axes, column, label in (
        (left, "waits", f"rounds waited beyond the deadline, of {JOBS}"),
        (right, "straggles", "results lost in a run"),
    ):
        bars = axes.barh(places, means[column], color="C0")
        axes.bar_label(bars, fmt="{:,.0f}", padding=3)
        axes.set(xlabel=label, yticks=places, xlim=(0, 1.18 * float(means[column].max())))
        axes.grid(visible=False, axis="y")
    left.set_yticklabels(means.index)
    right.set_yticklabels([])
    caption = "How often the master waited beyond its deadline, and how many results it did without; no time-outs."
    return NamedFigure("waits", caption, figure)
