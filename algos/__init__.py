"""The ground floor: contracts, random streams, the ledger of guarantees, and building blocks without feedback."""

from algos.contracts import Algorithm, Trajectory
from algos.guarantees import Guarantee, guarantee, ledger
from algos.miss_ratio_curves import lru_fault_curve, optimal_fault_curve
from algos.optimal_paging import (
    discard_bits,
    next_use,
    optimal_faults,
    prediction_errors,
)
from algos.streams import algorithm_stream, stable_hash, stream, world_stream

__all__ = [
    "Algorithm",
    "Guarantee",
    "Trajectory",
    "algorithm_stream",
    "discard_bits",
    "guarantee",
    "ledger",
    "lru_fault_curve",
    "next_use",
    "optimal_fault_curve",
    "optimal_faults",
    "prediction_errors",
    "stable_hash",
    "stream",
    "world_stream",
]
