"""Sequential gradient coding: the compiled master against a slow one, exhaustive counts, real gradients, bad input."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.gradient_codes import repetition_decoding_probability, uneven_groups
from online.gradient_coding import (
    FAMILIES,
    EventDriven,
    GradientCoding,
    Multiplexed,
    SelectiveRepeat,
    StreamingMultiplexed,
    Uncoded,
    UndecodableError,
    arbitrary_load_bound,
    arbitrary_patterns,
    balanced_groups,
    bursty_load_bound,
    decodable_patterns,
    gilbert_elliott_burst,
    gilbert_elliott_share,
    gradient_coding_load,
    m_sgc_load,
    m_sgc_load_bound,
    multiplexed_grid,
    order_statistic_mean,
    pareto_order_statistic_mean,
    partial_straggler_load,
    repetition_mean,
    select_parameters,
    selective_repeat_grid,
    sr_sgc_load,
    work_plan,
)
from simulators import (
    AdversarialStragglers,
    BernoulliStragglers,
    BurstyStragglers,
    DelayTrace,
    GilbertElliott,
    LambdaLike,
    LogNormalDelays,
    PeriodicStragglers,
    ShiftedExponential,
    ShiftedPareto,
    ShiftedWeibull,
    is_arbitrary,
    is_bursty,
    lambda_like_trace,
)
from tests.reference import gradient_coding as reference

BASE, HEAVY = lambda_like_trace(), lambda_like_trace(heavy=True)


def rng(seed=0):
    return np.random.default_rng(seed)


@st.composite
def schemes(draw, most_workers=5):
    """A scheme with its slow version, for any number of jobs."""
    n = draw(st.integers(1, most_workers))
    kind = draw(st.sampled_from(["uncoded", "gc", "gc-rep", "sr", "sr-rep", "m", "m-rep"]))
    options = {"wait": draw(st.sampled_from(["all", "minimal"])), "deadline_slack": draw(st.sampled_from([0, 0.5, 1]))}
    if kind == "uncoded":
        scheme = Uncoded(n, deadline_slack=options["deadline_slack"])
        return scheme, lambda jobs: reference.OneRound(lambda late: False)
    if kind == "gc":
        s, strict = draw(st.integers(0, n - 1)), draw(st.booleans())
        scheme = GradientCoding(n, s, strict_compat=strict, **options)
        return scheme, lambda jobs: reference.OneRound(lambda late: len(late) <= s - strict)
    if kind == "gc-rep":
        s = draw(st.integers(0, n - 1))
        groups = uneven_groups(n, s)
        return GradientCoding(n, s, repetition=True, **options), lambda jobs: reference.OneRound(
            lambda late: all(any(i not in late for i in np.flatnonzero(groups == q)) for q in range(groups.max() + 1))
        )
    repetition = kind.endswith("rep")
    spread = draw(st.integers(0, n))
    if kind.startswith("sr"):
        burst = draw(st.integers(1, 3))
        window = 1 + burst * draw(st.integers(1, 3))
        rule = draw(st.sampled_from(["bursty", "exact", *([] if repetition else ["exempting", "per round"])]))
        if math.ceil(burst * spread / (window - 1 + burst)) > n - 1:
            spread = 0
        scheme = SelectiveRepeat(n, burst, window, spread, rule=rule, repetition=repetition, **options)
        groups = list(uneven_groups(n, scheme.code_stragglers)) if repetition else None
        return scheme, lambda jobs: reference.SelectiveRepeat(n, burst, window, spread, jobs, rule, groups)
    window = draw(st.integers(2, 5))
    burst = draw(st.integers(1, window - 1))
    rule = draw(st.sampled_from(["bursty", "arbitrary", "exact"]))
    scheme = Multiplexed(n, burst, window, spread, rule=rule, repetition=repetition, **options)
    groups = list(uneven_groups(n, spread)) if repetition and spread < n else None
    return scheme, lambda jobs: reference.Multiplexed(n, burst, window, spread, jobs, rule, groups)


@st.composite
def delay_tables(draw, rounds, n):
    """Whole seconds, so that ties and the deadline itself are met."""
    return np.array(draw(st.lists(st.lists(st.sampled_from([1, 1, 1, 2, 3, 4]), min_size=n, max_size=n),
                                  min_size=rounds, max_size=rounds)), dtype=float).reshape(rounds, n)  # fmt: skip


@settings(max_examples=300)
@given(schemes(), st.integers(0, 9), st.data())
def test_the_master_is_the_slow_one(pair, jobs, data):
    scheme, slow = pair
    delays = data.draw(delay_tables(jobs + scheme.delay, scheme.n_workers))
    alpha = data.draw(st.sampled_from([0.0, 1.0]))
    run = scheme.run(DelayTrace(delays, alpha=alpha), jobs, rng(), trace=True) if jobs else None
    if run is None:
        assert scheme.run(np.ones((1, scheme.n_workers)), 0, rng()).outcome["runtime"] == 0
        return
    loads = scheme.loads(0, jobs + scheme.delay, jobs)
    durations, waited, pattern = reference.play(
        slow(jobs), delays, jobs, loads, alpha, scheme.deadline_slack, scheme.wait
    )
    np.testing.assert_array_equal(run.outcome["durations"], durations)
    np.testing.assert_array_equal(run.outcome["waited"], waited)
    np.testing.assert_array_equal(run.outcome["stragglers"], pattern)
    assert run.outcome["waits"] == waited.sum()
    assert run.outcome["straggles"] == pattern.sum()
    assert run.metrics["runtime"][-1] == pytest.approx(durations.sum(), rel=1e-12)


@pytest.mark.parametrize(("burst", "window", "spread"), [(1, 2, 3), (1, 3, 3), (2, 3, 3), (2, 5, 4)])
def test_rounds_are_exempt_only_while_no_repeater_answers(burst, window, spread):
    exempted = 0
    for seed in range(60):
        delays = np.where(rng(seed).random((20 + burst, 5)) < 0.3, 5.0, 1.0)
        outcomes = []
        for wait in ("all", "minimal"):
            scheme = SelectiveRepeat(5, burst, window, spread, wait=wait)
            slow = reference.SelectiveRepeat(5, burst, window, spread, 20, "exempting")
            outcome = scheme.run(delays, 20, rng(), trace=True).outcome
            _, waited, pattern = reference.play(slow, delays, 20, np.zeros(20 + burst), 0.0, 1.0, wait)
            np.testing.assert_array_equal(outcome["waited"], waited)
            np.testing.assert_array_equal(outcome["stragglers"], pattern)
            outcomes.append(outcome)
        strict = SelectiveRepeat(5, burst, window, spread, rule="bursty").run(delays, 20, rng()).outcome
        exempted += strict["waits"] != outcomes[0]["waits"]
    assert exempted > 10


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(schemes(), st.integers(1, 8), st.integers(0, 2**32), st.sampled_from([0.1, 0.3, 0.6]))
def test_real_gradients_decode_in_time_and_to_the_last_digits(pair, jobs, seed, p):
    scheme, _ = pair
    n = scheme.n_workers
    X, y = rng(seed).standard_normal((37, 3)), rng(seed + 1).standard_normal(37)

    def gradient(job, start, stop):
        residual = X[start:stop] @ np.full(3, job + 1.0) - y[start:stop]
        return [X[start:stop].T @ residual, np.array([[residual.sum()]])]

    seen = []
    run = scheme.run(
        BernoulliStragglers(n, p), jobs, rng(seed), gradient=gradient, n_samples=37,
        decoded=lambda job, found: seen.append((job, found)),
    )  # fmt: skip
    assert run.outcome["decoding_error"] <= 1e-9
    assert [job for job, _ in seen] == list(range(jobs))
    assert [part.shape for part in seen[0][1]] == [(3,), (1, 1)]
    for part, whole in zip(seen[-1][1], gradient(jobs - 1, 0, 37), strict=True):
        assert np.linalg.norm(part - whole) <= 1e-9 * np.linalg.norm(whole)


def test_a_gradient_is_not_decoded_earlier_than_it_can_be():
    scheme = Multiplexed(4, 2, 3, 2)
    plan = work_plan(scheme, 3, rng())
    for r in range(plan.rounds):
        assert not any(plan.decodable(job) for job in range(max(0, r - scheme.delay), 3))
        plan.record(np.zeros(4, dtype=bool))
        if r >= scheme.delay:
            assert plan.decodable(r - scheme.delay)


@settings(max_examples=150)
@given(st.data())
def test_placement_is_the_closed_form(data):
    n, window = data.draw(st.integers(1, 5)), data.draw(st.integers(2, 5))
    burst, spread = data.draw(st.integers(1, window - 1)), data.draw(st.integers(0, n))
    rounds = window - 1 + burst
    rows = data.draw(st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=rounds, max_size=rounds))
    pattern = np.array(rows, dtype=bool).reshape(rounds, n)
    plan = work_plan(Multiplexed(n, burst, window, spread), 1, rng())
    for row in pattern:
        plan.record(row)
    closed = reference.m_sgc_decodes(pattern, burst, window, spread)
    if spread == n:
        closed = bool((pattern.sum(axis=0) <= burst).all())
    assert plan.decodable(0) == closed
    if is_bursty(pattern, burst, window, spread) or is_arbitrary(pattern, burst, rounds, spread):
        assert closed


@pytest.mark.parametrize(
    ("n", "burst", "window", "spread", "expected"),
    [
        (2, 2, 3, 1, (27, 19, 21)),
        (3, 2, 3, 2, (475, 259, 331)),
        (4, 2, 3, 2, (1271, 591, 641)),
        (3, 2, 5, 2, (1927, 535, 1387)),
    ],
)
def test_exhaustive_counts(n, burst, window, spread, expected):
    rounds = window - 1 + burst
    bits = np.arange(2 ** (rounds * n))[:, None] >> np.arange(rounds * n) & 1
    patterns = bits.reshape(-1, rounds, n).astype(bool)
    before = np.concatenate([np.zeros((len(patterns), 1, n), int), np.cumsum(patterns, axis=1)], axis=1)
    decodable = (before[:, -1] <= burst).all(axis=1)
    for m in range(burst):
        absent = patterns[:, window - 1 + m] | (before[:, window - 1 + m] >= m + 1)
        decodable &= absent.sum(axis=1) <= spread
    often = (before[:, -1] <= burst).all(axis=1) & (patterns.any(axis=1).sum(axis=1) <= spread)
    bursty = np.ones(len(patterns), bool)
    for end in range(1, rounds + window):  # between rounds without stragglers
        here = patterns[:, max(0, end - window) : end]
        bursty &= here.any(axis=1).sum(axis=1) <= spread
        first, last = here.argmax(axis=1), here.shape[1] - 1 - here[:, ::-1].argmax(axis=1)
        bursty &= (~here.any(axis=1) | (last - first <= burst - 1)).all(axis=1)
    assert (decodable.sum(), bursty.sum(), often.sum()) == expected
    assert often.sum() == arbitrary_patterns(n, burst, window, spread)
    assert decodable[bursty].all()
    assert decodable[often].all()
    for place in rng(1).integers(0, len(patterns), 200):  # the counting itself, against the definitions
        pattern = patterns[place]
        assert decodable[place] == reference.m_sgc_decodes(pattern, burst, window, spread)
        assert bursty[place] == is_bursty(pattern, burst, window, spread)
        assert often[place] == is_arbitrary(pattern, burst, rounds, spread)


@pytest.mark.guarantee("arbitrary_patterns", "decodable_patterns")
@settings(max_examples=25)
@given(st.data())
def test_counted_patterns(data):
    n, window = data.draw(st.integers(1, 3)), data.draw(st.integers(2, 3))
    burst = data.draw(st.integers(1, window - 1))
    spread, rounds = data.draw(st.integers(0, n)), window - 1 + burst
    if rounds * n > 9:
        n = 2
        spread = min(spread, n)
    patterns = list(reference.all_patterns(rounds, n))
    assert sum(is_arbitrary(p, burst, rounds, spread) for p in patterns) == arbitrary_patterns(n, burst, window, spread)
    plans = 0
    for pattern in patterns:
        plan = work_plan(Multiplexed(n, burst, window, n), 1, rng())
        for row in pattern:
            plan.record(row)
        plans += plan.decodable(0)
    assert plans == decodable_patterns(n, burst, window)


@pytest.mark.parametrize(
    ("n", "burst", "window", "spread"),
    [(2, 1, 2, 1), (3, 1, 2, 2), (3, 1, 3, 2), (3, 2, 3, 2), (3, 2, 3, 3), (4, 1, 2, 3), (2, 3, 4, 2), (3, 2, 5, 3)],
)
@pytest.mark.slow
def test_selective_repeat_survives_every_conforming_pattern_and_not_with_a_weaker_code(n, burst, window, spread):
    s = SelectiveRepeat(n, burst, window, spread).code_stragglers
    assert not reference.sr_sgc_fails(n, burst, window, spread, s)
    assert not reference.sr_sgc_fails(n, burst, window, spread, s, per_round=True)
    assert reference.sr_sgc_fails(n, burst, window, spread, s - 1)
    if spread < n:
        stronger = math.ceil(burst * (spread + 1) / (window - 1 + burst))
        assert reference.sr_sgc_fails(n, burst, window, spread + 1, s) == (stronger > s)


# Guarantees


@pytest.mark.guarantee("sr_sgc_load", "gradient_coding_load")
@given(st.integers(2, 6), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32), st.data())
def test_selective_repeat_decodes_every_bursty_pattern_without_waiting(n, burst, x, seed, data):
    window, spread = 1 + burst * x, data.draw(st.integers(0, n))
    world = BurstyStragglers(n, burst, window, spread)
    run = SelectiveRepeat(n, burst, window, spread, rule="bursty", wait="never").run(
        world, 12, rng(seed), gradient=lambda job, a, b: np.array([float(b - a)]), n_samples=n
    )
    assert run.outcome["waits"] == 0
    assert run.outcome["decoding_error"] <= 1e-9
    assert sr_sgc_load(n, burst, window, spread) == Fraction(-(-burst * spread // (window - 1 + burst)) + 1, n)
    once = GradientCoding(n, min(spread, n - 1), wait="never").run(
        BurstyStragglers(n, burst, window, min(spread, n - 1)), 12, rng(seed)
    )
    assert once.outcome["waits"] == 0
    assert gradient_coding_load(n, min(spread, n - 1)) == Fraction(min(spread, n - 1) + 1, n)


@pytest.mark.guarantee("m_sgc_load", "m_sgc_load_bound", "bursty_load_bound", "arbitrary_load_bound")
@given(st.integers(1, 6), st.integers(2, 5), st.integers(0, 2**32), st.data())
def test_multiplexed_decodes_both_models_without_waiting_at_twice_the_least_load(n, window, seed, data):
    burst, spread = data.draw(st.integers(1, window - 1)), data.draw(st.integers(0, n))
    for rule, world in (
        ("bursty", BurstyStragglers(n, burst, window, spread)),
        ("arbitrary", BurstyStragglers(n, burst, window + burst - 1, spread, model="arbitrary")),
    ):
        for exact in (rule, "exact"):
            run = Multiplexed(n, burst, window, spread, rule=exact, wait="never").run(
                world, 9, rng(seed), gradient=lambda job, a, b: np.array([float(b - a), 1.0 * (b - a)]), n_samples=50
            )
            assert run.outcome["waits"] == 0
            assert run.outcome["decoding_error"] <= 1e-9
    load, least = m_sgc_load(n, burst, window, spread), bursty_load_bound(n, burst, window, spread)
    assert Fraction(1, n) <= least <= load <= m_sgc_load_bound(n)
    assert load < 2 * least or n == spread == 1
    assert arbitrary_load_bound(n, burst, window + burst - 1, spread) == least
    assert (load == least) == (spread >= n - 1 or spread == 0)
    expected = (
        Fraction((spread + 1) * (window - 1 + burst), n * (burst + (window - 1) * (spread + 1)))
        if spread < n
        else Fraction(window - 1 + burst, n * (window - 1))
    )
    assert load == expected == Multiplexed(n, burst, window, spread).exact_load
    if spread:
        assert m_sgc_load(n, burst, window, spread - 1) < load


@pytest.mark.guarantee("bursty_load_bound")
@given(st.integers(1, 6), st.integers(2, 5), st.data())
def test_the_periodic_adversary_conforms_and_leaves_the_work_of_the_bound(n, window, data):
    burst, spread = data.draw(st.integers(1, window - 1)), data.draw(st.integers(0, n))
    period = window - 1 + burst
    pattern = PeriodicStragglers(n, burst, window, spread).pattern(4 * period, rng())
    assert is_bursty(pattern, burst, window, spread)
    assert is_bursty(AdversarialStragglers(n, burst, window, spread).pattern(20, rng()), burst, window, spread)
    answers = int((~pattern).sum())
    assert Fraction(4 * period, answers) == bursty_load_bound(n, burst, window, spread)


@pytest.mark.guarantee("order_statistic_mean", "repetition_mean", "pareto_order_statistic_mean")
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(2, 4))
def test_event_driven_means(seed, n_groups, size):
    n, rounds = n_groups * size, 20_000
    s = size - 1
    exponential, pareto = ShiftedExponential(n, 0.3, 2.0), ShiftedPareto(n, 0.5, 5.0)
    for scheme, world, mean in (
        (EventDriven(n, s), exponential, order_statistic_mean(n, s, 0.3, 2.0)),
        (EventDriven.repeating(n, size), exponential, repetition_mean(n_groups, size, 0.3, 2.0)),
        (EventDriven(n, s), pareto, pareto_order_statistic_mean(n, s, 0.5, 5.0)),
    ):
        durations = scheme.run(world, rounds, rng(seed), trace=True).outcome["durations"]
        assert abs(durations.mean() - mean) <= 6 * durations.std() / math.sqrt(rounds)


@pytest.mark.guarantee("gilbert_elliott_share", "gilbert_elliott_burst")
@settings(max_examples=20)
@given(st.floats(0.05, 1), st.floats(0.1, 1), st.integers(0, 2**32))
def test_the_share_and_the_bursts_of_a_chain(enter, leave, seed):
    share, burst = gilbert_elliott_share(enter, leave), gilbert_elliott_burst(leave)
    assert enter * (1 - share) == pytest.approx(leave * share)
    assert burst == pytest.approx(sum(k * leave * (1 - leave) ** (k - 1) for k in range(1, 400)), rel=1e-9)
    workers = 4000  # independent restarts, each of one round and the burst that follows
    pattern = GilbertElliott(workers, enter, leave).pattern(2, rng(seed))
    allowed = math.sqrt(math.log(2e9) / (2 * workers))  # Hoeffding at 1e-9
    assert abs(pattern[0].mean() - share) <= allowed
    assert abs((pattern[0] & ~pattern[1]).mean() - share / burst) <= allowed


@pytest.mark.guarantee("partial_straggler_load")
@given(st.integers(1, 40), st.integers(0, 39), st.floats(1, 100))
def test_partial_stragglers_end_their_uncoded_part_in_time(n, s, rho):
    s = min(s, n - 1)
    uncoded, load = (s + 1) / (s + rho) / n, partial_straggler_load(n, s, rho)
    assert rho * uncoded == pytest.approx(load)
    assert uncoded + (rho - 1) / (s + rho) * (s + 1) / n == pytest.approx(load)
    assert load <= (s + 1) / n * (1 + 1e-12)
    assert partial_straggler_load(n, s, math.inf) == (s + 1) / n


@pytest.mark.guarantee("repetition_decoding_probability")
@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(1, 3), st.floats(0, 1))
def test_repetition_decodes_with_the_probability_of_the_closed_form(n_groups, size, p):
    n, total = n_groups * size, 0.0
    scheme = GradientCoding(n, size - 1, repetition=True, wait="never")
    for bits in itertools.product((False, True), repeat=n):
        late = np.array(bits)
        try:
            scheme.run(np.where(late, 10.0, 1.0)[None], 1, rng())
            decodes = not late.all()  # else all answers come at once and nobody is late
        except UndecodableError:
            decodes = False
        total += decodes * p ** late.sum() * (1 - p) ** (n - late.sum())
    assert total == pytest.approx(repetition_decoding_probability(n_groups, size, p), abs=1e-12)


# The shared trace, and what changes nothing


@pytest.mark.parametrize(
    ("scheme", "base", "heavy", "waits"),
    [
        (Uncoded(256), 728.284640, 1039.423738, 480),
        (GradientCoding(256, 15), 641.320403, 641.320403, 0),
        (SelectiveRepeat(256, 2, 3, 23), 618.645820, 618.645820, 5),
        (Multiplexed(256, 1, 2, 27), 607.225464, 735.577843, 177),
        (Multiplexed(256, 1, 2, 27, wait="minimal"), 575.371635, 575.371635, 217),
        (Multiplexed(256, 2, 3, 60), 610.346882, 783.020046, None),
        (Multiplexed(256, 2, 3, 60, wait="minimal"), 574.396717, 574.396717, None),
        (Multiplexed(256, 2, 3, 60, wait="minimal", rule="exact"), 549.440492, 549.440492, None),
        (
            Multiplexed(256, 3, 4, 256, wait="minimal", rule="exact", deadline_slack=0.3),
            *(490.262600, 490.262600, 341),
        ),
        (EventDriven(256, 25), 499.920578, 499.974925, 0),
        (EventDriven.repeating(256, 4), 331.210607, 331.210607, 0),
        (EventDriven.repeating(256, 4, strided=True), 332.530661, 332.530661, 0),
    ],
)
def test_the_reference_table(scheme, base, heavy, waits):
    for trace, seconds in ((BASE, base), (HEAVY, heavy)):
        outcome = scheme.run(trace, 480, rng()).outcome
        assert outcome["runtime"] == pytest.approx(seconds, abs=1e-5)
        assert waits is None or outcome["waits"] == waits


@settings(max_examples=60)
@given(schemes(), st.integers(1, 8), st.sampled_from([0.25, 2.0, 3.0]), st.data())
def test_scaling_and_permuting(pair, jobs, scale, data):
    scheme, _ = pair
    delays = data.draw(delay_tables(jobs + scheme.delay, scheme.n_workers))
    runtime = scheme.run(DelayTrace(delays, alpha=1.0), jobs, rng()).outcome["runtime"]
    scaled = scheme.run(DelayTrace(scale * delays, alpha=scale), jobs, rng()).outcome["runtime"]
    assert scaled == pytest.approx(scale * runtime, rel=1e-12)
    if not isinstance(scheme, SelectiveRepeat) and not getattr(scheme, "repetition", False):
        order = data.draw(st.permutations(range(scheme.n_workers)))
        permuted = scheme.run(DelayTrace(delays[:, order], alpha=1.0), jobs, rng()).outcome["runtime"]
        assert permuted == runtime


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32))
def test_event_driven_is_faster_with_more_stragglers_borne_and_each_round_is_within_its_answers(n, jobs, seed):
    delays = rng(seed).exponential(size=(jobs, n)) + 0.1
    times = [EventDriven(n, s).run(delays, jobs, rng()).outcome["runtime"] for s in range(n)]
    assert all(fast <= slow for slow, fast in itertools.pairwise(times))
    half = EventDriven(n, n // 2).run(delays, jobs, rng(), trace=True).outcome
    np.testing.assert_array_equal(half["durations"], np.sort(delays, axis=1)[:, n - 1 - n // 2])
    np.testing.assert_array_equal(half["stragglers"], delays > half["durations"][:, None])
    assert half["straggles"] == half["stragglers"].sum()
    uncoded = Uncoded(n).run(delays, jobs, rng(), trace=True).outcome
    assert uncoded["runtime"] == times[0]
    np.testing.assert_array_equal(uncoded["durations"], delays.max(axis=1))
    found = GradientCoding(n, n // 2, wait="minimal").run(delays, jobs, rng(), trace=True).outcome
    assert (found["durations"] >= delays.min(axis=1)).all()
    assert (found["durations"] <= delays.max(axis=1)).all()


def test_the_deadline_itself_is_in_time_and_equal_answers_make_no_stragglers():
    run = GradientCoding(3, 0, wait="never").run([[1.0, 2.0, 2.0]], 1, rng())
    assert run.outcome["runtime"] == 2.0
    equal = Multiplexed(3, 1, 2, 1, deadline_slack=0.0, wait="never").run(np.full((6, 3), 1.5), 5, rng())
    assert equal.outcome["runtime"] == 9.0


def test_long_runs_do_not_depend_on_how_many_rounds_are_held_at_once(monkeypatch):
    world, scheme = BernoulliStragglers(5, 0.2), Multiplexed(5, 2, 4, 3, wait="minimal")
    whole = scheme.run(world, 400, rng(3), trace=True)
    monkeypatch.setattr("online.gradient_coding.schemes._AT_ONCE", 35)
    assert scheme.run(world, 400, rng(3), trace=True).equals(whole)


def test_edges_may_be_charged_for_their_own_slots_alone():
    scheme = Multiplexed(4, 1, 3, 2, charge_edges=False)
    share = float(scheme.chunk_share)
    np.testing.assert_allclose(scheme.loads(0, 6, 4), np.array([1, 2, 3, 3, 2, 1]) * share)
    assert scheme.load == pytest.approx(3 * share)


def test_an_adversary_sees_what_waiting_has_undone():
    adversary = AdversarialStragglers(6, 1, 2, 3)
    calm = Multiplexed(6, 1, 2, 3, wait="never").run(adversary, 20, rng()).outcome
    weak = Multiplexed(6, 1, 2, 2).run(adversary, 20, rng()).outcome
    assert calm["waits"] == 0
    assert weak["waits"] == 21  # every round is waited out, so that the next may be struck


# Streaming


@st.composite
def multiplexed_numbers(draw):
    n, window = draw(st.integers(1, 5)), draw(st.integers(2, 5))
    return n, draw(st.integers(1, window - 1)), window, draw(st.integers(0, n))


@settings(max_examples=100)
@given(multiplexed_numbers(), st.booleans(), st.sampled_from([0, 0.5, 1]), st.integers(1, 8), st.data())
def test_where_computing_takes_no_time_streaming_changes_nothing(numbers, repetition, slack, jobs, data):
    whole = Multiplexed(*numbers, rule="exact", wait="minimal", repetition=repetition, deadline_slack=slack)
    streamed = StreamingMultiplexed(*numbers, repetition=repetition, deadline_slack=slack)
    delays = data.draw(delay_tables(jobs + whole.delay, whole.n_workers))
    assert streamed.run(delays, jobs, rng(), trace=True).equals(whole.run(delays, jobs, rng(), trace=True))
    assert streamed.load == whole.load


@settings(max_examples=60)
@given(multiplexed_numbers(), st.integers(0, 2**32))
def test_streamed_jobs_decode_and_no_smaller_wait_would_do(numbers, seed):
    """Of one round alone: a wait is needed when less than all of every job's last chance is there."""
    scheme, (n, burst, window, _) = StreamingMultiplexed(*numbers, deadline_slack=0.0), numbers
    delays = rng(seed).choice([1.0, 2.0, 4.0], size=(9 + scheme.delay, n))
    world = DelayTrace(delays, alpha=1.0, reference_load=scheme.load)
    outcome = scheme.run(world, 9, rng(), trace=True).outcome  # raises where a job does not decode
    assert (outcome["durations"] >= delays.min(axis=1)).all()
    assert (outcome["durations"] <= delays.max(axis=1)).all()
    assert set(np.round(outcome["durations"][outcome["waited"]] * 1e6)) <= {
        round(1e6 * (d - scheme.load * (1 - j / (window - 1 + burst))))
        for d in (1.0, 2.0, 4.0)
        for j in range(1, window + burst)
    }


