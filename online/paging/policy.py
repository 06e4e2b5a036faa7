"""The contract of eviction policies: functions over a state, and the loop that replays a trace through them.

A policy keeps its cache in a ``NamedTuple`` of arrays.

* ``init(requests, n_pages, cache_size, params)`` returns the state of an empty cache. Only an offline policy may
  look at the requests here; an online one may keep the array in its state, to look at what has passed.
* ``access(state, page, bit, t, rng)`` serves request number t, counted from 0, and returns True for a fault. The
  bit is the prediction that came with the request, 0 where the policy uses none.

Two more let others look into the cache, and are needed only by policies that follow this one (`CombineRandomized`,
`FollowThePrediction` and their like) and by adversaries:

* ``holds(state, page)`` tells whether the page is in the cache now.
* ``evicted(state)``, asked right after a fault, returns the page that was evicted to make place, `NOTHING` when
  there was place, or `EVERYTHING` when all pages but the requested one have left.

The others only make the loop faster. Most requests of a trace are hits that nothing shortly before could turn into
faults. The loop takes these out of the next few requests first, and serves only the rest by ``access``: loads from
memory overlap, and the processor need not guess which requests are faults.

* ``forecast(state, most)`` returns a number, at most this, and a tuple of limits for ``glance``, which hold until so
  many more requests were served by ``access``, whatever these are; 0 when looking ahead is not worth the trouble.
* ``glance(state, page, t, limits)`` returns True when the request is a hit as long as the limits hold, and has then
  served it: serving it now or in its turn must come to the same. Otherwise it changes nothing.
* ``fetch(state, page, bit)``, for policies without these two, asks the processor for what serving the page will
  read (`algos.optimal_paging.prefetch`). The loop calls it some requests before; it changes nothing.

Costs are counted from an empty cache, one a fault, compulsory faults included; the requested page must be loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numba import njit
from numba.extending import register_jitable
from numpy.typing import ArrayLike, NDArray

from algos.contracts import (
    Count,
    Trajectory,
    check_generator,
    checkpoint_rounds,
    description,
    read_only,
    realize,
    whole_number,
)
from algos.kernels import compiled as as_compiled
from algos.kernels import interpreted as as_interpreted
from algos.optimal_paging import dense_requests, pages_that_fit

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "CustomEviction",
    "EvictionKernels",
    "EvictionPolicy",
    "Prediction",
    "RequestSequence",
]

Prediction = Literal["discard bits", "phase bits", "next arrivals"]
"""What a policy with predictions reads: `trace.bits`, of one or the other meaning, or `trace.arrivals`."""

NOTHING, EVERYTHING = -1, -2
"""What ``evicted`` answers instead of a page."""


class RequestSequence(Protocol):
    """What a trace must offer; any object of this shape can be replayed, registered or not."""

    @property
    def requests(self) -> NDArray[Any]:
        """Page ids, shape (n,), whole numbers in 0..n_pages-1."""
        ...

    @property
    def n_pages(self) -> int:
        """Number of pages."""
        ...


class EvictionKernels(NamedTuple):
    """The functions of a policy, plain Python or compiled; all but the first two may be missing."""

    init: Callable[..., Any]
    access: Callable[..., Any]
    holds: Callable[..., Any] | None = None
    evicted: Callable[..., Any] | None = None
    forecast: Callable[..., Any] | None = None
    glance: Callable[..., Any] | None = None
    fetch: Callable[..., Any] | None = None

    def in_form(self, form: Callable[..., Any]) -> EvictionKernels:
        """The functions in one form, `algos.kernels.compiled` or `algos.kernels.interpreted`."""
        return EvictionKernels._make(None if kernel is None else form(kernel) for kernel in self)


@description
class EvictionPolicy:
    """What all eviction policies share: a cache size and one way to run.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache. More than the trace has is allowed: then nothing is ever evicted.
    """

    cache_size: Count

    randomized: ClassVar[bool] = False
    """Whether policies of this class draw random numbers, so that `run` needs a generator."""
    predicted: ClassVar[Prediction | None] = None
    """Which predictions of a trace the policy reads, if any."""

    def draws(self) -> bool:
        """Whether this policy draws random numbers, where that depends on its fields."""
        return self.randomized

    def lazy(self) -> bool:
        """Whether the policy evicts only to make place, and one page only."""
        return True

    def reads(self) -> frozenset[Prediction]:
        """The predictions of a trace that this policy reads, where that depends on its fields."""
        return frozenset() if self.predicted is None else frozenset({self.predicted})

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        raise NotImplementedError(f"{type(self).__name__} must define kernels()")

    def kernels_in(self, form: Callable[..., Any]) -> EvictionKernels:
        """The functions of the policy in one form, `algos.kernels.compiled` or `algos.kernels.interpreted`."""
        return self.kernels().in_form(form)

    def parameters(self) -> Any:
        """What `init` gets as `params`: a number, a tuple or a named tuple of numbers and arrays."""
        return ()

    def parameters_for(self, trace: Any) -> Any:
        """What `init` gets as `params` for this trace, where that depends on it."""
        return self.parameters()

    def predictions(self, trace: Any) -> NDArray[Any]:
        """The predictions that arrive with the requests, shape (n,); shape (1,) where the policy uses none."""
        return np.zeros(1, dtype=np.uint8)

    def run(
        self,
        trace: RequestSequence | Any,
        horizon: int | None = None,
        rng: np.random.Generator | None = None,
        *,
        world: np.random.Generator | None = None,
        checkpoints: ArrayLike | None = None,
        compiled: bool = True,
    ) -> Trajectory:
        """Replay a trace from an empty cache.

        Parameters
        ----------
        trace : RequestSequence, or a simulator with ``sample(rng)`` that draws one
            The requests.
        horizon : int >= 0, optional
            Serve only so many requests; all of them when omitted.
        rng : numpy.random.Generator, optional
            The policy's random stream. Needed by randomized policies and to sample a trace.
        world : numpy.random.Generator, optional
            The stream to sample the trace from; `rng` when omitted.
        checkpoints : array of int, optional
            Numbers of requests at which faults are recorded; 100 evenly spaced ones when omitted.
        compiled : bool
            False runs the same functions in the Python interpreter: slow, same bits, made for debugging.

        Returns
        -------
        Trajectory
            Metric ``faults``, cumulative; outcome ``faults``, ``hits``, ``evictions``, ``requests``. Each fault
            loads a page, so that evictions are the faults less the pages that are in the cache at the end; a policy
            of your own without ``holds`` is taken for lazy.

        Raises
        ------
        ValueError
            When the trace has a page id outside 0..n_pages-1, the horizon exceeds it, predictions do not fit it,
            or the generator is missing.
        """
        drawn = realize(trace, world if world is not None else rng)
        requests = dense_requests(drawn.requests, drawn.n_pages)
        if horizon is not None and whole_number(horizon, "horizon", 0) > requests.size:
            raise ValueError(f"horizon: {horizon} is more than the {requests.size} requests of the trace")
        length = requests.size if horizon is None else int(horizon)
        # A deterministic policy never draws, but the compiled loop wants a generator all the same.
        stream = (
            check_generator(rng, type(self).__name__) if self.draws() else np.random.Generator(np.random.PCG64DXSM(0))
        )
        predictions = read_only(self.predictions(drawn))  # one type for the compiler, whoever made the array
        rounds = checkpoint_rounds(length, checkpoints, spacing="linear", count=100)
        form = as_compiled if compiled else as_interpreted
        kernels = self.kernels_in(form)
        hooks: tuple[Any, ...]
        if kernels.forecast is None:
            loop, hooks = form(_replay), (kernels.fetch,)
        else:
            loop, hooks = form(_replay_ahead), (kernels.forecast, kernels.glance)
        curve, held = loop(
            kernels.init,
            kernels.access,
            kernels.holds,
            *hooks,
            self.parameters_for(drawn),
            requests[:length],
            predictions,
            0 if predictions.size == 1 else 1,
            max(1, int(drawn.n_pages)),
            pages_that_fit(self.cache_size),
            rounds,
            stream,
        )
        faults = int(curve[-1]) if length else 0
        held = min(self.cache_size, faults) if kernels.holds is None else int(held)
        if held > self.cache_size:
            raise ValueError(
                f"{type(self).__name__}: holds {held} pages at the end, more than cache_size = {self.cache_size}; "
                "it, or a policy that it follows, evicts too little or misreports what it evicted"
            )
        outcome = {"faults": faults, "hits": length - faults, "evictions": faults - held, "requests": length}
        return Trajectory(rounds, {"faults": curve}, outcome)


@description
class CustomEviction(EvictionPolicy):
    """A policy made of your own two functions, plain Python or compiled.

    Parameters
    ----------
    cache_size : int >= 1
        Pages that fit in the cache.
    init, access : callable
        As described at the top of this module. To run compiled they must be within what Numba compiles.
    params : number, tuple or named tuple
        Handed to `init`.
    holds, evicted : callable, optional
        As described at the top of this module: needed when another policy is to follow this one.
    """

    init: Callable[..., Any]
    access: Callable[..., Any]
    params: Any = ()
    holds: Callable[..., Any] | None = None
    evicted: Callable[..., Any] | None = None

    randomized: ClassVar[bool] = True

    def lazy(self) -> bool:
        """Not known."""
        return False

    def kernels(self) -> EvictionKernels:
        """The functions of the policy."""
        return EvictionKernels(self.init, self.access, self.holds, self.evicted)

    def parameters(self) -> Any:
        """What `init` gets as `params`."""
        return self.params


_BATCH, _FEW = 256, 32  # requests that the loop glances at together; fewer are not worth it
_SOON = 16  # requests ahead whose data are asked for


@njit(nogil=True)
def _replay(
    init, access, holds, fetch, params, requests, predictions, stride, n_pages, cache_size, checkpoints, rng
):  # stride 0 reads the one prediction there is, again and again
    """Faults after each checkpoint, shape (C,); pages in the cache at the end, where `holds` tells."""
    state = init(requests, n_pages, cache_size, params)
    curve = np.empty(checkpoints.size, np.int64)
    faults, served = 0, 0
    for c in range(checkpoints.size):
        for t in range(served, checkpoints[c]):
            if fetch is not None:
                soon = min(t + _SOON, requests.size - 1)
                fetch(state, requests[soon], predictions[soon * stride])
            if access(state, requests[t], predictions[t * stride], t, rng):
                faults += 1
        served = checkpoints[c]
        curve[c] = faults
    return curve, _held(holds, state, n_pages)


@njit(nogil=True)
def _replay_ahead(
    init, access, holds, forecast, glance, params, requests, predictions, stride, n_pages, cache_size, checkpoints, rng
):
    """The same for policies that look ahead. `access`, which is large, is compiled into the loop at one place only."""
    state = init(requests, n_pages, cache_size, params)
    curve = np.empty(checkpoints.size, np.int64)
    left = np.empty(_BATCH, np.uint32)  # requests of a batch, counted from its first, that must be served in turn
    faults, served = 0, 0
    budget, limits = forecast(state, 2 * _BATCH)
    for c in range(checkpoints.size):
        while served < checkpoints[c]:
            # Unsigned indices: Numba need not ask whether they count from the end.
            size, first, n_left = min(_BATCH, checkpoints[c] - served), np.uint64(served), np.uint64(0)
            if budget < _FEW:
                budget, limits = forecast(state, 2 * _BATCH)
            if budget >= _FEW:
                size = min(size, budget)
                for i in range(size):
                    at = first + np.uint64(i)
                    left[n_left] = i
                    # Without a branch: which requests are left cannot be foretold.
                    n_left += np.uint64(not glance(state, requests[at], at, limits))
            else:
                for i in range(size):
                    left[i] = i
                n_left = np.uint64(size)
            for j in range(np.int64(n_left)):
                at = first + np.uint64(left[np.uint64(j)])
                t = np.int64(at)
                if access(state, requests[at], predictions[t * stride], t, rng):
                    faults += 1
            budget -= np.int64(n_left)
            served += size
        curve[c] = faults
    return curve, _held(holds, state, n_pages)


@register_jitable  # plain Python where the loop is, for `holds` is then as well
def _held(holds, state, n_pages):
    """Pages in the cache, 0 where `holds` does not tell."""
    held = 0
    if holds is not None:
        for page in range(n_pages):
            if holds(state, np.uint32(page)):
                held += 1
    return held
