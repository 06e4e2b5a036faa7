"""What `paging_succinct` replays: traces and adversaries, predictions with their errors, and policies.

A cell names a trace, a cache size, a source of predictions with its level of error, and a group of policies that
read them. All policies of a cell meet the same requests and predictions, and so do all cells that share a trace and a
cache size, whatever they predict: noise at one level includes that at every lower one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from algos.miss_ratio_curves import lru_fault_curve, optimal_fault_curve
from algos.optimal_paging import next_use, optimal_faults
from algos.phases import clean_pages
from algos.predictions import arrival_error
from algos.streams import algorithm_stream, world_stream
from experiments.experiment import Cell
from online.paging import (
    ARC,
    FIFO,
    LFU,
    LRU,
    S3FIFO,
    Clock,
    DiscardBitGuard,
    EvictionPolicy,
    FlushWhenAllZeros,
    FlushWhenFull,
    FollowAndRobust,
    FollowThePrediction,
    Guard,
    LMarker,
    LNonMarker,
    Mark0,
    MarkAndPredict,
    Marker,
    OnlineMin,
    PredictiveMarker,
    RandomEviction,
    RobustFlushWhenAllZeros,
    RobustFtP,
    RobustLNonMarker,
    RobustMark0,
    Sieve,
    TrustAndDoubt,
    mark0_instance_bound,
)
from simulators import (
    AdversarialBits,
    ConstantBits,
    DiscardBits,
    LognormalArrivals,
    LoopTrace,
    MarkingTrap,
    MissingPage,
    PhaseBits,
    PLECOArrivals,
    PopularityArrivals,
    StackDistanceTrace,
    Trace,
    UniformTrace,
    ZipfTrace,
    shipped_trace,
    shipped_traces,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FLIPS", "GROUPS", "SIGMAS", "alternating_pairs", "fault_curves", "game", "replays", "sizes_around"]

FLIPS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Probabilities that a bit is wrong."""
SIGMAS = (0.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
"""Sizes of the lognormal noise of predicted times."""

GROUPS: dict[str, dict[str, Callable[[int], EvictionPolicy]]] = {
    "no predictions": {
        "LRU": LRU,
        "FIFO": FIFO,
        "Clock": Clock,
        "FlushWhenFull": FlushWhenFull,
        "RandomEviction": RandomEviction,
        "Marker": Marker,
        "OnlineMin": OnlineMin,
        "LFU": LFU,
        "ARC": ARC,
        "Sieve": Sieve,
        "S3FIFO": S3FIFO,
    },
    "discard bits": {
        "FlushWhenAllZeros": FlushWhenAllZeros,
        "Mark0": Mark0,
        "Mark0 eager": partial(Mark0, eager=True),
        "DiscardBitGuard": DiscardBitGuard,
    },
    "discard bits, robust": {"RobustFlushWhenAllZeros": RobustFlushWhenAllZeros, "RobustMark0": RobustMark0},
    "phase bits": {"MarkAndPredict": MarkAndPredict},
    "phase bits, deterministic": {"MarkAndPredict deterministic": partial(MarkAndPredict, deterministic=True)},
    "arrivals": {
        "FollowThePrediction": FollowThePrediction,
        "Guard": Guard,
        "PredictiveMarker": PredictiveMarker,
        "LMarker": LMarker,
        "LNonMarker": LNonMarker,
    },
    "arrivals, robust": {"RobustFtP": RobustFtP, "RobustLNonMarker": RobustLNonMarker},
    "arrivals, doubting": {"FollowAndRobust": FollowAndRobust, "TrustAndDoubt": TrustAndDoubt},
}
"""Policies by name, in groups that read the same predictions: what stands before a comma is what they read."""

_COLUMNS = [
    "algorithm",
    "replication",
    "random",  # whether another replication may give another number
    "pages",  # k: the cell's cache size, but in the curves
    "requests",
    "faults",
    "optimum",
    "clean",  # clean pages of all k-phases
    "eta0",
    "eta1",
    "eta",
    "instance_bound",
]
_LEVELS = ("predictor", "level", "group", "replications")  # what cells that meet the same world may differ in
_MOST_SIZES = 150


class _Predicted(NamedTuple):
    trace: Trace
    random: bool
    eta0: int = 0
    eta1: int = 0
    eta: float = 0.0


def replays(cell: Cell, seed: int) -> pd.DataFrame:
    """One row for each policy and replication: faults, the optimum, and the errors of the predictions."""
    k, policies = cell["cache_size"], GROUPS[cell["group"]]
    fixed = cell["trace"] in (*shipped_traces(), "loop", "alternating pairs", "marking trap")
    rows: list[tuple[Any, ...]] = []
    trace = None
    for replication in range(cell["replications"]):
        world = world_stream(seed, cell, replication, shared=_LEVELS)
        if trace is None or not fixed:
            trace = _trace(cell, world)
            opt = optimal_faults(trace.requests, trace.n_pages, k)
            clean = int(clean_pages(trace.requests, trace.n_pages, k).sum())
        predicted = _predicted(cell, trace, world)
        for name, make in policies.items():
            policy = make(k)
            random = not fixed or predicted.random or policy.draws()
            if random or replication == 0:
                own = _own_stream(seed, cell, name, replication)
                faults = policy.run(predicted.trace, rng=own).outcome["faults"]
                bound = np.nan
                if name == "Mark0":
                    bits = predicted.trace.bits
                    bound = mark0_instance_bound(trace.requests, bits, trace.n_pages, k)
                row = (name, replication, random, k, len(trace), faults, opt, clean, *predicted[2:], bound)
                rows.append(row)
    return _frame(rows)


def game(cell: Cell) -> pd.DataFrame:
    """One row for each deterministic policy: it meets again the requests that an adversary made against it.

    Interpreted: so few requests are served before a compiler would have begun.
    """
    k, length = cell["cache_size"], cell["length"]
    bit = int(cell["level"]) if cell["predictor"] == "constant" else None
    rows = []
    for name, make in GROUPS[cell["group"]].items():
        policy: Any = make(k)
        if not policy.draws():
            trace = MissingPage(bit=bit).against(policy, length, compiled=False)
            faults = policy.run(trace, compiled=False).outcome["faults"]
            opt = optimal_faults(trace.requests, trace.n_pages, k)
            clean = int(clean_pages(trace.requests, trace.n_pages, k).sum())
            errors = (0, 0)
            if trace.bits is not None:
                errors = _truth(cell).errors(trace, trace.bits)
            rows.append((name, 0, False, k, length, faults, opt, clean, *errors, 0.0, np.nan))
    return _frame(rows)


def fault_curves(cell: Cell, seed: int) -> pd.DataFrame:
    """Faults of LRU and of the optimum with caches from one page to all pages, each from one pass."""
    trace = _trace(cell, world_stream(seed, cell, 0, shared=_LEVELS))
    m = trace.n_pages
    lru, opt = lru_fault_curve(trace.requests, m), optimal_fault_curve(trace.requests, m)
    sizes = np.union1d(np.geomspace(1, m, _MOST_SIZES).astype(np.int64), sizes_around(cell["cache_size"]))
    return _frame(
        [
            (name, 0, False, size, len(trace), int(curve[size]), int(opt[size]), 0, 0, 0, 0.0, np.nan)
            for name, curve in (("LRU", lru), ("optimum", opt))
            for size in sizes[sizes <= m].tolist()
        ]
    )


def sizes_around(cache_size: int) -> list[int]:
    """A cache size, three larger and four smaller ones, each twice the one before."""
    return [max(1, round(cache_size * 2.0**j)) for j in range(-4, 4)]


def alternating_pairs(cache_size: int, n_phases: int) -> Trace:
    """Requests on which `Marker` needs 2 H_k - 1 times the optimum's faults; k >= 3.

    Each phase requests one of two pairs of pages, AB, CD, BA, DC, AB, and so on, and then k - 2 pages that are always
    the same. The pair is clean: a marking algorithm loads both pages, and each random victim among the others comes
    back in the phase, 2 (1 + H_k - H_2) faults in expectation. The optimum keeps the second page of a pair and the
    first of the next one, and loads one page a phase. This is `simulators.MarkingTrap` with blocks of one page.
    """
    always = np.arange(4, 2 + cache_size)
    cycle = np.concatenate([[0, 1], always, [2, 3], always, [1, 0], always, [3, 2], always])
    return Trace(np.resize(cycle, cache_size * n_phases), name="alternating_pairs")


def _frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=_COLUMNS)


