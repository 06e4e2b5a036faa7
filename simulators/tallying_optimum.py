"""The best sequences of arms in a tallying world: exactly by dynamic programming, in the long run, and under REO.

What is yet to come depends on the last m - 1 arms only. A state is their code in base K, the most recent arm last, so
that playing arm a leads from state s to (s K + a) mod K^(m - 1).

Sources: the dynamic programme and the bounds under REO are elementary; R. M. Karp, "A characterization of the minimum
cycle mean in a digraph", 1978 (the best average loss in the long run).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from algos.contracts import whole_number
from simulators.loss_curves import mean_loss

if TYPE_CHECKING:
    from simulators.tallying import TallyingArms

__all__ = ["Diagnosis", "diagnose", "long_run_loss", "optimal_losses", "optimal_sequence", "reo_arms", "reo_slack"]

_MOST_SUBSETS = 22  # weights that may be in a tally or not
_MOST_STATES, _MOST_WORK = 50_000_000, 5_000_000_000
_MOST_CYCLE_STATES = 2048


class Diagnosis(dict[str, Any]):
    """What `diagnose` found, by name."""


def attainable_tallies(arms: TallyingArms, arm: int) -> NDArray[np.float64]:
    """All tallies that an arm can have: weights[0] plus any of the other weights."""
    weights = np.diff(arms.parameters().prefix[arm])
    if (weights == 1).all():
        return np.arange(1.0, arms.memory + 1)
    if weights.size - 1 > _MOST_SUBSETS:
        raise ValueError(f"weights: {weights.size} of them make more than 2^{_MOST_SUBSETS} tallies")
    tallies = weights[:1]
    for weight in weights[1:]:
        tallies = np.concatenate([tallies, tallies + weight])
    # As the kernels add them up: what rounds differently must not look smaller or larger than a full tally.
    return np.append(np.minimum(tallies, arms.full_tallies[arm]), arms.full_tallies[arm])


def reo_arms(arms: TallyingArms, tolerance: float = 1e-12) -> list[int]:
    """Arms whose loss at a full tally is within `tolerance` of the smallest loss of any arm at any tally.

    Raises
    ------
    ValueError
        When that would have to look at more than 2^22 tallies, and no bound on the curve decides it.
    """
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance: {tolerance!r} is outside [0, 1)")
    full = arms.full_losses
    best = full.min()
    smallest = min(_smallest_loss(arms, arm, float(best) - tolerance) for arm in range(arms.n_arms))
    return [arm for arm in range(arms.n_arms) if full[arm] <= smallest + tolerance]


def reo_slack(arms: TallyingArms) -> float:
    """By how much the best loss at a full tally exceeds the smallest loss of any arm at any tally; 0 under REO."""
    best = float(arms.full_losses.min())
    return max(0.0, best - min(_smallest_loss(arms, arm, best) for arm in range(arms.n_arms)))


def _smallest_loss(arms: TallyingArms, arm: int, enough: float) -> float:
    """The smallest loss of an arm; any number >= `enough` will do where that is certified to be below it."""
    if isinstance(arms.mean_losses, np.ndarray):
        return float(arms.mean_losses[arm].min())
    curve, prefix = arms.mean_losses[arm], arms.parameters().prefix[arm]
    low, high = float(prefix[1]), float(prefix[-1])
    bound = float(curve.lowest(low, high))
    if curve.monotone or bound >= enough:
        return bound
    curves = arms.parameters().curves
    return float(_smallest(curves, arm, attainable_tallies(arms, arm)))


def optimal_losses(arms: TallyingArms, horizon: int) -> NDArray[np.float64]:
    """OPT_1, ..., OPT_T: the smallest sum of mean losses of any sequence of each length, shape (T,).

    O(T K^m) time, O(K^m) memory.

    Raises
    ------
    ValueError
        When K^m is above 5e7 or T K^m above 5e9.

    Examples
    --------
    >>> from simulators import TallyingArms
    >>> optimal_losses(TallyingArms.all_or_nothing(3, memory=4), 6)
    array([1., 2., 3., 3., 3., 3.])
    """
    steps = whole_number(horizon, "horizon", 1)
    _check_size(arms, steps)
    params = arms.parameters()
    return np.asarray(_optimal_losses(params.curves, params.prefix, _costs(arms), steps))


def optimal_sequence(arms: TallyingArms, horizon: int) -> NDArray[np.int64]:
    """A sequence of arms with the smallest sum of mean losses, shape (T,). As `optimal_losses`, and T K^(m-1) bytes.

    Examples
    --------
    >>> from simulators import TallyingArms
    >>> optimal_sequence(TallyingArms.alternation(), 5)
    array([0, 1, 0, 1, 0])
    """
    steps = whole_number(horizon, "horizon", 1)
    _check_size(arms, steps)
    if arms.n_arms > 255:
        raise ValueError(f"arms: {arms.n_arms} arms are more than the 255 whose sequences are kept")
    params = arms.parameters()
    return np.asarray(_optimal_sequence(params.curves, params.prefix, _costs(arms), steps))


def long_run_loss(arms: TallyingArms) -> float:
    """The smallest average loss that a sequence can have for ever: lim OPT_T / T, the minimum cycle mean. O(K^(2m-1)).

    Examples
    --------
    >>> from simulators import TallyingArms
    >>> long_run_loss(TallyingArms.alternation())
    0.0
    """
    states = arms.n_arms ** (arms.memory - 1)
    if states > _MOST_CYCLE_STATES:
        raise ValueError(f"arms: K^(m-1) = {states} is above the {_MOST_CYCLE_STATES} states that are searched")
    return float(_karp(_costs(arms), arms.n_arms))


def diagnose(arms: TallyingArms) -> Diagnosis:
    """What decides whether a policy can compete with the best sequence.

    Returns
    -------
    Diagnosis
        ``reo_arms``, ``best_full_loss`` (h*, the average loss of the best sequence under REO), ``slack`` (what REO
        lacks), ``memory`` (m) and ``full_tallies`` (W, one an arm).

    Examples
    --------
    >>> from simulators import TallyingArms
    >>> diagnose(TallyingArms.alternation())["slack"]
    1.0
    """
    return Diagnosis(
        reo_arms=reo_arms(arms),
        best_full_loss=float(arms.full_losses.min()),
        slack=reo_slack(arms),
        memory=arms.memory,
        full_tallies=arms.full_tallies.tolist(),
    )


def _check_size(arms: TallyingArms, horizon: int) -> None:
    words = arms.n_arms**arms.memory
    if words > _MOST_STATES or words * horizon > _MOST_WORK:
        raise ValueError(
            f"arms: K^m = {words:,} with {horizon:,} rounds is too much for dynamic programming "
            f"(at most {_MOST_STATES:,}, and {_MOST_WORK:,} together)"
        )


def _costs(arms: TallyingArms) -> NDArray[np.float64]:
    params = arms.parameters()
    return np.asarray(_word_costs(params.curves, params.prefix))


@njit
def _smallest(curves, arm, tallies):
    least = 1.0
    for tally in tallies:
        least = min(least, mean_loss(curves, arm, tally))
    return least


@njit(cache=True)
def _tally_of(prefix, arm, past, length):
    """Tally of an arm that is played after a past of some length, a code in base K."""
    n_arms = prefix.shape[0]
    # Runs are differences of prefix sums, as in the simulator: a full tally has the same bits.
    tally, first, lag = 0.0, 0, 1
    running = True
    while lag <= length:
        same = past % n_arms == arm
        past //= n_arms
        if same and not running:
            first, running = lag, True
        if not same and running:
            tally += prefix[arm, lag] - prefix[arm, first]
            running = False
        lag += 1
    return tally + (prefix[arm, lag] - prefix[arm, first]) if running else tally


@njit
def _word_costs(curves, prefix):
    """Loss of the last arm of every word of m arms, shape (K^m,)."""
    n_arms, m = prefix.shape[0], prefix.shape[1] - 1
    costs = np.empty(n_arms**m)
    for word in range(costs.size):
        arm = word % n_arms
        costs[word] = mean_loss(curves, arm, _tally_of(prefix, arm, word // n_arms, m - 1))
    return costs


@njit
def _opening(curves, prefix, values, length):
    """The smallest losses of pasts one round longer, from those of all pasts of this length."""
    n_arms = prefix.shape[0]
    longer = np.empty(values.size * n_arms)
    for past in range(values.size):
        for arm in range(n_arms):
            loss = mean_loss(curves, arm, _tally_of(prefix, arm, past, length))
            longer[past * n_arms + arm] = values[past] + loss
    return longer


@njit(nogil=True)
def _optimal_losses(curves, prefix, costs, horizon):
    n_arms, m = prefix.shape[0], prefix.shape[1] - 1
    found = np.empty(horizon)
    values = np.zeros(1)
    for t in range(min(horizon, m - 1)):
        values = _opening(curves, prefix, values, t)
        found[t] = values.min()
    states, rest = n_arms ** (m - 1), n_arms ** max(m - 2, 0)
    best = np.empty(states)
    for t in range(m - 1, horizon):
        if m == 1:
            found[t] = (found[t - 1] if t > 0 else 0.0) + costs.min()
            continue
        for state in range(rest):
            for arm in range(n_arms):
                least = np.inf
                for oldest in range(n_arms):
                    past = oldest * rest + state
                    least = min(least, values[past] + costs[past * n_arms + arm])
                best[state * n_arms + arm] = least
        values, best = best, values
        found[t] = values.min()
    return found


@njit(nogil=True)
def _optimal_sequence(curves, prefix, costs, horizon):
    n_arms, m = prefix.shape[0], prefix.shape[1] - 1
    sequence = np.empty(horizon, np.int64)
    if m == 1:
        sequence[:] = np.argmin(costs)
        return sequence
    values = np.zeros(1)
    opening = min(horizon, m - 1)
    for t in range(opening):
        values = _opening(curves, prefix, values, t)
    states, rest = n_arms ** (m - 1), n_arms ** (m - 2)
    before = np.empty((horizon - opening, states), np.uint8)  # the arm that a state's word began with
    best = np.empty(states)
    for t in range(horizon - opening):
        for state in range(rest):
            for arm in range(n_arms):
                least, origin = np.inf, 0
                for oldest in range(n_arms):
                    past = oldest * rest + state
                    loss = values[past] + costs[past * n_arms + arm]
                    if loss < least:
                        least, origin = loss, oldest
                best[state * n_arms + arm] = least
                before[t, state * n_arms + arm] = origin
        values, best = best, values
    last = np.argmin(values)
    for t in range(horizon - opening - 1, -1, -1):
        sequence[opening + t] = last % n_arms
        last = before[t, last] * rest + last // n_arms
    for t in range(opening - 1, -1, -1):
        sequence[t] = last % n_arms
        last = last // n_arms
    return sequence


@njit(cache=True, nogil=True)
def _karp(costs, n_arms):
    """Min over states of max over k of (D_n - D_k) / (n - k), D_k the least loss of k steps that end there."""
    n = costs.size // n_arms
    if n == 1:
        return costs.min()
    rest = n // n_arms
    distances = np.zeros((n + 1, n))
    for k in range(1, n + 1):
        for state in range(rest):
            for arm in range(n_arms):
                least = np.inf
                for oldest in range(n_arms):
                    past = oldest * rest + state
                    least = min(least, distances[k - 1, past] + costs[past * n_arms + arm])
                distances[k, state * n_arms + arm] = least
    mean = np.inf
    for state in range(n):
        worst = -np.inf
        for k in range(n):
            worst = max(worst, (distances[n, state] - distances[k, state]) / (n - k))
        mean = min(mean, worst)
    return mean
