"""Worlds to try learners in: arms and request traces, synthetic or the user's own."""

from simulators.adversarial import (
    AdversarialRewards,
    PiecewiseStationaryArms,
    StochasticallyConstrainedArms,
    SwitchingRewards,
)
from simulators.arms import (
    BernoulliArms,
    BetaArms,
    ExponentialArms,
    GaussianArms,
    PoissonArms,
    TruncatedExponentialArms,
    UniformArms,
)
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
from simulators.contextual import AdvisedRewards, ContextualRewards, LinearContexts
from simulators.delayed import DelayedFeedback
from simulators.page_adversaries import AugmentedMissingPage, MarkingTrap, MissingPage
from simulators.predictors import DiscardBits, PhaseBits, PredictedTrace
from simulators.replayed_arms import LoggedArms, TableArms
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
    "AdversarialRewards",
    "AdvisedRewards",
    "AugmentedMissingPage",
    "BernoulliArms",
    "BetaArms",
    "ConstantBits",
    "ContextualRewards",
    "DelayedFeedback",
    "DiscardBits",
    "DriftingZipfTrace",
    "ExponentialArms",
    "GaussianArms",
    "HistoryBits",
    "LinearContexts",
    "LoggedArms",
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
    "PiecewiseStationaryArms",
    "PoissonArms",
    "PopularityArrivals",
    "PredictedTrace",
    "RandomWalkTrace",
    "ScanTrace",
    "StackDistanceTrace",
    "StochasticallyConstrainedArms",
    "SwitchingRewards",
    "TableArms",
    "ThresholdBits",
    "Trace",
    "TruncatedExponentialArms",
    "UniformArms",
    "UniformTrace",
    "WorkingSetTrace",
    "ZipfTrace",
    "shipped_trace",
    "shipped_traces",
    "worst_bits",
]
