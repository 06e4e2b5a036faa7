"""Sequences of linear systems: their matrices, laws of shifts and targets, the heat equation, files, recorded costs."""

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from scipy.io import mmwrite

from algos.linear_solvers import (
    LinearSystem,
    Stencil,
    cg,
    estimate_jacobi_radius,
    is_consistently_ordered,
    optimal_omega,
    sor,
    spectral_radius_sor,
    splitting_constants,
    ssor_pcg,
)
from online.sor_tuning import truncated_normal_concentration
from simulators import (
    HeatCN,
    HeatImplicitEuler,
    ListedSystems,
    MatrixMarketFolder,
    MeanCurvature,
    NewtonLM,
    RecordedCosts,
    ShiftedLaplacian2D,
    ShiftedSystems,
    anisotropic_laplacian,
    degenerate_target,
    graph_laplacian,
    l_shape,
    laplacian_3d,
    nine_point_laplacian,
    random_tridiagonal,
    record_costs,
    red_black,
    truncated_normal,
    variable_laplacian,
)
from simulators.linear_systems.grids import (
    _advance_heat,
    _advance_shifted,
    _start_heat,
    _start_shifted,
)

SEEDS = st.integers(0, 10**6)


def generator(seed=0):
    return np.random.default_rng(seed)


# Matrices


def test_the_l_shape_is_three_quarters_of_a_square():
    assert [l_shape(s).shape[0] for s in (12, 32)] == [75, 675]
    s = 12
    line = [x / (s - 1) for x in range(-(s - 3), s - 2, 2)]
    points = [(x, y) for x in line for y in line if x > 0 or y > 0]  # columns first
    apart = np.abs(np.array(points)[:, None] - np.array(points)[None]).sum(axis=2) * (s - 1) / 2
    expected = np.select([apart < 0.5, np.abs(apart - 1) < 0.5], [4.0, -1.0])
    assert (l_shape(s).toarray() == expected).all()


@pytest.mark.parametrize(
    ("matrix", "consistent"),
    [
        (l_shape(8), True),
        (laplacian_3d(3), True),
        (nine_point_laplacian(4), False),
        (anisotropic_laplacian(4, 0.1), True),
        (variable_laplacian(5, generator(1)), True),
        (random_tridiagonal(9, generator(2)), True),
        (graph_laplacian(nx.grid_2d_graph(3, 4), 0.1), True),
        (graph_laplacian(nx.petersen_graph(), 0.1), False),
        (red_black(l_shape(8)), True),
        (red_black(graph_laplacian(nx.hypercube_graph(3), 0.1)), True),
        (graph_laplacian(nx.hypercube_graph(3), 0.1), True),
    ],
)
def test_matrices_are_definite_and_consistently_ordered_where_they_should_be(matrix, consistent):
    assert (np.abs(matrix - matrix.T) > 1e-14).nnz == 0
    assert splitting_constants(matrix).condition > 1
    assert is_consistently_ordered(matrix) == consistent


def test_anisotropic_and_nine_point_operators_by_hand():
    dense = anisotropic_laplacian(3, 0.5).toarray()
    assert dense[4].tolist() == [0, -0.5, 0, -1, 3, -1, 0, -0.5, 0]
    assert nine_point_laplacian(3).toarray()[4].tolist() == [-1, -4, -1, -4, 20, -4, -1, -4, -1]


def test_constant_coefficients_make_the_variable_operator_the_laplacian():
    same = variable_laplacian(4, generator(), contrast=1.0)
    assert same.toarray() == pytest.approx(Stencil((4, 4)).tocsr().toarray())


# Shifts and targets


@settings(max_examples=10)
@given(st.integers(1, 6), st.sampled_from([(2.0, 6.0), (0.5, 1.5)]), SEEDS)
def test_shifted_grids_have_the_law_of_the_text(m, shape, seed):
    sequence = ShiftedLaplacian2D(m, *shape)
    run = sequence.start(generator(seed))
    for _ in range(5):
        system = run.next()
        assert system is not run.next()  # a fresh copy, of the same system
        assert run.next().b.tolist() == system.b.tolist()
        assert -0.15 <= system.context <= 0.45
        assert system.b @ system.b <= m * m
        assert system.A.diagonal == 4 + system.context
        assert system.radius == pytest.approx(estimate_jacobi_radius(system.A), abs=1e-9)
        assert (system.x0 == 0).all()
        run.advance(np.ones(m * m))


