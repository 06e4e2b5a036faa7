"""Sequences of systems on a square grid: Laplacians with random shifts, and the heat equation step by step.

Source: M. Khodak et al., arXiv:2310.02246, Section 4 and Appendix G, with the code of the authors where it differs from
the text (errata E11 and E12): the coefficient is max(0.1 s, -10 s) with s = sin 2 pi t, the source moves on a circle,
the bump is exp(1 - 1 / (1 - q)), the context is the coefficient at the start of the step although the matrix has that
of its middle; and the matrix "of size 100" is that of a grid of 10 x 10.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field, model_validator

from algos.contracts import Count, check_generator, description
from algos.linear_solvers import GridKernels, LinearSystem, Stencil

__all__ = ["HeatCN", "HeatImplicitEuler", "ShiftedLaplacian2D"]

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]

DIAGONAL, NEIGHBOUR, CONTEXT, RADIUS = range(4)


class _GridRun:
    """A sequence on a grid under way, one system at a time."""

    def __init__(self, kernels: GridKernels, params: Any, rng: np.random.Generator) -> None:
        self._kernels, self._rng = kernels, check_generator(rng, "the sequence of systems")
        self._state = kernels.start(params, rng)
        self._t, self._open = 0, False

    def next(self) -> LinearSystem:
        """The system at hand."""
        if not self._open:
            self._t += 1
            self._kernels.advance(self._state, self._t, self._rng)
            self._open = True
        numbers, b = self._state.numbers, self._state.b
        grid = Stencil(b.shape, float(numbers[DIAGONAL]), float(numbers[NEIGHBOUR]))
        start = self._state.x[1:-1, 1:-1].ravel()
        return LinearSystem(grid, b.ravel().copy(), float(numbers[CONTEXT]), start.copy(), float(numbers[RADIUS]))

    def advance(self, x: NDArray[np.float64]) -> None:
        """Take the solution of the system at hand, shape (n,)."""
        if not self._open:
            raise ValueError("advance: no system is open; call next first")
        inner = self._state.x[1:-1, 1:-1]
        inner[:] = np.asarray(x, dtype=np.float64).reshape(inner.shape)
        self._open = False


class _OnGrid:
    """What sequences on grids share."""

    def start(self, rng: np.random.Generator) -> _GridRun:
        """Begin anew, drawing from `rng` only."""
        return _GridRun(self.grid_kernels(), self.grid_parameters(), rng)

    def grid_kernels(self) -> GridKernels:
        """The functions."""
        raise NotImplementedError

    def grid_parameters(self) -> Any:
        """What they get."""
        raise NotImplementedError


class _Shifted(NamedTuple):
    size: int
    lowest: float
    width: float
    a: float
    b: float


class _ShiftedState(NamedTuple):
    b: np.ndarray  # (m, m) float64
    x: np.ndarray  # (m + 2, m + 2) float64
    numbers: np.ndarray  # (4,) float64
    lowest: float
    width: float
    first: float
    second: float


@description
class ShiftedLaplacian2D(_OnGrid):
    """(4 + c) on the diagonal, -1 for each neighbour on a grid of m x m, with a random shift c as context.

    c = lowest + width Beta(a, b). The right-hand side is standard normal, given that its squared norm is at most n; the
    solver starts at 0.

    Parameters
    ----------
    m : int >= 1
        Points in each dimension; n = m^2.
    a, b : float > 0
        Of the beta distribution: (2, 6) is the paper's low variance, (1/2, 3/2) its high one; both have mean c = 0.
    lowest : float
        Smallest shift, above -8 sin^2(pi / (2 (m + 1))), where the matrix is singular.
    width : float > 0
        Length of the interval of shifts.

    Examples
    --------
    >>> run = ShiftedLaplacian2D().start(np.random.default_rng(0))
    >>> system = run.next()
    >>> system.A.size, -0.15 <= system.context <= 0.45, float(system.b @ system.b) <= 100
    (100, True, True)
    """

    m: Count = 10
    a: Positive = 2.0
    b: Positive = 6.0
    lowest: Finite = -0.15
    width: Positive = 0.6

    @model_validator(mode="after")
    def _definite(self) -> ShiftedLaplacian2D:
        least = -8 * math.sin(math.pi / (2 * (self.m + 1))) ** 2
        if not self.lowest > least:
            raise ValueError(f"lowest = {self.lowest:g}: must be above {least:.6g} for m = {self.m}")
        return self

    def grid_kernels(self) -> GridKernels:
        """The functions."""
        return GridKernels(_start_shifted, _advance_shifted)

    def grid_parameters(self) -> _Shifted:
        """The fields."""
        return _Shifted(self.m, self.lowest, self.width, self.a, self.b)


class _Heat(NamedTuple):
    points: int
    step: float
    implicit: float
    mild: float


class _HeatState(NamedTuple):
    b: np.ndarray  # (nx - 1, nx - 1) float64
    x: np.ndarray  # (nx + 1, nx + 1) float64, the temperature in its frame
    numbers: np.ndarray  # (4,) float64
    step: float
    implicit: float
    mild: float


class _HeatEquation(_OnGrid):
    nx: int
    dt: float
    mild: float

    _implicit = 0.5

    def grid_kernels(self) -> GridKernels:
        """The functions."""
        return GridKernels(_start_heat, _advance_heat)

    def grid_parameters(self) -> _Heat:
        """The fields."""
        return _Heat(self.nx, self.dt, self._implicit, self.mild)


@description
class HeatCN(_HeatEquation):
    """The heat equation on the unit square by Crank and Nicolson's scheme: a system a time step.

    u_t = kappa(t) Laplace(u) + f with u = 0 on the boundary; kappa = max(mild s, -10 s), s = sin 2 pi t: stiff in the
    second half of each period, and 0, with the identity for a matrix, between the halves. f = 32 times a bump of radius
    1/8 that goes round a circle eight times a unit of time; at first u is a bump of radius 1/4. The solver starts at
    the state before the step; the context is kappa at the start of the step.

    Parameters
    ----------
    nx : int >= 2
        Intervals in each dimension; n = (nx - 1)^2.
    dt : float > 0
        Time step.
    mild : float >= 0
        0.1 in the authors' code, 0.01 in their text.
    """

    nx: Annotated[Count, Field(ge=2)] = 50
    dt: Positive = 1e-3
    mild: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.1


@description
class HeatImplicitEuler(_HeatEquation):
    """The heat equation of `HeatCN` by implicit Euler steps: (I - kappa dt Laplace) u_new = u + dt f.

    Parameters
    ----------
    nx : int >= 2
        Intervals in each dimension; n = (nx - 1)^2.
    dt : float > 0
        Time step.
    mild : float >= 0
        As for `HeatCN`.
    """

    nx: Annotated[Count, Field(ge=2)] = 50
    dt: Positive = 1e-3
    mild: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.1

    _implicit = 1.0


@njit(cache=True)
def _start_shifted(params, rng):
    m = params.size
    return _ShiftedState(
        np.zeros((m, m)), np.zeros((m + 2, m + 2)), np.zeros(4), params.lowest, params.width, params.a, params.b
    )


@njit(cache=True, nogil=True)
def _advance_shifted(state, t, rng):
    b, numbers = state.b, state.numbers
    m = b.shape[0]
    shift = state.lowest + state.width * rng.beta(state.first, state.second)
    numbers[DIAGONAL], numbers[NEIGHBOUR], numbers[CONTEXT] = 4.0 + shift, -1.0, shift
    numbers[RADIUS] = 4.0 * math.cos(math.pi / (m + 1)) / (4.0 + shift)
    while True:
        square = 0.0
        for i in range(m):
            for j in range(m):
                value = rng.standard_normal()
                b[i, j] = value
                square += value * value
        if square <= m * m:
            break
    state.x[:, :] = 0.0


@njit(cache=True)
def _bump(x, y, at_x, at_y, radius):
    q = ((x - at_x) ** 2 + (y - at_y) ** 2) / (radius * radius)
    return math.exp(1.0 - 1.0 / (1.0 - q)) if q < 1.0 else 0.0


@njit(cache=True)
def _start_heat(params, rng):
    m = params.points - 1
    x, h = np.zeros((m + 2, m + 2)), 1.0 / params.points
    for i in range(1, m + 1):
        for j in range(1, m + 1):
            x[i, j] = _bump(i * h, j * h, 0.5, 0.5, 0.25)
    return _HeatState(np.zeros((m, m)), x, np.zeros(4), params.step, params.implicit, params.mild)


@njit(cache=True)
def _conductivity(mild, time):
    wave = math.sin(2.0 * math.pi * time)
    return max(mild * wave, -10.0 * wave)


@njit(cache=True, nogil=True)
def _advance_heat(state, t, rng):
    """(I - implicit kappa dt Laplace) u_new = (I + (1 - implicit) kappa dt Laplace) u + dt f, all taken at one time."""
    b, x, numbers, dt, implicit = state.b, state.x, state.numbers, state.step, state.implicit
    m = b.shape[0]
    h = 1.0 / (m + 1)
    time = (t - 1) * dt
    middle = time + implicit * dt
    kappa = _conductivity(state.mild, middle)
    after, before = implicit * kappa * dt / (h * h), (1.0 - implicit) * kappa * dt / (h * h)
    numbers[DIAGONAL], numbers[NEIGHBOUR] = 1.0 + 4.0 * after, -after
    numbers[CONTEXT] = _conductivity(state.mild, time)
    numbers[RADIUS] = 4.0 * after * math.cos(math.pi / (m + 1)) / (1.0 + 4.0 * after)
    at_x, at_y = 0.5 + math.cos(16.0 * math.pi * middle) / 4.0, 0.5 + math.sin(16.0 * math.pi * middle) / 4.0
    for i in range(1, m + 1):
        for j in range(1, m + 1):
            around = x[i - 1, j] + x[i + 1, j] + x[i, j - 1] + x[i, j + 1]
            source = 32.0 * _bump(i * h, j * h, at_x, at_y, 0.125)
            b[i - 1, j - 1] = x[i, j] + before * (around - 4.0 * x[i, j]) + dt * source
