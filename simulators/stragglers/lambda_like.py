"""Answer times like those of serverless functions: a few workers that are often slow, and rare client time-outs.

Fitted by us to summaries of the public profiles of the authors of arXiv:2211.13802 (256 workers of AWS Lambda, 100
rounds); no measured time is part of it. At load 0, and calling late who takes more than twice the fastest, it was
fitted to: 4.70% late, bursts of length 1..5 in numbers of 865, 122, 23, 5, 1, a mean row maximum of 1.524 s, a median
of 0.621 s. A quarter of the workers is late most of the time; given the worker, lateness hardly has a memory.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from algos.contracts import Probability, description
from simulators.stragglers.cluster import ClusterModel, Load, Workers

__all__ = ["LambdaLike"]

_SHARES = np.array([0.684, 0.118, 0.198])
_SLOW = np.array([0.020, 0.182, 0.535])


@description
class LambdaLike(ClusterModel):
    """Workers of three classes that are slow with different probabilities, a common factor of each round, time-outs.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    outliers : float in [0, 1]
        Probability of a client time-out, which adds 26 to 39.5 seconds; 1.6e-4 is typical.
    alpha, reference_load : float >= 0
        Seconds per unit of load, 2.2013 for the authors' larger batch, and the load to which the times belong.

    Examples
    --------
    >>> delays = LambdaLike().delays(100, np.random.default_rng(0))
    >>> bool(0.6 < np.median(delays) < 0.65)
    True
    """

    n_workers: Workers = 256
    outliers: Probability = 0.0
    alpha: Load = 2.2013
    reference_load: Load = 0.0

    def _filler(self, rng: np.random.Generator) -> Any:
        classes = np.searchsorted(np.cumsum(_SHARES)[:-1], rng.random(self.n_workers), side="right")
        slow = _SLOW[classes]
        return lambda times, source: _answers(times, slow, self.outliers, source)


@njit(cache=True, nogil=True)
def _answers(times, slow, outliers, rng):
    for r in range(times.shape[0]):
        factor = 0.128 * rng.standard_gamma(7.81)
        common = 0.0
        if rng.random() < 0.03:
            common = 0.15 * rng.standard_exponential()
        for i in range(times.shape[1]):
            time = 0.62 + common - 0.15 + 0.142 * math.exp(0.32 * rng.standard_normal())
            if rng.random() < min(slow[i] * factor, 0.95):
                time += 0.104 * rng.standard_gamma(3.58)
            if outliers > 0.0 and rng.random() < outliers:
                time += 26.0 + 2.5 * rng.random() if rng.random() < 0.7 else 37.0 + 2.5 * rng.random()
            times[r, i] = time
