"""Preferences between trajectories: who prefers which, and the exact cost of a reward that should explain them.

Two trajectories are drawn from the agent's policy; the first is preferred with the chance of the Bradley-Terry model of
a true reward. The designer pays the logistic loss with which the returns of r_nu explain the label. Both returns depend
on a trajectory only through how often each action was taken in each state, so that trajectories are counted, not
listed: an episode of H steps has at most C(S A + H - 1, H) outcomes in place of (S A)^H.

Source: Chakraborty et al., ICLR 2024 (arXiv:2308.02585), for the objective; gradient and counting are derived.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algos.arrays import FiniteMatrix
from algos.contracts import check_generator, description
from algos.soft_control import SoftControl

__all__ = ["EpisodeCounts", "PreferenceOracle", "count_episodes", "preference_cost"]

_MOST_OUTCOMES = 20_000
_MOST_NODES = 300_000


@description
class PreferenceOracle:
    """Bradley-Terry: the first of two trajectories is preferred with chance s((R(first) - R(second)) / temperature).

    Parameters
    ----------
    true_reward : float, shape (S, A)
        R sums it over a trajectory, without discount.
    temperature : float > 0
        The larger, the noisier.

    Examples
    --------
    >>> oracle = PreferenceOracle([[0.0, math.log(3.0)]])
    >>> round(float(oracle.chance(([[0]], [[1]]), ([[0]], [[0]]))[0]), 12)
    0.75
    """

    true_reward: FiniteMatrix
    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0

    def returns(self, states: ArrayLike, actions: ArrayLike) -> NDArray[np.float64]:
        """True returns of trajectories, shape (count,)."""
        return np.asarray(self.true_reward[np.asarray(states), np.asarray(actions)].sum(axis=-1))

    def chance(self, first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike]) -> NDArray[np.float64]:
        """Chance that the first is preferred, pair by pair.

        Parameters
        ----------
        first, second : pair of int arrays, each of shape (count, length)
            States and actions.
        """
        margin = (self.returns(*first) - self.returns(*second)) / self.temperature
        return np.exp(-np.logaddexp(0.0, -margin))

    def compare(
        self, first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike], rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Labels: whether the first was preferred, bool of shape (count,)."""
        chance = self.chance(first, second)
        return np.asarray(check_generator(rng, "drawing labels").random(chance.shape) < chance)


class EpisodeCounts(NamedTuple):
    """All episodes of H steps, merged where state and counts so far agree; it does not depend on the policy."""

    start: NDArray[np.int64]  # (nodes of step 0,), their states
    edges: tuple[tuple[NDArray[np.int64], ...], ...]  # a step: node, state, action, next node, next state
    counts: NDArray[np.int64]  # (M, S A), visits of an outcome


def count_episodes(control: SoftControl) -> EpisodeCounts:
    """Build the graph of all episodes.

    Raises
    ------
    ValueError
        Without a horizon, and when there are more than 20,000 outcomes, whose pairs could not be enumerated.
    """
    if control.horizon is None:
        raise ValueError("horizon: must be given for preferences, which compare whole episodes")
    S, A, H = control.n_states, control.n_actions, control.horizon
    following = [[np.flatnonzero(control.transitions[s, a]).tolist() for a in range(A)] for s in range(S)]
    unit = [[(H + 1) ** (s * A + a) for a in range(A)] for s in range(S)]  # a digit a pair of state and action
    starts = np.flatnonzero(control.start)
    layer = {(int(s), 0): i for i, s in enumerate(starts)}
    edges, total = [], len(layer)
    for h in range(H):
        rows: list[tuple[int, int, int, int, int]] = []
        fresh: dict[tuple[int, int], int] = {}
        for (s, key), node in layer.items():
            for a in range(A):
                # After the last step only the counts matter; -1 stands for no next state.
                for t in following[s][a] if h + 1 < H else (-1,):
                    target = fresh.setdefault((t, key + unit[s][a]), len(fresh))
                    rows.append((node, s, a, target, t))
        total += len(fresh)
        if total > _MOST_NODES or len(fresh) > _MOST_OUTCOMES * (S if h + 1 < H else 1):
            raise ValueError(
                f"horizon: episodes of {H} steps in {S} states with {A} actions have more than "
                f"{_MOST_OUTCOMES:,} outcomes; their pairs cannot be enumerated, only sampled"
            )
        edges.append(tuple(np.array(rows, dtype=np.int64).T))
        layer = fresh
    counts = np.zeros((len(layer), S * A), dtype=np.int64)
    for (_, key), m in layer.items():
        rest = key
        for j in range(S * A):
            rest, counts[m, j] = divmod(rest, H + 1)
    return EpisodeCounts(starts, tuple(edges), counts)


