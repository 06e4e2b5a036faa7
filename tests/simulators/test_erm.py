"""Empirical risks: constants by dense grids, gradients by differences, clipped sums record by record."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.erm import (
    LOSSES,
    LinearModelRisk,
    Loss,
    breast_cancer,
    digits,
    low_rank_regression,
    robust_regression,
    unit_rows,
)
from simulators.erm.losses import loss_slope, loss_value

GRID = np.arange(-60.0, 60.0, 1e-3)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scale", [1.0, 0.7])
def test_the_constants_are_the_suprema(name, scale):
    loss, y = Loss(name, scale), 1.0
    slopes = np.array([loss_slope(loss.kind, scale, m, y) for m in GRID[::4]])
    assert np.abs(slopes).max() <= loss.slope * (1 + 1e-12)
    assert np.abs(slopes).max() == pytest.approx(loss.slope, abs=1e-5)
    fine = GRID[np.abs(GRID - y) < 6]
    curvature = np.diff([loss_slope(loss.kind, scale, m, y) for m in fine]) / 1e-3
    assert np.abs(curvature).max() <= loss.curvature * (1 + 1e-6)
    assert np.abs(curvature).max() == pytest.approx(loss.curvature, abs=2e-3)
    assert loss.convex == bool(curvature.min() >= -1e-9)


@given(st.sampled_from(LOSSES), st.floats(-30, 30), st.sampled_from([-1.0, 1.0]), st.floats(0.3, 3))
def test_slopes_are_the_differences_of_values(name, m, y, scale):
    kind = LOSSES.index(name)
    difference = (loss_value(kind, scale, m + 1e-5, y) - loss_value(kind, scale, m - 1e-5, y)) / 2e-5
    assert loss_slope(kind, scale, m, y) == pytest.approx(difference, abs=1e-4 * max(1.0, scale))


@pytest.mark.parametrize("name", LOSSES)
def test_huge_margins_stay_finite(name):
    kind = LOSSES.index(name)
    for m in (-1e200, 1e200, -800.0, 800.0):
        for y in (-1.0, 1.0):
            assert math.isfinite(loss_slope(kind, 1.0, m, y))
            assert loss_value(kind, 1.0, m, y) >= 0


def risk_of(seed, n, d, name="lorentz"):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d))
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1.0)
    rows[0] = 0.0
    targets = np.sign(rng.standard_normal(n)) if name in ("sigmoid", "logistic") else 3 * rng.standard_normal(n)
    return LinearModelRisk(rows, targets, Loss(name)), rng


def record_gradient(risk, i, w):
    return loss_slope(risk.loss.kind, risk.loss.scale, float(risk.features[i] @ w), risk.targets[i]) * risk.features[i]


def cut(vector, clip):
    norm = np.linalg.norm(vector)
    return vector * (clip / norm) if norm > clip else vector


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 9), st.sampled_from(LOSSES), st.floats(0.01, 2))
def test_sums_are_those_of_the_records(seed, n, d, name, clip):
    risk, rng = risk_of(seed, n, d, name)
    w, before = rng.standard_normal((2, d))
    batch = np.flatnonzero(rng.random(n) < 0.5)
    for chosen, records in ((None, range(n)), (batch, batch)):
        plain = sum((cut(record_gradient(risk, i, w), clip) for i in records), np.zeros(d))
        np.testing.assert_allclose(risk.gradient_sum(w, clip=clip, batch=chosen), plain, atol=1e-12)
        moved = [cut(record_gradient(risk, i, w) - record_gradient(risk, i, before), clip) for i in records]
        found = risk.variation_sum(w, before, clip=clip, batch=chosen)
        np.testing.assert_allclose(found, sum(moved, np.zeros(d)), atol=1e-12)
    pairs = zip(risk.features, risk.targets, strict=True)
    values = [loss_value(risk.loss.kind, 1.0, float(row @ w), y) for row, y in pairs]
    assert risk.value(w) == pytest.approx(np.mean(values))
    # Exact constants never bind: bit for bit the same.
    assert risk.gradient_sum(w, clip=risk.lipschitz).tobytes() == risk.gradient_sum(w).tobytes()
    reach = min(risk.smoothness * np.linalg.norm(w - before), 2 * risk.lipschitz)
    assert risk.variation_sum(w, before, clip=reach).tobytes() == risk.variation_sum(w, before).tobytes()


@given(st.integers(0, 2**32), st.integers(2, 10), st.integers(1, 5), st.sampled_from(LOSSES), st.floats(0.01, 1))
def test_one_record_moves_a_sum_by_no_more_than_the_table_says(seed, n, d, name, clip):
    risk, rng = risk_of(seed, n, d, name)
    w, before = 3 * rng.standard_normal((2, d))
    other = np.array(risk.features)
    other[1] = -10 * risk.features[1] / 10
    changed = LinearModelRisk(other, risk.targets, risk.loss)
    fewer = LinearModelRisk(risk.features[:-1], risk.targets[:-1], risk.loss)
    for ask in (lambda one: one.gradient_sum(w, clip=clip), lambda one: one.variation_sum(w, before, clip=clip)):
        assert np.linalg.norm(ask(risk) - ask(changed)) <= 2 * clip * (1 + 1e-12)
        assert np.linalg.norm(ask(risk) - ask(fewer)) <= clip * (1 + 1e-12)


def test_shipped_tables_to_the_digits_given():
    for risk, size, norm in ((breast_cancer(), (569, 31), 0.0700716537), (digits(), (1797, 65), 0.0217834529)):
        zero = np.zeros(size[1])
        assert (risk.n_records, risk.dimension) == size
        assert risk.value(zero) == 0.5 == risk.gap
        assert np.linalg.norm(risk.gradient(zero)) == pytest.approx(norm, abs=6e-11)
        assert np.linalg.norm(risk.features, axis=1) == pytest.approx(1.0)
    assert breast_cancer("logistic").gap == pytest.approx(math.log(2))


def test_synthetic_tables():
    risk = robust_regression(400, 6, np.random.default_rng(0))
    assert np.linalg.norm(risk.features, axis=1) == pytest.approx(1.0)
    assert risk.value(np.zeros(6)) <= risk.gap
    low = low_rank_regression(50, 20, 3, np.random.default_rng(0))
    assert np.linalg.matrix_rank(low.features) == 3


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: LinearModelRisk([[2.0]], [1.0], Loss("huber")), "row 0 has norm 2, above row_bound = 1"),
        (lambda: LinearModelRisk([[np.nan]], [1.0], Loss("huber")), "features = "),
        (lambda: LinearModelRisk([[1.0], [0.5]], [1.0], Loss("huber")), "targets: 1 for 2 records"),
        (lambda: LinearModelRisk([[1.0], [0.5]], [1.0, 0.0], Loss("sigmoid")), "targets: 0.0 of row 1 is neither"),
        (lambda: LinearModelRisk([[1.0]], [np.inf], Loss("huber")), "targets = "),
        (lambda: LinearModelRisk([[1.0]], [1.0], Loss("huber")).gap, "initial_gap: must be declared"),
        (lambda: LinearModelRisk([[1.0]], [1.0], Loss("huber")).value([1.0, 2.0]), "w: shape"),
        (lambda: Loss("huber", 0.0), "scale = 0.0"),
        (lambda: Loss("hinge"), "name = 'hinge'"),
        (lambda: unit_rows([[1.0]], [0.0]), "scales: must be 1 numbers > 0"),
        (lambda: unit_rows([[np.inf]]), "features: must be"),
        (lambda: low_rank_regression(5, 2, 3, np.random.default_rng(0)), "rank: 3 is above"),
        (lambda: robust_regression(0, 2, np.random.default_rng(0)), "n_records: 0"),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
