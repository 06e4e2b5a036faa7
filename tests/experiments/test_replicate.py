import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.arrays import FiniteVector
from algos.contracts import Trajectory, description
from bandits import UCB1, CustomPolicy, FixedConfidenceElimination, ThompsonSampling
from experiments import Replications, replicate
from online.paging import LRU, RandomEviction
from simulators import BernoulliArms, ZipfTrace

ARMS = BernoulliArms([0.2, 0.5, 0.6])


def test_the_same_bits_for_any_number_of_workers():
    one, three = (replicate(ThompsonSampling(), ARMS, 300, 12, seed=4, workers=w) for w in (1, 3))
    assert one.metrics["regret"].tobytes() == three.metrics["regret"].tobytes()
    assert one.outcomes["pulls"].tobytes() == three.outcomes["pulls"].tobytes()


def test_a_replication_does_not_depend_on_how_many_there_are():
    few, many = (replicate(ThompsonSampling(), ARMS, 300, count, seed=4) for count in (3, 9))
    assert few.metrics["regret"].tobytes() == many.metrics["regret"][:3].tobytes()


def test_algorithms_meet_the_same_worlds():
    zipf = ZipfTrace(n_pages=50, exponent=1.0, length=400)
    lru, again, random = (replicate(a, zipf, 400, 5, seed=1) for a in (LRU(10), LRU(10), RandomEviction(10)))
    assert lru.metrics["faults"].tobytes() == again.metrics["faults"].tobytes()
    # The first 10 faults of any policy with 10 places are the first 10 distinct pages: a mark of the world.
    first = [np.argmax(runs.metrics["faults"] > 5, axis=1).tolist() for runs in (lru, random)]
    assert first[0] == first[1]


def test_every_replication_and_seed_has_a_world_of_its_own():
    zipf = ZipfTrace(n_pages=50, exponent=1.0, length=400)
    curves = [row.tobytes() for seed in (1, 2) for row in replicate(LRU(10), zipf, 400, 5, seed=seed).metrics["faults"]]
    assert len(set(curves)) == 10


def test_replications_differ_from_one_another():
    runs = replicate(ThompsonSampling(), ARMS, 300, 8)
    assert len({row.tobytes() for row in runs.metrics["regret"]}) == 8


def test_functions_of_a_custom_policy_key_the_stream_by_name():
    def init(n_arms, params):
        return np.zeros(n_arms)

    def select(state, params, t, rng):
        return int(rng.random() * state.size)

    def update(state, params, t, arm, reward):
        state[arm] += reward

    runs = [replicate(CustomPolicy(init, select, update), ARMS, 50, 2, seed=3) for _ in range(2)]
    assert runs[0].metrics["regret"].tobytes() == runs[1].metrics["regret"].tobytes()


def test_mean_and_band_are_those_of_the_columns():
    runs = replicate(UCB1(), ARMS, 500, 40, seed=2)
    final = runs.metrics["regret"][:, -1]
    low, high = runs.band("regret", level=0.95)
    assert runs.mean("regret")[-1] == pytest.approx(final.mean())
    assert high[-1] - low[-1] == pytest.approx(2 * 2.0226909 * final.std(ddof=1) / np.sqrt(40), rel=1e-6)
    boot_low, boot_high = runs.band("regret", method="bootstrap")
    assert (boot_low < runs.mean("regret") + 1e-9).all()
    assert (boot_high > runs.mean("regret") - 1e-9).all()


def test_to_pandas_keeps_every_number():
    runs = replicate(UCB1(), ARMS, 100, 3)
    frame = runs.to_pandas()
    assert frame["regret"].to_numpy().tobytes() == runs.metrics["regret"].tobytes()
    assert frame["replication"].nunique() == 3
    assert set(frame["round"]) == set(runs.rounds.tolist())


def test_of_runs_that_stop_by_themselves_the_end_is_kept():
    runs = replicate(FixedConfidenceElimination(delta=0.1), ARMS, 100_000, 6)
    stops = runs.outcomes["pulls"].sum(axis=1)
    assert len(set(stops.tolist())) > 1
    assert runs.rounds.tolist() == [100_000]
    assert runs.metrics["error"].tolist() == [[error] for error in runs.outcomes["error"]]


