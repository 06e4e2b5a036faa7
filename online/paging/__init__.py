"""Paging: eviction policies, the offline optimum, and their competitive ratios."""

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
from online.paging.offline import Belady
from online.paging.policy import CustomEviction, EvictionKernels, EvictionPolicy, RequestSequence
from online.paging.randomized import (
    Marker,
    RandomEviction,
    harmonic_number,
    marker_bound,
    random_eviction_bound,
)
from online.paging.succinct import Mark0, mark0_bound, mark0_consistency

__all__ = [
    "ARC",
    "FIFO",
    "LFU",
    "LRU",
    "S3FIFO",
    "Belady",
    "Clock",
    "CustomEviction",
    "EvictionKernels",
    "EvictionPolicy",
    "FlushWhenFull",
    "Mark0",
    "Marker",
    "RandomEviction",
    "RequestSequence",
    "Sieve",
    "clock_bound",
    "fifo_bound",
    "flush_when_full_bound",
    "harmonic_number",
    "lru_augmentation_bound",
    "lru_bound",
    "mark0_bound",
    "mark0_consistency",
    "marker_bound",
    "random_eviction_bound",
]
