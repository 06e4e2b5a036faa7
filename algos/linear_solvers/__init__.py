"""Iterative solvers of sparse linear systems, and the theory of their rates."""

from algos.linear_solvers.adaptive import adaptive_sor
from algos.linear_solvers.by_name import SOLVERS
from algos.linear_solvers.chebyshev import chebyshev_ssor, cyclic_chebyshev
from algos.linear_solvers.conjugate_gradients import cg, jacobi_pcg, ssor_pcg
from algos.linear_solvers.grid_solvers import GRID_SOLVERS
from algos.linear_solvers.iteration_bounds import (
    SplittingConstants,
    best_ssor_omega,
    near_asymptotic_constant,
    sor_energy_iteration_bound,
    sor_energy_norm_bound,
    sor_lipschitz_bound,
    splitting_constants,
    ssor_energy_iteration_bound,
    ssor_pcg_iteration_bound,
    ssor_pcg_lipschitz_bound,
)
from algos.linear_solvers.preconditioners import amg_pcg, ic_pcg, ilu_pcg, incomplete_cholesky
from algos.linear_solvers.relaxation import colours, gauss_seidel, jacobi, red_black_sor, relax, sor, ssor
from algos.linear_solvers.sequence import GridKernels, LinearSystem, LinearSystems, RunningSystems
from algos.linear_solvers.stencil import Stencil, relax_red_black
from algos.linear_solvers.system import LinearSolution, NotSPDError, check_grid
from algos.linear_solvers.theory import (
    as_preconditioner,
    estimate_jacobi_radius,
    is_consistently_ordered,
    jacobi_radius,
    optimal_omega,
    sor_iteration_bound,
    spectral_radius_sor,
    ssor_condition_bound,
)

__all__ = [
    "GRID_SOLVERS",
    "SOLVERS",
    "GridKernels",
    "LinearSolution",
    "LinearSystem",
    "LinearSystems",
    "NotSPDError",
    "RunningSystems",
    "SplittingConstants",
    "Stencil",
    "adaptive_sor",
    "amg_pcg",
    "as_preconditioner",
    "best_ssor_omega",
    "cg",
    "chebyshev_ssor",
    "check_grid",
    "colours",
    "cyclic_chebyshev",
    "estimate_jacobi_radius",
    "gauss_seidel",
    "ic_pcg",
    "ilu_pcg",
    "incomplete_cholesky",
    "is_consistently_ordered",
    "jacobi",
    "jacobi_pcg",
    "jacobi_radius",
    "near_asymptotic_constant",
    "optimal_omega",
    "red_black_sor",
    "relax",
    "relax_red_black",
    "sor",
    "sor_energy_iteration_bound",
    "sor_energy_norm_bound",
    "sor_iteration_bound",
    "sor_lipschitz_bound",
    "spectral_radius_sor",
    "splitting_constants",
    "ssor",
    "ssor_condition_bound",
    "ssor_energy_iteration_bound",
    "ssor_pcg",
    "ssor_pcg_iteration_bound",
    "ssor_pcg_lipschitz_bound",
]
