"""Rewards that are seen late."""

from __future__ import annotations

from typing import Any

import numpy as np

from algos.contracts import Natural, description, realize

__all__ = ["DelayedFeedback"]


@description
class DelayedFeedback:
    """Any arms, whose rewards the policy sees only after further rounds.

    The reward of round t is earned in round t and learnt at the end of round t + delay; those of the last rounds are
    never learnt. Policies need not know: the loop hands them each late reward with the round and the arm that it
    belongs to, and with what they want to remember of that round (``recall`` in `bandits.policy`).

    Parameters
    ----------
    arms : any arms, or a simulator with ``sample(rng)`` that draws them
        The arms.
    delay : int >= 0
        After how many further rounds a reward is seen; 0 changes nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from bandits import UCB1
    >>> from simulators import BernoulliArms
    >>> arms = BernoulliArms([0.2, 0.8])
    >>> prompt, late = (
    ...     UCB1().run(DelayedFeedback(arms, delay), 2000, np.random.default_rng(0)) for delay in (0, 100)
    ... )
    >>> bool(prompt.metrics["regret"][-1] < late.metrics["regret"][-1])
    True
    """

    arms: Any
    delay: Natural

    def __post_init__(self) -> None:
        if getattr(self.arms, "delay", 0):
            raise ValueError(f"arms: their rewards are {self.arms.delay} rounds late already; add that to delay")

    def __getattr__(self, name: str) -> Any:
        """Everything else is as it is for the arms."""
        if name.startswith("__") or name in ("arms", "delay"):
            raise AttributeError(name)
        return getattr(self.arms, name)

    def sample(self, rng: np.random.Generator) -> DelayedFeedback:
        """The same delay of arms that are drawn now, if they are to be drawn."""
        return DelayedFeedback(realize(self.arms, rng), self.delay)
