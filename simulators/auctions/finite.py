"""Channels with a few realisations, each a set of auctions.

A realisation z is drawn in each period, independently; its auctions have a value, the expected conversions when won,
and a cost, the price to win.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from algos.arrays import Probabilities
from algos.contracts import Probability, description, read_only
from algos.knapsack import ResponseCurve, response_curve
from algos.responses import LINEAR
from simulators.auctions.evaluation import curve_points
from simulators.auctions.market import ChannelResponses, Market
from simulators.reading import csv_rows

__all__ = ["FiniteChannel", "read_finite_market", "synthetic_market"]

_COLUMNS = ("instance", "channel", "realisation", "prob", "auction", "value", "cost")
_INSTANCES = range(5)


def _auctions(value: Any) -> tuple[NDArray[np.float64], ...]:
    try:
        rows = tuple(np.array(row, dtype=np.float64) for row in value)
    except (TypeError, ValueError):
        raise ValueError("must be one sequence of numbers >= 0 for each realisation") from None
    for z, row in enumerate(rows):
        if row.ndim != 1 or not (np.isfinite(row) & (row >= 0)).all():
            raise ValueError(f"must be finite numbers >= 0 for each realisation; that of number {z} is not")
    return tuple(read_only(row) for row in rows)


Auctions = Annotated[
    tuple[NDArray[np.float64], ...],
    PlainValidator(_auctions),
    PlainSerializer(lambda rows: [row.tolist() for row in rows]),
]


@description
class FiniteChannel:
    """A channel with finitely many realisations; its autobidder is optimal but for a share that it loses.

    Parameters
    ----------
    probabilities : float array in [0, 1], shape (Z,)
        Of the realisations; they sum up to 1 within 1e-9.
    values, costs : sequence of Z float arrays >= 0
        v and d of the auctions of each realisation, which may have none.
    loss : float in [0, 1]
        Share of the conversions that the autobidder misses.

    Examples
    --------
    >>> FiniteChannel([0.5, 0.5], [[10.0], [1.0]], [[1.0], [1.0]]).mean_curve(0.5)
    2.75
    """

    probabilities: Probabilities
    values: Auctions
    costs: Auctions
    loss: Probability = Field(default=0.0, kw_only=True)

    @model_validator(mode="after")
    def _fits(self) -> FiniteChannel:
        if not abs(self.probabilities.sum() - 1.0) <= 1e-9:
            raise ValueError(f"probabilities: they sum to {self.probabilities.sum()}, not 1")
        shapes = [tuple(row.size for row in rows) for rows in (self.values, self.costs)]
        if shapes[0] != shapes[1] or len(self.values) != self.probabilities.size:
            raise ValueError("values, costs: must be as many as probabilities, with as many auctions each")
        return self

    @property
    def curves(self) -> list[ResponseCurve]:
        """The response curve of each realisation."""
        return [response_curve((1.0 - self.loss) * v, d) for v, d in zip(self.values, self.costs, strict=True)]

    @property
    def mean_curve(self) -> ResponseCurve:
        """The mean response to a budget that holds in every period."""
        from algos.knapsack import mean_curve

        return mean_curve(self.curves, self.probabilities)

    def distribution(self) -> tuple[NDArray[np.float64], list[ResponseCurve]]:
        """Probabilities and curves of the realisations."""
        return self.probabilities, self.curves

    def value_bound(self, budget: float) -> float:
        """The most conversions of a period."""
        return float(max(curve(budget) for curve in self.curves))

    def open(self, rng: np.random.Generator) -> _OpenFinite:
        """Begin with period 0; one number is drawn in each."""
        return _OpenFinite(self.probabilities, self.curves, rng)


class _OpenFinite:
    def __init__(self, probabilities: Any, curves: list[ResponseCurve], rng: np.random.Generator) -> None:
        self._edges, self._rng = np.cumsum(probabilities)[:-1], rng
        self._shapes = np.full(len(curves), LINEAR)
        self._points = curve_points(curves)

    def next(self, periods: int) -> ChannelResponses:
        """Draw the realisations of the next periods."""
        drawn = np.searchsorted(self._edges, self._rng.random(periods), side="right")
        return ChannelResponses(drawn, np.ones(periods), self._shapes, *self._points)


def synthetic_market(instance: int, *, loss: float = 0.0) -> Market:
    """A synthetic market of three channels with three realisations of fifteen auctions each, made for this project.

    In every realisation the first auction costs 0.1 with a ratio of 1.2 to 1.5, and the others have ratios of 0.1 to
    0.9. With a budget of 1 a period every channel's budget is spent in full; under a target of 0.9 the budget binds,
    under one of 1 the target does.

    Parameters
    ----------
    instance : int in 0..4
        Which of five.
    loss : float in [0, 1]
        Share of the conversions that the channels' autobidders miss.
    """
    if isinstance(instance, bool) or instance not in _INSTANCES:
        raise ValueError(f"instance: {instance!r} is not in 0..4")
    with as_file(files("simulators") / "data" / "autobidding_instances.csv") as path:
        return read_finite_market(path, int(instance), loss=loss)


def read_finite_market(path: str | Path, instance: int = 0, *, loss: float = 0.0) -> Market:
    """Read a market from a table with a row for each auction of each realisation.

    Parameters
    ----------
    path : path
        CSV with the columns ``instance, channel, realisation, prob, auction, value, cost``; the first and the fifth may
        be missing.
    instance : int
        Rows of other instances are left out.
    loss : float in [0, 1]
        As for `FiniteChannel`.

    Raises
    ------
    ValueError
        With the line and the column of the first bad number.
    """
    rows: dict[str, dict[str, tuple[float, list[float], list[float]]]] = {}
    lines = csv_rows(path)
    _, header = next(lines, (0, []))
    missing = [name for name in _COLUMNS if name not in header and name not in _OPTIONAL]
    if missing:
        raise ValueError(f"{path}: line 1: no column {missing[0]!r}")
    for line, fields in lines:
        if not fields:
            continue
        if len(fields) != len(header):
            raise ValueError(f"{path}: line {line}: {len(fields)} values for {len(header)} columns")
        row = dict(zip(header, fields, strict=True))
        if row.get("instance") not in (None, str(instance)):
            continue
        prob, value, cost = (_cell(path, line, row, name) for name in ("prob", "value", "cost"))
        realisations = rows.setdefault(row["channel"], {})
        known = realisations.setdefault(row["realisation"], (prob, [], []))
        if known[0] != prob:
            raise ValueError(f"{path}: line {line}, column prob: {prob} differs from {known[0]} above")
        known[1].append(value)
        known[2].append(cost)
    if not rows:
        raise ValueError(f"{path}: no rows of instance {instance}")
    try:
        return Market(
            {
                _name(channel): FiniteChannel(
                    np.array([prob for prob, _, _ in realisations.values()]),
                    tuple(np.array(values) for _, values, _ in realisations.values()),
                    tuple(np.array(costs) for _, _, costs in realisations.values()),
                    loss=loss,
                )
                for channel, realisations in rows.items()
            }
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


_OPTIONAL = ("instance", "auction")


def _name(channel: str) -> str:
    return f"channel {int(channel) + 1}" if channel.isdecimal() else channel


def _cell(path: str | Path, line: int, row: dict[str, str], name: str) -> float:
    try:
        number = float(row[name])
    except ValueError:
        number = -1.0
    if not (number >= 0 and np.isfinite(number)):
        raise ValueError(f"{path}: line {line}, column {name}: {row[name][:60]!r} is not a finite number >= 0")
    return number
