"""First-order rivals: F2SA, F3SA, F2BA, V-PBGD and BOME, on the interface of the penalty methods.

Sources: J. Kwon et al., ICML 2023 (arXiv:2301.10945; F2SA, F3SA); L. Chen, Y. Ma, J. Zhang, 2023 (F2BA); H. Shen,
T. Chen, ICML 2023 (V-PBGD); M. Ye et al., NeurIPS 2022 (BOME). Structures from published code, as the project's
specification states them; schedules as the papers' rates ask for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos.bilevel_oracles import BilevelConstants
from algos.contracts import description
from optimization.bilevel.inner_loops import double_loop, single_loop
from optimization.bilevel.joint_loops import joint_loop
from optimization.bilevel.method import BilevelMethod
from optimization.bilevel.oracles import Oracles, known_constants
from optimization.bilevel.runs import Positive, State, new_state
from optimization.bilevel.schedules import Counts, CountSchedule, PowerLaw, Schedule

__all__ = ["BOME", "F2BA", "F2SA", "F3SA", "VPBGD"]

_THIRD = 1.0 / 3.0


@description
class F2SA(BilevelMethod):
    """F2SA: T steps on g and on f + lambda g, then a step of x; lambda = gamma / (2 alpha) grows.

    Parameters
    ----------
    alpha : float > 0 or PowerLaw
        Step of y on f + lambda g; x moves by xi alpha. Powers of k: -1/3 without noise, -3/5 with a noisy f, -5/7 with
        both noisy.
    gamma : float > 0 or PowerLaw
        Step of z on g. Powers: 0, -2/5, -4/7.
    inner_steps : int >= 1 or Counts
        T.
    xi : float > 0
    sampled : bool
        As for `PenaltyDoubleLoop`.
    """

    alpha: Schedule = PowerLaw(0.1, -_THIRD, 1.0)
    gamma: Schedule = PowerLaw(0.5)
    inner_steps: CountSchedule = Counts(10.0)
    xi: Annotated[Positive, Field(kw_only=True)] = 1.0
    sampled: Annotated[bool, Field(kw_only=True)] = False

    def prepare(self, oracles: Oracles, problem: Any) -> None:
        """Nothing."""

    def state(self, oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64]) -> State:
        """Both lower iterates at y0."""
        return new_state(x, [y, y, y, y], np.zeros((1, 1)))

    def loop(self) -> Callable[..., Any]:
        """`double_loop` without proximal terms."""
        return double_loop

    def schedules(self, constants: None, first: int, last: int) -> tuple[NDArray[Any], ...]:
        """With sigma = 1 / lambda: y's step on sigma f + g is alpha lambda = gamma / 2."""
        alpha, gamma = self.alpha.values(first, last), self.gamma.values(first, last)
        none, one = np.zeros(alpha.size), np.ones(alpha.size)
        return (
            self.xi * alpha, one, 2.0 * alpha / gamma, none, self.inner_steps.values(first, last),
            np.ones(alpha.size, dtype=np.int64), np.array([gamma / 2.0, gamma]), np.full((2, alpha.size), math.inf),
            none, none,
        )  # fmt: skip

    def penalty(self, constants: Any, k: int) -> float:
        """1 / lambda_k."""
        at = max(k, 0)
        return float(2.0 * self.alpha.values(at, at + 1)[0] / self.gamma.values(at, at + 1)[0])


