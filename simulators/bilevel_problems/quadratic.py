"""Quadratic bilevel problems, where everything is a linear solve.

For each x the lower level is (1/2) y'Ay + (C'x + a)'y and the upper (1/2) y'Fy + (K'x + f0)'y plus a function of x:

    y_s = y* + s d,   y* = -A^{-1} (C'x + a),   d = -(A + s F)^{-1} grad_y f(x, y*),

and psi_s = f(x, y_s) + (s / 2) d'Ad, with no difference of close numbers at any s. Source: derived.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from pydantic import model_validator

from algos.arrays import FiniteMatrix, FiniteVector
from algos.bilevel_oracles import BilevelConstants, BilevelKernels
from algos.contracts import check_generator, description, whole_number
from algos.kernels import hold
from simulators.bilevel_problems.compiled import CompiledProblem, Vector, penalty, project_nowhere

__all__ = [
    "QuadraticBilevel",
    "add_rows",
    "project_quadratic_upper",
    "quadratic_cross_product",
    "quadratic_hessian_product",
    "quadratic_kernels",
    "quadratic_lower",
    "quadratic_lower_with_x",
    "quadratic_upper",
    "random_quadratic",
    "symmetric_part",
]


class _Quadratic(NamedTuple):
    """Few arrays: a kernel called once a step pays for a reference to each."""

    wide: np.ndarray  # (4 + 2 dy + 2 dx, dy) float64: a, f0, the box of y, A, F, C and K
    tall: np.ndarray  # (4 + 2 dx + 2 dy, dx): g0, h0, the box of x, G, H, C' and K'
    kept: np.ndarray  # (4, max(dx, dy)), scratch: x and K'x + f0 of the last upper gradient, x and C'x + a of the lower


@description
class QuadraticBilevel(CompiledProblem):
    """f = y'Fy / 2 + x'Hx / 2 + x'Ky + f0'y + h0'x over g = y'Ay / 2 + x'Cy + a'y, X and Y whole spaces.

    Parameters
    ----------
    A : float, shape (dy, dy)
        Symmetric and positive definite.
    C : float, shape (dx, dy)
    a : float, shape (dy,)
    F : float, shape (dy, dy)
        Symmetric.
    H : float, shape (dx, dx)
        Symmetric.
    K : float, shape (dx, dy)
    f0 : float, shape (dy,)
    h0 : float, shape (dx,)

    Raises
    ------
    ValueError
        When shapes do not fit, a matrix is not symmetric or A is not positive definite.

    Examples
    --------
    >>> one = QuadraticBilevel([[2.0]], [[-2.0]], [0.0], [[1.0]], [[0.0]], [[0.0]], [-1.0], [0.0])
    >>> one.lower_solution([3.0]).tolist(), one.value([3.0]), one.value_gradient([3.0]).tolist()
    ([3.0], 1.5, [2.0])
    """

    A: FiniteMatrix
    C: FiniteMatrix
    a: FiniteVector
    F: FiniteMatrix
    H: FiniteMatrix
    K: FiniteMatrix
    f0: FiniteVector
    h0: FiniteVector

    @model_validator(mode="after")
    def _fits(self) -> QuadraticBilevel:
        dx, dy = self.C.shape
        shapes = {"A": (dy, dy), "a": (dy,), "F": (dy, dy), "H": (dx, dx), "K": (dx, dy), "f0": (dy,), "h0": (dx,)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name}: shape {getattr(self, name).shape} is not {shape}, as C of {(dx, dy)} asks")
        for name in ("A", "F", "H"):
            matrix = getattr(self, name)
            if np.abs(matrix - matrix.T).max() > 1e-12 * np.abs(matrix).max():
                raise ValueError(f"{name}: is not symmetric")
        least = float(np.linalg.eigvalsh(self.A)[0])
        if least <= 0.0:
            raise ValueError(f"A: the least eigenvalue, {least:g}, is not above 0")
        return self

    @property
    def upper_dimension(self) -> int:
        """Length of x, dx."""
        return int(self.C.shape[0])

    @property
    def lower_dimension(self) -> int:
        """Length of y, dy."""
        return int(self.C.shape[1])

    @cached_property
    def constants(self) -> BilevelConstants:
        """Exact: eigenvalues of the joint Hessians, and of A."""
        lower = np.block([[np.zeros_like(self.H), self.C], [self.C.T, self.A]])
        upper = np.block([[self.H, self.K], [self.K.T, self.F]])
        return BilevelConstants(
            upper_smoothness=float(np.linalg.norm(upper, 2)),
            lower_smoothness=float(np.linalg.norm(lower, 2)),
            lower_hessian_lipschitz=0.0,
            strong_convexity=float(np.linalg.eigvalsh(self.A)[0]),
            weak_convexity=0.0,
        )

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results; they keep C'x and K'x while x stays the same."""
        shared = self._stacked
        kept = np.full_like(shared.data.kept, np.nan)  # scratch of this call alone
        return shared._replace(data=shared.data._replace(kept=kept))

    @cached_property
    def _stacked(self) -> BilevelKernels:
        return quadratic_kernels(self.A, self.C, self.a, self.F, self.H, self.K, self.f0, self.h0)

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        x, y = self._x(x), self._y(y)
        return float(y @ self.F @ y / 2 + x @ self.H @ x / 2 + x @ self.K @ y + self.f0 @ y + self.h0 @ x)

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        x, y = self._x(x), self._y(y)
        return float(y @ self.A @ y / 2 + x @ self.C @ y + self.a @ y)

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s, by a Cholesky factor's worth of work.

        Parameters
        ----------
        x : float, shape (dx,)
        s : float >= 0

        Raises
        ------
        ValueError
            When A + s F is not positive definite: s f + g has no minimum.
        """
        solution, direction = self._path(x, s)
        return solution + float(s) * direction

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (dx,)."""
        x, y = self._x(x), self.lower_solution(x)
        slope = self.F @ y + self.K.T @ x + self.f0
        return self.H @ x + self.K @ y + self.h0 - self.C @ np.linalg.solve(self.A, slope)

    def penalty_value(self, x: ArrayLike, s: float) -> float:
        """psi_s(x), to rounding at any s > 0."""
        s = penalty(s)
        solution, direction = self._path(x, s)
        return self.upper(x, solution + s * direction) + s / 2 * float(direction @ self.A @ direction)

    def penalty_gradient(self, x: ArrayLike, s: float) -> Vector:
        """Gradient of psi_s, shape (dx,), to rounding at any s > 0."""
        x, s = self._x(x), penalty(s)
        solution, direction = self._path(x, s)
        return self.H @ x + self.K @ (solution + s * direction) + self.h0 + self.C @ direction

    def _path(self, x: ArrayLike, s: float) -> tuple[Any, Any]:
        """y* and d, with y_s = y* + s d."""
        x, s = self._x(x), penalty(s, zero=True)
        penalized = self.A + s * self.F
        if s > 0.0 and np.linalg.eigvalsh(penalized)[0] <= 0.0:
            raise ValueError(f"s: at {s:g} the Hessian of s f + g is not positive definite, there is no minimum")
        solution = -np.linalg.solve(self.A, self.C.T @ x + self.a)
        return solution, np.asarray(-np.linalg.solve(penalized, self.F @ solution + self.K.T @ x + self.f0))


