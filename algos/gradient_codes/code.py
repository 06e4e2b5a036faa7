"""What every gradient code offers: encode partial gradients, decode their sum from the workers that answered.

A code is a matrix B with a row for each of n workers and a column for each of k chunks of the data. Worker i returns
sum_j B_ij g_j; for any s of them that do not answer there are weights a of the others with a^T B = 1^T, so that the
weighted results sum up to the whole gradient. Every chunk must be on s + 1 workers: the load is at least (s + 1) / n.

Source: R. Tandon, Q. Lei, A. G. Dimakis, N. Karampatziakis, "Gradient Coding: Avoiding Stragglers in Distributed
Learning", ICML 2017. The decoder by the null space of the code is derived here.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import read_only, whole_number
from algos.gradient_codes.products import sparse_rows_product, weighted_sum
from algos.guarantees import guarantee

__all__ = ["GradientCode", "IllConditionedCode", "gradient_code_load"]

_LARGE_WEIGHT = 1e3


class IllConditionedCode(ArithmeticError):  # noqa: N818 - the name by which scripts catch it
    """The weights found do not decode: rounding errors exceed the tolerance."""


@guarantee("Tandon et al., ICML 2017, Theorem 1", kind="lower", algorithm="GradientCode", evidence="textbook")
def gradient_code_load(n_workers: int, max_stragglers: int) -> Fraction:
    """Any exact code that bears s stragglers among n workers loads some worker with (s + 1) / n of the data.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    max_stragglers : int in 0..n - 1
        s.
    """
    n, s = check_size(n_workers, max_stragglers)
    return Fraction(s + 1, n)


class GradientCode:
    """A code given by its matrix; see the classes made from it.

    Parameters
    ----------
    matrix : float or complex, shape (n, k)
        Weights of the chunks in each worker's result.
    max_stragglers : int in 0..n - 1
        How many workers may be missing.

    Raises
    ------
    ValueError
        When the matrix is not finite, or its rows do not sum up the chunks.
    """

    def __init__(self, matrix: ArrayLike, max_stragglers: int) -> None:
        given = np.array(matrix)
        if given.ndim != 2 or given.dtype.kind not in "iufc" or not np.isfinite(given).all():
            raise ValueError("matrix: must be a matrix of finite numbers, a row for each worker")
        n, s = check_size(len(given), max_stragglers)
        kind = np.complex128 if given.dtype.kind == "c" else np.float64
        self._matrix = read_only(np.ascontiguousarray(given, dtype=kind))
        self._n, self._s = n, s
        self._cached = lru_cache(maxsize=1024)(self._weights)
        self._null_space: NDArray[Any] | None = None
        self._base: NDArray[Any] | None = None

    @property
    def n_workers(self) -> int:
        """N."""
        return self._n

    @property
    def n_chunks(self) -> int:
        """k, into how many chunks the data is split."""
        return int(self._matrix.shape[1])

    @property
    def max_stragglers(self) -> int:
        """s, how many workers may be missing whichever they are."""
        return self._s

    @property
    def matrix(self) -> NDArray[Any]:
        """B, shape (n, k), read-only."""
        return self._matrix

    @property
    def exact_load(self) -> Fraction:
        """Largest share of the data that a worker goes through; chunks are of equal size."""
        return Fraction(int((self._matrix != 0).sum(axis=1).max()), self.n_chunks)

    @property
    def load(self) -> float:
        """Largest share of the data that a worker goes through."""
        return float(self.exact_load)

    def chunks(self, worker: int) -> NDArray[np.int64]:
        """The chunks that a worker holds, increasing."""
        return np.flatnonzero(self._matrix[whole_number(worker, "worker", 0)])

    def encode(self, partials: ArrayLike) -> NDArray[Any]:
        """What each worker returns.

        Parameters
        ----------
        partials : array, shape (k, ...)
            The gradient of each chunk.

        Returns
        -------
        array, shape (n, ...)
            Weighted sums, a row a worker. O(n s p) for p numbers a gradient.
        """
        given = np.asarray(partials)
        if given.ndim < 1 or len(given) != self.n_chunks or given.dtype.kind not in "iufc":
            raise ValueError(f"partials: must be numbers of shape ({self.n_chunks}, ...), got shape {given.shape}")
        flat = given.reshape(self.n_chunks, -1)
        if flat.dtype.char not in "fdFD":
            flat = flat.astype({"e": np.float32, "G": np.complex128}.get(flat.dtype.char, np.float64))
        kind = np.result_type(flat.dtype, self._result_kind)
        return self._encode(flat, kind).reshape(self._n, *given.shape[1:])

    @property
    def _result_kind(self) -> type:
        return np.complex64 if self._matrix.dtype.kind == "c" else np.float32

    def _encode(self, partials: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
        return sparse_rows_product(self._matrix, partials, kind)

    def decoding_vector(
        self, stragglers: Iterable[int] = (), *, approximate: bool = False, tolerance: float = 1e-6
    ) -> NDArray[Any]:
        """Weights of the workers' results that sum up the whole gradient.

        Parameters
        ----------
        stragglers : iterable of int in 0..n - 1
            Workers that did not answer.
        approximate : bool
            Whether to return the weights with the least ||a^T B - 1|| where none decode exactly.
        tolerance : float > 0
            Largest error of a chunk's weight.

        Returns
        -------
        float64 or complex128, shape (n,)
            0 for stragglers, read-only. Vectors are kept, so that a set of stragglers costs nothing when met again.

        Raises
        ------
        ValueError
            When so many are missing that the sum cannot be decoded.
        IllConditionedCode
            When the weights do not decode for rounding errors.
        """
        missing = self._check_stragglers(stragglers)
        if not tolerance > 0:
            raise ValueError(f"tolerance: {tolerance!r} is not > 0")
        if not self.decodable(missing):
            if not approximate:
                raise ValueError(
                    f"stragglers: {len(missing)} workers are missing and the sum cannot be decoded; "
                    f"any {self._s} may be, or pass approximate=True"
                )
            return read_only(self._approximate(missing))
        weights, residual = self._cached(missing)
        if residual > tolerance:
            raise IllConditionedCode(
                f"decoding without {len(missing)} of {self._n} workers leaves an error of {residual:.2g}, "
                f"above {tolerance:g}"
            )
        return weights

    def decode(
        self,
        results: ArrayLike,
        stragglers: Iterable[int] = (),
        *,
        approximate: bool = False,
        tolerance: float = 1e-6,
    ) -> NDArray[Any]:
        """The whole gradient.

        Parameters
        ----------
        results : array, shape (n, ...)
            What the workers returned; rows of stragglers are not read, whatever they hold.
        stragglers, approximate, tolerance
            As for `decoding_vector`.

        Returns
        -------
        array, shape (...)
            Of the results' precision; accumulated in double precision where weights are large.
        """
        given = np.asarray(results)
        if given.ndim < 1 or len(given) != self._n or given.dtype.kind not in "iufc":
            raise ValueError(f"results: must be numbers of shape ({self._n}, ...), got shape {given.shape}")
        weights = self.decoding_vector(stragglers, approximate=approximate, tolerance=tolerance)
        flat = np.ascontiguousarray(given.reshape(self._n, -1))
        if flat.dtype.kind not in "fc":
            flat = flat.astype(np.float64)
        if "c" in (weights.dtype.kind, flat.dtype.kind):
            heard = weights != 0
            found = weights[heard] @ flat[heard]
            return np.asarray(found.reshape(given.shape[1:]))
        total = np.zeros(flat.shape[1], np.float64 if np.abs(weights).max(initial=0.0) > _LARGE_WEIGHT else flat.dtype)
        heard = np.flatnonzero(weights)
        weighted_sum(weights[heard].astype(total.dtype), heard, flat, total)
        return total.astype(flat.dtype, copy=False).reshape(given.shape[1:])

    def decodable(self, stragglers: Iterable[int]) -> bool:
        """Whether the sum can be decoded without these workers."""
        return len(frozenset(stragglers)) <= self._s

    def decoding_error(self, stragglers: Iterable[int] = ()) -> float:
        """Squared error ||a^T B - 1||^2 of the best weights without these workers; 0 where decoding is exact."""
        missing = self._check_stragglers(stragglers)
        if self.decodable(missing):
            return 0.0
        return float((np.abs(self._approximate(missing) @ self._matrix - 1.0) ** 2).sum())

    def _check_stragglers(self, stragglers: Iterable[int]) -> frozenset[int]:
        missing = frozenset(whole_number(worker, "stragglers", 0) for worker in stragglers)
        if missing and max(missing) >= self._n:
            raise ValueError(f"stragglers: {max(missing)} is outside 0..{self._n - 1}")
        return missing

    def _weights(self, missing: frozenset[int]) -> tuple[NDArray[Any], float]:
        """The weights, and the largest error of a chunk."""
        weights = self._solve(np.array(sorted(missing), dtype=np.int64))
        residual = float(np.abs(weights @ self._matrix - 1.0).max())
        return read_only(weights), residual if np.isfinite(residual) else np.inf

    def _solve(self, missing: NDArray[np.int64]) -> NDArray[Any]:
        """a0 + N z, with the least z for which it vanishes on the missing: O(|S|^2 s + n s)."""
        if self._base is None:
            self._base = np.linalg.lstsq(self._matrix.T, np.ones(self.n_chunks), rcond=None)[0]
        if missing.size == 0 or self._s == 0:
            return self._base.copy()
        if self._null_space is None:
            left = np.linalg.svd(self._matrix)[0]
            self._null_space = np.ascontiguousarray(left[:, self._n - self._s :].conj())
        # The shares of the chunks do not change: N^T B = 0.
        z = np.linalg.lstsq(self._null_space[missing], -self._base[missing], rcond=None)[0]
        weights = np.asarray(self._base + self._null_space @ z)
        weights[missing] = 0.0
        return weights

    def _approximate(self, missing: frozenset[int]) -> NDArray[Any]:
        weights = np.zeros(self._n, dtype=self._matrix.dtype)
        heard = np.setdiff1d(np.arange(self._n), sorted(missing))
        if heard.size:
            weights[heard] = np.linalg.lstsq(self._matrix[heard].T, np.ones(self.n_chunks), rcond=None)[0]
        return weights


def check_size(n_workers: Any, max_stragglers: Any) -> tuple[int, int]:
    """N >= 1 and 0 <= s <= n - 1."""
    n, s = whole_number(n_workers, "n_workers", 1), whole_number(max_stragglers, "max_stragglers", 0)
    if s > n - 1:
        raise ValueError(f"max_stragglers: {s} is above n_workers - 1 = {n - 1}")
    return n, s
