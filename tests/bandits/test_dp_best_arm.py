"""DP-BAI and DP-OD: schedules, transcripts, identities, equivariance, exact laws, privacy."""

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from algos import audit, g_optimal_design, gaussian_sigma
from bandits import (
    DPBAI,
    DPOD,
    DPBAIGauss,
    DPSequentialHalving,
    ODLinBAI,
    elimination_law,
    error_rate,
    max_det_error,
    od_schedule,
    phase_log,
    preference_law,
    survivor_schedule,
    three_arm_error,
    two_arm_error,
)
from bandits.dp_best_arm import least_budget, phase_pulls
from simulators import BernoulliLinearArms, LinearContexts, RewardTable, SphereArms, pairs_instance
from tests.reference import best_arm as reference

seeds = st.integers(0, 2**32)
budgets_of_privacy = st.floats(0.05, 3)
chances = st.integers(0, 20).map(lambda twentieths: twentieths / 20)
RUNS, CHANCE = 20_000, 1e-6


def generator(seed=0):
    return np.random.default_rng(seed)


def sets(run):
    return [np.flatnonzero(active).tolist() for active in run.outcome["active"]]


# Schedules


@given(st.integers(1, 2000), st.integers(1, 200))
def test_schedules_follow_the_two_sequences(n_arms, dimension):
    sizes = survivor_schedule(n_arms, dimension)
    assert sizes == reference.schedule(n_arms, dimension)
    assert sizes[0] == n_arms
    assert sizes[-1] == 1
    assert all(after < before for before, after in itertools.pairwise(sizes))
    assert all(type(size) is int for size in sizes)
    crowded = sum(size > math.ceil(dimension**2 / 4) for size in sizes)
    assert crowded <= max(1, math.ceil(math.log2(dimension)))
    if dimension > 1:
        assert len(sizes) - 1 <= 3 * math.log2(dimension) + 2


@pytest.mark.parametrize(
    ("n_arms", "dimension", "sizes"),
    [
        (1, 7, [1]),
        (2, 2, [2, 1]),
        (30, 2, [30, 1]),
        (3, 3, [3, 2, 1]),
        (4, 4, [4, 2, 1]),
        (10, 3, [10, 5, 3, 2, 1]),
        (16, 4, [16, 7, 4, 2, 1]),
        (64, 8, [64, 28, 19, 16, 8, 4, 2, 1]),
        (256, 16, [256, 112, 76, 67, 64, 32, 16, 8, 4, 2, 1]),
    ],
)
def test_the_schedules_of_the_specification(n_arms, dimension, sizes):
    assert survivor_schedule(n_arms, dimension) == sizes


@given(st.integers(2, 300), st.integers(1, 20), st.integers(0, 5000), st.sampled_from(["floor", "ceil"]))
def test_no_choice_of_ranks_exceeds_the_budget(n_arms, dimension, more, rounding):
    assume(dimension <= n_arms)
    sizes = survivor_schedule(n_arms, dimension)
    budget = least_budget(sizes, dimension) + more
    worst = 0
    for size in sizes[:-1]:
        used = []
        for rank in range(1, min(dimension, size) + 1):
            pulled = rank if rank * rank < size else size
            pulls = phase_pulls(sizes, dimension, budget, pulled, rounding)
            assert pulls >= 1
            used.append(pulled * pulls)
        worst += max(used)
    assert worst <= budget


# Transcripts


@settings(max_examples=25)
@given(seeds, st.integers(2, 12), st.integers(1, 4), budgets_of_privacy)
def test_whole_transcripts_follow_the_algorithm(seed, n_arms, dimension, epsilon):
    rng = generator(seed)
    features = rng.normal(size=(n_arms, min(dimension, n_arms)))
    if seed % 3 == 0:
        features[rng.integers(n_arms)] = features[0]  # a duplicate, or nothing
    best, _, volumes = reference.largest_volume(features)
    assume(sum(volume > best * (1 - 1e-6) for volume in volumes.values()) == 1 or seed % 3 == 0)
    table = rng.random((n_arms, 200))
    run = DPBAI(epsilon, max_det="exact").run(RewardTable(table, features), 200, generator(seed))
    log, last = reference.dp_bai(table.tolist(), features, 200, epsilon, generator(seed))
    assert [phase.active.tolist() for phase in phase_log(run)] == [list(active) for active, _ in log]
    assert [run.outcome["arm"]] == last
    for phase, (_, estimates) in zip(phase_log(run), log, strict=True):
        assert phase.estimates.tolist() == pytest.approx(list(estimates.values()), rel=1e-7, abs=1e-7)
        assert phase.branch == ("max-det" if phase.rank**2 < phase.active.size else "all")


