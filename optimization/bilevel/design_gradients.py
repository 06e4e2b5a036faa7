"""Gradients of a designer's cost G(nu) through the agent's optimal policy, exactly and in five ways.

Changing nu changes what the designer pays along a trajectory (the direct term) and which trajectories the agent
generates (the distribution term). The second is what alternating between reward and policy leaves out.

Source: Chakraborty et al., ICLR 2024 (arXiv:2308.02585), for the gradient in theta, as the specification states it from
memory, with a pseudo-inverse and entropy added; closed form and penalty are derived.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.soft_control import DesignCost, DesignProblem, SoftControl, policy_curvature, softmax_gradient

__all__ = ["DesignGradient", "DesignMethod", "design_gradient", "penalty_gradient", "theta_space_gradient"]

DesignMethod = Literal["closed_form", "theta_space", "penalty", "penalty_central", "direct", "finite_differences"]
_SCALES = {"penalty": 1e-4, "penalty_central": 1e-3, "finite_differences": 1e-5}
"""Where rounding and truncation of the differences are about equal, for values of order 1."""


class DesignGradient(NamedTuple):
    """A gradient of G, with what was found on the way."""

    gradient: NDArray[np.float64] | None  # (n,); None where a Hessian was singular
    cost: DesignCost  # at the parameters and the policy
    policy: NDArray[np.float64]  # (L, S, A)
    log_policy: NDArray[np.float64]  # (L, S, A)
    solves: int  # of the agent's problem


def design_gradient(
    problem: DesignProblem, parameters: ArrayLike, method: DesignMethod = "closed_form", *, scale: float | None = None
) -> DesignGradient:
    """The gradient of G at parameters, the agent answering optimally.

    Parameters
    ----------
    problem : DesignProblem
        With a temperature above 0, unless the method is "direct".
    parameters : float, shape (n,)
        nu.
    method : str
        "closed_form": the derivative of the optimal policy by one linear solve, O(S^3 + S^2 A n).
        "theta_space": the implicit function theorem in the logits, -V_nu,theta [V_theta,theta]^+ grad_theta G, as in
        the paper; O((L S A)^3), up to 2000 logits.
        "penalty", "penalty_central": differences of two optimal occupancies, see `penalty_gradient`.
        "direct": the direct term alone, which is not the gradient.
        "finite_differences": of G, 2 n solves.
    scale : float > 0, optional
        Of penalties and differences: 1e-4, 1e-3 and 1e-5 when omitted.

    Raises
    ------
    ValueError
        For an unknown method, a scale that is not positive, a temperature of 0.

    Examples
    --------
    >>> from simulators.mdp import TaxBandit
    >>> found = design_gradient(TaxBandit([1.0, 3.0, 2.0]), [0.0, 0.0, 0.0])
    >>> found.gradient.round(6).tolist()                      # -pi_b (u_b - J) / tau with pi_b = 1/3, J = 2
    [0.333333, -0.333333, -0.0]
    """
    if method not in get_args(DesignMethod):
        raise ValueError(f"method: {method!r} is not one of {', '.join(get_args(DesignMethod))}")
    if scale is not None and not 0.0 < scale < np.inf:
        raise ValueError(f"scale: {scale!r} is not a finite number > 0")
    control: SoftControl = problem.control
    if control.temperature == 0.0 and method != "direct":
        raise ValueError("temperature = 0.0: must be above 0, or the agent's answer has no derivative")
    nu = np.asarray(parameters, dtype=np.float64)
    reward, jacobian = problem.reward(nu), problem.reward_jacobian(nu)
    solution = control.solve(reward)
    cost = problem.cost(nu, solution.policy)
    width = _SCALES.get(method, 1.0) if scale is None else float(scale)
    gradient: NDArray[np.float64] | None
    solves = 1
    if method == "closed_form":
        slopes = control.sensitivity(solution, jacobian)
        gradient = cost.direct + np.einsum("lsa,lsan->n", cost.weights, slopes)
    elif method == "theta_space":
        gradient = theta_space_gradient(problem, nu, solution.log_policy, cost)
    elif method == "direct":
        gradient = cost.direct
    elif method == "finite_differences":
        gradient, solves = _differences(problem, nu, width), 1 + 2 * nu.size
    else:
        central = method == "penalty_central"
        payoff = -_surrogate(problem, solution.policy, cost)
        gradient = cost.direct - penalty_gradient(control, reward, jacobian, payoff, width, central=central)
        solves = 3
    return DesignGradient(gradient, cost, solution.policy, solution.log_policy, solves)


def penalty_gradient(
    control: SoftControl,
    reward: ArrayLike,
    jacobian: ArrayLike,
    utility: ArrayLike,
    scale: float,
    *,
    central: bool = False,
) -> NDArray[np.float64]:
    """The gradient of a utility J_u through the agent's answer, from the answers to r + s u and r, or r - s u.

    The penalised lower level, s times the designer's cost added to the agent's, is again soft control, with reward r +
    s u. Its optimal occupancy moves by s times a gradient: (rho(r + s u) - rho(r)) dr / dnu / s has an error O(s), and
    (rho(r + s u) - rho(r - s u)) dr / dnu / (2 s) one O(s^2). No Hessian, and no derivative of a policy.

    Parameters
    ----------
    control : SoftControl
    reward : float, shape (S, A)
    jacobian : float, shape (S, A, n)
    utility : float, shape (S, A) or (L, S, A)
        u.
    scale : float > 0
        s.
    central : bool
    """
    table, payoff = control.layered(reward), control.layered(utility)

    def occupancy(r: NDArray[np.float64]) -> NDArray[np.float64]:
        policy = control.solve(r).policy
        return control.occupancy(policy)[..., None] * policy

    moved = occupancy(table + scale * payoff) - occupancy(table - scale * payoff if central else table)
    return np.einsum("lsa,san->n", moved, np.asarray(jacobian)) / (2.0 * scale if central else scale)


def theta_space_gradient(
    problem: DesignProblem, parameters: NDArray[np.float64], log_policy: NDArray[np.float64], cost: DesignCost
) -> NDArray[np.float64] | None:
    """The paper's gradient, direct - V_nu,theta [V_theta,theta]^+ grad_theta G; None where the Hessian is singular.

    Parameters
    ----------
    problem : DesignProblem
    parameters : float, shape (n,)
    log_policy : float, shape (L, S, A)
        The gradient is exact at the optimal policy, and the closer to it, the better.
    cost : DesignCost
        Of the parameters and the policy.
    """
    reward, jacobian = problem.reward(parameters), problem.reward_jacobian(parameters)
    curvature = policy_curvature(problem.control, log_policy, reward, jacobian)
    response = curvature.response(softmax_gradient(np.exp(log_policy), cost.weights))
    return None if response is None else cost.direct + response


def _surrogate(problem: Any, policy: NDArray[np.float64], cost: DesignCost) -> NDArray[np.float64]:
    """A cost of states and actions whose expectation changes with the policy as the designer's does, (L, S, A).

    For a utility it is minus the utility. Otherwise it is the advantage that belongs to the weights; a utility's own
    advantage differs from it by potential shaping, which no optimal policy notices.
    """
    if getattr(problem, "utility", None) is not None:
        return -problem.control.layered(problem.utility)
    mass = problem.control.occupancy(policy)[..., None] * policy
    gradient = softmax_gradient(policy, cost.weights)
    return np.divide(gradient, mass, out=np.zeros_like(gradient), where=mass > 0.0)


def _differences(problem: DesignProblem, nu: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    def value(at: NDArray[np.float64]) -> float:
        return problem.cost(at, problem.control.solve(problem.reward(at)).policy).value

    shifts = width * np.eye(nu.size)
    return np.array([(value(nu + shift) - value(nu - shift)) / (2.0 * width) for shift in shifts])
