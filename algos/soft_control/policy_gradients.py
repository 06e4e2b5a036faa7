"""Policy gradients of the soft objective V(nu, theta) and its second derivatives, exactly, for softmax policies.

V(nu, theta) = E[sum_h gamma^h (r_nu(s_h, a_h) - tau log pi_theta(a_h | s_h))] with logits theta (L, S, A). Adding a
number to all logits of a state changes nothing, so that the Hessian in theta has one null direction a layer and state.

Source: derived in closed form (the specification of PARL, arXiv:2308.02585, states the same quantities as expectations
over trajectories, which the tests enumerate).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import get_lapack_funcs

from algos.soft_control.process import SoftControl

__all__ = ["PolicyCurvature", "policy_curvature", "policy_gradient", "softmax_gradient"]

_LARGEST = 2000  # rows of a Hessian that is formed
_SINGULAR = 1e-13  # reciprocal condition number


class PolicyCurvature(NamedTuple):
    """Derivatives of V(nu, theta) at a policy; theta counts L S A numbers in row-major order."""

    gradient: NDArray[np.float64]  # (L S A,), V_theta
    hessian: NDArray[np.float64]  # (L S A, L S A), V_theta,theta
    cross: NDArray[np.float64]  # (n, L S A), V_nu,theta
    visits: NDArray[np.float64]  # (L, S), discounted occupancy of the states

    def response(self, direction: ArrayLike) -> NDArray[np.float64] | None:
        """-V_nu,theta [V_theta,theta]^+ times a direction (L S A,), such as a gradient in theta; shape (n,).

        The last logit of every state stands still, which takes out the null directions and changes nothing else as long
        as the direction sums to 0 over the actions of a state. States that are never visited do not respond.

        Returns
        -------
        float64, shape (n,), or None
            None when the Hessian is singular: at an optimal policy it never is.
        """
        L, S = self.visits.shape
        A = self.gradient.size // (L * S)
        kept = np.zeros((L * S, A), dtype=bool)
        kept[self.visits.ravel() > 0.0, : A - 1] = True
        free = np.flatnonzero(kept)
        if free.size == 0:
            return np.zeros(len(self.cross))
        # Occupancies of states differ by orders of magnitude; scaled by them the system is as good as its policy.
        scale = 1.0 / np.sqrt(np.repeat(self.visits.ravel(), A)[free])
        system = self.hessian[np.ix_(free, free)] * scale[:, None] * scale
        if not np.isfinite(system).all():
            return None
        solution = _solve(system, np.asarray(direction, dtype=np.float64).ravel()[free] * scale)
        return None if solution is None else -self.cross[:, free] @ (scale * solution)


def policy_gradient(control: SoftControl, log_policy: ArrayLike, reward: ArrayLike) -> NDArray[np.float64]:
    """V_theta = d(s) pi(a|s) (Q(s, a) - tau log pi(a|s) - V(s)), shape (L, S, A).

    Parameters
    ----------
    control : SoftControl
    log_policy : float, shape (L, S, A)
    reward : float, shape (S, A) or (L, S, A)
    """
    logs = np.asarray(log_policy, dtype=np.float64)
    policy = np.exp(logs)
    _, actions = control.evaluate(policy, control.layered(reward) - control.temperature * logs)
    return softmax_gradient(policy, control.occupancy(policy)[..., None] * policy * actions)


def softmax_gradient(policy: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """From weights of the scores, d = sum w(s, a) d log pi(a|s), to the gradient in the logits, shape (L, S, A).

    Parameters
    ----------
    policy, weights : float, shape (L, S, A)
    """
    return weights - policy * weights.sum(axis=-1, keepdims=True)


def policy_curvature(
    control: SoftControl, log_policy: ArrayLike, reward: ArrayLike, jacobian: ArrayLike
) -> PolicyCurvature:
    """First and second derivatives of V(nu, theta) at a softmax policy, O((L S)^3 + (L S A)^2).

    Parameters
    ----------
    control : SoftControl
    log_policy : float, shape (L, S, A)
        Finite: the logarithm of a softmax policy.
    reward : float, shape (S, A)
    jacobian : float, shape (S, A, n)

    Raises
    ------
    ValueError
        When L S A is above 2000.
    """
    L, S, A = control.layers, control.n_states, control.n_actions
    N, size = L * S, L * S * A
    if size > _LARGEST:
        raise ValueError(f"L S A: {size} logits are above {_LARGEST}, of which a Hessian is formed")
    logs = np.asarray(log_policy, dtype=np.float64)
    policy = np.exp(logs)
    soft = control.layered(reward) - control.temperature * logs
    values, actions = control.evaluate(policy, soft)
    advantage = (actions - values[..., None]).reshape(N, A)
    rewards, gamma = np.asarray(jacobian, dtype=np.float64), control.discount
    moved, moves = control.evaluate_many(policy, rewards)
    visits = control.occupancy(policy)
    d, pi, d_pi = visits.ravel(), policy.reshape(N, A), (visits[..., None] * policy).reshape(N, A)

    # E[s, a, t]: how many more discounted visits of t follow on action a in s than on the policy's own action.
    steps = _layered_transitions(control)
    chain = np.einsum("sa,sat->st", pi, steps)
    resolvent = np.linalg.inv(np.eye(N) - gamma * chain)
    excess = (steps - chain[:, None, :]) @ resolvent

    half = np.einsum("sa,sat,tb->satb", gamma * d_pi, excess, pi * advantage).reshape(size, size)
    hessian = half + half.T
    blocks = hessian.reshape(N, A, N, A)
    own = (advantage - control.temperature) * pi
    for s in range(N):
        cross = np.outer(pi[s] * advantage[s], pi[s])
        blocks[s, :, s, :] += d[s] * (np.diag(own[s]) - cross - cross.T + control.temperature * np.outer(pi[s], pi[s]))
    slopes = (moves - moved[:, :, None, :]).reshape(size, -1) * d_pi.reshape(size, 1)
    return PolicyCurvature((d_pi * advantage).ravel(), hessian, np.ascontiguousarray(slopes.T), visits)


def _layered_transitions(control: SoftControl) -> NDArray[np.float64]:
    """Transitions (L S, A, L S) of a process whose states know their layer; nothing follows the last one."""
    if control.horizon is None:
        return control.transitions
    L, S, A = control.layers, control.n_states, control.n_actions
    steps = np.zeros((L, S, A, L, S))
    for h in range(L - 1):
        steps[h, :, :, h + 1, :] = control.transitions
    return steps.reshape(L * S, A, L * S)


def _solve(matrix: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The solution, or None where the matrix is singular to working precision."""
    factor, condition, back = get_lapack_funcs(("getrf", "gecon", "getrs"), (matrix,))
    lu, pivots, info = factor(matrix)
    if info > 0:
        return None
    reciprocal, _ = condition(lu, np.abs(matrix).sum(axis=0).max())
    return None if not reciprocal > _SINGULAR else back(lu, pivots, right)[0]
