"""Predictors: what a machine-learned classifier would say of each request, made from the truth and some error.

Source of the bits: arXiv:2210.02775.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.contracts import Count, Probability, check_generator, description, realize
from algos.optimal_paging import discard_bits
from algos.phases import effective_requests, phase_bits
from algos.predictions import prediction_errors
from simulators.traces import Trace

__all__ = ["DiscardBits", "PhaseBits", "PredictedTrace", "Predictor"]


class Predictor(Protocol):
    """What predicts something of each request."""

    kind: ClassVar[Literal["bits", "arrivals"]]
    """Whether it predicts one bit, or the time of the page's next request."""

    def predict(self, trace: Trace, rng: np.random.Generator) -> NDArray[Any]:
        """Bits or times, shape (n,)."""
        ...


@description
class DiscardBits:
    """True discard bits, each flipped independently with a given probability.

    Parameters
    ----------
    cache_size : int >= 1
        The cache whose optimum defines the truth: the one the policy will have.
    flip_probability : float in [0, 1]
        Probability that a bit is wrong.
    wrong_keep : float in [0, 1], optional
        Probability that a true 1 is predicted as 0, instead of `flip_probability`: the expensive kind of error.
    wrong_discard : float in [0, 1], optional
        Probability that a true 0 is predicted as 1, instead of `flip_probability`.
    end : {"evict", "keep"}
        See `algos.discard_bits`.

    Examples
    --------
    >>> import numpy as np
    >>> DiscardBits(cache_size=2).predict(Trace("abcabc"), np.random.default_rng(0))
    array([0, 1, 0, 1, 1, 1], dtype=uint8)
    """

    cache_size: Count
    flip_probability: Probability = 0.0
    wrong_keep: Probability | None = None
    wrong_discard: Probability | None = None
    end: Literal["evict", "keep"] = "evict"

    kind: ClassVar[Literal["bits", "arrivals"]] = "bits"

    def truth(self, trace: Any) -> NDArray[np.uint8]:
        """The true bits of a trace, shape (n,)."""
        return discard_bits(trace.requests, trace.n_pages, self.cache_size, end=self.end)

    def errors(self, trace: Any, bits: ArrayLike) -> tuple[int, int]:
        """Numbers of wrong 0s and of wrong 1s among any bits for the trace: (eta0, eta1)."""
        return prediction_errors(bits, self.truth(trace))

    def predict(self, trace: Any, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Bits, shape (n,), from one uniform a request: for one stream, more flips include all of fewer."""
        of_ones = self.flip_probability if self.wrong_keep is None else self.wrong_keep
        of_zeros = self.flip_probability if self.wrong_discard is None else self.wrong_discard
        return _flipped(self.truth(trace), of_ones, of_zeros, check_generator(rng, "DiscardBits"))


@description
class PhaseBits:
    """True phase bits, each flipped independently with a given probability.

    The bit of a request is 1 when its page is not requested in the next k-phase. In the last phase there is no
    truth: 1 is taken before the flip, and whatever is predicted there counts as no error.

    Parameters
    ----------
    cache_size : int >= 1
        k: the cache that the policy will have.
    flip_probability : float in [0, 1]
        Probability that a bit is wrong.
    wrong_keep : float in [0, 1], optional
        Probability that a true 1 is predicted as 0, instead of `flip_probability`.
    wrong_discard : float in [0, 1], optional
        Probability that a true 0 is predicted as 1, instead of `flip_probability`.

    Examples
    --------
    >>> import numpy as np
    >>> PhaseBits(cache_size=2).predict(Trace("abcabc"), np.random.default_rng(0))
    array([0, 1, 0, 1, 1, 1], dtype=uint8)
    """

    cache_size: Count
    flip_probability: Probability = 0.0
    wrong_keep: Probability | None = None
    wrong_discard: Probability | None = None

    kind: ClassVar[Literal["bits", "arrivals"]] = "bits"

    def truth(self, trace: Any) -> NDArray[np.uint8]:
        """The true bits of a trace, shape (n,); 1 in the last phase."""
        return phase_bits(trace.requests, trace.n_pages, self.cache_size)[0]

    def errors(self, trace: Any, bits: ArrayLike) -> tuple[int, int]:
        """Numbers of wrong 0s and of wrong 1s among the bits that can matter: (eta0, eta1).

        Those are the bits of a page's last request in a phase, without the last phase.
        """
        truth, defined = phase_bits(trace.requests, trace.n_pages, self.cache_size)
        counted = defined & effective_requests(trace.requests, trace.n_pages, self.cache_size)
        given = np.asarray(bits)
        if given.shape != truth.shape:
            raise ValueError(f"bits: shape {given.shape} does not match the {truth.size} requests")
        return prediction_errors(given[counted], truth[counted])

    def predict(self, trace: Any, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Bits, shape (n,), from one uniform a request: for one stream, more flips include all of fewer."""
        of_ones = self.flip_probability if self.wrong_keep is None else self.wrong_keep
        of_zeros = self.flip_probability if self.wrong_discard is None else self.wrong_discard
        return _flipped(self.truth(trace), of_ones, of_zeros, check_generator(rng, "PhaseBits"))


@description
class PredictedTrace:
    """A trace, or a distribution over traces, together with the predictor that accompanies it.

    All policies that meet one sample of it see the same requests and the same predictions.

    Parameters
    ----------
    source : Trace, or a simulator with ``sample(rng)`` that draws one
        The requests.
    predictor : Predictor
        What predicts the bits or times, for example `DiscardBits` or `LognormalArrivals`.

    Examples
    --------
    >>> import numpy as np
    >>> from online.paging import Mark0
    >>> from simulators import DiscardBits, PredictedTrace, ZipfTrace
    >>> world = PredictedTrace(ZipfTrace(50, 1.0, 1000), DiscardBits(cache_size=10, flip_probability=0.05))
    >>> run = Mark0(cache_size=10).run(world, rng=np.random.default_rng(0))
    >>> run.outcome["requests"]
    1000
    """

    source: Any
    predictor: Any

    def sample(self, rng: np.random.Generator) -> Trace:
        """Draw the requests, then the predictions."""
        trace: Trace = realize(self.source, rng)
        predicted = self.predictor.predict(trace, rng)
        if getattr(self.predictor, "kind", "bits") == "arrivals":
            return trace.with_arrivals(predicted)
        return trace.with_bits(predicted)


def _flipped(true: NDArray[np.uint8], of_ones: float, of_zeros: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Bits, shape (n,), with ones and zeros flipped with their probabilities, from one uniform each."""
    flipped = rng.random(true.size) < np.where(true == 1, of_ones, of_zeros)
    return true ^ flipped.astype(np.uint8)
