"""Paging with predictions, slow and obvious: lists, sets, and one explicit draw per random choice.

Requests are ints, bits 0 or 1, predicted times floats (maybe inf). `rng` is anything with ``random()``: a Generator, or
`tests.reference.paging.Choices`. A function ending in ``_contents`` returns the cache after each request, a list of
frozensets; its namesake without the ending returns the fault flags.
"""

import itertools
import math
from fractions import Fraction

# ---------------------------------------------------------------------------------------------------------------------
# Helpers


def uniform(pages, rng):
    """A uniformly random page: exactly one draw, also from a single page."""
    return sorted(pages)[int(rng.random() * len(pages))]


def least_recent(pages, last):
    """The page whose last request is earliest."""
    return min(pages, key=lambda page: last[page])


def furthest(pages, predicted, last):
    """The page with the largest prediction, the least recently requested one among equal predictions."""
    return max(pages, key=lambda page: (predicted[page], -last[page]))


def faults(requests, contents):
    """Fault flags of whoever holds contents[t] after request t and began with nothing."""
    return [page not in held for page, held in zip(requests, [frozenset(), *contents], strict=False)]


def harmonic(k):
    """H_k."""
    return math.fsum(1 / i for i in range(1, k + 1))


# ---------------------------------------------------------------------------------------------------------------------
# Ground truth


def next_use(requests):
    """Time of the next request of the same page, n for never."""
    n = len(requests)
    return [next((u for u in range(t + 1, n) if requests[u] == requests[t]), n) for t in range(n)]


def phases(requests, k):
    """Phase of each request: a new one starts at the request that would be the (k+1)-th distinct page."""
    ids, seen, phase = [], set(), 0
    for page in requests:
        if page not in seen and len(seen) == k:
            phase, seen = phase + 1, set()
        seen.add(page)
        ids.append(phase)
    return ids


def pages_of_phases(requests, k):
    """The set of pages of each phase."""
    ids = phases(requests, k)
    return [{page for page, i in zip(requests, ids, strict=True) if i == phase} for phase in sorted(set(ids))]


def phase_bits(requests, k):
    """True phase bits (0: the page is requested in the next phase) and where they are defined; else the bit is 1."""
    ids, pages = phases(requests, k), pages_of_phases(requests, k)
    defined = [i + 1 < len(pages) for i in ids]
    bits = [0 if known and page in pages[i + 1] else 1 for page, i, known in zip(requests, ids, defined, strict=True)]
    return bits, defined


def effective(requests, k):
    """Is this the last request of its page inside its phase?"""
    tagged = list(zip(requests, phases(requests, k), strict=True))
    return [pair not in tagged[t + 1 :] for t, pair in enumerate(tagged)]


def clean_pages(requests, k):
    """Number of pages of each phase that are not in the phase before."""
    pages = pages_of_phases(requests, k)
    return [len(now - before) for before, now in zip([set(), *pages], pages, strict=False)]


# ---------------------------------------------------------------------------------------------------------------------
# Without predictions


def lru_contents(requests, k):
    """LRU."""
    cache, last, contents = set(), {}, []
    for t, page in enumerate(requests):
        if page not in cache and len(cache) == k:
            cache.remove(least_recent(cache, last))
        cache.add(page)
        last[page] = t
        contents.append(frozenset(cache))
    return contents


def marker_contents(requests, k, rng):
    """Marker."""
    cache, unmarked, contents = set(), set(), []
    for page in requests:
        if page not in cache and len(cache) == k:
            if not unmarked:
                unmarked = set(cache)
            victim = uniform(unmarked, rng)
            cache.remove(victim)
            unmarked.remove(victim)
        cache.add(page)
        unmarked.discard(page)
        contents.append(frozenset(cache))
    return contents


def marker(requests, k, rng):
    """Fault flags of Marker."""
    return faults(requests, marker_contents(requests, k, rng))


def first_layers(k):
    """One dummy page in each layer."""
    return [{("dummy", i)} for i in range(k)]


def layer_of(layers_now, page):
    """1 for the first layer, and so on; 0 for a page in no layer."""
    return next((i for i, layer in enumerate(layers_now, start=1) if page in layer), 0)


