"""Differential privacy: noise for sums and means, its calibration, and an audit by exact likelihood ratios.

Sources: C. Dwork, A. Roth, "The algorithmic foundations of differential privacy", 2014 (Laplace mechanism, classical
Gaussian calibration); B. Balle, Y.-X. Wang, "Improving the Gaussian mechanism for differential privacy", 2018,
Theorem 8 (analytic calibration); A. Ghosh, T. Roughgarden, M. Sundararajan, "Universally utility-maximizing privacy
mechanisms", 2009 (discrete Laplace, there called geometric).

The noise is drawn as ordinary floating-point numbers, whose low-order bits tell more than the theory allows
(I. Mironov, "On significance of the least significant bits for differential privacy", 2012): made for research, not
for release.
Discrete Laplace noise on whole-number sums has no such bits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator

from algos.guarantees import guarantee

__all__ = [
    "Calibration",
    "Delta",
    "Epsilon",
    "PrivacyAudit",
    "audit",
    "check_delta",
    "check_discrete_epsilon",
    "check_epsilon",
    "discrete_laplace",
    "discrete_laplace_variance",
    "gaussian_delta",
    "gaussian_sigma",
    "laplace",
]

Calibration = Literal["analytic", "classical"]

_SMALLEST_EPSILON = 1e-300  # below it 1 / epsilon times a draw could overflow
_SMALLEST_DISCRETE_EPSILON = 1e-15  # far below it geometric draws saturate, and their difference is 0: no noise
_SMALLEST_GAUSSIAN_DELTA = 1e-300  # below it float64 cannot tell by how much delta is exceeded

_ROOT_2_PI = math.sqrt(2.0 * math.pi)
_NODES, _WEIGHTS = (part.tolist() for part in np.polynomial.legendre.leggauss(20))


def check_epsilon(epsilon: float) -> float:
    """Return the privacy budget, a number in [1e-300, inf]; inf stands for no noise.

    Raises
    ------
    ValueError
        For anything else.
    """
    try:
        return _privacy_budget(epsilon)
    except ValueError as error:
        raise ValueError(f"epsilon: {epsilon!r} {error}") from None


def check_discrete_epsilon(epsilon: float) -> float:
    """Return the privacy budget of discrete Laplace noise, a number in [1e-15, inf].

    Raises
    ------
    ValueError
        For anything else.
    """
    if check_epsilon(epsilon) < _SMALLEST_DISCRETE_EPSILON:
        raise ValueError(f"epsilon: {epsilon!r} is outside [1e-15, inf], which discrete Laplace noise needs")
    return float(epsilon)


def check_delta(delta: float) -> float:
    """Return delta, a number in (0, 1).

    Raises
    ------
    ValueError
        For anything else.
    """
    try:
        return _chance(delta)
    except ValueError as error:
        raise ValueError(f"delta: {delta!r} {error}") from None


def _privacy_budget(value: Any) -> float:
    if not _is_number(value) or not value >= _SMALLEST_EPSILON:
        raise ValueError(f"must be a number in [{_SMALLEST_EPSILON}, inf]")
    return float(value)


def _chance(value: Any) -> float:
    if not _is_number(value) or not 0.0 < value < 1.0:
        raise ValueError("must be a number in (0, 1)")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool | np.bool_)


Epsilon = Annotated[float, BeforeValidator(_privacy_budget)]
"""A privacy budget in [1e-300, inf]; inf stands for no noise. NaN is refused."""

Delta = Annotated[float, BeforeValidator(_chance)]
"""A number in (0, 1)."""


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

    if not _is_number(sigma) or not 0.0 < sigma < math.inf:
        raise ValueError(f"sigma: {sigma!r} is not a number in (0, inf)")
    if not _is_number(epsilon) or not epsilon >= 0.0:
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


@njit(cache=True, forceinline=True)
def laplace(scale, rng):
    """One draw of density exp(-|x| / scale) / (2 scale)."""
    return scale * rng.laplace(0.0, 1.0)


@njit(cache=True, forceinline=True)
def discrete_laplace(epsilon, rng):
    """One whole number k with chance proportional to exp(-epsilon |k|), epsilon >= 1e-15: two geometrics."""
    success = -math.expm1(-epsilon)
    return float(rng.geometric(success) - rng.geometric(success))


@guarantee("Ghosh, Roughgarden & Sundararajan 2009", kind="identity", algorithm="discrete Laplace", evidence="derived")
def discrete_laplace_variance(epsilon: float) -> float:
    """Variance of discrete Laplace noise: 2 a / (1 - a)^2 with a = exp(-epsilon).

    Parameters
    ----------
    epsilon : float in [1e-15, inf]
        Privacy budget for a whole-number sum that one record moves by at most 1.
    """
    return 2.0 * math.exp(-check_discrete_epsilon(epsilon)) / math.expm1(-epsilon) ** 2


@dataclass(frozen=True, eq=False)
class PrivacyAudit:
    """What an audit found.

    Parameters
    ----------
    epsilon : float
        The budget that was claimed.
    largest_ratio : float
        Largest likelihood ratio over all outputs and neighbouring tables; inf when an output is possible for one only.
    largest_delta : float
        Largest of sum over outputs of max(0, p - e^epsilon q) over neighbouring tables: the delta that epsilon leaves.
    table, neighbour : array
        The two tables that have the largest ratio.
    output : int
        The output that has it.
    """

    epsilon: float
    largest_ratio: float
    largest_delta: float
    table: NDArray[np.float64]
    neighbour: NDArray[np.float64]
    output: int

    @property
    def private(self) -> bool:
        """Whether the law is epsilon-private: the largest ratio is at most e^epsilon, up to 1e-9 for rounding."""
        return self.largest_ratio <= math.exp(min(self.epsilon, 700.0)) * (1.0 + 1e-9)


def audit(
    law: Callable[[NDArray[np.float64]], ArrayLike],
    shape: int | Sequence[int],
    epsilon: float,
    *,
    values: Sequence[float] = (0.0, 1.0),
) -> PrivacyAudit:
    """Compare a mechanism's exact law on all pairs of tables that differ in one entry.

    Parameters
    ----------
    law : callable
        Takes a table and returns the probability of each output, shape (outputs,), in the same order for all tables.
    shape : int or sequence of int
        Shape of a table.
    epsilon : float > 0
        The budget to hold it against.
    values : sequence of float
        What an entry may be; all ``len(values) ** entries`` tables are looked at, at most 2**20.

    Raises
    ------
    ValueError
        When the law returns no probabilities, or there are too many tables.

    Examples
    --------
    Publishing the exact sum of two bits is not private; randomized response is:

    >>> audit(lambda table: np.eye(3)[int(table.sum())], 2, epsilon=1.0).private
    False
    >>> keep = np.exp(1.0) / (1.0 + np.exp(1.0))
    >>> audit(lambda table: [keep, 1 - keep] if table[0] else [1 - keep, keep], 1, epsilon=1.0).private
    True
    """
    epsilon = check_epsilon(epsilon)
    sizes = (int(shape),) if isinstance(shape, int | np.integer) else tuple(shape)
    entries = math.prod(sizes)
    if len(values) ** entries > 2**20:
        raise ValueError(f"shape: {len(values)} ** {entries} tables are more than {2**20}")
    laws = {
        choice: _probabilities(law(np.array([values[i] for i in choice], dtype=np.float64).reshape(sizes)))
        for choice in itertools.product(range(len(values)), repeat=entries)
    }
    worst: tuple[tuple[int, ...], tuple[int, ...], int] = ((), (), 0)
    largest, delta = -math.inf, 0.0
    factor = math.exp(min(epsilon, 700.0))
    for choice, neighbour in _neighbours(laws, len(values)):
        p, q = laws[choice], laws[neighbour]
        ratios = np.divide(p, q, out=np.where(p > 0, np.inf, 0.0), where=q > 0)
        delta = max(delta, float(np.maximum(p - factor * q, 0.0).sum()))
        if ratios.max() > largest:
            largest, worst = float(ratios.max()), (choice, neighbour, int(ratios.argmax()))
    table, other = (np.array([values[i] for i in c], dtype=np.float64).reshape(sizes) for c in worst[:2])
    return PrivacyAudit(epsilon, largest, delta, table, other, worst[2])


def _neighbours(laws: Mapping[tuple[int, ...], Any], n_values: int) -> Any:
    """All ordered pairs of tables that differ in one entry."""
    for choice in laws:
        for entry, value in itertools.product(range(len(choice)), range(n_values)):
            if value != choice[entry]:
                yield choice, (*choice[:entry], value, *choice[entry + 1 :])


def _probabilities(given: ArrayLike) -> NDArray[np.float64]:
    law = np.asarray(given, dtype=np.float64)
    if law.ndim != 1 or not (law >= -1e-12).all() or abs(law.sum() - 1.0) > 1e-9:
        raise ValueError(f"law: {given!r} is not a vector of probabilities that sum to one")
    return law
