"""Best arms with a fixed budget: transcripts against slow references, the contract of a run, bounds, refusals."""

import dataclasses
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from bandits import (
    DPBAI,
    DPOD,
    BudgetError,
    DPBAIGauss,
    DPSequentialHalving,
    DPSuccessiveRejects,
    DPUniformAllocation,
    ODLinBAI,
    SequentialHalving,
    SuccessiveRejects,
    UniformAllocation,
    error_rate,
    phase_log,
    rejects_schedule,
    sequential_halving_bound,
    successive_rejects_bound,
    uniform_allocation_bound,
)
from bandits.fixed_budget import _keep_best
from simulators import (
    BernoulliArms,
    BernoulliLinearArms,
    BetaArms,
    BetaLinearArms,
    RewardTable,
    unstructured_instance,
)
from tests.reference import best_arm as reference

CLASSICAL = (UniformAllocation(), SuccessiveRejects(), SequentialHalving(), SequentialHalving(accumulate=True))
PRIVATE = (
    *(DPUniformAllocation(0.5), DPSuccessiveRejects(0.5), DPSequentialHalving(0.5)),
    *(DPSequentialHalving(0.5, "discrete_laplace"), DPBAI(0.5), DPBAI(0.5, rounding="ceil"), DPBAIGauss(0.5, 0.1)),
    *(DPOD(0.5), DPOD(0.5, "theta"), DPOD(0.5, "means")),
)
POLICIES = (*CLASSICAL, ODLinBAI(), *PRIVATE)
seeds = st.integers(0, 2**32)


def generator(seed=0):
    return np.random.default_rng(seed)


def sets(run):
    """The arms before each phase, and after the last."""
    return [np.flatnonzero(active).tolist() for active in run.outcome["active"]]


@settings(max_examples=40)
@given(seeds, st.integers(2, 9), st.integers(0, 60))
def test_on_a_table_halving_and_rejects_do_as_their_references(seed, n_arms, more):
    budget = n_arms * math.ceil(math.log2(n_arms)) + more
    # A few values only: ties are common.
    table = generator(seed).integers(0, 3, size=(n_arms, budget)) / 2
    arms = RewardTable(table)
    for accumulate in (False, True):
        run = SequentialHalving(accumulate).run(arms, budget, generator())
        assert sets(run) == reference.sequential_halving(table.tolist(), budget, accumulate)
    if budget > n_arms:
        assert sets(SuccessiveRejects().run(arms, budget, generator())) == reference.successive_rejects(
            table.tolist(), budget
        )
    pulls = budget // n_arms
    run = UniformAllocation().run(arms, budget, generator())
    assert run.outcome["arm"] == np.argmax(table[:, :pulls].sum(axis=1))
    assert run.outcome["pulls"].tolist() == [pulls] * n_arms


@given(st.sampled_from([1, 2, 39, 40, 41, 60, 150]), st.integers(1, 6), seeds)
def test_the_first_of_the_best_stay_however_many_are_equal(n_arms, values, seed):
    rng = generator(seed)
    estimates, keep = rng.integers(-1, values, n_arms) / 2, int(rng.integers(1, n_arms + 1))
    survivors = np.empty(keep, dtype=np.int64)
    _keep_best(estimates, np.arange(n_arms), survivors)
    assert survivors.tolist() == reference.best_of(dict(enumerate(estimates)), keep)


def test_the_schedules_of_the_specification():
    assert rejects_schedule(4, 100) == [16, 21, 31]
    assert rejects_schedule(10, 2000) == [82, 92, 103, 118, 137, 164, 205, 274, 410]
    for n_arms, budget, total in ((4, 100, 99), (10, 2000, 1995)):
        run = SuccessiveRejects().run(unstructured_instance(n_arms=n_arms), budget, generator())
        assert run.outcome["pulls"].sum() == total
    for n_arms, budget, rounds in (
        (10, 1000, [(10, 25), (5, 50), (3, 83), (2, 125)]),
        (7, 100, [(7, 4), (4, 8), (2, 16)]),
    ):
        run = SequentialHalving().run(unstructured_instance(n_arms=n_arms), budget, generator())
        assert [(phase.active.size, phase.pulls[0]) for phase in phase_log(run)] == rounds
        assert run.outcome["pulls"].sum() == sum(size * pulls for size, pulls in rounds)


