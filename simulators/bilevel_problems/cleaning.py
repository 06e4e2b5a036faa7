"""Hyper-cleaning: a weight a training record, so that records with wrong labels lose theirs.

f is the mean cross-entropy of a softmax model on clean validation records, and

    g = (1/n) sum_i sigmoid(x_i) CE_i(W) + (C/2) |W|^2

its regularised fit to training records, some with wrong labels. Source: instance 9 of the project's specification.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from algos.arrays import FiniteMatrix
from algos.bilevel_oracles import BilevelConstants, BilevelKernels
from algos.contracts import Count, description, read_only
from algos.counter_draws import whole_below
from algos.kernels import hold
from simulators.bilevel_problems.compiled import CompiledProblem, Vector, penalty, project_nowhere
from simulators.bilevel_problems.newton import conjugate_gradients, newton_minimum

__all__ = ["HyperCleaning"]


def _classes(value: Any) -> NDArray[np.int64]:
    array = np.asarray(value)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu" or array.min() < 0:
        raise ValueError("must be a non-empty vector of whole numbers >= 0")
    return read_only(array.astype(np.int64))


Classes = Annotated[NDArray[np.int64], PlainValidator(_classes), PlainSerializer(lambda array: array.tolist())]


class _Records(NamedTuple):
    train: np.ndarray  # (n, p) float64
    train_labels: np.ndarray  # (n,) int64
    validation: np.ndarray  # (m, p)
    validation_labels: np.ndarray  # (m,)
    logits: np.ndarray  # (max(n, m), k), scratch
    products: np.ndarray  # (n, k), scratch
    regularization: float
    batch: int


@description
class HyperCleaning(CompiledProblem):
    """Weights of training records by validation loss; y is W of shape (p, k), row by row.

    Parameters
    ----------
    train_features : float, shape (n, p)
    train_labels : int in 0..k-1, shape (n,)
        Some of them wrong.
    validation_features : float, shape (m, p)
    validation_labels : int in 0..k-1, shape (m,)
    n_classes : int >= 2
        k.
    regularization : float > 0
        C.
    batch_size : int >= 1
        Records of a sample, drawn with replacement by the sample's number.
    """

    train_features: FiniteMatrix
    train_labels: Classes
    validation_features: FiniteMatrix
    validation_labels: Classes
    n_classes: Annotated[Count, Field(ge=2)]
    regularization: Annotated[float, Field(gt=0.0, allow_inf_nan=False, kw_only=True)] = 0.01
    batch_size: Annotated[Count, Field(kw_only=True)] = 1

    @model_validator(mode="after")
    def _fits(self) -> HyperCleaning:
        if self.validation_features.shape[1] != self.train_features.shape[1]:
            columns, trained = self.validation_features.shape[1], self.train_features.shape[1]
            raise ValueError(f"validation_features: {columns} columns, training has {trained}")
        for half in ("train", "validation"):
            features, labels = getattr(self, f"{half}_features"), getattr(self, f"{half}_labels")
            if len(features) != labels.size:
                raise ValueError(f"{half}_labels: {labels.size} for {len(features)} records")
            if labels.max() >= self.n_classes:
                raise ValueError(f"{half}_labels: {labels.max()} is not below n_classes = {self.n_classes}")
        return self

    @property
    def upper_dimension(self) -> int:
        """Length of x, n."""
        return len(self.train_features)

    @property
    def lower_dimension(self) -> int:
        """Length of y, p k."""
        return int(self.train_features.shape[1]) * self.n_classes

    @property
    def n_samples(self) -> int:
        """Records of the lower level."""
        return len(self.train_features)

    @property
    def constants(self) -> BilevelConstants:
        """Bounds: the Hessian of a softmax loss is at most 1/2 of the row's square, its gradient sqrt(2) of the row."""
        rows = np.linalg.norm(self.validation_features, axis=1)
        return BilevelConstants(
            upper_lipschitz=math.sqrt(2.0) * float(rows.mean()),
            upper_smoothness=float(np.linalg.norm(self.validation_features, 2)) ** 2 / (2.0 * rows.size),
            strong_convexity=self.regularization,
            weak_convexity=0.0,
        )

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results; exact gradients are two products with the records, by BLAS."""
        n, m, k = len(self.train_features), len(self.validation_features), self.n_classes
        data = _Records(
            np.ascontiguousarray(self.train_features), self.train_labels,
            np.ascontiguousarray(self.validation_features), self.validation_labels,
            np.empty((max(n, m), k)), np.empty((n, k)), self.regularization, self.batch_size,
        )  # fmt: skip
        return BilevelKernels(
            data, _upper, _lower, project_nowhere, project_nowhere, _hessian_product, _cross_product,
            skips_empty_outputs=True,
        )  # fmt: skip

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        self._x(x)
        return float(np.mean(self._losses(self.validation_features, self.validation_labels, self._y(y))))

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        x, y = self._x(x), self._y(y)
        losses = self._losses(self.train_features, self.train_labels, y)
        return float(np.mean(_sigmoid(x) * losses)) + self.regularization * float(y @ y) / 2

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s, s >= 0, by Newton's method with conjugate gradients."""
        return self.fit(_sigmoid(self._x(x)), penalty(s, zero=True))

    def fit(self, weights: ArrayLike, s: float = 0.0) -> Vector:
        """The model of weighted training records, and of the validation records with the weight s n / m each.

        Parameters
        ----------
        weights : float >= 0, shape (n,)
            sigmoid(x_i) in g.
        s : float >= 0

        Returns
        -------
        float64, shape (p k,)
        """
        n, m = len(self.train_features), len(self.validation_features)
        shares = np.concatenate([self._x(weights) / n, np.full(m if s > 0.0 else 0, s / m)])
        records, labels = self.train_features, self.train_labels
        if s > 0.0:
            records = np.vstack([records, self.validation_features])
            labels = np.concatenate([labels, self.validation_labels])
        c = self.regularization

        def value(y: Vector) -> float:
            return float(shares @ self._losses(records, labels, y)) + c * float(y @ y) / 2

        def gradient(y: Vector) -> Vector:
            rest = self._chances(records, y)
            rest[np.arange(labels.size), labels] -= 1.0
            return np.asarray((records.T @ (shares[:, None] * rest)).ravel() + c * y)

        def solve(y: Vector, right: Vector) -> Vector:
            return conjugate_gradients(self._hessian(records, shares, y), right, tolerance=1e-8)

        return newton_minimum(value, gradient, solve, np.zeros(self.lower_dimension))

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (n,)."""
        x, y = self._x(x), self.lower_solution(x)
        product = self._hessian(self.train_features, _sigmoid(x) / x.size, y)
        return -self.lower_cross_product(x, y, conjugate_gradients(product, self.upper_gradient(x, y)[1]))

    def accuracy(self, y: ArrayLike, features: ArrayLike, labels: ArrayLike) -> float:
        """Share of records whose likeliest class is the label.

        Parameters
        ----------
        y : float, shape (p k,)
        features : float, shape (r, p)
        labels : int, shape (r,)
        """
        logits = np.asarray(features) @ self._y(y).reshape(-1, self.n_classes)
        return float(np.mean(np.argmax(logits, axis=1) == np.asarray(labels)))

    def cleaning_score(self, x: ArrayLike, clean: ArrayLike) -> float:
        """F1 of {i: x_i >= 0} as a detector of the clean records.

        Parameters
        ----------
        x : float, shape (n,)
        clean : bool, shape (n,)
        """
        kept, clean = self._x(x) >= 0.0, np.asarray(clean, dtype=bool)
        found, named = int(np.sum(kept & clean)), int(np.sum(kept)) + int(np.sum(clean))
        return 2.0 * found / max(named, 1)

    def _chances(self, features: np.ndarray, y: Vector) -> np.ndarray:
        logits = features @ y.reshape(-1, self.n_classes)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return np.asarray(logits)

    def _losses(self, features: np.ndarray, labels: np.ndarray, y: Vector) -> Vector:
        logits = features @ y.reshape(-1, self.n_classes)
        highest = logits.max(axis=1)
        spread = np.log(np.exp(logits - highest[:, None]).sum(axis=1))
        return np.asarray(spread + highest - logits[np.arange(labels.size), labels])

    def _hessian(self, features: np.ndarray, shares: Vector, y: Vector) -> Any:
        """The Hessian of a weighted fit as a function of a vector."""
        chances = self._chances(features, y)

        def product(v: Vector) -> Vector:
            moved = features @ v.reshape(-1, self.n_classes)
            moved -= np.einsum("ij,ij->i", chances, moved)[:, None]
            moved *= chances * shares[:, None]
            return np.asarray((features.T @ moved).ravel() + self.regularization * v)

        return product


def _sigmoid(x: Vector) -> Vector:
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)))


@njit(cache=True, nogil=True, forceinline=True)
def _weight(x):
    """The logistic function, without overflow."""
    small = math.exp(-abs(x))
    return 1.0 / (1.0 + small) if x >= 0.0 else small / (1.0 + small)


@njit(cache=True, nogil=True, forceinline=True)
def _to_chances(logits, i):
    """Turn row i into chances; returns the logarithm of the sum of its exponentials."""
    highest = logits[i, 0]
    for c in range(1, logits.shape[1]):
        highest = max(highest, logits[i, c])
    total = 0.0
    for c in range(logits.shape[1]):
        logits[i, c] = math.exp(logits[i, c] - highest)
        total += logits[i, c]
    for c in range(logits.shape[1]):
        logits[i, c] /= total
    return highest + math.log(total)


@njit(cache=True, nogil=True, forceinline=True)
def _row_logits(features, i, y, logits, row):
    """Logits of record i into a row."""
    k = logits.shape[1]
    for c in range(k):
        logits[row, c] = 0.0
    for j in range(features.shape[1]):
        value = features[i, j]
        for c in range(k):
            logits[row, c] += value * y[j * k + c]


@njit(cache=True, nogil=True, forceinline=True)
def _add_record(features, i, slopes, row, out):
    """Add the record's features times its slopes, one a class."""
    k = slopes.shape[1]
    for j in range(features.shape[1]):
        value = features[i, j]
        for c in range(k):
            out[j * k + c] += value * slopes[row, c]