def test_the_label_shows_what_differs_from_the_defaults():
    assert replicate(UCB1(), ARMS, 10, 1).label == "UCB1"
    assert replicate(UCB1(exploration=0.5), ARMS, 10, 1).label == "UCB1(exploration=0.5)"


def test_the_plot_names_its_band_and_axes():
    axes = replicate(UCB1(), ARMS, 100, 5).plot()
    assert axes.get_legend().get_texts()[0].get_text() == "UCB1 (95% normal band)"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("rounds", "regret")


def test_the_legend_calls_the_algorithm_what_it_is_told():
    axes = replicate(UCB1(), ARMS, 100, 5).plot("regret", label="mine")
    assert axes.get_legend().get_texts()[0].get_text() == "mine (95% normal band)"


class Growing:
    """Ends with a log whose length is another one in every run."""

    def run(self, simulator, horizon, rng):
        size = int(rng.integers(1, 1000))
        return Trajectory(np.array([horizon]), {"regret": np.zeros(1)}, {"log": np.zeros(size), "size": size})


def test_outcomes_of_different_shapes_are_left_out():
    runs = replicate(Growing(), ARMS, 10, 5)
    assert len(set(runs.outcomes["size"].tolist())) > 1
    assert list(runs.outcomes) == ["size"]


@pytest.mark.parametrize(
    "bad", [{"horizon": 0}, {"replications": 0}, {"replications": 2.5}, {"seed": -1}, {"workers": 0}, {"horizon": True}]
)
def test_bad_arguments_are_named(bad):
    arguments = {"horizon": 10, "replications": 1} | bad
    (name,) = bad
    with pytest.raises(ValueError, match=name):
        replicate(UCB1(), ARMS, **arguments)


def test_an_unknown_metric_is_named():
    with pytest.raises(ValueError, match="'loss' is not one of regret"):
        replicate(UCB1(), ARMS, 10, 1).mean("loss")


def test_an_algorithm_may_have_arrays_with_defaults():
    @description
    class Weighted(UCB1):
        weights: FiniteVector = (1.0, 2.0)

    assert replicate(Weighted(), ARMS, 10, 1).label == "Weighted"
    assert replicate(Weighted(weights=[3.0, 4.0]), ARMS, 10, 1).label == "Weighted(weights=[3. 4.])"


def made(curves, *, rounds=None, seed=0, simulator=ARMS, label="made"):
    """Replications with given curves, shape (R, C)."""
    curves = np.asarray(curves, dtype=float)
    rounds = np.arange(1, curves.shape[1] + 1) if rounds is None else np.asarray(rounds)
    return Replications(label, rounds, {"regret": curves}, {}, seed, simulator)


def test_compare_subtracts_replication_by_replication():
    one, other = (replicate(policy, ARMS, 300, 6, seed=4) for policy in (UCB1(), ThompsonSampling()))
    differences = one.compare(other, "regret")
    assert differences.label == "UCB1 less ThompsonSampling"
    assert differences.metrics["regret"].tobytes() == (one.metrics["regret"] - other.metrics["regret"]).tobytes()
    again = other.compare(one, "regret")
    assert (again.metrics["regret"] == -differences.metrics["regret"]).all()
    assert not one.compare(one, "regret").metrics["regret"].any()
    assert differences.plot().get_legend().get_texts()[0].get_text().startswith("UCB1 less ThompsonSampling")


def test_common_worlds_make_the_interval_of_differences_narrow():
    zipf = ZipfTrace(n_pages=200, exponent=0.8, length=2000)
    small, large = (replicate(LRU(size), zipf, 2000, 20, seed=1) for size in (20, 22))
    paired = small.compare(large, "faults").interval("faults")
    halves = [(runs.interval("faults").high - runs.interval("faults").low) / 2 for runs in (small, large)]
    assert (paired.high - paired.low) / 2 < 0.5 * math.hypot(*halves)
    assert paired.low > 0


