"""Learners that tune the relaxation of a linear solver to the systems that come."""

from online.sor_tuning.tuned_solver import SolveFailedError, SolveRecord, TunedSolver
from online.sor_tuning.tuning import SolverTuning

__all__ = ["SolveFailedError", "SolveRecord", "SolverTuning", "TunedSolver"]
