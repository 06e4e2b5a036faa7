"""Gradients of psi(x) = min of f(x, y) over lower solutions y, in several ways, with what is needed to trust them.

Source: Kwon et al., arXiv:2309.01753 (the formula with pseudo-inverses, from secondary sources; here for any
projection, by differentiating y = Pi(y - gamma grad_y g)); J. Chen et al. 2025 (central differences of any order,
F2SA-p). Bias bounds and Richardson extrapolation are derived, as the specification states them.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.bilevel_oracles import WHOLE, BilevelProblem
from algos.contracts import whole_number
from optimization.bilevel.lower_level import LowerSolution, conjugate_gradients, solve_lower
from optimization.bilevel.oracles import Oracles, check_point, known_constants, oracles_of

__all__ = ["HyperGradient", "HyperGradientCheck", "check_hypergradient", "hypergradient", "stencil_weights"]

Vector = NDArray[np.float64]
Method = Literal["penalty", "aid", "itd", "finite_differences", "exact"]
_METHODS = ("penalty", "aid", "itd", "finite_differences", "exact")
_REGULAR = 1e-6


class HyperGradient(NamedTuple):
    """A hyper-gradient and what it rests on; NaN where something was not computed.

    Parameters
    ----------
    gradient : float64, shape (dx,)
    method : str
    lower : float64, shape (dy,)
        The lower solution that was used, of the penalised problem for "penalty".
    value : float
        psi_s for "penalty", f(x, y) otherwise.
    inner_residual : float
        The largest of the lower solves.
    bias_bound : float
        How far the inner residuals can have moved it, by declared constants: (L_h / s) (2 / m) (sum of residuals) for
        "penalty".
    range_residual : float
        What of grad_y f, and of the mixed derivatives, the linear system cannot give, relative to 1 + their size.
    regular : bool
        False where the number cannot be trusted: the lower solution is not the one of least f, or moves unsmoothly, or
        constraints change, or an inner solve did not end.
    status : str
        Of the inner solves: "converged", "max_iter", "diverged", "oracle_error", "indefinite_lower_hessian".
    """

    gradient: Vector
    method: str
    lower: Vector
    value: float
    inner_residual: float
    bias_bound: float
    range_residual: float
    regular: bool
    status: str


def hypergradient(
    problem: BilevelProblem,
    x: ArrayLike,
    method: Method = "penalty",
    *,
    s: float = 1e-4,
    order: int = 1,
    richardson: bool = False,
    y: ArrayLike | None = None,
    start: ArrayLike | None = None,
    solver: Literal["cg", "neumann", "dense"] = "cg",
    turns: int | None = None,
    steps: int = 1000,
    tolerance: float = 1e-12,
    difference: float = 1e-5,
) -> HyperGradient:
    """The gradient of psi at a point.

    Parameters
    ----------
    problem : BilevelProblem
    x : float, shape (dx,)
    method : {"penalty", "aid", "itd", "finite_differences", "exact"}
        Penalty: gradients of f and g alone. Implicit differentiation: g_yy v = grad_y f. Through `steps` lower steps.
        Central differences of psi. The closed formula, with a pseudo-inverse, at a lower solution.
    s : float > 0
        Penalty: the error is O(s).
    order : int
        Penalty: 1, or an even number 2 m: central differences in s with error O(s^{2m}), for which g - m s f must have
        a minimiser.
    richardson : bool
        Penalty of order 1: 2 grad psi_{s/2} - grad psi_s, with error O(s^2), from one side.
    y : float, shape (dy,), optional
        "aid", "exact": the lower solution to use, instead of solving for one. With several, the formula holds at the
        one of least f alone.
    start : float, shape (dy,), optional
        Where lower solves start.
    solver : {"cg", "neumann", "dense"}
        Of "aid". "dense" assembles g_yy.
    turns : int >= 1, optional
        Products at most; dy + 10 for conjugate gradients, `steps` for the series, when omitted.
    steps : int >= 1
        Of "itd".
    tolerance : float > 0
        Of lower residuals, relative to 1 + the gradient at the start.
    difference : float > 0
        Step of "finite_differences".

    Examples
    --------
    >>> from simulators import random_quadratic
    >>> problem, x = random_quadratic(2, 3, np.random.default_rng(0)), np.ones(2)
    >>> truth = problem.value_gradient(x)
    >>> errors = [np.linalg.norm(hypergradient(problem, x, order=k, s=0.01).gradient - truth) for k in (1, 2, 4)]
    >>> bool(errors[0] > 10 * errors[1] > 100 * errors[2])
    True
    """
    oracles = oracles_of(problem)
    at = check_point(x, oracles.upper_dimension, "x")
    first = _start(problem, oracles, start)
    if method not in _METHODS:
        raise ValueError(f"method: {method!r} is not one of {', '.join(_METHODS)}")
    for name, value in (("s", s), ("tolerance", tolerance), ("difference", difference)):
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name}: {value!r} is not a finite number > 0")
    if order != 1 and (order < 2 or order % 2):
        raise ValueError(f"order: {order!r} is neither 1 nor an even number")
    if richardson and order != 1:
        raise ValueError(f"richardson: is of order 1, not {order}")
    how = _How(problem, oracles, at, first, tolerance)
    if method == "penalty":
        return _by_penalty(how, s, order, richardson)
    if method == "finite_differences":
        return _by_differences(how, difference)
    oracles.second_order(method)
    given = None if y is None else check_point(y, oracles.lower_dimension, "y")
    if method == "itd":
        return _by_unrolling(how, whole_number(steps, "steps", 1))
    solution = how.solve(0.0) if given is None else LowerSolution(given, how.residual(given), 0, math.nan, "converged")
    if method == "exact" or solver == "dense":
        return _by_formula(how, solution, method)
    return _by_implicit(how, solution, solver, turns, steps)


def stencil_weights(m: int) -> Vector:
    """Weights of central differences of order 2 m: (-1)^{j+1} (m!)^2 / (j (m - j)! (m + j)!), j = 1..m.

    Parameters
    ----------
    m : int >= 1

    Examples
    --------
    >>> (stencil_weights(4) * 840).round(9).tolist()
    [672.0, -168.0, 32.0, -3.0]
    """
    f = math.factorial
    return np.array(
        [(-1) ** (j + 1) * f(m) ** 2 / (j * f(m - j) * f(m + j)) for j in range(1, whole_number(m, "m", 1) + 1)]
    )


class HyperGradientCheck(NamedTuple):
    """Hyper-gradients side by side.

    Parameters
    ----------
    found : dict of str to HyperGradient
    spread : float
        The largest distance between two that claim to be regular, relative to 1 + the largest norm.
    flags : tuple of str
        What a user should know, one line each; empty when all is well.
    """

    found: dict[str, HyperGradient]
    spread: float
    flags: tuple[str, ...]

    @property
    def trusted(self) -> bool:
        """Whether nothing was flagged."""
        return not self.flags

    def __str__(self) -> str:
        lines = [f"{'method':<20} {'|gradient|':>11} {'residual':>9} {'range':>9} {'bias':>9} regular"]
        lines += [
            f"{name:<20} {np.linalg.norm(one.gradient):>11.6g} {one.inner_residual:>9.2g} {one.range_residual:>9.2g} "
            f"{one.bias_bound:>9.2g} {'yes' if one.regular else 'no'}"
            for name, one in self.found.items()
        ]
        return "\n".join([*lines, *(f"! {flag}" for flag in self.flags)])


def check_hypergradient(
    problem: BilevelProblem, x: ArrayLike, *, s: float = 1e-4, start: ArrayLike | None = None, agree: float = 1e-2
) -> HyperGradientCheck:
    """Compare the penalty's hyper-gradient with implicit and unrolled differentiation and with differences of psi.

    Parameters
    ----------
    problem : BilevelProblem
        Without products with second derivatives, penalties and differences alone are compared.
    x : float, shape (dx,)
    s : float > 0
        Penalty.
    start : float, shape (dy,), optional
        Where lower solves start. With several lower solutions it decides which of them implicit differentiation uses,
        and this is what the check is for.
    agree : float > 0
        Spread from which on a disagreement is flagged.

    Examples
    --------
    >>> from simulators import random_rank_deficient
    >>> problem = random_rank_deficient(2, 5, 2, np.random.default_rng(0))
    >>> checked = check_hypergradient(problem, np.ones(2))
    >>> checked.trusted, checked.found["aid"].regular, checked.found["penalty, Richardson"].regular
    (False, False, True)
    """
    oracles = oracles_of(problem)
    options: dict[str, Any] = {"start": start, "s": s}
    found = {
        "penalty": hypergradient(problem, x, "penalty", **options),
        "penalty, Richardson": hypergradient(problem, x, "penalty", richardson=True, **options),
        "finite_differences": hypergradient(problem, x, "finite_differences", start=start),
    }
    if oracles.kernels.lower_hessian_product is not None and oracles.kernels.lower_cross_product is not None:
        found["aid"] = hypergradient(problem, x, "aid", solver="dense", start=start)
        found["itd"] = hypergradient(problem, x, "itd", start=start)
        # At the penalty's lower solution, which goes to the one of least f.
        found["exact"] = hypergradient(problem, x, "exact", y=_least(problem, x, found["penalty"]))
    flags = [
        f"{name}: the lower solve ended as {one.status}, residual {one.inner_residual:.2g}"
        for name, one in found.items()
        if one.status != "converged"
    ]
    flags += [
        f"{name}: not regular (range residual {one.range_residual:.2g}): the lower solution used is not the one of "
        "least f, or does not move smoothly; the number is wrong or has no meaning"
        for name, one in found.items()
        if not one.regular and one.status == "converged"
    ]
    trusted = {name: one.gradient for name, one in found.items() if one.regular}
    size = 1.0 + max((float(np.linalg.norm(one)) for one in trusted.values()), default=0.0)
    pairs = [(a, b) for i, a in enumerate(trusted) for b in list(trusted)[i + 1 :]]
    gaps = {pair: float(np.linalg.norm(trusted[pair[0]] - trusted[pair[1]])) / size for pair in pairs}
    spread = max(gaps.values(), default=math.nan)
    if spread > agree:
        one, two = max(gaps, key=lambda pair: gaps[pair])
        flags.append(f"{one} and {two} differ by {spread:.2g}, relative to the largest gradient")
    return HyperGradientCheck(found, spread, tuple(flags))


def _least(problem: Any, x: ArrayLike, penalty: HyperGradient) -> Vector:
    try:
        return np.asarray(problem.lower_solution(np.asarray(x, dtype=np.float64), 0.0))
    except (AttributeError, NotImplementedError):
        return penalty.lower


class _How:
    """A point of a problem, and lower solves there."""

    def __init__(self, problem: Any, oracles: Oracles, x: Vector, start: Vector, tolerance: float) -> None:
        self.problem, self.oracles, self.x, self.start, self.tolerance = problem, oracles, x, start, tolerance
        self.constants = known_constants(problem)

    def solve(self, s: float, x: Vector | None = None, start: Vector | None = None) -> LowerSolution:
        at, first = self.x if x is None else x, self.start if start is None else start
        known = self.constants
        curvature = known.lower_smoothness + (abs(s) * known.upper_smoothness if s != 0.0 else 0.0)
        step = 1.0 / curvature if curvature > 0.0 else None  # NaN where nothing is declared
        return solve_lower(self.oracles, at, s, first, step=step, tolerance=self.tolerance)

    def residual(self, y: Vector) -> float:
        slope = self.lower(y)[1]
        moved = y - slope
        self.oracles.kernels.project_lower(self.oracles.kernels.data, moved)
        return float(np.linalg.norm(moved - y))

    def upper(self, y: Vector, x: Vector | None = None) -> tuple[Vector, Vector]:
        return self._ask(self.oracles.kernels.upper_gradient, y, x)

    def lower(self, y: Vector, x: Vector | None = None) -> tuple[Vector, Vector]:
        return self._ask(self.oracles.kernels.lower_gradient, y, x)

    def hessian(self, y: Vector, v: Vector) -> Vector:
        out = np.empty(y.size)
        kernels: Any = self.oracles.kernels
        kernels.lower_hessian_product(kernels.data, self.x, y, v, WHOLE, out)
        return out

    def cross(self, y: Vector, v: Vector) -> Vector:
        out = np.empty(self.x.size)
        kernels: Any = self.oracles.kernels
        kernels.lower_cross_product(kernels.data, self.x, y, v, WHOLE, out)
        return out

    def _ask(self, kernel: Any, y: Vector, x: Vector | None) -> tuple[Vector, Vector]:
        out_x, out_y = np.empty(self.x.size), np.empty(y.size)
        kernel(self.oracles.kernels.data, self.x if x is None else x, y, WHOLE, out_x, out_y)
        return out_x, out_y


def _start(problem: Any, oracles: Oracles, start: ArrayLike | None) -> Vector:
    if start is None:
        known = getattr(problem, "start", None)
        start = np.zeros(oracles.lower_dimension) if known is None else known[1]
    y = check_point(start, oracles.lower_dimension, "start")
    oracles.kernels.project_lower(oracles.kernels.data, y)
    return y


def _worst(*solutions: LowerSolution) -> str:
    return next((one.status for one in solutions if one.status != "converged"), "converged")


def _by_penalty(how: _How, s: float, order: int, richardson: bool) -> HyperGradient:
    z = how.solve(0.0)
    if order == 1:
        one, y = _one_sided(how, s, z)
        solutions, gradient = [z, y], one
        if richardson:
            half, closer = _one_sided(how, s / 2.0, z)
            gradient = 2.0 * half - one
            solutions.append(closer)
            y = closer
        value = _value(how, y.y, z.y, s / 2.0 if richardson else s)
    else:
        gradient, solutions, value = np.zeros(how.x.size), [z], math.nan
        y = z
        for j, weight in enumerate(stencil_weights(order // 2), start=1):
            sides = [how.solve(sign * j * s, start=z.y) for sign in (1.0, -1.0)]
            slopes = [
                sign * j * s * how.upper(one.y)[0] + how.lower(one.y)[0]
                for sign, one in zip((1.0, -1.0), sides, strict=True)
            ]
            gradient += weight * (slopes[0] - slopes[1]) / s
            solutions += sides
            y = sides[0] if j == 1 else y
    known, residuals = how.constants, [one.residual for one in solutions]
    bound = math.nan
    convexity = known.strong_convexity - s * known.upper_smoothness  # of s f + g at least
    if convexity > 0.0 and known.lower_smoothness > 0.0 and order == 1:
        reach = (known.lower_smoothness + s * known.upper_smoothness) / s
        # Richardson takes twice the gradient at s / 2, whose reach is twice as long, and once that at s.
        bound = reach * 2.0 / convexity * sum(residuals) * (5.0 if richardson else 1.0)
    status = _worst(*solutions)
    return HyperGradient(
        gradient, "penalty", y.y, value, max(residuals), bound, math.nan, status == "converged", status
    )


def _one_sided(how: _How, s: float, z: LowerSolution) -> tuple[Vector, LowerSolution]:
    """grad_x f(x, y_s) + (grad_x g(x, y_s) - grad_x g(x, z)) / s, the difference before the division."""
    y = how.solve(s, start=z.y)
    return how.upper(y.y)[0] + (how.lower(y.y)[0] - how.lower(z.y)[0]) / s, y


def _value(how: _How, y: Vector, z: Vector, s: float) -> float:
    problem, x = how.problem, how.x
    return float(problem.upper(x, y)) + (float(problem.lower(x, y)) - float(problem.lower(x, z))) / s


def _by_differences(how: _How, difference: float) -> HyperGradient:
    """Central differences of psi: the problem's own value, or f at lower solves."""
    knows = hasattr(how.problem, "value")
    if knows:
        try:
            how.problem.value(how.x)
        except NotImplementedError:
            knows = False
    middle = how.solve(0.0)
    statuses, residuals = [middle], [middle.residual]

    def psi(x: Vector) -> float:
        if knows:
            return float(how.problem.value(x))
        found = how.solve(0.0, x=x, start=middle.y)
        statuses.append(found)
        residuals.append(found.residual)
        return float(how.problem.upper(x, found.y))

    gradient = np.empty(how.x.size)
    for i in range(how.x.size):
        step = difference * (1.0 + abs(how.x[i]))
        ends = [how.x.copy(), how.x.copy()]
        ends[0][i] += step
        ends[1][i] -= step
        gradient[i] = (psi(ends[0]) - psi(ends[1])) / (ends[0][i] - ends[1][i])
    status = "converged" if knows else _worst(*statuses)
    value = float(how.problem.upper(how.x, middle.y))
    return HyperGradient(
        gradient, "finite_differences", middle.y, value, max(residuals), math.nan, math.nan,
        status == "converged" and bool(np.isfinite(gradient).all()), status,
    )  # fmt: skip


