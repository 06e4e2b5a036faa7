"""A tabular Markov decision process with a reward that a designer chooses, and what the designer is after.

Source: Chakraborty et al., ICLR 2024 (arXiv:2308.02585), for the problem, from memory: its agent has no entropy bonus.
Here a temperature is part of the process, as gradients need one.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from algos.arrays import FiniteMatrix, FiniteVector
from algos.contracts import NonNegative, description
from algos.soft_control import DesignCost, SoftControl
from simulators.mdp.preferences import EpisodeCounts, PreferenceOracle, count_episodes, preference_cost
from simulators.mdp.rewards import ParametricReward, parameter_vector
from simulators.mdp.trajectories import draw_trajectories

__all__ = ["DesignedWorld", "TabularMDP"]


@description
class TabularMDP:
    """An agent's process, a reward with parameters nu, and the designer's cost G(nu) = -U + regularization |nu|^2 / 2.

    Parameters
    ----------
    control : SoftControl
    rewards : LinearReward, SmoothReward, or any object of their shape
    utility : float, shape (S, A), optional
        u: U is the expected discounted sum of u over the agent's trajectories.
    preferences : PreferenceOracle, optional
        U is minus the expected logistic loss with which returns of r_nu explain its labels; needs a horizon. Exactly
        one of ``utility`` and ``preferences`` is given.
    regularization : float >= 0
    start : float, shape (n,), optional
        nu_0; 0 when omitted.

    Examples
    --------
    >>> from simulators.mdp import LinearReward
    >>> control = SoftControl([[[1.0], [1.0]]], [1.0], 0.0, 1.0)
    >>> bandit = TabularMDP(control, LinearReward([np.eye(2)]), utility=[[0.0, 1.0]])
    >>> policy = control.solve(bandit.reward([0.0, 0.0])).policy
    >>> bandit.cost([0.0, 0.0], policy).value
    -0.5
    """

    control: SoftControl
    rewards: Any
    utility: Annotated[FiniteMatrix | None, Field(kw_only=True)] = None
    preferences: Annotated[PreferenceOracle | None, Field(kw_only=True)] = None
    regularization: Annotated[NonNegative, Field(kw_only=True)] = 0.0
    start: Annotated[FiniteVector | None, Field(kw_only=True)] = None

    @model_validator(mode="after")
    def _fits(self) -> TabularMDP:
        shape = (self.control.n_states, self.control.n_actions)
        if (self.utility is None) == (self.preferences is None):
            raise ValueError("utility, preferences: exactly one of them says what the designer wants")
        if self.utility is not None and self.utility.shape != shape:
            raise ValueError(f"utility: shape {self.utility.shape} is not {shape}")
        if self.preferences is not None:
            if self.preferences.true_reward.shape != shape:
                raise ValueError(f"preferences: true_reward of shape {self.preferences.true_reward.shape}, not {shape}")
            if self.control.horizon is None:
                raise ValueError("preferences: compare whole episodes, and need a horizon")
        n = self.rewards.n_parameters
        if self.start is not None and self.start.shape != (n,):
            raise ValueError(f"start: {self.start.size} numbers for {n} parameters")
        reward, slope = self.rewards(self.initial_parameters), self.rewards.jacobian(self.initial_parameters)
        if np.shape(reward) != shape or np.shape(slope) != (*shape, n):
            raise ValueError(
                f"rewards: of shape {np.shape(reward)}, with Jacobian {np.shape(slope)}, not {(*shape, n)}"
            )
        return self

    @cached_property
    def initial_parameters(self) -> NDArray[np.float64]:
        """nu_0, shape (n,)."""
        return np.zeros(self.rewards.n_parameters) if self.start is None else self.start

    def reward(self, parameters: ArrayLike) -> NDArray[np.float64]:
        """r_nu, shape (S, A)."""
        return np.asarray(self.rewards(parameter_vector(parameters, self.rewards.n_parameters)))

    def reward_jacobian(self, parameters: ArrayLike) -> NDArray[np.float64]:
        """Its derivative dr / dnu, shape (S, A, n)."""
        return np.asarray(self.rewards.jacobian(parameter_vector(parameters, self.rewards.n_parameters)))

    def regularizer(self, parameters: ArrayLike) -> tuple[float, NDArray[np.float64]]:
        """Z(nu) = regularization |nu|^2 / 2 and its gradient."""
        nu = parameter_vector(parameters, self.rewards.n_parameters)
        return 0.5 * self.regularization * float(nu @ nu), self.regularization * nu

    def cost(self, parameters: ArrayLike, policy: ArrayLike) -> DesignCost:
        """What the designer pays for a policy, exactly.

        Parameters
        ----------
        parameters : float, shape (n,)
        policy : float, shape (L, S, A)

        Raises
        ------
        ValueError
            For preferences of episodes with more than 20,000 outcomes (state-action counts), and bad shapes.
        """
        nu = parameter_vector(parameters, self.rewards.n_parameters)
        penalty, slope = self.regularizer(nu)
        pi = np.asarray(policy, dtype=np.float64)
        if self.utility is not None:
            values, actions = self.control.evaluate(pi, self.utility)
            visits = self.control.occupancy(pi)
            gain = float(self.control.start @ values[0])
            return DesignCost(penalty - gain, gain, slope, -visits[..., None] * pi * actions)
        assert self.preferences is not None  # one of the two, says the validator
        if isinstance(self._episodes, ValueError):
            raise ValueError(str(self._episodes))
        loss, direct, weights = preference_cost(
            self.control, self._episodes, self.preferences, pi, self.reward(nu), self.reward_jacobian(nu)
        )
        return DesignCost(penalty + loss, -loss, slope + direct, weights)

    def trajectories(
        self, policy: ArrayLike, count: int, length: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """States and actions of independent trajectories, int64 of shape (count, length); see `draw_trajectories`."""
        return draw_trajectories(self.control, policy, count, length, rng)

    def compare(self, first: Any, second: Any, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Labels of pairs of trajectories, drawn from the oracle; see `PreferenceOracle.compare`."""
        if self.preferences is None:
            raise ValueError("preferences: this designer has none, but a utility")
        return self.preferences.compare(first, second, rng)

    @cached_property
    def _episodes(self) -> EpisodeCounts | ValueError:
        try:
            return count_episodes(self.control)
        except ValueError as error:  # kept: that there are too many takes as long to find as to count them
            return error


