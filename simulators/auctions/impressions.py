"""Days of impressions of a display-advertising platform with 48 agents, after the generator of AuctionNet.

The numbers of the model are those of the AuctionNet project (Apache-2.0; its paper: NeurIPS 2024 Datasets and
Benchmarks) as the project's specification of the autobidding paper states them. Left out on purpose are two traits of
its code: a generator that is seeded anew with the same constant in every call, and an item that counts as unsold when
its price equals the reserve. The targets by which the competing agents scale their bids are ours.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import Count, Natural, description
from algos.knapsack import slot_increments
from simulators.auctions.market import ChannelResponses
from simulators.auctions.points import items_of_periods, period_responses
from simulators.auctions.traffic import half_hour_traffic

__all__ = ["ImpressionChannel"]

_TICKS, _AGENTS, _CATEGORIES = 48, 48, 6
_TRAFFIC_BLOCK, _CATEGORY_BLOCK = 4, 8
_EXPOSURE = np.array([1.0, 0.8, 0.8 * 0.6])  # the third slot is seen only where the second is
_MEAN_VALUE = 5e-4
_LEAST_PRICE = 0.01


@description
class ImpressionChannel:
    """What one agent of the platform can buy in each half hour of its days.

    Parameters
    ----------
    impressions : int >= 1
        Mean number of impressions of a day.
    agent : int in 0..47
        Which agent buys; agents are in six categories of eight.
    target_cost : float > 0
        Mean of the competing agents' bids for a conversion; each agent's is 0.5 to 1.5 times that.
    sample_conversions : bool
        True lets impressions convert or not, False counts the probabilities with which they do.

    Notes
    -----
    Three slots are sold at generalised second prices, at least 0.01, paid when the slot is seen, which happens with
    probability 1, 0.8 and 0.48. Probabilities of conversion are normal around a mean that depends on agent, category
    and time of the day; bidders know them with an error.
    """

    impressions: Count = 50_000
    agent: Annotated[Natural, Field(le=_AGENTS - 1)] = 0
    target_cost: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 100.0
    sample_conversions: bool = Field(default=True, kw_only=True)

    def open(self, rng: np.random.Generator) -> _OpenImpressions:
        """Begin with the first half hour of a day."""
        return _OpenImpressions(self, rng)


class _OpenImpressions:
    def __init__(self, channel: ImpressionChannel, rng: np.random.Generator) -> None:
        self._channel, self._rng, self._tick = channel, rng, 0
        self._agent_factor = rng.uniform(0.5, 1.5, _AGENTS)
        self._relative_spread = np.maximum(rng.normal(0.5, 0.1, _AGENTS), 0.0)
        self._error = np.maximum(rng.normal(0.15, 0.06, _AGENTS), 0.0)
        self._bid = channel.target_cost * rng.uniform(0.5, 1.5, _AGENTS)

    def next(self, periods: int) -> ChannelResponses:
        """Draw the impressions of the next half hours, one after the other."""
        found = [self._draw() for _ in range(periods)]
        period = np.repeat(np.arange(periods), [value.size for value, _, _ in found])
        value, cost, realised = (np.concatenate([one[k] for one in found]) for k in range(3))
        return period_responses(items_of_periods(period, value, cost, realised), periods)

    def _draw(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Expected value, cost and realised value of the items of a half hour."""
        rng, tick = self._rng, self._tick % _TICKS
        if tick == 0:
            share = half_hour_traffic() * np.repeat(rng.uniform(0.6, 1.4, _TICKS // _TRAFFIC_BLOCK), _TRAFFIC_BLOCK)
            self._share = share / share.sum()
            self._category_factor = rng.uniform(0.3, 1.7, (_TICKS // _CATEGORY_BLOCK, _CATEGORIES))
        self._tick += 1
        count = round(self._channel.impressions * self._share[tick])
        category = np.arange(_AGENTS) // (_AGENTS // _CATEGORIES)
        mean = _MEAN_VALUE * self._category_factor[tick // _CATEGORY_BLOCK, category] * self._agent_factor
        spread = self._relative_spread * rng.uniform(0.8, 1.2, _AGENTS) * mean
        probability = np.clip(mean + spread * rng.standard_normal((count, _AGENTS)), 0.0, 1.0)
        seen = np.maximum(probability * (1.0 + self._error * rng.standard_normal((count, _AGENTS))), 0.0)
        own = self._channel.agent
        others = np.delete(seen * self._bid, own, axis=1)
        highest = np.maximum(-np.sort(-others, axis=1)[:, : _EXPOSURE.size], _LEAST_PRICE)
        uniforms = rng.random((count, _EXPOSURE.size))
        auctions, slots, value, cost = slot_increments(highest * _EXPOSURE, seen[:, [own]] * _EXPOSURE)
        if not self._channel.sample_conversions:
            realised = probability[auctions, own] * value / np.where(value > 0, seen[auctions, own], 1.0)
            return value, cost, realised
        chance = probability[auctions, own] * value / seen[auctions, own]
        return value, cost, (uniforms[auctions, slots] < chance).astype(np.float64)
