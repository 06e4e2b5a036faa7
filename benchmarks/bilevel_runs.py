"""Steps and gradients of bilevel methods beside jit-compiled JAX, jaxopt, and the matrix products they need."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from algos.bilevel_oracles import WHOLE
from benchmarks.measure import Row, least_in_turn, version
from optimization.bilevel import PenaltyDoubleLoop, hypergradient
from simulators import HyperCleaning, QuadraticBilevel, random_quadratic

__all__ = ["rows"]

_STEPS, _INNER = 2000, 100


def rows() -> list[Row]:
    """One row for each target."""
    return [*_outer_steps(), *_hypergradients(), _glm_gradient()]


def _outer_steps() -> list[Row]:
    problem = random_quadratic(10, 10, np.random.default_rng(0))
    step = 1.0 / (problem.constants.lower_smoothness + 1e-3 * problem.constants.upper_smoothness)
    method = PenaltyDoubleLoop(1e-3, 1e-3, _INNER, gamma=step)

    def run() -> np.ndarray:
        return np.asarray(
            method.run(problem, _STEPS, np.random.default_rng(0), checkpoints=[_STEPS]).outcome["iterate"]
        )

    what = "outer step of Algorithm 1, quadratic, d = 10, T = 100, wall-clock"
    if find_spec("jax") is None:
        (mine,) = (seconds / _STEPS for seconds in least_in_turn(run))
        return [Row(what, f"{1e6 * mine:.1f} us", target="30 us", met=mine <= 30e-6)]
    theirs = _jax_steps(problem, step)
    if not np.allclose(theirs(), run(), rtol=1e-6):
        raise AssertionError("JAX's iterates differ")
    mine, taken = (seconds / _STEPS for seconds in least_in_turn(run, theirs))
    return [
        Row(what, f"{1e6 * mine:.1f} us", target="30 us", met=mine <= 30e-6),
        Row(what, f"{1e6 * mine:.1f} us", f"{version('jax')}, jitted fori_loop", f"{1e6 * taken:.0f} us",
            taken / mine, "10x", taken >= 10 * mine),
    ]  # fmt: skip


def _hypergradients() -> list[Row]:
    """Both descend with momentum to the same residual, and solve by conjugate gradients."""
    if find_spec("jaxopt") is None:
        return []
    problem, x = random_quadratic(100, 100, np.random.default_rng(0)), np.ones(100)
    truth = problem.value_gradient(x)

    def ours() -> np.ndarray:
        return hypergradient(problem, x, "aid", tolerance=1e-8).gradient

    theirs = _jaxopt_hypergradient(problem, x)
    errors = [float(np.linalg.norm(one() - truth) / np.linalg.norm(truth)) for one in (ours, theirs)]
    if max(errors) > 1e-3:
        raise AssertionError("a hyper-gradient is wrong")
    mine, taken = least_in_turn(ours, theirs, rounds=200)
    what = f"hyper-gradient by implicit differentiation, d = 100, error {errors[0]:.0e}, wall-clock"
    return [Row(what, f"{1e3 * mine:.2f} ms", f"{version('jaxopt')}, error {errors[1]:.0e}", f"{1e3 * taken:.2f} ms",
                taken / mine, "1x", taken >= mine)]  # fmt: skip


def _glm_gradient() -> Row:
    """A lower gradient of hyper-cleaning at the size of MNIST's samples, beside the two matrix products in it."""
    rng, (n, d, classes) = np.random.default_rng(0), (5000, 784, 10)
    problem = HyperCleaning(
        rng.random((n, d)), rng.integers(0, classes, n), rng.random((500, d)), rng.integers(0, classes, 500), classes
    )
    kernels, x, y = problem.kernels(), np.zeros(n), rng.normal(size=d * classes) * 0.01
    features, weights = np.ascontiguousarray(problem.train_features), y.reshape(d, classes)
    out_x, out_y, scores, back = np.empty(n), np.empty(d * classes), np.empty((n, classes)), np.empty((d, classes))

    def products() -> None:
        np.dot(features, weights, out=scores)
        np.dot(features.T, scores, out=back)

    mine, taken = least_in_turn(lambda: kernels.lower_gradient(kernels.data, x, y, WHOLE, out_x, out_y), products)
    what = f"lower gradient of hyper-cleaning, {n:,} x {d}, {classes} classes, wall-clock"
    return Row(what, f"{1e3 * mine:.1f} ms", "its two matrix products by BLAS", f"{1e3 * taken:.1f} ms",
               taken / mine, "0.5x", 2 * taken >= mine)  # fmt: skip


def _oracles(problem: QuadraticBilevel) -> tuple[Any, Any, Any]:
    # One thread: its pool would wait busily on the cores that are timed.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
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


def _jaxopt_hypergradient(problem: QuadraticBilevel, x: np.ndarray) -> Callable[[], np.ndarray]:
    jax, f, g = _oracles(problem)
    import jaxopt

    solver = jaxopt.GradientDescent(
        lambda y, x: g(x, y), stepsize=1.0 / problem.constants.lower_smoothness, maxiter=10_000, tol=1e-7,
        acceleration=True, implicit_diff=True,
    )  # fmt: skip
    zero = np.zeros(problem.lower_dimension)
    slope = jax.jit(jax.grad(lambda x: f(x, solver.run(zero, x).params)))
    return lambda: np.asarray(jax.block_until_ready(slope(x)))
