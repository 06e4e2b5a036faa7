"""How often a policy names a wrong arm: thousands of replications, compiled, on streams of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algos.contracts import whole_number
from algos.replication_streams import replication_streams
from bandits.fixed_budget import BestArmPolicy, Game, play

__all__ = ["ErrorRate", "clopper_pearson", "error_rate"]

_MOST_IN_A_BATCH = 1024
_LEAST_IN_A_BATCH = 64
_ENTRIES_OF_A_BATCH = 2_000_000  # replications times arms


@dataclass(frozen=True, eq=False)
class ErrorRate:
    """What many replications named.

    Parameters
    ----------
    arms : int64 array, shape (R,)
        The arm that each replication named.
    wrong : bool array, shape (R,)
        Whether its mean is below the best.
    pulls : int64 array, shape (R,)
        Pulls that each replication used.
    """

    arms: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    pulls: NDArray[np.int64]

    @property
    def replications(self) -> int:
        """R."""
        return int(self.wrong.size)

    @property
    def errors(self) -> int:
        """Replications that named a wrong arm."""
        return int(self.wrong.sum())

    @property
    def rate(self) -> float:
        """Share of them."""
        return self.errors / self.replications

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Clopper and Pearson's interval for the probability of an error, of at least this confidence level."""
        return clopper_pearson(self.errors, self.replications, level)


def error_rate(
    policy: BestArmPolicy,
    arms: Any,
    budget: int,
    replications: int = 1000,
    seed: int = 0,
    *,
    cell: Mapping[str, Any] | None = None,
    workers: int | None = None,
) -> ErrorRate:
    """Run a policy many times on the same arms, and count wrong answers.

    Parameters
    ----------
    policy : BestArmPolicy
        What to run.
    arms : Arms
        Where to run it; draw a random instance first (``arms.sample(rng)``). Arms of your own need a ``kernel()`` that
        keeps no state.
    budget : int >= 1
        Pulls of a run.
    replications : int >= 1
        How many runs.
    seed : int >= 0
        Replication r draws its noise from ``algorithm_stream(seed, cell, r)`` and its rewards from
        ``world_stream(seed, cell, r)``: it is ``policy.run(arms, budget, algorithm_stream(seed, cell, r),
        world=world_stream(seed, cell, r))``, whatever else runs. Policies that get the same seed and cell meet the
        same random numbers.
    cell : mapping, optional
        What else keys the streams: see `algos.streams`.
    workers : int >= 1, optional
        Threads; the number of cores when omitted. The results do not depend on it.

    Raises
    ------
    ValueError
        When an argument is out of its range, or the arms are a distribution.

    Examples
    --------
    >>> from bandits import DPSequentialHalving, SequentialHalving
    >>> from simulators import unstructured_instance
    >>> arms = unstructured_instance("one sparse", n_arms=10)
    >>> private = error_rate(DPSequentialHalving(epsilon=0.05), arms, 5000, replications=2000)
    >>> error_rate(SequentialHalving(), arms, 5000, replications=2000).rate < private.rate
    True
    """
    count = whole_number(replications, "replications", 1)
    threads = (os.cpu_count() or 1) if workers is None else whole_number(workers, "workers", 1)
    whole_number(seed, "seed", 0)
    if hasattr(arms, "sample"):
        raise ValueError(f"arms: {arms!r} is a distribution; draw a random instance first, with sample(rng)")
    game = Game.of(policy, arms, budget)
    own_cell = dict(cell or {})
    world_cell = {name: value for name, value in own_cell.items() if name != "algorithm"}
    size = min(_MOST_IN_A_BATCH, max(_LEAST_IN_A_BATCH, -(-count // threads)))
    size = max(1, min(size, _ENTRIES_OF_A_BATCH // game.wrong.size))

    def batch(first: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        here = min(size, count - first)
        # The keys are those of algorithm_stream and world_stream.
        own, own_streams = replication_streams(seed, {"stream": "algorithm", "cell": own_cell}, first, here)
        world, world_streams = replication_streams(seed, {"stream": "world", "cell": world_cell}, first, here)
        final, pulls, _ = play(game, here, own, own_streams, world, world_streams)
        return final, pulls.sum(axis=1)

    starts = range(0, count, size)
    if threads == 1 or len(starts) == 1:
        parts = [batch(first) for first in starts]
    else:
        with ThreadPoolExecutor(max_workers=threads) as pool:
            parts = list(pool.map(batch, starts))
    named = np.concatenate([final for final, _ in parts])
    pulls = np.concatenate([used for _, used in parts])
    return ErrorRate(named, game.wrong[named], pulls)


def clopper_pearson(events: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Interval for a probability from so many events in so many trials, of at least this confidence level.

    Examples
    --------
    >>> low, high = clopper_pearson(0, 1000)
    >>> low, round(high, 5)
    (0.0, 0.00368)
    """
    from scipy.special import betaincinv

    n = whole_number(trials, "trials", 1)
    k = whole_number(events, "events", 0)
    if k > n:
        raise ValueError(f"events: {k} is above the number of trials, {n}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: {level} is outside (0, 1)")
    tail = (1.0 - level) / 2.0
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1.0 - tail))
    return low, high
