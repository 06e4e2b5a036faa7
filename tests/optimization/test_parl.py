"""PARL: its descent against its guarantee, its modes against each other, estimators against expectations, rivals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.soft_control import SoftControl, log_softmax, policy_curvature, softmax_gradient
from optimization.bilevel import (
    PARL,
    DesignEvolutionStrategies,
    DesignFiniteDifferences,
    FixedReward,
    RewardAlternation,
    UnrolledPolicyGradient,
    design_gradient,
    inexact_descent_bound,
    parl_sampling,
    sampled_design_gradient,
    trajectory_length,
)
from optimization.bilevel.parl_sampling import sampled_policy_gradient
from simulators.mdp import GridWorld, LinearReward, RandomMDP, TabularMDP, TaxBandit, TwoStateMDP
from tests.optimization.test_design_gradients import world_of

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(1, 40), st.floats(0.01, 1.0), st.floats(0, 2))
@pytest.mark.guarantee("inexact_descent_bound")
def test_descent_with_errors_keeps_its_bound(seed, horizon, share, noise):
    """On G(x) = sum w_i cos(x_i), which is not convex, L = max w, for any errors at all."""
    rng = np.random.default_rng(seed)
    w, x = rng.uniform(0.1, 3.0, 4), rng.uniform(-4, 4, 4)
    step = share / w.max()
    squares, errors, gap = [], [], float(w @ np.cos(x)) + w.sum()
    for _ in range(horizon):
        gradient = -w * np.sin(x)
        error = noise * rng.standard_normal(4) * rng.choice([0.0, 1.0]) - rng.choice([0.0, 1.5]) * gradient
        squares.append(gradient @ gradient)
        errors.append(error @ error)
        x = x - step * (gradient + error)
    assert np.mean(squares) <= inexact_descent_bound(horizon, step, gap, np.mean(errors)) * (1 + 1e-12)
    # The constants of the specification, for half the step.
    assert inexact_descent_bound(horizon, step, gap, 1.0) <= 4 * gap / (step * horizon) + 6


@settings(max_examples=25)
@given(st.lists(st.floats(-2, 2), min_size=2, max_size=5), st.floats(0.2, 2), st.integers(1, 60), seeds)
@pytest.mark.guarantee("inexact_descent_bound")
def test_parl_keeps_its_guarantee_on_bandits(u, temperature, horizon, seed):
    """The second derivative of a softmax mean is E[(u - J)(v - E v)^2] / tau^2, at most range(u) / (2 tau^2)."""
    smoothness = max(max(u) - min(u), 1e-3) / (2 * temperature**2)
    world, step = TaxBandit(u, temperature=temperature), 1.0 / smoothness
    start = np.random.default_rng(seed).standard_normal(len(u))
    run = PARL(step, tolerance=0.0).run(world, horizon, start=start, checkpoints=np.arange(1, horizon + 1))
    gap = max(0.0, run.metrics["upper"][0] + max(u))
    mean = np.mean(run.metrics["gradient_norm"] ** 2)
    assert mean <= inexact_descent_bound(horizon, step, gap, 0.0) + 1e-12
    utilities = np.append(run.metrics["utility"], run.outcome["utility"])
    assert (np.diff(utilities) >= -1e-12).all()


@pytest.mark.parametrize("world", [TwoStateMDP(), TwoStateMDP(4, prefers=True), GridWorld(4, 3), world_of(5)[0]])
def test_small_exact_steps_never_raise_the_cost(world):
    run = PARL(0.02).run(world, 60, checkpoints=np.arange(1, 61))
    cost = np.append(run.metrics["upper"], run.outcome["upper"])
    assert (np.diff(cost) <= 1e-12).all()
    assert cost[-1] < cost[0]
    assert run.rounds.tolist() == list(range(1, 61))
    assert run.metrics["gradient_norm"][0] == np.linalg.norm(design_gradient(world, world.initial_parameters).gradient)
    assert run.outcome["gradient_norm"] == np.linalg.norm(design_gradient(world, run.outcome["nu"]).gradient)


@pytest.mark.parametrize("method", ["theta_space", "penalty_central", "finite_differences"])
def test_every_exact_gradient_walks_the_same_way(method):
    for world in (TwoStateMDP(3), TwoStateMDP(3, prefers=True)):
        one, other = (PARL(0.1, gradient=name).run(world, 30).outcome["nu"] for name in ("closed_form", method))
        assert other == pytest.approx(one, abs=1e-4)
        assert np.abs(one - world.initial_parameters).max() > 1e-2


def test_the_error_of_the_gradient_decays_geometrically_in_the_inner_steps():
    world, nu = TwoStateMDP(), np.array([0.3, -0.2])
    exact = design_gradient(world, nu).gradient

    def errors(steps, **inner):
        found = []
        for k in steps:
            run = PARL(1.0, "exact_K", inner_steps=k, **inner).run(world, 1, start=nu)
            found.append(np.linalg.norm(nu - run.outcome["nu"] - exact))
        return np.array(found)

    slow = errors([40, 60, 80, 100, 120], inner="policy_gradient", inner_step=0.2)
    assert slow[1:] / slow[:-1] == pytest.approx(0.105, rel=0.1)
    shares = errors([1, 3, 5, 7, 9], inner_step=0.5)
    assert (shares[1:] / shares[:-1] < 0.5).all()
    fast = errors([1, 2, 3, 4])
    assert fast[3] < 1e-5 * fast[0]


def test_warm_starts_follow_the_optimum():
    world = TwoStateMDP()
    exact = PARL(0.2).run(world, 50).outcome["nu"]
    errors = [
        np.abs(PARL(0.2, "exact_K", inner="policy_gradient", inner_step=0.3, inner_steps=k).run(world, 50).outcome["nu"]
               - exact).max()
        for k in (20, 40, 80)
    ]  # fmt: skip
    assert errors[0] < 0.1
    assert errors[2] < errors[1] < errors[0]
    assert PARL(0.2, "exact_K", inner_steps=2).run(world, 50).outcome["nu"] == pytest.approx(exact, abs=1e-3)
    run = PARL(0.2, "exact_K", inner_steps=7).run(world, 50)
    assert run.metrics["policy_steps"][-1] == 350
    best = world.control.solve(world.reward(run.outcome["nu"])).policy
    assert run.outcome["policy"] == pytest.approx(best, abs=1e-3)
    # The agent that answers optimally answers the last parameters.
    best = world.control.solve(world.reward(exact)).policy
    assert PARL(0.2).run(world, 50).outcome["policy"] == pytest.approx(best, abs=1e-12)


def within(samples, expectation):
    """Whether the mean of independent batches is within 6 standard errors everywhere; tail 2e-9 an entry."""
    batches = np.array(samples)
    mean, error = batches.mean(axis=0), batches.std(axis=0, ddof=1) / math.sqrt(len(batches))
    return (np.abs(mean - expectation) <= 6 * error + 1e-12).all()


@pytest.mark.parametrize("prefers", [False, True])
@pytest.mark.parametrize(("horizon", "count"), [(1, 40), (3, 40), (2, 2)])
def test_every_factor_is_unbiased(prefers, horizon, count):
    world, nu = world_of(2, S=2, A=2, horizon=horizon, prefers=prefers)
    logs = log_softmax(np.random.default_rng(7).standard_normal((horizon, 2, 2)))
    rng = np.random.default_rng(11)
    exact = policy_curvature(world.control, logs, world.reward(nu), world.reward_jacobian(nu))
    cost, slope = world.cost(nu, np.exp(logs)), world.regularizer(nu)[1]
    folds = [parl_sampling._fold(world, nu, logs, count, horizon, rng) for _ in range(400)]
    assert within([fold.policy / (count * (2 if prefers else 1)) for fold in folds], exact.gradient)
    assert within([fold.cross / count for fold in folds], exact.cross)
    assert within([fold.hessian / count for fold in folds], exact.hessian)
    assert within([fold.upper / count for fold in folds], softmax_gradient(np.exp(logs), cost.weights).ravel())
    assert within([fold.direct / count + slope for fold in folds], cost.direct)
    policy = [sampled_policy_gradient(world, nu, logs, count, horizon, rng).ravel() for _ in range(400)]
    assert within(policy, exact.gradient)


def test_cut_trajectories_are_unbiased_up_to_what_they_leave_out():
    world = TwoStateMDP()
    nu, logs = world.initial_parameters, log_softmax(np.random.default_rng(3).standard_normal((1, 2, 2)))
    exact = policy_curvature(world.control, logs, world.reward(nu), world.reward_jacobian(nu))
    rng, length = np.random.default_rng(5), trajectory_length(world.control, 1e-8)
    folds = [parl_sampling._fold(world, nu, logs, 20, length, rng) for _ in range(400)]
    assert within([fold.policy / 20 for fold in folds], exact.gradient)
    assert within([fold.hessian / 20 for fold in folds], exact.hessian)


@pytest.mark.parametrize("prefers", [False, True])
def test_the_baseline_takes_out_noise(prefers):
    """Without it the second derivatives of the same trajectories scatter several times as much."""
    world, nu = world_of(2, S=2, A=2, horizon=5, prefers=prefers)
    logs = world.control.solve(world.reward(nu)).log_policy
    reward = world.control.layered(world.reward(nu) + 3.0) - world.control.temperature * logs
    rng, spread = np.random.default_rng(1), []
    for baseline in (True, False):
        found = []
        for _ in range(100):
            states, actions = world.trajectories(np.exp(logs), 50, 5, rng)
            to_go = parl_sampling._to_go(states, actions, reward, world.control.discount)
            if not baseline:
                steps = reward[np.arange(5), states, actions] * world.control.discount ** np.arange(5)
                to_go = steps[:, ::-1].cumsum(axis=1)[:, ::-1].copy()
            half, own = np.zeros((20, 20)), np.zeros((20, 20))
            parl_sampling._add_curvature(states, actions, np.exp(logs), to_go, 0.5, 0.9, np.empty(20), half, own)
            found.append(half + half.T + own)
        spread.append(np.std(found, axis=0).mean())
    assert spread[0] < spread[1] / 2


def test_products_with_the_hessian_are_those_of_the_matrix():
    world, nu = world_of(6, S=3, A=3, horizon=4)
    logs = log_softmax(np.random.default_rng(0).standard_normal((4, 3, 3)))
    fold = parl_sampling._fold(world, nu, logs, 30, 4, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    for _ in range(3):
        v, total = rng.standard_normal(36), np.zeros(36)
        parl_sampling._add_product(
            fold.states, fold.actions, np.exp(logs), fold.to_go, 1.0, world.control.temperature,
            world.control.discount, v, total,
        )  # fmt: skip
        assert total == pytest.approx(fold.hessian @ v, abs=1e-10)


@pytest.mark.parametrize("prefers", [False, True])
def test_many_logits_are_solved_by_products_alone(prefers, monkeypatch):
    world, nu = world_of(6, S=3, A=2, horizon=4, prefers=prefers)
    logs = world.control.solve(world.reward(nu)).log_policy
    dense = sampled_design_gradient(world, nu, logs, 500, np.random.default_rng(1))
    monkeypatch.setattr(parl_sampling, "_LARGEST_MATRIX", 1)
    products = sampled_design_gradient(world, nu, logs, 500, np.random.default_rng(1))
    assert products.gradient == pytest.approx(dense.gradient, abs=1e-6)
    assert products.standard_error == pytest.approx(dense.standard_error, abs=1e-6)


@pytest.mark.parametrize("world", [TwoStateMDP(), TwoStateMDP(4), TwoStateMDP(4, prefers=True)])
def test_sampled_gradients_approach_the_exact_one(world):
    nu = world.initial_parameters
    exact, logs = design_gradient(world, nu).gradient, world.control.solve(world.reward(nu)).log_policy
    error = []
    for count in (200, 20_000):
        found = sampled_design_gradient(world, nu, logs, count, np.random.default_rng(count), tikhonov=1e-6)
        error.append(np.linalg.norm(found.standard_error))
        # 10 folds: Student's t with 9 degrees of freedom leaves 3e-7 beyond 12, twice.
        assert (np.abs(found.gradient - exact) <= 12 * found.standard_error + 2.0 / count).all()
        steps = trajectory_length(world.control)
        assert found.transitions == count * steps * (1 if world.utility is not None else 2)
    assert error[1] < error[0] / 4  # 10 expected
    assert error[1] < 0.1 * np.linalg.norm(exact) + 0.02


def test_the_baseline_of_a_pair_is_the_loss_of_the_others():
    world, nu = world_of(2, S=2, A=2, horizon=2, prefers=True)
    logs, rng = log_softmax(np.random.default_rng(7).standard_normal((2, 2, 2))), np.random.default_rng(5)
    fold = parl_sampling._fold(world, nu, logs, 2, 2, np.random.default_rng(5))
    states, actions = world.trajectories(np.exp(logs), 4, 2, rng)
    losses, _ = parl_sampling._pair_losses(world, world.reward(nu), world.reward_jacobian(nu), states, actions, rng)
    expected = np.zeros((2, 2, 2))
    for i, weight in enumerate((losses[0] - losses[1], losses[1] - losses[0]) * 2):
        for h in range(2):
            expected[h, states[i, h]] += weight * (np.eye(2)[actions[i, h]] - np.exp(logs[h, states[i, h]]))
    assert fold.upper == pytest.approx(expected.ravel(), abs=1e-12)


def test_evolution_strategies_estimate_the_gradient():
    """The mean of z z' over 4000 directions is within 0.15 of the identity, 6 standard deviations of an entry."""
    world, nu = TwoStateMDP(), np.array([0.3, -0.2])
    run = DesignEvolutionStrategies(1.0, directions=4000, width=1e-3).run(world, 1, np.random.default_rng(0))
    exact = design_gradient(world, nu).gradient
    assert nu - run.outcome["nu"] == pytest.approx(exact, abs=0.15 * np.abs(exact).sum())


