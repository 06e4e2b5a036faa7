"""Where designers of rewards meet their problems: a reward with parameters, an agent, and what the designer pays.

The agent answers parameters nu with the optimal policy of reward r_nu; the designer minimises G(nu), a function of nu
and of the trajectories that this policy generates. Optimizers and simulators share this contract alone.

Source: Chakraborty et al., "PARL: a unified framework for policy alignment in reinforcement learning from human
feedback", ICLR 2024 (arXiv:2308.02585).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from algos.soft_control.process import SoftControl

__all__ = ["DesignCost", "DesignProblem"]


class DesignCost(NamedTuple):
    """What a designer pays at parameters and a policy, and how it changes: dG = direct . dnu + sum weights dlog pi."""

    value: float  # G
    utility: float  # U, which G = -U + regulariser subtracts
    direct: NDArray[np.float64]  # (n,), derivative in nu with the policy held
    weights: NDArray[np.float64]  # (L, S, A), derivative through the distribution of trajectories


class DesignProblem(Protocol):
    """A designer's problem; any object of this shape can be aligned.

    Methods that draw trajectories also need ``trajectories(policy, count, length, rng)``, states and actions, int64 of
    shape (count, length), and ``regularizer(nu)``, its value and gradient. Designers with a fixed utility of states and
    actions have it as ``utility``, shape (S, A); others have None there, and ``compare(first, second, rng)``: whether
    the first trajectory of each pair is preferred, from pairs of (states, actions), bool of shape (count,).
    """

    @property
    def control(self) -> SoftControl:
        """The agent's process."""
        ...

    @property
    def initial_parameters(self) -> NDArray[np.float64]:
        """nu_0, shape (n,)."""
        ...

    def reward(self, parameters: Any) -> NDArray[np.float64]:
        """r_nu, shape (S, A)."""
        ...

    def reward_jacobian(self, parameters: Any) -> NDArray[np.float64]:
        """Its derivative dr / dnu, shape (S, A, n)."""
        ...

    def cost(self, parameters: Any, policy: Any) -> DesignCost:
        """What the designer pays for a policy (L, S, A), exactly."""
        ...
