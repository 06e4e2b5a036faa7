"""Phased elimination with G-optimal designs: by its definition, within its bound."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos import g_optimal_design
from algos.optimal_design import g_optimal_weights
from bandits import PhasedElimination, phased_elimination_bound
from simulators import BernoulliArms, DelayedFeedback, LinearContexts
from tests.bandits.test_linear import LinearArms, on_a_sphere
from tests.bandits.worlds import UNIFORM, Recording, generator, regrets, too_often
from tests.reference.bandits import phased_elimination
from tests.test_twins import interpreted_all_the_way

RUNS = 100


def design(rows):
    return g_optimal_weights(np.ascontiguousarray(rows), 1e-3)[1:]


class WithFeatures:
    """Rewards of each round given in advance, for arms whose features stay."""

    def __init__(self, world, features):
        self.features, self._world = features, world

    def __getattr__(self, name):
        return getattr(self._world, name)


@settings(max_examples=25)
@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 10**6), st.sampled_from([0.05, 0.3]))
def test_every_choice_is_that_of_the_definition(n_arms, d, seed, noise):
    features = generator(seed).normal(size=(n_arms, d))
    features /= np.abs(features).max()
    features = features[np.sort(generator(seed).integers(0, n_arms, n_arms))]  # equal arms now and then
    rewards = features @ generator([seed, 1]).normal(size=d) + noise * generator([seed, 2]).normal(size=(600, n_arms))
    world = Recording(rewards)
    PhasedElimination(noise, 0.1).run(WithFeatures(world, features), 600, generator(), compiled=False)
    assert world.played.tolist() == phased_elimination(features, rewards, noise, 0.1, design)


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 10**6))
def test_the_weights_for_kernels_are_a_g_optimal_design(n_arms, d, seed):
    rows = generator(seed).normal(size=(n_arms, d))
    rows /= np.abs(rows).max()
    coordinates, weights, variance = g_optimal_weights(rows, 1e-3)
    rank = np.linalg.matrix_rank(rows)
    assert coordinates.shape == (n_arms, rank)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    spread = np.einsum("ij,jk,ik->i", rows, np.linalg.pinv((rows.T * weights) @ rows), rows).max()
    assert spread == pytest.approx(variance, rel=1e-7)
    assert rank <= variance * (1 + 1e-12) <= rank * (1 + 1.1e-3)
    best = g_optimal_design(rows)
    value = np.linalg.slogdet((coordinates.T * weights) @ coordinates)[1]
    assert value <= np.linalg.slogdet((coordinates.T * best) @ coordinates)[1] + 1e-5


@pytest.mark.guarantee("phased_elimination_bound")
@settings(max_examples=8)
@given(
    *(st.integers(2, 8), st.integers(1, 4), st.sampled_from([60, 1000, 10_000]), st.integers(0, 10**6)),
    *(st.sampled_from([0.9, 0.3]), st.sampled_from([0.05, 0.5])),
)
def test_the_bound_is_exceeded_and_the_best_arm_lost_no_more_often_than_allowed(n_arms, d, horizon, seed, delta, noise):
    arms = LinearArms(on_a_sphere(n_arms, d, seed), on_a_sphere(1, d, [seed, 1], 0.5)[0], sigma=noise)
    gaps, failed = arms.means.max() - arms.means, 0
    bound = phased_elimination_bound(horizon, n_arms, min(n_arms, d), delta, noise, max(gaps.max(), 1e-9))
    for run in range(RUNS):
        played = PhasedElimination(noise, delta).run(arms, horizon, generator([seed, run]), checkpoints=[horizon])
        active, phases = played.outcome["active"], played.outcome["phases"]
        lost = gaps[active].min() > 1e-12 or (gaps[active] > 4 * 2.0**-phases + 1e-12).any()
        failed += bool(lost and phases > 0) or played.metrics["regret"][-1] > bound
    assert not too_often(failed, RUNS, delta)


def test_the_check_of_the_bound_would_catch_a_policy_that_does_not_learn():
    arms = LinearArms([[1.0], [-1.0]], [0.5], sigma=0.1)
    bound = phased_elimination_bound(30_000, 2, 1, 0.3, 0.1, 1.0)
    assert too_often((regrets(UNIFORM, arms, 30_000, RUNS, 0) > bound).sum(), RUNS, 0.3)


def test_the_bound_by_hand():
    # Phase 1: 2 * 0.25 * 3 * 1.001 * 4 * ln(20 * 2 / 0.1) + 20 rounds at gap 1, then the rest at 8 / 4 capped by 1.
    first = 6.006 * math.log(400) + 20
    assert phased_elimination_bound(40, 20, 3, 0.1, 0.5, 0.7) == pytest.approx(0.7 * 40, rel=1e-14)
    assert phased_elimination_bound(70, 20, 3, 0.1, 0.5, 5.0) == pytest.approx(
        5 * first + 2.0 * (70 - math.ceil(first)), rel=1e-14
    )
    growth = [phased_elimination_bound(4**p, 20, 3, 4.0**-p, 0.5, 1.0) for p in range(10, 20)]
    slopes = np.diff(np.log(growth)) / math.log(4)
    assert (slopes > 0.45).all()
    assert (slopes < 0.6).all()


def test_kernels_and_their_sources_agree():
    for features in (np.eye(3), np.ones((3, 2)), np.zeros((2, 1)), on_a_sphere(5, 2, 0)):
        arms = LinearArms(features, np.linspace(0.4, 0.1, features.shape[1]), sigma=0.1)
        for world in (arms, DelayedFeedback(arms, 30)):
            fast = PhasedElimination(0.1).run(world, 1500, generator(4))
            slow = interpreted_all_the_way(
                lambda world=world: PhasedElimination(0.1).run(world, 1500, generator(4), compiled=False)
            )
            assert fast.equals(slow)


@pytest.mark.parametrize("delay", [1, 40, 500])
def test_late_rewards_only_make_phases_longer(delay):
    arms = LinearArms(np.eye(3), [0.1, 0.9, 0.3], sigma=0.05)
    run = PhasedElimination(0.05).run(DelayedFeedback(arms, delay), 8000, generator(2))
    assert run.outcome["active"].tolist() == [1]
    assert run.outcome["pulls"][1] > 8000 - 5 * (delay + 100)


def test_a_unit_of_the_features_does_not_matter():
    features, theta = on_a_sphere(6, 3, 1), np.array([0.4, -0.2, 0.1])
    runs = [
        PhasedElimination(0.5).run(LinearArms(features * unit, theta / unit), 5000, generator(3), checkpoints=[5000])
        for unit in (1.0, 2.0**300, 2.0**-300)
    ]
    assert runs[0].outcome["pulls"].tolist() == runs[1].outcome["pulls"].tolist() == runs[2].outcome["pulls"].tolist()


def test_next_to_no_noise_is_no_trouble():
    arms = LinearArms([[1.0], [1.0], [0.5]], [0.5], sigma=0.0)
    run = PhasedElimination(1e-200).run(arms, 3000, generator())
    assert run.outcome["active"].tolist() == [0, 1]
    assert run.metrics["regret"][-1] < 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PhasedElimination(noise=0.0), "PhasedElimination: noise = 0.0"),
        (lambda: PhasedElimination(delta=1.0), "PhasedElimination: delta = 1.0"),
        (lambda: PhasedElimination().run(BernoulliArms([0.5]), 5, generator()), "features that stay; these have none"),
        (lambda: PhasedElimination().run(LinearContexts([1.0], 2), 5, generator()), "features that stay"),
        (lambda: phased_elimination_bound(0, 2, 1), "horizon"),
        (lambda: phased_elimination_bound(10, 2, 1, delta=1.0), "delta: 1.0 is not a number in"),
        (lambda: phased_elimination_bound(10, 2, 1, noise=-1.0), "noise"),
        (lambda: phased_elimination_bound(10, 2, 1, largest_gap=0.0), "largest_gap"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