def test_the_regulariser_is_added_exactly():
    world, nu = world_of(2, S=2, A=2, horizon=3)
    plain = TabularMDP(world.control, world.rewards, utility=world.utility)
    logs = world.control.solve(world.reward(nu)).log_policy
    one, other = (sampled_design_gradient(each, nu, logs, 20, np.random.default_rng(0)) for each in (world, plain))
    assert one.gradient - other.gradient == pytest.approx(0.1 * nu, abs=1e-12)


def test_advantages_weigh_visits_by_their_discount():
    """Of two trajectories in one state: plain sums over visits."""
    world = TaxBandit([0.0, 0.0])
    control = SoftControl(np.ones((1, 2, 1)), np.ones(1), 0.5, 1.0)
    problem = TabularMDP(control, world.rewards, utility=world.utility)
    logs, reward = log_softmax(np.array([[[0.3, -0.4]]])), np.array([1.0, -2.0])
    found = parl_sampling.sampled_advantages(problem, reward, logs, 2, 3, np.random.default_rng(1))
    _, actions = problem.trajectories(np.exp(logs), 2, 3, np.random.default_rng(1))
    gain = reward - logs[0, 0]
    total, weight = np.zeros(2), np.zeros(2)
    for row in actions:
        for j in range(3):
            total[row[j]] += 0.5**j * sum(0.5 ** (h - j) * gain[row[h]] for h in range(j, 3))
            weight[row[j]] += 0.5**j
    assert weight.min() > 0
    assert found[0, 0] == pytest.approx(total / weight - total.sum() / weight.sum(), abs=1e-12)


