"""Paging, slow and obvious: lists, sets, and exact expectations by enumerating every random choice."""

from fractions import Fraction
from functools import cache


def optimal_faults(requests, k):
    """Least number of faults, by dynamic programming over all reachable cache contents."""
    best = {frozenset(): 0}
    for page in requests:
        after = {}
        for held, faults in best.items():
            if page in held:
                nexts = [(held, faults)]
            elif len(held) < k:
                nexts = [(held | {page}, faults + 1)]
            else:
                nexts = [(held - {victim} | {page}, faults + 1) for victim in held]
            for content, cost in nexts:
                after[content] = min(cost, after.get(content, cost))
        best = after
    return min(best.values())


def lfd(requests, k):
    """Fault flags and the true discard bits ("evict" at the end), by looking ahead at every eviction."""
    n = len(requests)

    def next_use(page, after):
        return next((t for t in range(after + 1, n) if requests[t] == page), n)

    cache, last, flags = set(), {}, []
    bits = [1] * n  # a page's last request, and every page evicted before its next
    for t, page in enumerate(requests):
        flags.append(page not in cache)
        if page in cache:
            bits[last[page]] = 0
        elif len(cache) == k:
            cache.remove(max(sorted(cache), key=lambda held: next_use(held, t - 1)))
        cache.add(page)
        last[page] = t
    return flags, bits


def lru(requests, k):
    """Fault flags of LRU."""
    order, flags = [], []
    for page in requests:
        flags.append(page not in order)
        if page in order:
            order.remove(page)
        elif len(order) == k:
            order.pop(0)
        order.append(page)
    return flags


def fifo(requests, k):
    """Fault flags of FIFO."""
    queue, flags = [], []
    for page in requests:
        flags.append(page not in queue)
        if page not in queue:
            if len(queue) == k:
                queue.pop(0)
            queue.append(page)
    return flags


def flush_when_full(requests, k):
    """Fault flags of FWF."""
    cache, flags = set(), []
    for page in requests:
        flags.append(page not in cache)
        if page not in cache:
            if len(cache) == k:
                cache = set()
            cache.add(page)
    return flags


def clock(requests, k):
    """Fault flags of CLOCK: the page under the hand is the first of the list."""
    dial, free, flags = [], k, []
    for page in requests:
        held = next((entry for entry in dial if entry[0] == page), None)
        flags.append(held is None)
        if held is not None:
            held[1] = 1
        elif free:
            dial.append([page, 0])
            free -= 1
        else:
            while dial[0][1]:
                dial.append([dial.pop(0)[0], 0])
            dial.pop(0)
            dial.append([page, 0])
    return flags


def lfu(requests, k):
    """Fault flags of in-cache LFU, ties to the page that reached its frequency first."""
    frequency, reached, flags = {}, {}, []
    for t, page in enumerate(requests):
        flags.append(page not in frequency)
        if page not in frequency:
            if len(frequency) == k:
                victim = min(frequency, key=lambda held: (frequency[held], reached[held]))
                del frequency[victim]
            frequency[page] = 0
        frequency[page] += 1
        reached[page] = t
    return flags


def sieve(requests, k):
    """Fault flags of SIEVE: the list runs from tail to head, the hand is a page or None."""
    queue, visited, hand, flags = [], {}, None, []
    for page in requests:
        flags.append(page not in queue)
        if page in queue:
            visited[page] = True
            continue
        if len(queue) == k:
            at = queue.index(hand) if hand is not None else 0
            while visited[queue[at]]:
                visited[queue[at]] = False
                at = at + 1 if at + 1 < len(queue) else 0
            hand = queue[at + 1] if at + 1 < len(queue) else None
            queue.pop(at)
        queue.append(page)
        visited[page] = False
    return flags


