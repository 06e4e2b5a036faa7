"""SOR that estimates its own relaxation while it iterates.

From the ratio R of the lengths of two successive steps, once it has settled, follows the radius of Jacobi's method, as
R is about the spectral radius of SOR: mu = (R + omega - 1) / (omega sqrt(R)); and with it Young's relaxation.

Source: after L. A. Hageman, D. M. Young, "Applied iterative methods", 1981, Chapter 9; the rule when to change omega is
the heuristic of arXiv:2310.02246's comparisons as we have it at second hand.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from algos.linear_solvers.lattice import grid_sor_step, grid_true_residual, lattice_system, points_of
from algos.linear_solvers.relaxation import iterate, sor_step, true_residual
from algos.linear_solvers.stencil import Stencil
from algos.linear_solvers.system import Check, LinearSolution, check_omega, finished, prepare

__all__ = ["adaptive_sor"]

_OMEGA, _SWEEPS, _STEP, _RATIO, _CAP = range(5)  # of the state: the middle three since omega changed


def adaptive_sor(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None = None,
    omega_max: float = 1.95,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
    *,
    history: bool = False,
    check: Check = "none",
) -> LinearSolution:
    """SOR that begins with omega = 1 and raises it as its own steps suggest; it tends to overshoot.

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Every diagonal entry other than 0; made for consistently ordered symmetric positive definite matrices.
    b, x0 : float array, shape (n,)
        Right-hand side and start.
    omega_max : float in (0, 2)
        The relaxation goes no further; at least 1.
    tolerance : float in (0, 1)
        Of the residual's norm, relative to that at the start.
    max_iterations : int >= 1
        Most sweeps.
    history : bool
        Whether to keep the norms of all residuals.
    check : {"none", "symmetric", "spd"}
        What to make sure of.

    Examples
    --------
    >>> from algos.linear_solvers import Stencil, sor
    >>> A, b = Stencil((30, 30)), np.ones(900)
    >>> adaptive_sor(A, b).iterations < sor(A, b, omega=1.0).iterations / 5
    True
    """
    most_omega = check_omega(omega_max)
    if most_omega < 1:
        raise ValueError(f"omega_max: {omega_max!r} is below 1")
    on_lattice = isinstance(A, Stencil)
    if on_lattice:
        system = lattice_system(A, b, x0, tolerance, max_iterations, check)
    else:
        system = prepare(A, b, x0, tolerance, max_iterations, check, positive_diagonal=check != "none")
    reference = float(np.linalg.norm(system.residual))
    norms = np.zeros(system.max_iterations + 1 if history else 1)
    state = np.array([1.0, 0.0, 0.0, np.inf, most_omega])
    functions = (_adaptive_grid_step, grid_true_residual) if on_lattice else (_adaptive_step, true_residual)
    iterations, status = iterate(
        *functions, system.rows, system.b, system.x, system.residual, state, system.tolerance * reference,
        system.max_iterations, norms,
    )  # fmt: skip
    x = points_of(system.rows, system.x) if on_lattice else system.x
    return finished(system, x, system.residual, reference, iterations, status, norms, history=history)


@njit(nogil=True)  # not cached, as the next: they call a kernel of another file
def _adaptive_step(rows, x, r, delta, state):
    """One forward sweep; then, if the lengths of steps have settled, another relaxation."""
    norm = sor_step(rows, x, r, delta, state[_OMEGA])
    _adapt(delta, state)
    return norm


@njit(nogil=True)
def _adaptive_grid_step(rows, x, r, delta, state):
    """The same without a matrix."""
    norm = grid_sor_step(rows, x, r, delta, state[_OMEGA])
    _adapt(delta, state)
    return norm


@njit(cache=True, nogil=True)
def _adapt(delta, state):
    omega, sweeps, step_before, ratio_before = state[_OMEGA], state[_SWEEPS] + 1.0, state[_STEP], state[_RATIO]
    step = 0.0
    for i in range(delta.size):
        step += delta[i] * delta[i]
    step = math.sqrt(step)
    ratio = step / step_before if sweeps > 1.0 and step_before > 0.0 else math.inf
    settled = sweeps >= 4.0 and ratio < 1.0 and abs(ratio - ratio_before) <= 0.1 * (1.0 - ratio)
    if settled and ratio > (omega - 1.0) ** 0.75:
        radius = (ratio + omega - 1.0) / (omega * math.sqrt(ratio))
        if radius < 1.0:
            youngs = 2.0 / (1.0 + math.sqrt((1.0 - radius) * (1.0 + radius)))
            state[_OMEGA], sweeps = min(max(omega, youngs), state[_CAP]), 0.0
    state[_SWEEPS], state[_STEP], state[_RATIO] = sweeps, step, ratio
