"""Expected faults without any error, for bounds that are met in expectation: a sample mean could not tell.

A policy's own functions are run once for every sequence of victims that it could draw, which takes few requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from algos.kernels import interpreted
from experiments.ledger_checks import Comparison, tightest
from online.paging import EvictionPolicy
from simulators import Trace

__all__ = ["expected_faults", "short_traces", "tightest_expectation"]


class _Draws:
    """Stands in for a generator in functions whose only draws are ``int(rng.random() * size)``; one path at a time."""

    def __init__(self) -> None:
        self.chosen: list[int] = []
        self.sizes: list[int] = []
        self.position = 0

    def random(self) -> _Draws:
        return self

    def __mul__(self, size: int) -> int:
        if self.position == len(self.chosen):
            self.chosen.append(0)
            self.sizes.append(int(size))
        self.position += 1
        return self.chosen[self.position - 1]

    def next_path(self) -> bool:
        """Go on to the next sequence of choices; False when all were taken."""
        self.position = 0
        while self.chosen and self.chosen[-1] + 1 == self.sizes[-1]:
            self.chosen.pop()
            self.sizes.pop()
        if self.chosen:
            self.chosen[-1] += 1
        return bool(self.chosen)


def expected_faults(policy: EvictionPolicy, trace: Trace) -> float:
    """The expectation of a policy's faults, for policies whose only draws are uniform victims."""
    kernels = policy.kernels_in(interpreted)
    predictions = policy.predictions(trace)
    each = predictions if predictions.size == len(trace) else np.repeat(predictions, len(trace))
    draws, total = _Draws(), 0.0
    while True:
        state = kernels.init(trace.requests, trace.n_pages, policy.cache_size, policy.parameters_for(trace))
        faults = sum(bool(kernels.access(state, page, each[t], t, draws)) for t, page in enumerate(trace.requests))
        total += faults / float(np.prod(draws.sizes, initial=1.0))
        if not draws.next_path():
            return total


def short_traces(rng: np.random.Generator, instances: int, n_pages: int, length: int) -> Iterator[Trace]:
    """Uniform requests with uniform bits."""
    for _ in range(instances):
        yield Trace(rng.integers(0, n_pages, length)).with_bits(rng.integers(0, 2, length))


def tightest_expectation(pairs: Iterable[tuple[float, float]]) -> Comparison:
    """Expected faults against upper bounds; both are rounded to 1e-9, which turns no right order into a wrong one."""
    return tightest("<=", ((round(expected, 9), round(bound, 9)) for expected, bound in pairs))
