"""Least squares on G-optimal designs: the dense baseline, and one design for every support.

Sources: T. Lattimore, C. Szepesvari, G. Weisz, "Learning with good feature representations in bandits and in RL with a
generative model", 2020 (errors of order eps sqrt(d), which without sparsity is what polynomially many queries allow);
the enumeration of supports is derived here.
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import Count, NonNegative, description
from algos.optimal_design import g_optimal_design
from bandits.query_policy import Answer, QueryPolicy, Search
from bandits.sparse_bounds import least_squares_gap_bound, support_enumeration_gap_bound
from bandits.sparse_elimination import checked_features

__all__ = ["GOptimalLeastSquares", "SupportEnumeration"]

_Tolerance = Annotated[float, Field(gt=0.0, lt=1.0)]


class _Design:
    """A design over rows of any rank, and the means it estimates."""

    def __init__(self, rows: NDArray[np.float64], tolerance: float) -> None:
        self.rows = rows
        if np.abs(rows).max() == 0:
            self.weights, self.map = np.zeros(len(rows)), np.zeros((len(rows), len(rows)))
            self.support, self.variance = np.empty(0, dtype=np.int64), 0.0
            return
        self.weights = g_optimal_design(rows, tolerance=tolerance)
        self.support = np.flatnonzero(self.weights)
        inverse = np.linalg.pinv((rows.T * self.weights) @ rows, hermitian=True, rcond=1e-12)
        self.map = rows @ inverse
        self.variance = float(np.einsum("ij,ij->i", self.map, rows).max())

    def means(self, rewards: NDArray[np.float64]) -> NDArray[np.float64]:
        """Estimated means of all arms from the rewards of the support."""
        if self.support.size == 0:
            return np.zeros(len(self.rows))
        chosen = self.rows[self.support]
        return np.asarray(self.map @ (chosen.T @ (self.weights[self.support] * rewards)))


@description
class GOptimalLeastSquares(QueryPolicy):
    """Query the support of a G-optimal design over all features, and name the best arm by least squares.

    Parameters
    ----------
    misspecification : float >= 0
        eps, for the bound and the number of repetitions only: the search does not need it.
    tolerance : float in (0, 1)
        Of the design: its largest variance is at most d (1 + tolerance).
    sigma, accuracy, delta
        Of `QueryPolicy`.

    Notes
    -----
    The gap is at most 2 eps + 2 (eps + tau) sqrt(g) (`least_squares_gap_bound`). At most d (d + 1) / 2 queries.
    """

    misspecification: NonNegative = 0.0
    tolerance: _Tolerance = 0.05

    def search(self, features: NDArray[np.float64]) -> Search:
        """The support of the design, in order."""
        design = _Design(checked_features(features), self.tolerance)
        rewards = np.zeros(design.support.size)
        for place, arm in enumerate(design.support.tolist()):
            rewards[place] = yield arm
        arm = int(np.argmax(design.means(rewards)))
        return Answer(arm, least_squares_gap_bound(self.misspecification, design.variance, self.tau()), True)


@description
class SupportEnumeration(QueryPolicy):
    """A G-optimal design and least squares for each of the C(d, s) supports; the best of the arms they name.

    Parameters
    ----------
    sparsity : int >= 1
        s, how many coefficients are not 0 at most.
    misspecification : float >= 0
        eps, for the bound and the number of repetitions only: the search does not need it.
    tolerance : float in (0, 1)
        Of the designs.
    max_supports : int >= 1
        Most supports.
    sigma, accuracy, delta
        Of `QueryPolicy`.

    Notes
    -----
    The gap is at most 2 eps + 2 (eps + tau) sqrt(g) + 2 tau with g <= s (1 + tolerance)
    (`support_enumeration_gap_bound`), from C(d, s) (s (s + 1) / 2 + 1) queries at most, however small eps is.
    """

    sparsity: Count
    misspecification: NonNegative = 0.0
    tolerance: _Tolerance = 0.05
    max_supports: Count = 100_000

    def planned(self, n_arms: int, dimension: int) -> int:
        """S (s + 1) / 2 + 1 arms for each support."""
        s = min(self.sparsity, dimension)
        return min(n_arms, math.comb(dimension, s) * (s * (s + 1) // 2 + 1))

    def search(self, features: NDArray[np.float64]) -> Search:
        """Support by support."""
        rows = checked_features(features, self.sparsity)
        supports = math.comb(rows.shape[1], self.sparsity)
        if supports > self.max_supports:
            raise ValueError(f"max_supports: there are {supports:,} supports, more than {self.max_supports:,}")
        seen: dict[int, Any] = {}
        largest, best, named = 0.0, -math.inf, 0
        for support in itertools.combinations(range(rows.shape[1]), self.sparsity):
            design = _Design(rows[:, support], self.tolerance)
            largest = max(largest, design.variance)
            for arm in design.support.tolist():
                if arm not in seen:
                    seen[arm] = yield arm
            arm = int(np.argmax(design.means(np.array([seen[arm] for arm in design.support.tolist()]))))
            if arm not in seen:
                seen[arm] = yield arm
            if seen[arm] > best:
                best, named = seen[arm], arm
        bound = support_enumeration_gap_bound(self.misspecification, largest, self.tau())
        return Answer(named, bound, True)