@pytest.mark.parametrize("horizon", [None, 3])
def test_sampled_advantages_approach_the_exact_ones(horizon):
    world = TwoStateMDP(horizon)
    nu, logs = np.array([0.3, -0.2]), log_softmax(np.random.default_rng(3).standard_normal((horizon or 1, 2, 2)))
    values, actions = world.control.evaluate(np.exp(logs), world.control.layered(world.reward(nu)) - 0.5 * logs)
    exact, length = actions - values[..., None], trajectory_length(world.control)
    rng = np.random.default_rng(4)
    found = [parl_sampling.sampled_advantages(world, nu, logs, 400, length, rng) for _ in range(60)]
    assert within(np.array(found), exact)
    never = np.log([[[1.0 - 1e-300, 1e-300], [0.5, 0.5]]])
    assert not parl_sampling.sampled_advantages(TwoStateMDP(), nu, never, 50, 5, rng)[0, 0].any()


@pytest.mark.parametrize("inner", ["natural", "policy_gradient"])
def test_a_sampled_run_goes_where_the_exact_one_goes(inner):
    world = TwoStateMDP(4)
    method = PARL(0.2, "sampled", inner=inner, inner_steps=3, inner_step=0.3, batch=400)
    run = method.run(world, 25, np.random.default_rng(0), checkpoints=[1, 25])
    exact = PARL(0.2).run(world, 25)
    assert run.outcome["upper"] < run.metrics["upper"][0]
    assert run.outcome["upper"] == pytest.approx(exact.outcome["upper"], abs=0.1)
    assert run.metrics["oracle_calls"].tolist() == [4 * 400 * 4, 25 * 4 * 400 * 4]
    assert run.outcome["transitions"] == 25 * 4 * 400 * 4
    assert (run.outcome["standard_error"] > 0).all()
    assert method.run(world, 25, np.random.default_rng(0), checkpoints=[1, 25]).equals(run)
    assert not method.run(world, 25, np.random.default_rng(1), checkpoints=[1, 25]).equals(run)


