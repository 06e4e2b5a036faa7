"""Solver tuning: the loop against its definition, its bounds, and the solver that tunes itself."""

import functools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.linear_solvers import (
    LinearSolution,
    Stencil,
    cg,
    ic_pcg,
    jacobi_pcg,
    jacobi_radius,
    optimal_omega,
    sor,
    sor_iteration_bound,
    ssor_pcg,
)
from bandits import (
    UCB1,
    ChebCB,
    LinUCB,
    RoundRobin,
    TsallisINF,
    TsallisINFContextual,
    UniformRandom,
    tsallis_inf_scheduled_bound,
)
from online.sor_tuning import (
    SolveFailedError,
    SolverTuning,
    TunedSolver,
    omega_lipschitz_bound,
    semi_lipschitz_bound,
    semi_stochastic_rate,
    sor_contextual_bound,
    sor_contextual_rate,
    sor_tuning_bound,
    sor_tuning_rate,
)
from simulators import HeatCN, NewtonLM, RecordedCosts, ShiftedLaplacian2D, ShiftedSystems, l_shape, record_costs
from tests.bandits.worlds import least_mean
from tests.reference import solver_learners as reference
from tests.test_twins import agree

SEEDS = st.integers(0, 10**6)
GRID = np.linspace(1.0, 1.9, 7)
RUNNING = TsallisINF(scale="running mean")


def generator(seed=0):
    return np.random.default_rng(seed)


def recorded(horizon=60, seed=0, d=4):
    rng = generator(seed)
    contexts = rng.uniform(-1, 2, horizon)
    costs = 1 + np.floor(30 * rng.random((horizon, d)) * (1 + np.abs(contexts[:, None] - np.arange(d) / d)))
    return RecordedCosts(costs, contexts)


# The loop


@settings(max_examples=15)
@given(st.integers(1, 5), st.integers(1, 50), SEEDS)
def test_the_learner_is_charged_iterations_less_one(d, horizon, seed):
    world = recorded(horizon, seed, d)
    run = SolverTuning(RUNNING, np.linspace(1, 1.9, d)).run(
        world, horizon, generator(seed), trace=True, compiled=False, checkpoints=range(1, horizon + 1)
    )
    assert run.outcome["choices"].tolist() == reference.tsallis(world.costs - 1, generator(seed))
    costs = world.costs[np.arange(horizon), run.outcome["choices"]]
    assert run.outcome["costs"].tolist() == costs.tolist()
    assert run.metrics["iterations"].tolist() == np.cumsum(costs).tolist()
    fixed = np.cumsum(world.costs, axis=0).min(axis=1)
    assert run.metrics["regret"].tolist() == (np.cumsum(costs) - fixed).tolist()
    assert run.metrics["optimal_regret"].tolist() == np.cumsum(costs - world.costs.min(axis=1)).tolist()
    assert run.outcome["pulls"].sum() == horizon


def test_regret_by_the_bounds_needs_bounds():
    world = recorded()
    bounded = RecordedCosts(world.costs, world.contexts, surrogates=world.costs + 2)
    run = SolverTuning(RUNNING, GRID[:4]).run(bounded, 60, generator())
    assert run.metrics["surrogate_regret"] == pytest.approx(run.metrics["regret"] - 2 * run.rounds)
    assert "surrogate_regret" not in SolverTuning(RUNNING, GRID[:4]).run(world, 60, generator()).metrics


class Live:
    """Hides that a sequence can be solved in a compiled loop."""

    def __init__(self, systems):
        self.systems = systems

    def start(self, rng):
        return self.systems.start(rng)


@pytest.mark.parametrize(
    ("systems", "solver"),
    [
        (ShiftedLaplacian2D(5), "sor"),
        (ShiftedLaplacian2D(5), "ssor"),
        (HeatCN(8), "ssor_pcg"),
        (HeatCN(8), "cg"),
    ],
)
def test_compiled_and_single_solves_cost_the_same(systems, solver):
    tuning = SolverTuning(ChebCB(-0.2, 0.5), GRID, solver)
    fast = tuning.run(systems, 40, generator(1), world=generator(2), trace=True)
    slow = tuning.run(Live(systems), 40, generator(1), world=generator(2), trace=True)
    assert fast.equals(slow)


