"""Requests that the checks of paging are run on, and faults counted on them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from algos import clean_pages, optimal_faults
from online.paging import EvictionPolicy
from simulators import LoopTrace, PhasesTrace, Trace, UniformTrace, ZipfTrace

__all__ = [
    "clean_page_count",
    "drawn_traces",
    "faults",
    "faults_without_a_draw",
    "optimum",
    "popular_pages",
    "returning_pages_trap",
    "sampled_faults",
]


def drawn_traces(rng: np.random.Generator, cache_size: int, length: int) -> Iterator[Trace]:
    """Popular pages, phases with two new pages, uniform requests to one page more than fit, and a loop over them."""
    yield popular_pages(rng, cache_size, length)
    yield PhasesTrace(cache_size, max(2, length // cache_size), fresh=2).sample(rng)
    yield UniformTrace(cache_size + 1, length).sample(rng)
    yield LoopTrace(cache_size + 1, length).sample(rng)


def popular_pages(rng: np.random.Generator, cache_size: int, length: int) -> Trace:
    """Requests to five times as many pages as fit, some of them much more popular than others."""
    return ZipfTrace(5 * cache_size, 0.8, length).sample(rng)


def returning_pages_trap(cache_size: int, n_phases: int) -> Trace:
    """What makes marking dear: k-phases of two clean pages, then the k - 2 pages that all phases share, in one order.

    The clean pages come in the order of `simulators.MarkingTrap`, so that the optimum loads one of two. Marking loads
    both, and guesses which of the pages that it does not hold marked come back.
    """
    clean = np.resize(np.array([[0, 1], [2, 3], [1, 0], [3, 2]]), (n_phases, 2))
    shared = np.broadcast_to(np.arange(4, cache_size + 2), (n_phases, cache_size - 2))
    return Trace(np.hstack([clean, shared]).ravel(), name=f"returning_pages_trap({cache_size})")


def optimum(trace: Trace, cache_size: int) -> int:
    """Faults of the offline optimum."""
    return optimal_faults(trace.requests, trace.n_pages, cache_size)


def clean_page_count(trace: Trace, cache_size: int) -> int:
    """Clean pages of all k-phases."""
    return int(clean_pages(trace.requests, trace.n_pages, cache_size).sum())


def faults(
    policy: EvictionPolicy, trace: Trace, rng: np.random.Generator | None = None, *, compiled: bool = True
) -> int:
    """Faults of one run."""
    return int(policy.run(trace, rng=rng, checkpoints=[len(trace)], compiled=compiled).outcome["faults"])


def sampled_faults(
    policy: EvictionPolicy, trace: Trace, runs: int, rng: np.random.Generator, *, compiled: bool = True
) -> NDArray[np.float64]:
    """Faults of independent runs on the same requests, shape (runs,)."""
    return np.array([faults(policy, trace, rng, compiled=compiled) for _ in range(runs)], dtype=np.float64)


def faults_without_a_draw(
    policy: EvictionPolicy, trace: Trace, rng: np.random.Generator, *, compiled: bool = True
) -> int:
    """Faults of a run in which a randomized policy must not draw.

    Raises
    ------
    AssertionError
        When it drew.
    """
    before = rng.bit_generator.state
    count = faults(policy, trace, rng, compiled=compiled)
    if rng.bit_generator.state != before:
        raise AssertionError(f"{type(policy).__name__} drew a random number on {trace.name}")
    return count
