"""Schemes that compute a sequence of gradients on workers some of which straggle."""

from online.gradient_coding.bounds import (
    arbitrary_load_bound,
    arbitrary_patterns,
    bursty_load_bound,
    decodable_patterns,
    gilbert_elliott_burst,
    gilbert_elliott_share,
    gradient_coding_load,
    m_sgc_load,
    m_sgc_load_bound,
    order_statistic_mean,
    pareto_order_statistic_mean,
    partial_straggler_load,
    repetition_mean,
    sr_sgc_load,
)
from online.gradient_coding.clusters import Cluster, RunningCluster
from online.gradient_coding.event_driven import EventDriven, balanced_groups
from online.gradient_coding.master import UndecodableError
from online.gradient_coding.placement import MiniTask, WorkPlan, work_plan
from online.gradient_coding.schemes import GradientCoding, Multiplexed, SelectiveRepeat, SequentialScheme, Uncoded
from online.gradient_coding.selection import (
    FAMILIES,
    Candidate,
    Selection,
    multiplexed_grid,
    select_parameters,
    selective_repeat_grid,
)
from online.gradient_coding.streaming import StreamingMultiplexed

__all__ = [
    "FAMILIES",
    "Candidate",
    "Cluster",
    "EventDriven",
    "GradientCoding",
    "MiniTask",
    "Multiplexed",
    "RunningCluster",
    "Selection",
    "SelectiveRepeat",
    "SequentialScheme",
    "StreamingMultiplexed",
    "Uncoded",
    "UndecodableError",
    "WorkPlan",
    "arbitrary_load_bound",
    "arbitrary_patterns",
    "balanced_groups",
    "bursty_load_bound",
    "decodable_patterns",
    "gilbert_elliott_burst",
    "gilbert_elliott_share",
    "gradient_coding_load",
    "m_sgc_load",
    "m_sgc_load_bound",
    "multiplexed_grid",
    "order_statistic_mean",
    "pareto_order_statistic_mean",
    "partial_straggler_load",
    "repetition_mean",
    "select_parameters",
    "selective_repeat_grid",
    "sr_sgc_load",
    "work_plan",
]
