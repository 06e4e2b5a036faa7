"""What a name on the command line means: algorithms, simulators and experiments found by entry points.

Another package adds its own under ``regretlab.algorithms``, ``regretlab.simulators`` or ``regretlab.experiments``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from experiments.experiment import Experiment

__all__ = ["algorithm", "experiment", "experiment_names", "load_all", "names", "rebuilt", "simulator"]


def names(group: str) -> list[str]:
    """Registered names of a group, ``algorithms``, ``simulators`` or ``experiments``, in alphabetical order."""
    return sorted(_points(group))


def experiment_names() -> list[str]:
    """Names of the registered experiments."""
    return names("experiments")


def algorithm(name: str) -> Any:
    """The class of a registered algorithm.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    return _load("algorithms", name)


def simulator(name: str) -> Any:
    """The class of a registered simulator.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    return _load("simulators", name)


def experiment(name: str) -> Experiment:
    """A registered experiment.

    Raises
    ------
    ValueError
        For an unknown name, or when what is registered is no experiment.
    """
    loaded = _load("experiments", name)
    if not isinstance(loaded, Experiment):
        raise ValueError(f"{name}: what is registered under this name is no experiment")
    return loaded


def rebuilt(name: str, parameters: Mapping[str, Any]) -> Experiment:
    """The experiment that a run's manifest speaks of: a registered one, or one made from a user's input.

    Parameters
    ----------
    name : str
    parameters : mapping
        What it was made from, see `Experiment.parameters`.

    Raises
    ------
    ValueError
        For an unknown name, or when the input is no longer what it was.
    """
    from experiments.budget_split import BudgetChoice
    from experiments.scheme_choice import SchemeChoice
    from experiments.solver_choice import SolverChoice
    from experiments.sweep import Sweep
    from experiments.trace_comparison import TraceComparison

    if "sweep" in parameters:
        return Sweep.from_parameters(parameters)
    kinds = {kind.name: kind.from_parameters for kind in (TraceComparison, SolverChoice, SchemeChoice, BudgetChoice)}
    return kinds[name](parameters) if name in kinds else experiment(name)


def load_all() -> None:
    """Import everything registered, so that the ledger of guarantees is complete."""
    for group in ("algorithms", "simulators", "experiments"):
        for point in _points(group).values():
            point.load()


def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"regretlab.{group}")}


def _load(group: str, name: str) -> Any:
    points = _points(group)
    if name not in points:
        raise ValueError(f"unknown {group.removesuffix('s')} {name!r}; there are {', '.join(sorted(points))}")
    return points[name].load()
