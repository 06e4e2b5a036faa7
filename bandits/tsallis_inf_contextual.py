"""Tsallis-INF for rounds with a number as context: one learner for each of several intervals of contexts.

Source: M. Khodak et al., "Learning to Relax: Setting Solver Parameters Across a Sequence of Linear System Instances",
arXiv:2310.02246, Algorithm 5 and Theorem B.4.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from pydantic import model_validator

from algos.contracts import Count, description, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold
from bandits.fields import Finite, check_interval
from bandits.policy import Policy, PolicyKernels
from bandits.tsallis_inf import (
    CLIPPED,
    LARGEST,
    Estimator,
    Parameters,
    Scale,
    State,
    anytime_parameters,
    init,
    select_noting,
    update_reduced,
    update_weighted,
)

__all__ = ["TsallisINFContextual", "contextual_tsallis_bound", "nearest_centre"]


class _Parameters(NamedTuple):
    low: float
    high: float
    bins: int
    learner: Parameters


class _State(NamedTuple):
    learners: State  # its arrays have one row a bin
    rounds: np.ndarray  # (m,) int64, rounds begun in each bin
    current: np.ndarray  # (1,) int64, bin of the round at hand
    outside: np.ndarray  # (1,) int64, contexts outside the interval
    note: np.ndarray  # (K + 3,) float64: bin, round within it, probability drawn, weights of the round learnt next


class _Summary(NamedTuple):
    rounds_per_bin: np.ndarray  # (m,) int64
    largest_loss: float
    clipped: int
    clipped_contexts: int


@description
class TsallisINFContextual(Policy):
    """Tsallis-INF for each of m equal intervals of the context, which is one number.

    A context belongs to the interval with the nearest centre, the lower of two; outside [low, high] to the first or the
    last. Outcome ``rounds_per_bin`` (int64, shape (m,)), ``largest_loss``, ``clipped`` (losses cut down to the scale)
    and ``clipped_contexts``.

    Parameters
    ----------
    low, high : float
        Range of the contexts, low < high.
    bins : int >= 1
        m, number of intervals. One makes it `TsallisINF`.
    estimator : {"importance weighting", "reduced variance"}
        As for `TsallisINF`.
    scale : float > 0, "running mean" or "running max"
        As for `TsallisINF`; running scales are those of the interval.

    Notes
    -----
    Against policies that change slowly with the context: `contextual_tsallis_bound`. O(K) a round.
    """

    low: Finite
    high: Finite
    bins: Count = 5
    estimator: Estimator = "importance weighting"
    scale: Scale = 1.0

    @model_validator(mode="after")
    def _increasing(self) -> TsallisINFContextual:
        check_interval(self.low, self.high)
        return self

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        update = _update_weighted if self.estimator == "importance weighting" else _update_reduced
        return PolicyKernels(_init, _select, update, _observe, _recall, _summary)

    def parameters(self, horizon: int) -> _Parameters:
        """The interval, the number of bins, and what each learner gets."""
        return _Parameters(self.low, self.high, self.bins, anytime_parameters(self.estimator, self.scale))

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1] unless there is another scale."""
        return self.scale == 1.0

    def check(self, arms: Any) -> None:
        """Refuse worlds without contexts."""
        check_contexts(self, arms)


def check_contexts(policy: Policy, arms: Any) -> None:
    """Raise ``ValueError`` for worlds that show no context before the choice."""
    hooks = arms.round_kernels() if hasattr(arms, "round_kernels") else None
    if hooks is None or hooks.context is None:
        raise ValueError(f"arms: {type(policy).__name__} needs a world with a number as context in each round")