def test_streaming_computes_no_real_gradients_and_has_one_rule():
    with pytest.raises(ValueError, match="gradient"):
        StreamingMultiplexed(3, 1, 2, 1).run(np.ones((4, 3)), 2, rng(), gradient=lambda job, a, b: np.ones(1))
    for bad in ({"rule": "bursty"}, {"wait": "all"}):
        with pytest.raises(ValueError, match="stream"):
            StreamingMultiplexed(3, 1, 2, 1, **bad)
    delays = np.ones((6, 3))
    delays[2, 0] = np.inf
    with pytest.raises(UndecodableError, match="never answers"):
        StreamingMultiplexed(3, 1, 2, 0).run(delays, 4, rng())
    with pytest.raises(ValueError, match="must be > 0"):
        StreamingMultiplexed(3, 1, 2, 0).run(DelayTrace(delays, alpha=9.0, reference_load=1.0), 4, rng())


# Groups and selection


def test_balanced_groups_keep_slow_workers_apart():
    delays = np.ones((10, 12))
    delays[:, [0, 1, 2]] = 5.0
    groups = balanced_groups(delays, 4)
    assert sorted(np.bincount(groups)) == [3, 3, 3, 3]
    assert len(set(groups[:3])) == 3
    for n, k in itertools.product(range(1, 9), range(1, 9)):
        if k <= n:
            counts = np.bincount(balanced_groups(rng(n).exponential(size=(4, n)) + 1, k), minlength=k)
            assert counts.max() - counts.min() <= 1
    before = EventDriven.repeating(256, 2).run(BASE, 480, rng()).outcome["runtime"]
    balanced = EventDriven(256, groups=balanced_groups(BASE.times[:80], 128)).run(BASE, 480, rng()).outcome["runtime"]
    assert balanced < 0.95 * before


