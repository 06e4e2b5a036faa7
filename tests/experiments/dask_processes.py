"""A Dask cluster of real processes, and a driver that runs the counting experiment on it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

_PATIENCE = 300.0  # seconds: a busy machine takes minutes to start five processes
ROOT = Path(__file__).resolve().parents[2]


def with_counting_registered(folder: Path) -> dict[str, str]:
    """An environment where the counting experiment is registered, as another package would have it."""
    packages = folder / "packages"
    info = packages / "counting-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[regretlab.experiments]\ncounting = tests.experiments.counting:REGISTERED\n"
    )
    path = os.pathsep.join([str(packages), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}


class Cluster:
    """A scheduler and workers, each a process started from the command line."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment, self.folder = environment, folder
        self.processes: list[subprocess.Popen[Any]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"

    def start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"],
            env=self.environment, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def scheduler(self) -> subprocess.Popen[bytes]:
        return self.start("dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port))

    def worker(self) -> subprocess.Popen[bytes]:
        return self.start(
            "dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--death-timeout", "60",
            "--local-directory", str(self.folder),
        )  # fmt: skip

    def driver(self, out: Path) -> subprocess.Popen[str]:
        """A run of the counting experiment on this cluster."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.experiments.counting", str(out), self.address],
            env=self.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.communicate()


def until(cells: int, out: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a driver has stored so many cells, as long as it goes on."""
    held, since = 0, time.monotonic()
    while held < cells:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < since + _PATIENCE, f"no progress for {_PATIENCE} s, at {held} cells"
        time.sleep(0.01)
        before, held = held, sum(1 for _ in out.rglob("*.parquet"))
        if held > before:
            since = time.monotonic()


def finish(process: subprocess.Popen[str]) -> None:
    """Wait until a driver ends, as it should."""
    told, failed = process.communicate(timeout=2 * _PATIENCE)
    assert process.returncode == 0, failed
    assert told.split() == ["started", "finished"]


def kill_one_after_the_other(environment: dict[str, str], folder: Path, out: Path, *, killing_driver: bool) -> None:
    """Run to the end on two workers, while one is killed, then the scheduler, and maybe the driver."""
    with Cluster(environment, folder) as cluster:
        scheduler = cluster.scheduler()
        first, _ = cluster.worker(), cluster.worker()
        process = cluster.driver(out)
        until(10, out, process)
        first.send_signal(signal.SIGKILL)
        until(20, out, process)
        scheduler.send_signal(signal.SIGKILL)
        scheduler.wait()
        cluster.scheduler()
        cluster.worker()
        if killing_driver:
            until(30, out, process)
            process.kill()
            process.communicate()
            process = cluster.driver(out)
        finish(process)
