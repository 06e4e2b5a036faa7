"""Empirical risks of generalised linear models: one row of features and one target a record."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from algos.arrays import FiniteMatrix
from algos.contracts import description, read_only
from simulators.erm.losses import Loss, loss_slope, loss_value

__all__ = ["LinearModelRisk", "unit_rows"]


def _targets(value: Any) -> NDArray[np.float64]:
    array = np.array(value, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("must be a vector of finite numbers, one a record")
    return read_only(array)


Targets = Annotated[NDArray[np.float64], PlainValidator(_targets), PlainSerializer(lambda array: array.tolist())]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


@description
class LinearModelRisk:
    """The mean loss of a linear model over records, with its constants.

    Parameters
    ----------
    features : float, shape (n, d)
        X, a row a record, of norm at most ``row_bound``.
    targets : float, shape (n,)
        y; -1 or 1 for the losses of labels.
    loss : Loss
    row_bound : float > 0
        R, declared and not read off the records: whoever takes it from private data spends privacy on it.
    initial_gap : float > 0, optional
        F0, a bound of F(0) less the least value. The loss at 0 where that is the same for all records; to be declared
        for others, whose value at 0 is private.

    Examples
    --------
    >>> risk = LinearModelRisk([[1.0, 0.0], [0.0, 1.0]], [1, -1], Loss("logistic"))
    >>> risk.lipschitz, risk.smoothness, round(risk.value(np.zeros(2)), 4)
    (1.0, 0.25, 0.6931)
    >>> risk.gradient_sum(np.zeros(2)).tolist()
    [-0.5, 0.5]
    """

    features: FiniteMatrix
    targets: Targets
    loss: Loss
    row_bound: Annotated[Positive, Field(kw_only=True)] = 1.0
    initial_gap: Annotated[Positive | None, Field(kw_only=True)] = None

    @model_validator(mode="after")
    def _fits(self) -> LinearModelRisk:
        if self.targets.size != len(self.features):
            raise ValueError(f"targets: {self.targets.size} for {len(self.features)} records")
        if self.loss.labels:
            wrong = np.flatnonzero(np.abs(self.targets) != 1.0)
            if wrong.size:
                raise ValueError(f"targets: {self.targets[wrong[0]]} of row {wrong[0]} is neither -1 nor 1")
        norms = np.linalg.norm(self.features, axis=1)
        long = np.flatnonzero(norms > self.row_bound * (1.0 + 1e-12))
        if long.size:
            raise ValueError(
                f"features: row {long[0]} has norm {norms[long[0]]:g}, above row_bound = {self.row_bound:g}"
            )
        return self

    @cached_property
    def _norms(self) -> NDArray[np.float64]:
        return np.asarray(np.linalg.norm(self.features, axis=1))

    @cached_property
    def _rows(self) -> NDArray[np.float64]:
        return np.ascontiguousarray(self.features)

    @property
    def n_records(self) -> int:
        """N."""
        return len(self.features)

    @property
    def dimension(self) -> int:
        """D."""
        return int(self.features.shape[1])

    @property
    def lipschitz(self) -> float:
        """L0, of every record's loss."""
        return self.loss.slope * self.row_bound

    @property
    def smoothness(self) -> float:
        """L1, of every record's loss."""
        return self.loss.curvature * self.row_bound**2

    @property
    def convex(self) -> bool:
        """Whether the loss is."""
        return self.loss.convex

    @property
    def gap(self) -> float:
        """F0.

        Raises
        ------
        ValueError
            When it was not declared and is not the same for all records.
        """
        bound = self.initial_gap if self.initial_gap is not None else self.loss.at_zero
        if bound is None:
            raise ValueError("initial_gap: must be declared for this loss; the value at 0 depends on the records")
        return bound

    def value(self, w: ArrayLike) -> float:
        """The mean loss: of the records themselves, not private."""
        return float(_total(self.loss.kind, self.loss.scale, self._rows, self.targets, self._point(w)) / self.n_records)

    def gradient(self, w: ArrayLike) -> NDArray[np.float64]:
        """Its gradient, shape (d,); not private."""
        return self.gradient_sum(w) / self.n_records

    def gradient_sum(
        self, w: ArrayLike, *, clip: float = math.inf, batch: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Sum of the records' gradients, each scaled down to a norm of at most `clip`.

        Parameters
        ----------
        w : float, shape (d,)
        clip : float > 0
            A gradient is a number times the row, so that clipping costs nothing.
        batch : int array, optional
            The records' numbers; all when omitted. O(b d).
        """
        total = np.zeros(self.dimension)
        chosen = _ALL if batch is None else batch
        _gradient_sum(
            self.loss.kind, self.loss.scale, self._rows, self.targets, self._norms, self._point(w), clip, chosen,
            batch is None, total,
        )  # fmt: skip
        return total

    def variation_sum(
        self, w: ArrayLike, before: ArrayLike, *, clip: float = math.inf, batch: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Sum of the records' differences of gradients at two points, each scaled down to a norm of at most `clip`.

        Parameters
        ----------
        w, before : float, shape (d,)
        clip, batch
            As for `gradient_sum`.
        """
        total = np.zeros(self.dimension)
        chosen = _ALL if batch is None else batch
        _variation_sum(
            self.loss.kind, self.loss.scale, self._rows, self.targets, self._norms, self._point(w),
            self._point(before), clip, chosen, batch is None, total,
        )  # fmt: skip
        return total

    def lattice_gradient_sum(self, w: ArrayLike, *, clip: float, step: float) -> NDArray[np.int64]:
        """Sum of the records' gradients, clipped and cut towards zero to whole multiples of a step: exact in any order.

        Parameters
        ----------
        w : float, shape (d,)
        clip : float > 0
            Norm to which every gradient is scaled down; cutting makes none longer.
        step : float > 0
            A power of two.

        Returns
        -------
        int64, shape (d,)
            In multiples of the step.
        """
        total, point = np.zeros(self.dimension, dtype=np.int64), self._point(w)
        _lattice_sum(
            self.loss.kind,
            self.loss.scale,
            self._rows,
            self.targets,
            self._norms,
            point,
            point,
            False,
            clip,
            step,
            total,
        )
        return total

    def lattice_variation_sum(self, w: ArrayLike, before: ArrayLike, *, clip: float, step: float) -> NDArray[np.int64]:
        """The same of the differences of their gradients at two points.

        Parameters
        ----------
        w, before : float, shape (d,)
        clip, step
            As for `lattice_gradient_sum`.
        """
        total = np.zeros(self.dimension, dtype=np.int64)
        _lattice_sum(
            self.loss.kind, self.loss.scale, self._rows, self.targets, self._norms, self._point(w), self._point(before),
            True, clip, step, total,
        )  # fmt: skip
        return total

    def projected(self, matrix: ArrayLike) -> LinearModelRisk:
        """The same risk of rows ``matrix @ x``, cut to sqrt(2) times the bound of the norms.

        Parameters
        ----------
        matrix : float, shape (k, d)
            Drawn without the data, entries of variance 1 / k.
        """
        rows = self._rows @ np.asarray(matrix, dtype=np.float64).T
        bound = math.sqrt(2.0) * self.row_bound
        norms = np.linalg.norm(rows, axis=1)
        rows = rows * np.minimum(1.0, bound / np.maximum(norms, 1e-300))[:, None]
        return LinearModelRisk(rows, self.targets, self.loss, row_bound=bound, initial_gap=self.initial_gap)

    def _point(self, w: ArrayLike) -> NDArray[np.float64]:
        point = np.ascontiguousarray(w, dtype=np.float64)
        if point.shape != (self.dimension,):
            raise ValueError(f"w: shape {point.shape} is not ({self.dimension},)")
        return point


_ALL = np.empty(0, dtype=np.int64)
_SLACK = 1.0 + 1e-12  # a norm that rounding lifts above the bound is not clipped; the noise covers it


def unit_rows(features: ArrayLike, scales: ArrayLike | None = None) -> NDArray[np.float64]:
    """Columns divided by public constants, a constant column appended, every row scaled to norm 1.

    A map of each record by itself: it costs no privacy as long as the scales are not read off the records.

    Parameters
    ----------
    features : float, shape (n, d)
    scales : float > 0, shape (d,), optional

    Returns
    -------
    float64, shape (n, d + 1)
    """
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise ValueError(f"features: must be a matrix of finite numbers, got shape {table.shape}")
    if scales is not None:
        units = np.asarray(scales, dtype=np.float64)
        if units.shape != (table.shape[1],) or not (units > 0).all():
            raise ValueError(f"scales: must be {table.shape[1]} numbers > 0")
        table = table / units
    table = np.hstack([table, np.ones((len(table), 1))])
    return np.asarray(table / np.linalg.norm(table, axis=1, keepdims=True))


@njit(nogil=True, error_model="numpy")
def _total(kind, c, rows, targets, w):
    total = 0.0
    for i in range(rows.shape[0]):
        total += loss_value(kind, c, _margin(rows, i, w), targets[i])
    return total


@njit(nogil=True, error_model="numpy")
def _gradient_sum(kind, c, rows, targets, norms, w, clip, batch, everybody, total):
    count = rows.shape[0] if everybody else batch.size
    for b in range(count):
        i = b if everybody else batch[b]
        factor = loss_slope(kind, c, _margin(rows, i, w), targets[i])
        _add(rows, i, _clipped(factor, norms[i], clip), total)


@njit(nogil=True, error_model="numpy")
def _variation_sum(kind, c, rows, targets, norms, w, before, clip, batch, everybody, total):
    count = rows.shape[0] if everybody else batch.size
    for b in range(count):
        i = b if everybody else batch[b]
        now = loss_slope(kind, c, _margin(rows, i, w), targets[i])
        then = loss_slope(kind, c, _margin(rows, i, before), targets[i])
        _add(rows, i, _clipped(now - then, norms[i], clip), total)


@njit(nogil=True, error_model="numpy")
def _lattice_sum(kind, c, rows, targets, norms, w, before, difference, clip, step, total):
    for i in range(rows.shape[0]):
        factor = loss_slope(kind, c, _margin(rows, i, w), targets[i])
        if difference:
            factor -= loss_slope(kind, c, _margin(rows, i, before), targets[i])
        size = abs(factor) * norms[i]
        if size > clip:
            factor *= clip / size
        for j in range(total.size):
            total[j] += int(factor * rows[i, j] / step)  # int cuts towards zero


@njit(cache=True, forceinline=True, error_model="numpy")
def _clipped(factor, norm, clip):
    size = abs(factor) * norm
    return factor * (clip / size) if size > clip * _SLACK else factor


@njit(cache=True, forceinline=True)
def _margin(rows, i, w):
    """<row i, w> in four chains side by side."""
    d = w.size
    fours = d - d % 4
    a, b, c, e = 0.0, 0.0, 0.0, 0.0
    for j in range(0, fours, 4):
        a += rows[i, j] * w[j]
        b += rows[i, j + 1] * w[j + 1]
        c += rows[i, j + 2] * w[j + 2]
        e += rows[i, j + 3] * w[j + 3]
    for j in range(fours, d):
        a += rows[i, j] * w[j]
    return (a + b) + (c + e)


@njit(cache=True, forceinline=True)
def _add(rows, i, factor, total):
    if factor != 0.0:
        for j in range(total.size):
            total[j] += factor * rows[i, j]
