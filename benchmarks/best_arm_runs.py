"""Runs a second of best-arm identification, and the designs behind it; there is no installable peer to compare with."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from algos import max_det_collection
from bandits import DPBAI, DPOD, BestArmPolicy, DPSequentialHalving, SequentialHalving, error_rate
from benchmarks.measure import Row, cpu_seconds
from simulators import LinearArms, SphereArms, unstructured_instance

__all__ = ["rows"]

_ROUNDS = 5


def rows() -> list[Row]:
    """Halving over 10 arms, DP-BAI and DP-OD over 64 and 1000, two threads, and a large Max-Det collection."""
    ten = unstructured_instance(n_arms=10)
    rng = np.random.default_rng(1)
    few, many = SphereArms(64, 9).sample(rng), SphereArms(1000, 5).sample(rng)
    return [
        _speed("Sequential Halving, 10 arms, T = 1e4", SequentialHalving(), ten, 10_000, 20_000, 1e5),
        _speed("DP Sequential Halving, 10 arms, T = 1e4", DPSequentialHalving(0.1), ten, 10_000, 20_000, 1e5),
        _speed("DP-BAI, 64 arms, d = 9, T = 2e4", DPBAI(0.1), few, 20_000, 4000, 5000.0),
        _speed("DP-OD, 64 arms, d = 9, T = 2e4", DPOD(0.1), few, 20_000, 4000, None),
        _speed("DP-BAI, 1000 arms, d = 5, T = 2e4", DPBAI(0.1), many, 20_000, 2000, None),
        _threads(few),
        _max_det(),
    ]


def _speed(what: str, policy: BestArmPolicy, arms: LinearArms, budget: int, runs: int, wanted: float | None) -> Row:
    def play(seed: int) -> None:
        error_rate(policy, arms, budget, runs, seed, workers=1)

    compilation = cpu_seconds(lambda: error_rate(policy, arms, budget, 1, workers=1))
    speed = runs / _median(play, cpu_seconds)
    target = "" if wanted is None else f"{wanted:,.0f} runs/s"
    return Row(
        f"{what} (first run {compilation:.1f} s)",
        f"{speed:,.0f} runs/s",
        target=target,
        met=None if wanted is None else speed >= wanted,
    )


def _threads(arms: LinearArms) -> Row:
    """How 10,000 replications, 0.4 s of them, scale: wall-clock, one thread against two in turn."""

    def wall(workers: int, seed: int) -> float:
        started = time.perf_counter()
        error_rate(DPBAI(0.1), arms, 20_000, 10_000, seed, workers=workers)
        return time.perf_counter() - started

    wall(1, 0)
    pairs = [(wall(1, seed), wall(2, seed)) for seed in range(2 * _ROUNDS)]
    scaling = statistics.median(one for one, _ in pairs) / statistics.median(two for _, two in pairs)
    return Row(
        "DP-BAI, 64 arms, 10,000 replications on 2 threads against 1",
        f"{scaling:.2f}x",
        target="1.8x",
        met=None if (os.cpu_count() or 1) < 2 else scaling >= 1.8,
    )


def _max_det() -> Row:
    rows = np.random.default_rng(2).normal(size=(100_000, 50))
    max_det_collection(rows[:100])
    seconds = _median(lambda seed: max_det_collection(rows), cpu_seconds)
    return Row(
        "Max-Det collection of 100,000 vectors in 50 dimensions", f"{seconds:.2f} s", target="10 s", met=seconds < 10
    )


def _median(play: Callable[[int], object], measure: Callable[[Callable[[], object]], float]) -> float:
    return statistics.median(measure(lambda seed=seed: play(seed)) for seed in range(_ROUNDS))
