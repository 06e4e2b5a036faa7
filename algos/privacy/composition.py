"""What several private releases cost together, and what sampling and groups change.

Sources: C. Dwork, A. Roth, "The algorithmic foundations of differential privacy", 2014 (composition, groups);
P. Kairouz, S. Oh, P. Viswanath, "The composition theorem for differential privacy", 2017 (the optimum for pure
releases); M. Bun, T. Steinke, "Concentrated differential privacy", 2016; C. L. Canonne, G. Kamath, T. Steinke, NeurIPS
2020 (conversions); I. Mironov, K. Talwar, L. Zhang, "Renyi differential privacy of the sampled Gaussian mechanism",
2019. Known results, not looked up again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from algos.contracts import whole_number
from algos.guarantees import guarantee
from algos.privacy.budgets import check_delta, check_epsilon, check_noise_multiplier, is_number

__all__ = [
    "advanced_composition",
    "basic_composition",
    "group_privacy",
    "optimal_pure_composition",
    "parallel_composition",
    "rdp_epsilon",
    "sampled_gaussian_rdp",
    "subsampled",
    "zcdp_epsilon",
]


@guarantee("Dwork & Roth 2014, Theorem 3.16", kind="upper", algorithm="composition", evidence="textbook")
def basic_composition(budgets: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Releases with budgets (epsilon_i, delta_i) have the sums of both together.

    Parameters
    ----------
    budgets : sequence of (epsilon, delta)
        epsilon in (0, inf], delta in [0, 1).
    """
    checked = [(check_epsilon(epsilon), _share(delta)) for epsilon, delta in budgets]
    return math.fsum(epsilon for epsilon, _ in checked), min(1.0, math.fsum(delta for _, delta in checked))


