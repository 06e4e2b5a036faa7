"""Policies that look at the data alone: every choice is that of the definition, on 0s and 1s and on other rewards."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandits import (
    IMED,
    KLUCB,
    MOSS,
    UCB,
    UCB1,
    UCBV,
    AsymptoticUCB,
    BayesUCB,
    DecayingEpsilonGreedy,
    DiscountedUCB,
    EpsilonGreedy,
    ExploreThenCommit,
    KLUCBPlusPlus,
    RoundRobin,
    SlidingWindowUCB,
    SuccessiveElimination,
    UCBTuned,
)
from simulators import BernoulliArms
from tests.reference import bandits as reference
from tests.reference.bandits import by_index, played

TABLE = [
    [1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1],
    [0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1],
    [0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0],
]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("policy", "trace"),
    [
        (UCB1(), [0, 1, 2, 0, 0, 1, 2, 1, 1, 1, 0, 0]),
        (UCB1(log_time="t"), [0, 1, 2, 0, 1, 2, 0, 1, 1, 1, 0, 0]),
        (KLUCB(), [0, 1, 2, 0, 0, 0, 0, 1, 1, 1, 1, 1]),
        (MOSS(), [0, 1, 2, 0, 1, 2, 0, 1, 1, 1, 0, 1]),
    ],
)
def test_the_traces_of_the_specification(policy, trace, compiled):
    assert played(policy, TABLE, 12, compiled=compiled) == trace


def greedy_index(rewards, t, seen):
    return reference.mean(rewards)


def log(t, n):
    return math.log(t - 1)


def log_f(t, n):
    return math.log(reference.f(t - 1))


def loglog(t, n):
    return math.log(t) + 3 * math.log(max(1, math.log(t)))


def plus_plus(n_arms, horizon):
    def level(t, n):
        share = horizon / (n_arms * n)
        return max(0.0, math.log(share * (max(0.0, math.log(share)) ** 2 + 1)))

    return level


def commit(table, horizon, pulls):
    n_arms = len(table)
    explored = [t % n_arms for t in range(min(horizon, n_arms * pulls))]
    means = [sum(row[:pulls]) for row in table]
    return explored + [means.index(max(means))] * (horizon - len(explored))


# Name of a policy with its parameters: the policy, and the definition as a function of table and horizon.
DEFINITIONS = {
    "UCB1": (
        UCB1(0.5),
        lambda x, T: by_index(lambda r, t, s: reference.ucb_index(lambda u: math.log(u - 1), 0.5)(r, t, s), x, T),
    ),
    "UCB": (UCB(), lambda x, T: by_index(reference.ucb_index(lambda t: 2 * math.log(T), 0.5), x, T)),
    "UCB delta": (UCB(0.1, 2), lambda x, T: by_index(reference.ucb_index(lambda t: math.log(10), 2), x, T)),
    "AsymptoticUCB": (
        AsymptoticUCB(0.3),
        lambda x, T: by_index(reference.ucb_index(lambda t: math.log(reference.f(t)), 0.3), x, T),
    ),
    "MOSS": (MOSS(), lambda x, T: by_index(reference.moss_index(len(x), T, 0.5), x, T)),
    "MOSS sigma": (MOSS(1), lambda x, T: by_index(reference.moss_index(len(x), T, 1), x, T)),
    "MOSS anytime": (MOSS(anytime=True), lambda x, T: by_index(reference.moss_index(len(x), None, 0.5), x, T)),
    "UCBV": (UCBV(), lambda x, T: by_index(reference.ucbv_index(1.2, 1, 0), x, T)),
    "UCBV range": (
        UCBV(0.4, 2, log_time="t-1"),
        lambda x, T: by_index(reference.ucbv_index(0.4, 2, 1), x, T),
    ),
    "UCBTuned": (UCBTuned(), lambda x, T: by_index(reference.tuned_index(1), x, T)),
    "UCBTuned t": (UCBTuned("t"), lambda x, T: by_index(reference.tuned_index(0), x, T)),
    "KLUCB": (KLUCB(), lambda x, T: by_index(reference.klucb_index("bernoulli", log), x, T)),
    "KLUCB f": (KLUCB(level="f"), lambda x, T: by_index(reference.klucb_index("bernoulli", log_f), x, T)),
    "KLUCB loglog": (
        KLUCB(loglog=3, log_time="t"),
        lambda x, T: by_index(reference.klucb_index("bernoulli", loglog), x, T),
    ),
    "KLUCB Gaussian": (KLUCB("gaussian", sigma=1), lambda x, T: by_index(reference.klucb_index("gaussian", log), x, T)),
    "KLUCB Poisson": (KLUCB("poisson"), lambda x, T: by_index(reference.klucb_index("poisson", log), x, T)),
    "KLUCB exponential": (KLUCB("exponential"), lambda x, T: by_index(reference.klucb_index("exponential", log), x, T)),
    "KLUCBPlusPlus": (
        KLUCBPlusPlus(),
        lambda x, T: by_index(reference.klucb_index("bernoulli", plus_plus(len(x), T)), x, T),
    ),
    "IMED": (IMED(), lambda x, T: by_index(reference.imed_index, x, T, sign=-1, close=1e-10)),
    "EpsilonGreedy": (EpsilonGreedy(0), lambda x, T: by_index(greedy_index, x, T)),
    "ExploreThenCommit": (ExploreThenCommit(7), lambda x, T: commit(x, T, 7)),
    "RoundRobin": (RoundRobin(), lambda x, T: [t % len(x) for t in range(T)]),
    "DiscountedUCB": (DiscountedUCB(0.8, exploration=0.2), lambda x, T: reference.discounted_ucb(x, T, 0.8, 0.2, 1)),
    "DiscountedUCB horizon": (
        DiscountedUCB(changes=2, reward_range=0.4),
        lambda x, T: reference.discounted_ucb(x, T, 1 - math.sqrt(2 / T) / 1.6, 0.6, 0.4),
    ),
    "SlidingWindowUCB": (
        SlidingWindowUCB(9, exploration=0.1, reward_range=2),
        lambda x, T: reference.sliding_window_ucb(x, T, 9, 0.1, 2),
    ),
    "SlidingWindowUCB horizon": (
        SlidingWindowUCB(changes=4),
        lambda x, T: reference.sliding_window_ucb(x, T, max(1, math.ceil(math.sqrt(T * math.log(T)))), 0.6, 1),
    ),
    "SuccessiveElimination": (SuccessiveElimination(), reference.improved_ucb),
}


@pytest.mark.parametrize("name", DEFINITIONS)
@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.integers(2, 120), st.integers(0, 2**32), st.booleans())
def test_every_choice_is_that_of_the_definition(name, means, horizon, seed, binary):
    policy, definition = DEFINITIONS[name]
    if "horizon" in name:
        horizon = max(horizon, 8)
    uniforms = np.random.default_rng(seed).random((len(means), horizon))
    means = np.array(means)[:, None]
    table = (uniforms < means).astype(float) if binary else uniforms * (0.2 + 0.8 * means)
    assert played(policy, table, horizon) == definition(table, horizon)


def test_elimination_goes_through_its_phases_and_leaves_one_arm():
    table = (np.random.default_rng(4).random((4, 20_000)) < [[0.9], [0.2], [0.6], [0.85]]).astype(float)
    choices = played(SuccessiveElimination(), table, 20_000, compiled=True)
    assert choices == reference.improved_ucb(table, 20_000)
    pulls = np.bincount(choices)
    assert pulls[1] < pulls[2] < pulls[3] < pulls[0]


def test_discounted_sums_that_outgrow_floating_point_are_scaled_back():
    # 0.9^-t exceeds 1e150 after 3,279 rounds, and floating point after 6,737.
    table = np.random.default_rng(5).random((3, 8000))
    policy = DiscountedUCB(0.9, exploration=0.01)
    got, want = played(policy, table, 8000, compiled=True), _discounted_by_recursion(table, 8000, 0.9, 0.01)
    assert got == want
    assert len(set(got[7500:])) == 3


def _discounted_by_recursion(table, horizon, discount, exploration):
    n, s, seen, choices = np.zeros(len(table)), np.zeros(len(table)), [0] * len(table), []
    for t in range(1, horizon + 1):
        arm = t - 1
        if t > len(table):
            arm = int(np.argmax(s / n + 2 * np.sqrt(exploration * math.log(n.sum()) / n)))
        n, s = n * discount, s * discount
        n[arm], s[arm] = n[arm] + 1, s[arm] + table[arm][seen[arm]]
        seen[arm] += 1
        choices.append(arm)
    return choices


def test_window_sums_do_not_drift():
    # Sums that are only added to and subtracted from lose what is small beside rewards that have left the window.
    kernels, params = SlidingWindowUCB(30).kernels(), SlidingWindowUCB(30).parameters(1000)
    state = kernels.init(2, params)
    for t in range(1, 101):
        kernels.update(state, params, t, t % 2, 1e13 if t <= 20 else 1e-4)
    assert state.pulls.tolist() == [15, 15]
    assert state.means == pytest.approx([1e-4, 1e-4], rel=1e-12)


@pytest.mark.parametrize(
    "policy",
    [
        *(UCB1(), UCB(), AsymptoticUCB(), MOSS(), UCBV(), UCBTuned(), KLUCB(), KLUCBPlusPlus(), IMED()),
        *(DiscountedUCB(), SlidingWindowUCB(), EpsilonGreedy(0.05), DecayingEpsilonGreedy(0.5, 1)),
        *(ExploreThenCommit(5), SuccessiveElimination()),
    ],
)
@pytest.mark.parametrize("best", [0, 2])
def test_a_best_arm_that_is_certain_is_found(policy, best):
    means = np.zeros(4)
    means[best] = 1.0
    horizon = 20_000
    pulls = policy.run(BernoulliArms(means), horizon, np.random.default_rng(1)).outcome["pulls"]
    assert pulls.argmax() == best
    assert pulls[best] > 0.8 * horizon


RANDOM_TIES = [
    *(UCB1(tie="random"), UCB(tie="random"), AsymptoticUCB(tie="random"), MOSS(tie="random"), UCBV(tie="random")),
    *(UCBTuned(tie="random"), KLUCB(tie="random"), KLUCBPlusPlus(tie="random"), IMED(tie="random")),
    *(SlidingWindowUCB(tie="random"), EpsilonGreedy(0, tie="random")),
    ExploreThenCommit(1, tie="random"),
]


@pytest.mark.parametrize("policy", RANDOM_TIES, ids=lambda policy: type(policy).__name__)
def test_random_ties_are_fair_and_only_among_the_best(policy):
    # After one pull of each, arms 1, 2 and 4 tie.
    arms, runs = BernoulliArms([0.0, 1.0, 1.0, 0.0, 1.0]), 2000
    rng = np.random.default_rng(8)
    chosen = sum(policy.run(arms, 6, rng, checkpoints=[6]).outcome["pulls"] - 1 for _ in range(runs))
    assert chosen.sum() == runs
    assert chosen[0] == chosen[3] == 0
    # Each count is binomial; Hoeffding at 1e-9.
    assert np.abs(chosen[[1, 2, 4]] / runs - 1 / 3).max() <= math.sqrt(math.log(2e9) / (2 * runs))
    lowest = type(policy)(**{**vars(policy), "tie": "lowest"})
    assert lowest.run(arms, 6, rng).outcome["pulls"].tolist() == [1, 2, 1, 1, 1]


@pytest.mark.parametrize("policy", [KLUCB(tie="random"), KLUCB("poisson", tie="random"), BayesUCB(tie="random")])
def test_indices_that_are_solved_for_tie_as_well(policy):
    # Two laps give every arm 1 and 0; then all of them tie, and the eleventh round may go to any.
    table, runs = [[1] + 10 * [0]] * 5, 400
    chosen = np.bincount([played(policy, table, 11, seed)[10] for seed in range(runs)], minlength=5)
    assert np.abs(chosen / runs - 1 / 5).max() <= math.sqrt(math.log(2e9) / (2 * runs))


REMEMBERING = [name for name in DEFINITIONS if "Discounted" not in name and "Window" not in name]


@pytest.mark.parametrize("name", REMEMBERING)
@settings(max_examples=4)
@given(st.permutations(range(4)), st.integers(0, 2**32))
def test_renaming_arms_renames_the_pulls(name, names, seed):
    # 200 rounds are whole laps; policies that forget see in which order the first lap went.
    policy, table = DEFINITIONS[name][0], np.random.default_rng(seed).random((4, 200))
    pulls, renamed = (np.bincount(played(policy, x, 200), minlength=4) for x in (table, table[names]))
    assert renamed.tolist() == pulls[names].tolist()
