"""Requests a second of eviction policies, beside libCacheSim's C core through its Python package.

Both replay the same Zipf(1.0) trace. Our clock starts with the raw 64-bit ids and includes remapping them and,
for Belady, computing next uses. The peer reads a binary oracleGeneral trace from a file in memory, with next uses
in it, and its hash table is sized to the cache: writing the file is not on its clock.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from algos.optimal_paging import next_use
from benchmarks.measure import Row, in_turn, version
from online.paging import ARC, FIFO, LFU, LRU, S3FIFO, Belady, Clock, EvictionPolicy, Sieve
from simulators import Trace, ZipfTrace

__all__ = ["rows"]

_RECORD = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
_CASES = ((1_000_000, 100_000, 10_000, None), (10_000_000, 1_000_000, 100_000, 5.0))  # length, pages, cache, target


def rows() -> list[Row]:
    """End to end and kernel alone, at two sizes; the targets are for LRU, FIFO and Belady, the larger, end to end."""
    table = []
    for length, pages, cache_size, target in _CASES:
        drawn = ZipfTrace(pages, 1.0, length).sample(np.random.default_rng(7))
        ids = drawn.pages[drawn.requests].astype(np.int64) + 1
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            file = _peer_trace(Path(folder), ids, drawn)
            what = f"{length:.0e} requests, {drawn.n_pages:,} pages, cache {cache_size:,}".replace("e+0", "e")
            for policy in (LRU, FIFO, Belady, Clock, Sieve, S3FIFO, LFU, ARC):
                wanted = target if policy in (LRU, FIFO, Belady) else None
                table += _compare(policy, what, ids, drawn, file, cache_size, wanted)
        table.append(_cachetools(what, ids, cache_size))
    return table


def _compare(
    policy: type[EvictionPolicy],
    what: str,
    ids: np.ndarray,
    trace: Trace,
    file: Path,
    cache_size: int,
    target: float | None,
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
    ours, alone, theirs = in_turn(end_to_end, kernel, peer, rounds=3)
    if faults["ours"] != faults["peer"]:
        raise AssertionError(f"{policy.__name__}: {faults['ours']} faults, {version('libcachesim')} {faults['peer']}")
    ratio = theirs / ours
    name, peer_rate = version("libcachesim"), _rate(ids.size / theirs)
    return [
        Row(
            f"{policy.__name__}, ids to faults, {what}",
            _rate(ids.size / ours),
            name,
            peer_rate,
            ratio,
            "" if target is None else f"{target:g}x",
            None if target is None else ratio >= target,
        ),
        Row(f"{policy.__name__}, replay alone, {what}", _rate(ids.size / alone), name, peer_rate, theirs / alone),
    ]


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


def _rate(per_second: float) -> str:
    return f"{per_second / 1e6:,.1f} M req/s"
