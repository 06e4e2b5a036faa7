"""Requests a second of eviction policies, beside libCacheSim's C core through its Python package.

Both replay the same Zipf(1.0) trace. Our clock starts with the raw 64-bit ids and includes remapping them and,
for Belady, computing next uses. The peer reads a binary oracleGeneral trace from a file in memory, with next uses
in it, and its hash table is sized to the cache: writing the file is not on its clock.

Policies with predictions have no peer: they replay a trace that came with wrong predictions, a tenth of the bits
flipped, or true times with noise of 1 % of the trace's length, and times of never again a factor of 1 to 2 too late.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np

from algos import discard_bits, lru_fault_curve, next_use, phase_bits
from benchmarks.measure import Row, in_turn, version
from online.paging import (
    ARC,
    FIFO,
    LFU,
    LRU,
    S3FIFO,
    Belady,
    BlindOracle,
    Clock,
    DiscardBitGuard,
    EvictionPolicy,
    FlushWhenAllZeros,
    FollowAndRobust,
    FollowThePrediction,
    Guard,
    LMarker,
    LNonMarker,
    Mark0,
    MarkAndPredict,
    PredictiveMarker,
    RobustFlushWhenAllZeros,
    RobustFtP,
    RobustLNonMarker,
    RobustMark0,
    Sieve,
    TrustAndDoubt,
)
from online.paging.arrivals import ArrivalPolicy
from simulators import Trace, ZipfTrace

__all__ = ["rows"]

_RECORD = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
_CASES = ((1_000_000, 100_000, 10_000), (10_000_000, 1_000_000, 100_000))  # requests, pages, cache size
_CLASSICAL = (LRU, FIFO, Belady, Clock, Sieve, S3FIFO, LFU)
_PREDICTED = (
    *(FlushWhenAllZeros, Mark0, MarkAndPredict, DiscardBitGuard),
    *(BlindOracle, PredictiveMarker, LMarker, LNonMarker, Guard),
    *(FollowThePrediction, TrustAndDoubt, FollowAndRobust),
    *(RobustFlushWhenAllZeros, RobustMark0, RobustFtP, RobustLNonMarker),
)
_END_TO_END, _ALONE, _PREDICTED_RATE, _CURVE_SECONDS, _MEGABYTES = 5.0, 10.0, 2e7, 5.0, 400.0


def rows() -> list[Row]:
    """The classical policies, end to end and kernel alone, at two sizes; at the larger one also what has no peer."""
    table = []
    for length, pages, cache_size in _CASES:
        drawn = ZipfTrace(pages, 1.0, length).sample(np.random.default_rng(7))
        ids = drawn.pages[drawn.requests].astype(np.int64) + 1
        what = f"{length:.0e} requests, {drawn.n_pages:,} pages, cache {cache_size:,}".replace("e+0", "e")
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            file = _peer_trace(Path(folder), ids, drawn)
            for policy in (*_CLASSICAL, ARC):
                table += _compare(policy, what, ids, drawn, file, cache_size)
        table.append(_cachetools(what, ids, cache_size))
    table += _with_predictions(what, drawn, cache_size)
    table.append(_curve(what, drawn))
    table += _memory(what, ids, cache_size)
    return table


def _compare(
    policy: type[EvictionPolicy], what: str, ids: np.ndarray, trace: Trace, file: Path, cache_size: int
) -> list[Row]:
    faults = {}

    def end_to_end() -> None:
        faults["ours"] = policy(cache_size).run(Trace(ids)).outcome["faults"]

    def kernel() -> None:
        policy(cache_size).run(trace)

    def peer() -> None:
        faults["peer"] = _peer_faults(policy.__name__, file, cache_size, ids.size)

    policy(cache_size).run(trace, 10)  # compile
    Trace(ids[:1000])
    ours, alone, theirs = in_turn(end_to_end, kernel, peer, rounds=9 if ids.size <= 1_000_000 else 3)
    if faults["ours"] != faults["peer"]:
        raise AssertionError(f"{policy.__name__}: {faults['ours']} faults, {version('libcachesim')} {faults['peer']}")
    table = []
    for part, seconds, target in (("ids to faults", ours, _END_TO_END), ("replay alone", alone, _ALONE)):
        ratio = theirs / seconds
        wanted = policy in _CLASSICAL
        table.append(
            Row(
                f"{policy.__name__}, {part}, {what}",
                _rate(ids.size / seconds),
                version("libcachesim"),
                _rate(ids.size / theirs),
                ratio,
                f"{target:g}x" if wanted else "",
                ratio >= target if wanted else None,
            )
        )
    return table


def _peer_trace(folder: Path, ids: np.ndarray, trace: Trace) -> Path:
    records = np.empty(ids.size, dtype=_RECORD)
    following = next_use(trace.requests, trace.n_pages).astype(np.int64)
    records["time"] = np.arange(ids.size)
    records["id"] = ids
    records["size"] = 1
    records["next"] = np.where(following == ids.size, -1, following + 1)
    file = folder / "trace.oracleGeneral.bin"
    records.tofile(file)
    return file


def _peer_faults(name: str, file: Path, cache_size: int, length: int) -> int:
    import libcachesim

    parameters = libcachesim.ReaderInitParam(ignore_obj_size=True)
    reader = libcachesim.TraceReader(str(file), libcachesim.TraceType.ORACLE_GENERAL_TRACE, parameters)
    # Twice as many buckets as cached pages: its default of 2^24 is several times slower at these sizes.
    cache = getattr(libcachesim, name)(cache_size, hashpower=int(np.ceil(np.log2(cache_size))) + 1)
    miss_ratio, _ = cache.process_trace(reader)
    return round(miss_ratio * length)


def _cachetools(what: str, ids: np.ndarray, cache_size: int) -> Row:
    from cachetools import LRUCache

    prefix = ids[:200_000]
    listed = prefix.tolist()

    def ours() -> None:
        LRU(cache_size).run(Trace(prefix))

    def peer() -> None:
        cache = LRUCache(cache_size)
        for page in listed:
            if page in cache:
                cache[page]
            else:
                cache[page] = True

    mine, theirs = in_turn(ours, peer, rounds=3)
    size = prefix.size
    return Row(
        f"LRU, ids to faults, first 2e5 of {what}",
        _rate(size / mine),
        version("cachetools"),
        _rate(size / theirs),
        theirs / mine,
    )


def _with_predictions(what: str, trace: Trace, cache_size: int) -> list[Row]:
    """Replays of a trace that has predictions; where these are times, with and without sorting them."""
    rng = np.random.default_rng(8)
    n = len(trace)
    wrong = rng.random(n) < 0.1
    truth = next_use(trace.requests, trace.n_pages).astype(np.float64)
    late = np.where(truth == n, n * rng.random(n), n / 100 * rng.standard_normal(n))
    traces = {
        "discard bits": trace.with_bits(discard_bits(trace.requests, trace.n_pages, cache_size) ^ wrong),
        "phase bits": trace.with_bits(phase_bits(trace.requests, trace.n_pages, cache_size)[0] ^ wrong),
        "next arrivals": trace.with_arrivals(truth + late),
    }
    return [row for policy in _PREDICTED for row in _predicted_rows(policy(cache_size), traces, what)]


def _predicted_rows(policy: EvictionPolicy, traces: dict[str, Trace], what: str) -> list[Row]:
    (kind,), name = policy.reads(), type(policy).__name__
    trace = traces[kind]

    def run() -> None:
        policy.run(trace, rng=np.random.default_rng(1))

    policy.run(trace, 10, np.random.default_rng(1))  # compile
    (whole,) = in_turn(run, rounds=3)
    if kind != "next arrivals":
        return [_rate_row(f"{name}, trace with {kind} to faults, {what}", len(trace) / whole, _PREDICTED_RATE)]
    keys = BlindOracle(policy.cache_size).predictions(trace)
    with mock.patch.object(ArrivalPolicy, "predictions", return_value=keys):  # followers call it as well
        (alone,) = in_turn(run, rounds=3)
    return [
        _rate_row(f"{name}, replay alone, predicted times sorted before, {what}", len(trace) / alone, _PREDICTED_RATE),
        _rate_row(f"{name}, trace with predicted times to faults, sort inside, {what}", len(trace) / whole, None),
    ]


def _curve(what: str, trace: Trace) -> Row:
    lru_fault_curve(trace.requests[:10], trace.n_pages)  # compile
    (seconds,) = in_turn(lambda: lru_fault_curve(trace.requests, trace.n_pages), rounds=3)
    return Row(
        f"LRU faults at every cache size, {what}",
        f"{seconds:.2f} s",
        target=f"{_CURVE_SECONDS:g} s",
        met=seconds < _CURVE_SECONDS,
    )


def _memory(what: str, ids: np.ndarray, cache_size: int) -> list[Row]:
    """Peak memory of fresh processes that read the ids from a file, build the trace and run one policy."""
    # Not getrusage: its peak begins with that of the process that started this one.
    program = (
        "import sys, numpy as np; from online import paging; from simulators import Trace; "
        "ids = np.load(sys.argv[1]); policy = getattr(paging, sys.argv[2])(int(sys.argv[3])); "
        "policy.run(Trace(ids), rng=np.random.default_rng(1)); "
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    if not Path("/proc/self/status").exists():
        return []
    table = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ids.npy"
        np.save(file, ids)
        for policy in (LRU, Belady, LFU, Mark0, BlindOracle):
            command = [sys.executable, "-c", program, str(file), policy.__name__, str(cache_size)]
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            megabytes = int(printed) / 1024
            table.append(
                Row(
                    f"{policy.__name__}, peak memory of ids to faults, {what}",
                    f"{megabytes:.0f} MB",
                    target=f"{_MEGABYTES:g} MB",
                    met=megabytes < _MEGABYTES,
                )
            )
    return table


def _rate_row(what: str, per_second: float, wanted: float | None) -> Row:
    if wanted is None:
        return Row(what, _rate(per_second))
    return Row(what, _rate(per_second), target=_rate(wanted), met=per_second >= wanted)


def _rate(per_second: float) -> str:
    return f"{per_second / 1e6:,.1f} M req/s"
