"""Replication: the same algorithm in the same kind of world, many times, with honest bands.

For notebooks and scripts: ``replicate(UCB1(), BernoulliArms([0.4, 0.6]), horizon=1000).plot()``; two algorithms
replicated with the same seed are compared pair by pair, ``one.compare(other, "regret").plot()``.
"""

from __future__ import annotations

import math
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
from experiments.claims import Interval, IntervalMethod, mean_interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Replications", "play", "replicate"]


@dataclass(frozen=True, eq=False)
class Replications:
    """The trajectories of R replications, stacked.

    Parameters
    ----------
    label : str
        What plots call the algorithm.
    rounds : int64 array, shape (C,)
        Checkpoints. Where replications recorded at different rounds, as those do that stop by themselves, only the end
        of each is kept, at the horizon.
    metrics : mapping of str to float64 array, shape (R, C)
        Each metric of each replication at each checkpoint.
    outcomes : mapping of str to array, shape (R, ...)
        Each outcome of each replication, but for those whose shape is not the same in all of them.
    seed : int
        The seed they were run with.
    simulator : any
        What they were run in; None when it is not known, and then they are compared with nothing.
    """

    label: str
    rounds: NDArray[np.int64]
    metrics: Mapping[str, NDArray[np.float64]]
    outcomes: Mapping[str, NDArray[Any]]
    seed: int
    simulator: Any = None

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

    def interval(self, metric: str, *, level: float = 0.95, method: IntervalMethod = "normal") -> Interval:
        """Confidence interval of the mean of a metric at the last checkpoint; parameters as for `band`."""
        rng = stream(self.seed, {"bootstrap": metric}, 0)
        return mean_interval(self._metric(metric)[:, -1], level=level, method=method, rng=rng)

    def compare(self, other: Replications, metric: str) -> Replications:
        """Paired differences of a metric: these replications less the other ones, one by one.

        Replication r of both met the same world, so that what the world does to both drops out: the band of the
        differences is often much narrower than the bands of the two.

        Parameters
        ----------
        other : Replications
            Of another algorithm, run in the same simulator, for as many rounds, as often, and with the same seed.
        metric : str
            Name of a metric of both.

        Returns
        -------
        Replications
            With the differences as their only metric, and no outcomes: `mean`, `band`, `interval` and `plot` are of
            the differences.

        Raises
        ------
        ValueError
            When the two were not run in the same worlds and over the same rounds, or one has no such metric.

        Examples
        --------
        >>> from bandits import UCB1, ThompsonSampling
        >>> from simulators import BernoulliArms
        >>> arms = BernoulliArms([0.4, 0.6])
        >>> slow, fast = (replicate(policy, arms, 1000, 30) for policy in (UCB1(), ThompsonSampling()))
        >>> slow.compare(fast, "regret").interval("regret").low > 0
        True
        """
        if self.seed != other.seed:
            raise ValueError(f"other: run with seed {other.seed} and these with seed {self.seed}: no pairs")
        if not _same_simulator(self.simulator, other.simulator):
            raise ValueError(f"other: not run in the same simulator as these ({self.simulator!r})")
        if len(self) != len(other):
            raise ValueError(f"other: {len(other)} replications do not pair with {len(self)}")
        if not np.array_equal(self.rounds, other.rounds):
            raise ValueError("other: its checkpoints are not those of these replications")
        differences = self._metric(metric) - other._metric(metric)
        label = f"{self.label} less {other.label}"
        return Replications(
            label, self.rounds, MappingProxyType({metric: differences}), MappingProxyType({}), self.seed, self.simulator
        )

    def fit_rate(
        self, metric: str, *, since: int | None = None, level: float = 0.95, resamples: int = 2000
    ) -> Interval:
        """Slope of the mean of a metric against rounds on logarithmic axes: the exponent of the rate.

        Parameters
        ----------
        metric : str
            Name of the metric; its means must be positive.
        since : int >= 1, optional
            First round that counts; a tenth of the last one when omitted, as rates speak of late rounds.
        level : float in (0, 1)
            Confidence level.
        resamples : int >= 1
            Bootstrap resamples of the replications.

        Returns
        -------
        Interval
            The slope of the line of least squares through the logarithms of the checkpoints and of the means, with
            bootstrap percentiles. It speaks of these rounds, not of the limit; a single replication leaves it open.

        Raises
        ------
        ValueError
            When fewer than two checkpoints count, or a mean, of all or of resampled replications, is not positive.

        Examples
        --------
        >>> from bandits import UniformRandom
        >>> from simulators import BernoulliArms
        >>> rate = replicate(UniformRandom(), BernoulliArms([0.4, 0.6]), 10_000, 50).fit_rate("regret")
        >>> rate.low < 1 < rate.high, round(rate.estimate, 1)
        (True, 1.0)
        """
        first = int(self.rounds[-1]) / 10 if since is None else whole_number(since, "since", 1)
        if not 0.0 < level < 1.0:
            raise ValueError(f"level: {level} is outside (0, 1)")
        count = whole_number(resamples, "resamples", 1)
        late = self.rounds >= first
        if np.count_nonzero(late) < 2:
            raise ValueError(f"since: fewer than two checkpoints lie in {first:g}..{self.rounds[-1]}")
        curves, x = self._metric(metric)[:, late], np.log(self.rounds[late])
        x -= x.mean()
        weights = x / (x @ x)

        def slopes(means: NDArray[np.float64]) -> NDArray[np.float64]:
            if not (means > 0.0).all():  # also where one is not a number
                raise ValueError(f"{metric}: its mean is not positive from round {first:g} on: no rate fits")
            return np.asarray(np.log(means) @ weights)

        slope, size = float(slopes(curves.mean(axis=0))), len(curves)
        if size == 1:
            return Interval(slope, -math.inf, math.inf, f"{level:.0%} bootstrap")
        rng = stream(self.seed, {"bootstrap of the rate": metric}, 0)
        drawn = rng.multinomial(size, np.full(size, 1.0 / size), count)
        low, high = np.quantile(slopes(drawn @ curves / size), [0.5 - level / 2, 0.5 + level / 2])
        return Interval(slope, min(slope, float(low)), max(slope, float(high)), f"{level:.0%} bootstrap")

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
        label: str | None = None,
        level: float = 0.95,
        method: IntervalMethod = "normal",
    ) -> Axes:
        """Draw the mean of a metric with its band; the first metric when none is named. Returns the axes.

        Parameters
        ----------
        metric : str, optional
            Name of the metric.
        axes : Axes, optional
            Where to draw; new ones when omitted.
        label : str, optional
            What the legend calls the algorithm; the name and fields of its description when omitted.
        level, method
            Of the band, see `band`.
        """
        from experiments.plots import draw_band, new_axes

        name = metric if metric is not None else next(iter(self.metrics))
        target = axes if axes is not None else new_axes("rounds", name)
        called = self.label if label is None else label
        low, high = self.band(name, level=level, method=method)
        draw_band(target, self.rounds, self.mean(name), low, high, label=f"{called} ({level:.0%} {method} band)")
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

    def run(replication: int) -> Trajectory:
        return play(algorithm, simulator, horizon, seed=seed, cell=cell, replication=replication)

    with ThreadPoolExecutor(max_workers=threads) as pool:
        trajectories = list(pool.map(run, range(count)))
    first = trajectories[0]
    if all(np.array_equal(t.rounds, first.rounds) for t in trajectories):
        rounds, kept = first.rounds, slice(None)
    else:
        rounds, kept = np.array([horizon]), slice(-1, None)
    metrics = {name: np.stack([t.metrics[name][kept] for t in trajectories]) for name in first.metrics}
    ended = {name: [np.asarray(t.outcome[name]) for t in trajectories] for name in first.outcome}
    # A log of phases is as long as there were phases: such outcomes are of a run, and no array of all.
    outcomes = {name: np.stack(each) for name, each in ended.items() if len({one.shape for one in each}) == 1}
    return Replications(
        _label(algorithm), rounds, MappingProxyType(metrics), MappingProxyType(outcomes), seed, simulator
    )


def play(
    algorithm: Algorithm,
    simulator: Any,
    horizon: int,
    *,
    seed: int,
    cell: Mapping[str, Any],
    replication: int,
    options: Mapping[str, Any] | None = None,
) -> Trajectory:
    """One replication of a cell: the world's stream is keyed by the cell without "algorithm", the algorithm's by all.

    Parameters
    ----------
    algorithm, simulator, horizon
        As for `replicate`.
    seed, replication : int >= 0
        See `algos.streams`.
    cell : mapping
        What keys the streams; its key "algorithm" is the algorithm's.
    options : mapping, optional
        Further keyword arguments of the algorithm's ``run``.
    """
    world = world_stream(seed, cell, replication)
    drawn = realize(simulator, world)
    own = algorithm_stream(seed, cell, replication)
    # An algorithm that takes the world's stream leaves its own stream to its own choices.
    extra: dict[str, Any] = {"world": world} if "world" in signature(algorithm.run).parameters else {}
    return algorithm.run(drawn, horizon, own, **extra, **(options or {}))


def _same_simulator(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return False
    try:
        return one is other or bool(one == other)
    except ValueError:  # arrays among the fields of a class without an equality of its own
        return False


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
