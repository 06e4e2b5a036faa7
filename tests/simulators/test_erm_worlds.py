"""Risks of points, regularisers, user models and tables: against sums record by record, and the paper's properties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.erm import (
    CoinPopulation,
    CoinRisk,
    LinearModelRisk,
    LinearRisk,
    Loss,
    MeanRisk,
    PerRecordRisk,
    RegularizedRisk,
    breast_cancer,
    read_labelled_table,
)

SEEDS = st.integers(0, 2**32)


def ball(rng, n, d, radius):
    rows = rng.standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) * radius * rng.random((n, 1)) ** (1 / d)


def cut(vector, clip):
    norm = np.linalg.norm(vector)
    return vector * min(1.0, clip / norm) if norm > 0 else vector


def mean_slope(w, x, lipschitz, smoothness):
    """Of the loss of one point, by differences of its value."""
    risk = MeanRisk([x], lipschitz, smoothness)
    return np.array([(risk.value(w + h) - risk.value(w - h)) / 2e-6 for h in 1e-6 * np.eye(len(w))])


@given(SEEDS, st.integers(1, 6), st.integers(1, 3), st.floats(0.2, 5), st.floats(0.2, 5), st.floats(0.1, 2))
def test_sums_of_the_mean_risk_are_of_clipped_slopes(seed, n, d, lipschitz, smoothness, share):
    rng = np.random.default_rng(seed)
    reach = lipschitz / smoothness
    points = ball(rng, n, d, reach / 4)
    w, before = rng.standard_normal((2, d)) * 2 * reach
    risk, clip = MeanRisk(points, lipschitz, smoothness), share * lipschitz
    slopes = [(mean_slope(w, x, lipschitz, smoothness), mean_slope(before, x, lipschitz, smoothness)) for x in points]
    tolerance = {"rtol": 1e-5, "atol": 1e-5 * n * lipschitz}
    np.testing.assert_allclose(risk.gradient_sum(w), sum(one for one, _ in slopes), **tolerance)
    np.testing.assert_allclose(risk.gradient_sum(w, clip=clip), sum(cut(one, clip) for one, _ in slopes), **tolerance)
    np.testing.assert_allclose(
        risk.variation_sum(w, before, clip=clip), sum(cut(one - two, clip) for one, two in slopes), **tolerance
    )
    batch = np.arange(0, n, 2)
    np.testing.assert_allclose(risk.gradient_sum(w, batch=batch), sum(slopes[i][0] for i in batch), **tolerance)


@given(SEEDS, st.integers(1, 6), st.integers(1, 4), st.floats(0.2, 5), st.floats(0.2, 5))
def test_constants_of_the_mean_risk(seed, n, d, lipschitz, smoothness):
    """Theorem 4.3's instance: the gradient is that of a mean nearby, and long far away."""
    rng = np.random.default_rng(seed)
    reach = lipschitz / smoothness
    risk = MeanRisk(ball(rng, n, d, reach / 4), lipschitz, smoothness)
    mean = risk.points.mean(axis=0)
    assert risk.value(np.zeros(d)) - risk.value(mean) <= risk.gap * (1 + 1e-12)
    for w in rng.standard_normal((10, d)) * reach:
        gradient = risk.gradient_sum(w) / n
        assert np.linalg.norm(gradient) <= lipschitz * (1 + 1e-12)
        if np.linalg.norm(w) <= 0.75 * reach:
            np.testing.assert_allclose(gradient, smoothness * (w - mean), atol=1e-9 * lipschitz)
        if np.linalg.norm(w - mean) > 0.5 * reach:
            assert np.linalg.norm(gradient) >= 0.5 * lipschitz * (1 - 1e-12)


def test_means_must_lie_where_the_instance_says():
    with pytest.raises(ValueError, match=r"row 1 has norm 0.5, above lipschitz / \(4 smoothness\) = 0.25"):
        MeanRisk([[0.1], [0.5]])


def test_linear_risks_add_up_vectors():
    risk = LinearRisk([[0.6, 0.8], [0.0, 0.1]])
    assert risk.gradient_sum([1.0, 2.0], clip=0.5).tolist() == pytest.approx([0.3, 0.5])
    assert risk.gradient_sum([1.0, 2.0], batch=np.array([1])).tolist() == [0.0, 0.1]
    assert risk.variation_sum([1.0, 2.0], [0.0, 0.0]).tolist() == [0.0, 0.0]
    assert risk.value([1.0, 1.0]) == pytest.approx(0.75)
    assert risk.smoothness == 0.0
    with pytest.raises(ValueError, match="no least value"):
        _ = risk.gap
    with pytest.raises(ValueError, match="row 0 has norm 2, above lipschitz = 1"):
        LinearRisk([[2.0]])


