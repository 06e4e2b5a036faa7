"""Paging with succinct predictions: what wrong predictions cost, and what no algorithm can do.

Source: arXiv:2210.02775, which has no experiments; these put its claims to the test, and beside its algorithms those
that read predicted times and those that read nothing.

* Smoothness: faults / OPT against the probability that a bit is wrong, with the bounds.
* Prices: only true 1s flipped (eta0), or only true 0s (eta1); instances on which a wrong bit costs all that it may.
* Lower bounds: an adversary that requests the missing page, and uniform requests over k + 1 pages.
* Growth of the ratios with the cache size k.
* Predicted times of the next request, with more and more noise.
* Miss ratios at all cache sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.claims import Claim
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from experiments.papers import paging_claims, paging_tables
from experiments.papers.paging_worlds import FLIPS, SIGMAS, fault_curves, game, replays, sizes_around
from online.paging import harmonic_number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXPERIMENT", "PagingSuccinct"]

_ZIPF: Cell = {"trace": "zipf", "length": 100_000, "cache_size": 1000}
_STACK: Cell = {"trace": "stack", "length": 2100, "cache_size": 10}
_WEB07: Cell = {"trace": "web07", "length": 0, "cache_size": 1024}
_WEB12: Cell = {"trace": "web12", "length": 0, "cache_size": 687}
_ORM_BUSY: Cell = {"trace": "orm_busy", "length": 0, "cache_size": 3817}


class PagingSuccinct(Experiment):
    """Competitive ratios with predictions from perfect to exactly wrong, on synthetic and on real traces."""

    name = "paging_succinct"
    question = "What does a wrong prediction cost each paging algorithm, and when is it worth having any?"
    source = "arXiv:2210.02775 (Antoniadis et al., Paging with Succinct Predictions, ICML 2023)"

    def cells(self, scale: Scale) -> list[Cell]:
        """A trace and a cache size; predictions from a source at a level; a group of policies that read them."""
        paper = scale == "paper"
        real = [_WEB07, _WEB12, _ORM_BUSY] if paper else [_WEB07, _WEB12]
        cells: list[Cell] = []

        def add(world: Cell, group: str, predictor: str = "none", level: float = 0.0, replications: int = 1) -> None:
            count = min(replications, 20) if world["trace"] == "orm_busy" else replications
            cells.append(
                {**world, "group": group, "predictor": predictor, "level": level, "replications": count},
            )

        runs = 100 if paper else 5
        for world in (_ZIPF, *real):
            for level in (*FLIPS, 1.0):
                for group in ("discard bits", "discard bits, robust", "phase bits"):
                    add(world, group, "flips", level, runs)
            for group in ("discard bits", "discard bits, robust"):
                add(world, group, "adversary", 0.1, runs)
            for level in FLIPS[1::2]:
                for side in ("wrong 0s", "wrong 1s"):
                    add(world, "discard bits", side, level, runs)
                    add(world, "phase bits", side, level, runs)
        add(_ZIPF, "no predictions", replications=runs)
        for world in real:
            add(world, "curves")
            for size in sizes_around(world["cache_size"]):
                add({**world, "cache_size": size}, "no predictions", replications=runs)
            for bit in (0.0, 1.0):
                add(world, "discard bits", "constant", bit, runs)

        many = 1000 if paper else 40
        add(_STACK, "no predictions", replications=many)
        for world in (_STACK, *real):
            runs = many if world is _STACK else (100 if paper else 3)
            for group in ("arrivals", "arrivals, robust", "arrivals, doubting"):
                for sigma in SIGMAS if paper else (0.0, 5.0, 20.0, 50.0, 200.0):
                    add(world, group, "lognormal", sigma, runs)
                for predictor in ("POPU", "PLECO", "random", "reversed"):
                    add(world, group, predictor, 0.0, runs)

        phases = 400 if paper else 40
        for k in (4, 8, 16, 32, 64, 128, 256) if paper else (4, 16, 64, 256):
            runs = max(100, 2000 // k) if paper else max(40, 800 // k)
            uniform: Cell = {
                "trace": "uniform",
                "length": round(phases * (k + 1) * harmonic_number(k)),
                "cache_size": k,
            }
            for world in (uniform, {"trace": "alternating pairs", "length": phases * k, "cache_size": k}):
                add(world, "no predictions", replications=runs)
                add(world, "discard bits", "constant", 0.0, runs)
                add(world, "phase bits", "constant", 0.0, runs)
            if k == 16:
                for group in ("discard bits, robust", "arrivals", "arrivals, robust", "arrivals, doubting"):
                    add(uniform, group, "constant", 0.0, runs)
        trap: Cell = {"trace": "marking trap", "length": 100 * 16, "cache_size": 16}
        add(trap, "no predictions", replications=runs)
        add(trap, "phase bits", "flips", 0.0, runs)
        add(trap, "arrivals", "lognormal", 0.0, runs)
        for bit in (0.0, 1.0):
            add(
                {"trace": "loop", "length": 100 * 32**2, "cache_size": 32},
                "discard bits",
                "constant",
                bit,
                20 if paper else 4,
            )
        for k in (4, 16):
            missing: Cell = {"trace": "missing page", "length": 100 * k, "cache_size": k}
            add(missing, "no predictions")
            for bit in (0.0, 1.0):
                for group in ("discard bits", "discard bits, robust", "phase bits, deterministic"):
                    add(missing, group, "constant", bit)
        return cells

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """One row a policy and replication: faults, the optimum, and the errors of the predictions."""
        if cell["group"] == "curves":
            return fault_curves(cell, seed)
        return game(cell) if cell["trace"] == "missing page" else replays(cell, seed)

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """The theorems, the identities, and what the specification expects to see."""
        return paging_claims.claims(results)

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """Consistency and robustness, the adversary's game, and numbers published for other data."""
        return paging_tables.tables(results)

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """Smoothness, prices, growth, predicted times, miss ratios."""
        from experiments.papers import paging_figures

        return paging_figures.figures(results)

    def summary(self, results: pd.DataFrame) -> list[str]:
        """The answer, for each trace with predicted bits."""
        return paging_tables.sentences(results)

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """Which cell is done."""
        words = [cell["trace"], f"k = {cell['cache_size']:,}", cell["group"]]
        if cell["predictor"] != "none":
            words.append(f"{cell['predictor']} {cell['level']:g}")
        return f"{self.name}: {', '.join(words)}"


EXPERIMENT = PagingSuccinct()
