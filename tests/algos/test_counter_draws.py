"""Counter-based draws: published known answers, NumPy-free repetition, and moments."""

import numpy as np
import pytest
from scipy import stats

from algos.counter_draws import normal_pair, philox, whole_below


def words(text):
    return [np.uint64(int(word, 16)) for word in text.split()]


@pytest.mark.parametrize(
    ("key", "counter", "answer"),
    [  # the known answers that come with Random123
        ("0 0", "0 0 0 0", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff", "ffffffff ffffffff ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("a4093822 299f31d0", "243f6a88 85a308d3 13198a2e 03707344", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_known_answers(key, counter, answer):
    for form in (philox, philox.py_func):
        assert [int(word) for word in form(*words(key), *words(counter))] == [int(word, 16) for word in answer.split()]


def test_normal_numbers_have_their_law_and_depend_on_every_argument():
    draws = np.array([normal_pair(7, sample, 0, pair) for sample in range(2000) for pair in range(5)])
    assert stats.kstest(draws.ravel(), "norm").pvalue > 1e-6
    assert abs(np.corrcoef(draws.T)[0, 1]) < 6 / np.sqrt(len(draws))
    base = normal_pair(7, 2**40 + 3, 1, 2)
    assert base == normal_pair(7, 2**40 + 3, 1, 2)
    others = [(8, 2**40 + 3, 1, 2), (7, 3, 1, 2), (7, 2**40 + 3, 0, 2), (7, 2**40 + 3, 1, 3)]
    assert len({base, *(normal_pair(*other) for other in others)}) == 5


def test_whole_numbers_are_uniform():
    draws = np.array([whole_below(6, 0, sample, 1, 0) for sample in range(6000)])
    assert set(draws.tolist()) == set(range(6))
    assert stats.chisquare(np.bincount(draws)).pvalue > 1e-6
