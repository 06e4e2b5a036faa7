"""ChebCB: inverse gap weighting over Chebyshev regressions whose coefficients are kept in a box.

The expected loss of an arm is taken to be a Lipschitz function of one number, the context, so that its Chebyshev series
has coefficients of size O(1/j) and a polynomial of low degree is close to it. Each arm has a least squares fit of its
own, kept as a Gram matrix: a round costs the same at any time.

Source: M. Khodak et al., "Learning to Relax: Setting Solver Parameters Across a Sequence of Linear System Instances",
arXiv:2310.02246, Algorithms 3 and 7, Theorems 3.2, C.1 and C.4, and their code. In the code the smallest cost is 0
until the last round, where it jumps (erratum E4); here it is 0 throughout, or the smallest so far.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from algos.contracts import Count, NonNegative, description, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold
from bandits.fields import Finite, Positive, check_interval
from bandits.policy import Policy, PolicyKernels
from bandits.square_cb import chebyshev_features, draw, weigh_by_gaps
from bandits.tsallis_inf_contextual import check_contexts

__all__ = ["ChebCB", "cheb_cb_rates", "chebyshev_error_bound"]


_CUTOFF = 1e-10  # eigenvalues of a Gram matrix below this share of the largest count as 0
_FINE_CUTOFF = 1e-16  # within the box, where no direction leads far
_TURNS = 100  # of the active set method
LARGEST, SMALLEST, PREDICTED, CROSS, SQUARES, RESIDUAL, ETA, OUTSIDE, SCALE, LIPSCHITZ = range(10)


class _Parameters(NamedTuple):
    low: float
    high: float
    features: int
    offset: float
    from_smallest: bool
    eta: float  # of theory mode, or 0
    bound: float  # K of theory mode, or 0
    lipschitz: float  # L of theory mode


class _State(NamedTuple):
    gram: np.ndarray  # (K, p, p) float64, sum of the outer products of the features of each arm
    moment: np.ndarray  # (K, p) float64, sum of loss times features
    square: np.ndarray  # (K,) float64, sum of squared losses
    pulls: np.ndarray  # (K,) int64, losses learnt
    theta: np.ndarray  # (K, p) float64, coefficients of the scaled loss
    totals: np.ndarray  # (10,) float64, named above
    features: np.ndarray  # (p,) float64, of the round at hand
    scores: np.ndarray  # (K,) float64
    weights: np.ndarray  # (K,) float64, probabilities
    note: np.ndarray  # (p + 1,) float64, features and prediction of the round learnt next
    box: np.ndarray  # (p,) float64
    work: np.ndarray  # (2, p, p) float64
    vectors: np.ndarray  # (4, p) float64


class _Summary(NamedTuple):
    weights: np.ndarray  # (K,) float64
    theta: np.ndarray  # (K, p) float64
    clipped_contexts: int


@description
class ChebCB(Policy):
    """Inverse gap weighting over box-constrained Chebyshev regressions, one for each arm.

    The loss of a reward r is 1 - r >= 0; a cost is the loss plus `offset`. Losses are divided by the scale K N, K being
    the largest cost so far and N the bound on the coefficients, L the slope that K implies. Outcome ``weights`` holds
    the last probabilities, ``theta`` (float64, shape (K, features)) the coefficients of the scaled losses,
    ``clipped_contexts`` the number of contexts outside the interval.

    Parameters
    ----------
    low, high : float
        Range of the contexts, low < high; others are moved to the nearer end and counted.
    features : int >= 1
        Polynomials, of degree 0, 1, ..., features - 1.
    smallest_cost : {"zero", "running"}
        From where costs rise to K over the interval, which gives L.
    offset : float >= 0
        1 where losses are iterations less one, as in the paper's code.
    lipschitz, largest_cost : float > 0, optional
        L and K, if both are known: the scale, the box and the learning rate are then those of Theorem C.4.

    Notes
    -----
    Arms that were never played are predicted to lose nothing, less than any other: each is tried early. Rates are known
    for the version with known L and K only: O~(d sqrt(M n T) + T sqrt(d n) / M + T sqrt(n) / d) for solvers of n
    unknowns (`cheb_cb_rates`). O(K features + features^3) a round, and K times that where a new largest cost arrives.
    """

    low: Finite
    high: Finite
    features: Count = 6
    smallest_cost: Annotated[str, Field(pattern="^(zero|running)$")] = "zero"
    offset: NonNegative = 0.0
    lipschitz: Positive | None = None
    largest_cost: Positive | None = None

    @model_validator(mode="after")
    def _fits(self) -> ChebCB:
        check_interval(self.low, self.high)
        if (self.lipschitz is None) != (self.largest_cost is None):
            raise ValueError("lipschitz and largest_cost: give both or neither")
        return self

    def kernels(self) -> PolicyKernels:
        """The functions of the policy."""
        return PolicyKernels(_init, _select, _update, _observe, _recall, _summary)

    def parameters_for(self, arms: Any, horizon: int) -> _Parameters:
        """The interval, and what is known of the costs."""
        n_arms, running = whole_number(arms.n_arms, "n_arms", 1), self.smallest_cost == "running"
        if self.lipschitz is None or self.largest_cost is None:
            return _Parameters(self.low, self.high, self.features, self.offset, running, 0.0, 0.0, 0.0)
        eta = _theory_rate(n_arms, self.features - 1, horizon, self.high - self.low, self.lipschitz, self.largest_cost)
        known = (self.largest_cost, self.lipschitz)
        return _Parameters(self.low, self.high, self.features, self.offset, running, eta, *known)

    def check(self, arms: Any) -> None:
        """Refuse worlds without contexts."""
        check_contexts(self, arms)


@guarantee("arXiv:2310.02246, Theorem C.1", kind="upper", algorithm="ChebCB")
def chebyshev_error_bound(degree: int, lipschitz: float, width: float = 2.0) -> float:
    """Max |f - its Chebyshev partial sum of degree M| <= (pi + (2 / pi) ln(2 M + 1)) C L / (2 (M + 1)).

    For f that is L-Lipschitz on an interval of length C. Its coefficients are at most C L / j.

    Parameters
    ----------
    degree : int >= 0
        M.
    lipschitz : float >= 0
        L.
    width : float > 0
        C.
    """
    m = whole_number(degree, "degree", 0)
    for name, value in (("lipschitz", lipschitz), ("width", width)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number >= 0")
    return (math.pi + 2 / math.pi * math.log(2 * m + 1)) * width * lipschitz / (2 * (m + 1))


def cheb_cb_rates(horizon: int) -> tuple[float, float]:
    """Numbers of arms and of features that balance the regret of ChebCB for solvers: T^(2/11) and T^(3/11).

    Orders only: Theorem 3.2 hides constants. The regret is then O~(T^(9/11) sqrt(n)) for systems of n unknowns.
    """
    rounds = whole_number(horizon, "horizon", 1)
    return rounds ** (2 / 11), rounds ** (3 / 11)


def _theory_rate(n_arms: int, degree: int, horizon: int, width: float, lipschitz: float, largest: float) -> float:
    """The learning rate of Theorem C.4."""
    d, m, rounds = n_arms, degree, horizon
    norm = 2 + 4 * width * lipschitz / largest * (1 + math.log(max(m, 1)))
    error = (math.pi + 2 / math.pi * math.log(2 * m + 1)) * width * lipschitz / (2 * largest * norm * (m + 1))
    spread = largest**2 + 2 * (width * lipschitz * math.pi) ** 2 / 3
    regret = d * (m + 1) * (1 + math.log(rounds * math.sqrt(d * (m + 1) * spread) / (largest * norm)))
    return 2 * math.sqrt(d * rounds / (regret + 2 * error**2 * rounds))


@njit(cache=True)
def _init(n_arms, params):
    p = params.features
    totals = np.zeros(10)
    totals[SMALLEST], totals[SCALE] = np.inf, 1.0
    totals[ETA] = params.eta
    return _State(
        np.zeros((n_arms, p, p)), np.zeros((n_arms, p)), np.zeros(n_arms), np.zeros(n_arms, np.int64),
        np.zeros((n_arms, p)), totals, np.zeros(p), np.zeros(n_arms), np.full(n_arms, 1.0 / n_arms), np.zeros(p + 1),
        np.zeros(p), np.zeros((2, p, p)), np.zeros((4, p)),
    )  # fmt: skip


@njit  # not cached, as the next: they call kernels of another file
def _observe(state, params, t, context):
    value = context.ravel()[0]
    state.totals[OUTSIDE] += not params.low <= value <= params.high
    chebyshev_features(value, params.low, params.high, state.features)


@njit
def _select(state, params, t, rng):
    features, scores, note = state.features, state.scores, state.note
    for i in range(scores.size):
        score = 0.0
        for j in range(features.size):
            score += state.theta[i, j] * features[j]
        scores[i] = score
    weigh_by_gaps(scores, state.totals[ETA], state.weights)
    arm = draw(state.weights, rng)
    for j in range(features.size):
        note[j] = features[j]
    note[features.size] = scores[arm]
    hold(state, rng)
    return arm


@njit(cache=True, error_model="numpy")
def _update(state, params, t, arm, reward):
    loss, totals, note, p = max(1.0 - reward, 0.0), state.totals, state.note, state.box.size
    gram, moment = state.gram[arm], state.moment[arm]
    for j in range(p):
        moment[j] += loss * note[j]
        for k in range(p):
            gram[j, k] += note[j] * note[k]
    state.square[arm] += loss * loss
    state.pulls[arm] += 1
    cost, before = loss + params.offset, totals[SCALE]
    totals[LARGEST], totals[SMALLEST] = max(totals[LARGEST], cost), min(totals[SMALLEST], cost)
    totals[PREDICTED] += note[p] * note[p]
    totals[CROSS] += note[p] * cost
    totals[SQUARES] += cost * cost
    _measure(state, params)
    totals[RESIDUAL] = 0.0
    if totals[SCALE] != before:
        for i in range(state.pulls.size):
            if state.pulls[i] > 0:
                _fit(state, i)
    else:
        _fit(state, arm)
    if params.eta == 0.0:
        _adapt(state, params, t)


@njit(cache=True, error_model="numpy")
def _measure(state, params):
    """The scale and the box of the costs seen so far."""
    totals, box, width = state.totals, state.box, params.high - params.low
    largest, lipschitz, steps = params.bound, params.lipschitz, max(box.size - 1, 1)
    if params.bound == 0.0:
        largest = totals[LARGEST] if totals[LARGEST] > 0.0 else 1.0
        lipschitz = (largest - (min(totals[SMALLEST], largest) if params.from_smallest else 0.0)) / width
        steps = box.size
    norm = 2.0 + 4.0 * width * (lipschitz / largest) * (1.0 + math.log(steps))
    totals[SCALE], totals[LIPSCHITZ] = largest * norm, lipschitz
    box[0] = 1.0 / norm
    for j in range(1, box.size):
        box[j] = 2.0 * width * lipschitz / (totals[SCALE] * j)


@njit(cache=True, error_model="numpy")
def _adapt(state, params, t):
    """The learning rate of the next round."""
    totals, p, width = state.totals, state.box.size, params.high - params.low
    scale = totals[SCALE]
    error = (math.pi + 2.0 / math.pi * math.log(2.0 * p + 1.0)) * width * totals[LIPSCHITZ] / (2.0 * scale * (p + 1.0))
    squares = totals[PREDICTED] - 2.0 * totals[CROSS] / scale + totals[SQUARES] / (scale * scale)
    inside = squares - totals[RESIDUAL] + 2.0 * error * error * t
    if not inside > 0.0:
        inside = 2.0 * error * error * t
    if inside > 0.0:
        totals[ETA] = 2.0 * t * math.sqrt(state.pulls.size * t / inside)


@njit(cache=True, error_model="numpy")
def _fit(state, arm):
    """Least squares of least norm for one arm; within the box where that lies outside."""
    gram, theta, box = state.gram[arm], state.theta[arm], state.box
    goal, free, step = state.vectors[0], state.vectors[1], state.vectors[2]
    p, scale = box.size, state.totals[SCALE]
    for j in range(p):
        goal[j], free[j] = state.moment[arm, j] / scale, 1.0
    _solve(gram, goal, free, theta, state.work, _CUTOFF)
    inside = True
    for j in range(p):
        if abs(theta[j]) > box[j]:
            inside = False
            theta[j], free[j] = math.copysign(box[j], theta[j]), 0.0
    if inside:
        return
    descent = state.vectors[3]
    for _ in range(_TURNS):
        for j in range(p):
            descent[j] = goal[j]
            for k in range(p):
                descent[j] -= gram[j, k] * theta[k]
        _solve(gram, descent, free, step, state.work, _FINE_CUTOFF)
        share, hit = 1.0, -1
        for j in range(p):
            if free[j] > 0.0 and abs(theta[j] + step[j]) > box[j]:
                room = (math.copysign(box[j], step[j]) - theta[j]) / step[j]
                if room < share:
                    share, hit = room, j
        for j in range(p):
            if free[j] > 0.0:
                theta[j] = min(max(theta[j] + share * step[j], -box[j]), box[j])
        if hit >= 0:
            theta[hit], free[hit] = math.copysign(box[hit], step[hit]), 0.0
            continue
        # All free coefficients are best for those at the bounds; free the one that most wants to leave its bound.
        worst, leaving = 1e-13 * gram[0, 0] * box[0], -1
        for j in range(p):
            if free[j] == 0.0:
                pull = goal[j]
                for k in range(p):
                    pull -= gram[j, k] * theta[k]
                pull *= -math.copysign(1.0, theta[j])
                if pull > worst:
                    worst, leaving = pull, j
        if leaving < 0:
            break
        free[leaving] = 1.0
    residual = state.square[arm] / (scale * scale)
    for j in range(p):
        row = 0.0
        for k in range(p):
            row += gram[j, k] * theta[k]
        residual += theta[j] * row - 2.0 * theta[j] * goal[j]
    state.totals[RESIDUAL] = max(residual, 0.0)


@njit(cache=True, error_model="numpy")
def _solve(gram, goal, free, found, work, cutoff):
    """Solution of least norm for the free coefficients, 0 for others: by Cholesky, or if in doubt by eigenvalues."""
    p = goal.size
    lower, vectors = work[0], work[1]
    largest = 0.0
    for j in range(p):
        if free[j] > 0.0:
            largest = max(largest, gram[j, j])
    sound = largest > 0.0
    for j in range(p):
        if not sound:
            break
        for k in range(j + 1):
            total = gram[j, k] if free[j] > 0.0 and free[k] > 0.0 else (largest if j == k else 0.0)
            for m in range(k):
                total -= lower[j, m] * lower[k, m]
            if k < j:
                lower[j, k] = total / lower[k, k]
            elif total > cutoff * largest:
                lower[j, j] = math.sqrt(total)
            else:
                sound = False
    if sound:
        # No eigenvalue is cut off if the traces of the matrix and of its inverse say so.
        trace, inverse = 0.0, 0.0
        for j in range(p):
            trace += gram[j, j] if free[j] > 0.0 else largest
            vectors[j, j] = 1.0 / lower[j, j]
            inverse += vectors[j, j] * vectors[j, j]
            for k in range(j - 1, -1, -1):
                total = 0.0
                for m in range(k, j):
                    total -= lower[j, m] * vectors[m, k]
                vectors[j, k] = total * vectors[j, j]
                inverse += vectors[j, k] * vectors[j, k]
        sound = trace * inverse * cutoff < 1.0
    if sound:
        for j in range(p):
            total = goal[j] if free[j] > 0.0 else 0.0
            for m in range(j):
                total -= lower[j, m] * found[m]
            found[j] = total / lower[j, j]
        for j in range(p - 1, -1, -1):
            total = found[j]
            for m in range(j + 1, p):
                total -= lower[m, j] * found[m]
            found[j] = total / lower[j, j]
        return
    for j in range(p):
        found[j] = 0.0
        for k in range(p):
            lower[j, k] = gram[j, k] if free[j] > 0.0 and free[k] > 0.0 else 0.0
            vectors[j, k] = 1.0 if j == k else 0.0
    _diagonalize(lower, vectors)
    largest = 0.0
    for m in range(p):
        largest = max(largest, lower[m, m])
    for m in range(p):
        if lower[m, m] > cutoff * largest:
            share = 0.0
            for j in range(p):
                share += vectors[j, m] * goal[j]
            share /= lower[m, m]
            for j in range(p):
                found[j] += share * vectors[j, m]


@njit(cache=True, error_model="numpy")
def _diagonalize(matrix, vectors):
    """Jacobi's rotations: the eigenvalues of a symmetric matrix on its diagonal, its eigenvectors as columns."""
    n = matrix.shape[0]
    for _ in range(60):
        off, diagonal = 0.0, 0.0
        for i in range(n):
            diagonal += matrix[i, i] * matrix[i, i]
            for j in range(i):
                off += matrix[i, j] * matrix[i, j]
        if off <= 1e-32 * diagonal:
            break
        for i in range(n - 1):
            for j in range(i + 1, n):
                if abs(matrix[i, j]) <= 1e-150 * abs(matrix[j, j] - matrix[i, i]):
                    matrix[i, j], matrix[j, i] = 0.0, 0.0
                    continue
                ratio = (matrix[j, j] - matrix[i, i]) / (2.0 * matrix[i, j])
                tangent = math.copysign(1.0, ratio) / (abs(ratio) + math.sqrt(ratio * ratio + 1.0))
                cosine = 1.0 / math.sqrt(tangent * tangent + 1.0)
                sine = tangent * cosine
                for k in range(n):
                    a, b = matrix[k, i], matrix[k, j]
                    matrix[k, i], matrix[k, j] = cosine * a - sine * b, sine * a + cosine * b
                for k in range(n):
                    a, b = matrix[i, k], matrix[j, k]
                    matrix[i, k], matrix[j, k] = cosine * a - sine * b, sine * a + cosine * b
                for k in range(n):
                    a, b = vectors[k, i], vectors[k, j]
                    vectors[k, i], vectors[k, j] = cosine * a - sine * b, sine * a + cosine * b


@njit(cache=True)
def _recall(state):
    return state.note


@njit(cache=True)
def _summary(state):
    return _Summary(state.weights, state.theta, int(state.totals[OUTSIDE]))
