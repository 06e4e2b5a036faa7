"""Private descent against a slow version of itself, its identities, its certificate, and an audit of its noise."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.privacy import audit, gaussian_epsilon, gaussian_mu
from optimization.differentially_private import (
    DPGD,
    DPSGD,
    PrivateSpiderBoost,
    TreeSpider,
    descent_bound,
    descent_schedule,
    empirical_lower_bound,
    spider_bound,
    spider_bound_holds,
    spider_leading_bound,
    spider_rate,
    spider_schedule,
    tree_accuracy,
    tree_bound,
    tree_schedule,
    tuned_descent_bound,
)
from simulators.erm import LinearModelRisk, Loss, breast_cancer, digits, robust_regression


def rng(seed=0):
    return np.random.default_rng(seed)


def problem_of(seed, n=20, d=3):
    return robust_regression(n, d, rng(seed))


class Sizes:
    """Constants without records."""

    def __init__(self, n, d, lipschitz=1.0, smoothness=1.0, gap=1.0):
        self.n_records, self.dimension = n, d
        self.lipschitz, self.smoothness, self.gap = lipschitz, smoothness, gap


def slow_run(problem, horizon, seed, *, z, q, step, sides, batch, sampling):
    """The library form of Algorithm 2, line by line."""
    own, n, d = rng(seed), problem.n_records, problem.dimension
    own.random()  # the output's number
    w, previous, v, path = np.zeros(d), None, None, []
    for t in range(horizon):
        path.append(w)
        chosen = None
        if sampling == "poisson":
            chosen = np.flatnonzero(own.random(n) < batch / n)
        if t % q == 0:
            total, clip = problem.gradient_sum(w, batch=chosen), problem.lipschitz
            v = np.zeros(d)
            scale = z[0]
        else:
            total = problem.variation_sum(w, previous, batch=chosen)
            clip = min(problem.smoothness * np.linalg.norm(w - previous), 2 * problem.lipschitz)
            scale = z[1]
        v = v + (total + sides * clip * (1 + 1e-12) * scale * own.standard_normal(d)) / (
            n if sampling == "full" else batch
        )
        previous, w = w, w - step * v
    return np.array(path)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 5), st.floats(0.3, 20))
def test_the_run_is_the_algorithm_line_by_line(seed, horizon, q, epsilon):
    problem, mu = problem_of(seed), gaussian_mu(epsilon, 1e-5)
    run = PrivateSpiderBoost(epsilon, 1e-5, q).run(problem, horizon, rng(seed), trace=True)
    anchors = -(-horizon // q)
    share = 0.5 if horizon > anchors else 1.0
    z = math.sqrt(anchors / share) / mu, math.sqrt((horizon - anchors) / 0.5) / mu
    path = slow_run(problem, horizon, seed, z=z, q=q, step=0.5, sides=2.0, batch=20, sampling="full")
    np.testing.assert_allclose(run.outcome["iterates"], path, rtol=1e-9, atol=1e-12)
    assert run.outcome["noise_multiplier"].tolist() == pytest.approx([z[0], z[1] if horizon > anchors else 0.0])
    assert run.outcome["epsilon"] == pytest.approx(epsilon, rel=1e-9)
    assert any(np.array_equal(run.outcome["iterate"], one) for one in run.outcome["iterates"])
    truth = [np.linalg.norm(problem.gradient(w)) for w in run.outcome["iterates"]]
    assert run.outcome["root_mean_square"] == pytest.approx(math.sqrt(np.mean(np.square(truth))))
    assert run.metrics["gradient_evaluations"][-1] == 20 * (anchors + 2 * (horizon - anchors))


def test_poisson_batches_line_by_line():
    problem = problem_of(1, 200, 4)
    method = PrivateSpiderBoost(
        2.0, 1e-5, 4, anchor_batch=50, variation_batch=50, sampling="poisson", adjacency="add_remove", accountant="rdp"
    )
    run = method.run(problem, 12, rng(3), trace=True)
    path = slow_run(
        problem, 12, 3, z=run.outcome["noise_multiplier"], q=4, step=0.5, sides=1.0, batch=50, sampling="poisson"
    )
    np.testing.assert_allclose(run.outcome["iterates"], path, rtol=1e-9, atol=1e-12)
    assert run.outcome["epsilon"] <= 2.0
    assert run.outcome["epsilon"] == pytest.approx(2.0, rel=1e-3)
    assert (run.outcome["adjacency"], run.outcome["sampling"], run.outcome["accountant"]) == (
        "add_remove", "poisson", "rdp",
    )  # fmt: skip


def test_batches_of_fixed_size():
    problem = problem_of(1, 200, 4)
    run = DPSGD(4.0, 1e-5, anchor_batch=20, sampling="wor", adjacency="replace_one").run(problem, 30, rng(3))
    assert run.outcome["epsilon"] <= 4.0
    assert run.metrics["gradient_evaluations"][-1] == 600


@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 30))
def test_without_noise_variations_add_up_to_gradients(seed, horizon, q):
    problem = problem_of(seed)
    spider = PrivateSpiderBoost(math.inf, 0.01, q, step=0.7).run(problem, horizon, rng(seed), trace=True)
    w = np.zeros(3)
    for t in range(horizon):
        np.testing.assert_allclose(spider.outcome["iterates"][t], w, rtol=1e-10, atol=1e-12)
        w = w - 0.7 * problem.gradient(w)
    assert spider.outcome["epsilon"] == math.inf
    assert spider.outcome["accountant"] == "no privacy"


@given(st.integers(0, 2**32), st.integers(1, 15), st.floats(0.1, 10))
def test_one_anchor_a_step_is_noisy_gradient_descent_bit_for_bit(seed, horizon, epsilon):
    problem = problem_of(seed)
    one = PrivateSpiderBoost(epsilon, 1e-5, 1, step=1.0).run(problem, horizon, rng(seed))
    two = DPGD(epsilon, 1e-5).run(problem, horizon, rng(seed))
    assert one.outcome["iterate"].tobytes() == two.outcome["iterate"].tobytes()


@given(st.integers(0, 2**32), st.integers(1, 15))
def test_metamorphic_scaling_rotation_and_order(seed, horizon):
    problem, source = problem_of(seed), rng(seed)
    run = PrivateSpiderBoost(1.0, 1e-5, 3).run(problem, horizon, rng(seed)).outcome["iterate"]
    order = source.permutation(20)
    mixed = LinearModelRisk(problem.features[order], problem.targets[order], problem.loss, initial_gap=2.0)
    again = PrivateSpiderBoost(1.0, 1e-5, 3).run(mixed, horizon, rng(seed)).outcome["iterate"]
    np.testing.assert_allclose(again, run, rtol=1e-9, atol=1e-10)
    kept = PrivateSpiderBoost(1.0, 1e-5, 3, enforce="assume").run(problem, horizon, rng(seed)).outcome["iterate"]
    assert kept.tobytes() == run.tobytes()


def test_wrong_constants_are_clipped():
    class Understated:
        def __init__(self, risk):
            self.risk, self.lipschitz = risk, 0.1 * risk.lipschitz
            for name in ("n_records", "dimension", "smoothness", "gap", "value", "variation_sum"):
                setattr(self, name, getattr(risk, name))

        def gradient_sum(self, w, **options):
            if options:
                self.clips = options["clip"]
            return self.risk.gradient_sum(w, **options)

    problem = Understated(problem_of(0))
    run = DPGD(math.inf, 0.01).run(problem, 1, rng(), trace=True)
    assert problem.clips == problem.lipschitz
    assert np.linalg.norm(run.outcome["releases"][0]) <= 20 * problem.lipschitz


@pytest.mark.parametrize(
    ("n", "schedule", "spider", "descent", "steps"),
    [(100, (25, 6), 0.48990, 0.50299, 16), (1000, (539, 24), 0.10536, 0.15905, 158),
     (10_000, (11604, 108), 0.02275, 0.05030, 1581)],
)  # fmt: skip
def test_the_tuned_schedules_and_bounds_of_the_specification(n, schedule, spider, descent, steps):
    epsilon = gaussian_epsilon(1.0, 1e-9)
    found = spider_schedule(Sizes(n, 20), epsilon, 1e-9)
    assert found == schedule
    horizon, phase = found
    anchors = -(-horizon // phase)
    sigma = 2 * math.sqrt(2 * anchors) / n
    assert spider_bound(horizon, 0.5, 1.0, 20 * sigma**2) == pytest.approx(spider, abs=6e-6)
    assert descent_bound(steps, 1.0, 1.0, 20 * (2 * math.sqrt(steps) / n) ** 2) == pytest.approx(descent, abs=6e-6)
    assert spider_leading_bound(n, 20, 1.0, 1.0, 1.0, 1.0) == pytest.approx(spider, rel=0.25)
    assert tuned_descent_bound(n, 20, 1.0, 1.0, 1.0, 1.0) == pytest.approx(descent, rel=0.01)


def test_schedules_of_real_tables():
    assert spider_schedule(breast_cancer(), 8.0, 1e-5) == (343, 22)
    assert spider_schedule(digits(), 1.0, 1e-5) == (85, 11)
    steps = [
        descent_schedule(problem(), epsilon, 1e-5) for problem in (breast_cancer, digits) for epsilon in (1.0, 8.0)
    ]
    assert steps == [17, 106, 37, 230]
    assert spider_schedule(digits(), 8.0, 1e-5) == (971, 36)


@pytest.mark.guarantee("spider_bound")
@pytest.mark.guarantee("descent_bound")
@settings(max_examples=5)
@given(st.integers(0, 2**32), st.sampled_from([1.0, 4.0]))
def test_true_gradients_are_within_the_certificate(seed, epsilon):
    problem = problem_of(seed, 300, 4)
    schedule = spider_schedule(problem, epsilon, 1e-5)
    for method, horizon in ((PrivateSpiderBoost(epsilon, 1e-5), schedule.horizon), (DPGD(epsilon, 1e-5), 30)):
        runs = [method.run(problem, horizon, rng(seed % 2**31 + k)) for k in range(30)]
        square = np.mean([run.outcome["root_mean_square"] ** 2 for run in runs])
        if method.phase == 1:
            sigma = 2 * problem.lipschitz * runs[0].outcome["noise_multiplier"][0] / 300
            bound = descent_bound(horizon, problem.gap, problem.smoothness, 4 * sigma**2)
        else:
            noise = 2 * problem.lipschitz * runs[0].outcome["noise_multiplier"][0] / 300
            bound = spider_bound(horizon, 0.5 / problem.smoothness, problem.gap, 4 * noise**2)
            assert runs[0].outcome["certificate"] == pytest.approx(bound)
        assert math.sqrt(square) <= bound


@pytest.mark.guarantee("spider_leading_bound")
@pytest.mark.guarantee("tuned_descent_bound")
@pytest.mark.guarantee("spider_rate")
@given(st.integers(10, 10**6), st.integers(1, 500), st.floats(0.01, 10), st.floats(0.1, 10), st.floats(0.1, 10))
def test_the_tuned_bounds_follow_from_the_explicit_ones(n, d, mu, lipschitz, smoothness):
    """With a real number of steps: T and q that minimise 4 L1 F0 / T + tau1^2 subject to the condition."""
    gap = 1.3
    best = min(
        2 * smoothness * gap / steps + d * (2 * lipschitz * math.sqrt(steps) / (n * mu)) ** 2
        for steps in np.geomspace(1e-6, 1e12, 4001)
    )
    assert tuned_descent_bound(n, d, mu, lipschitz, smoothness, gap) == pytest.approx(math.sqrt(best), rel=1e-3)
    # f = 1/2: tau1^2 = 8 L0^2 d T / (q n^2 mu^2) and q = n^2 mu^2 / (4 d T), without the rounding up of anchors.
    spider = min(
        4 * smoothness * gap / steps + 8 * d * lipschitz**2 * steps * 4 * d * steps / (n * mu) ** 4
        for steps in np.geomspace(1e-6, 1e12, 4001)
    )
    assert spider_leading_bound(n, d, mu, lipschitz, smoothness, gap) == pytest.approx(math.sqrt(spider), rel=2e-3)
    large, small = (spider_rate(size, d, 1.0, 1e-6, lipschitz, smoothness, gap) for size in (10**14, 10**15))
    assert math.log10(large / small) == pytest.approx(2 / 3, abs=0.02)


@pytest.mark.guarantee("empirical_lower_bound")
@settings(max_examples=5)
@given(st.integers(0, 2**32), st.integers(2, 40))
def test_no_run_on_a_mean_is_below_the_order_of_the_lower_bound(seed, d):
    """Huber losses of one-hot records are a mean estimate: noise of the least size for the budget remains."""
    n, epsilon, delta = 40, 0.5, 1e-4
    rows = np.eye(d)[np.arange(n) % d]
    problem = LinearModelRisk(rows, rng(seed).choice([-0.2, 0.2], n), Loss("huber"), initial_gap=0.1)
    method = DPGD(epsilon, delta, output="last")
    ends = [method.run(problem, 20, rng(seed % 2**31 + k)).outcome["iterate"] for k in range(20)]
    mean = np.mean([np.linalg.norm(problem.gradient(w)) for w in ends])
    assert mean >= 0.02 * empirical_lower_bound(n, d, epsilon, delta, 1.0)


class Canary:
    """Zero data, and one record that pushes every release as far as it may."""

    n_records, dimension, lipschitz, smoothness, gap = 10, 2, 1.0, 1.0, 1.0

    def __init__(self, present):
        self.push = np.array([float(present), 0.0])

    def value(self, w):
        return 0.0

    def gradient_sum(self, w, clip=math.inf, batch=None):
        return self.push * min(clip, 1.0)

    def variation_sum(self, w, before, clip=math.inf, batch=None):
        return self.push * min(clip, 2.0)


def test_an_audit_of_the_releases_sees_half_the_noise():
    """The likelihood ratio of all releases, with a record present or not; add_remove, so that it moves by 1 or r."""
    method, trials = PrivateSpiderBoost(1.0, 1e-5, 2, adjacency="add_remove"), 1500
    mu, source = gaussian_mu(1.0, 1e-5), rng(1)

    def scores(present):
        """With the noise as it is, and with half of it."""
        run = method.run(Canary(present), 4, source, trace=True).outcome
        multipliers = run["noise_multiplier"][[0, 1, 0, 1]] * (1 + 1e-12)
        most = run["noise"] / multipliers
        drawn = run["releases"][:, 0] - present * most
        return [(((present * most + factor * drawn) * most) / run["noise"] ** 2).sum() for factor in (1.0, 0.5)]

    drawn = {present: np.array([scores(present) for _ in range(trials)]) for present in (False, True)}
    bounds = []
    for kind, refuted in ((0, False), (1, True)):
        given = {present: iter(drawn[present][:, kind]) for present in (False, True)}
        found = audit(
            lambda present, _, given=given: next(given[present]),
            epsilon=1.0, delta=1e-5, trials=trials, rng=rng(), threshold=mu**2 / 2, confidence=0.999,
        )  # fmt: skip
        assert found.refuted == refuted
        bounds.append(found.gaussian_lower_bound)
    assert 0.1 < bounds[0] < bounds[1]


def test_what_is_warned_of():
    with pytest.warns(UserWarning, match="delta = 0.1 is not below 1 / n = 0.05"):
        DPGD(1.0, 0.1).run(problem_of(0), 2, rng())
    with pytest.warns(UserWarning, match="step = 3 is above 1 / L1 = 1"):
        DPGD(1.0, 1e-5, step=3.0).run(problem_of(0), 2, rng())
    with pytest.warns(UserWarning, match="the tuned horizon .* is cut to 10,000,000"):
        spider_schedule(Sizes(10**9, 1), 10.0, 1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert math.isnan(DPGD(1.0, 1e-5, step=3.0).run(problem_of(0), 2, rng()).outcome["certificate"])


def test_outputs():
    problem = problem_of(2)
    runs = {
        output: PrivateSpiderBoost(1.0, 1e-5, 2, output=output).run(problem, 5, rng(0), trace=True).outcome
        for output in ("last", "average")
    }
    np.testing.assert_allclose(runs["average"]["iterate"], runs["average"]["iterates"].mean(axis=0))
    assert not any(np.array_equal(runs["last"]["iterate"], w) for w in runs["last"]["iterates"])
    started = DPGD(1.0, 1e-5).run(problem, 1, rng(0), start=[1.0, 2.0, 3.0], trace=True)
    assert started.outcome["iterates"][0].tolist() == [1.0, 2.0, 3.0]
    assert spider_bound_holds(0.5, 1.0, 2.0, 2)
    assert not spider_bound_holds(0.5, 1.0, 2.1, 2)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda p: DPGD(0.0, 1e-5), "epsilon = 0.0"),
        (lambda p: DPGD(math.nan, 1e-5), "epsilon = nan"),
        (lambda p: DPGD(1.0, 0.0), "delta = 0.0"),
        (lambda p: DPGD(1.0, 1.0), "delta = 1.0"),
        (lambda p: DPGD(1.0, 1e-5, step=0.0), "step = 0.0"),
        (lambda p: DPGD(1.0, 1e-5, adjacency="swap"), "adjacency = 'swap'"),
        (lambda p: PrivateSpiderBoost(1.0, 1e-5, 0), "phase = 0"),
        (lambda p: PrivateSpiderBoost(1.0, 1e-5, True), "phase = True"),
        (lambda p: PrivateSpiderBoost(1.0, 1e-5, anchor_batch=5), "sampling = 'full': batches are of all records"),
        (lambda p: DPSGD(1.0, 1e-5), "anchor_batch is missing"),
        (lambda p: DPSGD(1.0, 1e-5, anchor_batch=50).run(p, 3, rng()), "anchor_batch: 50 is above the 20 records"),
        (lambda p: DPSGD(1.0, 1e-5, anchor_batch=5, sampling="wor").run(p, 3, rng()), "sampling: 'wor' is accounted"),
        (lambda p: DPGD(1.0, 1e-5).run(p, 0, rng()), "horizon: 0 is below 1"),
        (lambda p: DPGD(1.0, 1e-5).run(p, 2.0, rng()), "horizon: 2.0 is not a whole number"),
        (lambda p: DPGD(1.0, 1e-5).run(p, 3, 7), "rng: 7"),
        (lambda p: DPGD(1.0, 1e-5).run(p, 3, rng(), start=[1.0]), r"start: must be finite numbers of shape \(3,\)"),
        (lambda p: DPGD(1.0, 1e-5).run(Sizes(5, 2, lipschitz=math.nan), 3, rng()), "lipschitz = nan"),
        (lambda p: DPGD(1.0, 1e-5).run(Sizes(5, 2, smoothness=-1.0), 3, rng()), "smoothness = -1.0"),
        (lambda p: DPGD(1.0, 1e-5).run(Sizes(5, 2, smoothness=0.0), 3, rng()), "step: must be given"),
        (lambda p: spider_schedule(p, math.inf, 1e-5), "epsilon: inf asks for no noise"),
        (lambda p: spider_bound(0, 0.5, 1.0, 0.0), "horizon: 0"),
        (lambda p: descent_bound(5, math.nan, 1.0, 0.0), "gap: nan"),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call(problem_of(0))


@pytest.mark.parametrize("bad", [np.full(2, math.nan), np.array([math.inf, 0.0]), np.zeros(3)])
def test_a_problem_that_returns_no_numbers_ends_the_run_with_the_last_finite_iterate(bad):
    class Bad(Canary):
        calls = 0

        def gradient_sum(self, w, clip=math.inf, batch=None):
            self.calls += 1
            good = super().gradient_sum(w, clip=clip, batch=batch)
            return bad if self.calls > 6 else good  # true gradient and release: three whole steps

    run = DPGD(1.0, 1e-5).run(Bad(True), 8, rng(), checkpoints=range(1, 9), trace=True)
    assert run.outcome["status"] == "oracle_error"
    assert run.rounds.tolist() == [1, 2, 3]
    whole = DPGD(1.0, 1e-5).run(Canary(True), 8, rng(), trace=True).outcome
    np.testing.assert_array_equal(run.outcome["iterate"], whole["iterates"][3])
    assert run.outcome["epsilon"] == whole["epsilon"]
    assert math.isnan(run.outcome["certificate"])


def test_a_step_that_leaves_the_numbers_ends_the_run():
    with pytest.warns(UserWarning, match="above 1 / L1"):
        run = DPGD(1.0, 1e-5, step=1e308).run(Canary(True), 8, rng(), trace=True)
    assert run.outcome["status"] == "diverged"
    assert np.isfinite(run.outcome["iterate"]).all()


def preorder(depth):
    """Nodes without the root: 0, 00, 01, 1, 10, 11 for a depth of 2."""
    return sorted(
        (format(i, f"0{k}b") for k in range(1, depth + 1) for i in range(2**k)), key=lambda node: (node, len(node))
    )


def slow_tree(problem, rounds, seed, schedule, multiplier, beta):
    """Algorithm 1 with a table of all nodes."""
    own, n = rng(seed), problem.n_records
    order, at = own.permutation(n), 0
    own.random()  # the output's number
    w, leaves = np.zeros(problem.dimension), []
    length = beta / (2 ** (schedule.depth / 2) * problem.smoothness)
    pairs = []
    for _ in range(rounds):
        points, estimates, following = {"": w}, {}, w
        batch, at = order[at : at + schedule.batch], at + schedule.batch
        noise = 2 * (1 + 1e-12) * problem.lipschitz * multiplier * own.standard_normal(w.size)
        estimates[""] = (problem.gradient_sum(w, batch=batch) + noise) / schedule.batch
        for node in preorder(schedule.depth) or [""]:
            if node.endswith("0"):
                points[node], estimates[node] = points[node[:-1]], estimates[node[:-1]]
            elif node:
                parent, size = node[:-1], schedule.batch // 2 ** len(node)
                points[node] = following
                batch, at = order[at : at + size], at + size
                reach = beta * 2 ** (schedule.depth - len(node)) / 2 ** (schedule.depth / 2)
                reach = min(reach, 2 * problem.lipschitz)
                noise = 2 * (1 + 1e-12) * reach * multiplier * own.standard_normal(w.size)
                variation = problem.variation_sum(following, points[parent], batch=batch, clip=reach)
                estimates[node] = estimates[parent] + (variation + noise) / size
                pairs.append((len(node), np.linalg.norm(following - points[parent]) * problem.smoothness))
            if len(node) == schedule.depth:
                leaves.append(points[node])
                following = points[node] - length / np.linalg.norm(estimates[node]) * estimates[node]
        w = following
    return np.array(leaves), order[:at], pairs


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.integers(60, 400), st.integers(1, 4), st.sampled_from([0.5, 4.0]))
def test_the_tree_node_by_node(seed, n, d, epsilon):
    problem = problem_of(seed, n, d)
    schedule = tree_schedule(n, d, epsilon, problem.lipschitz)
    rounds = min(2, schedule.rounds)
    run = TreeSpider(epsilon, 1e-5).run(problem, rounds, rng(seed), trace=True).outcome
    beta = 3 * schedule.beta
    leaves, used, pairs = slow_tree(problem, rounds, seed, schedule, 1 / gaussian_mu(epsilon, 1e-5), beta)
    np.testing.assert_allclose(run["leaves_at"], leaves, rtol=1e-9, atol=1e-12)
    assert run["order"].tolist() == used.tolist()
    assert len(set(used.tolist())) == len(used) == rounds * schedule.records_per_round <= n
    assert run["leaves"] == rounds * 2**schedule.depth
    for depth, distance in pairs:
        assert distance <= beta * 2 ** (schedule.depth - depth) / 2 ** (schedule.depth / 2) * (1 + 1e-9)
        if depth == schedule.depth:
            assert distance == pytest.approx(beta / 2 ** (schedule.depth / 2))
    assert any(np.array_equal(run["iterate"], leaf) for leaf in run["leaves_at"])


def test_sizes_of_the_tree_to_the_digits_given():
    schedule = tree_schedule(100_000, 10, 1.0, 1.0)
    assert schedule[:3] == (2176, 7, 10)
    assert schedule.records_per_round * 10 == 97920
    assert schedule.alpha == pytest.approx(0.0304683, abs=5e-8)
    assert schedule.beta == schedule.alpha
    s0 = 2 * math.sqrt(2 * math.log(1.25e6)) / 2176
    assert s0 == pytest.approx(4.870223e-3, abs=5e-10)
    assert s0 * schedule.beta * 2**3.5 == pytest.approx(1.678812e-3, abs=5e-10)
    assert tree_accuracy(schedule, 1e-6, 1.0, 1.0, 1.0) == pytest.approx(1269, rel=0.02)


@pytest.mark.guarantee("tree_bound")
@settings(max_examples=5)
@given(st.integers(0, 2**32))
def test_the_printed_constants_return_the_start(seed):
    problem = problem_of(seed, 300, 3)
    run = TreeSpider(1.0, 1e-6, constants="paper").run(problem, 1, rng(seed))
    assert run.outcome["status"] == "stationary"
    assert run.outcome["iterate"].tolist() == [0.0, 0.0, 0.0]
    accuracy = tree_accuracy(tree_schedule(300, 3, 1.0, problem.lipschitz), 1e-6, problem.lipschitz, 1.0, problem.gap)
    assert np.linalg.norm(problem.gradient(run.outcome["iterate"])) <= tree_bound(accuracy)
    assert tree_bound(accuracy) >= problem.lipschitz  # it says nothing


def test_trees_refuse():
    problem = problem_of(0, 300, 3)
    for call, says in (
        (lambda: TreeSpider(1.0, 1e-6).run(problem, 99, rng()), "horizon: 99 is above the"),
        (lambda: TreeSpider(1.0, 1e-6).run(Sizes(300, 3, smoothness=0.0), 1, rng()), "smoothness = 0"),
        (lambda: tree_schedule(1, 50, 1e-6, 1.0), "n_records: 1 do not last for one round"),
        (lambda: tree_schedule(10, 5, 1.0, math.nan), "lipschitz: nan"),
        (lambda: TreeSpider(1.0, 1e-6, accuracy=-1.0), "accuracy = -1.0"),
        (lambda: tree_bound(0.0), "accuracy: 0.0"),
        (lambda: TreeSpider(2.0, 1e-6, constants="paper"), "epsilon = 2: the paper's noise is private"),
    ):
        with pytest.raises(ValueError, match=says):
            call()
    early = TreeSpider(math.inf, 1e-6, accuracy=1.0).run(problem, 1, rng())
    assert early.outcome["status"] == "stationary"
