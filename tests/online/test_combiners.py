"""Followers and combinations: their slow versions, their bounds, and what they are made of."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos import discard_bits
from online.paging import (
    FIFO,
    LRU,
    Belady,
    BlindOracle,
    CombineDeterministic,
    CombineRandomized,
    CustomEviction,
    FlushWhenAllZeros,
    FlushWhenFull,
    FollowThePrediction,
    LNonMarker,
    Mark0,
    MarkAndPredict,
    Marker,
    RobustFlushWhenAllZeros,
    RobustFtP,
    RobustLNonMarker,
    RobustMark0,
    combine_deterministic_bound,
    combine_randomized_bound,
    follow_the_prediction_bound,
)
from simulators import Trace
from tests.online.runs import faults, flags, generator, interpreted_run, own_contents
from tests.online.strategies import cache_sizes, predicted_requests, seeds
from tests.reference import paging_predictions as reference
from tests.reference.paging import Choices

DELTAS = st.sampled_from([0.01, 0.25, 0.5, 0.9])
GAMMAS = st.sampled_from([0.1, 0.5, 1.0, 3.0])


def expert(policy, trace):
    """Fault flags and contents of a deterministic policy."""
    pairs = list(own_contents(policy, trace, None))
    return [fault for fault, _ in pairs], [content for _, content in pairs]


def source_flags(policy, trace, rng=None):
    """Fault flags of the policy's source: a pair of policies takes seconds to compile, and there are many pairs."""
    return interpreted_run(policy, trace, generator() if rng is None else rng)


class Coins(Choices):
    """Choices for kernels that toss coins as well, as in ``rng.random() < p``; expectations are floats then.

    A draw may be compared more than once: what is known of it already makes later comparisons less open.
    """

    def random(self):
        self.low, self.high = 0.0, 1.0
        return super().random()

    def __lt__(self, chance):
        if not self.low < chance < self.high:
            return chance >= self.high
        if self.position == len(self.script):
            self.script.append(0)
            self.sizes.append((float(chance) - self.low) / (self.high - self.low))
        self.position += 1
        below = self.script[self.position - 1] == 0
        self.low, self.high = (self.low, float(chance)) if below else (float(chance), self.high)
        return below

    @classmethod
    def mean(cls, function):
        coins, total = cls(), 0.0
        while True:
            coins.position = 0
            value = function(coins)
            weight = 1.0
            for choice, size in zip(coins.script, coins.sizes, strict=True):
                weight *= 1 / size if isinstance(size, int) else (size, 1 - size)[choice]
            total += weight * value
            while coins.script and coins.script[-1] + 1 == (coins.sizes[-1] if isinstance(coins.sizes[-1], int) else 2):
                coins.script.pop()
                coins.sizes.pop()
            if not coins.script:
                return total
            coins.script[-1] += 1


@st.composite
def deterministic_pairs(draw, pages=5, longest=40):
    """A trace with bits, a cache size, and two deterministic policies of it."""
    sequence, bits = draw(predicted_requests(pages=pages, longest=longest))
    times = draw(st.lists(st.integers(0, 60), min_size=len(bits), max_size=len(bits)))
    k = draw(cache_sizes)
    kinds = st.sampled_from([LRU, FIFO, FlushWhenFull, FlushWhenAllZeros, BlindOracle])
    return Trace(sequence, bits=bits, arrivals=times), k, draw(kinds)(k), draw(kinds)(k)


@given(deterministic_pairs(), GAMMAS)
def test_deterministic_combination_is_its_slow_version(pair, gamma):
    trace, k, first, second = pair
    expected, _, _ = reference.combine_deterministic(
        trace.requests.tolist(), k, (expert(first, trace), expert(second, trace)), gamma
    )
    assert source_flags(CombineDeterministic(k, first, second, gamma=gamma), trace) == expected


@given(deterministic_pairs(), DELTAS, seeds)
def test_randomized_combination_is_its_slow_version_draw_for_draw(pair, delta, seed):
    trace, k, first, second = pair
    experts = expert(first, trace), expert(second, trace)
    slow = reference.combine_randomized(trace.requests.tolist(), k, experts, delta, generator(seed))
    assert source_flags(CombineRandomized(k, first, second, delta=delta), trace, generator(seed)) == slow


