"""Learners that choose arms."""

from bandits.bayes_ucb import BayesUCB
from bandits.changing import DiscountedUCB, SlidingWindowUCB
from bandits.elimination import SuccessiveElimination, successive_elimination_bound
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
from bandits.gaussian_thompson import GaussianThompson
from bandits.greedy import (
    DecayingEpsilonGreedy,
    EpsilonGreedy,
    ExploreThenCommit,
    epsilon_greedy_lower_bound,
    explore_then_commit_bound,
)
from bandits.imed import IMED
from bandits.kl_ucb import KLUCB, KLUCBPlusPlus, klucb_bound
from bandits.lin_ts import LinTS
from bandits.linear import DisjointLinUCB, LinUCB, oful_bound, oful_radius, oful_uniform_bound
from bandits.lower_bounds import lai_robbins_constant, minimax_bernoulli_bound, minimax_gaussian_bound
from bandits.moss import MOSS, moss_bound, moss_unit_bound
from bandits.policy import Arms, CustomPolicy, Policy, PolicyKernels
from bandits.softmax import Softmax
from bandits.thompson import ThompsonSampling, thompson_bayesian_bound
from bandits.tsallis_inf import TsallisINF, tsallis_inf_bound
from bandits.ucb import UCB, UCB1, AsymptoticUCB, asymptotic_ucb_bound, ucb1_bound, ucb_bound, ucb_minimax_bound
from bandits.ucb_variance import UCBV, UCBTuned, ucbv_bound
from bandits.uniform import RoundRobin, UniformRandom, round_robin_regret, uniform_regret

__all__ = [
    "IMED",
    "KLUCB",
    "MOSS",
    "UCB",
    "UCB1",
    "UCBV",
    "Arms",
    "AsymptoticUCB",
    "BayesUCB",
    "CustomPolicy",
    "DecayingEpsilonGreedy",
    "DiscountedUCB",
    "DisjointLinUCB",
    "EpsilonGreedy",
    "Exp3",
    "Exp3Gain",
    "Exp3IX",
    "Exp4",
    "ExploreThenCommit",
    "GaussianThompson",
    "KLUCBPlusPlus",
    "LinTS",
    "LinUCB",
    "Policy",
    "PolicyKernels",
    "RoundRobin",
    "SlidingWindowUCB",
    "Softmax",
    "SuccessiveElimination",
    "ThompsonSampling",
    "TsallisINF",
    "UCBTuned",
    "UniformRandom",
    "asymptotic_ucb_bound",
    "epsilon_greedy_lower_bound",
    "exp3_anytime_bound",
    "exp3_bound",
    "exp3_gain_bound",
    "exp3_ix_anytime_bound",
    "exp3_ix_bound",
    "exp4_bound",
    "explore_then_commit_bound",
    "klucb_bound",
    "lai_robbins_constant",
    "minimax_bernoulli_bound",
    "minimax_gaussian_bound",
    "moss_bound",
    "moss_unit_bound",
    "oful_bound",
    "oful_radius",
    "oful_uniform_bound",
    "round_robin_regret",
    "successive_elimination_bound",
    "thompson_bayesian_bound",
    "tsallis_inf_bound",
    "ucb1_bound",
    "ucb_bound",
    "ucb_minimax_bound",
    "ucbv_bound",
    "uniform_regret",
]
