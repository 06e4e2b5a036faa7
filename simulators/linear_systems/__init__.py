"""Sequences of linear systems that a solver meets one after the other."""

from simulators.linear_systems.grids import HeatCN, HeatImplicitEuler, ShiftedLaplacian2D
from simulators.linear_systems.recorded import RecordedCosts, record_costs

__all__ = ["HeatCN", "HeatImplicitEuler", "RecordedCosts", "ShiftedLaplacian2D", "record_costs"]
