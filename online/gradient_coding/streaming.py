"""M-SGC whose workers send each mini-task when it is done, the most urgent job first.

A straggler then loses only its last mini-tasks, those of the youngest jobs, which have most time to be made up for.
The idea is section 12.4 of the project's specification of arXiv:2211.13802; the rule below is derived here.

Mini-task j = 1..q of a worker that ends after d seconds comes after d - alpha (1 - j / q) L seconds, L the load of the
q mini-tasks: computing takes alpha L of the time, in equal parts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from algos.contracts import Count, Natural, description
from algos.gradient_codes import uneven_groups
from online.gradient_coding.master import SchemeNumbers, UndecodableError
from online.gradient_coding.schemes import Multiplexed, Slack, explain_delays

__all__ = ["StreamingMultiplexed"]


@description
class StreamingMultiplexed(Multiplexed):
    """M-SGC with results mini-task by mini-task; waits no longer than every job under way needs.

    Parameters
    ----------
    n_workers, burst, window, max_stragglers
        As for `Multiplexed`, whose load and delay it has.
    repetition : bool
        True protects the coded part by repetition.
    deadline_slack : float >= 0
        mu. The round ends at (1 + mu) times the fastest worker's last result, or when nothing is missing; later if a
        job could no longer be decoded, even if all later rounds were waited out.

    Notes
    -----
    Outcome ``straggles`` counts workers that were late with some of their mini-tasks; so does the traced pattern.

    Examples
    --------
    A worker that is always late, but with its last mini-task alone:

    >>> from simulators import DelayTrace
    >>> cluster = DelayTrace([[1.0, 1.0, 2.2]] * 21, alpha=2.0, reference_load=0.5)
    >>> whole = Multiplexed(3, 1, 2, 1, rule="exact", wait="minimal")
    >>> streamed = StreamingMultiplexed(3, 1, 2, 1)
    >>> [scheme.run(cluster, 20, np.random.default_rng(0)).outcome["waits"] for scheme in (whole, streamed)]
    [10, 0]
    """

    n_workers: Count
    burst: Count
    window: Count
    max_stragglers: Natural
    deadline_slack: Slack = 1.0
    charge_edges: bool = Field(default=True, kw_only=True)
    wait: Any = Field(default="minimal", kw_only=True)
    rule: Any = Field(default="exact", kw_only=True)

    @model_validator(mode="after")
    def _streams(self) -> StreamingMultiplexed:
        if self.wait != "minimal" or self.rule != "exact":
            raise ValueError("wait and rule: results that stream go with 'minimal' and 'exact' alone")
        return self

    def run(self, *args: Any, **options: Any) -> Any:
        """As `Multiplexed.run`; real gradients are not computed."""
        if options.get("gradient") is not None:
            raise ValueError("gradient: results that stream are not computed for real; use Multiplexed")
        return super().run(*args, **options)

    def _play(
        self,
        running: Any,
        jobs: int,
        durations: NDArray[np.float64],
        waited: NDArray[np.uint8],
        pattern: NDArray[np.uint8],
    ) -> int:
        work, lost = _Results(self, jobs), 0
        for r in range(durations.size):
            delays = running.next(1)[0]
            load = float(self.loads(r, 1, jobs)[0])
            ends = delays + running.alpha * (load - running.reference_load)
            if not (ends > 0).all():
                explain_delays(delays, r, running.alpha * (load - running.reference_load))
            count = work.begin(r)
            steps = running.alpha * load * (1.0 - np.arange(1, count + 1) / count)
            times = ends[:, None] - steps[None, :]  # (n, mini-tasks), increasing along a row
            limit = (1.0 + self.deadline_slack) * float(ends.min())
            end = min(limit, float(ends.max()))
            if not work.feasible(times <= limit):
                waited[r] = 1
                later = np.unique(times[times > limit])
                low, high = 0, later.size - 1
                while low < high:  # more results are never worse
                    middle = (low + high) // 2
                    if work.feasible(times <= later[middle]):
                        high = middle
                    else:
                        low = middle + 1
                limit = end = float(later[low])
            if not end < np.inf:
                raise UndecodableError(max(0, r - self.delay), r, "it needs a worker that never answers")
            durations[r] = end
            done = times <= limit
            work.accept(done)
            late = ~done.all(axis=1)
            lost += int(late.sum())
            if pattern.size:
                pattern[r] = late
            if running.watches:
                running.watch(late)
            if r >= self.delay and not work.decoded(r - self.delay):
                raise UndecodableError(r - self.delay, r, "too few results came back")
        return lost


class _Results:
    """Which results of the jobs under way came back; slot k of job t is done in round t + k."""

    def __init__(self, scheme: StreamingMultiplexed, jobs: int) -> None:
        numbers: SchemeNumbers = scheme.numbers()
        self._n, self._jobs = scheme.n_workers, jobs
        self._own_slots, self._burst, self._spread = scheme.window - 1, numbers.burst, numbers.spread
        self._groups = uneven_groups(self._n, self._spread) if scheme.repetition and self._spread < self._n else None
        self._own: dict[int, NDArray[np.int64]] = {}  # results of its own chunks, of each worker
        self._coded: dict[int, NDArray[np.bool_]] = {}  # (n, B): coded results
        self._round = 0
        self._active: list[int] = []

    def begin(self, r: int) -> int:
        """Begin a round; how many mini-tasks a worker has, counting those of no job."""
        slots = self._own_slots + self._burst
        self._round = r
        self._active = [r - k for k in range(slots - 1, -1, -1)]  # most urgent first; some are of no job
        if r < self._jobs:
            self._own[r] = np.zeros(self._n, dtype=np.int64)
            self._coded[r] = np.zeros((self._n, self._burst), dtype=bool)
        self._own.pop(r - slots, None)
        self._coded.pop(r - slots, None)
        return slots

    def feasible(self, done: NDArray[np.bool_]) -> bool:
        """Whether every job can still be decoded if all later rounds are whole; done has a column a mini-task."""
        for place, job in enumerate(self._active):
            if not 0 <= job < self._jobs:
                continue
            k = self._round - job
            own, coded = self._after(job, k, done[:, place])
            missing = self._own_slots - own - max(0, self._own_slots - 1 - k)  # to be retried in coded slots
            first = max(k + 1, self._own_slots) - self._own_slots  # the next coded group
            if (first + np.maximum(missing, 0) > self._burst).any():
                return False
            for m in range(self._burst):
                absent = missing > m - first if m >= first else ~coded[:, m]
                if not self._bears(absent):
                    return False
        return True

    def accept(self, done: NDArray[np.bool_]) -> None:
        """End the round with these results."""
        for place, job in enumerate(self._active):
            if 0 <= job < self._jobs:
                self._own[job], self._coded[job] = self._after(job, self._round - job, done[:, place])

    def decoded(self, job: int) -> bool:
        """Whether the results of a job are enough."""
        if (self._own[job] < self._own_slots).any():
            return False
        return all(self._bears(~self._coded[job][:, m]) for m in range(self._burst))

    def _after(self, job: int, k: int, done: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        own, coded = self._own[job], self._coded[job]
        if k < self._own_slots:
            return own + done, coded
        complete = own >= self._own_slots
        coded = coded.copy()
        coded[:, k - self._own_slots] = complete & done
        return own + (done & ~complete), coded

    def _bears(self, absent: NDArray[np.bool_]) -> bool:
        if self._spread == self._n:
            return True
        if self._groups is None:
            return int(absent.sum()) <= self._spread
        return bool((np.bincount(self._groups[~absent], minlength=int(self._groups.max()) + 1) > 0).all())
