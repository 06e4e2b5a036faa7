"""Grids of two or three dimensions, matrix-free, for every solver that has no loop of its own for them.

Vectors are stored with points of a frame between the rows and planes of the grid, and before and after it. Frame points
hold 0 and stay so: the neighbours of a point lie at fixed distances, and those outside add nothing. A point's place in
the frame, or its colour, is one byte; nothing else is stored of the matrix.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from algos.contracts import whole_number
from algos.linear_solvers.stencil import Stencil, on_grid
from algos.linear_solvers.system import Check, Criterion, NotSPDError, System, check_tolerance

__all__ = ["Lattice", "grid_radius", "lattice_of", "lattice_system", "points_of", "with_frame"]


class Lattice(NamedTuple):
    """A matrix on a grid, as kernels read it."""

    kinds: np.ndarray  # (N,) uint8: 0 in the frame, 1 for points with an even sum of indices, 2 for the others
    strides: np.ndarray  # (2,) or (3,) int64, distances of neighbours
    first: int  # before the first point
    end: int  # after the last one
    diagonal: float
    neighbour: float


def lattice_of(A: Stencil) -> Lattice:
    """The grid with its frame."""
    shape = np.array(A.shape)
    framed = [*A.shape[:1], *(size + 1 for size in A.shape[1:])]
    strides = np.array([math.prod(framed[axis + 1 :]) for axis in range(len(framed))][::-1], dtype=np.int64)
    kinds = np.zeros(framed, dtype=np.uint8)
    parity = sum(np.ogrid[tuple(slice(size) for size in shape)])
    kinds[tuple(slice(size) for size in shape)] = 1 + np.asarray(parity) % 2
    margin = int(strides[-1])
    flat = np.concatenate([np.zeros(margin, np.uint8), kinds.ravel(), np.zeros(margin, np.uint8)])
    return Lattice(flat, strides, margin, margin + kinds.size, A.diagonal, A.neighbour)


def lattice_system(
    A: Stencil,
    b: ArrayLike,
    x0: ArrayLike | None,
    tolerance: Any,
    max_iterations: int,
    check: Check,
    *,
    reverse: bool = False,
    criterion: Criterion = "relative",
) -> System:
    """Check a system on a grid; vectors have their frame. Reversed, the grid is the same, and its vectors are not."""
    limit, accuracy = whole_number(max_iterations, "max_iterations", 1), check_tolerance(tolerance, criterion)
    if check not in ("none", "symmetric", "spd"):
        raise ValueError(f"check: {check!r} is not one of none, symmetric, spd")
    radius = grid_radius(A)
    if check == "spd" and not radius < 1:
        raise NotSPDError(f"A: is not positive definite, the least eigenvalue of the scaled matrix is {1 - radius:g}")
    lattice = lattice_of(A)
    vectors = on_grid(b, "b", A).ravel(), np.zeros(A.size) if x0 is None else on_grid(x0, "x0", A).ravel()
    right, start = (with_frame(lattice, v[::-1] if reverse else v) for v in vectors)
    residual = np.zeros_like(right)
    grid_true_residual(lattice, right, start, residual)
    return System(lattice, right, start, residual, accuracy, limit)


def grid_radius(A: Stencil) -> float:
    """Spectral radius of Jacobi's method on a grid, in closed form."""
    return 2 * abs(A.neighbour) / A.diagonal * sum(math.cos(math.pi / (size + 1)) for size in A.shape)


