"""Worlds to try learners in: arms and request traces, synthetic or the user's own."""

from simulators.arms import BernoulliArms
from simulators.arrival_predictors import (
    LognormalArrivals,
    NextArrivals,
    NormalArrivals,
    PLECOArrivals,
    PopularityArrivals,
)
from simulators.bit_predictors import (
    AdversarialBits,
    ConstantBits,
    HistoryBits,
    NoisyBeladyBits,
    PLECOBits,
    ThresholdBits,
    worst_bits,
)
from simulators.page_adversaries import AugmentedMissingPage, MarkingTrap, MissingPage
from simulators.predictors import DiscardBits, PhaseBits, PredictedTrace
from simulators.shipped import shipped_trace, shipped_traces
from simulators.synthetic_traces import (
    DriftingZipfTrace,
    LoopTrace,
    MarkovTrace,
    PhasesTrace,
    RandomWalkTrace,
    ScanTrace,
    StackDistanceTrace,
    UniformTrace,
    WorkingSetTrace,
)
from simulators.traces import Trace, ZipfTrace

__all__ = [
    "AdversarialBits",
    "AugmentedMissingPage",
    "BernoulliArms",
    "ConstantBits",
    "DiscardBits",
    "DriftingZipfTrace",
    "HistoryBits",
    "LognormalArrivals",
    "LoopTrace",
    "MarkingTrap",
    "MarkovTrace",
    "MissingPage",
    "NextArrivals",
    "NoisyBeladyBits",
    "NormalArrivals",
    "PLECOArrivals",
    "PLECOBits",
    "PhaseBits",
    "PhasesTrace",
    "PopularityArrivals",
    "PredictedTrace",
    "RandomWalkTrace",
    "ScanTrace",
    "StackDistanceTrace",
    "ThresholdBits",
    "Trace",
    "UniformTrace",
    "WorkingSetTrace",
    "ZipfTrace",
    "shipped_trace",
    "shipped_traces",
    "worst_bits",
]
