"""One of each bilevel problem, small, drawn from a generator; what their tests have in common."""

import networkx
import numpy as np

from simulators.bilevel_problems import (
    CounterExample,
    HyperCleaning,
    LogisticHPO,
    Moreau,
    NetworkPricingLP,
    NoisyOracle,
    PLToy,
    RidgeHPO,
    SimplexProjection,
    TollRouting,
    braess_network,
    pigou_network,
    random_box_qp,
    random_minimax,
    random_quadratic,
    random_quadratic_sum,
    random_rank_deficient,
)


def fitted(kind, rng):
    """A small problem of fitted models: 9 training and 6 validation records of 3 features."""
    train, validation = rng.standard_normal((9, 3)), rng.standard_normal((6, 3))
    if kind is HyperCleaning:
        labels = rng.integers(0, 3, 15)
        return HyperCleaning(train, labels[:9], validation, labels[9:], 3, regularization=0.1, batch_size=2)
    targets = rng.standard_normal(15)
    targets = np.where(targets > 0, 1.0, -1.0) if kind is LogisticHPO else targets
    return kind(train, targets[:9], validation, targets[9:], batch_size=2)


def two_stages(rng, objective="congestion"):
    """Two roads from o to m and two from m to d: four paths whose flows are not unique, and a second pair."""
    roads = [("o", "a"), ("a", "m"), ("o", "b"), ("b", "m"), ("m", "p"), ("p", "d"), ("m", "q"), ("q", "d")]
    latencies = {road: tuple(0.2 + rng.random(2)) for road in roads}
    tolls = [("o", "a"), ("q", "d")]
    demands = {("o", "d"): 2.0, ("m", "d"): 1.0}
    return TollRouting(networkx.DiGraph(roads), latencies, demands, tolls, objective=objective)


def pricing(rng, smoothing):
    """A grid of three by three nodes with random costs and three tolled roads."""
    graph = networkx.DiGraph(list(networkx.grid_2d_graph(3, 3).edges))
    costs = dict(zip(graph.edges, 0.5 + rng.random(graph.number_of_edges()), strict=True))
    tolls = list(graph.edges)[2:9:3]
    demands = {((0, 0), (2, 2)): 1.0, ((0, 1), (2, 2)): 2.0}
    return NetworkPricingLP(graph, costs, demands, tolls, 5.0, smoothing=smoothing)


PROBLEMS = {
    "quadratic": lambda rng: random_quadratic(3, 4, rng),
    "wide quadratic": lambda rng: random_quadratic(2, 37, rng),
    "sum of squares": lambda rng: random_quadratic_sum(9, 2, 3, rng, batch_size=2),
    "moreau": lambda rng: Moreau("quadratic", dimension=2),
    "slow moreau": lambda rng: Moreau("power", dimension=3),
    "moreau huber": lambda rng: Moreau("huber", dimension=2),
    "bilinear": lambda rng: CounterExample("bilinear"),
    "ramp": lambda rng: CounterExample("ramp"),
    "quartic": lambda rng: CounterExample("quartic"),
    "kink": lambda rng: CounterExample("kink"),
    "PL toy": lambda rng: PLToy(),
    "rank deficient": lambda rng: random_rank_deficient(2, 5, 3, rng),
    "minimax": lambda rng: random_minimax(3, 2, rng),
    "simplex": lambda rng: SimplexProjection(rng.standard_normal(4)),
    "box": lambda rng: random_box_qp(2, 3, rng),
    "larger box": lambda rng: random_box_qp(2, 7, rng),
    "ridge": lambda rng: fitted(RidgeHPO, rng),
    "logistic": lambda rng: fitted(LogisticHPO, rng),
    "cleaning": lambda rng: fitted(HyperCleaning, rng),
    "pigou": lambda rng: pigou_network("revenue"),
    "braess": lambda rng: braess_network(),
    "two stages": lambda rng: two_stages(rng),
    "pricing": lambda rng: pricing(rng, 0.0),
    "smooth pricing": lambda rng: pricing(rng, 0.5),
    "noisy quadratic": lambda rng: NoisyOracle(random_quadratic(3, 4, rng), 0.3, 0.2, 0.1),
    "noisy sum": lambda rng: NoisyOracle(random_quadratic_sum(9, 2, 3, rng), 0.1, 0.1, seed=2**63),
}
SAMPLED = ("sum of squares", "ridge", "logistic", "cleaning", "noisy quadratic", "noisy sum")  # a sample is a draw


NETWORKS = ("pigou", "braess", "two stages", "pricing", "smooth pricing")  # tolls are positive, away from kinks


def instance(name, seed=0):
    """A problem, a point of X, one of Y, and a generator for more."""
    rng = np.random.default_rng([seed, len(name)])
    problem = PROBLEMS[name](rng)
    x = problem.project_upper(problem.start[0] + 0.7 * rng.standard_normal(problem.upper_dimension))
    if name in NETWORKS:
        x = 0.1 + 0.3 * rng.random(problem.upper_dimension)
    y = problem.project_lower(problem.start[1] + 0.7 * rng.standard_normal(problem.lower_dimension))
    return problem, x, y, rng
