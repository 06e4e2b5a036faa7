"""Products of a code's matrix with gradients that are too long for a cache.

A row of the matrix has few entries, and rows next to each other have them in the same columns. So four rows go
together: eight gradients at a time are read once for all four results, in blocks of columns that stay in the cache.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["sparse_rows_product", "weighted_sum"]

_ROWS, _GRADIENTS = 4, 8  # of a step of the product
_COLUMNS_AT_ONCE = 2048
_COLUMNS_OF_SUM = 4096
_WORTH_THREADS = 1 << 22  # products


def sparse_rows_product(matrix: NDArray[Any], gradients: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    """``matrix @ gradients`` in O(entries p), where rows next to each other have their entries in the same columns.

    Parameters
    ----------
    matrix : shape (n, k)
        Mostly zeros.
    gradients : shape (k, p)
        Of a precision that the result's can hold.
    kind : float32, float64, complex64 or complex128
        Of the result. A row of the result is a sum in the order of the columns, whatever the number of threads.
    """
    n, p = len(matrix), gradients.shape[1]
    starts, columns, weights = _steps(matrix, kind)
    found = np.empty((_ROWS * (starts.size - 1), p), dtype=kind)
    given = np.ascontiguousarray(gradients)
    threads = min(os.cpu_count() or 1, -(-p // _COLUMNS_AT_ONCE)) if weights.size * p >= _WORTH_THREADS else 1
    if threads == 1:
        _multiply(starts, columns, weights, given, found, 0, p)
        return found[:n]
    share = -(-p // (8 * threads * _COLUMNS_AT_ONCE)) * _COLUMNS_AT_ONCE
    with ThreadPoolExecutor(threads) as pool:
        lows = range(0, p, share)
        list(pool.map(lambda low: _multiply(starts, columns, weights, given, found, low, min(low + share, p)), lows))
    return found[:n]


def _steps(matrix: NDArray[Any], kind: np.dtype[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Of each four rows: where their columns start; the columns, in eights; the weights, shape (columns, 4)."""
    starts, columns, weights = [0], [np.empty(0, np.int64)], [np.empty((0, _ROWS), kind)]
    for first in range(0, len(matrix), _ROWS):
        rows = matrix[first : first + _ROWS]
        used = np.flatnonzero(rows.any(axis=0))
        length = max(1, -(-used.size // _GRADIENTS)) * _GRADIENTS
        block = np.zeros((length, _ROWS), dtype=kind)
        block[: used.size, : len(rows)] = rows[:, used].T
        columns.append(np.resize(used if used.size else np.zeros(1, np.int64), length))
        weights.append(block)
        starts.append(starts[-1] + length)
    return np.array(starts), np.concatenate(columns), np.concatenate(weights)


@njit(cache=True, nogil=True, fastmath={"contract"})
def _multiply(starts, columns, weights, gradients, found, low, high):
    """Write columns low..high - 1 of the product."""
    for first in range(low, high, _COLUMNS_AT_ONCE):
        end = min(first + _COLUMNS_AT_ONCE, high)
        for group in range(starts.size - 1):
            row = _ROWS * group
            o0, o1, o2, o3 = (
                found[row, first:end],
                found[row + 1, first:end],
                found[row + 2, first:end],
                found[row + 3, first:end],
            )
            for q in range(starts[group], starts[group + 1], _GRADIENTS):
                a, b, c, d = _eight(weights, q, 0), _eight(weights, q, 1), _eight(weights, q, 2), _eight(weights, q, 3)
                g0, g1 = gradients[columns[q], first:end], gradients[columns[q + 1], first:end]
                g2, g3 = gradients[columns[q + 2], first:end], gradients[columns[q + 3], first:end]
                g4, g5 = gradients[columns[q + 4], first:end], gradients[columns[q + 5], first:end]
                g6, g7 = gradients[columns[q + 6], first:end], gradients[columns[q + 7], first:end]
                if q == starts[group]:
                    for j in range(end - first):
                        x = (g0[j], g1[j], g2[j], g3[j], g4[j], g5[j], g6[j], g7[j])
                        o0[j], o1[j], o2[j], o3[j] = _inner(a, x), _inner(b, x), _inner(c, x), _inner(d, x)
                else:
                    for j in range(end - first):
                        x = (g0[j], g1[j], g2[j], g3[j], g4[j], g5[j], g6[j], g7[j])
                        o0[j] += _inner(a, x)
                        o1[j] += _inner(b, x)
                        o2[j] += _inner(c, x)
                        o3[j] += _inner(d, x)


@njit(cache=True, nogil=True)
def _eight(weights, q, row):
    return (
        weights[q, row],
        weights[q + 1, row],
        weights[q + 2, row],
        weights[q + 3, row],
        weights[q + 4, row],
        weights[q + 5, row],
        weights[q + 6, row],
        weights[q + 7, row],
    )


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def _inner(a, x):
    return a[0] * x[0] + a[1] * x[1] + a[2] * x[2] + a[3] * x[3] + a[4] * x[4] + a[5] * x[5] + a[6] * x[6] + a[7] * x[7]


@njit(cache=True, nogil=True)
def weighted_sum(weights, rows, results, total):
    """Add weights @ results[rows] to total, column block by column block and four rows at a time."""
    columns, fours = total.size, weights.size - weights.size % 4
    for first in range(0, columns, _COLUMNS_OF_SUM):
        end = min(first + _COLUMNS_OF_SUM, columns)
        block = total[first:end]
        for i in range(0, fours, 4):
            a, b, c, d = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
            one, two = results[rows[i], first:end], results[rows[i + 1], first:end]
            three, four = results[rows[i + 2], first:end], results[rows[i + 3], first:end]
            for j in range(block.size):
                block[j] += (a * one[j] + b * two[j]) + (c * three[j] + d * four[j])
        for i in range(fours, weights.size):
            weight, row = weights[i], results[rows[i], first:end]
            for j in range(block.size):
                block[j] += weight * row[j]
