"""All solvers by name, called alike: ``(A, b, x0, omega, tolerance, max_iterations) -> LinearSolution``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from algos.linear_solvers.chebyshev import chebyshev_ssor
from algos.linear_solvers.conjugate_gradients import cg, jacobi_pcg, ssor_pcg
from algos.linear_solvers.relaxation import gauss_seidel, jacobi, red_black_sor, sor, ssor
from algos.linear_solvers.system import LinearSolution

__all__ = ["SOLVERS"]


def _without_omega(solver: Callable[..., LinearSolution]) -> Callable[..., LinearSolution]:
    def solve(A: Any, b: Any, x0: Any, omega: float, tolerance: float, max_iterations: int) -> LinearSolution:
        return solver(A, b, x0, tolerance, max_iterations)

    return solve


SOLVERS: dict[str, Callable[..., LinearSolution]] = {
    "cg": _without_omega(cg),
    "chebyshev_ssor": chebyshev_ssor,
    "gauss_seidel": _without_omega(gauss_seidel),
    "jacobi": jacobi,
    "jacobi_pcg": _without_omega(jacobi_pcg),
    "red_black_sor": red_black_sor,
    "sor": sor,
    "ssor": ssor,
    "ssor_pcg": ssor_pcg,
}
"""Solvers by name; those without a relaxation take one and do not use it."""
