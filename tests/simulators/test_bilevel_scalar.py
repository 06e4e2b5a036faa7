"""Scalar bilevel problems: closed forms against grids, rates at the points where assumptions fail."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.bilevel_problems import CounterExample, Moreau, PLToy
from tests.reference.bilevel import SCALAR, grid_penalty_value, grid_value

LOWER_SETS = {"bilinear": (-1, 1), "ramp": (-1, 1), "quartic": (-2, 2), "kink": (0, 3)}


@given(st.sampled_from(sorted(LOWER_SETS)), st.floats(-1, 1), st.sampled_from([1.0, 0.3, 0.05]))
def test_penalty_values_of_counter_examples_are_those_of_a_grid(name, x, s):
    problem, grid = CounterExample(name), np.linspace(*LOWER_SETS[name], 200_001)
    assert problem.penalty_value([x], s) == pytest.approx(grid_penalty_value(name, x, s, grid), abs=2e-8 / s)


@pytest.mark.parametrize("name", LOWER_SETS)
@pytest.mark.parametrize("x", [-0.7, 0.0, 0.4])
def test_values_of_counter_examples_are_those_of_a_grid(name, x):
    grid = np.linspace(*LOWER_SETS[name], 4001)
    assert CounterExample(name).value([x]) == pytest.approx(grid_value(name, x, grid), abs=2e-3)


def rate(problem, x):
    """The log-log slope of psi - psi_s at a point."""
    s = np.array([1e-3, 1e-5])
    gaps = [problem.value([x]) - problem.penalty_value([x], one) for one in s]
    return np.log(gaps[0] / gaps[1]) / np.log(s[0] / s[1])


def test_rates_fail_where_assumptions_do():
    quartic = CounterExample("quartic")
    assert rate(quartic, 0.0) == pytest.approx(1 / 3, abs=1e-9)
    assert rate(quartic, 1.0) == pytest.approx(1.0, abs=1e-3)
    assert quartic.value([0.0]) - quartic.penalty_value([0.0], 1e-3) == pytest.approx(0.75 * 1e-3 ** (1 / 3))
    assert quartic.value([1.0]) - quartic.penalty_value([1.0], 1e-4) == pytest.approx(1e-4 / 6, rel=1e-3)
    assert CounterExample("bilinear").value([0.0]) == 0.0
    assert CounterExample("bilinear").value([1e-9]) == pytest.approx(1.0)  # psi jumps
    assert CounterExample("ramp").penalty_gradient([-1e-7], 1e-6).tolist() == [-2e6]
    kink = CounterExample("kink")
    assert kink.penalty_gradient([0.0], 0.1).tolist() == [-1.0]
    assert kink.penalty_gradient([-0.05], 0.1).tolist() == [pytest.approx(-0.5)]


@pytest.mark.parametrize(("name", "where"), [("bilinear", 0.0), ("ramp", 0.0), ("quartic", 0.0), ("kink", 0.0)])
def test_where_there_is_no_gradient_none_is_given(name, where):
    assert math.isnan(CounterExample(name).value_gradient([where])[0])


def test_where_the_penalty_has_kinks():
    for problem, x in (("bilinear", 0.0), ("ramp", 0.0), ("ramp", -0.1)):
        assert math.isnan(CounterExample(problem).penalty_gradient([x], 0.1)[0])


@given(st.floats(-5, 5), st.floats(0.01, 3))
def test_the_quadratic_envelope(x, s):
    problem = Moreau("quadratic")
    assert problem.lower_solution([x], s)[0] == pytest.approx((x + s) / (1 + s))
    assert problem.penalty_value([x], s) == pytest.approx((x - 1) ** 2 / (2 * (1 + s)), abs=1e-12)


@given(st.sampled_from(["power", "huber"]), st.floats(-4, 8), st.floats(0.01, 3))
def test_envelopes_are_those_of_a_grid(function, x, s):
    problem = Moreau(function)
    grid = np.linspace(-5, 12, 200_001)
    assert problem.penalty_value([x], s) == pytest.approx(grid_penalty_value(function, x, s, grid), abs=1e-6 + 1e-7 / s)
    y = problem.lower_solution([x], s)
    assert y + s * problem.upper_gradient([x], y)[1] == pytest.approx([x], abs=1e-12)


def test_the_slow_function_is_as_printed():
    problem, q = Moreau("power"), 1.25
    slopes = [problem.value_gradient([y])[0] for y in (3.0, 0.0, -2.0)]
    assert slopes == pytest.approx([-(4.0**-q), -1.0, -1.0 - 2 * q])


def test_local_minima_of_the_nonconvex_toy():
    problem = PLToy()
    grid = np.linspace(0, 3, 6001)
    psi = np.array([problem.value([x]) for x in grid])
    inner = 1 + np.flatnonzero((psi[1:-1] < psi[:-2]) & (psi[1:-1] < psi[2:]))
    assert grid[inner] == pytest.approx(problem.local_minima, abs=5e-4)
    for x in problem.local_minima:
        assert abs(problem.value_gradient([x])[0]) < 1e-3


@given(st.floats(0, 3), st.sampled_from([1e-3, 0.1, 1.0, 5.0]))
def test_the_nonconvex_toy_is_minimised_globally(x, s):
    problem = PLToy()
    grid = -x + np.linspace(-4, 4, 100_001)
    upper, lower = SCALAR["PL toy"]
    least = np.min(s * upper(x, grid) + lower(x, grid))
    solution = problem.lower_solution([x], s)
    assert s * problem.upper([x], solution) + problem.lower([x], solution) <= least + 1e-12


def test_the_toy_is_weakly_convex_and_pl_as_declared():
    problem = PLToy()
    for x, constant in ((0.0, 2.0), (1.0, 1.07), (2.0, 0.505), (3.0, 0.176)):
        grid = -x + np.concatenate([np.linspace(-6, -2e-3, 1500), np.linspace(2e-3, 6, 1500)])
        values = np.array([problem.lower([x], [y]) for y in grid])
        slopes = np.array([problem.lower_gradient([x], [y])[1][0] for y in grid])
        assert np.min(slopes**2 / (2 * values)) == pytest.approx(constant, abs=6e-3)
        curvatures = np.array([problem.lower_hessian_product([x], [y], [1.0])[0] for y in grid])
        assert curvatures.min() >= -problem.constants.weak_convexity - 1e-12
        assert curvatures.min() == pytest.approx(2 - 2 * x, abs=1e-5)
        assert np.abs(curvatures).max() <= 2 + 2 * x + 1e-12


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: CounterExample("cubic"), "name = 'cubic'"),
        (lambda: Moreau("cubic"), "function = 'cubic'"),
        (lambda: Moreau("power", exponent=1.0), "exponent = 1.0"),
        (lambda: Moreau("huber", exponent=2.0), "exponent: 2.0"),
        (lambda: Moreau("huber", dimension=0), "dimension = 0"),
    ],
)
def test_bad_descriptions_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
