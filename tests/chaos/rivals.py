"""Two commands in one folder at once, and clocks that jump."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.chaos.families import Outcome
from tests.chaos.forks import Process, Question, contents, difference, moments
from tests.chaos.kills import resumed

__all__ = ["jumping_clocks", "two_at_once"]

_YEARS = 366 * 24 * 3600.0


def two_at_once(question: Question, folder: Path) -> Iterator[Outcome]:
    """A run stopped in the middle, while others try its folder; then it goes on."""
    names = ["manifest.json"] + [f"figures/{Path(name).name}" for name in question.whole if name.endswith(".svg")]
    for place, name in enumerate(names):
        out = folder / str(place)
        first = Process(question.commands(out), folder / "first")
        while first.running() and not (out / name).exists():
            time.sleep(0.0005)
        os.kill(first.pid, signal.SIGSTOP)
        stage = "running" if place == 0 else "reporting"
        for rival in question.commands(out) if place else question.commands(out)[:1]:
            ended = Process([rival], folder / "errors").wait()
            fine = ended.one_line and f"{out}: another run is writing here" in ended.told and ended.code == 2
            yield Outcome(f"{rival[0]} while another is {stage}", "" if fine else f"{ended.code}: {ended.told}")
        os.kill(first.pid, signal.SIGCONT)
        ended = first.wait()
        lost = f"exit code {ended.code}: {ended.told}" if ended.code else difference(contents(out), question.whole)
        yield Outcome(f"the one {stage} ends whole", lost)
        shutil.rmtree(out)


def jumping_clocks(question: Question, folder: Path, seed: int) -> Iterator[Outcome]:
    """Clocks that are years off, that jump with every look, and files of the future; killed in the middle as well."""
    rng = np.random.default_rng(seed)
    clocks = {
        "in 1971": lambda: _clock(lambda now: _YEARS),
        "in 2200": lambda: _clock(lambda now: 230 * _YEARS),
        "backwards, an hour at each look": lambda: _clock(_backwards()),
    }
    for name, clock in clocks.items():
        for killed in (False, True):
            out = folder / f"{name.split(',')[0].replace(' ', '-')}-{killed}"
            process = Process(question.commands(out), folder / "errors", clock)
            if killed:
                while process.running() and not any(out.rglob("*.parquet")):
                    time.sleep(0.001)
                process.kill()
            ended = process.wait()
            lost = f"exit code {ended.code}: {ended.told}" if ended.code and not killed else ""
            for path in out.rglob("*"):
                moment = time.time() + moments(rng, -10 * _YEARS, 10 * _YEARS)
                os.utime(path, (moment, moment))
            kind = f"clock {name}, then files of other years" + (", killed" if killed else "")
            yield Outcome(kind, lost or resumed(question, out, folder / "errors"))
            shutil.rmtree(out)


def _backwards():  # type: ignore[no-untyped-def]
    looks = 0

    def earlier(now: float) -> float:
        nonlocal looks
        looks += 1
        return now - 3600.0 * looks

    return earlier


def _clock(shifted) -> None:  # type: ignore[no-untyped-def]
    """Have this process's clock show something else; its monotonic clock goes on."""
    real = time.time
    time.time = lambda: shifted(real())
    time.time_ns = lambda: int(shifted(real()) * 1e9)
