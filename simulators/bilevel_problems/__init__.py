"""Bilevel problems with exact answers: what penalty methods and implicit differentiation are tried on."""

from simulators.bilevel_problems.counter_examples import CounterExample
from simulators.bilevel_problems.moreau import Moreau
from simulators.bilevel_problems.pl_toy import PLToy
from simulators.bilevel_problems.quadratic import QuadraticBilevel, random_quadratic
from simulators.bilevel_problems.quadratic_sums import QuadraticSum, random_quadratic_sum

__all__ = [
    "CounterExample",
    "Moreau",
    "PLToy",
    "QuadraticBilevel",
    "QuadraticSum",
    "random_quadratic",
    "random_quadratic_sum",
]
