"""Page ids of any type to dense integers, numbered in order of first occurrence.

Whole numbers lie in a table indexed by the id where they are close together, otherwise in a hash table with linear
probing (D. E. Knuth, "The Art of Computer Programming", volume 3, 6.4, Algorithm L). A slot is one 64-bit word that
holds both the id and its number, after J. G. Cleary, "Compact hash tables using bidirectional linear probing", 1984:
the hash is a bijection, and its high bits are known from the slot. Floats and text go through Arrow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["dense_page_ids", "encode_with_arrow"]

_BATCH = 256  # requests looked up together, so that their loads from memory overlap
_FIRST_BITS = 12  # the hash table starts with 2**12 slots, 32 kB
_ODD = np.uint64(0xD6E8FEB86659FD93)
_ZERO, _ONE, _HALF, _LOW_HALF = np.uint64(0), np.uint64(1), np.uint64(32), np.uint64(2**32 - 1)


def dense_page_ids(ids: Any) -> tuple[NDArray[np.uint32], NDArray[Any]]:
    """Number pages 0..m-1 in order of first occurrence.

    Parameters
    ----------
    ids : sequence, shape (n,)
        All whole numbers, all finite floats, all strings or all bytes.

    Returns
    -------
    codes : uint32 array, shape (n,)
        Dense id of each request.
    pages : array, shape (m,)
        The original id of each dense id.

    Raises
    ------
    ValueError
        When the ids are not one-dimensional, mix types, or hold NaN, infinity or anything but numbers and text.

    Notes
    -----
    O(n) time, expected where a hash table is used: for whole numbers whose range is above 4n + 1024, for floats and
    for text. A table takes 4 bytes for each id of the range, the hash table of whole numbers 24 to 48 bytes a page,
    and half as much again while it grows.

    Examples
    --------
    >>> codes, pages = dense_page_ids(["b", "a", "b"])
    >>> codes, pages
    (array([0, 1, 0], dtype=uint32), array(['b', 'a'], dtype=object))
    """
    array = _homogeneous(ids)
    if array.size == 0:
        return np.empty(0, dtype=np.uint32), array
    if array.dtype.kind == "f":
        unusable = ~np.isfinite(array)
        if unusable.any():
            index = int(np.argmax(unusable))
            raise ValueError(f"requests: id {array[index]} at index {index} is not a page; ids must be finite")
    if array.dtype.kind in "iu":
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        low, high = array.min(), array.max()
        # A table of at most 4 entries a request: no larger than the trace itself in 64-bit ids, twice over.
        span = int(high) - int(low) + 1
        if span <= 4 * array.size + 1024:
            codes, first, n_pages = _encode_by_table(array, low, span)
            return codes, array[first[:n_pages]]
        return _encode_by_hash(array)
    return encode_with_arrow(array)


def encode_with_arrow(values: Any) -> tuple[NDArray[np.uint32], NDArray[Any]]:
    """Dense ids by Arrow's hash table; `values` is a NumPy array or an Arrow (chunked) array without nulls."""
    import pyarrow as pa

    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    encoded = column.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks() if encoded.num_chunks != 1 else encoded.chunk(0)
    if isinstance(encoded, pa.ChunkedArray):  # combine_chunks of no chunks
        return np.empty(0, dtype=np.uint32), np.empty(0, dtype=object)
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.uint32)
    return codes, encoded.dictionary.to_numpy(zero_copy_only=False)


def _homogeneous(ids: Any) -> NDArray[Any]:
    """The ids as a one-dimensional array of whole numbers, floats, strings or bytes."""
    array = ids if isinstance(ids, np.ndarray) else _array_of(list(ids))
    if array.ndim != 1:
        raise ValueError(f"requests: shape {array.shape} is not one-dimensional")
    if array.dtype.kind == "O":
        array = _array_of(array.tolist())
    if array.dtype.kind in "iufUST" or array.size == 0 or array.dtype.kind == "O":
        return array
    raise ValueError(f"requests: ids of type {array.dtype} are neither numbers nor text")


