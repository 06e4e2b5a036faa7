import numpy as np
import pytest

from algos.arrays import FiniteVector
from algos.contracts import description
from bandits import UCB1, CustomPolicy, ThompsonSampling
from experiments import replicate
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


def test_the_label_shows_what_differs_from_the_defaults():
    assert replicate(UCB1(), ARMS, 10, 1).label == "UCB1"
    assert replicate(UCB1(exploration=0.5), ARMS, 10, 1).label == "UCB1(exploration=0.5)"


def test_the_plot_names_its_band_and_axes():
    axes = replicate(UCB1(), ARMS, 100, 5).plot()
    assert axes.get_legend().get_texts()[0].get_text() == "UCB1 (95% normal band)"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("rounds", "regret")


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
