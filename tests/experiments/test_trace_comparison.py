"""The comparison from Python: what each policy is told, what is counted, and what is claimed of it."""

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest

from algos import ledger, lru_fault_curve, next_use, optimal_fault_curve
from experiments import registry
from experiments.comparison_bounds import IDENTITIES, UPPER_BOUNDS, Replay
from experiments.comparison_figures import figures
from experiments.miss_ratio_curves import curve_sizes
from experiments.runner import results, run_experiments, verify
from experiments.shares import read_warmup
from experiments.trace_comparison import TraceComparison
from online.paging import LRU, Belady, CombineDeterministic, FlushWhenAllZeros
from simulators import DiscardBits, PhaseBits, ZipfTrace

ZIPF = ZipfTrace(60, 0.8, 900).sample(np.random.default_rng(1))
BITS = np.random.default_rng(2).integers(0, 2, len(ZIPF))

EVICTION = [name for name in registry.names("algorithms") if hasattr(registry.algorithm(name), "reads")]


def frames(comparison, seed=0):
    """The results without a store."""
    parts = []
    for cell in comparison.cells("quick"):
        frame = comparison.run(cell, seed)
        for name, value in cell.items():
            frame[name] = value
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def made_up(comparison):
    """Results of the right shape without a replay: for figures and claims only."""
    parts = []
    for index, cell in enumerate(comparison.cells("quick")):
        if "curve" in cell:
            sizes = curve_sizes("log", 60, also=[6, 30])
            frame = pd.DataFrame({"cache_size": sizes, "requests": 900, "faults": 900 // np.sqrt(sizes)})
        else:
            faults = 300 + 7 * index - 4 * cell["cache_size"]
            opt = {"optimum": 250, "all_optimum": 250, "requests": 900, "pages": 60, "clean_pages": 260.0}
            none = {"eta0": np.nan, "eta1": np.nan, "eta": np.nan}
            frame = pd.DataFrame([{"replication": 0, "faults": faults, "all_faults": faults} | opt | none])
        for name, value in cell.items():
            frame[name] = value
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


class Spy(LRU):
    """LRU, which notes what came with the trace."""

    seen: list = []  # noqa: RUF012
    kinds: frozenset = frozenset()

    def reads(self):
        return self.kinds

    def predictions(self, trace):
        self.seen.append((trace.bits, trace.arrivals))
        return super().predictions(trace)


def of_kinds(*kinds):
    return type("Spy", (Spy,), {"kinds": frozenset(kinds), "seen": []})


@pytest.fixture
def register(monkeypatch):
    """Register policies for the test."""

    def register(**policies):
        known = registry.algorithm
        monkeypatch.setattr(registry, "algorithm", lambda name: policies.get(name) or known(name))
        names = registry.names
        monkeypatch.setattr(registry, "names", lambda group: sorted({*names(group), *policies}))

    return register


def test_every_policy_gets_the_predictions_that_it_reads_and_no_others(register):
    spies = {
        "Plain": of_kinds(),
        "Discards": of_kinds("discard bits"),
        "Phases": of_kinds("phase bits"),
        "Times": of_kinds("next arrivals"),
        "Two": of_kinds("next arrivals", "phase bits"),
    }
    register(**spies)
    trace = ZIPF.with_bits(BITS).with_arrivals(np.arange(900.0))
    comparison = TraceComparison([trace], [6], algorithms=list(spies), flips=[0.0], sigmas=[0.0], replications=1)
    frames(comparison)
    cells = [(cell["algorithm"], cell["predictor"]) for cell in comparison.cells("quick")]
    assert cells == [
        ("Plain", None),
        ("Discards", "own bits"),
        ("Discards", "DiscardBits:flip_probability=0.0"),
        ("Phases", "own bits"),
        ("Phases", "PhaseBits:flip_probability=0.0"),
        ("Times", "own arrivals"),
        ("Times", "NextArrivals"),
        ("Two", "own arrivals + own bits"),
        ("Two", "own arrivals + PhaseBits:flip_probability=0.0"),
        ("Two", "NextArrivals + own bits"),
        ("Two", "NextArrivals + PhaseBits:flip_probability=0.0"),
        ("Belady", None),
    ]
    true_times = next_use(ZIPF.requests, ZIPF.n_pages)
    expected = {
        "Plain": [(None, None)],
        "Discards": [(BITS, None), (DiscardBits(6).truth(ZIPF), None)],
        "Phases": [(BITS, None), (PhaseBits(6).truth(ZIPF), None)],
        "Times": [(None, np.arange(900.0)), (None, true_times)],
    }
    for name, told in expected.items():
        seen = spies[name].seen[::2]  # the even ones compile
        assert len(seen) == len(told)
        for given, wanted in zip(seen, told, strict=True):
            for one, other in zip(given, wanted, strict=True):
                assert (one is None) == (other is None)
                assert one is None or np.array_equal(one, other)


def test_a_policy_that_reads_both_kinds_of_bits_is_refused(register):
    register(Both=of_kinds("discard bits", "phase bits"))
    with pytest.raises(ValueError, match=r"algorithm 'Both': .* one bit a request"):
        TraceComparison([ZIPF], [6], algorithms=["Both"])


def test_a_policy_that_needs_more_than_a_cache_size_is_refused_or_left_out(register):
    register(CombineDeterministic=CombineDeterministic)
    with pytest.raises(ValueError, match=r"'CombineDeterministic' cannot be made from a cache size alone.*first"):
        TraceComparison([ZIPF], [6], algorithms=["CombineDeterministic"])
    everything = TraceComparison([ZIPF], [6], algorithms=["all"])
    assert "CombineDeterministic" not in everything.policies
    assert {"Mark0", "BlindOracle", "MarkAndPredict", "Sieve"} <= everything.policies.keys()
    assert "UCB1" not in everything.policies


def test_all_policies_know_how_to_be_told_what_they_read():
    comparison = TraceComparison([ZIPF], [6], algorithms=["all"])
    for cell in comparison.cells("quick"):
        reads = comparison.policies[cell["algorithm"]](6).reads()
        starts = {"discard bits": "DiscardBits", "phase bits": "PhaseBits"}
        if not reads:
            assert cell["predictor"] is None
        elif reads == {"next arrivals"}:
            assert cell["predictor"] in ("NextArrivals", "LognormalArrivals:sigma=5.0")
        else:
            assert cell["predictor"].startswith(starts[next(iter(reads))])


def test_own_bits_are_measured_and_replayed():
    (row,) = (
        frames(
            TraceComparison([ZIPF.with_bits(BITS)], [6], algorithms=["FlushWhenAllZeros"]),
        )
        .query("algorithm == 'FlushWhenAllZeros'")
        .to_dict("records")
    )
    truth = DiscardBits(6).truth(ZIPF)
    assert row["eta0"] == np.sum((BITS == 0) & (truth == 1)) > 0
    assert row["eta1"] == np.sum((BITS == 1) & (truth == 0)) > 0
    assert math.isnan(row["eta"])
    assert row["faults"] == FlushWhenAllZeros(6).run(ZIPF.with_bits(BITS)).outcome["faults"]


def test_a_named_predictor_gets_the_cache_size_of_the_cell():
    comparison = TraceComparison(
        [ZIPF], [6, 20], algorithms=["FlushWhenAllZeros"], predictors=["AdversarialBits:budget=9"]
    )
    rows = frames(comparison).query("algorithm == 'FlushWhenAllZeros'")
    assert list(rows["eta0"] + rows["eta1"]) == [9, 9]
    assert rows["predictor"].unique().tolist() == ["AdversarialBits:budget=9"]


def test_all_policies_meet_the_same_noise_and_the_number_of_runs_follows_from_what_draws():
    comparison = TraceComparison(
        [ZIPF], [6], algorithms=["FlushWhenAllZeros", "Mark0", "LRU", "Marker", "BlindOracle"], replications=3
    )
    rows = frames(comparison)
    counts = rows.groupby(["algorithm", "predictor"], dropna=False).size()
    assert counts["Mark0", "DiscardBits:flip_probability=0.0"] == 3
    assert counts["Mark0", "DiscardBits:flip_probability=0.1"] == 3
    assert counts["FlushWhenAllZeros", "DiscardBits:flip_probability=0.1"] == 3
    assert counts["BlindOracle", "LognormalArrivals:sigma=5.0"] == 3
    assert counts["BlindOracle", "NextArrivals"] == 1
    assert (len(rows.query("algorithm == 'LRU'")), len(rows.query("algorithm == 'Marker'"))) == (1, 3)
    flipped = rows[rows["predictor"] == "DiscardBits:flip_probability=0.1"]
    mine, other = (flipped[flipped["algorithm"] == name] for name in ("Mark0", "FlushWhenAllZeros"))
    assert mine["eta0"].tolist() == other["eta0"].tolist()
    assert mine["eta1"].nunique() > 1


@pytest.mark.parametrize("warmup", [0, 1, 250, "50%"])
def test_the_warm_up_is_served_but_not_counted(warmup):
    served = 450 if warmup == "50%" else warmup
    rows = frames(TraceComparison([ZIPF], [6], algorithms=["LRU"], warmup=warmup, curve="all"))
    replays = rows[rows["curve"].isna()].set_index("algorithm")
    for name, policy in (("LRU", LRU(6)), ("Belady", Belady(6))):
        whole = policy.run(ZIPF).outcome["faults"]
        counted = whole - policy.run(ZIPF, served).outcome["faults"]
        assert replays.loc[name, "faults"] == counted
        assert replays.loc[name, "all_faults"] == whole
        on_curve = rows[(rows["algorithm"] == name) & (rows["curve"] == "all") & (rows["cache_size"] == 6)]
        assert on_curve["faults"].tolist() == [counted]
    assert replays["requests"].tolist() == [900 - served] * 2
    assert replays["optimum"].nunique() == 1


@pytest.mark.parametrize("warmup", [-1, "-3", "x", "100%", "-1%", "2.5", True, "nan%"])
def test_warm_ups_that_mean_nothing(warmup):
    with pytest.raises(ValueError, match="warmup: "):
        read_warmup(warmup, ZIPF)


def test_a_warm_up_that_leaves_nothing():
    with pytest.raises(ValueError, match="warmup: 900 leaves none of the 900 requests"):
        TraceComparison([ZIPF], [6], warmup=900)


def test_hit_vectors_are_those_of_the_first_run():
    comparison = TraceComparison([ZIPF], [6], algorithms=["Mark0", "Marker"], flips=[0.2], warmup=100)
    for cell in comparison.cells("quick"):
        hits = comparison.hits(cell, seed=4)
        assert hits.shape == (900,)
        first = comparison.run(cell, 4).iloc[0]
        assert np.count_nonzero(~hits) == first["all_faults"]
        assert np.count_nonzero(~hits[100:]) == first["faults"]


def test_curves_are_those_of_one_pass():
    rows = frames(TraceComparison([ZIPF], [6, 1000], algorithms=["LRU", "FIFO"], curve="log"))
    curves = rows[rows["curve"].notna()]
    assert curves["algorithm"].unique().tolist() == ["LRU", "Belady"]
    for name, faults in (("LRU", lru_fault_curve), ("Belady", optimal_fault_curve)):
        mine = curves[curves["algorithm"] == name]
        sizes = mine["cache_size"].astype(int).to_numpy()
        assert np.array_equal(sizes, curve_sizes("log", ZIPF.n_pages, also=[6]))
        assert np.array_equal(mine["faults"], faults(ZIPF.requests, ZIPF.n_pages)[sizes])
    assert {1, 6, ZIPF.n_pages} <= set(curve_sizes("log", ZIPF.n_pages, also=[6, 1000]).tolist())
    assert curve_sizes("all", 5).tolist() == [1, 2, 3, 4, 5]
    assert curve_sizes("log", 1).tolist() == [1]


def test_a_run_with_all_options_resumes_to_the_same_bytes_and_verifies(tmp_path):
    path, bits = tmp_path / "mine.csv", tmp_path / "bits.npy"
    np.save(bits, BITS)
    path.write_text("page,next\n" + "".join(f"{page},{t % 7 + t}\n" for t, page in enumerate(ZIPF.requests)))

    def comparison():
        return TraceComparison(
            [path],
            [6, "50%"],
            algorithms=["LRU", "FlushWhenAllZeros", "BlindOracle"],
            predictors=["HistoryBits", "PopularityArrivals"],
            sigmas=[2.0],
            bits=[str(bits)],
            arrivals=["next"],
            column="page",
            replications=2,
            warmup="10%",
            curve="log",
        )

    store = run_experiments([comparison()], tmp_path / "out")
    whole = {file.name: file.read_bytes() for file in (store.folder / "cells").rglob("*.parquet")}
    assert len(whole) == 2 * (1 + 2 + 3 + 1) + 2
    for file in list((store.folder / "cells").rglob("*.parquet"))[::3]:
        file.unlink()
    run_experiments([comparison()], tmp_path / "out", workers=1)
    assert {file.name: file.read_bytes() for file in (store.folder / "cells").rglob("*.parquet")} == whole
    assert {check.finding for check in verify(tmp_path / "out", sample=100)} == {"bit-identical"}
    np.save(bits, 1 - BITS)
    with pytest.raises(ValueError, match="comes with other predictions than when the run was made"):
        verify(tmp_path / "out")


def test_the_command_of_a_report_asks_the_same():
    comparison = TraceComparison(
        [ZIPF], [6, "10%"], predictors=["AdversarialBits:budget=9"], flips=[0.05], warmup=7, curve="log"
    )
    assert " ".join(comparison.command()) == (
        "regretlab paging (a trace in memory) --cache-size 6,10% "
        "--algorithms LRU,FIFO,RandomEviction,Marker,Mark0,Belady --predictor AdversarialBits:budget=9 --flip 0.05 "
        "--replications 5 --warmup 7 --curve log"
    )


# The guarantees


def test_every_guarantee_of_an_eviction_policy_is_checked_under_its_own_name():
    registry.load_all()
    entries = {entry.name: entry for entry in ledger()}
    elsewhere = {
        "mark_and_predict_deterministic_bound",  # not what the registered name makes
        "lru_augmentation_bound",  # on the curves
        "discard_bit_sum",  # of the bits, no policy's faults
        "uniform_optimum",  # for uniform requests only
    }
    checked = {check.guarantee for checks in UPPER_BOUNDS.values() for check in checks}
    equal = {check.guarantee for check in IDENTITIES.values()}
    assert {entries[name].kind for name in checked} == {"upper"}
    assert {entries[name].kind for name in equal} == {"identity"}
    of_policies = {e.name for e in entries.values() if e.algorithm in EVICTION and e.kind in ("upper", "identity")}
    assert of_policies - elsewhere <= checked | equal
    assert UPPER_BOUNDS.keys() | IDENTITIES.keys() <= set(EVICTION)


@pytest.mark.parametrize("name", sorted(UPPER_BOUNDS))
def test_bounds_are_finite_and_grow_with_the_optimum(name):
    replay = Replay(10, 100.0, 150.0, eta0=3.0, eta1=4.0, eta=50.0, instance=200.0)
    more = dataclasses.replace(replay, opt=200.0, clean=300.0, instance=400.0)
    for check in UPPER_BOUNDS[name]:
        assert 0 < check.value(replay) < check.value(more) < math.inf


def test_combinations_are_held_against_the_better_of_their_policies():
    (bound,) = UPPER_BOUNDS["RobustMark0"]
    few, many, more = (Replay(10, 100.0, 150.0, eta0=eta0, eta1=0.0) for eta0 in (1.0, 1e4, 1e5))
    assert bound.value(few) < bound.value(many) == bound.value(more)


POLICIES = ["LRU", "Marker", "Mark0", "FlushWhenAllZeros", "MarkAndPredict", "BlindOracle", "LMarker", "Guard"]


@pytest.fixture(scope="module")
def compared():
    comparison = TraceComparison([ZIPF], [6, 20], algorithms=POLICIES, curve="log", replications=4)
    return comparison, frames(comparison)


def test_all_claims_hold(compared):
    comparison, rows = compared
    claims = comparison.claims(rows)
    assert [claim.statement for claim in claims if claim.verdict != "holds"] == []
    named = {claim.guarantee for claim in claims}
    for name in POLICIES:
        for check in (*UPPER_BOUNDS.get(name, ()), *([IDENTITIES[name]] if name in IDENTITIES else [])):
            assert check.guarantee in named
    assert {"lru_augmentation_bound", "clean_page_bound"} <= named


def test_claims_fail_when_there_are_more_faults_than_allowed(compared):
    comparison, rows = compared
    wrong = rows.assign(
        faults=rows["faults"] * 2000, all_faults=rows["all_faults"] * 2000, clean_pages=rows["clean_pages"] * 2
    )
    passed = [claim.statement for claim in comparison.claims(wrong) if claim.verdict == "holds"]
    # Many more faults than the optimum's are no fewer; of the other two both sides were multiplied.
    assert [s.partition(" ")[2][:12] for s in passed] == ["run has fewe", "curves pass ", "with k pages"]
    wrong = rows.assign(faults=rows["faults"] * np.where((rows["algorithm"] == "LRU") & rows["curve"].notna(), 50, 1))
    assert [c.verdict for c in comparison.claims(wrong) if c.guarantee == "lru_augmentation_bound"] == ["fails"]
    one_less = rows.assign(all_faults=np.where(rows["algorithm"] == "LRU", 1, rows["all_faults"]))
    assert [c.verdict for c in comparison.claims(one_less) if "No run has fewer" in c.statement] == ["fails"]
    shifted = rows.assign(faults=rows["faults"] + (rows["curve"].notna() & (rows["cache_size"] == 6)))
    assert [c.verdict for c in comparison.claims(shifted) if "The curves pass" in c.statement] == ["fails"]


def test_identities_are_claimed_only_where_no_prediction_is_wrong(compared):
    comparison, rows = compared
    statements = [claim.statement for claim in comparison.claims(rows) if claim.relation == "="]
    assert [s for s in statements if "flipped" in s or "sigma" in s] == []
    assert sum("faults = OPT" in s for s in statements) == 4
    # With one wrong bit in one run, Mark0 is held against its bound at that size.
    first = rows.index[(rows["algorithm"] == "Mark0") & (rows["eta0"] == 0)][1]
    once = rows.copy()
    once.loc[first, "eta0"] = 1.0
    assert any("Mark0, true bits: mean faults <= OPT + 2 H_k" in c.statement for c in comparison.claims(once))


def test_tables_show_errors_and_bounds(compared):
    comparison, rows = compared
    tables = comparison.tables(rows)
    assert [table.caption for table in tables] == ["zipf(0.8), 6 pages", "zipf(0.8), 20 pages"]
    assert tables[0].columns[-3:] == ("eta0", "eta1", "eta")
    entries = {row[0]: dict(zip(tables[0].columns, row, strict=True)) for row in tables[0].rows}
    assert entries["Mark0, true bits"]["bound / optimum"] == "1.000"
    assert entries["Mark0, true bits"]["eta0"] == entries["BlindOracle, true arrivals"]["eta"] == "0"
    assert entries["LRU"]["bound / optimum"] == "6.000"
    assert entries["LRU"]["eta0"] == entries["Mark0, true bits"]["eta"] == ""
    plain = TraceComparison([ZIPF], [6], algorithms=["LRU"])
    assert "eta0" not in plain.tables(frames(plain))[0].columns


def test_a_summary_names_the_best_with_and_without_predictions(compared):
    comparison, rows = compared
    without, erring = comparison.summary(rows)
    assert without.startswith("zipf(0.8), served best without predictions by")
    assert "bits" not in without
    assert "true" not in erring
    assert "with predictions that err" in erring


def test_the_bound_phase_by_phase_is_that_of_the_bits_that_mark0_was_told(compared):
    _, rows = compared
    assert rows[rows["algorithm"] != "Mark0"]["instance_bound"].isna().all()
    mine = rows[rows["algorithm"] == "Mark0"]
    right = mine["eta0"] == 0
    assert (mine["instance_bound"][right] == mine["all_optimum"][right]).all()
    assert (mine["instance_bound"][~right] > mine["all_optimum"][~right]).all()


# Figures


def labels(axes):
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("curve", [None, "log"])
def test_many_policies_are_set_out_in_panels_with_room_for_their_legends(curve):
    comparison = TraceComparison([ZIPF], [6, 30], algorithms=["all"], curve=curve)
    (shown,) = figures(comparison, made_up(comparison))
    assert shown.name == ("curve_zipf_0_8_" if curve else "miss_ratio_zipf_0_8_")
    panels = shown.figure.axes
    assert 4 <= len(panels) <= 9
    shown.figure.canvas.draw()
    width, height = shown.figure.canvas.get_width_height()
    drawn = set()
    for axes in panels:
        mine = labels(axes)
        assert 3 <= len(mine) <= 14
        assert {"LRU", "Belady (offline optimum)"} <= set(mine)
        drawn |= {label.partition(",")[0] for label in mine}
        assert axes.get_xscale() == "log"
        assert axes.get_ylim()[0] == 0
        assert (axes.get_ylim()[1] == 1.0) == (curve is not None)
        box = axes.get_legend().get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= width
        assert box.y0 >= 0
        assert box.y1 <= height
    assert drawn == comparison.policies.keys() - {"Belady"} | {"Belady (offline optimum)"}


def test_curves_are_lines_and_other_policies_points():
    comparison = TraceComparison([ZIPF], [6, 30], algorithms=["LRU", "FIFO"], curve="log")
    (shown,) = figures(comparison, made_up(comparison))
    (axes,) = shown.figure.axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert lines.keys() == {"LRU", "FIFO", "Belady (offline optimum)"}
    assert len(lines["LRU"].get_xdata()) > 10
    assert lines["FIFO"].get_linestyle() == "None"
    assert list(lines["FIFO"].get_xdata()) == [6, 30]


def test_one_size_is_shown_as_bars_high_enough_for_their_names():
    comparison = TraceComparison([ZIPF], [6], algorithms=["all"])
    (shown,) = figures(comparison, made_up(comparison))
    (axes,) = shown.figure.axes
    (legend,) = shown.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "no predictions",
        "discard bits",
        "next arrivals",
        "phase bits",
    ]
    shown.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert len(boxes) == len(comparison.cells("quick"))
    assert all(above.y0 >= below.y1 - 1 for above, below in itertools.pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0
    values = [text.get_window_extent() for text in axes.texts]
    assert len(values) == len(boxes)
    assert max(box.x1 for box in values) <= axes.get_window_extent().x1


def test_results_from_a_store_are_those_of_the_cells(tmp_path):
    comparison = TraceComparison([ZIPF], [6], algorithms=["LRU"], curve="log")
    store = run_experiments([comparison], tmp_path)
    stored = results(store, comparison)
    assert comparison.tables(stored) == comparison.tables(frames(comparison))
    assert all(claim.verdict == "holds" for claim in comparison.claims(stored))