def _array_of(values: list[Any]) -> NDArray[Any]:
    """An array of a list whose entries must all be of one kind; strings stay Python objects."""
    kinds = (
        ("whole numbers", lambda v: isinstance(v, int | np.integer) and not isinstance(v, bool)),
        ("numbers", lambda v: isinstance(v, float | np.floating)),
        ("strings", lambda v: isinstance(v, str)),
        ("bytes", lambda v: isinstance(v, bytes)),
    )
    if not values:
        return np.empty(0, dtype=np.int64)
    for name, belongs in kinds:
        if belongs(values[0]):
            for index, value in enumerate(values):
                if not belongs(value):
                    raise ValueError(
                        f"requests: id {value!r} at index {index} is not of one kind with the {name} before it"
                    )
            if name in ("strings", "bytes"):
                return np.array(values, dtype=object)
            if name == "numbers":
                return np.array(values, dtype=np.float64)
            low, high = min(values), max(values)
            for dtype in (np.int64, np.uint64):
                if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                    return np.array(values, dtype=dtype)
            raise ValueError("requests: whole numbers outside 64 bits; pass such ids as strings")
    if isinstance(values[0], list | tuple | np.ndarray):
        raise ValueError("requests: the ids are not one-dimensional")
    raise ValueError(f"requests: id {values[0]!r} at index 0 is neither a number nor text")


# NumPy allocates, not the kernels: it asks the system for large pages, and the random accesses here live off them.


def _encode_by_table(ids: NDArray[Any], low: Any, span: int) -> tuple[NDArray[np.uint32], NDArray[np.int64], int]:
    """Codes, shape (n,); index of each page's first request, shape (n,), valid up to the number of pages."""
    table = np.zeros(span, dtype=np.uint32)
    codes = np.empty(ids.size, dtype=np.uint32)
    first = np.empty(min(ids.size, span), dtype=np.int64)
    return codes, first, int(_number_by_table(ids, low, table, codes, first, _BATCH))


@njit(cache=True, nogil=True)
def _number_by_table(ids, low, table, codes, first, batch):
    """Fill codes and first, shapes (n,), and return the number of pages; table, shape (span,), holds zeros."""
    n_pages = 0
    unknown = np.empty(batch, np.uint32)  # requests of the batch whose page has no code when the batch begins
    for start in range(0, ids.size, batch):
        stop = min(start + batch, ids.size)
        # One simple loop for each step, and unsigned indices: Numba need not ask whether they count from the end.
        for t in range(start, stop):
            codes[np.uint64(t)] = table[np.uint64(ids[np.uint64(t)] - low)]  # 1 + code, 0 for ids not met yet
        n_unknown = _ZERO
        for t in range(start, stop):
            unknown[n_unknown] = t - start
            n_unknown += np.uint64(codes[np.uint64(t)] == 0)  # without a branch: a new page cannot be foretold
        for i in range(np.int64(n_unknown)):
            request = np.uint64(start) + np.uint64(unknown[np.uint64(i)])
            place = np.uint64(ids[request] - low)
            if table[place] == 0:
                first[np.uint64(n_pages)] = request
                n_pages += 1
                table[place] = n_pages
            codes[request] = table[place]
        for t in range(start, stop):
            codes[np.uint64(t)] -= np.uint32(1)
    return n_pages


def _encode_by_hash(
    ids: NDArray[Any], bits: int = _FIRST_BITS, batch: int = _BATCH
) -> tuple[NDArray[np.uint32], NDArray[Any]]:
    """Codes, shape (n,), and pages, shape (m,), of whole numbers; the table starts with 2**bits slots."""
    wide = ids.astype(np.uint64 if ids.dtype.kind == "u" else np.int64, copy=False)
    words = np.require(wide, requirements=["C", "A"]).view(np.uint64)
    codes = np.empty(ids.size, dtype=np.uint32)
    slots, pages = np.zeros(1 << bits, dtype=np.uint64), np.empty(1 << (bits - 1), dtype=np.uint64)
    t, n_pages = _number_by_hash(words, 0, codes, slots, bits, pages, 0, batch)
    while t < ids.size:
        bits += 1
        slots = np.zeros(1 << bits, dtype=np.uint64)
        known, pages = pages, np.empty(1 << (bits - 1), dtype=np.uint64)
        pages[:n_pages] = known[:n_pages]
        _fill(slots, bits, pages, n_pages)
        t, n_pages = _number_by_hash(words, t, codes, slots, bits, pages, n_pages, batch)
    # A copy of the pages alone: the array behind them is up to twice as long.
    return codes, pages[:n_pages].view(wide.dtype).astype(ids.dtype)