def _by_unrolling(how: _How, steps: int) -> HyperGradient:
    """T projected gradient steps, differentiated in reverse by products."""
    from optimization.bilevel.lower_level import curvature_along

    known = how.constants.lower_smoothness
    eta = 1.0 / (known if known > 0.0 else 2.0 * curvature_along(how.oracles, how.x, how.start, 0.0))
    path, before = [how.start], []
    kernels = how.oracles.kernels
    for _ in range(steps):
        wanted = path[-1] - eta * how.lower(path[-1])[1]
        y = wanted.copy()
        kernels.project_lower(kernels.data, y)
        path.append(y)
        before.append(wanted)
    fx, p = how.upper(path[-1])
    d = fx.copy()
    for t in range(steps - 1, -1, -1):
        size = float(np.linalg.norm(p))
        if size > 0.0 and not np.array_equal(path[t + 1], before[t]):  # the projection's Jacobian, by a difference
            ends = [before[t] + sign * 1e-7 / size * p for sign in (1.0, -1.0)]
            for end in ends:
                kernels.project_lower(kernels.data, end)
            p = (ends[0] - ends[1]) * (size / 2e-7)
        d -= eta * how.cross(path[t], p)
        p = p - eta * how.hessian(path[t], p)
    residual = float(np.linalg.norm(path[-1] - path[-2])) / eta
    status = "converged" if residual <= 1e-6 * (1.0 + float(np.linalg.norm(how.lower(how.start)[1]))) else "max_iter"
    status = status if np.isfinite(d).all() else "diverged"
    # What is left of grad_y f after T steps is what the iterations have not differentiated away.
    left = float(np.linalg.norm(p)) / (1.0 + float(np.linalg.norm(how.upper(path[-1])[1])))
    return HyperGradient(
        d, "itd", path[-1], float(how.problem.upper(how.x, path[-1])), residual, math.nan, left,
        status == "converged" and left <= 1e-3, status,
    )  # fmt: skip


