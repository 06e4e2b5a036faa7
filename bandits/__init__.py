"""Learners that choose arms."""

from bandits.batched import BatchedEpsilonGreedy, BatchedExp3, BurnInExploreThenCommit, FixedSequence
from bandits.bayes_ucb import BayesUCB
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
from bandits.changing import DiscountedUCB, SlidingWindowUCB
from bandits.cheb_cb import ChebCB, cheb_cb_rates, chebyshev_error_bound
from bandits.design_least_squares import GOptimalLeastSquares, SupportEnumeration
from bandits.disjoint_linear import DisjointLinUCB
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
from bandits.elimination import SuccessiveElimination, successive_elimination_bound
from bandits.error_rates import ErrorRate, clopper_pearson, error_rate
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
from bandits.fixed_budget import BestArmPolicy, BudgetError, Phase, phase_log
from bandits.fixed_confidence import LUCB1, UCBE, FixedConfidencePolicy, TopTwoIdentification, ucb_e_bound
from bandits.fixed_confidence_elimination import (
    DPFixedConfidenceElimination,
    FixedConfidenceElimination,
    MedianElimination,
    elimination_failure_bound,
)
from bandits.gaussian_thompson import GaussianThompson
from bandits.greedy import (
    DecayingEpsilonGreedy,
    EpsilonGreedy,
    ExploreThenCommit,
    epsilon_greedy_lower_bound,
    explore_then_commit_bound,
)
from bandits.imed import IMED
from bandits.isolation import IsolateAndThreshold, Isolation, SparseFit, isolation
from bandits.kl_ucb import KLUCB, KLUCBPlusPlus, klucb_bound
from bandits.lin_ts import LinTS
from bandits.linear import LinUCB, oful_bound, oful_radius, oful_uniform_bound
from bandits.linear_best_arm import DPOD, ODLinBAI, od_lin_bai_bound, od_schedule
from bandits.lower_bounds import lai_robbins_constant, minimax_bernoulli_bound, minimax_gaussian_bound
from bandits.moss import MOSS, moss_bound, moss_unit_bound
from bandits.phased_elimination import PhasedElimination, phased_elimination_bound
from bandits.policy import Arms, CustomPolicy, Policy, PolicyKernels
from bandits.query_policy import Answer, AssumptionViolated, QueryPolicy
from bandits.softmax import Softmax
from bandits.sparse_bounds import (
    cover_query_bound,
    elimination_gap_bound,
    isolation_gap_bound,
    least_squares_gap_bound,
    needle_query_bound,
    needle_success_bound,
    packing_size_bound,
    support_enumeration_gap_bound,
    version_space_gap_bound,
)
from bandits.sparse_cover import cover_size
from bandits.sparse_elimination import CoverElimination, OptimisticSparseElimination
from bandits.square_cb import BinMeans, ChebyshevRidge, Regressor, SquareCB, square_cb_bound
from bandits.stepwise import StepwisePolicy
from bandits.thompson import ThompsonSampling, thompson_bayesian_bound
from bandits.tsallis_inf import TsallisINF, tsallis_inf_bound, tsallis_inf_scheduled_bound
from bandits.tsallis_inf_contextual import TsallisINFContextual, contextual_tsallis_bound
from bandits.ucb import UCB, UCB1, AsymptoticUCB, asymptotic_ucb_bound, ucb1_bound, ucb_bound, ucb_minimax_bound
from bandits.ucb_variance import UCBV, UCBTuned, ucbv_bound
from bandits.uniform import RoundRobin, UniformRandom, round_robin_regret, uniform_regret
from bandits.version_space import VersionSpace
from bandits.weighted_tallying import TallyingElimination
from bandits.weighted_tallying_bounds import (
    all_or_nothing_lower_bound,
    constant_action_excess_bound,
    tallying_elimination_bound,
    tallying_instance_bound,
    unknown_memory_lower_bound,
)