def _own_stream(seed: int, cell: Cell, algorithm: str, replication: int) -> np.random.Generator:
    """The policy's stream: the more replications, the more runs, but the first ones stay."""
    key = {name: value for name, value in cell.items() if name not in ("group", "replications")}
    return algorithm_stream(seed, key | {"algorithm": algorithm}, replication)


def _trace(cell: Cell, rng: np.random.Generator) -> Trace:
    name, k, length = cell["trace"], cell["cache_size"], cell["length"]
    if name == "zipf":
        return ZipfTrace(n_pages=10 * k, exponent=1.0, length=length).sample(rng)
    if name == "stack":
        return StackDistanceTrace(n_pages=10 * k, exponent=1.0, length=length).sample(rng)
    if name == "uniform":
        return UniformTrace(n_pages=k + 1, length=length).sample(rng)
    if name == "loop":
        return LoopTrace(n_pages=k + 1, length=length).sample()
    if name == "marking trap":
        return MarkingTrap(cache_size=k, n_phases=length // k).sample()
    if name == "alternating pairs":
        return alternating_pairs(k, length // k)
    return _shipped(name)


@lru_cache(maxsize=4)
def _shipped(name: str) -> Trace:
    return shipped_trace(name)


def _truth(cell: Cell, **flips: Any) -> DiscardBits | PhaseBits:
    if cell["group"].startswith("discard bits"):
        return DiscardBits(cell["cache_size"], **flips)
    return PhaseBits(cell["cache_size"], **flips)


def _predicted(cell: Cell, trace: Trace, rng: np.random.Generator) -> _Predicted:
    """The trace with the cell's predictions, whether they are random, and their errors."""
    predictor, level, k = cell["predictor"], cell["level"], cell["cache_size"]
    if cell["group"] == "no predictions":
        return _Predicted(trace, False)
    if cell["group"].startswith("arrivals"):
        times, random = _times(predictor, level, trace, rng)
        eta = arrival_error(times, next_use(trace.requests, trace.n_pages))
        return _Predicted(trace.with_arrivals(times), random, eta=eta)
    flipped = {"flips": "flip_probability", "wrong 0s": "wrong_keep", "wrong 1s": "wrong_discard"}
    if predictor in flipped:
        bits = _truth(cell, **{flipped[predictor]: level}).predict(trace, rng)
    elif predictor == "adversary":
        bits = AdversarialBits(k, budget=round(level * len(trace))).predict(trace)
    else:
        bits = ConstantBits(bit=int(level)).predict(trace)
    eta0, eta1 = _truth(cell).errors(trace, bits)
    return _Predicted(trace.with_bits(bits), predictor in flipped and 0.0 < level < 1.0, eta0, eta1)


def _times(predictor: str, level: float, trace: Trace, rng: np.random.Generator) -> tuple[Any, bool]:
    """Predicted times of the next request, and whether they are random."""
    n = len(trace)
    if predictor == "lognormal":
        return LognormalArrivals(sigma=level).predict(trace, rng), level > 0.0
    if predictor == "random":
        return rng.random(n) * n, True
    if predictor == "reversed":  # the sooner the next request, the later it is said to be
        return n - next_use(trace.requests, trace.n_pages).astype(np.float64), False
    if predictor == "constant":
        return np.full(n, level), False
    from_the_past = PopularityArrivals() if predictor == "POPU" else PLECOArrivals()
    return from_the_past.predict(trace), False
