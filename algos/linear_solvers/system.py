"""What every linear solver takes and returns: a checked private copy of the system, and a solution with a status.

Solvers of symmetric positive definite systems A x = b, A = D + L + L^T with L strictly lower. The relaxation of
successive over-relaxation lies in (0, 2), in which it converges for every such matrix (Ostrowski and Reich).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import whole_number

__all__ = ["Check", "Criterion", "LinearSolution", "NotSPDError", "Status", "System", "check_grid", "prepare"]

Status = Literal["converged", "max_iterations", "stagnated", "diverged"]
Check = Literal["none", "symmetric", "spd"]
Criterion = Literal["relative", "absolute"]
STATUSES: tuple[Status, ...] = ("converged", "max_iterations", "stagnated", "diverged")
CONVERGED, MAX_ITERATIONS, STAGNATED, DIVERGED = range(4)

_DENSE_UP_TO = 200


class NotSPDError(ValueError):
    """The matrix is not symmetric positive definite."""


@dataclass(frozen=True, eq=False)
class LinearSolution:
    """What a solver found.

    Parameters
    ----------
    x : float64, shape (n,)
        The last iterate.
    iterations : int
        Sweeps or steps completed; 0 when the start is good enough.
    converged : bool
        Whether the tolerance was met by the true residual.
    status : {"converged", "max_iterations", "stagnated", "diverged"}
        Why it ended: stagnated when rounding errors keep the true residual above the tolerance, diverged when the
        residual is no longer finite.
    relative_residual : float
        Norm of the true residual over the norm that the tolerance refers to.
    history : float64, shape (iterations + 1,), or None
        Norms of the recursive residuals over the same norm, from the start on; when asked for.
    """

    x: NDArray[np.float64]
    iterations: int
    converged: bool
    status: Status
    relative_residual: float
    history: NDArray[np.float64] | None = None


class Rows(NamedTuple):
    """A matrix by rows, as kernels read it; columns increase within a row, and every row has its diagonal.

    Unsigned, for Numba would ask of every signed index whether it counts from the end.
    """

    starts: np.ndarray  # (n + 1,) uint32
    middle: np.ndarray  # (n,) uint32, place of the diagonal entry of each row
    columns: np.ndarray  # (nnz,) uint32
    values: np.ndarray  # (nnz,) float64
    reach: int  # how far a column lies to the right of the diagonal at most


class System(NamedTuple):
    """A checked system."""

    rows: Any  # `Rows`, or a `Lattice`, whose vectors have a frame
    b: NDArray[np.float64]  # (n,)
    x: NDArray[np.float64]  # (n,), the start, private
    residual: NDArray[np.float64]  # (n,) b - A x
    tolerance: float
    max_iterations: int


def prepare(
    A: Any,
    b: ArrayLike,
    x0: ArrayLike | None,
    tolerance: Any,
    max_iterations: int,
    check: Check,
    *,
    positive_diagonal: bool = True,
    reverse: bool = False,
    criterion: Criterion = "relative",
) -> System:
    """Check a system and copy it; nothing that was passed in is changed.

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Duplicates are added up, columns sorted, integers converted.
    b, x0 : float array, shape (n,)
        Right-hand side and start; the start is 0 when omitted.
    tolerance : float
        In (0, 1) where it is relative, > 0 where it is absolute.
    max_iterations : int >= 1
        Most iterations.
    check : {"none", "symmetric", "spd"}
        What is made sure of beyond finite entries and a diagonal.
    positive_diagonal : bool
        Whether diagonal entries must be positive rather than other than 0.
    reverse : bool
        Number the unknowns backward: a forward sweep is then a backward one.
    criterion : {"relative", "absolute"}
        What the tolerance is.

    Raises
    ------
    ValueError
        Naming what is wrong; `NotSPDError` when the matrix is not what `check` asks for.
    """
    matrix = as_rows(A)
    n = matrix.shape[0]
    limit = whole_number(max_iterations, "max_iterations", 1)
    accuracy = check_tolerance(tolerance, criterion)
    if check not in ("none", "symmetric", "spd"):
        raise ValueError(f"check: {check!r} is not one of none, symmetric, spd")
    right, start = _vector(b, "b", n), np.zeros(n) if x0 is None else _vector(x0, "x0", n)
    diagonal = matrix.diagonal()
    bad = ~(diagonal > 0) if positive_diagonal and check != "none" else diagonal == 0
    if bad.any():
        row = int(np.argmax(bad))
        wanted = "positive" if positive_diagonal and check != "none" else "other than 0"
        raise ValueError(f"A: the diagonal entry of row {row} is {diagonal[row]:g}, and must be {wanted}")
    if check != "none":
        _check_symmetric(matrix)
    if check == "spd":
        _check_definite(matrix)
    if reverse:
        matrix = matrix[::-1, ::-1].tocsr()
        matrix.sort_indices()
        right, start = right[::-1].copy(), start[::-1].copy()
    return System(rows_of(matrix), right, start, right - matrix @ start, accuracy, limit)


def as_rows(A: Any) -> Any:
    """A private SciPy CSR matrix of float64, sorted, without duplicates; square and finite."""
    from scipy import sparse

    if hasattr(A, "tocsr"):
        matrix = sparse.csr_matrix(A.tocsr(), dtype=np.float64, copy=True)
    else:
        try:
            dense = np.array(A, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError("A: must be a sparse matrix, a stencil, or a matrix of numbers") from None
        if dense.ndim != 2:
            raise ValueError(f"A: must be a matrix, got shape {dense.shape}")
        matrix = sparse.csr_matrix(dense)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"A: must be square, got shape {matrix.shape}")
    matrix.sum_duplicates()
    matrix.sort_indices()
    if not np.isfinite(matrix.data).all():
        entry = matrix.tocoo()
        k = int(np.argmax(~np.isfinite(entry.data)))
        raise ValueError(f"A: entry ({entry.row[k]}, {entry.col[k]}) is {entry.data[k]}; every entry must be finite")
    return matrix


def rows_of(matrix: Any) -> Rows:
    """A canonical CSR matrix with a full diagonal, as kernels read it."""
    n = matrix.shape[0]
    starts, columns = matrix.indptr.astype(np.uint32), matrix.indices.astype(np.uint32)
    row_of = np.repeat(np.arange(n), np.diff(starts))
    middle = np.flatnonzero(columns == row_of).astype(np.uint32)
    last = matrix.indices[matrix.indptr[1:] - 1] if n else np.zeros(0, dtype=np.int64)
    reach = int((last - np.arange(n)).max(initial=0))
    return Rows(starts, middle, columns, np.ascontiguousarray(matrix.data), reach)


def check_omega(omega: float) -> float:
    """The relaxation, a number in the open interval (0, 2)."""
    number: Any = omega
    if isinstance(number, bool) or not isinstance(number, int | float | np.floating) or not 0 < number < 2:
        raise ValueError(f"omega: {omega!r} is not a number in (0, 2)")
    return float(number)


def check_grid(grid: ArrayLike) -> NDArray[np.float64]:
    """A grid of relaxations: increasing numbers in (0, 2), shape (d,), d >= 1."""
    try:
        values = np.array(grid, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("grid: must be a non-empty vector of numbers in (0, 2)") from None
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"grid: must be a non-empty vector of numbers in (0, 2), got shape {values.shape}")
    outside = ~((values > 0) & (values < 2))
    if outside.any():
        place = int(np.argmax(outside))
        raise ValueError(f"grid: entry {place} is {values[place]}; every entry must be in (0, 2)")
    if (np.diff(values) <= 0).any():
        place = int(np.argmax(np.diff(values) <= 0))
        raise ValueError(f"grid: entry {place + 1} is not above entry {place}; the grid must increase")
    return values


def check_tolerance(tolerance: Any, criterion: Criterion = "relative") -> float:
    """A relative tolerance in (0, 1), or an absolute one > 0."""
    if criterion not in ("relative", "absolute"):
        raise ValueError(f"criterion: {criterion!r} is neither 'relative' nor 'absolute'")
    number = not isinstance(tolerance, bool) and isinstance(tolerance, int | float | np.floating)
    if criterion == "relative" and not (number and 0 < tolerance < 1):
        raise ValueError(f"tolerance: {tolerance!r} is not a number in (0, 1)")
    if criterion == "absolute" and not (number and 0 < tolerance < math.inf):
        raise ValueError(f"tolerance: {tolerance!r} is not a finite number > 0")
    return float(tolerance)


def finished(
    system: System,
    x: NDArray[np.float64],
    residual: NDArray[np.float64],
    reference: float,
    iterations: int,
    status: int,
    norms: NDArray[np.float64],
    *,
    history: bool,
    reverse: bool = False,
) -> LinearSolution:
    """The solution, with the true residual's norm."""
    with np.errstate(over="ignore", invalid="ignore"):
        norm = float(np.linalg.norm(residual))
    scale = reference if reference > 0 else 1.0
    return LinearSolution(
        x[::-1].copy() if reverse else x,
        int(iterations),
        status == CONVERGED,
        STATUSES[status],
        norm / scale if math.isfinite(norm) else math.inf,
        norms[: iterations + 1] / scale if history else None,
    )


