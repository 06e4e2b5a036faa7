"""Adversaries against all policies, and against the slow search for a missing page."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos import clean_pages, k_phases, optimal_faults
from algos.kernels import interpreted
from online.paging import (
    ARC,
    FIFO,
    LFU,
    LRU,
    S3FIFO,
    Belady,
    BlindOracle,
    Clock,
    CustomEviction,
    DiscardBitGuard,
    EvictionKernels,
    FlushWhenAllZeros,
    FlushWhenFull,
    Guard,
    LMarker,
    LNonMarker,
    Mark0,
    MarkAndPredict,
    Marker,
    PredictiveMarker,
    RandomEviction,
    Sieve,
)
from simulators import AugmentedMissingPage, LoopTrace, MarkingTrap, MissingPage, Trace, page_adversaries
from tests.reference import paging as reference

POLICIES = [
    *(LRU, FIFO, FlushWhenFull, Clock, LFU, Sieve, S3FIFO, ARC, RandomEviction, Marker),
    *(FlushWhenAllZeros, lambda k: FlushWhenAllZeros(k, flush="relabel"), Mark0, lambda k: Mark0(k, eager=True)),
    *(MarkAndPredict, lambda k: MarkAndPredict(k, deterministic=True), DiscardBitGuard),
    *(BlindOracle, PredictiveMarker, LMarker, LNonMarker, Guard),
]
bits = st.sampled_from([0, 1])
arrivals = st.sampled_from([math.inf, 0.0, 17.5])


def generator(seed=0):
    return np.random.default_rng(seed)


def adversaries(k, h, more, bit, arrival):
    return (
        MissingPage(bit=bit, arrival=arrival),
        MissingPage(k + 1 + more, bit, arrival),
        AugmentedMissingPage(h, bit, arrival),
    )


def faults(policy, trace, seed=0):
    # The twin tests say that compiled runs are the same.
    return policy.run(trace, rng=generator(seed), compiled=False).outcome["faults"]


@pytest.mark.parametrize("make", POLICIES)
@given(st.data(), st.integers(1, 6), st.integers(0, 80), st.integers(0, 5), bits, arrivals, st.integers(0, 2**32))
def test_every_request_is_a_fault_when_the_run_is_repeated(make, data, k, length, more, bit, arrival, seed):
    policy, h = make(k), data.draw(st.integers(1, k))
    for adversary in adversaries(k, h, more, bit, arrival):
        trace = adversary.against(policy, length, generator(seed), compiled=False)
        assert len(trace) == length
        assert faults(policy, trace, seed) == length
        assert trace.bits.tolist() == [bit] * length
        assert trace.arrivals.tolist() == [arrival] * length
        assert trace.requests.tolist() == trace.pages[trace.requests].tolist()  # numbered as they occur


@pytest.mark.parametrize("make", [LRU, FlushWhenFull, Guard, lambda k: Mark0(k, eager=True)])
@pytest.mark.parametrize("length", [5000, 20])
def test_the_compiled_game_makes_the_same_requests(make, length):
    for adversary in adversaries(k=30, h=11, more=70, bit=1, arrival=math.inf):
        fast = adversary.against(make(30), length, generator(7))
        slow = adversary.against(make(30), length, generator(7), compiled=False)
        assert fast.requests.tolist() == slow.requests.tolist()
        assert make(30).run(fast, rng=generator(7)).outcome["faults"] == length


@pytest.mark.parametrize("policy", [LRU, FIFO, FlushWhenFull, Clock, FlushWhenAllZeros])
@given(k=st.integers(1, 6), length=st.integers(0, 50))
def test_the_missing_pages_of_policies_in_order_go_round_in_a_circle(policy, k, length):
    trace = MissingPage(bit=0).against(policy(k), length, compiled=False)
    assert trace.requests.tolist() == (LoopTrace(k + 1, length).sample().requests.tolist() if length else [])
    assert trace.name == f"missing_page({policy.__name__})"


@given(st.integers(1, 5), st.integers(0, 60), st.sampled_from([LFU, Sieve, S3FIFO, ARC]))
def test_with_one_page_more_than_the_cache_the_requests_are_those_of_a_search(k, length, policy):
    slow = {LFU: reference.lfu, Sieve: reference.sieve, S3FIFO: reference.s3_fifo, ARC: reference.arc}[policy]
    sequence = []
    for _ in range(length):  # the page that would be a fault, the lowest if there are several
        sequence.append(next(page for page in range(k + 1) if slow([*sequence, page], k)[-1]))
    assert MissingPage().against(policy(k), length, compiled=False).requests.tolist() == sequence


@given(st.integers(1, 6), st.data(), st.integers(0, 80), st.sampled_from([LRU, FIFO, FlushWhenFull, Marker, LFU]))
def test_phases_of_the_augmented_adversary_have_new_pages_first(k, data, length, policy):
    h = data.draw(st.integers(1, k))
    trace = AugmentedMissingPage(h).against(policy(k), length, generator(3), compiled=False)
    seen = 0
    for t, page in enumerate(trace.requests):
        if t < k or t % k <= k - h:
            assert page == seen
            seen += 1
        else:
            assert page < seen
    assert trace.n_pages == seen


@given(st.integers(1, 6), st.data(), st.integers(0, 200), bits)
def test_an_optimum_with_a_smaller_cache_pays_for_the_new_pages_only(k, data, length, bit):
    h = data.draw(st.integers(1, k))
    phases, rest = divmod(length, k)
    for policy in (LRU(k), Sieve(k), FlushWhenAllZeros(k), Mark0(k, eager=True), RandomEviction(k)):
        trace = AugmentedMissingPage(h, bit=bit).against(policy, length, generator(1), compiled=False)
        opt = optimal_faults(trace.requests, max(1, trace.n_pages), h)
        assert opt <= h - 1 + (k - h + 1) * phases + min(rest, k - h + 1)


class Stack(NamedTuple):
    cached: np.ndarray
    counts: np.ndarray  # pages cached, page evicted last


def stack_init(requests, n_pages, cache_size, params):
    return Stack(np.full(cache_size, -1), np.array([0, -1]))


def stack_access(state, page, bit, t, rng):
    """Evict the page loaded last."""
    cached, counts = state
    for i in range(counts[0]):
        if cached[i] == page:
            return False
    if counts[0] == cached.size:
        counts[1] = cached[counts[0] - 1]
    else:
        counts[0] += 1
    cached[counts[0] - 1] = page
    return True


def stack_holds(state, page):
    return (state.cached == page).any()


def stack_evicted(state):
    return state.counts[1]


def silent(state):
    return -1


@pytest.mark.parametrize("make", POLICIES)
@given(st.integers(1, 5), st.integers(0, 5), st.integers(1, 70), bits, st.integers(0, 2**32))
def test_the_requested_page_is_the_one_that_has_been_missing_longest(make, k, more, length, bit, seed):
    policy, n_pages = make(k), min(k + 1 + more, length)
    trace = MissingPage(k + 1 + more, bit, 0.0).against(policy, length, generator(seed), compiled=False)
    kernels, rng, predictions = policy.kernels_in(interpreted), generator(seed), policy.predictions(trace)
    state = kernels.init(trace.requests, n_pages, k, policy.parameters_for(trace))
    missing, flushed, requests = list(range(n_pages)), 0, trace.requests.tolist()
    for t, page in enumerate(requests):
        assert page == missing.pop(0)
        kernels.access(state, trace.requests[t], predictions[t if predictions.size > 1 else 0], t, rng)
        out = [other for other in range(n_pages) if not kernels.holds(state, np.uint32(other))]
        left = sorted(set(out) - set(missing) - {page}, key=lambda other: requests.index(other, flushed))
        if kernels.evicted(state) == -2:
            flushed = t
        missing += left + [page] * (page in out)


@given(st.integers(1, 6), st.data(), st.integers(1, 60))
def test_the_policy_is_told_the_number_of_pages_that_the_trace_will_have(k, data, length):
    told = []

    def init(requests, n_pages, cache_size, params):
        told.append(n_pages)
        return stack_init(requests, n_pages, cache_size, params)

    mine = CustomEviction(k, init, stack_access, holds=stack_holds, evicted=stack_evicted)
    for adversary in adversaries(k, data.draw(st.integers(1, k)), data.draw(st.integers(0, 5)), None, None):
        trace = adversary.against(mine, length, generator(), compiled=False)
        assert told.pop() == trace.n_pages


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("evicted", [stack_evicted, silent])
def test_a_users_own_policy_even_one_that_evicts_unseen(evicted, compiled):
    mine = CustomEviction(3, stack_init, stack_access, holds=stack_holds, evicted=evicted)
    for adversary in (MissingPage(), MissingPage(6), AugmentedMissingPage(2)):
        trace = adversary.against(mine, 60, generator(), compiled=compiled)
        assert faults(mine, trace) == 60


@pytest.mark.parametrize("victim", [0, 3, 10**6, -1, -2, -7])
def test_a_policy_that_keeps_nothing_and_talks_nonsense_of_what_it_evicted(victim, monkeypatch):
    # Interpreted, where an index out of range is an error.
    for name in ("_add", "_take", "_keep", "_begin_phase"):
        monkeypatch.setattr(page_adversaries, name, interpreted(getattr(page_adversaries, name)))

    def nothing(requests, n_pages, cache_size, params):
        return ()

    def always(state, page, bit, t, rng):
        return True

    mine = CustomEviction(2, nothing, always, holds=lambda state, page: False, evicted=lambda state: victim)
    for adversary in (MissingPage(4), AugmentedMissingPage(2), AugmentedMissingPage(1)):
        assert len(adversary.against(mine, 60, generator(), compiled=False)) == 60


def test_anything_of_the_shape_of_a_policy_will_do():
    class Shape:
        cache_size = 3

        def kernels_in(self, form):
            return EvictionKernels(*map(form, (stack_init, stack_access, stack_holds, stack_evicted)))

        def parameters_for(self, trace):
            return len(trace)

    requests = MissingPage().against(Shape(), 12).requests
    assert requests.tolist() == [0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3]


@pytest.mark.parametrize("compiled", [False, True])
def test_kernels_that_contradict_each_other_are_refused(compiled):
    def never(state, page):
        return False

    def always(state, page):
        return True

    for holds in (never, always):
        mine = CustomEviction(3, stack_init, stack_access, holds=holds, evicted=stack_evicted)
        with pytest.raises(ValueError, match="CustomEviction: its kernels contradict each other at request"):
            MissingPage().against(mine, 60, generator(), compiled=compiled)


def test_policies_that_do_not_let_look_are_refused():
    for policy in (Belady(3), CustomEviction(3, stack_init, stack_access, holds=stack_holds)):
        with pytest.raises(ValueError, match=f"{type(policy).__name__}: has no kernels `holds` and `evicted`"):
            MissingPage().against(policy, 10, generator())


@pytest.mark.parametrize("policy", [FlushWhenAllZeros, Mark0, MarkAndPredict, DiscardBitGuard])
def test_policies_that_read_bits_need_a_constant_one(policy):
    with pytest.raises(ValueError, match=rf"bit: {policy.__name__} reads predicted bits"):
        MissingPage(arrival=1.0).against(policy(3), 10, generator())


@pytest.mark.parametrize("policy", [BlindOracle, Guard, LMarker])
def test_policies_that_read_times_need_a_constant_one(policy):
    with pytest.raises(ValueError, match=rf"arrival: {policy.__name__} reads predicted times"):
        AugmentedMissingPage(2, bit=1).against(policy(3), 10, generator())


def test_without_constants_the_trace_has_no_predictions():
    trace = MissingPage().against(LRU(3), 10)
    assert trace.bits is None
    assert trace.arrivals is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MissingPage(0), "MissingPage: n_pages = 0"),
        (lambda: MissingPage(2.5), "MissingPage: n_pages = 2.5"),
        (lambda: MissingPage(bit=2), "MissingPage: bit = 2: must be 0, 1 or None"),
        (lambda: MissingPage(bit=True), "MissingPage: bit = True"),
        (lambda: MissingPage(bit=1.0), r"MissingPage: bit = 1\.0"),
        (lambda: MissingPage(arrival=math.nan), "MissingPage: arrival = nan"),
        (lambda: AugmentedMissingPage(), "AugmentedMissingPage: optimum_cache_size is missing"),
        (lambda: AugmentedMissingPage(0), "AugmentedMissingPage: optimum_cache_size = 0"),
        (lambda: MissingPage(3).against(LRU(3), 10), "n_pages: 3 is not more than the 3 pages of the cache"),
        (lambda: AugmentedMissingPage(4).against(LRU(3), 10), "optimum_cache_size: 4 is more than the 3 pages"),
        (lambda: MissingPage().against(LRU(3), -1), "length: -1 is below 0"),
        (lambda: MissingPage().against(LRU(3), 2.5), "length: 2.5 is not a whole number"),
        (lambda: MissingPage().against(LRU(3), 2**31), "length: 2147483648 is more than"),
        (lambda: MissingPage().against(Marker(3), 10), "rng: None"),
        (lambda: MissingPage().against(Marker(3), 0), "rng: None"),
        (lambda: MarkingTrap(1, 3), "MarkingTrap: cache_size = 1"),
        (lambda: MarkingTrap(2, 0), "MarkingTrap: n_phases = 0"),
        (lambda: MarkingTrap(2**16, 2**16).sample(), "n_phases: 65536 phases have more than 2147483647 requests"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_numpy_integers_are_bits():
    assert MissingPage(bit=np.uint8(1)) == MissingPage(bit=1)


def test_a_cache_larger_than_the_game_costs_no_more_memory_than_the_game():
    for adversary in (MissingPage(), AugmentedMissingPage(10**12)):
        trace = adversary.against(LRU(10**12), 5)
        assert trace.requests.tolist() == [0, 1, 2, 3, 4]


@given(st.integers(2, 9), st.integers(1, 30))
def test_the_trap_has_phases_of_k_pages_half_of_whose_clean_ones_the_optimum_saves(k, n_phases):
    trace = MarkingTrap(k, n_phases).sample()
    half = k // 2
    assert isinstance(trace, Trace)
    assert k_phases(trace.requests, trace.n_pages, k).tolist() == [t // k for t in range(k * n_phases)]
    assert clean_pages(trace.requests, trace.n_pages, k).tolist() == [k] + [2 * half] * (n_phases - 1)
    opt = optimal_faults(trace.requests, trace.n_pages, k)
    most = k + half * n_phases
    assert most - half <= opt <= most
    assert n_phases % 2 or opt == most