def next_layers(layers_now, page):
    """The layers after a request of this page."""
    k, i = len(layers_now), layer_of(layers_now, page)
    if k == 1:
        return [{page}]
    if i == 0:
        return [*layers_now[: k - 2], layers_now[k - 2] | layers_now[k - 1], {page}]
    if i == 1:
        return [*layers_now[1:], {page}]
    return [*layers_now[: i - 2], (layers_now[i - 2] | layers_now[i - 1]) - {page}, *layers_now[i:], {page}]


def layers(requests, k):
    """Does the optimum of the prefix grow at this request?"""
    now, grows = first_layers(k), []
    for page in requests:
        grows.append(layer_of(now, page) == 0)
        now = next_layers(now, page)
        assert len(now) == k
    return grows


def online_min_contents(requests, k, priorities):
    """OnlineMin without its dummies; priorities() is called once for each request of a page in no layer."""
    now = first_layers(k)
    cache = {("dummy", i) for i in range(k)}
    priority = {("dummy", i): -1 - i for i in range(k)}
    contents = []
    for page in requests:
        i = layer_of(now, page)
        if page not in cache:
            candidates = cache
            if i > 0:
                for j in range(i, k + 1):
                    candidates = cache & set().union(*now[:j])
                    if len(candidates) == j:
                        break
                assert len(candidates) == j
            cache.remove(min(candidates, key=lambda held: priority[held]))
            cache.add(page)
        if i == 0:
            priority[page] = priorities()
        now = next_layers(now, page)
        assert cache <= set().union(*now)
        contents.append(frozenset(held for held in cache if not isinstance(held, tuple)))
    return contents


def online_min(requests, k, priorities):
    """Fault flags of OnlineMin."""
    return faults(requests, online_min_contents(requests, k, priorities))


# ---------------------------------------------------------------------------------------------------------------------
# With predicted bits


def flush_when_all_zeros_contents(requests, bits, k, relabel=False):
    """Contents of Flush-When-All-0s, and the number of flushes (of relabellings, if those are asked for)."""
    cache, current, last, flushes, contents = set(), {}, {}, 0, []
    for t, page in enumerate(requests):
        if page not in cache and len(cache) == k:
            ones = {held for held in cache if current[held] == 1}
            if not ones:
                flushes += 1
                if relabel:
                    ones = set(cache)
                    for held in cache:
                        current[held] = 1
                else:
                    cache = set()
            if ones:
                cache.remove(least_recent(ones, last))
        cache.add(page)
        current[page] = bits[t]
        last[page] = t
        contents.append(frozenset(cache))
    return contents, flushes


def flush_when_all_zeros(requests, bits, k, relabel=False):
    """Fault flags of Flush-When-All-0s, and the number of flushes."""
    contents, flushes = flush_when_all_zeros_contents(requests, bits, k, relabel)
    return faults(requests, contents), flushes


def mark0_contents(requests, bits, k, rng):
    """Mark0, lazy."""
    cache, current, last, unmarked, contents = set(), {}, {}, set(), []
    for t, page in enumerate(requests):
        if page not in cache and len(cache) == k:
            ones = {held for held in cache if current[held] == 1}
            if ones:
                victim = least_recent(ones, last)
            else:
                if not unmarked:
                    unmarked = set(cache)
                victim = uniform(unmarked, rng)
                unmarked.remove(victim)
            cache.remove(victim)
        cache.add(page)
        unmarked.discard(page)
        current[page] = bits[t]
        last[page] = t
        contents.append(frozenset(cache))
    return contents


def mark_and_predict_contents(requests, bits, k, choose):
    """Mark&Predict; choose(pages, last) names the victim among unmarked pages of one bit."""
    cache, current, last, marked, contents = set(), {}, {}, set(), []
    for t, page in enumerate(requests):
        if page not in cache and len(cache) == k:
            if cache <= marked:
                marked = set()
            ones = {held for held in cache - marked if current[held] == 1}
            zeros = {held for held in cache - marked if current[held] == 0}
            cache.remove(choose(ones or zeros, last))
        cache.add(page)
        marked.add(page)
        current[page] = bits[t]
        last[page] = t
        contents.append(frozenset(cache))
    return contents


def mark_and_predict(requests, bits, k, rng):
    """Fault flags of Mark&Predict."""
    return faults(requests, mark_and_predict_contents(requests, bits, k, lambda pages, last: uniform(pages, rng)))


def mark_and_predict_deterministic(requests, bits, k):
    """Fault flags of Mark&Predict with the least recently requested page of its class as the victim."""
    return faults(requests, mark_and_predict_contents(requests, bits, k, least_recent))


