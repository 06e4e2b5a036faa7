"""The knapsack with a return target against HiGHS, brute force on fractions, and its own certificate."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from algos.knapsack import (
    ResponseCurve,
    dual_value,
    knapsack,
    mean_curve,
    pareto_frontier,
    pooled_curve,
    response_curve,
    slot_costs,
    slot_increments,
    slot_knapsack,
    split_budget,
    split_by_queries,
    split_by_targets,
)
from tests.reference.autobidding import linear_program, slot_program, split_program, vertex_search

FAMILIES = ("uniform", "integers", "at target", "decades", "one ratio", "tenths", "free")


def items(seed, family, n):
    rng = np.random.default_rng(seed)
    v, d = rng.random(n), rng.random(n)
    if family == "integers":
        v, d = np.round(3 * v), np.round(3 * d)
    elif family == "at target":
        v = 1.1 * d
    elif family == "decades":
        v, d = 10 ** rng.uniform(-4, 4, n), 10 ** rng.uniform(-4, 4, n)
    elif family == "one ratio":
        v, d = np.full(n, 0.3), np.full(n, 0.5)
    elif family == "tenths":
        v, d = np.round(v, 1), np.round(d, 1)
    elif family == "free":
        d = d * (rng.random(n) < 0.7)
    return v, d


problems = st.tuples(
    st.integers(0, 2**32),
    st.sampled_from(FAMILIES),
    st.integers(0, 200),
    st.sampled_from([0.0, 0.6, 1.0, 1.1, 2.0]),
    st.sampled_from([0.0, 0.1, 0.5, 1.0, math.inf]),
)


@settings(max_examples=200)
@given(problems)
def test_the_value_is_that_of_a_linear_program_and_of_its_dual(problem):
    seed, family, n, target, share = problem
    v, d = items(seed, family, n)
    budget = share * d.sum() if share < math.inf else share
    found = knapsack(v, d, target, budget)
    scale = max(1.0, found.value)
    assert found.value == pytest.approx(linear_program(v, d, target, budget), abs=1e-7 * scale)
    dual = dual_value(v, d, target, budget, found.roi_multiplier, found.budget_multiplier)
    assert dual == pytest.approx(found.value, abs=1e-10 * scale)
    assert found.spend <= budget
    assert found.value - target * found.spend >= -1e-10 * scale
    assert found.x @ v == pytest.approx(found.value, abs=1e-12 * scale * max(n, 1))
    assert found.x @ d == pytest.approx(found.spend, abs=1e-12 * max(1.0, d.sum()))
    assert ((found.x > 0) & (found.x < 1)).sum() <= 1
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = v / d
    bought, left = ratios[(found.x == 1) & (v > 0)], ratios[(found.x == 0) & (v > 0)]
    assert bought.min(initial=np.inf) >= left.max(initial=0.0)
    if found.binding == "none":
        assert np.all(found.x[v > 0] == 1)


fractions = st.fractions(0, 3, max_denominator=6)


@settings(max_examples=60)
@given(st.lists(st.tuples(fractions, fractions), max_size=4), fractions, st.one_of(fractions, st.just(math.inf)))
def test_fractions_are_solved_exactly(pairs, target, budget):
    v, d = [a for a, _ in pairs], [b for _, b in pairs]
    found = knapsack(np.array(v, dtype=object), np.array(d, dtype=object), target, budget)
    assert found.value == vertex_search(v, d, target, budget)
    assert isinstance(found.value, Fraction)
    price = dual_value(
        np.array(v, dtype=object), np.array(d, dtype=object), target, budget, found.roi_multiplier,
        found.budget_multiplier,
    )  # fmt: skip
    assert price == found.value
    plain = knapsack([float(a) for a in v], [float(b) for b in d], float(target), float(budget))
    assert plain.value == pytest.approx(float(found.value), abs=1e-9)


@given(problems, st.integers(0, 2**32))
def test_what_changes_nothing_or_scales(problem, seed):
    rng = np.random.default_rng(seed)
    number, family, n, target, share = problem
    v, d = items(number, family, n)
    budget = share * d.sum() if share < math.inf else share
    value = knapsack(v, d, target, budget).value
    order = rng.permutation(n)
    close = pytest.approx(value, abs=1e-9 * max(1.0, value))
    assert knapsack(v[order], d[order], target, budget).value == close
    assert knapsack(4 * v, 0.5 * d, 8 * target, 0.5 * budget).value == pytest.approx(4 * value, rel=1e-12)
    halves = knapsack(np.append(v / 2, v / 2), np.append(d / 2, d / 2), target, budget)
    assert halves.value == close
    more = knapsack(np.append(v, 0.5), np.append(d, 0.4), target, budget)
    assert more.value >= value - 1e-9 * max(1.0, value)
    assert knapsack(v, d, target, budget * 1.5).value >= value - 1e-9 * max(1.0, value)
    assert knapsack(v, d, target + 0.1, budget).value <= value + 1e-9 * max(1.0, value)


def test_items_exactly_at_the_target_are_bought():
    """Without snapping, rounding noise of 1e-17 decides, and the purchases stop anywhere."""
    rng = np.random.default_rng(3)
    for n in (10, 1000):
        d = rng.random(n)
        found = knapsack(1.1 * d, d, 1.1, math.inf)
        assert found.binding == "none"
        assert found.value == pytest.approx(1.1 * d.sum())


def test_ratios_that_overflow_still_have_an_order():
    found = knapsack([1e300, 1e10, 1e200], [1e-300, 1e-305, 1e-310], budget=1e-300)
    assert found.x.tolist() == [1.0, 0.0, 0.0] or found.x[2] == 1.0
    assert knapsack([1.0, 2.0], [5e-324, 1.0], budget=0.5).x.tolist() == [1.0, 0.5]


def test_the_edges():
    assert knapsack([], []).value == 0.0
    free = knapsack([1.0, 0.0, 2.0], [0.0, 0.0, 1.0], budget=0.0)
    assert free.x.tolist() == [1.0, 0.0, 0.0]
    assert (free.binding, free.budget_multiplier) == ("budget", 2.0)
    assert knapsack([0.0, 0.0], [1.0, 2.0]).x.tolist() == [0.0, 0.0]
    assert knapsack([1.0], [2.0], roi_target=1.0).x.tolist() == [0.0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([1.0], [1.0, 2.0]), "costs: shape"),
        (([-1.0], [1.0]), r"values\[0\]: -1"),
        (([1.0, np.nan], [1.0, 1.0]), r"values\[1\]: nan"),
        (([1.0], [np.inf]), r"costs\[0\]: inf"),
        (([[1.0]], [[1.0]]), "values: must be one-dimensional"),
        (([1.0], [1.0], -1.0), "roi_target: -1"),
        (([1.0], [1.0], math.inf), "roi_target: inf"),
        (([1.0], [1.0], 0.0, math.nan), "budget: nan"),
        (([1.0], [1.0], "1"), "roi_target: '1'"),
        ((["a"], [1.0]), "values: must be"),
        (([Fraction(1), None], [1, 1]), r"values\[1\]: None"),
    ],
)
def test_bad_items_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        knapsack(*arguments)


@given(problems, st.floats(0, 1))
def test_a_response_curve_is_the_knapsack_for_every_budget(problem, share):
    seed, family, n, target, _ = problem
    v, d = items(seed, family, n)
    curve = response_curve(v, d)
    spend = share * d.sum()
    scale = max(1.0, v.sum())
    assert curve(spend) == pytest.approx(knapsack(v, d, 0.0, spend).value, abs=1e-9 * scale)
    assert curve(2 * d.sum() + 1) == pytest.approx(v.sum(), abs=1e-9 * scale)
    assert np.all(np.diff(curve.slopes) <= 1e-9 * (1 + curve.slopes.max(initial=0.0)))
    best = knapsack(v, d, target, spend)
    assert pareto_frontier(curve).best(target, spend)[1] == pytest.approx(best.value, abs=1e-9 * scale)
    assert curve.cut(spend)(2 * d.sum() + 1) == pytest.approx(curve(spend), abs=1e-12 * scale)


def test_curves_of_fractions():
    curve = response_curve(np.array([Fraction(1, 3), 1], dtype=object), np.array([Fraction(1), 1], dtype=object))
    assert curve(Fraction(3, 2)) == Fraction(1) + Fraction(1, 6)
    half = mean_curve([curve, response_curve(np.array([Fraction(2)]), np.array([Fraction(4)]))], [Fraction(1, 2)] * 2)
    assert half(Fraction(2)) == Fraction(2, 3) + Fraction(1, 2)
    found = split_budget([curve, half], roi_target=Fraction(1, 2), budget=Fraction(3))
    assert found.spend == 3
    assert found.value == curve(found.spends[0]) + half(found.spends[1])
    assert isinstance(found.value, Fraction)


def channels(seed, m, n, free=False):
    rng = np.random.default_rng(seed)
    curves = []
    for _ in range(m):
        v, d = rng.random(rng.integers(1, n + 1)), rng.random(1)[0] + 0.01
        costs = d * rng.random(v.size)
        curves.append(response_curve(np.append(v, 0.01 if free else 0.0), np.append(costs, 0.0)))
    return curves


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([0.0, 0.9, 1.5, 4.0]), st.booleans())
def test_bounded_splits_are_those_of_a_linear_program(seed, m, target, free):
    rng = np.random.default_rng(seed)
    curves = channels(seed, m, 6, free)
    ends = np.array([curve.total_cost for curve in curves])
    lower = ends * rng.random(m) * (rng.random(m) < 0.5)
    upper = lower + ends * rng.random(m) * 1.2
    budget = ends.sum() * rng.random() * 1.2
    found = split_budget(curves, target, budget, lower=lower, upper=upper)
    best = split_program([(c.spends, c.values) for c in curves], target, budget, lower, upper)
    if found.status == "infeasible":
        assert best is None or min(budget - lower.sum(), abs(best)) < 1e-6
        return
    assert best is not None
    assert found.value == pytest.approx(best, abs=1e-7 * max(1.0, best))
    assert np.all(found.spends >= lower)
    assert np.all(found.spends <= upper)
    assert found.spend <= budget
    assert found.spends.sum() == pytest.approx(found.spend)
    assert found.value >= target * found.spend - 1e-9
    inside = [reason == "threshold" for reason in found.reasons]
    for curve, spend, is_inside in zip(curves, found.spends, inside, strict=True):
        if is_inside and found.binding != "none":
            assert curve.marginal(spend) <= found.threshold * (1 + 1e-9)


@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([0.0, 0.9, 1.5]))
def test_without_bounds_the_split_is_the_pooled_knapsack(seed, m, target):
    curves = channels(seed, m, 6)
    budget = sum(curve.total_cost for curve in curves) * 0.6
    found = split_budget(curves, target, budget)
    pooled = pooled_curve(curves)
    best = knapsack(
        np.append(np.diff(pooled.values), pooled.free_value), np.append(np.diff(pooled.spends), 0.0), target, budget
    )
    assert found.value == pytest.approx(best.value, rel=1e-9, abs=1e-12)
    assert found.binding == best.binding
    assert found.threshold == pytest.approx(best.threshold, rel=1e-9)
    for lever in (split_by_targets(curves, target, budget),):
        assert lever.status == "infeasible" or lever.value <= found.value * (1 + 1e-12)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 3), st.sampled_from([0.9, 1.5]))
def test_targets_alone_lead_to_whole_first_blocks(seed, m, target):
    curves = channels(seed, m, 4)
    best = -1.0
    for choice in np.ndindex(*(2,) * m):
        lower = [curve.spends[1] if on else 0.0 for on, curve in zip(choice, curves, strict=True)]
        upper = [curve.total_cost if on else 0.0 for on, curve in zip(choice, curves, strict=True)]
        found = split_program([(c.spends, c.values) for c in curves], target, math.inf, lower, upper)
        best = max(best, -1.0 if found is None else found)
    ours = split_by_targets(curves, target)
    assert ours.value == pytest.approx(best, abs=1e-7)
    for curve, spend, own in zip(curves, ours.spends, ours.targets, strict=True):
        assert spend == 0.0 or curve.largest_spend(own) == pytest.approx(spend, rel=1e-9)
    free = [ResponseCurve(c.spends, c.values + 1e-9) for c in curves]
    assert split_by_targets(free, target).value == pytest.approx(split_budget(free, target).value, abs=1e-8)


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.sampled_from(["gsp", "vcg", "any"]), st.sampled_from([0.0, 0.8, 1.5]), st.booleans())
def test_slots_are_those_of_a_linear_program(seed, pricing, target, free):
    rng = np.random.default_rng(seed)
    n, slots = rng.integers(1, 8), rng.integers(1, 5)
    bids, rates = -np.sort(-rng.random((n, slots)), axis=1), -np.sort(-rng.random(slots))
    worth = rng.random((n, 1)) * rates
    costs = rng.random((n, slots)) if pricing == "any" else slot_costs(rates, bids, pricing)
    if free:
        costs = costs * (rng.random((n, slots)) < 0.7)
    budget = costs.sum() * rng.random() * 0.5
    found = slot_knapsack(costs, worth, target, budget)
    assert found.value == pytest.approx(slot_program(costs, worth, target, budget), abs=1e-7)
    assert np.all(found.x >= -1e-12)
    assert np.all(found.x.sum(axis=1) <= 1 + 1e-12)
    assert (found.x * worth).sum() == pytest.approx(found.value, abs=1e-9)
    assert (found.x * costs).sum() == pytest.approx(found.spend, abs=1e-9)
    if pricing == "vcg" and not free:
        auctions, _, _, _ = slot_increments(costs, worth)
        distinct = sum(len({rate for rate in rates.tolist() if rate > 0}) for _ in range(n))
        assume(np.unique(rates).size == slots)
        assert auctions.size == distinct


def test_prices_of_slots_by_hand():
    assert slot_costs([1.0, 0.5], [[3.0, 1.0]], "gsp").tolist() == [[3.0, 0.5]]
    assert slot_costs([1.0, 0.5], [[3.0, 1.0]], "vcg").tolist() == [[2.0, 0.5]]
    # A slot above the line from nothing to the first slot only when it is cheap enough.
    assert slot_increments([[1.0, 0.9]], [[2.0, 1.0]])[1].tolist() == [0]


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([0.0, 0.9, 1.5]))
def test_asking_finds_the_split_up_to_a_step(seed, m, target):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.5, 3.0, m), rng.uniform(0.5, 3.0, m)
    budget, steps = m * rng.random(), 256
    asked = [lambda s, j=j: a[j] * -math.expm1(-b[j] * s) for j in range(m)]
    found = split_by_queries(asked, np.ones(m), target, budget, steps=steps)
    grid = np.linspace(0.0, 1.0, steps + 1)
    curves = [ResponseCurve(grid, np.array([one(s) for s in grid])) for one in asked]
    best = split_budget(curves, target, budget)
    assert found.spend <= budget + 1e-12
    assert found.value >= target * found.spend - 1e-9
    assert found.value == pytest.approx(best.value, abs=a.max() * b.max() / steps)
    assert found.queries <= m * 3 * 60 * math.log2(steps)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: split_budget([response_curve([1.0], [1.0])], lower=2.0, upper=1.0), "lower: 2.0 of 'channel 1'"),
        (lambda: split_budget({"a": response_curve([1.0], [1.0])}, upper={"b": 1.0}), "upper: 'b' is not one of a"),
        (lambda: split_budget([response_curve([1.0], [1.0])], lower=[1.0, 2.0]), "lower: 2 bounds for 1"),
        (lambda: split_budget([response_curve([1.0], [1.0])], upper=[np.nan]), "upper: nan"),
        (lambda: split_budget([]), "curves: must be one"),
        (lambda: split_by_targets([response_curve([1.0], [1.0])] * 21), "curves: 21 channels"),
        (lambda: ResponseCurve([0.0, 1.0, 2.0], [0.0, 1.0, 3.0]), "not concave"),
        (lambda: ResponseCurve([1.0], [1.0]), "spends: must begin with 0"),
        (lambda: response_curve([1.0], [1.0])(-1.0), "spend: -1"),
        (lambda: mean_curve([response_curve([1.0], [1.0])], [0.5]), "probabilities: they sum to 0.5"),
        (lambda: slot_costs([0.5, 1.0], [[1.0, 0.5]], "gsp"), "rates: must be"),
        (lambda: slot_costs([1.0], [[1.0]], "first"), "pricing: 'first'"),
        (lambda: slot_knapsack([[1.0]], [[1.0, 2.0]]), "values: shape"),
        (lambda: slot_knapsack([[-1.0]], [[1.0]]), "costs: must be"),
        (lambda: split_by_queries([lambda s: s], [0.0]), "most: "),
        (lambda: split_by_queries([lambda s: math.nan], [1.0]), "channels: the value"),
        (lambda: dual_value([1.0], [1.0], 0.0, 1.0, -1.0, 0.0), "roi_multiplier: -1"),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_infeasible_bounds_are_a_status():
    curve = response_curve([1.0], [2.0])
    for found in (
        split_budget([curve], budget=1.0, lower=1.5),
        split_budget([curve], lower=3.0),
        split_budget([curve], roi_target=1.0, lower=0.5),
    ):
        assert found.status == "infeasible"
        assert np.isnan(found.spends).all()
