"""Clipped gradient sums, private descent, exact noise; beside JAX and OpenDP where they are installed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from algos.privacy import exact_discrete_gaussian
from benchmarks.measure import Row, cpu_seconds
from optimization.differentially_private import DPGD
from simulators.erm import breast_cancer, robust_regression

__all__ = ["rows"]

_ROUNDS = 9


def rows() -> list[Row]:
    """One row for each target."""
    return [*_sums(), _steps(), _noise()]


def _median(function: Callable[[], object]) -> float:
    function()
    return statistics.median(cpu_seconds(function) for _ in range(_ROUNDS))


def _wall(function: Callable[[], object]) -> float:
    """Of peers that compute on threads of their own."""
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def _sums() -> list[Row]:
    problem = robust_regression(50_000, 100, np.random.default_rng(0))
    features, w = np.ascontiguousarray(problem.features), np.full(100, 0.1)
    ours = _median(lambda: problem.gradient_sum(w, clip=0.3))
    reading = _median(lambda: features.sum(axis=0))
    what = "clipped sum of 50,000 gradients of dimension 100"
    found = [
        Row(what, f"{1e3 * ours:.2f} ms", "one read: the sum of the rows by NumPy", f"{1e3 * reading:.2f} ms",
            reading / ours, "0.5x", reading / ours >= 0.5)
    ]  # fmt: skip
    clipped = _by_jax(features, np.array(problem.targets))
    if clipped is not None:
        function, name = clipped
        theirs, ours = _wall(lambda: function(w)), _wall(lambda: problem.gradient_sum(w, clip=0.3))
        if not np.allclose(function(w), problem.gradient_sum(w, clip=0.3), rtol=1e-8):
            raise AssertionError("JAX's sum differs")
        ratio = theirs / ours
        mine, peer = f"{1e3 * ours:.2f} ms", f"{1e3 * theirs:.1f} ms"
        found.append(Row(f"{what}, wall-clock", mine, name, peer, ratio, "2x", ratio >= 2.0))
    return found


def _by_jax(features: Any, targets: Any) -> tuple[Callable[[Any], Any], str] | None:
    """The same by jit(vmap(grad)) and a clip of each record's gradient."""
    if find_spec("jax") is None:
        return None
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    rows, labels = jnp.asarray(features), jnp.asarray(targets)

    def loss(w: Any, x: Any, y: Any) -> Any:
        return jnp.log1p((x @ w - y) ** 2 / 2.0)

    @jax.jit
    def total(w: Any) -> Any:
        each = jax.vmap(jax.grad(loss), in_axes=(None, 0, 0))(w, rows, labels)
        norms = jnp.linalg.norm(each, axis=1)
        return (each * jnp.minimum(1.0, 0.3 / jnp.maximum(norms, 1e-300))[:, None]).sum(axis=0)

    return (lambda w: np.asarray(total(w))), f"JAX {version('jax')}, jit(vmap(grad))"


def _steps() -> Row:
    problem, method = breast_cancer(), DPGD(1.0, 1e-5)
    method.run(problem, 10, np.random.default_rng(0))
    seconds = statistics.median(
        cpu_seconds(lambda: method.run(problem, 10_000, np.random.default_rng(0))) for _ in range(3)
    )
    return Row("10,000 steps of DP-GD on breast_cancer", f"{seconds:.2f} s", target="1 s", met=seconds <= 1.0)


def _noise() -> Row:
    draws = 20_000
    seconds = _median(lambda: exact_discrete_gaussian(100, draws)) / draws
    what, ours = "exact discrete Gaussian, sigma = 10, a draw, bits of the operating system", f"{1e6 * seconds:.1f} us"
    theirs = _by_opendp(draws)
    if theirs is None:
        return Row(what, ours)
    return Row(
        what, ours, theirs[1], f"{1e6 * theirs[0]:.1f} us", theirs[0] / seconds, "0.5x", theirs[0] / seconds >= 0.5
    )


def _by_opendp(draws: int) -> tuple[float, str] | None:
    try:
        name = f"OpenDP {version('opendp')}"
    except PackageNotFoundError:
        return None
    import opendp.prelude as dp

    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i32")), dp.l2_distance(T="f64")
    measure = dp.m.make_gaussian(*space, scale=10.0)
    zeros = [0] * draws
    return _median(lambda: measure(zeros)) / draws, name
