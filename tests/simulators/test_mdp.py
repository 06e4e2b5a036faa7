"""Worlds of reward design: costs against enumeration and differences, laws of trajectories and labels, bad input."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from algos.contracts import realize
from algos.soft_control import SoftControl, log_softmax, softmax_gradient
from simulators.mdp import (
    GridWorld,
    LinearReward,
    PreferenceOracle,
    RandomMDP,
    RobotEnergy,
    SmoothReward,
    TabularMDP,
    TaxBandit,
    TwoStateMDP,
    draw_trajectories,
)
from simulators.mdp.preferences import count_episodes
from simulators.mdp.trajectories import _cumulative
from tests.reference import soft_control as reference

seeds = st.integers(0, 2**32 - 1)
WORLDS = (
    TwoStateMDP(),
    TwoStateMDP(4),
    TwoStateMDP(3, prefers=True),
    GridWorld(4, 3),
    TaxBandit([1.0, 2.0, 0.0], [0.5, 0.0, 0.1]),
    RobotEnergy(4),
)


def preferring(seed, S, A, H, n=2, temperature=0.7):
    """A random process whose designer has preferences, and a policy that is not optimal."""
    rng = np.random.default_rng(seed)
    control = SoftControl(rng.dirichlet(np.ones(S), size=(S, A)), rng.dirichlet(np.ones(S)), 0.9, 0.5, horizon=H)
    oracle = PreferenceOracle(rng.standard_normal((S, A)), temperature)
    rewards = LinearReward(rng.standard_normal((S, A, n)))
    return TabularMDP(control, rewards, preferences=oracle), rng.standard_normal((H, S, A)), rng.standard_normal(n)


@settings(max_examples=12)
@given(seeds, st.integers(1, 2), st.integers(1, 2), st.integers(1, 3), st.floats(0.2, 3))
def test_preference_costs_are_sums_over_all_pairs_of_trajectories(seed, S, A, H, temperature):
    world, theta, nu = preferring(seed, S, A, H, temperature=temperature)
    policy = np.exp(log_softmax(theta))
    oracle = world.preferences
    plain = reference.preference_cost(
        world.control.transitions, world.control.start, policy, world.reward(nu), oracle.true_reward, temperature
    )
    found = world.cost(nu, policy)
    assert found.value == pytest.approx(plain, abs=1e-12)
    assert found.utility == -found.value


@pytest.mark.parametrize("world", [TwoStateMDP(5, prefers=True), TwoStateMDP(), TwoStateMDP(4), GridWorld(3, 2)])
def test_both_derivatives_of_the_cost_are_differences(world):
    rng = np.random.default_rng(1)
    control, nu = world.control, world.initial_parameters + 0.1
    theta = rng.standard_normal((control.layers, control.n_states, control.n_actions))
    found, step = world.cost(nu, np.exp(log_softmax(theta))), 1e-5
    for j in range(nu.size):
        shift = step * np.eye(nu.size)[j]
        up, down = (world.cost(nu + sign * shift, np.exp(log_softmax(theta))).value for sign in (1, -1))
        assert found.direct[j] == pytest.approx((up - down) / (2 * step), abs=1e-8)
    gradient = softmax_gradient(np.exp(log_softmax(theta)), found.weights)
    for _ in range(5):
        direction = rng.standard_normal(theta.shape)
        up, down = (world.cost(nu, np.exp(log_softmax(theta + sign * step * direction))).value for sign in (1, -1))
        assert np.sum(gradient * direction) == pytest.approx((up - down) / (2 * step), abs=1e-8)


@settings(max_examples=20)
@given(seeds, st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))
def test_episodes_are_counted_completely(seed, S, A, H):
    control = preferring(seed, S, A, H)[0].control
    counts = count_episodes(control).counts
    pairs = list(product(range(S), range(A)))
    every = {tuple(sum(step == pair for step in steps) for pair in pairs) for steps in product(pairs, repeat=H)}
    assert {tuple(row) for row in counts.tolist()} == every
    assert len(counts) == math.comb(S * A + H - 1, H)


def test_transitions_that_cannot_occur_are_not_counted():
    control = SoftControl(np.eye(3)[:, None, :], [0.5, 0.5, 0.0], 1.0, 1.0, horizon=4)
    assert sorted(count_episodes(control).counts.tolist()) == [[0, 4, 0], [4, 0, 0]]


def test_too_many_episodes_are_refused():
    world, theta, nu = preferring(0, 4, 3, 8)
    with pytest.raises(ValueError, match="more than 20,000 outcomes"):
        world.cost(nu, np.exp(log_softmax(theta)))
    with pytest.raises(ValueError, match="horizon: must be given"):
        count_episodes(TwoStateMDP().control)


def test_chances_of_trajectories_sum_to_one():
    world, theta, _ = preferring(3, 2, 2, 3)
    chances = [
        chance
        for *_, chance in reference.trajectories(
            world.control.transitions, world.control.start, np.exp(log_softmax(theta))
        )
    ]
    assert math.fsum(chances) == pytest.approx(1.0, abs=1e-13)


def test_trajectories_have_the_law_of_the_process():
    """Each episode of two steps as often as its chance says; tail 1e-9 over all of them."""
    world, theta, _ = preferring(5, 2, 2, 2)
    policy, count = np.exp(log_softmax(theta)), 40_000
    states, actions = world.trajectories(policy, count, 2, np.random.default_rng(8))
    seen = np.zeros((2, 2, 2, 2), dtype=int)
    np.add.at(seen, (states[:, 0], actions[:, 0], states[:, 1], actions[:, 1]), 1)
    for (s0, s1), (a0, a1), chance in reference.trajectories(world.control.transitions, world.control.start, policy):
        low, high = binom.ppf([1e-10, 1 - 1e-10], count, chance)
        assert low <= seen[s0, a0, s1, a1] <= high


def test_a_trajectory_does_not_depend_on_what_others_do():
    world, rng = TwoStateMDP(), np.random.default_rng
    other = np.array([[[1.0, 0.0], [0.5, 0.5]]])
    half = np.full((1, 2, 2), 0.5)
    both = [world.trajectories(policy, 50, 9, rng(1))[0] for policy in (other, half)]
    assert (both[0][:, 0] == both[1][:, 0]).all()  # common random numbers, so common first states
    assert (both[0] != both[1]).any()
    assert (world.trajectories(half, 20, 9, rng(1))[1] == world.trajectories(half, 50, 9, rng(1))[1][:20]).all()


def test_impossible_outcomes_are_never_drawn():
    rng = np.random.default_rng(0)
    rows = np.zeros((7, 2, 7))
    for s, a in product(range(7), range(2)):
        allowed = rng.choice(7, 3, replace=False)
        rows[s, a, allowed] = rng.dirichlet(np.full(3, 0.1))
    control = SoftControl(rows / rows.sum(axis=2, keepdims=True), np.eye(7)[3], 0.5, 1.0)
    policy = np.tile([[1.0, 0.0]], (1, 7, 1))
    states, actions = draw_trajectories(control, policy, 3000, 20, rng)
    assert not actions.any()
    assert (states[:, 0] == 3).all()
    assert (control.transitions[states[:, :-1], 0, states[:, 1:]] > 0.0).all()


def test_cumulative_rows_end_at_one_from_the_last_possible_outcome_on():
    row = np.array([0.0, *[0.1] * 10, 0.0])
    assert row.cumsum()[-1] < 1.0  # rounding; a number drawn above it would find the impossible outcome
    assert _cumulative(row).tolist() == [*row.cumsum()[:10], 1.0, 1.0]


def test_labels_follow_the_chances():
    oracle = PreferenceOracle([[0.3, -0.2], [0.0, 1.0]], 0.5)
    first = (np.tile([0, 1], (30_000, 1)), np.tile([0, 1], (30_000, 1)))
    second = (np.tile([0, 0], (30_000, 1)), np.tile([1, 0], (30_000, 1)))
    chance = 1 / (1 + math.exp(-(1.3 - 0.1) / 0.5))
    assert oracle.chance(first, second) == pytest.approx(chance)
    labels = oracle.compare(first, second, np.random.default_rng(0))
    low, high = binom.ppf([1e-9, 1 - 1e-9], 30_000, chance)
    assert low <= labels.sum() <= high
    assert oracle.chance(second, first) + oracle.chance(first, second) == pytest.approx(1.0)
    far = PreferenceOracle([[0.0, 1e300]])
    assert far.chance(([[0]], [[0]]), ([[0]], [[1]])) == 0.0


@pytest.mark.parametrize("world", WORLDS)
def test_worlds_are_consistent(world):
    nu = world.initial_parameters + 0.3
    S, A, n = world.control.n_states, world.control.n_actions, nu.size
    assert world.reward(nu).shape == (S, A)
    slope = world.reward_jacobian(nu)
    assert slope.shape == (S, A, n)
    for j in range(n):
        shift = 1e-6 * np.eye(n)[j]
        assert slope[..., j] == pytest.approx((world.reward(nu + shift) - world.reward(nu - shift)) / 2e-6, abs=1e-8)
    solution = world.control.solve(world.reward(nu))
    cost = world.cost(nu, solution.policy)
    penalty, _ = world.regularizer(nu)
    assert cost.value == pytest.approx(penalty - cost.utility)
    assert type(world)(**{name: getattr(world, name) for name in world.__dataclass_fields__}) == world
    states, actions = world.trajectories(solution.policy, 3, 2, np.random.default_rng(0))
    assert states.shape == actions.shape == (3, 2)


def test_the_two_states_are_those_of_the_specification():
    world = TwoStateMDP()
    assert world.control.transitions.tolist() == [[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.3, 0.7]]]
    assert world.reward([0.3, -0.2]) == pytest.approx(np.array([[0.3, -0.2], [0.25, -0.5]]))
    assert (world.control.discount, world.control.temperature) == (0.9, 0.5)
    assert world.initial_parameters.tolist() == [0.3, -0.2]
    assert world.utility.tolist() == [[1, 0], [0, 2]]


@given(st.integers(1, 9), st.integers(1, 9))
def test_grids_have_a_way_around_all_hazards(width, height):
    if width * height < 2:
        with pytest.raises(ValueError, match="at least two cells"):
            GridWorld(width, height)
        return
    world = GridWorld(width, height, 0.0)
    assert (world.kinds == 2).sum() == 1
    assert world.kinds[0] == 0
    reached = np.zeros(width * height, dtype=bool)
    reached[0] = True
    for _ in range(width * height):
        step = (world.control.transitions[reached].sum(axis=(0, 1)) > 0) & (world.kinds != 1)
        reached |= step
    assert reached[world.kinds == 2].all()


def test_slipping_moves_in_every_direction():
    moves = GridWorld(3, 3, 0.2).control.transitions
    assert moves[4, 0, [5, 7, 3, 1]] == pytest.approx([0.85, 0.05, 0.05, 0.05])
    assert moves[8, :, 8].tolist() == [1.0] * 4 or moves[2, :, 2].tolist() == [1.0] * 4


def test_a_random_world_is_drawn_from_its_stream():
    law = RandomMDP(3, 2, 2, regularization=0.5)
    one, again, other = (realize(law, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert one.regularizer([1.0, 2.0])[0] == 1.25
    assert RandomMDP(2, 2, 0).sample(np.random.default_rng(0)).cost([], np.full((1, 2, 2), 0.5)).direct.shape == (0,)


GOOD = {"control": SoftControl([[[1.0], [1.0]]], [1.0], 0.5, 1.0, horizon=2), "rewards": LinearReward([np.eye(2)])}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "exactly one"),
        ({"utility": [[0.0, 1.0]], "preferences": PreferenceOracle([[0.0, 1.0]])}, "exactly one"),
        ({"utility": [[0.0]]}, "utility: shape"),
        ({"utility": [[0.0, math.nan]]}, "utility"),
        ({"preferences": PreferenceOracle([[0.0]])}, "true_reward of shape"),
        ({"utility": [[0.0, 1.0]], "start": [0.0]}, "start: 1 numbers for 2 parameters"),
        ({"utility": [[0.0, 1.0]], "regularization": -1.0}, "regularization"),
        ({"utility": [[0.0, 1.0]], "rewards": LinearReward([np.eye(3)])}, "rewards: of shape"),
        ({"preferences": PreferenceOracle([[0.0, 1.0]]), "control": TaxBandit([0.0, 1.0]).control}, "need a horizon"),
    ],
)
def test_bad_problems_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        TabularMDP(**{**GOOD, **change})


def test_bad_rewards_and_parameters_are_refused():
    for features in ([[1.0]], np.zeros((0, 1, 1)), [[[math.inf]]], [[["a"]]]):
        with pytest.raises(ValueError, match="features"):
            LinearReward(features)
    with pytest.raises(ValueError, match="offset"):
        LinearReward([[[1.0]]], offset=[[1.0, 2.0]])
    broken = SmoothReward(lambda nu: np.full((1, 2), math.nan), lambda nu: np.zeros((1, 2, 1)), 1)
    with pytest.raises(ValueError, match="function: must return finite"):
        TabularMDP(GOOD["control"], broken, utility=[[0.0, 1.0]])
    short = SmoothReward(lambda nu: np.zeros((1, 2)), lambda nu: np.zeros((1, 2, 2)), 1)
    with pytest.raises(ValueError, match="derivative: returned shape"):
        TabularMDP(GOOD["control"], short, utility=[[0.0, 1.0]])
    world = TabularMDP(**GOOD, utility=[[0.0, 1.0]])
    for nu in ([0.0], [math.nan, 0.0], [[0.0, 0.0]]):
        with pytest.raises(ValueError, match="parameters: must be 2 finite numbers"):
            world.reward(nu)
    with pytest.raises(ValueError, match="none, but a utility"):
        world.compare(None, None, np.random.default_rng(0))
    half = np.full((2, 1, 2), 0.5)
    for arguments, message in (
        ((half, 1, 3), "length: 3 is above the horizon"),
        ((half, -1, 1), "count"),
        ((half, 1, 0), "length"),
        ((half[:1], 1, 1), "policy"),
    ):
        with pytest.raises(ValueError, match=message):
            world.trajectories(*arguments, np.random.default_rng(0))
    with pytest.raises(ValueError, match="rng"):
        world.trajectories(half, 1, 1, 0)
    for bad in ({"temperature": 0.0}, {"temperature": math.inf}, {"true_reward": [[math.nan]]}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            PreferenceOracle(**{"true_reward": [[0.0]], **bad})
    for kind, arguments in (
        (GridWorld, (0, 3)), (GridWorld, (3, 3, 1.5)), (RobotEnergy, (1,)), (RobotEnergy, (3, 1)), (TwoStateMDP, (0,)),
        (TaxBandit, ([1.0], [1.0, 2.0])), (TaxBandit, ([],)), (RandomMDP, (0, 1, 1)),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            kind(*arguments)


def test_a_smooth_reward_is_its_function():
    smooth = SmoothReward(lambda nu: np.array([[nu[0] ** 2, 1.0]]), lambda nu: np.array([[[2.0 * nu[0]], [0.0]]]), 1)
    world = TabularMDP(GOOD["control"], smooth, utility=[[1.0, 0.0]], start=[2.0])
    assert world.reward([3.0]).tolist() == [[9.0, 1.0]]
    assert world.reward_jacobian([3.0]).tolist() == [[[6.0], [0.0]]]