@njit(nogil=True)
def _upper(data, x, y, sample, out_x, out_y):
    features, labels, logits = data.validation, data.validation_labels, data.logits
    m, k = labels.size, logits.shape[1]
    for i in range(out_x.size):
        out_x[i] = 0.0
    if out_y.size:
        if sample < 0:
            slopes = logits[:m]
            np.dot(features, y.reshape((features.shape[1], k)), slopes)
            for i in range(m):
                _to_chances(slopes, i)
                slopes[i, labels[i]] -= 1.0
                for c in range(k):
                    slopes[i, c] /= m
            np.dot(features.T, slopes, out_y.reshape((features.shape[1], k)))
        else:
            out_y[:] = 0.0
            for draw in range(data.batch):
                i = whole_below(m, 0, sample, 0, draw)
                _row_logits(features, i, y, logits, 0)
                _to_chances(logits, 0)
                logits[0, labels[i]] -= 1.0
                for c in range(k):
                    logits[0, c] /= data.batch
                _add_record(features, i, logits, 0, out_y)
    hold(features, labels, logits, x, y, out_x, out_y)


@njit(nogil=True)
def _lower(data, x, y, sample, out_x, out_y):
    features, labels, logits = data.train, data.train_labels, data.logits
    n, k, decay = labels.size, logits.shape[1], data.regularization
    if sample < 0:
        slopes = logits[:n]
        np.dot(features, y.reshape((features.shape[1], k)), slopes)
        for i in range(n):
            weight, chosen = _weight(x[i]), slopes[i, labels[i]]
            loss = _to_chances(slopes, i) - chosen
            if out_x.size:
                out_x[i] = weight * (1.0 - weight) * loss / n
            slopes[i, labels[i]] -= 1.0
            for c in range(k):
                slopes[i, c] *= weight / n
        if out_y.size:
            np.dot(features.T, slopes, out_y.reshape((features.shape[1], k)))
    else:
        out_x[:], out_y[:] = 0.0, 0.0
        for draw in range(data.batch):
            i = whole_below(n, 0, sample, 1, draw)
            _row_logits(features, i, y, logits, 0)
            weight, chosen = _weight(x[i]), logits[0, labels[i]]
            loss = _to_chances(logits, 0) - chosen
            if out_x.size:
                out_x[i] += weight * (1.0 - weight) * loss / data.batch
            logits[0, labels[i]] -= 1.0
            for c in range(k):
                logits[0, c] *= weight / data.batch
            if out_y.size:
                _add_record(features, i, logits, 0, out_y)
    for j in range(out_y.size):
        out_y[j] += decay * y[j]
    hold(features, labels, logits, x, y, out_x, out_y)


