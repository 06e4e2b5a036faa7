"""A lower level that is not convex and yet has no bad stationary point: S(x) = {-x}.

f = cos(4y + 2) / (1 + e^{2 - 4x}) + ln((4x - 2)^2 + 1) / 2,   g = (x + y)^2 + x sin^2(x + y),   x in [0, 3].

g satisfies the Polyak-Lojasiewicz inequality with a constant that shrinks from 2 at x = 0 to 0.18 at x = 3; psi has the
local minima 0.38236, 1.21515 and 2.82964. Source: the toy problem of the code of H. Shen and T. Chen, "On penalty-based
bilevel gradient descent method", ICML 2023; there (1 + e^.)^2 in the slope is written 1 + (e^.)^2, here it is right.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from algos.bilevel_oracles import BilevelConstants, BilevelKernels
from algos.contracts import description
from simulators.bilevel_problems.compiled import CompiledProblem, Vector, penalty, project_nowhere

__all__ = ["PLToy"]


@description
class PLToy(CompiledProblem):
    """The toy problem of penalty methods with a nonconvex lower level; dx = dy = 1, X = [0, 3], Y the line.

    Examples
    --------
    >>> problem = PLToy()
    >>> problem.lower_solution([1.0]).tolist(), round(problem.value([1.21515]), 6), problem.local_minima
    ([-1.0], 0.199911, (0.38236, 1.21515, 2.82964))
    """

    @property
    def local_minima(self) -> tuple[float, float, float]:
        """Where psi has a local minimum, to five digits."""
        return (0.38236, 1.21515, 2.82964)

    @property
    def upper_dimension(self) -> int:
        """Length of x, 1."""
        return 1

    @property
    def lower_dimension(self) -> int:
        """Length of y, 1."""
        return 1

    @property
    def constants(self) -> BilevelConstants:
        """Exact weak convexity; the Lipschitz constants of f in y and of the gradient of g are bounds.

        With u = x + y the Hessian of g is (2 + 2x cos 2u) of the matrix of ones plus sin 2u of [[2, 1], [1, 0]].
        """
        return BilevelConstants(
            upper_lipschitz=4.0, lower_smoothness=17.0 + math.sqrt(2.0), strong_convexity=math.nan, weak_convexity=4.0
        )

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results."""
        return BilevelKernels(
            0, _upper, _lower, _project_upper, project_nowhere, _hessian_product, _cross_product,
            skips_empty_outputs=True,
        )  # fmt: skip

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        at, to = float(self._x(x)[0]), float(self._y(y)[0])
        return math.cos(4 * to + 2) * _weight(at) + math.log1p((4 * at - 2) ** 2) / 2

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        at, u = float(self._x(x)[0]), float(self._x(x)[0] + self._y(y)[0])
        return u**2 + at * math.sin(u) ** 2

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s, s >= 0, by a grid and bisection: s (f - min f) bounds g, so that |x + y_s| <= sqrt(2 s)."""
        at, s = float(self._x(x)[0]), penalty(s, zero=True)
        if s == 0.0:
            return np.array([-at])
        weight, reach = _weight(at), 1.01 * math.sqrt(2.0 * s) + 1e-12
        sums = np.linspace(-reach, reach, 2001 + int(200 * reach))

        def slope(u: float) -> float:
            return -4 * s * weight * math.sin(4 * (u - at) + 2) + 2 * u + at * math.sin(2 * u)

        k = int(np.argmin(s * weight * np.cos(4 * (sums - at) + 2) + sums**2 + at * np.sin(sums) ** 2))
        low, high = float(sums[max(k - 1, 0)]), float(sums[min(k + 1, sums.size - 1)])
        while True:
            middle = (low + high) / 2
            if middle in (low, high):
                return np.array([middle - at])
            low, high = (low, middle) if slope(middle) > 0.0 else (middle, high)

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (1,)."""
        at = float(self._x(x)[0])
        angle, weight = 2 - 4 * at, _weight(at)
        fade = 4 * (4 * at - 2) / ((4 * at - 2) ** 2 + 1)
        return np.array([4 * weight * (math.sin(angle) + (1 - weight) * math.cos(angle)) + fade])


@njit(cache=True, nogil=True)
def _weight(x):
    """1 / (1 + e^{2 - 4x})."""
    return 1.0 / (1.0 + math.exp(2.0 - 4.0 * x))


@njit(cache=True, nogil=True)
def _upper(data, x, y, sample, out_x, out_y):
    weight, angle = _weight(x[0]), 4.0 * y[0] + 2.0
    if out_x.size:
        steep = 4.0 * x[0] - 2.0
        out_x[0] = 4.0 * weight * (1.0 - weight) * math.cos(angle) + 4.0 * steep / (steep * steep + 1.0)
    if out_y.size:
        out_y[0] = -4.0 * weight * math.sin(angle)


@njit(cache=True, nogil=True)
def _lower(data, x, y, sample, out_x, out_y):
    u = x[0] + y[0]
    slope = 2.0 * u + x[0] * math.sin(2.0 * u)
    if out_x.size:
        out_x[0] = slope + math.sin(u) * math.sin(u)
    if out_y.size:
        out_y[0] = slope


@njit(cache=True, nogil=True)
def _project_upper(data, x):
    x[0] = min(max(x[0], 0.0), 3.0)


@njit(cache=True, nogil=True)
def _hessian_product(data, x, y, v, sample, out_y):
    out_y[0] = (2.0 + 2.0 * x[0] * math.cos(2.0 * (x[0] + y[0]))) * v[0]


@njit(cache=True, nogil=True)
def _cross_product(data, x, y, v, sample, out_x):
    u = x[0] + y[0]
    out_x[0] = (2.0 + 2.0 * x[0] * math.cos(2.0 * u) + math.sin(2.0 * u)) * v[0]
