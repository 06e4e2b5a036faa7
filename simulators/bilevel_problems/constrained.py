"""Constrained lower levels that are solved exactly: a projection on the simplex, and quadratic programs over a box.

Where the active set is strict and stays, the slope of psi is that of the free coordinates alone; where an active
coordinate has the multiplier 0, psi may have a kink, and NaN is given. Source: instances 5 and 6 of the project's
specification; closed forms are derived.
"""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from pydantic import model_validator

from algos.arrays import FiniteVector
from algos.bilevel_oracles import BilevelConstants, BilevelKernels
from algos.contracts import check_generator, description, whole_number
from algos.projections import project_simplex
from simulators.bilevel_problems.compiled import CompiledProblem, Vector, penalty, project_nowhere
from simulators.bilevel_problems.quadratic import QuadraticBilevel, quadratic_kernels, random_quadratic

__all__ = ["BoxQP", "SimplexProjection", "random_box_qp"]

_STRICT = 1e-10  # a multiplier below it, beside the slopes, counts as zero
_ENUMERATED = 4  # so many coordinates are tried free, low and high: 3^4 small systems


class _Simplex(NamedTuple):
    c: np.ndarray  # (d,) float64


@description
class SimplexProjection(CompiledProblem):
    """f = c'y + |y|^2 / 2 over g = |y - x|^2 / 2 on the probability simplex; X is the whole space.

    Parameters
    ----------
    c : float, shape (d,)
        d = dx = dy.

    Examples
    --------
    >>> problem = SimplexProjection([1.0, 0.0])
    >>> problem.lower_solution([0.5, 0.5]).tolist(), problem.lower_solution([0.5, 0.5], 0.25).round(12).tolist()
    ([0.5, 0.5], [0.4, 0.6])
    """

    c: FiniteVector

    @property
    def upper_dimension(self) -> int:
        """Length of x, dx."""
        return self.c.size

    @property
    def lower_dimension(self) -> int:
        """Length of y, dy."""
        return self.c.size

    @property
    def constants(self) -> BilevelConstants:
        """Exact: |c + y| is largest at a corner of the simplex."""
        corners = np.sqrt(self.c @ self.c + 2.0 * self.c + 1.0)
        return BilevelConstants(float(corners.max()), 1.0, 2.0, 0.0, 1.0, 0.0)

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results."""
        return BilevelKernels(
            _Simplex(self.c), _simplex_upper, _simplex_lower, project_nowhere, _project_on_simplex,
            _simplex_hessian_product, _simplex_cross_product, skips_empty_outputs=True,
        )  # fmt: skip

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        self._x(x)
        y = self._y(y)
        return float(self.c @ y + y @ y / 2)

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        return float(np.sum((self._y(y) - self._x(x)) ** 2)) / 2

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s, the projection of (x - s c) / (1 + s); s >= 0."""
        s = penalty(s, zero=True)
        return self.project_lower((self._x(x) - s * self.c) / (1.0 + s))

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (dx,): that of f, less its mean, on the support; NaN where an entry is 0 by a hair."""
        x, y = self._x(x), self.lower_solution(x)
        support = y > 0.0
        threshold = np.mean((x - y)[support])
        if np.any(np.abs((x - threshold)[~support]) <= _STRICT * (1.0 + abs(threshold))):
            return np.full(x.size, np.nan)
        slope = np.where(support, self.c + y, 0.0)
        return np.where(support, slope - slope[support].mean(), 0.0)


@description
class BoxQP(CompiledProblem):
    """The objectives of a `QuadraticBilevel`, with y in a box.

    Parameters
    ----------
    objectives : QuadraticBilevel
    low, high : float, shape (dy,)
        Sides of the box, low < high.

    Examples
    --------
    >>> free = QuadraticBilevel([[1.0]], [[-1.0]], [0.0], [[1.0]], [[0.0]], [[0.0]], [-2.0], [0.0])
    >>> problem = BoxQP(free, [0.0], [1.0])
    >>> [problem.lower_solution([x]).tolist() for x in (-1.0, 0.25, 3.0)]
    [[0.0], [0.25], [1.0]]
    """

    objectives: QuadraticBilevel
    low: FiniteVector
    high: FiniteVector

    @model_validator(mode="after")
    def _fits(self) -> BoxQP:
        dy = self.objectives.lower_dimension
        for name in ("low", "high"):
            if getattr(self, name).shape != (dy,):
                raise ValueError(f"{name}: shape {getattr(self, name).shape} is not {(dy,)}")
        empty = np.flatnonzero(self.low >= self.high)
        if empty.size:
            i = empty[0]
            raise ValueError(f"low: entry {i}, {self.low[i]:g}, is not below the entry of high, {self.high[i]:g}")
        return self

    @property
    def upper_dimension(self) -> int:
        """Length of x, dx."""
        return self.objectives.upper_dimension

    @property
    def lower_dimension(self) -> int:
        """Length of y, dy."""
        return self.objectives.lower_dimension

    @property
    def constants(self) -> BilevelConstants:
        """Those of the objectives; the gradient of f in y is bounded only at a given x (`upper_lipschitz_at`)."""
        return self.objectives.constants

    def upper_lipschitz_at(self, x: ArrayLike) -> float:
        """The largest |grad_y f(x, y)| over the box, at one of its 2^dy corners: a convex function of y."""
        one, x = self.objectives, self._x(x)
        corners = np.array(list(itertools.product(*zip(self.low, self.high, strict=True))))
        return float(np.linalg.norm(corners @ one.F + one.K.T @ x + one.f0, axis=1).max())

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results."""
        one = self.objectives
        return quadratic_kernels(
            one.A, one.C, one.a, one.F, one.H, one.K, one.f0, one.h0, lower_box=(self.low, self.high)
        )

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        return self.objectives.upper(x, y)

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        return self.objectives.lower(x, y)

    @cached_property
    def _patterns(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of every face of the box its free coordinates, and a point with the others at their sides."""
        sides = itertools.product(*((np.nan, low, high) for low, high in zip(self.low, self.high, strict=True)))
        return [(np.isnan(side), np.array(side)) for side in map(np.array, sides)]

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s, s >= 0: the best stationary point of all 3^dy faces up to dy = 4, an active-set method beyond.

        Raises
        ------
        ValueError
            When dy > 4 and A + s F is not positive definite: the minimum would not be certain.
        """
        one, x, s = self.objectives, self._x(x), penalty(s, zero=True)
        hessian, linear = one.A + s * one.F, (one.C + s * one.K).T @ x + one.a + s * one.f0
        if self.lower_dimension > _ENUMERATED:
            return self._active_set(hessian, linear, s)
        least, best = np.inf, self.low
        for free, at in self._patterns:
            y = np.where(free, 0.0, at)
            if free.any():
                block = hessian[np.ix_(free, free)]
                if np.linalg.eigvalsh(block)[0] <= 0.0:
                    continue  # no minimum inside this face that its own faces do not have
                y[free] = -np.linalg.solve(block, linear[free] + hessian[np.ix_(free, ~free)] @ y[~free])
                if np.any(y < self.low) or np.any(y > self.high):
                    continue
            value = float(y @ hessian @ y / 2 + linear @ y)
            if value < least:
                least, best = value, y
        return best.copy()

    def _active_set(self, hessian: np.ndarray, linear: np.ndarray, s: float) -> Vector:
        from scipy.optimize import lsq_linear

        if np.linalg.eigvalsh(hessian)[0] <= 0.0:
            raise ValueError(
                f"s: at {s:g} the Hessian of s f + g is not positive definite, and dy is above {_ENUMERATED}"
            )
        factor = np.linalg.cholesky(hessian)
        found = lsq_linear(factor.T, -np.linalg.solve(factor, linear), (self.low, self.high), method="bvls", tol=1e-15)
        y, free = found.x, found.active_mask == 0
        if free.any():  # the last digits, on the face that was found
            fixed = hessian[np.ix_(free, ~free)] @ y[~free]
            y[free] = -np.linalg.solve(hessian[np.ix_(free, free)], linear[free] + fixed)
        return np.clip(y, self.low, self.high)

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (dx,); NaN where a coordinate is at its side with the multiplier 0."""
        one, x, y = self.objectives, self._x(x), self.lower_solution(x)
        free = (y > self.low) & (y < self.high)
        slope = one.A @ y + one.C.T @ x + one.a
        if np.any(np.abs(slope[~free]) <= _STRICT * (1.0 + np.abs(slope).max())):
            return np.full(x.size, np.nan)
        upper_x, upper_y = self.upper_gradient(x, y)
        if not free.any():
            return upper_x
        return np.asarray(upper_x - one.C[:, free] @ np.linalg.solve(one.A[np.ix_(free, free)], upper_y[free]))


def random_box_qp(upper_dimension: int, lower_dimension: int, rng: np.random.Generator) -> BoxQP:
    """A random quadratic problem in a box with sides between 0.2 and 1.2 from the origin: some coordinates are at them.

    Parameters
    ----------
    upper_dimension, lower_dimension : int >= 1
    rng : numpy.random.Generator
    """
    dy, source = whole_number(lower_dimension, "lower_dimension", 1), check_generator(rng, "random_box_qp")
    objectives = random_quadratic(upper_dimension, dy, source, strong_convexity=0.5, smoothness=2.0)
    return BoxQP(objectives, -0.2 - source.random(dy), 0.2 + source.random(dy))


@njit(cache=True, nogil=True, forceinline=True)
def _simplex_upper(data, x, y, sample, out_x, out_y):
    for j in range(out_x.size):
        out_x[j] = 0.0
    for j in range(out_y.size):
        out_y[j] = data.c[j] + y[j]


@njit(cache=True, nogil=True, forceinline=True)
def _simplex_lower(data, x, y, sample, out_x, out_y):
    for j in range(out_x.size):
        out_x[j] = x[j] - y[j]
    for j in range(out_y.size):
        out_y[j] = y[j] - x[j]


@njit(nogil=True)
def _project_on_simplex(data, y):
    project_simplex(y, 1.0)


@njit(cache=True, nogil=True, forceinline=True)
def _simplex_hessian_product(data, x, y, v, sample, out_y):
    for j in range(v.size):
        out_y[j] = v[j]


@njit(cache=True, nogil=True, forceinline=True)
def _simplex_cross_product(data, x, y, v, sample, out_x):
    for j in range(v.size):
        out_x[j] = -v[j]