def test_recorded_and_live_costs_are_the_same():
    systems, tuning = ShiftedLaplacian2D(6), SolverTuning(RUNNING, GRID)
    table = record_costs(systems, GRID, 50, generator(3))
    live = tuning.run(systems, 50, generator(4), world=generator(3))
    again = tuning.run(table, 50, generator(4))
    assert (live.metrics["iterations"] == again.metrics["iterations"]).all()


def test_kernels_and_their_sources_agree():
    cases = [
        (SolverTuning(learner, GRID[:4], solver, shifted_diagonal=base), world)
        for learner in (RUNNING, TsallisINFContextual(-0.15, 0.5, 2, scale="running mean"), ChebCB(-0.15, 0.5))
        for solver, world, base in (
            ("sor", ShiftedLaplacian2D(4), None),
            ("sor", ShiftedLaplacian2D(4), 4.0),
            ("ssor", ShiftedLaplacian2D(4), None),
            ("ssor_pcg", HeatCN(6), None),
            ("cg", HeatCN(6), None),
        )
    ] + [(SolverTuning(RUNNING, GRID[:4]), recorded())]
    agree(cases, lambda case, compiled: case[0].run(case[1], 15, generator(1), compiled=compiled))


@pytest.mark.parametrize("systems", [ShiftedSystems(l_shape(6), lowest=0.0), NewtonLM(3)])
def test_any_sequence_and_any_solver_can_be_tuned(systems):
    def solve(A, b, x0, omega, tolerance, max_iterations):
        return ssor_pcg(A, b, x0, omega, tolerance, max_iterations)

    by_name = SolverTuning(RUNNING, GRID, "ssor_pcg").run(systems, 25, generator(1))
    by_function = SolverTuning(RUNNING, GRID, solve).run(systems, 25, generator(1))
    assert by_name.equals(by_function)
    assert by_name.outcome["failed"] == 0


def test_arms_may_stand_for_the_radius():
    tuning = SolverTuning(UniformRandom(), GRID, shifted_diagonal=4.0)
    sigma = jacobi_radius((10, 10)) * 4
    exact = SolverTuning(UniformRandom(), [optimal_omega(sigma / 4)], shifted_diagonal=4.0)
    for context in (-0.1, 0.0, 0.3):
        assert exact.relaxation(0, context) == pytest.approx(optimal_omega(sigma / (4 + context)))
        assert tuning.relaxation(0, context) == 1.0  # a radius of 0
    run = exact.run(ShiftedLaplacian2D(10), 30, generator(1), world=generator(2))
    best = record_costs(ShiftedLaplacian2D(10), [1.5], 30, generator(2)).least
    assert run.outcome["iterations"] == pytest.approx(best.sum(), abs=2)


def test_failed_solves_cost_the_cap_and_are_counted():
    run = SolverTuning(UniformRandom(), [1.0], max_iterations=20).run(ShiftedLaplacian2D(10), 10, generator())
    assert (run.outcome["failed"], run.outcome["iterations"]) == (10, 200)
    live = SolverTuning(UniformRandom(), [1.0], max_iterations=20).run(Live(ShiftedLaplacian2D(10)), 10, generator())
    assert (live.outcome["failed"], live.outcome["iterations"]) == (10, 200)


def test_learners_of_unit_rewards_take_costs_cut_at_the_scale():
    world = recorded()
    run = SolverTuning(UCB1(), GRID[:4], cost_scale=20.0).run(world, 60, generator(), trace=True)
    rewards = 1 - np.minimum((world.costs - 1) / 20, 1)

    means, pulls = np.zeros(4), np.zeros(4)
    for t, arm in enumerate(run.outcome["choices"], start=1):
        if t > 4:
            assert (means / pulls + np.sqrt(2 * np.log(t - 1) / pulls)).max() <= (
                means[arm] / pulls[arm] + math.sqrt(2 * math.log(t) / pulls[arm]) + 1e-9
            )
        means[arm] += rewards[t - 1, arm]
        pulls[arm] += 1


