"""Noise in floating-point numbers, for simulations: Gaussian, Laplace, and discrete Laplace.

Sources: C. Dwork, A. Roth, "The algorithmic foundations of differential privacy", 2014; A. Ghosh, T. Roughgarden,
M. Sundararajan, "Universally utility-maximizing privacy mechanisms", 2009 (discrete Laplace, there called geometric).

Low-order bits of floating-point noise tell more than the theory allows (I. Mironov, "On significance of the least
significant bits for differential privacy", 2012): made for research, not for release; see `algos.privacy.exact_noise`.
Discrete Laplace noise on whole-number sums has no such bits.
"""

from __future__ import annotations

import math

from numba import njit

from algos.guarantees import guarantee
from algos.privacy.budgets import check_discrete_epsilon

__all__ = ["discrete_laplace", "discrete_laplace_variance", "gaussian", "laplace"]


@njit(cache=True, forceinline=True)
def gaussian(sigma, rng):
    """One draw of a normal law with mean 0 and this standard deviation."""
    return sigma * rng.standard_normal()


@njit(cache=True, forceinline=True)
def laplace(scale, rng):
    """One draw of density exp(-|x| / scale) / (2 scale)."""
    return scale * rng.laplace(0.0, 1.0)


@njit(cache=True, forceinline=True)
def discrete_laplace(epsilon, rng):
    """One whole number k with chance proportional to exp(-epsilon |k|), epsilon >= 1e-15: two geometrics."""
    success = -math.expm1(-epsilon)
    return float(rng.geometric(success) - rng.geometric(success))


@guarantee("Ghosh, Roughgarden & Sundararajan 2009", kind="identity", algorithm="discrete Laplace", evidence="derived")
def discrete_laplace_variance(epsilon: float) -> float:
    """Variance of discrete Laplace noise: 2 a / (1 - a)^2 with a = exp(-epsilon).

    Parameters
    ----------
    epsilon : float in [1e-15, inf]
        Privacy budget for a whole-number sum that one record moves by at most 1.
    """
    return 2.0 * math.exp(-check_discrete_epsilon(epsilon)) / math.expm1(-epsilon) ** 2
