"""Policies and worlds with rounds, compiled against interpreted all the way down, to the last bit."""

import numpy as np
import pytest

from bandits import DisjointLinUCB, Exp3, Exp3Gain, Exp3IX, Exp4, LinTS, LinUCB, TsallisINF
from simulators import (
    AdversarialRewards,
    AdvisedRewards,
    BernoulliArms,
    ContextualRewards,
    DelayedFeedback,
    LinearContexts,
    LoggedArms,
    PiecewiseStationaryArms,
    StochasticallyConstrainedArms,
    SwitchingRewards,
    TableArms,
)
from tests.bandits.worlds import UNIFORM, generator
from tests.test_twins import interpreted_all_the_way

HORIZON = 1100  # beyond the rounds after which linear policies compute all afresh
REWARDS = generator(1).random((HORIZON, 3))
ARMS = BernoulliArms([0.2, 0.6, 0.5])
CONTEXTS = LinearContexts([0.3, -0.5], 3, sigma=0.3)
ADVICE = generator(2).dirichlet(np.ones(3), size=(HORIZON, 2))


@pytest.mark.parametrize(
    ("policy", "world"),
    [
        *(
            (policy, ARMS)
            for policy in (
                Exp3(),
                Exp3(anytime=True),
                Exp3IX(),
                Exp3Gain(),
                TsallisINF(),
                TsallisINF("reduced variance"),
            )
        ),
        (Exp4(), AdvisedRewards(ADVICE, REWARDS)),
        (LinUCB(noise=0.3), CONTEXTS),
        (LinTS(noise=0.3, delta=0.1), CONTEXTS),
        (DisjointLinUCB(), ContextualRewards(generator(3).normal(size=(HORIZON, 3, 2)), REWARDS)),
        (UNIFORM, AdversarialRewards(REWARDS)),
        (UNIFORM, SwitchingRewards(3, 7)),
        (UNIFORM, StochasticallyConstrainedArms(3, 0.2)),
        (UNIFORM, PiecewiseStationaryArms([[0.1, 0.5], [0.6, 0.2]], [400])),
        (UNIFORM, TableArms(REWARDS.T)),
        (UNIFORM, LoggedArms(np.arange(6 * HORIZON) % 3, generator(4).random(6 * HORIZON), "rejection")),
        (UNIFORM, DelayedFeedback(ARMS, 9)),
    ],
)
def test_to_the_last_bit(policy, world):
    fast = policy.run(world, HORIZON, generator(5))
    slow = interpreted_all_the_way(lambda: policy.run(world, HORIZON, generator(5), compiled=False))
    assert fast.equals(slow)
