"""How stationary a released point is, itself released: one noisy norm with a confidence interval.

The norm of the mean gradient moves by at most 2 L0 / n when a record is replaced (L0 / n when one is added or removed,
with n public), so that one Gaussian release tells an honest number, which the bounds of a run, true of its average
iterate, cannot.
"""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from algos.contracts import check_generator
from algos.privacy import (
    Adjacency,
    check_adjacency,
    check_delta,
    check_epsilon,
    exact_discrete_gaussian,
    gaussian_mu,
    zcdp_epsilon,
)
from optimization.differentially_private.problem import FiniteSum, check_problem, check_start, public_gradient
from optimization.differentially_private.release import lattice_for, rho_for

__all__ = ["PrivateNorm", "private_gradient_norm"]

_SLACK = 1.0 + 1e-12
_FINENESS = 2.0**-30  # of the lattice of norms, relative to the sensitivity


class PrivateNorm(NamedTuple):
    """A released gradient norm.

    Parameters
    ----------
    estimate : float
        The noisy norm; it may be negative.
    lower, upper : float
        A confidence interval of the clipped gradient's norm, which is the true one where nothing is clipped.
    confidence : float
    epsilon, delta : float
        What it costs.
    adjacency : {"replace_one", "add_remove"}
    noise : float
        Standard deviation.
    """

    estimate: float
    lower: float
    upper: float
    confidence: float
    epsilon: float
    delta: float
    adjacency: Adjacency
    noise: float


def private_gradient_norm(
    problem: FiniteSum,
    w: ArrayLike,
    epsilon: float,
    delta: float,
    rng: np.random.Generator | None,
    *,
    adjacency: Adjacency = "replace_one",
    confidence: float = 0.95,
    mode: Literal["simulation", "release"] = "simulation",
) -> PrivateNorm:
    """Release |grad F(w)| with Gaussian noise.

    Records' gradients are clipped to L0; a public regulariser counts, and costs nothing. The budget is on top of what
    the point w cost: compose them.

    Parameters
    ----------
    problem : FiniteSum
    w : float, shape (d,)
        A point that was released already, or is public.
    epsilon : float > 0
    delta : float in (0, 1)
        A value of 1 / n or more is warned of.
    rng : numpy.random.Generator
        None with ``mode="release"``, whose noise is exact and the operating system's; it needs a problem with
        ``lattice_gradient_sum``.
    adjacency : {"replace_one", "add_remove"}
    confidence : float in (0, 1)
        Of the two-sided interval.
    mode : {"simulation", "release"}

    Examples
    --------
    >>> from simulators.erm import breast_cancer
    >>> found = private_gradient_norm(breast_cancer(), np.zeros(31), 1.0, 1e-5, np.random.default_rng(0))
    >>> bool(found.lower < 0.0700716537 < found.upper)
    True
    """
    n, d, lipschitz, _ = check_problem(problem)
    at = check_start(w, d)
    check_adjacency(adjacency)
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence: {confidence!r} is not in (0, 1)")
    if check_delta(delta) >= 1.0 / n:
        warnings.warn(f"delta = {delta:g} is not below 1 / n = {1 / n:g}", UserWarning, stacklevel=2)
    if check_epsilon(epsilon) == math.inf:
        raise ValueError("epsilon: inf asks for no noise; take the gradient itself")
    sides = 2.0 if adjacency == "replace_one" else 1.0
    if mode == "simulation":
        source = check_generator(rng, "private_gradient_norm")
        norm = float(np.linalg.norm(problem.gradient_sum(at, clip=lipschitz) / n + public_gradient(problem, at)))
        if not math.isfinite(norm):
            raise ValueError("problem: the gradient at w is not finite")
        noise = sides * _SLACK * lipschitz / n / gaussian_mu(epsilon, delta)
        estimate, spent = norm + noise * float(source.standard_normal()), float(epsilon)
    elif mode == "release":
        if rng is not None:
            raise ValueError(
                "rng: a release draws from the operating system; noise that can be repeated protects nobody"
            )
        estimate, noise, spent = _released(problem, at, n, d, lipschitz, sides, epsilon, delta)
    else:
        raise ValueError(f"mode: {mode!r} is neither 'simulation' nor 'release'")
    reach = noise * float(ndtri(0.5 + 0.5 * confidence))
    return PrivateNorm(
        estimate, max(0.0, estimate - reach), max(0.0, estimate + reach), confidence, spent, delta, adjacency, noise
    )


def _released(
    problem: Any, at: np.ndarray, n: int, d: int, lipschitz: float, sides: float, epsilon: float, delta: float
) -> tuple[float, float, float]:
    """The estimate, the noise and the epsilon of exact noise on a lattice of norms."""
    if not hasattr(problem, "lattice_gradient_sum"):
        raise ValueError("problem: has no method lattice_gradient_sum, which a release needs")
    lattice = lattice_for(lipschitz, d, n)
    summed = problem.lattice_gradient_sum(at, clip=lattice.target, step=lattice.step)
    regulariser = public_gradient(problem, at)
    norm = float(np.linalg.norm(np.array([float(int(one)) for one in summed]) * (lattice.step / n) + regulariser))
    sensitivity = sides * lattice.reach / n
    step = 2.0 ** math.floor(math.log2(sensitivity * _FINENESS))
    # One step for cutting to the lattice, and more than the rounding of a norm can be, by what is public of its size.
    most = 2.0 * lattice.reach + float(np.linalg.norm(regulariser))
    rounding = math.ceil(most * (d + 8) * 2.0**-52 / step)
    moves = Fraction(sensitivity) / Fraction(step) + 1 + 2 * rounding
    rho = rho_for(epsilon, delta) * (1.0 - 1e-9)
    variance = math.ceil(moves**2 / (2 * Fraction(rho)))
    drawn = math.floor(norm / step) + exact_discrete_gaussian(variance, 1)[0]
    return drawn * step, math.sqrt(variance) * step, zcdp_epsilon(float(moves**2 / (2 * variance)), delta)