@given(st.integers(1, 50), st.sampled_from([-1, 1]), st.floats(0.2, 5), st.floats(0.2, 5), st.floats(-4, 4), st.data())
def test_the_coin_is_a_sum_of_its_records(n, bias, lipschitz, smoothness, place, data):
    ones = data.draw(st.integers(0, n))
    population = CoinPopulation(n, bias, lipschitz, smoothness)
    risk, w = CoinRisk(population, ones), place * lipschitz / smoothness
    x = np.array([1.0] * ones + [-1.0] * (n - ones))

    def bowl(at):
        edge = lipschitz / (2 * smoothness)
        inside = at * at if abs(at) <= edge else lipschitz * abs(at) / smoothness - lipschitz**2 / (4 * smoothness**2)
        return smoothness / 2 * inside

    assert risk.value([w]) == pytest.approx(np.mean(lipschitz / 2 * w * x + bowl(w)), abs=1e-12)
    pull = math.copysign(min(smoothness * abs(w), lipschitz / 2), w)
    each = lipschitz / 2 * x + pull
    clip, batch = 0.4 * lipschitz, np.arange(0, n, 2)
    assert risk.gradient_sum([w])[0] == pytest.approx(each.sum(), abs=1e-9)
    assert risk.gradient_sum([w], clip=clip, batch=batch)[0] == pytest.approx(np.clip(each[batch], -clip, clip).sum())
    assert np.abs(each).max() <= lipschitz * (1 + 1e-12)
    assert risk.variation_sum([w], [0.0], clip=clip)[0] == pytest.approx(n * np.clip(pull, -clip, clip))
    # The population's are expectations over a record.
    p = population.heads
    assert p == pytest.approx((1 + bias / math.sqrt(16 * n)) / 2)
    assert population.gradient(w) == pytest.approx(p * (lipschitz / 2 + pull) + (1 - p) * (pull - lipschitz / 2))
    assert population.value(w) == pytest.approx((2 * p - 1) * lipschitz / 2 * w + bowl(w), abs=1e-12)
    if abs(w) > lipschitz / (2 * smoothness):
        assert population.gradient(w) ** 2 >= lipschitz**2 / 8
    lowest = min(risk.value([v]) for v in np.linspace(-1, 1, 41) * lipschitz / smoothness)
    assert risk.value([0.0]) - lowest <= risk.gap * (1 + 1e-12)  # equal where all records agree


def test_drawn_coins_have_the_bias():
    population, rng = CoinPopulation(16, -1), np.random.default_rng(0)
    ones = sum(population.sample(rng).ones for _ in range(4000))
    spread = math.sqrt(64_000 * population.heads * (1 - population.heads))
    assert abs(ones - 64_000 * population.heads) < 6 * spread
    with pytest.raises(ValueError, match="must be -1 or 1"):
        CoinPopulation(4, 0)
    with pytest.raises(ValueError, match="above the 4 records"):
        CoinRisk(CoinPopulation(4), 5)


@given(SEEDS, st.floats(0.01, 10), st.sampled_from(["saturating", "ridge"]))
def test_regularisers_by_differences(seed, weight, kind):
    rng = np.random.default_rng(seed)
    risk = RegularizedRisk(MeanRisk(ball(rng, 4, 3, 0.25)), weight, kind)
    w = 2 * rng.standard_normal(3)
    change = [(risk.value(w + h) - risk.value(w - h)) / 2e-6 for h in 1e-6 * np.eye(3)]
    np.testing.assert_allclose(risk.gradient(w), change, rtol=1e-5, atol=1e-6 * (1 + weight))
    part = risk.public_gradient(w)
    np.testing.assert_allclose(risk.gradient(w), risk.gradient_sum(w) / 4 + part)
    assert (risk.lipschitz, risk.smoothness) == (1.0, 1.0)  # records' alone
    before = 2 * rng.standard_normal(3)
    moved = np.linalg.norm(part - risk.public_gradient(before))
    assert moved <= risk.public_smoothness * np.linalg.norm(w - before) * (1 + 1e-12)
    if kind == "saturating":
        assert np.abs(part).max() <= 3 * math.sqrt(3) / 8 * weight * (1 + 1e-12)


def test_the_saturating_regulariser_attains_its_constants():
    risk = RegularizedRisk(MeanRisk([[0.0]]), 1.0)
    grid = np.linspace(-3, 3, 60_001)
    slopes = np.array([risk.public_gradient([w])[0] for w in grid[::10]])
    assert np.abs(slopes).max() == pytest.approx(0.6495191, abs=1e-6)
    steep = (risk.public_gradient([1e-6]) - risk.public_gradient([-1e-6]))[0] / 2e-6
    assert steep == pytest.approx(risk.public_smoothness, rel=1e-9)
    assert np.isfinite(risk.public_gradient([1e200])).all()


