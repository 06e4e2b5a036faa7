"""Upper confidence bounds: play the arm with the largest mean plus bonus.

Sources: P. Auer, N. Cesa-Bianchi, P. Fischer, "Finite-time analysis of the multiarmed bandit problem", 2002, Figure 1
and Theorem 1 (UCB1); T. Lattimore and C. Szepesvari, "Bandit Algorithms", 2020, Chapters 7 and 8 (the others).
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from pydantic import Field

from algos.contracts import description, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold
from bandits.fields import LogTime, Positive, Scale, Tie
from bandits.instances import positive_number, suboptimal_gaps
from bandits.policy import Policy, PolicyKernels

__all__ = [
    "UCB",
    "UCB1",
    "AsymptoticUCB",
    "asymptotic_ucb_bound",
    "ucb1_bound",
    "ucb_bound",
    "ucb_minimax_bound",
]


class _State(NamedTuple):
    pulls: np.ndarray  # (K,) int64, times each arm was played
    rewards: np.ndarray  # (K,) float64, sum of its rewards
    means: np.ndarray  # (K,) float64, rewards / pulls
    widths: np.ndarray  # (K,) float64, sqrt(weight / pulls)


class _Parameters(NamedTuple):
    weight: float  # the bonus is sqrt(weight * level / pulls)
    level: float  # the level if it is constant, 0 if it grows
    grows_as_f: bool  # as ln f(t), f(t) = 1 + t ln(t)^2, or as ln(t - lag)
    lag: int
    random_ties: bool


@description
class UCB1(Policy):
    """Optimism in the face of uncertainty for rewards in [0, 1].

    Every arm once, in order; then the arm with the largest mean + sqrt(exploration * ln(s) / pulls).

    Parameters
    ----------
    exploration : float > 0
        Weight of the bonus. Auer et al. use 2; 1/2 is the practical choice, without the bound below.
    log_time : {"t-1", "t"}
        What stands for s in round t: the number of completed pulls, as in Auer et al., or t itself.
    tie : {"lowest", "random"}
        Which of several arms with the same index is played: the first, or any with equal chances.

    Notes
    -----
    With exploration 2, the expected regret after T rounds is at most
    8 ln(T) sum_i 1/gap_i + (1 + pi^2/3) sum_i gap_i (`ucb1_bound`). O(K) a round.
    """

    exploration: Positive = 2.0
    log_time: LogTime = "t-1"
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """The exploration weight and the lag of the logarithm's time."""
        return _Parameters(self.exploration, 0.0, False, 1 if self.log_time == "t-1" else 0, self.tie == "random")

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True


@description
class UCB(Policy):
    """UCB(delta): confidence bounds that each hold with probability 1 - delta, for sigma-sub-Gaussian rewards.

    Every arm once, in order; then the arm with the largest mean + sigma sqrt(2 ln(1/delta) / pulls).

    Parameters
    ----------
    delta : float in (0, 1), optional
        Chance that a confidence bound fails; 1/T^2 for horizon T when omitted.
    sigma : float > 0
        Rewards are sigma-sub-Gaussian: 1/2 for rewards in [0, 1], the standard deviation for Gaussian ones.
    tie : {"lowest", "random"}
        Which of several arms with the same index is played.

    Notes
    -----
    With delta = 1/T^2, the expected regret is at most `ucb_bound`, and at most `ucb_minimax_bound` whatever the gaps.
    O(K) a round.
    """

    delta: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    sigma: Scale = 0.5
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """The constant level ln(1/delta)."""
        level = 2.0 * math.log(horizon) if self.delta is None else -math.log(self.delta)
        # T = 1 has level 0, and the one round it has does not look at the level.
        return _Parameters(2.0 * self.sigma**2, max(level, 5e-324), False, 0, self.tie == "random")


@description
class AsymptoticUCB(Policy):
    """Asymptotically optimal UCB for sigma-sub-Gaussian rewards, without a horizon.

    Every arm once, in order; then the arm with the largest mean + sigma sqrt(2 ln f(t) / pulls),
    f(t) = 1 + t ln(t)^2.

    Parameters
    ----------
    sigma : float > 0
        Rewards are sigma-sub-Gaussian: 1/2 for rewards in [0, 1], the standard deviation for Gaussian ones.
    tie : {"lowest", "random"}
        Which of several arms with the same index is played.

    Notes
    -----
    The expected regret after T rounds is at most `asymptotic_ucb_bound`, which over ln(T) tends to
    sum_i 2 sigma^2 / gap_i: for Gaussian rewards no consistent policy has less (`lai_robbins_constant`). O(K) a round.
    """

    sigma: Scale = 0.5
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """The level ln f(t)."""
        return _Parameters(2.0 * self.sigma**2, 0.0, True, 0, self.tie == "random")


@guarantee("Auer, Cesa-Bianchi & Fischer 2002, Theorem 1", kind="upper", algorithm="UCB1", evidence="textbook")
def ucb1_bound(gaps: ArrayLike, horizon: int) -> float:
    """E[regret of UCB1] <= 8 ln(T) sum_i 1/gap_i + (1 + pi^2/3) sum_i gap_i, over the suboptimal arms.

    Parameters
    ----------
    gaps : float array, shape (K,)
        Best mean minus the arm's mean, in [0, 1]; the zeros of optimal arms are skipped.
    horizon : int >= 1
        T, rounds played.

    Notes
    -----
    For rewards in [0, 1], ``exploration=2`` and either ``log_time``.

    Examples
    --------
    >>> round(ucb1_bound([0.0, 0.5], horizon=1000), 2)
    112.67
    """
    rounds, positive = whole_number(horizon, "horizon", 1), suboptimal_gaps(gaps)
    with np.errstate(over="ignore"):  # a gap below 1e-308 makes the bound infinite, and true
        return float(np.sum(8 * math.log(rounds) / positive) + (1 + math.pi**2 / 3) * np.sum(positive))


