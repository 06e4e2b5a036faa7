"""Bandits, slow and obvious."""

import math


class TableArms:
    """The j-th pull of an arm pays the j-th entry of its row: rewards known in advance."""

    def __init__(self, table):
        import numpy as np

        self.table = np.asarray(table, dtype=float)
        self.means = self.table.mean(axis=1)
        self.pulls = np.zeros(len(self.table), dtype=np.int64)

    def parameters(self):
        return self.table, self.pulls

    def kernel(self):
        return pull_from_table


def pull_from_table(params, arm, rng):
    table, pulls = params
    reward = table[arm, pulls[arm]]
    pulls[arm] += 1
    return reward


def ucb1(table, horizon, exploration=2.0, lag=1):
    """Arms that UCB1 plays on a reward table, by the formula."""
    rewards = [[] for _ in table]
    played = []
    for t in range(1, horizon + 1):
        if t <= len(table):
            arm = t - 1
        else:
            bonus = exploration * math.log(t - lag)
            index = [sum(seen) / len(seen) + math.sqrt(bonus / len(seen)) for seen in rewards]
            arm = index.index(max(index))
        rewards[arm].append(table[arm][len(rewards[arm])])
        played.append(arm)
    return played
