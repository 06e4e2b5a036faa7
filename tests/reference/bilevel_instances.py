"""One of each bilevel problem, small, drawn from a generator; what their tests have in common."""

import numpy as np

from simulators.bilevel_problems import (
    CounterExample,
    HyperCleaning,
    LogisticHPO,
    Moreau,
    PLToy,
    RidgeHPO,
    SimplexProjection,
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
}
SAMPLED = ("sum of squares", "ridge", "logistic", "cleaning")  # a sample is a draw


def instance(name, seed=0):
    """A problem, a point of X, one of Y, and a generator for more."""
    rng = np.random.default_rng([seed, len(name)])
    problem = PROBLEMS[name](rng)
    x = problem.project_upper(problem.start[0] + 0.7 * rng.standard_normal(problem.upper_dimension))
    y = problem.project_lower(problem.start[1] + 0.7 * rng.standard_normal(problem.lower_dimension))
    return problem, x, y, rng
