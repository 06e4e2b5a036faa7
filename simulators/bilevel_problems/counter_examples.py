"""Four scalar problems that each break one assumption of the penalty theory, all in closed form.

=========  =====================  =================  ========  ======================================================
name       f                      g                  Y         what fails
=========  =====================  =================  ========  ======================================================
bilinear   x^2 + y^2              x y                [-1, 1]   S(x) jumps at 0, psi is not continuous there
ramp       y                      x y                [-1, 1]   psi_s falls from 1 to -1 within s: slope -2 / s
quartic    y                      y^4 / 4 - x y      R         no error bound at 0: psi - psi_s = (3/4) s^{1/3}
kink       -y                     (y - x)^2 / 2      [0, inf)  no strict complementarity at 0: psi has a kink
=========  =====================  =================  ========  ======================================================

Sources: bilinear is Example 1 of arXiv:2309.01753 as others report it; the rest are derived.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from algos.bilevel_oracles import BilevelConstants, BilevelKernels
from algos.contracts import description
from simulators.bilevel_problems.compiled import CompiledProblem, Vector, penalty

__all__ = ["CounterExample"]

_BILINEAR, _RAMP, _QUARTIC, _KINK = range(4)
_NAMES = ("bilinear", "ramp", "quartic", "kink")


class _Data(NamedTuple):
    kind: int


@description
class CounterExample(CompiledProblem):
    """A scalar problem whose psi and psi_s are known and whose penalty method is slow or wrong somewhere.

    Parameters
    ----------
    name : {"bilinear", "ramp", "quartic", "kink"}
        X is [-1, 1] for "bilinear" and the whole line for the others.

    Examples
    --------
    >>> quartic = CounterExample("quartic")
    >>> round((quartic.value([0.0]) - quartic.penalty_value([0.0], 1e-6)) / 0.75, 12)
    0.01
    """

    name: Literal["bilinear", "ramp", "quartic", "kink"]

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
        """Exact, NaN where there is none."""
        return {
            "bilinear": BilevelConstants(2.0, 2.0, 1.0, 0.0, 0.0, 0.0),
            "ramp": BilevelConstants(1.0, 0.0, 1.0, 0.0, 0.0, 0.0),
            "quartic": BilevelConstants(1.0, 0.0, strong_convexity=0.0, weak_convexity=0.0),
            "kink": BilevelConstants(1.0, 0.0, 2.0, 0.0, 1.0, 0.0),
        }[self.name]

    @property
    def start(self) -> tuple[Vector, Vector]:
        """x0 and y0, away from the point where the assumption fails."""
        return np.array([1.0 if self.name in ("bilinear", "kink") else -1.0]), np.zeros(1)

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results."""
        return BilevelKernels(
            _Data(_NAMES.index(self.name)), _upper, _lower, _project_upper, _project_lower, _hessian_product,
            _cross_product, skips_empty_outputs=True,
        )  # fmt: skip

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        at, to = float(self._x(x)[0]), float(self._y(y)[0])
        return {"bilinear": at * at + to * to, "kink": -to}.get(self.name, to)

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        at, to = float(self._x(x)[0]), float(self._y(y)[0])
        return {"quartic": to**4 / 4 - at * to, "kink": (to - at) ** 2 / 2}.get(self.name, at * to)

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s, s >= 0; the least of several solutions where f does not tell them apart."""
        at, s = float(self._x(x)[0]), penalty(s, zero=True)
        if self.name == "quartic":
            return np.array([math.cbrt(at - s)])
        if self.name == "kink":
            return np.array([max(at + s, 0.0)])
        if self.name == "ramp":
            return np.array([-1.0 if at + s >= 0.0 else 1.0])
        if at == 0.0:
            return np.zeros(1)
        ratio = -at / (2.0 * s) if s > 0.0 else -math.copysign(math.inf, at)
        return np.array([min(max(ratio, -1.0), 1.0)])

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (1,); NaN at 0, where psi has none."""
        at = float(self._x(x)[0])
        if at == 0.0:
            return np.array([math.nan])
        slope = {"bilinear": 2.0 * at, "ramp": 0.0, "kink": -1.0 if at > 0.0 else 0.0}
        return np.array([slope[self.name] if self.name in slope else 1.0 / (3.0 * math.cbrt(at) ** 2)])

    def penalty_value(self, x: ArrayLike, s: float) -> float:
        """psi_s(x), to rounding at any s > 0."""
        at, s = float(self._x(x)[0]), penalty(s)
        if self.name == "bilinear":
            size = abs(at)
            return at * at + (size / s * (1.0 - size / (4.0 * s)) if size <= 2.0 * s else 1.0)
        if self.name == "ramp":
            return -1.0 if at >= 0.0 else (-1.0 - 2.0 * at / s if at >= -s else 1.0)
        if self.name == "kink":
            return -at - s / 2 if at >= 0.0 else (-((at + s) ** 2) / (2.0 * s) if at >= -s else 0.0)
        if abs(at) > 2.0 * s:  # the powers agree in their first digits
            change = abs(at) ** (4 / 3) * math.expm1(4 / 3 * math.log1p(-s / at))
        else:
            change = abs(at - s) ** (4 / 3) - abs(at) ** (4 / 3)
        return -0.75 * change / s

    def penalty_gradient(self, x: ArrayLike, s: float) -> Vector:
        """Gradient of psi_s, shape (1,); NaN where psi_s has a kink."""
        at, s = float(self._x(x)[0]), penalty(s)
        if self.name == "bilinear":
            if at == 0.0:
                return np.array([math.nan])
            bend = math.copysign(1.0 / s, at) - at / (2.0 * s * s) if abs(at) <= 2.0 * s else 0.0
            return np.array([2.0 * at + bend])
        if self.name == "ramp":
            return np.array([math.nan if at in (0.0, -s) else (-2.0 / s if -s < at < 0.0 else 0.0)])
        if self.name == "kink":
            return np.array([-min(max(at + s, 0.0) / s, 1.0)])
        # a - b = (a^3 - b^3) / (a^2 + a b + b^2) keeps the digits of the difference of cube roots.
        a, b = math.cbrt(at), math.cbrt(at - s)
        return np.array([1.0 / (a * a + a * b + b * b)])


