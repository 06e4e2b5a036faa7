"""Penalty methods for constrained bilevel problems, whose lower level may have many solutions: Algorithms 1 and 2.

Source: J. Kwon, D. Kwon, S. Wright, R. Nowak, "On penalty methods for nonconvex bilevel optimization and first-order
stochastic approximation", ICLR 2024 (arXiv:2309.01753). Structure from secondary sources, constants and schedules
derived, as the project's specification states them; none of them is to be attributed to the authors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from algos.bilevel_oracles import BilevelConstants
from algos.contracts import description
from optimization.bilevel.inner_loops import double_loop, single_loop
from optimization.bilevel.method import BilevelMethod
from optimization.bilevel.oracles import Oracles, known_constants
from optimization.bilevel.runs import Positive, State, new_state
from optimization.bilevel.schedules import Counts, CountSchedule, PowerLaw, Schedule

__all__ = ["PenaltyDoubleLoop", "PenaltySingleLoop"]

Smoothing = Annotated[float, Field(gt=0.0)]  # inf: none
_THIRD = 1.0 / 3.0


@description
class PenaltyDoubleLoop(BilevelMethod):
    """Algorithm 1: inner loops for the proximal problems of s f + g and of g, then a step along the penalty's gradient.

    Parameters
    ----------
    sigma : float > 0 or PowerLaw
        The penalty s; psi_s is within O(s) of psi.
    alpha : float > 0 or PowerLaw, optional
        Upper steps. When omitted 1 / (2 L), L the smoothness of psi_s that declared constants prove, which shrinks
        like s; a constant is right for strongly convex lower levels.
    inner_steps : int >= 1 or Counts
        T.
    beta : float in (0, 1] or PowerLaw
        How far the proximal centres follow.
    rho : float > 0
        Of the proximal terms; inf for none, which convex lower levels do not need. Below 1 / w for a declared weak
        convexity w; at most 1 / (2 w) makes both inner problems strongly convex.
    gamma : float > 0, optional
        Inner step. When omitted, from declared constants: 1 / (L_h + 1 / rho), L_h = l_g1 + s l_f1; with samples
        min(1 / (2 (L_h + 1 / rho)), 2 / (m (t + 1))), m the strong convexity of the inner problem.
    inner_tolerance : "auto" or float > 0, optional
        Ends inner loops when both proximal residuals are no longer, T being the cap; "auto" is s accuracy m / (16 L_h).
    accuracy : float > 0
        Of "auto": the gradient norm aimed at.
    batch : int >= 1 or Counts
        M, samples of a direction.
    sampled : bool
        Whether gradients are of samples, drawn anew for every use.

    Examples
    --------
    >>> from simulators import random_quadratic
    >>> problem = random_quadratic(3, 5, np.random.default_rng(0))
    >>> method = PenaltyDoubleLoop(sigma=1e-4, alpha=0.02, inner_steps=100)
    >>> run = method.run(problem, horizon=2000, rng=np.random.default_rng(1))
    >>> run.outcome["gradient_norm_of"], bool(run.metrics["gradient_norm"][-1] < 0.1)
    ('psi', True)
    """

    sigma: Schedule = PowerLaw(1.0, -_THIRD, 2.0)
    alpha: Schedule | None = None
    inner_steps: CountSchedule = Counts(20.0)
    beta: Annotated[Schedule, Field(kw_only=True)] = PowerLaw(1.0)
    rho: Annotated[Smoothing, Field(kw_only=True)] = math.inf
    gamma: Annotated[Positive | None, Field(kw_only=True)] = None
    inner_tolerance: Annotated[Positive | Literal["auto"] | None, Field(kw_only=True)] = None
    accuracy: Annotated[Positive, Field(kw_only=True)] = 1e-3
    batch: Annotated[CountSchedule, Field(kw_only=True)] = Counts(1.0)
    sampled: Annotated[bool, Field(kw_only=True)] = False

    @model_validator(mode="after")
    def _fits(self) -> PenaltyDoubleLoop:
        if self.beta.exponent > 0.0 or self.beta.values(0, 1)[0] > 1.0:
            raise ValueError(f"beta = {self.beta!r}: must stay in (0, 1]")
        return self

    def prepare(self, oracles: Oracles, problem: Any) -> BilevelConstants:
        """Declared constants, checked for what this description needs of them."""
        known = known_constants(problem)
        _check_smoothing(self.rho, known)
        if self.gamma is None and not _smooth(known):
            raise ValueError("gamma: must be given, as the problem declares no smoothness of f and g")
        if self.alpha is None and not (_smooth(known) and known.strong_convexity > 0.0):
            raise ValueError("alpha: must be given, as the problem declares no smoothness and strong convexity")
        if self.inner_tolerance == "auto" and not (_smooth(known) and _inner_convexity(known, self.rho) > 0.0):
            raise ValueError("inner_tolerance: 'auto' needs declared smoothness, and strongly convex inner problems")
        return known

    def state(self, oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64]) -> State:
        """All four lower iterates at y0."""
        return new_state(x, [y, y, y, y], np.zeros((1, 1)))

    def loop(self) -> Callable[..., Any]:
        """`double_loop`."""
        return double_loop

    def schedules(self, constants: BilevelConstants, first: int, last: int) -> tuple[NDArray[Any], ...]:
        """See `double_loop`."""
        sigma = self.sigma.values(first, last)
        curvature = constants.lower_smoothness + sigma * constants.upper_smoothness
        pull = np.full(sigma.size, 0.0 if self.rho == math.inf else 1.0 / self.rho)
        convexity = _inner_convexity(constants, self.rho)
        decay = np.full(sigma.size, math.inf)
        if self.gamma is not None:
            steps = np.full(sigma.size, self.gamma)
        elif self.sampled:
            steps = 0.5 / (curvature + pull)
            if convexity > 0.0:
                decay = np.full(sigma.size, 2.0 / convexity)
        else:
            steps = 1.0 / (curvature + pull)
        if self.alpha is not None:
            alpha = self.alpha.values(first, last)
        else:
            half = 0.5 * constants.strong_convexity
            reach = curvature * (1.0 + curvature / half)
            alpha = sigma / (
                2.0 * (reach + constants.lower_smoothness * (1.0 + constants.lower_smoothness / (2 * half)))
            )
        limit = np.zeros(sigma.size)
        if self.inner_tolerance == "auto":
            limit = sigma * self.accuracy * convexity / (16.0 * curvature)
        elif self.inner_tolerance is not None:
            limit = np.full(sigma.size, self.inner_tolerance)
        return (
            alpha, self.beta.values(first, last), sigma, pull, self.inner_steps.values(first, last),
            self.batch.values(first, last), np.array([steps, steps]), np.array([decay, decay]), np.zeros(sigma.size),
            limit,
        )  # fmt: skip

    def penalty(self, constants: Any, k: int) -> float:
        """sigma_k."""
        return float(self.sigma.values(max(k, 0), max(k, 0) + 1)[0])


@description
class PenaltySingleLoop(BilevelMethod):
    """Algorithm 2: one step for each of the three unknowns, with recursive estimators (STORM) of all gradients.

    Parameters
    ----------
    sigma, alpha, gamma, beta : float > 0 or PowerLaw
        Penalty, upper steps, lower steps, how far the proximal centres follow (at most 1).
    eta : float in (0, 1] or PowerLaw
        Weight of the newest sample in the estimators, cut to 1; 1 is plain stochastic gradients. The first step's is 1.
    rho : float > 0
        Of the proximal terms; inf for none.
    sampled : bool
        Whether gradients are of samples. Each sample is asked for at two points.

    Notes
    -----
    The defaults are powers of k + 10, -1/5 for the penalty, -2/5 for lower steps, -3/5 for upper ones and -4/5 for the
    estimators, for a lower level whose smoothness is about 1.

    Examples
    --------
    >>> from simulators import Moreau
    >>> method = PenaltySingleLoop()
    >>> run = method.run(Moreau(), horizon=2000, rng=np.random.default_rng(1))
    >>> run.outcome["upper_gradients"]
    3999
    """

    sigma: Schedule = PowerLaw(1.0, -0.2, 10.0)
    alpha: Schedule = PowerLaw(0.5, -0.6, 10.0)
    gamma: Schedule = PowerLaw(0.5, -0.4, 10.0)
    beta: Schedule = PowerLaw(1.0, -0.4, 10.0)
    eta: Annotated[Schedule, Field(kw_only=True)] = PowerLaw(1.0, -0.8, 10.0)
    rho: Annotated[Smoothing, Field(kw_only=True)] = 1.0
    sampled: Annotated[bool, Field(kw_only=True)] = False

    @model_validator(mode="after")
    def _fits(self) -> PenaltySingleLoop:
        if self.beta.exponent > 0.0 or self.beta.values(0, 1)[0] > 1.0:
            raise ValueError(f"beta = {self.beta!r}: must stay in (0, 1]")
        if self.eta.exponent > 0.0:
            raise ValueError(f"eta = {self.eta!r}: must not grow")
        return self

    def prepare(self, oracles: Oracles, problem: Any) -> None:
        """Nothing but checks."""
        _check_smoothing(self.rho, known_constants(problem))

    def state(self, oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64]) -> State:
        """All four lower iterates at y0, no estimates yet."""
        return new_state(x, [y, y, y, y], np.zeros((5, x.size + y.size)))

    def loop(self) -> Callable[..., Any]:
        """`single_loop`."""
        return single_loop

    def schedules(self, constants: None, first: int, last: int) -> tuple[NDArray[Any], ...]:
        """See `single_loop`."""
        steps = self.gamma.values(first, last)
        pull = np.full(steps.size, 0.0 if self.rho == math.inf else 1.0 / self.rho)
        eta = np.minimum(1.0, self.eta.values(first, last))
        return (
            self.alpha.values(first, last), self.beta.values(first, last), self.sigma.values(first, last), pull,
            np.array([steps, steps]), eta,
        )  # fmt: skip

    def penalty(self, constants: Any, k: int) -> float:
        """sigma_k."""
        return float(self.sigma.values(max(k, 0), max(k, 0) + 1)[0])


def _smooth(known: BilevelConstants) -> bool:
    return known.upper_smoothness >= 0.0 and known.lower_smoothness > 0.0


def _inner_convexity(known: BilevelConstants, rho: float) -> float:
    """Of g(x, .) with its proximal term; 0 where none is known."""
    pull = 0.0 if rho == math.inf else 1.0 / rho
    if known.strong_convexity > 0.0:
        return known.strong_convexity + pull
    weak = known.weak_convexity if known.weak_convexity >= 0.0 else math.inf
    return max(0.0, pull - weak)


def _check_smoothing(rho: float, known: BilevelConstants) -> None:
    if known.weak_convexity > 0.0 and rho >= 1.0 / known.weak_convexity:
        raise ValueError(f"rho: {rho:g} is not below 1 / w = {1.0 / known.weak_convexity:g}, w the weak convexity")
