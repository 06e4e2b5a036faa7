"""Paging with succinct predictions: what wrong bits cost Mark0, beside policies without predictions.

Source: arXiv:2210.02775, which has no experiments; these put its claims to the test. Covered so far: Mark0, lazy
and eager, with discard bits.

* Smoothness: faults / OPT against the probability that a bit is wrong, with the bound.
* The price of each kind of error: only true 1s flipped (eta0), or only true 0s (eta1).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from algos.optimal_paging import optimal_faults
from algos.predictions import prediction_errors
from algos.streams import algorithm_stream, world_stream
from experiments.claims import Claim, exact, mean_interval
from experiments.experiment import Cell, Experiment, NamedFigure, Scale
from online.paging import (
    FIFO,
    LRU,
    EvictionPolicy,
    Mark0,
    Marker,
    RandomEviction,
    harmonic_number,
    lru_bound,
    mark0_bound,
    marker_bound,
)
from simulators import DiscardBits, Trace, ZipfTrace, shipped_trace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXPERIMENT", "PagingSuccinct"]

_FLIPS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_UNPREDICTED: dict[str, type[EvictionPolicy]] = {
    "LRU": LRU,
    "FIFO": FIFO,
    "RandomEviction": RandomEviction,
    "Marker": Marker,
}
_MARK0 = {"Mark0": False, "Mark0 eager": True}


class PagingSuccinct(Experiment):
    """Mark0 under flipped discard bits, on a synthetic and on real traces."""

    name = "paging_succinct"
    question = "What does a wrong discard bit cost Mark0, and when is it worth having predictions at all?"
    source = "arXiv:2210.02775 (Antoniadis et al., Paging with Succinct Predictions, ICML 2023)"

    def cells(self, scale: Scale) -> list[Cell]:
        """Policies without bits once a trace; Mark0 for every probability and side of error."""
        replications = 10 if scale == "quick" else 100
        traces = [("zipf", 1000), ("web07", 1024), ("web12", 687)]
        if scale == "paper":
            traces.append(("orm_busy", 3817))
        cells: list[Cell] = []
        for trace, k in traces:
            common = {"trace": trace, "cache_size": k, "replications": replications}
            cells += [common | {"algorithm": name, "errors": "none", "flip_probability": 0.0} for name in _UNPREDICTED]
            for name in _MARK0:
                cells += [common | {"algorithm": name, "errors": "both", "flip_probability": flip} for flip in _FLIPS]
            for side in ("wrong_keep", "wrong_discard"):
                cells += [
                    common | {"algorithm": "Mark0", "errors": side, "flip_probability": flip} for flip in _FLIPS[1:]
                ]
        return cells

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """One row a replication: faults, the optimum, and the numbers of wrong bits."""
        import pandas as pd

        k, name = cell["cache_size"], cell["algorithm"]
        rows = []
        for replication in range(cell["replications"]):
            # All cells of a trace meet the same requests and the same uniforms for the flips.
            world = world_stream(seed, cell, replication, shared=("algorithm", "errors", "flip_probability"))
            own = algorithm_stream(seed, cell, replication)
            trace = _draw(cell["trace"], world)
            eta0 = eta1 = 0
            if name in _MARK0:
                predictor = _predictor(k, cell["errors"], cell["flip_probability"])
                truth = predictor.truth(trace)
                bits = predictor.predict(trace, world)
                trace, (eta0, eta1) = trace.with_bits(bits), prediction_errors(bits, truth)
                opt = int(truth.sum())
                policy: EvictionPolicy = Mark0(k, eager=_MARK0[name])
            else:
                opt = optimal_faults(trace.requests, trace.n_pages, k)
                policy = _UNPREDICTED[name](k)
            faults = policy.run(trace, rng=own).outcome["faults"]
            rows.append((replication, len(trace), faults, opt, eta0, eta1))
        return pd.DataFrame(rows, columns=["replication", "requests", "faults", "optimum", "eta0", "eta1"])

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """The guarantees, and what the specification expects to see."""
        claims = []
        for name in _MARK0:
            runs = results[results["algorithm"] == name]
            imperfect = runs[runs["flip_probability"] > 0.0]
            perfect = runs[runs["flip_probability"] == 0.0]
            excess = float((perfect["faults"] - perfect["optimum"]).abs().max())
            if name == "Mark0":
                claims.append(
                    Claim(
                        "Mark0 with true bits = OPT; largest difference", exact(excess), "=", 0.0, "mark0_consistency"
                    )
                )
            claims.append(
                _worst_share(f"{name}: E[faults] <= OPT + 2 H_k eta0 + eta1", imperfect, _mark0_bounds, "mark0_bound")
            )
        for name, bound, guarantee in (("LRU", lru_bound, "lru_bound"), ("Marker", marker_bound, "marker_bound")):
            runs = results[results["algorithm"] == name]
            statement = f"{name}: {'faults <= k OPT' if name == 'LRU' else 'E[faults] <= 2 H_k OPT'}"

            def bounds(sample: pd.DataFrame, bound: Any = bound) -> list[float]:
                return [bound(o, k) for o, k in zip(sample["optimum"], sample["cache_size"], strict=True)]

            claims.append(_worst_share(statement, runs, bounds, guarantee))
        one_sided = {
            "wrong_discard": ("eta1", "a wrong 1 costs at most 1 fault", lambda k: 1.0),
            "wrong_keep": ("eta0", "a wrong 0 costs at most 2 H_k faults", lambda k: 2 * harmonic_number(k)),
        }
        for side, (eta, statement, price) in one_sided.items():
            runs = results[results["errors"] == side]
            paid = (runs["faults"] - runs["optimum"]) / runs[eta] / runs["cache_size"].map(price)
            claims.append(
                Claim(
                    f"Mark0: {statement}; largest mean price as a share of that", _largest_mean(paid, runs), "<=", 1.0
                )
            )
        for trace, runs in results.groupby("trace", sort=False):
            lru = runs[runs["algorithm"] == "LRU"].sort_values("replication")
            half = runs[
                (runs["algorithm"] == "Mark0") & (runs["errors"] == "both") & (runs["flip_probability"] == 0.5)
            ].sort_values("replication")
            ratio = np.asarray(half["faults"]) / np.asarray(lru["faults"])
            claims.append(
                Claim(
                    f"Mark0 is not robust: with random bits it is worse than LRU on {trace}; faults / LRU's",
                    mean_interval(ratio),
                    ">=",
                    1.0,
                )
            )
        return claims

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """Smoothness, and the price of each kind of error."""
        return [_smoothness(results), _prices(results)]


def _smoothness(results: pd.DataFrame) -> NamedFigure:
    from experiments.plots import MARKERS, draw_band, draw_bound, in_house_style, new_figure

    @in_house_style
    def draw() -> NamedFigure:
        traces = list(results["trace"].unique())
        figure, panels = new_figure(columns=len(traces), width=3.7, height=3.9)
        for axes, trace in zip(panels, traces, strict=True):
            runs = results[results["trace"] == trace]
            ratio = runs["faults"] / runs["optimum"]
            for i, name in enumerate(_MARK0):
                chosen = (runs["algorithm"] == name) & (runs["errors"] == "both")
                groups = ratio[chosen].groupby(runs["flip_probability"])
                bands = [mean_interval(sample, level=0.95) for _, sample in groups]
                columns = (
                    [band.estimate for band in bands],
                    [band.low for band in bands],
                    [band.high for band in bands],
                )
                draw_band(axes, range(len(bands)), *columns, label=name, color=f"C{i}", marker=MARKERS[i])
            both = runs[(runs["algorithm"] == "Mark0") & (runs["errors"] == "both")]
            bound = (_mark0_bounds(both) / both["optimum"]).groupby(both["flip_probability"]).mean()
            draw_bound(axes, range(len(bound)), bound, label="bound of Mark0", color="C0")
            for i, name in enumerate(("LRU", "Marker"), start=2):
                level = float(ratio[runs["algorithm"] == name].mean())
                axes.axhline(level, color=f"C{i}", linestyle=("-.", ":")[i - 2], label=name)
            axes.set_xticks(range(len(_FLIPS)), ["0", ".01", ".02", ".05", ".1", ".2", ".5"])
            axes.set_yscale("log")
            axes.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
            axes.minorticks_off()
            axes.set(xlabel="probability that a bit is wrong", title=_title(runs))
        panels[0].set_ylabel("faults / OPT")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
        count = int(results["replications"].iloc[0])
        caption = (
            f"Faults as a multiple of the optimum against the share of wrong discard bits: mean of {count} runs with "
            "95% normal bands (narrower than the markers); dashed: OPT + 2 H_k eta0 + eta1, over OPT."
        )
        return NamedFigure("smoothness", caption, figure)

    return draw()


def _prices(results: pd.DataFrame) -> NamedFigure:
    from experiments.plots import MARKERS, draw_bound, in_house_style, new_figure

    @in_house_style
    def draw() -> NamedFigure:
        traces = list(results["trace"].unique())
        figure, panels = new_figure(columns=len(traces), width=3.7, height=3.9)
        for axes, trace in zip(panels, traces, strict=True):
            runs = results[results["trace"] == trace]
            harmonic = harmonic_number(int(runs["cache_size"].iloc[0]))
            sides = (
                ("wrong_keep", "eta0", 2 * harmonic, "wrong 0s (keep)"),
                ("wrong_discard", "eta1", 1.0, "wrong 1s (discard)"),
            )
            for i, (side, eta, price, label) in enumerate(sides):
                means = runs[runs["errors"] == side].groupby("flip_probability")[[eta, "faults", "optimum"]].mean()
                extra = means["faults"] - means["optimum"]
                axes.plot(means[eta], extra, marker=MARKERS[i], color=f"C{i}", label=label)
                bound = "2 $H_k$ a wrong 0" if i == 0 else "1 a wrong 1"
                draw_bound(axes, means[eta], price * means[eta], label=f"bound: {bound}", color=f"C{i}")
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set(xlabel="number of wrong bits", title=_title(runs))
        panels[0].set_ylabel("extra faults (faults - OPT)")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        caption = (
            "Extra faults of Mark0 when only true 1s are flipped (wrong 0s) or only true 0s (wrong 1s), mean over the "
            "runs; dashed: what the guarantee allows."
        )
        return NamedFigure("prices", caption, figure)

    return draw()


def _title(runs: pd.DataFrame) -> str:
    return f"{runs['trace'].iloc[0]}, k = {int(runs['cache_size'].iloc[0]):,}"


def _draw(name: str, world: np.random.Generator) -> Trace:
    return ZipfTrace(n_pages=10_000, exponent=1.0, length=100_000).sample(world) if name == "zipf" else _shipped(name)


@lru_cache(maxsize=4)
def _shipped(name: str) -> Trace:
    return shipped_trace(name)


def _predictor(cache_size: int, errors: str, flip: float) -> DiscardBits:
    if errors == "both":
        return DiscardBits(cache_size, flip_probability=flip)
    return DiscardBits(
        cache_size,
        wrong_keep=flip if errors == "wrong_keep" else None,
        wrong_discard=flip if errors == "wrong_discard" else None,
    )


def _mark0_bounds(sample: pd.DataFrame) -> list[float]:
    columns = zip(sample["optimum"], sample["eta0"], sample["eta1"], sample["cache_size"], strict=True)
    return [mark0_bound(opt, eta0, eta1, k) for opt, eta0, eta1, k in columns]


def _worst_share(statement: str, runs: pd.DataFrame, bounds: Any, guarantee: str) -> Claim:
    """Faults as a share of the bound, in the cell where the mean share is largest."""
    shares = runs["faults"] / bounds(runs)
    return Claim(f"{statement}; largest share of the bound", _largest_mean(shares, runs), "<=", 1.0, guarantee)


def _largest_mean(values: pd.Series, runs: pd.DataFrame) -> Any:
    groups = values.groupby([runs["trace"], runs["errors"], runs["flip_probability"]])
    return max((mean_interval(sample) for _, sample in groups), key=lambda interval: interval.estimate)


EXPERIMENT = PagingSuccinct()
