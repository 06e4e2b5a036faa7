"""Sweeps: from the file to cells, results, tables, figures and verdicts, and back from the store."""

import hashlib
import json
import math
import shutil
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bandits import UCB1, UniformRandom
from experiments import Store, Sweep, mean_interval, results, run_experiments, verify
from experiments.plots import render
from experiments.runner import experiments_of
from experiments.sweep_results import difference_of, ends, interval_of, is_proportion, tables
from online.paging import LRU
from simulators import BernoulliArms, ZipfTrace

SWEEP = """
horizon = [30, 60]
replications = 4

[[simulators]]
name = "BernoulliArms"
means = [0.4, 0.6]

[[simulators]]
name = "BernoulliArms"
means = [0.1, 0.5, 0.9]

[[algorithms]]
name = "UCB1"
exploration = [1.0, 2.0]

[[algorithms]]
name = "UniformRandom"
"""
ARMS = {"name": "BernoulliArms", "means": [0.4, 0.6]}
CONTENT = {"horizon": 40, "replications": 3, "simulators": [ARMS], "algorithms": [{"name": "UCB1"}]}


@pytest.fixture
def sweep_file(tmp_path):
    path = tmp_path / "arms.toml"
    path.write_text(SWEEP)
    return path


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A sweep and all its results."""
    path = tmp_path_factory.mktemp("sweep") / "arms.toml"
    path.write_text(SWEEP)
    sweep = Sweep.from_file(path)
    store = run_experiments([sweep], path.parent / "out", seed=3, workers=2)
    return sweep, store, results(store, sweep)


def by_hand(seed, key, replication):
    """The generator of a replication of a cell, by the definition in the design."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"))
    hashed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(seed, spawn_key=(hashed, replication))))


def test_the_cells_are_the_product(played):
    sweep, _, frame = played
    cells = sweep.cells("quick")
    assert len(cells) == 2 * 2 * 3
    assert cells == sweep.cells("paper")
    assert cells[1] == {
        "simulator": "BernoulliArms(means=[0.4, 0.6])",
        "horizon": 30,
        "algorithm": "UCB1(exploration=2.0)",
        "algorithm.exploration": 2.0,
    }
    assert list(frame.columns[:4]) == ["simulator", "horizon", "algorithm", "algorithm.exploration"]
    assert set(frame.columns[4:]) == {"replication", "round", "regret"}
    assert set(frame.loc[frame["algorithm"] == "UCB1(exploration=2.0)", "algorithm.exploration"]) == {2.0}
    assert frame.loc[frame["algorithm"] == "UniformRandom", "algorithm.exploration"].isna().all()
    assert frame.groupby(["simulator", "horizon", "algorithm"])["replication"].nunique().eq(4).all()


@pytest.mark.parametrize("named", ["UCB1(exploration=2.0)", "UniformRandom"])
def test_a_cell_is_what_the_algorithm_does_with_the_streams_of_the_design(played, named):
    _, _, frame = played
    simulator = {"name": "BernoulliArms", "fields": {"means": [0.1, 0.5, 0.9]}}
    policy, fields = (UCB1(2.0), {"exploration": 2.0}) if named.startswith("UCB1") else (UniformRandom(), {})
    key = {"simulator": simulator, "horizon": 60, "algorithm": {"name": named.partition("(")[0], "fields": fields}}
    shared = {name: key[name] for name in ("simulator", "horizon")}
    for replication in range(4):
        world = by_hand(3, {"stream": "world", "cell": shared}, replication)
        own = by_hand(3, {"stream": "algorithm", "cell": key}, replication)
        run = policy.run(BernoulliArms([0.1, 0.5, 0.9]), 60, own, world=world)
        found = frame[
            (frame["simulator"] == "BernoulliArms(means=[0.1, 0.5, 0.9])")
            & (frame["horizon"] == 60)
            & (frame["algorithm"] == named)
            & (frame["replication"] == replication)
        ]
        assert found["regret"].to_numpy().tobytes() == run.metrics["regret"].tobytes()
        assert found["round"].tolist() == run.rounds.tolist()


