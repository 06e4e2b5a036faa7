"""Flows on the paths of a network: what toll routing and network pricing share, the lower level solved exactly.

y holds the flow of every simple path of every origin and destination, a product of simplices scaled by the demands;
with edge flows v the lower level is Beckmann's potential

    g(x, y) = sum_e (a_e v_e + b_e v_e^2 / 2) + sum over tolled e of x_e v_e,

convex and quadratic. Edge flows are unique where b_e > 0, path flows need not be: a lower level with many solutions
that is met in practice. On S(x) the cost of all travellers is constant, so that little congestion and much revenue
prefer the same solution, the one that pays the most tolls.

Source: M. Beckmann, C. McGuire, C. Winsten, "Studies in the Economics of Transportation", 1956; derived.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike
from pydantic import PlainValidator

from algos.bilevel_oracles import BilevelConstants, BilevelKernels
from algos.projections import project_simplices
from simulators.bilevel_problems.compiled import CompiledProblem, Vector, penalty
from simulators.bilevel_problems.quadratic import (
    project_quadratic_upper,
    quadratic_cross_product,
    quadratic_hessian_product,
    quadratic_kernels,
    quadratic_lower,
    quadratic_upper,
)

__all__ = [
    "Demands",
    "Edge",
    "PathFlows",
    "PathNetwork",
    "TollableEdges",
    "edge_pairs",
    "path_network",
    "positive_of_pairs",
]

Edge = tuple[Hashable, Hashable]

_STRICT = 1e-9  # a reduced cost or a flow below it, beside the largest, counts as zero


class PathNetwork(NamedTuple):
    """Edges, and all simple paths of the origins and destinations."""

    edges: tuple[Edge, ...]
    paths: tuple[tuple[Hashable, ...], ...]
    incidence: np.ndarray  # (E, P) float64, 1 where the path takes the edge
    tolled: np.ndarray  # (dx, P), the rows of the tolled edges
    offsets: np.ndarray  # (k + 1,) int64, first path of each pair
    totals: np.ndarray  # (k,) float64, demands


class _Data(NamedTuple):
    quadratic: Any
    offsets: np.ndarray
    totals: np.ndarray


def edge_pairs(value: Any) -> tuple[tuple[Any, Any], ...]:
    """What a mapping of pairs of nodes, or a sequence of its items, holds."""
    items = value.items() if isinstance(value, Mapping) else value
    pairs = tuple((tuple(pair), what) for pair, what in items)
    if not pairs or any(len(pair) != 2 for pair, _ in pairs):
        raise ValueError("must map pairs of nodes, and at least one")
    return pairs


def positive_of_pairs(value: Any) -> tuple[tuple[Edge, float], ...]:
    """Numbers > 0 of pairs of nodes, as a tuple."""
    found = edge_pairs(value)
    for pair, number in found:
        if not 0.0 < number < math.inf:
            raise ValueError(f"{pair} has {number}, which is not a finite number > 0")
    return tuple((pair, float(number)) for pair, number in found)


def _edges(value: Any) -> tuple[Edge, ...]:
    edges = tuple(tuple(edge) for edge in value)
    if not edges or any(len(edge) != 2 for edge in edges) or len(set(edges)) != len(edges):
        raise ValueError("must be different pairs of nodes, and at least one")
    return edges


Demands = Annotated[Any, PlainValidator(positive_of_pairs)]
TollableEdges = Annotated[Any, PlainValidator(_edges)]


class PathFlows(CompiledProblem):
    """What problems over path flows share: the network, the quadratic lower level and its exact solution."""

    graph: Any
    demands: Any
    tollable: Any
    largest_toll: float
    path_limit: int

    @cached_property
    def network(self) -> PathNetwork:
        """The edges and paths that the arrays follow."""
        return path_network(self.graph, dict(self.demands), self.tollable, self.path_limit)

    def edge_costs(self) -> tuple[Vector, Vector]:
        """A and b of every edge, shape (E,) each."""
        raise NotImplementedError(f"{type(self).__name__} must define edge_costs()")

    def revenue_share(self) -> tuple[float, float]:
        """The upper level as (congestion, revenue): f = congestion sum v (a + b v) - revenue x'v."""
        raise NotImplementedError(f"{type(self).__name__} must define revenue_share()")

    @property
    def upper_dimension(self) -> int:
        """Length of x, the number of tolled edges."""
        return len(self.tollable)

    @property
    def lower_dimension(self) -> int:
        """Length of y, the number of paths."""
        return len(self.network.paths)

    @property
    def start(self) -> tuple[Vector, Vector]:
        """No tolls, and every demand split evenly."""
        net = self.network
        counts = np.diff(net.offsets)
        return np.zeros(self.upper_dimension), np.repeat(net.totals / counts, counts)

    @property
    def constants(self) -> BilevelConstants:
        """Exact smoothness; g is convex, and strongly where every path flow is determined."""
        net, (_, rise), (congestion, revenue) = self.network, self.edge_costs(), self.revenue_share()
        hessian, zeros = _squares(net.incidence, rise), np.zeros((self.upper_dimension,) * 2)
        lower = np.block([[zeros, net.tolled], [net.tolled.T, hessian]])
        upper = np.block([[zeros, -revenue * net.tolled], [-revenue * net.tolled.T, 2 * congestion * hessian]])
        return BilevelConstants(
            upper_smoothness=float(np.linalg.norm(upper, 2)),
            lower_smoothness=float(np.linalg.norm(lower, 2)),
            lower_hessian_lipschitz=0.0,
            strong_convexity=max(float(np.linalg.eigvalsh(hessian)[0]), 0.0),
            weak_convexity=0.0,
        )

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results; O(P^2) a gradient."""
        net, (free, rise), (congestion, revenue) = self.network, self.edge_costs(), self.revenue_share()
        dx, hessian, linear = self.upper_dimension, _squares(net.incidence, rise), net.incidence.T @ free
        quadratic = quadratic_kernels(
            hessian, net.tolled, linear, 2 * congestion * hessian, np.zeros((dx, dx)), -revenue * net.tolled,
            congestion * linear, np.zeros(dx), upper_box=(np.zeros(dx), np.full(dx, self.largest_toll)),
        )  # fmt: skip
        return BilevelKernels(
            _Data(quadratic.data, net.offsets, net.totals), _upper, _lower, _project_upper, _project_lower,
            _hessian_product, _cross_product, skips_empty_outputs=True,
        )  # fmt: skip

    def edge_flows(self, y: ArrayLike) -> Vector:
        """Flow of every edge, shape (E,), in the order of ``network.edges``."""
        return np.asarray(self.network.incidence @ self._y(y))

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        (free, rise), (congestion, revenue), v = self.edge_costs(), self.revenue_share(), self.edge_flows(y)
        return float(congestion * (v @ (free + rise * v)) - revenue * (self._x(x) @ (self.network.tolled @ self._y(y))))

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        (free, rise), v = self.edge_costs(), self.edge_flows(y)
        return float(v @ (free + rise * v / 2) + self._x(x) @ (self.network.tolled @ self._y(y)))

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s, s >= 0, by accelerated gradient steps and a linear solve on the paths in use.

        Raises
        ------
        FloatingPointError
            When the paths' costs are still apart after 100,000 steps.
        """
        x, s, net = self._x(x), penalty(s, zero=True), self.network
        (free, rise), (congestion, revenue) = self.edge_costs(), self.revenue_share()
        hessian = _squares(net.incidence, (1.0 + 2.0 * s * congestion) * rise)
        linear = net.incidence.T @ ((1.0 + s * congestion) * free) + (1.0 - s * revenue) * (net.tolled.T @ x)
        y = _simplices_minimum(hessian, linear, net, self.start[1])
        return self._of_largest_revenue(x, y) if s == 0.0 else y

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (dx,); NaN where the set of shortest paths is about to change.

        Notes
        -----
        By the pseudo-inverse of the optimality system on the shortest paths. Path flows that are not unique make it
        singular; all its solutions give the same slope.
        """
        x, net, (_, rise) = self._x(x), self.network, self.edge_costs()
        y = self.lower_solution(x)
        upper_x, upper_y = self.upper_gradient(x, y)
        shortest = self._shortest(x, y)
        if not self._has_interior(y, shortest):
            return np.full(x.size, np.nan)
        J = _pair_rows(net)[:, shortest]
        hessian = _squares(net.incidence[:, shortest], rise)
        system = np.block([[hessian, J.T], [J, np.zeros((len(J),) * 2)]])
        right = np.concatenate([upper_y[shortest], np.zeros(len(J))])
        solved = np.linalg.lstsq(system, right, rcond=1e-11)[0]
        if np.linalg.norm(system @ solved - right) > 1e-8 * (1.0 + np.linalg.norm(right)):
            return np.full(x.size, np.nan)
        return np.asarray(upper_x - net.tolled[:, shortest] @ solved[: shortest.sum()])

    def _shortest(self, x: Vector, y: Vector) -> np.ndarray:
        """Which paths cost no more than the cheapest of their pair."""
        net, costs = self.network, self.lower_gradient(x, y)[1]
        counts = np.diff(net.offsets)
        least = np.repeat(np.minimum.reduceat(costs, net.offsets[:-1]), counts)
        return costs <= least + _STRICT * (1.0 + np.abs(costs).max())

    def _has_interior(self, y: Vector, shortest: np.ndarray) -> bool:
        """Whether a solution with the same flows uses all shortest paths: strict complementarity."""
        net, (_, rise) = self.network, self.edge_costs()
        least = _STRICT * float(net.totals.max())
        if np.all(y[shortest] > least):
            return True
        from scipy.optimize import linprog

        inside = net.incidence[:, shortest][rise > 0.0]
        same = np.vstack([inside, _pair_rows(net)[:, shortest], net.tolled[:, shortest]])
        count = int(shortest.sum())
        found = linprog(
            np.append(np.zeros(count), -1.0),
            A_ub=np.hstack([-np.eye(count), np.ones((count, 1))]), b_ub=np.zeros(count),
            A_eq=np.hstack([same, np.zeros((len(same), 1))]), b_eq=same @ y[shortest],
        )  # fmt: skip
        return bool(found.success and found.x[-1] > least)

    def _of_largest_revenue(self, x: Vector, y: Vector) -> Vector:
        """Of the equilibria, which differ on edges of constant latency alone, the one of largest toll revenue."""
        net, (_, rise) = self.network, self.edge_costs()
        flat = {edge for edge, b in zip(net.edges, rise, strict=True) if b == 0.0}
        if not any(edge in flat and toll > 0.0 for edge, toll in zip(self.tollable, x, strict=True)):
            return y
        from scipy.optimize import linprog

        shortest = self._shortest(x, y)
        same = np.vstack([net.incidence[:, shortest][rise > 0.0], _pair_rows(net)[:, shortest]])
        found = linprog(-(net.tolled.T @ x)[shortest], A_eq=same, b_eq=same @ y[shortest])
        gain = 0.0 if not found.success else float(-found.fun - (net.tolled.T @ x)[shortest] @ y[shortest])
        if gain <= 1e-9 * (1.0 + abs(float(x @ (net.tolled @ y)))):
            return y  # as good, and more exact
        better = np.zeros_like(y)
        better[shortest] = np.where(found.x > _STRICT * net.totals.max(), found.x, 0.0)
        return better


def path_network(graph: Any, demands: Mapping[Edge, float], tollable: tuple[Edge, ...], path_limit: int) -> PathNetwork:
    """All simple paths of the pairs with a demand.

    Parameters
    ----------
    graph : networkx.DiGraph
    demands : mapping of (origin, destination) to float > 0
    tollable : tuple of edges
    path_limit : int >= 1

    Raises
    ------
    ValueError
        When a node or an edge is unknown, or a pair has no path or too many.
    """
    import networkx

    if not isinstance(graph, networkx.DiGraph) or graph.is_multigraph():
        raise ValueError(f"graph: {type(graph).__name__} is not a networkx.DiGraph")
    edges = tuple(graph.edges)
    unknown = [edge for edge in tollable if edge not in graph.edges]
    if unknown:
        raise ValueError(f"tollable: {unknown[0]} is no edge of the graph")
    paths: list[tuple[Hashable, ...]] = []
    offsets = [0]
    for origin, destination in demands:
        if origin == destination or origin not in graph or destination not in graph:
            raise ValueError(f"demands: ({origin!r}, {destination!r}) are not two different nodes of the graph")
        found = list(itertools.islice(networkx.all_simple_paths(graph, origin, destination), path_limit + 1))
        if not found or len(found) > path_limit:
            many = "no path" if not found else f"more than path_limit = {path_limit} simple paths"
            raise ValueError(f"demands: ({origin!r}, {destination!r}) has {many}")
        paths += [tuple(path) for path in found]
        offsets.append(len(paths))
    taken = [set(itertools.pairwise(path)) for path in paths]
    incidence = np.array([[float(edge in path) for path in taken] for edge in edges])
    tolled = incidence[[edges.index(edge) for edge in tollable]]
    return PathNetwork(edges, tuple(paths), incidence, tolled, np.array(offsets), np.array(list(demands.values())))


def _squares(incidence: np.ndarray, rise: Vector) -> np.ndarray:
    """Incidence' diag(rise) incidence."""
    return np.asarray((incidence.T * rise) @ incidence)


