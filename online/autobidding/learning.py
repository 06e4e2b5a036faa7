"""The loop of learners that set channels' budgets: decide, see the conversions, learn; and a guard that stops in time.

A learner tries budgets from a grid, the arms. The loop keeps two sums, S1 of the slack of the return, conversions less
gamma times what is charged, and S2 of what is charged. Before each period it asks whether both constraints could still
be kept if this period went as badly as possible and every later one played the fallback budget; if not, it plays the
fallback for ever.

Source: Y. Deng, N. Golrezaei, P. Jaillet, J. C. N. Liang, V. Mirrokni, "Multi-channel Autobidding with Budget and ROI
Constraints", ICML 2023, Algorithm 1. Bernstein radii, the re-solving hull and the buffer are derived here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from algos.kernels import hold
from algos.responses import HILL, LINEAR, LOGARITHM, POWER, SATURATION, STEPS

__all__ = [
    "BERNSTEIN",
    "FULL_INFORMATION",
    "HULL",
    "SCHEDULE",
    "THOMPSON",
    "UCB",
    "LearnerState",
    "Problem",
    "decide",
    "digest",
    "open_learner",
    "play",
    "respond",
]

UCB, BERNSTEIN, FULL_INFORMATION, HULL, THOMPSON, SCHEDULE = range(6)
LAM, MU, S1, S2, PERIOD, STOPPED, LEARNS = range(7)  # places in `LearnerState.numbers`


class Problem(NamedTuple):
    """What does not change during a run; money in units of ``money``, conversions in units of ``worth``."""

    rule: int
    horizon: int
    budget: float  # rho, per period
    target: float  # gamma
    fallback: float  # u
    slack: float  # beta
    cap: float  # C_F
    step: float  # eta
    radius: float  # factor of the confidence radius
    logarithm: float  # ln T, or ln 3 T^2 for Bernstein
    buffer: float  # fall back while S1 < -buffer; inf where that is never done
    guards_target: bool
    guards_budget: bool
    charges_budget: bool
    worth: float
    money: float
    arms: np.ndarray  # (K,) float64, increasing, from 0 to rho


class LearnerState(NamedTuple):
    """What is learnt; M channels, K arms."""

    counts: np.ndarray  # (M, K) float64
    means: np.ndarray  # (M, K)
    squares: np.ndarray  # (M, K), sums of squared deviations from the mean
    optimistic: np.ndarray  # (M, K), upper confidence bounds
    numbers: np.ndarray  # (7,): lambda, mu, S1, S2, periods told, the first after the stop, whether this is learnt from
    chosen: np.ndarray  # (M,) int64, the arms of this period; -1 where none is played
    hull: np.ndarray  # (M, K) int64, arms on the hulls
    ends: np.ndarray  # (M,) int64, their numbers


@njit(cache=True, nogil=True, error_model="numpy")
def open_learner(channels, arms, lam, mu):
    """The state before the first period."""
    numbers = np.zeros(7)
    numbers[LAM], numbers[MU] = lam, mu
    index = np.zeros((channels, arms))
    return LearnerState(
        np.zeros((channels, arms)),
        np.zeros((channels, arms)),
        np.zeros((channels, arms)),
        index,
        numbers,
        np.full(channels, -1, np.int64),
        np.zeros((channels, arms), np.int64),
        np.zeros(channels, np.int64),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def play(problem, state, block, first, rng, schedule, budgets, conversions, spends, path):
    """Play the periods ``first``, ``first + 1``... of a block, one for each row of the arrays that are written.

    ``schedule`` (a row of budgets a period, read by SCHEDULE alone) may be empty otherwise. Written are budgets,
    conversions and spends, (n, M), and ``path``, (n, 3): lambda, mu and S1 after each period.
    """
    channels = state.chosen.size
    for row in range(budgets.shape[0]):
        decide(problem, state, rng, schedule, row, budgets)
        for j in range(channels):
            value, spend = respond(block, first + row, j, budgets[row, j])
            conversions[row, j], spends[row, j] = value, spend
        if problem.rule == FULL_INFORMATION and state.numbers[LEARNS] != 0.0:
            _learn_all(problem, state, block, first + row)
        digest(problem, state, row, budgets, conversions, spends)
        path[row, 0], path[row, 1], path[row, 2] = state.numbers[LAM], state.numbers[MU], state.numbers[S1]
        hold(problem, state, block, schedule, rng)


@njit(cache=True, nogil=True, forceinline=True, error_model="numpy")
def decide(problem, state, rng, schedule, row, budgets):
    """Write the budgets of the next period into the row, in the user's currency."""
    numbers, chosen, arms = state.numbers, state.chosen, problem.arms
    channels, t = chosen.size, int(numbers[PERIOD]) + 1
    if numbers[STOPPED] == 0.0 and not _may_go_on(problem, numbers, channels, t):
        numbers[STOPPED] = t
    falls_back = numbers[STOPPED] != 0.0 or numbers[S1] < -problem.buffer
    numbers[LEARNS] = 0.0 if falls_back else 1.0
    hulls = problem.rule == HULL and t > arms.size
    explores = t <= arms.size and problem.rule != FULL_INFORMATION
    price = (numbers[LAM] * problem.target + numbers[MU]) / (1.0 + numbers[LAM])
    if problem.rule == THOMPSON and not (falls_back or explores):
        _draw_means(problem, state, rng)
    if hulls and not falls_back:
        _choose_on_hulls(problem, state, rng.random(), t)
    for j in range(channels):
        if falls_back:
            chosen[j] = -1
            budgets[row, j] = problem.fallback * problem.money
        elif problem.rule == SCHEDULE:
            chosen[j] = -1
            budgets[row, j] = schedule[row, j]
        else:
            if explores:
                chosen[j] = t - 1
            elif not hulls:
                chosen[j] = _best_arm(state.optimistic, j, arms, price)
            budgets[row, j] = arms[chosen[j]] * problem.money
    hold(numbers, chosen, arms, schedule, budgets, state, rng)


