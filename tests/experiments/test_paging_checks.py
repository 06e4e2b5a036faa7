"""What the checks of paging stand on: exact expectations, the trap of marking, and runs that must not draw."""

import numpy as np
import pytest

from experiments.checks.exact_expectations import expected_faults, short_traces, tightest_expectation
from experiments.checks.paging_worlds import clean_page_count, faults_without_a_draw, optimum, returning_pages_trap
from online.paging import LRU, Mark0, MarkAndPredict, Marker, RandomEviction, harmonic_number
from simulators import Trace
from tests.online.runs import exact_mean


@pytest.mark.parametrize("make", [LRU, Marker, RandomEviction, Mark0, MarkAndPredict])
def test_expectations_are_exact(make):
    for trace in short_traces(np.random.default_rng(3), 5, 4, 8):
        expected = exact_mean(make(2), trace.requests.tolist(), trace.bits)
        assert expected_faults(make(2), trace) == pytest.approx(float(expected), rel=1e-12)


def test_rounding_hides_no_fault():
    assert tightest_expectation([(1.0 + 1e-12, 1.0)]).room == 0.0
    assert tightest_expectation([(1.0, 2.0), (1.0 + 1e-8, 1.0)]).room < 0.0


def test_in_the_trap_marking_loads_two_clean_pages_a_phase_and_the_optimum_one():
    trace = returning_pages_trap(6, 100)
    assert clean_page_count(trace, 6) == 6 + 2 * 99
    assert optimum(trace, 6) <= 6 + 100
    # Marker pays 2 (1 + H_k - H_2) in each phase but the first: two clean pages, and what it guesses wrong.
    paid = 4 + 2 * 2 * (1 + harmonic_number(4) - harmonic_number(2))
    assert expected_faults(Marker(4), returning_pages_trap(4, 3)) == pytest.approx(paid)


def test_a_draw_is_noticed():
    loop = Trace([0, 1, 2] * 5)
    with pytest.raises(AssertionError, match="Marker drew a random number"):
        faults_without_a_draw(Marker(2), loop, np.random.default_rng(0), compiled=False)
    assert faults_without_a_draw(Mark0(2), loop, np.random.default_rng(0), compiled=False) == optimum(loop, 2)