@given(deterministic_pairs(longest=12), DELTAS)
def test_randomized_combination_has_exactly_the_expected_faults(pair, delta):
    trace, k, first, second = pair
    experts = expert(first, trace), expert(second, trace)
    expected = reference.expected_combine_randomized(trace.requests.tolist(), k, experts, delta)
    policy = CombineRandomized(k, first, second, delta=delta)
    measured = Coins.mean(lambda coins: sum(interpreted_run(policy, trace, coins)))
    assert measured == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_combinations_of_randomized_policies_follow_their_real_contents(seed):
    rng = generator(seed)
    trace = Trace(rng.integers(0, 9, 300), bits=rng.integers(0, 2, 300))
    k, delta = 4, 0.3
    requests = trace.requests.tolist()
    rng = generator(seed)
    experts = [own_contents(policy, trace, rng) for policy in (Mark0(k, eager=seed % 2 == 0), Marker(k))]
    cache, last, losses, slow, followed = frozenset(), {}, [0, 0], [], None
    for t, page in enumerate(requests):
        outcomes = [next(one) for one in experts]
        if followed is None:
            followed = 0 if rng.random() < 0.5 else 1
        slow.append(page not in cache)
        cache = reference.lazy_step(cache, last, page, k, outcomes[followed][1])
        last[page] = t
        before = reference.weight_of_second(losses, delta)
        for j in (0, 1):
            losses[j] += int(outcomes[j][0])
        after = reference.weight_of_second(losses, delta)
        before, after = (before, after) if followed == 1 else (1 - before, 1 - after)
        if outcomes[followed][0] and not outcomes[1 - followed][0] and rng.random() < 1 - after / before:
            followed = 1 - followed
    combined = CombineRandomized(k, Mark0(k, eager=seed % 2 == 0), Marker(k), delta=delta)
    assert source_flags(combined, trace, generator(seed)) == slow


@pytest.mark.guarantee("combine_deterministic_bound")
@given(deterministic_pairs(pages=7, longest=80), GAMMAS)
def test_deterministic_combination_within_its_bound(pair, gamma):
    trace, k, first, second = pair
    best = min(sum(flags(policy, trace)) for policy in (first, second))
    cost = sum(source_flags(CombineDeterministic(k, first, second, gamma=gamma), trace))
    assert cost <= combine_deterministic_bound(best, k, gamma)


@given(deterministic_pairs(pages=7, longest=80), GAMMAS)
def test_the_parts_of_the_deterministic_bound(pair, gamma):
    trace, k, first, second = pair
    experts = expert(first, trace), expert(second, trace)
    best = min(sum(one[0]) for one in experts)
    slow, turns, followed = reference.combine_deterministic(trace.requests.tolist(), k, experts, gamma)
    while_followed = sum(experts[i][0][t] for t, i in enumerate(followed))
    assert sum(slow) <= while_followed + k * turns
    assert while_followed <= (2 + gamma) * best + 2
    assert turns <= 3 + math.log(max(best, 1)) / math.log1p(gamma)


@pytest.mark.guarantee("combine_randomized_bound")
@given(deterministic_pairs(pages=6, longest=25), st.sampled_from([Fraction(1, 4), Fraction(1, 2), Fraction(1, 20)]))
def test_randomized_combination_in_exact_expectation(pair, delta):
    trace, k, first, second = pair
    experts = expert(first, trace), expert(second, trace)
    best = min(sum(one[0]) for one in experts)
    expected = reference.expected_combine_randomized(trace.requests.tolist(), k, experts, delta)
    assert float(expected) <= combine_randomized_bound(best, k, float(delta))


@pytest.mark.guarantee("follow_the_prediction_bound")
@given(predicted_requests(pages=6, longest=40), cache_sizes, seeds)
def test_following_never_costs_more(predicted, k, seed):
    sequence, bits = predicted
    trace = Trace(sequence, bits=bits)
    for followed in (Mark0(k, eager=True), FlushWhenFull(k), FlushWhenAllZeros(k), Marker(k)):
        pairs = list(own_contents(followed, trace, generator(seed)))
        own = sum(fault for fault, _ in pairs)
        expected = reference.follow(trace.requests.tolist(), k, [content for _, content in pairs])
        assert source_flags(FollowThePrediction(k, followed), trace, generator(seed)) == expected
        assert sum(expected) <= follow_the_prediction_bound(own)


@settings(max_examples=15)
@given(predicted_requests(pages=6, longest=40), cache_sizes, seeds)
def test_following_a_lazy_policy_is_the_policy(predicted, k, seed):
    sequence, bits = predicted
    for followed in (LRU(k), FIFO(k), Mark0(k), BlindOracle(k), Marker(k)):
        trace = Trace(sequence, bits=bits)
        assert flags(FollowThePrediction(k, followed), trace, generator(seed)) == flags(
            followed, trace, generator(seed)
        )


@given(predicted_requests(pages=6, longest=40), cache_sizes, seeds)
def test_combining_a_policy_with_itself_is_the_policy(predicted, k, seed):
    sequence, bits = predicted
    trace = Trace(sequence, bits=bits)
    for policy in (LRU(k), FlushWhenAllZeros(k)):
        own = source_flags(FollowThePrediction(k, policy), trace)
        assert source_flags(CombineDeterministic(k, policy, policy), trace) == own
        assert source_flags(CombineRandomized(k, policy, policy), trace, generator(seed)) == own


