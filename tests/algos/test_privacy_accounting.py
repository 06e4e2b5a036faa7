"""Composition, accountants and exact noise against the specification's digits, definitions and exact laws."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from algos.privacy import (
    GaussianReleases,
    advanced_composition,
    audit,
    audit_trials,
    basic_composition,
    calibrate_noise,
    compose,
    composed_mu,
    exact_discrete_gaussian,
    exact_discrete_laplace,
    gaussian_delta,
    gaussian_epsilon,
    gaussian_mu,
    gaussian_sigma,
    group_privacy,
    optimal_pure_composition,
    parallel_composition,
    rdp_epsilon,
    sampled_gaussian_rdp,
    subsampled,
    zcdp_epsilon,
)

epsilons = st.floats(1e-3, 50)
deltas = st.floats(1e-12, 0.1)
shares = st.floats(0, 0.1)


@pytest.mark.parametrize(
    ("epsilon", "delta", "sigma"),
    [
        (0.1, 1e-5, 30.749566132), (0.5, 1e-5, 7.0318266757), (1, 1e-5, 3.7306316348), (1, 1e-6, 4.2246788893),
        (2, 1e-6, 2.2304762712), (4, 1e-6, 1.1935185872), (8, 1e-5, 0.6002290722),
    ],
)  # fmt: skip
def test_the_gaussian_calculus_to_the_digits_given(epsilon, delta, sigma):
    assert gaussian_sigma(epsilon, delta) == pytest.approx(sigma, abs=6e-10)
    assert calibrate_noise(epsilon, delta) == gaussian_sigma(epsilon, delta)
    assert calibrate_noise(epsilon, delta, 2.0, count=9) == pytest.approx(6 * sigma, rel=1e-9)


@given(epsilons, deltas)
def test_mu_and_epsilon_are_inverse(epsilon, delta):
    mu = gaussian_mu(epsilon, delta)
    assert gaussian_epsilon(mu, delta) == pytest.approx(epsilon, rel=1e-9)
    assert gaussian_epsilon(mu, 1 - 1e-9) == 0.0
    assert gaussian_delta(1 / mu, gaussian_epsilon(mu, delta)) <= delta
    assert compose([GaussianReleases(1 / mu)], delta, adjacency="replace_one").epsilon == pytest.approx(
        epsilon, rel=1e-9
    )


@pytest.mark.parametrize(
    ("rate", "z", "count", "rdp", "pld"),
    [
        (0.01, 1.0, 1000, 2.101367, 1.828244),
        (256 / 60000, 1.1, 14100, 2.600343, 2.385211),
        (0.02, 2.0, 5000, 3.483400, 3.208776),
    ],
)
def test_the_library_accountants_to_the_digits_given(rate, z, count, rdp, pld):
    runs = [GaussianReleases(z, count, rate)]
    kind = {"adjacency": "add_remove", "sampling": "poisson"}
    assert compose(runs, 1e-5, accountant="rdp", **kind).epsilon == pytest.approx(rdp, abs=6e-7)
    spent = compose(runs, 1e-5, **kind)
    assert spent.epsilon == pytest.approx(pld, abs=6e-7)
    assert (spent.accountant, spent.adjacency, spent.sampling) == ("pld", "add_remove", "poisson")
    ours = compose(runs, 1e-5, accountant="rdp_whole_orders", **kind).epsilon
    assert rdp <= ours <= rdp * 1.004


def test_two_kinds_of_releases_are_composed_together():
    def spider(z):
        return [GaussianReleases(z, 100, 0.02), GaussianReleases(z, 1900, 0.005), GaussianReleases(9.0, 0)]

    kind = {"adjacency": "add_remove", "sampling": "poisson"}
    assert compose(spider(1.611770), 1e-6, accountant="rdp", **kind).epsilon == pytest.approx(1.0, abs=1e-6)
    assert compose(spider(1.507924), 1e-6, **kind).epsilon == pytest.approx(1.0, abs=1e-6)
    apart = [compose([one], 5e-7, accountant="rdp", **kind).epsilon for one in spider(1.611770)[:2]]
    assert apart == pytest.approx([0.8162, 0.7219], abs=1e-4)


def test_traps_of_the_library():
    replaced = compose([GaussianReleases(0.5, 1000, 0.01)], 1e-5, adjacency="replace_one", sampling="poisson")
    assert replaced.epsilon == pytest.approx(2.843446, abs=1e-6)
    for z, epsilon in ((1.0, 3.576111), (2.0, 1.445298)):
        found = compose(
            [GaussianReleases(z, 1000, 0.01)], 1e-5, adjacency="replace_one", sampling="wor", n_records=10_000
        )
        assert found.epsilon == pytest.approx(epsilon, abs=1e-6)
        assert found.accountant == "rdp"
    # Of full batches the multiplier is relative to the sensitivity, whoever accounts.
    exact = compose([GaussianReleases(1.0)], 1e-5, adjacency="replace_one").epsilon
    assert exact == pytest.approx(4.3771780957, abs=1e-9)
    by_pld = compose([GaussianReleases(1.0)], 1e-5, adjacency="replace_one", accountant="pld").epsilon
    assert by_pld == pytest.approx(exact, abs=1e-3)
    assert compose([GaussianReleases(1.0)], 1e-5, adjacency="replace_one", accountant="rdp").epsilon == pytest.approx(
        4.7285, abs=1e-4
    )


def test_noise_for_sampled_releases():
    kind = {"adjacency": "add_remove", "sampling": "poisson"}
    sigma = calibrate_noise(1.0, 1e-5, 3.0, count=500, rate=0.02, accountant="rdp", **kind)
    spent = [
        compose([GaussianReleases(z, 500, 0.02)], 1e-5, accountant="rdp", **kind).epsilon
        for z in (sigma / 3, sigma / 3 / (1 + 3e-5))
    ]
    assert spent[0] <= 1.0 < spent[1]
    assert calibrate_noise(math.inf, 1e-5) == 0.0


@pytest.mark.guarantee("basic_composition")
@pytest.mark.guarantee("parallel_composition")
@given(st.lists(st.tuples(epsilons, shares), min_size=1, max_size=5))
def test_sums_and_maxima_of_budgets(budgets):
    epsilon, delta = basic_composition(budgets)
    assert epsilon == pytest.approx(sum(one for one, _ in budgets))
    assert delta == pytest.approx(min(1.0, sum(one for _, one in budgets)))
    most = parallel_composition(budgets)
    assert most == (max(one for one, _ in budgets), max(one for _, one in budgets))


def randomized_response(epsilon, k):
    """The privacy loss of k answers: chance and loss of each number of true answers."""
    p = 1 / (1 + math.exp(-epsilon))
    return [(math.comb(k, j) * p**j * (1 - p) ** (k - j), (2 * j - k) * epsilon) for j in range(k + 1)]


def delta_of(losses, epsilon):
    """sum p max(0, 1 - e^(epsilon - loss)), the delta that epsilon leaves."""
    return math.fsum(p * -math.expm1(epsilon - loss) for p, loss in losses if loss > epsilon)


@pytest.mark.guarantee("optimal_pure_composition")
@pytest.mark.guarantee("advanced_composition")
@given(st.floats(0.01, 1.0), st.integers(1, 40), st.floats(1e-9, 0.2))
def test_the_optimal_composition_is_that_of_randomized_response(epsilon, k, delta):
    """Randomized response is the worst pure mechanism: its losses are exact."""
    losses = randomized_response(epsilon, k)
    found = optimal_pure_composition(epsilon, k, delta)
    assert delta_of(losses, found) <= delta * (1 + 1e-9)
    if found >= 2 * epsilon - 1e-9:
        assert delta_of(losses, found - 2 * epsilon) > delta
    advanced, total = advanced_composition(epsilon, 0.0, k, delta)
    assert total == delta
    assert delta_of(losses, advanced) <= delta


@pytest.mark.guarantee("group_privacy")
@given(st.floats(0.01, 2.0), st.integers(1, 5))
def test_groups_of_randomized_responses(epsilon, k):
    """Changing k answers of k is the composition of k: the loss is at most k epsilon, and so it is for Gaussians."""
    assert group_privacy(epsilon, 0.0, k) == (k * epsilon, 0.0)
    assert max(loss for _, loss in randomized_response(epsilon, k)) <= k * epsilon + 1e-12
    delta = gaussian_delta(1.0, epsilon)
    whole, most = group_privacy(epsilon, delta, k)
    assert gaussian_delta(1.0 / k, whole) <= most + 1e-15


@pytest.mark.guarantee("subsampled")
@given(st.floats(0.01, 5.0), st.floats(0.001, 1.0))
def test_subsampling_a_randomized_response(epsilon, q):
    """The record is answered for with chance q, else the answer is a fair coin of another record's worst value."""
    p = 1 / (1 + math.exp(-epsilon))
    without, with_record = 1 - p, q * p + (1 - q) * (1 - p)
    found, _ = subsampled(epsilon, 0.0, q)
    assert math.log(with_record / without) == pytest.approx(found, rel=1e-9, abs=1e-12)
    assert subsampled(epsilon, 0.1, q)[1] == pytest.approx(0.1 * q)


