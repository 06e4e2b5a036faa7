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


def slow_phi(y, q=1.25):
    """The function whose slope fades like a power."""
    return np.where(y >= 0, np.abs(1 + y) ** (1 - q) / (q - 1), 1 / (q - 1) - y + q * y**2 / 2)


SCALAR = {  # f(x, y) and g(x, y) as printed, for arrays of y
    "bilinear": (lambda x, y: x**2 + y**2, lambda x, y: x * y),
    "ramp": (lambda x, y: y, lambda x, y: x * y),
    "quartic": (lambda x, y: y, lambda x, y: y**4 / 4 - x * y),
    "kink": (lambda x, y: -y, lambda x, y: (y - x) ** 2 / 2),
    "quadratic": (lambda x, y: (y - 1) ** 2 / 2, lambda x, y: (y - x) ** 2 / 2),
    "power": (lambda x, y: slow_phi(y), lambda x, y: (y - x) ** 2 / 2),
    "huber": (lambda x, y: np.where(np.abs(y) <= 1, y**2 / 2, np.abs(y) - 0.5), lambda x, y: (y - x) ** 2 / 2),
    "PL toy": (
        lambda x, y: np.cos(4 * y + 2) / (1 + np.exp(2 - 4 * x)) + np.log((4 * x - 2) ** 2 + 1) / 2,
        lambda x, y: (x + y) ** 2 + x * np.sin(x + y) ** 2,
    ),
}


def grid_penalty_value(name, x, s, grid):
    """psi_s of a scalar lower level from its definition, both minima on a grid."""
    upper, lower = (part(x, grid) for part in SCALAR[name])
    return (np.min(s * upper + lower) - np.min(lower)) / s


def grid_value(name, x, grid):
    """psi of a scalar lower level: the least f among points whose g is least up to a grid's error."""
    upper, lower = (part(x, grid) for part in SCALAR[name])
    return upper[lower <= lower.min() + 1e-13].min()


def solve_quadratic_cvxpy(hessian, linear, low=None, high=None, totals=None):
    """The least value of y'Hy / 2 + b'y and a minimiser by a conic solver.

    ``low`` and ``high`` are sides of a box, ``totals`` a list of (index array, total), simplices.
    """
    import cvxpy

    y = cvxpy.Variable(len(linear))
    values, vectors = np.linalg.eigh(hessian)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    constraints = [] if low is None else [y >= low, y <= high]
    for index, total in totals or ():
        constraints += [y[index] >= 0, cvxpy.sum(y[index]) == total]
    objective = cvxpy.sum_squares(root @ y) / 2 + linear @ y
    settings = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}
    value = cvxpy.Problem(cvxpy.Minimize(objective), constraints).solve(solver="CLARABEL", **settings)
    return float(value), np.asarray(y.value)


def psi_grid(problem, axes, s=None):
    """psi, or psi_s, on a grid of x of one or two coordinates, shape of the grid."""
    points = np.meshgrid(*axes, indexing="ij")
    flat = np.column_stack([part.ravel() for part in points])
    values = [problem.value(x) if s is None else problem.penalty_value(x, s) for x in flat]
    return np.reshape(values, points[0].shape)
