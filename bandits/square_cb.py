"""SquareCB: contextual bandits by inverse gap weighting over any online regression, one number as context.

The arm with the least predicted loss is favoured; another is drawn with probability 1 / (K + eta gap), where gap is
how much more it is predicted to lose.

Sources: D. Foster and A. Rakhlin, "Beyond UCB: optimal and efficient contextual bandits with regression oracles", 2020,
Algorithm 1; arXiv:2310.02246, Algorithm 6 and Theorem C.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from pydantic import model_validator

from algos.contracts import Count, description, whole_number
from algos.guarantees import guarantee
from algos.kernels import compiled, hold
from bandits.fields import Finite, Positive, check_interval
from bandits.policy import Policy, PolicyKernels
from bandits.tsallis_inf_contextual import check_contexts, nearest_centre

__all__ = ["BinMeans", "ChebyshevRidge", "Regressor", "SquareCB", "square_cb_bound"]


class Regressor(NamedTuple):
    """A regression that learns online, as three functions over a state, plain Python or compiled.

    ``init(n_arms, params)`` returns the state, a named tuple of arrays; ``predict(state, params, context, arm)`` the
    loss that it expects; ``learn(state, params, context, arm, loss)`` shows it one.
    """

    init: Callable[..., Any]
    predict: Callable[..., Any]
    learn: Callable[..., Any]
    params: Any = ()


class _Parameters(NamedTuple):
    regression_regret: float
    regressor: Any


class _State(NamedTuple):
    regressor: Any
    context: np.ndarray  # (1,) float64, of the round at hand
    weights: np.ndarray  # (K,) float64, probabilities
    note: np.ndarray  # (1,) float64, context of the round learnt next


class _Summary(NamedTuple):
    weights: np.ndarray  # (K,) float64


@description
class SquareCB(Policy):
    """Inverse gap weighting over predictions of the losses 1 - reward.

    Plays arm i with probability 1 / (K + eta_t (s_i - s_best)), s being the predicted losses, and the best with the
    rest; eta_t = 2 sqrt(K t / R). Outcome ``weights`` holds the last probabilities.

    Parameters
    ----------
    regressor : Regressor
        What predicts: `ChebyshevRidge(...).regressor()`, `BinMeans(...).regressor()`, or your own three functions.
    regression_regret : float > 0
        R, what is expected of the regression: the sum of its squared errors beyond those of the best predictor.

    Notes
    -----
    Regret: `square_cb_bound`. O(K) predictions a round.
    """

    regressor: Regressor
    regression_regret: Positive = 1.0

    def kernels(self) -> PolicyKernels:
        """The functions of the policy, made for the regressor."""
        start, predict, learn, _ = self.regressor
        return square_cb_kernels(start, predict, learn)

    def parameters(self, horizon: int) -> _Parameters:
        """What is expected of the regression, and what it gets."""
        return _Parameters(self.regression_regret, self.regressor.params)

    def check(self, arms: Any) -> None:
        """Refuse worlds without contexts."""
        check_contexts(self, arms)


@guarantee("arXiv:2310.02246, Theorem C.2 (after Foster & Rakhlin 2020)", kind="upper", algorithm="SquareCB")
def square_cb_bound(n_arms: int, horizon: int, regression_regret: float, approximation: float = 0.0) -> float:
    """E[regret] <= 2 sqrt(K T R) + 5 a T sqrt(K), for losses in [0, 1] and a regression with regret R and error a.

    The approximation error a is the largest distance of the mean loss from the nearest function that the regression
    can represent. It holds for the fixed rate 2 sqrt(K T / (R + 2 a^2 T)).

    Parameters
    ----------
    n_arms, horizon : int >= 1
        K, T.
    regression_regret : float >= 0
        R, in squared loss.
    approximation : float >= 0
        a.
    """
    k, rounds = whole_number(n_arms, "n_arms", 1), whole_number(horizon, "horizon", 1)
    for name, value in (("regression_regret", regression_regret), ("approximation", approximation)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number >= 0")
    return 2 * math.sqrt(k * rounds * regression_regret) + 5 * approximation * rounds * math.sqrt(k)


@description
class BinMeans:
    """Predicts the mean loss of an arm among the contexts of the same of several equal intervals; 0 at first.

    Parameters
    ----------
    low, high : float
        Range of the contexts, low < high; others belong to the first or the last interval.
    bins : int >= 1
        Number of intervals.
    """

    low: Finite
    high: Finite
    bins: Count = 5

    @model_validator(mode="after")
    def _increasing(self) -> BinMeans:
        check_interval(self.low, self.high)
        return self

    def regressor(self) -> Regressor:
        """Its functions."""
        return Regressor(_init_means, _predict_mean, _learn_mean, _Bins(self.low, self.high, self.bins))


@description
class ChebyshevRidge:
    """Ridge regression of the loss of each arm on Chebyshev polynomials of the context.

    Parameters
    ----------
    low, high : float
        Range of the contexts, low < high; others are moved to the nearer end.
    features : int >= 1
        Polynomials, of degree 0, 1, ...
    ridge : float > 0
        Weight of the ridge penalty.
    """

    low: Finite
    high: Finite
    features: Count = 6
    ridge: Positive = 1.0

    @model_validator(mode="after")
    def _increasing(self) -> ChebyshevRidge:
        check_interval(self.low, self.high)
        return self

    def regressor(self) -> Regressor:
        """Its functions."""
        params = _Chebyshev(self.low, self.high, self.features, self.ridge)
        return Regressor(_init_ridge, _predict_ridge, _learn_ridge, params)


class _Bins(NamedTuple):
    low: float
    high: float
    bins: int


class _Means(NamedTuple):
    counts: np.ndarray  # (K, bins) int64
    sums: np.ndarray  # (K, bins) float64


class _Chebyshev(NamedTuple):
    low: float
    high: float
    features: int
    ridge: float


class _Ridge(NamedTuple):
    inverses: np.ndarray  # (K, p, p) float64
    moments: np.ndarray  # (K, p) float64
    theta: np.ndarray  # (K, p) float64
    features: np.ndarray  # (p,) float64
    direction: np.ndarray  # (p,) float64


@njit(cache=True, error_model="numpy")
def chebyshev_features(context, low, high, features):
    """Write T_0(u), T_1(u), ... into `features`, where u maps [low, high] to [-1, 1] and is kept within."""
    u = min(max(2.0 * (context - low) / (high - low) - 1.0, -1.0), 1.0)
    features[0] = 1.0
    if features.size > 1:
        features[1] = u
    for j in range(2, features.size):
        features[j] = 2.0 * u * features[j - 1] - features[j - 2]


@njit(cache=True, error_model="numpy")
def weigh_by_gaps(scores, eta, weights):
    """Inverse gap weights of predicted losses; returns the best arm, the first of several."""
    n_arms, best = scores.size, 0
    for i in range(1, n_arms):
        if scores[i] < scores[best]:
            best = i
    rest = 1.0
    for i in range(n_arms):
        if i != best:
            weights[i] = 1.0 / (n_arms + eta * (scores[i] - scores[best]))
            rest -= weights[i]
    weights[best] = rest
    return best


@njit(cache=True, error_model="numpy")
def draw(weights, rng):
    """An arm drawn with these probabilities, by one uniform variate."""
    left, arm = rng.random(), 0
    for i in range(weights.size):
        if weights[i] > 0.0:
            arm = i
            left -= weights[i]
            if left < 0.0:
                break
    return arm


@lru_cache(maxsize=64)
def square_cb_kernels(start: Any, predict: Any, learn: Any) -> PolicyKernels:
    """The policy's functions for those of a regression; the same for the same, so that a loop compiles once."""
    start, predict, learn = compiled(start), compiled(predict), compiled(learn)

    def init(n_arms, params):
        return _State(start(n_arms, params.regressor), np.zeros(1), np.full(n_arms, 1.0 / n_arms), np.zeros(1))

    def observe(state, params, t, context):
        state.context[0] = context.ravel()[0]

    def select(state, params, t, rng):
        weights = state.weights
        for i in range(weights.size):
            weights[i] = predict(state.regressor, params.regressor, state.context[0], i)
        weigh_by_gaps(weights.copy(), 2.0 * math.sqrt(weights.size * t / params.regression_regret), weights)
        state.note[0] = state.context[0]
        arm = draw(weights, rng)
        hold(state, rng)
        return arm

    def update(state, params, t, arm, reward):
        learn(state.regressor, params.regressor, state.note[0], arm, 1.0 - reward)

    return PolicyKernels(init, select, update, observe, _recall, _summary)


