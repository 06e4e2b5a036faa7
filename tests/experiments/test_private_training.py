"""Training on a user's table: what is claimed, what is refused, what is written."""

import json
import sys

import numpy as np
import pytest

from experiments.private_training import read_labelled_table, train_privately


@pytest.fixture
def table(tmp_path):
    own = np.random.default_rng(0)
    x = own.uniform(-2, 2, (400, 2))
    lines = ["age,dose,ill"]
    lines += [f"{a:.3f},{b:.3f},{'yes' if a + 0.3 * own.standard_normal() > 0 else 'no'}" for a, b in x]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "table.csv"


@pytest.mark.parametrize("method", ["gradient descent", "spider"])
def test_a_model_is_learnt_and_claimed(table, method):
    found = train_privately(
        read_labelled_table(table, "ill"), model="logistic", epsilon=8.0, delta=1e-5, scales=[2.0, 2.0],
        positive="yes", method=method,
    )  # fmt: skip
    assert found.private
    assert found.epsilon <= 8.0
    assert found.coefficients["age"] > abs(found.coefficients["dose"])
    assert "(8, 1e-05)-differential privacy (replace_one" in found.statement
    assert 0 < found.certificate < 1


def test_no_claim_where_scales_were_measured(table):
    found = train_privately(
        read_labelled_table(table, "ill"),
        model="sigmoid",
        epsilon=1.0,
        delta=1e-5,
        scales=None,
        positive="yes",
        steps=3,
    )
    assert not found.private
    assert found.epsilon == float("inf")
    assert found.statement.startswith("No claim of privacy")


def command(monkeypatch, capsys, folder, *words):
    from experiments.commands import main

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["regretlab", "private-train", *words])
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, capsys.readouterr()


def test_the_command_says_what_is_guaranteed(table, tmp_path, monkeypatch, capsys):
    words = ("table.csv", "--label", "ill", "--positive", "yes", "--epsilon", "2", "--delta", "1e-5", "--scales", "2")
    code, said = command(monkeypatch, capsys, tmp_path, *words, "--out", "model.json")
    assert code == 0, said.err
    assert "400 records, 2 columns, logistic, gradient descent" in said.out
    assert "budget: epsilon = 2, delta = 1e-05, replace_one" in said.out
    assert "certificate: the root mean square" in said.out
    model = json.loads((tmp_path / "model.json").read_text())
    assert set(model["coefficients"]) == {"age", "dose", "constant"}
    assert model["private"] is True
    code, said = command(monkeypatch, capsys, tmp_path, *words[:-2])
    assert code == 0
    assert "No claim of privacy" in said.out
    assert "budget:" not in said.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere.csv", "--label", "ill"), "nowhere.csv"),
        (("table.csv", "--label", "sick"), "line 1: no column 'sick'; there are age, dose, ill"),
        (("bad.csv", "--label", "y"), "bad.csv: line 3, column x: 'n/a' is not a finite number"),
        (("short.csv", "--label", "y"), "short.csv: line 2: 1 values for 2 columns"),
        (("table.csv", "--label", "ill"), "positive: is needed by 'logistic'"),
        (("table.csv", "--label", "ill", "--positive", "maybe"), "positive: 'maybe' is no label"),
        (("table.csv", "--label", "ill", "--model", "huber"), "labels: "),
        (("table.csv", "--label", "ill", "--model", "svm"), "name = 'svm'"),
        (("table.csv", "--label", "ill", "--scales", "1,2,3"), "--scales: 3 numbers for 2 columns"),
        (("table.csv", "--label", "ill", "--scales", "wide"), "--scales: 'wide'"),
        (("table.csv", "--label", "ill", "--positive", "yes", "--scales", "0"), "scales: must be 2 numbers > 0"),
        (("table.csv", "--label", "ill", "--positive", "yes", "--method", "sgd"), "method: 'sgd'"),
        (("table.csv", "--label", "ill", "--adjacency", "swap"), "adjacency: 'swap'"),
    ],
)
def test_bad_options_end_in_one_line(table, tmp_path, monkeypatch, capsys, words, message):
    (tmp_path / "bad.csv").write_text("x,y\n1,yes\nn/a,no\n")
    (tmp_path / "short.csv").write_text("x,y\n1\n")
    code, said = command(monkeypatch, capsys, tmp_path, *words, "--epsilon", "1", "--delta", "1e-5")
    assert code == 2
    assert message in said.err
    assert said.err.count("\n") == 1
