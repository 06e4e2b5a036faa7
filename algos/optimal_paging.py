"""The offline optimum of paging, and the truth that predicted bits are measured against.

Longest forward distance (LFD, Belady's rule): on a fault with a full cache evict the page whose next use is
latest. It is optimal for every prefix of the requests at once. Here in O(n) time without a heap: the next-use
times of the cached pages are bits of a four-level bitmap, and the victim is its highest set bit.

The same optimum without looking ahead, after every request: the layers of Koutsoupias & Papadimitriou, in the form
of Brodal, Moruz & Negoescu.

Sources: L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", 1966; G. S. Brodal, G.
Moruz, A. Negoescu, "OnlineMin: a fast strongly competitive randomized paging algorithm", 2015 (layers); discard
bits: arXiv:2210.02775. The bitmap forms are derived here.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload
from numba.np.arrayobj import make_array
from numpy.typing import ArrayLike, NDArray

from algos.contracts import read_only, whole_number
from algos.guarantees import guarantee
from algos.kernels import hold

__all__ = [
    "MAX_REQUESTS",
    "clear_key",
    "dense_requests",
    "discard_bit_sum",
    "discard_bits",
    "has_key",
    "has_keys",
    "highest_key",
    "highest_key_up_to",
    "key_set",
    "layers_access",
    "layers_init",
    "lfd_access",
    "lfd_init",
    "live_optimal_fault_flags",
    "lowest_bit",
    "lowest_key",
    "next_use",
    "ones_in",
    "optimal_fault_flags",
    "optimal_faults",
    "pages_that_fit",
    "prefetch",
    "set_key",
]

MAX_REQUESTS = 2**31 - 1
"""Longest sequence that the 32-bit time stamps of the kernels can hold."""


def dense_requests(requests: ArrayLike, n_pages: int) -> NDArray[np.uint32]:
    """Requests as the kernels read them: contiguous uint32 ids below `n_pages`, a read-only view.

    Raises
    ------
    ValueError
        When the array is not one-dimensional, not of integers, too long, or an id is outside 0..n_pages-1.
    """
    array = np.asarray(requests)
    if array.ndim != 1:
        raise ValueError(f"requests: shape {array.shape} is not one-dimensional")
    if array.size > MAX_REQUESTS:
        raise ValueError(f"requests: {array.size} requests are more than {MAX_REQUESTS}")
    if array.size == 0:
        return read_only(np.empty(0, dtype=np.uint32))
    if array.dtype.kind not in "iu":
        raise ValueError(f"requests: ids must be whole numbers in 0..{n_pages - 1}, got {array.dtype}")
    if array.min() < 0 or array.max() >= n_pages:
        index = int(np.argmax((array < 0) | (array >= n_pages)))
        raise ValueError(f"requests: id {array[index]} at index {index} is outside 0..{n_pages - 1}")
    return read_only(np.ascontiguousarray(array, dtype=np.uint32))


def pages_that_fit(cache_size: int) -> int:
    """The cache size as the kernels read it: a larger one than any trace has pages makes no difference.

    Raises
    ------
    ValueError
        When it is not a whole number >= 1.
    """
    return min(whole_number(cache_size, "cache_size", 1), MAX_REQUESTS)


def next_use(requests: ArrayLike, n_pages: int) -> NDArray[np.uint32]:
    """When each request's page is requested next.

    Parameters
    ----------
    requests : int array, shape (n,)
        Page ids in 0..n_pages-1.
    n_pages : int >= 1
        Number of pages.

    Returns
    -------
    uint32 array, shape (n,)
        The smallest t' > t with the same page, or n when there is none. O(n + n_pages).

    Examples
    --------
    >>> next_use([0, 1, 0, 2], n_pages=3)
    array([2, 4, 4, 4], dtype=uint32)
    """
    return _next_use(dense_requests(requests, n_pages), n_pages)


def optimal_fault_flags(requests: ArrayLike, n_pages: int, cache_size: int) -> NDArray[np.bool_]:
    """Which requests are faults of the offline optimum that starts with an empty cache.

    The sum of the first t flags is the optimum of the first t requests, for every t. O(n + n_pages).

    Examples
    --------
    >>> optimal_fault_flags([0, 1, 2, 0, 1, 2], n_pages=3, cache_size=2)
    array([ True,  True,  True, False,  True, False])
    """
    flags, _ = _lfd(dense_requests(requests, n_pages), n_pages, pages_that_fit(cache_size))
    return flags


def optimal_faults(requests: ArrayLike, n_pages: int, cache_size: int) -> int:
    """OPT: the least number of faults with `cache_size` pages from an empty cache. O(n + n_pages)."""
    return int(np.count_nonzero(optimal_fault_flags(requests, n_pages, cache_size)))


def live_optimal_fault_flags(requests: ArrayLike, n_pages: int, cache_size: int) -> NDArray[np.bool_]:
    """The same flags as `optimal_fault_flags`, each decided as soon as its request is known.

    No algorithm can have had fewer faults so far than the sum of the flags so far, whatever is requested next.
    O(n + n_pages).

    Examples
    --------
    >>> live_optimal_fault_flags([0, 1, 2, 0, 1, 2], n_pages=3, cache_size=2)
    array([ True,  True,  True, False,  True, False])
    """
    return _layered(dense_requests(requests, n_pages), n_pages, pages_that_fit(cache_size))


def discard_bits(
    requests: ArrayLike, n_pages: int, cache_size: int, *, end: Literal["evict", "keep"] = "evict"
) -> NDArray[np.uint8]:
    """True discard bits: 1 when the offline optimum evicts the page before its next request.

    Parameters
    ----------
    requests : int array, shape (n,)
        Page ids in 0..n_pages-1.
    n_pages, cache_size : int >= 1
        Number of pages, and how many of them fit.
    end : {"evict", "keep"}
        Last requests: "evict" flushes the cache after the last request, so that every load ends with exactly one
        true 1 and the bits sum to OPT (`discard_bit_sum`). "keep" gives 0 to the pages that the optimum still
        holds at the end; among pages that are never used again the one requested first leaves first.

    Returns
    -------
    uint8 array, shape (n,)

    Notes
    -----
    arXiv:2210.02775 leaves the end of the sequence open; "evict" is our convention. With "keep" every upper
    bound of the family holds with `cache_size` added. O(n + n_pages).
    """
    if end not in ("evict", "keep"):
        raise ValueError(f"end: {end!r} is neither 'evict' nor 'keep'")
    dense = dense_requests(requests, n_pages)
    flags, held = _lfd(dense, n_pages, pages_that_fit(cache_size))
    bits = _bits_of_flags(_next_use(dense, n_pages), flags)
    if end == "keep" and held:
        last_requests = np.flatnonzero(_next_use(dense, n_pages) == dense.size)
        bits[last_requests[-held:]] = 0
    return bits


@guarantee(
    "arXiv:2210.02775, discard bits with the end-of-sequence convention 'evict'",
    kind="identity",
    algorithm="Belady",
    evidence="derived",
)
def discard_bit_sum(opt: int) -> int:
    """Sum of the true discard bits = OPT: every load of the offline optimum ends with exactly one true 1."""
    return opt


class _LFD(NamedTuple):
    next_use: np.ndarray  # (n,) uint32
    # Level 0 has bit t when the page requested next at t is cached (past bits may be stale); level i + 1 has bit w
    # when word w of level i is not zero.
    words: np.ndarray  # uint64, the four levels of the bitmap one after the other
    starts: np.ndarray  # (5,) int64, where each level starts in words, and their end
    counts: np.ndarray  # (2,) int64: pages cached, and how many of them are never requested again
    cache_size: int


@njit(cache=True, nogil=True)
def lfd_init(requests: Any, n_pages: Any, cache_size: Any, params: Any) -> Any:
    """Empty cache before the first request, as an eviction policy's `init`."""
    words, starts = key_set(requests.size)
    return _LFD(_next_use(requests, n_pages), words, starts, np.zeros(2, np.int64), cache_size)


