"""The best split of a budget over channels with concave response curves, and why it is the best.

All curves' segments are one list of items, bought in the order of their slopes: a channel's own segments come in order
because its curve is concave. At the optimum every channel whose budget is not at a bound has the same marginal return.

Sources: Y. Deng et al., "Multi-channel Autobidding with Budget and ROI Constraints", ICML 2023, for the two levers,
budgets and targets; bounds for each channel, certificates and the solver for targets alone are derived here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from algos.contracts import read_only
from algos.knapsack.curves import ResponseCurve
from algos.knapsack.solve import SNAP, Binding, target_and_budget

__all__ = ["BudgetSplit", "Curves", "named_curves", "pooled_curve", "split_budget", "split_by_targets"]

Curves = Sequence[ResponseCurve] | Mapping[str, ResponseCurve]
_MOST_CHANNELS = 20


@dataclass(frozen=True, eq=False)
class BudgetSplit:
    """A split of the budget over channels.

    Parameters
    ----------
    status : {"optimal", "infeasible"}
        Without a feasible split the other numbers are NaN or None.
    names : tuple of str
        The channels, in the order of the arrays.
    spends, values : shape (M,)
        Spend and value of each channel.
    value, spend : number
        Their sums.
    roi_multiplier, budget_multiplier, threshold : number
        lambda, mu and the common marginal return c = (lambda gamma + mu) / (1 + lambda); see `KnapsackSolution`.
    binding : {"none", "budget", "roi"}
        What stops the purchases.
    reasons : tuple of {"threshold", "lower", "upper", "end", "unused"}
        Of each channel: its next unit returns the threshold or less; it is at its lower or upper bound; it has nothing
        more to buy; it gets nothing.
    averages, marginals : shape (M,)
        V_j(s) / s and the return of the next unit of spend.
    targets : shape (M,) or None
        The channels' own targets gamma_j, where these are the lever.
    """

    status: Literal["optimal", "infeasible"]
    names: tuple[str, ...]
    spends: NDArray[Any]
    values: NDArray[Any]
    value: Any
    spend: Any
    roi_multiplier: Any
    budget_multiplier: Any
    threshold: Any
    binding: Binding
    reasons: tuple[str, ...]
    averages: NDArray[Any]
    marginals: NDArray[Any]
    targets: NDArray[Any] | None = None


def split_budget(
    curves: Curves, roi_target: Any = 0.0, budget: Any = math.inf, *, lower: Any = None, upper: Any = None
) -> BudgetSplit:
    """The budgets of the channels that are worth most under a common budget and target.

    Parameters
    ----------
    curves : sequence or mapping from name to ResponseCurve
        One a channel. Channels of a sequence are called ``channel 1``, ``channel 2``...
    roi_target, budget
        As for `knapsack`.
    lower, upper : numbers, sequence or mapping from name, optional
        Bounds of each channel's spend; from 0 to inf where omitted.

    Returns
    -------
    BudgetSplit
        Infeasible when the lower bounds exceed the budget or a curve's end, or the target cannot be met with them.
        O(S log S) for S segments; exact where curves, target and budget are of Fractions.

    Raises
    ------
    ValueError
        When a lower bound is above its upper bound, or a name is unknown.

    Examples
    --------
    >>> from algos.knapsack import response_curve
    >>> curves = {"search": response_curve([4.0, 2.0], [1.0, 1.0]), "video": response_curve([3.0, 1.0], [1.0, 1.0])}
    >>> found = split_budget(curves, budget=2.5)
    >>> found.spends.tolist(), found.value, found.threshold
    ([1.5, 1.0], 8.0, 2.0)
    """
    names, listed = named_curves(curves)
    gamma, rho, _ = target_and_budget(roi_target, budget)
    exact = any(curve.exact for curve in listed)
    low = _bounds("lower", lower, names, 0)
    high = _bounds("upper", upper, names, math.inf)
    for name, least, most in zip(names, low, high, strict=True):
        if least > most:
            raise ValueError(f"lower: {least} of {name!r} is above its upper bound {most}")
    if sum(low) > rho or any(least > curve.total_cost for least, curve in zip(low, listed, strict=True)):
        return _infeasible(names)
    zero = Fraction(0) if exact else 0.0
    spends = [zero + least for least in low]
    spend, value = sum(spends, zero), sum((curve(least) for curve, least in zip(listed, spends, strict=True)), zero)
    slack = _snapped(value - gamma * spend, gamma * spend, exact)
    kind: Binding = "none"
    ratio = zero
    segments = _segments(listed, spends, high)
    # A walk along the concave slack: the last place where it is not negative is the best.
    kept = _Kept(spends, value, spend) if slack >= 0 else None
    for slope, length, j in segments:
        step = _snapped((slope - gamma) * length, gamma * length, exact)
        by_budget = 1 if spend + length <= rho else (rho - spend) / length
        if slack >= 0 and slack + by_budget * step < 0:
            by_target = slack / -step
        elif slack < 0 and step <= 0:
            break
        else:
            by_target = 1
        share = min(by_budget, by_target)
        spends[j] = spends[j] + share * length
        value, spend = value + share * slope * length, min(spend + share * length, rho)
        slack = slack + share * step
        if share < 1 or slack >= 0:
            kept = _Kept(spends, value, spend) if slack >= 0 or by_target < 1 else kept
        if share < 1:
            kind, ratio = ("roi" if by_target < by_budget else "budget"), slope
            break
    if kept is None:
        return _infeasible(names)
    return _found(names, listed, kept, gamma, kind, ratio, (low, high), exact)


def split_by_targets(curves: Curves, roi_target: Any = 0.0, budget: Any = math.inf) -> BudgetSplit:
    """The best split when each channel is given a target for its own return and no budget.

    As its target falls, a channel spends nothing or all of its best block, and then ever more: with V_j(0) = 0 the
    spends it can be led to are 0 and those from the first breakpoint on. So targets alone can be arbitrarily worse than
    budgets (Theorem 3.2 of the paper).

    Parameters
    ----------
    curves, roi_target, budget
        As for `split_budget`, at most 20 channels; all on-off choices are tried.
    """
    names, listed = named_curves(curves)
    if len(listed) > _MOST_CHANNELS:
        raise ValueError(
            f"curves: {len(listed)} channels are above {_MOST_CHANNELS}, whose on-off choices can be tried"
        )
    choices = [(True,) if curve.free_value > 0 or curve.spends.size == 1 else (False, True) for curve in listed]
    best = None
    for chosen in itertools.product(*choices):
        lower, upper = [], []
        for curve, on in zip(listed, chosen, strict=True):
            blocks = on and curve.free_value == 0 and curve.spends.size > 1
            lower.append(curve.spends[1] if blocks else 0)
            upper.append(curve.total_cost if on else 0)
        found = split_budget(dict(zip(names, listed, strict=True)), roi_target, budget, lower=lower, upper=upper)
        if found.status == "optimal" and (best is None or (found.value, -found.spend) > (best.value, -best.spend)):
            best = found
    if best is None:
        return _infeasible(names)
    targets = np.array(
        [
            curve.average(spend) if spend > 0 or curve.free_value > 0 else math.inf
            for curve, spend in zip(listed, best.spends.tolist(), strict=True)
        ],
        dtype=best.spends.dtype,
    )
    return BudgetSplit(**{**vars(best), "targets": read_only(targets)})


def pooled_curve(curves: Curves, upper: Any = None) -> ResponseCurve:
    """The most value of all channels together for each total spend; pass it to `pareto_frontier`.

    Parameters
    ----------
    curves, upper
        As for `split_budget`.
    """
    names, listed = named_curves(curves)
    high = _bounds("upper", upper, names, math.inf)
    exact = any(curve.exact for curve in listed)
    kind = object if exact else np.float64
    zero = Fraction(0) if exact else 0.0
    spends, values = [zero], [sum((curve.free_value for curve in listed), zero)]
    last = None
    for slope, length, _ in _segments(listed, [zero] * len(listed), high):
        if spends[-1] + length == spends[-1]:
            values[-1] += slope * length
        elif slope == last:
            spends[-1], values[-1] = spends[-1] + length, values[-1] + slope * length
        else:
            spends.append(spends[-1] + length)
            values.append(values[-1] + slope * length)
            last = slope
    return ResponseCurve(np.array(spends, dtype=kind), np.array(values, dtype=kind))


def named_curves(curves: Curves) -> tuple[tuple[str, ...], list[ResponseCurve]]:
    """Names and curves, at least one, checked."""
    listed = list(curves.values()) if isinstance(curves, Mapping) else list(curves)
    names = tuple(curves) if isinstance(curves, Mapping) else tuple(f"channel {j + 1}" for j in range(len(listed)))
    if not listed or not all(isinstance(curve, ResponseCurve) for curve in listed):
        raise ValueError("curves: must be one ResponseCurve for each of at least one channel")
    return names, listed


class _Kept:
    def __init__(self, spends: list[Any], value: Any, spend: Any) -> None:
        self.spends, self.value, self.spend = list(spends), value, spend


def _segments(curves: Sequence[ResponseCurve], low: Sequence[Any], high: Sequence[Any]) -> list[tuple[Any, Any, int]]:
    """(slope, length, channel) of the curves' parts between the bounds, by slope."""
    found = []
    for j, curve in enumerate(curves):
        starts, slopes = curve.spends.tolist(), curve.slopes.tolist()
        for k, slope in enumerate(slopes):
            begin, end = max(starts[k], low[j]), min(starts[k + 1], high[j])
            if end > begin and slope > 0:
                found.append((slope, end - begin, j))
    found.sort(key=lambda segment: -segment[0])
    return found


