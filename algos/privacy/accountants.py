"""What a run of Gaussian releases costs, and how much noise a budget asks for.

Noise multipliers are standard deviations over the sensitivity under the adjacency at hand: with sums clipped to C that
is C when records are added or removed, and 2 C when one is replaced. Full batches are accounted exactly (GDP); sampled
ones by `dp_accounting`, by privacy loss distributions (PLD) or Renyi divergences (RDP), or by our own RDP of whole
orders.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from algos.contracts import whole_number
from algos.privacy.budgets import (
    Adjacency,
    check_adjacency,
    check_delta,
    check_epsilon,
    check_noise_multiplier,
    is_number,
)
from algos.privacy.composition import rdp_epsilon, sampled_gaussian_rdp
from algos.privacy.gaussian import composed_mu, gaussian_epsilon, gaussian_mu, gaussian_sigma

__all__ = [
    "Accountant",
    "GaussianReleases",
    "PrivacySpent",
    "Sampling",
    "calibrate_noise",
    "compose",
    "least_multiplier",
]

Accountant = Literal["auto", "gdp", "pld", "rdp", "rdp_whole_orders"]
Sampling = Literal["full", "poisson", "wor"]

_ORDERS = tuple(range(2, 257))


@dataclass(frozen=True)
class GaussianReleases:
    """Several Gaussian releases of one kind.

    Parameters
    ----------
    noise_multiplier : float > 0
        z, standard deviation over sensitivity; finite.
    count : int >= 0
        How many.
    rate : float in (0, 1]
        Share of the records in a batch; 1 is all of them.
    """

    noise_multiplier: float
    count: int = 1
    rate: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise_multiplier", check_noise_multiplier(self.noise_multiplier))
        whole_number(self.count, "count", 0)
        if not is_number(self.rate) or not 0.0 < self.rate <= 1.0:
            raise ValueError(f"rate: {self.rate!r} is not a number in (0, 1]")


@dataclass(frozen=True)
class PrivacySpent:
    """A budget, and all that must be said with it.

    Parameters
    ----------
    epsilon, delta : float
    adjacency : {"replace_one", "add_remove"}
    sampling : {"full", "poisson", "wor"}
        How batches were drawn.
    accountant : str
        How the budget was computed.
    """

    epsilon: float
    delta: float
    adjacency: Adjacency
    sampling: Sampling
    accountant: str

    def __str__(self) -> str:
        unit = "one record's values" if self.adjacency == "replace_one" else "one record's presence"
        batches = {"full": "all records in every release", "poisson": "Poisson batches", "wor": "batches of fixed size"}
        return (
            f"({self.epsilon:.6g}, {self.delta:g})-differentially private for {unit} ({self.adjacency}), "
            f"{batches[self.sampling]}, accounted by {self.accountant}"
        )


def compose(
    releases: Sequence[GaussianReleases],
    delta: float,
    *,
    adjacency: Adjacency,
    sampling: Sampling = "full",
    accountant: Accountant = "auto",
    n_records: int | None = None,
) -> PrivacySpent:
    """What releases cost together, later ones chosen after seeing earlier ones included.

    Parameters
    ----------
    releases : sequence of GaussianReleases
    delta : float in (0, 1)
    adjacency : {"replace_one", "add_remove"}
    sampling : {"full", "poisson", "wor"}
        Of releases with a rate below 1: each record independently, or a batch of fixed size without replacement, which
        is accounted for ``replace_one`` alone. Batches of shuffled epochs are neither.
    accountant : {"auto", "gdp", "pld", "rdp", "rdp_whole_orders"}
        "auto" is exact for full batches, PLD for Poisson batches, RDP for batches of fixed size.
    n_records : int, optional
        Needed for "wor".

    Raises
    ------
    ValueError
        When the releases cannot be accounted soundly that way.

    Examples
    --------
    >>> print(compose([GaussianReleases(2.0, 1), GaussianReleases(4.0, 4)], 1e-5, adjacency="replace_one"))
    (2.94323, 1e-05)-differentially private for one record's values (replace_one), all records in every release, \
accounted by gdp
    """
    check_delta(delta)
    check_adjacency(adjacency)
    if sampling not in ("full", "poisson", "wor"):
        raise ValueError(f"sampling: {sampling!r} is not one of full, poisson, wor")
    kept = tuple(release for release in releases if release.count > 0)
    sampled = any(release.rate < 1.0 for release in kept)
    if sampled and sampling == "full":
        raise ValueError("sampling: releases with a rate below 1 are not of full batches; say 'poisson' or 'wor'")
    name = accountant if accountant != "auto" else "gdp" if not sampled else "pld" if sampling == "poisson" else "rdp"
    how: Sampling = sampling if sampled else "full"
    if name == "gdp":
        if sampled:
            raise ValueError("accountant: 'gdp' is exact for full batches alone")
        mu = composed_mu((release.noise_multiplier, release.count) for release in kept)
        return PrivacySpent(gaussian_epsilon(mu, delta), delta, adjacency, how, name)
    if name == "rdp_whole_orders":
        if adjacency != "add_remove" and sampled:
            raise ValueError("adjacency: 'rdp_whole_orders' accounts Poisson batches for 'add_remove' alone")
        totals = [
            math.fsum(one.count * sampled_gaussian_rdp(one.rate, one.noise_multiplier, a) for one in kept)
            for a in _ORDERS
        ]
        return PrivacySpent(rdp_epsilon(_ORDERS, totals, delta), delta, adjacency, how, name)
    if name not in ("pld", "rdp"):
        raise ValueError(f"accountant: {accountant!r} is not one of auto, gdp, pld, rdp, rdp_whole_orders")
    if how == "wor" and (name != "rdp" or adjacency != "replace_one"):
        raise ValueError("sampling: 'wor' is accounted by 'rdp' for 'replace_one' alone")
    if how == "wor" and n_records is None:
        raise ValueError("n_records: is needed for batches of fixed size")
    if name == "rdp" and how == "poisson" and adjacency == "replace_one":
        raise ValueError("adjacency: 'rdp' accounts Poisson batches for 'add_remove' alone; take 'pld'")
    records = 0 if n_records is None else whole_number(n_records, "n_records", 1)
    return PrivacySpent(_library_epsilon(kept, delta, adjacency, how, name, records), delta, adjacency, how, name)


def calibrate_noise(
    target_epsilon: float,
    delta: float,
    sensitivity: float = 1.0,
    *,
    count: int = 1,
    rate: float = 1.0,
    adjacency: Adjacency = "replace_one",
    sampling: Sampling = "full",
    accountant: Accountant = "auto",
    n_records: int | None = None,
    tolerance: float = 1e-5,
) -> float:
    """Standard deviation of the noise with which so many releases keep the budget.

    Parameters
    ----------
    target_epsilon : float > 0
        inf: no noise.
    delta : float in (0, 1)
    sensitivity : float > 0
        Under the adjacency.
    count, rate
        Releases, and share of the records in each; one release of all records when omitted, which is `gaussian_sigma`.
    adjacency, sampling, accountant, n_records
        As for `compose`.
    tolerance : float > 0
        Relative; the noise is never too little.

    Examples
    --------
    >>> round(calibrate_noise(1.0, 1e-5), 6), round(calibrate_noise(1.0, 1e-5, count=100), 6)
    (3.730632, 37.306316)
    """
    check_epsilon(target_epsilon)
    if not is_number(sensitivity) or not 0.0 < sensitivity < math.inf:
        raise ValueError(f"sensitivity: {sensitivity!r} is not a number in (0, inf)")
    releases = whole_number(count, "count", 1)
    if target_epsilon == math.inf:
        return 0.0
    if rate == 1.0 and accountant in ("auto", "gdp"):
        check_adjacency(adjacency)
        if releases == 1:
            return gaussian_sigma(target_epsilon, delta, sensitivity=sensitivity)
        return sensitivity * math.sqrt(releases) / gaussian_mu(target_epsilon, delta)

    def epsilon(z: float) -> float:
        return compose(
            [GaussianReleases(z, releases, rate)],
            delta,
            adjacency=adjacency,
            sampling=sampling,
            accountant=accountant,
            n_records=n_records,
        ).epsilon

    return sensitivity * least_multiplier(epsilon, target_epsilon, tolerance)


def least_multiplier(epsilon: Any, target: float, tolerance: float) -> float:
    """The least noise multiplier, up to a relative tolerance from above, whose epsilon is at most the target."""
    low, high = 0.0, 1.0
    while epsilon(high) > target:
        low, high = high, 2.0 * high
        if high > 1e12:
            raise ValueError(f"target_epsilon: {target} needs more noise than 1e12 times the sensitivity")
    if low == 0.0:
        low = 0.5
        while epsilon(low) <= target:
            low, high = 0.5 * low, low
            if low < 1e-3:
                return high
    while high > low * (1.0 + tolerance):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if epsilon(middle) <= target else (middle, high)
    return high


@lru_cache(maxsize=4096)
def _library_epsilon(
    releases: tuple[GaussianReleases, ...],
    delta: float,
    adjacency: Adjacency,
    sampling: Sampling,
    name: str,
    records: int,
) -> float:
    import dp_accounting as da
    from dp_accounting import pld, rdp

    replaced = adjacency == "replace_one"
    relation = da.NeighboringRelation.REPLACE_ONE if replaced else da.NeighboringRelation.ADD_OR_REMOVE_ONE
    events = []
    for release in releases:
        # For replaced records PLD takes the multiplier relative to one record's part, which is half the sensitivity.
        z = 2.0 * release.noise_multiplier if replaced and name == "pld" else release.noise_multiplier
        event = da.GaussianDpEvent(z)
        if release.rate < 1.0 and sampling == "wor":
            event = da.SampledWithoutReplacementDpEvent(records, round(release.rate * records), event)
        elif release.rate < 1.0:
            event = da.PoissonSampledDpEvent(release.rate, event)
        events.append(da.SelfComposedDpEvent(event, release.count))
    accountant = rdp.RdpAccountant(neighboring_relation=relation) if name == "rdp" else pld.PLDAccountant(relation)
    log = logging.getLogger("absl")  # skipped orders are reported there, which is harmless
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        return float(accountant.compose(da.ComposedDpEvent(events)).get_epsilon(delta))
    finally:
        log.setLevel(before)
