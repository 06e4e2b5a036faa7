"""Who computes what: the mini-tasks of every round, which of them came back, and how a job is decoded from them.

The master's loop needs none of this to know how long a run takes. Here results are real: gradients of ranges of
samples, encoded by the workers, decoded by the master, and compared with the gradient of all samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import check_generator, whole_number
from algos.gradient_codes import CyclicRandomCode, GradientCode, UnevenRepetitionCode
from online.gradient_coding.master import UndecodableError

__all__ = ["MiniTask", "WorkPlan", "compute", "work_plan"]


class MiniTask(NamedTuple):
    """What a worker computes of a job in a round: a weighted sum over chunks of the data."""

    job: int
    part: int
    """Which part of the job: a chunk of its own (the same number whoever retries it), or a coded group."""
    chunks: NDArray[np.int64]
    """Chunks of the job's data, see `WorkPlan.bounds`."""
    weights: NDArray[Any]
    """Their weights in the sum."""


class WorkPlan:
    """The mini-tasks of a scheme, round by round.

    Use it in order: `tasks` of a round for each worker, then `record` with the stragglers of that round.

    Parameters
    ----------
    scheme : Uncoded, GradientCoding, SelectiveRepeat, Multiplexed or EventDriven
        The scheme.
    jobs : int >= 0
        J.
    rng : numpy.random.Generator
        Draws the weights of a cyclic code.
    """

    def __init__(self, scheme: Any, jobs: int, rng: np.random.Generator) -> None:
        self.scheme, self.jobs = scheme, whole_number(jobs, "jobs", 0)
        self.rounds = self.jobs + scheme.delay if self.jobs else 0
        self._rng, self._next = check_generator(rng, "WorkPlan"), 0
        self._returned: list[set[tuple[int, int]]] = [set() for _ in range(self.jobs)]

    def bounds(self, n_samples: int) -> NDArray[np.int64]:
        """Where the chunks of a job's data begin and end, shape (chunks + 1,); chunks may be empty."""
        shares = self._shares()
        ends = np.rint(whole_number(n_samples, "n_samples", 0) * np.cumsum(shares) / shares.sum()).astype(np.int64)
        return np.concatenate([[0], ends])

    def tasks(self, worker: int) -> list[MiniTask]:
        """What a worker does in the coming round, in slot order; jobs outside 0..J - 1 have none."""
        raise NotImplementedError

    def record(self, stragglers: ArrayLike) -> None:
        """End the coming round: all mini-tasks came back but those of the stragglers, bool of shape (n,)."""
        late = np.asarray(stragglers)
        if late.shape != (self.scheme.n_workers,) or late.dtype != bool:
            raise ValueError(f"stragglers: must be bool of shape ({self.scheme.n_workers},)")
        if self._next >= self.rounds:
            raise ValueError(f"record: all {self.rounds} rounds are over")
        done = [[] if late[i] else self.tasks(i) for i in range(late.size)]
        for i, tasks in enumerate(done):
            for task in tasks:
                self._returned[task.job].add((i, task.part))
        self._after_round(late)
        self._next += 1

    def decodable(self, job: int) -> bool:
        """Whether what came back so far is enough for a job."""
        raise NotImplementedError

    def weights(self, job: int) -> list[tuple[int, int, float]]:
        """Worker, part and weight of the results that sum up the job's gradient."""
        raise NotImplementedError

    def _shares(self) -> NDArray[np.float64]:
        raise NotImplementedError

    def _after_round(self, late: NDArray[np.bool_]) -> None:
        pass


def work_plan(scheme: Any, jobs: int, rng: np.random.Generator) -> WorkPlan:
    """The plan of a scheme."""
    if hasattr(scheme, "chunk_share"):
        return _MultiplexedPlan(scheme, jobs, rng)
    return _CodedPlan(scheme, jobs, rng)


