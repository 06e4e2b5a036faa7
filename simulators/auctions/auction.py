"""Channels that hold auctions against competing bidders: second price, first price, and positions."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.special import ndtr

from algos.arrays import PositiveVector
from algos.contracts import Count, NonNegative, check_generator, description, whole_number
from algos.knapsack import slot_costs, slot_increments
from simulators.auctions.market import ChannelResponses
from simulators.auctions.points import Items, items_of_periods, period_responses

__all__ = ["AuctionChannel"]

Law = Literal["uniform", "lognormal"]
Correlation = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]


@description
class AuctionChannel:
    """A number of auctions in each period, against bidders whose bids may depend on what an impression is worth.

    Parameters
    ----------
    auctions : int >= 1
        Auctions of a period; with `traffic` their mean number.
    competitors : int >= 1
        Competing bidders of each auction.
    value_law, bid_law : {"uniform", "lognormal"}
        Laws of the values and of the competing bids: uniform in [0, scale], or scale * exp(spread * N(0, 1)).
    value_scale, bid_scale : float > 0
        Scales of both.
    spread : float > 0
        Standard deviation of the logarithms of lognormal values and bids.
    correlation : float in [-1, 1]
        Of a value and each competing bid, through a Gaussian copula. Positive makes good impressions dear, so that the
        response is nearly linear; negative makes it strongly concave.
    pricing : {"second-price", "first-price", "gsp", "vcg"}
        Of one item, or of slots: generalised second price and Vickrey-Clarke-Groves.
    rates : float vector > 0, not increasing
        Click rates of the slots, for "gsp" and "vcg".
    reserve : float >= 0
        The least price; nothing is sold below it.
    traffic : float vector > 0, optional
        Relative traffic of the periods, repeated without end and taken relative to its mean. The number of auctions is
        then Poisson.
    sample_conversions : bool
        True lets each item convert or not, with its value as the probability, which must be at most 1; the autobidder
        only knows the values. False counts values.

    Notes
    -----
    With first prices the autobidder bids one multiple of the values and pays its bids, so that the response is a
    staircase that need not be concave: the theorems do not cover it.
    """

    auctions: Count
    competitors: Count = 1
    value_law: Law = Field(default="uniform", kw_only=True)
    bid_law: Law = Field(default="uniform", kw_only=True)
    value_scale: Annotated[float, Field(gt=0.0, allow_inf_nan=False, kw_only=True)] = 1.0
    bid_scale: Annotated[float, Field(gt=0.0, allow_inf_nan=False, kw_only=True)] = 1.0
    spread: Annotated[float, Field(gt=0.0, allow_inf_nan=False, kw_only=True)] = 0.5
    correlation: Annotated[Correlation, Field(kw_only=True)] = 0.0
    pricing: Literal["second-price", "first-price", "gsp", "vcg"] = Field(default="second-price", kw_only=True)
    rates: PositiveVector | None = Field(default=None, kw_only=True)
    reserve: Annotated[NonNegative, Field(kw_only=True)] = 0.0
    traffic: PositiveVector | None = Field(default=None, kw_only=True)
    sample_conversions: bool = Field(default=False, kw_only=True)

    @model_validator(mode="after")
    def _fits(self) -> AuctionChannel:
        if (self.pricing in ("gsp", "vcg")) != (self.rates is not None):
            raise ValueError("rates: the slots' click rates are needed for 'gsp' and 'vcg', and only there")
        if self.rates is not None and np.any(np.diff(self.rates) > 0):
            raise ValueError("rates: must not increase from slot to slot")
        highest = self.value_scale * (1.0 if self.rates is None else self.rates[0])
        if self.sample_conversions and (self.value_law != "uniform" or highest > 1.0):
            raise ValueError("sample_conversions: values must be probabilities: uniform, with a scale of at most 1")
        return self

    def value_bound(self, budget: float) -> float | None:
        """The most that all auctions of a period are worth; None where that has no bound."""
        if self.value_law != "uniform" or self.traffic is not None:
            return None
        return self.auctions * self.value_scale * (1.0 if self.rates is None else float(self.rates[0]))

    def open(self, rng: np.random.Generator) -> _OpenAuctions:
        """Begin with period 0."""
        return _OpenAuctions(self, rng)

    def stream(self, auctions: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values and prices to win of single-item auctions one after the other, for bidders inside the channel.

        Parameters
        ----------
        auctions : int >= 0
            How many.
        rng : numpy.random.Generator
            Draws them.
        """
        values, bids = self._draw(whole_number(auctions, "auctions", 0), check_generator(rng, "stream"))
        return values, bids[:, 0]

    def _draw(self, auctions: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values, and competing bids from the highest on, at least the reserve."""
        latent = rng.standard_normal(auctions)
        other = rng.standard_normal((auctions, self.competitors))
        mixed = self.correlation * latent[:, None] + np.sqrt(1.0 - self.correlation**2) * other
        values = _law(latent, self.value_law, self.value_scale, self.spread)
        bids = _law(mixed, self.bid_law, self.bid_scale, self.spread)
        return values, np.maximum(-np.sort(-bids, axis=1), self.reserve)


def _law(latent: NDArray[np.float64], law: Law, scale: float, spread: float) -> NDArray[np.float64]:
    return np.asarray(scale * (ndtr(latent) if law == "uniform" else np.exp(spread * latent)))


class _OpenAuctions:
    def __init__(self, channel: AuctionChannel, rng: np.random.Generator) -> None:
        self._channel, self._rng, self._period = channel, rng, 0

    def next(self, periods: int) -> ChannelResponses:
        """Draw the auctions of the next periods, one period after the other."""
        channel, rng = self._channel, self._rng
        found = []
        for t in range(periods):
            count = channel.auctions
            if channel.traffic is not None:
                share = channel.traffic[(self._period + t) % channel.traffic.size] / channel.traffic.mean()
                count = int(rng.poisson(channel.auctions * share))
            values, bids = channel._draw(count, rng)
            drawn = rng.random(count * _slots(channel)) if channel.sample_conversions else None
            found.append((values, bids, drawn))
        self._period += periods
        counts = [values.size for values, _, _ in found]
        period = np.repeat(np.arange(periods), counts)
        value, bids = np.concatenate([one for one, _, _ in found]), np.concatenate([one for _, one, _ in found])
        uniforms = np.concatenate([one for _, _, one in found]) if channel.sample_conversions else None
        return period_responses(
            self._items(period, value, bids, uniforms), periods, own_bids=channel.pricing == "first-price"
        )

    def _items(
        self,
        period: NDArray[np.int64],
        value: NDArray[np.float64],
        bids: NDArray[np.float64],
        uniforms: NDArray[np.float64] | None,
    ) -> Items:
        channel = self._channel
        if channel.rates is None:
            realised = None if uniforms is None else (uniforms < value).astype(np.float64)
            return items_of_periods(period, value, bids[:, 0], realised)
        slots = channel.rates.size
        competing = np.full((value.size, slots), channel.reserve)
        competing[:, : min(slots, channel.competitors)] = bids[:, :slots]
        pricing: Literal["gsp", "vcg"] = "gsp" if channel.pricing == "gsp" else "vcg"
        costs = slot_costs(channel.rates, competing, pricing)
        auctions, where, extra_value, extra_cost = slot_increments(costs, value[:, None] * channel.rates)
        if uniforms is None:
            return items_of_periods(period[auctions], extra_value, extra_cost, None)
        realised = (uniforms.reshape(-1, slots)[auctions, where] < extra_value).astype(np.float64)
        return items_of_periods(period[auctions], extra_value, extra_cost, realised)


def _slots(channel: AuctionChannel) -> int:
    return 1 if channel.rates is None else channel.rates.size