@njit(cache=True, nogil=True, forceinline=True)
def _spread(logits, products, i, share):
    """Turn row i of the products into the Hessian of the record's loss times it, by the chances in row i of logits."""
    mean = 0.0
    for c in range(products.shape[1]):
        mean += logits[i, c] * products[i, c]
    for c in range(products.shape[1]):
        products[i, c] = share * logits[i, c] * (products[i, c] - mean)


@njit(nogil=True)
def _hessian_product(data, x, y, v, sample, out_y):
    features, labels, logits, products = data.train, data.train_labels, data.logits, data.products
    n, k, decay = labels.size, logits.shape[1], data.regularization
    shape = (features.shape[1], k)
    if sample < 0:
        np.dot(features, y.reshape(shape), logits[:n])
        np.dot(features, v.reshape(shape), products)
        for i in range(n):
            _to_chances(logits, i)
            _spread(logits, products, i, _weight(x[i]) / n)
        np.dot(features.T, products, out_y.reshape(shape))
    else:
        out_y[:] = 0.0
        for draw in range(data.batch):
            i = whole_below(n, 0, sample, 1, draw)
            _row_logits(features, i, y, logits, 0)
            _row_logits(features, i, v, products, 0)
            _to_chances(logits, 0)
            _spread(logits, products, 0, _weight(x[i]) / data.batch)
            _add_record(features, i, products, 0, out_y)
    for j in range(v.size):
        out_y[j] += decay * v[j]
    hold(features, labels, logits, products, x, y, v, out_y)


