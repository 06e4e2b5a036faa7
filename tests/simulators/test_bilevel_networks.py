"""Toll routing and network pricing: Pigou and Braess in closed form, a conic solver, enumeration of paths."""

import itertools

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.bilevel_problems import NetworkPricingLP, TollRouting, braess_network, pigou_network
from tests.reference.bilevel import difference_gradient, solve_quadratic_cvxpy
from tests.reference.bilevel_instances import pricing, two_stages

tolls = st.floats(0, 1)


@given(tolls)
def test_pigou(x):
    problem, y = pigou_network(), 1 - x
    assert problem.edge_flows(problem.lower_solution([x])) == pytest.approx([x, y, x], abs=1e-9)
    assert problem.value([x]) == pytest.approx(1 - y + y * y, abs=1e-9)
    if 1e-6 < x < 1 - 1e-6:
        assert problem.value_gradient([x]) == pytest.approx([1 - 2 * y], abs=1e-7)
    assert pigou_network("revenue").value([x]) == pytest.approx(-x * y, abs=1e-9)


@given(st.floats(0.01, 5))
def test_pigou_at_the_best_toll_is_found_at_every_penalty(s):
    assert pigou_network().penalty_value([0.5], s) == pytest.approx(0.75, abs=1e-9 / min(s, 1))


@given(tolls)
def test_braess(x):
    problem, q = braess_network(), min(x, 0.5)
    flows = dict(zip(problem.network.paths, problem.lower_solution([x]), strict=True))
    assert flows[("o", "a", "d")] == pytest.approx(q, abs=1e-9)
    assert flows[("o", "b", "d")] == pytest.approx(q, abs=1e-9)
    assert flows[("o", "a", "b", "d")] == pytest.approx(1 - 2 * q, abs=1e-9)
    assert problem.value([x]) == pytest.approx(2 - 2 * q + 2 * q * q, abs=1e-9)
    if 1e-6 < x < 1 - 1e-6 and abs(x - 0.5) > 1e-6:
        slope = 4 * q - 2 if x < 0.5 else 0.0
        assert problem.value_gradient([x]) == pytest.approx([slope], abs=1e-7)


def test_slopes_are_left_out_where_paths_come_into_use():
    assert np.isnan(braess_network().value_gradient([0.0])[0])
    assert np.isnan(braess_network().value_gradient([0.5])[0])
    assert np.isnan(pigou_network().value_gradient([1.0])[0])


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from(["congestion", "revenue"]), st.sampled_from([0.0, 0.2]))
def test_equilibria_agree_with_a_conic_solver(seed, objective, s):
    rng = np.random.default_rng(seed)
    problem, x = two_stages(rng, objective), rng.random(2)
    net, (free, rise) = problem.network, problem.edge_costs()
    D = net.incidence
    congested = objective == "congestion"
    hessian = D.T @ np.diag((1 + 2 * s * congested) * rise) @ D
    linear = D.T @ ((1 + s * congested) * free) + (1 - s * (not congested)) * net.tolled.T @ x
    parts = [(np.arange(a, b), total) for a, b, total in zip(net.offsets, net.offsets[1:], net.totals, strict=False)]
    value, y = solve_quadratic_cvxpy(hessian, linear, totals=parts)
    mine = problem.lower_solution(x, s)
    assert mine @ hessian @ mine / 2 + linear @ mine == pytest.approx(value, abs=1e-7)
    np.testing.assert_allclose(problem.edge_flows(mine), D @ y, atol=1e-4)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from(["congestion", "revenue"]))
def test_slopes_with_path_flows_that_are_not_unique(seed, objective):
    rng = np.random.default_rng(seed)
    problem, x = two_stages(rng, objective), 0.1 + 0.5 * rng.random(2)
    slope = problem.value_gradient(x)
    if np.isnan(slope).any():
        return
    y = problem.lower_solution(x)
    rank = np.linalg.matrix_rank(np.vstack([problem.network.incidence]))
    assert rank < y.size  # many path flows have these edge flows
    moved = [problem._shortest(p, problem.lower_solution(p)) for p in (x + 1e-4, x - 1e-4)]
    if (moved[0] != moved[1]).any():
        return
    np.testing.assert_allclose(slope, difference_gradient(problem.value, x, 1e-5), atol=1e-5)


def test_of_equal_equilibria_the_one_with_tolls_is_taken():
    graph = networkx.DiGraph([("o", "a"), ("a", "d"), ("o", "b"), ("b", "d")])
    latencies = {("o", "a"): (1.0, 0.0), ("a", "d"): (0.0, 0.0), ("o", "b"): (1.5, 0.0), ("b", "d"): (0.0, 0.0)}
    for objective in ("congestion", "revenue"):
        problem = TollRouting(graph, latencies, {("o", "d"): 2.0}, [("o", "a")], objective=objective, largest_toll=3.0)
        assert problem.lower_solution([0.5]).tolist() == [2.0, 0.0]
        assert problem.value([0.5]) == {"congestion": 2.0, "revenue": -1.0}[objective]
        assert np.isnan(problem.value_gradient([0.5])[0])  # psi jumps
        assert problem.value([0.6]) == pytest.approx({"congestion": 3.0, "revenue": 0.0}[objective])