# ---------------------------------------------------------------------------------------------------------------------
# With predicted times of the next arrival


def blind_oracle_contents(requests, h, k):
    """BlindOracle."""
    cache, predicted, last, contents = set(), {}, {}, []
    for t, page in enumerate(requests):
        if page not in cache and len(cache) == k:
            cache.remove(furthest(cache, predicted, last))
        cache.add(page)
        predicted[page] = h[t]
        last[page] = t
        contents.append(frozenset(cache))
    return contents


def blind_oracle(requests, h, k):
    """Fault flags of BlindOracle."""
    return faults(requests, blind_oracle_contents(requests, h, k))


def predictive_marker_contents(requests, h, k, rng, gamma=1.0):
    """PredictiveMarker: `represents` maps an evicted page to its chain, `lengths` has one number per chain."""
    cache, unmarked, predicted, last, contents = set(), set(), {}, {}, []
    start, represents, lengths = set(), {}, []
    for t, page in enumerate(requests):
        if page not in cache and len(cache) == k:
            if not unmarked:
                start, unmarked, represents, lengths = set(cache), set(cache), {}, []
            if page in start:
                assert page in represents
                chain = represents.pop(page)
                lengths[chain] += 1
            else:
                chain = len(lengths)
                lengths.append(1)
            if page not in start or lengths[chain] <= gamma * harmonic(k):
                victim = furthest(unmarked, predicted, last)
            else:
                victim = uniform(unmarked, rng)
            assert victim not in represents
            represents[victim] = chain
            cache.remove(victim)
            unmarked.remove(victim)
        cache.add(page)
        unmarked.discard(page)
        predicted[page] = h[t]
        last[page] = t
        contents.append(frozenset(cache))
    return contents


def predictive_marker(requests, h, k, rng, gamma=1.0):
    """Fault flags of PredictiveMarker."""
    return faults(requests, predictive_marker_contents(requests, h, k, rng, gamma))


def lmarker_contents(requests, h, k, rng):
    """LMarker."""
    cache, unmarked, predicted, last, contents = set(), set(), {}, {}, []
    start = set()
    for t, page in enumerate(requests):
        if page not in cache and len(cache) == k:
            if not unmarked:
                start, unmarked = set(cache), set(cache)
            victim = uniform(unmarked, rng) if page in start else furthest(unmarked, predicted, last)
            cache.remove(victim)
            unmarked.remove(victim)
        cache.add(page)
        unmarked.discard(page)
        predicted[page] = h[t]
        last[page] = t
        contents.append(frozenset(cache))
    return contents


def lmarker(requests, h, k, rng):
    """Fault flags of LMarker."""
    return faults(requests, lmarker_contents(requests, h, k, rng))


def lnonmarker_contents(requests, h, k, rng):
    """LNonMarker: a page is marked once it is requested in the current k-phase.

    An unmarked page exists at every fault with a full cache: the marked cached pages were requested in this phase, and
    so is the absent page, so with k pages in the phase at most k - 1 of them are cached.
    """
    cache, predicted, last, contents = set(), {}, {}, []
    start, marked, evictor = set(), set(), {}
    for t, page in enumerate(requests):
        if page not in marked and len(marked) == k:
            start, marked, evictor = set(cache), set(), {}
        if page not in cache and len(cache) == k:
            unmarked = cache - marked
            assert unmarked
            if page not in start:
                victim = furthest(unmarked, predicted, last)
            else:
                assert page in evictor
                victim = uniform(unmarked if evictor[page] in start else cache, rng)
            evictor[victim] = page
            cache.remove(victim)
        cache.add(page)
        marked.add(page)
        predicted[page] = h[t]
        last[page] = t
        contents.append(frozenset(cache))
    return contents


def lnonmarker(requests, h, k, rng):
    """Fault flags of LNonMarker."""
    return faults(requests, lnonmarker_contents(requests, h, k, rng))


def guard_any_contents(requests, hints, k, rng, choose):
    """Guard around any predictor: choose(V, hint, last) is its choice, hint being that of a page's last request."""
    cache, hint, last, contents = set(), {}, {}, []
    unrequested, choosable, evicted = set(), set(), set()  # U, V, X
    for t, page in enumerate(requests):
        if page not in cache:
            if len(cache) == k:
                if not unrequested:
                    unrequested, choosable, evicted = set(cache), set(cache), set()
                guarded = page in evicted
                victim = uniform(unrequested, rng) if guarded else choose(choosable, hint, last)
                evicted.add(victim)
                unrequested.discard(victim)
                choosable.discard(victim)
                cache.remove(victim)
                if not guarded:
                    choosable.add(page)
            cache.add(page)
        unrequested.discard(page)
        hint[page] = hints[t]
        last[page] = t
        contents.append(frozenset(cache))
    return contents