def test_groups_are_dealt_in_snake_order():
    delays = np.array([[8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 1.0, 1.1]])
    assert balanced_groups(delays[:, :6], 3).tolist() == [0, 1, 2, 2, 1, 0]
    assert balanced_groups(delays, 3).tolist() == [0, 1, 2, 2, 1, 0, 1, 0]  # the fastest last


@given(st.integers(1, 6), st.integers(2, 5), st.booleans(), st.data())
def test_every_mini_task_goes_through_the_same_share_of_the_data(n, window, repetition, data):
    burst, spread = data.draw(st.integers(1, window - 1)), data.draw(st.integers(0, n))
    scheme = Multiplexed(n, burst, window, spread, repetition=repetition)
    plan, samples = work_plan(scheme, 1, rng()), 10**6
    sizes = np.diff(plan.bounds(samples))
    assert sizes.sum() == samples
    for _ in range(plan.rounds):
        for i in range(n):
            for task in plan.tasks(i):
                share = sizes[task.chunks].sum() / samples
                assert share == pytest.approx(float(scheme.chunk_share), abs=1e-6 * len(task.chunks))
        plan.record(np.zeros(n, dtype=bool))
    assert scheme.load == pytest.approx(float(scheme.chunk_share) * (window - 1 + burst))
    if repetition and spread < n:
        assert scheme.exact_load == Fraction(window - 1 + burst, n * (window - 1) + burst * (n // (spread + 1)))


def test_sizes_of_the_grids():
    assert [len(selective_repeat_grid(256, 4, most)) for most in (10, 20, 40, 60)] == [4608, 9728, 20480, 30976]
    assert len(multiplexed_grid(256, 4, 60)) == 1024


@pytest.mark.parametrize("wait", ["all", "minimal"])
@pytest.mark.parametrize("rule", ["paper", "exact"])
def test_selection_is_a_run_of_each(wait, rule):
    delays = np.where(rng(1).random((16, 6)) < 0.2, 4.0, 1.0) + rng(2).random((16, 6))
    selection = select_parameters(delays, 12, alpha=1.5, reference_load=0.1, max_delay=3, wait=wait, rule=rule)
    assert tuple(selection.families) == FAMILIES
    world = DelayTrace(delays, alpha=1.5, reference_load=0.1)
    everything = []
    for name, family in selection.families.items():
        for place in range(0, len(family.loads), 7):
            scheme = family.scheme(place)
            outcome = scheme.run(world, 12, rng()).outcome
            assert outcome["runtime"] == family.runtimes[place], (name, scheme)
            assert outcome["waits"] == family.waits[place]
            assert outcome["load"] == family.loads[place]
        best = selection.best(name, 3)
        everything += best
        assert best[0].runtime == family.runtimes.min()
        assert best[0].scheme == family.scheme(int(family.runtimes.argmin()))
    assert selection.best()[0].runtime == min(candidate.runtime for candidate in everything)
    frame = selection.frame()
    assert len(frame) == sum(len(family.loads) for family in selection.families.values())
    one = select_parameters(delays, 12, alpha=1.5, max_delay=3, workers=1, wait=wait, rule=rule).frame()
    two = select_parameters(delays, 12, alpha=1.5, max_delay=3, workers=2, wait=wait, rule=rule).frame()
    assert one.equals(two)


def test_a_worker_that_never_answers_rules_out_who_must_wait_for_it():
    delays = np.ones((8, 3))
    delays[4, 1] = np.inf
    selection = select_parameters(delays, 5, families=["uncoded", "GC"], max_delay=2)
    assert selection.best("uncoded") == []
    assert selection.best("GC")[0].parameters == "s=1"


# Bad input


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uncoded(0),
        lambda: Uncoded(True),
        lambda: Uncoded(2.5),
        lambda: GradientCoding(3, 3),
        lambda: GradientCoding(3, -1),
        lambda: GradientCoding(3, 1, deadline_slack=np.nan),
        lambda: GradientCoding(3, 1, deadline_slack=-0.1),
        lambda: GradientCoding(3, 1, deadline_slack=np.inf),
        lambda: GradientCoding(3, 1, wait="sometimes"),
        lambda: Multiplexed(3, 2, 2, 1),
        lambda: Multiplexed(3, 0, 2, 1),
        lambda: Multiplexed(3, 1, 1, 1),
        lambda: Multiplexed(3, 1, 32_001, 1),
        lambda: SelectiveRepeat(3, 1, 32_001, 1),
        lambda: Multiplexed(3, 1, 2, 4),
        lambda: SelectiveRepeat(3, 2, 4, 1),
        lambda: SelectiveRepeat(3, 1, 1, 1),
        lambda: SelectiveRepeat(3, 1, 2, 4),
        lambda: SelectiveRepeat(1, 1, 2, 1),
        lambda: SelectiveRepeat(3, 1, 2, 1, repetition=True, rule="exempting"),
        lambda: EventDriven(3, 3),
        lambda: EventDriven(3, groups=[0, 1]),
        lambda: EventDriven(3, groups=[0, 2, 0]),
        lambda: EventDriven.repeating(3, 4),
    ],
)
def test_bad_descriptions(make):
    with pytest.raises(ValueError):
        make()


