"""Guarantees of budget learners: what holds in every run, what holds on average, and examples that separate the levers.

Source: Y. Deng, N. Golrezaei, P. Jaillet, J. C. N. Liang, V. Mirrokni, "Multi-channel Autobidding with Budget and ROI
Constraints", ICML 2023. Of the paper only the box of Algorithm 1 was at hand: the cap of the multipliers is its
equation (9); the other bounds and their constants are derived here, where the paper states orders.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import Trajectory, whole_number
from algos.guarantees import guarantee
from online.autobidding.benchmarks import ch_opt_period
from online.autobidding.goals import Distribution

__all__ = [
    "RoundCertificate",
    "budget_bound",
    "cap_gap_example",
    "clean_event_probability",
    "degradation_estimate",
    "dual_cap",
    "dual_mirror_descent_bound",
    "dual_violation_bound",
    "lever_gap_example",
    "min_horizon",
    "regret_bound",
    "roi_slack_bound",
    "round_certificate",
    "safe_mode_bound",
    "stop_gap_estimate",
]

_PAPER = "Deng et al., ICML 2023"


@guarantee(f"{_PAPER}, equation (9)", kind="upper", algorithm="SGDUCB", evidence="paper")
def dual_cap(n_channels: int, value_bound: float, budget: float, fallback: float, slack: float) -> float:
    """Both multipliers stay at or below C_F = M Vbar max(1 / (beta u), 1 / (rho - M u)).

    Parameters
    ----------
    n_channels, value_bound, budget, fallback, slack
        M >= 1, Vbar > 0, rho > 0, 0 < u < rho / M and beta > 0.
    """
    channels = _market(n_channels, budget, fallback, slack)
    _positive(value_bound=value_bound)
    return channels * value_bound * max(1.0 / (slack * fallback), 1.0 / (budget - channels * fallback))


@guarantee(f"{_PAPER}, loop test of Algorithm 1", kind="lower", algorithm="SGDUCB", evidence="derived")
def roi_slack_bound(slack: float) -> float:
    """Conversions less target times budgets are at least 0 at the end of every run with the guard and a true slack.

    Certain, for any conversions in [0, Vbar] before the stop and any after it whose sum in a period is at least
    (gamma M + beta) u. Proof: the last test that succeeded left room for the worst period, and each period at the
    fallback adds beta u.

    Parameters
    ----------
    slack : float > 0
        beta, at most the true one; overstated, the target can fail.
    """
    _positive(slack=slack)
    return 0.0


@guarantee(f"{_PAPER}, loop test of Algorithm 1", kind="upper", algorithm="SGDUCB", evidence="derived")
def budget_bound(horizon: int, budget: float) -> float:
    """Budgets sum to at most rho T in every run with the guard.

    Parameters
    ----------
    horizon, budget
        T >= 1 and rho >= 0.
    """
    return whole_number(horizon, "horizon", 1) * budget


@guarantee(f"{_PAPER}, loop test of Algorithm 1", kind="lower", algorithm="SGDUCB", evidence="derived")
def min_horizon(n_channels: int, budget: float, fallback: float, slack: float, roi_target: float) -> int:
    """In shorter runs the guard fires at once: T - 1 >= gamma M rho / (beta u), T >= M (rho - u) / (rho - M u).

    Parameters
    ----------
    n_channels, budget, fallback, slack, roi_target
        M, rho, u, beta and gamma.
    """
    channels = _market(n_channels, budget, fallback, slack)
    by_target = 1.0 + roi_target * channels * budget / (slack * fallback)
    by_budget = channels * (budget - fallback) / (budget - channels * fallback)
    horizon = max(1, math.ceil(by_target), math.ceil(by_budget))

    def may_begin(periods: int) -> bool:  # the loop test itself, where rounding decides
        left, most = periods - 1, channels * budget
        keeps_budget = most + channels * fallback * left <= budget * periods
        return slack * fallback * left >= roi_target * most and keeps_budget

    while horizon > 1 and may_begin(horizon - 1):
        horizon -= 1
    while not may_begin(horizon):
        horizon += 1
    return horizon


@guarantee(f"{_PAPER}, Algorithm 1; O(T^(2/3)) is the paper's", kind="upper", algorithm="SGDUCB", evidence="derived")
def regret_bound(
    horizon: int,
    n_channels: int,
    budget: float,
    roi_target: float,
    fallback: float,
    slack: float,
    value_bound: float,
    slope: float,
    *,
    arms: int,
    spacing: float,
    step: float,
) -> float:
    """Expected regret against `ch_opt_period`, with radius Vbar sqrt(2 ln T / N); for T >= 2.

    (1 + C) (M L delta T + 4 M Vbar sqrt(2 K T ln T)) + (eta/2) T (G1^2 + G2^2) + C^2 / (2 eta) + C M rho max(1, gamma)
    + M Vbar + K M Vbar + (eta/2) K^2 (G1^2 + G2^2) + 2 M K T^-2 (M Vbar + C (G1 + G2)), with C the cap,
    G1 = max(M Vbar, gamma M rho) and G2 = max(rho, (M - 1) rho). With delta of order T^(-1/3) it is of order
    T^(2/3) sqrt(log T). It says nothing (it exceeds T times the optimum) before T is about 1e10 with usual caps of 30
    to 60: check the slope of the regret and `round_certificate` instead.

    Parameters
    ----------
    horizon, n_channels, budget, roi_target, fallback, slack, value_bound
        T, M, rho, gamma, u, beta and Vbar.
    slope : float > 0
        L, the largest mean slope of a channel's response at 0.
    arms, spacing, step
        K, delta and eta.
    """
    periods, k = whole_number(horizon, "horizon", 2), whole_number(arms, "arms", 1)
    cap = dual_cap(n_channels, value_bound, budget, fallback, slack)
    _positive(slope=slope, spacing=spacing, step=step)
    m = n_channels
    g1 = max(m * value_bound, roi_target * m * budget)
    g2 = max(budget, (m - 1) * budget)
    exploring = m * slope * spacing * periods + 4 * m * value_bound * math.sqrt(2 * k * periods * math.log(periods))
    squares = step / 2 * (g1**2 + g2**2)
    return (
        (1 + cap) * exploring
        + squares * periods
        + cap**2 / (2 * step)
        + cap * m * budget * max(1.0, roi_target)
        + m * value_bound
        + k * m * value_bound
        + squares * k**2
        + 2 * m * k / periods**2 * (m * value_bound + cap * (g1 + g2))
    )


@guarantee("Hoeffding's inequality", kind="lower", algorithm="SGDUCB", evidence="derived")
def clean_event_probability(n_channels: int, arms: int, horizon: int) -> float:
    """All means stay within their radius Vbar sqrt(2 ln T / N) with probability at least 1 - 2 M K T^-3.

    Parameters
    ----------
    n_channels, arms, horizon
        M, K and T, each >= 1.
    """
    m, k = whole_number(n_channels, "n_channels", 1), whole_number(arms, "arms", 1)
    return max(0.0, 1.0 - 2.0 * m * k * float(whole_number(horizon, "horizon", 1)) ** -3)


class RoundCertificate(NamedTuple):
    """The per-round inequality of a run.

    Parameters
    ----------
    room : float64, shape (T,)
        Left side less right side; NaN in the periods of forced exploration and after the stop.
    clean : bool, shape (T,)
        Whether all means were within their radius: there the room is >= 0.
    """

    room: NDArray[np.float64]
    clean: NDArray[np.bool_]


@guarantee(f"{_PAPER}, Algorithm 1", kind="lower", algorithm="SGDUCB", evidence="derived")
def round_certificate(
    run: Trajectory, distribution: Distribution, roi_target: float, budget: float, radius: float
) -> RoundCertificate:
    """In every round with means within their radius, sum_j V_j(a_j) + lambda g1 + mu g2 + bonuses >= the optimum.

    The bonuses are 2 (1 + lambda) sum_j rad_j + (1 + lambda) M L delta, g1 = sum_j (V_j(a_j) - gamma a_j) and g2 = rho
    - sum_j a_j with the mean responses V_j and the multipliers with which the round began: compare the chosen arms
    with the optimal budgets rounded down to arms.

    Parameters
    ----------
    run : Trajectory
        Of `SGDUCB` in its normalised form or not, with ``trace=True`` and multipliers that start at 0.
    distribution, roi_target, budget
        The market's, gamma and rho.
    radius : float > 0
        The confidence radius times sqrt(N / (2 ln T)), in conversions: Vbar ``radius_scale``.
    """
    from algos.knapsack import mean_curve

    budgets, arms = run.outcome["period_budgets"], run.outcome["arms"]
    periods, channels = budgets.shape
    if periods < 2:
        raise ValueError("run: must be of at least 2 periods")
    curves = [mean_curve(known, probabilities) for probabilities, known in distribution]
    optimum = ch_opt_period(distribution, roi_target, budget).value
    truth = np.array([curve(arms) for curve in curves])
    slope = max(float(curve.marginal(0.0)) for curve in curves)
    before = np.vstack([np.zeros((1, 2)), run.outcome["period_multipliers"][:-1]])
    end = run.outcome["stopped"]
    chosen = np.abs(budgets[:end, :, None] - arms).argmin(axis=2)
    counts, sums = np.zeros(truth.shape), np.zeros(truth.shape)
    room, clean = np.full(periods, np.nan), np.zeros(periods, dtype=bool)
    rows, spread = np.arange(channels), radius * math.sqrt(2.0 * math.log(periods))
    for t in range(end):
        if t >= arms.size:
            lam, mu = before[t]
            rad = spread / np.sqrt(counts)
            clean[t] = bool(np.all(np.abs(sums / counts - truth) <= rad))
            value, spent = truth[rows, chosen[t]].sum(), arms[chosen[t]].sum()
            bonus = (1 + lam) * (2 * rad[rows, chosen[t]].sum() + channels * slope * float(np.diff(arms).max()))
            room[t] = value + lam * (value - roi_target * spent) + mu * (budget - spent) + bonus - optimum
        counts[rows, chosen[t]] += 1.0
        sums[rows, chosen[t]] += run.outcome["period_conversions"][t]
    return RoundCertificate(room, clean)


@guarantee("gradient steps on a multiplier that is not capped", kind="lower", algorithm="SGDUCB", evidence="derived")
def dual_violation_bound(start: float, end: float, step: float) -> float:
    """Without cap and guard, the sum of a constraint's slacks is at least -(end - start) / eta: no slack need be known.

    Each step moves the multiplier by at least -eta times the slack.

    Parameters
    ----------
    start, end : float >= 0
        The multiplier before the first and after the last period.
    step : float > 0
        eta.
    """
    _positive(step=step)
    return -(end - start) / step


@guarantee(f"{_PAPER}, with a buffer", kind="lower", algorithm="SGDUCB", evidence="derived")
def safe_mode_bound(buffer: float, roi_target: float, n_channels: int, budget: float) -> float:
    """With a buffer b no prefix of a run has a slack below -b - gamma M rho.

    Periods that begin below -b play the fallback, which adds to the slack; others lose at most gamma M rho.

    Parameters
    ----------
    buffer, roi_target, n_channels, budget
        b >= 0, gamma, M and rho.
    """
    return -buffer - roi_target * whole_number(n_channels, "n_channels", 1) * budget


def stop_gap_estimate(
    roi_multiplier: float, step: float, slack: float, fallback: float, drift: float, horizon: int
) -> float:
    """About how many periods before the end the guard fires where the target binds; an estimate, not a bound.

    min(lambda* / eta, drift T) / (beta u): until the multiplier has climbed to its optimum, about so much slack is
    lost, and the guard must leave time to repay it.

    Parameters
    ----------
    roi_multiplier : float >= 0
        lambda* of the optimum.
    step, slack, fallback
        eta, beta and u.
    drift : float >= 0
        Slack lost in a period while the multiplier is 0.
    horizon : int >= 1
        T.
    """
    return min(roi_multiplier / step, drift * horizon) / (slack * fallback)


@guarantee(
    "Balseiro, Lu, Mirrokni, Operations Research 2023", kind="upper", algorithm="AdaptivePacing", evidence="secondary"
)
def dual_mirror_descent_bound(
    horizon: int, step: float, value_bound: float, cost_bound: float, rate: float, start: float = 0.0
) -> float:
    """Regret of dual mirror descent with squared norms and one budget: C1 + C2 eta T + C3 / eta, independent requests.

    C1 = fbar bbar / rho, C2 = (bbar + rho)^2 / 2, C3 = max{(mu - mu_1)^2 / 2: mu in {0, fbar / rho}}.

    Parameters
    ----------
    horizon, step
        T and eta.
    value_bound, cost_bound : float > 0
        fbar and bbar, the largest value and the largest cost of a request.
    rate : float > 0
        rho, the budget per request.
    start : float >= 0
        mu_1.
    """
    _positive(step=step, value_bound=value_bound, cost_bound=cost_bound, rate=rate)
    c3 = max((mu - start) ** 2 / 2 for mu in (0.0, value_bound / rate))
    return value_bound * cost_bound / rate + (cost_bound + rate) ** 2 / 2 * step * horizon + c3 / step


@guarantee(
    f"{_PAPER}, Theorem 3.2 with numbers of our own", kind="identity", algorithm="ch_opt_targets", evidence="derived"
)
def lever_gap_example(eps: float) -> tuple[float, float]:
    """Targets alone can be arbitrarily bad: the global optimum 1 + 0.5 / eps against 1.

    gamma = 1, no budget; channel 1 has one auction (v = 1, d = 0.5), channel 2 one (v = 1 / eps^2, d = (1 + eps) /
    eps^2).

    Parameters
    ----------
    eps : float in (0, 1]
        Loss of the second channel per unit of value.
    """
    if not 0.0 < eps <= 1.0:
        raise ValueError(f"eps: {eps!r} is not in (0, 1]")
    return 1.0 + 0.5 / eps, 1.0


@guarantee(
    f"{_PAPER}, Corollary 3.4 with budgets of each period",
    kind="identity",
    algorithm="ch_opt_period",
    evidence="derived",
)
def cap_gap_example(q: float, high: float, eps: float) -> tuple[float, float]:
    """Budgets of each period can be arbitrarily bad: q X against q (q X + (1 - q) eps).

    One channel with an auction of cost 1, worth X with probability q and eps otherwise; rho = q, gamma = 0.

    Parameters
    ----------
    q, high, eps
        q in (0, 1), X and eps with X >= eps >= 0.
    """
    if not 0.0 < q < 1.0:
        raise ValueError(f"q: {q!r} is not in (0, 1)")
    if not high >= eps >= 0.0:
        raise ValueError(f"high: {high!r} is not >= eps = {eps!r} >= 0")
    return q * high, q * (q * high + (1.0 - q) * eps)


def degradation_estimate(roi_multiplier: float, loss: ArrayLike) -> NDArray[np.float64]:
    """About the share of the optimum that is lost when channels miss a small share of conversions: (1 + lambda*) eps.

    Exact while the multiplier of the degraded problem stays 0.

    Parameters
    ----------
    roi_multiplier : float >= 0
        lambda* of the optimum.
    loss : float in [0, 1]
        eps.
    """
    return np.asarray((1.0 + roi_multiplier) * np.asarray(loss, dtype=np.float64))


def _market(n_channels: int, budget: float, fallback: float, slack: float) -> int:
    channels = whole_number(n_channels, "n_channels", 1)
    _positive(budget=budget, slack=slack)
    if not 0.0 < fallback < budget / channels:
        raise ValueError(f"fallback: {fallback!r} is not in (0, {budget / channels:g})")
    return channels


def _positive(**numbers: Any) -> None:
    for name, value in numbers.items():
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a number > 0")