def test_contexts_outside_the_range_are_told_of():
    with pytest.warns(RuntimeWarning, match="contexts were outside"):
        SolverTuning(ChebCB(0, 1), GRID[:4]).run(recorded(), 60, generator())


# Bounds


@pytest.mark.guarantee("semi_lipschitz_bound")
@settings(max_examples=8)
@given(st.integers(2, 5), st.floats(0.2, 1), SEEDS)
def test_semi_lipschitz_losses_stay_within_the_bound(d, lipschitz, seed):
    # u(x) = min(1, L max(x - kink, 0) + jump [x < kink]) is (L, b)-semi-Lipschitz: it only falls by jumps rightwards.
    horizon = 700
    kinks = generator(seed).random(horizon) * 0.5 + 0.3

    def u(x):
        return np.where(x < kinks, 0.9, np.minimum(1, lipschitz * (x - kinks)))

    grid = np.arange(1, d + 1) / d
    losses = np.stack([u(x) for x in grid], axis=1)
    best = min(u(x).sum() for x in np.linspace(0, 1, 400))
    world = RecordedCosts(1 + losses)
    tuning = SolverTuning(TsallisINF(schedule="horizon"), np.linspace(1, 1.9, d))
    sample = [
        tuning.run(world, horizon, generator([seed, run]), checkpoints=[horizon]).outcome["iterations"] - horizon
        for run in range(40)
    ]
    assert least_mean(np.array(sample) - best + horizon, 2 * horizon) - horizon <= semi_lipschitz_bound(
        d, horizon, 1.0, 1.0, lipschitz
    )


@pytest.mark.guarantee("sor_tuning_bound")
@pytest.mark.guarantee("sor_contextual_bound")
@settings(max_examples=4)
@given(st.integers(3, 8), SEEDS)
def test_tuned_sor_stays_within_its_bounds(d, seed):
    horizon, tolerance, omega_max, tau = 300, 1e-6, 1.7, 0.35
    systems = ShiftedLaplacian2D(6, 0.5, 1.5, 0.0, 1.0)
    grid = 1 + (omega_max - 1) * np.arange(1, d + 1) / d
    table = record_costs(systems, grid, horizon, generator(seed), tolerance=tolerance)
    radii = np.array([jacobi_radius((6, 6), 4 + c) for c in table.contexts])
    alphas = tau + (1 - tau) * np.maximum(radii**2, omega_max - 1)
    scale = math.log(1 / tolerance) / math.log(1 / alphas.max())
    # tau is large enough for these systems if the surrogate is above all costs.
    surrogates = np.array([[sor_iteration_bound(tolerance, w, r, tau) for w in grid] for r in radii])
    assert (table.costs <= surrogates).all()
    fine = np.linspace(0.05, omega_max, 60)
    best = min(sum(sor_iteration_bound(tolerance, w, r, tau) for r in radii) for w in fine)
    fixed = SolverTuning(TsallisINF(schedule="horizon", scale=scale), grid)
    spent = [fixed.run(table, horizon, generator([seed, run])).outcome["iterations"] for run in range(20)]
    span = horizon * (scale + 1)
    assert least_mean(np.array(spent), span) - best <= sor_tuning_bound(tolerance, alphas, d, scale)
    policy = sum(sor_iteration_bound(tolerance, optimal_omega(r), r, tau) for r in radii)
    binned = SolverTuning(TsallisINFContextual(0.0, 1.0, 3, scale=scale), grid)
    spent = [binned.run(table, horizon, generator([seed, run])).outcome["iterations"] for run in range(20)]
    bound = sor_contextual_bound(
        tolerance, alphas, d, 3, scale, 1.0, omega_lipschitz_bound(jacobi_radius((6, 6)), 4.0), omega_max
    )
    assert least_mean(np.array(spent), span) - policy <= bound


