"""Empirical risks for private and other first-order optimization, with exact constants."""

from simulators.erm.data import breast_cancer, digits, low_rank_regression, robust_regression
from simulators.erm.linear_models import LinearModelRisk, unit_rows
from simulators.erm.losses import LOSSES, Loss

__all__ = [
    "LOSSES",
    "LinearModelRisk",
    "Loss",
    "breast_cancer",
    "digits",
    "low_rank_regression",
    "robust_regression",
    "unit_rows",
]
