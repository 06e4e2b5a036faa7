"""Audits: what a mechanism's exact law, or what it does in many trials, says about its privacy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import check_generator, whole_number
from algos.privacy.budgets import check_delta, check_epsilon
from algos.privacy.gaussian import gaussian_epsilon

__all__ = ["PrivacyAudit", "TrialAudit", "audit", "audit_trials"]


@dataclass(frozen=True, eq=False)
class PrivacyAudit:
    """What an audit found.

    Parameters
    ----------
    epsilon : float
        The budget that was claimed.
    largest_ratio : float
        Largest likelihood ratio over all outputs and neighbouring tables; inf when an output is possible for one only.
    largest_delta : float
        Largest of sum over outputs of max(0, p - e^epsilon q) over neighbouring tables: the delta that epsilon leaves.
    table, neighbour : array
        The two tables that have the largest ratio.
    output : int
        The output that has it.
    """

    epsilon: float
    largest_ratio: float
    largest_delta: float
    table: NDArray[np.float64]
    neighbour: NDArray[np.float64]
    output: int

    @property
    def private(self) -> bool:
        """Whether the law is epsilon-private: the largest ratio is at most e^epsilon, up to 1e-9 for rounding."""
        return self.largest_ratio <= math.exp(min(self.epsilon, 700.0)) * (1.0 + 1e-9)


@overload
def audit(
    law: Callable[[NDArray[np.float64]], ArrayLike],
    shape: int | Sequence[int],
    epsilon: float,
    *,
    values: Sequence[float] = (0.0, 1.0),
) -> PrivacyAudit: ...


@overload
def audit(
    law: Callable[[bool, np.random.Generator], float],
    *,
    epsilon: float,
    delta: float,
    trials: int,
    rng: np.random.Generator,
    threshold: float,
    confidence: float = 0.95,
) -> TrialAudit: ...


def audit(
    law: Callable[..., Any],
    shape: int | Sequence[int] | None = None,
    epsilon: float = math.nan,
    *,
    values: Sequence[float] = (0.0, 1.0),
    delta: float = math.nan,
    trials: int | None = None,
    rng: np.random.Generator | None = None,
    threshold: float = math.nan,
    confidence: float = 0.95,
) -> PrivacyAudit | TrialAudit:
    """Compare a mechanism's exact law on all pairs of tables that differ in one entry, or run it many times.

    With ``trials`` the mechanism is run, as `audit_trials` says.

    Parameters
    ----------
    law : callable
        Takes a table and returns the probability of each output, shape (outputs,), in the same order for all tables.
    shape : int or sequence of int
        Shape of a table.
    epsilon : float > 0
        The budget to hold it against.
    values : sequence of float
        What an entry may be; all ``len(values) ** entries`` tables are looked at, at most 2**20.

    Raises
    ------
    ValueError
        When the law returns no probabilities, or there are too many tables.

    Examples
    --------
    Publishing the exact sum of two bits is not private; randomized response is:

    >>> audit(lambda table: np.eye(3)[int(table.sum())], 2, epsilon=1.0).private
    False
    >>> keep = np.exp(1.0) / (1.0 + np.exp(1.0))
    >>> audit(lambda table: [keep, 1 - keep] if table[0] else [1 - keep, keep], 1, epsilon=1.0).private
    True
    """
    if trials is not None:
        if shape is not None:
            raise ValueError(
                "shape: is of an exact law; trials take a mechanism that is told whether the record is there"
            )
        return _by_trials(law, epsilon, delta, trials, rng, threshold, confidence)
    if shape is None:
        raise ValueError("shape: is missing; or give trials")
    epsilon = check_epsilon(epsilon)
    sizes = (int(shape),) if isinstance(shape, int | np.integer) else tuple(shape)
    entries = math.prod(sizes)
    if len(values) ** entries > 2**20:
        raise ValueError(f"shape: {len(values)} ** {entries} tables are more than {2**20}")
    laws = {
        choice: _probabilities(law(np.array([values[i] for i in choice], dtype=np.float64).reshape(sizes)))
        for choice in itertools.product(range(len(values)), repeat=entries)
    }
    worst: tuple[tuple[int, ...], tuple[int, ...], int] = ((), (), 0)
    largest, delta = -math.inf, 0.0
    factor = math.exp(min(epsilon, 700.0))
    for choice, neighbour in _neighbours(laws, len(values)):
        p, q = laws[choice], laws[neighbour]
        ratios = np.divide(p, q, out=np.where(p > 0, np.inf, 0.0), where=q > 0)
        delta = max(delta, float(np.maximum(p - factor * q, 0.0).sum()))
        if ratios.max() > largest:
            largest, worst = float(ratios.max()), (choice, neighbour, int(ratios.argmax()))
    table, other = (np.array([values[i] for i in c], dtype=np.float64).reshape(sizes) for c in worst[:2])
    return PrivacyAudit(epsilon, largest, delta, table, other, worst[2])


def _neighbours(laws: Mapping[tuple[int, ...], Any], n_values: int) -> Any:
    """All ordered pairs of tables that differ in one entry."""
    for choice in laws:
        for entry, value in itertools.product(range(len(choice)), range(n_values)):
            if value != choice[entry]:
                yield choice, (*choice[:entry], value, *choice[entry + 1 :])


def _probabilities(given: ArrayLike) -> NDArray[np.float64]:
    law = np.asarray(given, dtype=np.float64)
    if law.ndim != 1 or not (law >= -1e-12).all() or abs(law.sum() - 1.0) > 1e-9:
        raise ValueError(f"law: {given!r} is not a vector of probabilities that sum to one")
    return law


@dataclass(frozen=True)
class TrialAudit:
    """What trials of a mechanism say.

    Parameters
    ----------
    epsilon, delta : float
        The budget that was claimed.
    false_positives, false_negatives : int
        Trials without the record that looked as if it were there, and with it that did not.
    trials : int
        Of each kind.
    lower_bound : float
        epsilon is at least that, with the confidence, whatever the mechanism.
    gaussian_lower_bound : float
        The same for mechanisms of Gaussian type, sharper.
    confidence : float
    """

    epsilon: float
    delta: float
    false_positives: int
    false_negatives: int
    trials: int
    lower_bound: float
    gaussian_lower_bound: float
    confidence: float

    @property
    def refuted(self) -> bool:
        """Whether the claim is refuted: some lower bound is above it."""
        return max(self.lower_bound, self.gaussian_lower_bound) > self.epsilon


def audit_trials(
    mechanism: Callable[[bool, np.random.Generator], float],
    epsilon: float,
    delta: float,
    *,
    trials: int,
    rng: np.random.Generator,
    threshold: float,
    confidence: float = 0.95,
) -> TrialAudit:
    """Run a mechanism with and without a record, and bound its epsilon from below by how well the two are told apart.

    Parameters
    ----------
    mechanism : callable
        ``mechanism(present, rng)`` runs once and returns a statistic that should be large when the record is there.
    epsilon, delta : float
        The budget that it claims.
    trials : int >= 1
        Of each kind.
    rng : numpy.random.Generator
    threshold : float
        Statistics above it count as "there"; it must not depend on the trials.
    confidence : float in (0, 1)
        Of the lower bounds: Clopper-Pearson limits of both error rates, half of the rest each.
    """
    return _by_trials(mechanism, epsilon, delta, trials, rng, threshold, confidence)


def _by_trials(
    mechanism: Callable[[bool, np.random.Generator], float],
    epsilon: float,
    delta: float,
    trials: int,
    rng: np.random.Generator | None,
    threshold: float,
    confidence: float,
) -> TrialAudit:
    from scipy.special import ndtri
    from scipy.stats import beta

    if math.isnan(threshold):
        raise ValueError("threshold: must be a number that does not depend on the trials")
    claimed, allowed = check_epsilon(epsilon), check_delta(delta)
    n = whole_number(trials, "trials", 1)
    source = check_generator(rng, "audit")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence: {confidence!r} is not in (0, 1)")
    wrong = [
        sum((float(mechanism(present, source)) > threshold) != present for _ in range(n)) for present in (False, True)
    ]
    tail = 0.5 * (1.0 - confidence)
    highest = [float(beta.ppf(1.0 - tail, k + 1, n - k)) if k < n else 1.0 for k in wrong]
    lower = 0.0
    for one, two in (highest, highest[::-1]):
        if two > 0.0 and 1.0 - allowed - one > 0.0:
            lower = max(lower, math.log((1.0 - allowed - one) / two))
    mu = max(0.0, float(ndtri(1.0 - highest[0]) - ndtri(highest[1]))) if max(highest) < 1.0 else 0.0
    return TrialAudit(claimed, allowed, wrong[0], wrong[1], n, lower, gaussian_epsilon(mu, allowed), confidence)
