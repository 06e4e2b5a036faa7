"""Upper bounds put to the test by `paging_succinct`, and how its results are looked up.

A bound on an expectation is compared with the mean of each cell, one that holds on every run with all runs; the claim
is about the cell or the run that comes closest to its bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from experiments.claims import Claim, Interval, exact, mean_interval
from online.paging import (
    blind_oracle_bound,
    blind_oracle_sharper_bound,
    clock_bound,
    combine_deterministic_bound,
    combine_randomized_bound,
    fifo_bound,
    flush_when_all_zeros_bound,
    flush_when_full_bound,
    guard_bound,
    harmonic_number,
    lru_bound,
    mark0_bound,
    mark_and_predict_bound,
    mark_and_predict_clean_bound,
    mark_and_predict_deterministic_bound,
    mark_and_predict_robustness,
    marker_bound,
    online_min_bound,
    predictive_marker_bound,
    random_eviction_bound,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CELL", "main_size", "mean_of", "of", "perfect", "succinct_traces", "upper_bounds"]

CELL = ["trace", "pages", "predictor", "level", "algorithm"]
"""What tells the runs of one policy in one setting from others."""
_WORLD = ["trace", "pages", "replication"]
_BOUND_BY = ["optimum", "clean", "eta0", "eta1", "eta", "instance_bound", "pages"]


class _Bound(NamedTuple):
    """A theorem about a policy's faults: the bound of a run, from its optimum, errors, clean pages and k."""

    algorithm: str
    statement: str
    guarantee: str
    of: Callable[[Any], float]
    expected: bool = True  # it bounds the mean, not each run


_BOUNDS = (
    _Bound("LRU", "faults <= k OPT", "lru_bound", lambda r: lru_bound(r.optimum, r.pages), False),
    _Bound("FIFO", "faults <= k OPT", "fifo_bound", lambda r: fifo_bound(r.optimum, r.pages), False),
    _Bound("Clock", "faults <= k OPT", "clock_bound", lambda r: clock_bound(r.optimum, r.pages), False),
    _Bound(
        "FlushWhenFull",
        "faults <= k OPT",
        "flush_when_full_bound",
        lambda r: flush_when_full_bound(r.optimum, r.pages),
        False,
    ),
    _Bound(
        "RandomEviction",
        "E[faults] <= k OPT",
        "random_eviction_bound",
        lambda r: random_eviction_bound(r.optimum, r.pages),
    ),
    _Bound("Marker", "E[faults] <= 2 H_k OPT", "marker_bound", lambda r: marker_bound(r.optimum, r.pages)),
    _Bound("OnlineMin", "E[faults] <= H_k OPT", "online_min_bound", lambda r: online_min_bound(r.optimum, r.pages)),
    _Bound(
        "FlushWhenAllZeros",
        "faults <= OPT + (k-1) eta0 + eta1",
        "flush_when_all_zeros_bound",
        lambda r: flush_when_all_zeros_bound(r.optimum, r.eta0, r.eta1, r.pages),
        False,
    ),
    _Bound(
        "Mark0",
        "E[faults] <= OPT + 2 H_k eta0 + eta1",
        "mark0_bound",
        lambda r: mark0_bound(r.optimum, r.eta0, r.eta1, r.pages),
    ),
    _Bound("Mark0", "E[faults] <= the bound of the very requests", "mark0_instance_bound", lambda r: r.instance_bound),
    _Bound(
        "Mark0 eager",
        "E[faults] <= OPT + 2 H_k eta0 + eta1",
        "mark0_bound",
        lambda r: mark0_bound(r.optimum, r.eta0, r.eta1, r.pages),
    ),
    _Bound("DiscardBitGuard", "E[faults] <= (2 H_k + 2) OPT", "guard_bound", lambda r: guard_bound(r.optimum, r.pages)),
    _Bound(
        "MarkAndPredict",
        "E[faults] <= 2 OPT + (H_k - 1) eta0 + eta1",
        "mark_and_predict_bound",
        lambda r: mark_and_predict_bound(r.optimum, r.eta0, r.eta1, r.pages),
    ),
    _Bound(
        "MarkAndPredict",
        "E[faults] <= clean pages + (H_k - 1) eta0 + eta1",
        "mark_and_predict_clean_bound",
        lambda r: mark_and_predict_clean_bound(r.clean, r.eta0, r.eta1, r.pages),
    ),
    _Bound(
        "MarkAndPredict",
        "E[faults] <= 4 H_ceil(k/2) OPT",
        "mark_and_predict_robustness",
        lambda r: mark_and_predict_robustness(r.optimum, r.pages),
    ),
    _Bound(
        "MarkAndPredict deterministic",
        "faults <= 2 OPT + (k-1) eta0 + eta1",
        "mark_and_predict_deterministic_bound",
        lambda r: mark_and_predict_deterministic_bound(r.optimum, r.eta0, r.eta1, r.pages),
        False,
    ),
    _Bound(
        "FollowThePrediction",
        "faults <= min(OPT + 2 eta, 4 OPT + 4 eta / (k-1))",
        "blind_oracle_bound",
        lambda r: blind_oracle_bound(r.optimum, r.eta, r.pages),
        False,
    ),
    _Bound(
        "FollowThePrediction",
        "faults <= min(OPT + eta, 3 OPT + 3 eta / k)",
        "blind_oracle_sharper_bound",
        lambda r: blind_oracle_sharper_bound(r.optimum, r.eta, r.pages),
        False,
    ),
    _Bound(
        "PredictiveMarker",
        "E[faults] <= min(2 + 2 sqrt(5 eta / OPT), 4 H_k) OPT",
        "predictive_marker_bound",
        lambda r: predictive_marker_bound(r.optimum, r.eta, r.pages),
    ),
    _Bound("Guard", "E[faults] <= (2 H_k + 2) OPT", "guard_bound", lambda r: guard_bound(r.optimum, r.pages)),
)


