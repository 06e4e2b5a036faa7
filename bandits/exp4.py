"""Exp4: exponential weights over experts who advise which arms to pull.

Sources: P. Auer, N. Cesa-Bianchi, Y. Freund, R. E. Schapire, "The nonstochastic multiarmed bandit problem", 2002; in
the form with losses, T. Lattimore and C. Szepesvari, "Bandit Algorithms", 2020, Chapter 18.
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
from bandits.policy import Arms, Policy, PolicyKernels

__all__ = ["Exp4", "exp4_bound"]

_LEAST = 1e-300  # no probability in an estimate is below; such an arm is drawn only where a uniform variate is 0


class _State(NamedTuple):
    losses: np.ndarray  # (M,) float64, estimated loss of each expert
    trust: np.ndarray  # (M,) float64, exp(-rate (loss - least loss)), not normalised
    chances: np.ndarray  # (K,) float64, the experts' advice weighed by trust
    advice: np.ndarray  # (M, K) float64, this round's
    drawn: np.ndarray  # (M,) float64, each expert's probability of the arm drawn last, in units of the policy's


class _Parameters(NamedTuple):
    rate: float  # 0: the default one
    horizon: float
    n_experts: int


class _Trust(NamedTuple):
    trust: np.ndarray  # (M,) float64


@description
class Exp4(Policy):
    """Exponential weights over experts, for rewards in [0, 1].

    The experts' advice is the context of a round: a matrix (M, K), one probability distribution over the arms an
    expert, from a world with ``n_experts`` (`simulators.AdvisedRewards`). Outcome ``trust`` (float64, shape (M,)) is
    the distribution over experts from which the last arm was chosen.

    Parameters
    ----------
    learning_rate : float > 0, optional
        Constant rate; sqrt(2 ln M / (K T)) for the horizon T of the run when omitted.

    Notes
    -----
    Expected regret against the best expert: `exp4_bound`. O(M K) a round.

    Examples
    --------
    >>> import numpy as np
    >>> from simulators import AdvisedRewards
    >>> always_left, always_right = [1.0, 0.0], [0.0, 1.0]
    >>> world = AdvisedRewards(advice=[[always_left, always_right]] * 500, rewards=[[0.0, 1.0]] * 500)
    >>> run = Exp4().run(world, horizon=500, rng=np.random.default_rng(0))
    >>> bool(run.outcome["trust"][1] > 0.99)
    True
    """

    learning_rate: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update, observe=_observe, recall=_drawn, summary=_summary)

    def parameters_for(self, arms: Any, horizon: int) -> _Parameters:
        """The rate, or how it follows from the horizon, and the number of experts."""
        return _Parameters(self.learning_rate or 0.0, float(horizon), whole_number(arms.n_experts, "n_experts", 1))

    def check(self, arms: Arms) -> None:
        """Refuse worlds without experts."""
        if not hasattr(arms, "n_experts"):
            raise ValueError("arms: Exp4 needs a world with experts, whose context is their advice; this has none")

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True


@guarantee("Lattimore & Szepesvari 2020, Theorem 18.1", kind="upper", algorithm="Exp4", evidence="textbook")
def exp4_bound(n_arms: int, n_experts: int, horizon: int) -> float:
    """E[regret of Exp4 against the best expert] <= sqrt(2 K T ln M).

    Parameters
    ----------
    n_arms : int >= 1
        K, number of arms.
    n_experts : int >= 1
        M, number of experts.
    horizon : int >= 1
        T, rounds played.
    """
    arms, experts = whole_number(n_arms, "n_arms", 1), whole_number(n_experts, "n_experts", 1)
    return math.sqrt(2 * arms * whole_number(horizon, "horizon", 1) * math.log(experts))


@njit(cache=True)
def _init(n_arms, params):
    m = params.n_experts
    return _State(np.zeros(m), np.ones(m), np.zeros(n_arms), np.zeros((m, n_arms)), np.zeros(m))


@njit(cache=True, forceinline=True)
def _observe(state, params, t, context):
    advice = state.advice
    for m in range(advice.shape[0]):
        for k in range(advice.shape[1]):
            advice[m, k] = context[m, k]


@njit(cache=True, forceinline=True)
def _drawn(state):
    return state.drawn


@njit(cache=True, forceinline=True, error_model="numpy")
def _select(state, params, t, rng):
    losses, trust, chances, advice = state.losses, state.trust, state.chances, state.advice
    n_experts, n_arms = advice.shape
    rate = params.rate
    if rate == 0.0:
        rate = math.sqrt(2.0 * math.log(n_experts) / (n_arms * params.horizon))
    least, total = math.inf, 0.0
    for m in range(n_experts):
        least = min(least, losses[m])
    for k in range(n_arms):
        chances[k] = 0.0
    for m in range(n_experts):
        trust[m] = math.exp(-rate * (losses[m] - least))
        for k in range(n_arms):
            chances[k] += trust[m] * advice[m, k]
    for k in range(n_arms):
        total += chances[k]
    left, arm = rng.random() * total, 0
    for k in range(n_arms):
        if chances[k] > 0.0:
            # Rounding may leave a rest after the last arm: it belongs to the last one that can be drawn at all.
            arm = k
            left -= chances[k]
            if left < 0.0:
                break
    chance = max(chances[arm] / total, _LEAST)
    for m in range(n_experts):
        state.drawn[m] = advice[m, arm] / chance
    hold(losses, trust, chances, advice, state.drawn)
    return arm


@njit(cache=True, forceinline=True)
def _update(state, params, t, arm, reward):
    for m in range(state.losses.size):
        state.losses[m] += state.drawn[m] * (1.0 - reward)


@njit(cache=True)
def _summary(state):
    return _Trust(state.trust / state.trust.sum())
