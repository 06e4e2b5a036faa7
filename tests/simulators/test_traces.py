import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos import next_use
from simulators import DiscardBits, PredictedTrace, Trace, ZipfTrace, shipped_trace, shipped_traces
from simulators.page_ids import dense_page_ids, encode_with_arrow


def generator(seed=0):
    return np.random.default_rng(seed)


def by_dictionary(ids):
    codes = {}
    return [codes.setdefault(page, len(codes)) for page in ids], list(codes)


INTEGERS = st.integers(-(2**63), 2**63 - 1)
KINDS = st.one_of(
    st.lists(st.integers(-5, 5)),
    st.lists(INTEGERS),
    st.lists(st.text(max_size=3)),
    st.lists(st.binary(max_size=3)),
    st.lists(st.floats(allow_nan=False, allow_infinity=False)),
)


@given(KINDS)
def test_pages_are_numbered_in_order_of_first_occurrence(ids):
    trace = Trace(ids)
    codes, pages = by_dictionary(ids)
    assert trace.requests.tolist() == codes
    assert trace.requests.dtype == np.uint32
    assert trace.pages.tolist() == pages
    assert (len(trace), trace.n_pages) == (len(ids), len(pages))


@given(st.lists(st.integers(0, 50), min_size=1), st.sampled_from("bBhHiIlLqQ"))
def test_every_integer_type_is_taken(ids, code):
    assert Trace(np.array(ids, dtype=code)).requests.tolist() == by_dictionary(ids)[0]


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=300))
def test_table_and_hash_agree(ids):
    array = np.array(ids)
    assert dense_page_ids(array)[0].tolist() == encode_with_arrow(array)[0].tolist()


def test_ids_above_32_bits_and_unsigned_ones():
    big = [2**63 + 5, 1, 2**63 + 5, 2**64 - 1]
    assert Trace(np.array(big, dtype=np.uint64)).requests.tolist() == [0, 1, 0, 2]
    assert Trace(big).pages.tolist() == [2**63 + 5, 1, 2**64 - 1]


def test_a_trace_cannot_be_changed_and_keeps_its_own_copy():
    ids = np.array([3, 4, 3])
    trace = Trace(ids)
    ids[0] = 9
    assert trace.pages.tolist() == [3, 4]
    for array in (trace.requests, trace.pages, Trace([1], bits=[1]).bits):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1.0, math.nan], "id nan at index 1"),
        (np.array([1.0, math.inf]), "id inf at index 1"),
        ([1, "a"], "id 'a' at index 1 is not of one kind"),
        (["a", None], "id None at index 1 is not of one kind"),
        ([1, True], "id True at index 1"),
        ([True, False], "id True at index 0 is neither a number nor text"),
        (np.array([True]), "bool"),
        ([None], "neither a number nor text"),
        ([[1, 2], [3, 4]], "not one-dimensional"),
        (np.zeros((2, 2)), "not one-dimensional"),
        ([1j], "neither a number nor text"),
        ([2**70], "outside 64 bits"),
        (np.array([1, "a"], dtype=object), "not of one kind"),
    ],
)
def test_ids_that_are_no_pages_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        Trace(ids)


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        ([0, 1], r"shape \(2,\) does not match the 3 requests"),
        ([0, 1, 2], "2 at index 2"),
        ([0, 0.5, 1], "0.5 at index 1"),
        ([0, math.nan, 1], "nan at index 1"),
        ([0, -1, 1], "-1 at index 1"),
        (["0", "1", "1"], "neither 0 nor 1"),
        ([[0, 1, 1]], "shape"),
    ],
)
def test_bad_bits_are_refused(bits, message):
    with pytest.raises(ValueError, match=message):
        Trace("abc", bits=bits)


def test_bits_of_any_exact_type_are_taken():
    for bits in ([False, True, True], [0.0, 1.0, 1.0], np.array([0, 1, 1], dtype=np.int64)):
        assert Trace("abc").with_bits(bits).bits.tolist() == [0, 1, 1]


