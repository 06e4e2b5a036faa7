"""Sequences of systems inside nonlinear solvers: Levenberg and Marquardt's method, and mean curvature flow.

Sources: J. J. More, "The Levenberg-Marquardt algorithm: implementation and theory", 1978; K. Deckelnick, G. Dziuk,
"Error estimates for a semi-implicit fully discrete finite element scheme for the mean curvature flow of graphs", 2000.
arXiv:2310.02246 names both as uses; the problems here are ours.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import Count, check_generator, description
from algos.linear_solvers import LinearSystem, Stencil
from simulators.linear_systems.matrices import edge_laplacian

__all__ = ["MeanCurvature", "NewtonLM"]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


@description
class NewtonLM:
    """The systems (J^T J + lambda I) step = -J^T r of Levenberg and Marquardt's method, one problem after the other.

    A problem is to find u on a grid of m x m with (4 u_i minus its neighbours) + strength u_i^3 = f_i, with normal f.
    The context is log10 lambda. lambda falls to a third where a step makes the residual smaller, and doubles where not.
    When the gradient is a millionth of that at the start, or after 50 steps, a new problem is drawn.

    Parameters
    ----------
    m : int >= 1
        Points in each dimension; n = m^2.
    strength : float >= 0
        Of the nonlinear term.
    damping : float > 0
        lambda at the start.
    """

    m: Count = 10
    strength: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 1.0
    damping: Positive = 1.0

    def start(self, rng: np.random.Generator) -> _NewtonRun:
        """Begin anew, drawing from `rng` only."""
        return _NewtonRun(self, check_generator(rng, "NewtonLM"))


class _NewtonRun:
    """Levenberg and Marquardt's method under way."""

    def __init__(self, given: NewtonLM, rng: np.random.Generator) -> None:
        self._given, self._rng = given, rng
        self._laplacian = Stencil((given.m, given.m)).tocsr()
        self._u: NDArray[np.float64]
        self._damping: float
        self._steps: int
        self._slope_at_start: float
        self._draw()

    def next(self) -> LinearSystem:
        """The system at hand."""
        from scipy import sparse

        jacobian = self._laplacian + sparse.diags(3 * self._given.strength * self._u**2)
        n = self._u.size
        matrix = sparse.csr_matrix(jacobian.T @ jacobian + self._damping * sparse.identity(n))
        return LinearSystem(matrix, -(jacobian.T @ self._residual(self._u)), math.log10(self._damping))

    def advance(self, x: NDArray[np.float64]) -> None:
        """Take the step, or refuse it."""
        tried = self._u + np.asarray(x, dtype=np.float64)
        self._steps += 1
        if np.linalg.norm(self._residual(tried)) < np.linalg.norm(self._residual(self._u)):
            self._u, self._damping = tried, max(self._damping / 3, 1e-12)
        else:
            self._damping = min(2 * self._damping, 1e12)
        if self._slope() <= 1e-6 * self._slope_at_start or self._steps >= 50:
            self._draw()

    def _draw(self) -> None:
        self._f = self._rng.standard_normal(self._given.m**2)
        self._u, self._damping, self._steps = np.zeros(self._given.m**2), self._given.damping, 0
        self._slope_at_start = self._slope()

    def _residual(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self._laplacian @ u + self._given.strength * u**3 - self._f)

    def _slope(self) -> float:
        r = self._residual(self._u)
        return float(np.linalg.norm(self._laplacian.T @ r + 3 * self._given.strength * self._u**2 * r))


@description
class MeanCurvature:
    """Mean curvature flow of a graph u over the unit square, u = 0 on the boundary, semi-implicit in time.

    A step solves u_new / Q - dt div(grad u_new / Q) = u / Q with Q = sqrt(1 + |grad u|^2) of the state before it: a
    5-point matrix of the same pattern in all steps, whose values are written over. The context is ln max Q. The flow
    begins with a random sum of waves, and anew when it is flat: max |u| below a thousandth of that at the start.

    Parameters
    ----------
    m : int >= 2
        Inner points in each dimension; n = m^2.
    dt : float > 0
        Time step.
    height : float > 0
        max |u| at the start.
    """

    m: Annotated[Count, Field(ge=2)] = 20
    dt: Positive = 1e-3
    height: Positive = 1.0

    def start(self, rng: np.random.Generator) -> _CurvatureRun:
        """Begin anew, drawing from `rng` only."""
        return _CurvatureRun(self, check_generator(rng, "MeanCurvature"))


class _CurvatureRun:
    """Mean curvature flow under way."""

    def __init__(self, given: MeanCurvature, rng: np.random.Generator) -> None:
        self._given, self._rng = given, rng
        self._matrix: Any = None
        self._u: NDArray[np.float64]
        self._draw()

    def next(self) -> LinearSystem:
        """The system at hand."""
        m, h = self._given.m, 1 / (self._given.m + 1)
        u = np.zeros((m + 2, m + 2))
        u[1:-1, 1:-1] = self._u
        padded = np.pad(u, 1, mode="reflect", reflect_type="odd")
        slope_x = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / (2 * h)
        slope_y = (padded[1:-1, 2:] - padded[1:-1, :-2]) / (2 * h)
        q = np.sqrt(1 + slope_x**2 + slope_y**2)
        weight = self._given.dt / h**2
        fresh = edge_laplacian(weight * 2 / (q[1:] + q[:-1]), weight * 2 / (q[:, 1:] + q[:, :-1]))
        inner = 1 / q[1:-1, 1:-1].ravel()
        fresh.setdiag(fresh.diagonal() + inner)
        if self._matrix is None:
            self._matrix = fresh
        else:
            self._matrix.data[:] = fresh.data
        return LinearSystem(self._matrix, inner * self._u.ravel(), math.log(float(q.max())), self._u.ravel().copy())

    def advance(self, x: NDArray[np.float64]) -> None:
        """Take the state after the step."""
        self._u = np.array(x, dtype=np.float64).reshape(self._u.shape)
        if np.abs(self._u).max() < 1e-3 * self._given.height:
            self._draw()

    def _draw(self) -> None:
        m = self._given.m
        line = np.pi * np.arange(1, m + 1) / (m + 1)
        waves = np.sin(np.outer(line, np.arange(1, 5)))
        u = waves @ self._rng.standard_normal((4, 4)) @ waves.T
        self._u = u * (self._given.height / np.abs(u).max())
