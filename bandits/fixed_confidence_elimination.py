"""Best-arm identification with a fixed confidence, by dropping arms: successive, private and median elimination.

Sources: E. Even-Dar, S. Mannor, Y. Mansour, "Action elimination and stopping conditions for the multi-armed bandit and
reinforcement learning problems", 2006; T. Sajed, O. Sheffet, "An optimal private stochastic-MAB algorithm based on
optimal private stopping rule", 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from algos.contracts import description
from algos.guarantees import guarantee
from algos.kernels import hold
from algos.privacy import Delta, Epsilon, laplace
from bandits.fixed_budget import OutOfRange
from bandits.fixed_confidence import FixedConfidencePolicy, Parameters, Positive

__all__ = [
    "DPFixedConfidenceElimination",
    "FixedConfidenceElimination",
    "MedianElimination",
    "elimination_failure_bound",
]


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

    def parameters(self, means: np.ndarray, horizon: int) -> Parameters:
        """Delta."""
        return Parameters(self.delta, 0.0, 0.0, horizon)


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

    def parameters(self, means: np.ndarray, horizon: int) -> Parameters:
        """Delta and epsilon."""
        return Parameters(self.delta, self.epsilon, 0.0, horizon)

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

    def parameters(self, means: np.ndarray, horizon: int) -> Parameters:
        """Delta and epsilon."""
        return Parameters(self.delta, self.epsilon, 0.0, horizon)


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
