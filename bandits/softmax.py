"""Softmax, or Boltzmann, exploration: an arm is played with probability proportional to exp(mean / temperature).

Sources: R. D. Luce, "Individual choice behavior", 1959, for the weighting; R. S. Sutton and A. G. Barto,
"Reinforcement learning", 1998, Section 2.3, as a bandit policy.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.kernels import hold
from bandits.fields import Positive
from bandits.policy import Policy, PolicyKernels

__all__ = ["Softmax"]


class _State(NamedTuple):
    pulls: np.ndarray  # (K,) int64, times each arm was played
    rewards: np.ndarray  # (K,) float64, sum of its rewards
    means: np.ndarray  # (K,) float64, rewards / pulls
    weights: np.ndarray  # (K,) float64, exp((mean - reference) / temperature)
    reference: np.ndarray  # (1,) float64, one of the last largest means


class _Parameters(NamedTuple):
    temperature: float


@description
class Softmax(Policy):
    """Every arm once, in order; then arm i with probability proportional to exp(mean_i / temperature).

    Parameters
    ----------
    temperature : float > 0
        In units of the reward: near 0 greedy, large uniform.

    Notes
    -----
    Nothing is proved for a constant temperature; arms are explored for ever, so the regret grows linearly. O(K) a
    round.
    """

    temperature: Positive = 0.1

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """The temperature."""
        return _Parameters(self.temperature)


@njit(cache=True)
def _init(n_arms, params):
    return _State(np.zeros(n_arms, np.int64), np.zeros(n_arms), np.zeros(n_arms), np.zeros(n_arms), np.zeros(1))


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    weights = state.weights
    arm = t - 1
    if t > weights.size:
        total = 0.0
        for i in range(weights.size):
            total += weights[i]
        if not 1e-100 < total < 1e100:  # the means have left the reference far behind
            total = _refer_to_the_largest(state, params)
        left = rng.random() * total
        arm = 0
        for i in range(weights.size - 1):  # the last arm, should rounding leave something
            left -= weights[i]
            arm += left >= 0.0
    hold(weights, state, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _refer_to_the_largest(state, params):
    reference, total = -math.inf, 0.0
    for i in range(state.means.size):
        reference = max(reference, state.means[i])
    for i in range(state.means.size):
        state.weights[i] = math.exp((state.means[i] - reference) / params.temperature)
        total += state.weights[i]
    state.reference[0] = reference
    return total


@njit(cache=True, forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    state.pulls[arm] += 1
    state.rewards[arm] += reward
    state.means[arm] = state.rewards[arm] / state.pulls[arm]
    # The exponent is cut where exp would overflow; the next round then changes the reference.
    exponent = (state.means[arm] - state.reference[0]) / params.temperature
    state.weights[arm] = math.exp(min(exponent, 700.0))