def test_the_bound_of_tuning_can_be_broken():
    # A learner that does not learn, on systems for which the first of two relaxations is hopeless.
    table = RecordedCosts(np.tile([40.0, 1.0], (3000, 1)))
    spent = SolverTuning(RoundRobin(), [1.0, 1.5]).run(table, 3000, generator()).metrics["regret"][-1]
    assert spent > 39 * tsallis_inf_scheduled_bound(2, np.full(3000, math.sqrt(8 / 3000)))


@pytest.mark.guarantee("sor_tuning_rate")
@pytest.mark.guarantee("sor_contextual_rate")
@given(
    st.lists(st.floats(0.3, 0.95), min_size=1, max_size=5),
    st.integers(100, 10**6),
    st.floats(0.1, 2),
    st.floats(0.5, 9),
)
def test_rates_are_the_bounds_at_their_best_sizes(alphas, repeats, width, slope):
    alphas = np.resize(alphas, min(repeats, 2000))
    bound, d = sor_tuning_rate(1e-8, alphas)
    scale = math.log(1e8) / math.log(1 / alphas.max())

    def value(size):
        drift = (math.log(1e8) / np.log(alphas) ** 2).sum() / size
        return 2 * scale * math.sqrt(2 * size * alphas.size) + drift

    assert bound == pytest.approx(value(d), rel=1e-9)
    assert all(bound <= value(d * factor) for factor in (0.8, 0.99, 1.01, 1.3))
    whole = max(1, math.ceil(d))
    assert sor_tuning_bound(1e-8, alphas, whole, scale) == pytest.approx(value(whole))
    both, d, m = sor_contextual_rate(1e-8, alphas, width, slope, 1.8)

    def contextual(size, bins):
        mean = (math.log(1e8) / np.log(alphas) ** 2).sum()
        drift = (width * slope / (bins * 0.8) + 1 / size) * mean
        return bins + 4 * scale * math.sqrt(size * bins * alphas.size) + drift

    assert both == pytest.approx(contextual(d, m), rel=1e-9)
    assert sor_contextual_bound(1e-8, alphas, 7, 3, scale, width, slope, 1.8) == pytest.approx(contextual(7, 3))


@pytest.mark.guarantee("omega_lipschitz_bound")
@given(st.integers(2, 8), SEEDS, st.floats(0, 1), st.floats(1e-3, 1))
def test_the_best_relaxation_changes_no_faster_than_its_constant(n, seed, low, step):
    rng = generator(seed)
    B = rng.normal(size=(n, n))
    A = B @ B.T + np.diag(0.1 + rng.random(n))

    def radius(c):
        shifted = A + c * np.eye(n)
        d = np.sqrt(shifted.diagonal())
        return float(np.abs(np.linalg.eigvalsh(np.eye(n) - shifted / np.outer(d, d))).max())

    shifts = np.linspace(low, low + step, 5)
    radii = [radius(c) for c in shifts]
    if max(radii) >= 1:
        return
    slope = omega_lipschitz_bound(max(radii), float(A.diagonal().min() + low))
    best = [optimal_omega(r) for r in radii]
    assert (np.abs(np.diff(best)) <= slope * np.diff(shifts) * (1 + 1e-9) + 1e-12).all()


def test_the_constant_is_attained_on_a_constant_diagonal():
    c, h = -0.15, 1e-6
    slope = (optimal_omega(jacobi_radius((10, 10), 4 + c)) - optimal_omega(jacobi_radius((10, 10), 4 + c + h))) / h
    assert slope == pytest.approx(omega_lipschitz_bound(jacobi_radius((10, 10), 4 + c), 4 + c), rel=1e-3)


def test_the_semi_stochastic_order_grows_as_stated():
    values = [semi_stochastic_rate(10, 1000, 5.0, n, 50.0, 0.9) for n in (100, 400)]
    first = 2 * 5 * math.sqrt(2 * 10 * 1000)
    assert (values[1] - first) == pytest.approx(2 * (values[0] - first))


# The solver that tunes itself


