"""Learners that tune the relaxation of a linear solver to the systems that come."""

from online.sor_tuning.bounds import (
    omega_lipschitz_bound,
    semi_lipschitz_bound,
    semi_stochastic_rate,
    sor_contextual_bound,
    sor_contextual_rate,
    sor_tuning_bound,
    sor_tuning_rate,
    truncated_normal_concentration,
)
from online.sor_tuning.tuned_solver import SolveFailedError, SolveRecord, TunedSolver
from online.sor_tuning.tuning import SolverTuning

__all__ = [
    "SolveFailedError",
    "SolveRecord",
    "SolverTuning",
    "TunedSolver",
    "omega_lipschitz_bound",
    "semi_lipschitz_bound",
    "semi_stochastic_rate",
    "sor_contextual_bound",
    "sor_contextual_rate",
    "sor_tuning_bound",
    "sor_tuning_rate",
    "truncated_normal_concentration",
]
