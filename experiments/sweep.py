"""Sweeps: the experiment that a TOML file asks for, ``regretlab run sweep.toml``.

Every algorithm of the file, with every value of its grids, runs in every simulator for every horizon. The file says

* ``horizon``, a number or a list, and ``replications``;
* ``[[simulators]]`` and ``[[algorithms]]``: see `experiments.sweep_parts`;
* optionally ``metrics``, names of curves or of numbers at the end (all curves if omitted), ``question``, and ``unit``,
  what the horizon counts ("rounds" if omitted, "requests", "jobs");
* optionally ``[figures]``: ``metrics``, and ``x`` and ``y``, each "linear" or "log";
* optionally ``[[claims]]``, the user's own: see `experiments.sweep_results.ClaimSettings`.

The seed is the command's. A sweep claims nothing by itself, and is of the same size at either scale.
"""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from algos.contracts import Count, Trajectory, description, whole_number
from experiments.claims import Claim
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable, Scale
from experiments.provenance import code_digest
from experiments.replicate import play
from experiments.sweep_fields import check_keys, nearest, parameters_of, read_table
from experiments.sweep_parts import Part, PartReader, plain
from experiments.sweep_results import ClaimSettings, FigureSettings, check_claim, claims_of, tables
from simulators.reading import check_regular

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Sweep"]

_LONGEST_FILE = 2**22
_KEY_CHAIN = re.compile(r"""(?<![\w.-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){101}""")
_MOST_CELLS = 1_000_000

_OURS = ("algos", "bandits", "online", "optimization", "simulators")


@description
class _Layout:
    """The keys of a sweep file."""

    horizon: Any
    simulators: Any
    algorithms: Any
    replications: Count
    metrics: tuple[str, ...] | None = None
    question: str | None = None
    unit: str = "rounds"
    figures: Any = None
    claims: Any = ()


