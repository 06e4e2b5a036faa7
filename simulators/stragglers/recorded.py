"""Recorded answer times of a user's own cluster, and blocks of them in random order.

A bad value of a text file is reported with its line and column, counted from 1; of an array with its round and worker.
"""

from __future__ import annotations

import math
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PlainSerializer, PlainValidator

from algos.contracts import Count, NonNegative, Probability, description, read_only
from simulators.reading import ArrayFile, listed, split_fields, text_lines
from simulators.stragglers.cluster import Answers, ClusterModel, Load

__all__ = ["BlockBootstrap", "DelayTrace", "lambda_like_trace", "read_delays"]


def _delays(value: Any) -> NDArray[np.float64]:
    try:
        table = np.array(value, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise ValueError("must be a matrix of numbers > 0, a row a round and a column a worker") from None
    if table.ndim != 2 or table.size == 0 or np.asarray(value).dtype.kind not in "iuf":
        raise ValueError(f"must be a matrix of numbers > 0, a row a round and a column a worker, got {table.shape}")
    bad = ~(table > 0)
    if bad.any():
        r, worker = (int(place) for place in np.argwhere(bad)[0])
        raise ValueError(f"must be > 0, but round {r}, worker {worker} is {table[r, worker]:g}")
    return read_only(table)


Delays = Annotated[
    NDArray[np.float64], PlainValidator(_delays), PlainSerializer(lambda table: np.asarray(table).tolist())
]


@description
class DelayTrace(ClusterModel):
    """Recorded answer times, played as they are.

    Parameters
    ----------
    times : float array > 0, shape (rounds, n)
        Seconds from a round's start; inf is a worker that did not answer.
    alpha : float >= 0
        Seconds that a load of one whole job takes a worker longer; see `estimate_alpha`.
    reference_load : float >= 0
        Load at which the times were recorded.

    Examples
    --------
    >>> trace = DelayTrace([[1.0, 2.0], [1.5, 1.0]], alpha=2.0)
    >>> trace.n_rounds, trace.n_workers
    (2, 2)
    """

    times: Delays
    alpha: Load = 0.0
    reference_load: Load = 0.0

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        alpha: float = 0.0,
        reference_load: float = 0.0,
        array: str | None = None,
        delimiter: str = ",",
        header: bool | None = None,
    ) -> DelayTrace:
        """Read a CSV, NPY or NPZ file; see `read_delays`."""
        return cls(
            read_delays(path, array=array, delimiter=delimiter, header=header),
            alpha=alpha,
            reference_load=reference_load,
        )

    @property
    def n_workers(self) -> int:  # type: ignore[override]
        """N."""
        return int(self.times.shape[1])

    @property
    def n_rounds(self) -> int:
        """How many rounds were recorded."""
        return int(self.times.shape[0])

    def start(self, rng: np.random.Generator) -> _Replay:
        """Begin with the first round; nothing is drawn."""
        return _Replay(self.times)


class _Replay:
    def __init__(self, times: NDArray[np.float64]) -> None:
        self._times, self._at = times, 0

    def next(self, rounds: int) -> NDArray[np.float64]:
        """The next recorded rounds."""
        self._at += rounds
        if self._at > len(self._times):
            raise ValueError(f"rounds: the trace has {len(self._times)}, and {self._at} are asked for")
        return self._times[self._at - rounds : self._at]


@description
class BlockBootstrap(ClusterModel):
    """Runs as long as one likes from a trace: blocks of consecutive rounds, drawn with replacement.

    Parameters
    ----------
    trace : DelayTrace
        The recorded times.
    block : int >= 1
        Rounds of a block.
    outlier_probability : float in [0, 1]
        Probability with which an answer comes ``outlier_seconds`` later.
    outlier_seconds : float >= 0
        Seconds; the authors inject 20 with probability 1e-4.
    """

    trace: DelayTrace
    block: Count = 20
    outlier_probability: Probability = Field(default=0.0, kw_only=True)
    outlier_seconds: NonNegative = Field(default=20.0, kw_only=True)

    @property
    def n_workers(self) -> int:  # type: ignore[override]
        """N."""
        return self.trace.n_workers

    @property
    def alpha(self) -> float:  # type: ignore[override]
        """Seconds per unit of load, of the trace."""
        return self.trace.alpha

    @property
    def reference_load(self) -> float:  # type: ignore[override]
        """Load of the trace."""
        return self.trace.reference_load

    def start(self, rng: np.random.Generator) -> Answers:
        """Begin with a new block."""
        times, block = self.trace.times, min(self.block, self.trace.n_rounds)
        left: list[int] = []

        def fill(rows: NDArray[np.float64], source: np.random.Generator) -> None:
            for row in rows:
                if not left:
                    first = int(source.integers(0, len(times) - block + 1))
                    left.extend(range(first, first + block))
                row[:] = times[left.pop(0)]
                if self.outlier_probability > 0:
                    row[source.random(row.size) < self.outlier_probability] += self.outlier_seconds

        return Answers(self.n_workers, fill, rng)


