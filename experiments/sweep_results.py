"""What is asked of a sweep's results, and what they say: tables, and verdicts on the user's claims."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import Count, description
from bandits import clopper_pearson
from experiments.claims import Claim, Interval, mean_interval
from experiments.experiment import NamedTable
from experiments.sweep_fields import nearest
from experiments.sweep_parts import Part

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ClaimSettings",
    "FigureSettings",
    "check_claim",
    "claims_of",
    "difference_of",
    "ends",
    "interval_of",
    "is_proportion",
    "metrics_of",
    "tables",
]

_TABLE_LEVEL, _CLAIM_LEVEL = 0.95, 0.99
_NO_METRICS = ("simulator", "algorithm", "horizon", "replication", "round")


@description
class ClaimSettings:
    """A claim that the user puts to the test: ``[[claims]]`` in a sweep file.

    Parameters
    ----------
    metric : str
        What it is about, at the end of the runs.
    algorithm : str
        Label of an algorithm, or what several begin with before their parentheses: then it is a claim on each.
    relation : {"<=", ">="}
        How the mean stands to the bound.
    bound : float, optional
        What it is compared with; 0 when omitted, which only claims on differences may.
    compared_with : str, optional
        Label of another algorithm: the claim is on the mean of the paired differences, the first less this one.
    simulator : str, optional
        Label of the only simulator that it is about, or what several begin with.
    horizon : int >= 1, optional
        The only horizon that it is about.

    Notes
    -----
    Verdicts go by the whole 99% interval, see `experiments.Claim`, without a correction for many claims: Student's, or
    where the metric is 0 or 1 in all runs that of Clopper and Pearson.
    """

    metric: str
    algorithm: str
    relation: Literal["<=", ">="] = "<="
    bound: Annotated[float, Field(allow_inf_nan=False)] | None = None
    compared_with: str | None = None
    simulator: str | None = None
    horizon: Count | None = None


@description
class FigureSettings:
    """How a sweep is drawn: ``[figures]`` in a sweep file.

    Parameters
    ----------
    metrics : tuple of str, optional
        What is drawn, a figure each; all metrics when omitted.
    x, y : {"linear", "log"}
        The axes.
    """

    metrics: tuple[str, ...] | None = None
    x: Literal["linear", "log"] = "linear"
    y: Literal["linear", "log"] = "linear"


def check_claim(
    claim: ClaimSettings,
    where: str,
    *,
    algorithms: Sequence[Part],
    simulators: Sequence[Part],
    horizons: Sequence[int],
    metrics: Sequence[str] | None,
) -> None:
    """Raise ``ValueError`` for a claim on what the sweep does not run."""
    if claim.bound is None and claim.compared_with is None:
        raise ValueError(f"{where}.bound is missing: only a claim with compared_with has a default, 0")
    if metrics is not None and claim.metric not in metrics:
        raise ValueError(f"{where}.metric = {claim.metric!r}: is not among metrics{nearest(claim.metric, metrics)}")
    if claim.horizon is not None and claim.horizon not in horizons:
        listed = ", ".join(map(str, horizons))
        raise ValueError(f"{where}.horizon = {claim.horizon}: is not among the horizons, {listed}")
    for key, given, parts in (
        ("algorithm", claim.algorithm, algorithms),
        ("compared_with", claim.compared_with, algorithms),
        ("simulator", claim.simulator, simulators),
    ):
        if given is not None and not (found := _meant(given, parts)):
            labels = [part.label for part in parts]
            raise ValueError(f"{where}.{key} = {given!r}: is not in this sweep{nearest(given, labels)}")
        if key == "compared_with" and given is not None and len(found) > 1:
            raise ValueError(f"{where}.{key} = {given!r}: must be one algorithm{nearest('', [p.label for p in found])}")


def claims_of(
    results: pd.DataFrame,
    claims: Sequence[ClaimSettings],
    algorithms: Sequence[Part],
    simulators: Sequence[Part],
    unit: str,
) -> list[Claim]:
    """The verdicts: one for each algorithm, simulator and horizon that a claim is about."""
    found = []
    for claim in claims:
        if claim.metric not in results:
            known = nearest(claim.metric, metrics_of(results))
            raise ValueError(f"claims: no run recorded {claim.metric!r}{known}")
        share = is_proportion(results, claim.metric)
        named = _meant(claim.simulator, simulators) if claim.simulator is not None else list(simulators)
        rival = None if claim.compared_with is None else _meant(claim.compared_with, algorithms)[0].label
        for simulator, horizon, last in ends(results):
            if simulator not in [part.label for part in named] or claim.horizon not in (None, horizon):
                continue
            labels = [part.label for part in _meant(claim.algorithm, algorithms) if part.label != rival]
            found += [
                _claim(claim, last, f"{horizon:,} {unit} of {simulator}", label, rival, share) for label in labels
            ]
    return found


def ends(results: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """The last rows of all runs, for each simulator and horizon."""
    runs = ["simulator", "horizon", "algorithm", "replication"]
    last = results.groupby(runs, sort=False).tail(1)
    for (simulator, horizon), rows in last.groupby(["simulator", "horizon"], sort=False):
        yield simulator, int(horizon), rows


def metrics_of(results: pd.DataFrame) -> list[str]:
    """Names of the metrics: a column with a dot is a field of an algorithm or of a simulator."""
    return [name for name in results.columns if name not in _NO_METRICS and "." not in name]


def is_proportion(results: pd.DataFrame, metric: str) -> bool:
    """Whether a metric is 0 or 1 in all runs, as an error is: then its mean is a chance."""
    return bool(results[metric].dropna().isin([0.0, 1.0]).all())


def interval_of(samples: NDArray[np.float64], level: float, *, proportion: bool = False) -> Interval:
    """The interval of a mean: Student's, or for a chance that of Clopper and Pearson, which has a width without events.

    Where a sample is not finite nothing is known.
    """
    bad = np.count_nonzero(~np.isfinite(samples))
    if bad or not samples.size:
        return Interval(math.inf, -math.inf, math.inf, f"not finite in {bad} of {samples.size} runs")
    if not proportion:
        return mean_interval(samples, level=level)
    low, high = clopper_pearson(int(np.count_nonzero(samples)), samples.size, level)
    return Interval(float(samples.mean()), low, high, f"{level:.0%} Clopper-Pearson")


def difference_of(
    one: NDArray[np.float64], other: NDArray[np.float64], level: float, *, proportion: bool = False
) -> Interval:
    """The interval of the mean of paired differences.

    That of two chances is the chance that only the first is 1 less the chance that only the second is, each within an
    interval of Clopper and Pearson that is too small half as often: together they hold at least as often as said.
    """
    with np.errstate(invalid="ignore"):  # inf less inf is NaN, which is told as not finite
        differences = one - other
    if not proportion or not np.isfinite(differences).all():
        return interval_of(differences, level)
    count, half = differences.size, (1.0 + level) / 2.0
    more_low, more_high = clopper_pearson(int(np.count_nonzero(differences > 0)), count, half)
    less_low, less_high = clopper_pearson(int(np.count_nonzero(differences < 0)), count, half)
    mean = float(differences.mean())
    return Interval(mean, more_low - less_high, more_high - less_low, f"{level:.0%} Clopper-Pearson")


def tables(results: pd.DataFrame, algorithms: Sequence[Part], unit: str) -> list[NamedTable]:
    """For each simulator and horizon: means of the metrics at the end, and differences to the first algorithm."""
    first, names = algorithms[0].label, metrics_of(results)
    columns = ["algorithm"]
    for metric in names:
        columns += [metric, f"{_TABLE_LEVEL:.0%} interval", f"less that of {first}", f"{_TABLE_LEVEL:.0%} interval"]
    proportions = {metric: is_proportion(results, metric) for metric in names}
    found = []
    for simulator, horizon, last in ends(results):
        rows = []
        for part in algorithms:
            row = [part.label]
            for metric in names:
                own, others = _samples(last, part.label, metric), _samples(last, first, metric)
                row += _entries(interval_of(own, _TABLE_LEVEL, proportion=proportions[metric]), own)
                if part.label == first:
                    row += ["", ""]
                else:
                    found_difference = difference_of(own, others, _TABLE_LEVEL, proportion=proportions[metric])
                    row += _entries(found_difference, own, others)
            rows.append(row)
        count = last["replication"].nunique()
        runs = "1 run" if count == 1 else f"means of {count:,} runs"
        found.append(NamedTable(f"{simulator}, {horizon:,} {unit}: {runs}, and paired differences", columns, rows))
    return found


def _entries(found: Interval, *samples: NDArray[np.float64]) -> list[str]:
    """A mean and its interval; empty where the metric of one of the samples is not recorded."""
    from experiments.report import format_number

    if any(np.isnan(each).all() for each in samples):
        return ["", ""]
    if not math.isfinite(found.estimate):
        return ["", found.method]
    if samples[0].size == 1:
        return [format_number(found.estimate), "one run"]
    return [format_number(found.estimate), f"[{format_number(found.low)}, {format_number(found.high)}]"]


def _samples(last: pd.DataFrame, algorithm: str, metric: str) -> NDArray[np.float64]:
    """A metric at the end of each replication, by its number."""
    rows = last[last["algorithm"] == algorithm].sort_values("replication")
    return np.asarray(rows[metric], dtype=np.float64)


def _meant(given: str, parts: Sequence[Part]) -> list[Part]:
    """The part with a label, or all that a name of the file stands for."""
    exact = [part for part in parts if part.label == given]
    return exact or [part for part in parts if part.name == given]


def _claim(
    claim: ClaimSettings, last: pd.DataFrame, where: str, one: str, other: str | None, proportion: bool
) -> Claim:
    own = _samples(last, one, claim.metric)
    if other is None:
        measured = interval_of(own, _CLAIM_LEVEL, proportion=proportion)
    else:
        measured = difference_of(own, _samples(last, other, claim.metric), _CLAIM_LEVEL, proportion=proportion)
    bound: Any = 0.0 if claim.bound is None else claim.bound
    rival = "" if other is None else f" less that of {other}"
    statement = f"mean {claim.metric} of {one}{rival} {claim.relation} {bound:g} after {where}"
    return Claim(statement, measured, claim.relation, bound)
