"""The contract of bandit policies: three functions over a state, and the loops that play them against a world.

A policy keeps what it has learnt in a ``NamedTuple`` of arrays.

* ``init(n_arms, params)`` returns the state before the first round;
* ``select(state, params, t, rng)`` returns the arm to pull in round t = 1, 2, ...;
* ``update(state, params, t, arm, reward)`` learns the reward of the arm pulled in round t.

Three more are optional:

* ``observe(state, params, t, context)`` is shown the round's context before ``select``, where the world has contexts;
* ``recall(state)`` returns a float64 vector that ``select`` has written and ``update`` reads, say the probability of
  the arm drawn. Needed where rewards come late: the loop keeps the vector of each round, and writes it back before the
  reward of that round is learnt;
* ``summary(state)`` returns a named tuple of numbers and arrays that are added to the run's outcome.

A world offers the means of its arms and ``pull(params, arm, rng)``; `Arms` says how. Where more than that is at work,
it names optional functions of its own, `algos.rounds.RoundKernels`: a state, rewards that depend on the round,
contexts, experts. What regret compares with follows from the world:

============================================  ======================================================================
the world's                                   metrics of a run: the sum of mean rewards less what the policy got of it
============================================  ======================================================================
constant ``means``                            ``regret``, against the arm with the best mean (pseudo-regret)
``expected`` (rewards depend on the round)    ``regret``, against the best fixed arm in hindsight, and
                                              ``dynamic_regret``, against the best arm of each round
``expected`` and ``rival``                    ``regret``, against the best rival in hindsight, and ``dynamic_regret``
``expected`` and ``context``                  ``regret``, against the best arm of each round
``collected``                                 those that the world's ``benchmarks`` name (say, ``policy_regret``)
============================================  ======================================================================

Where rewards are fixed in advance, the mean reward is the reward itself. In hindsight means: up to the checkpoint.

The loop is compiled for the policy and the world at hand; ``run(..., compiled=False)`` interprets the very same
functions, drawing the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from algos.contracts import Trajectory, check_generator, checkpoint_rounds, description, realize, whole_number
from algos.kernels import compiled as as_compiled
from algos.kernels import interpreted as as_interpreted
from algos.rounds import RoundKernels

__all__ = ["Arms", "CustomPolicy", "Policy", "PolicyKernels"]


class Arms(Protocol):
    """What stochastic arms must offer; any object of this shape can be played, registered or not.

    A world may say more about itself by further attributes:

    * ``support``, a pair (low, high) that bounds the rewards: policies whose guarantee needs rewards in [0, 1] refuse
      others;
    * ``round_kernels()``, its `algos.rounds.RoundKernels`. If ``expected`` is among them, ``n_arms`` takes the place
      of `means`; if ``rival`` is, ``n_rivals`` is their number;
    * ``n_rounds``, how many rounds it lasts, where that is limited;
    * ``delay``, after how many further rounds a reward is seen (0 when omitted): that of round t is learnt at the end
      of round t + delay;
    * ``features``, one vector an arm, shape (K, d), where rewards are linear in them;
    * ``sum_kernel()``, the function ``draw_sum(params, arm, first, count, rng)`` that draws the sum of an arm's rewards
      first, ..., first + count - 1, each arm's being numbered from 0: best-arm policies draw these instead;
    * ``binary_rewards``, True if every reward is 0 or 1: what discrete noise needs.
    """

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean reward of each arm, shape (K,)."""
        ...

    def parameters(self) -> Any:
        """What `pull` gets as `params`: a tuple or named tuple of numbers and arrays."""
        ...

    def kernel(self) -> Callable[..., Any]:
        """The function ``pull(params, arm, rng)`` that draws one reward, plain Python or compiled."""
        ...


class PolicyKernels(NamedTuple):
    """The functions of a policy, plain Python or compiled; all but the first three may be missing."""

    init: Callable[..., Any]
    select: Callable[..., Any]
    update: Callable[..., Any]
    observe: Callable[..., Any] | None = None
    recall: Callable[..., Any] | None = None
    summary: Callable[..., Any] | None = None

    def in_form(self, form: Callable[..., Any]) -> PolicyKernels:
        """The functions in one form, `algos.kernels.compiled` or `algos.kernels.interpreted`."""
        return PolicyKernels._make(None if kernel is None else form(kernel) for kernel in self)


