"""Rounds of gradient coding schemes, the selection of parameters, and codes beside what BLAS and the memory allow."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from algos.gradient_codes import CyclicRandomCode
from benchmarks.measure import Row, cpu_seconds
from online.gradient_coding import (
    EventDriven,
    GradientCoding,
    Multiplexed,
    SelectiveRepeat,
    SequentialScheme,
    Uncoded,
    multiplexed_grid,
    select_parameters,
    selective_repeat_grid,
)
from simulators import lambda_like_trace

__all__ = ["rows"]

_N, _ROUNDS = 256, 20_000
_PARAMETERS, _S = 269_998, 27  # of the paper's networks; of a code


def rows() -> list[Row]:
    """Every scheme on 20,000 rounds of 256 workers, the full selection, and a code at n = 256, s = 27."""
    return [*_schemes(), _selection(), *_code()]


def _schemes() -> list[Row]:
    n = _N
    schemes: dict[str, SequentialScheme] = {
        "uncoded": Uncoded(n),
        "GC, s = 15": GradientCoding(n, 15),
        "GC by repetition, s = 3": GradientCoding(n, 3, repetition=True),
        "SR-SGC (2, 3, 23), the authors' rule": SelectiveRepeat(n, 2, 3, 23),
        "SR-SGC (2, 3, 23), exact": SelectiveRepeat(n, 2, 3, 23, rule="exact"),
        "M-SGC (1, 2, 27), bursty": Multiplexed(n, 1, 2, 27),
        "M-SGC (1, 2, 27), bursty, minimal waiting": Multiplexed(n, 1, 2, 27, wait="minimal"),
        "M-SGC (2, 3, 60), exact, minimal waiting": Multiplexed(n, 2, 3, 60, wait="minimal", rule="exact"),
        "event-driven GC, s = 25": EventDriven(n, 25),
        "event-driven repetition, 64 groups": EventDriven.repeating(n, 4),
    }
    delays = np.tile(lambda_like_trace().times, (_ROUNDS // 500 + 1, 1))
    found = []
    for name, scheme in schemes.items():

        def run(scheme: SequentialScheme = scheme) -> None:
            scheme.run(delays, _ROUNDS, np.random.default_rng(0))

        run()
        speed = n * _ROUNDS / statistics.median(cpu_seconds(run) for _ in range(5))
        found.append(
            Row(
                f"{name}, 256 workers, 20,000 rounds in memory",
                f"{speed / 1e6:.0f} M worker-rounds/s",
                target="100 M worker-rounds/s",
                met=speed >= 1e8,
            )
        )
    return found


def _selection() -> Row:
    delays = lambda_like_trace().times[:104]
    families = ("GC", "SR-SGC", "M-SGC")

    def select() -> None:
        select_parameters(delays, 100, alpha=2.2013, max_window=60, families=families)

    select()
    seconds = statistics.median(_wall(select) for _ in range(3))
    tried = len(selective_repeat_grid(_N, 4, 60)) + len(multiplexed_grid(_N, 4, 60)) + _N - 1
    return Row(
        f"selection among {tried:,} parameters, 256 workers, 100 jobs, two threads, wall-clock",
        f"{seconds:.2f} s",
        target="5 s",
        met=seconds <= 5,
    )


def _code() -> list[Row]:
    rng = np.random.default_rng(0)
    code = CyclicRandomCode(_N, _S, rng)
    sets = [rng.choice(_N, _S, replace=False).tolist() for _ in range(100)]
    code.decoding_vector(range(_S))
    vector = statistics.median(_wall(lambda missing=missing: code.decoding_vector(missing)) for missing in sets)
    partials = rng.standard_normal((_N, _PARAMETERS), dtype=np.float32)
    dense = code.matrix.astype(np.float32)
    weights, results = code.decoding_vector(sets[0]).astype(np.float32), code.encode(partials)
    times: list[list[float]] = [[], [], [], [], []]
    work: tuple[Callable[[], object], ...] = (
        lambda: code.encode(partials),
        lambda: dense @ partials,
        partials.copy,
        lambda: code.decode(results, sets[0]),
        lambda: weights @ results,
    )
    for _ in range(5):
        for function, taken in zip(work, times, strict=True):
            time.sleep(0.1)  # threads of BLAS spin for a while after a product
            taken.append(_wall(function))
    encode, product, copy, decode, sum_ = (statistics.median(taken) for taken in times)
    limit = max(product * (_S + 1) / _N, copy)
    size = "n = 256, s = 27, 269,998 float32"
    return [
        Row("decoding vector, n = 256, s = 27, a new set", f"{1e3 * vector:.2f} ms", target="1 ms", met=vector <= 1e-3),
        Row(
            f"encode, {size}, wall-clock",
            f"{1e3 * encode:.0f} ms",
            "copy of the gradients, or BLAS at the same operations",
            f"{1e3 * limit:.0f} ms",
            limit / encode,
            "0.5x",
            limit / encode >= 0.5,
        ),
        Row(
            f"encode, {size}, wall-clock",
            f"{1e3 * encode:.0f} ms",
            "BLAS, matrix @ gradients",
            f"{1e3 * product:.0f} ms",
            product / encode,
        ),
        Row(
            f"decode, {size}, wall-clock",
            f"{1e3 * decode:.1f} ms",
            "BLAS, weights @ results on two threads",
            f"{1e3 * sum_:.1f} ms",
            sum_ / decode,
            "0.5x",
            sum_ / decode >= 0.5,
        ),
    ]


def _wall(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
