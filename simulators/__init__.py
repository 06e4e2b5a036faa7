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
from simulators.feature_files import read_features
from simulators.linear_arms import (
    BernoulliLinearArms,
    BetaLinearArms,
    LinearArms,
    NormTenArms,
    RewardTable,
    SphereArms,
    UniformLinearArms,
    UnitBallArms,
    pairs_instance,
    unstructured_instance,
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
    "BernoulliLinearArms",
    "BetaLinearArms",
    "ConstantBits",
    "DiscardBits",
    "DriftingZipfTrace",
    "HistoryBits",
    "LinearArms",
    "LognormalArrivals",
    "LoopTrace",
    "MarkingTrap",
    "MarkovTrace",
    "MissingPage",
    "NextArrivals",
    "NoisyBeladyBits",
    "NormTenArms",
    "NormalArrivals",
    "PLECOArrivals",
    "PLECOBits",
    "PhaseBits",
    "PhasesTrace",
    "PopularityArrivals",
    "PredictedTrace",
    "RandomWalkTrace",
    "RewardTable",
    "ScanTrace",
    "SphereArms",
    "StackDistanceTrace",
    "ThresholdBits",
    "Trace",
    "UniformLinearArms",
    "UniformTrace",
    "UnitBallArms",
    "WorkingSetTrace",
    "ZipfTrace",
    "pairs_instance",
    "read_features",
    "shipped_trace",
    "shipped_traces",
    "unstructured_instance",
    "worst_bits",
]