def random_quadratic(
    upper_dimension: int,
    lower_dimension: int,
    rng: np.random.Generator,
    *,
    strong_convexity: float = 0.1,
    smoothness: float = 1.0,
    cross: float = 1.0,
) -> QuadraticBilevel:
    """A quadratic problem whose lower level has eigenvalues spaced evenly in the logarithm.

    Parameters
    ----------
    upper_dimension, lower_dimension : int >= 1
    rng : numpy.random.Generator
    strong_convexity, smoothness : float > 0
        Least and largest eigenvalue of A.
    cross : float >= 0
        Spectral norm of C.

    Examples
    --------
    >>> problem = random_quadratic(3, 5, np.random.default_rng(0))
    >>> round(problem.constants.strong_convexity, 12)
    0.1
    """
    dx, dy = whole_number(upper_dimension, "upper_dimension", 1), whole_number(lower_dimension, "lower_dimension", 1)
    source = check_generator(rng, "random_quadratic")
    if not 0.0 < strong_convexity <= smoothness < math.inf:
        raise ValueError(f"strong_convexity: {strong_convexity!r} is not in (0, smoothness = {smoothness!r}]")
    if not 0.0 <= cross < math.inf:
        raise ValueError(f"cross: {cross!r} is not a finite number >= 0")
    basis = np.linalg.qr(source.standard_normal((dy, dy)))[0]
    spectrum = np.geomspace(strong_convexity, smoothness, dy) if dy > 1 else np.array([smoothness])
    C, K = source.standard_normal((2, dx, dy))
    M, N = source.standard_normal((dy, dy)), source.standard_normal((dx, dx))
    return QuadraticBilevel(
        A=symmetric_part(basis * spectrum @ basis.T), C=cross * C / np.linalg.norm(C, 2), a=source.standard_normal(dy),
        F=symmetric_part(M @ M.T / dy), H=symmetric_part(N @ N.T / dx + 0.5 * np.eye(dx)),
        K=0.1 * K / np.linalg.norm(K, 2), f0=source.standard_normal(dy), h0=source.standard_normal(dx),
    )  # fmt: skip