@settings(max_examples=25)
@given(seeds, st.integers(2, 12), st.integers(1, 4), st.integers(0, 400))
def test_a_run_keeps_to_its_budget_and_its_log_adds_up(seed, n_arms, dimension, more):
    rng = generator(seed)
    features = rng.random((n_arms, dimension))
    budget = 160 + n_arms * n_arms * 5 + more
    # A table that is exactly as long as the budget would notice a reward that is read twice.
    arms = RewardTable(rng.integers(0, 2, size=(n_arms, budget)), features)
    for policy in POLICIES:
        run = policy.run(arms, budget, generator(seed))
        pulls, log = run.outcome["pulls"], phase_log(run)
        assert pulls.sum() <= budget
        assert run.outcome["phase_pulls"].sum(axis=0).tolist() == pulls.tolist()
        assert run.rounds[-1] == pulls.sum()
        assert run.metrics["active_arms"][-1] == 1
        assert run.metrics["error"].shape == run.rounds.shape
        assert log[0].active.tolist() == list(range(n_arms))
        assert log[-1].survivors.tolist() == [run.outcome["arm"]]
        assert run.outcome["error"] == float(arms.means[run.outcome["arm"]] < arms.means.max() - 1e-12)
        for phase in log:
            assert set(phase.pulled) <= set(phase.active)
            keep = phase.survivors.size
            order = sorted(range(phase.active.size), key=lambda i, e=phase.estimates: (-e[i], i))
            assert phase.survivors.tolist() == sorted(phase.active[order[:keep]].tolist())
        assert pickle.loads(pickle.dumps(run)).equals(run)


@pytest.mark.parametrize("policy", POLICIES)
def test_one_arm_needs_no_pull(policy):
    run = policy.run(BernoulliLinearArms([[0.5]], [1.0]), 1, generator())
    assert run.outcome["arm"] == 0
    assert run.outcome["error"] == 0
    assert run.outcome["pulls"].tolist() == [0]
    assert run.rounds.size == 0
    assert phase_log(run) == ()


@given(seeds, st.permutations(range(5)))
def test_renaming_arms_renames_the_answer(seed, names):
    table = generator(seed).random((5, 200))
    for policy in CLASSICAL:
        arm = policy.run(RewardTable(table), 200, generator()).outcome["arm"]
        renamed = policy.run(RewardTable(table[list(names)]), 200, generator()).outcome["arm"]
        assert names[renamed] == arm


@pytest.mark.parametrize("policy", [SequentialHalving(), DPSuccessiveRejects(0.3), DPBAI(0.3), ODLinBAI()])
def test_arms_of_ones_own_without_features_or_sums_are_played(policy):
    means = [0.8, 0.1, 0.2]
    mine = policy.run(BernoulliArms(means), 3000, generator(1))
    assert mine.outcome["arm"] == 0
    slow = policy.run(BernoulliArms(means), 300, generator(1), compiled=False)
    assert policy.run(BernoulliArms(means), 300, generator(1)).equals(slow)


class Given:
    """Arms that pay what they are told."""

    def __init__(self, *rewards):
        self.means = np.array([0.5] * len(rewards))
        self.rewards = np.array(rewards, dtype=float)

    def parameters(self):
        return self.rewards

    def kernel(self):
        return pay


def pay(params, arm, rng):
    return params[arm]


@pytest.mark.parametrize("reward", [-0.1, 1.1, math.nan, math.inf])
def test_private_policies_refuse_or_clip_rewards_out_of_range(reward):
    arms = Given(0.5, reward)
    for policy in (DPSequentialHalving(1.0), DPBAI(1.0)):
        with pytest.raises(ValueError, match=r"^rewards: one is NaN or outside \[0, 1\]"):
            policy.run(arms, 100, generator(), compiled=False)
    clipping = DPSequentialHalving(math.inf, out_of_range="clip")
    if math.isnan(reward):
        with pytest.raises(ValueError, match=r"^rewards: "):
            clipping.run(arms, 100, generator(), compiled=False)
        with pytest.raises(ValueError, match=r"^rewards: "):
            SequentialHalving().run(arms, 100, generator(), compiled=False)
    else:
        run = clipping.run(arms, 100, generator(), compiled=False)
        assert run.outcome["estimates"][0].tolist() == [0.5, min(max(reward, 0.0), 1.0)]
        assert SequentialHalving().run(arms, 100, generator(), compiled=False).outcome["estimates"][
            0, 1
        ] == pytest.approx(reward)
        table = RewardTable([[0.5] * 50, [min(max(reward, -9.0), 9.0)] * 50])
        with pytest.raises(ValueError, match=r"^rewards: "):
            DPBAI(1.0).run(table, 100, generator())
        assert DPBAI(math.inf, out_of_range="clip").run(table, 100, generator()).outcome["estimates"][0, 0] == 0.5


