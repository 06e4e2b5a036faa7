"""A finite market of realisations drawn from any other, so that its optimum can be computed."""

from __future__ import annotations

import numpy as np

from algos.contracts import check_generator, whole_number
from algos.responses import LINEAR
from simulators.auctions.finite import FiniteChannel
from simulators.auctions.market import Channel, Market, channel_streams

__all__ = ["sampled_channel", "sampled_market"]


def sampled_channel(channel: Channel, periods: int, rng: np.random.Generator) -> FiniteChannel:
    """A channel that has the next periods of another as its realisations, equally likely.

    Parameters
    ----------
    channel : Channel
        Of concave piecewise-linear responses.
    periods : int >= 1
        How many.
    rng : numpy.random.Generator
        Draws them.

    Raises
    ------
    ValueError
        When the responses are not concave and piecewise linear.
    """
    count = whole_number(periods, "periods", 1)
    found = channel.open(check_generator(rng, "sampled_channel")).next(count)
    values, costs = [], []
    for t in range(count):
        c = found.curve[t]
        if found.shapes[c] != LINEAR:
            raise ValueError(f"channel: {channel!r} does not respond piecewise linearly")
        points = slice(found.starts[c], found.starts[c + 1])
        gains, prices = np.diff(found.values[points], prepend=0.0), np.diff(found.spends[points], prepend=0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = gains[1:] / prices[1:]
        if np.any(np.diff(slopes) > 1e-9 * (1.0 + np.abs(slopes[:-1]))):
            raise ValueError(f"channel: {channel!r} does not respond concavely; sample its expected conversions")
        values.append(found.factor[t] * gains)
        costs.append(prices)
    return FiniteChannel(np.full(count, 1.0 / count), tuple(values), tuple(costs))


def sampled_market(market: Market, periods: int, rng: np.random.Generator) -> Market:
    """The same for all channels of a market, from streams keyed by their names."""
    own = channel_streams(market.names, check_generator(rng, "sampled_market"))
    return Market(
        {
            name: sampled_channel(channel, periods, stream)
            for (name, channel), stream in zip(market.channels.items(), own, strict=True)
        }
    )
