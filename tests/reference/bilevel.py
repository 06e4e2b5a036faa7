"""Slow, obvious answers for bilevel problems: grids, sorting, enumeration and a conic solver."""

import numpy as np


def simplex_projection(point, total):
    """The sorting formula."""
    if total == 0:
        return np.zeros_like(point)
    ordered = np.sort(point)[::-1]
    sums = (np.cumsum(ordered) - total) / np.arange(1, point.size + 1)
    threshold = sums[np.flatnonzero(ordered > sums)[-1]] if (ordered > sums).any() else sums[0]
    return np.maximum(point - threshold, 0.0)


def difference_gradient(function, point, step=1e-6):
    """Central differences."""
    point = np.asarray(point, dtype=float)
    moves = step * np.eye(point.size)
    return np.array([(function(point + move) - function(point - move)) / (2 * step) for move in moves])


def penalized_value(problem, x, y, s):
    """The objective of the lower solution."""
    return s * problem.upper(x, y) + problem.lower(x, y)
