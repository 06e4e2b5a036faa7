"""Patterns of stragglers: who is slow in which round. A slow worker answers after ``slow`` seconds, others after 1.

Source of the bursty and the arbitrary model: arXiv:2211.13802. In every W consecutive rounds a bursty pattern has at
most lambda distinct stragglers, each of which straggles for at most B rounds from its first to its last there; an
arbitrary one has at most lambda, each in at most N of the rounds.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PlainSerializer, PlainValidator, model_validator

from algos.contracts import Count, Natural, Probability, check_generator, description, read_only, whole_number
from simulators.stragglers.cluster import ClusterModel, Load, Workers

__all__ = [
    "AdversarialStragglers",
    "BernoulliStragglers",
    "BurstyStragglers",
    "GilbertElliott",
    "HeterogeneousGilbertElliott",
    "PeriodicStragglers",
    "is_arbitrary",
    "is_bursty",
]

Slow = Annotated[float, Field(gt=1.0, kw_only=True)]


class StragglerPattern(ClusterModel):
    """A cluster whose workers answer after 1 second or, as stragglers, after ``slow`` seconds."""

    slow: float

    def pattern(self, rounds: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Who straggles, bool of shape (rounds, n)."""
        return np.asarray(self.delays(rounds, rng) > 1.0)


@description
class BernoulliStragglers(StragglerPattern):
    """Every worker straggles in every round with the same probability, independently.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    probability : float in [0, 1]
        p.
    slow : float > 1
        Seconds of a straggler; inf if it never answers.
    alpha, reference_load : float >= 0
        Seconds per unit of load, and the load to which the times belong.
    """

    n_workers: Workers
    probability: Probability
    slow: Slow = 10.0
    alpha: Load = 0.0
    reference_load: Load = 0.0

    def _filler(self, rng: np.random.Generator) -> Any:
        # A chain that is entered and kept with the same probability has no memory.
        p = np.full(self.n_workers, self.probability)
        return _chains(p, 1.0 - p, p, self.slow, rng)


@description
class GilbertElliott(StragglerPattern):
    """Every worker is a chain of two states: it begins to straggle with probability p and ends with q.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    enter, leave : float in [0, 1]
        p and q. In the long run p / (p + q) straggle, in bursts of 1 / q rounds on average.
    initial : {"stationary", "fast", "slow"}
        State before the first round: in proportion p / (p + q), none or all straggling.
    slow : float > 1
        Seconds of a straggler.
    alpha, reference_load : float >= 0
        Seconds per unit of load, and the load to which the times belong.
    """

    n_workers: Workers
    enter: Probability
    leave: Probability
    initial: Literal["stationary", "fast", "slow"] = "stationary"
    slow: Slow = 10.0
    alpha: Load = 0.0
    reference_load: Load = 0.0

    def _filler(self, rng: np.random.Generator) -> Any:
        first = {"stationary": _stationary(self.enter, self.leave), "fast": 0.0, "slow": 1.0}[self.initial]
        n = self.n_workers
        return _chains(np.full(n, self.enter), np.full(n, self.leave), np.full(n, first), self.slow, rng)


def _classes(value: Any) -> tuple[tuple[float, float, float], ...]:
    try:
        rows = [tuple(float(number) for number in row) for row in value]
    except (TypeError, ValueError):
        raise ValueError("must be a list of (share, enter, leave)") from None
    if not rows or any(len(row) != 3 or not all(0 <= number <= 1 for number in row) for row in rows):
        raise ValueError("must be a non-empty list of (share, enter, leave), each in [0, 1]")
    if abs(sum(row[0] for row in rows) - 1) > 1e-9:
        raise ValueError(f"shares must sum up to 1, got {sum(row[0] for row in rows):g}")
    return tuple((a, b, c) for a, b, c in rows)


@description
class HeterogeneousGilbertElliott(StragglerPattern):
    """Workers of several classes, each a Gilbert-Elliott chain; classes are drawn once a run.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    classes : list of (share, enter, leave)
        Shares sum up to 1.
    slow : float > 1
        Seconds of a straggler.
    alpha, reference_load : float >= 0
        Seconds per unit of load, and the load to which the times belong.
    """

    n_workers: Workers
    classes: Annotated[Any, PlainValidator(_classes), PlainSerializer(lambda rows: [list(row) for row in rows])]
    slow: Slow = 10.0
    alpha: Load = 0.0
    reference_load: Load = 0.0

    def _filler(self, rng: np.random.Generator) -> Any:
        table = np.array(self.classes)
        mine = np.searchsorted(np.cumsum(table[:-1, 0]), rng.random(self.n_workers), side="right")
        enter, leave = table[mine, 1], table[mine, 2]
        first = np.array([_stationary(p, q) for p, q in zip(enter, leave, strict=True)])
        return _chains(enter, leave, first, self.slow, rng)


