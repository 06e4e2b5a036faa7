import inspect
import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos import next_use, optimal_faults
from algos.predictions import arrival_ranks
from online.paging import BlindOracle
from simulators import (
    LognormalArrivals,
    NextArrivals,
    NormalArrivals,
    PLECOArrivals,
    PopularityArrivals,
    PredictedTrace,
    Trace,
    ZipfTrace,
    arrival_predictors,
)
from tests.reference import paging_predictions as slow

PREDICTORS = (NextArrivals(), LognormalArrivals(2.0), NormalArrivals(2.0), PopularityArrivals(), PLECOArrivals())
NOISY = (LognormalArrivals, NormalArrivals)
REQUESTS = st.lists(st.integers(0, 5), max_size=60)
SEEDS = st.integers(0, 2**32)


def generator(seed=0):
    return np.random.default_rng(seed)


def normals(seed, size):
    """What a predictor draws."""
    return generator(seed).standard_normal(size).tolist()


ZIPF = ZipfTrace(300, 0.9, 4000).sample(generator(5))


# All of them.


@pytest.mark.parametrize("predictor", PREDICTORS, ids=repr)
def test_times_are_drawn_from_the_generator_alone(predictor):
    first, again, other = (predictor.predict(ZIPF, generator(seed)) for seed in (4, 4, 5))
    assert (first.dtype, first.shape) == (np.float64, (4000,))
    assert first.tobytes() == again.tobytes()
    assert (first.tobytes() == other.tobytes()) == (type(predictor) not in NOISY)


@pytest.mark.parametrize("predictor", PREDICTORS, ids=repr)
def test_traces_without_requests_and_with_one_page(predictor):
    assert predictor.predict(Trace([]), generator()).shape == (0,)
    once, thrice = (predictor.predict(Trace("a" * n), generator()) for n in (1, 3))
    assert once.shape == (1,)
    assert thrice.shape == (3,)
    assert np.isfinite(thrice).all()


@pytest.mark.parametrize("predictor", PREDICTORS, ids=repr)
def test_the_trace_is_not_changed(predictor):
    before = ZIPF.fingerprint()
    predictor.predict(ZIPF, generator())[:] = 0.0
    assert ZIPF.fingerprint() == before


@pytest.mark.parametrize("predictor", PREDICTORS, ids=repr)
def test_descriptions_survive_a_journey_and_compare_by_value(predictor):
    copy = pickle.loads(pickle.dumps(predictor))
    assert (copy, hash(copy)) == (predictor, hash(predictor))
    assert predictor.kind == "arrivals"


@pytest.mark.parametrize("predictor", PREDICTORS, ids=repr)
def test_a_trace_takes_the_times_along(predictor):
    trace = PredictedTrace(ZIPF, predictor).sample(generator(3))
    assert trace.arrivals.tolist() == predictor.predict(ZIPF, generator(3)).tolist()
    assert trace.bits is None


@pytest.mark.parametrize("predictor", PREDICTORS, ids=repr)
def test_pages_outside_the_trace_are_refused(predictor):
    with pytest.raises(ValueError, match=r"requests: id 2 at index 1 is outside 0\.\.1"):
        predictor.predict(SimpleNamespace(requests=np.array([0, 2]), n_pages=2), generator())


@pytest.mark.parametrize("predictor", [PopularityArrivals(), PLECOArrivals()], ids=repr)
@given(requests=REQUESTS, data=st.data())
def test_who_looks_at_the_past_predicts_the_same_whatever_follows(predictor, requests, data):
    n = data.draw(st.integers(0, len(requests)))
    trace = Trace(requests)
    assert predictor.predict(trace)[:n].tobytes() == predictor.predict(trace[:n]).tobytes()


def test_every_public_predictor_is_tested_here():
    assert {type(predictor).__name__ for predictor in PREDICTORS} == set(arrival_predictors.__all__)


TIMES = ((-1.0, "greater than or equal to 0"), (math.nan, "greater than or equal to 0"), ("soon", "a valid number"))
BAD = {
    "never": TIMES,
    "sigma": (*TIMES[::2], (math.nan, "(finite|greater)"), (math.inf, "a finite number"), (None, "a valid number")),
}


@pytest.mark.parametrize(
    ("kind", "name", "value", "message"),
    [
        (type(predictor), name, value, message)
        for predictor in PREDICTORS
        for name in inspect.signature(type(predictor)).parameters
        for value, message in BAD[name]
    ],
)
def test_bad_fields_are_named(kind, name, value, message):
    good = {"sigma": 1.0} if kind in NOISY else {}
    with pytest.raises(ValueError, match=rf"^{kind.__name__}: {name} = {value!r}: should be .*{message}"):
        kind(**(good | {name: value}))


@pytest.mark.parametrize("kind", NOISY)
def test_noise_needs_a_size_and_a_generator(kind):
    with pytest.raises(ValueError, match=f"^{kind.__name__}: sigma is missing"):
        kind()
    for bad in (None, 3, np.random):
        with pytest.raises(ValueError, match=f"rng: .* is not a numpy.random.Generator, which {kind.__name__} needs"):
            kind(1.0).predict(ZIPF, bad)


# The truth, and noise.


@given(REQUESTS)
def test_next_arrivals(requests):
    true = slow.next_use(requests)
    assert NextArrivals().predict(Trace(requests)).tolist() == true
    for never in (0.0, 7.5, math.inf):
        expected = [never if time == len(requests) else time for time in true]
        assert NextArrivals(never=never).predict(Trace(requests)).tolist() == expected


