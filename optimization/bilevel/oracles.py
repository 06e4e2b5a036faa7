"""A bilevel problem as the loops see it: compiled kernels, or a user's callbacks in the same form.

Loops are written once, over a `BilevelKernels`. For a problem that has ``kernels()`` they are compiled; for any other
the same source runs in Python over wrapped callbacks, with the same results.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit, typeof
from numba.core import config
from numba.core.compiler_lock import global_compiler_lock
from numpy.typing import ArrayLike, NDArray

from algos.bilevel_oracles import WHOLE, BilevelConstants, BilevelKernels, BilevelProblem

__all__ = ["ANY_SAMPLE", "LoopKernels", "Oracles", "check_point", "known_constants", "oracles_of"]

ANY_SAMPLE = 2**53
"""Numbers of samples that runs draw from: each stands for other noise and other records."""


class LoopKernels(NamedTuple):
    """What a loop calls; signatures as of `BilevelKernels`.

    The two for inner loops are compiled into every place where they stand, which makes them fast and compiling slow.
    The others are compiled once a problem, and called.
    """

    data: Any
    upper_gradient: Callable[..., Any]
    lower_gradient: Callable[..., Any]
    project_upper: Callable[..., Any]
    project_lower: Callable[..., Any]
    lower_hessian_product: Callable[..., Any] | None
    lower_cross_product: Callable[..., Any] | None
    inner_upper_gradient: Callable[..., Any]
    inner_lower_gradient: Callable[..., Any]
    skips_empty_outputs: bool


class Oracles(NamedTuple):
    """A problem made ready for loops.

    Parameters
    ----------
    kernels : LoopKernels
    runs_compiled : bool
    upper_dimension, lower_dimension : int
    n_records : int
        Of a finite sum whose records can be asked for one by one; 0 otherwise.
    """

    kernels: LoopKernels
    runs_compiled: bool
    upper_dimension: int
    lower_dimension: int
    n_records: int

    def loop(self, source: Callable[..., Any]) -> Callable[..., Any]:
        """The loop, compiled where the problem is."""
        return _compiled(source) if self.runs_compiled else source

    def second_order(self, method: str) -> None:
        """Refuse a problem without products with second derivatives.

        Raises
        ------
        ValueError
        """
        for name in ("lower_hessian_product", "lower_cross_product"):
            if getattr(self.kernels, name) is None:
                raise ValueError(f"problem: has no {name}, which {method} needs")

    def unused(self, size: int) -> NDArray[np.float64]:
        """Where a loop puts a half of a gradient that it does not need: nothing, if the kernels then leave it out."""
        return np.empty(0 if self.kernels.skips_empty_outputs else size)


def oracles_of(problem: BilevelProblem) -> Oracles:
    """Make a problem ready.

    Parameters
    ----------
    problem : BilevelProblem

    Raises
    ------
    ValueError
        When a dimension is no whole number >= 1, or a method is missing.
    """
    for name in ("upper", "lower", "upper_gradient", "lower_gradient"):
        if not callable(getattr(problem, name, None)):
            raise ValueError(f"problem: has no method {name}")
    sizes = []
    for name in ("upper_dimension", "lower_dimension"):
        size = getattr(problem, name, None)
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"problem: {name} = {size!r} is not a whole number >= 1")
        sizes.append(int(size))
    records = int(getattr(problem, "n_records", 0))
    has_kernels = callable(getattr(problem, "kernels", None))
    given: Any = problem
    kernels = _callable(given.kernels()) if has_kernels else _wrapped(given)
    return Oracles(kernels, has_kernels, sizes[0], sizes[1], records)


def known_constants(problem: Any) -> BilevelConstants:
    """The problem's constants, NaN where it declares none."""
    return getattr(problem, "constants", None) or BilevelConstants()


def check_point(point: ArrayLike, size: int, name: str) -> NDArray[np.float64]:
    """A copy as float64.

    Raises
    ------
    ValueError
        When it is not `size` finite numbers.
    """
    found = np.array(point, dtype=np.float64)
    if found.shape != (size,) or not np.isfinite(found).all():
        raise ValueError(f"{name}: must be finite numbers of shape ({size},), got shape {found.shape}")
    return found


