"""Steps a second in tallying worlds, and whole runs by blocks; no installable peer has tallies."""

from __future__ import annotations

import statistics

import numpy as np

from bandits import Policy, RoundRobin, TallyingElimination
from benchmarks.measure import Row, cpu_seconds
from simulators import TallyingArms

__all__ = ["rows"]

_ROUNDS = 7


def rows() -> list[Row]:
    """Round robin and elimination step by step with 10 arms, and elimination by blocks."""
    counting = TallyingArms.stationary(10, 100)
    forgetting = TallyingArms.decoy(10, 0.95 ** np.arange(50))
    by_steps = TallyingElimination(100, blocks=False)
    return [
        _steps("Tallying, weights 1, round robin step by step, 10 arms, m = 100", RoundRobin(), counting, 2e7),
        _steps("Tallying, weights 1, SE-WTB step by step, 10 arms, m = 100", by_steps, counting, None),
        _steps("Tallying, weights 0.95^i, SE-WTB step by step, 10 arms, m = 50", by_steps, forgetting, None),
        _blocks(counting),
    ]


def _steps(what: str, policy: Policy, arms: TallyingArms, wanted: float | None) -> Row:
    horizon = 2_000_000

    def play(seed: int) -> None:
        policy.run(arms, horizon, np.random.default_rng(seed), checkpoints=[horizon])

    compilation = cpu_seconds(lambda: policy.run(arms, 10, np.random.default_rng(0)))
    speed = horizon / statistics.median(cpu_seconds(lambda seed=seed: play(seed)) for seed in range(_ROUNDS))
    return Row(
        f"{what} (compiles in {compilation:.1f} s)",
        f"{speed / 1e6:.1f} M steps/s",
        target="" if wanted is None else f"{wanted / 1e6:.0f} M steps/s",
        met=None if wanted is None else speed >= wanted,
    )


def _blocks(arms: TallyingArms) -> Row:
    horizon, policy, runs = 5_000_000, TallyingElimination(100), 100
    policy.run(arms, 1000, np.random.default_rng(0))

    def play(first: int) -> None:
        for seed in range(first, first + runs):
            policy.run(arms, horizon, np.random.default_rng(seed))

    each = statistics.median(cpu_seconds(lambda k=k: play(k * runs)) for k in range(_ROUNDS)) / runs
    what = "Tallying, a run of SE-WTB by blocks, 10 arms, m = M = 100, T = 5e6, 200 checkpoints"
    return Row(what, f"{1e3 * each:.2f} ms", target="1 ms", met=each < 1e-3)
