"""Predictors of arrival times: when the page of a request will be requested next.

Times count requests from 0, as in `algos.next_use`, and are floats: some are no whole numbers, some lie beyond the
end of the trace. Policies use only their order; `algos.arrival_error` measures them.

Sources: T. Lykouris & S. Vassilvitskii, "Competitive caching with machine learned advice", ICML 2018 (lognormal noise);
A. Antoniadis et al., "Online metric algorithms with untrusted predictions", ICML 2020, and its public code
(popularity, and PLECO as a predictor of times); A. Anderson et al., "The dynamics of repeat consumption", WWW 2014
(the weights of PLECO). The sum of exponentials for the weights is derived here.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from algos.contracts import NonNegative, check_generator, description
from algos.optimal_paging import dense_requests, next_use

__all__ = ["LognormalArrivals", "NextArrivals", "NormalArrivals", "PLECOArrivals", "PopularityArrivals"]

_Time = Annotated[float, Field(ge=0.0)]  # inf included


def _next_arrivals(trace: Any, never: float | None) -> NDArray[np.float64]:
    """The true times, shape (n,), `never` (n for None) for pages that are not requested again."""
    following = next_use(trace.requests, trace.n_pages)
    times = following.astype(np.float64)
    if never is not None:
        times[following == following.size] = never
    return times


@description
class NextArrivals:
    """The true times.

    Parameters
    ----------
    never : float >= 0, inf included, optional
        The time of pages that are not requested again; the number of requests, n, when omitted.

    Examples
    --------
    >>> from simulators import Trace
    >>> NextArrivals().predict(Trace("abac"))
    array([2., 4., 4., 4.])
    """

    never: _Time | None = None

    kind: ClassVar[Literal["bits", "arrivals"]] = "arrivals"

    def predict(self, trace: Any, rng: np.random.Generator | None = None) -> NDArray[np.float64]:
        """Times, shape (n,); `rng` is not used. O(n + m)."""
        return _next_arrivals(trace, self.never)


@description
class LognormalArrivals:
    """The true times plus independent lognormal noise, exp(sigma * N(0, 1)).

    The noise is positive, so that only the order of the times says something. With sigma = 0 it is 1 for all.

    Parameters
    ----------
    sigma : float >= 0
        Standard deviation of the noise's logarithm. The literature takes 0 to 200; noise too large for a float is
        inf.
    never : float >= 0, inf included, optional
        The true time of pages that are not requested again; 10,000 n, for n requests, when omitted.

    Examples
    --------
    >>> import numpy as np
    >>> from simulators import Trace
    >>> LognormalArrivals(sigma=0.0).predict(Trace("abac"), np.random.default_rng(0))
    array([3.0000e+00, 4.0001e+04, 4.0001e+04, 4.0001e+04])
    """

    sigma: NonNegative
    never: _Time | None = None

    kind: ClassVar[Literal["bits", "arrivals"]] = "arrivals"

    def predict(self, trace: Any, rng: np.random.Generator) -> NDArray[np.float64]:
        """Times, shape (n,), from one normal a request. O(n + m)."""
        noise = check_generator(rng, "LognormalArrivals").standard_normal(len(trace.requests))
        with np.errstate(over="ignore", under="ignore"):
            noise *= self.sigma
            np.exp(noise, out=noise)
            noise += _next_arrivals(trace, 10_000.0 * noise.size if self.never is None else self.never)
        return noise


@description
class NormalArrivals:
    """The true times plus independent normal noise, sigma * N(0, 1).

    Parameters
    ----------
    sigma : float >= 0
        Standard deviation of the noise, in requests. Times may become negative.
    never : float >= 0, inf included, optional
        The true time of pages that are not requested again; the number of requests, n, when omitted.

    Examples
    --------
    >>> import numpy as np
    >>> from simulators import Trace
    >>> NormalArrivals(sigma=0.5).predict(Trace("abac"), np.random.default_rng(0)).round(2)
    array([2.06, 3.93, 4.32, 4.05])
    """

    sigma: NonNegative
    never: _Time | None = None

    kind: ClassVar[Literal["bits", "arrivals"]] = "arrivals"

    def predict(self, trace: Any, rng: np.random.Generator) -> NDArray[np.float64]:
        """Times, shape (n,), from one normal a request. O(n + m)."""
        noise = check_generator(rng, "NormalArrivals").standard_normal(len(trace.requests))
        with np.errstate(over="ignore", under="ignore"):
            noise *= self.sigma
            np.nan_to_num(noise, copy=False)  # -inf and a time of inf would have no sum
            noise += _next_arrivals(trace, self.never)
        return noise


@description
class PopularityArrivals:
    """POPU: a page comes back at the rate at which it came so far.

    A page requested c times in the first t + 1 requests, the last time in request t, is predicted at
    t + (t + 1) / c. It looks at the past only.

    Notes
    -----
    The public code counts requests from 1; its times are ours plus 1.

    Examples
    --------
    >>> from simulators import Trace
    >>> PopularityArrivals().predict(Trace("abac"))
    array([1. , 3. , 3.5, 7. ])
    """

    kind: ClassVar[Literal["bits", "arrivals"]] = "arrivals"

    def predict(self, trace: Any, rng: np.random.Generator | None = None) -> NDArray[np.float64]:
        """Times, shape (n,); `rng` is not used. O(n + m)."""
        requests = dense_requests(trace.requests, trace.n_pages)
        times: NDArray[np.float64] = _popularity(requests, trace.n_pages)
        return times


@njit(cache=True, nogil=True)
def _popularity(requests, n_pages):
    """Times, shape (n,)."""
    times = np.empty(requests.size, np.float64)
    counts = np.zeros(n_pages, np.uint32)
    for t in range(requests.size):
        counts[requests[t]] += np.uint32(1)
        times[t] = t + (t + 1) / np.float64(counts[requests[t]])
    return times


@description
class PLECOArrivals:
    """PLECO: the more often and the more recently a page was requested, the sooner it comes back.

    A request s - 1 requests ago weighs w(s) = (s + 10)**-1.8 * exp(-s / 670), s = 1, 2, ..., a power law with
    exponential cut-off that was fitted to check-ins of BrightKite. The probability p that a page is the next one
    requested is the weight of its requests among that of all, and it is predicted at t + 1 / p. It looks at the past
    only.

    Notes
    -----
    The published code sums over all earlier requests of the page, O(n**2). Here w is a sum of 40 exponentials and a
    page needs 40 numbers to remember its past: O(n) whatever the trace. Relative to p the error is below 1e-13,
    which is what adding up the weights one by one costs in rounding.

    The published code counts requests from 1 and predicts 1 / p + t - 1 in request t: the same numbers as ours, in
    its count the request itself where p = 1.

    Examples
    --------
    >>> from simulators import Trace
    >>> PLECOArrivals().predict(Trace("abac")).round(2)
    array([1.  , 2.85, 3.49, 6.24])
    """

    kind: ClassVar[Literal["bits", "arrivals"]] = "arrivals"

    def predict(self, trace: Any, rng: np.random.Generator | None = None) -> NDArray[np.float64]:
        """Times, shape (n,); `rng` is not used. O(n + m)."""
        times = self.probabilities(trace)
        np.reciprocal(times, out=times)
        times += np.arange(times.size)
        return times

    def probabilities(self, trace: Any) -> NDArray[np.float64]:
        """Probability that the page of each request is the next one requested, shape (n,), in (0, 1]. O(n + m).

        Examples
        --------
        >>> from simulators import Trace
        >>> PLECOArrivals().probabilities(Trace("abac")).round(2)
        array([1.  , 0.54, 0.67, 0.31])
        """
        requests = dense_requests(trace.requests, trace.n_pages)
        coefficients, rates = _pleco_exponentials()
        fine = np.exp(-np.outer(np.arange(1 << _FINE_BITS), rates))
        coarse = np.exp(-np.outer(np.arange(1 << _COARSE_BITS) << _FINE_BITS, rates))
        totals = np.cumsum(_pleco_weights())
        probabilities = np.empty(requests.size)
        _pleco(requests, trace.n_pages, coefficients, fine, coarse, totals, _LANES, probabilities)
        return probabilities


_FINE_BITS, _COARSE_BITS = 8, 7
_REACH = 1 << (_FINE_BITS + _COARSE_BITS)  # exp(-_REACH / 670) < 1e-21: older requests weigh nothing
_LANES = 8  # partial sums, so that the compiler can add several terms at once


def _pleco_weights() -> NDArray[np.float64]:
    """The weights w(s) of s = 1..32768, shape (32768,)."""
    ages = np.arange(1.0, _REACH + 1)
    weights: NDArray[np.float64] = (ages + 10.0) ** -1.8 * np.exp(-ages / 670.0)
    return weights


def _pleco_exponentials() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients and rates, shapes (40,), with w(s) = sum of coefficients * exp(-rates * (s - 1)).

    Gamma(1.8) * (s + 10)**-1.8 is the integral of x**0.8 * exp(-x * (s + 10)) over x > 0. With x = exp(u - exp(-u - 6))
    the integrand falls off doubly exponentially on both sides, and the trapezoidal rule with step 1/4 errs by less
    than 6e-14 * w(1) in all weights together.
    """
    u = np.arange(-35, 5) / 4.0
    squeeze = np.exp(-u - 6.0)
    log_x = u - squeeze
    x = np.exp(log_x)
    rates = x + 1.0 / 670.0
    coefficients = 0.25 * (1.0 + squeeze) * np.exp(1.8 * log_x - 10.0 * x - rates) / math.gamma(1.8)
    return coefficients, rates


