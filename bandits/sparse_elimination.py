"""Finding a nearly best arm when means are sparse linear up to an error: queries to a cover of all coefficients.

Source: arXiv:2303.16998, whose abstract promises O(eps)-optimal arms from O(eps^-s d^s) queries; the algorithms here
are of that family, with constants derived here.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import Count, NonNegative, description
from bandits.query_policy import Answer, AssumptionViolated, QueryPolicy, Search
from bandits.sparse_bounds import elimination_gap_bound
from bandits.sparse_cover import build_cover, cover_size, first_best, keep_consistent

__all__ = ["CoverElimination", "OptimisticSparseElimination"]

_Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


@description
class _WithCover(QueryPolicy):
    """What both policies know, and the cover."""

    sparsity: Count
    misspecification: NonNegative
    cover_radius: _Positive | None = None
    norm_bound: _Positive = 1.0
    max_cover: Count = 50_000_000

    def __post_init__(self) -> None:
        if self.cover_radius is None and self.misspecification == 0:
            raise ValueError(f"{type(self).__name__}: cover_radius = None: must be given where misspecification is 0")

    def zeta(self) -> float:
        """Radius of the cover: the misspecification when none is given."""
        return self.misspecification if self.cover_radius is None else self.cover_radius

    def planned(self, n_arms: int, dimension: int) -> int:
        """No more than the candidates of the cover."""
        return min(n_arms, cover_size(dimension, min(self.sparsity, dimension), self.zeta() / self.norm_bound))

    def threshold(self) -> float:
        """How far an observed reward can be from the prediction of the nearest candidate."""
        return self.misspecification + self.zeta() + self.tau()


@description
class CoverElimination(_WithCover):
    """Query every arm that some candidate of the cover calls the best; name the one with the largest reward.

    Parameters
    ----------
    sparsity : int >= 1
        s, how many coefficients are not 0 at most; d at most.
    misspecification : float >= 0
        eps, the largest error of a mean.
    cover_radius : float > 0, optional
        zeta; eps when omitted.
    norm_bound : float > 0
        No smaller than the Euclidean norm of the coefficients. Features have norm 1 at most.
    max_cover : int >= 1
        Most candidates; 24 bytes each.
    sigma, accuracy, delta
        Of `QueryPolicy`.

    Notes
    -----
    The gap is at most 2 (eps + zeta + tau) (`elimination_gap_bound`), after at most min(K, size of the cover) queries
    (`cover_query_bound`).
    """

    def search(self, features: NDArray[np.float64]) -> Search:
        """The arms in order."""
        rows = checked_features(features, self.sparsity)
        cover = build_cover(rows, self.sparsity, self.zeta(), self.norm_bound, self.max_cover)
        best, arm = -math.inf, 0
        for candidate in np.unique(cover.arms).tolist():
            reward = yield candidate
            if reward > best:
                best, arm = reward, candidate
        return Answer(arm, elimination_gap_bound(self.misspecification, self.zeta(), self.tau()), True)


@description
class OptimisticSparseElimination(_WithCover):
    """Query the arm that the most hopeful candidate calls the best, and drop all candidates that its reward refutes.

    Done when the reward is what that candidate hoped for. A few queries are usually enough.

    Parameters
    ----------
    sparsity : int >= 1
        s, how many coefficients are not 0 at most; d at most.
    misspecification : float >= 0
        eps, the largest error of a mean.
    cover_radius : float > 0, optional
        zeta; eps when omitted.
    norm_bound : float > 0
        No smaller than the Euclidean norm of the coefficients. Features have norm 1 at most.
    max_cover : int >= 1
        Most candidates; 24 bytes each.
    tolerance : float > 0, optional
        R: be content with a reward R eps below the hope. Fewer queries, and a gap of up to (R + 1) eps + zeta + tau.
    doublings : int >= 0
        How often to double eps, with all observations at hand, when they contradict it: for eps that is not known.
    sigma, accuracy, delta
        Of `QueryPolicy`.

    Notes
    -----
    The gap is at most 2 (eps + zeta + tau) (`elimination_gap_bound`) after at most min(K, size of the cover) queries
    (`cover_query_bound`). The candidate nearest to the coefficients is never dropped, so that the most hopeful one is
    within eps + zeta of the best mean or above it. After doubling, the bound is that of the eps reached, which the
    data do not contradict but cannot prove either.

    Memory: the candidates, and never their predictions for all arms. A query costs O(s) for each candidate alive.

    Examples
    --------
    >>> from simulators import MisspecifiedLinearArms
    >>> arms = MisspecifiedLinearArms(np.eye(3), [0, 0.9, 0], 0.1, [0.1, -0.1, 0.1])
    >>> run = OptimisticSparseElimination(sparsity=1, misspecification=0.1).run(arms, 10, np.random.default_rng(0))
    >>> run.outcome["arm"], run.outcome["queries"], round(run.outcome["bound"], 10)
    (1, 2, 0.4)
    """

    tolerance: _Positive | None = None
    doublings: Annotated[int, Field(ge=0)] = 0

    def search(self, features: NDArray[np.float64]) -> Search:
        """One query after the other."""
        rows = checked_features(features, self.sparsity)
        eps, zeta, tau = self.misspecification, self.zeta(), self.tau()
        observed: dict[int, float] = {}
        for attempt in range(self.doublings + 1):
            scale = 2.0**attempt
            threshold = scale * (eps + zeta) + tau
            enough = max(threshold, (self.tolerance or 0.0) * scale * eps)
            cover = build_cover(rows, self.sparsity, scale * zeta, self.norm_bound, self.max_cover)
            alive = np.ones(cover.values.size, dtype=np.bool_)
            for arm, reward in observed.items():
                keep_consistent(alive, cover.supports, cover.net, rows[arm], reward, threshold)
            while (candidate := int(first_best(cover.values, alive))) >= 0:
                arm = int(cover.arms[candidate])
                observed[arm] = yield arm
                if -threshold - 1e-12 <= cover.values[candidate] - observed[arm] <= enough + 1e-12:
                    bound = elimination_gap_bound(scale * eps, scale * zeta, tau, self.tolerance)
                    return Answer(arm, bound, True)
                keep_consistent(alive, cover.supports, cover.net, rows[arm], observed[arm], threshold)
                alive[candidate] = False
        raise AssumptionViolated(type(self).__name__, observed)


def checked_features(features: NDArray[np.float64], sparsity: int | None = None) -> NDArray[np.float64]:
    """The features as a matrix of finite numbers; `sparsity` must not be above their number."""
    rows = np.array(features, dtype=np.float64, order="C")
    if rows.ndim != 2 or rows.size == 0 or not np.isfinite(rows).all():
        raise ValueError(f"features: must be a non-empty matrix of finite numbers, got shape {rows.shape}")
    if sparsity is not None and sparsity > rows.shape[1]:
        raise ValueError(f"sparsity: {sparsity} is above the {rows.shape[1]} features")
    return rows
