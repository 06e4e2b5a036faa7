import inspect
import itertools
import math
import pickle
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from algos.predictions import prediction_errors
from online.paging import FlushWhenAllZeros
from simulators import (
    AdversarialBits,
    ConstantBits,
    DiscardBits,
    HistoryBits,
    LognormalArrivals,
    NextArrivals,
    NoisyBeladyBits,
    NormalArrivals,
    PLECOArrivals,
    PLECOBits,
    PopularityArrivals,
    PredictedTrace,
    ThresholdBits,
    Trace,
    ZipfTrace,
    bit_predictors,
    worst_bits,
)
from tests.reference import paging
from tests.reference import paging_predictions as slow

PREDICTORS = (
    ConstantBits(0),
    ConstantBits(1),
    NoisyBeladyBits(20, 3.0),
    NoisyBeladyBits(20, 30.0, noise="normal"),
    ThresholdBits(20, PopularityArrivals()),
    ThresholdBits(20, LognormalArrivals(3.0), training=0.2),
    HistoryBits(20),
    PLECOBits(0.2),
    AdversarialBits(20, 100),
    AdversarialBits(20, 100, "discard", reuse="shortest"),
)
OF_DISCARD_BITS = tuple(predictor for predictor in PREDICTORS if hasattr(predictor, "truth"))
REQUESTS = st.lists(st.integers(0, 5), max_size=40)
CACHES = st.integers(1, 4)
SEEDS = st.integers(0, 2**32)
SHARES = st.sampled_from([1e-9, 0.1, 0.5, 0.75, 1.0])


def generator(seed=0):
    return np.random.default_rng(seed)


def truth(requests, k):
    return paging.lfd(requests, k)[1]


ZIPF = ZipfTrace(300, 0.9, 4000).sample(generator(5))


class Said:
    """A predictor of given times."""

    kind: ClassVar[str] = "arrivals"

    def __init__(self, times):
        self.times = times

    def predict(self, trace, rng=None):
        return np.array(self.times, dtype=float)


# All of them.


@pytest.mark.parametrize("predictor", PREDICTORS, ids=repr)
def test_bits_are_drawn_from_the_generator_alone(predictor):
    first, again, other = (predictor.predict(ZIPF, generator(seed)) for seed in (4, 4, 5))
    assert (first.dtype, first.shape) == (np.uint8, (4000,))
    assert set(first.tolist()) <= {0, 1}
    assert first.tobytes() == again.tobytes()
    draws = isinstance(predictor, NoisyBeladyBits) or getattr(predictor, "arrivals", None) == LognormalArrivals(3.0)
    assert (first.tobytes() == other.tobytes()) != draws


@pytest.mark.parametrize("predictor", PREDICTORS, ids=repr)
def test_traces_without_requests_and_with_one_page(predictor):
    assert predictor.predict(Trace([]), generator()).shape == (0,)
    for n in (1, 2, 5):
        assert predictor.predict(Trace("a" * n), generator()).shape == (n,)


@pytest.mark.parametrize("predictor", PREDICTORS, ids=repr)
def test_descriptions_survive_a_journey_and_compare_by_value(predictor):
    copy = pickle.loads(pickle.dumps(predictor))
    assert (copy, hash(copy)) == (predictor, hash(predictor))
    assert predictor.kind == "bits"


@pytest.mark.parametrize("predictor", PREDICTORS, ids=repr)
def test_a_trace_takes_the_bits_along(predictor):
    trace = PredictedTrace(ZIPF, predictor).sample(generator(3))
    assert trace.bits.tolist() == predictor.predict(ZIPF, generator(3)).tolist()
    assert trace.arrivals is None


@pytest.mark.parametrize("predictor", [p for p in PREDICTORS if not isinstance(p, ConstantBits)], ids=repr)
def test_pages_outside_the_trace_are_refused(predictor):
    with pytest.raises(ValueError, match=r"requests: id 2 at index 1 is outside 0\.\.1"):
        predictor.predict(SimpleNamespace(requests=np.array([0, 2]), n_pages=2), generator())