def test_statuses():
    world, _ = world_of(5)
    done = PARL(0.5, tolerance=1e-6).run(world, 10_000)
    assert done.outcome["status"] == "converged"
    assert done.outcome["gradient_norm"] <= 1e-6
    assert done.rounds[-1] < 10_000
    assert PARL(0.5).run(world, 3).outcome["status"] == "max_iter"
    away = PARL(1e14).run(world, 5)
    assert away.outcome["status"] == "diverged"
    assert np.isfinite(away.outcome["nu"]).all()
    assert away.rounds.tolist() == [1]


def test_a_singular_hessian_ends_the_run(monkeypatch):
    world = TwoStateMDP()
    monkeypatch.setattr("optimization.bilevel.parl.theta_space_gradient", lambda *_: None)
    run = PARL(0.1, "exact_K").run(world, 9)
    assert run.outcome["status"] == "singular_hessian"
    assert run.outcome["nu"].tolist() == [0.3, -0.2]
    assert run.rounds.tolist() == [1]


class _Broken(TwoStateMDP):
    """A designer whose cost is not finite away from the start."""

    def cost(self, parameters, policy):
        found = super().cost(parameters, policy)
        return found if np.allclose(parameters, [0.3, -0.2]) else found._replace(weights=np.full((1, 2, 2), math.nan))


