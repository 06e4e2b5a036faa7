"""The claims of `paging_succinct`: identities, tight instances, lower bounds, and what its specification expects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from algos.phases import clean_page_bound
from experiments.claims import Claim, Interval, exact, mean_interval
from experiments.papers.paging_bounds import CELL, main_size, mean_of, of, perfect, succinct_traces, upper_bounds
from experiments.papers.paging_worlds import FLIPS, sizes_around
from online.paging import (
    deterministic_ratio_bound,
    discard_price_bound,
    flush_when_all_zeros_bound,
    harmonic_number,
    lru_augmentation_bound,
    marking_bound,
    missing_page_bound,
    missing_page_optimum_bound,
    phase_price_bound,
    randomized_ratio_bound,
    uniform_faults_bound,
)
from simulators import shipped_traces

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["claims", "slope"]

_MARKING = ("FlushWhenFull", "Marker", "MarkAndPredict", "PredictiveMarker", "LMarker")
_Found = list[tuple[Interval, str]]  # intervals, and where they were found
# LRU, FIFO, CLOCK, SIEVE, S3-FIFO, LFU, ARC and the optimum, by two independent simulators (orm_busy by one).
_REFERENCE: dict[tuple[str, int], dict[str, int]] = {
    ("web07", 1024): {
        "LRU": 37631,
        "FIFO": 39675,
        "Clock": 37175,
        "Sieve": 35439,
        "S3FIFO": 34826,
        "LFU": 41715,
        "ARC": 35612,
        "optimum": 27617,
    },
    ("web12", 687): {"LRU": 38245},
    ("orm_busy", 3817): {
        "LRU": 793473,
        "FIFO": 841758,
        "Clock": 797834,
        "Sieve": 805421,
        "S3FIFO": 737918,
        "LFU": 2608028,
        "optimum": 490801,
    },
}


def claims(results: pd.DataFrame) -> list[Claim]:
    """What the results say of each claim."""
    runs = results[results["group"] != "curves"]
    return [
        *_identities(runs),
        *upper_bounds(runs),
        *_general(runs),
        *_tight(runs),
        *_game(runs),
        *_uniform(runs),
        *_expected(runs),
        *_miss_ratios(results),
    ]


def _identities(runs: pd.DataFrame) -> Iterator[Claim]:
    """Perfect predictions, and constant bits that turn one policy into another."""
    truly = runs[perfect(runs)]
    equalities = (
        ("FlushWhenAllZeros", "true bits", "optimum", "flush_when_all_zeros_consistency"),
        ("Mark0", "true bits", "optimum", "mark0_consistency"),
        ("Mark0 eager", "true bits", "optimum", ""),
        ("DiscardBitGuard", "true bits", "optimum", ""),
        ("MarkAndPredict", "true bits", "clean", "mark_and_predict_consistency"),
        ("FollowThePrediction", "true times", "optimum", "blind_oracle_consistency"),
        ("Guard", "true times", "optimum", "guard_consistency"),
        ("FollowAndRobust", "true times", "optimum", "follow_and_robust_consistency"),
        ("PredictiveMarker", "true times", "clean", "predicted_marking_consistency"),
        ("LMarker", "true times", "clean", "predicted_marking_consistency"),
        ("LNonMarker", "true times", "clean", "predicted_marking_consistency"),
    )
    for name, given, column, guarantee in equalities:
        mine = of(truly, algorithm=name)
        what = "OPT faults" if column == "optimum" else "as many faults as there are clean pages"
        off = float((mine["faults"] - mine[column]).abs().max())
        yield Claim(
            f"{name} has {what} with {given}, on every run; largest difference", exact(off), "=", 0.0, guarantee
        )
    constant = of(runs, predictor="constant")
    for name, bit, other in (
        ("FlushWhenAllZeros", 1.0, "LRU"),
        ("FlushWhenAllZeros", 0.0, "FlushWhenFull"),
        ("Mark0", 1.0, "LRU"),
    ):
        mine = of(constant, algorithm=name, level=bit, trace=_real(runs))
        pairs = mine.merge(of(runs, algorithm=other)[["trace", "pages", "faults"]], on=["trace", "pages"])
        off = float((pairs["faults_x"] - pairs["faults_y"]).abs().max())
        yield Claim(f"{name} with all bits {bit:g} is {other}; largest difference in faults", exact(off), "=", 0.0)
    eager = of(constant, algorithm="Mark0 eager", level=1.0, trace=_real(runs))
    slack = eager["optimum"] + eager["eta1"] - eager["faults"]
    yield Claim(
        "Mark0 eager with all bits 1 never hits, so that OPT + eta1 is met; largest difference",
        exact(float(slack.abs().max())),
        "=",
        0.0,
        "mark0_bound",
    )


def _general(runs: pd.DataFrame) -> Iterator[Claim]:
    """What holds for every policy, or for every marking one."""
    least = float((runs["faults"] / runs["optimum"]).min())
    yield Claim("No run has fewer faults than the optimum; least faults / OPT", exact(least), ">=", 1.0)
    most = float((runs["clean"] / [clean_page_bound(opt) for opt in runs["optimum"]]).max())
    yield Claim("There are at most 2 OPT clean pages; largest share", exact(most), "<=", 1.0, "clean_page_bound")
    marking = of(runs, algorithm=_MARKING)
    surplus = float((marking["faults"] - marking["clean"]).min())
    yield Claim(
        "Marking faults on every clean page, on every run; least faults - clean pages", exact(surplus), ">=", 0.0
    )
    trapped = of(runs, trace="marking trap", algorithm=_MARKING)
    bounds = [marking_bound(row.optimum, row.pages) for row in trapped.itertuples()]
    yield Claim(
        "In the marking trap every marking algorithm has at least 2 (OPT - k) faults, also with true predictions; "
        "least faults / that",
        exact(float((trapped["faults"] / bounds).min())),
        ">=",
        1.0,
        "marking_bound",
    )


def _tight(runs: pd.DataFrame) -> Iterator[Claim]:
    """Instances on which a wrong bit costs all that it may, or nearly."""
    loop = of(runs, trace="loop", algorithm="FlushWhenAllZeros")
    for bit, eta, statement in (
        (0.0, "(k-1) eta0", "but for k (k-1), whatever the length; difference as a multiple of that"),
        (1.0, "eta1", "exactly; difference"),
    ):
        row = next(of(loop, level=bit).itertuples())
        slack = flush_when_all_zeros_bound(row.optimum, row.eta0, row.eta1, row.pages) - row.faults
        yield Claim(
            f"Around a cycle of k + 1 pages, k = {row.pages}, FlushWhenAllZeros with all bits {bit:g} meets OPT + {eta}"
            f" {statement}",
            exact(slack / (row.pages * (row.pages - 1)) if bit == 0.0 else slack),
            "=",
            1.0 if bit == 0.0 else 0.0,
            "flush_when_all_zeros_bound",
        )
    pairs = of(runs, trace="alternating pairs")
    for name, meaning in (
        ("Marker", "where OPT has 1 and the bound is 2 H_k"),
        ("Mark0", "with all bits 0, where OPT has 1, eta0 grows by 1 and the bound is 2 H_k + 1"),
        ("MarkAndPredict", "with all bits 0, where OPT has 1, eta0 grows by 2 and the bound is 2 H_k"),
    ):
        mine = of(pairs, algorithm=name)
        later = mine["requests"] // mine["pages"] - 1  # phases after the first
        due = mine["pages"] + later * (2.0 * mine["pages"].map(harmonic_number) - 1.0)
        yield Claim(
            f"On alternating pairs {name} has 2 H_k - 1 faults a phase in expectation, {meaning}; largest |difference| "
            "in standard errors",
            exact(_standard_errors(mine["faults"] - due, mine)),
            "<=",
            5.0,
        )
        if name == "Mark0":
            off = float((mine["instance_bound"] - due).abs().max())
            yield Claim(
                "This expectation is Mark0's bound of the very requests; largest difference",
                exact(round(off, 9)),
                "=",
                0.0,
                "mark0_instance_bound",
            )


def _standard_errors(differences: pd.Series, runs: pd.DataFrame) -> float:
    """The largest mean difference of a cell from 0, in its standard errors."""
    largest = 0.0
    for _, sample in differences.groupby([runs[key] for key in CELL]):
        error = float(sample.std(ddof=1)) / math.sqrt(len(sample))
        mean = abs(float(sample.mean()))
        largest = max(largest, mean / error if error > 0.0 else math.inf if mean > 1e-9 else 0.0)
    return largest


def _game(runs: pd.DataFrame) -> Iterator[Claim]:
    """The adversary that requests the missing page."""
    played = of(runs, trace="missing page")
    yield Claim(
        "Against each deterministic policy there are requests that are all faults; least share",
        exact(float((played["faults"] / played["requests"]).min())),
        "=",
        1.0,
    )
    most = [missing_page_optimum_bound(row.requests, row.pages) for row in played.itertuples()]
    yield Claim(
        "The optimum has at most k - 1 + n/k faults on them; largest share",
        exact(float((played["optimum"] / most).max())),
        "<=",
        1.0,
        "missing_page_optimum_bound",
    )
    least = [missing_page_bound(row.optimum, row.pages) for row in played.itertuples()]
    yield Claim(
        "So there are at least k (OPT - k) + 1 faults; least faults / that",
        exact(float((played["faults"] / least).min())),
        ">=",
        1.0,
        "missing_page_bound",
    )
    ratio = played["faults"] / (played["optimum"] - played["pages"]) / played["pages"].map(deterministic_ratio_bound)
    yield Claim(
        "No deterministic policy has a ratio below k: least faults / (OPT - k), as a multiple of k",
        exact(float(ratio.min())),
        ">=",
        1.0,
        "deterministic_ratio_bound",
    )
    for name, alpha, price in (
        ("FlushWhenAllZeros", 1.0, discard_price_bound),
        ("MarkAndPredict deterministic", 2.0, phase_price_bound),
    ):
        for bit, eta, letter in ((0.0, "eta0", "beta"), (1.0, "eta1", "gamma")):
            mine = of(played, algorithm=name, level=bit)
            paid = (mine["faults"] - alpha * mine["optimum"] + mine["pages"] ** 2) / mine[eta]
            least = [getattr(price(alpha, k), letter) for k in mine["pages"]]
            yield Claim(
                f"{name} with all bits {bit:g}: faults - {'2 ' if alpha == 2.0 else ''}OPT + k^2 is at least {eta} "
                f"times the least price {letter} of a wrong bit; least price paid / that",
                exact(float((paid / least).min())),
                ">=",
                1.0,
                price.__name__,
            )


def _uniform(runs: pd.DataFrame) -> Iterator[Claim]:
    """Uniform requests over k + 1 pages, to which no prediction that is always the same adds anything."""
    uniform = of(runs, trace="uniform")
    k = 16 if 16 in set(uniform["pages"]) else int(uniform["pages"].max())
    mine = of(uniform, pages=k)
    surplus = mine["faults"] - randomized_ratio_bound(k) * (mine["optimum"] - k)
    place, measured = min(
        ((str(name), mean_of(sample, mine.loc[sample.index])) for name, sample in surplus.groupby(mine["algorithm"])),
        key=lambda found: found[1].estimate,
    )
    yield Claim(
        f"On uniform requests over k + 1 pages, k = {k}, all {mine['algorithm'].nunique()} online policies have at "
        f"least H_k E[OPT - k] faults; least surplus in faults, of {place}",
        measured,
        ">=",
        0.0,
        "randomized_ratio_bound",
    )
    lazy = uniform[~uniform["algorithm"].isin(["FlushWhenFull", "FlushWhenAllZeros"]) & (uniform["pages"] <= 64)]
    due = {key: uniform_faults_bound(*key) for key in set(zip(lazy["requests"], lazy["pages"], strict=True))}
    expected = [due[key] for key in zip(lazy["requests"], lazy["pages"], strict=True)]
    yield Claim(
        "There all lazy policies have the same expected faults, here for k up to 64; largest |difference| in standard "
        "errors",
        exact(_standard_errors(lazy["faults"] - expected, lazy)),
        "<=",
        5.0,
        "uniform_faults_bound",
    )
    for name in ("FlushWhenAllZeros", "FlushWhenFull"):
        with_bits = " with all bits 0" if name == "FlushWhenAllZeros" else ""
        yield Claim(
            f"There the ratio of {name}{with_bits} grows like k: |fitted slope - 1|, log-log, past the first k loads",
            exact(abs(slope(of(uniform, algorithm=name)) - 1.0)),
            "<=",
            0.05,
        )


def slope(runs: pd.DataFrame) -> float:
    """Slope of log (faults - k) / (OPT - k) against log k, by least squares over the means."""
    means = runs.groupby("pages")[["faults", "optimum"]].mean()
    k = means.index.to_numpy(dtype=np.float64)
    ratio = (means["faults"].to_numpy() - k) / (means["optimum"].to_numpy() - k)
    return float(np.polyfit(np.log(k), np.log(ratio), 1)[0])


def _expected(runs: pd.DataFrame) -> Iterator[Claim]:
    """What the specification expects of the sweeps over errors, on the trace where it is closest to failing."""
    robust: _Found = []
    early: _Found = []
    below: _Found = []
    fair: _Found = []
    capped: dict[str, _Found] = {"RobustMark0": [], "RobustFlushWhenAllZeros": []}
    for trace in succinct_traces(runs):
        here = of(runs, trace=trace, pages=main_size(runs, trace))
        flips = of(here, predictor="flips")
        lru, marker = (of(here, algorithm=name) for name in ("LRU", "Marker"))
        robust.append((_ratio(of(flips, algorithm="Mark0", level=0.5), lru), trace))
        flush, mark0 = (of(flips, algorithm=name, level=0.01) for name in ("FlushWhenAllZeros", "Mark0"))
        extra = (flush["faults"] - flush["optimum"]).to_numpy() / (mark0["faults"] - mark0["optimum"]).to_numpy()
        early.append((mean_interval(extra), trace))
        predicted = of(flips, algorithm="MarkAndPredict")
        below += [(_ratio(of(predicted, level=flip), marker), trace) for flip in FLIPS[1:-1]]
        mean = float(of(predicted, level=0.5)["faults"].mean())
        fair.append((exact(abs(mean / float(marker["faults"].mean()) - 1.0)), trace))
        for name, base in (("RobustMark0", marker), ("RobustFlushWhenAllZeros", lru)):
            mine = of(flips, algorithm=name)
            capped[name] += [(_ratio(sample, base), trace) for _, sample in mine.groupby("level")]
    yield _extreme(
        robust, "Mark0 is not robust, with random bits it is worse than LRU; least faults / LRU's", ">=", 1.0
    )
    yield _extreme(
        early,
        "With 1% of the bits wrong FlushWhenAllZeros loses at least twice as much to OPT as Mark0; least extra "
        "faults / Mark0's",
        ">=",
        2.0,
    )
    yield _extreme(
        below,
        "MarkAndPredict stays below Marker with up to 20% of the bits wrong; largest faults / Marker's",
        "<=",
        1.0,
    )
    yield _extreme(fair, "With fair random bits it is Marker; largest |difference of means| / Marker's", "<=", 0.01)
    for name, other in (("RobustMark0", "Marker"), ("RobustFlushWhenAllZeros", "LRU")):
        statement = f"{name} has at most 10% more faults than {other}, whatever share of the bits is wrong"
        yield _extreme(capped[name], f"{statement}; largest faults / {other}'s", "<=", 1.1)
    for name in ("RobustFtP", "RobustLNonMarker"):
        ratios = []
        for trace in dict.fromkeys(of(runs, algorithm=name, predictor="lognormal")["trace"]):
            here = of(runs, trace=trace, pages=main_size(runs, trace))
            mine, marker = of(here, algorithm=name), of(here, algorithm="Marker")
            ratios += [(_ratio(sample, marker), trace) for _, sample in mine.groupby(["predictor", "level"])]
        statement = f"{name} has at most 10% more faults than Marker with any predicted times"
        yield _extreme(ratios, f"{statement}; largest faults / Marker's", "<=", 1.1)


def _extreme(found: _Found, statement: str, relation: Literal["<=", ">="], bound: float) -> Claim:
    """The claim at the trace where the estimate is farthest on the side of the bound."""
    worst = max if relation == "<=" else min
    measured, trace = worst(found, key=lambda pair: pair[0].estimate)
    return Claim(f"{statement}, on {trace}", measured, relation, bound)


def _ratio(runs: pd.DataFrame, others: pd.DataFrame) -> Interval:
    """Faults as a multiple of another policy's in the same world, or of its mean when the world is fixed."""
    mine = runs.set_index("replication")["faults"]
    base = others.set_index("replication")["faults"]
    if runs["trace"].iloc[0] in ("zipf", "stack"):
        return mean_of(mine / base.reindex(mine.index), runs)
    return mean_of(mine / float(base.mean()), runs)


