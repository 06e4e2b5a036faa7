"""Successive elimination for regret: Improved UCB.

Source: P. Auer and R. Ortner, "UCB revisited: improved regret bounds for the stochastic multi-armed bandit problem",
2010, Figure 1 and Theorem 3.1.
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
from bandits.instances import positive_number, suboptimal_gaps
from bandits.policy import Policy, PolicyKernels

__all__ = ["SuccessiveElimination", "successive_elimination_bound"]


class _State(NamedTuple):
    pulls: np.ndarray  # (K,) int64, times each arm was played
    rewards: np.ndarray  # (K,) float64, sum of its rewards
    active: np.ndarray  # (K,) int64, the arms still in the game, in order, in its first places
    in_game: np.ndarray  # (K,) bool, whether the arm is one of them
    # (5,) int64: arms still in the game, place of the next one, phase, pulls that end the phase, arms that have them
    counters: np.ndarray


class _Parameters(NamedTuple):
    horizon: int
    phases: int


@description
class SuccessiveElimination(Policy):
    """Improved UCB: in phases of finer and finer resolution, pull all arms in the game equally, then drop the bad ones.

    Phase m = 0, 1, ..., floor(log2(T/e) / 2) of resolution D = 2^-m pulls each arm in the game until it has
    n = ceil(2 ln(T D^2) / D^2) pulls; then arm i is dropped if mean_i + r < max_j mean_j - r,
    r = sqrt(ln(T D^2) / (2 n)). Rewards are in [0, 1]; the horizon T is the run's.

    Notes
    -----
    The source leaves open what follows the last phase if several arms are left; here it is the one with the largest
    mean. The expected regret is at most `successive_elimination_bound`. O(1) a round, O(K) at the end of a phase.
    """

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """The horizon and the number of phases."""
        return _Parameters(horizon, max(0, math.floor(math.log2(horizon / math.e) / 2) + 1))

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True


@guarantee("Auer & Ortner 2010, Theorem 3.1", kind="upper", algorithm="SuccessiveElimination", evidence="textbook")
def successive_elimination_bound(gaps: ArrayLike, horizon: int, smallest: float | None = None) -> float:
    """E[regret] <= sum_{gap > l} (gap + (32 ln(T gap^2) + 96) / gap) + sum_{gap <= l} 64/l + T max_{gap <= l} gap.

    Sums and maximum are over the suboptimal arms; l is any number >= sqrt(e/T).

    Parameters
    ----------
    gaps : float array, shape (K,)
        Best mean minus the arm's mean, in [0, 1].
    horizon : int >= 1
        T, rounds played.
    smallest : float >= sqrt(e/T), optional
        l, the gap below which arms are not told apart; the best choice among sqrt(e/T) and the gaps when omitted.
    """
    rounds, positive = whole_number(horizon, "horizon", 1), suboptimal_gaps(gaps)
    least = math.sqrt(math.e / rounds)
    if smallest is not None and not positive_number(smallest, "smallest") >= least:
        raise ValueError(f"smallest: {smallest!r} is below sqrt(e/T) = {least:g}")
    choices = [smallest] if smallest is not None else [least, *positive[positive >= least]]
    return min(_with_smallest(positive, rounds, float(choice)) for choice in choices)


def _with_smallest(gaps: np.ndarray, rounds: int, smallest: float) -> float:
    large, small = gaps[gaps > smallest], gaps[gaps <= smallest]
    told_apart = np.sum(large + (32 * np.log(rounds * large**2) + 96) / large)
    return float(told_apart + small.size * 64 / smallest + rounds * small.max(initial=0.0))


@njit(cache=True)
def _init(n_arms, params):
    counters = np.array([n_arms, 0, 0, _pulls_of_phase(params, 0), 0])
    return _State(np.zeros(n_arms, np.int64), np.zeros(n_arms), np.arange(n_arms), np.ones(n_arms, np.bool_), counters)


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    active, counters = state.active, state.counters
    arm = active[counters[1]]
    counters[1] += 1
    if counters[1] >= counters[0]:
        counters[1] = 0
    hold(active, counters)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    counters = state.counters
    state.pulls[arm] += 1
    state.rewards[arm] += reward
    # Rewards may come late, also those of arms that are out already.
    if counters[0] > 1 and state.in_game[arm] and state.pulls[arm] == counters[3]:
        counters[4] += 1
        if counters[4] == counters[0]:
            _end_phase(state, params)
    hold(state)


@njit(cache=True, forceinline=True, error_model="numpy")
def _end_phase(state, params):
    """Drop arms, and go on to the next phase that needs more pulls; after the last, keep only the best arm."""
    active, in_game, counters = state.active, state.in_game, state.counters
    best, leader, most = -math.inf, 0, 0
    for place in range(counters[0]):
        mean = state.rewards[active[place]] / state.pulls[active[place]]
        most = max(most, state.pulls[active[place]])
        if mean > best:
            best, leader = mean, active[place]
    phase = counters[2]
    radius = math.sqrt(_log_term(params, phase) / (2.0 * counters[3]))
    kept = 0
    for place in range(counters[0]):
        arm = active[place]
        in_game[arm] = state.rewards[arm] / state.pulls[arm] + radius >= best - radius
        if in_game[arm]:
            active[kept] = arm
            kept += 1
    counters[0] = kept
    counters[1] = 0
    counters[2] = phase + 1
    counters[3] = max(_pulls_of_phase(params, phase + 1), most + 1)  # a phase has a lap at least
    counters[4] = 0
    if counters[2] >= params.phases:
        active[0] = leader
        counters[0] = 1
    hold(state, active, in_game, counters)


@njit(cache=True, forceinline=True, error_model="numpy")
def _pulls_of_phase(params, phase):
    return math.ceil(2.0 * _log_term(params, phase) * 4.0**phase)


@njit(cache=True, forceinline=True, error_model="numpy")
def _log_term(params, phase):
    """ln(T D^2), D = 2^-phase."""
    return math.log(params.horizon) - phase * math.log(4.0)
