"""Auction logs of a user: every impression that could have been bought, with its value and its price.

A bad entry is reported with its line and column, counted from 1 with the header.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algos.contracts import description, read_only
from algos.knapsack import ResponseCurve, response_curve, slot_increments
from simulators.auctions.market import ChannelResponses, Market
from simulators.auctions.points import items_of_periods, period_responses
from simulators.reading import bounded_lines, decompressed, listed, read_parquet, split_fields

__all__ = ["AuctionLog", "Layout", "LoggedChannel"]

Layout = Literal["auto", "plain", "auctionnet", "bat"]

_AUCTIONNET = {"value": "pValue", "cost": "leastWinningCost", "channel": "advertiserNumber"}
_BAT = {
    "value": "AuctionContactsSurplus",
    "cost": "AuctionWinBidSurplus",
    "channel": "campaign_id",
    "period": "period",
    "bin": "contact_price_bin",
}
_READ = frozenset(
    {
        "value",
        "cost",
        "channel",
        "period",
        "deliveryPeriodIndex",
        "timeStepIndex",
        *_AUCTIONNET.values(),
        *_BAT.values(),
    }
)
_MOST_COLUMNS = 10_000


@description
class LoggedChannel:
    """A channel that replays logged impressions, period by period.

    Parameters
    ----------
    period : int array >= 0, shape (n,)
        Period of each impression.
    value, cost : float array >= 0, shape (n,)
        Its value when won and its price.
    periods : int >= 1
        How many periods the log has; some may have no impressions.
    order : {"replay", "bootstrap"}
        The periods as they were, which then end; or drawn independently with replacement.
    """

    period: Any
    value: Any
    cost: Any
    periods: int
    order: Literal["replay", "bootstrap"] = Field(default="replay", kw_only=True)

    def __post_init__(self) -> None:
        arrays = np.asarray(self.period), np.asarray(self.value, float), np.asarray(self.cost, float)
        if arrays[0].dtype.kind not in "iu" or len({array.shape for array in arrays}) > 1 or arrays[0].ndim != 1:
            raise ValueError(
                "LoggedChannel: period, value and cost must be vectors of one length, periods whole numbers"
            )
        if arrays[0].size and not (arrays[0].min() >= 0 and arrays[0].max() < self.periods):
            raise ValueError(f"LoggedChannel: period: must be in 0..{self.periods - 1}")
        for name, array in zip(("value", "cost"), arrays[1:], strict=True):
            if not (np.isfinite(array) & (array >= 0)).all():
                raise ValueError(f"LoggedChannel: {name}: must be finite numbers >= 0")
        for name, array in zip(("period", "value", "cost"), arrays, strict=True):
            object.__setattr__(self, name, read_only(np.array(array)))

    @property
    def n_periods(self) -> int | None:
        """How many periods can be played."""
        return self.periods if self.order == "replay" else None

    def curves(self) -> list[ResponseCurve]:
        """The response curve of each period."""
        order = np.argsort(self.period, kind="stable")
        ends = np.cumsum(np.bincount(self.period, minlength=self.periods))[:-1]
        parts = zip(np.split(self.value[order], ends), np.split(self.cost[order], ends), strict=True)
        return [response_curve(value, cost) for value, cost in parts]

    def distribution(self) -> tuple[NDArray[np.float64], list[ResponseCurve]]:
        """The periods' curves, equally likely."""
        return np.full(self.periods, 1.0 / self.periods), self.curves()

    def value_bound(self, budget: float) -> float:
        """The most conversions of a period."""
        return float(max(curve(budget) for curve in self.curves()))

    def open(self, rng: np.random.Generator) -> _OpenLog:
        """Begin with period 0; nothing is drawn for a replay."""
        return _OpenLog(self, rng)


