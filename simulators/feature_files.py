"""Reading feature vectors from text files: one arm a line; a bad value is reported with its line and column."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulators.reading import split_fields, text_lines

__all__ = ["read_features"]


def read_features(path: str | Path, *, delimiter: str = ",", header: bool | None = None) -> NDArray[np.float64]:
    """Read a table of numbers, one arm a line.

    Parameters
    ----------
    path : str or Path
        A text file in UTF-8.
    delimiter : str
        One character between the columns.
    header : bool, optional
        Whether the first line names the columns. When omitted, it does if none of its fields is a number.

    Returns
    -------
    float64 array, shape (K, d)
        The features.

    Raises
    ------
    ValueError
        Names the file, the line and the column of the first value that is missing or no finite number, the first line
        with another number of columns, or a blank line that is not at the end.
    OSError
        When the file cannot be opened.
    """
    file = Path(path)
    if len(delimiter) != 1:
        raise ValueError(f"delimiter: {delimiter!r} is not one character")
    lines = text_lines(file)
    while lines and not lines[-1].strip():
        lines.pop()
    if header is None:
        header = not any(
            _is_number(field) for field in split_fields(lines[0] if lines else "", delimiter, f"{file}: line 1")
        )
    first = 2 if lines and header else 1
    rows: list[list[float]] = []
    for number, line in enumerate(lines[first - 1 :], start=first):
        fields = split_fields(line, delimiter, f"{file}: line {number}")
        if not line.strip():
            raise ValueError(f"{file}: line {number}: is blank")
        if rows and len(fields) != len(rows[0]):
            raise ValueError(f"{file}: line {number}: {len(fields)} columns where {len(rows[0])} are expected")
        rows.append([_finite(field, f"{file}: line {number}, column {c}") for c, field in enumerate(fields, start=1)])
    if not rows:
        raise ValueError(f"{file}: holds no feature vector")
    return np.array(rows, dtype=np.float64)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _finite(field: str, where: str) -> float:
    if not field.strip():
        raise ValueError(f"{where}: the value is missing")
    if not _is_number(field):
        raise ValueError(f"{where}: {field[:60]!r} is not a number")
    value = float(field)
    if not math.isfinite(value):
        raise ValueError(f"{where}: {field!r} is not finite")
    return value
