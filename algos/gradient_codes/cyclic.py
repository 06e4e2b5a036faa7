"""Cyclic codes: worker i holds the chunks i, i + 1, ..., i + s, around the end.

Sources: Tandon et al., ICML 2017, Algorithm 2 (random); N. Raviv, I. Tamo, R. Tandon, A. G. Dimakis, "Gradient Coding
from Cyclic MDS Codes and Expander Graphs", ICML 2018 (a circulant matrix from a polynomial with roots of unity).

Measured, in double precision, the largest error over random and contiguous sets of stragglers: the random code keeps
below 1e-5 up to 256 workers and 27 stragglers, with weights up to 1e6; the cyclic MDS code does for n <= 64 alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from algos.contracts import check_generator, whole_number
from algos.gradient_codes.code import GradientCode, check_size

__all__ = ["CyclicMDSCode", "CyclicRandomCode"]

_PATTERNS = 24


class CyclicRandomCode(GradientCode):
    """Weights that a random null space forces; decodes any s missing with probability 1.

    Parameters
    ----------
    n : int >= 1
        Workers, and chunks.
    s : int in 0..n - 1
        Stragglers borne.
    rng : numpy.random.Generator
        Draws the null space.
    draws : int >= 1
        How many to draw; the one with the least largest weight on random sets of stragglers is kept.

    Examples
    --------
    >>> code = CyclicRandomCode(6, 2, np.random.default_rng(0))
    >>> gradients = np.arange(12.0).reshape(6, 2)
    >>> code.decode(code.encode(gradients), stragglers=[1, 4]).round(9).tolist()
    [30.0, 36.0]
    """

    def __init__(self, n: int, s: int, rng: np.random.Generator, draws: int = 8) -> None:
        n, s = check_size(n, s)
        source, tries = check_generator(rng, "CyclicRandomCode"), whole_number(draws, "draws", 1)
        best, least = None, np.inf
        for _ in range(tries if s else 1):
            matrix = _draw(n, s, source)
            super().__init__(matrix, s)
            if s == 0 or tries == 1:
                return
            largest = max(
                float(np.abs(self._solve(np.sort(source.choice(n, s, replace=False)))).max()) for _ in range(_PATTERNS)
            )
            if best is None or largest < least:
                best, least = matrix, largest
        assert best is not None
        super().__init__(best, s)


class CyclicMDSCode(GradientCode):
    """A circulant matrix whose first row are the coefficients of a polynomial with s roots of unity.

    Real where n and s differ in parity, complex otherwise.

    Parameters
    ----------
    n : int >= 1
        Workers, and chunks; beyond some 64 decoding is ill-conditioned.
    s : int in 0..n - 1
        Stragglers borne.

    Examples
    --------
    >>> CyclicMDSCode(5, 2).matrix[0].round(5).tolist()
    [0.27639, 0.44721, 0.27639, 0.0, 0.0]
    """

    def __init__(self, n: int, s: int) -> None:
        n, s = check_size(n, s)
        real = (n - s) % 2 == 1
        roots = np.arange((n - s + 1) // 2, (n + s - 1) // 2 + 1) if real else np.arange(1, s + 1)
        coefficients = np.array([1.0 + 0.0j])
        for j in roots:
            coefficients = np.convolve(coefficients, [-np.exp(2j * np.pi * j / n), 1.0])
        coefficients /= coefficients.sum()
        row = coefficients.real if real else coefficients
        matrix = np.zeros((n, n), dtype=row.dtype)
        for i in range(n):
            matrix[i, (i + np.arange(s + 1)) % n] = row
        super().__init__(matrix, s)
        self._base = np.ones(n, dtype=matrix.dtype)  # the coefficients sum up to 1
        self._null_space = np.exp(-2j * np.pi * np.outer(np.arange(n), roots) / n) / np.sqrt(n)
        self._real = real

    def _solve(self, missing: NDArray[np.int64]) -> NDArray[Any]:
        found = super()._solve(missing)
        return found.real.copy() if self._real else found


def _draw(n: int, s: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """H with H 1 = 0, and rows in its null space on s + 1 cyclic places, the first entry 1."""
    if s == 0:
        return np.eye(n)
    null = rng.standard_normal((s, n))
    null[:, -1] = -null[:, :-1].sum(axis=1)
    matrix = np.zeros((n, n))
    for i in range(n):
        places = (i + np.arange(s + 1)) % n
        matrix[i, i] = 1.0
        matrix[i, places[1:]] = -np.linalg.solve(null[:, places[1:]], null[:, places[0]])
    return matrix
