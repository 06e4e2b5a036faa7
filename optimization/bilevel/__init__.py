"""Bilevel optimization: the upper level pays for what the lower level answers."""

from optimization.bilevel.design_gradients import DesignGradient, DesignMethod, design_gradient, penalty_gradient
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

__all__ = [
    "PARL",
    "DesignEvolutionStrategies",
    "DesignFiniteDifferences",
    "DesignGradient",
    "DesignMethod",
    "FixedReward",
    "RewardAlternation",
    "SampledGradient",
    "UnrolledPolicyGradient",
    "design_gradient",
    "inexact_descent_bound",
    "penalty_gradient",
    "sampled_advantages",
    "sampled_design_gradient",
    "sampled_policy_gradient",
    "trajectory_length",
]