def solved(solver, steps=60, seed=0):
    run = ShiftedLaplacian2D(8).start(generator(seed))
    found = []
    for _ in range(steps):
        system = run.next()
        found.append(solver.solve(system.A, system.b, system.x0, system.context))
        assert np.linalg.norm(system.b - system.A.tocsr() @ found[-1].x) <= 1.001e-8 * np.linalg.norm(system.b)
        run.advance(found[-1].x)
    return found


def test_it_learns_and_plays_as_the_loop_does():
    solver = TunedSolver("sor", GRID, RUNNING, rng=generator(5))
    found = solved(solver, 80, seed=2)
    run = SolverTuning(RUNNING, GRID).run(ShiftedLaplacian2D(8), 80, generator(5), world=generator(2), trace=True)
    assert [record.choice for record in solver.log] == [f"sor {GRID[i]:.6g}" for i in run.outcome["choices"]]
    assert [answer.iterations for answer in found] == run.outcome["costs"].tolist()
    assert sum(solver.means["count"]) == 80


@pytest.mark.parametrize("learner", [RUNNING, ChebCB(-0.2, 0.5), TsallisINFContextual(-0.2, 0.5, scale="running mean")])
def test_another_process_goes_on_with_the_same_choices(learner):
    whole = TunedSolver("sor", GRID, learner, rng=generator(5))
    solved(whole, 30)
    first, second = (TunedSolver("sor", GRID, learner, rng=generator(5)) for _ in range(2))
    run = ShiftedLaplacian2D(8).start(generator(0))
    for step in range(30):
        if step == 15:
            second.load_json(json.dumps(json.loads(first.to_json())))
        system = run.next()
        (first if step < 15 else second).solve(system.A, system.b, None, system.context)
        run.advance(system.b)
    assert first.log + second.log == whole.log
    assert second.means == whole.means


def test_the_fallback_goes_on_and_is_charged():
    solver = TunedSolver("sor", [1.0, 1.6], RUNNING, rng=generator(1), max_iterations=45)
    solved(solver, 80)
    beaten = [record for record in solver.log if record.choice == "sor 1"]
    assert beaten
    assert all(record.iterations == 45 and record.cost > 45 for record in beaten)
    assert "sor 1.6" in {record.finished_by for record in beaten}
    assert sum(record.cost for record in solver.log) > sum(record.iterations for record in solver.log)


def test_a_direct_solver_comes_last_and_its_failure_is_raised():
    hopeless = TunedSolver(configurations={"one step": functools.partial(_steps, 1)}, rng=generator())
    found = hopeless.solve(Stencil((5, 5)), np.ones(25))
    assert found.converged
    assert found.relative_residual < 1e-12
    assert hopeless.log[0].finished_by == "direct"
    with pytest.raises(SolveFailedError, match="direct solver"):
        hopeless.solve(np.array([[1.0, 1.0], [1.0, 1.0]]), [1.0, 0.0])
    assert len(hopeless.log) == 1


def _steps(most, A, b, x0, tolerance, limit):
    return cg(A, b, x0, tolerance, most)


def test_bad_choices_can_be_abandoned():
    whole, cut = (TunedSolver("sor", [1.0, 1.6], RUNNING, rng=generator(1), abandon=a) for a in (None, 1.5))
    solved(whole, 120)
    solved(cut, 120)
    assert max(record.iterations for record in cut.log[20:]) < max(record.iterations for record in whole.log[20:])
    assert sum(record.cost for record in cut.log) < sum(record.cost for record in whole.log)


def test_configurations_of_any_kind_compete_by_seconds_or_your_own_cost():
    kinds = {"cg": cg, "jacobi": jacobi_pcg, "ic": ic_pcg}
    solver = TunedSolver(configurations=kinds, rng=generator(3), cost="seconds")
    own = TunedSolver(configurations=kinds, rng=generator(3), cost=lambda found, seconds: 2.0 * found.iterations)
    solved(solver, 30)
    solved(own, 30)
    assert all(0 < record.cost < 10 for record in solver.log)
    assert all(record.cost == 2 * record.iterations for record in own.log)