class _CodedPlan(WorkPlan):
    """One coded result a worker, which selective repeat asks for again B rounds later."""

    def __init__(self, scheme: Any, jobs: int, rng: np.random.Generator) -> None:
        super().__init__(scheme, jobs, rng)
        s = getattr(scheme, "code_stragglers", getattr(scheme, "max_stragglers", 0))
        groups = getattr(scheme, "groups", None)
        if groups is not None:
            self._code: GradientCode = _GroupCode(groups)
        else:
            self._code = _code(scheme.n_workers, s, getattr(scheme, "repetition", False), self._rng)
        self._burst = scheme.burst if hasattr(scheme, "code_stragglers") else 0
        self._own_round: list[set[int]] = []  # who returned a job's result in the job's own round

    def repeaters(self) -> list[int]:
        """Who repeats a result in the coming round."""
        job = self._next - self._burst
        if not self._burst or job < 0:
            return []
        missing = [i for i in range(self.scheme.n_workers) if i not in self._own_round[job]]
        if self.scheme.repetition:
            groups = self._code.groups  # type: ignore[attr-defined]
            heard, found = {int(groups[i]) for i in self._own_round[job]}, []
            for i in missing:
                if int(groups[i]) not in heard:
                    heard.add(int(groups[i]))
                    found.append(i)
            return found
        return missing[: max(0, len(missing) - self._code.max_stragglers)]

    def tasks(self, worker: int) -> list[MiniTask]:
        job = self._next - self._burst if worker in self.repeaters() else self._next
        if job >= self.jobs:
            return []
        chunks = self._code.chunks(worker)
        return [MiniTask(job, 0, chunks, self._code.matrix[worker, chunks])]

    def decodable(self, job: int) -> bool:
        return self._code.decodable(self._missing(job))

    def weights(self, job: int) -> list[tuple[int, int, float]]:
        vector = self._code.decoding_vector(self._missing(job))
        return [(int(i), 0, vector[i]) for i in np.flatnonzero(vector)]

    def _missing(self, job: int) -> list[int]:
        return [i for i in range(self.scheme.n_workers) if (i, 0) not in self._returned[job]]

    def _shares(self) -> NDArray[np.float64]:
        return np.ones(self._code.n_chunks)

    def _after_round(self, late: NDArray[np.bool_]) -> None:
        if self._next < self.jobs:
            self._own_round.append({i for i, _ in self._returned[self._next]})


