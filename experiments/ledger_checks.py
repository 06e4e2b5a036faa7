"""Every guarantee of the ledger put to the test once more: what ``regretlab check`` runs and prints.

A check draws worlds from its generator, runs the algorithm there, and compares what was measured with the guarantee's
own function. Of all its comparisons it reports the one that leaves least room, so that the table shows how close a
bound is to being met. The checks are in `experiments.checks`, one module a family; another package files checks of
its own guarantees with the same decorator.
"""

from __future__ import annotations

import importlib
import math
import os
import pkgutil
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from algos.contracts import whole_number
from algos.guarantees import Guarantee, ledger
from algos.streams import stream
from experiments.claims import Claim, Interval, Relation, exact, mean_interval, share_interval

__all__ = [
    "Checked",
    "Comparison",
    "agreement",
    "agreement_of_means",
    "agreement_of_shares",
    "check_ledger",
    "checks",
    "tightest",
    "tightest_mean",
    "tightest_share",
    "worst",
]

LEVEL = 1.0 - 1e-6
"""Of the intervals of means: a right bound that is met with equality fails one check in a million."""


class Comparison(NamedTuple):
    """What was measured, how it should stand to the bound, and on how many instances that was tried.

    Parameters
    ----------
    relation : {"<=", ">=", "="}
    measured : Interval
    bound : float
    instances : int
    """

    relation: Relation
    measured: Interval
    bound: float
    instances: int

    @property
    def room(self) -> float:
        """How far the estimate is on the right side, relative to the size of both; negative on the wrong one."""
        estimate = self.measured.estimate
        distance = {"<=": self.bound - estimate, ">=": estimate - self.bound, "=": -abs(estimate - self.bound)}
        if estimate == self.bound:
            return 0.0
        if math.isinf(self.bound):
            return 1.0 if distance[self.relation] > 0.0 else -1.0
        return distance[self.relation] / max(abs(estimate), abs(self.bound))


Check = Callable[[np.random.Generator], Comparison]
_CHECKS: dict[str, Check] = {}


def checks(name: str) -> Callable[[Check], Check]:
    """File a function as the check of a guarantee; it gets a generator of its own and returns a `Comparison`.

    Parameters
    ----------
    name : str
        Name of the guarantee in the ledger.

    Raises
    ------
    ValueError
        When another function is the check of this guarantee.
    """

    def register(check: Check) -> Check:
        known = _CHECKS.get(name)
        if known is not None and (known.__module__, known.__name__) != (check.__module__, check.__name__):
            raise ValueError(f"{name}: is checked by {known.__module__}.{known.__name__} already")
        _CHECKS[name] = check
        return check

    return register


def worst(comparisons: Iterable[Comparison]) -> Comparison:
    """The comparison that fails, or is undecided, or leaves least room; it speaks of the instances of all.

    Raises
    ------
    ValueError
        When there is none: a check of nothing would hold.
    """
    found = list(comparisons)
    if not found:
        raise ValueError("comparisons: there is none")
    ranks = {"fails": 0, "undecided": 1, "holds": 2}
    chosen = min(found, key=lambda one: (ranks[_claim(one, "").verdict], one.room))
    return chosen._replace(instances=sum(one.instances for one in found))


def tightest(relation: Relation, pairs: Iterable[tuple[float, float]]) -> Comparison:
    """Of quantities known without error, and their bounds, the pair that leaves least room.

    Parameters
    ----------
    relation : {"<=", ">=", "="}
    pairs : iterable of (measured, bound)

    Examples
    --------
    >>> tightest("<=", [(3, 10), (8, 9)]).bound
    9.0
    """
    return worst(Comparison(relation, exact(float(measured)), float(bound), 1) for measured, bound in pairs)


def tightest_mean(relation: Relation, pairs: Iterable[tuple[ArrayLike, float]]) -> Comparison:
    """The same for expectations: of samples and the bound of their mean.

    Parameters
    ----------
    relation : {"<=", ">=", "="}
    pairs : iterable of (samples, bound)
        Samples of shape (n,), n >= 2, independent of one another. A mean below a bound that it should exceed counts
        against the guarantee only as far as Student's interval of level 1 - 1e-6 lies below.
    """
    return worst(
        Comparison(relation, mean_interval(samples, level=LEVEL), float(bound), int(np.size(samples)))
        for samples, bound in pairs
    )


def tightest_share(relation: Relation, counts: Iterable[tuple[int, int, float]]) -> Comparison:
    """The same for probabilities: of how often something happened, in how many independent trials, and the bound.

    Parameters
    ----------
    relation : {"<=", ">=", "="}
    counts : iterable of (successes, trials, bound)
        A share is compared by Clopper and Pearson's interval of level 1 - 1e-6: where nothing happened in n trials,
        a bound below 15 / n stays undecided.
    """
    return worst(
        Comparison(relation, share_interval(successes, trials, level=LEVEL), float(bound), trials)
        for successes, trials, bound in counts
    )