def test_shifts_are_beta_distributed():
    shifts = []
    run = ShiftedLaplacian2D(1, 2.0, 6.0).start(generator(3))
    for _ in range(20_000):
        shifts.append((run.next().context + 0.15) / 0.6)
        run.advance(np.zeros(1))
    assert stats.kstest(shifts, stats.beta(2, 6).cdf).pvalue > 1e-6


@pytest.mark.parametrize("n", [1, 3, 20])
def test_targets_are_truncated_normals(n):
    rng = generator(n)
    sample = np.array([truncated_normal(n, rng) for _ in range(20_000)])
    squares = (sample**2).sum(axis=1)
    assert stats.kstest(stats.chi2.cdf(squares, n) / stats.chi2.cdf(n, n), "uniform").pvalue > 1e-6
    # Directions are uniform: the squared share of a coordinate is Beta(1/2, (n - 1)/2).
    if n > 1:
        share = sample[:, 0] ** 2 / squares
        assert stats.kstest(share, stats.beta(0.5, (n - 1) / 2).cdf).pvalue > 1e-6


@pytest.mark.guarantee("truncated_normal_concentration")
@settings(max_examples=10)
@given(st.integers(1, 8), st.floats(0, 4), st.floats(0.01, 0.5), SEEDS)
def test_truncated_targets_do_not_concentrate(n, low, width, seed):
    rng = generator(seed)
    X = rng.normal(size=(n, n))
    radius = float(np.abs(np.linalg.eigvals(X)).max())
    norms = np.array([np.linalg.norm(X @ truncated_normal(n, rng)) for _ in range(2000)])
    count = int(((norms > low) & (norms <= low + width)).sum())
    bound = truncated_normal_concentration(radius, width)
    assert bound >= 1 or stats.binom.sf(count - 1, 2000, bound) > 1e-9


def test_a_degenerate_target_is_solved_at_once_by_its_relaxation():
    A = Stencil((10, 10))
    b = degenerate_target(A, 1.4)
    radius = estimate_jacobi_radius(A)
    eigenvalue = 0.4**2 / spectral_radius_sor(1.4, radius)
    assert sor(A, b, omega=1.4).iterations == math.ceil(math.log(1e-8) / math.log(eigenvalue))
    assert min(sor(A, b, omega=omega).iterations for omega in (1.38, 1.42)) > 3 * sor(A, b, omega=1.4).iterations


def test_descriptions_with_matrices_are_equal_where_the_matrices_are():
    one, same, other = (ShiftedSystems(l_shape(size)) for size in (6, 6, 8))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


def test_shifted_systems_change_one_matrix_in_place_and_know_its_radius():
    given_matrix = l_shape(8)
    run = ShiftedSystems(given_matrix, lowest=-0.05).start(generator(1))
    first = run.next()
    diagonal = first.A.diagonal()[0]
    run.advance(first.b)
    second = run.next()
    assert first.A is second.A
    assert second.A.diagonal()[0] != diagonal
    assert second.A.diagonal() == pytest.approx(4 + second.context)
    assert second.radius == pytest.approx(estimate_jacobi_radius(second.A), abs=1e-5)
    assert (given_matrix.diagonal() == 4).all()
    assert ShiftedSystems(nine_point_laplacian(4), lowest=0.0).start(generator()).next().radius is None


# The heat equation, and others that depend on their past