@guarantee("Dwork & Roth 2014, parallel composition", kind="upper", algorithm="composition", evidence="textbook")
def parallel_composition(budgets: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Releases on disjoint parts of the records cost the largest epsilon and the largest delta.

    Parameters
    ----------
    budgets : sequence of (epsilon, delta), at least one
    """
    checked = [(check_epsilon(epsilon), _share(delta)) for epsilon, delta in budgets]
    if not checked:
        raise ValueError("budgets: there are none")
    return max(epsilon for epsilon, _ in checked), max(delta for _, delta in checked)


@guarantee("Dwork & Roth 2014, Theorem 3.20", kind="upper", algorithm="composition", evidence="textbook")
def advanced_composition(epsilon: float, delta: float, count: int, slack: float) -> tuple[float, float]:
    """K releases cost epsilon sqrt(2 k ln(1 / d')) + k epsilon (e^epsilon - 1), with k delta + d'.

    Parameters
    ----------
    epsilon : float > 0
    delta : float in [0, 1)
        Of each release.
    count : int >= 0
        k.
    slack : float in (0, 1)
        d'.

    Examples
    --------
    >>> round(advanced_composition(0.1, 1e-7, 100, 1e-6)[0], 10)
    6.3082309505
    """
    k, each = whole_number(count, "count", 0), check_epsilon(epsilon)
    rest = check_delta(slack)
    return each * math.sqrt(2 * k * math.log(1 / rest)) + k * each * math.expm1(each), min(
        1.0, k * _share(delta) + rest
    )


@guarantee("Kairouz, Oh & Viswanath 2017, Theorem 3.3", kind="identity", algorithm="composition", evidence="textbook")
def optimal_pure_composition(epsilon: float, count: int, delta: float) -> float:
    """The least epsilon' = (k - 2i) epsilon that k epsilon-private releases keep with delta, whatever they are.

    Parameters
    ----------
    epsilon : float in (0, 50]
    count : int >= 0
        k.
    delta : float in (0, 1)

    Examples
    --------
    >>> round(optimal_pure_composition(0.1, 100, 1e-6), 10)
    4.8
    """
    k, each, allowed = whole_number(count, "count", 0), check_epsilon(epsilon), check_delta(delta)
    if each > 50:
        raise ValueError(f"epsilon: {epsilon!r} is above 50")
    for i in range(k // 2, -1, -1):
        terms = [
            math.exp(_log_choose(k, j) + (k - j) * each - k * math.log1p(math.exp(each)))
            * -math.expm1((2 * j - 2 * i) * each)
            for j in range(i)
        ]
        if math.fsum(terms) <= allowed:
            return (k - 2 * i) * each
    return k * each


@guarantee("Dwork & Roth 2014, Theorem 2.2", kind="upper", algorithm="group privacy", evidence="textbook")
def group_privacy(epsilon: float, delta: float, size: int) -> tuple[float, float]:
    """A group of k records is protected with k epsilon and k e^{(k - 1) epsilon} delta.

    Parameters
    ----------
    epsilon : float > 0
    delta : float in [0, 1)
    size : int >= 1
        k.
    """
    k, each = whole_number(size, "size", 1), check_epsilon(epsilon)
    return k * each, min(1.0, k * math.exp(min((k - 1) * each, 700.0)) * _share(delta))


@guarantee("amplification by subsampling", kind="upper", algorithm="subsampling", evidence="textbook")
def subsampled(epsilon: float, delta: float, rate: float) -> tuple[float, float]:
    """A release on a random share q of the records costs ln(1 + q (e^epsilon - 1)) and q delta.

    For Poisson sampling with records added or removed, and for samples of fixed size with records replaced.

    Parameters
    ----------
    epsilon : float > 0
    delta : float in [0, 1)
    rate : float in (0, 1]
        q.

    Examples
    --------
    >>> round(subsampled(1.0, 1e-5, 0.01)[0], 10)
    0.0170368632
    """
    each, q = check_epsilon(epsilon), _rate(rate)
    if each > 700.0:
        return each + math.log(q), q * _share(delta)
    return math.log1p(q * math.expm1(each)), q * _share(delta)


@guarantee("Bun & Steinke 2016; Canonne, Kamath & Steinke 2020", kind="upper", algorithm="zCDP", evidence="textbook")
def zcdp_epsilon(rho: float, delta: float) -> float:
    """rho-zCDP costs epsilon = min over a > 1 of a rho + ln(1 - 1/a) - ln(delta a) / (a - 1).

    Parameters
    ----------
    rho : float >= 0
        Delta^2 / (2 sigma^2) for Gaussian and for discrete Gaussian noise; sums over releases.
    delta : float in (0, 1)

    Examples
    --------
    >>> round(zcdp_epsilon(0.5, 1e-5), 5)
    4.72839
    """
    from scipy.optimize import minimize_scalar

    allowed = check_delta(delta)
    if not is_number(rho) or not 0.0 <= rho < math.inf:
        raise ValueError(f"rho: {rho!r} is not a finite number >= 0")
    if rho == 0.0:
        return 0.0

    def cost(x: float) -> float:  # x = ln(a - 1)
        a = 1.0 + math.exp(x)
        return a * rho + math.log1p(-1.0 / a) - math.log(allowed * a) / (a - 1.0)

    found = minimize_scalar(cost, bounds=(-15.0, 25.0), method="bounded", options={"xatol": 1e-10})
    return max(0.0, float(found.fun))


@guarantee("Mironov, Talwar & Zhang 2019", kind="identity", algorithm="Poisson-sampled Gaussian", evidence="textbook")
def sampled_gaussian_rdp(rate: float, noise_multiplier: float, order: int) -> float:
    """Renyi divergence of a whole order a of Gaussian noise on a Poisson sample, records added or removed.

    ln(sum_k C(a, k) (1 - q)^{a-k} q^k exp((k^2 - k) / (2 z^2))) / (a - 1).

    Parameters
    ----------
    rate : float in (0, 1]
        q.
    noise_multiplier : float > 0
        z.
    order : int >= 2
        a.

    Examples
    --------
    >>> f"{sampled_gaussian_rdp(0.01, 1.0, 4):.7e}"
    '3.6315405e-04'
    """
    q, z, a = _rate(rate), check_noise_multiplier(noise_multiplier), whole_number(order, "order", 2)
    if q == 1.0:
        return a / (2 * z**2)
    logs = [
        _log_choose(a, k) + (a - k) * math.log1p(-q) + k * math.log(q) + (k * k - k) / (2 * z**2) for k in range(a + 1)
    ]
    # 1 and the first order of q cancel: the sum without them, and log1p, keep small values.
    top = max(logs)
    if top < 0.5:
        rest = math.fsum(math.exp(log) * -math.expm1(-(k * k - k) / (2 * z**2)) for k, log in enumerate(logs))
        return math.log1p(rest) / (a - 1)
    return (top + math.log(math.fsum(math.exp(log - top) for log in logs))) / (a - 1)


def rdp_epsilon(orders: Sequence[int], divergences: Sequence[float], delta: float) -> float:
    """The best conversion of Renyi divergences r_a: min over a of r + ln(1 - 1/a) - ln(delta a) / (a - 1).

    Parameters
    ----------
    orders : sequence of int >= 2
    divergences : sequence of float >= 0
        Sums over the releases.
    delta : float in (0, 1)
    """
    allowed = check_delta(delta)
    a, r = np.asarray(orders, dtype=np.float64), np.asarray(divergences, dtype=np.float64)
    if a.size == 0 or a.shape != r.shape or not (a > 1).all() or not (r >= 0).all():
        raise ValueError("divergences: must be one number >= 0 for each of at least one order > 1")
    costs: NDArray[np.float64] = r + np.log1p(-1 / a) - np.log(allowed * a) / (a - 1)
    return max(0.0, float(costs.min()))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _share(delta: float) -> float:
    if not is_number(delta) or not 0.0 <= delta < 1.0:
        raise ValueError(f"delta: {delta!r} is not a number in [0, 1)")
    return float(delta)


def _rate(rate: float) -> float:
    if not is_number(rate) or not 0.0 < rate <= 1.0:
        raise ValueError(f"rate: {rate!r} is not a number in (0, 1]")
    return float(rate)
