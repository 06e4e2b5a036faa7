"""Numbers given as they are, or as a share of what a trace has: cache sizes, and requests to warm up with."""

from __future__ import annotations

from collections.abc import Sequence

from simulators import Trace

__all__ = ["read_cache_sizes", "read_warmup"]


def read_cache_sizes(cache_sizes: Sequence[int | str], n_pages: int) -> list[int]:
    """Cache sizes in pages, increasing and distinct.

    Parameters
    ----------
    cache_sizes : sequence of int >= 1, or of str
        "250" or 250 is a number of pages, "10%" a share of `n_pages`, rounded, at least one.
    n_pages : int >= 1
        Distinct pages of the trace.

    Raises
    ------
    ValueError
        For anything else, or when there are none.

    Examples
    --------
    >>> read_cache_sizes([100, "1%", "10%"], n_pages=5000)
    [50, 100, 500]
    """
    if not cache_sizes:
        raise ValueError("cache_size: there are none")
    sizes = set()
    for given in cache_sizes:
        text = str(given).strip()
        try:
            if text.endswith("%"):
                share = float(text[:-1])
                if not 0 < share <= 100:
                    raise ValueError
                sizes.add(max(1, round(n_pages * share / 100)))
            else:
                if isinstance(given, bool) or (size := int(text)) < 1:
                    raise ValueError
                sizes.add(size)
        except ValueError:
            raise ValueError(f"cache_size: {text!r} is neither a whole number >= 1 nor a share such as 10%") from None
    return sorted(sizes)


def read_warmup(warmup: int | str, trace: Trace | None) -> int:
    """How many requests are served but not counted: a whole number, or a share such as "10%", rounded down.

    Raises
    ------
    ValueError
        For anything else, or when none of the trace's requests is left.

    Examples
    --------
    >>> read_warmup("10%", Trace("abcabcabcabc"))
    1
    """
    text = str(warmup).strip()
    try:
        if text.endswith("%"):
            share = float(text[:-1])
            if not 0 <= share < 100:
                raise ValueError
            return 0 if trace is None else int(len(trace) * share / 100)
        if isinstance(warmup, bool) or (requests := int(text)) < 0:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"warmup: {text!r} is neither a whole number >= 0 nor a share in 0%..100% below 100%"
        ) from None
    if trace is not None and requests >= len(trace):
        raise ValueError(f"warmup: {requests} leaves none of the {len(trace)} requests of {trace.name}")
    return requests
