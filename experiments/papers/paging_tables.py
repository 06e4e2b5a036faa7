"""The tables of `paging_succinct`, and the sentences at the top of its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.experiment import NamedTable
from experiments.papers.paging_bounds import main_size, of, succinct_traces
from experiments.papers.paging_worlds import GROUPS
from online.paging import harmonic_number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["sentences", "tables"]

# What theory promises with perfect predictions, and with any; c is the number of clean pages over OPT, at most 2.
_PROMISES = {
    "FlushWhenAllZeros": ("1", "none"),
    "Mark0": ("1", "none"),
    "Mark0 eager": ("1", "none"),
    "DiscardBitGuard": ("1, observed", "2 H_k + 2"),
    "RobustFlushWhenAllZeros": ("2 + gamma *", "(2 + gamma) k *"),
    "RobustMark0": ("1 + O(k delta) *", "(1 + O(k delta)) 2 H_k *"),
    "MarkAndPredict": ("c, at most 2", "4 H_ceil(k/2)"),
    "FollowThePrediction": ("1", "none"),
    "Guard": ("1", "2 H_k + 2"),
    "PredictiveMarker": ("c, at most 2", "4 H_k"),
    "LMarker": ("c, at most 2", "O(log k)"),
    "LNonMarker": ("c, at most 2", "none"),
    "RobustFtP": ("1 + O(k delta) *", "(1 + O(k delta)) 2 H_k *"),
    "RobustLNonMarker": ("(1 + O(k delta)) c *", "(1 + O(k delta)) 2 H_k *"),
    "FollowAndRobust": ("1", "not stated"),
    "TrustAndDoubt": ("O(1)", "O(log k)"),
    "LRU": ("", "k"),
    "Marker": ("", "2 H_k"),
    "OnlineMin": ("", "H_k"),
    "RandomEviction": ("", "k"),
}


def tables(results: pd.DataFrame) -> list[NamedTable]:
    """Consistency and robustness a trace, the adversary's game, and numbers published for other data."""
    runs = results[results["group"] != "curves"]
    traces = dict.fromkeys([*succinct_traces(runs), *of(runs, algorithm="RobustFtP", predictor="lognormal")["trace"]])
    return [*(_robustness(runs, trace) for trace in traces), _game(runs), *_published()]


def sentences(results: pd.DataFrame) -> list[str]:
    """For each trace with predicted bits, what 1% and 50% of wrong bits cost, beside LRU."""
    runs = results[results["group"] != "curves"]
    found = []
    for trace in succinct_traces(runs):
        here = of(runs, trace=trace, pages=main_size(runs, trace))

        def cost(name: str, level: float, here: pd.DataFrame = here) -> str:
            return _ratio(of(here, algorithm=name, predictor="flips", level=level))

        found.append(
            f"{trace}, cache of {main_size(runs, trace):,} pages, as multiples of the optimum: LRU "
            f"{_ratio(of(here, algorithm='LRU'))}; with 1% of the discard bits wrong FlushWhenAllZeros "
            f"{cost('FlushWhenAllZeros', 0.01)}, Mark0 {cost('Mark0', 0.01)}, RobustMark0 {cost('RobustMark0', 0.01)}; "
            f"with half of them wrong {cost('FlushWhenAllZeros', 0.5)}, {cost('Mark0', 0.5)}, "
            f"{cost('RobustMark0', 0.5)}."
        )
    return found


def _robustness(runs: pd.DataFrame, trace: str) -> NamedTable:
    k = main_size(runs, trace)
    here = of(runs, trace=trace, pages=k)
    rows = []
    for name, (consistency, robustness) in _PROMISES.items():
        mine = of(here, algorithm=name)
        if len(mine) == 0:
            continue
        if name in GROUPS["no predictions"]:
            measured = [_ratio(mine), "", "", ""]
        else:
            perfect = of(mine, predictor=("flips", "lognormal"), level=0.0)
            random = mine[((mine["predictor"] == "flips") & (mine["level"] == 0.5)) | (mine["predictor"] == "random")]
            wrong = mine[((mine["predictor"] == "flips") & (mine["level"] == 1.0)) | (mine["predictor"] == "reversed")]
            measured = [_ratio(sample) for sample in (perfect, random, wrong, of(mine, predictor="adversary"))]
        rows.append((name, measured[0], consistency, *measured[1:], robustness))
    first = here.iloc[0]
    caption = (
        f"{trace}, {k:,} pages: faults / OPT with predictions from perfect to exactly wrong (every bit flipped, or "
        f"times in reverse order), and theory's constants, without additive terms. H_k = {harmonic_number(k):.2f}, c = "
        f"{first['clean'] / first['optimum']:.3f}. * Beside additive terms of k for every change of the policy "
        "followed."
    )
    columns = ("policy", "perfect", "theory", "random", "exactly wrong", "10% wrong, placed to hurt", "theory, worst")
    return NamedTable(caption, columns, rows)