@pytest.mark.parametrize("predictor", OF_DISCARD_BITS, ids=repr)
@settings(max_examples=20)
@given(requests=REQUESTS, data=st.data())
def test_truth_and_errors(predictor, requests, data):
    true = truth(requests, predictor.cache_size)
    assert predictor.truth(Trace(requests)).tolist() == true
    bits = data.draw(st.lists(st.integers(0, 1), min_size=len(requests), max_size=len(requests)))
    pairs = list(zip(bits, true, strict=True))
    assert predictor.errors(Trace(requests), bits) == (pairs.count((0, 1)), pairs.count((1, 0)))


def test_every_public_predictor_is_tested_here():
    assert {type(p).__name__ for p in PREDICTORS} | {"worst_bits"} == set(bit_predictors.__all__)


GOOD = {
    ConstantBits: {"bit": 1},
    NoisyBeladyBits: {"cache_size": 3, "sigma": 1.0, "noise": "normal"},
    ThresholdBits: {"cache_size": 3, "arrivals": NextArrivals(), "training": 0.5},
    HistoryBits: {"cache_size": 3, "training": 0.5, "default": 0},
    PLECOBits: {"threshold": 0.5},
    AdversarialBits: {"cache_size": 3, "budget": 3, "kind_of_error": "keep", "reuse": "longest"},
}
BITS = tuple((value, "must be 0 or 1") for value in (2, -1, 1.0, True, "1", None, math.nan))
SHARE = (
    (0.0, "should be greater than 0"),
    (-0.5, "should be greater than 0"),
    (1.1, "should be less than or equal to 1"),
    (math.nan, "should be "),
    ("all", "should be a valid number"),
)
BAD = {
    "bit": BITS,
    "default": BITS,
    "cache_size": (
        (0, "should be greater than or equal to 1"),
        *((value, "must be a whole number >= 1") for value in (2.5, True, "3", math.nan)),
    ),
    "budget": (
        (-1, "should be greater than or equal to 0"),
        *((value, "must be a whole number >= 0") for value in (2.5, True, "3", math.nan)),
    ),
    "sigma": (
        (-1.0, "should be greater than or equal to 0"),
        (math.inf, "should be a finite number"),
        (math.nan, "should be "),
    ),
    "training": SHARE,
    "threshold": (
        (-0.1, "should be greater than or equal to 0"),
        (1.1, "should be less than or equal to 1"),
        (math.nan, "should be "),
    ),
    "noise": (("uniform", "should be 'lognormal' or 'normal'"),),
    "kind_of_error": (("worse", "should be 'keep', 'discard' or 'both'"),),
    "reuse": (("random", "should be 'longest' or 'shortest'"),),
    "arrivals": tuple(
        (value, "must be a predictor of arrival times, for example")
        for value in (None, 3, NextArrivals, ConstantBits(0), DiscardBits(3))
    ),
}


@pytest.mark.parametrize(
    ("kind", "name", "value", "message"),
    [
        (kind, name, value, message)
        for kind, good in GOOD.items()
        for name in good
        for value, message in BAD[name]
    ],
)  # fmt: skip
def test_bad_fields_are_named(kind, name, value, message):
    assert set(GOOD[kind]) == set(inspect.signature(kind).parameters)
    with pytest.raises(ValueError, match=rf"^{kind.__name__}: {name} = .*{message}"):
        kind(**(GOOD[kind] | {name: value}))


@pytest.mark.parametrize("predictor", [NoisyBeladyBits(20, 3.0), ThresholdBits(20, NormalArrivals(1.0))], ids=repr)
def test_noise_needs_a_generator(predictor):
    for bad in (None, 3):
        with pytest.raises(ValueError, match=r"rng: .* is not a numpy.random.Generator, which \w+Arrivals needs"):
            predictor.predict(ZIPF, bad)


# Constants, and Belady's rule with noise.


@given(st.integers(0, 1), REQUESTS)
def test_constants(bit, requests):
    assert ConstantBits(np.int64(bit)).predict(Trace(requests)).tolist() == [bit] * len(requests)


