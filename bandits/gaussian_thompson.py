"""Thompson sampling with a Gaussian posterior.

Source: S. Agrawal and N. Goyal, "Further optimal regret bounds for Thompson sampling", 2013, Algorithm 2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.kernels import hold
from bandits.fields import Scale
from bandits.policy import Policy, PolicyKernels

__all__ = ["GaussianThompson"]


class _State(NamedTuple):
    pulls: np.ndarray  # (K,) int64, times each arm was played
    rewards: np.ndarray  # (K,) float64, sum of its rewards
    centres: np.ndarray  # (K,) float64, rewards / (pulls + 1)
    deviations: np.ndarray  # (K,) float64, sigma / sqrt(pulls + 1)


class _Parameters(NamedTuple):
    sigma: float


@description
class GaussianThompson(Policy):
    """Thompson sampling for Gaussian rewards with a Normal(0, sigma^2) prior on each arm's mean.

    Every round each arm draws a value from Normal(rewards / (pulls + 1), sigma^2 / (pulls + 1)), whose standard
    deviation is sigma / sqrt(pulls + 1); the arm with the largest value is played.

    Parameters
    ----------
    sigma : float > 0
        Standard deviation of the rewards. Agrawal and Goyal have 1.

    Notes
    -----
    With sigma = 1 and rewards in [0, 1] the expected regret is O(sqrt(K T ln(K))), with a constant that was not stated.
    O(K) a round, one normal draw an arm.
    """

    sigma: Scale = 1.0

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """The standard deviation of the rewards."""
        return _Parameters(self.sigma)


@njit(cache=True)
def _init(n_arms, params):
    return _State(np.zeros(n_arms, np.int64), np.zeros(n_arms), np.zeros(n_arms), np.full(n_arms, params.sigma))


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    centres, deviations = state.centres, state.deviations
    best, arm = -math.inf, 0
    for i in range(centres.size):
        value = centres[i] + deviations[i] * rng.standard_normal()
        if value > best:
            best, arm = value, i
    hold(centres, deviations, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    state.pulls[arm] += 1
    state.rewards[arm] += reward
    state.centres[arm] = state.rewards[arm] / (state.pulls[arm] + 1.0)
    state.deviations[arm] = params.sigma / math.sqrt(state.pulls[arm] + 1.0)
