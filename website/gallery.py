"""The gallery: all figures of all registered experiments, each with the command that makes it.

Experiments take minutes, so the figures come from stored runs: ``python -m website.gallery`` (``make gallery``) runs
every experiment at quick scale into ``.docs-cache/runs``, resuming where it was stopped. A build without them runs the
short ones itself, and says which are missing. A run of an older source is shown as what it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from experiments import registry
from experiments.plots import render
from experiments.provenance import source_digest
from experiments.report import Findings, findings
from experiments.runner import run_experiments
from experiments.store import Store
from website import names
from website.figures import CACHE

__all__ = ["files", "run_all"]

RUNS = CACHE / "runs"
SHORT = ("parl_policy_alignment",)
"""The experiments that a build runs by itself when there is no stored run: those of a minute or less."""


def files() -> Iterator[tuple[str, str | bytes]]:
    """The page, and the figures it shows."""
    parts, missing = [], []
    for name in registry.experiment_names():
        store = _stored(name)
        if store is None and name in SHORT:
            _forget_older(RUNS / name)
            store = run_experiments([registry.experiment(name)], RUNS / name)
        if store is None:
            missing.append(name)
            continue
        (found,) = findings(store)
        for shown in found.figures:
            yield _address(name, shown.name), render(shown.figure, "svg")
        parts.append(_section(found, store))
    yield "gallery.md", "\n".join([_start(missing), *parts, *map(_missing, missing)])


def run_all() -> None:
    """Run every experiment at quick scale, each into a folder of its own; results of an older source are deleted."""
    for name in registry.experiment_names():
        folder, begun = RUNS / name, time.monotonic()
        _forget_older(folder)
        command = [sys.executable, "-m", "experiments.commands", "run", name, "--scale", "quick", "--out", str(folder)]
        # A process for each: what one experiment has compiled does not burden the next.
        code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
        print(f"{name}: {'done' if code == 0 else f'exit code {code}'} in {time.monotonic() - begun:.0f} s", flush=True)


def _forget_older(folder: Path) -> None:
    """Delete a run of another source: its cells would not mix with new ones."""
    if _source(folder) not in (None, source_digest()):
        shutil.rmtree(folder)


def _source(folder: Path) -> str | None:
    try:
        return str(Store(folder).manifest["source"])
    except ValueError:
        return None


def _stored(name: str) -> Store | None:
    """The stored run of an experiment, if all its cells are there."""
    if _source(RUNS / name) is None:
        return None
    store = Store(RUNS / name)
    cells = registry.experiment(name).cells(store.manifest["scale"])
    return store if all(store.find(name, cell) for cell in cells) else None


def _address(experiment: str, figure: str) -> str:
    return f"gallery/{experiment}-{figure}.svg"


def _picture(experiment: str, figure: str) -> str:
    """A figure that can be opened at its own size."""
    address = _address(experiment, figure)
    return f"[![{experiment}: {figure}]({address}){{ loading=lazy }}]({address})"


def _start(missing: list[str]) -> str:
    count = len(registry.experiment_names())
    text = (
        "# Gallery\n\nThe figures of the experiments, as `regretlab report` draws them, with the commands that make "
        "them. They are at the scale that is named: `quick` is meant to take minutes on two cores and has few "
        "replications; `--scale paper` is what one would publish.\n\n"
        f"{count - len(missing)} of {count} experiments were at hand when these pages were built."
    )
    return text + (" The others are listed at the end; `make gallery` runs them.\n" if missing else "\n")


def _section(found: Findings, store: Store) -> str:
    experiment, manifest = found.experiment, store.manifest
    verdicts = [claim.verdict for claim in found.claims]
    counts = {each: verdicts.count(each) for each in ("holds", "fails", "undecided")}
    claims = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) or "none"
    older = "" if manifest["source"] == source_digest() else " The library has changed since this run."
    about = (
        f"## {experiment.name} {{ #{experiment.name} }}\n\n{experiment.question} ({experiment.source})\n\n"
        f"Scale {manifest['scale']}, seed {manifest['seed']}, {found.cells} cells. Claims: {claims}.{older}\n"
    )
    commands = "\n".join(f"$ {command}" for command in found.commands)
    shown = (
        '<figure markdown="span">\n'
        f"{_picture(experiment.name, figure.name)}\n"
        f"<figcaption>{names.code_spans(figure.caption)}</figcaption>\n</figure>\n\n```console\n{commands}\n```\n"
        for figure in found.figures
    )
    return "\n".join([about, *shown])


def _missing(name: str) -> str:
    experiment = registry.experiment(name)
    return (
        f"## {name} {{ #{name} }}\n\n{experiment.question} ({experiment.source})\n\n"
        "Not run for these pages: it takes minutes.\n\n"
        f"```console\n$ regretlab run {name} --scale quick --seed 0 --out DIR\n$ regretlab report DIR\n```\n"
    )


if __name__ == "__main__":
    run_all()