@pytest.mark.parametrize(("kind", "implicit"), [(HeatCN, 0.5), (HeatImplicitEuler, 1.0)])
def test_a_step_of_the_heat_equation_is_that_of_the_text(kind, implicit):
    nx_, dt = 8, 1e-3
    run, h, n = kind(nx_, dt).start(generator()), 1 / nx_, 49
    laplacian = -Stencil((7, 7)).tocsr() / h**2
    points = np.arange(1, 8) * h

    def bump(at, radius):
        q = np.minimum(1, ((points[:, None] - at[0]) ** 2 + (points[None, :] - at[1]) ** 2) / radius**2)
        with np.errstate(divide="ignore"):
            return np.where(q < 1, np.exp(1 - 1 / (1 - q)), 0.0).ravel()

    def kappa(t):
        return max(0.1 * math.sin(2 * math.pi * t), -10 * math.sin(2 * math.pi * t))

    u = bump((0.5, 0.5), 0.25)
    for step in range(700):
        t = step * dt + implicit * dt
        s = kappa(t) * dt
        source = 32 * bump((0.5 + math.cos(16 * math.pi * t) / 4, 0.5 + math.sin(16 * math.pi * t) / 4), 0.125)
        system = run.next()
        if step % 50 == 0:
            identity = sparse.identity(n)
            assert abs(system.A.tocsr() - (identity - implicit * s * laplacian)).max() < 1e-12
            assert system.b == pytest.approx(u + (1 - implicit) * s * (laplacian @ u) + dt * source, abs=1e-12)
            assert system.context == pytest.approx(kappa(step * dt), abs=1e-12)
            assert system.x0 == pytest.approx(u, abs=1e-12)
            assert system.radius == pytest.approx(estimate_jacobi_radius(system.A), abs=1e-9)
        u = ssor_pcg(system.A, system.b, system.x0, 1.2, 1e-12).x
        run.advance(u)


def test_a_step_of_levenberg_and_marquardt_by_differences():
    run = NewtonLM(3, strength=2.0).start(generator(4))
    for _ in range(3):
        system, u, h = run.next(), run._u.copy(), 1e-6
        columns = [(run._residual(u + h * e) - run._residual(u - h * e)) / (2 * h) for e in np.eye(9)]
        J = np.array(columns).T
        assert system.A.toarray() == pytest.approx(J.T @ J + 10**system.context * np.eye(9), rel=1e-6, abs=1e-6)
        assert system.b == pytest.approx(-J.T @ run._residual(u), rel=1e-6, abs=1e-6)
        assert run._slope() == pytest.approx(np.linalg.norm(system.b), rel=1e-9)
        run.advance(cg(system.A, system.b, None, 1e-10).x)


def test_levenberg_and_marquardt_solve_their_problems():
    sequence = NewtonLM(6)
    run, problems, contexts = sequence.start(generator(1)), 0, []
    target = run._f.copy()
    for _ in range(60):
        system = run.next()
        contexts.append(system.context)
        assert (np.abs(system.A - system.A.T) > 1e-9).nnz == 0
        residual_before = np.linalg.norm(run._residual(run._u))
        run.advance(cg(system.A, system.b, None, 1e-10).x)
        if not np.array_equal(run._f, target):
            problems, target = problems + 1, run._f.copy()
        else:
            assert np.linalg.norm(run._residual(run._u)) <= residual_before
    assert problems >= 3
    assert len(set(contexts)) > 3


def test_mean_curvature_flow_flattens_and_shares_its_pattern():
    run = MeanCurvature(8, dt=1e-3).start(generator(2))
    first = run.next()
    heights, pattern = [], first.A.indices.copy()
    for _ in range(40):
        system = run.next()
        assert system.A is first.A
        assert (system.A.indices == pattern).all()
        assert is_consistently_ordered(system.A)
        heights.append(np.abs(system.x0).max())
        run.advance(cg(system.A, system.b, system.x0, 1e-10).x)
    assert (np.diff(heights) < 1e-9).all()  # the maximum principle
    flat = MeanCurvature(8, dt=0.5).start(generator(2))
    for _ in range(30):  # it becomes flat at once, and begins anew
        system = flat.next()
        flat.advance(cg(system.A, system.b, system.x0, 1e-10).x)
    assert np.abs(flat.next().x0).max() > 1e-3