def test_numpy_integers_are_integers():
    assert Multiplexed(np.int64(4), np.int32(1), np.int8(2), np.int64(1)) == Multiplexed(4, 1, 2, 1)


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ([[1.0, -1.0]], "worker 1"),
        ([[1.0, np.nan]], "worker 1"),
        ([[1.0, 0.0]], "worker 1"),
        ([[1.0]], "n_workers = 2"),
        (np.ones((0, 2)), "more than the 0"),
        ("times", "matrix of numbers"),
        (np.ones(3), "matrix"),
        (DelayTrace(np.ones((3, 2)), alpha=10.0, reference_load=1.0), "with -5 s for the load"),
    ],
)
def test_bad_clusters(cluster, message):
    for scheme in (Uncoded(2), EventDriven(2)):
        with pytest.raises(ValueError, match=message):
            scheme.run(cluster, 1, rng())


class OfTheUser:
    """A cluster of a user's own, who checks nothing."""

    def __init__(self, rows):
        self.rows = np.array(rows)

    def start(self, rng):
        self.at = 0
        return self

    def next(self, rounds):
        self.at += rounds
        return self.rows[self.at - rounds : self.at]


def test_a_cluster_of_ones_own():
    table = [[1.0, 2.0], [3.0, 1.0], [1.0, 1.0]]
    assert Uncoded(2).run(OfTheUser(table), 3, rng()).outcome["runtime"] == 6.0
    for bad in (np.nan, 0.0, -1.0):
        for scheme in (Uncoded(2), EventDriven(2, 1)):
            with pytest.raises(ValueError, match="round 1, worker 0"):
                scheme.run(OfTheUser([[1.0, 1.0], [bad, 1.0]]), 2, rng())
    with pytest.raises(ValueError, match="shape"):
        Uncoded(3).run(OfTheUser(table), 3, rng())


