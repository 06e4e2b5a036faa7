"""From the auctions of many periods to the points of the periods' response curves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from algos.responses import LINEAR, STEPS
from simulators.auctions.market import ChannelResponses

__all__ = ["Items", "items_of_periods", "period_responses"]


class Items(NamedTuple):
    """What can be bought in a number of periods; n items."""

    period: NDArray[np.int64]  # (n,), not decreasing
    value: NDArray[np.float64]  # (n,), expected
    cost: NDArray[np.float64]  # (n,)
    realised: NDArray[np.float64]  # (n,), what it brings; the expected value where nothing was drawn


def items_of_periods(
    period: NDArray[np.int64],
    value: NDArray[np.float64],
    cost: NDArray[np.float64],
    realised: NDArray[np.float64] | None,
) -> Items:
    """Items sorted by period, of equal periods in their order."""
    order = np.argsort(period, kind="stable")
    brought = value if realised is None else realised
    return Items(period[order], value[order], cost[order], brought[order])


def period_responses(items: Items, periods: int, *, own_bids: bool = False) -> ChannelResponses:
    """The responses of an autobidder that buys in the order of value per cost, period by period.

    Parameters
    ----------
    items : Items
        Of periods 0..periods - 1.
    periods : int
        How many.
    own_bids : bool
        False pays an item's cost, and a part of the last item can be bought. True pays one's own bids, one multiple of
        the values: what is won for a multiple k costs k times its value.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(items.value > 0, items.value / items.cost, -1.0)
    order = np.lexsort((-ratio, items.period))
    worth = order[items.value[order] > 0]
    counts = np.bincount(items.period[worth], minlength=periods)
    first = np.cumsum(np.append(0, counts))
    starts = first + np.arange(periods + 1)  # a point more in each, at a spend of 0
    spends, values = np.zeros(starts[-1]), np.zeros(starts[-1])
    _accumulate(first, starts, items.value[worth], items.cost[worth], items.realised[worth], own_bids, spends, values)
    shape = STEPS if own_bids else LINEAR
    return ChannelResponses(np.arange(periods), np.ones(periods), np.full(periods, shape), starts, spends, values)


@njit(cache=True, nogil=True)
def _accumulate(first, starts, value, cost, realised, own_bids, spends, values):
    for t in range(first.size - 1):
        at, spend, total, expected, multiple, tie = starts[t], 0.0, 0.0, 0.0, 0.0, starts[t] + 1
        for i in range(first[t], first[t + 1]):
            total += realised[i]
            expected += value[i]
            at += 1
            if own_bids:
                # A multiple k >= cost / value wins the item, and pays k for each unit of (expected) value won.
                if cost[i] / value[i] > multiple * (1.0 + 1e-12):
                    multiple, tie = cost[i] / value[i], at
                spend = max(spend, multiple * expected)
                spends[tie:at] = spend  # items of the same ratio are won together
            else:
                spend += cost[i]
            spends[at], values[at] = spend, total