@given(seeds, st.integers(2, 20), budgets_of_privacy, st.integers(0, 300))
def test_on_unit_vectors_it_is_private_sequential_halving_draw_by_draw(seed, n_arms, epsilon, more):
    theta = generator(seed).random(n_arms)
    arms = BernoulliLinearArms(np.eye(n_arms), theta)
    budget = n_arms * math.ceil(math.log2(n_arms)) + more
    for mechanism in ("laplace", "discrete_laplace"):
        ours, halving = (
            policy(epsilon, mechanism).run(arms, budget, generator(seed)) for policy in (DPBAI, DPSequentialHalving)
        )
        assert ours.outcome["estimates"].tobytes() == halving.outcome["estimates"].tobytes()
        assert sets(ours) == sets(halving)
        assert ours.outcome["pulls"].tolist() == halving.outcome["pulls"].tolist()


@given(seeds, st.integers(6, 20), budgets_of_privacy)
def test_a_change_of_coordinates_changes_nothing(seed, n_arms, epsilon):
    rng = generator(seed)
    features, change = rng.normal(size=(n_arms, 2)), rng.normal(size=(2, 2))
    assume(np.linalg.cond(change) < 100)
    volumes = sorted(reference.largest_volume(features)[2].values())
    assume(len(volumes) < 2 or volumes[-2] < volumes[-1] * (1 - 1e-6))
    table = rng.random((n_arms, 300))
    for policy in (DPBAI(epsilon, max_det="exact"), DPBAIGauss(epsilon, 0.1, max_det="exact")):
        runs = [policy.run(RewardTable(table, x), 300, generator(seed)) for x in (features, features @ change)]
        assert sets(runs[0]) == sets(runs[1])
        assert runs[0].outcome["pulls"].tolist() == runs[1].outcome["pulls"].tolist()
    first, second = (ODLinBAI().run(RewardTable(table, x), 300, generator(seed)) for x in (features, features @ change))
    known = ~np.isnan(first.outcome["estimates"])
    assert first.outcome["estimates"][known] == pytest.approx(second.outcome["estimates"][known], abs=1e-3)


@given(seeds, st.integers(2, 12), st.integers(1, 3))
def test_without_noise_a_huge_epsilon_and_an_infinite_one_agree(seed, n_arms, dimension):
    rng = generator(seed)
    arms = RewardTable(rng.random((n_arms, 300)), rng.normal(size=(n_arms, dimension)))
    world = (generator(seed), generator(seed))
    exact, nearly = (
        DPBAI(epsilon).run(arms, 300, generator(1), world=w) for epsilon, w in zip((math.inf, 1e9), world, strict=True)
    )
    assert exact.outcome["arm"] == nearly.outcome["arm"]
    for policy, private in ((ODLinBAI(), "sums"), (ODLinBAI(), "theta"), (ODLinBAI(), "means")):
        if arms.features.any():
            run = DPOD(math.inf, private).run(arms, 300, generator(seed))
            assert (
                run.outcome["estimates"].tobytes()
                == policy.run(arms, 300, generator(seed)).outcome["estimates"].tobytes()
            )


@pytest.mark.parametrize("rounding", ["floor", "ceil"])
def test_the_least_budget_is_enough_and_one_less_is_not(rounding):
    for features in (np.eye(6), np.ones((9, 1)), generator(1).normal(size=(40, 3))):
        arms = RewardTable(generator(2).random((len(features), 400)), features)
        rank = np.linalg.matrix_rank(features)
        least = least_budget(survivor_schedule(len(features), rank), rank)
        run = DPBAI(1.0, rounding=rounding).run(arms, least, generator())
        assert run.outcome["pulls"].sum() <= least
        if least > 1:
            with pytest.raises(ValueError, match=f"; {least} or more are enough"):
                DPBAI(1.0, rounding=rounding).run(arms, least - 1, generator())


@pytest.mark.parametrize(
    "features",
    [
        np.zeros((6, 2)),
        np.ones((6, 3)),
        np.eye(2)[[0, 1, 0, 1, 0, 1]],
        np.eye(6)[:, :5],
        np.eye(3, 9),
        [[1.0, 0.0]] * 2,
    ],
)
def test_degenerate_features(features):
    features = np.asarray(features, dtype=float)
    arms = RewardTable(generator(3).random((len(features), 200)), features)
    for policy in (DPBAI(1.0), DPBAIGauss(1.0, 0.1), DPOD(1.0), DPOD(1.0, "theta"), DPOD(1.0, "means"), ODLinBAI()):
        run = policy.run(arms, 200, generator())
        assert run.outcome["pulls"].sum() <= 200
        if not features.any():
            assert run.outcome["arm"] == 0
            assert run.outcome["pulls"].sum() == 0