@description
class Policy:
    """What all bandit policies share: one way to run."""

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        raise NotImplementedError(f"{type(self).__name__} must define kernels()")

    def parameters(self, horizon: int) -> Any:
        """What the functions get as `params`: a number, a tuple or a named tuple of numbers and arrays."""
        return ()

    def parameters_for(self, arms: Any, horizon: int) -> Any:
        """What the functions get as `params` for these arms, where that depends on them."""
        return self.parameters(horizon)

    def unit_rewards(self) -> bool:
        """Whether rewards must lie in [0, 1]: a run refuses worlds that declare others, and such rewards."""
        return False

    def check(self, arms: Arms) -> None:
        """Raise ``ValueError`` for arms that the policy cannot play."""

    def run(
        self,
        arms: Arms | Any,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
        realised: bool = False,
        compiled: bool = True,
    ) -> Trajectory:
        """Play for `horizon` rounds.

        Parameters
        ----------
        arms : Arms, or a simulator with ``sample(rng)`` that draws them
            The arms.
        horizon : int >= 1
            Rounds to play.
        rng : numpy.random.Generator
            The policy's random stream.
        world : numpy.random.Generator, optional
            The stream of the rewards; `rng` when omitted. Policies that get equal `world` streams meet the same
            random numbers round by round.
        checkpoints : array of int, optional
            Rounds at which the regret is recorded; at most 200 logarithmically spaced ones when omitted.
        realised : bool
            True adds the metric ``realised_regret`` (and so on for others): what ``regret`` compares with less the
            rewards themselves, in place of their means. It has the same expectation and a much larger variance.
        compiled : bool
            False runs the same functions in the Python interpreter: slow, same bits, made for debugging.

        Returns
        -------
        Trajectory
            Metric ``regret``: of arms with constant means the pseudo-regret sum_i gap_i N_i(t); of other worlds as the
            table at the top of this module says, with ``dynamic_regret`` beside it where it differs. Outcome ``pulls``
            (int64, shape (K,)) and ``reward``, the sum of the rewards.

        Raises
        ------
        ValueError
            When an argument is out of its range, the arms do not fit the policy, ``select`` returns no arm, or a reward
            is NaN, or outside [0, 1] although the policy needs that.
        """
        rounds = checkpoint_rounds(whole_number(horizon, "horizon", 1), checkpoints)
        own = check_generator(rng, type(self).__name__)
        nature = own if world is None else check_generator(world, "world")
        drawn = realize(arms, nature)
        hooks = drawn.round_kernels() if hasattr(drawn, "round_kernels") else RoundKernels()
        gaps, best_mean = _gaps(drawn, hooks)
        n_rounds, delay = getattr(drawn, "n_rounds", None), whole_number(getattr(drawn, "delay", 0), "delay", 0)
        if n_rounds is not None and horizon > n_rounds:
            raise ValueError(f"horizon: {horizon} is more than the {n_rounds} rounds that the world lasts")
        low, high = (0.0, 1.0) if self.unit_rewards() else (-np.inf, np.inf)
        if self.unit_rewards():
            check_unit_rewards(self, drawn)
        self.check(drawn)
        form = as_compiled if compiled else as_interpreted
        kernels, hooks = self.kernels().in_form(form), hooks.in_form(form)
        policy = (*kernels[:3], kernels.summary, self.parameters_for(drawn, int(horizon)))
        payment = (form(drawn.kernel()), drawn.parameters(), low, high)
        metrics: dict[str, NDArray[np.float64]]
        if delay == 0 and not any(hooks):
            regret, earned, pulls, summary = form(_play)(*policy, *payment, gaps, rounds, own, nature)
            metrics, compared = {"regret": regret}, rounds * best_mean
        else:
            if hooks.start is None:
                hooks = hooks._replace(start=form(_start_as_given))
            n_rivals = gaps.size if hooks.rival is None else whole_number(drawn.n_rivals, "n_rivals", 1)
            extra = (kernels.observe, kernels.recall, *hooks)
            ring = np.zeros(min(delay, int(horizon)) + 1, dtype=np.int64)  # arms whose rewards are not seen yet
            sums, regret, pulls, summary = form(_play_rounds)(
                *policy, *extra, *payment, gaps, n_rivals, ring, rounds, own, nature
            )
            fixed, dynamic, mean, earned = sums
            if hooks.collected is not None:
                return against_benchmarks(drawn, rounds, mean, earned, pulls, summary, realised)
            if hooks.expected is None:
                metrics, compared = {"regret": regret}, rounds * best_mean
            elif hooks.context is not None and hooks.rival is None:
                metrics, compared = {"regret": dynamic - mean}, dynamic
            else:
                metrics, compared = {"regret": fixed - mean, "dynamic_regret": dynamic - mean}, fixed
        if realised:
            metrics["realised_regret"] = compared - earned
        outcome = {"pulls": pulls, "reward": float(earned[-1])} | ({} if summary is None else summary._asdict())
        return Trajectory(rounds, metrics, outcome)


