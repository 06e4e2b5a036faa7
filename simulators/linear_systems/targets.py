"""Right-hand sides: random ones of bounded length, and one for which a single relaxation is far better than others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from algos.contracts import check_generator, whole_number
from algos.linear_solvers.system import as_rows, check_omega

__all__ = ["degenerate_target", "truncated_normal"]


def truncated_normal(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A standard normal vector given that its squared norm is at most n, by rejection; at least half are accepted.

    Source: arXiv:2310.02246, Section 3 (the text of its Appendix G, "norm at most n", is a slip: erratum E12).
    """
    size, draws = whole_number(n, "n", 1), check_generator(rng, "truncated_normal")
    while True:
        vector = draws.standard_normal(size)
        if vector @ vector <= size:
            return vector


def degenerate_target(A: Any, omega: float) -> NDArray[np.float64]:
    """A unit eigenvector of the residual map I - A W^-1 of SOR whose eigenvalue is real and of the least modulus.

    SOR with this relaxation needs ceil(ln eps / ln |eigenvalue|) iterations on it, and with others many more.
    Dense eigenvalues: O(n^3).

    Parameters
    ----------
    A : sparse or dense matrix, or `Stencil`, shape (n, n)
        Symmetric positive definite, n >= 1.
    omega : float in (0, 2)
        The relaxation.

    Raises
    ------
    ValueError
        When no eigenvalue is real.
    """
    matrix, relaxation = as_rows(A).toarray(), check_omega(omega)
    lower = np.tril(matrix, -1) + np.diag(np.diag(matrix)) / relaxation
    values, vectors = np.linalg.eig(np.eye(len(matrix)) - np.linalg.solve(lower.T, matrix.T).T)
    real = np.abs(values.imag) <= 1e-9 * np.abs(values).max()
    if not real.any():
        raise ValueError(f"omega: no eigenvalue of SOR with {relaxation:g} is real")
    place = np.flatnonzero(real)[np.abs(values[real]).argmin()]
    vector = vectors[:, place].real
    return np.asarray(vector / np.linalg.norm(vector))
