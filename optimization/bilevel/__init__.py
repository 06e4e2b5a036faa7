"""Bilevel optimization: penalty, first-order and implicit methods, hyper-gradients, and the alignment of policies."""

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
from optimization.bilevel.design_gradients import DesignGradient, DesignMethod, design_gradient, penalty_gradient
from optimization.bilevel.first_order import BOME, F2BA, F2SA, F3SA, VPBGD
from optimization.bilevel.hypergradients import (
    HyperGradient,
    HyperGradientCheck,
    check_hypergradient,
    hypergradient,
    stencil_weights,
)
from optimization.bilevel.implicit import AID, ITD, SABA, SOBA, TTSA, AmIGO, StocBiO
from optimization.bilevel.parl import PARL, inexact_descent_bound
from optimization.bilevel.parl_rivals import (
    DesignEvolutionStrategies,
    DesignFiniteDifferences,
    FixedReward,
    RewardAlternation,
    UnrolledPolicyGradient,
)
from optimization.bilevel.parl_sampling import (
    SampledGradient,
    sampled_advantages,
    sampled_design_gradient,
    sampled_policy_gradient,
    trajectory_length,
)
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
    "PARL",
    "SABA",
    "SOBA",
    "TTSA",
    "VPBGD",
    "AmIGO",
    "Counts",
    "DesignEvolutionStrategies",
    "DesignFiniteDifferences",
    "DesignGradient",
    "DesignMethod",
    "FixedReward",
    "HyperGradient",
    "HyperGradientCheck",
    "PenaltyDoubleLoop",
    "PenaltySingleLoop",
    "PowerLaw",
    "RewardAlternation",
    "SampledGradient",
    "StocBiO",
    "UnrolledPolicyGradient",
    "check_hypergradient",
    "design_gradient",
    "hypergradient",
    "inexact_descent_bound",
    "inner_steps_for",
    "iterations_for_accuracy",
    "lower_solution_lipschitz",
    "penalty_distance_bound",
    "penalty_gap_bound",
    "penalty_gradient",
    "penalty_gradient_bound",
    "penalty_smoothness",
    "penalty_value_bound",
    "prox_error_constant",
    "sampled_advantages",
    "sampled_design_gradient",
    "sampled_policy_gradient",
    "stencil_weights",
    "tracking_bound",
    "trajectory_length",
]
