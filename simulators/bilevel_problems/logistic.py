"""Logistic regression with a weight of regularisation a coefficient, its lower level solved by Newton's method.

Source: instance 8 of the project's specification; see `simulators.bilevel_problems.regularization`.
"""

from __future__ import annotations

import math
from typing import Annotated

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
from simulators.bilevel_problems.newton import newton_minimum
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

__all__ = ["LogisticHPO"]


@description
class LogisticHPO(RegularizedFit):
    """Logistic regression with a weight of regularisation a coefficient.

    g = mean ln(1 + e^{-t_i <a_i, w>}) over training records + (1/2) sum_j exp(x_j) w_j^2, f the same mean over
    validation records.

    Parameters
    ----------
    train_features : float, shape (n, d)
    train_targets : float, shape (n,)
        Labels -1 and 1.
    validation_features : float, shape (m, d)
    validation_targets : float, shape (m,)
        Labels -1 and 1.
    batch_size : int >= 1
        Records of a sample, drawn with replacement by the sample's number.
    """

    train_features: FiniteMatrix
    train_targets: FiniteVector
    validation_features: FiniteMatrix
    validation_targets: FiniteVector
    batch_size: Annotated[Count, Field(kw_only=True)] = 1

    @model_validator(mode="after")
    def _fits(self) -> LogisticHPO:
        self.check_records()
        for name in ("train_targets", "validation_targets"):
            wrong = np.flatnonzero(np.abs(getattr(self, name)) != 1.0)
            if wrong.size:
                raise ValueError(f"{name}: {getattr(self, name)[wrong[0]]} of record {wrong[0]} is neither -1 nor 1")
        return self

    @property
    def constants(self) -> BilevelConstants:
        """Bounds: no label is further from its mean than 1/2, no margin's loss steeper than 1."""
        m = len(self.validation_features)
        return BilevelConstants(
            upper_lipschitz=float(np.mean(np.linalg.norm(self.validation_features, axis=1))),
            upper_smoothness=float(np.linalg.norm(self.validation_features, 2)) ** 2 / (4.0 * m),
            strong_convexity=math.exp(-LARGEST_EXPONENT),
            weak_convexity=0.0,
        )

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results; exact gradients are two products with the records, by BLAS."""
        return BilevelKernels(
            self.kernel_data(), _logistic_upper, _logistic_lower, project_exponents, project_nowhere,
            _logistic_hessian_product, penalty_cross_product, skips_empty_outputs=True,
        )  # fmt: skip

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        self._x(x)
        return _mean_loss(self.validation_features, self.validation_targets, self._y(y))

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        x, y = self._x(x), self._y(y)
        return _mean_loss(self.train_features, self.train_targets, y) + self.penalty_of(x, y)

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s, s >= 0, by Newton's method."""
        x, s = self._x(x), penalty(s, zero=True)
        n, m, weights = len(self.train_features), len(self.validation_features), np.exp(x)
        shares = np.concatenate([np.full(n, 1.0 / n), np.full(m, s / m)])
        records, targets, _ = self.tables

        def value(w: Vector) -> float:
            return float(shares @ np.logaddexp(0.0, -targets * (records @ w)) + weights @ w**2 / 2)

        def gradient(w: Vector) -> Vector:
            return np.asarray(records.T @ (-shares * targets * _wrong(records, targets, w)) + weights * w)

        def solve(w: Vector, right: Vector) -> Vector:
            return np.linalg.solve(_hessian(records, targets, shares, weights, w), right)

        return newton_minimum(value, gradient, solve, np.zeros(x.size))

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (d,)."""
        x, w, n = self._x(x), self.lower_solution(x), len(self.train_features)
        hessian = _hessian(self.train_features, self.train_targets, np.full(n, 1.0 / n), np.exp(x), w)
        return np.asarray(-np.exp(x) * w * np.linalg.solve(hessian, self.upper_gradient(x, w)[1]))


def _mean_loss(features: np.ndarray, targets: np.ndarray, w: Vector) -> float:
    return float(np.mean(np.logaddexp(0.0, -targets * (features @ w))))


def _wrong(features: np.ndarray, targets: np.ndarray, w: Vector) -> Vector:
    """The chance that the model gives to the wrong label, a record."""
    return np.asarray(np.exp(-np.logaddexp(0.0, targets * (features @ w))))


def _hessian(features: np.ndarray, targets: np.ndarray, shares: Vector, weights: Vector, w: Vector) -> np.ndarray:
    wrong = _wrong(features, targets, w)
    return np.asarray((features.T * (shares * wrong * (1.0 - wrong))) @ features + np.diag(weights))


@njit(cache=True, nogil=True, forceinline=True)
def _wrong_chance(margin):
    """1 / (1 + e^margin), without overflow."""
    small = math.exp(-abs(margin))
    return small / (1.0 + small) if margin > 0.0 else 1.0 / (1.0 + small)


@njit(cache=True, nogil=True)
def _logistic_gradient(records, targets, margins, first, end, w, out):
    """The gradient of the mean loss of records first, ..., end - 1."""
    np.dot(records[first:end], w, margins[first:end])
    for i in range(first, end):
        margins[i] = -targets[i] * _wrong_chance(targets[i] * margins[i]) / (end - first)
    np.dot(margins[first:end], records[first:end], out)


@njit(nogil=True, forceinline=True)
def _add_logistic_record(records, targets, i, w, share, out):
    slope = -targets[i] * _wrong_chance(targets[i] * row_product(records, i, w))
    add_row(records, i, share * slope, out)


@njit(nogil=True)
def _logistic_upper(data, x, y, sample, out_x, out_y):
    records, targets, margins = data.records, data.targets, data.margins
    for j in range(out_x.size):
        out_x[j] = 0.0
    if out_y.size:
        if sample < 0:
            _logistic_gradient(records, targets, margins, data.n, targets.size, y, out_y)
        else:
            out_y[:] = 0.0
            for k in range(data.batch):
                i = data.n + whole_below(targets.size - data.n, 0, sample, 0, k)
                _add_logistic_record(records, targets, i, y, 1.0 / data.batch, out_y)
    hold(records, targets, margins, x, y, out_x, out_y)


@njit(nogil=True)
def _logistic_lower(data, x, y, sample, out_x, out_y):
    records, targets, margins, kept = data.records, data.targets, data.margins, data.kept
    keep_weights(x, kept)
    if out_y.size:
        if sample < 0:
            _logistic_gradient(records, targets, margins, 0, data.n, y, out_y)
        else:
            out_y[:] = 0.0
            for k in range(data.batch):
                i = whole_below(data.n, 0, sample, 1, k)
                _add_logistic_record(records, targets, i, y, 1.0 / data.batch, out_y)
    add_penalty(kept, y, out_x, out_y)
    hold(records, targets, margins, kept, x, y, out_x, out_y)


@njit(nogil=True)
def _logistic_hessian_product(data, x, y, v, sample, out_y):
    records, targets, margins, kept, n = data.records, data.targets, data.margins, data.kept, data.n
    keep_weights(x, kept)
    if sample < 0:
        np.dot(records[:n], y, margins[:n])
        for i in range(n):
            wrong = _wrong_chance(targets[i] * margins[i])
            margins[i] = wrong * (1.0 - wrong) * row_product(records, i, v) / n
        np.dot(margins[:n], records[:n], out_y)
    else:
        out_y[:] = 0.0
        for k in range(data.batch):
            i = whole_below(n, 0, sample, 1, k)
            wrong = _wrong_chance(targets[i] * row_product(records, i, y))
            add_row(records, i, wrong * (1.0 - wrong) * row_product(records, i, v) / data.batch, out_y)
    for j in range(v.size):
        out_y[j] += kept[1, j] * v[j]
    hold(records, targets, margins, kept, x, y, v, out_y)