@pytest.mark.guarantee("zcdp_epsilon")
@given(st.floats(0.01, 3.0), deltas)
def test_zcdp_is_never_below_the_exact_epsilon_of_gaussian_noise(mu, delta):
    found = zcdp_epsilon(mu**2 / 2, delta)
    assert found >= gaussian_epsilon(mu, delta) - 1e-9
    assert found <= mu**2 / 2 + 2 * math.sqrt(mu**2 / 2 * math.log(1 / delta)) + 1e-9


@pytest.mark.guarantee("sampled_gaussian_rdp")
@settings(max_examples=25)
@given(st.floats(0.01, 1.0), st.floats(0.7, 4.0), st.integers(2, 6))
def test_renyi_divergences_are_their_integrals(q, z, order):
    """Of the mixture (1 - q) N(0, z^2) + q N(1, z^2) from N(0, z^2), by a fine sum over the line."""
    x = np.linspace(-12 * z, 12 * z + order, 40_001)
    ratio = (1 - q) + q * np.exp((2 * x - 1) / (2 * z**2))
    integral = np.sum(norm.pdf(x, 0, z) * ratio**order) * (x[1] - x[0])
    assert sampled_gaussian_rdp(q, z, order) == pytest.approx(math.log(integral) / (order - 1), rel=1e-6, abs=1e-12)


