"""What is shipped: the wheel holds the six packages with their data, and works where there is nothing else."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"algos", "bandits", "experiments", "online", "optimization", "simulators"}
DATA = {".csv", ".html", ".md", ".mplstyle", ".npz", ".toml", ".txt", ".typed"}


def checked(*command, **options):
    found = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=3600, **options)
    assert found.returncode == 0, f"{command}\n{found.stdout[-3000:]}\n{found.stderr[-3000:]}"
    return found.stdout


def shipped():
    """Files of the six packages that git knows, or that are in the source distribution."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in DATA | {".py"} and "__pycache__" not in path.parts
    }


def test_every_package_is_typed():
    assert [package for package in sorted(PACKAGES) if not (ROOT / package / "py.typed").is_file()] == []


@pytest.mark.extended
def test_the_wheel_is_built_from_the_source_distribution_and_works_in_an_empty_environment(tmp_path):
    dist, home, env = tmp_path / "dist", tmp_path / "empty", tmp_path / "env"
    checked("make", "package", f"DIST={dist}", cwd=ROOT)  # the wheel is built from the sdist, and twine checks both
    (wheel,), (source,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        held = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in held} == PACKAGES
    assert set(held) == shipped()
    with tarfile.open(source) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert shipped() <= held
    assert {
        "conftest.py",
        "Makefile",
        "constraints.txt",
        "mkdocs.yml",
        "tests/test_packaging.py",
        "docs/start.md",
    } <= held

    home.mkdir()
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    checked(sys.executable, "-m", "venv", env)
    checked(env / "bin/python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, env=clean)
    where = checked(env / "bin/python", "-c", "import experiments; print(experiments.__file__)", cwd=home, env=clean)
    assert Path(where.strip()).is_relative_to(env)
    checked(env / "bin/regretlab", "init-sweep", "bandits", "--out", "mine.toml", cwd=home, env=clean)
    told = checked(env / "bin/regretlab", "demo", "--out", "demo", cwd=home, env=clean)
    assert " holds" in told
    for report in (home / "demo" / "paging", home / "demo" / "experiments"):
        assert "<svg" in (report / "report.html").read_text()
