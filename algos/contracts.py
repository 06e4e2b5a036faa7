"""The contract every family keeps: a validated description, one pure call, one kind of result.

An algorithm is a frozen description of itself. ``run(simulator, horizon, rng)`` is its only verb and returns a
`Trajectory`. A simulator is whatever the family's own small Protocol asks for; one that has ``sample(rng)`` is a
distribution over worlds, and `realize` draws the world before the run.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Annotated, Any, Literal, Protocol, TypeVar, cast, dataclass_transform, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

__all__ = [
    "Algorithm",
    "Count",
    "Natural",
    "NonNegative",
    "Probability",
    "Trajectory",
    "check_generator",
    "checkpoint_rounds",
    "description",
    "read_only",
    "realize",
    "whole_number",
]

C = TypeVar("C")

_MAX_HORIZON = 2**53  # beyond it float64 no longer counts rounds one by one


@runtime_checkable
class Algorithm(Protocol):
    """What `experiments` can replicate: a description that runs in a simulator."""

    def run(self, simulator: Any, horizon: int, rng: np.random.Generator) -> Trajectory:
        """Run for `horizon` rounds, drawing from `rng` only."""
        ...


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What a run measured.

    Parameters
    ----------
    rounds : int64, shape (C,)
        Checkpoints, strictly increasing: rounds, requests, jobs or iterations completed.
    metrics : mapping of str to float64, shape (C,)
        Each metric at each checkpoint, under the field's name for it (``regret``, ``faults``).
    outcome : mapping of str to scalar or small array
        What stands at the end: the arm chosen, the number of faults, the privacy spent.

    Raises
    ------
    ValueError
        When the rounds do not increase or a metric has another shape.
    """

    rounds: NDArray[np.int64]
    metrics: Mapping[str, NDArray[np.float64]]
    outcome: Mapping[str, Any]

    def __post_init__(self) -> None:
        rounds = read_only(np.array(self.rounds, dtype=np.int64))
        if rounds.ndim != 1 or np.any(np.diff(rounds) <= 0):
            raise ValueError(f"rounds: must be one-dimensional and strictly increasing, got {rounds!r}")
        metrics = {name: read_only(np.array(curve, dtype=np.float64)) for name, curve in self.metrics.items()}
        for name, curve in metrics.items():
            if curve.shape != rounds.shape:
                raise ValueError(f"metrics[{name!r}]: shape {curve.shape} does not match rounds {rounds.shape}")
        outcome = {
            name: read_only(np.array(value)) if isinstance(value, np.ndarray) else value
            for name, value in self.outcome.items()
        }
        object.__setattr__(self, "rounds", rounds)
        object.__setattr__(self, "metrics", MappingProxyType(metrics))
        object.__setattr__(self, "outcome", MappingProxyType(outcome))

    def __reduce__(self) -> tuple[Any, ...]:
        # MappingProxyType does not pickle; a cluster ships trajectories between its own processes.
        return Trajectory, (self.rounds, dict(self.metrics), dict(self.outcome))

    def equals(self, other: Trajectory) -> bool:
        """Whether both hold the same names and the same bits."""
        return (
            np.array_equal(self.rounds, other.rounds)
            and self.metrics.keys() == other.metrics.keys()
            and self.outcome.keys() == other.outcome.keys()
            and all(_same_bits(self.metrics[name], other.metrics[name]) for name in self.metrics)
            and all(_same_bits(self.outcome[name], other.outcome[name]) for name in self.outcome)
        )


def realize(simulator: Any, rng: np.random.Generator | None) -> Any:
    """Draw the world: ``simulator.sample(rng)`` for a distribution over worlds, the simulator itself otherwise."""
    if hasattr(simulator, "sample"):
        return simulator.sample(check_generator(rng, "sampling the simulator"))
    return simulator


def check_generator(rng: Any, needed_for: str) -> np.random.Generator:
    """Return `rng` if it is a NumPy ``Generator``.

    Raises
    ------
    ValueError
        For anything else, an integer seed included: the caller owns the stream.
    """
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"rng: {rng!r} is not a numpy.random.Generator, which {needed_for} needs; "
            "pass for example numpy.random.default_rng(0)"
        )
    return rng


def checkpoint_rounds(
    horizon: int,
    chosen: ArrayLike | None = None,
    *,
    spacing: Literal["log", "linear"] = "log",
    count: int = 200,
) -> NDArray[np.int64]:
    """Rounds at which a run records its metrics; the last one is always the horizon.

    Parameters
    ----------
    horizon : int >= 0
        Rounds of the run. 0 gives no checkpoints.
    chosen : array of int, optional
        The caller's own checkpoints in 1..horizon, strictly increasing; the horizon is added when missing.
    spacing : {"log", "linear"}
        How the default checkpoints lie.
    count : int >= 1
        At most so many default checkpoints.

    Raises
    ------
    ValueError
        When a chosen checkpoint is not a whole number in 1..horizon, or they do not increase.

    Examples
    --------
    >>> checkpoint_rounds(1000, spacing="linear", count=4)
    array([ 250,  500,  750, 1000])
    >>> checkpoint_rounds(10, [3, 5])
    array([ 3,  5, 10])
    """
    if horizon > _MAX_HORIZON:
        raise ValueError(f"horizon: {horizon} is above {_MAX_HORIZON}")
    whole_number(count, "count", 1)
    if spacing not in ("log", "linear"):
        raise ValueError(f"spacing: {spacing!r} is neither 'log' nor 'linear'")
    if horizon == 0:
        return np.empty(0, dtype=np.int64)
    if chosen is None:
        grid = np.geomspace(1, horizon, count) if spacing == "log" else np.linspace(horizon / count, horizon, count)
        grid[-1] = horizon
        return np.unique(np.maximum(1, np.rint(grid).astype(np.int64)))
    given = np.asarray(chosen)
    if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "iu":
        raise ValueError(f"checkpoints: {chosen!r} is not a one-dimensional array of whole numbers in 1..{horizon}")
    if given.min() < 1 or given.max() > horizon:
        bad = given[(given < 1) | (given > horizon)][0]
        raise ValueError(f"checkpoints: {bad} is outside 1..{horizon}")
    rounds = given.astype(np.int64)
    if np.any(np.diff(rounds) <= 0):
        raise ValueError(f"checkpoints: {chosen!r} must increase strictly")
    return rounds if rounds[-1] == horizon else np.append(rounds, np.int64(horizon))


