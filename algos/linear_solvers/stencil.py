"""Grids with constant coefficients: the matrix is never stored, and sweeps run over two or three arrays.

In natural order an unknown waits for its west neighbour. The update is written so that everything else is added up
before: only one multiplication and one addition are on the path from one unknown to the next.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PlainValidator

from algos.contracts import description, whole_number
from algos.linear_solvers.system import (
    CONVERGED,
    DIVERGED,
    MAX_ITERATIONS,
    STAGNATED,
    check_omega,
)

__all__ = ["Stencil", "relax_red_black"]


def _grid(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or len(value) not in (2, 3):
        raise ValueError("must be two or three whole numbers >= 1")
    return tuple(whole_number(size, f"entry {place}", 1) for place, size in enumerate(value))


@description
class Stencil:
    """A matrix on a grid: `diagonal` for each point, `neighbour` for each of its neighbours, 0 on the boundary.

    Parameters
    ----------
    shape : two or three ints >= 1
        Points of the grid; unknowns are numbered row by row.
    diagonal : float > 0
        4 or 6 for the Laplacian, plus a shift.
    neighbour : float
        -1 for the Laplacian.

    Examples
    --------
    >>> Stencil((2, 2)).tocsr().toarray()
    array([[ 4., -1., -1.,  0.],
           [-1.,  4.,  0., -1.],
           [-1.,  0.,  4., -1.],
           [ 0., -1., -1.,  4.]])
    """

    shape: Annotated[Any, PlainValidator(_grid)]
    diagonal: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 4.0
    neighbour: Annotated[float, Field(allow_inf_nan=False)] = -1.0

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return math.prod(self.shape)

    def tocsr(self) -> Any:
        """The matrix itself, as SciPy CSR."""
        from scipy import sparse

        matrix = self.diagonal * sparse.identity(self.size, format="csr")
        for axis, points in enumerate(self.shape):
            line = sparse.diags([self.neighbour] * 2, [-1, 1], shape=(points, points))
            before, after = math.prod(self.shape[:axis]), math.prod(self.shape[axis + 1 :])
            matrix = matrix + sparse.kron(sparse.kron(sparse.identity(before), line), sparse.identity(after))
        return sparse.csr_matrix(matrix)


def relax_stencil(A: Stencil, x: NDArray[np.float64], b: NDArray[np.float64], omega: float, sweeps: int) -> None:
    """Sweeps of SOR in natural order; as `relax`, which calls it."""
    check_arrays(A, x, b)
    _sweep(b, x, A.diagonal, A.neighbour, omega, sweeps)


def relax_red_black(A: Stencil, x: NDArray[np.float64], b: NDArray[np.float64], omega: float, sweeps: int = 1) -> None:
    """Sweeps of red-black SOR in place on a grid; red points have an even sum of indices. Parameters as for `relax`.

    The two colours are taken apart into arrays of their own, in which a sweep has no dependencies.
    """
    if len(A.shape) != 2:
        raise ValueError(f"A: needs a grid of two dimensions, got shape {A.shape}")
    check_arrays(A, x, b)
    count = whole_number(sweeps, "sweeps", 0)
    rows, columns = A.shape
    half = (columns + 1) // 2
    # Row i of an array holds points i, j with j = 2 k + offset; a frame of zeros around.
    red, black = np.zeros((rows + 2, half + 2)), np.zeros((rows + 2, half + 2))
    red_b, black_b = np.zeros((rows + 2, half + 2)), np.zeros((rows + 2, half + 2))
    _split(x, red, black)
    _split(b, red_b, black_b)
    _sweep_colours(red, black, red_b, black_b, rows, columns, A.diagonal, A.neighbour, check_omega(omega), count)
    _join(x, red, black)


def check_arrays(A: Stencil, x: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    """The iterate and the right-hand side of sweeps in place: C-contiguous, of the shape of the grid."""
    arrays: tuple[tuple[str, Any], ...] = (("x", x), ("b", b))
    for name, array in arrays:
        right = isinstance(array, np.ndarray) and array.dtype == np.float64 and array.shape == A.shape
        if not right or not array.flags.c_contiguous:
            raise ValueError(f"{name}: must be a C-contiguous float64 array of shape {A.shape}")


def on_grid(value: ArrayLike, name: str, A: Stencil) -> NDArray[np.float64]:
    array = np.array(value, dtype=np.float64)
    if array.shape not in ((A.size,), A.shape):
        raise ValueError(f"{name}: must have shape ({A.size},), got {array.shape}")
    if not np.isfinite(array).all():
        place = int(np.argmax(~np.isfinite(array.ravel())))
        raise ValueError(f"{name}: entry {place} is {array.ravel()[place]}; every entry must be finite")
    return array.reshape(A.shape)


@njit(cache=True, nogil=True)
def grid_residual(b, x, r, diagonal, neighbour):
    """Store b - A x in r, for x with its frame; the norm."""
    total = 0.0
    for i in range(b.shape[0]):
        for j in range(b.shape[1]):
            around = x[i, j + 1] + x[i + 2, j + 1] + x[i + 1, j] + x[i + 1, j + 2]
            left = b[i, j] - diagonal * x[i + 1, j + 1] - neighbour * around
            r[i, j] = left
            total += left * left
    return math.sqrt(total)


@njit(cache=True, nogil=True)
def grid_sor(b, x, r, diagonal, neighbour, omega, threshold, most, norms):
    """SOR in residual form on a grid, x with its frame: iterations, and the status."""
    rows, columns = b.shape
    delta = np.zeros((rows + 1, columns + 1))  # of rows 0, ..., and a frame below and to the right
    zeros = np.zeros(columns + 1)
    norm = grid_residual(b, x, r, diagonal, neighbour)
    norms[0] = norm
    last_true = math.inf
    west, rest = -omega * neighbour / diagonal, (1.0 / omega - 1.0) * diagonal
    scale = omega / diagonal
    k = 0
    while True:
        if norm <= threshold:
            norm = grid_residual(b, x, r, diagonal, neighbour)
            if norm <= threshold:
                return k, CONVERGED
            if norm > 0.99 * last_true:
                return k, STAGNATED
            last_true = norm
        if not math.isfinite(norm):
            return k, DIVERGED
        if k == most:
            grid_residual(b, x, r, diagonal, neighbour)
            return k, MAX_ITERATIONS
        for i in range(rows):
            above = delta[i - 1] if i > 0 else zeros
            before = 0.0
            for j in range(columns):
                # All but the west neighbour is known long before.
                before = (scale * r[i, j] + west * above[j]) + west * before
                delta[i, j] = before
        total = 0.0
        for i in range(rows):
            for j in range(columns):
                left = rest * delta[i, j] - neighbour * (delta[i, j + 1] + delta[i + 1, j])
                r[i, j] = left
                x[i + 1, j + 1] += delta[i, j]
                total += left * left
        norm = math.sqrt(total)
        k += 1
        if norms.size > 1:
            norms[k] = norm


@njit(cache=True, nogil=True)
def _sweep(b, x, diagonal, neighbour, omega, sweeps):
    """Two rows at a time, the lower one a column behind: two chains of dependent sums side by side."""
    rows, columns = b.shape
    zeros = np.zeros(columns)
    keep, scale, side = 1.0 - omega, omega / diagonal, -omega * neighbour / diagonal
    paired = rows - rows % 2 if columns > 1 else 0
    for _ in range(sweeps):
        for i in range(0, paired, 2):
            above, top, low = x[i - 1] if i > 0 else zeros, x[i], x[i + 1]
            below = x[i + 2] if i + 2 < rows else zeros
            right, beside = b[i], b[i + 1]
            known = keep * top[0] + scale * right[0] + side * ((above[0] + low[0]) + top[1])
            before, behind = known, 0.0
            top[0] = before
            for j in range(1, columns - 1):
                under = keep * low[j - 1] + scale * beside[j - 1] + side * ((before + below[j - 1]) + low[j])
                known = keep * top[j] + scale * right[j] + side * ((above[j] + low[j]) + top[j + 1])
                behind = under + side * behind
                before = known + side * before
                low[j - 1] = behind
                top[j] = before
            j = columns - 1
            under = keep * low[j - 1] + scale * beside[j - 1] + side * ((before + below[j - 1]) + low[j])
            behind = under + side * behind
            before = keep * top[j] + scale * right[j] + side * (above[j] + low[j]) + side * before
            low[j - 1] = behind
            top[j] = before
            low[j] = keep * low[j] + scale * beside[j] + side * (before + below[j]) + side * behind
        for i in range(paired, rows):
            above = x[i - 1] if i > 0 else zeros
            below = x[i + 1] if i + 1 < rows else zeros
            row, right = x[i], b[i]
            before = 0.0
            for j in range(columns - 1):
                known = keep * row[j] + scale * right[j] + side * ((above[j] + below[j]) + row[j + 1])
                before = known + side * before
                row[j] = before
            j = columns - 1
            row[j] = keep * row[j] + scale * right[j] + side * (above[j] + below[j]) + side * before


@njit(cache=True, nogil=True)
def _split(x, red, black):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if (i + j) % 2 == 0:
                red[i + 1, j // 2 + 1] = x[i, j]
            else:
                black[i + 1, j // 2 + 1] = x[i, j]


@njit(cache=True, nogil=True)
def _join(x, red, black):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] = red[i + 1, j // 2 + 1] if (i + j) % 2 == 0 else black[i + 1, j // 2 + 1]


@njit(cache=True, nogil=True)
def _sweep_colours(red, black, red_b, black_b, rows, columns, diagonal, neighbour, omega, sweeps):
    keep, scale, side = 1.0 - omega, omega / diagonal, -omega * neighbour / diagonal
    for _ in range(sweeps):
        for colour in range(2):
            own, other, right = (red, black, red_b) if colour == 0 else (black, red, black_b)
            for i in range(1, rows + 1):
                # Where the first point of the colour is in column 0, its neighbours in the row are the other colour's
                # at k - 1 and k; where it is in column 1, those at k and k + 1.
                odd = (i - 1 + colour) % 2
                count = (columns + 1 - odd) // 2
                row, known = own[i], right[i]
                above, below, beside = other[i - 1], other[i + 1], other[i]
                if odd == 1:
                    for k in range(1, count + 1):
                        around = (above[k] + below[k]) + (beside[k] + beside[k + 1])
                        row[k] = keep * row[k] + scale * known[k] + side * around
                else:
                    for k in range(1, count + 1):
                        around = (above[k] + below[k]) + (beside[k - 1] + beside[k])
                        row[k] = keep * row[k] + scale * known[k] + side * around
