"""The methods that `bilevel_penalty` compares in E8, each with the steps that it may choose from.

All gradients are exact, but for SABA, which samples records and runs where they can be asked for one by one. Source:
section 9 of the project's specification.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from optimization.bilevel import (
    AID,
    BOME,
    F2BA,
    F2SA,
    F3SA,
    ITD,
    SABA,
    SOBA,
    TTSA,
    VPBGD,
    AmIGO,
    Counts,
    PenaltyDoubleLoop,
    PenaltySingleLoop,
    PowerLaw,
    StocBiO,
)
from simulators.bilevel_problems import (
    RidgeHPO,
    breast_cancer_regularization,
    digits_cleaning,
    random_quadratic_sum,
)

__all__ = ["CONTENDERS", "INSTANCES", "SHARES", "Instance", "Method", "instance_of"]

_THIRD = -1.0 / 3.0
Method = Callable[[float, float, float], Any]
SHARES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Of the largest stable step, for methods that move x and y by the same one and cannot choose an upper step."""


class Instance(NamedTuple):
    """A problem of E8.

    Parameters
    ----------
    problem : bilevel problem with second derivatives
    lower_step : float
        At most one over the smoothness of g in y where the run goes.
    upper_steps : tuple of 6 floats
        What every method may choose from, beside `SHARES`.
    n_records : int
        Of a finite sum whose records can be asked for one by one, as SABA does; 0 for others.
    """

    problem: Any
    lower_step: float
    upper_steps: tuple[float, ...]
    n_records: int = 0


def instance_of(name: str, rng: np.random.Generator) -> Instance:
    """A problem by its name in `INSTANCES`.

    Parameters
    ----------
    name : {"quadratic", "ridge", "logistic", "cleaning"}
    rng : numpy.random.Generator
        Draws what is not a table.
    """
    return INSTANCES[name](rng)


def _quadratic(rng: np.random.Generator) -> Instance:
    problem = random_quadratic_sum(200, 10, 10, rng)
    return Instance(problem, 1.0 / problem.constants.lower_smoothness, (0.01, 0.03, 0.1, 0.3, 1.0, 3.0), 200)


def _ridge(rng: np.random.Generator) -> Instance:
    features, truth = rng.standard_normal((120, 10)), rng.standard_normal(10)
    targets = features @ truth + 2.0 * rng.standard_normal(120)
    problem = RidgeHPO(features[:60], targets[:60], features[60:], targets[60:])
    return Instance(problem, _ridge_step(features[:60]), (0.1, 0.3, 1.0, 3.0, 10.0, 30.0))


def _ridge_step(features: np.ndarray) -> float:
    """The weights exp(x) start at 1 and may grow to e^2."""
    return 1.0 / (float(np.linalg.norm(features, 2)) ** 2 / len(features) + math.exp(2.0))


def _logistic(rng: np.random.Generator) -> Instance:
    problem = breast_cancer_regularization()
    square = float(np.linalg.norm(problem.train_features, 2)) ** 2 / (4.0 * problem.n_samples)
    return Instance(problem, 1.0 / (square + math.exp(2.0)), (0.3, 1.0, 3.0, 10.0, 30.0, 100.0))


def _cleaning(rng: np.random.Generator) -> Instance:
    problem = digits_cleaning().problem
    square = float(np.linalg.norm(problem.train_features, 2)) ** 2 / (2.0 * problem.n_samples)
    step = 1.0 / (square + problem.regularization)
    return Instance(problem, step, (30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0))


INSTANCES: dict[str, Callable[[np.random.Generator], Instance]] = {
    "quadratic": _quadratic,
    "ridge": _ridge,
    "logistic": _logistic,
    "cleaning": _cleaning,
}
"""What makes a problem from a stream, by its name."""

CONTENDERS: dict[str, Method] = {
    "Algorithm 1": lambda a, g, c: PenaltyDoubleLoop(PowerLaw(0.1, _THIRD), PowerLaw(a), Counts(20), gamma=g),
    "Algorithm 1, safe": lambda a, g, c: PenaltyDoubleLoop(
        PowerLaw(0.1, _THIRD), PowerLaw(a, _THIRD), Counts(20), gamma=g
    ),
    "Algorithm 2": lambda a, g, c: PenaltySingleLoop(
        PowerLaw(0.1, _THIRD), PowerLaw(a, _THIRD), PowerLaw(g), PowerLaw(1.0), eta=PowerLaw(1.0), rho=math.inf
    ),
    "F2SA": lambda a, g, c: F2SA(PowerLaw(0.05 * g, _THIRD), PowerLaw(g), Counts(10), xi=a / (0.05 * g)),
    "F3SA": lambda a, g, c: F3SA(PowerLaw(0.05 * g, _THIRD), PowerLaw(g), PowerLaw(1.0), xi=a / (0.05 * g)),
    "F2BA": lambda a, g, c: F2BA(PowerLaw(1e-3), PowerLaw(a), Counts(20), gamma=g),
    "V-PBGD": lambda a, g, c: VPBGD(PowerLaw(0.01), PowerLaw(0.01 * g * c), Counts(5), PowerLaw(g)),
    "BOME": lambda a, g, c: BOME(PowerLaw(g * c, -0.5), Counts(10), PowerLaw(g)),
    "AID": lambda a, g, c: AID(PowerLaw(a), PowerLaw(g), Counts(10), 10),
    "ITD": lambda a, g, c: ITD(PowerLaw(a), PowerLaw(g), Counts(20)),
    "stocBiO": lambda a, g, c: StocBiO(PowerLaw(a), PowerLaw(g), Counts(10), 20, sampled=False),
    "AmIGO": lambda a, g, c: AmIGO(PowerLaw(a), PowerLaw(g), Counts(10), 10, sampled=False),
    "TTSA": lambda a, g, c: TTSA(PowerLaw(a, -0.6), PowerLaw(g, -0.4), turns=20, scale=g, sampled=False),
    "SOBA": lambda a, g, c: SOBA(PowerLaw(a), PowerLaw(g), sampled=False),
    "SABA": lambda a, g, c: SABA(PowerLaw(0.03 * a), PowerLaw(0.1 * g)),
}
"""A method for an upper step, a lower step, and a share."""
