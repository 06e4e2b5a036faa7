"""IMED: indexed minimum empirical divergence, which needs one divergence an arm and no solver.

Source: J. Honda and A. Takemura, "Non-asymptotic analysis of a new bandit algorithm for semi-bounded rewards", 2015,
Algorithm 1, with the divergence of Bernoulli laws.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description
from algos.kernels import hold
from bandits.fields import Tie
from bandits.policy import Policy, PolicyKernels

__all__ = ["IMED"]

_EQUAL = 1e-10  # indices this close are ties: 1 failure in 1 pull and 1 in 3, for example, tie but for rounding


class _State(NamedTuple):
    pulls: np.ndarray  # (K,) float64, times each arm was played
    rewards: np.ndarray  # (K,) float64, S, sum of its rewards
    failures: np.ndarray  # (K,) float64, F = pulls - S
    means: np.ndarray  # (K,) float64, m = S / pulls
    bases: np.ndarray  # (K,) float64, S ln m + F ln(1 - m)
    logarithms: np.ndarray  # (K,) float64, ln(pulls)


class _Parameters(NamedTuple):
    random_ties: bool


@description
class IMED(Policy):
    """Every arm once, in order; then the arm with the least pulls * kl(mean, largest mean) + ln(pulls).

    Rewards are in [0, 1], and kl is the divergence of Bernoulli laws.

    Parameters
    ----------
    tie : {"lowest", "random"}
        Which of several arms with the same index, to within 1e-10, is played.

    Notes
    -----
    The regret of Bernoulli arms divided by ln(T) tends to sum_i gap_i / kl(mean_i, best mean): no consistent policy has
    less (`lai_robbins_constant`). O(K) a round, with two logarithms for all arms together.
    """

    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """How ties are broken."""
        return _Parameters(self.tie == "random")

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True


@njit(cache=True)
def _init(n_arms, params):
    zeros = np.zeros((6, n_arms))
    return _State(zeros[0], zeros[1], zeros[2], zeros[3], zeros[4], zeros[5])


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    means, best, arm = state.means, math.inf, t - 1
    if t > means.size:
        largest = 0.0
        for i in range(means.size):
            largest = max(largest, means[i])
        success, failure = _log(largest), _log(1.0 - largest)
        for i in range(means.size):
            index = _index(state, success, failure, i)
            if index < best - _EQUAL:
                best, arm = index, i
        if params.random_ties:
            ties = 0
            for i in range(means.size):
                if abs(_index(state, success, failure, i) - best) <= _EQUAL:
                    ties += 1
                    if rng.random() * ties < 1.0:
                        arm = i
    hold(state, means, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _index(state, success, failure, i):
    # pulls * kl(m, largest) = S ln m + F ln(1 - m) - S ln(largest) - F ln(1 - largest): exactly 0 for the leader.
    divergence = state.bases[i] - (state.rewards[i] * success + state.failures[i] * failure)
    return max(divergence, 0.0) + state.logarithms[i]


@njit(cache=True, forceinline=True, error_model="numpy")
def _log(x):
    """Ln x, and for 0 a number that stands for -inf and gives 0 when multiplied by 0."""
    return math.log(x) if x > 0.0 else -1e300


@njit(cache=True, forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    pulls = state.pulls[arm] + 1.0
    rewards = min(max(state.rewards[arm] + reward, 0.0), pulls)  # the range of the divergence, should rewards leave it
    state.pulls[arm], state.rewards[arm], state.failures[arm] = pulls, rewards, pulls - rewards
    mean = rewards / pulls
    state.means[arm] = mean
    state.bases[arm] = rewards * _log(mean) + (pulls - rewards) * _log(1.0 - mean)
    state.logarithms[arm] = math.log(pulls)
