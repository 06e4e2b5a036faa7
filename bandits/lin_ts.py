"""LinTS: Thompson sampling for rewards that are linear in features of the arms.

Source: S. Agrawal and N. Goyal, "Thompson sampling for contextual bandits with linear payoffs", 2013, Algorithm 1.

The posterior is normal with mean V^-1 b and covariance v^2 V^-1. With V = C C^T a draw is the solution of
C^T theta = C^-1 b + v z for standard normal z: two triangular systems and no inverse. C is kept by rank-one updates.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from pydantic import Field

from algos.contracts import description
from algos.kernels import hold
from bandits.linear import check_features, features_of
from bandits.policy import Arms, Policy, PolicyKernels

__all__ = ["LinTS"]

_Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class _State(NamedTuple):
    features: np.ndarray  # (K, d) float64, of the arms at hand
    factor: np.ndarray  # (d, d) float64, lower triangular C with C C^T = V
    moments: np.ndarray  # (d,) float64, b: sum of reward times features
    drawn: np.ndarray  # (d,) float64, the coefficients drawn last
    chosen: np.ndarray  # (d,) float64, features of the arm pulled last
    work: np.ndarray  # (d,) float64


class _Parameters(NamedTuple):
    features: np.ndarray  # (K, d) float64
    root: float  # sqrt(ridge)
    noise: float
    delta: float  # 0: the spread is the noise in every round


class _Posterior(NamedTuple):
    estimate: np.ndarray  # (d,) float64


@description
class LinTS(Policy):
    """Linear Thompson sampling: the arm that is best for coefficients drawn from the posterior.

    Arms bring features as for `LinUCB`. Outcome ``estimate`` (float64, shape (d,)) is the posterior mean at the end.

    Parameters
    ----------
    noise : float > 0
        R: rewards are R-sub-Gaussian around their mean. 1/2 for rewards in [0, 1].
    delta : float in (0, 1), optional
        When given, the posterior is spread by v = R sqrt(9 d ln(t / delta)) in round t, as the paper's analysis
        wants. When omitted v = R, which does better in practice.
    ridge : float > 0
        lambda, the weight of the ridge penalty; 1 in the paper.

    Notes
    -----
    With `delta`, the regret is of order d^(3/2) sqrt(T) up to logarithms; constants are not stated. O(d^2 + K d) a
    round.

    Examples
    --------
    >>> import numpy as np
    >>> from simulators import LinearContexts
    >>> world = LinearContexts(theta=[0.3, -0.4], n_arms=5, sigma=0.1)
    >>> run = LinTS(noise=0.1).run(world, horizon=1000, rng=np.random.default_rng(0))
    >>> run.outcome["estimate"].round(1)
    array([ 0.3, -0.4])
    """

    noise: _Positive = 1.0
    delta: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    ridge: _Positive = 1.0

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update, observe=_observe, recall=_chosen, summary=_summary)

    def parameters_for(self, arms: Any, horizon: int) -> _Parameters:
        """The features and what the spread is made of."""
        return _Parameters(features_of(arms), math.sqrt(self.ridge), self.noise, self.delta or 0.0)

    def check(self, arms: Arms) -> None:
        """Refuse arms without features."""
        check_features(self, arms)


@njit(cache=True)
def _init(n_arms, params):
    d = params.features.shape[1]
    return _State(params.features.copy(), params.root * np.eye(d), np.zeros(d), np.zeros(d), np.zeros(d), np.zeros(d))


@njit(cache=True, forceinline=True)
def _observe(state, params, t, context):
    features = state.features
    for i in range(features.shape[0]):
        for j in range(features.shape[1]):
            features[i, j] = context[i, j]


@njit(cache=True, forceinline=True)
def _chosen(state):
    return state.chosen


@njit(cache=True, forceinline=True, error_model="numpy")
def _forward(factor, right, solution):
    """C solution = right."""
    for i in range(right.size):
        total = right[i]
        for k in range(i):
            total -= factor[i, k] * solution[k]
        solution[i] = total / factor[i, i]


@njit(cache=True, forceinline=True, error_model="numpy")
def _backward(factor, right, solution):
    """C^T solution = right; both may be the same array."""
    d = right.size
    for back in range(d):
        i = d - 1 - back
        total = right[i]
        for k in range(i + 1, d):
            total -= factor[k, i] * solution[k]
        solution[i] = total / factor[i, i]


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    features, factor, drawn, work, d = state.features, state.factor, state.drawn, state.work, state.drawn.size
    spread = params.noise
    if params.delta > 0.0:
        spread *= math.sqrt(9.0 * d * math.log(t / params.delta))
    _forward(factor, state.moments, work)
    for j in range(d):
        work[j] += spread * rng.standard_normal()
    _backward(factor, work, drawn)
    best, arm = -math.inf, 0
    for i in range(features.shape[0]):
        value = 0.0
        for j in range(d):
            value += features[i, j] * drawn[j]
        if value > best:
            best, arm = value, i
    for j in range(d):
        state.chosen[j] = features[arm, j]
    hold(features, factor, drawn, work, state.chosen, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    """Add a a^T to V by rotating a into its factor, column by column."""
    factor, work, d = state.factor, state.work, state.work.size
    for j in range(d):
        work[j] = state.chosen[j]
        state.moments[j] += reward * state.chosen[j]
    for k in range(d):
        old = factor[k, k]
        new = math.sqrt(old * old + work[k] * work[k])
        cosine, sine = new / old, work[k] / old
        factor[k, k] = new
        for i in range(k + 1, d):
            factor[i, k] = (factor[i, k] + sine * work[i]) / cosine
            work[i] = cosine * work[i] - sine * factor[i, k]
    hold(factor, work, state.chosen, state.moments)


@njit(cache=True)
def _summary(state):
    estimate = np.zeros(state.moments.size)
    _forward(state.factor, state.moments, estimate)
    _backward(state.factor, estimate, estimate)
    return _Posterior(estimate)
