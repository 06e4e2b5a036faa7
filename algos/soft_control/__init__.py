"""Entropy-regularised control of tabular Markov decision processes, and the contract of designers of rewards."""

from algos.soft_control.bounds import entropy_bias_bound, soft_iteration_bound, stopping_error_bound
from algos.soft_control.design import DesignCost, DesignProblem
from algos.soft_control.policy_gradients import PolicyCurvature, policy_curvature, policy_gradient, softmax_gradient
from algos.soft_control.process import SoftControl, SoftSolution, log_softmax

__all__ = [
    "DesignCost",
    "DesignProblem",
    "PolicyCurvature",
    "SoftControl",
    "SoftSolution",
    "entropy_bias_bound",
    "log_softmax",
    "policy_curvature",
    "policy_gradient",
    "soft_iteration_bound",
    "softmax_gradient",
    "stopping_error_bound",
]
