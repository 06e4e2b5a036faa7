"""Finite sums of squares on both levels: what mini-batch bilevel methods are tried on, still solved exactly.

f = (1/2m) |S x + R y - r|^2 over g = (1/2n) |Q x + P y - p|^2: a record is a square, of rank one in y. Source: derived.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from algos.arrays import FiniteMatrix, FiniteVector
from algos.bilevel_oracles import FIRST_RECORD, WHOLE, BilevelConstants, BilevelKernels
from algos.contracts import Count, check_generator, description, whole_number
from algos.counter_draws import whole_below
from algos.kernels import hold
from simulators.bilevel_problems.compiled import CompiledProblem, Vector, project_nowhere
from simulators.bilevel_problems.quadratic import (
    QuadraticBilevel,
    quadratic_cross_product,
    quadratic_hessian_product,
    quadratic_kernels,
    quadratic_lower_with_x,
    quadratic_upper,
    symmetric_part,
)

__all__ = ["QuadraticSum", "random_quadratic_sum"]


class _Sum(NamedTuple):
    whole: Any  # the kernels' data of the means
    lower: np.ndarray  # (n, dy + dx + 1): P, Q and p
    upper: np.ndarray  # (m, dy + dx + 1): R, S and r
    batch: int


@description
class QuadraticSum(CompiledProblem):
    """Means of squares: f = mean (S x + R y - r)^2 / 2 over g = mean (Q x + P y - p)^2 / 2, a sample a few records.

    Parameters
    ----------
    P : float, shape (n, dy)
        Of full column rank.
    Q : float, shape (n, dx)
    p : float, shape (n,)
    R : float, shape (m, dy)
    S : float, shape (m, dx)
    r : float, shape (m,)
    batch_size : int >= 1
        Records of a sample, drawn with replacement by the sample's number.

    Raises
    ------
    ValueError
        When shapes do not fit or the columns of P are dependent.
    """

    P: FiniteMatrix
    Q: FiniteMatrix
    p: FiniteVector
    R: FiniteMatrix
    S: FiniteMatrix
    r: FiniteVector
    batch_size: Annotated[Count, Field(kw_only=True)] = 1

    @model_validator(mode="after")
    def _fits(self) -> QuadraticSum:
        (n, dy), dx, m = self.P.shape, self.Q.shape[1], len(self.R)
        shapes = {"Q": (n, dx), "p": (n,), "R": (m, dy), "S": (m, dx), "r": (m,)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name}: shape {getattr(self, name).shape} is not {shape}")
        if np.linalg.matrix_rank(self.P) < dy:
            raise ValueError("P: its columns are linearly dependent")
        return self

    @cached_property
    def whole(self) -> QuadraticBilevel:
        """The same as quadratic forms, but for the part of g in x alone and constants: psi's slope ignores both."""
        n, m = len(self.P), len(self.R)
        P, Q, R, S = self.P, self.Q, self.R, self.S
        return QuadraticBilevel(
            A=symmetric_part(P.T @ P / n), C=Q.T @ P / n, a=-P.T @ self.p / n,
            F=symmetric_part(R.T @ R / m), H=symmetric_part(S.T @ S / m), K=S.T @ R / m, f0=-R.T @ self.r / m,
            h0=-S.T @ self.r / m,
        )  # fmt: skip

    @property
    def upper_dimension(self) -> int:
        """Length of x, dx."""
        return int(self.Q.shape[1])

    @property
    def lower_dimension(self) -> int:
        """Length of y, dy."""
        return int(self.P.shape[1])

    @property
    def n_records(self) -> int:
        """n, where both levels have as many records: sample -2 - i is record i.

        Raises
        ------
        AttributeError
            When they have not.
        """
        if len(self.P) != len(self.R):
            raise AttributeError(f"n_records: {len(self.P)} records of g and {len(self.R)} of f are no pairs")
        return len(self.P)

    @property
    def constants(self) -> BilevelConstants:
        """Exact: eigenvalues of the joint Hessians of the means, and of A."""
        upper, lower = np.hstack([self.S, self.R]), np.hstack([self.Q, self.P])
        return self.whole.constants._replace(
            upper_smoothness=float(np.linalg.norm(upper, 2)) ** 2 / len(upper),
            lower_smoothness=float(np.linalg.norm(lower, 2)) ** 2 / len(lower),
        )

    @cached_property
    def _records(self) -> tuple[np.ndarray, np.ndarray]:
        return (
            np.hstack([self.P, self.Q, self.p[:, None]]),
            np.hstack([self.R, self.S, self.r[:, None]]),
        )

    @cached_property
    def _only_x(self) -> tuple[np.ndarray, np.ndarray]:
        """Hessian and slope at 0 of the part of g in x alone."""
        return symmetric_part(self.Q.T @ self.Q / len(self.Q)), -self.Q.T @ self.p / len(self.Q)

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results; the exact gradients are those of `whole`."""
        one, (G, g0) = self.whole, self._only_x
        whole = quadratic_kernels(one.A, one.C, one.a, one.F, one.H, one.K, one.f0, one.h0, G=G, g0=g0)
        data = _Sum(whole.data, *self._records, self.batch_size)
        return BilevelKernels(
            data,
            _upper_of_sum,
            _lower_of_sum,
            project_nowhere,
            project_nowhere,
            _hessian_product_of_sum,
            _cross_product_of_sum,
            skips_empty_outputs=True,
        )

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        return float(np.mean((self.S @ self._x(x) + self.R @ self._y(y) - self.r) ** 2) / 2)

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        return float(np.mean((self.Q @ self._x(x) + self.P @ self._y(y) - self.p) ** 2) / 2)

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s, as `QuadraticBilevel.lower_solution`."""
        return self.whole.lower_solution(x, s)

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (dx,)."""
        return self.whole.value_gradient(x)

    def penalty_value(self, x: ArrayLike, s: float) -> float:
        """psi_s(x), to rounding at any s > 0."""
        return self.whole.penalty_value(x, s) + float(np.mean(self.r**2)) / 2

    def penalty_gradient(self, x: ArrayLike, s: float) -> Vector:
        """Gradient of psi_s, shape (dx,), to rounding at any s > 0."""
        return self.whole.penalty_gradient(x, s)


def random_quadratic_sum(
    n_records: int,
    upper_dimension: int,
    lower_dimension: int,
    rng: np.random.Generator,
    *,
    strong_convexity: float = 0.1,
    smoothness: float = 1.0,
    batch_size: int = 1,
) -> QuadraticSum:
    """The same as means of n rank-one squares on either level.

    Parameters
    ----------
    n_records : int >= lower_dimension
    upper_dimension, lower_dimension : int >= 1
    rng : numpy.random.Generator
    strong_convexity, smoothness : float > 0
        Least and largest eigenvalue of the Hessian of g in y.
    batch_size : int >= 1
    """
    dx, dy = whole_number(upper_dimension, "upper_dimension", 1), whole_number(lower_dimension, "lower_dimension", 1)
    n, source = whole_number(n_records, "n_records", dy), check_generator(rng, "random_quadratic_sum")
    if not 0.0 < strong_convexity <= smoothness < math.inf:
        raise ValueError(f"strong_convexity: {strong_convexity!r} is not in (0, smoothness = {smoothness!r}]")
    left = np.linalg.qr(source.standard_normal((n, dy)))[0]
    right = np.linalg.qr(source.standard_normal((dy, dy)))[0]
    spectrum = np.geomspace(strong_convexity, smoothness, dy) if dy > 1 else np.array([smoothness])
    return QuadraticSum(
        P=math.sqrt(n) * left * np.sqrt(spectrum) @ right, Q=source.standard_normal((n, dx)) / math.sqrt(dx),
        p=source.standard_normal(n), R=source.standard_normal((n, dy)) / math.sqrt(dy),
        S=source.standard_normal((n, dx)) / math.sqrt(dx), r=source.standard_normal(n), batch_size=batch_size,
    )  # fmt: skip


@njit(cache=True, nogil=True, forceinline=True)
def _add_record(records, i, x, y, share, out_x, out_y):
    """Add a share of record i's gradient, its residual times its row."""
    dy, residual = y.size, -records[i, y.size + x.size]
    for j in range(y.size):
        residual += records[i, j] * y[j]
    for j in range(x.size):
        residual += records[i, dy + j] * x[j]
    for j in range(out_y.size):
        out_y[j] += share * residual * records[i, j]
    for j in range(out_x.size):
        out_x[j] += share * residual * records[i, dy + j]


