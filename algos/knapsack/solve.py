"""The fractional knapsack with a budget and a target for the return: what to buy, and the certificate that it is best.

``max v.x  subject to  v.x >= gamma d.x,  d.x <= rho,  0 <= x <= 1``. For a given spend the best value is that of the
response curve; the slack ``V(s) - gamma s`` is concave and >= 0 at 0, so that what the target allows is an interval
[0, s], and the largest allowed spend is the best. So the items are bought in the order of v/d until a row binds.

Source: the channel's problem of Y. Deng, N. Golrezaei, P. Jaillet, J. C. N. Liang, V. Mirrokni, "Multi-channel
Autobidding with Budget and ROI Constraints", ICML 2023. The algorithm, its certificate and the snapping are derived
here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from algos.contracts import read_only

__all__ = ["SNAP", "Binding", "KnapsackSolution", "dual_value", "item_arrays", "knapsack", "target_and_budget"]

Binding = Literal["none", "budget", "roi"]

SNAP = 1e-12
"""An item's slack v - gamma d is taken for 0 when it is smaller than this share of gamma d."""

_NONE, _BUDGET, _ROI = range(3)
_BINDINGS: tuple[Binding, ...] = ("none", "budget", "roi")
_WORTH_SORTING = 64


@dataclass(frozen=True, eq=False)
class KnapsackSolution:
    """The optimum and its certificate.

    Parameters
    ----------
    x : float64 (or object, for fractions), shape (n,)
        Fraction of each item bought; at most one is neither 0 nor 1.
    value, spend : float or Fraction
        ``v.x`` and ``d.x``; the spend is the least one with this value.
    roi_multiplier, budget_multiplier : float or Fraction
        lambda and mu, the prices of the two rows. The value changes by ``mu`` for one more unit of budget and by
        ``-lambda * spend`` for one more unit of target.
    threshold : float or Fraction
        c = (lambda gamma + mu) / (1 + lambda), the common marginal return: items with v/d above it are bought.
    binding : {"none", "budget", "roi"}
        Which row stops the purchases.
    """

    x: NDArray[Any]
    value: Any
    spend: Any
    roi_multiplier: Any
    budget_multiplier: Any
    threshold: Any
    binding: Binding


def knapsack(values: ArrayLike, costs: ArrayLike, roi_target: Any = 0.0, budget: Any = math.inf) -> KnapsackSolution:
    """Buy what is worth most under a budget and a target for value per spend.

    Parameters
    ----------
    values, costs : float >= 0, shape (n,)
        v and d. Free items (d = 0 < v) are always bought, worthless ones never.
    roi_target : float >= 0
        gamma, value per unit of spend (not profit per unit of spend; that is gamma - 1).
    budget : float >= 0 or inf
        rho.

    Returns
    -------
    KnapsackSolution
        O(n) expected time. Fractions among the arguments make the whole computation exact, in O(n log n).

    Raises
    ------
    ValueError
        When a number is negative or not finite, or the shapes differ.

    Notes
    -----
    With floating-point numbers an item with ``|v - gamma d| <= 1e-12 gamma d`` counts as one exactly at the target;
    otherwise rounding would decide which of them may be bought. So the target holds up to 1e-12 of itself.

    Examples
    --------
    >>> found = knapsack([3.0, 4.0, 1.0], [1.0, 2.0, 1.0], budget=2.0)
    >>> found.x.tolist(), found.value, found.binding, found.budget_multiplier
    ([1.0, 0.5, 0.0], 5.0, 'budget', 2.0)
    >>> knapsack([Fraction(1), Fraction(1, 3)], [Fraction(1, 2), 1], roi_target=1).x.tolist()
    [Fraction(1, 1), Fraction(3, 4)]
    """
    v, d, exact = item_arrays(values, costs)
    gamma, rho, exact_goals = target_and_budget(roi_target, budget)
    if exact or exact_goals:
        return _solve_exactly(v, d, gamma, rho)
    x = np.empty(v.size)
    ratios = _ratios(v, d)
    value, spend, kind, ratio = _solve(v, d, ratios, float(gamma), float(rho), x)
    return _solution(read_only(x), value, spend, kind, ratio, float(gamma))


def dual_value(
    values: ArrayLike, costs: ArrayLike, roi_target: Any, budget: Any, roi_multiplier: Any, budget_multiplier: Any
) -> Any:
    """No purchase is worth more: mu rho + sum_i max(0, (1 + lambda) v_i - (lambda gamma + mu) d_i).

    Parameters
    ----------
    values, costs, roi_target, budget
        As for `knapsack`.
    roi_multiplier, budget_multiplier : >= 0
        Any lambda and mu; mu = 0 where the budget is infinite. At the optimal ones this is the optimal value.
    """
    v, d, exact = item_arrays(values, costs)
    gamma, rho, exact_goals = target_and_budget(roi_target, budget)
    for name, multiplier in (("roi_multiplier", roi_multiplier), ("budget_multiplier", budget_multiplier)):
        if not multiplier >= 0:
            raise ValueError(f"{name}: {multiplier!r} is not >= 0")
    price = roi_multiplier * gamma + budget_multiplier
    fixed = budget_multiplier * rho if budget_multiplier > 0 else 0
    if exact or exact_goals or isinstance(price, Fraction):
        return fixed + sum(max(Fraction(0), (1 + roi_multiplier) * a - price * b) for a, b in zip(v, d, strict=True))
    return float(fixed + math.fsum(np.maximum(0.0, (1.0 + roi_multiplier) * v - price * d)))


