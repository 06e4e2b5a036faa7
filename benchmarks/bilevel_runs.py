"""Outer steps of the penalty method and a hyper-gradient on quadratics, beside the same in jit-compiled JAX."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.measure import Row, cpu_seconds
from optimization.bilevel import PenaltyDoubleLoop, hypergradient
from simulators import QuadraticBilevel, random_quadratic

__all__ = ["rows"]

_ROUNDS, _STEPS, _INNER = 7, 2000, 100


def rows() -> list[Row]:
    """One row for each target."""
    return [*_outer_steps(), *_hypergradients()]


def _median(function: Callable[[], object]) -> float:
    function()
    return statistics.median(cpu_seconds(function) for _ in range(_ROUNDS))


def _used(function: Callable[[], object]) -> float:
    """CPU seconds of all threads: fair to a peer that computes on threads of its own, also on a busy machine."""
    function()
    times = []
    for _ in range(_ROUNDS):
        started = time.process_time()
        function()
        times.append(time.process_time() - started)
    return statistics.median(times)


def _outer_steps() -> list[Row]:
    problem = random_quadratic(10, 10, np.random.default_rng(0))
    step = 1.0 / (problem.constants.lower_smoothness + 1e-3 * problem.constants.upper_smoothness)
    method = PenaltyDoubleLoop(1e-3, 1e-3, _INNER, gamma=step)

    def run() -> np.ndarray:
        return np.asarray(
            method.run(problem, _STEPS, np.random.default_rng(0), checkpoints=[_STEPS]).outcome["iterate"]
        )

    ours = _median(run) / _STEPS
    what = "outer step of Algorithm 1, quadratic, d = 10, T = 100"
    found = [
        Row(what, f"{1e6 * ours:.1f} us", "target", "30 us", 30e-6 / ours, "1x", ours <= 30e-6),
    ]
    if find_spec("jax") is not None:
        theirs = _jax_steps(problem, step)
        if not np.allclose(theirs(), run(), rtol=1e-6):
            raise AssertionError("JAX's iterates differ")
        taken, mine = _used(theirs) / _STEPS, _used(run) / _STEPS
        found.append(Row(f"{what}, all threads", f"{1e6 * mine:.1f} us", f"{_jax()}, jitted fori_loop",
                         f"{1e6 * taken:.0f} us", taken / mine, "10x", taken >= 10 * mine))  # fmt: skip
    return found


def _hypergradients() -> list[Row]:
    if find_spec("jax") is None:
        return []
    problem, x = random_quadratic(100, 100, np.random.default_rng(0)), np.ones(100)
    truth = problem.value_gradient(x)

    def ours() -> np.ndarray:
        return hypergradient(problem, x, "aid", tolerance=1e-8).gradient

    theirs = _jax_hypergradient(problem, x)
    for found in (ours(), theirs()):
        if not np.allclose(found, truth, rtol=1e-3, atol=1e-3 * np.abs(truth).max()):
            raise AssertionError("a hyper-gradient is wrong")
    taken, mine = _used(theirs), _used(ours)
    return [Row("hyper-gradient by implicit differentiation, d = 100, all threads", f"{1e3 * mine:.2f} ms",
                f"{_jax()}, jitted, gradient steps and CG", f"{1e3 * taken:.2f} ms", taken / mine, "1x",
                taken >= mine)]  # fmt: skip


def _jax() -> str:
    try:
        return f"JAX {version('jax')}"
    except PackageNotFoundError:
        return "JAX"


def _oracles(problem: QuadraticBilevel) -> tuple[Any, Any, Any]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    A, C, a, F, H, K, f0, h0 = (
        jnp.asarray(getattr(problem, name)) for name in ("A", "C", "a", "F", "H", "K", "f0", "h0")
    )

    def f(x: Any, y: Any) -> Any:
        return y @ F @ y / 2 + x @ H @ x / 2 + x @ K @ y + f0 @ y + h0 @ x

    def g(x: Any, y: Any) -> Any:
        return y @ A @ y / 2 + x @ C @ y + a @ y

    return jax, f, g


def _jax_steps(problem: QuadraticBilevel, step: float) -> Callable[[], np.ndarray]:
    jax, f, g = _oracles(problem)
    fy, gy, fx, gx = jax.grad(f, 1), jax.grad(g, 1), jax.grad(f, 0), jax.grad(g, 0)
    s, alpha = 1e-3, 1e-3

    def outer(_: Any, state: Any) -> Any:
        x, y, z = state

        def inner(_: Any, pair: Any) -> Any:
            u, v = pair
            return u - step * (s * fy(x, u) + gy(x, u)), v - step * gy(x, v)

        u, v = jax.lax.fori_loop(0, _INNER, inner, (y, z))
        return x - alpha * (fx(x, u) + (gx(x, u) - gx(x, v)) / s), u, v

    whole = jax.jit(lambda state: jax.lax.fori_loop(0, _STEPS, outer, state))
    start = tuple(np.zeros(10) for _ in range(3))
    return lambda: np.asarray(jax.block_until_ready(whole(start))[0])


def _jax_hypergradient(problem: QuadraticBilevel, x: np.ndarray) -> Callable[[], np.ndarray]:
    jax, f, g = _oracles(problem)
    gy = jax.grad(g, 1)
    step = 1.0 / problem.constants.lower_smoothness
    steps = 200

    @jax.jit  # type: ignore[untyped-decorator]
    def whole(x: Any) -> Any:
        y = jax.lax.fori_loop(0, steps, lambda _, y: y - step * gy(x, y), np.zeros(100))
        v, _ = jax.scipy.sparse.linalg.cg(
            lambda v: jax.jvp(lambda y: gy(x, y), (y,), (v,))[1], jax.grad(f, 1)(x, y), tol=1e-10
        )
        _, back = jax.vjp(lambda x: gy(x, y), x)
        return jax.grad(f, 0)(x, y) - back(v)[0]

    return lambda: np.asarray(jax.block_until_ready(whole(x)))
