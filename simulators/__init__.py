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
from simulators.locality_traces import MarkovTrace, RandomWalkTrace, StackDistanceTrace, WorkingSetTrace
from simulators.loss_curves import ExponentialCurve, LossCurve, MeasuredCurve, StepCurve, WaveCurve
from simulators.misspecified_linear import MisspecifiedLinearArms, aligned_adversary
from simulators.page_adversaries import AugmentedMissingPage, MarkingTrap, MissingPage
from simulators.predictors import DiscardBits, PhaseBits, PredictedTrace
from simulators.replayed_arms import LoggedArms, TableArms
from simulators.shipped import shipped_trace, shipped_traces
from simulators.sparse_features import (
    gaussian_features,
    hadamard_features,
    polynomial_packing,
    set_packing,
    sign_features,
)
from simulators.synthetic_traces import DriftingZipfTrace, LoopTrace, PhasesTrace, ScanTrace, UniformTrace
from simulators.tallying import TallyingArms
from simulators.tallying_optimum import diagnose, long_run_loss, optimal_losses, optimal_sequence
from simulators.traces import Trace, ZipfTrace

__all__ = [
    "AdversarialBits",
    "AdversarialRewards",
    "AdvisedRewards",
    "AugmentedMissingPage",
    "BernoulliArms",
    "BernoulliLinearArms",
    "BetaArms",
    "BetaLinearArms",
    "ConstantBits",
    "ContextualRewards",
    "DelayedFeedback",
    "DiscardBits",
    "DriftingZipfTrace",
    "ExponentialArms",
    "ExponentialCurve",
    "GaussianArms",
    "HistoryBits",
    "LinearArms",
    "LinearContexts",
    "LoggedArms",
    "LognormalArrivals",
    "LoopTrace",
    "LossCurve",
    "MarkingTrap",
    "MarkovTrace",
    "MeasuredCurve",
    "MissingPage",
    "MisspecifiedLinearArms",
    "NextArrivals",
    "NoisyBeladyBits",
    "NormTenArms",
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
    "RewardTable",
    "ScanTrace",
    "SphereArms",
    "StackDistanceTrace",
    "StepCurve",
    "StochasticallyConstrainedArms",
    "SwitchingRewards",
    "TableArms",
    "TallyingArms",
    "ThresholdBits",
    "Trace",
    "TruncatedExponentialArms",
    "UniformArms",
    "UniformLinearArms",
    "UniformTrace",
    "UnitBallArms",
    "WaveCurve",
    "WorkingSetTrace",
    "ZipfTrace",
    "aligned_adversary",
    "diagnose",
    "gaussian_features",
    "hadamard_features",
    "long_run_loss",
    "optimal_losses",
    "optimal_sequence",
    "pairs_instance",
    "polynomial_packing",
    "read_features",
    "set_packing",
    "shipped_trace",
    "shipped_traces",
    "sign_features",
    "unstructured_instance",
    "worst_bits",
]