def _miss_ratios(results: pd.DataFrame) -> Iterator[Claim]:
    """Curves over all cache sizes, and faults counted by others."""
    curves, runs = of(results, group="curves"), results[results["group"] != "curves"]
    rises = [int(np.diff(curve["faults"]).max()) for _, curve in curves.groupby(["trace", "algorithm"], sort=False)]
    yield Claim(
        "A larger cache never has more faults with LRU or the optimum; largest rise", exact(max(rises)), "<=", 0.0
    )
    off = 0
    for trace, k in ((t, k) for t in dict.fromkeys(curves["trace"]) for k in sizes_around(main_size(runs, t))):
        lru = of(runs, trace=trace, pages=k, algorithm="LRU").iloc[0]
        for name, faults in (("LRU", lru["faults"]), ("optimum", lru["optimum"])):
            curve = of(curves, trace=trace, pages=k, algorithm=name)["faults"]
            off = max(off, abs(int(curve.iloc[0]) - int(faults)))
    yield Claim(
        "The curves of LRU and the optimum, each from one pass, agree with runs at single sizes; largest difference",
        exact(off),
        "=",
        0.0,
    )
    share = 0.0
    for trace in dict.fromkeys(curves["trace"]):
        lru = of(curves, trace=trace, algorithm="LRU")
        sizes = list(zip(lru["pages"].tolist(), lru["faults"].tolist(), lru["optimum"].tolist(), strict=True))
        for i, (k, faults, _) in enumerate(sizes):
            for h, _, opt in sizes[: i + 1]:
                share = max(share, faults / lru_augmentation_bound(opt, k, h))
    yield Claim(
        "LRU with k pages has at most k/(k-h+1) OPT_h + h faults, for all pairs of sizes; largest share of the bound",
        exact(share),
        "<=",
        1.0,
        "lru_augmentation_bound",
    )
    for (trace, k), counts in _REFERENCE.items():
        here = of(runs, trace=trace, pages=k)
        if len(here) == 0:
            continue
        off = 0
        for name, count in counts.items():
            row = of(here, algorithm="LRU" if name == "optimum" else name).iloc[0]
            off = max(off, abs(int(row["optimum" if name == "optimum" else "faults"]) - count))
        source = "another simulator" if trace == "orm_busy" else "two other simulators"
        yield Claim(
            f"Faults on {trace}, k = {k}, as {source} count them, for {', '.join(counts)}; largest difference",
            exact(off),
            "=",
            0.0,
        )


def _real(runs: pd.DataFrame) -> tuple[str, ...]:
    return tuple(trace for trace in shipped_traces() if trace in set(runs["trace"]))
