"""What the replays of a comparison say: tables, sentences, and the guarantees held against them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.claims import Claim, Interval, exact, mean_interval
from experiments.comparison_bounds import IDENTITIES, UPPER_BOUNDS, Replay, least_bound
from experiments.experiment import NamedTable
from online.paging import lru_augmentation_bound

if TYPE_CHECKING:
    import pandas as pd

    from experiments.trace_comparison import TraceComparison

__all__ = ["OPTIMUM", "claims", "curves_of", "policy_label", "replays_of", "summary", "table", "tables"]

OPTIMUM = "Belady (offline optimum)"
"""What tables and plots call it."""


def policy_label(algorithm: str, told: str) -> str:
    """What tables and plots call a policy that is told something."""
    if algorithm == "Belady":
        return OPTIMUM
    return f"{algorithm}, {told}" if told else algorithm


def replays_of(results: pd.DataFrame) -> pd.DataFrame:
    """The rows of the replays, without those of the curves."""
    if "curve" not in results:
        return results
    rows = results[results["curve"].isna()].drop(columns="curve")
    whole = ["cache_size", "replication", "requests", "pages", "faults", "optimum", "all_faults", "all_optimum"]
    return rows.astype(dict.fromkeys(whole, np.int64))


def curves_of(results: pd.DataFrame) -> pd.DataFrame:
    """The rows of the curves: trace, algorithm, cache_size, requests, faults; none when there are no curves."""
    columns = ["trace", "algorithm", "cache_size", "requests", "faults"]
    rows = results[results["curve"].notna()] if "curve" in results else results[:0]
    return rows[columns].astype(dict.fromkeys(columns[2:], np.int64))


def table(comparison: TraceComparison, results: pd.DataFrame) -> pd.DataFrame:
    """One row a trace, size, policy and what it is told: means over the replications.

    Columns: trace, cache_size, algorithm, told (a label), policy (a label), kinds (of predictions, sorted), right
    (no prediction was wrong), faults, deviation, miss_ratio, ratio (to the optimum), eta0, eta1, eta, bound (the least
    one, on all requests, as a multiple of the optimum; inf without).
    """
    import pandas as pd

    rows = []
    for (trace, k, name, told), sample in _cells(comparison, replays_of(results)):
        faults = sample["faults"]
        mean, opt = float(faults.mean()), float(sample["optimum"].iloc[0])
        all_opt = float(sample["all_optimum"].iloc[0])
        bounds = [least_bound(name, replay) for replay in _replays(sample, k)]
        rows.append(
            {
                "trace": trace,
                "cache_size": k,
                "algorithm": name,
                "told": told,
                "policy": policy_label(name, told),
                "kinds": tuple(sorted(comparison.policies[name](cache_size=k).reads())),
                "right": all(replay.predicted_right for replay in _replays(sample, k)),
                "faults": mean,
                "deviation": float(faults.std(ddof=1)) if len(faults) > 1 else 0.0,
                "miss_ratio": mean / float(sample["requests"].iloc[0]),
                "ratio": mean / opt if opt else math.inf if mean else 1.0,
                "bound": float(np.mean(bounds)) / all_opt,
            }
            | {eta: float(sample[eta].mean()) for eta in ("eta0", "eta1", "eta")}
        )
    return pd.DataFrame(rows)


def tables(comparison: TraceComparison, results: pd.DataFrame) -> list[NamedTable]:
    """One table a trace and cache size, the best policy first; errors and bounds only where there are any."""
    summed = table(comparison, results)
    shown = [name for name in ("eta0", "eta1", "eta") if summed[name].notna().any()]
    headings = ("policy", "faults", "sd", "miss ratio", "faults / optimum", "bound / optimum", *shown)
    made = []
    for (trace, k), rows in summed.groupby(["trace", "cache_size"], sort=False):
        entries = [
            (
                row.policy,
                f"{row.faults:,.1f}".removesuffix(".0"),
                f"{row.deviation:,.1f}" if row.deviation else "",
                f"{row.miss_ratio:.4f}",
                f"{row.ratio:.3f}",
                f"{row.bound:,.3f}" if math.isfinite(row.bound) else "",
                *(_error(getattr(row, name)) for name in shown),
            )
            for row in rows.sort_values("faults", kind="stable").itertuples()
        ]
        made.append(NamedTable(comparison.caption(str(trace), int(k)), headings, entries))
    return made


def summary(comparison: TraceComparison, results: pd.DataFrame) -> list[str]:
    """For each trace: the policies without and with predictions that served it best, at which sizes, and how well."""
    summed = table(comparison, results)
    plain = summed[(summed["kinds"].map(len) == 0) & (summed["algorithm"] != "Belady")]
    # True predictions are the optimum in disguise: only those that err say what predictions are worth.
    told = summed[(summed["kinds"].map(len) > 0) & ~summed["right"]]
    sentences = []
    for trace in summed["trace"].unique():
        for rows, what in ((plain, "without predictions"), (told, "with predictions that err")):
            if (mine := rows[rows["trace"] == trace]).empty:
                continue
            best = mine.loc[mine.groupby("cache_size")["faults"].idxmin()]
            winners = []
            for policy, won in best.groupby("policy", sort=False):
                sizes = ", ".join(f"{size:,}" for size in won["cache_size"])
                ratios = sorted({f"{ratio:.3f}" for ratio in won["ratio"]}, key=float)
                span = ratios[0] if len(ratios) == 1 else f"{ratios[0]} to {ratios[-1]}"
                winners.append(f"{policy} with {sizes} pages ({span} times the optimum's faults)")
            sentences.append(f"{trace}, served best {what} by {'; by '.join(winners)}.")
    return sentences


def claims(comparison: TraceComparison, results: pd.DataFrame) -> list[Claim]:
    """Each bound at the trace and size where the policy came closest to it; what must be equal; what cannot be."""
    replays = replays_of(results)
    found: list[Claim] = []
    for label, cells in _by_policy(comparison, replays).items():
        found += _bounds_kept(comparison, label, cells)
    least = float((replays["all_faults"] / replays["all_optimum"]).min())
    found.append(Claim("No run has fewer faults than the optimum; least faults / OPT", exact(least), ">=", 1.0))
    clean = float((replays["clean_pages"] / replays["all_optimum"]).max())
    found.append(
        Claim(
            "Clean pages of all k-phases <= 2 OPT; most clean pages / OPT", exact(clean), "<=", 2.0, "clean_page_bound"
        )
    )
    return found + _curve_claims(replays, curves_of(results), counts_all=not any(comparison.warmup))


_Cells = list[tuple[str, str, int, "pd.DataFrame"]]  # algorithm, trace, cache size, rows


def _bounds_kept(comparison: TraceComparison, label: str, cells: _Cells) -> list[Claim]:
    """The claims of one policy with one kind of predictions."""
    found = []
    name = cells[0][0]
    equality = IDENTITIES.get(name)
    right = [equality is not None and all(r.predicted_right for r in _replays(sample, k)) for *_, k, sample in cells]
    for check in UPPER_BOUNDS.get(name, ()):
        tightest: tuple[Interval, str] | None = None
        for (_, trace, k, sample), is_right in zip(cells, right, strict=True):
            if is_right:
                continue
            bounds = np.array([check.value(replay) for replay in _replays(sample, k)])
            shares = sample["all_faults"].to_numpy(dtype=np.float64) / bounds
            # Without draws of its own a policy keeps its bound on every run, not only on average.
            draws = comparison.policies[name](cache_size=k).draws()
            measured = mean_interval(shares) if draws else exact(float(shares.max()))
            if tightest is None or measured.estimate > tightest[0].estimate:
                tightest = measured, f"{trace}, k = {k}"
        if tightest is not None:
            statement = f"{label}: {check.statement}; largest share of the bound, at {tightest[1]}"
            found.append(Claim(statement, tightest[0], "<=", 1.0, check.guarantee))
    if equality is not None and any(right):
        excess = max(
            abs(faults - equality.value(replay))
            for (_, _, k, sample), is_right in zip(cells, right, strict=True)
            if is_right
            for faults, replay in zip(sample["all_faults"], _replays(sample, k), strict=True)
        )
        statement = f"{label}: {equality.statement}; largest difference"
        found.append(Claim(statement, exact(float(excess)), "=", 0.0, equality.guarantee))
    return found


def _curve_claims(replays: pd.DataFrame, curves: pd.DataFrame, *, counts_all: bool) -> list[Claim]:
    """That curves and replays agree, and what theory says of LRU with more pages than the optimum."""
    if curves.empty:
        return []
    keys = ["trace", "algorithm", "cache_size"]
    both = replays.merge(curves, on=keys, suffixes=("", "_of_curve"))
    found = []
    if not both.empty:
        gap = float((both["faults"] - both["faults_of_curve"]).abs().max())
        statement = "The curves pass through the replays of LRU and of the optimum; largest difference"
        found.append(Claim(statement, exact(gap), "=", 0.0))
    shares = [_augmentation_share(rows) for _, rows in curves.groupby("trace", sort=False)]
    if counts_all and not math.isnan(max(shares)):
        found.append(
            Claim(
                "LRU with k pages: faults <= k/(k-h+1) OPT_h + h for all h <= k on the curves; largest share",
                exact(max(shares)),
                "<=",
                1.0,
                "lru_augmentation_bound",
            )
        )
    return found


def _augmentation_share(curves: pd.DataFrame) -> float:
    """Faults of LRU as the largest share of its bound beside a smaller optimum, at up to 200 sizes; NaN without LRU."""
    lru, opt = (curves[curves["algorithm"] == name].set_index("cache_size")["faults"] for name in ("LRU", "Belady"))
    sizes = lru.index.to_numpy()
    chosen = sizes[np.unique(np.linspace(0, sizes.size - 1, 200).astype(int))] if sizes.size else sizes
    return max(
        (lru[k] / lru_augmentation_bound(opt[h], int(k), int(h)) for k in chosen for h in chosen if h <= k),
        default=math.nan,
    )


def _cells(
    comparison: TraceComparison, replays: pd.DataFrame
) -> Iterator[tuple[tuple[str, int, str, str], pd.DataFrame]]:
    """Trace, cache size, algorithm and the label of what it is told, with the rows of that cell."""
    import pandas as pd

    keys = ["trace", "cache_size", "algorithm", "predictor"]
    for (trace, k, name, predictor), sample in replays.groupby(keys, sort=False, dropna=False):
        told = "" if pd.isna(predictor) else comparison.told_label(str(predictor))
        yield (str(trace), int(k), str(name), told), sample


def _by_policy(comparison: TraceComparison, replays: pd.DataFrame) -> dict[str, _Cells]:
    """The cells of each label, in the order in which they come."""
    found: dict[str, _Cells] = {}
    for (trace, k, name, told), sample in _cells(comparison, replays):
        found.setdefault(policy_label(name, told), []).append((name, trace, k, sample))
    return found


def _replays(sample: pd.DataFrame, cache_size: int) -> list[Replay]:
    """What the bounds see of each row."""
    columns: dict[str, Any] = {
        "opt": "all_optimum",
        "clean": "clean_pages",
        "eta0": "eta0",
        "eta1": "eta1",
        "eta": "eta",
    }
    if "instance_bound" in sample:
        columns["instance"] = "instance_bound"
    values = {name: sample[column].astype(float).tolist() for name, column in columns.items()}
    return [Replay(cache_size, **dict(zip(values, row, strict=True))) for row in zip(*values.values(), strict=True)]


def _error(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:,.1f}".removesuffix(".0") if value < 1e9 else f"{value:.3g}"