def test_equal_arms_of_rank_one_are_a_tie_for_the_first():
    run = DPBAI(1.0).run(RewardTable(generator().random((6, 50)), np.ones((6, 2))), 50, generator())
    assert run.outcome["arm"] == 0
    assert run.outcome["branch"].tolist() == [1]


@pytest.mark.parametrize("schedule", [[5, 3], [5, 5, 1], [5, 6, 1], [], "51", [5, 1.0], [5, True], 5])
def test_schedules_that_do_not_decrease_to_one_are_refused(schedule):
    with pytest.raises(ValueError, match="DPBAI: schedule = "):
        DPBAI(1.0, schedule=schedule)


def test_a_schedule_of_ones_own_is_followed():
    run = DPBAI(1.0, schedule=[6, 5, 1]).run(BernoulliLinearArms(np.eye(6), [0.5] * 6), 100, generator())
    assert [len(active) for active in sets(run)] == [6, 5, 1]
    with pytest.raises(ValueError, match="schedule: starts with 6, but there are 5 arms"):
        DPBAI(1.0, schedule=[6, 5, 1]).run(BernoulliLinearArms(np.eye(5), [0.5] * 5), 100, generator())


def test_bad_fields_are_named():
    with pytest.raises(ValueError, match=r"epsilon: 2\.0 is above 1"):
        DPBAIGauss(2.0, 0.1, "classical")
    with pytest.raises(ValueError, match=r"delta = 1\.5"):
        DPBAIGauss(2.0, 1.5)
    with pytest.raises(ValueError, match="rounding = 'up'"):
        DPBAI(1.0, rounding="up")


# OD-LinBAI and DP-OD: least squares by hand, and the scale of the noise.


@given(seeds, st.integers(2, 9), st.integers(1, 4))
def test_a_round_of_od_lin_bai_is_least_squares_on_its_design(seed, n_arms, dimension):
    rng = generator(seed)
    features, budget = rng.normal(size=(n_arms, dimension)), 200
    table = rng.random((n_arms, budget))
    run = ODLinBAI().run(RewardTable(table, features), budget, generator())
    sizes, pulls = od_schedule(n_arms, np.linalg.matrix_rank(features), budget)
    assert [len(active) for active in sets(run)] == sizes
    phase = phase_log(run)[0]
    weights = g_optimal_design(features)
    assert phase.pulled.tolist() == np.flatnonzero(weights).tolist()
    assert phase.pulls.tolist() == np.ceil(weights[phase.pulled] * pulls).astype(int).tolist()
    rows = np.repeat(features[phase.pulled], phase.pulls, axis=0)
    rewards = np.concatenate([table[arm, :count] for arm, count in zip(phase.pulled, phase.pulls, strict=True)])
    theta = np.linalg.lstsq(rows, rewards, rcond=None)[0]
    assert phase.estimates.tolist() == pytest.approx((features @ theta).tolist(), abs=1e-7)


@pytest.mark.parametrize("noise", ["sums", "theta", "means"])
def test_the_noise_of_dp_od_hides_any_one_reward(noise):
    features = generator(6).normal(size=(7, 2))
    policy, budget = DPOD(0.7, noise), 60
    plan = policy.plan(features, 7, budget)
    design = plan.design(0, np.arange(7))
    # How far one unit in one sum can move what the noise is added to.
    moved = {"sums": np.eye(design.pulled.size), "theta": design.solve, "means": design.rows @ design.solve}[noise]
    assert design.noise_scale == pytest.approx(np.abs(moved).sum(axis=0).max() / 0.7)
    assert design.rows @ design.solve @ np.diag(design.counts) @ features[design.pulled] == pytest.approx(
        features, abs=1e-9
    )


# Exact laws, by exact binomial tests.


def agrees(errors, probability):
    return binomtest(errors, RUNS, probability).pvalue >= CHANCE


@pytest.mark.parametrize(
    ("epsilon", "value"), [(0.5, 0.106483794466), (0.1, 0.295351335024), (math.inf, 0.067078612122)]
)
def test_the_two_arm_law_of_the_specification(epsilon, value):
    assert two_arm_error([0.6, 0.5], 200, epsilon) == pytest.approx(value, abs=1e-12)


