"""Tsallis-INF: follow the regularised leader with Tsallis entropy of order 1/2, best of both worlds.

Source: J. Zimmert and Y. Seldin, "Tsallis-INF: an optimal algorithm for stochastic and adversarial bandits", 2021,
Algorithm 1 and Theorem 1.

The weights minimise <w, L> - (4 / eta) sum_i sqrt(w_i) over the simplex, so that w_i = 4 / (eta (L_i - x))^2 with the
x < min L for which they sum to one. With S(x) for that sum, S^(-1/2) is a power mean of the distances L_i - x (of
order -2), hence concave and increasing in the distance y = min L - x. Newton's method on S^(-1/2) = 1 therefore lands
at or before the root after one step from anywhere, and then climbs to it without ever passing it. It needs fewer steps
than on S = 1 itself, for S^(-1/2) is nearly linear.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numba import njit

from algos.contracts import description, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold
from bandits.policy import Policy, PolicyKernels

__all__ = ["TsallisINF", "tsallis_inf_bound"]

_TOLERANCE = 1e-12  # on |S - 1|, after which the weights are divided by S
_LEAST = 1e-300  # no probability in an estimate is below; such an arm is drawn only where a uniform variate is 0


class _State(NamedTuple):
    losses: np.ndarray  # (K,) float64, estimated loss of each arm
    weights: np.ndarray  # (K,) float64, probability of each arm
    drawn: np.ndarray  # (1,) float64, probability of the arm drawn last
    noted: np.ndarray  # (K,) float64, for reduced variance: the weights of the round whose reward comes next
    distance: np.ndarray  # (1,) float64, y of the last round, where the next search starts


class _Weights(NamedTuple):
    weights: np.ndarray  # (K,) float64


@description
class TsallisINF(Policy):
    """Tsallis-INF for rewards in [0, 1], without knowing the horizon, nor whether rewards are random.

    Outcome ``weights`` (float64, shape (K,)) is the distribution from which the last arm was drawn.

    Parameters
    ----------
    estimator : {"importance weighting", "reduced variance"}
        How losses are estimated after pulling A with probability w_A: loss / w_A for A and 0 for the others, with
        learning rate 2 / sqrt(t); or, with rate 4 / sqrt(t), (loss - B_A) / w_A + B_A for A and B_i for the others,
        where B_i = 1/2 if w_i >= rate^2 and 0 otherwise.

    Notes
    -----
    Expected regret with importance weighting: at most 4 sqrt(K T) + 1 against any sequence of rewards
    (`tsallis_inf_bound`), and O(sum_i ln T / gap_i) for stochastic arms. With reduced variance the leading term is
    half as large: 2 sqrt(K T) + 10 K ln T + 16, quoted from memory and in no test. O(K) a round and step of Newton's
    method, of which there are two or three.

    Examples
    --------
    >>> import numpy as np
    >>> from simulators import BernoulliArms
    >>> run = TsallisINF().run(BernoulliArms([0.3, 0.7]), horizon=2000, rng=np.random.default_rng(0))
    >>> int(run.outcome["pulls"].argmax())
    1
    """

    estimator: Literal["importance weighting", "reduced variance"] = "importance weighting"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        if self.estimator == "importance weighting":
            return PolicyKernels(_init, _select, _update_weighted, recall=_drawn, summary=_summary)
        return PolicyKernels(_init, _select_noting, _update_reduced, recall=_noted, summary=_summary)

    def parameters(self, horizon: int) -> float:
        """The learning rate of the first round."""
        return 2.0 if self.estimator == "importance weighting" else 4.0

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True


@guarantee("Zimmert & Seldin 2021, Theorem 1", kind="upper", algorithm="TsallisINF", evidence="textbook")
def tsallis_inf_bound(n_arms: int, horizon: int) -> float:
    """E[regret of Tsallis-INF with importance weighting] <= 4 sqrt(K T) + 1 against any rewards in [0, 1].

    Parameters
    ----------
    n_arms : int >= 1
        K, number of arms.
    horizon : int >= 1
        T, rounds played.
    """
    return 4 * math.sqrt(whole_number(n_arms, "n_arms", 1) * whole_number(horizon, "horizon", 1)) + 1


@njit(cache=True)
def _init(n_arms, params):
    return _State(np.zeros(n_arms), np.full(n_arms, 1.0 / n_arms), np.ones(1), np.zeros(n_arms), np.zeros(1))


@njit(cache=True, forceinline=True)
def _drawn(state):
    return state.drawn


@njit(cache=True, forceinline=True)
def _noted(state):
    return state.noted


@njit(cache=True)
def _summary(state):
    return _Weights(state.weights)


@njit(cache=True, forceinline=True, error_model="numpy")
def _weigh(losses, eta, start, weights):
    """The weights at these losses, written into `weights`; returns y, searched for from `start`."""
    least = math.inf
    for i in range(losses.size):
        least = min(least, losses[i])
    scale, lower = 4.0 / (eta * eta), 2.0 / eta  # at y = 2 / eta the best arm alone has weight 1
    y, total, last = max(start, lower), 0.0, -1.0
    for step in range(100):
        total, slope = 0.0, 0.0
        for i in range(losses.size):
            distance = losses[i] - least + y
            weight = scale / (distance * distance)
            weights[i] = weight
            total += weight
            slope += weight / distance
        # From below the root y can only grow; where it no longer does, rounding has the last word.
        if abs(total - 1.0) <= _TOLERANCE or (step > 1 and y <= last):
            break
        last = y
        y = max(lower, y + total * (math.sqrt(total) - 1.0) / slope)
    for i in range(losses.size):
        weights[i] /= total
    hold(losses, weights)
    return y


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    weights = state.weights
    state.distance[0] = _weigh(state.losses, params / math.sqrt(t), state.distance[0], weights)
    left, arm = rng.random(), 0
    for i in range(weights.size):
        if weights[i] > 0.0:
            # Rounding may leave a rest after the last arm: it belongs to the last one that can be drawn at all.
            arm = i
            left -= weights[i]
            if left < 0.0:
                break
    state.drawn[0] = max(weights[arm], _LEAST)
    hold(weights, state.drawn, state.distance, state.losses)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _select_noting(state, params, t, rng):
    arm = _select(state, params, t, rng)
    for i in range(state.weights.size):
        state.noted[i] = state.weights[i]
    hold(state, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update_weighted(state, params, t, arm, reward):
    state.losses[arm] += (1.0 - reward) / state.drawn[0]


@njit(cache=True, forceinline=True, error_model="numpy")
def _update_reduced(state, params, t, arm, reward):
    losses, weights = state.losses, state.noted
    threshold = params * params / t
    for i in range(losses.size):
        if weights[i] >= threshold:
            losses[i] += 0.5
    guess = 0.5 if weights[arm] >= threshold else 0.0
    losses[arm] += (1.0 - reward - guess) / max(weights[arm], _LEAST)
    hold(losses, weights)
