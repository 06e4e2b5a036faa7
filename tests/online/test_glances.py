"""Looking ahead changes no decision: the loop with ``forecast`` and ``glance`` against the loop without."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.kernels import compiled, interpreted
from online.paging import FIFO, LFU, LRU, Clock, Sieve
from online.paging.policy import _replay, _replay_ahead
from simulators import Trace, ZipfTrace

GLANCING = [LRU, FIFO, Clock, Sieve, LFU]


def replayed(policy, trace, checkpoints, form=compiled, ahead=True):
    kernels = policy.kernels_in(form)
    hooks = (kernels.forecast, kernels.glance) if ahead else (None,)
    loop = form(_replay_ahead if ahead else _replay)
    rest = (np.zeros(1, np.uint8), 0, trace.n_pages, policy.cache_size, checkpoints, np.random.default_rng(0))
    calls = (kernels.init, kernels.access, kernels.holds, *hooks)
    curve, held = loop(*calls, policy.parameters(), trace.requests, *rest)
    return curve.tolist(), int(held)


@st.composite
def long_traces(draw):
    """Independent requests, with loops and scans in between: thousands, for the loop glances at hundreds."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        length, pages = draw(st.integers(300, 4000)), draw(st.integers(100, 3000))
        kind = draw(st.sampled_from(["zipf", "loop", "scan"]))
        if kind == "zipf":
            parts.append(ZipfTrace(pages, draw(st.sampled_from([0.0, 0.7, 1.2])), length).sample(rng).requests)
        elif kind == "loop":
            parts.append(np.arange(length) % pages)
        else:
            parts.append(10_000 + np.arange(length))
    return Trace(np.concatenate(parts))


@pytest.mark.parametrize("policy", GLANCING)
@settings(max_examples=60, deadline=None)
@given(long_traces(), st.integers(1, 3000), st.integers(257, 5000))
def test_looking_ahead_changes_no_decision(policy, trace, k, spacing):
    checkpoints = np.unique(np.append(np.arange(spacing, len(trace), spacing), len(trace)))
    ahead, one_by_one = (replayed(policy(k), trace, checkpoints, ahead=a) for a in (True, False))
    assert ahead == one_by_one


@pytest.mark.parametrize("policy", GLANCING)
@pytest.mark.parametrize("k", [40, 200, 900])
def test_looking_ahead_interpreted_has_the_same_bits(policy, k):
    trace = ZipfTrace(2000, 0.8, 6000).sample(np.random.default_rng(k))
    checkpoints = np.array([len(trace)])
    assert replayed(policy(k), trace, checkpoints, interpreted) == replayed(policy(k), trace, checkpoints)


@pytest.mark.parametrize("policy", GLANCING)
def test_the_loop_does_look_ahead(policy):
    # Otherwise the tests above would compare the same thing twice.
    served = []
    kernels = policy(900).kernels_in(interpreted)

    def access(state, page, bit, t, rng):
        served.append(t)
        return kernels.access(state, page, bit, t, rng)

    trace = ZipfTrace(2000, 1.0, 6000).sample(np.random.default_rng(1))
    rest = (np.zeros(1, np.uint8), 0, trace.n_pages, 900, np.array([6000]), np.random.default_rng(0))
    curve, _ = interpreted(_replay_ahead)(
        kernels.init, access, kernels.holds, kernels.forecast, kernels.glance, (), trace.requests, *rest
    )
    assert curve[-1] <= len(served) < 4500
