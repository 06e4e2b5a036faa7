"""Trajectories of a policy, compiled: states and actions drawn from cumulative rows."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from algos.contracts import check_generator, whole_number
from algos.soft_control import SoftControl

__all__ = ["draw_trajectories"]


def draw_trajectories(
    control: SoftControl, policy: ArrayLike, count: int, length: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """States and actions of independent trajectories.

    Each trajectory takes exactly 2 ``length`` numbers from the stream: the i-th meets the same numbers whatever the
    policy is, so that two policies can be compared on common random numbers.

    Parameters
    ----------
    control : SoftControl
    policy : float, shape (L, S, A)
    count : int >= 0
    length : int >= 1
        Steps; at most the horizon, where there is one.
    rng : numpy.random.Generator

    Returns
    -------
    states, actions : int64, shape (count, length)

    Raises
    ------
    ValueError
        When a number is out of its range or the policy has another shape.

    Examples
    --------
    >>> from simulators.mdp import TwoStateMDP
    >>> world = TwoStateMDP().control
    >>> states, actions = draw_trajectories(world, [[[1.0, 0.0], [0.0, 1.0]]], 2, 3, np.random.default_rng(0))
    >>> states.shape, bool((actions == states).all())
    ((2, 3), True)
    """
    generator = check_generator(rng, "drawing trajectories")
    steps, number = whole_number(length, "length", 1), whole_number(count, "count", 0)
    if control.horizon is not None and steps > control.horizon:
        raise ValueError(f"length: {steps} is above the horizon of {control.horizon} steps")
    pi = np.asarray(policy, dtype=np.float64)
    if pi.shape != (control.layers, control.n_states, control.n_actions):
        raise ValueError(f"policy: shape {pi.shape} is not {(control.layers, control.n_states, control.n_actions)}")
    start, choices, moves = (_cumulative(table) for table in (control.start, pi, control.transitions))
    states = np.empty((number, steps), dtype=np.int64)
    actions = np.empty((number, steps), dtype=np.int64)
    _draw(start, choices, moves, states, actions, generator)
    return states, actions


def _cumulative(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative rows that end at 1 from the last possible outcome on, whatever rounding made of their sums."""
    sums = np.cumsum(chances, axis=-1)
    last = chances.shape[-1] - 1 - np.argmax(chances[..., ::-1] > 0.0, axis=-1)
    sums[np.arange(chances.shape[-1]) >= last[..., None]] = 1.0
    return sums


@njit(cache=True, nogil=True)
def _draw(start, policy, transitions, states, actions, rng):
    layers, last = policy.shape[0], states.shape[1] - 1
    for i in range(states.shape[0]):
        s = _outcome(start, rng.random())
        for h in range(last + 1):
            a = _outcome(policy[min(h, layers - 1), s], rng.random())
            states[i, h], actions[i, h] = s, a
            if h < last:
                s = _outcome(transitions[s, a], rng.random())


@njit(cache=True, forceinline=True)
def _outcome(row, u):
    """The first outcome whose cumulative chance is above u; one that cannot occur never is."""
    low, high = 0, row.size - 1
    while low < high:
        middle = (low + high) // 2
        if row[middle] > u:
            high = middle
        else:
            low = middle + 1
    return low
