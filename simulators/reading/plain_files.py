"""What holds for files of every kind: they are regular files, and do not unpack to much more than they are."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

__all__ = ["check_regular", "listed", "most_unpacked"]

_RATIO = 100
_LEAST_ARRAYS = 2**28
_LEAST_TEXT = 2**26
_LISTED = 20


def check_regular(path: str | Path) -> Path:
    """The path of a regular file: no folder, and no device or pipe, which may have no end.

    Raises
    ------
    ValueError
        When it is something else.
    OSError
        When there is nothing.
    """
    file = Path(path)
    mode = file.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ValueError(f"{file}: is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{file}: is no regular file")
    return file


def most_unpacked(file: Path, *, text: bool) -> int:
    """Bytes that a compressed file may unpack to: 100 times its own size, or the least below if that is more.

    The least is 256 MiB for arrays, and 64 MiB for text and records, each line of which takes more memory than it has
    bytes. A file that is meant to hold more is read when it is unpacked by hand: its size is then no secret.
    """
    return max(_LEAST_TEXT if text else _LEAST_ARRAYS, _RATIO * file.stat().st_size)


def listed(names: Iterable[object]) -> str:
    """Names for a message, with commas: the first twenty of them, each cut to 40 characters."""
    all_names = [str(name) for name in names]
    shown = [name if len(name) <= 40 else f"{name[:37]}..." for name in all_names[:_LISTED]]
    more = len(all_names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
