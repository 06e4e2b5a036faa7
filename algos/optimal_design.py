"""Which arms to pull when means are linear in known features: Max-Det collections and G-optimal designs.

* A Max-Det collection of vectors is a basis among them of largest volume. Every vector is then a combination of the
  basis with coefficients in [-1, 1] (Cramer's rule), so that noise in the basis is not blown up. All analyses use this
  property alone, and every basis that no single swap enlarges has it.
* A G-optimal design is a distribution over vectors that minimizes the largest variance of an estimated mean. By the
  equivalence theorem it maximizes the determinant of the information matrix, and the largest variance is the rank.

Sources: arXiv:2401.09073, Definition 3.1 (Max-Det collection); S. A. Goreinov et al., "How to find a good submatrix",
2010 (swaps, there called maxvol); J. Kiefer, J. Wolfowitz, "The equivalence of two extremum problems", 1960;
C. L. Atwood, "Sequences converging to D-optimal designs of experiments", 1973 (steps toward and away from a vector).
"""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

__all__ = ["MaxDet", "g_optimal_design", "g_optimal_weights", "max_det_collection", "rank_of_rows"]

_RANK_TOLERANCE = 1e-10  # what is left of a vector counts as nothing below this share of the longest vector
_MOST_SUBSETS = 2_000_000
_FRESH_EVERY = 50  # swaps between two fresh solves
_REFACTOR_EVERY = 100  # steps between two fresh inverses
_LEAST_WEIGHT = 1e-9


class MaxDet(NamedTuple):
    """A basis among given vectors, and every vector in its coordinates."""

    basis: NDArray[np.int64]  # (r,) indices of the basis, increasing; r is the rank
    coefficients: NDArray[np.float64]  # (s, r): vector i = sum over b of coefficients[i, b] * vectors[basis[b]]


def max_det_collection(
    vectors: ArrayLike, *, method: Literal["local", "exact"] = "local", tolerance: float = 1e-9
) -> MaxDet:
    """A basis among the rows of a matrix of which every row is a combination with coefficients in [-1, 1].

    Parameters
    ----------
    vectors : float array, shape (s, d)
        Rows of any rank; rank-deficient and zero rows are fine.
    method : {"local", "exact"}
        A volume that no single swap enlarges by more than the tolerance, or the largest of all. Exact search looks at
        all subsets, up to two million of them, and takes the first in lexicographic order on ties.
    tolerance : float >= 0
        Local search stops when all coefficients are within 1 + tolerance.

    Returns
    -------
    MaxDet
        Indices of the basis, and the coefficients of every row.

    Raises
    ------
    ValueError
        When the matrix is empty or not finite, or exact search would be too long.

    Notes
    -----
    A greedy start takes the row with the longest part outside the span so far; a swap enlarges the volume by the factor
    of the coefficient that exceeded 1. O(s d r) for the start and O(s r) a swap; there are seldom more than a few.

    Examples
    --------
    >>> max_det_collection([[1.0, 0.0], [0.9, 0.0], [0.0, 0.1], [0.5, 0.05]])
    MaxDet(basis=array([0, 2]), coefficients=array([[1. , 0. ], [0.9, 0. ], [0. , 1. ], [0.5, 0.5]]))
    """
    rows = _matrix(vectors)
    if not 0.0 <= tolerance < math.inf:
        raise ValueError(f"tolerance: {tolerance} is outside [0, inf)")
    if method == "local":
        basis, coefficients = _local_max_det(rows, tolerance)
    elif method == "exact":
        basis, coefficients = _exact_max_det(rows)
    else:
        raise ValueError(f"method: {method!r} is neither 'local' nor 'exact'")
    order = np.argsort(basis)
    return MaxDet(basis[order], coefficients[:, order])


