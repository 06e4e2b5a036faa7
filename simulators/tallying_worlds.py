"""How a tallying world plays: the compiled functions behind `simulators.TallyingArms`.

Where all weights are 1, tallies are counts over a ring of the last arms, O(1) a round. With other weights the world
remembers runs of equal arms, and a tally is a sum of differences of prefix sums, one a run.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from algos.kernels import hold
from simulators.loss_curves import Curves, mean_loss

__all__ = [
    "Parameters",
    "collected",
    "count",
    "counted",
    "draw",
    "follow",
    "losses_in_a_row",
    "play_block",
    "pull",
    "pull_counting",
    "record",
    "start",
    "start_counting",
    "tally",
]

BERNOULLI, DETERMINISTIC, BETA, NORMAL = range(4)


class Parameters(NamedTuple):
    """What the kernels read."""

    curves: Curves
    # (K, m + 1) float64: sums of the first 0, 1, ..., m weights, so that a run of plays is a difference of two of them
    prefix: np.ndarray
    in_a_row: np.ndarray  # (K, m) float64: mean losses of the first m plays in a row from nothing
    noise: int
    spread: float


class _Counting(NamedTuple):
    """A world whose weights are all 1: tallies are counts, and losses in a row are the losses of all tallies."""

    in_a_row: np.ndarray  # (K, m) float64
    noise: int
    spread: float
    recent: np.ndarray  # (max(1, m - 1),) int64, arms of the last m - 1 rounds, a ring; K before the start
    counts: np.ndarray  # (K + 1,) int64, how often each of them is among these
    place: np.ndarray  # (1,) int64, the oldest place of the ring


class _Weighing(NamedTuple):
    """A world with any weights, which remembers runs of equal arms."""

    params: Parameters
    runs: np.ndarray  # (m + 1, 2) int64, the arm and the first round of each, a ring
    counters: np.ndarray  # (3,) int64: rounds so far, the oldest run, runs


@njit
def losses_in_a_row(curves, prefix):
    """Mean losses of 1, ..., m plays in a row from nothing, shape (K, m)."""
    n_arms, m = prefix.shape[0], prefix.shape[1] - 1
    losses = np.empty((n_arms, m))
    for arm in range(n_arms):
        for j in range(m):
            losses[arm, j] = mean_loss(curves, arm, prefix[arm, j + 1])
    return losses


@njit(cache=True)
def start_counting(params, rng):
    """A world with weights 1 in which nothing was played yet."""
    n_arms, m = params.in_a_row.shape
    recent, counts = np.full(max(1, m - 1), n_arms), np.zeros(n_arms + 1, np.int64)
    return _Counting(params.in_a_row, params.noise, params.spread, recent, counts, np.zeros(1, np.int64))


@njit(cache=True, forceinline=True)
def counted(world, arm):
    """Mean reward of an arm if it is played now."""
    reward = 1.0 - world.in_a_row[arm, world.counts[arm]]
    hold(world.in_a_row, world.counts)
    return reward


@njit(cache=True, forceinline=True)
def count(world, arm):
    """The arm is played: what the next tallies will be made of."""
    recent, counts, place = world.recent, world.counts, world.place
    if world.in_a_row.shape[1] > 1:
        at = place[0]
        counts[recent[at]] -= 1
        recent[at] = arm
        counts[arm] += 1
        place[0] = at + 1 if at + 1 < recent.size else 0
    hold(recent, counts, place, world.in_a_row)


@njit(forceinline=True)
def pull_counting(world, arm, rng):
    """Play an arm: 1 less its loss."""
    loss = draw(world.noise, world.spread, world.in_a_row[arm, world.counts[arm]], rng)
    count(world, arm)
    hold(world.in_a_row, world.counts, rng)
    return 1.0 - loss


@njit(cache=True)
def start(params, rng):
    """A world in which nothing was played yet."""
    m = params.prefix.shape[1] - 1
    return _Weighing(params, np.zeros((m + 1, 2), np.int64), np.zeros(3, np.int64))


@njit(cache=True, forceinline=True)
def tally(world, arm):
    """The tally of an arm if it is played now."""
    prefix, runs, counters = world.params.prefix, world.runs, world.counters
    m = prefix.shape[1] - 1
    t, oldest, n_runs = counters[0], counters[1], counters[2]
    total, later = 0.0, t  # the round after a run is the first of the next; its lag is t - later
    continues = False
    for b in range(n_runs - 1, -1, -1):
        place = (oldest + b) % (m + 1)
        first = runs[place, 1]
        if runs[place, 0] == arm:
            high = min(t - first, m - 1)
            if b == n_runs - 1:
                continues = True  # with the present play: a full tally is one sum, with the same bits everywhere
                total += prefix[arm, high + 1]
            else:
                total += prefix[arm, high + 1] - prefix[arm, t - later + 1]
        later = first
    if not continues:
        total += prefix[arm, 1]
    hold(prefix, runs, counters)
    return total


@njit(cache=True, forceinline=True)
def record(world, arm):
    """The arm is played: what the next tallies will be made of."""
    runs, counters = world.runs, world.counters
    m = runs.shape[0] - 1
    t, oldest, n_runs = counters[0], counters[1], counters[2]
    if n_runs == 0 or runs[(oldest + n_runs - 1) % (m + 1), 0] != arm:
        place = (oldest + n_runs) % (m + 1)
        runs[place, 0], runs[place, 1] = arm, t
        n_runs += 1
    # A run is out of memory when the next one began m - 1 rounds ago or earlier, seen from the next round.
    while n_runs > 1 and runs[(oldest + 1) % (m + 1), 1] <= t + 1 - (m - 1):
        oldest = (oldest + 1) % (m + 1)
        n_runs -= 1
    counters[0], counters[1], counters[2] = t + 1, oldest, n_runs
    hold(runs, counters)


@njit(forceinline=True)
def collected(world, arm):
    """Mean reward of an arm if it is played now."""
    return 1.0 - mean_loss(world.params.curves, arm, tally(world, arm))


@njit(forceinline=True)
def pull(world, arm, rng):
    """Play an arm: 1 less its loss."""
    mean = mean_loss(world.params.curves, arm, tally(world, arm))
    loss = draw(world.params.noise, world.params.spread, mean, rng)
    record(world, arm)
    hold(world.params.prefix, rng)
    return 1.0 - loss


@njit(cache=True, forceinline=True, error_model="numpy")
def draw(noise, spread, mean, rng):
    """A loss with this mean."""
    loss = mean
    if noise == BERNOULLI:
        loss = 1.0 if rng.random() < mean else 0.0
    elif noise != DETERMINISTIC and 0.0 < mean < 1.0:
        if noise == BETA:
            loss = rng.beta(spread * mean, spread * (1.0 - mean))
        else:
            reach, keeps, away = min(mean, 1.0 - mean), False, 0.0
            while not keeps:
                if reach >= spread:
                    away = spread * rng.standard_normal()
                    keeps = abs(away) <= reach
                else:  # most normal draws would be too far: draw uniformly, and accept by the density
                    away = reach * (2.0 * rng.random() - 1.0)
                    keeps = rng.random() <= math.exp(-0.5 * (away / spread) ** 2)
            loss = mean + away
    hold(rng)
    return loss


@njit
def follow(collected, record, world, actions):
    """Mean losses of a sequence of arms, shape (T,)."""
    losses = np.empty(actions.size)
    for t in range(actions.size):
        losses[t] = 1.0 - collected(world, actions[t])
        record(world, actions[t])
    return losses


@njit
def play_block(params, arm, since, count, rng):
    """Sums of mean rewards, rewards and their squares of `count` plays in a row that follow `since` in a row.

    Of the arm nothing else is in memory. Losses at a full tally have one law: a sum of 0s and 1s is one binomial draw.
    """
    in_a_row = params.in_a_row
    m = in_a_row.shape[1]
    means, rewards, squares = 0.0, 0.0, 0.0
    building = min(count, max(0, m - 1 - since))
    for j in range(since, since + building):
        reward = 1.0 - draw(params.noise, params.spread, in_a_row[arm, j], rng)
        means += 1.0 - in_a_row[arm, j]
        rewards += reward
        squares += reward * reward
    full = count - building
    if full > 0:
        mean = in_a_row[arm, m - 1]
        means += full * (1.0 - mean)
        if params.noise == BERNOULLI:
            ones = float(full - rng.binomial(full, mean))
            rewards += ones
            squares += ones
        elif params.noise == DETERMINISTIC:
            rewards += full * (1.0 - mean)
            squares += full * (1.0 - mean) * (1.0 - mean)
        else:
            for _ in range(full):
                reward = 1.0 - draw(params.noise, params.spread, mean, rng)
                rewards += reward
                squares += reward * reward
    return means, rewards, squares
