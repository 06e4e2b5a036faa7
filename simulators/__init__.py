"""Worlds to try learners in: arms and request traces, synthetic or the user's own."""

from simulators.arms import BernoulliArms
from simulators.predictors import DiscardBits, PhaseBits, PredictedTrace
from simulators.shipped import shipped_trace, shipped_traces
from simulators.traces import Trace, ZipfTrace

__all__ = [
    "BernoulliArms",
    "DiscardBits",
    "PhaseBits",
    "PredictedTrace",
    "Trace",
    "ZipfTrace",
    "shipped_trace",
    "shipped_traces",
]