def test_a_bad_system_teaches_nothing():
    solver = TunedSolver("sor", GRID, rng=generator(1))
    for bad in ([[0.0]], [[1.0, 2.0]], [[math.nan]]):
        with pytest.raises(ValueError, match="A:"):
            solver.solve(np.array(bad), [1.0])
    assert solver.log == []
    solver.solve([[2.0]], [1.0])
    assert solver.log[0].round == 1


def wrong_cost(value):
    return TunedSolver("sor", GRID, rng=generator(), cost=lambda found, seconds: value).solve([[1.0]], [1.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SolverTuning(RUNNING, [1.0, 2.0]), "grid.*entry 1 is 2"),
        (lambda: SolverTuning(RUNNING, [1.5, 1.2]), "must increase"),
        (lambda: SolverTuning(RUNNING, []), "grid"),
        (lambda: SolverTuning(RUNNING, GRID, "gauss"), "must be a function or one of"),
        (lambda: SolverTuning(RUNNING, GRID, tolerance=1.0), "tolerance"),
        (lambda: SolverTuning(RUNNING, GRID, max_iterations=0), "max_iterations"),
        (lambda: SolverTuning(RUNNING, GRID, cost_scale=0.0), "cost_scale"),
        (lambda: SolverTuning(RUNNING, GRID).run(recorded(), 0, generator()), "horizon"),
        (lambda: SolverTuning(RUNNING, GRID[:4]).run(recorded(), 61, generator()), "more than the 60 systems"),
        (lambda: SolverTuning(RUNNING, GRID).run(recorded(), 5, generator()), "costs of 4 choices"),
        (lambda: SolverTuning(RUNNING, GRID).run(recorded(), 5, 1), "rng"),
        (lambda: SolverTuning(LinUCB(), GRID).run(ShiftedLaplacian2D(3), 5, generator()), "needs to know more"),
        (lambda: TunedSolver("gauss", rng=generator()), "solver: 'gauss'"),
        (lambda: TunedSolver("sor", [0.0], rng=generator()), "grid"),
        (lambda: TunedSolver("sor", rng=3), "rng"),
        (lambda: TunedSolver("sor", rng=generator(), learner=UCB1()), "needs rewards in"),
        (lambda: TunedSolver(configurations={}, rng=generator()), "at least one"),
        (lambda: TunedSolver("sor", rng=generator(), cost="flops"), "cost: 'flops'"),
        (lambda: TunedSolver("sor", rng=generator(), fallback="sor 3"), "fallback: 'sor 3'"),
        (lambda: TunedSolver("sor", rng=generator(), abandon=1.0), "abandon"),
        (lambda: TunedSolver("sor", rng=generator(), tolerance=0.0), "tolerance"),
        (lambda: wrong_cost(-1.0), "cost: returned -1"),
        (lambda: wrong_cost(math.nan), "cost: returned nan"),
        (lambda: TunedSolver("sor", rng=generator()).load_json("{}"), "no state of this solver"),
        (
            lambda: TunedSolver("sor", rng=generator()).load_json(TunedSolver("ssor", rng=generator()).to_json()),
            "other names",
        ),
        (lambda: semi_lipschitz_bound(2, 10, 1.0, -1.0, 1.0), "span"),
        (lambda: sor_tuning_bound(1e-8, [0.5], 3, 1.0), "is below ln"),
        (lambda: sor_tuning_bound(1e-8, [1.0], 3, 50.0), "alphas"),
        (lambda: sor_tuning_rate(2.0, [0.5]), "tolerance"),
        (lambda: sor_contextual_rate(1e-8, [0.5], 1.0, 1.0, 2.0), "omega_max"),
        (lambda: omega_lipschitz_bound(1.0, 1.0), "radius"),
        (lambda: omega_lipschitz_bound(0.5, 0.0), "diagonal"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_solution_says_how_good_it_is():
    found = sor(Stencil((4, 4)), np.ones(16))
    assert isinstance(found, LinearSolution)
    assert found.relative_residual <= 1e-8
