"""Checks of the guarantees of sequential gradient coding: loads that decode, loads that nothing beats, and counts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from experiments.ledger_checks import Comparison, checks, tightest
from online.gradient_coding import (
    GradientCoding,
    Multiplexed,
    SelectiveRepeat,
    arbitrary_load_bound,
    arbitrary_patterns,
    bursty_load_bound,
    decodable_patterns,
    gradient_coding_load,
    m_sgc_load,
    m_sgc_load_bound,
    sr_sgc_load,
    work_plan,
)
from simulators import BurstyStragglers, PeriodicStragglers, is_arbitrary

__all__: list[str] = []

JOBS = 12
ROUNDING = 1e-6
"""Of a decoded gradient, relative to the norms of its parts."""
SIZES = ((10, 3, 4, 4), (8, 2, 5, 7), (8, 1, 3, 8), (6, 2, 3, 3), (4, 1, 2, 2))
"""Workers, B, W and lambda of multiplexed schemes."""


@checks("gradient_coding_load")
def gradient_coding(rng: np.random.Generator) -> Comparison:
    """The work of a gradient code in every round, which must decode bursty patterns without waiting."""
    return _tightest(
        "=",
        (
            (_work(GradientCoding(n, s, wait="never"), BurstyStragglers(n, 2, 3, s), rng), gradient_coding_load(n, s))
            for n, s in ((20, 6), (8, 3), (3, 2), (5, 0))
        ),
    )


@checks("sr_sgc_load")
def selective_repeat(rng: np.random.Generator) -> Comparison:
    """The work of SR-SGC, which must decode bursty patterns without waiting."""
    return _tightest(
        "=",
        (
            (
                _work(SelectiveRepeat(*sizes, rule="bursty", wait="never"), BurstyStragglers(*sizes), rng),
                sr_sgc_load(*sizes),
            )
            for sizes in ((20, 3, 4, 9), (10, 2, 5, 7), (6, 2, 3, 4), (3, 1, 2, 3))
        ),
    )


@checks("m_sgc_load")
def multiplexed(rng: np.random.Generator) -> Comparison:
    """The work of M-SGC, which must decode bursty and arbitrary patterns without waiting."""
    return _tightest("=", ((work, m_sgc_load(*sizes)) for sizes in SIZES for work in _multiplexed_work(sizes, rng)))


@checks("m_sgc_load_bound")
def multiplexed_at_most(rng: np.random.Generator) -> Comparison:
    """The work of M-SGC, and its share of what no scheme goes below, in units of the bound on both."""
    found: list[tuple[Fraction | int, Fraction | int]] = []
    for sizes in SIZES:
        for work in _multiplexed_work(sizes, rng):
            most = m_sgc_load_bound(sizes[0])
            found += [(work, most), (work / (sizes[0] * bursty_load_bound(*sizes)), most)]
    return _tightest("<=", found)


@checks("bursty_load_bound")
def least_bursty_load(rng: np.random.Generator) -> Comparison:
    """The work of schemes that decode without waiting although the same workers straggle in B of W - 1 + B rounds."""
    found: list[tuple[Fraction | int, Fraction | int]] = []
    for n, burst, window, spread in _games():
        world, least = PeriodicStragglers(n, burst, window, spread), bursty_load_bound(n, burst, window, spread)
        schemes: list[Any] = [
            Multiplexed(n, burst, window, spread, wait="never"),
            GradientCoding(n, spread, wait="never"),
        ]
        if (window - 1) % burst == 0:
            schemes.append(SelectiveRepeat(n, burst, window, spread, rule="bursty", wait="never"))
        found += [(_work(scheme, world, rng), least) for scheme in schemes]
    return _tightest(">=", found)


@checks("arbitrary_load_bound")
def least_arbitrary_load(rng: np.random.Generator) -> Comparison:
    """The work of M-SGC and of a gradient code in the same game, which is within the arbitrary model as well."""
    found: list[tuple[Fraction | int, Fraction | int]] = []
    for n, burst, window, spread in _games():
        world = PeriodicStragglers(n, burst, window, spread)
        least = arbitrary_load_bound(n, burst, window + burst - 1, spread)
        found.append((_work(Multiplexed(n, burst, window, spread, rule="arbitrary", wait="never"), world, rng), least))
        found.append((_work(GradientCoding(n, spread, wait="never"), world, rng), least))
    return _tightest(">=", found)


@checks("arbitrary_patterns")
def counted_arbitrary_patterns(rng: np.random.Generator) -> Comparison:
    """Of all patterns of a few rounds, those that keep the arbitrary model."""
    return _tightest(
        "=",
        (
            (
                sum(is_arbitrary(pattern, burst, window - 1 + burst, spread) for pattern in patterns),
                arbitrary_patterns(n, burst, window, spread),
            )
            for n, burst, window in ((2, 2, 3), (3, 1, 2), (3, 1, 3), (4, 1, 2))
            for patterns in (list(_all_patterns(window - 1 + burst, n)),)
            for spread in range(n, -1, -1)
        ),
    )


@checks("decodable_patterns")
def counted_decodable_patterns(rng: np.random.Generator) -> Comparison:
    """Of all patterns of a job's rounds, those after which M-SGC decodes it."""
    found: list[tuple[Fraction | int, Fraction | int]] = []
    for n, burst, window in ((2, 2, 3), (3, 1, 2), (3, 1, 3), (4, 1, 2)):
        count = 0
        for pattern in _all_patterns(window - 1 + burst, n):
            plan = work_plan(Multiplexed(n, burst, window, n), 1, rng)
            for late in pattern:
                plan.record(late)
            count += plan.decodable(0)
        found.append((count, decodable_patterns(n, burst, window)))
    return _tightest("=", found)


