"""Tsallis-INF: follow the regularised leader with Tsallis entropy of order 1/2, best of both worlds.

Source: J. Zimmert and Y. Seldin, "Tsallis-INF: an optimal algorithm for stochastic and adversarial bandits", 2021,
Algorithm 1 and Theorem 1.

The weights minimise <w, L> - (4 / eta) sum_i sqrt(w_i) over the simplex, so that w_i = 4 / (eta (L_i - x))^2 with the
x < min L for which they sum to one. With S(x) for that sum, S^(-1/2) is a power mean of the distances L_i - x (of
order -2), hence concave and increasing in the distance y = min L - x. Newton's method on S^(-1/2) = 1 therefore lands
at or before the root after one step from anywhere, and then climbs to it without ever passing it. It needs fewer steps
than on S = 1 itself, for S^(-1/2) is nearly linear.

Losses of another range, say the iterations of a solver (M. Khodak et al., arXiv:2310.02246, Algorithms 2 and 4), are
divided by a scale, which is given or follows the losses. The code of those authors runs Newton's method on S = 1 from a
fixed start; once min L is large it ends far from the root and the learner stops exploring (erratum E1). Their rate
1 / sqrt(T) does not give the bound that they state; sqrt(8 / T) does (erratum E2).
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from pydantic import Field

from algos.contracts import description, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold
from bandits.policy import Policy, PolicyKernels

__all__ = ["TsallisINF", "tsallis_inf_bound", "tsallis_inf_scheduled_bound"]

_TOLERANCE = 1e-12  # on |S - 1|, after which the weights are divided by S
_LEAST = 1e-300  # no probability in an estimate is below; such an arm is drawn only where a uniform variate is 0


Estimator = Literal["importance weighting", "reduced variance"]
Scale = Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | Literal["running mean", "running max"]

RUNNING_MEAN, RUNNING_MAX = -1.0, -2.0  # in place of a scale
SEEN, SUM, LARGEST, CLIPPED = range(4)


class Parameters(NamedTuple):
    rate: float  # the learning rate of round 1, or of all rounds
    anytime: bool  # whether it falls like 1 / sqrt(t)
    scale: float


class State(NamedTuple):
    losses: np.ndarray  # (K,) float64, estimated loss of each arm before it is scaled
    shifts: np.ndarray  # (K,) float64, what is added to it after: the guesses of reduced variance
    scaled: np.ndarray  # (K,) float64, both together
    seen: np.ndarray  # (4,) float64, losses learnt, their sum, the largest, how many were above the scale
    weights: np.ndarray  # (K,) float64, probability of each arm
    drawn: np.ndarray  # (1,) float64, probability of the arm drawn last
    noted: np.ndarray  # (K,) float64, for reduced variance: the weights of the round whose reward comes next
    distance: np.ndarray  # (1,) float64, y of the last round, where the next search starts


class _Summary(NamedTuple):
    weights: np.ndarray  # (K,) float64
    largest_loss: float
    clipped: int


@description
class TsallisINF(Policy):
    """Tsallis-INF for rewards in [0, 1], without knowing the horizon, nor whether rewards are random.

    The loss of a reward r is 1 - r. Outcome ``weights`` (float64, shape (K,)) is the distribution from which the last
    arm was drawn, ``largest_loss`` what its name says, ``clipped`` the number of losses cut down to the scale.

    Parameters
    ----------
    estimator : {"importance weighting", "reduced variance"}
        How losses are estimated after pulling A with probability w_A: loss / w_A for A and 0 for the others, with
        learning rate 2 / sqrt(t); or, with rate 4 / sqrt(t), (loss - B_A) / w_A + B_A for A and B_i for the others,
        where B_i = 1/2 if w_i >= rate^2 and 0 otherwise.
    schedule : {"anytime", "horizon", "paper"}
        The learning rates above; or one rate for all rounds, sqrt(8 / T), or 1 / sqrt(T) as arXiv:2310.02246 prints it.
    scale : float > 0, "running mean" or "running max"
        Losses are divided by it: a bound on them, above which they are cut and counted; or the mean or the largest of
        the losses learnt so far (1 while that is 0), where their range is not known: rewards are then any numbers <= 1.
        A new scale applies to what was learnt before as well.

    Notes
    -----
    Expected regret with importance weighting: at most 4 sqrt(K T) + 1 against any sequence of rewards
    (`tsallis_inf_bound`), and O(sum_i ln T / gap_i) for stochastic arms; other rates: `tsallis_inf_scheduled_bound`.
    With reduced variance the leading term is half as large: 2 sqrt(K T) + 10 K ln T + 16, quoted from memory and in no
    test. A fixed scale multiplies all these; no bound is known for running scales. O(K) a round and step of Newton's
    method, of which there are two or three.

    Examples
    --------
    >>> import numpy as np
    >>> from simulators import BernoulliArms
    >>> run = TsallisINF().run(BernoulliArms([0.3, 0.7]), horizon=2000, rng=np.random.default_rng(0))
    >>> int(run.outcome["pulls"].argmax())
    1
    """

    estimator: Estimator = "importance weighting"
    schedule: Literal["anytime", "horizon", "paper"] = "anytime"
    scale: Scale = 1.0

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        if self.estimator == "importance weighting":
            return PolicyKernels(init, _select, update_weighted, recall=_drawn, summary=_summary)
        return PolicyKernels(init, select_noting, update_reduced, recall=_noted, summary=_summary)

    def parameters(self, horizon: int) -> Parameters:
        """The learning rate, whether it falls, and the scale."""
        if self.schedule == "anytime":
            return anytime_parameters(self.estimator, self.scale)
        return Parameters(math.sqrt((8 if self.schedule == "horizon" else 1) / horizon), False, scale_code(self.scale))

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1] unless there is another scale."""
        return self.scale == 1.0


