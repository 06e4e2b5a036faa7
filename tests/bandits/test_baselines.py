"""What all stochastic policies have in common: what a run returns, few rounds, few arms, and bad input by name."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.contracts import Algorithm
from bandits import (
    IMED,
    KLUCB,
    MOSS,
    UCB,
    UCB1,
    UCBV,
    AsymptoticUCB,
    BayesUCB,
    DecayingEpsilonGreedy,
    DiscountedUCB,
    EpsilonGreedy,
    ExploreThenCommit,
    GaussianThompson,
    KLUCBPlusPlus,
    RoundRobin,
    SlidingWindowUCB,
    Softmax,
    SuccessiveElimination,
    ThompsonSampling,
    UCBTuned,
    UniformRandom,
)
from simulators import BernoulliArms

# Those that pull every arm once, in order, before they choose.
STARTING_IN_ORDER = [
    *(UCB1(), UCB(), AsymptoticUCB(), MOSS(), MOSS(anytime=True), UCBV(), UCBTuned(), KLUCB(), KLUCB(level="f")),
    *(KLUCBPlusPlus(), IMED(), BayesUCB(), DiscountedUCB(), SlidingWindowUCB(), Softmax(), EpsilonGreedy(0)),
    *(ExploreThenCommit(2), SuccessiveElimination(), RoundRobin()),
]
ALL = [
    *STARTING_IN_ORDER,
    *(ThompsonSampling(), GaussianThompson(), EpsilonGreedy(), DecayingEpsilonGreedy(0.1), UniformRandom()),
]
IN_UNIT_INTERVAL = [UCB1(), UCBTuned(), KLUCB(), KLUCBPlusPlus(), IMED(), BayesUCB(), SuccessiveElimination()]


def generator(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ALL, ids=repr)
@settings(max_examples=15)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(1, 400), st.integers(0, 2**64))
def test_what_a_run_returns(policy, means, horizon, seed):
    arms = BernoulliArms(means)
    run = policy.run(arms, horizon, generator(seed))
    pulls = run.outcome["pulls"]
    assert isinstance(policy, Algorithm)
    assert pulls.sum() == horizon
    assert run.rounds[-1] == horizon
    assert run.metrics["regret"][-1] == pytest.approx(arms.gaps @ pulls, abs=1e-9)
    assert 0 <= run.metrics["regret"][-1] <= horizon * arms.gaps.max() + 1e-9
    assert run.equals(policy.run(arms, horizon, generator(seed)))
    if policy in STARTING_IN_ORDER:
        if horizon >= len(means):
            assert (pulls >= 1).all()
        else:
            assert pulls.tolist() == [1] * horizon + [0] * (len(means) - horizon)


@pytest.mark.parametrize("policy", ALL, ids=repr)
def test_one_arm_and_equal_arms_have_no_regret(policy):
    for arms in (
        BernoulliArms([0.3]),
        BernoulliArms([0.4, 0.4, 0.4]),
        BernoulliArms([0.0, 0.0]),
        BernoulliArms([1.0, 1.0]),
    ):
        for horizon in (1, 2, 3, 200):
            assert (policy.run(arms, horizon, generator()).metrics["regret"] == 0).all()


class Exponential:
    """Rewards beyond 1 that are not declared."""

    means = np.array([0.5, 2.0, 0.1])

    def parameters(self):
        return self.means

    def kernel(self):
        return lambda params, arm, rng: rng.exponential() * params[arm]


@pytest.mark.parametrize("policy", ALL, ids=repr)
def test_rewards_beyond_1_are_played_but_by_policies_that_need_them_in_the_unit_interval(policy):
    if policy.unit_rewards():
        with pytest.raises(ValueError, match=r"^pull: paid .* outside \[0, 1\]"):
            policy.run(Exponential(), 200, generator(), compiled=False)
    else:
        assert policy.run(Exponential(), 200, generator(), compiled=False).outcome["pulls"].sum() == 200


@pytest.mark.parametrize("policy", IN_UNIT_INTERVAL, ids=repr)
@pytest.mark.parametrize("support", [(-0.1, 1), (0, 1.1), (math.nan, 1), (0, math.inf)])
def test_declared_rewards_outside_the_unit_interval_are_refused_where_the_guarantee_needs_them(policy, support):
    arms = Exponential()
    arms.support = support
    with pytest.raises(ValueError, match=rf"^arms: rewards in .*{type(policy).__name__} needs rewards in \[0, 1\]"):
        policy.run(arms, 10, generator())


@pytest.mark.parametrize("support", [(-0.1, 1), (0, 2.1), (math.nan, 1)])
def test_ucbv_refuses_rewards_outside_its_range(support):
    arms = Exponential()
    arms.support = support
    with pytest.raises(ValueError, match=r"^arms: rewards in .*UCBV has reward_range = 2"):
        UCBV(reward_range=2).run(arms, 10, generator())


def test_a_discount_outside_its_range_is_named():
    with pytest.raises(ValueError, match=r"^changes: 1000 in 10 rounds with reward_range = 1"):
        DiscountedUCB(changes=1000).run(BernoulliArms([0.4, 0.5]), 10, generator())
    policy = SlidingWindowUCB(changes=10**9)
    assert policy.run(BernoulliArms([0.4, 0.5]), 10, generator()).outcome["pulls"].sum() == 10


BAD_POSITIVE = [0.0, -1.0, math.nan, math.inf, "much"]
BAD_PROBABILITY = [-0.1, 1.1, math.nan]


@pytest.mark.parametrize(
    ("policy", "field", "values"),
    [
        *(
            (policy, "tie", ["first", None, 1])
            for policy in (UCB1, UCB, AsymptoticUCB, MOSS, UCBV, UCBTuned, KLUCB, IMED)
        ),
        *((policy, "tie", ["first"]) for policy in (KLUCBPlusPlus, BayesUCB, SlidingWindowUCB, EpsilonGreedy)),
        *(
            (policy, "sigma", BAD_POSITIVE)
            for policy in (UCB, AsymptoticUCB, MOSS, KLUCB, KLUCBPlusPlus, GaussianThompson)
        ),
        *((policy, "exploration", BAD_POSITIVE) for policy in (UCBV, DiscountedUCB, SlidingWindowUCB)),
        *((policy, "reward_range", [*BAD_POSITIVE, 1e101]) for policy in (UCBV, DiscountedUCB, SlidingWindowUCB)),
        *((policy, "changes", [0, -1, 1.5]) for policy in (DiscountedUCB, SlidingWindowUCB)),
        *((policy, "log_time", ["T", 1]) for policy in (UCBV, UCBTuned, KLUCB)),
        *((policy, "family", ["beta", 0]) for policy in (KLUCB, KLUCBPlusPlus)),
        (UCB, "delta", [0.0, 1.0, -0.1, math.nan]),
        (MOSS, "anytime", ["perhaps", 3]),
        (KLUCB, "level", ["lnf", 2]),
        (KLUCB, "loglog", [-1.0, math.nan, math.inf]),
        (BayesUCB, "c", [-1.0, math.nan, math.inf]),
        (EpsilonGreedy, "epsilon", BAD_PROBABILITY),
        (DecayingEpsilonGreedy, "gap", [0.0, 1.1, math.nan]),
        (ExploreThenCommit, "pulls", [0, -1, 1.5, True, math.nan]),
        (Softmax, "temperature", BAD_POSITIVE),
        (DiscountedUCB, "discount", [0.0, 1.0, math.nan]),
        (SlidingWindowUCB, "window", [0, 2.5]),
    ],
)
def test_bad_parameters_are_named(policy, field, values):
    for value in values:
        with pytest.raises(ValueError, match=rf"^{policy.__name__}: {field} = "):
            policy(**{field: value})


@pytest.mark.parametrize("policy", [DecayingEpsilonGreedy, ExploreThenCommit])
def test_what_has_no_default_must_be_named(policy):
    with pytest.raises(ValueError, match=rf"{policy.__name__}: .* is missing"):
        policy()


@pytest.mark.slow
@pytest.mark.parametrize(
    "policy",
    [
        *(UCB1(1e300), UCB(5e-324, 1e100), MOSS(1e100), UCBV(1e300), UCBV(1e-300, 1e100), Softmax(1e-308)),
        *(Softmax(1e308), GaussianThompson(1e100), KLUCB("gaussian", sigma=1e-150), KLUCB(loglog=1e300)),
        *(BayesUCB(1e300), ExploreThenCommit(2**53), DecayingEpsilonGreedy(5e-324, 1e300), DiscountedUCB(5e-324)),
        *(DiscountedUCB(1 - 2**-53), SlidingWindowUCB(2**60), SlidingWindowUCB(1), DiscountedUCB(reward_range=1e12)),
    ],
    ids=repr,
)
def test_extreme_parameters_give_a_run(policy):
    run = policy.run(BernoulliArms([0.2, 0.9, 0.5]), 500, generator())
    assert run.outcome["pulls"].sum() == 500