@given(REQUESTS, CACHES, st.sampled_from([0.0, 1.0, 5.0, 200.0]), st.sampled_from(["lognormal", "normal"]), SEEDS)
def test_noisy_belady_against_the_rule_on_noisy_times(requests, k, sigma, noise, seed):
    times = {"lognormal": LognormalArrivals, "normal": NormalArrivals}[noise](sigma)
    h = times.predict(Trace(requests), generator(seed)).tolist()
    bits = NoisyBeladyBits(k, sigma, noise).predict(Trace(requests), generator(seed))
    assert bits.tolist() == slow.noisy_belady_bits(requests, h, k)


@pytest.mark.parametrize(("k", "sigma"), [(1, 5.0), (40, 0.0), (40, 5.0), (40, 200.0), (10**9, 5.0)])
def test_noisy_belady_over_several_levels_of_its_bitmap(k, sigma):
    requests = ZIPF.requests.tolist()
    h = LognormalArrivals(sigma).predict(ZIPF, generator(1)).tolist()
    assert NoisyBeladyBits(k, sigma).predict(ZIPF, generator(1)).tolist() == slow.noisy_belady_bits(requests, h, k)


@given(REQUESTS, CACHES, SEEDS)
def test_belady_without_noise_tells_the_truth(requests, k, seed):
    for noise in ("lognormal", "normal"):
        predictor = NoisyBeladyBits(k, 0.0, noise)
        bits = predictor.predict(Trace(requests), generator(seed))
        assert bits.tolist() == truth(requests, k)
        assert predictor.errors(Trace(requests), bits) == (0, 0)


# Learned from a beginning of the trace.


@st.composite
def timed_requests(draw):
    requests = draw(REQUESTS)
    time = st.one_of(st.integers(-5, 45).map(float), st.sampled_from([math.inf, -math.inf, 3.5]))
    return requests, draw(st.lists(time, min_size=len(requests), max_size=len(requests)))


@given(timed_requests(), CACHES, SHARES)
def test_thresholds_against_trying_all(timed, k, training):
    requests, h = timed
    trained = math.ceil(training * len(requests))
    ahead = [time - t for t, time in enumerate(h)]
    threshold = slow.best_threshold(ahead[:trained], truth(requests[:trained], k))
    bits = ThresholdBits(k, Said(h), training).predict(Trace(requests))
    assert bits.tolist() == [int(a > threshold) for a in ahead]


def test_thresholds_ask_for_usable_times():
    for bad, message in (([1.0], "shape"), ([1.0, math.nan], "nan at index 1")):
        with pytest.raises(ValueError, match=f"arrivals: {message}"):
            ThresholdBits(2, Said(bad)).predict(Trace("ab"))


def test_a_threshold_on_true_times_is_mostly_right():
    predictor = ThresholdBits(50, NextArrivals(never=math.inf))
    bits = predictor.predict(ZIPF)
    assert sum(predictor.errors(ZIPF, bits)) < sum(predictor.errors(ZIPF, 1 - bits)) / 4


@given(REQUESTS, CACHES, SHARES, st.integers(0, 1))
def test_history_against_lists(requests, k, training, default):
    trained = math.ceil(training * len(requests))
    bits = HistoryBits(k, training, default).predict(Trace(requests))
    assert bits.tolist() == slow.history_bits(requests, truth(requests, k), trained, default)


def test_history_of_two_pages_with_known_bits():
    # a is kept, kept, evicted: the majority says 0. b is evicted, kept: the later says 0. c has no history.
    trace = Trace("aaa" + "bcab" + "b" + "c")
    assert DiscardBits(1).truth(trace).tolist() == [0, 0, 1, 1, 1, 1, 0, 1, 1]
    bits = HistoryBits(1, training=0.8).predict(trace)  # 8 of 9 requests; the last of them reveals that b was kept
    assert dict(zip(trace.pages[trace.requests].tolist(), bits.tolist(), strict=True)) == {"a": 0, "b": 0, "c": 1}


