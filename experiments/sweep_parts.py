"""Algorithms and simulators from the tables of a sweep file.

A table names what it describes, and gives its fields: ``{ name = "UCB1", exploration = 2.0 }``. The name is that of a
registered class or function, of a public one of the library where a table stands inside another, or of an alternative
constructor, ``AdversarialRewards.from_file``. Besides its fields a table may hold

* ``label``: what tables and figures call it;
* ``run``: further keyword arguments of an algorithm's ``run``;
* ``fields``: fields that are called like one of these words.

A value is a number, a text, a list, a table inside the table for a description inside the description,
``{ file = "features.csv" }`` for an array in a file (CSV, NPY, or NPZ with ``array = "NAME"``), or a grid: a list where
the field takes no list (of lists where it takes a list, and so on), or ``{ grid = [...] }``, which always is one.
Paths are relative to the folder of the sweep file.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from algos.streams import canonical_json
from experiments import registry
from experiments.sweep_fields import Parameter, build, check_keys, nearest, parameters_of
from simulators.reading import ArrayFile, check_regular, listed

__all__ = ["Part", "PartReader", "plain"]

T = TypeVar("T")

_WORDS = ("name", "label", "run", "fields")
_LIBRARY = (
    *("simulators", "bandits", "online.autobidding", "online.gradient_coding", "online.paging", "online.sor_tuning"),
    "optimization.differentially_private",
)
_NOT_OPTIONS = ("world", "compiled", "trace")  # the streams and the compiler are the sweep's, and traces are not kept
_MOST_COMBINATIONS = 100_000
_LONGEST = 60  # characters of a value in a label


@dataclass(frozen=True)
class Part:
    """An algorithm or a simulator of a sweep, built.

    Parameters
    ----------
    label : str
        What cells, tables and figures call it.
    name : str
        What the sweep file calls it: the label of its table, or its name.
    value : any
        The description itself.
    key : JSON-like value
        The table that it was built from: keys its random streams.
    swept : mapping of str to number or str
        The fields that come from a grid.
    options : mapping of str to any
        Further arguments of ``run``.
    """

    label: str
    name: str
    value: Any
    key: Any
    swept: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


class _Choice(NamedTuple):
    """One value that a field may take."""

    value: Any
    key: Any  # what keys random streams
    text: str  # what labels say
    where: str  # where in the file
    swept: dict[str, Any]  # what of it comes from a grid, by the path inside the field; "" is the value itself


@dataclass(frozen=True)
class _World:
    """A distribution over worlds, given by a function that draws one."""

    draw: Callable[..., Any]
    arguments: Mapping[str, Any]

    def sample(self, rng: np.random.Generator) -> Any:
        return self.draw(rng=rng, **self.arguments)


class PartReader:
    """Builds the parts of one sweep, and remembers the files that it read.

    Parameters
    ----------
    folder : Path
        Paths are relative to it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, str] = {}
        """Digests of what was read, by the path in the sweep file."""
        self.classes: dict[str, Callable[..., Any]] = {}
        """What was built, by its name in the sweep file."""

    def parts(self, tables: Any, group: Literal["algorithms", "simulators"]) -> list[Part]:
        """All parts that the tables of a group describe.

        Raises
        ------
        ValueError
            Names the key, the value and what would be valid.
        """
        if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
            raise ValueError(f"{group}: must be tables, [[{group}]], each with a name")
        read = [self._table(table, f"{group}[{i}]", group) for i, table in enumerate(tables)]
        return _distinct([part for some in read for part in some], group)

    def _table(self, table: dict[str, Any], where: str, group: str) -> list[tuple[Part, str]]:
        """The parts of a table, each with a longer label that names every field."""
        if not isinstance(table.get("name"), str):
            raise ValueError(f"{where}.name is missing: the name of one of the {group}")
        name: str = table["name"]
        target = self._target(name, f"{where}.name", group)
        if not isinstance(table.get("label", ""), str) or not table.get("label", "-"):
            raise ValueError(f"{where}.label = {table['label']!r}: must be a text")
        label = table.get("label", name)
        options = self._options(table, target, where) if group == "algorithms" else {}
        if group != "algorithms" and "run" in table:
            raise ValueError(f"{where}.run: only algorithms run")
        extra = {"run": options} if options else {}
        parts = []
        for built in self._described(table, target, where):
            plain_swept = {path: value for path, value in built.swept.items() if path}
            inner = ", ".join(f"{path}={_text(value)}" for path, value in plain_swept.items())
            short = f"{label}({inner})" if inner else label
            if group == "algorithms" and not callable(getattr(built.value, "run", None)):
                raise ValueError(f"{where}.name = {name!r}: what it describes has no run(simulator, horizon, rng)")
            long = built.text if label == name else short
            key = built.key | {key: plain(value) for key, value in extra.items()}
            parts.append((Part(short, label, built.value, key, plain_swept, options), long))
        return parts

    def _target(self, name: str, where: str, group: str | None) -> Callable[..., Any]:
        """What a name stands for; any part of the library where no group is given."""
        base, dot, constructor = name.partition(".")
        groups = ("algorithms", "simulators") if group is None else (group,)
        target: Any = None
        for each in groups:
            if target is None and base in registry.names(each):
                target = registry.algorithm(base) if each == "algorithms" else registry.simulator(base)
        public = {} if group == "algorithms" else _public(("simulators",) if group else _LIBRARY)
        if target is None:
            target = public.get(base)
        if target is None:
            known = sorted({known for each in groups for known in registry.names(each)} | public.keys())
            raise ValueError(f"{where} = {name!r}: is not registered{nearest(base, known)}")
        if dot:
            named = _constructors(target)
            if constructor not in named:
                raise ValueError(f"{where} = {name!r}: {base} has no such constructor{nearest(constructor, named)}")
            target = getattr(target, constructor)
        self.classes[name] = target
        return target

    def _options(self, table: dict[str, Any], target: Any, where: str) -> dict[str, Any]:
        given = table.get("run", {})
        if not isinstance(given, dict):
            raise ValueError(f"{where}.run = {given!r}: must be a table of arguments of run")
        if not given:
            return {}
        run = getattr(target, "run", None)
        if run is None:
            raise ValueError(f"{where}.run: cannot be given with {table['name']!r}")
        offered = [
            name
            for name, parameter in inspect.signature(run).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in _NOT_OPTIONS
        ]
        for name in given:
            if name not in offered:
                raise ValueError(f"{where}.run.{name}: is no argument of its run{nearest(name, offered)}")
        return dict(given)

    def _described(self, table: dict[str, Any], target: Callable[..., Any], where: str) -> list[_Choice]:
        """One choice for each combination of the values of a table's fields."""
        fields = {key: value for key, value in table.items() if key not in _WORDS}
        again = table.get("fields", {})
        if not isinstance(again, dict):
            raise ValueError(f"{where}.fields = {again!r}: must be a table of fields")
        at = {key: f"{where}.{key}" for key in fields} | {key: f"{where}.fields.{key}" for key in again}
        fields |= again
        parameters = parameters_of(target)
        drawn = not isinstance(target, type) and "rng" in parameters
        offered = {name: known for name, known in parameters.items() if name != "rng" or not drawn}
        check_keys(fields, offered, at, where)
        per_field = [
            [(name, choice) for choice in self._value(value, offered[name], at[name])] for name, value in fields.items()
        ]
        found = []
        for combination in _combined(per_field, where):
            chosen = dict(combination)
            values = {name: choice.value for name, choice in chosen.items()}
            places = {name: choice.where for name, choice in chosen.items()}
            if drawn:
                build(target, values | {"rng": np.random.default_rng(0)}, where, places)  # bad values are known now
            value = _World(target, values) if drawn else build(target, values, where, places)
            key = {"name": table["name"], "fields": {name: choice.key for name, choice in chosen.items()}}
            inner = ", ".join(f"{name}={choice.text}" for name, choice in chosen.items())
            swept = {
                _joined(name, path): each for name, choice in chosen.items() for path, each in choice.swept.items()
            }
            found.append(_Choice(value, key, f"{table['name']}({inner})" if inner else table["name"], where, swept))
        return found

    def _value(self, given: Any, parameter: Parameter, where: str) -> list[_Choice]:
        """All values that a field may take."""
        if parameter.function:
            raise ValueError(f"{where}: takes a function, which no sweep file can give; register a class that has it")
        if isinstance(given, dict):
            if given.keys() == {"grid"}:
                return self._grid(given["grid"], parameter, f"{where}.grid")
            if "file" in given:
                return [self._array(given, parameter, where)]
            if "name" in given:
                if not isinstance(given["name"], str):
                    raise ValueError(f"{where}.name = {given['name']!r}: must be a text")
                for word in given.keys() & {"label", "run"}:
                    raise ValueError(f"{where}.{word}: is for algorithms and simulators, not for what is inside them")
                return self._described(given, self._target(given["name"], f"{where}.name", None), where)
            inner = [self._value(value, _ANYTHING, f"{where}.{key}") for key, value in given.items()]
            return [_mapping(dict(zip(given, chosen, strict=True)), where) for chosen in _combined(inner, where)]
        if isinstance(given, list):
            if parameter.is_grid(given):
                return self._grid(given, parameter, where)
            inner = [self._value(value, _ANYTHING, f"{where}[{i}]") for i, value in enumerate(given)]
            return [_sequence(chosen, where) for chosen in _combined(inner, where)]
        if not isinstance(given, bool | int | float | str):
            raise ValueError(f"{where} = {given}: no field takes a {type(given).__name__}")
        if parameter.path and isinstance(given, str):
            return [_Choice(self._file(given, where), given, _text(given), where, {})]
        return [_Choice(given, plain(given), _text(given), where, {})]

    def _grid(self, given: Any, parameter: Parameter, where: str) -> list[_Choice]:
        if not isinstance(given, list) or not given:
            raise ValueError(f"{where} = {given!r}: a grid is a list of at least one value")
        if len(given) > _MOST_COMBINATIONS:
            raise ValueError(f"{where}: a grid of {len(given)} values, more than {_MOST_COMBINATIONS}")
        single = Parameter(parameter.name, True, None, parameter.function, parameter.path)
        choices = [choice for i, value in enumerate(given) for choice in self._value(value, single, f"{where}[{i}]")]
        return [choice._replace(swept={"": _cell_value(choice)}) for choice in choices]

    def _file(self, given: str, where: str) -> Path:
        """A path in the sweep's folder, whose content is remembered."""
        path = self.folder / given
        if not path.exists():
            raise ValueError(f"{where} = {given!r}: there is no such file in {self.folder}")
        if not path.is_dir():
            check_regular(path)
        self.files[given] = _content_digest(path)
        return path

    def _array(self, given: dict[str, Any], parameter: Parameter, where: str) -> _Choice:
        for name in given.keys() - {"file", "array"}:
            raise ValueError(f"{where}.{name}: is unknown{nearest(name, ['file', 'array'])}")
        for name, value in given.items():
            if not isinstance(value, str):
                raise ValueError(f"{where}.{name} = {value!r}: must be a text")
        path = self._file(given["file"], f"{where}.file")
        try:
            array = _read_array(path, given.get("array"))
        except (ValueError, OSError) as error:
            raise ValueError(f"{where}.file: {error}") from None
        if parameter.depths is not None and 2 not in parameter.depths and array.ndim == 2 and 1 in array.shape:
            array = array.ravel()
        text = _text(given["file"] if "array" not in given else f"{given['file']}:{given['array']}")
        return _Choice(array, dict(given), text, where, {})