def test_more_digits_of_the_specification():
    values = (1.7181342e-4, 3.6315405e-4, 8.9364391e-4, 3.0878508, 11.2462759)
    for order, value in zip((2, 4, 8, 16, 32), values, strict=True):
        assert sampled_gaussian_rdp(0.01, 1.0, order) == pytest.approx(value, rel=2e-8)
    assert zcdp_epsilon(0.5, 1e-5) == pytest.approx(4.72839, abs=5e-6)
    assert optimal_pure_composition(0.1, 100, 1e-6) == pytest.approx(4.8)
    assert advanced_composition(0.1, 1e-7, 100, 1e-6)[1] == pytest.approx(1.1e-5)
    assert composed_mu([(2.0, 4), (3.0, 9)]) == pytest.approx(math.sqrt(2.0))


@pytest.mark.parametrize("variance", [Fraction(1, 16), 1, Fraction(9, 4), 100])
def test_exact_gaussian_noise_has_its_law(variance):
    draws = np.array(exact_discrete_gaussian(variance, 20_000, np.random.default_rng(1)))
    assert_law(draws, lambda k: math.exp(-(k**2) / (2 * float(variance))))


@pytest.mark.parametrize("epsilon", [Fraction(1, 7), 1, Fraction(5, 2)])
def test_exact_laplace_noise_has_its_law(epsilon):
    draws = np.array(exact_discrete_laplace(epsilon, 20_000, np.random.default_rng(2)))
    assert_law(draws, lambda k: math.exp(-float(epsilon) * abs(k)))


def assert_law(draws, weight):
    """Chi-square test at 1e-6, rare values together."""
    reach = int(np.abs(draws).max()) + 200
    values = np.arange(-reach, reach + 1)
    law = np.array([weight(int(k)) for k in values])
    expected = draws.size * law / law.sum()
    seen = np.bincount(draws + reach, minlength=values.size)
    common = expected >= 10
    statistic = ((seen[common] - expected[common]) ** 2 / expected[common]).sum()
    rest = expected[~common].sum()
    cells = common.sum() - 1
    if rest > 5:
        statistic, cells = statistic + (seen[~common].sum() - rest) ** 2 / rest, cells + 1
    assert chi2.sf(statistic, cells) > 1e-6


def test_exact_noise_of_the_operating_system():
    draws = np.array(exact_discrete_gaussian(2**40, 2000))
    assert abs(draws.mean()) < 6 * 2**20 / math.sqrt(2000)
    assert draws.var() == pytest.approx(2.0**40, rel=6 * math.sqrt(2 / 2000))
    assert exact_discrete_gaussian(5, 0) == []


def test_an_audit_by_trials_tells_half_the_noise():
    """A canary in the direction of its value: the statistic is N(0, 1) or N(mu, 1), scaled."""
    mu = gaussian_mu(1.0, 1e-5)

    def mechanism(factor):
        return lambda present, rng: (mu * present + factor * rng.standard_normal()) * mu

    arguments = {"delta": 1e-5, "trials": 10_000, "threshold": mu**2 / 2, "confidence": 1 - 2e-6}
    right = audit(mechanism(1.0), epsilon=1.0, rng=np.random.default_rng(0), **arguments)
    assert not right.refuted
    assert 0.3 < right.gaussian_lower_bound <= 1.0
    wrong = audit_trials(mechanism(0.5), 1.0, rng=np.random.default_rng(0), **arguments)
    assert wrong.refuted
    assert wrong.gaussian_lower_bound > 1.5
    assert right.lower_bound <= right.gaussian_lower_bound
    usual = audit(mechanism(1.0), epsilon=1.0, rng=np.random.default_rng(0), **arguments | {"confidence": 0.95})
    assert usual.gaussian_lower_bound == pytest.approx(0.826, abs=0.15)  # of the specification, for another statistic