class _MultiplexedPlan(WorkPlan):
    """Parts 0..n (W - 1) - 1 are chunks of one worker each; then come B coded groups."""

    def __init__(self, scheme: Any, jobs: int, rng: np.random.Generator) -> None:
        super().__init__(scheme, jobs, rng)
        n, self._coded = scheme.n_workers, scheme.max_stragglers < scheme.n_workers
        self._own = scheme.window - 1
        self._n_own = n * self._own
        self._code = _code(n, scheme.max_stragglers, scheme.repetition, self._rng) if self._coded else None

    def tasks(self, worker: int) -> list[MiniTask]:
        found = []
        for slot in range(self._own + self.scheme.burst):
            job = self._next - slot
            if 0 <= job < self.jobs:
                task = self._task(job, slot, worker)
                if task is not None:
                    found.append(task)
        return found

    def _task(self, job: int, slot: int, worker: int) -> MiniTask | None:
        first = worker * self._own
        part = first + slot
        if slot >= self._own:
            back = self._returned[job]
            missing = [p for p in range(first, first + self._own) if (worker, p) not in back]
            if not missing:
                if self._code is None:
                    return None
                group = slot - self._own
                chunks = self._code.chunks(worker)
                offset = self._n_own + group * self._code.n_chunks
                return MiniTask(job, self._n_own + group, offset + chunks, self._code.matrix[worker, chunks])
            part = missing[0]
        return MiniTask(job, part, np.array([part]), np.ones(1))

    def decodable(self, job: int) -> bool:
        back = self._returned[job]
        if any((p // self._own, p) not in back for p in range(self._n_own)):
            return False
        if self._code is None:
            return True
        return all(self._code.decodable(self._missing(job, group)) for group in range(self.scheme.burst))

    def weights(self, job: int) -> list[tuple[int, int, float]]:
        found: list[tuple[int, int, float]] = [(p // self._own, p, 1.0) for p in range(self._n_own)]
        if self._code is not None:
            for group in range(self.scheme.burst):
                vector = self._code.decoding_vector(self._missing(job, group))
                found += [(int(i), self._n_own + group, vector[i]) for i in np.flatnonzero(vector)]
        return found

    def _missing(self, job: int, group: int) -> list[int]:
        part = self._n_own + group
        return [i for i in range(self.scheme.n_workers) if (i, part) not in self._returned[job]]

    def _shares(self) -> NDArray[np.float64]:
        own = np.full(self._n_own, float(self.scheme.chunk_share))
        if self._code is None:
            return own
        k = self._code.n_chunks
        return np.concatenate([own, np.full(self.scheme.burst * k, own[0] / self._code.load / k)])


class _GroupCode(UnevenRepetitionCode):
    """Repetition in groups that are given."""

    def __init__(self, groups: NDArray[np.int64]) -> None:
        count = int(groups.max()) + 1
        self._use_groups(groups, np.arange(count), int(np.bincount(groups).min()) - 1)


def _code(n: int, s: int, repetition: bool, rng: np.random.Generator) -> GradientCode:
    if repetition:
        return UnevenRepetitionCode(n, s)
    return CyclicRandomCode(n, s, rng)


def compute(
    scheme: Any,
    pattern: NDArray[np.bool_],
    jobs: int,
    gradient: Callable[[int, int, int], Any],
    n_samples: int,
    rng: np.random.Generator,
    decoded: Callable[[int, Any], None] | None = None,
) -> float:
    """Compute, encode and decode real gradients under a pattern of stragglers: the largest relative error.

    Relative to the sum of the norms of the chunks' gradients, which does not vanish where the whole one does.

    Parameters are those of `SequentialScheme.run`; pattern has shape (rounds, n).

    Raises
    ------
    UndecodableError
        When the results of a job are not enough at the end of its last round.
    """
    plan = work_plan(scheme, jobs, rng)
    bounds = plan.bounds(n_samples)
    chunks: list[dict[int, NDArray[np.float64]]] = [{} for _ in range(jobs)]
    results: list[dict[tuple[int, int], NDArray[np.float64]]] = [{} for _ in range(jobs)]
    worst = 0.0

    def chunk(job: int, place: int) -> NDArray[np.float64]:
        # Workers with the same chunk would find the same: it is computed once.
        known = chunks[job]
        if place not in known:
            known[place] = flatten(gradient(job, int(bounds[place]), int(bounds[place + 1])))
        return known[place]

    for r in range(plan.rounds):
        for i in np.flatnonzero(~pattern[r]):
            for task in plan.tasks(int(i)):
                results[task.job][int(i), task.part] = sum(
                    (
                        weight * chunk(task.job, int(place))
                        for place, weight in zip(task.chunks, task.weights, strict=True)
                    ),
                    start=np.zeros(1),
                )
        plan.record(pattern[r])
        job = r - scheme.delay
        if job < 0:
            continue
        if not plan.decodable(job):
            raise UndecodableError(job, r, "too few results came back")
        total = sum((weight * results[job][i, part] for i, part, weight in plan.weights(job)), start=np.zeros(1))
        whole = gradient(job, 0, n_samples)
        expected = flatten(whole)
        size = sum(float(np.linalg.norm(part)) for part in chunks[job].values())
        worst = max(worst, float(np.linalg.norm(total - expected)) / (size if size > 0 else 1.0))
        if decoded is not None:
            decoded(job, _shaped_like(np.real(total), whole))
        chunks[job], results[job] = {}, {}
    return worst


def flatten(gradient: Any) -> NDArray[np.float64]:
    """An array, or a list of arrays, as one vector."""
    parts: Iterable[Any] = gradient if isinstance(gradient, list | tuple) else [gradient]
    return np.concatenate([np.asarray(part, dtype=np.float64).ravel() for part in parts])


def _shaped_like(vector: NDArray[np.float64], example: Any) -> Any:
    if not isinstance(example, list | tuple):
        return vector.reshape(np.shape(example))
    sizes = np.cumsum([np.size(part) for part in example])
    return [piece.reshape(np.shape(part)) for piece, part in zip(np.split(vector, sizes[:-1]), example, strict=True)]
