"""A user's own records: a CSV or NPZ file with a column of labels or targets, and the scales of its columns.

Scales are declared, and rows are brought to norm 1 one by one: nothing is read off the records that is not paid for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulators.erm.linear_models import LinearModelRisk, unit_rows
from simulators.erm.losses import Loss
from simulators.reading import ArrayFile, csv_rows, listed

__all__ = ["LabelledTable", "read_labelled_table"]


@dataclass(frozen=True, eq=False)
class LabelledTable:
    """Numbers of a table and its label column.

    Parameters
    ----------
    columns : tuple of str
        Names of the features.
    features : float64, shape (n, d)
    labels : tuple of str, length n
        As they stand in the file.
    """

    columns: tuple[str, ...]
    features: NDArray[np.float64]
    labels: tuple[str, ...]

    def risk(
        self,
        loss: Loss,
        *,
        scales: Sequence[float] | NDArray[np.float64],
        positive: str | None = None,
        initial_gap: float | None = None,
    ) -> LinearModelRisk:
        """The risk of a linear model on rows of norm 1, a constant appended.

        Parameters
        ----------
        loss : Loss
        scales : float > 0, one a column
            By which columns are divided; declared without looking at the records.
        positive : str, optional
            The label that counts as 1, all others being -1; needed by losses of labels.
        initial_gap : float > 0, optional
            F0, to be declared for losses of numbers.

        Raises
        ------
        ValueError
            Names the record whose target is no number.
        """
        if loss.labels:
            if positive is None:
                raise ValueError(f"positive: is needed by {loss.name!r}: the label that counts as 1")
            if positive not in self.labels:
                raise ValueError(f"positive: {positive!r} is no label of the table")
            targets = np.array([1.0 if label == positive else -1.0 for label in self.labels])
        else:
            targets = np.array([_target(i, label) for i, label in enumerate(self.labels)])
        rows = unit_rows(self.features, scales)
        return LinearModelRisk(rows, targets, loss, row_bound=1.0 + 1e-9, initial_gap=initial_gap)


def read_labelled_table(path: str | Path, label: str) -> LabelledTable:
    """Read a CSV file with a header, or an NPZ file with a matrix ``X``.

    Parameters
    ----------
    path : path
    label : str
        The column of labels or targets, or the name of their array; all others must be finite numbers.

    Raises
    ------
    ValueError
        With the line and the column of the first bad value.
    """
    source = Path(path)
    if source.suffix.lower() == ".npz":
        return _read_arrays(source, label)
    lines = csv_rows(source)
    _, header = next(lines, (0, None))
    if header is None:
        raise ValueError(f"{source}: is empty")
    if label not in header:
        raise ValueError(f"{source}: line 1: no column {label!r}; there are {listed(header)}")
    place = header.index(label)
    rows: list[list[float]] = []
    labels: list[str] = []
    for line, row in lines:
        if len(row) != len(header):
            raise ValueError(f"{source}: line {line}: {len(row)} values for {len(header)} columns")
        labels.append(row[place])
        rows.append([_number(source, line, header[j], row[j]) for j in range(len(row)) if j != place])
    if not rows or len(header) < 2:
        raise ValueError(f"{source}: no records with features")
    names = tuple(name for j, name in enumerate(header) if j != place)
    return LabelledTable(names, np.array(rows), tuple(labels))


def _read_arrays(source: Path, label: str) -> LabelledTable:
    arrays = ArrayFile(source)
    for name in ("X", label):
        if name not in arrays.names:
            raise ValueError(f"{source}: no array {name!r}; there are {listed(arrays.names) or '(none)'}")
    features, labels = arrays.read("X"), arrays.read(label)
    if features.ndim != 2 or features.dtype.kind not in "fiub" or 0 in features.shape:
        raise ValueError(f"{source}: X: must be a matrix of numbers, got shape {features.shape}, {features.dtype}")
    if labels.shape != (len(features),):
        raise ValueError(f"{source}: {label}: shape {labels.shape} for {len(features)} records")
    numbers = features.astype(np.float64)
    bad = np.argwhere(~np.isfinite(numbers))
    if bad.size:
        raise ValueError(f"{source}: X: row {bad[0][0]}, column {bad[0][1]}: {numbers[tuple(bad[0])]} is not finite")
    names = tuple(f"x{j + 1}" for j in range(numbers.shape[1]))
    return LabelledTable(names, numbers, tuple(str(value) for value in labels.tolist()))


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{path}: line {line}, column {column}: {text[:60]!r} is not a finite number")
    return value


def _target(i: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"labels: {text!r} of record {i + 1} is not a finite number, which this loss needs")
    return value