_ANYTHING = Parameter("", True, None)


def plain(value: Any) -> Any:
    """A value of a TOML file as JSON can write it: an infinite number as ``{"float": "inf"}``."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _distinct(parts: list[tuple[Part, str]], group: str) -> list[Part]:
    """The parts, with longer labels where short ones say too little."""
    shorts = [part.label for part, _ in parts]
    found = [part if shorts.count(part.label) == 1 else _relabelled(part, long) for part, long in parts]
    labels = [part.label for part in found]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"{group}: two are called {label!r}; give them different labels")
    return found


def _relabelled(part: Part, label: str) -> Part:
    return Part(label, part.name, part.value, part.key, part.swept, part.options)


def _public(packages: Sequence[str]) -> dict[str, Callable[..., Any]]:
    """Classes of packages, and functions of `simulators`, by their public names."""
    found: dict[str, Callable[..., Any]] = {}
    for package in packages:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or (package == "simulators" and inspect.isfunction(value)):
                found.setdefault(name, value)
    return found


def _constructors(target: Any) -> list[str]:
    """Names of a class's alternative constructors."""
    if not inspect.isclass(target):
        return []
    return [name for name, value in inspect.getmembers(target, inspect.ismethod) if not name.startswith("_")]


def _combined(choices: Sequence[Sequence[T]], where: str) -> Iterable[tuple[T, ...]]:
    """All combinations: few enough that they are meant."""
    count = math.prod(map(len, choices))
    if count > _MOST_COMBINATIONS:
        raise ValueError(f"{where}: its grids make {count} combinations, more than {_MOST_COMBINATIONS}")
    return itertools.product(*choices)


