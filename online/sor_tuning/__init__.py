"""Learners that tune the relaxation of a linear solver to the systems that come."""

from online.sor_tuning.tuning import SolverTuning

__all__ = ["SolverTuning"]
