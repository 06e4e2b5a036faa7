"""Recursive regularisation and random projections: identities, slow versions, sizes to the digits given."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.privacy import gaussian_mu
from optimization.differentially_private import (
    DPGD,
    JLProjected,
    PrivateSpiderBoost,
    RecursiveRegularization,
    projection_dimension,
    regularized_minimizer_bound,
)
from simulators.erm import LinearModelRisk, Loss, breast_cancer, low_rank_regression, robust_regression


def rng(seed=0):
    return np.random.default_rng(seed)


def logistic(seed, n, d):
    own = rng(seed)
    rows = own.standard_normal((n, d))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = np.where(own.random(n) < 1 / (1 + np.exp(-3 * rows[:, 0])), 1.0, -1.0)
    return LinearModelRisk(rows, labels, Loss("logistic"))


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.integers(20, 200), st.integers(1, 4), st.sampled_from([0.5, 5.0, math.inf]))
def test_rounds_one_by_one(seed, n, d, epsilon):
    """The regularisers as they are written, a sum over rounds, and the weighted average by its definition."""
    problem = logistic(seed, n, d)
    method = RecursiveRegularization(epsilon, 1e-5, radius=2.0)
    run = method.run(problem, 12, rng(seed), trace=True).outcome
    rounds, lam = method.rounds(problem)
    own = rng(seed)
    order, part = own.permutation(n), n // rounds
    noise = 0.0 if epsilon == math.inf else 2 * (1 + 1e-12) * math.sqrt(12) / gaussian_mu(epsilon, 1e-5)
    centres = [(lam, np.zeros(d))]
    for t in range(1, rounds + 1):
        batch, here, reach = order[(t - 1) * part : t * part], lam * 2**t, 2 ** (t / 2) * 2.0
        step = min(math.log(12) / (here * 12), 1 / (0.25 + sum(one for one, _ in centres)))
        w, iterates = np.zeros(d), []
        for _ in range(12):
            iterates.append(w)
            gradient = problem.gradient_sum(w, batch=batch)
            if noise:
                gradient = gradient + noise * own.standard_normal(d)
            gradient = gradient / part + sum(one * (w - centre) for one, centre in centres)
            w = w - step * gradient
            w = w * min(1.0, reach / max(np.linalg.norm(w), 1e-300))
        weights = (1 - step * here) ** -np.arange(1.0, 13.0)
        output = weights @ np.array(iterates) / weights.sum()
        np.testing.assert_allclose(run["outputs"][t - 1], output, rtol=1e-7, atol=1e-9)
        assert run["longest"][t - 1] <= reach * (1 + 1e-12)
        centres.append((here, output))
    assert run["records_used"] == rounds * part <= n
    assert run["iterate"].tolist() == run["outputs"][-1].tolist()


def test_recursion_reaches_what_the_specification_found():
    """Logistic, d = 10, epsilon = 1: .079 at n = 2000 and .018 at 20,000, of another instance: within a factor of 3."""
    for n, known in ((2000, 0.079), (20_000, 0.018)):
        problem = logistic(1, n, 10)
        ends = [
            RecursiveRegularization(1.0, 1e-5, radius=5.0).run(problem, 200, rng(k)).metrics["gradient_norm"][-1]
            for k in range(3)
        ]
        assert known / 3 < np.mean(ends) < known * 3


@pytest.mark.guarantee("regularized_minimizer_bound")
@given(st.integers(0, 2**32), st.integers(1, 5), st.floats(1e-3, 1e3))
def test_regularised_minimisers_of_quadratics_are_not_far(seed, d, lam):
    own = rng(seed)
    root = own.standard_normal((d, d))
    hessian = root @ root.T + 1e-6 * np.eye(d)
    best = own.standard_normal(d)
    start = own.standard_normal(d)
    start *= own.random() * np.linalg.norm(best) / np.linalg.norm(start)
    found = np.linalg.solve(hessian + lam * np.eye(d), hessian @ best + lam * start)
    bound = regularized_minimizer_bound(float(np.linalg.norm(best)))
    assert np.linalg.norm(found) <= bound * (1 + 1e-9)


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(6, 12))
def test_projected_margins_are_those_of_the_iterate_mapped_back(seed, k, d):
    own = rng(seed)
    problem = robust_regression(15, d, own)
    matrix = own.standard_normal((k, d)) / math.sqrt(k)
    low = problem.projected(matrix)
    assert low.lipschitz == pytest.approx(math.sqrt(2) * problem.lipschitz)
    assert low.smoothness == pytest.approx(2 * problem.smoothness)
    w = own.standard_normal(k)
    kept = np.linalg.norm(problem.features @ matrix.T, axis=1) <= math.sqrt(2)
    margins = low.features @ w
    np.testing.assert_allclose(margins[kept], (problem.features @ (w @ matrix))[kept], atol=1e-12)
    assert np.linalg.norm(low.features, axis=1).max() <= math.sqrt(2) * (1 + 1e-12)


def test_the_dimension_to_the_digits_given():
    assert projection_dimension(10_000, 50_000, 1.0, 1e-5, 1.0, 1.0, 1.0) == 4642
    assert projection_dimension(10_000, 50_000, 1.0, 1e-5, 1.0, 1.0, 1.0, rank=3) == 64
    assert projection_dimension(10_000, 20, 1.0, 1e-5, 1.0, 1.0, 1.0) == 20


def test_few_dimensions_are_enough_where_the_rank_is_low():
    problem = low_rank_regression(400, 1000, 5, rng(0))
    base = PrivateSpiderBoost(20.0, 1e-5, 40)
    plain = base.run(problem, 1000, rng(1)).outcome
    low = JLProjected(base, 15).run(problem, 1000, rng(1)).outcome
    assert low["target_dimension"] == 15
    assert low["iterate"].shape == (1000,)
    assert low["epsilon"] == pytest.approx(20.0)
    assert low["root_mean_square"] < 0.7 * plain["root_mean_square"]
    matrix = rng(1).standard_normal((15, 1000)) / math.sqrt(15)  # drawn first
    np.testing.assert_allclose(low["iterate"], low["projected_iterate"] @ matrix)
    assert low["final_gradient_norm"] == pytest.approx(np.linalg.norm(problem.gradient(low["iterate"])))


def test_no_projection_where_there_is_nothing_to_gain():
    problem = breast_cancer()
    one = JLProjected(DPGD(1.0, 1e-5), 99).run(problem, 5, rng(0)).outcome
    two = DPGD(1.0, 1e-5).run(problem, 5, rng(0)).outcome
    assert one["iterate"].tolist() == two["iterate"].tolist()
    assert one["target_dimension"] == 31


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: RecursiveRegularization(1.0, 1e-5, radius=0.0), "radius = 0.0"),
        (lambda: RecursiveRegularization(1.0, 1e-5, 1.0, lam_rule="mean"), "lam_rule = 'mean'"),
        (lambda: RecursiveRegularization(1.0, 1e-5, 1.0).run(breast_cancer("logistic"), 0, rng()), "horizon: 0"),
        (lambda: JLProjected(DPGD(math.inf, 1e-5)), "target_dimension is missing"),
        (lambda: JLProjected(DPGD(1.0, 1e-5), 0), "target_dimension = 0"),
        (lambda: projection_dimension(10, 5, 1.0, 1e-5, 1.0, 1.0, 1.0, rank=0), "rank: 0"),
        (lambda: regularized_minimizer_bound(math.nan), "minimizer_norm: nan"),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
