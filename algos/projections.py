"""Euclidean projections, in place and without memory of their own: boxes, a simplex, a product of simplices.

The threshold of a simplex is found by C. Michelot's method, "A finite algorithm for finding the projection of a point
onto the canonical simplex of R^n", Journal of Optimization Theory and Applications 50, 1986: no sorting, no scratch.
"""

from __future__ import annotations

from numba import njit

__all__ = ["project_box", "project_simplex", "project_simplices"]


@njit(cache=True, nogil=True)
def project_box(point, low, high):
    """Move a point to the nearest one of the box.

    Parameters
    ----------
    point : float64, shape (d,)
        Changed in place.
    low, high : float64, shape (d,)
        Sides, low <= high; -inf and inf where there is none.
    """
    for i in range(point.size):
        point[i] = min(max(point[i], low[i]), high[i])


@njit(cache=True, nogil=True)
def project_simplex(point, total):
    """Move a point to the nearest one with no negative entry and the given sum.

    Parameters
    ----------
    point : float64, shape (d,)
        Changed in place.
    total : float >= 0

    Notes
    -----
    Each pass drops entries below the threshold: d passes over d entries at worst, a handful as a rule.

    Examples
    --------
    >>> import numpy as np
    >>> point = np.array([0.5, 1.5, -1.0])
    >>> project_simplex(point, 1.0)
    >>> point
    array([0., 1., 0.])
    """
    _project_part(point, 0, point.size, total)


@njit(cache=True, nogil=True)
def project_simplices(point, offsets, totals):
    """Move a point to the nearest one of a product of simplices.

    Parameters
    ----------
    point : float64, shape (d,)
        Changed in place.
    offsets : int64, shape (k + 1,)
        Simplex j has the entries offsets[j], ..., offsets[j + 1] - 1.
    totals : float64 >= 0, shape (k,)
    """
    for j in range(totals.size):
        _project_part(point, offsets[j], offsets[j + 1], totals[j])


@njit(cache=True, nogil=True)
def _project_part(point, first, end, total):
    """Entries first, ..., end - 1 to max(entry - threshold, 0), whose sum is the total."""
    highest = point[first]
    for i in range(first + 1, end):
        highest = max(highest, point[i])
    if total <= 0.0:
        for i in range(first, end):
            point[i] = 0.0
        return
    # No entry below highest - total stays; measured from the highest, no digits are lost on far points.
    threshold, kept = -total, 0
    while True:
        gathered, count = 0.0, 0
        for i in range(first, end):
            if point[i] - highest > threshold:
                gathered += point[i] - highest
                count += 1
        if count == kept:
            break
        kept = count
        threshold = (gathered - total) / count
    for i in range(first, end):
        point[i] = max(point[i] - highest - threshold, 0.0)
