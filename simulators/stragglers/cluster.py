"""Clusters of workers: what their models have in common, whose answer times come round by round.

A cluster answers a round with seconds from its start, a number a worker, at a reference load; a load of one whole job
takes each worker ``alpha`` seconds longer. In the raw profiles of the paper's authors the load shifts the times and
leaves their spread as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algos.contracts import Count, NonNegative, check_generator, whole_number

__all__ = ["Answers", "ClusterModel", "estimate_alpha"]

Load = Annotated[NonNegative, Field(kw_only=True)]
Workers = Count


class Answers:
    """A cluster at work: ``fill(times, rng)`` writes the next rounds' answers into times, shape (rounds, n)."""

    def __init__(self, n_workers: int, fill: Any, rng: np.random.Generator) -> None:
        self._n, self._fill, self._rng = n_workers, fill, rng

    def next(self, rounds: int) -> NDArray[np.float64]:
        """Answer times of the next rounds, shape (rounds, n)."""
        times = np.empty((rounds, self._n))
        self._fill(times, self._rng)
        return times


class ClusterModel:
    """A model of answer times: seconds from a round's start, of n workers."""

    n_workers: int
    alpha: float
    reference_load: float

    def start(self, rng: np.random.Generator) -> Any:
        """Begin anew, drawing from `rng` only."""
        return Answers(self.n_workers, self._filler(rng), rng)

    def delays(self, rounds: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Answer times of some rounds, shape (rounds, n)."""
        source = check_generator(rng, type(self).__name__)
        return np.asarray(self.start(source).next(whole_number(rounds, "rounds", 0)))

    def _filler(self, rng: np.random.Generator) -> Any:
        """The function that writes answers; what is drawn once a run is drawn here."""
        raise NotImplementedError


def estimate_alpha(profiles: Mapping[float, ArrayLike]) -> tuple[float, float]:
    """Seconds per unit of load and at load 0, by least squares over profiles recorded at several loads.

    Parameters
    ----------
    profiles : mapping of load (float >= 0) to answer times (any shape)
        At least two loads.

    Returns
    -------
    alpha, intercept : float
        Slope and intercept, seconds.

    Examples
    --------
    >>> alpha, intercept = estimate_alpha({0.0: [1.0, 1.2], 0.5: [2.0, 2.2]})
    >>> round(alpha, 9), round(intercept, 9)
    (2.0, 1.1)
    """
    loads = np.array(list(profiles), dtype=np.float64)
    if loads.size < 2 or not (np.isfinite(loads) & (loads >= 0)).all():
        raise ValueError(f"profiles: need at least two loads >= 0, got {list(profiles)!r}")
    times = [np.asarray(profile, dtype=np.float64).ravel() for profile in profiles.values()]
    for load, each in zip(loads, times, strict=True):
        if each.size == 0 or not np.isfinite(each).all():
            raise ValueError(f"profiles: the answer times at load {load:g} must be finite, at least one")
    x = np.repeat(loads, [each.size for each in times])
    slope, intercept = np.polyfit(x, np.concatenate(times), 1)
    return float(slope), float(intercept)
