"""Predictions that the user brings: a column of the trace file, or a file of their own.

A file is NPY, NPZ, or text with one value a line, a header allowed; text may be compressed by gzip or zstd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from algos.predictions import checked_arrivals, checked_bits
from simulators import Trace
from simulators.reading import ArrayFile, listed
from simulators.trace_files import read_page_ids

__all__ = ["OwnKind", "with_own_predictions"]

OwnKind = Literal["bits", "arrivals"]

_FILE_SUFFIXES = (".npy", ".npz", ".txt", ".csv", ".tsv", ".gz", ".zst")
_WORDS = {"true": 1.0, "false": 0.0}


def with_own_predictions(
    traces: Sequence[Trace], files: Sequence[str | None], kind: OwnKind, sources: Sequence[str]
) -> list[Trace]:
    """The traces with predictions read from files.

    Parameters
    ----------
    traces : sequence of Trace
        The requests.
    files : sequence of str or None
        Where each trace was read from; None for one in memory.
    kind : {"bits", "arrivals"}
        What is predicted.
    sources : sequence of str
        For each trace, or one for all: a file, if there is one of that name, else a column of the trace's file (a
        name, or a number from 1) or an array of its NPZ file. None at all leaves the traces as they are.

    Raises
    ------
    ValueError
        Names the source, and the line, column or index of the first bad value; also when there are more or fewer
        values than requests, or more or fewer sources than traces.
    OSError
        When a file cannot be opened.
    """
    if not sources:
        return list(traces)
    if len(sources) not in (1, len(traces)):
        raise ValueError(f"{kind}: {len(sources)} sources for {len(traces)} traces; give one for all, or one for each")
    every = list(sources) * (len(traces) if len(sources) == 1 else 1)
    return [
        trace.with_bits(values) if kind == "bits" else trace.with_arrivals(values)
        for trace, values in (
            (trace, _read(trace, file, kind, source)) for trace, file, source in zip(traces, files, every, strict=True)
        )
    ]


def _read(trace: Trace, file: str | None, kind: OwnKind, source: str) -> NDArray[Any]:
    """The values for one trace, shape (n,)."""
    given = Path(source)
    column: str | int | None
    if given.is_file():
        path, column = given, None
    elif given.suffix.lower() in _FILE_SUFFIXES or "/" in source:
        raise ValueError(f"{kind}: {source}: no such file")
    elif file is None:
        raise ValueError(f"{kind}: {source!r} is no file, and trace {trace.name!r} has none with columns")
    else:
        path, column = Path(file), int(source) if source.isdecimal() else source
    name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    where = f"{kind}: {path}" if column is None else f"{kind}: {path}: column {source!r}"
    check: Callable[[Any, int], NDArray[Any]] = checked_bits if kind == "bits" else checked_arrivals
    if name.endswith((".npy", ".npz")):
        try:
            return check(_array(path, kind, column), len(trace))
        except ValueError as error:
            reason = str(error).removeprefix(f"{kind}: ").removeprefix(f"{path}: ")
            raise ValueError(f"{kind}: {path}: {reason}") from None
    if column is not None and (name.endswith(".bin") or "oraclegeneral" in name):
        raise ValueError(f"{where}: oracleGeneral records have no such column; give a file")
    values, first = _column(path, column, kind, len(trace), where)
    if values.size != len(trace):
        raise ValueError(f"{where}: {values.size} values do not match the {len(trace)} requests of {trace.name}")
    wrong = np.isnan(values) if kind == "arrivals" else (values != 0) & (values != 1)
    if wrong.any():
        index = int(np.argmax(wrong))
        what = "is no time" if kind == "arrivals" else "is neither 0 nor 1"
        raise ValueError(f"{where}: line {index + first}: {values[index]:g} {what}")
    return check(values, len(trace))


def _array(path: Path, kind: OwnKind, key: str | int | None) -> NDArray[Any]:
    """The array of a NPY file, or the one with this name in a NPZ file."""
    arrays = ArrayFile(path)
    if not arrays.is_archive:
        if key is not None:
            raise ValueError(f"holds one array, and no {key!r}; give a file")
        return arrays.read()
    names = arrays.names
    if key is None:
        key = kind if kind in names or len(names) != 1 else names[0]
    if not isinstance(key, str) or key not in names:
        raise ValueError(f"there is no {key!r} among the arrays {listed(names) or '(none)'}")
    return arrays.read(key)


def _column(
    path: Path, column: str | int | None, kind: OwnKind, length: int, where: str
) -> tuple[NDArray[np.float64], int]:
    """The numbers of a column of a text file, and the line of the first one."""
    named = isinstance(column, str)
    try:
        codes, texts = read_page_ids(path, column=column, header=named, format="text")
    except ValueError as error:
        raise ValueError(f"{kind}: {str(error).replace('page id', 'value')}") from None
    first = 2 if named else 1
    if not named and codes.size == length + 1 and _number(texts[codes[0]]) is None:
        codes, first = codes[1:], 2  # a header
    numbers = [_number(text) for text in texts]
    bad = np.array([number is None for number in numbers])[codes]
    if bad.any():
        index = int(np.argmax(bad))
        raise ValueError(f"{where}: line {index + first}: {texts[codes[index]]!r} is not a number")
    return np.array([np.nan if number is None else number for number in numbers])[codes], first


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except ValueError:
        return _WORDS.get(str(text).strip().lower())
