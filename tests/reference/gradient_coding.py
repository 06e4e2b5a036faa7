"""Sequential gradient coding as its specification writes it: sets of workers, mini-tasks one by one, no kernels."""

import itertools
import math
from functools import cache

import numpy as np


def bursty(pattern, burst, window, spread):
    """Whether a pattern (list of sets of workers, one a round) conforms; truncated windows count."""
    for end in range(1, len(pattern) + 1):
        rounds = range(max(0, end - window), end)
        stragglers = set().union(*(pattern[r] for r in rounds))
        if len(stragglers) > spread:
            return False
        for i in stragglers:
            hit = [r for r in rounds if i in pattern[r]]
            if hit[-1] - hit[0] > burst - 1:
                return False
    return True


def arbitrary(pattern, times, window, spread):
    """Whether a pattern conforms to the arbitrary model."""
    for end in range(1, len(pattern) + 1):
        rounds = range(max(0, end - window), end)
        stragglers = set().union(*(pattern[r] for r in rounds))
        if len(stragglers) > spread or any(sum(i in pattern[r] for r in rounds) > times for i in stragglers):
            return False
    return True


class OneRound:
    """Every job in its own round; `bears` says which sets of stragglers."""

    def __init__(self, bears):
        self.bears, self.delay, self.pattern = bears, 0, []

    def nothing_left(self, r):
        return False

    def accept(self, r, late):
        return not late or self.bears(late)

    def record(self, r, late):
        self.pattern.append(set(late))

    def decodable(self, job):
        return not self.pattern[job] or self.bears(self.pattern[job])


class SelectiveRepeat:
    """Section 4.2, with the rules of section 5."""

    def __init__(self, n, burst, window, spread, jobs, rule, groups=None):
        self.n, self.burst, self.window, self.spread, self.jobs = n, burst, window, spread, jobs
        self.s = math.ceil(burst * spread / (window - 1 + burst))
        self.rule, self.delay, self.groups = rule, burst, groups
        self.seen, self.pattern = [], []  # what the rule looks at; the effective pattern
        self.returned = [set() for _ in range(jobs)]
        self.own_round = {}

    def repeaters(self, r):
        job = r - self.burst
        if job < 0:
            return set()
        missing = [i for i in range(self.n) if i not in self.own_round[job]]
        if self.groups is not None:
            covered = {self.groups[i] for i in self.own_round[job]}
            found = {}
            for i in missing:
                if self.groups[i] not in covered:
                    found.setdefault(self.groups[i], i)
            return set(found.values())
        return set(missing[: max(0, len(missing) - self.s)])

    def nothing_left(self, r):
        if r >= self.jobs and not self.repeaters(r):
            self.seen.append(set())
            self.pattern.append(set())
            return True
        return False

    def accept(self, r, late):
        if not late:
            return True
        if self.rule == "exact":
            return not late & self.repeaters(r)
        if self.rule == "per round":
            return len(late) <= self.s
        return bursty([*self.seen, late], self.burst, self.window, self.spread)

    def record(self, r, late):
        repeaters = self.repeaters(r)
        self.pattern.append(set(late))
        exempt = self.rule == "exempting" and len(late) <= self.s and repeaters <= late
        self.seen.append(set() if exempt else set(late))
        for i in set(range(self.n)) - late:
            job = r - self.burst if i in repeaters else r
            if job < self.jobs:
                self.returned[job].add(i)
        if r < self.jobs:
            self.own_round[r] = set(self.returned[r])

    def decodable(self, job):
        if self.groups is not None:
            return {self.groups[i] for i in self.returned[job]} == set(self.groups)
        return len(self.returned[job]) >= self.n - self.s


