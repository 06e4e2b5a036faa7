"""Files that are whole or not there, whatever kills the process or fills the disk, and one writer a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["is_leftover", "locked", "remove_leftovers", "write_whole", "writing_whole"]

_LEFTOVER = re.compile(r"\.(.+)\.(\d+)\.tmp")
_KINDS = (".json", ".parquet", ".html", ".svg", ".pdf")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that at every moment it is either absent, or the old one, or complete.

    Its bytes are on the disk before it has its name. A machine that dies may lose the name: the file is absent then.

    Raises
    ------
    OSError
        Names the file, also when the disk is full.
    """
    with writing_whole(path) as file:
        file.write(content)


@contextmanager
def writing_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into, which takes the place of `path` at the end, and goes when something is raised.

    What a killed process left half written for the same path is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(".*.tmp"):
        found = _LEFTOVER.fullmatch(leftover.name)
        if found is not None and found[1] == path.name and not _runs(int(found[2])):
            _remove(leftover)
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:  # a full disk does not say what did not fit, and temporary names say nothing to users
        _remove(temporary)
        if error.filename not in (None, temporary, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    except BaseException:
        _remove(temporary)
        raise


def is_leftover(path: Path) -> bool:
    """Whether a file is one that a store's writer did not come to rename."""
    found = _LEFTOVER.fullmatch(path.name)
    return found is not None and found[1].endswith(_KINDS)


def remove_leftovers(folder: Path) -> None:
    """Remove what an earlier writer of a store left half written. Only under the lock: a living one needs it."""
    for leftover in filter(is_leftover, list(folder.rglob(".*.tmp"))):
        leftover.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from writing into a folder, which is created when missing. A dead process holds no lock.

    Raises
    ------
    ValueError
        When another process is writing into the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # no such lock on this platform: two runs at once write the same bytes anyway
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{folder}: another run is writing here") from None
        yield
    finally:
        os.close(descriptor)


def _runs(process: int) -> bool:
    """Whether a process of this machine is alive."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _remove(temporary: Path) -> None:
    """Remove it where that is possible: what went wrong before is to be told, and not this."""
    with suppress(OSError):
        temporary.unlink(missing_ok=True)
