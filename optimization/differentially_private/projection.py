"""Private generalised linear models in a random low dimension: what the number of features would cost in noise.

Source: Arora et al., ICML 2023 (arXiv:2206.00846), Algorithm 4 and Corollary 6.2. Projected rows are cut to sqrt(2) R,
so that privacy does not depend on the draw of the projection, as it does in the paper; the constants below are then
sqrt(2) L0 and 2 L1. The population claim of the corollary is unproven for d much larger than n (its Lemma E.2 is false
there); the empirical part is not touched.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from algos.contracts import Count, Trajectory, check_generator, description, realize, whole_number
from algos.privacy import check_delta, check_epsilon
from optimization.differentially_private.descent import PrivateSpiderBoost
from optimization.differentially_private.problem import FiniteSum, check_problem, true_gradient

__all__ = ["JLProjected", "LinearModel", "projection_dimension"]


class LinearModel(FiniteSum, Protocol):
    """A finite sum of losses of margins <w, x>."""

    def projected(self, matrix: NDArray[np.float64]) -> FiniteSum:
        """The same with rows ``matrix @ x``, cut to sqrt(2) times the bound of their norms."""
        ...


def projection_dimension(
    n_records: int,
    dimension: int,
    epsilon: float,
    delta: float,
    lipschitz: float,
    smoothness: float,
    gap: float,
    *,
    rank: int | None = None,
) -> int:
    """K of Corollary 6.2: the dimension in which the method's rate and the projection's error are least together.

    The least of argmin_j [g(j) + L0 ln(n) / sqrt(j)] and, where a bound of the rank is public, rank ln(2 n / delta);
    g(j) is the rate of `spider_rate` in dimension j with doubled constants and half of delta.

    Parameters
    ----------
    n_records, dimension, epsilon, delta, lipschitz, smoothness, gap
        Constants are the sum's, L0 and L1 with the bound of the rows in them.
    rank : int >= 1, optional
        Public. Read off private records it voids the guarantee.

    Examples
    --------
    >>> projection_dimension(10_000, 50_000, 1.0, 1e-5, 1.0, 1.0, 1.0)
    4642
    >>> projection_dimension(10_000, 50_000, 1.0, 1e-5, 1.0, 1.0, 1.0, rank=3)
    64
    """
    n, d = whole_number(n_records, "n_records", 1), whole_number(dimension, "dimension", 1)
    budget, failure = check_epsilon(epsilon), check_delta(delta)
    j = np.arange(1.0, d + 1.0)
    a = np.sqrt(j * math.log(2.0 / failure)) / (n * budget)
    rate = (math.sqrt(gap * 4.0 * smoothness * lipschitz) * a) ** (2.0 / 3.0) + 2.0 * lipschitz * a
    best = int(np.argmin(rate + lipschitz * math.log(n) / np.sqrt(j))) + 1
    if rank is not None:
        best = min(best, math.floor(whole_number(rank, "rank", 1) * math.log(2.0 * n / failure)))
    return max(1, min(best, d))


@description
class JLProjected:
    """Algorithm 4: project the features at random, optimize in few dimensions, and map back.

    Parameters
    ----------
    base : PrivateSpiderBoost
        The method in few dimensions, `DPGD` and `DPSGD` included; the budget is its own.
    target_dimension : int >= 1, optional
        k; `projection_dimension` when omitted. With k >= d nothing is projected.
    rank : int >= 1, optional
        A public bound of the rank of the records.

    Notes
    -----
    Always compare with noisy gradient descent tuned for the rank: in a linear model noise outside the span of the
    records is invisible, so that its bound holds with the rank in place of d, without any projection. SpiderBoost does
    not inherit that.
    """

    base: PrivateSpiderBoost
    target_dimension: Count | None = None
    rank: Annotated[Count | None, Field(kw_only=True)] = None

    @model_validator(mode="after")
    def _private(self) -> JLProjected:
        if self.base.epsilon == math.inf and self.target_dimension is None:
            raise ValueError("target_dimension is missing: without noise there is none to choose")
        return self

    def run(
        self,
        problem: LinearModel,
        horizon: int,
        rng: np.random.Generator,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
        trace: bool = False,
    ) -> Trajectory:
        """Run the base method on the projected problem.

        Parameters
        ----------
        problem : LinearModel
            A finite sum with ``projected(matrix)``.
        horizon, rng, world, checkpoints
            As for the base; the projection is drawn first.
        trace : bool
            True adds ``iterates``, in the original dimension, shape (T, d), and the base's ``releases`` and ``noise``.

        Returns
        -------
        Trajectory
            Metrics are those of the projected problem. Outcome: that of the base, with ``iterate`` in the original
            dimension, ``projected_iterate``, ``target_dimension``, and ``final_gradient_norm``, the true one of the
            original problem there.
        """
        own = check_generator(rng, type(self).__name__)
        records: Any = realize(problem, own if world is None else world)
        n, d, lipschitz, smoothness = check_problem(records)
        k = self.target_dimension
        if k is None:
            k = projection_dimension(
                n, d, self.base.epsilon, self.base.delta, lipschitz, smoothness, float(records.gap), rank=self.rank
            )
        k = min(k, d)
        if k == d:
            found, matrix = self.base.run(records, horizon, own, checkpoints=checkpoints, trace=trace), np.eye(d)
        else:
            if not hasattr(records, "projected"):
                raise ValueError("problem: has no method projected(matrix), which linear models have")
            matrix = own.standard_normal((k, d)) / math.sqrt(k)
            found = self.base.run(records.projected(matrix), horizon, own, checkpoints=checkpoints, trace=trace)
        low = found.outcome["iterate"]
        w = low @ matrix
        outcome = dict(found.outcome) | {
            "iterate": w,
            "projected_iterate": low,
            "target_dimension": k,
            "final_gradient_norm": float(np.linalg.norm(true_gradient(records, w))),
        }
        if trace:
            outcome["iterates"] = found.outcome["iterates"] @ matrix
        return Trajectory(found.rounds, found.metrics, outcome)
