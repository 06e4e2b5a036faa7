"""The experiment of autobidding, and the command that splits a budget over a user's log."""

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from algos.streams import canonical_json
from experiments.budget_split import BudgetChoice
from experiments.papers.autobidding import EXPERIMENT
from experiments.plots import render

LOG = """channel,value,cost
search,30,10
search,20,10
search,8,10
social,24,12
social,9,12
video,5,10
"""


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_cells_are_distinct(scale):
    cells = EXPERIMENT.cells(scale)
    assert len({canonical_json(one) for one in cells}) == len(cells)


@pytest.mark.extended
@pytest.mark.slow
def test_claims_tables_and_figures_of_a_small_run():
    frames = []
    for one in EXPERIMENT.cells("quick"):
        small = {**one, "runs": min(one["runs"], 2)}
        if one["part"] == "learners":
            small["horizon"] = 1000
        elif one["part"] in ("scaling", "losses"):
            small["runs"] = 1
        elif one["part"] == "caps":
            small["runs"] = one["runs"]
        frames.append(EXPERIMENT.run(small, 1).assign(**small))
    results = pd.concat(frames, ignore_index=True)
    claims = EXPERIMENT.claims(results)
    sure = [claim for claim in claims if not claim.statement.startswith(("E3", "E6"))]
    assert [claim.statement for claim in sure if claim.verdict != "holds"] == []
    assert len(sure) >= 20
    figures = EXPERIMENT.figures(results)
    assert [figure.name for figure in figures] == [
        "scaling", "learners", "paths", "losses", "positions", "week", "caps",
    ]  # fmt: skip
    for figure in figures:
        assert render(figure.figure, "svg")
    assert [len(table.rows) for table in EXPERIMENT.tables(results)] == [8, 8, 15, 10]
    assert len(EXPERIMENT.summary(results)) == 2


def test_a_cell_follows_from_its_seed_alone():
    cell = {"part": "learners", "instance": "0, target 1", "algorithm": "joint EXP3", "horizon": 100, "runs": 2}
    first, again, other = (EXPERIMENT.run(cell, seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first["regret"].equals(other["regret"])


# The command


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


def regretlab(*words, cwd):
    return subprocess.run(
        [sys.executable, "-c", "from experiments.commands import main; main()", *words],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_split_by_hand(log):
    """Ratios are 3, 2, 0.8; 2, 0.75; 0.5. With 30 to spend: 10 at 3, then 20 of the 22 at 2."""
    choice = BudgetChoice(log, budget=30, roi=2)
    results = pd.concat([choice.run(cell, 0) for cell in choice.cells("quick")])
    assert choice.split.value == 70
    assert choice.split.spends.tolist() == [20, 10, 0]
    assert choice.split.budget_multiplier == 2
    (table,) = choice.tables(results)
    assert table.rows[0] == ["search", "20", "50", "2.5", "0.8", "30"]
    assert table.rows[-1][:4] == ["all", "30", "70", "2.333"]
    (claim,) = choice.claims(results)
    assert claim.verdict == "holds"
    words = " ".join(choice.summary(results))
    assert "what binds is the budget" in words
    assert "One more unit of budget would add 2 of value." in words
    assert "video gets nothing: its best unit returns 0.5, not more than the threshold 2." in words
    assert "its average of 2.5 is the highest" in words
    for figure in choice.figures(results):
        assert render(figure.figure, "svg")


def test_what_else_may_bind(log):
    """At a target of 2.2 of 32 spent for 74, 10 more at 0.8 could be bought; 3.6/1.4 of them keep 2.2."""
    choice = BudgetChoice(log, roi=2.2)
    assert choice.split.spend == pytest.approx(32 + 3.6 / 1.4)
    assert choice.split.binding == "roi"
    words = " ".join(choice.summary(choice.run({"log": "log.csv"}, 0)))
    assert "what binds is the target" in words
    assert "A target higher by 0.01 would cost about" in words
    loose = BudgetChoice(log)
    assert "nothing binds" in loose.summary(loose.run({"log": "log.csv"}, 0))[0]
    bounded = BudgetChoice(log, budget=20, lower={"video": 5}, upper={"search": 10})
    words = " ".join(bounded.summary(bounded.run({"log": "log.csv"}, 0)))
    assert "search is at its upper bound; its next unit would return 2." in words
    assert "video gets no more than its lower bound" in words
    assert bounded.claims(bounded.run({"log": "log.csv"}, 0)) == []


def test_budgets_of_every_period_buy_less(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("channel,period,value,cost\na,0,10,1\na,1,1,1\n")
    whole, capped = BudgetChoice(path, budget=1), BudgetChoice(path, budget=0.5, every_period=True)
    assert whole.split.value == 10
    assert capped.split.value == pytest.approx(2.75)


@pytest.mark.extended
@pytest.mark.slow
def test_the_command_answers_reports_and_verifies(log, tmp_path):
    ended = regretlab("autobidding", "log.csv", "--budget", "30", "--roi", "2", "--out", "found", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "The best split buys 70 for 30 (budget 30, target 2); what binds is the budget." in ended.stdout
    report = (tmp_path / "found" / "report.html").read_text()
    assert "autobidding log.csv --budget 30 --roi 2" in report
    assert str(tmp_path) not in report
    assert regretlab("verify", "found", cwd=tmp_path).returncode == 0
    log.write_text(LOG.replace("24", "25"))
    ended = regretlab("verify", "found", cwd=tmp_path)
    assert ended.returncode == 2
    assert "no longer holds the log" in ended.stderr


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (("nowhere.csv",), "nowhere.csv", 2),
        (("bad.csv",), "bad.csv: line 3, column cost: 'x' is not a finite number >= 0", 2),
        (("log.csv", "--budget", "-1"), "budget: -1.0", 2),
        (("log.csv", "--roi", "nan"), "roi_target: nan", 2),
        (("log.csv", "--lower", "video"), "--lower: 'video' is not CHANNEL=AMOUNT", 2),
        (("log.csv", "--upper", "tv=3"), "upper: 'tv' is not one of search, social, video", 2),
        (("log.csv", "--layout", "x"), "layout: 'x'", 2),
        (("log.csv", "--channel", "place"), "line 1: no column 'place'", 2),
    ],
)
def test_bad_options_end_in_one_line(log, tmp_path, words, message, code, capsys, monkeypatch):
    from experiments.commands import main

    (tmp_path / "bad.csv").write_text("value,cost\n1,2\n1,x\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["regretlab", "autobidding", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_infeasible_question_says_so(log, tmp_path, capsys, monkeypatch):
    from experiments.commands import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["regretlab", "autobidding", "log.csv", "--lower", "video=50", "--out", "o"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "infeasible" in capsys.readouterr().out
    choice = BudgetChoice(log, lower={"video": 50})
    results = choice.run({"log": "log.csv"}, 0)
    assert choice.tables(results) == []
    assert choice.claims(results) == []
    assert all(math.isnan(value) for value in results[results["kind"] == "channel"]["spend"])
    for figure in choice.figures(results):
        assert render(figure.figure, "svg")
    assert np.isfinite(results[results["kind"] == "frontier"]["value"]).all()
