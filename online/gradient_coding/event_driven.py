"""A master without a deadline: it stops waiting at the first moment at which the job decodes.

With a cyclic code that is the (n - s)-th answer; with repetition in groups the slowest group's first one. Groups in
which slow workers never meet are derived here.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from algos.contracts import Count, Natural, description, read_only, whole_number
from online.gradient_coding import master
from online.gradient_coding.clusters import check_delays
from online.gradient_coding.master import UndecodableError
from online.gradient_coding.schemes import SequentialScheme, explain_delays

__all__ = ["EventDriven", "balanced_groups"]


def _groups(value: Any) -> NDArray[np.int64] | None:
    if value is None:
        return None
    groups = np.asarray(value)
    if groups.ndim != 1 or groups.dtype.kind not in "iu" or groups.size == 0:
        raise ValueError("must be a group 0, 1, ... for each worker")
    if groups.min() < 0 or (np.bincount(groups) == 0).any():
        raise ValueError(f"must number groups from 0 without a gap, got {np.unique(groups)[:8].tolist()}...")
    return read_only(groups.astype(np.int64))


Groups = Annotated[
    NDArray[np.int64] | None,
    PlainValidator(_groups),
    PlainSerializer(lambda groups: None if groups is None else groups.tolist()),
]


@description
class EventDriven(SequentialScheme):
    """Gradient coding by a master that stops waiting as soon as it can decode; T = 0.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    max_stragglers : int in 0..n - 1
        s of a cyclic code; not used with groups.
    groups : array of int, shape (n,), optional
        The group of each worker: workers of a group repeat one another, and each group has one over the number of
        groups of the data. `balanced_groups` keeps slow workers apart.

    Examples
    --------
    >>> delays = [[1.0, 9.0, 2.0, 3.0]]
    >>> EventDriven(4, 1).run(delays, horizon=1, rng=np.random.default_rng(0)).outcome["runtime"]
    3.0
    >>> EventDriven(4, groups=[0, 0, 1, 1]).run(delays, horizon=1, rng=np.random.default_rng(0)).outcome["runtime"]
    2.0
    """

    n_workers: Count
    max_stragglers: Natural = 0
    groups: Groups = Field(default=None, kw_only=True)

    @model_validator(mode="after")
    def _fits(self) -> EventDriven:
        if self.max_stragglers > self.n_workers - 1:
            raise ValueError(f"max_stragglers = {self.max_stragglers}: must be at most n_workers - 1")
        if self.groups is not None and self.groups.size != self.n_workers:
            raise ValueError(f"groups: {self.groups.size} workers have one, and n_workers = {self.n_workers}")
        return self

    @classmethod
    def repeating(cls, n_workers: int, group_size: int, *, strided: bool = False) -> EventDriven:
        """Groups of `group_size` workers (one more in some where it does not divide n), neighbours or strided."""
        n, size = whole_number(n_workers, "n_workers", 1), whole_number(group_size, "group_size", 1)
        if size > n:
            raise ValueError(f"group_size: {size} is above n_workers = {n}")
        count = n // size
        groups = np.arange(n) % count if strided else np.arange(n) * count // n
        return cls(n, groups=groups)

    @property
    def exact_load(self) -> Fraction:
        """(s + 1) / n, or one over the number of groups."""
        if self.groups is None:
            return Fraction(self.max_stragglers + 1, self.n_workers)
        return Fraction(1, int(self.groups.max()) + 1)

    def _play(
        self,
        running: Any,
        jobs: int,
        durations: NDArray[np.float64],
        waited: NDArray[np.uint8],
        pattern: NDArray[np.uint8],
    ) -> int:
        groups = np.empty(0, dtype=np.int64) if self.groups is None else self.groups
        shift = running.alpha * (self.load - running.reference_load)
        at_once, lost = 1 if running.watches else max(1, 2**17 // self.n_workers), 0
        late = np.empty(at_once, dtype=np.int64)
        for first in range(0, durations.size, at_once):
            end = min(first + at_once, durations.size)
            delays = running.next(end - first)
            bad = master.play_event_driven(delays, shift, self.max_stragglers, groups, durations[first:end], late)
            if bad >= 0:
                if not (delays[bad] + shift > 0).all():
                    explain_delays(delays[bad], first + bad, shift)
                raise UndecodableError(first + bad, first + bad, "it needs a worker that never answers")
            lost += int(late[: end - first].sum())
            if pattern.size or running.watches:
                here = delays + shift > durations[first:end, None]
                if pattern.size:
                    pattern[first:end] = here
                if running.watches:
                    running.watch(here[0])
        return lost


def balanced_groups(delays: ArrayLike, n_groups: int) -> NDArray[np.int64]:
    """Groups of equal size, or nearly so, in which slow workers do not meet.

    Workers are ranked by how often they are late in a probe, more than twice as late as the fastest, then by their mean
    time, and dealt to the groups in snake order.

    Parameters
    ----------
    delays : float array, shape (rounds, n), rounds >= 1
        Answer times of the probe.
    n_groups : int in 1..n
        How many groups.

    Returns
    -------
    int64, shape (n,)
        The group of each worker.

    Examples
    --------
    >>> balanced_groups([[9.0, 8.0, 1.0, 1.1]], 2).tolist()
    [0, 1, 0, 1]
    """
    probe = check_delays(delays)
    count = whole_number(n_groups, "n_groups", 1)
    rounds, n = probe.shape
    if count > n or rounds == 0:
        raise ValueError(f"n_groups: {count} is above the {n} workers" if rounds else "delays: has no round")
    often = (probe > 2 * probe.min(axis=1, keepdims=True)).sum(axis=0)
    finite = np.where(np.isfinite(probe), probe, np.nanmax(np.where(np.isfinite(probe), probe, np.nan)))
    slowest_first = np.lexsort((-finite.mean(axis=0), -often))
    groups = np.empty(n, dtype=np.int64)
    turn = np.arange(n) // count
    place = np.arange(n) % count
    groups[slowest_first] = np.where(turn % 2 == 0, place, count - 1 - place)
    if n % count and turn[-1] % 2:  # the last turn may end before every group had one more
        groups[slowest_first[turn == turn[-1]]] = count - 1 - np.arange(n % count)
    return groups