def _pair_rows(net: PathNetwork) -> np.ndarray:
    """Which paths belong to which pair, (k, P)."""
    counts = np.diff(net.offsets)
    return np.repeat(np.eye(counts.size), counts, axis=1)


def _simplices_minimum(hessian: np.ndarray, linear: Vector, net: PathNetwork, start: Vector) -> Vector:
    """A minimiser of a convex quadratic function over the path flows, to rounding."""
    y, counts = start, np.diff(net.offsets)
    scale = 1.0 + float(np.abs(linear).max()) + float(np.abs(hessian).max()) * float(net.totals.max())
    step = 1.0 / max(float(np.linalg.norm(hessian, 2)), 1e-3 * scale)

    def excess(at: Vector) -> float:
        """How much the paths in use cost above the cheapest, in flow: 0 at a minimum."""
        costs = hessian @ at + linear
        return float(at @ (costs - np.repeat(np.minimum.reduceat(costs, net.offsets[:-1]), counts)))

    def moved(at: Vector) -> Vector:
        ahead = at - step * (hessian @ at + linear)
        project_simplices(ahead, net.offsets, net.totals)
        return ahead

    momentum, ahead, goal = 1.0, y, 1e-15 * scale * float(net.totals.sum())
    for count in range(100_000):
        new = moved(ahead)
        if float((ahead - new) @ (new - y)) > 0.0:  # uphill: start the momentum anew
            momentum = 1.0
        after = (1.0 + math.sqrt(1.0 + 4.0 * momentum**2)) / 2.0
        ahead, y, momentum = new + (momentum - 1.0) / after * (new - y), new, after
        if count % 50 == 49:
            polished = _polished(hessian, linear, net, y)
            if excess(polished) <= goal:
                return polished
            if excess(y) <= goal:
                return y
    if excess(y) <= 1e-9 * scale * float(net.totals.sum()):
        return y
    raise FloatingPointError(f"the equilibrium was not found: paths in use cost {excess(y):g} too much")