@njit(cache=True, forceinline=True)
def lfd_access(state: Any, page: Any, bit: Any, t: Any, rng: Any) -> bool:
    """Serve request t; True for a fault. As an eviction policy's `access`."""
    return _serve(state, t)


@njit(cache=True, forceinline=True)
def _serve(state, t):
    """Serve request t; True for a fault."""
    cached, dead = 0, 1
    following, words, starts, counts, cache_size = state
    # The live keys are next-use times, so request t is a hit exactly when key t is live. Keys <= t need no
    # clearing: an eviction happens only while some key > t is live, and takes the largest.
    fault = (words[t >> 6] & _bit(t)) == 0
    if fault:
        if counts[cached] < cache_size:
            counts[cached] += 1
        elif counts[dead] > 0:
            counts[dead] -= 1
        else:
            clear_key(words, starts, highest_key(words, starts))
    key = np.int64(following[t])
    if key < following.size:
        set_key(words, starts, key)
    else:
        counts[dead] += 1
    hold(following, words, starts, counts)
    return fault


class _Layers(NamedTuple):
    # The pages requested so far, by the time of their last request, are cut into k layers; those before the first
    # boundary, and all others, are in layer 0. The boundaries are times, or dummies before the first request.
    last: np.ndarray  # (m,) uint32, k + time of the page's last request, 0 before its first
    words: np.ndarray  # uint64, the set of k + boundary
    starts: np.ndarray  # (5,) int64
    cache_size: int


