"""One function, two lives: compiled by Numba for speed, interpreted by Python to look inside.

A kernel may be given as plain Python or already decorated with ``numba.njit``; `compiled` and `interpreted`
take either to the form that a run needs. Both forms draw the same bits from the same ``Generator``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from numba import njit
from numba.core.dispatcher import Dispatcher
from numba.extending import register_jitable

__all__ = ["compiled", "hold", "interpreted"]


def compiled(function: Callable[..., Any]) -> Dispatcher:
    """The function as a Numba kernel that releases the GIL; the same object for the same function."""
    return function if isinstance(function, Dispatcher) else _jit(function)


def interpreted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The plain Python source of a kernel."""
    return function.py_func if isinstance(function, Dispatcher) else function


@register_jitable(forceinline=True)
def hold(*values: Any) -> None:
    """Do nothing with arrays and generators, at the end of a kernel that is called once a step.

    Numba drops its reference to an array or a generator right after its last use. Where that lies inside a branch,
    LLVM cannot cancel the drop against the reference taken at the kernel's start, and each step pays for atomic
    counters. A last use at the kernel's single exit makes them cancel: marking runs several times faster for it.
    A cached kernel may call this function although it lives in another file: nothing in it can go stale.
    """


@lru_cache(maxsize=1024)
def _jit(function: Callable[..., Any]) -> Dispatcher:
    # One dispatcher a function: a second one would be another type to Numba, and compile every loop again.
    return njit(nogil=True, forceinline=True)(function)
