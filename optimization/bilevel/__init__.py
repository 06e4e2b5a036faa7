"""Bilevel optimization with first-order and implicit methods."""

from optimization.bilevel.certificates import (
    ACCESS_EXPONENTS,
    iterations_for_accuracy,
    lower_solution_lipschitz,
    penalty_distance_bound,
    penalty_gap_bound,
    penalty_gradient_bound,
    penalty_smoothness,
    penalty_value_bound,
    prox_error_constant,
    tracking_bound,
)
from optimization.bilevel.first_order import BOME, F2BA, F2SA, F3SA, VPBGD
from optimization.bilevel.hypergradients import (
    HyperGradient,
    HyperGradientCheck,
    check_hypergradient,
    hypergradient,
    stencil_weights,
)
from optimization.bilevel.implicit import AID, ITD, SABA, SOBA, TTSA, AmIGO, StocBiO
from optimization.bilevel.penalty import PenaltyDoubleLoop, PenaltySingleLoop
from optimization.bilevel.schedules import Counts, PowerLaw, inner_steps_for

__all__ = [
    "ACCESS_EXPONENTS",
    "AID",
    "BOME",
    "F2BA",
    "F2SA",
    "F3SA",
    "ITD",
    "SABA",
    "SOBA",
    "TTSA",
    "VPBGD",
    "AmIGO",
    "Counts",
    "HyperGradient",
    "HyperGradientCheck",
    "PenaltyDoubleLoop",
    "PenaltySingleLoop",
    "PowerLaw",
    "StocBiO",
    "check_hypergradient",
    "hypergradient",
    "inner_steps_for",
    "iterations_for_accuracy",
    "lower_solution_lipschitz",
    "penalty_distance_bound",
    "penalty_gap_bound",
    "penalty_gradient_bound",
    "penalty_smoothness",
    "penalty_value_bound",
    "prox_error_constant",
    "stencil_weights",
    "tracking_bound",
]
