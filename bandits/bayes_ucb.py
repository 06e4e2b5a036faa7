"""Bayes-UCB: play the arm with the largest upper quantile of its posterior.

Source: E. Kaufmann, O. Cappe, A. Garivier, "On Bayesian upper confidence bounds for bandit problems", 2012, Algorithm
1; the tail of the Beta law by the continued fraction of M. Abramowitz and I. A. Stegun, "Handbook of mathematical
functions", 1964, 26.5.8, in the modified method of Lentz.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from algos.contracts import NonNegative, description
from algos.kernels import hold
from bandits.divergences import bernoulli_start
from bandits.fields import Tie
from bandits.plausible import PlausibleState, first_state, largest_index
from bandits.policy import Policy, PolicyKernels

__all__ = ["BayesUCB"]

_FRACTIONS = 100_000  # terms of the continued fraction; some square roots of the pulls are needed at most
_STEPS = 100
_CLOSE = 1e-14


class _State(NamedTuple):
    plausible: PlausibleState
    coin: np.ndarray  # (1,) float64, the uniform that rounds this round's reward to 0 or 1


class _Parameters(NamedTuple):
    addition: float  # c ln ln T
    random_ties: bool


@description
class BayesUCB(Policy):
    """Every arm once, in order; then the arm whose posterior has the largest quantile of order 1 - 1/(t ln(T)^c).

    The prior of each arm's success probability is Beta(1, 1). Rewards strictly between 0 and 1 are rounded at random
    to 1 with the reward as probability.

    Parameters
    ----------
    c : float >= 0
        0 in practice, 5 in theory; with 0 the horizon T is not used. ln(T) counts as 1 where T < e.
    tie : {"lowest", "random"}
        Which of several arms with the same quantile is played.

    Notes
    -----
    With c >= 5 the regret of Bernoulli arms divided by ln(T) tends to sum_i gap_i / kl(mean_i, best mean)
    (`lai_robbins_constant`). O(K) a round: quantiles are solved for only when the order of the arms may have changed.
    """

    c: NonNegative = 0.0
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """What the level adds to ln t."""
        return _Parameters(self.c * math.log(max(math.log(horizon), 1.0)), self.tie == "random")

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True


@njit
def _init(n_arms, params):
    return _State(first_state(n_arms), np.zeros(1))


@njit(forceinline=True, error_model="numpy")
def _level(params, t):
    return math.log(t) + params.addition


@njit(forceinline=True, error_model="numpy")
def _evidence(params, pulls, rewards, q):
    """-ln P(theta > q) under the posterior Beta(a, b); -inf up to its mean.

    The quantiles asked for are above the mean: a log-concave law leaves it at least 1/e, and 1/t is less for t > 2.
    """
    a, b = 1.0 + rewards, 1.0 + pulls - rewards
    if q * (a + b) <= a:
        value = -math.inf
    elif q >= 1.0:
        value = math.inf
    else:
        value = _minus_log_tail(a, b, q, _fraction(b, a, 1.0 - q))
    return value


@njit(forceinline=True, error_model="numpy")
def _solve(params, pulls, rewards, level):
    """The quantile, by Newton's method from above: -ln P(theta > q) is convex, since Beta laws are log-concave."""
    a, b = 1.0 + rewards, 1.0 + pulls - rewards
    if rewards == 0.0:
        q = 1.0 - math.exp(-level / b)
    else:
        # P(theta > q) = P(Binomial(pulls + 1, q) <= rewards), to which Chernoff's bound applies.
        q = bernoulli_start(rewards / (pulls + 1.0), level / (pulls + 1.0))
        last = math.inf
        for _ in range(_STEPS):
            fraction = _fraction(b, a, 1.0 - q)
            step = (_minus_log_tail(a, b, q, fraction) - level) * q * (1.0 - q) * fraction / b
            if not 0.0 < step < last:
                break
            q -= step
            last = step
            if step < _CLOSE:
                break
    return q


@njit(forceinline=True, error_model="numpy")
def _minus_log_tail(a, b, q, fraction):
    logarithm = a * math.log(q) + b * math.log(1.0 - q) + math.log(fraction / b)
    return _log_gamma(a) + _log_gamma(b) - _log_gamma(a + b) - logarithm


@njit(forceinline=True, error_model="numpy")
def _fraction(a, b, x):
    """The continued fraction of the Beta(a, b) distribution function at x, a fast one for x below the mean or so."""
    d = 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    c, value = 1.0, d
    for m in range(1, _FRACTIONS):
        even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        d = 1.0 / (1.0 + even * d)
        c = 1.0 + even / c
        value *= c * d
        odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        d = 1.0 / (1.0 + odd * d)
        c = 1.0 + odd / c
        value *= c * d
        if abs(c * d - 1.0) < 3e-16:
            break
    return value


@njit(forceinline=True, error_model="numpy")
def _log_gamma(x):
    """Ln Gamma(x), x >= 1, by Stirling's series; not math.lgamma, whose last bits Numba and Python do not share."""
    product = 1.0
    while x < 10.0:
        product *= x
        x += 1.0
    y = 1.0 / (x * x)
    series = -691.0 / 360360
    for coefficient in (1.0 / 1188, -1.0 / 1680, 1.0 / 1260, -1.0 / 360, 1.0 / 12):
        series = series * y + coefficient
    return (x - 0.5) * math.log(x) - x + 0.5 * math.log(2.0 * math.pi) + series / x - math.log(product)


_choose, _learn = largest_index(_level, _evidence, _solve)


@njit(forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    arm = _choose(state.plausible, params, t, rng)
    state.coin[0] = rng.random()
    hold(state, rng)
    return arm


@njit(forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    _learn(state.plausible, params, arm, 1.0 if state.coin[0] < reward else 0.0, 0.0)
    hold(state)