@pytest.mark.parametrize("policy", POLICIES)
def test_a_budget_that_is_too_small_says_what_would_do(policy):
    arms = BernoulliLinearArms(np.eye(5), [0.9, 0.1, 0.2, 0.3, 0.4])
    with pytest.raises(BudgetError, match=f"{type(policy).__name__}; [0-9]+ or more are enough") as caught:
        policy.run(arms, 3, generator())
    enough = caught.value.minimum
    assert policy.run(arms, enough, generator()).outcome["pulls"].sum() <= enough
    with pytest.raises(BudgetError):
        policy.run(arms, enough - 1, generator())


@pytest.mark.parametrize("n_arms", [2, 3, 4, 5, 9, 14])
def test_private_rejects_names_the_budget_from_which_on_all_work(n_arms):
    def refused(budget):
        try:
            DPSuccessiveRejects(1.0).plan(None, n_arms, budget)
        except BudgetError as error:
            named.add(error.minimum)
            return True
        return False

    named: set[int] = set()
    log_bar = 0.5 + sum(1 / i for i in range(2, n_arms + 1))
    last = max(budget for budget in range(1, math.ceil(n_arms + log_bar * n_arms**2) + 10) if refused(budget))
    assert named == {last + 1}


def test_discrete_noise_refuses_rewards_that_are_not_0_or_1():
    fractions = (BetaArms([2, 3], [3, 2]), BetaLinearArms(np.eye(2), [0.4, 0.6]), RewardTable([[1, 0.5] * 10] * 2))
    for arms in (*fractions, Given(0.0, 1.5), Given(1.0, math.nan)):
        for policy in (DPUniformAllocation(5.0, "discrete_laplace"), DPBAI(5.0, "discrete_laplace")):
            for out_of_range in ("raise", "clip"):
                refusing = dataclasses.replace(policy, out_of_range=out_of_range)
                with pytest.raises(
                    ValueError, match=r"^rewards: one is not 0 or 1, which discrete Laplace noise needs"
                ):
                    refusing.run(arms, 40, generator())
    bits = RewardTable([[1, 0] * 10, [0, 0.5] * 10])  # the 0.5 is never read
    for arms in (BernoulliArms([0.4, 0.6]), Given(1.0, 0.0), bits):
        run = DPUniformAllocation(5.0, "discrete_laplace").run(arms, 2 if arms is bits else 40, generator())
        sums = run.outcome["estimates"][0] * run.outcome["phase_pulls"][0]
        assert sums == pytest.approx(np.rint(sums), abs=1e-9)


def test_discrete_noise_needs_a_budget_of_privacy_that_it_can_draw():
    for policy in (DPUniformAllocation, DPSuccessiveRejects, DPSequentialHalving, DPBAI):
        with pytest.raises(ValueError, match=r"epsilon: 1e-20 is outside \[1e-15, inf\]"):
            policy(1e-20, "discrete_laplace")
        policy(1e-15, "discrete_laplace")
        policy(1e-20)


class SummedWithoutSupport(Given):
    """Sums that fit [0, 1] although single rewards do not, and no word on single rewards."""

    def sum_kernel(self):
        return pay_first_twice


def pay_first_twice(params, arm, first, count, rng):
    total = 0.0
    for i in range(first, first + count):
        total += 2.0 * params[arm] if i % 2 == 0 else 0.0
    return total


def test_sums_do_not_hide_single_rewards_out_of_range():
    table = RewardTable([[1.5, -0.5, 1.5, -0.5], [0.2, 0.3, 0.2, 0.3]])
    assert (table.support, table.binary_rewards) == ((-0.5, 1.5), False)
    for arms in (table, SummedWithoutSupport(0.75, 0.2)):
        with pytest.raises(ValueError, match=r"^rewards: one is NaN or outside \[0, 1\]"):
            DPBAI(1.0).run(arms, 4, generator())
    # Out of range only where nothing is read: each phase goes on where the one before ended.
    rows = [[0.9, 0.8, 0.7, 0.6, 0.5, 5.0], [0.1, 0.2, 0.3, 0.4, 0.5, 5.0], [0.0, 0.1, 0.2, 0.3, 0.4, 5.0]]
    log = phase_log(DPBAI(math.inf).run(RewardTable(rows), 12, generator()))
    assert log[0].estimates == pytest.approx([0.85, 0.15, 0.05])
    assert log[1].estimates == pytest.approx([0.6, 0.4])


