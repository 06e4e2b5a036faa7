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
