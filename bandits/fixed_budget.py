"""Best-arm identification with a fixed budget: the contract of its policies, and the engine that plays them.

All of them work in phases. A phase has a set of active arms and a design: which arms to pull, how often, and how the
estimates of all active arms follow from the sums of their rewards, noise included. The best arms by estimate stay.
A policy is the list of set sizes and a rule for designs (`Plan`); the engine plays many replications phase by phase,
each on random streams of its own, so that a design which depends on the active set is made once for all replications
that meet this set.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from algos.contracts import Trajectory, check_generator, description, realize, whole_number
from algos.kernels import compiled as as_compiled
from algos.kernels import interpreted as as_interpreted
from algos.privacy import discrete_laplace, laplace
from algos.replication_streams import ReplicationStreams, no_streams, resume, suspend
from algos.rounds import RoundKernels

__all__ = [
    "BestArmPolicy",
    "BudgetError",
    "EqualPulls",
    "Game",
    "Noise",
    "OutOfRange",
    "Phase",
    "PhaseDesign",
    "Plan",
    "fixed_means",
    "phase_log",
    "play",
]

OutOfRange = Literal["raise", "clip"]
Rule = Literal["raise", "clip", "binary"]  # what single rewards must be, or are made

BRANCHES = ("all", "max-det", "g-optimal")
ALL, MAX_DET, G_OPTIMAL = range(3)
ON_SUMS, ON_COORDINATES, ON_MEANS = range(3)
ROUNDING = 1e-12  # means computed from features that are equal but for rounding are equal

NONE, LAPLACE, GAUSSIAN, DISCRETE_LAPLACE = range(4)


class BudgetError(ValueError):
    """The budget is too small to pull what the policy must pull; `minimum` and all above it are enough."""

    def __init__(self, policy: str, budget: int, minimum: int) -> None:
        super().__init__(f"horizon: a budget of {budget} pulls is too small for {policy}; {minimum} or more are enough")
        self.budget, self.minimum = budget, minimum


class Noise(NamedTuple):
    """Noise that a policy adds for privacy."""

    kind: int
    scale: float  # Laplace: 1 / epsilon; Gaussian: sigma


NO_NOISE = Noise(NONE, 0.0)


class PhaseDesign(NamedTuple):
    """What a phase pulls, and how sums become estimates: estimates = rows @ (solve @ sums), noise in one place."""

    branch: int  # ALL: each active arm is pulled and estimated by its own mean; solve and rows are not used
    rank: int  # dimension of the active features; number of active arms when there are none
    pulled: NDArray[np.int64]  # (m,) places of the pulled arms among the active ones, increasing
    counts: NDArray[np.int64]  # (m,) pulls of each
    solve: NDArray[np.float64]  # (r, m) coordinates of theta from sums
    rows: NDArray[np.float64]  # (s, r) the active arms in these coordinates
    noise_on: int  # ON_SUMS, ON_COORDINATES or ON_MEANS
    noise_scale: float


class Plan:
    """How a policy plays one game: sizes of the active sets, and a design for each set that comes up.

    Parameters
    ----------
    sizes : sequence of int
        s_1 = K, s_2, ..., s_{M+1} = 1: active arms before each phase, and after the last.
    noise : Noise
        Kind of the noise; each design says where it goes and at which scale.
    accumulate : bool
        Whether means are over all rewards of an arm rather than those of this phase (designs of branch ALL only).
    """

    def __init__(self, sizes: Sequence[int], noise: Noise, *, accumulate: bool = False) -> None:
        self.sizes, self.noise, self.accumulate = tuple(sizes), noise, accumulate
        self._designs: dict[tuple[int, bytes], PhaseDesign] = {}

    def design(self, phase: int, active: NDArray[np.int64]) -> PhaseDesign:
        """The design of a phase 0, 1, ... for active arms, which increase."""
        raise NotImplementedError(f"{type(self).__name__} must define design()")

    def designs(self, phase: int, active: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[PhaseDesign]]:
        """Designs for many replications' active sets, shape (R, s): for each the index of its design, and the list."""
        found: list[PhaseDesign] = []
        places: dict[bytes, int] = {}
        index = np.empty(len(active), dtype=np.int64)
        for r, row in enumerate(active):
            key = row.tobytes()
            if key not in places:
                places[key] = len(found)
                if (phase, key) not in self._designs:
                    self._designs[phase, key] = self.design(phase, row)
                found.append(self._designs[phase, key])
            index[r] = places[key]
        return index, found