def anytime_parameters(estimator: str, scale: float | str) -> Parameters:
    """What the functions get as `params` where the learning rate falls like 1 / sqrt(t)."""
    return Parameters(2.0 if estimator == "importance weighting" else 4.0, True, scale_code(scale))


def scale_code(scale: float | str) -> float:
    """The scale, or the number that stands for a running one."""
    if isinstance(scale, str):
        return RUNNING_MEAN if scale == "running mean" else RUNNING_MAX
    return float(scale)


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


@guarantee("arXiv:2310.02246, Theorem B.1 with its rate corrected", kind="upper", algorithm="TsallisINF",
           evidence="derived")  # fmt: skip
def tsallis_inf_scheduled_bound(n_arms: int, rates: ArrayLike, scale: float = 1.0) -> float:
    """E[regret with importance weighting] <= K [4 (sqrt(d) - 1) / eta_T + (sqrt(d) / 2) sum_t eta_t].

    For d arms, losses in [0, K], and learning rates eta_1 >= ... >= eta_T. The rate sqrt(8 / T) makes it
    2 K sqrt(2 d T) - K sqrt(2 T); with the rate 1 / sqrt(T) of the paper it is K (4.5 sqrt(d T) - 4 sqrt(T)), and the
    2 K sqrt(2 d T) stated there is exceeded (erratum E2).

    Parameters
    ----------
    n_arms : int >= 1
        d, number of arms.
    rates : array of float > 0, shape (T,)
        Learning rates of the rounds, never increasing.
    scale : float > 0
        K, largest loss.

    Examples
    --------
    >>> round(tsallis_inf_scheduled_bound(20, [math.sqrt(8 / 10_000)] * 10_000), 3)
    1123.49
    """
    d = whole_number(n_arms, "n_arms", 1)
    eta = np.asarray(rates, dtype=np.float64)
    if eta.ndim != 1 or eta.size == 0 or not (np.isfinite(eta) & (eta > 0)).all() or (np.diff(eta) > 0).any():
        raise ValueError("rates: must be a non-empty vector of finite numbers > 0 that never increase")
    if not 0 < scale < math.inf:
        raise ValueError(f"scale: {scale!r} is not a finite number > 0")
    return float(scale * (4 * (math.sqrt(d) - 1) / eta[-1] + math.sqrt(d) / 2 * eta.sum()))


@njit(cache=True)
def init(n_arms, params):
    return State(
        np.zeros(n_arms), np.zeros(n_arms), np.zeros(n_arms), np.zeros(4),
        np.full(n_arms, 1.0 / n_arms), np.ones(1), np.zeros(n_arms), np.zeros(1),
    )  # fmt: skip


@njit(cache=True, forceinline=True)
def _drawn(state):
    return state.drawn


@njit(cache=True, forceinline=True)
def _noted(state):
    return state.noted


@njit(cache=True)
def _summary(state):
    return _Summary(state.weights, state.seen[LARGEST], int(state.seen[CLIPPED]))


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
def _rate(params, t):
    return params.rate / math.sqrt(t) if params.anytime else params.rate


@njit(cache=True, forceinline=True, error_model="numpy")
def _scale(params, seen):
    """The scale at hand."""
    if params.scale > 0.0:
        return params.scale
    scale = seen[LARGEST] if params.scale == RUNNING_MAX else seen[SUM] / max(seen[SEEN], 1.0)
    return scale if scale > 0.0 else 1.0


@njit(cache=True, forceinline=True, error_model="numpy")
def _loss(params, seen, reward):
    """The loss of a reward, not below 0, and not above a fixed scale."""
    loss = max(1.0 - reward, 0.0)
    if 0.0 < params.scale < loss:
        loss = params.scale
        seen[CLIPPED] += 1.0
    seen[SEEN] += 1.0
    seen[SUM] += loss
    seen[LARGEST] = max(seen[LARGEST], loss)
    hold(seen)
    return loss


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    weights = state.weights
    eta, scale = _rate(params, t), _scale(params, state.seen)
    for i in range(weights.size):
        state.scaled[i] = state.losses[i] / scale + state.shifts[i]
    state.distance[0] = _weigh(state.scaled, eta, state.distance[0], weights)
    left, arm = rng.random(), 0
    for i in range(weights.size):
        if weights[i] > 0.0:
            # Rounding may leave a rest after the last arm: it belongs to the last one that can be drawn at all.
            arm = i
            left -= weights[i]
            if left < 0.0:
                break
    state.drawn[0] = max(weights[arm], _LEAST)
    hold(weights, state.drawn, state.distance, state.losses, state.shifts, state.scaled, state.seen)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def select_noting(state, params, t, rng):
    arm = _select(state, params, t, rng)
    for i in range(state.weights.size):
        state.noted[i] = state.weights[i]
    hold(state, rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def update_weighted(state, params, t, arm, reward):
    state.losses[arm] += _loss(params, state.seen, reward) / state.drawn[0]
    hold(state.losses, state.drawn, state.seen)


@njit(cache=True, forceinline=True, error_model="numpy")
def update_reduced(state, params, t, arm, reward):
    shifts, weights = state.shifts, state.noted
    eta = _rate(params, t)
    threshold = eta * eta
    for i in range(shifts.size):
        if weights[i] >= threshold:
            shifts[i] += 0.5
    drawn = max(weights[arm], _LEAST)
    if weights[arm] >= threshold:
        shifts[arm] -= 0.5 / drawn
    state.losses[arm] += _loss(params, state.seen, reward) / drawn
    hold(shifts, weights, state.losses, state.seen)