def test_algorithms_meet_the_same_worlds():
    trace = {"name": "ZipfTrace", "n_pages": 50, "exponent": 1.0, "length": 300}
    policies = [{"name": "LRU", "cache_size": 10}, {"name": "RandomEviction", "cache_size": 10}]
    sweep = Sweep({"horizon": 300, "replications": 5, "simulators": [trace], "algorithms": policies})
    lru, random = (sweep.run(cell, 1) for cell in sweep.cells("quick"))
    # The first 10 faults of any policy with 10 places are the first 10 distinct pages: a mark of the world.
    first = [frame[frame["faults"] > 5].groupby("replication")["round"].min().tolist() for frame in (lru, random)]
    assert first[0] == first[1]
    assert len(set(first[0])) > 1
    shared = {"simulator": {"name": "ZipfTrace", "fields": {k: v for k, v in trace.items() if k != "name"}}}
    world = by_hand(1, {"stream": "world", "cell": shared | {"horizon": 300}}, 2)
    faults = LRU(10).run(ZipfTrace(50, exponent=1.0, length=300), 300, world=world).metrics["faults"]
    assert lru.loc[lru["replication"] == 2, "faults"].tolist() == faults.tolist()


def test_the_table_is_what_pandas_and_scipy_say(played):
    sweep, _, frame = played
    found = tables(frame, sweep.algorithms, "rounds")
    assert [table.caption for table in found][3] == (
        "BernoulliArms(means=[0.1, 0.5, 0.9]), 60 rounds: means of 4 runs, and paired differences"
    )
    last = frame[(frame["horizon"] == 60) & (frame["round"] == 60) & frame["simulator"].str.contains("0.9")]
    wide = last.pivot_table(index="replication", columns="algorithm", values="regret")
    first, other = wide["UCB1(exploration=1.0)"], wide["UniformRandom"]
    row = dict(zip(range(5), found[3].rows[2], strict=True))
    assert row[0] == "UniformRandom"
    for place, samples in ((1, other), (3, other - first)):
        low, high = stats.t.interval(0.95, 3, samples.mean(), stats.sem(samples))
        assert float(row[place].replace(",", "")) == pytest.approx(samples.mean(), rel=1e-3)
        assert [float(end) for end in row[place + 1].strip("[]").split(", ")] == pytest.approx([low, high], rel=1e-3)
    assert found[3].rows[0][3:] == ["", ""]


def test_report_and_verify_rebuild_the_sweep_from_the_store_alone(regretlab, sweep_file, tmp_path):
    out = tmp_path / "out"
    code, text, _ = regretlab("run", sweep_file, "--out", out, "--seed", 3, "--workers", 1)
    assert code == 0
    assert "BernoulliArms(means=[0.4, 0.6]), 30 rounds: means of 4 runs, and paired differences" in text
    sweep_file.unlink()
    assert regretlab("report", out)[0] == 0
    page = (out / "report.html").read_text()
    assert page.count("<figure>") == 2
    assert "regretlab run arms.toml --seed 3 --out DIR" in page
    for name in ("regret", "regret_by_horizon"):
        ElementTree.fromstring((out / "figures" / f"sweep-arms-{name}.svg").read_bytes())
    code, text, _ = regretlab("verify", out, "--sample", 12)
    assert code == 0
    assert "all 12 cells are whole; 12 were run again and are bit-identical" in text


def test_the_same_bytes_for_any_number_of_workers(played, sweep_file, tmp_path):
    _, store, _ = played
    again = run_experiments([Sweep.from_file(sweep_file)], tmp_path / "again", seed=3, workers=1)
    bytes_of = [{p.name: p.read_bytes() for p in s.folder.rglob("*.parquet")} for s in (store, again)]
    assert bytes_of[0] == bytes_of[1]
    assert len(bytes_of[0]) == 12


