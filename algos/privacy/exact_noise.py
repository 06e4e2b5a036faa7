"""Discrete noise without rounding: every draw has exactly its law, from random bits and whole numbers alone.

Source: C. L. Canonne, G. Kamath, T. Steinke, "The discrete Gaussian for differential privacy", NeurIPS 2020, whose
sampler is implemented as the project's specification states it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from algos.contracts import check_generator, whole_number

__all__ = ["exact_discrete_gaussian", "exact_discrete_laplace"]

_BLOCK = 1 << 16  # bytes asked for at once


class _Coins:
    """Random bits, from the operating system or, for simulations, from a generator."""

    def __init__(self, rng: np.random.Generator | None) -> None:
        self._more: Callable[[int], bytes] = os.urandom if rng is None else check_generator(rng, "exact noise").bytes
        self._bits, self._left = 0, 0

    def below(self, n: int) -> int:
        """A whole number in 0..n - 1, all equally likely."""
        size = (n - 1).bit_length()
        mask = (1 << size) - 1
        while True:
            if self._left < size:
                self._bits, self._left = int.from_bytes(self._more(8 * (1 + size // 8)), "little"), 64 * (1 + size // 8)
            value = self._bits & mask
            self._bits >>= size
            self._left -= size
            if value < n:
                return value


class _BufferedCoins(_Coins):
    """The same from large blocks, so that the operating system is asked seldom."""

    def __init__(self, rng: np.random.Generator | None) -> None:
        super().__init__(rng)
        ask, self._block, self._at = self._more, b"", 0

        def more(count: int) -> bytes:
            if self._at + count > len(self._block):
                self._block, self._at = ask(max(_BLOCK, count)), 0
            self._at += count
            return self._block[self._at - count : self._at]

        self._more = more


def exact_discrete_gaussian(
    variance: int | Fraction, size: int = 1, rng: np.random.Generator | None = None
) -> list[int]:
    """Whole numbers k with chance exactly proportional to exp(-k^2 / (2 variance)).

    Parameters
    ----------
    variance : int or Fraction > 0
        sigma^2; that of the draws is the same for sigma >= 3, and slightly less below.
    size : int >= 0
        How many.
    rng : numpy.random.Generator, optional
        For simulations. Without it the bits are the operating system's.

    Returns
    -------
    list of int
        A draw takes about two Laplace draws and constantly many bits on average. The time of a draw depends on it:
        whoever can measure that learns something.

    Examples
    --------
    >>> exact_discrete_gaussian(100, 3, np.random.default_rng(0))
    [3, -2, 2]
    """
    scale = _positive(variance, "variance")
    num, den = scale.numerator, scale.denominator
    t, coins = math.isqrt(num // den) + 1, _BufferedCoins(rng)
    found: list[int] = []
    wanted = whole_number(size, "size", 0)
    twice = 2 * num * den * t * t
    while len(found) < wanted:
        y = _laplace(1, t, coins)
        a = abs(y) * t * den - num
        if _bernoulli_exp(a * a, twice, coins):
            found.append(y)
    return found


def exact_discrete_laplace(epsilon: int | Fraction, size: int = 1, rng: np.random.Generator | None = None) -> list[int]:
    """Whole numbers k with chance exactly proportional to exp(-epsilon |k|).

    Parameters
    ----------
    epsilon : int or Fraction > 0
        Budget for a whole-number sum that one record moves by at most 1.
    size, rng
        As for `exact_discrete_gaussian`.
    """
    rate = _positive(epsilon, "epsilon")
    coins = _BufferedCoins(rng)
    return [_laplace(rate.numerator, rate.denominator, coins) for _ in range(whole_number(size, "size", 0))]


def _positive(value: Any, name: str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | np.integer | Fraction) or not value > 0:
        raise ValueError(f"{name}: {value!r} is not a whole number or a Fraction > 0")
    return Fraction(int(value)) if isinstance(value, np.integer) else Fraction(value)


def _bernoulli_exp(p: int, q: int, coins: _Coins) -> bool:
    """True with chance exp(-p / q)."""
    while p > q:
        if not _bernoulli_exp_below_one(1, 1, coins):
            return False
        p -= q
    return _bernoulli_exp_below_one(p, q, coins)


def _bernoulli_exp_below_one(p: int, q: int, coins: _Coins) -> bool:
    """True with chance exp(-p / q), p <= q: the series of the exponential function, term by term."""
    k = 1
    while coins.below(q * k) < p:
        k += 1
    return k % 2 == 1


def _laplace(s: int, t: int, coins: _Coins) -> int:
    """A whole number k with chance proportional to exp(-|k| s / t)."""
    while True:
        u = coins.below(t)
        if not _bernoulli_exp_below_one(u, t, coins):
            continue
        v = 0
        while _bernoulli_exp_below_one(1, 1, coins):
            v += 1
        magnitude = (u + t * v) // s
        negative = coins.below(2) == 1
        if negative and magnitude == 0:
            continue
        return -magnitude if negative else magnitude