@guarantee("Lattimore & Szepesvari 2020, Theorem 7.1", kind="upper", algorithm="UCB", evidence="textbook")
def ucb_bound(gaps: ArrayLike, horizon: int, sigma: float = 0.5) -> float:
    """E[regret of UCB(1/T^2)] <= 3 sum_i gap_i + 16 sigma^2 ln(T) sum_i 1/gap_i, over the suboptimal arms.

    Parameters
    ----------
    gaps : float array, shape (K,)
        Best mean minus the arm's mean; the zeros of optimal arms are skipped.
    horizon : int >= 1
        T, rounds played.
    sigma : float > 0
        Rewards are sigma-sub-Gaussian. The book has sigma = 1; dividing all rewards by sigma gives the rest.
    """
    rounds, positive = whole_number(horizon, "horizon", 1), suboptimal_gaps(gaps)
    scale = positive_number(sigma, "sigma")
    with np.errstate(over="ignore"):
        return float(3 * np.sum(positive) + np.sum(16 * scale**2 * math.log(rounds) / positive))


@guarantee("Lattimore & Szepesvari 2020, Theorem 7.2", kind="upper", algorithm="UCB", evidence="textbook")
def ucb_minimax_bound(gaps: ArrayLike, horizon: int, sigma: float = 0.5) -> float:
    """E[regret of UCB(1/T^2)] <= 8 sigma sqrt(K T ln(T)) + 3 sum_i gap_i.

    Parameters
    ----------
    gaps : float array, shape (K,)
        Best mean minus the arm's mean.
    horizon : int >= 1
        T, rounds played.
    sigma : float > 0
        Rewards are sigma-sub-Gaussian.
    """
    rounds, positive = whole_number(horizon, "horizon", 1), suboptimal_gaps(gaps)
    scale = positive_number(sigma, "sigma")
    n_arms = np.asarray(gaps).size
    return float(8 * scale * math.sqrt(n_arms * rounds * math.log(rounds)) + 3 * np.sum(positive))


@guarantee("Lattimore & Szepesvari 2020, Theorem 8.1", kind="upper", algorithm="AsymptoticUCB", evidence="textbook")
def asymptotic_ucb_bound(gaps: ArrayLike, horizon: int, sigma: float = 0.5) -> float:
    """E[regret] <= sum_i inf_e gap_i (1 + 5/e^2 + 2 (L + sqrt(pi L) + 1) / (gap_i - e)^2), L = ln f(T), sigma = 1.

    The infimum is over 0 < e < gap_i, over the suboptimal arms; for other sigma, gaps and e are counted in sigmas.

    Parameters
    ----------
    gaps : float array, shape (K,)
        Best mean minus the arm's mean; the zeros of optimal arms are skipped.
    horizon : int >= 1
        T, rounds played.
    sigma : float > 0
        Rewards are sigma-sub-Gaussian.

    Notes
    -----
    The infimum has a closed form: 5/e^2 + b/(gap - e)^2 is least where e and gap - e are as cbrt(5) and cbrt(b).
    """
    rounds, positive = whole_number(horizon, "horizon", 1), suboptimal_gaps(gaps)
    scale = positive_number(sigma, "sigma")
    level = math.log1p(rounds * math.log(rounds) ** 2)
    explored = 2 * (level + math.sqrt(math.pi * level) + 1)
    least = (math.cbrt(5) + math.cbrt(explored)) ** 3
    with np.errstate(over="ignore"):
        return float(np.sum(positive + scale**2 * least / positive))


@njit(cache=True)
def _init(n_arms, params):
    return _State(np.zeros(n_arms, np.int64), np.zeros(n_arms), np.zeros(n_arms), np.zeros(n_arms))


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    means, widths = state.means, state.widths
    best, arm = -math.inf, t - 1
    if t > means.size:
        scale = math.sqrt(_level(params, t))
        for i in range(means.size):
            index = means[i] + scale * widths[i]
            if index > best:
                best, arm = index, i
        if params.random_ties:  # a scan of its own: drawing inside the loop above would slow it down for everyone
            ties = 0
            for i in range(means.size):
                if means[i] + scale * widths[i] == best:
                    ties += 1
                    if rng.random() * ties < 1.0:
                        arm = i
    hold(means, widths, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _level(params, t):
    level = params.level
    if level == 0.0:
        logarithm = math.log(t - params.lag)
        level = math.log(1.0 + t * logarithm * logarithm) if params.grows_as_f else logarithm
    return level


@njit(cache=True, forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    # Only the pulled arm's mean and width change: the select loop is left with one multiplication an arm.
    state.pulls[arm] += 1
    state.rewards[arm] += reward
    state.means[arm] = state.rewards[arm] / state.pulls[arm]
    state.widths[arm] = math.sqrt(params.weight / state.pulls[arm])
