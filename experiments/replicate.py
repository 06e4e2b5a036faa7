"""Replication: the same algorithm in the same kind of world, many times, with honest bands.

For notebooks and scripts: ``replicate(UCB1(), BernoulliArms([0.4, 0.6]), horizon=1000).plot()``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import MISSING, dataclass, fields, is_dataclass
from inspect import signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from algos.contracts import Algorithm, Trajectory, realize, whole_number
from algos.streams import algorithm_stream, stream, world_stream
from experiments.claims import IntervalMethod, mean_interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Replications", "replicate"]


@dataclass(frozen=True, eq=False)
class Replications:
    """The trajectories of R replications, stacked.

    Parameters
    ----------
    label : str
        What plots call the algorithm.
    rounds : int64 array, shape (C,)
        Checkpoints.
    metrics : mapping of str to float64 array, shape (R, C)
        Each metric of each replication at each checkpoint.
    outcomes : mapping of str to array, shape (R, ...)
        Each outcome of each replication.
    seed : int
        The seed they were run with.
    """

    label: str
    rounds: NDArray[np.int64]
    metrics: Mapping[str, NDArray[np.float64]]
    outcomes: Mapping[str, NDArray[Any]]
    seed: int

    def __len__(self) -> int:
        return len(next(iter(self.metrics.values())))

    def mean(self, metric: str) -> NDArray[np.float64]:
        """Mean of a metric at each checkpoint, shape (C,)."""
        return np.asarray(self._metric(metric).mean(axis=0))

    def band(
        self, metric: str, *, level: float = 0.95, method: IntervalMethod = "normal"
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pointwise confidence band of the mean, two arrays of shape (C,).

        Parameters
        ----------
        metric : str
            Name of the metric.
        level : float in (0, 1)
            Confidence level at each checkpoint.
        method : {"normal", "bootstrap"}
            See `experiments.claims.mean_interval`.
        """
        rng = stream(self.seed, {"bootstrap": metric}, 0)
        columns = [mean_interval(column, level=level, method=method, rng=rng) for column in self._metric(metric).T]
        return np.array([c.low for c in columns]), np.array([c.high for c in columns])

    def to_pandas(self) -> pd.DataFrame:
        """One row a replication and checkpoint: columns ``replication``, ``round`` and the metrics."""
        import pandas as pd

        count = len(self)
        columns: dict[str, Any] = {
            "replication": np.repeat(np.arange(count), self.rounds.size),
            "round": np.tile(self.rounds, count),
        }
        return pd.DataFrame(columns | {name: values.ravel() for name, values in self.metrics.items()})

    def plot(
        self,
        metric: str | None = None,
        *,
        axes: Axes | None = None,
        level: float = 0.95,
        method: IntervalMethod = "normal",
    ) -> Axes:
        """Draw the mean of a metric with its band; the first metric when none is named. Returns the axes."""
        from experiments.plots import draw_band, new_axes

        name = metric if metric is not None else next(iter(self.metrics))
        target = axes if axes is not None else new_axes("rounds", name)
        low, high = self.band(name, level=level, method=method)
        draw_band(target, self.rounds, self.mean(name), low, high, label=f"{self.label} ({level:.0%} {method} band)")
        target.legend()
        return target

    def _metric(self, name: str) -> NDArray[np.float64]:
        if name not in self.metrics:
            raise ValueError(f"metric: {name!r} is not one of {', '.join(self.metrics)}")
        return self.metrics[name]


def replicate(
    algorithm: Algorithm,
    simulator: Any,
    horizon: int,
    replications: int = 100,
    seed: int = 0,
    workers: int | None = None,
) -> Replications:
    """Run an algorithm many times, each time in a freshly drawn world.

    Parameters
    ----------
    algorithm : Algorithm
        What to run.
    simulator : any
        What it runs in. If it has ``sample(rng)``, each replication draws its own world.
    horizon : int >= 1
        Rounds, requests, jobs or iterations.
    replications : int >= 1
        How many times.
    seed : int >= 0
        Replication r draws from streams keyed by the seed and r. Two algorithms replicated with the same seed
        meet the same worlds, so their differences have narrow bands.
    workers : int >= 1, optional
        Threads; the number of cores when omitted. The results do not depend on it.

    Examples
    --------
    >>> from bandits import UCB1
    >>> from simulators import BernoulliArms
    >>> runs = replicate(UCB1(), BernoulliArms([0.4, 0.6]), horizon=1000, replications=20)
    >>> runs.metrics["regret"].shape == (20, runs.rounds.size)
    True
    """
    count = whole_number(replications, "replications", 1)
    whole_number(horizon, "horizon", 1)
    threads = (os.cpu_count() or 1) if workers is None else whole_number(workers, "workers", 1)
    cell = {"algorithm": _identity(algorithm)}
    takes_world = "world" in signature(algorithm.run).parameters

    def run(replication: int) -> Trajectory:
        world = world_stream(seed, cell, replication)
        drawn = realize(simulator, world)
        own = algorithm_stream(seed, cell, replication)
        # An algorithm that takes the world's stream leaves its own stream to its own choices.
        extra: dict[str, Any] = {"world": world} if takes_world else {}
        return algorithm.run(drawn, horizon, own, **extra)

    with ThreadPoolExecutor(max_workers=threads) as pool:
        trajectories = list(pool.map(run, range(count)))
    first = trajectories[0]
    metrics = {name: np.stack([t.metrics[name] for t in trajectories]) for name in first.metrics}
    outcomes = {name: np.stack([np.asarray(t.outcome[name]) for t in trajectories]) for name in first.outcome}
    return Replications(_label(algorithm), first.rounds, MappingProxyType(metrics), MappingProxyType(outcomes), seed)


def _identity(value: Any) -> Any:
    """A JSON-like value that is the same in every process for the same algorithm: it keys the random stream."""
    if is_dataclass(value) and not isinstance(value, type):
        described = {field.name: _identity(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__qualname__} | described
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_identity(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _identity(item) for name, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str | np.generic):
        return value
    return getattr(value, "__qualname__", type(value).__qualname__)


def _label(algorithm: Any) -> str:
    """The algorithm's name, with the parameters that are not at their defaults."""
    name = type(algorithm).__name__
    if not is_dataclass(algorithm):
        return name
    shown = []
    for field in fields(algorithm):
        value = getattr(algorithm, field.name)
        if field.default is MISSING or _identity(value) != _identity(field.default):
            shown.append(f"{field.name}={getattr(value, '__name__', value)}")
    return f"{name}({', '.join(shown)})" if shown else name
