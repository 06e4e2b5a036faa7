"""G-optimal designs beside cvxpy with Clarabel, and covers of sparse coefficients."""

from __future__ import annotations

import statistics
import tracemalloc

import numpy as np

from algos import g_optimal_design
from bandits import OptimisticSparseElimination
from bandits.sparse_cover import build_cover
from benchmarks.measure import Row, cpu_seconds, version
from simulators import MisspecifiedLinearArms, gaussian_features

__all__ = ["rows"]

_ROUNDS = 5


def rows() -> list[Row]:
    """A design over 500 vectors in 10 dimensions, two covers, and elimination among 100,000 arms."""
    return [
        _design(),
        _cover("Cover of 1,000 arms, d = 30, s = 2, radius 0.1", 30, 2, 0.1),
        _cover("Cover of 1,000 arms, d = 20, s = 3, radius 0.25", 20, 3, 0.25),
        _elimination(),
    ]


def _design() -> Row:
    """Both to a largest variance of d (1 + 1e-4), in turn."""
    import cvxpy as cp

    vectors = np.random.default_rng(0).normal(size=(500, 10))
    weights = cp.Variable(500, nonneg=True)
    problem = cp.Problem(cp.Maximize(cp.log_det(vectors.T @ cp.diag(weights) @ vectors)), [cp.sum(weights) == 1])

    def peer() -> None:
        problem.solve(solver=cp.CLARABEL)

    def ours() -> None:
        g_optimal_design(vectors, tolerance=1e-4, reduce_support=False)

    def excess(found: np.ndarray) -> float:
        information = (vectors.T * found) @ vectors
        return float(np.einsum("ij,ij->i", vectors @ np.linalg.inv(information), vectors).max()) / 10 - 1

    peer()
    ours()
    mine, theirs = [], []
    for _ in range(_ROUNDS):
        mine.append(cpu_seconds(ours))
        theirs.append(cpu_seconds(peer))
    reached = max(excess(np.maximum(np.asarray(weights.value), 0)), 0.0)
    one, other = statistics.median(mine), statistics.median(theirs)
    return Row(
        f"G-optimal design, 500 vectors, d = 10, to 1e-4 (peer: {reached:.0e})",
        f"{1e3 * one:.2f} ms",
        f"{version('cvxpy')} with Clarabel",
        f"{1e3 * other:.0f} ms",
        other / one,
        "20x",
        other / one >= 20,
    )


def _cover(what: str, dimension: int, sparsity: int, radius: float) -> Row:
    features = gaussian_features(1000, dimension, np.random.default_rng(0))
    size = build_cover(features, sparsity, radius).values.size
    seconds = statistics.median(cpu_seconds(lambda: build_cover(features, sparsity, radius)) for _ in range(_ROUNDS))
    speed = size * 1000 * sparsity / seconds
    return Row(
        f"{what}, {size:,} candidates",
        f"{speed / 1e9:.1f} G multiply-adds/s",
        target="1 G multiply-adds/s",
        met=speed >= 1e9,
    )


def _elimination() -> Row:
    """Peak of what a run allocates, with 100,000 arms in 50 dimensions."""
    features = gaussian_features(100_000, 50, np.random.default_rng(0))
    theta = np.zeros(50)
    theta[[3, 7]] = 0.6, 0.5
    arms = MisspecifiedLinearArms(features, theta, 0.1, "signs").sample(np.random.default_rng(1))
    policy = OptimisticSparseElimination(2, 0.1)
    policy.run(MisspecifiedLinearArms(features[:50], theta, 0.1), 100, np.random.default_rng(0))
    tracemalloc.start()
    seconds = cpu_seconds(lambda: policy.run(arms, 1000, np.random.default_rng(2)))
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    what = f"Optimistic elimination, 100,000 arms, d = 50, s = 2, peak memory of a run ({seconds:.0f} s)"
    return Row(what, f"{peak:.0f} MB", target="200 MB", met=peak < 200)