def agreement(pairs: Iterable[tuple[ArrayLike, ArrayLike]], tolerance: float) -> Comparison:
    """For identities between floating-point numbers: the largest distance, relative to 1 + size, is at most tolerance.

    Parameters
    ----------
    pairs : iterable of (one side, other side)
        Numbers or arrays of one shape.
    tolerance : float > 0
        What rounding may do.
    """
    distances = []
    for left, right in pairs:
        one, other = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
        if one.shape != other.shape:
            raise ValueError(f"pairs: shapes {one.shape} and {other.shape} differ")
        distances.append(float(np.max(np.abs(one - other) / (1.0 + np.abs(other)), initial=0.0)))
    return tightest("<=", ((distance, tolerance) for distance in distances))


def agreement_of_means(pairs: Iterable[tuple[ArrayLike, float]]) -> Comparison:
    """For identities between expectations: how far a mean is off, at most half of Student's interval of level 1 - 1e-6.

    No sample proves an equality. What the table shows is the distance and how small a distance would have been seen.

    Parameters
    ----------
    pairs : iterable of (samples, expectation)
        Samples of shape (n,), n >= 2, independent of one another.
    """
    found = []
    for samples, expectation in pairs:
        mean = mean_interval(samples, level=LEVEL)
        distance = exact(abs(mean.estimate - expectation))
        found.append(Comparison("<=", distance, (mean.high - mean.low) / 2.0, int(np.size(samples))))
    return worst(found)


def agreement_of_shares(counts: Iterable[tuple[int, int, float]]) -> Comparison:
    """The same for probabilities: how far a share is off, at most what the binomial law exceeds with chance 1e-6.

    Parameters
    ----------
    counts : iterable of (successes, trials, probability)
    """
    from scipy.stats import binom

    found = []
    for successes, trials, probability in counts:
        ends = binom.interval(LEVEL, trials, probability)
        allowed = max(abs(float(end) / trials - probability) for end in ends)
        found.append(Comparison("<=", exact(abs(successes / trials - probability)), allowed, trials))
    return worst(found)


@dataclass(frozen=True)
class Checked:
    """A guarantee and how its check went.

    Parameters
    ----------
    entry : Guarantee
    claim : Claim or None
        None when there is no check, or when it broke.
    instances : int
        Comparisons or samples behind the claim.
    seconds : float
        Wall-clock time, compilation included.
    error : str
        What broke the check; empty when nothing did.
    """

    entry: Guarantee
    claim: Claim | None
    instances: int = 0
    seconds: float = 0.0
    error: str = ""

    @property
    def verdict(self) -> str:
        """Of the claim, or "not checked" where there is no check; a check that broke has failed."""
        if self.error:
            return "fails"
        return "not checked" if self.claim is None else self.claim.verdict


def check_ledger(
    names: Sequence[str] = (),
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Checked]:
    """Check guarantees, each with random numbers of its own, so that the choice of names changes no result.

    Parameters
    ----------
    names : sequence of str
        Names of guarantees, or of algorithms for all guarantees that speak of them; all guarantees when empty.
    seed : int >= 0
    workers : int >= 1, optional
        Threads; the number of cores by default.
    progress : callable, optional
        Called with (name, checked so far, number of checks).

    Returns
    -------
    list of Checked
        In the order of the ledger.

    Raises
    ------
    ValueError
        For a name that the ledger does not know.
    """
    from experiments import registry

    registry.load_all()
    _load()
    whole_number(seed, "seed", 0)
    entries = _chosen(names)
    done: list[str] = []

    def run(entry: Guarantee) -> Checked:
        found = _run(entry, seed)
        done.append(entry.name)
        if progress is not None:
            progress(entry.name, len(done), len(entries))
        return found

    threads = (os.cpu_count() or 1) if workers is None else whole_number(workers, "workers", 1)
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, entries))


def _chosen(names: Sequence[str]) -> list[Guarantee]:
    entries = ledger()
    known = {entry.name for entry in entries} | {entry.algorithm for entry in entries}
    for name in names:
        if name not in known:
            raise ValueError(
                f"{name}: is neither a guarantee nor an algorithm of the ledger; see `regretlab guarantees`"
            )
    return [entry for entry in entries if not names or entry.name in names or entry.algorithm in names]


def _run(entry: Guarantee, seed: int) -> Checked:
    check = _CHECKS.get(entry.name)
    if check is None:
        return Checked(entry, None)
    begun = time.perf_counter()
    try:
        found = check(stream(seed, {"check": entry.name}, 0))
    except Exception as error:  # one broken check must not hide the verdicts of all others
        return Checked(entry, None, seconds=time.perf_counter() - begun, error=f"{type(error).__name__}: {error}")
    claim = _claim(found, entry.statement, entry.name)
    return Checked(entry, claim, found.instances, time.perf_counter() - begun)


def _claim(found: Comparison, statement: str, guarantee: str = "") -> Claim:
    return Claim(statement, found.measured, found.relation, found.bound, guarantee)


def _load() -> None:
    import experiments.checks as package

    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
