"""Schedules of private descent: tuned for the explicit bounds, or as the paper's theorem has them.

Source: Arora et al., ICML 2023 (arXiv:2206.00846), Theorems B.2 and B.3, with the erratum of the phase's length. The
tuned schedules are derived, as the project's specification states them.
"""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

from algos.contracts import whole_number
from algos.privacy import check_delta, check_epsilon, gaussian_mu
from optimization.differentially_private.problem import FiniteSum, check_problem

__all__ = [
    "NoiseScales",
    "PaperSchedule",
    "SpiderSchedule",
    "descent_schedule",
    "paper_schedule",
    "spider_schedule",
    "theory_noise_scales",
]

_MOST_RELEASES = 10**7


class SpiderSchedule(NamedTuple):
    """Numbers of a run of `PrivateSpiderBoost` with full batches."""

    horizon: int  # T, releases
    phase: int  # q, from one anchor to the next


def spider_schedule(problem: FiniteSum, epsilon: float, delta: float) -> SpiderSchedule:
    """The schedule that makes the explicit bound about least, for full batches and half of the budget for anchors.

    T = (L1 F0 / 16)^{1/3} (n mu)^{4/3} / (d L0)^{2/3} and q = 1 + n^2 mu^2 / (4 d T), rounded.

    Parameters
    ----------
    problem : FiniteSum
        Its constants and sizes are read, not its records.
    epsilon, delta
        The budget, for replaced records.

    Examples
    --------
    >>> from simulators.erm import breast_cancer
    >>> spider_schedule(breast_cancer(), 1.0, 1e-5)
    SpiderSchedule(horizon=30, phase=7)
    """
    n, d, lipschitz, smoothness = check_problem(problem)
    mu = gaussian_mu(epsilon, delta)
    if mu == math.inf:
        raise ValueError("epsilon: inf asks for no noise, and for no schedule")
    wanted = (smoothness * problem.gap / 16.0) ** (1.0 / 3.0) * (n * mu) ** (4.0 / 3.0) / (d * lipschitz) ** (2.0 / 3.0)
    if wanted > _MOST_RELEASES:
        warnings.warn(f"the tuned horizon {wanted:.3g} is cut to {_MOST_RELEASES:,}", UserWarning, stacklevel=2)
    horizon = max(1, round(min(wanted, float(_MOST_RELEASES))))
    phase = max(1, min(horizon, math.floor(1.0 + n * n * mu * mu / (4.0 * d * horizon) + 1e-9)))
    return SpiderSchedule(horizon, phase)


def descent_schedule(problem: FiniteSum, epsilon: float, delta: float) -> int:
    """The number of steps of `DPGD` that makes its explicit bound least: n mu sqrt(L1 F0 / (2 d)) / L0, rounded.

    Parameters
    ----------
    problem : FiniteSum
    epsilon, delta
        The budget, for replaced records.

    Examples
    --------
    >>> from simulators.erm import breast_cancer
    >>> descent_schedule(breast_cancer(), 1.0, 1e-5)
    17
    """
    n, d, lipschitz, smoothness = check_problem(problem)
    mu = gaussian_mu(epsilon, delta)
    if mu == math.inf:
        raise ValueError("epsilon: inf asks for no noise, and for no schedule")
    wanted = n * mu * math.sqrt(smoothness * problem.gap / (2.0 * d)) / lipschitz
    return max(1, round(min(wanted, float(_MOST_RELEASES))))


class PaperSchedule(NamedTuple):
    """Numbers of Theorem B.3."""

    horizon: int  # T
    phase: int  # q
    variation_batch: int  # b2; b1 = n
    step: float  # eta


