"""The bounds of the stochastic policies: kept on generated instances, exact by hand, and out of reach for no learning.

A run's regret lies in [0, T max gap], so the mean of N runs is off its expectation by more than
T max gap sqrt(ln(1 / 1e-9) / 2N) with chance 1e-9 at most (Hoeffding).
"""

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandits import (
    KLUCB,
    MOSS,
    UCB,
    UCBV,
    AsymptoticUCB,
    EpsilonGreedy,
    ExploreThenCommit,
    RoundRobin,
    SuccessiveElimination,
    UniformRandom,
    asymptotic_ucb_bound,
    epsilon_greedy_lower_bound,
    explore_then_commit_bound,
    klucb_bound,
    lai_robbins_constant,
    minimax_bernoulli_bound,
    minimax_gaussian_bound,
    moss_bound,
    moss_unit_bound,
    round_robin_regret,
    successive_elimination_bound,
    ucb1_bound,
    ucb_bound,
    ucb_minimax_bound,
    ucbv_bound,
    uniform_regret,
)
from simulators import BernoulliArms
from tests.reference.bandits import DIVERGENCES, bernoulli_kl

RUNS = 200
OFF = math.sqrt(math.log(1e9) / (2 * RUNS))  # of T max gap

pytestmark = pytest.mark.slow  # each plays its policy many times over


class GaussianArms:
    """Standard deviation 1."""

    def __init__(self, means):
        self.means = np.array(means, dtype=float)

    def parameters(self):
        return (self.means,)

    def kernel(self):
        return pull_gaussian


def pull_gaussian(params, arm, rng):
    return params[0][arm] + rng.standard_normal()


def gaps_of(means):
    return np.max(means) - np.array(means)


def mean_regret(policy, arms, horizon, seed):
    streams = (np.random.default_rng([seed, run]) for run in range(RUNS))
    runs = (policy.run(arms, horizon, rng, checkpoints=[horizon]) for rng in streams)
    return np.mean([run.metrics["regret"][-1] for run in runs])


def kept(policy, arms, horizon, bound, seed):
    return mean_regret(policy, arms, horizon, seed) - OFF * horizon * gaps_of(arms.means).max() <= bound


def refuted_by_uniform_play(means, horizon, bound):
    """Whether the check above would fail for a policy that does not learn."""
    gaps = gaps_of(means)
    return horizon * (gaps.mean() - OFF * gaps.max()) > bound


means = st.lists(st.floats(0, 1), min_size=2, max_size=5)
horizons, seeds = st.integers(2, 3000), st.integers(0, 10**6)
few = settings(max_examples=8)
APART = [0.1, 0.9]


@pytest.mark.guarantee("ucb_bound", "ucb_minimax_bound")
@few
@given(means, st.integers(2, 12_000), seeds, st.sampled_from([(BernoulliArms, 0.5), (GaussianArms, 1.0)]))
def test_ucb(means, horizon, seed, kind):
    arms, sigma = kind[0](means), kind[1]
    bound = min(ucb_bound(gaps_of(means), horizon, sigma), ucb_minimax_bound(gaps_of(means), horizon, sigma))
    assert kept(UCB(sigma=sigma), arms, horizon, bound, seed)


@pytest.mark.guarantee("asymptotic_ucb_bound")
@few
@given(means, horizons, seeds, st.sampled_from([(BernoulliArms, 0.5), (GaussianArms, 1.0)]))
def test_asymptotic_ucb(means, horizon, seed, kind):
    bound = asymptotic_ucb_bound(gaps_of(means), horizon, kind[1])
    assert kept(AsymptoticUCB(sigma=kind[1]), kind[0](means), horizon, bound, seed)


@pytest.mark.guarantee("moss_bound")
@few
@given(means, horizons, seeds)
def test_moss(means, horizon, seed):
    assert kept(MOSS(), BernoulliArms(means), horizon, moss_bound(gaps_of(means), horizon), seed)