class EqualPulls(Plan):
    """Every active arm equally often in each phase, `pulls[p]` times; features do not matter."""

    def __init__(
        self, sizes: Sequence[int], pulls: Sequence[int], noise: Noise = NO_NOISE, *, accumulate: bool = False
    ) -> None:
        super().__init__(sizes, noise, accumulate=accumulate)
        self.pulls = tuple(pulls)

    def design(self, phase: int, active: NDArray[np.int64]) -> PhaseDesign:
        """All active arms."""
        return pull_all(active.size, active.size, self.pulls[phase], self.noise.scale)

    def designs(self, phase: int, active: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[PhaseDesign]]:
        """One design for all."""
        return np.zeros(len(active), dtype=np.int64), [self.design(phase, active[0])]


def pull_all(n_active: int, rank: int, pulls: int, noise_scale: float) -> PhaseDesign:
    """The design that pulls every active arm equally often."""
    counts = np.full(n_active, pulls, dtype=np.int64)
    nothing = np.empty((0, 0))
    return PhaseDesign(ALL, rank, np.arange(n_active), counts, nothing, nothing, ON_SUMS, noise_scale)


class Phase(NamedTuple):
    """One phase of a run, as its log tells it."""

    number: int  # 1, 2, ...
    active: NDArray[np.int64]  # (s,) arms at its start
    rank: int
    branch: str  # "all", "max-det" or "g-optimal"
    pulled: NDArray[np.int64]  # (m,) arms that were pulled
    pulls: NDArray[np.int64]  # (m,) how often
    estimates: NDArray[np.float64]  # (s,) published estimate of each active arm
    survivors: NDArray[np.int64]  # arms that stayed


def phase_log(run: Trajectory) -> tuple[Phase, ...]:
    """The phases of a run, from the arrays in its outcome.

    Examples
    --------
    >>> from bandits import SequentialHalving
    >>> from simulators import unstructured_instance
    >>> run = SequentialHalving().run(unstructured_instance(n_arms=7), 100, np.random.default_rng(0))
    >>> [(phase.active.size, int(phase.pulls[0])) for phase in phase_log(run)]
    [(7, 4), (4, 8), (2, 16)]
    """
    outcome = run.outcome
    phases = []
    for p in range(len(outcome["branch"])):
        active, pulled = np.flatnonzero(outcome["active"][p]), np.flatnonzero(outcome["phase_pulls"][p])
        phases.append(
            Phase(
                p + 1,
                active,
                int(outcome["rank"][p]),
                BRANCHES[outcome["branch"][p]],
                pulled,
                outcome["phase_pulls"][p][pulled],
                outcome["estimates"][p][active],
                np.flatnonzero(outcome["active"][p + 1]),
            )
        )
    return tuple(phases)


