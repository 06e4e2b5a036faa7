"""How stationary optimizers end: explicit upper bounds, rates, and what no private method can beat.

mu is the budget in Gaussian terms, `algos.privacy.gaussian_mu`; records are replaced (a record's gradient moves the
sum by up to 2 L0). Bounds are on the root of the mean square of the true gradient's norm at an iterate drawn uniformly.

Source: Arora et al., ICML 2023 (rates, lower bounds); explicit constants are derived here, as the specification's. So
are those of the methods without privacy, whose papers are named at each.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from algos.contracts import whole_number
from algos.guarantees import guarantee

__all__ = [
    "descent_bound",
    "empirical_lower_bound",
    "page_bound_holds",
    "sgd_bound",
    "spider_accuracy_bound",
    "spider_bound",
    "spider_bound_holds",
    "spider_error_bound",
    "spider_leading_bound",
    "spider_rate",
    "svrg_bound",
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


@guarantee(f"{_PAPER}, Lemma 4.1", kind="upper", algorithm="PrivateSpiderBoost", evidence="paper")
def spider_error_bound(anchor_error: float, variation_error: float, moves: ArrayLike) -> float:
    """Mean squared error of an estimate within a phase: tau1^2 + tau2^2 sum_k E |w_k - w_{k-1}|^2.

    With full batches and the cap of the variations' noise out of reach it is an equality.

    Parameters
    ----------
    anchor_error, variation_error : float >= 0
        tau1^2 and tau2^2, as for `spider_bound` and `spider_bound_holds`.
    moves : float, shape (k,)
        Mean squared distances of consecutive iterates since the anchor.
    """
    squares = np.asarray(moves, dtype=np.float64)
    if not (anchor_error >= 0.0 and variation_error >= 0.0 and (squares >= 0.0).all()):
        raise ValueError("anchor_error, variation_error, moves: must be numbers >= 0")
    return anchor_error + variation_error * float(squares.sum())


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


@guarantee("S. Ghadimi, G. Lan, 2013, with constants", kind="upper", algorithm="SGD", evidence="derived")
def sgd_bound(horizon: int, step: float, gap: float, smoothness: float, variance: float) -> float:
    """Root mean square of the gradients over T iterates of SGD, eta <= 1 / L1: sqrt(2 F0 / (eta T) + eta L1 sigma^2).

    Parameters
    ----------
    horizon : int >= 1
        T.
    step, gap, smoothness : float > 0
        eta, F0 and L1.
    variance : float >= 0
        sigma^2, of a batch's mean gradient; at most L0^2 / b.
    """
    _in_reach(step, smoothness)
    return math.sqrt(2.0 * gap / (step * whole_number(horizon, "horizon", 1)) + step * smoothness * variance)


@guarantee("S. Reddi et al. 2016, with constants", kind="upper", algorithm="SVRG", evidence="derived")
def svrg_bound(horizon: int, step: float, gap: float, smoothness: float, phase: int, batch: int = 1) -> float:
    """Root mean square of the gradients over T iterates of SVRG: sqrt(F0 / (gamma T)), or inf where gamma <= 0.

    With a snapshot every m steps, any b > 0, c_m = 0, c_t = c_{t+1} (1 + eta b + eta^2 L1^2 / B) + L1^3 eta^2 / (2 B),
    F + c_t |w - snapshot|^2 falls by gamma_t |grad F|^2 in expectation, gamma_t = eta - L1 eta^2 / 2 - c_{t+1} (eta / b
    + eta^2); gamma is the least, and b the best of a grid. O(m).

    Parameters
    ----------
    horizon : int >= 1
        T.
    step, gap, smoothness : float > 0
        eta, F0 and L1.
    phase : int >= 1
        m.
    batch : int >= 1
        B.
    """
    _in_reach(step, smoothness)
    m, size = whole_number(phase, "phase", 1), whole_number(batch, "batch", 1)
    best = 0.0
    for b in smoothness * np.geomspace(1e-4, 10.0, 61):
        growth = step * b + (step * smoothness) ** 2 / size
        start = smoothness**3 * step**2 / (2.0 * size)
        powers = (m - 1) * math.log1p(growth)
        # c_1, the largest that counts; beyond the numbers nothing is left of gamma.
        c = start * math.expm1(powers) / growth if powers < 700.0 else math.inf
        best = max(best, step - 0.5 * smoothness * step**2 - c * (step / b + step**2))
    return math.sqrt(gap / (best * whole_number(horizon, "horizon", 1))) if best > 0.0 else math.inf


@guarantee("C. Fang et al. 2018, with constants", kind="upper", algorithm="Spider", evidence="derived")
def spider_accuracy_bound(horizon: int, accuracy: float, gap: float, smoothness: float) -> float:
    """Mean of the gradient's norm over T iterates of SPIDER with q <= b: 4 L1 F0 / (accuracy T) + 4 accuracy.

    A step is at most accuracy / L1 long, so the estimate is off by at most the accuracy in mean square; with eta |v|^2
    >= accuracy |v| / L1 - 2 accuracy^2 / L1 the descent lemma gives the rest. T = 4 L1 F0 / accuracy^2 makes it 5 times
    the accuracy.

    Parameters
    ----------
    horizon : int >= 1
        T.
    accuracy, gap, smoothness : float > 0
        The accuracy aimed at, F0 and L1.
    """
    return 4.0 * smoothness * gap / (accuracy * whole_number(horizon, "horizon", 1)) + 4.0 * accuracy


def page_bound_holds(step: float, smoothness: float, restart: float, batch: int) -> bool:
    """Whether sqrt(2 F0 / (eta T)) bounds PAGE: eta^2 L1^2 (1 - p) / (p b) <= 1 - eta L1.

    Parameters
    ----------
    step, smoothness : float > 0
    restart : float in (0, 1]
        p.
    batch : int >= 1
        b.
    """
    return (step * smoothness) ** 2 * (1.0 - restart) / (restart * batch) <= 1.0 - step * smoothness + 1e-12


def _in_reach(step: float, smoothness: float) -> None:
    if not 0.0 < step * smoothness <= 1.0 + 1e-12:
        raise ValueError(f"step: {step!r} is not in (0, 1 / L1] = (0, {1.0 / smoothness:g}]")


def _positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number > 0")
