"""Kernels: what Numba must keep for the twin tests to need no tolerance (see also test_contracts.py)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.kernels import compiled, interpreted


def draws(rng, scale, shape, chance, trials):
    return (
        rng.random(),
        rng.standard_normal(),
        rng.normal(1.0, scale),
        rng.exponential(scale),
        rng.gamma(shape, scale),
        rng.beta(shape, scale),
        rng.binomial(trials, chance),
        rng.laplace(0.0, scale),
        rng.poisson(scale),
        rng.geometric(chance),
        rng.weibull(shape),
        rng.chisquare(shape),
    )


# The shapes are arguments: for a shape of 0.5 written into a kernel, LLVM turns pow(u, 1 / 0.5) into u * u, whose
# last bit is another one in about one draw of a thousand.
@given(st.integers(0, 2**64), st.floats(0.1, 10), st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.3]), st.floats(0.01, 0.99))
def test_a_generator_draws_the_same_bits_in_both_lives(seed, scale, shape, chance):
    fast, slow = np.random.default_rng(seed), np.random.default_rng(seed)
    for _ in range(20):
        expected = draws(slow, scale, shape, chance, 20)
        assert compiled(draws)(fast, scale, shape, chance, 20) == expected
    assert fast.bit_generator.state == slow.bit_generator.state


def adder(amount):
    def add(x):
        return x + amount

    return add


def test_functions_made_by_one_maker_are_different_kernels():
    one, two = adder(1), adder(2)
    assert compiled(one) is not compiled(two)
    assert (compiled(one)(10), compiled(two)(10)) == (11, 12)
    assert interpreted(compiled(two)) is two


def refuse(x):
    if x < 0:
        raise ValueError("x: is below 0")
    return x


@pytest.mark.parametrize("form", [compiled, interpreted])
def test_errors_pass_through_both_lives(form):
    assert form(refuse)(3) == 3
    with pytest.raises(ValueError, match=r"^x: is below 0$"):
        form(refuse)(-1)
