"""Checks of the guarantees of paging with predicted times of the next request, and of Guard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from algos import arrival_error, next_use
from experiments.checks.paging_worlds import (
    clean_page_count,
    drawn_traces,
    faults,
    optimum,
    returning_pages_trap,
    sampled_faults,
)
from experiments.ledger_checks import Comparison, checks, tightest, tightest_mean
from online.paging import (
    BlindOracle,
    DiscardBitGuard,
    Guard,
    LMarker,
    LNonMarker,
    PredictiveMarker,
    blind_oracle_bound,
    blind_oracle_consistency,
    blind_oracle_sharper_bound,
    guard_bound,
    guard_consistency,
    predicted_marking_consistency,
    predictive_marker_bound,
)
from simulators import DiscardBits, LoopTrace, MarkingTrap, NormalArrivals, Trace

__all__: list[str] = []

CACHE_SIZES = (2, 8, 64)
RUNS = 20


@checks("blind_oracle_bound")
def blind_oracle(rng: np.random.Generator) -> Comparison:
    """Faults with times that are nearly right, noisy, reversed, or exchanged in pairs."""
    return tightest("<=", _blind_oracle(blind_oracle_bound, rng))


@checks("blind_oracle_sharper_bound")
def blind_oracle_sharper(rng: np.random.Generator) -> Comparison:
    """The same faults against the sharper bound."""
    return tightest("<=", _blind_oracle(blind_oracle_sharper_bound, rng))


@checks("blind_oracle_consistency")
def blind_oracle_with_true_times(rng: np.random.Generator) -> Comparison:
    """Faults on drawn traces with true times."""
    return tightest(
        "=",
        (
            (faults(BlindOracle(k), trace), blind_oracle_consistency(optimum(trace, k)))
            for k in CACHE_SIZES
            for trace in drawn_traces(rng, k, 20_000)
        ),
    )


@checks("predictive_marker_bound")
def predictive_marker(rng: np.random.Generator) -> Comparison:
    """Mean faults with right, noisy and reversed times, also where marking is dearest and where true times cost 2."""
    return tightest_mean(
        "<=",
        (
            (
                sampled_faults(PredictiveMarker(k), trace, RUNS, rng),
                predictive_marker_bound(optimum(trace, k), _error(trace), k),
            )
            for k in CACHE_SIZES
            for trace in (*_with_wrong_times(_hard_and_drawn(rng, k), rng), MarkingTrap(k, 500).sample())
        ),
    )


@checks("predicted_marking_consistency")
def predicted_marking(rng: np.random.Generator) -> Comparison:
    """Faults of PredictiveMarker, LMarker and LNonMarker with true times, and the number of clean pages."""
    return tightest(
        "=",
        (
            (faults(policy(k), trace, rng, compiled=False), predicted_marking_consistency(clean_page_count(trace, k)))
            for k in CACHE_SIZES
            for trace in (*drawn_traces(rng, k, 1000), MarkingTrap(k, 10).sample())
            for policy in (PredictiveMarker, LMarker, LNonMarker)
        ),
    )


@checks("guard_bound")
def guard(rng: np.random.Generator) -> Comparison:
    """Mean faults of Guard with right, noisy and reversed times, and of DiscardBitGuard with right and wrong bits."""
    return tightest_mean("<=", _guard(rng))


@checks("guard_consistency")
def guard_with_true_times(rng: np.random.Generator) -> Comparison:
    """Faults of Guard on drawn traces with true times."""
    return tightest(
        "=",
        (
            (faults(Guard(k), trace, rng), guard_consistency(optimum(trace, k)))
            for k in CACHE_SIZES
            for trace in (*drawn_traces(rng, k, 20_000), MarkingTrap(k, 100).sample())
        ),
    )


def _blind_oracle(
    bound: Callable[[float, float, int], float], rng: np.random.Generator
) -> Iterator[tuple[float, float]]:
    for k in CACHE_SIZES:
        loops = (_reversed_within(LoopTrace(k + 1, 5000).sample(), block) for block in (2, k + 1))
        for trace in (*_with_wrong_times(drawn_traces(rng, k, 5000), rng), *loops):
            yield faults(BlindOracle(k), trace), bound(optimum(trace, k), _error(trace), k)
    for _ in range(300):  # a few requests, one wrong time: a single fault more is all that the bound allows
        trace = Trace(rng.integers(0, 5, 30))
        times = _true_times(trace)
        times[rng.integers(times.size)] += rng.choice([-1.0, 1.0, 2.0])
        yield faults(BlindOracle(3), trace.with_arrivals(times)), bound(optimum(trace, 3), _error_of(times, trace), 3)


def _guard(rng: np.random.Generator) -> Iterator[tuple[NDArray[np.float64], float]]:
    for k in CACHE_SIZES:
        for trace in _hard_and_drawn(rng, k):
            bound = guard_bound(optimum(trace, k), k)
            for timed in _with_wrong_times([trace], rng):
                yield sampled_faults(Guard(k), timed, RUNS, rng), bound
            truth = DiscardBits(k).truth(trace)
            for bits in (truth, 1 - truth, rng.integers(0, 2, truth.size), np.zeros_like(truth)):
                yield sampled_faults(DiscardBitGuard(k), trace.with_bits(bits), RUNS, rng), bound


def _hard_and_drawn(rng: np.random.Generator, k: int) -> Iterator[Trace]:
    yield from drawn_traces(rng, k, 1000)
    yield returning_pages_trap(k, 300)


def _with_wrong_times(traces: Iterable[Trace], rng: np.random.Generator) -> Iterator[Trace]:
    """With noise of different size, and with times that say the opposite of the truth."""
    for trace in traces:
        for sigma in (0.3, 3.0, 100.0):
            yield trace.with_arrivals(NormalArrivals(sigma).predict(trace, rng))
        yield trace.with_arrivals(-_true_times(trace))


def _reversed_within(trace: Trace, block: int) -> Trace:
    """Times in the opposite order among each few requests: small errors, and all that matter."""
    times = _true_times(trace)
    whole = times.size // block * block
    times[:whole] = times[:whole].reshape(-1, block)[:, ::-1].ravel()
    return trace.with_arrivals(times)


def _true_times(trace: Trace) -> NDArray[np.float64]:
    return next_use(trace.requests, trace.n_pages).astype(np.float64)


def _error(trace: Trace) -> float:
    return _error_of(trace.arrivals, trace)


def _error_of(times: NDArray[np.float64] | None, trace: Trace) -> float:
    return 0.0 if times is None else arrival_error(times, _true_times(trace))
