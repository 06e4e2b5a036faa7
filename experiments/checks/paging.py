"""Checks of the guarantees of paging, with and without predictions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from algos import optimal_faults
from experiments.ledger_checks import Comparison, checks, tightest
from online.paging import Mark0, mark0_bound
from simulators import DiscardBits, Trace

__all__: list[str] = []

CACHE_SIZES = (1, 2, 5, 16)


@checks("mark0_bound")
def mark0(rng: np.random.Generator) -> Comparison:
    """Flipped bits, from none to all of them."""
    return tightest("<=", _mark0(rng))


def _mark0(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for cache_size in CACHE_SIZES:
        predictor = DiscardBits(cache_size)
        for wrong in (0.0, 0.05, 0.3, 1.0):
            trace = Trace(rng.integers(0, 2 * cache_size + 1, 400))
            truth = predictor.truth(trace)
            bits = truth ^ (rng.random(truth.size) < wrong)
            faults = Mark0(cache_size).run(Trace(trace.requests, bits=bits), rng=rng).metrics["faults"][-1]
            opt = optimal_faults(trace.requests, trace.n_pages, cache_size)
            yield faults, mark0_bound(opt, *predictor.errors(trace, bits), cache_size)
