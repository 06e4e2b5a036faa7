"""Gaussian noise: how much is enough for a budget, and what a number of releases costs, exactly.

A release with sensitivity Delta and noise of standard deviation sigma is mu-Gaussian private (GDP) with mu = Delta /
sigma; releases compose to the root of the sum of squares, also when later ones depend on earlier ones.

Sources: C. Dwork, A. Roth, "The algorithmic foundations of differential privacy", 2014 (classical calibration);
B. Balle, Y.-X. Wang, "Improving the Gaussian mechanism for differential privacy", 2018, Theorem 8 (analytic
calibration); J. Dong, A. Roth, W. Su, "Gaussian differential privacy", 2022 (composition).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import numpy as np

from algos.guarantees import guarantee
from algos.privacy.budgets import check_delta, check_epsilon, check_noise_multiplier, is_number

__all__ = [
    "Calibration",
    "composed_mu",
    "gaussian_delta",
    "gaussian_epsilon",
    "gaussian_mu",
    "gaussian_sigma",
]

Calibration = Literal["analytic", "classical"]

_SMALLEST_GAUSSIAN_DELTA = 1e-300  # below it float64 cannot tell by how much delta is exceeded
_ROOT_2_PI = math.sqrt(2.0 * math.pi)
_NODES, _WEIGHTS = (part.tolist() for part in np.polynomial.legendre.leggauss(20))


def gaussian_sigma(
    epsilon: float, delta: float, *, sensitivity: float = 1.0, calibration: Calibration = "analytic"
) -> float:
    """Standard deviation of Gaussian noise that makes a number of the given sensitivity (epsilon, delta)-private.

    Parameters
    ----------
    epsilon : float > 0
        May be inf: no noise.
    delta : float in [1e-300, 1)
        Chance by which the ratio may be exceeded, roughly.
    sensitivity : float > 0
        How far one record can move the number.
    calibration : {"analytic", "classical"}
        The least that is enough (Balle & Wang 2018), or sqrt(2 ln(1.25 / delta)) / epsilon, proved for epsilon <= 1.

    Raises
    ------
    ValueError
        When an argument is out of its range, epsilon > 1 with the classical calibration included.

    Examples
    --------
    >>> round(gaussian_sigma(1.0, 1e-5), 6), round(gaussian_sigma(1.0, 1e-5, calibration="classical"), 6)
    (3.730632, 4.844805)
    """
    epsilon, delta = check_epsilon(epsilon), check_delta(delta)
    if delta < _SMALLEST_GAUSSIAN_DELTA:
        raise ValueError(f"delta: {delta} is outside [{_SMALLEST_GAUSSIAN_DELTA}, 1), where noise can be calibrated")
    if not 0.0 < sensitivity < math.inf:
        raise ValueError(f"sensitivity: {sensitivity} is outside (0, inf)")
    if epsilon == math.inf:
        return 0.0
    if calibration == "classical":
        if epsilon > 1.0:
            raise ValueError(f"epsilon: {epsilon} is above 1, where the classical calibration is not private")
        return sensitivity * math.sqrt(2.0 * math.log(1.25 / delta)) / epsilon
    if calibration != "analytic":
        raise ValueError(f"calibration: {calibration!r} is neither 'analytic' nor 'classical'")
    low, high = -1.0, 1.0  # powers of e around the answer
    while gaussian_delta(math.exp(low), epsilon) <= delta:
        low -= 1.0
    while gaussian_delta(math.exp(high), epsilon) > delta:
        high += 1.0
    while high - low > 1e-15 * max(1.0, abs(high)):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (low, middle) if gaussian_delta(math.exp(middle), epsilon) <= delta else (middle, high)
    # The end at which delta is kept, and more than rounding can have taken away.
    return sensitivity * math.exp(high) * (1.0 + 1e-12)


@guarantee("Balle & Wang 2018, Theorem 8", kind="identity", algorithm="Gaussian mechanism", evidence="textbook")
def gaussian_delta(sigma: float, epsilon: float) -> float:
    """The least delta of Gaussian noise on a sum that one record moves by 1: Phi(a - b) - e^epsilon Phi(-a - b).

    Parameters
    ----------
    sigma : float > 0
        Standard deviation of the noise, finite; a = 1 / (2 sigma) and b = epsilon sigma.
    epsilon : float >= 0
        Privacy budget; may be inf.

    Notes
    -----
    The second term is phi(b - a) R(b + a) with Mills' ratio R(x) = Phi(-x) / phi(x). For a < 1 the two terms may agree
    in all their digits; then the value is phi(b - a) times the integral of -R' = 1 - x R(x) from b - a to b + a.
    """
    from scipy.special import erfcx, ndtr

    if not is_number(sigma) or not 0.0 < sigma < math.inf:
        raise ValueError(f"sigma: {sigma!r} is not a number in (0, inf)")
    if not is_number(epsilon) or not epsilon >= 0.0:
        raise ValueError(f"epsilon: {epsilon!r} is not a number in [0, inf]")
    a, b = 0.5 / float(sigma), float(epsilon) * float(sigma)
    if b - a > 39.0:
        return 0.0  # less than 1e-330
    density = math.exp(-0.5 * (b - a) ** 2) / _ROOT_2_PI
    if a >= 1.0:
        mills = math.sqrt(0.5 * math.pi) * float(erfcx((b + a) / math.sqrt(2.0)))
        return max(float(ndtr(a - b)) - density * mills, 0.0)
    return density * a * sum(w * _mills_slope(b + a * x) for x, w in zip(_NODES, _WEIGHTS, strict=True))


def _mills_slope(x: float) -> float:
    """1 - x R(x) with Mills' ratio R, the size of its derivative; for large x by the continued fraction of R."""
    if x < 2.0:
        from scipy.special import erfcx

        return 1.0 - x * math.sqrt(0.5 * math.pi) * float(erfcx(x / math.sqrt(2.0)))
    rest = x  # R = 1 / (x + 1 / (x + 2 / (x + ...))), so that 1 - x R = k / (x + k), k = 1 / rest
    for i in range(80, 1, -1):
        rest = x + i / rest
    return 1.0 / (x * rest + 1.0)