@description
class CustomPolicy(Policy):
    """A policy made of your own three functions, plain Python or compiled.

    Parameters
    ----------
    init, select, update : callable
        As described at the top of this module. To run compiled they must be within what Numba compiles.
    params : number, tuple or named tuple
        Handed to them.
    observe, recall : callable, optional
        As described at the top of this module: for worlds with contexts, and for delayed rewards.

    Examples
    --------
    Always the arm with the best mean so far:

    >>> import numpy as np
    >>> from simulators import BernoulliArms
    >>> def init(n_arms, params):
    ...     return np.zeros((n_arms, 2))  # pulls and reward of each arm
    >>> def select(state, params, t, rng):
    ...     return t - 1 if t <= len(state) else np.argmax(state[:, 1] / state[:, 0])
    >>> def update(state, params, t, arm, reward):
    ...     state[arm, 0] += 1
    ...     state[arm, 1] += reward
    >>> greedy = CustomPolicy(init, select, update)
    >>> played = greedy.run(BernoulliArms([0.4, 0.6]), horizon=1000, rng=np.random.default_rng(1))
    >>> int(played.outcome["pulls"].sum())
    1000
    """

    init: Callable[..., Any]
    select: Callable[..., Any]
    update: Callable[..., Any]
    params: Any = ()
    observe: Callable[..., Any] | None = None
    recall: Callable[..., Any] | None = None

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(self.init, self.select, self.update, self.observe, self.recall)

    def parameters(self, horizon: int) -> Any:
        """What the functions get as `params`."""
        return self.params


def check_unit_rewards(policy: Policy, arms: Arms) -> None:
    """Raise ``ValueError`` for arms that declare rewards outside [0, 1]."""
    low, high = getattr(arms, "support", (0.0, 1.0))
    if not (low >= 0.0 and high <= 1.0):
        raise ValueError(f"arms: rewards in [{low:g}, {high:g}], but {type(policy).__name__} needs rewards in [0, 1]")


def _gaps(arms: Any, hooks: RoundKernels) -> tuple[NDArray[np.float64], float]:
    """Best mean less each arm's mean, shape (K,), and the best mean; zeros where means differ from round to round."""
    if hooks.expected is not None or hooks.collected is not None:
        return np.zeros(whole_number(arms.n_arms, "n_arms", 1)), 0.0
    if hooks.rival is not None:
        raise ValueError("round_kernels: rival without expected, which the regret against rivals needs")
    means = np.asarray(arms.means, dtype=np.float64)
    if means.ndim != 1 or means.size == 0 or not np.isfinite(means).all():
        raise ValueError(f"means: {arms.means!r} is not a non-empty vector of finite numbers")
    return means.max() - means, float(means.max())


def against_benchmarks(
    arms: Any,
    rounds: NDArray[np.int64],
    collected: NDArray[np.float64],
    earned: NDArray[np.float64],
    pulls: NDArray[np.int64],
    summary: Any,
    realised: bool,
) -> Trajectory:
    """A run in a world that says itself what regret compares with."""
    compared = arms.benchmarks(rounds)
    metrics = {name: best - collected for name, best in compared.items()}
    if realised:
        metrics |= {f"realised_{name}": best - earned for name, best in compared.items()}
    outcome = {"pulls": pulls, "reward": float(earned[-1])} | ({} if summary is None else summary._asdict())
    return Trajectory(rounds, metrics, outcome)


