"""What a cluster of workers must offer: answer times, round by round."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cluster", "RunningCluster"]


@runtime_checkable
class RunningCluster(Protocol):
    """A cluster at work.

    It may have ``watch(stragglers)``: then it is asked for one round at a time, and is shown whose results were lost in
    it (bool, shape (n,)), after the master's waiting.
    """

    def next(self, rounds: int) -> NDArray[np.float64]:
        """Answer times of the next rounds at the reference load, seconds > 0, shape (rounds, n)."""
        ...


@runtime_checkable
class Cluster(Protocol):
    """Workers with answer times; any object of this shape can be run on, registered or not.

    It may have ``n_workers``, ``n_rounds``, how many rounds it lasts, ``alpha``, seconds that a load of one whole job
    takes a worker longer, and ``reference_load``, the load to which its times belong.
    """

    def start(self, rng: np.random.Generator) -> RunningCluster:
        """Begin anew, drawing from `rng` only."""
        ...


class OpenCluster:
    """A cluster at work, with what it may leave out filled in."""

    def __init__(self, running: Any, alpha: float, reference_load: float, n_workers: int) -> None:
        self._running, self._n, self._done = running, n_workers, 0
        self.alpha, self.reference_load = alpha, reference_load
        self.watches = hasattr(running, "watch")

    def next(self, rounds: int) -> NDArray[np.float64]:
        """As `RunningCluster.next`, checked for its shape."""
        delays = np.ascontiguousarray(self._running.next(rounds), dtype=np.float64)
        if delays.shape != (rounds, self._n):
            raise ValueError(f"cluster: answers of shape {delays.shape} came, not {(rounds, self._n)}")
        if not isinstance(self._running, _Table) and delays.size and not delays.min() > 0:  # NaN among them
            check_delays(delays, self._done)
        self._done += rounds
        return delays

    def watch(self, stragglers: NDArray[np.bool_]) -> None:
        """Show whose results were lost."""
        self._running.watch(stragglers)


class _Table:
    def __init__(self, delays: NDArray[np.float64]) -> None:
        self._delays, self._at = delays, 0

    def next(self, rounds: int) -> NDArray[np.float64]:
        self._at += rounds
        return self._delays[self._at - rounds : self._at]


def open_cluster(cluster: Any, n_workers: int, rounds: int, rng: np.random.Generator) -> OpenCluster:
    """Begin a cluster, or a matrix of answer times, that must have these workers and last for these rounds."""
    if hasattr(cluster, "start"):
        workers, lasting = getattr(cluster, "n_workers", n_workers), getattr(cluster, "n_rounds", None)
        alpha, reference = float(getattr(cluster, "alpha", 0.0)), float(getattr(cluster, "reference_load", 0.0))
        running: Any = cluster.start(rng)
    else:
        delays = check_delays(cluster)
        (lasting, workers), alpha, reference = delays.shape, 0.0, 0.0
        running = _Table(delays)
    if workers != n_workers:
        raise ValueError(f"cluster: has {workers} workers, and the scheme n_workers = {n_workers}")
    if lasting is not None and rounds > lasting:
        raise ValueError(f"horizon: the jobs take {rounds} rounds, more than the {lasting} of the cluster")
    return OpenCluster(running, alpha, reference, n_workers)


def check_delays(delays: Any, first: int = 0) -> NDArray[np.float64]:
    """A matrix of answer times > 0, shape (rounds, n), C-contiguous; inf is a worker that does not answer."""
    try:
        given = np.asarray(delays)
        if given.dtype.kind not in "iuf":
            raise TypeError
        table = np.ascontiguousarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("delays: must be a matrix of numbers > 0, a row a round and a column a worker") from None
    if table.ndim != 2 or table.shape[1] == 0:
        raise ValueError(f"delays: must be a matrix, a row a round and a column a worker, got shape {table.shape}")
    bad = ~(table > 0)
    if bad.any():
        r, worker = (int(place) for place in np.argwhere(bad)[0])
        raise ValueError(f"delays: entry (round {first + r}, worker {worker}) is {table[r, worker]:g}; must be > 0")
    return table
