"""Upper confidence bounds that shrink where an arm's rewards vary little.

Sources: J.-Y. Audibert, R. Munos, C. Szepesvari, "Exploration-exploitation tradeoff using variance estimates in
multi-armed bandits", 2009 (UCB-V); P. Auer, N. Cesa-Bianchi, P. Fischer, "Finite-time analysis of the multiarmed bandit
problem", 2002, Section 4 (UCB-Tuned).
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
from bandits.fields import LogTime, Positive, Scale, Tie
from bandits.instances import positive_number, vector
from bandits.policy import Arms, Policy, PolicyKernels

__all__ = ["UCBV", "UCBTuned", "ucbv_bound"]


class _State(NamedTuple):
    pulls: np.ndarray  # (K,) int64, times each arm was played
    rewards: np.ndarray  # (K,) float64, sum of its rewards
    squares: np.ndarray  # (K,) float64, sum of their squares
    means: np.ndarray  # (K,) float64, rewards / pulls
    variances: np.ndarray  # (K,) float64, squares / pulls - mean^2
    inverses: np.ndarray  # (K,) float64, 1 / pulls
    roots: np.ndarray  # (K,) float64, sqrt(2 variance / pulls) for UCB-V, sqrt(2 / pulls) for UCB-Tuned


class _Parameters(NamedTuple):
    exploration: float  # zeta: E = zeta ln(t - lag)
    slope: float  # 3 b, the weight of E / pulls; 0 for UCB-Tuned
    lag: int
    random_ties: bool


@description
class UCBV(Policy):
    """UCB-V: a bonus from the empirical variance, for rewards in [0, b].

    Every arm once, in order; then the arm with the largest mean + sqrt(2 V E / pulls) + 3 b E / pulls, where V is the
    empirical variance (sum of squares over pulls) and E = exploration * ln(s).

    Parameters
    ----------
    exploration : float > 0
        zeta. The paper's bound is for 1.2.
    reward_range : float > 0
        b: rewards are in [0, b].
    log_time : {"t", "t-1"}
        What stands for s in round t: t itself, as in the paper, or the number of completed pulls.
    tie : {"lowest", "random"}
        Which of several arms with the same index is played.

    Notes
    -----
    With exploration 1.2, the expected regret is at most 10 ln(T) sum_i (variance_i / gap_i + 2 b) (`ucbv_bound`).
    O(K) a round.
    """

    exploration: Positive = 1.2
    reward_range: Scale = 1.0
    log_time: LogTime = "t"
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """The weights of the bonus."""
        lag = 1 if self.log_time == "t-1" else 0
        return _Parameters(self.exploration, 3.0 * self.reward_range, lag, self.tie == "random")

    def check(self, arms: Arms) -> None:
        """Refuse arms that declare rewards outside [0, b]."""
        low, high = getattr(arms, "support", (0.0, self.reward_range))
        if not (low >= 0.0 and high <= self.reward_range):
            raise ValueError(f"arms: rewards in [{low:g}, {high:g}], but UCBV has reward_range = {self.reward_range:g}")


@description
class UCBTuned(Policy):
    """UCB-Tuned: UCB1 with an upper bound on the variance in place of its largest value 1/4, for rewards in [0, 1].

    Every arm once, in order; then the arm with the largest
    mean + sqrt(ln(s) / pulls * min(1/4, V + sqrt(2 ln(s) / pulls))), where V is the empirical variance.

    Parameters
    ----------
    log_time : {"t-1", "t"}
        What stands for s in round t: the number of completed pulls, as in Auer et al., or t itself.
    tie : {"lowest", "random"}
        Which of several arms with the same index is played.

    Notes
    -----
    Nothing is proved about it. O(K) a round.
    """

    log_time: LogTime = "t-1"
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select_tuned, _update_tuned)

    def parameters(self, horizon: int) -> _Parameters:
        """The lag of the logarithm's time."""
        return _Parameters(1.0, 0.0, 1 if self.log_time == "t-1" else 0, self.tie == "random")

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True


