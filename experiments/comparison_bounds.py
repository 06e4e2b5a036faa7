"""Which guarantees of the ledger a replay of a trace can be held against, and what they allow it.

Combinations are held against the bound for the better of the two policies they combine, where each is taken at its own
bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from online.paging import (
    blind_oracle_bound,
    blind_oracle_consistency,
    blind_oracle_sharper_bound,
    clock_bound,
    combine_deterministic_bound,
    combine_randomized_bound,
    fifo_bound,
    flush_when_all_zeros_bound,
    flush_when_all_zeros_consistency,
    flush_when_full_bound,
    follow_and_robust_consistency,
    follow_the_prediction_bound,
    guard_bound,
    guard_consistency,
    lru_bound,
    mark0_bound,
    mark0_consistency,
    mark_and_predict_bound,
    mark_and_predict_clean_bound,
    mark_and_predict_consistency,
    mark_and_predict_robustness,
    marker_bound,
    online_min_bound,
    predicted_marking_consistency,
    predictive_marker_bound,
    random_eviction_bound,
)

__all__ = ["IDENTITIES", "UPPER_BOUNDS", "Check", "Replay", "least_bound"]


@dataclass(frozen=True)
class Replay:
    """What bounds may depend on, all of it counted from an empty cache.

    Parameters
    ----------
    cache_size : int >= 1
        k.
    opt : float
        Faults of the offline optimum.
    clean : float
        Clean pages of all k-phases.
    eta0, eta1 : float
        Wrong 0s and wrong 1s among the predicted bits, as the policy's guarantee counts them; NaN without bits.
    eta : float
        Error of the predicted arrivals; NaN without.
    instance : float
        `mark0_instance_bound` for the requests and bits; NaN for other policies.
    """

    cache_size: int
    opt: float
    clean: float
    eta0: float = math.nan
    eta1: float = math.nan
    eta: float = math.nan
    instance: float = math.nan

    @property
    def predicted_right(self) -> bool:
        """Whether there are predictions and none is wrong."""
        return (self.eta0 == 0 and self.eta1 == 0) or self.eta == 0


class Check(NamedTuple):
    """A guarantee as the report states it, its name in the ledger, and what it says of a replay."""

    guarantee: str
    statement: str
    value: Callable[[Replay], float]


def _of_optimum(bound: Callable[..., float], statement: str) -> Check:
    return Check(bound.__name__, statement, lambda r: bound(r.opt, r.cache_size))


def _of_bits(bound: Callable[..., float], statement: str) -> Check:
    return Check(bound.__name__, statement, lambda r: bound(r.opt, r.eta0, r.eta1, r.cache_size))


def _of_times(bound: Callable[..., float], statement: str) -> Check:
    return Check(bound.__name__, statement, lambda r: bound(r.opt, r.eta, r.cache_size))


def _equals(bound: Callable[..., float], statement: str, quantity: Callable[[Replay], float]) -> Check:
    return Check(bound.__name__, statement, lambda r: bound(quantity(r)))


def _combined(bound: Callable[..., float], statement: str, *experts: Check) -> Check:
    return Check(bound.__name__, statement, lambda r: bound(min(expert.value(r) for expert in experts), r.cache_size))


def _opt(replay: Replay) -> float:
    return replay.opt


def _clean(replay: Replay) -> float:
    return replay.clean


_LRU = _of_optimum(lru_bound, "faults <= k OPT")
_MARKER = _of_optimum(marker_bound, "mean faults <= 2 H_k OPT")
_MARK0 = _of_bits(mark0_bound, "mean faults <= OPT + 2 H_k eta0 + eta1")
_FLUSH = _of_bits(flush_when_all_zeros_bound, "faults <= OPT + (k-1) eta0 + eta1")
_BLIND = _of_times(blind_oracle_bound, "faults <= min(OPT + 2 eta, 4 OPT + 4 eta/(k-1))")
_BLIND_SHARPER = _of_times(blind_oracle_sharper_bound, "faults <= min(OPT + eta, 3 OPT + 3 eta/k)")
_GUARD = _of_optimum(guard_bound, "mean faults <= (2 H_k + 2) OPT")
_RANDOMIZED = "mean faults <= (1 + k/4) (ln 2 + L ln(4/3)) / (1/4), L = "

UPPER_BOUNDS: dict[str, tuple[Check, ...]] = {
    "LRU": (_LRU,),
    "FIFO": (_of_optimum(fifo_bound, "faults <= k OPT"),),
    "Clock": (_of_optimum(clock_bound, "faults <= k OPT"),),
    "FlushWhenFull": (_of_optimum(flush_when_full_bound, "faults <= k OPT"),),
    "RandomEviction": (_of_optimum(random_eviction_bound, "mean faults <= k OPT"),),
    "Marker": (_MARKER,),
    "OnlineMin": (_of_optimum(online_min_bound, "mean faults <= H_k OPT"),),
    "FlushWhenAllZeros": (_FLUSH,),
    "Mark0": (
        _MARK0,
        Check("mark0_instance_bound", "mean faults <= the bound phase by phase", lambda r: r.instance),
    ),
    "DiscardBitGuard": (_GUARD,),
    "MarkAndPredict": (
        _of_bits(mark_and_predict_bound, "mean faults <= 2 OPT + (H_k - 1) eta0 + eta1"),
        Check(
            "mark_and_predict_clean_bound",
            "mean faults <= clean pages + (H_k - 1) eta0 + eta1",
            lambda r: mark_and_predict_clean_bound(r.clean, r.eta0, r.eta1, r.cache_size),
        ),
        _of_optimum(mark_and_predict_robustness, "mean faults <= 4 H_ceil(k/2) OPT"),
    ),
    "BlindOracle": (_BLIND, _BLIND_SHARPER),
    "FollowThePrediction": (
        Check(
            "follow_the_prediction_bound",
            "faults <= those of BlindOracle, at its bound",
            lambda r: follow_the_prediction_bound(min(_BLIND.value(r), _BLIND_SHARPER.value(r))),
        ),
    ),
    "PredictiveMarker": (_of_times(predictive_marker_bound, "mean faults <= min(2 + 2 sqrt(5 eta/OPT), 4 H_k) OPT"),),
    "Guard": (_GUARD,),
    "RobustMark0": (
        _combined(combine_randomized_bound, _RANDOMIZED + "the better bound of Mark0 and Marker", _MARK0, _MARKER),
    ),
    "RobustFlushWhenAllZeros": (
        _combined(
            combine_deterministic_bound,
            "faults <= 3 L + 2 + k (3 + log2 L), L = the better bound of FlushWhenAllZeros and LRU",
            _FLUSH,
            _LRU,
        ),
    ),
    "RobustFtP": (
        _combined(
            combine_randomized_bound,
            _RANDOMIZED + "the better bound of BlindOracle and Marker",
            _BLIND,
            _BLIND_SHARPER,
            _MARKER,
        ),
    ),
    "RobustLNonMarker": (_combined(combine_randomized_bound, _RANDOMIZED + "the bound of Marker", _MARKER),),
}
"""Bounds that hold whatever the predictions are, for the policies as their names make them."""

_CLEAN_WITH_TRUE_TIMES = _equals(
    predicted_marking_consistency, "with true arrivals, faults = clean pages of all k-phases", _clean
)

IDENTITIES: dict[str, Check] = {
    "FlushWhenAllZeros": _equals(flush_when_all_zeros_consistency, "with true bits, faults = OPT", _opt),
    "Mark0": _equals(mark0_consistency, "with true bits, faults = OPT", _opt),
    "MarkAndPredict": _equals(
        mark_and_predict_consistency, "with true bits, faults = clean pages of all k-phases", _clean
    ),
    "BlindOracle": _equals(blind_oracle_consistency, "with true arrivals, faults = OPT", _opt),
    "Guard": _equals(guard_consistency, "with true arrivals, faults = OPT", _opt),
    "FollowAndRobust": _equals(follow_and_robust_consistency, "with true arrivals, faults = OPT", _opt),
    "PredictiveMarker": _CLEAN_WITH_TRUE_TIMES,
    "LMarker": _CLEAN_WITH_TRUE_TIMES,
    "LNonMarker": _CLEAN_WITH_TRUE_TIMES,
}
"""What the faults of a policy are exactly, on every run, when no prediction is wrong."""


def least_bound(algorithm: str, replay: Replay) -> float:
    """The least faults that the guarantees of a policy allow it on such a replay; inf when there are none."""
    bounds = [check.value(replay) for check in UPPER_BOUNDS.get(algorithm, ())]
    if replay.predicted_right and algorithm in IDENTITIES:
        bounds.append(IDENTITIES[algorithm].value(replay))
    return min(bounds, default=math.inf)