def quadratic_kernels(
    A: Any, C: Any, a: Any, F: Any, H: Any, K: Any, f0: Any, h0: Any,
    *, G: Any = None, g0: Any = None, upper_box: Any = None, lower_box: Any = None,
) -> BilevelKernels:  # fmt: skip
    """Kernels of f = y'Fy / 2 + x'Hx / 2 + x'Ky + f0'y + h0'x over g = y'Ay / 2 + x'Cy + a'y + x'Gx / 2 + g0'x.

    Parameters
    ----------
    A, C, a, F, H, K, f0, h0, G, g0 : float
        Shapes as for `QuadraticBilevel`; G (dx, dx) and g0 (dx,) are zero when omitted.
    upper_box, lower_box : pair of float, shapes (dx,) or (dy,), optional
        X and Y; the whole space when omitted.
    """
    dx, dy = np.shape(C)
    G = np.zeros((dx, dx)) if G is None else G
    g0 = np.zeros(dx) if g0 is None else g0
    around_x, around_y = ((np.full(size, -np.inf), np.full(size, np.inf)) for size in (dx, dy))
    data = _Quadratic(
        np.vstack([a, f0, *(around_y if lower_box is None else lower_box), A, F, C, K]),
        np.vstack([g0, h0, *(around_x if upper_box is None else upper_box), G, H, np.transpose(C), np.transpose(K)]),
        np.full((4, max(dx, dy)), np.nan),
    )
    return BilevelKernels(
        data,
        quadratic_upper,
        quadratic_lower_with_x if np.any(G) or np.any(g0) else quadratic_lower,
        project_nowhere if upper_box is None else project_quadratic_upper,
        project_nowhere if lower_box is None else _project_lower,
        quadratic_hessian_product,
        quadratic_cross_product,
        skips_empty_outputs=True,
    )


def symmetric_part(matrix: np.ndarray) -> np.ndarray:
    """The matrix without what rounding makes unsymmetric."""
    return np.asarray((matrix + matrix.T) / 2)


@njit(cache=True, nogil=True, forceinline=True)
def add_rows(matrix, first, weights, out):
    """Add rows first, first + 1, ... of a matrix times the weights to out: what makes out += matrix' weights."""
    rows, columns = weights.size, out.size
    if columns > 32:  # four rows at a time: out is read and written a quarter as often
        fours = rows - rows % 4
        for k in range(0, fours, 4):
            i = first + k
            a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            for j in range(columns):
                out[j] += (a * matrix[i, j] + b * matrix[i + 1, j]) + (c * matrix[i + 2, j] + d * matrix[i + 3, j])
        for k in range(fours, rows):
            weight = weights[k]
            for j in range(columns):
                out[j] += weight * matrix[first + k, j]
    else:  # four columns at a time: no entry of out is read twice
        fours = columns - columns % 4
        for j in range(0, fours, 4):
            a, b, c, d = out[j], out[j + 1], out[j + 2], out[j + 3]
            for k in range(rows):
                weight = weights[k]
                a += weight * matrix[first + k, j]
                b += weight * matrix[first + k, j + 1]
                c += weight * matrix[first + k, j + 2]
                d += weight * matrix[first + k, j + 3]
            out[j], out[j + 1], out[j + 2], out[j + 3] = a, b, c, d
        for j in range(fours, columns):
            a = out[j]
            for k in range(rows):
                a += weights[k] * matrix[first + k, j]
            out[j] = a


