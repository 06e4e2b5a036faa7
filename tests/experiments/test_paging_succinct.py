import itertools

import numpy as np
import pandas as pd
import pytest

from algos import clean_pages, optimal_faults
from algos.streams import canonical_json
from experiments.papers import paging_worlds
from experiments.papers.paging_succinct import EXPERIMENT
from experiments.papers.paging_worlds import GROUPS, alternating_pairs, sizes_around
from experiments.runner import run_experiments
from experiments.store import encode
from online.paging import LRU, FlushWhenAllZeros, MarkAndPredict, Marker

STACK = {"trace": "stack", "length": 300, "cache_size": 5}


@pytest.fixture
def few_policies(monkeypatch):
    """Policies that are compiled in a moment."""
    few = {
        "no predictions": {"LRU": LRU, "Marker": Marker},
        "discard bits": {"FlushWhenAllZeros": FlushWhenAllZeros},
        "phase bits": {"MarkAndPredict": MarkAndPredict},
    }
    for group, policies in few.items():
        monkeypatch.setitem(GROUPS, group, policies)


def cell(group, predictor="none", level=0.0, replications=3, **world):
    return {**STACK, **world, "group": group, "predictor": predictor, "level": level, "replications": replications}


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_cells_are_distinct_and_all_policies_are_in_them(scale):
    cells = EXPERIMENT.cells(scale)
    assert len({canonical_json(cell) for cell in cells}) == len(cells)
    assert {cell["group"] for cell in cells} == {*GROUPS, "curves"}


def test_the_first_replications_do_not_depend_on_how_many_there_are(few_policies):
    for group, predictor in (("no predictions", "none"), ("phase bits", "flips")):
        few = EXPERIMENT.run(cell(group, predictor, 0.1, replications=2), seed=5)
        more = EXPERIMENT.run(cell(group, predictor, 0.1, replications=4), seed=5)
        pd.testing.assert_frame_equal(few, more[more["replication"] < 2].reset_index(drop=True))


def test_the_same_bytes_for_one_and_two_workers_and_again(few_policies, tmp_path):
    class Few(type(EXPERIMENT)):
        def cells(self, scale):
            return [
                cell("no predictions"),
                *(cell("discard bits", "flips", level) for level in (0.0, 0.1, 0.5)),
                cell("phase bits", "flips", 0.1),
                cell("discard bits", "constant", 0.0, trace="missing page", length=40, cache_size=4),
                cell("curves", trace="loop", cache_size=8, length=100),
            ]

    stores = [run_experiments([Few()], tmp_path / str(workers), workers=workers) for workers in (1, 2)]
    contents = [{p.name: p.read_bytes() for p in (s.folder / "cells").rglob("*.parquet")} for s in stores]
    assert contents[0] == contents[1]
    for one in Few().cells("quick"):
        assert encode(one, EXPERIMENT.run(one, 0)) in contents[0].values()


def test_all_predictions_meet_the_same_requests_and_more_noise_includes_less(few_policies):
    bare = EXPERIMENT.run(cell("no predictions"), seed=1)
    optimum = bare[bare["algorithm"] == "LRU"]["optimum"].tolist()
    errors = []
    for level in (0.0, 0.1, 0.3, 1.0):
        runs = EXPERIMENT.run(cell("discard bits", "flips", level), seed=1)
        assert runs["optimum"].tolist() == optimum
        errors.append(runs[["eta0", "eta1"]].to_numpy())
    assert (errors[0] == 0).all()
    assert all((less <= more).all() for less, more in itertools.pairwise(errors))
    assert (errors[-1].sum(axis=1) == STACK["length"]).all()
    sided = EXPERIMENT.run(cell("discard bits", "wrong 0s", 0.3), seed=1)
    assert (sided["eta1"] == 0).all()
    assert sided["eta0"].tolist() == errors[2][:, 0].tolist()


def test_numbers_that_no_draw_decides_are_found_once(few_policies):
    world = {"trace": "loop", "length": 60, "cache_size": 5}
    runs = EXPERIMENT.run(cell("no predictions", **world), seed=0)
    assert runs.groupby("algorithm").size().to_dict() == {"LRU": 1, "Marker": 3}
    assert runs.set_index("algorithm")["random"].to_dict() == {"LRU": False, "Marker": True}


