"""Policies whose course depends on what they have learnt so far, when rewards come late."""

import numpy as np
import pytest

from bandits import ExploreThenCommit, SuccessiveElimination, TsallisINF
from simulators import BernoulliArms, DelayedFeedback
from tests.bandits.worlds import generator

DELAYS = [1, 7, 50, 400]


@pytest.mark.parametrize("delay", DELAYS)
def test_elimination_judges_by_as_many_rewards_as_the_phase_asks_for(delay):
    # One arm always pays and the other never does: the first phase decides, as soon as its rewards are in.
    arms = BernoulliArms([0.0, 1.0])
    prompt = SuccessiveElimination().run(arms, 4000, generator(), compiled=False)
    late = SuccessiveElimination().run(DelayedFeedback(arms, delay), 4000, generator(), compiled=False)
    lost, after = int(prompt.outcome["pulls"][0]), int(late.outcome["pulls"][0])
    assert lost + delay // 2 <= after <= lost + delay // 2 + 1


def test_elimination_finds_the_best_of_three_however_late():
    for delay in DELAYS:
        world = DelayedFeedback(BernoulliArms([0.1, 0.5, 0.95]), delay)
        run = SuccessiveElimination().run(world, 6000, generator(delay))
        assert run.outcome["pulls"].argmax() == 2
        assert run.outcome["pulls"][2] > 4000


@pytest.mark.parametrize("delay", DELAYS)
def test_exploring_goes_on_until_as_many_rewards_as_planned_are_learnt(delay):
    world = DelayedFeedback(BernoulliArms([0.0, 0.0, 1.0]), delay)
    run = ExploreThenCommit(20).run(world, 3000, generator(), compiled=False)
    explored = 60 + delay  # the reward of round 60 is learnt at the end of round 60 + delay
    assert run.outcome["pulls"].tolist()[:2] == [-(-explored // 3), -(-(explored - 1) // 3)]


@pytest.mark.parametrize("estimator", ["importance weighting", "reduced variance"])
def test_the_last_distribution_of_tsallis_inf_is_not_that_of_a_late_reward(estimator):
    world = DelayedFeedback(BernoulliArms([0.0, 0.0, 1.0]), 150)
    run = TsallisINF(estimator).run(world, 400, generator(1), compiled=False)
    assert run.outcome["weights"][2] > 0.4 > run.outcome["weights"][:2].max()


def test_delays_do_not_nest():
    with pytest.raises(ValueError, match="arms: their rewards are 3 rounds late already"):
        DelayedFeedback(DelayedFeedback(BernoulliArms([0.5]), 3), 4)
    assert np.array_equal(DelayedFeedback(DelayedFeedback(BernoulliArms([0.5]), 0), 4).means, [0.5])