def test_a_regulariser_is_put_on_once():
    once = RegularizedRisk(breast_cancer("logistic"), 0.1, "ridge")
    assert once.convex
    assert not RegularizedRisk(breast_cancer("logistic"), 0.1).convex
    with pytest.raises(ValueError, match="has a regulariser already"):
        RegularizedRisk(once, 0.1)


@given(SEEDS, st.integers(1, 9), st.integers(1, 4), st.floats(0.05, 2))
def test_a_users_model_equals_the_library_s(seed, n, block, clip):
    rng = np.random.default_rng(seed)
    rows = ball(rng, n, 2, 1.0)
    targets = rng.standard_normal(n)
    mine = LinearModelRisk(rows, targets, Loss("huber"))

    def gradients(w, records):
        return np.clip(rows[records] @ w - targets[records], -1, 1)[:, None] * rows[records]

    def losses(w, records):
        r = np.abs(rows[records] @ w - targets[records])
        return np.where(r <= 1, r * r / 2, r - 0.5)

    yours = PerRecordRisk(n, 2, losses, gradients, block=block)
    w, before, batch = *rng.standard_normal((2, 2)), np.arange(0, n, 2)
    assert yours.value(w) == pytest.approx(mine.value(w))
    np.testing.assert_allclose(yours.gradient_sum(w, clip=clip), mine.gradient_sum(w, clip=clip), atol=1e-12)
    np.testing.assert_allclose(
        yours.variation_sum(w, before, clip=clip, batch=batch),
        mine.variation_sum(w, before, clip=clip, batch=batch),
        atol=1e-12,
    )
    assert yours.constants_assumed
    with pytest.raises(ValueError, match="is not known"):
        _ = yours.gap


def test_a_users_model_must_return_a_row_a_record():
    risk = PerRecordRisk(3, 2, lambda w, i: np.zeros(1), lambda w, i: np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"gradients: returned shape \(2, 2\) for 3 records of dimension 2"):
        risk.gradient_sum(np.zeros(2))
    with pytest.raises(ValueError, match=r"losses: returned shape \(1,\) for 3 records"):
        risk.value(np.zeros(2))
    with pytest.raises(ValueError, match=r"w: shape \(3,\) is not \(2,\)"):
        risk.gradient_sum(np.zeros(3))


def test_tables_become_risks(tmp_path):
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((5, 2)), np.array([1, 0, 1, 1, 0])
    np.savez(tmp_path / "t.npz", X=features, ill=labels)
    text = "a,b,ill\n" + "".join(
        f"{x!r},{y!r},{label}\n" for (x, y), label in zip(features.tolist(), labels, strict=True)
    )
    (tmp_path / "t.csv").write_text(text)
    tables = [read_labelled_table(tmp_path / name, "ill") for name in ("t.npz", "t.csv")]
    assert tables[0].columns == ("x1", "x2")
    risks = [table.risk(Loss("logistic"), scales=[2.0, 1.0], positive="1") for table in tables]
    for risk in risks:
        np.testing.assert_array_equal(risk.targets, 2.0 * labels - 1)
        np.testing.assert_allclose(np.linalg.norm(risk.features, axis=1), 1.0)
        np.testing.assert_allclose(risk.features[:, 0] / risk.features[:, 2], features[:, 0] / 2.0)
    numbers = tables[1].risk(Loss("huber"), scales=[1.0, 1.0], initial_gap=1.0)
    assert numbers.targets.tolist() == labels.tolist()
    with pytest.raises(ValueError, match="'2' is no label of the table"):
        tables[0].risk(Loss("logistic"), scales=[1.0, 1.0], positive="2")


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"X": np.ones((2, 2))}, "no array 'y'; there are X"),
        ({"X": np.ones(2), "y": np.ones(2)}, "X: must be a matrix of numbers"),
        ({"X": np.array([["a"]]), "y": np.ones(1)}, "X: must be a matrix of numbers"),
        ({"X": np.ones((2, 2)), "y": np.ones(3)}, r"y: shape \(3,\) for 2 records"),
        ({"X": np.array([[1.0, math.nan]]), "y": np.ones(1)}, "X: row 0, column 1: nan is not finite"),
        ({"X": np.array([[object()]]), "y": np.ones(1)}, "holds objects"),
    ],
)
def test_hostile_arrays_are_refused(tmp_path, arrays, complaint):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(ValueError, match=complaint):
        read_labelled_table(tmp_path / "t.npz", "y")


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "t.npz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no NPY or NPZ file"):
        read_labelled_table(tmp_path / "t.npz", "y")
