"""Policies that keep to an arm for a while: rivals of elimination where rewards depend on what was played of late.

Sources: R. Arora, O. Dekel, A. Tewari, "Online bandit learning against an adaptive adversary: from regret to policy
regret", 2012 (batches); the others are the usual policies with burn-in.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field, PlainValidator

from algos.contracts import Count, description
from algos.kernels import hold
from bandits.policy import Policy, PolicyKernels

__all__ = ["BatchedEpsilonGreedy", "BatchedExp3", "BurnInExploreThenCommit", "FixedSequence"]


class _Batches(NamedTuple):
    losses: np.ndarray  # (K,) float64: of Exp3 estimated losses, of the greedy policy sums of observed ones
    shares: np.ndarray  # (K,) float64: of Exp3 probabilities, of the greedy policy plays of each arm
    numbers: np.ndarray  # (1,) float64, losses of this batch that count
    counters: np.ndarray  # (3,) int64: plays of this batch, its arm, batches begun


class _Rates(NamedTuple):
    batch: int
    skip: int  # plays at the start of a batch whose losses do not count
    batches: int  # T / batch, rounded down


@description
class BatchedExp3(Policy):
    """Exp3 over batches: an arm is kept for a whole batch, whose mean loss is what Exp3 learns (Arora et al. 2012).

    Parameters
    ----------
    memory_bound : int >= 1
        M, how many rounds back rewards may depend on.
    batch : int >= 1, optional
        Rounds of a batch; max(M, ceil(T^(1/3))) when omitted.
    skip_burn_in : bool
        Whether the first M - 1 losses of a batch are left out of its mean.

    Notes
    -----
    The learning rate is sqrt(2 ln K / (K n)) for n = floor(T / batch) batches. With a batch of the order
    (K ln K)^(-1/3) T^(1/3) its policy regret is of the order (m + 1) (K ln K)^(1/3) T^(2/3).
    """

    memory_bound: Count
    batch: Count | None = None
    skip_burn_in: bool = False

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select_exp3, _update_exp3)

    def parameters(self, horizon: int) -> _Rates:
        """Rounds of a batch, and how many there are."""
        batch = self.batch or max(self.memory_bound, math.ceil(horizon ** (1 / 3)))
        skip = min(self.memory_bound, batch) - 1 if self.skip_burn_in else 0
        return _Rates(batch, skip, max(1, horizon // batch))

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True


@description
class BatchedEpsilonGreedy(Policy):
    """Epsilon-greedy over batches: in batch j an arm at random with probability min(1, K / j), else the best so far.

    Parameters
    ----------
    batch : int >= 1
        Rounds for which an arm is kept.
    """

    batch: Count

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select_greedy, _update_greedy)

    def parameters(self, horizon: int) -> _Rates:
        """Rounds of a batch."""
        return _Rates(self.batch, 0, max(1, horizon // self.batch))


@description
class BurnInExploreThenCommit(Policy):
    """Explore then commit with burn-in: each arm M - 1 times uncounted and n times, then the best of them for ever.

    Parameters
    ----------
    memory_bound : int >= 1
        M, how many rounds back rewards may depend on.
    delta : float in (0, 1), optional
        Enters n = min(ceil((T / K)^(2/3) ln(2 K / delta)^(1/3)), T / (2 K)); 1 / T when omitted.
    """

    memory_bound: Count
    delta: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select_committing, _update_committing)

    def parameters_for(self, arms: Any, horizon: int) -> _Rates:
        """Burn-in and plays of each arm."""
        k = int(arms.n_arms) if hasattr(arms, "n_arms") else int(np.size(arms.means))
        delta = min(0.5, 1.0 / horizon) if self.delta is None else self.delta
        plays = math.ceil((horizon / k) ** (2 / 3) * math.log(2 * k / delta) ** (1 / 3))
        plays = max(1, min(plays, horizon // (2 * k)))
        return _Rates(self.memory_bound - 1 + plays, self.memory_bound - 1, k)


def _arms_in_order(value: Any) -> NDArray[np.int64]:
    given = np.asarray(value)
    if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "iu" or given.min() < 0:
        raise ValueError("must be a non-empty vector of arms 0, 1, ...")
    arms = given.astype(np.int64)
    arms.flags.writeable = False
    return arms


@description
class FixedSequence(Policy):
    """Play given arms, over and over: an oracle's plan, or a cycle.

    Parameters
    ----------
    arms : array of int, shape (n,)
        What to play in rounds 1, ..., n, and again from there on.

    Examples
    --------
    >>> from simulators import TallyingArms, optimal_sequence
    >>> world = TallyingArms.alternation()
    >>> run = FixedSequence(optimal_sequence(world, 9)).run(world, 9, np.random.default_rng(0))
    >>> float(run.metrics["policy_regret"][-1])
    0.0
    """

    arms: Annotated[Any, PlainValidator(_arms_in_order)]

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init_sequence, _select_in_sequence, _ignore)

    def parameters(self, horizon: int) -> NDArray[np.int64]:
        """The arms."""
        return np.asarray(self.arms)


@njit(cache=True)
def _init(n_arms, params):
    return _Batches(np.zeros(n_arms), np.zeros(n_arms), np.zeros(1), np.zeros(3, np.int64))


@njit(cache=True)
def _select_exp3(state, params, t, rng):
    losses, shares, counters = state.losses, state.shares, state.counters
    n_arms = losses.size
    if counters[0] == 0:
        rate = math.sqrt(2.0 * math.log(n_arms) / (n_arms * params.batches))
        least, total = losses.min(), 0.0
        for i in range(n_arms):
            shares[i] = math.exp(-rate * (losses[i] - least))
            total += shares[i]
        uniform, arm = rng.random() * total, n_arms - 1
        for i in range(n_arms):
            shares[i] /= total
        passed = 0.0
        for i in range(n_arms):
            passed += shares[i] * total
            if passed > uniform:
                arm = i
                break
        counters[1] = arm
    hold(losses, shares, counters, rng)
    return counters[1]


@njit(cache=True)
def _update_exp3(state, params, t, arm, reward):
    counters, numbers = state.counters, state.numbers
    if counters[0] >= params.skip:
        numbers[0] += 1.0 - reward
    counters[0] += 1
    if counters[0] == params.batch:
        state.losses[arm] += numbers[0] / (params.batch - params.skip) / max(state.shares[arm], 1e-300)
        numbers[0] = 0.0
        counters[0] = 0
    hold(counters, numbers, state.losses, state.shares)


@njit(cache=True)
def _select_greedy(state, params, t, rng):
    counters = state.counters
    n_arms = state.losses.size
    if counters[0] == 0:
        counters[2] += 1
        if rng.random() * counters[2] < n_arms:
            counters[1] = int(rng.random() * n_arms)
        else:
            counters[1] = _least_mean(state)
    hold(counters, state.losses, rng)
    return counters[1]


@njit(cache=True)
def _least_mean(state):
    """The arm with the smallest mean loss; one that was never played comes first."""
    best, arm = math.inf, 0
    for i in range(state.losses.size):
        mean = state.losses[i] / state.shares[i] if state.shares[i] > 0.0 else -1.0
        if mean < best:
            best, arm = mean, i
    return arm


@njit(cache=True)
def _update_greedy(state, params, t, arm, reward):
    counters = state.counters
    state.losses[arm] += 1.0 - reward
    state.shares[arm] += 1.0
    counters[0] = counters[0] + 1 if counters[0] + 1 < params.batch else 0
    hold(counters, state.losses, state.shares)


@njit(cache=True)
def _select_committing(state, params, t, rng):
    counters = state.counters
    if counters[2] == params.batches:
        counters[1] = _least_mean(state)
        counters[2] += 1
    elif counters[2] < params.batches:
        counters[1] = counters[2]
    hold(counters, state.losses, rng)
    return counters[1]


@njit(cache=True)
def _update_committing(state, params, t, arm, reward):
    counters = state.counters
    if counters[2] < params.batches:
        if counters[0] >= params.skip:
            state.losses[arm] += 1.0 - reward
            state.shares[arm] += 1.0
        counters[0] += 1
        if counters[0] == params.batch:
            counters[0] = 0
            counters[2] += 1
    hold(counters, state.losses, state.shares)


@njit(cache=True)
def _init_sequence(n_arms, params):
    return n_arms


@njit(cache=True)
def _select_in_sequence(state, params, t, rng):
    return params[(t - 1) % params.size]


@njit(cache=True)
def _ignore(state, params, t, arm, reward):
    pass
