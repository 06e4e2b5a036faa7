"""Fixed confidence: decisions against their formulas, promises by exact binomial tests, the horizon, privacy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

import simulators
from bandits import (
    LUCB1,
    UCBE,
    DPFixedConfidenceElimination,
    FixedConfidenceElimination,
    MedianElimination,
    TopTwoIdentification,
    elimination_failure_bound,
    ucb_e_bound,
)
from simulators import BernoulliArms
from tests.reference.bandits import TableArms

POLICIES = (
    *(FixedConfidenceElimination(0.2), MedianElimination(0.5, 0.2), LUCB1(0.2), TopTwoIdentification(0.2)),
    *(UCBE(2.0), DPFixedConfidenceElimination(1.0, 0.2)),
)
seeds = st.integers(0, 2**32)
means_of_arms = st.sampled_from([(0.8, 0.2), (0.3, 0.9, 0.4), (0.1, 0.2, 0.6, 0.3)])


def generator(seed=0):
    return np.random.default_rng(seed)


def elimination(table, delta, horizon):
    """Pulls of each arm and the arm that is named, by the rule."""
    n_arms = len(table)
    active, sums, pulls = list(range(n_arms)), [0.0] * n_arms, [0] * n_arms
    t = 0
    while len(active) > 1:
        t += 1
        for arm in active:
            if sum(pulls) == horizon:
                return pulls, None
            sums[arm] += table[arm][pulls[arm]]
            pulls[arm] += 1
        radius = math.sqrt(math.log(4 * n_arms * t * t / delta) / (2 * t))
        best = max(sums[arm] / t for arm in active)
        active = [arm for arm in active if best - sums[arm] / t < 2 * radius]
    return pulls, active[0]


def upper_and_lower(table, delta, epsilon, horizon):
    """The same of LUCB1."""
    n_arms = len(table)
    seen = [[row[0]] for row in table]
    while True:
        t = sum(map(len, seen))
        radius = [math.sqrt(math.log(5 * n_arms * t**4 / (4 * delta)) / (2 * len(s))) for s in seen]
        mean = [sum(s) / len(s) for s in seen]
        leader = max(range(n_arms), key=lambda i: (mean[i], -i))
        rival = max((i for i in range(n_arms) if i != leader), key=lambda i: (mean[i] + radius[i], -i))
        if mean[rival] + radius[rival] - (mean[leader] - radius[leader]) < epsilon:
            return [len(s) for s in seen], leader
        for arm in (leader, rival):
            if sum(map(len, seen)) == horizon:
                return [len(s) for s in seen], None
            seen[arm].append(table[arm][len(seen[arm])])


def check(policy, table, expected, horizon):
    run = policy.run(TableArms(table), horizon, generator())
    pulls, named = expected
    assert run.outcome["pulls"].tolist() == pulls
    assert run.outcome["stopped"] == (named is not None)
    if named is not None:
        assert run.outcome["arm"] == named


@pytest.mark.slow
@settings(max_examples=30)
@given(seeds, st.integers(2, 4), st.floats(0.05, 0.9), st.integers(5, 1500))
def test_elimination_and_lucb_follow_their_rules(seed, n_arms, delta, horizon):
    rng = generator(seed)
    # Far enough apart for most games to be decided before the horizon.
    table = 0.3 * rng.random((n_arms, 1502)) + rng.choice([0.0, 0.2, 0.7], size=(n_arms, 1))
    check(FixedConfidenceElimination(delta), table, elimination(table, delta, horizon), horizon)
    check(LUCB1(delta, 0.1), table, upper_and_lower(table, delta, 0.1, horizon), horizon)


def test_median_elimination_pulls_as_often_as_its_formula_says():
    run = MedianElimination(0.8, 0.2).run(BernoulliArms([0.9, 0.1, 0.2, 0.3, 0.1]), 10**6, generator())
    counts, left, error, chance = 0, 5, 0.2, 0.1
    while left > 1:
        counts += left * math.ceil(4 / error**2 * math.log(3 / chance))
        left, error, chance = (left + 1) // 2, 0.75 * error, 0.5 * chance
    assert run.outcome["pulls"].sum() == counts
    assert run.outcome["stopped"]


def wrong(policy, means, seed, runs, horizon, slack=0.0):
    """How often the named arm is more than a slack below the best, and the policy says that it is done."""
    rng, arms, best = generator(seed), BernoulliArms(means), max(means)
    count = 0
    for _ in range(runs):
        outcome = policy.run(arms, horizon, rng).outcome
        count += outcome["stopped"] and means[outcome["arm"]] < best - slack - 1e-12
    return count


@pytest.mark.slow
@pytest.mark.guarantee("elimination_failure_bound")
@settings(max_examples=5)
@given(means_of_arms, st.sampled_from([0.05, 0.5]), seeds)
def test_wrong_arms_are_named_no_more_often_than_promised(means, delta, seed):
    runs = 150
    promises = (
        (FixedConfidenceElimination(delta), elimination_failure_bound(delta), 0.0),
        (LUCB1(delta, 0.1), delta, 0.1),
        (MedianElimination(0.5, delta), delta, 0.5),
        (DPFixedConfidenceElimination(2.0, delta), delta, 0.0),
    )
    for policy, chance, slack in promises:
        assert binom.sf(wrong(policy, means, seed, runs, 20_000, slack) - 1, runs, chance) >= 1e-9


@pytest.mark.guarantee("ucb_e_bound")
@settings(max_examples=5)
@given(st.sampled_from([(0.9, 0.3), (0.2, 0.9, 0.2)]), seeds)
def test_ucb_e_errs_no_more_often_than_its_bound(means, seed):
    gaps, runs, budget = max(means) - np.array(means), 150, 100
    while ucb_e_bound(gaps, budget) > 0.5:
        budget += 50
    assert ucb_e_bound(gaps, budget) > 1e-3
    errors = wrong(UCBE(), means, seed, runs, budget)
    assert binom.sf(errors - 1, runs, ucb_e_bound(gaps, budget)) >= 1e-9


@pytest.mark.parametrize("policy", POLICIES)
def test_clear_cases_are_decided_soon_and_rightly(policy):
    run = policy.run(BernoulliArms([0.0, 1.0, 0.0]), 20_000, generator(1))
    assert run.outcome["arm"] == 1
    assert run.outcome["stopped"]
    assert run.outcome["error"] == 0
    assert run.rounds.tolist() == [run.outcome["pulls"].sum()]
    assert run.outcome["pulls"].sum() == 20_000 if isinstance(policy, UCBE) else run.outcome["pulls"].sum() < 20_000


@pytest.mark.parametrize("policy", POLICIES)
def test_the_horizon_ends_every_run_and_one_arm_needs_none(policy):
    for horizon in (1, 2, 7):
        run = policy.run(BernoulliArms([0.5, 0.5, 0.5]), horizon, generator())
        assert run.outcome["pulls"].sum() == horizon
        assert run.outcome["stopped"] == isinstance(policy, UCBE)
        assert 0 <= run.outcome["arm"] < 3
    run = policy.run(BernoulliArms([0.5]), 10, generator())
    assert run.outcome["arm"] == 0
    assert run.outcome["pulls"].tolist() == [0]


def test_at_the_horizon_the_private_policy_names_only_what_it_published():
    # Before the first epoch is over nothing is published: the answer must not depend on the rewards.
    policy = DPFixedConfidenceElimination(0.5, 0.1)
    for table in (np.tile([[0.0], [1.0]], 50), np.tile([[1.0], [0.0]], 50)):
        run = policy.run(TableArms(table), 60, generator())
        assert run.outcome["arm"] == 0
        assert not run.outcome["stopped"]
        assert run.outcome["epsilon"] == 0.5


def test_after_an_epoch_the_private_policy_names_the_best_it_published():
    # One epoch cannot drop an arm that is 0.1 worse, but its means tell which one that is.
    arms = TableArms(np.tile([[0.45], [0.55]], 1300))
    run = DPFixedConfidenceElimination(2.0, 0.2).run(arms, 1300, generator())
    assert not run.outcome["stopped"]
    assert run.outcome["arm"] == 1


def test_an_epoch_of_the_private_policy_has_the_pulls_of_its_formula():
    policy, delta, epsilon = DPFixedConfidenceElimination(0.1, 0.2), 0.2, 0.1
    rewards, noise = math.log(8 * 2 / delta), math.log(4 * 2 / delta)
    times = math.floor(max(32 * rewards / 0.25, 8 * noise / (epsilon * 0.5))) + 1
    # The second epoch begins when both arms have had theirs: the first arm is pulled once more.
    run = policy.run(BernoulliArms([0.5, 0.5]), 2 * times + 1, generator())
    assert sorted(run.outcome["pulls"].tolist()) == [times, times + 1]


class Fixed:
    """Arms that pay what they are told, and do not say where rewards lie."""

    def __init__(self, *rewards):
        self.means = np.array([0.5] * len(rewards))
        self.rewards = np.array(rewards, dtype=float)

    def parameters(self):
        return self.rewards

    def kernel(self):
        return pay


def pay(params, arm, rng):
    return params[arm]


@pytest.mark.parametrize("policy", POLICIES)
def test_rewards_outside_the_unit_interval_and_tables_that_run_out_are_refused(policy):
    for reward in (math.nan, 5.0, -3.0, math.inf):
        with pytest.raises(ValueError, match=r"^rewards: one is outside \[0, 1\] or NaN"):
            policy.run(Fixed(0.5, reward), 2000, generator())
    with pytest.raises(ValueError, match=r"^rewards: one is outside \[0, 1\] or NaN, as where none is left"):
        policy.run(simulators.TableArms([[1, 0, 1], [0, 1, 1]]), 50, generator())


def test_the_private_policy_clips_on_demand():
    policy = DPFixedConfidenceElimination(5.0, 0.2, out_of_range="clip")
    for arms in (Fixed(-3.0, 5.0), simulators.TableArms(np.tile([[-3.0], [5.0]], 3000))):
        run = policy.run(arms, 3000, generator())
        bits = policy.run(Fixed(0.0, 1.0), 3000, generator())
        assert run.outcome["pulls"].tolist() == bits.outcome["pulls"].tolist()
        assert run.outcome["stopped"]
        assert run.outcome["arm"] == 1
    with pytest.raises(ValueError, match=r"^rewards: "):
        policy.run(Fixed(0.5, math.nan), 2000, generator())
    with pytest.raises(ValueError, match="out_of_range = 'keep'"):
        DPFixedConfidenceElimination(5.0, out_of_range="keep")


def test_the_tiniest_accuracy_pulls_until_the_horizon():
    run = MedianElimination(1e-200).run(BernoulliArms([0.5, 0.6]), 100, generator())
    assert run.outcome["pulls"].sum() == 100
    assert not run.outcome["stopped"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixedConfidenceElimination(0.0), "delta = 0"),
        (lambda: FixedConfidenceElimination(1.0), "delta = 1"),
        (lambda: LUCB1(0.1, -0.1), "epsilon = -0.1"),
        (lambda: LUCB1(math.nan), "delta = nan"),
        (lambda: MedianElimination(0.0), "epsilon = 0"),
        (lambda: UCBE(0.0), "exploration = 0"),
        (lambda: UCBE().run(BernoulliArms([0.5, 0.5]), 100, generator()), "gaps: "),
        (lambda: DPFixedConfidenceElimination(0.0), "epsilon = 0"),
        (lambda: LUCB1().run(BernoulliArms([0.5]), 0, generator()), "horizon: 0"),
        (lambda: LUCB1().run(BernoulliArms([0.5]), 5, 3), "rng: 3"),
        (lambda: LUCB1().run(simulators.AdversarialRewards([[1, 0]] * 9), 9, generator()), "AdversarialRewards has no"),
        (lambda: MedianElimination(True), "epsilon = True"),
        (lambda: LUCB1(0.1, False), "epsilon = False"),
        (lambda: LUCB1(True), "delta = True"),
        (lambda: UCBE(True), "exploration = True"),
        (lambda: DPFixedConfidenceElimination(True), "epsilon = True"),
        (lambda: elimination_failure_bound(0.0), "delta: 0"),
        (lambda: ucb_e_bound([0, 0], 10), "gaps: "),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
