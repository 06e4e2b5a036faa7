"""The designer's gradient from sampled trajectories alone: no transitions, no values, no optimal policy.

Every derivative of the agent's objective is an expectation over trajectories of scores g_j = grad log pi(a_j | s_j) and
rewards to go C_j = sum_{h >= j} gamma^h (r - tau log pi):

* V_theta = E sum_j C_j g_j,
* V_nu,theta = E sum_j (sum_{h >= j} gamma^h dr_h) g_j',
* V_theta,theta = E sum_j [C_j (g_j S' + S g_j' + g_j g_j' + hess_j) - tau gamma^j g_j g_j'], S the scores before j.

From every reward to go the mean of the other trajectories at that state is subtracted: that leaves all three unbiased
(the mean of a score is 0, that of g g' + hess as well) and takes out most of the noise.

Source: the specification of PARL (arXiv:2308.02585), section 13, derived; the baseline of second derivatives is ours.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from algos.contracts import check_generator, whole_number
from algos.soft_control import DesignProblem, SoftControl

__all__ = [
    "SampledGradient",
    "sampled_advantages",
    "sampled_design_gradient",
    "sampled_policy_gradient",
    "trajectory_length",
]

_FOLDS = 10
_LARGEST_MATRIX = 500  # logits of which a Hessian is formed; beyond, it is only multiplied with


class SampledGradient(NamedTuple):
    """An estimate of the designer's gradient and what it cost."""

    gradient: NDArray[np.float64] | None  # (n,); None where the estimated Hessian was singular
    standard_error: NDArray[np.float64]  # (n,), by leaving out a tenth of the trajectories; NaN with fewer than 4
    policy_gradient: NDArray[np.float64]  # (L, S, A), of the agent's objective
    transitions: int  # drawn


class _Sums(NamedTuple):
    """Sums over the trajectories of a fold."""

    size: int  # trajectories, or pairs of them
    direct: NDArray[np.float64]  # (n,)
    policy: NDArray[np.float64]  # (L S A,), V_theta
    upper: NDArray[np.float64]  # (L S A,), gradient of G in theta
    cross: NDArray[np.float64]  # (n, L S A)
    hessian: NDArray[np.float64]  # (L S A, L S A), or nothing where there are too many logits
    states: NDArray[np.int64]  # (trajectories, length)
    actions: NDArray[np.int64]
    to_go: NDArray[np.float64]  # (trajectories, length), rewards to go less their baselines


def trajectory_length(control: SoftControl, tolerance: float = 1e-4) -> int:
    """Steps after which the discounted rest weighs at most a tolerance; the horizon, where there is one.

    Parameters
    ----------
    control : SoftControl
    tolerance : float in (0, 1)
        gamma^length <= tolerance (1 - gamma), so that rewards in [-1, 1] are cut by at most the tolerance.

    Examples
    --------
    >>> trajectory_length(SoftControl([[[1.0]]], [1.0], 0.9, 1.0))
    110
    """
    if not 0.0 < tolerance < 1.0:
        raise ValueError(f"tolerance: {tolerance!r} is outside (0, 1)")
    if control.horizon is not None:
        return control.horizon
    if control.discount == 0.0:
        return 1
    return math.ceil(math.log(tolerance * (1.0 - control.discount)) / math.log(control.discount))


