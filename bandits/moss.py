"""MOSS: a confidence bonus that vanishes for arms pulled more than their share of the horizon.

Sources: J.-Y. Audibert and S. Bubeck, "Minimax policies for adversarial and stochastic bandits", 2009; T. Lattimore
and C. Szepesvari, "Bandit Algorithms", 2020, Algorithm 7 and Theorem 9.1; without a horizon: R. Degenne and
V. Perchet, "Anytime optimal algorithms in stochastic multi-armed bandits", 2016.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from algos.contracts import description, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold
from bandits.fields import Scale, Tie
from bandits.instances import positive_number, suboptimal_gaps
from bandits.policy import Policy, PolicyKernels

__all__ = ["MOSS", "moss_bound", "moss_unit_bound"]


class _State(NamedTuple):
    pulls: np.ndarray  # (K,) int64, times each arm was played
    rewards: np.ndarray  # (K,) float64, sum of its rewards
    means: np.ndarray  # (K,) float64, rewards / pulls
    weights: np.ndarray  # (K,) float64, 4 sigma^2 / pulls
    logarithms: np.ndarray  # (K,) float64, ln(K pulls)


class _Parameters(NamedTuple):
    weight: float  # 4 sigma^2
    level: float  # ln T, or -1 for ln t
    random_ties: bool


@description
class MOSS(Policy):
    """Minimax optimal strategy in the stochastic case, for sigma-sub-Gaussian rewards.

    Every arm once, in order; then the arm with the largest
    mean + sigma sqrt(4 max(0, ln(T / (K pulls))) / pulls).

    Parameters
    ----------
    sigma : float > 0
        Rewards are sigma-sub-Gaussian. 1/2, for rewards in [0, 1], is the policy of Audibert and Bubeck; 1 is that of
        Lattimore and Szepesvari.
    anytime : bool
        Put the round t in place of the horizon T, which the policy then need not know; the bounds below are not for it.
    tie : {"lowest", "random"}
        Which of several arms with the same index is played.

    Notes
    -----
    The expected regret is at most 39 sigma sqrt(K T) + sum_i gap_i (`moss_bound`): no logarithm. O(K) a round.
    """

    sigma: Scale = 0.5
    anytime: bool = False
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """The weight of the bonus and the logarithm of the horizon."""
        return _Parameters(4.0 * self.sigma**2, -1.0 if self.anytime else math.log(horizon), self.tie == "random")


@guarantee("Lattimore & Szepesvari 2020, Theorem 9.1", kind="upper", algorithm="MOSS", evidence="textbook")
def moss_bound(gaps: ArrayLike, horizon: int, sigma: float = 0.5) -> float:
    """E[regret of MOSS] <= 39 sigma sqrt(K T) + sum_i gap_i.

    Parameters
    ----------
    gaps : float array, shape (K,)
        Best mean minus the arm's mean.
    horizon : int >= 1
        T, rounds played.
    sigma : float > 0
        Rewards are sigma-sub-Gaussian. The book has sigma = 1; dividing all rewards by sigma gives the rest.
    """
    rounds, positive, n_arms = whole_number(horizon, "horizon", 1), suboptimal_gaps(gaps), np.asarray(gaps).size
    return float(39 * positive_number(sigma, "sigma") * math.sqrt(n_arms * rounds) + np.sum(positive))


@guarantee("Audibert & Bubeck 2009", kind="upper", algorithm="MOSS", evidence="textbook")
def moss_unit_bound(n_arms: int, horizon: int) -> float:
    """E[regret of MOSS] <= 49 sqrt(K T) for rewards in [0, 1].

    Parameters
    ----------
    n_arms : int >= 1
        K, number of arms.
    horizon : int >= 1
        T, rounds played.

    Notes
    -----
    The constant was not looked up again; for sigma = 1/2 and T >= K, `moss_bound` is smaller.
    """
    return 49 * math.sqrt(whole_number(n_arms, "n_arms", 1) * whole_number(horizon, "horizon", 1))


@njit(cache=True)
def _init(n_arms, params):
    zeros = np.zeros((4, n_arms))
    return _State(np.zeros(n_arms, np.int64), zeros[0], zeros[1], zeros[2], zeros[3])


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    means, weights, logarithms = state.means, state.weights, state.logarithms
    best, arm = -math.inf, t - 1
    if t > means.size:
        level = math.log(t) if params.level < 0.0 else params.level
        for i in range(means.size):
            index = means[i] + math.sqrt(weights[i] * max(level - logarithms[i], 0.0))
            if index > best:
                best, arm = index, i
        if params.random_ties:
            ties = 0
            for i in range(means.size):
                if means[i] + math.sqrt(weights[i] * max(level - logarithms[i], 0.0)) == best:
                    ties += 1
                    if rng.random() * ties < 1.0:
                        arm = i
    hold(means, weights, logarithms, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    state.pulls[arm] += 1
    state.rewards[arm] += reward
    state.means[arm] = state.rewards[arm] / state.pulls[arm]
    state.weights[arm] = params.weight / state.pulls[arm]
    state.logarithms[arm] = math.log(state.means.size * state.pulls[arm])