def _by_implicit(how: _How, solution: LowerSolution, solver: str, turns: int | None, steps: int) -> HyperGradient:
    """g_yy v = grad_y f by products; Y is taken for the whole space, and a solution at its edge is not regular."""
    if solver not in ("cg", "neumann"):
        raise ValueError(f"solver: {solver!r} is not one of cg, neumann, dense")
    fx, b = how.upper(solution.y)
    status, size = solution.status, float(np.linalg.norm(b))
    if solver == "cg":
        v = np.zeros_like(b)
        most = b.size + 10 if turns is None else whole_number(turns, "turns", 1)
        loop = how.oracles.loop(conjugate_gradients)
        if not loop(how.oracles.kernels, how.x, solution.y, b, v, most, 1e-14):
            status = "indefinite_lower_hessian"
    else:
        known = how.constants.lower_smoothness
        eta = 1.0 / known if known > 0.0 else solution.step
        v, p = eta * b, b.copy()
        for _ in range(steps if turns is None else whole_number(turns, "turns", 1)):
            p = p - eta * how.hessian(solution.y, p)
            v += eta * p
    left = float(np.linalg.norm(b - how.hessian(solution.y, v))) / (1.0 + size)
    inside = float(np.linalg.norm(how.lower(solution.y)[1])) <= 1e-6 * (1.0 + size)
    gradient = fx - how.cross(solution.y, v)
    return HyperGradient(
        gradient, "aid", solution.y, float(how.problem.upper(how.x, solution.y)), solution.residual, math.nan, left,
        status == "converged" and left <= 1e-3 and inside, status,
    )  # fmt: skip


