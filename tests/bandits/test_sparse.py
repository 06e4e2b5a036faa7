"""Sparse misspecified bandits: covers, every method within its bound, needles, refusals."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bandits import (
    AssumptionViolated,
    CoverElimination,
    GOptimalLeastSquares,
    IsolateAndThreshold,
    OptimisticSparseElimination,
    SparseFit,
    SupportEnumeration,
    VersionSpace,
    cover_query_bound,
    cover_size,
    elimination_gap_bound,
    isolation,
    isolation_gap_bound,
    least_squares_gap_bound,
    needle_query_bound,
    needle_success_bound,
    support_enumeration_gap_bound,
    version_space_gap_bound,
)
from bandits.sparse_cover import CoverSizeError, ball_net, build_cover, net_size
from simulators import (
    BernoulliArms,
    MisspecifiedLinearArms,
    gaussian_features,
    hadamard_features,
    polynomial_packing,
    set_packing,
    sign_features,
)
from tests.bandits.worlds import generator, too_often
from tests.reference import sparse as reference
from tests.test_twins import interpreted_all_the_way

instances = (st.integers(1, 30), st.integers(1, 5), st.integers(0, 10**6), st.sampled_from([0.1, 0.3]))
RUNS = 200


def instance(n_arms, d, seed, eps, s, sigma=0.0):
    """Unit features, a sparse theta of norm up to 1, and errors of +-eps."""
    rng = generator(seed)
    theta = np.zeros(d)
    theta[rng.permutation(d)[:s]] = rng.normal(size=s)
    theta *= rng.random() / max(np.linalg.norm(theta), 1e-12)
    signs = np.where(rng.random(n_arms) < 0.5, -eps, eps)
    return MisspecifiedLinearArms(gaussian_features(n_arms, d, rng), theta, eps, signs, sigma)


SIZES = [(1, 0.2, 7), (2, 0.2, 61), (2, 0.1, 185), (3, 0.25, 341), (3, 0.2, 619)]


@pytest.mark.parametrize(("s", "zeta", "size"), SIZES)
def test_nets_have_the_sizes_of_the_specification(s, zeta, size):
    assert net_size(s, zeta) == size == len(ball_net(s, zeta)) == len(reference.lattice_net(s, zeta))


@settings(max_examples=30)
@given(st.integers(1, 3), st.floats(0.15, 1.5), st.integers(0, 10**6))
def test_every_point_of_the_ball_is_near_the_net(s, zeta, seed):
    net, rng = ball_net(s, zeta), generator(seed)
    assert net_size(s, zeta) == len(net)
    assert np.linalg.norm(net, axis=1).max() <= 1 + 1e-12
    points = rng.normal(size=(50, s))
    points *= rng.random((50, 1)) ** (1 / s) / np.linalg.norm(points, axis=1, keepdims=True)
    distances = np.linalg.norm(points[:, None] - net[None], axis=2).min(axis=1)
    assert distances.max() <= zeta * (1 + 1e-12)


@settings(max_examples=25)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 10**6), st.integers(1, 4))
def test_a_cover_knows_the_best_arm_of_every_candidate(n_arms, d, seed, s):
    assume(s <= d)
    features = gaussian_features(n_arms, d, generator(seed))
    cover = build_cover(features, s, 0.7)
    assert cover.values.size == cover_size(d, s, 0.7)
    predicted = np.concatenate([features[:, support] @ cover.net.T for support in cover.supports], axis=1)
    assert cover.values == pytest.approx(predicted.max(axis=0), abs=1e-12)
    assert predicted[cover.arms, np.arange(cover.arms.size)] == pytest.approx(cover.values, abs=1e-12)


def test_sizes_that_are_too_large_to_count_are_bounded_by_volume():
    small = net_size(3, 0.02)
    assert 0.8 < net_size(4, 0.02) / (math.pi**2 / 2 * (1.02 / 0.02) ** 4) < 1.6
    assert small > 10**5
    assert net_size(30, 0.01) > 10**60


def test_an_oversized_cover_is_refused_before_anything_is_allocated():
    features = np.zeros((2, 200))
    with pytest.raises(CoverSizeError, match=r"max_cover: the cover has [\d,]+ candidates, more than 50,000,000"):
        next(OptimisticSparseElimination(10, 0.01).search(features))
    with pytest.raises(CoverSizeError, match="more than 100"):
        next(CoverElimination(1, 0.1, max_cover=100).search(features))


@settings(max_examples=25)
@given(*instances, st.integers(1, 2))
def test_optimistic_elimination_is_that_of_the_text(n_arms, d, seed, eps, s):
    assume(s <= d)
    arms = instance(n_arms, d, seed, eps, s)
    arm, queried = reference.optimistic_elimination(arms.features.tolist(), arms.means.tolist(), s, eps, eps)
    run = OptimisticSparseElimination(s, eps).run(arms, n_arms, generator())
    # Candidates of equal value may be met in another order, as sums round differently.
    assert run.outcome["gap"] <= 4 * eps + 1e-9
    if run.outcome["arm"] == arm:
        assert run.outcome["queries"] == len(queried)
    assert abs(run.outcome["queries"] - len(queried)) <= 2


METHODS = [
    (lambda s, eps: CoverElimination(s, eps), lambda eps, run: elimination_gap_bound(eps, eps)),
    (lambda s, eps: OptimisticSparseElimination(s, eps), lambda eps, run: elimination_gap_bound(eps, eps)),
    (
        lambda s, eps: OptimisticSparseElimination(s, eps, eps / 2, tolerance=5.0),
        lambda eps, run: elimination_gap_bound(eps, eps / 2, 0.0, 5.0),
    ),
    (lambda s, eps: OptimisticSparseElimination(s, eps / 4, doublings=6), lambda eps, run: run.outcome["bound"]),
    (lambda s, eps: SupportEnumeration(s, eps), lambda eps, run: run.outcome["bound"]),
    (lambda s, eps: GOptimalLeastSquares(eps), lambda eps, run: run.outcome["bound"]),
    (lambda s, eps: IsolateAndThreshold(s, eps), lambda eps, run: run.outcome["bound"]),
    (lambda s, eps: SparseFit(s, eps), lambda eps, run: run.outcome["bound"]),
]


@pytest.mark.guarantee(
    "elimination_gap_bound", "cover_query_bound", "least_squares_gap_bound", "support_enumeration_gap_bound",
    "isolation_gap_bound",
)  # fmt: skip
@settings(max_examples=25)
@given(*instances, st.integers(1, 2))
def test_every_method_names_an_arm_within_its_bound(n_arms, d, seed, eps, s):
    assume(s <= d)
    arms = instance(n_arms, d, seed, eps, s)
    rank = np.linalg.matrix_rank(arms.features)
    kappas = isolation(arms.features).kappas
    for make, bound in METHODS:
        policy = make(s, eps)
        run = policy.run(arms, 10**6, generator())
        if getattr(policy, "doublings", 0):
            reached = run.outcome["bound"]  # that of the eps at which the data were explained
            assert reached >= elimination_gap_bound(eps / 4, eps / 4)
            continue
        assert run.outcome["gap"] <= bound(eps, run) + 1e-9, policy
        assert run.outcome["certified"]
        assert run.outcome["queries"] <= min(n_arms, policy.planned(n_arms, d))
        if isinstance(policy, CoverElimination | OptimisticSparseElimination):
            assert run.outcome["queries"] <= cover_query_bound(n_arms, d, s, policy.zeta())
        if isinstance(policy, GOptimalLeastSquares):
            assert run.outcome["bound"] <= least_squares_gap_bound(eps, rank * 1.05 * (1 + 1e-9))
        if isinstance(policy, SupportEnumeration):
            assert run.outcome["bound"] <= support_enumeration_gap_bound(eps, s * 1.05 * (1 + 1e-9))
        if isinstance(policy, IsolateAndThreshold) and np.isfinite(kappas).all():
            assert run.outcome["bound"] == pytest.approx(isolation_gap_bound(eps, kappas, s), rel=1e-9)


@pytest.mark.guarantee("version_space_gap_bound")
@settings(max_examples=15)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 10**6), st.sampled_from([0.1, 0.3]), st.integers(1, 2))
def test_the_version_space_keeps_to_its_bound(n_arms, d, seed, eps, s):
    assume(s <= d)
    arms = instance(n_arms, d, seed, eps, s)
    run = VersionSpace(s, eps, gamma=eps / 10).run(arms, n_arms, generator())
    assert run.outcome["gap"] <= version_space_gap_bound(eps, 0.0, eps / 10) + 1e-8
    assert run.outcome["bound"] == pytest.approx(2.1 * eps)


@settings(max_examples=20)
@given(st.integers(4, 25), st.integers(1, 4), st.integers(0, 10**6))
def test_without_errors_the_best_arm_is_named(n_arms, d, seed):
    arms = instance(n_arms, d, seed, 0.0, 1)
    assume(np.linalg.matrix_rank(arms.features) == d)
    for policy in (SupportEnumeration(1), GOptimalLeastSquares(), IsolateAndThreshold(1, 0.0), SparseFit(1, 0.0)):
        assert policy.run(arms, 10**6, generator()).outcome["gap"] <= 1e-9, policy


def test_isolation_constants_of_known_features():
    assert isolation(np.eye(4)).kappas == pytest.approx(np.ones(4))
    cube = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T
    assert isolation(cube).kappas == pytest.approx(np.ones(3), abs=1e-9)
    assert isolation(set_packing(7, 3, 1)).kappas == pytest.approx(np.full(7, 5 / 3), abs=1e-9)
    assert np.isinf(isolation(polynomial_packing(3, 3, 1)).kappas).all()
    assert isolation(np.array([[1.0, 0.0], [0.5, 0.0]])).kappas.tolist() == [1.0, 0.0]
    signs = isolation(sign_features(100, 6, generator(1)))
    assert signs.kappas == pytest.approx(np.ones(6), abs=1e-6)
    assert np.count_nonzero(signs.weights.any(axis=0)) <= 36


@settings(max_examples=20)
@given(st.integers(3, 15), st.integers(1, 4), st.integers(0, 10**6))
def test_isolation_weights_isolate_and_more_rows_help(n_arms, d, seed):
    features = gaussian_features(n_arms, d, generator(seed))
    found = isolation(features)
    for k in range(d):
        if math.isfinite(found.kappas[k]):
            assert found.weights[k] @ features == pytest.approx(found.scales[k] * np.eye(d)[k], abs=1e-8)
            assert found.kappas[k] >= 1 - 1e-9
    more = isolation(np.vstack([features, 0.5 * gaussian_features(2, d, generator([seed, 1]))]))
    assert (more.kappas <= found.kappas * found.scales.max() / found.scales.max() + 1e-7).all() or (
        more.scales > found.scales + 1e-12
    ).any()


def test_isolation_has_no_false_coefficients():
    for seed in range(20):
        arms = instance(60, 4, seed, 0.05, 1)
        truth = int(np.flatnonzero(arms.theta)[0])
        found = isolation(arms.features)
        scaled = found.weights @ arms.means
        kept = np.flatnonzero(np.abs(scaled) > found.kappas * 0.05 + 1e-12)
        assert set(kept.tolist()) <= {truth}


def test_the_worked_examples_of_the_specification():
    arms = MisspecifiedLinearArms(np.eye(3), [0, 0.9, 0], 0.1, [0.1, -0.1, 0.1])
    run = OptimisticSparseElimination(1, 0.1, 0.1).run(arms, 10, generator())
    assert (run.outcome["arm"], run.outcome["queries"], np.flatnonzero(run.outcome["pulls"]).tolist()) == (1, 2, [0, 1])
    isolated = IsolateAndThreshold(1, 0.1).run(arms, 10, generator())
    assert isolated.outcome["arm"] == 1
    assert isolated.outcome["bound"] == pytest.approx(0.6)
    assert GOptimalLeastSquares(0.1, 1e-6).run(arms, 10, generator()).outcome["bound"] == pytest.approx(
        0.2 * (1 + math.sqrt(3)), rel=1e-6
    )


FANO = set_packing(7, 3, 1)


@pytest.mark.guarantee("needle_query_bound")
@settings(max_examples=10)
@given(st.sampled_from([(FANO, 1.0, 3), (hadamard_features(4), 1.0, 4), (np.eye(5), 1.0, 1), (np.eye(5), 0.4, 1)]),
       st.sampled_from([0.1, 0.2]))  # fmt: skip
def test_no_method_finds_every_needle_with_fewer_queries(family, zeta):
    features, height, s = family
    k = len(features)
    for make in (
        lambda eps: OptimisticSparseElimination(s, max(eps, 1e-6), zeta),
        lambda eps: CoverElimination(s, max(eps, 1e-6), zeta),
        lambda eps: GOptimalLeastSquares(eps),
    ):
        runs = []
        for arm in range(k):
            arms = MisspecifiedLinearArms.needle(features, arm, height)
            runs.append(make(arms.misspecification).run(arms, 10**6, generator()))
        if all(run.outcome["arm"] == arm for arm, run in enumerate(runs)):
            assert np.mean([run.outcome["queries"] for run in runs]) >= needle_query_bound(k) - 1e-9


def test_elimination_meets_the_needles_of_the_fano_plane_one_after_the_other():
    queries = []
    for arm in range(7):
        arms = MisspecifiedLinearArms.needle(FANO, arm, 1.0)
        run = OptimisticSparseElimination(3, 1 / 3, 0.1).run(arms, 10, generator())
        assert run.outcome["arm"] == arm or run.outcome["gap"] <= 2 * (1 / 3 + 0.1)
        queries.append(run.outcome["queries"])
    assert np.mean(queries) >= needle_query_bound(7) - 1e-9
    assert sorted(queries) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.guarantee("needle_success_bound")
@settings(max_examples=20)
@given(st.integers(2, 8), st.integers(0, 8))
def test_a_budget_of_queries_finds_no_more_needles_than_it_may(k, budget):
    found = 0
    for arm in range(k):
        arms = MisspecifiedLinearArms.needle(np.eye(k), arm, 1.0)
        run = CoverElimination(1, 0.1, 0.1).run(arms, max(budget, 1), generator())
        assert run.outcome["queries"] <= max(budget, 1)
        found += run.outcome["arm"] == arm
    assert found / k <= needle_success_bound(k, max(budget, 1)) + 1e-9


@pytest.mark.slow
def test_with_noise_the_bound_fails_no_more_often_than_it_may():
    arms, failed, eps = instance(25, 4, 3, 0.2, 2, sigma=1.0), 0, 0.2
    policy = OptimisticSparseElimination(2, eps, sigma=1.0, delta=0.3)
    for run in range(RUNS):
        try:
            outcome = policy.run(arms, 10**6, generator(run)).outcome
        except AssumptionViolated:
            failed += 1
            continue
        failed += outcome["gap"] > 6 * eps
        assert outcome["bound"] == pytest.approx(6 * eps)
    assert not too_often(failed, RUNS, 0.3)


def test_queries_with_noise_take_as_many_pulls_as_hoeffding_asks_for():
    policy = GOptimalLeastSquares(0.1, sigma=0.5, accuracy=0.2, delta=0.1)
    each = policy.repetitions(30, 2)
    assert each == math.ceil(2 * 0.25 * math.log(2 * 30 / 0.1) / 0.04)
    arms = instance(30, 2, 0, 0.1, 1, sigma=0.5)
    outcome = policy.run(arms, 10**6, generator()).outcome
    assert outcome["pulls"].sum() == each * outcome["queries"]
    short = policy.run(arms, each, generator()).outcome
    assert (short["queries"], short["certified"], short["bound"]) == (1, False, math.inf)


@settings(max_examples=15)
@given(*instances)
def test_a_misspecification_that_is_far_too_small_ends_one_way_or_the_other(n_arms, d, seed, eps):
    arms = instance(n_arms, d, seed, 3 * eps, 1)
    observed = {}
    try:
        run = OptimisticSparseElimination(1, 0.1 * eps, 0.05).run(arms, 10**6, generator())
    except AssumptionViolated as failure:
        observed = failure.observed
    else:
        assert run.outcome["queries"] <= n_arms
    assert len(observed) <= n_arms
    assert all(arms.means[arm] == reward for arm, reward in observed.items())
    doubling = OptimisticSparseElimination(1, 0.1 * eps, 0.05, doublings=8).run(arms, 10**6, generator())
    assert doubling.outcome["gap"] <= max(doubling.outcome["bound"], 6 * eps + 4 * 0.05 * 2**8)


def test_renaming_arms_and_idle_features_change_nothing():
    arms = instance(20, 3, 5, 0.1, 1)
    order = generator(6).permutation(20)
    other = MisspecifiedLinearArms(arms.features[order], arms.theta, 0.1, arms.adversary[order])
    wide = MisspecifiedLinearArms(np.c_[arms.features, np.zeros(20)], np.r_[arms.theta, 0.0], 0.1, arms.adversary)
    for policy in (GOptimalLeastSquares(0.1, 1e-6), IsolateAndThreshold(1, 0.1), OptimisticSparseElimination(1, 0.1)):
        named = policy.run(arms, 10**6, generator()).outcome["arm"]
        assert order[policy.run(other, 10**6, generator()).outcome["arm"]] == named
        assert policy.run(wide, 10**6, generator()).outcome["arm"] == named


def test_edge_cases():
    for policy in (
        *(CoverElimination(1, 0.1), OptimisticSparseElimination(1, 0.1), GOptimalLeastSquares(0.1)),
        *(SupportEnumeration(1, 0.1), IsolateAndThreshold(1, 0.1), SparseFit(1, 0.1), VersionSpace(1, 0.1)),
    ):
        single = MisspecifiedLinearArms([[0.5, 0.5]], [0.3, 0.0], 0.1, [0.05])
        assert policy.run(single, 5, generator()).outcome["arm"] == 0
        empty = MisspecifiedLinearArms(np.zeros((3, 2)), [0.3, 0.0], 0.1, [0.1, -0.1, 0.0])
        assert policy.run(empty, 5, generator()).outcome["gap"] <= 0.2 + 1e-12
        same = MisspecifiedLinearArms(np.tile([[0.6, 0.8]], (3, 1)), [0.5, 0.0], 0.1, [0.1, -0.1, 0.0])
        assert policy.run(same, 5, generator()).outcome["gap"] <= policy.run(same, 5, generator()).outcome["bound"]


def test_features_that_cannot_be_isolated_fall_back_or_are_refused():
    features = polynomial_packing(3, 3, 1)
    arms = MisspecifiedLinearArms.needle(features, 2, 1.0)
    run = IsolateAndThreshold(3, arms.misspecification).run(arms, 10**6, generator())
    assert run.outcome["gap"] <= run.outcome["bound"]
    with pytest.raises(ValueError, match="features: coordinate 0 cannot be told apart"):
        IsolateAndThreshold(3, arms.misspecification, fallback=False).run(arms, 10**6, generator())


def test_the_l1_fit_promises_nothing_but_is_near():
    arms = instance(80, 12, 4, 0.02, 2)
    run = SparseFit(2, 0.02, max_supports=10).run(arms, 10**6, generator())
    assert math.isinf(run.outcome["bound"])
    assert run.outcome["gap"] <= 0.2


def test_kernels_and_their_sources_agree():
    for s in (1, 2, 3, 4):
        arms = instance(9, 4, 8, 0.6, min(s, 2), sigma=0.3)
        policy = OptimisticSparseElimination(s, 0.6, sigma=0.3)
        fast = policy.run(arms, 10**6, generator(2))
        slow = interpreted_all_the_way(lambda p=policy, a=arms: p.run(a, 10**6, generator(2), compiled=False))
        assert fast.equals(slow)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OptimisticSparseElimination(0, 0.1), "sparsity = 0"),
        (lambda: OptimisticSparseElimination(1, -0.1), "misspecification = -0.1"),
        (lambda: OptimisticSparseElimination(1, math.nan), "misspecification = nan"),
        (lambda: OptimisticSparseElimination(1, 0.0), "cover_radius = None: must be given"),
        (lambda: CoverElimination(1, 0.1, cover_radius=0.0), "cover_radius = 0.0"),
        (lambda: CoverElimination(1, 0.1, norm_bound=0.0), "norm_bound = 0.0"),
        (lambda: OptimisticSparseElimination(1, 0.1, delta=1.0), "delta = 1.0"),
        (lambda: OptimisticSparseElimination(1, 0.1, sigma=-1.0), "sigma = -1.0"),
        (lambda: OptimisticSparseElimination(1, 0.1, doublings=-1), "doublings = -1"),
        (lambda: VersionSpace(1, 0.1, gamma=0.0), "gamma = 0.0"),
        (lambda: GOptimalLeastSquares(tolerance=1.0), "tolerance = 1.0"),
        (lambda: SparseFit(1, 0.1, queries=0), "queries = 0"),
        (lambda: GOptimalLeastSquares(sigma=1.0).run(instance(3, 2, 0, 0.1, 1), 9, generator()), "accuracy = None"),
        (lambda: next(OptimisticSparseElimination(3, 0.1).search(np.eye(2))), "sparsity: 3 is above the 2 features"),
        (lambda: next(GOptimalLeastSquares().search(np.array([[math.nan]]))), "features: must be a non-empty matrix"),
        (lambda: next(SupportEnumeration(5, max_supports=10).search(np.eye(9))), "max_supports: there are 126"),
        (lambda: GOptimalLeastSquares().run(BernoulliArms([0.5]), 9, generator()), "needs arms with features"),
        (lambda: GOptimalLeastSquares().run(instance(3, 2, 0, 0.1, 1), 0, generator()), "horizon"),
        (lambda: GOptimalLeastSquares().run(instance(3, 2, 0, 0.1, 1), 9, 0), "rng: 0 is not"),
        (lambda: cover_size(2, 3, 0.1), "sparsity: 3 is above the dimension 2"),
        (lambda: net_size(2, 0.0), "radius: 0.0"),
        (lambda: elimination_gap_bound(-1.0, 0.1), "eps: -1.0"),
        (lambda: isolation_gap_bound(0.1, [], 1), "kappas"),
        (lambda: needle_query_bound(0), "n_needles"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
