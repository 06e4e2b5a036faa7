"""Regret at the end of many independent runs: what the checks of bandit learners take means of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.policy import Policy

__all__ = ["sampled_regret"]


def sampled_regret(
    policy: Policy, world: Any, horizon: int, runs: int, rng: np.random.Generator, metric: str = "regret"
) -> NDArray[np.float64]:
    """The metric after `horizon` rounds of each run, shape (runs,); a world with ``sample`` is drawn anew each time."""
    played = (policy.run(world, horizon, rng, checkpoints=[horizon]) for _ in range(runs))
    return np.array([run.metrics[metric][-1] for run in played])