def _snapped(slack: Any, scale: Any, exact: bool) -> Any:
    return slack * 0 if not exact and abs(slack) <= SNAP * scale else slack


def _bounds(what: str, given: Any, names: tuple[str, ...], default: Any) -> list[Any]:
    if given is None:
        return [default] * len(names)
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ValueError(f"{what}: {unknown[0]!r} is not one of {', '.join(names)}")
        listed = [given.get(name, default) for name in names]
    elif isinstance(given, Sequence | np.ndarray) and not isinstance(given, str):
        listed = list(given.tolist() if isinstance(given, np.ndarray) else given)
    else:
        listed = [given] * len(names)
    if len(listed) != len(names):
        raise ValueError(f"{what}: {len(listed)} bounds for {len(names)} channels")
    for name, bound in zip(names, listed, strict=True):
        if isinstance(bound, bool) or not isinstance(bound, int | float | Fraction | np.number) or not bound >= 0:
            raise ValueError(f"{what}: {bound!r} of {name!r} is not a number >= 0")
        if what == "lower" and bound == math.inf:
            raise ValueError(f"{what}: {bound!r} of {name!r} is not finite")
    return listed


def _infeasible(names: tuple[str, ...]) -> BudgetSplit:
    nothing, nan = read_only(np.full(len(names), np.nan)), math.nan
    return BudgetSplit(
        "infeasible", names, nothing, nothing, nan, nan, nan, nan, nan, "none", ("none",) * len(names), nothing, nothing
    )


