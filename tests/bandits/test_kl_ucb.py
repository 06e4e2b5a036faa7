"""KL-UCB and Bayes-UCB: their indices, and that the pivot plays what solving for every arm would play."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from bandits import IMED, KLUCB, AsymptoticUCB, BayesUCB, KLUCBPlusPlus, bayes_ucb, kl_ucb, ucb
from bandits.divergences import CODES, divergence, upper_mean
from tests.reference import bandits as reference
from tests.reference.bandits import played

levels = st.floats(1e-9, 40)


@pytest.mark.parametrize(
    ("mean", "level", "value"), [(0.5, math.log(100) / 10, 0.887908761646), (0, math.log(50) / 5, 0.542694948073)]
)
def test_the_values_of_the_specification(mean, level, value):
    assert upper_mean(CODES["bernoulli"], 1.0, mean, level) == pytest.approx(value, abs=1e-12)


@given(st.sampled_from(sorted(CODES)), st.one_of(st.just(0.0), st.just(1.0), st.floats(1e-6, 1)), levels)
def test_the_upper_mean_solves_its_equation(family, mean, level):
    # A solution found in floating point is as good as the divergence is steep there.
    found, right = upper_mean(CODES[family], 1.0, mean, level), reference.upper_mean(family, mean, level)
    assert found >= mean
    assert found == pytest.approx(right, rel=1e-10, abs=1e-12 + 1e-15 / math.sqrt(level))


@given(st.sampled_from(sorted(CODES)), st.floats(0, 1), st.floats(0, 1))
def test_the_divergences(family, x, y):
    found, right = divergence(CODES[family], 1.0, x, y), math.inf
    if not (family == "poisson" and y == 0 < x) and not (family == "exponential" and 0 in (x, y) and x != y):
        right = 0.0 if x == y else reference.DIVERGENCES[family](x, y)
    assert found == pytest.approx(right, rel=1e-12, abs=1e-15)
    assert divergence(CODES[family], 1.0, x, x) == 0.0


def index(mean, level, pulls):
    return upper_mean(CODES["bernoulli"], 1.0, mean, level / pulls)


@given(st.floats(0, 1), st.floats(0, 1), levels, levels, st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_index_of_klucb_lies_between_the_mean_and_that_of_pinsker_and_is_monotone(m, m2, level, level2, n, n2):
    q = index(m, level, n)
    assert m <= q <= min(1.0, m + math.sqrt(level / (2 * n)) + 1e-15)
    assert index(m, max(level, level2), n) >= q - 1e-14
    assert index(m, level, min(n, n2)) >= q - 1e-14
    assert index(max(m, m2), level, n) >= q - 1e-14


def solving_for_all(table, horizon, solve):
    """Every arm once, then the first with the largest solve(pulls, rewards, t)."""
    pulls, rewards, choices = np.zeros(len(table)), np.zeros(len(table)), []
    for t in range(1, horizon + 1):
        if t <= len(table):
            arm = t - 1
        else:
            arm = int(np.argmax([solve(n, s, t) for n, s in zip(pulls.tolist(), rewards.tolist(), strict=True)]))
        rewards[arm] += table[arm][int(pulls[arm])]
        pulls[arm] += 1
        choices.append(arm)
    return choices


BERNOULLI = CODES["bernoulli"]
CASES = {
    "KLUCB": (KLUCB(), lambda T, K: lambda n, s, t: upper_mean(BERNOULLI, 1.0, s / n, math.log(t - 1) / n)),
    "BayesUCB": (BayesUCB(), lambda T, K: lambda n, s, t: bayes_ucb._solve((), n, s, math.log(t))),
    "BayesUCB c": (
        BayesUCB(5),
        lambda T, K: lambda n, s, t: bayes_ucb._solve((), n, s, math.log(t) + 5 * math.log(math.log(T))),
    ),
}


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=12)
@given(st.sampled_from([2, 3, 10, 40]), st.sampled_from(["apart", "equal", "few", "certain"]), st.integers(0, 2**32))
def test_the_pivot_plays_what_solving_for_all_arms_plays(name, n_arms, kind, seed):
    policy, solve = CASES[name]
    rng, horizon = np.random.default_rng(seed), 1500
    means = {
        "apart": rng.random(n_arms),
        "equal": np.full(n_arms, 0.5),  # many exact ties
        "few": 0.02 * rng.random(n_arms),
        "certain": rng.integers(0, 2, n_arms),
    }[kind]
    table = (rng.random((n_arms, horizon)) < means[:, None]).astype(float)
    assert played(policy, table, horizon, compiled=True) == solving_for_all(table, horizon, solve(horizon, n_arms))


@settings(max_examples=15)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=4), st.integers(0, 2**32))
def test_bayes_ucb_by_the_quantiles_of_scipy(means, seed):
    table = (np.random.default_rng(seed).random((len(means), 60)) < np.array(means)[:, None]).astype(float)
    assert played(BayesUCB(), table, 60) == reference.by_index(reference.bayes_index, table, 60)


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(1e-12, 0.33))
def test_the_quantile_of_the_posterior(pulls, share, chance):
    successes = round(share * pulls)
    found = bayes_ucb._solve((), float(pulls), float(successes), -math.log(chance))
    # Quantiles above 1 - 1e-12 are cut there.
    right = min(beta.isf(chance, 1 + successes, 1 + pulls - successes), max(found, 1 - 1e-12))
    assert found == pytest.approx(right, rel=1e-9, abs=1e-12)


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_the_evidence_is_the_tail_of_the_posterior(pulls, share, q):
    successes = round(share * pulls)
    a, b = 1 + successes, 1 + pulls - successes
    found = bayes_ucb._evidence((), float(pulls), float(successes), q)
    if q <= a / (a + b) or q == 1.0:
        assert found in (-math.inf, math.inf)
    else:
        tail = beta.logsf(q, a, b)
        if tail > -600:
            # Four logarithms of gamma functions cancel, each with a rounding error of its own size.
            rounding = 4 * 2.3e-16 * math.lgamma(a + b)
            assert found == pytest.approx(-tail, rel=1e-9, abs=1e-9 + rounding)


@given(st.floats(1, 1e8))
def test_the_logarithm_of_gamma(x):
    assert bayes_ucb._log_gamma(x) == pytest.approx(math.lgamma(x), rel=1e-13, abs=2e-14)


def test_the_levels():
    t = 1000
    f, log = 999 * math.log(999) ** 2 + 1, math.log(999)
    for policy, value in (
        (KLUCB(), log),
        (KLUCB(loglog=3), log + 3 * math.log(log)),
        (KLUCB(level="f"), math.log(f)),
        (KLUCBPlusPlus(), 0.0),
    ):
        assert kl_ucb._level(policy.parameters(t), t) == pytest.approx(value, rel=1e-14)
    assert ucb._level(AsymptoticUCB().parameters(t), t) == pytest.approx(math.log(1 + t * math.log(t) ** 2), rel=1e-14)
    assert bayes_ucb._level(BayesUCB(5).parameters(t), t) == pytest.approx(math.log(t * math.log(t) ** 5), rel=1e-14)


def test_klucb_plus_plus_explores_less_as_an_arm_uses_up_its_share():
    state = kl_ucb._init(2, ())
    params = KLUCBPlusPlus().parameters(1000)
    allowances = []
    for n in range(1, 800):
        kl_ucb._update(state, params, n, 0, 0.5)
        allowances.append(state.allowances[0])
    assert (np.diff(allowances) <= 0).all()
    assert allowances[0] == pytest.approx(math.log(500 * (math.log(500) ** 2 + 1)))
    assert allowances[500] == 0.0


@pytest.mark.parametrize(
    ("policy", "support", "message"),
    [
        (KLUCB(), (0, 2), r"KLUCB needs rewards in \[0, 1\]"),
        (KLUCBPlusPlus(), (-1, 1), r"KLUCBPlusPlus needs rewards in \[0, 1\]"),
        (KLUCB("poisson"), (-1, 1), "the family 'poisson' has none below 0"),
        (KLUCB("exponential"), (-math.inf, math.inf), "the family 'exponential' has none below 0"),
        (IMED(), (0, 3), r"IMED needs rewards in \[0, 1\]"),
        (BayesUCB(), (0, 3), r"BayesUCB needs rewards in \[0, 1\]"),
    ],
)
def test_rewards_that_the_family_does_not_have_are_refused(policy, support, message):
    arms = reference.RecordingArms([[0.5] * 9, [0.5] * 9])
    arms.support = support
    with pytest.raises(ValueError, match=message):
        policy.run(arms, 9, np.random.default_rng(0))
    arms.support = (0, 1)
    assert policy.run(arms, 9, np.random.default_rng(0), compiled=False).outcome["pulls"].sum() == 9


def test_gaussian_rewards_may_be_anything():
    arms = reference.RecordingArms([[-5.0] * 30, [2.0] * 30])
    arms.support = (-math.inf, math.inf)
    assert KLUCB("gaussian").run(arms, 30, np.random.default_rng(0), compiled=False).outcome["pulls"][1] > 25
