"""Claims put to the test, and their verdicts: holds, fails, or undecided when the data cannot tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from algos.contracts import whole_number

__all__ = ["Claim", "Interval", "IntervalMethod", "Verdict", "exact", "mean_interval", "share_interval"]

Verdict = Literal["holds", "fails", "undecided"]
Relation = Literal["<=", ">=", "="]
IntervalMethod = Literal["normal", "bootstrap"]


@dataclass(frozen=True)
class Interval:
    """An estimate between two ends, and how the ends were found."""

    estimate: float
    low: float
    high: float
    method: str

    def __post_init__(self) -> None:
        if not self.low <= self.estimate <= self.high:
            raise ValueError(f"interval: {self.low}, {self.estimate}, {self.high} do not increase")

    def __truediv__(self, scale: float) -> Interval:
        if not scale > 0:
            raise ValueError(f"scale: {scale} is not positive")
        return Interval(self.estimate / scale, self.low / scale, self.high / scale, self.method)


@dataclass(frozen=True)
class Claim:
    """A statement, what was measured, and what it is compared with.

    Parameters
    ----------
    statement : str
        The claim in a sentence.
    measured : Interval
        The measured quantity.
    relation : {"<=", ">=", "="}
        How the quantity should stand to the bound.
    bound : float
        What it is compared with.
    guarantee : str
        Name of the ledger's entry that the bound comes from, if there is one.

    Raises
    ------
    ValueError
        When the bound is not a number.
    """

    statement: str
    measured: Interval
    relation: Relation
    bound: float
    guarantee: str = ""

    def __post_init__(self) -> None:
        if math.isnan(self.bound):
            raise ValueError(f"bound: nan cannot be compared ({self.statement})")

    @property
    def verdict(self) -> Verdict:
        """Holds or fails when the whole interval says so.

        Equality holds when the interval is the bound itself, fails when the bound lies outside, and is undecided
        in between: a sample never proves an equality, it only fails to refute it.
        """
        low, high = self.measured.low, self.measured.high
        if self.relation == "=":
            if low == high == self.bound:
                return "holds"
            return "undecided" if low <= self.bound <= high else "fails"
        holds, fails = (
            (high <= self.bound, low > self.bound) if self.relation == "<=" else (low >= self.bound, high < self.bound)
        )
        return "holds" if holds else "fails" if fails else "undecided"


def exact(value: float) -> Interval:
    """A quantity known without error."""
    return Interval(value, value, value, "exact")


def mean_interval(
    samples: ArrayLike,
    *,
    level: float = 0.99,
    method: IntervalMethod = "normal",
    rng: np.random.Generator | None = None,
) -> Interval:
    """Confidence interval of a mean.

    Parameters
    ----------
    samples : float array, shape (n,), n >= 1
        Independent measurements.
    level : float in (0, 1)
        Confidence level.
    method : {"normal", "bootstrap"}
        Student's t interval, or percentiles of 2,000 bootstrap means drawn from `rng`.
    rng : numpy.random.Generator, optional
        Needed by the bootstrap.

    Raises
    ------
    ValueError
        When there are no samples, one is not finite, or an argument is out of its range.

    Notes
    -----
    A single sample says nothing of its spread: its interval is the whole line.
    """
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError("samples: must be a non-empty vector of finite numbers")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: {level} is outside (0, 1)")
    mean = float(values.mean())
    name = f"{level:.0%} {method}"
    if values.size == 1:
        return Interval(mean, -math.inf, math.inf, name)
    if method == "normal":
        from scipy.special import stdtrit

        half = float(stdtrit(values.size - 1, 0.5 + level / 2)) * float(values.std(ddof=1)) / math.sqrt(values.size)
        return Interval(mean, mean - half, mean + half, name)
    if method == "bootstrap":
        if rng is None:
            raise ValueError("rng: the bootstrap needs a numpy.random.Generator")
        means = np.array([values[rng.integers(0, values.size, values.size)].mean() for _ in range(2000)])
        low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
        return Interval(mean, min(mean, float(low)), max(mean, float(high)), name)
    raise ValueError(f"method: {method!r} is neither 'normal' nor 'bootstrap'")


def share_interval(successes: int, trials: int, *, level: float = 0.99) -> Interval:
    """Confidence interval of a probability, from how often something happened: Clopper and Pearson's, which is exact.

    Parameters
    ----------
    successes : int in 0..trials
        How often it happened.
    trials : int >= 1
        In how many independent trials.
    level : float in (0, 1)
        Confidence level, kept at every probability.

    Raises
    ------
    ValueError
        When an argument is out of its range.

    Examples
    --------
    >>> found = share_interval(0, 100, level=0.95)
    >>> found.low, round(found.high, 4)
    (0.0, 0.0362)
    """
    count = whole_number(trials, "trials", 1)
    happened = whole_number(successes, "successes", 0)
    if happened > count:
        raise ValueError(f"successes: {successes} is more than the {trials} trials")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: {level} is outside (0, 1)")
    from scipy.special import betaincinv

    tail, missed = (1.0 - level) / 2.0, count - happened
    low = float(betaincinv(happened, missed + 1, tail)) if happened else 0.0
    # The upper end of a share is one less the lower end of its complement.
    high = 1.0 - float(betaincinv(missed, happened + 1, tail)) if missed else 1.0
    return Interval(happened / count, low, high, f"{level:.0%} binomial")