@given(REQUESTS, st.sampled_from([0.0, 0.2, 0.3, 0.5, 0.9, 1.0]))
def test_pleco_bits(requests, threshold):
    expected = slow.pleco_probabilities(requests)
    bits = PLECOBits(threshold).predict(Trace(requests)).tolist()
    for bit, probability in zip(bits, expected, strict=True):
        # Within the rounding of a sum the bit may be either.
        assert abs(probability - threshold) <= 1e-12 or bit == int(not probability > threshold)
    assert threshold != 0.0 or not any(bits)
    assert threshold != 1.0 or all(bits)


def test_more_is_discarded_at_a_higher_threshold():
    probabilities = PLECOArrivals().probabilities(ZIPF)
    few, many = PLECOBits(0.1).predict(ZIPF), PLECOBits(0.3).predict(ZIPF)
    assert (few <= many).all()
    assert 0 < few.sum() == (probabilities <= 0.1).sum() < many.sum()
    assert PLECOBits(float(probabilities[7])).predict(ZIPF)[7] == 1


# Adversaries.

KINDS = st.sampled_from(["keep", "discard", "both"])
REUSES = st.sampled_from(["longest", "shortest"])


@given(REQUESTS, CACHES, st.integers(0, 20), KINDS, REUSES)
@example([0, 1, 2, 3], 1, 3, "both", "longest")  # without true 0s
@example([0, 0, 0, 0, 0, 1], 1, 5, "both", "longest")  # with few true 1s
def test_adversaries_against_lists(requests, k, budget, kind, reuse):
    bits = AdversarialBits(k, budget, kind, reuse).predict(Trace(requests))
    assert bits.tolist() == slow.adversarial_bits(requests, truth(requests, k), k, budget, kind, reuse)


@pytest.mark.parametrize("kind", ["keep", "discard", "both"])
@pytest.mark.parametrize("budget", [0, 1, 2, 333, 1500, 10**30])
def test_adversaries_spend_their_budget(kind, budget):
    predictor = AdversarialBits(20, budget, kind)
    true = predictor.truth(ZIPF)
    ones = int(true.sum())
    zeros = true.size - ones
    eta0, eta1 = predictor.errors(ZIPF, predictor.predict(ZIPF))
    assert ones > 1500 > 333 < zeros
    if kind == "keep":
        assert (eta0, eta1) == (min(budget, ones), 0)
    elif kind == "discard":
        assert (eta0, eta1) == (0, min(budget, zeros))
    else:
        assert eta0 + eta1 == min(budget, true.size)
        assert budget > 2 * min(ones, zeros) or 0 <= eta0 - eta1 <= 1


@given(REQUESTS, CACHES, st.integers(0, 45), st.integers(0, 45), KINDS, REUSES)
def test_more_wrong_bits_include_all_of_fewer(requests, k, a, b, kind, reuse):
    trace = Trace(requests)
    few, many = (AdversarialBits(k, budget, kind, reuse).predict(trace) for budget in sorted((a, b)))
    true = DiscardBits(k).truth(trace)
    assert np.all((few == true) | (many != true))


@given(st.integers(1, 200))
def test_phases_are_taken_in_an_order_that_is_spread_out(size):
    ranks = bit_predictors._spread(size)
    assert np.argsort(ranks).tolist() == slow.scattered(size)
    for many in range(1, size + 1):
        # Any number of them leaves no gap above four times the average.
        chosen = [0, *np.flatnonzero(ranks < many).tolist(), size]
        assert max(after - before for before, after in itertools.pairwise(chosen)) <= 4 * size / many


@pytest.mark.parametrize("budget", [18, 180])
def test_wrong_1s_on_late_requests_cost_their_fault_and_on_soon_ones_next_to_nothing(budget):
    trace = ZipfTrace(1000, 1.0, 20_000).sample(generator(0))

    def extra(reuse):
        predictor = AdversarialBits(100, budget, "discard", reuse)
        served = FlushWhenAllZeros(100).run(trace.with_bits(predictor.predict(trace)))
        return served.outcome["faults"] - int(predictor.truth(trace).sum())

    assert extra("longest") == budget
    assert extra("shortest") <= budget / 20


