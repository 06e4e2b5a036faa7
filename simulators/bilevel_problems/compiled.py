"""What all bilevel problems here share: methods that run the problem's kernels, and values by their definitions.

psi(x) = f(x, y*) at the lower solution of least f, and psi_s(x) = f(x, y_s) + (g(x, y_s) - g(x, y*)) / s, the value of
the penalty method; its gradient is that of the same expression in x alone (Danskin's theorem).

Source: arXiv:2309.01753, as far as known from outside the paper; the identities are derived.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from algos.bilevel_oracles import WHOLE, BilevelConstants, BilevelKernels

__all__ = ["CompiledProblem", "penalty", "project_nowhere"]

Vector = NDArray[np.float64]


class CompiledProblem:
    """A bilevel problem given by its kernels; a subclass adds the values of f and g and what it knows exactly."""

    @property
    def upper_dimension(self) -> int:
        """Length of x, dx."""
        raise NotImplementedError(f"{type(self).__name__} must define upper_dimension")

    @property
    def lower_dimension(self) -> int:
        """Length of y, dy."""
        raise NotImplementedError(f"{type(self).__name__} must define lower_dimension")

    @property
    def constants(self) -> BilevelConstants:
        """What is known; NaN where nothing is declared."""
        return BilevelConstants()

    @property
    def start(self) -> tuple[Vector, Vector]:
        """x0 and y0: zeros, projected."""
        return self.project_upper(np.zeros(self.upper_dimension)), self.project_lower(np.zeros(self.lower_dimension))

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results. Every call makes scratch memory anew: one call a thread."""
        raise NotImplementedError(f"{type(self).__name__} must define kernels()")

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        raise NotImplementedError(f"{type(self).__name__} must define upper()")

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        raise NotImplementedError(f"{type(self).__name__} must define lower()")

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """A minimiser of s f(x, .) + g(x, .) over Y; for s = 0, of those of g the one of least f.

        Parameters
        ----------
        x : float, shape (dx,)
        s : float >= 0

        Returns
        -------
        float64, shape (dy,)
        """
        raise NotImplementedError(f"{type(self).__name__} knows no lower solution")

    def upper_gradient(self, x: ArrayLike, y: ArrayLike, sample: int = WHOLE) -> tuple[Vector, Vector]:
        """Gradient of f in x, shape (dx,), and in y, shape (dy,)."""
        kernels, out_x, out_y = self.kernels(), np.empty(self.upper_dimension), np.empty(self.lower_dimension)
        kernels.upper_gradient(kernels.data, self._x(x), self._y(y), sample, out_x, out_y)
        return out_x, out_y

    def lower_gradient(self, x: ArrayLike, y: ArrayLike, sample: int = WHOLE) -> tuple[Vector, Vector]:
        """Gradient of g in x, shape (dx,), and in y, shape (dy,)."""
        kernels, out_x, out_y = self.kernels(), np.empty(self.upper_dimension), np.empty(self.lower_dimension)
        kernels.lower_gradient(kernels.data, self._x(x), self._y(y), sample, out_x, out_y)
        return out_x, out_y

    def lower_hessian_product(self, x: ArrayLike, y: ArrayLike, v: ArrayLike, sample: int = WHOLE) -> Vector:
        """The Hessian of g in y times v, shape (dy,)."""
        kernels, out = self.kernels(), np.empty(self.lower_dimension)
        assert kernels.lower_hessian_product is not None
        kernels.lower_hessian_product(kernels.data, self._x(x), self._y(y), self._y(v, "v"), sample, out)
        return out

    def lower_cross_product(self, x: ArrayLike, y: ArrayLike, v: ArrayLike, sample: int = WHOLE) -> Vector:
        """The mixed second derivatives of g, shape (dx, dy), times v: shape (dx,)."""
        kernels, out = self.kernels(), np.empty(self.upper_dimension)
        assert kernels.lower_cross_product is not None
        kernels.lower_cross_product(kernels.data, self._x(x), self._y(y), self._y(v, "v"), sample, out)
        return out

    def project_upper(self, x: ArrayLike) -> Vector:
        """The point of X nearest to x."""
        kernels, point = self.kernels(), self._x(x).copy()
        kernels.project_upper(kernels.data, point)
        return point

    def project_lower(self, y: ArrayLike) -> Vector:
        """The point of Y nearest to y."""
        kernels, point = self.kernels(), self._y(y).copy()
        kernels.project_lower(kernels.data, point)
        return point

    def value(self, x: ArrayLike) -> float:
        """psi(x)."""
        return self.upper(x, self.lower_solution(x))

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (dx,); NaN where psi has none."""
        raise NotImplementedError(f"{type(self).__name__} knows no gradient of psi")

    def penalty_value(self, x: ArrayLike, s: float) -> float:
        """psi_s(x), s > 0; rounding costs about 1e-16 |g| / s."""
        s = penalty(s)
        y, z = self.lower_solution(x, s), self.lower_solution(x)
        return self.upper(x, y) + (self.lower(x, y) - self.lower(x, z)) / s

    def penalty_gradient(self, x: ArrayLike, s: float) -> Vector:
        """Gradient of psi_s, s > 0, shape (dx,); rounding costs about 1e-16 |gradient of g| / s."""
        s = penalty(s)
        y, z = self.lower_solution(x, s), self.lower_solution(x)
        return self.upper_gradient(x, y)[0] + (self.lower_gradient(x, y)[0] - self.lower_gradient(x, z)[0]) / s

    def _x(self, x: ArrayLike) -> Vector:
        return _point(x, "x", self.upper_dimension)

    def _y(self, y: ArrayLike, name: str = "y") -> Vector:
        return _point(y, name, self.lower_dimension)


def penalty(s: Any, *, zero: bool = False) -> float:
    """The penalty parameter as a float.

    Raises
    ------
    ValueError
        When it is no finite number > 0; 0 is one where `zero` says so.
    """
    number = float(s)
    if not (0.0 < number < math.inf or (zero and number == 0.0)):
        raise ValueError(f"s: {s!r} is not a finite number {'>= 0' if zero else '> 0'}")
    return number


def _point(value: ArrayLike, name: str, size: int) -> Vector:
    point = np.ascontiguousarray(value, dtype=np.float64)
    if point.shape != (size,):
        raise ValueError(f"{name}: shape {point.shape} is not ({size},)")
    return point


@njit(cache=True, nogil=True)
def project_nowhere(data, point):
    """The projection on the whole space."""
