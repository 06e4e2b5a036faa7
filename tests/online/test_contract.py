"""What every eviction policy accepts, refuses and returns; and policies of the user's own."""

import math
from typing import NamedTuple

import numpy as np
import pytest

from algos.contracts import Algorithm
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
    FlushWhenAllZeros,
    FlushWhenFull,
    FollowAndRobust,
    FollowThePrediction,
    Guard,
    LMarker,
    LNonMarker,
    Mark0,
    MarkAndPredict,
    Marker,
    OnlineMin,
    PredictiveMarker,
    RandomEviction,
    RobustFlushWhenAllZeros,
    RobustFtP,
    RobustLNonMarker,
    RobustMark0,
    Sieve,
    TrustAndDoubt,
)
from simulators import DiscardBits, PhaseBits, PredictedTrace, Trace, ZipfTrace
from tests.online.runs import interpreted_run

CLASSICAL = [LRU, FIFO, FlushWhenFull, Clock, LFU, Sieve, S3FIFO, ARC, RandomEviction, Marker, OnlineMin]
BITS = [FlushWhenAllZeros, Mark0, MarkAndPredict, DiscardBitGuard]
ARRIVALS = [BlindOracle, PredictiveMarker, LMarker, LNonMarker, Guard]
FOLLOWERS = [
    *(FollowThePrediction, TrustAndDoubt, FollowAndRobust),
    *(RobustFlushWhenAllZeros, RobustMark0, RobustLNonMarker, RobustFtP),
]
POLICIES = [*CLASSICAL, Belady, *BITS, *ARRIVALS, *FOLLOWERS]
TRACE = Trace(list("abcabdabcdeabc"))


def generator(seed=0):
    return np.random.default_rng(seed)


class MostRecent(NamedTuple):
    cached: np.ndarray  # the pages in the cache, -1 for a free place
    last: np.ndarray  # (1,) the place of the page requested last


def init(requests, n_pages, cache_size, params):
    return MostRecent(np.full(cache_size, -1), np.zeros(1, np.int64))


def access(state, page, bit, t, rng):
    free = -1
    for place in range(state.cached.size):
        if state.cached[place] == page:
            state.last[0] = place
            return False
        if state.cached[place] < 0 and free < 0:
            free = place
    state.last[0] = free if free >= 0 else state.last[0]
    state.cached[state.last[0]] = page
    return True


def test_a_users_own_policy_runs_compiled_and_interpreted_with_the_same_bits():
    mru = CustomEviction(3, init, access)
    fast, slow = (mru.run(TRACE, rng=generator(), compiled=compiled) for compiled in (True, False))
    assert fast.equals(slow)
    loop = Trace(list(range(4)) * 50)
    assert mru.run(loop, rng=generator()).outcome["faults"] < LRU(3).run(loop).outcome["faults"] / 2


def test_a_users_own_random_policy_draws_the_same_bits_in_both_forms():
    def place(requests, n_pages, cache_size, params):
        return np.full(cache_size, -1)

    def toss(state, page, bit, t, rng):
        for i in range(state.size):
            if state[i] == page:
                return False
        state[int(rng.random() * state.size)] = page
        return True

    policy = CustomEviction(4, place, toss)
    trace = ZipfTrace(30, 0.9, 3000).sample(generator(1))
    fast, slow = (policy.run(trace, rng=generator(2), compiled=compiled) for compiled in (True, False))
    assert fast.equals(slow)


