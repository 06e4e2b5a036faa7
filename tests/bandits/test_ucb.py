"""UCB1 on Bernoulli arms by its formula, on certain arms by symmetry, and the form of its bound."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandits import UCB1, ucb1_bound
from simulators import BernoulliArms
from tests.reference.bandits import RecordingArms, ucb1

LAG = {"t-1": 1, "t": 0}


@settings(max_examples=60)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
    st.integers(1, 300),
    st.sampled_from(["t-1", "t"]),
    st.sampled_from([0.3, 0.5, 2.0, 7.0]),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_on_bernoulli_rewards_every_choice_is_that_of_the_formula(means, horizon, log_time, exploration, seed, fast):
    rng = np.random.default_rng(seed)
    table = (rng.random((len(means), horizon)) < np.array(means)[:, None]).astype(float)
    arms = RecordingArms(table)
    UCB1(exploration, log_time).run(arms, horizon, rng, compiled=fast)
    assert arms.played.tolist() == ucb1(table, horizon, exploration, LAG[log_time])


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=6), st.randoms(), st.sampled_from(["t-1", "t"]))
def test_renaming_arms_of_certain_rewards_renames_their_pulls(means, random, log_time):
    renamed = random.sample(means, len(means))
    runs = [UCB1(log_time=log_time).run(BernoulliArms(m), 400, np.random.default_rng(0)) for m in (means, renamed)]
    by_mean = [sorted(zip(m, run.outcome["pulls"], strict=True)) for m, run in zip((means, renamed), runs, strict=True)]
    assert by_mean[0] == by_mean[1]
    assert runs[0].outcome["reward"] == runs[1].outcome["reward"]


@pytest.mark.parametrize(
    ("gaps", "horizon", "value"),
    [
        ([0.5], 1, 2.1449340668482266),
        ([0.1, 0.4], 100, 462.6619526656574),
        ([0.0, 0.0], 10**6, 0.0),
        ([1.0], 20, 28.255726322128382),
    ],
)
def test_the_bound_by_hand(gaps, horizon, value):
    assert ucb1_bound(gaps, horizon) == pytest.approx(value, rel=1e-12, abs=0)


gap_lists = st.lists(st.floats(0.01, 1), min_size=1, max_size=6)


@given(gap_lists, st.integers(1, 10**6), st.integers(1, 10**6), st.randoms())
def test_the_bound_grows_with_the_horizon_and_adds_over_suboptimal_arms(gaps, horizon, more, random):
    bound = ucb1_bound(gaps, horizon)
    assert ucb1_bound(gaps, horizon + more) > bound
    assert ucb1_bound([0.0, *random.sample(gaps, len(gaps))], horizon) == pytest.approx(bound, rel=1e-12)
    assert sum(ucb1_bound([gap], horizon) for gap in gaps) == pytest.approx(bound, rel=1e-12)


@pytest.mark.parametrize("gaps", [[math.nan, 0.5], [-0.5, 0.5], [math.inf]])
def test_the_bound_refuses_what_is_no_gap(gaps):
    with pytest.raises(ValueError, match="gaps"):
        ucb1_bound(gaps, 1000)


@pytest.mark.parametrize("horizon", [0, -1, 2.5, math.nan])
def test_the_bound_refuses_what_is_no_horizon(horizon):
    with pytest.raises(ValueError, match="horizon"):
        ucb1_bound([0.5], horizon)
