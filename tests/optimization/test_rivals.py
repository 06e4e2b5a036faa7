"""Perturbed minimisers, Frank-Wolfe and FTRL: sensitivities, identities, sizes to the digits given."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.privacy import gaussian_mu, zcdp_epsilon
from optimization.differentially_private import (
    DPFTRL,
    DPFrankWolfe,
    ObjectivePerturbation,
    OutputPerturbation,
    prefix_sum_noise,
    square_root_coefficients,
)
from simulators.erm import LinearModelRisk, Loss, breast_cancer, robust_regression


def rng(seed=0):
    return np.random.default_rng(seed)


def huber(seed, n=30, d=3):
    return robust_regression(n, d, rng(seed), loss=Loss("huber"))


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.floats(0.01, 1.0))
def test_minimisers_move_by_no_more_than_the_sensitivity(seed, lam):
    problem = huber(seed)
    method = OutputPerturbation(math.inf, 1e-5, lam)
    w = method.run(problem, 1, rng()).outcome["iterate"]
    gradient = problem.gradient(w) + lam * w
    assert np.linalg.norm(gradient) <= 1e-9
    targets = np.array(problem.targets)
    targets[4] = 50.0
    other = LinearModelRisk(problem.features, targets, problem.loss, initial_gap=2.0)
    moved = np.linalg.norm(w - method.run(other, 1, rng()).outcome["iterate"])
    run = OutputPerturbation(1.0, 1e-5, lam).run(problem, 1, rng(1)).outcome
    assert moved <= run["sensitivity"]
    assert run["sensitivity"] == pytest.approx(2 / (30 * lam) + 2e-9 / lam)
    rough = OutputPerturbation(1.0, 1e-5, lam, tolerance=1e-2).run(problem, 1, rng(1)).outcome
    assert rough["sensitivity"] == pytest.approx(2 / (30 * lam) + 2e-2 / lam)
    noise = run["iterate"] - w
    np.testing.assert_allclose(
        noise, run["sensitivity"] / gaussian_mu(1.0, 1e-5) * rng(1).standard_normal(3), atol=1e-7
    )


def test_perturbed_objectives_are_minimised():
    problem = breast_cancer("logistic")
    run = ObjectivePerturbation(1.0, 1e-5).run(problem, 1, rng(1)).outcome
    spread = 2 * (1 + 1e-12) * math.sqrt(8 * math.log(2e5) + 4.0)
    b = spread * rng(1).standard_normal(31)
    left = problem.gradient_sum(run["iterate"]) + 0.5 * run["iterate"] + b
    assert np.linalg.norm(left) <= 569e-9
    assert run["noise_multiplier"] == pytest.approx(math.sqrt(8 * math.log(2e5) + 4.0))
    strong = [ObjectivePerturbation(e, 1e-5).run(problem, 1, rng(1)).metrics["gradient_norm"][0] for e in (0.5, 5.0)]
    assert strong[1] < strong[0]


def test_frank_wolfe_without_noise_closes_its_gap():
    problem = huber(0, 200, 5)
    run = DPFrankWolfe(math.inf, 1e-5, radius=1.0).run(problem, 300, rng())
    assert np.abs(run.outcome["iterate"]).sum() <= 1 + 1e-12
    # Of a curvature of L1 times the squared diameter: the gap falls like 1 / t.
    assert run.metrics["frank_wolfe_gap"].min() <= 8 * 4 / 300
    private = DPFrankWolfe(2.0, 1e-5, radius=1.0).run(problem, 20, rng())
    each = 2 * (2 / 200) / private.outcome["noise_multiplier"]  # epsilon of a step
    assert zcdp_epsilon(20 * each**2 / 2, 1e-5) == pytest.approx(2.0)
    # A little less than the scale of the literature.
    assert 0.8 < private.outcome["noise_multiplier"] / (2 * math.sqrt(160 * math.log(1e5)) / 400) < 1.0
    assert np.abs(private.outcome["iterate"]).sum() <= 1 + 1e-12


def test_prefix_sums_to_the_digits_given():
    for steps, tree, root in (
        (16, 4.472, 1.9439),
        (256, 8.485, 2.8310),
        (1024, 10.488, 3.2726),
        (4096, 12.490, 3.7139),
    ):
        assert prefix_sum_noise(steps, "tree") == pytest.approx(tree, abs=6e-4)
        assert prefix_sum_noise(steps, "square root") == pytest.approx(root, abs=6e-5)
        assert prefix_sum_noise(steps, "independent") == math.sqrt(steps)


@given(st.integers(1, 60))
def test_the_root_times_itself_is_the_matrix_of_ones(steps):
    c = square_root_coefficients(steps)
    root = np.array([[c[i - j] if i >= j else 0.0 for j in range(steps)] for i in range(steps)])
    np.testing.assert_allclose(root @ root, np.tril(np.ones((steps, steps))), atol=1e-12)


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(1, 15), st.sampled_from(["square root", "independent"]))
def test_leaders_follow_noisy_prefix_sums(seed, steps, mechanism):
    problem = huber(seed)
    method = DPFTRL(1.0, 1e-5, 0.4, mechanism=mechanism)
    run = method.run(problem, steps, rng(seed))
    own, size = rng(seed), 30 // steps
    order = own.permutation(30)
    white = 2 * (1 + 1e-12) / gaussian_mu(1.0, 1e-5) * own.standard_normal((steps, 3))
    c = square_root_coefficients(steps)
    root = np.array([[c[i - j] if i >= j else 0.0 for j in range(steps)] for i in range(steps)])
    if mechanism == "square root":
        noise = root @ white * math.sqrt((root[:, 0] ** 2).sum())
    else:
        noise = np.cumsum(white, axis=0)
    w, total = np.zeros(3), np.zeros(3)
    for t in range(steps):
        total = total + problem.gradient_sum(w, batch=order[t * size : (t + 1) * size])
        w = -0.4 * (total + noise[t]) / size
    np.testing.assert_allclose(run.outcome["iterate"], w, rtol=1e-9, atol=1e-9)
    assert run.outcome["epsilon"] == 1.0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: OutputPerturbation(1.0, 1e-5, 0.0), "regularization = 0.0"),
        (lambda: OutputPerturbation(1.0, 1e-5, 1.0).run(breast_cancer(), 1, rng()), "needs convex losses"),
        (lambda: ObjectivePerturbation(1.0, 1e-5).run(breast_cancer(), 1, rng()), "needs convex losses"),
        (lambda: ObjectivePerturbation(math.inf, 1e-5), "epsilon = inf"),
        (lambda: DPFrankWolfe(1.0, 1e-5, radius=-1.0), "radius = -1.0"),
        (lambda: DPFrankWolfe(1.0, 1e-5, 1.0, adjacency="add_remove"), "adjacency = 'add_remove'"),
        (lambda: DPFTRL(1.0, 1e-5, 0.1).run(huber(0), 31, rng()), "horizon: 31 is above the 30 records"),
        (lambda: prefix_sum_noise(0, "tree"), "steps: 0"),
        (lambda: prefix_sum_noise(4, "best"), "mechanism: 'best'"),
        (lambda: square_root_coefficients(0), "length: 0"),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