class DesignedWorld:
    """A named world: its own description builds ``mdp``, and the rest is what `TabularMDP` offers."""

    @property
    def mdp(self) -> TabularMDP:
        """The process, the reward and the designer."""
        raise NotImplementedError

    @property
    def control(self) -> SoftControl:
        """The agent's process."""
        return self.mdp.control

    @property
    def rewards(self) -> ParametricReward:
        """The reward with parameters."""
        rewards: ParametricReward = self.mdp.rewards
        return rewards

    @property
    def utility(self) -> NDArray[np.float64] | None:
        """u, shape (S, A); None for a designer with preferences."""
        return self.mdp.utility

    @property
    def initial_parameters(self) -> NDArray[np.float64]:
        """nu_0, shape (n,)."""
        return self.mdp.initial_parameters

    def reward(self, parameters: ArrayLike) -> NDArray[np.float64]:
        """r_nu, shape (S, A)."""
        return self.mdp.reward(parameters)

    def reward_jacobian(self, parameters: ArrayLike) -> NDArray[np.float64]:
        """Its derivative dr / dnu, shape (S, A, n)."""
        return self.mdp.reward_jacobian(parameters)

    def regularizer(self, parameters: ArrayLike) -> tuple[float, NDArray[np.float64]]:
        """Z and its gradient."""
        return self.mdp.regularizer(parameters)

    def cost(self, parameters: ArrayLike, policy: ArrayLike) -> DesignCost:
        """What the designer pays for a policy, exactly; see `TabularMDP.cost`."""
        return self.mdp.cost(parameters, policy)

    def trajectories(
        self, policy: ArrayLike, count: int, length: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """States and actions of independent trajectories; see `draw_trajectories`."""
        return self.mdp.trajectories(policy, count, length, rng)

    def compare(self, first: Any, second: Any, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Labels of pairs of trajectories; see `PreferenceOracle.compare`."""
        return self.mdp.compare(first, second, rng)
