"""Checks of best-arm identification without privacy: how often a wrong arm is named, against the bound of its chance.

Budgets are those at which a bound is about one in ten: at smaller ones it says little, at larger ones no error is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from bandits import (
    UCBE,
    FixedConfidenceElimination,
    ODLinBAI,
    SequentialHalving,
    SuccessiveRejects,
    UniformAllocation,
    elimination_failure_bound,
    error_rate,
    od_lin_bai_bound,
    sequential_halving_bound,
    successive_rejects_bound,
    ucb_e_bound,
    uniform_allocation_bound,
)
from bandits.fixed_budget import BestArmPolicy
from experiments.ledger_checks import Comparison, checks, tightest_share
from simulators import BernoulliArms, BernoulliLinearArms

__all__: list[str] = []

RUNS = 5000


@checks("uniform_allocation_bound")
def uniform_allocation(rng: np.random.Generator) -> Comparison:
    """Errors on two arms, on one good arm among equal ones, and on arms that get worse one by one."""
    return tightest_share("<=", _errors(UniformAllocation(), uniform_allocation_bound, rng))


@checks("successive_rejects_bound")
def successive_rejects(rng: np.random.Generator) -> Comparison:
    """Errors on two arms, on one good arm among equal ones, and on arms that get worse one by one."""
    return tightest_share("<=", _errors(SuccessiveRejects(), successive_rejects_bound, rng))


@checks("sequential_halving_bound")
def sequential_halving(rng: np.random.Generator) -> Comparison:
    """Errors on two arms, on one good arm among equal ones, and on arms that get worse one by one."""
    return tightest_share("<=", _errors(SequentialHalving(), sequential_halving_bound, rng))


@checks("od_lin_bai_bound")
def od_lin_bai(rng: np.random.Generator) -> Comparison:
    """Errors of OD-LinBAI among unit vectors and their small combinations, with a wide gap."""
    return tightest_share("<=", _linear_errors(rng))


@checks("ucb_e_bound")
def ucb_e(rng: np.random.Generator) -> Comparison:
    """Errors with the exploration of the theorem, which knows the complexity of the arms."""
    return tightest_share("<=", _ucb_e_errors(rng))


@checks("elimination_failure_bound")
def elimination_failure(rng: np.random.Generator) -> Comparison:
    """How often successive elimination has stopped and named a wrong arm, with close arms and large deltas."""
    return tightest_share("<=", _eliminated(rng))


def informative_budget(bound: Callable[[int], float]) -> int:
    """The least budget at which the bound is below a sixth, up to a twentieth of it."""
    enough = 20
    while bound(enough) > 1.0 / 6.0:
        enough *= 2
    little = enough // 2
    while enough - little > 1 + little // 20:
        middle = (enough + little) // 2
        little, enough = (middle, enough) if bound(middle) > 1.0 / 6.0 else (little, middle)
    return enough


def _means(rng: np.random.Generator) -> Iterator[np.ndarray]:
    yield np.array([0.55, 0.45])
    yield np.r_[0.7, np.full(7, 0.5)]
    yield np.linspace(0.9, 0.2, 8)
    yield np.r_[0.95, rng.uniform(0.2, 0.7, 4)]


def _errors(
    policy: BestArmPolicy, bound: Callable[[np.ndarray, int], float], rng: np.random.Generator
) -> Iterator[tuple[int, int, float]]:
    for means in _means(rng):
        arms = BernoulliLinearArms(np.eye(len(means)), means)
        budget = informative_budget(partial(bound, arms.gaps))
        errors = error_rate(policy, arms, budget, RUNS, int(rng.integers(2**32)), workers=1).errors
        yield errors, RUNS, bound(arms.gaps, budget)


def _linear_errors(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    for n_arms, dimension in ((4, 4), (12, 2), (40, 5)):
        theta = np.r_[0.95, rng.uniform(0.1, 0.3, dimension - 1)]
        mixed = rng.dirichlet(np.ones(dimension), size=n_arms - dimension)
        mixed[:, 0] *= 0.3
        arms = BernoulliLinearArms(np.concatenate([np.eye(dimension), mixed]), theta)
        budget = informative_budget(partial(od_lin_bai_bound, arms.gaps, dimension))
        errors = error_rate(ODLinBAI(), arms, budget, RUNS, int(rng.integers(2**32)), workers=1).errors
        yield errors, RUNS, od_lin_bai_bound(arms.gaps, dimension, budget)


def _ucb_e_errors(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    runs, policy = 500, UCBE()
    for means in ([0.9, 0.3], [0.2, 0.9, 0.2], [0.8, 0.5, 0.4, 0.3]):
        arms = BernoulliArms(np.array(means))
        budget = informative_budget(partial(ucb_e_bound, arms.gaps))
        errors = sum(int(policy.run(arms, budget, rng).outcome["arm"] != arms.means.argmax()) for _ in range(runs))
        yield errors, runs, ucb_e_bound(arms.gaps, budget)


def _eliminated(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    runs = 300
    for means in ([0.45, 0.55], [0.3, 0.4, 0.5, 0.6]):
        arms = BernoulliArms(np.array(means))
        for delta in (0.9, 0.2):
            outcomes = [FixedConfidenceElimination(delta).run(arms, 50_000, rng).outcome for _ in range(runs)]
            wrong = sum(int(found["stopped"] and found["arm"] != arms.means.argmax()) for found in outcomes)
            yield wrong, runs, elimination_failure_bound(delta)
