"""Error rates: each replication is the run it says it is, whatever else runs; exact intervals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from algos import algorithm_stream, world_stream
from bandits import DPBAI, DPOD, UCB1, DPBAIGauss, SequentialHalving, clopper_pearson, error_rate
from simulators import BernoulliArms, NormTenArms, RewardTable, SphereArms, unstructured_instance

CELL = {"algorithm": "mine", "budget": 400}
ARMS = SphereArms(12, 3).sample(np.random.default_rng(4))


@settings(max_examples=10)
@given(st.integers(0, 2**64), st.integers(0, 40))
@pytest.mark.parametrize("policy", [SequentialHalving(accumulate=True), DPBAI(0.1), DPBAIGauss(0.5, 0.1), DPOD(0.1)])
def test_every_replication_is_a_run_on_its_own_streams(policy, seed, more):
    # 12 arms in three dimensions: phases with a Max-Det collection, and phases without.
    many = error_rate(policy, ARMS, 400, 3 + more, seed, cell=CELL, workers=1)
    for r in (0, 2, 2 + more):
        run = policy.run(ARMS, 400, algorithm_stream(seed, CELL, r), world=world_stream(seed, CELL, r))
        assert many.arms[r] == run.outcome["arm"]
        assert many.wrong[r] == run.outcome["error"]
        assert many.pulls[r] == run.outcome["pulls"].sum()


def test_neither_threads_nor_batches_nor_the_number_of_runs_matter(monkeypatch):
    whole = error_rate(DPBAI(0.1), ARMS, 400, 700, seed=3, workers=1)
    assert 0.05 < whole.rate < 0.95
    for workers, count in ((2, 700), (3, 700), (2, 333)):
        again = error_rate(DPBAI(0.1), ARMS, 400, count, seed=3, workers=workers)
        assert again.arms.tolist() == whole.arms[:count].tolist()
    monkeypatch.setattr("bandits.error_rates._ENTRIES_OF_A_BATCH", 60)
    assert error_rate(DPBAI(0.1), ARMS, 400, 50, seed=3, workers=2).arms.tolist() == whole.arms[:50].tolist()
    assert error_rate(DPBAI(0.1), ARMS, 400, 700, seed=4, workers=1).arms.tolist() != whole.arms.tolist()


def test_policies_in_one_cell_meet_the_same_rewards():
    arms = unstructured_instance("one sparse", 4)
    exact, nearly = (
        error_rate(policy, arms, 300, 500, workers=1, cell={"algorithm": name})
        for policy, name in ((SequentialHalving(), "a"), (DPBAI(1e9), "b"))
    )
    # With noise that is next to nothing only ties can be decided in another way.
    assert (exact.arms == nearly.arms).mean() > 0.9
    assert exact.rate < 0.9


def test_a_table_is_read_from_its_start_in_every_replication():
    table = RewardTable([[1.0, 0.0] * 20, [0.0, 1.0] * 20])
    assert error_rate(DPBAI(1.0), table, 80, 200, workers=1).replications == 200
    with pytest.raises(IndexError):
        error_rate(DPBAI(1.0), table, 82, 200, workers=1)


def test_clipping_reads_a_table_from_its_start_in_every_replication():
    table = RewardTable([[1.5, -0.5] * 20, [0.2, 0.3] * 20])
    many = error_rate(DPBAI(math.inf, out_of_range="clip"), table, 80, 200, workers=1)
    assert set(many.arms.tolist()) == {0}


def test_arms_without_sums_are_replicated_too():
    arms = BernoulliArms([0.7, 0.4, 0.1])
    many = error_rate(SequentialHalving(), arms, 60, 40, seed=5, workers=2)
    run = SequentialHalving().run(arms, 60, algorithm_stream(5, {}, 39), world=world_stream(5, {}, 39))
    assert many.arms[39] == run.outcome["arm"]


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.5, 0.999))
def test_intervals_are_those_of_clopper_and_pearson(events, more, level):
    trials = events + more - 1 or 1
    events = min(events, trials)
    expected = binomtest(events, trials).proportion_ci(level, method="exact")
    assert clopper_pearson(events, trials, level) == pytest.approx((expected.low, expected.high), abs=1e-10)


def test_bad_arguments_are_named():
    for arguments, message in (
        ({"replications": 0}, "replications: 0"),
        ({"workers": 0}, "workers: 0"),
        ({"seed": -1}, "seed: -1"),
        ({"budget": 2.5}, "horizon: 2.5"),
    ):
        with pytest.raises(ValueError, match=message):
            error_rate(**({"policy": DPBAI(1.0), "arms": ARMS, "budget": 100} | arguments))
    with pytest.raises(ValueError, match=r"draw a random instance first"):
        error_rate(DPBAI(1.0), NormTenArms(), 100)
    with pytest.raises(ValueError, match="policy: UCB1 is not a BestArmPolicy"):
        error_rate(UCB1(), ARMS, 100)
    with pytest.raises(ValueError, match="events: 3"):
        clopper_pearson(3, 2)
    with pytest.raises(ValueError, match="level: nan"):
        clopper_pearson(1, 2, math.nan)