def _polished(hessian: np.ndarray, linear: Vector, net: PathNetwork, y: Vector) -> Vector:
    """The equal costs of the paths in use by a linear solve, as long as no flow becomes negative."""
    used = y > 1e-7 * float(net.totals.max())
    J = _pair_rows(net)[:, used]
    system = np.block([[hessian[np.ix_(used, used)], J.T], [J, np.zeros((len(J),) * 2)]])
    right = np.concatenate([-(hessian[used] @ np.where(used, y, 0.0) + linear[used]), net.totals - J @ y[used]])
    change = np.linalg.lstsq(system, right, rcond=1e-11)[0][: int(used.sum())]
    polished = np.zeros_like(y)
    polished[used] = y[used] + change
    return polished if polished.min() >= 0.0 else y


@njit(nogil=True)
def _upper(data, x, y, sample, out_x, out_y):
    quadratic_upper(data.quadratic, x, y, sample, out_x, out_y)


@njit(nogil=True)
def _lower(data, x, y, sample, out_x, out_y):
    quadratic_lower(data.quadratic, x, y, sample, out_x, out_y)


@njit(nogil=True)
def _project_upper(data, x):
    project_quadratic_upper(data.quadratic, x)


@njit(nogil=True)
def _project_lower(data, y):
    project_simplices(y, data.offsets, data.totals)


@njit(nogil=True)
def _hessian_product(data, x, y, v, sample, out_y):
    quadratic_hessian_product(data.quadratic, x, y, v, sample, out_y)


@njit(nogil=True)
def _cross_product(data, x, y, v, sample, out_x):
    quadratic_cross_product(data.quadratic, x, y, v, sample, out_x)
