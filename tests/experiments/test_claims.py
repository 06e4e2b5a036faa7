import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.claims import Claim, Interval, exact, mean_interval


@pytest.mark.parametrize(
    ("relation", "low", "high", "bound", "verdict"),
    [
        ("<=", 1, 2, 3, "holds"),
        ("<=", 1, 2, 2, "holds"),
        ("<=", 1, 2, 1.5, "undecided"),
        ("<=", 1, 2, 0.5, "fails"),
        (">=", 1, 2, 0.5, "holds"),
        (">=", 1, 2, 1.5, "undecided"),
        (">=", 1, 2, 3, "fails"),
        ("=", 2, 2, 2, "holds"),
        ("=", 1, 2, 2, "undecided"),
        ("=", 1, 2, 3, "fails"),
    ],
)
def test_the_whole_interval_decides(relation, low, high, bound, verdict):
    assert Claim("", Interval((low + high) / 2, low, high, ""), relation, bound).verdict == verdict


def test_one_sample_decides_nothing():
    assert Claim("", mean_interval([3.0]), "<=", 100.0).verdict == "undecided"


def test_a_bound_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="nan"):
        Claim("", exact(1.0), "<=", math.nan)


def test_normal_interval_of_a_known_sample():
    interval = mean_interval([1.0, 2.0, 3.0, 4.0], level=0.95)
    half = 3.182446305284263 * math.sqrt(5 / 3) / 2  # Student's quantile with 3 degrees of freedom
    assert interval.estimate == 2.5
    assert interval.high - 2.5 == pytest.approx(half, rel=1e-12)
    assert 2.5 - interval.low == pytest.approx(half, rel=1e-12)


def test_bootstrap_covers_as_often_as_it_says():
    rng = np.random.default_rng(5)
    runs, level = 300, 0.9
    covered = 0
    for _ in range(runs):
        interval = mean_interval(rng.exponential(size=60), level=level, method="bootstrap", rng=rng)
        covered += interval.low <= 1.0 <= interval.high
    slack = math.sqrt(math.log(2 / 1e-9) / (2 * runs))
    assert abs(covered / runs - level) < slack


def test_normal_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(6)
    runs = 2000
    intervals = [mean_interval(rng.normal(size=10), level=0.95) for _ in range(runs)]
    covered = sum(interval.low <= 0 <= interval.high for interval in intervals)
    assert abs(covered / runs - 0.95) < math.sqrt(math.log(2 / 1e-9) / (2 * runs))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), st.floats(0.1, 1e3))
def test_intervals_scale(samples, scale):
    interval = mean_interval(samples)
    scaled = interval / scale
    assert (scaled.low, scaled.high) == (interval.low / scale, interval.high / scale)
    assert interval.low <= interval.estimate <= interval.high


@pytest.mark.parametrize("samples", [[], [math.nan], [math.inf, 1.0], [[1.0]]])
def test_bad_samples_are_refused(samples):
    with pytest.raises(ValueError, match="samples"):
        mean_interval(samples)


@pytest.mark.parametrize(
    "bad", [{"level": 0.0}, {"level": 1.0}, {"level": math.nan}, {"method": "bayes"}, {"method": "bootstrap"}]
)
def test_bad_options_are_refused(bad):
    with pytest.raises(ValueError, match=r"level|method|rng"):
        mean_interval([1.0, 2.0], **bad)
