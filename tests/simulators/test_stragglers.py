"""Clusters: laws, conforming patterns, files, and the same bits however many rounds are asked for at once."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulators import (
    AdversarialStragglers,
    BernoulliStragglers,
    BlockBootstrap,
    BurstyStragglers,
    DelayTrace,
    GilbertElliott,
    HeterogeneousGilbertElliott,
    LambdaLike,
    LogNormalDelays,
    PeriodicStragglers,
    ShiftedExponential,
    ShiftedPareto,
    ShiftedWeibull,
    estimate_alpha,
    is_arbitrary,
    is_bursty,
    lambda_like_trace,
    read_delays,
)
from tests.reference import gradient_coding as reference

MODELS = (
    *(ShiftedExponential(5), ShiftedPareto(5), ShiftedWeibull(5), LogNormalDelays(5), LambdaLike(5, 0.01)),
    *(BernoulliStragglers(5, 0.3), GilbertElliott(5, 0.2, 0.5), GilbertElliott(5, 0.2, 0.5, "slow")),
    *(HeterogeneousGilbertElliott(5, [(0.5, 0.1, 0.9), (0.5, 0.5, 0.2)]), BurstyStragglers(5, 2, 4, 3)),
    *(BurstyStragglers(5, 2, 4, 3, model="arbitrary"), PeriodicStragglers(5, 2, 4, 3)),
    BlockBootstrap(DelayTrace(np.arange(1.0, 51.0).reshape(10, 5)), 3, outlier_probability=0.1),
)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_answers_do_not_depend_on_how_many_rounds_are_asked_for_at_once(model):
    whole = model.delays(30, rng(1))
    running = model.start(rng(1))
    np.testing.assert_array_equal(np.vstack([running.next(k) for k in (1, 0, 7, 22)]), whole)
    assert whole.shape == (30, 5)
    assert (whole > 0).all()


@pytest.mark.parametrize(
    ("model", "law"),
    [
        (ShiftedExponential(50, 0.3, 2.0), stats.expon(0.3, 0.5)),
        (ShiftedPareto(50, 0.5, 3.0, 0.1), stats.pareto(3.0, 0.1, 0.5)),
        (ShiftedWeibull(50, 0.3, 0.4, 0.7), stats.weibull_min(0.7, 0.3, 0.4)),
        (LogNormalDelays(50, 0.6, 0.4, 0.1), stats.lognorm(0.4, 0.1, 0.6)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_laws(model, law):
    assert stats.kstest(model.delays(400, rng(5)).ravel(), law.cdf).pvalue > 1e-6


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_independent_stragglers(p):
    pattern = BernoulliStragglers(40, p).pattern(500, rng(2))
    assert stats.binomtest(int(pattern.sum()), pattern.size, p).pvalue > 1e-6
    pairs = int((pattern[1:] & pattern[:-1]).sum())
    assert stats.binomtest(pairs, pattern[1:].size, p * p).pvalue > 1e-4 or p in (0.0, 1.0)


def test_chains_are_stationary_from_the_first_round_and_have_their_bursts():
    enter, leave = 0.1, 0.4
    firsts = GilbertElliott(20_000, enter, leave).pattern(2, rng(3))
    for row in firsts:
        assert stats.binomtest(int(row.sum()), row.size, enter / (enter + leave)).pvalue > 1e-6
    begun = firsts[0] & ~firsts[1]
    assert stats.binomtest(int(begun.sum()), int(firsts[0].sum()), leave).pvalue > 1e-6
    entered = ~firsts[0] & firsts[1]
    assert stats.binomtest(int(entered.sum()), int((~firsts[0]).sum()), enter).pvalue > 1e-6
    assert not GilbertElliott(9, 0.1, 0.4, "fast").pattern(1, rng()).any()
    assert GilbertElliott(9, 0.1, 0.4, "slow").pattern(1, rng()).all()
    mixed = HeterogeneousGilbertElliott(20_000, [(0.25, 1.0, 0.0), (0.75, 0.0, 1.0)]).pattern(1, rng(1))
    assert stats.binomtest(int(mixed.sum()), mixed.size, 0.25).pvalue > 1e-6


@settings(max_examples=60)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32), st.floats(0, 1), st.data())
def test_sampled_patterns_conform_and_nothing_more_would(n, window, seed, rate, data):
    burst, spread = data.draw(st.integers(1, window)), data.draw(st.integers(0, n))
    bursty = BurstyStragglers(n, burst, window, spread, rate).pattern(15, rng(seed))
    arbitrary = BurstyStragglers(n, burst, window, spread, rate, model="arbitrary").pattern(15, rng(seed))
    assert is_bursty(bursty, burst, window, spread)
    assert is_arbitrary(arbitrary, burst, window, spread)
    adversary = AdversarialStragglers(n, burst, window, spread).pattern(15, rng())
    assert is_bursty(adversary, burst, window, spread)
    full = BurstyStragglers(n, burst, window, spread, 1.0).pattern(8, rng(seed))
    for pattern in (full, adversary):  # as many as the model bears: one more in the last round would break it
        last = pattern[:8].copy()
        for i in np.flatnonzero(~last[-1]):
            last[-1, i] = True
            assert not is_bursty(last, burst, window, spread)
            last[-1, i] = False


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**32), st.booleans(), st.data())
def test_a_proposal_is_kept_if_the_whole_pattern_still_conforms(n, window, seed, arbitrary, data):
    burst, spread = data.draw(st.integers(1, window)), data.draw(st.integers(0, n))
    model = BurstyStragglers(n, burst, window, spread, 0.4, model="arbitrary" if arbitrary else "bursty")
    conforms, source, order = is_arbitrary if arbitrary else is_bursty, rng(seed), list(range(n))
    pattern = np.zeros((0, n), dtype=bool)
    for _ in range(12):
        pattern = np.vstack([pattern, np.zeros((1, n), dtype=bool)])
        for place in range(n - 1, -1, -1):
            other = int(source.random() * (place + 1))
            order[other], order[place] = order[place], order[other]
            if source.random() < 0.4:
                pattern[-1, order[place]] = True
                pattern[-1, order[place]] = conforms(pattern, burst, window, spread)
    np.testing.assert_array_equal(model.pattern(12, rng(seed)), pattern)


@settings(max_examples=100)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=7), st.integers(1, 3), st.integers(1, 4))
def test_conformance_is_the_definition(rows, burst, window):
    pattern = np.array(rows, dtype=bool).reshape(-1, 3)
    sets = [set(np.flatnonzero(row).tolist()) for row in pattern]
    for spread in range(4):
        assert is_bursty(pattern, burst, window, spread) == reference.bursty(sets, burst, window, spread)
        assert is_arbitrary(pattern, burst, window, spread) == reference.arbitrary(sets, burst, window, spread)


def test_lambda_like_has_the_figures_it_was_fitted_to():
    found, bursts = [], np.zeros(6)
    for seed in range(20):
        delays = LambdaLike().delays(100, rng(seed))
        late = delays > 2 * delays.min(axis=1, keepdims=True)
        per_round = late.sum(axis=1)
        found.append([late.mean(), delays.min(), np.median(delays), delays.max(axis=1).mean(), per_round.var()])
        padded = np.vstack([np.zeros((1, 256), bool), late, np.zeros((1, 256), bool)]).astype(int)
        edges = np.diff(padded, axis=0)
        for column in edges.T:
            lengths = np.flatnonzero(column == -1) - np.flatnonzero(column == 1)
            bursts += np.bincount(np.minimum(lengths, 5), minlength=6)[:6]
    share, least, median, largest, variance = np.mean(found, axis=0)
    assert share == pytest.approx(0.0455, rel=0.05)
    assert least == pytest.approx(0.535, rel=0.05)
    assert median == pytest.approx(0.624, rel=0.01)
    assert largest == pytest.approx(1.538, rel=0.05)
    assert variance == pytest.approx(28.9, rel=0.15)
    np.testing.assert_allclose(bursts[1:3] / 20, [873, 114], rtol=0.08)
    timeouts = LambdaLike(outliers=1e-2).delays(200, rng(1)) > 20
    assert stats.binomtest(int(timeouts.sum()), timeouts.size, 1e-2).pvalue > 1e-6


def test_the_shipped_trace():
    trace = lambda_like_trace()
    assert trace.times.shape == (500, 256)
    late = trace.times > 2 * trace.times.min(axis=1, keepdims=True)
    assert int(late.sum()) == 4721
    assert np.median(trace.times) == pytest.approx(0.6210, abs=1e-4)
    heavy = lambda_like_trace(heavy=True)
    assert int((heavy.times != trace.times).sum()) == 10
    assert float((heavy.times - trace.times).max()) <= 39.5


def test_alpha_is_the_slope():
    profiles = {load: 0.7 + 2.2 * load + rng(int(100 * load)).exponential(0.1, (50, 8)) for load in (0, 0.25, 0.5, 1)}
    alpha, intercept = estimate_alpha(profiles)
    assert alpha == pytest.approx(2.2, abs=0.05)
    assert intercept == pytest.approx(0.8, abs=0.03)
    for bad in ({0.0: [1.0]}, {0.0: [1.0], 1.0: []}, {0.0: [1.0], 1.0: [np.inf]}, {0.0: [1.0], -1.0: [1.0]}):
        with pytest.raises(ValueError, match="profiles"):
            estimate_alpha(bad)


# Files


def test_files_of_all_kinds_hold_the_same(tmp_path):
    times = rng(4).exponential(size=(4, 3)) + 0.5
    times[1, 2] = np.inf
    text = tmp_path / "times.csv"
    text.write_text("a,b,c\n" + "\n".join(",".join(map(repr, row)) for row in times.tolist()) + "\n")
    np.save(tmp_path / "times.npy", times)
    np.savez(tmp_path / "times.npz", delay_s=times, other=np.arange(3))
    for name in ("times.csv", "times.npy", "times.npz"):
        np.testing.assert_array_equal(read_delays(tmp_path / name), times)
    np.testing.assert_array_equal(read_delays(tmp_path / "times.npz", array="delay_s"), times)
    trace = DelayTrace.from_file(text, alpha=2.0, reference_load=0.1)
    assert (trace.n_rounds, trace.n_workers, trace.alpha, trace.reference_load) == (4, 3, 2.0, 0.1)
    text.write_text("1;2\n3;4\n")
    np.testing.assert_array_equal(read_delays(text, delimiter=";"), [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,-4\n", "line 2, column 2: '-4' is not a time > 0"),
        ("1,2\n3,0\n", "line 2, column 2: '0' is not"),
        ("a,b\n1,2\n3,\n", "line 3, column 2: the time is missing"),
        ("1,2\n3,x\n", "line 2, column 2: 'x' is not a number"),
        ("1,2\n3,nan\n", "line 2, column 2: 'nan' is not a number"),
        ("1,2\n3\n", "line 2: 1 columns where 2 are expected"),
        ("1,2\n\n3,4\n", "line 2: 0 columns"),
        ("", "holds no round"),
        ("a,b\n", "holds no round"),
    ],
)
def test_bad_text_files_name_the_place(tmp_path, text, message):
    path = tmp_path / "times.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_delays(path)
    assert "times.csv" in str(caught.value)


def test_bad_array_files(tmp_path):
    path = tmp_path / "times.npz"
    np.savez(path, a=np.ones((2, 2)), b=np.ones((2, 2)))
    with pytest.raises(ValueError, match="name one of a, b"):
        read_delays(path)
    with pytest.raises(ValueError, match="'c' is not one of a, b"):
        read_delays(path, array="c")
    np.savez(path, a=np.array([[1.0, -2.0]]))
    with pytest.raises(ValueError, match="round 0, worker 1: -2"):
        read_delays(path)
    np.savez(path, a=np.ones((0, 2)))
    with pytest.raises(ValueError, match="matrix"):
        read_delays(path)
    path.write_text("no archive")
    with pytest.raises(ValueError, match=r"times\.npz"):
        read_delays(path)
    with pytest.raises(OSError, match="absent"):
        read_delays(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    "make",
    [
        lambda: ShiftedExponential(0),
        lambda: ShiftedExponential(3, rate=0.0),
        lambda: ShiftedPareto(3, tail=math.inf),
        lambda: ShiftedWeibull(3, shape=-1.0),
        lambda: LogNormalDelays(3, sigma=math.nan),
        lambda: LambdaLike(3, 1.5),
        lambda: LambdaLike(3, alpha=-1.0),
        lambda: BernoulliStragglers(3, 1.1),
        lambda: BernoulliStragglers(3, 0.1, slow=1.0),
        lambda: GilbertElliott(3, 0.1, 0.1, "warm"),
        lambda: HeterogeneousGilbertElliott(3, [(0.5, 0.1, 0.1)]),
        lambda: HeterogeneousGilbertElliott(3, [(1.0, 0.1)]),
        lambda: HeterogeneousGilbertElliott(3, 5),
        lambda: BurstyStragglers(3, 3, 2, 1),
        lambda: BurstyStragglers(3, 1, 2, 4),
        lambda: PeriodicStragglers(3, 0, 2, 1),
        lambda: AdversarialStragglers(3, 1, 2, 4),
        lambda: AdversarialStragglers(3, 1, 2, 1).start(rng()).next(2),
        lambda: DelayTrace([[1.0, 0.0]]),
        lambda: DelayTrace([1.0]),
        lambda: DelayTrace([["1"]]),
        lambda: DelayTrace(np.ones((2, 2))).delays(3, rng()),
        lambda: BlockBootstrap(DelayTrace([[1.0]]), 0),
        lambda: ShiftedExponential(3).delays(2, 0),
        lambda: ShiftedExponential(3).delays(-1, rng()),
        lambda: is_bursty([[1, 0]], 1, 2, 1),
    ],
)
def test_bad_input(make):
    with pytest.raises(ValueError):
        make()
