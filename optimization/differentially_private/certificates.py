"""How stationary private optimizers end: explicit upper bounds, rates, and what no private method can beat.

mu is the budget in Gaussian terms, `algos.privacy.gaussian_mu`; records are replaced (a record's gradient moves the
sum by up to 2 L0). Bounds are on the root of the mean square of the true gradient's norm at an iterate drawn uniformly.

Source: Arora et al., ICML 2023 (rates, lower bounds); explicit constants are derived here, as the specification's.
"""

from __future__ import annotations

import math

from algos.contracts import whole_number
from algos.guarantees import guarantee

__all__ = [
    "descent_bound",
    "empirical_lower_bound",
    "spider_bound",
    "spider_bound_holds",
    "spider_leading_bound",
    "spider_rate",
    "tuned_descent_bound",
]

_PAPER = "arXiv:2206.00846"


@guarantee(f"{_PAPER}, Theorem 4.2; its order", kind="upper", algorithm="PrivateSpiderBoost", evidence="paper")
def spider_rate(
    n_records: int, dimension: int, epsilon: float, delta: float, lipschitz: float, smoothness: float, gap: float
) -> float:
    """The order of the gradient's norm: (sqrt(F0 L1 L0) a)^{2/3} + L0 a with a = sqrt(d ln(1/delta)) / (n epsilon).

    Constants are hidden: a slope, not a bound. Note that the printed theorem has a factor L1^2 too much in the phase's
    length, which is dimensionally wrong and contradicts its proof; the specification's erratum is used.

    Parameters
    ----------
    n_records, dimension, epsilon, delta
    lipschitz, smoothness, gap
        L0, L1 and F0.
    """
    _positive(epsilon=epsilon, lipschitz=lipschitz, smoothness=smoothness, gap=gap)
    a = math.sqrt(dimension * math.log(1.0 / delta)) / (whole_number(n_records, "n_records", 1) * epsilon)
    return (math.sqrt(gap * smoothness * lipschitz) * a) ** (2.0 / 3.0) + lipschitz * a


@guarantee(f"{_PAPER}, Lemma 4.1 with constants", kind="upper", algorithm="PrivateSpiderBoost", evidence="derived")
def spider_bound(horizon: int, step: float, gap: float, anchor_error: float) -> float:
    """Root mean square of the gradient's norm over T iterates: sqrt(2 F0 / (eta T) + tau1^2).

    It holds where `spider_bound_holds`.

    Parameters
    ----------
    horizon : int >= 1
        T, releases.
    step : float > 0
        eta <= 1 / L1.
    gap : float > 0
        F0.
    anchor_error : float >= 0
        tau1^2 = (1 - b1/n) L0^2 / b1 + d sigma1^2, the mean squared error of a released gradient of an anchor.
    """
    _positive(step=step, gap=gap)
    return math.sqrt(2.0 * gap / (step * whole_number(horizon, "horizon", 1)) + anchor_error)


def spider_bound_holds(step: float, smoothness: float, variation_error: float, phase: int) -> bool:
    """Whether `spider_bound` is proved: eta^2 tau2^2 (q - 1) <= 1 - eta L1.

    Parameters
    ----------
    step, smoothness
        eta and L1.
    variation_error : float >= 0
        tau2^2 = (1 - b2/n) L1^2 / b2 + d sigma2^2, the mean squared error of a variation per squared distance.
    phase : int >= 1
        q.
    """
    return step**2 * variation_error * (phase - 1) <= 1.0 - step * smoothness


@guarantee(f"{_PAPER}, Lemma 4.1 with constants", kind="upper", algorithm="PrivateSpiderBoost", evidence="derived")
def spider_leading_bound(
    n_records: int, dimension: int, mu: float, lipschitz: float, smoothness: float, gap: float
) -> float:
    """The leading term of the bound with the tuned schedule: 3.8883 (sqrt(F0 L1 L0 d) / (n mu))^{2/3}.

    Parameters
    ----------
    n_records, dimension, mu, lipschitz, smoothness, gap
    """
    _positive(mu=mu, lipschitz=lipschitz, smoothness=smoothness, gap=gap)
    size = whole_number(n_records, "n_records", 1) * mu
    return 3.8883 * (math.sqrt(gap * smoothness * lipschitz * dimension) / size) ** (2.0 / 3.0)


@guarantee("Wang, Ye, Xu 2017, with constants", kind="upper", algorithm="DPGD", evidence="derived")
def descent_bound(horizon: int, gap: float, smoothness: float, noise_error: float) -> float:
    """Root mean square of the gradient's norm of noisy gradient descent, eta = 1/L1: sqrt(2 L1 F0 / T + d sigma^2).

    Parameters
    ----------
    horizon : int >= 1
        T.
    gap, smoothness
        F0 and L1.
    noise_error : float >= 0
        d sigma^2, the mean squared norm of the noise on a mean gradient.
    """
    _positive(gap=gap, smoothness=smoothness)
    return math.sqrt(2.0 * smoothness * gap / whole_number(horizon, "horizon", 1) + noise_error)


@guarantee("Wang, Ye, Xu 2017, with constants", kind="upper", algorithm="DPGD", evidence="derived")
def tuned_descent_bound(
    n_records: int, dimension: int, mu: float, lipschitz: float, smoothness: float, gap: float
) -> float:
    """The same with the best number of steps: 2.3784 sqrt(L0 sqrt(d L1 F0) / (n mu)).

    In a generalised linear model the rank of the records takes the place of d: noise outside their span is invisible.

    Parameters
    ----------
    n_records, dimension, mu, lipschitz, smoothness, gap
    """
    _positive(mu=mu, lipschitz=lipschitz, smoothness=smoothness, gap=gap)
    size = whole_number(n_records, "n_records", 1) * mu
    return 2.3784142300054423 * math.sqrt(lipschitz * math.sqrt(dimension * smoothness * gap) / size)


@guarantee(f"{_PAPER}, Theorem 4.3; its order", kind="lower", algorithm="any private method", evidence="paper")
def empirical_lower_bound(n_records: int, dimension: int, epsilon: float, delta: float, lipschitz: float) -> float:
    """No private method beats the order L0 min(1, sqrt(d ln(1/delta)) / (n epsilon)) on all convex sums.

    Parameters
    ----------
    n_records, dimension, epsilon, delta, lipschitz
        epsilon = O(1), and delta between 2^{-Omega(n)} and n^{-1 - Omega(1)}.
    """
    _positive(epsilon=epsilon, lipschitz=lipschitz)
    a = math.sqrt(dimension * math.log(1.0 / delta)) / (whole_number(n_records, "n_records", 1) * epsilon)
    return lipschitz * min(1.0, a)


def _positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number > 0")
