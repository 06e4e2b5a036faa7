"""Entropy-regularised control of a tabular Markov decision process: optimal policies, values and occupancies, exactly.

The agent maximises E[sum_h gamma^h (r(s_h, a_h) - tau log pi(a_h | s_h))]. Its optimal policy is the softmax of the
soft action values, so it is smooth in the reward, and its derivative is one linear solve.

Every array of values or policies has a leading axis of L layers: one for an infinite horizon, whose optimal policy is
stationary, and H for a horizon of H steps, one a step.

Source: the soft Bellman equations are textbook (Ziebart 2010; Cen, Cheng, Chen, Wei, Chi 2021); the sensitivity is
derived, as the specification of PARL (arXiv:2308.02585) states it.
"""

from __future__ import annotations

import math
import warnings
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from algos.arrays import FiniteTensor, Probabilities
from algos.contracts import Count, NonNegative, Probability, description
from algos.soft_control.value_iteration import sparse_rows, value_iteration

__all__ = ["SoftControl", "SoftSolution", "Solver", "log_softmax"]

Solver = Literal["auto", "value_iteration", "policy_iteration"]
_STOCHASTIC = 1e-12  # how far a row may be from summing to 1
_MOST_SWEEPS = 10**7
_ROUNDING = 2.0**-50  # changes below this share of the largest value are rounding


class SoftSolution(NamedTuple):
    """The optimal policy of a reward, with its soft values."""

    values: NDArray[np.float64]  # (L, S), V
    action_values: NDArray[np.float64]  # (L, S, A), Q
    policy: NDArray[np.float64]  # (L, S, A), rows sum to 1
    log_policy: NDArray[np.float64]  # (L, S, A), (Q - V) / tau; -inf for actions that a temperature of 0 never takes
    sweeps: int  # of value iteration, or solves of policy iteration
    error_bound: float  # largest error of the values, but for rounding


