"""Soft value iteration, compiled: V(s) <- tau log sum_a exp((r(s, a) + gamma E[V(next)]) / tau) until it settles.

Source: textbook; the stopping rule is `algos.soft_control.stopping_error_bound`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["sparse_rows", "value_iteration"]


def sparse_rows(
    transitions: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Rows of transitions without their zeros: where each row starts, the next states, their chances.

    Parameters
    ----------
    transitions : float, shape (S, A, S)

    Returns
    -------
    starts : int64, shape (S A + 1,)
    following : int64, shape (number of transitions with a chance above 0,)
    chances : float64, of the same shape

    Examples
    --------
    >>> [part.tolist() for part in sparse_rows(np.array([[[0.0, 1.0]], [[0.5, 0.5]]]))]
    [[0, 1, 3], [1, 0, 1], [1.0, 0.5, 0.5]]
    """
    S, A, _ = transitions.shape
    flat = transitions.reshape(S * A, S)
    rows, following = np.nonzero(flat)
    starts = np.zeros(S * A + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=S * A), out=starts[1:])
    return starts, following.astype(np.int64), flat[rows, following]


@njit(cache=True, nogil=True, error_model="numpy")
def value_iteration(starts, following, chances, reward, discount, temperature, values, threshold, rounding, most):
    """Sweep over all states until no value changes by more than the threshold, or than rounding does.

    ``reward`` is (S, A); ``values`` (S,) is the start and becomes the result. Returns sweeps and the last change.
    """
    S, A = reward.shape
    fresh, q = np.empty(S), np.empty(A)
    change = math.inf
    for sweep in range(1, most + 1):
        change, largest = 0.0, 0.0
        for s in range(S):
            best = -math.inf
            for a in range(A):
                row = s * A + a
                q[a] = reward[s, a] + discount * _expectation(following, chances, starts[row], starts[row + 1], values)
                best = max(best, q[a])
            fresh[s] = best
            if temperature > 0.0:
                total = 0.0
                for a in range(A):
                    total += math.exp((q[a] - best) / temperature)
                fresh[s] += temperature * math.log(total)
        for s in range(S):
            change = max(change, abs(fresh[s] - values[s]))
            largest = max(largest, abs(fresh[s]))
            values[s] = fresh[s]
        if change <= max(threshold, rounding * largest):
            return sweep, change
    return most, change


@njit(cache=True, forceinline=True)
def _expectation(following, chances, first, last, values):
    """The mean of the values that follow, in four chains side by side."""
    fours = first + (last - first) // 4 * 4
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for k in range(first, fours, 4):
        a += chances[k] * values[following[k]]
        b += chances[k + 1] * values[following[k + 1]]
        c += chances[k + 2] * values[following[k + 2]]
        d += chances[k + 3] * values[following[k + 3]]
    for k in range(fours, last):
        a += chances[k] * values[following[k]]
    return (a + b) + (c + d)
