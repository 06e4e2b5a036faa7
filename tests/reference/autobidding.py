"""Autobidding, slow and obvious: linear programs, brute force, and Algorithm 1 word by word."""

import itertools
import math
from fractions import Fraction

import numpy as np
from scipy.optimize import linprog


def linear_program(values, costs, roi_target, budget):
    """Value of the fractional knapsack with a budget and a target."""
    v, d = np.asarray(values, float), np.asarray(costs, float)
    if v.size == 0:
        return 0.0
    rows, sides = [roi_target * d - v], [0.0]
    if budget < math.inf:
        rows, sides = [*rows, d], [*sides, budget]
    found = linprog(-v, A_ub=np.array(rows), b_ub=sides, bounds=(0, 1), method="highs")
    assert found.status == 0, found.message
    return -found.fun


def vertex_search(values, costs, roi_target, budget):
    """The same for a few items by all vertices: every item in or out, but for one or two, where a row is tight."""
    n = len(values)
    best = Fraction(0)

    def consider(x):
        nonlocal best
        value = sum(a * b for a, b in zip(x, values, strict=True))
        spend = sum(a * b for a, b in zip(x, costs, strict=True))
        if value >= roi_target * spend and spend <= budget and all(0 <= a <= 1 for a in x):
            best = max(best, value)

    for corner in itertools.product([Fraction(0), Fraction(1)], repeat=n):
        consider(corner)
        for i in range(n):
            rest = [a for k, a in enumerate(corner) if k != i]
            others = [(v, d) for k, (v, d) in enumerate(zip(values, costs, strict=True)) if k != i]
            value = sum((a * v for a, (v, _) in zip(rest, others, strict=True)), Fraction(0))
            spend = sum((a * d for a, (_, d) in zip(rest, others, strict=True)), Fraction(0))
            slack, gain = value - roi_target * spend, values[i] - roi_target * costs[i]
            if gain != 0:
                consider([*corner[:i], -slack / gain, *corner[i + 1 :]])
            if costs[i] != 0 and budget < math.inf:
                consider([*corner[:i], (budget - spend) / costs[i], *corner[i + 1 :]])
        for i, j in itertools.combinations(range(n), 2):
            if budget == math.inf:
                continue
            value = sum((corner[k] * values[k] for k in range(n) if k not in (i, j)), Fraction(0))
            spend = sum((corner[k] * costs[k] for k in range(n) if k not in (i, j)), Fraction(0))
            a, b = (values[k] - roi_target * costs[k] for k in (i, j))
            c, d = costs[i], costs[j]
            determinant = a * d - b * c
            if determinant == 0:
                continue
            first, second = -(value - roi_target * spend), budget - spend
            x = list(corner)
            x[i], x[j] = (first * d - b * second) / determinant, (a * second - first * c) / determinant
            consider(x)
    return best


def split_program(curves, roi_target, budget, lower, upper):
    """Value of the best split over concave curves, each (spends, values); None where there is none."""
    m = len(curves)
    # Variables: spends, then values below each segment's line.
    rows, sides = [], []
    for j, (s, v) in enumerate(curves):
        for k in range(max(1, len(s) - 1)):
            slope = (v[k + 1] - v[k]) / (s[k + 1] - s[k]) if len(s) > 1 else 0.0
            row = np.zeros(2 * m)
            row[m + j], row[j] = 1.0, -slope
            rows.append(row)
            sides.append(v[k] - slope * s[k])
    rows.append(np.append(np.full(m, roi_target), -np.ones(m)))
    sides.append(0.0)
    if budget < math.inf:
        rows.append(np.append(np.ones(m), np.zeros(m)))
        sides.append(budget)
    bounds = [(low, min(high, s[-1])) for low, high, (s, _) in zip(lower, upper, curves, strict=True)]
    if any(low > high for low, high in bounds):
        return None
    found = linprog(
        np.append(np.zeros(m), -np.ones(m)), A_ub=np.array(rows), b_ub=sides, bounds=bounds + [(None, None)] * m
    )
    return -found.fun if found.status == 0 else None


def slot_program(costs, values, roi_target, budget):
    """Value of choosing at most one slot of each auction, with lotteries; matrices with a row an auction."""
    c, v = np.asarray(costs, float), np.asarray(values, float)
    n, slots = c.shape
    rows = [(roi_target * c - v).ravel(), *np.kron(np.eye(n), np.ones(slots))]
    sides = [0.0, *np.ones(n)]
    if budget < math.inf:
        rows, sides = [*rows, c.ravel()], [*sides, budget]
    found = linprog(-v.ravel(), A_ub=np.array(rows), b_ub=sides, bounds=(0, 1), method="highs")
    assert found.status == 0, found.message
    return -found.fun