def upper_bounds(runs: pd.DataFrame) -> Iterator[Claim]:
    """The claim of every upper bound."""
    for bound in _BOUNDS:
        yield _upper(bound, runs)
    yield from _combinations(runs)
    yield from _prices(runs)


def _upper(bound: _Bound, runs: pd.DataFrame) -> Claim:
    """The largest share of the bound: of all runs, or of the means of all cells; perfect predictions apart."""
    mine = of(runs, algorithm=bound.algorithm)
    mine = mine[~perfect(mine)]
    if bound.guarantee == "mark0_instance_bound":
        mine = mine[mine["predictor"] != "constant"]  # there it is met with equality, which a sample cannot decide
    inputs = mine[_BOUND_BY].fillna(0.0)  # a bound that has no value is not asked for
    known = {tuple(row): bound.of(row) for row in inputs.drop_duplicates().itertuples(index=False)}
    shares = mine["faults"] / [known[tuple(row)] for row in inputs.itertuples(index=False)]
    statement = f"{bound.algorithm}: {bound.statement}; largest share of the bound, at "
    if bound.expected:
        place, measured = _largest(shares, mine)
        return Claim(statement + place, measured, "<=", 1.0, bound.guarantee)
    worst = shares.idxmax()
    place = next(_cells(shares.loc[[worst]], mine.loc[[worst]].assign(random=False)))[0]
    return Claim(statement + place, exact(float(shares.loc[worst])), "<=", 1.0, bound.guarantee)


def _combinations(runs: pd.DataFrame) -> Iterator[Claim]:
    """Combinations of two policies, against what these two had in the same worlds."""
    statement = "{}: {}faults <= (2 + gamma) L + 2 + k (3 + log L), L those of the better policy"
    mine = of(runs, algorithm="RobustFlushWhenAllZeros", predictor=("flips", "adversary"))
    keys = [*_WORLD, "predictor", "level"]
    first = of(runs, algorithm="FlushWhenAllZeros").set_index(keys)["faults"]
    second = of(runs, algorithm="LRU").groupby(["trace", "pages"])["faults"]
    second_of = {key: dict(zip(_replications(runs, sample), sample, strict=True)) for key, sample in second}
    shares = []
    for row in mine.itertuples():
        lru = second_of[row.trace, row.pages]
        best = min(
            first[row.trace, row.pages, row.replication, row.predictor, row.level], lru.get(row.replication, lru[0])
        )
        shares.append(row.faults / combine_deterministic_bound(float(best), row.pages))
    yield Claim(
        statement.format("RobustFlushWhenAllZeros", "") + "; largest share of the bound",
        exact(max(shares)),
        "<=",
        1.0,
        "combine_deterministic_bound",
    )
    for name, part in (
        ("RobustMark0", "Mark0"),
        ("RobustFtP", "FollowThePrediction"),
        ("RobustLNonMarker", "LNonMarker"),
    ):
        mine = of(runs, algorithm=name)
        marker = of(runs, algorithm="Marker").groupby(["trace", "pages"])["faults"].mean()
        parts = of(runs, algorithm=part).groupby(CELL[:4])["faults"].mean()
        bounds = [
            combine_randomized_bound(
                min(parts[r.trace, r.pages, r.predictor, r.level], marker[r.trace, r.pages]), r.pages
            )
            for r in mine.itertuples()
        ]
        place, measured = _largest(mine["faults"] / bounds, mine)
        yield Claim(
            f"{name}: E[faults] <= (1 + k delta) (ln 2 + L ln(1/(1-delta))) / delta, L the smaller mean of {part} and "
            f"Marker; largest share of the bound, at {place}",
            measured,
            "<=",
            1.0,
            "combine_randomized_bound",
        )


