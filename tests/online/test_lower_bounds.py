"""The games that lower bounds are made of, played against the policies; exact expectations, or exact tails at 1e-9."""

import functools
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from algos import clean_pages, optimal_faults
from algos.phases import clean_page_bound
from online.paging import (
    ARC,
    FIFO,
    LFU,
    LRU,
    S3FIFO,
    Belady,
    BlindOracle,
    Clock,
    DiscardBitGuard,
    FlushWhenAllZeros,
    FlushWhenFull,
    LMarker,
    Mark0,
    MarkAndPredict,
    Marker,
    PredictiveMarker,
    RandomEviction,
    Sieve,
    deterministic_ratio_bound,
    discard_price_bound,
    flush_when_all_zeros_bound,
    harmonic_number,
    mark_and_predict_consistency,
    marking_bound,
    missing_page_bound,
    missing_page_optimum_bound,
    phase_price_bound,
    randomized_discard_price_bound,
    randomized_phase_price_bound,
    randomized_ratio_bound,
    uniform_faults_bound,
    uniform_optimum,
)
from simulators import (
    AugmentedMissingPage,
    DiscardBits,
    LoopTrace,
    MarkingTrap,
    MissingPage,
    PhaseBits,
    Trace,
    UniformTrace,
)
from tests.online.runs import exact_mean, generator
from tests.reference import paging as slow

DETERMINISTIC = [
    *(LRU, FIFO, FlushWhenFull, Clock, LFU, Sieve, S3FIFO, ARC, BlindOracle, FlushWhenAllZeros),
    lambda k: FlushWhenAllZeros(k, flush="relabel"),
    lambda k: MarkAndPredict(k, deterministic=True),
]
LAZY = [LRU, Clock, RandomEviction, Marker, Mark0, MarkAndPredict, DiscardBitGuard]
NOT_LAZY = [FlushWhenFull, FlushWhenAllZeros, lambda k: Mark0(k, eager=True)]
bits = st.integers(0, 1)


def game(policy, length, bit, h=None):
    """The trace that a deterministic policy is given, all of whose requests are its faults."""
    adversary = MissingPage(bit=bit, arrival=math.inf) if h is None else AugmentedMissingPage(h, bit, math.inf)
    trace = adversary.against(policy, length, compiled=False)
    assert policy.run(trace, compiled=False).outcome["faults"] == length
    return trace


def opt_of(trace, k):
    return optimal_faults(trace.requests, max(1, trace.n_pages), k)


@pytest.mark.guarantee("missing_page_optimum_bound", "missing_page_bound")
@pytest.mark.parametrize("make", DETERMINISTIC)
@given(k=st.integers(1, 6), length=st.integers(0, 120), bit=bits)
def test_a_deterministic_policy_faults_every_time_and_the_optimum_once_in_k(make, k, length, bit):
    opt = opt_of(game(make(k), length, bit), k)
    assert opt <= missing_page_optimum_bound(length, k) <= length / k + k
    assert length >= missing_page_bound(opt, k) >= k * (opt - k) + 1


@pytest.mark.guarantee("missing_page_optimum_bound", "missing_page_bound", "deterministic_ratio_bound")
@pytest.mark.parametrize("make", DETERMINISTIC)
@given(st.data(), st.integers(1, 6), st.integers(0, 120), bits)
def test_a_larger_cache_than_the_optimum_has_does_not_save_a_deterministic_policy(make, data, k, length, bit):
    h = data.draw(st.integers(1, k))
    opt = opt_of(game(make(k), length, bit, h), h)
    assert opt <= missing_page_optimum_bound(length, k, h)
    assert length >= missing_page_bound(opt, k, h)
    assert length >= deterministic_ratio_bound(k, h) * (opt - h + 1) - h + 1 - 1e-9
    assert deterministic_ratio_bound(k) == k


@pytest.mark.guarantee("missing_page_optimum_bound", "missing_page_bound")
@given(st.integers(1, 8), st.integers(1, 200))
def test_the_value_of_the_game_is_met_on_a_loop_and_its_two_forms_say_the_same(k, length):
    opt = opt_of(LoopTrace(k + 1, length).sample(), k)
    assert opt == missing_page_optimum_bound(length, k)
    for h in range(1, k + 1):
        most = missing_page_optimum_bound(length, k, h)
        least = missing_page_bound(most, k, h)
        assert missing_page_optimum_bound(least, k, h) == most > missing_page_optimum_bound(least - 1, k, h)


