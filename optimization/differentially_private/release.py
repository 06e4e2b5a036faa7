"""Runs whose result may be released: whole-number sums, exact noise, randomness of the operating system.

Floating-point noise leaks: sums of doubles and normal draws do not have full support, and their low-order bits tell
records apart. Here every record's clipped vector is cut to a lattice towards zero, which makes no norm larger; whole
numbers are added exactly, and exact discrete Gaussian noise is added to them. What comes after is computed from
releases alone.

The guarantee is that of the whole-number mechanism (zCDP; C. L. Canonne, G. Kamath, T. Steinke, NeurIPS 2020). Timing
is out of scope: the time of a draw depends on it. Derived here, as the project's specification states it.
"""

from __future__ import annotations

import math
import secrets
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algos.contracts import Trajectory
from algos.privacy import Adjacency, exact_discrete_gaussian, zcdp_epsilon
from optimization.differentially_private.problem import public_gradient

__all__ = ["Lattice", "lattice_for", "release_multipliers", "release_run", "rho_for"]

_FINENESS = 20  # the lattice's step is at most 2^-20 of the reach
_LARGEST_SUM = 2**62


class Lattice(NamedTuple):
    """Where a release's sums lie.

    Parameters
    ----------
    reach : float
        C: no record's vector is longer, after clipping to ``target`` and cutting to the lattice.
    step : float
        g, a power of two with g sqrt(d) <= 2^-20 C.
    target : float
        Norm to which vectors are clipped, a little below C, so that rounding cannot exceed it.
    """

    reach: float
    step: float
    target: float


def lattice_for(reach: float, dimension: int, n_records: int) -> Lattice:
    """The lattice for vectors of norm at most `reach`.

    Parameters
    ----------
    reach : float > 0
        Public; rounded up by 2^-30 of itself.
    dimension, n_records : int >= 1

    Raises
    ------
    ValueError
        When sums could leave the whole numbers of 62 bits.
    """
    if not 0.0 < reach < math.inf:
        raise ValueError(f"reach: {reach!r} is not a finite number > 0")
    bound = reach * (1.0 + 2.0**-30)
    step = 2.0 ** math.floor(math.log2(bound * 2.0**-_FINENESS / math.sqrt(dimension)))
    if n_records * bound / step >= _LARGEST_SUM:
        raise ValueError(f"n_records: {n_records} records of dimension {dimension} are too many for sums of 62 bits")
    # Norms are computed with a relative error of about d 2^-53.
    return Lattice(bound, step, bound * (1.0 - max(2.0**-40, dimension * 2.0**-50)))


def rho_for(epsilon: float, delta: float) -> float:
    """The largest rho for which rho-zCDP keeps the budget, up to rounding and never more.

    Parameters
    ----------
    epsilon : float > 0, finite
    delta : float in (0, 1)
    """
    low, high = 0.0, 1.0
    while zcdp_epsilon(high, delta) <= epsilon:
        low, high = high, 2.0 * high
    for _ in range(200):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (middle, high) if zcdp_epsilon(middle, delta) <= epsilon else (low, middle)
    return low


def release_multipliers(method: Any, anchors: int, variations: int) -> tuple[float, float]:
    """Noise multipliers of anchors and variations that keep the method's budget.

    Parameters
    ----------
    method : PrivateSpiderBoost
    anchors, variations : int >= 0
        How many of each; at least one anchor.
    """
    rho = rho_for(method.epsilon, method.delta) * (1.0 - 1e-9)  # more than rounding of the sum can take
    share = method.anchor_share if variations > 0 else 1.0
    return (
        math.sqrt(anchors / (2.0 * share * rho)),
        math.sqrt(variations / (2.0 * (1.0 - share) * rho)) if variations > 0 else 0.0,
    )


