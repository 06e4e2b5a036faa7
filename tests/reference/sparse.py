"""Sparse misspecified bandits, slow and obvious."""

import itertools
import math


def lattice_net(s, zeta):
    """Lattice points of spacing 2 zeta / sqrt(s) with norm <= 1 + zeta, drawn in to the unit ball."""
    spacing, points = 2 * zeta / math.sqrt(s), []
    reach = math.ceil((1 + zeta) / spacing)
    for steps in itertools.product(range(-reach, reach + 1), repeat=s):
        point = [spacing * step for step in steps]
        norm = math.sqrt(sum(x * x for x in point))
        if norm <= 1 + zeta + 1e-12:
            points.append([x / max(1.0, norm) for x in point])
    return points


def optimistic_elimination(features, reward, s, eps, zeta):
    """The arm named, and the arms queried in order; reward[a] is what a query of a returns."""
    d = len(features[0])
    candidates = []
    for support in itertools.combinations(range(d), s):
        for point in lattice_net(s, zeta):
            means = [sum(row[i] * x for i, x in zip(support, point, strict=True)) for row in features]
            candidates.append((max(means), means))
    queried, threshold = [], eps + zeta + 1e-12
    while candidates:
        value, means = max(candidates, key=lambda candidate: candidate[0])
        arm = means.index(value)
        if arm not in queried:
            queried.append(arm)
        if abs(value - reward[arm]) <= threshold:
            return arm, queried
        candidates = [candidate for candidate in candidates if abs(candidate[1][arm] - reward[arm]) <= threshold]
    return None, queried