def test_what_no_errors_in_many_trials_can_certify():
    def told(present, rng):
        return float(present)

    for trials, epsilon in ((1000, 5.60), (10_000, 7.90)):
        found = audit(told, epsilon=1.0, delta=1e-5, trials=trials, rng=np.random.default_rng(0), threshold=0.5)
        assert found.lower_bound == pytest.approx(epsilon, abs=0.01)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: GaussianReleases(math.nan), "noise_multiplier: nan is not a finite number > 0"),
        (lambda: GaussianReleases(math.inf), "noise_multiplier: inf"),
        (lambda: GaussianReleases(0.0), "noise_multiplier: 0.0"),
        (lambda: GaussianReleases(1.0, 1, 1.5), "rate: 1.5"),
        (lambda: GaussianReleases(1.0, -1), "count: -1"),
        (lambda: compose([GaussianReleases(1.0)], 0.0, adjacency="replace_one"), "delta: 0.0"),
        (lambda: compose([GaussianReleases(1.0)], 1e-5, adjacency="swap"), "adjacency: 'swap'"),
        (lambda: compose([GaussianReleases(1.0, 1, 0.5)], 1e-5, adjacency="replace_one"), "sampling: releases with"),
        (lambda: poisson("replace_one", "rdp"), "adjacency: 'rdp' accounts Poisson batches"),
        (lambda: poisson("replace_one", "rdp_whole_orders"), "adjacency: 'rdp_whole_orders'"),
        (lambda: poisson("add_remove", "gdp"), "accountant: 'gdp' is exact for full batches alone"),
        (lambda: poisson("add_remove", "best"), "accountant: 'best'"),
        (lambda: poisson("add_remove", "auto", "wor"), "sampling: 'wor' is accounted"),
        (lambda: poisson("replace_one", "auto", "wor"), "n_records: is needed"),
        (lambda: poisson("replace_one", "auto", "shuffled"), "sampling: 'shuffled'"),
        (lambda: calibrate_noise(0.0, 1e-5), "epsilon: 0.0"),
        (lambda: calibrate_noise(1.0, 1e-5, math.nan), "sensitivity: nan"),
        (lambda: calibrate_noise(1.0, 1e-5, count=0), "count: 0"),
        (lambda: gaussian_epsilon(math.nan, 1e-5), "mu: nan"),
        (lambda: zcdp_epsilon(-1.0, 1e-5), "rho: -1.0"),
        (lambda: sampled_gaussian_rdp(0.0, 1.0, 2), "rate: 0.0"),
        (lambda: sampled_gaussian_rdp(0.5, 1.0, 1), "order: 1"),
        (lambda: rdp_epsilon([], [], 1e-5), "divergences: must be"),
        (lambda: parallel_composition([]), "budgets: there are none"),
        (lambda: basic_composition([(1.0, 1.0)]), "delta: 1.0"),
        (lambda: exact_discrete_gaussian(0.5), "variance: 0.5"),
        (lambda: exact_discrete_gaussian(0), "variance: 0"),
        (lambda: exact_discrete_gaussian(1, 3, 7), "rng: 7"),
        (lambda: audit(lambda table: [1.0]), "shape: is missing"),
        (lambda: audit(lambda p, rng: 0.0, epsilon=1.0, delta=1e-5, trials=5, rng=None, threshold=0.0), "rng: None"),
        (
            lambda: audit(lambda p, r: 0.0, epsilon=1.0, delta=1e-5, trials=5, rng=np.random.default_rng(0)),
            "threshold: must be",
        ),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def poisson(adjacency, accountant, sampling="poisson"):
    return compose([GaussianReleases(1.0, 5, 0.1)], 1e-5, adjacency=adjacency, sampling=sampling, accountant=accountant)


def test_statements_in_words():
    said = {
        (adjacency, sampling): str(
            compose([GaussianReleases(4.0, 3, rate)], 1e-5, adjacency=adjacency, sampling=sampling, n_records=100)
        )
        for (adjacency, sampling), rate in zip(
            itertools.product(("replace_one", "add_remove"), ("full", "poisson")), (1.0, 0.1, 1.0, 0.1), strict=True
        )
    }
    assert "one record's values (replace_one), all records in every release" in said["replace_one", "full"]
    assert "one record's presence (add_remove), Poisson batches, accounted by pld" in said["add_remove", "poisson"]
