"""Arms of all laws: what they pay has the law that they declare."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc, gammaincc, ndtr

from simulators import (
    BetaArms,
    ExponentialArms,
    GaussianArms,
    PoissonArms,
    TruncatedExponentialArms,
    UniformArms,
)

COUNT = 20_000
ALL = [
    GaussianArms([0.5, -2.0], sigma=0.3),
    BetaArms([0.4, 3.0], [2.0, 1.5]),
    UniformArms([0.0, -1.0], [0.0, 2.5]),
    ExponentialArms([0.5, 3.0]),
    TruncatedExponentialArms([0.5, 3.0], cap=2.0),
    PoissonArms([0.3, 12.0]),
]


def draws(arms, arm, seed=0, count=COUNT, compiled=True):
    pull, params, rng = arms.kernel(), arms.parameters(), np.random.default_rng([seed, arm])
    pull = pull if compiled else pull.py_func
    return np.array([pull(params, arm, rng) for _ in range(count)])


def law(arms, arm, x):
    """Probability of a reward <= x."""
    match arms:
        case GaussianArms():
            return ndtr((x - arms.means[arm]) / arms.sigma)
        case BetaArms():
            return betainc(arms.a[arm], arms.b[arm], np.clip(x, 0, 1))
        case UniformArms():
            low, high = arms.low[arm], arms.high[arm]
            return np.where(x >= high, 1.0, (x - low) / max(high - low, 1e-300))
        case ExponentialArms():
            return -np.expm1(-x / arms.means[arm])
        case TruncatedExponentialArms():
            return np.where(x >= arms.cap, 1.0, -np.expm1(-x / arms.scales[arm]))
        case PoissonArms():
            return gammaincc(np.floor(x) + 1, arms.means[arm])


@pytest.mark.parametrize("arms", ALL)
@pytest.mark.parametrize("arm", [0, 1])
def test_rewards_have_the_declared_law(arms, arm):
    # Dvoretzky, Kiefer and Wolfowitz: but for chance 1e-9 the empirical distribution function is that near everywhere.
    values, counts = np.unique(draws(arms, arm), return_counts=True)
    distance = np.abs(np.cumsum(counts) / COUNT - law(arms, arm, values)).max()
    assert distance <= math.sqrt(math.log(2e9) / (2 * COUNT))


@pytest.mark.parametrize("arms", ALL)
@pytest.mark.parametrize("arm", [0, 1])
def test_the_mean_is_that_of_the_law_and_rewards_keep_to_the_support(arms, arm):
    # E[X] = high - (the integral of the distribution function), from where the law begins.
    grid = np.linspace(-10, 90, 2_000_001)
    low, high = arms.support
    below = np.where(grid < max(low, -10), 0.0, law(arms, arm, np.maximum(grid, max(low, -10))))
    if isinstance(arms, UniformArms):
        below = np.where(grid < arms.low[arm], 0.0, below)
    mean = 90 - np.trapezoid(below, grid)
    assert arms.means[arm] == pytest.approx(mean, abs=2e-4)
    sample = draws(arms, arm, count=500)
    assert low <= sample.min()
    assert sample.max() <= high


@pytest.mark.parametrize("arms", ALL)
def test_compiled_and_interpreted_draw_the_same_bits_and_copies_are_equal(arms):
    for arm in (0, 1):
        assert draws(arms, arm, 3, 200).tobytes() == draws(arms, arm, 3, 200, compiled=False).tobytes()
    copy = pickle.loads(pickle.dumps(arms))
    assert copy == arms
    assert copy.means.tolist() == arms.means.tolist()
    assert (arms.gaps == arms.means.max() - arms.means).all()


@given(st.floats(-1e300, 1e300), st.floats(0, 1e300), st.integers(0, 2**32))
def test_uniform_rewards_never_leave_their_interval(low, width, seed):
    arms = UniformArms([low], [low + width])
    sample = draws(arms, 0, seed, 20)
    assert (sample >= low).all()
    assert (sample <= low + width).all()
    assert low <= arms.means[0] <= low + width


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianArms([]), "GaussianArms: means"),
        (lambda: GaussianArms([0.0], sigma=0.0), "GaussianArms: sigma = 0.0: should be greater than 0"),
        (lambda: GaussianArms([math.inf]), "GaussianArms: means = .*entry 0 is inf"),
        (lambda: BetaArms([1.0], [0.0]), "BetaArms: b = .*entry 0 is 0.0; every entry must be finite and > 0"),
        (lambda: BetaArms([1.0, 2.0], [1.0]), "BetaArms: b = .*must have 2 entries, as many as a, not 1"),
        (lambda: BetaArms([1e-310], [1.0]), "BetaArms: a = .*must be at least 1e-300"),
        (lambda: UniformArms([0.0, 1.0], [1.0, 0.5]), r"UniformArms: high = .*entry 1 is 0.5, not from low\[1\] = 1.0"),
        (lambda: UniformArms([-1e308], [1e308]), "UniformArms: high = .*too far"),
        (lambda: UniformArms([math.nan], [1.0]), "UniformArms: low"),
        (lambda: ExponentialArms([-1.0]), "ExponentialArms: means"),
        (lambda: TruncatedExponentialArms([1.0], cap=-1), "TruncatedExponentialArms: cap = -1"),
        (lambda: TruncatedExponentialArms([0.0]), "TruncatedExponentialArms: scales"),
        (lambda: PoissonArms([2.0, 1e19]), "PoissonArms: means = .*entry 1 is 1e.19; every entry must be below 1e18"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