def test_any_object_of_the_right_shape_is_a_trace():
    class Mine:
        requests = (2, 0, 2, 1, 0)
        n_pages = 3

    assert LRU(2).run(Mine()).outcome["faults"] == 4


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_is_an_algorithm_with_the_same_outcome(policy):
    assert isinstance(policy(2), Algorithm)
    run = policy(2).run(TRACE, rng=generator())
    assert run.outcome["faults"] + run.outcome["hits"] == run.outcome["requests"] == len(TRACE)
    assert 0 <= run.outcome["faults"] - run.outcome["evictions"] <= 2
    assert run.rounds[-1] == len(TRACE)
    assert run.metrics["faults"][-1] == run.outcome["faults"]
    assert (np.diff(run.metrics["faults"]) >= 0).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_an_empty_trace_costs_nothing(policy):
    run = policy(2).run(Trace([]), rng=generator())
    assert dict(run.outcome) == {"faults": 0, "hits": 0, "evictions": 0, "requests": 0}
    assert run.rounds.size == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_the_horizon_serves_a_prefix(policy):
    whole = policy(2).run(TRACE, rng=generator(), checkpoints=np.arange(1, 15))
    for horizon in range(15):
        if policy in CLASSICAL or policy is Belady:  # the default predictions look at the whole trace
            part = policy(2).run(TRACE, horizon, generator())
            assert part.outcome["faults"] == (whole.metrics["faults"][horizon - 1] if horizon else 0)
            assert part.outcome["requests"] == horizon


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", [0, -1, 2.5, True, math.nan, math.inf, "3", None, [2]])
def test_bad_cache_sizes_are_refused_by_name(policy, size):
    with pytest.raises(ValueError, match=rf"{policy.__name__}: cache_size = "):
        policy(cache_size=size)


@pytest.mark.parametrize("policy", [LRU, Mark0, MarkAndPredict, Belady, BlindOracle])
def test_a_cache_of_any_size_may_hold_the_whole_trace(policy):
    assert policy(10**30).run(TRACE, rng=generator()).outcome["faults"] == TRACE.n_pages


def test_numpy_integers_are_cache_sizes_and_descriptions_are_frozen():
    lru = LRU(np.int64(3))
    assert lru == LRU(cache_size=3)
    with pytest.raises(AttributeError):
        lru.cache_size = 4


def test_unknown_and_missing_fields_are_named():
    with pytest.raises(ValueError, match="LRU: size = 3"):
        LRU(size=3)
    with pytest.raises(ValueError, match="LRU: cache_size is missing"):
        LRU()
    with pytest.raises(ValueError, match="Mark0: eager = 'maybe'"):
        Mark0(3, eager="maybe")


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy.randomized])
@pytest.mark.parametrize("rng", [None, 7, np.random.RandomState(0)])
def test_randomized_policies_need_a_generator(policy, rng):
    with pytest.raises(ValueError, match=r"rng: .* is not a numpy.random.Generator"):
        policy(2).run(TRACE, rng=rng)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizon": 15}, "horizon: 15 is more than the 14 requests"),
        ({"horizon": -1}, "horizon: -1 is below 0"),
        ({"horizon": 2.5}, "horizon: 2.5 is not a whole number"),
        ({"horizon": True}, "horizon: True is not a whole number"),
        ({"checkpoints": [0, 3]}, r"checkpoints: 0 is outside 1\.\.14"),
        ({"checkpoints": [3, 15]}, r"checkpoints: 15 is outside 1\.\.14"),
        ({"checkpoints": [5, 5]}, "must increase strictly"),
        ({"checkpoints": [2.5]}, "whole numbers"),
        ({"checkpoints": []}, "whole numbers"),
    ],
)
def test_bad_run_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        LRU(2).run(TRACE, **arguments)


def test_a_trace_with_ids_out_of_range_is_refused_before_anything_runs():
    class Broken:
        requests = np.array([0, 5, 1])
        n_pages = 3

    with pytest.raises(ValueError, match=r"id 5 at index 1 is outside 0\.\.2"):
        LRU(2).run(Broken())


def test_distributions_over_traces_are_sampled_from_the_world():
    zipf = ZipfTrace(20, 1.0, 200)
    lru = [LRU(5).run(zipf, rng=generator(seed), world=generator(3)) for seed in (0, 1)]
    assert lru[0].equals(lru[1])
    assert lru[0].equals(LRU(5).run(zipf.sample(generator(3))))
    with pytest.raises(ValueError, match="rng: None"):
        LRU(5).run(zipf)