@description
class BurstyStragglers(StragglerPattern):
    """Random patterns that conform to the bursty model, or to the arbitrary one.

    In every round workers are visited in random order; each proposes to straggle, and does if the pattern still
    conforms.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    burst : int in 1..window
        B, or N of the arbitrary model.
    window : int >= 1
        W.
    max_stragglers : int in 0..n
        lambda.
    rate : float in [0, 1]
        Probability of a proposal.
    model : {"bursty", "arbitrary"}
        What to conform to.
    slow : float > 1
        Seconds of a straggler.
    alpha, reference_load : float >= 0
        Seconds per unit of load, and the load to which the times belong.

    Examples
    --------
    >>> pattern = BurstyStragglers(6, burst=2, window=4, max_stragglers=3).pattern(50, np.random.default_rng(0))
    >>> is_bursty(pattern, 2, 4, 3), bool(pattern.any())
    (True, True)
    """

    n_workers: Workers
    burst: Count
    window: Count
    max_stragglers: Natural
    rate: Probability = 0.5
    model: Literal["bursty", "arbitrary"] = Field(default="bursty", kw_only=True)
    slow: Slow = 10.0
    alpha: Load = 0.0
    reference_load: Load = 0.0

    @model_validator(mode="after")
    def _fits(self) -> BurstyStragglers:
        _check_model(self)
        return self

    def _filler(self, rng: np.random.Generator) -> Any:
        ring = np.zeros((self.window, self.n_workers), dtype=np.uint8)
        order, at = np.arange(self.n_workers), np.zeros(1, dtype=np.int64)
        arbitrary = self.model == "arbitrary"
        return lambda times, source: _conforming(
            times, ring, order, at, self.burst, self.max_stragglers, self.rate, arbitrary, self.slow, source
        )


@description
class PeriodicStragglers(StragglerPattern):
    """The adversary of `bursty_load_bound`: the first lambda workers straggle in B of every W - 1 + B rounds.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    burst : int in 1..window
        B.
    window : int >= 1
        W.
    max_stragglers : int in 0..n
        lambda.
    slow : float > 1
        Seconds of a straggler.
    alpha, reference_load : float >= 0
        Seconds per unit of load, and the load to which the times belong.
    """

    n_workers: Workers
    burst: Count
    window: Count
    max_stragglers: Natural
    slow: Slow = 10.0
    alpha: Load = 0.0
    reference_load: Load = 0.0

    @model_validator(mode="after")
    def _fits(self) -> PeriodicStragglers:
        _check_model(self)
        return self

    def _filler(self, rng: np.random.Generator) -> Any:
        at = [0]

        def fill(times: NDArray[np.float64], source: np.random.Generator) -> None:
            rounds = at[0] + np.arange(len(times))
            at[0] += len(times)
            times[:] = 1.0
            struck = rounds % (self.window - 1 + self.burst) < self.burst
            times[struck, : self.max_stragglers] = self.slow

        return fill


