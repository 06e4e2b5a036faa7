"""Files that are whole or not there, stores that lie, and who may write into a folder."""

import errno
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from experiments import registry
from experiments.report import findings, write_report
from experiments.runner import results, run_experiments, verify
from experiments.store import Store, encode
from experiments.whole_files import locked, write_whole, writing_whole
from tests.experiments.counting import Counting


@pytest.fixture
def store(tmp_path, monkeypatch):
    experiment = Counting(cells=3)
    monkeypatch.setattr(registry, "experiment", lambda name: experiment)
    return run_experiments([experiment], tmp_path / "out")


CELLS = Counting(cells=3).cells("quick")


def hidden(folder):
    return [path.name for path in folder.rglob(".*")]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path, monkeypatch, call):
    write_whole(tmp_path / "a.json", b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/a.json'"):
        write_whole(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"old"
    assert hidden(tmp_path) == []


def test_errors_of_other_files_keep_their_names(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), writing_whole(tmp_path / "a.npz"):
        open(tmp_path / "elsewhere")  # noqa: SIM115
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_process_left_of_the_same_file_goes(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    for name in (f".a.npz.{gone.pid}.tmp", f".b.npz.{gone.pid}.tmp", f".a.npz.{os.getppid()}.tmp"):
        (tmp_path / name).write_text("half")
    write_whole(tmp_path / "a.npz", b"whole")
    assert sorted(hidden(tmp_path)) == sorted([f".b.npz.{gone.pid}.tmp", f".a.npz.{os.getppid()}.tmp"])


def test_a_report_removes_what_a_killed_one_left(store):
    (store.folder / "figures").mkdir()
    for name in (".report.html.77.tmp", "figures/.counting-draws.svg.77.tmp"):
        (store.folder / name).write_text("half")
    write_report(store)
    assert hidden(store.folder) == []


def test_a_report_waits_for_nobody(store):
    with locked(store.folder), pytest.raises(ValueError, match=r"out: another run is writing here"):
        write_report(store)


def test_a_finished_run_writes_nothing_when_run_again(store, monkeypatch):
    def written(*_):
        raise AssertionError

    monkeypatch.setattr("experiments.store.write_whole", written)
    run_experiments([Counting(cells=3)], store.folder)


MANIFEST = {"format": 1, "seed": 0, "scale": "quick", "experiments": {}, "versions": {}, "source": "x"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"a":' * 100_000, "nested too deep"),
        ("9" * 5000, "integer string conversion"),
        ("\x00", "manifest.json: not a manifest of format 1"),
        (json.dumps(MANIFEST | {"format": True}), "no such format"),
        (json.dumps(MANIFEST | {"seed": float("nan")}), "seed: nan is not a whole number"),
        (json.dumps(MANIFEST | {"seed": "0"}), "seed: '0' is not a whole number"),
        (json.dumps(MANIFEST | {"scale": []}), r"scale: '\[\]' is not one of"),
        (json.dumps(MANIFEST | {"versions": [1]}), r"versions: \[1\] is no table"),
        (json.dumps(MANIFEST | {"source": None}), "source: None is no text"),
        (json.dumps(MANIFEST | {"experiments": {"paging": []}}), "experiments: paging: has no parameters"),
    ],
)
def test_lying_manifests_are_refused(tmp_path, text, complaint):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=complaint) as refused:
        Store(tmp_path)
    assert str(tmp_path / "manifest.json") in str(refused.value)


@pytest.mark.parametrize(
    ("name", "parameters"), [("paging", {"files": 3}), ("sweep-a", {"sweep": 3}), ("autobidding-choice", {"path": []})]
)
def test_parameters_that_make_no_experiment_are_refused(tmp_path, name, parameters):
    held = MANIFEST | {"experiments": {name: {"parameters": parameters, "code": "x"}}}
    (tmp_path / "manifest.json").write_text(json.dumps(held))
    for read in (lambda: findings(Store(tmp_path), figures=False), lambda: verify(tmp_path, sample=0)):
        with pytest.raises(ValueError, match=name):
            read()


def test_a_whole_cell_under_the_name_of_another_is_damaged(store):
    first, second = (store.find("counting", cell) for cell in CELLS[:2])
    stem = second.name.split(".")[0]
    second.unlink()
    shutil.copy(first, second.parent / f"{stem}.{first.name.split('.', 1)[1]}")
    assert store.damaged("counting", CELLS[1])
    assert [check.finding for check in verify(store.folder, sample=0)] == ["whole", "altered", "whole"]
    run_experiments([Counting(cells=3)], store.folder)
    assert store.find("counting", CELLS[1]).read_bytes() != first.read_bytes()
    assert len(list(second.parent.iterdir())) == 3


def test_whole_cells_with_other_columns_are_refused(store):
    for cell in CELLS:
        store.write("counting", cell, pd.DataFrame({"other": np.ones(2)}))
    with pytest.raises(ValueError, match=r"counting: its results cannot be evaluated \(KeyError: 'draw'\)"):
        findings(store)
    store.write("counting", CELLS[0], pd.DataFrame({"cell": np.ones(2)}))
    with pytest.raises(ValueError, match=r"parquet: holds no results of its cell: cannot insert cell"):
        results(store, Counting(cells=3))


def test_cells_that_are_no_parquet_are_damaged(store):
    path = store.find("counting", CELLS[0])
    path.unlink()
    store.write_encoded("counting", CELLS[0], b"PAR1 nothing PAR1", {})
    assert store.damaged("counting", CELLS[0])
    assert store.write_encoded("counting", CELLS[0], encode(CELLS[0], Counting().run(CELLS[0], 0)), {}) == path


@pytest.mark.parametrize(
    ("text", "held"),
    [("[" * 100_000, {}), ('{"a": NaN, "b": "x", "c": 2, "d": []}', {"c": 2}), ("[]", {}), ("\xff", {})],
)
def test_measurements_that_are_none_are_left_out(store, text, held):
    next((store.folder / "measurements" / "counting").glob("0-*")).write_text(text, encoding="latin-1")
    assert store.measurements("counting", CELLS[0]) == held


@pytest.mark.slow
@pytest.mark.extended
@pytest.mark.parametrize("family", ["random moments", "every file", "read-only", "two commands", "clock"])
def test_a_few_faults_of_each_family_are_survived(family):
    command = [sys.executable, "-m", "tests.chaos", "--kills", "6", "--only", family]
    run = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stdout + run.stderr