def _replications(runs: pd.DataFrame, sample: pd.Series) -> list[int]:
    return [int(number) for number in runs.loc[sample.index, "replication"]]


def _prices(runs: pd.DataFrame) -> Iterator[Claim]:
    """Extra faults a wrong bit, when only one kind of bit is wrong."""
    sides = (
        ("FlushWhenAllZeros", "wrong 0s", "eta0", "k - 1", "flush_when_all_zeros_bound", lambda k: k - 1.0),
        ("FlushWhenAllZeros", "wrong 1s", "eta1", "1", "flush_when_all_zeros_bound", lambda k: 1.0),
        ("Mark0", "wrong 0s", "eta0", "2 H_k", "mark0_bound", lambda k: 2.0 * harmonic_number(k)),
        ("Mark0", "wrong 1s", "eta1", "1", "mark0_bound", lambda k: 1.0),
        (
            "MarkAndPredict",
            "wrong 0s",
            "eta0",
            "H_k - 1",
            "mark_and_predict_clean_bound",
            lambda k: harmonic_number(k) - 1,
        ),
        ("MarkAndPredict", "wrong 1s", "eta1", "1", "mark_and_predict_clean_bound", lambda k: 1.0),
    )
    for name, side, eta, price, guarantee, most in sides:
        mine = of(runs, algorithm=name, predictor=side)
        start = mine["clean"] if name == "MarkAndPredict" else mine["optimum"]
        paid = (mine["faults"] - start) / mine[eta] / mine["pages"].map(most)
        place, measured = _largest(paid, mine)
        yield Claim(
            f"{name}: one of the {side} costs at most {price} faults; largest mean price as a share of it, at {place}",
            measured,
            "<=",
            1.0,
            guarantee,
        )


def of(results: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """The rows whose columns have these values; a tuple names several."""
    keep = np.ones(len(results), dtype=bool)
    for column, value in wanted.items():
        keep &= results[column].isin(value if isinstance(value, tuple) else (value,)).to_numpy()
    return results[keep]


def mean_of(values: pd.Series, runs: pd.DataFrame, *, level: float = 0.99) -> Interval:
    """Interval of the mean over the runs of one cell; a number that no draw decides is exact."""
    if not runs["random"].any():
        return exact(float(values.iloc[0]))
    return mean_interval(values, level=level)


def perfect(runs: pd.DataFrame) -> pd.Series:
    """Which rows had true predictions."""
    return runs["predictor"].isin(["flips", "lognormal"]) & (runs["level"] == 0.0)


def _cells(values: pd.Series, runs: pd.DataFrame) -> Iterator[tuple[str, Interval]]:
    """For each cell of the runs what to call it, and the mean there."""
    frame = runs[[*CELL, "random"]].assign(value=values)
    for (trace, k, predictor, level, _), sample in frame.groupby(CELL, sort=False):
        place = f"{trace}, k = {k:,}"
        if predictor != "none":
            place += f", {predictor}"
            place += "" if predictor in ("POPU", "PLECO", "random", "reversed") else f" {level:g}"
        yield place, mean_of(sample["value"], sample)


def _largest(values: pd.Series, runs: pd.DataFrame) -> tuple[str, Interval]:
    return max(_cells(values, runs), key=lambda cell: cell[1].estimate)


def _least(values: pd.Series, runs: pd.DataFrame) -> tuple[str, Interval]:
    return min(_cells(values, runs), key=lambda cell: cell[1].estimate)


def succinct_traces(runs: pd.DataFrame) -> list[str]:
    """Traces with flipped bits of every probability."""
    return list(dict.fromkeys(of(runs, predictor="flips", level=0.5)["trace"]))


def main_size(runs: pd.DataFrame, trace: str) -> int:
    """The cache size at which a trace meets all predictions."""
    predicted = of(runs, trace=trace, predictor=("flips", "lognormal"))
    return int(predicted["pages"].iloc[0])