class _OpenLog:
    def __init__(self, channel: LoggedChannel, rng: np.random.Generator) -> None:
        items = items_of_periods(channel.period, channel.value, channel.cost, None)
        self._whole = period_responses(items, channel.periods)
        self._channel, self._rng, self._at = channel, rng, 0

    def next(self, periods: int) -> ChannelResponses:
        """The next periods."""
        last = self._channel.periods
        if self._channel.order == "bootstrap":
            chosen = (self._rng.random(periods) * last).astype(np.int64)
        else:
            if self._at + periods > last:
                raise ValueError(f"periods: the log has {last}, and {self._at + periods} are asked for")
            chosen = np.arange(self._at, self._at + periods)
        self._at += periods
        return self._whole._replace(curve=chosen, factor=np.ones(periods))


@dataclass(frozen=True, eq=False)
class AuctionLog:
    """Impressions of several channels over a number of periods.

    Parameters
    ----------
    channels : mapping from name to (period, value, cost)
        Arrays of equal length for each channel.
    periods : int >= 1
        Periods of the log.

    Examples
    --------
    >>> log = AuctionLog({"search": (np.array([0, 1]), np.array([3.0, 4.0]), np.array([1.0, 2.0]))}, 2)
    >>> log.curves()["search"].values.tolist()
    [0.0, 3.0, 7.0]
    """

    channels: Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]]
    periods: int

    @classmethod
    def from_file(cls, path: str | Path, *, layout: Layout = "auto", channel: str | None = None) -> AuctionLog:
        """Read a CSV (also .gz, .zst) or Parquet file with a header.

        Parameters
        ----------
        path : path
            ``plain``: columns ``value`` and ``cost``, and if there are several of them ``channel`` and ``period``.
            ``auctionnet``: ``pValue`` and ``leastWinningCost``; channels are those of ``advertiserNumber``, periods the
            pairs of ``deliveryPeriodIndex`` and ``timeStepIndex``. ``bat``: a row for each campaign, hour (``period``)
            and price bin (``contact_price_bin``) with the contacts and the spend that the bin adds
            (``AuctionContactsSurplus``, ``AuctionWinBidSurplus``); channels are those of ``campaign_id``. A bid wins
            all bins up to its own, and lotteries between bids are allowed.
        layout : {"auto", "plain", "auctionnet", "bat"}
            "auto" goes by the columns.
        channel : str, optional
            Another column that names the channels.

        Raises
        ------
        ValueError
            When a column is missing, or with the line and the column of the first number that is negative, not finite
            or no number.
        """
        table = _read_table(Path(path), channel)
        kind = _layout(path, list(table.columns)) if layout == "auto" else layout
        columns = {"plain": {"value": "value", "cost": "cost"}, "auctionnet": _AUCTIONNET, "bat": _BAT}[kind]
        for name in (columns["value"], columns["cost"], *([channel] if channel else [])):
            if name not in table.columns:
                raise ValueError(f"{path}: line 1: no column {name!r}")
        value, cost = (_numbers(path, table, columns[name]) for name in ("value", "cost"))
        if not len(table):
            raise ValueError(f"{path}: no rows")
        by = channel or columns.get("channel", "channel")
        names = table[by].astype(str).to_numpy() if by in table.columns else np.full(len(table), "all")
        period = _periods(path, table, kind)
        if kind == "bat":
            period, value, cost, names = _bat_increments(path, table, period, value, cost, names)
        ordered = list(dict.fromkeys(names.tolist()))
        chosen = {name: names == name for name in ordered}
        found = {name: (period[rows], value[rows], cost[rows]) for name, rows in chosen.items()}
        return cls(found, int(period.max(initial=0)) + 1)

    @property
    def names(self) -> tuple[str, ...]:
        """The channels."""
        return tuple(self.channels)

    def curves(self) -> dict[str, ResponseCurve]:
        """Of each channel the most value of the whole log for a total spend."""
        return {name: response_curve(value, cost) for name, (_, value, cost) in self.channels.items()}

    def market(self, order: Literal["replay", "bootstrap"] = "replay") -> Market:
        """The log as a market to try learners in."""
        return Market(
            {name: LoggedChannel(*arrays, self.periods, order=order) for name, arrays in self.channels.items()}
        )