def test_a_label_changes_no_number_and_a_parameter_does():
    frames = []
    for table in ({"name": "UniformRandom"}, {"name": "UniformRandom", "label": "blind"}):
        sweep = Sweep(CONTENT | {"algorithms": [table]})
        (cell,) = sweep.cells("quick")
        frames.append(sweep.run(cell, 0))
    assert cell["algorithm"] == "blind"
    pd.testing.assert_frame_equal(*frames)
    other = Sweep(CONTENT | {"algorithms": [table], "horizon": 41})
    assert other.run(other.cells("quick")[0], 0)["regret"].tolist()[:10] != frames[0]["regret"].tolist()[:10]


def test_numbers_of_the_outcome_stand_at_the_end(tmp_path):
    sweep = Sweep(CONTENT | {"metrics": ["reward", "regret"]})
    (cell,) = sweep.cells("quick")
    run = sweep.run(cell, 0)
    assert list(run.columns) == ["replication", "round", "reward", "regret"]
    assert run["reward"].notna().tolist() == (run["round"] == 40).tolist()
    store = run_experiments([sweep], tmp_path)
    frame = results(store, sweep)
    table = sweep.tables(frame)[0]
    assert float(table.rows[0][1]) == pytest.approx(run.loc[run["round"] == 40, "reward"].mean(), rel=1e-3)
    assert [figure.name for figure in sweep.figures(frame)] == ["reward", "regret"]


def test_runs_that_stop_by_themselves_are_drawn_as_points(tmp_path):
    stops = {"name": "FixedConfidenceElimination", "delta": 0.1}
    sweep = Sweep(CONTENT | {"horizon": 100_000, "replications": 6, "algorithms": [stops], "simulators": [ARMS]})
    frame = results(run_experiments([sweep], tmp_path), sweep)
    (_, _, last), *_ = ends(frame)
    assert last["round"].nunique() > 1
    (figure,) = sweep.figures(frame)
    (axes,) = figure.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["FixedConfidenceElimination"]
    assert axes.containers[0].lines[0].get_xdata().tolist() == [last["error"].mean()]
    assert "95% Clopper-Pearson intervals" in figure.caption


def test_one_replication_has_no_interval(tmp_path):
    sweep = Sweep(CONTENT | {"replications": 1, "algorithms": [{"name": "UCB1"}, {"name": "UniformRandom"}]})
    frame = results(run_experiments([sweep], tmp_path), sweep)
    assert sweep.tables(frame)[0].rows[1][2::2] == ["one run", "one run"]
    sweep.figures(frame)


def test_claims_are_the_users(played):
    sweep, _, frame = played
    assert sweep.claims(frame) == []
    claims = [
        {"metric": "regret", "algorithm": "UCB1", "bound": 100.0},
        {"metric": "regret", "algorithm": "UCB1", "compared_with": "UniformRandom", "horizon": 60},
        {
            "metric": "regret",
            "algorithm": "UniformRandom",
            "relation": ">=",
            "bound": 1e6,
            "simulator": sweep.cells("quick")[0]["simulator"],
        },
    ]
    claiming = Sweep(sweep._content | {"claims": claims})
    found = claiming.claims(frame)
    assert [claim.verdict for claim in found[:8]] == ["holds"] * 8
    assert len(found) == 2 * 2 * 2 + 2 * 2 + 2
    assert [claim.verdict for claim in found[-2:]] == ["fails"] * 2
    compared = found[8]
    assert compared.statement == (
        "mean regret of UCB1(exploration=1.0) less that of UniformRandom <= 0 after 60 rounds of "
        "BernoulliArms(means=[0.4, 0.6])"
    )
    last = frame[(frame["horizon"] == 60) & (frame["round"] == 60) & frame["simulator"].str.contains("0.6")]
    wide = last.pivot_table(index="replication", columns="algorithm", values="regret")
    differences = wide["UCB1(exploration=1.0)"] - wide["UniformRandom"]
    assert compared.measured == mean_interval(differences, level=0.99)


