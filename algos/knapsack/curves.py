"""Response curves: the most value that a spend can buy, from items or as a mean over realisations.

V(s) = max {v.x : d.x <= s, 0 <= x <= 1} is continuous, concave, non-decreasing and piecewise linear; its slopes are the
items' ratios v/d in descending order. Averages of such curves are such curves.

Source: Y. Deng et al., "Multi-channel Autobidding with Budget and ROI Constraints", ICML 2023; curves derived here.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import read_only
from algos.knapsack.solve import SNAP, item_arrays, target_and_budget

__all__ = ["Frontier", "ResponseCurve", "mean_curve", "pareto_frontier", "response_curve"]


@dataclass(frozen=True, eq=False)
class ResponseCurve:
    """A concave piecewise-linear curve from spend to value, constant after its last breakpoint.

    Parameters
    ----------
    spends : shape (k + 1,)
        Breakpoints, from 0 on, strictly increasing; float64, or Fractions in an array of objects.
    values : shape (k + 1,)
        Value at each; the first is what costs nothing.

    Raises
    ------
    ValueError
        When the curve is not concave and non-decreasing (up to rounding), or does not begin at a spend of 0.

    Examples
    --------
    >>> curve = response_curve([3.0, 4.0, 1.0], [1.0, 2.0, 1.0])
    >>> curve.spends.tolist(), curve.values.tolist()
    ([0.0, 1.0, 3.0, 4.0], [0.0, 3.0, 7.0, 8.0])
    >>> curve(2.0), curve.marginal(2.0), curve.average(2.0)
    (5.0, 2.0, 2.5)
    """

    spends: NDArray[Any]
    values: NDArray[Any]

    def __post_init__(self) -> None:
        spends, values = _numbers("spends", self.spends), _numbers("values", self.values)
        if spends.ndim != 1 or spends.shape != values.shape or spends.size == 0:
            raise ValueError(f"values: shape {values.shape} must be that of spends, {spends.shape}, and not be empty")
        if spends[0] != 0 or values[0] < 0 or np.any(spends[1:] <= spends[:-1]):
            raise ValueError("spends: must begin with 0 and increase strictly, and values must be >= 0")
        slopes = (values[1:] - values[:-1]) / (spends[1:] - spends[:-1])
        rounding = 0 if values.dtype == object else 1e-9 * (1.0 + slopes.max(initial=0.0))
        if np.any(slopes < -rounding) or np.any(slopes[1:] > slopes[:-1] + rounding):
            raise ValueError("values: the curve is not concave and non-decreasing")
        object.__setattr__(self, "spends", read_only(spends))
        object.__setattr__(self, "values", read_only(values))

    @property
    def exact(self) -> bool:
        """Whether the curve is one of Fractions."""
        return self.spends.dtype == object

    @property
    def slopes(self) -> NDArray[Any]:
        """Return per unit of spend of each segment, shape (k,), decreasing."""
        return np.asarray((self.values[1:] - self.values[:-1]) / (self.spends[1:] - self.spends[:-1]))

    @property
    def free_value(self) -> Any:
        """V(0)."""
        return self.values[0]

    @property
    def total_cost(self) -> Any:
        """The spend after which nothing is left to buy."""
        return self.spends[-1]

    def __call__(self, spend: Any) -> Any:
        """V(spend), for a number or an array of numbers >= 0. O(log k) each."""
        if isinstance(spend, np.ndarray) or not self.exact:
            given = np.asarray(spend)
            if not np.all(given >= 0):
                raise ValueError(f"spend: {spend!r} is not >= 0")
            if not self.exact:
                found = np.interp(given, self.spends, self.values)
                return found if given.ndim else float(found)
            return np.array([self(s) for s in given.tolist()], dtype=object)
        if spend >= self.total_cost:
            return self.values[-1]
        k = bisect_right(self.spends.tolist(), spend) - 1
        return self.values[k] + self.slopes[k] * (spend - self.spends[k])

    def marginal(self, spend: Any) -> Any:
        """What the next unit of spend returns at the rate of its first cent; 0 beyond the end."""
        if not spend >= 0:
            raise ValueError(f"spend: {spend!r} is not >= 0")
        if spend >= self.total_cost:
            return 0 * self.total_cost
        slope = self.slopes[int(np.searchsorted(self.spends, spend, side="right")) - 1]
        return slope if self.exact else float(slope)

    def average(self, spend: Any) -> Any:
        """V(spend) / spend; inf at 0 where something is free, and the first segment's slope where nothing is."""
        if spend == 0:
            return math.inf if self.free_value > 0 else self.marginal(spend)
        return self(spend) / spend

    def largest_spend(self, roi_target: Any) -> Any:
        """The largest spend up to the end of the curve with V(s) >= roi_target s."""
        gamma, _, _ = target_and_budget(roi_target, 0)
        gaps = self.values - gamma * self.spends
        if not self.exact:
            gaps[np.abs(gaps) <= SNAP * gamma * self.spends] = 0.0
        last = int(np.flatnonzero(gaps >= 0)[-1])
        if last == self.spends.size - 1:
            return self.spends[-1] if self.exact else float(self.spends[-1])
        found = self.spends[last] + gaps[last] / (gamma - self.slopes[last])
        return found if self.exact else float(min(found, self.spends[last + 1]))

    def cut(self, spend: Any) -> ResponseCurve:
        """The curve up to a spend, and constant from there."""
        keep = self.spends < spend
        if keep.all():
            return self
        return ResponseCurve(np.append(self.spends[keep], spend), np.append(self.values[keep], self(spend)))