@pytest.mark.parametrize("value", ["no", 1, 0.0, None])
def test_what_is_no_truth_value_is_refused(value):
    with pytest.raises(ValueError, match="accumulate = "):
        SequentialHalving(value)


@pytest.mark.parametrize("horizon", [0, -1, 3.5, True, "9", None, math.nan])
def test_what_is_no_budget_is_refused(horizon):
    with pytest.raises(ValueError, match=r"^horizon: "):
        SequentialHalving().run(unstructured_instance(), horizon, generator())


def test_bad_arguments_are_named():
    arms = unstructured_instance()
    with pytest.raises(ValueError, match=r"^rng: 1 is not"):
        SequentialHalving().run(arms, 100, 1)
    with pytest.raises(ValueError, match="epsilon = nan"):
        DPSequentialHalving(math.nan)
    with pytest.raises(ValueError, match="mechanism = 'gauss'"):
        DPSequentialHalving(1.0, "gauss")
    with pytest.raises(ValueError, match="noise = 'rewards'"):
        DPOD(1.0, "rewards")

    class Misfit(Given):
        features = np.eye(3)

    with pytest.raises(ValueError, match=r"^features: must be a finite matrix with 2 rows"):
        SequentialHalving().run(Misfit(0.5, 0.4), 100, generator())


# Bounds, where they say something: exact binomial tests at 1e-9.

MEANS = st.sampled_from([(0.7, 0.4, 0.4), (0.9, 0.5, 0.3, 0.2), (0.6, 0.3, 0.3, 0.3, 0.3, 0.2), (0.35, 0.75)])


@pytest.mark.guarantee("uniform_allocation_bound", "successive_rejects_bound", "sequential_halving_bound")
@settings(max_examples=12)
@given(MEANS, st.sampled_from([60, 150, 400, 800]), seeds)
def test_errors_stay_below_their_bounds(means, budget, seed):
    gaps, runs = max(means) - np.array(means), 2000
    arms = BernoulliLinearArms(np.eye(len(means)), means)
    for policy, bound in (
        (UniformAllocation(), uniform_allocation_bound(gaps, budget)),
        (SuccessiveRejects(), successive_rejects_bound(gaps, budget)),
        (SequentialHalving(), sequential_halving_bound(gaps, budget)),
    ):
        errors = error_rate(policy, arms, budget, runs, seed, workers=1).errors
        assert binom.sf(errors - 1, runs, bound) >= 1e-9


def test_bounds_by_hand():
    assert uniform_allocation_bound([0, 0.1, 0.2], 300) == pytest.approx(math.exp(-1) + math.exp(-4))
    log_bar = 0.5 + 0.5 + 1 / 3
    assert successive_rejects_bound([0.3, 0, 0.2], 900) == pytest.approx(3 * math.exp(-897 / (log_bar * 50)))
    assert sequential_halving_bound([0, 0.3, 0.2, 0.5], 4000) == pytest.approx(6 * math.exp(-4000 / (16 * 50)))
    for bound in (successive_rejects_bound, sequential_halving_bound):
        assert bound([0, 1e-200], 100) == 1.0
        for gaps in ([0], [0, 0], [0.1, 0.2], [0, math.nan], [0, 1.5], [[0, 0.1]], [-0.1, 0]):
            with pytest.raises(ValueError, match=r"^gaps: "):
                bound(gaps, 100)


def test_more_budget_means_fewer_errors():
    arms = unstructured_instance("one sparse", 6)
    for policy in (UniformAllocation(), SuccessiveRejects(), SequentialHalving(), DPSequentialHalving(0.2)):
        few, more = (error_rate(policy, arms, budget, 4000, workers=1).rate for budget in (600, 3000))
        assert more < few - 0.05


@pytest.mark.parametrize("policy", [SequentialHalving(), DPSequentialHalving(0.5)])
def test_bernoulli_arms_with_and_without_features_draw_the_same_sums(policy):
    means = [0.9, 0.5, 0.4, 0.3]
    plain = policy.run(BernoulliArms(means), 400, generator(3))
    linear = policy.run(BernoulliLinearArms(np.eye(4), means), 400, generator(3))
    assert np.array_equal(plain.outcome["estimates"], linear.outcome["estimates"], equal_nan=True)
    assert plain.outcome["pulls"].tolist() == linear.outcome["pulls"].tolist()
