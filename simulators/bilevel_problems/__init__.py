"""Bilevel problems with exact answers: what penalty methods and implicit differentiation are tried on."""

from simulators.bilevel_problems.quadratic import QuadraticBilevel, random_quadratic
from simulators.bilevel_problems.quadratic_sums import QuadraticSum, random_quadratic_sum

__all__ = ["QuadraticBilevel", "QuadraticSum", "random_quadratic", "random_quadratic_sum"]
