"""The store: a folder with ``manifest.json`` and one Parquet file a cell, whole or not at all.

A cell's file carries the digest of its own bytes in its name and appears by a rename, so that a run killed at any
moment leaves only whole cells, and a cell that was changed or cut afterwards is noticed. What depends on the
machine (speeds) stands beside the cells, in ``measurements``, and takes no part in any comparison.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from algos.contracts import whole_number
from algos.streams import canonical_json, stable_hash
from experiments.experiment import Cell, check_scale
from experiments.provenance import host, revision, source_digest, versions
from experiments.whole_files import is_leftover, remove_leftovers, write_whole

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Store", "changed_since", "digest", "encode", "is_whole"]

_FORMAT = 1
_DIGEST_LENGTH = 20
_LONGEST_JSON = 2**26


class Store:
    """The results of one run, in a folder.

    Parameters
    ----------
    folder : str or Path
        Where the results are.

    Raises
    ------
    ValueError
        When the folder has no manifest that this version can read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / "manifest.json"
        if not path.is_file():
            raise ValueError(f"{self.folder}: no manifest.json here; this is not the folder of a run")
        try:
            self.manifest: dict[str, Any] = _checked(_json(path))
        except ValueError as error:
            raise ValueError(f"{path}: not a manifest of format {_FORMAT}: {error}") from None

    @classmethod
    def begin(cls, folder: str | Path, *, seed: int, scale: str, experiments: Mapping[str, Mapping[str, Any]]) -> Store:
        """Open a folder to run experiments into, new or begun earlier.

        Parameters
        ----------
        folder : str or Path
            Created when missing.
        seed, scale : int, str
            Must be those that the folder was begun with.
        experiments : mapping of name to mapping
            What each experiment is made from: its parameters and the digest of its code. Added to those that the
            folder holds already.

        Raises
        ------
        ValueError
            When the folder holds results of another seed, scale, version or source: its cells would not mix.
        """
        folder = Path(folder)
        fresh: dict[str, Any] = {
            "format": _FORMAT,
            "seed": seed,
            "scale": scale,
            "experiments": {name: dict(made_from) for name, made_from in experiments.items()},
            "versions": versions(),
            "source": source_digest(),
            "git_revision": revision(),
            "host": host(),
        }
        manifest = folder / "manifest.json"
        if manifest.exists():
            held = cls(folder).manifest
            for key in ("seed", "scale", "versions", "source"):
                if held.get(key) != fresh[key]:
                    raise ValueError(
                        f"{folder}: begun with another {key} ({_difference(held.get(key), fresh[key])}); "
                        "choose a new folder with --out"
                    )
            for name, made_from in fresh["experiments"].items():
                for key, value in made_from.items():
                    if held["experiments"].get(name, made_from).get(key) != value:
                        raise ValueError(f"{folder}: holds {name} with other {key}; choose a new folder with --out")
            fresh["experiments"] = held["experiments"] | fresh["experiments"]
            fresh |= {key: held[key] for key in ("git_revision", "host") if key in held}
        elif folder.exists() and any(not is_leftover(path) for path in folder.iterdir()):
            raise ValueError(f"{folder}: not empty and not the folder of a run; choose another with --out")
        remove_leftovers(folder)
        content = (json.dumps(fresh, indent=2, sort_keys=True) + "\n").encode()
        if not manifest.exists() or manifest.read_bytes() != content:  # a finished run may be on a read-only disk
            write_whole(manifest, content)
        return cls(folder)

    def find(self, experiment: str, cell: Cell) -> Path | None:
        """The file of a cell, or None when there is none or its bytes are not those it was written with."""
        whole = [
            path for path in self._files(experiment, cell) if is_whole(path) and _cell_of(path) == canonical_json(cell)
        ]
        return whole[0] if whole else None

    def damaged(self, experiment: str, cell: Cell) -> bool:
        """Whether a file stands in the cell's place that has not the bytes it was written with."""
        return self.find(experiment, cell) is None and bool(self._files(experiment, cell))

    def write(self, experiment: str, cell: Cell, frame: pd.DataFrame) -> Path:
        """Store a cell's results, replacing whatever damaged file stands in its place."""
        return self.write_encoded(experiment, cell, encode(cell, frame), frame.attrs)

    def write_encoded(self, experiment: str, cell: Cell, content: bytes, measurements: Mapping[Any, Any]) -> Path:
        """Store the bytes of a cell's file, as `encode` makes them, and what depended on the machine."""
        name = f"{_slug(cell)}.{digest(content)}.parquet"
        target = self.folder / "cells" / experiment / name
        if measurements:
            # Before the cell: whoever finds the cell finds its measurements.
            measured = json.dumps(dict(measurements), indent=2, sort_keys=True).encode()
            write_whole(self.folder / "measurements" / experiment / f"{_slug(cell)}.json", measured)
        for path in self._files(experiment, cell):
            path.unlink()
        write_whole(target, content)
        return target

    def read(self, experiment: str, cell: Cell) -> pd.DataFrame:
        """A cell's results, with the cell's own values as columns.

        Raises
        ------
        ValueError
            When the cell is missing or damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.find(experiment, cell)
        if path is None:
            raise ValueError(f"{self.folder}: cell {canonical_json(cell)} of {experiment} is missing or damaged")
        try:
            frame: pd.DataFrame = pq.read_table(pa.BufferReader(path.read_bytes())).to_pandas()
            for position, (name, value) in enumerate(cell.items()):
                frame.insert(position, name, value)
        except (ValueError, OSError, pa.ArrowException) as error:
            raise ValueError(f"{path}: holds no results of its cell: {error}") from None
        return frame

    def measurements(self, experiment: str, cell: Cell) -> dict[str, float]:
        """What depended on the machine when the cell was run; empty when nothing was noted."""
        path = self.folder / "measurements" / experiment / f"{_slug(cell)}.json"
        try:
            held = _json(path)
        except (OSError, ValueError):
            return {}
        numbers = held.items() if isinstance(held, dict) else ()
        return {name: value for name, value in numbers if isinstance(value, int | float) and math.isfinite(value)}

    def _files(self, experiment: str, cell: Cell) -> list[Path]:
        folder = self.folder / "cells" / experiment
        start = f"{_slug(cell)}."
        return sorted(path for path in folder.glob("*.parquet") if path.name.startswith(start))


def changed_since(store: Store) -> str:
    """What of the versions and the source is not what it was when the store was made; empty when nothing is."""
    now = {"versions": versions(), "source": source_digest()}
    changed = [
        f"{key} changed ({_difference(store.manifest[key], now[key])})"
        for key in now
        if store.manifest[key] != now[key]
    ]
    return ", ".join(changed)


def encode(cell: Cell, frame: pd.DataFrame) -> bytes:
    """The bytes of a cell's file: the same for the same results under the same versions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if frame.empty:
        raise ValueError(f"cell {canonical_json(cell)}: no results to store")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({"cell": canonical_json(cell)})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def digest(content: bytes) -> str:
    """The digest in a cell's file name."""
    return hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH]