@lru_cache(maxsize=64)
def _compiled(source: Callable[..., Any]) -> Callable[..., Any]:
    # Not inlined into its own wrapper, as `algos.kernels.compiled` would: that compiles a long loop twice.
    loop = njit(nogil=True)(source)

    compiled = set()

    def call(kernels: LoopKernels, *arguments: Any) -> Any:
        kind = (kernels[1:], type(kernels.data), *map(type, arguments))  # found faster than Numba's own types
        if kind not in compiled:
            _compile_packed(loop, tuple(typeof(argument) for argument in (kernels, *arguments)))
            compiled.add(kind)
        return loop(kernels, *arguments)

    return call


def _compile_packed(loop: Any, signature: tuple[Any, ...]) -> None:
    """Compile with neighbouring sums packed into vectors, which Numba leaves off; no order of sums changes.

    Products of small matrices with vectors, four columns at a time, take about half the time.
    """
    settings: Any = config
    with global_compiler_lock:
        before, settings.SLP_VECTORIZE = settings.SLP_VECTORIZE, 1
        try:
            loop.compile(signature)
        finally:
            settings.SLP_VECTORIZE = before


def _callable(kernels: BilevelKernels) -> LoopKernels:
    return LoopKernels(
        kernels.data,
        _gradient_call(kernels.upper_gradient),
        _gradient_call(kernels.lower_gradient),
        _projection_call(kernels.project_upper),
        kernels.project_lower,
        _product_call(kernels.lower_hessian_product),
        _product_call(kernels.lower_cross_product),
        kernels.upper_gradient,
        kernels.lower_gradient,
        kernels.skips_empty_outputs,
    )


@lru_cache(maxsize=256)
def _gradient_call(kernel: Callable[..., Any]) -> Callable[..., Any]:
    def call(data, x, y, sample, out_x, out_y):
        kernel(data, x, y, sample, out_x, out_y)

    return njit(nogil=True)(call)


@lru_cache(maxsize=256)
def _projection_call(kernel: Callable[..., Any]) -> Callable[..., Any]:
    def call(data, point):
        kernel(data, point)

    return njit(nogil=True)(call)


@lru_cache(maxsize=256)
def _product_call(kernel: Callable[..., Any] | None) -> Callable[..., Any] | None:
    if kernel is None:
        return None

    def call(data, x, y, v, sample, out):
        kernel(data, x, y, v, sample, out)

    return njit(nogil=True)(call)


def _wrapped(problem: Any) -> LoopKernels:
    """Callbacks as kernels; whatever has not the right shape becomes NaN, which every loop stops at."""

    def gradient(ask: Callable[..., Any]) -> Callable[..., None]:
        def kernel(data: Any, x: Any, y: Any, sample: int, out_x: Any, out_y: Any) -> None:
            along_x, along_y = ask(x.copy(), y.copy()) if sample == WHOLE else ask(x.copy(), y.copy(), sample)
            if out_x.size:
                _put(along_x, out_x)
            if out_y.size:
                _put(along_y, out_y)

        return kernel

    def projection(name: str) -> Callable[..., None]:
        ask = getattr(problem, name, None)

        def kernel(data: Any, point: Any) -> None:
            if ask is not None:
                _put(ask(point.copy()), point)

        return kernel

    def product(name: str) -> Callable[..., None] | None:
        ask = getattr(problem, name, None)
        if ask is None:
            return None

        def kernel(data: Any, x: Any, y: Any, v: Any, sample: int, out: Any) -> None:
            given = (x.copy(), y.copy(), v.copy())
            _put(ask(*given) if sample == WHOLE else ask(*given, sample), out)

        return kernel

    upper, lower = gradient(problem.upper_gradient), gradient(problem.lower_gradient)
    return LoopKernels(
        None,
        upper,
        lower,
        projection("project_upper"),
        projection("project_lower"),
        product("lower_hessian_product"),
        product("lower_cross_product"),
        upper,
        lower,
        skips_empty_outputs=True,
    )


def _put(value: Any, out: NDArray[np.float64]) -> None:
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    out[:] = found if found.shape == out.shape else math.nan
