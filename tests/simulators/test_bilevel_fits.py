"""Fitted models: exact gradients by plain matrix algebra, real tables to the digits reported, and Newton's method."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from simulators.bilevel_problems import (
    HyperCleaning,
    LogisticHPO,
    RidgeHPO,
    breast_cancer_regularization,
    diabetes_regularization,
    digits_cleaning,
)
from simulators.bilevel_problems.newton import conjugate_gradients, newton_minimum
from simulators.erm.data import digits_table
from tests.reference.bilevel_instances import instance


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


@given(st.integers(0, 50), st.floats(0.1, 30))
def test_cleaning_gradients_are_those_of_matrix_algebra(seed, size):
    problem, x, y, _ = instance("cleaning", seed)
    W, x = size * y.reshape(3, 3), size * x
    X, chances = problem.train_features, softmax(problem.train_features @ (W))
    one = np.eye(3)[problem.train_labels]
    weights = 1 / (1 + np.exp(-x))
    losses = -np.log(chances[one == 1])
    slope_x, slope_y = problem.lower_gradient(x, W.ravel())
    np.testing.assert_allclose(slope_x, weights * (1 - weights) * losses / 9, rtol=1e-9, atol=1e-13)
    expected = X.T @ (weights[:, None] * (chances - one)) / 9 + 0.1 * W
    np.testing.assert_allclose(slope_y, expected.ravel(), rtol=1e-10, atol=1e-12)
    Z = problem.validation_features
    expected = Z.T @ (softmax(Z @ W) - np.eye(3)[problem.validation_labels]) / 6
    np.testing.assert_allclose(problem.upper_gradient(x, W.ravel())[1], expected.ravel(), rtol=1e-10, atol=1e-12)


def test_huge_margins_and_weights_stay_finite():
    problem, x, y, _ = instance("cleaning")
    for gradient in (problem.upper_gradient, problem.lower_gradient):
        assert all(np.isfinite(part).all() for part in gradient(800 * x, 1e4 * y))
    assert np.isfinite(problem.lower(800 * x, 1e4 * y))
    logistic, x, y, _ = instance("logistic")
    assert all(np.isfinite(part).all() for part in logistic.lower_gradient(x, 1e6 * y))
    assert np.isfinite(logistic.upper(x, 1e6 * y))


@given(st.integers(0, 50))
def test_ridge_by_the_normal_equations(seed):
    problem, x, _, _ = instance("ridge", seed)
    X, t, Z, u = (
        problem.train_features, problem.train_targets, problem.validation_features, problem.validation_targets,
    )  # fmt: skip
    M = X.T @ X / 9 + np.diag(np.exp(x))
    w = np.linalg.solve(M, X.T @ t / 9)
    np.testing.assert_allclose(problem.lower_solution(x), w, atol=1e-12)
    v = np.linalg.solve(M, Z.T @ (Z @ w - u) / 6)
    np.testing.assert_allclose(problem.value_gradient(x), -np.exp(x) * w * v, atol=1e-12)


def test_wide_ridge_goes_by_blas_and_agrees():
    rng = np.random.default_rng(0)
    problem = RidgeHPO(rng.standard_normal((40, 90)), rng.standard_normal(40), np.ones((1, 90)), [1.0])
    x, w = rng.standard_normal((2, 90))
    X, t = problem.train_features, problem.train_targets
    np.testing.assert_allclose(problem.lower_gradient(x, w)[1], X.T @ (X @ w - t) / 40 + np.exp(x) * w, atol=1e-11)


@settings(max_examples=15)
@given(st.sampled_from(["logistic", "cleaning"]), st.integers(0, 50), st.sampled_from([0.0, 0.3]))
def test_newton_agrees_with_a_quasi_newton_method(name, seed, s):
    problem, x, y, _ = instance(name, seed)

    def objective(w):
        slope = s * problem.upper_gradient(x, w)[1] + problem.lower_gradient(x, w)[1]
        return s * problem.upper(x, w) + problem.lower(x, w), slope

    found = minimize(objective, y, jac=True, method="L-BFGS-B", options={"ftol": 0, "gtol": 1e-9, "maxiter": 2000})
    solution = problem.lower_solution(x, s)
    np.testing.assert_allclose(solution, found.x, atol=1e-5)
    assert np.linalg.norm(objective(solution)[1]) <= 1e-13 * (1 + np.linalg.norm(objective(np.zeros(y.size))[1]))


def test_newton_steps_back_where_full_steps_diverge():
    """From |t| > 1 the full steps of sqrt(1 + t^2) go to -t^3."""
    found = newton_minimum(
        lambda t: float(np.sqrt(1 + t @ t)), lambda t: t / np.sqrt(1 + t @ t),
        lambda t, right: right * (1 + t @ t) ** 1.5, np.array([3.0]),
    )  # fmt: skip
    assert abs(found[0]) < 1e-12


def test_newton_says_when_there_is_no_minimum():
    with pytest.raises(FloatingPointError, match="not solved"):
        newton_minimum(lambda p: -float(p[0]), lambda p: -np.ones(1), lambda p, right: 1e-3 * right, np.zeros(1))
    matrix = np.diag([1.0, 10.0, 100.0])
    np.testing.assert_allclose(matrix @ conjugate_gradients(lambda v: matrix @ v, np.ones(3)), 1.0, rtol=1e-12)
    assert conjugate_gradients(lambda v: v, np.zeros(2)).tolist() == [0.0, 0.0]


def test_digits_are_corrupted_as_printed():
    task, labels = digits_cleaning(), digits_table()[1]
    wrong = task.problem.train_labels != labels[:600]
    assert wrong.sum() == 300
    assert (wrong == ~task.clean).all()
    for i in np.flatnonzero(wrong):
        assert 7919 * i % 100 < 50
        assert task.problem.train_labels[i] == (labels[i] + 1 + i % 9) % 10
    assert (task.problem.validation_labels == labels[600:900]).all()
    assert (task.test_labels == labels[900:]).all()
    assert task.problem.train_features[:, -1].tolist() == [1.0] * 600
    assert task.problem.train_features.max() == 1.0


def test_digits_accuracies_are_those_reported():
    task = digits_cleaning()
    problem, x = task.problem, np.zeros(600)

    def accuracy(y):
        return round(problem.accuracy(y, task.test_features, task.test_labels), 3)

    assert accuracy(problem.lower_solution(x)) == 0.816
    assert accuracy(problem.fit(task.clean.astype(float))) == 0.893
    for step in range(10):
        x = x - 2000 * problem.penalty_gradient(x, 1e-3)
        if step == 0:
            assert accuracy(problem.lower_solution(x)) == 0.889
            assert round(problem.cleaning_score(x, task.clean), 3) == 0.886
    assert accuracy(problem.lower_solution(x)) == 0.887
    assert round(problem.cleaning_score(x, task.clean), 3) == 0.900


def test_breast_cancer_table():
    problem = breast_cancer_regularization()
    whole = np.vstack([problem.train_features, problem.validation_features])
    np.testing.assert_allclose(whole[:, :30].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(whole[:, :30].std(axis=0), 1, atol=1e-12)
    assert np.count_nonzero(np.concatenate([problem.train_targets, problem.validation_targets]) == 1) == 357
    x = np.full(31, -4.0)
    y = problem.lower_solution(x)
    assert np.linalg.norm(problem.lower_gradient(x, y)[1]) < 1e-14
    assert np.mean(problem.validation_features @ y * problem.validation_targets > 0) > 0.95


@pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="the diabetes table comes with scikit-learn")
def test_diabetes_biases_are_those_reported():
    problem, x = diabetes_regularization(), np.full(10, -2.0)
    for s, plain, extrapolated in ((0.1, 2.4e-4, 1.0e-5), (0.01, 2.6e-5, 1.1e-7), (0.001, 2.6e-6, 1.1e-9)):
        slope = problem.penalty_gradient(x, s)
        assert np.linalg.norm(slope - problem.value_gradient(x)) == pytest.approx(plain, rel=0.05)
        better = 2 * problem.penalty_gradient(x, s / 2) - slope
        assert np.linalg.norm(better - problem.value_gradient(x)) == pytest.approx(extrapolated, rel=0.1)


@pytest.mark.skipif(importlib.util.find_spec("sklearn") is not None, reason="scikit-learn is here")
def test_diabetes_says_what_it_needs():
    with pytest.raises(ModuleNotFoundError, match="scikit-learn"):
        diabetes_regularization()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: RidgeHPO([[1.0]], [1.0], [[1.0, 2.0]], [1.0]), "validation_features: 2 columns"),
        (lambda: RidgeHPO([[1.0]], [1.0, 2.0], [[1.0]], [1.0]), "train_targets: 2 for 1 records"),
        (lambda: RidgeHPO([[np.nan]], [1.0], [[1.0]], [1.0]), "train_features = "),
        (lambda: RidgeHPO([[1.0]], [1.0], [[1.0]], [1.0], batch_size=0), "batch_size = 0"),
        (lambda: LogisticHPO([[1.0]], [1.0], [[1.0]], [0.0]), "validation_targets: 0.0 of record 0"),
        (lambda: HyperCleaning([[1.0]], [2], [[1.0]], [0], 2), "train_labels: 2 is not below"),
        (lambda: HyperCleaning([[1.0]], [0], [[1.0]], [0, 1], 2), "validation_labels: 2 for 1"),
        (lambda: HyperCleaning([[1.0]], [0.5], [[1.0]], [0], 2), "train_labels = "),
        (lambda: HyperCleaning([[1.0]], [0], [[1.0]], [0], 1), "n_classes = 1"),
        (lambda: HyperCleaning([[1.0]], [0], [[1.0]], [0], 2, regularization=0.0), "regularization = 0.0"),
        (lambda: digits_cleaning(batch_size=0), "batch_size: 0"),
    ],
)
def test_bad_descriptions_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
