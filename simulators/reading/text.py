"""Text files: UTF-8 lines of bounded length, fields of a line, and gzip and zstd archives that may not blow up."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from simulators.reading.plain_files import check_regular, most_unpacked

__all__ = ["bounded_lines", "csv_rows", "decompressed", "split_fields", "text_lines"]

_LONGEST_LINE = 2**22
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@contextmanager
def decompressed(path: str | Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where it begins like a gzip or zstd archive.

    Raises
    ------
    ValueError
        Names the file, when it is no regular file, and while it is read when the archive is cut or corrupt or unpacks
        to more than `most_unpacked` bytes.
    OSError
        When the file cannot be opened.
    """
    file = check_regular(path)
    with open(file, "rb") as raw:
        magic = raw.read(4)
    try:
        if magic[:2] == _GZIP:
            with gzip.open(file, "rb") as stream:
                yield io.BufferedReader(_Bounded(stream, file), 1 << 20)
        elif magic == _ZSTD:
            import pyarrow as pa

            with pa.OSFile(str(file), "rb") as compressed, pa.CompressedInputStream(compressed, "zstd") as stream:
                yield io.BufferedReader(_Bounded(stream, file), 1 << 20)
        else:
            with open(file, "rb") as plain:
                yield plain
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{file}: the gzip archive is cut or corrupt: {error}") from None
    except OSError as error:
        if magic == _ZSTD and error.errno is None:
            raise ValueError(f"{file}: the zstd archive is cut or corrupt: {error}") from None
        raise


class _Bounded(io.RawIOBase):
    """An unpacking stream that ends in an error where it gives too much."""

    def __init__(self, stream: Any, file: Path) -> None:
        self._stream, self._file = stream, file
        self._most = self._left = most_unpacked(file, text=True)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._stream.read(len(buffer))
        self._left -= len(chunk)
        if self._left < 0:
            raise ValueError(
                f"{self._file}: unpacks to more than {self._most} bytes; unpack it yourself if that is meant"
            )
        buffer[: len(chunk)] = chunk
        return len(chunk)


def bounded_lines(stream: IO[Any], file: Path) -> Iterator[Any]:
    """The lines of a stream of text or bytes.

    Raises
    ------
    ValueError
        Names the file and the line that is longer than 4 MiB (2**22 characters or bytes).
    """
    number = 0
    while line := stream.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"{file}: line {number}: is longer than {_LONGEST_LINE}")
        yield line


def text_lines(path: str | Path) -> list[str]:
    """The lines of a UTF-8 text file without their ends; a byte-order mark is dropped.

    Raises
    ------
    ValueError
        Names the file, and the byte that is no UTF-8 or the line that is too long.
    OSError
        When the file cannot be opened.
    """
    file = check_regular(path)
    try:
        lines = file.read_bytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: byte {error.start + 1}: not UTF-8 text") from None
    for number, line in enumerate(lines, start=1):
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"{file}: line {number}: is longer than {_LONGEST_LINE}")
    return lines


def split_fields(line: str, delimiter: str, where: str) -> list[str]:
    """The fields of a line, quotes removed; none of an empty line.

    Raises
    ------
    ValueError
        Begins with `where`, for a field of more than 131072 characters or a carriage return inside the line.
    """
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as error:
        raise ValueError(f"{where}: {error}") from None


def csv_rows(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Rows of a UTF-8 CSV file, in which quoted fields may go over several lines, each with its last line's number.

    Raises
    ------
    ValueError
        Names the file and the line: no UTF-8, a line or a field that is too long.
    OSError
        When the file cannot be opened.
    """
    file = check_regular(path)
    with file.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(bounded_lines(stream, file))
        while True:
            try:
                row = next(reader, None)
            except UnicodeDecodeError:
                text_lines(file)  # says which byte; the reader decodes by the block
                raise
            except csv.Error as error:
                raise ValueError(f"{file}: line {reader.line_num}: {error}") from None
            if row is None:
                return
            yield reader.line_num, row
