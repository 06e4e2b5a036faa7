"""The contract of bandit policies: three functions over a state, and the loop that plays them against arms.

A policy keeps what it has learnt in a ``NamedTuple`` of arrays.

* ``init(n_arms, params)`` returns the state before the first round;
* ``select(state, params, t, rng)`` returns the arm to pull in round t = 1, 2, ...;
* ``update(state, params, t, arm, reward)`` learns from the reward.

The loop is compiled for the policy and the arms at hand; ``run(..., compiled=False)`` interprets the very same
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

__all__ = ["Arms", "CustomPolicy", "Policy", "PolicyKernels"]


class Arms(Protocol):
    """What stochastic arms must offer; any object of this shape can be played, registered or not.

    Arms whose rewards are bounded may say so by an attribute ``support``, a pair (low, high): policies whose
    guarantee needs rewards in [0, 1] refuse others.
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
    """The three functions of a policy, plain Python or compiled."""

    init: Callable[..., Any]
    select: Callable[..., Any]
    update: Callable[..., Any]


@description
class Policy:
    """What all bandit policies share: one way to run."""

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        raise NotImplementedError(f"{type(self).__name__} must define kernels()")

    def parameters(self, horizon: int) -> Any:
        """What the functions get as `params`: a number, a tuple or a named tuple of numbers and arrays."""
        return ()

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
        compiled : bool
            False runs the same functions in the Python interpreter: slow, same bits, made for debugging.

        Returns
        -------
        Trajectory
            Metric ``regret``, the pseudo-regret sum_i gap_i N_i(t); outcome ``pulls`` (int64, shape (K,)) and
            ``reward``, the sum of the rewards.

        Raises
        ------
        ValueError
            When an argument is out of its range, the arms do not fit the policy, or ``select`` returns no arm.
        """
        rounds = checkpoint_rounds(whole_number(horizon, "horizon", 1), checkpoints)
        own = check_generator(rng, type(self).__name__)
        nature = own if world is None else check_generator(world, "world")
        drawn = realize(arms, nature)
        means = np.asarray(drawn.means, dtype=np.float64)
        if means.ndim != 1 or means.size == 0 or not np.isfinite(means).all():
            raise ValueError(f"means: {drawn.means!r} is not a non-empty vector of finite numbers")
        self.check(drawn)
        kernels = self.kernels()
        form = as_compiled if compiled else as_interpreted
        curve, pulls, reward = form(_play)(
            form(kernels.init),
            form(kernels.select),
            form(kernels.update),
            self.parameters(int(horizon)),
            form(drawn.kernel()),
            drawn.parameters(),
            means.max() - means,
            rounds,
            own,
            nature,
        )
        return Trajectory(rounds, {"regret": curve}, {"pulls": pulls, "reward": float(reward)})


@description
class CustomPolicy(Policy):
    """A policy made of your own three functions, plain Python or compiled.

    Parameters
    ----------
    init, select, update : callable
        As described at the top of this module. To run compiled they must be within what Numba compiles.
    params : number, tuple or named tuple
        Handed to all three.

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

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(self.init, self.select, self.update)

    def parameters(self, horizon: int) -> Any:
        """What the functions get as `params`."""
        return self.params


def check_unit_rewards(policy: Policy, arms: Arms) -> None:
    """Raise ``ValueError`` for arms that declare rewards outside [0, 1]."""
    low, high = getattr(arms, "support", (0.0, 1.0))
    if not (low >= 0.0 and high <= 1.0):
        raise ValueError(f"arms: rewards in [{low:g}, {high:g}], but {type(policy).__name__} needs rewards in [0, 1]")


@njit(nogil=True)
def _play(init, select, update, params, pull, arms, gaps, checkpoints, rng, world):
    """Pseudo-regret at each checkpoint, shape (C,); pulls of each arm, shape (K,); sum of the rewards."""
    state = init(gaps.size, params)
    pulls = np.zeros(gaps.size, np.int64)
    curve = np.empty(checkpoints.size)
    total, played = 0.0, 0
    for c in range(checkpoints.size):
        for t in range(played + 1, checkpoints[c] + 1):
            arm = select(state, params, t, rng)
            if arm < 0 or arm >= gaps.size:
                raise ValueError("select: returned an arm outside 0..n_arms-1")
            reward = pull(arms, arm, world)
            update(state, params, t, arm, reward)
            pulls[arm] += 1
            total += reward
        played = checkpoints[c]
        regret = 0.0
        for i in range(gaps.size):
            regret += gaps[i] * pulls[i]
        curve[c] = regret
    return curve, pulls, total
