"""Good features: coordinates that few arms tell apart, and sparse fits to few arms.

Source: derived here for arXiv:2303.16998, which states that poly(s / eps) queries are enough for errors of order s eps
when features are good. Good means here: small isolation constants kappa, or a small restricted eigenvalue.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algos.contracts import Count, NonNegative, description
from bandits.design_least_squares import GOptimalLeastSquares
from bandits.query_policy import Answer, QueryPolicy, Search
from bandits.sparse_bounds import isolation_gap_bound
from bandits.sparse_elimination import checked_features

__all__ = ["IsolateAndThreshold", "Isolation", "SparseFit", "isolation"]


class Isolation(NamedTuple):
    """How well each coordinate can be told apart from the others."""

    kappas: NDArray[np.float64]  # (d,) least sum of |weights|; 0 for coordinates that no arm has, inf if there are none
    scales: NDArray[np.float64]  # (d,) beta, the largest absolute value of the coordinate over all arms
    weights: NDArray[np.float64]  # (d, K) weights @ features = diag(scales), where kappa is finite


def isolation(features: NDArray[np.float64]) -> Isolation:
    """Weights over arms that isolate each coordinate, of the least sum of absolute values: one linear programme each.

    Parameters
    ----------
    features : float array, shape (K, d)
        One row an arm.

    Returns
    -------
    Isolation
        kappa_k = min ||c||_1 with features' c = beta_k e_k, at least 1, and inf where there is no such c.

    Examples
    --------
    >>> from simulators import set_packing
    >>> isolation(set_packing(7, 3, 1)).kappas.round(6).tolist()[:2]  # the Fano plane: 5/3
    [1.666667, 1.666667]
    """
    from scipy.optimize import linprog

    rows = checked_features(features)
    k, d = rows.shape
    scales = np.abs(rows).max(axis=0)
    kappas, weights = np.zeros(d), np.zeros((d, k))
    used = np.flatnonzero(scales > 0)
    both = np.hstack([rows[:, used].T, -rows[:, used].T])
    for place, coordinate in enumerate(used):
        target = np.zeros(used.size)
        target[place] = scales[coordinate]
        found = linprog(np.ones(2 * k), A_eq=both, b_eq=target, bounds=(0, None), method="highs")
        if found.status != 0:
            kappas[coordinate] = math.inf
            continue
        weights[coordinate] = found.x[:k] - found.x[k:]
        weights[coordinate][np.abs(weights[coordinate]) < 1e-12] = 0.0
        kappas[coordinate] = float(np.abs(weights[coordinate]).sum())
    return Isolation(kappas, scales, weights)


@description
class IsolateAndThreshold(QueryPolicy):
    """Estimate each coefficient from the arms that isolate it, and set those to 0 that errors alone could have made.

    Parameters
    ----------
    sparsity : int >= 1
        s, how many coefficients are not 0 at most: for the bound only.
    misspecification : float >= 0
        eps, the largest error of a mean.
    fallback : bool
        Whether to use least squares on a G-optimal design where some coordinate cannot be isolated; otherwise such
        features are refused.
    sigma, accuracy, delta
        Of `QueryPolicy`.

    Notes
    -----
    No coefficient that is 0 is taken for another, and the gap is at most 2 eps + 4 (eps + tau) times the sum of the s
    largest isolation constants (`isolation_gap_bound`), from d^2 queries at most, however small eps is.

    Examples
    --------
    >>> from simulators import MisspecifiedLinearArms
    >>> arms = MisspecifiedLinearArms(np.eye(3), [0, 0.9, 0], 0.1, [0.1, -0.1, 0.1])
    >>> run = IsolateAndThreshold(sparsity=1, misspecification=0.1).run(arms, 10, np.random.default_rng(0))
    >>> run.outcome["arm"], round(run.outcome["bound"], 10)
    (1, 0.6)
    """

    sparsity: Count
    misspecification: NonNegative
    fallback: bool = True

    def search(self, features: NDArray[np.float64]) -> Search:
        """The arms that isolate some coordinate, in order."""
        rows = checked_features(features, self.sparsity)
        found = isolation(rows)
        if np.isinf(found.kappas).any():
            coordinate = int(np.argmax(np.isinf(found.kappas)))
            if not self.fallback:
                raise ValueError(f"features: coordinate {coordinate} cannot be told apart from the others")
            tau = self.tau() if self.sigma > 0 else None
            dense = GOptimalLeastSquares(self.misspecification, sigma=self.sigma, accuracy=tau, delta=self.delta)
            return (yield from dense.search(rows))
        level = self.misspecification + self.tau()
        rewards = np.zeros(len(rows))
        for arm in np.flatnonzero(found.weights.any(axis=0)).tolist():
            rewards[arm] = yield arm
        scaled = found.weights @ rewards  # beta_k theta_k, up to kappa_k (eps + tau)
        scaled[np.abs(scaled) <= found.kappas * level + 1e-12] = 0.0
        coefficients = np.divide(scaled, found.scales, out=np.zeros_like(scaled), where=found.scales > 0)
        bound = isolation_gap_bound(self.misspecification, found.kappas, self.sparsity, self.tau())
        return Answer(int(np.argmax(rows @ coefficients)), bound, True)


@description
class SparseFit(QueryPolicy):
    """Query some arms, fit sparse coefficients to them with the least largest residual, and name the best arm.

    Parameters
    ----------
    sparsity : int >= 1
        s, how many coefficients are not 0 at most; d at most.
    misspecification : float >= 0
        eps, the largest error of a mean.
    queries : int >= 1, optional
        Arms queried, those of a pivoted QR decomposition first; min(K, ceil(8 s ln(d + 1)) + 10) when omitted.
    max_supports : int >= 1
        The fit tries all C(d, s) supports up to so many. If there are more, the coefficients of the least l1 norm
        within eps + tau of the rewards are taken: no bound then.
    sigma, accuracy, delta
        Of `QueryPolicy`.

    Notes
    -----
    With v the difference to the true coefficients, 2 s-sparse, the fit of all supports has a gap of at most
    2 eps + 2 max over arms |<phi, v>| <= 2 eps + 4 (eps + tau) B / kappa, B the largest norm of 2 s features of an arm
    and kappa the least singular value of 2 s columns of the queried rows over the square root of their number. The
    bound is given where C(d, 2 s) is at most `max_supports`.
    """

    sparsity: Count
    misspecification: NonNegative
    queries: Count | None = None
    max_supports: Count = 2000

    def planned(self, n_arms: int, dimension: int) -> int:
        """The number of arms that are fitted."""
        wanted = math.ceil(8 * self.sparsity * math.log(dimension + 1)) + 10 if self.queries is None else self.queries
        return min(n_arms, wanted)

    def search(self, features: NDArray[np.float64]) -> Search:
        """The arms that are fitted."""
        from scipy.linalg import qr

        rows = checked_features(features, self.sparsity)
        k, d = rows.shape
        pivots = qr(rows.T, mode="r", pivoting=True)[1].tolist()
        chosen = np.array(sorted(pivots[: self.planned(k, d)]))
        rewards = np.zeros(chosen.size)
        for place, arm in enumerate(chosen.tolist()):
            rewards[place] = yield arm
        level = self.misspecification + self.tau()
        exact = math.comb(d, self.sparsity) <= self.max_supports
        fit = _least_residual if exact else _least_norm
        coefficients = fit(rows[chosen], rewards, self.sparsity, level)
        bound = math.inf
        if exact and math.comb(d, min(2 * self.sparsity, d)) <= self.max_supports:
            eigenvalue, largest = _restricted(rows, rows[chosen], min(2 * self.sparsity, d))
            if eigenvalue > 1e-9:
                bound = 2 * self.misspecification + 4 * level * largest / eigenvalue
        return Answer(int(np.argmax(rows @ coefficients)), bound, True)


def _least_residual(
    rows: NDArray[np.float64], rewards: NDArray[np.float64], sparsity: int, level: float
) -> NDArray[np.float64]:
    """Coefficients on one support whose largest residual is the least of all supports."""
    from scipy.optimize import linprog

    n, d = rows.shape
    best, coefficients = math.inf, np.zeros(d)
    cost = np.append(np.zeros(sparsity), 1.0)
    for support in itertools.combinations(range(d), sparsity):
        columns = rows[:, support]
        # |columns x - rewards| <= residual, which is minimized.
        both = np.vstack([np.c_[columns, -np.ones(n)], np.c_[-columns, -np.ones(n)]])
        found = linprog(cost, both, np.concatenate([rewards, -rewards]), bounds=(None, None), method="highs")
        if found.status == 0 and found.fun < best - 1e-12:
            best, coefficients = float(found.fun), np.zeros(d)
            coefficients[list(support)] = found.x[:-1]
    return coefficients


def _least_norm(
    rows: NDArray[np.float64], rewards: NDArray[np.float64], sparsity: int, level: float
) -> NDArray[np.float64]:
    """Coefficients of the least l1 norm whose residuals are at most a level (the Dantzig selector)."""
    from scipy.optimize import linprog

    d = rows.shape[1]
    both = np.block([[rows, -rows], [-rows, rows]])
    room = np.concatenate([rewards + level, level - rewards]) + 1e-12
    found = linprog(np.ones(2 * d), both, room, bounds=(0, None), method="highs")
    if found.status != 0:  # nothing is that near: the least squares of least norm
        return np.asarray(np.linalg.lstsq(rows, rewards, rcond=None)[0])
    return np.asarray(found.x[:d] - found.x[d:])


def _restricted(rows: NDArray[np.float64], queried: NDArray[np.float64], size: int) -> tuple[float, float]:
    """Least singular value of `size` columns over sqrt(n), and the largest norm of `size` features of an arm."""
    least = 0.0
    if len(queried) >= size:
        supports = itertools.combinations(range(rows.shape[1]), size)
        least = min(float(np.linalg.svd(queried[:, support], compute_uv=False)[-1]) for support in supports)
    squares = np.sort(rows**2, axis=1)[:, ::-1][:, :size].sum(axis=1)
    return least / math.sqrt(len(queried)), float(np.sqrt(squares.max()))