def guard_contents(requests, h, k, rng):
    """Guard around BlindOracle."""
    return guard_any_contents(requests, h, k, rng, furthest)


def guard(requests, h, k, rng):
    """Fault flags of Guard around BlindOracle."""
    return faults(requests, guard_contents(requests, h, k, rng))


def guard_bits_contents(requests, bits, k, rng):
    """Guard around bits: the least recently requested page of bit 1, else any page."""

    def choose(pages, current, last):
        ones = {page for page in pages if current[page] == 1}
        return least_recent(ones, last) if ones else uniform(pages, rng)

    return guard_any_contents(requests, bits, k, rng, choose)


def guard_bits(requests, bits, k, rng):
    """Fault flags of Guard around bits."""
    return faults(requests, guard_bits_contents(requests, bits, k, rng))


# ---------------------------------------------------------------------------------------------------------------------
# With predicted cache contents, and combinations. contents[t] has at most k pages, requests[t] among them.


def lazy_step(cache, last, page, k, content):
    """Serve a page: at a fault with a full cache the least recently requested page outside the content leaves."""
    if page not in cache and len(cache) == k:
        outside = cache - content
        assert outside
        cache = cache - {least_recent(outside, last)}
    return cache | {page}


def follow_contents(requests, k, contents):
    """Lazy follower of one algorithm."""
    cache, last, own = frozenset(), {}, []
    for t, page in enumerate(requests):
        cache = lazy_step(cache, last, page, k, contents[t])
        last[page] = t
        own.append(cache)
    return own


def follow(requests, k, contents):
    """Fault flags of the lazy follower of one algorithm."""
    return faults(requests, follow_contents(requests, k, contents))


def combine_deterministic(requests, k, experts, gamma):
    """Fault flags, number of switches and the followed index at each request; an expert is (flags, contents)."""
    cache, last, bound, i, losses = frozenset(), {}, 1, 0, [0, 0]
    flags, switches, followed = [], 0, []
    for t, page in enumerate(requests):
        for j in (0, 1):
            losses[j] += int(experts[j][0][t])
        while losses[i] > bound:
            i = (i + 1) % 2
            bound *= 1 + gamma
            switches += 1
        flags.append(page not in cache)
        followed.append(i)
        cache = lazy_step(cache, last, page, k, experts[i][1][t])
        last[page] = t
    return flags, switches, followed


def weight_of_second(losses, delta):
    """Probability of the second of two experts under multiplicative weights; exact for a fraction delta."""
    try:
        return 1 / (1 + (1 - delta) ** (losses[0] - losses[1]))
    except OverflowError:
        return 0.0


def combine_randomized(requests, k, experts, delta, rng):
    """Fault flags: one draw at the start, and one whenever the followed expert has lost weight."""
    cache, last, losses, flags = frozenset(), {}, [0, 0], []
    i = 0 if rng.random() < 0.5 else 1
    for t, page in enumerate(requests):
        flags.append(page not in cache)
        cache = lazy_step(cache, last, page, k, experts[i][1][t])
        last[page] = t
        second = weight_of_second(losses, delta)
        for j in (0, 1):
            losses[j] += int(experts[j][0][t])
        second_after = weight_of_second(losses, delta)
        before = second if i == 1 else 1 - second
        after = second_after if i == 1 else 1 - second_after
        if after < before and rng.random() < 1 - after / before:
            i = 1 - i
    return flags


def expected_combine_randomized(requests, k, experts, delta):
    """Expected faults, exact for a fraction delta: the joint law of the cache and the followed index, step by step."""
    one = Fraction(1) if isinstance(delta, Fraction) else 1.0
    law = {(frozenset(), 0): one / 2, (frozenset(), 1): one / 2}
    last, losses, expected = {}, [0, 0], 0 * one
    for t, page in enumerate(requests):
        second = weight_of_second(losses, delta)
        for j in (0, 1):
            losses[j] += int(experts[j][0][t])
        second_after = weight_of_second(losses, delta)
        nexts = {}
        for (cache, i), mass in law.items():
            if page not in cache:
                expected += mass
            content = lazy_step(cache, last, page, k, experts[i][1][t])
            before = second if i == 1 else 1 - second
            after = second_after if i == 1 else 1 - second_after
            stay = after / before if after < before else one
            for j, chance in ((i, stay), (1 - i, 1 - stay)):
                if chance:
                    nexts[content, j] = nexts.get((content, j), 0) + mass * chance
        last[page] = t
        law = nexts
    return expected


