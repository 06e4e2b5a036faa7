"""A private method from where another one ended, and how to split a budget between them.

The bound of `PrivateSpiderBoost` grows with F0, how far the start is above the least value: part of the budget may be
better spent on a start with a smaller one.

Source: A. Lowy, J. Ullman, S. Wright, ICML 2024, for the idea (from memory); compositions are exact for Gaussian
releases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from algos.contracts import Count, Trajectory, check_generator, description, realize
from algos.privacy import check_delta, check_epsilon, gaussian_epsilon, gaussian_mu, zcdp_epsilon
from optimization.differentially_private.problem import FiniteSum
from optimization.differentially_private.release import rho_for

__all__ = ["WarmStart", "split_budget"]


def split_budget(epsilon: float, delta: float, shares: Sequence[float]) -> tuple[float, ...]:
    """Epsilons of parts made of Gaussian releases of all records, which together cost (epsilon, delta) exactly.

    Parameters
    ----------
    epsilon : float > 0, finite
    delta : float in (0, 1)
        The same for each part and for all together: in Gaussian terms the parts' mu^2 add up.
    shares : sequence of float > 0
        Of mu^2; they add up to 1.

    Examples
    --------
    >>> [round(one, 4) for one in split_budget(1.0, 1e-5, [0.5, 0.5])]
    [0.6841, 0.6841]
    """
    parts = np.asarray(shares, dtype=np.float64)
    if parts.ndim != 1 or not (parts > 0.0).all() or not math.isclose(float(parts.sum()), 1.0, rel_tol=1e-9):
        raise ValueError(f"shares: {shares!r} must be numbers > 0 that add up to 1")
    if check_epsilon(epsilon) == math.inf:
        raise ValueError("epsilon: inf has no parts")
    mu = gaussian_mu(epsilon, check_delta(delta))
    return tuple(gaussian_epsilon(mu * math.sqrt(float(part)), delta) for part in parts)


@description
class WarmStart:
    """Run one method, and a second one from its iterate; their budgets are composed.

    Parameters
    ----------
    first : private method
        Its outcome has ``iterate``, ``epsilon``, ``delta`` and ``adjacency``; for `DPGD` take ``output="last"``.
    second : PrivateSpiderBoost
        Any method whose ``run`` takes ``start``.
    first_horizon : int >= 1
        The first's share of releases.

    Examples
    --------
    >>> from optimization.differentially_private import DPGD, PrivateSpiderBoost
    >>> from simulators.erm import breast_cancer
    >>> one, two = split_budget(4.0, 1e-5, [0.3, 0.7])
    >>> method = WarmStart(DPGD(one, 1e-5, output="last"), PrivateSpiderBoost(two, 1e-5, 10), 20)
    >>> run = method.run(breast_cancer(), horizon=100, rng=np.random.default_rng(0))
    >>> round(run.outcome["epsilon"], 9), run.outcome["accountant"]
    (4.0, 'gdp')
    """

    first: Any
    second: Any
    first_horizon: Count

    def __post_init__(self) -> None:
        kinds = getattr(self.first, "adjacency", None), getattr(self.second, "adjacency", None)
        if kinds[0] != kinds[1]:
            raise ValueError(f"first, second: budgets for {kinds[0]} and {kinds[1]} do not compose")

    def run(
        self,
        problem: FiniteSum,
        horizon: int,
        rng: np.random.Generator | None,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
    ) -> Trajectory:
        """Run both.

        Parameters
        ----------
        problem : FiniteSum
        horizon : int >= 1
            The second's releases.
        rng, world
            As for the methods; the first draws before the second.
        checkpoints : array of int in 1..horizon, optional
            Of the second.

        Returns
        -------
        Trajectory
            Metrics that both have; the second's rounds follow the first's. Outcome: the second's, with the budget of
            both, ``accountant`` ("gdp", "zcdp" or "basic composition"), ``certificate`` NaN, as the F0 of the second's
            start is not known, and ``start``, the first's iterate.
        """
        if rng is None:
            records: Any = problem
        else:
            records = realize(problem, check_generator(rng, "WarmStart") if world is None else world)
        one = self.first.run(records, self.first_horizon, rng)
        start = one.outcome["iterate"]
        two = self.second.run(records, horizon, rng, start=start, checkpoints=checkpoints)
        epsilon, delta, accountant = _composed(one.outcome, two.outcome)
        shared = [name for name in two.metrics if name in one.metrics]
        metrics = {name: np.concatenate([one.metrics[name], two.metrics[name]]) for name in shared}
        if "gradient_evaluations" in metrics and one.rounds.size:
            metrics["gradient_evaluations"][one.rounds.size :] += one.metrics["gradient_evaluations"][-1]
        rounds = np.concatenate([one.rounds, two.rounds + self.first_horizon])
        if not shared:
            rounds = rounds[-1:]
        outcome = dict(two.outcome) | {
            "epsilon": epsilon,
            "delta": delta,
            "accountant": accountant,
            "certificate": math.nan,
            "start": start,
        }
        if "statement" in outcome:
            outcome["statement"] = (
                f"({epsilon:.6g}, {delta:g})-differential privacy ({outcome['adjacency']}) of two runs together, "
                f"composed by {accountant}. The first: {one.outcome['statement']} The second: "
                f"{two.outcome['statement']}"
            )
        return Trajectory(rounds, metrics, outcome)


def _composed(one: Any, two: Any) -> tuple[float, float, str]:
    """Epsilon, delta and the accountant of two runs."""
    kinds = {one.get("accountant"), two.get("accountant")}
    epsilons, delta = (one["epsilon"], two["epsilon"]), max(one["delta"], two["delta"])
    if math.inf in epsilons:
        return math.inf, delta, "no privacy"
    if kinds == {"gdp"} and one["delta"] == two["delta"]:
        mu = math.hypot(*(gaussian_mu(epsilon, delta) for epsilon in epsilons))
        return gaussian_epsilon(mu, delta), delta, "gdp"
    if kinds == {"zcdp"} and one["delta"] == two["delta"]:
        rho = sum(rho_for(epsilon * (1.0 + 1e-12), delta) for epsilon in epsilons)
        return zcdp_epsilon(rho, delta), delta, "zcdp"
    return sum(epsilons), one["delta"] + two["delta"], "basic composition"
