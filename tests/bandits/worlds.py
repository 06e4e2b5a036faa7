"""What tests of policies share: worlds that record what is played, and what chance allows."""

import math

import numpy as np

from algos.rounds import RoundKernels
from bandits import CustomPolicy

CHANCE = 1e-9


def generator(seed=0):
    return np.random.default_rng(seed)


class Recording:
    """rewards[t, i] in round t + 1, after showing features[t] where there are any; `played` keeps the arms."""

    def __init__(self, rewards, features=None):
        self.rewards = np.array(rewards, dtype=float)
        self.shown = np.zeros((len(self.rewards), 1, 1)) if features is None else np.array(features, dtype=float)
        self.n_arms = self.rewards.shape[1]
        if features is not None:  # of arms, or the advice of experts
            self.dimension, self.n_experts = self.shown.shape[2], self.shown.shape[1]
        self.played = np.zeros(len(self.rewards), dtype=np.int64)
        self.row = np.zeros(1, dtype=np.int64)

    def parameters(self):
        return self.rewards, self.shown, self.played, self.row

    def kernel(self):
        return pull_and_record

    def round_kernels(self):
        return RoundKernels(advance=open_row, context=show, expected=pay)


def open_row(world, t, rng):
    world[3][0] = t - 1


def show(world):
    return world[1][world[3][0]]


def pay(world, arm):
    return world[0][world[3][0], arm]


def pull_and_record(world, arm, rng):
    world[2][world[3][0]] = arm
    return world[0][world[3][0], arm]


def arms_played(policy, rewards, rng, features=None, compiled=False):
    """The arm of each round, interpreted: compiled runs are the same to the last bit (test_world_twins.py)."""
    world = Recording(rewards, features)
    policy.run(world, len(world.rewards), rng, checkpoints=[len(world.rewards)], compiled=compiled)
    return world.played.tolist()


UNIFORM = CustomPolicy(
    lambda n_arms, params: np.zeros(n_arms),
    lambda state, params, t, rng: int(rng.random() * state.size),
    lambda state, params, t, arm, reward: None,
)


def regrets(policy, world, horizon, runs, seed):
    """Regret at the end of each run, from streams of their own."""
    return np.array(
        [
            policy.run(world, horizon, generator([seed, run]), checkpoints=[horizon]).metrics["regret"][-1]
            for run in range(runs)
        ]
    )


def least_mean(sample, span):
    """What the expectation exceeds but for CHANCE, for values in an interval of this length (Hoeffding)."""
    return np.mean(sample) - span * math.sqrt(math.log(1 / CHANCE) / (2 * len(sample)))


def too_often(count, runs, chance):
    """Whether so many failures have probability below 1e-6, where each has this chance at most (binomial)."""
    from scipy.stats import binom

    return binom.sf(count - 1, runs, chance) < 1e-6


def one_good_arm(n_arms, horizon, best, gap, seed):
    """Rewards of an adversary: any up and down, with one arm better by `gap` in every round."""
    base = (1 - gap) * generator(seed).random((horizon, 1)) * np.ones((1, n_arms))
    base[:, best] += gap
    return base
