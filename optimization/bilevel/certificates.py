"""How close the penalty's value and gradient are to psi's, and how fast Algorithm 1 gets there: bounds with constants.

s is the penalty, l_f0 a bound of |grad_y f|, l_f1 and l_g1 joint smoothness constants of f and g, l_g2 the Lipschitz
constant of g's Hessian, mu the lower level's strong convexity (or quadratic growth), L_h = l_g1 + s l_f1.

Source: Kwon et al., arXiv:2309.01753, states the orders; all constants are derived here, as the project's specification
states them, and not to be attributed to the authors.
"""

from __future__ import annotations

import math

from algos.guarantees import guarantee

__all__ = [
    "ACCESS_EXPONENTS",
    "iterations_for_accuracy",
    "lower_solution_lipschitz",
    "penalty_distance_bound",
    "penalty_gap_bound",
    "penalty_gradient_bound",
    "penalty_smoothness",
    "penalty_value_bound",
    "prox_error_constant",
    "tracking_bound",
]

_PAPER = "arXiv:2309.01753"

ACCESS_EXPONENTS: dict[str, tuple[float, float | None, float]] = {
    "PenaltyDoubleLoop": (3.0, None, 7.0),
    "PenaltySingleLoop": (3.0, None, 5.0),
    "F2SA": (3.0, 5.0, 7.0),
    "F3SA": (3.0, 4.0, 5.0),
    "F2BA": (2.0, None, 6.0),
}
"""Powers of 1 / eps in first-order accesses until |gradient| <= eps: without noise, with a noisy f, with both noisy.

As the abstracts and secondary sources have them; `PenaltySingleLoop` and `F3SA` need mean-squared smoothness.
"""


@guarantee(f"{_PAPER}, closeness of values, with constants", kind="upper", algorithm="PenaltyDoubleLoop",
           evidence="derived")  # fmt: skip
def penalty_value_bound(s: float, upper_lipschitz: float, convexity: float) -> float:
    """Psi - psi_s is in [0, s l_f0^2 / (2 mu)] where g(x, .) grows by mu dist^2 / 2 from its solutions.

    Parameters
    ----------
    s, upper_lipschitz, convexity : float > 0
        s, l_f0 and mu.
    """
    _positive(s=s, convexity=convexity)
    return s * _not_negative(upper_lipschitz, "upper_lipschitz") ** 2 / (2.0 * convexity)


@guarantee(f"{_PAPER}, closeness of solutions, with constants", kind="upper", algorithm="PenaltyDoubleLoop",
           evidence="derived")  # fmt: skip
def penalty_distance_bound(
    s: float, upper_lipschitz: float, convexity: float, *, strongly_convex: bool = True
) -> float:
    """The distance of y_s from the lower solutions: at most s l_f0 / mu, or twice that for quadratic growth alone.

    Parameters
    ----------
    s, upper_lipschitz, convexity : float > 0
    strongly_convex : bool
    """
    _positive(s=s, convexity=convexity)
    return (1.0 if strongly_convex else 2.0) * s * _not_negative(upper_lipschitz, "upper_lipschitz") / convexity


@guarantee(f"{_PAPER}, lower optimality, with constants", kind="upper", algorithm="PenaltyDoubleLoop",
           evidence="derived")  # fmt: skip
def penalty_gap_bound(s: float, upper_lipschitz: float, convexity: float) -> float:
    """g(x, y_s) - min g is at most 2 s^2 l_f0^2 / mu: second order in s.

    Parameters
    ----------
    s, upper_lipschitz, convexity : float > 0
    """
    _positive(s=s, convexity=convexity)
    return 2.0 * (s * _not_negative(upper_lipschitz, "upper_lipschitz")) ** 2 / convexity


@guarantee(f"{_PAPER}, closeness of gradients, with constants", kind="upper", algorithm="PenaltyDoubleLoop",
           evidence="derived")  # fmt: skip
def penalty_gradient_bound(
    s: float,
    upper_lipschitz: float,
    upper_smoothness: float,
    lower_smoothness: float,
    lower_hessian_lipschitz: float,
    convexity: float,
) -> float:
    """|grad psi_s - grad psi| for Y the whole space: s (1 + l_g1 / mu) (l_f0 l_f1 / mu + l_g2 l_f0^2 / (2 mu^2)).

    Parameters
    ----------
    s, upper_lipschitz, upper_smoothness, lower_smoothness, lower_hessian_lipschitz, convexity
        l_f0 may be |grad_y f(x, y_s)| itself.
    """
    _positive(s=s, convexity=convexity)
    f0 = _not_negative(upper_lipschitz, "upper_lipschitz")
    inner = f0 * upper_smoothness / convexity + lower_hessian_lipschitz * f0**2 / (2.0 * convexity**2)
    return s * (1.0 + lower_smoothness / convexity) * inner