def item_arrays(values: ArrayLike, costs: ArrayLike) -> tuple[NDArray[Any], NDArray[Any], bool]:
    """Values and costs as float64 arrays or, where one is a Fraction, as arrays of Fractions."""
    arrays, exact = [], False
    for name, given in (("values", values), ("costs", costs)):
        array = np.asarray(given)
        if array.ndim != 1 or (array.dtype.kind not in "iufO" and array.size):
            raise ValueError(f"{name}: must be one-dimensional numbers >= 0, got shape {array.shape} of {array.dtype}")
        if array.dtype.kind == "O":
            exact = True
        arrays.append(array)
    if arrays[0].shape != arrays[1].shape:
        raise ValueError(f"costs: shape {arrays[1].shape} differs from that of values, {arrays[0].shape}")
    found = []
    for name, array in zip(("values", "costs"), arrays, strict=True):
        numbers = _fractions(name, array) if exact else np.ascontiguousarray(array, dtype=np.float64)
        fine = numbers >= 0 if exact else (numbers >= 0) & np.isfinite(numbers)
        if not np.all(fine):
            place = int(np.argmin(fine))
            raise ValueError(f"{name}[{place}]: {numbers[place]} is not a finite number >= 0")
        found.append(numbers)
    return found[0], found[1], exact


