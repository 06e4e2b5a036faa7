"""Upper confidence bounds that forget, for arms whose means change.

Source: A. Garivier and E. Moulines, "On upper-confidence bound policies for switching bandit problems", 2011.
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import numpy as np
from numba import njit
from pydantic import Field

from algos.contracts import Count, description
from algos.kernels import hold
from bandits.fields import Positive, Scale, Tie
from bandits.policy import Policy, PolicyKernels

__all__ = ["DiscountedUCB", "SlidingWindowUCB"]

_GROWN = 1e150  # discounted sums are divided by their growth when it exceeds this
_FORGOTTEN = 1e-300  # no discounted number of pulls falls below this: its bonus is beyond all others, but finite


class _Discounted(NamedTuple):
    pulls: np.ndarray  # (K,) float64, discounted number of pulls, times growth
    rewards: np.ndarray  # (K,) float64, discounted sum of rewards, times growth
    means: np.ndarray  # (K,) float64, rewards / pulls
    widths: np.ndarray  # (K,) float64, 1 / sqrt(pulls)
    growth: np.ndarray  # (2,) float64, discount^-(rounds), and the discounted number of rounds


class _Window(NamedTuple):
    pulls: np.ndarray  # (K,) int64, pulls of each arm within the window
    rewards: np.ndarray  # (K,) float64, sum of its rewards there
    means: np.ndarray  # (K,) float64, rewards / pulls, 0 without pulls
    widths: np.ndarray  # (K,) float64, 1 / sqrt(pulls), inf without pulls
    arms: np.ndarray  # (window,) int64, the arm of each round, a ring
    paid: np.ndarray  # (window,) float64, the reward of each round, a ring


class _Parameters(NamedTuple):
    discount: float
    window: int
    weight: float  # the bonus is sqrt(weight * ln(n) / pulls)
    random_ties: bool


@description
class DiscountedUCB(Policy):
    """UCB with pulls and rewards discounted geometrically, for rewards in a range of length B.

    Every arm once, in order; then the arm with the largest mean + 2 B sqrt(exploration * ln(n) / N), where N is the
    arm's number of pulls, each weighted by discount^(rounds since), n is the sum of N over the arms, and the mean is
    weighted in the same way.

    Parameters
    ----------
    discount : float in (0, 1), optional
        Weight lost in a round; 1 - sqrt(changes / T) / (4 B) for horizon T when omitted.
    changes : int >= 1
        Number of times that the means are expected to change, where `discount` is omitted.
    exploration : float > 0
        xi. The paper has 0.6.
    reward_range : float > 0
        B.

    Notes
    -----
    There are no ties: of two arms with the same rewards, the one that was played earlier has the larger bonus.
    With the discount that is taken when omitted, the regret is O(sqrt(changes T) ln(T)). O(K) a round: the sums grow
    by 1/discount a round instead of shrinking, so that only the pulled arm's change.
    """

    discount: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    changes: Count = 1
    exploration: Positive = 0.6
    reward_range: Scale = 1.0

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init_discounted, _select_discounted, _update_discounted)

    def parameters(self, horizon: int) -> _Parameters:
        """The discount and the weight of the bonus."""
        discount = self.discount
        if discount is None:
            lost = math.sqrt(self.changes / horizon) / (4.0 * self.reward_range)
            if not 2.0**-53 <= lost < 1.0:
                raise ValueError(
                    f"changes: {self.changes} in {horizon} rounds with reward_range = {self.reward_range:g} "
                    "give no discount in (0, 1); name one"
                )
            discount = 1.0 - lost
        return _Parameters(discount, 1, 4.0 * self.reward_range**2 * self.exploration, False)


@description
class SlidingWindowUCB(Policy):
    """UCB that sees only the last rounds, for rewards in a range of length B.

    An arm without a pull in the window is played at once; otherwise the arm with the largest
    mean + B sqrt(exploration * ln(min(t - 1, window)) / pulls), both within the window.

    Parameters
    ----------
    window : int >= 1, optional
        Rounds that are remembered; 2 B sqrt(T ln(T) / changes), rounded up, for horizon T when omitted.
    changes : int >= 1
        Number of times that the means are expected to change, where `window` is omitted.
    exploration : float > 0
        xi. The paper has 0.6.
    reward_range : float > 0
        B.
    tie : {"lowest", "random"}
        Which of several arms with the same index is played.

    Notes
    -----
    With the window that is taken when omitted, the regret is O(sqrt(changes T ln(T))). O(K) a round, O(window) memory.
    """

    window: Count | None = None
    changes: Count = 1
    exploration: Positive = 0.6
    reward_range: Scale = 1.0
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init_window, _select_window, _update_window)

    def parameters(self, horizon: int) -> _Parameters:
        """The window and the weight of the bonus."""
        window = self.window
        if window is None:
            wanted = 2.0 * self.reward_range * math.sqrt(horizon * math.log(horizon) / self.changes)
            window = max(1, math.ceil(min(wanted, horizon)))
        # A window beyond the horizon forgets nothing, and needs no memory for it.
        return _Parameters(1.0, min(window, horizon), self.reward_range**2 * self.exploration, self.tie == "random")


@njit(cache=True)
def _init_discounted(n_arms, params):
    zeros = np.zeros(n_arms)
    return _Discounted(zeros, zeros.copy(), zeros.copy(), zeros.copy(), np.array([1.0, 0.0]))


@njit(cache=True, forceinline=True, error_model="numpy")
def _select_discounted(state, params, t, rng):
    arm = t - 1
    if t > state.means.size:
        level = params.weight * math.log(max(state.growth[1], 1.0))
        arm = _largest(state.means, state.widths, math.sqrt(level * state.growth[0]), params, rng)
    hold(state, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update_discounted(state, params, t, arm, reward):
    # After the round every earlier pull has lost one more factor; the newest counts in full.
    growth = state.growth[0] / params.discount
    if growth > _GROWN:
        for i in range(state.means.size):
            state.pulls[i] = max(state.pulls[i] / growth, _FORGOTTEN)
            state.rewards[i] = state.means[i] * state.pulls[i]
            state.widths[i] = 1.0 / math.sqrt(state.pulls[i])
        growth = 1.0
    state.growth[0] = growth
    state.growth[1] = state.growth[1] * params.discount + 1.0
    state.pulls[arm] += growth
    state.rewards[arm] += reward * growth
    state.means[arm] = state.rewards[arm] / state.pulls[arm]
    state.widths[arm] = 1.0 / math.sqrt(state.pulls[arm])
    hold(state)


@njit(cache=True)
def _init_window(n_arms, params):
    return _Window(
        np.zeros(n_arms, np.int64),
        np.zeros(n_arms),
        np.zeros(n_arms),
        np.full(n_arms, np.inf),
        np.zeros(params.window, np.int64),
        np.zeros(params.window),
    )


@njit(cache=True, forceinline=True, error_model="numpy")
def _select_window(state, params, t, rng):
    arm = t - 1
    if t > state.means.size:
        # A window of one round leaves arms unseen: with ln(1) = 0 their bonus would be 0 times inf.
        level = math.log(max(min(t - 1, params.window), 2))
        arm = _largest(state.means, state.widths, math.sqrt(params.weight * level), params, rng)
    hold(state, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update_window(state, params, t, arm, reward):
    place = (t - 1) % params.window
    if t > params.window:
        oldest = state.arms[place]
        state.pulls[oldest] -= 1
        state.rewards[oldest] -= state.paid[place]
        _average(state, oldest)
    state.arms[place] = arm
    state.paid[place] = reward
    state.pulls[arm] += 1
    state.rewards[arm] += reward
    if place == params.window - 1:  # once a window the sums are taken afresh: rounding does not pile up
        for i in range(state.means.size):
            state.rewards[i] = 0.0
        for j in range(params.window):
            state.rewards[state.arms[j]] += state.paid[j]
        for i in range(state.means.size):
            _average(state, i)
    _average(state, arm)
    hold(state)


@njit(cache=True, forceinline=True, error_model="numpy")
def _average(state, arm):
    pulls = state.pulls[arm]
    state.means[arm] = state.rewards[arm] / pulls if pulls > 0 else 0.0
    state.widths[arm] = 1.0 / math.sqrt(pulls) if pulls > 0 else math.inf


@njit(cache=True, forceinline=True, error_model="numpy")
def _largest(means, widths, scale, params, rng):
    best, arm = -math.inf, 0
    for i in range(means.size):
        index = means[i] + scale * widths[i]
        if index > best:
            best, arm = index, i
    if params.random_ties:
        ties = 0
        for i in range(means.size):
            if means[i] + scale * widths[i] == best:
                ties += 1
                if rng.random() * ties < 1.0:
                    arm = i
    hold(means, widths, rng)
    return arm
