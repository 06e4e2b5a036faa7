"""Descriptions, the library's validated dataclasses, for the reader of docstrings.

The reader knows `dataclasses.dataclass` by name and gives such classes the signature of their fields. What
`algos.contracts.description` decorates has such a signature too, and so have named tuples.
"""

from __future__ import annotations

import ast
from typing import Any

import griffe

__all__ = ["Descriptions"]


class _Dataclass(griffe.ExprName):
    """The name of a decorator that makes a dataclass, whatever it is called."""

    @property
    def canonical_path(self) -> str:
        return "dataclasses.dataclass"


class Descriptions(griffe.Extension):
    """Give descriptions and named tuples the signature of their fields."""

    def on_class_instance(self, *, node: ast.AST | griffe.ObjectNode, cls: griffe.Class, **kwargs: Any) -> None:
        """Call them dataclasses; their fields are read later."""
        as_dataclass = _Dataclass("dataclass", parent=cls.parent)
        for decorator in cls.decorators:
            if str(decorator.value) == "description":
                decorator.value = as_dataclass
        if any(str(base) == "NamedTuple" for base in cls.bases):
            cls.decorators.append(griffe.Decorator(as_dataclass, lineno=None, endlineno=None))
