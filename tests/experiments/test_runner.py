import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import registry
from experiments.runner import results, run_experiments, verify
from experiments.store import Store
from experiments.trace_comparison import TraceComparison
from experiments.whole_files import locked
from simulators import Trace
from tests.experiments.counting import Counting


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


@pytest.fixture
def registered(monkeypatch):
    """The counting experiment, findable by its name."""
    experiment = Counting(cells=6)
    monkeypatch.setattr(registry, "experiment", lambda name: experiment)
    return experiment


def test_the_same_bytes_for_one_and_two_workers(tmp_path):
    for workers in (1, 2):
        run_experiments([Counting()], tmp_path / str(workers), workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_real_experiments_give_the_same_bytes_for_one_and_two_workers(tmp_path, tiny_comparison):
    for workers in (1, 2):
        run_experiments([tiny_comparison()], tmp_path / str(workers), workers=workers)
    assert contents(tmp_path / "1" / "cells") == contents(tmp_path / "2" / "cells")


@pytest.fixture
def tiny_comparison():
    traces = [Trace(list("abcabdacbdabcd") * 5, name="letters"), Trace([1, 2, 3, 1, 4, 5, 1, 2] * 9, name="numbers")]
    return lambda: TraceComparison(traces, [2, "50%"], replications=3)


def test_another_seed_gives_other_results(tmp_path):
    for seed in (0, 1):
        run_experiments([Counting(cells=1)], tmp_path / str(seed), seed=seed)
    assert contents(tmp_path / "0" / "cells") != contents(tmp_path / "1" / "cells")


def test_a_finished_run_is_not_run_again(tmp_path):
    run_experiments([Counting()], tmp_path)
    again = Counting()
    run_experiments([again], tmp_path)
    assert again.runs == 0


def test_only_missing_cells_are_run(tmp_path):
    store = run_experiments([Counting()], tmp_path)
    whole = contents(tmp_path)
    for path in sorted((store.folder / "cells").rglob("*.parquet"))[:3]:
        path.unlink()
    again = Counting()
    run_experiments([again], tmp_path)
    assert again.runs == 3
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_cell_is_detected_and_redone(tmp_path, damage):
    store = run_experiments([Counting()], tmp_path)
    whole = contents(tmp_path)
    victim = sorted((store.folder / "cells").rglob("*.parquet"))[5]
    content = bytearray(victim.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    victim.write_bytes({"flip": content, "cut": content[:-7], "empty": b""}[damage])
    with pytest.raises(ValueError, match="missing or damaged"):
        results(store, Counting())
    again = Counting()
    run_experiments([again], tmp_path)
    assert again.runs == 1
    assert contents(tmp_path) == whole


def test_a_failing_cell_is_named_and_the_finished_ones_are_kept(tmp_path):
    with pytest.raises(RuntimeError, match=r'counting: cell .*"cell":7.* failed: this cell cannot be run'):
        run_experiments([Counting(fail_at=7)], tmp_path, workers=1)
    again = Counting()
    run_experiments([again], tmp_path, workers=1)
    assert 0 < again.runs <= 24 - 7


def test_a_folder_of_another_seed_or_scale_or_of_something_else_is_refused(tmp_path):
    run_experiments([Counting(cells=2)], tmp_path / "run")
    with pytest.raises(ValueError, match=r"another seed \(0 then, 1 now\)"):
        run_experiments([Counting(cells=2)], tmp_path / "run", seed=1)
    with pytest.raises(ValueError, match=r"another scale \(quick then, paper now\)"):
        run_experiments([Counting(cells=2)], tmp_path / "run", scale="paper")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not the folder of a run"):
        run_experiments([Counting()], tmp_path / "other")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"


def test_results_of_another_source_do_not_mix(tmp_path, monkeypatch):
    run_experiments([Counting(cells=2)], tmp_path)
    monkeypatch.setattr("experiments.store.source_digest", lambda: "another")
    with pytest.raises(ValueError, match="another source"):
        run_experiments([Counting(cells=2)], tmp_path)


def test_two_runs_into_one_folder_are_refused(tmp_path):
    with locked(tmp_path), pytest.raises(ValueError, match="another run is writing here"):
        run_experiments([Counting()], tmp_path)


def test_a_second_experiment_joins_the_folder(tmp_path, tiny_comparison):
    run_experiments([Counting(cells=2)], tmp_path)
    store = run_experiments([tiny_comparison()], tmp_path)
    assert set(store.manifest["experiments"]) == {"counting", "paging"}


@pytest.mark.parametrize(("name", "value"), [("workers", 0), ("workers", 1.5), ("seed", -1), ("seed", True)])
def test_bad_arguments_are_named(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"{name}: {value}"):
        run_experiments([Counting(cells=1)], tmp_path, **{name: value})
    assert list(tmp_path.iterdir()) == []


def test_cells_listed_twice_are_refused(tmp_path):
    twice = Counting(cells=2)
    twice.cells = lambda scale: [{"cell": 1}, {"cell": 1}]
    with pytest.raises(ValueError, match="listed twice"):
        run_experiments([twice], tmp_path)


def test_verify_passes_on_a_whole_run(tmp_path, registered):
    run_experiments([registered], tmp_path)
    assert [check.finding for check in verify(tmp_path, sample=10)] == ["bit-identical"] * 6
    assert sorted(check.finding for check in verify(tmp_path, sample=2)) == ["bit-identical"] * 2 + ["whole"] * 4


def test_verify_names_the_cell_whose_byte_was_changed(tmp_path, registered):
    store = run_experiments([registered], tmp_path)
    victim = store.find("counting", registered.cells("quick")[3])
    content = bytearray(victim.read_bytes())
    content[100] ^= 255
    victim.write_bytes(content)
    bad = [check for check in verify(tmp_path, sample=0) if not check.passed]
    assert [(check.finding, '"cell":3' in check.cell) for check in bad] == [("altered", True)]


def test_verify_notices_a_missing_cell(tmp_path, registered):
    store = run_experiments([registered], tmp_path)
    store.find("counting", registered.cells("quick")[0]).unlink()
    assert [check.finding for check in verify(tmp_path, sample=0)].count("missing") == 1


def test_verify_notices_results_that_do_not_come_out_again(tmp_path, registered):
    store = run_experiments([registered], tmp_path)
    cell = registered.cells("quick")[2]
    frame = registered.run(cell, seed=99)
    store.write("counting", cell, frame)
    assert [check.finding for check in verify(tmp_path, sample=6)].count("differs") == 1


def test_what_depends_on_the_machine_stands_beside_the_cells(tmp_path):
    store = run_experiments([Counting(cells=1)], tmp_path)
    assert store.measurements("counting", Counting().cells("quick")[0]) == {"seconds": 0.0}
    assert b"seconds" not in next((tmp_path / "cells").rglob("*.parquet")).read_bytes()


@pytest.mark.parametrize(
    "manifest", ["", "{}", "[]", '{"format": 99, "experiments": {}}', '{"format": 1, "experiments": []}']
)
def test_a_broken_manifest_is_refused(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(ValueError, match="not a manifest"):
        Store(tmp_path)


def killed_at(cells, pause, out):
    """Start a run in a process of its own and kill it so long after it has stored so many cells; its exit code."""
    command = [sys.executable, "-m", "tests.experiments.counting", str(out), "2"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout.readline() == "started\n"
        while process.poll() is None and sum(1 for _ in out.rglob("*.parquet")) < cells:
            time.sleep(0.001)
        time.sleep(pause)
        process.kill()
        return process.wait()


@pytest.mark.extended
@pytest.mark.slow
def test_a_run_killed_at_any_moment_resumes_to_the_same_bytes(tmp_path):
    run_experiments([Counting()], tmp_path / "uninterrupted", workers=2)
    whole = contents(tmp_path / "uninterrupted")
    whole = {name: content for name, content in whole.items() if not name.startswith("measurements/")}
    moments = random.Random(20240611)
    killed = attempts = 0
    while killed < 12:
        attempts += 1
        assert attempts <= 40, "nearly all runs finish before they are killed"
        out = tmp_path / str(attempts)
        killed += killed_at(moments.randrange(19), moments.uniform(0.0, 0.02), out) == -signal.SIGKILL
        run_experiments([Counting()], out, workers=2)
        resumed = contents(out)
        assert {name: resumed[name] for name in resumed if not name.startswith("measurements/")} == whole


def test_an_experiment_whose_code_changed_does_not_mix(tmp_path, monkeypatch):
    run_experiments([Counting(cells=2)], tmp_path)
    monkeypatch.setattr("experiments.runner.code_digest", lambda cls: "edited")
    with pytest.raises(ValueError, match="holds counting with other code"):
        run_experiments([Counting(cells=2)], tmp_path)


def test_leftovers_of_a_killed_run_go_and_the_users_files_stay(tmp_path):
    (tmp_path / ".manifest.json.123.tmp").write_text("{")
    store = run_experiments([Counting(cells=2)], tmp_path)
    leftover = store.folder / "cells" / "counting" / ".0-draw.parquet.77.tmp"
    leftover.write_bytes(b"half")
    (tmp_path / ".mine.tmp").write_text("mine")
    run_experiments([Counting(cells=2)], tmp_path)
    assert not leftover.exists()
    assert not (tmp_path / ".manifest.json.123.tmp").exists()
    assert (tmp_path / ".mine.tmp").exists()