@description
class BestArmPolicy:
    """What all policies with a fixed budget share: one way to run."""

    def plan(self, features: NDArray[np.float64] | None, n_arms: int, budget: int) -> Plan:
        """How to play with this budget.

        Parameters
        ----------
        features : float array, shape (K, d), optional
            Feature vectors of the arms; None for arms without structure.
        n_arms : int >= 2
            K.
        budget : int >= 1
            Pulls that may be used.

        Raises
        ------
        BudgetError
            When the budget is too small.
        """
        raise NotImplementedError(f"{type(self).__name__} must define plan()")

    def spent(self) -> dict[str, float]:
        """The privacy that a run spends, for its outcome."""
        return {}

    def rewards_out_of_range(self) -> OutOfRange | None:
        """What to do with rewards outside [0, 1]; None takes them as they are."""
        return None

    def run(
        self,
        arms: Any,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        compiled: bool = True,
    ) -> Trajectory:
        """Spend the budget, and name an arm.

        Parameters
        ----------
        arms : Arms, or a distribution with ``sample(rng)`` that draws them
            The arms. ``features`` and ``sum_kernel()`` are used if they have them; where rewards must lie in [0, 1],
            or be 0 or 1, sums are drawn at once only if the arms declare that (``support``, ``binary_rewards``).
        horizon : int >= 1
            The budget: pulls that may be used. A few may remain unused.
        rng : numpy.random.Generator
            The policy's random stream: noise.
        world : numpy.random.Generator, optional
            The stream of the rewards; `rng` when omitted, which then gives the rewards of a phase before its noise.
        compiled : bool
            False runs the same functions in the Python interpreter: slow, same bits.

        Returns
        -------
        Trajectory
            ``rounds`` are the pulls used up to the end of each phase; metrics ``error``, 1 where the arm with the
            largest estimate is not a best one, and ``active_arms`` that stay. The outcome has ``arm``, ``error`` (1 or
            0), ``pulls`` (int64, shape (K,)), the privacy spent, and the arrays of the log of M phases (`phase_log`):
            ``active`` (bool, (M + 1, K)), ``phase_pulls`` (int64, (M, K)), ``estimates`` (float64, (M, K), nan for
            inactive arms), ``branch`` and ``rank`` (int64, (M,)).

        Raises
        ------
        ValueError
            When an argument is out of its range, a reward is outside [0, 1] although the policy needs that, is not 0
            or 1 although its noise is discrete, or is NaN;
            `BudgetError` for a budget that is too small.
        """
        own = check_generator(rng, type(self).__name__)
        nature = own if world is None else check_generator(world, "world")
        game = Game.of(self, realize(arms, nature), horizon, compiled=compiled)
        final, pulls, logged = play(game, 1, own, no_streams(), nature, no_streams(), log=True)
        arm = int(final[0])
        rounds = np.cumsum(logged["phase_pulls"].sum(axis=1))
        kept = np.diff(rounds, append=-1) != 0  # a phase without a pull ends with the one before
        outcome: dict[str, Any] = {"arm": arm, "error": float(game.wrong[arm]), "pulls": pulls[0]}
        outcome |= self.spent() | {name: logged[name] for name in _LOGGED}
        metrics = {
            "error": game.wrong[logged["leaders"]][kept].astype(np.float64),
            "active_arms": logged["active"][1:].sum(axis=1)[kept].astype(np.float64),
        }
        return Trajectory(rounds[kept], metrics, outcome)


class Game(NamedTuple):
    """Arms and a plan, ready to be played."""

    plan: Plan
    wrong: NDArray[np.bool_]  # (K,) arms that are not best
    params: Any
    draw_sum: Callable[..., Any]
    ranged: bool  # whether sums must fit rewards in [0, 1]
    phase: Callable[..., Any]

    @classmethod
    def of(cls, policy: BestArmPolicy, arms: Any, horizon: int, *, compiled: bool = True) -> Game:
        """Check the arms and the budget, and choose the kernels."""
        if not isinstance(policy, BestArmPolicy):
            raise ValueError(f"policy: {type(policy).__name__} is not a BestArmPolicy, one with a fixed budget")
        budget, means = whole_number(horizon, "horizon", 1), fixed_means(arms)
        features = getattr(arms, "features", None)
        if features is not None:
            features = np.ascontiguousarray(features, dtype=np.float64)
            if features.ndim != 2 or features.shape[0] != means.size or not np.isfinite(features).all():
                raise ValueError(f"features: must be a finite matrix with {means.size} rows, one an arm")
        plan = policy.plan(features, means.size, budget) if means.size > 1 else Plan([1], NO_NOISE)
        form = as_compiled if compiled else as_interpreted
        # Whole sums keep discrete noise private only if every term is whole too: clipping would not help.
        rule = "binary" if plan.noise.kind == DISCRETE_LAPLACE else policy.rewards_out_of_range()
        draw = form(arms.sum_kernel() if hasattr(arms, "sum_kernel") else _sum_of_one(form(arms.kernel())))
        # A sum drawn at once is exact in law, and much faster, but tells nothing about single rewards.
        if not (hasattr(arms, "sum_kernel") and _vouches(arms, rule)):
            draw = form(_sum_one_by_one(draw, rule))
        return cls(plan, means < means.max() - ROUNDING, arms.parameters(), draw, rule is not None, form(_play_phase))


_LOGGED = ("active", "phase_pulls", "estimates", "branch", "rank")


