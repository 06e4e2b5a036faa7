"""Exp3 and Exp3-IX: exponential weights on estimated losses or gains, for rewards that an adversary chooses.

Sources: P. Auer, N. Cesa-Bianchi, Y. Freund, R. E. Schapire, "The nonstochastic multiarmed bandit problem", 2002
(gains with uniform exploration); S. Bubeck and N. Cesa-Bianchi, "Regret analysis of stochastic and nonstochastic
multi-armed bandit problems", 2012, Theorem 3.1 (losses, anytime); T. Lattimore and C. Szepesvari, "Bandit Algorithms",
2020, Chapters 11 and 12; G. Neu, "Explore no more: improved high-probability regret bounds for non-stochastic bandits",
2015.

All of them keep a score of each arm, its estimated loss (or minus its estimated gain), and draw an arm with probability
proportional to exp(-rate * score). With a constant rate only the pulled arm's weight changes, and a round takes one
exponential.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numba import njit
from pydantic import AfterValidator, Field, ValidationInfo

from algos.contracts import description, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold
from bandits.policy import Policy, PolicyKernels

__all__ = [
    "Exp3",
    "Exp3Gain",
    "Exp3IX",
    "exp3_anytime_bound",
    "exp3_bound",
    "exp3_gain_bound",
    "exp3_ix_anytime_bound",
    "exp3_ix_bound",
]

_Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


def _without_rate(anytime: bool, info: ValidationInfo) -> bool:
    if anytime and info.data.get("learning_rate") is not None:
        raise ValueError("has rates of its own, and takes no learning_rate")
    return anytime


_Anytime = Annotated[bool, Field(strict=True), AfterValidator(_without_rate)]

_LEAST = 1e-300  # no probability in an estimate is below; such an arm is drawn only where a uniform variate is 0
_MANY = 200.0  # weights span e^-200 .. 1 at most before they are measured from the best arm again


class _State(NamedTuple):
    scores: np.ndarray  # (K,) float64, estimated loss of each arm; estimated gain with the sign changed
    weights: np.ndarray  # (K,) float64, exp(-rate (score - origin))
    drawn: np.ndarray  # (1,) float64, probability of the arm drawn last
    # (5,) float64: the learning rate, the score from which weights are measured, what probabilities are raised by in
    # the estimates, the share of uniform exploration, the sum of the weights
    numbers: np.ndarray


_RATE, _ORIGIN, _BIAS, _MIXED, _SUM = range(5)


class _Parameters(NamedTuple):
    rate: float  # constant learning rate; when 0, sqrt(scale ln(K + more) / (K T))
    scale: float
    more: int
    horizon: float  # T
    bias: float  # what probabilities are raised by in the estimates, in learning rates
    mixed: float  # uniform exploration of the gain form


@description
class Exp3(Policy):
    """Exponential weights on estimated losses, for rewards in [0, 1].

    Parameters
    ----------
    learning_rate : float > 0, optional
        Constant rate. When omitted, sqrt(2 ln K / (K T)) for the horizon T of the run, or sqrt(ln K / (K t)) in round t
        if `anytime`.
    anytime : bool
        True does not use the horizon.

    Notes
    -----
    After pulling A with probability P_A, the estimated loss of A grows by (1 - reward) / P_A. Expected regret against
    any sequence of rewards: `exp3_bound`, `exp3_anytime_bound`. It may be far above that in a single run; see `Exp3IX`.
    O(K) a round.

    Examples
    --------
    >>> import numpy as np
    >>> from simulators import BernoulliArms
    >>> run = Exp3().run(BernoulliArms([0.3, 0.7]), horizon=2000, rng=np.random.default_rng(0))
    >>> int(run.outcome["pulls"].argmax())
    1
    """

    learning_rate: _Positive | None = None
    anytime: _Anytime = False

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return _anytime_kernels() if self.anytime else _constant_kernels()

    def parameters(self, horizon: int) -> _Parameters:
        """The rate, or how it follows from the numbers of arms and rounds."""
        return _Parameters(self.learning_rate or 0.0, 1.0 if self.anytime else 2.0, 0, float(horizon), 0.0, 0.0)

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True


@description
class Exp3IX(Policy):
    """Exp3 with implicit exploration: the regret is small with high probability and not only on average.

    Parameters
    ----------
    tuning : {"neu", "textbook"}
        Constant rate sqrt(2 ln K / (K T)) of Neu, or sqrt(2 ln(K + 1) / (K T)) of Lattimore and Szepesvari.
    learning_rate : float > 0, optional
        Constant rate that replaces both.
    anytime : bool
        True does not use the horizon: the rate is sqrt(ln K / (K t)) in round t.

    Notes
    -----
    After pulling A with probability P_A, the estimated loss of A grows by (1 - reward) / (P_A + rate / 2). Regret with
    probability at least 1 - delta: `exp3_ix_bound`, `exp3_ix_anytime_bound`. O(K) a round.
    """

    tuning: Literal["neu", "textbook"] = "neu"
    learning_rate: _Positive | None = None
    anytime: _Anytime = False

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return _anytime_kernels() if self.anytime else _constant_kernels()

    def parameters(self, horizon: int) -> _Parameters:
        """The rate, or how it follows from the numbers of arms and rounds."""
        more = 1 if self.tuning == "textbook" and not self.anytime else 0
        return _Parameters(self.learning_rate or 0.0, 1.0 if self.anytime else 2.0, more, float(horizon), 0.5, 0.0)

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True


@description
class Exp3Gain(Policy):
    """Exp3 in its original form: exponential weights on estimated gains, mixed with uniform exploration.

    Parameters
    ----------
    exploration : float in (0, 1], optional
        Share g of uniform exploration. When omitted, min(1, sqrt(K ln K / ((e - 1) G))).
    best_total : float > 0, optional
        G, what the best arm collects at most; the horizon when omitted.

    Notes
    -----
    P = (1 - g) weights / their sum + g / K; after pulling A its weight is multiplied by exp(g reward / (K P_A)).
    Expected regret: `exp3_gain_bound`. O(K) a round.
    """

    exploration: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    best_total: _Positive | None = None

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init_gain, _select_mixed, _update_gain, recall=_drawn)

    def parameters(self, horizon: int) -> _Parameters:
        """The exploration, or how it follows from the numbers of arms and rounds."""
        best = float(horizon) if self.best_total is None else self.best_total
        return _Parameters(0.0, 0.0, 0, best, 0.0, self.exploration or 0.0)

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True


@guarantee("Lattimore & Szepesvari 2020, Theorem 11.2", kind="upper", algorithm="Exp3", evidence="textbook")
def exp3_bound(n_arms: int, horizon: int, learning_rate: float | None = None) -> float:
    """E[regret of Exp3] <= ln(K) / rate + rate K T / 2, which is sqrt(2 K T ln K) at the default rate.

    Parameters
    ----------
    n_arms : int >= 1
        K, number of arms.
    horizon : int >= 1
        T, rounds played.
    learning_rate : float > 0, optional
        The constant rate; the default one when omitted.

    Examples
    --------
    >>> round(exp3_bound(n_arms=10, horizon=10_000), 1)
    678.6
    """
    arms, rounds = _sizes(n_arms, horizon)
    if learning_rate is None:
        return math.sqrt(2 * arms * rounds * math.log(arms))
    rate = _positive(learning_rate, "learning_rate")
    return math.log(arms) / rate + rate * arms * rounds / 2


@guarantee("Bubeck & Cesa-Bianchi 2012, Theorem 3.1", kind="upper", algorithm="Exp3", evidence="textbook")
def exp3_anytime_bound(n_arms: int, horizon: int) -> float:
    """E[regret of anytime Exp3] <= 2 sqrt(K T ln K), for every T.

    Parameters
    ----------
    n_arms : int >= 1
        K, number of arms.
    horizon : int >= 1
        T, rounds played.
    """
    arms, rounds = _sizes(n_arms, horizon)
    return 2 * math.sqrt(arms * rounds * math.log(arms))


@guarantee("Auer et al. 2002, Theorem 3.1, Corollary 3.2", kind="upper", algorithm="Exp3Gain", evidence="textbook")
def exp3_gain_bound(n_arms: int, best_total: float, exploration: float | None = None) -> float:
    """E[regret of Exp3Gain] <= (e - 1) g G + K ln(K) / g, at most 2 sqrt((e - 1) G K ln K) at the default g.

    Parameters
    ----------
    n_arms : int >= 1
        K, number of arms.
    best_total : float > 0
        G, at least what the best arm collects; the one that the policy was given where `exploration` is omitted.
    exploration : float in (0, 1], optional
        g, the share of uniform exploration; the default one when omitted.
    """
    arms, best = whole_number(n_arms, "n_arms", 1), _positive(best_total, "best_total")
    if exploration is None:
        return 2 * math.sqrt((math.e - 1) * best * arms * math.log(arms))
    share = _positive(exploration, "exploration")
    if share > 1:
        raise ValueError(f"exploration: {exploration!r} is above 1")
    return (math.e - 1) * share * best + arms * math.log(arms) / share


@guarantee("Neu 2015, Theorem 1; LS 2020, Theorem 12.1", kind="upper", algorithm="Exp3IX", evidence="textbook")
def exp3_ix_bound(n_arms: int, horizon: int, delta: float, tuning: Literal["neu", "textbook"] = "neu") -> float:
    """Regret of Exp3-IX <= 2 sqrt(2 K T ln K) + (sqrt(2 K T / ln K) + 1) ln(2 / delta) with probability >= 1 - delta.

    That is Neu's statement. With the textbook's tuning it is
    sqrt(8.5 K T ln(K + 1)) + (sqrt(K T / (2 ln(K + 1))) + 1) ln(1 / delta).

    Parameters
    ----------
    n_arms : int >= 1
        K, number of arms; with one arm the regret is 0.
    horizon : int >= 1
        T, rounds played.
    delta : float in (0, 1)
        Probability with which the bound may fail.
    tuning : {"neu", "textbook"}
        The policy's tuning.
    """
    (arms, rounds), chance = _sizes(n_arms, horizon), _chance(delta)
    if tuning not in ("neu", "textbook"):
        raise ValueError(f"tuning: {tuning!r} is neither 'neu' nor 'textbook'")
    if arms == 1:
        return 0.0
    if tuning == "neu":
        log = math.log(arms)
        return 2 * math.sqrt(2 * arms * rounds * log) + (math.sqrt(2 * arms * rounds / log) + 1) * math.log(2 / chance)
    log = math.log(arms + 1)
    return math.sqrt(8.5 * arms * rounds * log) + (math.sqrt(arms * rounds / (2 * log)) + 1) * math.log(1 / chance)


@guarantee("Neu 2015, Theorem 1", kind="upper", algorithm="Exp3IX", evidence="textbook")
def exp3_ix_anytime_bound(n_arms: int, horizon: int, delta: float) -> float:
    """Regret of anytime Exp3-IX <= 4 sqrt(K T ln K) + (2 sqrt(K T / ln K) + 1) ln(2 / delta), probability >= 1 - delta.

    Parameters
    ----------
    n_arms : int >= 1
        K, number of arms; with one arm the regret is 0.
    horizon : int >= 1
        T, rounds played.
    delta : float in (0, 1)
        Probability with which the bound may fail.
    """
    (arms, rounds), chance = _sizes(n_arms, horizon), _chance(delta)
    if arms == 1:
        return 0.0
    log = math.log(arms)
    return 4 * math.sqrt(arms * rounds * log) + (2 * math.sqrt(arms * rounds / log) + 1) * math.log(2 / chance)


def _sizes(n_arms: int, horizon: int) -> tuple[int, int]:
    return whole_number(n_arms, "n_arms", 1), whole_number(horizon, "horizon", 1)


def _positive(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{name}: {value!r} is not a finite number > 0")
    return float(value)


def _chance(delta: Any) -> float:
    if isinstance(delta, bool) or not isinstance(delta, int | float) or not 0 < delta < 1:
        raise ValueError(f"delta: {delta!r} is not a number in (0, 1)")
    return float(delta)


def _constant_kernels() -> PolicyKernels:
    return PolicyKernels(_init, _select, _update_loss, recall=_drawn)


def _anytime_kernels() -> PolicyKernels:
    return PolicyKernels(_init, _select_anytime, _update_loss_anytime, recall=_drawn)


@njit(cache=True)
def _init(n_arms, params):
    rate = params.rate
    if rate == 0.0:
        rate = math.sqrt(params.scale * math.log(n_arms + params.more) / (n_arms * params.horizon))
    numbers = np.array([rate, 0.0, params.bias * rate, 0.0, float(n_arms)])
    return _State(np.zeros(n_arms), np.ones(n_arms), np.ones(1), numbers)


@njit(cache=True)
def _init_gain(n_arms, params):
    mixed = params.mixed
    if mixed == 0.0:
        mixed = min(1.0, math.sqrt(n_arms * math.log(n_arms) / ((math.e - 1.0) * params.horizon)))
    numbers = np.array([mixed / n_arms, 0.0, 0.0, mixed, float(n_arms)])
    return _State(np.zeros(n_arms), np.ones(n_arms), np.ones(1), numbers)


@njit(cache=True, forceinline=True)
def _drawn(state):
    return state.drawn


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    """An arm with probability weight / sum."""
    weights, numbers = state.weights, state.numbers
    left, arm = rng.random() * numbers[_SUM], 0
    for i in range(weights.size):
        if weights[i] > 0.0:
            # Rounding may leave a rest after the last arm: it belongs to the last one that can be drawn at all.
            arm = i
            left -= weights[i]
            if left < 0.0:
                break
    state.drawn[0] = max(weights[arm] / numbers[_SUM], _LEAST)
    hold(weights, numbers, state.drawn)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update_loss(state, params, t, arm, reward):
    state.scores[arm] += (1.0 - reward) / (state.drawn[0] + state.numbers[_BIAS])
    _reweigh(state, arm)


@njit(cache=True, forceinline=True, error_model="numpy")
def _reweigh(state, arm):
    """The weight of the one arm whose score has changed; all of them when the best one has become small or large."""
    scores, weights, numbers = state.scores, state.weights, state.numbers
    exponent = -numbers[_RATE] * (scores[arm] - numbers[_ORIGIN])
    weights[arm] = math.exp(min(exponent, 2.0 * _MANY))
    total = 0.0
    for i in range(weights.size):
        total += weights[i]
    if total < math.exp(-_MANY) or total > math.exp(_MANY):
        origin = math.inf
        for i in range(scores.size):
            origin = min(origin, scores[i])
        total = 0.0
        for i in range(scores.size):
            weights[i] = math.exp(-numbers[_RATE] * (scores[i] - origin))
            total += weights[i]
        numbers[_ORIGIN] = origin
    numbers[_SUM] = total
    hold(scores, weights, numbers)


@njit(cache=True, forceinline=True, error_model="numpy")
def _select_anytime(state, params, t, rng):
    """All weights anew: the rate is another in every round."""
    scores, weights, numbers = state.scores, state.weights, state.numbers
    n_arms = scores.size
    rate = math.sqrt(params.scale * math.log(n_arms) / (n_arms * float(t)))
    origin, total = math.inf, 0.0
    for i in range(n_arms):
        origin = min(origin, scores[i])
    for i in range(n_arms):
        weights[i] = math.exp(-rate * (scores[i] - origin))
        total += weights[i]
    numbers[_RATE], numbers[_BIAS], numbers[_SUM] = rate, params.bias * rate, total
    return _select(state, params, t, rng)


@njit(cache=True, forceinline=True, error_model="numpy")
def _update_loss_anytime(state, params, t, arm, reward):
    # The rate of the round in which the arm was pulled, which is an earlier one where rewards come late.
    n_arms = state.scores.size
    bias = params.bias * math.sqrt(params.scale * math.log(n_arms) / (n_arms * float(t)))
    state.scores[arm] += (1.0 - reward) / (state.drawn[0] + bias)


@njit(cache=True, forceinline=True, error_model="numpy")
def _select_mixed(state, params, t, rng):
    """Uniform with probability g, by the weights otherwise."""
    weights, numbers = state.weights, state.numbers
    mixed, n_arms = numbers[_MIXED], weights.size
    arm = _select(state, params, t, rng)
    if rng.random() < mixed:
        arm = min(int(rng.random() * n_arms), n_arms - 1)
    state.drawn[0] = (1.0 - mixed) * weights[arm] / numbers[_SUM] + mixed / n_arms
    hold(weights, numbers, state.drawn, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _update_gain(state, params, t, arm, reward):
    state.scores[arm] -= reward / state.drawn[0]
    _reweigh(state, arm)
