"""Checks of what no eviction policy can do better: the games that lower bounds are made of, played to the end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algos import optimal_faults
from experiments.checks.exact_expectations import expected_faults
from experiments.checks.paging_worlds import faults, optimum
from experiments.ledger_checks import Comparison, agreement_of_means, checks, tightest, tightest_mean, worst
from online.paging import (
    ARC,
    FIFO,
    LFU,
    LRU,
    S3FIFO,
    BlindOracle,
    Clock,
    EvictionPolicy,
    FlushWhenAllZeros,
    FlushWhenFull,
    LeastPrices,
    Mark0,
    MarkAndPredict,
    Marker,
    PredictiveMarker,
    RandomEviction,
    Sieve,
    deterministic_ratio_bound,
    discard_price_bound,
    harmonic_number,
    marking_bound,
    missing_page_bound,
    missing_page_optimum_bound,
    phase_price_bound,
    randomized_discard_price_bound,
    randomized_phase_price_bound,
    randomized_ratio_bound,
    uniform_faults_bound,
    uniform_optimum,
)
from simulators import (
    AugmentedMissingPage,
    DiscardBits,
    MarkingTrap,
    MissingPage,
    PhaseBits,
    Trace,
    UniformTrace,
)

__all__: list[str] = []

DETERMINISTIC = (LRU, FIFO, FlushWhenFull, Clock, LFU, Sieve, S3FIFO, ARC, BlindOracle, FlushWhenAllZeros)
SIZES = ((3, 3), (6, 1), (6, 4), (6, 6))
"""Pages in the cache of the policy, and in that of the optimum."""


@checks("missing_page_optimum_bound")
def optimum_of_missing_pages(rng: np.random.Generator) -> Comparison:
    """Faults of the optimum on requests that each deterministic policy misses, all of them."""
    return tightest(
        "<=",
        ((opt, missing_page_optimum_bound(length, k, h)) for k, h in SIZES for length, opt in _games(k, h, rng)),
    )


@checks("missing_page_bound")
def faults_on_missing_pages(rng: np.random.Generator) -> Comparison:
    """Faults of each deterministic policy on the same requests."""
    return tightest(
        ">=",
        ((length, missing_page_bound(opt, k, h)) for k, h in SIZES for length, opt in _games(k, h, rng)),
    )


@checks("deterministic_ratio_bound")
def deterministic_ratio(rng: np.random.Generator) -> Comparison:
    """Faults to those of the optimum in the same games, less the constant of their first requests."""
    return tightest(
        ">=",
        (
            ((length + h - 1) / (opt - h + 1), deterministic_ratio_bound(k, h))
            for k, h in SIZES
            for length, opt in _games(k, h, rng)
        ),
    )


@checks("discard_price_bound")
def price_of_discard_bits(rng: np.random.Generator) -> Comparison:
    """What a wrong bit costs each deterministic policy, on missing pages, beyond alpha times the optimum."""
    return tightest(">=", _prices(DiscardBits, discard_price_bound, rng))


@checks("phase_price_bound")
def price_of_phase_bits(rng: np.random.Generator) -> Comparison:
    """The same for phase bits."""
    return tightest(">=", _prices(PhaseBits, phase_price_bound, rng))


@checks("randomized_discard_price_bound")
def randomized_price_of_discard_bits(rng: np.random.Generator) -> Comparison:
    """What a wrong bit costs on uniform requests, in the mean, beyond alpha times the optimum."""
    return tightest_mean(">=", _mean_prices(DiscardBits, randomized_discard_price_bound, rng))


@checks("randomized_phase_price_bound")
def randomized_price_of_phase_bits(rng: np.random.Generator) -> Comparison:
    """The same for phase bits."""
    return tightest_mean(">=", _mean_prices(PhaseBits, randomized_phase_price_bound, rng))


@checks("randomized_ratio_bound")
def randomized_ratio(rng: np.random.Generator) -> Comparison:
    """Mean faults on uniform requests to mean faults of the optimum, less the k that an empty cache costs it."""
    return tightest_mean(">=", _mean_ratios(rng))


@checks("uniform_faults_bound")
def faults_on_uniform_requests(rng: np.random.Generator) -> Comparison:
    """Exact expectations of lazy policies on all sequences of a few requests, and means of others on long ones."""
    least = round(uniform_faults_bound(6, 2), 9)
    lazy = (LRU(2), RandomEviction(2), Marker(2), Mark0(2), MarkAndPredict(2))
    exactly = tightest(">=", ((round(_over_all_sequences(policy, 6), 9), least) for policy in lazy))
    means = tightest_mean(
        ">=",
        (
            (np.array([faults(policy, trace, rng) for trace in _uniform_traces(k, 1000, 200, rng)]), bound)
            for k in (3, 8)
            for bound in (uniform_faults_bound(1000, k),)
            for policy in (FlushWhenFull(k), Mark0(k, eager=True), FlushWhenAllZeros(k))
        ),
    )
    return worst([exactly, means])


@checks("uniform_optimum")
def optimum_of_uniform_requests(rng: np.random.Generator) -> Comparison:
    """Mean faults of the optimum on uniform requests, short and long."""
    return agreement_of_means(
        (np.array([optimum(trace, k) for trace in _uniform_traces(k, length, 2000, rng)]), uniform_optimum(length, k))
        for k, length in ((2, 7), (2, 1000), (8, 50), (8, 3000), (40, 3000))
    )


@checks("marking_bound")
def marking(rng: np.random.Generator) -> Comparison:
    """Faults of marking algorithms, each run of them, in the trap; those with predictions are given true ones."""
    return tightest(
        ">=",
        (
            (faults(policy(k), trace, rng), marking_bound(optimum(trace, k), k))
            for k in (2, 7, 20)
            for trace in (MarkingTrap(k, 500).sample(),)
            for policy in (LRU, FlushWhenFull, Marker, MarkAndPredict, PredictiveMarker)
        ),
    )


def _games(k: int, h: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Requests, all of them faults of a policy with k pages, and faults of the optimum with h pages."""
    for policy in DETERMINISTIC:
        length = int(rng.integers(400, 800))
        adversary: Any = AugmentedMissingPage(h, int(rng.integers(2)), np.inf)
        trace = adversary.against(policy(k), length, compiled=False)
        yield faults(policy(k), trace, compiled=False), optimal_faults(trace.requests, trace.n_pages, h)