def lambda_like_trace(*, heavy: bool = False) -> DelayTrace:
    """The shipped answer times of 256 workers over 500 rounds, drawn from the model `LambdaLike`; alpha = 2.2013.

    Parameters
    ----------
    heavy : bool
        True adds ten client time-outs of 26 to 39.5 seconds.
    """
    with as_file(files("simulators") / "data" / "lambda_like_w256_r500.npz") as path, np.load(path) as held:
        times = held["delay_s"].astype(np.float64)
        if heavy:
            times[held["outlier_round"], held["outlier_worker"]] += held["outlier_s"]
    return DelayTrace(times, alpha=2.2013)


def read_delays(
    path: str | Path, *, array: str | None = None, delimiter: str = ",", header: bool | None = None
) -> NDArray[np.float64]:
    """Read answer times, a row a round and a column a worker.

    Parameters
    ----------
    path : str or Path
        A CSV file in UTF-8, an NPY file, or an NPZ file. Fields of a CSV file may be ``inf``.
    array : str, optional
        Name of the array in an NPZ file; when omitted, its only matrix.
    delimiter : str
        One character between the columns of a CSV file.
    header : bool, optional
        Whether its first line names the workers; when omitted, it does if none of its fields is a number.

    Returns
    -------
    float64, shape (rounds, n)
        Seconds.

    Raises
    ------
    ValueError
        Naming the file and the first value that is missing, not a number, or not > 0.
    OSError
        When the file cannot be opened.
    """
    file = Path(path)
    if file.suffix.lower() in (".npz", ".npy"):
        table = _read_array(file, array)
        bad = ~(table > 0)
        if bad.any():
            r, worker = (int(place) for place in np.argwhere(bad)[0])
            raise ValueError(f"{file}: round {r}, worker {worker}: {table[r, worker]:g} is not a time > 0")
        return table
    if len(delimiter) != 1:
        raise ValueError(f"delimiter: {delimiter!r} is not one character")
    lines = text_lines(file)
    while lines and not lines[-1].strip():
        lines.pop()
    rows = [split_fields(line, delimiter, f"{file}: line {number}") for number, line in enumerate(lines, start=1)]
    skip = int(bool(rows) and (header if header is not None else all(_number(field) is None for field in rows[0])))
    if len(rows) <= skip:
        raise ValueError(f"{file}: holds no round")
    found = np.empty((len(rows) - skip, len(rows[skip])))
    for place, fields in enumerate(rows[skip:]):
        line = place + skip + 1
        if len(fields) != found.shape[1]:
            raise ValueError(f"{file}: line {line}: {len(fields)} columns where {found.shape[1]} are expected")
        for column, field in enumerate(fields):
            where = f"{file}: line {line}, column {column + 1}"
            value = _number(field)
            if not field.strip():
                raise ValueError(f"{where}: the time is missing")
            if value is None or math.isnan(value):
                raise ValueError(f"{where}: {field[:60]!r} is not a number")
            if not value > 0:
                raise ValueError(f"{where}: {field!r} is not a time > 0")
            found[place, column] = value
    return found


def _read_array(file: Path, name: str | None) -> NDArray[np.float64]:
    arrays = ArrayFile(file)
    if not arrays.is_archive:
        given = arrays.read()
    else:
        if name is None:
            matrices = [key for key in arrays.names if len(arrays.shape(key)) == 2]
            if len(matrices) != 1:
                raise ValueError(f"{file}: array: name one of {listed(matrices) or 'no matrices'}")
            name = matrices[0]
        if name not in arrays.names:
            raise ValueError(f"{file}: array: {name!r} is not one of {listed(arrays.names)}")
        given = arrays.read(name)
    if given.ndim != 2 or given.size == 0 or given.dtype.kind not in "iuf":
        raise ValueError(f"{file}: must hold a matrix of numbers, a row a round, got shape {given.shape}")
    return np.ascontiguousarray(given, dtype=np.float64)


def _number(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:
        return None