@pytest.mark.guarantee("two_arm_error")
@settings(max_examples=12)
@given(
    st.tuples(chances, chances),
    st.integers(2, 200),
    st.one_of(budgets_of_privacy, st.just(math.inf)),
    seeds,
)
def test_two_arms_err_by_the_exact_law(means, budget, epsilon, seed):
    arms = BernoulliLinearArms(np.eye(2), means)
    exact = two_arm_error(means, budget, epsilon)
    assert agrees(error_rate(DPBAI(epsilon), arms, budget, RUNS, seed, workers=1).errors, exact)
    exact = two_arm_error(means, budget, epsilon, delta=0.05)
    assert agrees(error_rate(DPBAIGauss(epsilon, 0.05), arms, budget, RUNS, seed, workers=1).errors, exact)


@pytest.mark.guarantee("three_arm_error")
@settings(max_examples=8)
@given(
    st.tuples(chances, chances, chances),
    st.integers(6, 60),
    st.one_of(budgets_of_privacy, st.just(math.inf)),
    seeds,
)
def test_three_arms_err_by_the_exact_law(means, budget, epsilon, seed):
    arms = BernoulliLinearArms(np.eye(3), means)
    exact = three_arm_error(means, budget, epsilon)
    assert agrees(error_rate(DPBAI(epsilon), arms, budget, RUNS, seed, workers=1).errors, exact)


@pytest.mark.guarantee("max_det_error")
@settings(max_examples=8)
@given(seeds, st.integers(5, 9), st.integers(1, 2), st.integers(2, 80), st.floats(0.1, 3))
def test_a_max_det_phase_errs_by_the_exact_law(seed, n_arms, rank, budget, epsilon):
    rng = generator(seed)
    features, theta = rng.random((n_arms, rank)), rng.dirichlet([1] * rank)
    exact = max_det_error(features, theta, budget, epsilon)
    arms = BernoulliLinearArms(features, theta)
    assert agrees(error_rate(DPBAI(epsilon), arms, budget, RUNS, seed, workers=1).errors, exact)


@given(st.floats(0, 1), st.integers(1, 60), st.floats(0.05, 3))
def test_the_max_det_law_in_one_dimension_in_closed_form(mean, budget, epsilon):
    exact = max_det_error([[1.0], [0.5]], [mean], budget, epsilon)
    generating = sum(
        math.comb(budget, k) * mean**k * (1 - mean) ** (budget - k) * math.exp(-epsilon * k) / 2
        for k in range(budget + 1)
    )
    assert exact == pytest.approx(generating if mean > 2e-12 else 0.0, rel=1e-9, abs=1e-15)


@given(st.lists(st.integers(0, 20), min_size=3, max_size=3), st.floats(0.05, 3))
def test_the_elimination_law_by_quadrature(sums, epsilon):
    from scipy.integrate import quad

    def density(y, c):
        return epsilon / 2 * math.exp(-epsilon * abs(y - c))

    def survival(y, c):
        return 1 - math.exp(epsilon * (y - c)) / 2 if y < c else math.exp(epsilon * (c - y)) / 2

    law = elimination_law(sums, epsilon)
    assert law.sum() == pytest.approx(1, abs=1e-12)
    ends = [min(sums) - 60 / epsilon, *sorted(set(sums)), max(sums) + 60 / epsilon]
    for arm in range(3):
        left, right = (other for other in range(3) if other != arm)

        def integrand(y, arm=arm, left=left, right=right):
            return density(y, sums[arm]) * survival(y, sums[left]) * survival(y, sums[right])

        parts = sum(quad(integrand, a, b, epsabs=1e-12)[0] for a, b in itertools.pairwise(ends))
        assert law[arm] == pytest.approx(parts, abs=1e-9)


# Privacy


@given(st.floats(0.01, 5))
def test_two_arms_are_private_by_exact_ratios_and_the_ratio_comes_near(epsilon):
    law = preference_law(np.arange(-60, 62), epsilon)
    # Small chances are accurate on the left, and the law is symmetric.
    ratios = np.diff(np.log(law[law <= 0.5]))
    assert (ratios <= epsilon * (1 + 1e-12)).all()
    assert (ratios > 0).all()
    mirrored = 1 - preference_law(-np.arange(-60, 62), epsilon)
    assert mirrored.tolist() == pytest.approx(law.tolist(), abs=1e-15)


def test_the_ratio_of_the_specification():
    low, high = preference_law([-50, -49], 0.1)
    assert high / low == pytest.approx(1.0893828, abs=1e-7)  # its logarithm is 0.856 epsilon
    low, high = preference_law([-500, -499], 0.1)
    assert 0.98 * 0.1 < math.log(high / low) < 0.1


