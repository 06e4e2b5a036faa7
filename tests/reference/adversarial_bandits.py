"""Adversarial and linear bandits, slow and obvious: each round by the formula, from the whole history.

All return the arms played. `uniforms` yields what a policy draws; rewards[t, i] is what arm i pays in round t.
"""

import math

import numpy as np


def draw(chances, uniform):
    total = 0.0
    for arm, chance in enumerate(chances):
        total += chance
        if uniform < total:
            return arm
    return len(chances) - 1


def softmax(values):
    shifted = np.exp(np.array(values) - max(values))
    return shifted / shifted.sum()


def exp3(rewards, rng, rate_in_round, bias=0.0):
    """Loss form; `bias` in learning rates is what the probability is raised by in the estimates."""
    n_rounds, n_arms = rewards.shape
    losses, played = np.zeros(n_arms), []
    for t in range(1, n_rounds + 1):
        rate = rate_in_round(t)
        chances = softmax(-rate * losses)
        arm = draw(chances, rng.random())
        losses[arm] += (1 - rewards[t - 1, arm]) / (chances[arm] + bias * rate)
        played.append(arm)
    return played


def exp3_gain(rewards, rng, mixed):
    """Gain form with uniform exploration: an arm by the weights, and an arm at random with probability `mixed`."""
    n_rounds, n_arms = rewards.shape
    gains, played = np.zeros(n_arms), []
    for t in range(n_rounds):
        weights = softmax(mixed / n_arms * gains)
        arm = draw(weights, rng.random())
        if rng.random() < mixed:
            arm = int(rng.random() * n_arms)
        gains[arm] += rewards[t, arm] / ((1 - mixed) * weights[arm] + mixed / n_arms)
        played.append(arm)
    return played


def exp4(rewards, advice, rng, rate):
    losses, played = np.zeros(advice.shape[1]), []
    for t in range(len(rewards)):
        chances = softmax(-rate * losses) @ advice[t]
        arm = draw(chances, rng.random())
        losses += advice[t][:, arm] * (1 - rewards[t, arm]) / chances[arm]
        played.append(arm)
    return played


def tsallis_weights(losses, eta):
    """By bisection on x, in the form of the definition."""
    losses = np.asarray(losses, dtype=float)
    losses = losses - losses.min()
    low, high = -2 * math.sqrt(losses.size) / eta - 1, 0.0
    for _ in range(200):
        x = (low + high) / 2
        if x == 0.0 or (4 / (eta * (losses - x)) ** 2).sum() > 1:
            high = x
        else:
            low = x
    return 4 / (eta * (losses - low)) ** 2, low


def tsallis_inf(rewards, rng, reduced=False):
    n_rounds, n_arms = rewards.shape
    losses, played = np.zeros(n_arms), []
    for t in range(1, n_rounds + 1):
        eta = (4 if reduced else 2) / math.sqrt(t)
        weights, _ = tsallis_weights(losses, eta)
        arm = draw(weights, rng.random())
        guess = np.where(weights >= eta**2, 0.5, 0.0) if reduced else np.zeros(n_arms)
        losses = losses + guess
        losses[arm] += (1 - rewards[t - 1, arm] - guess[arm]) / weights[arm]
        played.append(arm)
    return played


def ridge(history, dimension, weight):
    """V and the estimate from a list of (features, reward)."""
    gram, moments = weight * np.eye(dimension), np.zeros(dimension)
    for features, reward in history:
        gram += np.outer(features, features)
        moments += reward * np.asarray(features)
    return gram, np.linalg.solve(gram, moments)


def linear_index(features, gram, estimate, radius):
    return features @ estimate + radius * np.sqrt(np.einsum("ij,ji->i", features, np.linalg.solve(gram, features.T)))


def lin_ucb(features, rewards, noise, norm_bound, delta, weight):
    """features[t]: those of all arms in round t."""
    history, played = [], []
    for shown, paid in zip(features, rewards, strict=True):
        d = shown.shape[1]
        gram, estimate = ridge(history, d, weight)
        log_det = np.linalg.slogdet(gram)[1] - d * math.log(weight)
        radius = math.sqrt(weight) * norm_bound + noise * math.sqrt(2 * math.log(1 / delta) + log_det)
        arm = int(np.argmax(linear_index(shown, gram, estimate, radius)))
        history.append((shown[arm], paid[arm]))
        played.append(arm)
    return played


def disjoint_lin_ucb(features, rewards, exploration, weight):
    histories, played = [[] for _ in rewards[0]], []
    for shown, paid in zip(features, rewards, strict=True):
        models = [ridge(history, shown.shape[1], weight) for history in histories]
        index = [
            linear_index(x[None], gram, estimate, exploration)[0]
            for x, (gram, estimate) in zip(shown, models, strict=True)
        ]
        arm = int(np.argmax(index))
        histories[arm].append((shown[arm], paid[arm]))
        played.append(arm)
    return played


def lin_ts(features, rewards, rng, spread_in_round, weight):
    history, played = [], []
    for t, (shown, paid) in enumerate(zip(features, rewards, strict=True), start=1):
        d = shown.shape[1]
        gram, estimate = ridge(history, d, weight)
        normal = np.array([rng.standard_normal() for _ in range(d)])
        drawn = estimate + spread_in_round(t) * np.linalg.solve(np.linalg.cholesky(gram).T, normal)
        arm = int(np.argmax(shown @ drawn))
        history.append((shown[arm], paid[arm]))
        played.append(arm)
    return played