def test_a_small_slope_makes_mean_curvature_the_heat_equation():
    system = MeanCurvature(5, dt=1e-2, height=1e-9).start(generator(2)).next()
    expected = sparse.identity(25) + 1e-2 * 36 * Stencil((5, 5)).tocsr()
    assert abs(system.A - expected).max() < 1e-9


def test_kernels_and_their_sources_agree():
    for start, advance, sequence in (
        (_start_shifted, _advance_shifted, ShiftedLaplacian2D(4)),
        (_start_heat, _advance_heat, HeatCN(6)),
    ):
        params, streams = sequence.grid_parameters(), (generator(1), generator(1))
        fast, slow = start(params, streams[0]), start.py_func(params, streams[1])
        for t in range(1, 5):
            advance(fast, t, streams[0])
            advance.py_func(slow, t, streams[1])
            for name in ("b", "x", "numbers"):
                assert getattr(fast, name).tobytes() == getattr(slow, name).tobytes()


# Recorded costs


@pytest.mark.parametrize(("sequence", "solver"), [(ShiftedLaplacian2D(5), "sor"), (HeatCN(8), "ssor_pcg")])
def test_compiled_and_single_solves_record_the_same(sequence, solver):
    grid = [1.0, 1.4, 1.7]
    fast = record_costs(sequence, grid, 30, generator(1), solver=solver)

    class Live:
        def start(self, rng):
            return sequence.start(rng)

    slow = record_costs(Live(), grid, 30, generator(1), solver=solver)
    assert (fast.costs == slow.costs).all()
    assert (fast.contexts == slow.contexts).all()
    assert (fast.least == slow.least).all()
    if solver == "sor":
        run = sequence.start(generator(1))
        system = run.next()
        assert fast.least[0] == sor(system.A, system.b, omega=optimal_omega(system.radius)).iterations
        assert fast.costs[0].tolist() == [sor(system.A, system.b, omega=omega).iterations for omega in grid]
    else:
        assert (fast.least == fast.costs.min(axis=1)).all()


def test_failed_solves_cost_the_cap():
    found = record_costs(ShiftedLaplacian2D(10), [1.0, 1.7], 5, generator(), max_iterations=60)
    assert (found.costs[:, 0] == 60).all()
    assert (found.costs[:, 1] < 60).all()
    # Where rounding keeps the residual above the tolerance, a solve fails long before the cap.
    unattainable = record_costs(ShiftedLaplacian2D(10), [1.5], 3, generator(), tolerance=1e-18)
    assert sor(Stencil((10, 10)), np.ones(100), tolerance=1e-18).status == "stagnated"
    assert (unattainable.costs == 10_000).all()


# Files


def write_folder(folder, contexts=True):
    for k in range(3):
        mmwrite(folder / f"step{k}.mtx", Stencil((3, 3), 4.0 + k).tocsr())
    mmwrite(folder / "step1_b.mtx", np.arange(9.0).reshape(9, 1))
    mmwrite(folder / "step2_x0.mtx", np.full((9, 1), 0.25))
    if contexts:
        (folder / "contexts.csv").write_text("system,context\nstep0,0\nstep2,2.5\nstep1,1\n")


