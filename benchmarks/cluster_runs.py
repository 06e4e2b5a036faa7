"""A sweep on Dask: one worker beside two, and what a cell costs the driver and the scheduler, who are one each.

The scheduler and the workers are processes of their own on this machine. Workers have compiled what they need before
the clock starts. With workers enough, cells must take at least (number of workers) / (cells a second that the driver
and the scheduler can feed) to keep them all busy; the rows give that for 1,000 workers.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measure import Row, version
from experiments import Sweep, run_experiments

__all__ = ["rows"]

_WORKERS = 1000


def rows() -> list[Row]:
    """How two workers scale, and how many cells a second can be fed."""
    if find_spec("distributed") is None:
        return []
    seconds = {workers: _wall_clock(workers, _sweep(cells=40, horizon=2_000_000)) for workers in (1, 2)}
    ratio = seconds[1] / seconds[2]
    cells = 1000
    driver, scheduler = _costs(_sweep(cells=cells, horizon=10), cells)
    slower = max(driver, scheduler)
    return [
        Row(f"40 cells of {seconds[1] / 40:.2f} s, 2 workers on {os.cpu_count()} cores, wall-clock",
            f"{seconds[2]:.1f} s", f"1 worker, {version('distributed')}", f"{seconds[1]:.1f} s", ratio),
        Row(f"a cell's cost, {cells} cells of next to no work, 2 workers, CPU seconds",
            f"driver {1e3 * driver:.2f} ms", "the scheduler", f"{1e3 * scheduler:.2f} ms", scheduler / driver),
        Row(f"cells a second that can be fed, so that {_WORKERS:,} workers are busy with cells of at least "
            f"{_WORKERS * slower:.1f} s", f"{1.0 / driver:,.0f} by the driver",
            "the scheduler", f"{1.0 / scheduler:,.0f}"),
    ]  # fmt: skip


def _sweep(cells: int, horizon: int) -> Sweep:
    """A cell for each exploration of UCB1, on ten arms."""
    return Sweep(
        {
            "horizon": horizon,
            "replications": 1,
            "metrics": ["regret"],
            "simulators": [{"name": "BernoulliArms", "means": [0.05 * i for i in range(1, 11)]}],
            "algorithms": [{"name": "UCB1", "exploration": [0.5 + i / cells for i in range(cells)]}],
        }
    )


def _wall_clock(workers: int, sweep: Sweep) -> float:
    with _cluster(workers) as (address, _), tempfile.TemporaryDirectory() as folder:
        run_experiments([sweep], Path(folder, "warm"), dask=address)  # every worker compiles its loop
        begun = time.perf_counter()
        run_experiments([sweep], Path(folder, "timed"), seed=1, dask=address)
        return time.perf_counter() - begun


def _costs(sweep: Sweep, cells: int) -> tuple[float, float]:
    """CPU seconds a cell of the driver, which is this process, and of the scheduler."""
    import psutil

    with _cluster(2) as (address, scheduler), tempfile.TemporaryDirectory() as folder:
        run_experiments([sweep], Path(folder, "warm"), dask=address)
        process = psutil.Process(scheduler)
        before, begun = sum(process.cpu_times()[:2]), time.process_time()
        run_experiments([sweep], Path(folder, "timed"), seed=1, dask=address)
        return (time.process_time() - begun) / cells, (sum(process.cpu_times()[:2]) - before) / cells


@contextmanager
def _cluster(workers: int) -> Iterator[tuple[str, int]]:
    """Address and process number of a scheduler with workers of one thread."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        scheduler = _start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), folder=folder)
        own = ("--nthreads", "1", "--no-nanny", "--local-directory", folder)
        others = [_start("dask_worker", address, *own, folder=folder) for _ in range(workers)]
        try:
            _wait(address, workers)
            yield address, scheduler.pid
        finally:
            for process in [*others, scheduler]:
                process.terminate()
                process.wait()


def _start(module: str, *arguments: str, folder: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _wait(address: str, workers: int) -> None:
    from distributed import Client

    with Client(address, timeout="60s", set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=60)
