import math

import numpy as np
import pytest

from algos.arrays import FiniteMatrix, FiniteTensor, FiniteVector, PositiveVector, Probabilities, ProbabilityMatrix
from algos.contracts import description


@description
class Arrays:
    vector: FiniteVector = (0.0,)
    matrix: FiniteMatrix = ((0.0,),)
    shares: Probabilities = (0.5,)
    tensor: FiniteTensor = (((0.0,),),)
    scales: PositiveVector = (1.0,)
    chances: ProbabilityMatrix = ((0.5,),)


def test_arrays_are_float64_copies_that_cannot_be_changed():
    given = np.array([1, 2], dtype=np.int8)
    held = Arrays(vector=given).vector
    given[0] = 9
    assert held.dtype == np.float64
    assert held.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        held[0] = 3


@pytest.mark.parametrize("vector", [[1, 2], (1.0, 2.0), np.array([1.0, 2.0], dtype=np.float32), range(1, 3)])
def test_any_sequence_of_numbers_is_a_vector(vector):
    assert Arrays(vector=vector).vector.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("vector", [1.0, math.nan], "entry 1 is nan; every entry must be finite"),
        ("vector", [math.inf], "entry 0 is inf; every entry must be finite"),
        ("vector", [], "must be a non-empty vector"),
        ("vector", [[1.0]], r"must be a non-empty vector of numbers finite, got shape \(1, 1\)"),
        ("vector", 3.0, "must be a non-empty vector"),
        ("vector", ["a"], "must be a non-empty vector of numbers finite, not of"),
        ("vector", [True], "not of bool"),
        ("vector", [1j], "not of complex128"),
        ("vector", [[1.0], [1.0, 2.0]], "must be a non-empty vector"),
        ("vector", None, "must be a non-empty vector"),
        ("matrix", [1.0, 2.0], "must be a non-empty matrix"),
        ("matrix", [[1.0, math.nan]], r"entry \(0, 1\) is nan"),
        ("matrix", [[]], "must be a non-empty matrix"),
        ("shares", [0.5, -0.1], r"entry 1 is -0.1; every entry must be in \[0, 1\]"),
        ("shares", [1.5], r"entry 0 is 1.5; every entry must be in \[0, 1\]"),
        ("shares", [math.nan], "entry 0 is nan"),
        ("tensor", [[1.0]], "must be a non-empty array of three dimensions"),
        ("tensor", [[[1.0, math.nan]]], r"entry \(0, 0, 1\) is nan; every entry must be finite"),
        ("scales", [1.0, 0.0], "entry 1 is 0.0; every entry must be finite and > 0"),
        ("scales", [math.inf], "entry 0 is inf; every entry must be finite and > 0"),
        ("chances", [[0.5, 1.5]], r"entry \(0, 1\) is 1.5; every entry must be in \[0, 1\]"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place_and_range(field, value, message):
    with pytest.raises(ValueError, match=f"^Arrays: {field} = .*{message}"):
        Arrays(**{field: value})
