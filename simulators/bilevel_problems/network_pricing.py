"""Network pricing: the owner of some roads earns their tolls, travellers take the cheapest path.

The lower level is a linear program whose solution jumps from path to path, so that psi is piecewise linear with jumps
and no guarantee of penalty methods applies; ``smoothing`` adds eps |v|^2 of the edge flows v, which makes it a routing
problem.

Source: M. Labbe, P. Marcotte, G. Savard, "A bilevel model of taxation and its application to optimal highway pricing",
Management Science 44, 1998; the value of the penalty method is derived.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, PlainValidator, model_validator

from algos.contracts import Count, NonNegative, description
from simulators.bilevel_problems.compiled import Vector, penalty
from simulators.bilevel_problems.path_flows import Demands, PathFlows, TollableEdges, positive_of_pairs

__all__ = ["NetworkPricingLP"]

_TIE = 1e-12  # path costs that differ by less, beside the largest, are equal


@description
class NetworkPricingLP(PathFlows):
    """Tolls for revenue, f = -x'v, over shortest paths, g = (c + x)'v + smoothing |v|^2.

    Parameters
    ----------
    graph : networkx.DiGraph
    costs : mapping of edge to float > 0
        c, of every edge of the graph.
    demands : mapping of (origin, destination) to float > 0
    tollable : edges
        x holds their tolls, in this order; X is [0, largest_toll] of each.
    largest_toll : float > 0
        Finite: a pair without an untolled path would pay any price.
    smoothing : float >= 0
        eps; 0 for the linear program.
    path_limit : int >= 1
        More simple paths of a pair are an error.

    Examples
    --------
    >>> import networkx
    >>> graph = networkx.DiGraph([("o", "d"), ("o", "m"), ("m", "d")])
    >>> costs = {("o", "d"): 1.0, ("o", "m"): 2.0, ("m", "d"): 2.0}
    >>> problem = NetworkPricingLP(graph, costs, {("o", "d"): 1.0}, [("o", "d")], 9.0)
    >>> [problem.value([toll]) for toll in (1.0, 3.0, 3.001)]
    [-1.0, -3.0, 0.0]
    """

    graph: Any
    costs: Annotated[Any, PlainValidator(positive_of_pairs)]
    demands: Demands
    tollable: TollableEdges
    largest_toll: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    smoothing: Annotated[NonNegative, Field(kw_only=True)] = 0.0
    path_limit: Annotated[Count, Field(kw_only=True)] = 1000

    @model_validator(mode="after")
    def _fits(self) -> NetworkPricingLP:
        self.network  # noqa: B018 - unknown nodes, edges and missing paths raise here
        edges, named = set(self.graph.edges), {edge for edge, _ in self.costs}
        if edges != named:
            raise ValueError(f"costs: not those of the graph's edges, but for {sorted(map(str, edges ^ named))}")
        return self

    def edge_costs(self) -> tuple[Vector, Vector]:
        """C and 2 eps of every edge, shape (E,) each."""
        of = dict(self.costs)
        free = np.array([of[edge] for edge in self.network.edges])
        return free, np.full(free.size, 2.0 * self.smoothing)

    def revenue_share(self) -> tuple[float, float]:
        """The upper level as (congestion, revenue)."""
        return 0.0, 1.0

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s, s >= 0: all on a path of least c + (1 - s) x, of equal ones the path that pays the most."""
        if self.smoothing > 0.0:
            return super().lower_solution(x, s)
        x, s, net = self._x(x), penalty(s, zero=True), self.network
        tolls, costs = net.tolled.T @ x, net.incidence.T @ self.edge_costs()[0]
        charged, y = costs + (1.0 - s) * tolls, np.zeros(costs.size)
        for first, end, total in zip(net.offsets, net.offsets[1:], net.totals, strict=False):
            cheapest = charged[first:end] <= charged[first:end].min() + _TIE * (1.0 + np.abs(charged).max())
            y[first + int(np.argmax(np.where(cheapest, tolls[first:end], -np.inf)))] = total
        return y

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (dx,): minus the tolled flow; NaN where two cheapest paths pay differently."""
        if self.smoothing > 0.0:
            return super().value_gradient(x)
        x, net, y = self._x(x), self.network, self.lower_solution(x)
        shortest, flow = self._shortest(x, y), net.tolled @ y
        for first, end in zip(net.offsets, net.offsets[1:], strict=False):
            rows = net.tolled[:, first:end][:, shortest[first:end]]
            if np.any(rows != rows[:, :1]):
                return np.full(x.size, np.nan)
        return np.asarray(-flow)
