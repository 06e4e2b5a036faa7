"""Best-arm identification with a fixed confidence, and UCB-E: policies that decide after every pull.

A policy decides from the pulls and the rewards so far which arm to pull next, or that it is done and which arm it
names. The sources are named with each policy; those that drop arms for good are in
`bandits.fixed_confidence_elimination`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from pydantic import BeforeValidator, Field

from algos.contracts import Trajectory, check_generator, description, realize, whole_number
from algos.guarantees import guarantee
from algos.kernels import compiled as as_compiled
from algos.kernels import hold
from algos.kernels import interpreted as as_interpreted
from algos.privacy import Delta
from bandits.best_arm import unique_best
from bandits.fixed_budget import OutOfRange, fixed_means
from bandits.policy import check_unit_rewards

__all__ = [
    "LUCB1",
    "UCBE",
    "FixedConfidencePolicy",
    "Parameters",
    "Positive",
    "TopTwoIdentification",
    "ucb_e_bound",
]


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool | np.bool_ | str):
        raise ValueError("must be a number")
    return value


_Number = Annotated[float, BeforeValidator(_no_truth_value)]
Positive = Annotated[_Number, Field(gt=0.0, allow_inf_nan=False)]


class _State(NamedTuple):
    pulls: np.ndarray  # (K,) int64, pulls that count at present
    rewards: np.ndarray  # (K,) float64, the sum of their rewards
    active: np.ndarray  # (K,) bool, arms that may still be the best
    counters: np.ndarray  # (4,) int64: place in the round, round or epoch, pulls in all, 1 + arm to name at the horizon
    scales: np.ndarray  # (2,) float64, of Median Elimination: epsilon and delta of its round


class Parameters(NamedTuple):
    """What a decision gets as `params`; a policy uses those it needs."""

    delta: float
    epsilon: float  # accuracy or privacy, as the policy calls it
    exploration: float
    horizon: int


@description
class FixedConfidencePolicy:
    """What the policies that decide pull by pull share: one way to run."""

    def kernel(self) -> Callable[..., Any]:
        """The function ``decide(state, params, rng)``: the next arm to pull, or -1 - arm to name that arm."""
        raise NotImplementedError(f"{type(self).__name__} must define kernel()")

    def parameters(self, means: np.ndarray, horizon: int) -> Parameters:
        """What `decide` gets as `params`."""
        raise NotImplementedError(f"{type(self).__name__} must define parameters()")

    def spent(self) -> dict[str, float]:
        """The privacy that a run spends, for its outcome."""
        return {}

    def rewards_out_of_range(self) -> OutOfRange:
        """What to do with rewards outside [0, 1]."""
        return "raise"

    def run(
        self,
        arms: Any,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        compiled: bool = True,
    ) -> Trajectory:
        """Pull until an arm can be named, or until the horizon.

        Parameters
        ----------
        arms : Arms, or a distribution with ``sample(rng)`` that draws them
            Arms with rewards in [0, 1].
        horizon : int >= 1
            Most pulls.
        rng : numpy.random.Generator
            The policy's random stream.
        world : numpy.random.Generator, optional
            The stream of the rewards; `rng` when omitted.
        compiled : bool
            False runs the same functions in the Python interpreter.

        Returns
        -------
        Trajectory
            One checkpoint, the pulls that were used; metric ``error``. The outcome has ``arm``, ``error`` (1 or 0),
            ``pulls`` (int64, shape (K,)) and ``stopped``: whether the policy was done before the horizon. If it was
            not, the arm is the one with the largest mean reward among those still active (of a private policy: the
            largest published one), and nothing is promised.

        Raises
        ------
        ValueError
            When an argument is out of its range, or a reward is outside [0, 1] or NaN, which is what the simulators pay
            when no reward is left.
        """
        own = check_generator(rng, type(self).__name__)
        nature = own if world is None else check_generator(world, "world")
        most = whole_number(horizon, "horizon", 1)
        drawn = realize(arms, nature)
        means, clip = fixed_means(drawn), self.rewards_out_of_range() == "clip"
        policy: Any = self  # only its name is read
        if not clip:
            check_unit_rewards(policy, drawn)
        form = as_compiled if compiled else as_interpreted
        arm, pulls, stopped = form(_identify)(
            form(self.kernel()),
            self.parameters(means, most),
            form(drawn.kernel()),
            drawn.parameters(),
            means.size,
            most,
            clip,
            own,
            nature,
        )
        error = float(means[arm] < means.max() - 1e-12)
        outcome = {"arm": int(arm), "error": error, "pulls": pulls, "stopped": bool(stopped)} | self.spent()
        used = int(pulls.sum())
        rounds = np.array([used] if used else [], dtype=np.int64)
        return Trajectory(rounds, {"error": np.full(rounds.size, error)}, outcome)


@description
class LUCB1(FixedConfidencePolicy):
    """LUCB1 (Kalyanakrishnan et al. 2012): pull the leader and its strongest challenger until their intervals part.

    The radius after N pulls of an arm and t pulls in all is sqrt(ln(5 K t^4 / (4 delta)) / (2 N)); done when the
    challenger's upper end is less than epsilon above the leader's lower end.

    Parameters
    ----------
    delta : float in (0, 1)
        Largest chance to name an arm that is more than epsilon below the best.
    epsilon : float >= 0
        How far the named arm's mean may be below the best.
    """

    delta: Delta = 0.05
    epsilon: Annotated[_Number, Field(ge=0.0, allow_inf_nan=False)] = 0.0

    def kernel(self) -> Callable[..., Any]:
        """The decision."""
        return _lucb

    def parameters(self, means: np.ndarray, horizon: int) -> Parameters:
        """Delta and epsilon."""
        return Parameters(self.delta, self.epsilon, 0.0, horizon)


@description
class TopTwoIdentification(FixedConfidencePolicy):
    """Top two: the arm with the largest mean and its hardest rival, each pulled with chance 1/2.

    The rival has the least generalized likelihood ratio Z = N_a kl(m_a, m_ab) + N_b kl(m_b, m_ab), with m_ab the pooled
    mean; done when Z exceeds ln((1 + ln t) / delta). For Bernoulli rewards.

    Parameters
    ----------
    delta : float in (0, 1)
        Chance to name a wrong arm that is aimed at: the threshold is the one used in practice, without a proof.
    """

    delta: Delta = 0.05

    def kernel(self) -> Callable[..., Any]:
        """The decision."""
        return _top_two

    def parameters(self, means: np.ndarray, horizon: int) -> Parameters:
        """Delta."""
        return Parameters(self.delta, 0.0, 0.0, horizon)


@description
class UCBE(FixedConfidencePolicy):
    """UCB-E (Audibert et al. 2010): pull argmax of mean + sqrt(a / N) until the budget is spent; then the largest mean.

    Parameters
    ----------
    exploration : float > 0, optional
        a; when omitted 25 (T - K) / (36 H1), which knows the gaps of the arms it plays and needs a single best arm.

    Notes
    -----
    With that choice P(error) <= 2 T K exp(-(T - K) / (18 H1)) (`ucb_e_bound`).
    """

    exploration: Positive | None = None

    def kernel(self) -> Callable[..., Any]:
        """The decision."""
        return _ucb_e

    def parameters(self, means: np.ndarray, horizon: int) -> Parameters:
        """The exploration weight."""
        if self.exploration is not None or means.size == 1:
            return Parameters(0.5, 0.0, self.exploration or 1.0, horizon)
        complexity = _h1(unique_best(np.maximum(means.max() - means, 0.0)))
        return Parameters(0.5, 0.0, 25 * max(horizon - means.size, 1) / (36 * complexity), horizon)


@guarantee("Audibert, Bubeck & Munos 2010, Theorem 1", kind="upper", algorithm="UCBE", evidence="textbook")
def ucb_e_bound(gaps: ArrayLike, budget: int) -> float:
    """P(error of UCB-E with a = 25 (T - K) / (36 H1)) <= 2 T K exp(-(T - K) / (18 H1)), at most 1.

    Parameters
    ----------
    gaps : float array, shape (K,), K >= 2
        Best mean minus the arm's mean, in [0, 1], for rewards in [0, 1]; exactly one of them is 0.
    budget : int >= K
        T.
    """
    ordered = unique_best(gaps)
    pulls = whole_number(budget, "budget", ordered.size)
    return min(1.0, 2 * pulls * ordered.size * math.exp(-(pulls - ordered.size) / (18 * _h1(ordered))))


def _h1(ordered: np.ndarray) -> float:
    """Sum over arms of 1 / gap^2, where the best arm counts with the least gap."""
    with np.errstate(over="ignore", divide="ignore"):
        return float(np.sum(1.0 / ordered[1:] ** 2) + 1.0 / ordered[1] ** 2)


@njit(nogil=True)
def _identify(decide, params, pull, arms, n_arms, most, clip, rng, world):
    """The arm that is named, the pulls of each arm, and whether the policy was done."""
    state = _State(
        np.zeros(n_arms, np.int64),
        np.zeros(n_arms),
        np.ones(n_arms, np.bool_),
        np.zeros(4, np.int64),
        np.array([0.25 * params.epsilon, 0.5 * params.delta]),
    )
    pulls = np.zeros(n_arms, np.int64)
    named, stopped = -1, False
    if n_arms == 1:
        named, stopped = 0, True
    for _ in range(most):
        if stopped:
            break
        arm = decide(state, params, rng)
        if arm < 0:
            named, stopped = -1 - arm, True
        else:
            reward = pull(arms, arm, world)
            if clip:
                # What is no number stays none: comparisons with it are false.
                reward = 0.0 if reward < 0.0 else 1.0 if reward > 1.0 else reward
            if not 0.0 <= reward <= 1.0:
                raise ValueError("rewards: one is outside [0, 1] or NaN, as where none is left")
            state.rewards[arm] += reward
            state.pulls[arm] += 1
            state.counters[2] += 1
            pulls[arm] += 1
    if not stopped:
        arm = decide(state, params, rng)  # the last reward may have decided
        if arm < 0:
            named, stopped = -1 - arm, True
    if not stopped and state.counters[3] > 0:
        named = state.counters[3] - 1
    elif not stopped:
        best = -math.inf
        for i in range(n_arms):
            mean = state.rewards[i] / state.pulls[i] if state.pulls[i] > 0 else -1.0
            if state.active[i] and mean > best:
                best, named = mean, i
    return named, pulls, stopped


@njit(cache=True)
def _lucb(state, params, rng):
    n_arms, total = state.active.size, state.counters[2]
    if total < n_arms:
        arm = total
    elif state.counters[0] > 0:  # the challenger of this round
        arm = state.counters[0] - 1
        state.counters[0] = 0
    else:
        level = math.log(5.0 * n_arms * float(total) ** 4 / (4.0 * params.delta)) / 2.0
        leader, best = 0, -math.inf
        for i in range(n_arms):
            mean = state.rewards[i] / state.pulls[i]
            if mean > best:
                leader, best = i, mean
        rival, highest = -1, -math.inf
        for i in range(n_arms):
            upper = state.rewards[i] / state.pulls[i] + math.sqrt(level / state.pulls[i])
            if i != leader and upper > highest:
                rival, highest = i, upper
        if highest - (best - math.sqrt(level / state.pulls[leader])) < params.epsilon:
            arm = -1 - leader
        else:
            arm = leader
            state.counters[0] = rival + 1
    hold(state, rng)
    return arm


@njit(cache=True)
def _divergence(p, q):
    """Bernoulli kl(p, q), q between p and a mean of others: 0 or 1 only together with p."""
    total = 0.0
    if p > 0.0:
        total += p * math.log(p / q)
    if p < 1.0:
        total += (1.0 - p) * math.log((1.0 - p) / (1.0 - q))
    return total


@njit(cache=True)
def _top_two(state, params, rng):
    n_arms, total = state.active.size, state.counters[2]
    if total < n_arms:
        arm = total
    else:
        leader, best = 0, -math.inf
        for i in range(n_arms):
            mean = state.rewards[i] / state.pulls[i]
            if mean > best:
                leader, best = i, mean
        rival, least = -1, math.inf
        for i in range(n_arms):
            if i != leader:
                n, m = state.pulls[leader], state.pulls[i]
                mean = state.rewards[i] / m
                pooled = min(max((state.rewards[leader] + state.rewards[i]) / (n + m), mean), best)
                ratio = n * _divergence(best, pooled) + m * _divergence(mean, pooled)
                if ratio < least:
                    rival, least = i, ratio
        if least > math.log((1.0 + math.log(total)) / params.delta):
            arm = -1 - leader
        else:
            arm = leader if rng.random() < 0.5 else rival
    hold(state, rng)
    return arm


@njit(cache=True)
def _ucb_e(state, params, rng):
    n_arms, total = state.active.size, state.counters[2]
    arm, best = -1, -math.inf
    if total < n_arms and total < params.horizon:
        arm = total
    else:
        done = total >= params.horizon
        for i in range(n_arms):
            if state.pulls[i] > 0:
                value = state.rewards[i] / state.pulls[i]
                if not done:
                    value += math.sqrt(params.exploration / state.pulls[i])
                if value > best:
                    arm, best = i, value
        if done:
            arm = -1 - arm
    hold(state, rng)
    return arm
