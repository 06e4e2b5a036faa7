"""Checks of single gradient codes, of the laws of stragglers, and of masters that wait for the first answers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from algos.gradient_codes import (
    CyclicMDSCode,
    CyclicRandomCode,
    FractionalRepetitionCode,
    GradientCode,
    PolynomialCode,
    UnevenRepetitionCode,
    gradient_code_load,
    repetition_decoding_probability,
)
from experiments.ledger_checks import (
    Comparison,
    agreement,
    agreement_of_means,
    agreement_of_shares,
    checks,
    tightest,
)
from online.gradient_coding import (
    EventDriven,
    gilbert_elliott_burst,
    gilbert_elliott_share,
    order_statistic_mean,
    pareto_order_statistic_mean,
    partial_straggler_load,
    repetition_mean,
)
from simulators import GilbertElliott, ShiftedExponential, ShiftedPareto

__all__: list[str] = []

SIZES = ((4, 1), (12, 3), (24, 5))
"""Workers and stragglers."""
ROUNDS = 20_000
CHAINS = ((0.05, 0.4), (0.3, 0.1), (0.9, 0.95))
"""Probabilities to begin and to end to straggle."""


@checks("gradient_code_load")
def load_of_codes(rng: np.random.Generator) -> Comparison:
    """The largest share of the data that a worker of each code holds, where it decodes without drawn stragglers."""
    return tightest(">=", _loads(rng))


@checks("repetition_decoding_probability")
def repetition(rng: np.random.Generator) -> Comparison:
    """The probability of all sets of stragglers without which repeated results sum up to the gradient."""
    return agreement(_repetition_probabilities(rng), 1e-12)


@checks("partial_straggler_load")
def partial_stragglers(rng: np.random.Generator) -> Comparison:
    """When the gradient can be decoded where s workers are rho times slower, in units of going through all data."""
    return tightest(
        "<=",
        (
            (round(_time_with_slow_workers(n, s, slowdown, rng), 12), round(partial_straggler_load(n, s, slowdown), 12))
            for n, s in SIZES
            for slowdown in (1.0, 1.5, 4.0, 100.0)
        ),
    )


@checks("order_statistic_mean")
def exponential_answers(rng: np.random.Generator) -> Comparison:
    """Mean duration of rounds that end with the (n - s)-th of exponential answers."""
    return agreement_of_means(
        (_durations(EventDriven(n, s), ShiftedExponential(n, 0.3, 2.0), rng), order_statistic_mean(n, s, 0.3, 2.0))
        for n, s in (*SIZES, (64, 0))
    )


@checks("pareto_order_statistic_mean")
def pareto_answers(rng: np.random.Generator) -> Comparison:
    """The same for answers with a heavy tail."""
    return agreement_of_means(
        (_durations(EventDriven(n, s), ShiftedPareto(n, 0.5, 5.0), rng), pareto_order_statistic_mean(n, s, 0.5, 5.0))
        for n, s in (*SIZES, (64, 0))
    )


@checks("repetition_mean")
def repeated_answers(rng: np.random.Generator) -> Comparison:
    """Mean duration of rounds that end when each group of workers has answered once."""
    return agreement_of_means(
        (
            _durations(EventDriven.repeating(groups * size, size), ShiftedExponential(groups * size, 0.3, 2.0), rng),
            repetition_mean(groups, size, 0.3, 2.0),
        )
        for groups, size in ((1, 4), (5, 1), (6, 4), (16, 4))
    )


@checks("gilbert_elliott_share")
def share_of_stragglers(rng: np.random.Generator) -> Comparison:
    """How many of independent chains straggle, 100 rounds after none or all of them did."""
    found = []
    for enter, leave in CHAINS:
        for initial in ("fast", "slow"):
            late = GilbertElliott(5000, enter, leave, initial).pattern(100, rng)[-1]
            found.append((int(late.sum()), late.size, gilbert_elliott_share(enter, leave)))
    return agreement_of_shares(found)


@checks("gilbert_elliott_burst")
def length_of_bursts(rng: np.random.Generator) -> Comparison:
    """Mean length of the first burst of independent chains."""
    return agreement_of_means(
        (_first_bursts(GilbertElliott(5000, enter, leave, "fast").pattern(500, rng)), gilbert_elliott_burst(leave))
        for enter, leave in CHAINS
    )


def _loads(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for n, s in SIZES:
        codes: tuple[GradientCode, ...] = (
            CyclicRandomCode(n, s, rng),
            CyclicMDSCode(n, s),
            PolynomialCode(n, s),
            FractionalRepetitionCode(n, s),
            UnevenRepetitionCode(n, s),
        )
        for code in codes:
            partials = rng.normal(size=(code.n_chunks, 3))
            for _ in range(20):
                missing = rng.choice(n, s, replace=False).tolist()
                found = code.decode(code.encode(partials), missing)
                np.testing.assert_allclose(found, partials.sum(axis=0), atol=1e-6)
            held = (code.matrix != 0).sum(axis=1).max() / code.n_chunks
            yield float(held), float(gradient_code_load(n, s))


def _repetition_probabilities(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for groups, size in ((4, 2), (3, 3), (2, 5)):
        n = groups * size
        code = FractionalRepetitionCode(n, size - 1)
        partials = rng.integers(1, 100, n).astype(float)
        results, whole = code.encode(partials), partials.sum()
        decoded = []
        for late in itertools.product((False, True), repeat=n):
            missing = np.flatnonzero(late).tolist()
            found = code.decode(results, missing, approximate=True)  # without a group, the sum of the others
            decoded.append((len(missing), float(found) == whole))
        for p in (0.05, 0.3, 0.8):
            total = sum(p**late * (1 - p) ** (n - late) for late, right in decoded if right)
            yield total, repetition_decoding_probability(groups, size, p)


def _time_with_slow_workers(n: int, s: int, slowdown: float, rng: np.random.Generator) -> float:
    """Every worker first goes through a part of its own, then through chunks of the rest for a code."""
    code, slow = CyclicRandomCode(n, s, rng), rng.choice(n, s, replace=False)
    own = (s + 1) / (s + slowdown) / n
    coded = (1 - n * own) * float(code.exact_load)
    pace = np.ones(n)
    pace[slow] = slowdown
    partials = rng.normal(size=(n, 3))
    np.testing.assert_allclose(code.decode(code.encode(partials), slow.tolist()), partials.sum(axis=0), atol=1e-6)
    return float(max((pace * own).max(), np.partition(pace * (own + coded), n - s - 1)[n - s - 1]))


def _durations(
    scheme: EventDriven, world: ShiftedExponential | ShiftedPareto, rng: np.random.Generator
) -> NDArray[np.float64]:
    return np.asarray(scheme.run(world, ROUNDS, rng, trace=True).outcome["durations"])


def _first_bursts(pattern: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Rounds from the first to the last one of each worker's first burst; all have ended after 500 rounds."""
    begin = pattern.argmax(axis=0)
    after = np.arange(len(pattern))[:, None] >= begin
    end = (after & ~pattern).argmax(axis=0)
    return (end - begin).astype(np.float64)