def _by_formula(how: _How, solution: LowerSolution, method: str) -> HyperGradient:
    """Y = Pi(y - gamma grad_y g) differentiated: grad_x f - gamma g_xy J' (I - J (I - gamma g_yy))'^+ grad_y f.

    J is the Jacobian of the projection, by differences from both sides: where they differ, a constraint is active
    without force, and psi need not be differentiable. Without constraints it is grad_x f - g_xy g_yy^+ grad_y f.
    """
    y, dy = solution.y, solution.y.size
    fx, fy = how.upper(y)
    identity = np.eye(dy)
    hessian = np.array([how.hessian(y, one) for one in identity])
    mixed = np.array([how.cross(y, one) for one in identity])  # row j: d (grad_y g)_j / dx
    largest = float(np.linalg.norm(hessian, 2))
    gamma = 1.0 / largest if largest > 0.0 else 1.0
    one_sided = [_projection_jacobian(how, y - gamma * how.lower(y)[1], sign) for sign in (1.0, -1.0)]
    jacobian = 0.5 * (one_sided[0] + one_sided[1])
    kinked = float(np.abs(one_sided[0] - one_sided[1]).max()) > 1e-4
    system = identity - jacobian @ (identity - gamma * hessian)
    inverse = np.linalg.pinv(system.T, rcond=1e-10)
    adjoint = inverse @ fy
    left = float(np.linalg.norm(fy - system.T @ adjoint)) / (1.0 + float(np.linalg.norm(fy)))
    answer = gamma * jacobian @ mixed
    missed = answer - system @ (np.linalg.pinv(system, rcond=1e-10) @ answer)
    left = max(left, float(np.linalg.norm(missed)) / (1.0 + float(np.linalg.norm(answer))))
    gradient = fx - answer.T @ adjoint
    regular = solution.status == "converged" and left <= _REGULAR and not kinked
    return HyperGradient(
        gradient, method, y, float(how.problem.upper(how.x, y)), solution.residual, math.nan, left, regular,
        solution.status,
    )  # fmt: skip


def _projection_jacobian(how: _How, point: Vector, sign: float) -> Vector:
    """Column j: how the projection moves with coordinate j, from one side."""
    kernels, size = how.oracles.kernels, 1e-7 * (1.0 + float(np.abs(point).max()))
    base = point.copy()
    kernels.project_lower(kernels.data, base)
    columns = np.empty((point.size, point.size))
    for j in range(point.size):
        moved = point.copy()
        moved[j] += sign * size
        step = moved[j] - point[j]
        kernels.project_lower(kernels.data, moved)
        columns[:, j] = (moved - base) / step
    return columns
