"""The contract of policies that query arms one by one and then name one: for few, expensive evaluations.

A search is a generator: it yields the arm to query, is sent the reward (or the mean of several), and returns its
answer. `QueryPolicy.run` plays it in a simulator; your own expensive oracle plays it by hand:

>>> import numpy as np
>>> from bandits import GOptimalLeastSquares
>>> search = GOptimalLeastSquares().search(np.eye(2))
>>> arm = next(search)
>>> arm = search.send(0.3)
>>> try:
...     _ = search.send(0.7)
... except StopIteration as finished:
...     answer = finished.value
>>> answer.arm
1
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import NonNegative, Trajectory, check_generator, description, realize, whole_number
from algos.kernels import compiled as as_compiled
from algos.kernels import interpreted as as_interpreted
from algos.privacy import Delta
from bandits.fixed_budget import fixed_means

__all__ = ["Answer", "AssumptionViolated", "QueryPolicy", "Search"]


class Answer(NamedTuple):
    """What a search names, and what it promises."""

    arm: int
    bound: float  # on the gap, if the assumptions hold; inf when nothing is promised
    certified: bool  # whether it ran to its end


Search = Generator[int, float, Answer]
"""Yields arms, is sent rewards, returns an `Answer`."""


class AssumptionViolated(ValueError):  # noqa: N818
    """No sparse coefficients explain what was observed: misspecification, sparsity or radius is too small.

    Attributes
    ----------
    observed : dict of int to float
        What was observed, by arm.
    """

    def __init__(self, policy: str, observed: dict[int, float]) -> None:
        super().__init__(
            f"{policy}: no coefficients within misspecification, sparsity and radius explain the rewards of "
            f"{len(observed)} arms; one of these is too small, or the noise was unlikely"
        )
        self.observed = observed


@description
class QueryPolicy:
    """What the policies share: noise, and one way to run.

    Parameters
    ----------
    sigma : float >= 0
        Rewards are sigma-sub-Gaussian around their mean; 0 for an oracle without noise. Keyword only.
    accuracy : float > 0, optional
        tau, how close the mean of a query's rewards must be to the mean reward; the policy's misspecification when
        omitted. Only with noise. Keyword only.
    delta : float in (0, 1)
        Probability with which some query may be further off. Keyword only.
    """

    sigma: NonNegative = Field(default=0.0, kw_only=True)
    accuracy: NonNegative | None = Field(default=None, kw_only=True)
    delta: Delta = Field(default=0.05, kw_only=True)

    def search(self, features: NDArray[np.float64]) -> Search:
        """The search over arms with these features, shape (K, d)."""
        raise NotImplementedError(f"{type(self).__name__} must define search()")

    def planned(self, n_arms: int, dimension: int) -> int:
        """Most queries of different arms."""
        return n_arms

    def tau(self) -> float:
        """How close the mean of a query's rewards is to the mean reward, with probability 1 - delta for all queries."""
        if self.sigma == 0:
            return 0.0
        tau = getattr(self, "misspecification", 0.0) if self.accuracy is None else self.accuracy
        if not tau > 0:
            raise ValueError(f"{type(self).__name__}: accuracy = {self.accuracy}: must be > 0 where sigma > 0")
        return float(tau)

    def repetitions(self, n_arms: int, dimension: int) -> int:
        """Pulls of a query: ceil(2 sigma^2 ln(2 N / delta) / tau^2) for N queries at most; 1 without noise."""
        if self.sigma == 0:
            return 1
        queries = min(n_arms, self.planned(n_arms, dimension))
        return math.ceil(2 * self.sigma**2 * math.log(2 * queries / self.delta) / self.tau() ** 2)

    def run(
        self,
        arms: Any,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        compiled: bool = True,
    ) -> Trajectory:
        """Query arms until one can be named, or until no further query fits into the horizon.

        Parameters
        ----------
        arms : arms with ``features``, or a distribution with ``sample(rng)`` that draws them
            The arms.
        horizon : int >= 1
            Most pulls; a query takes `repetitions` of them.
        rng : numpy.random.Generator
            The policy's random stream.
        world : numpy.random.Generator, optional
            The stream of the rewards; `rng` when omitted.
        compiled : bool
            False runs the simulator's functions in the Python interpreter.

        Returns
        -------
        Trajectory
            One checkpoint a query, in pulls; metric ``gap``, that of the best arm queried so far by observed reward.
            Outcome ``arm``, its ``gap`` (best mean minus its mean), ``queries`` (different arms), ``pulls`` (int64,
            shape (K,)), ``bound`` on the gap and ``certified``: when the horizon came first the best arm queried is
            named, and nothing is promised.

        Raises
        ------
        ValueError
            When an argument is out of its range, the arms have no features, or the observations contradict the
            assumptions (`AssumptionViolated`).
        """
        own = check_generator(rng, type(self).__name__)
        nature = own if world is None else check_generator(world, "world")
        most = whole_number(horizon, "horizon", 1)
        drawn = realize(arms, nature)
        if getattr(drawn, "features", None) is None:
            raise ValueError(f"arms: {type(self).__name__} needs arms with features; these have none")
        features, means = np.asarray(drawn.features, dtype=np.float64), fixed_means(drawn)
        n_arms, dimension = features.shape
        each = self.repetitions(n_arms, dimension)
        form = as_compiled if compiled else as_interpreted
        params = drawn.parameters()
        whole = hasattr(drawn, "sum_kernel")
        draw = form(drawn.sum_kernel() if whole else drawn.kernel())
        observed: dict[int, float] = {}
        pulls, rounds, gaps = np.zeros(n_arms, dtype=np.int64), [], []
        leader = -1
        answer: Answer | None = None
        search = self.search(features)
        try:
            arm = next(search)
            while True:
                if arm not in observed:
                    if pulls.sum() + each > most:
                        break
                    if whole:
                        observed[arm] = float(draw(params, arm, 0, each, nature)) / each
                    else:
                        observed[arm] = math.fsum(draw(params, arm, nature) for _ in range(each)) / each
                    pulls[arm] += each
                    if leader < 0 or observed[arm] > observed[leader]:
                        leader = arm
                    rounds.append(int(pulls.sum()))
                    gaps.append(float(means.max() - means[leader]))
                arm = search.send(observed[arm])
        except StopIteration as finished:
            answer = finished.value
        if answer is None:
            answer = Answer(max(leader, 0), math.inf, False)
        outcome = {
            "arm": answer.arm,
            "gap": float(means.max() - means[answer.arm]),
            "queries": len(observed),
            "pulls": pulls,
            "bound": float(answer.bound),
            "certified": bool(answer.certified),
        }
        return Trajectory(np.array(rounds, dtype=np.int64), {"gap": np.array(gaps, dtype=np.float64)}, outcome)
