"""Learners that choose arms."""

from bandits.best_arm import (
    DPSequentialHalving,
    DPSuccessiveRejects,
    DPUniformAllocation,
    SequentialHalving,
    SuccessiveRejects,
    UniformAllocation,
    rejects_schedule,
    sequential_halving_bound,
    successive_rejects_bound,
    uniform_allocation_bound,
)
from bandits.dp_best_arm import DPBAI, DPBAIGauss, survivor_schedule
from bandits.dp_best_arm_bounds import (
    Hardness,
    budget_for_error,
    dp_bai_bound,
    dp_bai_gauss_bound,
    dp_bai_rate,
    dp_od_bound,
    hardness,
    noisy_difference_bound,
    two_arm_floor,
)
from bandits.dp_best_arm_laws import elimination_law, max_det_error, preference_law, three_arm_error, two_arm_error
from bandits.error_rates import ErrorRate, clopper_pearson, error_rate
from bandits.fixed_budget import BestArmPolicy, BudgetError, Phase, phase_log
from bandits.linear_best_arm import DPOD, ODLinBAI, od_lin_bai_bound, od_schedule
from bandits.policy import Arms, CustomPolicy, Policy, PolicyKernels
from bandits.thompson import ThompsonSampling, thompson_bayesian_bound
from bandits.ucb import UCB1, ucb1_bound

__all__ = [
    "DPBAI",
    "DPOD",
    "UCB1",
    "Arms",
    "BestArmPolicy",
    "BudgetError",
    "CustomPolicy",
    "DPBAIGauss",
    "DPSequentialHalving",
    "DPSuccessiveRejects",
    "DPUniformAllocation",
    "ErrorRate",
    "Hardness",
    "ODLinBAI",
    "Phase",
    "Policy",
    "PolicyKernels",
    "SequentialHalving",
    "SuccessiveRejects",
    "ThompsonSampling",
    "UniformAllocation",
    "budget_for_error",
    "clopper_pearson",
    "dp_bai_bound",
    "dp_bai_gauss_bound",
    "dp_bai_rate",
    "dp_od_bound",
    "elimination_law",
    "error_rate",
    "hardness",
    "max_det_error",
    "noisy_difference_bound",
    "od_lin_bai_bound",
    "od_schedule",
    "phase_log",
    "preference_law",
    "rejects_schedule",
    "sequential_halving_bound",
    "successive_rejects_bound",
    "survivor_schedule",
    "thompson_bayesian_bound",
    "three_arm_error",
    "two_arm_error",
    "two_arm_floor",
    "ucb1_bound",
    "uniform_allocation_bound",
]
