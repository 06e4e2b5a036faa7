"""Arms whose rewards are known in advance: the j-th pull of an arm pays the j-th entry, or the next one in a log.

A table makes exact traces possible: a policy that draws nothing plays the same arms on it for ever. A log, of pulls
that somebody made, lets a policy be tried on data. Both ways of replaying it give each arm rewards from its own
records, in their order, none twice.

Sources: L. Li, W. Chu, J. Langford, X. Wang, "Unbiased offline evaluation of contextual-bandit-based news article
recommendation algorithms", 2011 (rejection); T. Mandel, Y.-E. Liu, E. Brunskill, Z. Popovic, "Offline evaluation of
online reinforcement learning algorithms", 2016 (queues).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import AfterValidator, ValidationInfo

from algos.arrays import FiniteMatrix, FiniteVector
from algos.contracts import description
from algos.kernels import hold
from algos.rounds import RoundKernels
from simulators.reward_files import TableFormat, read_rewards

__all__ = ["LoggedArms", "TableArms"]


class _Queues(NamedTuple):
    rewards: np.ndarray  # (n,) float64, those of arm 0 first, then those of arm 1, ...
    ends: np.ndarray  # (K,) int64, where the rewards of each arm end
    at: np.ndarray  # (K,) int64, the next reward of each arm


class _Log(NamedTuple):
    arms: np.ndarray  # (n,) float64, the arm of each record
    rewards: np.ndarray  # (n,) float64
    at: np.ndarray  # (1,) int64, the next record


@description
class TableArms:
    """The j-th pull of arm i pays ``rewards[i, j - 1]``, whenever it is made.

    Parameters
    ----------
    rewards : array of float, shape (K, J)
        The rewards of each arm, in the order of its pulls. A run ends with a ``ValueError`` when an arm is pulled more
        than J times.

    Notes
    -----
    The means, with which regret is measured, are those of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from bandits import UCB1
    >>> run = UCB1().run(TableArms([[1, 0, 1], [0, 1, 1]]), horizon=3, rng=np.random.default_rng(0))
    >>> run.outcome["pulls"], run.outcome["reward"]
    (array([2, 1]), 1.0)
    """

    rewards: FiniteMatrix

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean of each row, shape (K,)."""
        return np.asarray(self.rewards.mean(axis=1))

    @property
    def n_rounds(self) -> int:
        """Rewards in the table."""
        return int(self.rewards.size)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest reward."""
        return float(self.rewards.min()), float(self.rewards.max())

    def parameters(self) -> _Queues:
        """The rewards, arm by arm."""
        n_arms, pulls = self.rewards.shape
        starts = np.arange(n_arms, dtype=np.int64) * pulls
        return _Queues(self.rewards.ravel(), starts + pulls, starts)

    def kernel(self) -> Callable[..., Any]:
        """The arm's next reward, NaN when none is left; nothing is drawn."""
        return _pull_queue

    def round_kernels(self) -> RoundKernels:
        """The places in the table are a state."""
        return RoundKernels(start=_open_queues)


def _known_arms(arms: NDArray[np.float64]) -> NDArray[np.float64]:
    bad = (arms != np.floor(arms)) | (arms < 0) | (arms >= arms.size)
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"entry {i} is {arms[i]:g}, no arm in 0..K-1 where every arm has a record")
    missing = np.flatnonzero(np.bincount(arms.astype(np.int64)) == 0)
    if missing.size:
        raise ValueError(f"arm {missing[0]} has no record, although arm {int(arms.max())} has")
    return arms


def _one_each(rewards: NDArray[np.float64], info: ValidationInfo) -> NDArray[np.float64]:
    arms = info.data.get("arms")
    if arms is not None and arms.size != rewards.size:
        raise ValueError(f"must have {arms.size} entries, as many as arms, not {rewards.size}")
    return rewards