SHORT = st.lists(st.integers(0, 3), max_size=7)


def costs(kind, k, requests):
    """Something to be made large: faults of a policy, or an arbitrary function of the bits."""
    if kind == "faults":
        return lambda bits: sum(slow.flush_when_all_zeros(requests, list(bits), k)[0])
    return lambda bits: float(generator(int("".join(map(str, [1, *bits])), 2)).integers(0, 5))


@settings(max_examples=40)
@given(SHORT, st.integers(1, 3), st.integers(0, 8), KINDS, st.sampled_from(["faults", "arbitrary"]), REUSES)
def test_the_worst_bits_against_all_bits(requests, k, budget, kind, cost, reuse):
    trace, true = Trace(requests), truth(requests, k)
    price = costs(cost, k, requests)
    bits, worst = worst_bits(trace, k, price, budget=budget, kind_of_error=kind)
    assert worst == price(bits.tolist()) == slow.dearest_bits(true, price, budget, kind)
    assert (bits.dtype, bits.shape) == (np.uint8, (len(requests),))
    eta0, eta1 = prediction_errors(bits, true)
    assert eta0 + eta1 <= budget
    assert {"keep": eta1, "discard": eta0, "both": 0}[kind] == 0
    heuristic = AdversarialBits(k, budget, kind, reuse).predict(trace)
    assert price(heuristic.tolist()) <= worst


@settings(max_examples=40)
@given(SHORT.filter(len), st.integers(1, 3), st.integers(0, 99))
def test_the_worst_bits_are_those_with_the_fewest_and_earliest_errors(requests, k, seed):
    true = truth(requests, k)
    values = generator(seed).integers(0, 3, 2 ** len(requests)).tolist()

    def price(bits):
        return values[int("".join(map(str, bits)), 2)]

    wrongs = [
        wrong for size in range(len(requests) + 1) for wrong in itertools.combinations(range(len(requests)), size)
    ]
    candidates = [[d ^ (t in wrong) for t, d in enumerate(true)] for wrong in wrongs]
    bits, worst = worst_bits(Trace(requests), k, price)
    assert bits.tolist() == next(bits for bits in candidates if price(bits) == max(values))
    assert worst == max(values)


def test_a_cost_may_do_with_its_bits_what_it_likes():
    def destroy(bits):
        cost = int(bits.sum())
        bits[:] = 0
        return cost

    bits, worst = worst_bits(Trace("abcabc"), 2, destroy)
    assert (bits.tolist(), worst) == ([1] * 6, 6.0)


def test_worst_bits_of_nothing_and_of_as_many_requests_as_can_be_tried():
    assert worst_bits(Trace([]), 2, lambda bits: 7.0)[1] == 7.0
    bits, worst = worst_bits(Trace(range(12)), 2, lambda bits: int(bits[-1] == 0) + (bits == 1).sum() / 100)
    assert (bits.tolist(), worst) == ([1] * 11 + [0], 1.11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trace": Trace("abcd" * 3 + "a")}, "^trace: 13 requests are more than 12"),
        ({"budget": -1}, "^budget: -1 is below 0"),
        ({"budget": 1.5}, "^budget: 1.5 is not a whole number >= 0"),
        ({"budget": True}, "^budget: True is not a whole number >= 0"),
        ({"kind_of_error": "worse"}, "^kind_of_error: 'worse' is not one of keep, discard, both"),
        ({"cache_size": 0}, "^cache_size: 0 is below 1"),
        ({"cost": lambda bits: math.nan if bits.all() else 0.0}, r"^cost: nan for the bits \[1, 1, 1\]"),
    ],
)
def test_worst_bits_names_what_it_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        worst_bits(**({"trace": Trace("aba"), "cache_size": 2, "cost": lambda bits: 0.0} | change))
