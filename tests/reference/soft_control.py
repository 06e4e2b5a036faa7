"""Soft control by brute force: every trajectory of a short episode, one after the other."""

import itertools
import math

import numpy as np


def trajectories(transitions, start, policy):
    """All (states, actions, probability) of episodes of len(policy) steps; policy (H, S, A)."""
    H, S, A = policy.shape
    for states in itertools.product(range(S), repeat=H):
        for actions in itertools.product(range(A), repeat=H):
            chance = start[states[0]]
            for h in range(H):
                chance *= policy[h, states[h], actions[h]]
                if h + 1 < H:
                    chance *= transitions[states[h], actions[h], states[h + 1]]
            yield states, actions, chance


def expectations(transitions, start, discount, temperature, theta, reward, jacobian):
    """V, V_theta, V_theta,theta and V_nu,theta of softmax logits (H, S, A), as sums over all trajectories."""
    H, S, A = theta.shape
    policy = np.exp(theta) / np.exp(theta).sum(axis=-1, keepdims=True)
    size, n = theta.size, jacobian.shape[-1]
    value, gradient, hessian, cross = 0.0, np.zeros(size), np.zeros((size, size)), np.zeros((n, size))
    for states, actions, chance in trajectories(transitions, start, policy):
        scores, curvature = np.zeros(size), np.zeros((size, size))
        for h, (s, a) in enumerate(zip(states, actions, strict=True)):
            pi = policy[h, s]
            score = np.zeros((H, S, A))
            score[h, s] = np.eye(A)[a] - pi
            score = score.ravel()
            block = np.zeros((H, S, A, H, S, A))
            block[h, s, :, h, s, :] = -(np.diag(pi) - np.outer(pi, pi))
            scores = scores + score
            curvature = curvature + block.reshape(size, size)
            gain = reward[s, a] - temperature * math.log(pi[a])
            weight = chance * discount**h
            value += weight * gain
            gradient += weight * gain * scores
            hessian += weight * (gain * (np.outer(scores, scores) + curvature) - temperature * np.outer(score, score))
            cross += weight * np.outer(jacobian[s, a], scores)
    return value, gradient, hessian, cross


def preference_cost(transitions, start, policy, reward, true_reward, temperature):
    """E over pairs of trajectories and their label of the logistic loss of a preference."""
    known = [
        (
            chance,
            sum(reward[s, a] for s, a in zip(states, actions, strict=True)),
            sum(true_reward[s, a] for s, a in zip(states, actions, strict=True)),
        )
        for states, actions, chance in trajectories(transitions, start, policy)
    ]
    total = 0.0
    for p, r0, true0 in known:
        for q, r1, true1 in known:
            prefers = 1.0 / (1.0 + math.exp(-(true0 - true1) / temperature))
            agrees = 1.0 / (1.0 + math.exp(-(r0 - r1)))
            total -= p * q * (prefers * math.log(agrees) + (1.0 - prefers) * math.log1p(-agrees))
    return total


def value_iteration(transitions, discount, temperature, reward, sweeps):
    """Soft values after so many sweeps, in plain Python."""
    S, A, _ = transitions.shape
    values = [0.0] * S
    for _ in range(sweeps):
        values = [
            temperature
            * math.log(
                math.fsum(
                    math.exp(
                        (reward[s, a] + discount * math.fsum(transitions[s, a, t] * values[t] for t in range(S)))
                        / temperature
                    )
                    for a in range(A)
                )
            )
            for s in range(S)
        ]
    return values