def with_frame(lattice: Lattice, vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """A vector of the points, shape (n,), with zeros in the frame."""
    framed = np.zeros(lattice.kinds.size)
    framed[lattice.kinds > 0] = vector
    return framed


def points_of(lattice: Lattice, framed: NDArray[np.float64]) -> NDArray[np.float64]:
    """A vector without its frame, shape (n,)."""
    return framed[lattice.kinds > 0]


@njit(cache=True, nogil=True)
def grid_true_residual(rows, b, x, r):
    """Store b - A x in r; its norm."""
    strides, kinds, total = rows.strides, rows.kinds, 0.0
    for i in range(rows.first, rows.end):
        if kinds[i] != 0:
            around = 0.0
            for k in range(strides.size):
                around += x[i - strides[k]] + x[i + strides[k]]
            left = b[i] - rows.diagonal * x[i] - rows.neighbour * around
            r[i] = left
            total += left * left
    return math.sqrt(total)


@njit(cache=True, nogil=True)
def grid_multiply(rows, p, q):
    """Store A p in q; the product of p and q."""
    strides, kinds, curvature = rows.strides, rows.kinds, 0.0
    for i in range(rows.first, rows.end):
        if kinds[i] != 0:
            around = 0.0
            for k in range(strides.size):
                around += p[i - strides[k]] + p[i + strides[k]]
            q[i] = rows.diagonal * p[i] + rows.neighbour * around
            curvature += p[i] * q[i]
    return curvature


@njit(cache=True, nogil=True)
def grid_jacobi_step(rows, x, r, delta, omega):
    """One damped step of Jacobi's method."""
    strides, kinds, total = rows.strides, rows.kinds, 0.0
    scale = omega / rows.diagonal
    for i in range(rows.first, rows.end):
        delta[i] = scale * r[i]
        x[i] += delta[i]
    for i in range(rows.first, rows.end):
        if kinds[i] != 0:
            around = 0.0
            for k in range(strides.size):
                around += delta[i - strides[k]] + delta[i + strides[k]]
            left = r[i] - rows.diagonal * delta[i] - rows.neighbour * around
            r[i] = left
            total += left * left
    return math.sqrt(total)


@njit(cache=True, nogil=True)
def grid_sor_step(rows, x, r, delta, omega):
    """One forward sweep; the lower part for the step, the upper part for the residual."""
    strides, kinds, total = rows.strides, rows.kinds, 0.0
    scale, rest = omega / rows.diagonal, (1.0 / omega - 1.0) * rows.diagonal
    for i in range(rows.first, rows.end):
        if kinds[i] != 0:
            before = 0.0
            for k in range(strides.size):
                before += delta[i - strides[k]]
            delta[i] = scale * (r[i] - rows.neighbour * before)
    for i in range(rows.first, rows.end):
        if kinds[i] != 0:
            after = 0.0
            for k in range(strides.size):
                after += delta[i + strides[k]]
            left = rest * delta[i] - rows.neighbour * after
            r[i] = left
            x[i] += delta[i]
            total += left * left
    return math.sqrt(total)


@njit(cache=True, nogil=True)
def grid_ssor_step(rows, x, r, delta, omega):
    """A forward sweep, and a backward one."""
    grid_sor_step(rows, x, r, delta, omega)
    strides, kinds, total = rows.strides, rows.kinds, 0.0
    scale, rest = omega / rows.diagonal, (1.0 / omega - 1.0) * rows.diagonal
    for i in range(rows.end - 1, rows.first - 1, -1):
        if kinds[i] != 0:
            after = 0.0
            for k in range(strides.size):
                after += delta[i + strides[k]]
            delta[i] = scale * (r[i] - rows.neighbour * after)
    for i in range(rows.first, rows.end):
        if kinds[i] != 0:
            before = 0.0
            for k in range(strides.size):
                before += delta[i - strides[k]]
            left = rest * delta[i] - rows.neighbour * before
            r[i] = left
            x[i] += delta[i]
            total += left * left
    return math.sqrt(total)


@njit(cache=True, nogil=True)
def grid_coloured_step(rows, x, r, delta, omega):
    """One sweep over the points of kind 1, then over those of kind 2."""
    strides, kinds, total = rows.strides, rows.kinds, 0.0
    scale, rest = omega / rows.diagonal, (1.0 / omega - 1.0) * rows.diagonal
    for colour in range(1, 3):
        for i in range(rows.first, rows.end):
            if kinds[i] == colour:
                around = 0.0
                if colour == 2:
                    for k in range(strides.size):
                        around += delta[i - strides[k]] + delta[i + strides[k]]
                delta[i] = scale * (r[i] - rows.neighbour * around)
    for i in range(rows.first, rows.end):
        if kinds[i] != 0:
            left = rest * delta[i]
            if kinds[i] == 1:
                around = 0.0
                for k in range(strides.size):
                    around += delta[i - strides[k]] + delta[i + strides[k]]
                left -= rows.neighbour * around
            r[i] = left
            x[i] += delta[i]
            total += left * left
    return math.sqrt(total)


@njit(cache=True, nogil=True)
def grid_half_sweep(rows, b, x, first, end, omega):
    """Relax the points of one colour: of kind 1 if first is 0, else of kind 2."""
    strides, kinds, colour = rows.strides, rows.kinds, 1 if first == 0 else 2
    for i in range(rows.first, rows.end):
        if kinds[i] == colour:
            around = 0.0
            for k in range(strides.size):
                around += x[i - strides[k]] + x[i + strides[k]]
            x[i] += (b[i] - rows.diagonal * x[i] - rows.neighbour * around) * (omega / rows.diagonal)


@njit(cache=True, nogil=True)
def grid_sweeps(rows, b, x, omega, count):
    """Forward sweeps without residuals."""
    strides, kinds = rows.strides, rows.kinds
    for _ in range(count):
        for i in range(rows.first, rows.end):
            if kinds[i] != 0:
                around = 0.0
                for k in range(strides.size):
                    around += x[i - strides[k]] + x[i + strides[k]]
                x[i] += (b[i] - rows.diagonal * x[i] - rows.neighbour * around) * (omega / rows.diagonal)


@njit(cache=True, nogil=True)
def grid_precondition(rows, omega, right, found):
    """Solve omega / (2 - omega) (D / omega + L) D^-1 (D / omega + L^T) found = right."""
    strides, kinds = rows.strides, rows.kinds
    scale, share = omega / rows.diagonal, (2.0 - omega) / omega * rows.diagonal
    for i in range(rows.first, rows.end):
        if kinds[i] != 0:
            before = 0.0
            for k in range(strides.size):
                before += found[i - strides[k]]
            found[i] = scale * (right[i] - rows.neighbour * before)
    for i in range(rows.first, rows.end):
        found[i] *= share
    for i in range(rows.end - 1, rows.first - 1, -1):
        if kinds[i] != 0:
            after = 0.0
            for k in range(strides.size):
                after += found[i + strides[k]]
            found[i] = scale * (found[i] - rows.neighbour * after)


@njit(cache=True, nogil=True)
def grid_by_diagonal(rows, omega, right, found):
    """Divide by the diagonal."""
    for i in range(rows.first, rows.end):
        found[i] = right[i] / rows.diagonal
