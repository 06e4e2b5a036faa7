"""A Dask cluster of real processes: the same bytes as a local run, whatever dies on the way."""

import subprocess
import sys

import pytest

from experiments import registry
from experiments.cluster import run_on_cluster
from experiments.runner import run_experiments
from tests.experiments.counting import REGISTERED, Counting
from tests.experiments.dask_processes import ROOT, kill_one_after_the_other, with_counting_registered
from tests.experiments.test_runner import contents


@pytest.fixture
def environment(tmp_path):
    return with_counting_registered(tmp_path)


@pytest.mark.slow
@pytest.mark.extended
def test_a_cluster_gives_the_bytes_of_a_local_run_whatever_dies(tmp_path, environment):
    """Two workers; one killed in the middle, then the scheduler, which comes back at the same address."""
    local = contents(run_experiments([REGISTERED], tmp_path / "local", workers=8).folder)
    out = tmp_path / "cluster"
    kill_one_after_the_other(environment, tmp_path, out, killing_driver=False)
    assert contents(out) == local


def test_experiments_that_workers_cannot_find_are_refused(tmp_path):
    with pytest.raises(ValueError, match="counting: workers cannot find this experiment; register it"):
        run_experiments([Counting(cells=2)], tmp_path, dask="local:1")


def known(monkeypatch):
    monkeypatch.setattr(registry, "rebuilt", lambda name, parameters: REGISTERED)


@pytest.mark.parametrize(
    ("address", "complaint"),
    [("somewhere", "neither tcp://HOST:PORT nor local:N"), ("local:two", "N: 'two'"), ("local:0", "N: 0 is below 1")],
)
def test_malformed_addresses_are_refused(tmp_path, monkeypatch, address, complaint):
    known(monkeypatch)
    with pytest.raises(ValueError, match=complaint):
        run_experiments([Counting(cells=2)], tmp_path, dask=address)


def test_threads_are_not_for_clusters(tmp_path):
    with pytest.raises(ValueError, match="workers: 2 is of threads"):
        run_experiments([Counting(cells=2)], tmp_path, dask="local:1", workers=2)


def test_a_cluster_that_is_not_there(monkeypatch):
    known(monkeypatch)
    with pytest.raises(RuntimeError, match=r"no scheduler with a worker for 1 s .* 1 cells are left"):
        run_on_cluster(
            "tcp://127.0.0.1:9", [(REGISTERED, {"cell": 0})], 0, lambda *_: pytest.fail("a result"), patience=1.0
        )


@pytest.mark.slow
def test_a_cell_that_fails_is_named_and_the_others_are_kept(tmp_path, environment):
    program = (
        "import sys, tests.experiments.counting as c; from experiments.runner import run_experiments\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        run_experiments([c.REGISTERED], sys.argv[1], dask='local:2')\n"
        "    except RuntimeError as error:\n"
        "        print(error)\n"
    )
    script = tmp_path / "failing.py"
    script.write_text(program)
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "out")],
        env=environment | {"COUNTING_FAILS_AT": "4"}, cwd=ROOT, capture_output=True, text=True, check=True, timeout=240,
    )  # fmt: skip
    assert 'counting: cell {"algorithm":"draw","cell":4,"scale":"quick"} failed: this cell cannot be run' in run.stdout
    assert 1 <= sum(1 for _ in (tmp_path / "out").rglob("*.parquet")) < 60
