"""Page ids of any type to dense integers, numbered in order of first occurrence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["dense_page_ids", "encode_with_arrow"]


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
    O(n): a table indexed by the id where whole numbers lie close together, a hash table otherwise.

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
        low, high = array.min(), array.max()
        # A table of at most 4 entries a request: no larger than the trace itself in 64-bit ids, twice over.
        span = int(high) - int(low) + 1
        if span <= 4 * array.size + 1024:
            codes, first, n_pages = _encode_by_table(array, low, span)
            return codes, array[first[:n_pages]]
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


@njit(cache=True, nogil=True)
def _encode_by_table(ids, low, span):
    """Codes, shape (n,); index of each page's first request, shape (n,), valid up to the number of pages."""
    table = np.zeros(span, np.uint32)  # 1 + code of an id, 0 for ids not met yet
    codes = np.empty(ids.size, np.uint32)
    first = np.empty(min(ids.size, span), np.int64)
    n_pages = 0
    for t in range(ids.size):
        place = ids[t] - low
        code = table[place]
        if code == 0:
            first[n_pages] = t
            n_pages += 1
            code = n_pages
            table[place] = n_pages
        codes[t] = code - 1
    return codes, first, n_pages
