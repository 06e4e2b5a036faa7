"""Feature matrices of sparse linear bandits: easy ones, and those that lower bounds are made of.

Sources: S. Du, S. Kakade, R. Wang, L. Yang, "Is a good representation sufficient for sample efficient reinforcement
learning?", 2020 (nearly orthogonal vectors); N. Nisan, A. Wigderson, "Hardness vs randomness", 1994 (set packings from
polynomials).
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from algos.contracts import check_generator, whole_number

__all__ = ["gaussian_features", "hadamard_features", "polynomial_packing", "set_packing", "sign_features"]


def sign_features(n_arms: int, dimension: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Unit vectors with entries +-1/sqrt(d), drawn uniformly, shape (K, d)."""
    k, d = whole_number(n_arms, "n_arms", 1), whole_number(dimension, "dimension", 1)
    return np.where(check_generator(rng, "sign_features").random((k, d)) < 0.5, -1.0, 1.0) / np.sqrt(d)


def gaussian_features(n_arms: int, dimension: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Unit vectors in uniform directions, shape (K, d)."""
    k, d = whole_number(n_arms, "n_arms", 1), whole_number(dimension, "dimension", 1)
    rows = check_generator(rng, "gaussian_features").standard_normal((k, d))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def hadamard_features(dimension: int) -> NDArray[np.float64]:
    """The d unit vectors and the rows of a Hadamard matrix over sqrt(d), whose inner products are at most 1/sqrt(d).

    Parameters
    ----------
    dimension : int
        d, a power of 2.

    Examples
    --------
    >>> rows = hadamard_features(4)
    >>> rows.shape, float(np.abs(rows @ rows.T - np.eye(8)).max())
    ((8, 4), 0.5)
    """
    d = whole_number(dimension, "dimension", 1)
    if d & (d - 1):
        raise ValueError(f"dimension: {d} is not a power of 2")
    matrix = np.ones((1, 1))
    while len(matrix) < d:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return np.vstack([np.eye(d), matrix / np.sqrt(d)])


def set_packing(dimension: int, size: int, overlap: int) -> NDArray[np.float64]:
    """Indicators / sqrt(s) of s-subsets of d coordinates that meet in at most t places, greedy in lexicographic order.

    Parameters
    ----------
    dimension : int >= 1
        d.
    size : int in 1..d
        s.
    overlap : int in 0..s-1
        t.

    Examples
    --------
    >>> len(set_packing(7, 3, 1))  # the lines of the Fano plane
    7
    """
    d, s = whole_number(dimension, "dimension", 1), whole_number(size, "size", 1)
    t = whole_number(overlap, "overlap", 0)
    if s > d or t >= s:
        raise ValueError(f"size: {s} and overlap: {t} must have {t} < {s} <= {d}")
    chosen: list[frozenset[int]] = []
    for subset in itertools.combinations(range(d), s):
        if all(len(other.intersection(subset)) <= t for other in chosen):
            chosen.append(frozenset(subset))
    rows = np.zeros((len(chosen), d))
    for row, members in zip(rows, chosen, strict=True):
        row[list(members)] = 1 / np.sqrt(s)
    return rows


def polynomial_packing(size: int, prime: int, degree: int) -> NDArray[np.float64]:
    """Indicators / sqrt(s) of the graphs of all polynomials of degree <= t over F_q on s points, shape (q^(t+1), s q).

    Two of them meet in at most t places. Every group of q coordinates sums to the same in all rows: no coordinate can
    be told apart by itself.

    Parameters
    ----------
    size : int in 1..q
        s.
    prime : int
        q, a prime number.
    degree : int in 0..s-1
        t.

    Examples
    --------
    >>> polynomial_packing(4, 5, 1).shape
    (25, 20)
    """
    s, q, t = whole_number(size, "size", 1), whole_number(prime, "prime", 2), whole_number(degree, "degree", 0)
    if any(q % divisor == 0 for divisor in range(2, int(q**0.5) + 1)):
        raise ValueError(f"prime: {q} is not a prime number")
    if s > q or t >= s:
        raise ValueError(f"size: {s} and degree: {t} must have {t} < {s} <= {q}")
    points = np.arange(s)
    rows = np.zeros((q ** (t + 1), s * q))
    for row, coefficients in zip(rows, itertools.product(range(q), repeat=t + 1), strict=True):
        values = np.zeros(s, dtype=np.int64)
        for coefficient in coefficients:
            values = (values * points + coefficient) % q
        row[points * q + values] = 1 / np.sqrt(s)
    return rows
