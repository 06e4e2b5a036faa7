"""Gradients of a designer's cost: five ways against differences of the cost, and what is known of special cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.soft_control import SoftControl
from optimization.bilevel import design_gradient, penalty_gradient
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
)

seeds = st.integers(0, 2**32 - 1)


def world_of(seed, S=3, A=3, n=2, discount=0.9, temperature=0.5, horizon=None, prefers=False, shift=0.0):
    """A random problem and parameters at which it is to be differentiated."""
    rng = np.random.default_rng(seed)
    control = SoftControl(
        rng.dirichlet(np.ones(S), size=(S, A)), rng.dirichlet(np.ones(S)), discount, temperature, horizon=horizon
    )
    rewards = LinearReward(rng.standard_normal((S, A, n)), offset=rng.standard_normal((S, A)) + shift)
    wish = rng.standard_normal((S, A))
    goal = {"preferences": PreferenceOracle(wish, 0.7)} if prefers else {"utility": wish}
    return TabularMDP(control, rewards, regularization=0.1, **goal), rng.standard_normal(n)


SHAPES = [{}, {"discount": 0.0}, {"discount": 0.98}, {"horizon": 3}, {"horizon": 5, "discount": 1.0}, {"S": 1},
          {"temperature": 3.0}, {"S": 2, "A": 2, "horizon": 3, "prefers": True},
          {"S": 2, "A": 2, "horizon": 6, "prefers": True}, {"S": 1, "A": 3, "horizon": 2, "prefers": True}]  # fmt: skip


@settings(max_examples=40)
@given(seeds, st.sampled_from(SHAPES))
def test_gradients_are_differences_of_the_cost(seed, shape):
    world, nu = world_of(seed, **shape)
    slopes = design_gradient(world, nu, "finite_differences").gradient
    scale = 1e-6 * max(1.0, np.abs(slopes).max())
    exact = design_gradient(world, nu)
    assert exact.gradient == pytest.approx(slopes, abs=scale)
    assert design_gradient(world, nu, "theta_space").gradient == pytest.approx(exact.gradient, abs=1e-3 * scale)
    assert design_gradient(world, nu, "penalty_central").gradient == pytest.approx(exact.gradient, abs=1e3 * scale)
    assert exact.cost.value == pytest.approx(world.cost(nu, world.control.solve(world.reward(nu)).policy).value)


@pytest.mark.parametrize("world", [TwoStateMDP(), TwoStateMDP(6), TwoStateMDP(6, prefers=True), GridWorld(4, 3),
                                   TaxBandit([1.0, 3.0, 2.0], [0.0, 0.5, 0.1]), RobotEnergy(5)])  # fmt: skip
def test_named_worlds_have_the_same_gradient_every_way(world):
    nu = world.initial_parameters + 0.2
    slopes = design_gradient(world, nu, "finite_differences").gradient
    exact = design_gradient(world, nu).gradient
    assert exact == pytest.approx(slopes, rel=1e-6, abs=1e-9)
    assert design_gradient(world, nu, "theta_space").gradient == pytest.approx(exact, abs=1e-9)
    assert design_gradient(world, nu, "penalty_central", scale=1e-4).gradient == pytest.approx(
        exact, rel=1e-3, abs=1e-6
    )


def test_a_smooth_reward_has_its_chain_rule():
    base, _ = world_of(4)
    smooth = SmoothReward(lambda nu: base.rewards(np.sin(nu)), lambda nu: base.rewards.jacobian(nu) * np.cos(nu), 2)
    world, nu = TabularMDP(base.control, smooth, utility=base.utility), np.array([0.3, -1.1])
    slopes = design_gradient(world, nu, "finite_differences").gradient
    assert design_gradient(world, nu).gradient == pytest.approx(slopes, abs=1e-7)
    assert design_gradient(world, nu, "theta_space").gradient == pytest.approx(slopes, abs=1e-7)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=6), st.floats(0.05, 3), seeds)
def test_a_bandit_has_its_formula_and_no_gradient_along_a_shift(u, temperature, seed):
    world = TaxBandit(u, temperature=temperature)
    nu = temperature * np.random.default_rng(seed).standard_normal(len(u))
    policy = np.exp(nu / temperature) / np.exp(nu / temperature).sum()
    formula = policy * (np.array(u) - policy @ u) / temperature
    found = design_gradient(world, nu)
    assert found.gradient == pytest.approx(-formula, abs=1e-10 / temperature)
    assert found.cost.utility == pytest.approx(policy @ u, abs=1e-12)
    assert found.gradient.sum() == pytest.approx(0.0, abs=1e-10 / temperature)


@given(seeds, st.floats(-3, 3), st.sampled_from([{}, {"horizon": 3}, {"S": 2, "A": 2, "horizon": 3, "prefers": True}]))
def test_a_constant_added_to_the_reward_changes_nothing(seed, shift, shape):
    (world, nu), (other, _) = world_of(seed, **shape), world_of(seed, **shape, shift=shift)
    assert design_gradient(other, nu).gradient == pytest.approx(design_gradient(world, nu).gradient, abs=1e-8)


@given(seeds, st.floats(0.2, 5))
def test_scaling_reward_and_temperature_together_scales_the_gradient_of_a_utility_back(seed, factor):
    world, nu = world_of(seed)
    scaled = TabularMDP(
        SoftControl(world.control.transitions, world.control.start, 0.9, factor * 0.5),
        LinearReward(factor * world.rewards.features, offset=factor * world.rewards.offset),
        utility=world.utility,
        regularization=0.1,
    )
    assert design_gradient(scaled, nu).gradient == pytest.approx(design_gradient(world, nu).gradient, abs=1e-8)


def test_identical_rewards_leave_the_covariance_of_the_utility():
    features = np.eye(3)[None]
    world = TabularMDP(
        SoftControl(np.ones((1, 3, 1)), [1.0], 0.0, 0.5), LinearReward(features), utility=[[1.0, 5.0, 0.0]]
    )
    assert design_gradient(world, np.zeros(3)).gradient == pytest.approx(-(np.array([1, 5, 0]) - 2) / 3 / 0.5)


@pytest.mark.parametrize("method", ["closed_form", "theta_space", "penalty", "direct", "finite_differences"])
def test_nothing_to_choose(method):
    law = RandomMDP(3, 1, 2)
    alone = design_gradient(law.sample(np.random.default_rng(0)), [1.0, 2.0], method)
    assert alone.gradient == pytest.approx(0.0, abs=1e-10)
    none = RandomMDP(3, 2, 0).sample(np.random.default_rng(0))
    assert design_gradient(none, [], method).gradient.shape == (0,)


def test_states_that_are_never_visited_do_not_matter():
    transitions = np.zeros((3, 2, 3))
    transitions[0, :, 1] = transitions[1, :, 0] = transitions[2, :, 2] = 1.0
    rng = np.random.default_rng(1)
    world = TabularMDP(
        SoftControl(transitions, [1.0, 0.0, 0.0], 0.9, 0.5),
        LinearReward(rng.standard_normal((3, 2, 2))),
        utility=rng.standard_normal((3, 2)),
    )
    exact = design_gradient(world, [0.5, 0.1]).gradient
    assert np.abs(exact).max() > 0.01
    for method in ("theta_space", "penalty_central", "finite_differences"):
        assert design_gradient(world, [0.5, 0.1], method).gradient == pytest.approx(exact, rel=1e-4)


def test_the_direct_term_is_nothing_for_a_utility_and_wrong_for_preferences():
    """On the two-state example both terms oppose each other, and the direct one alone points away."""
    world = TwoStateMDP(4)
    assert not design_gradient(world, [0.3, -0.2], "direct").gradient.any()
    world, opposed, wrong = TwoStateMDP(4, prefers=True), 0, 0
    for nu in np.random.default_rng(0).standard_normal((200, 2)):
        whole, direct = (design_gradient(world, nu, method).gradient for method in ("closed_form", "direct"))
        opposed += bool((direct * (whole - direct) < 0).any())
        wrong += bool(whole @ direct < 0)
    assert opposed > 20
    assert wrong > 0


@settings(max_examples=10)
@given(seeds, st.sampled_from([{}, {"horizon": 4}, {"S": 2, "A": 2, "horizon": 4, "prefers": True}]))
def test_penalties_are_right_to_first_and_second_order(seed, shape):
    world, nu = world_of(seed, **shape)
    exact = design_gradient(world, nu).gradient
    scales = np.array([1e-1, 3e-2, 1e-2, 3e-3, 1e-3])
    for method, order in (("penalty", 1), ("penalty_central", 2)):
        errors = [np.linalg.norm(design_gradient(world, nu, method, scale=s).gradient - exact) for s in scales]
        slope = np.polyfit(np.log(scales[2:]), np.log(np.maximum(errors[2:], 1e-12)), 1)[0]
        # A leading term may vanish by chance; a method never does better than its next order for long.
        assert slope > order - 0.15
        assert errors[-1] < 30 * scales[-1] ** order * max(1.0, errors[0] / scales[0] ** order)


def test_the_penalty_of_a_utility_and_of_its_advantage_are_the_same():
    world, nu = world_of(3)
    control, reward, slope = world.control, world.reward(nu), world.reward_jacobian(nu)
    policy = control.solve(reward).policy
    values, actions = control.evaluate(policy, world.utility)
    for central in (False, True):
        one = penalty_gradient(control, reward, slope, world.utility, 0.1, central=central)
        other = penalty_gradient(control, reward, slope, actions - values[..., None], 0.1, central=central)
        assert one == pytest.approx(other, abs=1e-9)


def test_bad_arguments_are_refused():
    world = TwoStateMDP()
    with pytest.raises(ValueError, match="method: 'guess' is not one of"):
        design_gradient(world, [0.0, 0.0], "guess")
    for scale in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="scale"):
            design_gradient(world, [0.0, 0.0], "penalty", scale=scale)
    for nu in ([0.0], [np.nan, 0.0]):
        with pytest.raises(ValueError, match="parameters"):
            design_gradient(world, nu)
    hard = TabularMDP(SoftControl(np.ones((1, 2, 1)), [1.0], 0.0, 0.0), LinearReward([np.eye(2)]), utility=[[0.0, 1.0]])
    with pytest.raises(ValueError, match="temperature"):
        design_gradient(hard, [0.0, 0.0])
    assert design_gradient(hard, [0.0, 1.0], "direct").cost.utility == 1.0