@description
class F3SA(BilevelMethod):
    """F3SA: F2SA with single inner steps and recursive estimators (STORM) of all gradients.

    Parameters
    ----------
    alpha, gamma : float > 0 or PowerLaw
        As for `F2SA`. Powers: -1/3 and 0 without noise, -1/2 and -1/4 with a noisy f, -3/5 and -2/5 with both noisy.
    eta : float in (0, 1] or PowerLaw
        Weight of the newest sample, twice gamma's power.
    xi : float > 0
    sampled : bool
    """

    alpha: Schedule = PowerLaw(0.25, -0.6, 10.0)
    gamma: Schedule = PowerLaw(0.5, -0.4, 10.0)
    eta: Annotated[Schedule, Field(kw_only=True)] = PowerLaw(1.0, -0.8, 10.0)
    xi: Annotated[Positive, Field(kw_only=True)] = 1.0
    sampled: Annotated[bool, Field(kw_only=True)] = False

    def prepare(self, oracles: Oracles, problem: Any) -> None:
        """Nothing."""

    def state(self, oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64]) -> State:
        """Both lower iterates at y0, no estimates yet."""
        return new_state(x, [y, y, y, y], np.zeros((5, x.size + y.size)))

    def loop(self) -> Callable[..., Any]:
        """`single_loop` without proximal terms."""
        return single_loop

    def schedules(self, constants: None, first: int, last: int) -> tuple[NDArray[Any], ...]:
        """With sigma = 1 / lambda, as for `F2SA`."""
        alpha, gamma = self.alpha.values(first, last), self.gamma.values(first, last)
        return (
            self.xi * alpha, np.ones(alpha.size), 2.0 * alpha / gamma, np.zeros(alpha.size),
            np.array([gamma / 2.0, gamma]), np.minimum(1.0, self.eta.values(first, last)),
        )  # fmt: skip

    def penalty(self, constants: Any, k: int) -> float:
        """1 / lambda_k."""
        at = max(k, 0)
        return float(2.0 * self.alpha.values(at, at + 1)[0] / self.gamma.values(at, at + 1)[0])


@description
class F2BA(BilevelMethod):
    """F2BA: both inner problems by T steps of (accelerated) gradient descent, a constant step in x.

    Parameters
    ----------
    sigma : float > 0 or PowerLaw
        1 / lambda.
    alpha : float > 0 or PowerLaw
        Upper steps: psi_s is as smooth as psi for strongly convex lower levels, whatever sigma.
    inner_steps : int >= 1 or Counts
    accelerated : bool
        Nesterov's momentum (sqrt(L) - sqrt(m)) / (sqrt(L) + sqrt(m)), of declared constants.
    gamma : float > 0, optional
        Inner step; 1 / (l_g1 + sigma l_f1) of declared constants when omitted.
    sampled : bool
    """

    sigma: Schedule = PowerLaw(1e-3)
    alpha: Schedule = PowerLaw(0.1)
    inner_steps: CountSchedule = Counts(20.0)
    accelerated: Annotated[bool, Field(kw_only=True)] = False
    gamma: Annotated[Positive | None, Field(kw_only=True)] = None
    sampled: Annotated[bool, Field(kw_only=True)] = False

    def prepare(self, oracles: Oracles, problem: Any) -> BilevelConstants:
        """Declared constants."""
        known = known_constants(problem)
        if self.gamma is None and not (known.lower_smoothness > 0.0 and known.upper_smoothness >= 0.0):
            raise ValueError("gamma: must be given, as the problem declares no smoothness of f and g")
        if self.accelerated and not (known.lower_smoothness > 0.0 and known.strong_convexity > 0.0):
            raise ValueError("accelerated: needs a declared smoothness and strong convexity of g")
        return known

    def state(self, oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64]) -> State:
        """Both lower iterates at y0."""
        return new_state(x, [y, y, y, y], np.zeros((1, 1)))

    def loop(self) -> Callable[..., Any]:
        """`double_loop` without proximal terms."""
        return double_loop

    def schedules(self, constants: BilevelConstants, first: int, last: int) -> tuple[NDArray[Any], ...]:
        """See `double_loop`."""
        sigma = self.sigma.values(first, last)
        curvature = constants.lower_smoothness + sigma * constants.upper_smoothness
        step = np.full(sigma.size, self.gamma) if self.gamma is not None else 1.0 / curvature
        none, ease = np.zeros(sigma.size), np.zeros(sigma.size)
        if self.accelerated:
            ratio = math.sqrt(constants.strong_convexity / constants.lower_smoothness)
            ease = np.full(sigma.size, (1.0 - ratio) / (1.0 + ratio))
        return (
            self.alpha.values(first, last), np.ones(sigma.size), sigma, none, self.inner_steps.values(first, last),
            np.ones(sigma.size, dtype=np.int64), np.array([step, step]), np.full((2, sigma.size), math.inf), ease, none,
        )  # fmt: skip

    def penalty(self, constants: Any, k: int) -> float:
        """sigma_k."""
        return float(self.sigma.values(max(k, 0), max(k, 0) + 1)[0])


