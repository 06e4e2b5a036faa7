"""How long a user waits: imports, and the first result of the command in a cold process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import Row

__all__ = ["rows"]


def rows() -> list[Row]:
    """Wall-clock seconds: medians of five imports; the command once with nothing compiled, once again."""
    table = []
    for package in ("bandits", "online"):
        seconds = statistics.median(_import_seconds(package) for _ in range(5))
        table.append(Row(f"import {package}", f"{seconds:.2f} s", target="1.2 s", met=seconds < 1.2))
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace.csv")
        ids = np.random.default_rng(0).zipf(1.2, 100_000) % 20_000
        trace.write_text("\n".join(map(str, ids)) + "\n")
        for case in ("nothing compiled yet", "kernels compiled before"):
            first, last = _command_seconds(trace, Path(folder, "cache"), Path(folder, case.replace(" ", "_")))
            cold = case == "nothing compiled yet"
            table.append(
                Row(
                    f"`regretlab paging`, 1e5 requests, first result, {case}",
                    f"{first:.1f} s",
                    target="5 s" if cold else "",
                    met=first < 5 if cold else None,
                )
            )
            table.append(Row(f"`regretlab paging`, 1e5 requests, report written, {case}", f"{last:.1f} s"))
    return table


def _import_seconds(package: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {package}"], check=True)
    return time.perf_counter() - started


def _command_seconds(trace: Path, cache: Path, out: Path) -> tuple[float, float]:
    """Seconds to the first policy's result, and to the end."""
    command = [
        sys.executable,
        "-m",
        "experiments.commands",
        "paging",
        str(trace),
        "--cache-size",
        "1000",
        "--out",
        str(out),
    ]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    started, first = time.perf_counter(), None
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if first is None and "faults" in line:
                first = time.perf_counter() - started
    if run.returncode or first is None:
        raise RuntimeError(f"the command failed with exit code {run.returncode}")
    return first, time.perf_counter() - started
