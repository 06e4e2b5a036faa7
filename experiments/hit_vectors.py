"""Hit vectors: which requests of a trace each policy of a comparison had in its cache."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from experiments.trace_comparison import TraceComparison
from experiments.whole_files import writing_whole

__all__ = ["check_hits_path", "write_hits"]


def check_hits_path(path: Path) -> None:
    """Raise ``ValueError`` for a file that `write_hits` would not write: no NPZ, or in a folder that is not there."""
    if path.suffix != ".npz":
        raise ValueError(f"hits_out: {path} does not end in .npz")
    if not path.parent.is_dir():
        raise ValueError(f"hits_out: {path.parent} is no folder")


def write_hits(comparison: TraceComparison, path: Path, seed: int) -> None:
    """Write a NPZ file with the hits of the first replication of each cell, the warm-up included.

    Parameters
    ----------
    comparison : TraceComparison
        Its cells are replayed again, with the draws that they had.
    path : Path
        Written whole, or not at all. It holds a bool array of shape (n,) for each cell, named like
        "trace, 100 pages, LRU".
    seed : int >= 0
        The run's one seed.
    """
    with writing_whole(path) as whole, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for cell in comparison.cells("quick"):
            if "curve" in cell:
                continue
            name = f"{cell['trace']}, {cell['cache_size']} pages, {comparison.label(cell)}.npy"
            with archive.open(name.replace("/", "_"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, comparison.hits(cell, seed), allow_pickle=False)
