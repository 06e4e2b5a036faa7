"""Running cells on a Dask cluster: workers get descriptions and seeds, and send back the bytes of a cell's file.

Only the driver writes the store. A worker that dies costs the cells it was at, which are run again; when the scheduler
goes, the driver waits for one at the same address and gives it what is left. Bytes are those of a local run, as cells
draw from streams of their own; a worker with other code or other versions refuses.
"""

from __future__ import annotations

import json
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, NamedTuple

from algos.contracts import whole_number
from algos.streams import canonical_json, stable_hash
from experiments import registry
from experiments.experiment import Cell, Experiment
from experiments.provenance import source_digest, versions
from experiments.store import encode

__all__ = ["CellResult", "run_on_cluster"]

_WINDOW = 400  # cells that the scheduler knows of at once
_ATTEMPTS = 5  # of a cell whose workers die
_PAUSE = 0.5  # seconds between attempts to reach a scheduler


class CellResult(NamedTuple):
    """What a worker sends back.

    Parameters
    ----------
    content : bytes
        Of the cell's file.
    measurements : dict
        What depended on the machine.
    line : str
        For the progress bar.
    """

    content: bytes
    measurements: dict[str, Any]
    line: str


class _LostError(Exception):
    """The scheduler went."""


def run_on_cluster(
    address: str,
    work: Sequence[tuple[Experiment, Cell]],
    seed: int,
    deliver: Callable[[Experiment, Cell, CellResult], None],
    *,
    patience: float = 60.0,
) -> None:
    """Run cells on the workers of a scheduler.

    Parameters
    ----------
    address : str
        Of the scheduler, as ``tcp://host:8786``; ``local:N`` starts N worker processes on this machine.
    work : sequence of (Experiment, cell)
        Experiments that workers can find: registered ones, or made from input files that workers see as well.
    seed : int
    deliver : callable
        Called in this thread with each result, in the order in which they arrive.
    patience : float > 0
        Seconds to wait for a scheduler with a worker before giving up, each time that there is none.

    Raises
    ------
    ValueError
        When the address is malformed, or an experiment is one that workers cannot find.
    RuntimeError
        When a cell fails or keeps killing its workers, naming it, or when there is no cluster any more; what was
        delivered stays.
    """
    made_from = {key: _findable(one) for key, one in {id(one): one for one, _ in work}.items()}
    tasks = [_Task(experiment, cell, made_from[id(experiment)]) for experiment, cell in work]
    with _scheduler(address) as reached:
        left, waited = {task.key: task for task in tasks}, time.monotonic()
        while left:
            before = len(left)
            try:
                _session(reached, left, seed, deliver, patience)
            except (_LostError, OSError, TimeoutError) as error:
                if len(left) < before:
                    waited = time.monotonic()
                if time.monotonic() - waited > patience:
                    raise RuntimeError(
                        f"{address}: no scheduler with a worker for {patience:g} s ({error}); {len(left)} cells are "
                        "left, and the same command goes on with them"
                    ) from error
                time.sleep(_PAUSE)


class _Task:
    """A cell and how often it was given away."""

    def __init__(self, experiment: Experiment, cell: Cell, parameters: str) -> None:
        self.experiment, self.cell, self.parameters = experiment, cell, parameters
        self.key = f"{experiment.name}-{stable_hash(cell):016x}"
        self.attempts = 0

    @property
    def name(self) -> str:
        return f"{self.experiment.name}: cell {canonical_json(self.cell)}"


def _findable(experiment: Experiment) -> str:
    """What a worker makes the experiment from, as JSON."""
    parameters = experiment.parameters()
    try:
        found = registry.rebuilt(experiment.name, parameters)
    except ValueError:
        found = None
    if type(found) is not type(experiment):
        raise ValueError(
            f"{experiment.name}: workers cannot find this experiment; register it under regretlab.experiments"
        )
    return json.dumps(parameters)


