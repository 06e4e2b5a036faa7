"""SE-WTB: successive elimination with burn-in, for arms whose losses depend on how much they were used of late.

After m plays of an arm in a row its tally is full whatever came before, and its further losses have one law. So each
arm is played M - 1 >= m - 1 times before its rewards count, and what is compared are rewards at full tallies. Under
repeated exposure optimality (`simulators.TallyingArms`) the best of these is as good as any sequence of arms.

Sources: D. Malik, C. Igoe, Y. Li, A. Singh, arXiv:2305.02955, for the idea and the order of the regret; the exact form,
the constants and the options are derived here. Where the world offers ``block_kernel()``, whole runs of plays are drawn
at once: a run costs O(K log T) draws and not O(T).
"""

from __future__ import annotations

import math
import warnings
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PlainValidator

from algos.contracts import Count, Trajectory, check_generator, checkpoint_rounds, description, realize, whole_number
from algos.kernels import compiled as as_compiled
from algos.kernels import hold
from algos.kernels import interpreted as as_interpreted
from bandits.divergences import CODES, upper_mean
from bandits.policy import Policy, PolicyKernels, against_benchmarks

__all__ = ["TallyingElimination", "n_phases"]

_SUB_GAUSSIAN, _BERNSTEIN, _KL = range(3)
_RADII = {"hoeffding": _SUB_GAUSSIAN, "bernstein": _BERNSTEIN, "kl": _KL}
_BERNOULLI = CODES["bernoulli"]


def _memory_bound(value: Any) -> int | tuple[int, ...]:
    if isinstance(value, list | tuple | np.ndarray):
        if len(value) == 0:
            raise ValueError("must be a whole number >= 1, or one an arm")
        return tuple(whole_number(bound, f"entry {arm}", 1) for arm, bound in enumerate(value))
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError("must be a whole number >= 1, or one an arm")
    return int(value)


class _State(NamedTuple):
    active: np.ndarray  # (K,) int64, the arms still in the game in the order of this phase, in its first places
    counted: np.ndarray  # (K,) int64, rewards of each arm that count
    sums: np.ndarray  # (K,) float64, their sum
    squares: np.ndarray  # (K,) float64, the sum of their squares
    # (6,) int64: active arms, place of the present one, plays left of its burn-in, plays left that count, phase from 1,
    # the arm played last (-1 at the start)
    counters: np.ndarray
    phases: (
        np.ndarray
    )  # (S, 4) int64, of each phase done: arms before it, arms after it, its plays that count an arm, rounds
    rounds: np.ndarray  # (1,) int64, rounds so far


class _Parameters(NamedTuple):
    burn_in: np.ndarray  # (K,) int64, M - 1
    first_epoch: int
    reuse: bool
    radius: int
    log_term: float
    sigma: float
    n_phases: int


class _Survivors(NamedTuple):
    active: np.ndarray  # (s,) int64, arms still in the game, increasing
    phases: np.ndarray  # (done, 4) int64


