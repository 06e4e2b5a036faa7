"""Markets: an advertiser's channels, each with an autobidder that spends its budget of each period as well as it can.

Source: Y. Deng, N. Golrezaei, P. Jaillet, J. C. N. Liang, V. Mirrokni, "Multi-channel Autobidding with Budget and ROI
Constraints", ICML 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import PlainValidator

from algos.contracts import description
from algos.knapsack import ResponseCurve
from algos.responses import ResponseBlock
from algos.streams import stable_hash

__all__ = ["Channel", "ChannelResponses", "Market", "OpenChannel", "OpenMarket", "channel_streams"]


class ChannelResponses(NamedTuple):
    """How one channel responds in n periods; see `algos.responses`."""

    curve: NDArray[np.int64]  # (n,)
    factor: NDArray[np.float64]  # (n,)
    shapes: NDArray[np.int64]  # (C,)
    starts: NDArray[np.int64]  # (C + 1,)
    spends: NDArray[np.float64]  # (P,)
    values: NDArray[np.float64]  # (P,)


class OpenChannel(Protocol):
    """A channel that runs."""

    def next(self, periods: int) -> ChannelResponses:
        """The responses of the next periods."""
        ...


class Channel(Protocol):
    """What a channel must offer; any object of this shape can be in a market.

    Further methods are optional: ``distribution()``, the realisations as (probabilities, response curves) where they
    are few, which allows the optimum to be computed; ``value_bound(budget)``, the most conversions that a budget can
    bring in a period; ``n_periods``, how many periods it lasts where that is limited.
    """

    def open(self, rng: np.random.Generator) -> OpenChannel:
        """Begin with period 0, drawing from `rng` only."""
        ...


def _channels(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        named = dict(value)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        named = {f"channel {j + 1}": channel for j, channel in enumerate(value)}
    else:
        named = {"channel 1": value}
    if not named:
        raise ValueError("must be at least one channel")
    for name, channel in named.items():
        if not isinstance(name, str) or not name or not callable(getattr(channel, "open", None)):
            raise ValueError(f"must map names to channels, got {name!r}: {channel!r}")
    return named


@description
class Market:
    """Channels side by side, independent of one another.

    Parameters
    ----------
    channels : mapping from name to channel, or sequence of channels
        Channels of a sequence are called ``channel 1``, ``channel 2``...

    Notes
    -----
    Each channel draws from a stream of its own, keyed by its name: another channel beside it, or another order, changes
    nothing of what it does.

    Examples
    --------
    >>> from simulators.auctions import FiniteChannel
    >>> market = Market({"search": FiniteChannel([1.0], [[3.0, 4.0]], [[1.0, 2.0]])})
    >>> market.open(np.random.default_rng(0)).respond([2.0])
    (array([5.]), array([2.]))
    """

    channels: Annotated[Any, PlainValidator(_channels)]

    @property
    def names(self) -> tuple[str, ...]:
        """The channels' names."""
        return tuple(self.channels)

    @property
    def n_channels(self) -> int:
        """M."""
        return len(self.channels)

    @property
    def n_periods(self) -> int | None:
        """How many periods the market lasts; None where it does not end."""
        lasting = [getattr(channel, "n_periods", None) for channel in self.channels.values()]
        known = [periods for periods in lasting if periods is not None]
        return min(known) if known else None

    def distribution(self) -> list[tuple[NDArray[np.float64], list[ResponseCurve]]] | None:
        """Of each channel the probabilities of its realisations and their curves; None where one of them is unknown."""
        found: list[Any] = [getattr(channel, "distribution", lambda: None)() for channel in self.channels.values()]
        return None if any(known is None for known in found) else found

    def value_bound(self, budget: float) -> float | None:
        """The most conversions that one channel can bring for this budget in a period; None where it is unknown."""
        found: list[Any] = [
            getattr(channel, "value_bound", lambda _: None)(budget) for channel in self.channels.values()
        ]
        return None if None in found else float(max(found))

    def open(self, rng: np.random.Generator) -> OpenMarket:
        """Begin with period 0."""
        streams = channel_streams(self.names, rng)
        return OpenMarket([channel.open(own) for channel, own in zip(self.channels.values(), streams, strict=True)])


def channel_streams(names: Sequence[str], rng: np.random.Generator) -> list[np.random.Generator]:
    """A stream for each channel that depends on its name alone, from two draws of `rng`."""
    base = rng.integers(0, 2**63, size=2).tolist()
    seeds = [np.random.SeedSequence(base, spawn_key=(stable_hash(name),)) for name in names]
    return [np.random.Generator(np.random.PCG64DXSM(seed)) for seed in seeds]


class OpenMarket:
    """A market that runs: whole blocks of periods for compiled loops, or period by period."""

    def __init__(self, channels: list[OpenChannel]) -> None:
        self._channels = channels

    def next(self, periods: int) -> ResponseBlock:
        """How all channels respond in the next periods."""
        parts = [channel.next(periods) for channel in self._channels]
        curves = np.cumsum([0, *(len(part.shapes) for part in parts)])
        points = np.cumsum([0, *(part.spends.size for part in parts)])
        starts = [part.starts[:-1] + first for part, first in zip(parts, points[:-1], strict=True)]
        return ResponseBlock(
            np.stack([part.curve + first for part, first in zip(parts, curves[:-1], strict=True)], axis=1),
            np.stack([part.factor for part in parts], axis=1),
            np.concatenate([part.shapes for part in parts]),
            np.concatenate([*starts, points[-1:]]),
            np.concatenate([part.spends for part in parts]),
            np.concatenate([part.values for part in parts]),
        )

    def respond(self, budgets: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Play the next period: conversions and spend of each channel, shape (M,)."""
        from simulators.auctions.evaluation import evaluate

        given = np.asarray(budgets, dtype=np.float64)
        if given.shape != (len(self._channels),) or not np.all(given >= 0):
            raise ValueError(f"budgets: {budgets!r} must be {len(self._channels)} numbers >= 0")
        return evaluate(self.next(1), 0, given)