@pytest.mark.guarantee("discard_price_bound", "phase_price_bound")
@pytest.mark.parametrize("make", DETERMINISTIC)
@settings(max_examples=25)
@given(k=st.integers(1, 5), beyond=st.integers(0, 40), share=st.floats(0, 1))
def test_prices_of_deterministic_policies(make, k, beyond, share):
    # A long game, so that its constants weigh little.
    length, alpha = 50 * k * k + beyond, 1 + share * (k - 1)
    prices = {DiscardBits(k): discard_price_bound(alpha, k), PhaseBits(k): phase_price_bound(alpha, k)}
    for predictor, (beta, gamma) in prices.items():
        assert 0 <= gamma <= beta <= k - 1
        for bit in (0, 1):
            trace = game(make(k), length, bit)
            opt, (eta0, eta1) = opt_of(trace, k), predictor.errors(trace, trace.bits)
            assert (eta0, eta1)[1 - bit] == 0
            most = alpha * opt + beta * eta0 + gamma * eta1  # with these prices a constant is needed, this one at most
            assert length >= most - (k * k - 1) - 1e-6
            # On a loop lower ones would not do: the optimum has n/k faults, no fewer.
            assert make not in (LRU, FlushWhenAllZeros) or length <= most + k * k * alpha + 1e-6


@pytest.mark.guarantee("discard_price_bound")
@given(st.integers(1, 7), st.integers(1, 300))
def test_flush_when_all_zeros_has_the_least_prices_and_pays_them(k, length):
    beta, gamma = discard_price_bound(1, k)
    assert flush_when_all_zeros_bound(0, 1, 0, k) == beta
    assert flush_when_all_zeros_bound(0, 0, 1, k) == (gamma if k > 1 else 1)
    for bit in (0, 1):
        trace = game(FlushWhenAllZeros(k), length, bit)
        opt, (eta0, eta1) = opt_of(trace, k), DiscardBits(k).errors(trace, trace.bits)
        assert (eta0, eta1) == ((opt, 0) if bit == 0 else (0, length - opt))
        bound = flush_when_all_zeros_bound(opt, eta0, eta1, k)
        assert bound == length if bit == 1 else length <= bound <= length + k * k - 1


@given(st.integers(1, 5), st.data())
def test_over_k_plus_one_pages_the_optimum_and_the_phase_bits_follow_from_the_phases(k, data):
    sequence = data.draw(st.lists(st.integers(0, k), min_size=1, max_size=80))
    trace = Trace(sequence)
    opt, phases = opt_of(trace, k), clean_pages(trace.requests, trace.n_pages, k).size
    zeros, ones = (PhaseBits(k).errors(trace, [bit] * len(sequence)) for bit in (0, 1))
    assert zeros[1] == ones[0] == 0
    if phases > 1:
        assert opt == k - 1 + phases
        assert opt - k <= zeros[0] <= opt - 1
        assert ones[1] <= (k - 1) * (opt - k)
    else:
        assert opt == trace.n_pages
        assert zeros[0] == ones[1] == 0


# By symmetry the first request may be page 0, the next 0 or 1, and so on, each pattern with its probability.
@functools.cache
def patterns(length, k):
    found = []

    def extend(sequence, distinct, weight):
        if len(sequence) == length:
            found.append((sequence, weight))
            return
        for page in range(distinct):
            extend((*sequence, page), distinct, weight / (k + 1))
        if distinct <= k:
            extend((*sequence, distinct), distinct + 1, weight * Fraction(k + 1 - distinct, k + 1))

    extend((), 0, Fraction(1))
    assert sum(weight for _, weight in found) == 1
    return tuple(found)


@functools.cache
def expected_optimum(length, k):
    return sum(weight * slow.optimal_faults(sequence, k) for sequence, weight in patterns(length, k))


@functools.cache
def expected_faults(make, k, length, bit):
    return sum(weight * exact_mean(make(k), sequence, [bit] * length) for sequence, weight in patterns(length, k))


@functools.cache
def expected_errors(predictor, length, k, bit):
    return sum(
        weight * sum(predictor(k).errors(Trace(sequence), [bit] * length)) for sequence, weight in patterns(length, k)
    )


small = st.tuples(st.integers(1, 3), st.integers(0, 6))


@pytest.mark.guarantee("uniform_optimum")
@given(small, st.integers(1, 60), st.integers(1, 1000))
def test_the_optimum_of_uniform_requests_is_exactly_as_expected(sizes, k, length):
    assert uniform_optimum(sizes[1], sizes[0]) == pytest.approx(float(expected_optimum(sizes[1], sizes[0])), rel=1e-12)
    mean = (k + 1) * harmonic_number(k)
    assert 1 - 1e-9 <= uniform_optimum(length, k) - (length - 1) / mean <= k + 1e-9


