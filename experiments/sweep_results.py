"""What is asked of a sweep's results, and what they say: tables, and verdicts on the user's claims."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import Count, description
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
    "ends",
    "finite_interval",
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
    Verdicts go by the whole 99% interval, see `experiments.Claim`, without a correction for many claims.
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
        named = _meant(claim.simulator, simulators) if claim.simulator is not None else list(simulators)
        rival = None if claim.compared_with is None else _meant(claim.compared_with, algorithms)[0].label
        for simulator, horizon, last in ends(results):
            if simulator not in [part.label for part in named] or claim.horizon not in (None, horizon):
                continue
            labels = [part.label for part in _meant(claim.algorithm, algorithms) if part.label != rival]
            found += [_claim(claim, last, f"{horizon:,} {unit} of {simulator}", label, rival) for label in labels]
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


def finite_interval(samples: NDArray[np.float64], level: float) -> Interval:
    """The interval of a mean; the whole line where a sample is not finite."""
    if samples.size and np.isfinite(samples).all():
        return mean_interval(samples, level=level)
    bad = np.count_nonzero(~np.isfinite(samples))
    return Interval(math.inf, -math.inf, math.inf, f"not finite in {bad} of {samples.size} runs")


def tables(results: pd.DataFrame, algorithms: Sequence[Part], unit: str) -> list[NamedTable]:
    """For each simulator and horizon: means of the metrics at the end, and differences to the first algorithm."""
    first, names = algorithms[0].label, metrics_of(results)
    columns = ["algorithm"]
    for metric in names:
        columns += [metric, f"{_TABLE_LEVEL:.0%} interval", f"less that of {first}", f"{_TABLE_LEVEL:.0%} interval"]
    found = []
    for simulator, horizon, last in ends(results):
        rows = []
        for part in algorithms:
            row = [part.label]
            for metric in names:
                row += _entries(_samples(last, part.label, metric))
                both = part.label != first
                row += _entries(_differences(last, part.label, first, metric)) if both else ["", ""]
            rows.append(row)
        count = last["replication"].nunique()
        runs = "1 run" if count == 1 else f"means of {count:,} runs"
        found.append(NamedTable(f"{simulator}, {horizon:,} {unit}: {runs}, and paired differences", columns, rows))
    return found


def _entries(samples: NDArray[np.float64]) -> list[str]:
    """The mean and its interval; empty where the metric is not recorded."""
    from experiments.report import format_number

    if np.isnan(samples).all():
        return ["", ""]
    found = finite_interval(samples, _TABLE_LEVEL)
    if not math.isfinite(found.estimate):
        return ["", found.method]
    if samples.size == 1:
        return [format_number(found.estimate), "one run"]
    return [format_number(found.estimate), f"[{format_number(found.low)}, {format_number(found.high)}]"]


def _samples(last: pd.DataFrame, algorithm: str, metric: str) -> NDArray[np.float64]:
    """A metric at the end of each replication, by its number."""
    rows = last[last["algorithm"] == algorithm].sort_values("replication")
    return np.asarray(rows[metric], dtype=np.float64)


def _differences(last: pd.DataFrame, one: str, other: str, metric: str) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # inf less inf is NaN, which is told as not finite
        return _samples(last, one, metric) - _samples(last, other, metric)


def _meant(given: str, parts: Sequence[Part]) -> list[Part]:
    """The part with a label, or all that a name of the file stands for."""
    exact = [part for part in parts if part.label == given]
    return exact or [part for part in parts if part.name == given]


def _claim(claim: ClaimSettings, last: pd.DataFrame, where: str, one: str, other: str | None) -> Claim:
    if claim.metric not in last:
        known = nearest(claim.metric, metrics_of(last))
        raise ValueError(f"claims: no run recorded {claim.metric!r}{known}")
    samples = _samples(last, one, claim.metric) if other is None else _differences(last, one, other, claim.metric)
    bound: Any = 0.0 if claim.bound is None else claim.bound
    rival = "" if other is None else f" less that of {other}"
    statement = f"mean {claim.metric} of {one}{rival} {claim.relation} {bound:g} after {where}"
    return Claim(statement, finite_interval(samples, _CLAIM_LEVEL), claim.relation, bound)