def test_who_must_be_waited_for_and_never_answers():
    delays = np.ones((6, 3))
    delays[2, 0] = np.inf
    with pytest.raises(UndecodableError, match="never answers") as caught:
        Uncoded(3).run(delays, 4, rng())
    assert (caught.value.job, caught.value.round) == (2, 2)
    with pytest.raises(UndecodableError):
        EventDriven(3).run(delays, 4, rng())
    assert EventDriven(3, 1).run(delays, 4, rng()).outcome["runtime"] == 4.0
    assert Multiplexed(3, 1, 2, 1).run(delays, 4, rng()).outcome["runtime"] == 6.0  # 2 s in round 2, one more round


def test_more_straggles_than_a_window_bears_are_an_error_where_the_master_does_not_wait():
    delays = np.ones((12, 3))
    delays[2:5, 1] = 5.0
    for scheme in (
        Multiplexed(3, 2, 4, 1, wait="never"),
        Multiplexed(3, 2, 4, 1, wait="never", rule="exact"),
        Multiplexed(3, 2, 4, 1, wait="never", rule="arbitrary"),
        SelectiveRepeat(3, 2, 5, 1, wait="never", rule="bursty"),
    ):
        with pytest.raises(UndecodableError) as caught:
            scheme.run(delays, 6, rng())
        assert caught.value.round == 4
        assert "stragglers" in caught.value.reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"delays": np.ones((3, 2))}, "max_delay"),
        ({"delays": np.ones((9, 2)), "jobs": 9}, "more than the 9"),
        ({"delays": np.ones((9, 2)), "families": ["GC", "M"]}, "families"),
        ({"delays": np.ones((9, 2)), "alpha": np.nan}, "alpha"),
        ({"delays": np.ones((9, 2)), "wait": "never"}, "wait"),
        ({"delays": np.ones((9, 2)), "rule": "bursty"}, "rule"),
        ({"delays": -np.ones((9, 2))}, "round 0, worker 0"),
    ],
)
def test_bad_selections(arguments, message):
    with pytest.raises(ValueError, match=message):
        select_parameters(**arguments)