@description
class TallyingElimination(Policy):
    """SE-WTB: successive elimination with burn-in; rewards in [0, 1].

    Phase s = 1, 2, ... plays every arm in the game M - 1 times without counting, then n_1 2^(s-1) times, the arm played
    last first and without its burn-in; then it drops the arms whose confidence interval lies below that of another. A
    single arm is played to the end; a phase that the horizon cuts short drops nothing.

    Parameters
    ----------
    memory_bound : int >= 1, or one an arm
        M, at least the world's memory m. Too small a bound voids the guarantee, and gives a warning; 1 is ordinary
        successive elimination.
    delta : float in (0, 1), optional
        Probability with which an interval may miss; 1 / T when omitted.
    first_epoch : int >= 1, optional
        n_1; max(2, M) when omitted, so that the first phase is not mostly burn-in.
    reuse : bool
        Whether rewards of earlier phases count as well.
    radius : {"hoeffding", "bernstein", "kl"}
        Width of the intervals: sigma sqrt(2 L / n); by the empirical variance V, sqrt(2 V L' / n) + 3 L' / n; or where
        n kl(mean, q) <= L. L = ln(2 K S / delta), L' = ln(3 K S / delta), S the largest number of phases.
    sigma : float > 0
        Rewards are sigma-sub-Gaussian, for "hoeffding"; 1/2 fits all rewards in [0, 1].
    blocks : bool
        Whether to draw whole runs of plays at once, where the world can do that and M bounds its memory: the same law,
        other random numbers.

    Notes
    -----
    Policy regret with probability at least 1 - delta: `tallying_elimination_bound`, `tallying_instance_bound`; at most
    K S changes of arm. Outcome ``active`` (int64) are the arms left, ``phases`` (int64, shape (done, 4)) the number of
    arms before and after each phase, its plays of each arm that count, and the rounds played at its end.

    ``TallyingElimination(M, first_epoch=2, reuse=False)`` is nearest to the paper. Reuse and a first phase of M plays
    are what halves its regret.

    Examples
    --------
    >>> from simulators import TallyingArms
    >>> arms = TallyingArms.all_or_nothing(n_arms=5, memory=10)
    >>> policy = TallyingElimination(memory_bound=10, delta=1e-5, first_epoch=2, reuse=False)
    >>> run = policy.run(arms, horizon=100_000, rng=np.random.default_rng(0))
    >>> float(run.metrics["policy_regret"][-1])
    738.0
    """

    memory_bound: Annotated[Any, PlainValidator(_memory_bound)]
    delta: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    first_epoch: Count | None = None
    reuse: bool = True
    radius: Literal["hoeffding", "bernstein", "kl"] = "hoeffding"
    sigma: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.5
    blocks: bool = True

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update, summary=_summary)

    def parameters_for(self, arms: Any, horizon: int) -> _Parameters:
        """The bounds, and what the intervals are made of."""
        n_arms = _n_arms(arms)
        bounds = self._bounds(n_arms)
        first = self.first_epoch or max(2, int(bounds.max()))
        phases = n_phases(horizon, first)
        delta = min(0.5, 1.0 / horizon) if self.delta is None else self.delta
        sides = 3 if self.radius == "bernstein" else 2
        log_term = math.log(sides * n_arms * phases / delta)
        return _Parameters(bounds - 1, first, self.reuse, _RADII[self.radius], log_term, self.sigma, phases)

    def unit_rewards(self) -> bool:
        """Rewards must lie in [0, 1]."""
        return True

    def check(self, arms: Any) -> None:
        """Refuse rewards that come late, and warn of a memory that is longer than its bound."""
        if getattr(arms, "delay", 0):
            raise ValueError("arms: TallyingElimination needs each reward before the next round; these come late")
        memories = np.broadcast_to(getattr(arms, "memories", getattr(arms, "memory", 1)), (_n_arms(arms),))
        short = np.flatnonzero(self._bounds(_n_arms(arms)) < memories)
        if short.size:
            arm = int(short[0])
            warnings.warn(
                f"TallyingElimination: the memory of arm {arm} is {memories[arm]}, above memory_bound: no guarantee",
                RuntimeWarning,
                stacklevel=3,
            )

    def run(
        self,
        arms: Any,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
        realised: bool = False,
        compiled: bool = True,
    ) -> Trajectory:
        """Play for `horizon` rounds; see `Policy.run`."""
        own = check_generator(rng, type(self).__name__)
        nature = own if world is None else check_generator(world, "world")
        drawn = realize(arms, nature)
        in_blocks = self.blocks and hasattr(drawn, "block_kernel") and not getattr(drawn, "delay", 0)
        if not in_blocks or self._bounds(_n_arms(drawn)).min() < drawn.memory:
            return super().run(
                drawn, horizon, rng, world=world, checkpoints=checkpoints, realised=realised, compiled=compiled
            )
        rounds = checkpoint_rounds(whole_number(horizon, "horizon", 1), checkpoints)
        self.check(drawn)
        form = as_compiled if compiled else as_interpreted
        params, block = self.parameters_for(drawn, int(horizon)), form(drawn.block_kernel())
        means, earned, pulls, summary = form(_play_blocks)(
            params, block, drawn.parameters(), _n_arms(drawn), rounds, nature
        )
        return against_benchmarks(drawn, rounds, means, earned, pulls, summary, realised)

    def _bounds(self, n_arms: int) -> NDArray[np.int64]:
        bounds = np.array(self.memory_bound, dtype=np.int64)
        if bounds.ndim == 1 and bounds.size != n_arms:
            raise ValueError(f"memory_bound: has {bounds.size} entries for {n_arms} arms")
        return np.broadcast_to(bounds, (n_arms,)).copy()


def n_phases(horizon: int, first_epoch: int) -> int:
    """S, the least number of phases of n_1, 2 n_1, 4 n_1, ... plays that together reach the horizon.

    Parameters
    ----------
    horizon : int >= 1
        T, rounds.
    first_epoch : int >= 1
        n_1.

    Examples
    --------
    >>> n_phases(50_000, 2)
    15
    """
    rounds, first = whole_number(horizon, "horizon", 1), whole_number(first_epoch, "first_epoch", 1)
    phases = 1
    while first * (2**phases - 1) < rounds:
        phases += 1
    return phases


def _n_arms(arms: Any) -> int:
    return int(arms.n_arms) if hasattr(arms, "n_arms") else int(np.size(arms.means))


