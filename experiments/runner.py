"""Running experiments: every cell once, on threads or a cluster, into a store; and verifying what a store holds.

Cells are independent and draw from streams keyed by themselves, so the results do not depend on the number of
workers, on the order in which cells finish, or on how often a run was interrupted and resumed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from algos.contracts import whole_number
from algos.streams import canonical_json, stream
from experiments import registry
from experiments.cluster import CellResult, run_on_cluster
from experiments.experiment import Cell, Experiment, Scale, check_scale
from experiments.provenance import code_digest, revision
from experiments.store import Store, digest, encode
from experiments.whole_files import locked

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CellCheck", "Progress", "experiments_of", "results", "run_experiments", "verify"]

Progress = Callable[[str, int, int], None]
"""Called with what was done last, how many cells are done, and how many there are."""


def run_experiments(
    experiments: Sequence[Experiment],
    out: str | Path,
    *,
    scale: Scale = "quick",
    seed: int = 0,
    workers: int | None = None,
    dask: str | None = None,
    progress: Progress | None = None,
) -> Store:
    """Run all cells that the folder does not hold yet.

    Parameters
    ----------
    experiments : sequence of Experiment
        What to run.
    out : str or Path
        The store's folder: new, or begun earlier with the same seed, scale and source.
    scale : {"quick", "paper"}
        Size of the experiments.
    seed : int >= 0
        The run's one seed.
    workers : int >= 1, optional
        Threads; the number of cores when omitted. The results do not depend on it.
    dask : str, optional
        Address of a Dask scheduler, or ``local:N``: cells run on its workers instead, see `run_on_cluster`. Nor do
        the results depend on that.
    progress : callable, optional
        See `Progress`.

    Raises
    ------
    ValueError
        When an argument is out of its range or the folder holds something else.
    RuntimeError
        When a cell fails, naming it; the cells finished by then are kept.
    """
    scale, seed = check_scale(scale), whole_number(seed, "seed", 0)
    threads = (os.cpu_count() or 1) if workers is None else whole_number(workers, "workers", 1)
    if dask is not None and workers is not None:
        raise ValueError(f"workers: {workers} is of threads; a cluster has its own workers")
    work = [(experiment, cell) for experiment in experiments for cell in experiment.cells(scale)]
    for experiment in experiments:
        _check_distinct(experiment, [cell for owner, cell in work if owner is experiment])
    made_from = {e.name: {"parameters": e.parameters(), "code": code_digest(type(e))} for e in experiments}
    revision()  # asks git, whose process must not start while this one holds the lock: it would share it for a moment
    with locked(Path(out)):
        store = Store.begin(out, seed=seed, scale=scale, experiments=made_from)
        todo = [(experiment, cell) for experiment, cell in work if store.find(experiment.name, cell) is None]
        done, counting = len(work) - len(todo), threading.Lock()
        if progress is not None:
            progress("cells held already", done, len(work))

        def told(line: str) -> None:
            nonlocal done
            with counting:
                done += 1
                if progress is not None:
                    progress(line, done, len(work))

        def finish(experiment: Experiment, cell: Cell) -> None:
            try:
                frame = experiment.run(cell, seed)
            except Exception as error:
                raise RuntimeError(f"{experiment.name}: cell {canonical_json(cell)} failed: {error}") from error
            store.write(experiment.name, cell, frame)
            told(experiment.progress(cell, frame))

        def keep(experiment: Experiment, cell: Cell, result: CellResult) -> None:
            store.write_encoded(experiment.name, cell, result.content, result.measurements)
            told(result.line)

        if dask is not None:
            run_on_cluster(dask, todo, seed, keep)
            return store
        with ThreadPoolExecutor(max_workers=threads) as pool:
            futures = [pool.submit(finish, experiment, cell) for experiment, cell in todo]
            try:
                finished, _ = wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            failed = [future for future in finished if future.exception() is not None]
            if failed:
                pool.shutdown(wait=True, cancel_futures=True)
                failed[0].result()
    return store


def results(store: Store, experiment: Experiment) -> pd.DataFrame:
    """The results of all cells of an experiment, with the cells' own values as columns.

    Raises
    ------
    ValueError
        When a cell is missing or damaged.
    """
    import pandas as pd

    cells = experiment.cells(check_scale(store.manifest["scale"]))
    return pd.concat([store.read(experiment.name, cell) for cell in cells], ignore_index=True)


def experiments_of(store: Store) -> list[Experiment]:
    """The experiments that a store was made by, rebuilt from its manifest.

    Raises
    ------
    ValueError
        When one is unknown, its input is no longer what it was, or the manifest says nothing that makes sense.
    """
    found = []
    for name, made_from in store.manifest["experiments"].items():
        try:
            found.append(registry.rebuilt(name, made_from["parameters"]))
        except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            what = f"experiments: {name}: its parameters make no experiment ({type(error).__name__}: {error})"
            raise ValueError(f"{store.folder / 'manifest.json'}: {what}") from error
    return found


@dataclass(frozen=True)
class CellCheck:
    """What verification found of a cell."""

    experiment: str
    cell: str
    finding: Literal["bit-identical", "whole", "altered", "missing", "differs"]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong with the cell."""
        return self.finding in ("bit-identical", "whole")


def verify(out: str | Path, *, sample: int = 10, progress: Progress | None = None) -> list[CellCheck]:
    """Check a store: the bytes of every cell against its digest, and a sample of the cells by running them again.

    Parameters
    ----------
    out : str or Path
        The store's folder.
    sample : int >= 0
        How many cells to run again, drawn at random by the store's own seed; all when there are fewer.
    progress : callable, optional
        See `Progress`.

    Returns
    -------
    list of CellCheck
        Each cell is "bit-identical" when it was run again with the same bytes, "whole" when only its digest was
        checked, "altered" when its bytes are not those written, "missing", or "differs" when running it again
        gave other bytes.
    """
    store = Store(out)
    seed, scale = whole_number(store.manifest["seed"], "seed", 0), check_scale(store.manifest["scale"])
    sample = whole_number(sample, "sample", 0)
    work = [(experiment, cell) for experiment in experiments_of(store) for cell in experiment.cells(scale)]
    chosen = set(stream(seed, "verify", 0).permutation(len(work))[:sample].tolist())
    checks = []
    for index, (experiment, cell) in enumerate(work):
        path = store.find(experiment.name, cell)
        if path is None:
            damaged = store.damaged(experiment.name, cell)
            checks.append(CellCheck(experiment.name, canonical_json(cell), "altered" if damaged else "missing"))
        elif index in chosen:
            again = digest(encode(cell, experiment.run(cell, seed)))
            same = path.name.split(".")[-2] == again
            checks.append(CellCheck(experiment.name, canonical_json(cell), "bit-identical" if same else "differs"))
        else:
            checks.append(CellCheck(experiment.name, canonical_json(cell), "whole"))
        if progress is not None:
            progress(experiment.name, index + 1, len(work))
    return checks


def _check_distinct(experiment: Experiment, cells: Sequence[Cell]) -> None:
    keys = [canonical_json(cell) for cell in cells]
    if not keys:
        raise ValueError(f"{experiment.name}: has no cells")
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{experiment.name}: cell {twice} is listed twice")