def play(
    game: Game,
    replications: int,
    own: np.random.Generator,
    own_streams: ReplicationStreams,
    world: np.random.Generator,
    world_streams: ReplicationStreams,
    *,
    log: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Play replications of a game phase by phase.

    Returns
    -------
    final : int64 array, shape (R,)
        The arm that each replication names.
    pulls : int64 array, shape (R, K)
        Pulls of each arm.
    logged : dict
        The log of replication 0, if asked for.
    """
    plan, n_arms = game.plan, game.wrong.size
    sizes = plan.sizes
    n_phases = len(sizes) - 1
    active = np.tile(np.arange(n_arms, dtype=np.int64), (replications, 1))
    pulls = np.zeros((replications, n_arms), dtype=np.int64)
    sums = np.zeros((replications, n_arms) if plan.accumulate else (1, 1))
    logged: dict[str, NDArray[Any]] = {
        "active": np.zeros((n_phases + 1, n_arms), dtype=bool),
        "phase_pulls": np.zeros((n_phases, n_arms), dtype=np.int64),
        "estimates": np.full((n_phases, n_arms), np.nan),
        "branch": np.zeros(n_phases, dtype=np.int64),
        "rank": np.zeros(n_phases, dtype=np.int64),
        "leaders": np.zeros(n_phases, dtype=np.int64),
    }
    for p in range(n_phases):
        estimates = np.empty((replications, active.shape[1]))
        survivors = np.empty((replications, sizes[p + 1]), dtype=np.int64)
        index, designs = plan.designs(p, active)
        order = np.argsort(index, kind="stable")
        bounds = np.searchsorted(index[order], np.arange(len(designs) + 1))
        for d, design in enumerate(designs):
            game.phase(
                *(game.draw_sum, game.params, game.ranged, design, plan.noise.kind, plan.accumulate),
                *(order[bounds[d] : bounds[d + 1]], active, pulls, sums, estimates, survivors),
                *(own, own_streams, world, world_streams),
            )
        if log:
            design, arms = designs[0], active[0]
            logged["active"][p, arms] = True
            logged["phase_pulls"][p, arms[design.pulled]] = design.counts
            logged["estimates"][p, arms] = estimates[0]
            logged["branch"][p], logged["rank"][p] = design.branch, design.rank
            logged["leaders"][p] = arms[np.argmax(estimates[0])]
        active = survivors
    if log:
        logged["active"][n_phases, active[0]] = True
    return active[:, 0], pulls, logged


def fixed_means(arms: Any) -> NDArray[np.float64]:
    """The means of arms among which there is a best one.

    Raises
    ------
    ValueError
        When the world has none, or they are no vector of finite numbers.
    """
    missing = [name for name in ("means", "parameters", "kernel") if not hasattr(arms, name)]
    hooks = arms.round_kernels() if hasattr(arms, "round_kernels") else RoundKernels()
    if missing or hooks.expected is not None or hooks.collected is not None:
        what = f"has no {missing[0]}" if missing else "has means that depend on the round"
        raise ValueError(f"arms: {type(arms).__name__} {what}; a best arm needs `means`, parameters() and kernel()")
    means = np.asarray(arms.means, dtype=np.float64)
    if means.ndim != 1 or means.size == 0 or not np.isfinite(means).all():
        raise ValueError(f"means: {arms.means!r} is not a non-empty vector of finite numbers")
    return means


def _vouches(arms: Any, rule: Rule | None) -> bool:
    """Whether the arms declare that no single reward breaks the rule."""
    if rule == "raise":
        low, high = getattr(arms, "support", (-math.inf, math.inf))
        return bool(low >= 0.0 and high <= 1.0)
    return rule is None or (rule == "binary" and getattr(arms, "binary_rewards", False) is True)


@functools.lru_cache(maxsize=256)
def _sum_of_one(pull: Callable[..., Any]) -> Callable[..., Any]:
    """A sum of a single reward, for arms that draw no sums."""

    def draw_sum(params, arm, first, count, rng):
        return pull(params, arm, rng)

    return draw_sum


@functools.lru_cache(maxsize=256)
def _sum_one_by_one(draw_one: Callable[..., Any], rule: Rule | None) -> Callable[..., Any]:
    """A function that adds single rewards, each of them a sum of one; the total is nan when one breaks the rule."""
    clip, check, binary = rule == "clip", rule == "raise", rule == "binary"

    def draw_sum(params, arm, first, count, rng):
        total = 0.0
        for i in range(count):
            reward = draw_one(params, arm, first + i, 1, rng)
            if clip:
                # What is no number stays none: comparisons with it are false.
                reward = 0.0 if reward < 0.0 else 1.0 if reward > 1.0 else reward
            elif (check and not 0.0 <= reward <= 1.0) or (binary and reward != 0.0 and reward != 1.0):
                reward = math.nan
            total += reward
        return total

    return draw_sum


@njit(nogil=True)
def _play_phase(
    draw_sum,
    params,
    ranged,
    design,
    kind,
    accumulate,
    replications,
    active,
    pulls,
    sums,
    estimates,
    survivors,
    own,
    own_streams,
    world,
    world_streams,
):
    """Play one phase of some replications that share a design."""
    n_active, n_pulled, rank = active.shape[1], design.pulled.size, design.solve.shape[0]
    drawn, theta = np.empty(n_pulled), np.empty(rank)
    for place in range(replications.size):
        r = replications[place]
        resume(world_streams, r)
        for b in range(n_pulled):
            arm, count = active[r, design.pulled[b]], design.counts[b]
            total = draw_sum(params, arm, pulls[r, arm], count, world)
            # Also false for nan.
            if not (0.0 <= total <= count * (1.0 + 1e-12) if ranged else total == total):
                if kind == DISCRETE_LAPLACE:
                    raise ValueError("rewards: one is not 0 or 1, which discrete Laplace noise needs")
                raise ValueError("rewards: one is NaN or outside [0, 1]")
            pulls[r, arm] += count
            drawn[b] = total
        suspend(world_streams, r)
        resume(own_streams, r)
        if kind != NONE and design.noise_on == ON_SUMS:
            for b in range(n_pulled):
                drawn[b] += _noise(kind, design.noise_scale, own)
        if design.branch == ALL:
            if accumulate:
                for i in range(n_active):
                    arm = active[r, i]
                    sums[r, arm] += drawn[i]
                    estimates[r, i] = sums[r, arm] / pulls[r, arm]
            else:
                for i in range(n_active):
                    estimates[r, i] = drawn[i] / design.counts[i]
        else:
            for k in range(rank):
                total = 0.0
                for b in range(n_pulled):
                    total += design.solve[k, b] * drawn[b]
                if kind != NONE and design.noise_on == ON_COORDINATES:
                    total += _noise(kind, design.noise_scale, own)
                theta[k] = total
            for i in range(n_active):
                total = 0.0
                for k in range(rank):
                    total += design.rows[i, k] * theta[k]
                if kind != NONE and design.noise_on == ON_MEANS:
                    total += _noise(kind, design.noise_scale, own)
                estimates[r, i] = total
        suspend(own_streams, r)
        _keep_best(estimates[r], active[r], survivors[r])


@njit
def _noise(kind, scale, rng):
    if kind == LAPLACE:
        return laplace(scale, rng)
    if kind == GAUSSIAN:
        return scale * rng.standard_normal()
    return discrete_laplace(1.0 / scale, rng)


@njit(cache=True)
def _keep_best(estimates, active, survivors):
    """The active arms with the largest estimates, the first of equal ones, in increasing order."""
    n, keep = estimates.size, survivors.size
    if n <= 40:
        place = 0
        for i in range(n):
            ahead = 0
            for j in range(n):
                if estimates[j] > estimates[i] or (estimates[j] == estimates[i] and j < i):
                    ahead += 1
            if ahead < keep:
                survivors[place] = active[i]
                place += 1
    else:
        least = _kth_largest(estimates.copy(), keep)
        equal = keep  # places for those as good as the last that stays
        for i in range(n):
            if estimates[i] > least:
                equal -= 1
        place = 0
        for i in range(n):
            if estimates[i] > least or (estimates[i] == least and equal > 0):
                if estimates[i] == least:
                    equal -= 1
                survivors[place] = active[i]
                place += 1


@njit(cache=True)
def _kth_largest(values, k):
    """The k-th largest of values, which are put in another order: quickselect."""
    low, high, target = 0, values.size - 1, values.size - k
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if target <= j:
            high = j
        elif target >= i:
            low = i
        else:
            low = high = target
    return values[target]
