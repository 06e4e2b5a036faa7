"""Steps a second of bandit policies on 10 Bernoulli arms, beside river's bandit module."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bandits import (
    IMED,
    KLUCB,
    MOSS,
    UCB1,
    UCBV,
    BayesUCB,
    DiscountedUCB,
    EpsilonGreedy,
    Exp3,
    GaussianThompson,
    KLUCBPlusPlus,
    Policy,
    SlidingWindowUCB,
    Softmax,
    SuccessiveElimination,
    ThompsonSampling,
    TsallisINF,
    UCBTuned,
)
from benchmarks.measure import Row, cpu_seconds, in_turn, version
from experiments import replicate
from simulators import BernoulliArms

__all__ = ["rows"]

_MEANS = np.linspace(0.05, 0.5, 10)
_HORIZON = 100_000
_REPETITIONS = 5  # runs that one measurement adds up
_PEER_STEPS = 20_000  # river's cost a step does not depend on the horizon


def rows() -> list[Row]:
    """Each policy, steps of the policy and the arms together; where river has the policy, it plays in the same loop."""
    from river import bandit, proba

    peers: dict[str, Callable[[], Any]] = {
        "UCB1": lambda: bandit.UCB(delta=1, seed=1),
        "ThompsonSampling": lambda: bandit.ThompsonSampling(reward_obj=proba.Beta(), seed=1),
        "EpsilonGreedy": lambda: bandit.EpsilonGreedy(epsilon=0.1, seed=1),
    }
    # Policy, wanted million steps a second, wanted ratio to river.
    cases: tuple[tuple[Policy, float | None, float | None], ...] = (
        (UCB1(), 20.0, 200.0),
        (ThompsonSampling(), 2.5, 50.0),
        (KLUCB(), 2.5, None),
        (IMED(), 3.5, None),
        (Exp3(), 1.0, None),
        (TsallisINF(), 1.0, None),
        (EpsilonGreedy(), None, None),
        *((policy, None, None) for policy in (KLUCBPlusPlus(), BayesUCB(), MOSS(), UCBV(), UCBTuned())),
        *((policy, None, None) for policy in (GaussianThompson(), Softmax(), SuccessiveElimination())),
        *((policy, None, None) for policy in (DiscountedUCB(), SlidingWindowUCB())),
    )
    played = [_row(policy, peers.get(type(policy).__name__), steps, ratio) for policy, steps, ratio in cases]
    return [*played, _threads()]


def _threads() -> Row:
    """How 1,000 replications scale: wall-clock, one thread and two in turn."""
    arms = BernoulliArms(_MEANS)

    def wall(workers: int, seed: int) -> float:
        started = time.perf_counter()
        replicate(UCB1(), arms, _HORIZON, 1000, seed=seed, workers=workers)
        return time.perf_counter() - started

    replicate(UCB1(), arms, 1000, 10, seed=0, workers=2)
    pairs = [(wall(1, seed), wall(2, seed)) for seed in range(3)]
    scaling = statistics.median(one / two for one, two in pairs)
    return Row(
        "UCB1, 10 Bernoulli arms, horizon 1e5, 1,000 replications on 2 threads against 1",
        f"{scaling:.2f}x",
        target="1.8x",
        met=None if (os.cpu_count() or 1) < 2 else scaling >= 1.8,
    )


def _row(ours: Policy, theirs: Callable[[], Any] | None, wanted_steps: float | None, wanted_ratio: float | None) -> Row:
    arms = BernoulliArms(_MEANS)

    def play_ours(horizon: int = _HORIZON) -> None:
        for seed in range(_REPETITIONS):
            ours.run(arms, horizon, np.random.default_rng(seed))

    def play_theirs() -> None:
        if theirs is None:
            return
        policy, draw = theirs(), random.Random(1)
        names = list(range(10))
        for _ in range(_PEER_STEPS):
            arm = policy.pull(names)
            policy.update(arm, draw.random() < _MEANS[arm])

    compilation = cpu_seconds(lambda: play_ours(10))
    mine, peers = in_turn(play_ours, play_theirs)
    speed = _REPETITIONS * _HORIZON / mine
    met = [] if wanted_steps is None else [speed >= wanted_steps * 1e6]
    targets = [] if wanted_steps is None else [f"{wanted_steps:g} M steps/s"]
    peer, peer_text, ratio = "", "", None
    if theirs is not None:
        peer_speed = _PEER_STEPS / peers
        peer, peer_text, ratio = version("river"), f"{peer_speed / 1e3:,.0f} k steps/s", speed / peer_speed
        if wanted_ratio is not None:
            met.insert(0, ratio >= wanted_ratio)
            targets.insert(0, f"{wanted_ratio:,.0f}x")
    return Row(
        f"{type(ours).__name__}, 10 Bernoulli arms, horizon 1e5 (compiles in {compilation:.1f} s)",
        f"{speed / 1e6:.1f} M steps/s",
        peer,
        peer_text,
        ratio,
        ", ".join(targets),
        all(met) if met else None,
    )
