"""The arm with the best mean so far, but for some exploration that does not look at the rewards.

Sources: T. Lattimore and C. Szepesvari, "Bandit Algorithms", 2020, Chapter 6 (explore-then-commit, Theorem 6.1);
P. Auer, N. Cesa-Bianchi, P. Fischer, "Finite-time analysis of the multiarmed bandit problem", 2002, Figure 3 and
Theorem 3 (epsilon-greedy with a schedule).
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from pydantic import Field

from algos.contracts import Count, Probability, description, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold
from bandits.fields import Positive, Tie
from bandits.instances import positive_number, suboptimal_gaps
from bandits.policy import Policy, PolicyKernels

__all__ = [
    "DecayingEpsilonGreedy",
    "EpsilonGreedy",
    "ExploreThenCommit",
    "epsilon_greedy_lower_bound",
    "explore_then_commit_bound",
]


class _State(NamedTuple):
    pulls: np.ndarray  # (K,) int64, times each arm was played
    rewards: np.ndarray  # (K,) float64, sum of its rewards
    means: np.ndarray  # (K,) float64, rewards / pulls, inf before the first pull
    committed: np.ndarray  # (1,) int64, the arm that explore-then-commit stays with, -1 before


class _Exploration(NamedTuple):
    constant: float  # explore in round t with probability min(1, constant + scale K / t)
    scale: float
    random_ties: bool


class _Commitment(NamedTuple):
    pulls: int  # of each arm before committing
    random_ties: bool


@description
class ExploreThenCommit(Policy):
    """Pull each arm the same number of times, in turn, then the one with the largest mean for ever.

    Parameters
    ----------
    pulls : int >= 1
        m, pulls of each arm before committing.
    tie : {"lowest", "random"}
        Which of several arms with the largest mean is chosen.

    Notes
    -----
    For sigma-sub-Gaussian rewards the expected regret is at most `explore_then_commit_bound`. O(1) a round.
    """

    pulls: Count
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select_committing, _update)

    def parameters(self, horizon: int) -> _Commitment:
        """The pulls of each arm before committing."""
        return _Commitment(self.pulls, self.tie == "random")


@description
class EpsilonGreedy(Policy):
    """With probability epsilon any arm, drawn uniformly; otherwise the arm with the largest mean.

    An arm that was never pulled counts as larger than any mean.

    Parameters
    ----------
    epsilon : float in [0, 1]
        Chance of exploring in each round.
    tie : {"lowest", "random"}
        Which of several arms with the largest mean is played.

    Notes
    -----
    The expected regret grows for ever: it is at least epsilon T times the mean gap (`epsilon_greedy_lower_bound`).
    O(K) a round.
    """

    epsilon: Probability = 0.1
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Exploration:
        """The chance of exploring."""
        return _Exploration(self.epsilon, 0.0, self.tie == "random")


@description
class DecayingEpsilonGreedy(Policy):
    """Epsilon-greedy that explores in round t with probability min(1, c K / (gap^2 t)).

    Parameters
    ----------
    gap : float in (0, 1]
        d, at most the smallest positive gap, which must be known; rewards are in [0, 1].
    exploration : float > 0
        c. The theorem asks for more than 5.
    tie : {"lowest", "random"}
        Which of several arms with the largest mean is played.

    Notes
    -----
    With exploration > 5 the expected regret is O(c K ln(T) / d^2). O(K) a round.
    """

    gap: Annotated[float, Field(gt=0.0, le=1.0)]
    exploration: Positive = 6.0
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Exploration:
        """The scale of the chance of exploring."""
        return _Exploration(0.0, self.exploration / self.gap / self.gap, self.tie == "random")


@guarantee("Lattimore & Szepesvari 2020, Theorem 6.1", kind="upper", algorithm="ExploreThenCommit", evidence="textbook")
def explore_then_commit_bound(gaps: ArrayLike, horizon: int, pulls: int, sigma: float = 0.5) -> float:
    """E[regret] <= m sum_i gap_i + (T - m K) sum_i gap_i exp(-m gap_i^2 / (4 sigma^2)), m <= T/K.

    Parameters
    ----------
    gaps : float array, shape (K,)
        Best mean minus the arm's mean.
    horizon : int >= 1
        T, rounds played.
    pulls : int in 1..T/K
        m, pulls of each arm before committing.
    sigma : float > 0
        Rewards are sigma-sub-Gaussian. The book has sigma = 1; dividing all rewards by sigma gives the rest.
    """
    rounds, positive, n_arms = whole_number(horizon, "horizon", 1), suboptimal_gaps(gaps), np.asarray(gaps).size
    each, scale = whole_number(pulls, "pulls", 1), positive_number(sigma, "sigma")
    if each * n_arms > rounds:
        raise ValueError(f"pulls: {each} of each of {n_arms} arms are more than the {rounds} rounds")
    wrong = positive * np.exp(-each * (positive / scale) ** 2 / 4)
    return float(each * positive.sum() + (rounds - each * n_arms) * wrong.sum())


@guarantee("definition", kind="lower", algorithm="EpsilonGreedy", evidence="derived")
def epsilon_greedy_lower_bound(gaps: ArrayLike, horizon: int, epsilon: float) -> float:
    """E[regret of epsilon-greedy] >= epsilon T sum_i gap_i / K.

    Parameters
    ----------
    gaps : float array, shape (K,)
        Best mean minus the arm's mean.
    horizon : int >= 1
        T, rounds played.
    epsilon : float in [0, 1]
        Chance of exploring in each round.
    """
    rounds, positive, n_arms = whole_number(horizon, "horizon", 1), suboptimal_gaps(gaps), np.asarray(gaps).size
    if not 0.0 <= epsilon <= 1.0:
        raise ValueError(f"epsilon: {epsilon!r} is not in [0, 1]")
    return float(epsilon * rounds * positive.sum() / n_arms)


@njit(cache=True)
def _init(n_arms, params):
    return _State(np.zeros(n_arms, np.int64), np.zeros(n_arms), np.full(n_arms, np.inf), np.full(1, np.int64(-1)))


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    n_arms = state.means.size
    explores = rng.random() < params.constant + params.scale * n_arms / t
    arm = int(rng.random() * n_arms) if explores else _best(state, params, rng)
    hold(state, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _select_committing(state, params, t, rng):
    n_arms = state.means.size
    if state.committed[0] < 0 and t > n_arms * params.pulls:
        learnt = 0  # fewer than were pulled where rewards come late
        for i in range(n_arms):
            learnt += state.pulls[i]
        if learnt >= n_arms * params.pulls:
            state.committed[0] = _best(state, params, rng)
    arm = state.committed[0] if state.committed[0] >= 0 else (t - 1) % n_arms
    hold(state, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _best(state, params, rng):
    means = state.means
    best, arm = -math.inf, 0
    for i in range(means.size):
        if means[i] > best:
            best, arm = means[i], i
    if params.random_ties:
        ties = 0
        for i in range(means.size):
            if means[i] == best:
                ties += 1
                if rng.random() * ties < 1.0:
                    arm = i
    hold(means, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    state.pulls[arm] += 1
    state.rewards[arm] += reward
    state.means[arm] = state.rewards[arm] / state.pulls[arm]