def _read_table(path: Path, channel: str | None) -> Any:
    import pandas as pd

    if path.suffix == ".parquet":
        return read_parquet(path, lambda name: name in _READ or name == channel)[1].to_pandas()
    # Line by line first: pandas takes minutes for a million columns.
    try:
        with decompressed(path) as stream:
            first = next(bounded_lines(stream, path), b"").decode("utf-8-sig")
        header = split_fields(first.rstrip("\r\n"), ",", f"{path}: line 1")
        if len(header) > _MOST_COLUMNS:
            raise ValueError(f"{path}: line 1: {len(header)} columns are more than {_MOST_COLUMNS}")
        with decompressed(path) as stream, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # more numbers in a row than names in the header
            return pd.read_csv(stream, dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False)
    except pd.errors.ParserWarning:
        raise ValueError(f"{path}: line 2: more columns than the header names") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text: {error}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path}: {str(error).strip()}") from None


def _layout(path: str | Path, columns: list[str]) -> Layout:
    if "contact_price_bin" in columns:
        return "bat"
    if "leastWinningCost" in columns:
        return "auctionnet"
    if "value" not in columns or "cost" not in columns:
        raise ValueError(f"{path}: line 1: needs the columns 'value' and 'cost'; found {listed(columns)}")
    return "plain"


def _numbers(path: str | Path, table: Any, name: str, *, whole: bool = False) -> NDArray[Any]:
    import pandas as pd

    column = table[name]
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    fine = np.isfinite(numbers) & (numbers >= 0)
    if whole:
        fine &= numbers == np.floor(numbers)
    if not fine.all():
        row = int(np.argmin(fine))
        kind = "whole number" if whole else "finite number"
        raise ValueError(f"{path}: line {row + 2}, column {name}: {_shown(table[name].iloc[row])} is not a {kind} >= 0")
    return numbers.astype(np.int64) if whole else numbers


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _periods(path: str | Path, table: Any, kind: Layout) -> NDArray[np.int64]:
    names = ["deliveryPeriodIndex", "timeStepIndex"] if kind == "auctionnet" else ["period"]
    names = [name for name in names if name in table.columns]
    if not names:
        return np.zeros(len(table), dtype=np.int64)
    parts = [_numbers(path, table, name, whole=True) for name in names]
    joint = parts[0] if len(parts) == 1 else parts[0] * (int(parts[1].max(initial=0)) + 1) + parts[1]
    return np.unique(joint, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _bat_increments(
    path: str | Path,
    table: Any,
    period: NDArray[np.int64],
    value: NDArray[np.float64],
    cost: NDArray[np.float64],
    names: ArrayLike,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[Any]]:
    """The items of each campaign and hour: increments of the hull of what its bids buy."""
    for name in ("contact_price_bin", "period"):
        if name not in table.columns:
            raise ValueError(f"{path}: line 1: no column {name!r}")
    bins = _numbers(path, table, "contact_price_bin")
    labels = np.asarray(names)
    numbers = np.unique(labels, return_inverse=True)[1]
    order = np.lexsort((bins, period, numbers))
    group = np.append(True, np.diff(period[order]).astype(bool) | np.diff(numbers[order]).astype(bool))
    first = np.flatnonzero(group)
    row = np.cumsum(group) - 1
    place = np.arange(order.size) - first[row]
    added = np.zeros((2, first.size, int(place.max(initial=0)) + 1))
    added[0, row, place], added[1, row, place] = value[order], cost[order]
    total = np.cumsum(added, axis=2)
    rows, _, more_value, more_cost = slot_increments(total[1], total[0])
    chosen = order[first[rows]]
    return period[chosen], more_value, more_cost, labels[chosen]
