"""Robust forms of algorithms with predictions: combinations with a classical policy, ready made.

Sources: as in `online.paging.combiners`; D. Rohatgi, "Near-optimal bounds for online caching with machine learned
advice", SODA 2020 (LNonMarker with marking); arXiv:2210.02775 (robustness by combination).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from algos.contracts import description
from online.paging.arrivals import BlindOracle, LNonMarker
from online.paging.classical import LRU
from online.paging.combiners import LIMITS, WEIGHTS, Combination, Growth, LossRate
from online.paging.following import FollowedPolicy, FollowThePrediction
from online.paging.policy import EvictionPolicy
from online.paging.randomized import Marker
from online.paging.succinct import FlushWhenAllZeros, Mark0

__all__ = ["RobustFlushWhenAllZeros", "RobustFtP", "RobustLNonMarker", "RobustMark0"]


@description
class RobustFlushWhenAllZeros(Combination):
    """`FlushWhenAllZeros`, made robust by `LRU`: their `CombineDeterministic`.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    gamma : float > 0
        As in `CombineDeterministic`.

    Notes
    -----
    With L the smaller one of OPT + (k-1) eta0 + eta1 and k OPT, at most (2 + gamma) L + 2 + k (3 + log_{1+gamma} L)
    faults (`combine_deterministic_bound`).
    """

    gamma: Growth = 1.0

    def experts(self) -> tuple[EvictionPolicy, EvictionPolicy]:
        """The two policies."""
        return FlushWhenAllZeros(self.cache_size), LRU(self.cache_size)

    def rule(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """A limit on the faults of the followed policy."""
        return LIMITS

    def parameters(self) -> Any:
        """The growth of the limit."""
        return 1.0 + self.gamma


@description
class _RandomizedPair(Combination):
    """What ready-made randomized combinations share.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    delta : float in (0, 1)
        As in `CombineRandomized`.
    """

    delta: LossRate = 0.25

    randomized: ClassVar[bool] = True

    def rule(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Multiplicative weights."""
        return WEIGHTS

    def parameters(self) -> Any:
        """The logarithm of the factor of a fault."""
        return math.log1p(-self.delta)


@description
class RobustMark0(_RandomizedPair):
    """`Mark0`, made robust by `Marker`: their `CombineRandomized`.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    delta : float in (0, 1)
        As in `CombineRandomized`.

    Notes
    -----
    `combine_randomized_bound` with L the smaller one of OPT + 2 H_k eta0 + eta1 and 2 H_k OPT.
    """

    def experts(self) -> tuple[EvictionPolicy, EvictionPolicy]:
        """The two policies."""
        return Mark0(self.cache_size), Marker(self.cache_size)


@description
class RobustLNonMarker(_RandomizedPair):
    """`LNonMarker`, made robust by `Marker`: their `CombineRandomized`, as its source has it.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    delta : float in (0, 1)
        As in `CombineRandomized`.
    """

    def experts(self) -> tuple[EvictionPolicy, EvictionPolicy]:
        """The two policies."""
        return LNonMarker(self.cache_size), Marker(self.cache_size)


@description
class RobustFtP(_RandomizedPair):
    """`FollowThePrediction`, made robust by `Marker`: their `CombineRandomized`, as its source has it.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    delta : float in (0, 1)
        As in `CombineRandomized`; the source's epsilon is 2 delta.
    followed : EvictionPolicy, or its class
        Whose cache is the prediction, as in `FollowThePrediction`.
    """

    followed: FollowedPolicy = BlindOracle

    def experts(self) -> tuple[EvictionPolicy, EvictionPolicy]:
        """The two policies."""
        return FollowThePrediction(self.cache_size, self.followed), Marker(self.cache_size)