def sampled_policy_gradient(
    problem: DesignProblem,
    parameters: ArrayLike,
    log_policy: ArrayLike,
    count: int,
    length: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """An unbiased estimate of V_theta, but for cutting trajectories, shape (L, S, A).

    Parameters
    ----------
    problem, parameters, log_policy, count, length, rng
        As for `sampled_design_gradient`.
    """
    world: Any = problem
    logs = np.asarray(log_policy, dtype=np.float64)
    states, actions = world.trajectories(np.exp(logs), count, length, rng)
    gain = problem.control.layered(problem.reward(parameters)) - problem.control.temperature * logs
    total = np.zeros(logs.size)
    _add_scores(states, actions, np.exp(logs), _to_go(states, actions, gain, problem.control.discount), total)
    return total.reshape(logs.shape) / count


def sampled_advantages(
    problem: DesignProblem,
    parameters: ArrayLike,
    log_policy: ArrayLike,
    count: int,
    length: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Estimated soft advantages Q - tau log pi - V, shape (L, S, A): the direction of the natural policy gradient.

    Mean rewards to go of an action less those of its state, over all visits, weighted by gamma^j, so that visits
    late in a trajectory that is cut hardly count. 0 for actions that were not taken.

    Parameters
    ----------
    problem, parameters, log_policy, count, length, rng
        As for `sampled_design_gradient`.
    """
    world: Any = problem
    logs = np.asarray(log_policy, dtype=np.float64)
    states, actions = world.trajectories(np.exp(logs), count, length, rng)
    gain = problem.control.layered(problem.reward(parameters)) - problem.control.temperature * logs
    total, weight = np.zeros(logs.shape), np.zeros(logs.shape)
    _add_visits(states, actions, np.ascontiguousarray(gain), problem.control.discount, total, weight)
    state_weight = weight.sum(axis=-1, keepdims=True)
    mean = np.divide(total.sum(axis=-1, keepdims=True), state_weight, out=np.zeros_like(state_weight),
                     where=state_weight > 0.0)  # fmt: skip
    return np.divide(total, weight, out=np.broadcast_to(mean, total.shape).copy(), where=weight > 0.0) - mean


def sampled_design_gradient(
    problem: DesignProblem,
    parameters: ArrayLike,
    log_policy: ArrayLike,
    count: int,
    rng: np.random.Generator,
    *,
    tikhonov: float = 1e-3,
    length: int | None = None,
) -> SampledGradient:
    """Estimate direct - V_nu,theta [V_theta,theta - lambda I]^-1 grad_theta G, all factors from the same trajectories.

    Factors are unbiased (but for cutting trajectories); their product is only consistent, with an error of the order of
    count^-1/2. O(count length A L S A) up to 500 logits; beyond, the system is solved by products alone, each
    O(count length A).

    Parameters
    ----------
    problem : DesignProblem
        With ``trajectories``, ``regularizer``, and ``utility`` or ``compare``.
    parameters : float, shape (n,)
    log_policy : float, shape (L, S, A)
        Of a softmax policy, the better, the nearer to the optimal one.
    count : int >= 2
        B: trajectories for a utility; pairs of trajectories for preferences, twice as many transitions.
    rng : numpy.random.Generator
    tikhonov : float > 0
        lambda. It biases by about lambda over the least curvature among states that are visited.
    length : int >= 1, optional
        `trajectory_length` when omitted.
    """
    own, number = check_generator(rng, "sampling a gradient"), whole_number(count, "count", 2)
    if not 0.0 < tikhonov < math.inf:
        raise ValueError(f"tikhonov: {tikhonov!r} is not a finite number > 0")
    control = problem.control
    steps = trajectory_length(control) if length is None else whole_number(length, "length", 1)
    nu, logs = np.asarray(parameters, dtype=np.float64), np.asarray(log_policy, dtype=np.float64)
    n_folds = min(_FOLDS, number // 2)
    sizes = [number // n_folds + (k < number % n_folds) for k in range(n_folds)]
    folds = [_fold(problem, nu, logs, size, steps, own) for size in sizes]
    slope = np.asarray(getattr(problem, "regularizer", lambda _: (0.0, np.zeros(nu.size)))(nu)[1])
    whole = _solve(control, logs, folds, tikhonov)
    error = np.full(nu.size, math.nan)
    if whole is not None and n_folds > 1:
        parts = [_solve(control, logs, folds[:k] + folds[k + 1 :], tikhonov) for k in range(n_folds)]
        if all(part is not None for part in parts):
            left_out = np.array(parts)
            error = np.sqrt((n_folds - 1) / n_folds * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    pairs = 1 if getattr(problem, "utility", None) is not None else 2
    gradient = None if whole is None else slope + whole
    policy = sum((fold.policy for fold in folds), np.zeros(logs.size)) / (pairs * number)
    return SampledGradient(gradient, error, policy.reshape(logs.shape), pairs * number * steps)


def _fold(
    problem: Any, nu: NDArray[np.float64], logs: NDArray[np.float64], count: int, steps: int, rng: np.random.Generator
) -> _Sums:
    control, policy = problem.control, np.exp(logs)
    reward, jacobian = problem.reward(nu), problem.reward_jacobian(nu)
    gamma, size = control.discount, logs.size
    utility = getattr(problem, "utility", None)
    pairs = 1 if utility is not None else 2
    states, actions = problem.trajectories(policy, pairs * count, steps, rng)
    upper, direct = np.zeros(size), np.zeros(nu.size)
    if utility is not None:
        _add_scores(states, actions, policy, -_to_go(states, actions, control.layered(utility), gamma), upper)
    else:
        losses, direct = _pair_losses(problem, reward, jacobian, states, actions, rng)
        others = (losses.sum() - losses) / max(1, count - 1)
        _add_scores(states, actions, policy, np.repeat(np.tile(losses - others, 2)[:, None], steps, axis=1), upper)
    to_go = _to_go(states, actions, control.layered(reward) - control.temperature * logs, gamma)
    gradient, cross = np.zeros(size), np.zeros((nu.size, size))
    _add_scores(states, actions, policy, to_go, gradient)
    for i in range(nu.size):
        slopes = _to_go(states, actions, control.layered(jacobian[..., i]), gamma)
        _add_scores(states, actions, policy, slopes, cross[i])
    hessian = np.zeros((0, 0))
    if size <= _LARGEST_MATRIX:
        half, hessian = np.zeros((size, size)), np.zeros((size, size))
        _add_curvature(states, actions, policy, to_go, control.temperature, gamma, np.empty(size), half, hessian)
        hessian += half + half.T
    # Sums over pairs count once for upper and direct, twice for what single trajectories estimate.
    return _Sums(count, direct, gradient, upper, cross / pairs, hessian / pairs, states, actions, to_go / pairs)


def _pair_losses(
    problem: Any,
    reward: NDArray[np.float64],
    jacobian: NDArray[np.float64],
    states: NDArray[np.int64],
    actions: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Losses (count,) of drawn labels, and the sum of their direct derivatives (n,)."""
    count = len(states) // 2
    first, second = (states[:count], actions[:count]), (states[count:], actions[count:])
    labels = problem.compare(first, second, rng).astype(np.float64)
    gap = reward[first].sum(axis=1) - reward[second].sum(axis=1)
    slopes = jacobian[first].sum(axis=1) - jacobian[second].sum(axis=1)
    losses = np.logaddexp(0.0, -gap) + (1.0 - labels) * gap
    chance = np.exp(-np.logaddexp(0.0, -gap))
    return losses, (chance - labels) @ slopes


def _solve(
    control: SoftControl, logs: NDArray[np.float64], folds: list[_Sums], tikhonov: float
) -> NDArray[np.float64] | None:
    """The estimate without the regulariser, from some of the folds."""
    count, size = sum(fold.size for fold in folds), logs.size
    direct, upper, cross = (sum(getattr(fold, name) for fold in folds) / count for name in ("direct", "upper", "cross"))
    if size <= _LARGEST_MATRIX:
        system = sum(fold.hessian for fold in folds) / count - tikhonov * np.eye(size)
        try:
            solution = np.linalg.solve(system, upper)
        except np.linalg.LinAlgError:
            return None
    else:
        from scipy.sparse.linalg import LinearOperator, minres

        def product(v: NDArray[np.float64]) -> NDArray[np.float64]:
            total = np.zeros(size)
            for fold in folds:
                _add_product(
                    fold.states, fold.actions, np.exp(logs), fold.to_go, fold.size / len(fold.states),
                    control.temperature, control.discount, np.ascontiguousarray(v.ravel()), total,
                )  # fmt: skip
            return total / count - tikhonov * v.ravel()

        solution, failed = minres(LinearOperator((size, size), product, dtype=np.float64), upper, rtol=1e-10)
        if failed:
            return None
    return direct - cross @ solution if np.isfinite(solution).all() else None


def _to_go(
    states: NDArray[np.int64], actions: NDArray[np.int64], table: NDArray[np.float64], discount: float
) -> NDArray[np.float64]:
    found = np.empty(states.shape)
    _rewards_to_go(states, actions, np.ascontiguousarray(table), discount, found)
    return found


@njit(cache=True, nogil=True)
def _rewards_to_go(states, actions, table, discount, found):
    """Sums over h >= j of gamma^h table[h, s, a], less gamma^j times the mean of other trajectories at that state."""
    count, length = states.shape
    layers, S = table.shape[0], table.shape[1]
    total, visits = np.zeros((layers, S)), np.zeros((layers, S))
    mine, own = np.zeros((layers, S)), np.zeros((layers, S))
    for i in range(count):
        rest = 0.0
        for j in range(length - 1, -1, -1):
            layer = min(j, layers - 1)
            rest = table[layer, states[i, j], actions[i, j]] + discount * rest
            found[i, j] = rest
            total[layer, states[i, j]] += rest
            visits[layer, states[i, j]] += 1.0
    for i in range(count):
        for j in range(length):
            layer, s = min(j, layers - 1), states[i, j]
            mine[layer, s] += found[i, j]
            own[layer, s] += 1.0
        weight = 1.0
        for j in range(length):
            layer, s = min(j, layers - 1), states[i, j]
            others = visits[layer, s] - own[layer, s]
            base = (total[layer, s] - mine[layer, s]) / others if others > 0.0 else 0.0
            found[i, j] = weight * (found[i, j] - base)
            weight *= discount
        for j in range(length):
            mine[min(j, layers - 1), states[i, j]] = 0.0
            own[min(j, layers - 1), states[i, j]] = 0.0


@njit(cache=True, nogil=True)
def _add_visits(states, actions, table, discount, total, weight):
    """Add gamma^j times the reward to go, and gamma^j, of every visit to its layer, state and action."""
    layers = table.shape[0]
    for i in range(states.shape[0]):
        rest, share = 0.0, discount ** (states.shape[1] - 1.0)
        for j in range(states.shape[1] - 1, -1, -1):
            layer, s, a = min(j, layers - 1), states[i, j], actions[i, j]
            rest = table[layer, s, a] + discount * rest
            total[layer, s, a] += share * rest
            weight[layer, s, a] += share
            if discount > 0.0:
                share /= discount


@njit(cache=True, nogil=True)
def _add_scores(states, actions, policy, factors, total):
    """Add the sum of factors (count, length) times scores to total (L S A,)."""
    layers, S, A = policy.shape
    for i in range(states.shape[0]):
        for j in range(states.shape[1]):
            layer, s = min(j, layers - 1), states[i, j]
            block = (layer * S + s) * A
            for b in range(A):
                total[block + b] -= factors[i, j] * policy[layer, s, b]
            total[block + actions[i, j]] += factors[i, j]


@njit(cache=True, nogil=True)
def _add_curvature(states, actions, policy, to_go, temperature, discount, before, half, own):
    """Add to ``half`` the sum of C_j g_j S', and to ``own`` that of C_j (g_j g_j' + hess_j) - tau gamma^j g_j g_j'."""
    layers, S, A = policy.shape
    for i in range(states.shape[0]):
        before[:] = 0.0
        weight = 1.0
        for j in range(states.shape[1]):
            layer, s, c = min(j, layers - 1), states[i, j], to_go[i, j]
            block = (layer * S + s) * A
            for b in range(A):
                score = (1.0 if b == actions[i, j] else 0.0) - policy[layer, s, b]
                for k in range(before.size):
                    half[block + b, k] += c * score * before[k]
                for d in range(A):
                    other = (1.0 if d == actions[i, j] else 0.0) - policy[layer, s, d]
                    own[block + b, block + d] += (c - temperature * weight) * score * other
                    own[block + b, block + d] += c * policy[layer, s, b] * policy[layer, s, d]
                own[block + b, block + b] -= c * policy[layer, s, b]
            for b in range(A):
                before[block + b] += (1.0 if b == actions[i, j] else 0.0) - policy[layer, s, b]
            weight *= discount


@njit(cache=True, nogil=True)
def _add_product(states, actions, policy, to_go, share, temperature, discount, v, total):
    """Add the product with v of what `_add_curvature` adds up; ``share`` weighs gamma^j as ``to_go`` is weighed."""
    layers, S, A = policy.shape
    length = states.shape[1]
    along, mean = np.empty(length), np.empty(length)
    for i in range(states.shape[0]):
        later = 0.0
        for j in range(length):
            layer, s = min(j, layers - 1), states[i, j]
            block = (layer * S + s) * A
            mean[j] = 0.0
            for b in range(A):
                mean[j] += policy[layer, s, b] * v[block + b]
            along[j] = v[block + actions[i, j]] - mean[j]
            later += to_go[i, j] * along[j]
        before, weight = 0.0, share
        for j in range(length):
            layer, s, c = min(j, layers - 1), states[i, j], to_go[i, j]
            block = (layer * S + s) * A
            later -= c * along[j]
            factor = c * before + later + (c - temperature * weight) * along[j]
            for b in range(A):
                score = (1.0 if b == actions[i, j] else 0.0) - policy[layer, s, b]
                total[block + b] += factor * score - c * policy[layer, s, b] * (v[block + b] - mean[j])
            before += along[j]
            weight *= discount