def _tightest(relation: Literal["<=", ">=", "="], pairs: Iterable[tuple[Fraction | int, Fraction | int]]) -> Comparison:
    """Fractions are equal exactly if the nearest floats of these small ones are."""
    return tightest(relation, ((float(measured), float(bound)) for measured, bound in pairs))


def _games() -> Iterator[tuple[int, int, int, int]]:
    """Sizes of which one worker at least is never late: without it a master would take slow answers for the rule."""
    for n, burst, window, spread in SIZES:
        yield n, burst, window, min(spread, n - 1)


def _multiplexed_work(sizes: tuple[int, int, int, int], rng: np.random.Generator) -> Iterator[Fraction]:
    n, burst, window, spread = sizes
    bursty = BurstyStragglers(n, burst, window, spread)
    arbitrary = BurstyStragglers(n, burst, window + burst - 1, spread, model="arbitrary")
    yield _work(Multiplexed(*sizes, rule="bursty", wait="never"), bursty, rng)
    yield _work(Multiplexed(*sizes, rule="arbitrary", wait="never"), arbitrary, rng)


def _work(scheme: Any, world: Any, rng: np.random.Generator) -> Fraction:
    """The largest share of a job's samples that a worker goes through in a round of a run with real gradients.

    Raises
    ------
    AssertionError
        When the master waited or a decoded gradient is wrong; `UndecodableError` where a job cannot be decoded.
    """
    samples = _samples(scheme)
    sums = np.concatenate([np.zeros((1, 3)), rng.normal(size=(samples, 3)).cumsum(axis=0)])
    run = scheme.run(
        world, JOBS, rng, trace=True, gradient=lambda job, start, stop: sums[stop] - sums[start], n_samples=samples
    )
    if run.outcome["waits"] or not run.outcome["decoding_error"] <= ROUNDING:
        raise AssertionError(f"{scheme!r}: {run.outcome['waits']} waits, error {run.outcome['decoding_error']:.2g}")
    plan, most = work_plan(scheme, JOBS, rng), 0
    sizes = np.diff(plan.bounds(samples))
    for late in run.outcome["stragglers"]:
        most = max(most, *(sum(int(sizes[task.chunks].sum()) for task in plan.tasks(i)) for i in range(late.size)), 0)
        plan.record(late)
    return Fraction(most, samples)


def _samples(scheme: Any) -> int:
    """So many that all chunks of a job have a whole number of them: a coded one of M-SGC has one."""
    if not isinstance(scheme, Multiplexed):
        return int(scheme.n_workers)
    n, spread, plain = scheme.n_workers, scheme.max_stragglers, scheme.n_workers * (scheme.window - 1)
    return plain if spread == n else plain * (spread + 1) + n * scheme.burst


def _all_patterns(rounds: int, n: int) -> Iterator[np.ndarray[Any, np.dtype[np.bool_]]]:
    for bits in itertools.product((False, True), repeat=rounds * n):
        yield np.array(bits).reshape(rounds, n)