@pytest.mark.guarantee("moss_unit_bound")
@settings(max_examples=2)
@given(st.floats(0, 0.1), st.floats(0.9, 1), st.integers(100_000, 150_000), seeds)
def test_moss_far_enough_for_its_large_constant(low, high, horizon, seed):
    bound = moss_unit_bound(2, horizon)
    assert kept(MOSS(), BernoulliArms([low, high]), horizon, bound, seed)


@pytest.mark.guarantee("ucbv_bound")
@few
@given(means, horizons, seeds)
def test_ucbv(means, horizon, seed):
    variances = [mean * (1 - mean) for mean in means]
    assert kept(UCBV(), BernoulliArms(means), horizon, ucbv_bound(gaps_of(means), variances, horizon), seed)


@pytest.mark.guarantee("klucb_bound")
@few
@given(means, horizons, seeds, st.sampled_from(["t-1", "t"]))
def test_klucb(means, horizon, seed, log_time):
    policy = KLUCB(level="f", log_time=log_time)
    assert kept(policy, BernoulliArms(means), horizon, klucb_bound(means, horizon), seed)


@pytest.mark.guarantee("explore_then_commit_bound")
@few
@given(means, st.integers(1, 60), st.integers(0, 3000), seeds)
def test_explore_then_commit(means, pulls, more, seed):
    horizon = pulls * len(means) + more
    bound = explore_then_commit_bound(gaps_of(means), horizon, pulls)
    assert kept(ExploreThenCommit(pulls), BernoulliArms(means), horizon, bound, seed)


@pytest.mark.guarantee("successive_elimination_bound")
@few
@given(means, st.integers(2, 20_000), seeds)
def test_successive_elimination(means, horizon, seed):
    bound = successive_elimination_bound(gaps_of(means), horizon)
    assert kept(SuccessiveElimination(), BernoulliArms(means), horizon, bound, seed)


@pytest.mark.guarantee("epsilon_greedy_lower_bound")
@few
@given(means, horizons, seeds, st.floats(0, 1))
def test_epsilon_greedy(means, horizon, seed, epsilon):
    regret = mean_regret(EpsilonGreedy(epsilon), BernoulliArms(means), horizon, seed)
    off = OFF * horizon * gaps_of(means).max()
    assert regret + off >= epsilon_greedy_lower_bound(gaps_of(means), horizon, epsilon)


@pytest.mark.guarantee("uniform_regret")
@few
@given(means, horizons, seeds)
def test_uniform_play(means, horizon, seed):
    # A round's regret has variance max_gap^2 / 4 at most; Bernstein's inequality for N T independent rounds, at 1e-9.
    gaps, rounds = gaps_of(means), RUNS * horizon
    logarithm = math.log(2e9)
    off = gaps.max() * (math.sqrt(logarithm / (2 * rounds)) + logarithm / (3 * rounds))
    regret = mean_regret(UniformRandom(), BernoulliArms(means), horizon, seed)
    assert abs(regret - uniform_regret(gaps, horizon)) <= horizon * off


@pytest.mark.guarantee("round_robin_regret")
@given(means, horizons, seeds)
def test_round_robin(means, horizon, seed):
    run = RoundRobin().run(BernoulliArms(means), horizon, np.random.default_rng(seed))
    assert run.metrics["regret"][-1] == pytest.approx(round_robin_regret(gaps_of(means), horizon), abs=1e-9)


@pytest.mark.parametrize(
    ("horizon", "bound"),
    [
        (3000, lambda gaps, T: ucb_bound(gaps, T)),
        (10_000, lambda gaps, T: ucb_minimax_bound(gaps, T)),
        (3000, lambda gaps, T: asymptotic_ucb_bound(gaps, T)),
        (20_000, lambda gaps, T: moss_bound(gaps, T)),
        (120_000, lambda gaps, T: moss_unit_bound(2, T)),
        (3000, lambda gaps, T: ucbv_bound(gaps, [0.09, 0.09], T)),
        (3000, lambda gaps, T: klucb_bound(APART, T)),
        (3000, lambda gaps, T: explore_then_commit_bound(gaps, T, 50)),
        (5000, lambda gaps, T: successive_elimination_bound(gaps, T)),
    ],
)
def test_the_checks_would_catch_a_policy_that_does_not_learn(horizon, bound):
    assert refuted_by_uniform_play(APART, horizon, bound(gaps_of(APART), horizon))


