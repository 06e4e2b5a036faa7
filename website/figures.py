"""Figures of the texts, drawn by the example above them.

A text shows ``![caption](figures/PAGE-VARIABLE.svg)`` right below a session that ends with VARIABLE, a figure or its
axes, and imports all that it needs. The session is run, its output compared, and the variable drawn. A figure is kept
in ``.docs-cache`` until its session or the library changes.
"""

from __future__ import annotations

import doctest
import hashlib
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from experiments.plots import render
from experiments.provenance import source_digest, versions
from experiments.store import write_whole

__all__ = ["CACHE", "of_page"]

CACHE = Path(".docs-cache")
"""What a second build need not make again; from the root of the repository."""

_SHOWN = re.compile(r"^!\[[^\]]*\]\(figures/(?P<page>\w+)-(?P<variable>\w+)\.svg\)", re.MULTILINE)
_SESSION = re.compile(r"^```python\n(>>> .*?)^```\n", re.MULTILINE | re.DOTALL)


def of_page(path: Path) -> Iterator[tuple[str, bytes]]:
    """Address and drawing of every figure of a text.

    Raises
    ------
    ValueError
        When no session stands above a figure, or its output is not what the text says.
    """
    text = path.read_text()
    for shown in _SHOWN.finditer(text):
        address = shown[0].rpartition("(")[2][:-1]
        sessions = list(_SESSION.finditer(text, 0, shown.start()))
        if shown["page"] != path.stem or not sessions or text[sessions[-1].end() : shown.start()].strip():
            raise ValueError(f"{path}: {address} needs a session right above it, and the page's name")
        session = sessions[-1][1]
        kept = CACHE / "figures" / f"{_key(session, shown['variable'])}.svg"
        if not kept.exists():
            write_whole(kept, _draw(session, shown["variable"], f"{path.name}: {address}"))
        yield address, kept.read_bytes()


def _key(session: str, variable: str) -> str:
    style = files("experiments").joinpath("regretlab.mplstyle").read_text()
    parts = (session, variable, style, source_digest(), repr(sorted(versions().items())))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _draw(session: str, variable: str, name: str) -> bytes:
    """Run a session in a folder of its own and draw the variable."""
    spoken: list[str] = []
    flags = [doctest.OPTIONFLAGS_BY_NAME[flag] for flag in _settings()["doctest_optionflags"]]
    test = doctest.DocTestParser().get_doctest(session, {}, name, name, 0)
    runner, here = doctest.DocTestRunner(verbose=False, optionflags=sum(flags)), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            result = runner.run(test, out=spoken.append, clear_globs=False)
        finally:
            os.chdir(here)
    if result.failed or variable not in test.globs:
        raise ValueError(f"{name}: the session above it fails\n{''.join(spoken)}")
    drawn = test.globs[variable]
    return render(getattr(drawn, "figure", drawn), "svg")


def _settings() -> Any:
    """How pytest compares output, so that a text is not judged twice in two ways."""
    return tomllib.loads(Path("pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