@njit(cache=True, nogil=True)
def layers_init(n_requests: Any, n_pages: Any, cache_size: Any) -> Any:
    """The layers before the first request."""
    k = min(cache_size, n_pages)
    words, starts = key_set(n_requests + k)
    for dummy in range(k):
        set_key(words, starts, dummy)
    return _Layers(np.zeros(n_pages, np.uint32), words, starts, k)


@njit(cache=True, forceinline=True)
def layers_access(state: Any, page: Any, t: int) -> bool:
    """Take in request t; True when the optimum of the requests so far is one fault more."""
    last, words, starts, k = state
    boundary = highest_key_up_to(words, starts, np.int64(last[page]))
    # A page of layer i joins the front of the last layer and its boundary goes, so that layers i-1 and i are one.
    fault = last[page] == 0 or boundary < 0
    if fault:
        boundary = highest_key(words, starts)
    clear_key(words, starts, boundary)
    set_key(words, starts, k + t)
    last[page] = k + t
    hold(last, words, starts)
    return fault


@njit(cache=True, nogil=True)
def _layered(requests, n_pages, cache_size):
    """Fault flags of the optimum of every prefix, shape (n,)."""
    state = layers_init(requests.size, n_pages, cache_size)
    flags = np.empty(requests.size, np.bool_)
    for t in range(requests.size):
        flags[t] = layers_access(state, requests[t], t)
    return flags


# A set of integers: four levels of words of 64 bits, one after the other. Level 0 has a bit for each key; level i + 1
# has bit w when word w of level i is not zero. Policies in other modules keep their pages in such sets too; several of
# one size may share an array of words, each with its base, the place where its words begin.


@njit(cache=True, nogil=True)
def key_set(size: Any) -> Any:
    """An empty set for keys in 0..size-1: its words, uint64, and where each level starts in them, shape (5,)."""
    starts = np.zeros(5, np.int64)
    for level in range(4):
        size = (size + 63) // 64
        starts[level + 1] = starts[level] + size
    return np.zeros(starts[4], np.uint64), starts


@njit(cache=True, forceinline=True)
def _bit(key):
    """The bit of a key within its word."""
    return np.uint64(1) << np.uint64(key & 63)


@njit(cache=True, forceinline=True)
def has_key(words: Any, key: Any, base: Any = 0) -> bool:
    """Whether the key is in the set."""
    return (words[base + (key >> 6)] & _bit(key)) != 0


@njit(cache=True, forceinline=True)
def has_keys(words: Any, starts: Any, base: Any = 0) -> bool:
    """Whether the set is not empty."""
    word = base + starts[3]
    while word < base + starts[4] - 1 and words[word] == 0:
        word += 1
    return words[word] != 0


@njit(cache=True, forceinline=True)
def set_key(words: Any, starts: Any, key: Any, base: Any = 0) -> None:
    """Put a key into the set: set its bit, and that of each word above that was zero."""
    level = 0
    while level < 4:
        place = base + starts[level] + (key >> 6)
        was = words[place]
        words[place] = was | _bit(key)
        key = key >> 6
        level = level + 1 if was == 0 else 4
    hold(words, starts)


@njit(cache=True, forceinline=True)
def clear_key(words: Any, starts: Any, key: Any, base: Any = 0) -> None:
    """Take a key that is in the set out of it: clear its bit, and that of each word above that becomes zero."""
    level = 0
    while level < 4:
        place = base + starts[level] + (key >> 6)
        left = words[place] & ~_bit(key)
        words[place] = left
        key = key >> 6
        level = level + 1 if left == 0 else 4
    hold(words, starts)


@njit(cache=True, forceinline=True)
def highest_key(words: Any, starts: Any, base: Any = 0) -> Any:
    """The largest key of a set that is not empty."""
    key = starts[4] - starts[3] - 1
    while words[base + starts[3] + key] == 0:
        key -= 1
    for level in range(3, -1, -1):
        key = (key << 6) + _highest_bit(words[base + starts[level] + key])
    hold(words, starts)
    return key


