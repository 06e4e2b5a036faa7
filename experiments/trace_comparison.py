"""Which eviction policy would have served a trace best? The experiment behind ``regretlab paging``.

Every policy replays every trace at every cache size; the offline optimum is always among them, so that each knows
how far it is from the best possible, and whether the theory's bounds held.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from algos.contracts import whole_number
from algos.phases import clean_pages
from algos.streams import algorithm_stream, world_stream
from experiments import comparison_results
from experiments.claims import Claim
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from experiments.miss_ratio_curves import CURVED, CurveSizes, check_curve, curve_frame
from experiments.own_predictions import with_own_predictions
from experiments.predictor_choices import (
    PredictorChoice,
    Told,
    errors_of,
    flipped_bits,
    named_predictor,
    noisy_arrivals,
    own_predictions,
    told_to,
)
from experiments.shares import read_cache_sizes, read_warmup
from online.paging import Belady, EvictionPolicy, mark0_instance_bound
from simulators import Trace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DEFAULT_ALGORITHMS", "TraceComparison"]

DEFAULT_ALGORITHMS = ("LRU", "FIFO", "RandomEviction", "Marker", "Mark0", "Belady")

_DEFAULT_FLIPS, _DEFAULT_SIGMAS = (0.0, 0.1), (0.0, 5.0)


class TraceComparison(Experiment):
    """Replay traces through eviction policies at several cache sizes.

    Parameters
    ----------
    traces : sequence of Trace or path
        Traces in memory, or files for `Trace.from_file`; names must differ. Predictions that a trace carries are for
        the policies that read such.
    cache_sizes : sequence of int >= 1, or of str
        Cache sizes in pages; "10%" is that share of a trace's distinct pages, rounded, at least one.
    algorithms : sequence of str
        Registered names of eviction policies, or "all" for every one there is. Belady is added when missing.
    predictors : sequence of str
        For policies with predictions: registered predictors, see `experiments.predictor_choices`. Each policy is
        told what it can read.
    flips : sequence of float in [0, 1], optional
        Probabilities with which true bits are flipped. When omitted: 0 and 0.1 for policies that would be told nothing.
    sigmas : sequence of float >= 0, optional
        Sizes of the lognormal noise of true arrivals. When omitted: 0 and 5 for policies that would be told nothing.
    bits, arrivals : sequence of str
        Your own predictions, for each trace or one for all: a file (NPY, NPZ, text), or a column of the trace's file.
    replications : int >= 1
        Runs of each randomized policy, and of each predictor that draws.
    column : str or int, optional
        Column of the page ids in the files.
    warmup : int >= 0, or str
        Requests at the beginning that are served but not counted, or such a share of them: "10%". Bounds are
        checked on all requests nevertheless.
    curve : {"log", "all"}, optional
        Also count the faults of LRU, if it is among the algorithms, and of the optimum over the whole range of cache
        sizes: at about 16 a decade, or at all of them.

    Raises
    ------
    ValueError
        When a file cannot be read as a trace or as predictions, a trace is empty, or an argument is out of its range.
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
        predictors: Sequence[str] = (),
        flips: Sequence[float] | None = None,
        sigmas: Sequence[float] | None = None,
        bits: Sequence[str] = (),
        arrivals: Sequence[str] = (),
        replications: int = 5,
        column: str | int | None = None,
        warmup: int | str = 0,
        curve: CurveSizes | None = None,
    ) -> None:
        self.policies = _policies(algorithms)
        choices = [named_predictor(text) for text in predictors]
        choices += [*flipped_bits(flips or ()), *noisy_arrivals(sigmas or ())]
        self.curve = check_curve(curve)
        self.replications = whole_number(replications, "replications", 1)
        read_cache_sizes(cache_sizes, 1)
        read_warmup(warmup, None)
        files = [None if isinstance(trace, Trace) else str(Path(trace).resolve()) for trace in traces]
        self.traces = _traces(traces, column)
        for kind, sources in (("bits", bits), ("arrivals", arrivals)):
            self.traces = with_own_predictions(self.traces, files, kind, sources)  # type: ignore[arg-type]
        self.warmup = [read_warmup(warmup, trace) for trace in self.traces]
        self._told = {trace.name: self._told_with(trace, choices) for trace in self.traces}
        self._parameters: dict[str, Any] = {
            "files": files,
            "fingerprints": [trace.fingerprint() for trace in self.traces],
            "predictions": [_fingerprint(trace) for trace in self.traces],
            "cache_sizes": list(cache_sizes),
            "algorithms": list(self.policies),
            "predictors": list(predictors),
            "flips": None if flips is None else [float(flip) for flip in flips],
            "sigmas": None if sigmas is None else [float(sigma) for sigma in sigmas],
            "bits": [_lasting(source) for source in bits],
            "arrivals": [_lasting(source) for source in arrivals],
            "replications": self.replications,
            "column": column,
            "warmup": warmup,
            "curve": self.curve,
        }
        self._optimum: dict[tuple[str, int], NDArray[np.int64]] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> TraceComparison:
        """Rebuild from a manifest; the traces must still be where they were, and be the same.

        Raises
        ------
        ValueError
            When a trace came from memory, or its file holds other requests or predictions now.
        """
        chosen = dict(parameters)
        files, fingerprints, predictions = (chosen.pop(key) for key in ("files", "fingerprints", "predictions"))
        if any(file is None for file in files):
            raise ValueError("paging: a trace of this run was in memory only; it cannot be read again")
        rebuilt = cls(files, chosen.pop("cache_sizes"), **chosen)
        for file, fingerprint, own, trace in zip(files, fingerprints, predictions, rebuilt.traces, strict=True):
            if trace.fingerprint() != fingerprint:
                raise ValueError(f"{file}: holds other requests than when the run was made")
            if _fingerprint(trace) != own:
                raise ValueError(f"{file}: comes with other predictions than when the run was made")
        return rebuilt

    def parameters(self) -> dict[str, Any]:
        """Files, digests of their requests and predictions, and all choices."""
        return self._parameters

    def command(self) -> list[str]:
        """The words of the command line that asks the same, with the traces in the folder where one is."""
        chosen = self._parameters
        traces = [Path(file).name if file else "(a trace in memory)" for file in chosen["files"]]
        words = ["regretlab", "paging", *traces, "--cache-size", ",".join(map(str, chosen["cache_sizes"]))]
        words += ["--algorithms", ",".join(chosen["algorithms"])]
        for predictor in chosen["predictors"]:
            words += ["--predictor", predictor]
        for option, numbers in (("--flip", chosen["flips"]), ("--sigma", chosen["sigmas"])):
            words += [option, ",".join(f"{number:g}" for number in numbers)] if numbers else []
        for option in ("bits", "arrivals"):
            for source in chosen[option]:
                words += [f"--{option}", Path(source).name]
        words += ["--replications", str(self.replications)]
        for option in ("column", "warmup", "curve"):
            words += [f"--{option}", str(chosen[option])] if chosen[option] not in (None, 0, "0") else []
        return words

    def cells(self, scale: Scale) -> list[Cell]:
        """One cell for each trace, cache size, policy and what it is told; then one for each curve."""
        cells: list[Cell] = []
        for trace in self.traces:
            for cache_size in self._sizes(trace):
                common = {"trace": trace.name, "cache_size": cache_size}
                for name, told in self._told[trace.name].items():
                    cells += [common | {"algorithm": name, "predictor": predictor} for predictor in told]
        if self.curve is not None:
            curved = [name for name in self.policies if name in CURVED]
            cells += [{"trace": t.name, "algorithm": name, "curve": self.curve} for t in self.traces for name in curved]
        return cells

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """Replay one trace through one policy: one row a replication; or count a curve: one row a cache size."""
        import pandas as pd

        trace, warmup = self._trace(cell["trace"])
        if "curve" in cell:
            return curve_frame(cell["algorithm"], trace, warmup, cell["curve"], self._sizes(trace))
        k = cell["cache_size"]
        policy: EvictionPolicy = self.policies[cell["algorithm"]](cache_size=k)
        opt = self._optimum_of(trace, k, warmup)
        # Noted where a guarantee needs it, and once a size: it would delay the first result.
        needed = bool(policy.reads()) or cell["algorithm"] == "Belady"
        clean = float(clean_pages(trace.requests, trace.n_pages, k).sum()) if needed else np.nan
        rows, seconds, noisy = [], [], False
        for replication in range(self.replications):
            if replication == 0 or noisy:
                served, errors, noisy = self._served(cell, trace, policy, seed, replication)
            elif not policy.draws():
                break
            rng = algorithm_stream(seed, cell, replication)
            if replication == 0:
                policy.run(served, min(10, len(trace)), np.random.default_rng(0))  # compile outside the clock
            started = time.thread_time()
            faults = policy.run(served, rng=rng, checkpoints=_checkpoints(trace, warmup)).metrics["faults"]
            seconds.append(time.thread_time() - started)
            counted = {"faults": _counted(faults, warmup), "optimum": _counted(opt, warmup)}
            whole = {"all_faults": int(faults[-1]), "all_optimum": int(opt[-1]), "clean_pages": clean}
            sizes = {"replication": replication, "requests": len(trace) - warmup, "pages": trace.n_pages}
            rows.append(sizes | counted | whole | {"eta0": np.nan, "eta1": np.nan, "eta": np.nan} | errors)
        frame = pd.DataFrame(rows)
        frame.attrs["requests_per_second"] = len(trace) / max(float(np.median(seconds)), 1e-9)
        return frame

    def hits(self, cell: Cell, seed: int) -> NDArray[np.bool_]:
        """Which requests are hits in the first replication of a cell, shape (n,), the warm-up included."""
        trace, _ = self._trace(cell["trace"])
        policy: EvictionPolicy = self.policies[cell["algorithm"]](cache_size=cell["cache_size"])
        served, _, _ = self._served(cell, trace, policy, seed, 0)
        run = policy.run(served, rng=algorithm_stream(seed, cell, 0), checkpoints=np.arange(1, len(trace) + 1))
        hits: NDArray[np.bool_] = np.diff(run.metrics["faults"], prepend=0) == 0
        return hits

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """The result of a cell, before the others are done."""
        if "curve" in cell:
            return f"{cell['trace']}, {cell['algorithm']}: curve over {len(frame):,} cache sizes"
        faults = f"{frame['faults'].mean():,.1f}".removesuffix(".0")
        return f"{self.caption(cell['trace'], cell['cache_size'])}, {self.label(cell)}: {faults} faults"

    def caption(self, trace: str, cache_size: int) -> str:
        """What tables call a trace at a cache size."""
        _, warmup = self._trace(trace)
        return f"{trace}, {cache_size:,} pages" + (f", after {warmup:,} requests" if warmup else "")

    def label(self, cell: Cell) -> str:
        """What tables and plots call the policy of a cell."""
        return comparison_results.policy_label(cell["algorithm"], self.told_label(cell["predictor"]))

    def told_label(self, predictor: str | None) -> str:
        """What tables and plots call what a policy is told; empty for nothing."""
        labels = (
            ", ".join(choice.label for choice in told.values())
            for policies in self._told.values()
            for all_told in policies.values()
            for name, told in all_told.items()
            if name == predictor
        )
        return next(labels)

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """The bounds of the policies that were run, at the trace and size where each came closest to its bound."""
        return comparison_results.claims(self, results)

    def summary(self, results: pd.DataFrame) -> list[str]:
        """For each trace: the policies that served it best, at which sizes, and how well."""
        return comparison_results.summary(self, results)

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """One table a trace and cache size, the best policy first."""
        return comparison_results.tables(self, results)

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """Miss ratio against cache size, a figure a trace; bars when there is one size; curves when asked for."""
        from experiments.comparison_figures import figures

        return figures(self, results)

    def _told_with(self, trace: Trace, choices: list[PredictorChoice]) -> dict[str, dict[str | None, Told]]:
        """For each policy, what it is told on this trace, by the name in cells; None for nothing."""
        choices = [*own_predictions(trace), *choices]
        defaults = [*flipped_bits(_DEFAULT_FLIPS), *noisy_arrivals(_DEFAULT_SIGMAS)]
        told_by_policy = {}
        for name, policy in self.policies.items():
            try:
                every = told_to(policy(cache_size=1).reads(), choices, defaults)
            except ValueError as error:
                raise ValueError(f"algorithm {name!r}: {error}") from None
            told_by_policy[name] = {" + ".join(c.name for c in told.values()) or None: told for told in every}
        return told_by_policy

    def _trace(self, name: str) -> tuple[Trace, int]:
        """The trace of this name, and how many of its requests are not counted."""
        return next(found for found in zip(self.traces, self.warmup, strict=True) if found[0].name == name)

    def _sizes(self, trace: Trace) -> list[int]:
        return read_cache_sizes(self._parameters["cache_sizes"], trace.n_pages)

    def _served(
        self, cell: Cell, trace: Trace, policy: EvictionPolicy, seed: int, replication: int
    ) -> tuple[Trace, dict[str, float], bool]:
        """The trace with what the policy is told and nothing else, its errors, and whether a predictor drew."""
        served, errors = trace.with_bits(None).with_arrivals(None), dict[str, float]()
        # The noise is the world's: at one trace and size all policies meet the same draws; more flips include fewer.
        world = world_stream(seed, cell, replication, shared=("algorithm", "predictor"))
        before = world.bit_generator.state
        for kind, choice in self._told[trace.name][cell["algorithm"]][cell["predictor"]].items():
            predicted = choice.predict(kind, trace, policy.cache_size, world)
            errors |= errors_of(kind, predicted, trace, policy.cache_size)
            served = served.with_arrivals(predicted) if kind == "next arrivals" else served.with_bits(predicted)
        if cell["algorithm"] == "Mark0":
            errors["instance_bound"] = mark0_instance_bound(
                trace.requests, served.bits, trace.n_pages, policy.cache_size
            )
        return served, errors, world.bit_generator.state != before

    def _optimum_of(self, trace: Trace, cache_size: int, warmup: int) -> NDArray[np.int64]:
        """Faults of the optimum at the end of the warm-up, if there is one, and at the end."""
        key = (trace.name, cache_size)
        with self._lock:
            if key not in self._optimum:
                run = Belady(cache_size).run(trace, checkpoints=_checkpoints(trace, warmup))
                self._optimum[key] = run.metrics["faults"].astype(np.int64)
            return self._optimum[key]