@njit(nogil=True)
def _upper_of_sum(data, x, y, sample, out_x, out_y):
    records = data.upper
    if sample == WHOLE:
        quadratic_upper(data.whole, x, y, sample, out_x, out_y)
    elif sample <= FIRST_RECORD:
        out_x[:], out_y[:] = 0.0, 0.0
        _add_record(records, FIRST_RECORD - sample, x, y, 1.0, out_x, out_y)
    else:
        out_x[:], out_y[:] = 0.0, 0.0
        for k in range(data.batch):
            i = whole_below(records.shape[0], 0, sample, 0, k)
            _add_record(records, i, x, y, 1.0 / data.batch, out_x, out_y)
    hold(records, x, y, out_x, out_y)


@njit(nogil=True)
def _lower_of_sum(data, x, y, sample, out_x, out_y):
    records = data.lower
    if sample == WHOLE:
        quadratic_lower_with_x(data.whole, x, y, sample, out_x, out_y)
    elif sample <= FIRST_RECORD:
        out_x[:], out_y[:] = 0.0, 0.0
        _add_record(records, FIRST_RECORD - sample, x, y, 1.0, out_x, out_y)
    else:
        out_x[:], out_y[:] = 0.0, 0.0
        for k in range(data.batch):
            i = whole_below(records.shape[0], 0, sample, 1, k)
            _add_record(records, i, x, y, 1.0 / data.batch, out_x, out_y)
    hold(records, x, y, out_x, out_y)


@njit(nogil=True)
def _hessian_product_of_sum(data, x, y, v, sample, out_y):
    records = data.lower
    if sample == WHOLE:
        quadratic_hessian_product(data.whole, x, y, v, sample, out_y)
    else:
        out_y[:] = 0.0
        count = data.batch if sample > WHOLE else 1
        for k in range(count):
            i = np.int64(FIRST_RECORD - sample)
            if sample > WHOLE:
                i = np.int64(whole_below(records.shape[0], 0, sample, 1, k))
            share = 0.0
            for j in range(v.size):
                share += records[i, j] * v[j] / count
            for j in range(out_y.size):
                out_y[j] += share * records[i, j]
    hold(records, x, y, v, out_y)


@njit(nogil=True)
def _cross_product_of_sum(data, x, y, v, sample, out_x):
    records = data.lower
    if sample == WHOLE:
        quadratic_cross_product(data.whole, x, y, v, sample, out_x)
    else:
        out_x[:] = 0.0
        count = data.batch if sample > WHOLE else 1
        for k in range(count):
            i = np.int64(FIRST_RECORD - sample)
            if sample > WHOLE:
                i = np.int64(whole_below(records.shape[0], 0, sample, 1, k))
            share = 0.0
            for j in range(v.size):
                share += records[i, j] * v[j] / count
            for j in range(out_x.size):
                out_x[j] += share * records[i, v.size + j]
    hold(records, x, y, v, out_x)
