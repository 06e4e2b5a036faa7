"""The experiment of sequential gradient coding, and the command that plays schemes on a user's answer times."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from algos.streams import canonical_json
from experiments.papers import sequential_gradient_coding as paper
from experiments.papers.sequential_gradient_coding import EXPERIMENT
from experiments.plots import render
from experiments.scheme_choice import SchemeChoice
from online.gradient_coding import FAMILIES, select_parameters


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_cells_are_distinct(scale):
    cells = EXPERIMENT.cells(scale)
    assert len({canonical_json(one) for one in cells}) == len(cells)


@pytest.mark.extended
@pytest.mark.slow
def test_claims_tables_and_figures_of_a_small_run(monkeypatch):
    monkeypatch.setattr(paper, "TRAINING_JOBS", 6)
    frames = []
    for one in EXPERIMENT.cells("quick"):
        small = {**one, "runs": 2} if "runs" in one else {**one, "probe": 6} if "probe" in one else dict(one)
        frames.append(EXPERIMENT.run(small, 1).assign(**small))
    results = pd.concat(frames, ignore_index=True)
    claims = EXPERIMENT.claims(results)
    assert [claim.statement for claim in claims if claim.verdict == "fails"] == []
    assert all(claim.verdict == "holds" for claim in claims if claim.statement.startswith("shipped trace"))
    assert sum(claim.statement.startswith("shipped trace") for claim in claims) == 17
    names = ["profile", "slope", "selection", "progress", "training", "loads", "alphas", "waits"]
    figures = EXPERIMENT.figures(results)
    assert [figure.name for figure in figures] == names
    for figure in figures:
        assert render(figure.figure, "svg")
    assert [len(table.rows) for table in EXPERIMENT.tables(results)] == [12, 6]
    assert len(EXPERIMENT.summary(results)) == 3


def test_a_cell_follows_from_its_seed_alone():
    cell = {"part": "runs", "policy": "M-SGC (1,2,27)", "heavy": True, "runs": 2}
    first, again, other = (EXPERIMENT.run(cell, seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first["runtime"].equals(other["runtime"])


# The command


@pytest.fixture
def times(tmp_path):
    table = np.where(np.random.default_rng(0).random((16, 6)) < 0.2, 4.0, 1.0) + np.linspace(0, 0.5, 96).reshape(16, 6)
    np.savetxt(tmp_path / "times.csv", table, delimiter=",", fmt="%.17g")
    return table


def regretlab(*words, cwd):
    return subprocess.run(
        [sys.executable, "-c", "from experiments.commands import main; main()", *words],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_tables_are_those_of_the_selection(times, tmp_path):
    choice = SchemeChoice(tmp_path / "times.csv", alpha=0.5, best=3)
    frames = [choice.run(cell, 0).assign(**cell) for cell in choice.cells("quick")]
    results = pd.concat(frames, ignore_index=True)
    best = select_parameters(times, 12, alpha=0.5).best(k=3)
    fastest, families, slow = choice.tables(results)
    assert [row[2] for row in fastest.rows] == [f"{candidate.runtime:.2f}" for candidate in best]
    assert [row[1] for row in fastest.rows] == [candidate.parameters for candidate in best]
    assert {row[0] for row in families.rows} == set(FAMILIES)
    assert len(slow.rows) <= 20
    rounds = choice.rounds(results)
    by_family = rounds.groupby("scheme")["seconds"].sum()
    for row in families.rows:
        assert float(row[2]) == pytest.approx(by_family[row[0]], abs=0.006)
    assert rounds["lost"].sum() == sum(len(workers.split()) for workers in rounds["workers"])
    for figure in choice.figures(results):
        assert render(figure.figure, "svg")


@pytest.mark.slow
def test_the_command_answers_reports_and_verifies(times, tmp_path):
    words = (
        "gradient-coding",
        "times.csv",
        "--jobs",
        "10",
        "--alpha",
        "0.5",
        "--rounds-out",
        "r.csv",
        "--out",
        "found",
    )
    ended = regretlab(*words, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "The fastest is event-driven repetition" in ended.stdout
    assert "Of the masters with a deadline it is" in ended.stdout
    rounds = pd.read_csv(tmp_path / "r.csv")
    assert list(rounds) == ["scheme", "round", "seconds", "waited", "lost", "workers"]
    assert set(rounds["scheme"]) == set(FAMILIES)
    report = (tmp_path / "found" / "report.html").read_text()
    assert "gradient-coding times.csv --jobs 10 --alpha 0.5" in report
    assert str(tmp_path) not in report
    assert regretlab("verify", "found", cwd=tmp_path).returncode == 0
    (tmp_path / "times.csv").write_text("1,2\n" * 20)
    ended = regretlab("verify", "found", cwd=tmp_path)
    assert ended.returncode == 2
    assert "no longer holds the answer times" in ended.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere.csv",), "nowhere.csv"),
        (("times.csv", "--jobs", "99"), "jobs: 99 take"),
        (("times.csv", "--jobs", "0"), "jobs: 0 is below 1"),
        (("times.csv", "--jobs", "15"), "more than the 16 recorded"),
        (("times.csv", "--alpha", "-1"), "alpha"),
        (("times.csv", "--wait", "never"), "wait: 'never'"),
        (("times.csv", "--rule", "best"), "rule: 'best'"),
        (("times.csv", "--max-window", "1"), "max_window: 1 is below 2"),
        (("bad.csv",), "bad.csv: line 2, column 1: '-1' is not a time > 0"),
    ],
)
def test_bad_options_end_in_one_line(times, tmp_path, words, message, capsys, monkeypatch):
    from experiments.commands import main

    (tmp_path / "bad.csv").write_text("1,2\n-1,3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["regretlab", "gradient-coding", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
