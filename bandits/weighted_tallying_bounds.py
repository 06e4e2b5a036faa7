"""What policies can and cannot achieve in tallying worlds.

Sources: arXiv:2305.02955 states an upper bound of the order sqrt(K T) + (m + M) K and a lower bound of the order
m K + M, up to logarithms; the finite forms and all constants below are derived here. D. Malik, Y. Li, A. Singh,
COLT 2022, arXiv:2204.11174, Section 5 (the all-or-nothing instances, there with a constant 1/128).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from algos.contracts import whole_number
from algos.guarantees import guarantee
from bandits.instances import suboptimal_gaps
from bandits.weighted_tallying import n_phases

__all__ = [
    "all_or_nothing_lower_bound",
    "constant_action_excess_bound",
    "tallying_elimination_bound",
    "tallying_instance_bound",
    "unknown_memory_lower_bound",
]


@guarantee("arXiv:2305.02955, upper bound", kind="upper", algorithm="TallyingElimination", evidence="derived")
def tallying_elimination_bound(
    horizon: int,
    n_arms: int,
    memory: int,
    memory_bound: int,
    delta: float | None = None,
    first_epoch: int | None = None,
    *,
    reuse: bool = True,
    slack: float = 0.0,
) -> float:
    """Policy regret of SE-WTB <= 4 sqrt(c L K T) + K n_1 + (m - 1) K S + (M - m) K G + slack T w.p. >= 1 - delta.

    S is the number of phases, L = ln(2 K S / delta), c = 2, or 3/2 with `reuse`, and G = 1 + sum over the later phases
    of min(1, 4 times the radius before them). Never above T.

    Parameters
    ----------
    horizon : int >= 1
        T, rounds played.
    n_arms : int >= 1
        K.
    memory : int >= 1
        m, the world's memory.
    memory_bound : int >= memory
        M, the policy's.
    delta, first_epoch, reuse
        As for `TallyingElimination`, with its defaults.
    slack : float >= 0
        By how much repeated exposure optimality fails (`TallyingArms.reo_slack`).

    Notes
    -----
    Within the intervals, an arm alive in phase s + 1 has a gap of at most 4 C_s, so that its N plays that count cost at
    most 4 sqrt(c L N); Cauchy and Schwarz. Of a burn-in m - 1 plays may cost 1 each, the others the gap.

    Examples
    --------
    >>> bound = tallying_elimination_bound(50_000, 5, 10, 10, delta=2e-5, first_epoch=2, reuse=False)
    >>> round(bound, 9)
    11938.590921482
    """
    rounds, arms, m, bound, chance, first = _checked(horizon, n_arms, memory, memory_bound, delta, first_epoch)
    if not 0 <= slack < math.inf:
        raise ValueError(f"slack: {slack!r} is not a finite number >= 0")
    phases = n_phases(rounds, first)
    log_term = math.log(2 * arms * phases / chance)
    spent = 1.0
    for phase in range(2, phases + 1):
        before = first * (2 ** (phase - 1) - 1) if reuse else first * 2 ** (phase - 2)
        spent += min(1.0, 4 * math.sqrt(log_term / (2 * before)))
    factor = 1.5 if reuse else 2.0
    total = 4 * math.sqrt(factor * log_term * arms * rounds) + arms * first + (m - 1) * arms * phases
    return min(float(rounds), total + (bound - m) * arms * spent + slack * rounds)


@guarantee("arXiv:2305.02955, upper bound", kind="upper", algorithm="TallyingElimination", evidence="derived")
def tallying_instance_bound(
    gaps: ArrayLike,
    horizon: int,
    memory: int,
    memory_bound: int,
    delta: float | None = None,
    first_epoch: int | None = None,
) -> float:
    """Policy regret of SE-WTB without reuse <= sum over arms of what telling them apart costs, w.p. >= 1 - delta.

    An arm with gap D > 0 costs min(T D, 2 max(n_1, 16 L / D^2) D) and, for each of its s = min(S, 1 + floor(log2(max(1,
    16 L / (n_1 D^2))))) phases, m - 1 + (M - m) D; a single best arm costs (m - 1) times one more than the largest of
    these s, and several best arms (m - 1) S each.

    Parameters
    ----------
    gaps : float array, shape (K,)
        Loss of each arm at its full tally less the smallest of these, in [0, 1].
    horizon, memory, memory_bound, delta, first_epoch
        As for `tallying_elimination_bound`.
    """
    given = np.asarray(gaps, dtype=np.float64)
    positive = suboptimal_gaps(given)
    rounds, arms, m, bound, chance, first = _checked(horizon, given.size, memory, memory_bound, delta, first_epoch)
    phases = n_phases(rounds, first)
    log_term = math.log(2 * arms * phases / chance)
    total, longest = 0.0, 0
    for gap in positive.tolist():
        with np.errstate(over="ignore"):
            needed = float(16 * log_term / np.float64(gap) ** 2)
        alive = min(phases, 1 + math.floor(math.log2(min(max(1.0, needed / first), 2.0**phases))))
        total += min(rounds * gap, 2 * max(float(first), needed) * gap) + alive * (m - 1 + (bound - m) * gap)
        longest = max(longest, alive)
    best = arms - positive.size
    total += (m - 1) * (longest + 1) if best == 1 else best * (m - 1) * phases
    return min(float(rounds), total)


@guarantee("arXiv:2305.02955, Section 2", kind="identity", algorithm="any policy", evidence="derived")
def constant_action_excess_bound(memory: int, best_full_loss: float) -> float:
    """Policy regret under REO exceeds constant-action regret by 0 to (m - 1) (1 - h*): what building a tally may cost.

    Parameters
    ----------
    memory : int >= 1
        m.
    best_full_loss : float in [0, 1]
        h*, the smallest loss at a full tally.
    """
    if not 0 <= best_full_loss <= 1:
        raise ValueError(f"best_full_loss: {best_full_loss!r} is outside [0, 1]")
    return (whole_number(memory, "memory", 1) - 1) * (1.0 - best_full_loss)


@guarantee("arXiv:2204.11174, Section 5", kind="lower", algorithm="any policy", evidence="derived")
def all_or_nothing_lower_bound(n_arms: int, memory: int) -> float:
    """Policy regret >= m (K - 1) / 2 on average over which arm of `TallyingArms.all_or_nothing` is good, for T >= K m.

    To see a loss below 1 an arm must be played m times in a row; if the good arm is the j-th to be tried that way, the
    regret is at least m (j - 1), and j is uniform.

    Parameters
    ----------
    n_arms : int >= 1
        K.
    memory : int >= 1
        m.
    """
    return whole_number(memory, "memory", 1) * (whole_number(n_arms, "n_arms", 1) - 1) / 2


@guarantee("derived for arXiv:2305.02955", kind="lower", algorithm="any policy", evidence="derived")
def unknown_memory_lower_bound(n_arms: int, memory_bound: int, horizon: int) -> float:
    """The largest mean policy regret over K worlds of memory <= M >= min((K - 1) M / 4, (T / 2 - M + 1) / 2), T >= 3 M.

    The worlds are `TallyingArms.unknown_memory`, without a good arm and with each of them: what is safe for every
    memory up to M pays for M, whatever the memory is.

    Parameters
    ----------
    n_arms : int >= 2
        K.
    memory_bound : int >= 1
        M.
    horizon : int >= 3 * memory_bound
        T.
    """
    arms, bound = whole_number(n_arms, "n_arms", 2), whole_number(memory_bound, "memory_bound", 1)
    rounds = whole_number(horizon, "horizon", 3 * bound)
    return min((arms - 1) * bound / 4, (rounds / 2 - bound + 1) / 2)


def _checked(
    horizon: Any, n_arms: Any, memory: Any, memory_bound: Any, delta: Any, first_epoch: Any
) -> tuple[int, int, int, int, float, int]:
    rounds, arms = whole_number(horizon, "horizon", 1), whole_number(n_arms, "n_arms", 1)
    m = whole_number(memory, "memory", 1)
    bound = whole_number(memory_bound, "memory_bound", m)
    chance = min(0.5, 1.0 / rounds) if delta is None else float(delta)
    if not 0 < chance < 1:
        raise ValueError(f"delta: {delta!r} is outside (0, 1)")
    first = max(2, bound) if first_epoch is None else whole_number(first_epoch, "first_epoch", 1)
    return rounds, arms, m, bound, chance, first
