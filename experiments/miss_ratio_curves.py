"""Miss-ratio curves: the faults of LRU and of the offline optimum over the whole range of cache sizes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from algos import lru_fault_curve, optimal_fault_curve
from simulators import Trace

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CURVED", "CurveSizes", "check_curve", "curve_frame", "curve_sizes"]

CurveSizes = Literal["log", "all"]
"""Which cache sizes a curve has: about 16 a decade, or all of them."""

CURVED = ("LRU", "Belady")
"""The policies whose faults are known at every size from one pass, or at each in linear time."""

_SIZES_PER_DECADE = 16


def check_curve(curve: str | None) -> CurveSizes | None:
    """Return the choice of sizes, or raise ``ValueError`` for an unknown one."""
    if curve is not None and curve not in get_args(CurveSizes):
        raise ValueError(f"curve: {curve!r} is not one of {', '.join(get_args(CurveSizes))}")
    return curve  # type: ignore[return-value]


def curve_sizes(curve: CurveSizes, n_pages: int, also: Iterable[int] = ()) -> NDArray[np.int64]:
    """The cache sizes of a curve, in pages: increasing, from 1 to `n_pages`, with those of `also` in this range.

    Examples
    --------
    >>> curve_sizes("log", 20, also=[10, 50])
    array([ 1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 12, 13, 15, 17, 20])
    """
    if curve == "all":
        return np.arange(1, n_pages + 1)
    count = 2 + round(_SIZES_PER_DECADE * np.log10(n_pages))
    grid = np.rint(np.geomspace(1, n_pages, count)).astype(np.int64)
    return np.union1d(grid, np.array([size for size in also if size <= n_pages], dtype=np.int64))


def curve_frame(algorithm: str, trace: Trace, warmup: int, curve: CurveSizes, also: Iterable[int]) -> pd.DataFrame:
    """Faults at each of `curve_sizes`, those of the first `warmup` requests not counted: one row a size."""
    import pandas as pd

    sizes = curve_sizes(curve, trace.n_pages, also)
    faults = _faults(algorithm, trace.requests, trace.n_pages, sizes)
    if warmup:  # the optimum of the whole trace is that of its beginning until there
        faults = faults - _faults(algorithm, trace.requests[:warmup], trace.n_pages, sizes)
    return pd.DataFrame({"cache_size": sizes, "requests": len(trace) - warmup, "faults": faults})


def _faults(algorithm: str, requests: NDArray[np.uint32], n_pages: int, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Faults at each size."""
    if algorithm == "LRU":
        return lru_fault_curve(requests, n_pages)[sizes]
    if sizes.size == n_pages:
        return optimal_fault_curve(requests, n_pages)[sizes]
    return optimal_fault_curve(requests, n_pages, sizes.tolist())
