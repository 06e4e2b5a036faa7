"""Measuring: CPU seconds of one thread, ours and the peer's in turn, so that a drifting machine hits both."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

__all__ = ["Row", "cpu_seconds", "in_turn", "least_in_turn", "machine", "markdown", "version"]


@dataclass(frozen=True)
class Row:
    """One line of the table; a target may be an absolute one, a ratio, or both."""

    what: str
    ours: str
    peer: str = ""
    theirs: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def cpu_seconds(function: Callable[[], object]) -> float:
    """CPU seconds of one call in this thread."""
    started = time.thread_time()
    function()
    return time.thread_time() - started


def in_turn(*functions: Callable[[], object], rounds: int = 5) -> list[float]:
    """Median CPU seconds of each function, called A B A B."""
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, taken in zip(functions, seconds, strict=True):
            taken.append(cpu_seconds(function))
    return [statistics.median(taken) for taken in seconds]


def least_in_turn(*functions: Callable[[], object], rounds: int = 25) -> list[float]:
    """Least wall-clock seconds of each function, called A B A B: for peers that compute on threads of their own.

    What others do on the machine can only add to a time.
    """
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, taken in zip(functions, seconds, strict=True):
            started = time.perf_counter()
            function()
            taken.append(time.perf_counter() - started)
    return [min(taken) for taken in seconds]


def version(package: str) -> str:
    """The package's name with its version."""
    return f"{package} {metadata.version(package)}"


def machine() -> str:
    """Processor, cores and versions, without the machine's name."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    from llvmlite.binding import get_host_cpu_name

    parts = [f"{model} ({get_host_cpu_name()})", f"{os.cpu_count()} cores", f"Python {platform.python_version()}"]
    return ", ".join([*parts, version("numba"), version("numpy")])


def markdown(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| what | regretlab | peer | peer's | ratio | target | met |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:,.1f}x"
        met = {None: "", True: "yes", False: "**no**"}[row.met]
        lines.append(f"| {row.what} | {row.ours} | {row.peer} | {row.theirs} | {ratio} | {row.target} | {met} |")
    return "\n".join(lines)