@contextmanager
def _scheduler(address: str) -> Iterator[Any]:
    """An address, or a cluster on this machine for as long as it is needed."""
    try:
        import distributed
    except ImportError:
        raise ValueError("dask: is not installed; pip install 'regretlab[cluster]'") from None
    kind, _, count = address.partition(":")
    if kind == "local":
        workers = whole_number(int(count) if count.isdigit() else count, "dask: local:N: N", 1)
        with distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster:
            yield cluster
    elif "://" in address:
        yield address
    else:
        raise ValueError(f"dask: {address!r} is neither tcp://HOST:PORT nor local:N")


def _session(
    reached: Any, left: dict[str, _Task], seed: int, deliver: Callable[[Experiment, Cell, CellResult], None],
    patience: float,
) -> None:  # fmt: skip
    """Give away what is left until it is done or the scheduler goes."""
    from distributed import Client

    client = Client(reached, timeout=f"{min(patience, 5.0):g}s", set_as_default=False)
    try:
        client.wait_for_workers(1, timeout=patience)
        _exchange(client, left, seed, deliver, patience)
    finally:
        with suppress(Exception):  # what there is to tell is on its way already
            client.close(timeout=2)


def _exchange(
    client: Any, left: dict[str, _Task], seed: int, deliver: Callable[[Experiment, Cell, CellResult], None],
    patience: float,
) -> None:  # fmt: skip
    waiting = deque(left.values())
    arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
    flying: dict[str, Any] = {}
    code, session = _code(), time.time_ns()

    def give(task: _Task) -> None:
        task.attempts += 1
        # A new name each time: a scheduler remembers what it gave up on.
        name = f"{task.key}-{session}-{task.attempts}"
        told = (task.experiment.name, task.parameters, task.cell, seed, code)
        future = client.submit(_run_cell, *told, key=name, pure=False)
        flying[name] = (task, future)
        future.add_done_callback(arrived.put)

    idle = time.monotonic()
    while left:
        while waiting and len(flying) < _WINDOW:
            give(waiting.popleft())
        done = _arrivals(arrived, flying)
        if not done:
            if client.scheduler_info()["workers"]:
                idle = time.monotonic()
            elif time.monotonic() - idle > patience:
                raise _LostError("no worker")
            continue
        idle = time.monotonic()
        finished = [one for one in done if one.status == "finished"]
        results = client.gather(finished)
        for future, result in zip(finished, results, strict=True):
            task, _ = flying.pop(future.key)
            deliver(task.experiment, task.cell, CellResult(*result))
            del left[task.key]
        for future in done:
            if future.status != "finished":
                task, _ = flying.pop(future.key)
                _failed(task, future)
                waiting.append(task)


def _arrivals(arrived: queue.SimpleQueue[Any], flying: dict[str, Any]) -> list[Any]:
    """Futures that are done, all that there are; none after a while without."""
    found = []
    try:
        found.append(arrived.get(timeout=2.0))
        while len(found) < _WINDOW:
            found.append(arrived.get_nowait())
    except queue.Empty:
        pass
    return [future for future in found if future.key in flying]


def _failed(task: _Task, future: Any) -> None:
    """Raise what is to be told; return where the cell may be tried again."""
    from distributed.scheduler import KilledWorker

    if future.status != "error":
        raise _LostError(f"the scheduler gave up on cells ({future.status})")
    error = future.exception()
    if not isinstance(error, KilledWorker):
        raise RuntimeError(f"{task.name} failed: {error}") from error
    if task.attempts >= _ATTEMPTS:
        raise RuntimeError(f"{task.name} failed: its workers died, {task.attempts} times") from error


def _run_cell(
    name: str, parameters: str, cell: Cell, seed: int, code: dict[str, Any]
) -> tuple[bytes, dict[str, Any], str]:
    """On a worker: a cell from its description."""
    for what, mine in _code().items():
        if mine != code[what]:
            raise ValueError(f"this worker has another {what} of regretlab than the driver; its results would not mix")
    experiment = _experiment(name, parameters)
    frame = experiment.run(cell, seed)
    return encode(cell, frame), dict(frame.attrs), experiment.progress(cell, frame)


@lru_cache(maxsize=1)
def _code() -> dict[str, Any]:
    """What must be the same here and there for the same bytes."""
    return {"source": source_digest(), "versions": versions()}


@lru_cache(maxsize=16)
def _experiment(name: str, parameters: str) -> Experiment:
    return registry.rebuilt(name, json.loads(parameters))