@pytest.mark.parametrize("epsilon", [0.3, 1.0])
def test_three_arms_pass_the_audit_and_the_ratio_is_known(epsilon):
    found = audit(lambda table: elimination_law(table.sum(axis=1), epsilon), (3, 2), epsilon)
    assert found.private
    assert found.largest_delta <= 1e-12
    if epsilon == 1.0:
        assert found.largest_ratio == pytest.approx(2.588340590, abs=1e-9)


@functools.cache
def transcript_law(first, second, epsilon):
    """Probability of each pair (dropped arm, named arm) of three, from the sums of the two phases."""
    law = elimination_law(first, epsilon)
    chances = []
    for arm in range(3):
        left, right = (other for other in range(3) if other != arm)
        chosen = float(preference_law(second[left] - second[right], epsilon))
        chances += [law[arm] * chosen, law[arm] * (1 - chosen)]
    return chances


def test_fresh_rewards_keep_the_whole_transcript_private_and_reuse_does_not():
    def fresh(table):
        return transcript_law(tuple(table[:, :2].sum(axis=1)), tuple(table[:, 2:].sum(axis=1)), 1.0)

    def reused(table):
        return transcript_law(tuple(table.sum(axis=1)), tuple(table.sum(axis=1)), epsilon)

    epsilon = 1.0
    assert audit(fresh, (3, 3), 1.0).private
    found = audit(reused, (3, 2), 1.0)
    assert not found.private
    assert found.largest_ratio == pytest.approx(3.8714768902, abs=1e-9)
    assert found.largest_ratio > math.e
    assert audit(reused, (3, 2), 2 * epsilon).private  # it is 2 epsilon that two uses cost


@pytest.mark.parametrize("policy", [DPBAI(0.8), DPSequentialHalving(0.8)])
def test_the_transcripts_of_the_library_have_the_law_that_was_audited(policy):
    # Three unit vectors and a table: the frequencies of the arm that is named against the exact law.
    table = np.array([[1, 0, 1, 1, 0], [1, 1, 0, 1, 1], [0, 1, 1, 0, 1]], dtype=float)
    law = transcript_law(tuple(table[:, :2].sum(axis=1)), tuple(table[:, 2:].sum(axis=1)), 0.8)
    named = error_rate(policy, RewardTable(table, np.eye(3)), 12, RUNS, 1, workers=1).arms
    exact = [law[2] + law[4], law[0] + law[5], law[1] + law[3]]
    for arm in range(3):
        assert agrees(int((named == arm).sum()), exact[arm])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: preference_law([0, math.nan], 1.0), "difference: "),
        (lambda: preference_law(math.inf, 1.0), "difference: "),
        (lambda: elimination_law([0, 1, math.nan], 1.0), "sums: "),
        (lambda: max_det_error([[1.0], [0.5]], [1.8], 100, 1.0), r"theta: the mean of arm 0 is 1\.8"),
        (lambda: max_det_error([[1.0], [0.5]], [math.nan], 100, 1.0), "theta: the mean of arm 0 is nan"),
        (lambda: DPBAI(1.0).run(LinearContexts([0.5, 0.5], n_arms=3), 100, generator()), "arms: LinearContexts has"),
    ],
)
def test_laws_refuse_what_has_none(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()


def test_what_was_spent_is_in_the_outcome():
    arms = pairs_instance(3)
    assert DPBAI(0.5).run(arms, 300, generator()).outcome["epsilon"] == 0.5
    gauss = DPBAIGauss(0.5, 0.01)
    assert gauss.run(arms, 300, generator()).outcome["delta"] == 0.01
    assert gauss.plan(None, 4, 300).noise.scale == gaussian_sigma(0.5, 0.01)
    assert "epsilon" not in ODLinBAI().run(arms, 300, generator()).outcome


def test_hardly_any_privacy_budget_means_a_random_answer_and_no_overflow():
    arms = BernoulliLinearArms(np.eye(2), [0.9, 0.1])
    for policy in (DPBAI(1e-12), DPBAI(1e-300), DPBAI(1e-12, "discrete_laplace"), DPBAIGauss(1e-12, 1e-9)):
        assert agrees(error_rate(policy, arms, 100, RUNS, 2, workers=1).errors, 0.5)
    sphere = SphereArms(30, 3).sample(generator(1))
    for policy in (DPBAI(1e-300), DPOD(1e-300), DPOD(1e-300, "theta"), DPOD(1e-300, "means")):
        assert np.isfinite(policy.run(sphere, 500, generator()).outcome["estimates"][0]).all()