@description
class VPBGD(BilevelMethod):
    """V-PBGD: T steps on g for z, kept; one projected step of (x, y) on f + (g(x, y) - g(x, z)) / sigma.

    Parameters
    ----------
    sigma : float > 0 or PowerLaw
        1 / gamma of the paper.
    alpha : float > 0 or PowerLaw
        Step of x and y together. It has to shrink like sigma, which makes large penalties slow.
    inner_steps : int >= 1 or Counts
    step : float > 0 or PowerLaw
        Of z.
    sampled : bool
    """

    sigma: Schedule = PowerLaw(0.1)
    alpha: Schedule = PowerLaw(0.01)
    inner_steps: CountSchedule = Counts(5.0)
    step: Schedule = PowerLaw(0.5)
    sampled: Annotated[bool, Field(kw_only=True)] = False

    def prepare(self, oracles: Oracles, problem: Any) -> None:
        """Nothing."""

    def state(self, oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64]) -> State:
        """y and z at y0."""  # noqa: D403
        return new_state(x, [y, y], np.zeros((1, 1)))

    def loop(self) -> Callable[..., Any]:
        """`joint_loop`."""
        return joint_loop

    def schedules(self, constants: None, first: int, last: int) -> tuple[NDArray[Any], ...]:
        """See `joint_loop`."""
        sigma = self.sigma.values(first, last)
        return (
            self.alpha.values(first, last), self.step.values(first, last), self.inner_steps.values(first, last),
            1.0 / sigma, np.zeros(sigma.size),
        )  # fmt: skip

    def penalty(self, constants: Any, k: int) -> float:
        """sigma_k."""
        return float(self.sigma.values(max(k, 0), max(k, 0) + 1)[0])


@description
class BOME(BilevelMethod):
    """BOME: T steps on g from y, then (x, y) along grad f + lam grad q with q = g(x, y) - g(x, z).

    lam = max(eta |grad q|^2 - <grad f, grad q>, 0) / |grad q|^2 makes q fall. A constant step leaves a bias.

    Parameters
    ----------
    alpha : float > 0 or PowerLaw
        Step of x and y.
    inner_steps : int >= 1 or Counts
    step : float > 0 or PowerLaw
        Of z.
    eta : float > 0
        How much of |grad q|^2 q has to fall by.
    sampled : bool
    """

    alpha: Schedule = PowerLaw(0.1, -0.5, 1.0)
    inner_steps: CountSchedule = Counts(10.0)
    step: Schedule = PowerLaw(0.5)
    eta: Annotated[Positive, Field(kw_only=True)] = 0.5
    sampled: Annotated[bool, Field(kw_only=True)] = False

    def prepare(self, oracles: Oracles, problem: Any) -> None:
        """Nothing."""

    def state(self, oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64]) -> State:
        """y and z at y0."""  # noqa: D403
        return new_state(x, [y, y], np.zeros((1, 1)))

    def loop(self) -> Callable[..., Any]:
        """`joint_loop` with the multiplier of its own."""
        return joint_loop

    def schedules(self, constants: None, first: int, last: int) -> tuple[NDArray[Any], ...]:
        """See `joint_loop`."""
        alpha = self.alpha.values(first, last)
        return (
            alpha, self.step.values(first, last), self.inner_steps.values(first, last), np.zeros(alpha.size),
            np.full(alpha.size, self.eta),
        )  # fmt: skip