def test_errors_are_chances_and_none_in_few_runs_is_not_none_ever():
    none, all_of_them = np.zeros(10), np.ones(10)
    found = interval_of(none, 0.95, proportion=True)
    assert (found.low, found.estimate, found.high) == (0.0, 0.0, pytest.approx(1 - 0.025**0.1))
    some = np.array([1.0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    exact = stats.binomtest(2, 10).proportion_ci(0.99, method="exact")
    assert interval_of(some, 0.99, proportion=True).low == pytest.approx(exact.low)
    assert interval_of(some, 0.99, proportion=True).high == pytest.approx(exact.high)
    difference = difference_of(some, all_of_them, 0.95, proportion=True)
    fewer = stats.binomtest(8, 10).proportion_ci(0.975, method="exact")
    more = stats.binomtest(0, 10).proportion_ci(0.975, method="exact")
    assert difference.estimate == pytest.approx(-0.8)
    assert (difference.low, difference.high) == pytest.approx((more.low - fewer.high, more.high - fewer.low))
    assert difference_of(none, none, 0.95, proportion=True).high > 0.3


@given(st.integers(1, 6), st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.sampled_from([0.8, 0.95]))
@settings(max_examples=15)
def test_the_interval_of_a_difference_of_chances_covers_as_often_as_it_says(runs, one, other, level):
    """By enumeration of all outcomes of a few runs of two coins that are tossed independently."""
    laws = {(1.0, 1.0): one * other, (1.0, 0.0): one * (1 - other), (0.0, 1.0): (1 - one) * other}
    laws[0.0, 0.0] = 1.0 - sum(laws.values())
    covered = 0.0
    for outcome in product(laws, repeat=min(runs, 4)):
        first, second = np.array(outcome).T
        found = difference_of(first, second, level, proportion=True)
        covered += math.prod(laws[each] for each in outcome) * (found.low <= one - other <= found.high)
    assert covered >= level - 1e-12


def test_whether_a_metric_is_a_proportion_is_decided_over_all_runs():
    frame = pd.DataFrame({"error": [0.0, 1.0, math.nan], "regret": [0.0, 0.5, 1.0]})
    assert [is_proportion(frame, metric) for metric in ("error", "regret")] == [True, False]


def test_what_is_not_finite_decides_nothing(played):
    sweep, _, frame = played
    claiming = Sweep(sweep._content | {"claims": [{"metric": "regret", "algorithm": "UCB1", "bound": 9.0}]})
    broken = frame.copy()
    broken.loc[(broken["replication"] == 2), "regret"] = math.inf
    assert {claim.verdict for claim in claiming.claims(broken)} == {"undecided"}
    assert claiming.tables(broken)[0].rows[0][1:3] == ["", "not finite in 1 of 4 runs"]
    for figure in claiming.figures(broken):
        render(figure.figure, "png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 0}, "horizon: 0 is below 1"),
        ({"horizon": 2.5}, "horizon: 2.5 is not a whole number >= 1"),
        ({"horizon": [10, -1]}, "horizon[1]: -1 is below 1"),
        ({"horizon": [10, 10]}, "horizon[1]: 10 is listed twice"),
        ({"horizon": []}, "horizon: [] has no horizon"),
        ({"replications": 0}, "replications = 0: should be greater than or equal to 1"),
        ({"replications": True}, "replications = True: must be a whole number >= 1"),
        ({"replication": 3}, "replication: is unknown; did you mean 'replications'?"),
        ({"seed": 3}, "seed: is no key of a sweep; it comes from the command line, --seed"),
        ({"metrics": "regret"}, "metrics = 'regret': should be a valid tuple"),
        ({"metrics": []}, "metrics: [] must name at least one metric"),
        ({"metrics": ["regret", "regret"]}, "and none twice"),
        ({"figures": {"x": "logarithmic"}}, "figures.x = 'logarithmic': should be 'linear' or 'log'"),
        ({"figures": {"z": "log"}}, "figures.z: is unknown; there are metrics, x, y"),
        ({"figures": 3}, "figures = 3: must be a table"),
        (
            {"figures": {"metrics": ["loss"]}, "metrics": ["regret"]},
            "figures.metrics[0] = 'loss': is not among metrics",
        ),
        ({"algorithms": [{"name": "UCB1", "exploration": -1}]}, "algorithms[0].exploration = -1: should be greater"),
        ({"algorithms": []}, "algorithms: must be tables"),
        ({"claims": {}}, "claims = {}: must be tables, [[claims]]"),
        ({"claims": [{"metric": "regret"}]}, "claims[0].algorithm is missing"),
        ({"claims": [{"metric": "regret", "algorithm": "UCB1"}]}, "claims[0].bound is missing: only a claim with"),
        (
            {"claims": [{"metric": "regret", "algorithm": "UCB", "bound": 1}]},
            "claims[0].algorithm = 'UCB': is not in this sweep; did you mean 'UCB1'?",
        ),
        (
            {"claims": [{"metric": "regret", "algorithm": "UCB1", "bound": math.nan}]},
            "claims[0].bound = nan: should be a finite number",
        ),
        (
            {"claims": [{"metric": "regret", "algorithm": "UCB1", "bound": 1, "horizon": 41}]},
            "claims[0].horizon = 41: is not among the horizons, 40",
        ),
        (
            {"claims": [{"metric": "loss", "algorithm": "UCB1", "bound": 1}], "metrics": ["regret"]},
            "claims[0].metric = 'loss': is not among metrics; there are regret",
        ),
        (
            {"claims": [{"metric": "regret", "algorithm": "UCB1", "relation": "<", "bound": 1}]},
            "claims[0].relation = '<': should be '<=' or '>='",
        ),
        (
            {
                "claims": [{"metric": "regret", "algorithm": "UniformRandom", "compared_with": "UCB1"}],
                "algorithms": [{"name": "UCB1", "exploration": [1.0, 2.0]}, {"name": "UniformRandom"}],
            },
            "claims[0].compared_with = 'UCB1': must be one algorithm; there are UCB1(exploration=1.0), ",
        ),
    ],
)
def test_errors_of_the_file_are_one_line(tmp_path, change, message):
    with pytest.raises(ValueError) as caught:
        Sweep(CONTENT | change)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["horizon", "replications", "simulators", "algorithms"])