@njit(cache=True, nogil=True)
def _upper(data, x, y, sample, out_x, out_y):
    if out_x.size:
        out_x[0] = 2.0 * x[0] if data.kind == _BILINEAR else 0.0
    if out_y.size:
        if data.kind == _BILINEAR:
            out_y[0] = 2.0 * y[0]
        else:
            out_y[0] = -1.0 if data.kind == _KINK else 1.0


@njit(cache=True, nogil=True)
def _lower(data, x, y, sample, out_x, out_y):
    if out_x.size:
        if data.kind == _QUARTIC:
            out_x[0] = -y[0]
        else:
            out_x[0] = x[0] - y[0] if data.kind == _KINK else y[0]
    if out_y.size:
        if data.kind == _QUARTIC:
            out_y[0] = y[0] * y[0] * y[0] - x[0]
        else:
            out_y[0] = y[0] - x[0] if data.kind == _KINK else x[0]


@njit(cache=True, nogil=True)
def _project_upper(data, x):
    if data.kind == _BILINEAR:
        x[0] = min(max(x[0], -1.0), 1.0)


@njit(cache=True, nogil=True)
def _project_lower(data, y):
    if data.kind == _KINK:
        y[0] = max(y[0], 0.0)
    elif data.kind != _QUARTIC:
        y[0] = min(max(y[0], -1.0), 1.0)


@njit(cache=True, nogil=True)
def _hessian_product(data, x, y, v, sample, out_y):
    if data.kind == _QUARTIC:
        out_y[0] = 3.0 * y[0] * y[0] * v[0]
    else:
        out_y[0] = v[0] if data.kind == _KINK else 0.0


@njit(cache=True, nogil=True)
def _cross_product(data, x, y, v, sample, out_x):
    out_x[0] = -v[0] if data.kind in (_QUARTIC, _KINK) else v[0]
