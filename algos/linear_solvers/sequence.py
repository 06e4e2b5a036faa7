"""What a sequence of linear systems must offer, and the form in which one on a grid is solved without leaving Numba.

A learner that tunes a solver meets the systems one after the other; the solution of one may be the start, or decide the
right-hand side, of the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["GridKernels", "LinearSystem", "LinearSystems", "RunningSystems"]


class LinearSystem(NamedTuple):
    """A system A x = b, and what is known before it is solved."""

    A: Any
    """Sparse or dense matrix, or `Stencil`, shape (n, n). It may be the same object each time, with other values."""
    b: NDArray[np.float64]
    """Right-hand side, shape (n,)."""
    context: float = 0.0
    """A number that says how this system differs from the others: a shift, a diffusion coefficient."""
    x0: NDArray[np.float64] | None = None
    """Where the solver starts, shape (n,); 0 when None."""
    radius: float | None = None
    """Spectral radius of Jacobi's method, where it is known (`jacobi_radius`)."""


class RunningSystems(Protocol):
    """A sequence under way."""

    def next(self) -> LinearSystem:
        """The system at hand."""
        ...

    def advance(self, x: NDArray[np.float64]) -> None:
        """Take the solution of the system at hand, shape (n,)."""
        ...


class LinearSystems(Protocol):
    """A sequence of linear systems; any object of this shape can be tuned for, registered or not.

    It may have ``n_systems``, how many it has, where that is limited; and ``grid_kernels()``, its `GridKernels`, with
    ``grid_parameters()``, where all systems are two-dimensional grids: then it is solved in compiled loops.
    """

    def start(self, rng: np.random.Generator) -> RunningSystems:
        """Begin anew, drawing from `rng` only."""
        ...


class GridKernels(NamedTuple):
    """A sequence on a grid as two functions, plain Python or compiled.

    ``start(params, rng)`` returns the state, a named tuple that has at least the arrays ``b``, float64 of shape
    (rows, columns); ``x``, of shape (rows + 2, columns + 2), the start of the solver within a frame of zeros; and
    ``numbers``, of shape (4,): the diagonal entry, the entry of a neighbour, the context, and the spectral radius of
    Jacobi's method. ``advance(state, t, rng)`` writes system t = 1, 2, ... there, from the solution of system t - 1
    in ``x``.
    """

    start: Callable[..., Any]
    advance: Callable[..., Any]

    def in_form(self, form: Callable[..., Any]) -> GridKernels:
        """The functions in one form, `algos.kernels.compiled` or `algos.kernels.interpreted`."""
        return GridKernels._make(form(kernel) for kernel in self)
