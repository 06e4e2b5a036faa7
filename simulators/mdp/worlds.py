"""Worlds of reward design: the two-state example, random processes, a grid, a taxed bandit, a robot that saves energy.

Source: the project's specification of PARL (arXiv:2308.02585); the paper's control benchmarks are not tabular.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from algos.arrays import FiniteVector
from algos.contracts import Count, Natural, NonNegative, Probability, check_generator, description
from algos.soft_control import SoftControl
from simulators.mdp.preferences import PreferenceOracle
from simulators.mdp.rewards import LinearReward
from simulators.mdp.tabular import DesignedWorld, TabularMDP

__all__ = ["GridWorld", "RandomMDP", "RobotEnergy", "TaxBandit", "TwoStateMDP"]

Discount = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)]
Temperature = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
_MOVES = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])  # east, south, west, north


@description
class TwoStateMDP(DesignedWorld):
    """The smallest world with both terms of the gradient: two states, two actions, two parameters.

    Parameters
    ----------
    horizon : int >= 1, optional
        Infinite when omitted, with a discount of 0.9.
    prefers : bool
        True: the designer has preferences by u in the place of the utility u; needs a horizon.
    """

    horizon: Count | None = None
    prefers: Annotated[bool, Field(kw_only=True)] = False

    @cached_property
    def mdp(self) -> TabularMDP:
        """The process, the reward and the designer."""
        transitions = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.3, 0.7]]])
        features = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.5, -0.5], [-1.0, 1.0]]])
        utility = np.array([[1.0, 0.0], [0.0, 2.0]])
        return TabularMDP(
            SoftControl(transitions, np.array([0.6, 0.4]), 0.9, 0.5, horizon=self.horizon),
            LinearReward(features),
            utility=None if self.prefers else utility,
            preferences=PreferenceOracle(utility) if self.prefers else None,
            start=np.array([0.3, -0.2]),
        )


@description
class RandomMDP:
    """A distribution over processes: rows of Dirichlet(1), features and utility standard normal.

    Parameters
    ----------
    n_states, n_actions : int >= 1
    n_parameters : int >= 0
    discount : float in [0, 1)
    temperature : float > 0
    regularization : float >= 0

    Examples
    --------
    >>> RandomMDP(3, 2, 4).sample(np.random.default_rng(0)).reward(np.ones(4)).shape
    (3, 2)
    """

    n_states: Count
    n_actions: Count
    n_parameters: Natural
    discount: Annotated[Discount, Field(kw_only=True)] = 0.9
    temperature: Annotated[Temperature, Field(kw_only=True)] = 0.5
    regularization: Annotated[NonNegative, Field(kw_only=True)] = 0.0

    def sample(self, rng: np.random.Generator) -> TabularMDP:
        """Draw a process, features and a utility; nu_0 is 0."""
        own = check_generator(rng, "drawing a process")
        S, A = self.n_states, self.n_actions
        control = SoftControl(
            own.dirichlet(np.ones(S), size=(S, A)), own.dirichlet(np.ones(S)), self.discount, self.temperature
        )
        features, utility = own.standard_normal((S, A, self.n_parameters)), own.standard_normal((S, A))
        return TabularMDP(control, LinearReward(features), utility=utility, regularization=self.regularization)


@description
class GridWorld(DesignedWorld):
    """A grid with a goal and hazards on the way: the designer wants the goal reached and hazards avoided.

    The agent starts in the first cell and moves in four directions; with chance ``slip`` it moves in a direction drawn
    uniformly. Features are one-hot of the type of the cell: free, hazard, goal. The goal, in the last column, holds the
    agent, who collects its reward there for ever.

    Parameters
    ----------
    width, height : int >= 1
        At least two cells together. Hazards lie in every second column but the first and last, and leave one row free,
        the first and the last by turns.
    slip : float in [0, 1]
    discount : float in [0, 1)
    temperature : float > 0
    hazard_cost : float >= 0
        The designer's utility is 1 - gamma in the goal, so that reaching it at once is worth 1, and minus this number
        in a hazard.
    regularization : float >= 0

    Examples
    --------
    >>> print(GridWorld(5, 3).picture)
    s#...
    .#.#.
    ...#g
    """

    width: Count
    height: Count
    slip: Probability = 0.1
    discount: Annotated[Discount, Field(kw_only=True)] = 0.95
    temperature: Annotated[Temperature, Field(kw_only=True)] = 0.1
    hazard_cost: Annotated[NonNegative, Field(kw_only=True)] = 0.2
    regularization: Annotated[NonNegative, Field(kw_only=True)] = 0.0

    @model_validator(mode="after")
    def _has_a_way(self) -> GridWorld:
        if self.width * self.height < 2:
            raise ValueError("width, height: a grid has at least two cells, one to start in and a goal")
        return self

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        """Type of each cell, row by row: 0 free, 1 hazard, 2 goal."""
        cells = np.zeros((self.height, self.width), dtype=np.int64)
        for place, column in enumerate(range(1, self.width - 1, 2)):
            cells[:, column] = 1
            cells[-1 if place % 2 == 0 else 0, column] = 0
        if self.height == 1:
            cells[:] = 0
        cells[-1 if len(range(1, self.width - 1, 2)) % 2 == 0 else 0, -1] = 2
        return cells.ravel()

    @property
    def picture(self) -> str:
        """The grid in letters: s where the agent starts, # hazards, g the goal."""
        letters = np.array([".", "#", "g"])[self.kinds]
        letters[0] = "s"
        return "\n".join("".join(row) for row in letters.reshape(self.height, self.width))

    @cached_property
    def mdp(self) -> TabularMDP:
        """The process, the reward and the designer."""
        S = self.width * self.height
        y, x = np.divmod(np.arange(S), self.width)
        moved = np.zeros((S, 4, S))
        for a, (dy, dx) in enumerate(_MOVES):
            to = np.clip(y + dy, 0, self.height - 1) * self.width + np.clip(x + dx, 0, self.width - 1)
            moved[np.arange(S), a, to] = 1.0
        transitions = (1.0 - self.slip) * moved + self.slip * moved.mean(axis=1, keepdims=True)
        goal = self.kinds == 2
        transitions[goal] = np.eye(S)[goal][:, None, :]
        utility = np.array([0.0, -self.hazard_cost, 1.0 - self.discount])[self.kinds]
        return TabularMDP(
            SoftControl(transitions, np.eye(S)[0], self.discount, self.temperature),
            LinearReward(np.repeat(np.eye(3)[self.kinds][:, None, :], 4, axis=1)),
            utility=np.repeat(utility[:, None], 4, axis=1),
            regularization=self.regularization,
        )


