"""SIGKILL: at random moments over all stages of a run and its report, and at every step of every file written."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.chaos.families import Outcome
from tests.chaos.forks import Process, Question, contents, difference, moments

__all__ = ["at_every_step", "at_random_moments", "resumed"]

_STAGES = ("before the manifest", "at the cells", "at the report")
_STEPS = ("half written", "before its renaming", "after its renaming")


def at_random_moments(question: Question, folder: Path, kills: int, seed: int) -> Iterator[Outcome]:
    """Kill so many runs, each stage in turn, at moments drawn over how long an undisturbed run spends there.

    A moment counts from when the stage began, as seen from the files: on a busy machine all of them take longer.

    Parameters
    ----------
    question : Question
    folder : Path
        For the results.
    kills : int
    seed : int
        Of the moments.
    """
    rng = np.random.default_rng(seed)
    ends = np.median([_stage_ends(question, folder / f"timed{i}") for i in range(3)], axis=0)
    seconds = np.diff(ends, prepend=0.0)
    done = attempts = 0
    while done < kills:
        attempts += 1
        if attempts > 4 * kills:
            yield Outcome("none", f"only {done} of {attempts} runs were killed before their end")
            return
        out = folder / str(attempts)
        stage = done % len(_STAGES)
        moment = moments(rng, 0.0, float(seconds[stage]))
        process = Process(question.commands(out), folder / "errors")
        while process.running() and _STAGES.index(_stage(out, question)) < stage:
            time.sleep(0.0005)
        time.sleep(moment)
        process.kill()
        if process.wait().code != -signal.SIGKILL:
            shutil.rmtree(out, ignore_errors=True)
            continue  # it had ended
        done += 1
        kind = _stage(out, question)
        if any(out.rglob(".*.tmp")):
            kind += ", in the middle of a file"
        yield Outcome(kind, resumed(question, out, folder / "errors"))
        shutil.rmtree(out, ignore_errors=True)


def at_every_step(question: Question, folder: Path) -> Iterator[Outcome]:
    """Kill one run at each step of each file that it writes: half written, before and after it gets its name."""
    writes = len(question.whole)
    for write in range(writes):
        for step in _STEPS:
            out = folder / f"{write}-{step.replace(' ', '-')}"
            process = Process(question.commands(out), folder / "errors", lambda w=write, s=step: _killing(w, s))
            code = process.wait().code
            if code != -signal.SIGKILL:
                yield Outcome(step, f"the run was not killed at file {write}, but ended with exit code {code}")
            else:
                yield Outcome(step, resumed(question, out, folder / "errors"))
            shutil.rmtree(out, ignore_errors=True)


def resumed(question: Question, out: Path, errors: Path) -> str:
    """What is wrong with a folder after a fault, or after the same commands ran again; empty when nothing."""
    half = {name: content for name, content in contents(out).items() if not name.endswith(".tmp")}
    for name, content in half.items():
        if question.whole.get(name) != content:
            return f"{name} was not whole when the process was gone"
    ended = Process(question.commands(out), errors).wait()
    if ended.code:
        return f"the same command ends with exit code {ended.code}: {ended.told}"
    return difference(contents(out), question.whole)


def _stage_ends(question: Question, out: Path) -> list[float]:
    """Seconds until the manifest is there, all cells are, and the report is, of an undisturbed run."""
    begun, ends = time.monotonic(), []
    process = Process(question.commands(out), out.with_suffix(".errors"))
    for stage in _STAGES:
        while process.running() and _STAGES.index(_stage(out, question)) <= _STAGES.index(stage):
            time.sleep(0.0005)
        ends.append(time.monotonic() - begun)
    process.wait()
    shutil.rmtree(out, ignore_errors=True)
    return ends


def _stage(out: Path, question: Question) -> str:
    """What a run with these files was at."""
    if not (out / "manifest.json").exists():
        return _STAGES[0]
    cells = sum(name.endswith(".parquet") for name in question.whole)
    return _STAGES[1] if sum(1 for _ in out.rglob("*.parquet")) < cells else _STAGES[2]


def _killing(write: int, step: str) -> None:
    """Have this process kill itself at a step of the file that it writes after so many others."""
    fsync, replace = os.fsync, os.replace
    written = 0

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    def dying_fsync(descriptor: int) -> None:
        if written == write and step == _STEPS[0]:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            die()
        fsync(descriptor)

    def dying_replace(source: Any, target: Any) -> None:
        nonlocal written
        if written == write and step == _STEPS[1]:
            die()
        replace(source, target)
        if written == write:
            die()
        written += 1

    hooks: dict[str, Callable[..., None]] = {"fsync": dying_fsync, "replace": dying_replace}
    for name, hook in hooks.items():
        setattr(os, name, hook)