def test_work_plans_are_used_in_order():
    plan = work_plan(GradientCoding(2, 1), 1, rng())
    with pytest.raises(ValueError, match="stragglers"):
        plan.record([0, 1])
    plan.record(np.array([True, False]))
    with pytest.raises(ValueError, match="over"):
        plan.record(np.array([False, False]))


# Both forms


def test_the_kernels_and_their_sources_agree():
    from tests.test_twins import agree

    worlds = (
        *(BernoulliStragglers(5, 0.3), GilbertElliott(5, 0.3, 0.4), BurstyStragglers(5, 2, 3, 4)),
        *(ShiftedExponential(5), ShiftedPareto(5), ShiftedWeibull(5), LogNormalDelays(5), LambdaLike(5, 0.01)),
    )
    schemes = (
        *(Uncoded(5), GradientCoding(5, 1), GradientCoding(5, 1, repetition=True, wait="minimal")),
        *(SelectiveRepeat(5, 2, 3, 3), SelectiveRepeat(5, 1, 3, 3, rule="exact", wait="minimal")),
        *(SelectiveRepeat(5, 2, 3, 3, repetition=True), Multiplexed(5, 2, 3, 2), EventDriven(5, 2)),
        *(Multiplexed(5, 2, 3, 2, rule="exact", wait="minimal"), EventDriven(5, groups=[0, 1, 0, 1, 1])),
        *(Multiplexed(5, 2, 3, 2, rule="arbitrary", wait="minimal"), Multiplexed(5, 1, 2, 1, repetition=True)),
    )
    agree(
        [*((scheme, worlds[0]) for scheme in schemes), *((schemes[6], world) for world in worlds)],
        lambda pair, compiled: pair[0].run(pair[1], 20, rng(3), trace=True),
    )