@pytest.mark.parametrize(
    ("predictor", "level", "eta"), [("lognormal", 0.0, None), ("reversed", 0.0, None), ("constant", 0.0, None)]
)
def test_predicted_times(predictor, level, eta):
    trace = alternating_pairs(4, 5)
    rng = np.random.default_rng(0)
    times, random = paging_worlds._times(predictor, level, trace, rng)
    assert not random
    following = {"lognormal": 1, "reversed": -1, "constant": 0}[predictor]
    true, _ = paging_worlds._times("lognormal", 0.0, trace, rng)
    seen = true < len(trace)
    assert np.sign(np.diff(times[seen])).tolist() == (following * np.sign(np.diff(true[seen]))).tolist()


def test_the_adversary_makes_all_requests_faults():
    for bit in (0.0, 1.0):
        made = cell("discard bits", "constant", bit, trace="missing page", length=60, cache_size=4)
        runs = EXPERIMENT.run(made, seed=0)
        assert runs["algorithm"].tolist() == ["FlushWhenAllZeros"]
        assert (runs["faults"] == 60).all()
        assert (runs["eta0"] if bit == 0.0 else runs["eta1"] + runs["optimum"] - 60).tolist() == (
            runs["optimum"].tolist() if bit == 0.0 else [0]
        )


@pytest.mark.parametrize("k", [3, 4, 9])
def test_alternating_pairs_have_two_clean_pages_and_one_optimal_fault_a_phase(k):
    trace = alternating_pairs(k, 50)
    clean = clean_pages(trace.requests, trace.n_pages, k)
    assert clean.tolist() == [k] + [2] * 49
    assert optimal_faults(trace.requests, trace.n_pages, k) == k + 50


def test_curves_hold_the_sizes_that_are_compared():
    runs = EXPERIMENT.run(cell("curves", trace="loop", cache_size=100, length=2000), seed=0)
    assert {size for size in sizes_around(100) if size <= 101} <= set(runs["pages"])
    assert (runs["faults"] >= runs["optimum"]).all()


@pytest.fixture(scope="module")
def invented():
    """Results of the right shape for all cells, without a run: every policy has 1.4 times the optimum's faults."""
    rng = np.random.default_rng(20230724)
    frames = []
    for one in EXPERIMENT.cells("quick"):
        k = one["cache_size"]
        opt = 10 * k
        if one["group"] == "curves":
            sizes = sizes_around(k)
            faults = {name: [top - i for i in range(len(sizes))] for name, top in (("LRU", 1500), ("optimum", 1000))}
            rows = [
                (n, 0, False, s, f, o)
                for n in faults
                for s, f, o in zip(sizes, faults[n], faults["optimum"], strict=True)
            ]
        else:
            rows = [
                (name, r, one["trace"] != "missing page", k, int(1.4 * opt + rng.integers(0, 3)), opt)
                for name in GROUPS[one["group"]]
                for r in range(min(3, one["replications"]))
            ]
        frame = pd.DataFrame(rows, columns=["algorithm", "replication", "random", "pages", "faults", "optimum"])
        wrong = 0 if one["level"] == 0.0 and one["predictor"] in ("flips", "lognormal") else opt // 2
        frame = frame.assign(requests=20 * opt, clean=frame["optimum"] + 1, eta0=wrong, eta1=wrong, eta=1.0 * wrong)
        bound = np.where(frame["algorithm"] == "Mark0", 3.0 * frame["optimum"], np.nan)
        frames.append(frame.assign(instance_bound=bound, **one))
    return pd.concat(frames, ignore_index=True)


def test_claims_fail_when_a_bound_is_broken(invented):
    def verdicts(results):
        claims = EXPERIMENT.claims(results)
        return [next(c.verdict for c in claims if c.statement.startswith(start)) for start in statements]

    statements = (
        "FlushWhenAllZeros: faults <= OPT + (k-1) eta0 + eta1",
        "Mark0: E[faults] <= OPT + 2 H_k eta0 + eta1",
        "FlushWhenAllZeros has OPT faults with true bits",
    )
    assert verdicts(invented) == ["holds", "holds", "fails"]
    row = invented[(invented["algorithm"] == "FlushWhenAllZeros") & (invented["level"] == 0.05)].index[0]
    broken = invented.copy()
    broken.loc[row, "faults"] = 10**9
    broken.loc[broken["algorithm"] == "Mark0", "faults"] = 10**9
    assert verdicts(broken)[:2] == ["fails", "fails"]


def test_figures_and_tables_are_drawn(invented):
    figures = EXPERIMENT.figures(invented)
    assert [figure.name for figure in figures] == ["smoothness", "prices", "growth", "predicted_times", "miss_ratios"]
    for table in EXPERIMENT.tables(invented):
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert len(EXPERIMENT.summary(invented)) == 3
