"""Noise by the sample's number: what is added, what cancels, what is independent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from algos.counter_draws import normal_pair
from simulators.bilevel_problems import Moreau, NoisyOracle, QuadraticSum, random_quadratic, random_quadratic_sum

QUADRATIC = random_quadratic(3, 4, np.random.default_rng(0))
samples = st.integers(0, 2**63 - 1)


@given(samples, st.integers(0, 2**32))
def test_additive_noise_cancels_in_differences(sample, seed):
    x, other, y, far = (np.random.default_rng(seed).standard_normal(size) for size in (3, 3, 4, 4))
    noisy = NoisyOracle(QUADRATIC, 0.5, 0.7)
    for inexact, exact in (
        (noisy.upper_gradient, QUADRATIC.upper_gradient), (noisy.lower_gradient, QUADRATIC.lower_gradient),
    ):  # fmt: skip
        for part in (0, 1):
            moved = inexact(x, y, sample)[part] - inexact(other, far, sample)[part]
            np.testing.assert_allclose(moved, exact(x, y)[part] - exact(other, far)[part], atol=1e-12)


def noise(oracle, count=3000):
    """What is added to the gradients of f and of g, in x and in y: shape (count, 14)."""
    x, y = np.ones(3), np.ones(4)
    exact = np.concatenate([*QUADRATIC.upper_gradient(x, y), *QUADRATIC.lower_gradient(x, y)])
    draws = [np.concatenate([*oracle.upper_gradient(x, y, k), *oracle.lower_gradient(x, y, k)]) for k in range(count)]
    return np.array(draws) - exact, exact


def test_noise_is_normal_with_the_deviations_given_and_all_entries_are_independent():
    added, _ = noise(NoisyOracle(QUADRATIC, 0.5, 2.0))
    deviations = np.repeat([0.5, 2.0], 7)
    assert stats.kstest((added / deviations).ravel(), "norm").pvalue > 1e-6
    correlation = np.corrcoef(added.T) - np.eye(14)
    assert np.abs(correlation).max() < 6 / np.sqrt(len(added))


def test_factors_scale_the_gradient_of_g_alone():
    added, exact = noise(NoisyOracle(QUADRATIC, multiplicative=0.25))
    assert (added[:, :7] == 0).all()
    factors = added[:, 7:] / exact[7:]
    assert stats.kstest((factors / 0.25).ravel(), "norm").pvalue > 1e-6
    assert np.abs(np.corrcoef(factors.T) - np.eye(7)).max() < 6 / np.sqrt(len(factors))


def test_the_stochastic_experiment_has_the_oracle_printed():
    noisy = NoisyOracle(Moreau("quadratic"), 0.5, 0.5, 0.5)
    x, y, sample = np.array([3.0]), np.array([2.0]), 12
    in_f, factor_x, factor_y, in_x, in_y = (normal_pair(0, sample, purpose, 0)[0] for purpose in (3, 6, 7, 4, 5))
    assert noisy.upper_gradient(x, y, sample)[1][0] == pytest.approx((y - 1)[0] + 0.5 * in_f)
    slope_x, slope_y = noisy.lower_gradient(x, y, sample)
    assert slope_x[0] == pytest.approx(-(1 + 0.5 * factor_x) * (y - x)[0] + 0.5 * in_x)
    assert slope_y[0] == pytest.approx((1 + 0.5 * factor_y) * (y - x)[0] + 0.5 * in_y)


def test_seeds_and_samples_differ_and_no_noise_is_the_problem_itself():
    x, y = np.ones(3), np.ones(4)
    one, two = NoisyOracle(QUADRATIC, 1.0), NoisyOracle(QUADRATIC, 1.0, seed=1)
    first, again, later, other = (
        o.upper_gradient(x, y, k)[1].tobytes() for o, k in ((one, 0), (one, 0), (one, 1), (two, 0))
    )
    assert first == again
    assert len({first, later, other}) == 3
    both = [NoisyOracle(QUADRATIC, 1.0, 1.0, multiplicative, seed=seed) for seed in (0, 1) for multiplicative in (0, 1)]
    parts = [[*o.upper_gradient(x, y, 5), *o.lower_gradient(x, y, 5)] for o in both]
    for plain, scaled, otherwise in ((parts[0], parts[1], parts[2]), (parts[2], parts[3], parts[0])):
        assert all(
            (a != b).all() for a, b in zip(plain, otherwise, strict=True)
        )  # another seed, other noise everywhere
        assert all((a != b).all() for a, b in zip(plain[2:], scaled[2:], strict=True))
    factors = [scaled[k] - plain[k] for plain, scaled in (parts[0:2], parts[2:4]) for k in (2, 3)]
    assert (factors[0] != factors[2]).all()
    assert (factors[1] != factors[3]).all()
    silent = NoisyOracle(QUADRATIC)
    assert silent.lower_gradient(x, y, 3)[0].tobytes() == QUADRATIC.lower_gradient(x, y)[0].tobytes()
    # A finite sum draws its records all the same.
    records = random_quadratic_sum(9, 2, 3, np.random.default_rng(0))
    assert isinstance(records, QuadraticSum)
    drawn = NoisyOracle(records).lower_gradient(np.ones(2), np.ones(3), 4)[1]
    assert drawn.tobytes() == records.lower_gradient(np.ones(2), np.ones(3), 4)[1].tobytes()


def test_the_answers_are_those_of_the_problem():
    noisy, x = NoisyOracle(QUADRATIC, 1.0, 1.0), np.ones(3)
    assert noisy.value(x) == QUADRATIC.value(x)
    assert noisy.penalty_value(x, 0.1) == QUADRATIC.penalty_value(x, 0.1)
    assert noisy.value_gradient(x).tobytes() == QUADRATIC.value_gradient(x).tobytes()
    assert noisy.constants == QUADRATIC.constants


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: NoisyOracle(3), "must be a bilevel problem with kernels"),
        (lambda: NoisyOracle(QUADRATIC, -1.0), "sd_f = -1.0"),
        (lambda: NoisyOracle(QUADRATIC, 0.0, np.nan), "sd_g = nan"),
        (lambda: NoisyOracle(QUADRATIC, multiplicative=np.inf), "multiplicative = inf"),
        (lambda: NoisyOracle(QUADRATIC, seed=-1), "seed = -1"),
        (lambda: NoisyOracle(QUADRATIC, seed=2**64), "seed = 18446744073709551616"),
    ],
)
def test_bad_descriptions_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
