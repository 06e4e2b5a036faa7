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
    spider_schedule,
)
from optimization.differentially_private.problem import FiniteSum

__all__ = [
    "DPGD",
    "DPSGD",
    "FiniteSum",
    "PrivateSpiderBoost",
    "SpiderSchedule",
    "descent_bound",
    "empirical_lower_bound",
    "spider_bound",
    "spider_bound_holds",
    "spider_leading_bound",
    "spider_rate",
    "spider_schedule",
    "tuned_descent_bound",
]
