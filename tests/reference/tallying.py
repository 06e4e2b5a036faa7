"""Tallying bandits, slow and obvious: tallies as direct sums, all sequences, elimination from its text."""

import itertools
import math


def tally(weights, actions, t):
    """Tally of the arm played in round t, from 0, of a sequence."""
    return sum(weights[i] for i in range(min(len(weights), t + 1)) if actions[t - i] == actions[t])


def losses_of(loss, weights, actions):
    """Loss of each round; weights[arm] are those of an arm."""
    return [loss(arm, tally(weights[arm], actions, t)) for t, arm in enumerate(actions)]


def best_sequence(loss, weights, horizon):
    """The smallest sum of losses over all sequences."""
    arms = range(len(weights))
    return min(sum(losses_of(loss, weights, word)) for word in itertools.product(arms, repeat=horizon))


def elimination(n_arms, horizon, bounds, delta, first, reuse, pay):
    """Arms played by SE-WTB; pay(t, arm, actions so far) is the loss of round t, from 0."""
    phases = 1
    while first * (2**phases - 1) < horizon:
        phases += 1
    level = math.log(2 * n_arms * phases / delta)
    actions, active, last, phase = [], list(range(n_arms)), None, 1
    stored = {arm: [] for arm in active}

    def play(arm):
        loss = pay(len(actions), arm, actions)
        actions.append(arm)
        return loss

    while len(actions) < horizon:
        if len(active) == 1:
            play(active[0])
            continue
        count = first * 2 ** (phase - 1)
        order = ([last] if last in active else []) + [arm for arm in active if arm != last]
        if not reuse:
            stored = {arm: [] for arm in active}
        for arm in order:
            for _ in range(bounds[arm] - 1 if arm != last else 0):
                if len(actions) < horizon:
                    play(arm)
            for _ in range(count):
                if len(actions) < horizon:
                    stored[arm].append(play(arm))
            last = arm
            if len(actions) == horizon:
                return actions
        n = len(stored[order[0]])
        radius = math.sqrt(level / (2 * n))
        means = {arm: sum(stored[arm]) / n for arm in active}
        least = min(means.values())
        active = [arm for arm in active if means[arm] - radius <= least + radius + 1e-13]
        phase += 1
    return actions


def all_or_nothing_regret(n_arms, memory, bound, first, horizon, delta):
    """Loss of SE-WTB without reuse on K >= 3 arms of which the first is good, for horizons that are long enough."""
    phases = 1
    while first * (2**phases - 1) < horizon:
        phases += 1
    level = math.log(2 * n_arms * phases / delta)
    last = 1
    while first * 2 ** (last - 1) <= 2 * level:
        last += 1
    sampling = (n_arms - 1) * first * (2**last - 1)
    opening = (n_arms - 1) * (bound - 1) + (memory - 1)
    later = (last - 1) * ((n_arms - 2) * (bound - 1) + (memory - 1))
    return sampling + opening + later + (memory - 1)
