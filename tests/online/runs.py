"""What the tests of eviction policies ask again and again: fault flags, and exact expectations."""

import numpy as np

from algos.kernels import interpreted
from simulators import Trace
from tests.reference.paging import Choices


def generator(seed=0):
    return np.random.default_rng(seed)


def flags(policy, sequence, rng=None, bits=None, arrivals=None):
    """Which requests were faults."""
    trace = sequence if isinstance(sequence, Trace) else Trace(list(sequence), bits=bits, arrivals=arrivals)
    every = np.arange(1, len(trace) + 1) if len(trace) else None
    curve = policy.run(trace, rng=rng, checkpoints=every).metrics["faults"]
    return np.diff(curve, prepend=0).astype(bool).tolist()


def faults(policy, sequence, rng=None, bits=None, arrivals=None):
    """The number of faults."""
    return sum(flags(policy, sequence, rng, bits, arrivals))


def interpreted_run(policy, trace, rng):
    """Fault flags of the policy's source, with anything that has ``random()`` for a generator."""
    kernels = policy.kernels_in(interpreted)
    predictions = policy.predictions(trace)
    state = kernels.init(trace.requests, trace.n_pages, policy.cache_size, policy.parameters_for(trace))
    each = predictions if predictions.size == len(trace) else [predictions[0]] * len(trace)
    return [bool(kernels.access(state, page, each[t], t, rng)) for t, page in enumerate(trace.requests)]


def exact_mean(policy, sequence, bits=None, arrivals=None):
    """The kernel's own expectation: its source, run once for every sequence of random choices."""
    trace = Trace(list(sequence), bits=bits, arrivals=arrivals)
    return Choices.mean(lambda choices: sum(interpreted_run(policy, trace, choices)))


def own_contents(policy, trace, rng):
    """For each request the fault flag of the policy's source, and its cache afterwards as its own `holds` tells."""
    kernels = policy.kernels_in(interpreted)
    predictions = policy.predictions(trace)
    state = kernels.init(trace.requests, trace.n_pages, policy.cache_size, policy.parameters_for(trace))
    each = predictions if predictions.size == len(trace) else [predictions[0]] * len(trace)
    for t, page in enumerate(trace.requests):
        fault = bool(kernels.access(state, page, each[t], t, rng))
        yield fault, frozenset(int(p) for p in range(trace.n_pages) if kernels.holds(state, np.uint32(p)))


def contents_of(policy, trace):
    """The cache of a deterministic policy after each request."""
    return [content for _, content in own_contents(policy, trace, None)]
