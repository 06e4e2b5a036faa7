"""Noise has its law and its calibration; the audit tells private from not."""

import decimal
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm

from algos import audit, discrete_laplace_variance, gaussian_delta, gaussian_sigma
from algos.privacy import check_delta, check_epsilon, discrete_laplace, laplace

epsilons = st.floats(1e-3, 20)
deltas = st.floats(1e-12, 0.5)


@pytest.mark.parametrize(
    ("epsilon", "delta", "calibration", "value"),
    [
        (1.0, 1e-5, "analytic", 3.730632),
        (1.0, 1e-5, "classical", 4.844805),
        (0.1, 1e-5, "analytic", 30.749566),
        (0.1, 1e-5, "classical", 48.448053),
        (4.0, 1e-6, "analytic", 1.193519),
    ],
)
def test_calibrations_of_the_specification(epsilon, delta, calibration, value):
    assert gaussian_sigma(epsilon, delta, calibration=calibration) == pytest.approx(value, abs=5e-7)


@pytest.mark.guarantee("gaussian_delta")
@given(epsilons, deltas)
def test_the_analytic_calibration_is_the_least_that_is_private(epsilon, delta):
    sigma = gaussian_sigma(epsilon, delta)
    assert gaussian_delta(sigma, epsilon) <= delta
    assert gaussian_delta(sigma * (1 - 1e-6), epsilon) > delta
    if epsilon <= 1:
        assert gaussian_sigma(epsilon, delta, calibration="classical") >= sigma
    assert gaussian_sigma(epsilon, delta, sensitivity=2.5) == pytest.approx(2.5 * sigma, rel=1e-12)


@pytest.mark.guarantee("gaussian_delta")
@given(st.floats(0.2, 20), st.floats(0, 4))
def test_delta_is_the_mass_by_which_the_ratio_is_exceeded(sigma, epsilon):
    # The definition: sup over sets of P(x + noise in S) - e^epsilon P(x' + noise in S), a half-line for Gaussians.
    at = epsilon * sigma**2 - 0.5  # where the densities around 0 and -1 have the ratio e^epsilon
    mass = norm.sf(at, 0, sigma) - math.exp(epsilon) * norm.sf(at, -1, sigma)
    assert gaussian_delta(sigma, epsilon) == pytest.approx(mass, abs=1e-12)


def exact_delta(sigma, epsilon):
    """Phi(a - b) - e^epsilon Phi(-a - b) with 640 digits, enough while e^(2 epsilon) has fewer."""
    with decimal.localcontext(prec=640):
        s, e = Decimal(sigma), Decimal(epsilon)
        a, b = 1 / (2 * s), e * s
        return upper_tail(b - a) - e.exp() * upper_tail(a + b)


def upper_tail(x):
    """1 - Phi(x) in the precision of the context: Phi(x) = 1/2 + phi(x) (x + x^3 / 3 + x^5 / 15 + ...)."""
    term = total = x
    n = 1
    while abs(term) > abs(total) * Decimal(10) ** -630:
        n += 2
        term *= x * x / n
        total += term
    return Decimal("0.5") - total * (-x * x / 2).exp() / (2 * PI).sqrt()


with decimal.localcontext(prec=660):
    # Machin: pi = 16 arctan(1/5) - 4 arctan(1/239)
    PI = sum(
        factor * sum((-1) ** k / (Decimal(base) ** (2 * k + 1) * (2 * k + 1)) for k in range(480))
        for factor, base in ((16, 5), (-4, 239))
    )


@pytest.mark.guarantee("gaussian_delta")
@pytest.mark.parametrize("delta", [1e-300, 1e-100, 1e-20, 1e-17, 1e-14, 1e-5, 0.1, 0.9])
@pytest.mark.parametrize("epsilon", [1e-300, 1e-100, 1e-18, 1e-10, 1e-3, 0.1, 1.0, 30.0, 300.0])
def test_the_calibration_keeps_delta_however_small_the_arguments(epsilon, delta):
    sigma = gaussian_sigma(epsilon, delta)
    assert exact_delta(sigma, epsilon) <= Decimal(delta) < exact_delta(sigma * (1 - 1e-11), epsilon)
    assert gaussian_delta(sigma, epsilon) == pytest.approx(float(exact_delta(sigma, epsilon)), rel=1e-10, abs=0)


