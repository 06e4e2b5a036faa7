"""What entropy costs, and how far soft iterations are from the optimum.

Source: textbook contraction arguments, applied to the soft Bellman operator, and checked numerically here.
"""

from __future__ import annotations

import math

from algos.contracts import whole_number
from algos.guarantees import guarantee

__all__ = ["entropy_bias_bound", "soft_iteration_bound", "stopping_error_bound"]


@guarantee("textbook: entropy is between 0 and log A", kind="upper", algorithm="SoftControl", evidence="derived")
def entropy_bias_bound(temperature: float, n_actions: int, total_weight: float) -> float:
    """Soft values exceed those without entropy by at most tau log(A) sum_h gamma^h, and are never below them.

    The policy itself loses at most as much reward: its entropy makes up for the rest.

    Parameters
    ----------
    temperature : float >= 0
        tau.
    n_actions : int >= 1
        A.
    total_weight : float >= 0
        sum_h gamma^h, 1 / (1 - gamma) for an infinite horizon; `SoftControl.total_weight`.
    """
    _finite(temperature=temperature, total_weight=total_weight)
    return temperature * math.log(whole_number(n_actions, "n_actions", 1)) * total_weight


@guarantee("textbook: contraction", kind="upper", algorithm="SoftControl", evidence="textbook")
def stopping_error_bound(change: float, discount: float) -> float:
    """After a sweep that moved no value by more than c, none is further than gamma c / (1 - gamma) from the optimum.

    It holds for soft value iteration and for soft policy iteration, but for rounding.

    Parameters
    ----------
    change : float >= 0
        c, the largest change of the last sweep.
    discount : float in [0, 1)
        gamma.
    """
    _finite(change=change)
    return _discount(discount) / (1.0 - discount) * change


@guarantee("textbook: contraction and policy improvement", kind="upper", algorithm="SoftControl", evidence="derived")
def soft_iteration_bound(steps: int, discount: float, initial_error: float) -> float:
    """After k steps of soft value or policy iteration, at most gamma^k of the values' largest error is left.

    For policy iteration from the values of a policy: an improved policy is worth at least a sweep, and at most the
    optimum. A natural policy gradient step of length (1 - gamma) / tau is a step of soft policy iteration.

    Parameters
    ----------
    steps : int >= 0
        k.
    discount : float in [0, 1)
        gamma.
    initial_error : float >= 0
        max_s |V_0(s) - V*(s)|.
    """
    _finite(initial_error=initial_error)
    return _discount(discount) ** whole_number(steps, "steps", 0) * initial_error


def _discount(discount: float) -> float:
    if not 0.0 <= discount < 1.0:
        raise ValueError(f"discount: {discount!r} is outside [0, 1)")
    return float(discount)


def _finite(**numbers: float) -> None:
    for name, value in numbers.items():
        if not 0.0 <= value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number >= 0")