@njit(cache=True, nogil=True, forceinline=True)
def _keep_affine(wide, constant, first, x, kept, row):
    """Two rows of kept: x, and x times rows of wide plus its row constant, made anew where x has moved."""
    same = True
    for i in range(x.size):
        if x[i] != kept[row, i]:
            same = False
    if not same:
        dy = wide.shape[1]
        for j in range(dy):
            kept[row + 1, j] = wide[constant, j]
        for i in range(x.size):
            kept[row, i] = x[i]
            for j in range(dy):
                kept[row + 1, j] += x[i] * wide[first + i, j]


@njit(cache=True, nogil=True, forceinline=True)
def quadratic_upper(data, x, y, sample, out_x, out_y):
    """Gradient of f."""
    wide, tall, kept = data.wide, data.tall, data.kept
    dx, dy = x.size, y.size
    if out_x.size:
        for i in range(dx):
            out_x[i] = tall[1, i]
        add_rows(tall, 4 + dx, x, out_x)
        add_rows(tall, 4 + 2 * dx + dy, y, out_x)
    if out_y.size:
        _keep_affine(wide, 1, 4 + 2 * dy + dx, x, kept, 0)
        for j in range(dy):
            out_y[j] = kept[1, j]
        add_rows(wide, 4 + dy, y, out_y)
    hold(wide, tall, kept, x, y, out_x, out_y)


@njit(cache=True, nogil=True, forceinline=True)
def quadratic_lower(data, x, y, sample, out_x, out_y):
    """Gradient of g, without x'Gx / 2: a branch more would cost the inner loop half its speed."""
    wide, tall, kept = data.wide, data.tall, data.kept
    dx, dy = x.size, y.size
    if out_x.size:
        for i in range(dx):
            out_x[i] = tall[0, i]
        add_rows(tall, 4 + 2 * dx, y, out_x)
    if out_y.size:
        _keep_affine(wide, 0, 4 + 2 * dy, x, kept, 2)
        for j in range(dy):
            out_y[j] = kept[3, j]
        add_rows(wide, 4, y, out_y)
    hold(wide, tall, kept, x, y, out_x, out_y)


@njit(cache=True, nogil=True, forceinline=True)
def quadratic_lower_with_x(data, x, y, sample, out_x, out_y):
    """Gradient of g."""
    tall = data.tall
    quadratic_lower(data, x, y, sample, out_x, out_y)
    if out_x.size:
        add_rows(tall, 4, x, out_x)
    hold(tall, x, y, out_x, out_y)


@njit(cache=True, nogil=True, forceinline=True)
def quadratic_hessian_product(data, x, y, v, sample, out_y):
    """The Hessian of g in y times v."""
    wide = data.wide
    for j in range(v.size):
        out_y[j] = 0.0
    add_rows(wide, 4, v, out_y)
    hold(wide, x, y, v, out_y)


@njit(cache=True, nogil=True, forceinline=True)
def quadratic_cross_product(data, x, y, v, sample, out_x):
    """The mixed second derivatives of g times v."""
    tall = data.tall
    for i in range(x.size):
        out_x[i] = 0.0
    add_rows(tall, 4 + 2 * x.size, v, out_x)
    hold(tall, x, y, v, out_x)


@njit(cache=True, nogil=True, forceinline=True)
def project_quadratic_upper(data, x):
    """The projection on the box of x."""
    tall = data.tall
    for i in range(x.size):
        x[i] = min(max(x[i], tall[2, i]), tall[3, i])
    hold(tall, x)


@njit(cache=True, nogil=True, forceinline=True)
def _project_lower(data, y):
    wide = data.wide
    for j in range(y.size):
        y[j] = min(max(y[j], wide[2, j]), wide[3, j])
    hold(wide, y)
