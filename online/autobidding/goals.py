"""What the advertiser wants, and what must be known of the market for the guarantees.

Source: Y. Deng et al., ICML 2023; the slack of the fallback budget and how it is found are derived here.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from algos.knapsack import ResponseCurve

__all__ = [
    "Distribution",
    "Fallback",
    "Market",
    "SlaterError",
    "best_fallback",
    "beta_max",
    "check_slack",
    "known_distribution",
    "worst_curves",
]

Distribution = list[tuple[NDArray[np.float64], list[ResponseCurve]]]


class SlaterError(ValueError):
    """No budget keeps the target with certainty, so that no learner can guarantee it."""


class Market(Protocol):
    """What a market must offer to learners of its budgets; any object of this shape will do.

    ``open(rng)`` begins with the first period and returns an object with ``next(n)``, the
    `algos.responses.ResponseBlock` of the next n periods, or with ``respond(budgets)``, the conversions and the spends
    of the next period.

    Optional are ``names``; ``n_periods``, how many periods it lasts; ``distribution()``, of each channel the
    probabilities of its realisations and their response curves; ``value_bound(budget)``, the most conversions of one
    channel in a period.
    """

    @property
    def n_channels(self) -> int:
        """M."""
        ...

    def open(self, rng: np.random.Generator) -> Any:
        """Begin, drawing from `rng` only."""
        ...


class Fallback(NamedTuple):
    """A budget for each channel that keeps the target even in the worst period, with how much to spare."""

    budget: float
    slack: float


def known_distribution(market: Any) -> Distribution | None:
    """The market's distribution, or None."""
    found: Distribution | None = getattr(market, "distribution", lambda: None)()
    return found


def worst_curves(distribution: Distribution, spends: NDArray[np.float64]) -> NDArray[np.float64]:
    """sum_j min_z V_j(s; z), for each spend."""
    total = np.zeros(np.shape(spends))
    for _, curves in distribution:
        total = total + np.min([curve(spends) for curve in curves], axis=0)
    return total


def beta_max(distribution: Distribution, fallback: float, roi_target: float) -> float:
    """The largest slack of a fallback budget: sum_j min_z V_j(u; z) / u - gamma M.

    Parameters
    ----------
    distribution : list of (probabilities, curves)
        Of each channel; ``market.distribution()``.
    fallback : float > 0
        u, the budget of every channel.
    roi_target : float >= 0
        gamma.
    """
    if not 0.0 < fallback < math.inf:
        raise ValueError(f"fallback: {fallback!r} is not a number > 0")
    worst = float(worst_curves(distribution, np.array([fallback]))[0])
    return worst / fallback - roi_target * len(distribution)


def best_fallback(distribution: Distribution, roi_target: float, budget: float, *, share: float = 0.999) -> Fallback:
    """The fallback budget that repays a violated target fastest: argmax_u [sum_j min_z V_j(u; z) - gamma M u].

    Parameters
    ----------
    distribution, roi_target
        As for `beta_max`.
    budget : float > 0
        rho.
    share : float in (0, 1)
        u is at most this share of rho / M. Near 1 the fallback uses up the budget, and the guard must fire at once.

    Returns
    -------
    Fallback
        u and ``beta_max(u)``. The minimum of concave piecewise-linear curves has its corners where one of them has its
        own or two cross: both are tried, and the largest one.
    """
    if not 0.0 < share < 1.0:
        raise ValueError(f"share: {share!r} is not in (0, 1)")
    channels = len(distribution)
    end = share * budget / channels
    corners = [np.array([end])]
    for _, curves in distribution:
        own = np.unique(np.concatenate([curve.spends for curve in curves]).astype(np.float64))
        own = np.unique(np.append(own[(own > 0) & (own < end)], [0.0, end]))
        table = np.array([curve(own) for curve in curves])
        corners.append(own[own > 0])
        for a in range(len(curves)):
            for b in range(a):
                gap = table[a] - table[b]
                k = np.flatnonzero(gap[:-1] * gap[1:] < 0)
                corners.append(own[k] + (own[k + 1] - own[k]) * gap[k] / (gap[k] - gap[k + 1]))
    tried = np.unique(np.concatenate(corners))
    gains = worst_curves(distribution, tried) - roi_target * channels * tried
    best = float(tried[int(np.argmax(gains))])
    return Fallback(best, beta_max(distribution, best, roi_target))


def check_slack(distribution: Distribution | None, fallback: float, slack: float | None, roi_target: float) -> float:
    """The slack to count on.

    Raises
    ------
    SlaterError
        When the market is known and the fallback has none.
    ValueError
        When the market is not known and no slack is given.
    """
    if distribution is None:
        if slack is None:
            raise ValueError(
                "slack: the market does not tell its distribution; give the slack beta > 0 of the fallback budget, "
                'or guard="budget", which does not keep the target for certain'
            )
        warnings.warn(
            f"slack = {slack:g} cannot be checked: the market does not tell its distribution", UserWarning, stacklevel=4
        )
        return slack
    most = beta_max(distribution, fallback, roi_target)
    if most <= 0.0:
        raise SlaterError(
            f"fallback = {fallback:g}: in the worst period its return is {roi_target * len(distribution) + most:g} for "
            f"all {len(distribution)} channels, at most gamma M = {roi_target * len(distribution):g}; "
            'another fallback, a lower target, or guard="budget"'
        )
    if slack is not None and slack > most * (1 + 1e-12):
        warnings.warn(f"slack = {slack:g} is above the largest one, {most:g}: the target may fail", stacklevel=4)
    return most if slack is None else slack