def trust_and_doubt_contents(requests, k, contents, priorities):
    """The simulated (not lazy) cache of Trust&Doubt.

    At the start of every phase, the first included, priorities(stale pages, least recently requested first) returns
    a distinct number for each.
    """

    def pick(page_set, content):
        """The least recently requested page outside the predicted cache that no clean page stands against."""
        candidates = page_set - content - set(against.values())
        return least_recent(candidates, last) if candidates else None

    cache, last, seen, phase, simulated = set(), {}, set(), -1, []
    ancient, stale, unmarked, priority = set(), set(), set(), {}
    clean, against, trusted, start, length = [], {}, {}, {}, {}  # against: p of the specification
    for t, page in enumerate(requests):
        if t == 0 or (page not in seen and len(seen) == k):
            phase += 1
            ancient = {held for held in cache if held not in seen and held != page}
            stale = cache - ancient
            unmarked = set(stale)
            priority = priorities(sorted(stale, key=lambda held: last[held]))
            clean, against, trusted, start, length = [], {}, {}, {}, {}
            seen = set()
        new = page not in seen
        seen.add(page)
        if new:
            start[page] = len(seen) - 1
        unmarked.discard(page)
        last[page] = t
        if phase == 0:
            cache.add(page)
        elif ancient:
            ancient.discard(page)
            if page not in cache:
                victim = least_recent(ancient - contents[t] or ancient, last)
                ancient.remove(victim)
                cache.remove(victim)
                cache.add(page)
        else:
            if page not in cache:
                cache.remove(min(unmarked & cache, key=lambda held: priority[held]))
                cache.add(page)
            if new and page not in stale:
                clean.append(page)
                against[page] = pick(unmarked | seen, contents[t])
                trusted[page] = True
                length[page] = 1
            for q in clean:
                if against[q] == page:
                    against[q] = pick(unmarked | seen, contents[t])
                    trusted[q] = False
                    start[q] = len(seen)
            for q in clean if new else []:
                if len(seen) - start[q] == length[q]:
                    start[q] = len(seen)
                    if not trusted[q]:
                        length[q] *= 2
                        trusted[q] = True
                    if against[q] in cache:
                        cache.remove(against[q])
                        banned = {against[r] for r in clean if trusted[r]}
                        cache.add(max(unmarked - cache - banned, key=lambda held: priority[held]))
        assert page in cache
        assert len(cache) <= k
        simulated.append(frozenset(cache))
    return simulated


def trust_and_doubt(requests, k, contents, priorities):
    """Fault flags of the lazy follower of the simulated cache of Trust&Doubt."""
    return follow(requests, k, trust_and_doubt_contents(requests, k, contents, priorities))


def follow_and_robust_contents(requests, k, contents, rng):
    """Follower & Robust, the simple version."""
    grows = layers(requests, k)
    cache, last, own = set(), {}, []
    robust, believed, a, b = False, frozenset(), 0, 0
    distinct, unmarked = set(), set()  # of the robust phase
    for t, page in enumerate(requests):
        if robust and page not in distinct and len(distinct) == k:
            robust, believed, a, b = False, frozenset(cache), 0, 0
        if not robust:
            b += int(grows[t])
            if page not in cache:
                a += 1
                if len(cache) == k:
                    if page not in believed and a <= b:
                        believed = contents[t]
                    if page in believed:
                        outside = cache - believed
                        assert outside
                        cache.remove(least_recent(outside, last))
                    else:
                        robust, distinct, unmarked = True, set(), set(cache)
        if robust:
            if page not in cache:
                victim = uniform(unmarked, rng)
                unmarked.remove(victim)
                cache.remove(victim)
            unmarked.discard(page)
            distinct.add(page)
        cache.add(page)
        last[page] = t
        own.append(frozenset(cache))
    return own


def follow_and_robust(requests, k, contents, rng):
    """Fault flags of Follower & Robust."""
    return faults(requests, follow_and_robust_contents(requests, k, contents, rng))