def gaussian_mu(epsilon: float, delta: float) -> float:
    """The largest mu for which mu-GDP is (epsilon, delta)-private; inf for epsilon = inf.

    Parameters
    ----------
    epsilon : float > 0
    delta : float in [1e-300, 1)

    Examples
    --------
    >>> round(1 / gaussian_mu(1.0, 1e-5), 10)
    3.7306316348
    """
    sigma = _sigma(check_epsilon(epsilon), check_delta(delta))
    return 1.0 / sigma if sigma > 0.0 else math.inf


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The least epsilon for which mu-GDP is (epsilon, delta)-private; 0 where delta alone is enough.

    Parameters
    ----------
    mu : float >= 0
    delta : float in [1e-300, 1)

    Examples
    --------
    >>> round(gaussian_epsilon(1.0, 1e-5), 10), round(gaussian_epsilon(2.0, 1e-5), 10)
    (4.3771780957, 9.9972561464)
    """
    check_delta(delta)
    if delta < _SMALLEST_GAUSSIAN_DELTA:
        raise ValueError(f"delta: {delta} is outside [{_SMALLEST_GAUSSIAN_DELTA}, 1)")
    if not is_number(mu) or not 0.0 <= mu < math.inf:
        raise ValueError(f"mu: {mu!r} is not a finite number >= 0")
    return _epsilon(float(mu), float(delta))


@lru_cache(maxsize=1024)
def _sigma(epsilon: float, delta: float) -> float:
    return gaussian_sigma(epsilon, delta)


@lru_cache(maxsize=1024)
def _epsilon(mu: float, delta: float) -> float:
    if mu == 0.0 or gaussian_delta(1.0 / mu, 0.0) <= delta:
        return 0.0
    low, high = 0.0, 1.0
    while gaussian_delta(1.0 / mu, high) > delta:
        low, high = high, 2.0 * high
    while high - low > 1e-15 * high:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (low, middle) if gaussian_delta(1.0 / mu, middle) <= delta else (middle, high)
    return high * (1.0 + 1e-12)


def composed_mu(multipliers: Iterable[tuple[float, int]]) -> float:
    """The mu of several Gaussian releases: the root of the sum of count / z^2.

    Parameters
    ----------
    multipliers : iterable of (z, count)
        Noise multipliers, standard deviation over sensitivity, finite and > 0, and how many releases have each.

    Examples
    --------
    >>> composed_mu([(2.0, 1), (4.0, 4)])
    0.7071067811865476
    """
    return math.sqrt(math.fsum(count / check_noise_multiplier(z) ** 2 for z, count in multipliers))