@guarantee(f"{_PAPER}, solution maps, with constants", kind="upper", algorithm="PenaltyDoubleLoop", evidence="derived")
def lower_solution_lipschitz(
    s: float,
    upper_lipschitz: float,
    upper_smoothness: float,
    lower_smoothness: float,
    error_constant: float,
    *,
    rho: float = 0.0,
    weak_convexity: float = 0.0,
) -> float:
    """How far the solutions of s f + g move with x and s: max(l_g1 + s l_f1, l_f0) / (mu (1 - rho w)).

    Parameters
    ----------
    s, upper_lipschitz, upper_smoothness, lower_smoothness
    error_constant : float > 0
        mu of the proximal error bound, see `prox_error_constant`; for a strongly convex g and rho = 0 its own.
    rho, weak_convexity : float >= 0
    """
    _positive(error_constant=error_constant)
    if not 0.0 <= rho * weak_convexity < 1.0:
        raise ValueError(f"rho: {rho!r} times the weak convexity, {weak_convexity!r}, is not in [0, 1)")
    return max(lower_smoothness + s * upper_smoothness, upper_lipschitz) / (
        error_constant * (1.0 - rho * weak_convexity)
    )


@guarantee("proximal error bound of a strongly convex function", kind="identity", algorithm="PenaltyDoubleLoop",
           evidence="derived")  # fmt: skip
def prox_error_constant(convexity: float, rho: float) -> float:
    """|y - prox(y)| / rho >= m / (1 + rho m) dist(y, solutions), for an m-strongly convex function.

    Parameters
    ----------
    convexity, rho : float > 0
        m and rho.
    """
    _positive(convexity=convexity, rho=rho)
    return convexity / (1.0 + rho * convexity)


@guarantee(f"{_PAPER}, smoothness of psi_s, with constants", kind="upper", algorithm="PenaltyDoubleLoop",
           evidence="derived")  # fmt: skip
def penalty_smoothness(s: float, upper_smoothness: float, lower_smoothness: float, convexity: float) -> float:
    """A smoothness constant of psi_s: (L_h (1 + L_h / mu_h) + l_g1 (1 + l_g1 / mu)) / s, mu_h = mu - s l_f1.

    It grows like 1 / s, which no strongly convex lower level needs: there psi_s is as smooth as psi.

    Parameters
    ----------
    s, upper_smoothness, lower_smoothness, convexity : float > 0
        s < mu / l_f1.
    """
    _positive(s=s, lower_smoothness=lower_smoothness, convexity=convexity)
    together, inner = lower_smoothness + s * upper_smoothness, convexity - s * upper_smoothness
    if inner <= 0.0:
        raise ValueError(f"s: {s!r} is not below mu / l_f1 = {convexity / upper_smoothness:g}")
    return (together * (1.0 + together / inner) + lower_smoothness * (1.0 + lower_smoothness / convexity)) / s


@guarantee(f"{_PAPER}, Algorithm 1 without noise, with constants", kind="upper", algorithm="PenaltyDoubleLoop",
           evidence="derived")  # fmt: skip
def tracking_bound(horizon: int, gap: float, alpha: float, initial_error: float) -> float:
    """Mean of the squared gradient mapping of psi_s over K outer steps: (6 Delta / alpha + E0^2) / K.

    For alpha <= 1 / (2 L_psi), rho = inf, beta = 1, gamma = 1 / L_h, s <= mu / (2 l_f1), and so many inner steps that
    q = (1 - mu_h / L_h)^{T/2} <= min(1/2, s / (4 L_h), s / (12 alpha L_h L_y)), L_y = L_h / mu_h (Theorem R1 of the
    specification: inexact projected gradient descent with tracked inner errors).

    Parameters
    ----------
    horizon : int >= 1
        K.
    gap : float >= 0
        Delta = psi_s(x_0) - inf psi_s.
    alpha : float > 0
    initial_error : float >= 0
        E0 = |y_0 - y_s(x_0)| + |z_0 - z(x_0)|.
    """
    _positive(alpha=alpha, horizon=float(horizon))
    return (6.0 * _not_negative(gap, "gap") / alpha + _not_negative(initial_error, "initial_error") ** 2) / horizon


def iterations_for_accuracy(accuracy: float, gap: float, alpha: float, initial_error: float) -> int:
    """Outer steps from which on `tracking_bound` is at most accuracy^2.

    Parameters
    ----------
    accuracy : float > 0
    gap, alpha, initial_error

    Examples
    --------
    >>> iterations_for_accuracy(0.1, gap=1.0, alpha=0.5, initial_error=2.0)
    1600
    """
    _positive(accuracy=accuracy)
    return math.ceil(tracking_bound(1, gap, alpha, initial_error) / accuracy**2 * (1.0 - 1e-12))


def _positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number > 0")


def _not_negative(value: float, name: str) -> float:
    if not 0.0 <= value < math.inf:
        raise ValueError(f"{name}: {value!r} is not a finite number >= 0")
    return value
