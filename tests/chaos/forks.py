"""The command in forked processes, so that hundreds of them start in no time, and what one leaves in its folder.

This process imports and compiles what the command needs, once, and never runs it: each run is a fork of it. Nothing
that starts threads may run in here, as a fork has none of them.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Question:
    """What is run, and the files that an undisturbed run of it and its report leave."""

    experiment: str
    whole: dict[str, bytes]

    def commands(self, out: Path) -> list[list[str]]:
        """Run the experiment on one thread, and report."""
        return [["run", self.experiment, "--out", str(out), "--workers", "1"], ["report", str(out)]]


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, negative for a signal, and what it wrote to standard error."""

    code: int
    told: str

    @property
    def one_line(self) -> bool:
        """Whether it said what is wrong in one line, and with an exit code that says so."""
        lines = self.told.splitlines()
        return self.code in (1, 2) and len(lines) == 1 and lines[0].startswith("regretlab: ")


class Process:
    """Commands of ``regretlab``, one after the other until one fails, in a fork.

    Parameters
    ----------
    commands : list of list of str
        Words after ``regretlab``.
    errors : Path
        File for standard error.
    before : callable, optional
        Called in the fork first.
    output : str
        File for standard output.
    """

    def __init__(
        self,
        commands: list[list[str]],
        errors: Path,
        before: Callable[[], None] = lambda: None,
        output: str = os.devnull,
    ) -> None:
        self.errors = errors
        self._ended: Ended | None = None
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid:
            return
        code = 70
        try:  # in the fork, which must not return to the caller
            for target, file in ((1, output), (2, str(errors))):
                descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(descriptor, target)
            before()
            code = _run(commands)
            sys.stdout.flush()
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def running(self) -> bool:
        """Whether it has not ended yet."""
        if self._ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._end(status)
        return self._ended is None

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        if self.running():
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds: float = 120.0) -> Ended:
        """How it ended; killed after so many seconds."""
        limit = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > limit:
                self.kill()
            time.sleep(0.001)
        assert self._ended is not None
        return self._ended

    def _end(self, status: int) -> None:
        self._ended = Ended(os.waitstatus_to_exitcode(status), self.errors.read_text())


def prepare(folder: Path) -> Question:
    """Import everything that the commands will, and run the experiment of `tests.chaos.drawing` undisturbed."""
    for module in ("commands", "report", "runner", "sweep", "cluster"):
        importlib.import_module(f"experiments.{module}")
    for module in ("pyarrow.parquet", "jinja2", "matplotlib.backends.backend_svg", "matplotlib.backends.backend_pdf"):
        importlib.import_module(module)
    from experiments.plots import render
    from experiments.provenance import host, revision, source_digest, versions
    from tests.chaos.drawing import EXPERIMENT

    for once in (revision, source_digest, versions, host):
        once()
    frame = EXPERIMENT.run(EXPERIMENT.cells("quick")[0], 0)
    for kind in ("svg", "pdf"):
        render(EXPERIMENT.figures(frame)[0].figure, kind)
    _register(folder / "packages")
    out = folder / "undisturbed"
    ended = Process(Question("drawing", {}).commands(out), folder / "errors").wait()
    if ended.code:
        raise RuntimeError(f"the undisturbed run fails: {ended.told}")
    return Question("drawing", contents(out))


def _register(packages: Path) -> None:
    """Have the experiment found by an entry point, as one of another package would be."""
    info = packages / "drawing-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: drawing\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[regretlab.experiments]\ndrawing = tests.chaos.drawing:EXPERIMENT\n")
    sys.path.append(str(packages))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones as well; what the experiments here measure is always the same."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def difference(held: dict[str, bytes], whole: dict[str, bytes]) -> str:
    """What a folder has more, less or other than it should; empty when nothing."""
    said = [f"{name} is left behind" for name in held if name not in whole]
    said += [f"{name} is missing" for name in whole if name not in held]
    said += [f"{name} differs" for name in whole if held.get(name, whole[name]) != whole[name]]
    return "; ".join(said)


def moments(rng: np.random.Generator, low: float, high: float) -> float:
    """A moment between two others."""
    return low + (high - low) * float(rng.random())


def _run(commands: list[list[str]]) -> int:
    from experiments.commands import main

    for words in commands:
        sys.argv = ["regretlab", *words]
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if code:
                return code
    return 0