@njit(cache=True, nogil=True, forceinline=True, error_model="numpy")
def _may_go_on(problem, numbers, channels, t):
    """Whether the fallback could still keep both constraints after the worst possible period t."""
    left = problem.horizon - t
    most = channels * problem.budget
    worst_slack = numbers[S1] - problem.target * most + problem.slack * problem.fallback * left
    most_charged = numbers[S2] + most + channels * problem.fallback * left
    return not (
        (problem.guards_target and worst_slack < 0.0)
        or (problem.guards_budget and most_charged > problem.budget * problem.horizon)
    )


@njit(cache=True, nogil=True, forceinline=True, error_model="numpy")
def _best_arm(worth, j, arms, price):
    best, score = 0, worth[j, 0] - price * arms[0]
    for k in range(1, arms.size):
        here = worth[j, k] - price * arms[k]
        if here > score:
            best, score = k, here
    hold(worth, arms)
    return best


@njit(cache=True, nogil=True, forceinline=True, error_model="numpy")
def digest(problem, state, row, budgets, conversions, spends):
    """Learn from a period that was played."""
    numbers, chosen = state.numbers, state.chosen
    gained, charged = 0.0, 0.0
    for j in range(chosen.size):
        value = conversions[row, j] / problem.worth
        gained += value
        if problem.charges_budget:
            charged += budgets[row, j] / problem.money if chosen[j] < 0 else problem.arms[chosen[j]]
        else:
            charged += spends[row, j] / problem.money
        if chosen[j] >= 0 and problem.rule != FULL_INFORMATION:
            _learn(problem, state, j, chosen[j], value)
    g1, g2 = gained - problem.target * charged, problem.budget - charged
    if numbers[LEARNS] != 0.0:
        numbers[LAM] = min(max(numbers[LAM] - problem.step * g1, 0.0), problem.cap)
        numbers[MU] = min(max(numbers[MU] - problem.step * g2, 0.0), problem.cap)
    numbers[S1] += g1
    numbers[S2] += charged
    numbers[PERIOD] += 1.0
    hold(numbers, chosen, problem, budgets, conversions, spends, state)


@njit(cache=True, nogil=True, forceinline=True, error_model="numpy")
def _learn(problem, state, j, k, value):
    """Take a conversion of arm k into its mean and its upper confidence bound."""
    state.counts[j, k] += 1.0
    count = state.counts[j, k]
    before = value - state.means[j, k]
    state.means[j, k] += before / count
    state.squares[j, k] += before * (value - state.means[j, k])
    if problem.rule == BERNSTEIN:
        z, variance = problem.logarithm, max(state.squares[j, k], 0.0) / count
        radius = min(math.sqrt(z / (2.0 * count)), math.sqrt(2.0 * variance * z / count) + 3.0 * z / count)
    else:
        radius = math.sqrt(2.0 * problem.logarithm / count)
    state.optimistic[j, k] = state.means[j, k] + problem.radius * radius
    hold(state, problem)


@njit(cache=True, nogil=True, error_model="numpy")
def _learn_all(problem, state, block, t):
    """Take the whole response curves of a period into the means."""
    for j in range(state.chosen.size):
        for k in range(problem.arms.size):
            value = respond(block, t, j, problem.arms[k] * problem.money)[0] / problem.worth
            state.counts[j, k] += 1.0
            state.means[j, k] += (value - state.means[j, k]) / state.counts[j, k]
            state.optimistic[j, k] = state.means[j, k]


