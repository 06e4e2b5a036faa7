"""Gradient descent on a designer's cost: one loop, whatever estimates the gradient.

Source: Chakraborty et al., ICLR 2024 (arXiv:2308.02585), the outer loop of Algorithm 1 (A-PARL), from memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import Trajectory, checkpoint_rounds, whole_number
from algos.guarantees import guarantee
from algos.soft_control import DesignProblem, log_softmax
from optimization.bilevel.design_gradients import design_gradient

__all__ = ["DesignStep", "descend_design", "inexact_descent_bound", "start_of"]

_FARTHEST = 1e12


class DesignStep(NamedTuple):
    """What an estimator answers at parameters."""

    gradient: NDArray[np.float64] | None  # (n,); None where a Hessian was singular
    log_policy: NDArray[np.float64]  # (L, S, A), the agent's policy now
    policy_steps: int  # updates of the policy, or solutions of the agent's problem
    transitions: int  # drawn
    standard_error: NDArray[np.float64] | None = None  # (n,)


@guarantee("descent lemma", kind="upper", algorithm="PARL", evidence="derived")
def inexact_descent_bound(horizon: int, step: float, gap: float, mean_squared_error: float) -> float:
    """Mean of |grad G(nu_t)|^2 over T steps with errors e_t: at most 2 (G_0 - inf G) / (a T) + mean |e_t|^2.

    A step of length a <= 1 / L along g + e lowers an L-smooth G by at least a (|g|^2 - |e|^2) / 2. The paper's rate
    O(1/T) is that of exact gradients; the constants 4 and 6 of the specification, for a <= 1 / (2 L), follow.

    Parameters
    ----------
    horizon : int >= 1
        T.
    step : float > 0
        a; at most 1 / L.
    gap : float >= 0
        G_0 - inf G.
    mean_squared_error : float >= 0
        (1 / T) sum |e_t|^2.

    Examples
    --------
    >>> inexact_descent_bound(100, 0.5, 1.0, 0.0)
    0.04
    """
    if not 0.0 < step < math.inf:
        raise ValueError(f"step: {step!r} is not a finite number > 0")
    for name, value in (("gap", gap), ("mean_squared_error", mean_squared_error)):
        if not 0.0 <= value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number >= 0")
    return 2.0 * gap / (step * whole_number(horizon, "horizon", 1)) + mean_squared_error


def start_of(problem: Any, start: ArrayLike | None) -> NDArray[np.float64]:
    """The first parameters: the caller's, or the problem's own.

    Raises
    ------
    ValueError
        For another shape, and for numbers that are not finite.
    """
    own = np.asarray(problem.initial_parameters, dtype=np.float64)
    nu = own.copy() if start is None else np.array(start, dtype=np.float64)
    if nu.shape != own.shape or not np.isfinite(nu).all():
        raise ValueError(f"start: must be {own.size} finite numbers, got {start!r}")
    return nu


def descend_design(
    problem: DesignProblem,
    horizon: int,
    nu: NDArray[np.float64],
    step: float,
    tolerance: float,
    checkpoints: ArrayLike | None,
    estimate: Callable[[NDArray[np.float64], NDArray[np.float64]], DesignStep],
    *,
    answers_optimally: bool = False,
) -> Trajectory:
    """Take steps nu <- nu - a g until the horizon, or until |g| is at most the tolerance.

    Parameters
    ----------
    problem : DesignProblem
    horizon : int >= 1
    nu : float, shape (n,)
        nu_0.
    step, tolerance : float
    checkpoints : array of int, optional
        At which metrics are measured, before the step of that number.
    estimate : callable
        From parameters and the policy of the step before (uniform at first), as logarithms, to a `DesignStep`.
    answers_optimally : bool
        Whether the policy that stands at the end is the optimal one for the last parameters, or the agent's last.

    Returns
    -------
    Trajectory
        As `PARL.run` says.
    """
    marks = checkpoint_rounds(whole_number(horizon, "horizon", 1), checkpoints).tolist()
    control = problem.control
    logs = log_softmax(np.zeros((control.layers, control.n_states, control.n_actions)))
    rounds: list[int] = []
    rows: list[tuple[float, ...]] = []
    transitions, policy_steps, status, error = 0, 0, "max_iter", None
    for t in range(1, marks[-1] + 1):
        found = estimate(nu, logs)
        logs, error = found.log_policy, found.standard_error
        transitions, policy_steps = transitions + found.transitions, policy_steps + found.policy_steps
        if found.gradient is None:
            status = "singular_hessian"
        elif not np.isfinite(found.gradient).all():
            status = "diverged"
        elif np.linalg.norm(found.gradient) <= tolerance:
            status = "converged"
        over = status != "max_iter"
        if over or t == marks[len(rounds)]:
            rounds.append(t)
            rows.append((*_measure(problem, nu), transitions, policy_steps))
        if over or found.gradient is None:
            break
        moved = nu - step * found.gradient
        if not (np.abs(moved) <= _FARTHEST).all():  # the last finite parameters stay
            status = "diverged"
            if rounds[-1:] != [t]:
                rounds.append(t)
                rows.append((*_measure(problem, nu), transitions, policy_steps))
            break
        nu = moved
    norm, upper, utility = _measure(problem, nu)
    if answers_optimally:
        logs = control.solve(problem.reward(nu)).log_policy
    names = ("gradient_norm", "upper", "utility", "oracle_calls", "policy_steps")
    outcome = {
        "nu": nu,
        "theta": logs,
        "policy": np.exp(logs),
        "gradient_norm": norm,
        "upper": upper,
        "utility": utility,
        "transitions": transitions,
        "standard_error": np.full(nu.size, math.nan) if error is None else error,
        "status": status,
    }
    return Trajectory(np.array(rounds), dict(zip(names, np.array(rows).T, strict=True)), outcome)


def _measure(problem: DesignProblem, nu: NDArray[np.float64]) -> tuple[float, float, float]:
    """|grad G|, G and U at the agent's optimal answer; NaN where they cannot be enumerated."""
    try:
        if problem.control.temperature == 0.0:
            cost = problem.cost(nu, problem.control.solve(problem.reward(nu)).policy)
            return math.nan, cost.value, cost.utility
        exact = design_gradient(problem, nu)
    except ValueError:
        return math.nan, math.nan, math.nan
    return float(np.linalg.norm(exact.gradient)), exact.cost.value, exact.cost.utility  # type: ignore[arg-type]