@description
class LoggedArms:
    """Arms that pay what a log of pulls says.

    Parameters
    ----------
    arms : array of whole numbers in 0..K-1, shape (n,)
        The arm of each record; every arm must occur.
    rewards : array of float, shape (n,)
        What it paid.
    replay : {"queue", "rejection"}
        "queue": a pull pays the earliest reward of the arm that was not paid yet, which wastes no record. "rejection":
        the log is read once from the start, records of other arms than the one pulled are skipped, which keeps drift
        in the log in its order.

    Notes
    -----
    The means, with which regret is measured, are averages over the log. A run ends with a ``ValueError`` when the log
    has no record left for the arm pulled. For rewards that are independent draws, whatever chose the arms of the log
    must not have looked at rewards to come; then the policy meets each arm's own law.
    """

    arms: Annotated[FiniteVector, AfterValidator(_known_arms)]
    rewards: Annotated[FiniteVector, AfterValidator(_one_each)]
    replay: Literal["queue", "rejection"] = "queue"

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        arm: str = "arm",
        reward: str = "reward",
        replay: Literal["queue", "rejection"] = "queue",
        delimiter: str = ",",
        format: TableFormat | None = None,
    ) -> LoggedArms:
        """Read a log: one line a record, with a header that names the columns.

        Parameters
        ----------
        path : str or Path
            CSV, or Parquet by the ending ``.parquet`` or ``.pq``.
        arm, reward : str
            Names of the two columns.
        replay : {"queue", "rejection"}
            As for the class.
        delimiter : str
            Between the columns of a CSV file.
        format : {"csv", "parquet"}, optional
            Overrides what the file's name says.

        Raises
        ------
        ValueError
            Names the file, and the line and column of the first value that is no finite number, or no whole number
            >= 0 where an arm is meant.
        OSError
            When the file cannot be opened.
        """
        _, table = read_rewards(path, columns=[arm, reward], whole=arm, header=True, delimiter=delimiter, format=format)
        return cls(table[:, 0], table[:, 1], replay)

    @property
    def means(self) -> NDArray[np.float64]:
        """Average logged reward of each arm, shape (K,)."""
        arms = self.arms.astype(np.int64)
        return np.asarray(np.bincount(arms, self.rewards) / np.bincount(arms))

    @property
    def n_rounds(self) -> int:
        """Records in the log."""
        return int(self.rewards.size)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest reward."""
        return float(self.rewards.min()), float(self.rewards.max())

    def parameters(self) -> _Queues | _Log:
        """The records, by arm or in their order."""
        if self.replay == "rejection":
            return _Log(self.arms, self.rewards, np.zeros(1, dtype=np.int64))
        ends = np.cumsum(np.bincount(self.arms.astype(np.int64))).astype(np.int64)
        by_arm = self.rewards[np.argsort(self.arms, kind="stable")]
        return _Queues(by_arm, ends, np.concatenate([[0], ends[:-1]]))

    def kernel(self) -> Callable[..., Any]:
        """The arm's next reward, NaN when none is left; nothing is drawn."""
        return _pull_log if self.replay == "rejection" else _pull_queue

    def round_kernels(self) -> RoundKernels:
        """The place in the log is a state."""
        return RoundKernels(start=_open_log if self.replay == "rejection" else _open_queues)


@njit(cache=True)
def _open_queues(params, rng):
    return _Queues(params.rewards, params.ends, params.at.copy())


@njit(cache=True, forceinline=True)
def _pull_queue(world, arm, rng):
    reward, at = math.nan, world.at[arm]
    if at < world.ends[arm]:
        reward = world.rewards[at]
        world.at[arm] = at + 1
    hold(world.rewards, world.ends, world.at)
    return reward


@njit(cache=True)
def _open_log(params, rng):
    return _Log(params.arms, params.rewards, params.at.copy())


@njit(cache=True, forceinline=True)
def _pull_log(world, arm, rng):
    reward, at = math.nan, world.at[0]
    while at < world.arms.size and world.arms[at] != arm:
        at += 1
    if at < world.arms.size:
        reward = world.rewards[at]
    world.at[0] = at + 1
    hold(world.arms, world.rewards, world.at)
    return reward
