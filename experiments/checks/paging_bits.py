"""Checks of the guarantees of paging with predicted bits: of the optimum's evictions, and of the next k-phase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from experiments.checks.exact_expectations import expected_faults, short_traces, tightest_expectation
from experiments.checks.paging_worlds import (
    clean_page_count,
    drawn_traces,
    faults,
    faults_without_a_draw,
    optimum,
    popular_pages,
    returning_pages_trap,
    sampled_faults,
)
from experiments.ledger_checks import Comparison, checks, tightest, tightest_mean, worst
from online.paging import (
    FlushWhenAllZeros,
    Mark0,
    MarkAndPredict,
    flush_when_all_zeros_bound,
    flush_when_all_zeros_consistency,
    mark0_bound,
    mark0_consistency,
    mark0_instance_bound,
    mark_and_predict_bound,
    mark_and_predict_clean_bound,
    mark_and_predict_consistency,
    mark_and_predict_deterministic_bound,
    mark_and_predict_robustness,
)
from simulators import AdversarialBits, DiscardBits, MarkingTrap, PhaseBits, Trace

__all__: list[str] = []

CACHE_SIZES = (2, 8, 64)
RUNS = 30


@checks("flush_when_all_zeros_bound")
def flush_when_all_zeros(rng: np.random.Generator) -> Comparison:
    """Faults of both forms with wrong bits: none to all flipped, constant ones, and the most harmful few."""
    return tightest(
        "<=",
        (
            (faults(policy, trace), flush_when_all_zeros_bound(optimum(trace, k), *_discard_errors(trace, k), k))
            for k in CACHE_SIZES
            for trace in _with_discard_bits(drawn_traces(rng, k, 5000), k, rng)
            for policy in (FlushWhenAllZeros(k), FlushWhenAllZeros(k, flush="relabel"))
        ),
    )


@checks("flush_when_all_zeros_consistency")
def flush_when_all_zeros_with_true_bits(rng: np.random.Generator) -> Comparison:
    """Faults of both forms on drawn traces with true bits."""
    return tightest(
        "=",
        (
            (faults(policy, trace), flush_when_all_zeros_consistency(optimum(trace, k)))
            for k in CACHE_SIZES
            for trace in drawn_traces(rng, k, 20_000)
            for policy in (FlushWhenAllZeros(k), FlushWhenAllZeros(k, flush="relabel"))
        ),
    )


@checks("mark0_bound")
def mark0(rng: np.random.Generator) -> Comparison:
    """Mean faults of lazy and eager Mark0 with wrong bits, also where marking without help is dearest."""
    return tightest_mean(
        "<=",
        (
            (sampled_faults(policy, trace, RUNS, rng), mark0_bound(optimum(trace, k), *_discard_errors(trace, k), k))
            for k in CACHE_SIZES
            for trace in _with_discard_bits((*drawn_traces(rng, k, 2000), returning_pages_trap(k, 1000)), k, rng)
            for policy in (Mark0(k), Mark0(k, eager=True))
        ),
    )


@checks("mark0_instance_bound")
def mark0_on_an_instance(rng: np.random.Generator) -> Comparison:
    """Mean faults of Mark0 on popular pages with wrong bits; exact expectations on a few requests meet this bound."""
    found = tightest_mean(
        "<=",
        (
            (sampled_faults(policy, trace, RUNS, rng), _mark0_instance_bound(trace, k))
            for k in (8, 64)
            for trace in _with_discard_bits([popular_pages(rng, k, 5000)], k, rng)
            for policy in (Mark0(k), Mark0(k, eager=True))
        ),
    )
    exactly = tightest_expectation(
        (expected_faults(policy, trace), _mark0_instance_bound(trace, 3))
        for trace in short_traces(rng, 60, 5, 10)
        for policy in (Mark0(3), Mark0(3, eager=True))
    )
    return worst([found, exactly])


@checks("mark0_consistency")
def mark0_with_true_bits(rng: np.random.Generator) -> Comparison:
    """Faults of lazy and eager Mark0 on drawn traces with true bits, in runs that must not draw."""
    return tightest(
        "=",
        (
            (faults_without_a_draw(policy, trace, rng), mark0_consistency(optimum(trace, k)))
            for k in CACHE_SIZES
            for trace in drawn_traces(rng, k, 20_000)
            for policy in (Mark0(k), Mark0(k, eager=True))
        ),
    )


@checks("mark_and_predict_bound")
def mark_and_predict(rng: np.random.Generator) -> Comparison:
    """Mean faults of MarkAndPredict with right and wrong bits, also in the trap of marking, where true bits cost 2."""
    return tightest_mean(
        "<=",
        (
            (
                sampled_faults(MarkAndPredict(k), trace, RUNS, rng),
                mark_and_predict_bound(optimum(trace, k), *_phase_errors(trace, k), k),
            )
            for k in CACHE_SIZES
            for trace in _with_phase_bits((*drawn_traces(rng, k, 2000), MarkingTrap(k, 2000).sample()), k, rng)
        ),
    )


@checks("mark_and_predict_clean_bound")
def mark_and_predict_by_clean_pages(rng: np.random.Generator) -> Comparison:
    """Mean faults of MarkAndPredict on popular pages; exact expectations on a few requests meet this bound."""
    found = tightest_mean(
        "<=",
        (
            (sampled_faults(MarkAndPredict(k), trace, RUNS, rng), _clean_bound(trace, k))
            for k in CACHE_SIZES
            for trace in _with_phase_bits([popular_pages(rng, k, 5000)], k, rng)
        ),
    )
    exactly = tightest_expectation(
        (expected_faults(MarkAndPredict(3), trace), _clean_bound(trace, 3)) for trace in short_traces(rng, 100, 5, 10)
    )
    return worst([found, exactly])


@checks("mark_and_predict_robustness")
def mark_and_predict_whatever_the_bits(rng: np.random.Generator) -> Comparison:
    """The same, and where every second page that returns was predicted not to; without regard to the errors."""
    return tightest_mean(
        "<=",
        (
            (sampled_faults(MarkAndPredict(k), trace, RUNS, rng), mark_and_predict_robustness(optimum(trace, k), k))
            for k in CACHE_SIZES
            for trace in (
                *_with_phase_bits(drawn_traces(rng, k, 2000), k, rng),
                _half_of_the_returning_pages_denied(k, 2000),
            )
        ),
    )


@checks("mark_and_predict_deterministic_bound")
def deterministic_mark_and_predict(rng: np.random.Generator) -> Comparison:
    """Faults of the deterministic form with right and wrong bits, loops with all bits 0 among them."""
    return tightest(
        "<=",
        (
            (
                faults(MarkAndPredict(k, deterministic=True), trace),
                mark_and_predict_deterministic_bound(optimum(trace, k), *_phase_errors(trace, k), k),
            )
            for k in CACHE_SIZES
            for trace in _with_phase_bits(drawn_traces(rng, k, 5000), k, rng)
        ),
    )


@checks("mark_and_predict_consistency")
def mark_and_predict_with_true_bits(rng: np.random.Generator) -> Comparison:
    """Faults of both forms on drawn traces with true bits, and the number of clean pages."""
    return tightest(
        "=",
        (
            (faults(policy, trace, rng), mark_and_predict_consistency(clean_page_count(trace, k)))
            for k in CACHE_SIZES
            for trace in (*drawn_traces(rng, k, 20_000), MarkingTrap(k, 500).sample())
            for policy in (MarkAndPredict(k), MarkAndPredict(k, deterministic=True))
        ),
    )


def _discard_errors(trace: Trace, k: int) -> tuple[int, int]:
    return DiscardBits(k).errors(trace, np.asarray(trace.bits))


def _phase_errors(trace: Trace, k: int) -> tuple[int, int]:
    return PhaseBits(k).errors(trace, np.asarray(trace.bits))


def _with_discard_bits(traces: Iterable[Trace], k: int, rng: np.random.Generator) -> Iterator[Trace]:
    for trace in traces:
        yield from (trace.with_bits(DiscardBits(k, wrong).predict(trace, rng)) for wrong in (0.05, 0.5))
        for kind in ("keep", "discard"):
            yield trace.with_bits(AdversarialBits(k, len(trace) // 50, kind).predict(trace))
        yield from _with_constant_bits(trace)


def _with_phase_bits(traces: Iterable[Trace], k: int, rng: np.random.Generator) -> Iterator[Trace]:
    for trace in traces:
        yield from (trace.with_bits(PhaseBits(k, wrong).predict(trace, rng)) for wrong in (0.0, 0.05, 0.5))
        yield from _with_constant_bits(trace)


def _with_constant_bits(trace: Trace) -> Iterator[Trace]:
    yield from (trace.with_bits(np.full(len(trace), bit)) for bit in (0, 1))


def _mark0_instance_bound(trace: Trace, k: int) -> float:
    return mark0_instance_bound(trace.requests, trace.bits, trace.n_pages, k)


def _clean_bound(trace: Trace, k: int) -> float:
    return mark_and_predict_clean_bound(clean_page_count(trace, k), *_phase_errors(trace, k), k)


def _half_of_the_returning_pages_denied(k: int, n_phases: int) -> Trace:
    """Bit 1 on the first half of the pages that all phases share, bit 0 on the others and on those that come and go."""
    trap = returning_pages_trap(k, n_phases)
    bits = np.zeros((n_phases, k), dtype=np.uint8)
    bits[:, 2 : 1 + (k + 1) // 2] = 1
    return trap.with_bits(bits.ravel())
