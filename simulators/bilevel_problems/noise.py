"""Noise on the gradients of any bilevel problem, the same for the same sample at every point.

A sample's number is the counter of a counter-based generator (`algos.counter_draws`): momentum methods evaluate one
sample at two points, and additive noise cancels in the difference. Each gradient's entry becomes

    f: entry + sd_f N,      g: (1 + multiplicative N') entry + sd_g N'',

with independent standard normal numbers. Source: instance 13 and experiment E3 of the project's specification.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from numba import njit
from numpy.typing import ArrayLike
from pydantic import Field, field_validator

from algos.bilevel_oracles import BilevelConstants, BilevelKernels
from algos.contracts import Natural, NonNegative, description
from algos.counter_draws import normal_pair
from simulators.bilevel_problems.compiled import CompiledProblem, Vector

__all__ = ["NoisyOracle"]

# What a draw is for; 0 and 1 choose the records of finite sums.
_UPPER_X, _UPPER_Y, _LOWER_X, _LOWER_Y, _FACTOR_X, _FACTOR_Y = range(2, 8)


class _Noisy(NamedTuple):
    data: Any  # of the kernels below
    upper_gradient: Any
    lower_gradient: Any
    project_upper: Any
    project_lower: Any
    lower_hessian_product: Any
    lower_cross_product: Any
    sd_f: float
    sd_g: float
    multiplicative: float
    seed: int


@description
class NoisyOracle(CompiledProblem):
    """A problem whose gradients carry noise, but for the sample `WHOLE`; exact answers are the problem's own.

    Parameters
    ----------
    problem : a bilevel problem with ``kernels()``
    sd_f, sd_g : float >= 0
        Deviation of the additive noise on every entry of the gradients of f and of g, in x and in y.
    multiplicative : float >= 0
        Deviation of the factor's noise on every entry of the gradient of g and of its products.
    seed : int in 0..2^64 - 1
        Another seed gives other noise for the same samples.

    Examples
    --------
    >>> from simulators.bilevel_problems import Moreau
    >>> noisy = NoisyOracle(Moreau("quadratic"), 0.5, 0.5, 0.5)
    >>> here, there = noisy.upper_gradient([0.0], [2.0], 7)[1], noisy.upper_gradient([0.0], [3.0], 7)[1]
    >>> (there - here).round(12).tolist(), noisy.upper_gradient([0.0], [2.0])[1].tolist()
    ([1.0], [1.0])
    """

    problem: Any
    sd_f: NonNegative = 0.0
    sd_g: NonNegative = 0.0
    multiplicative: NonNegative = 0.0
    seed: Annotated[Natural, Field(lt=2**64, kw_only=True)] = 0

    @field_validator("problem")
    @classmethod
    def _compiled(cls, value: Any) -> Any:
        if not callable(getattr(value, "kernels", None)):
            raise ValueError("must be a bilevel problem with kernels()")
        return value

    @property
    def upper_dimension(self) -> int:
        """Length of x, dx."""
        return int(self.problem.upper_dimension)

    @property
    def lower_dimension(self) -> int:
        """Length of y, dy."""
        return int(self.problem.lower_dimension)

    @property
    def constants(self) -> BilevelConstants:
        """Those of the problem without noise."""
        return self.problem.constants

    @property
    def start(self) -> tuple[Vector, Vector]:
        """x0 and y0 of the problem."""
        return self.problem.start

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results, around those of the problem."""
        inner: BilevelKernels = self.problem.kernels()
        hessian = inner.lower_hessian_product is not None
        cross = inner.lower_cross_product is not None
        data = _Noisy(
            inner.data, inner.upper_gradient, inner.lower_gradient, inner.project_upper, inner.project_lower,
            inner.lower_hessian_product, inner.lower_cross_product,
            self.sd_f, self.sd_g, self.multiplicative, self.seed,
        )  # fmt: skip
        return BilevelKernels(
            data, _upper, _lower, _project_upper, _project_lower, _hessian_product if hessian else None,
            _cross_product if cross else None, skips_empty_outputs=inner.skips_empty_outputs,
        )  # fmt: skip

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y), without noise."""
        return float(self.problem.upper(x, y))

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y), without noise."""
        return float(self.problem.lower(x, y))

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s of the problem without noise."""
        return self.problem.lower_solution(x, s)

    def value(self, x: ArrayLike) -> float:
        """psi(x), without noise."""
        return float(self.problem.value(x))

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (dx,), without noise."""
        return self.problem.value_gradient(x)

    def penalty_value(self, x: ArrayLike, s: float) -> float:
        """psi_s(x), without noise."""
        return float(self.problem.penalty_value(x, s))

    def penalty_gradient(self, x: ArrayLike, s: float) -> Vector:
        """Gradient of psi_s, shape (dx,), without noise."""
        return self.problem.penalty_gradient(x, s)


@njit(nogil=True, forceinline=True)
def _add(out, deviation, seed, sample, purpose):
    """Add noise to every entry, two entries a draw."""
    if deviation > 0.0:
        for pair in range((out.size + 1) // 2):
            first, second = normal_pair(seed, sample, purpose, pair)
            out[2 * pair] += deviation * first
            if 2 * pair + 1 < out.size:
                out[2 * pair + 1] += deviation * second


@njit(nogil=True, forceinline=True)
def _scale(out, deviation, seed, sample, purpose):
    """Multiply every entry by one plus noise."""
    if deviation > 0.0:
        for pair in range((out.size + 1) // 2):
            first, second = normal_pair(seed, sample, purpose, pair)
            out[2 * pair] *= 1.0 + deviation * first
            if 2 * pair + 1 < out.size:
                out[2 * pair + 1] *= 1.0 + deviation * second


@njit(nogil=True)
def _upper(data, x, y, sample, out_x, out_y):
    data.upper_gradient(data.data, x, y, sample, out_x, out_y)
    if sample >= 0:
        _add(out_x, data.sd_f, data.seed, sample, _UPPER_X)
        _add(out_y, data.sd_f, data.seed, sample, _UPPER_Y)


@njit(nogil=True)
def _lower(data, x, y, sample, out_x, out_y):
    data.lower_gradient(data.data, x, y, sample, out_x, out_y)
    if sample >= 0:
        _scale(out_x, data.multiplicative, data.seed, sample, _FACTOR_X)
        _scale(out_y, data.multiplicative, data.seed, sample, _FACTOR_Y)
        _add(out_x, data.sd_g, data.seed, sample, _LOWER_X)
        _add(out_y, data.sd_g, data.seed, sample, _LOWER_Y)


@njit(nogil=True)
def _project_upper(data, x):
    data.project_upper(data.data, x)


@njit(nogil=True)
def _project_lower(data, y):
    data.project_lower(data.data, y)


@njit(nogil=True)
def _hessian_product(data, x, y, v, sample, out_y):
    data.lower_hessian_product(data.data, x, y, v, sample, out_y)
    if sample >= 0:
        _scale(out_y, data.multiplicative, data.seed, sample, _FACTOR_Y)


@njit(nogil=True)
def _cross_product(data, x, y, v, sample, out_x):
    data.lower_cross_product(data.data, x, y, v, sample, out_x)
    if sample >= 0:
        _scale(out_x, data.multiplicative, data.seed, sample, _FACTOR_X)
