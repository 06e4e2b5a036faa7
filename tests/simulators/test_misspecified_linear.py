"""Misspecified linear arms, their adversaries, and the features of hard instances."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandits import GOptimalLeastSquares, packing_size_bound
from simulators import (
    MisspecifiedLinearArms,
    gaussian_features,
    hadamard_features,
    polynomial_packing,
    set_packing,
    sign_features,
)
from tests.test_twins import interpreted_all_the_way


def generator(seed=0):
    return np.random.default_rng(seed)


@given(
    *(st.integers(1, 20), st.integers(1, 5), st.integers(0, 10**6), st.floats(0, 2)),
    st.sampled_from(["none", "signs", "uniform", "cancel", "smooth", "aligned"]),
)
def test_no_error_is_larger_than_the_misspecification(n_arms, d, seed, eps, adversary):
    features, theta = gaussian_features(n_arms, d, generator(seed)), generator([seed, 1]).normal(size=d)
    arms = MisspecifiedLinearArms(features, theta, eps, adversary).sample(generator(seed))
    errors = arms.means - features @ theta
    assert np.abs(errors).max() <= eps + 1e-9
    assert arms.gaps.min() == 0
    if adversary == "signs":
        assert np.abs(errors) == pytest.approx(np.full(n_arms, eps), abs=1e-9)
    if adversary == "cancel":
        assert (np.abs(arms.means) <= np.abs(features @ theta) + 1e-12).all()
    assert arms.sample(generator()) is arms


def test_the_aligned_adversary_misleads_least_squares_more_than_chance():
    d, eps = 32, 0.05
    features = gaussian_features(8 * d, d, generator(3))
    theta = np.zeros(d)
    theta[:2] = 0.7
    gaps = {}
    for adversary in ("signs", "aligned"):
        arms = MisspecifiedLinearArms(features, theta, eps, adversary)
        gaps[adversary] = GOptimalLeastSquares(eps).run(arms, 10**4, generator(1)).outcome["gap"]
    assert gaps["aligned"] >= 2.0 * eps > gaps["signs"] - 2.0 * eps


def test_sums_have_the_law_of_so_many_rewards():
    arms = MisspecifiedLinearArms(np.eye(2), [0.3, 0.6], 0.0, "none", sigma=2.0).sample(generator())
    pull, draw, params, rng = arms.kernel(), arms.sum_kernel(), arms.parameters(), generator(4)
    count = 20_000
    for sample, scale in (
        (np.array([pull(params, 1, rng) for _ in range(count)]), 1.0),
        (np.array([draw(params, 1, 0, 9, rng) for _ in range(count)]) / 9, 3.0),
    ):
        assert abs(sample.mean() - 0.6) < 6 * 2.0 / scale / math.sqrt(count)
        assert abs(sample.std() / (2.0 / scale) - 1) < 6 / math.sqrt(2 * count)
    quiet = MisspecifiedLinearArms(np.eye(2), [0.3, 0.6]).sample(generator())
    assert quiet.kernel()(quiet.parameters(), 1, rng) == 0.6
    assert quiet.sum_kernel()(quiet.parameters(), 1, 0, 4, rng) == 4 * 0.6


def test_kernels_and_their_sources_agree():
    arms = MisspecifiedLinearArms(np.eye(3), [0.3, 0.6, 0.1], 0.2, "signs", sigma=0.5)
    policy = GOptimalLeastSquares(0.2, sigma=0.5)
    fast = policy.run(arms, 10**4, generator(6))
    slow = interpreted_all_the_way(lambda: policy.run(arms, 10**4, generator(6), compiled=False))
    assert fast.equals(slow)


@pytest.mark.parametrize(("d", "s", "t", "size"), [(7, 3, 1, 7), (9, 3, 1, 8), (13, 4, 1, 13), (12, 4, 2, 39)])
def test_greedy_packings_have_the_sizes_of_the_specification(d, s, t, size):
    assert len(set_packing(d, s, t)) == size


@pytest.mark.guarantee("packing_size_bound")
@settings(max_examples=30)
@given(st.integers(1, 9), st.data())
def test_packings_keep_apart_and_are_as_large_as_counting_promises(d, data):
    s = data.draw(st.integers(1, d))
    t = data.draw(st.integers(0, s - 1))
    rows = set_packing(d, s, t)
    meets = s * (rows @ rows.T) - (s + 1) * np.eye(len(rows))
    assert meets.max(initial=-1) <= t + 1e-9
    assert (rows > 0).sum(axis=1).tolist() == [s] * len(rows)
    assert len(rows) >= packing_size_bound(d, s, t) - 1e-9


@pytest.mark.parametrize(("s", "q", "t"), [(4, 5, 1), (3, 3, 1), (5, 5, 2), (2, 2, 0)])
def test_polynomials_make_packings_in_which_no_coordinate_stands_alone(s, q, t):
    rows = polynomial_packing(s, q, t)
    assert rows.shape == (q ** (t + 1), s * q)
    meets = s * (rows @ rows.T) - (s + 1) * np.eye(len(rows))
    assert meets.max() <= t + 1e-9
    if t > 0:
        assert np.linalg.matrix_rank(rows) == s * q - s + 1


def test_hadamard_features_are_as_nearly_orthogonal_as_promised():
    for d in (1, 2, 8, 16):
        rows = hadamard_features(d)
        assert rows.shape == (2 * d, d)
        assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(2 * d), abs=1e-12)
        if d > 1:
            assert np.abs(rows @ rows.T - np.eye(2 * d)).max() == pytest.approx(1 / math.sqrt(d), abs=1e-12)


def test_needles_pay_at_one_place_only():
    for features, height in ((set_packing(7, 3, 1), 1.0), (hadamard_features(8), 0.9)):
        for arm in range(len(features)):
            arms = MisspecifiedLinearArms.needle(features, arm, height)
            expected = np.zeros(len(features))
            expected[arm] = height
            assert arms.means == pytest.approx(expected, abs=1e-12)
            coherence = np.delete(np.abs(features @ features[arm]), arm).max()
            assert arms.misspecification == pytest.approx(height * coherence, abs=1e-12)


def test_random_features_are_unit_vectors():
    for make in (sign_features, gaussian_features):
        rows = make(50, 7, generator(2))
        assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(50), abs=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MisspecifiedLinearArms(np.eye(2), [1, 0, 0]), "theta: has 3 entries, but a feature vector has 2"),
        (lambda: MisspecifiedLinearArms(np.eye(2), [1, math.nan]), "theta"),
        (lambda: MisspecifiedLinearArms([[math.inf]], [1]), "features"),
        (lambda: MisspecifiedLinearArms(np.eye(2), [1, 0], -0.1), "misspecification = -0.1"),
        (lambda: MisspecifiedLinearArms(np.eye(2), [1, 0], 0.1, "evil"), "adversary = 'evil'"),
        (lambda: MisspecifiedLinearArms(np.eye(2), [1, 0], 0.1, [0.1]), "adversary: has 1 entries for 2 arms"),
        (lambda: MisspecifiedLinearArms(np.eye(2), [1, 0], 0.1, [0.1, 0.2]), "an error|error 0.2 is above"),
        (lambda: MisspecifiedLinearArms(np.eye(2), [1, 0], 0.1, sigma=-1), "sigma = -1"),
        (lambda: MisspecifiedLinearArms(np.eye(2), [1, 0], 0.1, "signs").means, "'signs' is random"),
        (lambda: MisspecifiedLinearArms.needle([[1.0, 1.0]], 0, 0.5), "features: .* norm 1"),
        (lambda: MisspecifiedLinearArms.needle(np.eye(2), 2, 0.5), "arm: 2 is outside"),
        (lambda: MisspecifiedLinearArms.needle(np.eye(2), 0, 1.5), "height: 1.5"),
        (lambda: hadamard_features(6), "dimension: 6 is not a power of 2"),
        (lambda: set_packing(3, 4, 1), "size: 4"),
        (lambda: set_packing(5, 2, 2), "overlap: 2"),
        (lambda: polynomial_packing(3, 4, 1), "prime: 4 is not a prime"),
        (lambda: polynomial_packing(6, 5, 1), "size: 6"),
        (lambda: sign_features(0, 3, generator()), "n_arms"),
        (lambda: gaussian_features(3, 3, 0), "rng: 0 is not"),
        (lambda: packing_size_bound(3, 4, 1), "size: 4"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
