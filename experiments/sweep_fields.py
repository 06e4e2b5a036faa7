"""Fields of descriptions: what each takes, and errors that say where in a sweep file a bad value stands.

What a field takes decides whether a list in the file is one value or a grid of values.
"""

from __future__ import annotations

import collections.abc
import difflib
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union

import numpy as np
from pydantic import PlainValidator

__all__ = ["Parameter", "build", "check_keys", "list_depth", "nearest", "parameters_of", "read_table"]

_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable)
_LISTED = 20  # known words, beyond which only the nearest is said
_PROBES = (0.5, 1)  # one of them lies in the range of every array type


@dataclass(frozen=True)
class Parameter:
    """A field of a description, or an argument of a function that makes one.

    Parameters
    ----------
    name : str
        Its name.
    required : bool
        Whether it has no default.
    depths : set of int, optional
        How deep the lists of one value may nest: 0 for a number, 1 for a vector; None when any list may be one value.
    function : bool
        Whether only a function will do.
    path : bool
        Whether a text is the path of a file.
    """

    name: str
    required: bool
    depths: frozenset[int] | None
    function: bool = False
    path: bool = False

    def is_grid(self, given: list[Any]) -> bool:
        """Whether a list is a grid of values, and not one value."""
        depth = list_depth(given)
        return self.depths is not None and depth not in self.depths and depth - 1 in self.depths


def list_depth(value: Any) -> int:
    """How deep lists nest: 0 for what is no list, 1 for an empty one."""
    return 1 + max(map(list_depth, value), default=0) if isinstance(value, list) else 0


def parameters_of(target: Callable[..., Any]) -> dict[str, Parameter]:
    """The parameters of a description, of another class, or of a function, by name.

    Examples
    --------
    >>> from simulators import BernoulliArms, GaussianArms
    >>> parameters_of(GaussianArms)["means"].is_grid([0.1, 0.2]), parameters_of(GaussianArms)["sigma"].is_grid([1, 2])
    (False, True)
    """
    described = getattr(target, "__pydantic_fields__", None) if isinstance(target, type) else None
    if described is not None:
        return {
            name: _parameter(name, field.is_required(), field.annotation, field.metadata)
            for name, field in described.items()
        }
    try:
        signature = inspect.signature(target, eval_str=True)
    except NameError:  # a type that is imported for the type checker alone
        signature = inspect.signature(target)
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        name: _parameter(name, given.default is given.empty, given.annotation, ())
        for name, given in signature.parameters.items()
        if given.kind in named
    }


def read_table(target: Callable[..., Any], table: Any, where: str) -> Any:
    """Make a description from a table that holds its fields, one value each.

    Raises
    ------
    ValueError
        When it is no table, a key is unknown or missing, or a value is outside its range; names the key.
    """
    if not isinstance(table, dict):
        raise ValueError(f"{where} = {table!r}: must be a table")
    places = {key: f"{where}.{key}" for key in table}
    check_keys(table, parameters_of(target), places, where)
    return build(target, table, where, places)


def build(target: Callable[..., Any], values: Mapping[str, Any], where: str, places: Mapping[str, str]) -> Any:
    """Call a description with values, and say where in the file a bad one stands.

    Parameters
    ----------
    target : callable
        A description, another class, or a function.
    values : mapping
        Its arguments.
    where : str
        The key of the table.
    places : mapping of str to str
        The key of each argument.

    Raises
    ------
    ValueError
        With the message of the description, its names replaced by keys of the file.
    """
    try:
        return target(**values)
    except (ValueError, TypeError, OSError) as error:
        own = f"{getattr(target, '__name__', '')}: "
        lines = []
        for line in str(error).splitlines():
            text = line.removeprefix(own)
            match = re.match(r"(\w+)(?= = |: | is missing)", text)
            if match is None or (match[1] not in places and not text.endswith("is missing")):
                lines.append(f"{where}: {text}")
            else:
                lines.append(places.get(match[1], f"{where}.{match[1]}") + text[match.end() :])
        raise ValueError("; ".join(lines)) from None


def check_keys(given: Iterable[str], offered: Mapping[str, Parameter], places: Mapping[str, str], where: str) -> None:
    """Raise ``ValueError`` for a key that is unknown, and for a required one that is missing."""
    keys = set(given)
    for key in given:
        if key not in offered:
            raise ValueError(f"{places.get(key, f'{where}.{key}')}: is unknown{nearest(key, list(offered))}")
    for parameter in offered.values():
        if parameter.required and parameter.name not in keys:
            functional = ", a function, which no sweep file can give; register a class that has it"
            at = f"{where}.{parameter.name}" if where else parameter.name
            raise ValueError(f"{at} is missing{functional if parameter.function else ''}")


def nearest(word: str, known: Sequence[str]) -> str:
    """What may have been meant, as the end of a message: the nearest known word, or all of them."""
    if not known:
        return "; there is none to give"
    close = difflib.get_close_matches(word, known, n=1)
    if not close:  # the case may be all that is wrong
        close = [each for each in known if each.lower() == word.lower()][:1]
    listed = f"there are {', '.join(known)}"
    if not close:
        return f"; {listed}"
    return f"; did you mean {close[0]!r}?" + (f" {listed}" if len(known) <= _LISTED else "")


def _parameter(name: str, required: bool, kind: Any, metadata: Sequence[Any]) -> Parameter:
    members = [member for member in _members(kind) if member is not types.NoneType]
    functions = [(typing.get_origin(member) or member) is collections.abc.Callable for member in members]
    return Parameter(name, required, _depths(kind, metadata), bool(members) and all(functions), Path in members)


def _members(kind: Any) -> list[Any]:
    """The types of a union, or the type itself, without annotations."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        return _members(typing.get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return [member for part in typing.get_args(kind) for member in _members(part)]
    return [kind]


def _depths(kind: Any, metadata: Sequence[Any]) -> frozenset[int] | None:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _depths(arguments[0], (*arguments[1:], *metadata))
    if origin in (Union, types.UnionType):
        return _united([_depths(part, metadata) for part in arguments if part is not types.NoneType])
    if np.ndarray in (kind, origin):
        return _array_depths(metadata)
    if kind in _LISTS or origin in _LISTS:
        inner = _depths(arguments[0], ()) if arguments else None
        return None if inner is None else frozenset(depth + 1 for depth in inner)
    if kind is inspect.Parameter.empty or kind is Any or isinstance(kind, str):
        return None
    if origin in (None, dict, typing.Literal, collections.abc.Mapping, collections.abc.Callable, type):
        return frozenset({0})
    return None


def _united(depths: list[frozenset[int] | None]) -> frozenset[int] | None:
    known = [each for each in depths if each is not None]
    return frozenset().union(*known) if len(known) == len(depths) else None


def _array_depths(metadata: Sequence[Any]) -> frozenset[int] | None:
    """How many dimensions the validator of an array type lets pass: the type itself does not say."""
    validators: list[Any] = [each.func for each in metadata if isinstance(each, PlainValidator)]
    accepted = set()
    for validate in validators:
        for probe in _PROBES:
            value: Any = probe
            for depth in (1, 2, 3):
                value = [value]
                try:
                    validate(value)
                except Exception:
                    continue  # a validator may raise anything at what it does not take
                accepted.add(depth)
    return frozenset(accepted) or None
