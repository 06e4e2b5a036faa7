"""Bounds of private best-arm identification: by their definitions, by simulation, and in their limits."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from algos import gaussian_sigma
from bandits import (
    DPBAI,
    DPOD,
    DPBAIGauss,
    ODLinBAI,
    budget_for_error,
    dp_bai_bound,
    dp_bai_gauss_bound,
    dp_bai_rate,
    dp_od_bound,
    error_rate,
    hardness,
    noisy_difference_bound,
    od_lin_bai_bound,
    survivor_schedule,
    two_arm_error,
    two_arm_floor,
)
from bandits.dp_best_arm import least_budget
from simulators import BernoulliLinearArms
from tests.reference import best_arm as reference

GAPS = [0, 0.1, 0.2, 0.3, 0.3, 0.4, 0.5, 0.6]
RUNS = 2000
seeds = st.integers(0, 2**32)
gap_lists = st.lists(st.floats(0.01, 1), min_size=1, max_size=12).map(lambda gaps: [0.0, *gaps])


def split(epsilon):
    def pairwise(gap, n, r, everyone):
        if everyone:
            noise = 0.5 * (1 + epsilon * n * gap / 4) * math.exp(-epsilon * n * gap / 2)
            return min(1, math.exp(-(gap**2) * n / 4) + noise)
        return min(1, math.exp(-(gap**2) * n / (8 * r)) + (4 / 3) ** r * math.exp(-epsilon * n * gap / 8))

    return pairwise


def chernoff_by_search(gap, weights, pulls, epsilon):
    """Lemma A by a scalar search over t."""
    w = np.abs(np.array(weights, dtype=float))

    def logarithm(t):
        return -t * gap + t * t * np.sum(np.array(pulls) * w * w) / 8 - np.sum(np.log1p(-((t * w / epsilon) ** 2)))

    most = (1 - 1e-12) * epsilon / w.max()
    found = minimize_scalar(logarithm, bounds=(0, most), method="bounded", options={"xatol": 1e-10 * most})
    return min(1.0, math.exp(found.fun))


@pytest.mark.parametrize(
    ("dimension", "epsilon", "closed", "exact"),
    [(8, 1.0, 2.40635e-4, 3.63356e-15), (8, 0.1, 5.75377e-4, 2.75360e-8), (2, 1.0, 1.93045e-3, 1.41697e-11)],
)
def test_the_numbers_of_the_specification(dimension, epsilon, closed, exact):
    assert dp_bai_bound(GAPS, dimension, 20_000, epsilon) == pytest.approx(closed, rel=1e-5)
    assert dp_bai_bound(GAPS, dimension, 20_000, epsilon, kind="chernoff") == pytest.approx(exact, rel=1e-5)


@given(gap_lists, st.integers(1, 5), st.integers(50, 10**5), st.floats(0.01, 10))
def test_the_bound_is_the_theorem_as_it_is_written(gaps, dimension, budget, epsilon):
    assume(dimension <= len(gaps))
    assume(budget >= least_budget(survivor_schedule(len(gaps), dimension), dimension))

    def chernoff(gap, n, r, everyone):
        terms, w = (2, 1 / n) if everyone else (r, 2 / n)
        return chernoff_by_search(gap, [w] * terms, [n] * terms, epsilon)

    assert dp_bai_bound(gaps, dimension, budget, epsilon) == pytest.approx(
        reference.finite_bound(gaps, dimension, budget, epsilon, split(epsilon)), rel=1e-9
    )
    mine = dp_bai_bound(gaps, dimension, budget, epsilon, kind="chernoff")
    slow = reference.finite_bound(gaps, dimension, budget, epsilon, chernoff)
    assert mine == pytest.approx(slow, rel=1e-4, abs=1e-250)


@pytest.mark.guarantee("noisy_difference_bound")
@settings(max_examples=15)
@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(1, 40)), min_size=1, max_size=4), st.floats(0.1, 5), seeds)
def test_a_noisy_linear_estimate_is_seldom_off_by_more_than_its_bound(terms, epsilon, seed):
    weights, pulls = (np.array(column) for column in zip(*terms, strict=True))
    assume(np.abs(weights).max() > 0.01)
    rng = np.random.default_rng(seed)
    shape = (RUNS, len(terms))
    off = (rng.binomial(pulls, 0.5, size=shape) - 0.5 * pulls + rng.laplace(size=shape) / epsilon) @ weights
    for gap in np.sqrt(np.sum(weights**2 * (pulls / 4 + 2 / epsilon**2))) * np.array([1.0, 2.0, 3.0]):
        bound = noisy_difference_bound(gap, weights, pulls, epsilon)
        assert bound == pytest.approx(chernoff_by_search(gap, weights, pulls, epsilon), rel=1e-4)
        assert binom.sf((off >= gap).sum() - 1, RUNS, bound) >= 1e-9
        assert noisy_difference_bound(gap, weights, pulls, math.inf) == pytest.approx(
            math.exp(-2 * gap**2 / np.sum(pulls * weights**2))
        )


# Instances on which the bounds say something: between 0.001 and 0.5, or the test would be empty.


def instance(seed, n_arms, dimension):
    """Bernoulli arms with wide gaps: the unit vectors, and small combinations of them."""
    rng = np.random.default_rng(seed)
    theta = np.sort(np.concatenate([[0.95], rng.uniform(0.05, 0.3, dimension - 1)]))[::-1]
    mixed = rng.dirichlet(np.ones(dimension), size=n_arms - dimension)
    mixed[:, 0] *= 0.3
    return BernoulliLinearArms(np.concatenate([np.eye(dimension), mixed]), theta)


def informative_budget(bound):
    """A budget at which a bound lies between 0.001 and 0.5."""
    budget = 50
    while bound(budget) > 0.3:
        budget = int(budget * 1.2) + 1
    assert 1e-3 < bound(budget) < 0.5
    return budget


@pytest.mark.slow
@pytest.mark.guarantee("dp_bai_bound", "dp_bai_gauss_bound", "dp_od_bound", "od_lin_bai_bound")
@settings(max_examples=6)
@given(seeds, st.sampled_from([(4, 4), (12, 2), (12, 3), (7, 3)]), st.sampled_from([0.1, 0.5, 2.0]))
def test_errors_stay_below_their_bounds(seed, sizes, epsilon):
    n_arms, dimension = sizes
    arms = instance(seed, n_arms, dimension)
    gaps = arms.gaps
    for policy, bound in (
        (DPBAI(epsilon), lambda t: dp_bai_bound(gaps, dimension, t, epsilon)),
        (DPBAI(epsilon), lambda t: dp_bai_bound(gaps, dimension, t, epsilon, kind="chernoff")),
        (DPBAI(epsilon, rounding="ceil"), lambda t: dp_bai_bound(gaps, dimension, t, epsilon, rounding="ceil")),
        (DPBAI(math.inf), lambda t: dp_bai_bound(gaps, dimension, t, math.inf)),
        (DPBAIGauss(epsilon, 0.01), lambda t: dp_bai_gauss_bound(gaps, dimension, t, epsilon, 0.01)),
        (DPOD(epsilon), lambda t: dp_od_bound(gaps, dimension, t, epsilon)),
        (DPOD(epsilon), lambda t: dp_od_bound(gaps, dimension, t, epsilon, kind="chernoff")),
        (ODLinBAI(), lambda t: od_lin_bai_bound(gaps, dimension, t)),
        (ODLinBAI(), lambda t: dp_od_bound(gaps, dimension, t, math.inf)),
    ):
        budget = informative_budget(bound)
        errors = error_rate(policy, arms, budget, RUNS, seed, workers=1).errors
        assert binom.sf(errors - 1, RUNS, bound(budget)) >= 1e-9


@pytest.mark.guarantee("dp_bai_bound")
@settings(max_examples=30)
@given(st.floats(0.1, 0.9), st.floats(0.1, 0.9), st.integers(2, 400), st.floats(0.02, 4))
def test_the_bounds_hold_for_the_exact_law_of_two_arms(first, second, budget, epsilon):
    assume(abs(first - second) > 0.01)
    exact = two_arm_error([first, second], budget, epsilon)
    gaps = [0, abs(first - second)]
    for kind in ("split", "chernoff"):
        assert exact <= dp_bai_bound(gaps, 2, budget, epsilon, kind=kind) + 1e-12
    assert two_arm_error([first, second], budget, epsilon, delta=0.1) <= (
        dp_bai_gauss_bound(gaps, 2, budget, epsilon, 0.1) + 1e-12
    )


@pytest.mark.guarantee("two_arm_floor")
@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.integers(2, 200), st.floats(0.02, 4))
def test_no_exact_law_lies_below_the_floor(first, second, budget, epsilon):
    assume(abs(first - second) > 1e-3)
    errors = [two_arm_error(means, budget, epsilon) for means in ([first, second], [second, first])]
    assert max(errors) >= two_arm_floor(first, second, budget, epsilon)
    without = [two_arm_error(means, budget, math.inf) for means in ([first, second], [second, first])]
    assert max(without) >= two_arm_floor(first, second, budget, math.inf)


@settings(max_examples=25)
@given(gap_lists, st.integers(1, 6), st.floats(0.01, 5), st.integers(1, 50))
def test_bounds_fall_with_the_budget_and_with_epsilon(gaps, dimension, epsilon, times):
    assume(dimension <= len(gaps))
    sizes = survivor_schedule(len(gaps), dimension)
    # Multiples of all denominators: floors do not matter.
    unit = (len(sizes) - 1) * math.lcm(*range(1, dimension + 1), *sizes)
    assume(unit < 10**7)
    for kind in ("split", "chernoff"):

        def bound(factor, epsilon, kind=kind):
            return dp_bai_bound(gaps, dimension, unit * factor, epsilon, kind=kind)

        slack = 1 + 1e-6
        assert bound(times + 1, epsilon) <= bound(times, epsilon) * slack
        assert bound(times, 2 * epsilon) <= bound(times, epsilon) * slack
        assert bound(times, math.inf) <= bound(times, epsilon) * slack
        assert bound(times, 1e12) <= max(bound(times, math.inf), 5e-324) ** 0.2 * 10  # the split one halves the gap


@pytest.mark.slow
@pytest.mark.guarantee("dp_bai_rate")
@settings(max_examples=6)
@given(st.floats(0.05, 1), st.sampled_from([(2, 2), (8, 8), (30, 2), (64, 8), (50, 3)]), st.floats(0.05, 5))
def test_every_phase_has_the_exponent_of_the_rate_in_the_limit(gap, sizes, epsilon):
    """The slope of the finite-time bound is at least that of Theorem 2; its value is not asserted."""
    n_arms, dimension = sizes
    gaps = [0.0] + [gap] * (n_arms - 1)
    short, long = (budget_for_error(gaps, dimension, epsilon, error) for error in (1e-3, 1e-60))
    proved, promised = (
        math.log(bound(long)) - math.log(bound(short))
        for bound in (
            lambda t: dp_bai_bound(gaps, dimension, t, epsilon, kind="chernoff"),
            lambda t: dp_bai_rate(gaps, dimension, t, epsilon),
        )
    )
    assert proved <= promised


def test_large_enough_for_the_rate_can_be_very_large():
    gaps = np.concatenate([[0.0], np.sort(np.random.default_rng(0).uniform(0.1, 0.8, 99))])
    assert dp_bai_bound(gaps, 5, 10_000, 0.1) > dp_bai_rate(gaps, 5, 10_000, 0.1)
    assert dp_bai_bound(gaps, 5, 1_000_000, 0.1) < dp_bai_rate(gaps, 5, 1_000_000, 0.1)


@given(gap_lists, st.integers(1, 4), st.floats(0.01, 10))
def test_hardness_by_its_definition(gaps, dimension, epsilon):
    found = hardness(gaps, dimension, epsilon)
    ordered = [0.0, *sorted(gaps)]
    ranks = range(2, max(2, min(dimension**2, len(gaps))) + 1)
    assert found.bandit == pytest.approx(max(i / ordered[i] ** 2 for i in ranks))
    assert found.privacy == pytest.approx(max(i / ordered[i] for i in ranks) / epsilon)
    assert found.total == found.bandit + found.privacy
    assert hardness(gaps, dimension, math.inf).privacy == 0


@settings(max_examples=8)
@given(gap_lists, st.integers(1, 4), st.floats(0.05, 5), st.sampled_from([0.3, 0.05, 1e-4]))
def test_the_budget_for_an_error_is_enough_and_the_bisection_is_tight(gaps, dimension, epsilon, error):
    assume(dimension <= len(gaps))
    for kind in ("split", "chernoff"):
        budget = budget_for_error(gaps, dimension, epsilon, error, kind=kind)
        assert dp_bai_bound(gaps, dimension, budget, epsilon, kind=kind) <= error
        if budget > least_budget(survivor_schedule(len(gaps), dimension), dimension):
            assert dp_bai_bound(gaps, dimension, budget - 1, epsilon, kind=kind) > error


def test_bounds_by_hand():
    # Two arms: one phase, n = 100 pulls each of two, or twice that of one if they had rank 1.
    gap, n, epsilon = 0.3, 100, 0.4
    x = epsilon * n * gap
    both = math.exp(-(gap**2) * n / 4) + 0.5 * (1 + x / 4) * math.exp(-x / 2)
    single = math.exp(-(gap**2) * 2 * n / 8) + (4 / 3) * math.exp(-2 * x / 8)
    assert dp_bai_bound([0, gap], 2, 2 * n, epsilon) == pytest.approx(max(both, single))
    assert dp_bai_bound([0, gap], 2, 2 * n, math.inf) == pytest.approx(math.exp(-(gap**2) * n))
    sigma = gaussian_sigma(epsilon, 0.01)
    spreads = (2 * (1 / (4 * n) + (sigma / n) ** 2), 4 * (1 / (8 * n) + (sigma / (2 * n)) ** 2))
    assert dp_bai_gauss_bound([0, gap], 2, 2 * n, epsilon, 0.01) == pytest.approx(
        math.exp(-(gap**2) / (2 * max(spreads)))
    )
    # Rank 2 of 10 arms: a Max-Det collection of 2, n = 1000 pulls each, Markov for one survivor.
    n = 1000
    pair = math.exp(-(gap**2) * n / 16) + (4 / 3) ** 2 * math.exp(-epsilon * n * gap / 8)
    assert dp_bai_bound([0] + [gap] * 9, 2, 2 * n, epsilon) == pytest.approx(9 * pair)
    assert dp_od_bound([0, 0.5], 1, 4001, 1.0) == pytest.approx(
        math.exp(-0.25 * 4000 / 8) + 4 / 3 * math.exp(-0.5 * 4000 / 8), rel=1e-2
    )
    assert dp_od_bound([0, 0.5], 1, 1001, 0.05) == pytest.approx(
        math.exp(-0.25 * 1000 / 8) + 4 / 3 * math.exp(-0.05 * 0.5 * 1000 / 8), rel=1e-3
    )
    assert two_arm_floor(0.5, 0.5, 100, 1.0) == 0.25
    assert dp_bai_bound([0], 1, 1, 1.0) == 0.0
    assert dp_od_bound([0], 1, 1, 1.0) == 0.0
    assert dp_bai_bound(GAPS, 8, 10, 1.0) == 1.0
    assert dp_od_bound(GAPS, 8, 10, 1.0) == 1.0
    assert od_lin_bai_bound(GAPS, 8, 10) == 1.0
    assert dp_bai_bound([0, 0, 0.3], 3, 1000, 1.0) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dp_bai_bound([0.1, 0.2], 2, 100, 1.0), "gaps: "),
        (lambda: dp_bai_bound(GAPS, 0, 100, 1.0), "dimension: 0"),
        (lambda: dp_bai_bound(GAPS, 2, 0, 1.0), "budget: 0"),
        (lambda: dp_bai_bound(GAPS, 2, 100, 0.0), "epsilon: "),
        (lambda: dp_bai_bound(GAPS, 2, 100, 1.0, kind="best"), "kind: 'best'"),
        (lambda: dp_od_bound(GAPS, 2, 100, 1.0, kind="best"), "kind: 'best'"),
        (lambda: dp_bai_bound(GAPS, 2, 100, 1.0, schedule=[7, 1]), "schedule: starts with 7"),
        (lambda: dp_bai_bound(GAPS, 2, 100, 1.0, schedule=[8]), r"^schedule: \[8\]: must decrease strictly to 1"),
        (lambda: dp_bai_bound(GAPS, 2, 100, 1.0, schedule=[8, 9, 1]), r"^schedule: \[8, 9, 1\]: must decrease"),
        (lambda: dp_bai_bound(GAPS, 2, 100, 1.0, schedule=[]), r"^schedule: \[\]: must decrease"),
        (lambda: dp_bai_gauss_bound(GAPS, 2, 100, 1.0, 0.1, schedule=[8, 2.5, 1]), "^schedule: .*2.5 is not a whole"),
        (lambda: dp_bai_bound(GAPS, 2, 100, 1.0, rounding="up"), "^rounding: 'up'"),
        (lambda: dp_bai_bound(GAPS, 2, 1, 1.0, rounding="up"), "^rounding: 'up'"),
        (lambda: dp_bai_gauss_bound(GAPS, 2, 100, 1.0, 0.0), "delta: "),
        (lambda: noisy_difference_bound(0.0, [1.0], [1], 1.0), "gap: 0"),
        (lambda: noisy_difference_bound(1.0, [1.0], [1, 2], 1.0), "weights, pulls: "),
        (lambda: two_arm_floor(0.0, 0.5, 10, 1.0), "best, other: "),
        (lambda: hardness([0, 0, 0.1], 2, 1.0), "gaps: "),
        (lambda: budget_for_error(GAPS, 2, 1.0, 1.0), "error: 1.0"),
        (lambda: budget_for_error([0, 1e-200], 2, 1.0, 0.1), "needs a budget above"),
        (lambda: od_lin_bai_bound(GAPS, 1, 100), "dimension: 1"),
        (lambda: od_lin_bai_bound(GAPS, 9, 100), "dimension: 9"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