def test_fingerprints_tell_apart_what_algorithms_can():
    assert Trace("abca").fingerprint() == Trace([7, 8, 9, 7]).fingerprint()
    assert Trace("abca").fingerprint() != Trace("abcb").fingerprint()


# Parts of traces.


@given(st.lists(st.text("abcd", max_size=1)), st.data())
def test_a_part_of_a_trace_is_the_trace_of_that_part(ids, data):
    bits = data.draw(st.none() | st.lists(st.integers(0, 1), min_size=len(ids), max_size=len(ids)))
    times = st.lists(st.sampled_from([-1.0, 2.5, 7.0, math.inf]), min_size=len(ids), max_size=len(ids))
    arrivals = data.draw(st.none() | times)
    start, stop = (data.draw(st.none() | st.integers(-9, 9)) for _ in range(2))
    part = Trace(ids, bits=bits, arrivals=arrivals, name="mine")[start:stop]
    expected = Trace(ids[start:stop])
    assert (part.requests.tolist(), part.pages.tolist()) == (expected.requests.tolist(), expected.pages.tolist())
    assert part.bits is None if bits is None else part.bits.tolist() == bits[start:stop]
    if arrivals is None:
        assert part.arrivals is None
    else:
        skipped = range(len(ids))[start:stop].start
        assert part.arrivals.tolist() == [time - skipped for time in arrivals[start:stop]]
    assert part.name == "mine"


def test_true_times_stay_true_in_a_part():
    whole = ZIPF.with_arrivals(next_use(ZIPF.requests, ZIPF.n_pages))
    part = whole[1000:3000]
    true = next_use(part.requests, part.n_pages)
    assert np.minimum(part.arrivals, 2000).tolist() == true.tolist()


def test_a_part_cannot_be_changed_and_changes_nothing():
    trace = Trace("abca", bits=[0, 1, 0, 1], arrivals=[3, 9, 9, 9])
    part = trace[1:]
    for array in (part.requests, part.pages, part.bits, part.arrivals):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert trace.arrivals.tolist() == [3, 9, 9, 9]


@pytest.mark.parametrize("step", [2, -1, -2])
def test_parts_are_of_requests_that_follow_each_other(step):
    with pytest.raises(ValueError, match=f"^step: {step} is not 1"):
        Trace("abc")[::step]


def test_single_requests_are_pages():
    ids = ["a", "b", "a", "c"]
    trace = Trace(ids)
    assert list(trace) == ids
    assert (trace[-1], trace[np.uint8(2)]) == ("c", "a")
    for outside in (4, -5):
        with pytest.raises(IndexError):
            trace[outside]
    for no_index in (1.0, "a", None):
        with pytest.raises(TypeError):
            trace[no_index]