def s3_fifo(requests, k):
    """Fault flags of S3-FIFO, as the specification tells it."""
    small_size, ghost_size = max(1, k // 10), 9 * k // 10
    main_size = k - small_size
    small, main, ghost, frequency, evicted, flags = [], [], [], {}, False, []
    for page in requests:
        flags.append(page not in frequency)
        if page in frequency:
            frequency[page] += 1
            continue
        remembered = page in ghost
        if remembered:
            ghost.remove(page)
        while len(small) + len(main) >= k:
            evicted = True
            if len(main) > main_size or not small:
                while True:
                    candidate = main.pop(0)
                    if frequency[candidate] >= 1:
                        frequency[candidate] = min(frequency[candidate], 3) - 1
                        main.append(candidate)
                    else:
                        del frequency[candidate]
                        break
            else:
                while small:
                    candidate = small.pop(0)
                    if frequency[candidate] >= 2:
                        frequency[candidate] = 0
                        main.append(candidate)
                    else:
                        del frequency[candidate]
                        ghost.append(candidate)
                        del ghost[: max(0, len(ghost) - ghost_size)]
                        break
        frequency[page] = 0
        (main if remembered or (not evicted and len(small) >= small_size) else small).append(page)
    return flags


def arc(requests, k):
    """Fault flags of ARC (Megiddo, Modha 2003, Figure 4); lists run from least to most recent."""
    t1, t2, b1, b2, p, flags = [], [], [], [], 0.0, []

    def replace(in_b2):
        if t1 and (len(t1) > p or (in_b2 and len(t1) == p)):
            b1.append(t1.pop(0))
        else:
            b2.append(t2.pop(0))

    for page in requests:
        flags.append(page not in t1 and page not in t2)
        if page in t1:
            t1.remove(page)
            t2.append(page)
        elif page in t2:
            t2.remove(page)
            t2.append(page)
        elif page in b1:
            p = min(k, p + max(len(b2) / len(b1), 1))
            replace(False)
            b1.remove(page)
            t2.append(page)
        elif page in b2:
            p = max(0, p - max(len(b1) / len(b2), 1))
            replace(True)
            b2.remove(page)
            t2.append(page)
        else:
            if len(t1) + len(b1) == k:
                if len(t1) < k:
                    b1.pop(0)
                    replace(False)
                else:
                    t1.pop(0)
            elif len(t1) + len(t2) + len(b1) + len(b2) >= k:
                if len(t1) + len(t2) + len(b1) + len(b2) == 2 * k:
                    b2.pop(0)
                replace(False)
            t1.append(page)
    return flags


def expected_random_eviction(requests, k):
    """Exact expected faults when the victim is uniform."""

    @cache
    def cost(t, cache):
        if t == len(requests):
            return Fraction(0)
        page = requests[t]
        if page in cache:
            return cost(t + 1, cache)
        if len(cache) < k:
            return 1 + cost(t + 1, cache | {page})
        return 1 + sum(cost(t + 1, cache - {victim} | {page}) for victim in cache) / Fraction(k)

    return cost(0, frozenset())


def expected_marker(requests, k):
    """Exact expected faults of Marker."""

    @cache
    def cost(t, cache, unmarked):
        if t == len(requests):
            return Fraction(0)
        page = requests[t]
        if page in cache:
            return cost(t + 1, cache, unmarked - {page})
        if len(cache) < k:
            return 1 + cost(t + 1, cache | {page}, unmarked)
        candidates = unmarked or cache
        total = sum(cost(t + 1, cache - {y} | {page}, candidates - {y}) for y in candidates)
        return 1 + total / Fraction(len(candidates))

    return cost(0, frozenset(), frozenset())


def expected_mark0(requests, bits, k, *, eager=False):
    """Exact expected faults of Mark0; the state holds each cached page with its bit and the time of its request."""

    def serve(t, cache, unmarked):
        """After the page has a place: mark it, note its bit, and evict it at once if eager."""
        page = requests[t]
        held = frozenset(entry for entry in cache if entry[0] != page) | {(page, bits[t], t)}
        if eager and bits[t]:
            held = frozenset(entry for entry in held if entry[0] != page)
        return cost(t + 1, held, unmarked - {page})

    @cache
    def cost(t, cache, unmarked):
        if t == len(requests):
            return Fraction(0)
        page = requests[t]
        if any(held == page for held, _, _ in cache):
            return serve(t, cache, unmarked)
        if len(cache) < k:
            return 1 + serve(t, cache, unmarked)
        ones = [entry for entry in cache if entry[1] == 1]
        if ones:
            oldest = min(ones, key=lambda entry: entry[2])
            return 1 + serve(t, cache - {oldest}, unmarked)
        candidates = unmarked or frozenset(held for held, _, _ in cache)
        total = Fraction(0)
        for victim in candidates:
            rest = frozenset(entry for entry in cache if entry[0] != victim)
            total += serve(t, rest, candidates - {victim})
        return 1 + total / len(candidates)

    return cost(0, frozenset(), frozenset())


class Choices:
    """Stands in for a generator in interpreted kernels whose only draws are ``int(rng.random() * size)``.

    `mean` runs a function once for every sequence of choices and returns the exact expectation of its value.
    """

    def __init__(self):
        self.script, self.sizes, self.position = [], [], 0

    def random(self):
        return self

    def __mul__(self, size):
        if self.position == len(self.script):
            self.script.append(0)
            self.sizes.append(int(size))
        assert self.sizes[self.position] == size
        self.position += 1
        return self.script[self.position - 1]

    @classmethod
    def mean(cls, function):
        choices, total = cls(), Fraction(0)
        while True:
            choices.position = 0
            value = function(choices)
            assert choices.position == len(choices.script)
            weight = Fraction(1)
            for size in choices.sizes:
                weight /= size
            total += weight * int(value)
            while choices.script and choices.script[-1] + 1 == choices.sizes[-1]:
                choices.script.pop()
                choices.sizes.pop()
            if not choices.script:
                return total
            choices.script[-1] += 1
