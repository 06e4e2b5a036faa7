"""Steps a second of bandit policies on 10 Bernoulli arms, beside river's bandit module."""

from __future__ import annotations

import random

import numpy as np

from bandits import UCB1, Policy, ThompsonSampling
from benchmarks.measure import Row, cpu_seconds, in_turn, version
from simulators import BernoulliArms

__all__ = ["rows"]

_MEANS = np.linspace(0.05, 0.5, 10)
_HORIZON = 1_000_000
_PEER_STEPS = 20_000  # river's cost a step does not depend on the horizon


def rows() -> list[Row]:
    """UCB1 and Thompson sampling; the peer plays the same loop in Python."""
    from river import bandit, proba

    cases = (
        ("UCB1", UCB1(), lambda: bandit.UCB(delta=1, seed=1), 1.5e7, 200.0),
        (
            "Thompson sampling",
            ThompsonSampling(),
            lambda: bandit.ThompsonSampling(reward_obj=proba.Beta(), seed=1),
            None,
            50.0,
        ),
    )
    return [_row(name, ours, theirs, steps, ratio) for name, ours, theirs, steps, ratio in cases]


def _row(name: str, ours: Policy, theirs, wanted_steps: float | None, wanted_ratio: float) -> Row:
    arms = BernoulliArms(_MEANS)

    def play_ours(horizon: int = _HORIZON) -> None:
        ours.run(arms, horizon, np.random.default_rng(1))

    def play_theirs() -> None:
        policy, draw = theirs(), random.Random(1)
        names = list(range(10))
        for _ in range(_PEER_STEPS):
            arm = policy.pull(names)
            policy.update(arm, draw.random() < _MEANS[arm])

    compilation = cpu_seconds(lambda: play_ours(10))
    mine, peers = in_turn(play_ours, play_theirs)
    speed, peer_speed = _HORIZON / mine, _PEER_STEPS / peers
    ratio = speed / peer_speed
    target = f"{wanted_ratio:,.0f}x" + (f", {wanted_steps / 1e6:g} M steps/s" if wanted_steps else "")
    return Row(
        f"{name}, 10 Bernoulli arms, horizon 1e6 (compiles in {compilation:.1f} s)",
        f"{speed / 1e6:.1f} M steps/s",
        version("river"),
        f"{peer_speed / 1e3:,.0f} k steps/s",
        ratio,
        target,
        ratio >= wanted_ratio and (wanted_steps is None or speed >= wanted_steps),
    )