@given(st.integers(0, 2**32), st.floats(0, 2), st.sampled_from([0.0, 0.1, 0.5, 2.0]))
def test_prices_by_enumeration_of_paths(seed, scale, s):
    rng = np.random.default_rng(seed)
    problem = pricing(rng, 0.0)
    x = scale * rng.random(3)
    graph, costs = problem.graph, dict(problem.costs)
    extra = dict(zip(problem.tollable, x, strict=True))
    least, tolled, optimistic = 0.0, 0.0, 0.0
    for (origin, destination), demand in problem.demands:
        options = []
        for path in networkx.all_simple_paths(graph, origin, destination):
            edges = list(itertools.pairwise(path))
            options.append((sum(costs[edge] for edge in edges), sum(extra.get(edge, 0.0) for edge in edges)))
        least += demand * min(cost + toll for cost, toll in options)
        tolled += demand * min(cost + (1 - s) * toll for cost, toll in options)
        optimistic += demand * max(toll for cost, toll in options if cost + toll <= min(map(sum, options)) + 1e-12)
    assert problem.value(x) == pytest.approx(-optimistic, abs=1e-9)
    if s > 0:
        assert problem.penalty_value(x, s) == pytest.approx((tolled - least) / s, abs=1e-9 / s)


def test_prices_jump_at_the_cost_of_the_way_around():
    graph = networkx.DiGraph([("o", "d"), ("o", "m"), ("m", "d")])
    costs = {("o", "d"): 1.0, ("o", "m"): 2.0, ("m", "d"): 2.0}
    problem = NetworkPricingLP(graph, costs, {("o", "d"): 1.0}, [("o", "d")], 9.0)
    assert problem.value([3.0]) == -3.0
    assert problem.value([3.0 + 1e-9]) == 0.0
    assert problem.value_gradient([2.0]).tolist() == [-1.0]
    assert problem.value_gradient([4.0]).tolist() == [0.0]
    assert np.isnan(problem.value_gradient([3.0])[0])
    smooth = NetworkPricingLP(graph, costs, {("o", "d"): 1.0}, [("o", "d")], 9.0, smoothing=0.1)
    # Costs 1 + x + 0.2 y and 4 + 0.4 (1 - y) are equal where y = (3.4 - x) / 0.6.
    assert smooth.lower_solution([3.1]) == pytest.approx([0.5, 0.5], abs=1e-9)
    assert smooth.value_gradient([3.1]) == pytest.approx([-0.5 + 3.1 / 0.6], abs=1e-7)


GRAPH = networkx.DiGraph([("o", "a"), ("a", "d")])
LATENCIES = {("o", "a"): (1.0, 0.0), ("a", "d"): (0.0, 1.0)}
DEMANDS = {("o", "d"): 1.0}
TOLLS = [("o", "a")]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: TollRouting(networkx.Graph(GRAPH), LATENCIES, DEMANDS, TOLLS),
            "graph: Graph is not",
        ),
        (lambda: TollRouting(GRAPH, {("o", "a"): (1.0, 0.0)}, DEMANDS, TOLLS), "latencies: not those"),
        (lambda: TollRouting(GRAPH, {**LATENCIES, ("o", "a"): (-1.0, 0.0)}, DEMANDS, TOLLS), "a = -1.0"),
        (lambda: TollRouting(GRAPH, LATENCIES, {("o", "d"): 0.0}, TOLLS), "which is not a finite number > 0"),
        (lambda: TollRouting(GRAPH, LATENCIES, {("d", "o"): 1.0}, TOLLS), "has no path"),
        (lambda: TollRouting(GRAPH, LATENCIES, {("o", "z"): 1.0}, TOLLS), "two different nodes"),
        (lambda: TollRouting(GRAPH, LATENCIES, DEMANDS, [("o", "d")]), "no edge of the graph"),
        (lambda: TollRouting(GRAPH, LATENCIES, DEMANDS, []), "at least one"),
        (lambda: TollRouting(GRAPH, LATENCIES, DEMANDS, TOLLS, largest_toll=0.0), "largest_toll = 0.0"),
        (lambda: TollRouting(GRAPH, LATENCIES, DEMANDS, TOLLS, objective="tolls"), "objective = 'tolls'"),
        (lambda: NetworkPricingLP(GRAPH, {("o", "a"): 1.0}, DEMANDS, TOLLS, 1.0), "costs: not those"),
        (lambda: NetworkPricingLP(GRAPH, dict.fromkeys(LATENCIES, 1.0), DEMANDS, TOLLS, np.inf), "largest_toll = inf"),
        (
            lambda: NetworkPricingLP(GRAPH, dict.fromkeys(LATENCIES, 1.0), DEMANDS, TOLLS, 1.0, smoothing=-1.0),
            "smoothing = -1.0",
        ),
    ],
)
def test_bad_networks_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_too_many_paths_are_refused():
    graph = networkx.DiGraph(networkx.grid_2d_graph(3, 3))
    latencies = dict.fromkeys(graph.edges, (1.0, 1.0))
    with pytest.raises(ValueError, match="more than path_limit = 11"):
        TollRouting(graph, latencies, {((0, 0), (2, 2)): 1.0}, [((0, 0), (0, 1))], path_limit=11)
    assert (
        TollRouting(graph, latencies, {((0, 0), (2, 2)): 1.0}, [((0, 0), (0, 1))], path_limit=12).lower_dimension == 12
    )
