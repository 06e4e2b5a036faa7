"""What PARL is compared with: a fixed reward, the direct term, differences, evolution strategies, unrolled steps.

Source: the specification of PARL (arXiv:2308.02585), section 7; each is a textbook method.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algos.arrays import FiniteVector
from algos.contracts import Count, NonNegative, Trajectory, check_generator, description, realize
from algos.soft_control import DesignProblem, log_softmax, policy_curvature, softmax_gradient
from optimization.bilevel.design_descent import DesignStep, descend_design, start_of
from optimization.bilevel.parl import PARL

__all__ = [
    "DesignEvolutionStrategies",
    "DesignFiniteDifferences",
    "FixedReward",
    "RewardAlternation",
    "UnrolledPolicyGradient",
]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


@description
class RewardAlternation(PARL):
    """Alternate between the agent's optimal policy and a step of the reward along the direct term alone.

    As reward models are trained on preferences between trajectories of the policy of the day: that the policy will
    answer is left out. For a utility that does not depend on nu the direct term is 0, and nothing moves but by the
    regulariser.

    Parameters
    ----------
    step, tolerance
        As for `PARL`.
    """

    mode: Literal["exact"] = "exact"
    gradient: Literal["direct"] = Field(default="direct", kw_only=True)


@description
class DesignFiniteDifferences(PARL):
    """Central differences of G: 2 n solutions of the agent's problem a step.

    Parameters
    ----------
    step, tolerance
        As for `PARL`.
    """

    mode: Literal["exact"] = "exact"
    gradient: Literal["finite_differences"] = Field(default="finite_differences", kw_only=True)


@description
class FixedReward:
    """Leave the reward as it is.

    With a temperature near 0 and parameters that express the designer's utility it is the best of all.

    Parameters
    ----------
    parameters : float, shape (n,), optional
        nu; the problem's own when omitted.
    """

    parameters: FiniteVector | None = None

    def run(
        self,
        problem: DesignProblem,
        horizon: int,
        rng: np.random.Generator | None = None,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
    ) -> Trajectory:
        """Solve the agent's problem once.

        Parameters
        ----------
        problem, horizon, rng, world, checkpoints
            As for `PARL.run`.
        """
        own: Any = realize(problem, rng if world is None else world)
        nu = start_of(own, self.parameters)
        solution = own.control.solve(own.reward(nu))
        still = DesignStep(np.zeros(nu.size), solution.log_policy, 0, 0)
        return descend_design(own, horizon, nu, 1.0, -1.0, checkpoints, lambda *_: still, answers_optimally=True)


@description
class DesignEvolutionStrategies:
    """Antithetic Gaussian smoothing: the mean of (G(nu + w z) - G(nu - w z)) z / (2 w) over directions z.

    Parameters
    ----------
    step : float > 0
    directions : int >= 1
        Directions a step; each costs two solutions of the agent's problem.
    width : float > 0
        w.
    """

    step: Positive
    directions: Annotated[Count, Field(kw_only=True)] = 8
    width: Annotated[Positive, Field(kw_only=True)] = 0.1

    def run(
        self,
        problem: DesignProblem,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        start: ArrayLike | None = None,
        checkpoints: ArrayLike | None = None,
    ) -> Trajectory:
        """Take T steps.

        Parameters
        ----------
        problem, horizon, rng, world, start, checkpoints
            As for `PARL.run`; rng draws the directions.
        """
        generator = check_generator(rng, type(self).__name__)
        own: Any = realize(problem, generator if world is None else world)

        def value(nu: NDArray[np.float64]) -> float:
            return float(own.cost(nu, own.control.solve(own.reward(nu)).policy).value)

        def estimate(nu: NDArray[np.float64], logs: NDArray[np.float64]) -> DesignStep:
            total = np.zeros(nu.size)
            for z in generator.standard_normal((self.directions, nu.size)):
                total += (value(nu + self.width * z) - value(nu - self.width * z)) / (2.0 * self.width) * z
            logs = own.control.solve(own.reward(nu)).log_policy
            return DesignStep(total / self.directions, logs, 2 * self.directions + 1, 0)

        return descend_design(
            own, horizon, start_of(own, start), self.step, -1.0, checkpoints, estimate, answers_optimally=True
        )


@description
class UnrolledPolicyGradient:
    """Differentiate through K policy gradient steps (truncated unrolling, ITD) in the place of the optimal policy.

    theta_{k+1} = theta_k + a V_theta(nu, theta_k), and its derivative J_{k+1} = J_k + a (V_theta,theta J_k +
    V_theta,nu) with J_0 = 0: the policy of the step before is the start, and is held. Every policy step forms a
    Hessian.

    Parameters
    ----------
    step : float > 0
        a_u.
    inner_step : float > 0
        a.
    inner_steps : int >= 1
        K.
    tolerance : float >= 0
        A gradient no longer than this ends the run.
    """

    step: Positive
    inner_step: Positive
    inner_steps: Annotated[Count, Field(kw_only=True)] = 10
    tolerance: Annotated[NonNegative, Field(kw_only=True)] = 1e-10

    def run(
        self,
        problem: DesignProblem,
        horizon: int,
        rng: np.random.Generator | None = None,
        *,
        world: np.random.Generator | None = None,
        start: ArrayLike | None = None,
        checkpoints: ArrayLike | None = None,
    ) -> Trajectory:
        """Take T steps.

        Parameters
        ----------
        problem, horizon, rng, world, start, checkpoints
            As for `PARL.run`.
        """
        own: Any = realize(problem, rng if world is None else world)

        def estimate(nu: NDArray[np.float64], logs: NDArray[np.float64]) -> DesignStep:
            reward, jacobian = own.reward(nu), own.reward_jacobian(nu)
            moved = np.zeros((logs.size, nu.size))
            for _ in range(self.inner_steps):
                found = policy_curvature(own.control, logs, reward, jacobian)
                moved = moved + self.inner_step * (found.hessian @ moved + found.cross.T)
                logs = log_softmax(logs + self.inner_step * found.gradient.reshape(logs.shape))
            cost = own.cost(nu, np.exp(logs))
            through = softmax_gradient(np.exp(logs), cost.weights).ravel() @ moved
            return DesignStep(cost.direct + through, logs, self.inner_steps, 0)

        return descend_design(own, horizon, start_of(own, start), self.step, self.tolerance, checkpoints, estimate)
