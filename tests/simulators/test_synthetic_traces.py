import inspect
import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher

from algos import clean_pages, k_phases, lru_fault_curve
from simulators import Trace, ZipfTrace, locality_traces, synthetic_traces, traces
from simulators.locality_traces import MarkovTrace, RandomWalkTrace, StackDistanceTrace, WorkingSetTrace
from simulators.synthetic_traces import DriftingZipfTrace, LoopTrace, PhasesTrace, ScanTrace, UniformTrace

THREE = [[0.5, 0.5, 0.0], [0.25, 0.25, 0.5], [1.0, 0.0, 0.0]]
WORLDS = (
    UniformTrace(11, 300),
    LoopTrace(7, 300),
    PhasesTrace(5, 12, repetitions=5, fresh=2),
    PhasesTrace(5, 60),
    WorkingSetTrace(40, 6, 300, miss=0.1, drift=0.1),
    MarkovTrace(THREE, 300),
    RandomWalkTrace(30, 2, 300, jump=0.1),
    DriftingZipfTrace(40, 0.9, 300, swap_every=7),
    StackDistanceTrace(40, 0.9, 300),
    ScanTrace(40, 10, 0.9, scan_length=13, scan_every=17, length=300),
)
SMALL = st.integers(1, 12)


def generator(seed=0):
    return np.random.default_rng(seed)


def original(trace):
    """The model's own page numbers, request by request."""
    return trace.pages[trace.requests]


def slack(samples, most=1.0):
    """Means of so many independent numbers in [0, most] are off by more with probability below 1e-9 (Hoeffding)."""
    return most * math.sqrt(math.log(2 / 1e-9) / (2 * samples))