# Lower bounds.


@pytest.mark.guarantee("lai_robbins_constant")
@given(means, st.integers(20, 10**15))
def test_no_bound_of_a_consistent_policy_is_below_that_of_lai_and_robbins(means, horizon):
    constant, gaps = lai_robbins_constant(means), gaps_of(means)
    lowest = constant * math.log(horizon)
    assert ucb1_bound(gaps, horizon) >= lowest
    assert ucb_bound(gaps, horizon) >= lowest
    assert asymptotic_ucb_bound(gaps, horizon) >= lowest
    assert klucb_bound(means, horizon) >= lowest


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=5), st.sampled_from(sorted(DIVERGENCES)))
def test_the_constant_is_the_sum_of_gaps_over_divergences(thousandths, family):
    means = np.array(thousandths) / 1000
    gaps, best = gaps_of(means), max(means)
    divergences = [DIVERGENCES[family](mean, best) for mean in means if mean < best]  # sigma = 1
    constant = lai_robbins_constant(means, family, 1.0)
    assert constant == pytest.approx(sum(gaps[gaps > 0] / divergences), rel=1e-7)


@given(st.floats(0.1, 0.9), st.integers(8, 14), st.sampled_from(sorted(DIVERGENCES)))
def test_the_constant_for_gaps_too_small_to_subtract(mean, digits, family):
    # d(m, m + gap) = gap^2 / (2 variance) to first order.
    best = mean + 10.0**-digits
    variance = {"bernoulli": mean * (1 - mean), "gaussian": 1.0, "poisson": mean, "exponential": mean**2}[family]
    constant = lai_robbins_constant([mean, best], family, 1.0)
    assert constant == pytest.approx(2 * variance / (best - mean), rel=1e-5)


@pytest.mark.parametrize(
    ("means", "family", "value"),
    [
        (np.linspace(0.05, 0.5, 10), "bernoulli", 27.4208524),
        ([1.0, 0.3], "bernoulli", 0.0),  # one failure tells the arms apart
        ([2.0, 1.0], "poisson", 1 / (1 - math.log(2))),
        ([2.0, 1.0], "exponential", 1 / (math.log(2) - 0.5)),
        ([0.4, 0.4], "bernoulli", 0.0),
    ],
)
def test_the_constant_by_hand(means, family, value):
    assert lai_robbins_constant(means, family) == pytest.approx(value, rel=1e-8)


def least_bayesian_regret(n_arms, horizon):
    """Over all policies, one arm drawn uniformly paying with 1/2 + e and the others with 1/2: dynamic programming."""
    e = min(math.sqrt(n_arms / horizon), 1.0) / 4
    good = 0.5 + e

    @functools.cache
    def least(data):
        """Least regret of the rounds left, given (successes, failures) of each arm."""
        if sum(map(sum, data)) == horizon:
            return 0.0
        likelihood = np.array([(2 * good) ** s * (2 - 2 * good) ** f for s, f in data])
        posterior = likelihood / likelihood.sum()
        choices = []
        for arm, (s, f) in enumerate(data):
            chance = 0.5 + e * posterior[arm]
            rest = data[:arm], data[arm + 1 :]
            won, lost = (tuple(sorted((*rest[0], pair, *rest[1]))) for pair in ((s + 1, f), (s, f + 1)))
            choices.append(e * (1 - posterior[arm]) + chance * least(won) + (1 - chance) * least(lost))
        return min(choices)

    return least(((0, 0),) * n_arms)


