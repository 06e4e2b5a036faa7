"""Policies that play the arm with the largest value that its data leave plausible, without solving for that value.

The index of an arm is the largest q with evidence(q) <= level(t) + the arm's own allowance, where the evidence of its
pulls and rewards against a mean of q or more grows with q. Solving for q takes dozens of logarithms. Whether it lies
above a given pivot takes none, once the evidence against the pivot is known, and that changes only when the arm is
pulled. So the state keeps a pivot, put between the two largest indices when they were last solved for: as long as one
arm alone is above the pivot it has the largest index, and the round costs K comparisons. Choices are the same as by
solving for all arms.

Equal arms have equal evidence, so that both or none of them are above the pivot, and ties are left to the solver.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from algos.kernels import hold

__all__ = ["PlausibleState", "first_state", "largest_index"]

_SLACK = 1e-13  # rounding of the evidence, for each pull: no arm that may tie is left out when solving
_NEARER_TO_THE_SECOND = 0.25  # the best index falls when pulled; the second grows as the level, slowly


class PlausibleState(NamedTuple):
    """State of such a policy; `select` and `update` of `largest_index` keep it."""

    pulls: np.ndarray  # (K,) float64, times each arm was played
    rewards: np.ndarray  # (K,) float64, sum of its rewards
    against: np.ndarray  # (K,) float64, evidence against the pivot less the allowance: below the level if it is too low
    allowances: np.ndarray  # (K,) float64, added to the level for this arm alone
    pivot: np.ndarray  # (1,) float64


@njit
def first_state(n_arms: int) -> PlausibleState:
    """The state before the first round."""
    return PlausibleState(
        np.zeros(n_arms),
        np.zeros(n_arms),
        np.full(n_arms, -np.inf),
        np.zeros(n_arms),
        np.zeros(1),
    )


def largest_index(
    level: Callable[..., Any], evidence: Callable[..., Any], solve: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The kernels ``select(state, params, t, rng)`` and ``learn(state, params, arm, reward, allowance)``.

    Parameters
    ----------
    level : ``level(params, t)``, kernel
        The level of round t.
    evidence : ``evidence(params, pulls, rewards, q)``, kernel
        Evidence of an arm's data against a mean of q or more: -inf for q up to the mean or so, increasing above it,
        with a rounding error below 1e-14 a pull.
    solve : ``solve(params, pulls, rewards, level)``, kernel
        The index: the largest q with evidence <= level.
    """

    @njit(forceinline=True, error_model="numpy")
    def select(state, params, t, rng):
        against, arm = state.against, t - 1
        if t > against.size:
            now = level(params, t)
            above = 0
            for i in range(against.size):
                if against[i] < now:
                    above += 1
                    arm = i
            if above != 1:
                arm = solve_and_move_the_pivot(state, params, now, rng)
        hold(against, state, rng)
        return arm

    @njit(forceinline=True, error_model="numpy")
    def solve_and_move_the_pivot(state, params, now, rng):
        pulls, rewards = state.pulls, state.rewards
        best, second, arm, ties = -math.inf, -math.inf, 0, 0
        for i in range(pulls.size):
            if second == -math.inf or (
                evidence(params, pulls[i], rewards[i], second) <= now + state.allowances[i] + _SLACK * (pulls[i] + 10.0)
            ):
                index = solve(params, pulls[i], rewards[i], now + state.allowances[i])
                if index > best:
                    best, second, arm, ties = index, best, i, 1
                else:
                    second = max(second, index)
                    if params.random_ties and index == best:
                        ties += 1
                        if rng.random() * ties < 1.0:
                            arm = i
        state.pivot[0] = second + _NEARER_TO_THE_SECOND * (best - second) if second > -math.inf else best - 1.0
        for i in range(pulls.size):
            weigh(state, params, i)
        hold(pulls, rewards, state, rng)
        return arm

    @njit(forceinline=True, error_model="numpy")
    def weigh(state, params, i):
        state.against[i] = evidence(params, state.pulls[i], state.rewards[i], state.pivot[0]) - state.allowances[i]
        hold(state)

    @njit(forceinline=True, error_model="numpy")
    def learn(state, params, arm, reward, allowance):
        state.pulls[arm] += 1.0
        state.rewards[arm] += reward
        state.allowances[arm] = allowance
        weigh(state, params, arm)
        hold(state)

    return select, learn
