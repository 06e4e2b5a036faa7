"""Random numbers by their number: any draw can be made again at another point, in any order, on any thread.

A stochastic gradient that is to be evaluated at two points with the same sample needs no stored noise: the sample's
number is the counter of a counter-based generator, Philox4x32-10.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["normal_pair", "philox", "whole_below"]

_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
_FIRST_FACTOR, _SECOND_FACTOR = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_FIRST_STEP, _SECOND_STEP = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_RAISE, _DROP = np.uint64(21), np.uint64(11)


@njit(cache=True, nogil=True)
def philox(key0, key1, word0, word1, word2, word3):
    """Four random words of 32 bits from a key of two and a counter of four.

    Parameters
    ----------
    key0, key1, word0, word1, word2, word3 : uint64
        Below 2^32 each: no product leaves 64 bits, so that the interpreted source gives the same words.

    Returns
    -------
    tuple of four uint64, below 2^32

    Examples
    --------
    >>> zero = np.uint64(0)
    >>> [f"{int(word):08x}" for word in philox(zero, zero, zero, zero, zero, zero)]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    for _ in range(10):
        first, second = _FIRST_FACTOR * word0, _SECOND_FACTOR * word2
        word0, word1 = (second >> _WORD) ^ word1 ^ key0, second & _LOW
        word2, word3 = (first >> _WORD) ^ word3 ^ key1, first & _LOW
        key0, key1 = (key0 + _FIRST_STEP) & _LOW, (key1 + _SECOND_STEP) & _LOW
    return word0, word1, word2, word3


@njit(cache=True, nogil=True)
def normal_pair(seed, sample, purpose, pair):
    """Two independent standard normal numbers of a sample.

    Parameters
    ----------
    seed, sample : int >= 0
    purpose, pair : int in 0..2^32 - 1
        Any two differ in a word of the counter, and so are independent.
    """
    seed, sample = np.uint64(seed), np.uint64(sample)
    a, b, c, d = philox(seed & _LOW, seed >> _WORD, np.uint64(pair), np.uint64(purpose), sample & _LOW, sample >> _WORD)
    uniform = (float((a << _RAISE) | (b >> _DROP)) + 1.0) * 2.0**-53  # in (0, 1]: its logarithm is finite
    angle = float((c << _RAISE) | (d >> _DROP)) * 2.0**-53 * 2.0 * math.pi
    radius = math.sqrt(-2.0 * math.log(uniform))
    return radius * math.cos(angle), radius * math.sin(angle)


@njit(cache=True, nogil=True)
def whole_below(n, seed, sample, purpose, index):
    """A whole number in 0..n - 1, each as likely up to n / 2^32.

    Parameters
    ----------
    n : int in 1..2^31
    seed, sample : int >= 0
    purpose, index : int in 0..2^32 - 1
    """
    seed, sample = np.uint64(seed), np.uint64(sample)
    a, _, _, _ = philox(
        seed & _LOW, seed >> _WORD, np.uint64(index), np.uint64(purpose), sample & _LOW, sample >> _WORD
    )
    return int((a * np.uint64(n)) >> _WORD)
