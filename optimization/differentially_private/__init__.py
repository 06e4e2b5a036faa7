"""Private first-order optimization to stationary points."""

from optimization.differentially_private.certificates import (
    descent_bound,
    empirical_lower_bound,
    spider_bound,
    spider_bound_holds,
    spider_leading_bound,
    spider_rate,
    tuned_descent_bound,
)
from optimization.differentially_private.descent import (
    DPGD,
    DPSGD,
    PrivateSpiderBoost,
    SpiderSchedule,
    descent_schedule,
    spider_schedule,
)
from optimization.differentially_private.problem import FiniteSum
from optimization.differentially_private.projection import JLProjected, LinearModel, projection_dimension
from optimization.differentially_private.recursive import RecursiveRegularization, regularized_minimizer_bound
from optimization.differentially_private.rivals import (
    DPFTRL,
    DPFrankWolfe,
    ObjectivePerturbation,
    OutputPerturbation,
    prefix_sum_noise,
    square_root_coefficients,
)
from optimization.differentially_private.tree import (
    TreeSchedule,
    TreeSpider,
    tree_accuracy,
    tree_bound,
    tree_schedule,
)

__all__ = [
    "DPFTRL",
    "DPGD",
    "DPSGD",
    "DPFrankWolfe",
    "FiniteSum",
    "JLProjected",
    "LinearModel",
    "ObjectivePerturbation",
    "OutputPerturbation",
    "PrivateSpiderBoost",
    "RecursiveRegularization",
    "SpiderSchedule",
    "TreeSchedule",
    "TreeSpider",
    "descent_bound",
    "descent_schedule",
    "empirical_lower_bound",
    "prefix_sum_noise",
    "projection_dimension",
    "regularized_minimizer_bound",
    "spider_bound",
    "spider_bound_holds",
    "spider_leading_bound",
    "spider_rate",
    "spider_schedule",
    "square_root_coefficients",
    "tree_accuracy",
    "tree_bound",
    "tree_schedule",
    "tuned_descent_bound",
]
