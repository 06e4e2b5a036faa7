"""Disks that are full or read-only, and an output that nobody can take: one clear line, and nothing is lost."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.families import Outcome
from tests.chaos.forks import Ended, Process, Question
from tests.chaos.kills import resumed

__all__ = ["full", "full_at_every_file", "read_only"]


def full(question: Question, folder: Path) -> Iterator[Outcome]:
    """Disks with room for a part of the results; then there is room, and the same command goes on."""
    total = sum(len(content) for content in question.whole.values())
    sizes = [int(total * share) for share in (0.0, 0.02, 0.1, 0.3, 0.6, 0.9)]
    errors = folder / "errors"
    place = folder / "disk"
    for size in sizes:
        with _mounted(place, f"size={max(4096, size // 4096 * 4096)}") as mounted:
            if not mounted:
                break
            out = place / "out"
            ended = Process(question.commands(out), errors).wait()
            _remount(place, "size=64m")
            yield Outcome("of a small tmpfs", _refused(ended, out) or resumed(question, out, errors))
    with _mounted(place, "size=64m,nr_inodes=6") as mounted:
        if mounted:
            out = place / "out"
            ended = Process(question.commands(out), errors).wait()
            _remount(place, "nr_inodes=1000")
            yield Outcome("of a tmpfs without names left", _refused(ended, out) or resumed(question, out, errors))
    largest = max(len(content) for content in question.whole.values())
    for size in (100, 1500, largest - 1):
        out = folder / f"limit{size}"
        ended = Process(question.commands(out), errors, lambda most=size: _no_file_above(most)).wait()
        yield Outcome("by RLIMIT_FSIZE, files too large", _refused(ended, out) or resumed(question, out, errors))
        shutil.rmtree(out)
    out = folder / "silent"
    ended = Process(question.commands(out), errors, output="/dev/full").wait()
    lost = "" if ended.one_line else f"exit code {ended.code}: {ended.told}"
    yield Outcome("of standard output, /dev/full", lost or resumed(question, out, errors))


def full_at_every_file(question: Question, folder: Path) -> Iterator[Outcome]:
    """The disk is full at one file after the other: at its bytes, its synchronization, its renaming."""
    for call in ("fsync", "replace"):
        for write in range(len(question.whole)):
            out = folder / f"{call}{write}"
            hook = lambda name=call, after=write: _failing(name, after)  # noqa: E731
            ended = Process(question.commands(out), folder / "errors", hook).wait()
            yield Outcome(f"told by {call}", _refused(ended, out) or resumed(question, out, folder / "errors"))
            shutil.rmtree(out)


def read_only(question: Question, folder: Path) -> Iterator[Outcome]:
    """A folder that cannot be written: empty, half done, done; then it can."""
    errors, place = folder / "errors", folder / "disk"
    with _mounted(place, "size=64m") as mounted:
        if not mounted:
            if os.geteuid() == 0:
                yield Outcome("skipped: mounting is not allowed, and permissions do not bind root")
                return
            place.mkdir(exist_ok=True)
        how = "of a tmpfs" if mounted else "by permissions"

        def close() -> None:
            _remount(place, "ro") if mounted else place.chmod(0o555)

        def open_again() -> None:
            _remount(place, "rw") if mounted else place.chmod(0o755)

        out = place / "out"
        for state, whole in (("empty", False), ("half done", False), ("done", True)):
            if state == "half done":
                shutil.rmtree(out, ignore_errors=True)
                Process(question.commands(out)[:1], errors).wait()
                next(iter(out.rglob("*.parquet"))).unlink()
            close()
            ended = Process(question.commands(out), errors).wait()
            lost = _refused(ended, out)
            if whole:  # running again and verifying needs no writing
                readers = [question.commands(out)[0], ["verify", str(out), "--sample", "2"]]
                ended = Process(readers, errors).wait()
                lost = lost or (f"exit code {ended.code}: {ended.told}" if ended.code else "")
            open_again()
            yield Outcome(f"{how}, {state}", lost or resumed(question, out, errors))


def _refused(ended: Ended, out: Path) -> str:
    """What is wrong with how a command ended that could not write; empty when it said so in one line."""
    if not ended.one_line:
        return f"exit code {ended.code}: {ended.told}"
    return "" if str(out) in ended.told else f"does not name a file in {out}: {ended.told}"


@contextmanager
def _mounted(place: Path, options: str) -> Iterator[bool]:
    """A tmpfs, or False where mounting is not allowed."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        done = False
    try:
        yield done
    finally:
        if done:
            subprocess.run(["umount", str(place)], check=True)


def _remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def _no_file_above(size: int) -> None:
    """Have writes beyond a size fail in this process, with EFBIG."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _failing(call: str, after: int) -> None:
    """Have a system call fail in this process, as on a full disk, at the file that is written after so many others."""
    original: Callable[..., Any] = getattr(os, call)
    done = 0

    def failing(*arguments: Any) -> Any:
        nonlocal done
        done += 1
        if done > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(*arguments)

    setattr(os, call, failing)