@njit(cache=True, nogil=True, error_model="numpy")
def _draw_means(problem, state, rng):
    """Draw every arm's mean from a normal law around its own, with the radius's scale."""
    for j in range(state.chosen.size):
        for k in range(problem.arms.size):
            spread = problem.radius / math.sqrt(state.counts[j, k])
            state.optimistic[j, k] = state.means[j, k] + spread * rng.standard_normal()


@njit(cache=True, nogil=True, error_model="numpy")
def _choose_on_hulls(problem, state, uniform, t):
    """Spend what is left evenly over the periods that are left, on the upper hulls of the index.

    Segments are bought by the slopes of the index; what they add to the slack is counted without the bonus. One segment
    is bought in part: its two ends are played at random.
    """
    arms, index, means, chosen = problem.arms, state.optimistic, state.means, state.chosen
    numbers, channels = state.numbers, chosen.size
    periods = problem.horizon - t + 1
    room = (problem.budget * problem.horizon - numbers[S2]) / periods
    slack, spent = numbers[S1] / periods, 0.0
    for j in range(channels):
        state.ends[j] = _upper_hull(arms, index[j], state.hull[j])
        chosen[j] = 0
        slack += means[j, state.hull[j, 0]]
    feasible = slack >= 0.0
    place = np.zeros(channels, np.int64)
    while True:
        best, steepest = -1, 0.0
        for j in range(channels):
            if place[j] + 1 < state.ends[j]:
                a, b = state.hull[j, place[j]], state.hull[j, place[j] + 1]
                slope = (index[j, b] - index[j, a]) / (arms[b] - arms[a])
                if slope > steepest:
                    best, steepest = j, slope
        if best < 0:
            break
        a, b = state.hull[best, place[best]], state.hull[best, place[best] + 1]
        length = arms[b] - arms[a]
        step = means[best, b] - means[best, a] - problem.target * length
        by_budget = 1.0 if spent + length <= room else max(0.0, (room - spent) / length)
        by_target = 1.0
        if slack >= 0.0 and slack + by_budget * step < 0.0:
            by_target = slack / -step
        share = min(by_budget, by_target)
        if share < 1.0:
            chosen[best] = b if uniform < share else a
            feasible = feasible or slack + share * step >= 0.0
            break
        place[best] += 1
        chosen[best] = b
        slack, spent = slack + step, spent + length
        feasible = feasible or slack >= 0.0
    if not feasible:
        for j in range(channels):
            chosen[j] = _best_arm(means, j, arms, problem.target)


@njit(cache=True, nogil=True, error_model="numpy")
def _upper_hull(arms, values, hull):
    """Write the arms on the rising part of the upper concave hull; how many."""
    size = 0
    for k in range(arms.size):
        while size >= 2:
            a, b = hull[size - 2], hull[size - 1]
            if (values[b] - values[a]) * (arms[k] - arms[b]) > (values[k] - values[b]) * (arms[b] - arms[a]):
                break
            size -= 1
        hull[size] = k
        size += 1
    while size >= 2 and values[hull[size - 1]] <= values[hull[size - 2]]:
        size -= 1
    return size


@njit(cache=True, nogil=True, forceinline=True, error_model="numpy")
def respond(block, t, j, budget):
    """Conversions and spend of channel j for a budget in period t of a block; see `algos.responses`."""
    curve, factor = block.curve[t, j], block.factor[t, j]
    first, end, shape = block.starts[curve], block.starts[curve + 1], block.shapes[curve]
    value, spend = 0.0, budget
    if shape in (LINEAR, STEPS):
        low, high = first, end  # the last point at or before the budget
        while high - low > 1:
            middle = (low + high) // 2
            if block.spends[middle] <= budget:
                low = middle
            else:
                high = middle
        value = block.values[low]
        if shape == STEPS or low + 1 == end:
            spend = block.spends[low]
        else:
            slope = (block.values[low + 1] - value) / (block.spends[low + 1] - block.spends[low])
            value += slope * (budget - block.spends[low])
    else:
        a, b = block.values[first], block.spends[first]
        if shape == SATURATION:
            value = -a * math.expm1(-b * budget)
        elif shape == POWER:
            value = a * budget**b
        elif shape == LOGARITHM:
            value = a * math.log1p(b * budget)
        elif shape == HILL and budget > 0.0:
            value = a * budget / (b + budget)
    hold(block)
    return factor * value, spend
