"""Faults at every cache size from one pass over the requests: the curves of LRU and of the offline optimum.

Both are stack algorithms: the cache of k pages is contained in that of k + 1 pages, so that a request is a hit
exactly for the cache sizes from its page's depth in one stack on.

Sources: R. L. Mattson, J. Gecsei, D. R. Slutz & I. L. Traiger, "Evaluation techniques for storage hierarchies",
1970 (stack algorithms, LRU and OPT); B. T. Bennett & V. J. Kruskal, "LRU stack processing", 1975 (depths by a tree
of counts over the times of last use). The compacted slots and the blocks of the OPT stack are derived here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import ArrayLike, NDArray

from algos.contracts import whole_number
from algos.optimal_paging import dense_requests, next_use, optimal_faults

__all__ = ["lru_fault_curve", "optimal_fault_curve"]

# Slots of LRU for each page: with four, a compaction, which costs O(n_pages), comes every 3 * n_pages requests.
_SLOTS_PER_PAGE = 4
# Positions of a block of the OPT stack, and carries that a block keeps before it moves them to their positions.
_BLOCK, _PENDING = 256, 64
_EMPTY = np.uint32(2**32 - 1)  # key of a position below the bottom of the stack, above every time and "never"


def lru_fault_curve(requests: ArrayLike, n_pages: int) -> NDArray[np.int64]:
    """Faults of LRU from an empty cache, for every cache size at once.

    Parameters
    ----------
    requests : int array, shape (n,)
        Page ids in 0..n_pages-1.
    n_pages : int >= 1
        Number of pages.

    Returns
    -------
    int64 array, shape (n_pages + 1,)
        Entry k is the number of faults with a cache of k pages; entry 0 is n, the last one the number of different
        pages requested.

    Raises
    ------
    ValueError
        When the requests are not one-dimensional whole numbers in 0..n_pages-1, or `n_pages` is no whole number >= 1.

    Notes
    -----
    O(n log n_pages) time. Beside the answer it takes about 5 bytes a page, and 4 bytes a request where the
    requests are not uint32 already. The depth of a page is the number of pages used since; a bitmap marks the time
    slots of last uses and a Fenwick tree counts the marks of its words.

    Examples
    --------
    >>> lru_fault_curve([0, 1, 2, 0, 1, 2], n_pages=3)
    array([6, 6, 6, 3])
    """
    n_pages = whole_number(n_pages, "n_pages", 1)
    dense = dense_requests(requests, n_pages)
    return _lru_curve(dense, n_pages, min(_SLOTS_PER_PAGE * n_pages, dense.size))


def optimal_fault_curve(
    requests: ArrayLike, n_pages: int, cache_sizes: Iterable[int] | None = None
) -> NDArray[np.int64]:
    """Faults of the offline optimum (Belady's rule) from an empty cache, for every cache size or for a few.

    Parameters
    ----------
    requests : int array, shape (n,)
        Page ids in 0..n_pages-1.
    n_pages : int >= 1
        Number of pages.
    cache_sizes : iterable of int >= 1, optional
        The sizes wanted, in any order. All sizes 0..n_pages by default.

    Returns
    -------
    int64 array, shape (n_pages + 1,) or (number of cache sizes,)
        The faults with 0, 1, ..., n_pages pages, or with each of `cache_sizes` in their order.

    Raises
    ------
    ValueError
        When the requests are not one-dimensional whole numbers in 0..n_pages-1, or `n_pages` or a cache size is no
        whole number >= 1.

    Notes
    -----
    A few sizes take O(n + n_pages) time each. All sizes follow the stack of Mattson et al. with the next use as
    priority: the requested page moves to the top, and the page it displaces is carried down to the place it left,
    exchanged wherever the page met is needed later than the one carried. See `_optimal_curve` for how whole blocks
    of the stack are passed at once. Time grows with the mean depth of a request, at most O(n * n_pages).

    Examples
    --------
    >>> optimal_fault_curve([0, 1, 2, 0, 1, 2], n_pages=3)
    array([6, 6, 4, 3])
    >>> optimal_fault_curve([0, 1, 2, 0, 1, 2], n_pages=3, cache_sizes=[2])
    array([4])
    """
    n_pages = whole_number(n_pages, "n_pages", 1)
    dense = dense_requests(requests, n_pages)
    if cache_sizes is None:
        return _optimal_curve(next_use(dense, n_pages), n_pages, _BLOCK, _PENDING)
    sizes = [whole_number(size, "cache_sizes", 1) for size in cache_sizes]
    return np.array([optimal_faults(dense, n_pages, size) for size in sizes], dtype=np.int64)


@njit(cache=True, nogil=True)
def _lru_curve(requests, n_pages, capacity):
    """Faults of LRU with 0..n_pages pages, shape (n_pages + 1,); capacity > n_pages, or at least n, slots."""
    n_words = (capacity + 63) >> 6
    n_slots = n_words << 6
    marks = np.zeros(n_words, np.uint64)  # bit s: slot s is the last use of a page
    tree = np.zeros(n_words + 1, np.uint32)  # Fenwick tree of the marks in each word that is left behind
    last = np.zeros(n_pages, np.uint32)  # 1 + slot of a page's last use, 0 before its first
    curve = np.zeros(n_pages + 1, np.int64)  # number of requests at each depth; at 0 those that are first
    slot, seen = 0, 0
    for t in range(requests.size):
        if slot == n_slots:
            slot = _compact(marks, tree, last)
        page = requests[t]
        before = last[page]
        depth = 0
        if before == 0:
            seen += 1
        else:
            at = np.int64(before - 1)
            word, bit = at >> 6, np.uint64(at & 63)
            left = marks[word] & ~(np.uint64(1) << bit)
            depth = seen - _ones_in(left & ((np.uint64(1) << bit) - np.uint64(1))) - _count_before(tree, word)
            marks[word] = left
            if word != slot >> 6:
                _remove(tree, word)
        curve[depth] += 1
        marks[slot >> 6] |= np.uint64(1) << np.uint64(slot & 63)
        slot += 1
        last[page] = slot
        if slot & 63 == 0:
            _add(tree, (slot >> 6) - 1, _ones_in(marks[(slot >> 6) - 1]))
    faults = requests.size
    curve[0] = faults
    for depth in range(1, n_pages + 1):
        faults -= curve[depth]
        curve[depth] = faults
    return curve


@njit(cache=True, forceinline=True)
def _count_before(tree, word):
    """Marks in the words before this one."""
    total = np.int64(0)
    while word > 0:
        total += np.int64(tree[word])
        word &= word - 1
    return total


@njit(cache=True, forceinline=True)
def _remove(tree, word):
    """Count one mark less in a word."""
    node = word + 1
    while node < tree.size:
        tree[node] -= np.uint32(1)
        node += node & -node


@njit(cache=True, forceinline=True)
def _add(tree, word, marks):
    """Count so many marks more in a word."""
    node = word + 1
    while node < tree.size:
        tree[node] += np.uint32(marks)
        node += node & -node


@njit(cache=True)
def _compact(marks, tree, last):
    """Move the last uses to the first slots in their order; the next free slot."""
    total = 0
    for word in range(marks.size):
        tree[word] = total
        total += _ones_in(marks[word])
    for page in range(last.size):
        if last[page] > 0:
            at = np.int64(last[page]) - 1
            below = (np.uint64(1) << np.uint64(at & 63)) - np.uint64(1)
            last[page] = np.int64(tree[at >> 6]) + _ones_in(marks[at >> 6] & below) + 1
    tree[:] = 0
    marks[:] = 0
    for word in range(total >> 6):
        marks[word] = ~np.uint64(0)
        _add(tree, word, 64)
    if total & 63:
        marks[total >> 6] = (np.uint64(1) << np.uint64(total & 63)) - np.uint64(1)
    return total


@intrinsic
def _population_count(typingctx: Any, word: Any) -> Any:
    """The processor's count of the ones of a 64-bit word."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


@njit(cache=True, forceinline=True)
def _ones_in(word):
    """Number of set bits of a uint64."""
    return np.int64(_population_count(word))  # type: ignore[call-arg]


@njit(cache=True, nogil=True)
def _optimal_curve(following, n_pages, block, most_pending):
    """Faults of the optimum with 0..n_pages pages, shape (n_pages + 1,), from the next uses.

    A page is its next use, so the page requested at time t has key t, the smallest of all. Below the top the stack
    is cut into blocks. A carry that passes a whole block leaves its largest key to the next one and changes the
    set of its keys by one; which key stands where is settled only when the requested page lies in the block or its
    pending carries are too many. They may then be settled together: each position takes the smallest of its own
    key and the carries, whose order does not matter.
    """
    n_blocks = (n_pages + block - 1) // block
    keys = np.full(n_blocks * block, _EMPTY, np.uint32)  # by position, but for the pending carries
    ranked = np.full(n_blocks * block, _EMPTY, np.uint32)  # the true keys of each block, ascending
    pending = np.empty(n_blocks * most_pending, np.uint32)  # carries of each block, ascending
    n_pending = np.zeros(n_blocks, np.int64)
    smallest = np.full(n_blocks, _EMPTY, np.uint32)
    largest = np.full(n_blocks, _EMPTY, np.uint32)
    curve = np.zeros(n_pages + 1, np.int64)  # number of requests at each depth; at 0 those that are first
    top = _EMPTY
    for t in range(following.size):
        key = np.uint32(t)
        carry = top
        top = following[t]
        depth = 0
        if carry == key:
            depth = 1
        elif carry != _EMPTY:
            for b in range(n_blocks):
                if smallest[b] == key:
                    mine = keys[b * block : (b + 1) * block]
                    order = ranked[b * block : (b + 1) * block]
                    waiting = pending[b * most_pending : (b + 1) * most_pending]
                    _settle(mine, waiting, n_pending[b])
                    n_pending[b] = 0
                    _replace_smallest(order, carry)
                    smallest[b], largest[b] = order[0], order[block - 1]
                    depth = b * block + 2 + _carry_to(mine, carry, key)
                    break
                if largest[b] > carry:
                    order = ranked[b * block : (b + 1) * block]
                    waiting = pending[b * most_pending : (b + 1) * most_pending]
                    if n_pending[b] == most_pending:
                        _settle(keys[b * block : (b + 1) * block], waiting, most_pending)
                        n_pending[b] = 0
                    _insert(waiting, n_pending[b], carry)
                    n_pending[b] += 1
                    carried = largest[b]
                    _replace_largest(order, carry)
                    smallest[b], largest[b] = order[0], order[block - 1]
                    carry = carried
                    if carry == _EMPTY:
                        break
        curve[depth] += 1
    faults = following.size
    curve[0] = faults
    for depth in range(1, n_pages + 1):
        faults -= curve[depth]
        curve[depth] = faults
    return curve


@njit(cache=True, forceinline=True)
def _replace_largest(ranked, key):
    """Exchange the largest of the ascending keys for a smaller one."""
    for i in range(ranked.size - 1, 0, -1):
        ranked[i] = max(ranked[i - 1], min(ranked[i], key))
    ranked[0] = min(ranked[0], key)


@njit(cache=True, forceinline=True)
def _replace_smallest(ranked, key):
    """Exchange the smallest of the ascending keys for a larger one."""
    for i in range(ranked.size - 1):
        ranked[i] = min(ranked[i + 1], max(ranked[i], key))
    ranked[ranked.size - 1] = max(ranked[ranked.size - 1], key)


@njit(cache=True, forceinline=True)
def _insert(ranked, size, key):
    """Put a key among the first `size` ascending ones."""
    place = size
    while place > 0 and ranked[place - 1] > key:
        ranked[place] = ranked[place - 1]
        place -= 1
    ranked[place] = key


@njit(cache=True)
def _settle(keys, pending, n_pending):
    """Carry the pending keys, ascending, down the whole block."""
    if n_pending > 0:
        carries = pending[:n_pending]
        for i in range(keys.size):
            key = keys[i]
            if key > carries[0]:
                keys[i] = carries[0]
                _replace_smallest(carries, key)


@njit(cache=True, forceinline=True)
def _carry_to(keys, carry, key):
    """Carry a key down to the position of another, and return this position."""
    place = 0
    while keys[place] != key:
        met = keys[place]
        keys[place] = min(met, carry)
        carry = max(met, carry)
        place += 1
    keys[place] = carry
    return place
