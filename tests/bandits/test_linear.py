"""LinUCB, disjoint LinUCB, LinTS: by their formulas, without drift, within their bounds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from bandits import DisjointLinUCB, LinTS, LinUCB, oful_bound, oful_radius, oful_uniform_bound
from bandits.lin_ts import _select as draw_and_select
from simulators import BernoulliArms, ContextualRewards, LinearContexts
from tests.bandits.worlds import UNIFORM, arms_played, generator, regrets, too_often
from tests.reference import adversarial_bandits as reference


class LinearArms:
    """Arms that stay, with rewards linear in their features plus normal noise."""

    def __init__(self, features, theta, sigma=0.5):
        self.features, self.theta, self.sigma = np.array(features, dtype=float), np.array(theta, dtype=float), sigma
        self.means = self.features @ self.theta

    def parameters(self):
        return self.means, self.sigma

    def kernel(self):
        return pull_linear


def pull_linear(params, arm, rng):
    return params[0][arm] + params[1] * rng.standard_normal()


def on_a_sphere(n, d, seed, length=1.0):
    vectors = generator(seed).standard_normal((n, d))
    return length * vectors / np.linalg.norm(vectors, axis=1)[:, None]


def test_the_values_of_the_specification():
    policy = LinUCB(noise=0.5, norm_bound=1.0, delta=0.01)
    kernels = policy.kernels()
    arms = LinearArms([[1, 0], [0, 1], [0.6, 0.8], [math.sqrt(0.5), math.sqrt(0.5)]], [0, 0])
    params = policy.parameters_for(arms, 3)
    state = kernels.init(4, params)
    radii = []
    for arm, reward in enumerate((0.7, 0.2, 0.5)):
        state.chosen[:] = arms.features[arm]
        kernels.update(state, params, 1, arm, reward)
        radii.append(oful_radius(kernels.summary(state).log_det, 0.01, 0.5))
    assert radii == pytest.approx([2.573490352094, 2.627623630719, 2.658470669111], abs=1e-12)
    assert state.estimate == pytest.approx([0.392, 0.156], abs=1e-14)
    assert state.means[3] + radii[-1] * math.sqrt(state.widths[3]) == pytest.approx(1.930018525791, abs=1e-12)


games = (st.integers(1, 5), st.integers(1, 4), st.integers(1, 60), st.integers(0, 10**6))


@settings(max_examples=25)
@given(*games, st.sampled_from([0.3, 1.0, 5.0]))
def test_every_choice_of_linucb_is_that_of_the_formula(n_arms, d, horizon, seed, ridge):
    shown, rewards = generator(seed).normal(size=(horizon, n_arms, d)), generator([seed, 1]).random((horizon, n_arms))
    policy = LinUCB(noise=0.4, norm_bound=1.5, delta=0.05, ridge=ridge)
    played = arms_played(policy, rewards, generator(seed), shown)
    assert played == reference.lin_ucb(shown, rewards, 0.4, 1.5, 0.05, ridge)


@settings(max_examples=25)
@given(*games, st.sampled_from([None, 0.0, 0.6]))
def test_every_choice_of_disjoint_linucb_is_that_of_the_formula(n_arms, d, horizon, seed, exploration):
    shown, rewards = generator(seed).normal(size=(horizon, n_arms, d)), generator([seed, 1]).random((horizon, n_arms))
    played = arms_played(DisjointLinUCB(exploration, delta=0.1), rewards, generator(seed), shown)
    alpha = 1 + math.sqrt(math.log(20) / 2) if exploration is None else exploration
    assert played == reference.disjoint_lin_ucb(shown, rewards, alpha, 1.0)


@settings(max_examples=25)
@given(*games, st.sampled_from([None, 0.2]))
def test_every_choice_of_lints_is_that_of_the_formula(n_arms, d, horizon, seed, delta):
    shown, rewards = generator(seed).normal(size=(horizon, n_arms, d)), generator([seed, 1]).random((horizon, n_arms))
    played = arms_played(LinTS(noise=0.3, delta=delta, ridge=2.0), rewards, generator(seed), shown)
    spread = (lambda t: 0.3) if delta is None else (lambda t: 0.3 * math.sqrt(9 * d * math.log(t / delta)))
    assert played == reference.lin_ts(shown, rewards, generator(seed), spread, 2.0)


@settings(max_examples=10)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 10**6))
def test_features_that_stay_are_the_same_as_features_shown_each_round(n_arms, d, seed):
    features, theta = generator(seed).normal(size=(n_arms, d)), generator([seed, 1]).normal(size=d)
    still = LinearArms(features, theta, sigma=0.0)
    shown = ContextualRewards(np.broadcast_to(features, (300, n_arms, d)), np.tile(still.means, (300, 1)))
    for policy in (LinUCB(), LinTS()):
        runs = [policy.run(arms, 300, generator(seed), world=generator(0), compiled=False) for arms in (still, shown)]
        assert runs[0].outcome["pulls"].tolist() == runs[1].outcome["pulls"].tolist()


@given(st.permutations(range(4)), st.integers(0, 1000))
def test_renaming_arms_renames_the_choices_of_linucb(names, seed):
    features, theta = generator(seed).normal(size=(4, 3)), generator([seed, 1]).normal(size=3)
    for policy in (LinUCB(), LinUCB(switching=0.5)):
        pulls = policy.run(LinearArms(features, theta, 0.0), 200, generator()).outcome["pulls"]
        renamed = policy.run(LinearArms(features[names], theta, 0.0), 200, generator()).outcome["pulls"]
        if policy.switching == 0:
            assert renamed.tolist() == pulls[list(names)].tolist()
        assert renamed.sum() == 200


POLICIES = [LinUCB(), LinUCB(switching=1.0), DisjointLinUCB(), LinTS(), LinTS(delta=0.1)]


@pytest.mark.parametrize("policy", POLICIES)
def test_one_arm_and_equal_arms_have_no_regret_and_a_seed_repeats_its_run(policy):
    for n_arms in (1, 3):
        arms = LinearArms(np.ones((n_arms, 2)), [0.3, 0.2])
        assert (policy.run(arms, 200, generator()).metrics["regret"] == 0).all()
    arms = LinearArms(on_a_sphere(4, 2, 0), [0.3, 0.2])
    assert policy.run(arms, 300, generator(1)).equals(policy.run(arms, 300, generator(1)))


@pytest.mark.parametrize("policy", POLICIES)
def test_the_best_arm_is_found(policy):
    arms = LinearArms(np.eye(3), [0.1, 0.9, 0.3], sigma=0.05)
    assert policy.run(arms, 8000, generator(2)).outcome["pulls"].argmax() == 1


# Rounding errors: the state just before all is computed afresh, and after 10,000 rounds.


@pytest.mark.parametrize("rounds", [999, 10_000])
def test_the_inverse_and_what_hangs_on_it_do_not_drift(rounds):
    policy, rng = LinUCB(noise=0.5), generator(8)
    arms = LinearArms(on_a_sphere(12, 5, 1), [0.4, -0.2, 0.1, 0, 0.3])
    kernels, params = policy.kernels(), policy.parameters_for(arms, rounds)
    state = kernels.init(12, params)
    gram, moments = np.eye(5), np.zeros(5)
    for t in range(1, rounds + 1):
        arm = kernels.select(state, params, t, rng)
        reward = arms.means[arm] + 0.5 * rng.standard_normal()
        kernels.update(state, params, t, arm, reward)
        gram += np.outer(arms.features[arm], arms.features[arm])
        moments += reward * arms.features[arm]
    assert np.abs(state.inverse @ gram - np.eye(5)).max() < 1e-8
    widths = np.einsum("ij,ji->i", arms.features, np.linalg.solve(gram, arms.features.T))
    assert np.abs(state.widths - widths).max() < 1e-8
    assert np.abs(state.estimate - np.linalg.solve(gram, moments)).max() < 1e-8
    assert np.abs(state.means - arms.features @ state.estimate).max() < 1e-8
    assert state.numbers[0] == pytest.approx(np.linalg.slogdet(gram)[1], abs=1e-8)


def lints_after(rounds, d, seed):
    policy, rng = LinTS(noise=0.7), generator(seed)
    arms = LinearArms(on_a_sphere(6, d, seed), np.zeros(d))
    kernels, params = policy.kernels(), policy.parameters_for(arms, rounds)
    state, gram, moments = kernels.init(6, params), np.eye(d), np.zeros(d)
    for t in range(1, rounds + 1):
        arm = kernels.select(state, params, t, rng)
        reward = rng.standard_normal()
        kernels.update(state, params, t, arm, reward)
        gram += np.outer(arms.features[arm], arms.features[arm])
        moments += reward * arms.features[arm]
    return state, params, gram, np.linalg.solve(gram, moments), kernels.summary(state).estimate


@pytest.mark.parametrize("d", [1, 3, 6])
def test_the_cholesky_factor_of_lints_is_that_of_its_matrix(d):
    state, _, gram, estimate, summary = lints_after(5000, d, 3)
    assert np.abs(np.tril(state.factor) - np.linalg.cholesky(gram)).max() < 1e-8
    assert summary == pytest.approx(estimate, abs=1e-10)


def test_what_lints_draws_has_the_law_of_the_posterior():
    state, params, gram, estimate, _ = lints_after(40, 3, 5)
    rng, count = generator(6), 30_000
    drawn = np.empty((count, 3))
    for i in range(count):
        draw_and_select(state, params, 41, rng)
        drawn[i] = state.drawn
    for direction in (*np.eye(3), np.array([1.0, -2.0, 0.5])):  # normal in each direction (Dvoretzky-Kiefer-Wolfowitz)
        deviation = 0.7 * math.sqrt(direction @ np.linalg.solve(gram, direction))
        law = ndtr(np.sort((drawn - estimate) @ direction) / deviation)
        distance = np.abs(law - np.arange(1, count + 1) / count).max()
        assert distance <= math.sqrt(math.log(2e9) / (2 * count)) + 1 / count


# Bounds that may fail with probability delta: means differ by at most 1 where ||theta|| <= 1/2 and ||a|| <= 1.

RUNS = 120
instances = (st.integers(2, 6), st.integers(1, 4), st.integers(20, 600), st.integers(0, 10**6))


def linear_instance(n_arms, d, seed):
    return LinearArms(on_a_sphere(n_arms, d, seed), on_a_sphere(1, d, [seed, 1], 0.5)[0], sigma=0.5)


@pytest.mark.guarantee("oful_radius")
@settings(max_examples=8)
@given(*instances, st.sampled_from([0.9, 0.5, 0.1]), st.sampled_from([0.2, 1.0]))
def test_the_confidence_set_misses_theta_no_more_often_than_it_may(n_arms, d, horizon, seed, delta, ridge):
    arms = linear_instance(n_arms, d, seed)
    policy, missed = LinUCB(noise=0.5, norm_bound=0.5, delta=delta, ridge=ridge), 0
    for run in range(RUNS):
        outcome = policy.run(arms, horizon, generator([seed, run]), checkpoints=[horizon]).outcome
        gram = ridge * np.eye(d) + (arms.features.T * outcome["pulls"]) @ arms.features
        assert outcome["log_det"] == pytest.approx(np.linalg.slogdet(gram)[1] - d * math.log(ridge), abs=1e-8)
        error = outcome["estimate"] - arms.theta
        missed += math.sqrt(error @ gram @ error) > oful_radius(outcome["log_det"], delta, 0.5, 0.5, ridge)
    assert not too_often(missed, RUNS, delta)


def test_a_confidence_set_that_is_too_small_would_be_noticed():
    arms, missed = linear_instance(4, 3, 0), 0
    for run in range(RUNS):
        outcome = LinUCB(noise=0.5, norm_bound=0.5).run(arms, 300, generator([0, run])).outcome
        gram = np.eye(3) + (arms.features.T * outcome["pulls"]) @ arms.features
        error = outcome["estimate"] - arms.theta
        missed += math.sqrt(error @ gram @ error) > oful_radius(outcome["log_det"], 0.1, 0.1, 0.1)
    assert too_often(missed, RUNS, 0.1)


@pytest.mark.guarantee("oful_bound", "oful_uniform_bound")
@settings(max_examples=8)
@given(*instances, st.sampled_from([0.9, 0.3]), st.sampled_from([0.0, 0.3, 2.0]))
def test_linucb_exceeds_its_bounds_no_more_often_than_it_may(n_arms, d, horizon, seed, delta, switching):
    arms, above = linear_instance(n_arms, d, seed), 0
    policy = LinUCB(noise=0.5, norm_bound=0.5, delta=delta, switching=switching)
    uniform = oful_uniform_bound(horizon, d, 1.0, delta, 0.5, 0.5, switching=switching)
    for run in range(RUNS):
        played = policy.run(arms, horizon, generator([seed, run]), checkpoints=[horizon])
        log_det = played.outcome["log_det"]
        bound = oful_bound(horizon, log_det, oful_radius(log_det, delta, 0.5, 0.5), switching)
        assert bound <= uniform * (1 + 1e-12)
        above += played.metrics["regret"][-1] > bound
    assert not too_often(above, RUNS, delta)


def test_the_check_of_the_bound_would_catch_a_policy_that_does_not_learn():
    arms = LinearArms([[1.0], [-1.0]], [0.5], sigma=0.5)
    sample = regrets(UNIFORM, arms, 3000, RUNS, 0)
    assert too_often((sample > oful_uniform_bound(3000, 1, 1.0, 0.1, 0.5, 0.5)).sum(), RUNS, 0.1)


def test_with_contexts_regret_is_against_the_best_arm_of_each_round_and_within_the_bound():
    world = LinearContexts([0.3, -0.4], 5, sigma=0.5)
    for run in range(20):
        played = LinUCB(noise=0.5, norm_bound=0.5, delta=1e-6).run(world, 2000, generator(run))
        log_det = played.outcome["log_det"]
        assert played.metrics["regret"][-1] <= oful_bound(2000, log_det, oful_radius(log_det, 1e-6, 0.5, 0.5))
        assert list(played.metrics) == ["regret"]
    assert played.outcome["estimate"] == pytest.approx([0.3, -0.4], abs=0.15)


@pytest.mark.parametrize("growth", [0.5, 3.0])
def test_rare_switching_changes_the_arm_only_when_the_determinant_has_grown(growth):
    arms = LinearArms(on_a_sphere(6, 3, 4), [0.2, 0.1, -0.3])
    policy = LinUCB(noise=0.5, switching=growth)
    kernels, params, rng = policy.kernels(), policy.parameters_for(arms, 3000), generator(2)
    state = kernels.init(6, params)
    played, dets = [], []
    for t in range(1, 3001):
        dets.append(state.numbers[0])
        played.append(kernels.select(state, params, t, rng))
        kernels.update(state, params, t, played[-1], arms.means[played[-1]] + 0.5 * rng.standard_normal())
    since = dets[0]
    for t in range(1, 3000):
        if dets[t] > since + math.log1p(growth):
            since = dets[t]
        else:
            assert played[t] == played[t - 1]
    assert 1 < np.count_nonzero(np.diff(played)) <= dets[-1] / math.log1p(growth)


def test_the_bounds_by_hand():
    assert oful_radius(0.0, 0.1, 2.0, 3.0, 4.0) == pytest.approx(6 + 2 * math.sqrt(2 * math.log(10)), rel=1e-14)
    assert oful_bound(100, 2.0, 3.0) == pytest.approx(math.sqrt(8 * 100 * 9 * 2), rel=1e-14)
    assert oful_bound(100, 2.0, 0.5) == pytest.approx(math.sqrt(8 * 100 * 2), rel=1e-14)
    assert oful_bound(100, 2.0, 3.0, 0.5) == pytest.approx(math.sqrt(8 * 1.5 * 100 * 9 * 2), rel=1e-14)
    log_det = 3 * math.log(1 + 100 * 4 / (3 * 2))
    by_hand = oful_bound(100, log_det, oful_radius(log_det, 0.1, 0.5, 1.0, 2.0))
    assert oful_uniform_bound(100, 3, 2.0, 0.1, 0.5, 1.0, 2.0) == pytest.approx(by_hand, rel=1e-14)


class WithoutMeans(LinearArms):
    def __init__(self, features):
        super().__init__(np.eye(2), [0.1, 0.2])
        self.features = features


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinUCB(noise=0.0), "LinUCB: noise = 0.0"),
        (lambda: LinUCB(delta=1.0), "LinUCB: delta = 1.0"),
        (lambda: LinUCB(ridge=math.inf), "LinUCB: ridge = inf"),
        (lambda: LinUCB(switching=-1), "LinUCB: switching = -1"),
        (lambda: DisjointLinUCB(exploration=-1), "DisjointLinUCB: exploration = -1"),
        (lambda: LinTS(delta=0.0), "LinTS: delta = 0.0"),
        (lambda: LinUCB().run(BernoulliArms([0.5]), 5, generator()), "arms: LinUCB needs arms with features"),
        (lambda: LinTS().run(BernoulliArms([0.5]), 5, generator()), "arms: LinTS needs arms with features"),
        (lambda: DisjointLinUCB().run(BernoulliArms([0.5]), 5, generator()), "arms: DisjointLinUCB needs"),
        (
            lambda: LinUCB(switching=1).run(LinearContexts([1.0], 2), 5, generator()),
            "switching = 1.0: needs",
        ),
        (lambda: LinUCB().run(WithoutMeans([[1.0, 2.0]]), 5, generator()), "features: .* one row an arm"),
        (lambda: LinUCB().run(WithoutMeans([[1.0], [math.nan]]), 5, generator()), "features: .* finite"),
        (lambda: oful_radius(-1.0), "log_det"),
        (lambda: oful_radius(1.0, delta=0.0), "delta"),
        (lambda: oful_bound(0, 1.0, 1.0), "horizon"),
        (lambda: oful_uniform_bound(10, 2, feature_bound=0.0), "feature_bound"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
