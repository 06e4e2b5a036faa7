"""Playing without learning: what every policy should beat, and what its regret is to the last digit."""

from __future__ import annotations

from numba import njit
from numpy.typing import ArrayLike

from algos.contracts import description, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold
from bandits.instances import vector
from bandits.policy import Policy, PolicyKernels

__all__ = ["RoundRobin", "UniformRandom", "round_robin_regret", "uniform_regret"]


@description
class UniformRandom(Policy):
    """Every round an arm drawn uniformly, independently of everything.

    Notes
    -----
    The expected regret is T times the mean gap (`uniform_regret`). O(1) a round.
    """

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select_uniform, _update)


@description
class RoundRobin(Policy):
    """The arms in order, again and again.

    Notes
    -----
    The pseudo-regret is `round_robin_regret`, whatever the rewards. O(1) a round.
    """

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select_in_turn, _update)


@guarantee("definition", kind="identity", algorithm="UniformRandom", evidence="derived")
def uniform_regret(gaps: ArrayLike, horizon: int) -> float:
    """E[regret of uniform play] = T sum_i gap_i / K.

    Parameters
    ----------
    gaps : float array, shape (K,)
        Best mean minus the arm's mean.
    horizon : int >= 1
        T, rounds played.
    """
    return float(whole_number(horizon, "horizon", 1) * vector(gaps, "gaps", low=0.0).mean())


@guarantee("definition", kind="identity", algorithm="RoundRobin", evidence="derived")
def round_robin_regret(gaps: ArrayLike, horizon: int) -> float:
    """Regret of round robin = floor(T/K) sum_i gap_i + the gaps of the first T mod K arms.

    Parameters
    ----------
    gaps : float array, shape (K,)
        Best mean minus the arm's mean.
    horizon : int >= 1
        T, rounds played.
    """
    given = vector(gaps, "gaps", low=0.0)
    laps, rest = divmod(whole_number(horizon, "horizon", 1), given.size)
    return float(laps * given.sum() + given[:rest].sum())


@njit(cache=True)
def _init(n_arms, params):
    return n_arms


@njit(cache=True, forceinline=True)
def _select_uniform(n_arms, params, t, rng):
    arm = int(rng.random() * n_arms)
    hold(rng)
    return arm


@njit(cache=True, forceinline=True, error_model="numpy")
def _select_in_turn(n_arms, params, t, rng):
    return (t - 1) % n_arms


@njit(cache=True, forceinline=True)
def _update(n_arms, params, t, arm, reward):
    pass
