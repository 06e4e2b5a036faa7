"""UCB1: play the arm with the largest mean plus confidence bonus.

Source: P. Auer, N. Cesa-Bianchi, P. Fischer, "Finite-time analysis of the multiarmed bandit problem", 2002,
Figure 1 and Theorem 1.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from pydantic import Field

from algos.contracts import description, whole_number
from algos.guarantees import guarantee
from bandits.policy import Arms, Policy, PolicyKernels, check_unit_rewards

__all__ = ["UCB1", "ucb1_bound"]


class _State(NamedTuple):
    pulls: np.ndarray  # (K,) int64, times each arm was played
    rewards: np.ndarray  # (K,) float64, sum of its rewards
    means: np.ndarray  # (K,) float64, rewards / pulls
    widths: np.ndarray  # (K,) float64, sqrt(exploration / pulls)


class _Parameters(NamedTuple):
    exploration: float
    lag: int  # the bonus uses ln(t - lag)


@description
class UCB1(Policy):
    """Optimism in the face of uncertainty for rewards in [0, 1].

    Every arm once, in order; then the arm with the largest mean + sqrt(exploration * ln(s) / pulls), the first of
    several.

    Parameters
    ----------
    exploration : float > 0
        Weight of the bonus. Auer et al. use 2; 1/2 is the practical choice, without the bound below.
    log_time : {"t-1", "t"}
        What stands for s in round t: the number of completed pulls, as in Auer et al., or t itself.

    Notes
    -----
    With exploration 2, the expected regret after T rounds is at most
    8 ln(T) sum_i 1/gap_i + (1 + pi^2/3) sum_i gap_i (`ucb1_bound`). O(K) a round.
    """

    exploration: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 2.0
    log_time: Literal["t-1", "t"] = "t-1"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """The exploration weight and the lag of the logarithm's time."""
        return _Parameters(self.exploration, 1 if self.log_time == "t-1" else 0)

    def check(self, arms: Arms) -> None:
        """Refuse arms that declare rewards outside [0, 1]."""
        check_unit_rewards(self, arms)


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
    rounds, given = whole_number(horizon, "horizon", 1), np.asarray(gaps, dtype=np.float64)
    if given.ndim != 1 or not np.isfinite(given).all() or (given < 0).any():
        raise ValueError(f"gaps: {gaps!r} is not a vector of finite numbers >= 0")
    positive = given[given > 0]
    with np.errstate(over="ignore"):  # a gap below 1e-308 makes the bound infinite, and true
        return float(np.sum(8 * math.log(rounds) / positive) + (1 + math.pi**2 / 3) * np.sum(positive))


@njit(cache=True)
def _init(n_arms, params):
    return _State(np.zeros(n_arms, np.int64), np.zeros(n_arms), np.zeros(n_arms), np.zeros(n_arms))


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    means, widths = state.means, state.widths
    if t <= means.size:
        return t - 1
    scale = math.sqrt(math.log(t - params.lag))
    best, arm = -math.inf, 0
    for i in range(means.size):
        index = means[i] + scale * widths[i]
        if index > best:
            best, arm = index, i
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    # Only the pulled arm's mean and width change: the select loop is left with one multiplication an arm.
    state.pulls[arm] += 1
    state.rewards[arm] += reward
    state.means[arm] = state.rewards[arm] / state.pulls[arm]
    state.widths[arm] = math.sqrt(params.exploration / state.pulls[arm])
