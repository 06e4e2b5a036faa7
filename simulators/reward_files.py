"""Reading tables of numbers from CSV and Parquet files: rewards of all arms round by round, or logs of what was played.

A value that is missing or no finite number is reported with its line and column, lines counted from 1 with the header
among them; of a Parquet file with its row, counted from 1.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulators.reading import listed, read_parquet, split_fields, text_lines

__all__ = ["TableFormat", "read_rewards"]

TableFormat = Literal["csv", "parquet"]

_FINITE, _WHOLE = "finite number", "whole number >= 0"


def read_rewards(
    path: str | Path,
    *,
    columns: list[str] | None = None,
    whole: str | None = None,
    header: bool | None = None,
    delimiter: str = ",",
    format: TableFormat | None = None,
) -> tuple[list[str], NDArray[np.float64]]:
    """Read a table; see `simulators.AdversarialRewards.from_file` for the parameters.

    The column named `whole` must hold whole numbers >= 0.

    Returns
    -------
    names : list of str, length K
        The columns' names; ``"1"``, ``"2"``, ... where the file has none.
    values : float64 array, shape (T, K)
        The numbers.
    """
    file = Path(path)
    if file.is_dir():
        raise ValueError(f"{file}: is a folder, not a table")
    if format is None:
        format = "parquet" if file.suffix.lower() in (".parquet", ".pq") else "csv"
    if format == "csv":
        return _read_csv(file, columns, whole, header, delimiter)
    if format == "parquet":
        return _read_parquet(file, columns, whole)
    raise ValueError(f"format: {format!r} is not one of csv, parquet")


def _read_csv(
    file: Path, columns: list[str] | None, whole: str | None, header: bool | None, delimiter: str
) -> tuple[list[str], NDArray[np.float64]]:
    if len(delimiter) != 1:
        raise ValueError(f"delimiter: {delimiter!r} is not one character")
    lines = text_lines(file)
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise ValueError(f"{file}: holds no line")
    first = _fields(lines[0], delimiter, f"{file}: line 1")
    if header is None:
        header = all(_number(field) is None for field in first)
    names = [field.strip() for field in first] if header else [str(i + 1) for i in range(len(first))]
    positions = _positions(file, names, columns)
    values = np.empty((len(lines) - header, len(positions)))
    if len(values) == 0:
        raise ValueError(f"{file}: holds a header and no line of numbers")
    for row, line in enumerate(lines[header:]):
        number = row + 1 + header
        fields = _fields(line, delimiter, f"{file}: line {number}")
        if len(fields) != len(names):
            raise ValueError(f"{file}: line {number}: {len(fields)} columns where {len(names)} are expected")
        for k, position in enumerate(positions):
            value = _number(fields[position])
            wanted = _WHOLE if names[position] == whole else _FINITE
            if value is None or not math.isfinite(value) or (wanted == _WHOLE and not _is_whole(value)):
                shown = repr(fields[position]) if fields[position].strip() else "empty"
                name = f" ({names[position]})" if header else ""
                raise ValueError(f"{file}: line {number}, column {position + 1}{name}: {shown[:60]} is no {wanted}")
            values[row, k] = value
    return [names[position] for position in positions], values


def _read_parquet(file: Path, columns: list[str] | None, whole: str | None) -> tuple[list[str], NDArray[np.float64]]:
    import pyarrow as pa

    names, table = read_parquet(file, lambda name: columns is None or name in columns)
    positions = _positions(file, names, columns)
    values = np.empty((table.num_rows, len(positions)))
    if values.size == 0:
        raise ValueError(f"{file}: holds no row or no column")
    for k, position in enumerate(positions):
        name = names[position]
        column = table.column(position if columns is None else name)
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            kind = getattr(column.type, "value_type", column.type)
            raise ValueError(f"{file}: column {position + 1} ({name}) holds {kind}, no numbers")
        values[:, k] = column.cast(pa.float64(), safe=False).to_numpy()  # null becomes NaN
    wrong = ~np.isfinite(values)
    for k, position in enumerate(positions):
        if names[position] == whole:
            wrong[:, k] |= (values[:, k] < 0) | (values[:, k] != np.floor(values[:, k]))
    if wrong.any():
        row, k = (int(i) for i in np.argwhere(wrong)[0])
        name, value = names[positions[k]], values[row, k]
        shown, wanted = "missing" if math.isnan(value) else f"{value:g}", _WHOLE if name == whole else _FINITE
        raise ValueError(f"{file}: row {row + 1}, column {positions[k] + 1} ({name}): {shown} is no {wanted}")
    return [names[position] for position in positions], values


def _fields(line: str, delimiter: str, where: str) -> list[str]:
    return split_fields(line, delimiter, where) or [""]


def _number(text: str) -> float | None:
    """The number that a field holds; None for anything else."""
    try:
        # Python takes 1_000 for a number, files do not.
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _is_whole(value: float) -> bool:
    return value >= 0 and value == math.floor(value)


def _positions(file: Path, names: list[str], columns: list[str] | None) -> list[int]:
    """Where the wanted columns stand."""
    if columns is None:
        return list(range(len(names)))
    if not columns:
        raise ValueError("columns: an empty list names no column")
    for name in columns:
        if names.count(name) != 1:
            count = "no column" if name not in names else "more than one column"
            raise ValueError(f"{file}: {count} {name!r} among {listed(names)}")
    return [names.index(name) for name in columns]
