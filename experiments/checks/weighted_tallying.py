"""Checks of weighted tallying bandits: the policy regret of elimination, what no policy can avoid, and two regrets."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from bandits import (
    UCB1,
    CustomPolicy,
    FixedSequence,
    RoundRobin,
    TallyingElimination,
    all_or_nothing_lower_bound,
    constant_action_excess_bound,
    tallying_elimination_bound,
    tallying_instance_bound,
    unknown_memory_lower_bound,
)
from experiments.checks.sampled_regret import sampled_regret
from experiments.ledger_checks import Comparison, checks, tightest, tightest_mean, tightest_share, worst
from simulators import TallyingArms

__all__: list[str] = []

RUNS = 100
DELTA = 0.2


@checks("tallying_elimination_bound")
def elimination(rng: np.random.Generator) -> Comparison:
    """How often the policy regret exceeds the bound, with and without reuse of earlier phases, against delta."""
    return tightest_share("<=", _exceeded(rng))


@checks("tallying_instance_bound")
def elimination_by_gaps(rng: np.random.Generator) -> Comparison:
    """How often the policy regret exceeds the bound in terms of the gaps, over many rounds, against delta."""
    return tightest_share("<=", _exceeded_by_gaps(rng))


@checks("all_or_nothing_lower_bound")
def all_or_nothing(rng: np.random.Generator) -> Comparison:
    """Mean policy regret over which arm is good: of learners that know of tallies or do not, and of the best policy.

    The best tries every arm m times in a row until one pays. It draws nothing, so that its mean is exact; the bound is
    met with equality.
    """
    return worst([tightest_mean(">=", _all_or_nothing(rng)), tightest(">=", _one_after_the_other(rng))])


@checks("unknown_memory_lower_bound")
def unknown_memory(rng: np.random.Generator) -> Comparison:
    """Largest policy regret over the worlds, of learners that draw nothing, where nothing else is random either."""
    return tightest(">=", _unknown_memory(rng))


@checks("constant_action_excess_bound")
def two_regrets(rng: np.random.Generator) -> Comparison:
    """What policy regret exceeds constant-action regret by, in worlds with any losses below full tallies."""
    return tightest("<=", _excess(rng))


def _worlds(rng: np.random.Generator) -> Iterator[TallyingArms]:
    for n_arms, memory in ((2, 2), (5, 8), (10, 3)):
        weights = 0.3 + rng.random(memory)
        yield TallyingArms.practice(n_arms, weights, rng)
        yield TallyingArms.decoy(n_arms, weights)
        yield TallyingArms.stationary(n_arms, memory, gap=0.3)


def _exceeded(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    horizon = 5000
    for arms in _worlds(rng):
        for more, reuse in ((0, True), (10, False)):
            known = arms.memory + more
            policy = TallyingElimination(known, DELTA, reuse=reuse)
            regrets = sampled_regret(policy, arms, horizon, RUNS, rng, "policy_regret")
            bound = tallying_elimination_bound(horizon, arms.n_arms, arms.memory, known, DELTA, reuse=reuse)
            yield int(np.count_nonzero(regrets > bound)), RUNS, DELTA


def _exceeded_by_gaps(rng: np.random.Generator) -> Iterator[tuple[int, int, float]]:
    horizon = 100_000
    for arms in _worlds(rng):
        gaps, known = arms.full_losses - arms.full_losses.min(), arms.memory + 2
        policy = TallyingElimination(known, DELTA, reuse=False)
        regrets = sampled_regret(policy, arms, horizon, RUNS, rng, "policy_regret")
        bound = tallying_instance_bound(gaps, horizon, arms.memory, known, DELTA)
        yield int(np.count_nonzero(regrets > bound)), RUNS, DELTA


def _all_or_nothing(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    for n_arms, memory in ((2, 3), (5, 8)):
        horizon = 4 * n_arms * memory
        for policy in (TallyingElimination(memory, DELTA), UCB1()):
            regrets = []
            for good in rng.integers(n_arms, size=RUNS):
                world = TallyingArms.all_or_nothing(n_arms, memory, int(good))
                regrets.append(sampled_regret(policy, world, horizon, 1, rng, "policy_regret")[0])
            yield _from_the_best_sequence(regrets, memory), all_or_nothing_lower_bound(n_arms, memory)


def _from_the_best_sequence(regrets: ArrayLike, memory: int) -> np.ndarray:
    """The best sequence pays 1 in m - 1 rounds; the metric counts from T times the loss at a full tally, which is 0."""
    return np.asarray(regrets) - (memory - 1)


def _one_after_the_other(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for n_arms, memory in ((2, 3), (5, 8), (20, 20)):
        policy = CustomPolicy(_start, _same_until_it_fails, _note, memory)
        worlds = (TallyingArms.all_or_nothing(n_arms, memory, good) for good in range(n_arms))
        regrets = [sampled_regret(policy, arms, 2 * n_arms * memory, 1, rng, "policy_regret")[0] for arms in worlds]
        mean = float(np.mean(_from_the_best_sequence(regrets, memory)))
        yield mean, all_or_nothing_lower_bound(n_arms, memory)


def _start(n_arms, memory):
    return np.zeros(2, dtype=np.int64)  # the arm that is tried, and how often it was played


def _same_until_it_fails(state, memory, t, rng):
    return state[0]


def _note(state, memory, t, arm, reward):
    state[1] += 1
    if state[1] == memory and reward == 0.0:
        state[0] += 1
        state[1] = 0


def _unknown_memory(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for n_arms in (2, 5):
        for memory in (1, 4, 12):
            horizon = 40 * memory
            worlds = [TallyingArms.unknown_memory(n_arms, memory)]
            worlds += [TallyingArms.unknown_memory(n_arms, memory, good) for good in range(1, n_arms)]
            for policy in (TallyingElimination(memory, DELTA, 1), FixedSequence([0]), UCB1()):
                with warnings.catch_warnings():  # of a horizon too short to learn much
                    warnings.simplefilter("ignore", RuntimeWarning)
                    regrets = [sampled_regret(policy, arms, horizon, 1, rng, "policy_regret")[0] for arms in worlds]
                yield float(max(regrets)), unknown_memory_lower_bound(n_arms, memory, horizon)


def _excess(rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    for n_arms, memory in ((1, 3), (2, 4), (3, 5), (2, 8)):
        for arms in (TallyingArms.random_table(n_arms, memory, rng), TallyingArms.all_or_nothing(n_arms, memory)):
            for policy in (RoundRobin(), UCB1()):
                for horizon in (memory, 10 * memory, 500):
                    run = policy.run(arms, horizon, rng, checkpoints=[horizon])
                    excess = run.metrics["policy_regret"][-1] - run.metrics["constant_action_regret"][-1]
                    bound = constant_action_excess_bound(memory, float(arms.full_losses.min()))
                    # From below as well: no less than nothing.
                    yield float(excess) if excess >= -1e-9 else float("inf"), bound + 1e-9
