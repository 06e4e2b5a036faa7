"""Thompson sampling for Bernoulli rewards: play the arm that is best in one draw from the posterior.

Sources: W. R. Thompson, "On the likelihood that one unknown probability exceeds another", 1933; rewards in [0, 1]
by Bernoulli rounding: S. Agrawal and N. Goyal, "Analysis of Thompson sampling for the multi-armed bandit
problem", 2012, Algorithm 2; D. Russo and B. Van Roy, "An information-theoretic analysis of Thompson sampling",
2016 (Bayesian regret); gamma variates by G. Marsaglia and W. W. Tsang, "A simple method for generating gamma
variables", 2000.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold
from bandits.policy import Policy, PolicyKernels

__all__ = ["ThompsonSampling", "thompson_bayesian_bound"]


class _State(NamedTuple):
    gammas: np.ndarray  # (K, 4) float64: d = a - 1/3 and 1/sqrt(9 d) for a = 1 + successes, the same for failures
    coin: np.ndarray  # (1,) float64, the uniform that rounds this round's reward to 0 or 1


@description
class ThompsonSampling(Policy):
    """Thompson sampling with a Beta(1, 1) prior on each arm's success probability.

    Rewards strictly between 0 and 1 are rounded at random to 1 with the reward as probability, which keeps the
    guarantee.

    Notes
    -----
    The Bayesian regret under the uniform prior is at most sqrt(K T ln(K) / 2) (`thompson_bayesian_bound`). Its
    regret is heavy-tailed: compare means over a thousand runs or more. O(K) a round, two gamma draws an arm.
    """

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True


@guarantee("Russo & Van Roy 2016", kind="upper", algorithm="ThompsonSampling", evidence="textbook")
def thompson_bayesian_bound(n_arms: int, horizon: int) -> float:
    """E[regret of Thompson sampling] <= sqrt(K T ln(K) / 2) when the means are drawn from its prior.

    Parameters
    ----------
    n_arms : int >= 1
        K, number of arms, whose means are independent and uniform on [0, 1].
    horizon : int >= 1
        T, rounds played.
    """
    arms, rounds = whole_number(n_arms, "n_arms", 1), whole_number(horizon, "horizon", 1)
    return math.sqrt(arms * rounds * math.log(arms) / 2)


@njit(cache=True)
def _init(n_arms, params):
    gammas = np.empty((n_arms, 4))
    gammas[:, 0] = gammas[:, 2] = 2.0 / 3.0
    gammas[:, 1] = gammas[:, 3] = 1.0 / math.sqrt(6.0)
    return _State(gammas, np.zeros(1))


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    gammas = state.gammas
    best, arm = -1.0, 0
    for i in range(gammas.shape[0]):
        x = _gamma(gammas[i, 0], gammas[i, 1], rng)
        y = _gamma(gammas[i, 2], gammas[i, 3], rng)
        theta = x / (x + y)  # Beta(1 + successes, 1 + failures)
        if theta > best:
            best, arm = theta, i
    state.coin[0] = rng.random()
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    column = 0 if state.coin[0] < reward else 2
    d = state.gammas[arm, column] + 1.0
    state.gammas[arm, column] = d
    state.gammas[arm, column + 1] = 1.0 / math.sqrt(9.0 * d)


@njit(cache=True, forceinline=True, error_model="numpy")
def _gamma(d, c, rng):
    """One Gamma(d + 1/3, 1) variate, d >= 2/3, where c = 1/sqrt(9 d)."""
    v, accepted = 0.0, False
    while not accepted:
        x = rng.standard_normal()
        v = 1.0 + c * x
        if v > 0.0:
            v = v * v * v
            u = rng.random()
            square = x * x
            accepted = (
                u < 1.0 - 0.0331 * square * square
                or u == 0.0
                or math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v))
            )
    hold(rng)
    return d * v
