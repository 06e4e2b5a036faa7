"""The ledger: every theorem whose statement can be computed, as a function that is registered here.

A guarantee is a plain function of the quantities in the theorem. The decorator files it under its name with its
source, its kind and where the statement comes from; ``regretlab guarantees`` prints the ledger, and a test fails
when an entry has no property-based test.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

__all__ = ["Evidence", "Guarantee", "Kind", "guarantee", "ledger"]

Kind = Literal["upper", "lower", "identity"]
Evidence = Literal["paper", "code", "derived", "textbook", "secondary"]
"""Where we have the statement from: read in the paper; read in its code; derived and checked by us; a textbook
statement that was not looked up again; or reported by others who had read the paper."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Guarantee:
    """An entry of the ledger."""

    name: str
    source: str
    kind: Kind
    algorithm: str
    evidence: Evidence
    statement: str
    function: Callable[..., Any]


_LEDGER: dict[str, Guarantee] = {}


def guarantee(
    source: str, *, kind: Kind, algorithm: str = "any algorithm", evidence: Evidence = "paper"
) -> Callable[[F], F]:
    """Register a bound function in the ledger; the function itself is returned unchanged.

    Parameters
    ----------
    source : str
        The paper and, where known, the theorem.
    kind : {"upper", "lower", "identity"}
        Whether the measured quantity stays below, above, or at the value.
    algorithm : str
        Public name of the algorithm it speaks of.
    evidence : {"paper", "code", "derived", "textbook", "secondary"}
        Where the statement comes from.

    Raises
    ------
    ValueError
        When the function has no docstring (its first line is the statement), the kind or the evidence is
        unknown, or the name is taken by another function.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind: {kind!r} is not one of {', '.join(get_args(Kind))}")
    if evidence not in get_args(Evidence):
        raise ValueError(f"evidence: {evidence!r} is not one of {', '.join(get_args(Evidence))}")

    def register(function: F) -> F:
        name = function.__name__
        statement = (inspect.getdoc(function) or "").partition("\n")[0].strip()
        if not statement:
            raise ValueError(f"{name}: a guarantee states itself in the first line of its docstring")
        entry = Guarantee(name, source, kind, algorithm, evidence, statement, function)
        known = _LEDGER.get(name)
        if known is not None and known.function.__module__ != function.__module__:
            raise ValueError(f"{name}: already registered by {known.function.__module__}")
        _LEDGER[name] = entry
        return function

    return register


def ledger() -> tuple[Guarantee, ...]:
    """All guarantees registered so far, by algorithm and name."""
    return tuple(sorted(_LEDGER.values(), key=lambda entry: (entry.algorithm, entry.name)))
