"""Phased elimination: arms that stay, each phase with a G-optimal design over those still in the game.

Source: T. Lattimore and C. Szepesvari, "Bandit Algorithms", 2020, Algorithm 12 and Theorem 22.1.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from pydantic import Field

from algos.contracts import description, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.optimal_design import g_optimal_weights
from bandits.instances import positive_number
from bandits.linear import features_of
from bandits.policy import Arms, Policy, PolicyKernels

__all__ = ["PhasedElimination", "phased_elimination_bound"]

_TOLERANCE = 1e-3  # of the designs: their largest variance is at most d (1 + tolerance)
_MOST_PULLS = 2.0**62  # of one arm in one phase: more than any horizon
_LAST_PHASE = 500  # 4^l stays finite; reached only where next to no noise makes phases of a few rounds


class _State(NamedTuple):
    active: np.ndarray  # (K,) int64, the arms still in the game, in order, in its first places
    coordinates: np.ndarray  # (K, d) float64, of the active arms, over a basis among them, placed first
    wanted: np.ndarray  # (K,) int64, pulls of each active arm in this phase
    served: np.ndarray  # (K,) int64, how many of them are made
    learnt: np.ndarray  # (K,) int64, how many of their rewards are known
    sums: np.ndarray  # (K,) float64, sums of these rewards
    places: np.ndarray  # (K,) int64, the place of each arm among the active ones, -1 when it is out
    # (5,) int64: active arms, rank of their features, phase 1, 2, ..., place pulled last, arms that lack rewards
    counters: np.ndarray


class _Parameters(NamedTuple):
    features: np.ndarray  # (K, d) float64, divided by the largest of their entries
    log_chance: float  # ln(K / delta)
    noise: float


class _Survivors(NamedTuple):
    active: np.ndarray  # (s,) int64
    phases: int


@description
class PhasedElimination(Policy):
    """Phased elimination with G-optimal designs for rewards that are linear in features of arms that stay.

    Phase l = 1, 2, ... pulls arm a ceil(2 R^2 g w_a 4^l ln(K l (l + 1) / delta)) times, where the weights w are a
    G-optimal design over the arms still in the game and g <= d (1 + 1e-3) is its largest variance; it estimates the
    coefficients from the rewards of this phase alone, and drops the arms whose estimated mean is more than 2 * 2^-l
    below the largest. Outcome ``active`` (int64) names the arms left, ``phases`` counts the phases ended.

    Parameters
    ----------
    noise : float > 0
        R: rewards are R-sub-Gaussian around their mean. 1/2 for rewards in [0, 1].
    delta : float in (0, 1)
        Probability with which the estimate of any phase may be further off than 2^-l for some arm.

    Notes
    -----
    With probability at least 1 - delta the best arm stays, and the regret is at most `phased_elimination_bound`. The
    source has d where g stands here, and R = 1. Only one side of each confidence interval is used for each arm, which
    is why delta is not 2 delta. O(1) a round; O(K d) for each step toward a design, at the end of a phase.

    Examples
    --------
    >>> from simulators import BernoulliLinearArms
    >>> arms = BernoulliLinearArms([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], [0.9, 0.1])
    >>> run = PhasedElimination(noise=0.5).run(arms, 2000, np.random.default_rng(0))
    >>> run.outcome["active"], bool(run.outcome["pulls"][0] > 1500)
    (array([0]), True)
    """

    noise: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0
    delta: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.01

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update, summary=_summary)

    def parameters_for(self, arms: Any, horizon: int) -> _Parameters:
        """The features, in a scale in which squares neither overflow nor vanish."""
        features = features_of(arms)
        largest = np.abs(features).max()
        scaled = features / largest if largest > 0 else features
        return _Parameters(scaled, math.log(features.shape[0] / self.delta), self.noise)

    def check(self, arms: Arms) -> None:
        """Refuse arms without features that stay."""
        if not hasattr(arms, "features"):
            raise ValueError("arms: PhasedElimination needs arms with features that stay; these have none")


@guarantee("Lattimore & Szepesvari 2020, Theorem 22.1", kind="upper", algorithm="PhasedElimination", evidence="derived")
def phased_elimination_bound(
    horizon: int, n_arms: int, dimension: int, delta: float = 0.01, noise: float = 1.0, largest_gap: float = math.inf
) -> float:
    """Regret <= sum_l n_l min(largest gap, 8 * 2^-l) with probability >= 1 - delta, where sum_l n_l = T.

    Phase l has n_l = 2 R^2 d (1 + 1e-3) 4^l ln(K l (l + 1) / delta) + K rounds, but for the last one, which the horizon
    cuts. Arms with a gap above 4 * 2^-l are out after it. The source hides the constant: C sqrt(d T ln(K T)) for
    delta = 1/T.

    Parameters
    ----------
    horizon : int >= 1
        T, rounds played.
    n_arms : int >= 1
        K.
    dimension : int >= 1
        d, the rank of the features.
    delta, noise : float
        As for `PhasedElimination`.
    largest_gap : float > 0
        No arm's mean is further below the best.

    Examples
    --------
    >>> round(phased_elimination_bound(100_000, 20, 3, delta=1e-5, noise=0.5, largest_gap=1.0))
    20379
    """
    left, k, d = (
        whole_number(value, name, 1)
        for value, name in ((horizon, "horizon"), (n_arms, "n_arms"), (dimension, "dimension"))
    )
    scale, chance = positive_number(noise, "noise"), positive_number(delta, "delta")
    if not chance < 1:
        raise ValueError(f"delta: {delta!r} is not a number in (0, 1)")
    most = math.inf if largest_gap == math.inf else positive_number(largest_gap, "largest_gap")
    regret, phase = 0.0, 0
    while left > 0:
        phase += 1
        logarithm = math.log(k / chance) + math.log(phase * (phase + 1))
        rounds = min(float(left), 2 * scale**2 * d * (1 + _TOLERANCE) * 4.0**phase * logarithm + k)
        # Before the first phase nothing is known of the gaps.
        regret += rounds * (most if phase == 1 else min(most, 8 * 2.0**-phase))
        left = max(0, left - math.ceil(rounds))
    return regret


@njit(cache=True)
def _summary(state):
    return _Survivors(state.active[: state.counters[0]].copy(), state.counters[2] - 1)


@njit
def _init(n_arms, params):
    d = params.features.shape[1]
    state = _State(
        np.arange(n_arms), np.zeros((n_arms, d)), np.zeros(n_arms, np.int64), np.zeros(n_arms, np.int64),
        np.zeros(n_arms, np.int64), np.zeros(n_arms), np.arange(n_arms), np.array([n_arms, 0, 0, 0, 0]),
    )  # fmt: skip
    _begin_phase(state, params)
    return state


@njit
def _begin_phase(state, params):
    """A design over the active arms, and how often it pulls each."""
    active, counters = state.active, state.counters
    n, d = counters[0], params.features.shape[1]
    rows = np.empty((n, d))
    for place in range(n):
        for j in range(d):
            rows[place, j] = params.features[active[place], j]
    coordinates, weights, variance = g_optimal_weights(rows, _TOLERANCE)
    rank = coordinates.shape[1]
    counters[1], counters[2], counters[3], counters[4] = rank, counters[2] + 1, 0, 0
    phase = counters[2]
    logarithm = params.log_chance + math.log(phase * (phase + 1.0))
    scale = 2.0 * params.noise * params.noise * variance * 4.0 ** min(phase, _LAST_PHASE) * logarithm
    for place in range(n):
        for k in range(rank):
            state.coordinates[place, k] = coordinates[place, k]
        state.wanted[place] = 0
        if weights[place] > 0.0:
            state.wanted[place] = int(min(_MOST_PULLS, max(1.0, math.ceil(scale * weights[place]))))
            counters[4] += 1
        state.served[place], state.learnt[place], state.sums[place] = 0, 0, 0.0
    if rank == 0:  # all features are zero, and so are all means: there is nothing to learn
        state.wanted[0] = int(_MOST_PULLS)


@njit(cache=True, forceinline=True)
def _select(state, params, t, rng):
    wanted, served, counters = state.wanted, state.served, state.counters
    place, n = counters[3], counters[0]
    if served[place] >= wanted[place]:
        place = (place + 1) % n
        tried = 1
        while served[place] >= wanted[place] and tried <= n:
            place = (place + 1) % n
            tried += 1
        while wanted[place] == 0:  # all are made, but rewards come late: once more around
            place = (place + 1) % n
        counters[3] = place
    served[place] += 1
    hold(wanted, served, counters, state.active)
    return state.active[place]


@njit(forceinline=True)
def _update(state, params, t, arm, reward):
    learnt, counters = state.learnt, state.counters
    place = state.places[arm]
    if place >= 0 and counters[0] > 1:  # rewards may come late, also those of arms that are out already
        learnt[place] += 1
        state.sums[place] += reward
        if learnt[place] == state.wanted[place]:
            counters[4] -= 1
            if counters[4] == 0:
                _end_phase(state, params)
    hold(learnt, counters, state.places, state.wanted)


@njit
def _end_phase(state, params):
    """Least squares in the coordinates of the phase, then drop arms and begin the next."""
    active, coordinates, counters = state.active, state.coordinates, state.counters
    n, rank = counters[0], counters[1]
    gram, moments = np.zeros((rank, rank)), np.zeros(rank)
    for place in range(n):
        for k in range(rank):
            moments[k] += state.sums[place] * coordinates[place, k]
            for m in range(rank):
                gram[k, m] += state.learnt[place] * coordinates[place, k] * coordinates[place, m]
    _eliminate(gram, moments)
    means, best = np.empty(n), -math.inf
    for place in range(n):
        mean = 0.0
        for k in range(rank):
            mean += coordinates[place, k] * moments[k]
        means[place], best = mean, max(best, mean)
    kept = 0
    for place in range(n):
        arm = active[place]
        if means[place] >= best - 2.0 * 2.0 ** -counters[2]:
            active[kept], state.places[arm] = arm, kept
            kept += 1
        else:
            state.places[arm] = -1
    counters[0] = kept
    _begin_phase(state, params)


@njit(cache=True)
def _eliminate(gram, moments):
    """Solve gram @ x = moments in place, by elimination: it is positive definite, no pivoting is needed."""
    rank = moments.size
    for k in range(rank):
        for i in range(k + 1, rank):
            factor = gram[i, k] / gram[k, k]
            for m in range(k, rank):
                gram[i, m] -= factor * gram[k, m]
            moments[i] -= factor * moments[k]
    for k in range(rank - 1, -1, -1):
        for m in range(k + 1, rank):
            moments[k] -= gram[k, m] * moments[m]
        moments[k] /= gram[k, k]