@pytest.mark.guarantee("uniform_faults_bound", "randomized_ratio_bound")
@pytest.mark.parametrize("make", LAZY + NOT_LAZY)
@settings(max_examples=20)
@given(sizes=small, bit=bits)
def test_no_policy_has_fewer_faults_on_uniform_requests_in_exact_expectation(make, sizes, bit):
    k, length = sizes
    expected, bound = float(expected_faults(make, k, length, bit)), uniform_faults_bound(length, k)
    assert expected >= bound - 1e-12
    assert make in NOT_LAZY or expected == pytest.approx(bound, rel=1e-12)
    assert bound >= length / (k + 1) - 1e-12
    assert expected >= randomized_ratio_bound(k) * (float(expected_optimum(length, k)) - k)


@pytest.mark.guarantee("randomized_ratio_bound", "uniform_faults_bound", "uniform_optimum")
@given(st.integers(1, 40), st.integers(0, 1000))
def test_the_ratio_on_uniform_requests_tends_to_the_harmonic_number(k, length):
    faults, opt, ratio = uniform_faults_bound(length, k), uniform_optimum(length, k), randomized_ratio_bound(k)
    assert ratio == pytest.approx(float(sum(Fraction(1, j) for j in range(1, k + 1))), rel=1e-14)
    # Lazy policies have E[faults] - H_k E[OPT] between two constants.
    assert ratio * (opt - k) <= faults <= ratio * opt + k


@pytest.mark.guarantee("randomized_discard_price_bound", "randomized_phase_price_bound")
@pytest.mark.parametrize("make", [Mark0, MarkAndPredict, DiscardBitGuard, FlushWhenAllZeros])
@settings(max_examples=20)
@given(sizes=small, share=st.floats(0, 1))
def test_prices_of_randomized_policies_in_exact_expectation(make, sizes, share):
    k, length = sizes
    H = harmonic_number(k)
    alpha = 1 + share * (H - 1)
    opt = float(expected_optimum(length, k))
    for predictor, prices in (
        (DiscardBits, randomized_discard_price_bound(alpha, k)),
        (PhaseBits, randomized_phase_price_bound(alpha, k)),
    ):
        for bit, price in enumerate(prices):
            errors = float(expected_errors(predictor, length, k, bit))
            faults = float(expected_faults(make, k, length, bit))
            assert faults >= alpha * opt + price * errors - k * H - 1e-9


@pytest.mark.guarantee("randomized_discard_price_bound", "randomized_phase_price_bound")
@settings(max_examples=30)
@given(st.integers(2, 6), st.floats(0, 1))
def test_prices_of_randomized_policies_are_what_constant_bits_make_them(k, share):
    # On long uniform sequences, where a lazy policy has exactly the least expected faults.
    H = harmonic_number(k)
    length, alpha, constant = 3000, 1 + share * (H - 1), 2 * k * H
    faults, opt = uniform_faults_bound(length, k), uniform_optimum(length, k)
    beta, gamma = randomized_discard_price_bound(alpha, k)
    assert alpha * opt + beta * opt == pytest.approx(faults, abs=constant)
    assert alpha * opt + gamma * (length - opt) == pytest.approx(faults, abs=constant)
    # Phase bits: one true 1 and k - 1 true 0s a phase, of which there are OPT - k + 1.
    beta, gamma = randomized_phase_price_bound(alpha, k)
    assert alpha * opt + beta * (opt - k) == pytest.approx(faults, abs=constant)
    assert alpha * opt + gamma * (k - 1) * (opt - k) == pytest.approx(faults, abs=constant)


@pytest.mark.guarantee("randomized_ratio_bound")
@pytest.mark.parametrize("make", [LRU, FlushWhenFull, RandomEviction, Marker, Mark0, MarkAndPredict])
@settings(max_examples=5)
@given(k=st.integers(1, 8), seed=st.integers(0, 2**32), bit=bits)
def test_every_policy_pays_the_harmonic_number_a_phase(make, k, seed, bit):
    length = 100_000
    trace = UniformTrace(k + 1, length).sample(generator(seed)).with_bits([bit] * length)
    run = make(k).run(trace, rng=generator(seed + 1)).outcome
    opt = opt_of(trace, k)
    # Each request is a fault with probability 1/(k+1) at least, whatever came before: at least so many but for 1e-9.
    least = binom.ppf(1e-9, length, 1 / (k + 1))
    assert run["faults"] >= least
    # OPT changes by 2 at most with one request: McDiarmid, 1e-9.
    spread = math.sqrt(2 * length * math.log(1e9))
    ratio = randomized_ratio_bound(k)
    assert abs(opt - length / ((k + 1) * ratio)) <= k + spread
    assert run["faults"] >= ratio * (opt - k - spread) - (length / (k + 1) - least)


