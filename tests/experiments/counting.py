"""A tiny experiment for the tests of the engine: it needs no compiler, and each cell takes a moment.

Run as a script it is a process that can be killed: ``python -m tests.experiments.counting OUT WORKERS``, or ``OUT
tcp://HOST:PORT`` to run on a cluster, whose workers find `REGISTERED` by an entry point.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np
import pandas as pd

from algos.streams import algorithm_stream
from experiments.claims import Claim, exact
from experiments.experiment import Cell, Experiment, NamedFigure, Scale
from experiments.registry import experiment
from experiments.runner import run_experiments


class Counting(Experiment):
    name = "counting"
    question = "Do the draws arrive?"
    source = "the tests"

    def __init__(self, cells: int = 24, pause: float = 0.0, fail_at: int | None = None) -> None:
        self.size, self.pause, self.fail_at = cells, pause, fail_at
        self.runs = 0

    def cells(self, scale: Scale) -> list[Cell]:
        return [{"cell": index, "algorithm": "draw", "scale": scale} for index in range(self.size)]

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        self.runs += 1
        if cell["cell"] == self.fail_at:
            raise ValueError("this cell cannot be run")
        time.sleep(self.pause)
        draws = algorithm_stream(seed, cell, 0).random(200)
        frame = pd.DataFrame({"index": np.arange(200), "draw": draws})
        frame.attrs["seconds"] = self.pause
        return frame

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        return [Claim("the draws lie below one", exact(float(results["draw"].max())), "<=", 1.0)]

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        return []


REGISTERED = Counting(cells=60, pause=0.1, fail_at=int(os.environ.get("COUNTING_FAILS_AT", -1)))


def main(out: str, workers: str) -> None:
    print("started", flush=True)
    if workers.isdigit():
        run_experiments([Counting(pause=0.02)], out, workers=int(workers))
    else:
        run_experiments([experiment("counting")], out, dask=workers)
    print("finished", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