class Sweep(Experiment):
    """Algorithms x simulators x horizons x parameters, each cell replicated.

    Parameters
    ----------
    content : mapping
        What the sweep file says, as `tomllib` reads it.
    folder : str or Path
        What paths in it are relative to.
    name : str
        Name of the sweep: its experiment is called ``sweep-NAME``.

    Raises
    ------
    ValueError
        Names the key of the file (dotted, with an index), the value, and what would be valid.

    Examples
    --------
    >>> sweep = Sweep({
    ...     "horizon": 100, "replications": 3,
    ...     "simulators": [{"name": "BernoulliArms", "means": [0.4, 0.6]}],
    ...     "algorithms": [{"name": "UCB1", "exploration": [1.0, 2.0]}],
    ... })
    >>> [cell["algorithm"] for cell in sweep.cells("quick")]
    ['UCB1(exploration=1.0)', 'UCB1(exploration=2.0)']
    >>> Sweep({"horizon": 0, "replications": 3, "simulators": [], "algorithms": []})
    Traceback (most recent call last):
        ...
    ValueError: horizon: 0 is below 1
    """

    def __init__(self, content: Mapping[str, Any], *, folder: str | Path = ".", name: str = "sweep") -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ValueError(f"name: {name!r} is not made of letters, digits, - and _; rename the file")
        self.name = f"sweep-{name}"
        self.source = f"the sweep file {name}.toml"
        self.folder, self._content = Path(folder).resolve(), dict(content)
        if "seed" in content:
            raise ValueError("seed: is no key of a sweep; it comes from the command line, --seed")
        check_keys(content, parameters_of(_Layout), {key: key for key in content}, "")
        # The horizons before all else: they are read most often, and a bad one is the cheapest to find.
        self.horizons = _horizons(content["horizon"])
        simple = {key: content[key] for key in ("replications", "metrics", "question", "unit") if key in content}
        layout = read_table(_Layout, {"horizon": 1, "simulators": 1, "algorithms": 1} | simple, "")
        self.replications, self.metrics, self.unit = int(layout.replications), layout.metrics, layout.unit
        if self.metrics is not None and (not self.metrics or len(set(self.metrics)) < len(self.metrics)):
            raise ValueError(f"metrics: {list(self.metrics)} must name at least one metric, and none twice")
        reader = PartReader(self.folder)
        self.simulators = reader.parts(content["simulators"], "simulators")
        self.algorithms = reader.parts(content["algorithms"], "algorithms")
        self._files, self._foreign = reader.files, _foreign_code(reader)
        self.figure_settings = read_table(FigureSettings, content.get("figures", {}), "figures")
        self.claim_settings = _claims(content.get("claims", []))
        for i, claim in enumerate(self.claim_settings):
            check_claim(
                claim,
                f"claims[{i}]",
                algorithms=self.algorithms,
                simulators=self.simulators,
                horizons=self.horizons,
                metrics=self.metrics,
            )
        for i, metric in enumerate(self.figure_settings.metrics or ()):
            if self.metrics is not None and metric not in self.metrics:
                known = nearest(metric, self.metrics)
                raise ValueError(f"figures.metrics[{i}] = {metric!r}: is not among metrics{known}")
        self.question = layout.question or (f"How do {_listed(self.algorithms)} compare in {_listed(self.simulators)}?")
        cells = len(self.simulators) * len(self.algorithms) * len(self.horizons)
        if cells > _MOST_CELLS:
            raise ValueError(f"the grids make {cells} cells, more than {_MOST_CELLS}")
        self._parts = {(s.label, a.label): (s, a) for s in self.simulators for a in self.algorithms}

    @classmethod
    def from_file(cls, path: str | Path) -> Sweep:
        """Read a sweep file.

        Raises
        ------
        ValueError
            Names the file, the key, the value, and what would be valid.
        OSError
            When the file cannot be opened.
        """
        file = check_regular(path)
        try:
            return cls(_content(file), folder=file.parent, name=file.stem)
        except RecursionError:
            raise ValueError(f"{file}: is nested too deep") from None
        except ValueError as error:  # also where it is no TOML, or no text
            raise ValueError(f"{file}: {error}") from None

    def parameters(self) -> dict[str, Any]:
        """What rebuilds the sweep: the content of its file, and digests of the files and of other packages' code."""
        return {
            "sweep": plain(self._content),
            "name": self.name.removeprefix("sweep-"),
            "folder": str(self.folder),
            "files": self._files,
            "code": self._foreign,
        }

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Sweep:
        """Rebuild a sweep; the files that it read must hold the same."""
        made = cls(_unplain(parameters["sweep"]), folder=parameters["folder"], name=parameters["name"])
        for path, digest in parameters["files"].items():
            if made._files.get(path) != digest:
                raise ValueError(f"{made.folder / path}: no longer holds what it held when the sweep was run")
        return made

    def command(self) -> list[str]:
        """The words of the command that asks the same, where the sweep file is."""
        return ["regretlab", "run", f"{self.name.removeprefix('sweep-')}.toml"]

    def cells(self, scale: Scale) -> list[Cell]:
        """Simulator by simulator, horizon by horizon; fields from grids stand beside the labels."""
        return [
            {"simulator": simulator.label, "horizon": horizon, "algorithm": algorithm.label}
            | {f"simulator.{field}": value for field, value in simulator.swept.items()}
            | {f"algorithm.{field}": value for field, value in algorithm.swept.items()}
            for simulator in self.simulators
            for horizon in self.horizons
            for algorithm in self.algorithms
        ]

    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """All replications of a cell, one row a checkpoint: columns ``replication``, ``round``, and the metrics.

        The world's stream is keyed by the simulator's table and the horizon, the algorithm's own by its table as well:
        renaming a label changes no number, and every algorithm meets the same worlds.
        """
        import pandas as pd

        simulator, algorithm = self._parts[cell["simulator"], cell["algorithm"]]
        key = {"simulator": simulator.key, "horizon": cell["horizon"], "algorithm": algorithm.key}
        frames = []
        for replication in range(self.replications):
            run = play(
                algorithm.value,
                simulator.value,
                cell["horizon"],
                seed=seed,
                cell=key,
                replication=replication,
                options=algorithm.options,
            )
            rounds, curves = _recorded(run, cell["horizon"], self.metrics)
            frames.append(pd.DataFrame({"replication": np.full(rounds.size, replication), "round": rounds} | curves))
        return pd.concat(frames, ignore_index=True)

    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """What the user claims in the sweep file; nothing otherwise."""
        return claims_of(results, self.claim_settings, self.algorithms, self.simulators, self.unit)

    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """Each metric against rounds; and against the horizon where there are several."""
        from experiments.sweep_figures import figures

        return figures(results, self.algorithms, self.simulators, self.figure_settings, self.unit)

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """Means at the horizon, and paired differences to the first algorithm."""
        return tables(results, self.algorithms, self.unit)

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """What was run."""
        return f"{cell['algorithm']} in {cell['simulator']}, {cell['horizon']:,} {self.unit}"