@guarantee("arXiv:2310.02246, Theorem B.4", kind="upper", algorithm="TsallisINFContextual")
def contextual_tsallis_bound(
    n_arms: int, bins: int, horizon: int, scale: float, width: float, policy_lipschitz: float,
    span: float, loss_lipschitz: float,
) -> float:  # fmt: skip
    """E[losses] - sum_t u_t(f(c_t)) <= m + 4 K sqrt(d m T) + (C L_f / m + (b - a) / d) T L for arms a + (b - a) i / d.

    The comparator f is any policy with values in [a, b] that changes by at most L_f a unit of the context; u_t is an
    upper bound of the losses of round t that is (L, b)-semi-Lipschitz: u(x) - u(y) <= L |x - y| where x lies between y
    and b.

    Parameters
    ----------
    n_arms, bins, horizon : int >= 1
        d, m, T.
    scale : float > 0
        K, largest loss.
    width : float >= 0
        C, length of the interval of contexts.
    policy_lipschitz, loss_lipschitz : float >= 0
        L_f, L.
    span : float >= 0
        b - a, length of the interval of actions.
    """
    d, m, rounds = whole_number(n_arms, "n_arms", 1), whole_number(bins, "bins", 1), whole_number(horizon, "horizon", 1)
    if not 0 < scale < math.inf:
        raise ValueError(f"scale: {scale!r} is not a finite number > 0")
    for name, value in (("width", width), ("policy_lipschitz", policy_lipschitz), ("span", span),
                        ("loss_lipschitz", loss_lipschitz)):  # fmt: skip
        if not 0 <= value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number >= 0")
    drift = (width * policy_lipschitz / m + span / d) * rounds * loss_lipschitz
    return m + 4 * scale * math.sqrt(d * m * rounds) + drift


@njit(cache=True, error_model="numpy")
def nearest_centre(context, low, high, bins):
    """Place of the nearest of the centres low + (high - low) (j - 1/2) / bins, j = 1, 2, ...; the lower of two."""
    place = math.ceil((context - low) / (high - low) * bins) - 1
    return int(min(max(place, 0), bins - 1))


@njit
def _init(n_arms, params):
    one, m = init(n_arms, params.learner), params.bins
    return _State(
        State(
            np.zeros((m, n_arms)), np.zeros((m, n_arms)), np.zeros((m, n_arms)), np.zeros((m, one.seen.size)),
            np.full((m, n_arms), 1.0 / n_arms), np.ones((m, 1)), np.zeros((m, n_arms)), np.zeros((m, 1)),
        ),
        np.zeros(m, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(n_arms + 3),
    )  # fmt: skip


@njit
def _observe(state, params, t, context):
    value = context.ravel()[0]
    state.outside[0] += not params.low <= value <= params.high
    state.current[0] = nearest_centre(value, params.low, params.high, params.bins)


@njit(forceinline=True)
def _in_bin(learners, place):
    return State(
        learners.losses[place], learners.shifts[place], learners.scaled[place], learners.seen[place],
        learners.weights[place], learners.drawn[place], learners.noted[place], learners.distance[place],
    )  # fmt: skip


@njit
def _select(state, params, t, rng):
    place = state.current[0]
    learner = _in_bin(state.learners, place)
    state.rounds[place] += 1
    arm = select_noting(learner, params.learner, state.rounds[place], rng)
    note = state.note
    note[0], note[1], note[2] = place, state.rounds[place], learner.drawn[0]
    for i in range(learner.noted.size):
        note[i + 3] = learner.noted[i]
    hold(state, rng)
    return arm


@njit
def _learner_noted(state):
    """The learner of the round that is learnt next, with that round's probabilities."""
    note = state.note
    learner = _in_bin(state.learners, int(note[0]))
    learner.drawn[0] = note[2]
    for i in range(learner.noted.size):
        learner.noted[i] = note[i + 3]
    return learner


@njit
def _update_weighted(state, params, t, arm, reward):
    update_weighted(_learner_noted(state), params.learner, int(state.note[1]), arm, reward)


@njit
def _update_reduced(state, params, t, arm, reward):
    update_reduced(_learner_noted(state), params.learner, int(state.note[1]), arm, reward)


@njit
def _recall(state):
    return state.note


@njit
def _summary(state):
    seen = state.learners.seen
    return _Summary(state.rounds, seen[:, LARGEST].max(), int(seen[:, CLIPPED].sum()), state.outside[0])
