"""Lower level |y - x|^2 / 2 over the whole space: psi is phi itself and psi_s its Moreau envelope.

The hard function of the complexity experiment is here: its slope (1 + y)^{-q} fades so slowly that reaching a gradient
of eps takes eps^{-(q+1)/q} of travel. Source: derived (F11 and E2 of the project's specification).
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from algos.bilevel_oracles import BilevelConstants, BilevelKernels
from algos.contracts import Count, description
from simulators.bilevel_problems.compiled import CompiledProblem, Vector, penalty, project_nowhere

__all__ = ["Moreau"]

_QUADRATIC, _POWER, _HUBER = range(3)
_FUNCTIONS = ("quadratic", "power", "huber")


class _Data(NamedTuple):
    kind: int
    exponent: float


@description
class Moreau(CompiledProblem):
    """f(x, y) = sum of phi(y_j), g = |y - x|^2 / 2.

    Parameters
    ----------
    function : {"quadratic", "power", "huber"}
        phi. "quadratic": (y - 1)^2 / 2. "power": convex, of slope -(1 + y)^{-q} for y >= 0 and -1 + q y below, 0 at
        infinity. "huber": y^2 / 2 up to |y| = 1 and |y| - 1/2 beyond.
    exponent : float > 1
        q, of "power" alone.
    dimension : int >= 1
        dx = dy.

    Examples
    --------
    >>> problem = Moreau("quadratic")
    >>> problem.value([3.0]), problem.penalty_value([3.0], 1.0), problem.lower_solution([3.0], 1.0).tolist()
    (2.0, 1.0, [2.0])
    """

    function: Literal["quadratic", "power", "huber"] = "quadratic"
    exponent: Annotated[float, Field(gt=1.0, allow_inf_nan=False, kw_only=True)] = 1.25
    dimension: Annotated[Count, Field(kw_only=True)] = 1

    @model_validator(mode="after")
    def _needed(self) -> Moreau:
        if self.function != "power" and self.exponent != 1.25:
            raise ValueError(f"exponent: {self.exponent} is of no consequence for {self.function!r}")
        return self

    @property
    def upper_dimension(self) -> int:
        """Length of x, dx."""
        return self.dimension

    @property
    def lower_dimension(self) -> int:
        """Length of y, dy."""
        return self.dimension

    @property
    def constants(self) -> BilevelConstants:
        """Exact: 2 is the largest eigenvalue of g's joint Hessian."""
        return BilevelConstants(
            upper_lipschitz=math.sqrt(self.dimension) if self.function == "huber" else math.nan,
            upper_smoothness=self.exponent if self.function == "power" else 1.0,
            lower_smoothness=2.0,
            lower_hessian_lipschitz=0.0,
            strong_convexity=1.0,
            weak_convexity=0.0,
        )

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results."""
        data = _Data(_FUNCTIONS.index(self.function), self.exponent)
        return BilevelKernels(
            data, _upper, _lower, project_nowhere, project_nowhere, _hessian_product, _cross_product,
            skips_empty_outputs=True,
        )  # fmt: skip

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        self._x(x)
        return float(np.sum(self._phi(self._y(y))))

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        return float(np.sum((self._y(y) - self._x(x)) ** 2) / 2)

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """The proximal point of s phi, entry by entry; s >= 0."""
        x, s = self._x(x), penalty(s, zero=True)
        if self.function == "quadratic":
            return (x + s) / (1.0 + s)
        if self.function == "huber":
            return np.where(np.abs(x) <= 1.0 + s, x / (1.0 + s), x - s * np.sign(x))
        below = (x + s) / (1.0 + s * self.exponent)
        roots = [_power_prox(at, s, self.exponent) if at + s > 0.0 else low for at, low in zip(x, below, strict=True)]
        return np.array(roots)

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (dx,)."""
        return self._slope(self._x(x))

    def penalty_value(self, x: ArrayLike, s: float) -> float:
        """psi_s(x), to rounding at any s > 0."""
        x, s = self._x(x), penalty(s)
        y = self.lower_solution(x, s)
        return float(np.sum(self._phi(y) + s / 2 * self._slope(y) ** 2))  # y = x - s phi'(y)

    def penalty_gradient(self, x: ArrayLike, s: float) -> Vector:
        """Gradient of psi_s, shape (dx,): the slope of phi at the proximal point."""
        return self._slope(self.lower_solution(x, penalty(s)))

    def _phi(self, y: Vector) -> Vector:
        if self.function == "quadratic":
            return (y - 1.0) ** 2 / 2
        if self.function == "huber":
            return np.where(np.abs(y) <= 1.0, y**2 / 2, np.abs(y) - 0.5)
        q = self.exponent
        below = 1.0 / (q - 1.0) - y + q * y**2 / 2
        return np.where(y >= 0.0, (1.0 + np.maximum(y, 0.0)) ** (1.0 - q) / (q - 1.0), below)

    def _slope(self, y: Vector) -> Vector:
        return np.array([_phi_slope(_FUNCTIONS.index(self.function), self.exponent, float(at)) for at in y])


def _power_prox(x: float, s: float, q: float) -> float:
    """The root y > 0 of y - x - s (1 + y)^{-q}: Newton's method from the left of a concave increasing function."""
    y = max(x, 0.0)
    for _ in range(100):
        fade = (1.0 + y) ** -q
        after = y - (y - x - s * fade) / (1.0 + s * q * fade / (1.0 + y))
        if abs(after - y) <= 1e-16 * (1.0 + y):
            break
        y = after
    return after


@njit(cache=True, nogil=True, forceinline=True)
def _phi_slope(kind, q, y):
    if kind == _QUADRATIC:
        slope = y - 1.0
    elif kind == _HUBER:
        slope = min(max(y, -1.0), 1.0)
    elif y >= 0.0:
        slope = -((1.0 + y) ** -q)
    else:
        slope = -1.0 + q * y
    return slope


@njit(cache=True, nogil=True, forceinline=True)
def _upper(data, x, y, sample, out_x, out_y):
    for j in range(out_x.size):
        out_x[j] = 0.0
    for j in range(out_y.size):
        out_y[j] = _phi_slope(data.kind, data.exponent, y[j])


@njit(cache=True, nogil=True, forceinline=True)
def _lower(data, x, y, sample, out_x, out_y):
    for j in range(out_x.size):
        out_x[j] = x[j] - y[j]
    for j in range(out_y.size):
        out_y[j] = y[j] - x[j]


@njit(cache=True, nogil=True, forceinline=True)
def _hessian_product(data, x, y, v, sample, out_y):
    for j in range(v.size):
        out_y[j] = v[j]


@njit(cache=True, nogil=True, forceinline=True)
def _cross_product(data, x, y, v, sample, out_x):
    for j in range(v.size):
        out_x[j] = -v[j]