# ---------------------------------------------------------------------------------------------------------------------
# Predictors: what is said of each request. `truth` are the true discard bits.


def popularity_arrivals(requests):
    """POPU, in the count of the public code that calls the first request 1, less 1."""
    times = []
    for t, page in enumerate(requests, start=1):
        times.append(t + t / requests[:t].count(page) - 1)
    return times


def pleco_weight(age):
    """PLECO's weight of a request, 1 for the latest."""
    return (age + 10) ** -1.8 * math.exp(-age / 670)


def pleco_probabilities(requests):
    """PLECO: the weight of the page's requests among that of all so far."""
    weights = [pleco_weight(age) for age in range(1, len(requests) + 1)]  # of the latest request, the one before, ...
    probabilities = []
    for t, page in enumerate(requests):
        past = requests[t::-1]
        mine = math.fsum(weight for weight, other in zip(weights, past, strict=False) if other == page)
        probabilities.append(mine / math.fsum(weights[: t + 1]))
    return probabilities


def noisy_belady_bits(requests, h, k):
    """1 when the page is not requested again, or BlindOracle with times h faults there."""
    flags = [*blind_oracle(requests, h, k), True]
    return [int(flags[t]) for t in next_use(requests)]


def best_threshold(ahead, truth):
    """The smallest T for which most bits "ahead > T" are true, of all that can make a difference."""
    candidates = [-math.inf, *sorted(ahead)]
    return max(candidates, key=lambda threshold: sum((a > threshold) == d for a, d in zip(ahead, truth, strict=True)))


def history_bits(requests, truth, trained, default):
    """The majority of the last three true bits of each page that the first requests reveal; of two, the later."""
    following = next_use(requests)
    known = {}
    for t in range(trained):
        if following[t] < trained:
            known.setdefault(requests[t], []).append(truth[t])
    bits = []
    for page in requests:
        last = known.get(page, [default])[-3:]
        bits.append(sorted(last)[1] if len(last) == 3 else last[-1])
    return bits


def scattered(size):
    """0..size-1 in the order of their binary digits read backwards."""
    digits = max(1, (size - 1).bit_length())
    return sorted(range(size), key=lambda i: f"{i:0{digits}b}"[::-1])


def wrong_zeros_first(requests, truth, k):
    """The true 1s in the order in which an adversary makes them wrong: the last ones of all phases but the last one."""
    ids = phases(requests, k)
    if not ids:
        return []
    ones = [[t for t, d in enumerate(truth) if d == 1 and ids[t] == phase] for phase in range(ids[-1] + 1)]
    order = []
    for turn in range(len(requests)):
        order += [
            ones[phase][-1 - turn] for phase in scattered(len(ones)) if phase < ids[-1] and turn < len(ones[phase])
        ]
    return order + ones[-1][::-1]


def wrong_ones_first(requests, truth, reuse):
    """The true 0s in the order in which an adversary makes them wrong: by the distance to the next request."""
    following = next_use(requests)
    sign = {"longest": -1, "shortest": 1}[reuse]
    return sorted((t for t, d in enumerate(truth) if d == 0), key=lambda t: (sign * (following[t] - t), t))


def adversarial_bits(requests, truth, k, budget, kind_of_error, reuse="longest"):
    """True bits but for the wrong ones of an adversary."""
    zeros, ones = wrong_zeros_first(requests, truth, k), wrong_ones_first(requests, truth, reuse)
    if kind_of_error == "keep":
        wrong = zeros[:budget]
    elif kind_of_error == "discard":
        wrong = ones[:budget]
    else:
        wrong = []
        turn = [zeros, ones]
        while len(wrong) < budget and (zeros or ones):
            if turn[0]:
                wrong.append(turn[0].pop(0))
                turn.reverse()
            else:
                wrong.append(turn[1].pop(0))
    return [d ^ (t in wrong) for t, d in enumerate(truth)]


def dearest_bits(truth, cost, budget, kind_of_error):
    """The largest cost of all bits with so many errors of one kind or both."""
    spared = {"keep": 0, "discard": 1, "both": None}[kind_of_error]
    best = -math.inf
    for bits in itertools.product((0, 1), repeat=len(truth)):
        wrong = [d for b, d in zip(bits, truth, strict=True) if b != d]
        if len(wrong) <= budget and spared not in wrong:
            best = max(best, cost(list(bits)))
    return best
