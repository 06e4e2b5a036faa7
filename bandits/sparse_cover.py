"""A cover of the sparse unit ball, and the arm that each of its points calls the best.

A candidate is a support, one of the C(d, s) subsets of s coordinates in lexicographic order, and a point of a net of
the s-dimensional ball. Of each candidate only its best predicted mean and that arm are kept, 16 bytes, never the
predictions for all arms.

Source: the cover of arXiv:2303.16998 is there up to constants; the lattice net and its size are derived here.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from algos.contracts import whole_number

__all__ = ["Cover", "CoverSizeError", "ball_net", "build_cover", "cover_size", "net_size"]

_SLACK = 1e-12


class CoverSizeError(ValueError):
    """The cover would have more candidates than allowed; `candidates` is their number."""

    def __init__(self, candidates: int, most: int) -> None:
        super().__init__(
            f"max_cover: the cover has {candidates:,} candidates, more than {most:,}; take a larger cover_radius, or "
            "SupportEnumeration or IsolateAndThreshold, which need none"
        )
        self.candidates = candidates


class Cover(NamedTuple):
    """All candidates: support n with net point j is candidate n P + j."""

    supports: NDArray[np.int64]  # (C, s)
    net: NDArray[np.float64]  # (P, s)
    values: NDArray[np.float64]  # (C P,) the best predicted mean
    arms: NDArray[np.int64]  # (C P,) the arm that has it, the first of several


def net_size(dimension: int, radius: float) -> int:
    """Points of the lattice net of the unit ball: those of spacing 2 zeta / sqrt(s) with norm <= 1 + zeta.

    Parameters
    ----------
    dimension : int >= 1
        s.
    radius : float > 0
        zeta: every point of the ball is so near to the net.

    Examples
    --------
    >>> net_size(1, 0.2), net_size(2, 0.2), net_size(2, 0.1), net_size(3, 0.25), net_size(3, 0.2)
    (7, 61, 185, 341, 619)
    """
    s, zeta = whole_number(dimension, "dimension", 1), _radius(radius)
    spacing = 2 * zeta / math.sqrt(s)
    most = (1 + zeta) / spacing  # the norm in lattice units
    if most > 2**26 or (s > 1 and (s - 1) * math.log(2 * most + 1) > math.log(1e7)):
        # Too many to be counted one by one: the volume of the ball that contains all cells.
        log_volume = s / 2 * math.log(math.pi) - math.lgamma(s / 2 + 1)
        log_size = log_volume + s * math.log(most + math.sqrt(s) / 2)
        return round(math.exp(min(log_size, 700.0)))
    return _count_points(s, most * most)


def cover_size(dimension: int, sparsity: int, radius: float) -> int:
    """Candidates of the cover, C(d, s) times the size of the net: O((d / zeta)^s).

    Parameters
    ----------
    dimension : int >= 1
        d.
    sparsity : int in 1..d
        s.
    radius : float > 0
        zeta.

    Examples
    --------
    >>> cover_size(30, 2, 0.1), cover_size(20, 3, 0.25)
    (80475, 388740)
    """
    d = whole_number(dimension, "dimension", 1)
    s = whole_number(sparsity, "sparsity", 1)
    if s > d:
        raise ValueError(f"sparsity: {s} is above the dimension {d}")
    return math.comb(d, s) * net_size(s, radius)


def ball_net(dimension: int, radius: float) -> NDArray[np.float64]:
    """Points of the unit ball such that every point of the ball is within `radius` of one, shape (P, s).

    Lattice points of norm up to 1 + radius, those outside the ball drawn in to the sphere: rounding moves a point by
    at most the radius, and projection onto the ball brings no two points further apart.
    """
    s, zeta = whole_number(dimension, "dimension", 1), _radius(radius)
    spacing = 2 * zeta / math.sqrt(s)
    reach = math.floor((1 + zeta) / spacing + 1e-9)
    axis = np.arange(-reach, reach + 1) * spacing
    lattice = itertools.product(axis, repeat=s)
    points = np.array([point for point in lattice if math.hypot(*point) <= 1 + zeta + _SLACK])
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.maximum(norms, 1.0))


def build_cover(
    features: NDArray[np.float64], sparsity: int, radius: float, norm_bound: float = 1.0, max_cover: int = 50_000_000
) -> Cover:
    """The cover for coefficients of norm up to `norm_bound`. O(K s) for each candidate, and 16 bytes.

    Raises
    ------
    CoverSizeError
        When it would have more than `max_cover` candidates, before anything is allocated.
    """
    d = features.shape[1]
    size = cover_size(d, sparsity, radius / norm_bound)
    if size > max_cover:
        raise CoverSizeError(size, max_cover)
    net = norm_bound * ball_net(sparsity, radius / norm_bound)
    supports = np.array(list(itertools.combinations(range(d), sparsity)), dtype=np.int64)
    values, arms = _best_arms(np.ascontiguousarray(features.T), supports, np.ascontiguousarray(net.T))
    return Cover(supports, net, values, arms)


def _radius(radius: Any) -> float:
    if isinstance(radius, bool) or not isinstance(radius, int | float) or not 0 < radius < math.inf:
        raise ValueError(f"radius: {radius!r} is not a finite number > 0")
    return float(radius)


@njit(cache=True)
def _count_points(s, left):
    """Lattice points of dimension s with squared norm up to `left`."""
    reach = int(math.sqrt(left + 1e-9))
    if s == 1:
        return 2 * reach + 1
    total = 0
    for k in range(-reach, reach + 1):
        total += _count_points(s - 1, left - k * k)
    return total


@njit(cache=True, nogil=True)
def _best_arms(columns, supports, net):
    """Best predicted mean of each candidate and its arm; columns (d, K), supports (C, s), net (s, P)."""
    n_arms, (n_supports, s), n_points = columns.shape[1], supports.shape, net.shape[1]
    values = np.full(n_supports * n_points, -np.inf)
    arms = np.zeros(n_supports * n_points, np.int64)
    row = np.empty(s)
    for n in range(n_supports):
        best, who = values[n * n_points : (n + 1) * n_points], arms[n * n_points : (n + 1) * n_points]
        for a in range(n_arms):
            for i in range(s):
                row[i] = columns[supports[n, i], a]
            # Points are independent of one another: this loop runs on vectors of them.
            if s == 1:
                for j in range(n_points):
                    value = row[0] * net[0, j]
                    better = value > best[j]
                    best[j] = value if better else best[j]
                    who[j] = a if better else who[j]
            elif s == 2:
                for j in range(n_points):
                    value = row[0] * net[0, j] + row[1] * net[1, j]
                    better = value > best[j]
                    best[j] = value if better else best[j]
                    who[j] = a if better else who[j]
            elif s == 3:
                for j in range(n_points):
                    value = row[0] * net[0, j] + row[1] * net[1, j] + row[2] * net[2, j]
                    better = value > best[j]
                    best[j] = value if better else best[j]
                    who[j] = a if better else who[j]
            else:
                for j in range(n_points):
                    value = 0.0
                    for i in range(s):
                        value += row[i] * net[i, j]
                    better = value > best[j]
                    best[j] = value if better else best[j]
                    who[j] = a if better else who[j]
    return values, arms


@njit(cache=True, nogil=True)
def first_best(values, alive):
    """The first of the best candidates alive, or -1."""
    best, found = -np.inf, -1
    for i in range(values.size):
        if alive[i] and values[i] > best:
            best, found = values[i], i
    return found


@njit(cache=True, nogil=True)
def keep_consistent(alive, supports, net, features, reward, threshold):
    """Drop the candidates whose prediction for an arm with these features is off by more than a threshold."""
    (n_supports, s), n_points = supports.shape, net.shape[0]
    for n in range(n_supports):
        for j in range(n_points):
            if alive[n * n_points + j]:
                predicted = 0.0
                for i in range(s):
                    predicted += features[supports[n, i]] * net[j, i]
                # Hard instances lie exactly on the boundary.
                alive[n * n_points + j] = abs(predicted - reward) <= threshold + 1e-12
