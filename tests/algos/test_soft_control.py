"""Soft control: solvers against each other and plain Python, derivatives against enumeration and differences."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.soft_control import (
    PolicyCurvature,
    SoftControl,
    entropy_bias_bound,
    log_softmax,
    policy_curvature,
    policy_gradient,
    soft_iteration_bound,
    softmax_gradient,
    stopping_error_bound,
)
from tests.reference import soft_control as reference

seeds = st.integers(0, 2**32 - 1)


def process(seed, S=4, A=3, discount=0.9, temperature=0.5, horizon=None, n=2):
    """A random process with a reward (S, A) and its Jacobian (S, A, n)."""
    rng = np.random.default_rng(seed)
    control = SoftControl(
        rng.dirichlet(np.ones(S), size=(S, A)), rng.dirichlet(np.ones(S)), discount, temperature, horizon=horizon
    )
    return control, rng.standard_normal((S, A)), rng.standard_normal((S, A, n)), rng


PROCESSES = [{}, {"discount": 0.0}, {"discount": 0.97}, {"horizon": 3}, {"horizon": 4, "discount": 1.0}, {"S": 1},
             {"A": 1}, {"S": 1, "A": 1}, {"horizon": 1}]  # fmt: skip


@settings(max_examples=30)
@given(seeds, st.integers(1, 5), st.integers(1, 4), st.floats(0, 0.97), st.floats(0.05, 3))
def test_both_solvers_agree_with_plain_python(seed, S, A, discount, temperature):
    control, reward, _, _ = process(seed, S, A, discount, temperature)
    sweeps = math.ceil(35 / -math.log(discount)) if discount > 0.01 else 20
    plain = np.array(reference.value_iteration(control.transitions, discount, temperature, reward, sweeps))
    for solver in ("value_iteration", "policy_iteration", "auto"):
        found = control.solve(reward, solver=solver)
        assert found.values[0] == pytest.approx(plain, abs=1e-10)
        assert found.error_bound <= 1e-11 * control.total_weight
        assert found.policy.sum(axis=-1) == pytest.approx(1.0, abs=1e-12)
        assert found.log_policy == pytest.approx(
            (found.action_values - found.values[..., None]) / temperature, abs=1e-9
        )
    assert control.solve(reward, solver="policy_iteration").sweeps <= 12


@given(seeds, st.integers(1, 4), st.floats(0, 1), st.floats(0.05, 2))
def test_a_horizon_is_solved_backwards(seed, horizon, discount, temperature):
    control, reward, _, _ = process(seed, 3, 2, discount, temperature, horizon)
    found = control.solve(reward)
    for h in range(horizon):
        plain = reference.value_iteration(control.transitions, discount, temperature, reward, horizon - h)
        assert found.values[h] == pytest.approx(np.array(plain), abs=1e-10)


@pytest.mark.parametrize("solver", ["value_iteration", "policy_iteration"])
@pytest.mark.parametrize("discount", [0.5, 0.999, 0.999999])
def test_large_values_end_where_rounding_begins(solver, discount):
    control, reward, _, _ = process(3, discount=discount)
    if discount == 0.999999 and solver == "value_iteration":
        control, reward, _, _ = process(3, discount=0.9999)
        found = control.solve(reward, solver=solver, tolerance=1e-3)
        assert 1e-4 < found.error_bound <= 1e-3
    else:
        found = control.solve(reward, solver=solver)
        wanted = 1e-12 * (1.0 + np.abs(reward).max() * control.total_weight)
        assert found.error_bound <= max(wanted, 2.0**-48 * control.total_weight * np.abs(found.values).max())
    q = control.layered(reward) + control.discount * (control.transitions @ found.values[0])
    fresh = 0.5 * np.log(np.exp((q - q.max()) / 0.5).sum(axis=-1)) + q.max()
    assert np.abs(fresh - found.values).max() * control.total_weight <= max(found.error_bound, 1e-9) * 2


@given(seeds, st.floats(0.1, 0.97), st.integers(1, 60), st.sampled_from([0.0, 0.3, 2.0]))
@pytest.mark.guarantee("stopping_error_bound", "soft_iteration_bound")
def test_sweeps_contract_and_the_last_change_bounds_the_error(seed, discount, sweeps, temperature):
    control, reward, _, _ = process(seed, 4, 2, discount, temperature)
    best = control.solve(reward, solver="value_iteration").values[0]
    values, floor = np.zeros(4), 1e-10 * control.total_weight
    start = float(np.abs(best).max())
    for k in range(sweeps):
        q = reward + discount * control.transitions @ values
        fresh = q.max(axis=1)
        if temperature > 0:
            fresh = fresh + temperature * np.log(np.exp((q - fresh[:, None]) / temperature).sum(axis=1))
        change, values = float(np.abs(fresh - values).max()), fresh
        error = float(np.abs(values - best).max())
        assert error <= stopping_error_bound(change, discount) + floor
        assert error <= soft_iteration_bound(k + 1, discount, start) + floor


@given(seeds, st.floats(0.1, 0.97), st.floats(0.05, 2))
@pytest.mark.guarantee("soft_iteration_bound", "stopping_error_bound")
def test_policy_iteration_contracts_as_well(seed, discount, temperature):
    control, reward, _, rng = process(seed, 4, 3, discount, temperature)
    best = control.solve(reward).values[0]
    policy, start, before = rng.dirichlet(np.ones(3), size=(1, 4)), math.inf, None
    for k in range(6):
        values, actions = control.evaluate(policy, reward - temperature * np.log(policy))
        actions = actions + temperature * np.log(policy)
        error = float(np.abs(values[0] - best).max())
        start = error if k == 0 else start
        assert (values[0] <= best + 1e-9).all()
        assert error <= soft_iteration_bound(k, discount, start) + 1e-9
        if before is not None:
            assert error <= stopping_error_bound(float(np.abs(values[0] - before).max()), discount) + 1e-9
        policy, before = np.exp(log_softmax(actions / temperature)), values[0]


@given(seeds, st.integers(1, 4), st.floats(0, 0.97), st.floats(0, 3), st.sampled_from([None, 1, 4]))
@pytest.mark.guarantee("entropy_bias_bound")
def test_entropy_adds_between_nothing_and_its_bound(seed, A, discount, temperature, horizon):
    soft, reward, _, _ = process(seed, 3, A, discount, temperature, horizon)
    hard = SoftControl(soft.transitions, soft.start, discount, 0.0, horizon=horizon)
    bound = entropy_bias_bound(temperature, A, soft.total_weight)
    best, found = hard.solve(reward), soft.solve(reward)
    excess = found.values[0] - best.values[0]
    assert (excess >= -1e-9).all()
    assert (excess <= bound + 1e-9).all()
    loss = best.values[0] - soft.evaluate(found.policy, reward)[0][0]
    assert (loss >= -1e-9).all()
    assert (loss <= bound + 1e-9).all()


def test_identical_rewards_attain_the_entropy_bias():
    soft, _, _, _ = process(0, 3, 4, 0.8, 0.7)
    assert soft.solve(np.zeros((3, 4))).values == pytest.approx(entropy_bias_bound(0.7, 4, soft.total_weight))


@settings(max_examples=30)
@given(seeds, st.sampled_from(PROCESSES), st.floats(-5, 5), st.floats(0.1, 10))
def test_invariances_of_the_optimal_policy(seed, shape, shift, scale):
    control, reward, _, rng = process(seed, **shape)
    policy = control.solve(reward).policy
    assert control.solve(reward + shift).policy == pytest.approx(policy, abs=1e-9)
    scaled = SoftControl(
        control.transitions, control.start, control.discount, scale * control.temperature, horizon=control.horizon
    )
    assert scaled.solve(scale * reward).policy == pytest.approx(policy, abs=1e-9)
    if control.horizon is None:  # a last state's potential would have to vanish otherwise
        potential = rng.standard_normal(control.n_states)
        shaped = reward + control.discount * control.transitions @ potential - potential[:, None]
        assert control.solve(shaped).policy == pytest.approx(policy, abs=1e-9)


@given(seeds, st.sampled_from(PROCESSES))
def test_occupancies_weigh_rewards_as_values_do(seed, shape):
    control, reward, _, rng = process(seed, **shape)
    policy = rng.dirichlet(np.ones(control.n_actions), size=(control.layers, control.n_states))
    visits = control.occupancy(policy)
    assert visits.sum() == pytest.approx(control.total_weight, rel=1e-12)
    values, actions = control.evaluate(policy, reward)
    assert np.sum(visits[..., None] * policy * reward) == pytest.approx(control.start @ values[0], abs=1e-10)
    assert values == pytest.approx((policy * actions).sum(axis=-1), abs=1e-10)


@settings(max_examples=30)
@given(seeds, st.sampled_from(PROCESSES))
def test_sensitivities_are_differences_of_log_policies(seed, shape):
    control, reward, jacobian, rng = process(seed, **shape)
    direction, step = rng.standard_normal(2), 1e-5
    slope = control.sensitivity(control.solve(reward), jacobian) @ direction
    up, down = (control.solve(reward + sign * step * (jacobian @ direction)).log_policy for sign in (1, -1))
    assert slope == pytest.approx((up - down) / (2 * step), abs=1e-6, rel=1e-6)


@settings(max_examples=15)
@given(seeds, st.integers(1, 3), st.floats(0, 1), st.floats(0.1, 2))
def test_closed_forms_are_sums_over_all_trajectories(seed, horizon, discount, temperature):
    control, reward, jacobian, rng = process(seed, 2, 2, discount, temperature, horizon)
    theta = rng.standard_normal((horizon, 2, 2))
    logs = log_softmax(theta)
    value, gradient, hessian, cross = reference.expectations(
        control.transitions, control.start, discount, temperature, theta, reward, jacobian
    )
    values, _ = control.evaluate(np.exp(logs), reward - temperature * logs)
    assert control.start @ values[0] == pytest.approx(value, abs=1e-10)
    found = policy_curvature(control, logs, reward, jacobian)
    assert found.gradient == pytest.approx(gradient, abs=1e-10)
    assert policy_gradient(control, logs, reward).ravel() == pytest.approx(gradient, abs=1e-10)
    assert found.hessian == pytest.approx(hessian, abs=1e-10)
    assert found.cross == pytest.approx(cross, abs=1e-10)


@settings(max_examples=20)
@given(seeds, st.floats(0, 0.95), st.sampled_from([0.0, 0.3, 2.0]))
def test_second_derivatives_without_a_horizon_are_differences(seed, discount, temperature):
    control, reward, jacobian, rng = process(seed, 3, 3, discount, temperature)
    theta, step = rng.standard_normal((1, 3, 3)), 1e-5
    found = policy_curvature(control, log_softmax(theta), reward, jacobian)
    for direction in (rng.standard_normal((1, 3, 3)), np.ones((1, 3, 3))):
        up, down = (policy_gradient(control, log_softmax(theta + sign * step * direction), reward) for sign in (1, -1))
        slope = (up - down).ravel() / (2 * step)
        assert found.hessian @ direction.ravel() == pytest.approx(slope, abs=1e-6 * (1 + control.total_weight))
    up, down = (
        policy_gradient(control, log_softmax(theta), reward + sign * step * jacobian[..., 0]) for sign in (1, -1)
    )
    assert found.cross[0] == pytest.approx((up - down).ravel() / (2 * step), abs=1e-6)


@settings(max_examples=20)
@given(seeds, st.sampled_from([{}, {"horizon": 3}, {"S": 2, "A": 4}, {"discount": 0.0}]))
def test_the_hessian_has_one_null_direction_a_state_and_is_negative_at_the_optimum(seed, shape):
    control, reward, jacobian, _ = process(seed, **shape)
    found = policy_curvature(control, control.solve(reward).log_policy, reward, jacobian)
    eigenvalues = np.linalg.eigvalsh(found.hessian)
    null = np.abs(eigenvalues) <= 1e-12 * np.abs(eigenvalues).max()
    assert null.sum() == control.layers * control.n_states
    assert (eigenvalues[~null] < 0).all()
    assert found.gradient == pytest.approx(0.0, abs=1e-10)
    assert found.hessian == pytest.approx(found.hessian.T, abs=1e-12)


@settings(max_examples=20)
@given(seeds, st.sampled_from([{}, {"horizon": 3}, {"S": 1}, {"A": 1}, {"discount": 0.0}]))
def test_the_response_is_that_of_the_pseudo_inverse(seed, shape):
    control, reward, jacobian, rng = process(seed, **shape)
    solution = control.solve(reward)
    found = policy_curvature(control, solution.log_policy, reward, jacobian)
    direction = softmax_gradient(solution.policy, rng.standard_normal(solution.policy.shape))
    direction *= found.visits[..., None]
    plain = -found.cross @ np.linalg.pinv(found.hessian, rcond=1e-11, hermitian=True) @ direction.ravel()
    assert found.response(direction) == pytest.approx(plain, abs=1e-8)
    # ... and that of the optimal policy itself, by the chain rule.
    slopes = control.sensitivity(solution, jacobian)
    assert found.response(direction) == pytest.approx(np.einsum("lsa,lsan->n", direction, slopes), abs=1e-9)


def test_states_never_visited_do_not_respond():
    transitions = np.zeros((3, 2, 3))
    transitions[0, :, 1] = transitions[1, :, 0] = transitions[2, :, 2] = 1.0
    control = SoftControl(transitions, [1.0, 0.0, 0.0], 0.9, 0.5)
    rng = np.random.default_rng(0)
    reward, jacobian = rng.standard_normal((3, 2)), rng.standard_normal((3, 2, 2))
    solution = control.solve(reward)
    found = policy_curvature(control, solution.log_policy, reward, jacobian)
    visits = control.occupancy(solution.policy)
    assert visits[0, 2] == 0.0
    direction = softmax_gradient(solution.policy, visits[..., None] * rng.standard_normal((1, 3, 2)))
    slopes = control.sensitivity(solution, jacobian)
    assert found.response(direction) == pytest.approx(np.einsum("lsa,lsan->n", direction, slopes), abs=1e-10)


def test_a_singular_hessian_is_said():
    flat = PolicyCurvature(np.zeros(2), np.zeros((2, 2)), np.ones((1, 2)), np.ones((1, 1)))
    assert flat.response([1.0, -1.0]) is None
    broken = PolicyCurvature(np.zeros(2), np.full((2, 2), np.nan), np.ones((1, 2)), np.ones((1, 1)))
    assert broken.response([1.0, -1.0]) is None


def test_almost_deterministic_policies_are_warned_of():
    control, reward, jacobian, _ = process(1, temperature=1e-4)
    solution = control.solve(reward)
    with pytest.warns(UserWarning, match="almost deterministic"):
        slopes = control.sensitivity(solution, jacobian)
    assert np.isfinite(slopes).all()
    single, reward, jacobian, _ = process(1, A=1, temperature=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not single.sensitivity(single.solve(reward), jacobian).any()
        # Large values alone are no reason.
        control, reward, jacobian, _ = process(1)
        control.sensitivity(control.solve(reward + 1e6), jacobian)


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-20])
def test_the_least_temperatures_are_those_of_the_common_problem(temperature):
    control, reward, _, _ = process(2, temperature=temperature)
    hard = SoftControl(control.transitions, control.start, 0.9, 0.0).solve(reward)
    for solver in ("value_iteration", "policy_iteration"):
        found = control.solve(reward, solver=solver)
        assert found.policy.tolist() == hard.policy.tolist()
        assert found.values == pytest.approx(hard.values, abs=1e-10)


def test_huge_rewards_do_not_overflow():
    control, reward, _, _ = process(2)
    for solver in ("value_iteration", "policy_iteration"):
        found = control.solve(1e100 * reward, solver=solver)
        assert np.isfinite(found.values).all()
        assert found.policy.sum(axis=-1) == pytest.approx(1.0)


GOOD = {"transitions": [[[0.5, 0.5]], [[0.0, 1.0]]], "start": [1.0, 0.0], "discount": 0.9, "temperature": 1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transitions": [[[0.5, 0.5]], [[0.0, 1.0 + 1e-9]]]}, r"row \(1, 0\) sums to"),
        ({"transitions": [[[-0.5, 1.5]], [[0.0, 1.0]]]}, r"entry \(0, 0, 0\) is -0.5"),
        ({"transitions": [[[0.5, math.nan]], [[0.0, 1.0]]]}, "entry"),
        ({"transitions": [[[1.0]], [[1.0]]]}, "is not \\(S, A, S\\)"),
        ({"transitions": []}, "non-empty array of three dimensions"),
        ({"start": [1.0]}, "1 chances for 2 states"),
        ({"start": [0.7, 0.7]}, "sums to"),
        ({"discount": 1.0}, "must be below 1 when there is no horizon"),
        ({"discount": -0.1}, "greater than or equal to 0"),
        ({"discount": math.nan}, "finite"),
        ({"temperature": -1.0}, "greater than or equal to 0"),
        ({"temperature": math.inf}, "finite"),
        ({"horizon": 0}, "greater than or equal to 1"),
        ({"horizon": 2.5}, "whole number"),
    ],
)
def test_bad_processes_are_refused(change, message):
    SoftControl(**GOOD)
    with pytest.raises(ValueError, match=message):
        SoftControl(**{**GOOD, **change})


def test_bad_arguments_are_refused():
    control = SoftControl(**GOOD)
    for reward in ([[1.0]], [[math.nan], [0.0]], [[math.inf], [0.0]], np.zeros((2, 2, 1))):
        with pytest.raises(ValueError, match="reward"):
            control.solve(reward)
    for arguments in ({"solver": "guess"}, {"tolerance": 0.0}, {"tolerance": math.nan}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            control.solve(np.zeros((2, 1)), **arguments)
    for policy in (np.ones((2, 1)), np.full((1, 2, 1), 0.5), np.full((1, 2, 1), math.nan)):
        with pytest.raises(ValueError, match="policy"):
            control.occupancy(policy)
    hard = SoftControl(**{**GOOD, "temperature": 0.0})
    with pytest.raises(ValueError, match="temperature"):
        hard.sensitivity(hard.solve(np.zeros((2, 1))), np.zeros((2, 1, 1)))
    large, reward, jacobian, _ = process(0, 1, 2, horizon=1001)
    with pytest.raises(ValueError, match="2002 logits"):
        policy_curvature(large, np.full((1001, 1, 2), -math.log(2)), reward, jacobian)
    for bound, arguments in (
        (entropy_bias_bound, (-1.0, 2, 1.0)),
        (entropy_bias_bound, (1.0, 0, 1.0)),
        (stopping_error_bound, (math.nan, 0.5)),
        (stopping_error_bound, (1.0, 1.0)),
        (soft_iteration_bound, (-1, 0.5, 1.0)),
        (soft_iteration_bound, (1, 0.5, math.inf)),
    ):
        with pytest.raises(ValueError):
            bound(*arguments)