def whole_number(value: Any, name: str, minimum: int) -> int:
    """Return `value` as an int.

    Raises
    ------
    ValueError
        When it is no integer (2.5, NaN, True and "3" are none) or below `minimum`.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name}: {value!r} is not a whole number >= {minimum}")
    if value < minimum:
        raise ValueError(f"{name}: {value} is below {minimum}")
    return int(value)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A view that cannot be written through; the array itself stays as it is."""
    view = array.view()
    view.flags.writeable = False
    return view


def _whole_from(minimum: int) -> BeforeValidator:
    # Pydantic alone would take True for 1 and refuse NumPy's integers.
    def validate(value: Any) -> int:
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
            raise ValueError(f"must be a whole number >= {minimum}")
        return int(value)

    return BeforeValidator(validate)


Count = Annotated[int, _whole_from(1), Field(ge=1)]
"""A whole number >= 1, NumPy's integers included; True, 2.5 and "3" are refused."""

Natural = Annotated[int, _whole_from(0), Field(ge=0)]
"""A whole number >= 0, NumPy's integers included; True, 2.5 and "3" are refused."""

NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
"""A number >= 0, but not inf."""

Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
"""A number in [0, 1]."""


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def description(cls: type[C]) -> type[C]:
    """Make a class a frozen description whose fields are validated on construction.

    A bad value raises one ``ValueError`` of one line a field: the class, the field, the value and the valid range.
    """
    # Frozen, strangers allowed as field types (a trace, a function), unknown names refused.
    config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")
    decorated = pydantic_dataclass(frozen=True, config=config)(cls)
    validate = decorated.__init__
    # Pydantic takes True for 1.0, and "yes" and 1 for True; a mistake is likelier.
    places = sorted(fields(cast("Any", decorated)), key=lambda field: bool(field.kw_only))
    kinds = {field.name: decorated.__pydantic_fields__[field.name].annotation for field in places}
    numbers = {name for name, kind in kinds.items() if kind in (float, float | None)}
    flags = {name for name, kind in kinds.items() if kind is bool}

    @functools.wraps(validate)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        for name, value in (*zip(kinds, args, strict=False), *kwargs.items()):
            if isinstance(value, bool | np.bool_) and name in numbers:
                raise ValueError(f"{cls.__name__}: {name} = {value!r}: must be a number")
            if not isinstance(value, bool | np.bool_) and name in flags:
                raise ValueError(f"{cls.__name__}: {name} = {value!r}: must be True or False")
        try:
            validate(self, *args, **kwargs)
        except ValidationError as error:
            raise ValueError(_explain(decorated, error)) from None

    decorated.__init__ = __init__  # type: ignore[method-assign]
    # Arrays among the fields: equality is of bits, and copies are made anew, so that they are read-only again.
    for name, method in (("__eq__", _equal), ("__hash__", _hash), ("__reduce__", _reduce)):
        setattr(decorated, name, method)
    return cast("type[C]", decorated)


def _values(described: Any) -> dict[str, Any]:
    return {field.name: getattr(described, field.name) for field in fields(described)}


def _equal(self: Any, other: Any) -> Any:
    if type(self) is not type(other):
        return NotImplemented
    return all(_comparable(value) == _comparable(getattr(other, name)) for name, value in _values(self).items())


def _hash(self: Any) -> int:
    return hash((type(self), *(_comparable(value) for value in _values(self).values())))


def _comparable(value: Any) -> Any:
    """The bits of arrays and of SciPy's compressed matrices, and other values as they are."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if hasattr(value, "indptr"):
        return value.shape, *(_comparable(part) for part in (value.indptr, value.indices, value.data))
    return value


def _reduce(self: Any) -> tuple[Any, ...]:
    return _rebuild, (type(self), _values(self))


def _rebuild(cls: type, values: dict[str, Any]) -> Any:
    return cls(**values)


def _explain(cls: type, error: ValidationError) -> str:
    lines, names = [], [field.name for field in fields(cls) if not field.kw_only]  # as positions count them
    for problem in error.errors(include_url=False):
        where = problem["loc"][0] if problem["loc"] else ""
        field = names[where] if isinstance(where, int) and where < len(names) else where
        if problem["type"] == "missing":
            lines.append(f"{cls.__name__}: {field} is missing")
            continue
        reason = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if not problem["loc"]:  # of the fields together: the reason names them
            lines.append(f"{cls.__name__}: {reason}")
            continue
        value = repr(problem["input"])
        shown = value if len(value) <= 80 else f"{value[:77]}..."
        lines.append(f"{cls.__name__}: {field} = {shown}: {reason}")
    return "\n".join(lines)


def _same_bits(left: Any, right: Any) -> bool:
    left, right = np.asarray(left), np.asarray(right)
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
