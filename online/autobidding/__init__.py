"""Budgets of advertising channels under a common budget and a target for the return."""

from online.autobidding.benchmarks import ch_opt_avg, ch_opt_period, ch_opt_targets, gl_opt
from online.autobidding.goals import Market, SlaterError, best_fallback, beta_max
from online.autobidding.runs import Session
from online.autobidding.sgd_ucb import (
    SGDUCB,
    BernsteinSGDUCB,
    BudgetLearner,
    FullInformationDual,
    ResolvingHull,
    budget_grid,
)

__all__ = [
    "SGDUCB",
    "BernsteinSGDUCB",
    "BudgetLearner",
    "FullInformationDual",
    "Market",
    "ResolvingHull",
    "Session",
    "SlaterError",
    "best_fallback",
    "beta_max",
    "budget_grid",
    "ch_opt_avg",
    "ch_opt_period",
    "ch_opt_targets",
    "gl_opt",
]
