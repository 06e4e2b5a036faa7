"""Arms whose means are linear in sparse coefficients up to an error: misspecified linear bandits.

Source: J. Dong, L. Yang, "Does sparsity help in learning misspecified linear bandits?", ICML 2023, arXiv:2303.16998.
The constructions of the aligned adversary and of needles from packings are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import PlainValidator

from algos.arrays import FiniteMatrix, FiniteVector
from algos.contracts import NonNegative, check_generator, description, whole_number
from algos.optimal_design import g_optimal_design

__all__ = ["MisspecifiedLinearArms", "aligned_adversary"]

_NAMES = ("none", "signs", "uniform", "cancel", "smooth", "aligned")
Adversary = Literal["none", "signs", "uniform", "cancel", "smooth", "aligned"]


def _name_or_vector(value: Any) -> Any:
    if isinstance(value, str):
        if value not in _NAMES:
            raise ValueError(f"must be a vector of errors or one of {', '.join(_NAMES)}")
        return value
    try:
        errors = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"must be a vector of errors or one of {', '.join(_NAMES)}") from None
    if errors.ndim != 1 or errors.size == 0 or not np.isfinite(errors).all():
        raise ValueError(f"must be a non-empty vector of finite numbers, got shape {errors.shape}")
    errors.flags.writeable = False
    return errors


class _Parameters(NamedTuple):
    means: np.ndarray  # (K,) float64
    sigma: float


@description
class MisspecifiedLinearArms:
    """Arms with means <features, theta> + error, where no error is larger than `misspecification`.

    Parameters
    ----------
    features : array of float, shape (K, d)
        One row an arm.
    theta : array of float, shape (d,)
        The coefficients, which policies do not know; few of them are not 0.
    misspecification : float >= 0
        eps.
    adversary : str or array of float, shape (K,)
        The errors: given, or "none"; "signs", +-eps at random; "uniform" on [-eps, eps]; "cancel", toward a mean of 0
        as far as eps goes; "smooth", eps sin of the arm's number; "aligned", against least squares on a G-optimal
        design (`aligned_adversary`). Random ones are drawn by ``sample``, which every run calls.
    sigma : float >= 0
        Standard deviation of normal noise around the mean; 0 gives the mean itself.

    Examples
    --------
    >>> arms = MisspecifiedLinearArms(np.eye(3), [0, 0.9, 0], misspecification=0.1, adversary=[0.1, -0.1, 0.1])
    >>> arms.means
    array([0.1, 0.8, 0.1])
    """

    features: FiniteMatrix
    theta: FiniteVector
    misspecification: NonNegative = 0.0
    adversary: Annotated[Any, PlainValidator(_name_or_vector)] = "none"
    sigma: NonNegative = 0.0

    def __post_init__(self) -> None:
        k, d = self.features.shape
        if self.theta.size != d:
            raise ValueError(f"theta: has {self.theta.size} entries, but a feature vector has {d}")
        if isinstance(self.adversary, np.ndarray):
            if self.adversary.size != k:
                raise ValueError(f"adversary: has {self.adversary.size} entries for {k} arms")
            largest = np.abs(self.adversary).max()
            if largest > self.misspecification * (1 + 1e-12):
                raise ValueError(
                    f"adversary: an error of {largest:g} is above misspecification = {self.misspecification}"
                )

    @classmethod
    def needle(cls, features: Any, arm: int, height: float) -> MisspecifiedLinearArms:
        """Mean `height` for one arm and 0 for all others, as linear as the features allow: the hard instances.

        The coefficients are `height` times the arm's features; what they give to others is cancelled, and is the
        misspecification.

        Parameters
        ----------
        features : array of float, shape (K, d)
            Unit vectors, as from `set_packing`, `polynomial_packing` or `hadamard_features`.
        arm : int in 0..K-1
            The needle.
        height : float in (0, 1]
            Its mean.
        """
        rows = np.asarray(features, dtype=np.float64)
        if rows.ndim != 2 or np.abs(np.linalg.norm(rows, axis=1) - 1).max() > 1e-9:
            raise ValueError("features: must be a matrix whose rows have norm 1")
        if not 0 < height <= 1:
            raise ValueError(f"height: {height!r} is outside (0, 1]")
        place = whole_number(arm, "arm", 0)
        if place >= len(rows):
            raise ValueError(f"arm: {arm} is outside 0..{len(rows) - 1}")
        linear = height * (rows @ rows[place])
        errors = -linear
        errors[place] = height - linear[place]
        return cls(rows, height * rows[place], float(np.abs(errors).max()), errors)

    def sample(self, rng: np.random.Generator) -> MisspecifiedLinearArms:
        """The same arms with the errors of a named adversary made out."""
        if isinstance(self.adversary, np.ndarray):
            return self
        eps, k = self.misspecification, self.n_arms
        if self.adversary in ("signs", "uniform"):
            uniform = check_generator(rng, "drawing the errors").random(k)
            errors = np.where(uniform < 0.5, -eps, eps) if self.adversary == "signs" else eps * (2 * uniform - 1)
        elif self.adversary == "cancel":
            errors = -np.clip(self.linear_means, -eps, eps)
        elif self.adversary == "smooth":
            errors = eps * np.sin(np.arange(k))
        elif self.adversary == "aligned":
            errors = aligned_adversary(self.features, self.theta, eps)
        else:
            errors = np.zeros(k)
        return MisspecifiedLinearArms(self.features, self.theta, eps, errors, self.sigma)

    @property
    def n_arms(self) -> int:
        """Number of arms, K."""
        return len(self.features)

    @property
    def linear_means(self) -> NDArray[np.float64]:
        """<features, theta>, shape (K,)."""
        return np.asarray(self.features @ self.theta)

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean reward of each arm, shape (K,); of random adversaries only once they are drawn."""
        if isinstance(self.adversary, np.ndarray):
            return np.asarray(self.linear_means + self.adversary)
        if self.adversary in ("signs", "uniform"):
            raise ValueError(f"adversary: {self.adversary!r} is random; sample(rng) draws the arms")
        return self.sample(np.random.default_rng(0)).means

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Best mean minus each arm's mean, shape (K,)."""
        means = self.means
        return np.asarray(means.max() - means)

    def parameters(self) -> _Parameters:
        """What the kernels read."""
        return _Parameters(self.means, self.sigma)

    def kernel(self) -> Callable[..., Any]:
        """Draw one reward: ``pull(params, arm, rng)``."""
        return _pull

    def sum_kernel(self) -> Callable[..., Any]:
        """Draw a sum of many rewards, one normal: ``draw_sum(params, arm, first, count, rng)``."""
        return _draw_sum