def _joined(name: str, path: str) -> str:
    return f"{name}.{path}" if path and not path.startswith("[") else name + path


def _mapping(chosen: Mapping[str, _Choice], where: str) -> _Choice:
    swept = {_joined(key, path): each for key, one in chosen.items() for path, each in one.swept.items()}
    value = {key: one.value for key, one in chosen.items()}
    text = f"{{{', '.join(f'{key}={one.text}' for key, one in chosen.items())}}}"
    return _Choice(value, {key: one.key for key, one in chosen.items()}, _cut(text), where, swept)


def _sequence(chosen: Sequence[_Choice], where: str) -> _Choice:
    swept = {_joined(f"[{i}]", path): each for i, one in enumerate(chosen) for path, each in one.swept.items()}
    text = f"[{', '.join(one.text for one in chosen)}]"
    return _Choice([one.value for one in chosen], [one.key for one in chosen], _cut(text), where, swept)


def _cell_value(choice: _Choice) -> Any:
    """What a cell says of a value of a grid: the number or text itself, or the label of what it describes."""
    value = choice.key
    return value if isinstance(value, bool | int | float | str) else choice.text


def _text(value: Any) -> str:
    return _cut(value if isinstance(value, str) else canonical_json(value) if isinstance(value, bool) else f"{value}")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _content_digest(path: Path) -> str:
    """Digest of a file, or of all files of a folder."""
    total = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            total.update(file.relative_to(path.parent).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def _read_array(path: Path, name: str | None) -> np.ndarray:
    if path.suffix in (".npy", ".npz"):
        arrays = ArrayFile(path)
        if not arrays.is_archive:
            return arrays.read()
        if name is None and len(arrays.names) == 1:
            name = arrays.names[0]
        if name not in arrays.names:
            raise ValueError(f"{path}: array {name!r} is none of {listed(arrays.names)}; name one with array =")
        return arrays.read(name)
    from simulators import read_features

    return read_features(path)
