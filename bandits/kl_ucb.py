"""KL-UCB: the largest mean that the Kullback-Leibler divergence leaves plausible, in one-parameter families.

Sources: A. Garivier and O. Cappe, "The KL-UCB algorithm for bounded stochastic bandits and beyond", 2011; O. Cappe,
A. Garivier, O.-A. Maillard, R. Munos, G. Stoltz, "Kullback-Leibler upper confidence bounds for optimal sequential
allocation", 2013; T. Lattimore and C. Szepesvari, "Bandit Algorithms", 2020, Algorithm 8 and Theorem 10.6; KL-UCB++:
P. Menard and A. Garivier, "A minimax and asymptotically optimal algorithm for stochastic bandits", 2017.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from algos.contracts import NonNegative, description, whole_number
from algos.guarantees import guarantee
from bandits.divergences import CODES, Family, divergence, upper_mean
from bandits.fields import LogTime, Scale, Tie
from bandits.instances import vector
from bandits.plausible import first_state, largest_index
from bandits.policy import Arms, Policy, PolicyKernels

__all__ = ["KLUCB", "KLUCBPlusPlus", "klucb_bound"]


class _Parameters(NamedTuple):
    family: int
    sigma: float
    loglog: float  # level: ln(t - lag) + loglog ln ln(t - lag), ...
    grows_as_f: bool  # ... or ln f(t - lag), f(t) = 1 + t ln(t)^2
    lag: int
    horizon: float  # T for KL-UCB++, whose level is the arm's own; 0 otherwise
    random_ties: bool


@description
class KLUCB(Policy):
    """Every arm once, in order; then the arm with the largest q >= mean with pulls * d(mean, q) <= level.

    Parameters
    ----------
    family : {"bernoulli", "gaussian", "poisson", "exponential"}
        Whose divergence d: that of Bernoulli serves all rewards in [0, 1].
    level : {"log", "f"}
        ln(s) + loglog * ln ln(s), or ln f(s) with f(s) = 1 + s ln(s)^2, for which `klucb_bound` is.
    loglog : float >= 0
        Weight of ln ln(s), which counts as 0 where s < e: 0 in practice, 3 in the first theory. Only for "log".
    log_time : {"t-1", "t"}
        What stands for s in round t: the number of completed pulls, or t itself.
    sigma : float > 0
        Standard deviation of Gaussian rewards. Only for "gaussian".
    tie : {"lowest", "random"}
        Which of several arms with the same index is played.

    Notes
    -----
    The regret divided by ln(T) tends to sum_i gap_i / d(mean_i, best mean) if rewards are of the family: no consistent
    policy has less (`lai_robbins_constant`). O(K) a round: indices are solved for only when the order of the arms may
    have changed.
    """

    family: Family = "bernoulli"
    level: Literal["log", "f"] = "log"
    loglog: NonNegative = 0.0
    log_time: LogTime = "t-1"
    sigma: Scale = 0.5
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """The family and the level."""
        lag = 1 if self.log_time == "t-1" else 0
        family = CODES[self.family]
        return _Parameters(family, self.sigma, self.loglog, self.level == "f", lag, 0.0, self.tie == "random")

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1] if the family is Bernoulli's."""
        return self.family == "bernoulli"

    def check(self, arms: Arms) -> None:
        """Refuse arms that declare rewards that the family does not have."""
        _check_rewards(self, arms, self.family)


@description
class KLUCBPlusPlus(Policy):
    """KL-UCB++: KL-UCB with a level that falls with the arm's own pulls; the horizon T is the run's.

    Every arm once, in order; then the arm with the largest q >= mean with pulls * d(mean, q) <= g(T / (K pulls)),
    g(x) = ln+(x (ln+(x)^2 + 1)), where ln+ is the positive part of ln.

    Parameters
    ----------
    family : {"bernoulli", "gaussian", "poisson", "exponential"}
        Whose divergence d: that of Bernoulli serves all rewards in [0, 1].
    sigma : float > 0
        Standard deviation of Gaussian rewards. Only for "gaussian".
    tie : {"lowest", "random"}
        Which of several arms with the same index is played.

    Notes
    -----
    Both minimax optimal, up to constants that were not looked up, and asymptotically optimal. O(K) a round.
    """

    family: Family = "bernoulli"
    sigma: Scale = 0.5
    tie: Tie = "lowest"

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update)

    def parameters(self, horizon: int) -> _Parameters:
        """The family and the horizon."""
        family = CODES[self.family]
        return _Parameters(family, self.sigma, 0.0, False, 0, float(horizon), self.tie == "random")

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1] if the family is Bernoulli's."""
        return self.family == "bernoulli"

    def check(self, arms: Arms) -> None:
        """Refuse arms that declare rewards that the family does not have."""
        _check_rewards(self, arms, self.family)


