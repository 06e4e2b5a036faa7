"""What learning costs: bounds on the iterations of tuned solvers beyond those of the best relaxation, or policy.

Source: M. Khodak et al., arXiv:2310.02246, Theorems B.3, 2.1, 2.2 and 2.3 with Lemma E.1. Corrected: the rate of
Theorem 2.1 is sqrt(8 / T) (erratum E2); the constant of Lemma E.1 is replaced by one that is attained (E5); in equation
(30) and in the last line of Theorem 2.2 the mean of 1 / ln^2 alpha enters as its square, and 1 / ln alpha to the power
3/2 (E6). All constants hold for Tsallis-INF with importance weighting.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import whole_number
from algos.guarantees import guarantee
from bandits import contextual_tsallis_bound

__all__ = [
    "omega_lipschitz_bound",
    "semi_lipschitz_bound",
    "semi_stochastic_rate",
    "sor_contextual_bound",
    "sor_contextual_rate",
    "sor_tuning_bound",
    "sor_tuning_rate",
    "truncated_normal_concentration",
]


@guarantee("arXiv:2310.02246, Theorem B.3", kind="upper", algorithm="TsallisINF")
def semi_lipschitz_bound(n_arms: int, horizon: int, scale: float, span: float, lipschitz: float) -> float:
    """E[losses] - min_x sum_t u_t(x) <= 2 K sqrt(2 d T) + (b - a) T L / d, for a grid of d points that has the end z.

    Losses are at most u_t, which is (L, z)-semi-Lipschitz, u(x) - u(y) <= L |x - y| where x lies between y and z; the
    learning rate is sqrt(8 / T). d = ((b - a)^2 L^2 T / (2 K^2))^(1/3) makes it 3 (2 (b - a) L K^2 T^2)^(1/3).

    Parameters
    ----------
    n_arms, horizon : int >= 1
        d, T.
    scale : float > 0
        K, largest loss.
    span : float >= 0
        b - a.
    lipschitz : float >= 0
        L, the mean over the rounds where it differs.
    """
    d, rounds = whole_number(n_arms, "n_arms", 1), whole_number(horizon, "horizon", 1)
    _check_positive(scale=scale)
    _check_from_zero(span=span, lipschitz=lipschitz)
    return 2 * scale * math.sqrt(2 * d * rounds) + span * rounds * lipschitz / d


@guarantee("arXiv:2310.02246, Theorem 2.1 with its rate corrected", kind="upper", algorithm="SolverTuning")
def sor_tuning_bound(tolerance: float, alphas: ArrayLike, n_arms: int, scale: float) -> float:
    """E[iterations] - min_omega sum_t U_t(omega) <= 2 K sqrt(2 d T) + sum_t ln(1/eps) / (d ln^2 alpha_t).

    For SOR by Tsallis-INF with rate sqrt(8 / T) on the grid 1 + (omega_max - 1) i / d, i = 1..d; U is
    `sor_iteration_bound` with tau >= e^-2 or beta^2 >= 0.468, omega ranges over (0, omega_max].

    Parameters
    ----------
    tolerance : float in (0, 1)
        eps.
    alphas : array of float in (0, 1), shape (T,)
        tau + (1 - tau) max(beta_t^2, omega_max - 1) of each system.
    n_arms : int >= 1
        d.
    scale : float > 0
        K, at least ln(1/eps) / ln(1/alpha) for the largest alpha.
    """
    a, logarithm = _alphas(alphas), _logarithm(tolerance)
    d = whole_number(n_arms, "n_arms", 1)
    if not scale >= logarithm / math.log(1 / a.max()) * (1 - 1e-12):
        raise ValueError(f"scale: {scale!r} is below ln(1/eps) / ln(1/alpha) = {logarithm / math.log(1 / a.max()):g}")
    return 2 * scale * math.sqrt(2 * d * a.size) + float((logarithm / (d * np.log(a) ** 2)).sum())


@guarantee("arXiv:2310.02246, Theorem 2.1, second form", kind="identity", algorithm="SolverTuning")
def sor_tuning_rate(tolerance: float, alphas: ArrayLike) -> tuple[float, float]:
    """3 ln(1/eps) (2 g T^2 / ln^2 alpha)^(1/3), the least of `sor_tuning_bound` over real d, and that d.

    g is the mean of 1 / ln^2 alpha_t, alpha the largest; d = ((T/2) g^2 ln^2 alpha)^(1/3), K its least value. A whole d
    gives a little more than the first number.

    Parameters
    ----------
    tolerance : float in (0, 1)
        eps.
    alphas : array of float in (0, 1), shape (T,)
        As for `sor_tuning_bound`.

    Examples
    --------
    >>> bound, d = sor_tuning_rate(1e-8, np.full(73_077, 0.848))  # the paper's "around 73K"
    >>> round(bound / 73_077 / math.log(1e8), 4), round(d, 1)
    (1.0, 110.4)
    """
    a, logarithm = _alphas(alphas), _logarithm(tolerance)
    steep, g = math.log(1 / a.max()), float((1 / np.log(a) ** 2).mean())
    bound = 3 * logarithm * (2 * g * a.size**2 / steep**2) ** (1 / 3)
    return bound, (a.size / 2 * g**2 * steep**2) ** (1 / 3)


@guarantee("arXiv:2310.02246, Lemma E.1, sharpened", kind="upper", algorithm="optimal_omega", evidence="derived")
def omega_lipschitz_bound(radius: float, diagonal: float) -> float:
    """|d omega*(c) / dc| <= 2 b^2 / (sqrt(1 - b^2) (1 + sqrt(1 - b^2))^2 d), b the largest radius, d least diagonal.

    For A + c I, whose radius beta of Jacobi's method falls at most by beta / d a unit of c; attained where the diagonal
    is constant. The constant printed in the paper is about 37 times as large on its own example (erratum E5).

    Parameters
    ----------
    radius : float in [0, 1)
        b, largest radius of Jacobi's method over the shifts.
    diagonal : float > 0
        d, least diagonal entry of A plus the least shift.

    Examples
    --------
    >>> from algos.linear_solvers import jacobi_radius
    >>> round(omega_lipschitz_bound(jacobi_radius((10, 10), 3.85), 3.85), 3)
    5.614
    """
    if not 0 <= radius < 1:
        raise ValueError(f"radius: {radius!r} is outside [0, 1)")
    _check_positive(diagonal=diagonal)
    root = math.sqrt((1 - radius) * (1 + radius))
    return 2 * radius**2 / (root * (1 + root) ** 2 * diagonal)


@guarantee("arXiv:2310.02246, Theorem 2.2, corrected", kind="upper", algorithm="SolverTuning", evidence="derived")
def sor_contextual_bound(
    tolerance: float, alphas: ArrayLike, n_arms: int, bins: int, scale: float, width: float, policy_lipschitz: float,
    omega_max: float,
) -> float:  # fmt: skip
    """E[iterations] - sum_t U_t(omega*(c_t)) <= m + 4 K sqrt(d m T) + (C L / (m (omega_max - 1)) + 1/d) sum_t u_t.

    u_t = ln(1/eps) / ln^2 alpha_t; for SOR by `TsallisINFContextual` with the grid of `sor_tuning_bound`.

    Parameters
    ----------
    tolerance, alphas, n_arms, scale
        As for `sor_tuning_bound`.
    bins : int >= 1
        m.
    width : float > 0
        C, length of the interval of shifts.
    policy_lipschitz : float >= 0
        L, `omega_lipschitz_bound`.
    omega_max : float in (1, 2)
        End of the grid.
    """
    a, logarithm = _alphas(alphas), _logarithm(tolerance)
    if not 1 < omega_max < 2:
        raise ValueError(f"omega_max: {omega_max!r} is outside (1, 2)")
    # In terms of Theorem B.4 the span is omega_max - 1 and the slope of U_t at most u_t / (omega_max - 1).
    slope = float((logarithm / np.log(a) ** 2).mean()) / (omega_max - 1)
    return contextual_tsallis_bound(n_arms, bins, a.size, scale, width, policy_lipschitz, omega_max - 1, slope)


@guarantee("arXiv:2310.02246, Theorem 2.2, second form, corrected", kind="identity", algorithm="SolverTuning",
           evidence="derived")  # fmt: skip
def sor_contextual_rate(
    tolerance: float, alphas: ArrayLike, width: float, policy_lipschitz: float, omega_max: float
) -> tuple[float, float, float]:
    """M + 4 ln(1/eps) (24 C l g^2 T^3 / ln^2 alpha)^(1/4), the value of `sor_contextual_bound` at real d and m; d; m.

    l = L / (6 (omega_max - 1)), g the mean of 1 / ln^2 alpha_t, d = (g^2 T ln^2 alpha / (24 C l))^(1/4), m = 6 C l d.

    Parameters
    ----------
    tolerance, alphas, width, policy_lipschitz, omega_max
        As for `sor_contextual_bound`, with C L > 0.
    """
    a, logarithm = _alphas(alphas), _logarithm(tolerance)
    if not 1 < omega_max < 2:
        raise ValueError(f"omega_max: {omega_max!r} is outside (1, 2)")
    _check_positive(width=width, policy_lipschitz=policy_lipschitz)
    reduced = policy_lipschitz / (6 * (omega_max - 1))
    steep, g = math.log(1 / a.max()), float((1 / np.log(a) ** 2).mean())
    d = (g**2 * a.size * steep**2 / (24 * width * reduced)) ** (1 / 4)
    m = 6 * width * reduced * d
    return m + 4 * logarithm * (24 * width * reduced * g**2 * a.size**3 / steep**2) ** (1 / 4), d, m


def semi_stochastic_rate(
    n_arms: int, horizon: int, scale: float, unknowns: int, condition: float, radius: float
) -> float:
    """2 K sqrt(2 d T) + (32 K^4 T / (beta^4 d)) sqrt(2 n kappa / pi), regret of SSOR with truncated normal targets.

    An order, not a bound: Theorem 3.1 as stated; its proof gives four times the second term, and a factor is missing in
    equation (8) (erratum E8). d ~ K^2 (n T)^(1/3) makes it O(ln^2(n/eps) (T^2 sqrt n)^(1/3)).
    """
    d, rounds = whole_number(n_arms, "n_arms", 1), whole_number(horizon, "horizon", 1)
    n = whole_number(unknowns, "unknowns", 1)
    _check_positive(scale=scale, condition=condition, radius=radius)
    slope = 32 * scale**4 / radius**4 * math.sqrt(2 * n * condition / math.pi)
    return 2 * scale * math.sqrt(2 * d * rounds) + slope * rounds / d


@guarantee("arXiv:2310.02246, Lemma F.3", kind="upper", algorithm="truncated_normal")
def truncated_normal_concentration(radius: float, width: float) -> float:
    """P(e < ||X b|| <= e + D) <= (2 D / rho(X)) sqrt(2 / pi), for b normal given ||b||^2 <= n, any e.

    Parameters
    ----------
    radius : float > 0
        rho(X), spectral radius of the matrix.
    width : float >= 0
        D.
    """
    _check_positive(radius=radius)
    _check_from_zero(width=width)
    return 2 * width / radius * math.sqrt(2 / math.pi)


def _alphas(alphas: ArrayLike) -> NDArray[np.float64]:
    a = np.asarray(alphas, dtype=np.float64)
    if a.ndim != 1 or a.size == 0 or not ((a > 0) & (a < 1)).all():
        raise ValueError("alphas: must be a non-empty vector of numbers in (0, 1)")
    return a


def _logarithm(tolerance: float) -> float:
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance: {tolerance!r} is outside (0, 1)")
    return math.log(1 / tolerance)


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number > 0")


def _check_from_zero(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number >= 0")
