"""Minimax problems as bilevel ones: f = phi and g = -phi, so that psi_s is the maximum of phi for every s in (0, 1).

Source: derived (F10 of the project's specification): s f + g = -(1 - s) phi.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from pydantic import model_validator

from algos.arrays import FiniteMatrix, FiniteVector
from algos.bilevel_oracles import BilevelConstants, BilevelKernels
from algos.contracts import check_generator, description, whole_number
from simulators.bilevel_problems.compiled import CompiledProblem, Vector, penalty
from simulators.bilevel_problems.quadratic import quadratic_kernels, symmetric_part

__all__ = ["Minimax", "random_minimax"]


@description
class Minimax(CompiledProblem):
    """min over x of max over y of phi = x'Hx / 2 + x'Ky - y'By / 2 + h'x + k'y.

    Parameters
    ----------
    H : float, shape (dx, dx)
        Symmetric.
    K : float, shape (dx, dy)
    B : float, shape (dy, dy)
        Symmetric and positive definite.
    h : float, shape (dx,)
    k : float, shape (dy,)

    Examples
    --------
    >>> problem = Minimax([[0.0]], [[1.0]], [[2.0]], [0.0], [0.0])
    >>> problem.value([2.0]), problem.penalty_value([2.0], 0.9)
    (1.0, 1.0)
    """

    H: FiniteMatrix
    K: FiniteMatrix
    B: FiniteMatrix
    h: FiniteVector
    k: FiniteVector

    @model_validator(mode="after")
    def _fits(self) -> Minimax:
        dx, dy = self.K.shape
        for name, shape in {"H": (dx, dx), "B": (dy, dy), "h": (dx,), "k": (dy,)}.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name}: shape {getattr(self, name).shape} is not {shape}, as K of {(dx, dy)} asks")
        for name in ("H", "B"):
            matrix = getattr(self, name)
            if np.abs(matrix - matrix.T).max() > 1e-12 * np.abs(matrix).max():
                raise ValueError(f"{name}: is not symmetric")
        least = float(np.linalg.eigvalsh(self.B)[0])
        if least <= 0.0:
            raise ValueError(f"B: the least eigenvalue, {least:g}, is not above 0")
        return self

    @property
    def upper_dimension(self) -> int:
        """Length of x, dx."""
        return int(self.K.shape[0])

    @property
    def lower_dimension(self) -> int:
        """Length of y, dy."""
        return int(self.K.shape[1])

    @property
    def constants(self) -> BilevelConstants:
        """Exact."""
        joint = float(np.linalg.norm(np.block([[self.H, self.K], [self.K.T, -self.B]]), 2))
        return BilevelConstants(
            upper_smoothness=joint, lower_smoothness=joint, lower_hessian_lipschitz=0.0,
            strong_convexity=float(np.linalg.eigvalsh(self.B)[0]), weak_convexity=0.0,
        )  # fmt: skip

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results."""
        return quadratic_kernels(
            self.B, -self.K, -self.k, -self.B, self.H, self.K, self.k, self.h, G=-self.H, g0=-self.h
        )

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """phi(x, y)."""
        x, y = self._x(x), self._y(y)
        return float(x @ self.H @ x / 2 + x @ self.K @ y - y @ self.B @ y / 2 + self.h @ x + self.k @ y)

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """-phi(x, y)."""
        return -self.upper(x, y)

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """The maximiser of phi, for every s in [0, 1).

        Raises
        ------
        ValueError
            For s >= 1: s f + g = (s - 1) phi has no minimum.
        """
        s = penalty(s, zero=True)
        if s >= 1.0:
            raise ValueError(f"s: {s:g} is not below 1, (s - 1) phi has no minimum")
        return np.asarray(np.linalg.solve(self.B, self.K.T @ self._x(x) + self.k))

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (dx,)."""
        return self.H @ self._x(x) + self.K @ self.lower_solution(x) + self.h

    def penalty_value(self, x: ArrayLike, s: float) -> float:
        """psi_s(x) = psi(x), s in (0, 1)."""
        return self.upper(x, self.lower_solution(x, penalty(s)))

    def penalty_gradient(self, x: ArrayLike, s: float) -> Vector:
        """Gradient of psi_s, shape (dx,): that of psi, s in (0, 1)."""
        return self.H @ self._x(x) + self.K @ self.lower_solution(x, penalty(s)) + self.h


def random_minimax(upper_dimension: int, lower_dimension: int, rng: np.random.Generator) -> Minimax:
    """A saddle function, convex in x and strongly concave in y.

    Parameters
    ----------
    upper_dimension, lower_dimension : int >= 1
    rng : numpy.random.Generator
    """
    dx, dy = whole_number(upper_dimension, "upper_dimension", 1), whole_number(lower_dimension, "lower_dimension", 1)
    source = check_generator(rng, "random_minimax")
    M, N = source.standard_normal((dx, dx)), source.standard_normal((dy, dy))
    return Minimax(
        symmetric_part(M @ M.T / dx), source.standard_normal((dx, dy)), symmetric_part(N @ N.T / dy + 0.5 * np.eye(dy)),
        source.standard_normal(dx), source.standard_normal(dy),
    )  # fmt: skip