def test_the_interval_is_the_end_of_the_band():
    runs = replicate(UCB1(), ARMS, 200, 9)
    low, high = runs.band("regret")
    found = runs.interval("regret")
    assert (found.low, found.estimate, found.high) == (low[-1], runs.mean("regret")[-1], high[-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "other: run with seed 1 and these with seed 0"),
        ({"simulator": BernoulliArms([0.2, 0.5])}, "not run in the same simulator"),
        ({"simulator": None}, "not run in the same simulator"),
        ({"metrics": {"regret": np.zeros((4, 3))}}, "other: 4 replications do not pair with 5"),
        ({"rounds": np.array([1, 2, 4])}, "its checkpoints are not those"),
        ({"metrics": {"loss": np.zeros((5, 3))}}, "'regret' is not one of loss"),
    ],
)
def test_runs_that_do_not_pair_are_refused(change, message):
    runs = made(np.ones((5, 3)))
    with pytest.raises(ValueError, match=message):
        runs.compare(dataclasses.replace(runs, **change), "regret")


def test_equal_descriptions_are_the_same_simulator():
    runs = made(np.ones((5, 3)))
    assert len(runs.compare(dataclasses.replace(runs, simulator=BernoulliArms([0.2, 0.5, 0.6])), "regret")) == 5


@given(
    exponent=st.floats(-2, 2),
    factor=st.floats(0.1, 10),
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(2, 9),
)
def test_fit_rate_finds_the_exponent_of_a_power(exponent, factor, seed, size):
    rounds = np.unique(np.geomspace(1, 10_000, 50).astype(int))
    factors = factor * np.random.default_rng(seed).uniform(0.5, 1.5, (size, 1))
    rate = made(factors * rounds**exponent, rounds=rounds).fit_rate("regret")
    assert [rate.low, rate.estimate, rate.high] == pytest.approx([exponent] * 3, abs=1e-9)


def test_fit_rate_is_the_line_of_least_squares_through_late_means():
    rng = np.random.default_rng(0)
    rounds = np.array([1, 5, 10, 20, 50, 100])
    curves = rng.uniform(1, 3, (30, 6)) * np.sqrt(rounds)
    runs = made(curves, rounds=rounds)
    for since, late in ((None, rounds >= 10), (20, rounds >= 20), (1, rounds >= 1)):
        slope = np.polyfit(np.log(rounds[late]), np.log(curves.mean(axis=0)[late]), 1)[0]
        assert runs.fit_rate("regret", since=since).estimate == pytest.approx(slope, abs=1e-12)


def test_the_bootstrap_of_the_rate_covers_as_often_as_it_says():
    """Slopes of R curves whose logarithms are lines: 90% intervals, 300 times; at least 240 by a tail below 1e-6."""
    rng = np.random.default_rng(5)
    rounds, covered = np.array([100, 200, 400, 1000]), 0
    for seed in range(300):
        noise = rng.lognormal(0.0, 0.3, (60, 4))
        rate = made(noise * rounds**0.5, rounds=rounds, seed=seed).fit_rate("regret", level=0.9, resamples=400)
        covered += rate.low <= 0.5 <= rate.high
    assert 240 <= covered < 300


def test_a_single_replication_leaves_the_rate_open():
    rate = made([[1.0, 2.0, 3.0]]).fit_rate("regret")
    assert (rate.low, rate.high) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"since": 0}, "since: 0 is below 1"),
        ({"since": 3}, r"fewer than two checkpoints lie in 3..3"),
        ({"level": 1.0}, "level: 1.0 is outside"),
        ({"resamples": 0}, "resamples: 0 is below 1"),
    ],
)
def test_bad_arguments_of_fit_rate(arguments, message):
    with pytest.raises(ValueError, match=message):
        made(np.ones((5, 3))).fit_rate("regret", **arguments)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan])
def test_means_that_are_not_positive_have_no_rate(bad):
    with pytest.raises(ValueError, match="regret: its mean is not positive"):
        made(np.full((5, 3), bad)).fit_rate("regret")
