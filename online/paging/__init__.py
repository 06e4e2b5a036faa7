"""Paging: eviction policies, the offline optimum, and their competitive ratios."""

from online.paging.classical import FIFO, LRU, fifo_bound, lru_augmentation_bound, lru_bound
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
    "FIFO",
    "LRU",
    "Belady",
    "CustomEviction",
    "EvictionKernels",
    "EvictionPolicy",
    "Mark0",
    "Marker",
    "RandomEviction",
    "RequestSequence",
    "fifo_bound",
    "harmonic_number",
    "lru_augmentation_bound",
    "lru_bound",
    "mark0_bound",
    "mark0_consistency",
    "marker_bound",
    "random_eviction_bound",
]
