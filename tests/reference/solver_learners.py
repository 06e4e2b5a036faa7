"""Learners of solver tuning, slow and obvious: every round from the whole history of costs."""

import math

import numpy as np
from scipy.optimize import lsq_linear

from tests.reference.adversarial_bandits import draw, tsallis_weights


def tsallis(losses, rng, scale="running mean", reduced=False, eta_of=None):
    """Arms played against losses (T, d), from all importance-weighted losses of the past."""
    n_rounds, d = losses.shape
    history, played = [], []  # (arm, loss, weights, eta)
    for t in range(1, n_rounds + 1):
        eta = eta_of(t) if eta_of else (4 if reduced else 2) / math.sqrt(t)
        seen = [loss for _, loss, _, _ in history]
        unit = scale
        if scale == "running mean":
            unit = np.mean(seen) if seen and np.mean(seen) > 0 else 1.0
        elif scale == "running max":
            unit = max(seen) if seen and max(seen) > 0 else 1.0
        total = np.zeros(d)
        for arm, loss, weights, rate in history:
            guess = np.where(weights >= rate**2, 0.5, 0.0) if reduced else np.zeros(d)
            total += guess
            total[arm] += (loss / unit - guess[arm]) / weights[arm]
        weights, _ = tsallis_weights(total, eta)
        weights = weights / weights.sum()
        arm = draw(weights, rng.random())
        loss = losses[t - 1, arm] if isinstance(scale, str) else min(losses[t - 1, arm], scale)
        history.append((arm, loss, weights, eta))
        played.append(arm)
    return played


def binned_tsallis(losses, contexts, low, high, bins, rng, **options):
    """One learner a bin; they share the stream, so that all choices are made in the order of the rounds."""
    centres = low + (high - low) * (np.arange(1, bins + 1) - 0.5) / bins
    place = np.array([int(np.abs(centres - c).argmin()) for c in contexts])
    uniforms = rng.random(len(losses))

    class Stream:
        def __init__(self, values):
            self.values = iter(values)

        def random(self):
            return next(self.values)

    played = np.empty(len(losses), dtype=int)
    for j in range(bins):
        mine = place == j
        played[mine] = tsallis(losses[mine], Stream(uniforms[mine]), **options)
    return played.tolist()


def chebyshev(u, count):
    return np.cos(np.arange(count) * np.arccos(np.clip(u, -1, 1)))


def least_squares(rows, targets, box):
    """Of least norm; in the box if that lies outside: coefficients, and the squared residuals of the second fit."""
    theta = np.linalg.pinv(rows.T @ rows, rcond=1e-10, hermitian=True) @ (rows.T @ targets)
    if (np.abs(theta) <= box).all():
        return theta, 0.0
    found = lsq_linear(rows, targets, bounds=(-box, box), method="bvls", tol=1e-14, max_iter=1000)
    return found.x, 2 * found.cost


def cheb_cb_scales(costs, width, mu):
    """Scale, slope and box of ChebCB after these costs."""
    k = max(costs) if max(costs) > 0 else 1.0
    slope = k / width
    norm = 2 + 4 * width * slope / k * (1 + math.log(mu))
    box = np.array([1 / norm] + [2 * width * slope / (k * norm * j) for j in range(1, mu)])
    return k * norm, slope, box


def cheb_cb_rate(costs, predicted, residual, width, mu, d):
    """Learning rate of ChebCB after these costs, whose predictions were these; None where it stays."""
    t, (scale, slope, _) = len(costs), cheb_cb_scales(costs, width, mu)
    error = (math.pi + 2 / math.pi * math.log(2 * mu + 1)) * width * slope / (2 * scale * (mu + 1))
    total = ((np.array(predicted) - np.array(costs) / scale) ** 2).sum() - residual + 2 * error**2 * t
    total = total if total > 0 else 2 * error**2 * t
    return 2 * t * math.sqrt(d * t / total) if total > 0 else None