def test_a_folder_of_matrix_market_files(tmp_path):
    write_folder(tmp_path)
    folder = MatrixMarketFolder(tmp_path)
    assert (folder.names, folder.n_systems, folder.has_contexts) == (["step0", "step1", "step2"], 3, True)
    run = folder.start(generator())
    systems = []
    for _ in range(3):
        systems.append(run.next())
        run.advance(np.zeros(9))
    assert [system.context for system in systems] == [0.0, 1.0, 2.5]
    assert [system.A.diagonal()[0] for system in systems] == [4.0, 5.0, 6.0]
    assert (systems[0].b == 1).all()
    assert (systems[1].b == np.arange(9)).all()
    assert systems[1].x0 is None
    assert (systems[2].x0 == 0.25).all()
    with pytest.raises(ValueError, match="all 3 systems are solved"):
        run.next()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("step0.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 1\n1 x 3\n", "step0.mtx.*[Ll]ine 3"),
        ("step0.mtx", "nonsense", "step0.mtx"),
        ("step0.mtx", "%%MatrixMarket matrix coordinate real general\n2 3 1\n1 1 3\n", "step0.mtx.*square"),
        ("step0.mtx", "%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 3 1\n", "complex"),
        ("step1_b.mtx", "%%MatrixMarket matrix array real general\n2 1\n1\n2\n", "step1_b.mtx: line 2: has 2 entries"),
        ("contexts.csv", "name,context\n", "line 1"),
        ("contexts.csv", "system,context\nstep9,1\n", "line 2, column 1"),
        ("contexts.csv", "system,context\nstep0,one\n", "line 2, column 2: 'one'"),
        ("contexts.csv", "system,context\nstep0,inf\n", "line 2, column 2"),
        ("contexts.csv", "system,context\nstep0,1,2\n", "line 2.*3 columns"),
        ("contexts.csv", "system,context\nstep0,1\n", "no context for step1"),
    ],
)
def test_bad_files_are_named(tmp_path, name, text, message):
    write_folder(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        MatrixMarketFolder(tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ShiftedLaplacian2D(0), "m = 0"),
        (lambda: ShiftedLaplacian2D(10, lowest=-0.17), "must be above -0.162"),
        (lambda: ShiftedLaplacian2D(a=0.0), "a = 0"),
        (lambda: ShiftedLaplacian2D().start(3), "rng"),
        (lambda: ShiftedLaplacian2D(2).start(generator()).advance([0, 0, 0, 0]), "no system is open"),
        (lambda: HeatCN(1), "nx = 1"),
        (lambda: HeatCN(dt=0.0), "dt = 0"),
        (lambda: HeatImplicitEuler(mild=-1.0), "mild = -1"),
        (lambda: NewtonLM(damping=0.0), "damping = 0"),
        (lambda: MeanCurvature(1), "m = 1"),
        (lambda: ShiftedSystems([[1.0, 2.0]]), "square"),
        (lambda: ShiftedSystems([[1.0, 0.0], [1.0, 0.0]]).start(generator()), "diagonal"),
        (lambda: l_shape(3), "size"),
        (lambda: anisotropic_laplacian(3, 0.0), "ratio"),
        (lambda: variable_laplacian(3, generator(), 0.5), "contrast"),
        (lambda: graph_laplacian(nx.DiGraph([(0, 1)])), "undirected"),
        (lambda: graph_laplacian(nx.path_graph(2), -1.0), "shift"),
        (lambda: truncated_normal(0, generator()), "n: 0"),
        (lambda: degenerate_target(Stencil((2, 2)), 2.0), "omega"),
        (lambda: ListedSystems([]), "at least one system"),
        (lambda: ListedSystems([LinearSystem(np.eye(1), np.ones(1))], ["a", "b"]), "names"),
        (lambda: MatrixMarketFolder("nowhere"), "is no folder"),
        (lambda: RecordedCosts([[1.0, -1.0]]), r"entry \(0, 1\)"),
        (lambda: RecordedCosts([[1.0, 1.0]], [0.0, 0.0]), "2 entries for 1 systems"),
        (lambda: RecordedCosts([[1.0, 1.0]], surrogates=[[1.0]]), "shape"),
        (lambda: record_costs(ShiftedLaplacian2D(2), [1.5, 1.0], 1, generator()), "grid"),
        (lambda: record_costs(ShiftedLaplacian2D(2), [1.5], 0, generator()), "horizon"),
        (lambda: record_costs(ShiftedLaplacian2D(2), [1.5], 1, 0), "rng"),
        (lambda: record_costs(ShiftedLaplacian2D(2), [1.5], 1, generator(), tolerance=5.0), "tolerance"),
        (lambda: record_costs(ShiftedLaplacian2D(2), [1.5], 1, generator(), max_iterations=0), "max_iterations"),
        (lambda: record_costs(ShiftedLaplacian2D(2), [1.5], 1, generator(), solver="lu"), "solver: 'lu'"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_folder_without_matrices_says_so(tmp_path):
    with pytest.raises(ValueError, match="holds no Matrix Market file"):
        MatrixMarketFolder(tmp_path)