# A slot is 0 when free. Otherwise its high 64 - bits bits are the low ones of the page's hash, whose other bits say
# at which slot the page is at home. Then comes one bit that is set when the slot is not the page's home, and 1 + code.


@njit(cache=True, nogil=True)
def _number_by_hash(ids, start, codes, slots, bits, pages, n_pages, batch):
    """Fill codes, shape (n,), from request `start` on, and pages; the request where the table is full, or n, and m.

    ids : (n,) uint64; slots : (2**bits,) uint64; pages : (2**(bits - 1),) uint64, of which n_pages are known.
    """
    width, shift, mask = np.uint64(bits), np.uint64(64 - bits), np.uint64(slots.size - 1)
    moved = _ONE << np.uint64(bits - 1)
    hashes, found = np.empty(batch, np.uint64), np.empty(batch, np.uint64)
    unknown = np.empty(batch, np.uint32)  # requests of the batch whose page is not at home
    for begin in range(start, ids.size, batch):
        size = min(batch, ids.size - begin)
        if n_pages + batch >= pages.size:
            return begin, n_pages
        # One simple loop for each step: the first and third become vector code, the second overlaps its loads.
        for i in range(size):
            hashes[np.uint64(i)] = _mix(ids[np.uint64(begin + i)])
        for i in range(size):
            found[np.uint64(i)] = slots[hashes[np.uint64(i)] >> shift]
        for i in range(size):
            # The code when the page is at home there; what is left of a free slot or another page is larger.
            found[np.uint64(i)] = (found[np.uint64(i)] ^ (hashes[np.uint64(i)] << width)) - _ONE
            codes[np.uint64(begin + i)] = found[np.uint64(i)] & _LOW_HALF
        n_unknown = _ZERO
        for i in range(size):
            unknown[n_unknown] = i
            n_unknown += np.uint64(found[np.uint64(i)] >= moved - _ONE)  # without a branch, as above
        for i in range(np.int64(n_unknown)):
            place = np.uint64(unknown[np.uint64(i)])
            t = np.uint64(begin) + place
            page, mixed = ids[t], hashes[place]
            slot, rest, code = mixed >> shift, mixed << width, np.uint64(n_pages)
            away = _ZERO
            while slots[slot] != 0:
                if (slots[slot] ^ rest) >> width == 0:
                    candidate = (slots[slot] & (moved - _ONE)) - _ONE
                    if pages[candidate] == page:
                        code = candidate
                        break
                slot = (slot + _ONE) & mask
                away = moved
            if slots[slot] == 0:
                pages[code] = page
                n_pages += 1
                slots[slot] = rest | away | np.uint64(n_pages)
            codes[t] = code
    return ids.size, n_pages


@njit(cache=True, nogil=True)
def _fill(slots, bits, pages, n_pages):
    """Put the first pages into empty slots, shape (2**bits,), in order, so that early pages are mostly at home."""
    width, shift, mask = np.uint64(bits), np.uint64(64 - bits), np.uint64(slots.size - 1)
    for code in range(n_pages):
        mixed = _mix(pages[code])
        slot = mixed >> shift
        away = _ZERO
        while slots[slot] != 0:
            slot = (slot + _ONE) & mask
            away = _ONE << np.uint64(bits - 1)
        slots[slot] = (mixed << width) | away | np.uint64(code + 1)


@njit(cache=True, forceinline=True)
def _mix(word):
    """A bijection of 64-bit words whose high bits depend on all bits: two rounds of shift and multiplication."""
    word = (word ^ (word >> _HALF)) * _ODD
    return (word ^ (word >> _HALF)) * _ODD