@guarantee("Audibert, Munos & Szepesvari 2009", kind="upper", algorithm="UCBV", evidence="textbook")
def ucbv_bound(gaps: ArrayLike, variances: ArrayLike, horizon: int, reward_range: float = 1.0) -> float:
    """E[regret of UCB-V] <= 10 ln(T) sum_i (variance_i / gap_i + 2 b), over the suboptimal arms, T >= 2.

    Parameters
    ----------
    gaps : float array, shape (K,)
        Best mean minus the arm's mean; optimal arms, whose gap is zero, are skipped.
    variances : float array, shape (K,)
        Variance of each arm's rewards.
    horizon : int >= 2
        T, rounds played.
    reward_range : float > 0
        b: rewards are in [0, b].

    Notes
    -----
    For ``exploration=1.2`` and ``log_time="t"``.
    """
    rounds, given = whole_number(horizon, "horizon", 2), vector(gaps, "gaps", low=0.0)
    spread = vector(variances, "variances", low=0.0)
    if spread.shape != given.shape:
        raise ValueError(f"variances: shape {spread.shape} does not match the {given.size} gaps")
    below = given > 0
    with np.errstate(over="ignore"):
        terms = spread[below] / given[below] + 2 * positive_number(reward_range, "reward_range")
    return float(10 * math.log(rounds) * np.sum(terms))


@njit(cache=True)
def _init(n_arms, params):
    zeros = np.zeros((6, n_arms))
    return _State(np.zeros(n_arms, np.int64), zeros[0], zeros[1], zeros[2], zeros[3], zeros[4], zeros[5])


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    means, inverses, roots = state.means, state.inverses, state.roots
    best, arm = -math.inf, t - 1
    if t > means.size:
        level = params.exploration * math.log(t - params.lag)
        root, slope = math.sqrt(level), params.slope * level
        for i in range(means.size):
            index = means[i] + root * roots[i] + slope * inverses[i]
            if index > best:
                best, arm = index, i
        if params.random_ties:
            ties = 0
            for i in range(means.size):
                if means[i] + root * roots[i] + slope * inverses[i] == best:
                    ties += 1
                    if rng.random() * ties < 1.0:
                        arm = i
    hold(means, inverses, roots, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    _learn(state, arm, reward)
    state.roots[arm] = math.sqrt(2.0 * state.variances[arm] * state.inverses[arm])


@njit(cache=True, forceinline=True, error_model="numpy")
def _select_tuned(state, params, t, rng):
    means, best, arm = state.means, -math.inf, t - 1
    if t > means.size:
        level = math.log(t - params.lag)
        root = math.sqrt(level)
        for i in range(means.size):
            index = _tuned_index(state, level, root, i)
            if index > best:
                best, arm = index, i
        if params.random_ties:
            ties = 0
            for i in range(means.size):
                if _tuned_index(state, level, root, i) == best:
                    ties += 1
                    if rng.random() * ties < 1.0:
                        arm = i
    hold(means, state, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _tuned_index(state, level, root, i):
    variance = min(0.25, state.variances[i] + root * state.roots[i])
    return state.means[i] + math.sqrt(level * state.inverses[i] * variance)


@njit(cache=True, forceinline=True, error_model="numpy")
def _update_tuned(state, params, t, arm, reward):
    _learn(state, arm, reward)
    state.roots[arm] = math.sqrt(2.0 * state.inverses[arm])


@njit(cache=True, forceinline=True, error_model="numpy")
def _learn(state, arm, reward):
    # Sums rather than Welford's recursion, whose rounding depends on the order of the rewards: arms with the same 0s
    # and 1s must tie. Rewards are no larger than their range, so that what cancels is far below the bonus.
    pulls = state.pulls[arm] + 1
    rewards, squares = state.rewards[arm] + reward, state.squares[arm] + reward * reward
    mean = rewards / pulls
    state.pulls[arm], state.rewards[arm], state.squares[arm] = pulls, rewards, squares
    state.means[arm], state.inverses[arm] = mean, 1.0 / pulls
    state.variances[arm] = max(squares / pulls - mean * mean, 0.0)