def paper_schedule(
    n_records: int,
    dimension: int,
    epsilon: float,
    delta: float,
    *,
    lipschitz: float,
    smoothness: float,
    gap: float,
    strict: bool = True,
) -> PaperSchedule:
    """The parameters of Theorem B.3, made whole: T, q in 1..T, b2 in 1..n, and eta = 1 / (2 L1).

    With a = sqrt(d ln(1/delta)) / (n epsilon): T = max(((L1 F0)^{1/4} / (sqrt(L0) a))^{4/3}, 1/a), q = 1 / (T a^2) and
    b2 = max((L0 / (sqrt(F0 L1) a))^{2/3}, L0^{1/3} n a^{2/3} / (L1 F0)^{1/6}). The printed q has L1^2 in its
    denominator, which is dimensionally wrong and contradicts the proof.

    Parameters
    ----------
    n_records, dimension : int >= 1
    epsilon : float > 0, finite
    delta : float in (0, 1)
    lipschitz, smoothness, gap : float > 0
        L0, L1 and F0.
    strict : bool
        Whether too few records for the theorem are an error, or a warning.

    Raises
    ------
    ValueError
        When n is below max((L0 epsilon)^2 / (F0 L1 d ln(1/delta)), sqrt(d) max(1, sqrt(L1 F0) / L0) / epsilon).

    Examples
    --------
    >>> paper_schedule(10_000, 10, 1.0, 1e-5, lipschitz=1.0, smoothness=1.0, gap=1.0)
    PaperSchedule(horizon=9103, phase=95, variation_batch=104, step=0.5)
    """
    n, d = whole_number(n_records, "n_records", 1), whole_number(dimension, "dimension", 1)
    _positive(epsilon=epsilon, lipschitz=lipschitz, smoothness=smoothness, gap=gap)
    rows = math.log(1.0 / check_delta(delta))
    least = max(
        (lipschitz * epsilon) ** 2 / (gap * smoothness * d * rows),
        math.sqrt(d) * max(1.0, math.sqrt(smoothness * gap) / lipschitz) / epsilon,
    )
    if n < least:
        text = f"n_records: {n} is below {least:.6g}, from which on Theorem B.3 holds"
        if strict:
            raise ValueError(text)
        warnings.warn(text, UserWarning, stacklevel=2)
    a = math.sqrt(d * rows) / (n * epsilon)
    wanted = max(((smoothness * gap) ** 0.25 / (math.sqrt(lipschitz) * a)) ** (4.0 / 3.0), 1.0 / a)
    horizon = max(1, math.floor(wanted))
    phase = min(max(1, math.floor(1.0 / (horizon * a * a))), horizon)
    batch = max(
        (lipschitz / (math.sqrt(gap * smoothness) * a)) ** (2.0 / 3.0),
        lipschitz ** (1.0 / 3.0) * n * a ** (2.0 / 3.0) / (smoothness * gap) ** (1.0 / 6.0),
    )
    return PaperSchedule(horizon, phase, min(max(1, math.floor(batch)), n), 0.5 / smoothness)


class NoiseScales(NamedTuple):
    """Standard deviations of Algorithm 2, on means over batches."""

    anchor: float  # sigma_1
    variation: float  # sigma_2, per unit of distance
    cap: float  # sigma-hat_2, the most that a variation's noise can be


def theory_noise_scales(
    n_records: int,
    horizon: int,
    phase: int,
    epsilon: float,
    delta: float,
    *,
    lipschitz: float,
    smoothness: float,
    anchor_batch: int,
    variation_batch: int,
    c: float,
) -> NoiseScales:
    """The noise that Algorithm 2 prints, up to its universal constant. Not for privacy: the constant is not given.

    sigma_1 = c L0 r max(1/b1, sqrt(T/q)/n), sigma_2 = c L1 r max(1/b2, sqrt(T)/n) and the cap 2 L0 / L1 times sigma_2,
    with r = sqrt(ln(1/delta)) / epsilon. The root of sigma_1 is ambiguous in print; Theorem B.2 with T/q queries gives
    this. Runs of this library take their noise from an accountant instead.

    Parameters
    ----------
    n_records, horizon, phase : int >= 1
        n, T and q.
    epsilon : float in (0, 1]
    delta : float in (0, 1)
    lipschitz, smoothness : float > 0
    anchor_batch, variation_batch : int in 1..n
        b1 and b2.
    c : float > 0
        The constant of Theorem B.2, unspecified by the authors.

    Examples
    --------
    >>> theory_noise_scales(100, 16, 4, 1.0, 0.5, lipschitz=1.0, smoothness=2.0, anchor_batch=100, variation_batch=10,
    ...                     c=1.0).cap
    0.16651092223153954
    """
    n, steps = whole_number(n_records, "n_records", 1), whole_number(horizon, "horizon", 1)
    _positive(epsilon=check_epsilon(epsilon), lipschitz=lipschitz, smoothness=smoothness, c=c)
    if epsilon > 1.0:
        raise ValueError(f"epsilon: {epsilon} is above 1, where Theorem B.2 says nothing")
    sizes = [
        whole_number(size, name, 1)
        for name, size in (("anchor_batch", anchor_batch), ("variation_batch", variation_batch))
    ]
    if max(sizes) > n:
        raise ValueError(f"anchor_batch, variation_batch: {max(sizes)} is above the {n} records")
    r = math.sqrt(math.log(1.0 / check_delta(delta))) / epsilon
    anchors = steps / whole_number(phase, "phase", 1)
    anchor = c * lipschitz * r * max(1.0 / sizes[0], math.sqrt(anchors) / n)
    variation = c * smoothness * r * max(1.0 / sizes[1], math.sqrt(steps) / n)
    return NoiseScales(anchor, variation, variation * 2.0 * lipschitz / smoothness)


def _positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number > 0")
