"""Minima of smooth strongly convex functions to the last digits: Newton's method with backtracking.

The exact lower solutions of fitted models come from here, so that errors of a solver are not those of its yardstick.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["conjugate_gradients", "newton_minimum"]

Vector = NDArray[np.float64]


def newton_minimum(
    value: Callable[[Vector], float],
    gradient: Callable[[Vector], Vector],
    solve: Callable[[Vector, Vector], Vector],
    start: Vector,
) -> Vector:
    """The minimiser, to the accuracy at which rounding stops the gradient from shrinking.

    Parameters
    ----------
    value, gradient : callable
        Of a point.
    solve : callable
        ``solve(point, right)``: the Hessian there, inverted, times the right-hand side.
    start : float64, shape (d,)

    Returns
    -------
    float64, shape (d,)

    Raises
    ------
    FloatingPointError
        When the gradient is still above 1e-6 of what it was after 200 steps.
    """
    point, slope = start, gradient(start)
    first = size = float(np.linalg.norm(slope))
    for _ in range(200):
        if size == 0.0:
            break
        step, length, here = solve(point, slope), 1.0, value(point)
        decrease = float(slope @ step)
        while length > 1e-10:
            ahead = point - length * step
            new = gradient(ahead)
            new_size = float(np.linalg.norm(new))
            # Near the minimum values agree in all their digits, while gradients still tell points apart.
            if value(ahead) <= here - 1e-4 * length * decrease or new_size <= 0.9 * size:
                break
            length /= 2.0
        if new_size >= size and size <= 1e-9 * (1.0 + first):
            break  # as good as it gets
        point, slope, size = ahead, new, new_size
    if not size <= 1e-6 * (1.0 + first):
        raise FloatingPointError(f"the lower level was not solved: its gradient is still {size:g}")
    return point


def conjugate_gradients(
    product: Callable[[Vector], Vector], right: Vector, *, tolerance: float = 1e-13, limit: int = 10_000
) -> Vector:
    """The solution of a positive definite system given by its products.

    Parameters
    ----------
    product : callable
        The matrix times a vector.
    right : float64, shape (d,)
    tolerance : float > 0
        Of the residual, beside the right-hand side.
    limit : int >= 1
        Steps at most.
    """
    solution, residual = np.zeros_like(right), right.copy()
    direction, squared = residual.copy(), float(right @ right)
    goal = tolerance**2 * squared
    for _ in range(limit):
        if squared <= goal:
            break
        image = product(direction)
        share = squared / float(direction @ image)
        solution = solution + share * direction
        residual = residual - share * image
        before, squared = squared, float(residual @ residual)
        direction = residual + squared / before * direction
    return solution
