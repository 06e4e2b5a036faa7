"""Thompson sampling: the law of its draws, the exact law of a short game, and the form of its bound."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc, betaln

from bandits import ThompsonSampling, thompson_bayesian_bound
from bandits.thompson import _gamma, _init, _update
from simulators import BernoulliArms

CHANCE = 1e-9


@pytest.mark.parametrize(("successes", "failures"), [(0, 0), (1, 0), (0, 7), (3, 2), (40, 160), (2000, 10)])
def test_one_draw_for_an_arm_has_the_beta_law_of_its_data(successes, failures):
    state = _init(1, ())
    for reward in [1.0] * successes + [0.0] * failures:
        _update(state, (), 1, 0, reward)
    of_successes, of_failures = state.gammas[0, :2], state.gammas[0, 2:]
    rng, count = np.random.default_rng([successes, failures]), 40_000
    pairs = np.array([(_gamma(*of_successes, rng), _gamma(*of_failures, rng)) for _ in range(count)])
    draws = np.sort(pairs[:, 0] / pairs.sum(axis=1))
    distance = np.abs(betainc(1 + successes, 1 + failures, draws) - np.arange(1, count + 1) / count).max()
    assert distance <= math.sqrt(math.log(2 / CHANCE) / (2 * count)) + 1 / count


def chance_that_first_is_larger(a, b, c, d):
    """P(X > Y) for X ~ Beta(a, b) and Y ~ Beta(c, d), whole parameters."""
    terms = (betaln(c + i, b + d) - math.log(b + i) - betaln(1 + i, b) - betaln(c, d) for i in range(a))
    return sum(math.exp(term) for term in terms)


def law_of_first_pulls(means, horizon):
    """Probability of each number of pulls of the first of two arms, over all histories."""
    histories = {(0, 0, 0, 0): 1.0}
    for _ in range(horizon):
        longer = {}
        for (s0, f0, s1, f1), weight in histories.items():
            first = chance_that_first_is_larger(1 + s0, 1 + f0, 1 + s1, 1 + f1)
            for history, chance in (
                ((s0 + 1, f0, s1, f1), first * means[0]),
                ((s0, f0 + 1, s1, f1), first * (1 - means[0])),
                ((s0, f0, s1 + 1, f1), (1 - first) * means[1]),
                ((s0, f0, s1, f1 + 1), (1 - first) * (1 - means[1])),
            ):
                longer[history] = longer.get(history, 0.0) + weight * chance
        histories = longer
    law = np.zeros(horizon + 1)
    for (s0, f0, _, _), weight in histories.items():
        law[s0 + f0] += weight
    return law


class CertainArms:
    """Each arm always pays its mean."""

    def __init__(self, means):
        self.means = np.array(means)

    def parameters(self):
        return (self.means,)

    def kernel(self):
        return pay_the_mean


def pay_the_mean(params, arm, rng):
    return params[0][arm]


@pytest.mark.parametrize("kind", [BernoulliArms, CertainArms])
@pytest.mark.parametrize("means", [[0.15, 0.9], [0.7, 0.4]])
def test_a_short_game_has_its_exact_law_also_when_rewards_are_rounded(kind, means):
    horizon, runs, rng = 8, 20_000, np.random.default_rng(17)
    arms, policy = kind(means), ThompsonSampling()
    pulls = [policy.run(arms, horizon, rng, checkpoints=[horizon]).outcome["pulls"][0] for _ in range(runs)]
    law = law_of_first_pulls(means, horizon)
    assert law.sum() == pytest.approx(1, abs=1e-12)
    distance = np.abs(np.cumsum(np.bincount(pulls, minlength=horizon + 1)) / runs - np.cumsum(law)).max()
    assert distance <= math.sqrt(math.log(2 / CHANCE) / (2 * runs))


@pytest.mark.parametrize(
    ("n_arms", "horizon", "value"), [(1, 10**6, 0.0), (2, 8, 2.3548200450309493), (5, 600, 49.134070344834555)]
)
def test_the_bound_by_hand(n_arms, horizon, value):
    assert thompson_bayesian_bound(n_arms, horizon) == pytest.approx(value, rel=1e-12, abs=0)


@given(st.integers(2, 1000), st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_bound_grows_with_arms_and_as_the_root_of_the_horizon(n_arms, horizon, more):
    bound = thompson_bayesian_bound(n_arms, horizon)
    assert thompson_bayesian_bound(n_arms, 4 * horizon) == pytest.approx(2 * bound, rel=1e-12)
    assert bound < thompson_bayesian_bound(n_arms, horizon + more)
    assert bound < thompson_bayesian_bound(n_arms + 1, horizon)


@pytest.mark.parametrize("n_arms", [0, -1, 2.5, math.nan])
def test_the_bound_refuses_what_is_no_number_of_arms(n_arms):
    with pytest.raises(ValueError, match="n_arms"):
        thompson_bayesian_bound(n_arms, 10)


@pytest.mark.parametrize("horizon", [0, -1, 2.5, math.nan])
def test_the_bound_refuses_what_is_no_horizon(horizon):
    with pytest.raises(ValueError, match="horizon"):
        thompson_bayesian_bound(3, horizon)