def target_and_budget(roi_target: Any, budget: Any) -> tuple[Any, Any, bool]:
    """Both checked, and whether one of them is a Fraction; inf is a budget without limit."""
    for name, value, finite in (("roi_target", roi_target, True), ("budget", budget, False)):
        number = isinstance(value, Fraction | int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not number or not value >= 0 or (finite and value == math.inf):
            raise ValueError(f"{name}: {value!r} is not a {'finite ' if finite else ''}number >= 0")
    return roi_target, budget, isinstance(roi_target, Fraction) or isinstance(budget, Fraction)


def _fractions(name: str, array: NDArray[Any]) -> NDArray[Any]:
    found = np.empty(array.size, dtype=object)
    for i, value in enumerate(array.tolist()):
        try:
            found[i] = Fraction(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{name}[{i}]: {value!r} is not a finite number >= 0") from None
    return found


def _solution(x: NDArray[Any], value: Any, spend: Any, kind: int, ratio: Any, gamma: Any) -> KnapsackSolution:
    zero = ratio * 0 if isinstance(ratio, Fraction) else 0.0
    lam = ratio / (gamma - ratio) if kind == _ROI else zero
    mu = ratio if kind == _BUDGET else zero
    return KnapsackSolution(x, value, spend, lam, mu, ratio if kind != _NONE else zero, _BINDINGS[kind])


def _solve_exactly(v: NDArray[Any], d: NDArray[Any], gamma: Any, rho: Any) -> KnapsackSolution:
    v, d = _fractions("values", v), _fractions("costs", d)
    gamma = Fraction(gamma)
    rho = rho if rho == math.inf else Fraction(rho)
    x = np.full(v.size, Fraction(0), dtype=object)
    value, spend, kind, ratio = Fraction(0), Fraction(0), _NONE, Fraction(0)
    for i in range(v.size):
        if d[i] == 0 and v[i] > 0:
            x[i], value = Fraction(1), value + v[i]
    slack = value
    bought = [i for i in range(v.size) if v[i] > 0 and d[i] > 0]
    for i in sorted(bought, key=lambda i: (-v[i] / d[i], i)):
        s = v[i] - gamma * d[i]
        by_budget = Fraction(1) if spend + d[i] <= rho else (rho - spend) / d[i]
        by_target = Fraction(1) if slack + s >= 0 else slack / -s
        x[i] = min(by_budget, by_target)
        value, spend, slack = value + x[i] * v[i], spend + x[i] * d[i], slack + x[i] * s
        if x[i] < 1:
            kind, ratio = (_BUDGET if by_budget <= by_target else _ROI), v[i] / d[i]
            break
    return _solution(read_only(x), value, spend, kind, ratio, gamma)


def _ratios(v: NDArray[np.float64], d: NDArray[np.float64]) -> NDArray[np.float64]:
    """v/d, inf for free items and -1 for worthless ones: only the order matters.

    Where a cost is so small that v/d overflows, all are scaled by a power of 2.
    """
    ratios = np.empty(v.size)
    if _divide(v, d, 0, ratios):
        paid = (v > 0) & (d > 0)
        excess = int((np.frexp(v[paid])[1] - np.frexp(d[paid])[1]).max()) - 1000
        _divide(v, d, -max(excess, 0), ratios)
    return ratios


@njit(cache=True, nogil=True)
def _divide(v, d, power, ratios):
    overflow = False
    for i in range(v.size):
        if v[i] == 0.0:
            ratios[i] = -1.0
        elif d[i] == 0.0:
            ratios[i] = np.inf
        else:
            ratios[i] = (v[i] if power == 0 else math.ldexp(v[i], power)) / d[i]
            if ratios[i] == np.inf:
                ratios[i] = np.finfo(np.float64).max
                overflow = True
    return overflow


@njit(cache=True, nogil=True)
def _slack(v, d, gamma):
    s = v - gamma * d
    return 0.0 if abs(s) <= SNAP * gamma * d else s


@njit(cache=True, nogil=True)
def _solve(v, d, ratios, gamma, rho, x):
    """Write x; value, spend, what binds, and the ratio of the item at which the purchases stop.

    Whether a prefix of the order is allowed is monotone, so that the order is needed only around the place where the
    purchases stop: the items before and after it are split off by pivots, as in quickselect.
    """
    n = v.size
    order, left = np.empty(n, np.int64), np.empty(n, np.int64)
    value, count = 0.0, 0
    for i in range(n):
        x[i] = 0.0
        if ratios[i] == np.inf:
            x[i] = 1.0
            value += v[i]
        elif ratios[i] > 0.0:
            order[count] = i
            count += 1
    spend, slack, low = 0.0, value, 0
    while low < count:
        low, high, value, spend, slack = _split(
            v, d, ratios, gamma, rho, x, order, left, low, count, value, spend, slack
        )
        for place in range(low, high):
            i = order[place]
            s = _slack(v[i], d[i], gamma)
            by_budget = 1.0 if spend + d[i] <= rho else (rho - spend) / d[i]
            by_target = 1.0 if slack + s >= 0.0 else slack / -s
            share = max(0.0, min(by_budget, by_target, 1.0))
            x[i] = share
            value, spend, slack = value + share * v[i], min(spend + share * d[i], rho), slack + share * s
            if share < 1.0:
                return value, spend, _BUDGET if by_budget <= by_target else _ROI, v[i] / d[i]
        low = high
    return value, spend, _NONE, 0.0


@njit(cache=True, nogil=True)
def _split(v, d, ratios, gamma, rho, x, order, left, low, high, value, spend, slack):
    """Buy what comes before the place where the purchases stop; a few items around it are left, in their order."""
    n, turn = v.size, 0
    while high - low > _WORTH_SORTING:
        pivot = _pivot(ratios, order, low, high, turn)
        turn += 1
        above, more_value, more_cost, more_slack = low, 0.0, 0.0, 0.0
        equal, equal_value, equal_cost, equal_slack = 0, 0.0, 0.0, 0.0
        below = 0
        for place in range(low, high):  # keeps the order of items with the same ratio
            i = order[place]
            if ratios[i] > pivot:
                order[above] = i
                above += 1
                more_value += v[i]
                more_cost += d[i]
                more_slack += _slack(v[i], d[i], gamma)
            elif ratios[i] == pivot:
                left[n - 1 - equal] = i
                equal += 1
                equal_value += v[i]
                equal_cost += d[i]
                equal_slack += _slack(v[i], d[i], gamma)
            else:
                left[below] = i
                below += 1
        for place in range(equal):
            order[above + place] = left[n - 1 - place]
        for place in range(below):
            order[above + equal + place] = left[place]
        if not (spend + more_cost <= rho and slack + more_slack >= 0.0):
            high = above
            continue
        value, spend, slack = value + more_value, spend + more_cost, slack + more_slack
        for place in range(low, above):
            x[order[place]] = 1.0
        low = above
        if not (spend + equal_cost <= rho and slack + equal_slack >= 0.0):
            return low, above + equal, value, spend, slack
        value, spend, slack = value + equal_value, spend + equal_cost, slack + equal_slack
        for place in range(above, above + equal):
            x[order[place]] = 1.0
        low = above + equal
    for a in range(low + 1, high):  # by insertion, so that equal items stay in order
        i, b = order[a], a - 1
        while b >= low and ratios[order[b]] < ratios[i]:
            order[b + 1] = order[b]
            b -= 1
        order[b + 1] = i
    return low, high, value, spend, slack


@njit(cache=True, nogil=True)
def _pivot(ratios, order, low, high, turn):
    """The median of nine ratios at places that depend on the turn."""
    sample = np.empty(9)
    for k in range(9):
        sample[k] = ratios[order[low + ((2 * k + 1 + turn) * (high - low) // (18 + turn)) % (high - low)]]
    sample.sort()
    return sample[4]