class Multiplexed:
    """Section 4.3 by placing every mini-task."""

    def __init__(self, n, burst, window, spread, jobs, rule, groups=None):
        self.n, self.burst, self.window, self.spread, self.jobs = n, burst, window, spread, jobs
        self.rule, self.delay, self.groups = rule, window - 2 + burst, groups
        self.pattern = []

    def nothing_left(self, r):
        return False

    def accept(self, r, late):
        if not late:
            return True
        if self.rule == "bursty":
            return bursty([*self.pattern, late], self.burst, self.window, self.spread)
        if self.rule == "arbitrary":
            return arbitrary([*self.pattern, late], self.burst, self.window + self.burst - 1, self.spread)
        # Exact: every job under way decodes when all later rounds are waited out.
        pattern = [*self.pattern, set(late), *[set()] * self.delay]
        return all(self.placed(job, pattern) for job in range(max(0, r - self.delay), min(r, self.jobs - 1) + 1))

    def record(self, r, late):
        self.pattern.append(set(late))

    def decodable(self, job):
        return self.placed(job, self.pattern)

    def placed(self, job, pattern):
        """Whether the results of a job are enough, by going through its slots."""
        own = {i: set() for i in range(self.n)}
        coded = [set() for _ in range(self.burst)]
        for slot in range(self.window - 1 + self.burst):
            late = pattern[job + slot] if job + slot < len(pattern) else set()
            for i in range(self.n):
                if slot <= self.window - 2:
                    task = slot
                else:
                    missing = [k for k in range(self.window - 1) if k not in own[i]]
                    task = missing[0] if missing else None
                if i in late:
                    continue
                if task is None:
                    coded[slot - (self.window - 1)].add(i)
                else:
                    own[i].add(task)
        if any(len(done) < self.window - 1 for done in own.values()):
            return False
        if self.spread == self.n:
            return True
        if self.groups is not None:
            return all({self.groups[i] for i in back} == set(self.groups) for back in coded)
        return all(len(back) >= self.n - self.spread for back in coded)


def play(scheme, delays, jobs, loads, alpha, slack, wait):
    """The reference engine of section 5: durations, waits and the effective pattern."""
    durations, waited = [], []
    for r in range(jobs + scheme.delay):
        if scheme.nothing_left(r):
            durations.append(0.0)
            waited.append(False)
            continue
        times = delays[r] + alpha * loads[r]
        end = limit = (1 + slack) * times.min()
        late = {i for i in range(times.size) if times[i] > limit}
        waits = not scheme.accept(r, late)
        if waits and wait == "all":
            end, late = times.max(), set()
        elif waits:
            for end in sorted(times[i] for i in late):
                left = {i for i in range(times.size) if times[i] > end}
                if scheme.accept(r, left):
                    late = left
                    break
        durations.append(min(end, times.max()))
        waited.append(waits)
        scheme.record(r, late)
        if r >= scheme.delay:
            assert scheme.decodable(r - scheme.delay), (r, scheme.pattern)
    pattern = np.zeros((jobs + scheme.delay, delays.shape[1]), dtype=bool)
    for r, late in enumerate(scheme.pattern):
        pattern[r, list(late)] = True
    return np.array(durations), np.array(waited, dtype=bool), pattern


def m_sgc_decodes(pattern, burst, window, spread):
    """The closed form of section 4.3 for one job; pattern is bool of shape (W - 1 + B, n)."""
    before = np.vstack([np.zeros((1, pattern.shape[1]), int), np.cumsum(pattern, axis=0)])
    if (before[-1] > burst).any():
        return False
    return all((pattern[window - 1 + m] | (before[window - 1 + m] >= m + 1)).sum() <= spread for m in range(burst))


def all_patterns(rounds, n):
    """All bool arrays of shape (rounds, n)."""
    for bits in itertools.product((False, True), repeat=rounds * n):
        yield np.array(bits).reshape(rounds, n)


def sr_sgc_fails(n, burst, window, spread, s, per_round=False):
    """Whether some endless conforming pattern makes selective repeat lose a job: a search of all reachable states.

    A state is the pattern of the last W - 1 rounds and who returned the jobs of the last B rounds in their own round.
    """
    everybody = frozenset(range(n))
    sets = [frozenset(c) for k in range(n + 1) for c in itertools.combinations(range(n), k)]

    @cache
    def conforms(past, late):
        if per_round:
            return len(late) <= s
        return bursty([set(x) for x in (*past, late)], burst, window, spread)

    start = ((frozenset(),) * (window - 1), (everybody,) * burst)
    seen, todo = {start}, [start]
    while todo:
        past, returned = todo.pop()
        missing = sorted(everybody - returned[0])
        repeaters = frozenset(missing[: max(0, len(missing) - s)])
        for late in sets:
            if not conforms(past, late):
                continue
            if len(returned[0]) + len(repeaters - late) < n - s:
                return True
            state = ((*past[1:], late), (*returned[1:], everybody - late - repeaters))
            if state not in seen:
                seen.add(state)
                todo.append(state)
    return False
