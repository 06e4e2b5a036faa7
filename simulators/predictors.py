"""Predictors: what a machine-learned classifier would say of each request, made from the truth and some error.

Source of the bits: arXiv:2210.02775.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from algos.contracts import Count, Probability, check_generator, description, realize
from algos.optimal_paging import discard_bits
from simulators.traces import Trace

__all__ = ["BitPredictor", "DiscardBits", "PredictedTrace"]


class BitPredictor(Protocol):
    """What predicts one bit a request."""

    def predict(self, trace: Trace, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Bits, shape (n,)."""
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

    def truth(self, trace: Any) -> NDArray[np.uint8]:
        """The true bits of a trace, shape (n,)."""
        return discard_bits(trace.requests, trace.n_pages, self.cache_size, end=self.end)

    def predict(self, trace: Any, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Bits, shape (n,), from one uniform a request: for one stream, more flips include all of fewer."""
        true = self.truth(trace)
        of_ones = self.flip_probability if self.wrong_keep is None else self.wrong_keep
        of_zeros = self.flip_probability if self.wrong_discard is None else self.wrong_discard
        draws = check_generator(rng, "DiscardBits").random(true.size)
        flipped = draws < np.where(true == 1, of_ones, of_zeros)
        return true ^ flipped.astype(np.uint8)


@description
class PredictedTrace:
    """A trace, or a distribution over traces, together with the predictor that accompanies it.

    All policies that meet one sample of it see the same requests and the same bits.

    Parameters
    ----------
    source : Trace, or a simulator with ``sample(rng)`` that draws one
        The requests.
    predictor : BitPredictor
        What predicts the bits, for example `DiscardBits`.

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
        """Draw the requests, then the bits."""
        trace: Trace = realize(self.source, rng)
        return trace.with_bits(self.predictor.predict(trace, rng))
