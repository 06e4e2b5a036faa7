"""Tolls on a road network: travellers choose shortest paths under latencies that grow with the flow.

Pigou's and Braess's networks have closed forms: a toll x in [0, 1] leaves 1 - x on Pigou's second road, of latency v,
so that psi = 1 - y + y^2 with y = 1 - x; one on Braess's free road puts q = min(x, 1/2) on either outer path, and psi
is 2 - 2q + 2q^2. Source: instance 12 of the project's specification; see `simulators.bilevel_problems.path_flows`.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PlainValidator, model_validator

from algos.contracts import Count, description
from simulators.bilevel_problems.compiled import Vector
from simulators.bilevel_problems.path_flows import Demands, Edge, PathFlows, TollableEdges, edge_pairs

__all__ = ["TollRouting", "braess_network", "pigou_network"]


def _latencies(value: Any) -> tuple[tuple[Edge, tuple[float, float]], ...]:
    found = []
    for edge, (free, rise) in edge_pairs(value):
        if not (0.0 <= free < math.inf and 0.0 <= rise < math.inf):
            raise ValueError(f"a + b v of {edge} has a = {free}, b = {rise}; both must be finite and >= 0")
        found.append((edge, (float(free), float(rise))))
    return tuple(found)


@description
class TollRouting(PathFlows):
    """Tolls on some edges of a network, for little congestion or much revenue.

    Parameters
    ----------
    graph : networkx.DiGraph
    latencies : mapping of edge to (a, b)
        Of every edge of the graph: a + b v, both >= 0.
    demands : mapping of (origin, destination) to float > 0
    tollable : edges
        x holds their tolls, in this order; X is [0, largest_toll] of each.
    objective : {"congestion", "revenue"}
        f = sum_e v_e (a_e + b_e v_e), or minus the tolls collected.
    largest_toll : float > 0
        May be inf.
    path_limit : int >= 1
        More simple paths of a pair are an error.

    Examples
    --------
    >>> problem = pigou_network()
    >>> problem.network.paths, round(problem.value([0.5]), 12), problem.edge_flows([0.25, 0.75]).tolist()
    ((('o', 'constant', 'd'), ('o', 'd')), 0.75, [0.25, 0.75, 0.25])
    """

    graph: Any
    latencies: Annotated[Any, PlainValidator(_latencies)]
    demands: Demands
    tollable: TollableEdges
    objective: Annotated[Literal["congestion", "revenue"], Field(kw_only=True)] = "congestion"
    largest_toll: Annotated[float, Field(gt=0.0, kw_only=True)] = math.inf
    path_limit: Annotated[Count, Field(kw_only=True)] = 1000

    @model_validator(mode="after")
    def _fits(self) -> TollRouting:
        self.network  # noqa: B018 - unknown nodes, edges and missing paths raise here
        edges, named = set(self.graph.edges), {edge for edge, _ in self.latencies}
        if edges != named:
            raise ValueError(f"latencies: not those of the graph's edges, but for {sorted(map(str, edges ^ named))}")
        return self

    def edge_costs(self) -> tuple[Vector, Vector]:
        """A and b of every edge, shape (E,) each."""
        of = dict(self.latencies)
        return np.array([of[edge][0] for edge in self.network.edges]), np.array(
            [of[edge][1] for edge in self.network.edges]
        )

    def revenue_share(self) -> tuple[float, float]:
        """The upper level as (congestion, revenue)."""
        return (1.0, 0.0) if self.objective == "congestion" else (0.0, 1.0)


def pigou_network(objective: Literal["congestion", "revenue"] = "congestion") -> TollRouting:
    """Pigou's two roads, of latency 1 and v; the second one can be tolled, and 1/2 is the best toll: psi falls to 3/4.

    Parameters
    ----------
    objective : {"congestion", "revenue"}
    """
    import networkx

    graph = networkx.DiGraph([("o", "constant"), ("constant", "d"), ("o", "d")])
    latencies = {("o", "constant"): (1.0, 0.0), ("constant", "d"): (0.0, 0.0), ("o", "d"): (0.0, 1.0)}
    return TollRouting(graph, latencies, {("o", "d"): 1.0}, [("o", "d")], objective=objective, largest_toll=1.0)


def braess_network(objective: Literal["congestion", "revenue"] = "congestion") -> TollRouting:
    """Braess's paradox: a free road that makes all slower; a toll x on it puts min(x, 1/2) on either outer path.

    Parameters
    ----------
    objective : {"congestion", "revenue"}

    Examples
    --------
    >>> problem = braess_network()
    >>> [round(problem.value([toll]), 9) for toll in (0.0, 0.25, 0.5, 0.75)]
    [2.0, 1.625, 1.5, 1.5]
    """
    import networkx

    latencies = {
        ("o", "a"): (0.0, 1.0), ("a", "d"): (1.0, 0.0), ("o", "b"): (1.0, 0.0), ("b", "d"): (0.0, 1.0),
        ("a", "b"): (0.0, 0.0),
    }  # fmt: skip
    graph = networkx.DiGraph(list(latencies))
    return TollRouting(graph, latencies, {("o", "d"): 1.0}, [("a", "b")], objective=objective, largest_toll=1.0)
