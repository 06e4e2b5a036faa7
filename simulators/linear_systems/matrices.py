"""Matrices to build sequences of systems from: Laplacians of domains and of graphs, and others of their kind.

All are symmetric SciPy CSR matrices. Source of the L-shaped domain: arXiv:2310.02246, Appendix G.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from algos.contracts import check_generator, whole_number
from algos.linear_solvers import Stencil, colours
from algos.linear_solvers.system import as_rows

__all__ = [
    "anisotropic_laplacian",
    "graph_laplacian",
    "l_shape",
    "laplacian_3d",
    "nine_point_laplacian",
    "random_tridiagonal",
    "red_black",
    "variable_laplacian",
]


def l_shape(size: int) -> Any:
    """The 5-point Laplacian of an L-shaped domain, three quarters of a square; points numbered down columns.

    Parameters
    ----------
    size : int >= 4
        Points in each dimension with the boundary, as MATLAB's ``numgrid`` counts: 12 gives n = 75, 32 gives 675.

    Examples
    --------
    >>> l_shape(12).shape
    (75, 75)
    """
    from scipy import sparse

    s = whole_number(size, "size", 4)
    line = np.arange(-(s - 3), s - 2, 2) / (s - 1)
    inside = (line[:, None] > 0) | (line[None, :] > 0)
    square = Stencil((s - 2, s - 2)).tocsr()
    kept = np.flatnonzero(inside.T.ravel())
    return sparse.csr_matrix(square[kept][:, kept])


def laplacian_3d(m: int) -> Any:
    """The 7-point Laplacian of a cube of m^3 points: 6 on the diagonal, -1 for each neighbour."""
    return Stencil((whole_number(m, "m", 1),) * 3, 6.0).tocsr()


def nine_point_laplacian(m: int) -> Any:
    """The 9-point Laplacian of a square of m^2 points: 20, -4 and -1; it is not consistently ordered."""
    from scipy import sparse

    line = sparse.diags([1.0, 4.0, 1.0], [-1, 0, 1], shape=(whole_number(m, "m", 1),) * 2)
    return sparse.csr_matrix(36 * sparse.identity(m * m) - sparse.kron(line, line))


def anisotropic_laplacian(m: int, ratio: float) -> Any:
    """The 5-point operator -u_xx - ratio u_yy on m^2 points, x along rows.

    Parameters
    ----------
    m : int >= 1
        Points in each dimension.
    ratio : float > 0
        Of the coefficients.
    """
    from scipy import sparse

    points = whole_number(m, "m", 1)
    if not 0 < ratio < math.inf:
        raise ValueError(f"ratio: {ratio!r} is not a finite number > 0")
    line = sparse.diags([-1.0, 2.0, -1.0], [-1, 0, 1], shape=(points, points))
    one = sparse.identity(points)
    return sparse.csr_matrix(sparse.kron(one, line) + ratio * sparse.kron(line, one))


def variable_laplacian(m: int, rng: np.random.Generator, contrast: float = 100.0) -> Any:
    """The 5-point operator -div(k grad u) on m^2 points, ln k normal in each cell, within a factor of `contrast`.

    Parameters
    ----------
    m : int >= 1
        Points in each dimension.
    rng : numpy.random.Generator
        Where the coefficients come from.
    contrast : float >= 1
        Ratio of the largest to the smallest coefficient, about.
    """
    points = whole_number(m, "m", 1)
    if not 1 <= contrast < math.inf:
        raise ValueError(f"contrast: {contrast!r} is not a finite number >= 1")
    spread = math.log(contrast) / 4
    cells = np.exp(
        spread * np.clip(check_generator(rng, "variable_laplacian").standard_normal((points + 2,) * 2), -2, 2)
    )
    return edge_laplacian(2 / (1 / cells[1:] + 1 / cells[:-1]), 2 / (1 / cells[:, 1:] + 1 / cells[:, :-1]))


def edge_laplacian(down: Any, right: Any) -> Any:
    """The matrix with weights `down`, shape (m + 1, m + 2), and `right`, (m + 2, m + 1), on the edges of a grid."""
    from scipy import sparse

    south, north = down[1:, 1:-1], down[:-1, 1:-1]
    east, west = right[1:-1, 1:], right[1:-1, :-1]
    m = south.shape[0]
    diagonal = (south + north + east + west).ravel()
    beside = np.where(np.arange(m * m) % m < m - 1, -east.ravel(), 0.0)[:-1]
    below = -south.ravel()[: m * m - m]
    matrix = sparse.diags([diagonal, beside, beside, below, below], [0, 1, -1, m, -m], shape=(m * m, m * m))
    matrix = sparse.csr_matrix(matrix)
    matrix.eliminate_zeros()
    return matrix


def random_tridiagonal(n: int, rng: np.random.Generator) -> Any:
    """A random symmetric positive definite tridiagonal matrix: B + B^T for uniform entries, and a dominant diagonal."""
    from scipy import sparse

    size, draws = whole_number(n, "n", 1), check_generator(rng, "random_tridiagonal")
    off = draws.uniform(-1, 1, size - 1)
    around = np.abs(np.append(off, 0.0)) + np.abs(np.append(0.0, off))
    return sparse.csr_matrix(
        sparse.diags([around + draws.uniform(0.01, 1, size), off, off], [0, 1, -1], shape=(size, size))
    )


def graph_laplacian(graph: Any, shift: float = 0.0) -> Any:
    """The Laplacian of a networkx graph, weights included, plus a shift, which makes it definite.

    Parameters
    ----------
    graph : networkx.Graph
        Undirected, with at least one node; weights > 0.
    shift : float >= 0
        Added to the diagonal.

    Examples
    --------
    >>> import networkx
    >>> graph_laplacian(networkx.cycle_graph(3), 1.0).toarray()
    array([[ 3., -1., -1.],
           [-1.,  3., -1.],
           [-1., -1.,  3.]])
    """
    from scipy import sparse

    if not hasattr(graph, "adjacency") or graph.is_directed() or graph.number_of_nodes() == 0:
        raise ValueError("graph: must be an undirected networkx graph with at least one node")
    if not 0 <= shift < math.inf:
        raise ValueError(f"shift: {shift!r} is not a finite number >= 0")
    import networkx

    return sparse.csr_matrix(
        networkx.laplacian_matrix(graph).astype(np.float64) + shift * sparse.identity(graph.number_of_nodes())
    )


def red_black(A: Any) -> Any:
    """The matrix with its unknowns numbered colour by colour, two colours where they suffice."""
    matrix = as_rows(A)
    order = np.argsort(colours(matrix), kind="stable")
    return matrix[order][:, order].tocsr()
