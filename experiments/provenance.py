"""Where results come from: versions, the source's digest, its git revision, the kind of machine."""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

__all__ = ["code_digest", "host", "revision", "source_digest", "versions"]

_PACKAGES = ("algos", "bandits", "online", "optimization", "simulators", "experiments")
_RECORDED = ("numpy", "scipy", "numba", "pandas", "pyarrow")


def versions() -> dict[str, str]:
    """Versions of Python, of this package, and of what its numbers depend on."""
    return {"python": platform.python_version(), "regretlab": _version("regretlab")} | {
        name: _version(name) for name in _RECORDED
    }


def host() -> dict[str, str | int]:
    """The kind of machine, without its name."""
    from llvmlite.binding import get_host_cpu_name

    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": get_host_cpu_name(),
        "cores": os.cpu_count() or 1,
    }


@functools.cache
def source_digest() -> str:
    """Digest of all Python files of this package: results of different sources are never mixed."""
    total = hashlib.sha256()
    root = Path(__file__).resolve().parents[1]
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def code_digest(cls: type) -> str:
    """Digest of the file that defines a class, or "unknown": an experiment of another package has code of its own."""
    try:
        file = inspect.getsourcefile(cls)
        return "unknown" if file is None else hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except (TypeError, OSError):
        return "unknown"


@functools.cache
def revision() -> str:
    """Git revision of the source, with ``+changes`` when it was changed since; "unknown" outside a repository."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return "unknown"

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--", *_PACKAGES) else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"