def _vector(value: ArrayLike, name: str, n: int) -> NDArray[np.float64]:
    try:
        vector = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: must be a vector of {n} finite numbers") from None
    if vector.shape != (n,):
        raise ValueError(f"{name}: must have shape ({n},), got {vector.shape}")
    if not np.isfinite(vector).all():
        place = int(np.argmax(~np.isfinite(vector)))
        raise ValueError(f"{name}: entry {place} is {vector[place]}; every entry must be finite")
    return vector


def _check_symmetric(matrix: Any) -> None:
    apart = abs(matrix - matrix.T)
    worst = float(apart.max()) if apart.nnz else 0.0
    if worst > 1e-12 * float(abs(matrix).max() if matrix.nnz else 0.0):
        raise NotSPDError(f"A: is not symmetric, entries differ by {worst:g}")


def _check_definite(matrix: Any) -> None:
    """Least eigenvalue of D^-1/2 A D^-1/2: dense for small matrices, by Lanczos for others."""
    from scipy import sparse

    n = matrix.shape[0]
    if n == 0:
        return
    scale = sparse.diags(1 / np.sqrt(matrix.diagonal()))
    scaled = scale @ matrix @ scale
    if n <= _DENSE_UP_TO:
        least = float(np.linalg.eigvalsh(scaled.toarray())[0])
    else:
        from scipy.sparse.linalg import eigsh

        least = float(eigsh(scaled, k=1, which="SA", return_eigenvectors=False, v0=np.ones(n), tol=1e-6)[0])
    if not least > 0:
        raise NotSPDError(f"A: is not positive definite, the least eigenvalue of the scaled matrix is {least:g}")
