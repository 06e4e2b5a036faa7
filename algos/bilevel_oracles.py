"""Where bilevel problems and their solvers meet: gradients of both levels, as callbacks or as compiled kernels.

A problem is: minimise f(x, y) over x in X, where y minimises g(x, .) over Y. `BilevelProblem` is what any solver needs;
a problem that also has ``kernels()`` runs compiled, and gives the same results.

Source: J. Kwon, D. Kwon, S. Wright, R. Nowak, "On penalty methods for nonconvex bilevel optimization and first-order
stochastic approximation", ICLR 2024 (arXiv:2309.01753).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

__all__ = ["FIRST_RECORD", "WHOLE", "BilevelConstants", "BilevelKernels", "BilevelProblem"]

WHOLE = -1
"""The sample that stands for no sampling: the exact gradient, of all records and without noise."""

FIRST_RECORD = -2
"""The sample of record 0 of a finite sum that has ``n_records``; that of record i is -2 - i."""


class BilevelConstants(NamedTuple):
    """What is known of a problem; NaN where nothing is declared."""

    upper_lipschitz: float = math.nan  # l_f0, bounds the gradient of f in y
    upper_smoothness: float = math.nan  # l_f1, joint Lipschitz constant of the gradient of f
    lower_smoothness: float = math.nan  # l_g1, of the gradient of g
    lower_hessian_lipschitz: float = math.nan  # l_g2, of the Hessian of g
    strong_convexity: float = math.nan  # mu of g(x, .), 0 for a convex one
    weak_convexity: float = math.nan  # w of g(x, .), 0 for a convex one


class BilevelKernels(NamedTuple):
    """A problem as functions that Numba compiles into a solver's loop.

    Each takes ``data``, a tuple of arrays and numbers that the kernels alone understand, and writes its result in
    place, so that a loop allocates nothing. ``sample`` is an int64, `WHOLE` or the number of a draw: the same number
    gives the same noise and the same records at any point. ``data`` may hold scratch memory: a thread calls
    ``kernels()`` for itself.
    """

    data: Any
    upper_gradient: Callable[..., Any]  # (data, x, y, sample, out_x (dx,), out_y (dy,)): gradient of f
    lower_gradient: Callable[..., Any]  # (data, x, y, sample, out_x (dx,), out_y (dy,)): gradient of g
    project_upper: Callable[..., Any]  # (data, x): moves x to its projection on X
    project_lower: Callable[..., Any]  # (data, y): moves y to its projection on Y
    lower_hessian_product: Callable[..., Any] | None = None  # (data, x, y, v, sample, out_y): d^2 g / dy^2 times v
    lower_cross_product: Callable[..., Any] | None = None  # (data, x, y, v, sample, out_x): d^2 g / dx dy times v
    skips_empty_outputs: bool = False  # whether a gradient kernel leaves out the half whose output has size 0


class BilevelProblem(Protocol):
    """Gradients of both levels; any object of this shape can be solved.

    Beyond these, a problem may offer, and solvers and figures use where it does:
    ``project_upper(x)`` and ``project_lower(y)`` (no constraint when absent), ``constants`` (`BilevelConstants`),
    ``lower_hessian_product(x, y, v, sample)`` and ``lower_cross_product(x, y, v, sample)`` (second-order methods need
    them), ``start`` (x0, y0), ``lower_solution(x, s)`` (y_s, a minimiser of s f + g over Y; s = 0 gives the one of
    least f), ``value(x)`` and ``value_gradient(x)`` (psi and its gradient), ``penalty_value(x, s)`` and
    ``penalty_gradient(x, s)`` (psi_s and its gradient), ``kernels()`` (`BilevelKernels`) and
    ``n_records``, of a finite sum whose records can be asked for one by one: sample -2 - i is record i, and their
    mean is the whole.
    """

    @property
    def upper_dimension(self) -> int:
        """Length of x, dx."""
        ...

    @property
    def lower_dimension(self) -> int:
        """Length of y, dy."""
        ...

    def upper(self, x: Any, y: Any) -> float:
        """f."""  # noqa: D403
        ...

    def lower(self, x: Any, y: Any) -> float:
        """g."""  # noqa: D403
        ...

    def upper_gradient(self, x: Any, y: Any, sample: int = WHOLE) -> tuple[NDArray[Any], NDArray[Any]]:
        """Gradient of f in x, shape (dx,), and in y, shape (dy,)."""
        ...

    def lower_gradient(self, x: Any, y: Any, sample: int = WHOLE) -> tuple[NDArray[Any], NDArray[Any]]:
        """Gradient of g in x, shape (dx,), and in y, shape (dy,)."""
        ...
