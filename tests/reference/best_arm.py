"""Best-arm identification, slow and obvious: whole transcripts from reward tables, bounds by their definitions."""

import itertools
import math
from fractions import Fraction

import numpy as np


def best_of(estimates, keep):
    """Arms of a mapping with the largest estimates, the first of equal ones, in increasing order."""
    return sorted(sorted(estimates, key=lambda arm: (-estimates[arm], arm))[:keep])


def sequential_halving(table, budget, accumulate=False):
    """The active arms of each round, on a table of rewards."""
    active, seen = list(range(len(table))), [[] for _ in table]
    rounds = math.ceil(math.log2(len(table)))
    log = [active]
    for _ in range(rounds):
        pulls = budget // (len(active) * rounds)
        means = {}
        for arm in active:
            fresh = list(table[arm][len(seen[arm]) : len(seen[arm]) + pulls])
            seen[arm] += fresh
            means[arm] = sum(seen[arm]) / len(seen[arm]) if accumulate else sum(fresh) / len(fresh)
        active = best_of(means, math.ceil(len(active) / 2))
        log.append(active)
    return log


def successive_rejects(table, budget):
    """The active arms of each phase, on a table of rewards."""
    n_arms = len(table)
    log_bar = Fraction(1, 2) + sum(Fraction(1, i) for i in range(2, n_arms + 1))
    active = list(range(n_arms))
    log = [active]
    for k in range(1, n_arms):
        pulls = math.ceil((budget - n_arms) / (log_bar * (n_arms + 1 - k)))
        active = best_of({arm: sum(table[arm][:pulls]) / pulls for arm in active}, n_arms - k)
        log.append(active)
    return log


def schedule(n_arms, dimension):
    """The survivors of DP-BAI, by the recursions of its two sequences."""
    g, h = [min(n_arms, math.ceil(Fraction(dimension**2, 4)))], []
    h.append(n_arms - g[0])
    length = max(1, sum(2**i < dimension for i in range(64)))  # ceil(log2 d)
    ratio = next(r for r in itertools.count(2) if r**length >= h[0] + 1)
    while h[-1] > 0:
        h.append(math.ceil(Fraction(h[-1] + 1, ratio)) - 1)
    while g[-1] > 1:
        g.append(math.ceil(Fraction(g[-1], 2)))
    return [g[0] + crowd for crowd in h[:-1]] + g


def largest_volume(rows):
    """Largest |det| of r rows in the row space, and a basis that has it."""
    rows = np.asarray(rows, dtype=float)
    rank = np.linalg.matrix_rank(rows, tol=1e-10 * np.linalg.norm(rows, 2))
    reduced = rows @ np.linalg.svd(rows)[2][:rank].T
    volumes = {
        subset: abs(np.linalg.det(reduced[list(subset)])) for subset in itertools.combinations(range(len(rows)), rank)
    }
    best = max(volumes.values())
    return best, next(subset for subset, volume in volumes.items() if volume >= best * (1 - 1e-12)), volumes


def dp_bai(table, features, budget, epsilon, rng):
    """Active arms and estimates of each phase: rewards from a table, noise from a generator."""
    features = np.asarray(features, dtype=float)
    rank = np.linalg.matrix_rank(features)
    sizes = schedule(len(table), rank)
    phases = len(sizes) - 1
    read, active, log = [0] * len(table), list(range(len(table))), []
    for size in sizes[1:]:
        rows = features[active]
        r = np.linalg.matrix_rank(rows)
        if r * r < len(active):
            _, basis, _ = largest_volume(rows)
            pulled = [active[b] for b in basis]
            coefficients = np.linalg.lstsq(rows[list(basis)].T, rows.T, rcond=None)[0].T
        else:
            pulled, coefficients = active, np.eye(len(active))
        pulls = budget // (phases * len(pulled))
        sums = []
        for arm in pulled:
            sums.append(sum(table[arm][read[arm] : read[arm] + pulls]))
            read[arm] += pulls
        noisy = [(total + rng.laplace() / epsilon) / pulls for total in sums]
        estimates = dict(zip(active, coefficients @ np.array(noisy), strict=True))
        log.append((active, estimates))
        active = best_of(estimates, size)
    return log, active


def finite_bound(gaps, dimension, budget, epsilon, pairwise):
    """Theorem R1 as it is written; ``pairwise(gap, n, rank, all_pulled)`` bounds one pair of arms."""
    ordered = [0.0, *sorted(gaps)]  # ordered[i] is the i-th smallest gap
    sizes = schedule(len(gaps), dimension)
    phases, total = len(sizes) - 1, 0.0
    for size, kept in itertools.pairwise(sizes):
        worst = 0.0
        for r in range(1, min(dimension, size) + 1):
            everyone = r * r >= size
            n = budget // (phases * (size if everyone else r))
            chances = [None, None] + [pairwise(ordered[i], n, r, everyone) for i in range(2, size + 1)]
            worst = max(worst, min(sum(chances[i] for i in range(q + 2, size + 1)) / (kept - q) for q in range(kept)))
        total += min(1.0, worst)
    return min(1.0, total)
