"""Best-arm identification with a fixed confidence, and UCB-E: policies that decide after every pull.

A policy decides from the pulls and the rewards so far which arm to pull next, or that it is done and which arm it
names. The sources are named with each policy.
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
from algos.privacy import Delta, Epsilon, laplace
from bandits.best_arm import unique_best
from bandits.fixed_budget import OutOfRange, fixed_means
from bandits.policy import check_unit_rewards

__all__ = [
    "LUCB1",
    "UCBE",
    "DPFixedConfidenceElimination",
    "FixedConfidenceElimination",
    "FixedConfidencePolicy",
    "MedianElimination",
    "TopTwoIdentification",
    "elimination_failure_bound",
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


class _Parameters(NamedTuple):
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

    def parameters(self, means: np.ndarray, horizon: int) -> _Parameters:
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
class FixedConfidenceElimination(FixedConfidencePolicy):
    """Successive elimination: pull all active arms in turn, drop those that are surely worse (Even-Dar et al. 2006).

    After t rounds an arm goes when its mean is 2 r_t or more below the largest, where
    r_t = sqrt(ln(4 K t^2 / delta) / (2 t)).

    Parameters
    ----------
    delta : float in (0, 1)
        Largest chance to name a wrong arm.

    Notes
    -----
    The chance is at most delta pi^2 / 12 (`elimination_failure_bound`). With two best arms it never stops by itself.
    """

    delta: Delta = 0.05

    def kernel(self) -> Callable[..., Any]:
        """The decision."""
        return _eliminate

    def parameters(self, means: np.ndarray, horizon: int) -> _Parameters:
        """Delta."""
        return _Parameters(self.delta, 0.0, 0.0, horizon)


@description
class DPFixedConfidenceElimination(FixedConfidencePolicy):
    """Private successive elimination, DP-SE (Sajed & Sheffet 2019): epsilon-private with respect to one reward.

    Epoch e = 1, 2, ... pulls each active arm R_e times anew, adds Laplace noise of scale 1 / (epsilon R_e) to the
    means, and drops arms more than 2 (h_e + c_e) below the largest. R_e is what makes both h_e, for the rewards, and
    c_e, for the noise, small against 2^-e.

    Parameters
    ----------
    epsilon : float in [1e-300, inf)
        Privacy budget of the whole run with respect to one reward.
    delta : float in (0, 1)
        Largest chance to name a wrong arm.
    out_of_range : {"raise", "clip"}
        What to do with a reward outside [0, 1]. Raising depends on the data: on real data only "clip" is private.
    """

    epsilon: Epsilon
    delta: Delta = 0.05
    out_of_range: OutOfRange = "raise"

    def kernel(self) -> Callable[..., Any]:
        """The decision."""
        return _eliminate_in_private

    def parameters(self, means: np.ndarray, horizon: int) -> _Parameters:
        """Delta and epsilon."""
        return _Parameters(self.delta, self.epsilon, 0.0, horizon)

    def spent(self) -> dict[str, float]:
        """Epsilon, once: each reward enters one epoch only."""
        return {"epsilon": self.epsilon}

    def rewards_out_of_range(self) -> OutOfRange:
        """Rewards must lie in [0, 1]: the noise is made for that."""
        return self.out_of_range


@description
class MedianElimination(FixedConfidencePolicy):
    """Median Elimination (Even-Dar et al. 2006): drop the worse half of the arms, round by round.

    Rounds have e = epsilon / 4, delta / 2 at first and take 3/4 and 1/2 of them for the next; each pulls every active
    arm ceil((4 / e^2) ln(3 / d)) times anew.

    Parameters
    ----------
    epsilon : float > 0
        How far the named arm's mean may be below the best.
    delta : float in (0, 1)
        Largest chance that it is further.
    """

    epsilon: Positive = 0.1
    delta: Delta = 0.05

    def kernel(self) -> Callable[..., Any]:
        """The decision."""
        return _halve

    def parameters(self, means: np.ndarray, horizon: int) -> _Parameters:
        """Delta and epsilon."""
        return _Parameters(self.delta, self.epsilon, 0.0, horizon)


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

    def parameters(self, means: np.ndarray, horizon: int) -> _Parameters:
        """Delta and epsilon."""
        return _Parameters(self.delta, self.epsilon, 0.0, horizon)


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

    def parameters(self, means: np.ndarray, horizon: int) -> _Parameters:
        """Delta."""
        return _Parameters(self.delta, 0.0, 0.0, horizon)


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

    def parameters(self, means: np.ndarray, horizon: int) -> _Parameters:
        """The exploration weight."""
        if self.exploration is not None or means.size == 1:
            return _Parameters(0.5, 0.0, self.exploration or 1.0, horizon)
        complexity = _h1(unique_best(np.maximum(means.max() - means, 0.0)))
        return _Parameters(0.5, 0.0, 25 * max(horizon - means.size, 1) / (36 * complexity), horizon)


@guarantee(
    "union bound over Even-Dar, Mannor & Mansour 2006", kind="upper", algorithm="FixedConfidenceElimination",
    evidence="derived",
)  # fmt: skip
def elimination_failure_bound(delta: float) -> float:
    """P(successive elimination names a wrong arm) <= delta pi^2 / 12.

    Parameters
    ----------
    delta : float in (0, 1)
        The policy's.

    Notes
    -----
    Hoeffding: a mean after t rounds is off by r_t with chance 2 exp(-2 t r_t^2) = delta / (2 K t^2); sum over K and t.
    """
    if not 0.0 < delta < 1.0:
        raise ValueError(f"delta: {delta} is outside (0, 1)")
    return delta * math.pi**2 / 12


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
def _next_in_turn(state, times):
    """The next active arm that has not been pulled so often, or -1 when the round is over."""
    place = state.counters[0]
    while place < state.active.size and (not state.active[place] or state.pulls[place] >= times):
        place += 1
    state.counters[0] = place
    return place if place < state.active.size else -1


@njit(cache=True)
def _only_one(state):
    """The single active arm, or -1 when there are more."""
    found, count = -1, 0
    for i in range(state.active.size):
        if state.active[i]:
            found = i
            count += 1
    return found if count == 1 else -1


@njit(cache=True)
def _eliminate(state, params, rng):
    arm = _next_in_turn(state, state.counters[1])
    if arm < 0:
        t, n_arms = state.counters[1], state.active.size
        if t > 0:
            radius = math.sqrt(math.log(4.0 * n_arms * t * t / params.delta) / (2.0 * t))
            best = -math.inf
            for i in range(n_arms):
                if state.active[i]:
                    best = max(best, state.rewards[i] / t)
            for i in range(n_arms):
                if state.active[i] and best - state.rewards[i] / t >= 2.0 * radius:
                    state.active[i] = False
        only = _only_one(state)
        if only >= 0:
            arm = -1 - only
        else:
            state.counters[0] = 0
            state.counters[1] = t + 1
            arm = _next_in_turn(state, t + 1)
    hold(state, rng)
    return arm


@njit(cache=True)
def _halve(state, params, rng):
    size, n_arms = 0, state.active.size
    for i in range(n_arms):
        size += state.active[i]
    error, chance = state.scales[0], state.scales[1]
    # Whole numbers beyond any horizon are as good as infinite; the square of a tiny error would be 0.
    times = 4.0 / max(error * error, 1e-300) * math.log(3.0 / chance)
    arm = _next_in_turn(state, math.ceil(min(times, 1e15)))
    if arm < 0:
        # Keep the better half: an arm stays if fewer than that are ahead of it.
        keep = (size + 1) // 2
        stays = np.zeros(n_arms, np.bool_)
        for i in range(n_arms):
            if state.active[i]:
                ahead = 0
                for j in range(n_arms):
                    better = state.rewards[j] > state.rewards[i] or (state.rewards[j] == state.rewards[i] and j < i)
                    ahead += state.active[j] and better
                stays[i] = ahead < keep
        for i in range(n_arms):
            state.active[i] = stays[i]
            state.rewards[i] = 0.0
            state.pulls[i] = 0
        state.counters[0] = 0
        state.scales[0] = 0.75 * error
        state.scales[1] = 0.5 * chance
        only = _only_one(state)
        if only >= 0:
            arm = -1 - only
        else:
            arm = 0
            while not state.active[arm]:
                arm += 1
    hold(state, rng)
    return arm


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


@njit
def _eliminate_in_private(state, params, rng):
    n_arms = state.active.size
    arm = -1
    while arm == -1:
        epoch, size = state.counters[1], 0
        for i in range(n_arms):
            size += state.active[i]
        times, by_rewards, by_noise = 0, 0.0, 0.0
        if epoch > 0:
            gap = 2.0 ** (-epoch)
            by_rewards = math.log(8.0 * size * epoch * epoch / params.delta)
            by_noise = math.log(4.0 * size * epoch * epoch / params.delta) / params.epsilon
            # Whole numbers beyond any horizon are as good as infinite.
            times = int(min(max(32.0 * by_rewards / (gap * gap), 8.0 * by_noise / gap), 1e15)) + 1
            arm = _next_in_turn(state, times)
        if arm == -1:
            if epoch > 0:
                slack = 2.0 * (math.sqrt(by_rewards / (2.0 * times)) + by_noise / times)
                noisy, best = np.empty(n_arms), -math.inf
                for i in range(n_arms):
                    if state.active[i]:
                        noise = laplace(1.0 / params.epsilon, rng) if params.epsilon < math.inf else 0.0
                        noisy[i] = (state.rewards[i] + noise) / times
                        if noisy[i] > best:
                            best = noisy[i]
                            state.counters[3] = 1 + i  # published: what the horizon may name
                for i in range(n_arms):
                    if state.active[i] and noisy[i] < best - slack:
                        state.active[i] = False
                    state.rewards[i] = 0.0
                    state.pulls[i] = 0
            only = _only_one(state)
            if only >= 0:
                arm = -2 - only  # -1 means not decided yet
            if epoch == 0:
                state.counters[3] = 1  # nothing is published yet: the first arm, whatever its rewards
            state.counters[0] = 0
            state.counters[1] = epoch + 1
    hold(state, rng)
    return arm if arm >= 0 else arm + 1
