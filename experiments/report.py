"""The report: one self-contained page with verdicts, figures, and how to reproduce each."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

from experiments.claims import Claim
from experiments.experiment import Experiment, NamedFigure, NamedTable
from experiments.runner import experiments_of, results
from experiments.store import Store
from experiments.whole_files import locked, remove_leftovers, write_whole

__all__ = ["Findings", "findings", "format_interval", "format_number", "write_report"]


@dataclass(frozen=True)
class Findings:
    """What one experiment of a store says."""

    experiment: Experiment
    summary: list[str]
    claims: list[Claim]
    tables: list[NamedTable]
    figures: list[NamedFigure]
    cells: int
    commands: list[str]


def findings(store: Store, *, figures: bool = True) -> list[Findings]:
    """Evaluate every experiment of a store.

    Raises
    ------
    ValueError
        When a cell is missing or damaged: a report of half a run would mislead.
    """
    found = []
    for experiment in experiments_of(store):
        frame = results(store, experiment)
        cells = len(experiment.cells(store.manifest["scale"]))
        try:
            drawn = experiment.figures(frame) if figures else []
            said = experiment.summary(frame), experiment.claims(frame), experiment.tables(frame)
        except (KeyError, TypeError, IndexError, AttributeError) as error:  # whole cells may hold other columns
            what = f"{experiment.name}: its results cannot be evaluated ({type(error).__name__}: {error})"
            raise ValueError(f"{store.folder}: {what}; `regretlab verify` tells whether they come out again") from error
        found.append(Findings(experiment, *said, drawn, cells, _commands(store, experiment)))
    return found


def write_report(store: Store) -> tuple[Path, list[Findings]]:
    """Write ``report.html`` and ``figures/`` (SVG and PDF) into the store's folder.

    Returns
    -------
    path : Path
        The page. It needs no other file.
    findings : list of Findings
        What it shows.

    Raises
    ------
    ValueError
        When a cell is missing or damaged, or another process is writing into the folder.
    """
    with locked(store.folder):
        remove_leftovers(store.folder)
        return _write(store)


def _write(store: Store) -> tuple[Path, list[Findings]]:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    from experiments.plots import render

    found = findings(store)
    pictures: dict[tuple[str, str], str] = {}
    for finding in found:
        for shown in finding.figures:
            svg = render(shown.figure, "svg")
            stem = store.folder / "figures" / f"{finding.experiment.name}-{shown.name}"
            write_whole(stem.with_suffix(".svg"), svg)
            write_whole(stem.with_suffix(".pdf"), render(shown.figure, "pdf"))
            pictures[finding.experiment.name, shown.name] = _inline(svg.decode())
    environment = Environment(
        loader=PackageLoader("experiments", ""), autoescape=select_autoescape(["html"]), undefined=StrictUndefined
    )
    environment.filters |= {"number": format_number, "interval": lambda claim: format_interval(claim)}
    page = environment.get_template("report.html").render(
        findings=found, pictures=pictures, manifest=store.manifest, counts=_counts(found)
    )
    path = store.folder / "report.html"
    write_whole(path, page.encode())
    return path, found


def format_number(value: float) -> str:
    """A number for a table: whole ones in full, others to four significant digits."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "-∞"
    if float(value).is_integer() and abs(value) < 1e12:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.1f}"


def format_interval(claim: Claim) -> str:
    """The interval of what a claim measured, and how it was found."""
    measured = claim.measured
    if measured.low == measured.high:
        return measured.method if measured.method == "exact" else f"no spread, {measured.method}"
    return f"[{format_number(measured.low)}, {format_number(measured.high)}], {measured.method}"


def _counts(found: list[Findings]) -> dict[str, int]:
    verdicts = [claim.verdict for finding in found for claim in finding.claims]
    return {verdict: verdicts.count(verdict) for verdict in ("holds", "fails", "undecided")}


def _commands(store: Store, experiment: Experiment) -> list[str]:
    """The commands that make this experiment's results and figures again, for a shell."""
    out, seed = "DIR", str(store.manifest["seed"])
    if words := experiment.command():
        return [shlex.join([*words, "--seed", seed, "--out", out])]
    run = f"regretlab run {experiment.name} --scale {store.manifest['scale']} --seed {seed} --out {out}"
    return [run, f"regretlab report {out}"]


def _inline(svg: str) -> str:
    """The drawing without the XML prologue, as HTML takes it, and scaling with the page."""
    return svg[svg.index("<svg") :].replace("<svg ", '<svg role="img" style="max-width:100%;height:auto" ', 1)
