"""Weighted tallying bandits: the loss of an arm depends on how much it was used in the last rounds.

In round t the world computes the tally of the arm a that is played, the sum of ``weights[i]`` over the lags
i = 0, ..., m - 1 at which a was played (lag 0 is the present play), and pays 1 minus a random loss in [0, 1] whose
mean is that arm's curve at that tally. Before the first round nothing has been played. Where some arm, played again and
again, ends up at least as good as anything else (repeated exposure optimality, REO), a policy can compete with the
best sequence of arms; without it that is as hard as guessing m bits.

Sources: D. Malik, C. Igoe, Y. Li, A. Singh, "Weighted tallying bandits: overcoming intractability via repeated
exposure optimality", ICML 2023, arXiv:2305.02955; D. Malik, Y. Li, A. Singh, "Complete policy regret bounds for
tallying bandits", COLT 2022, arXiv:2204.11174 (the model without weights). The instances are ours, but for those that
name a source.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PlainValidator

from algos.contracts import check_generator, description, whole_number
from algos.rounds import RoundKernels
from simulators.loss_curves import MEASURED, ExponentialCurve, LossCurve, StepCurve, curves_of, mean_loss
from simulators.tallying_worlds import (
    BERNOULLI,
    BETA,
    DETERMINISTIC,
    NORMAL,
    Parameters,
    collected,
    count,
    counted,
    follow,
    losses_in_a_row,
    play_block,
    pull,
    pull_counting,
    record,
    start,
    start_counting,
)

__all__ = ["TallyingArms"]

_ROUNDING = 1e-12
_NOISES = {"bernoulli": BERNOULLI, "deterministic": DETERMINISTIC, "beta": BETA, "truncated normal": NORMAL}


def _curves_or_table(value: Any) -> Any:
    if isinstance(value, list | tuple) and value and all(isinstance(curve, LossCurve) for curve in value):
        return tuple(value)
    try:
        table = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("must be a table of losses or a list of loss curves, one an arm") from None
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"must be a table with one row an arm and one column a tally, got shape {table.shape}")
    bad = ~((table >= -_ROUNDING) & (table <= 1 + _ROUNDING))
    if bad.any():
        arm, column = (int(index) for index in np.argwhere(bad)[0])
        raise ValueError(f"the loss of arm {arm} at tally {column + 1} is {table[arm, column]}, outside [0, 1]")
    table = np.clip(table, 0.0, 1.0)
    table.flags.writeable = False
    return table


def _weights(value: Any) -> NDArray[np.float64]:
    try:
        weights = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("must be finite numbers >= 0, shape (m,) or (K, m)") from None
    if weights.ndim not in (1, 2) or weights.size == 0:
        raise ValueError(f"must be a non-empty array of shape (m,) or (K, m), got shape {weights.shape}")
    bad = ~((weights >= 0) & (weights < math.inf))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"entry {where} is {weights[where]}; every entry must be finite and >= 0")
    weights.flags.writeable = False
    return weights


@description
class TallyingArms:
    """Arms whose mean loss is a function of their weighted tally over the last m rounds; rewards are 1 - loss.

    Parameters
    ----------
    mean_losses : array of float in [0, 1], shape (K, m), or sequence of K loss curves
        Losses at tallies 1, ..., m, for weights that are all 1; or `StepCurve`, `ExponentialCurve`, `MeasuredCurve`,
        `WaveCurve` of any tally.
    weights : array of float >= 0, shape (m,) or (K, m)
        weights[0] counts the present play, weights[i] the play i rounds ago; one row an arm if they differ. Their
        number is the memory m.
    noise : {"bernoulli", "deterministic", "beta", "truncated normal"}
        How losses vary around their mean: 0 or 1; not at all; Beta(spread mean, spread (1 - mean)); normal with
        standard deviation `spread`, cut off equally far on both sides so that it stays in [0, 1] and keeps its mean.
    spread : float > 0
        Of the last two kinds of noise.
    optimum : {"repeated exposure", "exact", "none"}
        What ``policy_regret`` compares with: T times the smallest loss at a full tally, a lower bound of the best
        sequence's loss that is at most (m - 1)(1 - that loss) below it, which needs REO; the best sequence by dynamic
        programming, for small K^m T; or nothing.

    Notes
    -----
    A run reports ``policy_regret``, mean losses less those of the best sequence of arms, and
    ``constant_action_regret``, the same against the best single arm played throughout, whose tally builds up. O(1) a
    round for weights that are all 1, O(runs of equal arms among the last m rounds) otherwise.

    Raises
    ------
    ValueError
        When a loss is outside [0, 1], naming the arm and the tally; when REO does not hold, or cannot be decided,
        although `optimum` needs it.

    Examples
    --------
    >>> from bandits import UCB1
    >>> arms = TallyingArms.all_or_nothing(n_arms=5, memory=10)
    >>> run = UCB1().run(arms, horizon=1000, rng=np.random.default_rng(0))
    >>> float(run.metrics["policy_regret"][-1])  # it never plays an arm ten times in a row
    1000.0
    """

    mean_losses: Annotated[Any, PlainValidator(_curves_or_table)]
    weights: Annotated[Any, PlainValidator(_weights)]
    noise: Literal["bernoulli", "deterministic", "beta", "truncated normal"] = "bernoulli"
    spread: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 10.0
    optimum: Literal["repeated exposure", "exact", "none"] = "repeated exposure"

    support: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Smallest and largest reward."""

    def __post_init__(self) -> None:
        table = isinstance(self.mean_losses, np.ndarray)
        if self.weights.ndim == 2 and len(self.weights) != len(self.mean_losses):
            raise ValueError(f"weights: has {len(self.weights)} rows for {len(self.mean_losses)} arms")
        if table and not (self.weights == 1).all():
            raise ValueError("weights: a table of losses needs weights that are all 1; use loss curves")
        if table and self.mean_losses.shape[1] != self.memory:
            raise ValueError(f"mean_losses: has {self.mean_losses.shape[1]} columns for a memory of {self.memory}")
        curves = curves_of(self.mean_losses if table else list(self.mean_losses))
        rows = np.broadcast_to(self.weights, (self.n_arms, self.memory))
        # In the order in which kernels add them up: a full tally has the same bits everywhere.
        prefix = np.concatenate([np.zeros((self.n_arms, 1)), np.cumsum(rows, axis=1)], axis=1)
        in_a_row = losses_in_a_row(curves, prefix)
        made = Parameters(curves, prefix, in_a_row, _NOISES[self.noise], self.spread)
        object.__setattr__(self, "_made", made)  # what follows from the fields: runs by blocks are faster than this
        bad = ~((in_a_row >= -_ROUNDING) & (in_a_row <= 1 + _ROUNDING))
        if bad.any():
            arm, j = (int(index) for index in np.argwhere(bad)[0])
            raise ValueError(
                f"mean_losses: the loss of arm {arm} at tally {prefix[arm, j + 1]:g} is {in_a_row[arm, j]}, "
                "outside [0, 1]"
            )
        if self.optimum == "repeated exposure" and not self.reo_arms():
            raise ValueError(
                f"optimum: no arm is optimal under repeated exposure (the best falls {self.reo_slack():.3g} short); "
                "choose 'exact' or 'none'"
            )

    @classmethod
    def all_or_nothing(cls, n_arms: int, memory: int, good: int = 0) -> TallyingArms:
        """Every loss is 1, but for one arm at a full tally, where it is 0; nothing is random (Malik et al. 2022).

        Parameters
        ----------
        n_arms : int >= 1
            K.
        memory : int >= 1
            m; all weights are 1.
        good : int in 0..K-1
            The arm.
        """
        k, m = whole_number(n_arms, "n_arms", 1), whole_number(memory, "memory", 1)
        table = np.ones((k, m))
        table[_arm(good, k), -1] = 0.0
        return cls(table, np.ones(m), noise="deterministic")

    @classmethod
    def stationary(cls, n_arms: int, memory: int, gap: float = 0.1, base: float = 0.5) -> TallyingArms:
        """Losses that do not depend on tallies: `base`, and `gap` less for arm 0."""
        k, m = whole_number(n_arms, "n_arms", 1), whole_number(memory, "memory", 1)
        losses = np.full((k, m), float(base))
        losses[0] = base - gap
        return cls(losses, np.ones(m))

    @classmethod
    def practice(cls, n_arms: int, weights: ArrayLike, rng: np.random.Generator) -> TallyingArms:
        """Losses that fall with practice from 1: to 0.1 for arm 0, to limits uniform on (0.3, 0.9) for the others.

        Parameters
        ----------
        n_arms : int >= 1
            K.
        weights : array of float >= 0, shape (m,)
            Their sum is the full tally W; the scale is W/4 for arm 0 and W/3 for the others.
        rng : numpy.random.Generator
            Draws the limits.
        """
        k, full = whole_number(n_arms, "n_arms", 1), float(_full(_weights(weights)[None])[0])
        limits = 0.3 + 0.6 * check_generator(rng, "practice").random(k - 1)
        others = [ExponentialCurve(1.0, float(limit), full / 3) for limit in limits]
        return cls([ExponentialCurve(1.0, 0.1, full / 4), *others], weights)

    @classmethod
    def decoy(cls, n_arms: int, weights: ArrayLike, good: float = 0.2) -> TallyingArms:
        """Arm 0 has loss 1 until its tally is full, then `good`; the others lure with 0.35 up to half a full tally,
        and then have 0.9.
        """  # noqa: D205
        k, full = whole_number(n_arms, "n_arms", 1), float(_full(_weights(weights)[None])[0])
        best = StepCurve(1.0, good, full - 1e-9 * max(1.0, full))
        return cls([best, *[StepCurve(0.35, 0.9, full / 2)] * (k - 1)], weights)

    @classmethod
    def satiation(cls, n_arms: int, memory: int, rng: np.random.Generator) -> TallyingArms:
        """Losses that rise with use: from below 0.3 to limits above 0.5. REO does not hold: variety pays."""
        k, m = whole_number(n_arms, "n_arms", 1), whole_number(memory, "memory", 2)
        draws = check_generator(rng, "satiation").random((k, 2))
        curves = [ExponentialCurve(0.3 * float(a), 0.5 + 0.5 * float(b), m / 3) for a, b in draws]
        return cls(curves, np.ones(m), optimum="exact" if k**m <= 10_000 else "none")

    @classmethod
    def habituation(cls, n_arms: int, memory: int, rng: np.random.Generator, forgetting: float = 0.95) -> TallyingArms:
        """Losses that fall with use from above 0.6 to limits below 0.5, with weights forgetting^i: REO holds."""
        k, m = whole_number(n_arms, "n_arms", 1), whole_number(memory, "memory", 1)
        if not 0 < forgetting <= 1:
            raise ValueError(f"forgetting: {forgetting!r} is outside (0, 1]")
        weights = np.cumprod(np.r_[1.0, np.full(m - 1, forgetting)])
        draws = check_generator(rng, "habituation").random((k, 2))
        curves = [ExponentialCurve(0.6 + 0.4 * float(a), 0.5 * float(b), weights.sum() / 4) for a, b in draws]
        return cls(curves, weights)

    @classmethod
    def random_table(cls, n_arms: int, memory: int, rng: np.random.Generator, *, reo: bool = True) -> TallyingArms:
        """Losses uniform on (0, 1) at each tally; with `reo` one arm gets the smallest of all at its full tally."""
        k, m = whole_number(n_arms, "n_arms", 1), whole_number(memory, "memory", 1)
        table = check_generator(rng, "random_table").random((k, m))
        if reo:
            table[int(rng.random() * k), -1] = table.min()
        return cls(table, np.ones(m), optimum="repeated exposure" if reo else "exact")

    @classmethod
    def needle(cls, pattern: Sequence[int]) -> TallyingArms:
        """Two arms with weights 2^i: the only loss below 1 is 0, for arm 0, when it was played at exactly these lags.

        Any policy needs about 2^(m - 1) trials: without REO the best sequence cannot be learnt. arXiv:2305.02955 states
        it; the construction follows that of the unweighted case.

        Parameters
        ----------
        pattern : sequence of 0 and 1, length m - 1 in 1..20
            Whether arm 0 was played 1, ..., m - 1 rounds ago.
        """
        bits = [int(bit) for bit in pattern]
        if not 1 <= len(bits) <= 20 or any(bit not in (0, 1) for bit in bits):
            raise ValueError(f"pattern: {pattern!r} is not a sequence of 1 to 20 zeros and ones")
        weights = 2.0 ** np.arange(len(bits) + 1)
        key = 1.0 + float(np.dot(bits, weights[1:]))
        curve = _Needle(key)
        optimum: Any = "exact" if len(bits) <= 12 else "none"
        return cls([curve, StepCurve(1.0, 1.0)], weights, noise="deterministic", optimum=optimum)

    @classmethod
    def alternation(cls) -> TallyingArms:
        """Two arms, memory 2: a loss of 1 for repeating an arm and 0 for changing (Malik et al. 2022)."""
        return cls([[0.0, 1.0], [0.0, 1.0]], np.ones(2), noise="deterministic", optimum="exact")

    @classmethod
    def unknown_memory(cls, n_arms: int, memory: int, good: int | None = None) -> TallyingArms:
        """Arm 0 has loss 1/2 and the others 1, but for `good`, one of these, with loss 0 at a full tally of `memory`.

        Without `good` the memory is 1. What is safe for every memory pays for the largest (`unknown_memory_bound`).
        """
        k, m = whole_number(n_arms, "n_arms", 1), whole_number(memory, "memory", 1)
        losses = np.ones((k, 1 if good is None else m))
        losses[0] = 0.5
        if good is not None:
            losses[_arm(good, k), -1] = 0.0
        return cls(losses, np.ones(losses.shape[1]), noise="deterministic")

    @property
    def n_arms(self) -> int:
        """Number of arms, K."""
        return len(self.mean_losses)

    @property
    def memory(self) -> int:
        """Number of weights, m."""
        return int(self.weights.shape[-1])

    @property
    def memories(self) -> NDArray[np.int64]:
        """How many rounds matter to each arm, shape (K,): up to its last weight above 0."""
        rows = np.broadcast_to(self.weights, (self.n_arms, self.memory)) > 0
        return np.where(rows.any(axis=1), self.memory - np.argmax(rows[:, ::-1], axis=1), 1)

    @property
    def full_tallies(self) -> NDArray[np.float64]:
        """Tally of each arm after m plays in a row, shape (K,)."""
        return np.asarray(self.parameters().prefix[:, -1])

    @property
    def full_losses(self) -> NDArray[np.float64]:
        """Mean loss of each arm at its full tally, shape (K,)."""
        return np.asarray(self.parameters().in_a_row[:, -1])

    @property
    def binary_rewards(self) -> bool:
        """Whether every reward is 0 or 1."""
        return self.noise == "bernoulli"

    def loss(self, arm: int, tally: float) -> float:
        """Mean loss of an arm at a tally."""
        return float(mean_loss(self.parameters().curves, _arm(arm, self.n_arms), float(tally)))

    def losses_of(self, actions: ArrayLike) -> NDArray[np.float64]:
        """Mean loss in each round of a sequence of arms, shape (T,). O(T) for weights that are all 1."""
        played = np.asarray(actions)
        if played.ndim != 1 or (played.size and played.dtype.kind not in "iu"):
            raise ValueError(f"actions: {actions!r} is not a vector of arms")
        if played.size and not 0 <= played.min() <= played.max() < self.n_arms:
            raise ValueError(f"actions: an arm is outside 0..{self.n_arms - 1}")
        kernels = (start_counting, counted, count) if self._unit() else (start, collected, record)
        return np.asarray(follow(*kernels[1:], kernels[0](self.parameters(), None), played.astype(np.int64)))

    def reo_arms(self, tolerance: float = _ROUNDING) -> list[int]:
        """Arms whose loss at a full tally is within `tolerance` of the smallest loss of any arm at any tally.

        Raises
        ------
        ValueError
            When that would have to look at more than 2^22 tallies, and no bound on the curve decides it.
        """
        from simulators.tallying_optimum import reo_arms

        return reo_arms(self, tolerance)

    def reo_slack(self) -> float:
        """By how much the best loss at a full tally exceeds the smallest loss of any arm at any tally; 0 under REO."""
        from simulators.tallying_optimum import reo_slack

        return reo_slack(self)

    def benchmarks(self, rounds: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Largest mean reward that can be had up to each of these rounds, by the name of the regret against it."""
        from simulators.tallying_optimum import optimal_losses

        names: dict[str, Any] = {}
        if self.optimum == "exact":
            names["policy_regret"] = rounds - optimal_losses(self, int(rounds[-1]))[rounds - 1]
        elif self.optimum == "repeated exposure":
            names["policy_regret"] = rounds * (1.0 - float(self.full_losses.min()))
        names["constant_action_regret"] = rounds - self.constant_losses(rounds).min(axis=0)
        return names

    def constant_losses(self, rounds: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean loss up to each round of playing one arm throughout, shape (K, C)."""
        built = np.cumsum(self.parameters().in_a_row, axis=1)
        building = np.c_[np.zeros(self.n_arms), built][:, np.minimum(rounds, self.memory - 1)]
        return np.asarray(building + np.maximum(0, rounds - (self.memory - 1)) * self.full_losses[:, None])

    def parameters(self) -> Parameters:
        """What the kernels read."""
        made: Parameters = getattr(self, "_made")  # noqa: B009
        return made

    def kernel(self) -> Callable[..., Any]:
        """Play an arm: ``pull(world, arm, rng)``, 1 less the loss."""
        return pull_counting if self._unit() else pull

    def round_kernels(self) -> RoundKernels:
        """Rewards depend on the arms played before."""
        if self._unit():
            return RoundKernels(start=start_counting, collected=counted)
        return RoundKernels(start=start, collected=collected)

    def block_kernel(self) -> Callable[..., Any]:
        """Play an arm many times in a row, of which nothing else is in memory: see `bandits.TallyingElimination`."""
        return play_block

    def _unit(self) -> bool:
        return bool((self.weights == 1).all())


@description
class _Needle(LossCurve):
    """Loss 0 at one tally, a whole number, and 1 elsewhere."""

    key: float

    kind: ClassVar[int] = MEASURED
    monotone: ClassVar[bool] = False

    def numbers(self) -> tuple[float, ...]:
        """None."""
        return ()

    def grid(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A dip of width 1: tallies are whole numbers."""
        return self.key + np.array([-0.5, 0.0, 0.5]), np.array([1.0, 0.0, 1.0])

    def lowest(self, low: float, high: float) -> float:
        """0."""
        return 0.0


def _arm(value: int, n_arms: int) -> int:
    arm = whole_number(value, "arm", 0)
    if arm >= n_arms:
        raise ValueError(f"arm: {arm} is outside 0..{n_arms - 1}")
    return arm


def _full(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.cumsum(np.atleast_2d(rows), axis=1)[:, -1]
