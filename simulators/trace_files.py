"""Reading page ids from files: text, NPZ and NPY, and libCacheSim's oracleGeneral records.

Text files hold one request a line: the id alone, or a table of which one column is the id. Any of them may be
compressed by gzip or zstd, which is seen from the content. A bad value is reported with its line and column.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simulators.page_ids import dense_page_ids, encode_with_arrow
from simulators.reading import ArrayFile, bounded_lines, decompressed, listed, split_fields

__all__ = ["TraceFormat", "read_page_ids"]

TraceFormat = Literal["text", "npz", "oracleGeneral"]

_MISSING = ("", "nan", "NaN", "NAN", "null", "NULL")
_HEADER_NAMES = frozenset({
    "address", "block", "id", "item", "key", "lba", "lbn", "obj_id", "object", "object_id",
    "page", "page_id", "request", "requests", "url",
})  # fmt: skip
_ORACLE_GENERAL = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])


def read_page_ids(
    path: str | Path,
    *,
    column: str | int | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    format: TraceFormat | None = None,
) -> tuple[NDArray[np.uint32], NDArray[Any]]:
    """Read a trace file; see `simulators.Trace.from_file` for the parameters.

    Returns
    -------
    codes : uint32 array, shape (n,)
        Dense page id of each request.
    pages : array, shape (m,)
        The id in the file of each dense id.
    """
    file = Path(path)
    if file.is_dir():
        raise ValueError(f"{file}: is a folder, not a trace file")
    name = file.name.lower().removesuffix(".gz").removesuffix(".zst")
    if format is None:
        if name.endswith((".npz", ".npy")):
            format = "npz"
        elif name.endswith(".bin") or "oraclegeneral" in name:
            format = "oracleGeneral"
        else:
            format = "text"
    if format == "npz":
        codes, pages = _read_npz(file, column)
    elif format == "oracleGeneral":
        codes, pages = _read_oracle_general(file)
    elif format == "text":
        if delimiter is None:
            delimiter = "\t" if name.endswith(".tsv") else ","
        codes, pages = _Text(file, column, header, delimiter).read()
    else:
        raise ValueError(f"format: {format!r} is not one of text, npz, oracleGeneral")
    if codes.size == 0:
        raise ValueError(f"{file}: holds no request")
    return codes, pages


def _read_npz(file: Path, column: str | int | None) -> tuple[NDArray[np.uint32], NDArray[Any]]:
    arrays = ArrayFile(file)
    if not arrays.is_archive:
        array = arrays.read()
    else:
        names = arrays.names
        key = column if column is not None else "requests" if "requests" in names else None
        if key is None and len(names) == 1:
            key = names[0]
        if not isinstance(key, str) or key not in names:
            wanted = "choose one with column=" if key is None else f"there is no {key!r}"
            raise ValueError(f"{file}: holds the arrays {listed(names) or '(none)'}: {wanted}")
        array = arrays.read(key)
    try:
        return dense_page_ids(array)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _read_oracle_general(file: Path) -> tuple[NDArray[np.uint32], NDArray[Any]]:
    with decompressed(file) as stream:
        content = stream.read()
    size = _ORACLE_GENERAL.itemsize
    if len(content) % size:
        raise ValueError(
            f"{file}: record {len(content) // size + 1} is cut: {len(content)} bytes are no multiple of {size}"
        )
    return dense_page_ids(np.frombuffer(content, dtype=_ORACLE_GENERAL)["id"])


class _Text:
    """One text file, with the choice of what to read from it."""

    def __init__(self, file: Path, column: str | int | None, header: bool | None, delimiter: str) -> None:
        if len(delimiter) != 1:
            raise ValueError(f"delimiter: {delimiter!r} is not one character")
        if isinstance(column, int) and (isinstance(column, bool) or column < 1):
            raise ValueError(f"column: {column!r} is neither a name nor a position counted from 1")
        self.file, self.delimiter = file, delimiter
        rows = [fields for _, fields in zip(range(2), (row for _, row in self._rows()), strict=False)]
        first = rows[0] if rows else []
        self.width = len(first)
        self.position = self._position(first, column)
        self.header = self._has_header(rows, column, header)

    def read(self) -> tuple[NDArray[np.uint32], NDArray[Any]]:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        if self.width == 0:
            self._check_lines()  # blank lines only, or one before the first id
            return np.empty(0, dtype=np.uint32), np.empty(0, dtype=object)
        blank_rows = 0

        def on_invalid_row(row: Any) -> str:
            nonlocal blank_rows
            blank_rows += 1
            return "error" if row.text.strip() else "skip"

        names = [f"column {position}" for position in range(self.width)]
        name = names[self.position]
        try:
            with decompressed(self.file) as stream:
                table = arrow_csv.read_csv(
                    stream,
                    arrow_csv.ReadOptions(column_names=names, skip_rows=int(self.header)),
                    arrow_csv.ParseOptions(
                        delimiter=self.delimiter, ignore_empty_lines=False, invalid_row_handler=on_invalid_row
                    ),
                    arrow_csv.ConvertOptions(
                        include_columns=[name],
                        column_types={name: pa.string()},
                        null_values=list(_MISSING),
                        strings_can_be_null=True,
                    ),
                )
            column = table.column(0)
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return np.empty(0, dtype=np.uint32), np.empty(0, dtype=object)
            column = None
            reason = str(error)
        if column is None or column.null_count or blank_rows:
            # Arrow says that something is wrong, not where. Look again line by line: slower, and exact.
            requests = self._check_lines()
            if column is None:
                raise ValueError(f"{self.file}: {reason}")
            column = column.slice(0, requests)  # what is left are blank lines at the end
        codes, pages = encode_with_arrow(column)
        return codes, _whole_numbers(pages)

    def _check_lines(self) -> int:
        """Raise for the first bad line; otherwise the number of requests before trailing blank lines."""
        requests, blank_since = 0, 0
        for line, fields in self._rows(skip=int(self.header)):
            if not fields or (len(fields) == 1 and not fields[0].strip()):
                blank_since = blank_since or line
                continue
            if blank_since:
                raise ValueError(f"{self.file}: line {blank_since}, column {self.position + 1}: the page id is missing")
            if len(fields) != self.width:
                raise ValueError(f"{self.file}: line {line}: {len(fields)} columns where {self.width} are expected")
            if fields[self.position] in _MISSING:
                shown = fields[self.position] or "empty"
                raise ValueError(
                    f"{self.file}: line {line}, column {self.position + 1}: the page id is missing ({shown})"
                )
            requests += 1
        return requests

    def _rows(self, skip: int = 0) -> Iterator[tuple[int, list[str]]]:
        """Line numbers, counted from 1, and the fields of each line."""
        with decompressed(self.file) as stream:
            for line, raw in enumerate(bounded_lines(stream, self.file), start=1):
                if line <= skip:
                    continue
                try:
                    text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise ValueError(f"{self.file}: line {line}, byte {error.start + 1}: not UTF-8 text") from None
                text = text.rstrip("\r\n")
                yield line, split_fields(text, self.delimiter, f"{self.file}: line {line}") if text else []

    def _position(self, first: list[str], column: str | int | None) -> int:
        """Index of the id's column."""
        shown = listed(first)
        if isinstance(column, str):
            if column not in first:
                raise ValueError(f"{self.file}: line 1: no column {column!r} among {shown or '(an empty line)'}")
            return first.index(column)
        if isinstance(column, int):
            if column > max(1, len(first)):
                raise ValueError(f"{self.file}: column {column} of a file with {len(first)} columns")
            return column - 1
        if len(first) > 1:
            raise ValueError(f"{self.file}: has {len(first)} columns ({shown}); choose one with column=")
        return 0

    def _has_header(self, rows: list[list[str]], column: str | int | None, header: bool | None) -> bool:
        if isinstance(column, str):
            if header is False:
                raise ValueError(f"header: False, but column {column!r} is a name and names stand in a header")
            return True
        if header is not None:
            return header
        ids = [row[self.position] if self.position < len(row) else "" for row in rows]
        if not ids or not ids[0].strip():
            return False
        numeric = [_is_whole_number(text) for text in ids]
        return ids[0].strip().lower() in _HEADER_NAMES or (len(ids) == 2 and not numeric[0] and numeric[1])


def _is_whole_number(text: str) -> bool:
    return text.strip().lstrip("-").isdecimal()


def _whole_numbers(pages: NDArray[Any]) -> NDArray[Any]:
    """Ids that are all written as plain whole numbers, as int64; otherwise unchanged."""
    if not all(_is_whole_number(text) for text in pages[:100]):
        return pages
    try:
        numbers = np.array([int(text) for text in pages], dtype=np.int64)
    except (ValueError, OverflowError):
        return pages
    # "07" and "7" are two ids in the file and must stay two.
    return numbers if all(str(n) == text for n, text in zip(numbers, pages, strict=True)) else pages