def _found(
    names: tuple[str, ...],
    curves: list[ResponseCurve],
    kept: _Kept,
    gamma: Any,
    kind: Binding,
    ratio: Any,
    bounds: tuple[list[Any], list[Any]],
    exact: bool,
) -> BudgetSplit:
    dtype, zero = (object, Fraction(0)) if exact else (np.float64, 0.0)
    spends = [
        min(spend, curve.total_cost, most) for spend, curve, most in zip(kept.spends, curves, bounds[1], strict=True)
    ]
    reasons = []
    for spend, curve, least, most in zip(spends, curves, *bounds, strict=True):
        if spend >= curve.total_cost:
            reasons.append("end" if curve.total_cost > 0 else "unused")
        elif spend >= most:
            reasons.append("upper")
        elif spend <= least and least > 0:
            reasons.append("lower")
        else:
            reasons.append("unused" if spend == 0 else "threshold")
    marginals = [curve.marginal(spend) for curve, spend in zip(curves, spends, strict=True)]
    averages = [curve.average(spend) for curve, spend in zip(curves, spends, strict=True)]
    return BudgetSplit(
        "optimal",
        names,
        read_only(np.array(spends, dtype=dtype)),
        read_only(np.array([curve(spend) for curve, spend in zip(curves, spends, strict=True)], dtype=dtype)),
        kept.value,
        kept.spend,
        ratio / (gamma - ratio) if kind == "roi" else zero,
        ratio if kind == "budget" else zero,
        ratio if kind != "none" else zero,
        kind,
        tuple(reasons),
        read_only(np.array(averages, dtype=dtype)),
        read_only(np.array(marginals, dtype=dtype)),
    )
