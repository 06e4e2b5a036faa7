"""Rewards that depend on the round: chosen by an adversary in advance, or drawn from means that change.

A run reports ``regret`` against the best fixed arm in hindsight and ``dynamic_regret`` against the best arm of each
round; both are of mean rewards, which are the rewards themselves where nothing is random.

Sources: P. Auer, N. Cesa-Bianchi, Y. Freund, R. E. Schapire, "The nonstochastic multiarmed bandit problem", 2002
(oblivious adversaries); J. Zimmert and Y. Seldin, "Tsallis-INF: an optimal algorithm for stochastic and adversarial
bandits", 2021, Section 6 (the stochastically constrained adversary); A. Garivier and E. Moulines, "On upper-confidence
bound policies for switching bandit problems", 2011 (piecewise-stationary arms).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, ValidationInfo

from algos.arrays import FiniteMatrix, ProbabilityMatrix
from algos.contracts import Count, Natural, Probability, description
from algos.kernels import hold
from algos.rounds import RoundKernels
from simulators.reward_files import TableFormat, read_rewards

__all__ = ["AdversarialRewards", "PiecewiseStationaryArms", "StochasticallyConstrainedArms", "SwitchingRewards"]

_FOREVER = 2**53  # more rounds than any run has


def _one_of_the_arms(arm: int, info: ValidationInfo) -> int:
    if "n_arms" in info.data and arm >= info.data["n_arms"]:
        raise ValueError(f"must be one of the arms 0..{info.data['n_arms'] - 1}")
    return arm


def _between_segments(rounds: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
    if "means" in info.data and len(rounds) != len(info.data["means"]) - 1:
        raise ValueError(f"must be {len(info.data['means']) - 1} rounds, one fewer than the segments")
    if any(later <= earlier for earlier, later in zip((1, *rounds), rounds, strict=False)):
        raise ValueError("must increase strictly, from 2 at least")
    if rounds and rounds[-1] > _FOREVER:
        raise ValueError(f"must not be above {_FOREVER}")
    return rounds


class _Table(NamedTuple):
    rewards: np.ndarray  # (T, K) float64
    row: np.ndarray  # (1,) int64, the round's row


@description
class AdversarialRewards:
    """Rewards fixed in advance: arm i pays ``rewards[t - 1, i]`` in round t, whatever was played before.

    This is an oblivious adversary, and also the way to replay your own table of rewards (`from_file`).

    Parameters
    ----------
    rewards : array of float, shape (T, K)
        The reward of each arm in each round.

    Examples
    --------
    >>> import numpy as np
    >>> from bandits import Exp3
    >>> world = AdversarialRewards([[1, 0], [0, 1], [1, 0], [1, 1]])
    >>> run = Exp3().run(world, horizon=4, rng=np.random.default_rng(0))
    >>> float(run.outcome["reward"] + run.metrics["regret"][-1])  # what the best fixed arm collects
    3.0
    """

    rewards: FiniteMatrix

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        columns: list[str] | None = None,
        header: bool | None = None,
        delimiter: str = ",",
        format: TableFormat | None = None,
    ) -> AdversarialRewards:
        """Read a table of rewards: one line a round, one column an arm.

        Parameters
        ----------
        path : str or Path
            CSV, or Parquet by the ending ``.parquet`` or ``.pq``.
        columns : list of str, optional
            Names of the arms' columns, in the order of the arms; all columns when omitted.
        header : bool, optional
            Whether the first line of a CSV file is a header. When omitted: it is one if none of its fields is a number.
        delimiter : str
            Between the columns of a CSV file.
        format : {"csv", "parquet"}, optional
            Overrides what the file's name says.

        Raises
        ------
        ValueError
            Names the file, and the line and column of the first value that is no finite number.
        OSError
            When the file cannot be opened.
        """
        _, rewards = read_rewards(path, columns=columns, header=header, delimiter=delimiter, format=format)
        return cls(rewards)

    @property
    def n_arms(self) -> int:
        """Number of arms."""
        return int(self.rewards.shape[1])

    @property
    def n_rounds(self) -> int:
        """Rounds in the table."""
        return len(self.rewards)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest reward."""
        return float(self.rewards.min()), float(self.rewards.max())

    def parameters(self) -> tuple[NDArray[np.float64]]:
        """The table."""
        return (self.rewards,)

    def kernel(self) -> Callable[..., Any]:
        """The reward of an arm in this round; nothing is drawn."""
        return _pay_from_table

    def round_kernels(self) -> RoundKernels:
        """Rewards depend on the round."""
        return RoundKernels(start=_open_table, advance=_next_row, expected=_in_table)


class _Switching(NamedTuple):
    n_arms: int
    period: int
    high: float
    low: float
    best: np.ndarray  # (1,) int64, the best arm of this round


