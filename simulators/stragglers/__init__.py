"""Clusters of workers some of which straggle: models of answer times, patterns, and recorded times."""

from simulators.stragglers.cluster import ClusterModel, estimate_alpha
from simulators.stragglers.delays import LogNormalDelays, ShiftedExponential, ShiftedPareto, ShiftedWeibull
from simulators.stragglers.lambda_like import LambdaLike
from simulators.stragglers.patterns import (
    AdversarialStragglers,
    BernoulliStragglers,
    BurstyStragglers,
    GilbertElliott,
    HeterogeneousGilbertElliott,
    PeriodicStragglers,
    is_arbitrary,
    is_bursty,
)
from simulators.stragglers.recorded import BlockBootstrap, DelayTrace, lambda_like_trace, read_delays

__all__ = [
    "AdversarialStragglers",
    "BernoulliStragglers",
    "BlockBootstrap",
    "BurstyStragglers",
    "ClusterModel",
    "DelayTrace",
    "GilbertElliott",
    "HeterogeneousGilbertElliott",
    "LambdaLike",
    "LogNormalDelays",
    "PeriodicStragglers",
    "ShiftedExponential",
    "ShiftedPareto",
    "ShiftedWeibull",
    "estimate_alpha",
    "is_arbitrary",
    "is_bursty",
    "lambda_like_trace",
    "read_delays",
]
