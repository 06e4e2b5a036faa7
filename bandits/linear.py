"""LinUCB: optimism for rewards that are linear in features of the arms.

Sources: Y. Abbasi-Yadkori, D. Pal, C. Szepesvari, "Improved algorithms for linear stochastic bandits", 2011 (OFUL:
Theorem 2 for the confidence set, Theorem 3 for the regret, Section 5.1 for rare switching); T. Lattimore and
C. Szepesvari, "Bandit Algorithms", 2020, Theorem 19.2.

Ridge regression keeps the inverse of V = ridge I + sum a a^T by the Sherman-Morrison formula, and with it ln det V, the
estimate, and for the arms at hand their estimated means and squared widths a^T V^-1 a: O(K d + d^2) a round where the
arms stay, O(K d^2) where they are others each round. Every 1000 rounds all is computed afresh from V, lest rounding
errors add up.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import NonNegative, description, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold
from bandits.policy import Arms, Policy, PolicyKernels

__all__ = [
    "LinUCB",
    "oful_bound",
    "oful_radius",
    "oful_uniform_bound",
]

_Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
_Chance = Annotated[float, Field(gt=0.0, lt=1.0)]

AFRESH = 1000  # updates between two computations from V itself


class _State(NamedTuple):
    features: np.ndarray  # (K, d) float64, of the arms at hand
    means: np.ndarray  # (K,) float64, their estimated means
    widths: np.ndarray  # (K,) float64, a^T V^-1 a
    gram: np.ndarray  # (d, d) float64, V
    inverse: np.ndarray  # (d, d) float64, V^-1
    moments: np.ndarray  # (d,) float64, sum of reward times features
    estimate: np.ndarray  # (d,) float64, V^-1 moments
    chosen: np.ndarray  # (d,) float64, features of the arm pulled last
    direction: np.ndarray  # (d,) float64, V^-1 chosen
    factor: np.ndarray  # (d, d) float64, room for the Cholesky factor of V
    numbers: np.ndarray  # (2,) float64: ln(det V / ridge^d), now and when the arm was last chosen anew
    counts: np.ndarray  # (2,) int64: updates so far, the arm chosen last


class _Parameters(NamedTuple):
    features: np.ndarray  # (K, d) float64
    ridge: float
    offset: float  # sqrt(ridge) * norm_bound
    noise: float
    log_chance: float  # 2 ln(1 / delta)
    switching: float  # ln(1 + switching)


class _Estimate(NamedTuple):
    estimate: np.ndarray  # (d,) float64
    log_det: float


@description
class LinUCB(Policy):
    """Optimism in the face of uncertainty for linear rewards (OFUL).

    Plays the arm whose features a maximise <a, estimate> + radius * sqrt(a^T V^-1 a), the first of several. Arms bring
    ``features``, shape (K, d), that stay, or a ``dimension`` d and features of each round as its context. Outcome
    ``estimate`` (float64, shape (d,)) and ``log_det``, ln(det V / ridge^d), are the regression's at the end.

    Parameters
    ----------
    noise : float > 0
        R: rewards are R-sub-Gaussian around their mean. 1/2 for rewards in [0, 1].
    norm_bound : float > 0
        S, at least the Euclidean norm of the unknown coefficients.
    delta : float in (0, 1)
        Probability with which the confidence set may miss the coefficients.
    ridge : float > 0
        lambda, the weight of the ridge penalty.
    switching : float >= 0
        C: the arm is chosen anew only once det V has grown by the factor 1 + C since the last time, for arms that stay;
        0 chooses anew in every round.

    Notes
    -----
    The radius is `oful_radius`; the regret with probability at least 1 - delta `oful_bound` and `oful_uniform_bound`.

    Examples
    --------
    >>> import numpy as np
    >>> from simulators import LinearContexts
    >>> world = LinearContexts(theta=[0.3, -0.4], n_arms=5, sigma=0.1)
    >>> run = LinUCB(noise=0.1).run(world, horizon=1000, rng=np.random.default_rng(0))
    >>> run.outcome["estimate"].round(1)
    array([ 0.3, -0.4])
    """

    noise: _Positive = 1.0
    norm_bound: _Positive = 1.0
    delta: _Chance = 0.01
    ridge: _Positive = 1.0
    switching: NonNegative = 0.0

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update, observe=_observe, recall=recall_chosen, summary=_summary)

    def parameters_for(self, arms: Any, horizon: int) -> _Parameters:
        """The features and what the radius is made of."""
        offset, log_chance = math.sqrt(self.ridge) * self.norm_bound, 2 * math.log(1 / self.delta)
        return _Parameters(features_of(arms), self.ridge, offset, self.noise, log_chance, math.log1p(self.switching))

    def check(self, arms: Arms) -> None:
        """Refuse arms without features, and rare switching where features are others each round."""
        check_features(self, arms)
        if self.switching > 0 and not hasattr(arms, "features"):
            raise ValueError(f"LinUCB: switching = {self.switching}: needs arms whose features stay")


def features_of(arms: Any) -> NDArray[np.float64]:
    """The features of arms, shape (K, d); zeros where they come with each round."""
    if not hasattr(arms, "features"):
        return np.zeros((whole_number(arms.n_arms, "n_arms", 1), whole_number(arms.dimension, "dimension", 1)))
    features = np.array(arms.features, dtype=np.float64, order="C")
    n_arms = np.size(arms.means) if hasattr(arms, "means") else arms.n_arms
    if features.ndim != 2 or features.shape[0] != n_arms or features.size == 0 or not np.isfinite(features).all():
        raise ValueError(f"features: {arms.features!r} is no matrix of finite numbers with one row an arm ({n_arms})")
    return features


def check_features(policy: Policy, arms: Any) -> None:
    """Raise ``ValueError`` for arms without features."""
    if not hasattr(arms, "features") and not hasattr(arms, "dimension"):
        raise ValueError(f"arms: {type(policy).__name__} needs arms with features; these have none")


@guarantee("Abbasi-Yadkori, Pal & Szepesvari 2011, Theorem 2", kind="upper", algorithm="LinUCB", evidence="textbook")
def oful_radius(
    log_det: float, delta: float = 0.01, noise: float = 1.0, norm_bound: float = 1.0, ridge: float = 1.0
) -> float:
    """||theta - estimate||_V <= sqrt(ridge) S + R sqrt(2 ln(1/delta) + ln(det V / ridge^d)), always, w.p. >= 1 - delta.

    Parameters
    ----------
    log_det : float >= 0
        ln(det V / ridge^d), the outcome ``log_det`` of a run.
    delta, noise, norm_bound, ridge : float
        As for `LinUCB`: delta, R, S and lambda.

    Examples
    --------
    >>> import math
    >>> round(oful_radius(math.log(2), noise=0.5), 12)
    2.573490352094
    """
    chance = _between(delta, "delta", 0.0, 1.0)
    bound, scale, weight = (
        _between(value, name, 0.0, math.inf)
        for value, name in ((norm_bound, "norm_bound"), (noise, "noise"), (ridge, "ridge"))
    )
    return math.sqrt(weight) * bound + scale * math.sqrt(2 * math.log(1 / chance) + _at_least_0(log_det, "log_det"))


@guarantee("Lattimore & Szepesvari 2020, Theorem 19.2", kind="upper", algorithm="LinUCB", evidence="textbook")
def oful_bound(horizon: int, log_det: float, radius: float, switching: float = 0.0) -> float:
    """Regret of LinUCB <= sqrt(8 (1 + C) T max(1, radius^2) ln(det V_T / ridge^d)) with probability >= 1 - delta.

    Parameters
    ----------
    horizon : int >= 1
        T, rounds played.
    log_det : float >= 0
        ln(det V_T / ridge^d) after the T rounds.
    radius : float > 0
        `oful_radius` at the end, where it is largest.
    switching : float >= 0
        C, the policy's.

    Notes
    -----
    For arms whose means differ by at most 1. The factor 1 + C is derived here: widths are at most sqrt(1 + C) times
    larger in the matrix that the arm was chosen by.
    """
    rounds, squared = whole_number(horizon, "horizon", 1), max(1.0, _between(radius, "radius", 0.0, math.inf) ** 2)
    return math.sqrt(8 * (1 + _at_least_0(switching, "switching")) * rounds * squared * _at_least_0(log_det, "log_det"))


@guarantee("Lattimore & Szepesvari 2020, Theorem 19.2", kind="upper", algorithm="LinUCB", evidence="textbook")
def oful_uniform_bound(
    horizon: int,
    dimension: int,
    feature_bound: float = 1.0,
    delta: float = 0.01,
    noise: float = 1.0,
    norm_bound: float = 1.0,
    ridge: float = 1.0,
    switching: float = 0.0,
) -> float:
    """`oful_bound` with ln(det V_T / ridge^d) <= d ln(1 + T L^2 / (d ridge)), which needs no run.

    Parameters
    ----------
    horizon : int >= 1
        T, rounds played.
    dimension : int >= 1
        d, number of features.
    feature_bound : float > 0
        L, at least the Euclidean norm of every arm's features.
    delta, noise, norm_bound, ridge, switching : float
        As for `LinUCB`.
    """
    rounds, d = whole_number(horizon, "horizon", 1), whole_number(dimension, "dimension", 1)
    length, weight = _between(feature_bound, "feature_bound", 0.0, math.inf), _between(ridge, "ridge", 0.0, math.inf)
    log_det = d * math.log1p(rounds * length**2 / (d * weight))
    return oful_bound(rounds, log_det, oful_radius(log_det, delta, noise, norm_bound, ridge), switching)


def _between(value: Any, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low < value < high:
        raise ValueError(f"{name}: {value!r} is not a number in ({low:g}, {high:g})")
    return float(value)


def _at_least_0(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name}: {value!r} is not a finite number >= 0")
    return float(value)


@njit(cache=True)
def _init(n_arms, params):
    features = params.features.copy()
    k, d = features.shape
    state = _State(
        features, np.zeros(k), np.zeros(k), params.ridge * np.eye(d), np.eye(d) / params.ridge,
        np.zeros(d), np.zeros(d), np.zeros(d), np.zeros(d), np.zeros((d, d)),
        np.array([0.0, -math.inf]), np.zeros(2, np.int64),
    )  # fmt: skip
    _look(state)
    return state


@njit(cache=True)
def _look(state):
    """Estimated means and squared widths of the arms at hand."""
    features, inverse, estimate = state.features, state.inverse, state.estimate
    d = estimate.size
    for i in range(features.shape[0]):
        mean, width = 0.0, 0.0
        for j in range(d):
            row = 0.0
            for k in range(d):
                row += inverse[j, k] * features[i, k]
            width += features[i, j] * row
            mean += features[i, j] * estimate[j]
        state.means[i], state.widths[i] = mean, width
    hold(features, inverse, estimate, state.means, state.widths)


@njit(cache=True, forceinline=True)
def see_features(state, params, t, context):
    features = state.features
    for i in range(features.shape[0]):
        for j in range(features.shape[1]):
            features[i, j] = context[i, j]


@njit(cache=True, forceinline=True)
def _observe(state, params, t, context):
    see_features(state, params, t, context)
    _look(state)


@njit(cache=True, forceinline=True)
def recall_chosen(state):
    return state.chosen


@njit(cache=True, forceinline=True)
def choose(state, arm):
    for j in range(state.chosen.size):
        state.chosen[j] = state.features[arm, j]


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    means, widths, numbers = state.means, state.widths, state.numbers
    arm = state.counts[1]
    if params.switching == 0.0 or numbers[0] > numbers[1] + params.switching:
        radius = params.offset + params.noise * math.sqrt(params.log_chance + numbers[0])
        best = -math.inf
        for i in range(means.size):
            index = means[i] + radius * math.sqrt(max(0.0, widths[i]))
            if index > best:
                best, arm = index, i
        numbers[1], state.counts[1] = numbers[0], arm
    choose(state, arm)
    hold(means, widths, numbers, state.counts)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    features, moments, estimate = state.features, state.moments, state.estimate
    chosen, direction, d = state.chosen, state.direction, state.chosen.size
    width = add_direction(state.gram, state.inverse, chosen, direction)
    predicted = 0.0
    for j in range(d):
        predicted += chosen[j] * estimate[j]
    gain = (reward - predicted) / (1.0 + width)
    for j in range(d):
        moments[j] += reward * chosen[j]
        estimate[j] += gain * direction[j]
    for i in range(features.shape[0]):
        product = 0.0
        for j in range(d):
            product += features[i, j] * direction[j]
        state.means[i] += gain * product
        state.widths[i] -= product * product / (1.0 + width)
    state.numbers[0] += math.log1p(width)
    state.counts[0] += 1
    if state.counts[0] % AFRESH == 0:
        log_det = invert(state.gram, state.factor, state.inverse)
        state.numbers[0] = max(0.0, log_det - d * math.log(params.ridge))
        multiply(state.inverse, moments, estimate)
        _look(state)
    hold(features, moments, estimate, chosen, direction, state.gram, state.inverse, state.factor)
    hold(state.means, state.widths, state.numbers, state.counts)


@njit(cache=True, forceinline=True)
def multiply(matrix, vector, product):
    for i in range(vector.size):
        total = 0.0
        for j in range(vector.size):
            total += matrix[i, j] * vector[j]
        product[i] = total


@njit(cache=True, forceinline=True, error_model="numpy")
def add_direction(gram, inverse, a, direction):
    """Add a a^T to V and keep its inverse; direction = V^-1 a and the value a^T V^-1 a are those before."""
    d, width = a.size, 0.0
    multiply(inverse, a, direction)
    for i in range(d):
        width += a[i] * direction[i]
    for i in range(d):
        for j in range(d):
            gram[i, j] += a[i] * a[j]
            inverse[i, j] -= direction[i] * direction[j] / (1.0 + width)
    return width


@njit(cache=True, error_model="numpy")
def invert(gram, factor, inverse):
    """The inverse of V by its Cholesky factor; returns ln det V."""
    d, log_det = gram.shape[0], 0.0
    for j in range(d):
        for i in range(j, d):
            total = gram[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            # Rounding must not leave a root of less than 0 where features drown the ridge.
            factor[i, j] = math.sqrt(max(total, 1e-300)) if i == j else total / factor[j, j]
        log_det += 2.0 * math.log(factor[j, j])
    for column in range(d):
        for i in range(d):
            total = 1.0 if i == column else 0.0
            for k in range(i):
                total -= factor[i, k] * inverse[k, column]
            inverse[i, column] = total / factor[i, i]
        for back in range(d):
            i = d - 1 - back
            total = inverse[i, column]
            for k in range(i + 1, d):
                total -= factor[k, i] * inverse[k, column]
            inverse[i, column] = total / factor[i, i]
    return log_det


@njit(cache=True)
def _summary(state):
    return _Estimate(state.estimate, state.numbers[0])