@description
class SwitchingRewards:
    """A sequence that switches: one arm pays `high`, all others `low`, and every `period` rounds it is the next one.

    Nothing is random. Over K * period rounds all arms are alike, so that ``regret`` says little and ``dynamic_regret``
    a lot; with a period near the horizon it is the other way round.

    Parameters
    ----------
    n_arms : int >= 1
        Number of arms.
    period : int >= 1
        Rounds between two switches.
    high, low : float in [0, 1]
        What the good arm and the others pay.
    """

    n_arms: Count
    period: Count
    high: Probability = 1.0
    low: Probability = 0.0

    support: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Bounds of the rewards."""

    def parameters(self) -> _Switching:
        """The fields, and the place of the best arm."""
        return _Switching(self.n_arms, min(self.period, _FOREVER), self.high, self.low, np.zeros(1, dtype=np.int64))

    def kernel(self) -> Callable[..., Any]:
        """The reward of an arm in this round; nothing is drawn."""
        return _pay_switching

    def round_kernels(self) -> RoundKernels:
        """Rewards depend on the round."""
        return RoundKernels(advance=_switch, expected=_switching)


class _Constrained(NamedTuple):
    gap: float
    growth: float
    best_arm: int
    length: np.ndarray  # (1,) float64, length of this phase
    phase: np.ndarray  # (2,) int64: number of this phase, counted from 1, and its last round


@description
class StochasticallyConstrainedArms:
    """Bernoulli arms whose means change together, while the best arm stays better by the same gap.

    The mean reward of the best arm and of the others alternates between (1, 1 - gap) and (gap, 0), in phases of
    floor(growth^k) rounds, k = 1, 2, ... Algorithms for stochastic arms are lost here, although the best arm never
    changes: what an arm paid long ago says nothing of what it pays now.

    Parameters
    ----------
    n_arms : int >= 1
        Number of arms.
    gap : float in [0, 1]
        By how much the best arm is better, always.
    best_arm : int in 0..n_arms-1
        The best arm.
    growth : float > 1
        Each phase is so many times longer than the one before. Zimmert and Seldin use 1.6.
    """

    n_arms: Count
    gap: Probability
    best_arm: Annotated[Natural, AfterValidator(_one_of_the_arms)] = 0
    growth: Annotated[float, Field(gt=1.0, allow_inf_nan=False)] = 1.6

    support: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Bounds of the rewards."""

    def parameters(self) -> tuple[float, float, int]:
        """Gap, growth and best arm."""
        return self.gap, self.growth, self.best_arm

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: one uniform a pull."""
        return _pull_constrained

    def round_kernels(self) -> RoundKernels:
        """Means depend on the round."""
        return RoundKernels(start=_open_phases, advance=_next_phase, expected=_constrained_mean)


class _Piecewise(NamedTuple):
    means: np.ndarray  # (S, K) float64
    breakpoints: np.ndarray  # (S,) int64, the first round of the next segment
    segment: np.ndarray  # (1,) int64, this round's segment


@description
class PiecewiseStationaryArms:
    """Bernoulli arms whose means jump at given rounds.

    Parameters
    ----------
    means : array of float in [0, 1], shape (S, K)
        Means of the K arms in each of S segments.
    breakpoints : sequence of int >= 2, strictly increasing, S - 1 of them
        First round of each segment after the first.
    """

    means: ProbabilityMatrix
    breakpoints: Annotated[tuple[Count, ...], AfterValidator(_between_segments)]

    support: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Bounds of the rewards."""

    @property
    def n_arms(self) -> int:
        """Number of arms."""
        return int(self.means.shape[1])

    def parameters(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The means, and the first round after each segment."""
        return self.means, np.array([*self.breakpoints, _FOREVER + 1], dtype=np.int64)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: one uniform a pull."""
        return _pull_piecewise

    def round_kernels(self) -> RoundKernels:
        """Means depend on the round."""
        return RoundKernels(start=_open_segments, advance=_next_segment, expected=_piecewise_mean)


@njit(cache=True)
def _open_table(params, rng):
    return _Table(params[0], np.zeros(1, np.int64))


@njit(cache=True, forceinline=True)
def _next_row(world, t, rng):
    world.row[0] = t - 1


@njit(cache=True, forceinline=True)
def _in_table(world, arm):
    return world.rewards[world.row[0], arm]


@njit(cache=True, forceinline=True)
def _pay_from_table(world, arm, rng):
    return world.rewards[world.row[0], arm]


@njit(cache=True, forceinline=True, error_model="numpy")
def _switch(world, t, rng):
    world.best[0] = (t - 1) // world.period % world.n_arms


@njit(cache=True, forceinline=True)
def _switching(world, arm):
    return world.high if arm == world.best[0] else world.low


@njit(cache=True, forceinline=True)
def _pay_switching(world, arm, rng):
    return world.high if arm == world.best[0] else world.low


@njit(cache=True)
def _open_phases(params, rng):
    gap, growth, best_arm = params
    return _Constrained(gap, growth, best_arm, np.ones(1), np.zeros(2, np.int64))


@njit(cache=True, forceinline=True)
def _next_phase(world, t, rng):
    if t > world.phase[1]:
        world.length[0] = min(world.length[0] * world.growth, float(_FOREVER))
        world.phase[0] += 1
        world.phase[1] += int(world.length[0])
    hold(world.length, world.phase)


@njit(cache=True, forceinline=True)
def _constrained_mean(world, arm):
    good = 1.0 if world.phase[0] % 2 == 1 else world.gap
    return good if arm == world.best_arm else good - world.gap


@njit(cache=True, forceinline=True)
def _pull_constrained(world, arm, rng):
    return 1.0 if rng.random() < _constrained_mean(world, arm) else 0.0


@njit(cache=True)
def _open_segments(params, rng):
    return _Piecewise(params[0], params[1], np.zeros(1, np.int64))


@njit(cache=True, forceinline=True)
def _next_segment(world, t, rng):
    if t >= world.breakpoints[world.segment[0]]:
        world.segment[0] += 1
    hold(world.breakpoints, world.segment)


@njit(cache=True, forceinline=True)
def _piecewise_mean(world, arm):
    return world.means[world.segment[0], arm]


@njit(cache=True, forceinline=True)
def _pull_piecewise(world, arm, rng):
    return 1.0 if rng.random() < world.means[world.segment[0], arm] else 0.0