def test_a_cost_that_is_not_finite_ends_the_run():
    run = PARL(0.1).run(_Broken(), 9, checkpoints=[9])
    assert run.outcome["status"] == "diverged"
    assert run.rounds.tolist() == [2]


class _Own:
    """The least that a user's problem needs: two goods, one of which is wanted."""

    control = SoftControl(np.ones((1, 2, 1)), np.ones(1), 0.0, 1.0)
    initial_parameters = np.zeros(2)

    def reward(self, parameters):
        return np.asarray(parameters)[None]

    def reward_jacobian(self, parameters):
        return np.eye(2)[None]

    def cost(self, parameters, policy):
        return TaxBandit([1.0, 0.0]).cost(parameters, policy)


def test_a_problem_of_ones_own():
    own, ours = PARL(0.5).run(_Own(), 30), PARL(0.5).run(TaxBandit([1.0, 0.0]), 30)
    assert own.equals(ours)
    penalty = PARL(0.5, gradient="penalty_central").run(_Own(), 30)
    assert penalty.outcome["nu"] == pytest.approx(own.outcome["nu"], abs=1e-5)


def test_worlds_are_drawn_first():
    law = RandomMDP(3, 2, 2)
    drawn = law.sample(np.random.default_rng(4))
    assert PARL(0.1).run(law, 5, world=np.random.default_rng(4)).equals(PARL(0.1).run(drawn, 5))
    assert PARL(0.1).run(law, 5, np.random.default_rng(4)).equals(PARL(0.1).run(drawn, 5))


