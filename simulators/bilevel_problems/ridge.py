"""Ridge regression with a weight of regularisation a coefficient: quadratic in w, and exact at every s.

Source: instance 7 of the project's specification; see `simulators.bilevel_problems.regularization`.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from algos.arrays import FiniteMatrix, FiniteVector
from algos.bilevel_oracles import BilevelConstants, BilevelKernels
from algos.contracts import Count, description
from algos.counter_draws import whole_below
from algos.kernels import hold
from simulators.bilevel_problems.compiled import Vector, penalty, project_nowhere
from simulators.bilevel_problems.regularization import (
    LARGEST_EXPONENT,
    RegularizedFit,
    add_penalty,
    add_row,
    keep_weights,
    penalty_cross_product,
    project_exponents,
    row_product,
)

__all__ = ["RidgeHPO"]

_BLAS = 64  # a product with a matrix of more columns goes to BLAS


@description
class RidgeHPO(RegularizedFit):
    """Ridge regression with a weight of regularisation a coefficient.

    g = |X_t w - t_t|^2 / (2n) + (1/2) sum_j exp(x_j) w_j^2, f = |X_v w - t_v|^2 / (2m).

    Parameters
    ----------
    train_features : float, shape (n, d)
    train_targets : float, shape (n,)
    validation_features : float, shape (m, d)
    validation_targets : float, shape (m,)
    batch_size : int >= 1
        Records of a sample, drawn with replacement by the sample's number.

    Examples
    --------
    >>> problem = RidgeHPO([[1.0]], [1.0], [[1.0]], [0.25])
    >>> problem.lower_solution([0.0]).tolist(), problem.value_gradient([0.0]).tolist()
    ([0.5], [-0.0625])
    """

    train_features: FiniteMatrix
    train_targets: FiniteVector
    validation_features: FiniteMatrix
    validation_targets: FiniteVector
    batch_size: Annotated[Count, Field(kw_only=True)] = 1

    @model_validator(mode="after")
    def _fits(self) -> RidgeHPO:
        self.check_records()
        return self

    @property
    def constants(self) -> BilevelConstants:
        """Exact smoothness of f; strong convexity of g over all of X."""
        n, m = len(self.train_features), len(self.validation_features)
        gram = self.train_features.T @ self.train_features / n
        return BilevelConstants(
            upper_smoothness=float(np.linalg.norm(self.validation_features, 2)) ** 2 / m,
            strong_convexity=max(float(np.linalg.eigvalsh(gram)[0]), 0.0) + math.exp(-LARGEST_EXPONENT),
            weak_convexity=0.0,
        )

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results; exact gradients take O(d^2), by the moments of the records."""
        return BilevelKernels(
            self.kernel_data(), _ridge_upper, _ridge_lower, project_exponents, project_nowhere,
            _ridge_hessian_product, penalty_cross_product, skips_empty_outputs=True,
        )  # fmt: skip

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        self._x(x)
        return float(np.mean((self.validation_features @ self._y(y) - self.validation_targets) ** 2)) / 2

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        x, y = self._x(x), self._y(y)
        return float(np.mean((self.train_features @ y - self.train_targets) ** 2)) / 2 + self.penalty_of(x, y)

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s, s >= 0, by one linear solve."""
        solution, direction = self._path(x, s)
        return np.asarray(solution + float(s) * direction)

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (d,)."""
        solution, direction = self._path(x, 0.0)
        return np.exp(self._x(x)) * solution * direction

    def penalty_value(self, x: ArrayLike, s: float) -> float:
        """psi_s(x), to rounding at any s > 0."""
        s = penalty(s)
        solution, direction = self._path(x, s)
        curvature = np.mean((self.train_features @ direction) ** 2) / 2 + self.penalty_of(self._x(x), direction)
        return self.upper(x, solution + s * direction) + s * float(curvature)

    def penalty_gradient(self, x: ArrayLike, s: float) -> Vector:
        """Gradient of psi_s, shape (d,), to rounding at any s > 0."""
        s = penalty(s)
        solution, direction = self._path(x, s)
        return np.exp(self._x(x)) * (solution + s / 2 * direction) * direction

    def _path(self, x: ArrayLike, s: float) -> tuple[Any, Any]:
        """y* and d, with y_s = y* + s d."""
        x, s, moments, d = self._x(x), penalty(s, zero=True), self.tables[2], self.upper_dimension
        hessian = moments[:d] + np.diag(np.exp(x))
        solution = np.linalg.solve(hessian, moments[d])
        slope = moments[d + 1 : 2 * d + 1] @ solution - moments[2 * d + 1]
        return solution, -np.linalg.solve(hessian + s * moments[d + 1 : 2 * d + 1], slope)


@njit(cache=True, nogil=True, forceinline=True)
def _moment_gradient(moments, first, w, out):
    """Out = moment matrix w - moment vector, of the half whose rows begin at first."""
    d = w.size
    if d > _BLAS:
        np.dot(moments[first : first + d], w, out)
        for j in range(d):
            out[j] -= moments[first + d, j]
    else:
        for j in range(d):
            out[j] = -moments[first + d, j]
        for i in range(d):
            weight = w[i]
            for j in range(d):
                out[j] += weight * moments[first + i, j]


@njit(nogil=True, forceinline=True)
def _ridge_upper(data, x, y, sample, out_x, out_y):
    records, targets, moments = data.records, data.targets, data.moments
    for j in range(out_x.size):
        out_x[j] = 0.0
    if out_y.size:
        if sample < 0:
            _moment_gradient(moments, y.size + 1, y, out_y)
        else:
            out_y[:] = 0.0
            for k in range(data.batch):
                i = data.n + whole_below(targets.size - data.n, 0, sample, 0, k)
                add_row(records, i, (row_product(records, i, y) - targets[i]) / data.batch, out_y)
    hold(records, targets, moments, x, y, out_x, out_y)


@njit(nogil=True, forceinline=True)
def _ridge_lower(data, x, y, sample, out_x, out_y):
    records, targets, moments, kept = data.records, data.targets, data.moments, data.kept
    keep_weights(x, kept)
    if out_y.size:
        if sample < 0:
            _moment_gradient(moments, 0, y, out_y)
        else:
            out_y[:] = 0.0
            for k in range(data.batch):
                i = whole_below(data.n, 0, sample, 1, k)
                add_row(records, i, (row_product(records, i, y) - targets[i]) / data.batch, out_y)
    add_penalty(kept, y, out_x, out_y)
    hold(records, targets, moments, kept, x, y, out_x, out_y)


@njit(nogil=True)
def _ridge_hessian_product(data, x, y, v, sample, out_y):
    records, moments, kept = data.records, data.moments, data.kept
    keep_weights(x, kept)
    out_y[:] = 0.0
    if sample < 0:
        for i in range(v.size):
            add_row(moments, i, v[i], out_y)
    else:
        for k in range(data.batch):
            i = whole_below(data.n, 0, sample, 1, k)
            add_row(records, i, row_product(records, i, v) / data.batch, out_y)
    for j in range(v.size):
        out_y[j] += kept[1, j] * v[j]
    hold(records, moments, kept, x, y, v, out_y)