@njit(cache=True, forceinline=True)
def _start_as_given(params, rng):
    return params


@njit(nogil=True)
def _play(init, select, update, summary, params, pull, arms, low, high, gaps, checkpoints, rng, world):
    """Arms with constant means: pseudo-regret and sum of the rewards at each checkpoint, both (C,); pulls, (K,)."""
    state = init(gaps.size, params)
    pulls = np.zeros(gaps.size, np.int64)
    curve, earned = np.empty(checkpoints.size), np.empty(checkpoints.size)
    total, played = 0.0, 0
    for c in range(checkpoints.size):
        for t in range(played + 1, checkpoints[c] + 1):
            arm = select(state, params, t, rng)
            if arm < 0 or arm >= gaps.size:
                raise ValueError("select: returned an arm outside 0..n_arms-1")
            reward = pull(arms, arm, world)
            if not low <= reward <= high:
                raise ValueError("pull: paid NaN, or a reward outside [0, 1], which the policy needs")
            update(state, params, t, arm, reward)
            pulls[arm] += 1
            total += reward
        played = checkpoints[c]
        regret = 0.0
        for i in range(gaps.size):
            regret += gaps[i] * pulls[i]
        curve[c], earned[c] = regret, total
    return curve, earned, pulls, None if summary is None else summary(state)


@njit(nogil=True)
def _play_rounds(
    init, select, update, summary, params, observe, recall, start, advance, context, expected, rival, collected, pull,
    arms, low, high, gaps, n_rivals, late_arms, checkpoints, rng, world
):  # fmt: skip
    """Any world. Sums at each checkpoint, (4, C), the pseudo-regret of constant means, (C,), and the pulls, (K,).

    The sums are the mean rewards of the best rival, of the best arm of each round, and of the arms played, and the
    rewards. `late_arms` has one place more than the delay has rounds: a round's arm waits there for its reward.
    """
    n_arms, wait = gaps.size, late_arms.size
    state = init(n_arms, params)
    nature = start(arms, world)
    pulls = np.zeros(n_arms, np.int64)
    sums, curve = np.zeros((4, checkpoints.size)), np.empty(checkpoints.size)
    rivals = np.zeros(n_rivals)
    late_rewards = np.empty(wait)
    late_notes = np.empty((wait, 0 if recall is None else recall(state).size))
    best_means, means, total, played = 0.0, 0.0, 0.0, 0
    for c in range(checkpoints.size):
        for t in range(played + 1, checkpoints[c] + 1):
            if advance is not None:
                advance(nature, t, world)
            if observe is not None and context is not None:
                observe(state, params, t, context(nature))
            arm = select(state, params, t, rng)
            if arm < 0 or arm >= n_arms:
                raise ValueError("select: returned an arm outside 0..n_arms-1")
            if expected is not None:
                best = -np.inf
                for i in range(n_arms):
                    mean = expected(nature, i)
                    best = max(best, mean)
                    if rival is None:
                        rivals[i] += mean
                best_means += best
                means += expected(nature, arm)
            if collected is not None:
                means += collected(nature, arm)
            if rival is not None:
                for i in range(n_rivals):
                    rivals[i] += rival(nature, i)
            reward = pull(nature, arm, world)
            if reward != reward:
                raise ValueError("pull: paid NaN; a table or a log may have no reward left for the arm")
            if not low <= reward <= high:
                raise ValueError("pull: paid a reward outside [0, 1], which the policy needs")
            pulls[arm] += 1
            total += reward
            at = t % wait
            late_arms[at], late_rewards[at] = arm, reward
            if recall is not None:
                late_notes[at] = recall(state)
            if t >= wait:
                seen = t - wait + 1
                at = seen % wait
                if recall is not None and wait > 1:
                    recall(state)[:] = late_notes[at]
                update(state, params, seen, late_arms[at], late_rewards[at])
        played = checkpoints[c]
        regret = 0.0
        for i in range(n_arms):
            regret += gaps[i] * pulls[i]
        curve[c] = regret
        sums[0, c], sums[1, c], sums[2, c], sums[3, c] = rivals.max(), best_means, means, total
    return sums, curve, pulls, None if summary is None else summary(state)