@description
class AdversarialStragglers(StragglerPattern):
    """An adversary that watches whose results were lost, and strikes as hard as the bursty model lets it.

    It strikes as many workers as it may: first those whose loss hurts a scheme that retries, who lost a result B rounds
    ago or since, then the others in order. A round that the master waited out counts for nothing, and it strikes anew.

    Parameters
    ----------
    n_workers : int >= 1
        n.
    burst : int in 1..window
        B.
    window : int >= 1
        W.
    max_stragglers : int in 0..n
        lambda.
    slow : float > 1
        Seconds of a straggler.
    alpha, reference_load : float >= 0
        Seconds per unit of load, and the load to which the times belong.
    """

    n_workers: Workers
    burst: Count
    window: Count
    max_stragglers: Natural
    slow: Slow = 10.0
    alpha: Load = 0.0
    reference_load: Load = 0.0

    @model_validator(mode="after")
    def _fits(self) -> AdversarialStragglers:
        _check_model(self)
        return self

    def start(self, rng: np.random.Generator) -> _Adversary:
        """Begin anew; nothing is drawn."""
        return _Adversary(self)

    def delays(self, rounds: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Answer times against a master that loses every late result, shape (rounds, n)."""
        check_generator(rng, "AdversarialStragglers")
        running = self.start(rng)
        table = np.empty((whole_number(rounds, "rounds", 0), self.n_workers))
        for row in table:
            row[:] = running.next(1)[0]
            running.watch(row > 1.0)
        return table


class _Adversary:
    def __init__(self, model: AdversarialStragglers) -> None:
        self._model = model
        self._past = np.zeros((model.window - 1, model.n_workers), dtype=bool)  # oldest first

    def next(self, rounds: int) -> NDArray[np.float64]:
        """The next round; it must be watched before the one after it is asked for."""
        if rounds != 1:
            raise ValueError(f"rounds: {rounds} at once, but this cluster reacts to each round")
        model, past = self._model, self._past
        known = past.any(axis=0)
        far = past[: max(0, model.window - model.burst)].any(axis=0)
        late = np.asarray(known & ~far)
        room = model.max_stragglers - int(known.sum())
        late[np.flatnonzero(~known)[:room]] = True
        return np.where(late, model.slow, 1.0)[None]

    def watch(self, stragglers: NDArray[np.bool_]) -> None:
        """See whose results were lost."""
        if len(self._past):
            self._past = np.vstack([self._past[1:], stragglers[None]])


def is_bursty(pattern: ArrayLike, burst: int, window: int, max_stragglers: int) -> bool:
    """Whether a pattern, bool of shape (rounds, n), conforms to the (B, W, lambda)-bursty model."""
    return _conforms(pattern, burst, window, max_stragglers, arbitrary=False)


def is_arbitrary(pattern: ArrayLike, times: int, window: int, max_stragglers: int) -> bool:
    """Whether a pattern, bool of shape (rounds, n), conforms to the (N, W', lambda')-arbitrary model."""
    return _conforms(pattern, times, window, max_stragglers, arbitrary=True)


def _conforms(pattern: ArrayLike, burst: int, window: int, spread: int, *, arbitrary: bool) -> bool:
    table = np.asarray(pattern)
    if table.ndim != 2 or table.dtype != bool:
        raise ValueError("pattern: must be bool, a row a round and a column a worker")
    for name, value, least in (("burst", burst, 1), ("window", window, 1), ("max_stragglers", spread, 0)):
        whole_number(value, name, least)
    for end in range(1, len(table) + 1):
        here = table[max(0, end - window) : end]
        if here.any(axis=0).sum() > spread:
            return False
        for column in here.T:
            rounds = np.flatnonzero(column)
            if rounds.size and (rounds.size if arbitrary else rounds[-1] - rounds[0] + 1) > burst:
                return False
    return True


def _check_model(model: Any) -> None:
    if model.burst > model.window:
        raise ValueError(f"burst = {model.burst}: must be at most window = {model.window}")
    if model.max_stragglers > model.n_workers:
        raise ValueError(f"max_stragglers = {model.max_stragglers}: must be at most n_workers = {model.n_workers}")


def _stationary(enter: float, leave: float) -> float:
    return enter / (enter + leave) if enter + leave > 0 else 0.0


def _chains(
    enter: NDArray[np.float64],
    leave: NDArray[np.float64],
    first: NDArray[np.float64],
    slow: float,
    rng: np.random.Generator,
) -> Any:
    state = np.asarray(rng.random(enter.size) < first)
    enter, leave = read_only(enter), read_only(leave)
    return lambda times, source: _walk(times, state, enter, leave, slow, source)


@njit(cache=True, nogil=True)
def _walk(times, state, enter, leave, slow, rng):
    """Rounds of independent chains; the state is that of the first round and then moves on."""
    for r in range(times.shape[0]):
        for i in range(times.shape[1]):
            times[r, i] = slow if state[i] else 1.0
            u = rng.random()
            state[i] = u >= leave[i] if state[i] else u < enter[i]


@njit(cache=True, nogil=True)
def _conforming(times, ring, order, at, burst, spread, rate, arbitrary, slow, rng):
    """Rounds of a pattern that conforms; the ring holds the last W - 1 rounds and the one at hand."""
    window, n = ring.shape
    for row in range(times.shape[0]):
        r = at[0]
        at[0] = r + 1
        here = ring[r % window]
        here[:] = 0
        times[row, :] = 1.0
        distinct = 0
        for i in range(n):
            for k in range(window):
                if ring[k, i] != 0:
                    distinct += 1
                    break
        for place in range(n - 1, -1, -1):
            other = int(rng.random() * (place + 1))
            worker = order[other]
            order[other] = order[place]
            order[place] = worker
            if rng.random() >= rate:
                continue
            often, oldest = 0, 0
            for k in range(1, min(window, r + 1)):
                if ring[(r - k) % window, worker] != 0:
                    often += 1
                    oldest = k
            fits = often < burst if arbitrary else oldest < burst
            if fits and (often > 0 or distinct < spread):
                distinct += often == 0
                here[worker] = 1
                times[row, worker] = slow