def response_curve(values: ArrayLike, costs: ArrayLike) -> ResponseCurve:
    """The curve of items of which any fraction can be bought.

    Parameters
    ----------
    values, costs : float or Fraction >= 0, shape (n,)
        v and d. Items of equal ratio become one segment; worthless ones none. O(n log n).
    """
    v, d, exact = item_arrays(values, costs)
    worth, free = v > 0, d == 0
    nothing: Any = Fraction(0) if exact else 0.0
    start = sum(v[worth & free].tolist(), nothing)
    v, d = v[worth & ~free], d[worth & ~free]
    if v.size == 0:
        kind = object if exact else np.float64
        return ResponseCurve(np.array([nothing], dtype=kind), np.array([start], dtype=kind))
    with np.errstate(over="ignore"):
        ratios = v / d
    order = np.argsort(-ratios, kind="stable")
    ratios, v, d = ratios[order], v[order], d[order]
    first = np.flatnonzero(np.append(True, ratios[1:] != ratios[:-1]))
    lengths, gains = np.add.reduceat(d, first), np.add.reduceat(v, first)
    spends, worths = np.cumsum(np.append(nothing, lengths)), np.cumsum(np.append(start, gains))
    apart = np.append(True, spends[1:] > spends[:-1])  # costs too small to be seen beside the others
    keep = np.append(np.flatnonzero(apart)[1:] - 1, spends.size - 1)
    spends = spends[np.flatnonzero(apart)]
    return ResponseCurve(spends, worths[keep])


def mean_curve(curves: Sequence[ResponseCurve], probabilities: ArrayLike) -> ResponseCurve:
    """The mean of curves, each with its probability: what a budget that holds in every period returns on average.

    Parameters
    ----------
    curves : sequence of ResponseCurve
        One a realisation.
    probabilities : float or Fraction >= 0, shape (len(curves),)
        They sum up to 1 within 1e-9.
    """
    weights = np.asarray(probabilities)
    if weights.shape != (len(curves),) or weights.size == 0 or not np.all(weights >= 0):
        raise ValueError(f"probabilities: {probabilities!r} must be {len(curves)} numbers >= 0, at least one")
    if not abs(sum(weights.tolist()) - 1) <= 1e-9:
        raise ValueError(f"probabilities: they sum to {sum(weights.tolist())}, not 1")
    if len(curves) == 1:
        return curves[0]
    spends = np.unique(np.concatenate([curve.spends for curve in curves]))
    parts = [weight * curve(spends) for weight, curve in zip(weights, curves, strict=True)]
    return ResponseCurve(spends, np.asarray(sum(parts[1:], parts[0])))


@dataclass(frozen=True, eq=False)
class Frontier:
    """All splits that are best for some budget and some target.

    Parameters
    ----------
    spends, values : shape (k,)
        The corners, by spend; between them the frontier is a straight line.
    marginals : shape (k,)
        Return of the next unit of spend at each corner: the threshold that leads there.
    averages : shape (k,)
        Value per spend at each corner, decreasing: the target up to which it can be reached.
    """

    curve: ResponseCurve
    spends: NDArray[Any]
    values: NDArray[Any]
    marginals: NDArray[Any]
    averages: NDArray[Any]

    def best(self, roi_target: Any = 0.0, budget: Any = math.inf) -> tuple[Any, Any]:
        """Spend and value of the best split under both: O(log k)."""
        _, rho, _ = target_and_budget(roi_target, budget)
        spend = min(self.curve.largest_spend(roi_target), rho)
        return spend, self.curve(spend)


def pareto_frontier(curve: ResponseCurve) -> Frontier:
    """The frontier of spend against value, for every budget and every target at once.

    Parameters
    ----------
    curve : ResponseCurve
        Of all channels together, `algos.knapsack.pooled_curve`, or of items, `response_curve`.

    Examples
    --------
    >>> frontier = pareto_frontier(response_curve([3.0, 4.0, 1.0], [1.0, 2.0, 1.0]))
    >>> frontier.averages.tolist()
    [3.0, 3.0, 2.3333333333333335, 2.0]
    >>> frontier.best(roi_target=2.5)
    (2.0, 5.0)
    """
    spends, values = curve.spends, curve.values
    nothing = curve.total_cost * 0
    marginals = np.append(curve.slopes, np.array([nothing], dtype=spends.dtype))
    averages = np.array([curve.average(spend) for spend in spends.tolist()], dtype=spends.dtype)
    return Frontier(curve, spends, values, read_only(marginals), read_only(averages))


def _numbers(name: str, given: Any) -> NDArray[Any]:
    array = np.array(given)
    if array.dtype.kind in "iuf":
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: must be finite numbers")
    elif array.dtype.kind != "O" or not all(isinstance(value, Fraction | int) for value in array.ravel().tolist()):
        raise ValueError(f"{name}: must be numbers, got {array.dtype}")
    return array
