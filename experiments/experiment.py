"""The contract of an experiment: cells to run, how to run one, what it claims and what it shows.

An experiment answers one question. It is split into cells, each a small mapping of names to plain values, which
run independently of one another; every number of a cell follows from the cell and the seed alone. Claims and
figures are made from the results of all cells together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from experiments.claims import Claim

__all__ = ["Cell", "Experiment", "NamedFigure", "NamedTable", "Scale", "check_scale"]

Cell = Mapping[str, Any]
"""One cell of an experiment's grid: names to numbers, strings, booleans or None."""

Scale = Literal["quick", "paper"]
"""``quick`` is done in a minute; ``paper`` is what one would publish."""


@dataclass(frozen=True)
class NamedFigure:
    """A figure with its file name and the sentence below it."""

    name: str
    caption: str
    figure: Figure


@dataclass(frozen=True)
class NamedTable:
    """A table of the report: numbers already formatted; every column after the first is set to the right."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Experiment(ABC):
    """One question, the runs that answer it, and the answer."""

    name: str
    """What the command line calls it."""
    question: str
    """The question, in a sentence."""
    source: str
    """The paper or book whose claims it tests."""

    def parameters(self) -> dict[str, Any]:
        """What rebuilds an experiment that was made from a user's input; empty for registered ones."""
        return {}

    def command(self) -> list[str]:
        """The words of the command that asks the same, without seed and folder; empty for registered ones."""
        return []

    @abstractmethod
    def cells(self, scale: Scale) -> Sequence[Cell]:
        """All cells, in the order in which they are listed."""

    @abstractmethod
    def run(self, cell: Cell, seed: int) -> pd.DataFrame:
        """Run one cell; draw only from `algos.streams` keyed by the seed and the cell.

        What depends on the machine, such as a speed, goes to the frame's ``attrs``: it is stored apart and never
        compared.
        """

    @abstractmethod
    def claims(self, results: pd.DataFrame) -> list[Claim]:
        """What the results say of each claim; the frame has the rows of all cells, with the cell's own columns."""

    @abstractmethod
    def figures(self, results: pd.DataFrame) -> list[NamedFigure]:
        """The figures, in the house style."""

    def tables(self, results: pd.DataFrame) -> list[NamedTable]:
        """Tables of results, below the claims."""
        return []

    def progress(self, cell: Cell, frame: pd.DataFrame) -> str:
        """What to tell the user when a cell is done."""
        return self.name

    def summary(self, results: pd.DataFrame) -> list[str]:
        """Sentences that answer the question, for the top of the report."""
        return []


def check_scale(scale: str) -> Scale:
    """Return the scale, or raise ``ValueError`` for an unknown one."""
    if scale not in get_args(Scale):
        raise ValueError(f"scale: {scale!r} is not one of {', '.join(get_args(Scale))}")
    return scale  # type: ignore[return-value]
