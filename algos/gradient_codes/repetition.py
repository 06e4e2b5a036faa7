"""Fractional repetition: groups of workers that hold the same chunks; one answer of each group is enough.

Weights are 1, so that nothing is lost to rounding, and many more patterns than "at most s stragglers" decode: with
independent stragglers of probability p and k groups of s + 1 the chance is (1 - p^(s+1))^k.

Source: Tandon et al., ICML 2017, Section 3 (equal groups); groups of unequal size, for any n, are derived here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algos.contracts import whole_number
from algos.gradient_codes.code import GradientCode, check_size
from algos.guarantees import guarantee

__all__ = [
    "FractionalRepetitionCode",
    "UnevenRepetitionCode",
    "repetition_decoding_probability",
    "uneven_groups",
]


class UnevenRepetitionCode(GradientCode):
    """floor(n / (s + 1)) groups of workers, as equal as they can be; group q holds chunk q.

    Parameters
    ----------
    n : int >= 1
        Workers.
    s : int in 0..n - 1
        Stragglers borne whichever they are; others are as long as each group has an answer.

    Examples
    --------
    >>> code = UnevenRepetitionCode(7, 2)
    >>> code.groups.tolist(), code.exact_load
    ([0, 0, 0, 0, 1, 1, 1], Fraction(1, 2))
    >>> code.decode(code.encode([[1.0], [10.0]]), stragglers=[0, 1, 2, 4, 5]).tolist()  # more than s
    [11.0]
    """

    def __init__(self, n: int, s: int) -> None:
        groups = uneven_groups(n, s)
        self._use_groups(groups, np.arange(groups[-1] + 1), s)

    def _use_groups(self, groups: NDArray[np.int64], chunk_groups: NDArray[np.int64], s: int) -> None:
        """Worker i belongs to groups[i] and holds the chunks of that group."""
        super().__init__((groups[:, None] == chunk_groups[None, :]).astype(np.float64), s)
        self._groups, self._chunk_groups = groups, chunk_groups

    @property
    def groups(self) -> NDArray[np.int64]:
        """The group of each worker, shape (n,)."""
        return self._groups.copy()

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return int(self._groups.max()) + 1

    def decodable(self, stragglers: Iterable[int]) -> bool:
        """Whether every group has an answer."""
        heard = np.ones(self.n_workers, dtype=bool)
        heard[list(stragglers)] = False
        return bool((np.bincount(self._groups[heard], minlength=self.n_groups) > 0).all())

    def _encode(self, partials: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
        starts = np.searchsorted(self._chunk_groups, np.arange(self.n_groups))
        return np.add.reduceat(partials.astype(kind, copy=False), starts, axis=0)[self._groups]

    def _solve(self, missing: NDArray[np.int64]) -> NDArray[Any]:
        return self._approximate(frozenset(missing.tolist()))

    def _approximate(self, missing: frozenset[int]) -> NDArray[Any]:
        """Weight 1 on the first answer of each group that has one: the best there is."""
        weights = np.zeros(self.n_workers)
        heard = np.setdiff1d(np.arange(self.n_workers), sorted(missing))
        weights[heard[np.unique(self._groups[heard], return_index=True)[1]]] = 1.0
        return weights


class FractionalRepetitionCode(UnevenRepetitionCode):
    """Groups of exactly s + 1 workers, each with s + 1 chunks; s + 1 divides n.

    Parameters
    ----------
    n : int >= 1
        Workers, and chunks.
    s : int in 0..n - 1
        Stragglers borne whichever they are.

    Examples
    --------
    >>> FractionalRepetitionCode(4, 1).matrix.astype(int).tolist()
    [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    """

    def __init__(self, n: int, s: int) -> None:
        groups = uneven_groups(n, s)
        if n % (s + 1):
            raise ValueError(f"s: {s} + 1 does not divide n = {n}; UnevenRepetitionCode takes any")
        self._use_groups(groups, groups, s)

    def _use_groups(self, groups: NDArray[np.int64], chunk_groups: NDArray[np.int64], s: int) -> None:
        super()._use_groups(groups, np.repeat(np.arange(groups[-1] + 1), s + 1), s)


def uneven_groups(n: int, s: int) -> NDArray[np.int64]:
    """The group of each of n workers: floor(n / (s + 1)) runs of floor or ceil(n / groups) workers, long ones first."""
    n, s = check_size(n, s)
    count = n // (s + 1)
    return np.repeat(np.arange(count), [n // count + (q < n % count) for q in range(count)])


@guarantee(
    "Tandon et al., ICML 2017, fractional repetition",
    kind="identity",
    algorithm="FractionalRepetitionCode",
    evidence="derived",
)
def repetition_decoding_probability(n_groups: int, group_size: int, straggling: float) -> float:
    """K groups of s + 1 workers that straggle independently with probability p decode with (1 - p^(s+1))^k.

    Parameters
    ----------
    n_groups, group_size : int >= 1
        k, s + 1.
    straggling : float in [0, 1]
        p.
    """
    k, size = whole_number(n_groups, "n_groups", 1), whole_number(group_size, "group_size", 1)
    if not 0.0 <= straggling <= 1.0:
        raise ValueError(f"straggling: {straggling!r} is outside [0, 1]")
    return float((1.0 - straggling**size) ** k)
