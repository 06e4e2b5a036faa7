"""Values of response blocks, and blocks from points; plain NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from algos.knapsack import ResponseCurve
from algos.responses import HILL, LINEAR, LOGARITHM, POWER, SATURATION, STEPS, ResponseBlock

__all__ = ["curve_points", "evaluate", "parametric_value"]


def evaluate(
    block: ResponseBlock, period: int, budgets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Conversions and spends of the channels in a period of the block, shape (M,)."""
    values, spends = np.empty(budgets.size), np.empty(budgets.size)
    for j, budget in enumerate(budgets.tolist()):
        c = block.curve[period, j]
        points = slice(block.starts[c], block.starts[c + 1])
        value, spends[j] = _value(int(block.shapes[c]), block.spends[points], block.values[points], budget)
        values[j] = block.factor[period, j] * value
    return values, spends


def parametric_value(shape: int, a: float, b: float, spend: float) -> float:
    """Value of a curve that is given by two parameters."""
    if shape == SATURATION:
        return -a * math.expm1(-b * spend)
    if shape == POWER:
        return a * spend**b
    if shape == LOGARITHM:
        return a * math.log1p(b * spend)
    if shape == HILL:
        return a * spend / (b + spend) if spend > 0.0 else 0.0
    raise ValueError(f"shape: {shape!r} has no parameters")


def curve_points(curves: Sequence[ResponseCurve]) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Starts, spends and values of piecewise-linear curves one after the other."""
    starts = np.cumsum([0, *(curve.spends.size for curve in curves)])
    return (
        starts,
        np.concatenate([curve.spends for curve in curves]),
        np.concatenate([curve.values for curve in curves]),
    )


def _value(shape: int, spends: NDArray[np.float64], values: NDArray[np.float64], budget: float) -> tuple[float, float]:
    if shape == LINEAR:
        return float(np.interp(budget, spends, values)), min(budget, float(spends[-1]))
    if shape == STEPS:
        last = int(np.searchsorted(spends, budget, side="right")) - 1
        return float(values[last]), float(spends[last])
    return parametric_value(shape, float(values[0]), float(spends[0]), budget), budget
