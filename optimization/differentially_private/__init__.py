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
from optimization.differentially_private.descent import DPGD, DPSARAH, DPSGD, DPSVRG, PrivateSpiderBoost
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
from optimization.differentially_private.schedules import (
    NoiseScales,
    PaperSchedule,
    SpiderSchedule,
    descent_schedule,
    paper_schedule,
    spider_schedule,
    theory_noise_scales,
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
    "DPSARAH",
    "DPSGD",
    "DPSVRG",
    "DPFrankWolfe",
    "FiniteSum",
    "JLProjected",
    "LinearModel",
    "NoiseScales",
    "ObjectivePerturbation",
    "OutputPerturbation",
    "PaperSchedule",
    "PrivateSpiderBoost",
    "RecursiveRegularization",
    "SpiderSchedule",
    "TreeSchedule",
    "TreeSpider",
    "descent_bound",
    "descent_schedule",
    "empirical_lower_bound",
    "paper_schedule",
    "prefix_sum_noise",
    "projection_dimension",
    "regularized_minimizer_bound",
    "spider_bound",
    "spider_bound_holds",
    "spider_leading_bound",
    "spider_rate",
    "spider_schedule",
    "square_root_coefficients",
    "theory_noise_scales",
    "tree_accuracy",
    "tree_bound",
    "tree_schedule",
    "tuned_descent_bound",
]
