"""SE-WTB and its rivals in tallying worlds: by the text, by blocks and step by step, within the bounds."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandits import (
    UCB1,
    BatchedEpsilonGreedy,
    BatchedExp3,
    BurnInExploreThenCommit,
    Exp3,
    FixedSequence,
    RoundRobin,
    TallyingElimination,
    all_or_nothing_lower_bound,
    tallying_elimination_bound,
    tallying_instance_bound,
    unknown_memory_lower_bound,
)
from bandits.weighted_tallying import n_phases
from simulators import BernoulliArms, DelayedFeedback, StepCurve, TallyingArms
from tests.bandits.worlds import generator, too_often
from tests.reference import tallying as reference
from tests.test_twins import interpreted_all_the_way

seeds = st.integers(0, 10**6)
RUNS = 200


def random_world(n_arms, memory, seed, noise="bernoulli"):
    """A random REO world with weights that are not all 1."""
    rng = generator(seed)
    weights = 0.3 + rng.random(memory)
    weights[0] = 0.9
    full = float(np.cumsum(weights)[-1])
    curves = [StepCurve(0.2 + 0.8 * rng.random(), 0.2 + 0.8 * rng.random(), full / 2) for _ in range(n_arms)]
    curves[0] = StepCurve(1.0, float(0.2 * rng.random()), full - 1e-9)
    return TallyingArms(curves, weights, noise=noise)


def actions_of(policy, arms, horizon, seed):
    """The arms that a policy plays, by its own functions."""
    kernels, rng = policy.kernels(), generator(seed)
    params = policy.parameters_for(arms, horizon)
    state, world = kernels.init(arms.n_arms, params), arms.round_kernels().start(arms.parameters(), None)
    pull, actions = arms.kernel(), []
    for t in range(1, horizon + 1):
        actions.append(int(kernels.select(state, params, t, rng)))
        kernels.update(state, params, t, actions[-1], pull(world, actions[-1], rng))
    return actions


@settings(max_examples=25)
@given(st.integers(1, 4), st.integers(1, 5), seeds, st.booleans(), st.sampled_from([1, 2, 7]), st.booleans())
def test_every_play_is_that_of_the_text(n_arms, memory, seed, reuse, first, per_arm):
    arms = random_world(n_arms, memory, seed)
    bounds = [memory + arm % 3 for arm in range(n_arms)] if per_arm else [memory + seed % 3] * n_arms
    policy = TallyingElimination(tuple(bounds) if per_arm else bounds[0], 0.3, first, reuse=reuse)
    rng, pull = generator(seed), arms.kernel()
    world = arms.round_kernels().start(arms.parameters(), None)
    expected = reference.elimination(
        n_arms, 600, bounds, 0.3, first, reuse, lambda t, arm, actions: 1 - pull(world, arm, rng)
    )
    assert actions_of(policy, arms, 600, seed) == expected


@given(seeds)
@settings(max_examples=10)
def test_without_memory_it_is_successive_elimination(seed):
    arms = TallyingArms.random_table(3, 1, generator(seed))
    plays = actions_of(TallyingElimination(1, 0.1, 4, reuse=False), arms, 500, seed)
    opening = plays[:12]
    assert [opening.count(arm) for arm in range(3)] == [4, 4, 4]


@pytest.mark.parametrize(
    ("bound", "first", "regret"),
    [(10, 2, 738), (40, 2, 1308), (160, 2, 3588), (10, 10, 406), (40, 40, 334), (160, 160, 1294)],
)
def test_the_values_of_the_specification(bound, first, regret):
    arms = TallyingArms.all_or_nothing(5, 10)
    policy = TallyingElimination(bound, 1e-5, first, reuse=False)
    run = policy.run(arms, 100_000, generator())
    assert run.metrics["policy_regret"][-1] == regret
    assert reference.all_or_nothing_regret(5, 10, bound, first, 100_000, 1e-5) == regret
    assert run.outcome["active"].tolist() == [0]


@settings(max_examples=20)
@given(st.integers(1, 4), st.integers(1, 5), seeds, st.integers(0, 3), st.integers(1, 800))
def test_whole_blocks_and_single_steps_are_the_same_where_nothing_is_random(n_arms, memory, seed, more, horizon):
    arms = random_world(n_arms, memory, seed, "deterministic")
    for radius in ("hoeffding", "bernstein", "kl"):
        runs = [
            TallyingElimination(memory + more, 0.2, radius=radius, blocks=blocks).run(
                arms, horizon, generator(), realised=True
            )
            for blocks in (True, False)
        ]
        assert runs[0].outcome["pulls"].tolist() == runs[1].outcome["pulls"].tolist()
        assert runs[0].outcome["phases"].tolist() == runs[1].outcome["phases"].tolist()
        for name in runs[0].metrics:
            assert runs[0].metrics[name] == pytest.approx(runs[1].metrics[name], abs=1e-8)


@pytest.mark.parametrize("noise", ["bernoulli", "beta"])
def test_whole_blocks_and_single_steps_have_the_same_law(noise):
    arms = random_world(3, 4, 5, noise)
    samples = []
    for blocks in (True, False):
        policy = TallyingElimination(4, 0.2, blocks=blocks)
        runs = [policy.run(arms, 600, generator([blocks, seed]), realised=True) for seed in range(600)]
        samples.append(
            np.array([[r.metrics["policy_regret"][-1], r.metrics["realised_policy_regret"][-1]] for r in runs])
        )
    difference = samples[0].mean(axis=0) - samples[1].mean(axis=0)
    error = np.sqrt((samples[0].var(axis=0) + samples[1].var(axis=0)) / 600)
    assert (np.abs(difference) < 5.5 * error + 1e-9).all()


def test_kernels_and_their_sources_agree():
    arms = random_world(3, 4, 1)
    policies = [TallyingElimination(5, 0.2, radius=r, blocks=b) for r in ("hoeffding", "kl") for b in (True, False)]
    policies += [TallyingElimination(5, radius="bernstein"), TallyingElimination(5, reuse=False, first_epoch=3)]
    policies += [BatchedExp3(4), BatchedExp3(4, skip_burn_in=True), BatchedEpsilonGreedy(5), BurnInExploreThenCommit(4)]
    fast = [policy.run(arms, 400, generator(3)) for policy in policies]
    slow = interpreted_all_the_way(lambda: [policy.run(arms, 400, generator(3), compiled=False) for policy in policies])
    for policy, one, other in zip(policies, fast, slow, strict=True):
        assert one.equals(other), policy


@pytest.mark.guarantee("tallying_elimination_bound", "tallying_instance_bound")
@settings(max_examples=12)
@given(
    *(st.integers(1, 5), st.integers(1, 8), seeds, st.integers(0, 10), st.sampled_from([50, 1000, 8000])),
    *(st.sampled_from([1, 2, 20]), st.booleans(), st.sampled_from([0.9, 0.05])),
)
def test_the_bounds_are_exceeded_no_more_often_than_they_may(n_arms, memory, seed, more, horizon, first, reuse, delta):
    arms = random_world(n_arms, memory, seed)
    gaps = arms.full_losses - arms.full_losses.min()
    policy = TallyingElimination(memory + more, delta, first, reuse=reuse)
    bound = tallying_elimination_bound(horizon, n_arms, memory, memory + more, delta, first, reuse=reuse)
    if not reuse:
        bound = min(bound, tallying_instance_bound(gaps, horizon, memory, memory + more, delta, first))
    above, phases = 0, n_phases(horizon, first)
    for run in range(RUNS):
        played = policy.run(arms, horizon, generator([seed, run]), checkpoints=[horizon])
        above += played.metrics["policy_regret"][-1] > bound
        assert len(played.outcome["phases"]) <= phases
    assert not too_often(above, RUNS, delta)


def test_the_check_would_catch_a_policy_that_forgets_the_memory():
    arms = random_world(3, 8, 2)
    bound = tallying_elimination_bound(200_000, 3, 8, 8, 0.05)
    assert UCB1().run(arms, 200_000, generator()).metrics["policy_regret"][-1] > bound


def test_a_memory_that_is_underestimated_loses_the_best_arm():
    arms = TallyingArms([StepCurve(1.0, 0.1, 1000 - 1e-6), StepCurve(0.5, 0.5)], np.ones(1000))
    with pytest.warns(RuntimeWarning, match="the memory of arm 0 is 1000, above memory_bound"):
        wrong = TallyingElimination(1, 1e-5).run(arms, 50_000, generator())
    assert wrong.metrics["policy_regret"][-1] > 0.39 * 50_000
    right = TallyingElimination(1000, 1e-5).run(arms, 50_000, generator())
    assert right.metrics["policy_regret"][-1] < 0.15 * 50_000


def test_bounds_on_each_arms_own_memory_save_burn_in():
    weights = np.zeros((4, 50))
    weights[:, 0], weights[0] = 1.0, 1.0
    arms = TallyingArms([StepCurve(1.0, 0.1, 50 - 1e-9), *[StepCurve(0.6, 0.6)] * 3], weights)
    assert arms.memories.tolist() == [50, 1, 1, 1]
    regrets = [
        np.mean([
            TallyingElimination(bound, 0.01, 20).run(arms, 20_000, generator(seed)).metrics["policy_regret"][-1]
            for seed in range(20)
        ])
        for bound in (50, (50, 1, 1, 1))
    ]  # fmt: skip
    assert regrets[1] < 0.75 * regrets[0]


LEARNERS = [
    *(TallyingElimination(6, 0.01), TallyingElimination(6, 0.01, 2, reuse=False, blocks=False), UCB1(), RoundRobin()),
    *(Exp3(), BatchedExp3(6), BatchedExp3(6, skip_burn_in=True), BatchedEpsilonGreedy(6), BurnInExploreThenCommit(6)),
]


@pytest.mark.slow
@pytest.mark.guarantee("all_or_nothing_lower_bound")
@settings(max_examples=20)
@given(st.sampled_from(LEARNERS), st.integers(1, 4), st.integers(2, 6), seeds)
def test_no_policy_beats_the_lower_bound_of_all_or_nothing(policy, k, m, seed):
    worlds, horizon, runs = [TallyingArms.all_or_nothing(k, m, good) for good in range(k)], 4 * k * m, 30

    def regret(world, run):
        played = policy.run(world, horizon, generator([seed, run]), checkpoints=[horizon])
        return played.metrics["policy_regret"][-1]

    with warnings.catch_warnings():  # of memory bounds below m
        warnings.simplefilter("ignore", RuntimeWarning)
        regrets = np.array([np.mean([regret(world, run) for world in worlds]) for run in range(runs)])
    bound = all_or_nothing_lower_bound(k, m) + (m - 1)  # from T h* = 0; the best sequence has a loss of m - 1
    assert regrets.mean() >= bound - 5 * regrets.std() / math.sqrt(runs) - 1e-9


def test_trying_arms_one_after_the_other_attains_the_lower_bound():
    k, m = 5, 7
    exact = [TallyingArms([*world.mean_losses], np.ones(m), noise="deterministic", optimum="none") for world in (
        TallyingArms.all_or_nothing(k, m, good) for good in range(k)
    )]  # fmt: skip
    regrets = []
    for good, world in enumerate(exact):
        actions = [*np.repeat(np.arange(good + 1), m), *[good] * (k * m)][: k * m]
        regrets.append(world.losses_of(actions).sum() - min(k * m, m - 1))
    assert np.mean(regrets) == all_or_nothing_lower_bound(k, m)


@pytest.mark.guarantee("unknown_memory_lower_bound")
@settings(max_examples=8)
@given(st.integers(1, 12), st.integers(2, 5))
def test_being_safe_for_every_memory_costs_the_largest(bound, k):
    horizon = 40 * bound
    for policy in (TallyingElimination(bound, 0.01, 1), FixedSequence([0]), UCB1(), BurnInExploreThenCommit(bound)):
        worlds = [TallyingArms.unknown_memory(k, bound)]
        worlds += [TallyingArms.unknown_memory(k, bound, good) for good in range(1, k)]
        worst = max(policy.run(world, horizon, generator()).metrics["policy_regret"][-1] for world in worlds)
        # From T h* rather than from the best sequence, policy regret is at most M - 1 larger.
        assert worst >= unknown_memory_lower_bound(k, bound, horizon)


def test_the_bounds_by_hand():
    value = tallying_elimination_bound(50_000, 5, 10, 10, 2e-5, 2, reuse=False)
    assert value == pytest.approx(11938.590921481566, rel=1e-14)
    assert n_phases(50_000, 2) == 15
    assert tallying_elimination_bound(10, 5, 10, 10) == 10
    wider = tallying_elimination_bound(10**6, 5, 10, 20, 2e-5, 2, reuse=False)
    log_term = math.log(2 * 5 * n_phases(10**6, 2) / 2e-5)
    spent = 1 + sum(min(1.0, 4 * math.sqrt(log_term / (4 * 2.0 ** (s - 2)))) for s in range(2, n_phases(10**6, 2) + 1))
    narrow = 4 * math.sqrt(2 * log_term * 5 * 10**6) + 10 + 9 * 5 * n_phases(10**6, 2)
    assert wider == pytest.approx(narrow + 10 * 5 * spent, rel=1e-12)
    assert tallying_elimination_bound(10**6, 5, 10, 20, slack=0.01) - tallying_elimination_bound(
        10**6, 5, 10, 20
    ) == pytest.approx(10**4)
    # One gap of 1 in two arms without memory: L = ln(4 S / delta), 16 L plays twice at most.
    log_term = math.log(4 * n_phases(10**5, 2) / 0.1)
    assert tallying_instance_bound([0, 1.0], 10**5, 1, 1, 0.1, 2) == pytest.approx(32 * log_term, rel=1e-12)
    assert all_or_nothing_lower_bound(5, 10) == 20
    assert unknown_memory_lower_bound(5, 10, 10_000) == 10


def test_batches_keep_to_their_arm_and_learn_its_mean():
    arms = TallyingArms.stationary(3, 2)
    committing = BurnInExploreThenCommit(4, 0.5)
    for policy, batch in ((BatchedExp3(4, 7), 7), (BatchedEpsilonGreedy(5), 5), (committing, None)):
        plays = actions_of(policy, arms, 210, 1)
        if batch:
            rows = np.array(plays).reshape(-1, batch)
            assert (rows == rows[:, :1]).all()
    params = committing.parameters_for(arms, 210)
    assert plays[: 3 * params.batch] == sorted(plays[: 3 * params.batch])
    assert len(set(plays[3 * params.batch :])) == 1
    assert FixedSequence([1, 2]).run(arms, 5, generator()).outcome["pulls"].tolist() == [0, 3, 2]


def test_batched_exp3_with_batches_of_one_is_exp3_in_law():
    arms = TallyingArms.stationary(2, 1, gap=0.4)
    means = [
        np.mean([policy.run(arms, 300, generator(seed)).metrics["policy_regret"][-1] for seed in range(400)])
        for policy in (BatchedExp3(1, 1), Exp3())
    ]
    assert means[0] == pytest.approx(means[1], abs=4.0)


def test_ordinary_arms_can_be_played_as_well():
    run = TallyingElimination(1, 0.01).run(BernoulliArms([0.2, 0.8]), 3000, generator())
    assert run.outcome["active"].tolist() == [1]
    assert list(run.metrics) == ["regret"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TallyingElimination(0), "memory_bound = 0"),
        (lambda: TallyingElimination(2.5), "memory_bound = 2.5"),
        (lambda: TallyingElimination(True), "memory_bound = True"),
        (lambda: TallyingElimination(()), "memory_bound"),
        (lambda: TallyingElimination((2, 0)), "entry 1: 0 is below 1"),
        (lambda: TallyingElimination(2, delta=0.0), "delta = 0.0"),
        (lambda: TallyingElimination(2, delta=1.0), "delta = 1.0"),
        (lambda: TallyingElimination(2, first_epoch=0), "first_epoch = 0"),
        (lambda: TallyingElimination(2, radius="chernoff"), "radius = 'chernoff'"),
        (lambda: TallyingElimination(2, sigma=-1.0), "sigma = -1.0"),
        (lambda: TallyingElimination((2, 2, 2)).run(TallyingArms.alternation(), 9, generator()), "has 3 entries for 2"),
        (lambda: TallyingElimination(2).run(TallyingArms.alternation(), 0, generator()), "horizon"),
        (
            lambda: TallyingElimination(2).run(DelayedFeedback(TallyingArms.alternation(), 2), 9, generator()),
            "these come late",
        ),
        (lambda: BatchedExp3(0), "memory_bound = 0"),
        (lambda: BatchedEpsilonGreedy(0), "batch = 0"),
        (lambda: BurnInExploreThenCommit(2, 1.0), "delta = 1.0"),
        (lambda: FixedSequence([]), "arms = "),
        (lambda: FixedSequence([-1]), "arms = "),
        (lambda: FixedSequence([0.5]), "arms = "),
        (lambda: FixedSequence([5]).run(TallyingArms.alternation(), 3, generator()), "select: returned an arm outside"),
        (lambda: tallying_elimination_bound(10, 2, 5, 4), "memory_bound: 4 is below 5"),
        (lambda: tallying_elimination_bound(10, 2, 5, 5, delta=2.0), "delta"),
        (lambda: tallying_elimination_bound(10, 2, 5, 5, slack=-1.0), "slack"),
        (lambda: unknown_memory_lower_bound(2, 5, 10), "horizon: 10 is below 15"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
