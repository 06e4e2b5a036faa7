"""The exact version space: optimism over all sparse coefficients that the observations leave, without a cover.

Source: derived here for arXiv:2303.16998; it saves the cover's radius in the bound.
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import Count, NonNegative, description
from bandits.query_policy import Answer, AssumptionViolated, QueryPolicy, Search
from bandits.sparse_bounds import version_space_gap_bound
from bandits.sparse_elimination import checked_features

__all__ = ["VersionSpace"]

_Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
_MOST_VERTICES = 2_000_000  # systems of equations solved for one support


@description
class VersionSpace(QueryPolicy):
    """Query the arm with the largest mean under any sparse coefficients that explain all rewards so far.

    Done when the reward is as large as hoped, up to eps + tau + gamma. For few features and small sparsity.

    Parameters
    ----------
    sparsity : int >= 1
        s, how many coefficients are not 0 at most; d at most.
    misspecification : float >= 0
        eps, the largest error of a mean.
    gamma : float > 0
        Tolerance of the search: the smaller, the more queries it may take.
    norm_bound : float > 0
        No smaller than any coefficient's absolute value.
    sigma, accuracy, delta
        Of `QueryPolicy`.

    Notes
    -----
    The gap is at most 2 eps + 2 tau + gamma (`version_space_gap_bound`). For each support the coefficients left are a
    polytope; the largest mean of every arm is at one of its vertices, which are all intersections of s of its
    2 (s + queries) faces: O(C(2 (s + q), s)) systems a query and support. After AssumptionViolated the observations
    are in the error.
    """

    sparsity: Count
    misspecification: NonNegative
    gamma: _Positive = 1e-3
    norm_bound: _Positive = 1.0

    def search(self, features: NDArray[np.float64]) -> Search:
        """One query after the other."""
        rows = checked_features(features, self.sparsity)
        level, s = self.misspecification + self.tau(), self.sparsity
        observed: dict[int, float] = {}
        supports = [list(support) for support in itertools.combinations(range(rows.shape[1]), s)]
        while True:
            arms = list(observed)
            faces = np.vstack([np.eye(s), -np.eye(s)])
            box = np.full(2 * s, self.norm_bound)
            best, arm = -math.inf, -1
            for support in supports:
                seen = rows[np.ix_(arms, support)].reshape(len(arms), s)
                rewards = np.array([observed[queried] for queried in arms])
                normals = np.vstack([faces, seen, -seen])
                offsets = np.concatenate([box, rewards + level, level - rewards])
                vertices = _vertices(normals, offsets)
                if len(vertices) == 0:
                    continue
                hopes = (rows[:, support] @ vertices.T).max(axis=1)
                if hopes.max() > best + 1e-12:
                    best, arm = float(hopes.max()), int(np.argmax(hopes))
            if arm < 0:
                raise AssumptionViolated(type(self).__name__, observed)
            if arm in observed:  # within the tolerance of the faces it can be no larger than the reward allows
                break
            observed[arm] = yield arm
            if abs(best - observed[arm]) <= level + self.gamma + 1e-9:
                break
        return Answer(arm, version_space_gap_bound(self.misspecification, self.tau(), self.gamma), True)


def _vertices(normals: NDArray[np.float64], offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vertices of the polytope normals @ x <= offsets, shape (V, s), some perhaps more than once."""
    n, s = normals.shape
    if math.comb(n, s) > _MOST_VERTICES:
        raise ValueError(f"sparsity: {s} with {n} faces makes more than {_MOST_VERTICES:,} possible vertices")
    subsets = np.array(list(itertools.combinations(range(n), s)), dtype=np.int64)
    systems = normals[subsets]
    regular = np.abs(np.linalg.det(systems)) > 1e-12
    points = np.linalg.solve(systems[regular], offsets[subsets[regular]][..., None])[..., 0]
    inside = (points @ normals.T <= offsets + 1e-9).all(axis=1)
    return np.asarray(points[inside])