def _check_rewards(policy: Policy, arms: Arms, family: Family) -> None:
    if family in ("poisson", "exponential"):
        low, high = getattr(arms, "support", (0.0, math.inf))
        if not low >= 0.0:
            raise ValueError(f"arms: rewards in [{low:g}, {high:g}], but the family {family!r} has none below 0")


@guarantee("Lattimore & Szepesvari 2020, Theorem 10.6", kind="upper", algorithm="KLUCB", evidence="textbook")
def klucb_bound(means: ArrayLike, horizon: int) -> float:
    """E[regret] <= sum_i inf_{a, b} gap_i (ln f(T) / kl(mean_i + a, best - b) + 1/(2 a^2) + 2/b^2), a + b < gap_i.

    Over the suboptimal arms, a, b > 0, f(T) = 1 + T ln(T)^2.

    Parameters
    ----------
    means : float array in [0, 1], shape (K,)
        Mean of each arm.
    horizon : int >= 1
        T, rounds played.

    Notes
    -----
    For ``KLUCB(level="f")``, either ``log_time``, and rewards in [0, 1]. The infimum is taken over a grid that is
    refined around its best point: the value is true for any a and b, and within a part in a thousand of the least.
    """
    rounds, given = whole_number(horizon, "horizon", 1), vector(means, "means", 0.0, 1.0)
    level = math.log1p(rounds * math.log(rounds) ** 2)
    best = given.max()
    return float(sum(_least_term(mean, best, level) for mean in given[given < best]))


def _least_term(mean: float, best: float, level: float) -> float:
    """The infimum over the shares a / gap and b / gap, by five refinements of a grid in their logits."""
    gap, centre, half, least = best - mean, np.zeros(2), 8.0, math.inf
    for _ in range(6):
        total, split = (1 / (1 + np.exp(-(c + half * np.linspace(-1, 1, 41)))) for c in centre)
        a, b = gap * np.outer(total, split), gap * np.outer(total, 1 - split)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            terms = gap * (level / _kl(mean + a, best - b) + 1 / (2 * a**2) + 2 / b**2)
        terms = np.where((a > 0) & (b > 0) & (mean + a < best - b), terms, math.inf)
        row, column = np.unravel_index(np.argmin(terms), terms.shape)
        least = min(least, float(terms[row, column]))
        centre = np.array([np.log(total[row] / (1 - total[row])), np.log(split[column] / (1 - split[column]))])
        half /= 6.0
    return least


def _kl(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from scipy.special import rel_entr

    return np.asarray(rel_entr(x, y) + rel_entr(1 - x, 1 - y))


@njit
def _init(n_arms, params):
    return first_state(n_arms)


@njit(forceinline=True, error_model="numpy")
def _level(params, t):
    level = 0.0
    if params.horizon == 0.0:
        s = t - params.lag
        logarithm = math.log(s)
        if params.grows_as_f:
            level = math.log(1.0 + s * logarithm * logarithm)
        else:
            level = logarithm + params.loglog * math.log(max(logarithm, 1.0))
    return level


@njit(forceinline=True, error_model="numpy")
def _evidence(params, pulls, rewards, q):
    mean = _mean(params, pulls, rewards)
    return -math.inf if q <= mean else pulls * divergence(params.family, params.sigma, mean, q)


@njit(forceinline=True, error_model="numpy")
def _solve(params, pulls, rewards, level):
    return upper_mean(params.family, params.sigma, _mean(params, pulls, rewards), level / pulls)


@njit(forceinline=True, error_model="numpy")
def _mean(params, pulls, rewards):
    """Mean reward, brought into the family's range should rewards have left it."""
    mean = rewards / pulls
    if params.family != 1:
        mean = max(mean, 0.0)
    if params.family == 0:
        mean = min(mean, 1.0)
    return mean


_select, _learn = largest_index(_level, _evidence, _solve)


@njit(forceinline=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    allowance = 0.0
    if params.horizon > 0.0:
        share = params.horizon / (state.pulls.size * (state.pulls[arm] + 1.0))
        logarithm = max(math.log(share), 0.0)
        allowance = max(math.log(share * (logarithm * logarithm + 1.0)), 0.0)
    _learn(state, params, arm, reward, allowance)