def test_predictions_come_with_the_world():
    world = PredictedTrace(ZipfTrace(20, 1.0, 200), DiscardBits(5, flip_probability=0.3))
    sampled = world.sample(generator(3))
    direct = Mark0(5).run(sampled, rng=generator(1))
    assert direct.equals(Mark0(5).run(world, rng=generator(1), world=generator(3)))


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy is not Belady])
def test_every_policy_tells_what_it_holds_and_what_it_evicts(policy):
    trace = ZipfTrace(12, 0.5, 400).sample(generator(5))
    trace = trace.with_bits(generator(1).integers(0, 2, 400)).with_arrivals(generator(2).random(400))
    mine = policy(4)
    kernels = mine.kernels()
    state = kernels.init(trace.requests, trace.n_pages, 4, mine.parameters_for(trace))
    predictions, rng = mine.predictions(trace), generator(3)
    held, faults, evictions = set(), 0, 0
    for t, page in enumerate(trace.requests):
        fault = kernels.access(state, page, predictions[t if predictions.size > 1 else 0], t, rng)
        assert fault == (page not in held)
        if fault:
            victim = kernels.evicted(state)
            gone = held if victim == -2 else {victim} - {-1}
            assert gone <= held
            held = held - gone | {page}
            evictions += len(gone)
            faults += 1
        assert held == {other for other in range(trace.n_pages) if kernels.holds(state, np.uint32(other))}
        assert len(held) <= 4
    outcome = mine.run(trace, rng=generator(3)).outcome
    assert (outcome["faults"], outcome["evictions"]) == (faults, evictions)


def test_eager_mark0_evicts_what_it_has_just_served():
    trace = Trace("abcab", bits=[1] * 5)
    outcome = Mark0(2, eager=True).run(trace, rng=generator()).outcome
    assert (outcome["faults"], outcome["evictions"]) == (5, 5)


def test_a_policy_that_does_not_tell_what_it_holds_counts_as_lazy():
    assert dict(Belady(2).run(Trace("abcabc")).outcome) == {"faults": 4, "hits": 2, "evictions": 2, "requests": 6}
    assert CustomEviction(3, init, access).run(TRACE, rng=generator()).outcome["evictions"] >= 3


def test_a_users_own_policy_may_tell_what_it_holds():
    def holds(state, page):
        return (state.cached == page).any()

    mine = CustomEviction(3, init, access, holds=holds)
    assert mine.run(TRACE, rng=generator()).equals(CustomEviction(3, init, access).run(TRACE, rng=generator()))


def test_predictions_of_both_kinds_and_meanings_come_with_the_world():
    class Backwards:
        kind = "arrivals"

        def predict(self, trace, rng):
            return -np.arange(len(trace), dtype=float)

    zipf = ZipfTrace(20, 1.0, 200)
    timed = PredictedTrace(zipf, Backwards()).sample(generator(3))
    assert timed.bits is None
    assert timed.arrivals[7] == -7.0
    assert BlindOracle(5).run(timed).outcome["faults"] == LRU(5).run(timed).outcome["faults"]
    both = PredictedTrace(timed, PhaseBits(5)).sample(generator(3))
    assert both.arrivals is not None
    assert repr(both).endswith("with predicted bits and predicted arrivals)")
    run = MarkAndPredict(5).run(both, rng=generator(1))
    assert run.equals(MarkAndPredict(5).run(timed, rng=generator(1)))  # whose default is the truth


@pytest.mark.parametrize("policy", POLICIES)
def test_the_source_of_a_policy_runs_without_the_loop(policy):
    direct = interpreted_run(policy(2), TRACE, generator(4))
    assert sum(direct) == policy(2).run(TRACE, rng=generator(4)).outcome["faults"]


def test_custom_functions_must_be_functions():
    with pytest.raises(ValueError, match="CustomEviction: access = 3"):
        CustomEviction(2, init, 3)
