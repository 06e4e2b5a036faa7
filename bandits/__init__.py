"""Learners that choose arms."""

from bandits.disjoint_linear import DisjointLinUCB
from bandits.exp3 import (
    Exp3,
    Exp3Gain,
    Exp3IX,
    exp3_anytime_bound,
    exp3_bound,
    exp3_gain_bound,
    exp3_ix_anytime_bound,
    exp3_ix_bound,
)
from bandits.exp4 import Exp4, exp4_bound
from bandits.lin_ts import LinTS
from bandits.linear import LinUCB, oful_bound, oful_radius, oful_uniform_bound
from bandits.policy import Arms, CustomPolicy, Policy, PolicyKernels
from bandits.thompson import ThompsonSampling, thompson_bayesian_bound
from bandits.tsallis_inf import TsallisINF, tsallis_inf_bound
from bandits.ucb import UCB1, ucb1_bound

__all__ = [
    "UCB1",
    "Arms",
    "CustomPolicy",
    "DisjointLinUCB",
    "Exp3",
    "Exp3Gain",
    "Exp3IX",
    "Exp4",
    "LinTS",
    "LinUCB",
    "Policy",
    "PolicyKernels",
    "ThompsonSampling",
    "TsallisINF",
    "exp3_anytime_bound",
    "exp3_bound",
    "exp3_gain_bound",
    "exp3_ix_anytime_bound",
    "exp3_ix_bound",
    "exp4_bound",
    "oful_bound",
    "oful_radius",
    "oful_uniform_bound",
    "thompson_bayesian_bound",
    "tsallis_inf_bound",
    "ucb1_bound",
]
