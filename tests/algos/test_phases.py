"""The k-phases against their slow versions, and what is known of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos import clean_pages, effective_requests, k_phases, optimal_faults, phase_bits
from algos.phases import clean_page_bound
from tests.reference import paging_predictions as reference

REQUESTS = st.lists(st.integers(0, 6), max_size=60)
SIZES = st.integers(1, 9)


@given(REQUESTS, SIZES)
def test_phases_bits_and_clean_pages_are_those_of_the_slow_versions(sequence, k):
    assert k_phases(sequence, 7, k).tolist() == reference.phases(sequence, k)
    assert clean_pages(sequence, 7, k).tolist() == reference.clean_pages(sequence, k)
    assert effective_requests(sequence, 7, k).tolist() == reference.effective(sequence, k)
    bits, defined = phase_bits(sequence, 7, k)
    slow_bits, slow_defined = reference.phase_bits(sequence, k)
    assert defined.tolist() == slow_defined
    assert bits.tolist() == slow_bits


@pytest.mark.guarantee("clean_page_bound")
@given(REQUESTS, SIZES)
def test_clean_pages_are_at_most_twice_the_optimum(sequence, k):
    assert clean_pages(sequence, 7, k).sum() <= clean_page_bound(optimal_faults(sequence, 7, k))


@given(REQUESTS, SIZES)
def test_a_complete_phase_has_as_many_clean_pages_as_ones_before_it(sequence, k):
    phases, clean = k_phases(sequence, 7, k), clean_pages(sequence, 7, k)
    bits, defined = phase_bits(sequence, 7, k)
    counted = defined & effective_requests(sequence, 7, k)
    for phase in range(1, len(clean) - 1):  # all but the last are complete
        assert bits[counted & (phases == phase - 1)].sum() == clean[phase]


@pytest.mark.parametrize(
    ("sequence", "k", "bits"), [("abcabc", 2, "0101--"), ("abcdabcdabcd", 3, "001001001---")]
)  # the specification, section 8
def test_the_bits_of_the_specification(sequence, k, bits):
    found, defined = phase_bits(["abcd".index(page) for page in sequence], 4, k)
    assert "".join(str(bit) if known else "-" for bit, known in zip(found, defined, strict=True)) == bits


def test_repeated_requests_after_the_last_page_still_belong_to_the_phase():
    assert k_phases([0, 1, 1, 0, 1, 2], 3, 2).tolist() == [0, 0, 0, 0, 0, 1]


def test_an_empty_trace_has_no_phase():
    assert k_phases([], 1, 2).tolist() == clean_pages([], 1, 2).tolist() == effective_requests([], 1, 2).tolist() == []
    assert [part.tolist() for part in phase_bits([], 1, 2)] == [[], []]


@pytest.mark.parametrize("function", [k_phases, clean_pages, effective_requests, phase_bits])
def test_bad_arguments_are_named(function):
    with pytest.raises(ValueError, match="cache_size: 0 is below 1"):
        function([0], 1, 0)
    with pytest.raises(ValueError, match="id 1 at index 0 is outside"):
        function([1], 1, 1)