def is_whole(path: Path) -> bool:
    """Whether a cell's file has the bytes it was written with."""
    return path.name.split(".")[-2] == digest(path.read_bytes())


def _json(path: Path) -> Any:
    """What a JSON file holds; ``ValueError`` for anything else, and where it is nested too deep or far too long."""
    size = path.stat().st_size
    if size > _LONGEST_JSON:
        raise ValueError(f"{size} bytes are more than {_LONGEST_JSON}")
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _checked(held: Any) -> dict[str, Any]:
    """A manifest that has what the library reads of it."""
    if not isinstance(held, dict) or held.get("format") != _FORMAT or isinstance(held["format"], bool):
        raise ValueError("it has no such format")
    whole_number(held.get("seed"), "seed", 0)
    check_scale(str(held.get("scale")))
    for key, kind in {"experiments": dict, "versions": dict, "source": str}.items():
        if not isinstance(held.get(key), kind):
            raise ValueError(f"{key}: {str(held.get(key))[:60]} is no {'table' if kind is dict else 'text'}")
    for name, made_from in held["experiments"].items():
        if not isinstance(made_from, dict) or not isinstance(made_from.get("parameters"), dict):
            raise ValueError(f"experiments: {name}: has no parameters")
    return held


def _cell_of(path: Path) -> str | None:
    """The cell that a file says it holds: a whole file may stand under the name of another cell."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open(path, "rb") as file:
            said = (pq.read_schema(file).metadata or {}).get(b"cell")
        return None if said is None else said.decode()
    except (OSError, ValueError, pa.ArrowException):
        return None


def _slug(cell: Cell) -> str:
    """A file name that a person can read, made unique by the cell's hash. It holds no dot."""
    words = "-".join(str(value) for value in cell.values() if value is not None)
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", words)[:80]
    return f"{readable}-{stable_hash(cell):016x}"


def _difference(held: Any, now: Any) -> str:
    if isinstance(held, dict) and isinstance(now, dict):
        for key in sorted(held.keys() | now.keys()):
            if held.get(key) != now.get(key):
                return f"{key}: {held.get(key)} then, {now.get(key)} now"
    return f"{held} then, {now} now"
