"""The best split of a budget over channels that are black boxes: all that can be asked is the value of a spend.

With concave responses the largest spend whose last step still returns a threshold c is found by bisection, and so is
the lowest threshold that budget and target allow.

Source: the question is that of G. Aggarwal, A. Gupta, X. Tan, M. Zhao, arXiv:2502.19317, whose method needs fewer
queries; the nested bisection here is ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import read_only, whole_number
from algos.knapsack.solve import target_and_budget

__all__ = ["QueriedSplit", "split_by_queries"]


@dataclass(frozen=True, eq=False)
class QueriedSplit:
    """A split found by asking.

    Parameters
    ----------
    spends, values : float64, shape (M,)
        Of each channel; spends are multiples of its grid step but for at most one channel.
    value, spend : float
        Their sums.
    threshold : float
        Return of the last step bought.
    queries : int
        How often a channel was asked.
    """

    spends: NDArray[np.float64]
    values: NDArray[np.float64]
    value: float
    spend: float
    threshold: float
    queries: int


def split_by_queries(
    channels: Sequence[Callable[[float], float]],
    most: ArrayLike,
    roi_target: float = 0.0,
    budget: float = math.inf,
    *,
    steps: int = 1024,
    rounds: int = 50,
) -> QueriedSplit:
    """Split a budget over concave non-decreasing responses that can only be evaluated.

    Parameters
    ----------
    channels : sequence of callables
        ``channel(spend)`` is the value; it must always answer the same.
    most : float > 0, shape (M,)
        The largest spend of each channel.
    roi_target, budget
        As for `knapsack`.
    steps : int >= 1
        n, grid steps of each channel's spend.
    rounds : int >= 1
        Bisections of the threshold.

    Returns
    -------
    QueriedSplit
        Worth the best split's value on the grid, in O(M log n rounds) queries, each spend asked once.

    Examples
    --------
    >>> found = split_by_queries([lambda s: 2 * s, lambda s: s], [1.0, 1.0], budget=1.5)
    >>> found.spends.tolist(), found.value
    ([1.0, 0.5], 2.5)
    """
    n, turns = whole_number(steps, "steps", 1), whole_number(rounds, "rounds", 1)
    gamma, rho, _ = target_and_budget(roi_target, budget)
    ends = np.asarray(most, dtype=np.float64)
    if ends.shape != (len(channels),) or not ends.size or not (np.isfinite(ends) & (ends > 0)).all():
        raise ValueError(f"most: {most!r} must be {len(channels)} finite numbers > 0, at least one")
    asked = [_Asked(channel, float(end) / n) for channel, end in zip(channels, ends, strict=True)]
    low, high = 0.0, max(channel.step_return(1) for channel in asked)
    places, slack, spent = _places(asked, n, math.inf, gamma)
    if slack < 0.0:
        raise ValueError("channels: a value at no spend is negative")
    full, slack, spent = _places(asked, n, low, gamma)
    threshold = 0.0
    if slack >= 0.0 and spent <= rho:
        places = full
    else:
        for _ in range(turns):
            middle = 0.5 * (low + high)
            found, slack, spent = _places(asked, n, middle, gamma)
            if slack >= 0.0 and spent <= rho:
                places, high = found, middle
            else:
                low = middle
        threshold = high
    spends, threshold = _fill(asked, n, places, gamma, rho, threshold)
    values = np.array([channel(spend) for channel, spend in zip(asked, spends, strict=True)])
    queries = sum(len(channel.known) for channel in asked)
    return QueriedSplit(
        read_only(np.array(spends)), read_only(values), float(values.sum()), float(sum(spends)), threshold, queries
    )


class _Asked:
    """A channel with what it has answered."""

    def __init__(self, channel: Callable[[float], float], step: float) -> None:
        self._channel, self.step = channel, step
        self.known: dict[float, float] = {}

    def __call__(self, spend: float) -> float:
        if spend not in self.known:
            value = float(self._channel(spend))
            if not math.isfinite(value):
                raise ValueError(f"channels: the value of a spend of {spend:g} is {value}")
            self.known[spend] = value
        return self.known[spend]

    def step_return(self, k: int) -> float:
        """Return of the k-th step, from 1."""
        return (self(k * self.step) - self((k - 1) * self.step)) / self.step


def _places(asked: list[_Asked], n: int, threshold: float, gamma: float) -> tuple[list[int], float, float]:
    """Of each channel how many steps return the threshold; slack and spend."""
    places = []
    for channel in asked:
        low, high = 0, n + 1
        while high - low > 1:
            middle = (low + high) // 2
            if channel.step_return(middle) >= threshold:
                low = middle
            else:
                high = middle
        places.append(low)
    spent = sum(k * channel.step for k, channel in zip(places, asked, strict=True))
    value = sum(channel(k * channel.step) for k, channel in zip(places, asked, strict=True))
    slack = value - gamma * spent
    return places, 0.0 if abs(slack) <= 1e-12 * gamma * spent else slack, spent


def _fill(
    asked: list[_Asked], n: int, places: list[int], gamma: float, rho: float, threshold: float
) -> tuple[list[float], float]:
    """Buy the steps around the threshold that still fit, by their return, and of the last one a part."""
    spends = [k * channel.step for k, channel in zip(places, asked, strict=True)]
    value = sum(channel(spend) for channel, spend in zip(asked, spends, strict=True))
    slack, spent = value - gamma * sum(spends), sum(spends)
    while True:
        returns = [channel.step_return(k + 1) if k < n else 0.0 for channel, k in zip(asked, places, strict=True)]
        j = int(np.argmax(returns))
        if returns[j] <= 0.0:
            return spends, threshold
        length, gain = asked[j].step, (returns[j] - gamma) * asked[j].step
        by_budget = 1.0 if spent + length <= rho else max(0.0, (rho - spent) / length)
        by_target = 1.0 if slack + gain >= 0.0 else max(0.0, slack) / -gain
        share = min(by_budget, by_target)
        spends[j] += share * length
        threshold = returns[j]
        if share < 1.0:
            return spends, threshold
        places[j] += 1
        slack, spent = slack + gain, spent + length
