"""Auctions of several slots: at most one slot of each auction, fractions mean randomising over slots.

The choices of an auction are points (cost, value) of its slots and (0, 0); what can be reached by randomising is below
their upper concave hull, whose increments are independent items of a knapsack: their ratios decrease within an auction,
so that the knapsack buys them in order.

Source: the abstract of Y. Deng et al., ICML 2023, says that its results carry over to multi-item auctions; the
reduction is derived here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from algos.contracts import read_only
from algos.knapsack.solve import Binding, knapsack

__all__ = ["SlotSolution", "slot_costs", "slot_increments", "slot_knapsack"]


@dataclass(frozen=True, eq=False)
class SlotSolution:
    """The best slots; the other numbers are those of `KnapsackSolution`.

    Parameters
    ----------
    x : float64, shape (n, L)
        Probability of each slot of each auction; only one auction is randomised.
    """

    x: NDArray[np.float64]
    value: float
    spend: float
    roi_multiplier: float
    budget_multiplier: float
    threshold: float
    binding: Binding


def slot_costs(rates: ArrayLike, bids: ArrayLike, pricing: Literal["gsp", "vcg"]) -> NDArray[np.float64]:
    """What winning each slot costs.

    Parameters
    ----------
    rates : float >= 0, shape (L,) or (n, L)
        Click rates of the slots, not increasing.
    bids : float >= 0, shape (n, L)
        The l-th highest competing bid per click, not increasing.
    pricing : {"gsp", "vcg"}
        Generalised second price, ``rates_l bids_l``, or Vickrey-Clarke-Groves,
        ``sum_{k >= l} (rates_k - rates_{k+1}) bids_k``.

    Returns
    -------
    float64, shape (n, L)
    """
    highest = np.atleast_2d(np.asarray(bids, dtype=np.float64))
    shares = np.broadcast_to(np.asarray(rates, dtype=np.float64), highest.shape)
    for name, table in (("rates", shares), ("bids", highest)):
        if table.ndim != 2 or not np.isfinite(table).all() or np.any(table < 0) or np.any(np.diff(table, axis=1) > 0):
            raise ValueError(f"{name}: must be finite numbers >= 0 that do not increase from slot to slot")
    if pricing == "gsp":
        return np.asarray(shares * highest)
    if pricing != "vcg":
        raise ValueError(f"pricing: {pricing!r} is neither 'gsp' nor 'vcg'")
    steps = shares - np.append(shares[:, 1:], np.zeros((len(shares), 1)), axis=1)
    return np.asarray(np.cumsum((steps * highest)[:, ::-1], axis=1)[:, ::-1])


def slot_increments(
    costs: ArrayLike, values: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """The increments of each auction's upper concave hull.

    Parameters
    ----------
    costs, values : float >= 0, shape (n, L)
        Total cost and value of each slot.

    Returns
    -------
    auctions, slots : int64, shape (k,)
        Which slot of which auction an increment leads to, auction by auction and by cost.
    values, costs : float64, shape (k,)
        What it adds, in O(n L^2).
    """
    cost, worth = _table("costs", costs), _table("values", values)
    if cost.shape != worth.shape:
        raise ValueError(f"values: shape {worth.shape} differs from that of costs, {cost.shape}")
    n, slots = cost.shape
    where, extra_value = np.empty(n * slots, dtype=np.int64), np.empty(n * slots)
    extra_cost, counts = np.empty(n * slots), np.empty(n, dtype=np.int64)
    k = int(_hulls(cost, worth, where, extra_value, extra_cost, counts))
    return np.repeat(np.arange(n), counts), where[:k], extra_value[:k], extra_cost[:k]


def slot_knapsack(
    costs: ArrayLike, values: ArrayLike, roi_target: float = 0.0, budget: float = math.inf
) -> SlotSolution:
    """Choose at most one slot of each auction, or lotteries over slots, worth most under a budget and a target.

    Parameters
    ----------
    costs, values : float >= 0, shape (n, L)
        Total cost and value of each slot; `slot_costs`.
    roi_target, budget
        As for `knapsack`.

    Examples
    --------
    >>> costs = slot_costs([1.0, 0.5], [[3.0, 1.0]], "vcg")
    >>> costs.tolist()
    [[2.0, 0.5]]
    >>> slot_knapsack(costs, [[4.0, 2.0]], budget=1.25).x.tolist()
    [[0.5, 0.5]]
    """
    auctions, slots, extra_value, extra_cost = slot_increments(costs, values)
    found = knapsack(extra_value, extra_cost, roi_target, budget)
    x = np.zeros(np.shape(costs))
    before = np.append(False, auctions[1:] == auctions[:-1])
    for k in np.flatnonzero(found.x > 0.0).tolist():  # a fuller slot takes the place of the one before
        x[auctions[k], slots[k]] += found.x[k]
        if before[k]:
            x[auctions[k], slots[k - 1]] -= found.x[k]
    return SlotSolution(
        read_only(x),
        found.value,
        found.spend,
        found.roi_multiplier,
        found.budget_multiplier,
        found.threshold,
        found.binding,
    )


def _table(name: str, given: ArrayLike) -> NDArray[np.float64]:
    table = np.ascontiguousarray(given, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all() or np.any(table < 0):
        raise ValueError(f"{name}: must be a matrix of finite numbers >= 0, a row an auction")
    return table


@njit(cache=True, nogil=True)
def _hulls(costs, values, where, extra_value, extra_cost, counts):
    """Write the increments of every row's hull; how many there are."""
    n, slots = costs.shape
    total = 0
    for row in range(n):
        at_cost, at_value, first = 0.0, 0.0, total
        while True:  # the steepest way on; of several the longest
            best, best_value, best_cost = -1, 0.0, 0.0
            for k in range(slots):
                more_value, more_cost = values[row, k] - at_value, costs[row, k] - at_cost
                if more_value <= 0.0 or more_cost < 0.0:
                    continue
                steeper = more_value * best_cost - best_value * more_cost
                if best < 0 or steeper > 0.0 or (steeper == 0.0 and more_value > best_value):
                    best, best_value, best_cost = k, more_value, more_cost
            if best < 0:
                break
            where[total], extra_value[total], extra_cost[total] = best, best_value, best_cost
            at_cost, at_value = costs[row, best], values[row, best]
            total += 1
        counts[row] = total - first
    return total
