"""Paging: eviction policies, the offline optimum, and their competitive ratios."""

from online.paging.arrivals import (
    BlindOracle,
    LMarker,
    LNonMarker,
    PredictiveMarker,
    blind_oracle_bound,
    blind_oracle_consistency,
    blind_oracle_sharper_bound,
    predicted_marking_consistency,
    predictive_marker_bound,
)
from online.paging.classical import (
    FIFO,
    LRU,
    FlushWhenFull,
    fifo_bound,
    flush_when_full_bound,
    lru_augmentation_bound,
    lru_bound,
)
from online.paging.clock import S3FIFO, Clock, Sieve, clock_bound
from online.paging.frequency import ARC, LFU
from online.paging.guard import DiscardBitGuard, Guard, guard_bound, guard_consistency
from online.paging.offline import Belady
from online.paging.phase_bits import (
    MarkAndPredict,
    mark_and_predict_bound,
    mark_and_predict_clean_bound,
    mark_and_predict_consistency,
    mark_and_predict_deterministic_bound,
    mark_and_predict_robustness,
)
from online.paging.policy import CustomEviction, EvictionKernels, EvictionPolicy, RequestSequence
from online.paging.randomized import (
    Marker,
    RandomEviction,
    harmonic_number,
    marker_bound,
    random_eviction_bound,
)
from online.paging.succinct import (
    FlushWhenAllZeros,
    Mark0,
    flush_when_all_zeros_bound,
    flush_when_all_zeros_consistency,
    mark0_bound,
    mark0_consistency,
    mark0_instance_bound,
)

__all__ = [
    "ARC",
    "FIFO",
    "LFU",
    "LRU",
    "S3FIFO",
    "Belady",
    "BlindOracle",
    "Clock",
    "CustomEviction",
    "DiscardBitGuard",
    "EvictionKernels",
    "EvictionPolicy",
    "FlushWhenAllZeros",
    "FlushWhenFull",
    "Guard",
    "LMarker",
    "LNonMarker",
    "Mark0",
    "MarkAndPredict",
    "Marker",
    "PredictiveMarker",
    "RandomEviction",
    "RequestSequence",
    "Sieve",
    "blind_oracle_bound",
    "blind_oracle_consistency",
    "blind_oracle_sharper_bound",
    "clock_bound",
    "fifo_bound",
    "flush_when_all_zeros_bound",
    "flush_when_all_zeros_consistency",
    "flush_when_full_bound",
    "guard_bound",
    "guard_consistency",
    "harmonic_number",
    "lru_augmentation_bound",
    "lru_bound",
    "mark0_bound",
    "mark0_consistency",
    "mark0_instance_bound",
    "mark_and_predict_bound",
    "mark_and_predict_clean_bound",
    "mark_and_predict_consistency",
    "mark_and_predict_deterministic_bound",
    "mark_and_predict_robustness",
    "marker_bound",
    "predicted_marking_consistency",
    "predictive_marker_bound",
    "random_eviction_bound",
]
