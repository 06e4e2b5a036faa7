"""Bilevel problems with exact answers: what penalty methods and implicit differentiation are tried on."""

from simulators.bilevel_problems.cleaning import HyperCleaning
from simulators.bilevel_problems.constrained import BoxQP, SimplexProjection, random_box_qp
from simulators.bilevel_problems.counter_examples import CounterExample
from simulators.bilevel_problems.least_squares import RankDeficientLS, random_rank_deficient
from simulators.bilevel_problems.logistic import LogisticHPO
from simulators.bilevel_problems.minimax import Minimax, random_minimax
from simulators.bilevel_problems.moreau import Moreau
from simulators.bilevel_problems.network_pricing import NetworkPricingLP
from simulators.bilevel_problems.noise import NoisyOracle
from simulators.bilevel_problems.pl_toy import PLToy
from simulators.bilevel_problems.quadratic import QuadraticBilevel, random_quadratic
from simulators.bilevel_problems.quadratic_sums import QuadraticSum, random_quadratic_sum
from simulators.bilevel_problems.ridge import RidgeHPO
from simulators.bilevel_problems.routing import TollRouting, braess_network, pigou_network
from simulators.bilevel_problems.tables import (
    CleaningTask,
    breast_cancer_regularization,
    diabetes_regularization,
    digits_cleaning,
)

__all__ = [
    "BoxQP",
    "CleaningTask",
    "CounterExample",
    "HyperCleaning",
    "LogisticHPO",
    "Minimax",
    "Moreau",
    "NetworkPricingLP",
    "NoisyOracle",
    "PLToy",
    "QuadraticBilevel",
    "QuadraticSum",
    "RankDeficientLS",
    "RidgeHPO",
    "SimplexProjection",
    "TollRouting",
    "braess_network",
    "breast_cancer_regularization",
    "diabetes_regularization",
    "digits_cleaning",
    "pigou_network",
    "random_box_qp",
    "random_minimax",
    "random_quadratic",
    "random_quadratic_sum",
    "random_rank_deficient",
]