def _traces(traces: Sequence[Trace | str | Path], column: str | int | None) -> list[Trace]:
    loaded = [t if isinstance(t, Trace) else Trace.from_file(t, column=column) for t in traces]
    if not loaded:
        raise ValueError("traces: there are none")
    names = [trace.name for trace in loaded]
    for trace in loaded:
        if len(trace) == 0:
            raise ValueError(f"{trace.name}: holds no request")
        if names.count(trace.name) > 1:
            raise ValueError(f"traces: two are named {trace.name!r}; rename one")
    return loaded


def _policies(algorithms: Sequence[str]) -> dict[str, type[EvictionPolicy]]:
    from experiments import registry

    wanted, registered = list(dict.fromkeys(algorithms)), registry.names("algorithms")
    every = "all" in wanted
    if every or not set(wanted) <= set(registered):
        known = [name for name in registered if _is_policy(registry.algorithm(name))]
        for name in set(wanted) - {"all", *registered}:
            raise ValueError(f"unknown algorithm {name!r}; there are {', '.join(known)}")
        wanted = known
    if "Belady" not in wanted:
        wanted.append("Belady")
    policies = {}
    for name in wanted:
        loaded = registry.algorithm(name)
        if not _is_policy(loaded):
            raise ValueError(f"algorithm {name!r} is no eviction policy")
        try:
            loaded(cache_size=1)
        except (TypeError, ValueError) as error:
            if every:
                continue
            raise ValueError(f"algorithm {name!r} cannot be made from a cache size alone: {error}") from None
        policies[name] = loaded
    return policies


def _is_policy(loaded: Any) -> bool:
    return isinstance(loaded, type) and issubclass(loaded, EvictionPolicy)


def _fingerprint(trace: Trace) -> str:
    """SHA-256 of a trace's own predictions, in hexadecimal; empty without any."""
    own = [values.tobytes() for values in (trace.bits, trace.arrivals) if values is not None]
    return hashlib.sha256(b"\0".join(own)).hexdigest() if own else ""


def _lasting(source: str) -> str:
    """A file by its whole path, so that it is found from elsewhere as well; a column as it is."""
    return str(Path(source).resolve()) if Path(source).is_file() else source


def _checkpoints(trace: Trace, warmup: int) -> list[int]:
    return [warmup, len(trace)] if warmup else [len(trace)]


def _counted(faults: NDArray[Any], warmup: int) -> int:
    """Faults after the warm-up, of cumulative ones at `_checkpoints`."""
    return int(faults[-1] - faults[0]) if warmup else int(faults[-1])