def test_the_direct_term_alone_stays_or_goes_astray():
    still = RewardAlternation(1.0).run(TwoStateMDP(4), 5)
    assert still.outcome["nu"].tolist() == [0.3, -0.2]
    assert still.outcome["status"] == "converged"
    # Where it comes to rest, the cost still has a gradient, along which PARL goes on.
    world = TwoStateMDP(6, prefers=True)
    rest = RewardAlternation(0.5, tolerance=1e-3).run(world, 10_000).outcome
    assert rest["status"] == "converged"
    assert rest["gradient_norm"] > 0.05
    parl = PARL(0.2).run(world, 300, start=rest["nu"]).outcome
    assert parl["upper"] < rest["upper"] - 0.01
    assert parl["gradient_norm"] < 0.02


def test_rivals_that_estimate_the_whole_gradient_go_where_parl_goes():
    world = TwoStateMDP()
    exact = PARL(0.1).run(world, 40).outcome
    assert DesignFiniteDifferences(0.1).run(world, 40).outcome["nu"] == pytest.approx(exact["nu"], abs=1e-6)
    strategies = DesignEvolutionStrategies(0.1, directions=40, width=0.01)
    found = strategies.run(world, 40, np.random.default_rng(0)).outcome
    assert found["upper"] == pytest.approx(exact["upper"], abs=0.05)
    errors = [
        np.abs(UnrolledPolicyGradient(0.1, 1.0, inner_steps=k).run(world, 40).outcome["nu"] - exact["nu"]).max()
        for k in (1, 20, 100)
    ]
    assert errors[2] < 0.03 < errors[1] < errors[0]


def test_unrolled_gradients_are_differences_of_the_unrolled_cost():
    world, nu = TwoStateMDP(3, prefers=True), np.array([0.3, -0.2])

    def cost(at):
        logs = log_softmax(np.zeros((3, 2, 2)))
        for _ in range(4):
            found = policy_curvature(world.control, logs, world.reward(at), world.reward_jacobian(at))
            logs = log_softmax(logs + 0.3 * found.gradient.reshape(3, 2, 2))
        return world.cost(at, np.exp(logs)).value

    slopes = [(cost(nu + 1e-5 * e) - cost(nu - 1e-5 * e)) / 2e-5 for e in np.eye(2)]
    run = UnrolledPolicyGradient(1e-6, 0.3, inner_steps=4).run(world, 1)
    assert (nu - run.outcome["nu"]) / 1e-6 == pytest.approx(np.array(slopes), abs=1e-6)


def test_a_fixed_reward_is_measured_at_its_optimum():
    world = GridWorld(4, 3)
    run = FixedReward([0.0, -0.2, 0.05]).run(world, 10)
    assert run.outcome["nu"].tolist() == [0.0, -0.2, 0.05]
    assert len(set(run.metrics["utility"])) == 1
    assert run.outcome["utility"] == world.cost(run.outcome["nu"], run.outcome["policy"]).utility
    # r = u is the best in the limit of no entropy.
    cold = GridWorld(4, 3, temperature=2e-3)
    hard = SoftControl(cold.control.transitions, cold.control.start, 0.95, 0.0)
    best = hard.start @ hard.solve(cold.utility).values[0]
    assert FixedReward([0.0, -0.2, 0.05]).run(cold, 1).outcome["utility"] == pytest.approx(best, abs=0.02)