@njit(cache=True)
def _recall(state):
    return state.note


@njit(cache=True)
def _summary(state):
    return _Summary(state.weights)


@njit(cache=True)
def _init_means(n_arms, params):
    return _Means(np.zeros((n_arms, params.bins), np.int64), np.zeros((n_arms, params.bins)))


@njit  # not cached, as the next: they call a kernel of another file
def _predict_mean(state, params, context, arm):
    place = nearest_centre(context, params.low, params.high, params.bins)
    return state.sums[arm, place] / max(state.counts[arm, place], 1)


@njit
def _learn_mean(state, params, context, arm, loss):
    place = nearest_centre(context, params.low, params.high, params.bins)
    state.counts[arm, place] += 1
    state.sums[arm, place] += loss


@njit(cache=True)
def _init_ridge(n_arms, params):
    p = params.features
    inverses = np.zeros((n_arms, p, p))
    for i in range(n_arms):
        for j in range(p):
            inverses[i, j, j] = 1.0 / params.ridge
    return _Ridge(inverses, np.zeros((n_arms, p)), np.zeros((n_arms, p)), np.zeros(p), np.zeros(p))


@njit(cache=True, error_model="numpy")
def _predict_ridge(state, params, context, arm):
    features, theta = state.features, state.theta
    chebyshev_features(context, params.low, params.high, features)
    found = 0.0
    for j in range(features.size):
        found += theta[arm, j] * features[j]
    return found


@njit(cache=True, error_model="numpy")
def _learn_ridge(state, params, context, arm, loss):
    """Sherman and Morrison's update of the inverse."""
    features, direction, inverse = state.features, state.direction, state.inverses[arm]
    chebyshev_features(context, params.low, params.high, features)
    p, growth = features.size, 1.0
    for j in range(p):
        total = 0.0
        for k in range(p):
            total += inverse[j, k] * features[k]
        direction[j] = total
        growth += features[j] * total
    for j in range(p):
        state.moments[arm, j] += loss * features[j]
        for k in range(p):
            inverse[j, k] -= direction[j] * direction[k] / growth
    for j in range(p):
        total = 0.0
        for k in range(p):
            total += inverse[j, k] * state.moments[arm, k]
        state.theta[arm, j] = total
