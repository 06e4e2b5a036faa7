"""Sequences A + c I of any matrix with random shifts, and systems of a list or a folder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PlainValidator

from algos.contracts import check_generator, description
from algos.linear_solvers import LinearSystem, estimate_jacobi_radius, is_consistently_ordered
from algos.linear_solvers.system import as_rows
from simulators.linear_systems.matrix_market import read_matrix_market
from simulators.linear_systems.targets import truncated_normal
from simulators.reading import csv_rows

__all__ = ["ListedSystems", "MatrixMarketFolder", "ShiftedSystems"]

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


@description
class ShiftedSystems:
    """A + c I with c = lowest + width Beta(a, b), the context, and a truncated normal right-hand side.

    The matrix of the systems is one object whose diagonal changes from one to the next.

    Parameters
    ----------
    matrix : sparse or dense matrix, or `Stencil`, shape (n, n)
        Symmetric, with an entry in each place of the diagonal; positive definite with the smallest shift.
    a, b : float > 0
        Of the beta distribution.
    lowest : float
        Smallest shift.
    width : float > 0
        Length of the interval of shifts.
    """

    matrix: Annotated[Any, PlainValidator(as_rows)]
    a: Positive = 2.0
    b: Positive = 6.0
    lowest: Annotated[float, Field(allow_inf_nan=False)] = -0.15
    width: Positive = 0.6

    def start(self, rng: np.random.Generator) -> _ShiftedRun:
        """Begin anew, drawing from `rng` only."""
        return _ShiftedRun(self, check_generator(rng, "ShiftedSystems"))


class _ShiftedRun:
    """Shifted systems under way."""

    def __init__(self, systems: ShiftedSystems, rng: np.random.Generator) -> None:
        self._systems, self._rng = systems, rng
        self._matrix = systems.matrix.copy()
        rows = np.repeat(np.arange(self._matrix.shape[0]), np.diff(self._matrix.indptr))
        self._places = np.flatnonzero(self._matrix.indices == rows)
        self._diagonal = systems.matrix.diagonal()
        if self._places.size != self._matrix.shape[0]:
            raise ValueError("matrix: every row needs an entry on the diagonal")
        # One radius gives those of all shifts where the diagonal is constant and the order consistent.
        self._sigma: float | None = None
        if np.ptp(self._diagonal) == 0 and self._diagonal[0] > 0 and is_consistently_ordered(self._matrix):
            self._sigma = estimate_jacobi_radius(self._matrix) * float(self._diagonal[0])
        self._system: LinearSystem | None = None

    def next(self) -> LinearSystem:
        """The system at hand."""
        if self._system is None:
            given = self._systems
            shift = given.lowest + given.width * float(self._rng.beta(given.a, given.b))
            self._matrix.data[self._places] = self._diagonal + shift
            radius = None if self._sigma is None else self._sigma / float(self._diagonal[0] + shift)
            b = truncated_normal(self._matrix.shape[0], self._rng)
            usable = radius if radius is not None and 0 <= radius < 1 else None
            self._system = LinearSystem(self._matrix, b, shift, None, usable)
        return self._system

    def advance(self, x: NDArray[np.float64]) -> None:
        """Go on to the next system."""
        self._system = None


class ListedSystems:
    """The systems of a list, in its order.

    Parameters
    ----------
    systems : list of LinearSystem
        At least one.
    names : list of str, optional
        What to call them.
    """

    def __init__(self, systems: list[LinearSystem], names: list[str] | None = None) -> None:
        if not systems:
            raise ValueError("systems: must hold at least one system")
        if names is not None and len(names) != len(systems):
            raise ValueError(f"names: {len(names)} for {len(systems)} systems")
        self.systems = list(systems)
        self.names = [str(place + 1) for place in range(len(systems))] if names is None else list(names)

    @property
    def n_systems(self) -> int:
        """How many systems there are."""
        return len(self.systems)

    def start(self, rng: np.random.Generator) -> _ListedRun:
        """Begin anew; nothing is drawn."""
        return _ListedRun(self.systems)


class _ListedRun:
    """A list under way."""

    def __init__(self, systems: list[LinearSystem]) -> None:
        self._systems, self._place = systems, 0

    def next(self) -> LinearSystem:
        """The system at hand."""
        if self._place >= len(self._systems):
            raise ValueError(f"next: all {len(self._systems)} systems are solved")
        return self._systems[self._place]

    def advance(self, x: NDArray[np.float64]) -> None:
        """Go on to the next system."""
        self._place += 1


class MatrixMarketFolder(ListedSystems):
    """The systems of a folder of Matrix Market files, in the order of their names.

    ``NAME.mtx`` is a matrix; ``NAME_b.mtx`` its right-hand side (a vector of ones when missing) and ``NAME_x0.mtx``
    where the solver starts (0 when missing). A file ``contexts.csv`` with the header ``system,context`` gives contexts
    by NAME; without it all are 0.

    Parameters
    ----------
    folder : path
        Where the files are.

    Raises
    ------
    ValueError
        For a folder without matrices, and files that cannot be read or do not fit, naming the file and where it says so
        the line.
    """

    def __init__(self, folder: str | Path) -> None:
        place = Path(folder)
        if not place.is_dir():
            raise ValueError(f"folder: {place} is no folder")
        matrices = [path for path in sorted(place.glob("*.mtx")) if not path.stem.endswith(("_b", "_x0"))]
        if not matrices:
            raise ValueError(f"folder: {place} holds no Matrix Market file (*.mtx) of a matrix")
        contexts = _contexts(place / "contexts.csv", [path.stem for path in matrices])
        systems = []
        for path in matrices:
            try:
                A = as_rows(read_matrix_market(path))
            except ValueError as error:
                raise ValueError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
            n = A.shape[0]
            b, x0 = (_vector(place / f"{path.stem}{ending}.mtx", n) for ending in ("_b", "_x0"))
            systems.append(LinearSystem(A, np.ones(n) if b is None else b, contexts.get(path.stem, 0.0), x0))
        super().__init__(systems, [path.stem for path in matrices])
        self.has_contexts = bool(contexts)


def _vector(path: Path, n: int) -> NDArray[np.float64] | None:
    if not path.exists():
        return None
    found = read_matrix_market(path, n)
    vector = np.asarray(found.todense() if hasattr(found, "tocsr") else found, dtype=np.float64).ravel()
    if not np.isfinite(vector).all():
        raise ValueError(f"{path}: entry {int(np.argmax(~np.isfinite(vector)))} is not finite")
    return vector


def _contexts(path: Path, names: list[str]) -> dict[str, float]:
    if not path.exists():
        return {}
    found: dict[str, float] = {}
    rows = csv_rows(path)
    if next(rows, (1, []))[1] != ["system", "context"]:
        raise ValueError(f"{path}: line 1: the header must be system,context")
    for line, row in rows:
        where = f"{path}: line {line}"
        if len(row) != 2:
            raise ValueError(f"{where}: has {len(row)} columns, not 2")
        if row[0] not in names:
            raise ValueError(f"{where}, column 1: there is no matrix {row[0]}.mtx")
        try:
            value = float(row[1])
        except ValueError:
            raise ValueError(f"{where}, column 2: {row[1]!r} is not a number") from None
        if not math.isfinite(value):
            raise ValueError(f"{where}, column 2: {row[1]} is not finite")
        found[row[0]] = value
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"{path}: no context for {missing[0]}")
    return found
