"""Real traces that come with the package (see ``data/LICENSE.md``)."""

from __future__ import annotations

from importlib.resources import as_file, files

from simulators.traces import Trace

__all__ = ["shipped_trace", "shipped_traces"]

_NAMES = ("web07", "web12", "orm_busy")


def shipped_traces() -> tuple[str, ...]:
    """Names of the traces that `shipped_trace` loads."""
    return _NAMES


def shipped_trace(name: str) -> Trace:
    """Load a trace of the cache2k collection, Copyright headissue GmbH, Jens Wilke, CC BY 4.0.

    Parameters
    ----------
    name : {"web07", "web12", "orm_busy"}
        Two traces of product pages of a shop (76,118 and 95,607 requests) and one of database objects
        (5,000,000 requests).

    Raises
    ------
    ValueError
        For another name.

    Examples
    --------
    >>> shipped_trace("web07")
    Trace('web07', 76118 requests of 20484 pages)
    """
    if name not in _NAMES:
        raise ValueError(f"name: {name!r} is not one of {', '.join(_NAMES)}")
    with as_file(files("simulators") / "data" / f"cache2k_{name}.npz") as path:
        trace = Trace.from_file(path)
    trace.name = name
    return trace
