"""One weight of regularisation a coefficient, chosen on validation records: what ridge and logistic regression share.

The lower level fits w to training records with the penalty (1/2) sum_j exp(x_j) w_j^2; the upper level is the loss of w
on validation records; X is the box [-12, 12]^d, beyond which exp is of no use. With the Hessian M of g in w,

    gradient of psi_j = -exp(x_j) w_j v_j,   M v = gradient of f in w.

Source: instances 7 and 8 of the project's specification; the problem is that of benchmark_bilevel.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from algos.kernels import hold
from simulators.bilevel_problems.compiled import CompiledProblem, Vector

__all__ = [
    "LARGEST_EXPONENT",
    "RegularizedFit",
    "add_penalty",
    "add_row",
    "keep_weights",
    "penalty_cross_product",
    "project_exponents",
    "row_product",
]

LARGEST_EXPONENT = 12.0
"""X holds |x_j| up to it."""


class _Fit(NamedTuple):
    """Few arrays: a kernel called once a step pays for a reference to each."""

    records: np.ndarray  # (n + m, d) float64: training rows, then validation rows
    targets: np.ndarray  # (n + m,)
    moments: np.ndarray  # (2 (d + 1), d): X'X / n and X't / n of the training rows, then of the validation rows
    kept: np.ndarray  # (2, d), scratch: x and exp(x)
    margins: np.ndarray  # (n + m,), scratch
    n: int
    batch: int


class RegularizedFit(CompiledProblem):
    """What ridge and logistic regression share: records in two halves and the penalty of the coefficients."""

    train_features: Any
    train_targets: Any
    validation_features: Any
    validation_targets: Any
    batch_size: int

    @property
    def upper_dimension(self) -> int:
        """Length of x, d."""
        return int(self.train_features.shape[1])

    @property
    def lower_dimension(self) -> int:
        """Length of y, d."""
        return int(self.train_features.shape[1])

    @property
    def n_samples(self) -> int:
        """Records of the lower level."""
        return len(self.train_features)

    def check_records(self) -> None:
        """Raise a ``ValueError`` where the two halves do not fit together."""
        d = self.upper_dimension
        if self.validation_features.shape[1] != d:
            raise ValueError(f"validation_features: {self.validation_features.shape[1]} columns, training has {d}")
        for half in ("train", "validation"):
            features, targets = getattr(self, f"{half}_features"), getattr(self, f"{half}_targets")
            if len(features) != targets.size:
                raise ValueError(f"{half}_targets: {targets.size} for {len(features)} records")

    @cached_property
    def tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What kernels read: all rows, all targets, and the moments X'X / n and X't / n of either half."""
        moments = []
        for features, targets in (
            (self.train_features, self.train_targets), (self.validation_features, self.validation_targets),
        ):  # fmt: skip
            moments += [features.T @ features / len(features), features.T @ targets / len(features)]
        return (
            np.vstack([self.train_features, self.validation_features]),
            np.concatenate([self.train_targets, self.validation_targets]),
            np.vstack(moments),
        )

    def kernel_data(self) -> _Fit:
        """The same with scratch memory of its own."""
        records, targets, moments = self.tables
        kept, margins = np.full((2, self.upper_dimension), np.nan), np.empty(len(records))
        return _Fit(records, targets, moments, kept, margins, len(self.train_features), self.batch_size)

    def penalty_of(self, x: Vector, w: Vector) -> float:
        """(1/2) sum_j exp(x_j) w_j^2."""
        return float(np.exp(x) @ w**2) / 2


@njit(cache=True, nogil=True, forceinline=True)
def keep_weights(x, kept):
    """Rows of kept: x and exp(x), made anew where x has changed: inner loops move w alone."""
    same = True
    for j in range(x.size):
        if x[j] != kept[0, j]:
            same = False
    if not same:
        for j in range(x.size):
            kept[0, j], kept[1, j] = x[j], math.exp(x[j])


@njit(cache=True, nogil=True, forceinline=True)
def row_product(records, i, w):
    """<row i, w>."""
    total = 0.0
    for j in range(w.size):
        total += records[i, j] * w[j]
    return total


@njit(cache=True, nogil=True, forceinline=True)
def add_row(records, i, share, out):
    """Add a share of row i."""
    for j in range(out.size):
        out[j] += share * records[i, j]


@njit(cache=True, nogil=True, forceinline=True)
def add_penalty(kept, w, out_x, out_y):
    """The gradient of (1/2) sum exp(x_j) w_j^2."""
    for j in range(out_x.size):
        out_x[j] = 0.5 * kept[1, j] * w[j] * w[j]
    for j in range(out_y.size):
        out_y[j] += kept[1, j] * w[j]


@njit(cache=True, nogil=True, forceinline=True)
def project_exponents(data, x):
    """The projection on X."""
    for j in range(x.size):
        x[j] = min(max(x[j], -LARGEST_EXPONENT), LARGEST_EXPONENT)


@njit(cache=True, nogil=True, forceinline=True)
def penalty_cross_product(data, x, y, v, sample, out_x):
    """The mixed second derivatives of g, which come from the penalty alone, times v."""
    kept = data.kept
    keep_weights(x, kept)
    for j in range(x.size):
        out_x[j] = kept[1, j] * y[j] * v[j]
    hold(kept, x, y, v, out_x)
