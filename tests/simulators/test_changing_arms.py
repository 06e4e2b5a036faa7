"""Worlds of arms whose rewards depend on the round, are replayed, come with contexts, or come late."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import (
    AdversarialRewards,
    AdvisedRewards,
    BernoulliArms,
    ContextualRewards,
    DelayedFeedback,
    LinearContexts,
    LoggedArms,
    PiecewiseStationaryArms,
    StochasticallyConstrainedArms,
    SwitchingRewards,
    TableArms,
)


class Played:
    """A world that is played by hand: its functions called in the order of the loop, interpreted."""

    def __init__(self, world, seed=0):
        self.hooks, self.pull = world.round_kernels(), world.kernel().py_func
        self.rng = np.random.default_rng(seed)
        start = self.hooks.start
        self.state = world.parameters() if start is None else start.py_func(world.parameters(), self.rng)

    def round(self, t):
        if self.hooks.advance is not None:
            self.hooks.advance.py_func(self.state, t, self.rng)

    def mean(self, arm):
        return self.hooks.expected.py_func(self.state, arm)

    def reward(self, arm):
        return self.pull(self.state, arm, self.rng)


def means_by_round(world, n_arms, rounds):
    played, rows = Played(world), []
    for t in range(1, rounds + 1):
        played.round(t)
        rows.append([played.mean(arm) for arm in range(n_arms)])
    return np.array(rows)


@given(st.integers(1, 5), st.integers(1, 9), st.floats(0, 1), st.floats(0, 1))
def test_switching_rewards_move_on_after_each_period(n_arms, period, high, low):
    rounds = 3 * n_arms * period
    expected = np.full((rounds, n_arms), low)
    for t in range(rounds):
        expected[t, (t // period) % n_arms] = high
    world = SwitchingRewards(n_arms, period, high, low)
    assert (means_by_round(world, n_arms, rounds) == expected).all()
    played = Played(world)
    played.round(period + 1)
    assert [played.reward(arm) for arm in range(n_arms)] == expected[period].tolist()


@given(st.integers(1, 4), st.floats(0, 1), st.floats(1.05, 4), st.integers(1, 300), st.data())
def test_the_constrained_adversary_alternates_in_growing_phases_and_keeps_the_gap(n_arms, gap, growth, rounds, data):
    best = data.draw(st.integers(0, n_arms - 1))
    lengths = [math.floor(growth ** (k + 1) * (1 + 1e-12)) for k in range(300 if growth < 1.1 else 60)]
    phase = np.searchsorted(np.cumsum(lengths), np.arange(rounds), side="right")
    expected = np.where(phase % 2 == 0, 1.0, gap)[:, None] - gap * (np.arange(n_arms) != best)
    means = means_by_round(StochasticallyConstrainedArms(n_arms, gap, best, growth), n_arms, rounds)
    if not any(abs(growth ** (k + 1) - round(growth ** (k + 1))) < 1e-9 for k in range(40)):
        assert means == pytest.approx(expected, abs=1e-12)
    assert means[:, [best]] - means == pytest.approx(np.broadcast_to(gap * (np.arange(n_arms) != best), means.shape))
    assert (means >= 0).all()
    assert (means <= 1).all()


def test_the_phases_of_zimmert_and_seldin():
    means = means_by_round(StochasticallyConstrainedArms(2, 0.1), 2, 30)
    changes = np.flatnonzero(np.diff(means[:, 0])) + 1
    assert changes.tolist() == [1, 3, 7, 13, 23]  # floor(1.6^k) = 1, 2, 4, 6, 10
    assert means[0].tolist() == [1.0, 0.9]
    assert means[1].tolist() == pytest.approx([0.1, 0.0])


@given(st.sets(st.integers(2, 50), max_size=4), st.integers(1, 3), st.integers(0, 10**6))
def test_means_jump_at_the_breakpoints(breaks, n_arms, seed):
    breaks = sorted(breaks)
    means = np.random.default_rng(seed).random((len(breaks) + 1, n_arms))
    expected = means[[sum(t >= b for b in breaks) for t in range(1, 61)]]
    assert (means_by_round(PiecewiseStationaryArms(means, breaks), n_arms, 60) == expected).all()


@pytest.mark.parametrize(
    ("world", "rounds"),
    [
        (PiecewiseStationaryArms([[0.2, 0.9], [0.7, 0.1]], [2]), 2),
        (StochasticallyConstrainedArms(2, 0.3), 2),
    ],
)
def test_random_rewards_are_0_or_1_with_the_mean_of_the_round(world, rounds):
    played, count = Played(world, 5), 20_000
    for t in range(1, rounds + 1):
        played.round(t)
        for arm in (0, 1):
            sample = [played.reward(arm) for _ in range(count)]
            assert set(sample) <= {0.0, 1.0}
            assert abs(np.mean(sample) - played.mean(arm)) <= math.sqrt(math.log(2e9) / (2 * count))


# Replays.


@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 10**6))
def test_a_table_pays_row_by_row_and_then_nothing(n_arms, pulls, seed):
    table = np.random.default_rng(seed).random((n_arms, pulls))
    arms = TableArms(table)
    played = Played(arms)
    order = np.random.default_rng(seed).permutation(np.repeat(np.arange(n_arms), pulls))
    paid = [[] for _ in range(n_arms)]
    for arm in order:
        paid[arm].append(played.reward(arm))
    assert np.array(paid).tolist() == table.tolist()
    assert all(math.isnan(played.reward(arm)) for arm in range(n_arms))
    assert Played(arms).reward(0) == table[0, 0]
    assert arms.means == pytest.approx(table.mean(axis=1))
    assert (arms.n_rounds, arms.support) == (n_arms * pulls, (table.min(), table.max()))


logs = st.lists(st.tuples(st.integers(0, 2), st.floats(-5, 5)), min_size=1, max_size=30).map(
    lambda records: [(0, 0.5), (1, 0.25), (2, -1.0), *records]
)


@given(logs, st.lists(st.integers(0, 2), min_size=1, max_size=40))
def test_both_replays_of_a_log_pay_an_arms_own_records_in_their_order(records, choices):
    arms, rewards = zip(*records, strict=True)
    queue, rejection = (Played(LoggedArms(arms, rewards, replay)) for replay in ("queue", "rejection"))
    left = list(records)
    used = [0, 0, 0]
    for arm in choices:
        own = [reward for logged, reward in records if logged == arm]
        paid = queue.reward(arm)
        assert paid == own[used[arm]] if used[arm] < len(own) else math.isnan(paid)
        used[arm] += 1
        while left and left[0][0] != arm:
            left.pop(0)
        paid = rejection.reward(arm)
        assert paid == left.pop(0)[1] if left else math.isnan(paid)
    means = [np.mean([reward for logged, reward in records if logged == arm]) for arm in range(3)]
    assert LoggedArms(arms, rewards).means == pytest.approx(means)


# Contexts.


@settings(max_examples=25)
@given(st.integers(1, 4), st.integers(1, 5), st.floats(0.1, 3), st.integers(0, 10**6))
def test_drawn_features_lie_on_the_sphere_and_means_are_linear(n_arms, d, radius, seed):
    theta = np.random.default_rng(seed).normal(size=d)
    played = Played(LinearContexts(theta, n_arms, sigma=0.0, radius=radius), seed)
    for t in (1, 2):
        played.round(t)
        features = np.array(played.hooks.context.py_func(played.state))
        assert np.linalg.norm(features, axis=1) == pytest.approx(np.full(n_arms, radius))
        assert [played.mean(arm) for arm in range(n_arms)] == pytest.approx(features @ theta)
        assert [played.reward(arm) for arm in range(n_arms)] == pytest.approx(features @ theta)


def test_drawn_features_are_uniform_on_the_circle_and_noise_is_normal():
    from scipy.special import ndtr

    played, count = Played(LinearContexts([0.5, 0.0], 1, sigma=0.4), 3), 8000
    angles, noise = np.empty(count), np.empty(count)
    for t in range(count):
        played.round(t + 1)
        x, y = played.hooks.context.py_func(played.state)[0]
        angles[t], noise[t] = math.atan2(y, x), played.reward(0) - played.mean(0)
    limit = math.sqrt(math.log(2e9) / (2 * count)) + 1 / count
    steps = np.arange(1, count + 1) / count
    assert np.abs((np.sort(angles) + math.pi) / (2 * math.pi) - steps).max() <= limit
    assert np.abs(ndtr(np.sort(noise) / 0.4) - steps).max() <= limit


def test_a_delay_shows_everything_else_of_the_arms_and_survives_a_copy():
    world = DelayedFeedback(LinearContexts([0.5, 0.1], 3), 4)
    copy = pickle.loads(pickle.dumps(world))
    assert copy == world
    assert (copy.delay, copy.dimension, copy.n_arms) == (4, 2, 3)
    assert not hasattr(DelayedFeedback(BernoulliArms([0.5]), 1), "round_kernels")
    assert DelayedFeedback(BernoulliArms([0.2, 0.7]), 1).gaps.tolist() == BernoulliArms([0.2, 0.7]).gaps.tolist()


@pytest.mark.parametrize(
    "world",
    [
        AdversarialRewards([[0.1, 0.2]]),
        SwitchingRewards(2, 5),
        StochasticallyConstrainedArms(2, 0.2, best_arm=1),
        PiecewiseStationaryArms([[0.5], [0.2]], (7,)),
        TableArms([[0.1, 0.2]]),
        LoggedArms([0, 1], [0.5, 0.2]),
        ContextualRewards([[[1.0]]], [[0.5]]),
        AdvisedRewards([[[1.0]]], [[0.5]]),
    ],
)
def test_copies_are_equal(world):
    assert pickle.loads(pickle.dumps(world)) == world


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AdversarialRewards([[0.1], [math.nan]]), r"rewards = .*entry \(1, 0\) is nan"),
        (lambda: AdversarialRewards([0.1]), "AdversarialRewards: rewards"),
        (lambda: SwitchingRewards(0, 5), "SwitchingRewards: n_arms = 0"),
        (lambda: SwitchingRewards(2, 5, high=1.5), "SwitchingRewards: high = 1.5"),
        (lambda: StochasticallyConstrainedArms(2, 1.5), "gap = 1.5"),
        (lambda: StochasticallyConstrainedArms(2, 0.5, 2), r"best_arm = 2: must be one of the arms 0\.\.1"),
        (lambda: StochasticallyConstrainedArms(2, 0.5, growth=1.0), "growth = 1.0"),
        (lambda: PiecewiseStationaryArms([[0.5], [1.5]], (3,)), r"means = .*entry \(1, 0\) is 1.5"),
        (lambda: PiecewiseStationaryArms([[0.5], [0.2]], ()), "breakpoints = .*must be 1 rounds"),
        (lambda: PiecewiseStationaryArms([[0.5], [0.2]], (3, 4)), "breakpoints = .*must be 1 rounds"),
        (lambda: PiecewiseStationaryArms([[0.5], [0.2]], (1,)), "breakpoints = .*must increase strictly, from 2"),
        (lambda: PiecewiseStationaryArms([[0.5]] * 3, (4, 4)), "breakpoints = .*must increase strictly"),
        (lambda: TableArms([[math.inf]]), "TableArms: rewards"),
        (lambda: LoggedArms([0, 1.5], [0, 0]), "arms = .*entry 1 is 1.5, no arm"),
        (lambda: LoggedArms([0, -1], [0, 0]), "arms = .*entry 1 is -1, no arm"),
        (lambda: LoggedArms([0, 1e300], [0, 0]), r"arms = .*entry 1 is 1e\+300, no arm"),
        (lambda: LoggedArms([0, 2, 2], [0, 0, 0]), "arms = .*arm 1 has no record"),
        (lambda: LoggedArms([0, 1], [0]), "rewards = .*must have 2 entries"),
        (lambda: LoggedArms([0], [0], "both"), "replay = 'both'"),
        (lambda: LinearContexts([1.0], 0), "n_arms = 0"),
        (lambda: LinearContexts([1.0], 2, sigma=-1), "sigma = -1"),
        (lambda: ContextualRewards([[[1.0]]], [[0.5, 0.1]]), "rewards = .*has shape"),
        (lambda: DelayedFeedback(BernoulliArms([0.5]), -1), "delay = -1"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