__all__ = [
    "DPBAI",
    "DPOD",
    "IMED",
    "KLUCB",
    "LUCB1",
    "MOSS",
    "UCB",
    "UCB1",
    "UCBE",
    "UCBV",
    "Answer",
    "Arms",
    "AssumptionViolated",
    "AsymptoticUCB",
    "BatchedEpsilonGreedy",
    "BatchedExp3",
    "BayesUCB",
    "BestArmPolicy",
    "BinMeans",
    "BudgetError",
    "BurnInExploreThenCommit",
    "ChebCB",
    "ChebyshevRidge",
    "CoverElimination",
    "CustomPolicy",
    "DPBAIGauss",
    "DPFixedConfidenceElimination",
    "DPSequentialHalving",
    "DPSuccessiveRejects",
    "DPUniformAllocation",
    "DecayingEpsilonGreedy",
    "DiscountedUCB",
    "DisjointLinUCB",
    "EpsilonGreedy",
    "ErrorRate",
    "Exp3",
    "Exp3Gain",
    "Exp3IX",
    "Exp4",
    "ExploreThenCommit",
    "FixedConfidenceElimination",
    "FixedConfidencePolicy",
    "FixedSequence",
    "GOptimalLeastSquares",
    "GaussianThompson",
    "Hardness",
    "IsolateAndThreshold",
    "Isolation",
    "KLUCBPlusPlus",
    "LinTS",
    "LinUCB",
    "MedianElimination",
    "ODLinBAI",
    "OptimisticSparseElimination",
    "Phase",
    "PhasedElimination",
    "Policy",
    "PolicyKernels",
    "QueryPolicy",
    "Regressor",
    "RoundRobin",
    "SequentialHalving",
    "SlidingWindowUCB",
    "Softmax",
    "SparseFit",
    "SquareCB",
    "StepwisePolicy",
    "SuccessiveElimination",
    "SuccessiveRejects",
    "SupportEnumeration",
    "TallyingElimination",
    "ThompsonSampling",
    "TopTwoIdentification",
    "TsallisINF",
    "TsallisINFContextual",
    "UCBTuned",
    "UniformAllocation",
    "UniformRandom",
    "VersionSpace",
    "all_or_nothing_lower_bound",
    "asymptotic_ucb_bound",
    "budget_for_error",
    "cheb_cb_rates",
    "chebyshev_error_bound",
    "clopper_pearson",
    "constant_action_excess_bound",
    "contextual_tsallis_bound",
    "cover_query_bound",
    "cover_size",
    "dp_bai_bound",
    "dp_bai_gauss_bound",
    "dp_bai_rate",
    "dp_od_bound",
    "elimination_failure_bound",
    "elimination_gap_bound",
    "elimination_law",
    "epsilon_greedy_lower_bound",
    "error_rate",
    "exp3_anytime_bound",
    "exp3_bound",
    "exp3_gain_bound",
    "exp3_ix_anytime_bound",
    "exp3_ix_bound",
    "exp4_bound",
    "explore_then_commit_bound",
    "hardness",
    "isolation",
    "isolation_gap_bound",
    "klucb_bound",
    "lai_robbins_constant",
    "least_squares_gap_bound",
    "max_det_error",
    "minimax_bernoulli_bound",
    "minimax_gaussian_bound",
    "moss_bound",
    "moss_unit_bound",
    "needle_query_bound",
    "needle_success_bound",
    "noisy_difference_bound",
    "od_lin_bai_bound",
    "od_schedule",
    "oful_bound",
    "oful_radius",
    "oful_uniform_bound",
    "packing_size_bound",
    "phase_log",
    "phased_elimination_bound",
    "preference_law",
    "rejects_schedule",
    "round_robin_regret",
    "sequential_halving_bound",
    "square_cb_bound",
    "successive_elimination_bound",
    "successive_rejects_bound",
    "support_enumeration_gap_bound",
    "survivor_schedule",
    "tallying_elimination_bound",
    "tallying_instance_bound",
    "thompson_bayesian_bound",
    "three_arm_error",
    "tsallis_inf_bound",
    "tsallis_inf_scheduled_bound",
    "two_arm_error",
    "two_arm_floor",
    "ucb1_bound",
    "ucb_bound",
    "ucb_e_bound",
    "ucb_minimax_bound",
    "ucbv_bound",
    "uniform_allocation_bound",
    "uniform_regret",
    "unknown_memory_lower_bound",
    "version_space_gap_bound",
]