def g_optimal_design(
    vectors: ArrayLike, *, tolerance: float = 1e-6, reduce_support: bool = True
) -> NDArray[np.float64]:
    """Weights over vectors that minimize the largest variance a_i' V^-1 a_i, where V = sum_i weight_i a_i a_i'.

    Parameters
    ----------
    vectors : float array, shape (s, d)
        Rows of any rank r >= 1.
    tolerance : float in (0, 1)
        The largest variance is at most r (1 + tolerance), and that of each supporting vector at least
        r (1 - tolerance).
    reduce_support : bool
        Move weights, with V unchanged, until at most r (r + 1) / 2 are positive.

    Returns
    -------
    float64 array, shape (s,)
        Weights >= 0 that sum to one; those below 1e-9 are set to zero.

    Raises
    ------
    ValueError
        When the matrix is empty, not finite, or zero.

    Warns
    -----
    RuntimeWarning
        When the steps run out before the tolerance is reached.

    Notes
    -----
    Frank-Wolfe with away steps, from equal weights on a Max-Det collection, in whose coordinates V starts as a multiple
    of the identity. O(s r) a step.

    Examples
    --------
    >>> g_optimal_design([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    array([0.5, 0.5, 0. ])
    """
    rows = _matrix(vectors)
    if not 0.0 < tolerance < 1.0:
        raise ValueError(f"tolerance: {tolerance} is outside (0, 1)")
    basis, coordinates = _local_max_det(rows, 1e-9)
    rank = basis.size
    if rank == 0:
        raise ValueError("vectors: all rows are zero")
    most = _most_steps(rows.shape[0], rank)
    weights, converged = _frank_wolfe(coordinates, basis, tolerance, most)
    if not converged:
        warnings.warn(f"g_optimal_design: {most} steps did not reach {tolerance}", RuntimeWarning, stacklevel=2)
    weights[weights < _LEAST_WEIGHT] = 0.0
    if reduce_support:
        weights = _reduced_support(coordinates, weights)
    return weights / weights.sum()


def rank_of_rows(vectors: NDArray[np.float64], subsets: NDArray[np.int64], enough: int) -> NDArray[np.int64]:
    """Rank of each subset of rows, or `enough` where it is that much or more.

    Parameters
    ----------
    vectors : float array, shape (s, d)
        The rows.
    subsets : int64 array, shape (n, k)
        Indices of the rows of each subset.
    enough : int >= 0
        Counting stops here, which makes it cheap when a small rank is all that matters.
    """
    return _ranks(np.ascontiguousarray(vectors), subsets, enough)


def _matrix(vectors: Any) -> NDArray[np.float64]:
    try:
        rows = np.array(vectors, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise ValueError("vectors: must be a matrix of finite numbers") from None
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"vectors: must be a non-empty matrix, got shape {rows.shape}")
    if not np.isfinite(rows).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(rows))[0])
        raise ValueError(f"vectors: entry {where} is {rows[where]}; every entry must be finite")
    largest = np.abs(rows).max()
    # Volumes and ranks do not care for the scale, squares of huge or tiny numbers do.
    return rows / largest if largest > 0 else rows