@njit(cache=True, nogil=True, forceinline=True)
def _loss_along(logits, products, i, label):
    """The derivative of the record's loss as its logits move by row i of the products."""
    total = -products[i, label]
    for c in range(products.shape[1]):
        total += logits[i, c] * products[i, c]
    return total


@njit(nogil=True)
def _cross_product(data, x, y, v, sample, out_x):
    features, labels, logits, products = data.train, data.train_labels, data.logits, data.products
    n, shape = labels.size, (features.shape[1], logits.shape[1])
    if sample < 0:
        np.dot(features, y.reshape(shape), logits[:n])
        np.dot(features, v.reshape(shape), products)
        for i in range(n):
            weight = _weight(x[i])
            _to_chances(logits, i)
            out_x[i] = weight * (1.0 - weight) * _loss_along(logits, products, i, labels[i]) / n
    else:
        out_x[:] = 0.0
        for draw in range(data.batch):
            i = whole_below(n, 0, sample, 1, draw)
            weight = _weight(x[i])
            _row_logits(features, i, y, logits, 0)
            _row_logits(features, i, v, products, 0)
            _to_chances(logits, 0)
            out_x[i] += weight * (1.0 - weight) * _loss_along(logits, products, 0, labels[i]) / data.batch
    hold(features, labels, logits, products, x, y, v, out_x)