def test_a_missing_key_is_named(key):
    with pytest.raises(ValueError, match=f"^{key} is missing"):
        Sweep({name: value for name, value in CONTENT.items() if name != key})


def test_mistakes_in_the_command_are_one_line_and_exit_code_2(regretlab, tmp_path):
    bad = tmp_path / "bad.toml"
    (tmp_path / "other").mkdir()
    for text, message in (
        (
            SWEEP.replace("exploration = [1.0, 2.0]", "exploration = [1.0, -2.0]"),
            "bad.toml: algorithms[0].exploration[1]",
        ),
        ("horizon = = 3", "bad.toml: Invalid value (at line 1, column 11)"),
        ("horizon = 3\nhorizon = 4", "bad.toml: Cannot overwrite a value"),
        ("\x00", "bad.toml: Invalid statement"),
    ):
        bad.write_text(text)
        code, out, err = regretlab("run", bad, "--out", tmp_path / "out")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert message in err
    bad.write_bytes(b"\xff\xfe")
    assert "bad.toml: 'utf-8' codec can't decode" in regretlab("run", bad)[2]
    assert "No such file" in regretlab("run", tmp_path / "gone.toml")[2]
    (tmp_path / "my sweep.toml").write_text(SWEEP)
    assert "rename the file" in regretlab("run", tmp_path / "my sweep.toml")[2]
    for folder in (tmp_path, tmp_path / "other"):
        (folder / "same.toml").write_text(SWEEP)
    err = regretlab("run", tmp_path / "same.toml", tmp_path / "other" / "same.toml", "--out", tmp_path / "out")[2]
    assert "sweep-same: two experiments have this name" in err
    assert not (tmp_path / "out").exists()


def test_a_metric_that_no_run_records_fails_at_its_first_replication(tmp_path):
    sweep = Sweep(CONTENT | {"metrics": ["regert"]})
    with pytest.raises(RuntimeError, match=r"metrics\[0\] = 'regert': is not recorded; did you mean 'regret'\?"):
        run_experiments([sweep], tmp_path)


