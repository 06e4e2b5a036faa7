"""The knapsack beside HiGHS, learners of budgets in periods a second, and replications over threads."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from algos.knapsack import knapsack, split_budget
from benchmarks.measure import Row, cpu_seconds
from experiments import replicate
from online.autobidding import SGDUCB, AdaptivePacing, FullInformationDual, ResolvingHull
from simulators.auctions import AuctionChannel, synthetic_market

__all__ = ["rows"]

_ROUNDS, _PERIODS = 5, 1_000_000


def rows() -> list[Row]:
    """Solvers, learners, bidders, threads."""
    return [_large(), *_beside_highs(), _split(), *_learners(), _bidder(), _threads()]


def _items(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, float, float]:
    rng = np.random.default_rng(seed)
    values, costs = rng.random(n), rng.random(n)
    return values, costs, 1.2, 0.25 * float(costs.sum())


def _large() -> Row:
    items = _items(1_000_000)
    knapsack(*items)
    seconds = statistics.median(cpu_seconds(lambda: knapsack(*items)) for _ in range(_ROUNDS))
    what = "knapsack with a budget and a target, 1,000,000 items"
    return Row(what, f"{seconds:.3f} s", target="0.15 s", met=seconds <= 0.15)


def _beside_highs() -> list[Row]:
    import scipy
    from scipy.optimize import linprog

    found = []
    for n in (1_000, 10_000, 100_000):
        values, costs, target, budget = _items(n)

        def highs(
            values: np.ndarray = values, costs: np.ndarray = costs, target: float = target, budget: float = budget
        ) -> float:
            rows = np.array([target * costs - values, costs])
            solved = linprog(-values, A_ub=rows, b_ub=[0.0, budget], bounds=(0, 1), method="highs")
            return -float(solved.fun)

        ours = knapsack(values, costs, target, budget)
        if abs(ours.value - highs()) > 1e-9 * ours.value:
            raise AssertionError(f"n = {n}: {ours.value} differs from HiGHS's {highs()}")
        rounds = 2 if n > 10_000 else _ROUNDS
        times = [
            (cpu_seconds(lambda: knapsack(values, costs, target, budget)), cpu_seconds(highs))  # noqa: B023
            for _ in range(rounds)
        ]
        mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
        found.append(
            Row(
                f"the same, {n:,} items, equal values to 1e-9",
                f"{1e3 * mine:.2f} ms",
                f"HiGHS through scipy {scipy.__version__}",
                f"{1e3 * theirs:,.0f} ms",
                theirs / mine,
                "100x" if n == 100_000 else "",
                theirs / mine >= 100 if n == 100_000 else None,
            )
        )
    return found


def _split() -> Row:
    market = synthetic_market(0)
    curves = [channel.mean_curve for channel in market.channels.values()]
    split_budget(curves, 1.0, 1.0)
    seconds = statistics.median(
        cpu_seconds(lambda: [split_budget(curves, 1.0, 1.0) for _ in range(100)]) for _ in range(_ROUNDS)
    )
    return Row("best split of three channels with 45 segments each", f"{10 * seconds:.2f} ms")


def _learners() -> list[Row]:
    found = []
    for name, learner, wanted in (
        ("SGD-UCB", SGDUCB(1.0, 0.9, radius_scale=0.05, arm_spacing=0.01), 1.0),
        ("re-solving hull", ResolvingHull(1.0, 0.9, radius_scale=0.05, arm_spacing=0.01), None),
        ("full information", FullInformationDual(1.0, 0.9, arm_spacing=0.01), None),
    ):
        periods = _PERIODS if wanted else _PERIODS // 10
        play = _player(learner, periods)
        play()
        seconds = statistics.median(cpu_seconds(play) for _ in range(3)) * (_PERIODS / periods)
        found.append(
            Row(
                f"{name}, 1,000,000 periods, 3 channels, 101 arms",
                f"{seconds:.2f} s",
                target="" if wanted is None else f"{wanted:.1f} s",
                met=None if wanted is None else seconds <= wanted,
            )
        )
    return found


def _player(learner: SGDUCB | FullInformationDual, periods: int) -> Callable[[], object]:
    market = synthetic_market(0)
    return lambda: learner.run(market, periods, np.random.default_rng(0))


def _bidder() -> Row:
    stream = AuctionChannel(1).stream(_PERIODS, np.random.default_rng(0))
    bidder = AdaptivePacing(0.1)
    bidder.run(stream, 1000, np.random.default_rng(0))
    seconds = statistics.median(
        cpu_seconds(lambda: bidder.run(stream, _PERIODS, np.random.default_rng(0))) for _ in range(3)
    )
    return Row(
        "adaptive pacing, auctions, with the optimum in hindsight", f"{_PERIODS / seconds / 1e6:.1f} M auctions/s"
    )


def _threads() -> Row:
    learner = SGDUCB(1.0, 0.9, radius_scale=0.05, arm_spacing=0.01)

    def wall(workers: int) -> float:
        started = time.perf_counter()
        replicate(learner, synthetic_market(0), 20_000, replications=200, seed=0, workers=workers)
        return time.perf_counter() - started

    wall(1)
    ratios = [wall(1) / wall(2) for _ in range(3)]
    scaling = statistics.median(ratios)
    return Row(
        "SGD-UCB, 200 replications of 20,000 periods on 2 threads against 1",
        f"{scaling:.2f}x",
        target="1.8x",
        met=scaling >= 1.8,
    )
