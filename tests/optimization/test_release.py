"""Releases: whole-number sums with the sensitivity that is claimed, exact noise, nothing else in the result."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from algos.privacy import zcdp_epsilon
from optimization.differentially_private import DPGD, DPSGD, PrivateSpiderBoost
from optimization.differentially_private.release import lattice_for, rho_for
from simulators.erm import LOSSES, LinearModelRisk, Loss, breast_cancer
from simulators.erm.losses import loss_slope


def rng(seed=0):
    return np.random.default_rng(seed)


def risk_of(seed, n, d, name="sigmoid"):
    own = rng(seed)
    rows = own.standard_normal((n, d))
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    return LinearModelRisk(rows, np.where(own.random(n) < 0.5, 1.0, -1.0), Loss(name)), own


@given(st.floats(1e-8, 1e8), st.integers(1, 2000))
def test_lattices_are_fine_and_powers_of_two(reach, d):
    found = lattice_for(reach, d, 1000)
    assert found.step * math.sqrt(d) <= 2**-20 * found.reach
    assert math.frexp(found.step)[0] == 0.5
    assert found.target < found.reach
    assert reach <= found.reach <= reach * (1 + 2**-29)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 6), st.sampled_from(LOSSES), st.floats(0.001, 1))
def test_whole_sums_are_those_of_cut_records_in_any_order(seed, n, d, name, reach):
    risk, own = risk_of(seed, n, d, name)
    w, before = 4 * own.standard_normal((2, d))
    lattice = lattice_for(reach, d, n)
    found = risk.lattice_variation_sum(w, before, clip=lattice.target, step=lattice.step)
    parts = []
    for row, y in zip(risk.features, risk.targets, strict=True):
        slopes = [loss_slope(risk.loss.kind, 1.0, float(row @ at), y) for at in (w, before)]
        vector = (slopes[0] - slopes[1]) * row
        norm = np.linalg.norm(vector)
        vector = vector * min(1.0, lattice.target / norm) if norm > 0 else vector
        parts.append(np.trunc(vector / lattice.step))
        assert np.linalg.norm(parts[-1]) * lattice.step <= lattice.reach
    # Of slopes that are computed in another order the cut may fall on the other side.
    assert np.abs(found - np.sum(parts, axis=0)).max() <= n
    order = own.permutation(n)
    mixed = LinearModelRisk(risk.features[order], risk.targets[order], risk.loss)
    again = mixed.lattice_variation_sum(w, before, clip=lattice.target, step=lattice.step)
    assert again.tolist() == found.tolist()
    one = LinearModelRisk(risk.features[:1], risk.targets[:1], risk.loss)
    alone = one.lattice_gradient_sum(w, clip=lattice.target, step=lattice.step).astype(object)
    assert math.isqrt(sum(int(value) ** 2 for value in alone)) * lattice.step <= lattice.reach


@given(st.floats(0.01, 20), st.floats(1e-10, 0.1))
def test_rho_is_the_inverse(epsilon, delta):
    rho = rho_for(epsilon, delta)
    assert zcdp_epsilon(rho, delta) <= epsilon
    assert zcdp_epsilon(rho * (1 + 1e-6), delta) > epsilon * (1 - 1e-9)


def test_a_release_has_the_budget_and_nothing_else():
    problem = breast_cancer()
    for method in (
        PrivateSpiderBoost(2.0, 1e-5, 3, mode="release"),
        PrivateSpiderBoost(2.0, 1e-5, 3, mode="release", output="last"),
        DPGD(2.0, 1e-5, mode="release", output="average", adjacency="add_remove"),
    ):
        run = method.run(problem, 10, None)
        assert run.outcome["epsilon"] <= 2.0
        assert run.outcome["epsilon"] == pytest.approx(2.0, rel=1e-4)
        assert dict(run.metrics) == {}
        assert run.rounds.tolist() == [10]
        assert "releases" not in run.outcome
        assert "certificate" not in run.outcome
        assert method.adjacency in run.outcome["statement"]
        other = method.run(problem, 10, None).outcome["iterate"]
        assert not np.array_equal(other, run.outcome["iterate"])


def test_released_gradients_have_the_noise_that_was_accounted():
    """One release from the start: the iterate is -eta times it; chi-square of its noise at 1e-9."""
    problem = breast_cancer()
    method = DPGD(1.0, 1e-5, step=1.0, mode="release", output="last")
    truth = problem.gradient(np.zeros(31))
    noise = []
    for _ in range(40):
        run = method.run(problem, 1, None).outcome
        noise.append(-run["iterate"] - truth)
    sigma = 2 * problem.lipschitz * run["noise_multiplier"][0] / 569
    statistic = (np.array(noise) ** 2).sum() / sigma**2
    assert 1e-9 < chi2.cdf(statistic, 40 * 31) < 1 - 1e-9
    assert abs(np.mean(noise)) < 6 * sigma / math.sqrt(40 * 31)
    # Whole multiples of the lattice's step over n.
    step = lattice_for(problem.lipschitz, 31, 569).step
    multiples = -run["iterate"] * 569 / step
    np.testing.assert_allclose(multiples, np.rint(multiples), atol=1e-6)


def test_every_release_is_clipped_to_its_reach():
    """Constants that are too small are what clipping is for; exact ones never show whether it is done."""
    asked = []

    class Understated:
        def __init__(self, risk):
            self.risk, self.lipschitz, self.smoothness = risk, 0.1 * risk.lipschitz, 0.1 * risk.smoothness
            self.n_records, self.dimension, self.gap = risk.n_records, risk.dimension, risk.gap

        def lattice_gradient_sum(self, w, *, clip, step):
            asked.append((self.lipschitz, clip))
            return self.risk.lattice_gradient_sum(w, clip=clip, step=step)

        def lattice_variation_sum(self, w, before, *, clip, step):
            asked.append((min(self.smoothness * np.linalg.norm(w - before), 2 * self.lipschitz), clip))
            return self.risk.lattice_variation_sum(w, before, clip=clip, step=step)

    PrivateSpiderBoost(2.0, 1e-5, 3, mode="release", step=1.0).run(Understated(breast_cancer()), 6, None)
    assert len(asked) == 6
    for reach, clip in asked:
        assert clip == lattice_for(reach, 31, 569).target
        assert reach * (1 - 2**-29) < clip < reach * (1 + 2**-29)


def test_equal_points_ask_nothing():
    rows = np.array([[1.0, 0.0]])
    problem = LinearModelRisk(rows, [1.0], Loss("sigmoid"))
    w = np.zeros(2)
    assert problem.lattice_variation_sum(w, w, clip=1.0, step=2**-10).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda p: DPGD(1.0, 1e-5, mode="release").run(p, 3, rng()), "rng: a release draws from the operating system"),
        (lambda p: DPGD(1.0, 1e-5, mode="release").run(p, 3, None, trace=True), "neither a trajectory"),
        (lambda p: DPGD(1.0, 1e-5, mode="release", enforce="assume"), "enforce = 'assume'"),
        (lambda p: DPGD(math.inf, 1e-5, mode="release"), "epsilon = inf: a release needs a budget"),
        (lambda p: DPSGD(1.0, 1e-5, anchor_batch=5, mode="release"), "sampling = 'poisson': releases are of all"),
        (lambda p: DPGD(1.0, 1e-5, mode="release").run(object(), 3, None), "n_records"),
        (lambda p: DPGD(1.0, 1e-5).run(p, 3, None), "rng: None"),
        (lambda p: DPGD(1.0, 1e-5, mode="public"), "mode = 'public'"),
        (lambda p: lattice_for(0.0, 3, 3), "reach: 0.0"),
        (lambda p: lattice_for(1.0, 3, 2**50), "n_records: "),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises((ValueError, AttributeError), match=says):
        call(breast_cancer())