def _prices(
    predictor: type[DiscardBits] | type[PhaseBits], least: Callable[[float, int], LeastPrices], rng: np.random.Generator
) -> Iterator[tuple[float, float]]:
    """Price of a wrong 0 or of a wrong 1 in a game where all bits are equal, and the least that it can be."""
    for k, policy, bit in itertools.product((3, 6), DETERMINISTIC, (0, 1)):
        adversary: Any = MissingPage(bit=bit, arrival=np.inf)
        trace = adversary.against(policy(k), 50 * k * k, compiled=False)
        paid, opt = faults(policy(k), trace, compiled=False), optimum(trace, k)
        errors = predictor(k).errors(trace, np.asarray(trace.bits))[bit]
        for alpha in (1.0, float(rng.uniform(1, k))):
            # The constant that no price does without is at most k^2 - 1 in this game.
            yield (paid + k * k - 1 - alpha * opt) / errors, least(alpha, k)[bit]


def _mean_prices(
    predictor: type[DiscardBits] | type[PhaseBits], least: Callable[[float, int], LeastPrices], rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.float64], float]]:
    for k, policy, bit in itertools.product((3, 8), (Mark0, MarkAndPredict, FlushWhenAllZeros), (0, 1)):
        harmonic = harmonic_number(k)
        traces = [trace.with_bits(np.full(len(trace), bit)) for trace in _uniform_traces(k, 40 * k, 250, rng)]
        paid = np.array([faults(policy(k), trace, rng) for trace in traces])
        opt = np.array([optimum(trace, k) for trace in traces])
        errors = np.array([predictor(k).errors(trace, np.asarray(trace.bits))[bit] for trace in traces])
        for alpha in (1.0, (1.0 + harmonic) / 2.0):
            price = least(alpha, k)[bit]
            # The constant that no price does without is at most k H_k on these requests.
            yield _ratio_of_means(paid + k * harmonic - alpha * opt, errors, price), price


def _mean_ratios(rng: np.random.Generator) -> Iterator[tuple[NDArray[np.float64], float]]:
    for k, policy in itertools.product((3, 8), (LRU, RandomEviction, Marker)):
        traces = list(_uniform_traces(k, 40 * k, 4500 // k, rng))
        paid = np.array([faults(policy(k), trace, rng) for trace in traces])
        opt = np.array([optimum(trace, k) for trace in traces])
        ratio = randomized_ratio_bound(k)
        yield _ratio_of_means(paid, opt - k, ratio), ratio


def _ratio_of_means(above: NDArray[np.float64], below: NDArray[np.float64], bound: float) -> NDArray[np.float64]:
    """Samples whose mean is above the bound exactly if that of `above` is above the bound times that of `below`."""
    return bound + (above - bound * below) / below.mean()


def _uniform_traces(k: int, length: int, count: int, rng: np.random.Generator) -> Iterator[Trace]:
    world = UniformTrace(k + 1, length)
    for _ in range(count):
        trace = world.sample(rng)
        yield trace.with_bits(rng.integers(0, 2, len(trace)))


def _over_all_sequences(policy: EvictionPolicy, length: int) -> float:
    """Expected faults over all sequences of requests to k + 1 pages; the first page may be called 0."""
    pages = range(policy.cache_size + 1)
    found = [
        expected_faults(policy, Trace([0, *others], bits=[page % 2 for page in (0, *others)]))
        for others in itertools.product(pages, repeat=length - 1)
    ]
    return float(np.mean(found))
