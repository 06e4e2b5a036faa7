"""Methods of implicit and unrolled differentiation: AID, ITD, stocBiO, AmIGO, TTSA, SOBA and SABA.

Sources: K. Ji, J. Yang, Y. Liang, ICML 2021 (stocBiO; AID and ITD as there); M. Arbel, J. Mairal, ICLR 2022 (AmIGO);
M. Hong, H. Wai, Z. Wang, Z. Yang, SIAM J. Optim. 2023 (TTSA); M. Dagreou, P. Ablin, S. Vaiter, T. Moreau, NeurIPS 2022
(SOBA, SABA). Structures from published code, as the project's specification states them. All need products with
second derivatives, and are for lower levels with one solution, in the interior of Y.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import Count, description
from optimization.bilevel.implicit_loops import implicit_loop, saba_loop, unrolled_loop
from optimization.bilevel.method import BilevelMethod
from optimization.bilevel.oracles import Oracles
from optimization.bilevel.runs import Positive, State, new_state
from optimization.bilevel.schedules import Counts, CountSchedule, PowerLaw, Schedule

__all__ = ["AID", "ITD", "SABA", "SOBA", "TTSA", "AmIGO", "StocBiO"]


@description
class _Implicit(BilevelMethod):
    """T steps of y and some turns for v."""

    alpha: Schedule = PowerLaw(0.1)
    step: Schedule = PowerLaw(0.5)
    inner_steps: CountSchedule = Counts(10.0)
    turns: Count = 10

    _rule: ClassVar[int] = 0

    def prepare(self, oracles: Oracles, problem: Any) -> None:
        """Refuse a problem without second derivatives."""
        oracles.second_order(type(self).__name__)

    def state(self, oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64]) -> State:
        """y at y0, v at 0."""  # noqa: D403
        return new_state(x, [y, np.zeros_like(y)], np.zeros((1, 1)))

    def loop(self) -> Callable[..., Any]:
        """`implicit_loop`."""
        return implicit_loop

    def schedules(self, constants: None, first: int, last: int) -> tuple[NDArray[Any], ...]:
        """See `implicit_loop`."""
        step = self.step.values(first, last)
        return (
            self.alpha.values(first, last), step, self.inner_steps.values(first, last),
            np.full(step.size, self.turns), self._scale(first, last), np.full(step.size, self._kind()),
        )  # fmt: skip

    def _scale(self, first: int, last: int) -> NDArray[np.float64]:
        return self.step.values(first, last)

    def _kind(self) -> int:
        return self._rule


@description
class AID(_Implicit):
    """Approximate implicit differentiation: g_yy v = grad_y f by conjugate gradients, the Neumann series or iteration.

    Parameters
    ----------
    alpha : float > 0 or PowerLaw
        Upper steps.
    step : float > 0 or PowerLaw
        Lower steps, at most 1 / l_g1, also of the series.
    inner_steps : int >= 1 or Counts
        T.
    turns : int >= 1
        Products with g_yy at most.
    solver : {"cg", "neumann", "fixed_point"}
        Conjugate gradients and the iteration start from the last v.
    linear_tolerance : float >= 0
        Conjugate gradients end when the residual is that much of |grad_y f|. A direction without positive curvature
        ends the run as "indefinite_lower_hessian".

    Examples
    --------
    >>> from simulators import random_quadratic
    >>> problem = random_quadratic(3, 5, np.random.default_rng(0))
    >>> run = AID(alpha=0.02, step=0.7, inner_steps=50).run(problem, 2000, np.random.default_rng(1))
    >>> bool(run.metrics["gradient_norm"][-1] < 1e-3)
    True
    """

    solver: Annotated[Literal["cg", "neumann", "fixed_point"], Field(kw_only=True)] = "cg"
    linear_tolerance: Annotated[float, Field(ge=0.0, lt=1.0, kw_only=True)] = 0.0

    def _scale(self, first: int, last: int) -> NDArray[np.float64]:
        return np.full(last - first, self.linear_tolerance) if self.solver == "cg" else self.step.values(first, last)

    def _kind(self) -> int:
        return {"cg": 0, "neumann": 1, "fixed_point": 3}[self.solver]


@description
class StocBiO(_Implicit):
    """stocBiO: T sampled steps of y, and the Neumann series with a fresh sample a factor.

    Parameters
    ----------
    alpha, step : float > 0 or PowerLaw
        Upper and lower steps; the series is scaled by the latter.
    inner_steps : int >= 1 or Counts
    turns : int >= 1
        Q, terms after the first.
    sampled : bool
    """

    sampled: Annotated[bool, Field(kw_only=True)] = True

    _rule: ClassVar[int] = 1


@description
class AmIGO(_Implicit):
    """AmIGO: T sampled steps of y, and as many turns of v, from where they were.

    Parameters
    ----------
    alpha, step : float > 0 or PowerLaw
    inner_steps : int >= 1 or Counts
    turns : int >= 1
    sampled : bool
    """

    sampled: Annotated[bool, Field(kw_only=True)] = True

    _rule: ClassVar[int] = 3


@description
class TTSA(_Implicit):
    """TTSA: one step of y, larger than that of x, and one term of the Neumann series at random, times their number.

    Parameters
    ----------
    alpha, step : float > 0 or PowerLaw
        Upper steps fall like k^{-3/5}, lower ones like k^{-2/5}.
    turns : int >= 1
        Q: the length is uniform in 0..Q - 1.
    scale : float > 0
        eta of the series, at most 1 / l_g1.
    sampled : bool
    """

    alpha: Schedule = PowerLaw(0.1, -0.6, 1.0)
    step: Schedule = PowerLaw(0.5, -0.4, 1.0)
    inner_steps: Annotated[CountSchedule, Field(kw_only=True)] = Counts(1.0)
    scale: Annotated[Positive, Field(kw_only=True)] = 0.5
    sampled: Annotated[bool, Field(kw_only=True)] = True

    _rule: ClassVar[int] = 2

    def _scale(self, first: int, last: int) -> NDArray[np.float64]:
        return np.full(last - first, self.scale)


@description
class SOBA(_Implicit):
    """SOBA: one step of y, of v and of x at once.

    Parameters
    ----------
    alpha, step : float > 0 or PowerLaw
        Steps of x, and of y and v; both fall like k^{-1/2} with samples.
    sampled : bool
    """

    alpha: Schedule = PowerLaw(0.1, -0.5, 1.0)
    step: Schedule = PowerLaw(0.5, -0.5, 1.0)
    inner_steps: Annotated[CountSchedule, Field(kw_only=True)] = Counts(1.0)
    turns: Annotated[Count, Field(kw_only=True)] = 1
    sampled: Annotated[bool, Field(kw_only=True)] = True

    _rule: ClassVar[int] = 4


@description
class SABA(BilevelMethod):
    """SABA: SOBA's steps, constant, with variance-reduced estimators over a finite sum.

    Parameters
    ----------
    alpha, step : float > 0 or PowerLaw
        Steps of x, and of y and v.

    Notes
    -----
    Memory n (3 dy + 2 dx). The problem has ``n_records``.
    """

    alpha: Schedule = PowerLaw(0.02)
    step: Schedule = PowerLaw(0.1)

    def prepare(self, oracles: Oracles, problem: Any) -> None:
        """Refuse what is no finite sum."""
        oracles.second_order("SABA")
        if oracles.n_records < 1:
            raise ValueError("problem: has no n_records; SABA keeps a row for every record of a finite sum")

    def state(self, oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64]) -> State:
        """y at y0, v at 0, nothing known of any record."""  # noqa: D403
        return new_state(x, [y, np.zeros_like(y)], np.zeros((oracles.n_records + 1, 3 * y.size + 2 * x.size)))

    def loop(self) -> Callable[..., Any]:
        """`saba_loop`."""
        return saba_loop

    def schedules(self, constants: None, first: int, last: int) -> tuple[NDArray[Any], ...]:
        """See `saba_loop`."""
        return self.alpha.values(first, last), self.step.values(first, last)


@description
class ITD(BilevelMethod):
    """Iterative differentiation: T steps of y, differentiated in reverse.

    Parameters
    ----------
    alpha : float > 0 or PowerLaw
        Upper steps.
    step : float > 0 or PowerLaw
        Lower steps, at most 1 / l_g1.
    inner_steps : int >= 1 or Counts
        T. Each starts where the last ended, which is taken for a constant.
    sampled : bool
    """

    alpha: Schedule = PowerLaw(0.1)
    step: Schedule = PowerLaw(0.5)
    inner_steps: CountSchedule = Counts(20.0)
    sampled: Annotated[bool, Field(kw_only=True)] = False

    def prepare(self, oracles: Oracles, problem: Any) -> None:
        """Refuse a problem without second derivatives."""
        oracles.second_order("ITD")

    def state(self, oracles: Oracles, x: NDArray[np.float64], y: NDArray[np.float64]) -> State:
        """y at y0."""  # noqa: D403
        return new_state(x, [y], np.zeros((1, 1)))

    def loop(self) -> Callable[..., Any]:
        """`unrolled_loop`."""
        return unrolled_loop

    def schedules(self, constants: None, first: int, last: int) -> tuple[NDArray[Any], ...]:
        """See `unrolled_loop`."""
        return self.alpha.values(first, last), self.step.values(first, last), self.inner_steps.values(first, last)