# Ranges of blocks.


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 50)), max_size=20),
    st.integers(1, 60),
    st.sampled_from("bBiIqQ"),
)
def test_block_ranges_become_the_pages_that_hold_them(ranges, page_size, code):
    starts, lengths = ([r[i] % 128 for r in ranges] for i in (0, 1))
    pages = [
        page
        for start, length in zip(starts, lengths, strict=True)
        for page in sorted({block // page_size for block in range(start, start + length)})
    ]
    trace = Trace.from_blocks(np.array(starts, dtype=code), lengths, page_size=page_size, name="disk")
    assert trace.pages[trace.requests].tolist() == pages
    assert trace.name == "disk"


def test_block_ranges_at_the_end_of_64_bits():
    last = 2**63 - 1
    assert list(Trace.from_blocks([last - 1, 0], [2, 1])) == [last - 1, last, 0]
    assert list(Trace.from_blocks([0, last], [last, 1], page_size=2**62)) == [0, 1, 1]
    assert list(Trace.from_blocks(np.array([5, last], dtype=np.uint64), [1, 1], page_size=last)) == [0, 1]


def test_block_ranges_are_copied():
    starts = np.array([8, 9])
    Trace.from_blocks(starts, np.array([3, 1]), page_size=4)
    assert starts.tolist() == [8, 9]


@pytest.mark.parametrize(
    ("starts", "lengths", "page_size", "message"),
    [
        ([-1], [1], 1, "^starts: -1 at index 0 is outside 0..9223372036854775807"),
        ([0, 1], [1, 0], 1, "^lengths: 0 at index 1 is outside 1..9223372036854775807"),
        (np.array([2**63], dtype=np.uint64), [1], 1, "^starts: 9223372036854775808 at index 0 is outside"),
        ([2**64], [1], 1, "^starts: must be whole numbers >= 0 of 64 bits, got object"),
        ([0.0], [1], 1, "^starts: must be whole numbers >= 0 of 64 bits, got float64"),
        ([0], [True], 1, "^lengths: must be whole numbers >= 1 of 64 bits, got bool"),
        ([0], ["1"], 1, "^lengths: must be whole numbers >= 1"),
        ([0], [math.nan], 1, "^lengths: must be whole numbers >= 1"),
        ([[0]], [[1]], 1, r"^starts: shape \(1, 1\) is not one-dimensional"),
        (0, 1, 1, r"^starts: shape \(\) is not one-dimensional"),
        ([0, 1], [1], 1, r"^lengths: shape \(1,\) does not match the starts' \(2,\)"),
        (
            [0, 2**63 - 2],
            [1, 3],
            1,
            r"^lengths: 3 at index 1 ends beyond block 2\*\*63-1, from start 9223372036854775806",
        ),
        ([0], [2**32], 1, "^lengths: the ranges have more than 2147483647 pages"),
        ([0, 0], [2**63 - 1] * 2, 1, "^lengths: the ranges have more than 2147483647 pages"),
        ([0], [1], 0, "^page_size: 0 is below 1"),
        ([0], [1], 512.0, "^page_size: 512.0 is not a whole number >= 1"),
        ([0], [1], 2**63, "^page_size: 9223372036854775808 is above 9223372036854775807"),
    ],
)
def test_bad_block_ranges_are_named(starts, lengths, page_size, message):
    with pytest.raises(ValueError, match=message):
        Trace.from_blocks(starts, lengths, page_size=page_size)


# Zipf.


def test_zipf_inverts_the_distribution_function():
    rng = generator(3)
    weights = np.exp(-1.3 * np.log(np.arange(1, 41)))
    cumulative = np.cumsum(weights / math.fsum(weights))
    cumulative[-1] = 1.0
    expected = np.searchsorted(cumulative, generator(3).random(5000), side="right")
    trace = ZipfTrace(40, 1.3, 5000).sample(rng)
    assert trace.pages[trace.requests].tolist() == expected.tolist()


@pytest.mark.parametrize(("pages", "exponent"), [(1, 1.0), (7, 0.0), (1000, 0.8), (50, 5.0)])
def test_zipf_frequencies(pages, exponent):
    length = 40_000
    trace = ZipfTrace(pages, exponent, length).sample(generator(11))
    ranks = trace.pages[trace.requests]
    weights = np.arange(1.0, pages + 1) ** -exponent
    cumulative = np.cumsum(weights) / weights.sum()
    empirical = np.cumsum(np.bincount(ranks, minlength=pages)) / length
    # Dvoretzky-Kiefer-Wolfowitz: the largest deviation exceeds this with probability below 1e-9.
    assert np.abs(empirical - cumulative).max() <= math.sqrt(math.log(2 / 1e-9) / (2 * length))


def test_zipf_kernel_and_source_agree():
    from simulators.traces import _invert

    cumulative = np.cumsum(np.full(9, 1 / 9))
    cumulative[-1] = 1.0
    assert _invert(cumulative, 500, generator(1)).tolist() == _invert.py_func(cumulative, 500, generator(1)).tolist()


def test_zipf_needs_a_generator():
    with pytest.raises(ValueError, match=r"rng: 3 is not a numpy.random.Generator, which ZipfTrace needs"):
        ZipfTrace(5, 1.0, 10).sample(3)


def test_zipf_of_any_steepness_requests_one_page_at_last():
    # Warnings are errors in these tests.
    assert set(ZipfTrace(1000, 1e308, 50).sample(generator())) == {0}


def test_zipf_repeats_with_its_seed():
    first, again, other = (ZipfTrace(50, 1.0, 300).sample(generator(seed)).fingerprint() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    "bad",
    [
        {"n_pages": 0}, {"n_pages": 2.5}, {"exponent": -1.0}, {"exponent": math.nan}, {"exponent": math.inf},
        {"length": 0}, {"length": True}, {"exponent": "steep"},
    ],
)  # fmt: skip
def test_bad_zipf_parameters_are_named(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=f"ZipfTrace: {name} = "):
        ZipfTrace(**({"n_pages": 5, "exponent": 1.0, "length": 10} | bad))


# Predictors.

ZIPF = ZipfTrace(60, 0.9, 4000).sample(generator(5))


def test_no_flips_are_the_truth_and_all_flips_its_opposite():
    truth = DiscardBits(10).truth(ZIPF)
    assert DiscardBits(10).predict(ZIPF, generator()).tolist() == truth.tolist()
    assert DiscardBits(10, flip_probability=1.0).predict(ZIPF, generator()).tolist() == (1 - truth).tolist()


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 1000))
def test_more_flips_include_all_of_fewer(p, q, seed):
    truth = DiscardBits(10).truth(ZIPF)
    few, many = (DiscardBits(10, flip_probability=x).predict(ZIPF, generator(seed)) for x in sorted((p, q)))
    assert np.all((few == truth) | (many != truth))