@njit(nogil=True)
def _play_blocks(params, block, arms, n_arms, checkpoints, rng):
    """Sums of mean rewards and of rewards at each checkpoint, (C,) each; the pulls, (K,); the survivors.

    ``block(arms, arm, since, count, rng)`` returns the sums of mean rewards, of rewards and of their squares of `count`
    plays in a row that follow `since` in a row.
    """
    state = _init(n_arms, params)
    pulls = np.zeros(n_arms, np.int64)
    means, earned = np.empty(checkpoints.size), np.empty(checkpoints.size)
    mean_total, total, t, last, since = 0.0, 0.0, 0, -1, 0
    for c in range(checkpoints.size):
        while t < checkpoints[c]:
            arm = state.active[state.counters[1]]
            if arm != last:
                last, since = arm, 0
            count = checkpoints[c] - t
            if state.counters[0] > 1:
                left = state.counters[2] if state.counters[2] > 0 else state.counters[3]
                count = min(count, left)
            mean, reward, square = block(arms, arm, since, count, rng)
            mean_total += mean
            total += reward
            t += count
            since += count
            pulls[arm] += count
            _learn(state, params, count, reward, square)
        means[c], earned[c] = mean_total, total
    return means, earned, pulls, _summary(state)


@njit(cache=True)
def _summary(state):
    done = state.counters[4] - 1
    active = state.active[: state.counters[0]].copy()
    for place in range(1, active.size):  # increasing, but for the first
        if active[place - 1] > active[place]:
            active[place - 1], active[place] = active[place], active[place - 1]
    return _Survivors(active, state.phases[:done].copy())


@njit(cache=True)
def _init(n_arms, params):
    counters = np.array([n_arms, 0, params.burn_in[0], params.first_epoch, 1, -1])
    return _State(
        np.arange(n_arms), np.zeros(n_arms, np.int64), np.zeros(n_arms), np.zeros(n_arms), counters,
        np.zeros((params.n_phases + 1, 4), np.int64), np.zeros(1, np.int64),
    )  # fmt: skip


@njit(cache=True, forceinline=True)
def _select(state, params, t, rng):
    arm = state.active[state.counters[1]]
    hold(state.active, state.counters)
    return arm


@njit(forceinline=True)
def _update(state, params, t, arm, reward):
    _learn(state, params, 1, reward, reward * reward)


@njit(forceinline=True)
def _learn(state, params, count, reward, square):
    """Rewards of `count` plays of the present arm, all of its burn-in or none; their sum, and that of their squares."""
    counters, rounds = state.counters, state.rounds
    rounds[0] += count
    if counters[0] > 1:
        if counters[2] > 0:
            counters[2] -= count
        else:
            arm = state.active[counters[1]]
            state.sums[arm] += reward
            state.squares[arm] += square
            state.counted[arm] += count
            counters[3] -= count
            if counters[3] == 0:
                _next_block(state, params)
    hold(state.active, counters, rounds, state.sums, state.squares, state.counted)


@njit
def _next_block(state, params):
    """The present arm has all its plays of the phase: on to the next arm, or to the next phase."""
    active, counters = state.active, state.counters
    counters[5] = active[counters[1]]
    counters[1] += 1
    if counters[1] == counters[0]:
        _end_phase(state, params)
    arm = active[counters[1]]
    counters[2] = 0 if arm == counters[5] else params.burn_in[arm]
    counters[3] = params.first_epoch * 2 ** (counters[4] - 1)


@njit
def _end_phase(state, params):
    """Drop arms, and put those left in order: the one played last first, the others increasing."""
    active, counters = state.active, state.counters
    n, phase, last = counters[0], counters[4], counters[5]
    highest = -math.inf
    for place in range(n):
        low, _ = _interval(state, params, active[place])
        highest = max(highest, low)
    stays = np.zeros(state.sums.size, np.bool_)
    for place in range(n):
        _, high = _interval(state, params, active[place])
        stays[active[place]] = high >= highest
    kept = 0
    if stays[last]:
        active[0], kept = last, 1
    for arm in range(stays.size):
        if stays[arm] and arm != last:
            active[kept] = arm
            kept += 1
    row = state.phases[phase - 1]
    row[0], row[1], row[2], row[3] = n, kept, params.first_epoch * 2 ** (phase - 1), state.rounds[0]
    counters[0], counters[1], counters[4] = kept, 0, phase + 1
    if not params.reuse:
        state.sums[:], state.squares[:], state.counted[:] = 0.0, 0.0, 0


@njit
def _interval(state, params, arm):
    """Confidence interval of the mean reward of an arm at its full tally."""
    n = state.counted[arm]
    mean = state.sums[arm] / n
    if params.radius == _KL:
        inside = min(1.0, max(0.0, mean))
        level = params.log_term / n
        low = 1.0 - upper_mean(_BERNOULLI, 0.5, 1.0 - inside, level)
        return low, upper_mean(_BERNOULLI, 0.5, inside, level)
    if params.radius == _BERNSTEIN:
        variance = max(0.0, state.squares[arm] / n - mean * mean)
        width = math.sqrt(2.0 * variance * params.log_term / n) + 3.0 * params.log_term / n
    else:
        width = params.sigma * math.sqrt(2.0 * params.log_term / n)
    return mean - width, mean + width
