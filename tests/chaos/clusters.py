"""Dask processes killed: a worker, then the scheduler, which comes back at its address, then the driver."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from experiments.runner import run_experiments
from tests.chaos.families import Outcome
from tests.chaos.forks import contents, difference
from tests.experiments.counting import REGISTERED
from tests.experiments.dask_processes import kill_one_after_the_other, with_counting_registered

__all__ = ["killed_processes"]


def killed_processes(folder: Path) -> Iterator[Outcome]:
    """Runs on two workers of a real scheduler, against the bytes of a local run."""
    # Threads are started here: this family comes after all that fork.
    local = contents(run_experiments([REGISTERED], folder / "local", workers=8).folder)
    for killing_driver in (False, True):
        place = folder / f"driver-killed-{killing_driver}"
        environment = with_counting_registered(place)
        out = place / "out"
        kind = "worker, then scheduler" + (", then driver" if killing_driver else "")
        try:
            kill_one_after_the_other(environment, place, out, killing_driver=killing_driver)
            lost = difference(contents(out), local)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            lost = f"the run does not end: {error}"
        yield Outcome(kind, lost)
