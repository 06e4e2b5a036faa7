"""Tallying worlds: tallies, losses, the best sequences, repeated exposure optimality, what is refused."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandits import FixedSequence, RoundRobin, constant_action_excess_bound
from simulators import (
    ExponentialCurve,
    MeasuredCurve,
    StepCurve,
    TallyingArms,
    WaveCurve,
    diagnose,
    long_run_loss,
    optimal_losses,
    optimal_sequence,
)
from simulators.tallying_optimum import attainable_tallies
from tests.reference import tallying as reference
from tests.test_twins import interpreted_all_the_way

seeds = st.integers(0, 10**6)
small = (st.integers(1, 3), st.integers(1, 4), seeds)


def generator(seed=0):
    return np.random.default_rng(seed)


def random_weighted(n_arms, memory, seed):
    """Random weights, some of them 0, and random curves."""
    rng = generator(seed)
    weights = rng.random((n_arms, memory)) * (rng.random((n_arms, memory)) < 0.8)
    kinds = [
        lambda: StepCurve(rng.random(), rng.random(), rng.random() * 2),
        lambda: ExponentialCurve(rng.random(), rng.random(), 0.1 + rng.random()),
        lambda: WaveCurve(0.5, rng.random(), 0.3 + rng.random(), rng.random()),
        lambda: MeasuredCurve([0.1, 0.5, 1.5], rng.random(3)),
    ]
    return TallyingArms([kinds[int(rng.integers(4))]() for _ in range(n_arms)], weights, optimum="none")


def random_arms(n_arms, memory, seed):
    if seed % 2:
        return random_weighted(n_arms, memory, seed)
    return TallyingArms.random_table(n_arms, memory, generator(seed), reo=False)


def rows_of(arms):
    return np.broadcast_to(arms.weights, (arms.n_arms, arms.memory)).tolist()


def test_the_tallies_of_the_specification():
    arms = TallyingArms([MeasuredCurve([0.0, 2.0], [0.0, 1.0])] * 2, [1.0, 0.5, 0.25], optimum="none")
    assert (2 * arms.losses_of([0, 0, 1, 0, 0])).tolist() == [1.0, 1.5, 1.0, 1.25, 1.5]


@settings(max_examples=60)
@given(st.integers(1, 4), st.integers(1, 7), seeds, st.integers(0, 40))
def test_losses_follow_the_tallies_summed_up_directly(n_arms, memory, seed, length):
    arms = random_arms(n_arms, memory, seed)
    actions = generator(seed).integers(0, n_arms, length)
    if seed % 3 == 0:  # long runs
        actions = np.repeat(actions, 5)[:length]
    expected = reference.losses_of(lambda arm, y: arms.loss(arm, y), rows_of(arms), actions.tolist())
    steps = any(isinstance(curve, StepCurve) for curve in arms.mean_losses)
    if not steps:  # sums in another order may fall on the other side of a step
        assert arms.losses_of(actions) == pytest.approx(expected, abs=1e-9)
    else:
        assert np.mean(np.abs(arms.losses_of(actions) - expected) < 1e-9) > 0.9 if length else True


@given(st.integers(1, 3), st.integers(1, 6), seeds)
def test_after_m_plays_in_a_row_the_tally_is_full_to_the_last_bit(n_arms, memory, seed):
    weights = generator(seed).random(memory)
    full = float(np.cumsum(weights)[-1])
    arms = TallyingArms([StepCurve(1.0, 0.0, full)] * n_arms, weights, optimum="none")
    before = generator(seed).integers(0, n_arms, 20)
    actions = [*before, *([n_arms - 1] * memory)]
    assert arms.losses_of(actions)[-1] == 0.0
    assert arms.full_losses.tolist() == [0.0] * n_arms


@settings(max_examples=60)
@given(*small, st.integers(1, 6))
def test_dynamic_programming_finds_the_best_of_all_sequences(n_arms, memory, seed, horizon):
    arms = TallyingArms.random_table(n_arms, memory, generator(seed), reo=False)
    best = reference.best_sequence(lambda arm, y: arms.loss(arm, y), rows_of(arms), horizon)
    values = optimal_losses(arms, horizon)
    assert values[-1] == pytest.approx(best, abs=1e-12)
    assert (np.diff(values) >= 0).all()
    assert arms.losses_of(optimal_sequence(arms, horizon)).sum() == pytest.approx(best, abs=1e-12)


@settings(max_examples=20)
@given(*small)
def test_weighted_worlds_have_the_same_optimum(n_arms, memory, seed):
    arms = random_weighted(n_arms, memory, seed)
    every = itertools.product(range(n_arms), repeat=5)
    assert optimal_losses(arms, 5)[-1] == pytest.approx(min(arms.losses_of(word).sum() for word in every), abs=1e-12)


@given(*small, st.integers(1, 12), st.integers(1, 12))
def test_the_optimum_is_nearly_additive(n_arms, memory, seed, first, second):
    values = optimal_losses(random_arms(n_arms, memory, seed), first + second)
    overlap = min(memory - 1, second)
    assert values[-1] >= values[first - 1] + values[second - 1] - overlap - 1e-9


@given(*small)
def test_the_long_run_loss_is_the_limit_of_the_optimum(n_arms, memory, seed):
    arms = TallyingArms.random_table(n_arms, memory, generator(seed), reo=False)
    states = n_arms ** (memory - 1)
    rate, values = long_run_loss(arms), optimal_losses(arms, 400)
    assert abs(values[-1] - 400 * rate) <= memory + states
    assert rate <= arms.full_losses.min() + 1e-12


@pytest.mark.guarantee("constant_action_excess_bound")
@given(*small, st.integers(1, 40))
def test_under_repeated_exposure_the_optimum_is_between_its_bounds(n_arms, memory, seed, horizon):
    arms = TallyingArms.random_table(n_arms, memory, generator(seed))
    best, optimum = float(arms.full_losses.min()), optimal_losses(arms, horizon)[-1]
    constant = arms.constant_losses(np.array([horizon]))[arms.reo_arms()[0], 0]
    assert horizon * best - 1e-9 <= optimum <= constant + 1e-9
    assert constant <= horizon * best + min(memory - 1, horizon) * (1 - best) + 1e-9
    assert long_run_loss(arms) == pytest.approx(best, abs=1e-12)
    run = RoundRobin().run(arms, horizon, generator(seed))
    excess = run.metrics["policy_regret"][-1] - run.metrics["constant_action_regret"][-1]
    assert -1e-9 <= excess <= constant_action_excess_bound(memory, best) + 1e-9


def test_constant_sequences_are_not_enough_without_repeated_exposure():
    arms = TallyingArms.alternation()
    assert diagnose(arms) == {
        "reo_arms": [], "best_full_loss": 1.0, "slack": 1.0, "memory": 2, "full_tallies": [2.0, 2.0],
    }  # fmt: skip
    assert arms.constant_losses(np.array([10]))[:, 0].tolist() == [9.0, 9.0]
    assert optimal_losses(arms, 10)[-1] == 0.0


def test_the_needle_is_found_once_in_m_rounds_by_those_who_know_it():
    pattern = (1, 0, 1, 1)
    arms = TallyingArms.needle(pattern)
    assert arms.losses_of([0, 0, 1, 0, 0]).tolist() == [1, 1, 1, 1, 0]
    assert long_run_loss(arms) <= 1 - 1 / 5
    every = [word for word in itertools.product((0, 1), repeat=5) if arms.losses_of(word)[-1] == 0]
    assert every == [(0, 0, 1, 0, 0)]


@given(*small, st.sampled_from(["deterministic", "bernoulli", "beta", "truncated normal"]))
@settings(max_examples=20)
def test_zeros_behind_the_weights_and_scales_of_the_weights_change_nothing(n_arms, memory, seed, noise):
    rng = generator(seed)
    weights, rates = rng.random(memory), 0.2 + rng.random(n_arms)
    # A world of memory 1 with unit weights would be played by another kernel.
    weights[0] = 0.75
    curves = [ExponentialCurve(0.9, 0.2, float(rate)) for rate in rates]
    wide = [ExponentialCurve(0.9, 0.2, 4 * float(rate)) for rate in rates]
    worlds = (
        TallyingArms(curves, weights, noise=noise),
        TallyingArms(curves, np.r_[weights, 0.0, 0.0], noise=noise),
        TallyingArms(wide, 4 * weights, noise=noise),
    )
    actions = rng.integers(0, n_arms, 60)
    runs = [FixedSequence(actions).run(world, 60, generator(seed), realised=True) for world in worlds]
    for other in runs[1:]:
        assert other.metrics["policy_regret"] == pytest.approx(runs[0].metrics["policy_regret"], abs=1e-9)
        assert other.outcome["reward"] == pytest.approx(runs[0].outcome["reward"], abs=1e-9)
    assert worlds[1].memories.tolist() == worlds[0].memories.tolist()


@pytest.mark.parametrize("noise", ["bernoulli", "beta", "truncated normal", "deterministic"])
@pytest.mark.parametrize("spread", [0.01, 5.0])
def test_noise_keeps_the_mean_and_the_range(noise, spread):
    means = np.array([[0.0], [0.03], [0.4], [0.97], [1.0]])
    arms = TallyingArms(means, [1.0], noise=noise, spread=spread)
    count, pull, world = 20_000, arms.kernel(), arms.round_kernels().start(arms.parameters(), None)
    rng = generator(3)
    for arm, mean in enumerate(means[:, 0]):
        losses = 1 - np.array([pull(world, arm, rng) for _ in range(count)])
        assert losses.min() >= 0
        assert losses.max() <= 1
        assert abs(losses.mean() - mean) <= math.sqrt(math.log(2e9) / (2 * count))
        if noise == "deterministic":
            assert (np.abs(losses - mean) < 1e-15).all()


def test_attainable_tallies_are_sums_of_the_first_weight_and_any_of_the_others():
    arms = TallyingArms([StepCurve(1.0, 1.0)], [1.0, 0.5, 0.25], optimum="none")
    assert set(attainable_tallies(arms, 0).tolist()) == {1.0, 1.25, 1.5, 1.75}


@given(*small)
def test_the_smallest_loss_decides_whether_exposure_is_optimal(n_arms, memory, seed):
    arms = random_weighted(n_arms, memory, seed)
    smallest = min(arms.loss(arm, y) for arm in range(n_arms) for y in attainable_tallies(arms, arm))
    slack = arms.full_losses.min() - smallest
    assert arms.reo_slack() == pytest.approx(max(0.0, slack), abs=1e-9)
    expected = [arm for arm in range(n_arms) if arms.full_losses[arm] <= smallest + 1e-12]
    assert arms.reo_arms() == expected


def test_worlds_play_the_same_bits_compiled_and_interpreted():
    rng = generator(5)
    actions = rng.integers(0, 3, 300)
    policy = FixedSequence(actions)
    for arms in (
        TallyingArms.random_table(3, 4, generator(1)),
        TallyingArms.habituation(3, 6, generator(2)),
        TallyingArms.decoy(3, 0.9 ** np.arange(5)),
        TallyingArms([WaveCurve(0.5, 0.3, 2.0)] * 3, [1, 0.5, 0.2], noise="beta", optimum="none"),
        TallyingArms([MeasuredCurve([1, 2], [0.8, 0.1])] * 3, [1, 0.5, 0.2], noise="truncated normal", spread=0.2),
    ):
        fast = policy.run(arms, 300, generator(6), realised=True)
        slow = interpreted_all_the_way(
            lambda arms=arms: policy.run(arms, 300, generator(6), realised=True, compiled=False)
        )
        assert fast.equals(slow)
    arms = TallyingArms.random_table(3, 4, generator(7), reo=False)
    fast = (optimal_losses(arms, 30), optimal_sequence(arms, 30), long_run_loss(arms), arms.losses_of(actions))
    slow = interpreted_all_the_way(
        lambda: (optimal_losses(arms, 30), optimal_sequence(arms, 30), long_run_loss(arms), arms.losses_of(actions))
    )
    for one, other in zip(fast, slow, strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TallyingArms([[0.5, 1.2]], [1, 1]), "mean_losses = .*the loss of arm 0 at tally 2 is 1.2, outside"),
        (lambda: TallyingArms([[0.5, math.nan]], [1, 1]), "the loss of arm 0 at tally 2 is nan"),
        (lambda: TallyingArms([[0.5, 0.2]], [1]), "mean_losses: has 2 columns for a memory of 1"),
        (lambda: TallyingArms([[0.5, 0.2]], [1, 0.5]), "a table of losses needs weights that are all 1"),
        (lambda: TallyingArms([], [1.0]), "mean_losses = .*shape"),
        (lambda: TallyingArms([[0.5]], []), "weights = .*non-empty"),
        (lambda: TallyingArms([[0.5]], [-1.0]), "weights = .*entry .* is -1.0; every entry must be finite and >= 0"),
        (lambda: TallyingArms([[0.5]], [math.inf]), "weights = .*is inf"),
        (lambda: TallyingArms([StepCurve(0, 1, 2)], [[1.0, 1.0], [1.0, 1.0]]), "weights: has 2 rows for 1 arms"),
        (lambda: TallyingArms([ExponentialCurve(1, 0, 0.5, start=3)], [1.0]), "loss of arm 0 at tally 1 is .*outside"),
        (lambda: TallyingArms([[0.0, 1.0]], [1, 1]), "no arm is optimal under repeated exposure .*falls 1 short"),
        (lambda: TallyingArms([[0.5]], [1], noise="normal"), "noise = 'normal'"),
        (lambda: TallyingArms([[0.5]], [1], spread=0.0), "spread = 0.0"),
        (lambda: StepCurve(1.5, 0.0), "below = 1.5"),
        (lambda: MeasuredCurve([1, 1], [0, 1]), "tallies = .*increase strictly"),
        (lambda: MeasuredCurve([1, 2], [0, 1, 1]), "losses = .*must have 2 entries"),
        (lambda: TallyingArms.all_or_nothing(0, 3), "n_arms"),
        (lambda: TallyingArms.all_or_nothing(3, 3, good=3), "arm: 3 is outside 0..2"),
        (lambda: TallyingArms.all_or_nothing(2.5, 3), "n_arms: 2.5 is not a whole number"),
        (lambda: TallyingArms.all_or_nothing(True, 3), "n_arms: True is not a whole number"),
        (lambda: TallyingArms.needle([0, 2]), "pattern"),
        (lambda: TallyingArms.habituation(2, 3, generator(), forgetting=0.0), "forgetting"),
        (lambda: TallyingArms.practice(2, [1.0], 3), "rng: 3 is not a numpy.random.Generator"),
        (lambda: TallyingArms.alternation().losses_of([0, 2]), r"actions: an arm is outside 0\.\.1"),
        (lambda: TallyingArms.alternation().losses_of([0.5]), "actions"),
        (lambda: optimal_losses(TallyingArms.alternation(), 0), "horizon"),
        (lambda: optimal_losses(TallyingArms.stationary(10, 10), 5), r"K\^m = 10,000,000,000"),
        (lambda: long_run_loss(TallyingArms.stationary(10, 10)), "states"),
        (
            lambda: TallyingArms([WaveCurve(0.5, 0.4, 3.0)], 0.9 ** np.arange(30)),
            r"weights: 30 of them make more than 2\^22 tallies",
        ),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
