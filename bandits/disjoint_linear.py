"""Disjoint LinUCB: optimism for rewards that are linear in features, with a regression of its own for each arm.

Source: L. Li, W. Chu, J. Langford, R. E. Schapire, "A contextual-bandit approach to personalized news article
recommendation", 2010, Algorithm 1.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import NonNegative, description
from algos.kernels import hold
from bandits.linear import (
    AFRESH,
    add_direction,
    check_features,
    choose,
    features_of,
    invert,
    multiply,
    recall_chosen,
    see_features,
)
from bandits.policy import Arms, Policy, PolicyKernels

__all__ = ["DisjointLinUCB"]


class _State(NamedTuple):
    features: np.ndarray  # (K, d) float64, of the arms at hand
    grams: np.ndarray  # (K, d, d) float64, V of each arm
    inverses: np.ndarray  # (K, d, d) float64
    moments: np.ndarray  # (K, d) float64
    estimates: np.ndarray  # (K, d) float64
    chosen: np.ndarray  # (d,) float64, features of the arm pulled last
    direction: np.ndarray  # (d,) float64
    factor: np.ndarray  # (d, d) float64
    pulls: np.ndarray  # (K,) int64


@description
class DisjointLinUCB(Policy):
    """LinUCB with a regression of its own for each arm.

    Plays the arm whose features a maximise <a, estimate of the arm> + exploration * sqrt(a^T V_arm^-1 a), the first of
    several. Arms bring features as for `LinUCB`.

    Parameters
    ----------
    exploration : float >= 0, optional
        Weight of the widths; 1 + sqrt(ln(2 / delta) / 2) when omitted.
    delta : float in (0, 1)
        Chance that a round's interval is wrong, for the default weight.
    ridge : float > 0
        Weight of the ridge penalty; 1 in the paper.

    Notes
    -----
    No regret bound is known for this form; the paper's reasoning takes the rewards for independent of the choices.
    O(K d^2) a round.
    """

    exploration: NonNegative | None = None
    delta: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    ridge: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update, observe=see_features, recall=recall_chosen)

    def parameters_for(self, arms: Any, horizon: int) -> tuple[NDArray[np.float64], float, float]:
        """The features, the ridge and the weight of the widths."""
        default = 1 + math.sqrt(math.log(2 / self.delta) / 2)
        return features_of(arms), self.ridge, default if self.exploration is None else self.exploration

    def check(self, arms: Arms) -> None:
        """Refuse arms without features."""
        check_features(self, arms)


@njit(cache=True)
def _init(n_arms, params):
    features = params[0].copy()
    k, d = features.shape
    grams, inverses = np.zeros((k, d, d)), np.zeros((k, d, d))
    for i in range(k):
        grams[i], inverses[i] = params[1] * np.eye(d), np.eye(d) / params[1]
    return _State(
        features, grams, inverses, np.zeros((k, d)), np.zeros((k, d)),
        np.zeros(d), np.zeros(d), np.zeros((d, d)), np.zeros(k, np.int64),
    )  # fmt: skip


@njit(forceinline=True, error_model="numpy")  # not cached: it calls kernels of another file
def _select(state, params, t, rng):
    features, inverses, estimates = state.features, state.inverses, state.estimates
    best, arm, d = -math.inf, 0, features.shape[1]
    for i in range(features.shape[0]):
        mean, width = 0.0, 0.0
        for j in range(d):
            row = 0.0
            for k in range(d):
                row += inverses[i, j, k] * features[i, k]
            width += features[i, j] * row
            mean += features[i, j] * estimates[i, j]
        index = mean + params[2] * math.sqrt(max(0.0, width))
        if index > best:
            best, arm = index, i
    choose(state, arm)
    hold(features, inverses, estimates)
    return arm


@njit(forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    gram, inverse = state.grams[arm], state.inverses[arm]
    add_direction(gram, inverse, state.chosen, state.direction)
    for j in range(state.chosen.size):
        state.moments[arm, j] += reward * state.chosen[j]
    state.pulls[arm] += 1
    if state.pulls[arm] % AFRESH == 0:
        invert(gram, state.factor, inverse)
    multiply(inverse, state.moments[arm], state.estimates[arm])
    hold(gram, inverse, state.chosen, state.direction, state.moments, state.estimates, state.factor, state.pulls)
