"""Another package's algorithm and simulator in a sweep: a real package, installed by pip, in processes of its own.

Its build backend is part of it, twenty lines that write a wheel: nothing has to be downloaded to install it.
"""

import os
import subprocess
import sys
import textwrap

import pytest

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "stubborn-arms"
version = "0.3"

[project.entry-points."regretlab.algorithms"]
Stubborn = "stubborn:Stubborn"

[project.entry-points."regretlab.simulators"]
CoinFlips = "stubborn:CoinFlips"
"""

pytestmark = [pytest.mark.slow, pytest.mark.extended]

BACKEND = """
import base64, hashlib, tomllib, zipfile
from pathlib import Path


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    stem = f"{project['name'].replace('-', '_')}-{project['version']}"
    points = "".join(
        f"[{group}]\\n" + "".join(f"{name} = {value}\\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    )
    metadata = f"Metadata-Version: 2.1\\nName: {project['name']}\\nVersion: {project['version']}\\n"
    files = {
        "stubborn.py": Path("stubborn.py").read_text(),
        f"{stem}.dist-info/METADATA": metadata,
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{stem}.dist-info/entry_points.txt": points,
    }
    record = f"{stem}.dist-info/RECORD"
    name = f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / name, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        digests = {path: base64.urlsafe_b64encode(hashlib.sha256(t.encode()).digest()) for path, t in files.items()}
        lines = [f"{path},sha256={d.rstrip(b'=').decode()},{len(files[path])}" for path, d in digests.items()]
        wheel.writestr(record, "\\n".join([*lines, f"{record},,"]) + "\\n")
    return name
"""

PACKAGE = '''
"""An algorithm that always plays one arm, and a simulator of coins: plain Python, nothing of theirs is compiled."""

import numpy as np

from algos.contracts import Natural, Probability, Trajectory, description


@description
class CoinFlips:
    """Two coins: the first shows heads with chance p."""

    p: Probability

    def flip(self, arm, rng):
        return float(rng.random() < (self.p if arm == 0 else 0.5))


@description
class Stubborn:
    """Always the same arm."""

    arm: Natural = 0

    def run(self, simulator, horizon, rng, *, world=None):
        heads = np.cumsum([simulator.flip(self.arm, world) for _ in range(horizon)])
        return Trajectory(np.arange(1, horizon + 1), {"heads": heads}, {"arm": self.arm})
'''

SWEEP = """
horizon = 200
replications = 8

[[simulators]]
name = "CoinFlips"
p = [0.1, 0.9]

[[algorithms]]
name = "Stubborn"
arm = [0, 1]

[[claims]]
metric = "heads"
algorithm = "Stubborn(arm=0)"
compared_with = "Stubborn(arm=1)"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that the package was installed into."""
    source, target = tmp_path_factory.mktemp("stubborn"), tmp_path_factory.mktemp("site")
    for name, text in (("pyproject.toml", PYPROJECT), ("backend.py", BACKEND), ("stubborn.py", PACKAGE)):
        (source / name).write_text(textwrap.dedent(text).lstrip())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--no-build-isolation", "--target", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return target


@pytest.fixture
def regretlab(installed, tmp_path):
    """Run the command in a process that sees the package."""

    def call(*words, sees=True):
        path = os.environ.get("PYTHONPATH", "")
        environment = os.environ | (
            {"PYTHONPATH": os.pathsep.join(filter(None, [str(installed), path]))} if sees else {}
        )
        command = [sys.executable, "-m", "experiments.commands", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    (tmp_path / "coins.toml").write_text(SWEEP)
    return call


def test_its_algorithm_and_simulator_run_in_a_sweep(regretlab, tmp_path):
    listed = regretlab("list").stdout
    assert "Stubborn" in listed
    assert "CoinFlips" in listed
    ran = regretlab("run", tmp_path / "coins.toml", "--out", tmp_path / "out", "--workers", 1)
    assert ran.returncode == 0, ran.stderr
    assert (
        "heads of Stubborn(arm=0) less that of Stubborn(arm=1) <= 0 after 200 rounds of CoinFlips(p=0.1)" in ran.stdout
    )
    verdicts = {line.split()[-1] for line in ran.stdout.splitlines() if "less that of Stubborn(arm=1) <=" in line}
    assert verdicts == {"holds", "fails"}
    assert regretlab("report", tmp_path / "out").returncode == 0
    verified = regretlab("verify", tmp_path / "out")
    assert "all 4 cells are whole; 4 were run again and are bit-identical" in verified.stdout


def test_without_the_package_its_names_are_unknown(regretlab, tmp_path):
    ran = regretlab("run", tmp_path / "coins.toml", "--out", tmp_path / "out", sees=False)
    assert ran.returncode == 2
    assert "simulators[0].name = 'CoinFlips': is not registered" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_its_values_are_validated_by_its_own_types(regretlab, tmp_path):
    (tmp_path / "coins.toml").write_text(SWEEP.replace("[0.1, 0.9]", "[0.1, 1.9]"))
    ran = regretlab("run", tmp_path / "coins.toml", "--out", tmp_path / "out")
    assert "simulators[0].p[1] = 1.9: should be less than or equal to 1" in ran.stderr


def test_a_run_is_not_resumed_with_other_code(regretlab, installed, tmp_path):
    words = ("run", tmp_path / "coins.toml", "--out", tmp_path / "out")
    assert regretlab(*words).returncode == 0
    module = installed / "stubborn.py"
    before = module.read_text()
    module.write_text(before.replace("np.cumsum(", "2 * np.cumsum("))
    try:
        assert "holds sweep-coins with other parameters" in regretlab(*words).stderr
        verified = regretlab("verify", tmp_path / "out")
        assert verified.returncode == 1
        assert "differs: sweep-coins" in verified.stdout
    finally:
        module.write_text(before)