def preference_cost(
    control: SoftControl,
    episodes: EpisodeCounts,
    oracle: PreferenceOracle,
    policy: NDArray[np.float64],
    reward: NDArray[np.float64],
    jacobian: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """The expected loss of a pair and its two derivatives: with the policy held, and through the policy.

    O(M^2) for M outcomes.

    Parameters
    ----------
    control, episodes, oracle
        Of one problem.
    policy : float, shape (H, S, A)
    reward : float, shape (S, A)
    jacobian : float, shape (S, A, n)

    Returns
    -------
    loss : float
        -U.
    direct : float64, shape (n,)
    weights : float64, shape (H, S, A)
        The loss changes by the sum of weights times d log pi.
    """
    forward: list[NDArray[Any]] = [control.start[episodes.start]]
    for h, (node, s, a, target, t) in enumerate(episodes.edges):
        size = int(target.max()) + 1
        forward.append(np.bincount(target, forward[h][node] * _chance(control, policy[h], s, a, t), minlength=size))
    mass = forward[-1]
    returns = episodes.counts @ reward.ravel()
    margins = episodes.counts @ oracle.true_reward.ravel() / oracle.temperature
    losses, pull = np.zeros(mass.size), np.zeros(mass.size)
    _pair_losses(mass, returns, margins, losses, pull)
    slopes = episodes.counts @ jacobian.reshape(-1, jacobian.shape[-1])
    direct = 2.0 * (mass * pull) @ slopes
    weights = np.zeros((len(episodes.edges), control.n_states, control.n_actions))
    later: NDArray[Any] = losses
    for h in reversed(range(len(episodes.edges))):
        node, s, a, target, t = episodes.edges[h]
        part = _chance(control, policy[h], s, a, t) * later[target]
        # Either of the two trajectories may be the one whose action changes.
        np.add.at(weights[h], (s, a), 2.0 * forward[h][node] * part)
        later = np.bincount(node, part, minlength=forward[h].size)
    return float(mass @ losses), direct, weights


def _chance(control: SoftControl, policy: NDArray[np.float64], s: NDArray[np.int64], a: NDArray[np.int64],
            t: NDArray[np.int64]) -> NDArray[np.float64]:  # fmt: skip
    step = policy[s, a]
    return step * np.where(t < 0, 1.0, control.transitions[s, a, t])


@njit(cache=True, nogil=True)
def _pair_losses(mass, returns, margins, losses, pull):
    """For each outcome, the mean over its rivals of the loss of the pair and of s(D) less the chance of the label."""
    for i in range(mass.size):
        loss, slope = 0.0, 0.0
        for j in range(mass.size):
            gap, true = returns[i] - returns[j], margins[i] - margins[j]
            rejected = _logistic(-true)
            loss += mass[j] * (_soft_plus(-gap) + rejected * gap)
            slope += mass[j] * (rejected - _logistic(-gap))
        losses[i], pull[i] = loss, slope


@njit(cache=True, forceinline=True)
def _soft_plus(x):
    """log(1 + exp(x)) without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@njit(cache=True, forceinline=True)
def _logistic(x):
    z = math.exp(-abs(x))
    return 1.0 / (1.0 + z) if x >= 0.0 else z / (1.0 + z)