@description
class SoftControl:
    """States, actions and transitions of a tabular Markov decision process, and how its agent weighs entropy.

    Parameters
    ----------
    transitions : float, shape (S, A, S)
        P[s, a, t], the chance of t after action a in s; rows sum to 1 within 1e-12.
    start : float, shape (S,)
        Distribution of the first state.
    discount : float in [0, 1]
        gamma; below 1 unless there is a horizon.
    temperature : float >= 0
        tau. 0 is the common control problem: its optimal policy can be computed, but has no derivative.
    horizon : int >= 1, optional
        H, steps of an episode; infinite when omitted.

    Raises
    ------
    ValueError
        For rows that are not distributions, shapes that do not fit, and a discount of 1 without a horizon.

    Examples
    --------
    >>> bandit = SoftControl([[[1.0], [1.0]]], [1.0], 0.0, 1.0)
    >>> bandit.solve([[0.0, math.log(3.0)]]).policy.round(12).tolist()
    [[[0.25, 0.75]]]
    """

    transitions: FiniteTensor
    start: Probabilities
    discount: Probability
    temperature: NonNegative
    horizon: Annotated[Count | None, Field(kw_only=True)] = None

    @model_validator(mode="after")
    def _fits(self) -> SoftControl:
        S, A, T = self.transitions.shape
        if S != T:
            raise ValueError(f"transitions: shape {(S, A, T)} is not (S, A, S)")
        if self.start.shape != (S,):
            raise ValueError(f"start: {self.start.size} chances for {S} states")
        if self.transitions.min() < 0.0:
            where = tuple(int(i) for i in np.argwhere(self.transitions < 0.0)[0])
            raise ValueError(f"transitions: entry {where} is {self.transitions[where]}, below 0")
        sums = self.transitions.sum(axis=2)
        wrong = np.argwhere(np.abs(sums - 1.0) > _STOCHASTIC)
        if wrong.size:
            row = tuple(int(i) for i in wrong[0])
            raise ValueError(f"transitions: row {row} sums to {sums[row]!r}, not to 1 within {_STOCHASTIC:g}")
        if abs(self.start.sum() - 1.0) > _STOCHASTIC:
            raise ValueError(f"start: sums to {self.start.sum()!r}, not to 1 within {_STOCHASTIC:g}")
        if self.horizon is None and self.discount == 1.0:
            raise ValueError("discount = 1.0: must be below 1 when there is no horizon")
        return self

    @property
    def n_states(self) -> int:
        """S."""
        return len(self.start)

    @property
    def n_actions(self) -> int:
        """A."""
        return int(self.transitions.shape[1])

    @property
    def layers(self) -> int:
        """L: the horizon, or 1 for an infinite one."""
        return 1 if self.horizon is None else self.horizon

    @property
    def total_weight(self) -> float:
        """sum_h gamma^h over the steps of an episode: 1 / (1 - gamma) for an infinite horizon."""
        if self.horizon is None:
            return 1.0 / (1.0 - self.discount)
        return math.fsum(self.discount**h for h in range(self.horizon))

    def layered(self, reward: ArrayLike) -> NDArray[np.float64]:
        """A reward of shape (S, A) or (L, S, A), as one of shape (L, S, A).

        Raises
        ------
        ValueError
            For another shape and for numbers that are not finite.
        """
        table = np.asarray(reward, dtype=np.float64)
        shape = (self.layers, self.n_states, self.n_actions)
        if table.shape not in (shape, shape[1:]):
            raise ValueError(f"reward: shape {table.shape} is neither {shape[1:]} nor {shape}")
        if not np.isfinite(table).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(table))[0])
            raise ValueError(f"reward: entry {where} is {table[where]}; every entry must be finite")
        return np.broadcast_to(table, shape)

    def solve(self, reward: ArrayLike, *, solver: Solver = "auto", tolerance: float | None = None) -> SoftSolution:
        """The optimal policy of a reward and its soft values.

        A horizon is solved backwards, exactly. Without one, value iteration costs O(S^2 A) a sweep, or less where few
        states follow, and gains a factor gamma a sweep; policy iteration solves S equations a step and converges
        quadratically.

        Parameters
        ----------
        reward : float, shape (S, A) or (L, S, A)
        solver : {"auto", "value_iteration", "policy_iteration"}
            "auto" iterates policies up to 300 states, and up to 2000 where gamma > 0.95.
        tolerance : float > 0, optional
            Largest error of the values, see `stopping_error_bound`; 1e-12 (1 + max|r| / (1 - gamma)) when omitted. Both
            solvers also stop where only rounding is left; ``error_bound`` says what was reached.

        Raises
        ------
        ValueError
            For rewards that are not finite or have another shape, and a tolerance that is not positive.

        Warns
        -----
        UserWarning
            When ten million sweeps of value iteration do not reach the tolerance.
        """
        table = self.layered(reward)
        if solver not in ("auto", "value_iteration", "policy_iteration"):
            raise ValueError(f"solver: {solver!r} is not one of auto, value_iteration, policy_iteration")
        if tolerance is not None and not tolerance > 0.0:
            raise ValueError(f"tolerance: {tolerance!r} is not a number > 0")
        if self.horizon is not None:
            return self._backwards(table)
        largest = float(np.abs(table).max())
        wanted = 1e-12 * (1.0 + largest * self.total_weight) if tolerance is None else float(tolerance)
        # The last change bounds the error, gamma / (1 - gamma) times; without a future one step is exact.
        threshold = wanted * (1.0 - self.discount) / self.discount if self.discount > 0.0 else math.inf
        if solver == "auto":
            few = self.n_states <= (2000 if self.discount > 0.95 else 300)
            solver = "policy_iteration" if few else "value_iteration"
        if solver == "policy_iteration":
            values, sweeps, change = self._policy_iteration(table, threshold)
        else:
            values = np.zeros(self.n_states)
            sweeps, change = value_iteration(
                *self._rows, table[0], self.discount, self.temperature, values, threshold, _ROUNDING, _MOST_SWEEPS
            )
            if sweeps == _MOST_SWEEPS:
                text = f"value iteration stopped after {sweeps:,} sweeps; policy iteration is faster for this discount"
                warnings.warn(text, UserWarning, stacklevel=2)
        q = table + self.discount * self._expected(values[None])
        error = self.discount / (1.0 - self.discount) * change
        return self._solution(q, sweeps, error)

    def evaluate(self, policy: ArrayLike, reward: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values V (L, S) and Q (L, S, A) of a policy, without entropy.

        Parameters
        ----------
        policy : float, shape (L, S, A)
        reward : float, shape (S, A) or (L, S, A)
        """
        values, actions = self.evaluate_many(policy, self.layered(reward)[..., None])
        return values[..., 0], actions[..., 0]

    def evaluate_many(self, policy: ArrayLike, rewards: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values V (L, S, k) and Q (L, S, A, k) of a policy for k rewards at once; one solve.

        Parameters
        ----------
        policy : float, shape (L, S, A)
        rewards : float, shape (S, A, k) or (L, S, A, k)
        """
        pi, r = self._policy(policy), np.asarray(rewards, dtype=np.float64)
        r = np.broadcast_to(r, (self.layers, self.n_states, self.n_actions, r.shape[-1]))
        gain = np.einsum("lsa,lsak->lsk", pi, r)
        if self.horizon is None:
            values = np.linalg.solve(self._resolvent(pi[0]), gain[0])[None]
            return values, r + self.discount * self._expected(values)
        values = np.zeros((self.layers + 1, self.n_states, r.shape[-1]))
        for h in reversed(range(self.layers)):
            values[h] = gain[h] + self.discount * (_chain(pi[h], self.transitions) @ values[h + 1])
        return values[:-1], r + self.discount * self._expected(values[:-1])

    def occupancy(self, policy: ArrayLike) -> NDArray[np.float64]:
        """Discounted state occupancy d (L, S) = gamma^h P(s_h = s), summed over steps without a horizon.

        Parameters
        ----------
        policy : float, shape (L, S, A)
        """
        pi = self._policy(policy)
        if self.horizon is None:
            visits = np.linalg.solve(self._resolvent(pi[0]).T, self.start)[None]
            return np.maximum(visits, 0.0)  # rounding may leave a state that is never visited below 0
        visits = np.empty((self.layers, self.n_states))
        visits[0] = self.start
        for h in range(1, self.layers):
            visits[h] = self.discount * (visits[h - 1] @ _chain(pi[h - 1], self.transitions))
        return visits

    def sensitivity(self, solution: SoftSolution, jacobian: ArrayLike) -> NDArray[np.float64]:
        """Derivative of the optimal log policy, shape (L, S, A, n): (dQ - dV) / tau with dV = E[sum_h gamma^h dr_h].

        One solve of S equations with n right-hand sides; O(S^3 + S^2 A n), and O(H S^2 A n) with a horizon.

        Parameters
        ----------
        solution : SoftSolution
            Of the reward.
        jacobian : float, shape (S, A, n) or (L, S, A, n)
            dr / dnu.

        Raises
        ------
        ValueError
            When the temperature is 0.

        Warns
        -----
        UserWarning
            When every policy is deterministic to working precision: derivatives, of order exp(-gap / tau) / tau, are
            lost.
        """
        if self.temperature == 0.0:
            raise ValueError("temperature = 0.0: must be above 0, or the optimal policy has no derivative")
        _, actions = self.evaluate_many(solution.policy, jacobian)
        # The mean over actions is V's derivative; taken here, it leaves exactly 0 for a single action.
        mean = np.einsum("lsa,lsak->lsk", solution.policy, actions)
        slopes = (actions - mean[:, :, None, :]) / self.temperature
        if slopes.size and (solution.policy[..., None] * np.abs(slopes)).max() < 1e-12 * np.abs(slopes).max():
            text = f"temperature = {self.temperature:g}: policies are almost deterministic, and gradients underflow"
            warnings.warn(text, UserWarning, stacklevel=2)
        return slopes

    @cached_property
    def _rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        return sparse_rows(self.transitions)

    def _backwards(self, table: NDArray[np.float64]) -> SoftSolution:
        q, following = np.empty(table.shape), np.zeros(self.n_states)
        for h in reversed(range(self.layers)):
            q[h] = table[h] + self.discount * (self.transitions @ following)
            following = _soft_maximum(q[h], self.temperature)
        return self._solution(q, self.layers, 0.0)

    def _policy_iteration(self, table: NDArray[np.float64], threshold: float) -> tuple[NDArray[np.float64], int, float]:
        q, change, steps = table, math.inf, 0
        while True:
            one = self._solution(q, 0, 0.0)
            entropy = np.where(one.policy > 0.0, one.log_policy, 0.0)
            values, _ = self.evaluate(one.policy, table - self.temperature * entropy)
            q = table + self.discount * self._expected(values)
            # How far a sweep moves the values: the stopping rule of value iteration, which rounding spoils least.
            before, change = change, float(np.abs(_soft_maximum(q, self.temperature) - values).max())
            steps += 1
            rounding = _ROUNDING * float(np.abs(values).max())
            if change <= max(threshold, rounding) or (change <= 1e3 * rounding and change >= before) or steps == 1000:
                return values[0], steps, change

    def _expected(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """E[V(next) | s, a] layer by layer, shape (L, S, A, ...); nothing follows the last layer of a horizon."""
        S, A = self.n_states, self.n_actions
        flat = self.transitions.reshape(S * A, S)
        if self.horizon is None:
            return (flat @ values[0]).reshape(1, S, A, *values.shape[2:])
        following = np.concatenate([values[1:], np.zeros_like(values[:1])])
        return np.stack([flat @ one for one in following]).reshape(self.layers, S, A, *values.shape[2:])

    def _solution(self, q: NDArray[np.float64], sweeps: int, error: float) -> SoftSolution:
        if self.temperature == 0.0:
            policy = np.zeros(q.shape)
            np.put_along_axis(policy, q.argmax(axis=-1)[..., None], 1.0, axis=-1)
            log_policy = np.where(policy > 0.0, 0.0, -math.inf)
            return SoftSolution(q.max(axis=-1), q, policy, log_policy, sweeps, error)
        values = _soft_maximum(q, self.temperature)
        log_policy = log_softmax(_over_temperature(q, self.temperature))
        return SoftSolution(values, q, np.exp(log_policy), log_policy, sweeps, error)

    def _policy(self, policy: ArrayLike) -> NDArray[np.float64]:
        pi = np.asarray(policy, dtype=np.float64)
        shape = (self.layers, self.n_states, self.n_actions)
        if pi.shape != shape:
            raise ValueError(f"policy: shape {pi.shape} is not {shape}")
        if not (pi >= 0.0).all() or np.abs(pi.sum(axis=-1) - 1.0).max() > 1e-9:
            raise ValueError("policy: every row must be a distribution over actions")
        return pi

    def _resolvent(self, pi: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.eye(self.n_states) - self.discount * _chain(pi, self.transitions)


def log_softmax(logits: Any) -> NDArray[np.float64]:
    """Logarithm of the softmax along the last axis, shifted so that nothing overflows.

    Parameters
    ----------
    logits : float, shape (..., A)

    Examples
    --------
    >>> log_softmax([1000.0, 1000.0]).round(6).tolist()
    [-0.693147, -0.693147]
    """
    shifted = np.asarray(logits, dtype=np.float64)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _chain(pi: NDArray[np.float64], transitions: NDArray[np.float64]) -> NDArray[np.float64]:
    """P_pi (S, S)."""
    return np.asarray((pi[:, None, :] @ transitions)[:, 0, :])


def _soft_maximum(q: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """tau log sum_a exp(q / tau), shape (..., S); the maximum when tau is 0."""  # noqa: D403
    most = q.max(axis=-1)
    if temperature == 0.0:
        return np.asarray(most)
    return np.asarray(most + temperature * np.log(np.exp(_over_temperature(q, temperature)).sum(axis=-1)))


def _over_temperature(q: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """(Q - max Q) / tau, shape (..., S, A); -inf where a tiny temperature lets it overflow."""
    with np.errstate(over="ignore"):
        return np.asarray((q - q.max(axis=-1, keepdims=True)) / temperature)
