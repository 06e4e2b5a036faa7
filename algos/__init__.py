"""The ground floor: contracts, random streams, the ledger of guarantees, and building blocks without feedback."""

from algos.contracts import Algorithm, Trajectory
from algos.guarantees import Guarantee, guarantee, ledger
from algos.miss_ratio_curves import lru_fault_curve, optimal_fault_curve
from algos.optimal_design import MaxDet, g_optimal_design, max_det_collection
from algos.optimal_paging import discard_bits, next_use, optimal_faults
from algos.phases import clean_pages, effective_requests, k_phases, phase_bits
from algos.predictions import arrival_error, prediction_errors
from algos.privacy import PrivacyAudit, audit, discrete_laplace_variance, gaussian_delta, gaussian_sigma
from algos.streams import algorithm_stream, stable_hash, stream, world_stream

__all__ = [
    "Algorithm",
    "Guarantee",
    "MaxDet",
    "PrivacyAudit",
    "Trajectory",
    "algorithm_stream",
    "arrival_error",
    "audit",
    "clean_pages",
    "discard_bits",
    "discrete_laplace_variance",
    "effective_requests",
    "g_optimal_design",
    "gaussian_delta",
    "gaussian_sigma",
    "guarantee",
    "k_phases",
    "ledger",
    "lru_fault_curve",
    "max_det_collection",
    "next_use",
    "optimal_fault_curve",
    "optimal_faults",
    "phase_bits",
    "prediction_errors",
    "stable_hash",
    "stream",
    "world_stream",
]
