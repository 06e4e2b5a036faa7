"""Steps a second of bandit policies on 10 Bernoulli arms, beside river's bandit module."""

from __future__ import annotations

import random
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
    return [_row(policy, peers.get(type(policy).__name__), steps, ratio) for policy, steps, ratio in cases]


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
