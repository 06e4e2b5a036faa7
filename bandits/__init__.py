"""Learners that choose arms."""

from bandits.policy import Arms, CustomPolicy, Policy, PolicyKernels
from bandits.thompson import ThompsonSampling, thompson_bayesian_bound
from bandits.ucb import UCB1, ucb1_bound

__all__ = [
    "UCB1",
    "Arms",
    "CustomPolicy",
    "Policy",
    "PolicyKernels",
    "ThompsonSampling",
    "thompson_bayesian_bound",
    "ucb1_bound",
]
