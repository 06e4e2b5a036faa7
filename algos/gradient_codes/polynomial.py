"""The polynomial (Reed-Solomon) code: chunks are monic polynomials, the decoder takes the leading coefficient.

For teaching: products of differences of nodes overflow or cancel beyond some 32 workers.

Source: W. Halbawi, N. Azizan, F. Salehi, B. Hassibi, "Improving Distributed Gradient Descent Using Reed-Solomon
Codes", ISIT 2018. Nodes at Chebyshev points are our choice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from algos.gradient_codes.code import GradientCode, check_size

__all__ = ["PolynomialCode"]

_MOST_WORKERS = 32


class PolynomialCode(GradientCode):
    """B_ij = p_j(theta_i), p_j the monic polynomial that vanishes at the n - s - 1 workers without chunk j.

    Parameters
    ----------
    n : int in 1..32
        Workers, and chunks; chunk j is held by the workers j - s, ..., j, around the end.
    s : int in 0..n - 1
        Stragglers borne.

    Examples
    --------
    >>> code = PolynomialCode(5, 2)
    >>> code.decode(code.encode(np.ones((5, 1))), stragglers=[0, 3]).round(9).tolist()
    [5.0]
    """

    def __init__(self, n: int, s: int) -> None:
        n, s = check_size(n, s)
        if n > _MOST_WORKERS:
            raise ValueError(f"n: {n} is above {_MOST_WORKERS}, beyond which products of nodes cancel")
        # Scaled so that the products neither overflow nor vanish.
        self._nodes = 2.0 * np.cos((2 * np.arange(n) + 1) * np.pi / (2 * n))
        matrix = np.zeros((n, n))
        for j in range(n):
            holders = np.arange(j - s, j + 1) % n
            others = np.setdiff1d(np.arange(n), holders)
            for i in holders:
                matrix[i, j] = np.prod(self._nodes[i] - self._nodes[others])
        super().__init__(matrix, s)

    def _solve(self, missing: NDArray[np.int64]) -> NDArray[Any]:
        """Divided differences at the first n - s workers that answered."""
        heard = np.setdiff1d(np.arange(self.n_workers), missing)[: self.n_workers - self.max_stragglers]
        weights = np.zeros(self.n_workers)
        for i in heard:
            weights[i] = 1.0 / np.prod(self._nodes[i] - self._nodes[heard[heard != i]])
        return weights
