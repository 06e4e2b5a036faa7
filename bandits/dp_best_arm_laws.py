"""Exact probabilities of private best-arm identification on Bernoulli arms, where they can be computed.

Two arms and three arms without structure, and the Max-Det branch with features of rank one or two. All derived here;
simulations are held against them by exact binomial tests, and the privacy audit reads them as likelihoods.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import whole_number
from algos.guarantees import guarantee
from algos.optimal_design import max_det_collection
from algos.privacy import Calibration, check_epsilon, gaussian_sigma
from bandits.dp_best_arm import phase_pulls, survivor_schedule
from bandits.fixed_budget import ROUNDING

__all__ = ["elimination_law", "max_det_error", "preference_law", "three_arm_error", "two_arm_error"]

_MEANS_ROUNDING = 1e-9  # as in simulators.LinearArms
_MOST_SUMS = 2_000_000  # combinations of three sums
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


def preference_law(difference: ArrayLike, epsilon: float) -> NDArray[np.float64]:
    """P(S_1 + L_1 >= S_2 + L_2) given S_1 - S_2, with Laplace L of scale 1 / epsilon: F(epsilon (S_1 - S_2)).

    F(z) = 1 - (1 + z / 2) exp(-z) / 2 for z >= 0, and F(-z) = 1 - F(z). With epsilon = inf a tie prefers the first.

    Examples
    --------
    >>> preference_law([0, 2, -2], epsilon=0.5)
    array([0.5       , 0.72409042, 0.27590958])
    """
    given = np.asarray(difference, dtype=np.float64)
    if not np.isfinite(given).all():
        raise ValueError(f"difference: {difference!r} is not finite")
    if check_epsilon(epsilon) == math.inf:
        return (given >= 0).astype(np.float64)
    size = np.abs(epsilon * given)
    tail = 0.5 * (1.0 + 0.5 * size) * np.exp(-size)
    return np.where(given >= 0, 1.0 - tail, tail)


@guarantee("derived: exact law of two arms", kind="identity", algorithm="DPBAI", evidence="derived")
def two_arm_error(
    means: ArrayLike,
    budget: int,
    epsilon: float,
    *,
    delta: float | None = None,
    calibration: Calibration = "analytic",
) -> float:
    """P(error) = sum over x, y of Bin(x; n, best) Bin(y; n, other) F(epsilon (y - x)), two arms, n = floor(T / 2).

    Parameters
    ----------
    means : pair of float in [0, 1]
        Of arm 0 and arm 1, without structure.
    budget : int >= 2
        T.
    epsilon : float in [1e-300, inf]
        Privacy budget of `DPBAI`, `DPSequentialHalving` or `DPUniformAllocation` (the same on two arms).
    delta : float in (0, 1), optional
        If given, the law of `DPBAIGauss`.
    calibration : {"analytic", "classical"}
        Of its noise.

    Examples
    --------
    >>> print(f"{two_arm_error([0.6, 0.5], 200, epsilon=0.5):.12f}")
    0.106483794466
    """
    first, second = _means(means, 2)
    if abs(first - second) <= ROUNDING:
        return 0.0
    pulls = whole_number(budget, "budget", 2) // 2
    named_first, named_second = _choice([first, second], pulls, check_epsilon(epsilon), delta, calibration)
    return named_second if first > second else named_first


@guarantee("derived: exact law of three arms", kind="identity", algorithm="DPBAI", evidence="derived")
def three_arm_error(means: ArrayLike, budget: int, epsilon: float) -> float:
    """P(error) = sum over the arm dropped first of P(it is dropped) P(the other two are decided wrongly), three arms.

    Parameters
    ----------
    means : three of float in [0, 1]
        Bernoulli arms without structure.
    budget : int >= 6
        T, at most about 700: all combinations of sums in phase 1 are visited.
    epsilon : float in [1e-300, inf]
        Privacy budget of `DPBAI` or `DPSequentialHalving`.

    Notes
    -----
    Phase 1 pulls floor(T / 6) times each and drops one arm, phase 2 pulls floor(T / 4) times each.
    """
    mu = _means(means, 3)
    total = whole_number(budget, "budget", 6)
    first, second = total // 6, total // 4
    if (first + 1) ** 3 > _MOST_SUMS:
        raise ValueError(f"budget: {budget} has more than {_MOST_SUMS} combinations of sums")
    grid = np.stack(np.meshgrid(*[np.arange(first + 1.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    laws = [_binomial(first, mean) for mean in mu]
    weights = np.einsum("i,j,k->ijk", *laws).ravel()
    dropped = weights @ elimination_law(grid, epsilon)
    error = 0.0
    for arm in range(3):
        left, right = (other for other in range(3) if other != arm)
        named = _choice([mu[left], mu[right]], second, epsilon)
        least = max(mu) - ROUNDING
        error += dropped[arm] * (named[0] * (mu[left] < least) + named[1] * (mu[right] < least))
    return float(error)


@guarantee("derived: exact law of the Max-Det branch", kind="identity", algorithm="DPBAI", evidence="derived")
def max_det_error(features: ArrayLike, theta: ArrayLike, budget: int, epsilon: float) -> float:
    """P(error) = P(the noisy sums of the basis lie outside the best arm's cone), Bernoulli arms of rank 1 or 2.

    Parameters
    ----------
    features : float array, shape (K, d)
        Of rank 1 with K >= 2, or of rank 2 with K >= 5: then `DPBAI` has one phase, which pulls a basis.
    theta : float array, shape (d,)
        What the means are linear in.
    budget : int >= 2
        T.
    epsilon : float in [1e-300, inf)
        Privacy budget.

    Notes
    -----
    Rank 1: the best arm is named unless the noisy sum is negative, which has the chance
    (1 - mu + mu exp(-epsilon))^T / 2, where mu is the mean of the longest arm. Rank 2: one integral over the first
    noisy sum, with Gauss-Legendre nodes between all kinks of the integrand; its error is below 1e-10.
    """
    if check_epsilon(epsilon) == math.inf:
        raise ValueError("epsilon: inf has ties of positive chance, which this law does not cover")
    rows, parameter = np.asarray(features, dtype=np.float64), np.asarray(theta, dtype=np.float64)
    means = rows @ parameter
    outside = ~((means >= -_MEANS_ROUNDING) & (means <= 1.0 + _MEANS_ROUNDING))
    if outside.any():
        arm = int(np.argmax(outside))
        raise ValueError(f"theta: the mean of arm {arm} is {means[arm]:g}, outside [0, 1]")
    basis, coefficients = max_det_collection(rows)
    rank, n_arms = basis.size, len(rows)
    sizes = survivor_schedule(n_arms, max(rank, 1))
    if rank not in (1, 2) or len(sizes) != 2 or rank * rank >= n_arms:
        raise ValueError(
            f"features: {n_arms} arms of rank {rank} are not decided in one phase by a basis of 1 or 2 arms"
        )
    pulls = phase_pulls(sizes, rank, whole_number(budget, "budget", rank), rank)
    best = means >= means.max() - ROUNDING
    ahead = coefficients[best][0] - coefficients[~best]  # the sums of the basis must be ahead in all these directions
    if len(ahead) == 0:
        return 0.0
    basis_means = np.clip(means[basis], 0.0, 1.0)
    if rank == 1:
        # A negative sum names the arm with the least coefficient.
        return float(0.5 * (1.0 - basis_means[0] + basis_means[0] * math.exp(-epsilon)) ** pulls)
    inside = sum(_half_plane_part(ahead, basis_means, pulls, epsilon, side) for side in (1.0, -1.0))
    return float(min(max(1.0 - inside, 0.0), 1.0))


def elimination_law(sums: ArrayLike, epsilon: float) -> NDArray[np.float64]:
    """P(arm i has the smallest noisy sum) for three arms with given sums and Laplace noise of scale 1 / epsilon.

    Parameters
    ----------
    sums : float array, shape (..., 3)
        Sums of rewards.
    epsilon : float in [1e-300, inf]
        Privacy budget; with inf a tie drops the highest index.

    Returns
    -------
    float64 array, shape (..., 3)
        Probabilities.
    """
    shifts = np.asarray(sums, dtype=np.float64)
    if shifts.shape[-1:] != (3,):
        raise ValueError(f"sums: the last axis of shape {shifts.shape} is not of three arms")
    if not np.isfinite(shifts).all():
        raise ValueError(f"sums: {sums!r} are not finite numbers")
    if check_epsilon(epsilon) == math.inf:
        last = 2 - np.argmin(shifts[..., ::-1], axis=-1)
        return (last[..., None] == np.arange(3)).astype(np.float64)
    shifts = epsilon * (shifts - shifts.min(axis=-1, keepdims=True))
    knots = np.sort(shifts, axis=-1)
    ends = [np.full(shifts.shape[:-1], -np.inf), *np.moveaxis(knots, -1, 0), np.full(shifts.shape[:-1], np.inf)]
    law = np.zeros(shifts.shape)
    for low, high in itertools.pairwise(ends):
        # Between knots each density and each survival function is one or two exponentials.
        middle = np.where(np.isneginf(low), high - 1.0, np.where(np.isposinf(high), low + 1.0, 0.5 * (low + high)))
        for arm in range(3):
            others = [other for other in range(3) if other != arm]
            above = [middle >= shifts[..., i] for i in range(3)]
            rate = np.where(above[arm], -1.0, 1.0)
            for terms in ((0, 0), (0, 1), (1, 0), (1, 1)):
                factor = np.full(shifts.shape[:-1], 0.5)
                slope, offset = rate.copy(), -rate * shifts[..., arm]
                for other, term in zip(others, terms, strict=True):
                    # 1 - e^(y - c) / 2 below c, e^(c - y) / 2 above: a constant term and an exponential one.
                    if term == 0:
                        factor = factor * np.where(above[other], 0.0, 1.0)
                    else:
                        sign = np.where(above[other], -1.0, 1.0)
                        factor = factor * -0.5 * sign
                        slope, offset = slope + sign, offset - sign * shifts[..., other]
                law[..., arm] += factor * _exponential_integral(slope, offset, low, high)
    return law


def _exponential_integral(
    slope: NDArray[np.float64], offset: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Integral of exp(slope y + offset) from low to high, where the exponent is at most 0; 0 where it diverges."""
    with np.errstate(invalid="ignore", over="ignore"):
        at_low, at_high = (np.where(np.isinf(y), 0.0, np.exp(slope * y + offset)) for y in (low, high))
        flat = np.where(np.isinf(low) | np.isinf(high), 0.0, (high - low) * np.exp(offset))
        # A divergent tail only comes with factor 0: below all knots no exponential falls, above none rises.
        diverges = (np.isneginf(low) & (slope <= 0)) | (np.isposinf(high) & (slope >= 0))
        steep = (at_high - at_low) / np.where(slope == 0, 1.0, slope)
    return np.where(diverges, 0.0, np.where(slope == 0, flat, steep))


def _half_plane_part(
    ahead: NDArray[np.float64], means: NDArray[np.float64], pulls: int, epsilon: float, side: float
) -> float:
    """P(all directions are ahead, and the first noisy sum has this sign)."""
    flat = np.abs(ahead[:, 1]) < 1e-12
    if (side * ahead[flat, 0] <= 0).any():
        return 0.0
    with np.errstate(divide="ignore"):
        # On this side the second sum lies between two multiples of the first one's size.
        slopes = -side * ahead[~flat, 0] / ahead[~flat, 1]
    rising = ahead[~flat, 1] > 0
    low = slopes[rising].max(initial=-math.inf)
    high = slopes[~rising].min(initial=math.inf)
    if low >= high:
        return 0.0
    reach = (pulls if side > 0 else 0) + 45.0 / epsilon
    # Kinks: where the first sum is a whole number, and where a bound of the second is.
    whole = np.arange(pulls + 1.0)
    kinks = [np.array([0.0, reach]), whole if side > 0 else np.empty(0)]
    kinks += [whole / slope for slope in (low, high) if math.isfinite(slope) and slope > 0]
    ends = np.unique(np.concatenate(kinks))
    ends = ends[ends <= reach]
    steepest = max([1.0, *(abs(slope) for slope in (low, high) if math.isfinite(slope))])
    ends = _refined(ends, 2.0 / (epsilon * steepest))
    half = 0.5 * np.diff(ends)[:, None]
    y = (ends[:-1, None] + half * (1.0 + _NODES)).ravel()
    weight = (half * _WEIGHTS).ravel()
    laws = [_binomial(pulls, mean) for mean in means]
    total = 0.0
    for start in range(0, y.size, 4096):
        part = slice(start, start + 4096)
        density = _noisy_density(side * y[part], laws[0], epsilon)
        between = np.ones(density.size)
        if math.isfinite(high):
            between = _noisy_distribution(high * y[part], laws[1], epsilon)
        if math.isfinite(low):
            between = between - _noisy_distribution(low * y[part], laws[1], epsilon)
        total += float(np.sum(weight[part] * density * between))
    return total


def _refined(ends: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """The same ends with more between them, none further apart than a width."""
    pieces = np.maximum(np.ceil(np.diff(ends) / width), 1).astype(np.int64)
    return np.append(
        np.concatenate([np.linspace(a, b, n, endpoint=False) for a, b, n in zip(ends, ends[1:], pieces, strict=False)]),
        ends[-1],
    )


def _noisy_density(y: NDArray[np.float64], law: NDArray[np.float64], epsilon: float) -> NDArray[np.float64]:
    distance = np.abs(y[:, None] - np.arange(law.size))
    return 0.5 * epsilon * (np.exp(-epsilon * distance) @ law)


def _noisy_distribution(y: NDArray[np.float64], law: NDArray[np.float64], epsilon: float) -> NDArray[np.float64]:
    beyond = y[:, None] - np.arange(law.size)
    tail = 0.5 * np.exp(-epsilon * np.abs(beyond))
    return np.where(beyond >= 0, 1.0 - tail, tail) @ law


def _choice(
    means: list[float],
    pulls: int,
    epsilon: float,
    delta: float | None = None,
    calibration: Calibration = "analytic",
) -> tuple[float, float]:
    """P(the first of two arms is named) and P(the second is) after so many pulls of each, both to full accuracy."""
    first, second = (_binomial(pulls, mean) for mean in means)
    law = np.convolve(first, second[::-1])  # of the difference of the sums, from -pulls to pulls
    difference = np.arange(-pulls, pulls + 1.0)
    sigma = None if delta is None else gaussian_sigma(epsilon, delta, calibration=calibration)
    if epsilon == math.inf:
        return float(law[pulls:].sum()), float(law[:pulls].sum())  # a tie is for the first
    if sigma is None:
        return float(law @ preference_law(difference, epsilon)), float(law @ preference_law(-difference, epsilon))
    from scipy.special import ndtr

    scaled = difference / (sigma * math.sqrt(2.0))
    return float(law @ ndtr(scaled)), float(law @ ndtr(-scaled))


def _binomial(trials: int, success: float) -> NDArray[np.float64]:
    """P(k successes), k = 0..trials."""
    from scipy.special import gammaln, xlog1py, xlogy

    k = np.arange(trials + 1.0)
    choose = gammaln(trials + 1.0) - gammaln(k + 1.0) - gammaln(trials - k + 1.0)
    return np.asarray(np.exp(choose + xlogy(k, success) + xlog1py(trials - k, -success)))


def _means(means: ArrayLike, count: int) -> list[float]:
    given = np.asarray(means, dtype=np.float64)
    if given.shape != (count,) or not ((given >= 0) & (given <= 1)).all():
        raise ValueError(f"means: {means!r} is not {count} numbers in [0, 1]")
    return [float(mean) for mean in given]
