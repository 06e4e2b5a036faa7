"""Real profiles of advertising traffic, shipped with the package; licences are in ``data/LICENSE.md``."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from algos.contracts import read_only

__all__ = ["half_hour_traffic", "traffic_regions", "weekly_traffic"]


def weekly_traffic(region: int) -> NDArray[np.float64]:
    """Share of a week's traffic of a region in each hour, from Monday 0:00 on.

    Parameters
    ----------
    region : int
        One of `traffic_regions`.

    Returns
    -------
    float64, shape (168,)
        They sum up to 1. From the BAT benchmark for autobidding (MIT licence).

    Raises
    ------
    ValueError
        For another region.
    """
    regions, shares = _weeks()
    place = int(np.searchsorted(regions, region))
    if place == regions.size or regions[place] != region:
        raise ValueError(f"region: {region!r} is not one of the {regions.size} of traffic_regions()")
    return read_only(shares[place] / shares[place].sum())


def traffic_regions() -> list[int]:
    """Numbers of the regions, increasing."""
    return [int(region) for region in _weeks()[0]]


@cache
def half_hour_traffic() -> NDArray[np.float64]:
    """Share of a day's traffic in each half hour, shape (48,), from AuctionNet (Apache-2.0)."""
    with as_file(files("simulators") / "data" / "autobidding_traffic.npz") as path, np.load(path) as data:
        return read_only(data["half_hours"])


@cache
def _weeks() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    with as_file(files("simulators") / "data" / "autobidding_traffic.npz") as path, np.load(path) as data:
        return data["regions"], data["weeks"] * 1e-6