@pytest.mark.guarantee("gaussian_delta")
@pytest.mark.parametrize("sigma", [0.3, 0.499, 0.5, 0.501, 1.0, 3.0, 100.0, 1e5, 1e100])
@pytest.mark.parametrize("epsilon", [0.0, 1e-99, 1e-6, 0.1, 2.0, 10.0])
def test_delta_has_all_its_digits(sigma, epsilon):
    if epsilon * sigma < 30:
        exact = float(exact_delta(sigma, epsilon))
        assert gaussian_delta(sigma, epsilon) == pytest.approx(exact, rel=1e-12, abs=0)
    elif epsilon * sigma > 40:
        assert gaussian_delta(sigma, epsilon) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_delta(0.0, 1.0), "sigma: 0.0"),
        (lambda: gaussian_delta(math.nan, 1.0), "sigma: nan"),
        (lambda: gaussian_delta(math.inf, 1.0), "sigma: inf"),
        (lambda: gaussian_delta("1", 1.0), "sigma: '1'"),
        (lambda: gaussian_delta(1.0, -0.1), "epsilon: -0.1"),
        (lambda: gaussian_delta(1.0, math.nan), "epsilon: nan"),
        (lambda: gaussian_delta(1.0, True), "epsilon: True"),
        (lambda: gaussian_sigma(1.0, 1e-301), r"delta: 1e-301 is outside \[1e-300, 1\)"),
        (lambda: gaussian_sigma(1.0, 1e-310, calibration="classical"), "delta: 1e-310"),
        (lambda: discrete_laplace_variance(1e-16), r"epsilon: 1e-16 is outside \[1e-15, inf\]"),
    ],
)
def test_what_no_noise_is_calibrated_for_is_named(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()


def test_laplace_noise_has_the_laplace_law_and_its_scale():
    rng = np.random.default_rng(1)
    draws = np.array([laplace(2.5, rng) for _ in range(60_000)])
    assert kstest(draws, "laplace", args=(0, 2.5)).pvalue > 1e-6
    assert kstest(-draws, "laplace", args=(0, 2.5)).pvalue > 1e-6
    assert kstest(draws, "laplace", args=(0, 2.75)).pvalue < 1e-6


@pytest.mark.guarantee("discrete_laplace_variance")
@settings(max_examples=10)
@given(st.floats(0.05, 5), st.integers(0, 2**32))
def test_discrete_laplace_noise_has_its_probabilities_and_its_variance(epsilon, seed):
    a = math.exp(-epsilon)
    k = np.arange(-2000, 2001)
    law = (1 - a) / (1 + a) * a ** np.abs(k)
    assert law.sum() == pytest.approx(1, abs=1e-12)
    assert discrete_laplace_variance(epsilon) == pytest.approx((law * k**2).sum(), rel=1e-9)
    n, rng = 4000, np.random.default_rng(seed)
    draws = np.array([discrete_laplace(epsilon, rng) for _ in range(n)])
    assert (draws == np.rint(draws)).all()
    # Dvoretzky, Kiefer and Wolfowitz, at 1e-9.
    seen = np.searchsorted(np.sort(draws), k, side="right") / n
    assert np.abs(seen - np.cumsum(law)).max() <= math.sqrt(math.log(2 / 1e-9) / (2 * n))


def test_tiny_budgets_draw_finite_noise():
    rng = np.random.default_rng(0)
    assert all(math.isfinite(discrete_laplace(1e-12, rng)) for _ in range(1000))
    assert all(math.isfinite(laplace(1e300, rng)) for _ in range(1000))


@given(st.floats(0.01, 3))
def test_the_audit_finds_the_exact_ratio_of_discrete_laplace_noise(epsilon):
    a, k = math.exp(-epsilon), np.arange(-60, 64)
    noise = (1 - a) / (1 + a) * a ** np.abs(k[:, None] - np.arange(4))

    def law(table):
        probabilities = noise[:, int(table.sum())]
        # The two tails are pooled into the outermost outputs.
        probabilities = probabilities.copy()
        probabilities[0] /= 1 - a
        probabilities[-1] /= 1 - a
        return probabilities

    found = audit(law, 3, epsilon)
    assert found.private
    assert found.largest_ratio == pytest.approx(math.exp(epsilon), rel=1e-9)
    assert found.largest_delta <= 1e-12
    assert not audit(law, 3, 0.99 * epsilon).private


@given(st.floats(0.05, 0.95), st.floats(0.01, 3))
def test_the_audit_reports_the_worst_pair_and_the_delta_that_is_left(keep, epsilon):
    assume(abs(keep - 0.5) > 0.01)

    def response(table):
        chance = keep if table[0] else 1 - keep
        return [chance, 1 - chance]

    found = audit(response, 1, epsilon)
    high = max(keep, 1 - keep)
    assert found.largest_ratio == pytest.approx(high / (1 - high))
    assert found.private == (high / (1 - high) <= math.exp(epsilon) * (1 + 1e-9))
    assert found.largest_delta == pytest.approx(max(0, high - math.exp(epsilon) * (1 - high)), abs=1e-12)
    ratios = response(found.table)[found.output] / response(found.neighbour)[found.output]
    assert ratios == pytest.approx(found.largest_ratio)


def test_an_output_that_only_one_table_can_give_is_an_infinite_ratio():
    found = audit(lambda table: np.eye(3)[int(table.sum())], 2, 5.0)
    assert found.largest_ratio == math.inf
    assert not found.private
    assert found.largest_delta == 1.0


def test_the_shape_of_a_table_may_be_an_integer_of_numpy():
    found = audit(lambda table: [0.7, 0.3] if table[0] else [0.3, 0.7], np.int64(1), 1.0)
    assert found.table.shape == (1,)


def test_an_audit_needs_probabilities_and_few_tables():
    with pytest.raises(ValueError, match="law: "):
        audit(lambda table: [0.5, 0.6], 1, 1.0)
    with pytest.raises(ValueError, match="shape: "):
        audit(lambda table: [1.0], (3, 10), 1.0)


@pytest.mark.parametrize("epsilon", [0, -1, math.nan, 1e-301, True, "1", None])
def test_a_bad_epsilon_is_named(epsilon):
    with pytest.raises(ValueError, match=r"^epsilon: .*\[1e-300, inf\]"):
        check_epsilon(epsilon)


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, math.nan, True, "0.1"])
def test_a_bad_delta_is_named(delta):
    with pytest.raises(ValueError, match=r"^delta: .*\(0, 1\)"):
        check_delta(delta)


def test_calibrations_outside_their_range_are_refused():
    assert gaussian_sigma(math.inf, 0.1) == 0.0
    with pytest.raises(ValueError, match=r"epsilon: 1\.5 is above 1"):
        gaussian_sigma(1.5, 0.1, calibration="classical")
    with pytest.raises(ValueError, match="calibration: 'none'"):
        gaussian_sigma(1.0, 0.1, calibration="none")
    with pytest.raises(ValueError, match="sensitivity: 0"):
        gaussian_sigma(1.0, 0.1, sensitivity=0)