def test_ready_made_combinations_are_those_of_their_parts():
    rng = generator(3)
    trace = Trace(rng.integers(0, 30, 300), bits=rng.integers(0, 2, 300), arrivals=rng.random(300))
    pairs = (
        (RobustFlushWhenAllZeros(8, gamma=0.5), CombineDeterministic(8, FlushWhenAllZeros, LRU, gamma=0.5)),
        (RobustMark0(8), CombineRandomized(8, Mark0, Marker)),
        (RobustFtP(8, delta=0.1), CombineRandomized(8, FollowThePrediction, Marker, delta=0.1)),
        (RobustFtP(8), CombineRandomized(8, BlindOracle, Marker)),
    )
    for ready, made in pairs:
        assert source_flags(ready, trace, generator(5)) == source_flags(made, trace, generator(5))
        assert ready.reads() == made.reads()
        assert ready.draws() == made.draws()
    slow = RobustLNonMarker(8).run(trace, rng=generator(5), compiled=False)
    assert slow.equals(CombineRandomized(8, LNonMarker, Marker).run(trace, rng=generator(5), compiled=False))


def test_combinations_combine():
    trace = Trace(generator(1).integers(0, 12, 400), bits=generator(2).integers(0, 2, 400))
    inner = CombineDeterministic(5, FlushWhenAllZeros, LRU)
    outer = CombineRandomized(5, inner, RobustMark0(5))
    cost = sum(source_flags(outer, trace, generator(1)))
    assert cost <= combine_randomized_bound(sum(source_flags(inner, trace)), 5)
    assert inner.run(trace).equals(inner.run(trace, compiled=False))


def test_robust_forms_are_near_the_classical_policy_when_all_bits_are_wrong():
    sequence = generator(4).zipf(1.3, 30_000) % 400
    trace = Trace(sequence)
    wrong = trace.with_bits(1 - discard_bits(trace.requests, trace.n_pages, 40))
    for robust, part, classical in (
        (RobustMark0(40), Mark0(40), Marker(40)),
        (RobustFlushWhenAllZeros(40), FlushWhenAllZeros(40), LRU(40)),
    ):
        costs = [policy.run(wrong, rng=generator(1)).outcome["faults"] for policy in (robust, part, classical)]
        assert costs[1] > 1.3 * costs[2]
        assert costs[0] < 1.2 * costs[2]
        assert faults(robust, trace, generator(1)) < 0.9 * costs[2]  # with true bits


def test_a_followed_policy_that_misreports_is_refused_not_crashed():
    def init(requests, n_pages, cache_size, params):
        return np.zeros(n_pages, np.uint8)

    def access(state, page, bit, t, rng):
        fault = state[page] == 0
        state[page] = 1  # never lets go of anything
        return fault

    def holds(state, page):
        return state[page] == 1

    def evicted(state):
        return -1

    greedy = CustomEviction(2, init, access, holds=holds, evicted=evicted)
    trace = Trace("abcdeabcde")
    for policy in (
        FollowThePrediction(2, greedy),
        CombineDeterministic(2, greedy, LRU),
        CombineRandomized(2, greedy, greedy),
    ):
        with pytest.raises(ValueError, match="holds 5 pages at the end, more than cache_size = 2"):
            policy.run(trace, rng=generator(), compiled=False)
    with pytest.raises(ValueError, match="CustomEviction: holds 5 pages"):
        greedy.run(trace, rng=generator())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CombineDeterministic(3, LRU(4), FIFO), r"first = LRU\(cache_size=4.*\): must have our cache_size, 3"),
        (lambda: CombineRandomized(3, LRU, 7), "CombineRandomized: second = 7: must be an eviction policy"),
        (lambda: CombineRandomized(3, LRU), "CombineRandomized: second is missing"),
        (lambda: CombineDeterministic(3, Belady, LRU), "first = .*must be a policy that tells what it holds"),
        (lambda: FollowThePrediction(3, Belady), "followed = .*must be a policy that tells what it holds"),
        (lambda: CombineDeterministic(3, LRU, FIFO, gamma=0.0), "gamma = 0.0: should be greater than 0"),
        (lambda: CombineDeterministic(3, LRU, FIFO, gamma=math.nan), "gamma = nan"),
        (lambda: CombineRandomized(3, LRU, FIFO, delta=1.0), "delta = 1.0: should be less than 1"),
        (lambda: RobustMark0(3, delta=0.0), "RobustMark0: delta = 0.0: should be greater than 0"),
        (lambda: FollowThePrediction(0), "FollowThePrediction: cache_size = 0"),
    ],
)  # fmt: skip
def test_bad_combinations_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bits_of_two_meanings_are_not_combined():
    mixed = CombineRandomized(2, Mark0, MarkAndPredict)
    assert mixed.run(Trace("abcabc"), rng=generator()).outcome["requests"] == 6  # each with its own truth
    with pytest.raises(ValueError, match="bits: a trace carries one bit a request"):
        mixed.run(Trace("abcabc", bits=[0] * 6), rng=generator())
