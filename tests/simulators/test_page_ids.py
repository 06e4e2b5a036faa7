"""Numbering of pages: the table and the hash table against a dictionary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import page_ids
from simulators.page_ids import dense_page_ids

EXTREMES = {
    np.dtype(np.int64): [-(2**63), -(2**63) + 1, -1, 0, 1, 2**63 - 1],
    np.dtype(np.uint64): [0, 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1],
}


def by_dictionary(ids):
    codes = {}
    return [codes.setdefault(page, len(codes)) for page in ids], list(codes)


def answer(pair):
    codes, pages = pair
    assert codes.dtype == np.uint32
    return codes.tolist(), pages.tolist()


@st.composite
def id_arrays(draw):
    """Few or many different ids of one 64-bit type, extremes among them."""
    dtype = draw(st.sampled_from(list(EXTREMES)))
    info = np.iinfo(dtype)
    anywhere = st.one_of(st.sampled_from(EXTREMES[dtype]), st.integers(info.min, info.max))
    pool = draw(st.lists(anywhere, min_size=1, max_size=40))
    return np.array(draw(st.lists(st.sampled_from(pool), max_size=200)), dtype=dtype)


@given(id_arrays())
def test_any_whole_numbers_are_numbered_as_by_a_dictionary(ids):
    codes, pages = dense_page_ids(ids)
    assert answer((codes, pages)) == by_dictionary(ids.tolist())
    assert pages.dtype == ids.dtype


@given(id_arrays(), st.integers(1, 6), st.integers(1, 9))
def test_the_hash_table_from_any_first_size_and_batch(ids, bits, batch):
    assert answer(page_ids._encode_by_hash(ids, bits, batch)) == by_dictionary(ids.tolist())


@given(id_arrays(), st.integers(1, 6), st.integers(1, 9))
def test_the_hash_table_and_its_source_agree(ids, bits, batch):
    with pytest.MonkeyPatch.context() as patch, np.errstate(over="ignore"):
        for name in ("_number_by_hash", "_fill", "_mix"):
            patch.setattr(page_ids, name, getattr(page_ids, name).py_func)
        slow = answer(page_ids._encode_by_hash(ids, bits, batch))
    assert answer(page_ids._encode_by_hash(ids, bits, batch)) == slow


@given(st.lists(st.integers(-60, 60), min_size=1, max_size=300), st.integers(1, 9))
def test_the_table_in_batches_and_its_source_agree(sequence, batch):
    ids = np.array(sequence)
    for kernel in (page_ids._number_by_table, page_ids._number_by_table.py_func):
        table, codes = np.zeros(121, np.uint32), np.empty(ids.size, np.uint32)
        first = np.empty(ids.size, np.int64)
        n_pages = kernel(ids, np.int64(-60), table, codes, first, batch)
        assert (codes.tolist(), ids[first[:n_pages]].tolist()) == by_dictionary(sequence)


@pytest.mark.parametrize("code", "bBhHiIlLqQ")
def test_every_integer_type_near_and_far_apart(code):
    info = np.iinfo(code)
    near = [info.min, info.min + 1, info.min, info.max, 0, 7]
    far = np.random.default_rng(0).integers(info.min, info.max, 3000, dtype=code, endpoint=True)
    for ids in (np.array(near, dtype=code), far):
        expected = by_dictionary(ids.tolist())
        assert answer(dense_page_ids(ids)) == expected
        assert answer(page_ids._encode_by_hash(ids)) == expected
        assert dense_page_ids(ids)[1].dtype == page_ids._encode_by_hash(ids)[1].dtype == ids.dtype


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "<u8", ">u8", "<i8", ">i8"])
@pytest.mark.parametrize("spread", [1, 10**6])
def test_any_layout_in_memory(dtype, spread):
    ids = (np.random.default_rng(1).integers(0, 500, 2000) * spread).astype(dtype)
    packed = np.zeros(ids.size, dtype=[("time", "u1"), ("id", dtype)])
    packed["id"] = ids
    fixed = ids.copy()
    fixed.flags.writeable = False
    for array in (ids, packed["id"], ids[::-1], ids[::3], fixed):
        codes, pages = dense_page_ids(array)
        assert answer((codes, pages)) == by_dictionary(array.tolist())
        assert pages.dtype.isnative


def test_an_id_that_starts_in_the_middle_of_a_word():
    content = b"x" + np.arange(0, 10**9, 10**6).tobytes()
    ids = np.frombuffer(content, dtype=np.int64, offset=1)
    assert answer(dense_page_ids(ids)) == (list(range(1000)), ids.tolist())


def test_growth_by_many_doublings():
    ids = np.random.default_rng(2).integers(-(2**63), 2**63 - 1, 60_000)
    ids = np.concatenate([ids, ids[::-1]])
    codes, pages = dense_page_ids(ids)
    assert pages.tolist() == ids[:60_000].tolist()
    assert np.array_equal(codes, np.concatenate([np.arange(60_000), np.arange(60_000)[::-1]]))


def unmix(word):
    """The id whose hash is this word."""
    inverse = pow(int(page_ids._ODD), -1, 2**64)
    for _ in range(2):
        word = word * inverse % 2**64
        word ^= word >> 32
    return word


def test_ids_that_all_collide():
    """Hashes equal in their 40 high bits: one long run of slots, over the end of the table too."""
    for high in (0, 2**40 - 1):
        pages = [unmix((high << 24) + low) for low in range(300)]
        assert page_ids._mix(np.uint64(pages[7])) == (high << 24) + 7
        ids = np.array(pages + pages[::-1], dtype=np.uint64)
        assert answer(dense_page_ids(ids)) == by_dictionary(ids.tolist())


def test_ids_that_differ_only_in_the_bits_that_their_slots_say():
    """Equal low hash bits: the same word in every slot but for the number, told apart by home and page."""
    pages = [unmix((high << 60) + 5) for high in range(16)]
    ids = np.array(pages * 3, dtype=np.uint64)
    for bits in (4, 5, 6):
        assert answer(page_ids._encode_by_hash(ids, bits, 1)) == by_dictionary(ids.tolist())


def neighbours_after_a_collision():
    """Two pages with equal low bits of the hash, one of them pushed by a third into the home of the other."""
    return [unmix((3 << 60) + 1), unmix((3 << 60) + 9), unmix((4 << 60) + 9)]


def test_a_page_away_from_home_is_not_taken_for_the_one_at_home():
    pages = neighbours_after_a_collision()
    for order in (pages, pages[::-1], [pages[0], pages[2], pages[1]]):
        ids = np.array(order * 2, dtype=np.uint64)
        assert answer(page_ids._encode_by_hash(ids, 4, 1)) == by_dictionary(ids.tolist())


@pytest.mark.parametrize("stride", [2**j for j in range(0, 48, 3)] + [10**9, pow(int(page_ids._ODD), -1, 2**64)])
def test_regular_ids_stay_near_their_homes(stride):
    """Random ids at load 1/2 lie half a slot from home on average; regular ones must not be much worse."""
    bits, n_pages = 14, 2**13
    pages = np.arange(n_pages, dtype=np.uint64) * np.uint64(stride % 2**64)
    slots = np.zeros(1 << bits, dtype=np.uint64)
    page_ids._fill(slots, bits, pages, n_pages)
    code = (slots & np.uint64(2 ** (bits - 1) - 1)).astype(np.int64) - 1
    taken = np.flatnonzero(slots)
    # The mask drops the highest bit of the number of the last page, 2**(bits - 1), which `_encode_by_hash` never uses.
    taken = taken[code[taken] >= 0]
    homes = np.array([int(page_ids._mix(page)) >> (64 - bits) for page in pages[code[taken]]])
    assert np.mean((taken - homes) % 2**bits) < 1.5
