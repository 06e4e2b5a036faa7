"""Checks of the guarantees of policies that follow the cache of another, or of the better of two."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from experiments.checks.paging_worlds import (
    drawn_traces,
    faults,
    faults_without_a_draw,
    optimum,
    popular_pages,
    sampled_faults,
)
from experiments.ledger_checks import Comparison, checks, tightest, tightest_mean
from online.paging import (
    LRU,
    CombineDeterministic,
    CombineRandomized,
    FlushWhenAllZeros,
    FlushWhenFull,
    FollowAndRobust,
    FollowThePrediction,
    Mark0,
    combine_deterministic_bound,
    combine_randomized_bound,
    follow_and_robust_consistency,
    follow_the_prediction_bound,
)
from simulators import DiscardBits, LoopTrace, Trace

__all__: list[str] = []

CACHE_SIZES = (2, 8)


@checks("follow_and_robust_consistency")
def follow_and_robust(rng: np.random.Generator) -> Comparison:
    """Faults of FollowAndRobust on drawn traces with true times, in runs that must not draw."""
    return tightest(
        "=",
        (
            (
                faults_without_a_draw(FollowAndRobust(k), trace, rng, compiled=False),
                follow_and_robust_consistency(optimum(trace, k)),
            )
            for k in (*CACHE_SIZES, 32)
            for trace in drawn_traces(rng, k, 1000)
        ),
    )


@checks("follow_the_prediction_bound")
def follow_the_prediction(rng: np.random.Generator) -> Comparison:
    """Faults when following policies that evict early, and theirs with the same draws, with wrong bits."""
    return tightest("<=", _following(rng))


@checks("combine_deterministic_bound")
def combine_deterministic(rng: np.random.Generator) -> Comparison:
    """Faults with wrong bits, and where now one policy is hopeless and now the other, each time for longer."""
    return tightest(
        "<=",
        (
            (
                faults(CombineDeterministic(k, LRU, FlushWhenAllZeros, gamma=gamma), trace, compiled=False),
                combine_deterministic_bound(_better_of_two(trace, k), k, gamma),
            )
            for k in CACHE_SIZES
            for gamma in (0.25, 1.0)
            for trace in (*_with_wrong_bits(drawn_traces(rng, k, 400), k, rng), _two_policies_in_turn(k, 6))
        ),
    )


@checks("combine_randomized_bound")
def combine_randomized(rng: np.random.Generator) -> Comparison:
    """Mean faults of the randomized combination of the same policies on the same requests."""
    return tightest_mean(
        "<=",
        (
            (
                sampled_faults(
                    CombineRandomized(k, LRU, FlushWhenAllZeros, delta=delta), trace, 30, rng, compiled=False
                ),
                combine_randomized_bound(_better_of_two(trace, k), k, delta),
            )
            for k in (2, 5)
            for delta in (0.05, 0.25)
            for trace in (popular_pages(rng, k, 200).with_bits(np.ones(200)), _two_policies_in_turn(k, 4))
        ),
    )


def _following(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for k in CACHE_SIZES:
        for trace in _with_wrong_bits(drawn_traces(rng, k, 1000), k, rng):
            for followed in (FlushWhenFull(k), FlushWhenAllZeros(k), Mark0(k, eager=True)):
                seed = int(rng.integers(2**32))
                own, lazy = (
                    faults(policy, trace, np.random.default_rng(seed), compiled=False)
                    for policy in (followed, FollowThePrediction(k, followed))
                )
                yield lazy, follow_the_prediction_bound(own)


def _two_policies_in_turn(k: int, stretches: int) -> Trace:
    """Stretches that double in length, in which one policy after the other is hopeless.

    First a loop with true bits: LRU faults every time. Then pages that all return but one, and bits that say that only
    this one will: FlushWhenAllZeros gives up all others.
    """
    loop, steady = np.arange(k + 1), np.arange(k - 1)
    requests, bits, fresh = [], [], k + 1
    for stretch in range(stretches):
        rounds = 4 * 2**stretch
        if stretch % 2:
            turns = np.arange(fresh, fresh + rounds)[:, None]
            requests.append(np.hstack([np.broadcast_to(steady, (rounds, k - 1)), turns]).ravel())
            bits.append(np.tile([*[1] * (k - 1), 0], rounds))
            fresh += rounds
        else:
            requests.append(np.tile(loop, rounds))
            bits.append(DiscardBits(k).truth(LoopTrace(k + 1, rounds * (k + 1)).sample()))
    return Trace(np.concatenate(requests)).with_bits(np.concatenate(bits))


def _with_wrong_bits(traces: Iterator[Trace], k: int, rng: np.random.Generator) -> Iterator[Trace]:
    for trace in traces:
        for wrong in (0.02, 0.5):
            yield trace.with_bits(DiscardBits(k, wrong).predict(trace, rng))


def _better_of_two(trace: Trace, k: int) -> int:
    return min(faults(LRU(k), trace, compiled=False), faults(FlushWhenAllZeros(k), trace, compiled=False))