def _exact_max_det(rows: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The basis of largest volume by looking at all of them, and the coefficients."""
    frame, _ = _orthonormal_frame(rows)
    rank = frame.shape[0]
    if math.comb(rows.shape[0], rank) > _MOST_SUBSETS:
        raise ValueError(
            f"method: 'exact' would look at comb({rows.shape[0]}, {rank}) subsets, more than {_MOST_SUBSETS}"
        )
    reduced = rows @ frame.T
    best: tuple[int, ...] = tuple(range(rank))
    volume = -math.inf
    subsets = itertools.combinations(range(rows.shape[0]), rank)
    while chunk := list(itertools.islice(subsets, 4096)):
        volumes = np.abs(np.linalg.det(reduced[np.array(chunk, dtype=np.int64)]))
        for i in np.flatnonzero(volumes > volume * (1 + 1e-12) if volume > 0 else volumes > volume):
            if volumes[i] > volume * (1 + 1e-12) or volume == -math.inf:
                best, volume = chunk[i], float(volumes[i])
    basis = np.array(best, dtype=np.int64)
    coefficients = np.linalg.solve(reduced[basis].T, reduced.T).T if rank else np.zeros((rows.shape[0], 0))
    coefficients[basis] = np.eye(rank)
    return basis, np.ascontiguousarray(coefficients)


def _reduced_support(coordinates: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same information matrix from at most r (r + 1) / 2 vectors."""
    rank = coordinates.shape[1]
    support = np.flatnonzero(weights)
    if support.size <= rank * (rank + 1) // 2:
        return weights
    upper = np.triu_indices(rank)
    products = coordinates[support][:, upper[0]] * coordinates[support][:, upper[1]]  # one row a vector
    kept = weights[support].copy()
    while support.size > upper[0].size:
        # A combination of the outer products that is zero: more of them than dimensions, so there is one.
        null = np.linalg.svd(products.T, full_matrices=True)[2][-1]
        null = null if null.max() >= -null.min() else -null
        ratios = np.where(null > 0, kept / np.where(null > 0, null, 1.0), np.inf)
        leaving = int(np.argmin(ratios))
        kept = np.maximum(kept - ratios[leaving] * null, 0.0)
        kept[leaving] = 0.0
        stays = kept > 0
        support, products, kept = support[stays], products[stays], kept[stays]
    reduced = np.zeros_like(weights)
    reduced[support] = kept
    return reduced


@njit(cache=True, nogil=True)
def _orthonormal_frame(rows):
    """Orthonormal rows that span those of a matrix, shape (r, d), and the row behind each: greedy, longest rest first.

    What is left of a row counts as nothing below 1e-10 of the longest row.
    """
    n, dimension = rows.shape
    rest = rows.copy()
    most = min(n, dimension)
    frame = np.empty((most, dimension))
    basis = np.empty(most, np.int64)
    rank, floor = 0, 0.0
    for k in range(most):
        longest, pivot = -1.0, 0
        for i in range(n):
            square = 0.0
            for j in range(dimension):
                square += rest[i, j] * rest[i, j]
            if square > longest:
                longest, pivot = square, i
        if k == 0:
            floor = longest * _RANK_TOLERANCE * _RANK_TOLERANCE
        if longest <= floor:
            break
        _orthonormalize(rest[pivot], frame, k)
        basis[k] = pivot
        rank = k + 1
        for i in range(n):
            along = 0.0
            for j in range(dimension):
                along += rest[i, j] * frame[k, j]
            for j in range(dimension):
                rest[i, j] -= along * frame[k, j]
        for j in range(dimension):
            rest[pivot, j] = 0.0
    return frame[:rank].copy(), basis[:rank].copy()


@njit(cache=True)
def _orthonormalize(row, frame, k):
    """Store in frame[k] the unit vector of a row's part outside the span of frame[:k]."""
    dimension = row.size
    for j in range(dimension):
        frame[k, j] = row[j]
    for _ in range(2):  # once more, for what rounding left
        for i in range(k):
            along = 0.0
            for j in range(dimension):
                along += frame[k, j] * frame[i, j]
            for j in range(dimension):
                frame[k, j] -= along * frame[i, j]
        square = 0.0
        for j in range(dimension):
            square += frame[k, j] * frame[k, j]
        norm = math.sqrt(square)
        for j in range(dimension):
            frame[k, j] /= norm


@njit(cache=True, nogil=True)
def _coefficients(rows, basis):
    """Coefficients of all rows over a basis among them, shape (s, r)."""
    n, dimension = rows.shape
    rank = basis.size
    frame = np.empty((rank, dimension))
    for k in range(rank):
        _orthonormalize(rows[basis[k]], frame, k)
    lower = np.empty((rank, rank))  # the basis in the frame's coordinates: triangular
    for k in range(rank):
        for m in range(k + 1):
            total = 0.0
            for j in range(dimension):
                total += rows[basis[k], j] * frame[m, j]
            lower[k, m] = total
    solved = np.empty((n, rank))
    for i in range(n):
        for k in range(rank):
            total = 0.0
            for j in range(dimension):
                total += rows[i, j] * frame[k, j]
            solved[i, k] = total
        for k in range(rank - 1, -1, -1):
            value = solved[i, k] / lower[k, k]
            solved[i, k] = value
            for m in range(k):
                solved[i, m] -= value * lower[k, m]
    for k in range(rank):
        for m in range(rank):
            solved[basis[k], m] = 1.0 if m == k else 0.0
    return solved


@njit(cache=True, nogil=True)
def _local_max_det(rows, tolerance):
    """A basis that no swap enlarges, and the coefficients over it."""
    _, basis = _orthonormal_frame(rows)
    n, rank = rows.shape[0], basis.size
    solved = _coefficients(rows, basis)
    fresh, since, done = True, 0, rank == 0
    while not done:
        largest, row, column = 0.0, 0, 0
        for i in range(n):
            for k in range(rank):
                size = abs(solved[i, k])
                if size > largest:
                    largest, row, column = size, i, k
        if largest <= 1.0 + tolerance:
            if fresh:
                done = True
            else:  # the updates may have drifted: look once more
                solved, fresh, since = _coefficients(rows, basis), True, 0
        else:
            basis[column] = row
            fresh, since = False, since + 1
            if since == _FRESH_EVERY:
                solved, fresh, since = _coefficients(rows, basis), True, 0
            else:
                _swap(solved, row, column)
    return basis, solved


@njit(cache=True)
def _swap(solved, row, column):
    """Update the coefficients when a row takes a place in the basis."""
    n, rank = solved.shape
    pivot = solved[row, column]
    change = solved[row].copy()
    change[column] -= 1.0
    for i in range(n):
        factor = solved[i, column] / pivot
        if factor != 0.0:
            for k in range(rank):
                solved[i, k] -= factor * change[k]


@njit(cache=True, nogil=True)
def _ranks(rows, subsets, enough):
    found = np.empty(subsets.shape[0], np.int64)
    for s in range(subsets.shape[0]):
        found[s] = _rank(rows[subsets[s]], enough)
    return found


@njit(cache=True)
def _rank(rest, enough):
    """Rank of a matrix, or `enough` if that is less; the matrix is used up. The rule is that of the frame."""
    n, dimension = rest.shape
    direction = np.empty(dimension)
    rank, floor = 0, 0.0
    for k in range(min(n, dimension, enough)):
        longest, pivot = -1.0, 0
        for i in range(n):
            square = 0.0
            for j in range(dimension):
                square += rest[i, j] * rest[i, j]
            if square > longest:
                longest, pivot = square, i
        if k == 0:
            floor = longest * _RANK_TOLERANCE * _RANK_TOLERANCE
        if longest <= floor:
            break
        rank = k + 1
        norm = math.sqrt(longest)
        for j in range(dimension):
            direction[j] = rest[pivot, j] / norm
        for i in range(n):
            along = 0.0
            for j in range(dimension):
                along += rest[i, j] * direction[j]
            for j in range(dimension):
                rest[i, j] -= along * direction[j]
        for j in range(dimension):
            rest[pivot, j] = 0.0
    return rank


@njit(cache=True, nogil=True)
def _frank_wolfe(rows, basis, tolerance, most):
    """Weights of a G-optimal design over rows whose basis is the identity, and whether the tolerance was reached."""
    n, rank = rows.shape
    weights = np.zeros(n)
    inverse = np.zeros((rank, rank))
    for k in range(rank):
        weights[basis[k]] = 1.0 / rank
        inverse[k, k] = float(rank)
    variances = np.empty(n)
    _variances(rows, inverse, variances)
    image = np.empty(rank)
    converged = False
    for step in range(most):
        toward, away = 0, -1
        for i in range(n):
            if variances[i] > variances[toward]:
                toward = i
            if weights[i] > 0.0 and (away < 0 or variances[i] < variances[away]):
                away = i
        high, low = variances[toward], variances[away]
        if high <= rank * (1.0 + tolerance) and low >= rank * (1.0 - tolerance):
            converged = True
            break
        if high - rank >= rank - low:
            chosen = toward
            move = (high / rank - 1.0) / (high - 1.0)
            drop = False
        else:
            chosen = away
            move = (1.0 - low / rank) / (low - 1.0) if low > 1.0 else math.inf
            limit = weights[away] / (1.0 - weights[away])
            drop = move >= limit
            move = -min(move, limit)
        for i in range(n):
            weights[i] *= 1.0 - move
        weights[chosen] = 0.0 if drop else weights[chosen] + move
        if step % _REFACTOR_EVERY == _REFACTOR_EVERY - 1:
            _invert_information(rows, weights, inverse)
            _variances(rows, inverse, variances)
        else:
            # V <- (1 - move) V + move a a': Sherman and Morrison, for the inverse and for each variance.
            for k in range(rank):
                total = 0.0
                for m in range(rank):
                    total += inverse[k, m] * rows[chosen, m]
                image[k] = total
            share = move / (1.0 - move)
            factor = share / (1.0 + share * variances[chosen])
            scale = 1.0 / (1.0 - move)
            for k in range(rank):
                for m in range(rank):
                    inverse[k, m] = scale * (inverse[k, m] - factor * image[k] * image[m])
            for i in range(n):
                along = 0.0
                for m in range(rank):
                    along += rows[i, m] * image[m]
                variances[i] = scale * (variances[i] - factor * along * along)
    return weights, converged


@njit(cache=True, nogil=True)
def g_optimal_weights(rows, tolerance):
    """For kernels: the rows over a basis among them, shape (s, r), G-optimal weights, and their largest variance.

    Rows are finite, of a scale near 1; the rank r may be anything, 0 included. `g_optimal_design` says what `tolerance`
    is, and does more.
    """
    basis, coordinates = _local_max_det(rows, 1e-9)
    rank = basis.size
    variances, inverse = np.zeros(rows.shape[0]), np.zeros((rank, rank))
    if rank == 0:
        return coordinates, np.zeros(rows.shape[0]), 0.0
    weights, _ = _frank_wolfe(coordinates, basis, tolerance, _most_steps(rows.shape[0], rank))
    _invert_information(coordinates, weights, inverse)
    _variances(coordinates, inverse, variances)
    return coordinates, weights, variances.max()


@njit(cache=True)
def _most_steps(n, rank):
    return int(100 * rank * math.log(n + 1.0) + 10_000)


@njit(cache=True)
def _variances(rows, inverse, variances):
    n, rank = rows.shape
    for i in range(n):
        total = 0.0
        for k in range(rank):
            along = 0.0
            for m in range(rank):
                along += inverse[k, m] * rows[i, m]
            total += rows[i, k] * along
        variances[i] = total


@njit(cache=True)
def _invert_information(rows, weights, inverse):
    """Inverse of sum_i weight_i a_i a_i', by elimination: it is positive definite, no pivoting is needed."""
    n, rank = rows.shape
    matrix = np.zeros((rank, rank))
    for i in range(n):
        if weights[i] > 0.0:
            for k in range(rank):
                for m in range(rank):
                    matrix[k, m] += weights[i] * rows[i, k] * rows[i, m]
    for k in range(rank):
        for m in range(rank):
            inverse[k, m] = 1.0 if k == m else 0.0
    for k in range(rank):
        pivot = matrix[k, k]
        for m in range(rank):
            matrix[k, m] /= pivot
            inverse[k, m] /= pivot
        for i in range(rank):
            if i != k:
                factor = matrix[i, k]
                for m in range(rank):
                    matrix[i, m] -= factor * matrix[k, m]
                    inverse[i, m] -= factor * inverse[k, m]
