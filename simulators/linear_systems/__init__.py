"""Sequences of linear systems that a solver meets one after the other, and what they are made of."""

from simulators.linear_systems.grids import HeatCN, HeatImplicitEuler, ShiftedLaplacian2D
from simulators.linear_systems.matrices import (
    anisotropic_laplacian,
    graph_laplacian,
    l_shape,
    laplacian_3d,
    nine_point_laplacian,
    random_tridiagonal,
    red_black,
    variable_laplacian,
)
from simulators.linear_systems.nonlinear import MeanCurvature, NewtonLM
from simulators.linear_systems.recorded import RecordedCosts, record_costs
from simulators.linear_systems.shifted import ListedSystems, MatrixMarketFolder, ShiftedSystems
from simulators.linear_systems.targets import degenerate_target, truncated_normal

__all__ = [
    "HeatCN",
    "HeatImplicitEuler",
    "ListedSystems",
    "MatrixMarketFolder",
    "MeanCurvature",
    "NewtonLM",
    "RecordedCosts",
    "ShiftedLaplacian2D",
    "ShiftedSystems",
    "anisotropic_laplacian",
    "degenerate_target",
    "graph_laplacian",
    "l_shape",
    "laplacian_3d",
    "nine_point_laplacian",
    "random_tridiagonal",
    "record_costs",
    "red_black",
    "truncated_normal",
    "variable_laplacian",
]