@given(REQUESTS, st.sampled_from([0.0, 0.3, 2.0, 20.0]), SEEDS, st.sampled_from([None, 0.0, 123.0, math.inf]))
def test_noise_is_added_to_the_truth(requests, sigma, seed, never):
    n, true, z = len(requests), slow.next_use(requests), normals(seed, len(requests))
    for kind, usual, noise in (
        (LognormalArrivals, 10_000.0 * n, [math.exp(sigma * x) for x in z]),
        (NormalArrivals, float(n), [sigma * x for x in z]),
    ):
        last = usual if never is None else never
        expected = [(last if time == n else time) + more for time, more in zip(true, noise, strict=True)]
        times = kind(sigma, never).predict(Trace(requests), generator(seed))
        assert times.tolist() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("kind", NOISY)
def test_no_noise_is_the_truth(kind):
    true = next_use(ZIPF.requests, ZIPF.n_pages)
    times = kind(0.0).predict(ZIPF, generator())
    again = true < len(ZIPF)
    assert (times[again] - true[again]).tolist() == [1.0 if kind is LognormalArrivals else 0.0] * int(again.sum())
    assert times[~again].min() > times[again].max()
    served = BlindOracle(20).run(ZIPF.with_arrivals(times)).outcome["faults"]
    assert served == optimal_faults(ZIPF.requests, ZIPF.n_pages, 20)


@pytest.mark.parametrize("sigma", [200.0, 1e308])
@pytest.mark.parametrize("never", [None, 1.7e308, math.inf])
def test_noise_too_large_for_a_float_is_inf_without_a_warning(sigma, never):
    # Warnings are errors in these tests.
    z = np.array(normals(1, 4000))
    times = LognormalArrivals(sigma, never).predict(ZIPF, generator(1))
    assert np.isinf(times[sigma * (z / 710.0) > 1.0]).all()
    assert np.isinf(times).any()
    again = next_use(ZIPF.requests, ZIPF.n_pages) < 4000
    assert np.isfinite(times[(z < 0) & again]).all()
    assert not np.isnan(times).any()
    assert not np.isnan(NormalArrivals(sigma, never).predict(ZIPF, generator(1))).any()
    assert sorted(arrival_ranks(times).tolist()) == list(range(4000))


def test_one_seed_has_one_noise_whatever_its_size():
    true = np.array(slow.next_use(ZIPF.requests.tolist()))
    again = true < len(ZIPF)
    for sigma in (1.0, 3.0):
        noise = NormalArrivals(sigma).predict(ZIPF, generator(2)) - true
        assert noise.tolist() == pytest.approx((sigma * np.array(normals(2, 4000))).tolist(), abs=1e-9)
        log_noise = np.log(LognormalArrivals(sigma).predict(ZIPF, generator(2))[again] - true[again]) / sigma
        assert log_noise.tolist() == pytest.approx(np.array(normals(2, 4000))[again].tolist(), abs=1e-6)


# Popularity, and PLECO.


@given(REQUESTS)
def test_popularity_against_counting(requests):
    times = PopularityArrivals().predict(Trace(requests)).tolist()
    assert times == pytest.approx(slow.popularity_arrivals(requests), rel=1e-14)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5), max_size=120))
def test_pleco_against_adding_up_all_weights(requests):
    expected = slow.pleco_probabilities(requests)
    probabilities = PLECOArrivals().probabilities(Trace(requests))
    assert probabilities.tolist() == pytest.approx(expected, rel=1e-13)
    assert probabilities.max(initial=0.0) <= 1.0
    times = PLECOArrivals().predict(Trace(requests)).tolist()
    assert times == pytest.approx([t + 1 / p for t, p in enumerate(expected)], rel=1e-13)


def test_pleco_on_a_long_trace_with_gaps_of_all_sizes():
    gaps = [1, 2, 254, 255, 256, 257, 511, 512, 513, 3000, 8191, 16384, 32767, 32768, 32769, 40_000, 1]
    places = np.cumsum(gaps)
    requests = np.zeros(places[-1] + 1, dtype=np.int64)
    requests[places] = 1
    probabilities = PLECOArrivals().probabilities(Trace(requests))
    weights = np.array([slow.pleco_weight(age) for age in range(1, requests.size + 1)])
    for t in [*places.tolist(), 0, 300, 20_000, 33_000, 100_000]:
        ages = t - np.flatnonzero(requests[: t + 1] == requests[t])
        expected = math.fsum(weights[ages]) / math.fsum(weights[: t + 1])
        assert probabilities[t] == pytest.approx(expected, rel=1e-13)


def test_a_sum_of_exponentials_is_pleco():
    coefficients, rates = arrival_predictors._pleco_exponentials()
    ages = np.arange(1, 20_001)
    exact = np.array([slow.pleco_weight(age) for age in ages.tolist()])
    approximate = (coefficients * np.exp(-np.outer(ages - 1, rates))).sum(axis=1)
    assert np.abs(approximate - exact).sum() <= 6e-14 * exact[0]
    assert coefficients.size % arrival_predictors._LANES == 0


def test_pleco_sees_the_next_request_of_the_only_page():
    assert PLECOArrivals().predict(Trace("aaaa")).tolist() == pytest.approx([1.0, 2.0, 3.0, 4.0], rel=1e-13)
    # Sums of so many weights are rounded upwards now and then.
    probabilities = PLECOArrivals().probabilities(Trace(np.zeros(70_000, dtype=int)))
    assert 1.0 - 1e-13 <= probabilities.min() <= probabilities.max() == 1.0