def _content(file: Path) -> dict[str, Any]:
    """What a sweep file says. Python's parser takes minutes and gigabytes for a long chain of keys, a.a.a.a..."""
    size = file.stat().st_size
    if size > _LONGEST_FILE:
        raise ValueError(f"{size} bytes are more than the {_LONGEST_FILE} of a sweep file; arrays may stand in files")
    text = file.read_text(encoding="utf-8")
    if (chain := _KEY_CHAIN.search(text)) is not None:
        raise ValueError(f"line {text.count(chr(10), 0, chain.start()) + 1}: a chain of more than 100 keys")
    return tomllib.loads(text)


def _horizons(given: Any) -> list[int]:
    if not isinstance(given, list):
        return [whole_number(given, "horizon", 1)]
    if not given:
        raise ValueError("horizon: [] has no horizon; it is a whole number >= 1 or a list of these")
    found = [whole_number(value, f"horizon[{i}]", 1) for i, value in enumerate(given)]
    for i, value in enumerate(found):
        if value in found[:i]:
            raise ValueError(f"horizon[{i}]: {value} is listed twice")
    return found


def _claims(given: Any) -> list[ClaimSettings]:
    if not isinstance(given, list):
        raise ValueError(f"claims = {given!r}: must be tables, [[claims]]")
    return [read_table(ClaimSettings, table, f"claims[{i}]") for i, table in enumerate(given)]


def _recorded(run: Trajectory, horizon: int, metrics: Sequence[str] | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The rounds of a run, and the metrics asked for; a number of its outcome stands at the last round alone."""
    rounds = run.rounds if run.rounds.size else np.array([horizon])
    numbers = {
        name: float(value)
        for name, value in run.outcome.items()
        if isinstance(value, bool | int | float | np.number | np.bool_)
    }
    known = [*run.metrics, *(name for name in numbers if name not in run.metrics)]
    if metrics is None and not run.metrics:
        raise ValueError(f"metrics is missing: this run records no curve; there are the numbers {', '.join(known)}")
    curves = {}
    for i, name in enumerate(run.metrics if metrics is None else metrics):
        if name in run.metrics and run.rounds.size:
            curves[name] = np.asarray(run.metrics[name])
        elif name in numbers:
            curves[name] = np.append(np.full(rounds.size - 1, np.nan), numbers[name])
        elif name in run.metrics:
            curves[name] = np.full(1, np.nan)
        else:
            raise ValueError(f"metrics[{i}] = {name!r}: is not recorded{nearest(name, known)}")
    return rounds, curves


def _foreign_code(reader: PartReader) -> dict[str, str]:
    """Digests of the files of classes of other packages: those of this one are in the source's digest."""
    found = {}
    for name, target in reader.classes.items():
        owner: Any = getattr(target, "__self__", target)  # the class of an alternative constructor
        module = inspect.getmodule(owner)
        if module is None or module.__name__.partition(".")[0] not in _OURS:
            found[name] = code_digest(owner)
    return found


def _unplain(value: Any) -> Any:
    """What `plain` wrote."""
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        return {key: _unplain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unplain(inner) for inner in value]
    return value


def _listed(parts: Sequence[Part]) -> str:
    labels = [part.label for part in parts]
    return " and ".join([", ".join(labels[:-1]), labels[-1]]) if len(labels) > 1 else labels[0]