@njit(cache=True, nogil=True)
def _pleco(requests, n_pages, coefficients, fine, coarse, totals, lanes, probabilities):
    """Fill probabilities, shape (n,), page by page.

    coefficients : (K,), K a multiple of lanes; fine : (F, K), the decay over 0..F-1 requests, F a power of 2; coarse :
    (C, K), over multiples of F; totals : (F * C,), the weight of all requests so far.
    """
    n, size = requests.size, fine.shape[0]
    ends = np.zeros(n_pages + 1, np.int64)
    for t in range(n):
        ends[requests[t] + 1] += 1
    for page in range(n_pages):
        ends[page + 1] += ends[page]
    times = np.empty(n, np.uint32)  # of the requests of page 0, then of page 1, ...
    for t in range(n):
        times[ends[requests[t]]] = t
        ends[requests[t]] += 1
    state = np.empty(coefficients.size, np.float64)
    sums = np.empty(lanes, np.float64)
    i = 0
    for page in range(n_pages):
        before = -np.int64(totals.size)
        while i < ends[page]:
            now = np.int64(times[i])
            gap = now - before
            if gap < totals.size:
                near, far = fine[gap % size], coarse[gap // size]
                for j in range(state.size):
                    state[j] = state[j] * (near[j] * far[j]) + coefficients[j]
            else:
                state[:] = coefficients
            sums[:] = 0.0
            for start in range(0, state.size, lanes):
                for lane in range(lanes):
                    sums[lane] += state[start + lane]
            weight = 0.0
            for lane in range(lanes):
                weight += sums[lane]
            probabilities[now] = min(1.0, weight / totals[min(now, totals.size - 1)])
            before = now
            i += 1
