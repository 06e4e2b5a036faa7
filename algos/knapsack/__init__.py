"""The fractional knapsack with a budget and a target for the return, response curves, and splits over channels."""

from algos.knapsack.curves import Frontier, ResponseCurve, mean_curve, pareto_frontier, response_curve
from algos.knapsack.positions import SlotSolution, slot_costs, slot_increments, slot_knapsack
from algos.knapsack.queries import QueriedSplit, split_by_queries
from algos.knapsack.solve import KnapsackSolution, dual_value, knapsack
from algos.knapsack.split import BudgetSplit, pooled_curve, split_budget, split_by_targets

__all__ = [
    "BudgetSplit",
    "Frontier",
    "KnapsackSolution",
    "QueriedSplit",
    "ResponseCurve",
    "SlotSolution",
    "dual_value",
    "knapsack",
    "mean_curve",
    "pareto_frontier",
    "pooled_curve",
    "response_curve",
    "slot_costs",
    "slot_increments",
    "slot_knapsack",
    "split_budget",
    "split_by_queries",
    "split_by_targets",
]
