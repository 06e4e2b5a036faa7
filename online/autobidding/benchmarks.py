"""What the best an advertiser could have is: with hindsight of each realisation, on average, or period by period.

============================  =================================================================================
`gl_opt`                      buys auctions knowing the realisation, under one budget and target on average
`ch_opt_avg`                  budgets that each channel keeps on average over realisations: the same value
`ch_opt_period`               budgets that each channel keeps in every period: what learners of budgets can reach
`ch_opt_targets`              targets for each channel and no budgets: can be arbitrarily bad
============================  =================================================================================

The paper's equality of budgets and the global optimum (Corollary 3.4) holds for one realisation, and for `ch_opt_avg`;
budgets that hold in every period can be worse by any factor (`cap_gap_example`). So plots name the benchmark they use.

Source: Y. Deng et al., ICML 2023; the distinction and the instances that separate the three are derived here.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from algos.knapsack import BudgetSplit, ResponseCurve, mean_curve, pooled_curve, split_budget, split_by_targets
from online.autobidding.goals import Distribution, known_distribution

__all__ = ["ch_opt_avg", "ch_opt_period", "ch_opt_targets", "gl_opt"]


def gl_opt(market: Any, roi_target: Any = 0.0, budget: Any = np.inf) -> BudgetSplit:
    """The global optimum: auctions chosen for each realisation, both constraints on average.

    Parameters
    ----------
    market : market with ``distribution()``, or the distribution itself
        Of each channel (probabilities, response curves).
    roi_target : float >= 0
        gamma.
    budget : float >= 0 or inf
        rho, per period.

    Returns
    -------
    BudgetSplit
        Mean spend and value of each channel in a period. Its threshold buys in every realisation alike.
    """
    names, distribution = _distribution(market)
    curves = {name: _average_curve(*known) for name, known in zip(names, distribution, strict=True)}
    return split_budget(curves, roi_target, budget)


def ch_opt_avg(market: Any, roi_target: Any = 0.0, budget: Any = np.inf, **bounds: Any) -> BudgetSplit:
    """Budgets that channels keep on average over realisations: ``gl_opt`` again, and with bounds what they allow.

    Parameters
    ----------
    market, roi_target, budget
        As for `gl_opt`.
    **bounds
        ``lower`` and ``upper`` as for `algos.knapsack.split_budget`.
    """
    names, distribution = _distribution(market)
    curves = {name: _average_curve(*known) for name, known in zip(names, distribution, strict=True)}
    return split_budget(curves, roi_target, budget, **bounds)


def ch_opt_period(
    market: Any,
    roi_target: Any = 0.0,
    budget: Any = np.inf,
    *,
    charge: Literal["budget", "spend"] = "budget",
    **bounds: Any,
) -> BudgetSplit:
    """Budgets that channels keep in every period: the benchmark of regret.

    Parameters
    ----------
    market, roi_target, budget
        As for `gl_opt`.
    charge : {"budget", "spend"}
        What counts: the budgets, or what is spent of them. The pairs of mean spend and value of the latter need not be
        concave; their hull, which mixes two budgets over time, is taken.
    **bounds
        ``lower`` and ``upper`` as for `algos.knapsack.split_budget`.
    """
    names, distribution = _distribution(market)
    if charge not in ("budget", "spend"):
        raise ValueError(f"charge: {charge!r} is neither 'budget' nor 'spend'")
    curves = [mean_curve(curves, probabilities) for probabilities, curves in distribution]
    if charge == "spend":
        curves = [_spent(known, curve) for known, curve in zip(distribution, curves, strict=True)]
    return split_budget(dict(zip(names, curves, strict=True)), roi_target, budget, **bounds)


def ch_opt_targets(market: Any, roi_target: Any = 0.0, budget: Any = np.inf) -> BudgetSplit:
    """Targets for the channels' own return and no budgets, for markets of one realisation.

    Parameters
    ----------
    market, roi_target, budget
        As for `gl_opt`.
    """
    names, distribution = _distribution(market)
    if any(len(curves) != 1 for _, curves in distribution):
        raise ValueError("market: targets alone are solved for channels with one realisation")
    return split_by_targets(
        {name: curves[0] for name, (_, curves) in zip(names, distribution, strict=True)}, roi_target, budget
    )


def _average_curve(probabilities: Any, curves: list[ResponseCurve]) -> ResponseCurve:
    """The most value on average for a spend on average: the realisations' auctions side by side."""
    weighted = [(p, curve) for p, curve in zip(probabilities, curves, strict=True) if p > 0]
    return pooled_curve([ResponseCurve(p * curve.spends, p * curve.values) for p, curve in weighted])


def _spent(known: Any, mean: ResponseCurve) -> ResponseCurve:
    """The concave hull of mean spend against mean value."""
    probabilities, curves = known
    spends = sum(p * np.minimum(mean.spends, curve.total_cost) for p, curve in zip(probabilities, curves, strict=True))
    hull = [0]
    for k in range(1, mean.spends.size):
        if spends[k] <= spends[hull[-1]]:
            continue
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            rise, here = mean.values[b] - mean.values[a], mean.values[k] - mean.values[b]
            if rise * (spends[k] - spends[b]) > here * (spends[b] - spends[a]):
                break
            hull.pop()
        hull.append(k)
    return ResponseCurve(spends[hull], mean.values[hull])


def _distribution(market: Any) -> tuple[tuple[str, ...], Distribution]:
    if isinstance(market, list):
        return tuple(f"channel {j + 1}" for j in range(len(market))), market
    found = known_distribution(market)
    if found is None:
        raise ValueError("market: does not tell its distribution; draw one with simulators.auctions.sampled_market")
    names = getattr(market, "names", None) or tuple(f"channel {j + 1}" for j in range(len(found)))
    return tuple(names), found
