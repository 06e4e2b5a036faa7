"""The master's loop: who is a straggler in each round, and how long to wait when there are too many.

A round lasts until the deadline th = (1 + mu) kappa, kappa the fastest answer; who answers later is a straggler. Where
the scheme cannot bear these stragglers the master waits: for everybody ("all"), or until it can bear those that are
left ("minimal").

What a scheme bears is a rule on the effective pattern of the rounds so far. Of every worker the loop keeps in how many
of the last rounds it straggled, from rows of the pattern in a ring: a round costs a few passes over the workers
whatever the window's length.

Source: M. N. Krishnan, M. R. Ebrahimi, A. Khisti, "Sequential Gradient Coding For Straggler Mitigation",
arXiv:2211.13802, with the waiting rules of the authors' code. Minimal waiting and the exact rules are derived here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = [
    "ARBITRARY",
    "BURSTY",
    "COUNT",
    "EVERYBODY",
    "EXACT",
    "EXEMPTING",
    "GROUPS",
    "MULTIPLEXED",
    "ONE_ROUND",
    "SELECTIVE_REPEAT",
    "MasterState",
    "SchemeNumbers",
    "UndecodableError",
    "open_master",
    "play_event_driven",
    "play_many",
    "play_rounds",
]

ONE_ROUND, SELECTIVE_REPEAT, MULTIPLEXED = range(3)
EVERYBODY, COUNT, GROUPS, BURSTY, ARBITRARY, EXEMPTING, EXACT = range(7)
WAIT_ALL, WAIT_MINIMAL, WAIT_NEVER = range(3)
OUTRIGHT, NOT_POSITIVE, NEVER_ANSWERS, TOO_MANY = range(4)

_FEW, _NARROWINGS = 24, 8  # values worth a heap, and most passes before it


class UndecodableError(RuntimeError):
    """A job that can no longer be decoded.

    Parameters
    ----------
    job : int
        Which, from 0.
    round : int
        In which round that became certain, from 0.
    reason : str
        Why.
    """

    def __init__(self, job: int, round: int, reason: str) -> None:
        super().__init__(f"job {job} cannot be decoded after round {round}: {reason}")
        self.job, self.round, self.reason = job, round, reason

    def __reduce__(self) -> tuple[type, tuple[int, int, str]]:
        return UndecodableError, (self.job, self.round, self.reason)


class SchemeNumbers(NamedTuple):
    """What the loop must know of a scheme."""

    kind: int  # ONE_ROUND, SELECTIVE_REPEAT or MULTIPLEXED
    rule: int
    tolerated: int  # s, stragglers that the code bears
    burst: int  # B
    window: int  # W
    spread: int  # lambda
    delay: int  # T
    groups: np.ndarray  # (n,) int64, group of each worker; empty where workers are not repetitions of one another


class MasterState(NamedTuple):
    """What the loop remembers."""

    ring: np.ndarray  # (W + B, n) uint8, the last rows of the pattern that the rule looks at; 1 for a straggler
    recent: np.ndarray  # (n,) int16, rounds of the window before this one in which each worker straggled
    far: np.ndarray  # (n,) int16, those of them that are B rounds or more ago
    missing: np.ndarray  # (B, n) uint8, of jobs that may be repeated: 1 where a worker's result is missing
    repeating: np.ndarray  # (n,) uint8, workers that repeat in this round
    straggling: np.ndarray  # (n,) uint8, candidate for the pattern of this round
    trial: np.ndarray  # (n,) uint8
    times: np.ndarray  # (n,) float64, answers of this round
    heard: np.ndarray  # (groups,) uint8
    counts: np.ndarray  # (W - 1 + B, B) int64, of the exact rule
    late: np.ndarray  # (n,) int64, the stragglers in order of their answers
    gathered: np.ndarray  # (n,) float64, answers of stragglers
    heap: np.ndarray  # (n + 1,) float64
    first: np.ndarray  # (groups,) float64, first answer of each group
    lost: np.ndarray  # (1,) int64, results that came too late
    trouble: np.ndarray  # (3,) int64, what went wrong: kind, job, round


@njit(cache=True)
def _span(scheme):
    """How many rounds before this one a rule looks at."""
    if scheme.rule == ARBITRARY or scheme.rule == EXACT:
        return scheme.window + scheme.burst - 2
    return scheme.window - 1


@njit(cache=True, nogil=True)
def open_master(n, scheme):
    """The state before the first round."""
    window, burst = max(scheme.window, 1), max(scheme.burst, 1)
    n_groups = scheme.groups.max() + 1 if scheme.groups.size > 0 else 0
    return MasterState(
        np.zeros((window + burst, n), np.uint8),
        np.zeros(n, np.int16),
        np.zeros(n, np.int16),
        np.zeros((burst, n), np.uint8),
        np.zeros(n, np.uint8),
        np.zeros(n, np.uint8),
        np.zeros(n, np.uint8),
        np.empty(n),
        np.zeros(n_groups, np.uint8),
        np.zeros((window + burst, burst), np.int64),
        np.zeros(n, np.int64),
        np.empty(n),
        np.empty(n + 1),
        np.empty(n_groups),
        np.zeros(1, np.int64),
        np.zeros(3, np.int64),
    )


@njit(cache=True, nogil=True)
def play_rounds(scheme, state, delays, first, jobs, shifts, slack, wait, durations, waited, pattern):
    """Play the rounds first, first + 1, ... whose answers are the rows of delays; True when nothing went wrong.

    ``shifts`` (one number a round) are added to the delays. Written are the durations (float64) and waited (uint8),
    one a round, and, unless it is empty, the effective pattern (uint8, a row a round).
    """
    for row in range(delays.shape[0]):
        r = first + row
        _look_back(scheme, state, r)
        if scheme.kind == SELECTIVE_REPEAT:
            repeaters = _choose_repeaters(scheme, state, r)
            if r >= jobs and repeaters == 0:  # every job is decoded
                durations[row], waited[row] = 0.0, 0
                state.straggling[:] = 0
                if pattern.shape[0] > 0:
                    pattern[row, :] = 0
                _remember(scheme, state, r)
                continue
        fastest, slowest = _hear(delays[row], shifts[row], state.times)
        if not fastest > 0.0:
            state.trouble[0], state.trouble[2] = NOT_POSITIVE, r
            return False
        limit = (1.0 + slack) * fastest
        n_late = _threshold(state.times, limit, state.straggling)
        waited[row] = 0
        if n_late > 0 and not _accepts(scheme, state, state.straggling, n_late, r, jobs):
            if wait == WAIT_NEVER:
                state.trouble[0], state.trouble[2] = TOO_MANY, r
                state.trouble[1] = _lost_job(scheme, state, r, jobs)
                return False
            waited[row] = 1
            if wait == WAIT_ALL:
                limit, n_late = slowest, 0
                state.straggling[:] = 0
            else:
                limit = _wait_until(scheme, state, n_late, r, jobs)
                n_late = _threshold(state.times, limit, state.straggling)
        durations[row] = min(limit, slowest)
        state.lost[0] += n_late
        if not durations[row] < np.inf:
            state.trouble[0], state.trouble[1], state.trouble[2] = NEVER_ANSWERS, max(0, r - scheme.delay), r
            return False
        if pattern.shape[0] > 0:
            for i in range(state.straggling.size):
                pattern[row, i] = state.straggling[i]
        _remember(scheme, state, r)
    return True


@njit(cache=True, nogil=True)
def _hear(delays, shift, times):
    """Store the answers of a round with the shift; the fastest and the slowest."""
    n = delays.size
    fours = n - n % 4
    low, low1, low2, low3 = np.inf, np.inf, np.inf, np.inf
    high, high1, high2, high3 = -np.inf, -np.inf, -np.inf, -np.inf
    for i in range(0, fours, 4):  # four chains of comparisons side by side
        a, b, c, d = delays[i] + shift, delays[i + 1] + shift, delays[i + 2] + shift, delays[i + 3] + shift
        times[i], times[i + 1], times[i + 2], times[i + 3] = a, b, c, d
        low, low1 = a if a < low else low, b if b < low1 else low1
        low2, low3 = c if c < low2 else low2, d if d < low3 else low3
        high, high1 = a if a > high else high, b if b > high1 else high1
        high2, high3 = c if c > high2 else high2, d if d > high3 else high3
    for i in range(fours, n):
        a = delays[i] + shift
        times[i] = a
        low, high = a if a < low else low, a if a > high else high
    return min(min(low, low1), min(low2, low3)), max(max(high, high1), max(high2, high3))


@njit(cache=True, nogil=True)
def _threshold(times, limit, straggling):
    """Mark who answers after the limit; how many."""
    count = 0
    for i in range(times.size):
        late = int(times[i] > limit)
        straggling[i] = late
        count += late
    return count


@njit(cache=True, nogil=True)
def _look_back(scheme, state, r):
    """Move the windows on to the rounds before round r."""
    if scheme.rule < BURSTY:
        return
    rows, n = state.ring.shape
    span, burst = _span(scheme), scheme.burst
    recent, far = state.recent, state.far
    if r >= 1:
        row = state.ring[(r - 1) % rows]
        for i in range(n):
            recent[i] += row[i]
    if r - span - 1 >= 0:
        row = state.ring[(r - span - 1) % rows]
        for i in range(n):
            recent[i] -= row[i]
    if scheme.rule == BURSTY or scheme.rule == EXEMPTING:
        if r - burst >= 0 and burst <= span:
            row = state.ring[(r - burst) % rows]
            for i in range(n):
                far[i] += row[i]
        if r - span - 1 >= 0 and burst <= span:
            row = state.ring[(r - span - 1) % rows]
            for i in range(n):
                far[i] -= row[i]


@njit(cache=True, nogil=True)
def _choose_repeaters(scheme, state, r):
    """Mark who repeats its result of job r - B in round r; how many."""
    repeating = state.repeating
    repeating[:] = 0
    burst = scheme.burst
    if r < burst:
        return 0
    missing = state.missing[r % burst]
    n, found = repeating.size, 0
    if scheme.groups.size > 0:  # one worker of every group from which nothing came
        heard = state.heard
        heard[:] = 0
        for i in range(n):
            if missing[i] == 0:
                heard[scheme.groups[i]] = 1
        for i in range(n):
            if heard[scheme.groups[i]] == 0:
                heard[scheme.groups[i]] = 1
                repeating[i] = 1
                found += 1
        return found
    count = 0
    for i in range(n):
        count += int(missing[i])
    left = count - scheme.tolerated
    i = 0
    while left > 0:
        if missing[i] != 0:
            repeating[i] = 1
            found += 1
            left -= 1
        i += 1
    return found


@njit(cache=True, nogil=True)
def _accepts(scheme, state, late, n_late, r, jobs):
    """Whether the scheme bears these stragglers in round r."""
    rule = scheme.rule
    if n_late == 0:
        return True
    if rule == EVERYBODY:
        return False
    if rule == COUNT:
        return n_late <= scheme.tolerated
    if rule == GROUPS:
        heard = state.heard
        heard[:] = 0
        for i in range(late.size):
            if late[i] == 0:
                heard[scheme.groups[i]] = 1
        return heard.min() > 0
    if rule == EXACT:
        if scheme.kind == SELECTIVE_REPEAT:
            struck = 0
            for i in range(late.size):
                struck |= late[i] & state.repeating[i]
            return struck == 0
        too_often, distinct = 0, 0
        for i in range(late.size):
            too_often |= int(late[i]) & int(state.recent[i] >= scheme.burst)
            distinct += int((state.recent[i] > 0) | (late[i] > 0))
        if too_often != 0:
            return False
        # Nobody else can be missing from any part of any job.
        return distinct <= scheme.spread or _lost_job_of(scheme, state, late, r, jobs) < 0
    recent, distinct = state.recent, 0
    if rule == ARBITRARY:
        most = 0
        for i in range(late.size):
            here = recent[i] + late[i]
            distinct += int(here > 0)
            most = max(most, here * late[i])
        return distinct <= scheme.spread and most <= scheme.burst
    far, broken = state.far, 0
    for i in range(late.size):
        distinct += int((recent[i] > 0) | (late[i] > 0))
        broken |= int(far[i] > 0) & int(late[i])
    return distinct <= scheme.spread and broken == 0


@njit(cache=True, nogil=True)
def _lost_job_of(scheme, state, late, r, jobs):
    """The oldest job that these stragglers make undecodable whatever comes later; -1 where there is none.

    Round r is slot k of job r - k. With f the rounds in which a worker straggled in earlier slots: f + x <= B; and of
    group m of the coded part no more than lambda results are missing.
    """
    window, burst, spread = scheme.window, scheme.burst, scheme.spread
    n, deepest, counts = state.recent.size, min(scheme.window + scheme.burst - 2, r), state.counts
    counting, grouped = spread < n and scheme.groups.size == 0, scheme.groups.size > 0
    lost = -1
    counts[:, :] = 0
    for i in range(n):
        if late[i] != 0 or state.recent[i] > 0:
            oldest = _tally(scheme, state, i, int(late[i]), 1, r, jobs)
            if oldest >= 0 and (lost < 0 or oldest < lost):
                lost = oldest
    if counting:
        for k in range(deepest + 1):
            if r - k < jobs:
                for m in range(burst):
                    if counts[k, m] > spread and (lost < 0 or r - k < lost):
                        lost = r - k
    if grouped and spread < n:
        for k in range(deepest + 1):
            if r - k >= jobs or (lost >= 0 and r - k >= lost):
                continue
            for m in range(max(0, k - (window - 1)), burst):
                if not _group_answers(scheme, state, late, r, k, m):
                    lost = r - k
                    break
    return lost


@njit(cache=True, nogil=True)
def _tally(scheme, state, i, x, sign, r, jobs):
    """Add worker i to the counts of those missing from part m of job r - k; the oldest job with more than B rounds."""
    window, burst, rows, counts, f, oldest = scheme.window, scheme.burst, state.ring.shape[0], state.counts, 0, -1
    place = r % rows
    for k in range(min(window + burst - 2, r) + 1):
        if k > 0:
            place = place - 1 if place > 0 else rows - 1
            f += int(state.ring[place, i])
        if r - k >= jobs:
            continue
        if f + x > burst:
            oldest = r - k
        m = max(0, k - (window - 1))
        if m == k - (window - 1):
            if m < burst and (x == 1 or f >= m + 1):
                counts[k, m] += sign
            m += 1
        end = min(burst, f + x)
        while m < end:  # those with f + x >= m + 1
            counts[k, m] += sign
            m += 1
    return oldest


@njit(cache=True, nogil=True)
def _group_answers(scheme, state, late, r, k, m):
    """Whether every repetition group has, or may still have, a result of coded part m of job r - k."""
    heard, rows = state.heard, state.ring.shape[0]
    heard[:] = 0
    for i in range(late.size):
        f = 0
        if state.recent[i] > 0:
            for back in range(1, k + 1):
                f += int(state.ring[(r - back) % rows, i])
        now = m == k - (scheme.window - 1)
        absent = (late[i] == 1 or f >= m + 1) if now else f + late[i] >= m + 1
        if not absent:
            heard[scheme.groups[i]] = 1
    return heard.min() > 0


@njit(cache=True, nogil=True)
def _lost_job(scheme, state, r, jobs):
    """Which job the stragglers of this round make the scheme lose, or that its rule no longer covers."""
    if scheme.kind == MULTIPLEXED:
        lost = _lost_job_of(scheme, state, state.straggling, r, jobs)
        return lost if lost >= 0 else max(0, r - scheme.delay)
    return max(0, r - scheme.delay)


@njit(cache=True, nogil=True)
def _wait_until(scheme, state, n_late, r, jobs):
    """The first answer of a straggler after which the rest can be borne.

    Some stragglers cannot be borne whoever else is late: the slowest of them must be waited for. Of the others as many
    may be late as the rule has room for.
    """
    rule, times, straggling, recent = scheme.rule, state.times, state.straggling, state.recent
    n, gathered, count, until = times.size, state.gathered, 0, 0.0
    if rule == GROUPS:
        first = state.first
        first[:] = np.inf
        for i in range(n):
            first[scheme.groups[i]] = min(first[scheme.groups[i]], times[i])
        return first.max()
    if rule == EXACT and scheme.kind == SELECTIVE_REPEAT:
        for i in range(n):
            if straggling[i] & state.repeating[i]:
                until = max(until, times[i])
        return until
    room = 0
    if rule == COUNT:
        room = max(scheme.tolerated, 0)
        for i in range(n):
            if straggling[i] != 0:
                gathered[count] = times[i]
                count += 1
    elif rule != EVERYBODY:
        burst_over = rule in (BURSTY, EXEMPTING)
        room = scheme.spread if rule != EXACT else n
        for i in range(n):
            known = recent[i] > 0
            room -= int(known)
            if straggling[i] != 0:
                hard = state.far[i] > 0 if burst_over else recent[i] >= scheme.burst
                if hard:
                    until = max(until, times[i])
                elif not known:
                    gathered[count] = times[i]
                    count += 1
    if rule == EVERYBODY:
        for i in range(n):
            until = max(until, times[i])
        return until
    if rule != EXACT:
        return until if count <= room else max(until, _largest(gathered[:count], state.heap[: room + 1]))
    left = n_late if until == 0.0 else _threshold(times, until, straggling)
    if _accepts(scheme, state, straggling, left, r, jobs):
        return until
    return _search(scheme, state, left, r, jobs)


@njit(cache=True, nogil=True)
def _search(scheme, state, n_late, r, jobs):
    """The same for the exact rule of M-SGC: fewer stragglers are never worse.

    Where missing results are counted, the stragglers join from the slowest on until they are too many; where workers
    repeat one another, by bisection.
    """
    late, trial, times = state.late, state.trial, state.times
    found = 0
    for i in range(times.size):
        if state.straggling[i] != 0:
            late[found] = i
            found += 1
    order = late[:n_late]
    for a in range(1, n_late):
        worker = order[a]
        b = a - 1
        while b >= 0 and times[order[b]] > times[worker]:
            order[b + 1] = order[b]
            b -= 1
        order[b + 1] = worker
    if scheme.groups.size == 0:
        state.counts[:, :] = 0
        for i in range(times.size):
            if state.recent[i] > 0:
                _tally(scheme, state, i, 0, 1, r, jobs)
        for a in range(n_late - 1, 0, -1):
            worker = order[a]
            if state.recent[worker] > 0:
                _tally(scheme, state, worker, 0, -1, r, jobs)
            _tally(scheme, state, worker, 1, 1, r, jobs)
            if state.counts.max() > scheme.spread:
                return times[worker]
        return times[order[0]]
    low, high = 0, n_late - 1  # to wait for the last is always enough
    while low < high:
        middle = (low + high) // 2
        left = _threshold(times, times[order[middle]], trial)
        if _accepts(scheme, state, trial, left, r, jobs):
            high = middle
        else:
            low = middle + 1
    return times[order[low]]


@njit(cache=True, nogil=True)
def _remember(scheme, state, r):
    """Write the round into the pattern that the rule looks at, and whose results are missing."""
    straggling = state.straggling
    n = straggling.size
    if scheme.kind == SELECTIVE_REPEAT:
        missing, repeating = state.missing[r % scheme.burst], state.repeating
        for i in range(n):
            missing[i] = straggling[i] | repeating[i]
    if scheme.rule < BURSTY:
        return
    row = state.ring[r % state.ring.shape[0]]
    exempt = False
    if scheme.rule == EXEMPTING:
        count, answered = 0, 0
        for i in range(n):
            count += int(straggling[i])
            answered += int(state.repeating[i]) & (1 - int(straggling[i]))
        exempt = count <= scheme.tolerated and answered == 0
    if exempt:
        row[:] = 0
    else:
        for i in range(n):
            row[i] = straggling[i]


@njit(cache=True, nogil=True)
def play_event_driven(delays, shift, missing, groups, durations, late):
    """Rounds that end at the earliest answer with which the job decodes; the number of the round that fails, or -1.

    Without groups that is when at most ``missing`` answers lack, with groups when each has one. ``late`` counts who
    answers later, one number a round.
    """
    rounds, n = delays.shape
    n_groups = groups.max() + 1 if groups.size > 0 else 0
    first, gathered, heap, guess = np.empty(n_groups), np.empty(n), np.empty(n + 1), 0.0
    for r in range(rounds):
        fastest = np.inf
        if n_groups > 0:
            first[:] = np.inf
            for i in range(n):
                first[groups[i]] = min(first[groups[i]], delays[r, i])
            end = 0.0
            for q in range(n_groups):
                end = max(end, first[q])
                fastest = min(fastest, first[q])
        else:
            end, fastest = _select(delays[r], missing, guess, gathered, heap)
            guess = end
        durations[r] = end + shift
        late[r] = _later_than(delays[r], shift, durations[r])
        if not (fastest + shift > 0.0 and durations[r] < np.inf):
            return r
    return -1


@njit(cache=True, nogil=True)
def _later_than(values, shift, limit):
    count = 0
    for i in range(values.size):
        count += int(values[i] + shift > limit)
    return count


@njit(cache=True, nogil=True)
def _select(values, rank, guess, gathered, heap):
    """The (rank + 1)-th largest value, and the least; the guess is where it may lie.

    Counting passes, which cost little, narrow an interval until few values are left in it.
    """
    least, most = _hear(values, 0.0, gathered)
    low, high, above, inside = -np.inf, np.inf, 0, values.size
    for attempt in range(_NARROWINGS):
        if inside <= _FEW:
            break
        bottom, top = max(low, least), min(high, most)
        pivot = guess if attempt == 0 else bottom + (top - bottom) * (1.0 - (rank - above + 0.5) / inside)
        if attempt > 3:
            pivot = 0.5 * (bottom + top)
        if not (low < pivot < high):
            pivot = 0.5 * (bottom + top)
        greater = _later_than(values, 0.0, pivot)
        if greater > rank:
            low, inside = pivot, greater - above
        else:
            high, inside, above = pivot, inside - (greater - above), greater
    count = 0
    for i in range(values.size):
        if values[i] > low and values[i] <= high:
            gathered[count] = values[i]
            count += 1
    if count <= rank - above:  # not numbers
        return np.inf, least
    return _largest(gathered[:count], heap[: rank - above + 1]), least


@njit(cache=True, nogil=True)
def _largest(values, heap):
    """The heap.size-th largest value, by a heap of the largest so far with the least on top."""
    size = heap.size
    for i in range(size):
        place = i
        while place > 0 and heap[(place - 1) // 2] > values[i]:
            heap[place] = heap[(place - 1) // 2]
            place = (place - 1) // 2
        heap[place] = values[i]
    for i in range(size, values.size):
        value = values[i]
        if value > heap[0]:
            place = 0
            while True:
                child = 2 * place + 1
                if child >= size:
                    break
                if child + 1 < size and heap[child + 1] < heap[child]:
                    child += 1
                if heap[child] >= value:
                    break
                heap[place] = heap[child]
                place = child
            heap[place] = value
    return heap[0]


@njit(cache=True, nogil=True)
def play_many(kind, rule, parameters, groups, delays, jobs, shifts, slack, wait, totals, waits):
    """Total times and waits of many schemes of a kind on the same answers; a row of parameters is s, B, W, lambda, T.

    A total is NaN where the delays do not last or a round went wrong.
    """
    for p in range(parameters.shape[0]):
        s, burst, window = parameters[p, 0], parameters[p, 1], parameters[p, 2]
        spread, delay = parameters[p, 3], parameters[p, 4]
        rounds = jobs + delay
        totals[p], waits[p] = np.nan, 0
        if rounds <= delays.shape[0]:
            scheme = SchemeNumbers(kind, rule, s, burst, window, spread, delay, groups)
            state = open_master(delays.shape[1], scheme)
            durations, waited = np.empty(rounds), np.empty(rounds, np.uint8)
            fine = play_rounds(
                scheme, state, delays[:rounds], 0, jobs, np.full(rounds, shifts[p]), slack, wait,
                durations, waited, np.empty((0, 0), np.uint8),
            )  # fmt: skip
            if fine:
                total = 0.0
                for r in range(rounds):
                    total += durations[r]
                    waits[p] += waited[r]
                totals[p] = total
