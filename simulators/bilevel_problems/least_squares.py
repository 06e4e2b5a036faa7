"""A lower level with many solutions: least squares of deficient rank, where only the path s -> 0 picks the right one.

f = (y - c)'Q(y - c) / 2 + |x|^2 / 2 over g = |Ay - Bx|^2 / 2, rank A < dy. psi takes the solution nearest to c in the
metric Q; the solution of least norm, which iterative solvers find from zero, gives a wrong slope without any warning.
With R and N orthonormal bases of the row space and the null space of A,

    y_s = y* + s d,   N'Qd = 0,   R'(A'A + s Q)d = R'Q(c - y*),

which is well posed at s = 0. Source: instance 4 of the project's specification; the path is derived.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import model_validator

from algos.arrays import FiniteMatrix, FiniteVector
from algos.bilevel_oracles import BilevelConstants, BilevelKernels
from algos.contracts import check_generator, description, whole_number
from simulators.bilevel_problems.compiled import CompiledProblem, Vector, penalty
from simulators.bilevel_problems.quadratic import quadratic_kernels, symmetric_part

__all__ = ["RankDeficientLS", "random_rank_deficient"]


@description
class RankDeficientLS(CompiledProblem):
    """Least squares over solutions that form a plane.

    Parameters
    ----------
    A : float, shape (m, dy)
        Of any rank; singular values below 1e-10 of the largest count as zero.
    B : float, shape (m, dx)
    Q : float, shape (dy, dy)
        Symmetric and positive definite.
    c : float, shape (dy,)

    Examples
    --------
    >>> problem = RankDeficientLS([[1.0, 1.0]], [[1.0]], [[1.0, 0.0], [0.0, 1.0]], [2.0, 0.0])
    >>> problem.lower_solution([0.0]).round(12).tolist(), problem.minimum_norm_solution([0.0]).tolist()
    ([1.0, -1.0], [0.0, 0.0])
    """

    A: FiniteMatrix
    B: FiniteMatrix
    Q: FiniteMatrix
    c: FiniteVector

    @model_validator(mode="after")
    def _fits(self) -> RankDeficientLS:
        m, dy = self.A.shape
        if len(self.B) != m:
            raise ValueError(f"B: {len(self.B)} rows for {m} of A")
        if self.Q.shape != (dy, dy) or self.c.shape != (dy,):
            raise ValueError(f"Q, c: shapes {self.Q.shape} and {self.c.shape} are not {(dy, dy)} and {(dy,)}")
        if np.abs(self.Q - self.Q.T).max() > 1e-12 * np.abs(self.Q).max() or np.linalg.eigvalsh(self.Q)[0] <= 0.0:
            raise ValueError("Q: is not symmetric and positive definite")
        return self

    @property
    def upper_dimension(self) -> int:
        """Length of x, dx."""
        return int(self.B.shape[1])

    @property
    def lower_dimension(self) -> int:
        """Length of y, dy."""
        return int(self.A.shape[1])

    @property
    def constants(self) -> BilevelConstants:
        """Exact; g is convex but not strongly, unless A has full column rank."""
        _, spectrum, null = self._bases
        joint = np.hstack([-self.B, self.A])
        return BilevelConstants(
            upper_smoothness=max(1.0, float(np.linalg.norm(self.Q, 2))),
            lower_smoothness=float(np.linalg.norm(joint, 2)) ** 2,
            lower_hessian_lipschitz=0.0,
            strong_convexity=0.0 if null.size else float(spectrum.min()),
            weak_convexity=0.0,
        )

    @cached_property
    def _bases(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """R (dy, r), the eigenvalues of A'A on it (r,) and N (dy, dy - r)."""
        _, values, rows = np.linalg.svd(self.A, full_matrices=True)
        rank = int(np.count_nonzero(values > 1e-10 * max(values[0], 1e-300)))
        return rows[:rank].T, values[:rank] ** 2, rows[rank:].T

    def kernels(self) -> BilevelKernels:
        """Compiled functions with the same results: a quadratic problem whose A'A is singular."""
        A, B, Q = self.A, self.B, self.Q
        dx, dy = self.upper_dimension, self.lower_dimension
        return quadratic_kernels(
            symmetric_part(A.T @ A), -B.T @ A, np.zeros(dy), Q, np.eye(dx), np.zeros((dx, dy)), -Q @ self.c,
            np.zeros(dx), G=symmetric_part(B.T @ B),
        )  # fmt: skip

    def upper(self, x: ArrayLike, y: ArrayLike) -> float:
        """f(x, y)."""
        x, away = self._x(x), self._y(y) - self.c
        return float(away @ self.Q @ away + x @ x) / 2

    def lower(self, x: ArrayLike, y: ArrayLike) -> float:
        """g(x, y)."""
        return float(np.sum((self.A @ self._y(y) - self.B @ self._x(x)) ** 2)) / 2

    def minimum_norm_solution(self, x: ArrayLike) -> Vector:
        """The shortest point of S(x): in S(x), but not the one of least f."""
        rows, spectrum, _ = self._bases
        return np.asarray(rows @ ((rows.T @ (self.A.T @ (self.B @ self._x(x)))) / spectrum))

    def lower_solution(self, x: ArrayLike, s: float = 0.0) -> Vector:
        """y_s, s >= 0, to rounding however small s is."""
        solution, direction = self._path(x, s)
        return np.asarray(solution + float(s) * direction)

    def value_gradient(self, x: ArrayLike) -> Vector:
        """Gradient of psi, shape (dx,): x + B'A (A'A)^+ Q(y* - c)."""
        x, solution = self._x(x), self.lower_solution(x)
        rows, spectrum, _ = self._bases
        solved = rows @ ((rows.T @ (self.Q @ (solution - self.c))) / spectrum)
        return np.asarray(x + self.B.T @ (self.A @ solved))

    def penalty_value(self, x: ArrayLike, s: float) -> float:
        """psi_s(x), to rounding at any s > 0."""
        s = penalty(s)
        solution, direction = self._path(x, s)
        return self.upper(x, solution + s * direction) + s / 2 * float(np.sum((self.A @ direction) ** 2))

    def penalty_gradient(self, x: ArrayLike, s: float) -> Vector:
        """Gradient of psi_s, shape (dx,), to rounding at any s > 0."""
        s = penalty(s)
        return np.asarray(self._x(x) - self.B.T @ (self.A @ self._path(x, s)[1]))

    def _path(self, x: ArrayLike, s: float) -> tuple[Any, Any]:
        """y* and d, with y_s = y* + s d."""
        s, Q, (rows, spectrum, null) = penalty(s, zero=True), self.Q, self._bases
        solution = self.minimum_norm_solution(x)
        within = null.T @ Q @ null
        solution = solution + null @ np.linalg.solve(within, null.T @ (Q @ (self.c - solution)))
        # N'Qd = 0 ties the null part of d to its part u in the row space: d = basis u.
        basis = rows - null @ np.linalg.solve(within, null.T @ (Q @ rows))
        system = np.diag(spectrum) + s * (rows.T @ Q @ basis)
        return solution, basis @ np.linalg.solve(system, rows.T @ (Q @ (self.c - solution)))


def random_rank_deficient(
    upper_dimension: int, lower_dimension: int, rank: int, rng: np.random.Generator
) -> RankDeficientLS:
    """A problem with a null space of dimension lower_dimension - rank and eigenvalues of A'A in [1/4, 1].

    Parameters
    ----------
    upper_dimension, lower_dimension : int >= 1
    rank : int in 1..lower_dimension
    rng : numpy.random.Generator
    """
    dx, dy = whole_number(upper_dimension, "upper_dimension", 1), whole_number(lower_dimension, "lower_dimension", 1)
    r, source = whole_number(rank, "rank", 1), check_generator(rng, "random_rank_deficient")
    if r > dy:
        raise ValueError(f"rank: {r} is above lower_dimension = {dy}")
    left, right = (np.linalg.qr(source.standard_normal((dy, dy)))[0] for _ in range(2))
    A = left[:, :r] * np.linspace(0.5, 1.0, r) @ right[:, :r].T
    M = source.standard_normal((dy, dy))
    return RankDeficientLS(
        A, source.standard_normal((dy, dx)), symmetric_part(M @ M.T / dy + 0.5 * np.eye(dy)), source.standard_normal(dy)
    )
