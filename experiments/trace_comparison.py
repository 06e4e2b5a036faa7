"""Which eviction policy would have served a trace best? The experiment behind ``regretlab paging``.

Every policy replays every trace at every cache size; the offline optimum is always among them, so that each knows
how far it is from the best possible, and whether the theory's bounds held.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from algos.contracts import whole_number
from algos.predictions import prediction_errors
from algos.streams import algorithm_stream, world_stream
from experiments.claims import Claim, Interval, exact, mean_interval
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from online.paging import (
    Belady,
    EvictionPolicy,
    clock_bound,
    fifo_bound,
    flush_when_full_bound,
    lru_bound,
    mark0_bound,
    marker_bound,
    random_eviction_bound,
)
from simulators import DiscardBits, Trace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DEFAULT_ALGORITHMS", "TraceComparison", "read_cache_sizes"]

DEFAULT_ALGORITHMS = ("LRU", "FIFO", "RandomEviction", "Marker", "Mark0", "Belady")

_BOUNDS: dict[str, Callable[[float, int], float]] = {
    "LRU": lru_bound,
    "FIFO": fifo_bound,
    "Clock": clock_bound,
    "FlushWhenFull": flush_when_full_bound,
    "RandomEviction": random_eviction_bound,
    "Marker": marker_bound,
}


class TraceComparison(Experiment):
    """Replay traces through eviction policies at several cache sizes.

    Parameters
    ----------
    traces : sequence of Trace or path
        Traces in memory, or files for `Trace.from_file`; names must differ.
    cache_sizes : sequence of int >= 1, or of str
        Cache sizes in pages; "10%" is that share of a trace's distinct pages, rounded, at least one.
    algorithms : sequence of str
        Registered names of eviction policies, or "all" for every one there is. Belady is added when missing.
    flips : sequence of float in [0, 1]
        For policies with predictions: probabilities with which the true discard bits are flipped.
    replications : int >= 1
        Runs of each randomized policy.
    column : str or int, optional
        Column of the page ids in the files.

    Raises
    ------
    ValueError
        When a file cannot be read as a trace, a trace is empty, or an argument is out of its range.
    """

    name = "paging"
    question = "Which eviction policy would have served these traces best, and how far is each from the optimum?"
    source = "Sleator & Tarjan 1985; Fiat et al. 1991; arXiv:2210.02775"

    def __init__(
        self,
        traces: Sequence[Trace | str | Path],
        cache_sizes: Sequence[int | str],
        *,
        algorithms: Sequence[str] = DEFAULT_ALGORITHMS,
        flips: Sequence[float] = (0.0, 0.1),
        replications: int = 5,
        column: str | int | None = None,
    ) -> None:
        self.column = column
        self.replications = whole_number(replications, "replications", 1)
        self.files = [None if isinstance(trace, Trace) else str(Path(trace).resolve()) for trace in traces]
        self.traces = [t if isinstance(t, Trace) else Trace.from_file(t, column=column) for t in traces]
        if not self.traces:
            raise ValueError("traces: there are none")
        names = [trace.name for trace in self.traces]
        for trace in self.traces:
            if len(trace) == 0:
                raise ValueError(f"{trace.name}: holds no request")
            if names.count(trace.name) > 1:
                raise ValueError(f"traces: two are named {trace.name!r}; rename one")
        self.cache_sizes = list(cache_sizes)
        if not self.cache_sizes:
            raise ValueError("cache_size: there are none")
        self.flips = [_probability(flip) for flip in flips]
        self.policies = _policies(algorithms)
        self._optimum: dict[tuple[str, int], int] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> TraceComparison:
        """Rebuild from a manifest; the traces must still be where they were, and be the same.

        Raises
        ------
        ValueError
            When a trace came from memory, or its file holds other requests now.
        """
        files = parameters["files"]
        if any(file is None for file in files):
            raise ValueError("paging: a trace of this run was in memory only; it cannot be read again")
        rebuilt = cls(
            files,
            parameters["cache_sizes"],
            algorithms=parameters["algorithms"],
            flips=parameters["flips"],
            replications=parameters["replications"],
            column=parameters["column"],
        )
        for file, fingerprint, trace in zip(files, parameters["fingerprints"], rebuilt.traces, strict=True):
            if trace.fingerprint() != fingerprint:
                raise ValueError(f"{file}: holds other requests than when the run was made")
        return rebuilt

    def parameters(self) -> dict[str, Any]:
        """Files, digests of their requests, and all choices."""
        return {
            "files": self.files,
            "fingerprints": [trace.fingerprint() for trace in self.traces],
            "cache_sizes": self.cache_sizes,
            "algorithms": list(self.policies),
            "flips": self.flips,
            "replications": self.replications,
            "column": self.column,
        }

    def cells(self, scale: Scale) -> list[Cell]:
        """One cell for each trace, cache size, policy and, with predictions, flip probability."""
        cells: list[Cell] = []
        for trace in self.traces:
            for cache_size in read_cache_sizes(self.cache_sizes, trace.n_pages):
                common = {"trace": trace.name, "cache_size": cache_size}
                for name, policy in self.policies.items():
                    flips = self.flips if policy.predicted else [None]
                    cells += [common | {"algorithm": name, "flip_probability": flip} for flip in flips]
        return cells

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """Replay one trace through one policy: one row a replication."""
        import pandas as pd

        trace = next(trace for trace in self.traces if trace.name == cell["trace"])
        k, flip, policy = cell["cache_size"], cell["flip_probability"], self.policies[cell["algorithm"]]
        opt = self._optimum_of(trace, k)
        rows, seconds = [], []
        for replication in range(self.replications if policy.randomized or flip else 1):
            served, errors = trace, (0, 0)
            if policy.predicted:
                # The flips are the world's, and nested: all policies and all cells meet the same draws.
                world = world_stream(seed, cell, replication, shared=("algorithm", "flip_probability"))
                predictor = DiscardBits(k, flip_probability=flip)
                bits = predictor.predict(trace, world)
                errors = prediction_errors(bits, predictor.truth(trace))
                served = trace.with_bits(bits)
            algorithm = policy(cache_size=k)
            rng = algorithm_stream(seed, cell, replication)
            if replication == 0:
                algorithm.run(served, min(10, len(trace)), np.random.default_rng(0))  # compile outside the clock
            started = time.thread_time()
            run = algorithm.run(served, rng=rng)
            seconds.append(time.thread_time() - started)
            rows.append((replication, len(trace), trace.n_pages, run.outcome["faults"], opt, *errors))
        frame = pd.DataFrame(rows, columns=["replication", "requests", "pages", "faults", "optimum", "eta0", "eta1"])
        frame.attrs["requests_per_second"] = len(trace) / max(float(np.median(seconds)), 1e-9)
        return frame

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """The result of a cell, before the others are done."""
        faults = f"{frame['faults'].mean():,.1f}".removesuffix(".0")
        return f"{self.caption(cell['trace'], cell['cache_size'])}, {self.label(cell)}: {faults} faults"

    @staticmethod
    def caption(trace: str, cache_size: int) -> str:
        """What tables call a trace at a cache size."""
        return f"{trace}, {cache_size:,} pages"

    @staticmethod
    def label(cell: Cell) -> str:
        """What tables and plots call the policy of a cell."""
        return _policy_label(cell["algorithm"], cell["flip_probability"])

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """The bounds of the policies that were run, at the trace and size where each came closest to its bound."""
        claims = []
        for (name, flip), runs in _by_policy(results):
            tightest: tuple[Interval, str] | None = None
            for (trace, k), sample in () if flip == 0.0 else runs.groupby(["trace", "cache_size"], sort=False):
                shares = _shares_of_bound(name, sample, k)
                if shares is None:
                    continue
                measured = mean_interval(shares) if self.policies[name].randomized else exact(float(shares[0]))
                if tightest is None or measured.estimate > tightest[0].estimate:
                    tightest = measured, f"{trace}, k = {k}"
            if tightest is not None:
                statement, guarantee = _STATEMENTS[name]
                claims.append(
                    Claim(
                        f"{_policy_label(name, flip)}: {statement}; largest share of the bound, at {tightest[1]}",
                        tightest[0],
                        "<=",
                        1.0,
                        guarantee,
                    )
                )
            if name == "Mark0" and flip == 0.0:
                excess = float((runs["faults"] - runs["optimum"]).abs().max())
                claims.append(
                    Claim(
                        "Mark0 with true bits has exactly the optimum's faults; largest difference",
                        exact(excess),
                        "=",
                        0.0,
                        "mark0_consistency",
                    )
                )
        least = float((results["faults"] / results["optimum"]).min())
        claims.append(Claim("No run has fewer faults than the optimum; least faults / OPT", exact(least), ">=", 1.0))
        return claims

    def summary(self, results: pd.DataFrame) -> list[str]:
        """For each trace: the policy without predictions that served it best, at which sizes, and how well."""
        table = self.table(results)
        sentences = []
        for trace, rows in table[table["online"]].groupby("trace", sort=False):
            best = rows.loc[rows.groupby("cache_size")["faults"].idxmin()]
            winners = []
            for policy, won in best.groupby("policy", sort=False):
                sizes = ", ".join(f"{size:,}" for size in won["cache_size"])
                ratios = sorted({f"{ratio:.3f}" for ratio in won["ratio"]}, key=float)
                span = ratios[0] if len(ratios) == 1 else f"{ratios[0]} to {ratios[-1]}"
                winners.append(f"{policy} with {sizes} pages ({span} times the optimum's faults)")
            sentences.append(f"{trace}, served best without predictions by {'; by '.join(winners)}.")
        return sentences

    def table(self, results: pd.DataFrame) -> pd.DataFrame:
        """One row a trace, size and policy: mean faults, standard deviation, miss ratio, ratio to the optimum."""
        import pandas as pd

        rows = []
        for keys, sample in results.groupby(
            ["trace", "cache_size", "algorithm", "flip_probability"], sort=False, dropna=False
        ):
            trace, k, name, flip = keys
            faults = sample["faults"]
            flip = None if pd.isna(flip) else float(flip)
            mean = float(faults.mean())
            rows.append(
                {
                    "trace": trace,
                    "cache_size": int(k),
                    "algorithm": name,
                    "flip_probability": flip,
                    "policy": _policy_label(name, flip),
                    "online": not self.policies[name].predicted and name != "Belady",
                    "faults": mean,
                    "deviation": float(faults.std(ddof=1)) if len(faults) > 1 else 0.0,
                    "miss_ratio": mean / float(sample["requests"].iloc[0]),
                    "ratio": mean / float(sample["optimum"].iloc[0]),
                }
            )
        return pd.DataFrame(rows)

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """One table a trace and cache size, the best policy first."""
        tables = []
        for (trace, k), rows in self.table(results).groupby(["trace", "cache_size"], sort=False):
            entries = [
                (
                    row.policy,
                    f"{row.faults:,.1f}".removesuffix(".0"),
                    f"{row.deviation:,.1f}" if row.deviation else "",
                    f"{row.miss_ratio:.4f}",
                    f"{row.ratio:.3f}",
                )
                for row in rows.sort_values("faults", kind="stable").itertuples()
            ]
            columns = ("policy", "faults", "sd", "miss ratio", "faults / optimum")
            tables.append(NamedTable(self.caption(str(trace), int(k)), columns, entries))
        return tables

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """Miss ratio against cache size, a figure a trace; bars when there is one size."""
        from experiments.plots import in_house_style, line_style, new_figure

        @in_house_style
        def draw(trace: str, table: pd.DataFrame) -> NamedFigure:
            figure, (axes,) = new_figure(width=7.6)
            sizes = sorted(table["cache_size"].unique())
            order = table.groupby("policy", sort=False)["miss_ratio"].mean().sort_values(ascending=False).index
            if len(sizes) == 1:
                values = table.set_index("policy").loc[order, "miss_ratio"]
                bars = axes.barh(np.arange(len(order)), values, color="#0072B2")
                axes.bar_label(bars, fmt="%.4f", padding=3, fontsize=8.5)
                axes.set_yticks(np.arange(len(order)), order)
                axes.set_xlim(0, 1.12 * float(values.max()))
                axes.set(xlabel="miss ratio (faults / requests)", title=f"{trace}, cache of {sizes[0]:,} pages")
                axes.grid(axis="y", visible=False)
                axes.invert_yaxis()
            else:
                # Colours go by the policy, so that they mean the same in every figure; the legend goes by height.
                listed = list(table["policy"].unique())
                for policy in order:
                    rows = table[table["policy"] == policy].sort_values("cache_size")
                    style = line_style(listed.index(policy))
                    if policy == _policy_label("Belady", None):
                        style |= {"color": "black", "linestyle": "--", "zorder": 3}
                    axes.plot(rows["cache_size"], rows["miss_ratio"], label=policy, **style)
                axes.set_xscale("log")
                if len(sizes) <= 10:
                    axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30, ha="right")
                    axes.minorticks_off()
                axes.set_ylim(bottom=0)
                axes.set(xlabel="cache size (pages)", ylabel="miss ratio (faults / requests)", title=str(trace))
                axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="from high to low")
            caption = (
                f"Miss ratio of each policy on {trace}; for randomized policies the mean of {self.replications} runs."
            )
            return NamedFigure(f"miss_ratio_{_safe(trace)}", caption, figure)

        table = self.table(results)
        return [draw(str(trace), rows) for trace, rows in table.groupby("trace", sort=False)]

    def _optimum_of(self, trace: Trace, cache_size: int) -> int:
        key = (trace.name, cache_size)
        with self._lock:
            if key not in self._optimum:
                self._optimum[key] = int(Belady(cache_size).run(trace).outcome["faults"])
            return self._optimum[key]


_STATEMENTS = {
    "LRU": ("faults <= k OPT", "lru_bound"),
    "FIFO": ("faults <= k OPT", "fifo_bound"),
    "Clock": ("faults <= k OPT", "clock_bound"),
    "FlushWhenFull": ("faults <= k OPT", "flush_when_full_bound"),
    "RandomEviction": ("mean faults <= k OPT", "random_eviction_bound"),
    "Marker": ("mean faults <= 2 H_k OPT", "marker_bound"),
    "Mark0": ("mean faults <= OPT + 2 H_k eta0 + eta1", "mark0_bound"),
}


def read_cache_sizes(cache_sizes: Sequence[int | str], n_pages: int) -> list[int]:
    """Cache sizes in pages, increasing and distinct.

    Parameters
    ----------
    cache_sizes : sequence of int >= 1, or of str
        "250" or 250 is a number of pages, "10%" a share of `n_pages`, rounded, at least one.
    n_pages : int >= 1
        Distinct pages of the trace.

    Raises
    ------
    ValueError
        For anything else.

    Examples
    --------
    >>> read_cache_sizes([100, "1%", "10%"], n_pages=5000)
    [50, 100, 500]
    """
    sizes = set()
    for given in cache_sizes:
        text = str(given).strip()
        try:
            if text.endswith("%"):
                share = float(text[:-1])
                if not 0 < share <= 100:
                    raise ValueError
                sizes.add(max(1, round(n_pages * share / 100)))
            else:
                if isinstance(given, bool) or (size := int(text)) < 1:
                    raise ValueError
                sizes.add(size)
        except ValueError:
            raise ValueError(f"cache_size: {text!r} is neither a whole number >= 1 nor a share such as 10%") from None
    return sorted(sizes)


def _policies(algorithms: Sequence[str]) -> dict[str, type[EvictionPolicy]]:
    from experiments import registry

    wanted = list(dict.fromkeys(algorithms))
    if "all" in wanted:
        loaded = {name: registry.algorithm(name) for name in registry.names("algorithms")}
        wanted = [n for n, found in loaded.items() if isinstance(found, type) and issubclass(found, EvictionPolicy)]
    if "Belady" not in wanted:
        wanted.append("Belady")
    paging = {}
    for name in wanted:
        loaded = registry.algorithm(name)
        if not (isinstance(loaded, type) and issubclass(loaded, EvictionPolicy)):
            raise ValueError(f"algorithm {name!r} is no eviction policy")
        paging[name] = loaded
    return paging


def _probability(value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"flip: {value} is outside [0, 1]")
    return float(value)


def _by_policy(results: pd.DataFrame) -> list[tuple[tuple[str, float | None], pd.DataFrame]]:
    import pandas as pd

    groups = results.groupby(["algorithm", "flip_probability"], sort=False, dropna=False)
    return [((str(name), None if pd.isna(flip) else float(flip)), runs) for (name, flip), runs in groups]


def _policy_label(name: str, flip: float | None) -> str:
    if name == "Belady":
        return "Belady (offline optimum)"
    if flip is None:
        return name
    return f"{name}, true bits" if flip == 0 else f"{name}, {flip:.0%} of bits flipped"


def _shares_of_bound(name: str, sample: pd.DataFrame, cache_size: int) -> NDArray[np.float64] | None:
    """Faults of each run as a share of the policy's bound for its bits, shape (R,); None for policies without one."""
    if name in _BOUNDS:
        bounds = [_BOUNDS[name](opt, cache_size) for opt in sample["optimum"]]
    elif name == "Mark0":
        errors = zip(sample["optimum"], sample["eta0"], sample["eta1"], strict=True)
        bounds = [mark0_bound(opt, eta0, eta1, cache_size) for opt, eta0, eta1 in errors]
    else:
        return None
    return np.asarray(sample["faults"], dtype=np.float64) / np.asarray(bounds)


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
