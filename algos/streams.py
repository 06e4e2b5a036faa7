"""Random streams that do not depend on how the work is shared out.

Replication r of cell c draws from ``SeedSequence(seed, spawn_key=(stable_hash(c), r))`` through PCG64DXSM: its
numbers are the same whatever else runs, in whatever order, on however many threads, processes or machines.

Algorithms compared in one cell meet the same world (common random numbers): the world's stream is keyed by the
cell without its algorithm, the algorithm's own stream by the whole cell.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from algos.contracts import whole_number

__all__ = ["algorithm_stream", "stable_hash", "stream", "world_stream"]


def stable_hash(value: Any) -> int:
    """Hash a JSON-like value to 64 bits, the same in every process and on every machine.

    Parameters
    ----------
    value : None, bool, int, float, str, list, tuple or mapping of these
        NumPy scalars count as the Python number they hold, tuples as lists; the order of a mapping's keys does
        not matter, while 1, 1.0 and True are three different values.

    Raises
    ------
    ValueError
        For NaN, infinity, or a value of any other type.

    Examples
    --------
    >>> stable_hash({"cache_size": 100, "algorithm": "LRU"}) == stable_hash({"algorithm": "LRU", "cache_size": 100})
    True
    """
    return int.from_bytes(hashlib.blake2b(canonical_json(value).encode(), digest_size=8).digest(), "big")


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, shortest floats."""
    try:
        _check_keys(value)
        return json.dumps(
            value,
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=True,
            allow_nan=False,
            default=_python_number,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value!r} cannot key a random stream: {error}") from None


def stream(seed: int, cell: Any, replication: int) -> np.random.Generator:
    """The generator of one replication of one cell.

    Parameters
    ----------
    seed : int >= 0
        The run's one seed.
    cell : JSON-like value
        What the replication belongs to (see `stable_hash`).
    replication : int >= 0
        Number of the replication.
    """
    key = (stable_hash(cell), whole_number(replication, "replication", 0))
    sequence = np.random.SeedSequence(whole_number(seed, "seed", 0), spawn_key=key)
    return np.random.Generator(np.random.PCG64DXSM(sequence))


def world_stream(
    seed: int, cell: Mapping[str, Any], replication: int, *, shared: Iterable[str] = ("algorithm",)
) -> np.random.Generator:
    """The simulator's stream, the same for all cells that differ only in the keys named by `shared`."""
    left_out = {shared} if isinstance(shared, str) else set(shared)
    world = {name: value for name, value in cell.items() if name not in left_out}
    return stream(seed, {"stream": "world", "cell": world}, replication)


def algorithm_stream(seed: int, cell: Mapping[str, Any], replication: int) -> np.random.Generator:
    """The algorithm's own stream, keyed by the whole cell."""
    return stream(seed, {"stream": "algorithm", "cell": dict(cell)}, replication)


def _check_keys(value: Any) -> None:
    """Refuse keys that are no strings: JSON would write 1 and "1" alike."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"key {key!r} is not a string")
            _check_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_keys(inner)


def _python_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not a JSON-like value")