def aligned_adversary(
    features: NDArray[np.float64],
    theta: NDArray[np.float64],
    eps: float,
    *,
    tolerance: float = 0.05,
    candidates: int = 400,
) -> NDArray[np.float64]:
    """Errors that make least squares on a G-optimal design name as bad an arm as they can, shape (K,).

    For a target arm b every supporting arm's error has the sign of its weight in the estimate for b; b itself has -eps,
    and the best linear arm +eps. Of the targets that least squares then names, the one with the largest gap is taken.

    Parameters
    ----------
    features : float array, shape (K, d)
        One row an arm.
    theta : float array, shape (d,)
        The coefficients.
    eps : float >= 0
        Largest error.
    tolerance : float in (0, 1)
        Of the design: `bandits.GOptimalLeastSquares` has the same.
    candidates : int >= 1
        Targets that are tried: the best arms by linear mean.
    """
    rows, linear = np.asarray(features, dtype=np.float64), np.asarray(features @ theta)
    weights = g_optimal_design(rows, tolerance=tolerance, reduce_support=False)
    inverse = np.linalg.pinv((rows.T * weights) @ rows, hermitian=True)
    best = int(np.argmax(linear))
    chosen, largest = np.zeros(len(rows)), -math.inf
    for target in np.argsort(-linear, kind="stable")[:candidates]:
        errors = np.where(rows @ (inverse @ rows[target]) >= 0, eps, -eps)
        errors[target], errors[best] = -eps, eps
        means = linear + errors
        named = int(np.argmax(rows @ (inverse @ (rows.T @ (weights * means)))))
        gap = float(means.max() - means[named])
        if gap > largest:
            chosen, largest = errors, gap
    return chosen


@njit(cache=True)
def _pull(params, arm, rng):
    if params.sigma == 0.0:
        return params.means[arm]
    return params.means[arm] + params.sigma * rng.standard_normal()


@njit(cache=True)
def _draw_sum(params, arm, first, count, rng):
    if params.sigma == 0.0:
        return count * params.means[arm]
    return count * params.means[arm] + math.sqrt(count) * params.sigma * rng.standard_normal()
