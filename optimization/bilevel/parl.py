"""PARL: descend a designer's cost, with the gradient through the agent's answer.

A-PARL moves an agent's policy by K steps of policy gradient for the present reward, warm started, and then the reward's
parameters along direct - V_nu,theta [V_theta,theta]^+ grad_theta G. In mode "exact" the agent answers optimally and the
gradient is exact; in mode "exact_K" the K steps are exact; in mode "sampled" everything comes from trajectories.

Source: Chakraborty, Bedi, Koppel, Manocha, Wang, Wang, Huang, "PARL: a unified framework for policy alignment in
reinforcement learning from human feedback", ICLR 2024 (arXiv:2308.02585), Algorithm 1 from memory. The entropy bonus,
the pseudo-inverse, the closed form and the penalty gradient are the specification's.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from algos.contracts import Count, NonNegative, Trajectory, check_generator, description, realize
from algos.soft_control import DesignProblem, SoftControl, log_softmax, policy_gradient
from optimization.bilevel.design_descent import DesignStep, descend_design, inexact_descent_bound, start_of
from optimization.bilevel.design_gradients import DesignMethod, design_gradient, theta_space_gradient
from optimization.bilevel.parl_sampling import (
    sampled_advantages,
    sampled_design_gradient,
    sampled_policy_gradient,
    trajectory_length,
)

__all__ = ["PARL", "inexact_descent_bound"]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


@description
class PARL:
    """Bilevel policy alignment by gradient descent on the reward's parameters.

    Parameters
    ----------
    step : float > 0
        a_u; at most 1 / L for an L-smooth cost, see `inexact_descent_bound`.
    mode : {"exact", "exact_K", "sampled"}
        How the agent answers: optimally; by K exact steps; by K steps from sampled trajectories, which is the only mode
        that needs no transition probabilities.
    gradient : str
        In mode "exact": a method of `design_gradient`. The other modes work in theta space.
    inner : {"natural", "policy_gradient"}
        The agent's steps in the modes "exact_K" and "sampled". A natural step mixes the logits with Q / tau: an exact
        one with a share of 1 is soft policy iteration; in a sampled one no logit moves by more than 1, as rare actions
        have noisy values. Steps of the plain policy gradient, as in the paper, are slow where a policy is almost
        deterministic.
    inner_steps : int >= 1
        K.
    inner_step : float > 0, optional
        Share of a natural step, at most 1 and 1 when omitted; length a_l of a policy gradient step, without default.
    batch : int >= 2
        B in mode "sampled": trajectories of each policy step and of each gradient, or pairs of them for preferences.
    tikhonov : float > 0
        lambda of the sampled Hessian.
    truncation : float in (0, 1)
        Weight of the discounted rest that sampled trajectories leave out, see `trajectory_length`.
    tolerance : float >= 0
        A gradient no longer than this ends the run.

    Raises
    ------
    ValueError
        For numbers out of range, and a policy gradient without a step.

    Examples
    --------
    >>> from simulators.mdp import TaxBandit
    >>> market = TaxBandit([1.0, 0.0], temperature=0.5)
    >>> run = PARL(1.0).run(market, horizon=20)
    >>> run.outcome["status"], [round(float(run.metrics["utility"][t]), 3) for t in (0, 19)]
    ('max_iter', [0.5, 0.994])
    """

    step: Positive
    mode: Literal["exact", "exact_K", "sampled"] = "exact"
    gradient: DesignMethod = Field(default="closed_form", kw_only=True)
    inner: Literal["natural", "policy_gradient"] = Field(default="natural", kw_only=True)
    inner_steps: Annotated[Count, Field(kw_only=True)] = 10
    inner_step: Annotated[Positive | None, Field(kw_only=True)] = None
    batch: Annotated[Count, Field(ge=2, kw_only=True)] = 1000
    tikhonov: Annotated[Positive, Field(kw_only=True)] = 1e-3
    truncation: Annotated[float, Field(gt=0.0, lt=1.0, kw_only=True)] = 1e-4
    tolerance: Annotated[NonNegative, Field(kw_only=True)] = 1e-10

    @model_validator(mode="after")
    def _fits(self) -> PARL:
        if self.mode != "exact" and self.gradient not in ("closed_form", "theta_space"):
            raise ValueError(f"gradient = {self.gradient!r}: mode {self.mode!r} works in theta space")
        if self.mode != "exact" and self.inner == "policy_gradient" and self.inner_step is None:
            raise ValueError("inner_step is missing: the length of a policy gradient step")
        if self.inner == "natural" and self._inner_step > 1.0:
            raise ValueError(f"inner_step = {self.inner_step!r}: the share of a natural step is at most 1")
        return self

    @property
    def _inner_step(self) -> float:
        return 1.0 if self.inner_step is None else self.inner_step

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
        """Take T steps of the designer.

        Parameters
        ----------
        problem : DesignProblem
            Any object as `algos.soft_control.DesignProblem` says.
        horizon : int >= 1
            T.
        rng : numpy.random.Generator, optional
            Draws trajectories and labels; needed by mode "sampled".
        world : numpy.random.Generator, optional
            Draws a problem that has ``sample``; `rng` does when omitted.
        start : float, shape (n,), optional
            nu_0; the problem's own when omitted.
        checkpoints : array of int in 1..horizon, optional
            At which metrics are measured; at most 200 logarithmically spaced ones when omitted.

        Returns
        -------
        Trajectory
            Metrics, before the step of each checkpoint and at the agent's optimal answer: ``gradient_norm`` (exact; NaN
            where it cannot be enumerated), ``upper`` (G), ``utility`` (U); so far: ``oracle_calls`` (transitions drawn)
            and ``policy_steps``. Outcome: ``nu``, ``theta`` and ``policy`` (the optimal answer to ``nu`` in mode
            "exact", else the agent's last), the exact ``gradient_norm``, ``upper`` and ``utility`` at ``nu``,
            ``transitions``, ``standard_error`` of the last gradient (NaN unless sampled), and ``status``: "converged",
            "max_iter", "singular_hessian" (a Hessian in theta was; the parameters before it stand) or "diverged" (the
            last finite parameters stand).
        """
        if self.mode == "sampled":
            check_generator(rng, type(self).__name__)
        own = realize(problem, rng if world is None else world)
        nu = start_of(own, start)
        if self.mode == "exact":
            estimate = self._exact(own)
            return descend_design(
                own, horizon, nu, self.step, self.tolerance, checkpoints, estimate, answers_optimally=True
            )
        if own.control.temperature == 0.0:
            raise ValueError("temperature = 0.0: must be above 0, or the agent's answer has no derivative")
        estimate = self._sampled(own, rng) if self.mode == "sampled" else self._exact_steps(own)
        return descend_design(own, horizon, nu, self.step, self.tolerance, checkpoints, estimate)

    def _exact(self, problem: DesignProblem) -> Any:
        def estimate(nu: NDArray[np.float64], _: NDArray[np.float64]) -> DesignStep:
            found = design_gradient(problem, nu, self.gradient)
            return DesignStep(found.gradient, found.log_policy, found.solves, 0)

        return estimate

    def _exact_steps(self, problem: DesignProblem) -> Any:
        def estimate(nu: NDArray[np.float64], logs: NDArray[np.float64]) -> DesignStep:
            reward = problem.reward(nu)
            for _ in range(self.inner_steps):
                if self.inner == "natural":
                    logs = _natural_step(problem.control, logs, reward, self._inner_step)
                else:
                    logs = log_softmax(logs + self._inner_step * policy_gradient(problem.control, logs, reward))
            cost = problem.cost(nu, np.exp(logs))
            return DesignStep(theta_space_gradient(problem, nu, logs, cost), logs, self.inner_steps, 0)

        return estimate

    def _sampled(self, problem: DesignProblem, rng: Any) -> Any:
        length = trajectory_length(problem.control, self.truncation)

        def estimate(nu: NDArray[np.float64], logs: NDArray[np.float64]) -> DesignStep:
            for _ in range(self.inner_steps):
                if self.inner == "natural":
                    rise = sampled_advantages(problem, nu, logs, self.batch, length, rng) / problem.control.temperature
                    logs = log_softmax(logs + np.clip(self._inner_step * rise, -1.0, 1.0))
                else:
                    ascent = sampled_policy_gradient(problem, nu, logs, self.batch, length, rng)
                    logs = log_softmax(logs + self._inner_step * ascent)
            found = sampled_design_gradient(problem, nu, logs, self.batch, rng, tikhonov=self.tikhonov, length=length)
            drawn = found.transitions + self.inner_steps * self.batch * length
            return DesignStep(found.gradient, logs, self.inner_steps, drawn, found.standard_error)

        return estimate


def _natural_step(
    control: SoftControl, logs: NDArray[np.float64], reward: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """A natural policy gradient step of length share (1 - gamma) / tau (Cen et al. 2021)."""
    _, actions = control.evaluate(np.exp(logs), control.layered(reward) - control.temperature * logs)
    q = actions / control.temperature + logs
    return log_softmax((1.0 - share) * logs + share * q)