def test_a_changed_data_file_is_noticed(tmp_path):
    rewards = tmp_path / "rewards.csv"
    rewards.write_text("a,b\n" + "0.2,0.9\n" * 50)
    content = CONTENT | {"simulators": [{"name": "AdversarialRewards.from_file", "path": "rewards.csv"}]}
    (tmp_path / "table.toml").write_text(
        'horizon = 40\nreplications = 3\nalgorithms = [{name = "UCB1"}]\n'
        'simulators = [{name = "AdversarialRewards.from_file", path = "rewards.csv"}]'
    )
    sweep = Sweep.from_file(tmp_path / "table.toml")
    assert sweep._content == content
    store = run_experiments([sweep], tmp_path / "out")
    assert [check.finding for check in verify(tmp_path / "out")] == ["bit-identical"]
    rewards.write_text("a,b\n" + "0.9,0.2\n" * 50)
    with pytest.raises(ValueError, match=r"rewards.csv: no longer holds what it held when the sweep was run"):
        experiments_of(store)
    with pytest.raises(ValueError, match="holds sweep-table with other parameters"):
        run_experiments([Sweep.from_file(tmp_path / "table.toml")], tmp_path / "out")
    rewards.unlink()
    with pytest.raises(ValueError, match=r"simulators\[0\].path = 'rewards.csv': there is no such file"):
        experiments_of(store)


def test_infinite_numbers_come_back_from_the_manifest(tmp_path):
    problem = {"name": "breast_cancer"}
    private = {"name": "DPGD", "epsilon": [math.inf, 2.0], "delta": 1e-4}
    sweep = Sweep({"horizon": 2, "replications": 1, "simulators": [problem], "algorithms": [private]}, name="private")
    store = run_experiments([sweep], tmp_path / "out")
    json.loads((tmp_path / "out" / "manifest.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    (again,) = experiments_of(Store(store.folder))
    assert [part.value for part in again.algorithms] == [part.value for part in sweep.algorithms]
    assert again.cells("quick") == sweep.cells("quick")


def test_the_store_needs_no_folder_without_data_files(played, tmp_path):
    _, store, _ = played
    moved = tmp_path / "moved"
    shutil.copytree(store.folder, moved)
    manifest = json.loads((moved / "manifest.json").read_text())
    manifest["experiments"]["sweep-arms"]["parameters"]["folder"] = "/nowhere"
    (moved / "manifest.json").write_text(json.dumps(manifest))
    assert {check.finding for check in verify(moved, sample=2)} == {"bit-identical", "whole"}


def test_the_figure_draws_every_algorithm_in_every_panel(played):
    sweep, _, frame = played
    against_rounds, against_horizon = sweep.figures(frame)
    (legend,) = against_rounds.figure.legends
    assert legend.get_title().get_text() == "means with 95% normal bands"
    assert [text.get_text() for text in legend.get_texts()] == [part.label for part in sweep.algorithms]
    for panel, simulator in zip(against_rounds.figure.axes, sweep.simulators, strict=True):
        assert panel.get_title() == simulator.label
        for line, part in zip(panel.lines, sweep.algorithms, strict=True):
            runs = frame[(frame["simulator"] == simulator.label) & (frame["algorithm"] == part.label)]
            means = runs[runs["horizon"] == 60].groupby("round")["regret"].mean()
            assert line.get_xdata().tolist() == means.index.tolist()
            assert line.get_ydata() == pytest.approx(means.to_numpy())
    labels = [text.get_text() for text in against_horizon.figure.axes[0].get_legend().get_texts()]
    for label, part in zip(labels, sweep.algorithms, strict=True):
        ends_of = [
            last
            for (_, horizon, last), _ in product(ends(frame), [0])
            if horizon and "0.6" in str(last["simulator"].iloc[0])
        ]
        means = [last.loc[last["algorithm"] == part.label, "regret"].mean() for last in ends_of]
        assert label == f"{part.label}, slope {math.log(means[1] / means[0]) / math.log(2):.2f}"


def test_the_axes_are_as_the_file_says(played):
    sweep, _, frame = played
    drawn = Sweep(sweep._content | {"figures": {"x": "log", "y": "log", "metrics": ["regret"]}})
    axes = drawn.figures(frame)[0].figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("rounds", "regret")