@pytest.mark.guarantee("minimax_bernoulli_bound")
@settings(max_examples=10)
@given(st.sampled_from([(2, t) for t in range(1, 19)] + [(3, t) for t in range(1, 9)] + [(4, t) for t in range(1, 6)]))
def test_no_policy_whatsoever_is_below_the_minimax_bound_of_bernoulli_arms(size):
    # The regret averaged over the K instances exceeds the bound, so that of one of them does.
    assert least_bayesian_regret(*size) >= minimax_bernoulli_bound(*size)


def least_average_regret(horizon):
    """Over all policies, on Gaussian arms (gap, 0) and (gap, 2 gap), gap = 1/sqrt(4 T): dynamic programming.

    The first arm tells nothing, so who has once preferred it stays with it; the state is the log-odds of the second
    instance, on a grid, and the expectation over a reward of the second arm is by Gauss-Hermite quadrature.
    """
    gap = 1 / math.sqrt(4 * horizon)
    odds = np.linspace(-12, 12, 801)
    second = 1 / (1 + np.exp(-odds))
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    weights = weights / weights.sum()
    value = np.zeros(odds.size)
    for left in range(1, horizon + 1):
        after = 0.0
        for chance, mean in ((1 - second, 0.0), (second, 2 * gap)):
            moved = odds[:, None] + 2 * gap * (mean + nodes) - 2 * gap**2
            after = after + chance * (np.interp(moved, odds, value) @ weights)
        value = np.minimum(left * second * gap, (1 - second) * gap + after)
    return value[odds.size // 2]


@pytest.mark.guarantee("minimax_gaussian_bound")
@settings(max_examples=10)
@given(st.integers(1, 60))
def test_no_policy_whatsoever_is_below_the_minimax_bound_of_two_gaussian_arms(horizon):
    assert least_average_regret(horizon) >= minimax_gaussian_bound(2, horizon)


@given(st.integers(2, 50), st.integers(50, 10**6))
def test_the_minimax_bounds_are_below_what_is_achieved(n_arms, horizon):
    assert minimax_gaussian_bound(n_arms, horizon) < moss_bound([1.0] * n_arms, horizon, 1.0)
    assert minimax_bernoulli_bound(n_arms, horizon) < moss_bound([1.0] * n_arms, horizon)


# By hand, and bad input.


@pytest.mark.parametrize(
    ("found", "value"),
    [
        (ucb_bound([0.0, 0.5, 0.25], 100, 1.0), 3 * 0.75 + 16 * math.log(100) * 6),
        (ucb_minimax_bound([0.0, 0.5], 100), 4 * math.sqrt(200 * math.log(100)) + 1.5),
        (moss_bound([0.0, 0.5], 50), 195 + 0.5),
        (moss_unit_bound(4, 25), 490),
        (ucbv_bound([0.0, 0.5], [0.2, 0.1], 100), 10 * math.log(100) * 2.2),
        (explore_then_commit_bound([0.0, 1.0], 100, 4, 1.0), 4 + 92 * math.exp(-1)),
        (epsilon_greedy_lower_bound([0.0, 0.5], 100, 0.2), 5),
        (uniform_regret([0.0, 0.5, 0.1], 30), 6),
        (round_robin_regret([0.5, 0.0, 0.1], 31), 6.5),
        (successive_elimination_bound([0.0, 0.5], 1000, 0.25), 0.5 + 64 * math.log(250) + 192),
        (successive_elimination_bound([0.0, 0.5], 1000, 0.5), 128 + 500),
        (minimax_gaussian_bound(5, 100), 20 / 27),
        (minimax_bernoulli_bound(4, 100), 1),
        (minimax_bernoulli_bound(4, 3), 0.15),
    ],
)
def test_by_hand(found, value):
    assert found == pytest.approx(value, rel=1e-12)


@given(st.floats(0.02, 1), st.integers(1, 10**6), st.floats(0.1, 3))
def test_the_infimum_in_the_bound_of_asymptotic_ucb(gap, horizon, sigma):
    level = math.log(1 + horizon * math.log(horizon) ** 2)
    e = np.linspace(0, gap, 4001)[1:-1] / sigma
    rest = gap / sigma - e
    terms = gap * (1 + 5 / e**2 + 2 * (level + math.sqrt(math.pi * level) + 1) / rest**2)
    assert asymptotic_ucb_bound([0.0, gap], horizon, sigma) == pytest.approx(terms.min(), rel=1e-5)
    assert asymptotic_ucb_bound([0.0, gap], horizon, sigma) <= terms.min() * (1 + 1e-12)


@given(st.floats(0, 0.9), st.floats(0.01, 1), st.integers(1, 10**9))
def test_the_infimum_in_the_bound_of_klucb(mean, share, horizon):
    from scipy.optimize import minimize

    best = mean + share * (1 - mean)
    gap, level = best - mean, math.log(1 + horizon * math.log(horizon) ** 2)

    def term(x):
        total, split = 1 / (1 + np.exp(-np.array(x)))
        a, b = gap * total * split, gap * total * (1 - split)
        divergence = bernoulli_kl(mean + a, best - b)
        return gap * (level / divergence + 1 / (2 * a * a) + 2 / (b * b)) if divergence > 0 else math.inf

    least = min(minimize(term, start, method="Nelder-Mead").fun for start in ((0, 0), (1.5, -1)))
    found = klucb_bound([best, mean], horizon)
    assert found == pytest.approx(least, rel=1e-3)


@pytest.mark.parametrize("bad", [[math.nan, 0.5], [-0.5, 0.5], [math.inf], [[0.1]], [], "ab", None])
@pytest.mark.parametrize(
    "bound",
    [
        *(ucb_bound, ucb_minimax_bound, asymptotic_ucb_bound, moss_bound, uniform_regret, round_robin_regret),
        successive_elimination_bound,
        lambda gaps, T: explore_then_commit_bound(gaps, T, 1),
        lambda gaps, T: epsilon_greedy_lower_bound(gaps, T, 0.1),
        lambda gaps, T: ucbv_bound(gaps, [0.1], T),
    ],
)
def test_what_is_no_gap_is_named(bound, bad):
    with pytest.raises(ValueError, match=r"^gaps: "):
        bound(bad, 1000)


GAPS = [0.0, 0.5]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: ucb_bound(GAPS, 0), "horizon"),
        (lambda: ucb_bound(GAPS, 10, 0.0), "sigma"),
        (lambda: ucb_minimax_bound(GAPS, 10, math.nan), "sigma"),
        (lambda: asymptotic_ucb_bound(GAPS, 2.5), "horizon"),
        (lambda: asymptotic_ucb_bound(GAPS, 10, True), "sigma"),
        (lambda: moss_bound(GAPS, 10, -1), "sigma"),
        (lambda: moss_unit_bound(0, 10), "n_arms"),
        (lambda: ucbv_bound(GAPS, [0.1, -1], 10), "variances"),
        (lambda: ucbv_bound(GAPS, [0.1], 10), "variances"),
        (lambda: ucbv_bound(GAPS, [0.1, 0.1], 1), "horizon"),
        (lambda: klucb_bound([0.5, 1.5], 10), "means"),
        (lambda: explore_then_commit_bound(GAPS, 10, 6), "pulls"),
        (lambda: explore_then_commit_bound(GAPS, 10, 0), "pulls"),
        (lambda: epsilon_greedy_lower_bound(GAPS, 10, 1.5), "epsilon"),
        (lambda: epsilon_greedy_lower_bound(GAPS, 10, math.nan), "epsilon"),
        (lambda: successive_elimination_bound(GAPS, 100, 0.1), "smallest"),
        (lambda: lai_robbins_constant([0.5, 1.5]), "means"),
        (lambda: lai_robbins_constant([0.5, -1.5], "poisson"), "means"),
        (lambda: lai_robbins_constant([0.5], "beta"), "family"),
        (lambda: minimax_gaussian_bound(1, 10), "n_arms"),
        (lambda: minimax_gaussian_bound(5, 3), "horizon"),
        (lambda: minimax_bernoulli_bound(1, 3), "n_arms"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: "):
        call()