def interpreted(call):
    """The value of a call while the kernels are their Python source."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (synthetic_traces, locality_traces, traces):
            for name, value in list(vars(module).items()):
                if isinstance(value, Dispatcher):
                    patch.setattr(module, name, value.py_func)
        return call()


# All of them.


@pytest.mark.parametrize("world", WORLDS, ids=repr)
def test_traces_are_drawn_from_the_generator_alone(world):
    first, again = world.sample(generator(4)), world.sample(generator(4))
    assert len(first) == 300
    assert original(first).tolist() == original(again).tolist()
    assert (first.name, first.bits, first.arrivals) == (again.name, None, None)


@pytest.mark.parametrize("world", WORLDS, ids=repr)
def test_kernels_and_their_sources_agree(world):
    slow = interpreted(lambda: world.sample(generator(5)))
    assert original(world.sample(generator(5))).tolist() == original(slow).tolist()


@pytest.mark.parametrize("world", WORLDS, ids=repr)
def test_descriptions_survive_a_journey_and_compare_by_value(world):
    copy = pickle.loads(pickle.dumps(world))
    assert copy == world
    assert hash(copy) == hash(world)
    assert original(copy.sample(generator(1))).tolist() == original(world.sample(generator(1))).tolist()


@pytest.mark.parametrize("world", [world for world in WORLDS if not isinstance(world, LoopTrace)], ids=repr)
def test_random_traces_need_a_generator(world):
    with pytest.raises(ValueError, match=r"rng: 3 is not a numpy.random.Generator, which "):
        world.sample(3)


def test_every_public_simulator_is_tested_here():
    assert {type(world).__name__ for world in WORLDS} == {
        name for module in (synthetic_traces, locality_traces) for name in module.__all__ if name.endswith("Trace")
    }


GOOD = {
    UniformTrace: {"n_pages": 5, "length": 9},
    LoopTrace: {"n_pages": 5, "length": 9},
    PhasesTrace: {"pages_per_phase": 5, "n_phases": 4, "repetitions": 2, "fresh": 3},
    WorkingSetTrace: {"n_pages": 5, "working_set": 3, "length": 9, "miss": 0.5, "drift": 0.5},
    MarkovTrace: {"transition": THREE, "length": 9, "start": 1},
    RandomWalkTrace: {"n_pages": 5, "neighbours": 2, "length": 9, "jump": 0.5},
    DriftingZipfTrace: {"n_pages": 5, "exponent": 1.0, "length": 9, "swap_every": 2},
    StackDistanceTrace: {"n_pages": 5, "exponent": 1.0, "length": 9},
    ScanTrace: {"n_pages": 5, "hot_pages": 2, "exponent": 1.0, "scan_length": 2, "scan_every": 2, "length": 9},
}
COUNTS = (
    (0, "should be greater than or equal to 1"),
    (-3, "should be greater than or equal to 1"),
    (2.5, "must be a whole number >= 1"),
    (True, "must be a whole number >= 1"),
    ("3", "must be a whole number >= 1"),
    (math.nan, "must be a whole number >= 1"),
)
TOO_LONG = ((2**31, "should be less than or equal to 2147483647"),)
EXPONENTS = (
    (-0.5, "should be greater than or equal to 0"),
    (math.nan, "should be (a finite number|greater)"),
    (math.inf, "should be a finite number"),
    ("steep", "should be a valid number"),
)
PROBABILITIES = (
    (-0.1, "should be greater than or equal to 0"),
    (1.1, "should be less than or equal to 1"),
    (math.nan, "should be "),
)
NATURALS = (
    (-1, "should be greater than or equal to 0"),
    (1.5, "must be a whole number >= 0"),
    (True, "must be a whole number >= 0"),
)
BAD = {
    "n_pages": COUNTS + TOO_LONG,
    "length": COUNTS + TOO_LONG,
    "pages_per_phase": COUNTS,
    "n_phases": COUNTS,
    "repetitions": COUNTS,
    "fresh": (*NATURALS, (6, "must be at most pages_per_phase = 5")),
    "working_set": (*COUNTS, (6, "must be at most n_pages = 5")),
    "miss": PROBABILITIES,
    "drift": PROBABILITIES,
    "jump": PROBABILITIES,
    "neighbours": COUNTS + TOO_LONG,
    "start": (*NATURALS, (3, r"must be a page in 0\.\.2")),
    "exponent": EXPONENTS,
    "swap_every": COUNTS + TOO_LONG,
    "hot_pages": (*COUNTS, (5, "must be below n_pages = 5")),
    "scan_length": COUNTS + TOO_LONG,
    "scan_every": COUNTS + TOO_LONG,
    "transition": (
        ([[1.0, 0.0]], r"must be a square matrix, got shape \(1, 2\)"),
        ([[0.0, 1.0], [0.5, 0.4]], "row 1 sums to 0.9; every row must sum to 1 within 1e-9"),
        ([[0.5, 0.5 + 2e-9], [0.5, 0.5]], r"row 0 sums to 1\.000000002\d*; every row must sum to 1 within 1e-9"),
        ([[0.0, 1.0], [1.5, -0.5]], r"entry \(1, 1\) in row 1 is -0.5; every entry must be >= 0"),
        ([[math.nan]], r"entry \(0, 0\) is nan"),
        ([1.0], "must be a non-empty matrix"),
        (np.empty((0, 0)), "must be a non-empty matrix"),
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
    with pytest.raises(ValueError, match=rf"(?s)^{kind.__name__}: {name} = .*{message}"):
        kind(**(GOOD[kind] | {name: value}))


@pytest.mark.parametrize(
    ("phases", "name", "most"),
    [((2**20, 2**20, 1), "n_phases", 2047), ((2**10, 2**10, 2**11), "repetitions", 2047)],
)
def test_too_many_phases_are_refused(phases, name, most):
    with pytest.raises(ValueError, match=rf"PhasesTrace: {name} = \d+: must be at most {most}, so that .* 2147483647"):
        PhasesTrace(*phases)


# Adversarial patterns.


def test_uniform_frequencies():
    counts = np.bincount(original(UniformTrace(11, 50_000).sample(generator(2))), minlength=11)
    assert counts.size == 11
    assert np.abs(counts / 50_000 - 1 / 11).max() <= slack(50_000)


@given(SMALL, st.integers(1, 60))
def test_loops(pages, length):
    assert original(LoopTrace(pages, length).sample()).tolist() == [t % pages for t in range(length)]


@given(SMALL, SMALL, st.integers(1, 4), st.data())
def test_phases_are_k_phases_with_as_many_clean_pages_as_are_fresh(pages, phases, repetitions, data):
    fresh = data.draw(st.none() | st.integers(0, pages))
    trace = PhasesTrace(pages, phases, repetitions, fresh).sample(generator(data.draw(st.integers(0, 99))))
    rounds = trace.requests.reshape(phases * repetitions, pages)
    sets = [frozenset(one.tolist()) for one in rounds]
    assert {len(one) for one in sets} == {pages}  # every repetition requests every page once
    by_phase = sets[::repetitions]
    assert sets == [one for one in by_phase for _ in range(repetitions)]
    new = pages if fresh is None else fresh
    assert [len(after - before) for before, after in itertools.pairwise(by_phase)] == [new] * (phases - 1)
    assert trace.n_pages == pages + new * (phases - 1)
    if new > 0:
        expected = np.repeat(np.arange(phases), pages * repetitions)
        assert k_phases(trace.requests, trace.n_pages, pages).tolist() == expected.tolist()
        assert clean_pages(trace.requests, trace.n_pages, pages).tolist() == [pages] + [new] * (phases - 1)


def test_a_phase_keeps_pages_at_random_whatever_their_place():
    phases = 20_000
    rounds = PhasesTrace(4, phases, fresh=2).sample(generator(3)).requests.reshape(phases, 4)
    kept = (rounds[:-1, :, None] == rounds[1:, None, :]).any(axis=2)
    assert np.abs(kept.mean(axis=0) - 0.5).max() <= slack(phases - 1)


def test_a_phase_has_its_pages_in_random_order():
    trials = 20_000
    orders = PhasesTrace(3, 1, repetitions=trials).sample(generator(3)).requests.reshape(trials, 3)
    counts = np.unique(orders @ [9, 3, 1], return_counts=True)[1]
    assert counts.size == 6
    assert np.abs(counts / trials - 1 / 6).max() <= slack(trials)


# Models of locality.


def test_a_working_set_that_stays():
    requests = original(WorkingSetTrace(30, 5, 20_000).sample(generator(1)))
    assert np.abs(np.bincount(requests, minlength=5) / 20_000 - 0.2).max() <= slack(20_000)
    assert requests.max() == 4


def test_a_working_set_that_nobody_cares_about():
    requests = original(WorkingSetTrace(10, 5, 20_000, miss=1.0, drift=0.5).sample(generator(1)))
    assert np.abs(np.bincount(requests, minlength=10) / 20_000 - 0.1).max() <= slack(20_000)


def test_a_working_set_of_one_page_changes_at_the_rate_of_the_drift():
    requests = original(WorkingSetTrace(9, 1, 20_000, drift=0.3).sample(generator(1)))
    changed = requests[1:] != requests[:-1]
    assert abs(changed.mean() - 0.3) <= slack(changed.size)
    steps = ((requests[1:] - requests[:-1].astype(np.int64)) % 9)[changed]  # uniform over the 8 other pages
    assert np.abs(np.bincount(steps, minlength=9)[1:] / steps.size - 1 / 8).max() <= slack(steps.size)


def test_a_working_set_of_all_pages_and_misses_within_a_small_one():
    everything = original(WorkingSetTrace(4, 4, 20_000, drift=1.0).sample(generator(1)))
    assert np.abs(np.bincount(everything, minlength=4) / 20_000 - 0.25).max() <= slack(20_000)
    outside = original(WorkingSetTrace(4, 1, 20_000, miss=0.4).sample(generator(1))) != 0
    assert abs(outside.mean() - 0.4 * 0.75) <= slack(20_000)


class AlmostOne:
    """What a generator draws at most."""

    def random(self):
        return 1.0 - 2.0**-53


def test_a_working_set_never_looks_beyond_the_last_page():
    # 1000 plus the largest number below 1 is 1001 as a float: whoever adds first finds no such page.
    _working_set = locality_traces._working_set.py_func
    assert _working_set(1001, 1000, 3, 0.0, 1.0, AlmostOne()).tolist() == [999, 1000, 999]


def rows(size):
    """Rows of a stochastic matrix, with zeros and with entries of very different size."""
    entry = st.one_of(st.just(0.0), st.floats(1e-9, 1.0), st.integers(1, 3).map(float))
    return st.lists(entry, min_size=size, max_size=size).filter(any).map(lambda row: [x / math.fsum(row) for x in row])


@given(st.integers(1, 9).flatmap(lambda m: st.lists(rows(m), min_size=m, max_size=m)))
def test_alias_tables_hold_the_matrix(matrix):
    matrix = np.array(matrix)
    m = len(matrix)
    stay, other = locality_traces._alias_tables(matrix)
    rebuilt = np.minimum(stay, 1.0) / m
    np.add.at(rebuilt, (np.arange(m)[:, None], other), (1.0 - np.minimum(stay, 1.0)) / m)
    assert np.abs(rebuilt - matrix).max() <= 1e-14
    assert not rebuilt[matrix == 0.0].any()
    for stay_or_other in zip(stay, other, strict=True):
        assert stay_or_other[0].min() >= 0.0


def test_alias_tables_of_rows_that_rounding_leaves_short():
    # Nothing is rich here by the rounding of m * p / sum: the column without weight must still send everyone away.
    below = np.nextafter(0.5, 0.0)
    stay, other = locality_traces._alias_tables(np.array([[below, below, 2e-16, 0.0]] * 4))
    assert stay[0, 3] == 0.0
    assert other[0, 3] != 3


def test_markov_transitions_have_their_probabilities():
    length = 40_000
    pages = original(MarkovTrace(THREE, length, start=2).sample(generator(6)))
    assert pages[0] == 2
    for i, j in itertools.product(range(3), repeat=2):
        # Centred indicators are martingale differences in an interval of length 1 (Azuma and Hoeffding).
        surplus = np.sum((pages[:-1] == i) * ((pages[1:] == j) - THREE[i][j]))
        assert abs(surplus) <= length * slack(length)
        assert THREE[i][j] > 0.0 or not np.any((pages[:-1] == i) & (pages[1:] == j))


def test_markov_starts_anywhere():
    starts = [original(MarkovTrace(np.eye(4), 1).sample(rng))[0] for rng in itertools.repeat(generator(0), 2000)]
    assert np.abs(np.bincount(starts, minlength=4) / 2000 - 0.25).max() <= slack(2000)
    assert set(original(MarkovTrace(np.eye(4), 50, start=2).sample(generator()))) == {2}


def test_markov_keeps_its_own_matrix():
    matrix = np.eye(2)
    world = MarkovTrace(matrix, 5, start=0)
    matrix[:] = [[0.0, 1.0], [1.0, 0.0]]
    assert original(world.sample(generator())).tolist() == [0] * 5


def test_random_walks_have_few_successors():
    pages = original(RandomWalkTrace(50, 3, 5000).sample(generator(2)))
    successors = {}
    for before, after in itertools.pairwise(pages.tolist()):
        successors.setdefault(before, set()).add(after)
    assert max(map(len, successors.values())) == 3
    assert RandomWalkTrace(50, 3, 5000).sample(generator(2)).fingerprint() == Trace(pages).fingerprint()


def test_random_walks_with_one_successor_end_in_a_cycle():
    pages = original(RandomWalkTrace(1000, 1, 3000).sample(generator(2))).tolist()
    first = pages.index(pages[-1])
    period = pages.index(pages[-1], first + 1) - first
    assert pages[first:-period] == pages[first + period :]


def test_jumps_are_uniform_and_as_many_as_asked_for():
    pages = original(RandomWalkTrace(8, 1, 20_000, jump=1.0).sample(generator(2)))
    assert np.abs(np.bincount(pages, minlength=8) / 20_000 - 1 / 8).max() <= slack(20_000)
    # One page with one successor, itself or another: a jump goes elsewhere half of the time.
    pair = original(RandomWalkTrace(2, 1, 20_000, jump=0.5).sample(generator(3)))
    steps = dict.fromkeys(itertools.product((0, 1), repeat=2), 0)
    for pair_of in itertools.pairwise(pair.tolist()):
        steps[pair_of] += 1
    for page in (0, 1):
        seen = steps[page, 0] + steps[page, 1]
        assert seen == 0 or abs(max(steps[page, 0], steps[page, 1]) / seen - 0.75) <= slack(seen)


@given(st.integers(1, 40), st.floats(0, 3), st.integers(1, 80), st.integers(1, 90), st.integers(0, 99))
def test_drifting_zipf_is_zipf_before_the_first_swap(pages, exponent, length, swap_every, seed):
    steady = original(ZipfTrace(pages, exponent, length).sample(generator(seed)))
    drifting = original(DriftingZipfTrace(pages, exponent, length, swap_every).sample(generator(seed)))
    assert drifting[:swap_every].tolist() == steady[:swap_every].tolist()
    # Within a block the ranks are renamed, one by one.
    for start in range(0, length, swap_every):
        block = slice(start, start + swap_every)
        assert len(set(zip(steady[block], drifting[block], strict=True))) == len(set(steady[block]))
        assert len(set(drifting[block])) == len(set(steady[block]))


def test_two_pages_trade_places_at_every_swap():
    top_only = DriftingZipfTrace(2, 80.0, 30, swap_every=5).sample(generator(1))
    assert original(top_only).tolist() == ([0] * 5 + [1] * 5) * 3


def test_swaps_take_all_pairs_of_ranks_equally_often():
    blocks = 20_000
    tops = original(DriftingZipfTrace(5, 80.0, blocks, swap_every=1).sample(generator(1)))
    changed = tops[1:] != tops[:-1]
    assert abs(changed.mean() - 2 / 5) <= slack(changed.size)


def by_list(positions, n_pages):
    stack, pages = list(range(n_pages)), []
    for position in positions:
        pages.append(stack.pop(position))
        stack.insert(0, pages[-1])
    return pages


@given(st.integers(1, 60), st.floats(0, 4), st.integers(1, 300), st.integers(0, 99))
def test_stack_distances_against_a_list(pages, exponent, length, seed):
    positions = traces.zipf_ranks(pages, exponent, length, generator(seed))
    trace = StackDistanceTrace(pages, exponent, length).sample(generator(seed))
    assert original(trace).tolist() == by_list(positions.tolist(), pages)


@pytest.mark.parametrize(("n_pages", "least_slots"), [(1, 1), (3, 16), (16, 16), (40, 64), (250, 300), (3000, 4096)])
def test_the_stack_moves_its_pages_together_when_its_slots_run_out(n_pages, least_slots):
    positions = generator(3).integers(0, n_pages, 6000).astype(np.uint32)
    pages = positions.copy()
    locality_traces._unstack(pages, n_pages, least_slots)
    assert pages.tolist() == by_list(positions.tolist(), n_pages)


@settings(max_examples=20)
@given(st.integers(1, 60), st.floats(0, 3), st.integers(1, 400), st.integers(0, 99))
def test_lru_faults_of_the_stack_model_are_the_tail_of_its_distances(pages, exponent, length, seed):
    positions = traces.zipf_ranks(pages, exponent, length, generator(seed))
    trace = StackDistanceTrace(pages, exponent, length).sample(generator(seed))
    met, first = set(), []
    for page in trace.requests.tolist():
        first.append(page not in met)
        met.add(page)
    curve = lru_fault_curve(trace.requests, trace.n_pages)
    for k in range(trace.n_pages + 1):
        assert curve[k] == np.count_nonzero(np.array(first) | (positions >= k))


@given(st.integers(2, 12), st.data())
def test_scans_go_on_where_they_stopped(pages, data):
    hot = data.draw(st.integers(1, pages - 1))
    scan_length, scan_every = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20))
    length, seed = data.draw(st.integers(1, 200)), data.draw(st.integers(0, 99))
    trace = ScanTrace(pages, hot, 1.2, scan_length, scan_every, length).sample(generator(seed))
    is_hot = [t % (scan_every + scan_length) < scan_every for t in range(length)]
    popular = iter(original(ZipfTrace(hot, 1.2, sum(is_hot)).sample(generator(seed))).tolist())
    scanned = itertools.cycle(range(hot, pages))
    assert original(trace).tolist() == [next(popular if warm else scanned) for warm in is_hot]