@description
class TaxBandit(DesignedWorld):
    """One state: the designer sets a tax a good, the buyer answers with the softmax of his gains less taxes.

    The designer wants goods of a high social value to be bought. The derivative of the expected social value J in the
    b-th tax is -pi_b (u_b - J) / tau.

    Parameters
    ----------
    social_values : float, shape (A,)
        u.
    gains : float, shape (A,), optional
        What a good is worth to the buyer; 0 when omitted.
    temperature : float > 0
    """

    social_values: FiniteVector
    gains: FiniteVector | None = None
    temperature: Annotated[Temperature, Field(kw_only=True)] = 1.0

    @model_validator(mode="after")
    def _fits(self) -> TaxBandit:
        if self.gains is not None and self.gains.shape != self.social_values.shape:
            raise ValueError(f"gains: {self.gains.size} for {self.social_values.size} goods")
        return self

    @cached_property
    def mdp(self) -> TabularMDP:
        """The process, the reward and the designer; parameters are subsidies, taxes with the other sign."""
        A = self.social_values.size
        return TabularMDP(
            SoftControl(np.ones((1, A, 1)), np.ones(1), 0.0, self.temperature),
            LinearReward(np.eye(A)[None], offset=None if self.gains is None else self.gains[None]),
            utility=self.social_values[None],
        )


@description
class RobotEnergy(DesignedWorld):
    """A robot on a chain chooses how hard to push: the harder, the surer it advances, and the dearer for the designer.

    The designer's utility is 1 at the chain's end, less the cost of every push. Parameters weigh the end and the energy
    in the agent's reward.

    Parameters
    ----------
    length : int >= 2
        Cells; the robot is carried back to the first from the last.
    pushes : int >= 2
        Actions 0..pushes - 1; push k advances with chance 0.9 k / (pushes - 1), and costs energy (k / (pushes - 1))^2.
    energy_cost : float >= 0
    discount : float in [0, 1)
    temperature : float > 0
    """

    length: Annotated[Count, Field(ge=2)]
    pushes: Annotated[Count, Field(ge=2)] = 3
    energy_cost: Annotated[NonNegative, Field(kw_only=True)] = 0.1
    discount: Annotated[Discount, Field(kw_only=True)] = 0.9
    temperature: Annotated[Temperature, Field(kw_only=True)] = 0.1

    @cached_property
    def mdp(self) -> TabularMDP:
        """The process, the reward and the designer."""
        S, A = self.length, self.pushes
        force = np.arange(A) / (A - 1)
        transitions = np.zeros((S, A, S))
        for s in range(S - 1):
            transitions[s, :, s] = 1.0 - 0.9 * force
            transitions[s, :, s + 1] = 0.9 * force
        transitions[S - 1, :, 0] = 1.0
        features = np.zeros((S, A, 2))
        features[S - 1, :, 0] = 1.0
        features[:, :, 1] = -(force**2)
        utility = features[..., 0] + self.energy_cost * features[..., 1]
        return TabularMDP(
            SoftControl(transitions, np.eye(S)[0], self.discount, self.temperature),
            LinearReward(features),
            utility=utility,
        )