def _ratio(sample: pd.DataFrame) -> str:
    return f"{(sample['faults'] / sample['optimum']).mean():.3f}" if len(sample) else ""


def _game(runs: pd.DataFrame) -> NamedTable:
    """What each deterministic policy pays for requests that it always misses."""
    rows: list[tuple[str, ...]] = []
    for row in of(runs, trace="missing page").sort_values("pages", kind="stable").itertuples():
        bits = "" if row.predictor == "none" else f"all {row.level:g}"
        errors = ("", "") if row.predictor == "none" else (f"{row.eta0:,}", f"{row.eta1:,}")
        ratio = f"{row.faults / row.optimum:.2f}"
        past = f"{row.faults / (row.optimum - row.pages):.2f}"
        rows.append((row.algorithm, str(row.pages), bits, f"{row.faults:,}", f"{row.optimum:,}", ratio, past, *errors))
    caption = (
        "The missing page: requests made against each deterministic policy, all of them faults. No bits that are all "
        "equal keep the ratio below k in the long run."
    )
    columns = ("policy", "k", "bits", "faults", "OPT", "faults / OPT", "faults / (OPT - k)", "eta0", "eta1")
    return NamedTable(caption, columns, rows)


def _published() -> list[NamedTable]:
    caption = (
        "Published, other data, not reproduced here: faults / OPT on check-ins of BrightKite (k = 10, 100 sequences of "
        "2,100 requests) and trips of Citi Bike (k = 100), with lognormal noise, from the stored results of Antoniadis "
        "et al. 2020. We may not ship these data; compare the shapes only."
    )
    columns = ("data, policy", "sigma = 0", "5", "20", "50", "200")
    rows = [
        ("BrightKite, FollowThePrediction", "1.000", "1.053", "1.230", "1.332", "1.400"),
        ("BrightKite, PredictiveMarker", "1.225", "1.238", "1.284", "1.304", "1.311"),
        ("BrightKite, LMarker", "1.225", "1.240", "1.288", "1.309", "1.315"),
        ("BrightKite, RobustLNonMarker", "1.227", "1.237", "1.289", "1.312", "1.319"),
        ("BrightKite, RobustFtP", "1.010", "1.062", "1.239", "1.302", "1.324"),
        ("BrightKite, TrustAndDoubt", "1.190", "1.213", "1.251", "1.267", "1.276"),
        ("Citi, FollowThePrediction", "1.000", "1.133", "1.474", "1.582", "1.644"),
        ("Citi, PredictiveMarker", "1.602", "1.665", "1.771", "1.793", "1.802"),
        ("Citi, TrustAndDoubt", "1.520", "1.598", "1.738", "1.771", "1.787"),
    ]
    others = (
        "Published, other data, not reproduced here: the same without predictions, and with times predicted from the "
        "past only (one more run of the authors' program, randomized ones within 0.003)."
    )
    past = [
        ("BrightKite, LRU", "1.291", "", ""),
        ("BrightKite, Marker", "1.333", "", ""),
        ("BrightKite, RandomEviction", "1.431", "", ""),
        ("BrightKite, clean pages", "1.225", "", ""),
        ("Citi, LRU", "1.848", "", ""),
        ("Citi, Marker", "1.861", "", ""),
        ("Citi, RandomEviction", "1.912", "", ""),
        ("Citi, clean pages", "1.602", "", ""),
        ("BrightKite, FollowThePrediction", "", "2.081", "1.707"),
        ("BrightKite, PredictiveMarker", "", "1.340", "1.262"),
        ("BrightKite, LMarker", "", "1.337", "1.264"),
        ("BrightKite, RobustFtP", "", "1.341", "1.318"),
        ("BrightKite, TrustAndDoubt", "", "1.292", "1.276"),
    ]
    return [
        NamedTable(caption, columns, rows),
        NamedTable(others, ("data, policy", "no predictions", "PLECO", "POPU"), past),
    ]
