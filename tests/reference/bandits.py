"""Bandits, slow and obvious."""

import math

import numpy as np


class TableArms:
    """The j-th pull of an arm pays the j-th entry of its row: rewards known in advance."""

    def __init__(self, table):
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


class RecordingArms:
    """The j-th pull of an arm pays the j-th entry of its row; `played` keeps the arm of each round."""

    def __init__(self, table):
        self.table = np.asarray(table, dtype=float)
        self.means = self.table.mean(axis=1)
        self.pulls = np.zeros(len(self.table), dtype=np.int64)
        self.played = np.full(self.table.shape[1], -1)

    def parameters(self):
        return self.table, self.pulls, self.played

    def kernel(self):
        return pull_and_record


def pull_and_record(params, arm, rng):
    table, pulls, played = params
    played[pulls.sum()] = arm
    pulls[arm] += 1
    return table[arm, pulls[arm] - 1]


def played(policy, table, horizon, seed=0, compiled=False):
    """The arm of each round."""
    arms = RecordingArms(table)
    policy.run(arms, horizon, np.random.default_rng(seed), compiled=compiled)
    return arms.played[:horizon].tolist()


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


# Index policies by their definitions: every index of every round from the list of all rewards seen.


def by_index(index, table, horizon, sign=1, close=0.0):
    """Every arm once, then the first with the largest index(rewards seen, t), or the least with sign = -1."""
    seen, played = [[] for _ in table], []
    for t in range(1, horizon + 1):
        if t <= len(table):
            arm = t - 1
        else:
            values = [sign * index(rewards, t, seen) for rewards in seen]
            arm = 0
            for i, value in enumerate(values):
                if value > values[arm] + close:
                    arm = i
        seen[arm].append(float(table[arm][len(seen[arm])]))
        played.append(arm)
    return played


def mean(rewards):
    return math.fsum(rewards) / len(rewards)


def variance(rewards):
    """Divided by the number of rewards; from sums, so that the order does not matter."""
    return max(math.fsum(x * x for x in rewards) / len(rewards) - mean(rewards) ** 2, 0.0)


def ucb_index(level, sigma):
    return lambda rewards, t, seen: mean(rewards) + sigma * math.sqrt(2 * level(t) / len(rewards))


def f(t):
    return 1 + t * math.log(t) ** 2


def moss_index(n_arms, horizon, sigma):
    """`horizon` None: anytime."""

    def index(rewards, t, seen):
        n = len(rewards)
        logarithm = max(0.0, math.log((horizon or t) / (n_arms * n)))
        return mean(rewards) + sigma * math.sqrt(4 * logarithm / n)

    return index


def ucbv_index(exploration, reward_range, lag):
    def index(rewards, t, seen):
        level, n = exploration * math.log(t - lag), len(rewards)
        return mean(rewards) + math.sqrt(2 * variance(rewards) * level / n) + 3 * reward_range * level / n

    return index


def tuned_index(lag):
    def index(rewards, t, seen):
        level, n = math.log(t - lag), len(rewards)
        return mean(rewards) + math.sqrt(level / n * min(0.25, variance(rewards) + math.sqrt(2 * level / n)))

    return index


def bernoulli_kl(x, y):
    def part(p, q):
        return 0.0 if p == 0 else math.inf if q == 0 else p * math.log(p / q)

    return part(x, y) + part(1 - x, 1 - y)


DIVERGENCES = {
    "bernoulli": bernoulli_kl,
    "gaussian": lambda x, y: (x - y) ** 2 / 2,  # sigma = 1
    "poisson": lambda x, y: y - x + (x * math.log(x / y) if x else 0.0),
    "exponential": lambda x, y: math.inf if x == 0 < y else x / y - 1 - math.log(x / y),
}


def upper_mean(family, x, level):
    """The largest y >= x with d(x, y) <= level, by bisection."""
    d = DIVERGENCES[family]
    if level <= 0 or (family == "exponential" and x == 0):
        return x
    low, high = x, 1.0
    if family == "bernoulli":
        if d(x, 1.0) <= level:
            return 1.0
    else:
        high = x + 1.0
        while d(x, high) <= level:
            high = x + 2 * (high - x)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if d(x, middle) <= level else (low, middle)
    return low