def test_costs_that_cannot_be_enumerated_are_not_measured():
    rng = np.random.default_rng(0)
    base, _ = world_of(1, S=4, A=3, horizon=8, prefers=True)
    world = TabularMDP(base.control, LinearReward(rng.standard_normal((4, 3, 1))), preferences=base.preferences)
    run = PARL(0.1, "sampled", inner_step=0.1, inner_steps=1, batch=50).run(world, 2, rng)
    assert np.isnan(run.metrics["gradient_norm"]).all()
    assert math.isnan(run.outcome["upper"])
    assert np.isfinite(run.outcome["nu"]).all()
    with pytest.raises(ValueError, match="more than 20,000 outcomes"):
        PARL(0.1).run(world, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"step": 0.0}, "step"),
        ({"step": math.nan}, "step"),
        ({"step": math.inf}, "step"),
        ({"mode": "guess"}, "mode"),
        ({"gradient": "guess"}, "gradient"),
        ({"mode": "exact_K", "gradient": "penalty"}, "works in theta space"),
        ({"mode": "sampled", "inner": "policy_gradient"}, "inner_step is missing"),
        ({"mode": "sampled", "inner_step": 1.5}, "share of a natural step"),
        ({"mode": "exact_K", "inner": "policy_gradient"}, "inner_step is missing"),
        ({"mode": "exact_K", "inner_step": 1.5}, "share of a natural step"),
        ({"inner_steps": 0}, "inner_steps"),
        ({"batch": 1}, "batch"),
        ({"tikhonov": 0.0}, "tikhonov"),
        ({"truncation": 1.0}, "truncation"),
        ({"tolerance": -1.0}, "tolerance"),
    ],
)
def test_bad_descriptions_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PARL(**{"step": 1.0, **arguments})


def test_bad_runs_are_refused():
    world = TwoStateMDP()
    for start in ([0.0], [math.nan, 0.0]):
        with pytest.raises(ValueError, match="start: must be 2 finite numbers"):
            PARL(1.0).run(world, 5, start=start)
    for horizon in (0, 2.5, -1):
        with pytest.raises(ValueError, match="horizon"):
            PARL(1.0).run(world, horizon)
    with pytest.raises(ValueError, match="rng"):
        PARL(1.0, "sampled", inner_step=0.1).run(world, 5)
    with pytest.raises(ValueError, match="rng"):
        DesignEvolutionStrategies(1.0).run(world, 5, None)
    hard = TabularMDP(
        SoftControl(np.ones((1, 2, 1)), np.ones(1), 0.0, 0.0), LinearReward([np.eye(2)]), utility=[[0.0, 1.0]]
    )
    for method in (PARL(1.0), PARL(1.0, "exact_K"), PARL(1.0, "sampled")):
        with pytest.raises(ValueError, match="temperature"):
            method.run(hard, 5, np.random.default_rng(0))
    logs = world.control.solve(world.reward([0.0, 0.0])).log_policy
    for arguments, message in (({"count": 1}, "count"), ({"count": 9, "tikhonov": 0.0}, "tikhonov"),
                               ({"count": 9, "length": 0}, "length")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            sampled_design_gradient(world, [0.0, 0.0], logs, rng=np.random.default_rng(0), **arguments)
    for tolerance in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="tolerance"):
            trajectory_length(world.control, tolerance)
    for arguments in ((0, 1.0, 1.0, 0.0), (1, 0.0, 1.0, 0.0), (1, 1.0, -1.0, 0.0), (1, 1.0, 1.0, math.nan)):
        with pytest.raises(ValueError):
            inexact_descent_bound(*arguments)


def test_lengths_leave_out_what_they_say():
    for discount in (0.3, 0.9, 0.99):
        control = SoftControl(np.ones((1, 1, 1)), np.ones(1), discount, 1.0)
        length = trajectory_length(control, 1e-3)
        assert discount**length / (1 - discount) <= 1e-3 < discount ** (length - 1) / (1 - discount)
    assert trajectory_length(TwoStateMDP(7).control) == 7
    assert trajectory_length(TaxBandit([1.0]).control) == 1