@pytest.mark.parametrize(("side", "value"), [("wrong_keep", 1), ("wrong_discard", 0)])
def test_one_sided_errors_touch_one_side_at_the_right_rate(side, value):
    truth = DiscardBits(10).truth(ZIPF)
    bits = DiscardBits(10, **{side: 0.3}).predict(ZIPF, generator(2))
    wrong = bits != truth
    assert not wrong[truth != value].any()
    count = int((truth == value).sum())
    assert abs(wrong[truth == value].mean() - 0.3) <= math.sqrt(math.log(2 / 1e-9) / (2 * count))


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan, math.inf, "half"])
@pytest.mark.parametrize("name", ["flip_probability", "wrong_keep", "wrong_discard"])
def test_bad_probabilities_are_named(name, bad):
    with pytest.raises(ValueError, match=f"DiscardBits: {name} = "):
        DiscardBits(10, **{name: bad})


def test_a_predictor_needs_a_generator():
    with pytest.raises(ValueError, match="rng: 3"):
        DiscardBits(10).predict(ZIPF, 3)


def test_a_predicted_trace_keeps_its_requests():
    sampled = PredictedTrace(ZIPF, DiscardBits(10, flip_probability=0.5)).sample(generator())
    assert sampled.fingerprint() == ZIPF.fingerprint()
    assert sampled.bits is not None


# Shipped traces.


@pytest.mark.parametrize(("name", "requests", "pages"), [("web07", 76118, 20484), ("web12", 95607, 13756)])
def test_shipped_traces_are_those_described(name, requests, pages):
    trace = shipped_trace(name)
    assert (trace.name, len(trace), trace.n_pages) == (name, requests, pages)


def test_unknown_shipped_traces_are_refused():
    with pytest.raises(ValueError, match="'web99' is not one of web07, web12, orm_busy"):
        shipped_trace("web99")
    assert shipped_traces() == ("web07", "web12", "orm_busy")