def klucb_index(family, level):
    """`level(t, n)` for an arm with n pulls."""
    return lambda rewards, t, seen: upper_mean(family, mean(rewards), level(t, len(rewards)) / len(rewards))


def bayes_index(rewards, t, seen):
    """Rewards are 0 or 1."""
    from scipy.stats import beta

    return float(beta.isf(1 / t, 1 + sum(rewards), 1 + len(rewards) - sum(rewards)))


def imed_index(rewards, t, seen):
    best = max(mean(other) for other in seen)
    return len(rewards) * bernoulli_kl(mean(rewards), best) + math.log(len(rewards))


def discounted_ucb(table, horizon, discount, exploration, reward_range):
    history = []
    counts = [0] * len(table)
    for t in range(1, horizon + 1):
        if t <= len(table):
            arm = t - 1
        else:
            weights = [
                [discount ** (t - 1 - s) * (a == i) for s, (a, _) in enumerate(history, 1)] for i in range(len(table))
            ]
            n = [math.fsum(w) for w in weights]
            means = [
                math.fsum(w * x for w, (_, x) in zip(ws, history, strict=True)) / c
                for ws, c in zip(weights, n, strict=True)
            ]
            level = exploration * math.log(math.fsum(n))
            index = [m + 2 * reward_range * math.sqrt(level / c) for m, c in zip(means, n, strict=True)]
            arm = index.index(max(index))
        history.append((arm, float(table[arm][counts[arm]])))
        counts[arm] += 1
    return [arm for arm, _ in history]


def sliding_window_ucb(table, horizon, window, exploration, reward_range):
    history = []
    counts = [0] * len(table)
    for t in range(1, horizon + 1):
        recent = history[-window:]
        seen = [[x for a, x in recent if a == i] for i in range(len(table))]
        if t <= len(table):
            arm = t - 1
        elif not all(seen):
            arm = seen.index([])
        else:
            level = exploration * math.log(min(t - 1, window))
            index = [mean(xs) + reward_range * math.sqrt(level / len(xs)) for xs in seen]
            arm = index.index(max(index))
        history.append((arm, float(table[arm][counts[arm]])))
        counts[arm] += 1
    return [arm for arm, _ in history]


def improved_ucb(table, horizon):
    """Auer and Ortner's Figure 1, phase by phase; the best arm in the game after the last phase."""
    seen, played = [[] for _ in table], []

    def pull(arm):
        if len(played) < horizon:
            seen[arm].append(float(table[arm][len(seen[arm])]))
            played.append(arm)

    active, resolution = list(range(len(table))), 1.0
    for _ in range(math.floor(math.log2(horizon / math.e) / 2) + 1):
        if len(active) == 1:
            break
        logarithm = math.log(horizon * resolution**2)
        pulls = math.ceil(2 * logarithm / resolution**2)
        while min(len(seen[arm]) for arm in active) < pulls and len(played) < horizon:
            for arm in active:
                pull(arm)
        if len(played) >= horizon:
            break
        radius = math.sqrt(logarithm / (2 * pulls))
        best = max(mean(seen[arm]) for arm in active)
        active = [arm for arm in active if mean(seen[arm]) + radius >= best - radius]
        resolution /= 2
    while len(played) < horizon:
        untried = [arm for arm in active if not seen[arm]]
        pull(untried[0] if untried else max(active, key=lambda arm: (mean(seen[arm]), -arm)))
    return played


def phased_elimination(features, rewards, noise, delta, design):
    """Arms played by phased elimination; rewards[t, i] in round t + 1. The design of each phase is given."""
    n_arms, active, played, phase = len(features), list(range(len(features))), [], 1
    while True:
        weights, variance = design(features[active])
        scale = 2 * noise**2 * variance * 4**phase * math.log(n_arms * phase * (phase + 1) / delta)
        gram, moments = 0.0, 0.0
        for arm, weight in zip(active, weights, strict=True):
            for _ in range(math.ceil(scale * weight) if len(active) > 1 else len(rewards)):
                if len(played) == len(rewards):
                    return played
                gram = gram + np.outer(features[arm], features[arm])
                moments = moments + rewards[len(played), arm] * features[arm]
                played.append(arm)
        means = features[active] @ np.linalg.lstsq(gram, moments, rcond=1e-9)[0]
        active = [arm for arm, mean in zip(active, means, strict=True) if mean >= max(means) - 2 * 2.0**-phase]
        phase += 1
