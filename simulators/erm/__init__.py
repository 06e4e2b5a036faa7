"""Empirical risks for private and other first-order optimization, with exact constants."""

from simulators.erm.data import breast_cancer, digits, labelled_sphere, low_rank_regression, robust_regression
from simulators.erm.linear_models import LinearModelRisk, unit_rows
from simulators.erm.losses import LOSSES, Loss
from simulators.erm.per_record import PerRecordRisk
from simulators.erm.points import CoinPopulation, CoinRisk, LinearRisk, MeanRisk
from simulators.erm.regularized import RegularizedRisk
from simulators.erm.tables import LabelledTable, read_labelled_table

__all__ = [
    "LOSSES",
    "CoinPopulation",
    "CoinRisk",
    "LabelledTable",
    "LinearModelRisk",
    "LinearRisk",
    "Loss",
    "MeanRisk",
    "PerRecordRisk",
    "RegularizedRisk",
    "breast_cancer",
    "digits",
    "labelled_sphere",
    "low_rank_regression",
    "read_labelled_table",
    "robust_regression",
    "unit_rows",
]
