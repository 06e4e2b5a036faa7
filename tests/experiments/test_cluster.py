"""A Dask cluster of real processes: the same bytes as a local run, whatever dies on the way."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import registry
from experiments.cluster import run_on_cluster
from experiments.runner import run_experiments
from tests.experiments.counting import REGISTERED, Counting
from tests.experiments.test_runner import contents

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(tmp_path):
    """Where the counting experiment is registered, as another package would have it."""
    packages = tmp_path / "packages"
    info = packages / "counting-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[regretlab.experiments]\ncounting = tests.experiments.counting:REGISTERED\n"
    )
    path = os.pathsep.join([str(packages), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}


class Cluster:
    """A scheduler and workers, each a process started from the command line."""

    def __init__(self, environment, folder):
        self.environment, self.folder, self.processes = environment, folder, []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"

    def start(self, module, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"],
            env=self.environment, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def scheduler(self):
        return self.start("dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port))

    def worker(self):
        return self.start(
            "dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--death-timeout", "60",
            "--local-directory", str(self.folder),
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


def driver(environment, out, address):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.experiments.counting", str(out), address],
        env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def until(cells, out, process):
    deadline = time.monotonic() + 120
    while sum(1 for _ in out.rglob("*.parquet")) < cells:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "no progress"
        time.sleep(0.01)


def finish(process):
    told, failed = process.communicate(timeout=240)
    assert process.returncode == 0, failed
    assert told.split() == ["started", "finished"]


@pytest.mark.slow
@pytest.mark.extended
def test_a_cluster_gives_the_bytes_of_a_local_run_whatever_dies(tmp_path, environment):
    """Two workers; one killed in the middle, then the scheduler, which comes back at the same address."""
    local = contents(run_experiments([REGISTERED], tmp_path / "local", workers=8).folder)
    out = tmp_path / "cluster"
    with Cluster(environment, tmp_path) as cluster:
        scheduler = cluster.scheduler()
        first, _ = cluster.worker(), cluster.worker()
        process = driver(environment, out, cluster.address)
        until(10, out, process)
        first.send_signal(signal.SIGKILL)
        until(20, out, process)
        scheduler.send_signal(signal.SIGKILL)
        scheduler.wait()
        cluster.scheduler()
        cluster.worker()
        finish(process)
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
