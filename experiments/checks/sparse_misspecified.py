"""Checks of bandits with sparse coefficients and errors of the linear model: gaps of the arm named, and queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bandits import (
    CoverElimination,
    GOptimalLeastSquares,
    IsolateAndThreshold,
    OptimisticSparseElimination,
    SupportEnumeration,
    VersionSpace,
    cover_query_bound,
    elimination_gap_bound,
    isolation,
    isolation_gap_bound,
    least_squares_gap_bound,
    needle_query_bound,
    needle_success_bound,
    packing_size_bound,
    support_enumeration_gap_bound,
    version_space_gap_bound,
)
from bandits.query_policy import QueryPolicy
from experiments.ledger_checks import Comparison, checks, tightest
from simulators import MisspecifiedLinearArms, gaussian_features, hadamard_features, set_packing, sign_features

__all__: list[str] = []

ADVERSARIES = ("signs", "cancel", "aligned")
ERROR = 0.1
SIZES = ((30, 4, 1), (60, 5, 2), (12, 12, 1))
"""Numbers of arms, of features, and of coefficients that are not 0."""
DESIGN = 1.05 * (1.0 + 1e-9)
"""A design is optimal up to this factor: the largest variance of d features is at most d times it."""


@checks("elimination_gap_bound")
def elimination(rng: np.random.Generator) -> Comparison:
    """Gap of the arm that both cover methods name, with a cover as fine as the error and half as fine."""
    return tightest("<=", _covered(rng))


@checks("cover_query_bound")
def cover_queries(rng: np.random.Generator) -> Comparison:
    """Different arms that optimistic elimination queries, among more arms than candidates and among fewer."""
    return tightest("<=", _queries(rng))


@checks("version_space_gap_bound")
def version_space(rng: np.random.Generator) -> Comparison:
    """Gap of the arm named, for few arms, as the search takes long."""
    return tightest(
        "<=",
        (
            (_gap(VersionSpace(s, ERROR, gamma=gamma), arms, rng), version_space_gap_bound(ERROR, 0.0, gamma))
            for n_arms, d, s in ((8, 3, 1), (8, 3, 2), (12, 4, 1))
            for arms in _worlds(n_arms, d, s, rng)
            for gamma in (ERROR / 100.0, ERROR)
        ),
    )


@checks("least_squares_gap_bound")
def least_squares(rng: np.random.Generator) -> Comparison:
    """Gap of the best arm by least squares on a design, against errors that are aligned with it, and others."""
    return _named(rng, lambda s: GOptimalLeastSquares(ERROR), lambda arms, d, s: least_squares_gap_bound(ERROR, d))


@checks("support_enumeration_gap_bound")
def support_enumeration(rng: np.random.Generator) -> Comparison:
    """Gap of the arm named after a design for every support."""
    return _named(
        rng,
        lambda s: SupportEnumeration(s, ERROR),
        lambda arms, d, s: support_enumeration_gap_bound(ERROR, s * DESIGN),
    )


@checks("isolation_gap_bound")
def isolate_and_threshold(rng: np.random.Generator) -> Comparison:
    """Gap of the arm named, where every coordinate can be isolated."""
    return _named(
        rng,
        lambda s: IsolateAndThreshold(s, ERROR),
        lambda arms, d, s: isolation_gap_bound(ERROR, isolation(arms.features).kappas, s),
    )


@checks("needle_query_bound")
def needle_queries(rng: np.random.Generator) -> Comparison:
    """Mean number of queries over all needles, by methods that name every one of them."""
    return tightest(">=", _needles(rng))


@checks("needle_success_bound")
def needle_success(rng: np.random.Generator) -> Comparison:
    """Share of the needles that optimistic elimination and the cover name within a budget of queries."""
    return tightest("<=", _budgets(rng))


@checks("packing_size_bound")
def packing(rng: np.random.Generator) -> Comparison:
    """Size of the greedy packing for every size and overlap of subsets of up to ten coordinates."""
    return tightest(
        ">=",
        (
            (len(set_packing(d, s, t)), packing_size_bound(d, s, t))
            for d in range(2, 11)
            for s in range(1, d)
            for t in range(s)
        ),
    )


def _worlds(n_arms: int, d: int, s: int, rng: np.random.Generator) -> Iterator[MisspecifiedLinearArms]:
    """Both kinds of features, errors by every adversary, coefficients of norm 1/2."""
    for features in (gaussian_features(n_arms, d, rng), sign_features(n_arms, d, rng)):
        for adversary in ADVERSARIES:
            theta = np.zeros(d)
            theta[rng.permutation(d)[:s]] = rng.normal(size=s)
            theta *= 0.5 / np.linalg.norm(theta)
            yield MisspecifiedLinearArms(features, theta, ERROR, adversary).sample(rng)


def _gap(policy: QueryPolicy, arms: MisspecifiedLinearArms, rng: np.random.Generator) -> float:
    return float(policy.run(arms, 10**6, rng).outcome["gap"])


def _named(
    rng: np.random.Generator,
    policy: Callable[[int], QueryPolicy],
    bound: Callable[[MisspecifiedLinearArms, int, int], float],
) -> Comparison:
    return tightest(
        "<=",
        (
            (_gap(policy(s), arms, rng), bound(arms, d, s))
            for n_arms, d, s in SIZES
            for _ in range(3)
            for arms in _worlds(n_arms, d, s, rng)
        ),
    )


def _covered(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for n_arms, d, s in SIZES:
        for arms in _worlds(n_arms, d, s, rng):
            for radius in (ERROR, ERROR / 2.0):
                for method in (CoverElimination, OptimisticSparseElimination):
                    yield _gap(method(s, ERROR, radius), arms, rng), elimination_gap_bound(ERROR, radius)


def _queries(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for n_arms, d, s in ((20, 4, 1), (2000, 4, 1), (2000, 3, 2)):
        for radius in (ERROR, 5.0 * ERROR):
            for arms in _worlds(n_arms, d, s, rng):
                run = OptimisticSparseElimination(s, ERROR, radius).run(arms, 10**6, rng)
                yield run.outcome["queries"], cover_query_bound(n_arms, d, s, radius)


def _needles(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for features, s in ((np.eye(12), 1), (hadamard_features(4), 4), (set_packing(7, 3, 1), 3)):
        k = len(features)
        worlds = [MisspecifiedLinearArms.needle(features, arm, 1.0) for arm in range(k)]
        error = max(worlds[0].misspecification, 1e-6)
        for policy in (
            GOptimalLeastSquares(error),
            OptimisticSparseElimination(s, error, 0.2),
            CoverElimination(s, error, 0.2),
        ):
            runs = [policy.run(world, 10**6, rng).outcome for world in worlds]
            if all(run["arm"] == arm for arm, run in enumerate(runs)):
                yield float(np.mean([run["queries"] for run in runs])), needle_query_bound(k)


def _budgets(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for k in (5, 20):
        worlds = [MisspecifiedLinearArms.needle(np.eye(k), arm, 1.0) for arm in range(k)]
        for policy in (CoverElimination(1, 0.1, 0.1), OptimisticSparseElimination(1, 0.1, 0.1)):
            for budget in range(1, k - 1):  # with one more query the bound is 1
                arms = [policy.run(world, budget, rng).outcome["arm"] for world in worlds]
                yield np.count_nonzero(np.array(arms) == np.arange(k)) / k, needle_success_bound(k, budget)