def sgd_ucb(respond, arms, horizon, channels, goals, known, *, step, radius, kind="ucb", rng=None):
    """Algorithm 1 in the numbers of its box; ``respond(t, j, budget)`` is what channel j brings in period t (from 1).

    ``kind`` is "ucb", or "bernstein", "thompson", "hull" for what takes the place of its choice of arms.
    ``goals`` is (rho, gamma), ``known`` is (u, beta, Vbar). Returned are the budgets, conversions, (lambda, mu) after
    each period, and tau.
    """
    (rho, gamma), (u, beta, bound) = goals, known
    cap = channels * bound * max(1 / (beta * u), 1 / (rho - channels * u))
    counts = [[0] * len(arms) for _ in range(channels)]
    seen = [[[] for _ in arms] for _ in range(channels)]
    means = [[0.0] * len(arms) for _ in range(channels)]
    lam = mu = s1 = s2 = 0.0
    tau, budgets, brought, path = horizon, [], [], []
    for t in range(1, horizon + 1):
        left = horizon - t
        if tau == horizon and not (
            s1 - gamma * channels * rho + beta * u * left >= 0
            and s2 + channels * rho + channels * u * left <= rho * horizon
        ):
            tau = t - 1
        running = tau == horizon
        row, values, chosen = [], [], []
        price = (lam * gamma + mu) / (1 + lam)
        scores, planned = None, None
        if running and t > len(arms):
            scores = [
                [
                    means[j][k] + radius * _radius(kind, horizon, seen[j][k], rng) - price * arms[k]
                    for k in range(len(arms))
                ]
                for j in range(channels)
            ]
            if kind == "hull":
                upper = np.array(scores) + price * np.array(arms)
                left_over = (rho * horizon - s2) / (horizon - t + 1), s1 / (horizon - t + 1)
                planned = resolve(np.array(arms), upper, np.array(means), gamma, *left_over, rng.random())
        for j in range(channels):
            if not running:
                row.append(u)
            else:
                if t <= len(arms):
                    k = t - 1
                elif planned is not None:
                    k = planned[j]
                else:
                    k = scores[j].index(max(scores[j]))
                chosen.append(k)
                row.append(arms[k])
            values.append(respond(t, j, row[j]))
        if running:
            for j, k in enumerate(chosen):
                counts[j][k] += 1
                seen[j][k].append(values[j])
                means[j][k] += (values[j] - means[j][k]) / counts[j][k]
            g1 = sum(values) - gamma * sum(row)
            g2 = rho - sum(row)
            lam = min(max(lam - step * g1, 0.0), cap)
            mu = min(max(mu - step * g2, 0.0), cap)
            s1 += g1
            s2 += sum(row)
        budgets.append(row)
        brought.append(values)
        path.append((lam, mu))
    return np.array(budgets), np.array(brought), np.array(path), tau


def _radius(kind, horizon, seen, rng):
    n = len(seen)
    if kind == "thompson":
        return rng.standard_normal() / math.sqrt(n)
    if kind == "bernstein":
        z = math.log(3 * horizon**2)
        return min(math.sqrt(z / (2 * n)), math.sqrt(2 * np.var(seen) * z / n) + 3 * z / n)
    return math.sqrt(2 * math.log(horizon) / n)


def resolve(arms, upper, means, gamma, room, slack, uniform):
    """The arms of the best split on the concave hulls of ``upper``, slack counted with ``means``; 4.3b."""
    segments = []
    for j, values in enumerate(upper):
        k = 0
        while True:  # the steepest way on along the hull, the longest of several
            slopes = [(values[m] - values[k]) / (arms[m] - arms[k]) for m in range(k + 1, len(arms))]
            if not slopes or max(slopes) <= 0:
                break
            best = max(m for m in range(k + 1, len(arms)) if slopes[m - k - 1] == max(slopes))
            segments.append((max(slopes), j, k, best))
            k = best
    segments.sort(key=lambda segment: (-segment[0], segment[1]))
    chosen, spent = [0] * len(upper), 0.0
    slack += sum(row[0] for row in means)
    feasible = slack >= 0
    for _, j, a, b in segments:
        length = arms[b] - arms[a]
        step = means[j][b] - means[j][a] - gamma * length
        share = min(1.0, max(0.0, (room - spent) / length))
        if slack >= 0 and slack + share * step < 0:
            share = min(share, slack / -step)
        if share < 1:
            chosen[j] = b if uniform < share else a
            feasible = feasible or slack + share * step >= 0
            break
        chosen[j], slack, spent = b, slack + step, spent + length
        feasible = feasible or slack >= 0
    return chosen if feasible else [int(np.argmax(row - gamma * arms)) for row in means]


def paced(values, prices, kind, *, rate=math.inf, target=0.0, step=0.0, start=0.0):
    """Payments of budget pacing ("budget", as v / (1 + mu)), return pacing ("return") or both ("coupled")."""
    lam, mu, left, payments = 1.0, start, rate * len(values), []
    for v, d in zip(values, prices, strict=True):
        if kind == "budget":
            bid = v / (1.0 + mu)
        elif kind == "return":
            bid = (1.0 + lam) / (target * lam) * v
        else:
            bid = (1.0 + lam) / (target * lam + mu) * v
        pays = d if min(bid, left) >= d and v > 0 else 0.0
        wins = min(bid, left) >= d and v > 0
        left -= pays
        payments.append(pays)
        if kind in ("budget", "coupled"):
            mu = max(0.0, mu + step * (pays - rate))
        if kind in ("return", "coupled"):
            lam *= math.exp(-step * ((v if wins else 0.0) - target * pays))
    return np.array(payments)