@pytest.mark.guarantee("marking_bound")
@given(st.integers(2, 8), st.integers(1, 40), st.integers(0, 2**32))
def test_no_marking_algorithm_escapes_the_trap(k, n_phases, seed):
    trace = MarkingTrap(k, n_phases).sample()
    opt, clean = opt_of(trace, k), int(clean_pages(trace.requests, trace.n_pages, k).sum())
    assert marking_bound(opt, k) <= clean <= clean_page_bound(opt)
    marking = (LRU(k), FlushWhenFull(k), Marker(k), MarkAndPredict(k), PredictiveMarker(k), LMarker(k))
    for policy in marking:  # those with predictions are given true ones
        assert policy.run(trace, rng=generator(seed), compiled=False).outcome["faults"] >= clean
    best = MarkAndPredict(k).run(trace, rng=generator(seed), compiled=False).outcome["faults"]
    assert best == mark_and_predict_consistency(clean)
    assert Belady(k).run(trace, compiled=False).outcome["faults"] == opt


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 4), st.integers(0, 2**32))
def test_marking_algorithms_fault_on_all_clean_pages_of_any_requests(sequence, k, seed):
    trace = Trace(sequence, bits=generator(seed).integers(0, 2, len(sequence)))
    clean = int(clean_pages(trace.requests, max(1, trace.n_pages), k).sum())
    for policy in (LRU(k), FlushWhenFull(k), Marker(k), MarkAndPredict(k), PredictiveMarker(k), LMarker(k)):
        assert policy.run(trace, rng=generator(seed), compiled=False).outcome["faults"] >= clean


def test_values_worked_out_by_hand():
    assert [missing_page_optimum_bound(n, 3) for n in range(10)] == [0, 1, 2, 3, 4, 4, 4, 5, 5, 5]
    assert [missing_page_optimum_bound(n, 3, 2) for n in range(10)] == [0, 1, 2, 3, 4, 5, 5, 6, 7, 7]
    assert [missing_page_bound(opt, 3) for opt in range(7)] == [0, 1, 2, 3, 4, 7, 10]
    assert deterministic_ratio_bound(5, 3) == 5 / 3
    assert discard_price_bound(1, 5) == phase_price_bound(1, 5) == (4, 1)
    assert discard_price_bound(3, 5) == (2, 0.5)
    assert discard_price_bound(7, 5) == discard_price_bound(1, 1) == (0, 0)
    assert randomized_phase_price_bound(1, 3) == pytest.approx((5 / 6, 5 / 12))
    assert randomized_discard_price_bound(1, 2) == pytest.approx((1 / 2, 1 / 7))
    assert marking_bound(50, 4) == 92
    # Two of three pages in the cache: 0, 0 or 1, then a third of the time a page that is not there.
    assert uniform_faults_bound(3, 2) == pytest.approx(1 + 2 / 3 + (1 / 3 * 2 / 3 + 2 / 3 * 1 / 3))
    assert uniform_optimum(3, 2) == pytest.approx(
        np.mean([slow.optimal_faults(s, 2) for s in itertools.product(range(3), repeat=3)])
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: missing_page_optimum_bound(-1, 3), "length: -1 is below 0"),
        (lambda: missing_page_bound(2.5, 3), r"opt: 2.5 is not a whole number"),
        (lambda: missing_page_bound(4, 3, 4), r"optimum_cache_size: 4 is outside 1\.\.3"),
        (lambda: deterministic_ratio_bound(0), "cache_size: 0 is below 1"),
        (lambda: deterministic_ratio_bound(3, 0), "optimum_cache_size: 0 is below 1"),
        (lambda: discard_price_bound(0.5, 3), "alpha: 0.5 is not a number >= 1"),
        (lambda: phase_price_bound(math.nan, 3), "alpha: nan"),
        (lambda: randomized_discard_price_bound(math.inf, 3), "alpha: inf"),
        (lambda: randomized_phase_price_bound(1, True), "cache_size: True"),
        (lambda: uniform_faults_bound(1.5, 3), "length: 1.5"),
        (lambda: uniform_optimum(3, -1), "cache_size: -1 is below 1"),
        (lambda: randomized_ratio_bound(0), "cache_size: 0 is below 1"),
        (lambda: marking_bound(5, 1), "cache_size: 1 is below 2"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