def release_run(
    method: Any, problem: Any, releases: int, phase: int, step: float, w: NDArray[np.float64]
) -> Trajectory:
    """Take T steps of `PrivateSpiderBoost` with all records in every release.

    Parameters
    ----------
    method : PrivateSpiderBoost
    problem : FiniteSum with ``lattice_gradient_sum`` and ``lattice_variation_sum``
    releases, phase, step
        T, q and eta.
    w : float, shape (d,)
        The start.
    """
    for name in ("lattice_gradient_sum", "lattice_variation_sum"):
        if not hasattr(problem, name):
            raise ValueError(f"problem: has no method {name}, which a release needs")
    n, d = problem.n_records, problem.dimension
    anchors = -(-releases // phase)
    variations = releases - anchors
    multipliers = release_multipliers(method, anchors, variations)
    sides = 2 if method.adjacency == "replace_one" else 1
    chosen = secrets.randbelow(releases) if method.output == "uniform" else -1
    before, base, estimate, total, result = w, np.zeros(d), np.zeros(d), np.zeros(d), w
    spent, status = 0.0, "finished"
    for t in range(releases):
        if t == chosen:
            result = w
        total = total + w
        anchor = t % phase == 0
        reach = problem.lipschitz
        if not anchor:
            reach = min(problem.smoothness * float(np.linalg.norm(w - before)), 2.0 * problem.lipschitz)
        if anchor:
            estimate = np.zeros(d)
        elif method.against_anchor:
            estimate = base
        if reach > 0.0:  # at the same point nothing has changed, and nothing is asked
            lattice = lattice_for(reach, d, n)
            if anchor:
                summed = problem.lattice_gradient_sum(w, clip=lattice.target, step=lattice.step)
            else:
                summed = problem.lattice_variation_sum(w, before, clip=lattice.target, step=lattice.step)
            noise, cost = _noise(lattice, multipliers[0 if anchor else 1], sides, d)
            spent += cost
            released = np.array([int(one) + two for one, two in zip(summed.tolist(), noise, strict=True)], dtype=object)
            estimate = estimate + np.array([float(value) for value in released]) * (lattice.step / n)
        if anchor:
            base = estimate
        with np.errstate(over="ignore", invalid="ignore"):  # a status says it
            moved = w - step * (estimate + public_gradient(problem, w))
        if not np.isfinite(moved).all():
            status = "diverged"  # which is a function of what was released
            break
        if anchor or not method.against_anchor:
            before = w
        w = moved
    if method.output == "last" or status != "finished":
        result = w
    elif method.output == "average":
        result = total / releases
    accounted = zcdp_epsilon(spent, method.delta)
    return Trajectory(
        np.array([releases]),
        {},
        {
            "iterate": result,
            "epsilon": accounted,
            "delta": method.delta,
            "adjacency": method.adjacency,
            "sampling": "full",
            "accountant": "zcdp",
            "noise_multiplier": np.array(multipliers),
            "step": step,
            "phase": phase,
            "status": status,
            "statement": _statement(accounted, method.delta, method.adjacency, releases),
        },
    )


def _noise(lattice: Lattice, multiplier: float, sides: int, d: int) -> tuple[list[int], float]:
    """Exact noise for each coordinate, and the rho that it costs."""
    sensitivity = sides * Fraction(lattice.reach) / Fraction(lattice.step)
    variance = math.ceil((sensitivity * Fraction(multiplier)) ** 2)
    return exact_discrete_gaussian(variance, d), float(sensitivity**2 / (2 * variance))


def _statement(epsilon: float, delta: float, adjacency: Adjacency, releases: int) -> str:
    unit = (
        "the values of one record may be any others"
        if adjacency == "replace_one"
        else "one record may be there or not, their nominal number being public"
    )
    return (
        f"({epsilon:.6g}, {delta:g})-differential privacy ({adjacency}: {unit}), for {releases} releases of sums of "
        "all records with exact discrete Gaussian noise from the operating system, accounted by zero-concentrated "
        "differential privacy. It covers the returned iterate and everything computed from it, not the time that the "
        "run took, and it holds whatever the records are, as long as row bounds, scales and other constants were "
        "chosen without them."
    )