@njit(cache=True, forceinline=True)
def lowest_key(words: Any, starts: Any, base: Any = 0) -> Any:
    """The smallest key of a set that is not empty."""
    key = np.int64(0)
    while words[base + starts[3] + key] == 0:
        key += 1
    for level in range(3, -1, -1):
        word = words[base + starts[level] + key]
        key = (key << 6) + _highest_bit(word & ~(word - np.uint64(1)))
    hold(words, starts)
    return key


@njit(cache=True, forceinline=True)
def highest_key_up_to(words: Any, starts: Any, key: Any) -> Any:
    """The largest key of the set that is not above this one, or -1."""
    found = np.int64(-1)
    level = 0
    # Up, until a word has a bit at or, above level 0, below our own.
    below = _bit(key) | (_bit(key) - np.uint64(1))
    while level < 4:
        word = words[starts[level] + (key >> 6)] & below
        if word != 0:
            found = (key >> 6 << 6) + _highest_bit(word)
            break
        key = key >> 6
        below = _bit(key) - np.uint64(1)
        level += 1
    if found < 0:
        # The top level may have several words.
        key -= 1
        while key >= 0 and words[starts[3] + key] == 0:
            key -= 1
        if key >= 0:
            found = (key << 6) + _highest_bit(words[starts[3] + key])
            level = 3
    if found >= 0:
        for lower in range(level - 1, -1, -1):
            found = (found << 6) + _highest_bit(words[starts[lower] + found])
    hold(words, starts)
    return found


@njit(cache=True, nogil=True)
def _next_use(requests, n_pages):
    """Next request of the same page or n, shape (n,) uint32."""
    n = requests.size
    following = np.full(n_pages, n, np.uint32)
    answer = np.empty(n, np.uint32)
    for t in range(n - 1, -1, -1):
        page = requests[t]
        answer[t] = following[page]
        following[page] = t
    return answer


@njit(cache=True, nogil=True)
def _lfd(requests, n_pages, cache_size):
    """Fault flags, shape (n,), and the number of pages held after the last request."""
    state = lfd_init(requests, n_pages, cache_size, ())
    flags = np.empty(requests.size, np.bool_)
    for t in range(requests.size):
        flags[t] = _serve(state, t)
    return flags, state.counts[0]


@njit(cache=True, nogil=True)
def _bits_of_flags(following, flags):
    """Discard bits, shape (n,): 1 when the page's next request is a fault or never comes."""
    n = flags.size
    bits = np.empty(n, np.uint8)
    for t in range(n):
        bits[t] = 1 if following[t] == n or flags[following[t]] else 0
    return bits


@intrinsic
def _count_leading_zeros(typingctx: Any, word: Any) -> Any:
    """The processor's count of leading zeros of a 64-bit word that is not zero."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@njit(cache=True, forceinline=True)
def _highest_bit(word):
    """Position of the highest set bit of a uint64 that is not zero."""
    return 63 - np.int64(_count_leading_zeros(word))  # type: ignore[call-arg]


def lowest_bit(word: Any) -> Any:
    """Position of the lowest set bit of a uint64 that is not zero; in kernels one machine instruction."""
    return np.int64((int(word) & -int(word)).bit_length() - 1)


def ones_in(word: Any) -> Any:
    """Number of set bits of a uint64; in kernels one machine instruction."""
    return np.int64(int(word).bit_count())


@intrinsic
def _count_trailing_zeros(typingctx: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@intrinsic
def _population_count(typingctx: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


@overload(lowest_bit)
def _compiled_lowest_bit(word):
    return lambda word: np.int64(_count_trailing_zeros(word))  # type: ignore[call-arg]


@overload(ones_in)
def _compiled_ones_in(word):
    return lambda word: np.int64(_population_count(word))  # type: ignore[call-arg]


def prefetch(rows: Any, row: Any) -> None:
    """Ask the processor for a row, or an entry, of an array that will be needed soon; changes nothing."""


@intrinsic
def _prefetch(typingctx: Any, rows: Any, row: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = make_array(signature.args[0])(context, builder, args[0])
        stride = builder.extract_value(array.strides, 0)
        address = builder.add(builder.ptrtoint(array.data, stride.type), builder.mul(stride, args[1]))
        byte = ir.IntType(8).as_pointer()
        flag = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        )
        # To be written to, to be kept near, data.
        builder.call(function, [builder.inttoptr(address, byte), flag(1), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(rows, row), generate


@overload(prefetch)
def _compiled_prefetch(rows, row):
    return lambda rows, row: _prefetch(rows, np.uint64(row))  # type: ignore[call-arg]
