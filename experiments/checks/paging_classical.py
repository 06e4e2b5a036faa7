"""Checks of the guarantees of paging without predictions: multiples of the optimum, and what the optimum itself is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from algos import discard_bits, optimal_faults
from algos.optimal_paging import discard_bit_sum
from algos.phases import clean_page_bound
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
    FIFO,
    LRU,
    Belady,
    Clock,
    EvictionPolicy,
    FlushWhenFull,
    Marker,
    OnlineMin,
    RandomEviction,
    clock_bound,
    fifo_bound,
    flush_when_full_bound,
    lru_augmentation_bound,
    lru_bound,
    marker_bound,
    online_min_bound,
    random_eviction_bound,
)
from simulators import AugmentedMissingPage, MarkingTrap, Trace

__all__: list[str] = []

CACHE_SIZES = (2, 5, 16)

Bound = Callable[[float, int], float]


@checks("lru_bound")
def lru(rng: np.random.Generator) -> Comparison:
    """Faults of LRU on drawn traces and on loops over one page more than fit."""
    return tightest("<=", _against_the_optimum(LRU, lru_bound, rng))


@checks("fifo_bound")
def fifo(rng: np.random.Generator) -> Comparison:
    """Faults of FIFO on the same."""
    return tightest("<=", _against_the_optimum(FIFO, fifo_bound, rng))


@checks("clock_bound")
def clock(rng: np.random.Generator) -> Comparison:
    """Faults of Clock on the same."""
    return tightest("<=", _against_the_optimum(Clock, clock_bound, rng))


@checks("flush_when_full_bound")
def flush_when_full(rng: np.random.Generator) -> Comparison:
    """Faults of FlushWhenFull on the same."""
    return tightest("<=", _against_the_optimum(FlushWhenFull, flush_when_full_bound, rng))


@checks("lru_augmentation_bound")
def lru_augmentation(rng: np.random.Generator) -> Comparison:
    """Faults of LRU and of an optimum with less cache, on drawn traces and on those made against LRU."""
    return tightest("<=", _with_more_cache_than_the_optimum(rng))


@checks("random_eviction_bound")
def random_eviction(rng: np.random.Generator) -> Comparison:
    """Mean faults of RandomEviction on drawn traces and where one new page at a time joins pages that all return."""
    return tightest_mean(
        "<=",
        (
            (sampled_faults(RandomEviction(k), trace, 200, rng), random_eviction_bound(optimum(trace, k), k))
            for k in (4, 8)
            for trace in (*drawn_traces(rng, k, 1000), _one_new_page_at_a_time(k, 20))
        ),
    )


@checks("marker_bound")
def marker(rng: np.random.Generator) -> Comparison:
    """Mean faults of Marker on drawn traces and where it pays 2 H_k - 1 a fault of the optimum."""
    return tightest_mean(
        "<=",
        (
            (sampled_faults(Marker(k), trace, 30, rng), marker_bound(optimum(trace, k), k))
            for k in (2, 8, 64)
            for trace in (*drawn_traces(rng, k, 2000), returning_pages_trap(k, 2000))
        ),
    )


@checks("online_min_bound")
def online_min(rng: np.random.Generator) -> Comparison:
    """Mean faults of OnlineMin on short drawn traces: on uniform requests no policy is better."""
    return tightest_mean(
        "<=",
        (
            (sampled_faults(OnlineMin(k), trace, 250, rng), online_min_bound(optimum(trace, k), k))
            for k in (4, 8)
            for trace in drawn_traces(rng, k, 300)
        ),
    )


@checks("discard_bit_sum")
def discard_bits_of_the_optimum(rng: np.random.Generator) -> Comparison:
    """True discard bits of drawn traces, and the faults of Belady's policy."""
    return tightest(
        "=",
        (
            (
                discard_bits(trace.requests, trace.n_pages, k).sum(dtype=np.int64),
                discard_bit_sum(faults(Belady(k), trace)),
            )
            for k in (*CACHE_SIZES, 64)
            for trace in drawn_traces(rng, k, 20_000)
        ),
    )


@checks("clean_page_bound")
def clean_pages_of_phases(rng: np.random.Generator) -> Comparison:
    """Clean pages of drawn traces and of the trap of marking, which has twice as many as the optimum has faults."""
    return tightest(
        "<=",
        (
            (clean_page_count(trace, k), clean_page_bound(optimum(trace, k)))
            for k in (*CACHE_SIZES, 64)
            for trace in (*drawn_traces(rng, k, 20_000), MarkingTrap(k, 1000).sample())
        ),
    )


def _against_the_optimum(
    policy: Callable[[int], EvictionPolicy], bound: Bound, rng: np.random.Generator
) -> Iterator[tuple[float, float]]:
    for k in CACHE_SIZES:
        for trace in drawn_traces(rng, k, 20_000):
            yield faults(policy(k), trace), bound(optimum(trace, k), k)


def _with_more_cache_than_the_optimum(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    k = 16
    for h in (1, 4, 12, 16):
        adversary: Any = AugmentedMissingPage(h)
        against_lru = adversary.against(LRU(k), 20_000)
        for trace in (*drawn_traces(rng, k, 20_000), against_lru):
            opt = optimal_faults(trace.requests, trace.n_pages, h)
            yield faults(LRU(k), trace), lru_augmentation_bound(opt, k, h)


def _one_new_page_at_a_time(k: int, n_pages: int) -> Trace:
    """The first k - 1 pages and one more, round and round until random eviction has found the one before it."""
    rounds = 12 * k  # a page that has had its turn is still there with probability (1 - 1/k)^(12 k), about 6e-6
    steady = np.broadcast_to(np.arange(k - 1), (n_pages * rounds, k - 1))
    turn = np.repeat(np.arange(n_pages) + k - 1, rounds)[:, None]
    return Trace(np.hstack([turn, steady]).ravel(), name=f"one_new_page_at_a_time({k})")
