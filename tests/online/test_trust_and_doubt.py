"""Trust&Doubt: its slow version, step by step and in exact expectation, and what true predictions give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos import optimal_faults
from algos.kernels import interpreted
from online.paging import (
    LRU,
    BlindOracle,
    FlushWhenFull,
    Mark0,
    Marker,
    TrustAndDoubt,
)
from simulators import Trace, shipped_trace
from tests.online.runs import contents_of, faults, flags, generator, interpreted_run
from tests.online.strategies import cache_sizes, seeds, timed_traces
from tests.reference import paging_predictions as reference
from tests.reference.paging import Choices


def recorded_run(policy, trace, rng):
    """Fault flags of the policy's source, and the priorities that it drew in each phase."""
    kernels = policy.kernels_in(interpreted)
    state = kernels.init(trace.requests, trace.n_pages, policy.cache_size, policy.parameters_for(trace))
    phase, drawn, own = 0, [], []
    for t, page in enumerate(trace.requests):
        own.append(bool(kernels.access(state, page, 0, t, rng)))
        if state.doubt.counts[1] != phase:
            phase = state.doubt.counts[1]
            drawn.append({int(p): i for i, p in enumerate(state.doubt.lists[1, : state.doubt.counts[3]])})
    return own, drawn


@settings(max_examples=60)
@given(timed_traces(pages=9, longest=120), st.integers(1, 6), seeds, st.sampled_from([BlindOracle, LRU, FlushWhenFull]))
def test_every_step_is_that_of_the_slow_version(trace, k, seed, followed):
    own, drawn = recorded_run(TrustAndDoubt(k, followed), trace, generator(seed))
    phases = iter(drawn)
    slow = reference.trust_and_doubt(
        trace.requests.tolist(), k, contents_of(followed(k), trace), lambda stale: next(phases)
    )
    assert own == slow


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("noise", [1.0, 30.0, 300.0])
def test_every_step_on_longer_traces(seed, noise):
    rng = generator(seed)
    sequence = rng.zipf(1.2, 1200) % 60 if seed % 2 else rng.integers(0, 24, 1200)
    trace = Trace(sequence)
    times = reference.next_use(trace.requests.tolist()) + noise * rng.standard_normal(1200)
    trace, k = trace.with_arrivals(times), 5 + seed
    own, drawn = recorded_run(TrustAndDoubt(k), trace, rng)
    phases = iter(drawn)
    slow = reference.trust_and_doubt(
        trace.requests.tolist(), k, contents_of(BlindOracle(k), trace), lambda stale: next(phases)
    )
    assert own == slow


def test_a_prediction_that_lets_go_of_the_requested_page_counts_as_holding_it():
    rng = generator(5)
    trace = Trace(rng.integers(0, 12, 600), bits=rng.integers(0, 2, 600))
    eager = Mark0(6, eager=True)
    drawing = TrustAndDoubt(6, eager)
    own, drawn = recorded_run(drawing, trace, np.random.default_rng(1))
    # The same draws for Mark0 alone: replay it inside another run of Trust&Doubt.
    kernels = drawing.kernels_in(interpreted)
    state = kernels.init(trace.requests, trace.n_pages, 6, drawing.parameters_for(trace))
    inner = eager.kernels_in(interpreted)
    rng, contents = np.random.default_rng(1), []
    for t, page in enumerate(trace.requests):
        kernels.access(state, page, 0, t, rng)
        held = {int(other) for other in range(trace.n_pages) if inner.holds(state.followed, np.uint32(other))}
        contents.append(frozenset(held | {int(page)}))
    phases = iter(drawn)
    assert own == reference.trust_and_doubt(trace.requests.tolist(), 6, contents, lambda stale: next(phases))


@settings(max_examples=40)
@given(timed_traces(pages=5, longest=9), st.integers(1, 3))
def test_exactly_the_expected_faults(trace, k):
    contents = contents_of(BlindOracle(k), trace)

    def shuffled(choices):
        def priorities(stale):
            for i in range(len(stale) - 1, 0, -1):
                j = int(choices.random() * (i + 1))
                stale[i], stale[j] = stale[j], stale[i]
            return {page: i for i, page in enumerate(stale)}

        return priorities

    requests = trace.requests.tolist()
    expected = Choices.mean(lambda choices: sum(reference.trust_and_doubt(requests, k, contents, shuffled(choices))))
    assert Choices.mean(lambda choices: sum(interpreted_run(TrustAndDoubt(k), trace, choices))) == expected


@given(timed_traces(pages=8, longest=80), cache_sizes, seeds)
def test_compiled_and_interpreted_have_the_same_bits(trace, k, seed):
    fast, slow = (TrustAndDoubt(k).run(trace, rng=generator(seed), compiled=form) for form in (True, False))
    assert fast.equals(slow)


def test_good_predictions_help_and_bad_ones_do_not_ruin():
    trace = shipped_trace("web12")
    k = 687
    opt = optimal_faults(trace.requests, trace.n_pages, k)
    marker = Marker(k).run(trace, rng=generator(1)).outcome["faults"]
    wrong = trace.with_arrivals(-np.array(reference_times(trace)))
    good, bad = (faults(TrustAndDoubt(k), one, generator(1)) for one in (trace, wrong))
    assert opt <= good < 0.9 * marker
    assert bad < 1.2 * marker
    assert sum(flags(BlindOracle(k), wrong)) > 1.5 * marker


def reference_times(trace):
    from algos import next_use

    return next_use(trace.requests, trace.n_pages).astype(float)
