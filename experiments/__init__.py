"""Many runs: replication, the store, claims, plots, the report and the ``regretlab`` command."""

from experiments.claims import Claim, Interval, exact, mean_interval
from experiments.experiment import Cell, Experiment, NamedFigure, NamedTable
from experiments.replicate import Replications, replicate
from experiments.runner import results, run_experiments, verify
from experiments.store import Store
from experiments.sweep import Sweep
from experiments.sweep_examples import sweep_example
from experiments.trace_comparison import TraceComparison

__all__ = [
    "Cell",
    "Claim",
    "Experiment",
    "Interval",
    "NamedFigure",
    "NamedTable",
    "Replications",
    "Store",
    "Sweep",
    "TraceComparison",
    "exact",
    "mean_interval",
    "replicate",
    "results",
    "run_experiments",
    "sweep_example",
    "verify",
]
